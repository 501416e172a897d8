"""Compiled vector loops against the plain forms beside them, and the scan and dilation against numpy."""

import os
import subprocess
import sys

import naive
import numpy as np
import pytest
from numba import njit

from y90voxel.dose.convolution import _vector_loops as loops
from y90voxel.dose.convolution._spectrum_loops import multiply_spectrum
from y90voxel.dose.convolution.convolve import convolve
from y90voxel.dose.convolution.support import keep_reachable
from y90voxel.dose.extent import scan_extent

BLOCK, LANES, VECTOR = loops.BLOCK, loops.LANES, loops.VECTOR


def plain(function):
    """The function as Python runs it, also when compilation is switched off."""
    return getattr(function, "py_func", function)


@njit
def compiled_sums(start, out, source, filters, taps):
    loops.sum_filters(start, 0, 0, out, 2, 40, source, 16, filters, 0, 2, taps)
    loops.sum_filters(start, 3, 20, out, 400, 30, source, 0, filters, 1, 3, taps)


def test_filters_are_summed_as_in_the_plain_form():
    rng = np.random.default_rng(6)
    source, taps = rng.random(2000, np.float32), rng.random(40, np.float32)
    start = rng.random(300, np.float32)
    filters = np.array([700, 20, 5, 3, 0, 400, 0, 9, 1100, 1200, loops.MAX_REACH, 11])
    found, expected = np.full((2, 800), 0.5, np.float32)
    compiled_sums(start, found, source, filters, taps)
    plain(compiled_sums)(start, expected, source, filters, taps)
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    # One value from the definition: the first two filters, b = 1, lane 4.
    direct = np.float64(start[4])
    for up, down, reach, tap in filters[:8].reshape(2, 4):
        for d in range(-reach, reach + 1):
            at = 16 + (1 + reach + d) * LANES + 4
            direct += taps[tap + abs(d)] * np.float64(source[up + at] + source[down + at])
    assert found[2 + 40 + 4] == pytest.approx(direct, rel=1e-5)


@njit
def compiled_pairs(source, pairs):
    loops.pair_in_rows(source, 4, 10, 30, 9, pairs, 6)


def test_rows_are_paired_as_in_the_plain_form():
    source = np.random.default_rng(1).random(900, np.float32)
    found, expected = np.zeros(200, np.float32), np.zeros(200, np.float32)
    compiled_pairs(source, found)
    plain(compiled_pairs)(source, expected)
    np.testing.assert_array_equal(found, expected)
    assert expected[6] == source[4] + source[10]


@njit
def compiled_copy(source, row, bits):
    loops.copy_row(source, -3, 3, 37, row, 5, bits, 2, 3)  # begins at source[0]
    loops.copy_row(source, 80, -4, 20, row, 60, bits, 6, 2)  # ends with the source
    loops.copy_row(source, 500, 40, 30, row, 100, bits, 9, 1)  # nothing of it exists


def test_rows_are_copied_and_marked_as_in_the_plain_form():
    rng = np.random.default_rng(9)
    source = (rng.standard_normal(100) * (rng.random(100) > 0.4)).astype(np.float32)
    source[[1, 4]] = np.nan, -0.0

    def run(function):
        row, bits = np.ones(200, np.float32), np.ones(20, np.uint16)
        function(source, row, bits)
        return row, bits

    for found, expected in zip(run(compiled_copy), run(plain(compiled_copy)), strict=True):
        np.testing.assert_array_equal(found, expected)
    row, bits = run(compiled_copy)
    np.testing.assert_array_equal(row[8:42], source[:34])
    assert not np.concatenate([row[5:8], row[42:53], row[80:92], row[100:116]]).any()
    assert [bits[2] >> i & 1 for i in range(16)] == [i >= 3 and source[i - 3] != 0 for i in range(16)]
    assert bits[9:11].tolist() == [0, 1]
    assert row[[4, 53]].tolist() == [1, 1]  # what lies beside is kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_extent_is_the_bounding_box(dtype, order):
    rng = np.random.default_rng(4)
    for _ in range(20):
        array = np.zeros((7, 8, 9))
        for _ in range(rng.integers(1, 4)):
            array[tuple(rng.integers(0, n) for n in array.shape)] = rng.integers(-3, 9)
        array = np.array(array, dtype, order=order)
        found = scan_extent(array)
        assert found.active == np.count_nonzero(array)
        assert found.non_negative == (array.min() >= 0)
        if found.active:
            assert (found.start, found.stop) == naive.bounding_box(array)
            assert np.count_nonzero(array[found.box]) == found.active
            assert found.shape == array[found.box].shape


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_an_array_without_voxels_has_no_extent(dtype):
    assert scan_extent(np.zeros((0, 5, 5), dtype)).active == 0
    assert convolve(np.zeros((0, 5, 5), dtype), np.ones((3, 3, 3))).shape == (0, 5, 5)


