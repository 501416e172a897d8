from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.case import Case
from y90voxel.errors import InputError
from y90voxel.quantification import quantify as module
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.quantification.calibration_spread import CalibrationSpread
from y90voxel.quantification.emission import DecayReference, EmissionImage, PlanarImage
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.quantify import quantify
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

ABSOLUTE = Calibration(CalibrationMode.ABSOLUTE)
INJECTED = datetime(2026, 3, 2, 10)


def over(region):
    return Calibration(region=CalibrationRegion(region))


def held_by(found, case, *roles):
    return float((found.activity.array * case.regions.mask_of(*roles).array).sum())


def codes(found):
    return {notice.code for notice in found.notices}


def test_liver_calibration_gives_the_liver_what_the_shunt_leaves():
    case = liver_case(activity_bq=2e9, shunt=0.1)
    found = quantify(case)
    assert held_by(found, case, Role.LIVER, Role.TUMOUR) == pytest.approx(1.8e9, rel=1e-9)
    assert (found.net_activity_bq, found.lung_shunt_fraction, found.shunt_source) == (2e9, 0.1, "given")
    ratio = found.activity.array / np.where(
        case.injections[0].emission.volume.array > 0, case.injections[0].emission.volume.array, np.nan
    )
    assert np.nanmax(ratio) == pytest.approx(np.nanmin(ratio), rel=1e-12)  # one factor for the whole map


def test_perfused_volume_beyond_the_liver_counts_too():
    case = liver_case(activity_bq=1e9, shunt=0.0, outside_counts=1.0)
    everything = Mask(np.ones(case.grid.shape), case.grid)
    drawn = (*case.regions.drawn, Region("Perfused volume", Role.PERFUSED, everything))
    found = quantify(replace(case, regions=Regions(case.grid, drawn)))
    assert found.map_activity_bq == pytest.approx(1e9, rel=1e-9)


def test_liver_and_lungs_hold_the_net_activity():
    case = liver_case(activity_bq=2e9, shunt=None, calibration=over("liver+lungs"), shunt_source="none")
    found = quantify(case)
    assert held_by(found, case, Role.LIVER, Role.TUMOUR, Role.LUNG) == pytest.approx(2e9, rel=1e-9)
    assert found.lung_shunt_fraction == pytest.approx(held_by(found, case, Role.LUNG) / 2e9, rel=1e-9)
    asked = quantify(liver_case(shunt=None, calibration=over("liver+lungs"), shunt_source="spect"))
    assert (asked.lung_shunt_fraction, asked.shunt_source) == (found.lung_shunt_fraction, "spect")


def test_field_of_view_takes_the_net_activity_with_lungs_in_view_and_the_rest_without():
    with_lungs = quantify(liver_case(shunt=0.1, calibration=over("fov")))
    without = quantify(liver_case(shunt=0.1, calibration=over("fov"), lungs=False))
    assert with_lungs.map_activity_bq == pytest.approx(2e9)
    assert without.map_activity_bq == pytest.approx(1.8e9)


def test_body_needs_its_region():
    case = liver_case(calibration=over("body"))
    with pytest.raises(InputError, match="body region; none is drawn"):
        quantify(case)
    body = Region("Body", Role.BODY, Mask(np.ones(case.grid.shape), case.grid))
    with_body = replace(case, regions=Regions(case.grid, (*case.regions.drawn, body)))
    assert quantify(with_body).map_activity_bq == pytest.approx(2e9)


def test_a_map_that_holds_much_more_than_was_given_is_said():
    assert "map-over-net" in codes(quantify(liver_case(outside_counts=1.0)))
    assert "map-over-net" not in codes(quantify(liver_case(lungs=False)))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"activity_bq": None}, "needs the administered activity"),
        ({"shunt": None, "shunt_source": "none", "lungs": False}, "needs the lung shunt fraction"),
        ({"shunt": 0.05, "calibration": over("liver+lungs")}, "shunt itself, but --lung-shunt 0.05"),
        (
            {"shunt": None, "shunt_source": "planar", "calibration": over("liver+lungs")},
            "shunt itself, but --lung-shunt planar",
        ),
        ({"shunt": None, "lungs": False, "calibration": over("liver+lungs")}, "both lungs wholly in view"),
        (
            {"shunt": None, "shunt_source": "none", "lungs": False, "calibration": over("fov")},
            "without both lungs in view",
        ),
        ({"calibration": ABSOLUTE}, "activity of the surrogate"),
    ],
)
def test_missing_or_contradictory_facts_are_refused(facts, message):
    with pytest.raises(InputError, match=message):
        quantify(liver_case(**facts))


