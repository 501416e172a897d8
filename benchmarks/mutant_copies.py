"""Copies of the checkout that faults are put into, several at a time, and what came of each fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

from harness import CHECKOUT, describe_machine, write_json
from mutant_sites import Mutant

COPIED = ("y90voxel", "tests", "kernels", "sample_data", "docs", "benchmarks")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line")


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

    def result(self, one: tuple[str, Mutant], covering: list[str], timeout_s: float) -> dict[str, Any]:
        """Return what came of a fault, by which test."""
        stratum, mutant = one
        start = time.monotonic()
        outcome, by = self.try_out(mutant, covering, timeout_s) if covering else ("no tests", "")
        return {
            "stratum": stratum, "kind": mutant.kind, "old": mutant.old, "new": mutant.new, "outcome": outcome,
            "by": by, "tests": len(covering), "seconds": round(time.monotonic() - start, 1),
        }  # fmt: skip

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
        by = failed[0].partition(" - ")[0].partition(" ")[2] if failed else ""
        return {0: "survived", 5: "no tests"}.get(done.returncode, "killed"), by

    def failing(self, tests: list[str], timeout_s: float) -> set[str]:
        """Return which of some tests fail without a fault: what they catch is none."""
        found = set()
        for test in tests:
            outcome, _ = self.run([test], timeout_s)
            if outcome != "survived":
                found.add(test)
        return found

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


class Copies:
    """Copies of the checkout, one a thread, that take faults in turn."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def __enter__(self) -> Copies:
        self.folders = [tempfile.TemporaryDirectory() for _ in range(self.jobs)]
        self.free: SimpleQueue[Copy] = SimpleQueue()
        for folder in self.folders:
            self.free.put(Copy(folder.name))
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self.folders:
            folder.cleanup()

    def each(
        self,
        chosen: list[tuple[str, Mutant]],
        attempt: Callable[[Copy, tuple[str, Mutant]], dict[str, Any]],
        results: dict[str, Any],
        path: Path | None,
    ) -> None:
        """Try every fault, say what came of it, and keep it in ``results`` and its file."""
        lock = Lock()

        def one_of(numbered: tuple[int, tuple[str, Mutant]]) -> None:
            number, one = numbered
            copy = self.free.get()
            try:
                found = attempt(copy, one)
            finally:
                self.free.put(copy)
            with lock:
                results[one[1].name] = found
                if path is not None:
                    write_results(path, results)
                said = f"{found['outcome']:8} {found['seconds']:6.1f} s  {one[1].name}  {one[1].old!r} {found['by']}"
                print(f"{number}/{len(chosen)} {said}", flush=True)

        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(one_of, enumerate(chosen, 1)))

    def failing(self, tests: list[str], timeout_s: float) -> set[str]:
        """Return which of some tests fail without a fault."""
        copy = self.free.get()
        try:
            return copy.failing(tests, timeout_s)
        finally:
            self.free.put(copy)


def known_results(path: Path) -> dict[str, Any]:
    """Return results that are there already."""
    return json.loads(path.read_text(encoding="utf-8"))["mutants"] if path.exists() else {}


def write_results(path: Path, results: dict[str, Any]) -> None:
    write_json(path, {"machine": describe_machine(), "mutants": results})
