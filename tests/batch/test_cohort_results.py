"""A simulated cohort to its tables and page."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from cohort_factory import BROKEN, ODD, metrics, simulated, write_cohort_folders, write_results

from y90voxel.batch import cohort_writing as cohort_page
from y90voxel.batch.cohort_patient import patient_columns
from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.cohort.cohort import DVH_DOSES_GY, StudySummary
from y90voxel.errors import InputError
from y90voxel.io.cohort_tables import COLUMNS, typed
from y90voxel.metrics.region_columns import REGION_COLUMNS
from y90voxel.regions.roles import Role


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Folder, outcomes, and what the page knows of each study."""
    out = tmp_path_factory.mktemp("cohort")
    studies = write_cohort_folders(out)
    return out, studies, write_cohort(out, studies)


@pytest.fixture(scope="module")
def page(cohort):
    return (cohort[0] / "cohort.html").read_text()


def text_of(page):
    body = re.sub(r"<(style|script)>.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def read_csv(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


# tables


def test_tables_have_one_row_a_region_and_one_a_study_without_results(cohort):
    out, studies, _ = cohort
    rows = read_csv(out / "cohort.csv")
    assert len(rows) == 34 * 5 + 6
    assert list(rows[0]) == [*COLUMNS, "arm", "response", "survival_months", "event"]
    assert list(dict.fromkeys(row["study_id"] for row in rows)) == [study.study_id for study in studies]
    for index, (status, reason) in BROKEN.items():
        (row,) = [row for row in rows if row["study_id"] == f"study-{index:02d}"]
        assert (row["status"], row["reason"], row["region"]) == (status.value, reason, "")


def test_csv_and_parquet_hold_the_same(cohort):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(cohort[0] / "cohort.parquet")
    rows = read_csv(cohort[0] / "cohort.csv")
    assert table.column_names == list(rows[0])
    for name in table.column_names:
        for text, value in zip((row[name] for row in rows), table.column(name).to_pylist(), strict=True):
            if value is None:
                assert text == ""
            elif isinstance(value, float):
                assert float(text) == pytest.approx(value, rel=1e-6)
            else:
                assert text == str(value)


def test_numbers_are_those_of_the_metrics(cohort):
    out, studies, _ = cohort
    rows = {(row["study_id"], row["region"]): row for row in read_csv(out / "cohort.csv")}
    document = json.loads((out / studies[2].folder / "metrics.json").read_text())
    for region in document["regions"]:
        row = rows["study-02", region["name"]]
        for key in ("mean_gy", "mass_weighted_mean_gy", "d70_gy", "volume_ml"):
            assert float(row[key]) == pytest.approx(region[key], rel=1e-6)
        assert float(row["v100_percent"]) == region["v_percent"]["100"]
        assert float(row["region_activity_bq"]) == pytest.approx(region["activity_bq"], rel=1e-6)
    assert float(row["lung_mean_mird_1kg_gy"]) == pytest.approx(
        document["lung"]["mean_mird_1kg_gy"], rel=1e-6
    )
    assert (row["warnings"], row["calibration_region"], row["predicted"]) == (
        "convolution-in-lung",
        "liver",
        "False",
    )


def test_columns_of_the_manifest_get_types(cohort):
    parquet = pytest.importorskip("pyarrow.parquet")
    schema = parquet.read_schema(cohort[0] / "cohort.parquet")
    assert [str(schema.field(n).type) for n in ("arm", "survival_months", "event", "volume_ml", "automatic")] == [
        "string", "double", "int64", "double", "bool",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "made"),
    [
        ("3", "int64", 3),
        ("2.5", "double", 2.5),
        (1, "string", "1"),
        (True, "bool", True),
        (None, "double", None),
    ],
)
def test_values_take_the_type_of_their_column(value, kind, made):
    assert typed(value, kind) == made


def test_a_column_named_like_ours_is_carried_under_another_name(tmp_path):
    pytest.importorskip("pyarrow")
    write_cohort(tmp_path, [StudyOutcome("a", "a", StudyStatus.REFUSED, "no", columns={"activity_bq": "1"})])
    (row,) = read_csv(tmp_path / "cohort.csv")
    assert (row["activity_bq"], row["manifest_activity_bq"]) == ("", "1")


