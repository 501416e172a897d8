"""Each setting of the declaration, at run time: it changes the results, is refused, or is listed among the notices.

Options, columns of a manifest and arguments end in the same settings (`case/test_setting_names.py` and
`case/test_unused_settings.py` hold that).
"""

import json

import pytest
from mutation.studies import STUDIES, files_of, write

from y90voxel.case.carried_settings import CARRIED, Job
from y90voxel.case.setting_names import all_keys
from y90voxel.case.settings import load_settings, merge
from y90voxel.case.unused_settings import UNUSED_UNLESS
from y90voxel.errors import InputError
from y90voxel.study import dose_results
from y90voxel.study.run_dose import run_study
from y90voxel.study.run_plan import run_plan

RECOVERY = "diameter_mm,recovery,relative_uncertainty\n10,0.4,0.05\n20,0.6,0.05\n30,0.75,0.05\n40,0.9,0.05\n"
TIME = "2024-03-12T06:00:00"
RADIOBIOLOGY = {"alpha_beta_gy": 10.0, "repair_half_time_h": 1.5, "source": "a paper"}
# Another value of every setting, by the start of its dotted key.
VALUES = {
    "administration.activity": "2.2 GBq", "administration.activity_time": TIME, "administration.residual": "60 MBq",
    "administration.residual_time": TIME, "administration.net_activity": "2.2 GBq",
    "administration.lung_shunt_fraction": 0.06, "administration.time": TIME, "administration.nuclide": "Ho-166",
    "administration.time_zone": "+02:00", "administration.device": "resin",
    "patient.afp": {"unit": "ng/mL", "value": 3.0}, "patient.albumin_g_per_dl": 3.5, "patient.albumin_g_per_l": 35.0,
    "patient.ascites": "present", "patient.bclc": "B", "patient.bilirubin_mg_per_dl": 1.5,
    "patient.bilirubin_reversible": True, "patient.bilirubin_umol_per_l": 30.0, "patient.child_pugh_points": 6,
    "patient.ecog": 1, "patient.height_m": 1.7, "patient.hepatic_vein": "Vv1", "patient.portal_vein": "Vp2",
    "patient.response": [{"criterion": "mRECIST", "category": "PR", "date": "2024-06-01"}],
    "patient.stated": [{"field": "ecog", "value": "1", "source": "letter"}],
    "patient.systemic_therapy_date": "2024-04-01", "patient.treatment_date": "2024-03-12", "patient.weight_kg": 70.0,
    "plan.scenario": "unilobar", "plan.disease": "mCRC", "plan.function": "poor", "plan.pretreated": True,
    "plan.intent": "bridging", "plan.gastrointestinal_focus": True, "plan.liver_function": "poor",
    "plan.previous_lung_doses_gy": [45.0], "plan.previous": ["no folder"], "plan.table_limits": False,
    "plan.goal": [{"region": "GTV1", "value": 100.0}], "plan.limit": [{"region": "Liver", "value": 30.0}],
    "plan.perfused_dose_gy": 100.0, "plan.residual_fraction": 0.02, "plan.split": [0.5, 0.5],
    "plan.greatest_activity": ["1 MBq"], "plan.objective": {"Stomach": 1.0}, "plan.recovery": {"GTV1": 0.8},
    "plan.order": {"injection_time": "2024-03-13T10:00:00+01:00", "calibration_times": ["2024-03-12T10:00:00+01:00"]},
    "plan.treatment": [{"assay": "2 GBq", "assay_time": "2024-03-12T10:00+01:00", "time": "2024-03-12T12:00+01:00"}],
    "plan.anatomy": {"liver_volume_ml": 1500.0},
    "dose.calibration": "absolute", "dose.calibration_region": "fov", "dose.calibration_factor": 10.0,
    "dose.acquisition_duration_s": 600.0, "dose.dose_constant_gy_kg_per_gbq": 50.0, "dose.engine": "convolution",
    "dose.liver_density": 1.0, "dose.grid": 6.0, "dose.register": "trust",
    "dose.density_calibration": [[-1000.0, 0.001], [0.0, 1.0], [1000.0, 1.5]], "dose.dome_margin_mm": 10.0,
    "monte_carlo.histories": 1000, "monte_carlo.target_uncertainty": 0.02, "monte_carlo.seed": 5,
    "monte_carlo.time_limit_s": 60.0, "dose.verify_engine": 5000,
    "regions.roles": {"Stomach": "ignore"}, "regions.isocontour": {"tumour": 0.4}, "regions.liver_tumours": "join",
    "regions.automatic": False, "lung.planar_attenuation_per_cm": 0.1, "lung.compare_methods": True,
    "series.emission": "1.2.3", "series.ct": "1.2.3", "series.regions": "1.2.3",
    "series.acquisition_time": "2024-03-12T11:00:00", "series.decay_reference": "START",
    "accept.codes": ["units-swapped"], "accept.surrogate": True, "accept.trust_time": True,
    "radiobiology.tumour": RADIOBIOLOGY, "radiobiology.heart": RADIOBIOLOGY,
    "uncertainty.fwhm_mm": 5.0, "uncertainty.contour_voxel_mm": 2.0, "uncertainty.contour_fwhm_mm": 2.0,
    "uncertainty.activity": 0.3, "uncertainty.residual": 0.3, "uncertainty.lung_shunt": 0.5,
    "uncertainty.calibration": 0.3, "uncertainty.decay": 0.2, "uncertainty.density": 0.2,
    "uncertainty.registration_mm": 8.0, "uncertainty.noise": 0.5, "uncertainty.noise_fwhm_mm": 25.0,
    "uncertainty.samples": 50, "uncertainty.seed": 4,
    "microscale.report": True, "microscale.activity_per_sphere": "300 Bq", "microscale.days_since_calibration": 4.0,
    "microscale.clusters": "pairs", "microscale.places": "tracts",
    "noise.halves": ["first.nii.gz", "second.nii.gz"],
    "partial_volume.recovery": "RECOVERY", "partial_volume.recovery_uncertainty": 0.2,
    "partial_volume.method": "richardson-lucy", "partial_volume.fwhm_mm": 6.0, "partial_volume.iterations": 5,
    "patient.sex": "female",
    "immune.report": True, "immune.blood_volume_l": 4.2, "immune.cardiac_output_l_per_min": 5.0,
    "immune.tumour_relative_blood": 1.5, "immune.tumour_relative_perfusion": 2.0, "immune.residence": "weibull-2",
    "immune.free_activity": 0.005, "immune.alpha_per_gy": 0.5, "immune.slow_share": 0.5, "immune.pool_weighted": True,
    "immune.cycle_dates": ["2024-04-01"], "immune.cycle_days": [14.0], "immune.count": [{"day": 30.0, "giga_per_l": 0.7}],
    "dead_time.curve": "RECOVERY", "dead_time.observed_rate_cps": 1e4, "dead_time.time_constant_us": 1.0,
    "output.uncertainty": True, "output.anonymise": True, "output.report": True, "output.pdf": True, "output.pdf_dicom": True,
    "output.sr": True,
    "output.label": "another",
}  # fmt: skip
# They permit or state what this study does not ask for; the tests in which they act.
PERMISSIONS = {
    "dose.register": "io/dicom/test_study.py::test_regions_of_another_frame_are_refused_unless_frames_are_trusted",
    "regions.liver_tumours": "regions/test_whole_liver.py::test_half_of_the_surface_decides",
    "accept.codes": "study/test_contradicting_facts.py::test_an_image_beyond_reason_is_refused_until_accepted",
    "accept.trust_time": "study/test_contradicting_facts.py::test_an_acquisition_time_against_the_headers_is_refused_unless_"
    "trusted",
    "lung.planar_attenuation_per_cm": "planar views, which the study has none of",
}
BASE = {
    "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
    "dose": {"engine": "local"}, "output": {"report": False},
}  # fmt: skip
# What the settings that are listed as idle ask for.
ACTIVE = {
    "administration": {"device": "ho166", "nuclide": "Ho-166", "residual": "10 MBq"},
    "plan": {"disease": "HCC", "scenario": "bilobar"},
    "immune": {"report": True},
    "microscale": {"report": True, "activity_per_sphere": "340 Bq"},
    "output": {"uncertainty": True}, "uncertainty": {"samples": 40, "contour_fwhm_mm": 1.0},
}  # fmt: skip
JOBS = {Job.DOSE: (run_study, "metrics.json"), Job.PLAN: (run_plan, "plan.json")}


