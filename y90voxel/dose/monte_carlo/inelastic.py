"""Collisions with atomic electrons: what is lost continuously, how it fluctuates, and the explicit delta rays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.dose.monte_carlo.kinematics import ELECTRON_MASS_MEV, beta_squared
from y90voxel.dose.monte_carlo.quadrature import log_nodes
from y90voxel.reference.materials import Material

__all__ = ["delta_ray_coefficient", "moller_cross_section", "soft_collision_loss", "soft_collision_variance"]

Array = NDArray[np.float64]

# 2π r_e² m c² N_A: cross-section per mole of electrons [MeV cm²/mol].
MOLLER_CONSTANT = 2.0 * np.pi * 0.0794078 * ELECTRON_MASS_MEV * 0.602214076
NODES = 192  # of the quadrature over the energy loss, in whole panels of 16 points


def moller_cross_section(energy_mev: float, loss_mev: ArrayLike) -> Array:
    """Return Møller's cross-section dσ/dW per mole of electrons [cm²/(mol MeV)].

    dσ/dW = (2π r_e² m c² / β²) [ 1/W² + 1/(T - W)² + ((γ-1)/(γT))² - (2γ-1)/(γ² W (T - W)) ],  W ≤ T/2

    References
    ----------
    Møller 1932, Ann Phys 406:531; ICRU Report 37 (1984), eq. 2.6.
    """
    loss = np.asarray(loss_mev, dtype=np.float64)
    gamma = 1.0 + energy_mev / ELECTRON_MASS_MEV
    rest = energy_mev - loss
    shape = (
        1.0 / loss**2
        + 1.0 / rest**2
        + ((gamma - 1.0) / (gamma * energy_mev)) ** 2
        - (2.0 * gamma - 1.0) / (gamma**2 * loss * rest)
    )
    return np.asarray(MOLLER_CONSTANT / beta_squared(energy_mev) * shape)


def delta_ray_coefficient(medium: Material, energy_mev: float, threshold_mev: float) -> float:
    """Return how many delta rays above the threshold are made per mass length [cm²/g]."""
    return _moment(medium, energy_mev, threshold_mev, 0.5 * energy_mev, 0)


def soft_collision_loss(medium: Material, energy_mev: float, threshold_mev: float) -> float:
    """Return the collision stopping power of losses below the threshold [MeV cm²/g]."""
    hard = _moment(medium, energy_mev, threshold_mev, 0.5 * energy_mev, 1)
    return float(medium.collision_stopping_power(energy_mev)) - hard


def soft_collision_variance(medium: Material, energy_mev: float, threshold_mev: float) -> float:
    """Return the variance of the energy lost below the threshold, per mass length [MeV² cm²/g]."""
    return _moment(medium, energy_mev, 1e-7, min(threshold_mev, 0.5 * energy_mev), 2)


def _moment(medium: Material, energy_mev: float, low_mev: float, high_mev: float, power: int) -> float:
    """Integral of W^power dσ over energy losses from low to high [MeV^power cm²/g]."""
    if high_mev <= low_mev:
        return 0.0
    loss, weights = log_nodes(low_mev, high_mev, NODES)
    return float(
        medium.moles_of_electrons_per_g * (weights @ (loss**power * moller_cross_section(energy_mev, loss)))
    )
