"""What the algorithms of the convolution need of a kernel, worked out once and used in every call."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._vector_loops import MAX_REACH
from y90voxel.dose.convolution.tiled import FoldedKernel

__all__ = ["PreparedKernel"]

# CPU nanoseconds, measured by benchmarks/bench_convolution.py (docs/decisions/0003): per output voxel of a tile
# and per operation on it, and per active voxel and tap or row of taps.
FOLD_NS, FOLD_NS_PER_OPERATION = 2.0, 0.0155
STAMP_NS_PER_TAP, STAMP_NS_PER_ROW = 0.3, 4.0  # CPU ns, measured as the above
# At 4.8 mm the outermost voxels that Y-90 reaches are all of the outermost layer: half of the direct sum for 8e-6 of the dose.
TRIMMED_SHARE = 3e-5


class PreparedKernel:
    """A convolution kernel with its forms for each algorithm and what they cost.

    Parameters
    ----------
    taps : ndarray, three odd lengths
        The kernel; must not be changed afterwards.

    Attributes
    ----------
    octant : ndarray or None
        One octant, source voxel first; None unless the kernel is exactly mirror symmetric.
    stamp_ns, fold_ns : float
        Expected CPU time [ns] of an active voxel, and of an output voxel; infinite where the algorithm cannot be used.
    error : float
        What was left out of the kernel deviates the dose of non-negative activity by less than this over its maximum.
    """

    def __init__(self, taps: NDArray[np.float64]) -> None:
        self.taps = taps
        z, y, x = taps.shape
        self.half = z // 2, y // 2, x // 2
        self.octant, self.error = _octant(taps), 0.0
        self.stamp_ns = STAMP_NS_PER_TAP * taps.size + STAMP_NS_PER_ROW * z * y
        self.fold_ns = float("inf")
        if self.octant is not None and self.half[0] <= MAX_REACH:
            self.fold_ns = FOLD_NS + FOLD_NS_PER_OPERATION * 2 * int(np.count_nonzero(self.octant))

    @cached_property
    def trimmed(self) -> PreparedKernel:
        """The kernel without outermost taps that add up to no more than TRIMMED_SHARE of the central one.

        Taps E that are left out change the dose by at most max(A) ΣE; its maximum is at least max(A) times the central
        tap. So the error over the maximum is below ΣE over the central tap.
        """
        centre, taps = self.taps[self.half], self.taps
        if taps.min() < 0:
            return self
        rest = TRIMMED_SHARE * centre
        # Whole planes first: the box and the halo of every strip become smaller with them.
        while taps.size > 1 and rest > 0:
            least, axis = min(
                (taps.take([0, -1], axis).sum(), axis) for axis in range(3) if taps.shape[axis] > 1
            )
            if least > rest:
                break
            rest -= least
            taps = taps[tuple(slice(1, -1) if axis == other else slice(None) for other in range(3))]
        ascending = np.sort(taps, axis=None)
        first_kept = np.searchsorted(np.cumsum(ascending), rest, "right")
        # Of equal taps all or none: the kernel stays symmetric.
        trimmed_taps = np.where(taps < ascending[min(first_kept, taps.size - 1)], 0.0, taps)
        trimmed = PreparedKernel(trimmed_taps)
        trimmed.error = float((self.taps.sum() - trimmed_taps.sum()) / centre) if centre else 0.0
        return trimmed

    @cached_property
    def single(self) -> NDArray[np.float32]:
        """The kernel in single precision."""
        return np.ascontiguousarray(self.taps, np.float32)

    @cached_property
    def folded(self) -> FoldedKernel:
        """The kernel for the direct sum; it must be mirror symmetric."""
        assert self.octant is not None
        return FoldedKernel.from_octant(self.octant)


def _octant(kernel: NDArray[Any]) -> NDArray[Any] | None:
    """Return one octant of the kernel, source voxel first; None unless it is exactly mirror symmetric."""
    for flipped in (kernel[::-1], kernel[:, ::-1], kernel[:, :, ::-1]):
        if not (kernel == flipped).all():
            return None
    a, b, c = (n // 2 for n in kernel.shape)
    return kernel[a:, b:, c:]
