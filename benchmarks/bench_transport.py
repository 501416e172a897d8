"""Time the transport engines: superposition in a liver with lungs above it, then Monte Carlo; how both scale.

``python benchmarks/bench_transport.py [--quick] [--json FILE]``

The phantom: an ellipsoidal liver of 1.9 L (1.05 g/mL, two hot tumours, 0.35 noise), two lungs of 3.4 L over and
behind it (0.26 g/mL, 30 % noise in density), ribs (1.45), fat (0.93), noise of 3 % in soft tissue, air around. 6 % of
the activity is in the lungs. "full" adds a thousandth of the liver's concentration to every voxel, as reconstructions
have. The Monte Carlo part is that of ``bench_monte_carlo.py``.

Noise is the root mean square over voxels of (dose - dose with 16 times the rays) over the mean dose of the region.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bench_monte_carlo
import numpy as np
from harness import Timing, describe_machine, format_table, interleave, write_json

from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

FIELD_MM = (360.0, 300.0, 400.0)
TARGET_S = {4.8: 0.3, 2.4: 1.5}
LIVER_CENTRE, LIVER_AXES = (-40.0, -5.0, -50.0), (75.0, 70.0, 86.0)
DECAYS_PER_GBQ = 3.329e14
Masks = dict[str, np.ndarray]


def ellipsoid(axes: list[np.ndarray], centre: tuple[float, ...], half: tuple[float, ...]) -> np.ndarray:
    """Return where a point lies inside an ellipsoid [mm]."""
    return sum(((a - c) / h) ** 2 for a, c, h in zip(axes, centre, half, strict=True)) < 1


def anatomy(spacing_mm: float) -> tuple[Grid, Masks]:
    """Return grid and regions."""
    shape = tuple(round(n / spacing_mm) for n in FIELD_MM)
    axes = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * spacing_mm for n in shape], indexing="ij", sparse=True
    )
    z, y, x = axes
    everywhere = z > -1e9
    body = everywhere & ((y / 115) ** 2 + (x / 165) ** 2 < 1)
    inner = everywhere & ((y / 95) ** 2 + (x / 145) ** 2 < 1)
    liver = ellipsoid(axes, LIVER_CENTRE, LIVER_AXES)
    around = ellipsoid(axes, LIVER_CENTRE, tuple(a + 6 for a in LIVER_AXES))
    chest = (z > -60) & (z < 120) & ((y / 80) ** 2 + ((np.abs(x) - 85) / 52) ** 2 < 1)
    shell = body & ~inner & ((y / 100) ** 2 + (x / 150) ** 2 < 1)
    tumours = ellipsoid(axes, (20.0, -5.0, -50.0), (14.0,) * 3) | ellipsoid(
        axes, (-40.0, 10.0, -80.0), (20.0,) * 3
    )
    return Grid.from_spacing(shape, (spacing_mm,) * 3), {
        "body": body, "liver": liver, "tumours": tumours & liver, "lungs": inner & chest & ~around,
        "ribs": shell & (np.mod(z, 28) < 10), "fat": body & ~inner & ((y / 105) ** 2 + (x / 155) ** 2 >= 1),
    }  # fmt: skip


def phantom(
    spacing_mm: float, full: bool = False, uniform: bool = False
) -> tuple[TimeIntegratedActivityMap, DensityMap, Masks]:
    """Return decays of 2 GBq, densities and regions."""
    grid, masks = anatomy(spacing_mm)
    rng = np.random.default_rng(1)
    density = np.full(grid.shape, 0.05, np.float32)
    for name, value in (("body", 1.04), ("fat", 0.93), ("lungs", 0.26), ("ribs", 1.45)):
        density[masks[name]] = value
    noise = np.where(masks["lungs"], 0.3, 0.03) * rng.normal(size=grid.shape) * masks["body"]
    density = np.clip(density * (1 + noise), 0.05, None)
    density[masks["liver"]] = 1.05
    if uniform:
        density[:] = 1.05
    decays = np.where(masks["tumours"], 5.0, 1.0) * masks["liver"] * rng.gamma(8.0, 1 / 8, grid.shape)
    if full:
        decays += 1e-3
    decays *= 0.94 / decays.sum()
    lungs = masks["lungs"] * rng.gamma(4.0, 1 / 4, grid.shape)
    decays += 0.06 * lungs / lungs.sum()
    return (
        TimeIntegratedActivityMap((2 * DECAYS_PER_GBQ * decays).astype(np.float32), grid),
        DensityMap(density.astype(np.float32), grid),
        masks,
    )


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
    if options.json:
        content = {"timings": timings, "noise": noisy, "monte_carlo": monte_carlo}
        write_json(options.json, {"machine": describe_machine(), **content})
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
