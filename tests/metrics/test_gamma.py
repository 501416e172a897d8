import numpy as np
import pytest
from metrics.naive_gamma import gamma_at
from scipy.ndimage import gaussian_filter

from y90voxel.errors import InputError
from y90voxel.metrics.gamma import GammaNormalisation, gamma_index

GLOBAL, LOCAL = GammaNormalisation.GLOBAL, GammaNormalisation.LOCAL
SPACING = (5.0, 4.0, 3.0)
CRITERIA = {"dose_fraction": 0.10, "distance_mm": 5.0, "normalisation": GLOBAL, "cutoff_fraction": 0.10}


def dose_maps(shape=(5, 7, 9), seed=3):
    """Two smooth maps that differ by noise, a shift and a scale."""
    rng = np.random.default_rng(seed)
    reference = 300 * gaussian_filter(rng.random(shape), 1.2) ** 2
    evaluated = 1.05 * np.roll(reference, 1, axis=2) + 5 * gaussian_filter(rng.random(shape), 1)
    return reference, evaluated


@pytest.mark.parametrize("normalisation", [GLOBAL, LOCAL])
def test_gamma_equals_the_plain_search(normalisation):
    reference, evaluated = dose_maps()
    found = gamma_index(reference, evaluated, SPACING, **CRITERIA | {"normalisation": normalisation})
    assert found.compared == np.isfinite(found.gamma).sum()
    compared = np.argwhere(np.isfinite(found.gamma))
    for voxel in map(tuple, compared[:: max(1, len(compared) // 40)]):
        base = reference[voxel] if normalisation is LOCAL else reference.max()
        expected = gamma_at(voxel, reference, evaluated, SPACING, 0.1 * base, 5.0, (10, 8, 6), 2.0)
        assert found.gamma[voxel] == pytest.approx(expected, abs=1e-9)


@pytest.mark.filterwarnings("ignore:Parameter `quiet`:DeprecationWarning")
@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    ("steps", "greatest", "mean", "passing"),
    [(10, 0.25, 0.015, 0.01), pytest.param(30, 0.06, 0.003, 0.005, marks=pytest.mark.slow)],
)
def test_gamma_agrees_with_pymedphys(local, steps, greatest, mean, passing):
    """pymedphys searches shells of sampled points, this search a lattice; both come from above.

    The map falls by up to 7.3 Gy/mm and the global criterion is 12 Gy: a step of 0.5 mm (10 per 5 mm) is worth up to
    0.3 in gamma, one of 0.17 mm 0.1. Against this search with 60 steps, pymedphys was measured to be too high by up to
    0.14 (global) and 0.20 (local) with 10 steps, and by 0.04 and 0.05 with 30.
    """
    pymedphys = pytest.importorskip("pymedphys")
    reference, evaluated = dose_maps((9, 11, 13), seed=11)
    axes = tuple(np.arange(n) * s for n, s in zip(reference.shape, SPACING, strict=True))
    theirs = pymedphys.gamma(
        axes, reference, axes, evaluated, dose_percent_threshold=10, distance_mm_threshold=5,
        lower_percent_dose_cutoff=10, interp_fraction=steps, max_gamma=2, local_gamma=local, quiet=True,
    )  # fmt: skip
    criteria = CRITERIA | {"normalisation": LOCAL if local else GLOBAL}
    ours = gamma_index(reference, evaluated, SPACING, **criteria, steps_per_distance=steps)
    assert np.array_equal(np.isfinite(ours.gamma), np.isfinite(theirs))
    inside = np.isfinite(theirs)
    difference = np.abs(ours.gamma - theirs)[inside]
    assert difference.max() < greatest
    assert difference.mean() < mean
    assert ours.pass_fraction == pytest.approx((theirs[inside] <= 1).mean(), abs=passing)
    assert ours.pass_fraction < 0.999  # the maps differ enough for the comparison to mean something


def test_a_finer_search_never_finds_a_larger_gamma():
    reference, evaluated = dose_maps()
    coarse, fine = (
        gamma_index(reference, evaluated, SPACING, **CRITERIA, steps_per_distance=n).gamma for n in (5, 30)
    )
    assert np.nanmax(fine - coarse) <= 1e-12
    assert np.nanmean(coarse - fine) > 0


def test_equal_maps_have_gamma_zero():
    reference, _ = dose_maps()
    found = gamma_index(reference, reference, SPACING, **CRITERIA)
    assert np.nanmax(found.gamma) == 0.0
    assert found.pass_fraction == 1.0


def test_a_dose_difference_in_a_flat_field_is_gamma_in_doses():
    flat = np.full((5, 5, 5), 100.0)
    found = gamma_index(flat, flat + 15.0, SPACING, **CRITERIA)
    assert found.gamma == pytest.approx(np.full(flat.shape, 1.5))
    assert found.pass_fraction == 0.0
    assert gamma_index(flat, flat + 95, SPACING, **CRITERIA).gamma.max() == 2.0


def test_a_shift_of_a_steep_edge_is_gamma_in_distance():
    """A step moved by one 3 mm voxel, with doses no tolerance bridges: gamma is about 3/5 at the moved voxels."""
    reference = np.zeros((3, 3, 20))
    reference[:, :, 8:] = 100.0
    moved = np.roll(reference, 1, axis=2)
    moved[:, :, :8] = 0.0
    moved[:, :, 8] = 0.0
    found = gamma_index(reference, moved, SPACING, **CRITERIA | {"dose_fraction": 1e-3})
    assert found.gamma[1, 1, 8] == pytest.approx(0.6, abs=1e-9)


def test_the_last_plane_of_the_image_is_compared():
    flat = np.full((2, 2, 2), 100.0)
    assert gamma_index(flat, flat, SPACING, **CRITERIA).compared == 8


def test_cutoff_and_mask_choose_the_voxels():
    reference = np.arange(24, dtype=float).reshape(2, 3, 4)
    assert gamma_index(reference, reference, SPACING, **CRITERIA).compared == np.sum(reference >= 2.3)
    mask = np.zeros(reference.shape)
    mask[1, 2, 2:] = 0.5
    mask[0, 0, 0] = 1.0
    assert gamma_index(reference, reference, SPACING, **CRITERIA, mask=mask).compared == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluated_gy": np.ones((2, 2, 3))}, "two maps on one grid"),
        ({"reference_gy": np.full((2, 2, 2), np.nan)}, "finite"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing"),
        ({"dose_fraction": 0.0}, "dose criterion"),
        ({"distance_mm": 0.0}, "distance criterion"),
        ({"greatest_gamma": 1.0}, "above 1"),
        ({"steps_per_distance": 0}, "steps per distance"),
        ({"cutoff_fraction": 10.0}, "cut-off"),
        ({"mask": np.ones((2, 2, 3))}, "mask has shape"),
        ({"mask": np.zeros((2, 2, 2))}, "no voxel"),
        ({"reference_gy": np.zeros((2, 2, 2))}, "no voxel"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, message):
    maps = {"reference_gy": np.ones((2, 2, 2)), "evaluated_gy": np.ones((2, 2, 2)), "spacing_mm": SPACING}
    with pytest.raises(InputError, match=message):
        gamma_index(**maps | CRITERIA | changes)
