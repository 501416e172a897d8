"""Where the slices of a series lie: sorting, affine, gantry tilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.slice_positions import check_position, check_spacing, even_steps
from y90voxel.io.notices import warn
from y90voxel.volumes.grid import Grid

__all__ = ["DRIFT_TOLERANCE_MM", "Stack", "axes_of", "stack_of"]

Floats = NDArray[np.floating[Any]]

# Direction cosines are written with few digits; a real tilt is larger.
DIRECTION_TOLERANCE = 1e-3
SPACING_TOLERANCE_MM = 1e-3  # [mm]; chosen: 0.5 mm off over 512 voxels, below any voxel
# Slices may drift sideways by so much over the whole stack before they are moved [mm].
DRIFT_TOLERANCE_MM = 0.05


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order, and the regular grid that their values lie on or are to be brought to.

    Parameters
    ----------
    frames : tuple of Frame
        Sorted along the normal.
    grid : Grid
        Regular grid; it has the slices' own shape unless they drift sideways or are of several
        thicknesses.
    heights_mm : ndarray, (slices,)
        True position of each slice along the normal from the first slice of the grid [mm].
    shifts_mm : ndarray, (slices, 2)
        Position of each slice's first voxel from the grid's, down the rows and along the columns [mm].
    uneven, tilted : bool
        Whether values must be interpolated to the grid along the normal, or sideways.
    notices : tuple of Notice
        What was noticed.
    """

    frames: tuple[Frame, ...]
    grid: Grid
    heights_mm: Floats
    shifts_mm: Floats
    uneven: bool
    tilted: bool
    notices: tuple[Notice, ...]

    @property
    def of_several_thicknesses(self) -> bool:
        """Whether the grid has other slices than the series."""
        return len(self.frames) != self.grid.shape[0]


def axes_of(orientation: Sequence[float], file: str) -> tuple[Floats, Floats, Floats]:
    """Return unit vectors along a row, down a column, and their normal (row × column).

    Raises
    ------
    DicomError
        If the direction cosines are not two perpendicular unit vectors.
    """
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if np.abs(lengths - 1).max() > DIRECTION_TOLERANCE or abs(row @ column) > DIRECTION_TOLERANCE:
        raise DicomError(
            f"ImageOrientationPatient {[round(float(v), 5) for v in orientation]} is not a pair of perpendicular "
            f"unit vectors (lengths {lengths[0]:.4f} and {lengths[1]:.4f}, cosine {row @ column:.4f}). The file "
            "is damaged.",
            file=file,
            tag="ImageOrientationPatient",
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def stack_of(
    frames: Sequence[Frame], *, single_step_mm: float | None = None, several_thicknesses: bool = False
) -> Stack:
    """Return the slices sorted along their normal, with the regular grid they stand for.

    Parameters
    ----------
    frames : sequence of Frame
        Slices of one series in any order.
    single_step_mm : float or None
        Slice thickness to assume when there is only one slice [mm].
    several_thicknesses : bool
        Whether parts may be scanned with another thickness and distance (CT).

    Raises
    ------
    DicomError
        If orientations, spacings or matrix sizes differ, two slices lie at one position, a slice is
        missing, slices are shifted sideways without a pattern, or a single slice has no thickness.
    """
    _check_alike(frames)
    first = frames[0]
    row, column, normal = axes_of(first.orientation, first.instance.source.name)
    positions = np.array([f.position_mm for f in frames])
    order = np.argsort(positions @ normal, kind="stable")
    frames = [frames[i] for i in order]
    positions = positions[order]
    heights = positions @ normal
    notices: list[Notice] = []
    even = even_steps(frames, heights, single_step_mm, notices, several_thicknesses=several_thicknesses)
    shifts = (positions - positions[0]) @ np.stack([column, row], axis=1)
    tilted = _is_tilted(frames, heights, shifts, notices)
    _, rows, columns = first.instance.matrix_size()
    spacing = np.array(first.spacing_mm)
    origin = positions[0] + normal * (even.start_mm - heights[0])
    if tilted:
        low = shifts.min(axis=0)
        extra = np.ceil((shifts.max(axis=0) - low) / spacing - 1e-6).astype(int)
        origin = origin + column * low[0] + row * low[1]
        shifts = shifts - low
        rows, columns = rows + int(extra[0]), columns + int(extra[1])
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * even.step_mm, column * spacing[0], row * spacing[1]])
    affine[:3, 3] = origin
    frame_of_reference = first.instance.text("FrameOfReferenceUID") or None
    grid = Grid((even.count, rows, columns), affine, frame_of_reference)
    return Stack(tuple(frames), grid, heights - even.start_mm, shifts, even.uneven, tilted, tuple(notices))


def _check_alike(frames: Sequence[Frame]) -> None:
    """Raise if slices of one series differ in orientation, spacing or matrix size."""
    first = frames[0]
    check_spacing(first.spacing_mm, first.instance.source.name)
    for frame in frames:
        check_position(frame.position_mm, frame.instance.source.name)
    size = first.instance.matrix_size()[1:]
    for frame in frames[1:]:
        name = frame.instance.source.name
        turned = np.abs(np.subtract(frame.orientation, first.orientation)).max()
        if turned > DIRECTION_TOLERANCE:
            raise DicomError(
                f"slices of one series are oriented differently: {list(first.orientation)} in "
                f"{first.instance.source.name}, {list(frame.orientation)} in {name}. Export one stack per "
                "series.",
                file=name,
                tag="ImageOrientationPatient",
            )
        if np.abs(np.subtract(frame.spacing_mm, first.spacing_mm)).max() > SPACING_TOLERANCE_MM:
            raise DicomError(
                f"slices of one series have different pixel spacing: {list(first.spacing_mm)} mm in "
                f"{first.instance.source.name}, {list(frame.spacing_mm)} mm in {name}. Export one stack per "
                "series.",
                file=name,
                tag="PixelSpacing",
            )
        if frame.instance is not first.instance and frame.instance.matrix_size()[1:] != size:
            raise DicomError(
                f"slices of one series have different sizes: {size} pixels in {first.instance.source.name}, "
                f"{frame.instance.matrix_size()[1:]} in {name}. Export one stack per series.",
                file=name,
                tag="Rows",
            )


def _is_tilted(frames: Sequence[Frame], heights: Floats, shifts: Floats, notices: list[Notice]) -> bool:
    """Return whether slices drift sideways in proportion to their height; raise if they jump."""
    if np.abs(shifts).max() <= DRIFT_TOLERANCE_MM:
        return False
    rise = (heights - heights[0])[:, None]
    slope = np.median(np.diff(shifts, axis=0) / np.diff(rise, axis=0), axis=0)  # one odd slice does not count
    start = np.median(shifts - rise * slope, axis=0)
    jump = np.linalg.norm(shifts - start - rise * slope, axis=1)
    if jump.max() > 2 * DRIFT_TOLERANCE_MM:
        frame = frames[int(jump.argmax())]
        raise DicomError(
            f"{frame.instance.source.name} lies {jump.max():.2f} mm beside the line of the other slices. Its "
            "ImagePositionPatient contradicts theirs: export the series again.",
            file=frame.instance.source.name,
            tag="ImagePositionPatient",
        )
    angle = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    notices.append(
        warn(
            "gantry-tilt",
            f"the slices are stacked at {angle:.2f} degrees from their normal (gantry tilt); they were shifted "
            f"onto a perpendicular grid by linear interpolation (up to {np.abs(shifts).max():.1f} mm).",
            file=frames[0].instance.source.name,
            tag="ImagePositionPatient",
            value=f"{angle:.2f}",
        )
    )
    return True
