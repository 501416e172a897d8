"""How many one-line faults the tests let through: a seeded sample, each against the tests that cover its line.

    python benchmarks/mutants.py --map                 # once: which test runs which line (the whole suite, with coverage)
    python benchmarks/mutants.py --count 300 --seed 1  # goes on where it was stopped; results in benchmarks/results/
    python benchmarks/mutants.py --count 300 --seed 1 --most 40   # quicker, and no fewer alive: 40 tests of each line
    python benchmarks/mutants.py --again tests/thresholds   # those that lived, against tests that were added since
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
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Any

from harness import CHECKOUT, format_table
from mutant_copies import Copies, Copy, known_results, write_results
from mutant_sites import Mutant, all_mutants

STRATA = {
    "planning": ("y90voxel/planning",),
    "quantification": ("y90voxel/quantification",),
    "case and study": ("y90voxel/case", "y90voxel/study"),
    "io/dicom": ("y90voxel/io/dicom",),
}
LIVES = ("survived", "no tests", "timeout")  # of a fault that no test caught in time, nobody knows
RESULTS = CHECKOUT / "benchmarks" / "results"
PLANTED = "elapsed_s > greatest_age_h * SECONDS_PER_HOUR"


def sample(count: int, seed: int, kind: str | None = None) -> list[tuple[str, Mutant]]:
    """Return a fault of each stratum in turn, in an order that only the seed decides; of one kind, if given."""
    orders = []
    for stratum, folders in STRATA.items():
        found = [one for one in all_mutants(CHECKOUT, folders) if kind in (None, one.kind)]
        random.Random(f"{seed} {stratum}").shuffle(found)
        orders.append([(stratum, mutant) for mutant in found])
    return [one for turn in zip_longest(*orders) for one in turn if one is not None][:count]


def wilson(hits: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927)."""
    if of == 0:
        return 0.0, 1.0
    p, n = hits / of, of
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class TestMap:
    """Which tests run which line, from a run of the suite with coverage.

    A line that a shared fixture runs belongs to all tests of the file, one that runs on import to the tests of its module.
    """

    def __init__(self, contents: list[dict[str, Any]]) -> None:
        self.tests: list[str] = []
        self.lines: dict[str, dict[str, list[int]]] = {}
        for content in contents:  # parts of the suite, one after the other
            first = len(self.tests)
            self.tests += content["tests"]
            for module, lines in content["lines"].items():
                mine = self.lines.setdefault(module, {})
                for line, tests in lines.items():
                    mine.setdefault(line, []).extend(first + index for index in tests)
        places = (tests for lines in self.lines.values() for tests in lines.values())
        self.breadth = Counter(self.tests[index] for tests in places for index in tests)

    def covering(self, mutant: Mutant, most: int | None = None) -> list[str]:
        """Return tests and files of tests that run a line: of the module's own file, of its folder, then the narrowest first."""
        lines = self.lines.get(mutant.path, {})
        chosen = lines.get(str(mutant.line))
        if not chosen:  # run on import, or a constant
            chosen = [test for tests in lines.values() for test in tests]
        names = {self.tests[index] for index in chosen}
        files = {name for name in names if "::" not in name}
        names = files | {name for name in names if name.partition("::")[0] not in files}
        stem, subject = Path(mutant.path).stem, Path(mutant.path).parent.as_posix().removeprefix("y90voxel/")

        def distance(name: str) -> tuple[bool, bool, int, str]:
            apart = f"test_{stem}.py" not in name, f"tests/{subject}/" not in name
            return *apart, self.breadth[name], name

        return sorted(names, key=distance)[:most]


