"""Time the kernel convolution against its peers and hold it against its floors: one process, interleaved, medians of 5.

    python benchmarks/bench_convolution.py [--quick] [--json FILE] [--threads N]

Ours is called as users call it, ``KernelConvolution(kernel).dose(tia)``, with a map in single precision, which is what
``dose`` hands over, and once more with the same map in double precision. Peers: ``scipy.signal.fftconvolve`` (mode
"same") over the whole image in float64 and float32; ``scipy.fft`` with as many threads as ours; ``fftconvolve`` on the
bounding box of the activity plus half a kernel, in both precisions. The cropped peers are given the box, ours has to find
it; the one in float32 runs once more with nobody but ours beside it.

Memory is the growth of the peak resident size during one call, in a fresh process (``getrusage``), after a small call
has loaded the compiled code.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import describe_machine, format_table, interleave, measure_in_fresh_process, write_json
from scipy import fft
from scipy.signal import fftconvolve

import y90voxel as yv
from y90voxel.dose.convolution.convolve import convolve_cropped

CASES = {
    "128³ @ 4.8 mm": ((128, 128, 128), (4.8, 4.8, 4.8)),
    "256×256×200 @ 2.4 mm": ((200, 256, 256), (2.4, 2.4, 2.4)),
    "400×400×300 @ 2 mm": ((300, 400, 400), (2.0, 2.0, 2.0)),
    "512×512×400 @ 1 mm": ((400, 512, 512), (1.0, 1.0, 1.0)),
}
# By case: what a liver is to take less wall time than fftconvolve in float64 over the whole image, and in float32 on the box.
FLOORS = {
    "128³ @ 4.8 mm": (40.0, 1.5),
    "256×256×200 @ 2.4 mm": (60.0, 2.2),
    "400×400×300 @ 2 mm": (100.0, 2.2),
}
FULL_FLOOR = 6.0  # the same, every voxel active, against float64 over the whole image
RANDOM_FLOORS = 1.5, 0.9  # median and least of random jobs, against float32 on the box
LARGEST_ERROR = 1e-4  # over the maximum
REPEATS = 5
OURS, WHOLE, BOX, ALONE = (
    "y90voxel",
    "fftconvolve f64, whole",
    "fftconvolve f32, box",
    "fftconvolve f32, box, alone",
)


def liver(shape: tuple[int, int, int], share: float = 0.01, seed: int = 0) -> np.ndarray:
    """Two lobes and three tumours, about ``share`` of the voxels, uptake noise of 20 %."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    size = (share * np.prod(shape) / 6.0) ** (1 / 3)  # voxels of the lobes in units of size³
    centre = np.array(shape) * (0.5, 0.5, 0.42)
    activity = np.zeros(shape, np.float32)

    def add(offset: tuple[float, ...], axes: tuple[float, ...], uptake: float) -> None:
        place, reach = centre + size * np.array(offset), size * np.array(axes)
        inside = sum(((a - p) / r) ** 2 for a, p, r in zip((z, y, x), place, reach, strict=True)) < 1
        activity[inside] = uptake

    add((0.0, 0.0, 0.0), (1.25, 1.0, 0.95), 1.0)
    add((0.45, -0.6, 1.3), (0.6, 0.55, 1.15), 1.0)
    for offset in ((0.3, 0.2, -0.3), (-0.5, -0.1, 0.2), (0.5, -0.6, 1.4)):
        add(offset, (0.27, 0.27, 0.27), 5.0)
    noise = np.random.default_rng(seed).uniform(0.8, 1.2, np.count_nonzero(activity))
    activity[activity > 0] *= noise.astype(np.float32)
    return activity * np.float32(1e9)


def full(shape: tuple[int, int, int]) -> np.ndarray:
    """Every voxel active."""
    return np.random.default_rng(0).random(shape, np.float32) * np.float32(1e9) + np.float32(1.0)


def box_of(activity: np.ndarray, half: tuple[int, ...]) -> tuple[slice, ...]:
    """Bounding box of the activity plus half a kernel."""
    found = [
        np.flatnonzero(activity.any(axis=tuple(other for other in range(3) if other != axis)))
        for axis in range(3)
    ]
    return tuple(
        slice(max(0, i[0] - h), min(n, i[-1] + 1 + h))
        for i, h, n in zip(found, half, activity.shape, strict=True)
    )


def in_box(activity: np.ndarray, kernel: np.ndarray, box: tuple[slice, ...], dtype: Any) -> np.ndarray:
    """Peer: fftconvolve on the box, put into an image of zeros."""
    out = np.zeros(activity.shape, dtype)
    out[box] = fftconvolve(activity[box].astype(dtype, copy=False), kernel.astype(dtype), mode="same")
    return out


