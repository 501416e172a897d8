import subprocess
import sys

import pytest

from y90voxel.startup import DEFERRED

PREPARED = (
    "from y90voxel.startup import DEFERRED, prepare_process\nprepare_process()\nimport gc, sys, types\n"
)


def run(code):
    done = subprocess.run([sys.executable, "-c", PREPARED + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_the_readers_import_waits_until_it_is_used():
    code = (
        "import pydicom, numba, yaml\n"
        "waiting = [n for n in DEFERRED if type(sys.modules.get(n)) is not types.ModuleType]\n"
        "print(len(waiting), 'http' in sys.modules, 'get' in vars(sys.modules['requests']))"
    )
    assert run(code) == [str(len(DEFERRED)), "False", "False"]


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("import requests; print(requests.codes.ok)", "200"),
        ("import yaml; print(yaml.safe_load('a: 1')['a'])", "1"),
        ("from urllib.request import quote; print(quote('a b'))", "a%20b"),
        ("import urllib.request; print(urllib.request.quote('a b'))", "a%20b"),
        ("from PIL import ImageCms; print(ImageCms.getProfileName(ImageCms.createProfile('sRGB')))", "sRGB"),
        ("from pydicom import config; print(config.pixel_data_handlers[2].is_available())", "True"),
        ("from pydicom import examples; print(examples.ct.Modality)", "CT"),
    ],
)
def test_a_deferred_module_is_the_real_one_when_it_is_used(code, printed):
    assert run(code)[0] == printed


def test_a_deferred_module_keeps_its_identity_and_becomes_an_ordinary_one():
    code = (
        "import requests\nbefore = requests\nprint(type(before) is types.ModuleType)\nrequests.get\n"
        "import requests\nprint(before is requests, type(requests) is types.ModuleType, requests.__spec__.loader is not None)"
    )
    assert run(code) == ["False", "True", "True", "True"]


def test_what_a_deferred_module_lacks_is_an_attribute_error():
    code = "import yaml\ntry: yaml.no_such_name\nexcept AttributeError as e: print('no_such_name' in str(e))"
    assert run(code) == ["True"]


def test_a_module_that_is_not_installed_is_still_an_import_error():
    code = (
        "import y90voxel.startup as p\np.DEFERRED = frozenset({'no_such_module'})\n"
        "try: import no_such_module\nexcept ModuleNotFoundError as e: print(e.name)"
    )
    assert run(code) == ["no_such_module"]


def test_two_threads_that_meet_at_a_deferred_module_both_get_it():
    code = (
        "import threading, yaml\nstart = threading.Barrier(4)\nfound = []\n"
        "def use():\n    start.wait()\n    found.append(yaml.safe_load('1'))\n"
        "threads = [threading.Thread(target=use) for _ in range(4)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n"
        "print(*found)"
    )
    assert run(code) == ["1"] * 4


def test_a_second_call_changes_nothing():
    code = "finders = len(sys.meta_path)\nprepare_process()\nprint(len(sys.meta_path) - finders, gc.get_threshold()[0])"
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
