"""`y90voxel plan` from the command line: outputs, bad input, masses without images, and the sample study."""

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import nm
from study_factory import ROIS, SPECT_AFFINE, spect_counts, write_study

from y90voxel.clinical.limits import Sense
from y90voxel.io.nifti import read_nifti

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
QUICK = ("--engine", "local", "--no-report", "--json")
GIVEN = ("--lung-shunt", "0.05", "--device", "glass", *QUICK)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


def visible(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def by_name(plan):
    return {model["name"]: model for model in plan["models"]}


def test_outputs_are_complete_and_the_table_is_printed(run_cli, study, tmp_path):
    done = run_cli("plan", study, "--lung-shunt", "0.05", "--device", "resin", "--engine", "local", "--activity", "1 GBq",
                   "--height", "1.7", "--weight", "70", "-o", tmp_path / "out", "--no-report")  # fmt: skip
    assert done.code == 0, done.err
    assert visible(tmp_path / "out") == {"plan.json", "dose_per_gbq.nii.gz", "regions.nii.gz", "regions.json"}
    assert "voxel-based" in done.out
    assert "not available: multi-artery partition: there is a single injection" in done.out
    assert "warning [no-perfused-volume]" in done.err
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    dose = read_nifti(tmp_path / "out" / "dose_per_gbq.nii.gz")
    regions = read_nifti(tmp_path / "out" / "regions.nii.gz")
    names = [
        region["name"] for region in json.loads((tmp_path / "out" / "regions.json").read_text())["regions"]
    ]
    tumour = regions.array[names.index("GTV1")]
    row = next(r for r in plan["regions"] if r["name"] == "GTV1")
    assert np.average(dose.array[0], weights=tumour) == pytest.approx(row["dose_per_gbq_gy"][0], rel=1e-4)
    assert by_name(plan)["bsa"]["activity_bq"] == pytest.approx(
        1e9 * (1.8097 - 0.2 + row["volume_ml"] / next(r for r in plan["regions"] if r["name"] == "Liver")["volume_ml"]), rel=2e-3
    )  # fmt: skip


def test_json_prints_the_plan_that_is_in_the_file(run_cli, study, tmp_path):
    done = run_cli(
        "plan",
        study,
        *GIVEN,
        "--goal",
        "GTV1 mean >= 205",
        "--limit",
        "liver D50 <= 60",
        "-o",
        tmp_path / "out",
    )
    plan = json.loads(done.out)
    assert plan == json.loads((tmp_path / "out" / "plan.json").read_text())
    limits = {row["name"]: row for row in by_name(plan)["voxel"]["limits"]}
    assert limits["GTV1 mean at least 205 Gy"]["kind"] == "goal"
    assert limits["liver D50 at most 60 Gy"]["limit_gy"] == 60.0
    assert plan["provenance"]["settings"]["plan"]["goal"][0]["region"] == "GTV1"


def test_vials_of_an_order_are_listed(run_cli, study, tmp_path):
    when = (
        "--injection-time",
        "2026-03-04T12:00",
        "--time-zone",
        "+00:00",
        "--calibration-time",
        "2026-03-01T12:00",
    )
    arguments = ("--lung-shunt", "0.05", "--device", "glass", "--engine", "local", "--no-report")
    done = run_cli("plan", study, *arguments, *when, "--residual-fraction", "1 %", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "million spheres of 1148 Bq" in done.out  # 2500 Bq after 72 h
    (order,) = json.loads((tmp_path / "out" / "plan.json").read_text())["orders"]
    assert order["vial_activity_at_injection_bq"] == pytest.approx(order["net_activity_bq"] / 0.99)
    done = run_cli("plan", study, *GIVEN, *when[:2], *when[4:], "-o", tmp_path / "bad")
    assert (done.code, json.loads(done.err)["error"]["tag"]) == (2, "administration.time_zone")
    assert "has no time zone" in json.loads(done.err)["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--lung-shunt", "1.2"), "lies outside 0 to 1"),
        (("--lung-shunt", "-0.1"), "lies outside 0 to 1"),
        (("--device", "plastic"), "device = 'plastic'"),
        (("--goal", "GTV7 mean >= 205"), "no region with a dose has the name or role 'GTV7'"),
        (("--goal", "GTV1 mean <= 205"), "is not REGION METRIC >= VALUE"),
        (("--limit", "GTV1 205"), "is not REGION METRIC <= VALUE"),
        (("--limit", "GTV1 median <= 205"), "unknown metric 'median'"),
        (("--goal", "GTV1 mean >= -5"), "must be above zero"),
        (("--scenario", "whole"), "scenario = 'whole'"),
        (("--bilirubin", "-3"), "bilirubin must be positive"),
        (("--height", "170", "--weight", "70"), "give metres"),
        (("--previous-lung-dose", "-2"), "must not be negative"),
        (("--residual-fraction", "1"), "below 1"),
        (("--perfused-dose", "-80"), "must be above zero"),
        (("--injection-time", "2026-03-04T12:00+01:00"), "calibration_times"),
        (("--order-model", "voxel"), "injection_time"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(run_cli, study, tmp_path, arguments, said):
    given = GIVEN if "--lung-shunt" not in arguments else GIVEN[2:]
    done = run_cli("plan", study, *given, *arguments, "-o", tmp_path / "out")
    assert done.code == 2
    assert said in json.loads(done.err)["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_an_activity_beyond_any_vial_is_refused(run_cli, study, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(
        '[plan.order]\ninjection_time = 2026-03-04T12:00:00Z\ncalibration_times = [2026-03-01T12:00:00Z]\nactivity = "30 GBq"\n'
    )
    done = run_cli("plan", study, *GIVEN, "--case", case, "-o", tmp_path / "out")
    assert done.code == 2
    assert "no glass vial on offer reaches 30 GBq" in done.err
    done = run_cli("plan", study, *GIVEN, "--activity", "30 GBq", "-o", tmp_path / "out")
    assert done.code == 2
    assert "30 GBq, is beyond any glass vial on offer: the greatest gives 20 GBq" in done.err
    allowed = tmp_path / "allowed.toml"
    allowed.write_text('[plan]\ngreatest_activity = "40 GBq"\n')
    done = run_cli("plan", study, *GIVEN, "--activity", "30 GBq", "--case", allowed, "-o", tmp_path / "out")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("whole_normal_mass_kg = -1", "must be above zero"),
        ("perfused_normal_mass_kg = 2.0\nwhole_normal_mass_kg = 1.0", "is larger than the whole"),
        ("perfused_volume_ml = 2000\nliver_volume_ml = 1000", "is larger than the liver"),
        ("liver_volume_ml = 1000\ntumour = [{mass_kg = 1.2}]", "masses contradict each other"),
        ("", "give every injection"),
    ],
)
def test_masses_that_cannot_be_are_refused(run_cli, tmp_path, table, said):
    territory = "[[plan.anatomy.territory]]\nlung_shunt_fraction = 0.1\n" if table else ""
    (tmp_path / "case.toml").write_text(f"[plan.anatomy]\n{table}\n{territory}")
    done = run_cli("plan", "--case", tmp_path / "case.toml", "-o", tmp_path / "out", "--json")
    assert done.code == 2
    assert said in json.loads(done.err)["error"]["message"]


