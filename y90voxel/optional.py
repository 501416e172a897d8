"""Libraries that only some uses need: loaded on first use, with a clear word where they are missing."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from y90voxel.errors import InputError

__all__ = ["install_command", "optional_module"]

# How an extra is named in what an installed package requires.
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


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
            f"this needs {library}, which is not installed: {install_command(extra)}."
        ) from error


def install_command(extra: str) -> str:
    """Return the command that installs the libraries of an extra, whether this package came from an index or a checkout.

    It names the libraries themselves: an index that does not have this package has those. Every shell takes the quotes.

    Parameters
    ----------
    extra : str
        The extra.

    Raises
    ------
    ValueError
        If there is no such extra.
    """
    try:
        required = [text.partition(";") for text in requires("y90voxel") or ()]
    except PackageNotFoundError:  # run from its source, not installed
        return f'pip install ".[{extra}]" in the folder of the source of y90voxel'
    libraries = [what.strip() for what, _, when in required if extra in _EXTRA.findall(when)]
    if not libraries:
        raise ValueError(f"y90voxel has no extra {extra!r}")
    return "pip install " + " ".join(f'"{library}"' for library in libraries)
