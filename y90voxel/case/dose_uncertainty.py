"""The uncertainty of a dose calculation: the EANM budget of each region's mean, and bands of its histogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from y90voxel.case.dvh_sampling import NOISE_MAPS, sample_bands
from y90voxel.case.evaluation import Evaluation, UncertaintyReport
from y90voxel.case.image_noise import NoiseSource, NoisyImage, noisy_images, statistics
from y90voxel.case.uncertainty_inputs import UncertaintyInputs, complete_inputs
from y90voxel.errors import Notice
from y90voxel.metrics.dvh_bands import BAND_PERCENT, DvhBand
from y90voxel.metrics.summary import RegionMetrics, RegionUncertainty
from y90voxel.metrics.uncertainty_budget import (
    Surroundings,
    activity_uncertainty,
    diameter_uncertainty_mm,
    dose_interval_gy,
    dose_uncertainty,
    edge_intensity,
    volume_uncertainty,
)
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Mask

__all__ = ["with_uncertainty"]

Progress = Callable[[str, float], None]
# Whose mean a calibration over the liver fixes, but for their mass.
CALIBRATED = (Role.LIVER, Role.NON_TUMOUR_LIVER)
# What the interval of a mean is about.
BLURRED_MEAN, CORRECTED_MEAN = "blurred mean", "mean corrected by recovery"
# What no sample holds.
LEFT_OUT = (
    "activity that blur carries out of or into a region, breathing, densities, the dose engine, and what differs between a "
    "surrogate and the treatment"
)


def with_uncertainty(
    evaluation: Evaluation, given: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> Evaluation:
    """Return the evaluation with the uncertainty of every region's mean dose and bands of the histograms.

    Parameters
    ----------
    evaluation : Evaluation
        Of `verify`.
    given : mapping of str to object, optional
        Fields of `UncertaintyInputs`; what is missing is assumed, and said among the notices.
    progress : callable, optional
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a number cannot be, or noise is stated relative to a liver that there is not.

    References
    ----------
    Gear et al. 2018, Eur J Nucl Med Mol Imaging 45:2456, doi 10.1007/s00259-018-4136-7.
    """
    inputs, notices = complete_inputs(evaluation.case, given or {})
    notices += _unused_notices(evaluation.case.calibration.mode, given or {})
    images = noisy_images(evaluation.case, evaluation.activity, inputs.noise, inputs.noise_fwhm_mm)
    calibration = _calibration_uncertainty(evaluation, inputs, images)
    contour = _contour_of_calibration(evaluation, inputs)
    bands, band_notices = sample_bands(evaluation, inputs, calibration, images, progress)
    regions = tuple(
        _with_budget(
            evaluation,
            metrics,
            inputs,
            images,
            calibration if metrics.role in CALIBRATED else math.hypot(calibration, contour),
            bands.get(metrics.name),
        )
        for metrics in evaluation.regions
    )
    noise_source = {"noise_source": sorted({str(image.source) for image in images}) or None}
    report = UncertaintyReport(
        inputs.as_dict() | noise_source, bands, _statement(evaluation, inputs, images, calibration)
    )
    return replace(evaluation, regions=regions, uncertainty=report).with_notices(*notices, *band_notices)


def _unused_notices(mode: CalibrationMode, given: Mapping[str, Any]) -> list[Notice]:
    """Say which uncertainties were given and are no part of this dose, by how its counts became activity."""
    relative = mode is CalibrationMode.RELATIVE
    idle = ("calibration",) if relative else ("activity", "residual", "lung_shunt")
    why = dict.fromkeys(idle, f"the calibration is {mode.value}") | {"density": "of plans alone"}
    words = ", ".join(
        f"uncertainty.{name} ({reason})" for name, reason in why.items() if given.get(name) is not None
    )
    if not words:
        return []
    return [Notice("uncertainty-unused", f"given and not used for the uncertainties of this dose: {words}.")]


def _calibration_uncertainty(
    evaluation: Evaluation, inputs: UncertaintyInputs, images: list[NoisyImage]
) -> float:
    """Relative standard uncertainty of the factor from counts to activity."""
    case = evaluation.case
    if case.calibration.mode is not CalibrationMode.RELATIVE:
        return inputs.calibration
    region, spread = case.calibration.region, evaluation.calibration_spread
    unseen = 1.0  # the share of the lungs whose activity the region does not hold
    if region is CalibrationRegion.LIVER_AND_LUNGS:
        unseen = 0.0
    elif region is not CalibrationRegion.LIVER:
        unseen = 0.0 if spread is None or spread.lung_share is None else 1.0 - spread.lung_share
    shunt = unseen * (evaluation.lung.shunt_fraction or 0.0)
    counts = statistics(images, lambda regions: regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED))
    scaling = math.hypot(counts, 0.0 if spread is None else spread.scaling)
    return activity_uncertainty(inputs.activity, inputs.residual, shunt, inputs.lung_shunt, scaling)


def _with_budget(
    evaluation: Evaluation,
    metrics: RegionMetrics,
    inputs: UncertaintyInputs,
    images: list[NoisyImage],
    calibration: float,
    band: DvhBand | None,
) -> RegionMetrics:
    """The metrics of a region with the uncertainty of its mean and its parts."""
    curve = inputs.recovery
    b1_ml, b2 = (None, None) if curve is None else curve.touching(metrics.volume_ml)
    fit = (
        0.0 if curve is None else curve.uncertainty(metrics.volume_ml) / curve.coefficient(metrics.volume_ml)
    )
    budget = dose_uncertainty(
        (6000.0 * metrics.volume_ml / math.pi) ** (1 / 3),
        inputs.contour_voxel_mm,
        inputs.contour_fwhm_mm,
        recovery_b1_ml=b1_ml,
        recovery_b2=b2,
        activity=calibration,
        recovery_fit=fit,
        statistics=statistics(images, lambda regions: _mask_named(regions, metrics.name)),
        decay=inputs.decay,
        emission_fwhm_mm=inputs.fwhm_mm,
        surroundings=Surroundings(
            _background(evaluation, metrics),
            is_calibrated_over=metrics.role in CALIBRATED and _over_liver(evaluation),
            is_blurred=curve is None,
            is_corrected=metrics.partial_volume is not None and metrics.partial_volume.recovery is not None,
        ),
    )
    simulated = metrics.relative_uncertainty or 0.0
    whole = math.hypot(budget.relative, simulated)
    corrected = None if metrics.partial_volume is None else metrics.partial_volume.mean_corrected_gy
    low, high = dose_interval_gy(max(metrics.mean_gy if corrected is None else corrected, 0.0), whole)
    uncertainty = RegionUncertainty(
        budget,
        simulated,
        low,
        high,
        band.mean_low_gy if band else None,
        band.mean_high_gy if band else None,
        BLURRED_MEAN if corrected is None else CORRECTED_MEAN,
        statistics_known=len(images) == len(evaluation.case.injections),
    )
    return replace(metrics, relative_uncertainty=whole, uncertainty=uncertainty)


def _over_liver(evaluation: Evaluation) -> bool:
    """Whether the counts within the liver's contour stand for the activity."""
    calibration = evaluation.case.calibration
    return calibration.mode is CalibrationMode.RELATIVE and calibration.region is CalibrationRegion.LIVER


