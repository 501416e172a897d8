"""Settings of uncertainties and of corrections of the emission image."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from y90voxel.jobs.setting_types import Group, Positive
from y90voxel.units import parse_fraction

__all__ = ["UncertaintySettings"]


def _relative(value: Any) -> Any:
    """Accept a relative uncertainty as a fraction, or a percentage with its sign."""
    return parse_fraction(str(value), "relative uncertainty")


Relative = Annotated[float, BeforeValidator(_relative)]


class UncertaintySettings(Group):
    """How well the inputs are known, as standard uncertainties; what is absent is assumed and said."""

    fwhm_mm: Positive | None = None
    contour_voxel_mm: Positive | None = None
    contour_fwhm_mm: float | None = None
    activity: Relative | None = None
    residual: Relative | None = None
    lung_shunt: Relative | None = None
    calibration: Relative | None = None
    decay: Relative | None = None
    registration_mm: float | None = None
    noise: Relative | None = None
    noise_fwhm_mm: float | None = None
    samples: int | None = None
    seed: int | None = None
