"""The digital twin of a phantom, as a file describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from y90voxel.case.filling_record import FillingRecord
from y90voxel.case.setting_types import Group, NotNegative, Positive, Setting

__all__ = ["CameraSettings", "PlaceSettings", "TwinSettings"]


class CameraSettings(Group):
    """The camera."""

    modality: Annotated[Literal["NM", "PT"], Setting("NM (SPECT, counts) or PT (PET, Bq/mL).")] = "PT"
    fwhm_mm: Annotated[Positive, Setting("Resolution, voxels not included [mm].")] = 6.0
    voxel_mm: Annotated[tuple[Positive, Positive, Positive], Setting("Slice, row, column spacing [mm].")] = (
        4.0,
        4.0,
        4.0,
    )
    duration_s: Annotated[Positive, Setting("Duration of an acquisition [s].")] = 1800.0
    sensitivity: Annotated[Positive, Setting("NM: cps per MBq; PT: measured over true concentration.")] = 1.0
    dead_time_us: Annotated[NotNegative, Setting("Of a paralysable NM camera [µs].")] = 0.0
    noise_cv: Annotated[NotNegative, Setting("CoV of a voxel of the background, first day.")] = 0.0
    noise_fwhm_mm: Annotated[NotNegative, Setting("Correlation of the noise [mm].")] = 0.0
    reconstruction: Annotated[str, Setting("What headers call the reconstruction.")] = "twin"
    filter: Annotated[str, Setting("What headers call the filter.")] = "none"


class PlaceSettings(Group):
    """How the phantom lies in the image."""

    angles_deg: Annotated[tuple[float, float, float], Setting("Rotations about x, y, z [degrees].")] = (
        0,
        0,
        0,
    )
    shift_mm: Annotated[tuple[float, float, float], Setting("Of the middle of the spheres, LPS [mm].")] = (
        0,
        0,
        0,
    )
    mirrored: Annotated[bool, Setting("Spheres in the other direction around the circle.")] = False
    field_mm: Annotated[
        tuple[Positive, Positive, Positive] | None,
        Setting("Size of the image, slices, rows, columns [mm].  [default: the phantom and 20 mm around it]"),
    ] = None


def _filling() -> FillingRecord:
    """Y-90 at 8:1, as in the QUEST phantom study (doi 10.1007/s00259-015-3059-9): about 2.5 GBq in 9.4 L."""
    noon = datetime(2026, 3, 2, 12, 0)
    spheres = {"activity": "200 MBq", "activity_time": noon, "volume_ml": 100.0}
    background = {"activity": "2.34 GBq", "activity_time": noon, "volume_ml": 9363.0}
    return FillingRecord.model_validate({"nuclide": "Y-90", "spheres": spheres, "background": background})


class TwinSettings(Group):
    """The digital twin of a phantom."""

    filling: FillingRecord = Field(default_factory=_filling)
    camera: CameraSettings = Field(default_factory=CameraSettings)
    place: PlaceSettings = Field(default_factory=PlaceSettings)
    hours: Annotated[list[NotNegative], Setting("Starts of the acquisitions, hours after filling.")] = Field(
        default_factory=lambda: [2.0], min_length=1
    )
    seed: Annotated[int, Setting("Same seed, same noise.")] = 0
    halves: Annotated[bool, Setting("Write two independent halves of each acquisition too, as NIfTI.")] = (
        False
    )
