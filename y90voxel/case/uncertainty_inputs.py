"""How well the inputs of a dose calculation are known: as given, or as assumed and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.case.case import Case
from y90voxel.case.image_noise import noise_notices
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.dvh_bands import LEAST_SAMPLES
from y90voxel.quantification.calibration_spread import ASSUMED_FWHM_MM
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.volumes.grid import Grid

__all__ = ["UncertaintyInputs", "complete_inputs"]

# Assumed where nothing is given, and said in every output; a department's own numbers belong there.
ASSUMED_ACTIVITY, ASSUMED_RESIDUAL, ASSUMED_SHUNT, ASSUMED_CALIBRATION = 0.05, 0.03, 0.30, 0.05
# Chosen: seven samples lie beyond each end of a 95 % band, and the sample study takes 15 s (decision 0014).
DEFAULT_SAMPLES = 300


@dataclass(frozen=True)
class UncertaintyInputs:
    """Standard uncertainties (k = 1) of what a dose is made from; relative ones as fractions.

    Parameters
    ----------
    fwhm_mm : float
        Resolution of the emission image [mm].
    contour_voxel_mm, contour_fwhm_mm : float
        Voxel size and resolution of the image that regions were drawn on [mm].
    activity, residual, lung_shunt : float
        Relative uncertainty of the net activity by the assay and by the residual, and of the lung shunt fraction;
        relative calibration.
    calibration : float
        Relative uncertainty of the calibration; absolute images and camera factors.
    registration_mm : float
        Standard deviation of the shift between emission image and regions along each axis [mm].
    noise : float or None
        Standard deviation of a voxel over the mean in uniform liver; None takes voxels that hold counts as Poisson, and else what
        uniform liver shows (an upper bound).
    noise_fwhm_mm : float
        Correlation length of the noise [mm]; 0 for none, or to be read off where the noise is estimated.
    decay : float
        Relative uncertainty of the decay constant.
    density : float
        Relative uncertainty of the density of liver and tumours; plans only.
    recovery : RecoveryFit or None
        Recovery curve; None takes recovery as one, without uncertainty.
    samples, seed : int
        Of the sampled histograms; the same seed gives the same bands.
    assumed : tuple of str
        What was not given, in words.

    Raises
    ------
    InputError
        If a length or an uncertainty is negative, or samples are too few.
    """

    fwhm_mm: float
    contour_voxel_mm: float
    contour_fwhm_mm: float
    activity: float = ASSUMED_ACTIVITY
    residual: float = ASSUMED_RESIDUAL
    lung_shunt: float = ASSUMED_SHUNT
    calibration: float = ASSUMED_CALIBRATION
    registration_mm: float = 0.0
    noise: float | None = None
    noise_fwhm_mm: float = 0.0
    decay: float = 0.0
    density: float = 0.0
    recovery: RecoveryFit | None = None
    samples: int = DEFAULT_SAMPLES
    seed: int = 0
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("fwhm_mm", "contour_voxel_mm"):
            check_positive(getattr(self, name), f"uncertainty.{name}", "mm", tag=f"uncertainty.{name}")
        for name in ("contour_fwhm_mm", "registration_mm", "noise_fwhm_mm"):
            check_not_negative(getattr(self, name), f"uncertainty.{name}", "mm", tag=f"uncertainty.{name}")
        for name in ("activity", "residual", "lung_shunt", "calibration", "decay", "density"):
            _check_relative(getattr(self, name), name)
        if self.noise is not None:
            check_positive(self.noise, "uncertainty.noise", "", tag="uncertainty.noise")
        if self.samples < LEAST_SAMPLES:
            raise InputError(
                f"uncertainty.samples must be at least {LEAST_SAMPLES} for bands of 95 %, got {self.samples}.",
                tag="uncertainty.samples",
            )
        if self.seed < 0:
            raise InputError(
                f"uncertainty.seed must not be negative, got {self.seed}.", tag="uncertainty.seed"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        curve = self.recovery
        values["recovery"] = (
            None if curve is None else {"form": curve.form, "b1_ml": curve.b1_ml, "b2": curve.b2}
        )
        values["assumed"] = list(self.assumed)
        return values


def complete_inputs(case: Case, given: Mapping[str, Any]) -> tuple[UncertaintyInputs, list[Notice]]:
    """Return the inputs as given, with what is missing assumed and said.

    Parameters
    ----------
    case : Case
        Says which images there are and how they are calibrated.
    given : mapping of str to object
        Fields of `UncertaintyInputs`; None is as good as absent.

    Raises
    ------
    InputError
        If a number cannot be.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    assumed: dict[str, tuple[float, str]] = {}
    modality = case.injections[0].emission.modality
    emission = case.injections[0].emission.grid
    drawn_on = emission if case.ct is None else case.ct.grid
    fwhm = float(stated.get("fwhm_mm", ASSUMED_FWHM_MM.get(modality, ASSUMED_FWHM_MM["file"])))
    assumed["fwhm_mm"] = (fwhm, f"a resolution of {fwhm:g} mm FWHM")
    edge = _voxel_mm(drawn_on)
    where = "the emission image" if case.ct is None else "the CT"
    assumed["contour_voxel_mm"] = (edge, f"regions drawn on voxels of {where}, {edge:.2g} mm")
    blur = fwhm if case.ct is None else max(drawn_on.spacing_mm)
    assumed["contour_fwhm_mm"] = (blur, f"with a resolution of {blur:.2g} mm")
    if case.calibration.mode.value == "relative":
        assumed["activity"] = (ASSUMED_ACTIVITY, f"activity known to {100 * ASSUMED_ACTIVITY:g} %")
        assumed["residual"] = (ASSUMED_RESIDUAL, f"its residual to {100 * ASSUMED_RESIDUAL:g} % of it")
        assumed["lung_shunt"] = (ASSUMED_SHUNT, f"the lung shunt to {100 * ASSUMED_SHUNT:g} % of it")
    else:
        assumed["calibration"] = (
            ASSUMED_CALIBRATION,
            f"the calibration known to {100 * ASSUMED_CALIBRATION:g} %",
        )
    shift = round(0.5 * _voxel_mm(emission), 3)
    assumed["registration_mm"] = (
        shift,
        f"a registration error of {shift:.2g} mm along each axis (half a voxel)",
    )
    missing = {name: value for name, (value, _) in assumed.items() if name not in stated}
    words = tuple(text for name, (_, text) in assumed.items() if name not in stated)
    notices = []
    if words:
        notices.append(
            Notice(
                "uncertainty-assumed",
                f"not given, so assumed for the uncertainties: {', '.join(words)}. Give your own in [uncertainty]: "
                f"{', '.join(missing)}.",
            )
        )
    inputs = UncertaintyInputs(**{**missing, **stated, "assumed": words})
    notices += noise_notices(case, inputs.noise, inputs.noise_fwhm_mm)
    if stated.get("recovery") is None:
        notices.append(
            Notice(
                "uncertainty-no-recovery",
                "no recovery coefficients are given: recovery counts as one and certain in the uncertainties. What blur "
                "takes from a small region is a bias that they do not hold.",
            )
        )
    return inputs, notices


def _voxel_mm(grid: Grid) -> float:
    """Edge of a cube as large as a voxel [mm]."""
    return float(np.prod(grid.spacing_mm) ** (1 / 3))


def _check_relative(value: float, name: str) -> None:
    """Refuse a relative uncertainty that is negative, or above one, where it is likely a percentage."""
    check_not_negative(value, f"uncertainty.{name}", "", tag=f"uncertainty.{name}")
    if value > 1.0:
        raise InputError(
            f"uncertainty.{name} is a fraction (0.05 for 5 %), got {value:g}.", tag=f"uncertainty.{name}"
        )
