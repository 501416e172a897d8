"""Compiled loops that move values between grids. Arrays and scalars in, ``out`` filled."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def sum_separable(
    source: Array,
    table: Array | None,
    z_weights: Array,
    z_ranges: Array,
    y_weights: Array,
    y_ranges: Array,
    x_weights: Array,
    x_ranges: Array,
    row: Array,
    plane: Array,
    out: Array,
) -> None:
    """Add to out[t] the sum over s of z[tz, sz] y[ty, sy] x[tx, sx] source[s].

    With a lookup ``table`` of 65536 values the source holds int16, and the table's values are summed in its place, looked
    up by the same bits as uint16. ``z_weights`` and ``y_weights`` are (target, source) matrices with few non-zeros;
    ``x_weights`` holds only the non-zeros of each target, from the first on. ``y_ranges`` and ``x_ranges`` give, for each
    target index, the first source index with a weight and the one after the last; ``z_ranges`` gives the target indices
    of each source slice, so that every source slice is read once. ``row`` and ``plane`` are work space: a row of the
    source, a slice of ``out``.
    """
    slices, columns = source.shape[0], source.shape[2]
    rows_out, columns_out = plane.shape
    for sz in range(slices):
        if z_ranges[sz, 0] >= z_ranges[sz, 1]:
            continue
        for ty in range(rows_out):
            row[:] = 0
            for sy in range(y_ranges[ty, 0], y_ranges[ty, 1]):
                weight = y_weights[ty, sy]
                values = source[sz, sy]
                if table is None:
                    for sx in range(columns):
                        row[sx] += weight * row.dtype.type(values[sx])
                else:
                    for sx in range(columns):
                        row[sx] += weight * table[np.uint16(values[sx])]
            for tx in range(columns_out):
                first = x_ranges[tx, 0]
                taps = x_ranges[tx, 1] - first
                if taps == 2:  # linear interpolation, the common case, without a loop
                    plane[ty, tx] = x_weights[tx, 0] * row[first] + x_weights[tx, 1] * row[first + 1]
                else:
                    total = plane.dtype.type(0)
                    for tap in range(taps):
                        total += x_weights[tx, tap] * row[first + tap]
                    plane[ty, tx] = total
        for tz in range(z_ranges[sz, 0], z_ranges[sz, 1]):
            weight = z_weights[tz, sz]
            for ty in range(rows_out):
                target = out[tz, ty]
                values = plane[ty]
                for tx in range(columns_out):
                    target[tx] += weight * values[tx]


@njit(cache=True, nogil=True)
def gather_linear(
    source: Array, matrix: Array, shift: Array, samples: Array, out: Array, inside: Array
) -> None:
    """Fill out with the mean of the trilinear source over sub-samples of each target voxel.

    ``matrix @ target index + shift`` is the source index. Sub-samples outside the source box count 0 in
    ``out`` and lower ``inside``, the covered fraction. Beyond the outermost centres the source is constant.
    """
    nz, ny, nx = source.shape
    per_voxel = 1.0 / (samples[0] * samples[1] * samples[2])
    for tz in range(out.shape[0]):
        for ty in range(out.shape[1]):
            for tx in range(out.shape[2]):
                total = 0.0
                hits = 0
                for i in range(samples[0]):
                    a = tz + (i + 0.5) / samples[0] - 0.5
                    for j in range(samples[1]):
                        b = ty + (j + 0.5) / samples[1] - 0.5
                        for k in range(samples[2]):
                            c = tx + (k + 0.5) / samples[2] - 0.5
                            z = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + shift[0]
                            y = matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + shift[1]
                            x = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + shift[2]
                            if z < -0.5 or y < -0.5 or x < -0.5:
                                continue
                            if z > nz - 0.5 or y > ny - 0.5 or x > nx - 0.5:
                                continue
                            z = min(max(z, 0.0), nz - 1.0)
                            y = min(max(y, 0.0), ny - 1.0)
                            x = min(max(x, 0.0), nx - 1.0)
                            z0, y0, x0 = int(z), int(y), int(x)
                            z1, y1, x1 = min(z0 + 1, nz - 1), min(y0 + 1, ny - 1), min(x0 + 1, nx - 1)
                            fz, fy, fx = z - z0, y - y0, x - x0
                            near = (1 - fy) * (
                                (1 - fx) * source[z0, y0, x0] + fx * source[z0, y0, x1]
                            ) + fy * ((1 - fx) * source[z0, y1, x0] + fx * source[z0, y1, x1])
                            far = (1 - fy) * (
                                (1 - fx) * source[z1, y0, x0] + fx * source[z1, y0, x1]
                            ) + fy * ((1 - fx) * source[z1, y1, x0] + fx * source[z1, y1, x1])
                            total += (1 - fz) * near + fz * far
                            hits += 1
                out[tz, ty, tx] = total * per_voxel
                inside[tz, ty, tx] = hits * per_voxel


@njit(cache=True, nogil=True)
def gather_nearest(source: Array, matrix: Array, shift: Array, samples: Array, out: Array) -> None:
    """Fill out with the mean over sub-samples of the source voxel that contains each; 0 outside."""
    nz, ny, nx = source.shape
    per_voxel = 1.0 / (samples[0] * samples[1] * samples[2])
    for tz in range(out.shape[0]):
        for ty in range(out.shape[1]):
            for tx in range(out.shape[2]):
                total = 0.0
                for i in range(samples[0]):
                    a = tz + (i + 0.5) / samples[0] - 0.5
                    for j in range(samples[1]):
                        b = ty + (j + 0.5) / samples[1] - 0.5
                        for k in range(samples[2]):
                            c = tx + (k + 0.5) / samples[2] - 0.5
                            z = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + shift[0]
                            y = matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + shift[1]
                            x = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + shift[2]
                            sz, sy, sx = floor(z + 0.5), floor(y + 0.5), floor(x + 0.5)
                            if 0 <= sz < nz and 0 <= sy < ny and 0 <= sx < nx:
                                total += source[sz, sy, sx]
                out[tz, ty, tx] = total * per_voxel


@njit(cache=True, nogil=True)
def deposit(source: Array, matrix: Array, shift: Array, samples: Array, out: Array) -> None:
    """Cut each source voxel into equal parts and add each part to the target voxel that contains it.

    ``matrix @ source index + shift`` is the target index. Every part lands in one voxel, so that the sum
    is kept when the target covers the source.
    """
    nz, ny, nx = out.shape
    share = 1.0 / (samples[0] * samples[1] * samples[2])
    for sz in range(source.shape[0]):
        for sy in range(source.shape[1]):
            for sx in range(source.shape[2]):
                value = source[sz, sy, sx] * share
                if value == 0.0:
                    continue
                for i in range(samples[0]):
                    a = sz + (i + 0.5) / samples[0] - 0.5
                    for j in range(samples[1]):
                        b = sy + (j + 0.5) / samples[1] - 0.5
                        for k in range(samples[2]):
                            c = sx + (k + 0.5) / samples[2] - 0.5
                            z = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + shift[0]
                            y = matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + shift[1]
                            x = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + shift[2]
                            tz, ty, tx = floor(z + 0.5), floor(y + 0.5), floor(x + 0.5)
                            if 0 <= tz < nz and 0 <= ty < ny and 0 <= tx < nx:
                                out[tz, ty, tx] += value
