"""Particles emitted by one decay, tabulated for sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo._transport_loops import Source
from y90voxel.errors import InputError, PhysicsError
from y90voxel.reference.nuclide import Nuclide
from y90voxel.volumes.volume import TimeIntegratedActivityMap

__all__ = ["Emission", "SourcePart", "emission", "point_source", "source_parts"]

Array = NDArray[np.float64]

# Of the beta spectrum, linear between; chosen: 0.3 keV of a 2.3 MeV spectrum on average, far below a cut-off.
QUANTILES = 8192


@dataclass(frozen=True, eq=False)
class Emission:
    """Particles of one decay.

    Parameters
    ----------
    betas_mev : ndarray, (n,)
        Beta energy at equal steps of probability [MeV].
    electrons, photons : ndarray, (k, 2)
        Energy [MeV] and yield per decay of the lines that are transported.
    local_mev : float
        Everything else, absorbed at the decay [MeV per decay].
    """

    betas_mev: Array
    electrons: Array
    photons: Array
    local_mev: float

    @property
    def energy_mev(self) -> float:
        """Mean energy of all particles per decay [MeV]."""
        steps = 0.5 * (self.betas_mev[1:] + self.betas_mev[:-1])
        lines = sum(float(rows[:, 0] @ rows[:, 1]) for rows in (self.electrons, self.photons))
        return float(steps.mean()) + lines + self.local_mev


def emission(record: Nuclide, electron_cutoff_mev: float, photon_cutoff_mev: float) -> Emission:
    """Return the emission of a nuclide, its energies those of the record.

    Beta energies are scaled (by 2 in 10 000 for Y-90) so that their mean is the record's. Electrons and photons
    below the cut-offs, and lines that the record counts but does not list, are absorbed at the decay.

    Parameters
    ----------
    record : Nuclide
        With its beta spectrum.
    electron_cutoff_mev, photon_cutoff_mev : float
        Lines below are not transported [MeV].

    Raises
    ------
    PhysicsError
        If the record has no beta spectrum.
    """
    if record.beta_spectrum.shape[0] < 2:
        raise PhysicsError(f"{record.name} has no beta spectrum, so that its betas cannot be transported.")
    betas = _quantiles(record)
    electrons = record.electron_lines[record.electron_lines[:, 0] > electron_cutoff_mev]
    photons = record.photon_lines[record.photon_lines[:, 0] > photon_cutoff_mev]
    emitted = record.conversion_mev + record.auger_mev + record.x_ray_mev + record.gamma_mev
    carried = float(electrons[:, 0] @ electrons[:, 1]) + float(photons[:, 0] @ photons[:, 1])
    return Emission(
        betas, np.ascontiguousarray(electrons), np.ascontiguousarray(photons), max(emitted - carried, 0.0)
    )


@dataclass(frozen=True, eq=False)
class SourcePart:
    """Voxels whose decays have the same sign.

    Parameters
    ----------
    weight : float
        What the energy of one history counts for: 1, or negative, or beside 1 where both signs share a batch.
    histories : int
        Histories of each batch.
    source : Source
        As the compiled transport needs it.
    """

    weight: float
    histories: int
    source: Source


def source_parts(tia: TimeIntegratedActivityMap, emitted: Emission, histories: int) -> tuple[SourcePart, ...]:
    """Return the source of a batch: its positive decays, and the negative ones of reconstruction noise if any.

    Parameters
    ----------
    tia : TimeIntegratedActivityMap
        Decays.
    emitted : Emission
        What one decay emits.
    histories : int
        Histories of a batch; each stands for the same number of decays, positive or negative.

    Raises
    ------
    InputError
        If all decays are zero.
    """
    # In double precision, whatever the map is in: sources are drawn from the running sum over all voxels.
    decays = np.ascontiguousarray(tia.array, dtype=np.float64).ravel()
    total = float(np.abs(decays).sum())
    if total == 0.0:
        raise InputError("the activity map holds no activity at all, so that there is no decay to simulate.")
    parts = []
    left = histories
    for sign in (-1.0, 1.0):
        flat = np.flatnonzero(sign * decays > 0.0)
        if flat.size == 0:
            continue
        share = float(np.abs(decays[flat]).sum()) / total
        count = left if sign > 0.0 or share == 1.0 else min(max(round(share * histories), 1), histories - 1)
        left -= count
        # +1: the grid lies inside a margin of one voxel.
        cells = np.stack(np.unravel_index(flat, tia.grid.shape), axis=1).astype(np.int64) + 1
        source = _source(np.cumsum(np.abs(decays[flat])), cells, emitted)
        parts.append(SourcePart(sign * share * histories / count, count, source))
    return tuple(parts)


def point_source(emitted: Emission) -> Source:
    """Return a point source at the centre of shells."""
    return _source(np.ones(1), np.zeros((1, 3), np.int64), emitted)


def _source(cumulative: Array, cells: NDArray[np.int64], emitted: Emission) -> Source:
    """Bundle positions and particles for the compiled loops."""
    return Source(cumulative, cells, emitted.betas_mev, emitted.electrons, emitted.photons, emitted.local_mev)


@lru_cache(maxsize=8)
def _quantiles(record: Nuclide) -> Array:
    """Beta energies at equal steps of probability, scaled to the mean of the record."""
    # deferred: 0.3 s
    from scipy.interpolate import PchipInterpolator

    spectrum = PchipInterpolator(record.beta_spectrum[:, 0], record.beta_spectrum[:, 1])
    energies = np.linspace(0.0, record.beta_spectrum[-1, 0], 20001)
    cumulative = spectrum.antiderivative()(energies)
    cumulative = np.maximum.accumulate(cumulative / cumulative[-1])
    betas = np.interp(np.linspace(0.0, 1.0, QUANTILES + 1), cumulative, energies)
    mean = float((0.5 * (betas[1:] + betas[:-1])).mean())
    betas *= record.beta_mev / mean
    betas.flags.writeable = False
    return betas
