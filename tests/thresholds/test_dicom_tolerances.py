"""Tolerances of places in DICOM, one case on each side: directions, spacings, heights, gaps, frames, registrations."""

from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError, GeometryError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.geometry import _check_alike, _is_tilted, axes_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.pet_values import check_mapping
from y90voxel.io.dicom.registrations import Link, _check_agreement, _vector_grid
from y90voxel.io.dicom.rtdose import _frame_step
from y90voxel.io.dicom.rtstruct import _image_step
from y90voxel.io.dicom.seg_frames import _contradicts, _fits, _same
from y90voxel.io.dicom.slice_gaps import check_gaps
from y90voxel.io.dicom.slice_positions import (
    _even_positions,
    _median_step,
    _mixed_steps,
    check_position,
    check_spacing,
)
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.dicom.uniform import check_numbering
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Chain
from y90voxel.volumes.volume import CtImage

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SIGNS = pytest.mark.parametrize("sign", [1.0, -1.0])


def frame(orientation=AXIAL, spacing_mm=(2.0, 2.0), slope=1.0, **header):
    instance = Instance(FILE, factory.item(Rows=4, Columns=4, **header))
    return Frame(instance, 0, (0.0, 0.0, 0.0), orientation, spacing_mm, slope, 0.0)


def codes_of(notices):
    return [notice.code for notice in notices]


@SIGNS
@pytest.mark.parametrize(("off", "taken"), [(0.00095, True), (0.00105, False)])
@pytest.mark.parametrize(
    "turned",
    [
        lambda by: (1.0 + by, 0.0, 0.0, 0.0, 1.0, 0.0),
        lambda by: (1.0, 0.0, 0.0, 0.0, 1.0 + by, 0.0),
        lambda by: (1.0, 0.0, 0.0, by, 1.0, 0.0),
    ],
)
def test_direction_cosines_are_perpendicular_unit_vectors_to_a_thousandth(turned, off, taken, sign):
    if taken:
        np.testing.assert_allclose(axes_of(turned(sign * off), "x.dcm")[2], (0.0, 0.0, 1.0), atol=0.001)
    else:
        with pytest.raises(DicomError, match="perpendicular unit vectors"):
            axes_of(turned(sign * off), "x.dcm")


@SIGNS
@pytest.mark.parametrize(("off", "taken"), [(0.00095, True), (0.00105, False)])
@pytest.mark.parametrize("what", ["orientation", "spacing_mm"])
def test_slices_are_alike_to_a_thousandth(what, off, taken, sign):
    own = {"orientation": AXIAL, "spacing_mm": (2.0, 2.0)}[what]
    other = frame(**{what: (*own[:-1], own[-1] + sign * off)})
    if taken:
        _check_alike([frame(), other])
    else:
        with pytest.raises(DicomError, match="differ"):
            _check_alike([frame(), other])


@SIGNS
@pytest.mark.parametrize(("aside_mm", "said"), [(0.0475, []), (0.0525, ["gantry-tilt"])])
def test_slices_that_drift_aside_by_a_twentieth_of_a_millimetre_are_a_straight_stack(aside_mm, said, sign):
    heights, notices = np.arange(5) * 4.0, []
    shifts = np.column_stack([np.zeros(5), sign * np.linspace(0.0, aside_mm, 5)])
    assert _is_tilted([frame()] * 5, heights, shifts, notices) == bool(said)
    assert codes_of(notices) == said


@pytest.mark.parametrize(
    ("spacing_mm", "taken"), [(0.0098, False), (0.01, True), (200.0, True), (201.0, False), (-4.0, False)]
)
def test_voxels_lie_a_hundredth_to_200_millimetres_apart(spacing_mm, taken):
    if taken:
        check_spacing([4.0, spacing_mm], "x.dcm")
    else:
        with pytest.raises(DicomError, match=r"it must be positive, from 0\.01 to 200 mm"):
            check_spacing([4.0, spacing_mm], "x.dcm")


@SIGNS
def test_images_lie_within_100_metres(sign):
    check_position((0.0, sign * 100_000.0, 0.0), "x.dcm")
    with pytest.raises(DicomError, match="out of reach"):
        check_position((0.0, sign * 100_001.0, 0.0), "x.dcm")


@pytest.mark.parametrize(("step_mm", "taken"), [(0.0098, False), (0.0102, True)])
def test_two_slices_within_a_hundredth_of_a_millimetre_lie_at_one_position(step_mm, taken):
    heights = np.array([0.0, step_mm])
    if taken:
        assert _median_step([frame()] * 2, heights, None) == step_mm
    else:
        with pytest.raises(DicomError, match="different images at one position"):
            _median_step([frame()] * 2, heights, None)


