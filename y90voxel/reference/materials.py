"""Materials that electrons and photons cross: composition, stopping powers, and which density means which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import InputError
from y90voxel.reference.transport_tables import transport_columns, transport_rows

__all__ = ["MATERIALS_BY_DENSITY", "Material", "atomic_number", "material", "material_by_density"]

# Lower limit of density [g/mL] of each material. Inflated lung is 0.26 (ICRU 44), collapsed lung about 1.05;
# a voxel between lung and tissue crosses over where it is half of each (0.65). Adipose tissue is 0.95, liver
# and muscle 1.05 to 1.06: the strip around 1.00 is what a mixture of them, bile or a water phantom has.
# Cortical bone is 1.92; spongiosa and marrow (1.02 to 1.18) are closer to soft tissue than to it.
MATERIALS_BY_DENSITY: tuple[tuple[float, str], ...] = (
    (0.0, "air"),
    (0.08, "lung"),
    (0.65, "adipose"),
    (0.985, "water"),
    (1.015, "soft tissue"),
    (1.25, "bone"),
)

# Soft tissue has the composition of liver, the organ that is treated.
_OTHER_NAMES = {"liver": "soft tissue"}

# Atomic number and standard atomic weight (IUPAC 2021, rounded) of the elements of tissues.
_ELEMENTS = {
    "H": (1, 1.008), "C": (6, 12.011), "N": (7, 14.007), "O": (8, 15.999), "Na": (11, 22.990), "Mg": (12, 24.305),
    "Si": (14, 28.085), "P": (15, 30.974), "S": (16, 32.06), "Cl": (17, 35.45), "Ar": (18, 39.948), "K": (19, 39.098),
    "Ca": (20, 40.078), "Fe": (26, 55.845), "Zn": (30, 65.38),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Material:
    """One medium of transport; everything is per mass, so that any density of it is the same material.

    Parameters
    ----------
    name : str
        ``"air"``, ``"lung"``, ``"adipose"``, ``"water"``, ``"soft tissue"`` or ``"bone"``.
    density_g_per_ml : float
        Density that the density effect of the stopping power belongs to [g/mL].
    mean_excitation_energy_ev : float
        Mean excitation energy [eV].
    fractions : mapping of str to float
        Mass fraction by element symbol.
    stopping : ndarray, (n, 3)
        Electron energy [MeV], collision and radiative mass stopping power [MeV cm²/g].
    attenuation : ndarray, (m, 3)
        Photon energy [MeV], mass attenuation and mass energy-absorption coefficient [cm²/g].
    """

    name: str
    density_g_per_ml: float
    mean_excitation_energy_ev: float
    fractions: Mapping[str, float]
    stopping: NDArray[np.float64]
    attenuation: NDArray[np.float64]

    @property
    def moles_of_atoms_per_g(self) -> dict[int, float]:
        """Moles of atoms in one gram, by atomic number."""
        return {_ELEMENTS[s][0]: w / _ELEMENTS[s][1] for s, w in self.fractions.items() if w > 0}

    @property
    def moles_of_electrons_per_g(self) -> float:
        """Moles of electrons in one gram, the sum of w Z/A."""
        return sum(z * moles for z, moles in self.moles_of_atoms_per_g.items())

    def collision_stopping_power(self, energy_mev: ArrayLike) -> NDArray[np.float64]:
        """Return the mass collision stopping power [MeV cm²/g] at electron energies [MeV], log-log between rows."""
        return self._interpolated(energy_mev, 1)

    def radiative_stopping_power(self, energy_mev: ArrayLike) -> NDArray[np.float64]:
        """Return the mass radiative stopping power [MeV cm²/g] at electron energies [MeV], log-log between rows."""
        return self._interpolated(energy_mev, 2)

    def _interpolated(self, energy_mev: ArrayLike, column: int) -> NDArray[np.float64]:
        """Interpolate a column of the stopping powers in logarithms."""
        log_energy, log_value = np.log(self.stopping[:, 0]), np.log(self.stopping[:, column])
        return np.asarray(np.exp(np.interp(np.log(np.asarray(energy_mev, float)), log_energy, log_value)))


def atomic_number(symbol: str) -> int:
    """Return the atomic number of an element of tissues."""
    return _ELEMENTS[symbol][0]


@cache
def material(name: str) -> Material:
    """Return a material by name; ``"liver"`` is another name of soft tissue.

    Raises
    ------
    InputError
        If there is no material of that name, or a shipped table does not match its checksum.

    References
    ----------
    Compositions, mean excitation energies, collision stopping powers: ICRU Report 37 (1984). Radiative
    stopping powers: Seltzer and Berger 1986, doi:10.1016/0092-640X(86)90014-8. Photon coefficients: Hubbell
    and Seltzer 1995, NIST SRD 126, doi:10.18434/T4D01F.

    Examples
    --------
    >>> round(float(material("water").collision_stopping_power(1.0)), 3)
    1.849
    """
    rows = {row[0]: row for row in transport_rows("materials.csv")}
    name = _OTHER_NAMES.get(name, name)
    if name not in rows:
        raise InputError(f"unknown material {name!r}; there are {', '.join(rows)}.")
    symbols = transport_columns("materials.csv")[3:]
    fractions = {s: float(w) for s, w in zip(symbols, rows[name][3:], strict=True) if float(w) > 0}
    return Material(
        name, float(rows[name][1]), float(rows[name][2]), fractions,
        _numbers("stopping_powers.csv", name), _numbers("photon_coefficients.csv", name),
    )  # fmt: skip


def material_by_density(density_g_per_ml: ArrayLike) -> NDArray[np.uint8]:
    """Return the index in ``MATERIALS_BY_DENSITY`` of the material that each density [g/mL] means."""
    limits = np.array([limit for limit, _ in MATERIALS_BY_DENSITY[1:]])
    return np.searchsorted(limits, np.asarray(density_g_per_ml), side="right").astype(np.uint8)


def _numbers(table: str, name: str) -> NDArray[np.float64]:
    """Return the rows of one material without its name, read-only."""
    numbers = np.array(
        [[float(value) for value in row[1:]] for row in transport_rows(table) if row[0] == name]
    )
    numbers.flags.writeable = False
    return numbers
