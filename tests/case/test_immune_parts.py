"""What is taken of a result for blood and lymphocytes, each fact with and without, on both sides; no dose is computed."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import immune_evaluation as module
from y90voxel.case.immune_evaluation import (
    _contradicting_date,
    _cycle_days,
    _free_dose,
    _liver_parts,
    _lymphocytes,
    _lymphoid,
    _organ_doses,
    _pools,
    _rated_doses,
    _staged,
    blood_assumptions,
    days_after,
    stated_sex,
    treatment_date,
)
from y90voxel.case.immune_settings import CountSettings, ImmuneSettings
from y90voxel.clinical.patient import PatientRecord
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.roles import Role

TREATED = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def chosen(**values):
    return ImmuneSettings.model_validate({"report": True, **values})


def region(name, role, mean_gy=10.0, volume_ml=100.0):
    return SimpleNamespace(
        name=name, role=role.value, mean_gy=mean_gy, volume_ml=volume_ml, d_gy={2: 2.0 * mean_gy}
    )


def injection(time, *arteries):
    return SimpleNamespace(
        administration=SimpleNamespace(time=time), arteries=[injection(one) for one in arteries]
    )


def result(*regions, times=(), patient=None, **values):
    injections = [injection(time) for time in times]
    return SimpleNamespace(
        regions=regions, case=SimpleNamespace(injections=injections, patient=patient), **values
    )


@pytest.mark.parametrize(
    ("stated", "image", "expected", "said"),
    [
        ("female", "F", ("female", "stated"), 0), ("female", " m ", ("female", "stated"), 1),
        ("female", "", ("female", "stated"), 0), (None, "f", ("female", "image"), 0), (None, "O", ("male", "assumed"), 1),
    ],
)  # fmt: skip
def test_sex_is_the_stated_one_else_that_of_the_images(stated, image, expected, said):
    notices = []
    patient = PatientRecord(sex=stated)
    assert (stated_sex(patient, image, notices), len(notices)) == (expected, said)
    if stated is None:
        assert stated_sex(None, image, []) == expected


@pytest.mark.parametrize(
    ("facts", "image", "typed", "volume"),
    [
        ({"height_m": 1.76, "weight_kg": 73.0}, "M", None, 0.3669 * 1.76**3 + 0.03219 * 73.0 + 0.6041),  # Nadler 1962
        ({"height_m": 1.76, "weight_kg": 73.0}, "M", 4.4, 4.4), ({"height_m": 1.76, "weight_kg": 73.0}, "", None, None),
        ({"height_m": 1.76}, "M", None, None), ({"weight_kg": 73.0}, "M", None, None), (None, "M", None, None),
        (None, "M", 4.4, 4.4),
    ],
)  # fmt: skip
def test_blood_is_typed_else_nadlers_where_sex_height_and_weight_are_known(facts, image, typed, volume):
    patient = None if facts is None else PatientRecord(**facts)
    found, _ = blood_assumptions(chosen(blood_volume_l=typed), patient, image, [])
    assert found.total_volume_l == (volume if volume is None else pytest.approx(volume, rel=1e-3))


@pytest.mark.parametrize(
    ("times", "stated", "expected"),
    [
        ((NOON + timedelta(days=7), NOON), date(2026, 2, 1), TREATED), ((None, NOON), None, TREATED),
        ((None,), date(2026, 2, 1), date(2026, 2, 1)), ((None,), None, None),
    ],
)  # fmt: skip
def test_the_treatment_is_the_first_injection_else_the_stated_day(times, stated, expected):
    assert treatment_date(result(times=times, patient=PatientRecord(treatment_date=stated))) == expected


def test_without_a_patient_and_times_no_day_is_known():
    assert treatment_date(result(times=(None,))) is None
    assert days_after(None, [TREATED]) is None
    assert days_after(TREATED, [date(2026, 3, 9), date(2026, 2, 20)]) == [7.0, -10.0]


@pytest.mark.parametrize(
    ("times", "stated", "said"),
    [
        ((NOON,), date(2026, 3, 2), None), ((NOON,), date(2026, 3, 9), "+7 days"), ((NOON,), date(2026, 2, 28), "-2 days"),
        ((NOON, NOON + timedelta(days=7)), date(2026, 3, 9), None), ((None,), date(2026, 3, 9), None), ((NOON,), None, None),
    ],
)  # fmt: skip
def test_a_stated_day_that_is_none_of_the_injections_is_said(times, stated, said):
    notices = _contradicting_date(result(times=times, patient=PatientRecord(treatment_date=stated)))
    assert [notice.code for notice in notices] == ["immune-treatment-date"] * (said is not None)
    if said:
        assert said in notices[0].message
        assert "2026" not in notices[0].message
    assert _contradicting_date(result(times=times)) == []


def test_the_stated_day_may_be_that_of_any_injection_that_one_scan_follows():
    evaluation = result(patient=PatientRecord(treatment_date=TREATED))
    evaluation.case.injections = [injection(NOON + timedelta(days=1), NOON, None, NOON + timedelta(days=1))]
    assert _contradicting_date(evaluation) == []
    evaluation.case.patient = PatientRecord(treatment_date=date(2026, 3, 1))
    assert "-2 days" in _contradicting_date(evaluation)[0].message


@pytest.mark.parametrize(
    ("injections", "arteries", "words"),
    [(1, 0, None), (1, 1, None), (1, 2, "2 injections count as one at the time of the last"), (1, 3, "3 injections count as"),
     (2, 0, "2 injections count as one at the time of the first for"), (2, 3, "2 injections")],
)  # fmt: skip
def test_several_injections_are_told_with_when_they_count(injections, arteries, words):
    evaluation = result()
    evaluation.case.injections = [injection(NOON, *[NOON] * arteries)] * injections
    notices = _staged(evaluation)
    assert len(notices) == (words is not None)
    if words:
        assert notices[0].message.startswith(words)


def histogram(dose, volume_ml, mass_g):
    masses = None if mass_g is None else np.array([mass_g])
    return DoseVolumeHistogram(np.array([dose]), np.array([volume_ml]), masses, np.ones(1))


@pytest.mark.parametrize(
    ("tumours", "mass_g", "expected"),
    [
        (False, 1575.0, (20.0, None, 1575.0)),
        (True, 1575.0, (20.0, 90.0, 1680.0)),
        (True, None, (20.0, 90.0, 105.0)),
    ],
)
def test_the_liver_is_normal_liver_and_all_tumours_with_the_mass_of_both(tumours, mass_g, expected):
    known = {"normal": histogram(20.0, 1500.0, mass_g), "all tumours": histogram(90.0, 100.0, 105.0)}
    names = {Role.NON_TUMOUR_LIVER: ["normal"], Role.TUMOURS: ["all tumours"] * tumours}
    regions = SimpleNamespace(with_role=lambda role: [SimpleNamespace(name=name) for name in names[role]])
    evaluation = SimpleNamespace(case=SimpleNamespace(regions=regions), dvh=known.__getitem__)
    normal, tumour, mass = _liver_parts(evaluation)
    assert (
        normal.doses_gy.mean(),
        None if tumour is None else tumour.doses_gy.mean(),
        mass,
    ) == pytest.approx(expected)
    names[Role.NON_TUMOUR_LIVER] = []
    assert _liver_parts(evaluation) is None


@pytest.mark.parametrize(("lung", "codes"), [(7.0, []), (0.0, []), (None, ["immune-no-lungs"])])
def test_organs_count_by_their_volumes_and_lungs_by_the_dose_of_the_run(lung, codes, monkeypatch):
    monkeypatch.setattr(module, "limiting_lung_dose", lambda lungs, case: ("key", lung))
    kidneys = region("Kidney_L", Role.KIDNEY, 4.0, 100.0), region("Kidney_R", Role.KIDNEY, 1.0, 200.0)
    bowel, other = region("Bowel", Role.BOWEL, 3.0), region("Aorta", Role.OTHER, 50.0)
    notices = []
    doses, missing = _organ_doses(result(*kidneys, bowel, other, lung=None), notices)
    expected = {"kidneys": 2.0, "small intestine": 3.0, "large intestine": 3.0} | (
        {} if lung is None else {"lung": lung}
    )
    assert doses == {name: pytest.approx(dose) for name, dose in expected.items()}
    assert missing == (*["lung"][: lung is None], "spleen", "stomach", "pancreas", "heart")
    assert [notice.code for notice in notices] == codes


BLOOD = SimpleNamespace(mean_gy=2.0)


@pytest.mark.parametrize(
    ("counts", "treated", "days", "said"),
    [
        ([{"day": -2, "giga_per_l": 1.4}, {"date": "2026-03-09", "giga_per_l": 0.7}], TREATED, [-2.0, 7.0], ""),
        ([{"day": -2, "giga_per_l": 1.4}, {"date": "2026-03-09", "giga_per_l": 0.7}], None, [-2.0], "1 lymphocyte counts are"),
        ([{"date": "2026-03-09", "giga_per_l": 0.7}] * 2, None, [], "2 lymphocyte counts are left out"),
        ([{"day": 0, "giga_per_l": 1.4}], TREATED, [0.0], "1 lymphocyte counts are given, but not one before"),
        ([], TREATED, [], ""),
    ],
)  # fmt: skip
def test_counts_are_dated_from_the_treatment_or_said(counts, treated, days, said):
    notices = []
    found = _lymphocytes(chosen(count=counts), BLOOD, 230_000.0, treated, notices)
    assert [one.day for one in found.measured] == days
    assert len(notices) == bool(said)
    assert "".join(notice.message for notice in notices).startswith(said)


@pytest.mark.parametrize(("typed", "alpha"), [(0.2, 0.2), (None, 0.40)])
def test_sensitivity_is_typed_or_that_of_jin(typed, alpha):
    found = _lymphocytes(chosen(alpha_per_gy=typed), BLOOD, 230_000.0, TREATED, [])
    assert (found.alpha_per_gy, found.pools_gy) == (alpha, None)


def test_pools_weigh_the_parts_of_an_organ_by_their_blood():
    """Lungs 8 Gy, liver of 10 and 40 Gy with three and one parts of blood, gut of 6 Gy in one of its two halves."""
    names = ("lung", "liver part 1", "tumour part 1", "small intestine", "large intestine", "spleen")
    body = SimpleNamespace(names=names, fractions=(0.1, 0.3, 0.1, 0.2, 0.2, 0.1))
    doses = {"lung": 8.0, "liver part 1": 10.0, "tumour part 1": 40.0, "small intestine": 6.0}
    found = _pools(SimpleNamespace(body=body, doses_gy=doses, mean_gy=2.0))
    held = 10 * 2.0 + 30 * 8.0 + 10 * 17.5 + 50 * 3.0
    assert (found["dose_gy"], found["without_thymus_gy"]) == (
        pytest.approx(held / 460),
        pytest.approx(held / 410),
    )


def test_rates_are_told_of_tumours_normal_liver_and_blood():
    regions = (
        region("all", Role.TUMOURS, 90.0),
        region("normal", Role.NON_TUMOUR_LIVER, 20.0),
        region("GTV", Role.TUMOUR),
    )
    assert _rated_doses(result(*regions), BLOOD) == {"tumour": 90.0, "non-tumour liver": 20.0, "blood": 2.0}


SYSTEMIC = {"systemic_therapy_date": date(2026, 3, 30)}


@pytest.mark.parametrize(
    ("typed", "facts", "treated", "days", "codes"),
    [
        ({"cycle_dates": ["2026-03-16"], "cycle_days": [14, 3]}, SYSTEMIC, TREATED, (3.0, 14.0), []),
        ({"cycle_days": [14]}, SYSTEMIC, TREATED, (14.0,), []), ({}, SYSTEMIC, TREATED, (28.0,), []),
        ({}, SYSTEMIC, None, (), ["immune-undated"]), ({}, {}, TREATED, (), ["immune-no-cycles"]),
        ({}, None, TREATED, (), ["immune-no-cycles"]), ({}, None, None, (), ["immune-no-cycles"]),
        ({"cycle_dates": ["2026-03-16"], "cycle_days": [3]}, {}, None, (3.0,), ["immune-undated"]),
        ({"cycle_days": [3]}, {}, None, (3.0,), []),
    ],
)  # fmt: skip
def test_cycles_are_typed_else_the_first_day_of_systemic_therapy(typed, facts, treated, days, codes):
    notices = []
    patient = None if facts is None else PatientRecord(**facts)
    assert _cycle_days(chosen(**typed), patient, treated, notices) == days
    assert [notice.code for notice in notices] == codes


def test_lymphoid_organs_are_those_without_a_role_by_their_name():
    regions = region("Spleen", Role.OTHER, 3.0), region("Aorta", Role.OTHER), region("Spleen", Role.STOMACH)
    (row,) = _lymphoid(result(*regions))
    assert row == {"region": "Spleen", "organ": "spleen", "volume_ml": 100.0, "mean_gy": 3.0, "d2_gy": 6.0}


@pytest.mark.parametrize(("share", "gy"), [(None, None), ("0.5%", 0.005 * 2.0 * 50.0 / (5.0 * 1.06))])
def test_free_activity_is_told_where_it_is_typed(share, gy):
    """2 GBq of 50 J/GBq in 5 L of 1.06 kg/L."""
    evaluation = SimpleNamespace(energy_per_activity_j_per_gbq=50.0, net_activity_bq=2e9)
    blood = SimpleNamespace(body=SimpleNamespace(total_volume_l=5.0))
    found = _free_dose(chosen(free_activity=share), evaluation, blood)
    assert found == (gy if gy is None else pytest.approx(gy))


@pytest.mark.parametrize("given", [{}, {"date": date(2026, 3, 2), "day": 0.0}])
def test_a_count_has_one_moment(given):
    with pytest.raises(ValueError, match="a count needs its date or its day, one of them"):
        CountSettings(giga_per_l=1.2, **given)


@pytest.mark.parametrize("given", [{"date": date(2026, 3, 2)}, {"day": 0.0}])
def test_a_count_may_state_its_date_or_its_day(given):
    assert CountSettings(giga_per_l=1.2, **given).model_dump(exclude_none=True) == {
        "giga_per_l": 1.2,
        **given,
    }
