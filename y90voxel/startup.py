"""What a command, and a worker of a batch, does before it begins: it imports late and collects garbage seldom.

A command lives for seconds. A fifth of them went into modules that others import in case they are needed (pydicom a web
client and picture libraries) and into looking, again and again and once more at the end, for cycles of objects in a heap
that grows until it is given back as a whole.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING

from y90voxel.caches import prepare_caches

if TYPE_CHECKING:
    from importlib.abc import Loader  # which takes longer to import than all of this

__all__ = ["DEFERRED", "prepare_process"]

# Imported by pydicom and numba when they are loaded, and not used before something is asked of them.
DEFERRED = frozenset(
    {
        "PIL.ImageCms",
        "pydicom.examples",
        "pydicom.pixel_data_handlers.jpeg_ls_handler",
        "pydicom.pixel_data_handlers.pillow_handler",
        "pydicom.pixel_data_handlers.pylibjpeg_handler",
        "requests",
        "urllib.request",
        "yaml",
    }
)
# Young objects that make the collector look at them (Python: 700), and how rarely it looks at older ones.
THRESHOLDS = (500_000, 20, 20)
_running = RLock()


def prepare_process() -> None:
    """Defer imports, collect seldom, and not at all when the process ends. A second call changes nothing."""
    if any(isinstance(finder, _DeferringFinder) for finder in sys.meta_path):
        return
    prepare_caches(tell=True)
    sys.meta_path.insert(0, _DeferringFinder())
    gc.set_threshold(*THRESHOLDS)
    atexit.register(gc.freeze)  # the interpreter would look through the whole heap before it gives it back


class _DeferredModule(ModuleType):
    """A module whose code runs when something of it is asked for."""

    def __getattr__(self, name: str) -> object:
        """Run the module, then look again; the import system alone may ask for its path."""
        if name == "__path__":
            raise AttributeError(name)
        with _running:  # another thread may be at it
            if self.__dict__.pop("_is_deferred", False):
                assert self.__spec__ is not None
                assert self.__spec__.loader is not None
                self.__spec__.loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]
        return ModuleType.__getattribute__(self, name)


class _DeferringLoader:
    """Makes a module and leaves it to its first use to run it."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return an empty module."""
        return _DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the loader that will run it."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._own
        module.__dict__["_is_deferred"] = True


class _DeferringFinder:
    """Finds the modules of `DEFERRED` as the import system would, with a loader that waits."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a deferred module is made; None for any other, and for one that is not installed."""
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _DeferringLoader(spec.loader)  # type: ignore[assignment]  # it does what a loader does
        return spec
