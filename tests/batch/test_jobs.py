"""Jobs of a batch: which studies are units of work under each, and what becomes of them."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from study_factory import write_study, write_therapy_study

from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.fingerprint import fingerprint, input_files
from y90voxel.batch.handling import Handling
from y90voxel.batch.job_work import do_job
from y90voxel.batch.jobs import courses_in, first_jobs, parse_job, units_of_job
from y90voxel.batch.manifest import read_manifest
from y90voxel.batch.patient_pairs import comparisons
from y90voxel.batch.run_batch import run_batch
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.study_units import Unit, job_key, job_of
from y90voxel.batch.work_plan import Task
from y90voxel.errors import InputError
from y90voxel.metrics.agreement import bland_altman, concordance

QUIET = {"output": {"report": False}, "dose": {"engine": "local"}}


def write_patient(folder, number, *, activity=True):
    """A patient's MAA study and treatment."""
    who = {"PatientID": f"P{number}"}
    write_study(folder / "maa", StudyInstanceUID=f"1.2.{number}.1", **who)
    write_therapy_study(folder / "y90", 400 + 50 * number, StudyInstanceUID=f"1.2.{number}.2", **who)
    stated = 'activity = "2 GBq"\n' if activity else ""
    (folder / "y90" / "case.toml").write_text(
        f"[administration]\n{stated}lung_shunt_fraction = 0.0{number}\n"
    )
    (folder / "maa" / "case.toml").write_text("[administration]\nlung_shunt_fraction = 0.05\n")
    return folder


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("patient")
    return write_patient(root, 1)


@pytest.fixture
def pair(studies):
    """The surrogate's study and the treatment's as units."""
    return [Unit(name, name, studies / name) for name in ("maa", "y90")]


def jobs_of(units, job, given=None):
    made, remarks = units_of_job(units, job, given or {})
    return [(unit.name, unit.job) for unit in made], remarks


def test_every_study_has_the_jobs_that_it_allows(pair):
    dose, plan = ("maa", "dose"), ("maa", "plan")
    assert jobs_of(pair, "dose")[0] == [dose, ("y90", "dose")]
    assert jobs_of(pair, "compare")[0] == [plan, ("y90", "dose")]
    given = {"administration": {"activity": "2 GBq"}}
    assert jobs_of(pair, "compare", given)[0] == [dose, ("y90", "dose")]
    assert jobs_of(pair, "all")[0] == [plan, ("y90", "dose")]
    assert jobs_of(pair, "all", given)[0] == [dose, plan, ("y90", "dose")]


def test_a_plan_passes_over_images_of_the_treatment(pair):
    made, _ = units_of_job(pair, "plan", {})
    assert [(unit.problem is None, unit.passed_over, job_of(unit.key)) for unit in made] == [
        (True, False, "plan"),
        (False, True, "plan"),
    ]
    assert "nothing to plan" in made[1].problem


def test_the_series_that_is_chosen_says_what_was_imaged(studies):
    series = {"mine": series_of(studies / "maa"), "no": "9.9"}
    units = [Unit(n, n, studies / "maa", settings={"series": {"emission": uid}}) for n, uid in series.items()]
    assert jobs_of(units, "compare")[0] == [("mine", "plan"), ("no", "dose")]


def series_of(folder):
    return str(pydicom.dcmread(folder / "nm0000", stop_before_pixels=True).SeriesInstanceUID)


def test_files_alone_are_planned_when_that_is_asked_and_else_computed(tmp_path):
    unit = Unit("a", "a", None, files={"emission": tmp_path / "spect.nii"})
    assert jobs_of([unit], "plan")[0] == [("a", "plan")]
    assert jobs_of([unit], "compare")[0] == [("a", "dose")]