def nested(key, value):
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    (root / "recovery.csv").write_text(RECOVERY)
    return write(files_of(STUDIES["spect"]()), root / "dicom")


def named_only(masks, path, **_):
    path.touch()
    return ()


@pytest.fixture
def results(study, tmp_path, monkeypatch):
    """What a job gives with settings: its numbers and the names of its files, or the refusal."""
    count = iter(range(10_000))
    for writer in (
        "write_rtstruct",
        "write_seg",
    ):  # their content is none of this, and takes as long as the dose
        monkeypatch.setattr(dose_results, writer, named_only)

    def run(job, *tables):
        function, file = JOBS[job]
        out = tmp_path / f"out{next(count)}"
        text = json.dumps(tables).replace("RECOVERY", str(study.parent / "recovery.csv"))
        try:
            chosen = {}
            for table in json.loads(text):
                chosen = merge(chosen, table)
            function(study, out, load_settings(None, chosen))
        except InputError as refusal:
            return refusal
        found = json.loads((out / file).read_text())
        found.pop("provenance")
        found.pop("reporting", None)  # what a report should hold and whether it is stated
        found.pop("settings", None)
        return found, sorted(path.name for path in out.rglob("*") if not path.name.startswith("."))

    return run


def notices(found):
    return " ".join(
        n["message"] for n in found[0]["warnings"] if n["code"] in ("settings-carried", "settings-unused")
    )


def without_notices(found):
    return {k: v for k, v in found[0].items() if k != "warnings"}, found[1]


def test_every_key_of_the_declaration_has_a_value_here():
    roles = {"radiobiology." + key.split(".")[1] for key in all_keys() if key.startswith("radiobiology.")}
    prefixes = {*VALUES, *roles}
    assert [key for key in all_keys() if not any(f"{key}.".startswith(f"{p}.") for p in prefixes)] == []