def test_calibration_over_the_liver_needs_a_liver():
    case = liver_case()
    only_tumour = Regions(case.grid, tuple(r for r in case.regions.drawn if r.role is Role.TUMOUR))
    with pytest.raises(InputError, match=r"needs a liver region; the regions are: GTV1 \(tumour\)"):
        quantify(replace(case, regions=only_tumour))


def test_negative_counts_are_kept_and_said():
    case = liver_case(lungs=False)
    counts = np.array(case.injections[0].emission.volume.array)
    counts[0, 0, :5] = -2
    image = EmissionImage(CountMap(counts, case.grid), "NM", "Tc-99m", predicted=True)
    found = quantify(liver_case(lungs=False, emission=image))
    assert found.activity.array[0, 0, 0] < 0
    assert any(n.code == "negative-counts" and n.message.startswith("5 voxels") for n in found.notices)


def pet(case, concentration_bq_per_ml, **facts):
    values = (
        case.injections[0].emission.volume.array / 10 * concentration_bq_per_ml * case.grid.voxel_volume_ml
    )
    known = {
        "decay_reference": DecayReference.START,
        "acquisition_start": INJECTED + timedelta(hours=20),
        "series_start": INJECTED + timedelta(hours=20),
        "administration_time": INJECTED,
        "imaged_nuclide": "Y-90",
    }
    return EmissionImage(ActivityMap(values, case.grid), "PT", **(known | facts))


def absolute(image, **administration):
    return liver_case(
        lungs=False, emission=image, calibration=ABSOLUTE, administration=Administration(**administration)
    )


def test_absolute_calibration_decays_to_administration():
    image = pet(liver_case(lungs=False), 1e5)
    found = quantify(absolute(image, time=INJECTED))
    expected = image.volume.total * 2 ** (20 / 64.1)
    assert found.map_activity_bq == pytest.approx(expected, rel=1e-9)
    assert found.net_activity_bq == pytest.approx(expected, rel=1e-9)
    assert "activity-from-image" in codes(found)


def test_the_headers_administration_time_is_taken_when_plausible_and_said():
    image = pet(liver_case(lungs=False), 1e5)
    assert "administration-time-from-header" in codes(quantify(absolute(image)))
    early = replace(image, administration_time=INJECTED + timedelta(hours=19.9))
    with pytest.raises(InputError, match="time of administration is not known"):
        quantify(absolute(early))


@pytest.mark.parametrize(
    ("ratio", "code"), [(1.0, "image-over-administered"), (0.7, "image-over-administered-outside")]
)
def test_image_over_administered_activity_is_compared(ratio, code):
    image = pet(liver_case(lungs=False), 1e5)
    total = image.volume.total * 2 ** (20 / 64.1)
    found = quantify(absolute(image, time=INJECTED, activity_bq=total / ratio))
    assert code in codes(found)
    assert found.net_activity_bq == pytest.approx(total / ratio)


def test_an_image_of_another_therapy_nuclide_is_refused():
    image = pet(liver_case(lungs=False), 1e5, imaged_nuclide="Ho-166")
    with pytest.raises(InputError, match="header says Ho-166, but the therapy nuclide is Y-90"):
        quantify(absolute(image, time=INJECTED))


def test_absolute_calibration_of_counts_is_refused():
    case = liver_case(lungs=False)
    image = replace(case.injections[0].emission, predicted=False, modality="file")
    with pytest.raises(InputError, match="holds counts"):
        quantify(liver_case(emission=image, calibration=ABSOLUTE))


def test_a_file_image_is_taken_at_administration_and_said():
    case = liver_case(lungs=False)
    image = EmissionImage(ActivityMap(case.injections[0].emission.volume.array * 1e3, case.grid), "file")
    found = quantify(liver_case(lungs=False, emission=image, calibration=ABSOLUTE, activity_bq=None))
    assert "file-at-administration" in codes(found)
    assert found.map_activity_bq == pytest.approx(image.volume.total)


