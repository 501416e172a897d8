"""How often the 95 % bands of dose-volume histograms cover the truth blurred by the camera; exit 1 outside 90 to 99 %.

Run from the checkout: ``python benchmarks/accuracy_uncertainty.py [--quick] [--realisations 100] [--json FILE]``.

A phantom with known activity is blurred by a camera on a fine grid, averaged over its voxels and convolved to dose: that is
the truth, made with scipy alone (but for the table of S values). A realisation is what a department gets of it: counts with
Poisson noise, an activity and a lung shunt measured a little wrong, every region drawn too large or too small, all of them
shifted. It goes through `verify` and `with_uncertainty`. Counted is how often mean dose and D_x of the truth lie in the bands.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import describe_machine, format_table, write_json
from scipy import ndimage, signal

from y90voxel.case.case import Case
from y90voxel.case.dose_uncertainty import with_uncertainty
from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

# name, role, centre and half axes along slice, row, column [mm], uptake over normal liver
SHAPES = (
    ("Liver", Role.LIVER, (0.0, 0.0, 0.0), (48.0, 52.0, 60.0), 1.0),
    ("GTV1", Role.TUMOUR, (8.0, -6.0, -22.0), (19.0, 21.0, 20.0), 5.0),
    ("GTV2", Role.TUMOUR, (-14.0, 8.0, 28.0), (12.0, 13.0, 14.0), 4.0),
)
SPACING_MM, SHAPE, PARTS = (4.4, 4.4, 4.4), (33, 35, 39), 3
CAMERA_FWHM_MM, COUNTS = 10.0, 6e5
ACTIVITY_GBQ, SHUNT = 2.0, 0.08
SECONDS_PER_GBQ = 1e9 * 64.1 * 3600 / np.log(2)
LIVER_DENSITY = 1.05
# Standard uncertainties that realisations are drawn from, and that the bands are told.
TOLD = {
    "fwhm_mm": CAMERA_FWHM_MM, "contour_voxel_mm": 2.0, "contour_fwhm_mm": 5.0, "activity": 0.05, "residual": 0.03,
    "lung_shunt": 0.3, "registration_mm": 2.0,
}  # fmt: skip
READ_AT = (95, 90, 70, 50, 30, 10, 5)
LOW, HIGH = 0.90, 0.99


def occupancy(grid: Grid, centre, half_axes, parts: int = 4) -> np.ndarray:
    """Share of each voxel inside an ellipsoid, by sub-samples."""
    inside = []
    for axis in range(3):
        n, step = grid.shape[axis], grid.spacing_mm[axis]
        fine = (np.arange(n * parts) + 0.5) * step / parts - 0.5 * n * step
        inside.append(((fine - centre[axis]) / half_axes[axis]) ** 2)
    whole = inside[0][:, None, None] + inside[1][:, None] + inside[2] <= 1.0
    return whole.reshape(*(k for n in grid.shape for k in (n, parts))).mean(axis=(1, 3, 5))


@dataclass
class Truth:
    """What the camera would show without noise, and the doses in the regions as they are."""

    expected: np.ndarray
    curves: dict[str, np.ndarray]

    @classmethod
    def make(cls, grid: Grid) -> Truth:
        """Blur the phantom and convolve it to dose."""
        fine = Grid.from_spacing([n * PARTS for n in grid.shape], [s / PARTS for s in grid.spacing_mm])
        activity = np.zeros(fine.shape)
        for _, _, centre, axes, uptake in SHAPES:
            share = occupancy(fine, centre, axes, 2)
            activity = activity * (1 - share) + uptake * share
        sigma = CAMERA_FWHM_MM / 2.3548
        seen = ndimage.gaussian_filter(
            activity, [sigma / s for s in fine.spacing_mm], mode="constant", truncate=6
        )
        seen = seen.reshape(*(k for n in grid.shape for k in (n, PARTS))).sum(axis=(1, 3, 5))
        masks = {name: occupancy(grid, centre, axes) for name, _, centre, axes, _ in SHAPES}
        held = ACTIVITY_GBQ * (1 - SHUNT)
        decays = seen * held / (seen * masks["Liver"]).sum() * SECONDS_PER_GBQ
        kernel = voxel_kernel("Y-90", grid.spacing_mm, "liver", density_g_per_ml=LIVER_DENSITY)
        dose = signal.fftconvolve(decays, kernel.s_values, mode="same")
        density = np.where(
            masks["Liver"] > 0.999,
            LIVER_DENSITY,
            1.04 * (1 - masks["Liver"]) + LIVER_DENSITY * masks["Liver"],
        )
        dose = dose * kernel.density_g_per_ml / density
        masks["non-tumour liver"] = np.clip(masks["Liver"] - masks["GTV1"] - masks["GTV2"], 0, 1)
        return cls(seen, {name: read_off(dose, mask) for name, mask in masks.items()})


def read_off(dose: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean dose and D_x at `READ_AT`."""
    order = np.argsort(-dose, axis=None)
    doses, share = dose.ravel()[order], mask.ravel()[order]
    reached = np.cumsum(share) / share.sum()
    at = [doses[np.searchsorted(reached, x / 100)] for x in READ_AT]
    return np.array([(doses * share).sum() / share.sum(), *at])


