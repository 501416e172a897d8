"""Interleaved timing, machine description and JSON for every benchmark in this folder.

Candidates run in turn inside one process, round after round, so that a busy moment of the machine falls on
all of them. A benchmark quotes ratios of medians from one such run, with the CPU time beside the wall time.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Timing:
    """Wall and CPU time of one candidate over its repeats [s]."""

    name: str
    repeats: int
    wall_median_s: float
    wall_min_s: float
    cpu_median_s: float

    @property
    def wall_ms(self) -> float:
        """Median wall time [ms]."""
        return 1e3 * self.wall_median_s


def interleave(
    candidates: Mapping[str, Callable[[], Any]],
    repeats: int = 5,
    slow_after_s: float = 2.0,
    slow_repeats: int = 2,
    warm_up: bool = True,
) -> dict[str, Timing]:
    """Time all candidates in turn, ``repeats`` rounds; very slow ones drop out after ``slow_repeats``.

    Each round begins with another candidate.

    Parameters
    ----------
    candidates : mapping of str to callable
        What to time; return values are discarded.
    repeats : int
        Rounds.
    slow_after_s : float
        A candidate slower than this [s] runs ``slow_repeats`` times only; ``Timing.repeats`` says so.
    warm_up : bool
        Call every candidate once, untimed, first: compilation, plans, page cache.
    """
    walls: dict[str, list[float]] = {name: [] for name in candidates}
    cpus: dict[str, list[float]] = {name: [] for name in candidates}
    if warm_up:
        for candidate in candidates.values():
            candidate()
    collecting = gc.isenabled()
    gc.disable()  # a collection would fall on whoever happens to run
    gc.collect()
    gc.freeze()  # what is there already is not looked at in every round
    try:
        for turn in range(repeats):
            gc.collect()
            order = list(candidates.items())
            first = turn % len(order)
            for name, candidate in order[first:] + order[:first]:
                if len(walls[name]) >= slow_repeats and statistics.median(walls[name]) > slow_after_s:
                    continue
                cpu, wall = time.process_time(), time.perf_counter()
                candidate()
                walls[name].append(time.perf_counter() - wall)
                cpus[name].append(time.process_time() - cpu)
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
    return {
        name: Timing(
            name,
            len(walls[name]),
            statistics.median(walls[name]),
            min(walls[name]),
            statistics.median(cpus[name]),
        )
        for name in candidates
    }


def describe_machine(packages: Sequence[str] = ("numpy", "scipy", "numba")) -> dict[str, Any]:
    """Return what a timing depends on: commit, processor, cores, load, versions."""
    return {
        "commit": _commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write results, dataclasses included, as indented JSON."""
    text = json.dumps(content, indent=1, default=_jsonable)
    Path(path).write_text(text + "\n", encoding="utf-8")


def format_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table with columns of even width."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def measure_in_fresh_process(code: str, *arguments: str, timeout_s: float = 600.0) -> dict[str, Any]:
    """Run Python ``code`` in a new interpreter and return the JSON object that it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _jsonable(value: Any) -> Any:
    """Turn dataclasses, numpy scalars and paths into what JSON knows."""
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def _commit() -> str:
    """Return the commit of the checkout, with ``+`` when tracked files differ from it."""
    try:
        run = {"cwd": CHECKOUT, "check": True, "capture_output": True, "text": True}
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **run).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], **run).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _cpu_model() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _version(package: str) -> str | None:
    """Return the installed version of a package, None when absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
