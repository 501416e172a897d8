"""numba as the loops of this package use it: with a cache wherever there is a folder for one."""

from __future__ import annotations

from typing import Any

from y90voxel.caches import can_keep, prepare_caches
from y90voxel.compiling import clock

prepare_caches()  # numba reads its environment when it is imported

import numba  # noqa: E402
from numba import prange  # noqa: E402
from numba.core import cgutils, event  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

__all__ = ["bare", "njit", "prange"]


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


@intrinsic
def bare(typingctx: Any, array: Any) -> Any:
    """The same array without its owner, for inside of loops: numba counts no references of it; the caller keeps it alive.

    Counting them, in atomic operations whenever an array is taken out of a tuple, is two fifths of the time of transport.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """Copy the fields of the array but for the owner, which becomes null."""
        struct = context.make_array(array)(context, builder, value=arguments[0])
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
        return struct._getvalue()

    return array(array), build
