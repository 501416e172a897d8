"""Time the Monte Carlo engine: histories per second and core, and the time to 2 % per tumour voxel.

``python benchmarks/bench_monte_carlo.py [--quick] [--json FILE] [--against CHECKOUT]``

Rates are for CPU time of one thread, Y-90 spread over a block of 100 mm, by density, voxel size and cut-off; then for
wall time on 1 and 2 threads. The target run is a liver of 1.9 L at 4 mm with a tumour of 57 mL and four times its
concentration, under a lung. Exits 1 if the rate in liver (4 mm, 50 keV) is under 100,000 per second and core, or the
target takes over 60 s (both on an idle machine). ``--against`` times liver, lung and 2.4 mm in turn by this package and by
that of another checkout (``git worktree add FOLDER COMMIT``), each in processes of its own, and prints the ratio.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from harness import describe_machine, format_table, write_json

from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, Mask, TimeIntegratedActivityMap

LEAST_RATE = 100_000
ROUNDS = 3  # of both checkouts in turn
COMPARED = (("Y-90", 4.0, 1.05, 0.05), ("Y-90", 4.0, 0.26, 0.05), ("Y-90", 2.4, 1.05, 0.05))
TARGET_S = 60.0
BLOCK_MM = 100.0
Row = dict[str, object]


def block(spacing_mm: float, density: float) -> tuple[TimeIntegratedActivityMap, DensityMap]:
    """Return a uniformly active block inside 20 mm of the same density."""
    edge, inside = round(20.0 / spacing_mm), round(BLOCK_MM / spacing_mm)
    shape = (inside + 2 * edge,) * 3
    array = np.zeros(shape)
    array[(slice(edge, edge + inside),) * 3] = 1e9
    grid = Grid.from_spacing(shape, (spacing_mm,) * 3)
    return TimeIntegratedActivityMap(array, grid), DensityMap(np.full(shape, density), grid)


def rate(
    name: str, spacing_mm: float, density: float, cutoff_mev: float, histories: int, threads: int
) -> tuple[float, float]:
    """Return histories per second of CPU and of wall time, the better of two runs."""
    tia, densities = block(spacing_mm, density)
    best = [0.0, 0.0]
    for seed in range(2):
        engine = MonteCarlo(name, histories, seed, electron_cutoff_mev=cutoff_mev, threads=threads)
        cpu = time.process_time()
        result = engine.simulate(tia, densities)
        cpu = time.process_time() - cpu
        best = [max(best[0], result.histories / cpu), max(best[1], result.histories / result.seconds)]
    return best[0], best[1]


def rates(histories: int) -> list[Row]:
    """Return rates by nuclide, density, voxel size and cut-off."""
    cases = [
        ("Y-90", 4.0, 1.05, 0.05), ("Y-90", 4.0, 0.26, 0.05), ("Y-90", 4.0, 1.92, 0.05), ("Y-90", 2.4, 1.05, 0.05),
        ("Y-90", 1.0, 1.05, 0.05), ("Y-90", 4.0, 1.05, 0.01), ("Ho-166", 4.0, 1.05, 0.05),
    ]  # fmt: skip
    found = []
    for name, spacing, density, cutoff in cases:
        cpu, _ = rate(name, spacing, density, cutoff, histories, 1)
        found.append(
            {"nuclide": name, "voxel_mm": spacing, "density": density, "cutoff_mev": cutoff, "per_core": cpu}
        )
    return found


def scaling(histories: int) -> list[Row]:
    """Return wall rates by threads."""
    return [
        {"threads": threads, "per_second": rate("Y-90", 4.0, 1.05, 0.05, histories * threads, threads)[1]}
        for threads in (1, 2)
    ]


def target(uncertainty: float) -> Row:
    """Return what a target in every tumour voxel takes."""
    grid = Grid.from_spacing((100, 110, 120), (4.0, 4.0, 4.0))
    z, y, x = np.indices(grid.shape)
    liver = ((z - 40) / 14) ** 2 + ((y - 55) / 22) ** 2 + ((x - 60) / 23) ** 2 < 1
    tumour = (z - 44) ** 2 + (y - 55) ** 2 + (x - 66) ** 2 < 36
    density = np.where(liver, 1.05, np.where(z > 52, 0.26, 1.04))
    tia = TimeIntegratedActivityMap(1e9 * liver + 3e9 * tumour, grid)
    mask = Mask(tumour.astype(float), grid)
    engine = MonteCarlo("Y-90", target_uncertainty=uncertainty, target_mask=mask)
    result = engine.simulate(tia, DensityMap(density, grid), {"tumour": mask})
    return {
        "uncertainty": result.uncertainty, "mean_uncertainty": result.region_uncertainty["tumour"],
        "histories": result.histories, "seconds": result.seconds,
    }  # fmt: skip


def rates_of(checkout: Path, histories: int) -> list[float]:
    """Return the rates of the compared cases by the package of a checkout."""
    done = subprocess.run(
        [sys.executable, __file__, "--rates", str(histories)], env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(value) for value in done.stdout.split()]


def against(other: Path, histories: int) -> None:
    """Print the rates of this checkout and another, the best of rounds in turn."""
    here = Path(__file__).resolve().parents[1]
    runs = [(rates_of(here, histories), rates_of(other, histories)) for _ in range(ROUNDS)]
    new, old = np.array(runs).max(axis=0)
    print(format_table(
        ["nuclide", "voxel [mm]", "density [g/mL]", "here, histories/s/core", "there", "ratio"],
        [[c[0], c[1], c[2], f"{a:,.0f}", f"{b:,.0f}", f"{a / b:.2f}"] for c, a, b in zip(COMPARED, new, old, strict=True)],
    ))  # fmt: skip


def report(quick: bool) -> tuple[Row, bool]:
    """Print rates, scaling and the target run; return them, and whether the goals were missed."""
    histories = 100_000 if quick else 400_000
    rate("Y-90", 4.0, 1.05, 0.05, 1000, 1)  # compiles
    by_case, by_threads = rates(histories), scaling(histories)
    print(format_table(
        ["nuclide", "voxel [mm]", "density [g/mL]", "cut-off [keV]", "histories/s/core"],
        [[r["nuclide"], r["voxel_mm"], r["density"], f"{1000 * r['cutoff_mev']:g}", f"{r['per_core']:,.0f}"] for r in by_case],
    ))  # fmt: skip
    print()
    print(
        format_table(
            ["threads", "histories/s"], [[r["threads"], f"{r['per_second']:,.0f}"] for r in by_threads]
        )
    )
    reached = target(0.06 if quick else 0.02)
    print(
        f"\n{100 * reached['uncertainty']:.2f} % per tumour voxel at 4 mm "
        f"({100 * reached['mean_uncertainty']:.3f} % of their mean): {reached['seconds']:.1f} s, "
        f"{reached['histories']:,} histories"
    )
    missed = by_case[0]["per_core"] < LEAST_RATE or reached["seconds"] > TARGET_S
    return {"rates": by_case, "scaling": by_threads, "target": reached}, bool(missed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer histories, a target of 6 %%")
    parser.add_argument("--json", type=Path, help="write results here")
    parser.add_argument("--against", type=Path, help="another checkout of the package to compare with")
    parser.add_argument("--rates", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rates:
        rate("Y-90", 4.0, 1.05, 0.05, 1000, 1)  # compiles
        print(*(rate(*case, options.rates, 1)[0] for case in COMPARED))
        return 0
    if options.against:
        against(options.against, 100_000 if options.quick else 400_000)
        return 0
    content, missed = report(options.quick)
    if options.json:
        write_json(options.json, {"machine": describe_machine(), **content})
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
