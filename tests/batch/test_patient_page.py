"""The patients of a cohort on its page: predicted, delivered and outcome in one row, however few there are."""

import csv
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from cohort_factory import metrics, simulated, write_results

from y90voxel.batch import run_batch as batch_module
from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.handling import Handling
from y90voxel.batch.run_batch import run_batch
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.cohort.cohort import StudySummary
from y90voxel.cohort.patient_doses import patient_doses
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


def planned(out, name, patient, *, activity_gbq=2.0):
    """A plan of 100 Gy/GBq in the tumours, 20 in the liver around, 2.5 in the lungs by MIRD."""
    doses = (
        ("all tumours", "tumours", 100.0),
        ("non-tumour liver", "non_tumour_liver", 20.0),
        ("lungs", "lungs", 2.5),
    )
    model = {
        "name": "mird", "available": True, "activities_bq": [activity_gbq * 1e9], "activity_bq": activity_gbq * 1e9,
        "binding_constraint": "x",
    }  # fmt: skip
    document = {
        "kind": "plan", "models": [model], "first_model": "mird", "nuclide": "Y-90", "lung": {"shunt_fraction": 0.05},
        "regions": [
            {"name": what, "role": role, "volume_ml": 90.0, "mass_g": 95.0, "dose_per_gbq_gy": [gy]}
            for what, role, gy in doses
        ],
        "engine": "local", "engine_requested": "local", "energy_per_activity_j_per_gbq": 49.67,
        "provenance": {"version": "0"}, "warnings": [],
    }  # fmt: skip
    (out / name).mkdir()
    (out / name / "plan.json").write_text(json.dumps(document))
    outcome = StudyOutcome(name, name, StudyStatus.DONE, None, Path(name))
    return replace(outcome, job="plan", patient=patient)


