"""The dose to a patient's blood from doses alone: the vectors once more, and what is refused."""

import pytest

from y90voxel.errors import InputError
from y90voxel.immune.blood_summary import BloodAssumptions, LiverPart, summarise_blood
from y90voxel.immune.immune_relevant_dose import lymphoid_organ_of_name
from y90voxel.immune.lymphocyte_forecast import LymphocyteForecast, MeasuredCount
from y90voxel.immune.organ_blood import compartments_of
from y90voxel.immune.residence_times import residence_law
from y90voxel.regions.roles import Role

Y90_S = 64.05 * 3600.0


@pytest.mark.parametrize(("mass_kg", "mean"), [(1.8, 14.351), (4.5, 7.504)])
def test_the_third_patient_by_mass(mass_kg, mean):
    found = summarise_blood(LiverPart(1000.0, [205.4 / mass_kg]), None, {"lung": 28.0}, 1800.0, Y90_S)
    assert found.mean_gy == pytest.approx(mean, rel=1e-3)


def test_a_woman_has_her_own_times_and_vessels():
    parts = LiverPart(1000.0, [20.0]), LiverPart(100.0, [100.0])
    man, woman = (
        summarise_blood(*parts, {}, 1400.0, Y90_S, BloodAssumptions(sex=sex)) for sex in ("male", "female")
    )
    assert woman.mean_gy == pytest.approx(man.mean_gy, rel=3e-4)  # her table sums to 99.98 %
    assert woman.sd_gy < man.sd_gy
    assert woman.low_gy == pytest.approx(woman.mean_gy / 1.14)
    assert man.as_dict()["cardiac_output_l_per_min"] == pytest.approx(6.5)


def test_a_perfused_tumour_changes_the_spread_and_its_blood_the_mean():
    parts = LiverPart(1000.0, [20.0]), LiverPart(100.0, [100.0])
    plain = summarise_blood(*parts, {}, 1800.0, Y90_S)
    fast = summarise_blood(*parts, {}, 1800.0, Y90_S, BloodAssumptions(tumour_relative_perfusion=3.0))
    rich = summarise_blood(*parts, {}, 1800.0, Y90_S, BloodAssumptions(tumour_relative_blood=2.0))
    assert fast.mean_gy == pytest.approx(plain.mean_gy)
    assert fast.sd_gy != pytest.approx(plain.sd_gy, rel=1e-3)
    assert rich.mean_gy - plain.mean_gy == pytest.approx(0.1 / 11 * (100 - 20))
    weibull = summarise_blood(*parts, {}, 1800.0, Y90_S, BloodAssumptions(residence="weibull-2"))
    assert weibull.sd_gy < plain.sd_gy


@pytest.mark.parametrize(
    ("name", "role", "first"),
    [
        ("Spleen", Role.OTHER, "spleen"),
        ("MILZ", Role.OTHER, "spleen"),
        ("Pancreas", Role.OTHER, "pancreas"),
        ("Magen", Role.STOMACH, "stomach and oesophagus"),
        ("Heart", Role.HEART, "right heart"),
        ("Colon", Role.BOWEL, "small intestine"),
        ("Spleen", Role.TUMOUR, None),
        ("Aorta", Role.OTHER, None),
    ],
)
def test_organs_find_their_blood(name, role, first):
    found = compartments_of(name, role)
    assert (found[0] if found else None) == first


@pytest.mark.parametrize(
    ("name", "organ"),
    [
        ("Thoracic_Duct", "thoracic duct"),
        ("Lymph Nodes", "lymph nodes"),
        ("LN 12", "lymph nodes"),
        ("nodule", None),
    ],
)
def test_lymphoid_organs_are_known_by_their_names(name, organ):
    assert lymphoid_organ_of_name(name) == organ


def test_a_forecast_with_pools_of_two_rates():
    forecast = LymphocyteForecast(2.0, Y90_S, slow_share=0.5)
    for row in forecast.rows():
        assert row["two_pools"] == pytest.approx(0.5 * (row["fast"] + row["slow"]))
        assert row["low"] <= row["slow"] <= row["fast"] <= row["high"]
    assert forecast.followed == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LiverPart(0.0, [1.0]), "volume of a part of the liver must be positive"),
        (lambda: LiverPart(1.0, []), "needs a dose"),
        (lambda: summarise_blood(LiverPart(1.0, [1.0]), None, {}, 0.0, Y90_S), "mass of liver and tumour"),
        (
            lambda: summarise_blood(LiverPart(1.0, [1.0]), None, {"tail": 1.0}, 1.0, Y90_S),
            "no compartment 'tail'",
        ),
        (lambda: MeasuredCount(1.0, 0.0), "lymphocyte count must be positive"),
        (lambda: residence_law("gamma"), "exponential, weibull-2, got 'gamma'"),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
