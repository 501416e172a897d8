"""Doses by territory: parts of tumours and normal liver, and what is too little to be one."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from y90voxel.case.territory_doses import artery_summary, territory_doses
from y90voxel.quantification.arteries import ArteryShare
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

GRID = Grid.from_spacing((10, 10, 40), (2.0, 2.0, 2.0))


def share(territory):
    return ArteryShare(
        "injection 1", territory, None, 0.0, 1e9, 1e9, 0.1, None if territory is None else 4.5e8
    )


def parts_of(overlap):
    """A tumour of 1000 voxels, of which some lie in the territory, at twice the dose."""
    tumour, territory = np.zeros(GRID.shape), np.zeros(GRID.shape)
    tumour[:, :, :10] = 1.0
    territory[:, :, 10:30] = 1.0
    territory[:, :, :10].flat[:overlap] = 1.0
    drawn = (
        Region("GTV1", Role.TUMOUR, Mask(tumour, GRID)),
        Region("left", Role.PERFUSED, Mask(territory, GRID)),
    )
    dose = DoseMap(50.0 * (1.0 + tumour), GRID)
    density = DensityMap(np.ones(GRID.shape), GRID)
    (found,) = territory_doses([share("left")], Regions(GRID, drawn), dose, density, {})
    return {part.region: part for part in found.parts}


@pytest.mark.parametrize(("overlap", "named"), [(9, False), (10, True), (400, True)])
def test_a_tumour_is_split_where_a_hundredth_of_it_lies_in_the_territory(overlap, named):
    parts = parts_of(overlap)
    assert ("GTV1" in parts) is named
    assert parts["left"].volume_ml == pytest.approx((2000 + overlap) * 0.008)
    assert parts["left"].mean_gy == pytest.approx(50.0 * (2000 + 2 * overlap) / (2000 + overlap))
    if named:
        assert parts["GTV1"].volume_ml == pytest.approx(overlap * 0.008)
        assert parts["GTV1"].mean_gy == pytest.approx(100.0)


def test_without_a_territory_there_are_no_parts_and_the_sum_still_stands():
    dose, density = DoseMap(np.ones(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)
    found = territory_doses([share(None)], Regions(GRID, ()), dose, density, {})
    assert found[0].parts == ()
    summary = artery_summary(found)
    assert summary["activity_at_reference_bq"] == 1e9
    assert summary["injections"][0]["image_over_stated"] is None
    assert artery_summary(()) is None


def test_an_edge_that_tumour_and_normal_liver_share_is_counted_once():
    liver, tumour = np.ones(GRID.shape), np.zeros(GRID.shape)
    tumour[2:6, 2:6, 2:6] = 1.0
    tumour[2:6, 2:6, 6] = 0.4  # half-filled voxels that normal liver fills to the brim
    drawn = (Region("Liver", Role.LIVER, Mask(liver, GRID)), Region("GTV1", Role.TUMOUR, Mask(tumour, GRID)))
    dose, density = DoseMap(np.ones(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)
    regions = Regions(GRID, drawn)
    (of_tumour,) = territory_doses([share("GTV1")], regions, dose, density, {})
    assert [part.region for part in of_tumour.parts] == ["GTV1"]
    (of_liver,) = territory_doses([share("Liver")], regions, dose, density, {})
    volume = {part.region: part.volume_ml for part in of_liver.parts}
    assert volume["GTV1"] + volume["non-tumour liver"] == pytest.approx(volume["Liver"])


def test_a_region_without_a_voxel_has_no_part_anywhere():
    territory = np.zeros(GRID.shape)
    territory[:, :, 10:30] = 1.0
    drawn = (
        Region("GTV1", Role.TUMOUR, Mask(np.zeros(GRID.shape), GRID)),
        Region("left", Role.PERFUSED, Mask(territory, GRID)),
    )
    maps = DoseMap(np.ones(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)
    (found,) = territory_doses([share("left")], Regions(GRID, drawn), *maps, {})
    assert "GTV1" not in {part.region for part in found.parts}


def test_parts_of_a_territory_fill_it_where_a_voxel_holds_some_of_each():
    """Voxels that are 0.4 tumour and by half in the territory: what is neither counted twice nor lost."""
    tumour, territory = np.zeros(GRID.shape), np.zeros(GRID.shape)
    tumour[:, :, :10], tumour[:, :, 10] = 1.0, 0.4
    territory[:, :, 5:30], territory[:, :, 10] = 1.0, 0.5
    drawn = (
        Region("Liver", Role.LIVER, Mask(np.ones(GRID.shape), GRID)),
        Region("GTV1", Role.TUMOUR, Mask(tumour, GRID)),
        Region("left", Role.PERFUSED, Mask(territory, GRID)),
    )
    maps = DoseMap(np.ones(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)
    (found,) = territory_doses([share("left")], Regions(GRID, drawn), *maps, {})
    volume = {part.region: part.volume_ml for part in found.parts}
    assert volume["GTV1"] == pytest.approx(100 * (5 + 0.4) * 0.008)
    assert volume["GTV1"] + volume["non-tumour liver"] == pytest.approx(volume["left"])


def test_the_reference_time_is_that_of_the_last_injection():
    first, last = datetime(2026, 3, 2, 10), datetime(2026, 3, 3, 12)
    shares = [replace(share(None), time=first, hours_before_reference=26.0), replace(share(None), time=last)]
    found = territory_doses(shares, Regions(GRID, ()), None, None, {})
    assert artery_summary(found)["reference_time"] == "2026-03-03T12:00:00"
    assert artery_summary(found[:1])["reference_time"] is None


@pytest.mark.parametrize("share_of_voxel", [0.3, 0.9])
def test_a_region_of_less_than_a_voxel_has_a_part_too(share_of_voxel):
    tumour, territory = np.zeros(GRID.shape), np.zeros(GRID.shape)
    tumour[5, 5, 20], territory[:, :, 10:30] = share_of_voxel, 1.0
    drawn = (
        Region("GTV1", Role.TUMOUR, Mask(tumour, GRID)),
        Region("left", Role.PERFUSED, Mask(territory, GRID)),
    )
    dose, density = DoseMap(np.full(GRID.shape, 7.0), GRID), DensityMap(np.ones(GRID.shape), GRID)
    (found,) = territory_doses([share("left")], Regions(GRID, drawn), dose, density, {})
    assert {part.region: part.mean_gy for part in found.parts} == {"left": 7.0, "GTV1": 7.0}
