"""Which voxels of a dose box a kernel can reach at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._support_loops import dilate, keep_reached, pack_rows

__all__ = ["keep_reachable"]


def keep_reachable(
    box: NDArray[np.floating[Any]],
    source: NDArray[np.floating[Any]],
    kernel: NDArray[np.float64],
    margin: tuple[int, int, int],
    non_negative: bool,
) -> None:
    """Zero, in place, what no active voxel reaches, and negative rounding if the activity has none.

    Parameters
    ----------
    box : ndarray, (z, y, x)
        Dose on the output box; voxel ``(0, 0, 0)`` of ``source`` is voxel ``margin`` of it.
    source : ndarray, (z, y, x)
        Activity on its bounding box.
    kernel : ndarray, odd shape
        Which of its values are zero decides what is reached.
    margin : tuple of int, (3,)
        Voxels by which the box reaches beyond the source on its low sides, at most half the kernel.
    non_negative : bool
        Whether the activity has no negative voxel.
    """
    half = [n // 2 for n in kernel.shape]
    runs, offsets = _kernel_runs(kernel)
    offsets[:, 0] += margin[0] - half[0]
    offsets[:, 1] += margin[1] - half[1]
    # Bit x of a source row is voxel x of the source; a run shifts it by 0 .. width of the kernel - 1, which
    # puts voxel x of the box at bit x + half - margin.
    words = (source.shape[2] + kernel.shape[2] - 1 + 63) // 64
    active = np.zeros((*source.shape[:2], words), np.uint64)
    pack_rows(source, 0, active)
    reached = np.zeros((*box.shape[:2], words), np.uint64)
    dilate(active, runs, offsets, reached)
    keep_reached(reached, half[2] - margin[2], non_negative, box)


def _kernel_runs(kernel: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct runs (first, length, start, stop) and the rows (dz, dy) that have each of them."""
    rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    edges = np.diff(np.pad(kernel != 0, ((0, 0), (0, 0), (1, 1))).astype(np.int8), axis=2)
    for z, y in np.argwhere((kernel != 0).any(axis=2)).tolist():
        starts, stops = np.flatnonzero(edges[z, y] == 1), np.flatnonzero(edges[z, y] == -1)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            rows.setdefault((start, stop - start), []).append((z, y))
    stops = np.cumsum([len(places) for places in rows.values()])
    runs = [(*run, stop - len(rows[run]), stop) for run, stop in zip(rows, stops, strict=True)]
    offsets = [place for places in rows.values() for place in places]
    return np.array(runs, np.int64).reshape(-1, 4), np.array(offsets, np.int64).reshape(-1, 2)
