"""Settings from a scanner file: used, refused or listed."""

from pathlib import Path

import pytest

from y90voxel.case.scanner_settings import with_scanner
from y90voxel.case.settings import StudySettings
from y90voxel.errors import InputError
from y90voxel.quantification.emission import Reconstruction
from y90voxel.quantification.scanner import Scanner


def scanner(modality="NM", nuclide="Ho-166", **more):
    usual = {
        "factor_cps_per_mbq": 20.0, "relative_uncertainty": 0.03, "recovery_file": Path("recovery.csv"),
        "volumes_ml": (0.5, 26.5), "time_constant_us": 5.0,
    }  # fmt: skip
    return Scanner(
        Path("scanner.toml"), nuclide, modality, Reconstruction(), (4.0, 4.0, 4.0), **(usual | more)
    )


def settings(**tables):
    return StudySettings.model_validate(tables)


def test_counts_get_factor_dead_time_recovery_and_uncertainty():
    made, notices = with_scanner(settings(), scanner())
    assert made.dose.calibration == "factor"
    assert made.dose.calibration_factor == 20.0
    assert made.dead_time.time_constant_us == 5.0
    assert made.partial_volume.recovery == Path("recovery.csv")
    assert made.uncertainty.calibration == 0.03
    assert notices == []
    assert (
        with_scanner(settings(uncertainty={"calibration": 0.1}), scanner())[0].uncertainty.calibration == 0.1
    )


def test_bq_per_ml_stay_absolute():
    pet = scanner("PT", "Y-90", factor_cps_per_mbq=None, shown_over_true=1.01, time_constant_us=None)
    made, notices = with_scanner(settings(), pet)
    assert made.dose.calibration is None
    assert made.dead_time is None
    assert made.uncertainty.calibration == 0.03
    assert notices == []


@pytest.mark.parametrize(
    ("shown", "codes"),
    [(1.059, []), (1.061, ["scanner-shows-other-activity"]), (0.93, ["scanner-shows-other-activity"])],
)
def test_other_activity_than_the_true_is_said(shown, codes):
    pet = scanner("PT", "Y-90", factor_cps_per_mbq=None, shown_over_true=shown, time_constant_us=None)
    assert [n.code for n in with_scanner(settings(), pet)[1]] == codes


@pytest.mark.parametrize(
    "tables",
    [
        {"partial_volume": {"recovery": "other.csv"}},
        {"dose": {"calibration_factor": 21.0}},
        {"dead_time": {"time_constant_us": 4.0}},
        {"dead_time": {"curve": "curve.csv"}},
    ],
)
def test_what_is_stated_twice_is_refused(tables):
    with pytest.raises(InputError, match=r"scanner.toml states it too"):
        with_scanner(settings(**tables), scanner())


@pytest.mark.parametrize(
    ("tables", "bare"),
    [
        ({"partial_volume": {"recovery": "other.csv"}}, {"recovery_file": None}),
        (
            {"dose": {"calibration": "factor", "calibration_factor": 21.0}},
            {"factor_cps_per_mbq": None, "time_constant_us": None},
        ),
        ({"dead_time": {"time_constant_us": 4.0}}, {"time_constant_us": None}),
    ],
)
def test_what_the_scanner_does_not_state_stays_as_given(tables, bare):
    """Its uncertainty is of its own calibration, not of another factor."""
    given = settings(**tables)
    made, notices = with_scanner(given, scanner(**bare))
    for table, values in tables.items():
        for key in values:
            assert getattr(getattr(made, table), key) == getattr(getattr(given, table), key)
    assert made.uncertainty.calibration == (None if "dose" in tables else 0.03)
    assert notices == []


def test_the_observed_rate_of_an_image_goes_with_the_dead_time_of_the_scanner():
    """Each message asked for what the other refused."""
    made, _ = with_scanner(settings(dead_time={"observed_rate_cps": 900.0}), scanner())
    assert (made.dead_time.time_constant_us, made.dead_time.observed_rate_cps) == (5.0, 900.0)


@pytest.mark.parametrize(
    ("asked", "said"), [("absolute", "the calibration is absolute"), ("factor", None), (None, None)]
)
def test_a_calibration_of_counts_that_is_not_used_is_said(asked, said):
    """Nor is its uncertainty that of images in Bq/mL, which nobody compared with a phantom."""
    made, notices = with_scanner(settings(dose={"calibration": asked}), scanner())
    assert [n.code for n in notices] == ([] if said is None else ["scanner-calibration-unused"])
    assert said is None or said in notices[0].message
    assert made.dose.calibration == ("absolute" if asked == "absolute" else "factor")
    assert made.uncertainty.calibration == (None if said else 0.03)
    assert (made.dead_time is None) == (said is not None)


@pytest.mark.parametrize(
    ("asked", "more", "uncertainty"),
    [
        (None, {"shown_over_true": 1.01}, 0.03),
        ("absolute", {"shown_over_true": 1.01}, 0.03),
        ("absolute", {}, None),
    ],
)
def test_the_uncertainty_of_bq_per_ml_is_that_of_the_cross_calibration(asked, more, uncertainty):
    pet = scanner("PT", "Y-90", factor_cps_per_mbq=None, time_constant_us=None, **more)
    made, notices = with_scanner(settings(dose={"calibration": asked}), pet)
    assert (made.uncertainty.calibration, notices) == (uncertainty, [])


def test_a_plan_takes_no_uncertainty_of_a_calibration_and_a_pet_may_be_relative():
    made, notices = with_scanner(settings(dose={"calibration": "absolute"}), scanner(), plans=True)
    assert (made.uncertainty.calibration, made.dose.calibration_factor, notices) == (None, None, [])
    pet = scanner("PT", "Y-90", factor_cps_per_mbq=None, shown_over_true=1.01, time_constant_us=None)
    with pytest.raises(InputError, match="relative over the liver"):
        with_scanner(settings(dose={"calibration": "relative"}), pet)


@pytest.mark.parametrize(("region", "good"), [("liver", False), ("fov", True), ("body", True)])
def test_recovery_under_a_calibration_over_the_liver_is_refused(region, good):
    asked = settings(dose={"calibration": "relative", "calibration_region": region})
    if not good:
        with pytest.raises(InputError, match="relative over the liver"):
            with_scanner(asked, scanner())
        return
    made, notices = with_scanner(asked, scanner())
    assert made.partial_volume.recovery == Path("recovery.csv")
    assert made.dead_time is None
    assert [n.code for n in notices] == ["scanner-calibration-unused"]


def test_a_surrogate_stays_relative_and_a_plan_takes_recovery_alone():
    tracer = scanner(nuclide="Tc-99m")
    with pytest.raises(InputError, match="relative over the liver"):
        with_scanner(settings(), tracer)
    made, _ = with_scanner(settings(), tracer, plans=True)
    assert made.partial_volume.recovery == Path("recovery.csv")
    assert made.dose == settings().dose
    assert made.dead_time is None


def test_a_scanner_without_recovery_may_be_relative_over_the_liver():
    made, _ = with_scanner(settings(dose={"calibration": "relative"}), scanner(recovery_file=None))
    assert made.partial_volume.recovery is None
