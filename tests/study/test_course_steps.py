"""Steps of a course without computing: what predicts a dose, what is kept or made again, and which files that rests on."""

import json
import os
from pathlib import Path

import pytest

from y90voxel.case.course_settings import CourseSettings, read_course
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
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
    ("earlier", "there", "status"),
    [("same", True, "kept"), ("other", True, "done"), ("same", False, "done"), (None, True, "done")],
)
def test_results_stay_where_nothing_changed_and_they_are_there(earlier, there, status, tmp_path):
    folder = tmp_path / "01-a"
    folder.mkdir()
    path = folder / "metrics.json"
    if there:
        path.write_text('{"from": "before"}')
    step = _run(
        "a", DOSE, folder, "same", {} if earlier is None else {"01-a": earlier},
        lambda: path.write_text('{"from": "now"}'),
    )  # fmt: skip
    assert (step.status, step.document["from"]) == (status, "before" if status == "kept" else "now")


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
