"""Where the voxels of an array lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import GeometryError
from y90voxel.short_repr import short_repr

__all__ = ["Grid", "patient_axes"]

# Two grids are the same when no corner of one lies further than this from the other's [mm].
SAME_GRID_TOLERANCE_MM = 1e-3
# Axes count as perpendicular when their cosines stay below this (about 0.06 degrees).
PERPENDICULAR_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an array lie in the patient.

    Parameters
    ----------
    shape : tuple of int, (3,)
        Voxels along the array axes: slice, row, column.
    affine : ndarray, (4, 4)
        Array indices (slice, row, column) to voxel centres in patient LPS coordinates [mm].
    frame_of_reference_uid : str or None
        The DICOM frame of reference that the coordinates belong to, when known.

    Raises
    ------
    GeometryError
        If the shape is not three positive integers, the affine is not a finite 4 x 4 affine matrix,
        or the three axes are not perpendicular.

    Examples
    --------
    >>> grid = Grid.from_spacing((10, 20, 30), (4.0, 2.0, 2.0), origin_mm=(-50.0, 0.0, 7.0))
    >>> grid.index_to_lps((0, 0, 1)).tolist()
    [-48.0, 0.0, 7.0]
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    frame_of_reference_uid: str | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"a grid needs three positive lengths, got shape {tuple(self.shape)}.")
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(f"a grid needs a finite 4 x 4 affine, got {affine!r}.")
        if not np.array_equal(affine[3], (0.0, 0.0, 0.0, 1.0)):
            raise GeometryError(f"the last row of an affine is 0 0 0 1, got {affine[3]}.")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if not (spacing > 0).all():
            raise GeometryError(f"voxel spacing must be positive, got {spacing} mm.")
        cosines = np.abs(np.triu((affine[:3, :3] / spacing).T @ (affine[:3, :3] / spacing), 1))
        if cosines.max() > PERPENDICULAR_TOLERANCE:
            angle = np.degrees(np.arccos(cosines.max()))
            raise GeometryError(
                f"the axes of a grid must be perpendicular, two of them meet at {angle:.2f} degrees. "
                "Resample the image onto a perpendicular grid first."
            )
        affine.flags.writeable = False
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_spacing(
        cls,
        shape: Sequence[int],
        spacing_mm: Sequence[float],
        origin_mm: Sequence[float] = (0.0, 0.0, 0.0),
        frame_of_reference_uid: str | None = None,
    ) -> Grid:
        """Return an axial grid: columns run to the left, rows to posterior, slices to superior.

        Parameters
        ----------
        shape : sequence of int, (3,)
            Slices, rows, columns.
        spacing_mm : sequence of float, (3,)
            Distance between slices, rows and columns [mm].
        origin_mm : sequence of float, (3,)
            Centre of the first voxel in LPS [mm].

        Raises
        ------
        GeometryError
            If one of them is not three numbers, the shape not positive integers, or a spacing not positive.
        """
        for what, values in (("shape", shape), ("spacing", spacing_mm), ("origin", origin_mm)):
            if np.shape(values) != (3,):
                raise GeometryError(
                    f"the {what} of a grid is three numbers, one for slices, rows and columns, got {values!r}."
                )
        if any(float(n) != int(n) or n < 1 for n in shape):
            raise GeometryError(f"a grid needs three positive whole numbers of voxels, got {tuple(shape)}.")
        if not all(step > 0 for step in spacing_mm):
            raise GeometryError(f"the spacing of a grid must be positive, got {tuple(spacing_mm)} mm.")
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
        affine[:3, 3] = origin_mm
        affine[3, 3] = 1.0
        return cls((int(shape[0]), int(shape[1]), int(shape[2])), affine, frame_of_reference_uid)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along slice, row, column axes [mm]."""
        dz, dy, dx = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return dz, dy, dx

    @property
    def directions(self) -> NDArray[np.float64]:
        """Unit vectors of the array axes in LPS, as columns, (3, 3)."""
        return np.asarray(self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def origin_mm(self) -> NDArray[np.float64]:
        """Centre of voxel (0, 0, 0) in LPS [mm]."""
        return np.array(self.affine[:3, 3])

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel [mL]."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    def index_to_lps(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Return LPS positions [mm], (..., 3), of array indices (slice, row, column), (..., 3)."""
        return np.asarray(np.asarray(indices, float) @ self.affine[:3, :3].T + self.affine[:3, 3])

    def lps_to_index(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Return fractional array indices, (..., 3), of LPS points [mm], (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        return np.asarray(np.asarray(points_mm, float) @ inverse[:3, :3].T + inverse[:3, 3])

    def corners_mm(self) -> NDArray[np.float64]:
        """Return the outer corners of the corner voxels in LPS [mm], (8, 3)."""
        unit = np.array(np.meshgrid((0, 1), (0, 1), (0, 1), indexing="ij")).reshape(3, -1).T
        return self.index_to_lps(unit * np.array(self.shape) - 0.5)

    def crop(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        """Return the grid of ``shape`` voxels that begins at index ``start``; both may reach outside."""
        affine = np.array(self.affine)
        affine[:3, 3] = self.index_to_lps(start)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine, self.frame_of_reference_uid)

    def with_spacing(self, spacing_mm: float | Sequence[float]) -> Grid:
        """Return a grid over the same box with about the given spacing [mm], same axes and frame."""
        wanted = np.broadcast_to(np.asarray(spacing_mm, float), 3)
        if not (np.isfinite(wanted).all() and (wanted > 0).all()):
            raise GeometryError(f"voxel spacing must be positive, got {spacing_mm} mm.")
        extent = np.array(self.shape) * self.spacing_mm
        shape = np.maximum(1, np.ceil(extent / wanted - 1e-6)).astype(int)
        affine = np.array(self.affine)
        affine[:3, :3] = self.directions * wanted
        centre = self.index_to_lps((np.array(self.shape) - 1) / 2)
        affine[:3, 3] = centre - affine[:3, :3] @ ((shape - 1) / 2)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine, self.frame_of_reference_uid)

    def is_same_as(self, other: Grid) -> bool:
        """Return whether both grids have the same voxels (shape, and corners within 1 micrometre)."""
        if self is other:
            return True
        if self.shape != other.shape:
            return False
        gap = np.abs(self.corners_mm() - other.corners_mm()).max()
        return bool(gap <= SAME_GRID_TOLERANCE_MM)

    def is_aligned_with(self, other: Grid) -> bool:
        """Return whether every axis of one grid is parallel to an axis of the other."""
        cosines = np.abs(self.directions.T @ other.directions)
        return bool((np.abs(cosines.max(axis=0) - 1.0) < 1e-6).all())

    def as_dict(self) -> dict[str, Any]:
        """Return the grid for JSON: shape, spacing [mm], affine, frame of reference."""
        return {
            "shape": list(self.shape),
            "spacing_mm": [round(s, 6) for s in self.spacing_mm],
            "affine": self.affine.tolist(),
            "frame_of_reference_uid": self.frame_of_reference_uid,
        }

    def __str__(self) -> str:
        shape = " × ".join(str(n) for n in self.shape)
        spacing = " × ".join(f"{s:.2f}" for s in self.spacing_mm)
        origin = ", ".join(f"{p:.1f}" for p in self.origin_mm)
        return f"{shape} voxels of {spacing} mm from ({origin}) mm"


def patient_axes(grid: Grid) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the array axis along each patient axis x, y, z, and its sense (+1 towards L, P, S).

    Array axes are assigned so that together they run most along their patient axes; on a grid turned by
    less than 45 degrees that is each axis's dominant direction.

    Examples
    --------
    >>> patient_axes(Grid.from_spacing((2, 3, 4), (5.0, 1.0, 1.0)))
    ((2, 1, 0), (1, 1, 1))
    """
    directions = grid.directions
    order = max(
        permutations(range(3)), key=lambda axes: sum(abs(directions[p, a]) for p, a in enumerate(axes))
    )
    signs = [1 if directions[p, a] >= 0 else -1 for p, a in enumerate(order)]
    return (order[0], order[1], order[2]), (signs[0], signs[1], signs[2])
