"""The rules that the package is built by, executable: each lists all its faults, and catches one that is planted."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "y90voxel"
# Each may import those before it: what lies further right knows more of the world.
LAYERS = (
    "version short_repr errors lazy caches deflate compiling near_names < startup"
    " < units optional display compiled bounds < volumes"
    " < reference < regions < quantification < dose < metrics microscale < clinical immune < case < planning"
    " < comparison accumulation phantoms < cohort vendor_check < io < report < study < batch < cli"
)
RANK = {name: rank for rank, layer in enumerate(LAYERS.split(" < ")) for name in layer.split()}
# Who may import a library that drags a file format, a window system or a compiler along.
FENCED = {
    "pydicom": ("io/dicom/",),
    "highdicom": ("io/dicom/",),
    "pynetdicom": ("io/dicom/",),
    "dicomweb_client": ("io/dicom/",),
    "SimpleITK": (
        "io/",
        "volumes/resample.py",
        "volumes/image_registration.py",
        "volumes/deformable_registration.py",
        "regions/morphology.py",
    ),
    "nibabel": ("io/",),
    "matplotlib": ("report/",),
    "jinja2": ("report/",),
    "fpdf": ("report/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "pydantic": ("case/",),
}
MOST_ARGUMENTS = 12
# What no module may write into.
IMPORT_SYSTEM = (
    r"sys\.modules", r"sys\.meta_path", r"sys\.path_hooks", r"sys\.path", "builtins", "importlib", "numba", "llvmlite",
)  # fmt: skip
# What methods that change a dict, list or set are called.
CHANGING = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "sort", "update",
}  # fmt: skip


@pytest.fixture(scope="module")
def trees():
    """The syntax tree of every module, by its path below the package."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def planted(sources):
    """Syntax trees of modules that there are not, by their path below the package."""
    return {path: ast.parse(source) for path, source in sources.items()}