def test_the_patient_record_is_carried_and_its_best_response_used(tmp_path):
    """mRECIST wins over RECIST, and its best category over the last one."""
    rng, studies = np.random.default_rng(2), []
    for number in range(12):
        document = metrics(f"s{number}", **simulated(number, rng))
        best = ("PR", "SD")[number % 2]
        document["patient"] = {
            "bclc": "C", "child_pugh_points": 6, "child_pugh_class": "A", "albi_score": -2.37, "albi_grade": 2,
            "afp": {"value": 2.5, "unit": "kU/L"},
            "responses": [
                {"criterion": "RECIST 1.1", "category": "CR", "days_after_treatment": 30},
                {"criterion": "mRECIST", "category": "PD", "days_after_treatment": 180},
                {"criterion": "mRECIST", "category": best, "days_after_treatment": 90},
            ],
        }  # fmt: skip
        write_results(tmp_path / f"s{number}", document)
        studies.append(StudyOutcome(f"s{number}", f"s{number}", StudyStatus.DONE, None, Path(f"s{number}")))
    write_cohort(tmp_path, studies)
    row = read_csv(tmp_path / "cohort.csv")[0]
    assert {key: row[f"patient_{key}"] for key in ("bclc", "child_pugh_points", "albi_score", "afp", "afp_unit")} == {
        "bclc": "C", "child_pugh_points": "6", "albi_score": "-2.37", "afp": "2.5", "afp_unit": "kU/L",
    }  # fmt: skip
    told = [row[f"patient_{key}"] for key in ("best_response", "response_criterion", "response_days", "ecog")]
    assert told == ["PR", "mRECIST", "90", ""]
    words = text_of((tmp_path / "cohort.html").read_text())
    assert "(patient_best_response): 6 of 12 responded" in words


def test_a_record_without_comparable_responses_has_none():
    found = patient_columns({"responses": [{"criterion": "LI-RADS", "category": "LR-TR viable"}], "ecog": 1})
    assert found == {"patient_ecog": 1}
    assert patient_columns(None) == {}


def test_the_schema_is_documented():
    text = (Path(__file__).resolve().parents[2] / "docs" / "cohort.md").read_text()
    for name, kind in COLUMNS.items():
        assert re.search(rf"^\| `{name}` \| {kind} \|", text, re.M), name


def test_the_columns_of_regions_are_documented_as_they_are_declared():
    text = (Path(__file__).resolve().parents[2] / "docs" / "cohort.md").read_text()
    for column in REGION_COLUMNS:
        if column.cohort:
            assert f"\n| `{column.cohort}` | {column.kind} | {column.meaning} |\n" in text, column.cohort


@pytest.mark.parametrize("seen", [True, False])
def test_lungs_of_a_plan_stand_where_those_of_a_dose_do(tmp_path, seen):
    """MIRD in its own columns, by mass of the map in the row of the lungs; at 2 GBq of the first model."""
    rows = [("GTV1", "tumour", 100.0), ("lungs", "lungs", 1.5)]
    rows += [("lungs_ct", "other", 2.5), ("lungs_voxel", "other", 4.0)] if seen else []
    regions = [
        {"name": name, "role": role, "volume_ml": None, "mass_g": None, "dose_per_gbq_gy": [gy]}
        for name, role, gy in rows
    ]
    model = {
        "name": "mird",
        "available": True,
        "activities_bq": [2e9],
        "activity_bq": 2e9,
        "binding_constraint": "x",
    }
    document = {
        "kind": "plan", "models": [model], "first_model": "mird", "regions": regions, "nuclide": "Y-90",
        "lung": {"shunt_fraction": 0.03}, "engine": "local", "engine_requested": "local",
        "energy_per_activity_j_per_gbq": 49.67, "provenance": {"version": "0"}, "warnings": [],
    }  # fmt: skip
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "plan.json").write_text(json.dumps(document))
    outcome = replace(StudyOutcome("p", "p", StudyStatus.DONE, None, Path("p")), job="plan")
    (summary,) = write_cohort(tmp_path, [outcome])
    table = read_csv(tmp_path / "cohort.csv")
    assert [(r["region"], r["role"], r["mass_weighted_mean_gy"]) for r in table] == [
        ("GTV1", "tumour", "200"), *([("lungs", "lungs", "8")] if seen else []),
    ]  # fmt: skip
    assert table[0]["lung_mean_mird_1kg_gy"] == "3"
    assert table[0]["lung_mean_mird_ct_gy"] == ("5" if seen else "")
    assert summary.values["lung_gy"] == 3.0


# summaries


