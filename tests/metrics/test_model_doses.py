"""BED, EQD2 and EUD of regions against worked vectors: section 10 of the clinical sheet, the table of accumulated doses."""

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.metrics.model_doses import model_doses
from y90voxel.metrics.radiobiology import RadiobiologyParameters

HOUR = 3600.0
LIVER = RadiobiologyParameters(2.5, 2.5 * HOUR, source="worked vectors")
TUMOUR = RadiobiologyParameters(10.0, 1.5 * HOUR, 0.01)
# Absorbed dose, then BED and EQD2 with the parameters of liver and of tumour, all in Gy; half-life 64.05 h, two decimals.
ACCUMULATED = (
    (30.0, 43.52, None, None, None),
    (40.0, 64.04, 35.58, 43.66, 36.38),
    (50.0, 87.57, 48.65, 55.72, 46.43),
    (70.0, 143.63, 79.79, 81.21, 67.68),
    (120.0, 336.38, 186.88, 152.95, 127.46),
    (205.0, 836.48, 464.71, 301.17, 250.97),
)


@pytest.mark.parametrize(("dose", "liver_bed", "liver_eqd2", "tumour_bed", "tumour_eqd2"), ACCUMULATED)
def test_uniform_regions_have_the_values_of_the_table(dose, liver_bed, liver_eqd2, tumour_bed, tumour_eqd2):
    liver = model_doses([dose, dose], [1.0, 3.0], LIVER, 64.05 * HOUR)
    tumour = model_doses([dose], [2.0], TUMOUR, 64.05 * HOUR)
    found = (liver.bed_mean_gy, liver.eqd2_mean_gy, tumour.bed_mean_gy, tumour.eqd2_mean_gy)
    for value, expected in zip(found, (liver_bed, liver_eqd2, tumour_bed, tumour_eqd2), strict=True):
        if expected is not None:
            assert value == pytest.approx(expected, abs=0.0051)  # half of the last decimal that is printed
    assert tumour.eud_gy == pytest.approx(dose, rel=1e-9)  # the same dose everywhere is its own EUD
    assert liver.eud_gy is None


def test_the_vector_of_a_dose_that_varies():
    """V8: doses 50, 100, 200 and 400 Gy; the mean BED is that of the voxels, not of the mean dose."""
    doses, volumes = [50.0, 100.0, 200.0, 400.0], [0.1, 0.3, 0.4, 0.2]
    found = model_doses(doses, volumes, TUMOUR, 64.1 * HOUR)
    assert found.eud_gy == pytest.approx(136.5, rel=1e-3)
    g = 1.5 / (1.5 + 64.1)
    mean_of_squares = np.average(np.square(doses), weights=volumes)
    assert found.bed_mean_gy == pytest.approx(195.0 + g * mean_of_squares / 10.0, rel=1e-12)
    assert found.bed_mean_gy > 1.05 * (195.0 + g * 195.0**2 / 10.0)
    assert found.eqd2_mean_gy == pytest.approx(found.bed_mean_gy / 1.2, rel=1e-12)


def test_holmium_decays_faster_and_counts_for_more():
    """60 Gy in the liver: BED 182.9 Gy of Ho-166 (26.8 h), 114.1 Gy of Y-90 (64.1 h)."""
    assert model_doses([60.0], [1.0], LIVER, 26.8 * HOUR).bed_mean_gy == pytest.approx(182.9, rel=1e-3)
    assert model_doses([60.0], [1.0], LIVER, 64.1 * HOUR).bed_mean_gy == pytest.approx(114.1, rel=1e-3)


def test_a_half_life_of_nothing_is_refused():
    with pytest.raises(InputError, match="effective half-life"):
        model_doses([60.0], [1.0], LIVER, 0.0)
