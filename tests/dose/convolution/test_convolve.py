"""Every algorithm of the convolution on the cases it is made for, its error bound, and how one is chosen."""

import itertools
import pickle

import naive
import numba
import numpy as np
import pytest
from scipy.signal import fftconvolve

from y90voxel.dose.convolution import convolve as module
from y90voxel.dose.convolution._vector_loops import MAX_REACH
from y90voxel.dose.convolution.convolve import convolve, convolve_cropped
from y90voxel.dose.convolution.fft_convolution import _fast_length
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.dose.convolution.tiled import _Scratch
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import TimeIntegratedActivityMap

SPACINGS = [
    (4.8, 4.8, 4.8),
    (2.4, 2.4, 2.4),
    (2.0, 2.0, 2.0),
    (1.5, 1.5, 1.5),
    (2.0, 3.1, 4.4),
    (5.0, 1.37, 1.37),
]


def s_values(spacing, nuclide="Y-90"):
    return voxel_kernel(nuclide, spacing).s_values


def mirrored(octant):
    for axis, n in enumerate(octant.shape):
        octant = np.take(octant, np.abs(np.arange(1 - n, n)), axis)
    return octant


def blob(shape, seed=0):
    """An ellipsoid with uptake noise and one stray voxel."""
    z, y, x = (np.linspace(-1, 1, n) for n in shape)
    inside = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 0.5
    activity = np.where(inside, np.random.default_rng(seed).uniform(0.5, 1.5, shape), 0.0)
    activity[0, -1, 1] = 2.0
    return activity


@pytest.mark.parametrize("half", [(0, 0, 0), (1, 4, 2), (6, 2, 9), (3, 14, 1), (2, 0, 17), (MAX_REACH, 1, 1)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (9, 33, 18), (34, 7, 50), (5, 26, 70)])
def test_direct_sum_matches_the_naive_twin_for_any_mirror_symmetric_shape(half, shape):
    rng = np.random.default_rng(sum(half))
    octant = rng.random([h + 1 for h in half]) * (rng.random([h + 1 for h in half]) > 0.3)
    octant[0, 0, 0] = 1.0
    kernel = mirrored(octant)
    activity = blob(shape) if min(shape) > 1 else np.ones(shape)
    found = convolve(activity, kernel, method="direct")
    expected = fftconvolve(activity, kernel, mode="full")
    expected = expected[tuple(slice(h, h + n) for h, n in zip(half, shape, strict=True))]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6 * expected.max())


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_shipped_kernels_stay_within_the_stated_error_and_leave_no_false_dose(spacing, method):
    kernel = s_values(spacing)
    activity = blob((21, 34, 45))
    found = convolve_cropped(activity, kernel, method=method)
    expected = naive.convolve(activity, kernel)
    assert np.abs(found.dose - expected).max() <= found.error * expected.max()
    assert found.error <= 1e-4
    assert found.dose.min() >= 0
    assert not found.dose[~naive.reachable(activity, kernel)].any()


