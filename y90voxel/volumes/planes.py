"""Planes through a volume as people look at them: radiological, head up, square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import GeometryError
from y90voxel.volumes.box import is_empty, occupied_box
from y90voxel.volumes.grid import Grid, patient_axes
from y90voxel.volumes.resample import interpolate
from y90voxel.volumes.volume import Volume

__all__ = ["DisplayPlane", "ShownBox", "View", "display_plane", "fitting_pixel_mm", "sample", "shown_box"]

# A position this far outside the border of an image is a rounding error.
EDGE_TOLERANCE_VOXELS = 1e-6
# Shown around what is of interest, and the least that is shown [mm].
MARGIN_MM = 28.0
SHORTEST_SIDE_MM = 120.0  # [mm]; chosen: a small tumour still shows with the liver around it
# Names of the negative and positive side of the patient axes x, y, z in LPS.
_SIDES = (("R", "L"), ("A", "P"), ("I", "S"))


class View(StrEnum):
    """How the patient is cut."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


# Patient axis (0 x, 1 y, 2 z) out of the picture, then axis and sense of down and of right: the patient's
# right is on the left of axial and coronal pictures, anterior on the left of sagittal ones, the head is up.
_LAYOUT = {
    View.AXIAL: (2, (1, +1), (0, +1)),
    View.CORONAL: (1, (2, -1), (0, +1)),
    View.SAGITTAL: (0, (2, -1), (1, +1)),
}


@dataclass(frozen=True)
class ShownBox:
    """What of a grid is shown, in fractional array indices; voxel ``i`` reaches from i − 0.5 to i + 0.5.

    Parameters
    ----------
    low, high : tuple of float, (3,)
        Ends along slice, row, column.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class DisplayPlane:
    """A raster of square pixels in a plane of a grid, oriented for display.

    Parameters
    ----------
    view : View
        How the patient is cut.
    grid : Grid
        One slice of (1, rows, columns) pixels: rows run down, columns to the right of the picture.
    position_mm : float
        Patient coordinate of the plane along the axis it is cut across (z axial, y coronal, x sagittal) [mm].
    letters : tuple of str, (4,)
        Sides of the patient at the left, right, top and bottom of the picture.
    oblique : bool
        True when the plane is tilted against the patient by more than half a degree.
    """

    view: View
    grid: Grid
    position_mm: float
    letters: tuple[str, str, str, str]
    oblique: bool

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the picture [mm]."""
        _, rows, columns = self.grid.shape
        return rows * self.grid.spacing_mm[1], columns * self.grid.spacing_mm[2]

    @property
    def position(self) -> str:
        """Where the plane lies, for people."""
        axis = "xyz"[_LAYOUT[self.view][0]]
        return f"{axis} = {self.position_mm:.1f} mm".replace("-", "−")

    def pixel_of(self, point_mm: ArrayLike) -> tuple[float, float]:
        """Return row and column (fractional) of a point in LPS [mm]."""
        _, row, column = self.grid.lps_to_index(point_mm).tolist()
        return row, column


def shown_box(grid: Grid, shown: NDArray[np.bool_], focus: tuple[int, int, int]) -> ShownBox:
    """Return the box around the voxels shown, with a margin; front-back and head-foot are made equally long.

    Parameters
    ----------
    grid : Grid
        Any orientation.
    shown : ndarray of bool, (slices, rows, columns)
        Voxels that have to be seen.
    focus : tuple of int, (3,)
        A voxel that has to be seen too.
    """
    used, low, high = occupied_box(shown), np.array(focus), np.array(focus)
    if not is_empty(used):
        low = np.minimum(low, [part.start for part in used])
        high = np.maximum(high, [part.stop - 1 for part in used])
    spacing = np.array(grid.spacing_mm)
    centre, sides = (low + high) / 2, (high - low + 1) * spacing + 2 * MARGIN_MM
    order, _ = patient_axes(grid)
    sides = np.maximum(sides, SHORTEST_SIDE_MM)
    sides[[order[1], order[2]]] = max(sides[order[1]], sides[order[2]])
    half = sides / spacing / 2
    return ShownBox(tuple((centre - half).tolist()), tuple((centre + half).tolist()))


def fitting_pixel_mm(grid: Grid, box: ShownBox, width_px: float, height_px: float) -> float:
    """Return the size of a pixel [mm] that lets all views of a box, side by side, fit into so many pixels."""
    sizes = [display_plane(grid, view, (0, 0, 0), box, 1.0).size_mm for view in View]
    return max(sum(width for _, width in sizes) / width_px, max(height for height, _ in sizes) / height_px)


