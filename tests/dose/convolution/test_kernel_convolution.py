"""The convolution engine against its naive twin, and its promises on grids, densities and bad input."""

import naive
import numpy as np
import pytest

from y90voxel.dose.convolution.convolve import convolve
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.errors import GridMismatchError, InputError, PhysicsError
from y90voxel.reference.voxel_kernel import DoseKernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

SPACING_MM = (3.0, 2.0, 2.5)


def asymmetric_kernel(shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def mirror_kernel(shape, seed=0, reach=1.05):
    """A kernel that falls with distance, mirror symmetric, zero in its corners."""
    axes = [np.arange(-(n // 2), n // 2 + 1) / max(1, n // 2) for n in shape]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    values = np.exp(-4 * distance) * (1 + 0.3 * np.cos(seed + 5 * distance)) * (distance <= reach)
    for axis in range(3):
        values = (values + np.flip(values, axis)) / 2
    return values


KERNELS = {
    "asymmetric": asymmetric_kernel((3, 5, 7)),
    "asymmetric with holes": asymmetric_kernel((5, 3, 7)) * (asymmetric_kernel((5, 3, 7), 1) > 0.6),
    "single tap": np.array([[[2.5]]]),
    "mirror": mirror_kernel((5, 7, 9)),
    "mirror flat": mirror_kernel((1, 7, 5)),
    "cube": mirror_kernel((7, 7, 7)),
}
METHODS = ["auto", "direct", "fft"]


def activities():
    rng = np.random.default_rng(7)
    blob = np.zeros((9, 12, 15))
    blob[3:6, 4:9, 2:11] = rng.random((3, 5, 9))
    corner = np.zeros((6, 5, 8))
    corner[0, 4, 7] = corner[5, 0, 0] = 1.5
    noisy = rng.normal(size=(7, 8, 9))
    single = np.zeros((5, 7, 6))
    single[1, 5, 3] = 3.0
    return {
        "blob": blob,
        "opposite corners": corner,
        "signed": noisy,
        "single voxel": single,
        "empty": np.zeros((4, 5, 6)),
        "full": rng.random((11, 10, 13)),
        "one voxel image": np.array([[[2.0]]]),
        "one slice": rng.random((1, 9, 8)),
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("activity", activities().values(), ids=activities())
def test_every_method_matches_the_naive_twin(activity, kernel, method):
    found = convolve(activity, kernel, method=method)
    expected = naive.convolve(activity, kernel)
    scale = naive.convolve(np.abs(activity), kernel).max()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)
    assert not found[~naive.reachable(activity, kernel)].any()
    if activity.min() >= 0:
        assert found.min() >= 0


@pytest.mark.parametrize("method", METHODS)
def test_memory_order_type_and_strides_do_not_matter(method):
    rng = np.random.default_rng(3)
    base = rng.integers(0, 200, (20, 16, 12))
    kernel = KERNELS["asymmetric"]
    expected = naive.convolve(base[::2, ::-1, 1:], kernel)
    for array in (
        base.astype(np.float32),
        base.astype(np.float64),
        base.astype(np.int16),
        base.astype(">f4"),
        np.asfortranarray(base.astype(np.float64)),
    ):
        found = convolve(array[::2, ::-1, 1:], kernel, method=method)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.max())


def volumes(array, spacing=SPACING_MM):
    return TimeIntegratedActivityMap(array, Grid.from_spacing(array.shape, spacing))


def engine(kernel, **settings):
    return KernelConvolution(DoseKernel(kernel, SPACING_MM, "water", 1.0, "Y-90"), **settings)


def test_without_density_dose_is_the_convolution_with_the_kernel_and_nothing_else():
    activity = activities()["blob"]
    dose = engine(KERNELS["mirror"]).dose(volumes(activity))
    expected = naive.convolve(activity, KERNELS["mirror"])
    np.testing.assert_allclose(dose.array, expected, rtol=0, atol=1e-4 * expected.max())
    assert dose.grid.shape == activity.shape


def test_density_scales_dose_by_kernel_over_local_density_down_to_the_floor():
    activity = activities()["blob"]
    tia = volumes(activity)
    density = np.random.default_rng(1).uniform(0.001, 2.0, activity.shape)
    settings = DoseKernel(KERNELS["mirror"], SPACING_MM, "soft tissue", 1.06, "Y-90")
    dose = KernelConvolution(settings, density_floor_g_per_ml=0.2).dose(tia, DensityMap(density, tia.grid))
    expected = naive.convolve(activity, KERNELS["mirror"]) * 1.06 / np.maximum(density, 0.2)
    np.testing.assert_allclose(dose.array, expected, rtol=0, atol=1e-4 * expected.max())


def test_a_kernel_for_another_voxel_size_is_refused():
    tia = volumes(np.ones((3, 4, 5)), spacing=(3.0, 2.0, 2.0))
    with pytest.raises(PhysicsError, match=r"3 × 2 × 2\.5 mm.*3 × 2 × 2 mm.*voxel_kernel\('Y-90'"):
        engine(KERNELS["mirror"]).dose(tia)


def test_a_density_on_another_grid_is_refused():
    tia = volumes(np.ones((3, 4, 5)))
    moved = Grid.from_spacing((3, 4, 5), SPACING_MM, origin_mm=(1.0, 0.0, 0.0))
    with pytest.raises(GridMismatchError, match="density lies on"):
        engine(KERNELS["mirror"]).dose(tia, DensityMap(np.ones((3, 4, 5)), moved))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_activity_that_is_not_finite_is_refused(bad, dtype, transposed):
    array = np.ones((4, 5, 6))
    array[2, 3, 4] = bad
    array = array.astype(dtype)
    with pytest.raises(InputError, match="1 of 120 voxels are NaN, infinite"):
        convolve(array.T if transposed else array, KERNELS["mirror"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "magic"}, "unknown convolution method 'magic'; there are auto, direct, fft"),
        ({"threads": 0}, "at least one thread is needed, got 0"),
        ({"density_floor_g_per_ml": 0.0}, "density floor must be positive, got 0"),
        ({"density_floor_g_per_ml": np.nan}, "density floor must be positive, got nan"),
    ],
)
def test_unusable_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        engine(KERNELS["mirror"], **settings)
