from dataclasses import replace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.quantification.decay import integrate_over_time
from y90voxel.quantification.quantify import quantify
from y90voxel.quantification.scaling import scaled, sum_within


def in_precision(case, dtype):
    emission = case.injections[0].emission
    volume = emission.volume.with_array(emission.volume.array.astype(dtype))
    injection = replace(case.injections[0], emission=replace(emission, volume=volume))
    return replace(case, injections=(injection,))


def test_each_product_is_rounded_once():
    values = np.random.default_rng(3).uniform(0.0, 1e5, (4, 5, 6)).astype(np.float32)
    found = scaled(values, 1.0 / 3.0)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (values.astype(np.float64) * (1.0 / 3.0)).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.float64])
def test_other_types_are_scaled_in_double_precision(dtype):
    assert scaled(np.ones(3, dtype), 0.1).dtype == np.float64


def test_a_sum_is_formed_in_double_precision():
    values = np.full((3, 64, 64), 16777217.0 / 16777216.0, np.float32)
    occupancy = np.zeros((3, 64, 64), np.float32)
    occupancy[1:] = 0.1
    expected = float((values.astype(np.float64) * occupancy.astype(np.float64)).sum())
    assert sum_within(values, occupancy) == pytest.approx(expected, rel=1e-14)


def test_a_map_keeps_the_precision_of_its_image():
    case = in_precision(liver_case(), np.float32)
    activity = quantify(case).activity
    assert activity.array.dtype == np.float32
    assert integrate_over_time(activity, 230_760.0).array.dtype == np.float32


def test_single_precision_is_close_to_double():
    case = in_precision(liver_case(), np.float32)
    single, double = quantify(case), quantify(case, double=True)
    assert double.activity.array.dtype == np.float64
    greatest = double.activity.array.max()
    assert np.abs(single.activity.array - double.activity.array).max() < 1e-7 * greatest
    assert single.map_activity_bq == pytest.approx(double.map_activity_bq, rel=1e-7)
    assert single.net_activity_bq == double.net_activity_bq
