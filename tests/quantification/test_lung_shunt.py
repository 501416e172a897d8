"""A shunt that is given, asked for or needed: on which image it is measured, and what is said of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification import lung_shunt
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.lung_shunt import resolve_shunt
from y90voxel.quantification.lung_view import LungView
from y90voxel.quantification.planar_shunt import PlanarSetup, PlanarShunt
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((6, 4, 4), (10.0, 10.0, 10.0))


def slab(first, last, columns=slice(0, 4)):
    array = np.zeros(GRID.shape)
    array[first:last, :, columns] = 1.0
    return Mask(array, GRID)


LIVER, TUMOUR = Region("Liver", Role.LIVER, slab(0, 2)), Region("GTV", Role.TUMOUR, slab(0, 1))
LUNGS = (
    Region("Lung_R", Role.LUNG, slab(3, 5, slice(0, 2))),
    Region("Lung_L", Role.LUNG, slab(3, 5, slice(2, 4))),
)
SEGMENTED = tuple(replace(lung, from_ct=True) for lung in LUNGS)
# 9 in 32 voxels of liver, 1 in 32 of lungs: a shunt of 0.1.
COUNTS = CountMap(9.0 * LIVER.mask.array + slab(3, 5).array, GRID)
SPECT = Administration(shunt_source="spect")
BY_VIEWS = PlanarShunt(
    0.0812, 0.0812, None, 0.12, True, (2.5, 3.25), 0.9, {"counts": 0.003, "attenuation": 0.004}
)


def resolved(given, *drawn, needed=False, view=None, **setup):
    planar = PlanarSetup(**{"margin_mm": 5.0} | setup)
    return resolve_shunt(given, COUNTS, Regions(GRID, drawn), planar, needed=needed, view=view)


@pytest.fixture
def views(monkeypatch):
    """Planar views of which every shunt is the same; what was asked of them."""
    asked = []

    def measure(setup, *, left_only):
        asked.append((setup, left_only))
        return BY_VIEWS

    monkeypatch.setattr(lung_shunt, "planar_shunt", measure)
    return asked


@pytest.mark.parametrize("source", ["given", "spect", "none"])
def test_a_shunt_that_is_given_stays(source):
    given = Administration(lung_shunt_fraction=0.0, shunt_source=source)
    assert resolved(given, LIVER, *LUNGS, needed=True) == (given, [])


@pytest.mark.parametrize("source", ["none", "given"])
def test_a_shunt_that_nobody_asks_for_or_needs_is_not_measured(source):
    given = Administration(shunt_source=source)
    assert resolved(given, LIVER, *LUNGS) == (given, [])
    assert resolved(given, LIVER, needed=True) == (given, [])


def test_a_shunt_of_the_image_that_was_asked_for_is_said_to_be():
    found, (notice,) = resolved(SPECT, LIVER, *LUNGS)
    assert found.lung_shunt_fraction == pytest.approx(0.1)
    assert (found.shunt_source, found.shunt_error) == ("spect", None)
    assert notice.message == (
        "the lung shunt fraction is 0.1000, measured: counts of the emission image, lung within 5 mm of the liver left "
        "out; right only with scatter and attenuation correction."
    )


def test_a_shunt_that_is_needed_is_said_not_to_have_been_given():
    found, (notice,) = resolved(Administration(), LIVER, *LUNGS, needed=True)
    assert (found.lung_shunt_fraction, found.shunt_source) == (pytest.approx(0.1), "spect")
    assert "fraction was not given and is 0.1000" in notice.message
    assert "segmented" not in notice.message


def test_lungs_of_the_ct_are_measured_only_where_that_is_asked_for_and_it_is_said():
    assert resolved(Administration(), LIVER, *SEGMENTED, needed=True)[0].lung_shunt_fraction is None
    found, (notice,) = resolved(SPECT, LIVER, *SEGMENTED, view=LungView(0.0, 0.0, 1.0))
    assert found.lung_shunt_fraction == pytest.approx(0.1)
    assert notice.message.endswith("; the lungs were segmented from the CT, not drawn.")


@pytest.mark.parametrize("drawn", [(LIVER,), LUNGS, (TUMOUR, *LUNGS), ()])
def test_a_shunt_needs_liver_and_lungs_and_tumours_alone_are_no_liver(drawn):
    with pytest.raises(InputError, match="the spect lung shunt needs regions of the lungs and the liver"):
        resolved(SPECT, *drawn)


def test_a_liver_without_counts_gives_no_shunt(monkeypatch):
    above = Region("Liver", Role.LIVER, slab(5, 6))
    with pytest.raises(InputError, match="the spect lung shunt is 1: the liver holds no counts"):
        resolved(SPECT, above, *LUNGS)
    monkeypatch.setattr(
        lung_shunt, "planar_shunt", lambda setup, *, left_only: replace(BY_VIEWS, fraction=0.999)
    )
    assert resolved(Administration(shunt_source="planar"), LIVER, *LUNGS)[0].lung_shunt_fraction == 0.999


def test_tumours_count_with_the_liver():
    outside = Region("Segment", Role.TUMOUR, slab(0, 3))
    counts = CountMap(COUNTS.array + 9.0 * slab(2, 3).array, GRID)
    setup = PlanarSetup(margin_mm=0.0)
    found, _ = resolve_shunt(SPECT, counts, Regions(GRID, (LIVER, outside, *LUNGS)), setup, needed=False)
    assert found.lung_shunt_fraction == pytest.approx(32 / (32 + 9 * 48))


@pytest.mark.parametrize(
    ("share", "refused", "fraction"),
    [
        (0.2499, True, None),
        (0.25, False, 4 / 13),
        (0.5, False, 2 / 11),
        (1.0, True, None),
        (None, True, None),
    ],
)
def test_lungs_in_part_are_scaled_by_the_share_that_is_in_view(share, refused, fraction):
    """32 counts in the lungs, 288 in the liver: 32 / s over 32 / s + 288."""
    cut = tuple(replace(lung, truncated=True) for lung in LUNGS)
    view = None if share is None else LungView(share, share, 1.0)
    if refused:
        with pytest.raises(InputError, match="the spect lung shunt needs both lungs drawn whole"):
            resolved(SPECT, LIVER, *cut, view=view)
        return
    found, (notice,) = resolved(SPECT, LIVER, *cut, view=view)
    assert found.lung_shunt_fraction == pytest.approx(fraction)
    assert f"; {100 * share:.0f} % of the lungs' mass is in view, their counts were divided" in notice.message


def test_lungs_wholly_in_view_are_taken_as_they_are():
    found, (notice,) = resolved(SPECT, LIVER, *LUNGS, view=LungView(1.0, 1.0, 1.0))
    assert found.lung_shunt_fraction == pytest.approx(0.1)
    assert "in view" not in notice.message


@pytest.mark.parametrize(("source", "left"), [("planar", False), ("planar-left", True)])
def test_planar_views_are_asked_with_the_regions_that_they_have(views, source, left):
    whole = Regions(GRID, (LIVER, *LUNGS))
    found, (notice,) = resolved(
        Administration(shunt_source=source), LIVER, regions=whole, attenuation_per_cm=0.15
    )
    ((setup, left_only),) = views
    assert (setup.regions, left_only) == (whole, left)
    assert (found.lung_shunt_fraction, found.shunt_source) == (0.0812, source)
    assert found.shunt_error == pytest.approx(0.005)  # hypot of 0.003 and 0.004
    assert notice.message == (
        "the lung shunt fraction is 0.0812, measured: geometric mean of planar views, corrected for attenuation along the "
        "rays of the CT (0.15 per cm at 1 g/mL), net of a background of 2.5 and 3.25 counts per pixel; pixels within 5 mm "
        "of the liver's shadow are the liver's. Both lungs 8.12 %, left lung alone not known, the views as they are "
        "12.00 % (parts of the uncertainty in points: counts 0.3, attenuation 0.4; scatter is not corrected); standard "
        "uncertainty 0.5 points."
    )


def test_planar_views_without_regions_of_their_own_take_those_of_the_image(views):
    resolved(Administration(shunt_source="planar"), LIVER, *LUNGS)
    assert views[0][0].regions.mask_of(Role.LUNG).total == 32.0
    cut = tuple(replace(lung, truncated=True) for lung in LUNGS)
    with pytest.raises(InputError, match="the planar lung shunt needs both lungs drawn whole"):
        resolved(Administration(shunt_source="planar"), LIVER, *cut, view=LungView(0.5, 0.5, 1.0))


@pytest.mark.parametrize(
    ("drawn", "has_views", "source"),
    [((LIVER, *LUNGS), False, "spect"), ((LIVER, *LUNGS), True, "spect"), ((LIVER,), True, "planar"),
     ((LIVER,), False, "none"), (LUNGS, True, "none"), ((LIVER, *SEGMENTED), True, "planar")],
)  # fmt: skip
def test_what_is_needed_is_measured_on_the_image_before_planar_views(views, drawn, has_views, source):
    image = SimpleNamespace(grid=GRID) if has_views else None
    setup = {"image": image, "regions": Regions(GRID, (LIVER, *LUNGS))}
    found, notices = resolved(Administration(), *drawn, needed=True, **setup)
    assert found.shunt_source == source
    assert len(notices) == len(views) + (source == "spect") == (source != "none")
