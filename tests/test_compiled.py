"""Where the loops get njit from: with a cache of what is compiled wherever there is a folder for one."""

import os
import subprocess
import sys

import pytest

CODE = """
from y90voxel.compiled import njit
from y90voxel.dose.convolution._scale_loops import scale_by_density
import numpy as np
dose = np.ones((1, 1, 2), np.float32)
scale_by_density(dose, np.full((1, 1, 2), 2.0, np.float32), np.float32(1.0), np.float32(0.05))
print(dose.tolist(), type(scale_by_density._cache).__name__)
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("home", [True, False])
def test_compiled_functions_are_kept_in_a_folder_that_can_be_written(home, tmp_path):
    own = {name: value for name, value in os.environ.items() if name not in ("HOME", "NUMBA_CACHE_DIR")}
    place = {"HOME": str(tmp_path)} if home else {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert run(**own, **place) == "[[[0.5, 0.5]]] FunctionCache"
    assert home or any(tmp_path.rglob("*.nbi"))


def test_without_a_folder_functions_are_compiled_and_not_kept():
    assert run(**os.environ, Y90VOXEL_NO_CACHE="1") == "[[[0.5, 0.5]]] NullCache"
