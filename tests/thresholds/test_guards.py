"""Guards and sides that faults of a second sample lived in (docs/mutants.md): each is asked with and without what it guards."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
from phantoms import liver_case
from pydicom.dataset import Dataset

from y90voxel.case.setting_names import _names_of
from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.io.dicom import slice_positions
from y90voxel.io.dicom.administration_time import _administration_contradictions
from y90voxel.io.dicom.geometry import DRIFT_TOLERANCE_MM, Stack, _is_tilted, axes_of
from y90voxel.io.dicom.index import USED_MODALITIES, _check_class
from y90voxel.io.dicom.pet_decay import LONGEST_SCAN_S, _enhanced_reference, decay_contradictions
from y90voxel.io.dicom.regularise import shift_to_even_positions
from y90voxel.io.dicom.seg_frames import STEP_TOLERANCE, _fits
from y90voxel.io.dicom.several_drugs import imaged_item
from y90voxel.io.dicom.slice_times import CLOCK_TOLERANCE_S
from y90voxel.microscale.sphere_activity import SphereActivity
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.inapplicable_rows import row_of_other_models
from y90voxel.planning.liver_limits import UNBOUNDED_GBQ, planning_goals
from y90voxel.planning.plan_alarms import _has_fifty_ninety
from y90voxel.planning.plan_maps import _PERFUSED_NORMAL, DoseMaps
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_models import _of_goal_alone
from y90voxel.planning.plan_orders import _SAME, _OrderInputs
from y90voxel.planning.plan_request import PlanRequest, greatest_activities
from y90voxel.planning.plan_spheres import PlanMicroscale
from y90voxel.planning.solved_model import solved_model
from y90voxel.quantification.calibration import calibrate_relative
from y90voxel.quantification.emission import DecayReference
from y90voxel.quantification.focal_uptake import find_foci
from y90voxel.quantification.lung_view import lung_view
from y90voxel.quantification.planar_rays import Rays
from y90voxel.quantification.planar_shunt import _fraction
from y90voxel.quantification.quantify import _negative_counts
from y90voxel.quantification.time_zones import in_zone
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study import run_commission, run_segment
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
GRID = Grid.from_spacing((3, 3, 3), (4.0, 4.0, 4.0))


@pytest.mark.parametrize(("second_gbq", "said"), [(1.0, True), (None, False)])
def test_vials_exceed_a_limit_together_only_where_each_injection_has_one(second_gbq, said):
    def order(injection, net_gbq):
        best = None if net_gbq is None else SimpleNamespace(net_gbq=net_gbq)
        return SimpleNamespace(injection=injection, best=best)

    inputs = SimpleNamespace(broken=lambda given: ("lungs",) if sum(given) > 3.0 else ())
    orders = [order("left", 2.5), order("right", second_gbq)]
    found = _OrderInputs.notices_of_all(inputs, orders, ("left", "right"), (1.5, 1.0))
    assert [notice.code for notice in found] == (["vials-exceed-together"] if said else [])


@pytest.mark.parametrize(("deviation", "right"), [(0.99, True), (1.01, False)])
def test_a_vial_that_is_more_than_rounding_beyond_a_limit_is_on_the_wrong_side(deviation, right):
    offer = SimpleNamespace(offered=True, deviation=deviation * 1e-6, vial=SimpleNamespace(spheres=1e6))
    _, wrong, *_ = _OrderInputs._rank(SimpleNamespace(goal_bound=False), offer)
    assert wrong is not right
    assert _SAME == 1e-6


class Named(list):
    """Regions as a case holds them."""

    def with_role(self, role):
        return [region for region in self if region.role is role]


@pytest.mark.parametrize(
    ("names", "measured_in"),
    [(("Normal",), "Normal"), (("Normal", _PERFUSED_NORMAL), _PERFUSED_NORMAL), ((), _PERFUSED_NORMAL)],
)
def test_perfused_liver_is_measured_in_the_non_tumour_liver_where_nobody_drew_it(names, measured_in):
    roles = {"Normal": Role.NON_TUMOUR_LIVER, _PERFUSED_NORMAL: Role.OTHER}
    regions = Named(SimpleNamespace(name=name, role=roles[name]) for name in names)
    maps = SimpleNamespace(case=SimpleNamespace(regions=regions))
    assert DoseMaps._drawn(maps, _PERFUSED_NORMAL) == measured_in
    assert DoseMaps._drawn(maps, "Tumour") == "Tumour"


@pytest.mark.parametrize("total_gbq", [None, 0.0, 2.0])
def test_a_model_without_activity_prescribes_nothing(total_gbq):
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (20.0,)),))
    model = PlanModel(
        name="a", title="a", activities_gbq=() if total_gbq is None else (total_gbq,), table=table, basis=""
    )
    assert (model.prescription is None) is (not total_gbq)


@pytest.mark.parametrize(("share", "bounded"), [(0.98, True), (0.995, False)])
def test_an_activity_that_nothing_bounds_is_none(share, bounded):
    table = DoseTable(
        (RegionDoses("liver", Role.NON_TUMOUR_LIVER, (1.0,)), RegionDoses("T", Role.TUMOUR, (3.0,)))
    )
    limit = DoseAim("liver limit", "liver", Sense.BELOW, share * UNBOUNDED_GBQ)
    model = solved_model("a", "a", table, (limit,), (UNBOUNDED_GBQ,), objective={"T": 1.0})
    assert model.available is bounded
    if bounded:
        assert model.activities_gbq == pytest.approx((share * UNBOUNDED_GBQ,))


def test_a_residual_takes_its_share_of_the_greatest_vial():
    whole, net = (
        greatest_activities(PlanRequest(residual_fraction=residual), "resin", 2) for residual in (0.0, 0.2)
    )
    assert net == pytest.approx([0.8 * gbq for gbq in whole])


def test_goals_of_tumours_are_held_against_all_of_them_and_those_of_the_perfused_volume_against_it():
    table = DoseTable(
        (
            RegionDoses("T", Role.TUMOUR, (200.0,)),
            RegionDoses("liver", Role.NON_TUMOUR_LIVER, (20.0,)),
            RegionDoses("perfused", Role.PERFUSED, (60.0,)),
        )
    )
    lesion = DoseAim("goal", "T", Sense.AT_LEAST, 205.0, required=False)
    volume = DoseAim("volume", "perfused", Sense.AT_LEAST, 150.0, required=False)
    (found,), stated = planning_goals((lesion,), table, measurable=False)
    assert (found.name, stated) == ("goal, mean of all tumours", False)
    assert planning_goals((lesion, volume), table, measurable=False) == ((volume,), False)


@pytest.mark.parametrize(
    ("time", "zone", "expected"),
    [
        (None, UTC, None),
        (NOON.replace(tzinfo=None), None, NOON.replace(tzinfo=None)),
        (NOON.replace(tzinfo=None), UTC, NOON),
        (NOON, timezone(timedelta(hours=2)), NOON),
        (None, None, None),
    ],
)
def test_a_zone_is_for_times_that_have_none(time, zone, expected):
    found = in_zone(time, zone)
    assert found == expected
    assert found is None or found.tzinfo == expected.tzinfo


def test_a_case_has_one_nuclide():
    case = liver_case()
    (injection,) = case.injections
    grid = injection.emission.volume.grid
    other = replace(
        injection,
        administration=replace(injection.administration, nuclide="Ho-166"),
        emission=replace(injection.emission, volume=CountMap(np.ones(grid.shape), grid)),
    )
    with pytest.raises(InputError, match="one nuclide, found Ho-166, Y-90"):
        replace(case, injections=(injection, other))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("counts", "liver"), [(0.0, (0, 0, 0)), (1.0, slice(None))])
def test_without_counts_or_anything_outside_the_liver_there_are_no_foci(counts, liver):
    mask = np.zeros(GRID.shape)
    mask[liver] = 1.0
    regions = Regions(GRID, (Region("Liver", Role.LIVER, Mask(mask, GRID)),))
    assert find_foci(CountMap(np.full(GRID.shape, counts), GRID), regions, 1.0) == ()


def test_lungs_that_nobody_drew_may_be_in_the_image_or_not():
    view = lung_view(Regions(GRID, ()))
    assert (view.share, view.low, view.high) == (0.0, 0.0, 1.0)
    assert view.relative_range(0.2) == pytest.approx(0.5 * (1.0 - 0.8) / 0.8)


def test_a_pixel_is_in_one_zone_of_a_planar_view():
    """In the margin, beside it or beyond it; between two lungs at one distance it is not the left one's."""
    distance = np.array([[0.0, 9.9, 10.0, 10.1, 20.0, 20.1]])
    far = np.full(distance.shape, 99.0)
    rays = SimpleNamespace(
        margin_mm=10.0, from_left=distance, from_right=far, from_liver=far, in_ct=None,
        liver_zone=np.zeros(distance.shape, bool),
    )  # fmt: skip
    assert Rays.lung_zone(rays, left=True).tolist() == [[True, True, True, False, False, False]]
    assert Rays.beside(rays, 2.0).tolist() == [[False, False, False, True, True, False]]
    rays.from_right = distance
    assert not Rays.lung_zone(rays, left=True).any()
    assert Rays.lung_zone(rays, left=False).tolist() == [[True, True, True, False, False, False]]


