"""One factor for the map, what other regions would have made of it, and lungs that an image sees in part."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case
from scipy.ndimage import gaussian_filter

from y90voxel.quantification.calibration import Calibration, CalibrationRegion
from y90voxel.quantification.calibration_spread import LIVER_AND_MARGIN, CalibrationSpread, combined_spread
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.lung_measures import within_reach
from y90voxel.quantification.lung_view import LungView, lung_view
from y90voxel.quantification.quantify import quantify
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

GRID = Grid.from_spacing((70, 40, 50), (4.0, 4.0, 4.0), (-98.0, -78.0, -90.0))
LUNGS = {
    "Lung_R": ((-40.0, 0.0, 95.0), (35.0, 50.0, 85.0)),
    "Lung_L": ((40.0, 0.0, 95.0), (35.0, 50.0, 85.0)),
}


def over(region):
    return Calibration(region=CalibrationRegion(region))


def blurred(fwhm_mm=10.0, **facts):
    """A case whose image is blurred as a camera blurs."""
    case = liver_case(**facts)
    counts = case.injections[0].emission.volume
    image = gaussian_filter(counts.array, fwhm_mm / 2.355 / 4.0, mode="constant")
    emission = EmissionImage(CountMap(image, counts.grid), "NM", "Tc-99m", predicted=True)
    return replace(case, injections=(replace(case.injections[0], emission=emission),))


def test_every_run_says_what_other_regions_would_give():
    case = blurred(shunt=0.05)
    found = quantify(case)
    counts = case.injections[0].emission.volume.array
    liver = case.regions.mask_of(Role.LIVER, Role.TUMOUR)
    inside = {
        "liver": (counts * liver.array).sum() / 0.95,
        LIVER_AND_MARGIN: (counts * within_reach(liver, 20.0).array).sum() / 0.95,
        "fov": counts.sum(),  # both lungs are in view
    }
    assert dict(found.spread.factors) == pytest.approx(
        {k: inside["liver"] / v for k, v in inside.items()}, rel=1e-6
    )
    assert found.spread.spread == pytest.approx(1.0 - min(found.spread.factors.values()))
    assert found.spread.scaling == pytest.approx(0.5 * found.spread.spread)
    assert "calibration-spread" in {n.code for n in found.notices}


@pytest.mark.parametrize("region", ["liver", "fov"])
def test_a_factor_says_what_a_run_over_that_region_gives(region):
    chosen, other = quantify(blurred(calibration=over(region))), quantify(blurred(calibration=over("fov")))
    ratio = other.map_activity_bq / chosen.map_activity_bq
    assert chosen.spread.factors["fov"] == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-12])
def test_the_factors_do_not_hang_on_the_unit_of_the_counts(scale):
    case = blurred(shunt=None, calibration=over("liver+lungs"))
    (injection,) = case.injections
    counts = injection.emission.volume
    emission = replace(injection.emission, volume=CountMap(scale * counts.array, counts.grid))
    found = quantify(replace(case, injections=(replace(injection, emission=emission),)))
    assert found.spread.factors["liver+lungs"] == 1.0
    assert 0.9 < found.spread.factors["liver"] < 1.1


def test_an_image_without_blur_is_the_same_over_all_regions():
    case = liver_case(lungs=False, shunt=0.0)
    solid = [replace(r, mask=r.mask.with_array((r.mask.array >= 0.5) * 1.0)) for r in case.regions.drawn]
    counts = CountMap(10.0 * solid[0].mask.array, case.grid)  # no voxel at the edge is filled in part
    injection = replace(case.injections[0], emission=EmissionImage(counts, "NM", "Tc-99m", predicted=True))
    found = quantify(replace(case, regions=Regions(case.grid, tuple(solid)), injections=(injection,)))
    assert dict(found.spread.factors) == pytest.approx({"liver": 1.0, LIVER_AND_MARGIN: 1.0, "fov": 1.0})
    assert not {"calibration-spread", "map-over-net"} & {n.code for n in found.notices}


def view_of(slices, *, contour_cut=None):
    """The view of an image that ends after some slices, of lungs whole or with contours that end there too."""
    whole = {name: ellipsoid(GRID, *shape) for name, shape in LUNGS.items()}
    grid = GRID.crop((0, 0, 0), (slices, *GRID.shape[1:]))
    drawn = []
    for name, mask in whole.items():
        array = mask.array.copy()
        if contour_cut is not None:
            array[contour_cut:] = 0.0
        fraction = array[:slices].sum() / array.sum()
        end = contour_cut is not None and mask.array[contour_cut:].any()
        cut = mask.with_array(array).array[:slices]
        drawn.append(
            Region(
                name,
                Role.LUNG,
                type(mask)(cut, grid),
                False,
                fraction,
                fraction < 1.0 or bool(end),
                False,
                bool(end),
            )
        )
    return lung_view(Regions(grid, tuple(drawn))), whole


@pytest.mark.parametrize("slices", range(32, 71, 2))
def test_activity_in_view_grows_steadily_with_the_view(slices):
    """The truth: uniform uptake, contours whole, the emission image ends anywhere; 20 positions."""
    view, whole = view_of(slices)
    seen = sum(mask.array[:slices].sum() for mask in whole.values()) / sum(
        m.array.sum() for m in whole.values()
    )
    assert view.share == pytest.approx(seen, abs=1e-9)
    assert view.activity_in_view(2e9, 0.1) == pytest.approx(2e9 * (1 - 0.1 * (1 - seen)))
    assert view.low <= view.share <= view.high == 1.0


@pytest.mark.parametrize("cut", range(32, 71, 2))
def test_contours_that_end_with_the_ct_are_measured_against_a_kilogram_and_bracketed(cut):
    """The emission image sees all: the truth, 1, is in the bracket wherever the CT ends."""
    view, whole = view_of(70, contour_cut=cut)
    mass = 0.26 * sum(m.array[:cut].sum() for m in whole.values()) * GRID.voxel_volume_ml
    ends = any(m.array[cut:].any() for m in whole.values())
    assert view.share == pytest.approx(min(1.0, mass / 1000.0) if ends else 1.0, rel=1e-6)
    assert view.low <= view.share <= 1.0 == view.high
    half = view.relative_range(0.06)
    held = view.activity_in_view(1.0, 0.06)
    assert held * (1 + 2 * half) >= 1.0 - 1e-9  # all of it is within the range
    assert abs(held - 1.0) <= 0.06


def test_one_lung_alone_does_not_hold_all_of_the_shunt():
    case = liver_case()
    one = Regions(case.grid, tuple(r for r in case.regions.drawn if r.name != "Lung_L"))
    assert 0.0 < lung_view(one).share < 0.5
    none = Regions(case.grid, tuple(r for r in case.regions.drawn if r.role is not Role.LUNG))
    assert lung_view(none) == LungView(0.0, 0.0, 1.0)


def test_a_field_of_view_with_lungs_in_part_is_said_with_its_range():
    case = liver_case(shunt=0.1, calibration=over("fov"))
    half = tuple(
        replace(r, truncated=True, fraction_in_image=0.5) if r.role is Role.LUNG else r
        for r in case.regions.drawn
    )
    found = quantify(replace(case, regions=Regions(case.grid, half)))
    assert found.map_activity_bq == pytest.approx(2e9 * (1 - 0.1 * 0.5))
    assert found.spread.lung_share == pytest.approx(0.5)
    low = 2 * 0.26 * sum(r.mask.volume_ml for r in half if r.role is Role.LUNG) / 1000.0 * 0.5
    assert found.spread.lung_range == pytest.approx(0.5 * 0.1 * (1.0 - min(0.5, low)) / 0.95)
    assert "lungs-in-part" in {n.code for n in found.notices}
    assert found.spread.scaling > 0.5 * found.spread.spread


@pytest.mark.parametrize("fraction", [0.4, 0.6, 0.8, 1.0])
def test_a_shunt_measured_on_a_part_of_the_lungs_is_that_of_all(fraction):
    """Uniform uptake: an image that ends in the lungs gives the shunt of one that does not."""
    whole = liver_case(shunt=None, shunt_source="spect")
    expected = quantify(whole).lung_shunt_fraction
    lungs = [r for r in whole.regions.drawn if r.role is Role.LUNG]
    top = GRID.shape[0]
    for top in range(whole.grid.shape[0], 0, -1):
        if all(r.mask.array[:top].sum() <= fraction * r.mask.total for r in lungs):
            break
    grid = whole.grid.crop((0, 0, 0), (top, *whole.grid.shape[1:]))
    parts = []
    for region in whole.regions.drawn:
        mask = type(region.mask)(region.mask.array[:top], grid)
        seen = mask.total / region.mask.total
        parts.append(replace(region, mask=mask, fraction_in_image=seen, truncated=seen < 1.0))
    injection = whole.injections[0]
    image = replace(injection.emission, volume=CountMap(injection.emission.volume.array[:top], grid))
    cut = replace(
        whole, regions=Regions(grid, tuple(parts)), injections=(replace(injection, emission=image),)
    )
    found = quantify(cut)
    assert found.lung_shunt_fraction == pytest.approx(expected, rel=0.03)
    (message,) = [n.message for n in found.notices if n.code == "lung-shunt-measured"]
    assert ("of the lungs' mass is in view" in message) is (top < whole.grid.shape[0])


def test_reach_is_by_distance_of_voxel_centres():
    liver = ellipsoid(GRID, (0, 0, 0), (20, 20, 20))
    centres = GRID.index_to_lps(np.argwhere(liver.array >= 0.5))
    wide = within_reach(liver, 12.0).array
    for index in np.random.default_rng(3).integers(0, np.array(GRID.shape), (300, 3)):
        near = np.linalg.norm(centres - GRID.index_to_lps(index), axis=1).min() <= 12.0 + 1e-9
        assert wide[tuple(index)] == (1.0 if near else liver.array[tuple(index)])


def spread_of(factors, **facts):
    return CalibrationSpread("liver", factors, 20.0, **facts)


def test_several_injections_are_spread_by_their_activities():
    one = spread_of({"liver": 1.0, "fov": 0.8, "body": 0.9}, lung_share=0.5, lung_range=0.01)
    two = spread_of(
        {"liver": 1.0, "fov": 1.2}, lung_share=0.2, lung_share_low=0.1, lung_share_high=0.3, lung_range=0.02
    )
    found = combined_spread([(3e9, one), (1e9, two)])
    assert dict(found.factors) == pytest.approx({"liver": 1.0, "fov": 0.9})
    assert (found.lung_share, found.lung_share_low, found.lung_share_high) == (0.2, 0.1, 0.3)
    assert found.lung_range == 0.02
    assert combined_spread([(3e9, one)]) is one
    assert combined_spread([]) is None


def test_the_range_of_the_lungs_is_written_where_it_is_used():
    assert spread_of({"liver": 1.0}).as_dict()["lung_share_range"] is None
    seen = spread_of({"liver": 1.0}, lung_share=0.2, lung_share_low=0.1, lung_share_high=0.3).as_dict()
    assert (seen["lung_share_in_view"], seen["lung_share_range"]) == (0.2, [0.1, 0.3])
