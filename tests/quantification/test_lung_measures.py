import numpy as np
import pytest

from y90voxel.errors import InputError, RegionError
from y90voxel.quantification.lung_measures import (
    exclude_margin,
    lung_shunt_fraction_planar,
    lung_shunt_fraction_spect,
    mean_lung_dose,
    project_onto_planar,
    within_reach,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((12, 4, 4), (10, 10, 10))


def slab(first, last):
    array = np.zeros(GRID.shape)
    array[first:last] = 1
    return Mask(array, GRID)


def test_mean_lung_dose_of_a_published_patient():
    """3.3 + 1.4 GBq, shunt 12 %, 1 kg: 28.01 Gy (V2); 30 Gy at 0.934 kg."""
    assert mean_lung_dose(4.7, 0.12, dose_constant_gy_kg_per_gbq=49.67) == pytest.approx(28.01, rel=1e-3)
    assert mean_lung_dose(4.7, 0.12, 0.934, dose_constant_gy_kg_per_gbq=49.67) == pytest.approx(
        30.0, rel=1e-3
    )


def test_planar_shunt_of_the_published_vector():
    """V5: 0.09166; anterior only would give 0.07407."""
    assert lung_shunt_fraction_planar(12000, 14000, 150000, 110000) == pytest.approx(0.09166, rel=1e-3)
    assert lung_shunt_fraction_planar(12000, 12000, 150000, 150000) == pytest.approx(0.07407, rel=1e-3)


def test_spect_shunt_leaves_the_dome_out_and_scales_for_it():
    """Liver slices 0-4 with 100 counts a voxel, lung slices 4-12 with 5, spilled into slices 4 and 5 with 50 more."""
    counts = np.zeros(GRID.shape)
    counts[:4], counts[4:], counts[4:6] = 100, 5, 55
    found = lung_shunt_fraction_spect(CountMap(counts, GRID), slab(4, 12), slab(0, 4), 20.0)
    assert found == pytest.approx(8 * 5 / (8 * 5 + 4 * 100))


def test_retreat_measures_from_voxel_centres():
    kept = exclude_margin(slab(4, 12), slab(0, 4), 20.0)
    assert np.flatnonzero(kept.array[:, 0, 0]).tolist() == [6, 7, 8, 9, 10, 11]
    untouched = slab(4, 12)
    assert exclude_margin(untouched, Mask(np.zeros(GRID.shape), GRID), 20.0) is untouched


def test_projection_of_a_region_falls_where_it_lies():
    """A coronal planar grid: rows run to inferior, columns to the left, slices along the view."""
    affine = np.array([[0, 0, 4.0, 0.0], [1.0, 0, 0, 0], [0, -4.0, 0, 110.0], [0, 0, 0, 1]])
    fine = Grid.from_spacing((60, 20, 20), (2, 2, 2))
    array = np.zeros(fine.shape)
    array[8:18, :, 3:13] = 1  # z 15 to 35 mm, x 5 to 25 mm
    shadow = project_onto_planar(Mask(array, fine), affine, (28, 10))
    z, x = 110 - 4 * np.arange(28), 4 * np.arange(10)
    expected = ((z > 15) & (z < 35))[:, None] & ((x > 5) & (x < 25))[
        None, :
    ]  # pixels whose centre lies inside
    assert np.array_equal(shadow, expected)


@pytest.mark.parametrize(("filled_mm", "covered"), [(2, True), (1, False)])
def test_a_pixel_at_the_edge_of_a_view_is_covered_from_a_half_on(filled_mm, covered):
    """The first pixel of 4 mm is the image's edge: a region covers half of it, or a quarter."""
    affine = np.array([[0, 0, 4.0, 0.0], [1.0, 0, 0, 0], [0, 4.0, 0, 0.0], [0, 0, 0, 1]])
    grid = Grid.from_spacing((20, 4, 20), (1, 1, 1), (-1.5, 0.0, -1.5))
    array = np.zeros(grid.shape)
    array[:filled_mm] = 1.0
    shadow = project_onto_planar(Mask(array, grid), affine, (5, 4))
    assert shadow[0].tolist() == [covered] * 4
    assert not shadow[1:].any()


@pytest.mark.parametrize(("mass", "shunt"), [(0.0, 0.1), (-1.0, 0.1), (1.0, 1.2), (1.0, -0.1)])
def test_bad_masses_and_shunts_are_refused(mass, shunt):
    with pytest.raises(InputError):
        mean_lung_dose(1.0, shunt, mass, dose_constant_gy_kg_per_gbq=49.77)


def test_residual_spares_the_lungs():
    assert mean_lung_dose(
        1.0, 0.1, residual_fraction=0.25, dose_constant_gy_kg_per_gbq=50.0
    ) == pytest.approx(3.75)
    with pytest.raises(InputError, match="residual fraction"):
        mean_lung_dose(1.0, 0.1, residual_fraction=1.5, dose_constant_gy_kg_per_gbq=50.0)
    with pytest.raises(InputError, match="activity must not be negative"):
        mean_lung_dose(-1.0, 0.1, dose_constant_gy_kg_per_gbq=50.0)
    with pytest.raises(InputError, match="dose constant"):
        mean_lung_dose(1.0, 0.1, dose_constant_gy_kg_per_gbq=0.0)


def test_bad_planar_counts_are_refused():
    with pytest.raises(InputError, match="negative"):
        lung_shunt_fraction_planar(-1, 1, 1, 1)
    with pytest.raises(InputError, match="no counts"):
        lung_shunt_fraction_planar(0, 0, 0, 0)
    assert lung_shunt_fraction_planar(3, 3, 3, 3) == 0.5


def test_spect_shunt_needs_lung_and_counts():
    with pytest.raises(RegionError, match="no lung lies further"):
        lung_shunt_fraction_spect(CountMap(np.ones(GRID.shape), GRID), slab(4, 5), slab(0, 4), 20.0)
    with pytest.raises(RegionError, match="no counts"):
        lung_shunt_fraction_spect(CountMap(np.zeros(GRID.shape), GRID), slab(4, 12), slab(0, 4), 20.0)


@pytest.mark.parametrize("spacing_mm", [(4.0, 4.0, 4.0), (2.0, 3.7, 5.1), (30.0, 4.0, 4.0)])
def test_lung_within_the_margin_is_found_as_by_distances_to_every_voxel_of_the_neighbour(spacing_mm):
    random = np.random.default_rng(5)
    grid = Grid.from_spacing((14, 17, 19), spacing_mm)
    lung = np.zeros(grid.shape, np.float32)
    lung[2:11, 1:15, 3:] = random.uniform(0.1, 1.0, (9, 14, 16))
    solid = (random.random(grid.shape) > 0.995) * random.uniform(0.3, 1.0, grid.shape)
    points = np.argwhere(solid >= 0.5) * spacing_mm
    apart = np.linalg.norm(np.indices(grid.shape).reshape(3, -1).T[:, None] * spacing_mm - points, axis=-1)
    expected = np.where(apart.min(axis=1).reshape(grid.shape) <= 12.0, 0.0, lung)
    assert 0 < np.count_nonzero(expected) < np.count_nonzero(lung)
    assert np.array_equal(exclude_margin(Mask(lung, grid), Mask(solid, grid), 12.0).array, expected)


def row(*values, spacing_mm=10.0):
    grid = Grid.from_spacing((1, 1, len(values)), (spacing_mm,) * 3)
    return Mask(np.array(values, float).reshape(grid.shape), grid)


@pytest.mark.parametrize(("filled", "reaches"), [(0.4, False), (0.5, True), (0.6, True), (1.0, True)])
def test_what_a_region_fills_by_half_reaches_as_far_as_the_margin(filled, reaches):
    found = within_reach(row(0, 0, 0, filled, 0, 0, 0), 20.0).array[0, 0]
    assert found.tolist() == pytest.approx([0, 1, 1, 1, 1, 1, 0] if reaches else [0, 0, 0, filled, 0, 0, 0])
    kept = exclude_margin(row(*[1.0] * 7), row(0, 0, 0, filled, 0, 0, 0), 20.0).array[0, 0]
    assert kept.tolist() == ([1, 0, 0, 0, 0, 0, 1] if reaches else [1] * 7)


@pytest.mark.parametrize(("margin_mm", "voxels"), [(19.9, 1), (20.0, 2), (29.9, 2), (30.0, 3)])
def test_a_margin_ends_at_the_centres_of_voxels(margin_mm, voxels):
    found = within_reach(row(*[0] * 5, 1, *[0] * 5), margin_mm).array[0, 0]
    assert found.tolist() == [float(abs(5 - n) <= voxels) for n in range(11)]


def test_a_margin_reaches_over_many_small_voxels():
    found = within_reach(row(*[0] * 8, 1, *[0] * 8, spacing_mm=0.5), 2.0).array[0, 0]
    assert found.tolist() == [float(abs(8 - n) <= 4) for n in range(17)]


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_shunt_is_a_share_whatever_the_scale(scale):
    counts = np.zeros(GRID.shape)
    counts[:4], counts[4:] = 3.0, 0.5
    found = lung_shunt_fraction_spect(
        CountMap(scale * counts / counts.size, GRID), slab(4, 12), slab(0, 4), 0.0
    )
    assert found == pytest.approx(4.0 / 16.0)


@pytest.mark.parametrize(("share", "shunt"), [(1.0, 4.0 / 16.0), (0.5, 8.0 / 20.0)])
def test_lungs_that_are_seen_in_part_hold_more(share, shunt):
    counts = np.zeros(GRID.shape)
    counts[:4], counts[4:] = 3.0, 0.5
    found = lung_shunt_fraction_spect(CountMap(counts, GRID), slab(4, 12), slab(0, 4), 0.0, share)
    assert found == pytest.approx(shunt)


def test_lungs_of_negative_counts_have_no_shunt():
    counts = np.zeros(GRID.shape)
    counts[:4], counts[4:] = 3.0, -0.5
    assert lung_shunt_fraction_spect(CountMap(counts, GRID), slab(4, 12), slab(0, 4), 0.0) == 0.0


def shadow_of(filled, angle_deg=0.0, thickness_mm=4.0):
    """Of a cube of 40 mm about the origin on a coronal view of 2 mm pixels that is turned about the patient's axis."""
    grid = Grid.from_spacing((20, 20, 20), (4.0, 4.0, 4.0), (-38.0, -38.0, -38.0))
    array = np.zeros(grid.shape)
    array[5:15, 5:15, 5:15] = filled
    turn = np.radians(angle_deg)
    view, across = np.array([-np.sin(turn), np.cos(turn), 0.0]), np.array([np.cos(turn), np.sin(turn), 0.0])
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = thickness_mm * view, (0.0, 0.0, -2.0), 2.0 * across
    affine[:3, 3] = 59.0 * np.array((0.0, 0.0, 1.0)) - 59.0 * across
    return project_onto_planar(Mask(array, grid), affine, (60, 60))


@pytest.mark.parametrize(("filled", "there"), [(0.4, False), (0.5, True), (0.6, True)])
def test_what_a_region_fills_by_half_casts_a_shadow(filled, there):
    assert shadow_of(filled).any() == there


@pytest.mark.parametrize("angle_deg", [0.0, 20.0, 45.0])
@pytest.mark.parametrize("thickness_mm", [1.0, 4.0])
def test_a_cube_casts_the_shadow_of_its_width_from_any_side(angle_deg, thickness_mm):
    """40 mm high, and 40 (cos a + sin a) wide, in pixels of 2 mm; the middle of both is that of the view."""
    shadow = shadow_of(1.0, angle_deg, thickness_mm)
    turn = np.radians(angle_deg)
    rows, columns = np.flatnonzero(shadow.any(axis=1)), np.flatnonzero(shadow.any(axis=0))
    assert (rows.min(), rows.max()) == (20, 39)
    assert len(columns) == pytest.approx(20.0 * (np.cos(turn) + np.sin(turn)), abs=1.5)
    assert columns.mean() == pytest.approx(29.5, abs=0.5)
    assert shadow[20:40, columns.min() : columns.max() + 1].all()