@pytest.mark.parametrize(
    ("places", "where"), [("volume", "anywhere in the tissue"), ("lattice", "lattice of tracts")]
)
def test_where_spheres_may_lie_is_said(places, where):
    part = PlanMicroscale(SphereActivity(50.0, "stated"), "1", "single spheres", places, ())
    assert where in " ".join(part.statement)


@pytest.mark.parametrize("drawn", [2, 3])
def test_three_drawn_spheres_of_a_phantom_are_enough(monkeypatch, drawn):
    diameters = (37.0, 28.0, 22.0)
    layout = SimpleNamespace(spheres=[SimpleNamespace(diameter_mm=d) for d in diameters])
    regions = []
    for number, diameter in enumerate(diameters[:drawn]):
        mask = np.zeros(GRID.shape)
        mask[number, 1, 1] = 1.0
        regions.append(Region(f"sphere {diameter:g}", Role.OTHER, Mask(mask, GRID)))
    placed = SimpleNamespace(drawn=regions)
    monkeypatch.setattr(run_commission, "read_region_files", lambda *_: ((), ()))
    monkeypatch.setattr(run_commission, "place_regions", lambda *_, **__: (placed, []))
    monkeypatch.setattr(run_commission, "layout_of", lambda _: layout)
    record, emission = SimpleNamespace(contours="drawn.dcm"), SimpleNamespace(grid=GRID)
    if drawn < 3:
        with pytest.raises(InputError, match="three are needed"):
            run_commission._drawn(record, emission, [])
    else:
        found = run_commission._drawn(record, emission, [])
        assert np.allclose(found, [GRID.index_to_lps((n, 1, 1)) for n in range(3)])


