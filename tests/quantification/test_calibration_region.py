"""Whose counts stand for the activity, and what a relative calibration cannot do without."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration, CalibrationRegion
from y90voxel.quantification.calibration_region import (
    calibration_region,
    calibration_spread,
    check_facts_are_stated,
    given_activity,
    liver_and_lungs,
)
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.lung_view import lung_view
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((12, 6, 6), (10.0, 10.0, 10.0))
GIVEN = Administration(activity_bq=2e9, lung_shunt_fraction=0.1)


def box(first, last, columns=slice(1, 5)):
    array = np.zeros(GRID.shape)
    array[first:last, 1:5, columns] = 1.0
    return Mask(array, GRID)


LIVER = Region("Liver", Role.LIVER, box(1, 4))
RIGHT = Region("Right lobe", Role.PERFUSED, box(1, 4, slice(1, 3)))
LUNGS = (
    Region("Lung_R", Role.LUNG, box(7, 10, slice(1, 3))),
    Region("Lung_L", Role.LUNG, box(7, 10, slice(3, 5))),
)
BODY = Region("Body", Role.BODY, box(0, 11, slice(0, 6)))


def of(*drawn, region="liver", given=GIVEN, territory=None, fwhm_mm=5.0, counts=None):
    """Region, activity and what the other regions would make of counts of 3 in the liver, 1 in the lungs and 0.1 around."""
    array = np.full(GRID.shape, 0.1) + 3.0 * LIVER.mask.array + LUNGS[0].mask.array + LUNGS[1].mask.array
    image = CountMap(array if counts is None else counts, GRID)
    measured = SimpleNamespace(
        calibration=Calibration(region=CalibrationRegion(region)), lung_masses_g={}, emission_fwhm_mm=fwhm_mm
    )
    injection = Injection(EmissionImage(image, "NM"), given, territory)
    return measured, injection, image, Regions(GRID, drawn), given


def region_of(*drawn, **facts):
    measured, injection, _, regions, given = of(*drawn, **facts)
    mask, activity = calibration_region(measured, injection, regions, given)
    return (None if mask is None else mask.total), activity


@pytest.mark.parametrize(
    ("region", "activity", "shunt", "message"),
    [
        ("liver", True, True, None), ("liver", True, False, "over the liver needs the lung shunt fraction"),
        ("liver", False, True, "needs the administered activity"), ("fov", True, False, None),
        ("fov", False, False, "needs the administered activity"), ("liver+lungs", True, False, None),
    ],
)  # fmt: skip
def test_a_relative_calibration_needs_an_activity_and_over_the_liver_a_shunt(
    region, activity, shunt, message
):
    if message is None:
        check_facts_are_stated(CalibrationRegion(region), activity=activity, shunt=shunt)
        return
    with pytest.raises(InputError, match=message):
        check_facts_are_stated(CalibrationRegion(region), activity=activity, shunt=shunt)


def test_an_activity_that_is_not_known_is_asked_for():
    assert given_activity(GIVEN) == 2e9
    with pytest.raises(InputError, match="needs the administered activity"):
        given_activity(Administration())


def test_the_liver_or_a_territory_holds_what_the_lungs_do_not():
    assert region_of(LIVER, *LUNGS) == (48.0, pytest.approx(1.8e9))
    assert region_of(LIVER, RIGHT, territory="Right lobe") == (24.0, pytest.approx(1.8e9))
    assert region_of(RIGHT, territory="Right lobe") == (24.0, pytest.approx(1.8e9))
    with pytest.raises(InputError, match="needs the lung shunt fraction"):
        region_of(LIVER, given=Administration(activity_bq=2e9))
    with pytest.raises(InputError, match=r"needs a liver region; the regions are: Right lobe \(perfused\)"):
        region_of(RIGHT)


def test_liver_and_lungs_hold_all():
    assert region_of(LIVER, *LUNGS, region="liver+lungs") == (96.0, 2e9)
    for drawn in ((LIVER,), LUNGS, ()):
        with pytest.raises(InputError, match="both lungs wholly in view"):
            liver_and_lungs(Regions(GRID, drawn))


def test_a_body_is_drawn_and_not_segmented_from_the_ct():
    assert region_of(BODY, LIVER, *LUNGS, region="body") == (11 * 4 * 6.0, 2e9)
    segmented = Region("Body (CT)", Role.BODY, BODY.mask, from_ct=True)
    for drawn in ((LIVER, *LUNGS), (LIVER, *LUNGS, segmented)):
        with pytest.raises(InputError, match="calibration over the body needs a body region"):
            region_of(*drawn, region="body")


def test_the_field_of_view_holds_the_part_of_the_shunt_whose_lungs_it_sees():
    bare = Administration(activity_bq=2e9)
    assert region_of(LIVER, *LUNGS, region="fov", given=bare) == (None, 2e9)
    assert region_of(LIVER, region="fov") == (None, pytest.approx(1.8e9))
    with pytest.raises(InputError, match="over fov without both lungs in view needs the lung shunt fraction"):
        region_of(LIVER, region="fov", given=bare)


def test_the_other_regions_are_compared_with_the_one_in_use():
    """Counts: 48 x 3.1 in the liver, 48 x 1.1 in the lungs, 0.1 elsewhere; 10 mm reach the face neighbours of the liver."""
    found = calibration_spread(*of(BODY, LIVER, *LUNGS, region="liver+lungs"))
    liver, lungs, body, view = 48 * 3.1, 48 * 1.1, 192 + 0.1 * 264, 192 + 0.1 * 432
    assert found.factors["liver+lungs"] == 1.0
    assert found.factors["liver"] == pytest.approx(0.9 * (liver + lungs) / liver)
    assert found.factors["body"] == pytest.approx((liver + lungs) / body)
    assert found.factors["fov"] == pytest.approx((liver + lungs) / view)
    assert (found.margin_mm, found.lung_share) == (10.0, None)


def test_without_a_shunt_only_regions_that_hold_all_are_compared():
    bare = Administration(activity_bq=2e9)
    found = calibration_spread(*of(BODY, LIVER, *LUNGS, region="body", given=bare))
    assert set(found.factors) == {"body", "fov"}
    assert found.lung_share is None
    assert calibration_spread(*of(LIVER, *LUNGS, region="liver", given=bare)) is None


def test_lungs_of_the_ct_without_a_shunt_are_compared_with_nothing():
    bare = Administration(activity_bq=2e9)
    segmented = [Region(lung.name, Role.LUNG, lung.mask, from_ct=True) for lung in LUNGS]
    found = calibration_spread(*of(BODY, LIVER, *segmented, region="liver+lungs", given=bare))
    assert found.factors == {"liver+lungs": 1.0}


@pytest.mark.parametrize(("region", "said"), [("fov", True), ("body", True), ("liver", False)])
def test_what_the_view_sees_of_the_lungs_is_said_where_it_counts(region, said):
    parts = of(BODY, LIVER, LUNGS[0], region=region)
    found, view = calibration_spread(*parts), lung_view(parts[3])
    assert found.factors[region] == 1.0
    if not said:
        assert (found.lung_share, found.lung_range) == (None, 0.0)
        return
    assert (found.lung_share, found.lung_share_low, found.lung_share_high) == (
        view.share,
        view.low,
        view.high,
    )
    assert found.lung_range == pytest.approx(
        0.5 * 0.1 * (view.high - view.low) / (1 - 0.1 * (1 - view.share))
    )


def test_a_region_without_counts_is_compared_with_nothing():
    counts = (
        BODY.mask.array * (1.0 - LIVER.mask.array) * (1.0 - LUNGS[0].mask.array) * (1.0 - LUNGS[1].mask.array)
    )
    assert calibration_spread(*of(LIVER, *LUNGS, region="liver+lungs", counts=counts)) is None
    assert "liver" not in calibration_spread(*of(LIVER, *LUNGS, region="fov", counts=counts)).factors


def test_regions_without_a_liver_are_compared_too():
    assert set(calibration_spread(*of(BODY, *LUNGS, region="fov")).factors) == {"body", "fov"}
