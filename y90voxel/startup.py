"""What a command, and a worker of a batch, does before it begins: it finds its caches and collects garbage seldom.

A command lives for seconds. Nearly a third of its CPU time went into looking, again and again and once more at the end, for
cycles of objects in a heap that grows until it is given back as a whole.
"""

from __future__ import annotations

import atexit
import gc

from y90voxel.caches import prepare_caches

__all__ = ["prepare_process"]

# Young objects that make the collector look at them (Python: 700), and how rarely it looks at older ones.
THRESHOLDS = (500_000, 20, 20)


def prepare_process() -> None:
    """Collect seldom, and not at all when the process ends. A second call changes nothing."""
    if gc.get_threshold() == THRESHOLDS:
        return
    prepare_caches(warn=True)
    gc.set_threshold(*THRESHOLDS)
    atexit.register(gc.freeze)  # the interpreter would look through the whole heap before it gives it back
