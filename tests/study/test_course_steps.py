"""Steps of a course without computing: what predicts a dose, what is kept or made again, and which files that rests on."""

import json
import os
from pathlib import Path

import pytest

from y90voxel.case.course_settings import CourseSettings, read_course
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.atomic import MANIFEST
from y90voxel.study import run_course
from y90voxel.study.run_course import _delivered, _earlier, _files_of_case, _predictor, _run, _session, _Step
from y90voxel.study.run_dose import _chosen_series

PLAN, DOSE = "plan", "dose"


def course_of(*sessions, predicted_by=None):
    """Sessions of a kind each, named by their number; the last one may say what predicts it."""
    made = [{"name": str(i), "kind": kind, "day": float(i), "study": "s"} for i, kind in enumerate(sessions)]
    if predicted_by is not None:
        made[-1]["predicted_by"] = predicted_by
    return CourseSettings.model_validate({"session": made})


def steps_of(folder, **documents):
    """Steps by the number of their session: ``plan`` with a map, ``mapless`` plan, ``surrogate`` or ``given`` dose."""
    steps = {}
    for name, what in documents.items():
        number, kind = name.removeprefix("s"), PLAN if what in ("plan", "mapless") else DOSE
        step = _Step(number, kind, folder / number, "", document={"predicted": what == "surrogate"})
        step.folder.mkdir()
        if what == "plan":
            (step.folder / "dose_per_gbq.nii.gz").touch()
        steps[number] = step
    return steps


@pytest.mark.parametrize(
    ("kinds", "documents", "found"),
    [
        ((PLAN, DOSE), {"s0": "plan"}, "0"),
        ((PLAN, DOSE), {"s0": "mapless"}, None),
        ((DOSE, DOSE), {"s0": "surrogate"}, "0"),
        ((DOSE, DOSE), {"s0": "given"}, None),
        ((PLAN, DOSE, DOSE), {"s0": "plan", "s1": "given"}, None),
        ((PLAN, PLAN, DOSE), {"s0": "plan", "s1": "mapless"}, "0"),
        ((PLAN, PLAN, DOSE), {"s0": "plan", "s1": "plan"}, "1"),
        ((PLAN, DOSE), {}, None),
    ],
)
def test_the_last_map_before_a_dose_predicts_it_unless_a_treatment_lies_between(
    kinds, documents, found, tmp_path
):
    course = course_of(*kinds)
    step = _predictor(course, course.session[-1], steps_of(tmp_path, **documents))
    assert (None if step is None else step.name) == found


@pytest.mark.parametrize("done", [True, False])
def test_a_dose_whose_predictor_failed_is_compared_with_nothing(done, tmp_path):
    """It ended the whole course, after all sessions had been computed."""
    course = course_of(PLAN, PLAN, DOSE, predicted_by="0")
    documents = {"s0": "mapless", "s1": "plan"} if done else {"s1": "plan"}
    step = _predictor(course, course.session[-1], steps_of(tmp_path, **documents))
    assert (None if step is None else step.name) == ("0" if done else None)


@pytest.mark.parametrize(
    ("kinds", "predictor", "refused"),
    [
        ((PLAN, DOSE), "0", False),
        ((DOSE, DOSE), "0", False),
        ((PLAN, DOSE), "1", True),
        ((PLAN, DOSE), "2", True),
        ((DOSE,), "0", True),
    ],
)
def test_what_predicts_a_dose_is_another_plan_or_dose_of_the_course(kinds, predictor, refused):
    if refused:
        with pytest.raises(ValueError, match=f"predicted by '{predictor}', which is no other plan or dose"):
            course_of(*kinds, predicted_by=predictor)
    else:
        assert course_of(*kinds, predicted_by=predictor).session[-1].predicted_by == predictor


def test_a_mark_on_the_time_line_predicts_nothing(tmp_path):
    text = (
        '[[session]]\nname = "a"\nkind = "event"\nday = 1\n'
        '[[session]]\nname = "b"\nkind = "dose"\nday = 2\nstudy = "s"\npredicted_by = "a"\n'
    )
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(InputError, match="'b' is predicted by 'a', which is no other plan or dose"):
        read_course(tmp_path / "course.toml")