def test_the_numbers_looked_at_are_those_of_the_metrics(cohort):
    out, studies, summaries = cohort
    document = json.loads((out / studies[23].folder / "metrics.json").read_text())
    by_role = {region["role"]: region for region in document["regions"]}
    assert summaries[23].values == pytest.approx(
        {
            "tumour_gy": by_role["tumours"]["mass_weighted_mean_gy"],
            "tumour_d70_gy": by_role["tumours"]["d70_gy"],
            "non_tumour_liver_gy": by_role["non_tumour_liver"]["mass_weighted_mean_gy"],
            "lung_gy": document["lung"]["mean_mird_1kg_gy"],
            "activity_gbq": document["activity_bq"] / 1e9,
            "lung_shunt_percent": 31.0,
            "tumour_ml": by_role["tumours"]["volume_ml"],
            "liver_ml": by_role["liver"]["volume_ml"],
            "map_over_net": 1.31,
        }
    )


def test_without_a_shunt_the_lung_dose_is_that_of_the_map(tmp_path):
    document = metrics("s", **simulated(0, np.random.default_rng(1)))
    document["lung"] = {"shunt_fraction": None, "mean_mird_1kg_gy": None}
    write_results(tmp_path / "s", document)
    (found,) = write_cohort(tmp_path, [StudyOutcome("s", "s", StudyStatus.DONE, None, Path("s"))])
    assert found.values["lung_gy"] == document["regions"][-1]["mass_weighted_mean_gy"]
    assert "lung_shunt_percent" not in found.values


def test_histograms_are_those_of_the_files(cohort):
    out, studies, summaries = cohort
    rows = [r for r in read_csv(out / studies[0].folder / "dvh.csv") if r["role"] == "tumours"]
    truth = np.interp(
        DVH_DOSES_GY, [float(r["dose_gy"]) for r in rows], [float(r["volume_percent"]) for r in rows], right=0
    )
    np.testing.assert_allclose(summaries[0].histograms[Role.TUMOURS], truth, atol=1e-4)
    assert set(summaries[0].histograms) == {Role.TUMOURS, Role.NON_TUMOUR_LIVER, Role.LUNGS}


@pytest.mark.parametrize("what", ["no folder", "no dvh", "cut", "other kind", "strange"])
def test_results_that_cannot_be_read_do_not_stop_the_others(tmp_path, what):
    studies = write_cohort_folders(tmp_path, 3)
    folder = tmp_path / studies[1].folder
    if what == "no folder":
        folder.rename(tmp_path / "elsewhere")
    elif what == "no dvh":
        (folder / "dvh.csv").unlink()
    elif what == "cut":
        (folder / "metrics.json").write_text('{"kind": "do')
    elif what == "other kind":
        (folder / "metrics.json").write_text('{"kind": "plan"}')
    else:
        document = json.loads((folder / "metrics.json").read_text())
        (folder / "metrics.json").write_text(json.dumps(document | {"lung": None}))
    found = write_cohort(tmp_path, studies)
    assert [study.status for study in found] == ["done", "unreadable", "done"]
    assert "results in studies/study-01 cannot be read" in found[1].reason
    (row,) = [row for row in read_csv(tmp_path / "cohort.csv") if row["study_id"] == "study-01"]
    assert (row["status"], row["reason"]) == ("unreadable", found[1].reason)


def test_a_cohort_without_studies_or_results_has_a_page(tmp_path):
    write_cohort(tmp_path, [])
    assert read_csv(tmp_path / "cohort.csv") == []
    write_cohort(tmp_path, [StudyOutcome("a", "a", StudyStatus.FAILED, "crashed")])
    words = text_of((tmp_path / "cohort.html").read_text())
    assert "crashed" in words
    assert "Outliers are sought from 8 studies with results on; there are 0." in words


def test_two_studies_of_one_name_are_refused(tmp_path):
    study = StudyOutcome("a", "a", StudyStatus.FAILED, "crashed")
    with pytest.raises(InputError, match="two studies of the cohort have one identifier: a"):
        write_cohort(tmp_path, [study, study])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "cohort.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_cohort(tmp_path, [StudyOutcome("a", "a", StudyStatus.FAILED, "crashed")])
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


# page


def test_the_outliers_stand_first_and_lead_to_their_reports(page):
    first = page.split("Studies without results")[0].split("Look at these first")[1]
    linked = re.findall(r'<a href="([^"]+)">(study-\d+)</a>', first)
    assert {name for _, name in linked} == {f"study-{index:02d}" for index in ODD}
    assert all(link == f"studies/{name}/report.html" for link, name in linked)


