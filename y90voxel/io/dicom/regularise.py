"""Values of slices brought to the regular grid of their stack: uneven and tilted stacks, activity a little off its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.io.dicom.geometry import Stack
from y90voxel.io.dicom.slice_positions import ROUNDING_MM

__all__ = ["regularise", "shift_to_even_positions"]

Floats = NDArray[np.floating[Any]]


def regularise(values: Floats, stack: Stack, fill: float) -> Floats:
    """Return slice values brought to the regular grid of the stack.

    Sideways drift is undone by linear interpolation within each slice (``fill`` where no slice reaches);
    uneven positions by the mean, over each grid slice, of a monotone cubic course through the true
    positions (a blob of two steps' width stays within 0.01 mm for slices up to 10 % of a step off).

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        In the order of ``stack.frames``.
    stack : Stack
        Where the slices lie.
    fill : float
        Value outside the slices.
    """
    if stack.tilted:
        values = _shift_sideways(values, stack, fill)
    if stack.uneven:
        values = _slab_means(values, stack.heights_mm, stack.grid.spacing_mm[0], stack.grid.shape[0])
    return values


def shift_to_even_positions(values: Floats, stack: Stack) -> Floats:
    """Return activity brought to even positions where slices lie within the accepted tolerance of them.

    Linear between the two slices around each even position, and scaled so that the sum over all voxels stays that
    of the file. Left as they are, values put a blob up to the tolerance beside its place (0.03 mm for steps of
    3.19 to 3.29 mm); shifted, it stays within 0.01 mm.

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        In the order of ``stack.frames``.
    stack : Stack
        Where the slices lie.
    """
    heights = stack.heights_mm
    off = np.arange(len(heights)) * stack.grid.spacing_mm[0] - heights
    if stack.uneven or np.abs(off).max() <= ROUNDING_MM:
        return values
    settled = np.array(values)
    for index, distance in enumerate(off):
        other = index + (1 if distance > 0 else -1)
        if 0 <= other < len(heights):
            share = distance / (heights[other] - heights[index])
            settled[index] = (1 - share) * values[index] + share * values[other]
    before, after = values.sum(dtype=np.float64), settled.sum(dtype=np.float64)
    return settled * settled.dtype.type(before / after) if before * after > 0 else settled


def _shift_sideways(values: Floats, stack: Stack, fill: float) -> Floats:
    """Return each slice moved to the perpendicular grid."""
    out = np.full((len(values), *stack.grid.shape[1:]), fill, np.float32)
    spacing = np.array(stack.grid.spacing_mm[1:])
    rows, columns = values.shape[1:]
    for target, slice_, shift in zip(out, values, stack.shifts_mm / spacing, strict=True):
        whole = np.floor(shift + 1e-9).astype(int)
        down, along = (shift - whole).clip(0.0, 1.0).astype(np.float32)
        padded = np.pad(slice_.astype(np.float32), 1, constant_values=fill)
        mixed = (1 - down) * padded[1:] + down * padded[:-1]
        mixed = (1 - along) * mixed[:, 1:] + along * mixed[:, :-1]
        target_rows = slice(whole[0], min(whole[0] + rows + 1, target.shape[0]))
        target_columns = slice(whole[1], min(whole[1] + columns + 1, target.shape[1]))
        place = target[target_rows, target_columns]
        place[...] = mixed[: place.shape[0], : place.shape[1]]
    return out


def _slab_means(values: Floats, heights: Floats, step: float, count: int) -> Floats:
    """Return the mean over each even slab of the monotone cubic course through the true positions.

    Piecewise cubic Hermite with the slopes of Fritsch and Butland (SIAM J. Sci. Stat. Comput. 5, 300, 1984,
    doi 10.1137/0905021): it never overshoots, so counts do not turn negative.
    """
    # deferred: 0.3 s
    from scipy.interpolate import PchipInterpolator

    edges = (np.arange(count + 1) - 0.5) * step
    inner = np.clip(edges, heights[0], heights[-1])
    below, above = (
        np.clip(np.diff(np.minimum(edges, heights[0])), 0, None),
        np.diff(np.maximum(edges, heights[-1])),
    )
    out = np.empty((count, *values.shape[1:]), np.float32)
    for row in range(values.shape[1]):  # row by row: the coefficients take 32 bytes a value
        plane = values[:, row].astype(np.float64)
        integral = np.diff(PchipInterpolator(heights, plane, axis=0).antiderivative()(inner), axis=0)
        integral += below[:, None] * plane[0] + above[:, None] * plane[-1]
        out[:, row] = integral / step
    return out
