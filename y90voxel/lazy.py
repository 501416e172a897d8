"""Names of a package that load their module on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

__all__ = ["load_on_first_use"]

NONE: Mapping[str, str] = MappingProxyType({})


def load_on_first_use(
    package: str, names: Mapping[str, str], modules: Mapping[str, str] = NONE
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its ``__name__``.
    names : mapping of str to str
        The module below ``y90voxel`` that each name is loaded from.
    modules : mapping of str to str
        The module below ``y90voxel`` that each of these names is.
    """
    namespace = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name in modules:
            value: Any = import_module(f"y90voxel.{modules[name]}")
        elif name in names:
            value = getattr(import_module(f"y90voxel.{names[name]}"), name)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        namespace[name] = value
        return value

    return load, lambda: sorted({*namespace, *names, *modules})
