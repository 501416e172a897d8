"""Dose of microspheres that are put down one by one, in a periodic box: the check of the formulas, and a way for own patterns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.microscale.campbell import MM3_PER_ML, spheres_per_ml
from y90voxel.microscale.cluster_models import ClusterModel, cluster_model
from y90voxel.microscale.laplace import PLACES, TRACT_CELL, TRACT_LENGTH_MM
from y90voxel.microscale.sphere_kernel import SCORING_MM, lattice_kernel, scoring_kernel
from y90voxel.short_repr import short_repr

__all__ = ["SimulatedBox", "dose_of_spheres", "simulate", "sphere_positions"]

# The shortest box that holds whole tracts along every axis: 10 and 6 voxels across, 15 along [mm].
TRACT_BOX_MM = 3.0


@dataclass(frozen=True, eq=False)
class SimulatedBox:
    """Dose in a box that repeats without end.

    Parameters
    ----------
    dose_gy : ndarray, (n, n, n)
        Dose in voxels of 0.1 mm [Gy].
    spheres : int
        Spheres in the box.
    """

    dose_gy: NDArray[np.float32]
    spheres: int

    __repr__ = short_repr

    @property
    def mean_gy(self) -> float:
        """Mean dose [Gy]."""
        return float(self.dose_gy.mean(dtype=np.float64))

    @property
    def cv(self) -> float:
        """Coefficient of variation between voxels; zero without dose."""
        return float(self.dose_gy.std(dtype=np.float64)) / self.mean_gy if self.spheres else 0.0

    def dose_at_volume(self, percent: float) -> float:
        """Return D_x, the least dose of the hottest ``percent`` of the box [Gy]."""
        return float(np.percentile(self.dose_gy, 100.0 - percent))

    def eud(self, alpha_per_gy: float) -> float:
        """Return the equivalent uniform dose -ln⟨exp(-α D)⟩/α, α in 1/Gy [Gy].

        Raises
        ------
        InputError
            If α is not positive.
        """
        check_positive(alpha_per_gy, "alpha", "1/Gy")
        return -math.log(np.exp(-alpha_per_gy * self.dose_gy, dtype=np.float64).mean()) / alpha_per_gy


def sphere_positions(
    density_per_ml: float,
    box_mm: float,
    clusters: str | ClusterModel = "single",
    places: str = "volume",
    *,
    spread: bool = True,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return where spheres lie in a box: independent clusters, anywhere or on portal tracts.

    Parameters
    ----------
    density_per_ml : float
        Expected spheres per volume [1/mL].
    box_mm : float
        Edge of the box [mm]: whole voxels of 0.1 mm, and for tracts a multiple of 3 mm.
    clusters : str or ClusterModel
        How many spheres lie together.
    places : str
        ``"volume"`` or ``"tracts"``: parallel lines along the first axis, 1.0 mm apart along the second and 0.6 mm along the
        third, in pieces of 1.5 mm.
    spread : bool
        On tracts only: whether the spheres of a cluster lie anywhere in their tract, not at one point. In the volume they lie
        at one point.
    seed : int
        Same seed, same positions.

    Returns
    -------
    ndarray, (n, 3)
        Along slice, row, column [mm].

    Raises
    ------
    InputError
        If the density is negative, the box is not as said, or a name is unknown.
    """
    check_not_negative(density_per_ml, "the density of spheres", "1/mL")
    voxels = _voxels(box_mm)
    if places not in PLACES:
        raise InputError(
            f"unknown places of clusters {places!r}. They are {' or '.join(PLACES)}.", tag="microscale.places"
        )
    model, random = cluster_model(clusters), np.random.default_rng(seed)
    count = random.poisson(density_per_ml / MM3_PER_ML * box_mm**3 / model.mean_size)
    sizes = model.draw(random, count)
    if places == "volume":
        return np.repeat(random.uniform(0.0, box_mm, (count, 3)), sizes, axis=0)
    whole = box_mm / TRACT_BOX_MM
    if not math.isclose(whole, round(whole), abs_tol=1e-9):
        raise InputError(
            f"a box with portal tracts needs an edge that is a multiple of {TRACT_BOX_MM:g} mm, got {box_mm:g} mm."
        )
    across = [random.integers(0, voxels // step, count) * step * SCORING_MM for step in TRACT_CELL]
    start = random.integers(0, round(box_mm / TRACT_LENGTH_MM), count) * TRACT_LENGTH_MM
    tracts = np.repeat(np.stack([start, *across], axis=1), sizes, axis=0)
    within = random.uniform(0.0, TRACT_LENGTH_MM, len(tracts) if spread else count)
    tracts[:, 0] += within if spread else np.repeat(within, sizes)
    tracts[:, 1:] += 0.5 * SCORING_MM  # the middle of their voxels: rounding takes no line to the next
    return tracts


def dose_of_spheres(
    positions_mm: NDArray[np.float64],
    activity_per_sphere_bq: float,
    box_mm: float,
    nuclide: str = "Y-90",
    medium: str = "water",
) -> SimulatedBox:
    """Return the dose of spheres at given positions in a box that repeats along every axis.

    Every sphere counts as lying anywhere in its voxel of 0.1 mm. Dose is summed by fast Fourier transforms in single precision.

    Parameters
    ----------
    positions_mm : ndarray, (n, 3)
        Along slice, row, column [mm]; positions outside the box are folded into it.
    activity_per_sphere_bq : float
        Activity of one sphere at injection [Bq].
    box_mm : float
        Edge of the box [mm], whole voxels of 0.1 mm; 24 mm (240³ voxels) hold the kernel of Y-90 and take seconds.
    nuclide, medium : str
        What `lattice_kernel` takes.

    Raises
    ------
    InputError
        If positions are not three finite numbers each, the activity is not positive, or the box is not whole voxels.
    PhysicsError
        If there is no radial kernel of this nuclide.
    """
    # deferred: 0.2 s
    from scipy import fft

    check_positive(
        activity_per_sphere_bq, "the activity per sphere", "Bq", tag="microscale.activity_per_sphere"
    )
    voxels = _voxels(box_mm)
    positions = np.asarray(positions_mm, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3 or not np.isfinite(positions).all():
        raise InputError(
            f"positions must be three finite numbers in mm for every sphere, got shape {positions.shape}."
        )
    index = np.floor(positions / SCORING_MM).astype(np.int64) % voxels
    place = (index[:, 0] * voxels + index[:, 1]) * voxels + index[:, 2]
    shape = (voxels,) * 3
    spheres = np.bincount(place, minlength=voxels**3).astype(np.float32).reshape(shape)
    decays = scoring_kernel(nuclide, medium).decays(activity_per_sphere_bq)
    transform = fft.rfftn(spheres) * fft.rfftn(_folded(nuclide, medium, voxels))
    dose = fft.irfftn(transform, s=shape, overwrite_x=True) * np.float32(decays)
    return SimulatedBox(np.maximum(dose, np.float32(0.0)), len(positions))


def simulate(
    mean_dose_gy: float,
    activity_per_sphere_bq: float,
    nuclide: str = "Y-90",
    clusters: str | ClusterModel = "single",
    places: str = "volume",
    *,
    spread: bool = True,
    box_mm: float = 24.0,
    medium: str = "water",
    seed: int = 0,
) -> SimulatedBox:
    """Return the dose of random spheres in a box, scaled to its mean.

    Parameters
    ----------
    mean_dose_gy : float
        Mean absorbed dose [Gy]. The number of spheres is drawn, and the dose scaled to this mean.
    activity_per_sphere_bq : float
        Activity of one sphere at injection [Bq].
    nuclide, medium : str
        What `lattice_kernel` takes.
    clusters, places, spread, box_mm, seed
        See `sphere_positions`.

    Raises
    ------
    InputError
        If a number is out of range, a name unknown, or no sphere was drawn though there is a dose.
    PhysicsError
        If there is no radial kernel of this nuclide.

    Examples
    --------
    >>> box = simulate(100.0, 68.0, box_mm=6.0, seed=1)
    >>> box.dose_gy.shape, round(box.mean_gy, 3)
    ((60, 60, 60), 100.0)
    """
    density = spheres_per_ml(mean_dose_gy, activity_per_sphere_bq, scoring_kernel(nuclide, medium))
    positions = sphere_positions(density, box_mm, clusters, places, spread=spread, seed=seed)
    if not len(positions) and mean_dose_gy > 0:
        raise InputError(
            f"no sphere was drawn: {density:.3g} spheres per mL are too few for a box of {box_mm:g} mm. Take a larger one."
        )
    box = dose_of_spheres(positions, activity_per_sphere_bq, box_mm, nuclide, medium)
    scale = mean_dose_gy / box.mean_gy if box.spheres else 0.0
    return SimulatedBox(box.dose_gy * np.float32(scale), box.spheres)


def _voxels(box_mm: float) -> int:
    """Voxels along an edge."""
    check_positive(box_mm, "the edge of the box", "mm")
    voxels = box_mm / SCORING_MM
    if not math.isclose(voxels, round(voxels), abs_tol=1e-6):
        raise InputError(f"the edge of the box must be a multiple of {SCORING_MM:g} mm, got {box_mm:g} mm.")
    return round(voxels)


@lru_cache(maxsize=2)  # 55 MB for a box of 24 mm
def _folded(nuclide: str, medium: str, voxels: int) -> NDArray[np.float32]:
    """Doses of one decay in the first voxel and all its repetitions, (voxels, voxels, voxels) [Gy]."""
    octant = lattice_kernel(nuclide, medium)
    offsets = np.arange(1 - len(octant), len(octant))
    folded = octant[np.ix_(*(np.abs(offsets),) * 3)]
    for axis in range(3):
        shape = tuple(voxels if n == axis else size for n, size in enumerate(folded.shape))
        sums = np.zeros(shape)
        np.add.at(np.moveaxis(sums, axis, 0), offsets % voxels, np.moveaxis(folded, axis, 0))
        folded = sums
    return np.asarray(folded, np.float32)
