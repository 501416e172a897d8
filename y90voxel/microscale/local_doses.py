"""Mean doses of the parts of a region, as its voxels show them: what spheres scatter around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_not_negative
from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = ["LocalDoses"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LocalDoses:
    """Doses of the parts of a region, each averaged over millimetres.

    Parameters
    ----------
    doses_gy : ndarray, (n,)
        Mean dose of each part [Gy].
    share : ndarray, (n,)
        Share of the volume; they add up to one.
    """

    doses_gy: Array
    share: Array

    __repr__ = short_repr

    @property
    def mean_gy(self) -> float:
        """Mean dose of the region [Gy]."""
        return float(self.doses_gy @ self.share)

    @property
    def variance_gy2(self) -> float:
        """Variance between the parts [Gy²]."""
        return float((self.doses_gy - self.mean_gy) ** 2 @ self.share)

    @classmethod
    def even(cls, mean_dose_gy: float) -> LocalDoses:
        """Return a region of one dose.

        Raises
        ------
        InputError
            If the dose is negative.
        """
        check_not_negative(mean_dose_gy, "the mean dose", "Gy")
        return cls(np.array([mean_dose_gy]), np.ones(1))

    @classmethod
    def from_voxels(cls, doses_gy: ArrayLike, volumes_ml: ArrayLike, parts: int) -> LocalDoses:
        """Return a region in parts of rising dose; the mean is kept, and parts are small at both ends of the histogram.

        Parameters
        ----------
        doses_gy : array-like, (voxels,)
            Doses of the voxels in any order [Gy].
        volumes_ml : array-like, (voxels,)
            Their volumes in the region [mL].
        parts : int
            How many parts; voxels are shared out between neighbouring parts.

        Raises
        ------
        InputError
            If a dose or volume is negative, there is no volume, or there are no parts.
        """
        doses, volumes = np.asarray(doses_gy, np.float64), np.asarray(volumes_ml, np.float64)
        if not doses.size or doses.min() < 0 or volumes.min() < 0 or not volumes.sum() > 0 or parts < 1:
            raise InputError(
                f"doses and volumes of voxels must not be negative, their volume positive and parts at least 1; got "
                f"{doses.size} voxels of {volumes.sum():g} mL and {parts} parts."
            )
        order = np.argsort(doses, kind="stable")
        volume = np.append(0.0, np.cumsum(volumes[order])) / volumes.sum()
        dose = np.append(0.0, np.cumsum((doses * volumes)[order])) / volumes.sum()
        edges = 0.5 - 0.5 * np.cos(np.pi * np.arange(parts + 1) / parts)
        share = np.diff(edges)
        return cls(np.maximum(np.diff(np.interp(edges, volume, dose)), 0.0) / share, share)
