"""Dose-volume histograms from voxel doses, exact: bins exist only for display."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import InputError, RegionError
from y90voxel.metrics.dvh_view import dvh_frame, dvh_html
from y90voxel.short_repr import short_repr
from y90voxel.volumes.box import Box
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

__all__ = ["DoseVolumeHistogram"]


@dataclass(frozen=True, eq=False)
class DoseVolumeHistogram:
    """The doses in a region, greatest first, each with the volume and mass that receives it.

    Parameters
    ----------
    doses_gy : ndarray, (voxels,)
        Voxel doses in falling order [Gy].
    volumes_ml : ndarray, (voxels,)
        Occupied volume of each voxel [mL].
    masses_g : ndarray or None, (voxels,)
        Occupied mass of each voxel [g].
    occupancies : ndarray, (voxels,)
        Occupied fraction of each voxel.
    """

    doses_gy: NDArray[np.float64]
    volumes_ml: NDArray[np.float64]
    masses_g: NDArray[np.float64] | None
    occupancies: NDArray[np.float64]

    __repr__ = short_repr

    @classmethod
    def from_dose(
        cls, dose: DoseMap, mask: Mask, density: DensityMap | OwnDensity | None = None
    ) -> DoseVolumeHistogram:
        """Return the histogram of ``dose`` in the region ``mask``.

        Parameters
        ----------
        dose : DoseMap
            Absorbed dose [Gy].
        mask : Mask
            Fractional occupancy on the same grid.
        density : DensityMap or OwnDensity or None
            Mass density [g/mL] on the same grid, for masses and mass-weighted means: of the region's own tissue, or
            of whole voxels.

        Raises
        ------
        GridMismatchError
            If mask or density lie on another grid than the dose.
        RegionError
            If the region is empty.
        """
        mask.check_on(dose.grid, "mask")
        box = mask.box
        inside = mask.array[box] != 0
        if inside.size == 0:
            raise RegionError("the region is empty on the dose grid: it has no dose-volume histogram.")
        doses = dose.array[box][inside].astype(np.float64)
        order = np.argsort(-doses, kind="stable")
        occupancies = mask.array[box][inside].astype(np.float64)[order]
        volumes = occupancies * dose.grid.voxel_volume_ml
        masses = None
        if density is not None:
            masses = volumes * _densities(density, dose, box)[inside][order]
        return cls(doses[order], volumes, masses, occupancies)

    @property
    def volume_ml(self) -> float:
        """Volume of the region [mL]."""
        return float(self.volumes_ml.sum())

    @property
    def mass_g(self) -> float | None:
        """Mass of the region [g], None without density."""
        return None if self.masses_g is None else float(self.masses_g.sum())

    @property
    def mean_gy(self) -> float:
        """Volume-weighted mean dose [Gy]."""
        return _weighted_mean(self.doses_gy, self.volumes_ml)

    @property
    def mass_weighted_mean_gy(self) -> float | None:
        """Energy over mass [Gy], the mean that limits refer to; None without density."""
        if self.masses_g is None:
            return None
        return _weighted_mean(self.doses_gy, self.masses_g)

    @property
    def sd_gy(self) -> float:
        """Volume-weighted standard deviation of the dose [Gy]."""
        return math.sqrt(_weighted_mean((self.doses_gy - self.mean_gy) ** 2, self.volumes_ml))

    @property
    def max_gy(self) -> float:
        """Greatest dose over voxels at least half occupied (over all, if none is) [Gy]."""
        return float(self._core_doses_gy()[0])

    @property
    def min_gy(self) -> float:
        """Smallest dose over voxels at least half occupied (over all, if none is) [Gy]."""
        return float(self._core_doses_gy()[-1])

    def dose_at_volume(self, percent: float) -> float:
        """Return D_x, the greatest dose [Gy] that at least ``percent`` of the volume receives.

        Parameters
        ----------
        percent : float
            Volume in percent, above 0 and up to 100.

        Raises
        ------
        InputError
            If percent is outside that range.
        """
        if not 0.0 < percent <= 100.0:
            raise InputError(f"D_x needs a volume above 0 and up to 100 %, got {percent} %.")
        return float(self.doses_at_volumes([percent])[0])

    def doses_at_volumes(self, percents: ArrayLike) -> NDArray[np.float64]:
        """Return D_x [Gy] at each of ``percents``, above 0 and up to 100, same shape; see `dose_at_volume`."""
        # The tolerance keeps a volume reached but for rounding in the last bits.
        needed = self._reached_ml[-1] * np.asarray(percents, float) / 100.0 * (1.0 - 1e-12)
        reached = np.minimum(np.searchsorted(self._reached_ml, needed), self.doses_gy.size)
        return np.asarray(self.doses_gy[reached - 1])

    def volume_at_dose(self, gy: float) -> float:
        """Return V_d, the fraction of the volume (0 to 1) that receives at least ``gy``."""
        return float(self.cumulative(gy))

    def cumulative(self, doses_gy: ArrayLike) -> NDArray[np.float64]:
        """Return the fraction of the volume that receives at least each of ``doses_gy``, same shape."""
        rising = self.doses_gy[::-1]
        reached = rising.size - np.searchsorted(rising, np.asarray(doses_gy, float), side="left")
        return np.asarray(self._reached_ml[reached] / self._reached_ml[-1])

    def to_pandas(self, points: int = 512) -> Any:
        """Return the cumulative histogram as a ``pandas.DataFrame``; see `y90voxel.metrics.dvh_view`."""
        return dvh_frame(self, points)

    def _repr_html_(self) -> str:
        """Show the histogram in a notebook."""
        return dvh_html(self)

    @cached_property
    def _reached_ml(self) -> NDArray[np.float64]:
        """Volume of the 0, 1, 2, ... hottest voxels [mL], (voxels + 1,)."""
        return np.concatenate(([0.0], np.cumsum(self.volumes_ml)))

    def _core_doses_gy(self) -> NDArray[np.float64]:
        """Doses of the voxels at least half occupied, falling; all of them when there is none."""
        core = self.doses_gy[self.occupancies >= 0.5]
        return core if core.size else self.doses_gy


def _densities(density: DensityMap | OwnDensity, dose: DoseMap, box: Box) -> NDArray[Any]:
    """Densities [g/mL] in a box of the dose grid."""
    if isinstance(density, OwnDensity):
        return density.within(box)
    return np.asarray(density.check_on(dose.grid, "density").array[box])


def _weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted mean. Not ``@``: waking the threads of the linear algebra library costs more than the sum."""
    return float((values * weights).sum() / weights.sum())