@pytest.mark.parametrize(
    ("cell", "jobs"),
    [("TRUE", ["dose", "plan"]), ("yes", ["dose", "plan"]), ("false", ["dose"]), ("", ["dose"])],
)
def test_a_row_says_that_a_file_is_the_image_of_a_surrogate(tmp_path, cell, jobs):
    (tmp_path / "maa.nii").write_text("")
    (tmp_path / "c.csv").write_text(f"emission,patient,activity,accept.surrogate\nmaa.nii,P1,2 GBq,{cell}\n")
    made, _ = jobs_of(read_manifest(tmp_path / "c.csv"), "all")
    assert [job for _, job in made] == jobs


def test_a_study_with_a_problem_is_refused_under_each_job(tmp_path):
    unit = Unit("a", "a", tmp_path / "gone", problem="there is no folder")
    for job in ("plan", "compare", "all"):
        assert jobs_of([unit], job)[0] == [("a", "dose")]


def test_jobs_that_there_are_not_are_refused():
    with pytest.raises(InputError, match=r"--job 'verify' is none of dose, plan, compare, course, all"):
        parse_job("verify")
    assert first_jobs("all") == {"dose", "plan", "course"}
    assert first_jobs("compare") == {"dose", "plan"}
    assert first_jobs("plan") == {"plan"}


def test_a_cohort_without_courses_has_nothing_to_do_under_that_job(pair, tmp_path):
    with pytest.raises(InputError, match=r"holds no course: a file course\.toml"):
        units_of_job(pair, "course", {})
    course = tmp_path / "p1" / "course.toml"
    course.parent.mkdir()
    course.write_text('[[session]]\nname = "a"\nkind = "event"\nday = 0\n')
    made, remarks = units_of_job([*pair, *courses_in(tmp_path, None)], "course", {})
    assert [(unit.name, unit.job) for unit in made] == [("p1", "course")]
    assert remarks == ["2 of 3 studies have nothing to do under --job course"]
    assert input_files(made[0]) == [course]
    assert list(courses_in(tmp_path, course.parent.resolve())) == []
    with pytest.raises(InputError, match="holds no study"):
        units_of_job(made, "dose", {})


def test_a_row_may_name_a_study_and_a_course(tmp_path):
    (tmp_path / "c.toml").write_text("")
    unit = Unit("a", "a", tmp_path, files={"course": tmp_path / "c.toml"}, columns={"x": 1}, patient="P")
    made, _ = units_of_job([unit], "all", {})
    assert [(one.job, dict(one.files)) for one in made] == [
        ("dose", {}),
        ("course", {"course": tmp_path / "c.toml"}),
    ]
    assert (made[1].patient, made[1].columns) == ("P", {"x": 1})


@pytest.mark.parametrize(
    ("job", "options", "message"),
    [
        ("course", {"dose": {"engine": "local"}}, "takes its settings from the case files of the sessions: dose"),
        ("course", {"output": {"anonymise": True}}, "which have no --anonymise"),
        ("all", {"output": {"anonymise": True}}, "which have no --anonymise"),
    ],
)  # fmt: skip
def test_what_a_course_would_not_heed_is_refused(tmp_path, job, options, message):
    with pytest.raises(InputError, match=message):
        run_batch(tmp_path, tmp_path / "out", options=options, job=job)


# what is compared


def results(folder, name, *, predicted, job="dose"):
    """Results that say as much as pairing asks."""
    place = folder / name
    place.mkdir()
    if job == "plan":
        (place / "plan.json").write_text("{}")
        (place / "dose_per_gbq.nii.gz").write_text("")
    else:
        (place / "metrics.json").write_text(json.dumps({"predicted": predicted}))
    return name


def task(name, patient, job="dose", **more):
    unit = Unit(job_key(name, job), name, None, patient=patient, study=name, job=job, **more)
    return Task(unit, name, {}, "", "", None)


def pairs_of(tmp_path, *tasks, predicted=()):
    for one in tasks:
        results(tmp_path, one.study_id, predicted=one.study_id in predicted, job=one.unit.job)
    done = {one.unit.key: one.study_id for one in tasks}
    units, remarks = comparisons(tasks, tmp_path, done)
    found = {}
    for unit in units:
        named = {role: files[0].parent.name for role, files in unit.files.items()}
        found[unit.name] = (named.get("predicted"), unit.problem)
    return found, remarks


