"""Lint, format and types are part of the tests, and so is the reason of every number."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_sources_pass(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def is_number(node):
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    return isinstance(node, ast.Tuple | ast.List) and bool(node.elts) and all(map(is_number, node.elts))


def unexplained_constants(source):
    """Return the module-level numbers without a comment in or above them and without a string below."""
    lines, body = ["", *source.splitlines()], ast.parse(source).body
    unexplained = []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if (
            not isinstance(node, ast.Assign | ast.AnnAssign)
            or node.value is None
            or not is_number(node.value)
        ):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
        if not names or not all(re.fullmatch("_?[A-Z][A-Z0-9_]*", name) for name in names):
            continue
        commented = any("#" in line for line in lines[node.lineno : node.end_lineno + 1])
        commented |= lines[node.lineno - 1].startswith("#")
        described = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if not commented and not described:
            unexplained.append(", ".join(names))
    return unexplained


@pytest.mark.parametrize(
    "source",
    [
        "LIMIT_GY = 30.0\n",
        "LEAST, MOST = -1, 2.0 * 3\n",
        "# why\n\n_LIMIT = 30\n",
        "LIMIT: float = 30.0\nprint(1)\n",
    ],
)
def test_a_number_without_a_reason_is_noticed(source):
    assert len(unexplained_constants(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "LIMIT_GY = 30.0  # EANM 2022, table 4\n",
        "# EANM 2022, table 4.\nLIMIT_GY = 30.0\n",
        "LIMIT_GY = 30.0\n'EANM 2022, table 4.'\n",
        "LIMITS_GY = (\n    30.0,  # one treatment\n    50.0,\n)\n",
        "DEBUG, NAME = True, 'x'\n",
        "count = 3\n",
    ],
)
def test_a_number_with_a_reason_passes(source):
    assert unexplained_constants(source) == []


def test_numbers_have_their_unit_and_reason_or_source():
    unexplained = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / "y90voxel").rglob("*.py"))
        if (names := unexplained_constants(path.read_text(encoding="utf-8")))
    }
    assert not unexplained, (
        f"say unit and reason or source beside them (chosen: what was weighed): {unexplained}"
    )
