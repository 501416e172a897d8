"""Both sides of conditions that faults of a third sample lived in (docs/mutants.md)."""

import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import dose_uncertainty, noise_marks
from y90voxel.case.setting_names import manifest_columns, named_settings
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.index import SeriesRole
from y90voxel.io.dicom.registrations import _frames_by_instance
from y90voxel.io.dicom.slice_positions import _median_step
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_model import rule_model
from y90voxel.planning.plan_orders import Order
from y90voxel.quantification import quantify as module
from y90voxel.quantification.calibration import (
    Calibration,
    CalibrationMode,
    CalibrationRegion,
    slices_acquired_together,
)
from y90voxel.quantification.decay import frame_decay_factor
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.planar_rays import Rays, _solid
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study import joined_treatments, run_commission
from y90voxel.study.anonymous_text import names_nobody
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((2, 3, 4), (4.0, 5.0, 6.0), (7.0, 8.0, 9.0))
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HALF_LIFE_S = 230_000.0


def test_activities_of_an_order_are_written_in_bq():
    vial = SimpleNamespace(
        size_gbq=3.0, calibration_time=NOON - timedelta(hours=24), activity_at_injection_gbq=2.4, surplus_gbq=0.4, spheres=1e6,
        activity_per_sphere_bq=2400.0,
    )  # fmt: skip
    offer = SimpleNamespace(
        vial=vial,
        net_gbq=2.0,
        deviation=0.05,
        within_tolerance=True,
        doses_gy={"lungs": 3.0},
        breaks=(),
        offered=True,
    )
    order = Order("left", 1.9, 2.0, (offer,), NOON, half_life_s=HALF_LIFE_S)
    (row,) = order.as_dict()["vials"]
    assert order.as_dict()["net_activity_bq"] == 1.9e9
    assert [row[k] for k in ("size_bq", "activity_at_injection_bq", "surplus_bq", "net_activity_bq")] == [
        3e9,
        2.4e9,
        4e8,
        2e9,
    ]
    assert (row["age_h"], row["deviation_percent"], row["calibration_time"]) == (
        24.0,
        5.0,
        "2026-01-04T12:00:00+00:00",
    )
    assert order.as_dict(dated=False)["vials"][0]["calibration_time"] is None


def test_a_rule_without_activity_is_still_a_model():
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (20.0, 10.0)),))
    model = rule_model("a", "a", (0.0, 0.0), table, (), basis="a rule")
    assert model.activities_gbq == (0.0, 0.0)


@pytest.mark.parametrize("has_region", [True, False])
def test_noise_is_that_of_images_with_the_region(monkeypatch, has_region):
    """20 counts on average and a variance of 2 a count: √40 / 20."""
    monkeypatch.setattr(noise_marks, "_mean_in", lambda _image, mask: mask)
    regions = (SimpleNamespace(name="Liver", mask=20.0),) if has_region else ()
    image = SimpleNamespace(
        regions=regions, bq_per_value=1.0, noise=SimpleNamespace(variance_per_value=2.0),
        values=SimpleNamespace(grid=SimpleNamespace(voxel_volume_ml=0.1)),
    )  # fmt: skip
    found = noise_marks._noise_cv([image], [1.0], "Liver")
    assert found == (pytest.approx(np.sqrt(40.0) / 20.0) if has_region else None)


@pytest.mark.parametrize("own", [True, False])
def test_arteries_are_asked_of_the_injections_own_regions_where_it_has_some(monkeypatch, own):
    seen = []
    monkeypatch.setattr(
        module, "artery_shares", lambda _arteries, _map, regions, *_: seen.append(regions) or ()
    )
    monkeypatch.setattr(
        module, "at_own_injections", lambda on_regions, _shares, regions, given: (on_regions, given)
    )
    of_image, of_all = Regions(GRID, ()), Regions(GRID, ())
    injection = SimpleNamespace(regions=of_image if own else None, arteries=())
    measurement, record = SimpleNamespace(regions=of_all), SimpleNamespace(half_life_s=HALF_LIFE_S)
    module._by_artery(measurement, injection, CountMap(np.ones(GRID.shape), GRID), None, record)
    assert seen[0] is (of_image if own else of_all)


