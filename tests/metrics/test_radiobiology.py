import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.metrics.radiobiology import (
    RadiobiologyParameters,
    bed,
    dose_from_bed,
    eqd2,
    eubed,
    eud,
    geud,
    lea_catcheside,
)

HOUR = 3600.0
T_Y90 = 64.1 * HOUR
LIVER = (2.5, 2.5 * HOUR, T_Y90)
TUMOUR = (10.0, 1.5 * HOUR, T_Y90)


@pytest.mark.parametrize(
    ("dose", "parameters", "bed_gy", "eqd2_gy"),
    [(75, LIVER, 159.5, 88.59), (205, TUMOUR, 301.1, 250.9), (120, LIVER, 336.2, 186.8)],
)
def test_published_vectors_of_bed(dose, parameters, bed_gy, eqd2_gy):
    """Worked vectors V7 and section 6.1 of the clinical sheet, tolerance 1e-3."""
    assert float(bed(dose, *parameters)) == pytest.approx(bed_gy, rel=1e-3)
    assert float(eqd2(bed(dose, *parameters), parameters[0])) == pytest.approx(eqd2_gy, rel=1e-3)


def test_published_vector_of_uniform_doses():
    """Worked vector V8, tolerance 1e-3."""
    doses, volumes = [50, 100, 200, 400], [0.1, 0.3, 0.4, 0.2]
    assert np.average(doses, weights=volumes) == pytest.approx(195.0)
    assert geud(doses, volumes, -10) == pytest.approx(62.93, rel=1e-3)
    uniform = eud(doses, volumes, 0.01, *TUMOUR)
    assert uniform == pytest.approx(136.5, rel=1e-3)
    assert float(bed(uniform, *TUMOUR)) == pytest.approx(179.1, rel=1e-3)


def test_protraction_factor_by_the_lea_catcheside_integral():
    """G = 2/D² ∫ R(t) ∫ R(s) exp(-μ(t-s)) ds dt with R = λD exp(-λt), by quadrature."""
    repair, effective = np.log(2) / (2.0 * HOUR), np.log(2) / (10.0 * HOUR)
    t = np.linspace(0, 400 * HOUR, 400_001)
    rate = effective * np.exp(-effective * t)
    inner = effective * (np.exp(-effective * t) - np.exp(-repair * t)) / (repair - effective)
    integral = 2 * np.trapezoid(rate * inner, t)
    assert lea_catcheside(2.0 * HOUR, 10.0 * HOUR) == pytest.approx(integral, rel=1e-5)


doses_and_weights = st.lists(st.tuples(st.floats(0.1, 600), st.floats(0.01, 1)), min_size=1, max_size=30)


@given(doses_and_weights)
def test_uniform_doses_lie_between_minimum_and_mean(voxels):
    doses, weights = map(np.array, zip(*voxels, strict=True))
    mean = np.average(doses, weights=weights)
    assert geud(doses, weights, 1.0) == pytest.approx(mean, rel=1e-9)
    assert doses.min() * (1 - 1e-9) <= eud(doses, weights, 0.05, *TUMOUR) <= mean * (1 + 1e-9)
    assert geud(doses, weights, -200) >= doses.min() * (1 - 1e-9)


@given(st.floats(0, 1000))
def test_bed_turns_back_and_becomes_the_dose(dose):
    assert float(dose_from_bed(bed(dose, *LIVER), *LIVER)) == pytest.approx(dose, rel=1e-9, abs=1e-9)
    assert float(bed(dose, 1e12, *LIVER[1:])) == pytest.approx(dose, rel=1e-9)


def test_very_large_doses_do_not_under_or_overflow():
    assert np.isfinite(eud([1e4, 2e4], [1, 1], 1.0, *TUMOUR))
    assert geud([0.0, 100.0], [0.5, 0.5], -10) == 0.0


@pytest.mark.parametrize("exponent", [0.0, float("nan"), float("inf")])
def test_a_geud_exponent_must_exist(exponent):
    with pytest.raises(InputError, match="exponent"):
        geud([1], [1], exponent)


@pytest.mark.parametrize("values", [(0, 1, None), (1, -1, None), (1, 1, 0), (float("nan"), 1, None)])
def test_parameters_must_be_positive(values):
    with pytest.raises(InputError, match="must be positive"):
        RadiobiologyParameters(*values)


@pytest.mark.parametrize("repair_h", [0.5, 2.0, 9.9, 10.0, 10.001, 40.0])
@pytest.mark.parametrize("duration_h", [0.1, 3.0, 20.0, 200.0])
def test_protraction_over_a_finite_time_by_quadrature(repair_h, duration_h):
    """The double integral of R(t) R(s) exp(-μ (t - s)) with R = exp(-λt), 10 h half-life, inner one closed."""
    repair, decay = np.log(2) / repair_h, np.log(2) / 10.0
    t = np.linspace(0, duration_h, 200_001)
    rate = np.exp(-decay * t)
    gap = repair - decay
    inner = t * rate if gap == 0 else -np.exp(-repair * t) * -np.expm1(gap * t) / gap
    dose = -np.expm1(-decay * duration_h) / decay
    expected = 2 * np.trapezoid(rate * inner, t) / dose**2
    assert lea_catcheside(repair_h * HOUR, 10.0 * HOUR, duration_h * HOUR) == pytest.approx(
        expected, rel=1e-6
    )


def test_protraction_of_a_flash_is_one_and_of_a_long_time_is_the_limit():
    assert lea_catcheside(2.5 * HOUR, T_Y90, 1e-3) == pytest.approx(1.0, rel=1e-6)
    assert lea_catcheside(2.5 * HOUR, T_Y90, 100 * T_Y90) == pytest.approx(lea_catcheside(2.5 * HOUR, T_Y90))
    assert float(bed(2.0, 10.0, 2.5 * HOUR, T_Y90, duration_s=1e-3)) == pytest.approx(2.4)


@given(doses_and_weights)
def test_uniform_doses_fall_in_order(voxels):
    """Survival averaging never exceeds the mean BED, and a mean dose has less BED than its voxels."""
    doses, weights = map(np.array, zip(*voxels, strict=True))
    mean_bed = np.average(bed(doses, *TUMOUR), weights=weights)
    assert eubed(doses, weights, 0.05, *TUMOUR) <= mean_bed * (1 + 1e-9)
    assert float(bed(np.average(doses, weights=weights), *TUMOUR)) <= mean_bed * (1 + 1e-9)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: bed(1.0, 0.0, HOUR, HOUR),
        lambda: bed(1.0, 10.0, -HOUR, HOUR),
        lambda: bed(1.0, 10.0, HOUR, 0.0),
        lambda: lea_catcheside(HOUR, HOUR, 0.0),
        lambda: dose_from_bed(1.0, 0.0, HOUR, HOUR),
        lambda: eqd2(1.0, -1.0),
        lambda: eubed([1.0], [1.0], 0.0, 10.0, HOUR, HOUR),
    ],
)
def test_bad_parameters_of_the_functions_are_refused(compute):
    with pytest.raises(InputError, match="must be positive"):
        compute()


def test_no_dose_anywhere_has_a_geud_of_zero():
    assert geud([0.0, 0.0], [1.0, 2.0], 3.0) == 0.0
