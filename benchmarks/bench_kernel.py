"""Voxel kernels and photon tail: time, size, energy sum, and the same bits every time.

``python benchmarks/bench_kernel.py [--quick] [--json FILE]``
"""

from __future__ import annotations

import argparse
import hashlib

import numpy as np
from harness import describe_machine, format_table, interleave, measure_in_fresh_process, write_json

from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.radial_kernel import radial_kernel
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import TimeIntegratedActivityMap

J_PER_MEV = 1.602176634e-13
SPACINGS = (0.5, 1.0, 2.0, 2.4, 3.0, 4.8, (2.0, 3.1, 4.4), (0.5, 10.0, 10.0), 10.0)
CASES = (("Y-90", "water"), ("Ho-166", "water"), ("Y-90", "lung"))
GRIDS = (((128, 128, 128), 4.8), ((200, 256, 256), 2.4), ((300, 400, 400), 2.0))
COLD = """
import json, time
start = time.perf_counter()
from y90voxel.reference.voxel_kernel import voxel_kernel
imported = time.perf_counter()
voxel_kernel("Y-90", 4.8)
print(json.dumps({"import_s": imported - start, "first_kernel_s": time.perf_counter() - imported}))
"""


def kernel_rows(cases, repeats):
    rows = []
    for name, medium in cases:
        radial = radial_kernel(name, medium)
        held = float(radial.cumulative(radial.electron_reach_mm)) * nuclide(name).mean_electron_energy_mev
        jobs = {s: (lambda s=s, n=name, m=medium: voxel_kernel(n, s, m)) for s in SPACINGS}
        timings = interleave({str(s): job for s, job in jobs.items()}, repeats=repeats)
        for spacing, job in jobs.items():
            first, second = job(), job()
            bits = [hashlib.sha256(k.s_values.tobytes()).hexdigest() for k in (first, second)]
            timing = timings[str(spacing)]
            rows.append(
                {
                    "nuclide": name,
                    "medium": medium,
                    "spacing_mm": spacing,
                    "shape": first.s_values.shape,
                    "wall_ms": timing.wall_ms,
                    "cpu_ms": 1e3 * timing.cpu_median_s,
                    "self_dose_mgy_per_mbq_s": 1e9 * float(first.s_values.max()),
                    "energy_error": first.energy_j_per_decay / (held * J_PER_MEV) - 1,
                    "same_bits": bits[0] == bits[1],
                }
            )
    return rows


def tail_rows(grids, repeats):
    rows = []
    for shape, spacing in grids:
        grid = Grid.from_spacing(shape, (spacing,) * 3)
        array = np.zeros(shape, dtype=np.float32)
        middle = tuple(slice(n // 3, n // 2) for n in shape)
        array[middle] = np.random.default_rng(1).random([s.stop - s.start for s in middle]) * 1e6
        tia = TimeIntegratedActivityMap(array, grid)
        tail = PhotonTail("Y-90")
        timing = interleave({"tail": lambda tail=tail, tia=tia: tail.dose(tia)}, repeats=repeats)["tail"]
        rows.append(
            {
                "shape": shape,
                "spacing_mm": spacing,
                "wall_ms": timing.wall_ms,
                "cpu_ms": 1e3 * timing.cpu_median_s,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and cases, under 20 s")
    parser.add_argument("--json", help="file for the results")
    options = parser.parse_args()
    repeats = 3 if options.quick else 9
    kernels = kernel_rows(CASES[:1] if options.quick else CASES, repeats)
    tails = tail_rows(GRIDS[:2] if options.quick else GRIDS, repeats)
    cold = measure_in_fresh_process(COLD)
    header = (
        "nuclide",
        "medium",
        "voxel mm",
        "kernel",
        "wall ms",
        "CPU ms",
        "S(0,0,0)",
        "energy error",
        "same bits",
    )
    body = [
        (k["nuclide"], k["medium"], k["spacing_mm"], "×".join(map(str, k["shape"])), f"{k['wall_ms']:.1f}",
         f"{k['cpu_ms']:.1f}", f"{k['self_dose_mgy_per_mbq_s']:.5g}", f"{k['energy_error']:+.1e}", k["same_bits"])
        for k in kernels
    ]  # fmt: skip
    print(format_table(header, body))
    print()
    body = [
        ("×".join(map(str, t["shape"])), t["spacing_mm"], f"{t['wall_ms']:.0f}", f"{t['cpu_ms']:.0f}")
        for t in tails
    ]
    print(format_table(("photon tail on", "voxel mm", "wall ms", "CPU ms"), body))
    print(f"\nfresh process: import {cold['import_s']:.2f} s, first kernel {cold['first_kernel_s']:.3f} s")
    if options.json:
        write_json(
            options.json,
            {"machine": describe_machine(), "kernels": kernels, "photon_tail": tails, "cold": cold},
        )


if __name__ == "__main__":
    main()
