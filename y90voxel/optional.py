"""Libraries that only some uses need: loaded on first use, with a clear word where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from y90voxel.errors import InputError

__all__ = ["optional_module"]


def optional_module(name: str, extra: str) -> Any:
    """Return a module of a library that is not among the core dependencies.

    Parameters
    ----------
    name : str
        The module, such as ``pandas``.
    extra : str
        The extra of this package that brings it.

    Raises
    ------
    InputError
        If it is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        library = name.partition(".")[0]
        raise InputError(
            f"this needs {library}, which is not installed: pip install 'y90voxel[{extra}]'."
        ) from error