def nodes(tree, *kinds):
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def imports(tree):
    """Every module that a file imports, wherever in the file; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in nodes(tree, ast.Import):
        yield from (alias.name for alias in node.names)
    for node in nodes(tree, ast.ImportFrom):
        assert node.level == 0, "a relative import"
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path):
    return f"y90voxel.{path.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")


def layer(path):
    """The layer that a file belongs to."""
    return path.partition("/")[0].removesuffix(".py")


def upward_imports(trees):
    """Imports that do not point downwards."""
    for path, tree in trees.items():
        here, faulty = layer(path), []
        for name in sorted(set(imports(tree))):
            top, _, rest = name.partition(".")
            there = rest.partition(".")[0]
            if top != "y90voxel" or here not in RANK or there not in RANK or there == here:
                continue
            if RANK[there] >= RANK[here] and not any(name.startswith(f"{other}.") for other in faulty):
                faulty.append(name)
        yield from (f"{path}: {here} must not import {name}" for name in faulty)


def folders_without_layer(trees):
    """Folders and modules at the top of the package that have no place in the order."""
    yield from sorted({layer(path) for path in trees} - {*RANK, "__init__", "__main__"})


def fenced_imports(trees):
    """Libraries that are imported elsewhere than in their place."""
    for path, tree in trees.items():
        for library in sorted({name.partition(".")[0] for name in imports(tree)} & FENCED.keys()):
            if not path.startswith(FENCED[library]):
                yield f"{path}: {library}"


def is_loops(path):
    name = path.rpartition("/")[2]
    return name.startswith("_") and name.endswith("_loops.py")


def compiled_elsewhere(trees):
    """Modules with compiled code that are no loop files, and such as take numba past `y90voxel.compiled`."""
    for path, tree in trees.items():
        if layer(path) == "compiled":
            continue
        if not is_loops(path) and any(name.partition(".")[0] == "numba" for name in imports(tree)):
            yield f"{path}: numba"
        names = {a.name for n in nodes(tree, ast.ImportFrom) if n.module == "numba" for a in n.names}
        yield from (f"{path}: numba.{name}" for name in sorted(names & {"njit", "prange"}))


def shared_file_names(trees):
    """File names that more than one module has."""
    paths = defaultdict(list)
    for path in trees:
        paths[path.rpartition("/")[2]].append(path)
    for name, same in paths.items():
        if name != "__init__.py" and len(same) > 1:
            yield ", ".join(same)


def import_circles(trees):
    """Modules that import each other, round any number of corners, at any time and for types alone too."""
    modules = {module_name(path): tree for path, tree in trees.items()}
    below = {name: set(imports(tree)) & modules.keys() - {name} for name, tree in modules.items()}
    while free := {name for name, imported in below.items() if not imported}:
        below = {name: imported - free for name, imported in below.items() if name not in free}
    while outside := below.keys() - set().union(*below.values()):  # nobody in a circle imports these
        below = {name: imported for name, imported in below.items() if name not in outside}
    yield from (f"{name} -> {', '.join(sorted(imported))}" for name, imported in sorted(below.items()))


def long_signatures(trees):
    """Functions with too many arguments; compiled loops take arrays one by one."""
    for path, tree in trees.items():
        if is_loops(path):
            continue
        for function in nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef):
            arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            count = sum(one.arg not in ("self", "cls") for one in arguments)
            if count > MOST_ARGUMENTS:
                yield f"{path}: {function.name} has {count} arguments"


def deferred_imports(tree):
    """Import statements inside functions, by line, and those for types alone."""
    for function in nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef):
        yield from nodes(function, ast.Import, ast.ImportFrom)
    for block in nodes(tree, ast.If):
        if ast.unparse(block.test) == "TYPE_CHECKING":
            yield from nodes(block, ast.Import, ast.ImportFrom)


def unmarked_deferrals(sources):
    """Imports inside functions whose reason is not said above them; commands import late as a whole."""
    for path, source in sources.items():
        lines, marked = source.splitlines(), set()
        within = [
            node
            for function in nodes(ast.parse(source), ast.FunctionDef, ast.AsyncFunctionDef)
            for node in nodes(function, ast.Import, ast.ImportFrom)
        ]
        for node in sorted(within, key=lambda node: node.lineno):
            if lines[node.lineno - 2].strip().startswith("# deferred: ") or node.lineno - 1 in marked:
                marked.add(node.end_lineno)
            elif not path.startswith("cli/"):
                yield f"{path}: {ast.unparse(node)}"


def written_attributes(tree):
    """Attributes, or what they hold, that statements of a module change."""
    for node in nodes(tree, ast.Attribute, ast.Subscript):
        if isinstance(node.ctx, ast.Store | ast.Del):
            yield node
    for call in nodes(tree, ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in CHANGING:
            yield call.func.value


def writes_into_others(trees):
    """Changes to the private attributes of another object, and of a frozen one from outside its class."""
    for path, tree in trees.items():
        for written in written_attributes(tree):
            part = written
            while isinstance(part, ast.Attribute | ast.Subscript):
                name = part.attr if isinstance(part, ast.Attribute) else ""
                part = part.value
                private = name.startswith("_") and not name.startswith("__")
                if private and isinstance(part, ast.Name) and part.id not in ("self", "cls"):
                    yield f"{path}: {ast.unparse(written)}"
        for call in nodes(tree, ast.Call):
            text = ast.unparse(call)
            if text.startswith("object.__setattr__(") and not text.startswith("object.__setattr__(self, "):
                yield f"{path}: {text}"


def import_system_writes(trees):
    """Changes to the table of loaded modules, to how modules are found, and to what numba holds."""
    for path, tree in trees.items():
        bound = {}
        for node in nodes(tree, ast.Import):
            for alias in node.names:
                bound[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else None
        for node in nodes(tree, ast.ImportFrom):
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        written = list(written_attributes(tree))
        for call in nodes(tree, ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id in ("setattr", "delattr"):
                written.append(call.args[0])
        for part in written:
            text = ast.unparse(part)
            root = re.match(r"\w*", text)[0]
            full = (bound.get(root) or root) + text[len(root) :]
            if re.match(rf"({'|'.join(IMPORT_SYSTEM)})(?!\w)", full):
                yield f"{path}: {text}"


def test_imports_point_downwards(trees):
    assert list(upward_imports(trees)) == []


def test_every_folder_of_the_package_has_a_layer(trees):
    assert list(folders_without_layer(trees)) == []


def test_fenced_libraries_stay_in_their_place(trees):
    assert list(fenced_imports(trees)) == []


def test_compiled_code_lives_in_loop_files(trees):
    assert list(compiled_elsewhere(trees)) == []


def test_no_two_modules_share_a_file_name(trees):
    assert list(shared_file_names(trees)) == []


def test_no_modules_import_each_other(trees):
    assert list(import_circles(trees)) == []


def test_functions_take_few_arguments(trees):
    assert list(long_signatures(trees)) == []


def test_nobody_writes_into_the_private_parts_of_another_object(trees):
    assert list(writes_into_others(trees)) == []


def test_nobody_changes_the_import_system_or_numba(trees):
    assert list(import_system_writes(trees)) == []


def test_every_deferred_import_says_why():
    sources = {p.relative_to(PACKAGE).as_posix(): p.read_text("utf-8") for p in PACKAGE.rglob("*.py")}
    assert list(unmarked_deferrals(sources)) == []


def import_hoisted(trees, folder):
    """Import a copy of the package whose deferred imports of its own modules all stand at the top; return what went wrong."""
    for path, tree in trees.items():
        place = folder / "y90voxel" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        hoisted = [node for node in deferred_imports(tree) if "y90voxel" in ast.unparse(node)]
        future = [n for n, node in enumerate(tree.body) if getattr(node, "module", "") == "__future__"]
        start = future[-1] + 1 if future else 0
        place.write_text(ast.unparse(ast.Module([*tree.body[:start], *hoisted, *tree.body[start:]], [])))
    modules = [module_name(path) for path in trees if path != "__main__.py"]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", code, *modules],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr[-3000:]


def test_the_package_imports_with_every_deferred_import_at_the_top(trees, tmp_path):
    for name in ("kernels", "sample_data"):  # beside the package, and asked for by some modules
        (tmp_path / name).symlink_to(PACKAGE.parent / name)
    for stub in PACKAGE.rglob("*.pyi"):  # names load as these say
        place = tmp_path / "y90voxel" / stub.relative_to(PACKAGE)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(stub.read_text(encoding="utf-8"), encoding="utf-8")
    assert import_hoisted(trees, tmp_path) == ""


def test_the_rule_catches_an_upward_import():
    assert list(upward_imports(planted({"dose/engine.py": "from y90voxel.case.case import Case"}))) == [
        "dose/engine.py: dose must not import y90voxel.case.case",
    ]


def test_the_rule_catches_a_folder_without_layer():
    assert list(folders_without_layer(planted({"misc/helpers.py": ""}))) == ["misc"]


def test_the_rule_catches_a_library_out_of_its_place():
    assert list(fenced_imports(planted({"dose/engine.py": "def f():\n    import pydicom.uid"}))) == [
        "dose/engine.py: pydicom"
    ]


def test_the_rule_catches_compiled_code_out_of_its_place():
    found = planted({"dose/engine.py": "import numba", "dose/_a_loops.py": "from numba import njit"})
    assert list(compiled_elsewhere(found)) == ["dose/engine.py: numba", "dose/_a_loops.py: numba.njit"]


def test_the_rule_catches_a_shared_file_name():
    found = planted(
        dict.fromkeys(("dose/settings.py", "case/settings.py", "dose/__init__.py", "case/__init__.py"), "")
    )
    assert list(shared_file_names(found)) == ["dose/settings.py, case/settings.py"]


def test_the_rule_catches_circles_at_any_time():
    found = planted(
        {
            "case/a.py": "def f():\n    from y90voxel.case.b import g",
            "case/b.py": "if TYPE_CHECKING:\n    from y90voxel.case import c",
            "case/c.py": "from y90voxel.case.a import f\nfrom y90voxel.case.d import h",
            "case/d.py": "",
            "case/e.py": "import y90voxel.case.a",
        }
    )
    assert list(import_circles(found)) == [
        "y90voxel.case.a -> y90voxel.case.b",
        "y90voxel.case.b -> y90voxel.case.c",
        "y90voxel.case.c -> y90voxel.case.a",
    ]


def test_the_rule_catches_a_long_signature():
    def text(count):
        return f"class A:\n    def f(self, {', '.join(f'a{n}' for n in range(count))}): pass"

    found = planted({"case/a.py": text(12), "case/b.py": text(13), "case/_b_loops.py": text(13)})
    assert list(long_signatures(found)) == ["case/b.py: f has 13 arguments"]


def test_the_rule_catches_a_deferred_import_without_reason():
    marked = "def f():\n    # deferred: 0.2 s\n    import scipy\n    import pyarrow\n"
    bare = "def g():\n    import SimpleITK\n"
    assert list(unmarked_deferrals({"io/a.py": marked, "io/b.py": marked + bare, "cli/c.py": bare})) == [
        "io/b.py: import SimpleITK"
    ]


@pytest.mark.parametrize(
    "write",
    [
        "made._histograms.update(more)",
        "made._count += 1",
        "del made._parts['a'], made",
        "made._parts['a'].b = 1",
    ],
)
def test_the_rule_catches_a_write_into_another_object(write):
    own = "self._parts['a'] = 1\nmade.parts.update(more)\nmade.__dict__['a'] = 1"
    assert list(writes_into_others(planted({"case/a.py": own}))) == []
    assert len(list(writes_into_others(planted({"case/a.py": write})))) == 1


@pytest.mark.parametrize(
    "write",
    [
        "import sys\nsys.modules['a'] = None",
        "import sys as s\ndel s.modules['a']",
        "from sys import modules\nmodules.update(more)",
        "import sys\nsys.meta_path.insert(0, finder)",
        "import numba\nnumba.config.CACHE_DIR = 'a'",
        "from numba.core import config\nsetattr(config, 'CACHE_DIR', 'a')",
        "import builtins\nbuiltins.__import__ = mine",
    ],
)
def test_the_rule_catches_a_change_of_the_import_system(write):
    own = "import sys\nfrom numba import njit\nnamespace = vars(sys.modules['a'])\nnumbers[0] = njit(f)\nsys.modules.get('a')"
    assert list(import_system_writes(planted({"case/a.py": own}))) == []
    assert len(list(import_system_writes(planted({"case/a.py": write})))) == 1


def test_the_rule_catches_a_frozen_object_that_is_changed_from_outside():
    found = planted({"case/a.py": "object.__setattr__(self, 'a', 1)\nobject.__setattr__(made, 'a', 1)"})
    assert list(writes_into_others(found)) == ["case/a.py: object.__setattr__(made, 'a', 1)"]


def test_an_import_that_was_deferred_to_dodge_a_circle_is_caught(tmp_path):
    circle = {
        "__init__.py": "",
        "a.py": "from y90voxel.b import g\ndef f(): pass",
        "b.py": "def g():\n    from y90voxel.a import f",
    }
    assert "cannot import name" in import_hoisted(planted(circle), tmp_path)
