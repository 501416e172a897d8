"""Histograms without noise, from two independent halves of the emission image.

Halves are two frames, or halves of the list-mode data or of the projections, of one breathing state. Gates are not: what
differs between them is motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.verify import verify
from y90voxel.dose.engine import Engine
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.region_noise import (
    RegionNoise,
    corrected_by_halves,
    covariance_of_halves,
    noise_without_halves,
)
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.lung_measures import within_reach
from y90voxel.quantification.noise import correlation_volume_ml
from y90voxel.quantification.noise_estimate import correlation_fwhm_mm
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.box import occupied_box
from y90voxel.volumes.volume import DoseMap, Mask

__all__ = ["Halves", "check_halves", "with_halves"]

Halves = tuple[EmissionImage, EmissionImage]

# A covariance of fewer independent places than this is known to worse than a third of itself (issue 16).
LEAST_PLACES = 10.0
# Centres of the counts around the liver further apart than this show two breathing states [mm]: the liver moves 12.4 ± 1.8 mm
# along the patient (PMC2736751), and noise of 60 % a voxel moves the centre by 0.3 mm (1 SD).
MOST_SHIFT_MM = 3.0
MARGIN_FWHM = 2.0  # 99.99 % of a Gaussian in three dimensions lie less far from its centre
# Halves make up the image: their mean differs from it by less than this share of what they differ from each other. It is 0 for
# equal halves, 0.5 for a quarter and three quarters of the counts, 1 where the image is one of the halves.
MOST_OFF = 0.75
# Images that differ by less than this share of the spread of their voxels are one image, which a factor and storage in 16 bits
# have rounded apart (below 3e-4 [1]); counts of halves differ by a hundredth at least.
SAME_IMAGE = 1e-3
TAG = "noise.halves"


def check_halves(case: Case, halves: Halves) -> None:
    """Refuse images that are no independent halves of the emission image in one breathing state.

    Parameters
    ----------
    case : Case
        With one injection.
    halves : tuple of EmissionImage
        Both of them.

    Raises
    ------
    InputError
        If there are several injections, a half is a gate, holds nothing or lies on another grid, both are one image, do not make
        up the emission image, or show two breathing states.
    """
    if len(case.injections) > 1:
        raise InputError(
            f"halves are of one emission image, and this treatment has {len(case.injections)} injections with an image each.",
            tag=TAG,
        )
    whole = case.injections[0].emission
    for name, half in zip("AB", halves, strict=True):
        _check_alone(name, half, whole)
    a, b = (_scaled(half, whole) for half in halves)
    image = np.asarray(whole.volume.array, np.float64)
    apart, off = float(np.std(a - b)), float(np.std(0.5 * (a + b) - image))
    if apart <= SAME_IMAGE * float(np.std(image)):
        raise InputError(
            "halves A and B are the same image, but for its scale: they are not independent.", tag=TAG
        )
    if off > MOST_OFF * 0.5 * apart:
        raise InputError(
            f"halves A and B do not make up the emission image: their mean differs from it by {off / (0.5 * apart):.2f} of half "
            f"their own difference, at most {MOST_OFF:g} is possible for halves. Give the image of all counts as the study, "
            "and its two halves.",
            tag=TAG,
        )
    shift = _shift_mm(case, a, b)
    if np.abs(shift).max() > MOST_SHIFT_MM:
        x, y, z = (f"{mm:+.1f}" for mm in shift)
        raise InputError(
            f"halves A and B show two breathing states: the counts around the liver lie {x}, {y}, {z} mm (LPS) apart, more than "
            f"{MOST_SHIFT_MM:g} mm. Gates cannot serve; give two frames, or halves of the list-mode data.",
            tag=TAG,
        )


def _check_alone(name: str, half: EmissionImage, whole: EmissionImage) -> None:
    """Refuse a half that cannot be one, whatever the other is."""
    if half.gate is not None:
        raise InputError(
            f"half {name} is a gate of the breathing or heart cycle ({half.gate}): gates differ by motion, and are no halves. "
            "Give two frames, or halves of the list-mode data.",
            tag=TAG,
        )
    if not half.grid.is_same_as(whole.grid):
        raise InputError(
            f"half {name} lies on another grid ({half.grid}) than the emission image ({whole.grid}). Reconstruct all three "
            "alike.",
            tag=TAG,
        )
    if not half.volume.total > 0:
        raise InputError(f"half {name} holds {half.volume.total:g} {half.volume.unit} in all.", tag=TAG)


def _scaled(half: EmissionImage, whole: EmissionImage) -> NDArray[np.float64]:
    """A half as strong as the whole image: counts, duration and decay between frames cancel."""
    return np.asarray(half.volume.array, np.float64) * (whole.volume.total / half.volume.total)


def _shift_mm(case: Case, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the centre of the counts around the liver lies in one half from that in the other, in LPS [mm]."""
    injection = case.injections[0]
    regions, grid = injection.regions or case.regions, injection.emission.grid
    liver = regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED)
    around = Mask(np.ones(grid.shape, np.float32), grid)
    if liver is not None and regions.grid.is_same_as(grid):
        around = within_reach(liver, MARGIN_FWHM * case.emission_fwhm_mm)
    box = around.box
    centres = []
    for half in (a, b):
        weights = half[box] * around.array[box]
        moments = [
            float((weights.sum(axis=tuple(o for o in range(3) if o != axis)) * np.arange(n)).sum())
            for axis, n in enumerate(weights.shape)
        ]
        centres.append(np.array(moments) / float(weights.sum()))
    return np.asarray(grid.affine[:3, :3] @ (centres[1] - centres[0]))


