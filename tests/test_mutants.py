"""The sampler of one-line faults: what it takes for a fault, that it catches one, and its interval."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def sites():
    spec = importlib.util.spec_from_file_location("mutant_sites", BENCHMARKS / "mutant_sites.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def faults(sites, source):
    return {(m.kind, m.applied(source.encode()).decode()) for m in sites.mutants_of("a.py", source.encode())}


@pytest.mark.parametrize(
    ("source", "kind", "changed"),
    [
        ("x = a < b\n", "comparison", "x = a <= b\n"),
        ("x = a not in b\n", "comparison", "x = a in b\n"),
        ("x = a is not b\n", "comparison", "x = a is b\n"),
        ("x = 'é' + a - b\n", "sign", "x = 'é' + a + b\n"),
        ("x = a and b\n", "and/or", "x = a or b\n"),
        ("LIMIT = 0.02\n", "named constant", "LIMIT = 0.04\n"),
        ("LOW, HIGH = 9, 10\n", "named constant", "LOW, HIGH = 10, 10\n"),
        ("LOW, HIGH = 9, 10\n", "named constant", "LOW, HIGH = 9, 20\n"),
        ("x = a > 3\n", "constant", "x = a > 4\n"),
        ("def f(a):\n    if a:\n        return 1\n", "guard", "def f(a):\n    if False:\n        return 1\n"),
    ],
)
def test_a_line_has_its_fault(sites, source, kind, changed):
    assert (kind, changed) in faults(sites, source)


@pytest.mark.parametrize(
    "source",
    [
        '"""a < b"""\n',
        "def f() -> int | None:\n    x: int | None\n",
        "x = f'{100 * a:.1f}'\n",
        "assert a < b\n",
        "raise InputError(a + b)\n",
        "n = [Notice('a', 'b' + c)]\n",
        "__all__ = a + b\n",
    ],
)
def test_texts_types_and_assertions_have_none(sites, source):
    assert faults(sites, source) == set()


def test_a_planted_fault_is_caught_and_a_sample_compiles():
    command = [sys.executable, str(BENCHMARKS / "mutants.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
