"""Compiled scatter form of the direct convolution: every active voxel stamps the kernel around itself."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["stamp"]


# Contraction lets a product and a sum become one fused operation; it loses no accuracy.
@njit(cache=True, nogil=True, fastmath={"contract"})
def stamp(
    source: NDArray[Any], kernel: NDArray[Any], low_z: int, low_y: int, low_x: int, first: int, last: int,
    out: NDArray[Any],
) -> None:  # fmt: skip
    """Add ``source * kernel`` to slices ``first`` to ``last`` of ``out``.

    Voxel ``(z, y, x)`` of ``source`` is voxel ``(z + low_z, y + low_y, x + low_x)`` of ``out``; what reaches
    beyond ``out`` is dropped.
    """
    az, ay, ax = kernel.shape[0] // 2, kernel.shape[1] // 2, kernel.shape[2] // 2
    ny, nx = out.shape[1], out.shape[2]
    for z in range(source.shape[0]):
        tz0, tz1 = max(first, z + low_z - az), min(last, z + low_z + az + 1)
        if tz0 >= tz1:
            continue
        for y in range(source.shape[1]):
            ty0, ty1 = max(0, y + low_y - ay), min(ny, y + low_y + ay + 1)
            for x in range(source.shape[2]):
                activity = source[z, y, x]
                if activity == 0:
                    continue
                x0, x1 = max(0, x + low_x - ax), min(nx, x + low_x + ax + 1)
                k0 = x0 - (x + low_x - ax)
                for tz in range(tz0, tz1):
                    for ty in range(ty0, ty1):
                        taps = kernel[tz - (z + low_z) + az, ty - (y + low_y) + ay, k0 : k0 + x1 - x0]
                        row = out[tz, ty, x0:x1]
                        for i in range(x1 - x0):
                            row[i] += activity * taps[i]
