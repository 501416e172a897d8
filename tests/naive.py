"""Plain twins of the compiled loops, by other algorithms; nothing here imports what it judges."""

import numpy as np


def convolve(activity, kernel):
    """Scatter form in float64: every source voxel stamps its kernel on a padded dose."""
    activity, kernel = np.asarray(activity, np.float64), np.asarray(kernel, np.float64)
    margin = np.array(kernel.shape) // 2
    dose = np.zeros(np.array(activity.shape) + 2 * margin)
    for source in np.argwhere(activity != 0):
        stamp = tuple(slice(i, i + n) for i, n in zip(source, kernel.shape, strict=True))
        dose[stamp] += activity[tuple(source)] * kernel
    return dose[tuple(slice(m, m + n) for m, n in zip(margin, activity.shape, strict=True))]


def reachable(activity, kernel):
    """True where at least one active voxel has the target under a non-zero tap."""
    return convolve(activity != 0, kernel != 0) > 0.5


def bounding_box(activity):
    """Half-open start and stop of the non-zero voxels along each axis."""
    found = np.argwhere(activity != 0)
    return tuple(found.min(axis=0).tolist()), tuple((found.max(axis=0) + 1).tolist())
