"""Voxel S values: the mean dose to every voxel around one uniformly active voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, PhysicsError
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.radial_kernel import RadialKernel, radial_kernel
from y90voxel.reference.voxel_integration import octant_energy_fractions
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV

__all__ = ["DoseKernel", "Kernel", "voxel_kernel", "without_empty_layers"]

# Below this the radial kernel's own shells (0.1 mm) would show; above it the kernel is one voxel.
SPACING_RANGE_MM = (0.3, 20.0)
# An outer layer of voxels with less of the energy than this is left out.
NEGLIGIBLE_LAYER = 1e-6


class Kernel(Protocol):
    """What a convolution needs of a voxel kernel; `DoseKernel` is one, and holds each to what it says."""

    @property
    def s_values(self) -> NDArray[np.float64]:
        """Voxel S values [Gy/(Bq·s)], three odd lengths with the source voxel in the middle."""

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along slice, row, column [mm]."""

    @property
    def medium(self) -> str:
        """The uniform medium that it holds for."""

    @property
    def density_g_per_ml(self) -> float:
        """Mass density of that medium [g/mL]."""

    @property
    def nuclide(self) -> str:
        """Name of the nuclide."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the values come from."""


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

    __repr__ = short_repr

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
        object.__setattr__(self, "provenance", dict(self.provenance))

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


def voxel_kernel(
    name: str | Nuclide,
    spacing_mm: float | Sequence[float],
    medium: str = "water",
    *,
    density_g_per_ml: float | None = None,
    source: str = "penelope",
) -> DoseKernel:
    """Return the voxel S values of a nuclide for any voxel size, integrated exactly over both voxels.

    The kernel holds everything that is deposited within the reach of the electrons (10.9 mm for Y-90 in
    water), photons included. What photons leave beyond is :class:`y90voxel.dose.photon_tail.PhotonTail`.
    Nothing is renormalised.

    Parameters
    ----------
    name : str or Nuclide
        The nuclide; a record with another mean energy scales the kernel.
    spacing_mm : float or sequence of float, (3,)
        Voxel size along slice, row, column, 0.3 to 20 mm.
    medium : str
        ``"water"``, ``"liver"``, ``"soft tissue"``, ``"lung"`` or ``"bone"``.
    density_g_per_ml : float or None
        Mass density of the medium, by default that of its radial kernel (1.00, 1.06, 1.04, 0.26, 1.92).
    source : str
        ``"penelope"`` (default) or ``"egsnrc"``, the second opinion.

    Raises
    ------
    InputError
        If the nuclide, the medium or the source is unknown, a number is not positive, or the kernel file
        does not match its checksum.
    PhysicsError
        If there is no radial kernel of this nuclide, or the voxels are smaller or larger than it supports.

    Examples
    --------
    >>> kernel = voxel_kernel("Y-90", 3.0)
    >>> kernel.s_values.shape, round(float(kernel.s_values.max()) * 1e9, 2)  # mGy/(MBq s)
    ((9, 9, 9), 1.59)
    """
    record = nuclide(name)
    spacing = _checked_spacing(spacing_mm)
    radial = radial_kernel(record, medium, source)
    if density_g_per_ml is not None:
        radial = radial.scaled_to_density(density_g_per_ml)
    near, _ = radial.split_at(radial.electron_reach_mm)
    octant = without_empty_layers(octant_energy_fractions(near.edges_mm, near.fraction, spacing))
    mass_kg = float(np.prod(spacing)) * radial.density_g_per_ml * 1e-6
    full = octant[np.ix_(*(np.abs(np.arange(1 - n, n)) for n in octant.shape))]
    s_values = full * (record.mean_electron_energy_mev * JOULE_PER_MEV / mass_kg)
    provenance = _provenance(radial, record)
    return DoseKernel(s_values, spacing, radial.medium, radial.density_g_per_ml, record.name, provenance)


def _checked_spacing(spacing_mm: float | Sequence[float]) -> tuple[float, float, float]:
    """Return three voxel sizes, or raise if they are not in the range that the radial kernels support."""
    given = np.asarray(spacing_mm, dtype=np.float64)
    if given.shape not in ((), (3,)) or not np.isfinite(given).all() or given.min() <= 0:
        raise InputError(f"a voxel size is one or three positive lengths in mm, got {spacing_mm}.")
    a, b, c = np.broadcast_to(given, 3).tolist()
    low, high = SPACING_RANGE_MM
    if not (low <= min(a, b, c) and max(a, b, c) <= high):
        raise PhysicsError(
            f"voxel S values are supported for voxels of {low} to {high} mm, got {a:g} × {b:g} × {c:g} mm. "
            "Resample the activity first."
        )
    return a, b, c


def without_empty_layers(octant: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop outer layers that hold a negligible part of the energy; at least the source voxel stays."""
    twice = [np.where(np.arange(n) > 0, 2.0, 1.0) for n in octant.shape]
    energy = octant * twice[0][:, None, None] * twice[1][:, None] * twice[2]
    keep = []
    for axis in range(3):
        layers = energy.sum(axis=tuple(k for k in range(3) if k != axis))
        keep.append(slice(0, 1 + int(np.flatnonzero(layers >= NEGLIGIBLE_LAYER * energy.sum())[-1])))
    return octant[tuple(keep)]


def _provenance(radial: RadialKernel, record: Nuclide) -> dict[str, Any]:
    """Return what a reader needs to make the same kernel again."""
    header = radial.provenance
    header_keys = ("code", "histories", "cut_offs", "mean_excitation_energy", "source_spectrum", "how_made")
    return {
        "name": f"{radial.nuclide} in {radial.medium}, {radial.source}",
        "file": header["file"],
        "sha256": radial.sha256,
        "source": radial.source,
        **{key: header[key] for key in header_keys},
        "mean_electron_energy_mev": record.mean_electron_energy_mev,
        "nuclide_data": record.source,
        "reach_mm": radial.electron_reach_mm,
        "integration": "product of triangles over source and target voxel; not renormalised",
    }
