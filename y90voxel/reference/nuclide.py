"""Radionuclides: half-life, energies per decay, spectra. Everything else is derived from these."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.reference.nuclide_records import ELEMENTS, NUCLIDE_RECORDS
from y90voxel.reference.shipped import shipped_kernel_text
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV

__all__ = ["Nuclide", "known_nuclides", "nuclide"]

ICRP107 = "ICRP Publication 107 (2008), Ann ICRP 38(3), doi:10.1016/j.icrp.2008.10.004"


@dataclass(frozen=True, eq=False)
class Nuclide:
    """A radionuclide.

    Parameters
    ----------
    name : str
        Symbol and mass number, such as ``"Y-90"``.
    half_life_s : float
        Physical half-life [s].
    beta_mev, conversion_mev, auger_mev, x_ray_mev, gamma_mev : float
        Mean energy per decay by kind of emission [MeV].
    source : str
        Where half-life and energies come from.
    positrons_per_decay : float
        Positrons per decay, from internal pair production or beta plus.
    beta_spectrum : ndarray, (n, 2)
        Electron energy [MeV] and betas per MeV and decay, normalised to one beta; empty when not shipped.
    electron_lines, photon_lines : ndarray, (n, 2)
        Energy [MeV] and yield per decay of conversion and Auger electrons, and of gamma and x rays.

    Raises
    ------
    InputError
        If the half-life is not positive, or an energy is negative or not finite.
    """

    name: str
    half_life_s: float
    beta_mev: float
    conversion_mev: float = 0.0
    auger_mev: float = 0.0
    x_ray_mev: float = 0.0
    gamma_mev: float = 0.0
    source: str = ""
    positrons_per_decay: float = 0.0
    beta_spectrum: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    electron_lines: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    photon_lines: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)), repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if not (math.isfinite(self.half_life_s) and self.half_life_s > 0):
            raise InputError(f"{self.name}: the half-life must be positive, got {self.half_life_s} s.")
        for kind in ("beta_mev", "conversion_mev", "auger_mev", "x_ray_mev", "gamma_mev"):
            energy = getattr(self, kind)
            if not (math.isfinite(energy) and energy >= 0):
                raise InputError(f"{self.name}: {kind} must not be negative, got {energy} MeV per decay.")

    @property
    def decay_constant_per_s(self) -> float:
        """Decay constant λ = ln 2 / T½ [1/s]."""
        return math.log(2.0) / self.half_life_s

    @property
    def mean_electron_energy_mev(self) -> float:
        """Mean energy of all electrons (beta, conversion, Auger) per decay [MeV]."""
        return self.beta_mev + self.conversion_mev + self.auger_mev

    @property
    def mean_total_energy_mev(self) -> float:
        """Mean energy of all emissions per decay, photons included [MeV]."""
        return self.mean_electron_energy_mev + self.x_ray_mev + self.gamma_mev

    @property
    def energy_per_activity_j_per_bq(self) -> float:
        """Electron energy of complete decay per initial activity, Ē / λ [J/Bq]."""
        return self.mean_electron_energy_mev * JOULE_PER_MEV / self.decay_constant_per_s

    @property
    def dose_constant_gy_kg_per_gbq(self) -> float:
        """Dose of complete decay times mass per activity, all electron energy absorbed [Gy·kg/GBq]."""
        return self.energy_per_activity_j_per_bq * 1e9


# Records that doses can be computed from, and the symbols and names of elements in lower case.
_RECORDS = {name: record for name, record in NUCLIDE_RECORDS.items() if record.emissions is not None}
_SYMBOLS = ELEMENTS | {
    symbol.lower(): symbol for symbol in (name.partition("-")[0] for name in NUCLIDE_RECORDS)
}


def known_nuclides() -> tuple[str, ...]:
    """Return the names of all nuclides with a record."""
    return tuple(_RECORDS)


def nuclide(name: str | Nuclide) -> Nuclide:
    """Return the record of a nuclide.

    Parameters
    ----------
    name : str or Nuclide
        ``"Y-90"``, ``"Y90"``, ``"90Y"``, ``"yttrium-90"``, ``"Tc-99m"``, ``"^99m^Technetium"`` and the like;
        a record is returned as it is.

    Raises
    ------
    InputError
        If there is no record of that name.

    References
    ----------
    Half-lives, energies and spectra: ICRP Publication 107 (2008), Ann ICRP 38(3),
    doi:10.1016/j.icrp.2008.10.004.

    Examples
    --------
    >>> round(nuclide("90Y").dose_constant_gy_kg_per_gbq, 2)
    49.77
    """
    return name if isinstance(name, Nuclide) else _record(_normalised(name))


def _normalised(name: str) -> str:
    """Return the name as in the table of records, or raise with the valid ones."""
    compact = re.sub(r"[^a-z0-9]", "", str(name).lower())
    match = re.fullmatch(r"(?P<e>[a-z]+?)(?P<a>\d+m?)|(?P<a2>\d+m?)(?P<e2>[a-z]+)", compact)
    if match:
        symbol = _SYMBOLS.get(match["e"] or match["e2"])
        normalised = f"{symbol}-{match['a'] or match['a2']}"
        if normalised in _RECORDS:
            return normalised
    raise InputError(f"unknown nuclide {name!r}; there are records of {', '.join(_RECORDS)}.")


@cache
def _record(name: str) -> Nuclide:
    """Build the record of a known nuclide, spectra included."""
    record = _RECORDS[name]
    emissions = record.emissions
    assert emissions is not None  # as of every record of these
    spectrum = np.empty((0, 2))
    if emissions.beta_spectrum:
        spectrum = np.array([[float(value) for value in row] for row in _rows(emissions.beta_spectrum)])
    lines = {
        kind: np.array([(float(e), float(n)) for who, _, e, n in _rows(f"spectra/{kind}_lines.csv") if who == name])
        for kind in ("electron", "photon")
    }  # fmt: skip
    for array in (spectrum, *lines.values()):
        array.flags.writeable = False
    return Nuclide(
        name=name,
        half_life_s=record.half_life_s,
        beta_mev=emissions.beta_mev,
        conversion_mev=emissions.conversion_mev,
        auger_mev=emissions.auger_mev,
        x_ray_mev=emissions.x_ray_mev,
        gamma_mev=emissions.gamma_mev,
        source=ICRP107,
        positrons_per_decay=emissions.positrons_per_decay,
        beta_spectrum=spectrum,
        electron_lines=lines["electron"].reshape(-1, 2),
        photon_lines=lines["photon"].reshape(-1, 2),
    )


@cache
def _rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the data rows of a commented table with one header line."""
    lines = [line for line in shipped_kernel_text(name).splitlines() if not line.startswith("#")]
    return tuple(tuple(line.split(",")) for line in lines[1:])
