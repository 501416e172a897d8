"""numba as the loops of this package use it: with a cache wherever there is a folder for one."""

from __future__ import annotations

from typing import Any

from y90voxel.caches import can_keep, prepare_caches
from y90voxel.compiling import clock

prepare_caches()  # numba reads its environment when it is imported

import numba  # noqa: E402
from numba import prange  # noqa: E402
from numba.core import event  # noqa: E402

__all__ = ["njit", "prange"]


class _Watch(event.Listener):  # type: ignore[misc]
    """Tells the clock of what is compiled."""

    def on_start(self, event: Any) -> None:
        """A function begins to be compiled."""
        clock.begin()

    def on_end(self, event: Any) -> None:
        """It is compiled."""
        clock.end()


event.register("numba:compile", _Watch())

if can_keep():
    njit: Any = numba.njit
else:

    def njit(*arguments: Any, **options: Any) -> Any:
        """Compile a function and keep nothing: there is no folder for it."""
        return numba.njit(*arguments, **{**options, "cache": False})