@pytest.mark.parametrize(("thickness_mm", "taken"), [(0.5, True), (0.0, False), (-4.0, False), (None, False)])
def test_a_single_slice_is_as_thick_as_it_says(thickness_mm, taken):
    if taken:
        assert _median_step([frame()], np.array([20.0]), thickness_mm) == thickness_mm
    else:
        with pytest.raises(DicomError, match="has no positive SliceThickness"):
            _median_step([frame()], np.array([20.0]), thickness_mm)


@pytest.mark.parametrize(
    ("part", "said"),
    [(0.48, "an extra slice"), (0.5, ""), (1.5, ""), (1.52, r"1 slice\(s\) missing")],
)
def test_a_step_of_half_to_one_and_a_half_others_misses_no_slice(part, said):
    heights = np.cumsum([0.0, 4.0, 4.0, 4.0, 4.0 * part])
    if not said:
        assert _median_step([frame()] * 5, heights, None) == 4.0
    else:
        with pytest.raises(DicomError, match=said):
            _median_step([frame()] * 5, heights, None)


def off_even(step_mm, off_mm):
    """Heights of four slices, each so far off the line that fits them best."""
    return 20.0 + np.arange(4) * step_mm + off_mm * np.array([1.0, -1.0, -1.0, 1.0])


@SIGNS
@pytest.mark.parametrize(
    ("off_mm", "said", "uneven"),
    [
        (0.0048, [], False),  # within a hundredth of the line through the ends: rounding
        (0.0052, ["uneven-slices"], False),
        (0.0585, ["uneven-slices"], False),  # 1.46 % of a step
        (0.0615, ["uneven-slices"], True),
    ],
)
def test_slices_up_to_one_and_a_half_percent_of_a_step_off_are_taken_as_even(off_mm, said, uneven, sign):
    notices = []
    start, step, interpolated = _even_positions([frame()] * 4, off_even(4.0, sign * off_mm), 4.0, notices)
    assert (codes_of(notices), interpolated) == (said, uneven)
    assert (start, step) == (pytest.approx(20.0, abs=0.005), pytest.approx(4.0))


def mixed(thick_mm, *, step_mm=None, border_mm=None, thin_mm=1.0):
    """What four thin slices and three thick ones stand for, which lie as far apart as they are thick."""
    step = thick_mm if step_mm is None else step_mm
    border = (thin_mm + thick_mm) / 2 if border_mm is None else border_mm
    heights = np.cumsum([0.0, thin_mm, thin_mm, thin_mm, border, step, step])
    frames = [frame(SliceThickness=str(mm)) for mm in [thin_mm] * 4 + [thick_mm] * 3]
    return _mixed_steps(frames, heights, [])


@pytest.mark.parametrize(("thick_mm", "several"), [(1.1, False), (1.12, True), (10.0, True), (10.1, False)])
def test_slices_of_two_thicknesses_are_a_tenth_to_ten_times_thicker(thick_mm, several):
    assert (mixed(thick_mm) is not None) == several


@pytest.mark.parametrize(("step_mm", "several"), [(1.09, False), (1.11, True)])
def test_slices_up_to_a_tenth_farther_apart_are_one_stack_whatever_their_thickness(step_mm, several):
    assert (mixed(1.3, step_mm=step_mm, border_mm=1.0) is not None) == several


@pytest.mark.parametrize(("border_mm", "touch"), [(0.79, False), (0.81, True), (3.59, True), (3.61, False)])
def test_a_step_of_two_slices_is_that_of_one_of_them_to_a_fifth(border_mm, touch):
    assert (mixed(3.0, border_mm=border_mm) is not None) == touch


def gaps(step_mm, thickness_mm, *, stride=1, count=4, emission=True, **header):
    frames = [
        frame(SliceThickness=thickness_mm and str(thickness_mm), InstanceNumber=str(1 + stride * i), **header)
        for i in range(count)
    ]
    grid = SimpleNamespace(spacing_mm=(step_mm, 2.0, 2.0))
    stack = SimpleNamespace(frames=frames, grid=grid, of_several_thicknesses=False)
    return codes_of(check_gaps(SimpleNamespace(first=frames[0].instance), stack, emission=emission))


@pytest.mark.parametrize(
    ("step_mm", "said"),
    [(0.79, ["slices-overlap"]), (0.81, []), (1.0, []), (1.19, []), (1.21, ["slice-gaps"])],
)
def test_slices_a_fifth_off_their_thickness_overlap_or_leave_gaps(step_mm, said):
    assert gaps(4.0 * step_mm, 4.0) == said


