"""Faults of a second sample of mutants (docs/mutants.md), each held by a test on either side."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.case.accumulation_settings import TreatmentFacts
from y90voxel.case.scanner_settings import NOTICED_DEVIATIONS, _cross_calibration_notices
from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.io.dicom.ct import _fits_int16
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.geometry import Stack
from y90voxel.io.dicom.headers import lenient_reading, read_header
from y90voxel.io.dicom.pet import _derived
from y90voxel.io.dicom.radionuclide import _is_isotope
from y90voxel.io.dicom.regularise import shift_to_even_positions
from y90voxel.io.dicom.seg_frames import _contradicts
from y90voxel.io.dicom.several_drugs import _narrow_window_about, decay_equivalent_time
from y90voxel.io.dicom.sources import list_files
from y90voxel.io.dicom.uniform import FEWEST_SLICES_TO_JUDGE, check_numbering
from y90voxel.planning.aims import AimResult, DoseAim
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.liver_limits import UNBOUNDED_GBQ, _bounds
from y90voxel.planning.plan import _empty_injections
from y90voxel.planning.plan_draws import _diameter_mm, _shunt
from y90voxel.planning.plan_model import check_split
from y90voxel.planning.plan_request import _VIAL_TOLERANCE, check_given
from y90voxel.planning.solved_model import _decisive, _needs, _Problem, _within_limits
from y90voxel.planning.split_problem import DoseConstraint, SplitProblem
from y90voxel.planning.treatment_day import TreatmentDay, deliver
from y90voxel.planning.vials import residual_fraction_by_survey
from y90voxel.quantification.emission import Reconstruction
from y90voxel.quantification.scanner import Scanner, _rate_cps, _rate_notices
from y90voxel.quantification.stated_facts import check_stated_time
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.regions.roles import Role
from y90voxel.study.read_treatments import _fraction_dates
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage


@pytest.mark.parametrize(
    ("stored", "intercept", "fits"),
    [
        ((-100, 100), -32668, True),
        ((-101, 100), -32668, False),  # -32769 HU
        ((-100, 100), 32667, True),
        ((-100, 101), 32667, False),  # 32768 HU
        ((0, 32767), 0, True),
        ((0, 32768), 0, False),
        ((0, 32768), -1, False),  # its sum fits, it does not
    ],
)
def test_what_fits_in_16_bits(stored, intercept, fits):
    assert _fits_int16(np.array(stored, np.int32), intercept) is fits


@pytest.mark.parametrize(("previous_gy", "used_up"), [(29.9, False), (30.0, False), (30.1, True)])
def test_a_limit_that_is_reached_to_the_last_is_not_yet_exceeded(previous_gy, used_up):
    limit = DoseConstraint("lungs", "lungs", Sense.BELOW, 30.0, previous_gy=previous_gy)
    problem = SplitProblem((limit,), np.array([[10.0]]), np.array([3.0]))
    assert (problem.exhausted() is not None) is used_up


def test_all_of_a_vial_may_be_left_in_the_waste_but_not_more():
    assert residual_fraction_by_survey(42.0, 42.0, 0.1) == 1.0
    with pytest.raises(InputError, match="more than the vial did"):
        residual_fraction_by_survey(42.0, 42.01, 0.1)


@pytest.mark.parametrize(("own", "contradicts"), [(1.9, True), (2.0, False), (2.1, False)])
def test_two_planes_closer_than_stated_contradict_it(own, contradicts):
    assert _contradicts(np.array([0.0, own]), own, 2.0, None) is contradicts


@pytest.mark.parametrize(("number", "assumed"), [(1, False), (2, True)])
def test_the_day_of_a_single_fraction_is_not_assumed(number, assumed):
    start = datetime(2026, 1, 5, tzinfo=UTC)
    days, notices = _fraction_dates(TreatmentFacts(path="a"), start, number)
    assert days[0] == start
    assert len(days) == number
    assert bool(notices) is assumed


def nm_header(folder, **attributes):
    path = factory.save(factory.header("1.2.840.10008.5.1.4.1.1.20", "NM", "s", "0", **attributes), folder)[0]
    with lenient_reading():
        return read_header(list_files(path)[0])


@pytest.mark.parametrize(("second", "one"), [("080100", True), ("080101", False)])
def test_administrations_within_a_minute_are_one(tmp_path, second, one):
    given = [
        factory.item(RadiopharmaceuticalStartDateTime=f"20240312{time}", RadionuclideTotalDose="1e9")
        for time in ("080000", second)
    ]
    assert (decay_equivalent_time(nm_header(tmp_path), given, 230_000.0, []) is None) is one


@pytest.mark.parametrize(("high_kev", "narrow"), [(163.0, True), (163.1, False), (140.4, False)])
def test_a_narrow_window_about_the_photopeak_is_45_kev_wide_at_most(tmp_path, high_kev, narrow):
    windows = Sequence([factory.energy_window(118.0, high_kev)])
    header = nm_header(tmp_path, EnergyWindowInformationSequence=windows)
    assert _narrow_window_about(header, 140.5) is narrow


@pytest.mark.parametrize(("gy_per_gbq", "bounds"), [(1.0, True), (0.999, False), (0.0, False)])
def test_a_limit_that_no_activity_reaches_bounds_none(gy_per_gbq, bounds):
    limit = DoseAim("a", "liver", Sense.BELOW, UNBOUNDED_GBQ)
    assert _bounds(limit, gy_per_gbq) is bounds
    used_up = replace(limit, previous=UNBOUNDED_GBQ)
    assert _bounds(used_up, gy_per_gbq) is (gy_per_gbq > 0.0)


@pytest.mark.parametrize(("counts", "outside"), [(1000.0, False), (1001.0, True)])
def test_a_rate_that_the_phantom_had_is_not_outside(counts, outside):
    grid = Grid.from_spacing((1, 1, 1), (4.0, 4.0, 4.0))
    emission = SimpleNamespace(volume=CountMap(np.full((1, 1, 1), counts), grid), frame_duration_s=10.0)
    scanner = Scanner(Path("s.toml"), "Y-90", "NM", Reconstruction(), (4.0, 4.0, 4.0), highest_rate_cps=100.0)
    assert bool(_rate_notices(scanner, _rate_cps(emission, None))) is outside


def test_values_brought_to_even_positions_keep_their_sum():
    """Two of the slices half a millimetre off; a blob in one of them would lose a sixth of itself without the scaling."""
    grid = Grid.from_spacing((4, 1, 1), (3.0, 1.0, 1.0))
    heights = np.array([0.0, 3.5, 6.0, 9.0])
    stack = Stack((), grid, heights, np.zeros((4, 2)), uneven=False, tilted=False, notices=())
    values = np.array([0.0, 6.0, 1.0, 0.0])[:, None, None]
    found = shift_to_even_positions(values, stack)
    unscaled = np.array([0.0, 6.0 * 6 / 7, 1.0, 0.0])
    assert found[:, 0, 0] == pytest.approx(unscaled * 7.0 / unscaled.sum())


@pytest.mark.parametrize(("ct_mm", "sampled_mm"), [(1.9, 2.0), (2.1, 2.1)])
def test_a_deformed_ct_is_sampled_no_finer_than_two_millimetres(monkeypatch, ct_mm, sampled_mm):
    monkeypatch.setattr(
        "y90voxel.io.dicom.dicom_study.sampled", lambda _array, _own, grid, *_: np.zeros(grid.shape)
    )
    study = SimpleNamespace(_emission=SimpleNamespace(grid=Grid.from_spacing((10, 10, 10), (4.2, 4.2, 4.2))))
    image = CtImage(np.zeros((3, 3, 3)), Grid.from_spacing((3, 3, 3), (ct_mm, ct_mm, ct_mm)))
    transform = SimpleNamespace(rigid=None, inverse=lambda: None)
    found = DicomStudy._carried_ct(study, image, transform)
    assert found.grid.spacing_mm == pytest.approx([sampled_mm] * 3, rel=0.05)


@pytest.mark.parametrize(
    ("achieved", "says"), [(0.5, "takes 240 GBq"), (60.0, "takes 2 GBq"), (0.0, "gets nothing")]
)
def test_what_a_goal_takes(achieved, says):
    goal = DoseAim("goal", "tumour", Sense.AT_LEAST, 120.0)
    assert _needs(AimResult(goal, achieved, "not met"), 1.0) == says


@pytest.mark.parametrize(("beyond", "refused"), [(0.0, False), (1e-6, True)])
def test_a_vial_may_differ_from_its_nominal_activity(beyond, refused):
    given = (2.0 * (1.0 + _VIAL_TOLERANCE) * (1.0 + beyond),)
    if refused:
        with pytest.raises(InputError, match="beyond any glass vial"):
            check_given(given, (2.0,), "glass")
    else:
        check_given(given, (2.0,), "glass")


def test_a_shunt_of_nothing_stays_nothing():
    assert _shunt(0.0, 0.3) == 0.0
    assert 0.05 < _shunt(0.05, 0.3) < 0.07


def test_a_region_without_dose_is_not_maximised():
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (20.0,)),))
    problem = _Problem(table, (), (3.0,), None, None)
    assert "no dose is known for spleen" in _within_limits(problem, {"spleen": 1.0})


@pytest.mark.parametrize(("ratio", "noticed"), [(1.5, False), (1.501, True), (0.5, False), (0.499, True)])
def test_a_cross_calibration_off_by_more_than_its_uncertainty_is_noticed(ratio, noticed):
    scanner = Scanner(
        Path("s.toml"), "Y-90", "PT", Reconstruction(), (4.0, 4.0, 4.0), shown_over_true=ratio,
        relative_uncertainty=0.5 / NOTICED_DEVIATIONS,
    )  # fmt: skip
    assert bool(_cross_calibration_notices(scanner)) is noticed


@pytest.mark.parametrize(
    ("kind", "derived"), [(("DERIVED", "PRIMARY"), True), (("ORIGINAL", "DERIVED"), False)]
)
def test_the_first_word_of_the_image_type_says_whether_it_was_computed(kind, derived):
    source = SimpleNamespace(name="pet.dcm")
    series = SimpleNamespace(first=SimpleNamespace(image_type=kind, source=source))
    assert bool(_derived(series)) is derived


@pytest.mark.parametrize(
    ("symbol", "mass", "can_be"),
    [("Y", "90", True), ("Y", "39", False), ("Y", "40", True), ("U", "260", True), ("U", "261", False),
     ("Tc", "99m", True), ("Tc", "9m9", False), ("P", "32", True), ("P", "12", False), ("S", "100", False)],
)  # fmt: skip
def test_which_numbers_beside_a_symbol_are_masses(symbol, mass, can_be):
    assert _is_isotope(symbol, mass) is can_be


def test_nothing_is_delivered_before_the_vial_is_assayed():
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assayed = TreatmentDay(assay_gbq=3.0, assay_time=noon, injection_time=noon)
    assert deliver(assayed, 2.5, 230_000.0).vial_gbq == 3.0
    assert deliver(TreatmentDay(), 2.5, 230_000.0) is None


@pytest.mark.parametrize(
    ("slices", "refused"), [(FEWEST_SLICES_TO_JUDGE - 1, False), (FEWEST_SLICES_TO_JUDGE, True)]
)
def test_few_slices_may_be_numbered_in_any_order(slices, refused):
    order = [2, 1, *range(3, slices + 1)]
    instances = [
        SimpleNamespace(
            is_multiframe_enhanced=False, text=lambda _, n=n: str(n), source=SimpleNamespace(name=f"{n}.dcm")
        )
        for n in order
    ]
    frames = [SimpleNamespace(instance=instance) for instance in instances]
    if refused:
        with pytest.raises(InputError, match="Slices may be swapped"):
            check_numbering(frames)
    else:
        check_numbering(frames)


def test_a_goal_reached_exactly_decides_before_those_that_are_exceeded_or_unknown():
    def result(name, achieved):
        return AimResult(DoseAim(name, "tumour", Sense.AT_LEAST, 120.0), achieved, "met")

    exact, more, unknown = result("exact", 120.0), result("more", 130.0), result("unknown", None)
    assert _decisive([exact, more, unknown], {"exact", "more", "unknown"}) == ("exact",)
    assert _decisive([more, unknown], {"more", "unknown"}) == ("more", "unknown")


@pytest.mark.parametrize(
    ("activities", "said"), [((0.5, 2.0), False), ((0.0, 2.0), True), ((0.0, 0.0), False)]
)
def test_an_injection_that_gets_nothing_is_said(activities, said):
    assert bool(_empty_injections(("left", "right"), activities)) is said


@pytest.mark.parametrize(
    ("time", "header", "predicted", "said"),
    [(18, 12, False, True), (None, 12, False, False), (18, None, False, False), (18, 12, True, False)],
)
def test_a_stated_time_is_held_against_the_header_of_the_therapy_itself(time, header, predicted, said):
    def at(hour):
        return None if hour is None else datetime(2026, 1, 5, hour, tzinfo=UTC)

    emission = SimpleNamespace(
        administration_time=at(header),
        day_unknown=False,
        predicted=predicted,
        administration_day_assumed=False,
    )
    assert bool(check_stated_time(emission, at(time), trusted=False)) is said


def test_the_diameter_of_a_tumour_is_that_of_a_ball_of_its_mass():
    assert _diameter_mm(LIVER_DENSITY_G_PER_ML * np.pi / 6 * 1e-3) == pytest.approx(10.0)  # 10 mm: 0.524 mL


def test_a_split_is_in_shares_of_one():
    assert check_split((3.0, 1.0), 2) == pytest.approx((0.75, 0.25))
    for split in ((3.0,), (1.0, 0.0), (1.0, -1.0)):
        with pytest.raises(InputError, match="one positive share for each of 2 injections"):
            check_split(split, 2)