def test_a_treatment_is_compared_with_the_prediction_of_its_patient(tmp_path):
    tasks = (task("m1", "A"), task("y1", "A"), task("m2", "B", "plan"), task("y2", "B"), task("y3", "C"))
    found, remarks = pairs_of(tmp_path, *tasks, task("y4", ""), predicted=("m1",))
    assert found == {"y1": ("m1", None), "y2": ("m2", None)}
    assert remarks[0] == "compared, treatment with prediction: y1 with m1, y2 with m2"
    assert remarks[1].startswith("not compared, because no prediction of the same patient is done: y3.")
    assert remarks[2].startswith("not compared, because nothing says whose they are: y4.")
    assert len(remarks) == 3


def test_a_prediction_without_treatment_is_said_once_for_dose_and_plan(tmp_path):
    plan = task("m", "A", "plan")
    plan = Task(plan.unit, "m-plan", {}, "", "", None)
    _, remarks = pairs_of(tmp_path, plan, task("m", "A"), task("y", "B"), predicted=("m",))
    assert remarks[-1] == "predicted, and no treatment of the same patient is done to compare with: m-plan"


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, " and 1 more"), (23, " and 3 more")])
def test_many_names_are_cut(tmp_path, count, more):
    tasks = [task(f"y{number:02d}", f"P{number}") for number in range(count)]
    _, (said,) = pairs_of(tmp_path, *tasks)
    assert f"y19{more}. A prediction is" in said
    assert "y20" not in said


def test_a_row_that_predicts_and_was_computed_as_a_treatment_is_told(tmp_path):
    tasks = (task("m1", "A"), task("y1", "A", predicted_by="m1"))
    found, _ = pairs_of(tmp_path, *tasks)
    assert "was computed as a treatment" in found["y1"][1]
    assert "'accept.surrogate' with true" in found["y1"][1]


def test_several_predictions_or_treatments_need_to_be_told_which_is_which(tmp_path):
    two = (task("m1", "A"), task("m2", "A"), task("y1", "A"))
    found, _ = pairs_of(tmp_path, *two, predicted=("m1", "m2"))
    assert "several predictions (m1, m2) or treatments (y1)" in found["y1"][1]
    assert "predicted_by" in found["y1"][1]
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    stated = (*two[:2], task("y1", "A", predicted_by="m2"), task("y2", "A", predicted_by="gone"))
    found, _ = pairs_of(tmp_path, *stated, predicted=("m1", "m2"))
    assert found["y1"] == ("m2", None)
    assert "not among those of the cohort" in found["y2"][1]


def test_variants_are_compared_with_their_own_prediction_or_the_only_one(tmp_path):
    common = (task("m", "A"), task("y-r", "A", variant="r"), task("y-s", "A", variant="s"))
    found, _ = pairs_of(tmp_path, *common, predicted=("m",))
    assert found == {"y-r": ("m", None), "y-s": ("m", None)}
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    own = (*common, task("m-s", "A", variant="s"))
    found, _ = pairs_of(tmp_path, *own, predicted=("m", "m-s"))
    assert found == {"y-r": ("m", None), "y-s": ("m-s", None)}


def test_the_dose_of_a_prediction_goes_before_its_plan(tmp_path):
    plan = task("m", "A", "plan")
    plan = Task(plan.unit, "m-plan", {}, "", "", None)
    found, _ = pairs_of(tmp_path, plan, task("m", "A"), task("y", "A"), predicted=("m",))
    assert found == {"y": ("m", None)}


# whole runs