def test_every_number_of_the_table_of_patients_is_that_of_the_csv(tmp_path):
    """Doses, plans beside a treatment and alone, comparisons: under one name there is one number."""
    studies = [
        done(tmp_path, "m1", "P1", 180.0, predicted=True),
        done(tmp_path, "y1", "P1", 150.0),
        compared(tmp_path, "c1", "P1", 200.0, 150.0),
        planned(tmp_path, "m2", "P2"),
        done(tmp_path, "y2", "P2", 310.0),
        planned(tmp_path, "m3", "P3"),
        done(tmp_path, "y4", "P4", 90.0),
    ]
    write_cohort(tmp_path, studies)
    page = (tmp_path / "cohort.html").read_text()
    head, *shown = rows_of_page(page, "Patients: predicted, delivered, outcome")
    keys = [
        f"{side}_{key}"
        for key in ("tumour_gy", "non_tumour_liver_gy", "lung_gy")
        for side in ("predicted", "delivered")
    ] + ["compare_tumour_ratio"]
    assert head[5:] == [
        "Lungs by MIRD with 1 kg, predicted, Gy",
        "Lungs by MIRD with 1 kg, delivered, Gy",
        "Tumour, delivered over predicted",
    ]
    with (tmp_path / "patients.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    for cells, row in zip(shown, table, strict=True):
        assert [cell.rstrip("*†") for cell in cells[1:]] == [
            number(float(row[key])) if row[key] else "–" for key in keys
        ]
    by_patient = {row["patient"]: row for row in table}
    given = float(by_patient["P2"]["delivered_activity_gbq"])
    scaled = {key: float(by_patient["P2"][key]) for key in keys if key.startswith("predicted")}
    assert scaled == pytest.approx(
        {"predicted_tumour_gy": 100 * given, "predicted_non_tumour_liver_gy": 20 * given, "predicted_lung_gy": 2.5 * given},
        rel=1e-6,
    )  # fmt: skip
    assert float(by_patient["P2"]["predicted_activity_gbq"]) == pytest.approx(given, rel=1e-6)
    assert [by_patient[who]["plan_activity_gbq"] for who in ("P1", "P2", "P3")] == ["", "2", "2"]
    assert float(by_patient["P2"]["predicted_scaled_by"]) == pytest.approx(given / 2.0, rel=1e-6)
    assert (by_patient["P3"]["predicted_scaled_by"], by_patient["P3"]["predicted_lung_gy"]) == ("", "5")
    assert [cell[-1] for cell in shown[1][1:6:2]] == ["*"] * 3
    assert [cell[-1] for cell in shown[2][1:6:2]] == ["†"] * 3
    assert by_patient["P1"]["compare_tumour_ratio"] == "0.75"


@pytest.mark.parametrize(
    ("plan", "dose", "factor"),
    [
        ({"activity_gbq": 2.0}, {"activity_gbq": 3.0}, 1.5),
        ({"activity_gbq": 2.0}, {}, None),
        ({}, {"activity_gbq": 3.0}, None),
        ({"activity_gbq": 2.0}, {"activity_gbq": 3.0, "nuclide": "Ho-166"}, None),
    ],
)
def test_a_plan_is_scaled_only_where_both_activities_of_one_nuclide_are_known(plan, dose, factor):
    def study(name, values, **facts):
        stated = dict(values)
        known = {"nuclide": stated.pop("nuclide", "Y-90"), **facts}
        return StudySummary(
            name,
            name,
            "done",
            values={"tumour_gy": 200.0, "tumour_ml": 90.0, **stated},
            facts=known,
            patient="P",
        )

    (one,) = patient_doses(
        [study("p", plan, job="plan", dose="predicted"), study("d", dose, dose="delivered")]
    )
    assert one.plan_factor == factor
    assert one.predicted_values["tumour_gy"] == 200.0 * (factor or 1.0)
    assert one.predicted_values["tumour_ml"] == 90.0


@pytest.mark.parametrize(
    ("shunts", "heading"),
    [
        ((5.0, 5.0), "Lungs by MIRD with 1 kg, predicted, Gy"),
        ((None, None), "Lungs mean of the map by mass, predicted, Gy"),
        ((5.0, None), "Lungs by MIRD with 1 kg, without a shunt mean of the map by mass, predicted, Gy"),
    ],
)
def test_the_heading_of_the_lungs_says_how_their_dose_was_formed(shunts, heading):
    studies = [
        StudySummary(
            str(n), str(n), "done", patient=str(n), facts={"dose": "delivered"},
            values={"lung_gy": 2.0} | ({} if shunt is None else {"lung_shunt_percent": shunt}),
        )
        for n, shunt in enumerate(shunts)
    ]  # fmt: skip
    assert heading in patients_section(studies)["headings"]


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


@pytest.mark.parametrize(("count", "shown"), [(4, False), (5, True)])
@pytest.mark.parametrize("grows", [False, True])
def test_a_difference_that_grows_with_the_dose_is_said(tmp_path, count, shown, grows):
    noise = (1.0, -1.0, 1.0, -1.0, 1.0)
    studies = [
        compared(tmp_path, f"c{n}", f"P{n}", gy, (1.3 * gy if grows else gy) + 4 * noise[n])
        for n, gy in enumerate((100.0, 150.0, 200.0, 250.0, 300.0)[:count])
    ]
    write_cohort(tmp_path, studies)
    page = (tmp_path / "cohort.html").read_text()
    (head, row) = rows_of_page(page, "Predicted against delivered")
    assert head[6] == "Slope (95 %)"
    assert (row[6] != "–") is shown
    assert ("The difference changes with the dose (All tumours of a patient)" in page) is (shown and grows)


def test_a_liver_that_calibration_fixes_is_said(tmp_path):
    def page_of(place, calibration):
        place.mkdir()
        one = done(place, "y1", "P1", 150.0)
        file = place / "y1" / "metrics.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"calibration": calibration}))
        pair = compared(place, "c1", "P1", 200.0, 150.0)
        document = json.loads((place / "c1" / "compare.json").read_text())
        document["regions"].append({**document["regions"][0], "name": "Liver", "role": "liver"})
        (place / "c1" / "compare.json").write_text(json.dumps(document))
        write_cohort(place, [one, pair])
        return (place / "cohort.html").read_text()

    said = "doses are calibrated relative over the liver"
    assert f"Liver: 1 {said}" in page_of(tmp_path / "a", {"mode": "relative", "region": "liver"})
    assert said not in page_of(tmp_path / "b", {"mode": "absolute", "region": None})
    assert said not in page_of(tmp_path / "c", {"mode": "relative", "region": "fov"})


def test_responses_that_were_not_evaluated_stand_last(tmp_path):
    doses = {"NE": 400.0, "CR": 310.0, "PD": 90.0}
    studies = [
        done(tmp_path, response, response, gy, columns={"mRECIST": response})
        for response, gy in doses.items()
    ]
    write_cohort(tmp_path, studies)
    page = (tmp_path / "cohort.html").read_text()
    assert [row[0] for row in rows_of_page(page, "Tumour dose by response")[1:]] == ["CR", "PD", "NE"]
    assert "Tumour, mean (median of studies)" in page


def test_the_page_of_a_manifest_has_its_folder_in_the_title(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(batch_module, "write_tables", lambda place, found, title: titles.append(title))
    place = tmp_path / "trial"
    (place / "p1").mkdir(parents=True)
    (place / "p1" / "act").write_text("sleep 0")
    (place / "manifest.csv").write_text("study\np1\n")
    run_batch(place / "manifest.csv", tmp_path / "out", work="batch_work:compute")
    assert titles == ["trial, manifest"]