def test_there_must_be_something_to_plan_from(run_cli, study, tmp_path):
    done = run_cli("plan", "-o", tmp_path / "out")
    assert (done.code, "there is nothing to plan from" in done.err) == (2, True)
    (tmp_path / "case.toml").write_text("[plan.anatomy]\nliver_volume_ml = 1000\n")
    done = run_cli("plan", study, *GIVEN, "--case", tmp_path / "case.toml", "-o", tmp_path / "out")
    assert (done.code, "but also images" in done.err) == (2, True)


VECTOR_4 = """
[administration]
device = "resin"
activity = "2.056 GBq"
[dose]
dose_constant_gy_kg_per_gbq = 49.67
[patient]
height_m = 1.70
weight_kg = 70
[plan]
perfused_dose_gy = 60
[[plan.limit]]
region = "perfused_non_tumour_liver"
value = 30
[plan.anatomy]
whole_normal_mass_kg = 2.0
liver_volume_ml = 1500
perfused_volume_ml = 1100
tumour_volume_ml = 375
[[plan.anatomy.territory]]
lung_shunt_fraction = 0.06
normal_mass_kg = 1.2
tumour = [{name = "GTV1", mass_kg = 0.3, ratio = 4}]
"""


def test_masses_without_images_give_the_worked_vectors(run_cli, tmp_path):
    """V3 and V4 (constant 49.67)."""
    (tmp_path / "case.toml").write_text(VECTOR_4)
    done = run_cli("plan", "--case", tmp_path / "case.toml", "-o", tmp_path / "out", "--json", "--no-report")
    assert done.code == 0, done.err
    models = by_name(json.loads(done.out))
    assert models["given"]["doses_gy"]["tumour"] == pytest.approx(160.0, rel=1e-3)
    assert models["given"]["doses_gy"]["perfused_non_tumour_liver"] == pytest.approx(40.0, rel=1e-3)
    assert models["given"]["doses_gy"]["non_tumour_liver"] == pytest.approx(24.0, rel=1e-3)
    assert models["given"]["doses_gy"]["lungs"] == pytest.approx(6.128, rel=1e-3)
    assert models["bsa"]["activity_bq"] == pytest.approx(1.860e9, rel=1e-3)
    assert models["mird"]["activity_bq"] == pytest.approx(60 * 1.5 / (49.67 * 0.94) * 1e9, rel=1e-6)
    assert models["partition"]["activity_bq"] == pytest.approx(0.75 * 2.056e9, rel=1e-3)
    assert "perfused_non_tumour_liver mean at most 30 Gy" in models["partition"]["binding_constraints"]
    assert json.loads(done.out)["masses"]["hepatic_reserve"] == pytest.approx(1 - 1100 / 1500)
    hidden = run_cli(
        "plan", "--case", tmp_path / "case.toml", "-o", tmp_path / "b", "--json", "--no-report", "--anonymise"
    )
    assert "patient" not in json.loads(hidden.out)["provenance"]["settings"]