@pytest.mark.parametrize(
    ("step_mm", "said"), [(3.9, ["slices-overlap"]), (4.0, []), (6.0, []), (6.1, ["slice-gaps"])]
)
def test_slices_of_5_millimetres_every_4_or_6_neither_overlap_nor_leave_gaps(step_mm, said):
    """A fifth to the millimetre, as protocols have it."""
    assert gaps(step_mm, 5.0) == said


def test_slices_of_less_than_a_millimetre_leave_gaps_too():
    assert gaps(1.5, 0.75, emission=False) == ["slice-gaps"]


def test_slices_of_a_ct_may_overlap():
    assert gaps(3.0, 4.0, emission=False) == []


@pytest.mark.parametrize("stated", ["0", "-4", None])
def test_slices_of_unknown_thickness_leave_no_gaps(stated):
    assert gaps(8.0, stated) == []


@pytest.mark.parametrize(("part", "missing"), [(0.79, False), (0.81, True), (1.19, True), (1.21, False)])
def test_numbers_that_advance_by_two_at_twice_the_thickness_miss_every_second_slice(part, missing):
    if missing:
        with pytest.raises(DicomError, match="InstanceNumber advances by 2: slices between them are missing"):
            gaps(8.0 * part, 4.0, stride=2)
    else:
        assert gaps(8.0 * part, 4.0, stride=2) == ["slice-gaps"]


@pytest.mark.parametrize(("stated", "missing"), [(6, False), (7, True)])
def test_twice_as_many_slices_as_are_there_miss_every_second_one(stated, missing):
    if missing:
        with pytest.raises(DicomError, match="NumberOfSlices is 7, 4 are here"):
            gaps(8.0, 4.0, NumberOfSlices=stated)
    else:
        assert gaps(8.0, 4.0, NumberOfSlices=stated) == ["slice-gaps"]


@pytest.mark.parametrize(("count", "said"), [(2, []), (3, ["slice-gaps"])])
def test_gaps_are_judged_from_three_slices_on(count, said):
    assert gaps(8.0, 4.0, count=count) == said


@pytest.mark.parametrize(("part", "alike"), [(0.948, False), (0.952, True), (1.048, True), (1.052, False)])
def test_a_stated_distance_within_5_percent_of_that_of_the_positions_is_alike(part, alike):
    said = gaps(4.0, 4.0, SpacingBetweenSlices=f"{-4.0 * part:.5f}")
    assert said == ([] if alike else ["spacing-contradicts-positions"])


def numbered(count, moved):
    """Slices in order of their numbers but for some that carry the number of a slice far behind."""
    numbers = [1000 - i if i in moved else i for i in range(count)]
    return [frame(InstanceNumber=str(number)) for number in numbers]


@pytest.mark.parametrize(
    ("count", "moved", "refused"),
    [
        (6, [2], True),
        (5, [2], False),
        (30, [3, 9], True),
        (30, [3, 9, 15], False),
        (80, [3, 9, 15, 21], True),
    ],
)
def test_one_or_two_of_six_slices_or_more_against_the_numbers_of_the_others_are_refused(
    count, moved, refused
):
    if refused:
        with pytest.raises(DicomError, match=f"the other {count - len(moved)} slices are numbered in order"):
            check_numbering(numbered(count, moved))
    else:
        check_numbering(numbered(count, moved))


@SIGNS
@pytest.mark.parametrize(("off", "taken"), [(0.000095, True), (0.000105, False)])
def test_a_mapping_agrees_with_the_slope_to_a_ten_thousandth(off, taken, sign):
    unit = Sequence([factory.code("Bq/ml", "UCUM")])
    mapping = factory.item(
        RealWorldValueSlope=2.0 * (1.0 + sign * off),
        RealWorldValueIntercept=0.0,
        MeasurementUnitsCodeSequence=unit,
    )
    slice_ = frame(slope=2.0, RealWorldValueMappingSequence=Sequence([mapping]))
    if taken:
        check_mapping([slice_])
    else:
        with pytest.raises(DicomError, match="rescaled to Bq/mL in two ways"):
            check_mapping([slice_])


@SIGNS
@pytest.mark.parametrize(("off", "fits"), [(0.0195, True), (0.0205, False)])
def test_planes_of_a_segmentation_lie_on_whole_steps_to_2_percent(off, fits, sign):
    assert _fits(21.0 + np.array([0.0, 4.0, 12.0 + sign * 4.0 * off]), 4.0) == fits