def test_extent_of_two_voxels_far_apart_in_a_large_array():
    array = np.zeros((40, 500, 500), np.float32)
    array[3, 100, 7] = array[35, 20, 490] = 1.0
    found = scan_extent(array)
    assert (found.start, found.stop, found.active) == ((3, 20, 7), (36, 101, 491), 2)


@pytest.mark.parametrize("margin", [(1, 2, 3), (0, 1, 2)])
def test_what_an_irregular_kernel_does_not_reach_is_zeroed(margin):
    rng = np.random.default_rng(5)
    kernel = rng.random((3, 5, 7)) * (rng.random((3, 5, 7)) > 0.7)
    source = rng.random((6, 9, 130)) * (rng.random((6, 9, 130)) > 0.97)
    shape = [n + 2 * m for n, m in zip(source.shape, margin, strict=True)]
    padded = np.pad(source, [(m, m) for m in margin])
    box = rng.normal(size=shape).astype(np.float32)
    expected = np.where(naive.reachable(padded, kernel), np.maximum(box, 0), 0)
    keep_reachable(box, source, kernel, margin, non_negative=True)
    np.testing.assert_array_equal(box, expected)


def test_extent_takes_negative_zero_as_nothing():
    array = np.full((3, 4, 40), -0.0, np.float32)
    assert scan_extent(array).active == 0
    array[1, 2, 33] = -2.0
    found = scan_extent(array)
    assert (found.start, found.stop, found.active, found.non_negative) == ((1, 2, 33), (2, 3, 34), 1, False)


@pytest.mark.parametrize("count", [6, 7])
def test_spectrum_is_multiplied_by_a_sum_that_is_even_along_slices(count):
    rng = np.random.default_rng(8)
    waves = np.cos(2 * np.pi / count * np.outer(np.arange(count), np.arange(3))).astype(np.float32)
    in_plane, spectrum = rng.random((3, 20), np.float32), rng.random((count, 20), np.float32)
    expected = spectrum * (waves @ in_plane)
    expected[:, :4], expected[:, 15:] = spectrum[:, :4], spectrum[:, 15:]
    multiply_spectrum(waves, in_plane, 4, 15, spectrum)
    np.testing.assert_allclose(spectrum, expected, rtol=2e-5, atol=1e-6)


PLAIN = """
import numpy as np
from scipy.signal import fftconvolve
from y90voxel.dose.convolution.convolve import convolve_cropped
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.reference.voxel_kernel import voxel_kernel
taps = voxel_kernel("Y-90", 4.8).s_values
kernel = PreparedKernel(taps)
kernel.stamp_ns = 1e9
activity = np.zeros((10, 9, 20), np.float32)
activity[2:6, 3:7, 4:9] = np.random.default_rng(0).random((4, 4, 5))
activity[9, 8, 19] = 1
expected = fftconvolve(activity.astype(float), taps, mode="same")
for method, algorithm in (("direct", "fold"), ("fft", "fft")):
    found = convolve_cropped(activity, kernel, method=method, threads=1)
    assert found.algorithm == algorithm
    assert np.abs(found.dose - expected).max() < 2e-6 * expected.max()
"""


def test_the_plain_forms_together_make_the_same_convolution():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", PLAIN], env=environment, check=True, timeout=300)
