"""What `import y90voxel` promises."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import y90voxel as yv
from y90voxel.lazy import names_in_stub

PACKAGES = [yv, yv.immune, yv.microscale, yv.planning]
by_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


@pytest.mark.parametrize(("package", "name"), [(p, name) for p in PACKAGES for name in p.__all__])
def test_every_public_name_loads(package, name):
    assert getattr(package, name) is not None
    assert name in dir(package)


@by_package
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"{package.__name__!r} has no attribute 'no_such_name'"):
        _ = package.no_such_name


def stub_of(package):
    return Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8")


@by_package
def test_the_stub_names_each_name_once_and_under_its_own_name(package):
    statements = [node for node in ast.parse(stub_of(package)).body if isinstance(node, ast.ImportFrom)]
    aliases = [alias for node in statements for alias in node.names]
    assert all(alias.name == alias.asname for alias in aliases)  # else type checkers take them for private
    homes = [(alias.name, node.module) for node in statements for alias in node.names]
    assert dict(homes) == names_in_stub(stub_of(package))
    assert sorted(name for name, _ in homes) == package.__all__


@by_package
def test_no_module_is_called_what_a_name_is(package):
    """Its import would put the module in the name's place."""
    modules = {f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)}
    names = names_in_stub(stub_of(package)).items()
    assert not [
        name for name, home in names if f"{package.__name__}.{name}" in modules and home != package.__name__
    ]


def test_type_checkers_are_told_to_read_our_types():
    """PEP 561."""
    assert (Path(yv.__file__).parent / "py.typed").exists()


def test_importing_the_formulas_of_planning_loads_none():
    code = (
        "import sys, y90voxel.planning; print([m for m in sys.modules if m.startswith('y90voxel.planning.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_nothing_heavy_and_prints_nothing():
    code = "import sys, y90voxel; print(sorted({'numpy','numba','pydicom','SimpleITK','scipy','matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
