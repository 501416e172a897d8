"""Settings of uncertainties and of corrections of the emission image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import model_validator

from y90voxel.case.setting_types import Fraction, Group, Positive, Setting

__all__ = ["DeadTimeSettings", "NoiseSettings", "PartialVolumeSettings", "UncertaintySettings"]


class UncertaintySettings(Group):
    """How well the inputs are known, as standard uncertainties; what is absent is assumed and said."""

    fwhm_mm: Annotated[Positive | None, Setting("Resolution of the emission image [mm].")] = None
    contour_voxel_mm: Annotated[Positive | None, Setting("Voxels that regions were drawn on [mm].")] = None
    contour_fwhm_mm: Annotated[float | None, Setting("Resolution of the image they were drawn on [mm].")] = (
        None
    )
    activity: Annotated[Fraction | None, Setting("Of the net activity by the assay, relative.")] = None
    residual: Annotated[Fraction | None, Setting("Of the net activity by the residual, relative.")] = None
    lung_shunt: Annotated[Fraction | None, Setting("Of the lung shunt fraction, relative.")] = None
    calibration: Annotated[Fraction | None, Setting("Of an absolute calibration, relative.")] = None
    decay: Annotated[Fraction | None, Setting("Of the decay constant, relative.")] = None
    density: Annotated[Fraction | None, Setting("Of the density of liver and tumours, relative.")] = None
    registration_mm: Annotated[float | None, Setting("Shift between image and regions, by axis [mm].")] = None
    noise: Annotated[Fraction | None, Setting("Of a voxel over the mean in uniform liver.")] = None
    noise_fwhm_mm: Annotated[float | None, Setting("Correlation length of the noise [mm].")] = None
    samples: Annotated[int | None, Setting("Sampled histograms.")] = None
    seed: Annotated[int | None, Setting("Same seed, same bands.", "--seed")] = None


class NoiseSettings(Group):
    """What tells noise from what truly differs."""

    halves: Annotated[
        tuple[Path, Path] | None,
        Setting(
            "Two independent halves of the image (frames, list-mode or projection halves; no gates): histograms without noise.",
            "--halves",
            metavar="A B",
        ),
    ] = None


class PartialVolumeSettings(Group):
    """What blur takes from small regions: measured recovery of spheres, and a method for all voxels."""

    recovery: Annotated[Path | None, Setting("Table of measured recovery of spheres.")] = None
    recovery_uncertainty: Annotated[Fraction | None, Setting("Of every coefficient, relative.")] = None
    method: Annotated[
        Literal["richardson-lucy"] | None, Setting("Deconvolution of the whole image: {choices}.")
    ] = None
    fwhm_mm: Annotated[Positive | None, Setting("Resolution of the camera [mm].")] = None
    # As `y90voxel.quantification.deconvolution.DEFAULT_ITERATIONS`, a module too heavy for every start; a test compares.
    iterations: Annotated[int, Setting("Iterations of the deconvolution.")] = 10

    @model_validator(mode="after")
    def _width_is_known(self) -> PartialVolumeSettings:
        if self.method is not None and self.fwhm_mm is None:
            raise ValueError(f"the method {self.method} needs fwhm_mm, the resolution of the camera")
        return self

    @property
    def asked(self) -> bool:
        """Whether there is anything to correct by."""
        return self.recovery is not None or self.method is not None


class DeadTimeSettings(Group):
    """How the camera loses counts."""

    time_constant_us: Annotated[float | None, Setting("Dead time of a paralysable camera [µs].")] = None
    curve: Annotated[Path | None, Setting("Table of true over observed rates.")] = None
    observed_rate_cps: Annotated[
        float | None, Setting("Observed rate [1/s], where the image does not tell.")
    ] = None