@pytest.mark.parametrize(
    ("kind", "document", "found"),
    [
        (DOSE, {"predicted": False}, True),
        (DOSE, {"predicted": True}, False),
        (DOSE, None, False),
        (PLAN, {"predicted": False}, False),
    ],
)
def test_a_dose_that_was_given_is_no_prediction_and_no_plan(kind, document, found):
    assert _delivered(_Step("a", kind, Path("a"), "", document=document)) is found


@pytest.mark.parametrize(
    ("earlier", "there", "report", "status"),
    [
        ("same", True, True, "kept"),
        ("other", True, True, "done"),
        ("same", False, True, "done"),
        (None, True, True, "done"),
        ("same", True, False, "kept"),
        ("same without pages", True, False, "kept"),
        ("same without pages", True, True, "done"),
        ("other without pages", True, False, "done"),
    ],
)
def test_results_stay_where_nothing_changed_and_they_are_there(earlier, there, report, status, tmp_path):
    """Pages that a run without them left out were never made: those of the course had no links to them."""
    folder = tmp_path / "01-a"
    folder.mkdir()
    path = folder / "metrics.json"
    if there:
        path.write_text('{"from": "before"}')
    step = _run(
        "a", DOSE, folder, "same", {} if earlier is None else {"01-a": earlier},
        lambda: path.write_text('{"from": "now"}'), report=report,
    )  # fmt: skip
    assert (step.status, step.document["from"]) == (status, "before" if status == "kept" else "now")
    assert step.fingerprint == (earlier if status == "kept" else "same" if report else "same without pages")


@pytest.mark.parametrize(
    "table", ['scanner = "x"', '[partial_volume]\nrecovery = "x"', '[plan]\nprevious = ["x"]', '[dead_time]\ncurve = "x"']
)  # fmt: skip
def test_a_session_is_made_again_when_a_file_of_its_case_changes(table, tmp_path, monkeypatch):
    """The results of an older scanner file or recovery table stayed, as if nothing had changed."""
    monkeypatch.setattr(run_course, "run_study", lambda study, folder, settings, **_: None)
    monkeypatch.setattr(run_course, "read_json", lambda path: {})
    (tmp_path / "case.toml").write_text(table + "\n")
    (tmp_path / "x").write_text("1")
    assert _files_of_case(tmp_path / "case.toml") == [tmp_path / "x"]
    session = CourseSettings.model_validate(
        {"session": [{"name": "a", "kind": DOSE, "day": 0.0, "case": str(tmp_path / "case.toml")}]}
    ).session[0]

    def fingerprint():
        return _session(session, tmp_path / "out", {}, False).fingerprint

    before = fingerprint()
    assert fingerprint() == before
    (tmp_path / "x").write_text("12")
    assert fingerprint() != before