def factor_case(duration=None, **image_facts):
    case = liver_case(lungs=False)
    known = {
        "acquisition_start": INJECTED + timedelta(hours=24),
        "frame_duration_s": 600.0,
        "imaged_nuclide": "Y-90",
    }
    image = EmissionImage(case.injections[0].emission.volume, "NM", **(known | image_facts))
    calibration = Calibration(
        CalibrationMode.FACTOR, factor_cps_per_mbq=10.0, acquisition_duration_s=duration
    )
    administration = Administration(time=INJECTED)
    return liver_case(
        lungs=False, emission=image, calibration=calibration, administration=administration
    ), image


def test_camera_factor_gives_activity_at_administration():
    case, image = factor_case()
    expected = image.volume.total / 600 / 10 * 1e6 * 2 ** (24 / 64.1)
    assert quantify(case).map_activity_bq == pytest.approx(expected, rel=2e-3)  # in-frame decay 0.09 %
    twice, _ = factor_case(duration=1200.0)
    assert quantify(twice).map_activity_bq == pytest.approx(expected / 2, rel=3e-3)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"frame_duration_s": None}, "acquisition duration"),
        ({"acquisition_start": None}, "time of acquisition"),
    ],
)
def test_camera_factor_needs_duration_and_times(facts, message):
    with pytest.raises(InputError, match=message):
        quantify(factor_case(**facts)[0])


def test_a_finer_emission_image_is_moved_onto_the_dose_grid_with_its_activity():
    coarse = liver_case()
    fine_grid = coarse.grid.with_spacing(3.0)
    fine = liver_case(fine_grid)
    image = fine.injections[0].emission
    found = quantify(liver_case(coarse.grid, emission=image))
    assert found.activity.grid.is_same_as(coarse.grid)
    assert held_by(found, coarse, Role.LIVER, Role.TUMOUR) == pytest.approx(0.95 * 2e9, rel=1e-9)


def test_spect_shunt_is_measured_on_the_image():
    """Lung voxels hold 1 count each however full they are, liver voxels 10: the shunt follows from volumes."""
    case = liver_case(shunt=None, shunt_source="spect", tumour_to_normal=1.0)
    lungs, liver = case.regions.mask_of(Role.LUNG), case.regions.mask_of(Role.LIVER, Role.TUMOUR)
    counts = np.where(liver.array > 0, 10.0, np.where(lungs.array > 0, 1.0, 0.0))
    image = EmissionImage(CountMap(counts, case.grid), "NM", "Tc-99m", predicted=True)
    found = quantify(liver_case(shunt=None, shunt_source="spect", emission=image))
    assert found.lung_shunt_fraction == pytest.approx(
        lungs.total / (lungs.total + 10 * liver.total), rel=1e-6
    )
    assert "lung-shunt-measured" in codes(found)


def coronal_affine(grid):
    """Rows to inferior, columns to the left, 4 mm, from the top slice of a grid."""
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = 1.0, -4.0, 4.0, 1.0
    affine[:3, 3] = grid.index_to_lps((grid.shape[0] - 1, 0, 0))
    return affine


def test_planar_shunt_is_measured_on_the_views():
    case = liver_case(shunt=None, shunt_source="planar")
    grid = case.grid
    counts = case.injections[0].emission.volume.array
    view = counts.sum(axis=1)[::-1]  # rows to inferior
    planar = PlanarImage(view, view, Grid((1, *view.shape), coronal_affine(grid)))
    found = quantify(replace(case, planar=planar))
    lung = counts[case.regions.mask_of(Role.LUNG).array > 0].sum()
    assert found.lung_shunt_fraction == pytest.approx(lung / counts.sum(), rel=0.1)
    assert found.shunt_source == "planar"


