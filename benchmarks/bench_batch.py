"""What a batch costs beyond its studies: scaling over workers, share of study work, memory of the parent.

    python benchmarks/bench_batch.py            # 12 copies of the sample study; 1,000 simulated studies
    python benchmarks/bench_batch.py --quick    # 4 copies, 100 simulated studies

Three measurements, each of a batch in a process of its own:

real       copies of the sample study, report included, with one worker of one thread and with one a core
sleeping   simulated studies that only sleep: what the runner itself loses, whatever else the machine does
many       simulated studies that write small results at once, each of 60 DICOM names (hard links to one file); the
           catalogue of their series is simulated too, because writing 60,000 headers would measure the disk

Scaling is the time with one worker over the time with n, over n; share of work is the time inside the main job (for
simulated studies: inside their function) over workers times the time between the first start and the last end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import CHECKOUT, describe_machine, format_table, measure_in_fresh_process, write_json

SAMPLE = CHECKOUT / "sample_data"
FILES_A_STUDY = 60
BATCH = """
import json, resource, sqlite3, sys, time
from pathlib import Path
import bench_batch
from y90voxel.batch.listener import Listener
from y90voxel.batch.run_batch import Resources, run_batch
given = json.loads(sys.argv[1])
bench_batch.simulate_catalogue(given)
class Clock(Listener):
    def planned(self, total, to_do, workers):
        self.started = time.perf_counter()
    def ended(self, outcome, share):
        self.last = time.perf_counter()
clock, begun = Clock(), time.perf_counter()
options = {} if given["work"] is None else {"work": given["work"]}
result = run_batch(given["cohort"], given["out"], resources=Resources(workers=given["workers"]), listener=clock, **options)
whole = time.perf_counter() - begun
rows = sqlite3.connect(Path(given["out"]) / "ledger.sqlite").execute("SELECT state, seconds, work_seconds FROM study").fetchall()
assert all(state == "done" for state, _, _ in rows), rows
print(json.dumps({
    "studies": len(rows), "whole_s": whole, "workers_s": clock.last - clock.started,
    "process_s": sum(r[1] for r in rows), "work_s": sum(r[2] for r in rows),
    "parent_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def simulated(request: dict[str, Any]) -> dict[str, Any]:
    """Sleep for the seconds of the study's settings, and write what a study writes, from the sample's results."""
    started = time.perf_counter()
    time.sleep(float(request["settings"]["dose"]["acquisition_duration_s"]) - 1.0)
    staging = Path(request["staging"])
    staging.mkdir()
    for name in ("metrics.json", "dvh.csv", "report.html"):
        os.link(Path(os.environ["BENCH_TEMPLATE"]) / name, staging / name)
    return {
        "status": "done",
        "reason": None,
        "content_sha256": "simulated",
        "work_seconds": time.perf_counter() - started,
    }


def simulate_catalogue(given: dict[str, Any]) -> None:
    """Let the cohort's series be found without reading headers."""
    if not given["simulated_studies"]:
        return
    from y90voxel.batch import discovery
    from y90voxel.io.dicom.catalogue import Catalogue
    from y90voxel.io.dicom.index import SeriesRole
    from y90voxel.io.dicom.series_facts import SeriesFacts

    series = []
    for number in range(given["simulated_studies"]):
        names = [f"p{number:04d}/f{i:03d}" for i in range(FILES_A_STUDY)]
        for role, files in ((SeriesRole.EMISSION, names[:1]), (SeriesRole.CT, names[1:])):
            uid = f"1.2.{number}"
            objects = {hash(name) for name in files}
            series.append(SeriesFacts(f"{uid}.{role}", uid, role, uid, None, uid, files, objects))
    catalogue = Catalogue(tuple(series), (), (), len(series), ())
    discovery.list_archive = lambda *arguments, **options: catalogue


def make_copies(folder: Path, count: int) -> Path:
    """A cohort of copies of the sample study."""
    for number in range(count):
        shutil.copytree(SAMPLE / "study", folder / f"p{number:02d}", copy_function=os.link)
    shutil.copy(SAMPLE / "case.toml", folder / "case.toml")
    return folder


def make_simulated(folder: Path, count: int, seconds: float) -> Path:
    """A cohort of studies whose files are links to one, and that sleep."""
    folder.mkdir()
    (folder / "file").write_bytes(b"x" * 1000)
    for number in range(count):
        (folder / f"p{number:04d}").mkdir()
        for index in range(FILES_A_STUDY):
            os.link(folder / "file", folder / f"p{number:04d}" / f"f{index:03d}")
    (folder / "case.toml").write_text(f"[dose]\nacquisition_duration_s = {1.0 + seconds}\n")
    return folder


def run(cohort: Path, out: Path, workers: int, *, simulated_studies: int = 0) -> dict[str, Any]:
    """One batch in a process of its own."""
    given = {
        "cohort": str(cohort),
        "out": str(out),
        "workers": workers,
        "simulated_studies": simulated_studies,
        "work": "bench_batch:simulated" if simulated_studies else None,
    }
    found = measure_in_fresh_process(BATCH, json.dumps(given), timeout_s=7200)
    found["workers"] = workers
    found["share_of_work"] = found["work_s"] / (workers * found["workers_s"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer studies")
    parser.add_argument("--json", type=Path, default=CHECKOUT / "benchmarks" / "results" / "batch.json")
    arguments = parser.parse_args()
    copies, sleepers, many = (4, 10, 100) if arguments.quick else (12, 40, 1000)
    cores = len(os.sched_getaffinity(0))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT / "benchmarks"), str(CHECKOUT)])
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.json.resolve().parent.parent) as scratch:
        place = Path(scratch)
        real = make_copies(place / "real", copies)
        run(make_copies(place / "warm", 1), place / "template", 1)  # fills the caches of compiled code
        os.environ["BENCH_TEMPLATE"] = str(place / "template" / "study")
        if not Path(os.environ["BENCH_TEMPLATE"]).exists():
            os.environ["BENCH_TEMPLATE"] = str(next((place / "template").glob("p*")))
        for workers in (1, cores):
            results[f"real, {workers}"] = run(real, place / f"real-{workers}", workers)
        sleeping = make_simulated(place / "sleeping", sleepers, 1.0)
        for workers in (1, cores):
            out = place / f"sleeping-{workers}"
            results[f"sleeping, {workers}"] = run(sleeping, out, workers, simulated_studies=sleepers)
        crowd = make_simulated(place / "many", many, 0.0)
        results[f"many, {cores}"] = run(crowd, place / "many-out", cores, simulated_studies=many)
    rows = []
    for name, found in results.items():
        kind = name.partition(",")[0]
        one = results.get(f"{kind}, 1")
        scaling = one["workers_s"] / found["workers_s"] / found["workers"] if one else None
        found["scaling"] = scaling
        rows.append(
            (
                name,
                found["studies"],
                f"{found['workers_s']:.1f}",
                "" if scaling is None else f"{100 * scaling:.0f} %",
                f"{100 * found['share_of_work']:.0f} %",
                f"{found['parent_peak_mb']:.0f}",
            )
        )
    header = ("studies, workers", "studies", "s", "of perfect scaling", "share of work", "parent MB")
    print(format_table(header, rows))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(arguments.json, {"machine": describe_machine(), "results": results})
    print(f"\nwritten: {arguments.json}")


if __name__ == "__main__":
    sys.exit(main())