def test_a_cohort_is_compared_and_goes_on_where_it_was(tmp_path):
    tree = tmp_path / "tree"
    for number in (1, 2):
        write_patient(tree / f"p{number}", number)
    out = tmp_path / "out"
    result = run_batch(tree, out, options=QUIET, job="compare")
    assert {o.study_id: (o.job, o.status.value) for o in result.outcomes} == {
        f"p{n}-{name}": (job, "done")
        for n in (1, 2)
        for name, job in (("maa-plan", "plan"), ("y90", "dose"), ("y90-compare", "compare"))
    }
    document = json.loads((out / "p1-y90-compare" / "compare.json").read_text())
    assert document["normalisation"]["mode"] == "activity"
    status = json.loads((out / "status.json").read_text())
    assert (status["job"], status["counts"]["done"]) == ("compare", 6)
    again = run_batch(tree, out, options=QUIET, job="compare")
    assert (again.computed, len(again.outcomes)) == (0, 6)
    # a treatment changes: its dose and its comparison are made again, and nothing else
    (tree / "p1" / "y90" / "case.toml").write_text(
        '[administration]\nactivity = "1 GBq"\nlung_shunt_fraction = 0.01\n'
    )
    changed = run_batch(tree, out, options=QUIET, job="compare")
    assert changed.computed == 2
    halved = json.loads((out / "p1-y90-compare" / "compare.json").read_text())
    before, after = (
        next(r["delivered"]["mean_gy"] for r in one["regions"] if r["name"] == "GTV1")
        for one in (document, halved)
    )
    assert after == pytest.approx(before / 2, rel=1e-6)
    # under another job nothing of this one is touched
    alone = run_batch(tree, out, options=QUIET)
    assert {o.study_id: o.status.value for o in alone.outcomes if o.study_id.endswith("y90")} == {
        "p1-y90": "done",
        "p2-y90": "done",
    }
    assert (out / "p1-y90-compare" / "compare.json").is_file()
    assert not (out / "p1-y90-compare" / "STALE.txt").exists()
    assert run_batch(tree, out, options=QUIET, job="compare").computed == 0


def test_a_manifest_pairs_regions_of_other_names(studies, tmp_path):
    """Used where it compares, made again when it changes, refused where a side has no such region."""
    table = tmp_path / "cohort.csv"

    def run(pair):
        rows = f"study,patient,activity,lung_shunt,pair\n{studies}/maa,A,2 GBq,0.05,\n{studies}/y90,A,2 GBq,0.05,{pair}\n"
        table.write_text(rows)
        result = run_batch(table, tmp_path / "out", options=QUIET, job="compare")
        (one,) = [outcome for outcome in result.outcomes if outcome.job == "compare"]
        return result, one

    result, one = run("GTV1=GTV1| Liver = Liver ")
    document = json.loads((tmp_path / "out" / one.folder / "compare.json").read_text())
    matched = {region["name"]: region["matched_by"] for region in document["regions"]}
    assert (result.computed, matched["GTV1"], matched["Liver"], matched["all tumours"]) == (
        3,
        "user",
        "user",
        "name",
    )
    assert run("GTV1=GTV1| Liver = Liver ")[0].computed == 0
    result, one = run("GTV1=")
    document = json.loads((tmp_path / "out" / one.folder / "compare.json").read_text())
    assert result.computed == 1
    assert "GTV1" not in [region["name"] for region in document["regions"]]
    result, one = run("GTV9=GTV1")
    assert one.status is StudyStatus.STALE
    assert "'GTV9=GTV1' names a region that there is not" in one.reason


def test_a_pair_where_nothing_is_compared_is_said(tmp_path):
    tasks = (
        task("m", "A", pairs=("a=b",)),
        task("y", "A", pairs=("a=b",)),
        task("alone", "B", pairs=("a=b",)),
        task("other", "C"),
    )
    _, remarks = pairs_of(tmp_path, *tasks, predicted=("m",))
    assert [line for line in remarks if "'pair'" in line] == [
        "the column 'pair' is not used of alone, m: it belongs on the row of a treatment that is compared with a prediction"
    ]
    (unit,) = [one.unit for one in tasks if one.unit.name == "y"]
    for job, said in (("dose", 1), ("plan", 1), ("compare", 0), ("all", 0)):
        _, remarks = units_of_job([unit], job, {})
        assert len([line for line in remarks if f"not used under --job {job}" in line]) == said


