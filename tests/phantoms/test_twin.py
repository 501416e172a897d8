"""The digital twin against the analytic table, brute force and its own counts."""

import math

import numpy as np
import pytest
from recovery_table import DIAMETERS, EIGHT_TO_ONE, NO_BACKGROUND

from y90voxel.errors import InputError
from y90voxel.phantoms.phantom_layout import Pose, nema_iec, uniform_cylinder
from y90voxel.phantoms.twin import TwinCamera, count_rate, twin_concentration, twin_frame
from y90voxel.volumes.grid import Grid

HERE = Pose.turned((0, 0, 0), (0, 0, 0))


def grid_about(centre, half_mm, voxel_mm):
    n = int(np.ceil(2 * half_mm / voxel_mm)) + 1
    return Grid.from_spacing((n, n, n), (voxel_mm,) * 3, np.asarray(centre) - 0.5 * (n - 1) * voxel_mm)


def mean_inside(image, grid, centre, diameter, samples=6):
    """Mean over a ball by counting samples, written without the package's regions."""
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    points = indices * grid.spacing_mm[0] + grid.origin_mm[::-1] - np.asarray(centre)[::-1]
    share = np.zeros(grid.shape)
    for a in steps:
        for b in steps:
            for c in steps:
                moved = points + grid.spacing_mm[0] * np.array([a, b, c])
                share += (moved**2).sum(axis=-1) <= 0.25 * diameter**2
    return float((image * share).sum() / share.sum())


@pytest.mark.parametrize(("fwhm", "ratio"), [(4, None), (7, None), (15, None), (5, 8.0), (10, 8.0)])
def test_spheres_of_the_twin_recover_as_the_table_says(fwhm, ratio):
    layout, background = nema_iec(), 0.0 if ratio is None else 1.0
    table = (NO_BACKGROUND if ratio is None else EIGHT_TO_ONE)[fwhm]
    for sphere, expected in zip(layout.spheres, table, strict=True):
        # a voxel of 1 mm and the edge of the region in it alone lower the 10 mm sphere by 1.6 % at 4 mm
        grid = grid_about(
            sphere.centre_mm, 0.5 * sphere.diameter_mm + 1, 0.5 if sphere.diameter_mm < 20 else 1.0
        )
        image = twin_concentration(layout, HERE, grid, fwhm, [ratio or 1.0] * 6, background)
        found = mean_inside(image, grid, sphere.centre_mm, sphere.diameter_mm) / (ratio or 1.0)
        # neighbours and the cold insert reach a sphere at 15 mm; the table has one sphere alone
        assert found == pytest.approx(expected, rel=0.01), sphere.diameter_mm


def test_large_voxels_average_what_small_ones_show():
    layout = nema_iec()
    centre = layout.spheres[1].centre_mm
    fine = Grid.from_spacing((40, 40, 40), (0.5, 0.5, 0.5), np.array(centre) - 9.75 + 1.3)
    coarse = Grid.from_spacing((5, 5, 5), (4.0, 4.0, 4.0), np.array(centre) - 8.0 + 1.3)
    small, large = (twin_concentration(layout, HERE, g, 4.0, [8.0] * 6, 1.0) for g in (fine, coarse))
    blocks = small.reshape(5, 8, 5, 8, 5, 8).mean(axis=(1, 3, 5))
    assert np.abs(blocks - large).max() < 8e-3  # a thousandth of the sphere


def test_a_turned_and_mirrored_phantom_is_the_blur_of_its_parts():
    from scipy.ndimage import gaussian_filter

    layout, pose = nema_iec(), Pose.turned((6, -9, 25), (4, -3, 2), mirrored=True)
    grid = Grid.from_spacing((30, 100, 100), (2.0, 2.0, 2.0), (-99, -99, -29))
    image = twin_concentration(layout, pose, grid, 9.0, [6.0] * 6, 1.0)
    fine = Grid.from_spacing((60, 200, 200), (1.0, 1.0, 1.0), (-99.5, -99.5, -29.5))
    points = pose.to_phantom(fine.index_to_lps(np.stack(np.indices(fine.shape), axis=-1)))
    true = (layout.inside(points[..., 0], points[..., 1]) & (points[..., 2] >= layout.low_mm)).astype(float)
    for sphere in layout.spheres:
        true[np.linalg.norm(points - sphere.centre_mm, axis=-1) <= 0.5 * sphere.diameter_mm] = 6.0
    blurred = (
        gaussian_filter(true, 9.0 / 2.35482, truncate=5.0).reshape(30, 2, 100, 2, 100, 2).mean(axis=(1, 3, 5))
    )
    inner = (slice(10, -10),) * 3
    assert np.abs(blurred - image)[inner].max() < 0.06  # of 6: voxels of a millimetre have edges


