"""A tree of many small made-up studies: how soon the first one starts, what a resume costs, what the supervisor holds.

    python benchmarks/bench_archive.py            # 2,000 studies of 42 DICOM files, the work of each replaced
    python benchmarks/bench_archive.py --quick    # 100 studies

The studies are copies of one (CT of 40 slices, SPECT, contours) with identifiers of their own; their headers are read as ever.
The work of a study is replaced: it links the results of the sample study to its place. Two batches, each in a process of its own:

first      to_first_study_s: from the end of the directory walk to the moment at which the first study runs;
           first_progress_s: from the start of the batch to the first sign of it; supervisor_peak_mb: of the batch's own process
resume     the same command on the finished archive: whole_s, and headers_read, which has to be 0
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import CHECKOUT, describe_machine, format_table, measure_in_fresh_process, write_json

sys.path.insert(0, str(CHECKOUT / "tests"))
RESULTS = ("metrics.json", "dvh.csv")
# Files younger than this prove nothing by their times, and would be read again [s].
SETTLED_S = 3.0
BATCH = """
import json, resource, sys, time
from pathlib import Path
from y90voxel.batch import run_batch as run
from y90voxel.batch.listener import Listener
from y90voxel.io.dicom import catalogue
from y90voxel.startup import prepare_process

prepare_process()
given, stamps, headers = json.loads(sys.argv[1]), {}, [0]
walk = catalogue.walk_archive

def timed_walk(*arguments):
    found = walk(*arguments)
    stamps["walked"] = time.time()
    return found

catalogue.walk_archive = timed_walk

class Clock(Listener):
    def files_found(self, files):
        stamps.setdefault("progress", time.time())
    def read(self, done, of):
        headers[0] = done
    def planned(self, total, to_do, workers):
        stamps["planned"] = time.time()
    def message(self, line):
        if line == "writing the tables of the cohort":
            stamps["computed"] = time.time()

begun = time.time()
result = run.run_batch(given["cohort"], given["out"], work="bench_archive:simulated", listener=Clock())
ended = time.time()
starts = [float(path.read_text()) for path in Path(given["starts"]).iterdir()]
print(json.dumps({
    "studies": len(result.outcomes), "computed": result.computed, "headers_read": headers[0],
    "first_progress_s": stamps["progress"] - begun, "walk_s": stamps["walked"] - begun,
    "to_first_study_s": min(starts) - stamps["walked"] if starts and result.computed else None,
    "planned_s": stamps["planned"] - begun, "computed_s": stamps.get("computed", ended) - begun, "whole_s": ended - begun,
    "supervisor_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def simulated(request: Mapping[str, Any]) -> dict[str, Any]:
    """Say when it runs, and link results of another study to its place."""
    from y90voxel.batch.fingerprint import fingerprint, input_files
    from y90voxel.batch.study_units import Unit

    staging = Path(request["staging"])
    (Path(os.environ["BENCH_STARTS"]) / staging.name).write_text(repr(time.time()))
    staging.mkdir()
    for name in RESULTS:
        os.link(Path(os.environ["BENCH_TEMPLATE"]) / name, staging / name)
    files = input_files(Unit("", "", Path(request["path"]), request["only"]))
    return {"status": "done", "reason": None, **fingerprint(files), "work_seconds": 0.0}


def make_template(place: Path) -> Path:
    """Results of the sample study, by the real program."""
    command = [sys.executable, "-m", "y90voxel", "dose", str(CHECKOUT / "sample_data" / "study"), "--case"]
    command += [
        str(CHECKOUT / "sample_data" / "case.toml"),
        "--engine",
        "local",
        "--no-report",
        "-o",
        str(place),
    ]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, capture_output=True)
    return place


def main() -> None:
    from small_archive import write_archive

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 studies")
    parser.add_argument("--json", type=Path, default=CHECKOUT / "benchmarks" / "results" / "archive.json")
    arguments = parser.parse_args()
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.json.resolve().parent) as scratch:
        place = Path(scratch)
        cohort = write_archive(place / "cohort", 100 if arguments.quick else 2000)
        (place / "starts").mkdir()
        os.environ["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT / "benchmarks"), str(CHECKOUT)])
        os.environ["BENCH_TEMPLATE"] = str(make_template(place / "template"))
        os.environ["BENCH_STARTS"] = str(place / "starts")
        time.sleep(SETTLED_S)
        given = {"cohort": str(cohort), "out": str(place / "out"), "starts": str(place / "starts")}
        for name in ("first", "resume"):
            results[name] = measure_in_fresh_process(BATCH, json.dumps(given), timeout_s=7200)
    columns = [key for key in results["first"] if key != "studies"]
    rows = [
        (name, *("" if found[key] is None else f"{found[key]:.4g}" for key in columns))
        for name, found in results.items()
    ]
    print(format_table((f"{results['first']['studies']} studies", *columns), rows))
    write_json(arguments.json, {"machine": describe_machine(), "results": results})
    print(f"\nwritten: {arguments.json}")


if __name__ == "__main__":
    sys.exit(main())
