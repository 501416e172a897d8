"""The dose of one decay at the scale of microspheres: a point kernel scored in voxels of 0.1 mm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.radial_kernel import RadialKernel, radial_kernel
from y90voxel.reference.voxel_integration import octant_energy_fractions
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV

__all__ = ["SCORING_MM", "ScoringKernel", "lattice_kernel", "scoring_kernel"]

# Edge of the voxels that dose is averaged over [mm]. It has to be said: the point kernel goes like 1/r², and its square has
# no finite integral. As in the micro-scale literature (Pasciak et al. 2016, J Nucl Med 57:1020: 100 µm).
SCORING_MM = 0.1
# Within this radius voxel averages are integrated, beyond it the kernel is taken as it is: of 1/r² the average over voxels of
# edge h differs by h²/(6 r²), less than 0.1 % there.
NEAR_MM = 1.5
NEAR_VOXELS = round(NEAR_MM / SCORING_MM)
MM3_KG_PER_G_PER_ML = 1e-6  # mass of 1 mm³ at 1 g/mL [kg]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoringKernel:
    """Dose of one decay around it, averaged over voxels of `SCORING_MM`, and how much volume gets it.

    Source and target lie anywhere in their voxels. Holds what is deposited within the reach of the electrons; what photons
    leave beyond (0.3 % of the energy of Y-90) is left out of mean and variance alike.

    Parameters
    ----------
    nuclide : str
        Name of the nuclide.
    medium : str
        Medium of the radial kernel.
    density_g_per_ml : float
        Its mass density [g/mL].
    half_life_s : float
        Half-life of the nuclide [s].
    dose_gy : ndarray, (n,)
        Dose per decay, by voxel within 1.5 mm and by shell beyond [Gy].
    volume_mm3 : ndarray, (n,)
        Volume that gets it [mm³].
    radius_mm : ndarray, (n,)
        Distance from the decay [mm].
    near_gy : ndarray, (16, 16, 16)
        Dose per decay in the voxels at offsets 0 to 15 along each axis [Gy]; it holds within 1.5 mm.
    radial : RadialKernel
        What the numbers come from.
    """

    nuclide: str
    medium: str
    density_g_per_ml: float
    half_life_s: float
    dose_gy: Array
    volume_mm3: Array
    radius_mm: Array
    near_gy: Array
    radial: RadialKernel

    __repr__ = short_repr

    @property
    def integral_gy_mm3(self) -> float:
        """∫ k dV of one decay [Gy·mm³]."""
        return float(self.dose_gy @ self.volume_mm3)

    @property
    def square_integral_gy2_mm3(self) -> float:
        """∫ k² dV of one decay [Gy²·mm³]."""
        return float(self.dose_gy**2 @ self.volume_mm3)

    @property
    def reach_mm(self) -> float:
        """Radius of the outermost shell [mm]."""
        return self.radial.electron_reach_mm

    def far_gy(self, radius_mm: Array) -> Array:
        """Return the dose of one decay at radii beyond 1.5 mm [Gy], the shape of the radii; zero beyond the reach."""
        far = self.radius_mm > NEAR_MM
        centre = self.radius_mm[far]
        dose = np.interp(radius_mm, centre, self.dose_gy[far] * centre**2) / radius_mm**2
        return np.where(radius_mm <= self.reach_mm, dose, 0.0)

    def decays(self, activity_bq: float) -> float:
        """Return the decays of an activity [Bq] until nothing is left, A T½ / ln 2."""
        return activity_bq * self.half_life_s / float(np.log(2.0))


@cache
def scoring_kernel(name: str, medium: str = "water") -> ScoringKernel:
    """Return the kernel of a nuclide in a uniform medium at the scoring scale.

    Parameters
    ----------
    name : str
        The nuclide.
    medium : str
        ``"water"``, ``"liver"``, ``"soft tissue"``, ``"lung"`` or ``"bone"``.

    Raises
    ------
    InputError
        If nuclide or medium is unknown.
    PhysicsError
        If there is no radial kernel of this nuclide.

    Examples
    --------
    >>> round(scoring_kernel("Y-90").square_integral_gy2_mm3 * 1e15, 2)
    3.52
    """
    record = nuclide(name)
    radial = radial_kernel(record, medium)
    near_gy = _voxel_doses(radial, record, 1.5 * NEAR_MM)[(slice(NEAR_VOXELS + 1),) * 3]
    offsets = np.stack(np.meshgrid(*[np.arange(NEAR_VOXELS + 1)] * 3, indexing="ij"))
    distance = SCORING_MM * np.sqrt((offsets**2).sum(axis=0))
    inside = distance <= NEAR_MM
    copies = np.prod(np.where(offsets > 0, 2.0, 1.0), axis=0)[inside]
    volume = copies * SCORING_MM**3
    gy_mm3 = _gy_mm3(record, radial)
    # The shells begin at the radius within which the energy is that of the near voxels.
    within = radial.cumulative(radial.edges_mm)
    start = float(np.interp(near_gy[inside] @ volume / gy_mm3, within, radial.edges_mm))
    edges = np.append(start, radial.edges_mm[radial.edges_mm > start])
    edges = edges[edges <= radial.electron_reach_mm]
    shell_mm3 = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    shell_gy = np.diff(radial.cumulative(edges)) / shell_mm3 * gy_mm3
    return ScoringKernel(
        record.name,
        radial.medium,
        radial.density_g_per_ml,
        record.half_life_s,
        np.append(near_gy[inside], shell_gy),
        np.append(volume, shell_mm3),
        np.append(distance[inside], 0.5 * (edges[1:] + edges[:-1])),
        near_gy,
        radial,
    )


def lattice_kernel(name: str, medium: str = "water") -> Array:
    """Return the doses of one decay in all voxels at offsets 0, 1, 2, … of `SCORING_MM`, for simulations [Gy].

    Returns
    -------
    ndarray, (n, n, n)
        One octant, the source voxel first; offsets up to the reach of the electrons (109 voxels for Y-90 in water).

    Raises
    ------
    InputError
        If nuclide or medium is unknown.
    PhysicsError
        If there is no radial kernel of this nuclide.
    """
    record = nuclide(name)
    radial = radial_kernel(record, medium)
    return _voxel_doses(radial, record, radial.electron_reach_mm)


def _voxel_doses(radial: RadialKernel, record: Nuclide, reach_mm: float) -> Array:
    """Doses of one decay in one octant of voxels, of the energy within a radius [Gy]."""
    near, _ = radial.split_at(reach_mm)
    fractions = octant_energy_fractions(near.edges_mm, near.fraction, (SCORING_MM,) * 3)
    return fractions * (_gy_mm3(record, radial) / SCORING_MM**3)


def _gy_mm3(record: Nuclide, radial: RadialKernel) -> float:
    """Dose times volume of one decay if all electron energy stays [Gy·mm³]."""
    return record.mean_electron_energy_mev * JOULE_PER_MEV / (radial.density_g_per_ml * MM3_KG_PER_G_PER_ML)
