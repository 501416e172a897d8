"""The slab of the patient that each contour plane stands for, and the slabs that several regions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import RegionError

__all__ = ["LARGEST_BRIDGED_STEP", "common_slabs", "nominal_step", "slabs_of_planes"]

Floats = NDArray[np.floating[Any]]

# Planes up to this many nominal steps apart meet half way (one slice may be missing between them);
# further apart there is nothing between them.
LARGEST_BRIDGED_STEP = 2.25
# Ends of slabs this close together are one [mm]; planes are told apart from 0.1 mm on.
SAME_END_MM = 1e-3


def nominal_step(positions: Floats) -> float:
    """Return the lower median distance between planes [mm].

    Raises
    ------
    RegionError
        If there is only one plane.
    """
    if len(positions) < 2:
        raise RegionError(
            f"all contours lie in one plane (at {positions[0]:.2f} mm), so the thickness of the region is "
            "not known. Give the distance between slices it was drawn on (plane_step_mm)."
        )
    steps = np.sort(np.diff(positions))
    return float(steps[(len(steps) - 1) // 2])


def slabs_of_planes(positions: Floats, step: float) -> Floats:
    """Return where the slab of each plane begins and ends [mm], for planes so many millimetres apart nominally."""
    gaps = np.diff(positions)
    reach = np.where(gaps <= LARGEST_BRIDGED_STEP * step, gaps / 2, step / 2)
    below = np.concatenate([[step / 2], reach])
    above = np.concatenate([reach, [step / 2]])
    return np.stack([positions - below, positions + above], axis=1)


def common_slabs(regions: Sequence[Floats]) -> tuple[Floats, list[list[tuple[int, int]]]]:
    """Return slabs within which every region keeps to one plane, and the planes in each.

    Parameters
    ----------
    regions : sequence of ndarray, (planes, 2)
        Where the slab of every plane of a region begins and ends, rising and without overlap [mm].

    Returns
    -------
    slabs : ndarray, (slabs, 2)
        Where each begins and ends [mm]; none where no region is.
    members : list of list of (region, plane)
        The planes that stand for each slab, one a region at most.

    Examples
    --------
    >>> slabs, members = common_slabs([np.array([[0.0, 2.0]]), np.array([[1.0, 3.0]])])
    >>> slabs.tolist(), members
    ([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], [[(0, 0)], [(0, 0), (1, 0)], [(1, 0)]])
    """
    ends = np.sort(np.concatenate([slabs.ravel() for slabs in regions]))
    ends = ends[np.concatenate([[True], np.diff(ends) > SAME_END_MM])]
    slabs, members = [], []
    for low, high in pairwise(ends):
        middle = 0.5 * (low + high)
        here = [
            (region, int(plane))
            for region, of_region in enumerate(regions)
            for plane in np.flatnonzero((of_region[:, 0] < middle) & (middle < of_region[:, 1]))
        ]
        if here:
            slabs.append((low, high))
            members.append(here)
    return np.array(slabs), members
