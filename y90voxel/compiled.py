"""numba as the loops of this package use it: with a cache wherever there is a folder for one."""

from __future__ import annotations

from typing import Any

from y90voxel.caches import can_keep, prepare_caches

prepare_caches()  # numba reads its environment when it is imported

import numba  # noqa: E402
from numba import prange  # noqa: E402

__all__ = ["njit", "prange"]

if can_keep():
    njit: Any = numba.njit
else:

    def njit(*arguments: Any, **options: Any) -> Any:
        """Compile a function and keep nothing: there is no folder for it."""
        return numba.njit(*arguments, **{**options, "cache": False})