def request(tmp_path, **changed):
    return {
        "job": "dose", "path": None, "only": None, "settings": {"output": {"report": False}}, "earlier": None,
        "staging": str(tmp_path / "staging"), **changed,
    }  # fmt: skip


def test_a_course_is_done_when_all_of_it_is_and_keeps_what_was_done(tmp_path, studies):
    file = tmp_path / "course.toml"
    sessions = '[[session]]\nname = "maa"\nkind = "plan"\nday = 0\nstudy = "{}"\ncase = "case.toml"\n'
    (tmp_path / "case.toml").write_text(
        '[administration]\nactivity = "2 GBq"\nlung_shunt_fraction = 0.05\n[dose]\nengine = "local"\n'
    )
    file.write_text(sessions.format(studies / "maa"))
    assert set(input_files(Unit("c", "c", None, files={"course": file}, job="course"))) == {
        file, tmp_path / "case.toml", *(p for p in (studies / "maa").iterdir()),
    }  # fmt: skip
    do_job(request(tmp_path, job="course"), {"course": file})
    first = tmp_path / "first"
    (tmp_path / "staging").rename(first)
    again = request(tmp_path, job="course", earlier=str(first))
    do_job(again, {"course": file})
    document = json.loads((tmp_path / "staging" / "course.json").read_text())
    assert [one["status"] for one in document["sessions"]] == ["kept"]
    shutil.rmtree(tmp_path / "staging")
    (tmp_path / "case.toml").write_text("[administration]\nlung_shunt_fraction = 2\n")
    with pytest.raises(InputError, match=r"1 of its \d+ steps failed: maa: .*lung_shunt_fraction"):
        do_job(again, {"course": file})


def test_the_page_pools_predicted_and_delivered_over_patients(tmp_path):
    rng = np.random.default_rng(3)
    before, after = rng.uniform(100, 300, (2, 6))
    outcomes = []
    for number in range(6):
        folder = tmp_path / f"p{number}"
        folder.mkdir()
        sides = {"predicted": {"mean_gy": before[number]}, "delivered": {"mean_gy": after[number]}}
        region = {"name": "all tumours", "role": "tumours", **sides}
        document = {
            "kind": "compare", "delivered": {"nuclide": "Y-90"}, "regions": [region], "warnings": [],
            "provenance": {"version": "0"},
        }  # fmt: skip
        (folder / "compare.json").write_text(json.dumps(document))
        outcome = StudyOutcome(f"p{number}", f"p{number}", StudyStatus.DONE, None, Path(f"p{number}"))
        outcomes.append(replace(outcome, job="compare", patient=f"P{number}"))
    # the first patient was compared twice: the second time counts for nothing
    twice = replace(outcomes[1], study_id="again", patient="P0")
    write_cohort(tmp_path, [*outcomes, twice])
    page = re.sub(r"<[^>]+>", " ", (tmp_path / "cohort.html").read_text())
    found = re.search(
        r"All tumours of a patient\s+(\d+)\s+(\S+) Gy\s+(\S+) to (\S+) Gy\s.*?(0?-?[\d.]+)\s*\n", page
    )
    expected = bland_altman(before, after)
    assert found[1] == "6"
    assert float(found[2].replace("−", "-")) == pytest.approx(expected.bias, rel=0.01)
    assert float(found[3].replace("−", "-")) == pytest.approx(expected.lower, rel=0.01)
    assert f"{concordance(before, after):.3f}" in page
    rows = rows_of(tmp_path / "patients.csv")
    assert [float(row["compare_predicted_tumour_gy"]) for row in rows] == pytest.approx(before, rel=1e-6)
    table = rows_of(tmp_path / "cohort.csv")
    assert float(table[2]["difference_mean_gy"]) == pytest.approx(after[2] - before[2], rel=1e-5)
    write_cohort(tmp_path, outcomes[:4])
    few = re.sub(r"<[^>]+>", " ", (tmp_path / "cohort.html").read_text())
    assert re.search(r"All tumours of a patient\s+4\s+–\s+–\s", few)


