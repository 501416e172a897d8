"""Absorbed dose with electrons carried along the true mass depth between source and target."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution.convolve import convolve
from y90voxel.dose.density._superposition_loops import fade_dense_voxels
from y90voxel.dose.density.ray_correction import add_ray_correction
from y90voxel.dose.density.ray_sources import ray_sources
from y90voxel.dose.density.voxel_media import LUNG_BELOW, WATER, UniformMedium, uniform_media, voxel_media
from y90voxel.dose.engine import BaseEngine, Engine
from y90voxel.dose.extent import scan_extent
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.dose.threads import resolve_threads, share_work
from y90voxel.errors import InputError
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.radial_kernel import RadialKernel, radial_kernel
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.volume import DensityMap, DoseMap, TimeIntegratedActivityMap

__all__ = ["DensitySuperposition"]

GRAM_PER_KG, MM3_PER_ML = 1000.0, 1000.0  # exact unit conversions


@dataclass(frozen=True)
class DensitySuperposition(BaseEngine):
    """Dose by the radial kernel of water at the mass depth along the straight line from source to target.

    The energy that a decay at x deposits per volume at y, a distance r away, is ::

        e(y) = E · w(y) · f(m) / (4π r²),     m = ∫ w dl from x to y,     w = ρ / c(ρ)

    with f the radial kernel of water (energy per depth) and c the electrons' range in g/cm² over that in water
    (``range_ratio``). Every ray deposits all its energy, hence energy is kept whatever the densities; in any
    uniform medium it is that medium's kernel, and between plane layers dose depends on mass depth only. Dose is
    energy over mass.

    It is computed as the exact convolution in a uniform medium (soft tissue for sources in tissue, lung for
    sources in lung, each the median one of the activity) plus the difference between true and uniform medium along
    rays. Rays start only where electrons can meet another density, so a uniform map costs and errs no more
    than a convolution. Starts and directions are quasi-random and depend on the voxel only: results are the same
    on any number of threads and scale with activity. What is left of noise falls with ``effort``.

    Photons are those of water, unscaled by density, out to 200 mm (:class:`y90voxel.dose.photon_tail.PhotonTail`).

    Parameters
    ----------
    nuclide : str or Nuclide
        The nuclide.
    effort : float
        Multiplies the number of rays and the time they take; noise falls with its square root or faster.
    photon_tail : bool
        Whether to add the photons beyond the electrons' reach, 0.3 % of the energy of Y-90.
    source : str
        ``"penelope"`` (default) or ``"egsnrc"``: which Monte Carlo code the radial kernel comes from.
    threads : int or None
        Threads to use; None means every core that this process may run on. Nothing global is changed.

    Raises
    ------
    InputError
        If nuclide or source are unknown, or effort or threads are not positive.
    PhysicsError
        If there is no radial kernel of this nuclide.

    References
    ----------
    Density scaling of the point kernel: O'Connor JE 1957, Phys Med Biol 1:352,
    doi:10.1088/0031-9155/1/4/305. Radiologically scaled superposition: Mackie TR et al. 1985, Med Phys 12:188,
    doi:10.1118/1.595774. Straight lines for Y-90: checked against PENELOPE and EGSnrc in
    ``benchmarks/accuracy_lung.py`` and decision record 0005.

    Examples
    --------
    >>> from y90voxel.volumes.grid import Grid
    >>> grid = Grid.from_spacing((9, 9, 9), (4.0, 4.0, 4.0))
    >>> decays, density = np.zeros(grid.shape), np.full(grid.shape, 1.05)
    >>> decays[4, 4, 4], density[:4] = 1e9, 0.26
    >>> dose = DensitySuperposition("Y-90").dose(
    ...     TimeIntegratedActivityMap(decays, grid), DensityMap(density, grid)
    ... )
    >>> bool(dose.array[3, 4, 4] > dose.array[5, 4, 4])  # per mass, lung gets more
    True
    """

    nuclide: str | Nuclide
    effort: float = 1.0
    photon_tail: bool = True
    source: str = "penelope"
    threads: int | None = None

    name: ClassVar[str] = "density"

    __repr__ = short_repr

    def __post_init__(self) -> None:
        resolve_threads(self.threads)
        self._radial()  # an impossible kernel is refused where it is asked for
        if not (np.isfinite(self.effort) and self.effort > 0):
            raise InputError(f"the effort must be positive, got {self.effort}.", tag="dose.effort")

    @property
    def provenance(self) -> dict[str, Any]:
        """Which radial kernel the doses come from, its checksum, and how they are computed."""
        radial = self._radial()
        return {
            "name": f"{radial.nuclide} in {radial.medium}, {radial.source}",
            "file": radial.provenance["file"],
            "sha256": radial.sha256,
            "source": radial.source,
            "reach_mm": radial.electron_reach_mm,
            "method": "convolution in uniform tissue and lung, corrected by rays at true mass depth",
            "effort": self.effort,
            "photon_tail": self.photon_tail,
        }

    def electrons_only(self) -> Engine:
        """Return the engine without the photons beyond the electrons' reach."""
        return replace(self, photon_tail=False)

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy] on the grid of the activity; nothing lies beyond the grid.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel]; negative values, as reconstruction noise gives, are taken as they are.
        density : DensityMap or None
            Mass density [g/mL] on the same grid; None means water.

        Raises
        ------
        GridMismatchError
            If the density lies on another grid.
        InputError
            If an activity is not finite.
        """
        if density is not None:
            density.check_on(tia.grid, "density")
        threads = resolve_threads(self.threads)
        extent = scan_extent(tia.array)
        if extent.active == 0:
            return DoseMap(np.zeros(tia.grid.shape, np.float32), tia.grid)
        activity = np.ascontiguousarray(tia.array, np.float32)
        spacing = tia.grid.spacing_mm
        if density is None:
            dose = self._convolved(activity, WATER, spacing, threads)
        else:
            densities = np.ascontiguousarray(density.array, np.float32)
            dose = self._in_true_medium(activity, densities, spacing, extent.non_negative, threads)
        if self.photon_tail:
            dose += PhotonTail(self.nuclide, source=self.source).dose(tia).array
        return DoseMap(dose, tia.grid)

    def _in_true_medium(
        self,
        activity: NDArray[np.float32],
        density: NDArray[np.float32],
        spacing_mm: tuple[float, float, float],
        non_negative: bool,
        threads: int,
    ) -> NDArray[np.float32]:
        """Dose in uniform media, corrected by rays."""
        medium = voxel_media(density, threads)
        media = uniform_media(activity, density, medium)
        dose = np.zeros(activity.shape, np.float32)
        for one, part in zip(media, _split(activity, medium, media), strict=True):
            if one is not None:
                uniform = self._convolved(part, one, spacing_mm, threads)
                _fade_dense_voxels(uniform, medium, one, threads)
                dose += uniform
        radial = self._radial()
        reach_mm = radial.electron_reach_mm
        sources = ray_sources(activity, medium, media, reach_mm, spacing_mm, self.effort, threads)
        if len(sources.voxels):
            energy_j = nuclide(self.nuclide).mean_electron_energy_mev * JOULE_PER_MEV
            gy_g_per_ml = energy_j * GRAM_PER_KG * MM3_PER_ML / math.prod(spacing_mm)
            add_ray_correction(
                dose, sources, medium, media, radial, spacing_mm, gy_g_per_ml, non_negative, threads
            )
        return dose

    def _radial(self) -> RadialKernel:
        """Return the radial kernel in water."""
        return radial_kernel(self.nuclide, "water", self.source)

    def _convolved(
        self,
        activity: NDArray[np.float32],
        medium: UniformMedium,
        spacing_mm: tuple[float, float, float],
        threads: int,
    ) -> NDArray[np.float32]:
        """Return dose in a uniform medium, within the reach of the electrons."""
        s_values = medium.s_values(nuclide(self.nuclide), self.source, spacing_mm)
        return convolve(activity, s_values, threads=threads)


def _split(
    activity: NDArray[np.float32],
    medium: NDArray[np.float32],
    media: tuple[UniformMedium | None, UniformMedium | None],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the activity in tissue and in lung; the whole of it twice if only one of them is active."""
    if None in media:
        return activity, activity
    lung = medium[..., 0] < LUNG_BELOW
    return np.where(lung, np.float32(0), activity), np.where(lung, activity, np.float32(0))


def _fade_dense_voxels(
    dose: NDArray[np.float32], medium: NDArray[np.float32], reference: UniformMedium, threads: int
) -> None:
    """Take, in place, dose by convolution from voxels much denser than its medium; rays give it there.

    Where little of the uniform dose is true, the difference between both is noisier than the true dose.
    """
    share_work(
        lambda: lambda z: fade_dense_voxels(medium, np.float32(reference.water_path), z, z + 1, dose),
        range(len(dose)),
        threads,
    )