def realisation(truth: Truth, grid: Grid, rng: np.random.Generator) -> Case:
    """One study of the phantom, with every error drawn."""
    counts = rng.poisson(truth.expected / truth.expected.sum() * COUNTS).astype(float)
    u_d = np.sqrt(TOLD["contour_voxel_mm"] ** 2 / 6 + TOLD["contour_fwhm_mm"] ** 2 / (4 * np.log(2)))
    shift = rng.normal(0.0, TOLD["registration_mm"], 3)
    drawn = []
    for name, role, centre, axes, _ in SHAPES:
        wrong = np.array(axes) + rng.normal(0.0, 0.5 * u_d)
        drawn.append(Region(name, role, Mask(occupancy(grid, np.array(centre) + shift, wrong), grid)))
    activity = (
        ACTIVITY_GBQ * 1e9 * (1 + rng.normal(0, TOLD["activity"])) * (1 + rng.normal(0, TOLD["residual"]))
    )
    shunt = SHUNT * max(0.0, 1 + rng.normal(0, TOLD["lung_shunt"]))
    return Case(
        label="phantom",
        injections=(
            Injection(
                EmissionImage(CountMap(counts, grid), "NM", "Y-90"),
                Administration(activity_bq=activity, lung_shunt_fraction=shunt, shunt_source="given"),
            ),
        ),
        regions=Regions(grid, tuple(drawn)),
    )


def covered(
    case: Case, truth: Truth, engine: KernelConvolution, samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Whether each number of the truth lies in its band, by region."""
    found = with_uncertainty(verify(case, engine), TOLD | {"samples": samples, "seed": seed})
    inside = {}
    for name, expected in truth.curves.items():
        band = found.uncertainty.bands[name]
        at = [int(np.argmin(np.abs(VOLUMES_PERCENT - x))) for x in READ_AT]
        low = np.array([band.mean_low_gy, *band.low_gy[at]])
        high = np.array([band.mean_high_gy, *band.high_gy[at]])
        inside[name] = (low <= expected) & (expected <= high)
    return inside


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="six realisations: shows that it runs, proves little"
    )
    parser.add_argument("--realisations", type=int, default=100)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args()
    count, samples = (6, 40) if options.quick else (options.realisations, options.samples)
    grid = Grid.from_spacing(
        SHAPE, SPACING_MM, tuple(-0.5 * (n - 1) * s for n, s in zip(SHAPE[::-1], SPACING_MM, strict=True))
    )
    truth = Truth.make(grid)
    engine = KernelConvolution(voxel_kernel("Y-90", SPACING_MM, "liver", density_g_per_ml=LIVER_DENSITY))
    started = time.perf_counter()
    hits: dict[str, list[np.ndarray]] = {name: [] for name in truth.curves}
    for number in range(count):
        case = realisation(truth, grid, np.random.default_rng([options.seed, number]))
        for name, inside in covered(case, truth, engine, samples, number).items():
            hits[name].append(inside)
    seconds = time.perf_counter() - started
    shares = {name: np.mean(rows, axis=0) for name, rows in hits.items()}
    header = ["region", "mean", *(f"D{x}" for x in READ_AT), "all"]
    rows = [
        [name, *(f"{100 * s:.0f} %" for s in row), f"{100 * row.mean():.1f} %"]
        for name, row in shares.items()
    ]
    print(f"Truth inside the 95 % band, {count} realisations, {samples} samples each, {seconds:.0f} s\n")
    print(format_table(header, rows))
    pooled = {name: float(row.mean()) for name, row in shares.items()}
    wrong = (
        [name for name, share in pooled.items() if not LOW <= share <= HIGH]
        if not options.quick
        else [name for name, share in pooled.items() if share < 0.6]
    )
    if options.json:
        content = {
            "machine": describe_machine(),
            "realisations": count,
            "samples": samples,
            "read_at": READ_AT,
        }
        write_json(options.json, {**content, "coverage": {n: row.tolist() for n, row in shares.items()}})
    print(f"\noutside {100 * LOW:.0f} to {100 * HIGH:.0f} %: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
