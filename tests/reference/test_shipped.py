"""Files that travel with the package: found in a wheel and in a checkout, and unchanged."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from y90voxel.errors import InputError
from y90voxel.reference import radial_kernel as radial_kernel_module
from y90voxel.reference import shipped
from y90voxel.reference.voxel_kernel import voxel_kernel

ROOT = Path(__file__).resolve().parents[2]


def test_kernels_of_a_checkout_lie_beside_the_package():
    assert shipped.shipped_folder("kernels") == ROOT / "kernels"


def test_kernels_of_a_wheel_lie_inside_the_package(tmp_path, monkeypatch):
    inside = tmp_path / "site-packages" / "y90voxel" / "kernels"
    inside.mkdir(parents=True)
    monkeypatch.setattr(shipped, "PACKAGE", inside.parent)
    assert shipped.shipped_folder("kernels") == inside


def test_the_wheel_maps_every_shipped_folder_into_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    mapped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert mapped == {name: f"y90voxel/{name}" for name in shipped.SHIPPED}


def test_a_folder_that_is_not_shipped_is_refused():
    with pytest.raises(InputError, match="there are kernels, sample_data"):
        shipped.shipped_folder("secrets")


def test_an_installation_without_the_folder_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "y90voxel")
    with pytest.raises(InputError, match="lacks its folder 'kernels'"):
        shipped.shipped_folder("kernels")


def test_every_data_file_is_in_the_index_with_its_checksum():
    folder = ROOT / "kernels"
    own_index = {path.parent for path in folder.glob("*/index.json")}  # such a folder keeps its own checksums
    tables = [path for path in folder.rglob("*.csv") if path.parent not in own_index]
    files = {path.relative_to(folder).as_posix(): path for path in tables}
    sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert sums == shipped.kernel_index()["sha256"]


@pytest.fixture
def copied_kernels(tmp_path, monkeypatch):
    """A private copy of the kernel folder that the package reads instead of its own."""
    shutil.copytree(ROOT / "kernels", tmp_path / "y90voxel" / "kernels")
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "y90voxel")
    caches = (shipped.kernel_index, radial_kernel_module._read)
    for cache in caches:
        cache.cache_clear()
    yield tmp_path / "y90voxel" / "kernels"
    for cache in caches:
        cache.cache_clear()


def test_a_changed_kernel_file_is_refused_with_both_checksums(copied_kernels):
    path = copied_kernels / "y90_water_penelope.csv"
    expected = shipped.kernel_index()["sha256"][path.name]
    path.write_text(path.read_text().replace("2000000", "3000000"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=f"sha256 is {found}, the index says {expected}.*again") as caught:
        voxel_kernel("Y-90", 4.8)
    assert caught.value.file == str(path)


def test_an_unchanged_copy_is_read(copied_kernels):
    assert voxel_kernel("Y-90", 4.8).s_values.shape == (7, 7, 7)


@pytest.mark.slow
def test_an_installed_wheel_finds_kernels_and_sample_study_from_another_folder(tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)], check=True
    )
    wheel = next(tmp_path.glob("y90voxel-*.whl"))
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "numpy"], check=True)
    script = (
        "from y90voxel.reference.shipped import shipped_folder as f; import y90voxel, pathlib;"
        "p = pathlib.Path(y90voxel.__file__).parent;"
        "assert f('kernels') == p / 'kernels' and f('sample_data') == p / 'sample_data', p;"
        "from y90voxel.reference.voxel_kernel import voxel_kernel;"
        "print(voxel_kernel('Y-90', 3.0).s_values.max())"
    )
    done = subprocess.run(
        [python, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True, env={"PATH": ""}
    )
    assert float(done.stdout) == voxel_kernel("Y-90", 3.0).s_values.max()
