"""Options that several commands share, and what their text means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

__all__ = [
    "Anonymise",
    "CalibrationRegion",
    "CaseFile",
    "Ct",
    "CtSeries",
    "DoseConstant",
    "EmissionSeries",
    "Engine",
    "GridChoice",
    "LiverDensity",
    "LungShunt",
    "Nuclide",
    "Out",
    "RegionFiles",
    "RegionSeries",
    "Register",
    "Roles",
    "TimeZone",
    "TrustFrames",
    "frames_choice",
    "named_values",
]

Out = Annotated[Path, Option("-o", "--out", help="Folder to write; appears complete or not at all.")]
CaseFile = Annotated[Path | None, Option(help="TOML case file; an option beats the file.")]
Ct = Annotated[Path | None, Option(help="CT image, completes or replaces the study's.")]
RegionFiles = Annotated[
    list[Path] | None,
    Option(
        "--regions",
        metavar="FILE",
        help="Regions (.seg.nrrd, label image, mask, RTSTRUCT, SEG); may be repeated, files add up.",
    ),
]
Nuclide = Annotated[str | None, Option(help="Therapy nuclide: Y-90 or Ho-166.  [default: Y-90]")]
LungShunt = Annotated[str | None, Option(help="Fraction such as 0.06, or 'spect' or 'planar' to measure it.")]
TimeZone = Annotated[str | None, Option(help="Zone of times without one, such as Europe/Berlin or +02:00.")]
CalibrationRegion = Annotated[str | None, Option(help="liver, liver+lungs, body or fov.  [default: liver]")]
DoseConstant = Annotated[
    float | None, Option(help="Dose constant [Gy kg/GBq] of formulas and local deposition.")
]
Engine = Annotated[
    str | None, Option(help="local, convolution, density or monte-carlo.  [default: convolution]")
]
LiverDensity = Annotated[str | None, Option(help="g/mL of liver and tumour, or 'ct'.  [default: 1.05]")]
GridChoice = Annotated[str | None, Option(help="emission, ct, or a voxel size in mm.  [default: emission]")]
Roles = Annotated[list[str] | None, Option(metavar="NAME=ROLE", help="Role of an ROI; may be repeated.")]
Register = Annotated[
    bool, Option("--register", help="Align the CT of regions of another frame of reference, CT to CT.")
]
TrustFrames = Annotated[
    bool, Option("--trust-frames", help="Take coordinates of other frames of reference as common.")
]
EmissionSeries = Annotated[str | None, Option(help="SeriesInstanceUID (prefix) of the emission image.")]
CtSeries = Annotated[str | None, Option(help="SeriesInstanceUID (prefix) of the CT.")]
RegionSeries = Annotated[str | None, Option(help="SeriesInstanceUID (prefix) of the regions.")]
Anonymise = Annotated[bool, Option("--anonymise", help="No patient identity in any output.")]


def frames_choice(register: bool, trust: bool) -> str | None:
    """Return what is done about other frames of reference.

    Raises
    ------
    InputError
        If both ways are asked for.
    """
    from y90voxel.errors import InputError

    if register and trust:
        raise InputError(
            "--register aligns images of different frames of reference, --trust-frames takes their coordinates as common: "
            "give one of them.",
            tag="dose.register",
        )
    return "align" if register else "trust" if trust else None


def named_values(
    pairs: list[str], option: str = "--role", example: str = "'Segment 8=tumour'"
) -> dict[str, str]:
    """Return what NAME=VALUE pairs say; a name may hold an equals sign, a value does not.

    Raises
    ------
    InputError
        If there is no equals sign or no name.
    """
    from y90voxel.errors import InputError

    roles = {}
    for pair in pairs:
        name, sign, role = pair.rpartition("=")
        if not sign or not name.strip():
            kind = "ROLE=PERCENT" if option == "--isocontour" else "NAME=ROLE"
            raise InputError(f"{option} {pair!r} is not {kind}, such as {option} {example}.", tag=option)
        roles[name.strip()] = role.strip()
    return roles
