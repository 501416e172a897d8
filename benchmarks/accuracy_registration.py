"""Target error of deformable registration on analytic deformations of a CT (the sample's by default), for decision 20.

``python benchmarks/accuracy_registration.py [--ct FILE --liver MASK] [--contrast HU] [--no-guides]`` prints one line a field:
mean / 95 % / most of the error in the whole liver and within 6 mm of its surface [mm], volume ratios, seconds of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from y90voxel.io.images import read_ct_file
from y90voxel.io.nifti import read_nifti
from y90voxel.regions.rasterise import rasterise
from y90voxel.study.read_study import read_study
from y90voxel.volumes.deformable_registration import Guide, deform_ct
from y90voxel.volumes.image_registration import align_ct
from y90voxel.volumes.transform import sampled
from y90voxel.volumes.volume import CtImage, Mask

SAMPLE = Path(__file__).parent.parent / "sample_data" / "study"
NOISE_HU = 20.0  # of both CTs; that of a low-dose CT
NEAR_MM = 6.0  # what a CT shows of an even liver lies so near its surface
Field = Callable[[Any], Any]


class Way:
    """A function as a transform."""

    def __init__(self, function: Field) -> None:
        self.points = function

    def inverse(self) -> Way:
        """Never asked for."""
        raise NotImplementedError


def breathing(centre: Any, dome_mm: float) -> Field:
    """12 mm along the body at the dome, 2 mm at the middle of the liver and below; a quarter of it towards the front."""

    def offset(points: Any) -> Any:
        shift = 2.0 + 10.0 * np.clip((points[..., 2] - centre[2]) / (dome_mm - centre[2]), 0.0, 1.0)
        return np.stack([0.0 * shift, -0.25 * shift, shift], axis=-1)

    return offset


def affine(centre: Any, dome_mm: float) -> Field:
    """Longer by 5 % along the body, sheared by 3 %."""
    matrix = np.array([[1.0, 0.0, 0.03], [0.0, 1.0, 0.0], [0.0, 0.0, 1.05]]) - np.eye(3)
    return lambda points: (points - centre) @ matrix.T


def sine(centre: Any, dome_mm: float) -> Field:
    """6 mm along each axis as sines of 100, 110 and 90 mm."""
    waves = 2 * np.pi / np.array((100.0, 110.0, 90.0))

    def offset(points: Any) -> Any:
        return 6.0 * np.sin(waves * np.roll(points - centre, 1, axis=-1))

    return offset


def measured(ct: CtImage, liver: Mask, field: Field, contrast_hu: float, guided: bool) -> str:
    """One line: how well a field is found."""

    def back(points: Any) -> Any:
        found = np.array(points, float)
        for _ in range(30):
            found = points - field(found)
        return found

    rng, grid = np.random.default_rng(0), ct.grid
    moved = np.clip(sampled(liver.array.astype(np.float32), grid, grid, Way(back), 0.0), 0.0, 1.0)
    before = sampled(ct.array.astype(np.float32), grid, grid, Way(back), -1000.0) + contrast_hu * moved
    moving = CtImage((before + rng.normal(0, NOISE_HU, grid.shape)).astype(np.float32), grid)
    fixed = CtImage((ct.array + rng.normal(0, NOISE_HU, grid.shape)).astype(np.float32), grid)
    started = time.process_time()
    rigid = align_ct(moving, fixed, grid.index_to_lps(np.argwhere(moved >= 0.5).astype(float)))
    guides = [Guide(Mask(moved, grid), liver)] if guided else []
    found = deform_ct(rigid, liver, guides)
    seconds = time.process_time() - started
    inside = liver.array >= 0.5
    index = np.argwhere(inside)
    points = grid.index_to_lps(index.astype(float))
    truth = points + field(points)
    errors = np.linalg.norm(found.pull.points(points) - truth, axis=-1)
    near = distance_transform_edt(inside, sampling=grid.spacing_mm)[tuple(index.T)] <= NEAR_MM
    low, high = found.quality.volume_ratio
    return (
        f"before {three(np.linalg.norm(truth - points, axis=-1))}, after {three(errors)}, near the surface "
        f"{three(errors[near])}; "
        f"volume ratios {low:.2f} to {high:.2f}, folded {found.quality.folded_share:g}; {seconds:.0f} s"
    )


def three(values: Any) -> str:
    """Mean, 95th percentile and greatest."""
    return f"{values.mean():.2f} / {np.percentile(values, 95):.2f} / {values.max():.2f}"


def main() -> None:
    """Measure every field."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--liver", type=Path)
    parser.add_argument("--contrast", type=float, default=50.0)
    parser.add_argument("--no-guides", action="store_true")
    parser.add_argument("--field", choices=("breathing", "affine", "sine"), action="append")
    asked = parser.parse_args()
    if asked.ct is None:
        study = read_study(SAMPLE)
        assert study.ct is not None
        ct = study.ct
        liver = rasterise(next(r.shape for r in study.drawn if r.name == "Liver"), ct.grid)  # type: ignore[arg-type]
    else:
        ct, mask = read_ct_file(asked.ct), read_nifti(asked.liver)
        occupancy = sampled(mask.array.squeeze().astype(np.float32), mask.grid, ct.grid, Way(np.asarray), 0.0)
        liver = Mask(np.clip(occupancy, 0.0, 1.0), ct.grid)
    points = ct.grid.index_to_lps(np.argwhere(liver.array >= 0.5).astype(float))
    for name in asked.field or ("breathing", "affine", "sine"):
        field = {"breathing": breathing, "affine": affine, "sine": sine}[name]
        print(
            name,
            measured(
                ct, liver, field(points.mean(axis=0), points[:, 2].max()), asked.contrast, not asked.no_guides
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
