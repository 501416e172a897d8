"""Names of a package that load their module on first use, as its type stub lists them.

Not by ``lazy_loader``: its stubs may name modules below the package alone, and `y90voxel.planning` gathers names from others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["load_on_first_use", "names_in_stub"]


def names_in_stub(stub: str) -> dict[str, str]:
    r"""Return {name: module} of a type stub of ``from module import name as name`` statements.

    Examples
    --------
    >>> names_in_stub("from a.b import c as c\nfrom a.long import (\n    d as d,\n)\n")
    {'c': 'a.b', 'd': 'a.long'}
    """
    statements = (text.replace("(", " ").split() for text in f"\n{stub}".split("\nfrom ")[1:])
    return {words[2]: words[0] for words in statements}


def load_on_first_use(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` (PEP 562) and ``__all__`` of a package with a stub ``__init__.pyi``.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    """
    namespace = vars(sys.modules[package])
    with open(f"{namespace['__file__']}i", encoding="utf-8") as stub:  # __init__.pyi; pathlib would take 3 ms
        names = names_in_stub(stub.read())

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(names[name])
        value = vars(home)[name] if name in vars(home) else import_module(f"{names[name]}.{name}")
        namespace[name] = value
        return value

    return load, lambda: sorted({*namespace, *names}), sorted(names)
