"""Compiled loop behind sampled histograms. Arrays and scalars in, ``histogram`` filled."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from y90voxel.compiled import njit

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def fill_histogram(dose: Array, occupancy: Array, low: float, per_gy: float, histogram: Array) -> None:
    """Add the occupancy of each voxel to the bin of its dose.

    Arrays are flat; bins begin at ``low`` and there are ``per_gy`` of them a gray, the outermost take what lies beyond.
    """
    last = histogram.shape[0] - 1
    for i in range(dose.shape[0]):
        if occupancy[i] > 0.0:
            histogram[min(max(int((dose[i] - low) * per_gy), 0), last)] += occupancy[i]
