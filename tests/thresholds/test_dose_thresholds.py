"""Guards of dose maps, one case on each side: voxels and regions that a CT shows, a gamma mask, rounding below zero."""

import numpy as np
import pytest

from y90voxel.dose import photon_tail
from y90voxel.dose.density_map import DensityModel, build_density_map
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.errors import InputError
from y90voxel.metrics.gamma import GammaNormalisation, gamma_index
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask, TimeIntegratedActivityMap

GRID = Grid.from_spacing((200, 3, 3), (10.0, 10.0, 10.0))
AIR = DensityModel(floor_g_per_ml=0.1)


def ct_up_to(end_mm, hu=-700.0):
    """A CT of 1 mm slices over the columns of the grid, from below its first slice to ``end_mm``."""
    spacing = (1.0, 10.0, 10.0)
    fine = Grid.from_spacing((round(end_mm + 5.0), 3, 3), spacing, (0.0, 0.0, -4.5))
    assert fine.index_to_lps(np.array([0, 0, 0]))[2] == pytest.approx(-4.5)
    return CtImage(np.full(fine.shape, hu), fine)


def density_along(end_mm, regions):
    density, _, notices = build_density_map(GRID, regions, ct_up_to(end_mm), AIR)
    return density.array[:, 1, 1], [notice.code for notice in notices]


@pytest.mark.parametrize(("covered_mm", "from_ct"), [(4.0, False), (6.0, True)], ids=["40 %", "60 %"])
def test_a_voxel_takes_its_density_from_a_ct_that_covers_more_than_half_of_it(covered_mm, from_ct):
    """Voxel 100 begins at 995 mm."""
    found, _ = density_along(995.0 + covered_mm, Regions(GRID))
    assert found[99] == pytest.approx(found[50])
    assert bool(found[100] < 1.0) is from_ct
    assert found[101] == pytest.approx(AIR.soft_tissue_g_per_ml)


def liver_up_to(voxels):
    array = np.zeros(GRID.shape)
    array[:voxels] = 1.0
    return Regions(GRID, (Region("Liver", Role.LIVER, Mask(array, GRID)),))


def test_a_region_of_which_the_ct_shows_at_least_99_percent_is_no_notice():
    assert "ct-coverage" not in density_along(1985.0, liver_up_to(200))[1]  # 199 of 200 slices
    assert "ct-coverage" not in density_along(1975.0, liver_up_to(199))[1]  # 198 of 199


def test_a_region_of_which_the_ct_shows_just_below_99_percent_is_a_notice():
    assert "ct-coverage" in density_along(1965.0, liver_up_to(200))[1]  # 197 of 200


def test_a_liver_density_from_the_ct_needs_99_percent_of_the_liver():
    model = DensityModel(liver_g_per_ml=None)
    build_density_map(GRID, liver_up_to(200), ct_up_to(1985.0, 60.0), model)
    with pytest.raises(InputError, match=r"covers only 98\.5 % of liver"):
        build_density_map(GRID, liver_up_to(200), ct_up_to(1965.0, 60.0), model)


@pytest.mark.parametrize(("occupancy", "voxels"), [(0.49, 1), (0.5, 2), (0.51, 2)])
def test_gamma_looks_at_voxels_that_the_region_fills_at_least_by_half(occupancy, voxels):
    dose = np.full((1, 1, 3), 50.0)
    mask = [[[1.0, occupancy, 0.0]]]
    facts = {"normalisation": GammaNormalisation.GLOBAL, "cutoff_fraction": 0.0, "mask": mask}
    found = gamma_index(dose, dose, (4.0, 4.0, 4.0), dose_fraction=0.1, distance_mm=4.0, **facts)
    assert np.isfinite(found.gamma).sum() == voxels


def test_a_photon_tail_that_rounds_below_zero_gives_no_negative_dose(monkeypatch):
    """The Fourier transform leaves noise of either sign where nothing arrives."""
    tia = TimeIntegratedActivityMap(np.ones((6, 6, 6)), Grid.from_spacing((6, 6, 6), (8.0, 8.0, 8.0)))
    original = photon_tail._convolve

    def noisy(at_nodes, octant):
        found = np.array(original(at_nodes, octant))
        found[0], found[1] = -1e-9, 1e-9
        return found

    monkeypatch.setattr(photon_tail, "_convolve", noisy)
    dose = PhotonTail("Y-90").dose(tia).array
    assert dose.min() == 0.0
    assert (dose[0] == 0.0).all()
    assert (dose[1] > 0.0).all()
