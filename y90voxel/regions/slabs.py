"""The slab of the patient that each contour plane stands for, and the slabs that several regions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import RegionError

__all__ = [
    "LARGEST_BRIDGED_STEP",
    "PlaneSteps",
    "common_slabs",
    "nominal_step",
    "plane_steps",
    "slabs_of_planes",
]

Floats = NDArray[np.floating[Any]]

# Planes up to this many nominal steps apart meet half way (one slice may be missing between them);
# further apart there is nothing between them.
LARGEST_BRIDGED_STEP = 2.25
# Distances between planes that differ by less than this fraction are one step.
SAME_STEP = 0.1
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


@dataclass(frozen=True, eq=False)
class PlaneSteps:
    """How far the planes of one lesion are meant to lie apart, and which neighbours belong together.

    Parameters
    ----------
    nominal_mm : float
        The lower median of the distances [mm].
    of_plane_mm : ndarray, (planes,)
        The step that each plane was drawn with [mm].
    joined : ndarray of bool, (planes - 1,)
        Whether there is something between two neighbours.
    """

    nominal_mm: float
    of_plane_mm: Floats
    joined: NDArray[np.bool_]


def plane_steps(positions: Floats, most_mm: float | None = None) -> PlaneSteps:
    """Return the steps of planes: one for all, or its own for each part that is set apart or drawn at another distance.

    Parameters
    ----------
    positions : ndarray, (planes,)
        Where the planes lie, rising [mm].
    most_mm : float or None
        A step is not longer than that: the distance between slices of the image; it is the step where there are fewer
        than three planes.

    Raises
    ------
    RegionError
        If there is only one plane and no ``most_mm``.
    """
    nominal = np.inf if most_mm is None else most_mm
    if most_mm is None or len(positions) > 2:
        nominal = min(nominal_step(positions), nominal)
    gaps = np.diff(positions)
    regular = np.zeros(len(gaps), bool) if most_mm is not None else _regular(gaps)
    regular &= np.abs(gaps - nominal) > SAME_STEP * nominal
    joined = (gaps <= LARGEST_BRIDGED_STEP * nominal) | regular
    steps = np.full(len(positions), nominal)
    if joined.all():
        for side in (steps[:-1], steps[1:]):
            np.maximum(side, gaps, out=side, where=regular)
        return PlaneSteps(nominal, steps, joined)
    ends = np.flatnonzero(~joined) + 1
    for part in np.split(np.arange(len(positions)), ends):
        if len(part) > 2:
            own = plane_steps(positions[part], most_mm)
            steps[part], joined[part[:-1]] = own.of_plane_mm, own.joined
    return PlaneSteps(nominal, steps, joined)


def _regular(gaps: Floats) -> NDArray[np.bool_]:
    """Whether each distance is one of three or more equal ones in a row: a part drawn with that step."""
    regular = np.zeros(len(gaps), bool)
    for first in range(len(gaps) - 2):
        three = gaps[first : first + 3]
        if np.ptp(three) <= SAME_STEP * three.min():
            regular[first : first + 3] = True
    return regular


def slabs_of_planes(positions: Floats, steps: PlaneSteps) -> Floats:
    """Return where the slab of each plane begins and ends [mm]: half way to what is joined, else half a step."""
    half = steps.of_plane_mm / 2
    between = np.diff(positions) / 2
    below = np.concatenate([half[:1], np.where(steps.joined, between, half[1:])])
    above = np.concatenate([np.where(steps.joined, between, half[:-1]), half[-1:]])
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
