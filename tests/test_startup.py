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


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("3", "3")])
def test_blas_takes_one_thread_unless_it_is_told_otherwise(given, threads, monkeypatch):
    """numpy is imported later than that: what it reads then is what was set."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
    code = (
        "import os\nimport y90voxel.cli.main\n"
        "print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    )
    assert run(code) == ["False", threads]


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
