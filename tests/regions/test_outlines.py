"""Outlines of one region that lie on each other: twice the same, crossing, holes, lesions with planes of their own."""

import numpy as np
import pytest

from y90voxel.regions.contour_planes import distinct_outlines, lesion_planes
from y90voxel.regions.outlines import SAME_OUTLINE_MM
from y90voxel.regions.rasterise import drawn_volume_ml, rasterise
from y90voxel.regions.region import Contours
from y90voxel.volumes.grid import Grid

HEIGHTS = np.arange(0.0, 40.0, 5.0)


def square(half, centre=(0.0, 0.0), z=0.0):
    x, y = centre
    return np.array([(x + a * half, y + b * half, z) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))], float)


def column(half=10.0, centre=(0.0, 0.0), heights=HEIGHTS):
    return [square(half, centre, z) for z in heights]


def volume_ml(polygons, step=None):
    return drawn_volume_ml(Contours(tuple(polygons), plane_step_mm=step))


@pytest.mark.parametrize(
    "again",
    [
        lambda p: p.copy(),
        lambda p: np.roll(p, 1, axis=0),
        lambda p: p[::-1].copy(),
        lambda p: np.add(p, (0.001, 0, 0)),
        lambda p: np.insert(p, 2, 0.5 * (p[1] + p[2]), axis=0),
        lambda p: np.add(p, (0, 0, 0.05)),
    ],
    ids=["bytes", "start vertex", "direction", "rounded", "vertex more", "plane rounded"],
)
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("planes", [1, 3, 8])
def test_an_outline_drawn_twice_counts_once(again, copies, planes):
    drawn = column()
    outlines = distinct_outlines([*drawn, *(again(p) for p in drawn[:planes] for _ in range(copies))])
    assert (outlines.repeated, outlines.crossing) == (copies * planes, 0)
    assert volume_ml(outlines.polygons) == pytest.approx(16.0)


def test_a_hole_drawn_twice_stays_one_hole():
    ring = [*column(), *column(5.0)]
    outlines = distinct_outlines([*ring, *column(5.0)])
    assert outlines.repeated == len(HEIGHTS)
    assert volume_ml(outlines.polygons) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("wall_mm", "repeated"), [(0.9, 0), (1.1, 0), (0.8 * SAME_OUTLINE_MM, 8), (1.2 * SAME_OUTLINE_MM, 0)]
)
def test_a_hole_stays_a_hole_unless_its_wall_is_no_thicker_than_a_quarter_of_a_pixel(wall_mm, repeated):
    drawn = [*column(), *column(10.0 - wall_mm)]
    outlines = distinct_outlines(drawn)
    assert (outlines.repeated, outlines.crossing) == (repeated, 0)
    expected = 16.0 if repeated else 16.0 - (20 - 2 * wall_mm) ** 2 * 40 / 1000
    assert volume_ml(outlines.polygons) == pytest.approx(expected)


def test_outlines_that_cross_are_counted_with_both_volumes():
    outlines = distinct_outlines([*column(), *column(centre=(10.0, 0.0))])
    assert (outlines.repeated, outlines.crossing) == (0, 8)
    assert (outlines.even_odd_ml, outlines.union_ml) == (pytest.approx(16.0), pytest.approx(24.0))
    assert volume_ml(outlines.polygons) == pytest.approx(16.0)


@pytest.mark.parametrize(("apart_mm", "crossing"), [(20.0, 0), (19.7, 0), (19.5, 8)])
def test_outlines_that_touch_do_not_cross(apart_mm, crossing):
    assert distinct_outlines([*column(), *column(centre=(apart_mm, 0.0))]).crossing == crossing


@pytest.mark.parametrize(
    ("heights", "step"),
    [
        (HEIGHTS, 5.0),
        (HEIGHTS + 2.0, 5.0),
        (HEIGHTS + 0.3, 5.0),
        (np.arange(0, 36, 2.5), 2.5),
        (np.arange(1, 36, 2.0), 2.0),
        (np.arange(-3, 36, 3.3), 3.3),
        (HEIGHTS[:1] + 2.0, 5.0),
    ],
)
def test_each_lesion_of_a_region_keeps_its_own_planes(heights, step):
    one, other = column(8.0, (-20, 0)), column(8.0, (15, 0), heights)
    expected = 256 * (40 + len(heights) * step) / 1000
    both = Contours(tuple(one + other))
    assert drawn_volume_ml(both) == pytest.approx(expected)
    grid = Grid.from_spacing((30, 30, 40), (2.0, 3.0, 2.5), (-50, -40, -10))
    assert rasterise(both, grid).volume_ml == pytest.approx(expected, rel=1e-4)


def test_lesions_side_by_side_whose_boxes_overlap_are_told_apart():
    triangle = np.array([(0, 0, 0), (20, 0, 0), (0, 20, 0)], float)
    one = [np.add(triangle, (0, 0, z)) for z in HEIGHTS]
    other = [(21.0, 21.0, 0.0) - triangle + (0, 0, z) for z in np.arange(0, 40, 2.0)]
    assert len(lesion_planes(Contours(tuple(one + other)))) == 2
    assert volume_ml(one + other) == pytest.approx(200 * 80 / 1000)


@pytest.mark.parametrize(
    ("heights", "thickness"),
    [
        ([0, 2, 4, 6, 11, 16, 21], 1 + 21 + 2.5),  # drawn on two series: 2 mm, then 5 mm
        ([0, 5, 10, 15, 55, 57, 59, 61], 20 + 8),  # two lesions above each other, set apart
        ([0, 5, 10, 55, 57, 59], 15 + 6),
        ([0, 5, 15, 20], 25),  # one plane missing
        ([0, 5, 17, 22], 20),  # more than one
    ],
)
def test_planes_above_each_other_count_by_their_own_distance(heights, thickness):
    assert volume_ml(column(heights=np.array(heights, float))) == pytest.approx(400 * thickness / 1000)


def test_a_lesion_that_lacks_a_plane_which_another_has_is_filled_and_reported():
    other = column(8.0, (15, 0), np.delete(HEIGHTS, 3))
    (_, lacking) = lesion_planes(Contours(tuple(column(8.0, (-20, 0)) + other)))
    assert lacking.bridged_gaps_mm == ((10.0, 20.0),)
    assert volume_ml(column(8.0, (-20, 0)) + other) == pytest.approx(2 * 256 * 40 / 1000)


@pytest.mark.parametrize(("step", "thickness"), [(None, 60.0), (5.0, 55.0), (10.0, 60.0), (4.0, 6 * 4.0)])
def test_planes_on_every_other_slice_reach_half_a_slice_beyond_their_ends(step, thickness):
    every_other = column(heights=np.arange(0.0, 60.0, 10.0))
    assert volume_ml(every_other, step) == pytest.approx(400 * thickness / 1000)
