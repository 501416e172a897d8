"""Move a volume to another grid, each quantity by the rule that its unit demands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, InputError
from y90voxel.volumes import _resample_loops as loops
from y90voxel.volumes.box import is_empty
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask, Volume

__all__ = ["coverage", "interpolate", "mean_of_table", "resample"]

V = TypeVar("V", bound=Volume)
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

# Two grids are treated as parallel when no voxel of the target drifts further than this off the axes of
# the source [source voxels].
PARALLEL_TOLERANCE_VOXELS = 1e-3
# Coverage this close to 1 is a rounding error of the affine, not a gap.
COVERED_TOLERANCE = 1e-5
# Oblique grids: sub-samples per axis are at least this many, and as many as keeps them closer together
# than a third of the finer spacing; the cap bounds the time for grids of very different fineness.
MIN_SAMPLES, MAX_SAMPLES = 4, 16


@dataclass(frozen=True)
class _AxisWeights:
    """Weights of one axis, (target, source), and the source range [first, stop) of each target."""

    weights: Floats
    ranges: Ints

    @classmethod
    def of(cls, weights: Floats) -> _AxisWeights:
        """Return the weights with the range of their non-zeros in each row."""
        used = weights != 0
        first = np.where(used.any(axis=1), used.argmax(axis=1), 0)
        stop = np.where(used.any(axis=1), weights.shape[1] - used[:, ::-1].argmax(axis=1), 0)
        return cls(weights, np.stack([first, stop], axis=1).astype(np.int64))

    @property
    def packed(self) -> Floats:
        """The weights of each target from its first source index on, (target, most taps)."""
        taps = int((self.ranges[:, 1] - self.ranges[:, 0]).max(initial=1))
        columns = self.ranges[:, :1] + np.arange(max(taps, 1))
        padded = np.pad(self.weights, ((0, 0), (0, max(taps, 1))))
        return np.ascontiguousarray(np.take_along_axis(padded, columns, axis=1))


def resample(volume: V, grid: Grid, *, fill: float | None = None) -> V:
    """Return the volume on another grid, by the rule of its quantity.

    ====================================  ==========================================================
    counts, activity, decays (extensive)  box overlap: each voxel hands every target voxel the part of
                                          its value that lies in it, so the sum is kept where the target
                                          covers the source
    CT numbers, density (intensive)       along axes where the target is as coarse or coarser: mean over
                                          the target voxel (mass is kept); where it is finer: linear
    dose                                  linear, at voxel centres
    mask                                  mean over the target voxel (volume is kept)
    ====================================  ==========================================================

    Grids whose axes are parallel (flipped and exchanged axes included) are exact. For oblique grids the
    same rules are evaluated on sub-samples: at least four per axis and voxel, not further apart than a
    third of the finer spacing (the sum of an extensive map is still exact on a covering grid; single
    voxels at sharp edges are good to about 2 % of the step between their neighbours). Linear
    interpolation takes the image as constant in the outer half of its border voxels.

    Parameters
    ----------
    volume : Volume
        Any of the package's volume types.
    grid : Grid
        Where the result lies.
    fill : float or None
        Value outside the source. Extensive maps, masks and doses are 0 there (no activity, no dose was
        found outside the image); a CT or density must be told, because air and "not seen" differ.

    Returns
    -------
    Volume
        The same type on ``grid``; float64 where the source is, else float32.

    Raises
    ------
    GeometryError
        If the two grids belong to different frames of reference, or if ``fill`` is None for a CT or
        density that does not cover the target grid.
    InputError
        If a fill other than 0 is given for an extensive map or a mask.

    Examples
    --------
    >>> fine = Grid.from_spacing((4, 4, 4), (2, 2, 2))
    >>> from y90voxel.volumes.volume import CountMap
    >>> coarse = resample(CountMap(np.ones(fine.shape), fine), fine.with_spacing(4.0))
    >>> coarse.array.shape, coarse.total
    ((2, 2, 2), 64.0)
    """
    _check_frames(volume.grid, grid)
    must_be_zero = volume.extensive or isinstance(volume, Mask)
    if must_be_zero and fill not in (None, 0):
        raise InputError(
            f"{type(volume).__name__}: outside the image the {volume.quantity} is 0, fill={fill:g} would "
            "add to it. Leave fill out."
        )
    needs_fill = fill is None and not must_be_zero and not isinstance(volume, DoseMap)
    outside = 0.0 if fill is None else float(fill)
    if volume.grid.is_same_as(grid):
        return replace(volume, grid=grid)
    array, inside = _move(volume, _working(volume.array), grid)
    if needs_fill and inside is not None:
        missing = 1.0 - float(np.mean(_share(inside)))
        raise GeometryError(
            f"the {volume.quantity} image covers only {100 * (1 - missing):.2f} % of the target grid: it is "
            f"{volume.grid}, the target {grid}. Say what lies outside: resample(volume, grid, fill=...)."
        )
    if inside is not None and outside != 0.0:
        array += (1.0 - _share(inside)).astype(array.dtype) * array.dtype.type(outside)
    if isinstance(volume, Mask):
        np.clip(array, 0.0, 1.0, out=array)
    if isinstance(volume, DoseMap) and volume.relative_uncertainty is not None:
        return replace(volume, array=array, grid=grid, relative_uncertainty=_uncertainty(volume, grid, array))
    return replace(volume, array=array, grid=grid)


def mean_of_table(volume: Volume, table: NDArray[np.float32], grid: Grid) -> NDArray[np.float32] | None:
    """Return the mean over each voxel of a grid of what a table says of an int16 image, in one pass over it.

    Parameters
    ----------
    volume : Volume
        Of int16.
    table : ndarray, (65536,)
        A value for each int16, in the order of their bits as uint16.
    grid : Grid
        Where the means lie.

    Returns
    -------
    ndarray or None, (shape of the grid)
        Means, where what the image does not cover counts 0; None if the axes of the two grids are not parallel.
    """
    axes = _parallel_axes(volume.grid, grid)
    if axes is None:
        return None
    weights = [_box_weights(*axis, mean=True) for axis in axes]
    return _sum_separable(np.transpose(volume.array, [axis[0] for axis in axes]), weights, table)


def interpolate(volume: Volume, grid: Grid, outside: float = 0.0) -> Floats | None:
    """Return the values of any volume at the voxel centres of a parallel grid, whatever the rule of its quantity.

    Parameters
    ----------
    volume : Volume
        Its value is constant in the outer half of border voxels.
    grid : Grid
        Where values are asked for, in the same frame of reference.
    outside : float
        Value where the volume does not reach.

    Returns
    -------
    ndarray or None, (shape of the grid)
        Linear between voxel centres; None if the axes of the two grids are not parallel.
    """
    axes = _parallel_axes(volume.grid, grid)
    if axes is None:
        return None
    weights = [_linear_weights(*axis) for axis in axes]
    values = _sum_separable(np.transpose(_working(volume.array), [axis[0] for axis in axes]), weights)
    if outside != 0.0:
        for axis, of_axis in enumerate(weights):
            np.moveaxis(values, axis, 0)[of_axis.sum(axis=1) == 0.0] = outside
    return values


def coverage(source: Grid, target: Grid) -> Mask:
    """Return which fraction of each target voxel lies inside the box of the source grid.

    Parameters
    ----------
    source, target : Grid
        The image that is to be moved, and where to.

    Returns
    -------
    Mask
        On ``target``: 1 where the source is known throughout the voxel, 0 where it is not known at all.

    Raises
    ------
    GeometryError
        If the grids belong to different frames of reference.
    """
    _check_frames(source, target)
    axes = _parallel_axes(source, target)
    if axes is None:
        matrix, shift = _index_map(target, source)
        ones = Mask(np.broadcast_to(np.float32(1), source.shape), source)
        return Mask(_gather_nearest(ones, matrix, shift, target).astype(np.float32), target)
    weights = [_box_weights(*axis, mean=True) for axis in axes]
    return Mask(_outer([np.minimum(w.sum(axis=1), 1.0) for w in weights], np.float32), target)


def _check_frames(source: Grid, target: Grid) -> None:
    """Raise if both grids name a frame of reference and the names differ."""
    one, other = source.frame_of_reference_uid, target.frame_of_reference_uid
    if one and other and one != other:
        raise GeometryError(
            f"the volume lies in frame of reference {one}, the target grid in {other}: their coordinates do "
            "not compare. Register the images, or state that the frames are common (--trust-frames).",
            tag="FrameOfReferenceUID",
        )


def _working(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in a type the loops compute with: int16, float32 or float64."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if array.dtype in (np.dtype(np.int16), np.dtype(np.float32), np.dtype(np.float64)):
        return array
    return array.astype(np.float32 if size <= 2 or kind == "b" else np.float64)


def _index_map(origin: Grid, destination: Grid) -> tuple[Floats, Floats]:
    """Return matrix and shift that take indices of one grid to indices of the other."""
    affine = np.linalg.solve(destination.affine, origin.affine)
    return np.ascontiguousarray(affine[:3, :3]), np.ascontiguousarray(affine[:3, 3])


def _parallel_axes(source: Grid, target: Grid) -> list[tuple[int, int, int, float, float]] | None:
    """Return, per target axis, (source axis, source length, target length, step, start), or None if oblique.

    ``start + step * target index`` is the source index along that axis.
    """
    matrix, shift = _index_map(target, source)
    order = np.abs(matrix).argmax(axis=0)
    if sorted(order.tolist()) != [0, 1, 2]:
        return None
    off_axis = np.abs(matrix) * np.array(target.shape)
    off_axis[order, np.arange(3)] = 0.0
    if off_axis.max() > PARALLEL_TOLERANCE_VOXELS:
        return None
    return [
        (int(s), source.shape[s], target.shape[t], float(matrix[s, t]), float(shift[s]))
        for t, s in enumerate(order)
    ]


def _box_weights(_: int, n_source: int, n_target: int, step: float, start: float, *, mean: bool) -> Floats:
    """Return overlap lengths of target and source voxels, (target, source).

    In units of the source voxel (its share in the target), or of the target voxel when ``mean``.
    """
    centre = start + step * np.arange(n_target)[:, None]
    half = abs(step) / 2
    voxel = np.arange(n_source)[None, :]
    low = np.maximum(centre - half, voxel - 0.5)
    high = np.minimum(centre + half, voxel + 0.5)
    overlap = np.maximum(high - low, 0.0)
    overlap[overlap < 1e-9] = 0.0
    return np.asarray(overlap / abs(step) if mean else overlap)


def _linear_weights(_: int, n_source: int, n_target: int, step: float, start: float) -> Floats:
    """Return linear interpolation weights at target centres, (target, source); 0 outside the source box."""
    centre = start + step * np.arange(n_target)
    weights = np.zeros((n_target, n_source))
    inside = np.flatnonzero((centre >= -0.5 - 1e-6) & (centre <= n_source - 0.5 + 1e-6))
    position = np.clip(centre[inside], 0.0, n_source - 1.0)
    lower = np.minimum(position.astype(int), max(n_source - 2, 0))
    fraction = position - lower
    weights[inside, lower] = 1.0 - fraction
    weights[inside, np.minimum(lower + 1, n_source - 1)] += fraction
    return weights


def _outer(axes: list[Floats], dtype: type[np.floating[Any]] = np.float64) -> Floats:
    """Return the outer product of three vectors, (n0, n1, n2); slice by slice, in double precision."""
    out = np.empty([len(axis) for axis in axes], dtype)
    for out_plane, first in zip(out, axes[0], strict=True):
        out_plane[...] = (first * axes[1])[:, None] * axes[2]
    return out


def _share(inside: Floats | list[Floats]) -> Floats:
    """Return the covered fraction of each voxel from it, or from its factors along the three axes."""
    return _outer(inside) if isinstance(inside, list) else inside


def _move(volume: Volume, array: NDArray[Any], grid: Grid) -> tuple[Floats, Floats | list[Floats] | None]:
    """Return the moved values, and the covered fraction of each voxel, for `_share` (None: all of them wholly)."""
    axes = _parallel_axes(volume.grid, grid)
    if axes is None:
        return _move_oblique(volume, array, grid)
    weights = []
    for axis in axes:
        coarser = abs(axis[3]) >= 1.0 - 1e-6
        if volume.extensive:
            weights.append(_box_weights(*axis, mean=False))
        elif isinstance(volume, Mask) or (coarser and not isinstance(volume, DoseMap)):
            weights.append(_box_weights(*axis, mean=True))
        else:
            weights.append(_linear_weights(*axis))
    order = [axis[0] for axis in axes]
    moved = _sum_separable(np.transpose(array, order), weights)
    if volume.extensive or isinstance(volume, Mask):
        return moved, None
    covered = [w.sum(axis=1) for w in weights]
    if all(c.min() > 1.0 - COVERED_TOLERANCE for c in covered):
        return moved, None
    return moved, [np.minimum(c, 1.0) for c in covered]


def _sum_separable(
    array: NDArray[Any], weights: list[Floats], table: NDArray[np.float32] | None = None
) -> Floats:
    """Return the separable weighted sum of the values, or of what a table says of them, reading each slice once."""
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    if not array.flags.c_contiguous:  # it will be copied: no more of it than is needed
        used = [np.flatnonzero(w.any(axis=0)) for w in weights]
        part = tuple(slice(int(u[0]), int(u[-1]) + 1) if u.size else slice(0, 1) for u in used)
        array, weights = array[part], [w[:, p] for w, p in zip(weights, part, strict=True)]
    by_axis = [_AxisWeights.of(w.astype(dtype)) for w in weights]
    by_source_slice = _AxisWeights.of(np.ascontiguousarray(by_axis[0].weights.T)).ranges
    shape = tuple(len(w) for w in weights)
    out = np.zeros(shape, dtype)
    loops.sum_separable(
        np.ascontiguousarray(array),
        table,
        by_axis[0].weights,
        by_source_slice,
        by_axis[1].weights,
        by_axis[1].ranges,
        by_axis[2].packed,
        by_axis[2].ranges,
        np.empty(array.shape[2], dtype),
        np.empty(shape[1:], dtype),
        out,
    )
    return out


def _samples(voxel_mm: Floats, finest_mm: float) -> Ints:
    """Return how many sub-samples an axis of each spacing needs."""
    wanted = np.ceil(3.0 * voxel_mm / finest_mm - 1e-6)
    return np.asarray(np.clip(wanted, MIN_SAMPLES, MAX_SAMPLES), dtype=np.int64)


def _move_oblique(volume: Volume, array: NDArray[Any], grid: Grid) -> tuple[Floats, Floats | None]:
    """Return the moved values on an oblique grid, and the covered fraction where it matters."""
    matrix, shift = _index_map(grid, volume.grid)
    source_mm, target_mm = np.array(volume.grid.spacing_mm), np.array(grid.spacing_mm)
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    if volume.extensive:
        moved = np.zeros(grid.shape)  # in double precision: hundreds of deposits add up in a voxel
        samples = _samples(source_mm, min(source_mm.min(), target_mm.min()))
        loops.deposit(np.ascontiguousarray(array, dtype), *_index_map(volume.grid, grid), samples, moved)
        return moved.astype(dtype), None
    if isinstance(volume, Mask):
        return _gather_nearest(volume, matrix, shift, grid).astype(dtype), None
    samples = np.ones(3, np.int64)
    if not isinstance(volume, DoseMap):
        samples = np.clip(np.ceil(target_mm / source_mm.min() - 0.01), 1, MAX_SAMPLES).astype(np.int64)
    moved, inside = np.zeros(grid.shape, dtype), np.zeros(grid.shape, np.float32)
    loops.gather_linear(np.ascontiguousarray(array, dtype), matrix, shift, samples, moved, inside)
    return moved, None if inside.min() > 1.0 - COVERED_TOLERANCE else inside


def _gather_nearest(mask: Mask, matrix: Floats, shift: Floats, grid: Grid) -> Floats:
    """Return the mean occupancy over sub-samples of each target voxel, visiting only those in reach."""
    source_mm, target_mm = np.array(mask.grid.spacing_mm), np.array(grid.spacing_mm)
    samples = _samples(target_mm, min(source_mm.min(), target_mm.min()))
    start, stop = _window(mask, grid)
    out = np.zeros(grid.shape, np.float32)
    part = np.zeros(np.maximum(stop - start, 0), np.float32)
    if part.size:
        source = np.ascontiguousarray(mask.array, np.float32)
        loops.gather_nearest(source, matrix, shift + matrix @ start, samples, part)
        out[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] = part
    return out


def _window(mask: Mask, grid: Grid) -> tuple[Ints, Ints]:
    """Return the index range of the target that the occupied part of a mask can reach."""
    if is_empty(mask.box):
        return np.zeros(3, np.int64), np.zeros(3, np.int64)
    ends = [(part.start - 0.5, part.stop - 0.5) for part in mask.box]
    corners = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T
    reached = grid.lps_to_index(mask.grid.index_to_lps(corners))
    start = np.clip(np.floor(reached.min(axis=0)).astype(np.int64), 0, grid.shape)
    stop = np.clip(np.ceil(reached.max(axis=0)).astype(np.int64) + 1, 0, grid.shape)
    return start, stop


def _uncertainty(dose: DoseMap, grid: Grid, moved: Floats) -> Floats:
    """Return the relative uncertainty after interpolation, neighbours taken as fully correlated."""
    absolute = DoseMap(np.asarray(dose.array) * dose.relative_uncertainty, dose.grid)
    sigma = resample(absolute, grid).array
    return np.asarray(np.divide(sigma, moved, out=np.zeros_like(moved), where=moved > 0))
