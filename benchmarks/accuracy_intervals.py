"""How often intervals of mean doses hold the truth when every term of the budget is drawn; exit 1 outside 92 to 98 %.

Run from the checkout: ``python benchmarks/accuracy_intervals.py [--quick] [--realisations 400] [--json FILE]``.

The phantom and the realisations are those of ``accuracy_uncertainty.py``: Poisson counts, activity, residual and shunt measured
a little wrong, every region drawn too large or too small, all of them shifted. Drawn beside them are the region of the
calibration (a factor as uncertain as the budget says) and the recovery of six spheres, each measured to 5 %, that a curve is
fitted to.

- recovery on: the interval (k = 2) of a tumour's corrected mean, against the mean dose of the activity as it is;
- recovery off: the interval of the mean of the blurred image, against the mean dose of the blurred activity;
- sampled: 95 % of the sampled means, which are of the blurred image too.

An uncorrected interval is no interval of the true dose: how seldom it holds that is printed beside, and judges nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from accuracy_uncertainty import (
    ACTIVITY_GBQ,
    CAMERA_FWHM_MM,
    LIVER_DENSITY,
    PARTS,
    SECONDS_PER_GBQ,
    SHAPE,
    SHAPES,
    SHUNT,
    SPACING_MM,
    TOLD,
    Truth,
    occupancy,
    realisation,
)
from harness import describe_machine, format_table, write_json
from scipy import ndimage, signal

from y90voxel.case import dose_uncertainty
from y90voxel.case.dose_uncertainty import BLURRED_MEAN, CORRECTED_MEAN, with_uncertainty
from y90voxel.case.recovery_correction import with_partial_volume
from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.quantification.partial_volume import RecoveryFit, fit_recovery
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.volumes.grid import Grid

LOW, HIGH = 0.92, 0.98
SPHERES_MM = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)  # inner diameters of the NEMA phantom
RECOVERY_UNCERTAINTY = 0.05
TUMOURS, BLURRED = ("GTV1", "GTV2"), ("Liver", "non-tumour liver", "GTV1", "GTV2")


def camera(activity: np.ndarray, fine: Grid, shape: tuple[int, int, int]) -> np.ndarray:
    """What the camera shows of activity on the fine grid."""
    sigma = CAMERA_FWHM_MM / 2.3548
    seen = ndimage.gaussian_filter(
        activity, [sigma / s for s in fine.spacing_mm], mode="constant", truncate=6
    )
    return seen.reshape(*(k for n in shape for k in (n, PARTS))).sum(axis=(1, 3, 5))


def measured_recovery() -> np.ndarray:
    """Recovery of cold-background spheres in this camera."""
    shape = (17, 17, 17)
    grid = Grid.from_spacing(shape, SPACING_MM)
    fine = Grid.from_spacing([n * PARTS for n in shape], [s / PARTS for s in SPACING_MM])
    found = []
    for diameter in SPHERES_MM:
        ball = occupancy(fine, (0, 0, 0), (diameter / 2,) * 3, 4)
        mask = occupancy(grid, (0, 0, 0), (diameter / 2,) * 3, 12)
        seen = camera(ball, fine, shape) / PARTS**3
        found.append(float((seen * mask).sum() / mask.sum()))
    return np.array(found)


def true_means(grid: Grid) -> dict[str, float]:
    """Mean dose of each region from the activity as it is, on the fine grid."""
    fine = Grid.from_spacing([n * PARTS for n in grid.shape], [s / PARTS for s in grid.spacing_mm])
    activity, masks = np.zeros(fine.shape), {}
    for name, _, centre, axes, uptake in SHAPES:
        masks[name] = share = occupancy(fine, centre, axes, 2)
        activity = activity * (1 - share) + uptake * share
    decays = activity * ACTIVITY_GBQ * (1 - SHUNT) / (activity * masks["Liver"]).sum() * SECONDS_PER_GBQ
    kernel = voxel_kernel("Y-90", fine.spacing_mm, "liver", density_g_per_ml=LIVER_DENSITY)
    dose = signal.fftconvolve(decays, kernel.s_values, mode="same")
    return {name: float((dose * mask).sum() / mask.sum()) for name, mask in masks.items()}


def drawn_curve(recovery: np.ndarray, rng: np.random.Generator) -> RecoveryFit:
    """The curve that a department fits to spheres that it measured a little wrong."""
    volumes = np.pi * np.array(SPHERES_MM) ** 3 / 6000.0
    wrong = recovery * (1.0 + RECOVERY_UNCERTAINTY * rng.standard_normal(recovery.size))
    return fit_recovery(volumes.tolist(), wrong.tolist(), RECOVERY_UNCERTAINTY)


def holds(low: float | None, high: float | None, truth: float) -> bool:
    return low is not None and high is not None and low <= truth <= high


def one(
    truth: Truth, plain: dict[str, float], recovery: np.ndarray, grid: Grid, seed: list[int], samples: int
):
    """Whether each interval holds its truth, and the ratio of what was found to it."""
    rng = np.random.default_rng(seed)
    case = realisation(truth, grid, rng)
    engine = KernelConvolution(voxel_kernel("Y-90", SPACING_MM, "liver", density_g_per_ml=LIVER_DENSITY))
    scaling = verify(case, engine).calibration_spread.scaling
    injection = case.injections[0]
    given = injection.administration
    off = float(np.exp(scaling * rng.standard_normal()))
    administration = replace(given, activity_bq=given.activity_bq * off)
    case = replace(case, injections=(replace(injection, administration=administration),))
    curve = drawn_curve(recovery, rng)
    found = verify(case, engine)
    told = TOLD | {"samples": samples, "seed": seed[-1]}
    uncorrected = with_uncertainty(found, told)
    with patch.object(dose_uncertainty, "sample_bands", lambda *_: ({}, [])):  # the same samples once more
        corrected = with_uncertainty(with_partial_volume(found, engine, curve), told | {"recovery": curve})
    inside: dict[str, bool] = {}
    ratios: dict[str, float] = {}
    for name in BLURRED:
        known = uncorrected.region(name)
        uncertain, blurred = known.uncertainty, float(truth.curves[name][0])
        assert uncertain.interval_of == BLURRED_MEAN
        inside[f"off: {name}"] = holds(uncertain.low_gy, uncertain.high_gy, blurred)
        inside[f"sampled: {name}"] = holds(uncertain.sampled_low_gy, uncertain.sampled_high_gy, blurred)
        ratios[f"off: {name}"] = known.mean_gy / blurred
        if name in TUMOURS:
            inside[f"off, of the true mean: {name}"] = holds(uncertain.low_gy, uncertain.high_gy, plain[name])
            fixed = corrected.region(name)
            assert fixed.uncertainty.interval_of == CORRECTED_MEAN
            inside[f"on: {name}"] = holds(fixed.uncertainty.low_gy, fixed.uncertainty.high_gy, plain[name])
            ratios[f"on: {name}"] = fixed.partial_volume.mean_corrected_gy / plain[name]
            ratios[f"on, u: {name}"] = fixed.relative_uncertainty
            ratios[f"off, u: {name}"] = known.relative_uncertainty
    return inside, ratios


def percentages(results) -> str:
    """Coverage so far, and what was found over the truth."""
    shares = [f"{name} {100 * np.mean([i[name] for i, _ in results]):.1f} %" for name in results[0][0]]
    found = [(name, np.array([ratios[name] for _, ratios in results])) for name in results[0][1]]
    return ", ".join([*shares, *(f"{name} {v.mean():.3f} ± {v.std():.3f}" for name, v in found)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="four realisations: shows that it runs, proves nothing"
    )
    parser.add_argument("--realisations", type=int, default=400)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args()
    count, samples = (4, 40) if options.quick else (options.realisations, options.samples)
    origin = tuple(-0.5 * (n - 1) * s for n, s in zip(SHAPE[::-1], SPACING_MM, strict=True))
    grid = Grid.from_spacing(SHAPE, SPACING_MM, origin)
    truth, plain, recovery = Truth.make(grid), true_means(grid), measured_recovery()
    started = time.perf_counter()
    results = []
    for number in range(count):
        results.append(one(truth, plain, recovery, grid, [options.seed, number], samples))
        if (number + 1) % 50 == 0:
            print(f"{number + 1} realisations: {percentages(results)}", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    shares = {name: float(np.mean([inside[name] for inside, _ in results])) for name in results[0][0]}
    ratios = {name: np.array([ratio[name] for _, ratio in results]) for name in results[0][1]}
    print(f"Truth inside the interval, {count} realisations, {seconds:.0f} s\n")
    rows = [[name, f"{100 * share:.1f} %"] for name, share in shares.items()]
    print(format_table(["interval", "holds the truth"], rows))
    print()
    rows = [[name, f"{values.mean():.3f}", f"{values.std():.3f}"] for name, values in ratios.items()]
    print(format_table(["found over truth, or u", "mean", "SD"], rows))
    judged = {name: share for name, share in shares.items() if not name.startswith("off, of the true")}
    wrong = [name for name, share in judged.items() if not LOW <= share <= HIGH]
    if options.json:
        content = {"machine": describe_machine(), "realisations": count, "coverage": shares}
        write_json(
            options.json, content | {"found_over_truth": {n: [v.mean(), v.std()] for n, v in ratios.items()}}
        )
    print(f"\noutside {100 * LOW:.0f} to {100 * HIGH:.0f} %: {', '.join(wrong) or 'none'}")
    return 1 if wrong and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
