"""Voxel S values: the mean dose to every voxel around one uniformly active voxel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError

__all__ = ["DoseKernel"]


@dataclass(frozen=True, eq=False)
class DoseKernel:
    """Mean dose per decay in every voxel around a uniformly active voxel of the same size.

    Parameters
    ----------
    s_values : ndarray, (2a + 1, 2b + 1, 2c + 1)
        Voxel S values [Gy/(Bq·s)], kept as read-only float64; the source voxel is the central one.
    spacing_mm : tuple of float, (3,)
        Voxel size along slice, row, column [mm].
    medium : str
        The uniform medium that the kernel holds for.
    density_g_per_ml : float
        Mass density of that medium [g/mL].
    nuclide : str
        Name of the nuclide.
    provenance : mapping
        Where the values come from: name and sha256 of the radial kernel, code, reach and so on.

    Raises
    ------
    InputError
        If the shape is not three odd lengths, a value is negative or not finite, all values are zero,
        or spacing or density are not positive.
    """

    s_values: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    medium: str
    density_g_per_ml: float
    nuclide: str
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.s_values, dtype=np.float64).view()
        if values.ndim != 3 or any(n % 2 == 0 for n in values.shape):
            raise InputError(
                f"a voxel kernel needs three odd lengths, so that the source voxel is its centre; "
                f"got shape {values.shape}."
            )
        if not np.isfinite(values).all() or values.min() < 0 or values.max() == 0:
            raise InputError(
                "voxel S values must be finite, not negative and not all zero; "
                f"found {values.min():g} to {values.max():g} Gy/(Bq·s)."
            )
        spacing = tuple(float(s) for s in np.broadcast_to(np.asarray(self.spacing_mm, float), 3))
        if not all(np.isfinite(s) and s > 0 for s in spacing):
            raise InputError(f"the voxel size of a kernel must be positive, got {self.spacing_mm} mm.")
        if not (np.isfinite(self.density_g_per_ml) and self.density_g_per_ml > 0):
            raise InputError(
                f"the density of a kernel's medium must be positive, got {self.density_g_per_ml} g/mL."
            )
        values.flags.writeable = False
        object.__setattr__(self, "s_values", values)
        object.__setattr__(self, "spacing_mm", spacing)
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    @property
    def half_shape(self) -> tuple[int, int, int]:
        """Voxels between the source voxel and the edge of the kernel, along slice, row, column."""
        a, b, c = (n // 2 for n in self.s_values.shape)
        return a, b, c

    @property
    def octant(self) -> NDArray[np.float64]:
        """S values of the offsets 0, 1, 2, … along each axis [Gy/(Bq·s)], source voxel first."""
        a, b, c = self.half_shape
        return self.s_values[a:, b:, c:]

    @property
    def voxel_mass_kg(self) -> float:
        """Mass of one voxel of the medium [kg]."""
        return float(np.prod(self.spacing_mm)) * self.density_g_per_ml * 1e-6

    @property
    def energy_j_per_decay(self) -> float:
        """Energy that one decay leaves inside the kernel [J]: the sum of S times the voxel mass."""
        return float(self.s_values.sum()) * self.voxel_mass_kg