ONE_INJECTION = """
[administration]
nuclide = "Y-90"
device = "glass"
activity = "2.2 GBq"
residual = "0.1 GBq"
lung_shunt_fraction = 0.06
[dose]
dose_constant_gy_kg_per_gbq = 49.67
[plan.anatomy]
perfused_normal_mass_kg = 1.1
whole_normal_mass_kg = 1.5
tumour = [{name = "T1", mass_kg = 0.3, ratio = 4}]
"""


def from_masses(run_cli, tmp_path, text, *arguments):
    """The plan command on a case file of masses."""
    (tmp_path / "case.toml").write_text(text)
    return run_cli("plan", "--case", tmp_path / "case.toml", *arguments)


def test_a_single_injection_reaches_all_that_is_treated(run_cli, tmp_path):
    """Masses beside the administration table are enough: 49.67 x 2.1 x 0.94 J over 4 x 0.3 + 1.1 kg; nothing is written."""
    done = from_masses(run_cli, tmp_path, ONE_INJECTION, "--json")
    assert done.code == 0, done.err
    assert visible(tmp_path) == {"case.toml"}
    doses = by_name(json.loads(done.out))["given"]["doses_gy"]
    normal_gy = 49.67 * 2.1 * 0.94 / (4 * 0.3 + 1.1)
    assert doses["tumour"] == pytest.approx(4 * normal_gy, rel=1e-9)
    assert doses["perfused_non_tumour_liver"] == pytest.approx(normal_gy, rel=1e-9)
    assert doses["non_tumour_liver"] == pytest.approx(normal_gy * 1.1 / 1.5, rel=1e-9)
    assert doses["lungs"] == pytest.approx(49.67 * 2.1 * 0.06, rel=1e-9)
    assert from_masses(run_cli, tmp_path, ONE_INJECTION).code == 2  # neither a folder nor --json


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('device = "glass"', 'device = "ho166"', "the device ho166 carries Ho-166, but the nuclide is Y-90"),
        ('nuclide = "Y-90"', 'nuclide = "Ho-166"', "the device glass carries Y-90"),
        ("= 49.67", "= 15.87", "is far from that of Y-90"),
        ('"2.2 GBq"', '"25 GBq"', "is beyond any glass vial on offer"),
        ('"0.1 GBq"', '"2.3 GBq"', "nothing was administered"),
        (
            "whole_normal",
            "tumour_volume_ml = 300\ntumour_volume_in_perfused_ml = 310\nwhole_normal",
            "larger than all tumours",
        ),
        (
            "whole_normal",
            "perfused_volume_ml = 300\ntumour_volume_in_perfused_ml = 310\nwhole_normal",
            "larger than the perfused volume",
        ),
        (
            "tumour = [",
            "territory = [{name = 'a', lung_shunt_fraction = 0.1}, {name = 'b', lung_shunt_fraction = 0.1}]\ntumour = [",
            "the territories, whose ratios are used, have no such tumour",
        ),
        (
            "tumour = [",
            "territory = [{name = 'a', lung_shunt_fraction = 0.06, tumour = [{name = 'T1', mass_kg = 0.3, ratio = 4}]}, "
            "{name = 'b', lung_shunt_fraction = 0.06}]\ntumour = [",
            "beside injections that have their own: which holds is not clear",
        ),
    ],
)
def test_facts_that_contradict_each_other_are_refused(run_cli, tmp_path, old, new, said):
    assert old in ONE_INJECTION
    done = from_masses(run_cli, tmp_path, ONE_INJECTION.replace(old, new), "--json")
    assert done.code == 2
    assert said in json.loads(done.err)["error"]["message"]


