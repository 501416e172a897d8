"""Time the kernel convolution against its peers: one process, interleaved, medians.

    python benchmarks/bench_convolution.py [--quick] [--json FILE] [--plot FILE] [--threads N]

Peers: ``scipy.signal.fftconvolve`` (mode "same") on the whole image and on the bounding box of the activity plus half a
kernel, in float64 and float32; ``scipy.fft`` with the same number of threads as ours; ``scipy.ndimage``;
``FFTConvolution`` of SimpleITK; pyfftw and torch where installed; a plain numba loop. The cropped peers are given
the box, ours has to find it. Ours is called as users call it: ``KernelConvolution(kernel).dose(tia)``, which uses the
memory of an earlier map again when there is one; "fresh memory" is the call that finds none.

Memory is the growth of the peak resident size during one call, in a fresh process (``getrusage``), after a small call
has loaded the compiled code.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import describe_machine, format_table, interleave, measure_in_fresh_process, write_json
from scipy import fft
from scipy.signal import fftconvolve

import y90voxel as yv
from y90voxel.dose.convolution.convolve import convolve_cropped
from y90voxel.dose.convolution.low_rank import separate
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.dose.convolution.zeroed import release

CASES = {
    "128³ @ 4.8 mm": ((128, 128, 128), (4.8, 4.8, 4.8)),
    "256×256×200 @ 2.4 mm": ((200, 256, 256), (2.4, 2.4, 2.4)),
    "400×400×300 @ 2 mm": ((300, 400, 400), (2.0, 2.0, 2.0)),
    "512×512×400 @ 1 mm": ((400, 512, 512), (1.0, 1.0, 1.0)),
}
# One addition or fused multiply-add on a vector of 16 floats each cycle at 3.28 GHz: sgemm reached it here.
PEAK_OPERATIONS_PER_S_AND_CORE = 52.5e9


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


def other_peers(activity: np.ndarray, kernel: np.ndarray, threads: int) -> dict[str, Callable[[], Any]]:
    """Peers that work on the whole image and may not be installed."""
    from scipy import ndimage

    single = kernel.astype(np.float32)
    peers: dict[str, Callable[[], Any]] = {
        "scipy.ndimage f32": lambda: ndimage.convolve(activity, single, mode="constant"),
        "naive numba loop f32": lambda: naive_loop()(activity, single),
    }
    try:
        import SimpleITK as sitk  # noqa: N813

        images = sitk.GetImageFromArray(activity), sitk.GetImageFromArray(single)
        peers["SimpleITK FFTConvolution f32"] = lambda: sitk.FFTConvolution(*images)
    except ImportError:
        pass
    try:
        import pyfftw.interfaces.scipy_fft as fftw

        def planned() -> Any:
            with fft.set_backend(fftw):
                return with_workers(activity, kernel, threads)

        import pyfftw

        pyfftw.interfaces.cache.enable()
        peers["pyfftw f32 (estimate)"] = planned
    except ImportError:
        pass
    try:
        import torch

        image, taps = torch.from_numpy(activity)[None, None], torch.from_numpy(single)[None, None]
        padding = [k // 2 for k in kernel.shape]
        peers["torch conv3d f32"] = lambda: torch.nn.functional.conv3d(image, taps, padding=padding)
    except ImportError:
        pass
    return peers


_COMPILED: list[Any] = []


def naive_loop() -> Any:
    """Return a gather loop over source slices, rows and columns, compiled once."""
    if not _COMPILED:
        from numba import njit

        @njit
        def loop(activity: Any, kernel: Any) -> Any:
            nz, ny, nx = activity.shape
            a, b, c = kernel.shape[0] // 2, kernel.shape[1] // 2, kernel.shape[2] // 2
            out = np.empty_like(activity)
            for z in range(nz):
                for y in range(ny):
                    for x in range(nx):
                        total = np.float32(0)
                        for i in range(max(0, z - a), min(nz, z + a + 1)):
                            for j in range(max(0, y - b), min(ny, y + b + 1)):
                                for k in range(max(0, x - c), min(nx, x + c + 1)):
                                    total += activity[i, j, k] * kernel[a + z - i, b + y - j, c + x - k]
                        out[z, y, x] = total
            return out

        _COMPILED.append(loop)
    return _COMPILED[0]


def run_case(name: str, kind: str, threads: int, repeats: int, peers: str) -> dict[str, Any]:
    """Time one case; ``peers`` is "crop", "whole" or "all".

    Cropped peers and those on the whole image run in turn with ours in two runs: what leaves gigabytes behind would
    disturb what takes milliseconds.
    """
    shape, spacing = CASES[name]
    kernel = yv.voxel_kernel("Y-90", spacing)
    taps = kernel.s_values
    activity = liver(shape) if kind == "liver" else full(shape)
    tia = yv.TimeIntegratedActivityMap(activity, yv.Grid.from_spacing(shape, spacing))
    engine = yv.KernelConvolution(kernel, threads=threads)
    found = convolve_cropped(activity, taps, threads=threads)
    box = box_of(activity, kernel.half_shape)
    ours: dict[str, Callable[[], Any]] = {"y90voxel": lambda: engine.dose(tia)}
    runs = []
    if kind == "liver":
        cropped = {
            "fftconvolve f64, box": lambda: in_box(activity, taps, box, np.float64),
            "y90voxel, fresh memory": lambda: (release(), engine.dose(tia)),
            "fftconvolve f32, box": lambda: in_box(activity, taps, box, np.float32),
        }
        runs.append(interleave(ours | cropped, 5 * repeats if activity.size < 2**25 else 2 * repeats))
    if kind == "full" or peers != "crop":
        single = taps.astype(np.float32)
        whole: dict[str, Callable[[], Any]] = {
            "fftconvolve f32, whole": lambda: fftconvolve(activity, single, mode="same"),
            f"scipy.fft f32, whole, {threads} threads": lambda: with_workers(activity, taps, threads),
        }
        if peers != "crop":
            whole["fftconvolve f64, whole"] = lambda: fftconvolve(
                activity.astype(np.float64), taps, mode="same"
            )
        if peers == "all":
            whole |= other_peers(activity, taps, threads)
        runs.append(interleave(ours | whole, repeats))
    exact = in_box(activity, taps, box, np.float64)
    operations = operations_of(taps, found.algorithm)
    floor_s = operations * found.dose[found.box].size / (PEAK_OPERATIONS_PER_S_AND_CORE * threads)

    def ratios(time: str) -> dict[str, float]:
        return {
            other: getattr(timing, time) / getattr(run["y90voxel"], time)
            for run in runs
            for other, timing in run.items()
            if other != "y90voxel"
        }

    timings = {n: timing for run in reversed(runs) for n, timing in run.items()}
    return {
        "case": name,
        "activity": kind,
        "active_share": float((activity > 0).mean()),
        "box_share": found.dose[found.box].size / activity.size,
        "algorithm": found.algorithm,
        "error_bound": found.error,
        "error_found": float(np.abs(found.dose - exact).max() / exact.max()),
        "timings": timings,
        "wall_ratio": ratios("wall_median_s"),
        "cpu_ratio": ratios("cpu_median_s"),
        "operations_per_voxel": operations,
        "times_the_operation_floor": timings["y90voxel"].wall_median_s / floor_s if floor_s else None,
    }


def operations_of(taps: np.ndarray, algorithm: str) -> int:
    """Additions and fused multiply-adds per voxel of the algorithm that ran."""
    if algorithm == "fold":
        return PreparedKernel(taps).trimmed.folded.operations
    separated = separate(taps) if algorithm == "separable" else None
    return separated.operations if separated else 0


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
    """Ours against the cropped float32 FFT on random shapes, spacings and occupancies."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        shape = tuple(int(n) for n in np.exp(rng.uniform(np.log(12), np.log(220), 3)))
        spacing = tuple(float(s) for s in np.exp(rng.uniform(np.log(1.0), np.log(6.0), 3)).round(2))
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
            "y90voxel": lambda engine=engine, tia=tia: engine.dose(tia),
            "box f32": lambda a=activity, k=taps, box=box: in_box(a, k, box, np.float32),
            "find box": lambda a=activity, half=kernel.half_shape: box_of(a, half),
        }
        timings = interleave(run, 7)
        rows.append(
            {
                "shape": shape,
                "spacing_mm": spacing,
                "kernel": taps.shape,
                "occupancy": float((activity > 0).mean()),
                "algorithm": convolve_cropped(activity, taps, threads=threads).algorithm,
                "ours_ms": timings["y90voxel"].wall_ms,
                "wall_ratio": timings["box f32"].wall_median_s / timings["y90voxel"].wall_median_s,
                "wall_ratio_with_search": (
                    timings["box f32"].wall_median_s + timings["find box"].wall_median_s
                )
                / timings["y90voxel"].wall_median_s,
                "cpu_ratio": timings["box f32"].cpu_median_s / timings["y90voxel"].cpu_median_s,
            }
        )
    return rows


