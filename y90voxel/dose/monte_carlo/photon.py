"""Photon coefficients of transport: photoelectric effect and Compton scattering by free electrons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.dose.monte_carlo.kinematics import ELECTRON_MASS_MEV
from y90voxel.reference.materials import Material

__all__ = ["compton_coefficient", "compton_transfer_coefficient", "photoelectric_coefficient"]

Array = NDArray[np.float64]

# π r_e² N_A per mole of electrons [cm²/mol].
KLEIN_NISHINA_CONSTANT = np.pi * 0.0794078 * 0.602214076
# Above this the photoelectric effect is a small difference of large numbers; it falls as energy^-2.9.
LARGEST_DIFFERENCE_MEV = 0.08


def compton_coefficient(medium: Material, energy_mev: ArrayLike) -> Array:
    """Return the Klein-Nishina scattering coefficient [cm²/g] (Klein and Nishina 1929, Z Phys 52:853)."""
    return medium.moles_of_electrons_per_g * _klein_nishina(energy_mev)[0]


def compton_transfer_coefficient(medium: Material, energy_mev: ArrayLike) -> Array:
    """Return the part of the Klein-Nishina coefficient that goes to electrons [cm²/g]."""
    return medium.moles_of_electrons_per_g * _klein_nishina(energy_mev)[1]


def photoelectric_coefficient(medium: Material, energy_mev: ArrayLike) -> Array:
    """Return the photoelectric coefficient [cm²/g]: energy absorption less what Compton scattering transfers.

    Characteristic x rays are taken as absorbed where they are made (1.5 % of the energy at the calcium edge).
    """
    energy = np.asarray(energy_mev, dtype=np.float64)
    capped = np.minimum(energy, LARGEST_DIFFERENCE_MEV)
    table = medium.attenuation
    absorption = np.exp(np.interp(np.log(capped), np.log(table[:, 0]), np.log(table[:, 2])))
    photo = np.maximum(absorption - compton_transfer_coefficient(medium, capped), 0.0)
    return np.asarray(photo * (capped / energy) ** 2.9)


def _klein_nishina(energy_mev: ArrayLike) -> tuple[Array, Array]:
    """Cross-section and energy-transfer cross-section per mole of free electrons [cm²/mol], by quadrature."""
    k = np.asarray(energy_mev, dtype=np.float64)[..., None] / ELECTRON_MASS_MEV
    mu, weights = np.polynomial.legendre.leggauss(64)
    ratio = 1.0 / (1.0 + k * (1.0 - mu))
    dcs = KLEIN_NISHINA_CONSTANT * ratio**2 * (ratio + 1.0 / ratio - 1.0 + mu**2)
    return np.asarray(dcs @ weights), np.asarray((dcs * (1.0 - ratio)) @ weights)
