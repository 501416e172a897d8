"""The patients of a cohort on its page: predicted, delivered and outcome in one row, however few there are."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from cohort_factory import metrics, simulated, write_results

from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.handling import Handling
from y90voxel.batch.run_batch import run_batch
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.cohort.cohort import StudySummary
from y90voxel.report.formatting import number
from y90voxel.report.patients_section import patients_section


def done(out, name, patient, gy, *, predicted=False, columns=None):
    facts = simulated(1, np.random.default_rng(1)) | {"tumour_gy": gy}
    write_results(out / name, metrics(name, **facts) | {"predicted": predicted})
    return replace(
        StudyOutcome(name, name, StudyStatus.DONE, None, Path(name), columns or {}), patient=patient
    )


def compared(out, name, patient, before, after):
    (out / name).mkdir()
    sides = {"predicted": {"mean_gy": before}, "delivered": {"mean_gy": after}}
    document = {
        "kind": "compare", "delivered": {"nuclide": "Y-90"}, "warnings": [], "provenance": {"version": "0"},
        "regions": [{"name": "all tumours", "role": "tumours", **sides}],
    }  # fmt: skip
    (out / name / "compare.json").write_text(json.dumps(document))
    outcome = StudyOutcome(name, name, StudyStatus.DONE, None, Path(name))
    return replace(outcome, job="compare", patient=patient)


def rows_of_page(page, label):
    table = re.search(rf'<div[^>]*aria-label="{label}"[^>]*>(.*?)</table>', page, re.DOTALL)[1]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("<tr>")[1:]]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in rows]


def test_a_page_of_few_patients_shows_each_with_doses_and_outcome(tmp_path):
    studies = [
        done(tmp_path, "m1", "P1", 180.0, predicted=True, columns={"mRECIST": "PR"}),
        done(tmp_path, "y1", "P1", 150.0, columns={"mRECIST": "PR", "os_months": "9.5", "died": "1"}),
        compared(tmp_path, "c1", "P1", 200.0, 150.0),
        done(tmp_path, "y2", "P2", 310.0, columns={"mRECIST": "CR", "os_months": "30", "died": "0"}),
        done(tmp_path, "y3", "P3", 90.0, columns={"mRECIST": "PR", "os_months": None, "died": None}),
        replace(
            StudyOutcome("x", "x", StudyStatus.FAILED, "no liver", columns={"mRECIST": "PD"}), patient="P4"
        ),
    ]
    write_cohort(tmp_path, studies)
    page = (tmp_path / "cohort.html").read_text()
    head, first, second, third = rows_of_page(page, "Patients: predicted, delivered, outcome")
    assert head[:3] == ["Patient", "Tumour, predicted, Gy", "Tumour, delivered, Gy"]
    assert head[-4:] == ["Tumour, delivered over predicted", "mRECIST", "os_months", "died"]
    assert first[:3] == ["P1", "180", "150"]
    assert first[-4:] == ["0.750", "PR", "9.5", "1"]
    assert (second[0], second[1], second[2], second[-4:]) == ("P2", "–", "310", ["–", "CR", "30", "0"])
    assert (third[0], third[-3:]) == ("P3", ["PR", "–", "–"])
    groups = rows_of_page(page, "Tumour dose by response")
    assert groups[1:] == [["CR", "1", "310", "–"], ["PR", "2", "120", "90.0 to 150"]]
    assert 'id="filter-patients"' in page
    assert "Not compared, because no prediction is done: P2, P3." in page
    assert "--job compare" not in page
    assert 'href="patients.csv"' in page


def test_a_page_of_doses_alone_says_how_to_compare_them(tmp_path):
    both = [done(tmp_path, "m1", "P1", 180.0, predicted=True), done(tmp_path, "y1", "P1", 150.0)]
    write_cohort(tmp_path, [*both, done(tmp_path, "y2", "P2", 150.0)])
    page = re.sub(r"\s+", " ", (tmp_path / "cohort.html").read_text())
    assert "Predicted and delivered are both there of P1: <code>batch --job compare</code>" in page


@pytest.mark.parametrize(("count", "more"), [(20, "."), (21, " and 1 more.")])
def test_many_patients_are_cut(count, more, tmp_path):
    studies = [done(tmp_path, f"y{number:02d}", f"P{number:02d}", 150.0) for number in range(count)]
    write_cohort(tmp_path, [*studies, compared(tmp_path, "c", "Q", 2.0, 3.0)])
    assert f"P18, P19{more}" in (tmp_path / "cohort.html").read_text()


def summary(name, patient, gy, **facts):
    return StudySummary(
        name, name, "done", values={"tumour_gy": gy, "lung_gy": 2.0}, facts=facts, patient=patient
    )


def test_what_a_plan_alone_predicts_is_marked():
    plan = summary("plan", "P1", 217.0, job="plan", dose="predicted")
    (row,) = patients_section([plan])["rows"]
    assert (row["cells"][0]["text"], row["cells"][0]["mark"]) == ("217", "†")
    dose = summary("maa", "P1", 180.0, dose="predicted")
    shown = patients_section([plan, dose])  # the dose counts, although the plan stands first
    assert (shown["rows"][0]["cells"][0]["text"], shown["planned"]) == ("180", False)


def test_a_plan_that_was_compared_shows_the_dose_it_was_compared_with(tmp_path):
    write_cohort(tmp_path, [compared(tmp_path, "c1", "P1", 284.0, 355.0)])
    found = rows_of_page((tmp_path / "cohort.html").read_text(), "Patients: predicted, delivered, outcome")
    assert found[1][:3] == ["P1", "–", "–"]  # no dose of a study stands for it
    assert found[1][-1] == number(355.0 / 284.0)


def test_without_any_dose_there_is_no_table_of_patients():
    assert patients_section([StudySummary("a", "a", "failed")]) is None


@pytest.mark.parametrize("lacking", ["os_months", "died"])
def test_half_a_survival_is_said(tmp_path, lacking):
    columns = {"os_months": "9.5", "died": "1"}
    del columns[lacking]
    write_cohort(tmp_path, [done(tmp_path, "y1", "P1", 150.0, columns=columns)])
    page = (tmp_path / "cohort.html").read_text()
    assert ("no column of the time" if lacking == "os_months" else "no column of the event") in page


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("dry", [False, True])
def test_a_batch_says_which_outcomes_it_reads_and_which_look_like_one(tmp_path, anonymous, dry):
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1" / "act").write_text("sleep 0")
    (tmp_path / "cohort.csv").write_text("study,Respons,OS_months,Outcome_3m,Dr Smith\np1,PR,4,x,1\n")
    result = run_batch(
        tmp_path / "cohort.csv",
        tmp_path / "out",
        options={"output": {"anonymise": anonymous}},
        handling=Handling(dry_run=dry),
        work="batch_work:compute",
    )
    said = " | ".join(result.remarks)
    assert "outcomes of the manifest: time from 'OS_months'" in said
    assert "NOT read as one: 'Respons' (nearly 'response')" in said
    assert ("'Outcome_3m' (if it is an outcome" in said) is not anonymous  # it might be "Smith outcome"
    assert ("'Dr Smith'" in said) is not anonymous


def test_a_manifest_without_outcomes_says_nothing_of_them(tmp_path):
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1" / "act").write_text("sleep 0")
    (tmp_path / "cohort.csv").write_text("study,centre\np1,Lyon\n")
    result = run_batch(tmp_path / "cohort.csv", tmp_path / "out", work="batch_work:compute")
    assert not [line for line in result.remarks if "outcome" in line]
