"""Where their map lies against ours: mirrored, shifted, on another grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from y90voxel.vendor_check.map_fit import COMPARED_FROM, Fit, Floats, fit_factor
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap, Volume

__all__ = ["MIRRORS", "Lying", "Sampling", "fit_at", "found_lying", "looked_at", "mirrored", "sampled"]

AXIS_NAMES = ("slices", "rows", "columns")
# Every set of array axes that a map may be reversed along.
MIRRORS = tuple(axes for count in range(4) for axes in combinations(range(3), count))
# Residual; chosen: shifts and other models leave more, a mirrored map far more.
LOOK_FOR_MIRRORS = 0.02
# Of the sum of squares that is left; chosen: a patient is not that symmetric, and mirrors are rarer than other models.
MIRROR_LEAVES = 0.5
STEPS = 25  # of the descent; it takes 4 to 8
BEST_MIRRORS = 2  # starts that are followed of all; chosen: the right one is always among them
LONGEST_STEP = 2.0  # [voxels] of one step: beyond it the slope says nothing
SMALLEST_STEP = 1e-3  # [voxels]; chosen: 4 µm
MARGIN = 3  # [voxels] around what is compared
EDGE = 1e-6  # [voxels]: rounding of coordinates
HALVES = 2  # a slip in a grid is a whole or half a voxel: those are tried as such


class Sampling(StrEnum):
    """How our map comes to their voxels: read there, averaged, or computed there from activity by share or interpolated."""

    LINEAR = "linear"
    MEAN = "mean"
    THEIR_GRID = "their-grid"
    THEIR_GRID_SMOOTH = "their-grid-interpolated"

    @property
    def on_their_grid(self) -> bool:
        """Whether dose is computed on their voxels."""
        return self in (Sampling.THEIR_GRID, Sampling.THEIR_GRID_SMOOTH)


@dataclass(frozen=True)
class Lying:
    """How our map must be moved to lie where theirs does.

    Parameters
    ----------
    mirror : tuple of int
        Array axes of their map that are reversed.
    shift_mm : tuple of float, (3,)
        From ours to theirs, patient LPS [mm].
    sampling : Sampling
        How ours is read at their voxels.
    """

    mirror: tuple[int, ...] = ()
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sampling: Sampling = Sampling.LINEAR

    @property
    def length_mm(self) -> float:
        """Length of the shift [mm]."""
        return float(np.linalg.norm(self.shift_mm))

    @property
    def mirrored_axes(self) -> tuple[str, ...]:
        """Names of the reversed axes."""
        return tuple(AXIS_NAMES[axis] for axis in self.mirror)


def mirrored(dose: DoseMap, axes: Sequence[int]) -> DoseMap:
    """Return a map with its values in reverse order along array axes, on the same grid."""
    return dose if not axes else DoseMap(np.flip(dose.array, tuple(axes)), dose.grid)


def sampled(ours: DoseMap, grid: Grid, lying: Lying) -> tuple[Floats, NDArray[np.bool_]]:
    """Return our map, shifted, at the voxels of a grid [Gy], and which of them it reaches."""
    affine = np.array(ours.grid.affine)
    affine[:3, 3] += lying.shift_mm
    moved = Grid(ours.grid.shape, affine, grid.frame_of_reference_uid)
    if moved.is_same_as(grid):
        return ours.array, np.ones(grid.shape, bool)
    if lying.sampling is Sampling.MEAN:
        values = resample(Volume(ours.array, moved), grid, fill=0.0).array
    else:
        values = resample(DoseMap(ours.array, moved), grid).array
    return values, _reached(moved, grid)


def _reached(source: Grid, target: Grid) -> NDArray[np.bool_]:
    """Voxels of the target whose centre lies in a voxel of the source."""
    to_source = np.linalg.solve(source.affine, target.affine)
    inside = np.ones(target.shape, bool)
    along = np.ix_(*(np.arange(n) for n in target.shape))
    for axis, count in enumerate(source.shape):
        place = sum((to_source[axis, k] * along[k] for k in range(3)), start=to_source[axis, 3])
        inside &= (place >= -0.5 - EDGE) & (place <= count - 0.5 + EDGE)
    return inside


def fit_at(theirs: DoseMap, ours: DoseMap, lying: Lying) -> Fit | None:
    """Return the fit of our map, moved, to theirs; None where they do not meet."""
    values, inside = sampled(ours, theirs.grid, lying)
    return fit_factor(mirrored(theirs, lying.mirror).array, values, inside)


def looked_at(theirs: DoseMap, ours: DoseMap, mirror: Sequence[int] = ()) -> DoseMap:
    """Return the part of their map, mirrored, that either map reaches, with a margin."""
    turned = mirrored(theirs, mirror)
    near, _ = sampled(ours, theirs.grid, Lying())
    boxes = [np.argwhere(m >= COMPARED_FROM * m.max()) for m in (turned.array, near) if m.max() > 0]
    low = np.maximum(np.min([b.min(axis=0) for b in boxes], axis=0) - MARGIN, 0)
    high = np.minimum(np.max([b.max(axis=0) for b in boxes], axis=0) + 1 + MARGIN, theirs.grid.shape)
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return DoseMap(turned.array[part], theirs.grid.crop(low.tolist(), (high - low).tolist()))


def found_lying(theirs: DoseMap, ours: DoseMap) -> tuple[Lying, Fit | None]:
    """Return the mirror and shift that bring our map best onto theirs, and how well it then fits.

    Mirrors are looked for where no shift does; a mirrored map must leave half the sum of squares of the best shift.
    """
    lying, fit = _best_shift(theirs, ours, ())
    if fit is not None and fit.residual < LOOK_FOR_MIRRORS:
        return lying, fit
    starts = []
    for mirror in MIRRORS[1:]:
        part = looked_at(theirs, ours, mirror)
        for shift in _starts(part, ours):
            start = fit_at(part, ours, Lying(shift_mm=shift))
            if start is not None:
                starts.append((start.residual, mirror))
    for mirror in dict.fromkeys(m for _, m in sorted(starts)[: 2 * BEST_MIRRORS]):
        other, other_fit = _best_shift(theirs, ours, mirror)
        if other_fit is None:
            continue
        if fit is None or other_fit.residual**2 < MIRROR_LEAVES * fit.residual**2:
            lying, fit = other, other_fit
    return lying, fit


def _best_shift(theirs: DoseMap, ours: DoseMap, mirror: tuple[int, ...]) -> tuple[Lying, Fit | None]:
    """The best shift from either start, for one mirror."""
    part = looked_at(theirs, ours, mirror)
    best, best_fit = Lying(), fit_at(part, ours, Lying())
    for start in _starts(part, ours):
        lying, fit = _descend(part, ours, Lying(shift_mm=start))
        if fit is not None and (best_fit is None or fit.residual < best_fit.residual):
            best, best_fit = lying, fit
    return replace(best, mirror=mirror), best_fit


def _starts(theirs: DoseMap, ours: DoseMap) -> list[tuple[float, float, float]]:
    """No shift, and the way between the centres of dose."""
    way = _centre_mm(theirs) - _centre_mm(ours)
    apart = np.linalg.norm(way) > 0.5 * min(theirs.grid.spacing_mm)
    return [(0.0, 0.0, 0.0), *([_triple(way)] if apart else [])]


def _centre_mm(dose: DoseMap) -> NDArray[np.float64]:
    """The centre of dose, patient LPS [mm]."""
    total = float(dose.array.sum(dtype=np.float64))
    index = [
        float(np.arange(n) @ dose.array.sum(axis=tuple(b for b in range(3) if b != axis), dtype=np.float64)) / total
        for axis, n in enumerate(dose.grid.shape)
    ]  # fmt: skip
    return dose.grid.index_to_lps(index)


def _triple(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _descend(theirs: DoseMap, ours: DoseMap, start: Lying) -> tuple[Lying, Fit | None]:
    """Follow the slope of our map to the shift that leaves least; then whole and half voxels near it."""
    lying, fit = start, fit_at(theirs, ours, start)
    if fit is None:
        return lying, None
    voxel = min(*theirs.grid.spacing_mm, *ours.grid.spacing_mm)
    damping = 1.0
    for _ in range(STEPS):
        step = _step(theirs, ours, lying, voxel)
        if step is None:
            break
        length = float(np.linalg.norm(step))
        step = step * min(1.0, LONGEST_STEP * voxel / max(length, 1e-12)) * damping
        if np.linalg.norm(step) < SMALLEST_STEP * voxel:
            break
        there = replace(lying, shift_mm=_triple(np.add(lying.shift_mm, step)))
        new = fit_at(theirs, ours, there)
        if new is not None and new.residual < fit.residual:
            lying, fit, damping = there, new, 1.0
        else:
            damping *= 0.5
    return _snapped(theirs, ours, lying, fit)


def _step(theirs: DoseMap, ours: DoseMap, lying: Lying, voxel: float) -> NDArray[np.float64] | None:
    """The shift that least squares add, from the slopes of our map along the patient's axes."""
    values, inside = sampled(ours, theirs.grid, lying)
    half = 0.5 * voxel
    slopes = []
    for axis in range(3):
        ends = []
        for sign in (1.0, -1.0):
            way = np.zeros(3)
            way[axis] = sign * half
            moved = replace(lying, shift_mm=_triple(np.add(lying.shift_mm, way)))
            ends.append(sampled(ours, theirs.grid, moved)[0])
        slopes.append((ends[0] - ends[1]) / (2.0 * half))
    t = theirs.array
    chosen = inside & ((t >= COMPARED_FROM * t.max()) | (values >= COMPARED_FROM * values.max()))
    columns = np.stack([values[chosen], *(slope[chosen] for slope in slopes)], axis=1).astype(np.float64)
    if len(columns) < columns.shape[1]:
        return None
    solved = np.linalg.lstsq(columns, t[chosen].astype(np.float64), rcond=None)[0]
    return None if solved[0] <= 0 else np.asarray(solved[1:] / solved[0])


def _snapped(theirs: DoseMap, ours: DoseMap, lying: Lying, fit: Fit) -> tuple[Lying, Fit]:
    """The nearest whole or half voxel of either grid, where it leaves no more."""
    for grid in (ours.grid, theirs.grid):
        directions, spacing = grid.directions, np.array(grid.spacing_mm)
        along = directions.T @ np.array(lying.shift_mm) / spacing
        near = directions @ (np.rint(along * HALVES) / HALVES * spacing)
        there = replace(lying, shift_mm=_triple(near))
        new = fit_at(theirs, ours, there)
        if new is not None and new.residual <= fit.residual:
            lying, fit = there, new
    return lying, fit