def test_the_last_that_a_program_said_is_quoted_and_no_more():
    command = (sys.executable, "-c", "print('a' * 100 + 'b' * 600); raise SystemExit(3)")
    with pytest.raises(InputError) as caught:
        run_segment._run(command)
    assert str(caught.value).count("b" * 600) == 1
    assert "ab" not in str(caught.value)


def test_directions_that_are_nearly_unit_vectors_become_some():
    rows, columns, normal = axes_of((1.0008, 0.0, 0.0, 0.0005, 0.9995, 0.0), "a.dcm")
    for axis in (rows, columns, normal):
        assert np.linalg.norm(axis) == pytest.approx(1.0, abs=1e-12)
    assert rows @ columns == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("drift_mm", "tilted"), [(0.049, False), (0.051, True)])
def test_slices_that_drift_by_less_than_rounding_are_straight(drift_mm, tilted):
    heights = np.array([0.0, 3.0, 6.0])
    shifts = np.outer([0.0, 0.5, 1.0], [drift_mm, 0.0])
    frames = [SimpleNamespace(instance=SimpleNamespace(source=SimpleNamespace(name="a.dcm")))] * 3
    assert DRIFT_TOLERANCE_MM == 0.05
    assert _is_tilted(frames, heights, shifts, []) is tilted


