"""Compiled scaling of dose by density."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["scale_by_density"]


@njit(cache=True, nogil=True)
def scale_by_density(dose: NDArray[Any], density: NDArray[Any], kernel_density: float, floor: float) -> None:
    """Multiply dose by kernel density over local density, in place; voxels without dose are not touched."""
    for z in range(dose.shape[0]):
        for y in range(dose.shape[1]):
            for x in range(dose.shape[2]):
                if dose[z, y, x] != 0:
                    dose[z, y, x] *= kernel_density / max(density[z, y, x], floor)