def test_a_shunt_that_is_needed_and_not_given_is_measured_where_it_can_be():
    """On the emission image when both lungs are in view, else on planar views, and said."""
    case = liver_case(shunt=None, shunt_source="none")
    asked = quantify(liver_case(shunt=None, shunt_source="spect"))
    found = quantify(case)
    assert (found.shunt_source, found.lung_shunt_fraction) == ("spect", asked.lung_shunt_fraction)
    assert any("was not given" in n.message for n in found.notices if n.code == "lung-shunt-measured")
    cut = Regions(case.grid, tuple(replace(r, truncated=r.role is Role.LUNG) for r in case.regions.drawn))
    with pytest.raises(InputError, match="needs the lung shunt fraction"):
        quantify(replace(case, regions=cut))
    view = case.injections[0].emission.volume.array.sum(axis=1)[::-1]
    planar = PlanarImage(view, view, Grid((1, 40, 40), coronal_affine(case.grid)))
    whole = {"planar": planar, "planar_regions": case.regions}
    assert quantify(replace(case, regions=cut, **whole)).shunt_source == "planar"
    with pytest.raises(
        InputError, match="needs the lung shunt fraction"
    ):  # shadows of cut lungs would be too small
        quantify(replace(case, regions=cut, planar=planar))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"shunt_source": "planar"}, "none was found"),
        ({"shunt_source": "planar", "planar": PlanarImage(np.ones((2, 2)), np.ones((2, 2)))}, "no position"),
        ({"shunt_source": "spect", "lungs": False}, "regions of the lungs and the liver"),
    ],
)
def test_a_shunt_that_cannot_be_measured_is_refused(facts, message):
    with pytest.raises(InputError, match=message):
        quantify(liver_case(shunt=None, **facts))


def test_spect_shunt_needs_a_quarter_of_the_lungs():
    """115 g each are drawn of lungs that weigh 1 kg at least."""
    case = liver_case(shunt=None, shunt_source="spect")
    cut = tuple(
        replace(r, truncated=True, cut_off=True) if r.role is Role.LUNG else r for r in case.regions.drawn
    )
    with pytest.raises(InputError, match="both lungs drawn whole"):
        quantify(replace(case, regions=Regions(case.grid, cut)))


def test_activities_of_two_injections_add_and_weight_the_shunt():
    case = liver_case()
    image = case.injections[0].emission
    first = Injection(image, Administration(activity_bq=3e9, lung_shunt_fraction=0.1))
    later = replace(image)
    second = Injection(later, Administration(activity_bq=1e9, lung_shunt_fraction=0.2), territory="GTV1")
    found = quantify(replace(case, injections=(first, second)))
    assert found.net_activity_bq == 4e9
    assert found.lung_shunt_fraction == pytest.approx(0.125)
    one = quantify(replace(case, injections=(first,)))
    other = quantify(replace(case, injections=(second,)))
    assert np.allclose(found.activity.array, one.activity.array + other.activity.array)
    assert held_by(other, case, Role.TUMOUR) == pytest.approx(0.8e9)


def test_a_case_needs_injections_of_one_nuclide_and_positive_numbers():
    case = liver_case()
    with pytest.raises(InputError, match="at least one injection"):
        Case("x", (), case.regions)
    image = case.injections[0].emission
    mixed = tuple(Injection(image, Administration(nuclide=name)) for name in ("Y-90", "Ho-166"))
    with pytest.raises(InputError, match="one nuclide, found Ho-166, Y-90"):
        Case("x", mixed, case.regions)
    shared = tuple(Injection(image, Administration(activity_bq=1e9)) for _ in range(2))
    with pytest.raises(InputError, match="share one emission image"):
        Case("x", shared, case.regions)
    for constant in (-1.0, 4967.0, float("nan")):
        with pytest.raises(InputError, match=r"is far from that of Y-90, 49\.77"):
            liver_case(dose_constant_gy_kg_per_gbq=constant)


def test_calibration_uses_what_the_camera_saw_whatever_the_dose_grid():
    """A dose grid that cuts lung and background off changes neither the factor nor what counts as in view."""
    case = liver_case(calibration=over("fov"), shunt=0.1)
    injection = replace(case.injections[0], regions=case.regions)
    low = case.grid.crop((0, 0, 0), (28, *case.grid.shape[1:]))
    cut = tuple(
        replace(r, mask=Mask(r.mask.array[:28], low), truncated=True)
        for r in case.regions.drawn
        if r.mask.array[:28].any()
    )
    smaller = replace(case, injections=(injection,), regions=Regions(low, cut))
    whole, found = quantify(case), quantify(smaller)
    assert np.allclose(found.activity.array, whole.activity.array[:28], rtol=1e-5)
    assert "activity-outside-grid" in codes(found)
    assert smaller.both_lungs_in_view


def test_an_image_without_counts_is_refused():
    case = liver_case()
    empty = EmissionImage(CountMap(np.zeros(case.grid.shape), case.grid), "NM", "Tc-99m", predicted=True)
    with pytest.raises(InputError, match="nothing to compute a dose from"):
        quantify(liver_case(emission=empty))