def test_failures_limits_and_warnings_are_listed_with_reasons(page):
    words = text_of(page)
    top = words.split("Distributions")[0]
    for _, reason in BROKEN.values():
        assert reason.replace("'", "&#39;") in top
    assert "lung dose per treatment 1 study-23" in top
    assert top.index("liver-outside") < top.index("lungs-truncated") < top.index("convolution-in-lung")
    assert "what liver-outside means" in top


def test_every_study_is_a_dot_and_a_row(page):
    strip = page.split('aria-label="Tumour, mean')[1].split("</svg>")[0]
    assert len(re.findall("<circle", strip)) == 34
    assert len(re.findall('class="out"', strip)) == 1
    rows = page.split('id="studies"')[1].split("</table>")[0].split("<tbody>")[1]
    assert len(re.findall("<tr>", rows)) == 40


def test_outcomes_are_labelled_exploratory(page):
    words = text_of(page)
    assert "Dose against outcome exploratory" in words
    assert re.search(r"Log-rank χ² [\d.]+, p = ", words)
    assert re.search(r"odds ratio [\d.]+ per 100 Gy \(95 % interval", words)
    assert "It can raise a question; it cannot answer one." in words


def test_the_page_loads_nothing_from_anywhere(page):
    addresses = re.findall(r"""(?:src|href|action|data)\s*=\s*["']([^"']+)""", page)
    outside = [
        a
        for a in addresses
        if not a.startswith(("data:image/png;base64,", "studies/study-", "cohort.", "patients.", "#"))
    ]
    assert outside == []
    assert not re.search(r"@import|<link|<iframe|https?://", page)


@pytest.mark.parametrize(
    ("predicted", "words"), [(0, None), (2, "2 of 3 studies are predicted from"), (3, "predicted from")]
)
def test_predictions_are_marked_and_mixtures_are_said(tmp_path, predicted, words):
    studies = write_cohort_folders(tmp_path, 3)
    for study in studies[:predicted]:
        path = tmp_path / study.folder / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"predicted": True, "engine": "local"}))
    write_cohort(tmp_path, studies)
    page = (tmp_path / "cohort.html").read_text()
    assert page.count('<span class="tag">predicted</span>') == predicted
    assert ("PREDICTED" in page) == (words is not None)
    assert words is None or f"PREDICTED {words}" in text_of(page).replace("PREDICTED", "PREDICTED ").replace(
        "  ", " "
    )
    mixed = "dose: predicted 2, delivered 1; engine: local 2, convolution 1. Compare like with like"
    assert (mixed in text_of(page)) == (predicted == 2)


def test_names_are_escaped(tmp_path):
    name = "<script>alert(1)</script>"
    write_results(tmp_path / "s", metrics(name, **simulated(0, np.random.default_rng(1)), warnings=("<b>",)))
    write_cohort(tmp_path, [StudyOutcome("s", name, StudyStatus.DONE, None, Path("s"))], title="A & B")
    page = (tmp_path / "cohort.html").read_text()
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "A &amp; B" in page
    assert "<b>" not in page


def test_links_survive_odd_folders(tmp_path):
    document = metrics("x", **simulated(0, np.random.default_rng(1)))
    write_results(tmp_path / "out" / "50 % #1", document)
    write_results(tmp_path / "else where", document)
    (tmp_path / "else where" / "report.html").unlink()
    studies = [
        StudyOutcome("a", "a", StudyStatus.DONE, None, Path("50 % #1")),
        StudyOutcome("b", "b", StudyStatus.DONE, None, tmp_path / "else where"),
    ]
    links = [study.link for study in write_cohort(tmp_path / "out", studies)]
    assert links == ["50%20%25%20%231/report.html", (tmp_path / "else where").resolve().as_uri()]


def test_without_outcomes_the_page_names_the_columns_it_would_read(tmp_path):
    write_cohort(tmp_path, write_cohort_folders(tmp_path, 9, outcomes=False))
    assert "The manifest has no outcome columns. They are read by name: response (CR" in text_of(
        (tmp_path / "cohort.html").read_text()
    )


def test_too_few_outcomes_are_said(tmp_path):
    write_cohort(tmp_path, write_cohort_folders(tmp_path, 6))
    words = text_of((tmp_path / "cohort.html").read_text())
    assert "Survival: 5 patients have tumour dose, time and event; 10 are needed." in words
    assert "Response: 5 patients have tumour dose and response" in words
    assert (
        "Read from the manifest: response from &#39;response&#39;, time from &#39;survival_months&#39;"
        in words
    )
    assert "no outcome and no setting" not in words
    assert "Carried and not read as outcome: &#39;arm&#39;." in words


