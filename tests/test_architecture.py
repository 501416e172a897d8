"""The layering rule of the package, executable."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "y90voxel"
LAYERS = [
    "version errors lazy", "units optional display compiled", "volumes", "reference", "regions activity", "dose", "metrics",
    "planning", "workflow", "io report", "jobs", "cli",
]  # fmt: skip
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer.split()}
# Who may import a library that drags a file format, a window system or a compiler along.
FENCED = {
    "pydicom": ("io/dicom/",),
    "highdicom": ("io/dicom/",),
    "pynetdicom": ("io/dicom/",),
    "dicomweb_client": ("io/dicom/",),
    "SimpleITK": ("io/", "volumes/resample.py", "volumes/image_registration.py", "regions/segmentation.py"),
    "matplotlib": ("report/",),
    "jinja2": ("report/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "pydantic": ("jobs/",),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Every module name that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def place(path):
    """The layer that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def upward(path, modules):
    """The imports of a file that do not point downwards."""
    here = place(path)
    for module in modules:
        top, _, rest = module.partition(".")
        there = rest.partition(".")[0]
        if top == "y90voxel" and here in RANK and there != here and RANK[there] >= RANK[here]:
            yield f"{here} must not import {there}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    assert list(upward(path, imports(path))) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_fenced_libraries_stay_in_their_place(path):
    here = path.relative_to(PACKAGE).as_posix()
    for module in imports(path):
        allowed = FENCED.get(module.partition(".")[0])
        assert allowed is None or here.startswith(allowed), f"{module} in {here}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_compiled_code_lives_in_loop_files(path):
    compiled = any(module.partition(".")[0] == "numba" for module in imports(path))
    loops = path.name.startswith("_") and path.name.endswith("_loops.py")
    assert not compiled or loops or place(path) == "compiled"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_loops_take_numba_without_its_linear_algebra(path):
    from_numba = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "numba"
    ]
    names = {alias.name for node in from_numba for alias in node.names}
    assert place(path) == "compiled" or not names & {"njit", "prange"}


def test_every_folder_of_the_package_has_a_layer():
    known = {*RANK, "__init__", "__main__"}
    assert {place(path) for path in MODULES} <= known


def test_the_rule_catches_an_upward_import():
    assert list(upward(PACKAGE / "dose" / "engine.py", ["y90voxel.case.case"])) == [
        "dose must not import workflow"
    ]
