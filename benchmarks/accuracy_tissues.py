"""The density engine beside lung of any density, gas, bone and skin, against this package's Monte Carlo.

Run from the checkout: ``python benchmarks/accuracy_tissues.py [--histories N] [--only WORD] [--json FILE]``. The Monte Carlo
itself stands against PENELOPE in ``tests/dose/monte_carlo`` and ``docs/decisions/0006-monte-carlo.md``; ``accuracy_lung.py``
holds the density engine against PENELOPE where it was run. Uniform activity in the active tissue, none elsewhere.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import describe_machine, format_table, write_json
from numpy.typing import NDArray

from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo
from y90voxel.reference.nuclide import nuclide
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, Mask, TimeIntegratedActivityMap

# About those of ICRU 46 for ribs and for vertebrae with cartilage (from memory); gas: air [g/mL].
LIVER, LUNG, GAS, RIB, SPINE = 1.05, 0.26, 0.0012, 1.41, 1.33
Place = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
Where = Callable[[Place], NDArray[np.bool_]]


@dataclass(frozen=True)
class Situation:
    """Tissues around an active one, and where doses are compared.

    Parameters
    ----------
    name, nuclide : str
        What it is.
    spacing_mm, size_mm : tuple of float, (3,)
        Voxels and box, along z, y, x [mm]; the origin is the middle.
    density : callable
        Density at z, y, x [g/mL].
    active : callable
        Whether a place is active.
    regions : mapping of str to callable
        Where doses are compared.
    """

    name: str
    nuclide: str
    spacing_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    density: Callable[[Place], NDArray[np.float64]]
    active: Where
    regions: dict[str, Where]

    def maps(self) -> tuple[TimeIntegratedActivityMap, DensityMap, dict[str, Mask]]:
        """One decay per mL of active tissue, the densities, and the regions."""
        shape = tuple(round(size / step) for size, step in zip(self.size_mm, self.spacing_mm, strict=True))
        grid = Grid.from_spacing(shape, self.spacing_mm)
        axes = [(np.arange(n) + 0.5 - n / 2) * s for n, s in zip(shape, self.spacing_mm, strict=True)]
        place = tuple(np.broadcast_arrays(*np.meshgrid(*axes, indexing="ij", sparse=True)))
        decays = self.active(place) * grid.voxel_volume_ml
        masks = {n: Mask(where(place).astype(np.float32), grid) for n, where in self.regions.items()}
        return (
            TimeIntegratedActivityMap(decays.astype(np.float32), grid),
            DensityMap(self.density(place).astype(np.float32), grid),
            masks,
        )


def _layer(low: float, high: float) -> Where:
    """Places between two heights, away from the sides of the box [mm]."""
    return lambda p: (p[0] > low) & (p[0] < high) & (np.abs(p[1]) < 32) & (np.abs(p[2]) < 32)


def _sphere(p: Place, z: float, radius: float) -> NDArray[np.bool_]:
    """Places within a sphere whose centre lies on the axis."""
    return (p[0] - z) ** 2 + p[1] ** 2 + p[2] ** 2 < radius**2


def _beside_lung(
    name: str, lung: float, *, lung_active: bool, nuclide: str = "Y-90", spacing: tuple[float, float, float] = (1.0, 8.0, 8.0)
) -> Situation:  # fmt: skip
    """Liver below, lung above a plane."""
    far = 40.0 if lung >= 0.2 else 60.0
    steps = (-8.0, 0.0, 4.0, 12.0, 20.0) if spacing[0] <= 2.0 else (-8.0, 0.0, 8.0, 16.0)
    layers = {f"{low:g} to {high:g} mm": _layer(low, high) for low, high in itertools.pairwise(steps)}
    return Situation(
        name, nuclide, spacing, (2 * far, 160.0, 160.0), lambda p: np.where(p[0] > 0, lung, LIVER),
        lambda p: (p[0] > 0) == lung_active, layers,
    )  # fmt: skip


def situations() -> list[Situation]:
    """Return all situations."""
    found = []
    for lung, active in itertools.product((0.10, 0.15, 0.20, LUNG), (False, True)):
        who = "lung" if active else "liver"
        found.append(_beside_lung(f"lung {lung:.2f} g/mL, {who} active", lung, lung_active=active))
    for active in (False, True):
        who = "lung" if active else "liver"
        found.append(
            _beside_lung(f"Ho-166, lung 0.26, {who} active", LUNG, lung_active=active, nuclide="Ho-166")
        )
    found += [
        _beside_lung("voxels of 1 mm, liver active", LUNG, lung_active=False, spacing=(1.0, 1.0, 1.0)),
        _beside_lung("voxels of 8 × 2 × 2 mm, liver active", LUNG, lung_active=False, spacing=(8.0, 2.0, 2.0)),
        Situation(
            "stomach: 40 mm of gas, wall of 4 mm on the liver", "Y-90", (2.0, 2.0, 2.0), (120.0, 96.0, 96.0),
            lambda p: np.where(_sphere(p, 20.0, 20.0), GAS, LIVER), lambda p: p[0] < -4.0,
            {"wall on the liver": lambda p: (p[0] > -4) & (p[0] < 0) & (np.hypot(p[1], p[2]) < 16),
             "wall across the gas": lambda p: _sphere(p, 20.0, 24.0) & ~_sphere(p, 20.0, 20.0) & (p[0] > 30),
             "liver, 4 to 8 mm deep": lambda p: (p[0] > -8) & (p[0] < -4) & (np.hypot(p[1], p[2]) < 16)},
        ),
        Situation(
            "rib of 8 mm, 4 mm off the liver", "Y-90", (1.0, 8.0, 8.0), (80.0, 160.0, 160.0),
            lambda p: np.where((p[0] > 4) & (p[0] < 12), RIB, LIVER), lambda p: p[0] < 0,
            {"0 to 4 mm": _layer(0, 4), "rib, 4 to 8 mm": _layer(4, 8), "liver, −4 to 0 mm": _layer(-4, 0)},
        ),
        Situation(
            "spine of 30 mm on the liver", "Y-90", (1.0, 8.0, 8.0), (80.0, 160.0, 160.0),
            lambda p: np.where(p[0] > 0, SPINE, LIVER), lambda p: p[0] < 0,
            {"bone, 0 to 4 mm": _layer(0, 4), "bone, 4 to 8 mm": _layer(4, 8), "liver, −4 to 0 mm": _layer(-4, 0)},
        ),
        Situation(
            "lesion of 20 mm, 1 mm under the skin", "Y-90", (1.0, 1.0, 1.0), (50.0, 44.0, 44.0),
            lambda p: np.where(p[0] > 11, GAS, LIVER), lambda p: _sphere(p, 0.0, 10.0),
            {"lesion": lambda p: _sphere(p, 0.0, 10.0),
             "skin over it, 1 mm": lambda p: (p[0] > 10) & (p[0] < 11) & (np.hypot(p[1], p[2]) < 5)},
        ),
    ]  # fmt: skip
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=3_000_000, help="decays of each Monte Carlo run")
    parser.add_argument("--only", default="", help="situations whose name holds this")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args()
    rows, results = [], []
    for situation in situations():
        if options.only not in situation.name:
            continue
        tia, density, masks = situation.maps()
        truth = MonteCarlo(situation.nuclide, histories=options.histories).simulate(tia, density, masks)
        engine = DensitySuperposition(situation.nuclide)
        found = engine.complete_dose(tia, density, nuclide(situation.nuclide), {}).dose
        for name, mask in masks.items():
            inside = mask.array > 0.5
            expected, computed = float(truth.dose.array[inside].mean()), float(found.array[inside].mean())
            sigma = truth.region_uncertainty[name]
            rows.append([situation.name, name, f"{computed / expected - 1:+.1%}", f"{sigma:.1%}"])
            results.append({
                "situation": situation.name, "region": name, "monte_carlo_gy": expected, "density_gy": computed,
                "relative_sigma": sigma,
            })  # fmt: skip
        print(f"{situation.name}: done", flush=True)
    print("\nDensity engine over Monte Carlo less 1, mean dose of a region; 1σ of the Monte Carlo\n")
    print(format_table(["situation", "region", "difference", "1σ"], rows))
    if options.json:
        machine = describe_machine()
        write_json(options.json, {"machine": machine, "histories": options.histories, "regions": results})


if __name__ == "__main__":
    main()
