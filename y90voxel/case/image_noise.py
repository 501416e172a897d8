"""The noise of the emission images of a case: as stated, as that of counts, as uniform liver shows it, or not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from y90voxel.case.case import Case
from y90voxel.errors import InputError, Notice
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.noise import ImageNoise
from y90voxel.quantification.noise_estimate import NoiseEstimate, estimate_noise
from y90voxel.quantification.quantify import quantify
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = [
    "KnownNoise",
    "NoiseSource",
    "NoisyImage",
    "image_noise",
    "noise_notices",
    "noisy_images",
    "statistics",
]


class NoiseSource(StrEnum):
    """Where the noise of an image is known from."""

    STATED = "stated"
    COUNTS = "counts"
    ESTIMATED = "estimated"


@dataclass(frozen=True)
class KnownNoise:
    """The noise of an emission image, and where it is known from.

    Parameters
    ----------
    noise : ImageNoise
        In the unit of the image.
    source : NoiseSource
        Stated, that of counts, or estimated and an upper bound.
    estimate : NoiseEstimate or None
        What it was estimated from.
    """

    noise: ImageNoise
    source: NoiseSource
    estimate: NoiseEstimate | None = None

    @property
    def is_upper_bound(self) -> bool:
        """Whether the noise may be less: what truly differs in the liver counts as noise too."""
        return self.source is NoiseSource.ESTIMATED


def image_noise(
    case: Case, injection: Injection, stated: float | None = None, noise_fwhm_mm: float = 0.0
) -> KnownNoise | None:
    """Return the noise of the image of an injection, None where it is not known.

    Parameters
    ----------
    case : Case
        Has the injection.
    injection : Injection
        Has the image.
    stated : float or None
        Standard deviation of a voxel over the mean in uniform liver, where it is given.
    noise_fwhm_mm : float
        Correlation length of the noise [mm]; 0 reads it off where the noise is estimated.

    Raises
    ------
    InputError
        If noise is stated relative to a liver that there is not.
    """
    volume, regions = injection.emission.volume, injection.regions or case.regions
    if stated is not None:
        noise = ImageNoise(stated**2 * _mean_in_liver(injection, regions, stated), noise_fwhm_mm)
        return KnownNoise(noise, NoiseSource.STATED)
    # A file carries no unit: its voxels may be counts times anything.
    if isinstance(volume, CountMap) and injection.emission.modality != "file":
        return KnownNoise(ImageNoise(1.0, noise_fwhm_mm), NoiseSource.COUNTS)
    if not regions.grid.is_same_as(volume.grid):
        return None
    estimate = estimate_noise(volume, regions, case.emission_fwhm_mm, noise_fwhm_mm or None)
    return None if estimate is None else KnownNoise(estimate.noise, NoiseSource.ESTIMATED, estimate)


def _mean_in_liver(injection: Injection, regions: Regions, stated: float) -> float:
    """Mean of a voxel in the liver, in the unit of the image."""
    volume, liver = injection.emission.volume, regions.mask_of(Role.LIVER)
    if liver is None:
        raise InputError(
            f"uncertainty.noise ({stated:g}) is relative to the mean in the liver, but no liver is among the "
            "regions. Name it with --role 'NAME=liver'.",
            tag="uncertainty.noise",
        )
    liver = resample(liver, volume.grid)
    return float((volume.array * liver.array).sum(dtype=np.float64)) / liver.total


@dataclass(frozen=True, eq=False)
class NoisyImage:
    """An emission image with its noise, and the factor from its values to activity.

    Parameters
    ----------
    values : ActivityMap
        The values of the image, whatever their unit, on its own grid.
    noise : ImageNoise
        In that unit.
    bq_per_value : float
        Activity at administration over value.
    regions : Regions
        As its camera saw them.
    source : NoiseSource
        Where the noise is known from.
    """

    values: ActivityMap
    noise: ImageNoise
    bq_per_value: float
    regions: Regions
    source: NoiseSource = NoiseSource.STATED


def noisy_images(
    case: Case, activity: ActivityMap, stated: float | None = None, noise_fwhm_mm: float = 0.0
) -> list[NoisyImage]:
    """Return the emission images whose noise is known, of every injection of a case.

    Parameters
    ----------
    case : Case
        With its images.
    activity : ActivityMap
        What was made of them together, at administration [Bq].
    stated, noise_fwhm_mm
        As of `image_noise`.
    """
    noisy = []
    for injection in case.injections:
        volume, regions = injection.emission.volume, injection.regions or case.regions
        noise = image_noise(case, injection, stated, noise_fwhm_mm)
        if noise is not None:
            alone = activity
            if len(case.injections) > 1:
                alone = quantify(replace(case, injections=(injection,))).activity
            values, scale = ActivityMap(volume.array, volume.grid), alone.total / volume.total
            noisy.append(NoisyImage(values, noise.noise, scale, regions, noise.source))
    return noisy


def statistics(images: list[NoisyImage], mask_in: Callable[[Regions], Mask | None]) -> float:
    """Return the relative standard uncertainty of the activity of a region from the noise of the images."""
    activity_bq = variance = 0.0
    for image in images:
        mask = mask_in(image.regions)
        if mask is None:
            continue
        values, weights = image.values.array, resample(mask, image.values.grid).array
        activity_bq += image.bq_per_value * float((values * weights).sum(dtype=np.float64))
        spread = image.noise.uncertainty_of_sum(values, weights, image.values.grid.spacing_mm)
        variance += (image.bq_per_value * spread) ** 2
    return math.sqrt(variance) / activity_bq if activity_bq > 0 else 0.0


def noise_notices(case: Case, stated: float | None = None, noise_fwhm_mm: float = 0.0) -> list[Notice]:
    """Return what has to be said of the noise where nothing states it.

    Parameters
    ----------
    case : Case
        With its images.
    stated : float or None
        As of `image_noise`.
    noise_fwhm_mm : float
        As of `image_noise` [mm].
    """
    if stated is not None:
        return []
    estimates = [image_noise(case, injection, None, noise_fwhm_mm) for injection in case.injections]
    if any(one is None for one in estimates):
        return [
            Notice(
                "uncertainty-no-statistics",
                "the image states no counts, and too little uniform liver shows its noise, so that it is not known and no part "
                "of the uncertainties. Give uncertainty.noise, the standard deviation of a voxel over the mean in uniform liver.",
            )
        ]
    return [
        Notice(
            "noise-estimated",
            f"the image states no counts: its noise is taken as what {one.estimate.volume_ml:.0f} mL of uniform liver show, "
            f"{100 * one.estimate.cv:.0f} % a voxel, correlated over {one.estimate.fwhm_mm:.1f} mm. That is an upper bound, for "
            "what truly differs there counts as noise. Give uncertainty.noise where it is known.",
        )
        for one in estimates
        if one is not None and one.estimate is not None
    ]