def test_one_course_that_several_rows_name_is_run_once(tmp_path):
    (tmp_path / "c.toml").write_text("")
    rows = [Unit(n, n, tmp_path, files={"course": tmp_path / "c.toml"}, columns={"row": n}) for n in "ab"]
    made, remarks = units_of_job(rows, "all", {})
    assert [(one.name, one.job) for one in made] == [("a", "dose"), ("a", "course"), ("b", "dose")]
    assert remarks == []
    alone = Unit("c", "c", None, files={"course": tmp_path / "c.toml"})
    _, remarks = units_of_job([*rows, alone], "compare", {})
    assert remarks == ["1 of 3 studies have nothing to do under --job compare"]


def test_regions_of_a_manifest_may_be_a_folder_whose_every_file_counts(tmp_path):
    """Masks of TotalSegmentator, or an RTSTRUCT, beside a file of tumours."""
    masks, tumours = tmp_path / "totalseg", tmp_path / "hcc.seg.nrrd"
    masks.mkdir()
    for name in ("liver.nii.gz", "spleen.nii.gz"):
        (masks / name).write_bytes(name.encode())
    tumours.write_bytes(b"tumours")
    unit = Unit("a", "a", None, files={"regions": (masks, tumours)})
    before = fingerprint(input_files(unit))
    assert before["files"] == 3
    (masks / "liver.nii.gz").write_bytes(b"another liver")
    assert fingerprint(input_files(unit))["content_sha256"] != before["content_sha256"]


# dry runs


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        ({"lung_shunt_fraction": 0.05}, "needs the administered activity"),
        ({"activity": "2 GBq"}, "needs the lung shunt fraction"),
        ({"net_activity": "2 GBq", "lung_shunt_fraction": "spect"}, None),
        ({"activity": "2 GBq", "lung_shunt_fraction": 0.05}, None),
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses_for_a_fact_that_is_missing(tmp_path, facts, refused):
    write_study(tmp_path / "maa")
    given = {**QUIET, "administration": facts}
    dry = run_batch(tmp_path / "maa", tmp_path / "out", options=given, handling=Handling(dry_run=True))
    assert len(dry.outcomes) == int(refused is not None)
    if refused is None:
        assert any("would be computed" in line for line in dry.remarks)
        return
    (one,) = run_batch(tmp_path / "maa", tmp_path / "out", options=given).outcomes
    assert one.status is dry.outcomes[0].status is StudyStatus.REFUSED
    assert one.reason.startswith(dry.outcomes[0].reason)  # and then the tag
    assert refused in one.reason


@pytest.mark.parametrize(
    ("dose", "files", "job", "refused"),
    [
        ({"calibration": "relative"}, {}, "dose", True),
        ({"calibration": "absolute"}, {}, "dose", False),
        ({"calibration_region": "fov"}, {}, "dose", True),
        ({}, {"emission": "spect.nii"}, "dose", False),
        ({"calibration": "relative"}, {"emission": "spect.nii"}, "dose", True),
        ({}, {}, "plan", False),
    ],
)
def test_a_dry_run_refuses_only_what_headers_and_settings_tell(tmp_path, dose, files, job, refused):
    """No activity is given: an image file may hold Bq/mL, and a plan needs none."""
    write_study(tmp_path / "maa")
    (tmp_path / "spect.nii").write_text("")
    columns = {"study": "maa", **files, **{f"dose.{key}": value for key, value in dose.items()}}
    (tmp_path / "c.csv").write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n")
    dry = run_batch(tmp_path / "c.csv", tmp_path / "out", job=job, handling=Handling(dry_run=True))
    assert len(dry.outcomes) == int(refused)
