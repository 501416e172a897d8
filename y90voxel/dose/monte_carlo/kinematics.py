"""Relativistic kinematics of electrons; energies in MeV."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ELECTRON_MASS_MEV", "beta_squared", "cosine_after_energy_loss", "momentum_mev"]

ELECTRON_MASS_MEV = 0.51099895  # CODATA 2018


def momentum_mev(energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Return the momentum times c [MeV] at a kinetic energy."""
    energy = np.asarray(energy_mev, dtype=np.float64)
    return np.asarray(np.sqrt(energy * (energy + 2.0 * ELECTRON_MASS_MEV)))


def beta_squared(energy_mev: ArrayLike) -> NDArray[np.float64]:
    """Return the square of the speed over that of light."""
    energy = np.asarray(energy_mev, dtype=np.float64)
    total = energy + ELECTRON_MASS_MEV
    return np.asarray(energy * (energy + 2.0 * ELECTRON_MASS_MEV) / total**2)


def cosine_after_energy_loss(energy_mev: float, loss_mev: ArrayLike) -> NDArray[np.float64]:
    """Return the cosine of the deflection of an electron that loses energy to a free electron at rest.

    cos θ = √[ (E - W)(E + 2mc²) / (E (E - W + 2mc²)) ]
    """
    loss = np.asarray(loss_mev, dtype=np.float64)
    twice = 2.0 * ELECTRON_MASS_MEV
    return np.asarray(
        np.sqrt((energy_mev - loss) * (energy_mev + twice) / (energy_mev * (energy_mev - loss + twice)))
    )
