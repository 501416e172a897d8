"""Compiled product of a transform with the real transform of a mirror-symmetric kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["multiply_spectrum"]


@njit(cache=True, nogil=True, fastmath={"contract"})
def multiply_spectrum(
    along_z: NDArray[Any], in_plane: NDArray[Any], first: int, last: int, spectrum: NDArray[Any]
) -> None:
    """Multiply ``spectrum[z, i]`` by Σ_a along_z[z, a] * in_plane[a, i] for i from ``first`` to ``last``.

    ``spectrum`` holds real and imaginary parts in turn; so does ``in_plane`` hold every value twice. The kernel's
    transform is even along z, so one sum serves planes z and n - z.
    """
    count, terms = along_z.shape
    factor = np.empty(last - first, np.float32)
    for z in range(count // 2 + 1):
        factor[:] = 0
        for a in range(terms):
            weight, line = along_z[z, a], in_plane[a, first:last]
            for i in range(factor.size):
                factor[i] += weight * line[i]
        here = spectrum[z, first:last]
        for i in range(factor.size):
            here[i] *= factor[i]
        if z != 0 and 2 * z != count:
            there = spectrum[count - z, first:last]
            for i in range(factor.size):
                there[i] *= factor[i]
