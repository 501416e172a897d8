"""Registration with fewer and larger voxels than users get, for tests of what is done with its result.

Its accuracy at full fineness is judged in ``tests/study/test_register.py`` (rigid) and
``tests/volumes/test_deformable_registration.py``.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from y90voxel.volumes import deformable_registration, image_registration

WORK_MM = 4.5  # half as long again as that of users: a third of the voxels
FINE_MM = 4.0  # of rigid alignment; that of users is 2.5 mm
LEVELS = ((4, 60), (2, 40), (1, 12))  # shrinking, iterations


@contextmanager
def quick_registration():
    """Align and deform CTs coarsely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_registration, "FINE_MM", FINE_MM)
        patch.setattr(deformable_registration, "WORK_MM", WORK_MM)
        for name in ("PLAIN", "GUIDED"):
            smoothing = getattr(deformable_registration, name)[1]
            patch.setattr(deformable_registration, name, (LEVELS, smoothing))
        yield