def test_a_camera_factor_on_an_image_file_is_taken_at_administration():
    case, image = factor_case()
    alone = replace(image, modality="file", acquisition_start=None)
    found = quantify(replace(case, injections=(Injection(alone, Administration()),)))
    assert found.map_activity_bq == pytest.approx(image.volume.total / 600 / 10 * 1e6, rel=2e-3)
    assert "file-at-administration" in codes(found)


@pytest.mark.parametrize("known", [(True, True), (True, False), (False, True)])
def test_the_spread_of_several_injections_is_known_where_each_ones_is(monkeypatch, known):
    case = liver_case()
    image, regions = case.injections[0].emission, case.regions
    given = [Administration(activity_bq=bq) for bq in (1e9, 3e9)]
    of_both = (CalibrationSpread("liver", {"liver": 1.0, "fov": factor}, 20.0) for factor in (1.1, 1.3))
    spreads = iter([spread if one else None for one, spread in zip(known, of_both, strict=True)])
    monkeypatch.setattr(module, "calibration_spread", lambda *_: next(spreads))
    measurement = SimpleNamespace(
        calibration=case.calibration,
        injections=[SimpleNamespace(regions=None, emission=image)] * 2,
        regions=regions,
    )
    found = module._spread(measurement, given)
    if all(known):
        assert found.factors["fov"] == pytest.approx((1.1 + 3 * 1.3) / 4)
    else:
        assert found is None


@pytest.mark.parametrize("lost", [1.0, 1.5, 2.0])
def test_counts_that_dead_time_lost_are_put_back(monkeypatch, lost):
    case, _ = factor_case()
    plain = quantify(case).map_activity_bq
    monkeypatch.setattr(module, "dead_time_factor", lambda measurement, emission: (lost, []))
    assert quantify(case).map_activity_bq == pytest.approx(lost * plain)


@pytest.mark.parametrize(("lung", "share"), [(1.0, 0.25), (-1.0, 0.0), (1e9, 0.999)])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_shunt_of_liver_and_lungs_is_a_share_whatever_the_scale(lung, share, scale):
    """One voxel each of two lungs and a liver of three counts; the other half of them is not the lungs'."""
    grid = Grid.from_spacing((1, 1, 3), (4.0, 4.0, 4.0))
    drawn = []
    for name, role, row in (
        ("R", Role.LUNG, (1, 0, 0)),
        ("L", Role.LUNG, (0, 1, 0)),
        ("Liver", Role.LIVER, (0, 0, 1)),
    ):
        drawn.append(Region(name, role, Mask(np.array(row, float).reshape(grid.shape), grid)))
    counts = CountMap(scale * np.array([0.5 * lung, 0.5 * lung, 3.0]).reshape(grid.shape), grid)
    found, (notice,) = module._implied_shunt(
        Administration(activity_bq=1e9), counts, Regions(grid, tuple(drawn))
    )
    assert (found.lung_shunt_fraction, found.shunt_source) == (pytest.approx(share), "spect")
    assert notice.code == "lung-shunt-measured"


@pytest.mark.parametrize(
    ("mode", "region", "lungs_in_view", "needed"),
    [
        ("relative", "liver", True, True),
        ("relative", "liver", False, True),
        ("relative", "fov", True, False),
        ("relative", "fov", False, True),
        ("relative", "body", False, True),
        ("absolute", "liver", False, False),
        ("factor", "fov", False, False),
    ],
)
def test_a_shunt_is_needed_where_the_calibration_does_not_see_the_lungs(mode, region, lungs_in_view, needed):
    calibration = SimpleNamespace(mode=CalibrationMode(mode), region=CalibrationRegion(region))
    regions = SimpleNamespace(both_lungs_drawn_in_view=lungs_in_view)
    assert module._needs_shunt(SimpleNamespace(calibration=calibration), regions) is needed


def test_counts_may_be_of_any_scale():
    case = liver_case(lungs=False)
    small = CountMap(1e-9 * case.injections[0].emission.volume.array, case.grid)
    image = EmissionImage(small, "NM", "Tc-99m", predicted=True)
    found = quantify(liver_case(lungs=False, emission=image))
    assert found.map_activity_bq == pytest.approx(quantify(case).map_activity_bq, rel=1e-6)
