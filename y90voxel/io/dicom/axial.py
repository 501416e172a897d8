"""The order in which we list the voxels of a grid in DICOM objects.

Whatever the order of the source image, columns run most nearly to the left, rows to posterior and frames to superior.
The voxels and their positions stay what they are; oblique grids stay oblique. It is done because the frames of a DICOM
object are stacked along the plane normal, which a left-handed array (slices to the feet, say) cannot follow, and because
readers take shortcuts that hold in this order alone: dicompyler-core ignores the orientation, dcm2niix mirrors negative
steps, treatment planning systems want axial dose grids.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.io.dicom.new_object import decimal
from y90voxel.volumes.box import Box
from y90voxel.volumes.grid import Grid

__all__ = ["AxialOrder"]

SUPERIOR_POSTERIOR_LEFT = (2, 1, 0)  # rows of an LPS affine


@dataclass(frozen=True, eq=False)
class AxialOrder:
    """How the axes of an array are reordered and flipped to become frames, rows and columns.

    Parameters
    ----------
    axes : tuple of int, (3,)
        The array axes that become frames, rows, columns.
    signs : tuple of int, (3,)
        -1 where an axis is flipped.
    shape : tuple of int, (3,)
        Frames, rows, columns.
    affine : ndarray, (4, 4)
        Indices (frame, row, column) to LPS [mm]; right-handed: (along a row) × (down a column) points to the next frame.
    """

    axes: tuple[int, ...]
    signs: tuple[int, ...]
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, grid: Grid) -> AxialOrder:
        """Return the order for a grid."""
        directions = grid.directions

        def nearness(order: tuple[int, ...]) -> float:
            pairs = zip(SUPERIOR_POSTERIOR_LEFT, order, strict=True)
            return float(sum(abs(directions[lps, axis]) for lps, axis in pairs))

        axes = max(itertools.permutations(range(3)), key=nearness)
        # The handedness needs no check: the three cosines of a mirrored frame add up to 1 at most, those of the best
        # order to 1.91 at least (cubes are at most 62.8 degrees apart: Mackenzie, Biometrika 45, 229, 1958).
        pairs = zip(SUPERIOR_POSTERIOR_LEFT, axes, strict=True)
        signs = [-1 if directions[lps, axis] < 0 else 1 for lps, axis in pairs]
        affine = np.array(grid.affine[:, [*axes, 3]])
        shape = tuple(grid.shape[axis] for axis in axes)
        for axis, sign in enumerate(signs):
            if sign < 0:
                affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
                affine[:3, axis] *= -1
        return cls(axes, tuple(signs), (shape[0], shape[1], shape[2]), affine)

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of an array on the grid, (frames, rows, columns)."""
        return np.transpose(array, self.axes)[tuple(slice(None, None, sign) for sign in self.signs)]

    def box(self, box: Box) -> Box:
        """Return where a box of the array lies in its view."""
        z, y, x = (
            box[axis] if sign > 0 else slice(length - box[axis].stop, length - box[axis].start)
            for axis, sign, length in zip(self.axes, self.signs, self.shape, strict=True)
        )
        return z, y, x

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between frames, rows and columns [mm]."""
        frames, rows, columns = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return frames, rows, columns

    @property
    def orientation(self) -> list[str]:
        """ImageOrientationPatient: along a row, then down a column."""
        directions = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        return [decimal(x) for x in (*directions[:, 2], *directions[:, 1])]

    @property
    def pixel_spacing(self) -> list[str]:
        """PixelSpacing: between rows, then between columns [mm]."""
        return [decimal(self.spacing_mm[1]), decimal(self.spacing_mm[2])]

    @property
    def slice_spacing(self) -> str:
        """Distance between frames [mm]."""
        return decimal(self.spacing_mm[0])

    def position(self, frame: int) -> list[str]:
        """ImagePositionPatient of a frame [mm]."""
        return [decimal(x) for x in self.affine[:3, 3] + frame * self.affine[:3, 0]]
