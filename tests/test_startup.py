import subprocess
import sys

import pytest

PREPARED = "from y90voxel.startup import prepare_process\nprepare_process()\nimport gc, sys\n"


def run(code):
    done = subprocess.run([sys.executable, "-c", PREPARED + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_second_call_changes_nothing():
    code = (
        "import atexit\nbefore = atexit._ncallbacks()\nprepare_process()\n"
        "print(atexit._ncallbacks() - before, gc.get_threshold()[0])"
    )
    assert run(code) == ["0", "500000"]


def test_the_heap_is_set_aside_when_the_process_ends():
    """Handlers run in the reverse order of registration: one registered before the call runs after it."""
    code = (
        "import atexit, gc\natexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"
        "from y90voxel.startup import prepare_process\nprepare_process()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


@pytest.mark.parametrize("module", ["case.settings", "batch.run_batch"])
def test_settings_and_batches_load_neither_compiler_nor_figures(module):
    """A supervisor of thousands of studies holds what it imports for hours: 70 MB less."""
    heavy = ("numba", "scipy", "SimpleITK", "matplotlib", "pyarrow")
    code = f"import y90voxel.{module}\nprint(*(name for name in {heavy} if name in sys.modules))"
    assert run(code) == []
