"""The table of radionuclides: one record each of half-life, energies, spectrum file, DICOM codes and use.

It is read where commands print their help, so it imports nothing heavy; `y90voxel.reference.nuclide` makes `Nuclide` of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from y90voxel.units import SECONDS_PER_HOUR

__all__ = [
    "ELEMENTS",
    "NUCLIDE_RECORDS",
    "Emissions",
    "NuclideRecord",
    "surrogate_nuclides",
    "therapy_nuclides",
]


@dataclass(frozen=True)
class Emissions:
    """What decays of a nuclide give off.

    Parameters
    ----------
    beta_mev, conversion_mev, auger_mev, x_ray_mev, gamma_mev : float
        Mean energy per decay by kind of emission [MeV].
    positrons_per_decay : float
        Positrons per decay.
    beta_spectrum : str
        File of the beta spectrum in the kernel folder; empty when none is shipped.
    """

    beta_mev: float
    conversion_mev: float = 0.0
    auger_mev: float = 0.0
    x_ray_mev: float = 0.0
    gamma_mev: float = 0.0
    positrons_per_decay: float = 0.0
    beta_spectrum: str = ""


@dataclass(frozen=True)
class NuclideRecord:
    """A radionuclide of the table.

    Parameters
    ----------
    name : str
        Symbol and mass number.
    half_life_s : float
        Physical half-life [s].
    codes : tuple of str
        DICOM code values, in SRT, SNM3 or 99SDM and in SNOMED CT (PS3.16 CID 18 and CID 4020); empty when image headers are
        not searched for it.
    emissions : Emissions or None
        What doses are computed from; None for a nuclide that is only told apart in headers.
    therapy : bool
        Whether microspheres carry it.
    surrogate : bool
        Whether an image of it stands for the therapy.
    photon_kev : float or None
        Line that tells a nuclide by the energy window of a header [keV].
    """

    name: str
    half_life_s: float
    codes: tuple[str, ...] = ()
    emissions: Emissions | None = None
    therapy: bool = False
    surrogate: bool = False
    photon_kev: float | None = None


_H = SECONDS_PER_HOUR
# With emissions: half-lives and energies of ICRP Publication 107 (2008), Ann ICRP 38(3), doi:10.1016/j.icrp.2008.10.004.
# Positrons of Y-90 (internal pair production): Selwyn et al. 2007, Appl Radiat Isot 65:318,
# doi:10.1016/j.apradiso.2006.08.009: 31.86(47)e-6.
# Without: half-lives of the Decay Data Evaluation Project (LNHB), rounded to the digits that tell nuclides apart.
NUCLIDE_RECORDS = {
    record.name: record
    for record in (
        NuclideRecord(
            "Y-90", 64.10 * _H, ("C-162A7", "14691008"),
            Emissions(0.932905, 0.00020063, 6.5e-7, 1.2e-6, 3.0e-8, 3.186e-5, "spectra/y90_beta.csv"), therapy=True,
        ),
        NuclideRecord(
            "Ho-166", 26.80 * _H, ("C1943",),
            Emissions(0.66499288, 0.02839564, 0.00294977, 0.00588872, 0.02418537, 0.0, "spectra/ho166_beta.csv"),
            therapy=True,
        ),
        NuclideRecord(
            "Tc-99m", 6.015 * _H, ("C-163A8", "72454006"),
            Emissions(4.2e-6, 0.01524478, 0.00093974, 0.00143249, 0.1251624), surrogate=True, photon_kev=140.5,
        ),
        NuclideRecord(
            "Lu-177", 6.647 * 24 * _H, ("C-101ED", "447553000"),
            Emissions(0.13326976, 0.01352161, 0.00113177, 0.00353965, 0.03155801, 0.0, "spectra/lu177_beta.csv"),
        ),
        NuclideRecord(
            "P-32", 14.263 * 24 * _H, (), Emissions(0.694777, beta_spectrum="spectra/p32_beta.csv"),
        ),
        NuclideRecord(
            "I-131", 8.02070 * 24 * _H, ("C-114B1", "1368003"),
            Emissions(0.18186814, 0.00956687, 0.00041286, 0.00152181, 0.38123584, 0.0, "spectra/i131_beta.csv"),
        ),
        NuclideRecord("C-11", 1221.8, ("C-105A1", "40565003")),
        NuclideRecord("N-13", 597.9, ("C-107A1", "21576001")),
        NuclideRecord("O-15", 122.3, ("C-B1038", "129504001")),
        NuclideRecord("F-18", 6586.2, ("C-111A1", "77004003")),
        NuclideRecord("Na-22", 8.2105e7, ("C-155A1", "71633006")),
        NuclideRecord("Cu-64", 45721.0, ("C-127A2", "3932008")),
        NuclideRecord("Ga-67", 281794.0, ("C-131A2", "2008008")),
        NuclideRecord("Ga-68", 4062.6, ("C-131A3", "35337001")),
        NuclideRecord("Ge-68", 2.3410e7, ("C-128A2", "53315004")),
        NuclideRecord("Kr-81m", 13.1, ("C-173A5", "61716009")),
        NuclideRecord("Rb-82", 76.4, ("C-159A2", "79197006")),
        NuclideRecord("Y-86", 53064.0, ("C-162A3", "10738001")),
        NuclideRecord("Zr-89", 282276.0, ("C-168A4", "63360001")),
        NuclideRecord("In-111", 242326.0, ("C-145A4", "56609000")),
        NuclideRecord("I-123", 47604.0, ("C-114A4", "21572004")),
        NuclideRecord("I-124", 360806.0, ("C-114A5", "40937006")),
        NuclideRecord("Xe-133", 453385.0, ("C-172A8", "80751004")),
        NuclideRecord("Sm-153", 166570.0, ("C-B1134", "419804008")),
        NuclideRecord("Re-188", 61214.0, ("C-1018D", "423578007")),
        NuclideRecord("Tl-201", 262838.0, ("C-138A9", "60057003")),
    )
}  # fmt: skip
# Names of the elements of the table, as people and headers write them.
ELEMENTS = {
    "carbon": "C", "nitrogen": "N", "oxygen": "O", "fluorine": "F", "fluor": "F", "sodium": "Na", "phosphorus": "P",
    "copper": "Cu", "gallium": "Ga", "germanium": "Ge", "krypton": "Kr", "rubidium": "Rb", "yttrium": "Y",
    "zirconium": "Zr", "technetium": "Tc", "indium": "In", "iodine": "I", "xenon": "Xe", "samarium": "Sm",
    "holmium": "Ho", "lutetium": "Lu", "rhenium": "Re", "thallium": "Tl",
}  # fmt: skip


def therapy_nuclides() -> tuple[str, ...]:
    """Return the names of the nuclides that microspheres carry."""
    return tuple(name for name, record in NUCLIDE_RECORDS.items() if record.therapy)


def surrogate_nuclides() -> tuple[str, ...]:
    """Return the names of the nuclides whose image stands for the therapy."""
    return tuple(name for name, record in NUCLIDE_RECORDS.items() if record.surrogate)
