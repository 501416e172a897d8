"""What blur takes from tumours, beside the uncorrected numbers and never in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.verify import verify
from y90voxel.dose.engine import Engine
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.summary import PartialVolume, RegionMetrics
from y90voxel.quantification.calibration import CalibrationRegion
from y90voxel.quantification.calibration_spread import LIVER_AND_MARGIN
from y90voxel.quantification.deconvolution import DEFAULT_ITERATIONS, richardson_lucy
from y90voxel.quantification.lung_measures import exclude_margin
from y90voxel.quantification.partial_volume import (
    RecoveryFit,
    correct_in_warm_background,
    correct_tumour_to_normal_ratio,
)
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr

__all__ = ["Deconvolution", "with_partial_volume"]


# Liver closer to a tumour than this is no background: blur brings counts of the tumour there [mm].
BACKGROUND_MARGIN_MM = 15.0
# Less of the liver so far from its outline is too noisy [mL]; chosen: the mean of 50 mL is known to 3 % where voxels of 4 mm
# that are correlated over 8 mm vary by 15 %.
LEAST_INNER_ML = 50.0
LEAST_BACKGROUND_ML = 5.0  # [mL]; chosen: some 40 voxels of 5 mm, so that noise of single voxels averages out


@dataclass(frozen=True)
class Deconvolution:
    """Richardson-Lucy deconvolution of the emission image; see `richardson_lucy`."""

    fwhm_mm: float
    iterations: int = DEFAULT_ITERATIONS

    __repr__ = short_repr

    def of(self, case: Case) -> Case:
        """Return the case with its images deconvolved; calibration follows, so that no activity is counted twice."""
        injections = tuple(
            replace(
                injection,
                emission=replace(
                    injection.emission,
                    volume=richardson_lucy(injection.emission.volume, self.fwhm_mm, self.iterations),
                ),
            )
            for injection in case.injections
        )
        return replace(case.changed(lung={"compare_methods": False}), injections=injections)


def with_partial_volume(
    evaluation: Evaluation,
    engine: Engine,
    curve: RecoveryFit | None = None,
    deconvolution: Deconvolution | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Return the evaluation with corrected means of its tumours, and doses of the deconvolved image, beside its own.

    Parameters
    ----------
    evaluation : Evaluation
        Of `verify`.
    engine : Engine
        The engine that computed it; the deconvolved image goes through it too.
    curve : RecoveryFit or None
        Recovery of spheres: corrects the mean dose of every tumour and its ratio to normal liver, in warm background.
    deconvolution : Deconvolution or None
        Corrects all voxels.
    progress : callable, optional
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If there is no tumour or no normal liver to correct against, or the deconvolution cannot be.
    """
    notices: list[Notice] = []
    background = _Background.of(evaluation) if curve is not None else None
    calibration_removed = _removed_calibration(evaluation) if curve is not None else 1.0
    if calibration_removed != 1.0:
        notices.append(_removed_calibration_notice(calibration_removed))
    other = None
    if deconvolution is not None:
        other = verify(deconvolution.of(evaluation.case), engine, progress)
        notices.append(
            Notice(
                "deconvolved",
                f"beside the uncorrected doses stand those of the image after {deconvolution.iterations} iterations of "
                f"Richardson-Lucy deconvolution with {deconvolution.fwhm_mm:g} mm FWHM: noise grows and edges overshoot "
                "there. The dose map is the uncorrected one.",
            )
        )
    regions = []
    for metrics in evaluation.regions:
        partial_volume = PartialVolume()
        if curve is not None and background is not None and metrics.role == Role.TUMOUR:
            try:
                partial_volume = _corrected(metrics, background, curve, calibration_removed)
            except InputError as error:
                notices.append(
                    Notice("partial-volume-not-corrected", f"{metrics.name!r} is not corrected: {error}")
                )
        if other is not None:
            after = other.region(metrics.name)
            partial_volume = replace(
                partial_volume, deconvolved_mean_gy=after.mean_gy, deconvolved_d70_gy=after.d_gy[70]
            )
        regions.append(
            replace(metrics, partial_volume=partial_volume if partial_volume != PartialVolume() else None)
        )
    made = replace(
        evaluation,
        regions=tuple(regions),
        partial_volume=_settings(curve, deconvolution, background)
        | {"calibration_factor_undone": None if curve is None else calibration_removed},
    )
    return made.with_notices(*notices)


