import math

import numpy as np
import pytest
from phantoms import ellipsoid
from scipy.optimize import brentq
from scipy.special import erf

from y90voxel.errors import InputError, RegionError
from y90voxel.regions.isocontour import isocontour, isocontours
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((33, 35, 37), (4.0, 3.8, 4.2), (-75.6, -64.6, -64.0))
SIGMA = 10.0 / 2.3548
WHOLE = Mask(np.ones(GRID.shape), GRID)


def blurred_sphere(r, radius):
    """A uniform sphere blurred by a Gaussian, at distance r from its centre: closed form."""
    s = SIGMA * math.sqrt(2)
    edges = 0.5 * (erf((radius - r) / s) + erf((radius + r) / s))
    tails = np.exp(-(((radius - r) / s) ** 2)) - np.exp(-(((radius + r) / s) ** 2))
    return edges - SIGMA / (r * math.sqrt(2 * math.pi)) * tails


def image_of(radius, level=1.0):
    there = GRID.index_to_lps(np.stack(np.indices(GRID.shape), axis=-1))
    r = np.maximum(np.linalg.norm(there, axis=-1), 1e-6)
    return CountMap(level * blurred_sphere(r, radius), GRID)


@pytest.mark.parametrize("fraction", [0.3, 0.4, 0.5])
@pytest.mark.parametrize("radius", [15.0, 25.0])
def test_the_volume_of_a_blurred_sphere_is_that_of_its_closed_form(radius, fraction):
    image = image_of(radius)
    edge = brentq(lambda r: blurred_sphere(r, radius) - fraction * image.array.max(), 1.0, 60.0)
    found = isocontour(image, WHOLE, fraction, "tumour")
    # 1.5 % of the volume of the smaller is 0.07 mm of its radius, on voxels of 4 mm.
    assert found.shape.volume_ml == pytest.approx(4 / 3 * math.pi * edge**3 / 1000, rel=0.015)


def test_the_region_stays_in_the_liver_and_says_that_nobody_drew_it():
    liver = ellipsoid(GRID, (15.0, 0, 0), (20, 20, 20))
    found = isocontour(image_of(25.0), liver, 0.4, "tumour")
    assert (found.shape.array <= liver.array + 1e-6).all()
    assert (found.name, found.automatic, found.role) == ("tumour (40 % isocontour)", True, Role.TUMOUR)


def test_the_maximum_is_that_of_the_liver():
    hot = image_of(25.0).array.copy()
    hot[0, 0, 0] = 100.0
    liver = Mask((np.indices(GRID.shape)[0] > 2).astype(float), GRID)
    plain = isocontour(image_of(25.0), liver, 0.4, "tumour").shape.volume_ml
    assert isocontour(CountMap(hot, GRID), liver, 0.4, "tumour").shape.volume_ml == pytest.approx(plain)


def test_an_image_without_an_edge_is_wholly_in():
    assert isocontour(CountMap(np.ones(GRID.shape), GRID), WHOLE, 0.4, "perfused").shape.array.min() == 1.0


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 40.0])
def test_shares_that_cannot_be_are_refused(fraction):
    with pytest.raises(InputError, match="between 0 and 100 %"):
        isocontour(image_of(15.0), WHOLE, fraction, "tumour")


def test_an_empty_liver_is_refused():
    with pytest.raises(RegionError, match="holds nothing in the liver"):
        isocontour(CountMap(np.zeros(GRID.shape), GRID), WHOLE, 0.4, "tumour")


def test_a_study_without_contours_gets_both_and_is_told():
    liver = DrawnRegion("Liver", ellipsoid(GRID, (0, 0, 0), (40, 40, 40)))
    found, said = isocontours([liver], {}, [image_of(25.0)], {"tumour": 0.5, "perfused": 0.1})
    assert [region.role for region in found] == [Role.TUMOUR, Role.PERFUSED]
    assert [notice.code for notice in said] == ["isocontour", "isocontour"]
    assert "reaches 50 % of its maximum" in said[0].message
    assert isocontours([liver], {}, [], {}) == ([], [])


def test_isocontours_that_contradict_the_study_are_refused():
    liver = DrawnRegion("Liver", ellipsoid(GRID, (0, 0, 0), (40, 40, 40)))
    tumour = DrawnRegion("GTV1", ellipsoid(GRID, (0, 0, 0), (10, 10, 10)))
    image = image_of(25.0)
    with pytest.raises(RegionError, match=r"tumour regions are drawn \(GTV1\)"):
        isocontours([liver, tumour], {}, [image], {"tumour": 0.4})
    with pytest.raises(RegionError, match="no liver is among"):
        isocontours([tumour], {"GTV1": "other"}, [image], {"tumour": 0.4})
    with pytest.raises(InputError, match="needs one emission image, but 2"):
        isocontours([liver], {}, [image, image], {"tumour": 0.4})
    with pytest.raises(InputError, match="stands for tumour or perfused"):
        isocontours([liver], {}, [image], {"lung": 0.4})