def test_an_anonymised_plan_tells_no_dates(run_cli, tmp_path):
    study = write_study(tmp_path / "MARKER", PatientName="MARKER^NAME", PatientID="MARKERID")
    (tmp_path / "case.toml").write_text(
        "[patient]\ntreatment_date = 1999-12-31\n[administration]\ntime = 1999-12-31T10:00:00+00:00\n"
        "[plan.order]\ninjection_time = 1999-12-31T10:00:00Z\ncalibration_times = [1999-12-29T10:00:00Z]\n"
    )
    done = run_cli(
        "plan", study, *GIVEN, "--case", tmp_path / "case.toml", "--anonymise", "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    assert "marker" not in done.out.lower()
    assert "1999-12" not in done.out


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Plan and dose of the sample study by the default engine."""
    from y90voxel.case.settings import load_settings
    from y90voxel.study.run_dose import run_study
    from y90voxel.study.run_plan import run_plan

    out = tmp_path_factory.mktemp("sample")
    options = {"output": {"report": False}, "plan": {"scenario": "unilobar"}}
    plan = run_plan(SAMPLE / "study", out / "plan", load_settings(SAMPLE / "case.toml", options))

    def dose(activity_gbq):
        over = {"administration": {"activity": f"{activity_gbq!r} GBq"}, **options}
        return run_study(SAMPLE / "study", out / "dose", load_settings(SAMPLE / "case.toml", over)).metrics

    return plan, dose


def test_predicted_doses_of_the_sample_study_equal_the_dose_runs(sample):
    """The contract asks for 1 %; one map and one engine make it the rounding of single precision."""
    plan, dose = sample
    given = by_name(plan.metrics)["given"]
    found = dose(2.2)
    for region in found["regions"]:
        if region["name"] in given["doses_by_region_gy"] and region["role"] != "lungs":
            assert given["doses_by_region_gy"][region["name"]] == pytest.approx(
                region["mass_weighted_mean_gy"], rel=1e-6
            )
    assert given["doses_gy"]["lungs"] == pytest.approx(found["lung"]["mean_mird_1kg_gy"], rel=1e-12)
    assert given["doses_gy"]["lungs_ct"] == pytest.approx(found["lung"]["mean_mird_ct_gy"], rel=1e-12)
    assert given["doses_gy"]["lungs_voxel"] == pytest.approx(
        found["lung"]["by_method"][-1]["mass_weighted_mean_gy"], rel=1e-6
    )


def test_the_solvers_activity_of_the_sample_study_meets_its_limits_when_fed_back(sample):
    plan, dose = sample
    model = plan.model("voxel")
    found = dose(model.activity_gbq)
    bound = next(row for row in found["limits"] if row["name"] == model.binding[0])
    assert bound["status"] == "unconfirmed"  # not everything is stated
    assert bound["value_gy"] == pytest.approx(bound["limit_gy"], rel=1e-6)
    planned = {(row.aim.name.partition(" (")[0], row.aim.region): row.status for row in model.results}
    for row in found["limits"]:
        if row["sense"] == "below" and (row["name"], row["region"]) in planned:
            assert row["status"] in ("met", "unconfirmed")
            assert planned[(row["name"], row["region"])] == row["status"]


def test_a_scan_of_the_sample_study_finds_no_greater_activity(sample):
    """Every activity of a fine scan that meets the limits lies below the solver's, by less than a step."""
    plan, _ = sample
    model = plan.model("voxel")
    limits = [row.aim for row in model.results if row.aim.sense is Sense.BELOW]
    assert len(limits) >= 4
    scan = np.arange(0.0, 20.0, 0.001)
    meets = [
        a
        for a in scan
        if all(model.table.doses((a,))[aim.region] + aim.previous <= aim.value for aim in limits)
    ]
    assert max(meets) <= model.activity_gbq < max(meets) + 0.001


def test_both_shunts_of_the_sample_study_are_measured(sample):
    """Truth: 6 %; planar views as they are show 9.2 % (sample_data/README.md)."""
    plan, _ = sample
    methods = {(m["method"], m["dome_margin_mm"]): m["fraction"] for m in plan.metrics["lung"]["methods"]}
    assert methods[("planar", None)] == pytest.approx(0.06, abs=0.015)
    assert methods[("planar-left", None)] == pytest.approx(0.06, abs=0.015)
    assert methods[("spect", 20.0)] == pytest.approx(0.06, rel=0.1)
    assert methods[("spect", 0.0)] > methods[("spect", 20.0)]


TWO_ARTERIES = """
[administration]
device = "glass"
[[injection]]
emission_series = "{0}"
lung_shunt_fraction = 0.05
territory = "perfused right"
[[injection]]
emission_series = "{1}"
lung_shunt_fraction = 0.15
territory = "perfused left"
[regions.roles]
"perfused right" = "perfused"
"perfused left" = "perfused"
[[plan.limit]]
region = "non-tumour liver"
value = 40
[plan]
split = [2, 1]
"""


def test_two_maa_maps_are_two_injections(run_cli, tmp_path):
    """Each half of the liver was seen by its own scan; the dose of both scales with its own activity."""
    counts = spect_counts()
    right, left = counts.copy(), counts.copy()
    right[:, :, 10:], left[:, :, :10] = 0, 0
    scans = [
        nm(half, SPECT_AFFINE, SeriesInstanceUID=f"1.2.3.{i}") for i, half in enumerate((right, left), 1)
    ]
    rois = ROIS | {"perfused right": ((-24, 0, -10), 24.0), "perfused left": ((24, 0, -10), 24.0)}
    study = write_study(tmp_path / "study", rois=rois, nm=scans)
    (tmp_path / "case.toml").write_text(TWO_ARTERIES.format("1.2.3.1", "1.2.3.2"))
    done = run_cli("plan", study, "--case", tmp_path / "case.toml", *QUICK, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert visible(tmp_path / "out") >= {
        "dose_per_gbq.nii.gz",
        "dose_per_gbq_injection_1.nii.gz",
        "dose_per_gbq_injection_2.nii.gz",
    }
    assert [i["name"] for i in plan["injections"]] == ["perfused right", "perfused left"]
    models = by_name(plan)
    assert models["partition"]["activities_bq"][0] == pytest.approx(
        2 * models["partition"]["activities_bq"][1]
    )
    assert models["multi-artery"]["available"]
    voxel = models["voxel"]
    total = sum(voxel["activities_bq"])
    maps = [read_nifti(tmp_path / "out" / f"dose_per_gbq_injection_{i}.nii.gz").array for i in (1, 2)]
    mixed = read_nifti(tmp_path / "out" / "dose_per_gbq.nii.gz").array
    expected = sum(a / total * one for a, one in zip(voxel["activities_bq"], maps, strict=True))
    assert np.allclose(mixed, expected, rtol=1e-5, atol=1e-6)
    assert voxel["doses_gy"]["non_tumour_liver"] <= 40.0


def test_limits_that_do_not_apply_are_listed_with_the_reason(run_cli, study, tmp_path):
    done = run_cli(
        "plan",
        study,
        *GIVEN,
        "--scenario",
        "unilobar",
        "--disease",
        "HCC",
        "--bilirubin",
        "10",
        "-o",
        tmp_path / "out",
    )
    rows = by_name(json.loads(done.out))["voxel"]["limits"]
    reasons = {row["name"]: row["reason"] for row in rows if row["status"] == "not applicable"}
    assert reasons["whole non-tumour liver, HCC, bilirubin above 1.1 mg/dL"] == "for raised bilirubin"
    assert reasons["perfused volume, HCC, by one compartment"] == "no region of role perfused has a dose"
    assert "not for a unilobar treatment" in reasons["perfused volume, HCC, segmentectomy"]


def test_intervals_stand_in_the_file_and_on_the_page(run_cli, study, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text("[uncertainty]\nsamples = 60\nseed = 3\nfwhm_mm = 8.0\ndensity = 0.02\n")
    done = run_cli("plan", study, "--lung-shunt", "0.05", "--device", "glass", "--engine", "local", "--uncertainty",
                   "--case", case, "-o", tmp_path / "out", "--json")  # fmt: skip
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    found = by_name(plan)["voxel"]
    low, high = found["activity_interval_bq"]
    assert low < found["activity_bq"] < high
    assert set(found["relative_uncertainty"]) == set(found["doses_by_region_gy"])
    assert plan["uncertainty"]["inputs"]["fwhm_mm"] == 8.0
    page = (tmp_path / "out" / "plan.html").read_text()
    assert f"{low / 1e9:.3g}" in page
    assert "how far MAA foretells the treatment is not in it" in page
    assert "(seed 3), each planned anew" in page


def test_intervals_without_images_need_what_masses_were_drawn_with(run_cli, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(
        "[output]\nuncertainty = true\n[plan.anatomy]\nwhole_normal_mass_kg = 1.2\n[[plan.anatomy.territory]]\n"
        "lung_shunt_fraction = 0.06\nnormal_mass_kg = 1.2\ntumour = [{ mass_kg = 0.3, ratio = 4.0 }]\n"
    )
    done = run_cli("plan", "--case", case, "--device", "glass", "-o", tmp_path / "out", "--json")
    assert done.code == 2
    assert json.loads(done.err)["error"]["tag"] == "uncertainty.fwhm_mm"
    assert not (tmp_path / "out").exists()


def test_the_phantom_file_of_the_case_corrects_ratios(run_cli, study, tmp_path):
    """Two spheres fix b1 and b2 of the curve: clinical.md 5, 0.2 at 0.52 mL and 0.86 at 26.52 mL."""
    (tmp_path / "spheres.csv").write_text("volume_ml,recovery\n0.52,0.2\n26.52,0.86\n")
    case = tmp_path / "case.toml"
    case.write_text('[partial_volume]\nrecovery = "spheres.csv"\nrecovery_uncertainty = 0.05\n')
    done = run_cli("plan", study, *GIVEN, "--case", case, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    (row,) = plan["tumour_to_normal"]
    volume = next(region for region in plan["regions"] if region["name"] == "GTV1")["volume_ml"]
    recovery = 1 - 1 / (1 + (volume / 2.854) ** 0.8143)
    assert row["recovery"] == pytest.approx(recovery, rel=1e-3)
    assert row["ratio_corrected"] == pytest.approx((row["ratio"] - 1 + recovery) / recovery, rel=1e-3)
    (inputs,) = by_name(plan)["partition"]["inputs"]["territories"]
    assert inputs["tumours"][0]["ratio"] == row["ratio_corrected"]


def test_a_method_for_all_voxels_is_named_as_unused(run_cli, study, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text('[partial_volume]\nmethod = "richardson-lucy"\nfwhm_mm = 8.0\n', encoding="utf-8")
    done = run_cli("plan", study, *GIVEN, "--case", case, "-o", tmp_path / "out")
    codes = [warning["code"] for warning in json.loads(done.out)["warnings"]]
    assert "partial-volume-method-unused" in codes


@pytest.mark.parametrize(
    ("table", "tag"),
    [
        ("[plan.recovery]\ntumour = 0.7\n", "plan.recovery"),
        (
            '[partial_volume]\nrecovery = "spheres.csv"\nrecovery_uncertainty = 0.05\n',
            "partial_volume.recovery",
        ),
    ],
)
def test_ratios_as_given_are_not_corrected(run_cli, tmp_path, table, tag):
    (tmp_path / "spheres.csv").write_text("volume_ml,recovery\n0.52,0.2\n26.52,0.86\n")
    case = tmp_path / "case.toml"
    case.write_text(
        f"{table}[[plan.anatomy.territory]]\nlung_shunt_fraction = 0.06\nnormal_mass_kg = 1.2\n"
        "tumour = [{ mass_kg = 0.3, ratio = 4.0 }]\n"
    )
    done = run_cli("plan", "--case", case, "--device", "glass", "-o", tmp_path / "out", "--json")
    assert done.code == 2
    assert json.loads(done.err)["error"]["tag"] == tag


SEGMENT = """
[administration]
device = "glass"
lung_shunt_fraction = 0.02
[plan]
scenario = "segmentectomy"
disease = "HCC"
[plan.anatomy]
perfused_normal_mass_kg = 0.10
whole_normal_mass_kg = 1.4
tumour = [{name = "T1", mass_kg = 0.03, ratio = 5}]
[plan.order]
injection_time = 2026-03-04T12:00:00Z
calibration_times = [2026-03-01T12:00:00Z]
"""


def test_the_terminal_says_that_no_liver_limit_is_known_and_what_every_vial_gives(run_cli, tmp_path):
    done = from_masses(run_cli, tmp_path, SEGMENT, "-o", tmp_path / "out", "--no-report")
    assert done.code == 0, done.err
    assert "partition *" in done.out
    assert "* no liver limit printed; confirm hepatic reserve, Child-Pugh, perfused share" in done.out
    assert "warning [no-liver-limit]" in done.err
    (order,) = json.loads((tmp_path / "out" / "plan.json").read_text())["orders"]
    for vial in order["vials"]:
        assert f"{vial['doses_gy']['perfused']:.4g}" in done.out
    unstated = SEGMENT.replace('scenario = "segmentectomy"\n', "")
    done = from_masses(run_cli, tmp_path, unstated, "-o", tmp_path / "b", "--no-report")
    assert "hepatic reserve below 30 % (unconfirmed: scenario, hepatic reserve not stated)" in done.out
    assert "NOT OFFERED: " in done.out


@pytest.mark.parametrize("as_json", [True, False])
def test_a_contraindication_is_the_first_line(run_cli, tmp_path, as_json):
    text = SEGMENT.replace('"glass"', '"resin"').replace("0.02", "0.25")
    out = ("--json",) if as_json else ()
    done = from_masses(run_cli, tmp_path, text, "-o", tmp_path / "out", *out)
    assert done.code == 0, done.err
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert (plan["orders"], {m["activity_bq"] for m in plan["models"]}) == ([], {None})
    page = (tmp_path / "out" / "plan.html").read_text()
    assert page.index("<strong>STOP</strong>") < page.index("<strong>PREDICTED</strong>")
    if not as_json:
        assert done.out.startswith("STOP: the lung shunt of 25 % exceeds 20 %: no treatment with resin")
        assert "million spheres" not in done.out


def test_a_contraindication_with_images_writes_its_plan_without_any_activity(run_cli, study, tmp_path):
    (tmp_path / "case.toml").write_text("[uncertainty]\nsamples = 50\n")
    given = ("--lung-shunt", "0.25", "--device", "resin", "--activity", "1 GBq", "--engine", "local")
    done = run_cli(
        "plan", study, *given, "--case", tmp_path / "case.toml", "--uncertainty", "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    assert done.out.startswith("STOP: ")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert not any(model["available"] for model in plan["models"])
    assert plan["stop"] == plan["models"][0]["stop"]
    assert (tmp_path / "out" / "plan.html").exists()


def test_a_plan_is_printed_without_pages(run_cli, study, tmp_path):
    given = ("--lung-shunt", "0.05", "--device", "glass", "--activity", "1 GBq", "--engine", "local")
    done = run_cli("plan", study, *given, "--pdf", "--no-report", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"plan.pdf", "treatment.pdf"} <= names
    assert not names & {"plan.html", "treatment.html", "figures"}