@pytest.mark.parametrize(
    ("mode", "region", "in_view", "needed"),
    [("absolute", "liver", True, False), ("relative", "liver", True, True),
     ("relative", "fov", True, False), ("relative", "fov", False, True)],
)  # fmt: skip
def test_which_calibration_needs_a_shunt(mode, region, in_view, needed):
    calibration = Calibration(mode=CalibrationMode(mode), region=CalibrationRegion(region))
    measurement, regions = (
        SimpleNamespace(calibration=calibration),
        SimpleNamespace(both_lungs_drawn_in_view=in_view),
    )
    assert module._needs_shunt(measurement, regions) is needed


@pytest.mark.parametrize("stated", ["durations", "delays", "neither"])
def test_slices_of_several_beds_are_brought_to_one_acquisition(stated):
    """The second lasted twice as long, or was taken an hour later; nothing had been corrected."""
    facts = {
        "durations": {"slice_durations_s": (600.0, 1200.0)},
        "delays": {"slice_delays_s": (0.0, 3600.0)},
        "neither": {},
    }
    image = EmissionImage(
        CountMap(np.ones(GRID.shape), GRID), "PT", "Y-90", decay_reference=DecayReference.NONE, frame_duration_s=600.0,
        **facts[stated],
    )  # fmt: skip
    found = slices_acquired_together(image, HALF_LIFE_S).volume.array[:, 0, 0]
    second = {
        "durations": frame_decay_factor(1200.0, HALF_LIFE_S) / frame_decay_factor(600.0, HALF_LIFE_S),
        "delays": 2.0 ** (3600.0 / HALF_LIFE_S), "neither": 1.0,
    }[stated]  # fmt: skip
    assert found == pytest.approx([1.0, second], rel=1e-6)


def test_planar_weights_are_one_without_a_ct_or_an_organ():
    shape = (2, 2)
    nearest = np.zeros((2, *shape), np.int64)
    for water, own in ((None, np.ones(shape)), (np.ones(shape), None), (None, None)):
        weight = Rays._weight(SimpleNamespace(water=water, from_liver=np.zeros(shape)), own, nearest, 0.1)
        assert (weight == 1.0).all()
    rays = SimpleNamespace(water=np.full(shape, 20.0), from_liver=np.zeros(shape))
    assert Rays._weight(rays, np.full(shape, 10.0), nearest, 0.1) == pytest.approx(
        np.exp(1.0) * 0.5 / np.sinh(0.5)
    )


def test_views_are_drawn_out_over_all_of_the_image():
    """Cubes of 2 mm across the image: their centres reach to half a cube from its ends."""
    views = Grid.from_spacing((1, 30, 30), (1.0, 2.0, 2.0), (-20.0, -20.0, -20.0))
    solid = _solid(views, GRID)
    along = views.affine[:3, 0] / np.linalg.norm(views.affine[:3, 0])
    ends = GRID.corners_mm() @ along
    first, last = (np.array(solid.index_to_lps((k, 0, 0))) @ along for k in (0, solid.shape[0] - 1))
    assert first == pytest.approx(ends.min() + 1.0)
    assert 0.0 <= last + 1.0 - ends.max() < 2.0


@pytest.mark.parametrize(
    ("name", "nobody"), [("GTV 12", True), ("GTV 123", False), ("S8", True), ("Lesion 20240312", False)]
)
def test_numbers_of_more_than_two_digits_may_be_records(name, nobody):
    assert names_nobody(name) is nobody


def test_columns_of_a_manifest_are_the_options_that_take_a_value():
    columns = manifest_columns()
    bare = {".".join(one.path) for one in named_settings() if one.setting.bare is not None}
    assert {"activity", "lung_shunt", "engine"} <= columns.keys()
    assert bare
    assert not bare & set(columns.values())


def test_frames_of_images_are_not_those_of_registrations():
    def series(frame, role, uid):
        instances = (SimpleNamespace(sop_instance_uid=uid),)
        return SimpleNamespace(frame_of_reference_uid=frame, role=role, instances=instances)

    index = SimpleNamespace(
        series=(
            series("1.1", SeriesRole.CT, "ct"), series("1.2", SeriesRole.REGISTRATION, "reg"), series("", SeriesRole.CT, "none")
        )
    )  # fmt: skip
    frame = _frames_by_instance(index)
    assert (frame("ct"), frame("reg"), frame("none")) == ("1.1", None, None)


