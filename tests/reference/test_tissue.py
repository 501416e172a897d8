"""CT number to density, and materials."""

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.reference.tissue import DensityCalibration, tissue


@pytest.mark.parametrize(
    ("hu", "density"),
    # Schneider et al. 2000, Phys Med Biol 45:459: adipose 3 -98 HU 0.930; water-like soft tissue 1.018 + 0.893e-3 HU;
    # 1.003 + 1.169e-3 HU up to 100 HU; bone 1.017 + 0.592e-3 HU.
    [
        (-98, 0.930),
        (-40, 1.018 - 40 * 0.893e-3),
        (0, 1.018),
        (60, 1.003 + 60 * 1.169e-3),
        (800, 1.017 + 0.592e-3 * 800),
    ],
)
def test_default_calibration_follows_the_published_lines(hu, density):
    assert float(DensityCalibration().density(np.array(hu))) == pytest.approx(density, abs=1.5e-3)


def test_lung_is_near_one_plus_hu_over_1000():
    # Kao 2014: near-linear CT density of lung.
    hu = np.arange(-950.0, -500.0)
    assert np.abs(DensityCalibration().density(hu) - (1 + hu / 1000)).max() < 0.02


def test_densities_are_constant_beyond_the_ends_and_never_zero():
    found = DensityCalibration().density(np.array([-3024.0, -1000.0, 3000.0, 20000.0]))
    assert found.tolist() == pytest.approx([0.00121, 0.00121, 2.8, 2.8])


def test_a_volume_gives_the_same_as_its_voxels_in_float32():
    hu = np.arange(-1000, 1400, 100, dtype=np.int16).reshape(2, 3, 4)
    calibration = DensityCalibration((-1000.0, 0.0, 1000.0), (0.1, 1.0, 1.6), "ours")
    found = calibration.density(hu)
    assert found.dtype == np.float32
    assert found.ravel() == pytest.approx([float(calibration.density(np.array(v))) for v in hu.ravel()])
    assert found[1, 2, 3] == pytest.approx(1.6)
    assert found[0, 1, 1] == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("hu", "density", "message"),
    [
        ((0.0,), (1.0,), "at least two"),
        ((-1000.0, 0.0), (0.1, 1.0, 1.1), "2 CT numbers and 3 densities"),
        ((0.0, 0.0), (0.9, 1.0), "must rise"),
        ((0.0, np.nan), (0.9, 1.0), "must rise"),
        ((-1000.0, 0.0), (0.0, 1.0), "must be positive"),
        ((-1000.0, 0.0), (0.1, np.inf), "must be positive"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(hu, density, message):
    with pytest.raises(InputError, match=message):
        DensityCalibration(hu, density)


@pytest.mark.parametrize(
    "name", ["water", "soft tissue", "liver", "lung", "bone", "muscle", "blood", "adipose"]
)
def test_mass_fractions_add_up(name):
    assert sum(tissue(name).mass_fractions.values()) == pytest.approx(1.0, abs=2e-4)


def test_water_is_water():
    water = tissue("water")
    assert water.mass_fractions == pytest.approx({"H": 0.111894, "O": 0.888106})
    assert (water.density_g_per_ml, water.mean_excitation_energy_ev) == (1.0, 75.0)


def test_an_unknown_tissue_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="unknown tissue 'wood'; there are water, soft tissue, liver"):
        tissue("wood")


def test_stored_integers_give_the_same_densities_as_real_numbers():
    hu = np.arange(-32768, 32768, 7).astype(np.int16)
    calibration = DensityCalibration()
    assert np.array_equal(calibration.density(hu), calibration.density(hu.astype(float)))
