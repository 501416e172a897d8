"""Compiled loop that moves the boundary of a region. Arrays and scalars in, ``out`` filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def perturb(distance: Array, shift: Array, offset: float, width: float, out: Array) -> None:
    """Fill ``out`` with d(x - shift) / width + offset + 1/2, kept in 0 to 1.

    d is interpolated linearly and goes on as it is beyond its edges; the shift is in voxels, the offset in widths.
    """
    nz, ny, nx = distance.shape
    whole = np.floor(-shift)
    fz, fy, fx = -shift[0] - whole[0], -shift[1] - whole[1], -shift[2] - whole[2]
    sz, sy, sx = int(whole[0]), int(whole[1]), int(whole[2])
    for z in range(nz):
        z0, z1 = min(max(z + sz, 0), nz - 1), min(max(z + sz + 1, 0), nz - 1)
        for y in range(ny):
            y0, y1 = min(max(y + sy, 0), ny - 1), min(max(y + sy + 1, 0), ny - 1)
            for x in range(nx):
                x0, x1 = min(max(x + sx, 0), nx - 1), min(max(x + sx + 1, 0), nx - 1)
                left = (1.0 - fz) * ((1.0 - fy) * distance[z0, y0, x0] + fy * distance[z0, y1, x0])
                left += fz * ((1.0 - fy) * distance[z1, y0, x0] + fy * distance[z1, y1, x0])
                right = (1.0 - fz) * ((1.0 - fy) * distance[z0, y0, x1] + fy * distance[z0, y1, x1])
                right += fz * ((1.0 - fy) * distance[z1, y0, x1] + fy * distance[z1, y1, x1])
                occupied = ((1.0 - fx) * left + fx * right) / width + offset + 0.5
                out[z, y, x] = min(max(occupied, 0.0), 1.0)