@pytest.mark.parametrize("nuclide", ["Y-90", "Ho-166"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_what_is_trimmed_off_a_kernel_stays_within_its_bound(spacing, nuclide):
    kernel = PreparedKernel(s_values(spacing, nuclide))
    trimmed = kernel.trimmed
    assert 0 < trimmed.error <= 3e-5
    assert trimmed.octant is not None  # still symmetric
    margin = [(a - b, a - b) for a, b in zip(kernel.half, trimmed.half, strict=True)]
    kept = np.pad(trimmed.taps, margin)
    left_out = kernel.taps - kept
    np.testing.assert_array_equal(kept[kept > 0], kernel.taps[kept > 0])
    for activity in (blob((21, 34, 45)), np.ones((30, 30, 30))):
        deviation = fftconvolve(activity, left_out).max()
        assert deviation <= trimmed.error * fftconvolve(activity, kernel.taps).max()


def test_a_kernel_with_negative_taps_is_not_trimmed():
    octant = np.ones((3, 3, 3)) + 5.0 * (np.indices((3, 3, 3)).sum(axis=0) == 0)
    octant[2] = -1.0
    kernel, activity = mirrored(octant), blob((21, 34, 45))
    assert PreparedKernel(kernel).trimmed.taps.shape == kernel.shape
    expected = fftconvolve(activity, kernel, mode="same")
    np.testing.assert_allclose(
        convolve(activity, kernel), expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


def test_a_transform_of_a_full_image_is_known_to_be_larger_than_the_image():
    for spacing in (1.0, 1.2):  # tiles take 10 to 16 ms, the transform 27 to 35
        kernel = PreparedKernel(s_values((spacing,) * 3))
        assert convolve_cropped(np.ones((80, 80, 80), np.float32), kernel).algorithm != "fft"


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_the_stated_error_holds_for_a_rough_kernel(method):
    rng = np.random.default_rng(5)
    for shape in ((15, 15, 15), (9, 21, 27)):
        kernel, activity = rng.random(shape), rng.random((40, 50, 60))
        expected = fftconvolve(activity, kernel, mode="same")
        found = convolve_cropped(activity, kernel, method=method)
        assert found.algorithm in {"stamp", "fft"}
        assert np.abs(found.dose - expected).max() <= found.error * expected.max()
        assert found.error <= 1e-4


def test_taps_that_reach_nothing_do_not_spoil_a_transform():
    octant = np.full((2, 2, 4), 1e-9)
    octant[:, :, 2:] = 1.0
    activity = np.random.default_rng(3).random((25, 21, 2))
    for kernel in (mirrored(octant), mirrored(octant) * np.linspace(1, 2, 7)):
        expected = naive.convolve(activity, kernel)
        found = convolve_cropped(activity, kernel, method="fft")
        assert np.abs(found.dose - expected).max() <= found.error * expected.max()


def test_little_work_is_done_by_one_thread(monkeypatch):
    activity, kernel = blob((21, 34, 45)), s_values((4.8, 4.8, 4.8))
    expected = convolve(activity, kernel, threads=1)
    monkeypatch.setattr("y90voxel.dose.threads.ThreadPoolExecutor", None)  # would be asked for a helper
    np.testing.assert_array_equal(convolve(activity, kernel, threads=4), expected)


def test_scratch_memory_of_a_strip_lies_in_that_of_the_largest():
    scratch = _Scratch(PreparedKernel(s_values((4.8, 4.8, 4.8))).folded, 40, 24, 128)
    large, small = scratch.of_strip(40, 24, 128), scratch.of_strip(8, 8, 16)
    for name, array in small.items():
        assert np.shares_memory(large[name], array)
        assert array.ctypes.data % 64 == 0


def test_direct_leaves_out_nothing_that_the_choice_by_cost_may():
    kernel = s_values((4.8, 4.8, 4.8))
    activity = blob((21, 34, 45))
    auto, direct = (convolve_cropped(activity, kernel, method=method) for method in ("auto", "direct"))
    assert (auto.algorithm, direct.algorithm) == ("fold", "fold")
    np.testing.assert_array_equal(direct.dose > 0, naive.reachable(activity, kernel))
    assert auto.box != direct.box
    assert auto.error > direct.error


@pytest.mark.parametrize(
    "taps", [np.zeros((3, 3, 3)), np.pad(np.zeros((1, 1, 1)), 1, constant_values=1.0), np.ones((3, 1, 5))]
)
def test_a_kernel_without_a_rim_or_a_centre_keeps_its_taps(taps):
    np.testing.assert_array_equal(PreparedKernel(taps).trimmed.taps, taps)


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_a_kernel_larger_than_the_image_is_cut_at_its_borders(method):
    kernel = s_values((1.5, 1.5, 1.5))
    activity = blob((6, 5, 9))
    expected = naive.convolve(activity, kernel)
    found = convolve(activity, kernel, method=method)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.max())


def test_negative_voxels_keep_the_map_linear():
    kernel = s_values((2.4, 2.4, 2.4))
    activity = np.random.default_rng(3).normal(size=(20, 30, 25))
    expected = naive.convolve(activity, kernel)
    scale = naive.convolve(np.abs(activity), kernel).max()
    for method in ("auto", "direct", "fft"):
        found = convolve(activity, kernel, method=method)
        assert found.min() < -0.01 * scale
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


def test_each_algorithm_is_chosen_where_it_is_the_cheapest():
    sparse = np.zeros((60, 60, 60), np.float32)
    sparse[0, 0, 0] = sparse[-1, -1, -1] = 1.0
    small, large = np.ones((20, 20, 20), np.float32), np.ones((90, 90, 90), np.float32)
    rough = np.random.default_rng(0).random((15, 15, 15))
    assert convolve_cropped(sparse, s_values((2.4,) * 3)).algorithm == "stamp"
    assert convolve_cropped(small, s_values((4.8,) * 3)).algorithm == "fold"
    assert convolve_cropped(large, s_values((1.5,) * 3)).algorithm == "fold"
    assert convolve_cropped(large, rough).algorithm == "fft"
    assert convolve_cropped(np.zeros((3, 4, 5)), rough).algorithm == "none"


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
def test_number_of_threads_changes_no_bit_and_nothing_global(method):
    activity = blob((60, 50, 70))
    kernel = s_values((2.0, 2.0, 2.0))
    before = numba.get_num_threads()
    one, three = (convolve(activity, kernel, method=method, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one, three)
    assert numba.get_num_threads() == before


def test_lengths_of_transforms_have_no_large_factor():
    assert [_fast_length(n) for n in (1, 7, 103, 121, 160)] == [1, 8, 108, 125, 160]


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("threads", [1, 2])
def test_either_library_transforms_to_the_same_dose(limit, threads, monkeypatch):
    monkeypatch.setattr("y90voxel.dose.convolution.fft_convolution.NUMPY_POINTS", limit)
    activity, rng = blob((21, 34, 45)), np.random.default_rng(0)
    for kernel in (s_values((2.4, 2.4, 2.4)), rng.random((5, 7, 9))):
        expected = naive.convolve(activity, kernel)
        found = convolve(activity, kernel, method="fft", threads=threads)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.max())


def test_costs_of_all_algorithms_are_known_where_they_apply():
    rng = np.random.default_rng(0)
    activity = np.ones((8, 8, 8), np.float32)
    extent = module.scan_extent(activity)
    known = {
        name: set(module._Job(activity, PreparedKernel(kernel), extent).costs())
        for name, kernel in (
            ("asymmetric", rng.random((3, 5, 7))),
            ("short", mirrored(rng.random((3, 4, 5)))),
            ("long slices", mirrored(rng.random((MAX_REACH + 2, 2, 2)))),
            ("long rows", mirrored(rng.random((2, MAX_REACH + 2, 2)))),
        )
    }
    assert known == {
        "asymmetric": {"stamp", "fft"},
        "short": {"stamp", "fft", "fold"},
        "long slices": {"stamp", "fft"},
        "long rows": {"stamp", "fft", "fold"},
    }


@pytest.mark.parametrize("seed", range(12))
def test_random_jobs_match_an_fft_in_double_precision(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 60, 3))
    half = rng.integers(0, 6, 3)
    octant = np.exp(-sum(np.ix_(*[(np.arange(h + 1) / (h + 1)) ** 2 * 6 for h in half])))
    kernel = mirrored(octant) if seed % 3 else rng.random([2 * h + 1 for h in half])
    activity = rng.random(shape) * (rng.random(shape) < 10 ** rng.uniform(-3, 0))
    expected = fftconvolve(activity, kernel, mode="full")
    expected = expected[tuple(slice(h, h + n) for h, n in zip(half, shape, strict=True))]
    for method, threads in itertools.product(("auto", "direct", "fft"), (1, 2)):
        found = convolve(activity, kernel, method=method, threads=threads)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(expected.max(), 1e-30))


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_sparse_activity_in_a_tall_image_reaches_just_what_the_kernel_reaches(method):
    # 90 slices with 23 of the kernel: strips deeper than 64 slices, most blocks of which are skipped.
    kernel = s_values((1.0, 2.5, 2.5))
    activity = np.zeros((90, 27, 40))
    for voxel in ((3, 2, 1), (40, 13, 20), (41, 13, 36), (88, 26, 39)):
        activity[voxel] = 1.0
    found = convolve(activity, kernel, method=method)
    expected = naive.convolve(activity, kernel)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.max())
    assert not found[~naive.reachable(activity, kernel)].any()


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
def test_results_are_writable_memory_of_their_own(method):
    activity, kernel = blob((21, 34, 45)), s_values((2.4, 2.4, 2.4))
    first = convolve(activity, kernel, method=method)
    expected = first.copy()
    first *= 2
    np.testing.assert_array_equal(convolve(activity, kernel, method=method), expected)


def test_an_engine_keeps_nothing_of_the_activity_and_can_be_copied_to_another_process():
    array = blob((20, 22, 24)).astype(np.float32)
    spacing = (2.4, 2.4, 2.4)
    engine = KernelConvolution(voxel_kernel("Y-90", spacing))
    tia = TimeIntegratedActivityMap(array, Grid.from_spacing(array.shape, spacing))
    before = engine.dose(tia).array
    array *= 3
    after = engine.dose(tia).array
    np.testing.assert_allclose(after, 3 * before, rtol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(engine)).dose(tia).array, after)
