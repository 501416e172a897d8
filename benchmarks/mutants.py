"""How many one-line faults the tests let through: a seeded sample, each against the tests that cover its line.

    python benchmarks/mutants.py --map                 # once: which test runs which line (the whole suite, with coverage)
    python benchmarks/mutants.py --count 300 --seed 1  # goes on where it was stopped; results in benchmarks/results/
    python benchmarks/mutants.py --count 300 --seed 1 --most 40   # quicker, and no fewer alive: 40 tests of each line
    python benchmarks/mutants.py --again tests/thresholds   # those that lived, against tests that were added since
    python benchmarks/mutants.py --quick               # a planted fault is caught, the sample is sound (seconds; tests run it)

The sample is stratified: as many faults from each of planning, quantification, case with study, and io/dicom. A smaller
``--count`` of one seed is a part of the greater one. Faults are seen by forked processes alone, never put into the checkout.
What survives, and why, is kept in docs/mutants.md.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Any

from harness import CHECKOUT, format_table
from mutant_forks import failing, known_results, try_all, write_results
from mutant_sites import Mutant, all_mutants

STRATA = {
    "planning": ("y90voxel/planning",),
    "quantification": ("y90voxel/quantification",),
    "case and study": ("y90voxel/case", "y90voxel/study"),
    "io/dicom": ("y90voxel/io/dicom",),
}
NEAREST = 40  # tests that a fault is tried against first; most are caught by few
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
    """Which tests run which line, from a run of the suite with coverage; tests added since count by what their file names.

    A line that a shared fixture runs belongs to all tests of the file, one that runs on import to the tests of its module.
    Lines of a map of an older commit are those that are still there.
    """

    def __init__(self, contents: list[dict[str, Any]], collected: set[str]) -> None:
        self.contents = contents
        self.collected = collected
        known = {test for content in contents for test in content["tests"]}
        self.added: dict[str, list[str]] = {}
        for test in sorted(collected - known):
            self.added.setdefault(test.partition("::")[0], []).append(test)
        self.breadth = Counter(
            content["tests"][index]
            for content in contents
            for lines in content["lines"].values()
            for tests in lines.values()
            for index in tests
        )

    def covering(self, mutant: Mutant) -> list[str]:
        """Return tests and files of tests that run a line: of the module's own file, of its folder, then the narrowest first."""
        on_line, of_module = set(), set()
        for content in self.contents:
            line = line_then(content["commit"], mutant.path).get(mutant.line)
            for number, tests in content["lines"].get(mutant.path, {}).items():
                names = {content["tests"][index] for index in tests}
                of_module |= names
                on_line |= names if number == str(line) else set()
        names = on_line or of_module  # run on import, or a constant
        stem, subject = Path(mutant.path).stem, Path(mutant.path).parent.as_posix().removeprefix("y90voxel/")
        for file, tests in self.added.items():
            if re.search(rf"\b{stem}\b", text_of(file)):
                names |= set(tests)
        files = {name for name in names if "::" not in name and (CHECKOUT / name).exists()}
        names = files | {name for name in names & self.collected if name.partition("::")[0] not in files}

        def distance(name: str) -> tuple[bool, bool, int, str]:
            apart = f"test_{stem}.py" not in name, f"tests/{subject}/" not in name
            return *apart, self.breadth[name], name

        return sorted(names, key=distance)


@functools.cache
def line_then(commit: str, path: str) -> dict[int, int]:
    """Return which line of a commit's module each line of it is now, of those that are the same."""
    git = ["git", "show", f"{commit}:{path}"]
    then = subprocess.run(git, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.splitlines()
    blocks = difflib.SequenceMatcher(
        None, then, text_of(path).splitlines(), autojunk=False
    ).get_matching_blocks()
    return {block.b + k + 1: block.a + k + 1 for block in blocks for k in range(block.size)}


@functools.cache
def text_of(path: str) -> str:
    return (CHECKOUT / path).read_text(encoding="utf-8")


def collected_tests() -> set[str]:
    """Return the tests that there are, by what pytest calls them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    places = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if "::" in line}


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
    git = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(git, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.strip()
    path.write_text(json.dumps({"commit": commit, "tests": list(tests), "lines": lines}), encoding="utf-8")
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
    """Try every fault that has no result yet against its nearest tests, those that live against the others.

    Results are written after each. A test that fails without a fault catches none: its faults are tried again without it.
    """
    results = known_results(path)
    broken: set[str] = set()

    def covering(mutant: Mutant) -> list[str]:
        return [test for test in tests.covering(mutant)[:most] if test not in broken]

    while left := [one for one in chosen if one[1].name not in results]:
        lived = []

        def keep(one: tuple[str, Mutant], result: dict[str, Any], lived: list[Any] | None = lived) -> None:
            if lived is not None and result["outcome"] == "survived" and len(covering(one[1])) > NEAREST:
                lived.append(one)
                return
            results[one[1].name] = result
            write_results(path, results)

        try_all(left, lambda mutant: covering(mutant)[:NEAREST], timeout_s, jobs, keep)
        others = functools.partial(keep, lived=None)
        try_all(lived, lambda mutant: covering(mutant)[NEAREST:], timeout_s, jobs, others)
        by = {results[mutant.name]["by"] for _, mutant in left} - {""}
        broken |= failing(sorted(by), timeout_s, jobs)
        for name in [name for name, one in results.items() if one["by"] in broken]:
            print(f"{name}: {results[name]['by']} fails without a fault")
            del results[name]
    return {mutant.name: results[mutant.name] for _, mutant in chosen}


def run_again(
    chosen: list[tuple[str, Mutant]], added: list[str], path: Path, timeout_s: float, jobs: int
) -> dict[str, Any]:
    """Try the faults that lived once more, against tests that were added; others keep their result."""
    broken = failing(added, timeout_s, jobs)
    assert not broken, f"fail without a fault: {broken}"
    results = known_results(path)

    def keep(one: tuple[str, Mutant], result: dict[str, Any]) -> None:
        if result["outcome"] not in LIVES:
            results[one[1].name] = {
                **results[one[1].name],
                "outcome": result["outcome"],
                "by": result["by"],
                "held since": True,
            }
            write_results(path, results)

    lived = [one for one in chosen if results.get(one[1].name, {}).get("outcome") in LIVES]
    try_all(lived, lambda mutant: added, timeout_s, jobs, keep)
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
    lives = {"stratum": "planning", "kind": "planted", "old": PLANTED, "outcome": "survived", "by": ""}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "mutants.json"
        write_results(results, {planted.name: lives})
        found = run_again([("planning", planted)], tests, results, 60.0, 1)[planted.name]
    print(f"a vial's age in minutes: {found['outcome']} {found['by']}; {len(chosen)} faults compile")
    return 0 if found["outcome"] == "killed" else 1


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
    tests = TestMap([json.loads(path.read_text(encoding="utf-8")) for path in map_files], collected_tests())
    print(report(run_sample(chosen, tests, path, arguments.timeout, arguments.jobs, arguments.most)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
