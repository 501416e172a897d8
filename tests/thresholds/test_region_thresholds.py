"""Guards around regions, one case on each side: tumour outside the liver, lungs in view, the same region drawn twice."""

from dataclasses import replace

import numpy as np
import pytest

from y90voxel.case.verify import _fraction_in_view, _region_notices
from y90voxel.regions.regions import Region, Regions, union
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((1, 1, 1000), (10.0, 10.0, 10.0))


def row(start, stop, value=1.0):
    """A region along a row of voxels of 1 mL."""
    array = np.zeros(GRID.shape)
    array[0, 0, start:stop] = value
    return Mask(array, GRID)


def codes(outside):
    """Notices of a tumour of 100 mL with so many voxels beyond the liver."""
    drawn = (
        Region("Liver", Role.LIVER, row(0, 500)),
        Region("GTV", Role.TUMOUR, row(400 + outside, 500 + outside)),
    )
    return [notice.code for notice in _region_notices(Regions(GRID, drawn))]


@pytest.mark.parametrize("outside", [0, 1, 2])
def test_a_tumour_up_to_2_percent_outside_the_liver_is_no_notice(outside):
    assert "tumour-outside-liver" not in codes(outside)


@pytest.mark.parametrize("outside", [3, 30, 100])
def test_a_tumour_just_above_2_percent_outside_the_liver_is_a_notice(outside):
    assert "tumour-outside-liver" in codes(outside)


def lungs(**facts):
    return Regions(GRID, (replace(Region("Lungs", Role.LUNG, row(0, 600)), **facts),))


def test_lungs_wholly_in_view_are_all_seen():
    assert _fraction_in_view(lungs(), 500.0) == 1.0


def test_lungs_drawn_beyond_the_image_are_seen_in_the_part_that_lies_in_it():
    assert _fraction_in_view(lungs(fraction_in_image=0.75, truncated=True), 500.0) == pytest.approx(0.75)
    assert _fraction_in_view(lungs(fraction_in_image=0.999, truncated=True), 500.0) == pytest.approx(0.999)


def test_the_share_of_two_lungs_is_that_of_their_volumes_together():
    left = Region("Lung_L", Role.LUNG, row(0, 300), fraction_in_image=0.5, truncated=True)
    right = Region("Lung_R", Role.LUNG, row(300, 700))
    assert _fraction_in_view(Regions(GRID, (left, right)), 500.0) == pytest.approx(700 / 1000)


@pytest.mark.parametrize(("mass_g", "share"), [(640.0, 0.64), (999.0, 0.999), (1001.0, 1.0)])
def test_lungs_that_the_image_of_their_drawing_cuts_are_seen_by_mass_against_1_kg(mass_g, share):
    assert _fraction_in_view(lungs(truncated=True, cut_off=True), mass_g) == pytest.approx(share)


def test_one_lung_alone_is_seen_by_mass_against_1_kg():
    one = Regions(GRID, (Region("Lung_L", Role.LUNG, row(0, 600)),))
    assert _fraction_in_view(one, 400.0) == pytest.approx(0.4)


def test_without_lungs_none_are_in_view():
    assert _fraction_in_view(Regions(GRID, (Region("Liver", Role.LIVER, row(0, 5)),)), 500.0) == 0.0


def shares(shared):
    """The union of two regions of 100 mL, half occupied, that share so many voxels [mL]."""
    return union([row(0, 200, 0.5), row(200 - shared, 400 - shared, 0.5)], same_kind=True).volume_ml


def test_regions_that_share_just_below_a_quarter_are_neighbours_and_add_up():
    assert shares(49) == pytest.approx(200.0)
    assert shares(50) == pytest.approx(200.0)  # at a quarter


def test_regions_that_share_just_above_a_quarter_are_one_thing_and_count_once():
    assert shares(51) == pytest.approx(200.0 - 25.5)
    assert shares(150) == pytest.approx(125.0)
