"""Deformable registration with fewer and larger voxels than users get, for tests of what is done with its result.

Its accuracy at full fineness is judged in ``tests/volumes/test_deformable_registration.py``.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from y90voxel.volumes import deformable_registration

WORK_MM = 4.5  # half as long again as that of users: a third of the voxels
LEVELS = ((4, 60), (2, 40), (1, 12))  # shrinking, iterations


@contextmanager
def quick_registration():
    """Deform CTs coarsely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deformable_registration, "WORK_MM", WORK_MM)
        for name in ("PLAIN", "GUIDED"):
            smoothing = getattr(deformable_registration, name)[1]
            patch.setattr(deformable_registration, name, (LEVELS, smoothing))
        yield
