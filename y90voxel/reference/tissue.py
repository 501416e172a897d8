"""Tissues: CT number to mass density, densities by role, elemental compositions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.reference.shipped import shipped_kernel_text

__all__ = [
    "DENSITY_FLOOR_G_PER_ML",
    "LIVER_DENSITY_G_PER_ML",
    "LUNG_DENSITY_G_PER_ML",
    "SOFT_TISSUE_DENSITY_G_PER_ML",
    "DensityCalibration",
    "Tissue",
    "tissue",
]

# Inflated lung of the adult, ICRU Report 46 (1992) and ICRU Report 44 (1989).
LUNG_DENSITY_G_PER_ML = 0.26
# Liver and tumour: between 1.03 and 1.06 in practice, 1.06 in ICRU Report 46.
LIVER_DENSITY_G_PER_ML = 1.05
# Soft tissue of the published voxel S values, Lanconelli et al. 2012, Phys Med Biol 57:517,
# doi:10.1088/0031-9155/57/2/517 (their tables sum to the electron energy with this density).
SOFT_TISSUE_DENSITY_G_PER_ML = 1.04
# Dose is energy per mass: without a floor the few electrons that stop in a voxel of air become the
# hottest spot of the patient. No tissue is lighter; emphysematous lung reaches about this.
DENSITY_FLOOR_G_PER_ML = 0.05

SCHNEIDER_2000 = (
    (-1000.0, 0.00121), (-98.0, 0.93), (-97.0, 0.930486), (14.0, 1.03), (23.0, 1.031), (100.0, 1.1199),
    (101.0, 1.0762), (1600.0, 1.9642), (3000.0, 2.8),
)  # fmt: skip


@dataclass(frozen=True)
class DensityCalibration:
    """CT number to mass density, linear between points and constant beyond them.

    The default is the stoichiometric calibration of Schneider et al.: between air and fat, where lung lies,
    it is within 0.016 g/mL of 1 + HU/1000. It is not monotonic at 100 HU, where soft tissue (tendon, skin)
    meets marrow and bone; calibrate your own scanner for less than a few per cent.

    Parameters
    ----------
    hu : tuple of float
        CT numbers, rising [HU].
    g_per_ml : tuple of float
        Densities at these [g/mL].
    name : str
        What the calibration is called in reports.

    Raises
    ------
    InputError
        If there are fewer than two points, the lengths differ, CT numbers do not rise, or a density is not
        positive and finite.

    References
    ----------
    Schneider W, Bortfeld T, Schlegel W 2000, Phys Med Biol 45:459, doi:10.1088/0031-9155/45/2/314,
    equations 17 to 21, as tabulated in Schneider2000DensitiesTable.txt of GATE.

    Examples
    --------
    >>> DensityCalibration().density(np.array([-740.0, 0.0, 55.0])).astype(float).round(3).tolist()
    [0.269, 1.017, 1.068]
    """

    hu: tuple[float, ...] = tuple(point[0] for point in SCHNEIDER_2000)
    g_per_ml: tuple[float, ...] = tuple(point[1] for point in SCHNEIDER_2000)
    name: str = "Schneider 2000"

    def __post_init__(self) -> None:
        hu, density = np.asarray(self.hu, float), np.asarray(self.g_per_ml, float)
        if hu.shape != density.shape or hu.ndim != 1 or len(hu) < 2:
            raise InputError(
                f"a density calibration needs at least two CT numbers with a density each, got {len(self.hu)} "
                f"CT numbers and {len(self.g_per_ml)} densities."
            )
        if not (np.isfinite(hu).all() and (np.diff(hu) > 0).all()):
            raise InputError(f"the CT numbers of a density calibration must rise, got {self.hu} HU.")
        if not (np.isfinite(density).all() and (density > 0).all()):
            raise InputError(
                f"the densities of a calibration must be positive and finite, got {self.g_per_ml} g/mL."
            )

    def density(self, hu: NDArray[Any]) -> NDArray[np.float32]:
        """Return the mass density [g/mL] of CT numbers [HU], the same shape; slice by slice, to save memory."""
        values = np.atleast_2d(np.asarray(hu))
        out = np.empty(values.shape, dtype=np.float32)
        if values.dtype == np.int16:  # as CTs are stored: there are only 65536 of them to interpolate
            table = self.table()
            for plane, wanted in zip(values, out, strict=True):
                np.take(table, plane.view(np.uint16), out=wanted, mode="clip")
        else:
            for index, plane in enumerate(values):
                out[index] = np.interp(plane, self.hu, self.g_per_ml)
        return out.reshape(np.shape(hu))

    def table(self) -> NDArray[np.float32]:
        """Return the mass density [g/mL] of every int16 CT number, (65536,), in the order of their bits as uint16."""
        every = np.arange(65536, dtype=np.uint16).view(np.int16)
        return np.interp(every, self.hu, self.g_per_ml).astype(np.float32)


@dataclass(frozen=True)
class Tissue:
    """A material for transport.

    Parameters
    ----------
    name : str
        What it is.
    density_g_per_ml : float
        Nominal mass density [g/mL].
    mean_excitation_energy_ev : float
        Mean excitation energy I [eV].
    mass_fractions : mapping of str to float
        Mass fraction by element symbol; they add up to one.
    """

    name: str
    density_g_per_ml: float
    mean_excitation_energy_ev: float
    mass_fractions: Mapping[str, float]


def tissue(name: str) -> Tissue:
    """Return a material by name: water, soft tissue, liver, lung, bone, muscle, blood or adipose.

    Raises
    ------
    InputError
        If there is no such material.

    References
    ----------
    Compositions, densities and mean excitation energies: ICRU Report 37 (1984), ICRU Report 44 (1989) and
    ICRP Publication 23, as in the density-effect files of EGSnrc.
    """
    tissues = _tissues()
    if name not in tissues:
        raise InputError(f"unknown tissue {name!r}; there are {', '.join(tissues)}.")
    return tissues[name]


@cache
def _tissues() -> dict[str, Tissue]:
    """Read the shipped table."""
    lines = [line for line in shipped_kernel_text("tissues.csv").splitlines() if not line.startswith("#")]
    elements = lines[0].split(",")[3:]
    tissues = {}
    for line in lines[1:]:
        name, density, excitation, *fractions = line.split(",")
        mass = {e: float(f) for e, f in zip(elements, fractions, strict=True) if float(f) > 0}
        tissues[name] = Tissue(name, float(density), float(excitation), mass)
    return tissues