def with_halves(
    evaluation: Evaluation,
    engine: Engine,
    halves: Halves,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Return the evaluation with histograms corrected for noise, beside those found.

    Parameters
    ----------
    evaluation : Evaluation
        Of `verify`.
    engine : Engine
        The engine that computed it; both halves go through it too.
    halves : tuple of EmissionImage
        Two independent halves of the emission image, see `check_halves`.
    progress : callable, optional
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        As `check_halves`.
    """
    case = evaluation.case
    check_halves(case, halves)
    one, other = (_dose_of(case, half, engine, progress) for half in halves)
    difference = np.asarray(one.array, np.float64) - np.asarray(other.array, np.float64)
    fwhm_mm = _correlation_mm(difference, case.regions, evaluation.dose)
    place_ml = max(correlation_volume_ml(fwhm_mm), case.grid.voxel_volume_ml)
    regions = tuple(
        replace(metrics, noise=_of_region(evaluation, case.regions[metrics.name], one, other, place_ml))
        for metrics in evaluation.regions
    )
    marked = tuple(n for n in evaluation.notices if n.code != "noise-tails")
    made = replace(evaluation, regions=regions, notices=marked)
    return made.with_notices(_notice(made, place_ml))


def _dose_of(
    case: Case, half: EmissionImage, engine: Engine, progress: Callable[[str, float], None] | None
) -> DoseMap:
    """Dose of one half, as strong as the whole image."""
    injection = case.injections[0]
    volume = injection.emission.volume
    emission = replace(injection.emission, volume=volume.with_array(_scaled(half, injection.emission)))
    plain = case.changed(lung={"compare_methods": False})
    return verify(replace(plain, injections=(replace(injection, emission=emission),)), engine, progress).dose


def _correlation_mm(difference: NDArray[np.float64], regions: Regions, dose: DoseMap) -> float:
    """How far noise of the dose goes together in liver and tumours, from the difference of the halves [mm]."""
    mask = regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED)
    inside = dose.array > 0.0 if mask is None else mask.array >= 0.5
    box = occupied_box(inside)
    # The noise grows with the dose; over its root it is alike everywhere.
    root = np.sqrt(np.maximum(dose.array[box], 1e-3 * float(dose.array.max())))
    residual = difference[box] / root
    residual -= residual[inside[box]].mean()
    return correlation_fwhm_mm(residual, inside[box], dose.grid.spacing_mm)


def _of_region(
    evaluation: Evaluation, region: Region, one: DoseMap, other: DoseMap, place_ml: float
) -> RegionNoise:
    """The histogram of a region corrected by the halves, or why it is not."""
    dvh, box = evaluation.dvh(region.name), region.mask.box
    covariance, noise = covariance_of_halves(one.array[box], other.array[box], region.mask.array[box])
    places = dvh.volume_ml / place_ml
    if dvh.mean_gy <= 0.0:
        return noise_without_halves(dvh, None, reason="the region has no dose")
    if places < LEAST_PLACES:
        region_noise = noise_without_halves(dvh, noise**0.5 / dvh.mean_gy)
        reason = f"{places:.1f} independent places of {place_ml:.2g} mL, {LEAST_PLACES:g} are needed for a correction"
        return replace(region_noise, reason=reason)
    return corrected_by_halves(dvh, covariance, noise)


def _notice(evaluation: Evaluation, place_ml: float) -> Notice:
    """Say what was corrected, and what was not."""
    noises = {m.name: m.noise for m in evaluation.regions if m.noise is not None}
    done = [name for name, noise in noises.items() if noise.d_gy is not None]
    left = [f"{name} ({noise.reason})" for name, noise in noises.items() if noise.d_gy is None]
    return Notice(
        "noise-corrected",
        f"two halves of the image, {place_ml:.2g} mL a place of independent noise, correct the histograms of: "
        f"{', '.join(done) or 'no region'}. They stand beside those found; dose map and means are as they were. Noise is "
        f"removed, blur is not.{' Not corrected: ' + '; '.join(left) + '.' if left else ''}",
    )
