"""Where stacks of slices lie: tilted either way, of any frame of reference, with axes that are a little askew."""

from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.geometry import _is_tilted, axes_of, stack_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.slice_positions import even_steps
from y90voxel.io.dicom.sources import SourceFile

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
ROWS, COLUMNS, ROW_MM, COLUMN_MM = 5, 4, 2.0, 3.0


def stack(per_slice_mm, orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), frame_uid="1.2"):
    """Five slices, each so far down a column, along a row and along the normal from the one before."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    step = np.column_stack([column, row, np.cross(row, column)]) @ per_slice_mm
    instance = Instance(FILE, factory.item(Rows=ROWS, Columns=COLUMNS, FrameOfReferenceUID=frame_uid))
    spacing = (ROW_MM, COLUMN_MM)
    frames = [Frame(instance, i, tuple(10.0 + i * step), orientation, spacing, 1.0, 0.0) for i in range(5)]
    return frames, stack_of(frames)


@pytest.mark.parametrize("orientation", [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 0.6, 0.8, -1.0, 0.0, 0.0)])
@pytest.mark.parametrize(
    ("down_mm", "along_mm", "rows", "columns"),
    [
        (0.0, 0.0, 0, 0),
        (1.0, 0.0, 2, 0),  # 4 mm over the stack: two rows of 2 mm
        (-1.0, 0.0, 2, 0),
        (0.0, 1.5, 0, 2),
        (0.0, -1.5, 0, 2),
        (1.1, -1.6, 3, 3),
        (-0.4, 0.4, 1, 1),
    ],
)
def test_the_grid_of_tilted_slices_holds_all_of_them_and_no_row_more(
    down_mm, along_mm, rows, columns, orientation
):
    frames, made = stack((down_mm, along_mm, 4.0), orientation)
    assert made.grid.shape == (5, ROWS + rows, COLUMNS + columns)
    lowest = np.inf
    for index, frame in enumerate(frames):
        at, row, column = np.linalg.solve(
            made.grid.affine[:3, :3], np.array(frame.position_mm) - made.grid.affine[:3, 3]
        )
        assert at == pytest.approx(index)
        np.testing.assert_allclose(made.shifts_mm[index], (row * ROW_MM, column * COLUMN_MM), atol=1e-9)
        assert -1e-9 <= row <= rows + 1e-9
        assert -1e-9 <= column <= columns + 1e-9
        lowest = np.minimum(lowest, (row, column))
    np.testing.assert_allclose(lowest, 0.0, atol=1e-9)
    np.testing.assert_allclose(made.heights_mm, 4.0 * np.arange(5))
    assert made.tilted == bool(rows or columns)


def axial(heights_mm, rows=ROWS):
    """Slices at heights, the last of them with its own number of rows."""
    uneven = []
    for index, z in enumerate(heights_mm):
        file = SourceFile(Path("x"), f"{index}.dcm", 1)
        size = {"Rows": rows if index == len(heights_mm) - 1 else ROWS, "Columns": COLUMNS}
        instance = Instance(file, factory.item(**size))
        uneven.append(Frame(instance, 0, (0.0, 0.0, z), (1.0, 0, 0, 0, 1.0, 0), (2.0, 2.0), 1.0, 0.0))
    return uneven


def test_the_grid_of_uneven_slices_begins_at_their_even_positions():
    off = 0.2 * np.array([1.0, -1.0, -1.0, 1.0])  # from the line that fits them best
    made = stack_of(axial(50.0 + 4.0 * np.arange(4) + off))
    assert made.uneven
    np.testing.assert_allclose(made.grid.origin_mm, (0.0, 0.0, 50.0))
    np.testing.assert_allclose(made.heights_mm, 4.0 * np.arange(4) + off)


def test_slices_of_two_sizes_are_refused():
    assert stack_of(axial([0.0, 4.0, 8.0])).grid.shape == (3, ROWS, COLUMNS)
    with pytest.raises(DicomError, match="different sizes"):
        stack_of(axial([0.0, 4.0, 8.0], rows=ROWS + 1))


@pytest.mark.parametrize(("aside_mm", "taken"), [(0.09, True), (0.11, False)])
def test_a_first_slice_beside_the_line_of_the_others_counts_as_any_other(aside_mm, taken):
    shifts = np.zeros((6, 2))
    shifts[1:, 0] = aside_mm + 0.1 * np.arange(1, 6)
    frames, heights = axial(4.0 * np.arange(6)), 4.0 * np.arange(6)
    if taken:
        assert _is_tilted(frames, heights, shifts, [])
    else:
        with pytest.raises(DicomError, match=r"0\.11 mm beside the line"):
            _is_tilted(frames, heights, shifts, [])


@pytest.mark.parametrize(("stated", "uid"), [("1.2.3", "1.2.3"), ("", None)])
def test_a_stack_lies_in_the_frame_of_reference_that_its_slices_state(stated, uid):
    assert stack((0.0, 0.0, 4.0), frame_uid=stated)[1].grid.frame_of_reference_uid == uid


@pytest.mark.parametrize("askew", [0.0009, -0.0009])
def test_axes_are_perpendicular_where_the_header_is_a_little_askew(askew):
    axes = np.array(axes_of((1.0, 0.0, 0.0, askew, 1.0, 0.0), "x.dcm"))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)


def even(heights_mm, thickness_mm=None, *, single_step_mm=None, several=True):
    frames = axial(heights_mm)
    for one, stated in zip(frames, thickness_mm or [], strict=False):
        one.instance.header.SliceThickness = stated and str(stated)
    with np.errstate(all="raise"):  # a thickness of 0 is compared with nothing
        return even_steps(frames, np.array(heights_mm), single_step_mm, [], several_thicknesses=several)


def test_slices_of_two_thicknesses_become_even_ones_of_the_thinner_from_edge_to_edge():
    heights = 20.0 + np.array([0.0, 0.5, 1.0, 1.5, 2.75, 4.75, 6.75])  # 19.75 to 27.75 mm
    made = even(heights, [0.5] * 4 + [2.0] * 3)
    assert (made.start_mm, made.step_mm, made.count, made.uneven) == (20.0, 0.5, 16, True)
    with pytest.raises(DicomError, match=r"missing between 4\.dcm and 5\.dcm"):
        even(heights, [0.5] * 4 + [2.0] * 3, several=False)


@pytest.mark.parametrize("thinnest", [None, 0, -1])
def test_slices_whose_thickness_is_not_stated_are_of_one(thinnest):
    made = even(20.0 + 4.0 * np.arange(5), [4.0, thinnest, 4.0, 8.0, 4.0])
    assert (made.start_mm, made.step_mm, made.count, made.uneven) == (20.0, 4.0, 5, False)


@pytest.mark.parametrize("several", [False, True])
def test_a_single_slice_is_as_thick_as_it_says(several):
    made = even([20.0], [3.0], single_step_mm=3.0, several=several)
    assert (made.start_mm, made.step_mm, made.count, made.uneven) == (20.0, 3.0, 1, False)


@pytest.mark.parametrize("thickness_mm", [None, 0.0, -3.0])
def test_a_single_slice_without_thickness_is_no_volume(thickness_mm):
    with pytest.raises(DicomError, match=r"0\.dcm is the only slice and has no positive SliceThickness"):
        even([20.0], single_step_mm=thickness_mm)
