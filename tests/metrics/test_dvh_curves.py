"""Curves are the histograms, read where figures and the interactive page need them."""

import numpy as np
import pytest

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT, DvhBand
from y90voxel.metrics.dvh_curves import drawn_curves, whole_curves
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask


def histogram(doses):
    grid = Grid.from_spacing((1, 1, len(doses)), (1.0, 1.0, 1.0))
    array = np.asarray(doses, float).reshape(grid.shape)
    return DoseVolumeHistogram.from_dose(DoseMap(array, grid), Mask(np.ones(grid.shape), grid))


HISTOGRAMS = {"a": histogram(range(1000)), "b": histogram([10.0, 20.0])}
STEPS = np.linspace(30.0, 5.0, len(VOLUMES_PERCENT))
BANDS = {
    "b": DvhBand(STEPS, 0.5 * STEPS, 50 * STEPS, 10.0, 20.0),
    "not shown": DvhBand(*[1e9 * STEPS] * 3, 1, 2),
}


def test_figures_end_where_nearly_nothing_is_left():
    curves = drawn_curves(HISTOGRAMS)
    assert curves.doses_gy[[0, -1]] == pytest.approx([0.0, 1.04 * 995.0])
    assert curves.drawn_gy == curves.doses_gy[-1]
    for name, curve in curves.by_name.items():
        np.testing.assert_array_equal(
            curve.volumes_percent, 100 * HISTOGRAMS[name].cumulative(curves.doses_gy)
        )
        assert curve.limits_percent is None
        assert curve.d70_gy == HISTOGRAMS[name].dose_at_volume(70)


def test_bands_of_the_regions_shown_reach_into_view():
    curves = whole_curves(HISTOGRAMS, BANDS, 300)
    assert len(curves.doses_gy) == 300
    assert curves.doses_gy[-1] == 1500.0
    assert curves.drawn_gy == pytest.approx(1.04 * 1500.0)
    assert curves.by_name["a"].limits_percent is None
    np.testing.assert_array_equal(
        curves.by_name["b"].limits_percent, BANDS["b"].volumes_at(curves.doses_gy)[1:]
    )


def test_where_halves_take_noise_out_the_curve_is_without_it_and_the_found_one_beside_it():
    curves = drawn_curves(HISTOGRAMS, shrink={"b": 0.5})
    b = curves.by_name["b"]
    np.testing.assert_array_equal(b.found_percent, drawn_curves(HISTOGRAMS).by_name["b"].volumes_percent)
    # doses of 10 and 20 Gy are 12.5 and 17.5 Gy at half the distance from their mean
    np.testing.assert_array_equal(
        b.volumes_percent, 100 * histogram([12.5, 17.5]).cumulative(curves.doses_gy)
    )
    assert b.d70_gy == pytest.approx(12.5)
    assert curves.by_name["a"].found_percent is None
    assert curves.corrected
    assert not drawn_curves(HISTOGRAMS).corrected


def test_an_axis_of_doses_is_never_empty():
    assert drawn_curves({}).drawn_gy == pytest.approx(1.04)
    assert whole_curves({"a": histogram([0.0, 0.0])}, {}, 3).doses_gy.tolist() == [0.0, 0.5, 1.0]
    # a dose to less than half a percent of the only region is all there is to see
    assert drawn_curves({"a": histogram([0.0] * 999 + [80.0])}).drawn_gy == pytest.approx(1.04 * 80.0)
