"""No setting is dropped without a word: each is read somewhere, and said where the others make it idle."""

import ast
from functools import cache
from pathlib import Path

import pytest

from y90voxel.case.setting_names import manifest_columns, named_settings
from y90voxel.case.settings import StudySettings, load_settings
from y90voxel.case.unused_settings import UNUSED_UNLESS, unused_notices, unused_radiobiology
from y90voxel.regions.roles import Role

PACKAGE = Path(__file__).resolve().parents[2] / "y90voxel"
DECLARATIONS = {
    "settings.py",
    "setting_types.py",
    "immune_settings.py",
    "microscale_settings.py",
    "patient_settings.py",
    "plan_settings.py",
    "uncertainty_settings.py",
}


@cache
def names_read():
    """Every attribute, keyword and text of the package outside the declarations."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name in DECLARATIONS and path.parent.name == "case":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return names


@pytest.mark.parametrize("path", sorted({one.path for one in named_settings()}), ids=".".join)
def test_every_setting_is_read_by_something(path):
    """Options, case files, arguments and manifests all end in these fields."""
    field = {"register": "register_"}.get(path[-1], path[-1])
    records = (PACKAGE / "case").glob("*_settings.py")  # a table may hand itself over whole
    assert field in names_read() or any(
        f"self.{field}" in record.read_text(encoding="utf-8") for record in records
    ), path


def test_every_column_of_a_manifest_ends_in_a_setting():
    paths = {".".join(one.path) for one in named_settings()}
    assert set(manifest_columns().values()) <= paths


IDLE = {
    ("monte_carlo", "histories"): (1000, {"dose": {"engine": "monte-carlo"}}),
    ("monte_carlo", "target_uncertainty"): (0.01, {"dose": {"engine": "monte-carlo"}}),
    ("monte_carlo", "time_limit_s"): (60.0, {"dose": {"engine": "monte-carlo"}}),
    ("dose", "calibration_factor"): (10.0, {"dose": {"calibration": "factor"}}),
    ("dose", "acquisition_duration_s"): (600.0, {"dose": {"calibration": "factor"}}),
    ("dose", "calibration_region"): ("body", {"dose": {"calibration": "relative"}}),
    ("monte_carlo", "seed"): (5, {"dose": {"engine": "monte-carlo"}}),
    **{
        ("uncertainty", key): (value, {"output": {"uncertainty": True}})
        for key, value in {
            "contour_voxel_mm": 2.0,
            "contour_fwhm_mm": 2.0,
            "activity": 0.1,
            "residual": 0.1,
            "lung_shunt": 0.1,
            "calibration": 0.1,
            "decay": 0.01,
            "density": 0.1,
            "registration_mm": 2.0,
            "noise_fwhm_mm": 8.0,
            "samples": 50,
            "seed": 4,
        }.items()
    },
    **{
        ("immune", key): (value, {"immune": {"report": True}})
        for key, value in {
            "blood_volume_l": 4.2,
            "cardiac_output_l_per_min": 5.0,
            "tumour_relative_blood": 1.5,
            "tumour_relative_perfusion": 2.0,
            "residence": "weibull-2",
            "free_activity": "0.5%",
            "alpha_per_gy": 0.5,
            "slow_share": 0.5,
            "pool_weighted": True,
            "cycle_dates": ["2024-04-01"],
            "cycle_days": [14.0],
            "count": [{"day": 30.0, "giga_per_l": 0.7}],
        }.items()
    },
    **{
        ("microscale", key): (value, {"microscale": {"report": True}})
        for key, value in {
            "activity_per_sphere": "340 Bq",
            "days_since_calibration": 4.0,
            "clusters": "pairs",
            "places": "tracts",
        }.items()
    },
    ("partial_volume", "recovery_uncertainty"): (0.1, {"partial_volume": {"recovery": "recovery.csv"}}),
    ("partial_volume", "fwhm_mm"): (6.0, {"partial_volume": {"method": "richardson-lucy"}}),
    ("partial_volume", "iterations"): (5, {"partial_volume": {"method": "richardson-lucy", "fwhm_mm": 6.0}}),
    ("administration", "activity_time"): ("2026-03-02T10:30", {"administration": {"activity": "2 GBq"}}),
    ("administration", "residual_time"): ("2026-03-02T10:30", {"administration": {"residual": "20 MBq"}}),
}


def test_each_that_others_make_idle_has_its_case():
    assert IDLE.keys() == UNUSED_UNLESS.keys()


@pytest.mark.parametrize("path", IDLE, ids=".".join)
def test_a_setting_that_is_given_and_idle_is_said_until_it_is_used(path):
    table, key = path
    value, used = IDLE[path]
    given = {table: {key: value}}
    if table == "dose":
        given["dose"]["calibration"] = "absolute"
    if key == "noise_fwhm_mm":
        given["dose"] = {"engine": "local"}
    (notice,) = unused_notices(load_settings(None, given))
    assert (notice.code, f"{table}.{key}" in notice.message) == ("settings-unused", True)
    for other, values in used.items():
        given.setdefault(other, {}).update(values)
    assert unused_notices(load_settings(None, given)) == []


def test_one_seed_for_both_is_used_by_the_samples_of_uncertainties():
    given = {"monte_carlo": {"seed": 4}, "uncertainty": {"seed": 4}}
    (said,) = unused_notices(load_settings(None, given))
    assert "monte_carlo.seed" in said.message
    assert unused_notices(load_settings(None, given | {"output": {"uncertainty": True}})) == []


@pytest.mark.parametrize("engine", ["auto", "convolution", "density", "monte-carlo", "exact"])
def test_how_far_noise_goes_together_decides_how_noisy_a_dose_is_that_leaves_its_voxel(engine):
    """The marks of histograms tell it, uncertainties or not."""
    given = {"uncertainty": {"noise_fwhm_mm": 8.0}, "dose": {"engine": engine}}
    assert unused_notices(load_settings(None, given)) == []


def test_the_seed_of_a_verification_is_used():
    given = {"monte_carlo": {"seed": 4}, "dose": {"engine": "density"}}
    assert len(unused_notices(load_settings(None, given))) == 1
    given["dose"]["verify_engine"] = 5000
    assert unused_notices(load_settings(None, given)) == []


def test_nothing_is_idle_that_is_not_given():
    assert unused_notices(StudySettings()) == []


@pytest.mark.parametrize(
    ("second", "idle"),
    [
        ({"activity": "1 GBq", "activity_time": "2026-03-02T10:30"}, False),
        ({"activity_time": "2026-03-02T10:30"}, True),
        ({"activity": "1 GBq"}, False),
    ],
)
def test_the_time_of_an_activity_needs_one_in_every_injection_that_states_it(second, idle):
    first = {"activity": "1 GBq", "activity_time": "2026-03-02T10:30"}
    shared = {"activity_time": "2026-03-02T09:30"}
    notices = unused_notices(load_settings(None, {"injection": [first, second], "administration": shared}))
    assert ["administration.activity_time" in notice.message for notice in notices] == [True] * idle


def test_what_is_listed_elsewhere_is_not_listed_again():
    given = load_settings(None, {"monte_carlo": {"histories": 1000}, "partial_volume": {"iterations": 5}})
    (notice,) = unused_notices(given, ["monte_carlo.histories"])
    assert "monte_carlo.histories" not in notice.message
    assert "partial_volume.iterations" in notice.message
    assert unused_notices(given, ["monte_carlo.histories", "partial_volume.iterations"]) == []


def test_linear_quadratic_parameters_of_roles_without_a_region_are_said():
    assert unused_radiobiology([Role.TUMOUR], [Role.TUMOUR, Role.LIVER]) == []
    (notice,) = unused_radiobiology([Role.TUMOUR, Role.LUNG], [Role.TUMOUR])
    assert (notice.code, "radiobiology.lung" in notice.message) == ("radiobiology-unused", True)
    assert "radiobiology.tumour" not in notice.message
