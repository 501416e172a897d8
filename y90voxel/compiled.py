"""numba as the loops of this package use it: without the linear algebra that it loads for others."""

from __future__ import annotations

import importlib
import sys
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


_BLAS = "scipy.linalg.cython_blas"


def _load_without_blas() -> None:
    """Load numba's array functions without scipy's linear algebra, which would take longer than all of them.

    With its first function numba asks whether there is BLAS, only to know how to compile `numpy.convolve`. The answer
    is put right afterwards, so that nothing changes for other users of numba in this process.
    """
    if _BLAS in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment]  # by the rules of the language, importing it now fails
    try:
        functions: Any = importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules[_BLAS]
    if hasattr(functions, "_HAVE_BLAS"):
        functions._HAVE_BLAS = True  # scipy, which has it, is installed with this package


_load_without_blas()