def with_workers(activity: np.ndarray, kernel: np.ndarray, threads: int) -> np.ndarray:
    """Peer: scipy.fft, float32, with threads."""
    full_shape = [n + k - 1 for n, k in zip(activity.shape, kernel.shape, strict=True)]
    lengths = [fft.next_fast_len(n, real=True) for n in full_shape]
    spectrum = fft.rfftn(activity, lengths, workers=threads)
    spectrum *= fft.rfftn(kernel.astype(np.float32), lengths, workers=threads)
    wrapped = fft.irfftn(spectrum, lengths, workers=threads, overwrite_x=True)
    return wrapped[
        tuple(slice(k // 2, k // 2 + n) for n, k in zip(activity.shape, kernel.shape, strict=True))
    ]


def run_case(name: str, kind: str, threads: int) -> dict[str, Any]:
    """Time one case.

    Cropped peers and those on the whole image run in turn with ours in runs of their own: what leaves gigabytes behind
    would disturb what takes milliseconds.
    """
    shape, spacing = CASES[name]
    kernel = yv.voxel_kernel("Y-90", spacing)
    taps, grid = kernel.s_values, yv.Grid.from_spacing(shape, spacing)
    activity = liver(shape) if kind == "liver" else full(shape)
    tia = yv.TimeIntegratedActivityMap(activity, grid)
    double = yv.TimeIntegratedActivityMap(activity.astype(np.float64), grid)
    engine = yv.KernelConvolution(kernel, threads=threads)
    found = convolve_cropped(activity, taps, threads=threads)
    box = box_of(activity, kernel.half_shape)
    ours: dict[str, Callable[[], Any]] = {OURS: lambda: engine.dose(tia)}
    cropped = {
        "y90voxel, map in f64": lambda: engine.dose(double),
        "fftconvolve f64, box": lambda: in_box(activity, taps, box, np.float64),
        BOX: lambda: in_box(activity, taps, box, np.float32),
    }
    whole = {
        f"scipy.fft f32, whole, {threads} threads": lambda: with_workers(activity, taps, threads),
        "fftconvolve f32, whole": lambda: fftconvolve(activity, taps.astype(np.float32), mode="same"),
        WHOLE: lambda: fftconvolve(double.array, taps, mode="same"),
    }
    runs = [interleave(ours | {ALONE: cropped[BOX]}, REPEATS)] if kind == "liver" else []
    runs += [
        interleave(ours | peers, REPEATS) for peers in ((cropped, whole) if kind == "liver" else (whole,))
    ]
    exact = in_box(activity, taps, box, np.float64)
    return {
        "case": name,
        "activity": kind,
        "active_share": float((activity > 0).mean()),
        "box_share": found.dose[found.box].size / activity.size,
        "algorithm": found.algorithm,
        "error_bound": found.error,
        "error_found": float(np.abs(found.dose - exact).max() / exact.max()),
        "timings": {n: timing for run in reversed(runs) for n, timing in run.items()},
        "wall_ratio": _ratios(runs, "wall_median_s"),
        "cpu_ratio": _ratios(runs, "cpu_median_s"),
    }


def _ratios(runs: list[dict[str, Any]], time: str) -> dict[str, float]:
    """Return by peer its time over that of ours in the same run."""
    return {
        other: getattr(timing, time) / getattr(run[OURS], time)
        for run in runs
        for other, timing in run.items()
        if other != OURS
    }


MEMORY_CODE = """
import json, resource, sys
sys.path.insert(0, "benchmarks")
import numpy as np
import bench_convolution as bench
import y90voxel as yv
name, kind, what = sys.argv[1:]
shape, spacing = bench.CASES[name]
kernel = yv.voxel_kernel("Y-90", spacing)
activity = bench.liver(shape) if kind == "liver" else bench.full(shape)
small = yv.TimeIntegratedActivityMap(np.ones((96, 96, 96), np.float32), yv.Grid.from_spacing((96,) * 3, spacing))
tia = yv.TimeIntegratedActivityMap(activity, yv.Grid.from_spacing(shape, spacing))
engine = yv.KernelConvolution(kernel)
if what == "y90voxel":
    engine.dose(small)
    run = lambda: engine.dose(tia)
else:
    bench.fftconvolve(small.array, kernel.s_values.astype(np.float32), mode="same")
    run = lambda: bench.fftconvolve(activity, kernel.s_values.astype(np.float32), mode="same")
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")  # peak resident size := resident size
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) * 1024
before = status("VmRSS")
result = run()
print(json.dumps({"extra_bytes": status("VmHWM") - before, "input_bytes": activity.nbytes}))
"""

START_CODE = """
import json, sys, time
import numpy as np
t = time.perf_counter()
c = time.process_time()
import y90voxel as yv
array = np.zeros((128, 128, 128), np.float32)
array[40:80, 30:80, 30:70] = 1.0
tia = yv.TimeIntegratedActivityMap(array, yv.Grid.from_spacing(array.shape, (4.8,) * 3))
taps = np.load(sys.argv[1])
kernel = yv.DoseKernel(taps, (4.8,) * 3, "water", 1.0, "Y-90")
engine = yv.KernelConvolution(kernel)
loaded = time.perf_counter()
engine.dose(tia)
print(json.dumps({"first_call_s": time.perf_counter() - loaded, "with_imports_s": time.perf_counter() - t,
                  "cpu_s": time.process_time() - c}))
"""


def measure_memory(cases: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Peak extra memory over the input, ours and scipy's float32 call."""
    rows = []
    for name, kind in cases:
        for what in ("y90voxel", "fftconvolve f32, whole"):
            found = measure_in_fresh_process(MEMORY_CODE, name, kind, what)
            ratio = found["extra_bytes"] / found["input_bytes"]
            rows.append({"case": name, "activity": kind, "who": what, "extra_over_input": ratio})
    return rows


def measure_start() -> dict[str, Any]:
    """First call in a fresh process with compiled code cached."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.npy"
        np.save(path, yv.voxel_kernel("Y-90", (4.8,) * 3).s_values)
        return measure_in_fresh_process(START_CODE, str(path))


def random_jobs(count: int, threads: int, seed: int = 5) -> list[dict[str, Any]]:
    """Ours against the cropped float32 FFT on random shapes, spacings of 2 to 5 mm and occupancies."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        shape = tuple(int(n) for n in np.exp(rng.uniform(np.log(12), np.log(220), 3)))
        spacing = tuple(float(s) for s in np.exp(rng.uniform(np.log(2.0), np.log(5.0), 3)).round(2))
        kernel = yv.voxel_kernel("Y-90", spacing)
        occupancy = float(np.exp(rng.uniform(np.log(1e-4), 0.0)))
        activity = np.zeros(shape, np.float32)
        if rng.random() < 0.5:  # a compact block, else scattered voxels
            edge = [max(1, round(n * occupancy ** (1 / 3))) for n in shape]
            start = [int(rng.integers(0, n - e + 1)) for n, e in zip(shape, edge, strict=True)]
            block = tuple(slice(a, a + e) for a, e in zip(start, edge, strict=True))
            activity[block] = rng.random(tuple(edge), np.float32) + np.float32(0.1)
        else:
            activity[rng.random(shape) < max(occupancy, 2 / np.prod(shape))] = 1.0
        if not activity.any():
            activity[0, 0, 0] = 1.0
        tia = yv.TimeIntegratedActivityMap(activity, yv.Grid.from_spacing(shape, spacing))
        engine = yv.KernelConvolution(kernel, threads=threads)
        box = box_of(activity, kernel.half_shape)
        taps = kernel.s_values
        run = {
            OURS: lambda engine=engine, tia=tia: engine.dose(tia),
            "box f32": lambda a=activity, k=taps, box=box: in_box(a, k, box, np.float32),
            "find box": lambda a=activity, half=kernel.half_shape: box_of(a, half),
        }
        timings = interleave(run, REPEATS)
        rows.append(
            {
                "shape": shape,
                "spacing_mm": spacing,
                "kernel": taps.shape,
                "occupancy": float((activity > 0).mean()),
                "algorithm": convolve_cropped(activity, taps, threads=threads).algorithm,
                "ours_ms": timings[OURS].wall_ms,
                "wall_ratio": timings["box f32"].wall_median_s / timings[OURS].wall_median_s,
                "wall_ratio_with_search": (
                    timings["box f32"].wall_median_s + timings["find box"].wall_median_s
                )
                / timings[OURS].wall_median_s,
                "cpu_ratio": timings["box f32"].cpu_median_s / timings[OURS].cpu_median_s,
            }
        )
    return rows


def check_floors(cases: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> list[list[Any]]:
    """Return what, floor, measured by wall and by CPU time, and whether it holds by wall time, of every floor."""
    rows: list[list[Any]] = []

    def check(what: str, floor: float, wall: float, cpu: float) -> None:
        verdict = "holds" if wall >= floor else "DOES NOT HOLD"
        rows.append([what, f"{floor:g}", f"{wall:.2f}", f"{cpu:.2f}", verdict])

    for case in cases:
        name = f"{case['case']}, {case['activity']}"
        asked = {WHOLE: FULL_FLOOR} if case["activity"] == "full" else {}
        if case["case"] in FLOORS and case["activity"] == "liver":
            whole, box = FLOORS[case["case"]]
            asked = {WHOLE: whole, BOX: box, ALONE: box}
        for peer, floor in asked.items():
            check(f"{name}: {peer}", floor, case["wall_ratio"][peer], case["cpu_ratio"][peer])
    walls, cpus = ([job[kind] for job in jobs] for kind in ("wall_ratio", "cpu_ratio"))
    check(
        f"{len(jobs)} random jobs, median: {BOX}",
        RANDOM_FLOORS[0],
        statistics.median(walls),
        statistics.median(cpus),
    )
    check(f"{len(jobs)} random jobs, least: {BOX}", RANDOM_FLOORS[1], min(walls), min(cpus))
    worst = max(case["error_found"] for case in cases)
    rows.append(["largest error over the maximum", f"{LARGEST_ERROR:g}", f"{worst:.1e}", "–",
                 "holds" if worst <= LARGEST_ERROR else "DOES NOT HOLD"])  # fmt: skip
    return rows


def report(cases: list[dict[str, Any]], rest: dict[str, Any]) -> str:
    """Return the tables that are printed."""
    rows = []
    for case in cases:
        for name, timing in case["timings"].items():
            ratios = [
                f"{case[kind][name]:.1f}" if name != OURS else "–" for kind in ("wall_ratio", "cpu_ratio")
            ]
            rows.append([case["case"], case["activity"], name, timing.repeats, f"{timing.wall_ms:.2f}",
                         f"{1e3 * timing.cpu_median_s:.2f}", *ratios])  # fmt: skip
    tables = [
        format_table(["case", "activity", "who", "n", "wall ms", "CPU ms", "wall ratio", "CPU ratio"], rows),
        format_table(
            ["case", "activity", "active", "box", "algorithm", "error bound", "error found"],
            [[c["case"], c["activity"], f"{100 * c['active_share']:.1f} %", f"{100 * c['box_share']:.1f} %",
              c["algorithm"], f"{c['error_bound']:.1e}", f"{c['error_found']:.1e}"] for c in cases],
        ),
        format_table(
            ["case", "activity", "who", "peak extra memory / input (float32)"],
            [[m["case"], m["activity"], m["who"], f"{m['extra_over_input']:.2f}"] for m in rest["memory"]],
        ),
        format_table(
            ["shape", "spacing mm", "kernel", "occupancy", "algorithm", "ours ms", "box f32 / ours", "+ search", "CPU"],
            [["×".join(map(str, j["shape"])), "×".join(map(str, j["spacing_mm"])), "×".join(map(str, j["kernel"])),
              f"{j['occupancy']:.1e}", j["algorithm"], f"{j['ours_ms']:.2f}", f"{j['wall_ratio']:.1f}",
              f"{j['wall_ratio_with_search']:.1f}", f"{j['cpu_ratio']:.1f}"] for j in rest["random"]],
        ),
        f"fresh process, warm cache: first call {rest['start']['first_call_s']:.2f} s, "
        f"with imports {rest['start']['with_imports_s']:.2f} s (CPU {rest['start']['cpu_s']:.2f} s)",
        format_table(["times faster than", "floor", "wall", "CPU", "by wall"], rest["floors"]),
    ]  # fmt: skip
    return "\n\n".join(tables)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the two small cases and four random jobs")
    parser.add_argument("--json", help="write results here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="*", type=int, help="indices of the cases to run")
    options = parser.parse_args()
    names = list(CASES)
    chosen = options.cases if options.cases is not None else range(2 if options.quick else 4)
    cases = [run_case(names[i], kind, options.threads) for i in chosen for kind in ("liver", "full")]
    jobs = random_jobs(4 if options.quick else 30, options.threads)
    rest = {
        "memory": measure_memory([(names[i], kind) for i in chosen for kind in ("liver", "full")]),
        "random": jobs,
        "start": measure_start(),
        "floors": check_floors(cases, jobs),
    }
    print(report(cases, rest))
    if options.json:
        machine = describe_machine()
        write_json(options.json, {"machine": machine, "threads": options.threads, "cases": cases, **rest})


if __name__ == "__main__":
    main()
