"""Time and memory of rigid and deformable registration of two CTs of 300 × 512 × 512, with contours of both livers.

``python benchmarks/bench_registration.py [--shape 300 512 512] [--json FILE]``: the sample's CT on finer voxels, and the same
after breathing (12 mm at the dome, 2 mm below the middle of the liver). The load of the machine stands beside the times.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from accuracy_registration import NOISE_HU, Displacement, breathing, read
from harness import describe_machine, write_json

from y90voxel.volumes.deformable_registration import Guide, deform_ct
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import align_ct
from y90voxel.volumes.transform import sampled
from y90voxel.volumes.volume import CtImage, Mask

PER_GB = 1e9 if sys.platform == "darwin" else 1e9 / 1024  # ru_maxrss counts in bytes on macOS, else in kiB


def finer(array: np.ndarray, grid: Grid, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, Grid]:
    """Voxels of an image on a finer grid of the same box, the nearest taken; with noise where there is a seed."""
    for axis, count in enumerate(shape):
        places = ((np.arange(count) + 0.5) * grid.shape[axis] / count).astype(int)
        array = np.take(array, places, axis=axis)
    affine, steps = grid.affine.copy(), np.array(grid.shape) / np.array(shape)
    affine[:3, :3] *= steps
    affine[:3, 3] += grid.affine[:3, :3] @ ((steps - 1) / 2)
    if seed:
        noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
        array = array + NOISE_HU * noise
    return array.astype(np.float32), Grid(shape, affine)


def main() -> None:
    """Measure once: what is first counts too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(300, 512, 512))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    ct, liver = read(argparse.Namespace(ct=None))
    points = ct.grid.index_to_lps(np.argwhere(liver.array >= 0.5).astype(float))
    back = Displacement(breathing(points.mean(axis=0), points[:, 2].max())).inverse()
    shape = tuple(asked.shape)
    occupancy = np.clip(sampled(liver.array.astype(np.float32), ct.grid, ct.grid, back, 0.0), 0.0, 1.0)
    changed = sampled(ct.array.astype(np.float32), ct.grid, ct.grid, back, -1000.0)
    fixed, moving = CtImage(*finer(ct.array, ct.grid, shape, 1)), CtImage(*finer(changed, ct.grid, shape, 2))
    livers = [Mask(array, ct.grid) for array in (occupancy, liver.array)]
    places = ct.grid.index_to_lps(np.argwhere(occupancy >= 0.5).astype(float))
    held_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PER_GB
    machine, clocks = (
        describe_machine(("numpy", "scipy", "SimpleITK")),
        [(time.perf_counter(), time.process_time())],
    )
    rigid = align_ct(moving, fixed, places)
    clocks.append((time.perf_counter(), time.process_time()))
    found = deform_ct(rigid, livers[1], [Guide(*livers)])
    clocks.append((time.perf_counter(), time.process_time()))
    (rigid_s, rigid_cpu_s), (deformed_s, deformed_cpu_s) = np.diff(clocks, axis=0)
    row = {
        "shape": list(shape),
        "rigid_s": rigid_s,
        "rigid_cpu_s": rigid_cpu_s,
        "deformable_s": deformed_s,
        "deformable_cpu_s": deformed_cpu_s,
        "before_gb": held_gb,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PER_GB,
        "volume_ratio": list(found.quality.volume_ratio),
    }
    for name, value in row.items():
        print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
    print(f"load: {machine['load_average']}, cores: {machine['cores']}")
    if asked.json is not None:
        write_json(asked.json, {"machine": machine, "results": [row]})


if __name__ == "__main__":
    main()