@pytest.mark.parametrize(
    ("frame", "target", "asked"), [("1", "2", True), (None, "2", False), ("1", None, False)]
)
def test_a_way_is_looked_for_between_frames_that_are_known(monkeypatch, frame, target, asked):
    seen = []
    monkeypatch.setattr(joined_treatments, "path_between", lambda *given: seen.append(given))
    assert joined_treatments._way((), frame, target) is None
    assert bool(seen) is asked


@pytest.mark.parametrize(
    ("mode", "source"), [("relative", "(net activity, residual, "), ("absolute", "(calibration)")]
)
def test_the_uncertainty_of_the_activity_is_said_with_its_source(monkeypatch, mode, source):
    monkeypatch.setattr(dose_uncertainty, "_noise_in_words", lambda *_: "no noise")
    case = SimpleNamespace(calibration=Calibration(mode=CalibrationMode(mode)))
    inputs = SimpleNamespace(
        contour_voxel_mm=2.0, contour_fwhm_mm=2.0, samples=40, seed=0, registration_mm=2.0
    )
    said = " ".join(dose_uncertainty._statement(SimpleNamespace(case=case), inputs, [], 0.06))
    assert f"activity 6 % {source}" in said


@pytest.mark.parametrize("thickness", [None, 0.0, -1.0])
def test_a_single_slice_without_thickness_is_no_volume(thickness):
    frame = SimpleNamespace(instance=SimpleNamespace(source=SimpleNamespace(name="a.dcm")))
    with pytest.raises(InputError, match="only slice and has no positive SliceThickness"):
        _median_step([frame], np.zeros(1), thickness)
    assert _median_step([frame], np.zeros(1), 3.0) == 3.0


@pytest.mark.parametrize("fwhm_mm", [None, 8.0])
def test_a_file_of_a_scanner_holds_the_resolution_where_there_is_one(monkeypatch, fwhm_mm):
    monkeypatch.setattr(run_commission, "one_gaussian", lambda _: True)
    image = SimpleNamespace(start=NOON.isoformat(), modality="PT", rate_cps=None)
    result = SimpleNamespace(
        first=SimpleNamespace(image=image, background=None), recovery_fit=None, dead_time=None, recovery_rows=list,
        gaussian=None if fwhm_mm is None else SimpleNamespace(fwhm_mm=fwhm_mm), acquisitions=(), counts=False,
        filling=SimpleNamespace(nuclide="Y-90"), calibration=1.02, calibration_uncertainty=0.03,
    )  # fmt: skip
    found = tomllib.loads(run_commission._scanner(result, {"reconstruction": {"iterations": 4}}))
    assert found["calibration"] == {"shown_over_true": 1.02, "relative_uncertainty": 0.03}
    assert found.get("resolution") == (
        None if fwhm_mm is None else {"fwhm_mm": 8.0, "one_gaussian_fits": True}
    )


@dataclass(frozen=True)
class Treated:
    """What joining asks of a treatment."""

    name: str
    dose: object
    regions: tuple = ()
    pull: object = None


def test_a_registration_of_others_is_asked_for_folds_within_the_liver(monkeypatch):
    asked = []
    monkeypatch.setattr(joined_treatments, "_way", lambda *_: ("the way", Notice("registered", "by a REG")))
    monkeypatch.setattr(joined_treatments, "_check_asked", lambda *_: None)
    monkeypatch.setattr(joined_treatments, "check_unfolded", lambda *given: asked.append(given))
    liver = np.zeros(GRID.shape)
    liver[0, 0, :2] = 1.0, 0.4
    regions = (
        Region("Lung_L", Role.LUNG, Mask(np.ones(GRID.shape), GRID)), Region("Liver", Role.LIVER, Mask(liver, GRID)),
    )  # fmt: skip
    doses = [SimpleNamespace(grid=replace(GRID, frame_of_reference_uid=uid)) for uid in ("1.1", "1.2")]
    treatments = (Treated("first", doses[0], regions), Treated("second", doses[1]))
    found = joined_treatments.join_frames(
        treatments, "first", SimpleNamespace(registration=(), register_=None)
    )
    ((way, grid, where, name),) = asked
    assert (way, name, found.treatments[1].pull) == ("the way", "the liver of first", "the way")
    assert grid is GRID
    assert np.argwhere(where).tolist() == [[0, 0, 0]]
