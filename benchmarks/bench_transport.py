"""Time the transport engines: superposition in a liver with lungs above it, then both Monte Carlos; how they scale.

``python benchmarks/bench_transport.py [--quick] [--json FILE]``

The phantom is that of ``bench_phantom.py``. The Monte Carlo part is that of ``bench_monte_carlo.py``, the exact engine against
it that of ``bench_exact.py``.

Noise is the root mean square over voxels of (dose - dose with 16 times the rays) over the mean dose of the region.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bench_exact
import bench_monte_carlo
import numpy as np
from bench_phantom import phantom
from harness import Timing, describe_machine, format_table, interleave, write_json

from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.reference.voxel_kernel import voxel_kernel

TARGET_S = {4.8: 0.3, 2.4: 1.5}


def case_name(spacing_mm: float, kind: str) -> str:
    """Return how a case is called in tables."""
    return f"{spacing_mm:g} mm, {kind}"


def speed(spacings: list[float], repeats: int) -> tuple[dict[str, Timing], list[list[object]]]:
    """Time every case on one and two threads, and the convolution of the same map."""
    candidates, sizes = {}, {}
    for spacing in spacings:
        for kind in ("thorax", "full", "uniform"):
            tia, density, _ = phantom(spacing, full=kind == "full", uniform=kind == "uniform")
            sizes[case_name(spacing, kind)] = tia.grid.shape
            for threads in (1, 2):
                engine = DensitySuperposition("Y-90", threads=threads)
                candidates[f"{case_name(spacing, kind)}, {threads} threads"] = (
                    lambda engine=engine, tia=tia, density=density: engine.dose(tia, density)
                )
            kernel = KernelConvolution(
                voxel_kernel("Y-90", spacing, "liver", density_g_per_ml=1.05), threads=2
            )
            candidates[f"{case_name(spacing, kind)}, convolution"] = (
                lambda kernel=kernel, tia=tia, density=density: kernel.dose(tia, density)
            )
    timings = interleave(candidates, repeats)
    rows: list[list[object]] = []
    for name, shape in sizes.items():
        one, two = (timings[f"{name}, {threads} threads"] for threads in (1, 2))
        spacing = float(name.split()[0])
        target = f"{TARGET_S[spacing]:g}" if spacing in TARGET_S and "thorax" in name else ""
        rows.append([
            name, "×".join(map(str, shape)), f"{one.wall_median_s:.3f}", f"{two.wall_median_s:.3f}",
            f"{two.wall_min_s:.3f}", f"{two.cpu_median_s:.3f}", target,
            f"{timings[f'{name}, convolution'].wall_median_s:.3f}",
        ])  # fmt: skip
    return timings, rows


def noise(spacings: list[float]) -> list[list[object]]:
    """Return the noise of the default effort in layers of lung and in the liver."""
    rows: list[list[object]] = []
    for spacing in spacings:
        tia, density, masks = phantom(spacing)
        found = DensitySuperposition("Y-90").dose(tia, density).array.astype(float)
        better = DensitySuperposition("Y-90", effort=16.0).dose(tia, density).array.astype(float)
        from scipy.ndimage import distance_transform_edt

        away = distance_transform_edt(~masks["liver"], sampling=(spacing,) * 3)
        layers = {
            f"lung {a}-{b} mm": masks["lungs"] & (away > a) & (away <= b)
            for a, b in ((6, 12), (12, 24), (24, 60))
        }
        for name, mask in {"liver": masks["liver"], "tumours": masks["tumours"], **layers}.items():
            rms = np.sqrt(((found - better)[mask] ** 2).mean()) / better[mask].mean()
            bias = found[mask].mean() / better[mask].mean() - 1
            rows.append([f"{spacing:g} mm", name, int(mask.sum()), f"{better[mask].mean():.2f}",
                         f"{100 * rms:.2f} %", f"{100 * bias:+.3f} %"])  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4.8 mm only, 3 repeats")
    parser.add_argument("--json", type=Path, help="write timings here")
    options = parser.parse_args()
    timings, rows = speed([4.8] if options.quick else [4.8, 2.4], 3 if options.quick else 5)
    header = [
        "case",
        "voxels",
        "1 thread [s]",
        "2 threads [s]",
        "least",
        "CPU [s]",
        "target [s]",
        "convolution [s]",
    ]
    print(format_table(header, rows))
    noisy = noise([4.8] if options.quick else [4.8, 2.4])
    print()
    print(
        format_table(
            ["voxel", "region", "voxels", "mean [Gy]", "noise per voxel", "noise of the mean"], noisy
        )
    )
    print()
    monte_carlo, missed = bench_monte_carlo.report(options.quick)
    print()
    exact, exact_missed = bench_exact.report(options.quick)
    if options.json:
        content = {"timings": timings, "noise": noisy, "monte_carlo": monte_carlo, "exact": exact}
        write_json(options.json, {"machine": describe_machine(), **content})
    return int(missed or exact_missed)


if __name__ == "__main__":
    sys.exit(main())
