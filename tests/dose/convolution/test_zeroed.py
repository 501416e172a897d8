"""The memory of a dose map is used again, and nobody can tell but by the time it takes."""

import copy
import pickle
from threading import Thread

import numpy as np
import pytest

import y90voxel as yv
from y90voxel.dose.convolution import zeroed
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES
from y90voxel.dose.convolution.convolve import METHODS, convolve, convolve_cropped
from y90voxel.dose.convolution.prepared import PreparedKernel

SHAPE, SPACING = (70, 72, 76), (3.0, 3.0, 3.0)
KERNEL = yv.voxel_kernel("Y-90", SPACING)


@pytest.fixture(autouse=True)
def nothing_idle():
    zeroed.release()


def map_of(array):
    return yv.TimeIntegratedActivityMap(array, yv.Grid.from_spacing(array.shape, SPACING))


def blocks(seed):
    """Two active blocks far apart: most of the box between them is reached by nothing."""
    rng = np.random.default_rng(seed)
    array = np.zeros(SHAPE, np.float32)
    for _ in range(2):
        z, y, x = (int(rng.integers(0, n - 8)) for n in SHAPE)
        array[z : z + 6, y : y + 5, x : x + 7] = rng.random((6, 5, 7), np.float32) + 0.1
    return array


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_a_map_in_used_memory_equals_one_in_fresh_memory(method, threads, monkeypatch):
    monkeypatch.setattr("y90voxel.dose.convolution.convolve.SINGLE_THREAD_NS", 0.0)
    engine = yv.KernelConvolution(KERNEL, threads=threads, method=method)
    full = np.random.default_rng(0).random(SHAPE, np.float32) + np.float32(1.0)
    used = place(engine.dose(map_of(full)).array)
    for seed in range(4):  # other boxes, and boxes of which most is not reached
        activity = blocks(seed)
        found = engine.dose(map_of(activity))
        assert place(found.array) == used
        np.testing.assert_array_equal(
            found.array, convolve(activity, KERNEL.s_values, threads=1, method=method)
        )
        del found
    same_box = np.where(full > 1.5, full, 0)
    same_box[0, 0, 0] = same_box[-1, -1, -1] = 1
    found = engine.dose(map_of(same_box)).array
    np.testing.assert_array_equal(found, convolve(same_box, KERNEL.s_values, threads=1, method=method))


def sparse(seed):
    """Some active voxels in a box that is always the same, and wider than a strip."""
    rng = np.random.default_rng(seed)
    array = np.zeros((30, 40, 300), np.float32)
    for z, y, x in rng.integers(0, array.shape, (6, 3)):
        array[z, y, x] = rng.random() + 0.1
    array[0, 0, 0] = array[-1, -1, -1] = 1
    return array


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "algorithms",
    [
        4 * ["fold"],
        4 * ["separable"],
        ["fft", "fold", "fft", "separable"],
        ["stamp", "fold", "stamp", "separable"],
    ],
)
def test_what_one_map_reaches_and_the_next_in_its_box_does_not_is_zero_again(
    algorithms, threads, monkeypatch
):
    chosen, kernel = iter(()), PreparedKernel(KERNEL.s_values)
    monkeypatch.setattr(
        "y90voxel.dose.convolution.convolve._Job.choose", lambda job, method: (next(chosen), np.inf)
    )
    kept = None
    for seed, algorithm in enumerate(algorithms):
        chosen = iter(2 * [algorithm])
        fresh = convolve_cropped(sparse(seed), kernel, threads=1, method="direct").dose
        found = convolve_cropped(
            sparse(seed), kernel, threads=threads, method="direct", make_output=zeroed.reused_zeros
        )
        assert found.algorithm == algorithm
        np.testing.assert_array_equal(found.dose, fresh)
        # No block that holds something is taken for one that does not.
        used = np.repeat(np.repeat(found.output.used, BLOCK, 0), LANES, 2)[:30, :, :300]
        assert not found.dose[~used].any()
        assert used.all() == (algorithm in ("fft", "stamp"))
        kept = kept or place(found.dose)
        assert place(found.dose) == kept
        zeroed.lend(found.output)
        del found


def test_memory_is_not_used_again_while_a_view_of_it_lives():
    engine, activity = yv.KernelConvolution(KERNEL, threads=1), map_of(blocks(1))
    first = engine.dose(activity)
    row, kept = first.array[3], first.array.copy()
    used = place(first.array)
    del first
    second = engine.dose(map_of(blocks(2)))
    assert place(second.array) != used
    np.testing.assert_array_equal(row, kept[3])
    del row
    assert place(engine.dose(activity).array) == used


def test_nobody_can_write_where_zeros_are_taken_for_granted():
    dose = yv.KernelConvolution(KERNEL, threads=1).dose(map_of(blocks(3))).array
    for array in (dose, dose.base, dose[2:]):
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_a_map_can_be_copied_and_pickled():
    dose = yv.KernelConvolution(KERNEL, threads=1).dose(map_of(blocks(3)))
    for again in (copy.deepcopy(dose), pickle.loads(pickle.dumps(dose))):
        np.testing.assert_array_equal(again.array, dose.array)


def test_another_shape_gets_memory_of_its_own():
    engine = yv.KernelConvolution(KERNEL, threads=1)
    engine.dose(map_of(blocks(1)))
    assert len(zeroed._Loan.idle) == 1
    other = np.zeros((40, 80, 90), np.float32)
    other[20, 40, 45] = 1.0
    np.testing.assert_array_equal(
        engine.dose(map_of(other)).array, convolve(other, KERNEL.s_values, threads=1)
    )


def test_maps_of_two_threads_do_not_share_memory():
    engine, found = yv.KernelConvolution(KERNEL, threads=1), {}

    def run(seed):
        for _ in range(20):
            found[seed] = engine.dose(map_of(blocks(seed))).array

    threads = [Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        np.testing.assert_array_equal(found[seed], convolve(blocks(seed), KERNEL.s_values, threads=1))


def test_memory_is_not_touched_ever_further_by_boxes_that_wander_through_a_large_image():
    shape = (2, 20_000, 1000)
    first, second = ((slice(0, 2), slice(a, a + 9), slice(0, 10)) for a in (0, 9))
    zeros = zeroed.reused_zeros(shape, first)
    zeros.used[0, 3, 0] = True
    used = place(zeros.array)
    zeroed.lend(zeros)
    del zeros
    zeros = zeroed.reused_zeros(shape, first)
    assert place(zeros.array) == used
    assert np.flatnonzero(zeros.used).tolist() == [3]
    zeroed.lend(zeros)
    del zeros
    zeros = zeroed.reused_zeros(shape, second)
    assert not zeros.used.any()


@pytest.mark.parametrize("rows", [1, 20_000])
def test_too_little_and_too_much_memory_is_not_kept(rows):
    array = np.zeros((2, rows, 1000), np.float32)  # pages that nobody touches cost nothing
    box = (slice(0, 2), slice(0, array.shape[1]), slice(0, 10))
    assert zeroed.lend(zeroed.Zeros(array, box, np.zeros((1, 1, 1), bool))) is array
    assert not array.flags.writeable
    assert not zeroed._Loan.idle
