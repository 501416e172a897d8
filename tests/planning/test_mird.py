import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.planning import concentration_dose, dose_constant, ho166_activity, mird_activity, mird_dose
from y90voxel.reference.nuclide import nuclide

K = {"dose_constant_gy_kg_per_gbq": 49.67}
doses, masses = st.floats(0.1, 1000), st.floats(0.01, 5)
fractions = st.floats(0, 0.9)


@given(doses, masses, fractions, fractions)
def test_dose_of_the_activity_for_a_dose_is_that_dose(dose, mass, shunt, residual):
    activity = mird_activity(dose, mass, shunt, residual, **K)
    assert mird_dose(activity, mass, shunt, residual, **K) == pytest.approx(dose, rel=1e-12)


@given(doses, masses)
def test_without_shunt_and_residual_it_is_dose_times_mass_over_the_constant(dose, mass):
    assert mird_activity(dose, mass, **K) == pytest.approx(dose * mass / 49.67, rel=1e-12)


@given(st.floats(0, 20), st.floats(0, 10), masses, fractions)
def test_dose_is_linear_in_activity(activity, factor, mass, shunt):
    once = mird_dose(activity, mass, shunt, **K)
    assert mird_dose(factor * activity, mass, shunt, **K) == pytest.approx(
        factor * once, rel=1e-12, abs=1e-12
    )


def test_shunt_and_residual_raise_the_activity():
    """A formula in circulation multiplies by 1 - L; it must divide."""
    assert mird_activity(120, 1.0, 0.20, **K) == pytest.approx(mird_activity(120, 1.0, **K) / 0.8)
    assert mird_activity(120, 1.0, 0.0, 0.5, **K) == pytest.approx(mird_activity(120, 1.0, **K) * 2)


def test_the_dose_constant_of_the_nuclide_record_is_the_formula():
    record = nuclide("Y-90")
    found = dose_constant(record.mean_electron_energy_mev, record.half_life_s)
    assert found == pytest.approx(record.dose_constant_gy_kg_per_gbq, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((120, 0.0), "mass must be positive, got 0 kg"),
        ((120, -1.0), "mass must be positive"),
        ((120, float("nan")), "mass must be positive, got nan"),
        ((-1, 1.0), "dose must not be negative"),
        ((120, 1.0, 1.0), "shunt fraction must lie between 0 and 1, below 1"),
        ((120, 1.0, -0.1), "shunt fraction"),
        ((120, 1.0, 6.0), "Give 0.06 for 6 %"),
        ((120, 1.0, 0.1, 1.5), "residual fraction"),
    ],
)
def test_bad_inputs_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        mird_activity(*arguments, **K)


def test_bad_inputs_of_the_dose_are_refused():
    with pytest.raises(InputError, match="activity must not be negative"):
        mird_dose(-1.0, 1.0, **K)
    with pytest.raises(InputError, match="dose constant"):
        mird_dose(1.0, 1.0, dose_constant_gy_kg_per_gbq=0.0)
    with pytest.raises(InputError, match="mass must be positive"):
        ho166_activity(0.0, dose_constant_gy_kg_per_gbq=15.87)


@pytest.mark.parametrize("arguments", [(-1.0, 1.03, 49.67), (1.0, 0.0, 49.67), (1.0, 1.03, -1.0)])
def test_bad_concentrations_are_refused(arguments):
    with pytest.raises(InputError):
        concentration_dose(*arguments[:2], dose_constant_gy_kg_per_gbq=arguments[2])


@pytest.mark.parametrize("arguments", [(0.0, 1.0), (1.0, 0.0)])
def test_a_dose_constant_needs_energy_and_time(arguments):
    with pytest.raises(InputError):
        dose_constant(*arguments)