def test_a_case_file_that_cannot_be_read_names_no_files(tmp_path):
    (tmp_path / "case.toml").write_text("[nonsense]\n")
    assert _files_of_case(tmp_path / "case.toml") == []
    (tmp_path / "case.toml").write_text("")
    assert _files_of_case(tmp_path / "case.toml") == []


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ('{"kind": "course", "fingerprints": {"a": "b"}}', {"a": "b"}),
        ('{"kind": "dose", "fingerprints": {"a": "b"}}', None),
        ('{"kind": "course"}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_a_folder_of_a_course_says_what_was_made(document, found, tmp_path):
    (tmp_path / "course.json").write_text(document)
    if found is None:
        with pytest.raises(InputError, match="holds no course"):
            _earlier(tmp_path)
    else:
        assert _earlier(tmp_path) == found
    os.remove(tmp_path / "course.json")
    assert _earlier(tmp_path) == _earlier(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("series", "injections", "found"),
    [
        (None, ["1.2", "1.3"], ["1.2", "1.3"]),
        (None, ["1.2", "1.2"], ["1.2"]),
        (None, [None, None], []),
        ("1.2", [None, None], []),
        ("1.2", ["1.2", "1.2"], ["1.2"]),
        ("1.2", ["1.2", "1.3"], "series.emission is 1.2, but the injections name 1.2, 1.3"),
        ("1.4", ["1.2", "1.2"], "series.emission is 1.4, but the injections name 1.2:"),
        (None, ["1.2", None], "1 of 2 injections name their emission_series"),
    ],
)
def test_the_emission_series_is_stated_once(series, injections, found):
    tables = {"series": {"emission": series}, "injection": [{"emission_series": uid} for uid in injections]}
    settings = load_settings(None, json.loads(json.dumps(tables)))
    if isinstance(found, str):
        with pytest.raises(InputError, match=found):
            _chosen_series(settings)
    else:
        assert _chosen_series(settings) == found


REGION = {"name": "GTV", "role": "tumours", "mass_weighted_mean_gy": 100.0}
DOCUMENTS = {
    "metrics.json": {
        "predicted": False, "nuclide": "Y-90", "activity_bq": 1e9, "regions": [REGION], "warnings": [],
        "lung": {"mean_mird_1kg_gy": 5.0, "shunt_fraction": 0.1},
        "limits": [{"name": "a", "status": "not met"}, {"name": "b", "status": "met"}],
    },
    "plan.json": {
        "first_model": "mird", "warnings": [], "lung": {"shunt_fraction": 0.1},
        "models": [
            {"name": "mird", "title": "one", "available": True, "activity_bq": 2e9, "doses_gy": {}},
            {"name": "given", "title": "as given", "available": True, "activity_bq": 3e9, "doses_gy": {}},
        ],
    },
    "compare.json": {
        "regions": [{"name": "GTV", "predicted": {"mean_gy": 90.0}, "delivered": {"mean_gy": 100.0}}], "warnings": [],
    },
    "accumulate.json": {
        "voxels_summed": True, "model_value": "bed", "limits": [], "warnings": [],
        "regions": [{"name": "GTV", "role": "tumour", "mean_gy": 200.0, "effective": None}],
    },
}  # fmt: skip


@pytest.fixture
def course_run(tmp_path, monkeypatch):
    """A course whose jobs write a document each; those of the folders in ``failing`` fail."""
    made = []

    def job(name, file, folder_at):
        def work(*given, **_):
            folder = given[folder_at]
            made.append((name, folder.name))
            if any(word in folder.name for word in failing):
                raise InputError("it cannot be read")
            folder.mkdir(exist_ok=True)
            (folder / file).write_text(json.dumps(DOCUMENTS[file]))
            if name == "plan":
                (folder / "dose_per_gbq.nii.gz").touch()

        return work

    failing = []
    for name, file, at in (
        ("plan", "plan.json", 1), ("study", "metrics.json", 1),
        ("compare", "compare.json", 2), ("accumulate", "accumulate.json", 1),
    ):  # fmt: skip
        monkeypatch.setattr(run_course, f"run_{name}", job(name, file, at))

    def run(*kinds, fail=(), out="out", **more):
        failing[:] = fail
        made.clear()
        sessions = [{"name": f"{kind} {i}", "kind": kind, "day": float(i)} for i, kind in enumerate(kinds)]
        for session in sessions:
            session |= {"external beam": {"dose": "x.dcm", "fractions": 5}, "event": {}}.get(
                session["kind"], {"study": str(tmp_path / "study")}
            )
        sessions[-1] |= more
        course = CourseSettings.model_validate({"session": sessions})
        document = run_course.run_course(course, tmp_path / out, report=False)
        assert json.loads((tmp_path / out / "course.json").read_text()) == document
        return document, list(made)

    return run


def test_a_course_plans_gives_compares_and_adds_up(course_run):
    document, made = course_run("plan", "dose", "event", "external beam")
    assert [name for name, _ in made] == ["plan", "study", "compare", "accumulate"]
    assert document["sessions"][0]["summary"]["activity_bq"] == 3e9  # as given, where that is available
    assert document["sessions"][1]["summary"]["doses_gy"]["tumours"] == 100.0
    assert document["sessions"][1]["summary"]["not_met"] == ["a"]
    assert (document["sessions"][2]["folder"], document["sessions"][2]["status"]) == (None, None)
    assert document["comparisons"][0]["summary"]["regions"][0]["predicted_gy"] == 90.0
    assert document["accumulate"]["summary"]["regions"][0]["mean_gy"] == 200.0
    assert len(document["fingerprints"]) == 4
    again, made = course_run("plan", "dose", "event", "external beam")
    assert made == []
    assert again["sessions"][1]["status"] == "kept"


@pytest.mark.parametrize(("dates", "alone"), [({"day": 0.0}, True), ({"date": "2026-03-02"}, False)])
def test_days_of_a_course_are_held_against_nothing(monkeypatch, tmp_path, dates, alone):
    asked = {}
    monkeypatch.setattr(run_course, "run_accumulate", lambda *_, **more: asked.update(more))
    monkeypatch.setattr(run_course, "read_json", lambda path: {})
    sessions = [
        {"name": name, "kind": "external beam", "dose": f"{name}.dcm", "fractions": 5} for name in "ab"
    ]
    course = CourseSettings.model_validate({"session": [one | dates for one in sessions]})
    run_course._sum(course, [], tmp_path, {}, False)
    assert asked == {"days_alone": alone, "report": False}


def test_a_course_of_one_treatment_adds_nothing_up(course_run):
    document, made = course_run("dose", "event")
    assert (document["accumulate"], document["comparisons"], [name for name, _ in made]) == (
        None,
        [],
        ["study"],
    )


@pytest.mark.parametrize("fractions", [{"fraction_dates": ["2026-05-04"]}, {}])
def test_an_external_beam_need_not_state_the_number_of_its_fractions(course_run, fractions):
    """The dates or the plan beside the dose say it; the course ended in a traceback after all had been computed."""
    document, made = course_run("dose", "external beam", **{"fractions": None, **fractions})
    assert [name for name, _ in made] == ["study", "accumulate"]
    assert (document["accumulate"]["status"], document["accumulate"]["error"]) == ("done", None)


def test_a_dose_that_was_given_is_compared_and_no_plan_is(course_run):
    document, made = course_run("plan", "plan", "dose")
    assert [name for name, _ in made] == ["plan", "plan", "study", "compare"]
    assert [one["name"] for one in document["comparisons"]] == ["plan 1 and dose 2"]


@pytest.mark.parametrize(
    ("kinds", "fail", "summed"),
    [
        (("dose", "dose", "dose"), ["02-dose"], "failed"),
        (("dose", "dose", "external beam"), ["02-dose"], "failed"),
        (("plan", "dose", "dose"), ["01-plan"], "done"),
        (("dose", "dose"), ["02-dose"], None),
    ],
)
def test_treatments_are_not_added_up_without_one_that_failed(course_run, kinds, fail, summed):
    """The sum of the others stood there as that of all treatments."""
    document, made = course_run(*kinds, fail=fail)
    total = document["accumulate"]
    assert (total and total["status"]) == summed
    assert ("accumulate" in [name for name, _ in made]) is (summed == "done")
    assert "accumulate" not in document["fingerprints"] or summed == "done"
    if summed == "failed":
        assert "dose 1 failed" in total["error"]


@pytest.mark.parametrize("stated", [True, False])
def test_a_plan_that_fails_is_compared_with_nothing_and_made_again(course_run, stated):
    more = {"predicted_by": "plan 0"} if stated else {}
    document, made = course_run("plan", "dose", fail=["plan"], **more)
    assert (document["sessions"][0]["status"], document["sessions"][0]["error"]) == (
        "failed",
        "it cannot be read",
    )
    assert (document["comparisons"], len(document["fingerprints"])) == ([], 1)
    _, made = course_run("plan", "dose", **more)
    assert [name for name, _ in made] == ["plan", "compare"]


def test_a_course_is_written_to_a_folder_of_its_own(course_run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; a course needs a folder"):
        course_run("dose", out="file")
    (tmp_path / "empty").mkdir()
    assert course_run("dose", out="empty")[1] == [("study", "01-dose-0")]
    (tmp_path / "killed" / "01-dose-0").mkdir(parents=True)
    (tmp_path / "killed" / "01-dose-0" / MANIFEST).touch()
    assert course_run("dose", out="killed")[1] == [("study", "01-dose-0")]
    (tmp_path / "other" / "thesis").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no course"):
        course_run("dose", out="other")