def scaling(threads: int, quick: bool) -> list[dict[str, Any]]:
    """How the cost grows: voxels, kernel size, occupancy."""
    rows = []

    def time(what: str, value: Any, activity: np.ndarray, spacing: float) -> None:
        kernel = yv.voxel_kernel("Y-90", (spacing,) * 3)
        tia = yv.TimeIntegratedActivityMap(activity, yv.Grid.from_spacing(activity.shape, (spacing,) * 3))
        engine = yv.KernelConvolution(kernel, threads=threads)
        timing = interleave({"ours": lambda: engine.dose(tia)}, 3)["ours"]
        found = convolve_cropped(activity, kernel.s_values, threads=threads)
        per_voxel = 1e9 * timing.cpu_median_s / found.dose[found.box].size
        rows.append({"what": what, "value": value, "algorithm": found.algorithm, "timing": timing,
                     "cpu_ns_per_box_voxel": per_voxel})  # fmt: skip

    for side in (64, 96) if quick else (48, 64, 96, 128, 192, 256):
        time("side [voxels], full, 2.4 mm", side, full((side,) * 3), 2.4)
    for spacing in (4.8, 2.4, 1.5) if quick else (6.0, 4.8, 4.0, 3.0, 2.4, 2.0, 1.5, 1.2, 1.0):
        time("voxel size [mm], full, 96³", spacing, full((96,) * 3), spacing)
    rng = np.random.default_rng(1)
    for share in (1e-4, 1e-2, 1.0) if quick else (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0):
        scattered = (rng.random((96,) * 3) < share).astype(np.float32)
        scattered[0, 0, 0] = scattered[-1, -1, -1] = 1.0
        time("scattered share of 96³, 2.4 mm", share, scattered, 2.4)
    return rows


