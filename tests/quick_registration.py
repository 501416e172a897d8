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
# Shrinking, iterations, smoothing.
STEPS = {
    "PLAIN": ((4, 60, 2.0), (2, 40, 2.0), (1, 12, 2.0)),
    "GUIDED": ((4, 60, 1.0), (2, 40, 1.0), (1, 10, 1.0), (1, 4, 1.5)),
}


@contextmanager
def quick_registration():
    """Align and deform CTs coarsely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_registration, "FINE_MM", FINE_MM)
        patch.setattr(deformable_registration, "WORK_MM", WORK_MM)
        for name in ("PLAIN", "GUIDED"):
            patch.setattr(deformable_registration, name, STEPS[name])
        yield
