"""The filling record of a phantom: what was put where and when, what the site asks of its camera."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from y90voxel.case.setting_types import Activity, Fraction, Group, OneOf, Positive, Setting, Time
from y90voxel.case.validation import validated
from y90voxel.errors import InputError
from y90voxel.reference.nuclide_records import surrogate_nuclides, therapy_nuclides

__all__ = ["FillingRecord", "Limits", "PhantomKind", "Solution", "read_filling_record", "read_toml"]

G = TypeVar("G", bound=Group)


def _nuclides() -> tuple[str, ...]:
    """The nuclides that a camera is commissioned for."""
    return (*therapy_nuclides(), *surrogate_nuclides())


class PhantomKind(Group):
    """Which phantom it is."""

    kind: Annotated[
        Literal["nema-iec", "cylinder"], Setting("{choices}: six spheres in a body, or uniform.")
    ] = "nema-iec"
    sphere_diameters_mm: Annotated[
        list[Positive] | None,
        Setting("Inner diameters in the order of their places [mm].  [default: 10, 13, 17, 22, 28, 37]"),
    ] = None
    insert: Annotated[bool, Setting("Whether the cold lung insert is in it.")] = True
    diameter_mm: Annotated[Positive | None, Setting("Inner diameter of a cylinder [mm].")] = None
    length_mm: Annotated[Positive | None, Setting("Inner length of a cylinder [mm].")] = None


class Solution(Group):
    """A solution that parts of the phantom were filled with."""

    activity: Annotated[Activity | None, Setting("Activity put into it, such as '300 MBq'.")] = None
    activity_time: Annotated[Time | None, Setting("When it had this activity, ISO 8601.")] = None
    residual: Annotated[Activity | None, Setting("Left in syringe or vial, such as '3 MBq'.")] = None
    residual_time: Annotated[Time | None, Setting("When that was measured, ISO 8601.")] = None
    volume_ml: Annotated[Positive | None, Setting("Volume of the whole solution [mL].")] = None


class FillingUncertainty(Group):
    """How well the filling is known, as relative standard uncertainties."""

    activity: Annotated[Fraction | None, Setting("Of activities, by the dose calibrator.")] = None
    volume: Annotated[Fraction | None, Setting("Of volumes.")] = None


class ImageFacts(Group):
    """What the images' headers may not say."""

    reconstruction: Annotated[str | None, Setting("Method, iterations, subsets.")] = None
    filter: Annotated[str | None, Setting("Filter after the reconstruction.")] = None


class Limits(Group):
    """What the site asks of its camera; nothing has a default."""

    background_error: Annotated[Fraction | None, Setting("Background against the filling, at most.")] = None
    uniformity: Annotated[Fraction | None, Setting("SD of regions in the background, at most.")] = None
    noise_cv: Annotated[Fraction | None, Setting("CoV of voxels in the background, at most.")] = None
    insert_error: Annotated[Fraction | None, Setting("Left in the cold insert, at most.")] = None
    calibration_uncertainty: Annotated[Fraction | None, Setting("Of the calibration factor, at most.")] = None
    linearity: Annotated[Fraction | None, Setting("Deviation of a day from the fit, at most.")] = None
    fwhm_mm: Annotated[Positive | None, Setting("Resolution, at most [mm].")] = None
    least_recovery: Annotated[
        dict[str, Positive], Setting("Least recovery (mean) by diameter, such as 37 = 0.8.")
    ] = Field(default_factory=dict)


class FillingRecord(Group):
    """The filling record of a phantom."""

    nuclide: Annotated[Annotated[str, OneOf(_nuclides)], Setting("{choices}.")]
    time_zone: Annotated[str | None, Setting("Zone of times without one, such as Europe/Berlin.")] = None
    phantom: PhantomKind = Field(default_factory=PhantomKind)
    spheres: Annotated[Solution | None, Setting("The solution in all spheres.")] = None
    background: Annotated[Solution | None, Setting("The solution in body or cylinder; absent: water.")] = None
    uncertainty: FillingUncertainty = Field(default_factory=FillingUncertainty)
    image: ImageFacts = Field(default_factory=ImageFacts)
    contours: Annotated[
        Path | None, Setting("Drawn spheres (RTSTRUCT, SEG or masks); their names hold the diameters.")
    ] = None
    limits: Limits = Field(default_factory=Limits)


def read_filling_record(path: str | Path) -> FillingRecord:
    """Return the filling record of a TOML file; a file of contours that it names lies beside it.

    Raises
    ------
    InputError
        If it cannot be read, or a key or value is not understood.
    """
    record = read_toml(path, FillingRecord, "filling record")
    if record.contours is None:
        return record
    return record.model_copy(update={"contours": Path(path).parent / record.contours})


def read_toml(path: str | Path, declared: type[G], what: str) -> G:
    """Return settings of a declared kind from a TOML file.

    Raises
    ------
    InputError
        If it cannot be read, or a key or value is not understood.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the {what} {path} cannot be read: {error}.", file=path) from error
    return validated(declared, raw, Path(path))
