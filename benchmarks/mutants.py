"""How many one-line faults the tests let through: a seeded sample, each against the tests that cover its line.

    python benchmarks/mutants.py --map                 # once: which test runs which line (the whole suite, with coverage)
    python benchmarks/mutants.py --count 300 --seed 1  # goes on where it was stopped; results in benchmarks/results/
    python benchmarks/mutants.py --quick               # a planted fault is caught, the sample is sound (seconds; tests run it)

The sample is stratified: as many faults from each of planning, quantification, case with study, and io/dicom. A smaller
``--count`` of one seed is a part of the greater one. Faults are put into a copy, never into the checkout. What survives,
and why, is kept in docs/mutants.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harness import CHECKOUT, describe_machine, format_table, write_json
from mutant_sites import Mutant, all_mutants

STRATA = {
    "planning": ("y90voxel/planning",),
    "quantification": ("y90voxel/quantification",),
    "case and study": ("y90voxel/case", "y90voxel/study"),
    "io/dicom": ("y90voxel/io/dicom",),
}
COPIED = ("y90voxel", "tests", "kernels", "sample_data", "docs", "benchmarks")
RESULTS = CHECKOUT / "benchmarks" / "results"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line")
PLANTED = "elapsed_s > greatest_age_h * SECONDS_PER_HOUR"


def sample(count: int, seed: int) -> list[tuple[str, Mutant]]:
    """Return a fault of each stratum in turn, in an order that only the seed decides."""
    orders = []
    for stratum, folders in STRATA.items():
        found = all_mutants(CHECKOUT, folders)
        random.Random(f"{seed} {stratum}").shuffle(found)
        orders.append([(stratum, mutant) for mutant in found])
    return [one for turn in zip(*orders, strict=False) for one in turn][:count]


def wilson(hits: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927)."""
    if of == 0:
        return 0.0, 1.0
    p, n = hits / of, of
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class Copy:
    """A copy of the checkout that faults are put into, one at a time."""

    def __init__(self, folder: str) -> None:
        self.root = Path(folder)
        for name in COPIED:
            ignored = shutil.ignore_patterns("results", ".mypy_cache")
            shutil.copytree(CHECKOUT / name, self.root / name, ignore=ignored)
        for path in CHECKOUT.glob("*.*"):
            if path.is_file():
                shutil.copy2(path, self.root)

    def run(self, tests: list[str], timeout_s: float) -> tuple[str, str]:
        """Run tests until the first fails; return killed, survived, timeout or no tests, and who failed."""
        listed = self.root / "tests.txt"
        listed.write_text("\n".join(tests), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*PYTEST, "-x", "--hypothesis-seed=0", f"@{listed}"]
        try:
            done = subprocess.run(
                command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            return "timeout", ""
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        by = failed[0].partition(" - ")[0] if failed else ""
        return {0: "survived", 5: "no tests"}.get(done.returncode, "killed"), by

    def try_out(self, mutant: Mutant, tests: list[str], timeout_s: float) -> tuple[str, str]:
        """Run tests with the fault, and take it out again."""
        path = self.root / mutant.path
        source = path.read_bytes()
        assert source == (CHECKOUT / mutant.path).read_bytes(), f"{mutant.path} has changed: start again"
        path.write_bytes(mutant.applied(source))
        try:
            return self.run(tests, timeout_s)
        finally:
            shutil.copy2(CHECKOUT / mutant.path, path)


class TestMap:
    """Which tests run which line, from a run of the suite with coverage.

    A line that a shared fixture runs belongs to all tests of the file, one that runs on import to the tests of its module.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.lines: dict[str, dict[str, list[int]]] = content["lines"]
        self.tests: list[str] = content["tests"]

    def covering(self, mutant: Mutant) -> list[str]:
        """Return tests and files of tests that run a line, those of the module's own file first."""
        lines = self.lines.get(mutant.path, {})
        chosen = lines.get(str(mutant.line))
        if not chosen:  # run on import, or a constant
            chosen = [test for tests in lines.values() for test in tests]
        names = {self.tests[index] for index in chosen}
        files = {name for name in names if "::" not in name}
        names = files | {name for name in names if name.partition("::")[0] not in files}
        stem, subject = Path(mutant.path).stem, Path(mutant.path).parent.as_posix().removeprefix("y90voxel/")

        def distance(name: str) -> tuple[bool, bool, str]:
            return f"test_{stem}.py" not in name, f"tests/{subject}/" not in name, name

        return sorted(names, key=distance)


def make_map(path: Path, arguments: list[str]) -> None:
    """Run the suite with coverage, and write which test runs which line; tests that fail are left out."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        command = [sys.executable, "-m", "coverage", "run", f"--data-file={data}", "--source=y90voxel",
                   "-m", "pytest", "-q", "-p", "mutants", *arguments]  # fmt: skip
        places = os.pathsep.join(
            [str(CHECKOUT), str(CHECKOUT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
        )
        subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": places}, check=False)
        write_map(data, path)


def write_map(data: Path, path: Path) -> None:
    """Write the map of what coverage has recorded by test (contexts ``test|phase``)."""
    # deferred: only the map needs coverage
    from coverage import CoverageData

    found = CoverageData(basename=str(data))
    found.read()
    tests: dict[str, int] = {}
    lines: dict[str, dict[str, list[int]]] = {}
    for name in sorted(found.measured_files()):
        module = Path(name).relative_to(CHECKOUT).as_posix()
        for line, contexts in found.contexts_by_lineno(name).items():
            covering = set()
            for context in contexts:
                test, _, phase = context.partition("|")
                if test:
                    covering.add(test if phase == "run" else test.partition("::")[0])
            lines.setdefault(module, {})[str(line)] = sorted(
                tests.setdefault(t, len(tests)) for t in covering
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"tests": list(tests), "lines": lines}), encoding="utf-8")
    print(f"{len(tests)} tests and files of tests: {path}")


def pytest_runtest_setup(item: Any) -> None:
    """As a plugin of pytest under ``--map``: what follows belongs to this test's file."""
    _switch(f"{item.nodeid}|setup")


def pytest_runtest_call(item: Any) -> None:
    """What follows belongs to this test."""
    _switch(f"{item.nodeid}|run")


def _switch(context: str) -> None:
    # deferred: only the map needs coverage
    from coverage import Coverage

    current = Coverage.current()
    if current is not None:
        current.switch_context(context)


def run_sample(
    chosen: list[tuple[str, Mutant]], tests: TestMap, path: Path, timeout_s: float
) -> dict[str, Any]:
    """Try every fault that has no result yet, and write after each."""
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["mutants"] if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(folder)
        for number, (stratum, mutant) in enumerate(chosen, 1):
            if mutant.name in results:
                continue
            start, covering = time.monotonic(), tests.covering(mutant)
            outcome, by = copy.try_out(mutant, covering, timeout_s) if covering else ("no tests", "")
            seconds = round(time.monotonic() - start, 1)
            results[mutant.name] = {
                "stratum": stratum, "kind": mutant.kind, "old": mutant.old, "new": mutant.new, "outcome": outcome,
                "by": by, "tests": len(covering), "seconds": seconds,
            }  # fmt: skip
            write_json(path, {"machine": describe_machine(), "mutants": results})
            print(
                f"{number}/{len(chosen)} {outcome:8} {seconds:6.1f} s  {mutant.name}  {mutant.old!r} {by}",
                flush=True,
            )
    return {mutant.name: results[mutant.name] for _, mutant in chosen}


def report(results: dict[str, Any]) -> str:
    """Return the figures as a table, and each survivor."""
    rows, lived = [], [name for name, one in results.items() if one["outcome"] in ("survived", "no tests")]
    for stratum in (*STRATA, "all"):
        of = [one for one in results.values() if stratum in (one["stratum"], "all")]
        counts = Counter(one["outcome"] for one in of)
        survivors = counts["survived"] + counts["no tests"]
        low, high = wilson(survivors, len(of))
        share = f"{100 * survivors / len(of):.0f} %" if of else ""
        rows.append(
            (stratum, len(of), survivors, counts["timeout"], share, f"{100 * low:.0f} to {100 * high:.0f} %")
        )
    table = format_table(("stratum", "faults", "survive", "time out", "share", "95 % (Wilson)"), rows)
    return "\n".join([table, "", *(f"{name}  {results[name]['old']!r}" for name in lived)])


def quick() -> int:
    """Check that every fault of a sample is one and can be compiled, and that a planted one is caught."""
    chosen = sample(40, 1)
    for _, mutant in chosen:
        source = (CHECKOUT / mutant.path).read_bytes()
        changed = mutant.applied(source)
        assert changed != source, mutant
        compile(changed, mutant.path, "exec")
    path = "y90voxel/planning/vials.py"
    source = (CHECKOUT / path).read_text(encoding="utf-8")
    start = len(source[: source.index(PLANTED)].encode())
    old = PLANTED.encode()
    planted = Mutant(
        path, 0, start, start + len(old), "planted", PLANTED, "elapsed_s > greatest_age_h * 60.0"
    )
    tests = ["tests/thresholds/test_planning_thresholds.py"]
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(folder)
        sound, _ = copy.run(tests, 60.0)
        caught, by = copy.try_out(planted, tests, 60.0)
    print(f"without a fault: {sound}; a vial's age in minutes: {caught} {by}; {len(chosen)} faults compile")
    return 0 if (sound, caught) == ("survived", "killed") else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--map", action="store_true", help="make the map first; further arguments go to pytest"
    )
    parser.add_argument("--map-file", type=Path, default=RESULTS / "mutant_map.json")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--timeout", type=float, default=600.0, help="for the tests of one fault [s]")
    arguments, others = parser.parse_known_args()
    if arguments.quick:
        return quick()
    if arguments.map:
        make_map(arguments.map_file, others)
        return 0
    path = arguments.json or RESULTS / f"mutants_{arguments.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tests = TestMap(json.loads(arguments.map_file.read_text(encoding="utf-8")))
    print(report(run_sample(sample(arguments.count, arguments.seed), tests, path, arguments.timeout)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
