"""Contours to masks: occupancy adds up to polygon area times thickness on any grid."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import naive_rasterise as naive

from y90voxel.errors import GeometryError, RegionError
from y90voxel.regions import plane_coverage
from y90voxel.regions.contour_planes import contour_planes
from y90voxel.regions.rasterise import drawn_volume_ml, rasterise
from y90voxel.regions.region import Contours
from y90voxel.volumes.grid import Grid


def circle(radius, centre=(0.0, 0.0), z=0.0, points=200, turn=1):
    """A regular polygon in an axial plane, LPS."""
    angle = turn * 2 * np.pi * np.arange(points) / points
    return np.column_stack(
        [centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(points, z)]
    )


def polygon_area(points):
    """Shoelace area of an axial polygon [mm2]."""
    x, y = points[:, 0], points[:, 1]
    return 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def stack(polygons_of, positions):
    """Contours with the polygons of each axial position."""
    return Contours(tuple(p for z in positions for p in polygons_of(z)))


def rotated(contours, matrix):
    """The same contours, turned."""
    return Contours(tuple(p @ matrix.T for p in contours.polygons))


def rotation(angle, axis):
    """Rotation about an LPS axis."""
    c, s = np.cos(angle), np.sin(angle)
    plane = [a for a in range(3) if a != axis]
    matrix = np.eye(3)
    matrix[np.ix_(plane, plane)] = [[c, -s], [s, c]]
    return matrix


def covering(spacing, half_mm=60.0, directions=None, shift=(0.0, 0.0, 0.0)):
    """A grid about the LPS origin."""
    shape = tuple(int(np.ceil(2 * half_mm / s)) for s in spacing)
    directions = np.eye(3)[:, ::-1] if directions is None else directions
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = shift - directions @ (np.array(spacing) * (np.array(shape) - 1) / 2)
    return Grid(shape, affine)


CYLINDER = stack(lambda z: [circle(20.0, (3.0, -5.0), z)], np.arange(-20, 21, 2.5))
CYLINDER_ML = polygon_area(circle(20.0)) * 17 * 2.5 / 1000

GRIDS = {
    "finer": covering((1.0, 0.9, 0.8), 45),
    "coarser": covering((4.8, 4.8, 4.8)),
    "much coarser": covering((20.0, 30.0, 25.0), 70),
    "shifted": covering((2.5, 3.0, 3.0), shift=(0.4, 1.1, 0.9)),
    "flipped": covering((3.0, 2.0, 2.5), directions=np.eye(3)[:, ::-1] * (-1, 1, -1)),
    "sagittal": covering((3.0, 2.0, 2.5), directions=np.eye(3)),
    "coronal": covering((3.0, 2.0, 2.5), directions=np.eye(3)[:, [1, 0, 2]]),
    "turned in the plane": covering((3.0, 2.0, 2.5), directions=(rotation(0.4, 2) @ np.eye(3)[:, ::-1])),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_occupancy_adds_up_to_polygon_area_times_thickness(grid):
    assert rasterise(CYLINDER, grid).volume_ml == pytest.approx(CYLINDER_ML, rel=1e-6)


@pytest.mark.parametrize("name", sorted(GRIDS.keys() - {"much coarser"}))  # its voxels exceed the region
def test_the_mask_lies_where_the_contours_are(name):
    grid = GRIDS[name]
    mask = rasterise(CYLINDER, grid).array
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    points = grid.index_to_lps(indices)
    centroid = (points * mask[..., None]).sum(axis=(0, 1, 2)) / mask.sum()
    np.testing.assert_allclose(centroid, (3.0, -5.0, 0.0), atol=0.02 * max(grid.spacing_mm))


@pytest.mark.parametrize("tilt", [(0.3, 0), (0.1, 1), (0.9, 0)])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (4.8, 4.4, 4.4)])
def test_grids_oblique_to_the_planes_keep_the_volume_and_are_full_inside(tilt, spacing):
    grid = covering(spacing, 50, directions=rotation(*tilt) @ np.eye(3)[:, ::-1])
    mask = rasterise(CYLINDER, grid)
    assert mask.volume_ml == pytest.approx(CYLINDER_ML, rel=1e-3)
    assert mask.array[tuple(np.rint(grid.lps_to_index((3.0, -5.0, 0.0))).astype(int))] == 1.0


def test_small_oblique_region_keeps_its_volume():
    small = stack(lambda z: [circle(6.0, (1.0, 2.0), z, points=60)], np.arange(-5, 5, 1.25))
    grid = covering((4.0, 4.0, 4.0), 30, directions=rotation(0.35, 0) @ np.eye(3)[:, ::-1])
    volume = polygon_area(circle(6.0, points=60)) * 8 * 1.25 / 1000
    assert rasterise(small, grid).volume_ml == pytest.approx(volume, rel=2e-3)


def test_tilted_contours_on_an_axial_grid_keep_their_volume():
    tilted = rotated(CYLINDER, rotation(0.25, 0))
    np.testing.assert_allclose(contour_planes(tilted).normal, rotation(0.25, 0)[:, 2], atol=1e-9)
    assert rasterise(tilted, covering((3.0, 3.0, 3.0))).volume_ml == pytest.approx(CYLINDER_ML, rel=1e-3)
    assert drawn_volume_ml(tilted) == pytest.approx(CYLINDER_ML, rel=1e-9)


def cover(polygons, shape):
    """The even-odd coverage of cells by polygons of one plane."""
    out = np.zeros((1, *shape), np.float32)
    joined = plane_coverage.JoinedPlanes.of([polygons])
    areas = plane_coverage.cover_planes(joined, np.concatenate(polygons), np.array([[0.0, 1.0]]), out)
    assert areas == pytest.approx(out.sum(dtype=float), abs=1e-5)
    return out[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(-2, 9), st.floats(-2, 11)), min_size=3, max_size=9),
        min_size=1,
        max_size=3,
    )
)
def test_even_odd_coverage_of_any_polygons_matches_the_naive_twin(polygons):
    polygons = [np.array(p) for p in polygons]
    found = cover(polygons, (7, 9))
    expected = naive.cover(polygons, (7, 9), samples=24)
    # a 24 x 24 point count of a cell is good to about one row of points per edge that crosses it
    assert np.abs(found - expected).max() < 0.13
    assert found.sum() == pytest.approx(expected.sum(), abs=0.6)


def test_coverage_of_an_asymmetric_star_matches_the_naive_twin_closely():
    angle = 2 * np.pi * np.arange(11) / 11
    radius = 2.5 + 1.7 * (np.arange(11) % 2)
    star = np.column_stack([3.4 + radius * np.sin(angle), 4.7 + 1.1 * radius * np.cos(angle)])
    found = cover([star], (7, 9))
    np.testing.assert_allclose(found, naive.cover([star], (7, 9), samples=200), atol=4e-3)


def test_axis_parallel_square_has_exact_cell_fractions():
    square = np.array([(0.25, 0.5), (0.25, 2.5), (1.75, 2.5), (1.75, 0.5)])
    expected = [[0.375, 0.75, 0.375], [0.375, 0.75, 0.375]]
    np.testing.assert_allclose(cover([square], (2, 3)), expected, atol=1e-12)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_contour_inside_another_is_a_hole_whatever_its_direction(turn):
    ring = stack(lambda z: [circle(20, z=z), circle(8, (2, 1), z, turn=turn)], np.arange(0, 30, 3.0))
    expected = (polygon_area(circle(20)) - polygon_area(circle(8))) * 30 / 1000
    mask = rasterise(ring, covering((3.0, 2.0, 2.0)))
    assert mask.volume_ml == pytest.approx(expected, rel=1e-6)
    assert mask.array[tuple(np.rint(mask.grid.lps_to_index((2, 1, 12))).astype(int))] == 0.0


def test_a_keyhole_contour_encloses_the_ring_only():
    outer, inner = circle(20.0), circle(8.0, turn=-1)
    keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]])
    ring = stack(lambda z: [keyhole + np.array((0, 0, z))], np.arange(0, 30, 3.0))
    expected = (polygon_area(outer) - polygon_area(inner)) * 30 / 1000
    assert rasterise(ring, covering((3.0, 2.0, 2.0))).volume_ml == pytest.approx(expected, rel=1e-6)


def test_several_contours_of_one_plane_add_up():
    parts = stack(lambda z: [circle(5, (c, 0), z) for c in (-30, -10, 12, 31)], np.arange(0, 12, 3.0))
    expected = 4 * polygon_area(circle(5)) * 12 / 1000
    assert rasterise(parts, covering((4.8, 4.8, 4.8))).volume_ml == pytest.approx(expected, rel=1e-6)


def test_planes_a_rounding_error_apart_are_one_plane():
    noisy = Contours(
        tuple(
            circle(5, (c, 0), z + e)
            for z in (0.0, 3.0, 6.0)
            for c, e in ((-30, 0.0), (-10, 0.004), (12, -0.01))
        )
    )
    planes = contour_planes(noisy)
    assert [len(p) for p in planes.polygons] == [3, 3, 3]
    assert drawn_volume_ml(noisy) == pytest.approx(3 * polygon_area(circle(5)) * 9 / 1000, rel=2e-3)


def test_uneven_planes_own_the_slab_half_way_to_their_neighbours():
    planes = contour_planes(stack(lambda z: [circle(5, z=z)], [0.0, 3.27, 6.56, 9.75]))
    assert planes.step_mm == pytest.approx(3.27)
    expected = [(-1.635, 1.635), (1.635, 4.915), (4.915, 8.155), (8.155, 11.385)]
    np.testing.assert_allclose(planes.slabs_mm, expected)


def test_one_missing_plane_is_filled_and_reported():
    gap = stack(lambda z: [circle(5, z=z)], [0.0, 3.0, 6.0, 12.0, 15.0])
    planes = contour_planes(gap)
    assert planes.bridged_gaps_mm == ((6.0, 12.0),)
    assert planes.open_gaps_mm == ()
    assert drawn_volume_ml(gap) == pytest.approx(polygon_area(circle(5)) * 18 / 1000)


def test_a_wider_gap_stays_open_and_is_reported():
    gap = stack(lambda z: [circle(5, z=z)], [0.0, 3.0, 6.0, 30.0, 33.0])
    planes = contour_planes(gap)
    assert planes.open_gaps_mm == ((6.0, 30.0),)
    assert planes.bridged_gaps_mm == ()
    assert drawn_volume_ml(gap) == pytest.approx(polygon_area(circle(5)) * 15 / 1000)
    assert rasterise(gap, covering((2.0, 2.0, 2.0))).array[34:43].max() == 0.0


def test_a_region_beyond_the_grid_is_cut_and_its_drawn_volume_tells():
    half = Grid.from_spacing((40, 60, 60), (3.0, 2.0, 2.0), (-59.0, -59.0, 1.5))
    mask = rasterise(CYLINDER, half)
    assert mask.volume_ml == pytest.approx(CYLINDER_ML / 2, rel=1e-6)
    assert drawn_volume_ml(CYLINDER) == pytest.approx(CYLINDER_ML, rel=1e-9)


@pytest.mark.parametrize("origin", [(500.0, 0.0, 0.0), (0.0, 0.0, 500.0), (-500.0, -500.0, 0.0)])
def test_a_region_wholly_outside_the_grid_gives_an_empty_mask(origin):
    assert rasterise(CYLINDER, Grid.from_spacing((9, 8, 7), (3, 3, 3), origin)).total == 0.0


def test_a_contour_that_passes_the_grid_border_is_cut_exactly():
    square = stack(lambda z: [np.array([(-5, -5, z), (5, -5, z), (5, 5, z), (-5, 5, z)], float)], [0.0, 2.0])
    quarter = Grid.from_spacing((2, 10, 10), (2.0, 1.0, 1.0), (0.5, 0.5, 0.0))
    assert rasterise(square, quarter).volume_ml == pytest.approx(25 * 4 / 1000, rel=1e-6)


def test_one_plane_needs_its_thickness():
    flat = Contours((circle(10.0, z=7.0),))
    with pytest.raises(RegionError, match=r"one plane \(at 7\.00 mm\).*plane_step_mm"):
        rasterise(flat, covering((3.0, 2.0, 2.0)))
    mask = rasterise(Contours(flat.polygons, plane_step_mm=5.0), covering((3.0, 2.0, 2.0)))
    assert mask.volume_ml == pytest.approx(polygon_area(circle(10.0)) * 5 / 1000, rel=1e-6)


def test_contours_without_area_are_refused():
    with pytest.raises(RegionError, match="without any closed contour"):
        rasterise(Contours((circle(5.0)[:2],)), covering((3.0, 2.0, 2.0)))


def test_a_contour_that_is_not_flat_is_refused():
    bent = circle(10.0)
    bent[3, 2] += 2.0
    with pytest.raises(RegionError, match="leaves its plane by 2"):
        contour_planes(Contours((circle(30.0, z=5.0), bent)))


def test_another_frame_of_reference_is_refused():
    grid = Grid((2, 2, 2), np.eye(4), "1.2.3")
    with pytest.raises(GeometryError, match=r"drawn in frame of reference 1\.2\.4"):
        rasterise(Contours(CYLINDER.polygons, "1.2.4"), grid)


def test_contours_on_one_grid_after_the_other_are_as_on_each_alone():
    """Planes are made once for all grids of one normal: a turned, an upside-down and a sagittal grid have their own."""
    upside_down = np.eye(3)[:, ::-1] * [-1.0, 1.0, 1.0]
    grids = [covering((2.0, 1.5, 1.5), directions=d) for d in (None, upside_down, rotation(0.3, 0)[:, ::-1])]
    for grid in (*grids, covering((3.0, 2.0, 2.0), directions=np.eye(3))):
        alone = rasterise(Contours(CYLINDER.polygons), grid)
        assert np.array_equal(rasterise(CYLINDER, grid).array, alone.array)
        assert alone.volume_ml == pytest.approx(CYLINDER_ML, rel=2e-3)


def test_contours_of_another_step_have_planes_of_their_own():
    one = Contours((circle(10.0),), plane_step_mm=2.0)
    assert drawn_volume_ml(replace(one, plane_step_mm=3.0)) == pytest.approx(1.5 * drawn_volume_ml(one))


def test_polygons_of_contours_cannot_be_moved_in_place():
    """Their planes are used again: what is moved is other contours, whether by the contours or by who made them of an array."""
    polygon = circle(10.0)
    contours = Contours((polygon,), plane_step_mm=2.0)
    grid = covering((2.0, 1.5, 1.5))
    before = rasterise(contours, grid).array
    with pytest.raises(ValueError, match="read-only"):
        contours.polygons[0][:, 2] += 5.0
    polygon *= 1.5
    assert np.array_equal(rasterise(contours, grid).array, before)
    again = replace(contours, plane_step_mm=3.0)
    assert again.polygons[0] is contours.polygons[0]  # no copy of what nobody can move
    frozen = polygon.view()
    frozen.flags.writeable = False
    seen = Contours((frozen,), plane_step_mm=2.0)
    polygon *= 1.5
    assert not np.array_equal(seen.polygons[0], polygon)