@pytest.mark.parametrize(("other", "same"), [(0.979, False), (0.981, True), (1.0204, True), (1.0206, False)])
def test_two_distances_within_2_percent_are_one(other, same):
    assert _same(1.0, other) == same


@pytest.mark.parametrize(("off_mm", "too_regular"), [(0.156, True), (0.164, False)])
def test_frames_at_twice_the_stated_distance_are_no_gaps_where_they_are_even_to_2_percent(
    off_mm, too_regular
):
    heights = np.array([0.0, 8.0, 16.0 + off_mm])
    assert _contradicts(heights, 8.0, 4.0, None) == too_regular


@pytest.mark.parametrize(("planes", "step_mm"), [(2, None), (3, 3.0)])
def test_three_planes_tell_how_far_slices_lie_apart(planes, step_mm):
    lesion = SimpleNamespace(positions_mm=np.arange(planes) * 3.0, step_mm=3.0)
    found = _image_step({1: [lesion]}, None)
    assert (found and found.mm) == step_mm


def dose_frames(offsets):
    return factory.item(GridFrameOffsetVector=[f"{v:.6f}" for v in offsets])


@SIGNS
@pytest.mark.parametrize(("off", "taken"), [(0.0095, True), (0.0105, False)])
def test_frames_of_a_dose_are_even_to_1_percent_of_a_step(off, taken, sign):
    dataset = dose_frames([0.0, 4.0, 8.0 + sign * 4.0 * off, 12.0])
    normal = np.array([0.0, 0.0, 1.0])
    if taken:
        assert _frame_step(dataset, 4, np.zeros(3), normal, "x.dcm").tolist() == [0.0, 0.0, 4.0]
    else:
        with pytest.raises(GeometryError, match="unevenly spaced"):
            _frame_step(dataset, 4, np.zeros(3), normal, "x.dcm")


@SIGNS
@pytest.mark.parametrize(("off", "taken"), [(0.0095, True), (0.0105, False)])
def test_absolute_offsets_of_a_dose_begin_at_its_position_to_1_percent_of_a_step(off, taken, sign):
    dataset, position = dose_frames([100.0, 104.0, 108.0]), np.array([0.0, 0.0, 100.0 + sign * 4.0 * off])
    normal = np.array([0.0, 0.0, 1.0])
    if taken:
        assert _frame_step(dataset, 3, position, normal, "x.dcm").tolist() == [0.0, 0.0, 4.0]
    else:
        with pytest.raises(DicomError, match="neither 0 nor the z of the first frame"):
            _frame_step(dataset, 3, position, normal, "x.dcm")


def link(shift_mm, name):
    matrix = np.eye(4)
    matrix[0, 3] = shift_mm
    return Link("1.1", "1.2", AffineTransform(matrix), None, name)


@SIGNS
def test_two_registrations_agree_within_a_millimetre(sign):
    here = link(10.0, "one.dcm")
    _check_agreement(here, [here, link(10.0 + sign * 0.96, "other.dcm")])
    with pytest.raises(DicomError, match=r"differ by up to 1\.0 mm"):
        _check_agreement(here, [here, link(10.0 + sign * 1.04, "other.dcm")])


@pytest.mark.parametrize(
    ("slices", "said"), [(300, "360000000 bytes of vectors are announced"), (301, "a grid of")]
)
def test_a_field_of_vectors_has_30_million_points_at_most(slices, said):
    grid = factory.item(
        ImagePositionPatient=["0", "0", "0"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        GridDimensions=[1000, 100, slices],
        GridResolution=[2.0, 2.0, 2.0],
        VectorGridData=b"",
    )
    with pytest.raises(DicomError, match=said):
        _vector_grid(grid, FILE, True)


@pytest.mark.parametrize(("ct_mm", "sampled_mm"), [(0.9, 2.0), (1.9, 2.0), (2.2, 2.2)])
def test_a_deformed_ct_is_sampled_in_steps_of_2_millimetres_or_its_own(ct_mm, sampled_mm):
    ct = CtImage(np.full((6, 6, 6), 40, np.int16), Grid((6, 6, 6), np.diag([ct_mm] * 3 + [1.0])))
    emission = SimpleNamespace(grid=Grid((4, 4, 4), np.diag([4.4, 4.4, 4.4, 1.0])))
    grows = Chain([AffineTransform(np.diag([1.1, 1.1, 1.1, 1.0]))])
    carried = DicomStudy._carried_ct(SimpleNamespace(_emission=emission), ct, grows)
    np.testing.assert_allclose(carried.grid.spacing_mm, sampled_mm, rtol=0.001)
    assert (carried.array.max(), carried.array.min()) == (40, -1024)  # air where the CT does not reach
