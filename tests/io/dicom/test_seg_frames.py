"""Planes of a segment: fractions of a maximum, put together in their place, filled where a single one is missing."""

from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.seg import _maximum
from y90voxel.io.dicom.seg_frames import SegmentFrames, slice_step_mm
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.volumes.grid import Grid

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
SHAPE = (6, 7, 8)
GRID = Grid(SHAPE, np.array([[0, 0, 2.0, -20], [0, 3.0, 0, -30], [4.0, 0, 0, 100], [0, 0, 0, 1]]), "1.2.3")


def plane(rows, columns, value=1.0):
    made = np.zeros(SHAPE[1:], np.float32)
    made[rows, columns] = value
    return made


LOW, HIGH = plane(slice(1, 3), slice(2, 5)), plane(slice(2, 6), slice(1, 4), 0.5)
ASIDE, EMPTY = plane(slice(5, 7), slice(6, 8)), np.zeros(SHAPE[1:], np.float32)


def filled(planes):
    """The whole grid of a segment of these planes by slice, where its mask begins and ends, and what is told."""
    frames = SegmentFrames()
    for number, occupancy in planes.items():
        frames.add(number, occupancy)
    notices = frames.fill_missing("Liver", "x.dcm")
    mask = frames.mask(GRID)
    begin = np.rint(GRID.lps_to_index(mask.grid.origin_mm)).astype(int)
    box = tuple(slice(b, b + n) for b, n in zip(begin, mask.array.shape, strict=True))
    whole = np.zeros(SHAPE, np.float32)
    whole[box] = mask.array
    return whole, [(part.start, part.stop) for part in box], notices


@pytest.mark.parametrize(
    ("planes", "between", "said"),
    [
        ({1: LOW, 3: HIGH}, {2: (LOW + HIGH) / 2}, "segment-frame-missing"),
        ({1: LOW, 2: HIGH}, {}, None),
        ({1: LOW, 4: HIGH}, {}, "segment-gap"),  # two are missing
        ({1: LOW, 2: EMPTY, 3: HIGH}, {}, None),  # stored, and empty
        ({1: LOW, 3: ASIDE}, {}, None),  # two parts that do not lie on each other
        ({0: LOW, 2: HIGH, 5: LOW}, {1: (LOW + HIGH) / 2}, "both"),
    ],
)
def test_a_plane_that_is_missing_between_two_is_half_of_each(planes, between, said):
    whole, box, notices = filled(planes)
    expected = np.zeros(SHAPE, np.float32)
    for number, occupancy in {**planes, **between}.items():
        expected[number] = occupancy
    np.testing.assert_array_equal(whole, expected)
    assert box == [(found.min(), found.max() + 1) for found in np.nonzero(expected)]
    codes = ["segment-frame-missing", "segment-gap"] if said == "both" else [said] if said else []
    assert [notice.code for notice in notices] == codes


def test_slices_are_told_as_they_are_counted():
    _, _, (missing, gap) = filled({0: LOW, 2: HIGH, 5: LOW})
    assert "(slice 2 first)" in missing.message
    assert "between slices 3 and 6" in gap.message


def test_a_segment_without_a_voxel_has_no_mask():
    frames = SegmentFrames()
    frames.add(2, EMPTY)
    assert frames.mask(GRID) is None
    assert frames.stored == {2}


@pytest.mark.parametrize(
    ("stated", "maximum"), [(1, 1.0), (255, 255.0), (0, None), (256, None), (None, None)]
)
def test_fractions_are_of_1_to_255(stated, maximum):
    header = factory.item(**({} if stated is None else {"MaximumFractionalValue": stated}))
    instance = Instance(FILE, header)
    assert _maximum(instance, "BINARY") == 1.0
    if maximum is not None:
        assert _maximum(instance, "FRACTIONAL") == maximum
    else:
        with pytest.raises(DicomError, match="a fractional segmentation needs 1 to 255"):
            _maximum(instance, "FRACTIONAL")


@pytest.mark.parametrize(
    ("spacing", "thickness", "heights", "step"),
    [
        ("1", None, [20.0], 1.0),
        ("-4", None, [20.0], 4.0),  # against the normal
        ("0", "3", [20.0], 3.0),
        (None, "0.5", [20.0], 0.5),
        ("0", "0", [20.0], None),
        (None, None, [20.0], None),
        (None, None, [20.0, 24.0], 4.0),
        ("1", None, [20.0, 22.0, 27.0], 1.0),  # empty planes left out
        ("0", None, [20.0, 22.0, 26.0], 2.0),
        ("4", "2", [20.0, 22.0], 2.0),  # nearer to each other than is stated
    ],
)
def test_planes_lie_a_stated_distance_apart_unless_they_do_not(spacing, thickness, heights, step):
    stated = {"SpacingBetweenSlices": spacing, "SliceThickness": thickness}
    measures = factory.item(**{keyword: value for keyword, value in stated.items() if value is not None})
    shared = factory.item(PixelMeasuresSequence=[measures])
    instance = Instance(FILE, factory.item(SharedFunctionalGroupsSequence=[shared]))
    if step is not None:
        assert slice_step_mm(instance, np.array(heights))[0] == step
    else:
        with pytest.raises(DicomError, match="its thickness is not known"):
            slice_step_mm(instance, np.array(heights))
