"""The commissioning of a camera: the results of all acquisitions of a phantom, and whether they meet the site's limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.filling_record import FillingRecord, Limits
from y90voxel.errors import InputError, Notice, PhysicsError
from y90voxel.phantoms.acquisition import AcquisitionMeasure, SphereResult, measure_acquisition
from y90voxel.phantoms.blurred_shapes import sphere_volume_ml
from y90voxel.phantoms.filling import Filling, filling_of, layout_of
from y90voxel.phantoms.linearity import DeadTimeFit, fit_dead_time
from y90voxel.phantoms.phantom_image import image_at_filling
from y90voxel.phantoms.phantom_measures import voxel_recovery
from y90voxel.phantoms.recovery_fits import GaussianFit, fit_gaussian
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.quantification.recovery_curve import recovery_of_spheres
from y90voxel.quantification.time_zones import localised, time_zone_of

__all__ = ["Commissioning", "Verdict", "commission", "judged", "one_gaussian"]

# Relative uncertainty of a measured recovery besides noise: 1 %, from simulated phantom images of known blur (`y90voxel twin`).
RECOVERY_ACCURACY = 0.01


@dataclass(frozen=True)
class Verdict:
    """One of the site's limits.

    Parameters
    ----------
    name : str
        Key of the limit.
    value, limit : float
        Measured, and allowed.
    passed : bool
        Whether it is met.
    """

    name: str
    value: float
    limit: float
    passed: bool


@dataclass(frozen=True, eq=False)
class Commissioning:
    """What a phantom says of a camera.

    Parameters
    ----------
    filling : Filling
        The truth.
    acquisitions : tuple of AcquisitionMeasure
        By time; recovery, noise and resolution are those of the first, the most active.
    calibration, calibration_uncertainty : float
        cps per MBq corrected for dead time, or measured over true Bq/mL; relative standard uncertainty, filling included.
    recovery_fit : RecoveryFit or None
        Recovery over the volume, as `dose` takes it.
    gaussian : GaussianFit or None
        One Gaussian with free scale.
    dead_time : DeadTimeFit or None
        Of several acquisitions that hold counts.
    linearity : tuple of float
        Deviation of each acquisition's calibration from the fit, or from their mean.
    verdicts : tuple of Verdict
        The site's limits.
    notices : tuple of Notice
        What was assumed or is odd.
    """

    filling: Filling
    acquisitions: tuple[AcquisitionMeasure, ...]
    calibration: float
    calibration_uncertainty: float
    recovery_fit: RecoveryFit | None
    gaussian: GaussianFit | None
    dead_time: DeadTimeFit | None
    linearity: tuple[float, ...]
    verdicts: tuple[Verdict, ...]
    notices: tuple[Notice, ...]

    @property
    def first(self) -> AcquisitionMeasure:
        """The acquisition of the highest activity."""
        return self.acquisitions[0]

    @property
    def counts(self) -> bool:
        """Whether the images hold counts, so that the calibration is in cps per MBq."""
        return self.first.image.counts

    def recovery_rows(self) -> list[dict[str, float]]:
        """Return the table that ``partial_volume.recovery`` reads: spheres with positive recovery."""
        return [
            {
                "diameter_mm": one.sphere.diameter_mm,
                "volume_ml": sphere_volume_ml(one.sphere.diameter_mm),
                "recovery": one.recovery,
                "relative_uncertainty": relative_uncertainty(one),
            }
            for one in usable(self.first.spheres)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        fit, gaussian, dead = self.recovery_fit, self.gaussian, self.dead_time
        return {
            "nuclide": self.filling.nuclide,
            "modality": self.first.image.modality,
            "reference_time": self.filling.reference_time.isoformat(),
            "sphere_bq_per_ml": self.filling.sphere_bq_per_ml,
            "background_bq_per_ml": self.filling.background_bq_per_ml,
            "total_bq": self.filling.total_bq,
            "calibration": {
                "value": self.calibration,
                "unit": "cps/MBq" if self.counts else "shown over true Bq/mL",
                "relative_uncertainty": self.calibration_uncertainty,
            },
            "recovery_fit": None
            if fit is None
            else {"form": fit.form, "b1_ml": fit.b1_ml, "b2": fit.b2, "covariance": fit.covariance.tolist()},
            "gaussian_fit": None
            if gaussian is None
            else {
                "fwhm_mm": gaussian.fwhm_mm,
                "scale": gaussian.scale,
                "covariance": gaussian.covariance.tolist(),
                "chi2": gaussian.chi2,
                "degrees_of_freedom": gaussian.degrees,
                "probability": gaussian.probability,
                "one_gaussian_fits": one_gaussian(gaussian),
            },
            "dead_time": None
            if dead is None
            else {"time_constant_us": 1e6 * dead.time_constant_s, "error_us": 1e6 * dead.error_s},
            "linearity": list(self.linearity),
            "acquisitions": [one.as_dict() for one in self.acquisitions],
            "limits": [
                {"name": v.name, "value": v.value, "limit": v.limit, "passed": v.passed}
                for v in self.verdicts
            ],
            "warnings": [{"code": n.code, "message": n.message} for n in self.notices],
        }


def relative_uncertainty(one: SphereResult) -> float:
    """Return the relative standard uncertainty of a recovery: noise, and `RECOVERY_ACCURACY`."""
    return math.hypot(one.uncertainty / one.recovery, RECOVERY_ACCURACY)


def one_gaussian(gaussian: GaussianFit) -> bool | None:
    """Return whether one Gaussian fits, with a scale of one; None where nothing is left to judge by."""
    return None if gaussian.fits is None else gaussian.fits and gaussian.scale_is_one


def usable(spheres: Sequence[SphereResult]) -> list[SphereResult]:
    """Return the spheres with a positive recovery, the others being lost in noise."""
    return [one for one in spheres if one.recovery > 0]


def commission(
    emissions: Sequence[EmissionImage],
    record: FillingRecord,
    drawn_mm: Sequence[NDArray[np.float64] | None] | None = None,
) -> Commissioning:
    """Return what images of a phantom say of the camera.

    Parameters
    ----------
    emissions : sequence of EmissionImage
        One or several acquisitions, in any order.
    record : FillingRecord
        What was filled in.
    drawn_mm : sequence of ndarray or None
        Centres of drawn spheres in the order of the layout, for one acquisition.

    Raises
    ------
    InputError
        If record and images contradict each other, the phantom is not found, or activities lie outside the linear range.
    """
    filling, layout, zone = filling_of(record), layout_of(record), time_zone_of(record.time_zone)
    images = sorted((image_at_filling(localised(e, zone), filling) for e in emissions), key=lambda i: i.start)
    if not images:
        raise InputError("there is no image of the phantom.", tag="PHANTOM")
    if len({(image.modality, image.counts) for image in images}) > 1:
        raise InputError(
            "images of the phantom are of several kinds (SPECT and PET, or counts and Bq/mL): commission each by itself.",
            tag="PHANTOM",
        )
    if drawn_mm is not None and len(images) > 1:
        raise InputError(
            f"contours are given for one image, and there are {len(images)}. Commission the one they were drawn on.",
            tag="contours",
        )
    notices = [*filling.notices, *(notice for image in images for notice in image.notices)]
    measured = [measure_acquisition(images[0], layout, filling, drawn_mm)]
    for image in images[1:]:
        try:
            measured.append(measure_acquisition(image, layout, filling))
        except InputError as error:
            notices.append(
                Notice(
                    "acquisition-not-used",
                    f"the acquisition of {image.start.isoformat()} is left out: {error}",
                )
            )
    return _combined(measured, record, filling, notices)


def _combined(
    measured: Sequence[AcquisitionMeasure], record: FillingRecord, filling: Filling, notices: list[Notice]
) -> Commissioning:
    """Calibration, fits and verdicts of the measured acquisitions."""
    first = measured[0]
    factors = [one.calibration for one in measured]
    errors = [one.calibration_error for one in measured]
    dead, linear = None, tuple(np.array(factors) / _mean(factors, errors) - 1.0)
    value, error = _mean(factors, errors), 1.0 / math.sqrt(sum(max(e, 1e-9) ** -2 for e in errors))
    rates = [one.image.rate_cps for one in measured if one.image.rate_cps is not None]
    if first.image.counts and len(measured) > 1:
        dead = fit_dead_time(rates, factors, errors)
        value, error, linear = dead.sensitivity, dead.sensitivity_error, dead.deviations
    elif first.image.counts:
        notices.append(
            Notice(
                "dead-time-unknown",
                f"one acquisition tells no dead time: the calibration factor holds at {rates[0]:.4g} observed counts per second. "
                "Acquire the phantom again after decay.",
            )
        )
    notices += _sphere_notices(first)
    spheres = usable(first.spheres)
    fit, gaussian = None, None
    if len(spheres) >= 2:
        sizes = [one.sphere.diameter_mm for one in spheres]
        recovery, uncertainties = (
            [one.recovery for one in spheres],
            [relative_uncertainty(one) for one in spheres],
        )
        try:
            fit = recovery_of_spheres([sphere_volume_ml(d) for d in sizes], recovery, uncertainties)
        except PhysicsError as problem:
            notices.append(
                Notice("recovery-not-fitted", f"no two-parameter curve goes through recovery: {problem}")
            )

        def shape(fwhm: float) -> NDArray[np.float64]:
            return np.array(
                [
                    voxel_recovery(first.image.grid, s.sphere.centre_mm, s.sphere.diameter_mm, fwhm)
                    for s in spheres
                ]
            )

        gaussian = fit_gaussian(recovery, uncertainties, shape)
        notices += _gaussian_notices(gaussian)
    result = Commissioning(
        filling=filling,
        acquisitions=tuple(measured),
        calibration=value,
        calibration_uncertainty=math.hypot(error, filling.relative_uncertainty),
        recovery_fit=fit,
        gaussian=gaussian,
        dead_time=dead,
        linearity=tuple(float(x) for x in linear),
        verdicts=(),
        notices=tuple(dict.fromkeys(notices)),
    )
    return judged(result, record.limits)


def judged(result: Commissioning, limits: Limits) -> Commissioning:
    """Return the result with the limits of a site.

    Raises
    ------
    InputError
        If a limit is of something that the images do not tell.
    """
    return replace(result, verdicts=tuple(_verdicts(result, limits)))


def _mean(values: Sequence[float], errors: Sequence[float]) -> float:
    """Mean weighted by relative errors."""
    weights = np.array([max(e, 1e-9) ** -2 for e in errors])
    return float(np.average(values, weights=weights))


def _sphere_notices(first: AcquisitionMeasure) -> list[Notice]:
    """Say which spheres were placed, and which are lost in noise."""
    notices = []
    placed = [f"{one.sphere.diameter_mm:g}" for one in first.spheres if one.sphere.placed]
    if placed:
        notices.append(
            Notice(
                "spheres-placed",
                f"the image does not show the sphere of {', '.join(placed)} mm by itself: placed where the layout has it, by "
                "the other spheres.",
            )
        )
    lost = [f"{one.sphere.diameter_mm:g}" for one in first.spheres if one.recovery <= 0]
    if lost:
        notices.append(
            Notice(
                "spheres-lost",
                f"the sphere of {', '.join(lost)} mm is not above the background: it has no recovery, and is not in the curve.",
            )
        )
    if first.spheres and first.background is None:
        notices.append(
            Notice(
                "cold-background",
                "the background is water: the calibration is that of all counts in and around the spheres, and background, "
                "noise, uniformity and insert are not measured.",
            )
        )
    return notices


def _gaussian_notices(gaussian: GaussianFit) -> list[Notice]:
    """Say where one Gaussian does not fit, or only with a scale that calibration does not allow."""
    if gaussian.fits is not False:
        if gaussian.scale_is_one:
            return []
        return [
            Notice(
                "one-gaussian-does-not-fit",
                f"one Gaussian of {gaussian.fwhm_mm:.1f} mm fits recovery only with a scale of {gaussian.scale:.3f} ± "
                f"{math.sqrt(gaussian.covariance[1, 1]):.3f}, where the calibration by the background allows one: the filling of "
                "spheres or background is wrong, or the blur is no Gaussian. Do not use one width for a deconvolution.",
            )
        ]
    return [
        Notice(
            "one-gaussian-does-not-fit",
            f"one Gaussian does not fit recovery: χ² {gaussian.chi2:.1f} for {gaussian.degrees} degrees of freedom (probability "
            f"{gaussian.probability:.2g}) at {gaussian.fwhm_mm:.1f} mm and a scale of {gaussian.scale:.3f}. The width depends on "
            "the size here; do not use one width for a deconvolution.",
        )
    ]


def _verdicts(result: Commissioning, limits: Limits) -> list[Verdict]:
    """Each limit of the site with what was measured; a limit of something not measured is refused."""
    first, background = result.first, result.first.background
    values: dict[str, float | None] = {
        "background_error": None if result.counts or background is None else abs(result.calibration - 1.0),
        "uniformity": None if background is None else background.uniformity,
        "noise_cv": None if background is None else background.noise_cv,
        "insert_error": None if first.insert_residual is None else abs(first.insert_residual),
        "calibration_uncertainty": result.calibration_uncertainty,
        "linearity": max(map(abs, result.linearity)) if len(result.linearity) > 1 else None,
        "fwhm_mm": None if result.gaussian is None else result.gaussian.fwhm_mm,
    }
    verdicts = []
    for name, value in values.items():
        limit = getattr(limits, name)
        if limit is None:
            continue
        if value is None:
            raise InputError(
                f"limits.{name} is {limit:g}, but these images do not tell it. Leave the limit out, or acquire what it needs.",
                tag=f"limits.{name}",
            )
        verdicts.append(Verdict(name, value, limit, value <= limit))
    by_size = {one.sphere.diameter_mm: one.recovery for one in first.spheres}
    for text, least in limits.least_recovery.items():
        size = next((d for d in by_size if text.strip() == f"{d:g}"), None)
        if size is None:
            raise InputError(
                f"limits.least_recovery names a sphere of {text} mm; there are {', '.join(f'{d:g}' for d in by_size) or 'none'}.",
                tag="limits.least_recovery",
            )
        verdicts.append(Verdict(f"recovery {text} mm", by_size[size], least, by_size[size] >= least))
    return verdicts
