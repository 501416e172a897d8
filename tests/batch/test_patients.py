"""Patients and variants of a cohort: who counts once, and which rows belong together."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from cohort_factory import metrics, simulated, write_results
from study_factory import write_study

from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.discovery import find_cohort
from y90voxel.batch.handling import Handling
from y90voxel.batch.manifest import read_manifest
from y90voxel.batch.patient_table import PATIENT_COLUMNS
from y90voxel.batch.run_batch import run_batch
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.study_units import study_ids

WORK = "batch_work:compute"


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def done(out, name, patient, *, predicted=False, variant="", study="", columns=None, seed=1):
    """One computed study."""
    document = metrics(name, **simulated(1, np.random.default_rng(seed))) | {"predicted": predicted}
    write_results(out / name, document)
    outcome = StudyOutcome(name, name, StudyStatus.DONE, None, Path(name), columns or {})
    return replace(outcome, patient=patient, variant=variant, study=study), document


def tumour_gy(document):
    return next(r for r in document["regions"] if r["role"] == "tumours")["mass_weighted_mean_gy"]


def test_a_patient_has_one_row_with_what_was_predicted_and_delivered(tmp_path):
    maa, before = done(tmp_path, "maa", "P1", predicted=True, columns={"response": None, "age": "61"}, seed=2)
    first, after = done(tmp_path, "y90", "P1", columns={"response": "PR", "age": "61"}, seed=3)
    second, _ = done(tmp_path, "y90-2", "P1", columns={"response": "SD", "age": "62"}, seed=4)
    alone, _ = done(tmp_path, "other", "", columns={"response": "PD"}, seed=5)
    failed = StudyOutcome("broken", "broken", StudyStatus.FAILED, "no liver", patient="P3")
    write_cohort(tmp_path, [maa, first, second, alone, failed])
    p1, other, p3 = rows_of(tmp_path / "patients.csv")
    assert (p1["patient"], p1["studies"]) == ("P1", "maa; y90; y90-2")
    assert (p1["predicted_studies"], p1["delivered_studies"], p1["delivered_study"]) == ("1", "2", "y90")
    assert float(p1["predicted_tumour_gy"]) == pytest.approx(tumour_gy(before))
    assert float(p1["delivered_tumour_gy"]) == pytest.approx(tumour_gy(after))
    assert (p1["response"], p1["age"]) == ("PR; SD", "61; 62")
    assert (other["patient"], other["predicted_tumour_gy"], other["response"]) == ("study other", "", "PD")
    assert (p3["patient"], p3["delivered_studies"], p3["delivered_tumour_gy"]) == ("P3", "0", "")
    table = pandas.read_parquet(tmp_path / "patients.parquet")
    assert list(table.columns) == [*PATIENT_COLUMNS, "response", "age"]
    assert table.delivered_tumour_gy[0] == pytest.approx(tumour_gy(after))


def test_a_column_of_the_manifest_named_like_ours_gets_another_name(tmp_path):
    study, _ = done(tmp_path, "y90", "P1", columns={"patient": "P1", "studies": "3"})
    write_cohort(tmp_path, [study])
    (row,) = rows_of(tmp_path / "patients.csv")
    assert (row["patient"], row["manifest_patient"], row["manifest_studies"]) == ("P1", "P1", "3")


def test_variants_of_a_study_are_rows_of_one_study(tmp_path):
    studies = [
        done(tmp_path, f"p{n}-{reader}", f"P{n}", variant=reader, study=f"p{n}-A", seed=n)[0]
        for n in (1, 2)
        for reader in ("A", "B")
    ]
    write_cohort(tmp_path, studies)
    rows = rows_of(tmp_path / "cohort.csv")
    assert {(row["study"], row["variant"], row["study_id"]) for row in rows} == {
        (f"p{n}-A", reader, f"p{n}-{reader}") for n in (1, 2) for reader in "AB"
    }
    assert [(r["patient"], r["variant"]) for r in rows_of(tmp_path / "patients.csv")] == [
        ("P1", "A"), ("P1", "B"), ("P2", "A"), ("P2", "B"),
    ]  # fmt: skip
    page = re.sub(r"<[^>]+>", " ", (tmp_path / "cohort.html").read_text())
    assert re.search(r"Studies with results\s+2\s+of 2", page)
    assert "variant: A 2, B 2" in page


def test_outcomes_count_a_patient_once(tmp_path):
    """Twelve patients imaged before and after: twelve deaths, of which the rows of the MAA know."""
    studies = []
    for number in range(12):
        columns = {"os_months": str(5 + number), "death": "1"}
        who = f"P{number}"
        studies.append(done(tmp_path, f"m{number}", who, predicted=True, columns=columns, seed=number)[0])
        studies.append(done(tmp_path, f"y{number}", who, seed=100 + number)[0])
    write_cohort(tmp_path, studies)
    page = (tmp_path / "cohort.html").read_text()
    assert re.findall(r"(\d+) patients, (\d+) events", page) == [("6", "6"), ("6", "6")]
    assert "24 studies of 12 patients" in page


def test_every_column_of_the_table_of_patients_is_documented():
    text = (Path(__file__).resolve().parents[2] / "docs" / "cohort.md").read_text()
    for name, kind in PATIENT_COLUMNS.items():
        assert f"\n| `{name}` | {kind} |" in text, name


def manifest(folder, text):
    for name in ("p1", "p2"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "act").write_text("sleep 0")
    (folder / "cohort.csv").write_text(text, encoding="utf-8")
    return folder / "cohort.csv"


def test_rows_of_one_study_are_told_apart_by_their_variant(tmp_path):
    text = "study,Variant,engine\np1,reader A,local\np1,reader B,local\np1,reader A,local\np2,,local\n"
    units = read_manifest(manifest(tmp_path, text))
    problems = [unit.problem for unit in units]
    assert problems[0].startswith("rows 2, 4 of the manifest name the same study (p1)")
    assert "a column 'variant'" in problems[0]
    assert problems[1:] == [None, None]
    assert units[0].study == units[1].study != units[2].study
    assert set(study_ids(units, {}, anonymous=False).values()) == {"p1-reader-A", "p1-reader-B", "p2"}


def test_whose_a_study_is_stands_in_the_manifest_or_in_its_headers(tmp_path):
    write_study(tmp_path / "p1", PatientID="A")
    write_study(tmp_path / "p2", PatientID="A")
    units = find_cohort(manifest(tmp_path, "study,Patient\np1,Ann\np2,\n")).units
    assert units[0].patient == "Ann"
    assert re.fullmatch(r"digest:[0-9a-f]{16}", units[1].patient)
    assert units[0].columns["Patient"] == "Ann"
    (tree,) = {unit.patient for unit in find_cohort(tmp_path / "p2").units}
    assert tree == units[1].patient  # the same by headers in a tree


def test_one_patient_id_under_two_names_of_the_manifest_is_told(tmp_path):
    for name, who in (("p1", "A"), ("p2", "A")):
        write_study(tmp_path / name, PatientID=who)
    write_study(tmp_path / "p3", PatientID="B")
    text = "study,patient,variant\np1,Ann,x\np1,Ann,y\np2,Bea,\np3,Cat,\n"
    (said,) = find_cohort(manifest(tmp_path, text)).remarks
    assert said.startswith(
        "studies of one PatientID are those of several patients in the manifest: 'Ann': p1, p1; 'Bea': p2. "
    )
    alike = find_cohort(manifest(tmp_path, "study,patient\np1,Ann\np2,Ann\np3,Cat\n"))
    assert alike.remarks == ()


def test_studies_that_name_nobody_are_not_one_patient(tmp_path):
    for name in ("p1", "p2"):
        write_study(tmp_path / name, PatientID="", PatientName="")
    cohort = find_cohort(manifest(tmp_path, "study,patient\np1,Ann\np2,Bea\n"))
    assert cohort.remarks == ()
    assert [unit.patient for unit in find_cohort(manifest(tmp_path, "study\np1\np2\n")).units] == ["", ""]
    assert {unit.patient for unit in find_cohort(tmp_path / "p1").units} == {""}


@pytest.mark.parametrize(("keep", "shown"), [((), r"variant-[0-9a-f]{6}"), (("Variant",), "Dr Smith")])
def test_an_anonymous_cohort_tells_patients_and_readers_apart_without_naming_them(tmp_path, keep, shown):
    path = manifest(tmp_path, "study,patient,variant\np1,John Doe,Dr Smith\np2,John Doe,\n")
    result = run_batch(
        path,
        tmp_path / "out",
        options={"output": {"anonymise": True}},
        handling=Handling(keep_columns=keep),
        work=WORK,
    )
    first, second = sorted(result.outcomes, key=lambda outcome: not outcome.variant)
    assert re.fullmatch(r"patient-[0-9a-f]{12}", first.patient)
    assert first.patient == second.patient
    assert re.fullmatch(shown, first.variant)
    assert (second.variant, first.study != second.study) == ("", True)


def test_a_batch_says_whose_its_studies_are(tmp_path):
    path = manifest(tmp_path, "study,patient,variant,label\np1,P,A,lab\np1,P,B,lab\np2,,,\n")
    outcomes = {o.study_id: o for o in run_batch(path, tmp_path / "out", work=WORK).outcomes}
    assert {o.patient for o in outcomes.values()} == {"P", ""}
    assert (outcomes["p1-A"].study, outcomes["p1-B"].study) == ("p1-A", "p1-A")
    assert [outcomes[name].label for name in ("p1-A", "p1-B", "p2")] == ["lab, A", "lab, B", "p2"]


def test_a_capital_patient_is_no_second_column_and_a_plan_is_no_second_study(tmp_path):
    maa, _ = done(tmp_path, "maa", "P1", predicted=True, columns={"Patient": "P1"}, study="maa")
    plan, _ = done(tmp_path, "maa-plan", "P1", predicted=True, columns={"Patient": "P1"}, study="maa", seed=2)
    write_cohort(tmp_path, [maa, plan])
    (row,) = rows_of(tmp_path / "patients.csv")
    assert row["predicted_studies"] == "1"
    names = [name.lower() for name in row]
    assert len(names) == len(set(names))
    assert row["manifest_Patient"] == "P1"