PEERS = {
    "fftconvolve f64, whole": ("fftconvolve, float64, whole image", "#94a3b8"),
    "fftconvolve f32, whole": ("the same in float32", "#cbd5e1"),
    "fftconvolve f64, box": ("fftconvolve, float64, cropped", "#0f766e"),
    "fftconvolve f32, box": ("the same in float32", "#5eead4"),
}
GROWTH = {
    "side [voxels], full, 2.4 mm": ("Image size", "voxels along a side (all active, 2.4 mm)"),
    "voxel size [mm], full, 96³": ("Kernel size", "voxel size [mm] (all active, 96³)"),
    "scattered share of 96³, 2.4 mm": ("Occupancy", "share of active voxels (scattered, 96³, 2.4 mm)"),
}
ALGORITHMS = {"stamp": "#7c3aed", "fold": "#c2410c", "separable": "#0369a1", "fft": "#64748b"}


def plot(path: str, cases: list[dict[str, Any]], growth: list[dict[str, Any]]) -> None:
    """Draw how many times less CPU time ours takes, and how its cost grows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 7.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.25, 1.0))
    for axis, kind, title in zip(
        upper.subplots(1, 2),
        ("liver", "full"),
        ("Liver, 1 % of voxels active", "All voxels active"),
        strict=True,
    ):
        _draw_ratios(axis, [c for c in cases if c["activity"] == kind], title)
    for axis, (what, (title, label)) in zip(lower.subplots(1, 3), GROWTH.items(), strict=True):
        _draw_growth(axis, [g for g in growth if g["what"] == what], title, label)
    figure.savefig(path, dpi=150)


def _tidy(axis: Any, title: str) -> None:
    """Frame, grid and title of one panel."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#94a3b8")
    axis.tick_params(labelsize=8, color="#94a3b8")
    axis.grid(axis="y", color="#e2e8f0", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.set_title(title, fontsize=10, loc="left", fontweight="bold")


def _draw_ratios(axis: Any, cases: list[dict[str, Any]], title: str) -> None:
    """Bars: CPU time of the peers over ours."""
    names = [n for n in PEERS if any(n in c["cpu_ratio"] for c in cases)]
    width = 0.8 / max(len(names), 1)
    for i, name in enumerate(names):
        label, colour = PEERS[name]
        ratios = [c["cpu_ratio"].get(name, np.nan) for c in cases]
        places = np.arange(len(cases)) + (i - (len(names) - 1) / 2) * width
        bars = axis.bar(places, ratios, 0.92 * width, color=colour, label=label)
        axis.bar_label(bars, [f"{r:.0f}" if r >= 9.5 else f"{r:.1f}" for r in ratios], fontsize=7, padding=1)
    axis.axhline(1.0, color="#475569", linewidth=0.8)
    axis.set_yscale("log")
    axis.set_ylim(0.7, 400)
    axis.set_yticks([1, 10, 100], ["1", "10", "100"])
    axis.minorticks_off()
    axis.set_xticks(np.arange(len(cases)), [c["case"].replace(" @ ", "\n") for c in cases])
    axis.set_ylabel("times less CPU time", fontsize=8)
    _tidy(axis, title)
    axis.legend(fontsize=7, frameon=False, loc="upper right", ncols=2)


def _draw_growth(axis: Any, rows: list[dict[str, Any]], title: str, label: str) -> None:
    """One point for every job, in the colour of the algorithm that was chosen."""
    values, costs = [r["value"] for r in rows], [r["cpu_ns_per_box_voxel"] for r in rows]
    axis.plot(values, costs, color="#cbd5e1", linewidth=1.2, zorder=1)
    for name, colour in ALGORITHMS.items():
        chosen = [i for i, r in enumerate(rows) if r["algorithm"] == name]
        if chosen:
            axis.scatter(
                [values[i] for i in chosen],
                [costs[i] for i in chosen],
                s=26,
                color=colour,
                label=name,
                zorder=2,
            )
    if max(values) > 50 * min(values):
        axis.set_xscale("log")
    axis.set_ylim(0, 1.25 * max(costs))
    axis.set_xlabel(label, fontsize=8)
    axis.set_ylabel("CPU ns per voxel of the box", fontsize=8)
    _tidy(axis, title)
    axis.legend(fontsize=7, frameon=False, ncols=2)


def report(cases: list[dict[str, Any]], rest: dict[str, Any]) -> str:
    """Return the tables that are printed."""
    rows = []
    for case in cases:
        for name, timing in case["timings"].items():
            rows.append([
                case["case"], case["activity"], name, timing.repeats, f"{timing.wall_ms:.2f}",
                f"{1e3 * timing.cpu_median_s:.2f}",
                "–" if name == "y90voxel" else f"{case['wall_ratio'][name]:.1f}",
                "–" if name == "y90voxel" else f"{case['cpu_ratio'][name]:.1f}",
            ])  # fmt: skip
    tables = [
        format_table(["case", "activity", "who", "n", "wall ms", "CPU ms", "wall ratio", "CPU ratio"], rows)
    ]
    tables.append(format_table(
        ["case", "activity", "active", "box", "algorithm", "error bound", "error found", "ops/voxel", "x floor"],
        [[c["case"], c["activity"], f"{100 * c['active_share']:.1f} %", f"{100 * c['box_share']:.1f} %",
          c["algorithm"], f"{c['error_bound']:.1e}", f"{c['error_found']:.1e}", c["operations_per_voxel"],
          f"{c['times_the_operation_floor']:.1f}" if c["times_the_operation_floor"] else "–"] for c in cases],
    ))  # fmt: skip
    if rest["memory"]:
        tables.append(format_table(
            ["case", "activity", "who", "peak extra memory / input (float32)"],
            [[m["case"], m["activity"], m["who"], f"{m['extra_over_input']:.2f}"] for m in rest["memory"]],
        ))  # fmt: skip
    tables.append(format_table(
        ["what", "value", "algorithm", "wall ms", "CPU ns per box voxel"],
        [[s["what"], s["value"], s["algorithm"], f"{s['timing'].wall_ms:.2f}", f"{s['cpu_ns_per_box_voxel']:.1f}"]
         for s in rest["scaling"]],
    ))  # fmt: skip
    jobs = rest["random"]
    if jobs:
        tables.append(format_table(
            ["shape", "spacing mm", "kernel", "occupancy", "algorithm", "ours ms", "box f32 / ours", "+ search", "CPU"],
            [["×".join(map(str, j["shape"])), "×".join(map(str, j["spacing_mm"])), "×".join(map(str, j["kernel"])),
              f"{j['occupancy']:.1e}", j["algorithm"], f"{j['ours_ms']:.2f}", f"{j['wall_ratio']:.1f}",
              f"{j['wall_ratio_with_search']:.1f}", f"{j['cpu_ratio']:.1f}"] for j in jobs],
        ))  # fmt: skip
        tables.append(
            f"slowest of {len(jobs)} random jobs: {min(j['wall_ratio'] for j in jobs):.2f} x box f32"
        )
    start = rest["start"]
    tables.append(
        f"fresh process, warm cache: first call {start['first_call_s']:.2f} s, "
        f"with imports {start['with_imports_s']:.2f} s (CPU {start['cpu_s']:.2f} s)"
    )
    return "\n\n".join(tables)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the two small cases, under 20 s")
    parser.add_argument("--json", help="write results here")
    parser.add_argument("--plot", help="write the figure here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="*", type=int, help="indices of the cases to run")
    options = parser.parse_args()
    names = list(CASES)
    chosen = options.cases if options.cases is not None else range(2 if options.quick else 4)
    cases = []
    for i in chosen:
        for kind in ("liver", "full"):
            if options.quick and (i, kind) == (1, "full"):
                continue
            peers = (
                "all"
                if i == 0 and not options.quick
                else ("whole" if i == 0 or not options.quick else "crop")
            )
            repeats = 5 if options.quick or i > 1 else 7
            cases.append(run_case(names[i], kind, options.threads, repeats, peers))
    small = [(names[0], "liver")]
    rest = {
        "memory": measure_memory(
            small if options.quick else [(names[i], kind) for i in chosen for kind in ("liver", "full")]
        ),
        "scaling": scaling(options.threads, options.quick),
        "random": random_jobs(4 if options.quick else 30, options.threads),
        "start": measure_start(),
    }
    print(report(cases, rest))
    if options.json:
        machine = describe_machine(("numpy", "scipy", "numba", "SimpleITK", "pyfftw", "torch"))
        write_json(options.json, {"machine": machine, "threads": options.threads, "cases": cases, **rest})
    if options.plot:
        plot(options.plot, cases, rest["scaling"])


if __name__ == "__main__":
    main()
