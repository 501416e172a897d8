"""The whole job as users run it: CPU and wall time of the process, its peak memory, and where the time goes.

    python benchmarks/bench_study.py            # 300 x 512 x 512 CT, 128^3 SPECT, RTSTRUCT; makes the study first
    python benchmarks/bench_study.py --quick    # the sample study
    python benchmarks/bench_study.py --engine convolution    # by another engine than that of its case file

A process is timed from outside, start-up and imports included, with compiled caches present (one run before the
counted ones). Stages are timed inside one more process, by the progress that the job reports.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import CHECKOUT, describe_machine, format_table, measure_in_fresh_process, write_json

STAGES = """
import json, sys, time
begun = (time.process_time(), time.perf_counter())
from y90voxel.startup import prepare_process
prepare_process()
from pathlib import Path
from y90voxel.study.run_dose import run_study
from y90voxel.case.settings import load_settings
marks = [("start and imports", 0.0, 0.0), ("", time.process_time(), time.perf_counter() - begun[1])]
def note(what, done):
    if what != marks[-1][0]:
        marks.append((what, time.process_time(), time.perf_counter() - begun[1]))
study, case, out, report, engine = sys.argv[1:]
asked = {"output": {"report": report == "report"}, "dose": {"engine": engine or None}}
settings = load_settings(Path(case), asked)
run_study(study, out, settings, progress=note)
marks.append(("", time.process_time(), time.perf_counter() - begun[1]))
spans = [[a[0], b[1] - a[1], b[2] - a[2]] for a, b in zip(marks, marks[1:]) if a[0]]
print(json.dumps(spans))
"""


def run_process(study: Path, case: Path, out: Path, report: bool, engine: str) -> tuple[float, float, float]:
    """CPU [s], wall [s] and peak memory [MB] of one whole run of ``y90voxel dose``."""
    command = [sys.executable, "-m", "y90voxel", "dose", str(study), "--case", str(case), "-o", str(out)]
    if not report:
        command.append("--no-report")
    if engine:
        command += ["--engine", engine]
    begun = time.perf_counter()
    child = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    if status != 0:
        raise SystemExit(f"the run failed with status {status}: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024.0


def make_study(folder: Path, quick: bool) -> tuple[Path, Path]:
    """The study to run and its case file."""
    sample = CHECKOUT / "sample_data"
    if quick:
        return sample / "study", sample / "case.toml"
    if not (folder / "study").exists():
        shape = ["--ct-shape", "300x512x512", "--spect-shape", "128x128x128"]
        print("making the study ...", flush=True)
        subprocess.run([sys.executable, str(sample / "generate.py"), str(folder), *shape], check=True)
    return folder / "study", sample / "case.toml"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the sample study, fewer runs")
    parser.add_argument("--study", type=Path, help="folder to make the large study in, or where it is")
    parser.add_argument("--engine", default="", help="dose engine; else that of the case file")
    parser.add_argument("--json", type=Path, default=CHECKOUT / "benchmarks" / "results" / "study.json")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is a cache like others
    repeats = 2 if arguments.quick else 5
    with tempfile.TemporaryDirectory() as scratch:
        study, case = make_study(arguments.study or Path(scratch), arguments.quick)
        out = Path(scratch) / "out"
        results: dict[str, dict[str, object]] = {}
        rows = []
        for name in ("report", "no-report"):
            job = (study, case, out, name == "report", arguments.engine)
            run_process(*job)  # fills the caches
            runs = [run_process(*job) for _ in range(repeats)]
            cpu, wall, memory = (statistics.median(column) for column in zip(*runs, strict=True))
            stages = measure_in_fresh_process(STAGES, str(study), str(case), str(out), name, arguments.engine)
            results[name] = {
                "cpu_s": cpu,
                "wall_s": wall,
                "peak_memory_mb": memory,
                "runs": runs,
                "stages": stages,
            }
            rows.append((name, f"{cpu:.2f}", f"{wall:.2f}", f"{memory:.0f}", repeats))
    print(format_table(("whole process", "CPU s", "wall s", "peak MB", "runs"), rows))
    stage_rows = [(what, f"{cpu:.2f}", f"{wall:.2f}") for what, cpu, wall in results["report"]["stages"]]  # type: ignore[union-attr]
    print("\n" + format_table(("stage", "CPU s", "wall s"), stage_rows))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    packages = ("numpy", "scipy", "numba", "pydicom", "SimpleITK", "matplotlib")
    write_json(
        arguments.json, {"machine": describe_machine(packages), "study": str(study.name), "results": results}
    )
    print(f"\nwritten: {arguments.json}")


if __name__ == "__main__":
    main()