def display_plane(grid: Grid, view: View, index: ArrayLike, box: ShownBox, pixel_mm: float) -> DisplayPlane:
    """Return the plane of a grid through the voxel ``index``, along the array axes.

    Parameters
    ----------
    grid : Grid
        Any orientation: flipped, exchanged and oblique axes are brought into the usual display.
    view : View
        How the patient is cut.
    index : array_like, (3,)
        Array indices (slice, row, column) that the plane goes through; may be fractional.
    box : ShownBox
        What of the plane is shown; may reach outside the grid.
    pixel_mm : float
        Size of a pixel [mm].
    """
    out_of, (down, down_sense), (right, right_sense) = _LAYOUT[view]
    order, signs = patient_axes(grid)
    start = np.array(index, dtype=np.float64)
    counts, steps = [], []
    for patient_axis, sense in ((down, down_sense), (right, right_sense)):
        axis = order[patient_axis]
        step = signs[patient_axis] * sense * pixel_mm / grid.spacing_mm[axis]
        length = box.high[axis] - box.low[axis]
        count = max(1, round(length / abs(step)))
        middle = 0.5 * (box.high[axis] + box.low[axis])
        start[axis] = middle - step * (count - 1) / 2
        counts.append(count)
        steps.append(grid.affine[:3, axis] * step)
    affine = np.eye(4)
    affine[:3, 0] = grid.affine[:3, order[out_of]]
    affine[:3, 1], affine[:3, 2] = steps
    affine[:3, 3] = grid.index_to_lps(start)
    plane = Grid((1, counts[0], counts[1]), affine, grid.frame_of_reference_uid)
    left_right = _SIDES[right] if right_sense > 0 else _SIDES[right][::-1]
    top_bottom = _SIDES[down] if down_sense > 0 else _SIDES[down][::-1]
    tilt = min(abs(grid.directions[p, order[p]]) for p in range(3))
    return DisplayPlane(
        view,
        plane,
        float(grid.index_to_lps(index)[out_of]),
        (*left_right, *top_bottom),
        bool(tilt < np.cos(np.radians(0.5))),
    )


def sample(volume: Volume, plane: DisplayPlane, outside: float = 0.0) -> NDArray[np.float32]:
    """Return a volume in a display plane, interpolated linearly at the pixel centres.

    Parameters
    ----------
    volume : Volume
        On any grid of the same frame of reference; the value is constant in the outer half of border voxels.
    plane : DisplayPlane
        Where to look.
    outside : float
        Value where the volume does not reach.

    Returns
    -------
    ndarray, (rows, columns)
        In the unit of the volume.

    Raises
    ------
    GeometryError
        If volume and plane name different frames of reference.
    """
    one, other = volume.grid.frame_of_reference_uid, plane.grid.frame_of_reference_uid
    if one and other and one != other:
        raise GeometryError(
            f"the {volume.quantity} image lies in frame of reference {one}, the plane in {other}. "
            "Register them, or state that the frames are common (--trust-frames).",
            tag="FrameOfReferenceUID",
        )
    values = interpolate(volume, plane.grid, outside)
    if values is not None:
        return np.asarray(values[0], np.float32)
    affine = np.asarray(np.linalg.solve(volume.grid.affine, plane.grid.affine), np.float64)
    return _sample_oblique(volume.array, affine, plane.grid.shape, outside)


def _sample_oblique(
    array: NDArray[Any], affine: NDArray[np.float64], shape: tuple[int, ...], outside: float
) -> NDArray[np.float32]:
    """Linear interpolation in three dimensions at every pixel."""
    # deferred: 0.2 s
    from scipy import ndimage

    rows, columns = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    points = [affine[a, 3] + affine[a, 1] * rows + affine[a, 2] * columns for a in range(3)]
    seen = np.ones(rows.shape, bool)
    for axis, point in enumerate(points):
        seen &= (point >= -0.5 - EDGE_TOLERANCE_VOXELS) & (
            point <= array.shape[axis] - 0.5 + EDGE_TOLERANCE_VOXELS
        )
    values = ndimage.map_coordinates(array, points, output=np.float32, order=1, mode="nearest")
    return np.where(seen, values, np.float32(outside))
