"""Files at the edge cost nothing until they are used."""

import subprocess
import sys

import pytest

HEAVY = ("SimpleITK", "pydicom", "highdicom", "scipy", "matplotlib", "numba")


@pytest.mark.parametrize("module", ["nifti", "atomic", "images", "segmentations"])
def test_importing_loads_no_heavy_library(module):
    code = f"import sys, y90voxel.io.{module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
