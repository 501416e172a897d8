"""What `import y90voxel` promises."""

import subprocess
import sys

import pytest

import y90voxel as yv


@pytest.mark.parametrize("name", yv.__all__)
def test_every_public_name_loads(name):
    assert getattr(yv, name) is not None
    assert name in dir(yv)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = yv.no_such_name


def test_importing_the_package_loads_nothing_heavy_and_prints_nothing():
    code = "import sys, y90voxel; print(sorted({'numpy','numba','pydicom','SimpleITK','scipy','matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
