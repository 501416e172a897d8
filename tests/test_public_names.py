"""What `import y90voxel` promises."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import y90voxel as yv

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


@by_package
def test_type_checkers_find_a_name_where_it_is_loaded_from(package):
    checked = next(
        n for n in ast.parse(Path(package.__file__).read_text()).body if isinstance(n, ast.If)
    ).body
    homes = {alias.asname: node.module for node in checked for alias in node.names}
    loaded = {name: f"y90voxel.{module}" for name, module in package._MODULE_OF.items()}
    assert loaded.items() <= homes.items()
    assert set(homes) <= set(package.__all__)


@by_package
def test_no_module_is_called_what_a_name_is(package):
    """Its import would put the module in the name's place."""
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(package._MODULE_OF)


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
