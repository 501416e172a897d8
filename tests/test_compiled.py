"""What is loaded with compiled functions, and what is not."""

import subprocess
import sys

import pytest

MATRIX_PRODUCT = """
import sys
import numpy as np
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask
resample(Mask(np.ones((2, 2, 2), np.float32), Grid.from_spacing((2, 2, 2), (1, 1, 1))), Grid.from_spacing((1, 1, 1), (2, 2, 2)))
loaded = "scipy.linalg" in sys.modules
from numba import njit
product = njit(lambda a, b: a @ b)(np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[7.0], [11.0]]))
smooth = njit(lambda a, b: np.convolve(a, b))(np.array([1.0, 2.0]), np.array([3.0, 5.0]))
from numba.np import arraymath
print(loaded, arraymath._HAVE_BLAS, product.ravel().tolist(), smooth.tolist())
"""


@pytest.mark.slow
def test_a_compiled_function_loads_no_linear_algebra_and_leaves_it_to_others():
    done = subprocess.run(
        [sys.executable, "-c", MATRIX_PRODUCT], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False True [29.0, 76.0] [3.0, 11.0, 10.0]"