def test_the_twin_holds_the_activity_of_the_phantom():
    layout = uniform_cylinder(100.0, 80.0)
    grid = Grid.from_spacing((34, 34, 34), (4.0, 4.0, 4.0), (-66, -66, -66))
    image = twin_concentration(layout, HERE, grid, 7.0, [], 2.0)
    assert image.sum() * grid.voxel_volume_ml == pytest.approx(2.0 * math.pi * 50**2 * 80 / 1000, rel=1e-3)


def test_counts_follow_sensitivity_decay_and_dead_time():
    grid = Grid.from_spacing((2, 2, 2), (10.0, 10.0, 10.0))
    camera = TwinCamera("NM", sensitivity=80.0, duration_s=3600.0, dead_time_us=5.0)
    seen, half_life = np.full((2, 2, 2), 1e5), 7200.0
    image = twin_frame(
        seen, grid, camera, activity_mbq=0.8, elapsed_s=7200.0, half_life_s=half_life, reference=1e5
    )
    # 0.8 MBq in 8 mL; half of it at the start, and the mean over half a half-life
    mean = 0.4 * (1 - 2**-0.5) / (0.5 * math.log(2))
    assert image.sum() == pytest.approx(3600 * 80 * mean * math.exp(-80 * mean * 5e-6), rel=1e-9)
    assert count_rate(1000.0, camera) == pytest.approx(80000 * math.exp(-0.4), rel=1e-9)


def test_noise_has_its_size_and_grows_with_decay():
    grid = Grid.from_spacing((30, 30, 30), (4.0, 4.0, 4.0))
    camera = TwinCamera("PT", noise_cv=0.2, noise_fwhm_mm=8.0)
    seen = np.full(grid.shape, 3e5)
    seen[:, :, 15:] = 12e5  # four times the counts, half the relative noise
    spread = []
    for hours in (2.0, 66.1):
        image = twin_frame(
            seen, grid, camera, activity_mbq=1.0, elapsed_s=3600 * hours, first_elapsed_s=7200.0,
            half_life_s=64.1 * 3600, reference=3e5, rng=np.random.default_rng(3),
        )  # fmt: skip
        spread.append([part.std() / part.mean() for part in (image[:, :, :15], image[:, :, 15:])])
    np.testing.assert_allclose(spread[0], (0.2, 0.1), rtol=0.03)
    np.testing.assert_allclose(spread[1], np.array((0.2, 0.1)) * math.sqrt(2), rtol=0.03)


@pytest.mark.parametrize("diameters", [(10, 13), (10, 13, 17, 22, 28, 48), (0, 13, 17, 22, 28, 37)])
def test_spheres_that_do_not_fit_are_refused(diameters):
    with pytest.raises(InputError, match="six places"):
        nema_iec(diameters)


def test_the_body_has_the_volume_of_its_drawing():
    layout = nema_iec(insert=False)
    y, x = np.meshgrid(np.arange(-200, 200, 0.5), np.arange(-200, 200, 0.5))
    area = 0.25 * layout.inside(x, y).sum()
    # half a disc, a rectangle, two quarter discs: 9.73 L over 180 mm
    assert area == pytest.approx(0.5 * math.pi * 147**2 + 140 * 77 + 0.5 * math.pi * 77**2, rel=1e-3)
    assert layout.high_mm - layout.low_mm == 180.0
    assert tuple(round(s.diameter_mm) for s in layout.spheres) == DIAMETERS