def _contour_of_calibration(evaluation: Evaluation, inputs: UncertaintyInputs) -> float:
    """What the liver's uncertain contour does to a calibration over its counts, φ/2 u_V/V; 0 for other calibrations."""
    liver = next((metrics for metrics in evaluation.regions if metrics.role == Role.LIVER), None)
    if liver is None or not _over_liver(evaluation):
        return 0.0
    diameter_mm = (6000.0 * liver.volume_ml / math.pi) ** (1 / 3)
    volume = volume_uncertainty(diameter_mm, inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
    return 0.5 * edge_intensity(diameter_mm, inputs.fwhm_mm) * volume


def _background(evaluation: Evaluation, metrics: RegionMetrics) -> float:
    """Dose of the normal liver around a tumour over its own, corrected where that is; 0 elsewhere."""
    if metrics.role not in (Role.TUMOUR, Role.TUMOURS):
        return 0.0
    around = [
        one.mean_gy
        for role in (Role.PERFUSED_NON_TUMOUR_LIVER, Role.NON_TUMOUR_LIVER)
        for one in evaluation.regions
        if one.role == role
    ]
    partial_volume = metrics.partial_volume
    own = (
        metrics.mean_gy
        if partial_volume is None or partial_volume.mean_corrected_gy is None
        else partial_volume.mean_corrected_gy
    )
    return min(max(around[0] / own, 0.0), 1.0) if around and own > 0 else 0.0


def _mask_named(regions: Regions, name: str) -> Mask | None:
    """The mask of a region, None where the camera did not see it."""
    return next((region.mask for region in regions if region.name == name), None)


def _statement(
    evaluation: Evaluation, inputs: UncertaintyInputs, images: list[NoisyImage], calibration: float
) -> tuple[str, ...]:
    """What the bands hold, what they do not, and how they were made; a sentence each."""
    u_d = diameter_uncertainty_mm(inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
    relative = evaluation.case.calibration.mode is CalibrationMode.RELATIVE
    source = (
        "net activity, residual, lung shunt, counts and region of calibration" if relative else "calibration"
    )
    noise = _noise_in_words(inputs, images)
    return (
        f"Bands hold {BAND_PERCENT:g} % at each dose by itself, from {inputs.samples} samples (seed {inputs.seed}).",
        f"In them: activity {100 * calibration:.2g} % ({source}); the boundary of each region, {u_d:.2g} mm of diameter, "
        f"independent but for liver and perfused volume; a shift of {inputs.registration_mm:.2g} mm along each axis between "
        f"emission image and regions; {noise}. "
        "All are standard uncertainties.",
        f"Not in them: {LEFT_OUT}.",
        "One dose map serves all samples: calibration scales it, regions move over it; only noise is carried to dose anew, "
        f"by convolution, {min(NOISE_MAPS, inputs.samples)} realisations in turn."
        if images
        else "One dose map serves all samples: calibration scales it, regions move over it.",
    )


def _noise_in_words(inputs: UncertaintyInputs, images: list[NoisyImage]) -> str:
    """Which noise the bands hold."""
    if not images:
        return "no noise, for that of the image is not known"
    if any(image.source == NoiseSource.ESTIMATED for image in images):
        return "noise of the image as uniform liver shows it, an upper bound"
    text = "noise of the image, its voxels taken as counts"
    if inputs.noise is not None:
        text = f"noise of the image, {100 * inputs.noise:.3g} % a voxel of liver"
    return text + (f" correlated over {inputs.noise_fwhm_mm:g} mm" if inputs.noise_fwhm_mm else "")
