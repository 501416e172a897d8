"""Tests with a fault, each time in a forked process that has the slow libraries loaded: a second, where a new one takes ten.

The checkout is not touched: a finder of modules hands the one with the fault to its importers. A process that a test
starts itself does not see the fault, so that what only such tests hold counts as alive. POSIX alone can fork.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from harness import CHECKOUT, describe_machine, write_json
from mutant_sites import Mutant

SLOW_TO_LOAD = (
    "numba", "scipy.ndimage", "scipy.optimize", "scipy.signal", "scipy.interpolate", "SimpleITK", "pydicom", "pydicom.filewriter",
    "pydicom.sr.codedict", "contourpy", "matplotlib.figure", "jsonschema", "jinja2", "hypothesis",
)  # fmt: skip
PYTEST = (
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--assert=plain",
    "--no-header",
    "--tb=line",
    "--hypothesis-seed=0",
)
POLL_S = 0.02  # how often the forked processes are asked whether they have ended


@dataclass
class Trial:
    """Tests that run, with a fault or without one."""

    about: Any
    mutant: Mutant | None
    tests: list[str]
    started: float
    said: Path


class _WithFault(SourceFileLoader):
    """Loader and finder of one module, with a fault in it."""

    def __init__(self, mutant: Mutant) -> None:
        path = CHECKOUT / mutant.path
        name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        super().__init__(name, str(path))
        self.code = compile(mutant.applied(path.read_bytes()), str(path), "exec")

    def get_code(self, fullname: str) -> CodeType:
        return self.code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return (
            importlib.util.spec_from_file_location(name, self.path, loader=self)
            if name == self.name
            else None
        )


def each(
    trials: Iterable[tuple[Any, Mutant | None, list[str]]], timeout_s: float, jobs: int
) -> Iterator[tuple[Any, str, str, float]]:
    """Run the tests of each trial until the first fails, ``jobs`` trials at a time.

    Yields, as they end, what each is about, one of killed, survived, timeout and no tests, the test that failed, and
    the time it took [s].
    """
    for name in SLOW_TO_LOAD:
        importlib.import_module(name)
    assert "y90voxel" not in sys.modules, "loaded before a fault could be put into it"
    waiting, running = iter(trials), {}
    with tempfile.TemporaryDirectory() as folder:
        while True:
            while len(running) < jobs and (trial := next(waiting, None)) is not None:
                process, started = _start(*trial, Path(folder))
                running[process] = started
            if not running:
                return
            for process, trial in list(running.items()):
                ended = _ended(process, trial, timeout_s)
                if ended is not None:
                    del running[process]
                    yield trial.about, *ended, round(time.monotonic() - trial.started, 1)
            time.sleep(POLL_S)


def _start(about: Any, mutant: Mutant | None, tests: list[str], folder: Path) -> tuple[int, Trial]:
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.setsid()
        os.chdir(CHECKOUT)
        os.environ["PYTHONPATH"] = str(CHECKOUT)
        sys.path.insert(0, str(CHECKOUT))
        said = os.open(folder / str(os.getpid()), os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if mutant is not None:
            sys.meta_path.insert(0, _WithFault(mutant))
        outcome = pytest.main([*PYTEST, *tests]) if tests else pytest.ExitCode.NO_TESTS_COLLECTED
        sys.stdout.flush()
        os._exit(int(outcome))
    return process, Trial(about, mutant, tests, time.monotonic(), folder / str(process))


def _ended(process: int, trial: Trial, timeout_s: float) -> tuple[str, str] | None:
    """What came of a trial and which test failed, or nothing yet."""
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        text = trial.said.read_text(encoding="utf-8", errors="replace")
        code = os.waitstatus_to_exitcode(status)
        assert code != pytest.ExitCode.USAGE_ERROR, text
        summary = text.partition("short test summary info")[
            2
        ]  # what is logged before it may be called an error too
        failed = [line for line in summary.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        by = failed[0].partition(" - ")[0].partition(" ")[2] if failed else ""
        known = {pytest.ExitCode.OK: "survived", pytest.ExitCode.NO_TESTS_COLLECTED: "no tests"}
        return known.get(code, "killed"), by
    if time.monotonic() - trial.started < timeout_s:
        return None
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "timeout", ""


def failing(tests: Iterable[str], timeout_s: float, jobs: int) -> set[str]:
    """Return which of some tests fail without a fault: what they catch is none."""
    trials = ((test, None, [test]) for test in tests)
    return {test for test, outcome, *_ in each(trials, timeout_s, jobs) if outcome != "survived"}


def try_all(
    chosen: list[tuple[str, Mutant]],
    tests: Callable[[Mutant], list[str]],
    timeout_s: float,
    jobs: int,
    keep: Callable[[tuple[str, Mutant], dict[str, Any]], None],
) -> None:
    """Try every fault against its tests, say what came of it and keep it."""
    trials = ((one, one[1], tests(one[1])) for one in chosen)
    for number, ((stratum, mutant), outcome, by, seconds) in enumerate(each(trials, timeout_s, jobs), 1):
        print(
            f"{number}/{len(chosen)} {outcome:8} {seconds:6.1f} s  {mutant.name}  {mutant.old!r} {by}",
            flush=True,
        )
        keep((stratum, mutant), {
            "stratum": stratum, "kind": mutant.kind, "old": mutant.old, "new": mutant.new, "outcome": outcome,
            "by": by, "seconds": seconds,
        })  # fmt: skip


def known_results(path: Path) -> dict[str, Any]:
    """Return results that are there already."""
    return json.loads(path.read_text(encoding="utf-8"))["mutants"] if path.exists() else {}


def write_results(path: Path, results: dict[str, Any]) -> None:
    write_json(path, {"machine": describe_machine(), "mutants": results})