def make_map(path: Path, arguments: list[str]) -> None:
    """Run the suite with coverage of the strata, and write which test runs which line."""
    measured = ",".join(folder for folders in STRATA.values() for folder in folders)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        command = [sys.executable, "-m", "coverage", "run", f"--data-file={data}", f"--source={measured}",
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
    chosen: list[tuple[str, Mutant]],
    tests: TestMap,
    path: Path,
    timeout_s: float,
    jobs: int,
    most: int | None,
) -> dict[str, Any]:
    """Try every fault that has no result yet, in the order of the sample, and write after each.

    A test that fails in the copy without a fault catches none: its faults are tried again without it.
    """
    results = known_results(path)
    broken: set[str] = set()
    with Copies(jobs) as copies:
        left = chosen
        while left := [one for one in left if one[1].name not in results]:

            def attempt(
                copy: Copy, one: tuple[str, Mutant], without: frozenset[str] = frozenset(broken)
            ) -> dict[str, Any]:
                covering = [test for test in tests.covering(one[1], most) if test not in without]
                return copy.result(one, covering, timeout_s)

            copies.each(left, attempt, results, path)
            by = {results[mutant.name]["by"] for _, mutant in left} - {""}
            found = copies.failing(sorted(by), timeout_s)
            broken |= found
            for name in [name for name, one in results.items() if one["by"] in found]:
                print(f"{name}: {results[name]['by']} fails without a fault")
                del results[name]
    return {mutant.name: results[mutant.name] for _, mutant in chosen}


def run_again(
    chosen: list[tuple[str, Mutant]], added: list[str], path: Path, timeout_s: float, jobs: int
) -> dict[str, Any]:
    """Try the faults that lived once more, against tests that were added; others keep their result."""
    results = known_results(path)
    lived = [one for one in chosen if results.get(one[1].name, {}).get("outcome") in LIVES]
    with Copies(jobs) as copies:
        found: dict[str, Any] = {}
        copies.each(lived, lambda copy, one: copy.result(one, added, timeout_s), found, None)
        broken = copies.failing(added, timeout_s)
    assert not broken, f"fail without a fault: {broken}"
    for name, one in found.items():
        if one["outcome"] not in LIVES:
            results[name] = {**results[name], "outcome": one["outcome"], "by": one["by"], "held since": True}
    write_results(path, results)
    return {mutant.name: results[mutant.name] for _, mutant in chosen if mutant.name in results}


def report(results: dict[str, Any]) -> str:
    """Return the figures as a table, and each survivor."""
    rows, lived = [], [name for name, one in results.items() if one["outcome"] in LIVES]
    for stratum in (*STRATA, "all"):
        of = [one for one in results.values() if stratum in (one["stratum"], "all")]
        counts = Counter(one["outcome"] for one in of)
        alive = sum(counts[outcome] for outcome in LIVES)
        low, high = wilson(alive, len(of))
        share = f"{100 * alive / len(of):.0f} %" if of else ""
        rows.append(
            (
                stratum,
                len(of),
                alive - counts["timeout"],
                counts["timeout"],
                share,
                f"{100 * low:.0f} to {100 * high:.0f} %",
            )
        )
    table = format_table(("stratum", "faults", "survive", "time out", "alive", "95 % (Wilson)"), rows)
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
    parser.add_argument("--kind", help="faults of one kind alone, such as 'named constant'")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--map", action="store_true", help="make the map first; further arguments go to pytest"
    )
    parser.add_argument("--map-file", type=Path, action="append", help="several: of parts of the suite")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    parser.add_argument(
        "--most", type=int, help="tests of a fault, the nearest and narrowest; all if not given"
    )
    parser.add_argument("--again", nargs="+", metavar="TESTS", help="those that lived, against these tests")
    parser.add_argument("--timeout", type=float, default=600.0, help="for the tests of one fault [s]")
    arguments, others = parser.parse_known_args()
    if arguments.quick:
        return quick()
    map_files = arguments.map_file or [RESULTS / "mutant_map.json"]
    if arguments.map:
        make_map(map_files[0], others)
        return 0
    path = arguments.json or RESULTS / f"mutants_{arguments.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = sample(arguments.count, arguments.seed, arguments.kind)
    if arguments.again:
        print(report(run_again(chosen, arguments.again, path, arguments.timeout, arguments.jobs)))
        return 0
    tests = TestMap([json.loads(path.read_text(encoding="utf-8")) for path in map_files])
    print(report(run_sample(chosen, tests, path, arguments.timeout, arguments.jobs, arguments.most)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