@pytest.mark.parametrize(
    ("before_s", "known"), [(0.0, True), (LONGEST_SCAN_S, True), (LONGEST_SCAN_S + 1.0, False)]
)
def test_values_refer_to_the_start_of_a_scan_within_an_hour_of_the_acquisition(before_s, known):
    header = Dataset()
    acquired = datetime(2026, 1, 5, 12)
    header.DecayCorrectionDateTime = (acquired - timedelta(seconds=before_s)).strftime("%Y%m%d%H%M%S")
    first = SimpleNamespace(header=header, source=SimpleNamespace(name="a.dcm"), text=lambda _: "YES")
    if known:
        assert _enhanced_reference(first, acquired, None) is DecayReference.START
    else:
        with pytest.raises(InputError, match="neither the acquisition"):
            _enhanced_reference(first, acquired, None)
    assert LONGEST_SCAN_S == 3600.0


@pytest.mark.parametrize(("factor", "said"), [(None, False), (1.0, False), (1.05, True), (2.0, True)])
def test_a_decay_factor_other_than_one_contradicts_values_that_are_not_corrected(factor, said):
    header = Dataset()
    header.CorrectedImage = ["ATTN"]
    if factor is not None:
        header.DecayFactor = factor
    first = SimpleNamespace(header=header, source=SimpleNamespace(name="a.dcm"))
    found = decay_contradictions(SimpleNamespace(first=first), DecayReference.NONE, None, None, None)
    assert bool(found) is said


@pytest.mark.parametrize("modality", [*sorted(USED_MODALITIES), "OT"])
def test_an_undefined_class_of_a_modality_that_is_used_is_damage(modality):
    instance = SimpleNamespace(
        source=SimpleNamespace(name="a.dcm"), sop_class_uid="1.2.840.10008.5.1.4.1.1.99999", header=Dataset(),
        modality=modality,
    )  # fmt: skip
    if modality in USED_MODALITIES:
        with pytest.raises(InputError, match="not defined in DICOM"):
            _check_class(instance)
    else:
        _check_class(instance)


@pytest.mark.parametrize("seen", [100.0, 0.0])
def test_a_planar_shunt_is_as_sure_as_its_counts(seen):
    """Against 200,000 draws of counts in lungs and liver; where the lungs show none, what their counting leaves open."""
    hepatic = 1000.0
    spread = {"lungs": 10.0, "liver": 40.0}

    def shunt(lungs, liver):
        rays = SimpleNamespace(
            lung_weight=lambda _: "lungs", liver_weight=lambda _: "liver", lung_zone=lambda **_: None,
            liver_zone=None, in_sight=lambda **_: 1.0, left_share=0.45,
        )  # fmt: skip
        counts = {"lungs": (lungs, spread["lungs"] ** 2), "liver": (liver, spread["liver"] ** 2)}
        views = SimpleNamespace(rays=rays, counts=lambda _zone, which, _background: counts[which])
        return _fraction(views, 0.12, left=False)

    fraction, uncertainty = shunt(seen, hepatic)
    assert fraction == pytest.approx(seen / (seen + hepatic))
    rng = np.random.default_rng(1)
    lungs, liver = (
        rng.normal(mean, spread[name], 200_000) for name, mean in (("lungs", seen), ("liver", hepatic))
    )
    assert uncertainty == pytest.approx((lungs / (lungs + liver)).std(), rel=0.03)


@pytest.mark.filterwarnings("error")
def test_an_empty_image_is_brought_to_even_positions_as_it_is():
    grid = Grid.from_spacing((4, 1, 1), (3.0, 1.0, 1.0))
    heights = np.array([0.0, 3.5, 6.0, 9.0])
    stack = Stack((), grid, heights, np.zeros((4, 2)), uneven=False, tilted=False, notices=())
    assert not shift_to_even_positions(np.zeros((4, 1, 1)), stack).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("stated", "mixed"),
    [((3.0, 6.0, 6.0), True), ((None, 6.0, 6.0), False), ((0.0, 6.0, 6.0), False), ((3.0,), False)],
)
def test_slices_without_a_thickness_are_none_of_several_thicknesses(monkeypatch, stated, mixed):
    monkeypatch.setattr(slice_positions, "_thickness", lambda frame: frame.thickness)
    instance = SimpleNamespace(source=SimpleNamespace(name="a.dcm"))
    frames = [SimpleNamespace(thickness=mm, instance=instance) for mm in stated]
    heights = np.array([0.0, 4.5, 10.5])[: len(stated)]
    assert (slice_positions._mixed_steps(frames, heights, []) is not None) is mixed


