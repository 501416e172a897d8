"""How much of the lungs an image sees, by hand: lungs of 48 mL in view, at 0.26 g/mL."""

from dataclasses import replace

import numpy as np
import pytest

from y90voxel.quantification.lung_view import LungView, lung_view
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((6, 4, 4), (10.0, 10.0, 10.0))


def lung(name, columns, seen=1.0, **facts):
    array = np.zeros(GRID.shape)
    array[:, :, columns] = 1.0
    usual = {"fraction_in_image": seen, "truncated": seen < 1.0}
    return replace(Region(name, Role.LUNG, Mask(array, GRID)), **(usual | facts))


def view(*lungs, masses_g=None):
    return lung_view(Regions(GRID, lungs), masses_g)


def test_lungs_of_which_an_image_sees_different_parts():
    """Half of the right lung is 48 mL, so it has 96; with the left one 96 of 144 mL are in view; of 1 kg 0.26 x 96 g."""
    found = view(lung("Lung_R", slice(0, 2), 0.5), lung("Lung_L", slice(2, 4)))
    assert found.share == pytest.approx(2 / 3)
    assert found.low == pytest.approx(0.26 * 96 / 1000.0)
    assert found.high == 1.0


def test_masses_of_the_ct_come_first():
    """800 g of which half is in view, and 400 g: 800 of 1200 g; the left lung without a mass weighs 12.48 g."""
    lungs = lung("Lung_R", slice(0, 2), 0.5), lung("Lung_L", slice(2, 4))
    found = view(*lungs, masses_g={"Lung_R": 800.0, "Lung_L": 400.0})
    assert (found.share, found.low) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    found = view(*lungs, masses_g={"Lung_R": 800.0, "Lung_L": None})
    assert found.share == pytest.approx((400.0 + 12.48) / 812.48)
    assert found.low == pytest.approx((400.0 + 12.48) / 1000.0)


def test_one_lung_wholly_in_view_is_part_of_a_kilogram():
    found = view(lung("Lung_R", slice(0, 2)))
    assert (found.share, found.low) == (pytest.approx(0.01248), pytest.approx(0.01248))
    heavy = view(lung("Lung_R", slice(0, 2)), masses_g={"Lung_R": 1200.0})
    assert (heavy.share, heavy.low, heavy.high) == (1.0, 1.0, 1.0)


def test_a_contour_that_ends_at_an_edge_is_part_of_a_kilogram():
    lungs = lung("Lung_R", slice(0, 2), 0.5, cut_off=True), lung("Lung_L", slice(2, 4))
    assert view(*lungs).share == pytest.approx(0.26 * 96 / 1000.0)


def test_lungs_of_the_ct_and_no_lungs_say_nothing():
    lungs = [
        lung(name, columns, from_ct=True)
        for name, columns in (("Lung_R", slice(0, 2)), ("Lung_L", slice(2, 4)))
    ]
    for found in (view(*lungs), view()):
        assert (found.share, found.low, found.high) == (0.0, 0.0, 1.0)


def test_what_an_image_holds_of_a_shunt_and_its_range():
    """Of 2 GBq and a shunt of 0.1: 0.9 and half of 0.1; between 0.9 + 0.02 and 1, 0.04 either way of 0.95."""
    seen = LungView(0.5, 0.2, 1.0)
    assert seen.activity_in_view(2e9, 0.1) == pytest.approx(1.9e9)
    assert seen.activity_in_view(2e9, 0.1, 0.0) == pytest.approx(1.8e9)
    assert seen.relative_range(0.1) == pytest.approx(0.04 / 0.95)
