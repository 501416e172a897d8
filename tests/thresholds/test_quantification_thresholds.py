"""Named numbers of quantification, one case just inside and one just outside; what they are is written here once more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import changed

from y90voxel.case.case import Case
from y90voxel.errors import InputError
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration, CalibrationRegion, decay_to_administration
from y90voxel.quantification.calibration_spread import CalibrationSpread
from y90voxel.quantification.deconvolution import richardson_lucy
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.lung_shunt import resolve_shunt
from y90voxel.quantification.lung_view import LungView, lung_view
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.planar_shunt import PlanarSetup
from y90voxel.quantification.plausibility import check_activity
from y90voxel.quantification.quantify import (
    _absolute_correction,
    _administration_time,
    _compare_with_given,
    _negative_counts,
    _on_dose_grid,
    _on_regions,
    _spread_notices,
    quantify,
)
from y90voxel.quantification.stated_facts import StatedFacts, with_stated_facts
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

GRID = Grid.from_spacing((4, 5, 6), (10.0, 10.0, 10.0))
INJECTED = datetime(2026, 3, 2, 10)
SCANNED = INJECTED + timedelta(hours=20)
T_HALF_S = 230_760.0
POSITRONS = 31.86e-6


def slab(first, last):
    array = np.zeros(GRID.shape)
    array[first:last] = 1.0
    return Mask(array, GRID)


LIVER = Region("Liver", Role.LIVER, slab(0, 2))
LUNGS = tuple(Region(f"Lung_{side}", Role.LUNG, slab(k, k + 1)) for side, k in (("R", 2), ("L", 3)))


def pet(**facts):
    known = {
        "acquisition_start": SCANNED,
        "series_start": SCANNED,
        "administration_time": INJECTED,
        "decay_reference": DecayReference.START,
    }
    return EmissionImage(ActivityMap(np.ones(GRID.shape), GRID), "PT", **(known | facts))


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize(
    ("ratio", "other"), [(1.0095, False), (0.9905, False), (1.0105, True), (0.9895, True)]
)
def test_half_lives_within_1_percent_are_of_one_nuclide(ratio, other):
    found = decay_to_administration(pet(header_half_life_s=ratio * T_HALF_S), INJECTED, T_HALF_S)
    assert codes(found.notices) == ["header-half-life"] * other


@pytest.mark.parametrize(
    ("ratio", "refused"), [(1.0095, False), (0.9905, False), (1.0105, True), (0.9895, True)]
)
def test_a_header_without_positron_fraction_is_believed_within_1_percent_of_the_half_life(ratio, refused):
    image = pet(header_half_life_s=ratio * T_HALF_S)
    if refused:
        with pytest.raises(InputError, match="states no positron fraction"):
            decay_to_administration(image, INJECTED, T_HALF_S, POSITRONS)
    else:
        assert decay_to_administration(image, INJECTED, T_HALF_S, POSITRONS).branching == 1.0


@pytest.mark.parametrize(
    ("stated", "refused"),
    [
        (1.145 * POSITRONS, False), (0.855 * POSITRONS, False), (1.155 * POSITRONS, True), (0.845 * POSITRONS, True),
        (0.0097, True), (0.0103, False),
    ],
)  # fmt: skip
def test_a_positron_fraction_is_the_therapys_within_15_percent_or_a_pet_nuclides_from_1_percent_on(
    stated, refused
):
    image = pet(header_positron_fraction=stated)
    if refused:
        with pytest.raises(InputError, match="that of no nuclide in use"):
            decay_to_administration(image, INJECTED, T_HALF_S, POSITRONS)
    else:
        found = decay_to_administration(image, INJECTED, T_HALF_S, POSITRONS)
        assert found.branching == pytest.approx(stated / POSITRONS)


@pytest.mark.parametrize(("hours", "plausible"), [(0.97, False), (1.03, True), (95.0, True), (97.0, False)])
def test_a_header_states_the_administration_1_to_96_hours_before_the_scan(hours, plausible):
    image = pet(administration_time=SCANNED - timedelta(hours=hours))
    assert (image.plausible_administration_time is not None) is plausible


@pytest.mark.parametrize(("ratio", "outside"), [(0.79, True), (0.81, False), (1.19, False), (1.21, True)])
def test_an_image_holds_what_was_given_within_20_percent(ratio, outside):
    activity = ActivityMap(np.full(GRID.shape, ratio * 2e9 / 120), GRID)
    net, notices = _compare_with_given(activity, Administration(activity_bq=2e9))
    assert (net, codes(notices)) == (2e9, ["image-over-administered" + "-outside" * outside])


@pytest.mark.parametrize(("beside", "said"), [(0.0185, False), (0.0215, True)])
def test_a_map_of_2_percent_more_than_was_given_is_said(beside, said):
    """Beside a liver of one count a voxel lie so many counts of all that it holds."""
    counts = CountMap(LIVER.mask.array + beside * slab(2, 4).array, GRID)
    emission = EmissionImage(counts, "NM", "Tc-99m", predicted=True)
    given = Administration(activity_bq=2e9, lung_shunt_fraction=0.0)
    found = quantify(Case("x", (Injection(emission, given),), Regions(GRID, (LIVER,))))
    assert found.map_activity_bq == pytest.approx((1.0 + beside) * 2e9)
    assert ("map-over-net" in codes(found.notices)) is said
    assert "liver-unusual" in codes(found.notices)  # of 60 mL


@pytest.mark.parametrize(
    ("other", "said"), [(0.9815, False), (1.0185, False), (0.9785, True), (1.0215, True)]
)
def test_calibration_regions_that_differ_by_2_percent_are_said(other, said):
    spread = CalibrationSpread("liver", {"liver": 1.0, "fov": other}, 20.0)
    notices = _spread_notices(spread)
    assert codes(notices) == ["calibration-spread"] * said
    if said:
        assert f"as high: fov {other:.3f}. Blur" in notices[0].message


@pytest.mark.parametrize(("share", "said"), [(None, False), (0.99, True), (1.0, False)])
def test_lungs_that_an_image_sees_in_part_are_said(share, said):
    spread = CalibrationSpread("fov", {"fov": 1.0}, 20.0, share, share, 1.0)
    assert codes(_spread_notices(spread)) == ["lungs-in-part"] * said


@pytest.mark.parametrize(("share", "negligible"), [(0.95e-3, True), (1.05e-3, False)])
def test_negative_counts_of_a_thousandth_are_negligible(share, negligible):
    counts = np.ones(GRID.shape)
    counts[0, 0, 0] = -share * (counts.size - 1)
    assert _negative_counts(CountMap(np.maximum(counts, 0.0), GRID)) == []
    (notice,) = _negative_counts(CountMap(counts, GRID))
    assert ("(negligible)" in notice.message) is negligible


@pytest.mark.parametrize(("lost", "said"), [(0.0047, False), (0.0053, True)])
def test_a_dose_grid_that_cuts_off_half_a_percent_is_said(lost, said):
    """The last slice of four holds that share, and the dose grid ends before it."""
    values = np.full(GRID.shape, (1.0 - lost) / 90)
    values[3] = lost / 30
    notices = []
    grid = GRID.crop((0, 0, 0), (3, 5, 6))
    moved = _on_dose_grid(ActivityMap(1e9 * values, GRID), SimpleNamespace(grid=grid), notices)
    assert moved.total == pytest.approx(1e9 * (1.0 - lost), rel=1e-6)
    assert codes(notices) == ["activity-outside-grid"] * said


@pytest.mark.parametrize(
    ("activity_bq", "thousandfold"), [(47e9, False), (53e9, True), (29e12, True), (31e12, False)]
)
def test_a_slip_of_a_thousand_is_the_cause_where_it_leaves_an_activity_that_is_given(
    activity_bq, thousandfold
):
    with pytest.raises(InputError) as refused:
        check_activity(activity_bq, "the image", (), tag="PixelData")
    assert ("factor of 1,000" in str(refused.value)) is thousandfold


@pytest.mark.parametrize(("seconds", "contradicts"), [(57, False), (-57, False), (63, True), (-63, True)])
def test_a_stated_acquisition_is_the_headers_within_a_minute(seconds, contradicts):
    stated = StatedFacts(acquisition_time=SCANNED + timedelta(seconds=seconds))
    if contradicts:
        with pytest.raises(InputError, match="but the header says"):
            with_stated_facts(pet(), stated)
        stated = replace(stated, trust_time=True)
    found, _ = with_stated_facts(pet(), stated)
    assert found.acquisition_start == stated.acquisition_time


@pytest.mark.parametrize(("share", "refused"), [(0.24, True), (0.26, False)])
def test_a_quarter_of_the_lungs_in_view_gives_a_shunt(share, refused):
    cut = Regions(GRID, (LIVER, *(replace(lung, truncated=True, fraction_in_image=share) for lung in LUNGS)))
    counts = CountMap(9.0 * LIVER.mask.array + share * slab(2, 4).array, GRID)
    given, setup = Administration(shunt_source="spect"), PlanarSetup(margin_mm=5.0)
    asked = {"needed": False, "view": LungView(share, share, 1.0)}
    if refused:
        with pytest.raises(InputError, match="both lungs drawn whole"):
            resolve_shunt(given, counts, cut, setup, **asked)
    else:
        found, _ = resolve_shunt(given, counts, cut, setup, **asked)
        assert found.lung_shunt_fraction == pytest.approx(0.1)


@pytest.mark.parametrize(("mass_g", "share"), [(450.0, 0.45), (480.0, 0.48), (600.0, 0.5), (700.0, 0.5)])
def test_lungs_that_an_image_cuts_off_have_a_kilogram_at_least(mass_g, share):
    """Each lung weighs so much as drawn, and the image holds half of it."""
    lungs = tuple(replace(one, truncated=True, cut_off=True, fraction_in_image=0.5) for one in LUNGS)
    found = lung_view(Regions(GRID, (LIVER, *lungs)), {"Lung_R": mass_g, "Lung_L": mass_g})
    assert found.share == pytest.approx(share)
    assert (found.low, found.high) == (pytest.approx(share), 1.0)


@pytest.mark.parametrize(("modality", "fwhm_mm"), [("NM", 10.0), ("PT", 6.0), ("file", 10.0), ("OT", 10.0)])
def test_an_image_has_the_resolution_of_its_kind_where_none_is_stated(modality, fwhm_mm):
    emission = replace(pet(), modality=modality)
    case = Case("x", (Injection(emission, Administration()),), Regions(GRID, (LIVER,)))
    assert case.emission_fwhm_mm == fwhm_mm


def test_a_deconvolution_has_ten_iterations_unless_more_are_asked_for():
    counts = CountMap(1.0 + 9.0 * slab(1, 2).array, GRID)
    ten, nine, eleven = (richardson_lucy(counts, 15.0, n).array for n in (10, 9, 11))
    found = richardson_lucy(counts, 15.0).array
    assert np.array_equal(found, ten)
    assert not np.allclose(nine, ten)
    assert not np.allclose(eleven, ten)


@pytest.mark.parametrize(("net_bq", "beside"), [(31e9, 0.0), (29e9, 0.5), (31e9, 0.5)])
def test_an_activity_beyond_reason_that_was_accepted_is_said_once(net_bq, beside):
    """Of the net activity, or of a map that holds half as much more beside the liver, or of both."""
    emission = EmissionImage(
        CountMap(LIVER.mask.array + beside * slab(2, 4).array, GRID), "NM", "Tc-99m", predicted=True
    )
    given = Administration(activity_bq=net_bq, lung_shunt_fraction=0.0)
    case = Case("x", (Injection(emission, given),), Regions(GRID, (LIVER,)))
    with pytest.raises(InputError, match="activity-beyond-reason"):
        quantify(case)
    accepted = replace(case, settings=case.settings.changed(accept={"codes": ["activity-beyond-reason"]}))
    assert codes(quantify(accepted).notices).count("activity-beyond-reason") == 1


def test_an_image_on_its_grid_is_taken_as_it_is():
    activity, regions = ActivityMap(np.ones(GRID.shape), GRID), Regions(GRID, (LIVER,))
    assert _on_dose_grid(activity, SimpleNamespace(grid=GRID), []) is activity
    assert _on_regions(pet(), regions).grid is GRID
    image = pet()
    assert _on_regions(image, regions) is image.volume


def test_liver_and_lungs_without_counts_have_nothing_to_calibrate():
    lungs = tuple(
        replace(one, mask=slab(2, 3).with_array(slab(2, 3).array * side))
        for one, side in zip(LUNGS, (1.0, 0.5), strict=True)
    )
    emission = EmissionImage(CountMap(slab(3, 4).array, GRID), "NM", "Tc-99m", predicted=True)
    case = Case("x", (Injection(emission, Administration(activity_bq=2e9)),), Regions(GRID, (LIVER, *lungs)))
    over_both = changed(case, calibration=Calibration(region=CalibrationRegion.LIVER_AND_LUNGS))
    with pytest.raises(InputError, match="the calibration region holds 0 counts"):
        quantify(over_both)


@pytest.mark.parametrize(("modality", "branching"), [("PT", 1.05), ("NM", 1.0)])
def test_positrons_count_on_a_pet_alone(modality, branching):
    record = nuclide("Y-90")
    image = replace(pet(header_positron_fraction=1.05 * record.positrons_per_decay), modality=modality)
    found = _absolute_correction(image, Administration(time=INJECTED), record)
    assert found.branching == pytest.approx(branching)


@pytest.mark.parametrize("reference", [None, DecayReference.START])
def test_a_file_with_a_time_holds_its_values_at_the_start(reference):
    image = replace(pet(decay_reference=reference, frame_duration_s=7200.0), modality="file")
    record = nuclide("Y-90")
    found = _absolute_correction(image, Administration(time=INJECTED), record)
    assert (found.decay, found.frame) == (
        pytest.approx(2.0 ** (20 * 3600.0 / record.half_life_s)),
        pytest.approx(1.0),
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"administration_time": INJECTED.replace(tzinfo=UTC)}, "only one has a time zone"),
        (
            {"administration_time": None},
            f"radiopharmaceutical start is not stated, the acquisition {SCANNED}",
        ),
        ({"acquisition_start": None}, f"radiopharmaceutical start is {INJECTED}, the acquisition not stated"),
    ],
)
def test_what_is_missing_of_the_times_of_an_image_is_said(facts, said):
    with pytest.raises(InputError, match=said):
        _administration_time(pet(**facts), Administration())
