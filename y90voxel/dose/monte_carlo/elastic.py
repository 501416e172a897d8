"""Elastic scattering of electrons, and the exact multiple-scattering distribution of a step.

Single scattering: first Born approximation with atomic form factors and the Mott (spin) factor of McKinley and
Feshbach; deflections in collisions with atomic electrons that lose less than the delta-ray threshold are
added with Møller's cross-section. Multiple scattering: the Goudsmit-Saunderson series of that cross-section.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo.inelastic import moller_cross_section
from y90voxel.dose.monte_carlo.kinematics import (
    ELECTRON_MASS_MEV,
    beta_squared,
    cosine_after_energy_loss,
    momentum_mev,
)
from y90voxel.dose.monte_carlo.quadrature import log_nodes
from y90voxel.reference.materials import Material
from y90voxel.reference.transport_tables import transport_rows

__all__ = ["angle_quantiles", "transport_coefficients"]

Array = NDArray[np.float64]

CLASSICAL_RADIUS_SQUARED_BARN = 0.0794078  # CODATA 2018: (2.8179403 fm)^2
MOLES_TO_CM2_PER_BARN = 0.602214076  # N_A × 10⁻²⁴ cm²/barn, exact since the SI of 2019
HC_MEV_ANGSTROM = 1.973269804e-3  # ħc
FINE_STRUCTURE = 1.0 / 137.035999  # α, CODATA 2018: 1/137.035999084
# The smallest angle that matters: far inside the screening angle (sin²(θ/2) about 1e-6 at 2 MeV).
SMALLEST_SIN2 = 1e-9
SMALLEST_LOSS_MEV = 1e-9  # S(q) has long taken over
# Of the quadrature over sin²(θ/2) and energy loss, in whole panels of 16 points over 9 decades.
NUCLEAR_NODES, ELECTRONIC_NODES = 512, 192


def transport_coefficients(medium: Material, energy_mev: float, soft_loss_mev: float, orders: int) -> Array:
    """Return Goudsmit-Saunderson coefficients G_l, l = 0 … orders [cm²/g]; G_1 is one over the transport mean free path.

    G_l = N ∫ dσ (1 - P_l(cos θ)), with, for every element,

    dσ/dΩ = (2 r_e m c² E_total (Z - F(q)))² / (qc)⁴ · [1 - β² s² + π α Z β s (1 - s)],  s = sin(θ/2),

    and Møller's cross-section times S(q)/Z for each atomic electron up to ``soft_loss_mev``.

    Parameters
    ----------
    medium : Material
        What scatters.
    energy_mev : float
        Kinetic energy [MeV].
    soft_loss_mev : float
        Collisions with electrons that lose more are explicit elsewhere [MeV].
    orders : int
        Largest l.

    References
    ----------
    McKinley and Feshbach 1948, Phys Rev 74:1759, doi:10.1103/PhysRev.74.1759, eq. 7. Goudsmit and Saunderson
    1940, Phys Rev 57:24. Small-angle inelastic scattering by S(q): Fano 1954, Phys Rev 93:117.
    """
    nuclear = _nuclear_coefficients(medium, energy_mev, orders)
    return nuclear + _electronic_coefficients(medium, energy_mev, soft_loss_mev, orders)


def angle_quantiles(coefficients: Array, bins: int) -> tuple[float, Array]:
    """Return the inverse distribution of the deflection of a step, in a variable where it is nearly straight.

    With t = sin²(θ/2), v = (1 + a) t / (t + a) is given where the probability of a larger t is
    (1 - k/bins)², k = 0 … bins, so that nodes crowd in the single-scattering tail; a is the mean of t.

    Parameters
    ----------
    coefficients : ndarray, (orders + 1,)
        G_l integrated over the step, K_l = ∫ G_l ds.
    bins : int
        Number of intervals.

    Returns
    -------
    a : float
        Scale of the transformation.
    v : ndarray, (bins + 1,)
        v at the nodes; linear in probability between them.
    """
    mean_t = 0.5 * (1.0 - np.exp(-coefficients[1]))
    v = 1.0 - np.cos(np.linspace(0.0, np.pi, 1201))  # dense at both ends
    v *= 0.5
    t = mean_t * v / (1.0 + mean_t - v)
    cumulative = _cumulative(coefficients, 1.0 - 2.0 * t)
    cumulative = np.maximum.accumulate(np.clip(cumulative, 0.0, 1.0))
    cumulative[-1] = 1.0
    nodes = 1.0 - (1.0 - np.arange(bins + 1) / bins) ** 2
    return float(mean_t), np.interp(nodes, cumulative, v)


def _cumulative(coefficients: Array, mu: Array) -> Array:
    """Probability that the cosine after a step is larger than mu, by the Goudsmit-Saunderson series."""
    weight = np.exp(-coefficients)
    below, here = np.ones_like(mu), mu.copy()
    total = 1.0 - mu
    for order in range(1, coefficients.size):
        above = ((2 * order + 1) * mu * here - order * below) / (order + 1)
        total += weight[order] * (below - above)
        below, here = here, above
        if weight[order] < 1e-12:
            break
    return 0.5 * total


def _nuclear_coefficients(medium: Material, energy_mev: float, orders: int) -> Array:
    """G_l of scattering by screened nuclei [cm²/g]."""
    sin2, weights = log_nodes(SMALLEST_SIN2, 1.0, NUCLEAR_NODES)
    total_energy = energy_mev + ELECTRON_MASS_MEV
    beta2 = beta_squared(energy_mev)
    transfer = 2.0 * momentum_mev(energy_mev) * np.sqrt(sin2)
    rutherford = 4.0 * CLASSICAL_RADIUS_SQUARED_BARN * (ELECTRON_MASS_MEV * total_energy) ** 2 / transfer**4
    dcs = np.zeros_like(sin2)
    for z, moles in medium.moles_of_atoms_per_g.items():
        sine = np.sqrt(sin2)
        spin = 1.0 - beta2 * sin2 + np.pi * FINE_STRUCTURE * z * np.sqrt(beta2) * sine * (1.0 - sine)
        dcs += moles * rutherford * spin * (z - _form_factor(z, transfer)) ** 2
    dcs *= MOLES_TO_CM2_PER_BARN * 4.0 * np.pi * weights  # dΩ = 4π d(sin²(θ/2))
    return _integral(dcs, _nuclear_legendre(orders))


def _electronic_coefficients(medium: Material, energy_mev: float, soft_loss_mev: float, orders: int) -> Array:
    """G_l of collisions with atomic electrons below the delta-ray threshold [cm²/g]."""
    largest = min(soft_loss_mev, 0.5 * energy_mev)
    loss, weights = log_nodes(SMALLEST_LOSS_MEV, largest, ELECTRONIC_NODES)
    transfer = np.sqrt(loss * (loss + 2.0 * ELECTRON_MASS_MEV))
    scatterers = np.zeros_like(loss)
    for z, moles in medium.moles_of_atoms_per_g.items():
        scatterers += moles * _scattering_function(z, transfer)
    dcs = scatterers * moller_cross_section(energy_mev, loss) * weights
    return _integral(dcs, _electronic_legendre(energy_mev, largest, orders))


def _integral(dcs: Array, moments: Array) -> Array:
    """Sum over nodes, without the threads of the linear algebra library, which cost more than they save here."""
    return np.asarray(np.einsum("i,ij->j", dcs, moments))


@lru_cache(maxsize=2)
def _nuclear_legendre(orders: int) -> Array:
    """1 - P_l at the nodes of the nuclear integral, the same for every energy and material."""
    sin2, _ = log_nodes(SMALLEST_SIN2, 1.0, NUCLEAR_NODES)
    return _one_minus_legendre(1.0 - 2.0 * sin2, orders)


@lru_cache(maxsize=64)
def _electronic_legendre(energy_mev: float, largest_loss_mev: float, orders: int) -> Array:
    """1 - P_l at the nodes of the electronic integral, the same for every material."""
    loss, _ = log_nodes(SMALLEST_LOSS_MEV, largest_loss_mev, ELECTRONIC_NODES)
    return _one_minus_legendre(cosine_after_energy_loss(energy_mev, loss), orders)


def _one_minus_legendre(mu: Array, orders: int) -> Array:
    """1 - P_l(mu) for l = 0 … orders as columns, accurate at mu near 1 through the recursion of the differences."""
    # With D_l = 1 - P_l: (l + 1) D_{l+1} = (2l + 1) (D_l + (1 - mu)(1 - D_l)) - l D_{l-1}.
    away = 1.0 - mu
    columns = np.zeros((mu.size, orders + 1))
    columns[:, 1] = away
    for order in range(1, orders):
        here = columns[:, order]
        up = (2 * order + 1) * (here + away * (1.0 - here)) - order * columns[:, order - 1]
        columns[:, order + 1] = up / (order + 1)
    return columns


@cache
def _factors(z: int) -> tuple[Array, Array, Array]:
    """Momentum transfer [MeV], form factor and incoherent scattering function of an element."""
    rows = [row for row in transport_rows("form_factors.csv") if row[0] == str(z)]
    x, form, incoherent = np.array([[float(value) for value in row[1:]] for row in rows]).T
    return 4.0 * np.pi * HC_MEV_ANGSTROM * x, form, incoherent


def _form_factor(z: int, transfer_mev: Array) -> Array:
    """F(q), linear between rows in log q; Z below the table and 0 above."""
    q, form, _ = _factors(z)
    return np.interp(np.log(transfer_mev), np.log(q), form, left=float(z), right=0.0)


def _scattering_function(z: int, transfer_mev: Array) -> Array:
    """S(q), log-log between rows; quadratic below the table and Z above."""
    q, _, incoherent = _factors(z)
    inside = np.exp(np.interp(np.log(transfer_mev), np.log(q), np.log(incoherent)))
    return np.where(transfer_mev < q[0], incoherent[0] * (transfer_mev / q[0]) ** 2, inside)
