"""Settings of uncertainties and of corrections of the emission image."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from y90voxel.case.recovery_correction import Deconvolution
from y90voxel.case.setting_types import Fraction, Group, Positive
from y90voxel.io.phantom_tables import read_dead_time_curve, read_recovery
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.deconvolution import DEFAULT_ITERATIONS
from y90voxel.quantification.partial_volume import RecoveryFit

__all__ = ["DeadTimeSettings", "PartialVolumeSettings", "UncertaintySettings"]


class UncertaintySettings(Group):
    """How well the inputs are known, as standard uncertainties; what is absent is assumed and said."""

    fwhm_mm: Positive | None = None
    contour_voxel_mm: Positive | None = None
    contour_fwhm_mm: float | None = None
    activity: Fraction | None = None
    residual: Fraction | None = None
    lung_shunt: Fraction | None = None
    calibration: Fraction | None = None
    decay: Fraction | None = None
    density: Fraction | None = None
    registration_mm: float | None = None
    noise: Fraction | None = None
    noise_fwhm_mm: float | None = None
    samples: int | None = None
    seed: int | None = None


class PartialVolumeSettings(Group):
    """What blur takes from small regions: measured recovery of spheres, and a method for all voxels."""

    recovery: Path | None = None
    recovery_uncertainty: Fraction | None = None
    method: Literal["richardson-lucy"] | None = None
    fwhm_mm: Positive | None = None
    iterations: int = DEFAULT_ITERATIONS

    @model_validator(mode="after")
    def _width_is_known(self) -> PartialVolumeSettings:
        if self.method is not None and self.fwhm_mm is None:
            raise ValueError(f"the method {self.method} needs fwhm_mm, the resolution of the camera")
        return self

    @property
    def asked(self) -> bool:
        """Whether there is anything to correct by."""
        return self.recovery is not None or self.method is not None

    def curve(self) -> RecoveryFit | None:
        """Return the recovery curve of the file, None without one."""
        return None if self.recovery is None else read_recovery(self.recovery, self.recovery_uncertainty)

    def deconvolution(self) -> Deconvolution | None:
        """Return the method for all voxels, None without one."""
        return (
            None
            if self.fwhm_mm is None or self.method is None
            else Deconvolution(self.fwhm_mm, self.iterations)
        )


class DeadTimeSettings(Group):
    """How the camera loses counts."""

    time_constant_us: float | None = None
    curve: Path | None = None
    observed_rate_cps: float | None = None

    def dead_time(self) -> DeadTime:
        """Return the dead time that is described."""
        constant = None if self.time_constant_us is None else 1e-6 * self.time_constant_us
        curve = None if self.curve is None else read_dead_time_curve(self.curve)
        return DeadTime(constant, curve, self.observed_rate_cps)
