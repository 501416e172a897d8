"""Settings of uncertainties and of corrections of the emission image."""

from __future__ import annotations

from y90voxel.jobs.setting_types import Fraction, Group, Positive

__all__ = ["UncertaintySettings"]


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
    registration_mm: float | None = None
    noise: Fraction | None = None
    noise_fwhm_mm: float | None = None
    samples: int | None = None
    seed: int | None = None