@pytest.mark.parametrize("job", JOBS)
def test_each_setting_changes_the_results_is_refused_or_is_listed(job, results):
    plain = results(job, BASE)
    silent, untrue = [], []
    for key, value in VALUES.items():
        found = results(job, BASE, nested(key, value))
        if isinstance(found, InputError) or key in PERMISSIONS:
            continue
        listed = key in notices(found)
        if not listed and found == plain:
            silent.append(key)
        if listed and without_notices(found) != without_notices(plain):
            untrue.append(key)
    assert (silent, untrue) == ([], [])


@pytest.mark.parametrize("job", JOBS)
def test_a_setting_is_no_longer_listed_and_changes_the_results_where_its_need_is_met(job, results):
    plain = results(job, BASE, ACTIVE)
    assert not isinstance(plain, InputError)
    silent = []
    for path in (*UNUSED_UNLESS, *CARRIED[job]):
        key = ".".join(path)
        found = results(job, BASE, ACTIVE, nested(key, VALUES[key]))
        if not isinstance(found, InputError) and key not in notices(found) and found == plain:
            silent.append(key)
    assert silent == []


def test_a_plan_from_masses_lists_what_only_images_use(tmp_path):
    tables = {
        "administration": {"device": "glass", "activity": "2 GBq"},
        "plan": {
            "anatomy": {
                "whole_normal_mass_kg": 1.2,
                "territory": [{"lung_shunt_fraction": 0.06, "normal_mass_kg": 0.8, "tumour": [{"mass_kg": 0.1, "ratio": 4.0}]}],
            }
        },
    }  # fmt: skip
    plain = run_plan(None, None, load_settings(None, tables))
    assert not [n for n in plain.notices if n.code == "settings-carried"]
    given = {
        ("dose", "engine"): "local",
        ("dose", "grid"): 4.0,
        ("regions", "automatic"): False,
        ("accept", "surrogate"): True,
    }
    for (table, key), value in given.items():
        found = run_plan(None, None, load_settings(None, merge(tables, {table: {key: value}})))
        (said,) = (n.message for n in found.notices if n.code == "settings-carried")
        assert f"{table}.{key} (used only where there are images)" in said


MASSES = {
    "administration": {"device": "glass", "activity": "2 GBq", "lung_shunt_fraction": 0.05},
    "plan": {
        "anatomy": {
            "perfused_normal_mass_kg": 0.8, "whole_normal_mass_kg": 1.2, "liver_volume_ml": 1300.0,
            "perfused_volume_ml": 900.0, "tumour_volume_ml": 100.0, "tumour_volume_in_perfused_ml": 95.0,
            "tumour": [{"name": "GTV1", "mass_kg": 0.1, "ratio": 4.0}],
        }
    },
}  # fmt: skip
# They change files, and nothing is written here.
FILES = {"output.report", "output.pdf", "output.anonymise"}


def planned_from_masses(recovery, *tables):
    chosen = {}
    for table in json.loads(json.dumps(tables).replace("RECOVERY", str(recovery))):
        chosen = merge(chosen, table)
    found = run_plan(None, None, load_settings(None, chosen)).metrics
    warnings = " ".join(notice["message"] for notice in found["warnings"])
    return {k: v for k, v in found.items() if k not in ("warnings", "provenance")}, warnings


def test_each_setting_of_a_plan_from_masses_changes_it_is_refused_or_is_listed(tmp_path):
    recovery = tmp_path / "recovery.csv"
    recovery.write_text(RECOVERY)
    plain, _ = planned_from_masses(recovery, MASSES)
    silent = []
    for key, value in VALUES.items():
        try:
            found, warnings = planned_from_masses(recovery, MASSES, nested(key, value))
        except InputError:
            continue
        words = key if not key.startswith("dead_time.") else "dead_time"
        if found == plain and words not in warnings and key not in FILES:
            silent.append(key)
    assert silent == []


def test_injections_of_images_are_no_injections_of_a_plan_from_masses(tmp_path):
    injection = {"injection": [{"lung_shunt_fraction": 0.3, "activity": "1 GBq"}]}
    with pytest.raises(InputError, match=r"\[\[injection\]\] is for images"):
        planned_from_masses(tmp_path, {"plan": MASSES["plan"]}, injection)


@pytest.mark.parametrize("seed", [5, 6])
def test_a_seed_of_a_plan_from_masses_is_that_of_its_draws_or_is_listed(tmp_path, seed):
    draws = {
        "uncertainty": {
            "seed": 5,
            "samples": 40,
            "fwhm_mm": 12.0,
            "contour_voxel_mm": 2.0,
            "contour_fwhm_mm": 1.0,
        }
    }
    _, warnings = planned_from_masses(
        tmp_path, MASSES, draws, {"output": {"uncertainty": True}, "monte_carlo": {"seed": seed}}
    )
    assert ("monte_carlo.seed" in warnings) is (seed != 5)
    assert "uncertainty.fwhm_mm" not in warnings
