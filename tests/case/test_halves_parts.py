"""Each question that is asked of two halves, on a handful of voxels: alone, apart, off, shifted, and how many places."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import halves as module
from y90voxel.case.halves import (
    _correlation_mm,
    _notice,
    _of_region,
    _scaled,
    _shift_mm,
    check_halves,
    with_halves,
)
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.quantification.emission import EmissionImage
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, DoseMap, Mask

GRID = Grid.from_spacing((3, 4, 5), (4.0, 3.0, 2.0))


def image(array, **facts):
    return EmissionImage(CountMap(np.asarray(array, float), GRID), "NM", "Y-90", **facts)


def case_of(whole, *drawn, injections=1, own=False):
    regions = Regions(GRID, drawn)
    injection = SimpleNamespace(emission=whole, regions=regions if own else None)
    other = Regions(Grid.from_spacing((2, 2, 2), (9.0, 9.0, 9.0))) if own else regions
    return SimpleNamespace(injections=(injection,) * injections, regions=other, emission_fwhm_mm=1.0)


def mask(*voxels, value=1.0):
    array = np.zeros(GRID.shape)
    for voxel in voxels:
        array[voxel] = value
    return Mask(array, GRID)


RNG = np.random.default_rng(3)
TRUE, NOISE = 10.0 + RNG.uniform(size=GRID.shape), RNG.normal(size=GRID.shape)
NOISE -= NOISE.mean()
# Neither sum nor centre of the counts changes with it.
for axis, n in enumerate(GRID.shape):
    places = (
        np.arange(n).reshape([-1 if one == axis else 1 for one in range(3)])
        - (n - 1) / 2
        + np.zeros(GRID.shape)
    )
    NOISE -= places * (NOISE * places).sum() / (places**2).sum()


def refused(case, halves, message):
    with pytest.raises(InputError, match=message):
        check_halves(case, halves)


@pytest.mark.parametrize("injections", [1, 2])
def test_halves_are_of_one_injection(injections):
    case, halves = case_of(image(2 * TRUE), injections=injections), (image(TRUE + NOISE), image(TRUE - NOISE))
    if injections == 1:
        check_halves(case, halves)
    else:
        refused(case, halves, "has 2 injections")


@pytest.mark.parametrize("factor", [1e-3, 1.0, 50.0])
def test_a_half_is_scaled_to_the_whole(factor):
    assert _scaled(image(factor * TRUE), image(3.0 * TRUE)) == pytest.approx(3.0 * TRUE)


@pytest.mark.parametrize("share", [0.9999, 1.0001])
def test_halves_differ_by_a_thousandth_of_the_spread(share):
    """A + B is the image; their difference has so much of its spread."""
    apart = (
        (TRUE - TRUE.mean()) * 0.5e-3 * share
    )  # A − B, of strength 1, is twice this: its spread is that of the image × 1e-3
    halves = image(TRUE + apart), image(TRUE - apart)
    if share < 1.0:
        refused(case_of(image(2 * TRUE)), halves, "are the same image")
    else:
        check_halves(case_of(image(2 * TRUE)), halves)


@pytest.mark.parametrize("share", [0.74, 0.76])
def test_halves_make_up_the_image_but_for_three_quarters_of_half_their_difference(share):
    """A = T + n and B = T − n, and an image of T + share × n: the mean of both is off by share of half their difference."""
    whole = image(2 * (TRUE + share * NOISE))
    halves = image(TRUE + NOISE), image(TRUE - NOISE)
    if share < 0.75:
        check_halves(case_of(whole), halves)
    else:
        refused(
            case_of(whole), halves, r"differs from it by 0\.76 of half their own difference, at most 0\.75"
        )


@pytest.mark.parametrize(("total", "message"), [(0.0, "half B holds 0 counts in all"), (0.5, None)])
def test_half_a_count_is_a_half_and_none_is_not(total, message):
    halves = image(TRUE + NOISE), image((TRUE - NOISE) * total / TRUE.sum())
    if message is None:
        check_halves(case_of(image(2 * TRUE)), halves)
    else:
        refused(case_of(image(2 * TRUE)), halves, message)


def test_a_gate_and_another_grid_are_named():
    whole, half = image(2 * TRUE), image(TRUE + NOISE)
    refused(case_of(whole), (image(TRUE, gate="GATED"), half), r"half A is a gate of .* \(GATED\)")
    coarse = EmissionImage(
        CountMap(np.ones((2, 2, 2)), Grid.from_spacing((2, 2, 2), (9.0, 9.0, 9.0))), "NM", "Y-90"
    )
    refused(case_of(whole), (half, coarse), "half B lies on another grid")


def test_two_breathing_states_are_told_along_each_axis():
    """The whole of the counts moves by one slice of 4 mm."""
    a, b = np.zeros(GRID.shape), np.zeros(GRID.shape)
    a[0], b[1] = 1.0, 1.0
    refused(
        case_of(image(a + b)),
        (image(a), image(b)),
        r"lie \+0\.0, \+0\.0, \+4\.0 mm \(LPS\) apart, more than 3 mm",
    )


def test_the_shift_is_that_of_the_centres_of_counts_in_mm():
    """Two counts at index (0, 1, 1) and two at (2, 3, 4) against all at (0, 1, 1): half of (2, 2, 3) voxels of 4, 3 and 2 mm."""
    a, b = np.zeros(GRID.shape), np.zeros(GRID.shape)
    a[0, 1, 1], b[0, 1, 1], b[2, 3, 4] = 4.0, 2.0, 2.0
    assert _shift_mm(case_of(image(a)), a, b) == pytest.approx([3.0, 3.0, 4.0])


@pytest.mark.parametrize(("own", "expected"), [(False, 0.0), (True, 0.0)])
def test_counts_far_from_the_liver_move_no_centre(own, expected):
    """Liver in one corner voxel; within 2 mm of it lies its neighbour along the rows alone."""
    liver = Region("Liver", Role.LIVER, mask((0, 0, 0)))
    a, b = np.zeros(GRID.shape), np.zeros(GRID.shape)
    a[0, 0, 0] = b[0, 0, 0] = 1.0
    b[2, 3, 4] = 5.0
    assert _shift_mm(case_of(image(a), liver, own=own), a, b) == pytest.approx([expected] * 3)
    b[0, 0, 1] = 1.0
    assert _shift_mm(case_of(image(a), liver, own=own), a, b) == pytest.approx([1.0, 0.0, 0.0])


def test_counts_between_two_parts_of_the_liver_move_no_centre():
    """Liver in two voxels across a corner, and no reach."""
    liver = Region("Liver", Role.LIVER, mask((0, 0, 0), (0, 1, 1)))
    a, b = np.zeros(GRID.shape), np.zeros(GRID.shape)
    a[0, 0, 0] = b[0, 0, 0] = 1.0
    b[0, 0, 1] = 5.0
    case = case_of(image(a), liver)
    case.emission_fwhm_mm = 0.1
    assert _shift_mm(case, a, b) == pytest.approx([0.0, 0.0, 0.0])


def test_where_regions_lie_on_another_grid_all_counts_tell_the_shift():
    elsewhere = Grid.from_spacing((2, 2, 2), (9.0, 9.0, 9.0))
    liver = Region("Liver", Role.LIVER, Mask(np.ones((2, 2, 2)), elsewhere))
    a, b = np.zeros(GRID.shape), np.zeros(GRID.shape)
    a[0, 0, 0], b[0, 0, 4] = 1.0, 1.0
    case = case_of(image(a))
    case.regions = Regions(elsewhere, (liver,))
    assert _shift_mm(case, a, b) == pytest.approx([8.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("drawn", "inside"),
    [
        (((0, 1, 1), (0, 1, 2), (2, 2, 2)), [(0, 1, 1), (0, 1, 2)]),  # the last is filled by less than half
        ((), [(0, 1, 1), (0, 1, 2), (2, 2, 2)]),
    ],
)
def test_noise_is_compared_over_the_root_of_the_dose_within_liver_or_dose(drawn, inside, monkeypatch):
    """Doses of 4, 0.0016 (a thousandth of the greatest, 0.004, counts in its place) and 1 Gy."""
    dose, difference = np.zeros(GRID.shape), np.zeros(GRID.shape)
    for voxel, gy, apart in zip(
        [(0, 1, 1), (0, 1, 2), (2, 2, 2)], (4.0, 0.0016, 1.0), (6.0, 0.1, 2.0), strict=True
    ):
        dose[voxel], difference[voxel] = gy, apart
    seen = []
    monkeypatch.setattr(module, "correlation_fwhm_mm", lambda *asked: seen.append(asked) or 7.0)
    regions = Regions(GRID)
    if drawn:
        liver = mask(*drawn)
        liver = liver.with_array(np.where(np.indices(GRID.shape)[0] == 2, 0.49, 0.5) * liver.array)
        regions = Regions(GRID, (Region("Liver", Role.LIVER, liver),))
    assert _correlation_mm(difference, regions, DoseMap(dose, GRID)) == 7.0
    ((residual, where, spacing),) = seen
    values = np.array([6.0 / 2.0, 0.1 / np.sqrt(0.004), 2.0])[: len(inside)]
    assert spacing == GRID.spacing_mm
    assert residual[where] == pytest.approx(values - values.mean(), rel=1e-5)
    assert where.sum() == len(inside)


def noise_of(doses, place_ml):
    """A region of the whole grid, 60 voxels of 0.024 mL, and two halves that differ from it by a hundredth."""
    region = Region("GTV1", Role.TUMOUR, Mask(np.ones(GRID.shape), GRID))
    dose = DoseMap(doses, GRID)
    dvh = DoseVolumeHistogram.from_dose(dose, region.mask)
    halves = (DoseMap((1.0 + 0.01 * sign * np.sign(NOISE)) * doses, GRID) for sign in (1, -1))
    return _of_region(SimpleNamespace(dvh=lambda name: dvh), region, *halves, place_ml)


@pytest.mark.parametrize(("place_ml", "corrected"), [(0.143, True), (0.145, False)])
def test_a_region_of_ten_places_is_corrected(place_ml, corrected):
    found = noise_of(10.0 * TRUE, place_ml)
    assert (found.d_gy is not None) is corrected
    if not corrected:
        assert found.reason == "9.9 independent places of 0.14 mL, 10 are needed for a correction"
        assert found.noise_cv == pytest.approx(np.std(0.01 * TRUE * np.sign(NOISE)) / TRUE.mean(), rel=1e-3)


@pytest.mark.parametrize(("gy", "reason"), [(0.0, "the region has no dose"), (0.5, None)])
def test_a_region_without_dose_is_not_corrected(gy, reason):
    found = noise_of(gy * TRUE / TRUE.max(), 0.01)
    assert found.reason == reason
    assert (found.d_gy is None) is (reason is not None)


@dataclass(frozen=True)
class Result:
    case: object
    regions: tuple
    notices: tuple
    dose: object = None

    def with_notices(self, *notices):
        return replace(self, notices=(*self.notices, *notices))


@pytest.mark.parametrize(("fwhm_mm", "place_ml"), [(0.0, 0.024), (10.0, 3.411)])
def test_the_noise_of_both_halves_is_their_difference_and_its_places_no_less_than_voxels(
    fwhm_mm, place_ml, monkeypatch
):
    doses = iter((DoseMap(np.full(GRID.shape, 7.0), GRID), DoseMap(np.full(GRID.shape, 5.0), GRID)))
    seen = []
    monkeypatch.setattr(module, "check_halves", lambda case, halves: None)
    monkeypatch.setattr(module, "_dose_of", lambda *of: next(doses))
    monkeypatch.setattr(module, "_correlation_mm", lambda difference, *of: seen.append(difference) or fwhm_mm)
    monkeypatch.setattr(
        module,
        "_of_region",
        lambda evaluation, region, one, other, place: SimpleNamespace(d_gy={}, reason=str(place)),
    )
    regions = Regions(GRID, (Region("GTV1", Role.TUMOUR, mask((0, 0, 0))),))

    @dataclass(frozen=True)
    class Metrics:
        name: str
        noise: object = None

    plain = Notice("noise-tails", "marked"), Notice("no-liver", "none")
    result = Result(SimpleNamespace(regions=regions, grid=GRID), (Metrics("GTV1"),), plain)
    found = with_halves(result, None, ("A", "B"))
    assert seen[0].tolist() == np.full(GRID.shape, 2.0).tolist()
    assert [notice.code for notice in found.notices] == ["no-liver", "noise-corrected"]
    assert float(found.regions[0].noise.reason) == pytest.approx(place_ml, rel=1e-3)


def test_what_was_corrected_and_what_was_not_is_told():
    def metrics(name, d_gy, reason=None):
        return SimpleNamespace(name=name, noise=SimpleNamespace(d_gy=d_gy, reason=reason))

    none = SimpleNamespace(name="Body", noise=None)
    found = _notice(
        SimpleNamespace(regions=[metrics("Liver", {}), metrics("GTV1", None, "few"), none]), 0.31
    ).message
    assert "0.31 mL a place of independent noise, correct the histograms of: Liver." in found
    assert found.endswith("Not corrected: GTV1 (few).")
    assert "of: no region." in _notice(SimpleNamespace(regions=[none]), 0.31).message
    assert "Not corrected" not in _notice(SimpleNamespace(regions=[metrics("Liver", {})]), 0.31).message