@pytest.mark.parametrize(("off", "fits"), [(0.9, True), (1.1, False)])
def test_planes_that_are_nearly_on_whole_steps_fit(off, fits):
    assert _fits(np.array([0.0, 2.0, 4.0 + 2.0 * off * STEP_TOLERANCE]), 2.0) is fits


@pytest.mark.parametrize(
    ("negative", "negligible"), [(0.5e-3, True), (1e-3, True), (1.5e-3, False), (0.5, False)]
)
def test_the_share_of_negative_counts_is_said_and_when_it_matters(negative, negligible):
    counts = np.full(GRID.shape, 1.0)
    counts[0, 0, 0] = -negative * (counts.size - 1)
    (notice,) = _negative_counts(CountMap(counts, GRID))
    assert f"1 voxels are negative, together {100 * negative:.3g} % of" in notice.message
    assert ("(negligible)" in notice.message) is negligible


def test_counts_of_any_unit_are_brought_to_an_activity():
    counts = CountMap(np.full(GRID.shape, 1e-9), GRID)
    assert calibrate_relative(counts, None, 2e9).total == pytest.approx(2e9)
    with pytest.raises(InputError, match="nothing to scale"):
        calibrate_relative(counts.with_array(np.zeros(GRID.shape)), None, 2e9)


def test_two_therapies_in_one_header_are_refused():
    instance = SimpleNamespace(modality="PT", source=SimpleNamespace(name="a.dcm"))
    with pytest.raises(InputError):
        imaged_item(instance, ((), ()), ("Y-90", "Ho-166"), [])
    assert imaged_item(instance, ((), ()), ("Tc-99m", "Y-90"), []) == 1


@pytest.mark.parametrize(("seconds", "said"), [(CLOCK_TOLERANCE_S, False), (CLOCK_TOLERANCE_S + 1.0, True)])
def test_two_statements_of_the_administration_may_differ_by_the_tolerance_of_clocks(seconds, said):
    item = Dataset()
    item.RadiopharmaceuticalStartTime = (NOON + timedelta(seconds=seconds)).strftime("%H%M%S")
    instance = SimpleNamespace(source=SimpleNamespace(name="a.dcm"))
    stated = NOON.replace(tzinfo=None)
    found = _administration_contradictions(instance, SimpleNamespace(item=item), stated, None)
    assert [notice.code for notice in found] == (["administration-stated-twice"] if said else [])


@pytest.mark.parametrize(("sense", "kind"), [(Sense.BELOW, "limit"), (Sense.AT_LEAST, "goal")])
def test_a_row_that_does_not_apply_stays_a_limit_or_a_goal(sense, kind):
    assert row_of_other_models(DoseAim("a", "liver", sense, 50.0))["kind"] == kind


def test_bilirubin_decides_limits_of_glass_alone():
    assert _has_fifty_ninety("glass")
    assert not _has_fifty_ninety("resin")
    assert not _has_fifty_ninety(None)


def test_a_table_with_keys_of_a_kind_has_those_of_the_kind():
    assert _names_of(Literal["a", "b"]) == ["a", "b"]
    assert _names_of(str) == _names_of(int)
    assert _names_of(Sense) == [sense.value for sense in Sense]


@pytest.mark.parametrize(("wanted_gbq", "refused"), [(2.0, False), (2.1, True)])
def test_a_wanted_dose_beyond_another_limit_gives_no_activity(wanted_gbq, refused):
    end = SimpleNamespace(name="lungs", activity_gbq=2.0)
    table = DoseTable((RegionDoses("lungs", Role.LUNGS, (15.0,)),))
    model = PlanModel(
        name="a", title="a", activities_gbq=(wanted_gbq,), table=table, basis="150 Gy", goal_only=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlanModel, "prescription", SimpleNamespace(end=end))
        found = _of_goal_alone(model, "wanted")
    assert found.goal_refused is refused
    assert found.available is not refused


@pytest.mark.parametrize("frames", [3, 4])
def test_a_stack_of_several_thicknesses_has_other_slices_than_its_grid(frames):
    grid = Grid.from_spacing((3, 4, 5), (4.0, 4.0, 4.0))
    stack = Stack(
        (None,) * frames,
        grid,
        np.zeros(frames),
        np.zeros((frames, 2)),
        uneven=False,
        tilted=False,
        notices=(),
    )
    assert stack.of_several_thicknesses is (frames != 3)
