"""Maps between two frames of reference: affine matrices, deformation fields, and chains of them.

A transform takes points of one frame [LPS, mm] to the points of another where the same anatomy lies. Points for which it
is not defined (outside a deformation field) become NaN; nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import GeometryError
from y90voxel.volumes.grid import Grid

__all__ = ["AffineTransform", "Chain", "Continued", "Deformation", "Transform", "sampled"]

Floats = NDArray[np.floating[Any]]

# Rotations come with few digits; a real change of size is larger.
RIGID_TOLERANCE = 1e-3
# The inverse of a deformation is iterated until points move less than this [mm].
INVERSE_TOLERANCE_MM = 1e-3
MOST_ITERATIONS = 60  # chosen: halving a metre down to the tolerance takes 20; fields that fold never end


class Transform(Protocol):
    """What all maps between frames can do."""

    def points(self, points_mm: ArrayLike) -> Floats:
        """Return where points, (..., 3), lie in the other frame [mm]; NaN where that is not defined."""
        ...

    def inverse(self) -> Transform:
        """Return the map back."""
        ...


@dataclass(frozen=True, eq=False)
class AffineTransform:
    """A matrix: other = matrix · point, in homogeneous coordinates.

    Parameters
    ----------
    matrix : ndarray, (4, 4)
        Last row 0 0 0 1; it can be inverted and does not mirror.

    Raises
    ------
    GeometryError
        If the matrix is not of that kind.

    Examples
    --------
    >>> shift = AffineTransform([[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    >>> shift.points((1.0, 2.0, 3.0)).tolist(), shift.inverse().points((6.0, 2.0, 3.0)).tolist()
    ([6.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    """

    matrix: Floats

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        if (
            matrix.shape != (4, 4)
            or not np.isfinite(matrix).all()
            or not np.allclose(matrix[3], (0, 0, 0, 1))
        ):
            raise GeometryError(
                f"a transform needs a finite 4 x 4 matrix with last row 0 0 0 1, got {matrix.tolist()}."
            )
        size = float(np.linalg.det(matrix[:3, :3]))
        if not size > 1e-6:
            raise GeometryError(
                f"the matrix of a transform mirrors or flattens (its determinant is {size:.3g}): anatomy cannot lie so."
            )
        object.__setattr__(self, "matrix", matrix)

    def points(self, points_mm: ArrayLike) -> Floats:
        """Return where points lie in the other frame."""
        return np.asarray(np.asarray(points_mm, float) @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def inverse(self) -> AffineTransform:
        """Return the map back."""
        return AffineTransform(np.linalg.inv(self.matrix))

    @property
    def is_rigid(self) -> bool:
        """Whether it turns and shifts only."""
        rotation = self.matrix[:3, :3]
        return bool(np.abs(rotation.T @ rotation - np.eye(3)).max() < RIGID_TOLERANCE)

    @property
    def angle_degrees(self) -> float:
        """How far a rigid transform turns [degrees]."""
        cosine = (np.trace(self.matrix[:3, :3]) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def moved(self, grid: Grid, frame_of_reference_uid: str | None) -> Grid:
        """Return a grid carried along by a rigid transform."""
        return Grid(grid.shape, self.matrix @ grid.affine, frame_of_reference_uid)


@dataclass(frozen=True, eq=False)
class Deformation:
    """An offset for each point, between two matrices: other = after · (before · point + offset(point)).

    The equation of a DICOM deformable spatial registration (PS3.3 C.20.3.1.1), where points lie in its own frame and
    the result in that of the source. Between the vectors offsets are linear.

    Parameters
    ----------
    before, after : AffineTransform
        Matrices applied before and after the offset.
    grid : Grid
        Where the offsets are given, in the frame of the points.
    offsets_mm : ndarray, (slices, rows, columns, 3)
        LPS offsets [mm]; NaN where the deformation is not defined.
    """

    before: AffineTransform
    after: AffineTransform
    grid: Grid
    offsets_mm: Floats

    def points(self, points_mm: ArrayLike) -> Floats:
        """Return where points lie in the other frame; NaN outside the grid."""
        points = np.asarray(points_mm, float)
        return self.after.points(self.before.points(points) + self._offsets(points))

    def inverse(self) -> Transform:
        """Return the map back, found by iteration."""
        return _InverseDeformation(self)

    def _offsets(self, points: Floats) -> Floats:
        """Return the offsets at points; NaN more than half a step beyond the outer vectors."""
        # deferred: 0.2 s
        from scipy.ndimage import map_coordinates

        index = self.grid.lps_to_index(points).reshape(-1, 3)
        last = np.array(self.grid.shape) - 1.0
        outside = ((index < -0.5 - 1e-6) | (index > last + 0.5 + 1e-6)).any(axis=1)
        parts = [
            map_coordinates(self.offsets_mm[..., axis], index.T, order=1, mode="nearest") for axis in range(3)
        ]
        offsets = np.stack(parts, axis=-1)
        offsets[outside] = np.nan
        return offsets.reshape(points.shape)


@dataclass(frozen=True, eq=False)
class _InverseDeformation:
    """The way back through a deformation: point = before⁻¹ · (after⁻¹ · other − offset(point)), iterated."""

    of: Deformation

    def points(self, points_mm: ArrayLike) -> Floats:
        """Return the points that the deformation takes to these; NaN where there is none."""
        back, wanted = self.of.before.inverse(), self.of.after.inverse().points(points_mm)
        low, high = np.zeros(3) - 0.5, np.array(self.of.grid.shape) - 0.5
        guess = back.points(wanted)
        for _ in range(MOST_ITERATIONS):
            clipped = self.of.grid.index_to_lps(np.clip(self.of.grid.lps_to_index(guess), low, high))
            better = back.points(wanted - self.of._offsets(clipped))
            moved = np.linalg.norm(better - guess, axis=-1)
            guess = better
            if np.nanmax(moved, initial=0.0) < INVERSE_TOLERANCE_MM:
                break
        reached = np.linalg.norm(self.of.points(guess) - np.asarray(points_mm, float), axis=-1)
        guess[~(reached < 10 * INVERSE_TOLERANCE_MM)] = np.nan
        return guess

    def inverse(self) -> Transform:
        """Return the deformation."""
        return self.of


@dataclass(frozen=True, eq=False)
class Continued:
    """A transform, and where it is not defined another one.

    Parameters
    ----------
    inside : Transform
        Taken where it is defined.
    beyond : AffineTransform
        Taken elsewhere.
    """

    inside: Transform
    beyond: AffineTransform

    def points(self, points_mm: ArrayLike) -> Floats:
        """Return where points lie in the other frame."""
        points = np.asarray(points_mm, float)
        places = self.inside.points(points)
        missing = np.isnan(places).any(axis=-1)
        places[missing] = self.beyond.points(points[missing])
        return places

    def inverse(self) -> Continued:
        """Return the map back."""
        return Continued(self.inside.inverse(), self.beyond.inverse())


@dataclass(frozen=True, eq=False)
class Chain:
    """Transforms one after the other.

    Parameters
    ----------
    steps : sequence of Transform
        The first is applied first.
    """

    steps: Sequence[Transform]

    def points(self, points_mm: ArrayLike) -> Floats:
        """Return where points lie after all steps."""
        points = np.asarray(points_mm, float)
        for step in self.steps:
            points = step.points(points)
        return points

    def inverse(self) -> Chain:
        """Return the map back."""
        return Chain([step.inverse() for step in reversed(self.steps)])

    @property
    def rigid(self) -> AffineTransform | None:
        """The one matrix of all steps when they turn and shift only, else None."""
        matrix = np.eye(4)
        for step in self.steps:
            if not isinstance(step, AffineTransform):
                return None
            matrix = step.matrix @ matrix
        whole = AffineTransform(matrix)
        return whole if whole.is_rigid else None


def sampled(array: Floats, grid: Grid, target: Grid, pull: Transform, fill: float) -> Floats:
    """Return values of an image at the voxel centres of another frame's grid, linearly interpolated.

    Parameters
    ----------
    array : ndarray
        Values on ``grid``.
    grid, target : Grid
        Where the values are, and where they are wanted.
    pull : Transform
        From points of the target's frame to points of the image's.
    fill : float
        Value where the image does not reach or the transform is not defined.
    """
    # deferred: 0.2 s
    from scipy.ndimage import map_coordinates

    out = np.empty(target.shape, np.float32)
    rows, columns = np.indices(target.shape[1:])
    for index, plane in enumerate(out):  # slice by slice: positions take 24 bytes a voxel
        centres = target.index_to_lps(np.stack([np.full_like(rows, index), rows, columns], axis=-1))
        places = grid.lps_to_index(pull.points(centres))
        missing = np.isnan(places).any(axis=-1)
        places[missing] = -10.0
        plane[...] = map_coordinates(array, np.moveaxis(places, -1, 0), order=1, mode="constant", cval=fill)
        plane[missing] = fill
    return out