def _removed_calibration_notice(factor: float) -> Notice:
    """Say that means corrected by recovery stand on another calibration than the map."""
    return Notice(
        "recovery-calibration",
        f"means corrected by recovery are those of a map {100 * (1.0 - factor):.1f} % lower: the calibration over the liver puts "
        "spill-out of the liver back into it, and recovery would correct it a second time. The map, and all that is not "
        "called corrected, keeps its calibration.",
    )


@dataclass(frozen=True)
class _Background:
    """What surrounds the tumours: mean dose [Gy] and activity concentration [Bq/mL]."""

    name: str
    mean_gy: float
    bq_per_ml: float

    @classmethod
    def of(cls, evaluation: Evaluation) -> _Background:
        """Perfused non-tumour liver, else all non-tumour liver, without the voxels that blur of tumours spills into.

        Nor those that lose counts across the outline, as long as enough is left: a tumour stands on what the liver around it
        holds, and the mean of a liver of 0.8 L is 10 % lower than that at 12 mm FWHM.
        """
        regions = evaluation.case.regions
        tumours = regions.mask_of(Role.TUMOUR)
        normal_regions = [
            *regions.with_role(Role.PERFUSED_NON_TUMOUR_LIVER),
            *regions.with_role(Role.NON_TUMOUR_LIVER),
        ]
        if tumours is None or not normal_regions:
            raise InputError(
                "the correction by recovery coefficients needs tumours and a liver around them; the regions are: "
                f"{', '.join(region.name for region in regions) or 'none'}.",
                tag="partial_volume.recovery",
            )
        for region in normal_regions:
            background = exclude_margin(region.mask, tumours, BACKGROUND_MARGIN_MM)
            organ = np.maximum(region.mask.array, tumours.array)
            inner = exclude_margin(background, region.mask.with_array(1.0 - organ), BACKGROUND_MARGIN_MM)
            if inner.volume_ml >= LEAST_INNER_ML:
                background = inner
            if background.volume_ml >= LEAST_BACKGROUND_ML:
                share, volume = np.asarray(background.array, np.float64), background.volume_ml
                mean = float((evaluation.dose.array * share).sum() / share.sum())
                return cls(region.name, mean, float((evaluation.activity.array * share).sum()) / volume)
        raise InputError(
            f"less than {LEAST_BACKGROUND_ML:g} mL of liver lie further than {BACKGROUND_MARGIN_MM:g} mm from the tumours: "
            "there is no background to correct against.",
            tag="partial_volume.recovery",
        )


def _removed_calibration(evaluation: Evaluation) -> float:
    """The factor that takes back what a calibration over the liver adds for counts that blur carried out of it.

    A recovery coefficient is measured concentration over true one. A map that was calibrated over the liver's counts is
    too high by what left the liver, so that both together would count the same spill-out twice. Over the liver with its
    margin nothing is lost; without it, over the whole image.
    """
    spread = evaluation.calibration_spread
    if spread is None or spread.region != CalibrationRegion.LIVER.value:
        return 1.0
    factors = spread.factors
    return float(factors.get(LIVER_AND_MARGIN, factors.get(CalibrationRegion.FIELD_OF_VIEW.value, 1.0)))


def _corrected(
    metrics: RegionMetrics, background: _Background, curve: RecoveryFit, calibration_removed: float
) -> PartialVolume:
    """Mean dose and ratio of one tumour, as measured and corrected."""
    recovery = curve.coefficient(metrics.volume_ml)
    here, around = (metrics.activity_bq or 0.0) / metrics.volume_ml, background.bq_per_ml
    ratio = here / around if around > 0 else None
    return PartialVolume(
        recovery=recovery,
        recovery_uncertainty=curve.uncertainty(metrics.volume_ml),
        mean_corrected_gy=correct_in_warm_background(
            calibration_removed * metrics.mean_gy, calibration_removed * background.mean_gy, recovery
        ),
        tumour_to_normal_ratio=ratio,
        tumour_to_normal_ratio_corrected=None
        if ratio is None
        else correct_tumour_to_normal_ratio(ratio, recovery),
    )


def _settings(
    curve: RecoveryFit | None, deconvolution: Deconvolution | None, background: _Background | None
) -> dict[str, Any]:
    """What the corrections were made with, for JSON."""
    return {
        "recovery": None if curve is None else {"form": curve.form, "b1_ml": curve.b1_ml, "b2": curve.b2},
        "background": None if background is None else background.name,
        "background_margin_mm": None if background is None else BACKGROUND_MARGIN_MM,
        "deconvolution": None
        if deconvolution is None
        else {
            "method": "richardson-lucy",
            "fwhm_mm": deconvolution.fwhm_mm,
            "iterations": deconvolution.iterations,
        },
    }
