"""Bremsstrahlung: photons made above a threshold, what is radiated below it, and the shape of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo.quadrature import log_nodes
from y90voxel.reference.materials import Material
from y90voxel.reference.transport_tables import transport_columns, transport_rows

__all__ = ["PhotonSpectrum", "photon_coefficient", "photon_spectrum", "soft_radiative_loss"]

Array = NDArray[np.float64]

NODES = 400  # of integrals over the photon energy; chosen: smooth over decades, and done once a run


@dataclass(frozen=True, eq=False)
class PhotonSpectrum:
    """Scaled photon spectrum k dσ/dk of oxygen, taken for every tissue: its shape hardly depends on Z below 20.

    Parameters
    ----------
    log_energy : ndarray, (n,)
        Logarithm of the electron energy [MeV].
    kappa : ndarray, (m,)
        Photon energy over electron energy.
    shape : ndarray, (n, m)
        k dσ/dk over its largest value at that electron energy.
    """

    log_energy: Array
    kappa: Array
    shape: Array

    def at(self, energy_mev: float, kappa: Array) -> Array:
        """Return the shape at an electron energy, linear in log energy and in kappa; constant outside."""
        place = float(np.interp(np.log(energy_mev), self.log_energy, np.arange(self.log_energy.size)))
        i = min(int(place), self.log_energy.size - 2)
        row = self.shape[i] + (place - i) * (self.shape[i + 1] - self.shape[i])
        return np.asarray(np.interp(kappa, self.kappa, row))


@lru_cache(maxsize=1)
def photon_spectrum() -> PhotonSpectrum:
    """Return the shipped spectrum shape (Seltzer and Berger 1986, doi:10.1016/0092-640X(86)90014-8)."""
    energies = np.array([float(name) for name in transport_columns("bremsstrahlung_oxygen.csv")[1:]])
    table = np.array([[float(value) for value in row] for row in transport_rows("bremsstrahlung_oxygen.csv")])
    shape = table[:, 1:].T
    return PhotonSpectrum(
        np.log(energies), table[:, 0], np.ascontiguousarray(shape / shape.max(axis=1)[:, None])
    )


def photon_coefficient(medium: Material, energy_mev: float, threshold_mev: float) -> float:
    """Return how many photons above the threshold an electron makes per mass length [cm²/g]."""
    if energy_mev <= threshold_mev:
        return 0.0
    kappa, weights = log_nodes(threshold_mev / energy_mev, 1.0, NODES)
    number = float(weights @ (photon_spectrum().at(energy_mev, kappa) / kappa))
    return float(medium.radiative_stopping_power(energy_mev)) * number / (energy_mev * _mean(energy_mev, 1.0))


def soft_radiative_loss(medium: Material, energy_mev: float, threshold_mev: float) -> float:
    """Return the radiative stopping power of photons below the threshold [MeV cm²/g]."""
    share = _mean(energy_mev, min(1.0, threshold_mev / energy_mev)) / _mean(energy_mev, 1.0)
    return float(medium.radiative_stopping_power(energy_mev)) * share


def _mean(energy_mev: float, high: float) -> float:
    """Integral of the shape over kappa from 0 to high."""
    kappa = np.linspace(0.0, high, NODES + 1)
    return float(np.trapezoid(photon_spectrum().at(energy_mev, kappa), kappa))
