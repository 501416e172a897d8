"""What a command, and a worker of a batch, does before it begins: caches found, garbage collected seldom, one thread for BLAS.

A command lives for seconds. Nearly a third of its CPU time went into looking, again and again and once more at the end, for
cycles of objects in a heap that grows until it is given back as a whole. Matrices are small here, and threads of BLAS wait for
each other in loops that keep a core busy: 7 times the CPU time of one thread for a mean over the lungs, 0.15 s of `dose`.
"""

from __future__ import annotations

import atexit
import gc
import os

from y90voxel.caches import prepare_caches

__all__ = ["prepare_process"]

# Young objects that make the collector look at them (Python: 700), and how rarely it looks at older ones.
THRESHOLDS = (500_000, 20, 20)


def prepare_process() -> None:
    """Collect seldom, and not at all when the process ends. A second call changes nothing.

    numpy reads how many threads BLAS takes when it is imported, which is later; what is set already stays.
    """
    if gc.get_threshold() == THRESHOLDS:
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_caches(warn=True)
    gc.set_threshold(*THRESHOLDS)
    atexit.register(gc.freeze)  # the interpreter would look through the whole heap before it gives it back