def test_without_the_libraries_the_page_says_what_to_install(tmp_path, monkeypatch):
    for library in ("statsmodels.duration.survfunc", "statsmodels.discrete.discrete_model"):
        monkeypatch.setitem(sys.modules, library, None)
    write_cohort(tmp_path, write_cohort_folders(tmp_path, 24))
    words = text_of((tmp_path / "cohort.html").read_text())
    assert words.count("pip install &#34;statsmodels>=0.14&#34;".replace(">", "&gt;")) == 2


def test_a_large_cohort_draws_the_same_page_in_a_process_of_its_own(cohort, monkeypatch):
    facts = {
        "title": "C",
        "version": "1",
        "computed": datetime(2026, 3, 2, tzinfo=UTC),
        "examples": {"a": "b"},
    }
    here = cohort_page.cohort_page(cohort[2], **facts)
    monkeypatch.setattr(cohort_page, "MOST_HERE", 0)
    assert cohort_page.cohort_page(cohort[2], **facts) == here


def test_a_page_that_breaks_in_the_other_process_is_an_error_here(monkeypatch):
    monkeypatch.setattr(cohort_page, "MOST_HERE", 0)
    with pytest.raises(RuntimeError, match=r"could not be drawn(.|\n)*no_such_option"):
        cohort_page.cohort_page([StudySummary("a", "a", "failed")], no_such_option=1)


def test_values_that_are_no_outcome_are_listed(tmp_path):
    studies = write_cohort_folders(tmp_path, 3)
    strange = StudyOutcome("x", "x", StudyStatus.FAILED, "crashed", columns={"response": "dunno"})
    write_cohort(tmp_path, [*studies, strange])
    assert "not understood: response: dunno" in text_of((tmp_path / "cohort.html").read_text())


THOUSAND = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from cohort_factory import write_cohort_folders
from y90voxel.batch.cohort_results import write_cohort
out = Path(sys.argv[2])
found = write_cohort(out, write_cohort_folders(out, 1000))
status = Path("/proc/self/status").read_text()  # ru_maxrss would begin at the peak of the process that forked us
print(len(found), int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


@pytest.mark.slow
def test_a_thousand_studies_take_less_than_300_mb(tmp_path):
    """Simulated results; the page is drawn in a process of its own."""
    script = [sys.executable, "-c", THOUSAND, str(Path(__file__).resolve().parents[1]), str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    count, peak_mb = done.stdout.split()
    assert count == "1000"
    assert float(peak_mb) < 300
    assert (tmp_path / "cohort.html").stat().st_size < 15e6


def test_a_limit_that_several_regions_miss_counts_the_study_once(tmp_path):
    rng = np.random.default_rng(1)
    document = metrics("p1", **simulated(1, rng), missed=("tumour goal", "tumour goal", "lung dose"))
    write_results(tmp_path / "p1", document)
    outcome = StudyOutcome("p1", "p1", StudyStatus.DONE, None, Path("p1"))
    (summary,) = write_cohort(tmp_path, [outcome])
    assert summary.missed == ("tumour goal", "lung dose")
    page = (tmp_path / "cohort.html").read_text()
    assert re.findall(r"<tr><th scope=.row.>tumour goal</th><td class=\"number\">(\d+)</td>", page) == ["1"]
    assert read_csv(tmp_path / "cohort.csv")[0]["limits_not_met"] == "tumour goal; lung dose"


def test_a_missed_goal_says_which_way_and_on_what_condition_it_was_missed(tmp_path):
    """73.8 Gy of 88 at least is too little, and a limit of patients with a bilirubin that nobody stated may not be theirs."""
    rng = np.random.default_rng(1)
    document = metrics("p1", **simulated(1, rng))
    document["limits"] = [
        {"name": "lobe", "status": "not met", "sense": "at least", "limit_gy": 88.0, "value_gy": 73.8, "reason": None},
        {"name": "liver", "status": "not met", "sense": "at most", "limit_gy": 40.0, "value_gy": 45.0,
         "reason": "applies if bilirubin is at or above 1.1 mg/dL"},
    ]  # fmt: skip
    write_results(tmp_path / "p1", document)
    (summary,) = write_cohort(tmp_path, [StudyOutcome("p1", "p1", StudyStatus.DONE, None, Path("p1"))])
    assert summary.missed == (
        "lobe: at least 88 Gy",
        "liver: at most 40 Gy (applies if bilirubin is at or above 1.1 mg/dL)",
    )
    assert read_csv(tmp_path / "cohort.csv")[0]["limits_not_met"] == "lobe; liver"
