"""Counts to activity: one factor for the whole map, never one a region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import numpy as np

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.decay import decay_factor, frame_decay_factor, seconds_between
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.scaling import scaled, sum_within
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = [
    "Calibration",
    "CalibrationMode",
    "CalibrationRegion",
    "DecayCorrection",
    "calibrate_absolute",
    "calibrate_by_factor",
    "calibrate_relative",
    "decay_to_administration",
    "elapsed_since_administration",
    "slices_acquired_together",
]

# Two half-lives closer than this belong to the same nuclide (64.1 h and 64.24 h do).
SAME_HALF_LIFE_TOLERANCE = 0.01
# Positron emitters of PET emit more than this per decay; a smaller fraction is meant to be the therapy nuclide's own,
# whose published values differ by less than the tolerance.
LEAST_PET_POSITRON_FRACTION = 0.01
SAME_POSITRON_FRACTION_TOLERANCE = 0.15  # relative


class CalibrationMode(StrEnum):
    """How counts become activity."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    FACTOR = "factor"


class CalibrationRegion(StrEnum):
    """Whose counts stand for the activity of a relative calibration."""

    LIVER = "liver"
    LIVER_AND_LUNGS = "liver+lungs"
    BODY = "body"
    FIELD_OF_VIEW = "fov"


@dataclass(frozen=True)
class Calibration:
    """How counts become activity.

    Parameters
    ----------
    mode : CalibrationMode
        Relative to the administered activity, absolute, or by a camera factor.
    region : CalibrationRegion
        Whose counts stand for the activity; relative mode only.
    factor_cps_per_mbq : float or None
        Camera factor [counts per second per MBq]; factor mode only.
    acquisition_duration_s : float or None
        Overrides the duration in the header [s]; factor mode only.

    Raises
    ------
    InputError
        If the factor mode lacks its factor.
    """

    mode: CalibrationMode = CalibrationMode.RELATIVE
    region: CalibrationRegion = CalibrationRegion.LIVER
    factor_cps_per_mbq: float | None = None
    acquisition_duration_s: float | None = None

    def __post_init__(self) -> None:
        if self.mode is CalibrationMode.FACTOR and self.factor_cps_per_mbq is None:
            raise InputError(
                "calibration by factor needs the camera factor: --calibration-factor (cps per MBq).",
                tag="dose.calibration_factor",
            )


@dataclass(frozen=True)
class DecayCorrection:
    """The factor from the values of a PET file to activity at administration, with its parts.

    Parameters
    ----------
    factor : float
        Value of the file times this is activity at administration.
    decay, frame, branching : float
        Decay between the instants, decay within the frame, and positron branching.
    notices : tuple of Notice
        What was corrected or assumed.
    """

    factor: float
    decay: float
    frame: float
    branching: float
    notices: tuple[Notice, ...] = ()


def calibrate_relative(counts: CountMap | ActivityMap, mask: Mask | None, activity_bq: float) -> ActivityMap:
    """Return the map scaled so that ``mask`` (None: the whole image) holds ``activity_bq``.

    Parameters
    ----------
    counts : CountMap or ActivityMap
        Anything proportional to activity.
    mask : Mask or None
        Calibration region on the grid of the counts.
    activity_bq : float
        Activity that the region holds at administration [Bq].

    Raises
    ------
    InputError
        If the region holds no counts.
    """
    inside = (
        counts.total if mask is None else sum_within(counts.array, mask.check_on(counts.grid, "mask").array)
    )
    if not inside > 0:
        raise InputError(
            f"the calibration region holds {inside:g} {counts.unit}: nothing to scale {activity_bq:g} Bq to. "
            "Check that image and regions belong together, or choose another --calibration-region."
        )
    return ActivityMap(scaled(counts.array, activity_bq / inside), counts.grid)


def calibrate_absolute(emission: EmissionImage, correction: DecayCorrection) -> ActivityMap:
    """Return the activity at administration of an image whose file states Bq/mL.

    Raises
    ------
    InputError
        If the image holds counts.
    """
    if not isinstance(emission.volume, ActivityMap):
        raise InputError(
            "absolute calibration needs an image in Bq/mL, but this one holds counts. "
            "Use --calibration relative, or factor with the camera's factor.",
            tag="dose.calibration",
        )
    return ActivityMap(scaled(emission.volume.array, correction.factor), emission.grid)


def calibrate_by_factor(
    emission: EmissionImage,
    counts_per_second_per_mbq: float,
    duration_s: float,
    elapsed_s: float,
    half_life_s: float,
) -> ActivityMap:
    """Return the activity at administration by a camera factor.

    A = N / (t · CF), decayed back over the time from administration to acquisition.

    Parameters
    ----------
    emission : EmissionImage
        Counts.
    counts_per_second_per_mbq : float
        Calibration factor CF [1/s per MBq].
    duration_s : float
        Duration t over which the counts were acquired [s].
    elapsed_s : float
        From administration to the start of the acquisition [s].
    half_life_s : float
        Half-life of the imaged therapy nuclide [s].

    Raises
    ------
    InputError
        If the image does not hold counts, or factor or duration are not positive.
    """
    if not isinstance(emission.volume, CountMap):
        raise InputError(
            "a camera factor turns counts into activity, but this image states Bq/mL. Use --calibration absolute.",
            tag="dose.calibration",
        )
    if not (counts_per_second_per_mbq > 0 and duration_s > 0):
        raise InputError(
            f"the camera factor ({counts_per_second_per_mbq} cps/MBq) and the acquisition duration ({duration_s} s) "
            "must be positive.",
            tag="dose.calibration_factor",
        )
    scale = 1e6 / (counts_per_second_per_mbq * duration_s)
    scale *= frame_decay_factor(duration_s, half_life_s) / decay_factor(elapsed_s, half_life_s)
    return ActivityMap(scaled(emission.volume.array, scale), emission.grid)


def decay_to_administration(
    emission: EmissionImage,
    administration_time: datetime,
    half_life_s: float,
    positron_fraction: float | None = None,
) -> DecayCorrection:
    """Return the factor from a PET file's values to activity of the therapy nuclide at administration.

    The header's own decay correction is undone with the header's half-life back to the acquisition, then
    the therapy nuclide decays from there to the administration. Frame decay and positron branching are
    exchanged likewise where the header used another nuclide.

    Parameters
    ----------
    emission : EmissionImage
        With its decay reference and times.
    administration_time : datetime
        The instant wanted.
    half_life_s : float
        Half-life of the therapy nuclide [s].
    positron_fraction : float or None
        Positrons per decay of the therapy nuclide.

    Raises
    ------
    InputError
        If the image does not say what its values refer to, a time it needs is missing, the acquisition
        precedes the administration, or a header of another nuclide does not state its positron fraction.
    """
    if emission.decay_reference is None:
        raise InputError(
            "the emission image does not say which instant its activity refers to (DecayCorrection). State it with "
            "--decay-reference ADMIN, START or NONE, or use --calibration relative.",
            tag="DecayCorrection",
        )
    acquired = _needed(emission.acquisition_start, "acquisition time", "AcquisitionTime")
    elapsed = elapsed_since_administration(administration_time, acquired)
    header_half_life = emission.header_half_life_s or half_life_s
    _check_branching(emission, header_half_life, half_life_s, positron_fraction)
    duration = emission.frame_duration_s or 0.0
    frame = frame_decay_factor(duration, half_life_s)
    undone = 1.0
    if emission.decay_reference is not DecayReference.NONE:
        undone = decay_factor(_corrected_span_s(emission, acquired), header_half_life)
        frame /= frame_decay_factor(duration, header_half_life)
    branching = 1.0
    if positron_fraction and emission.header_positron_fraction:
        branching = emission.header_positron_fraction / positron_fraction
    decay = undone / decay_factor(elapsed, half_life_s)
    notices = _correction_notices(header_half_life, half_life_s, branching)
    return DecayCorrection(decay * frame * branching, decay, frame, branching, notices)


def slices_acquired_together(emission: EmissionImage, half_life_s: float) -> EmissionImage:
    """Return the image as if all of its slices had been acquired together, at ``acquisition_start``.

    Each slice of several bed positions has its own acquisition and frame duration. The header's decay correction is undone
    over its own delay, and the nuclide in the patient decays back over it; likewise within the frame. Of one half-life for
    both nothing is left to do.

    Parameters
    ----------
    emission : EmissionImage
        With delays and durations of its slices, where they differ.
    half_life_s : float
        Half-life of what is in the patient [s].
    """
    if emission.decay_reference is None or not (emission.slice_delays_s or emission.slice_durations_s):
        return emission
    count = emission.grid.shape[0]
    usual_s = emission.frame_duration_s or 0.0
    delays = emission.slice_delays_s or (0.0,) * count
    durations = emission.slice_durations_s or (usual_s,) * count
    header_s = emission.header_half_life_s or half_life_s
    corrected = emission.decay_reference is not DecayReference.NONE

    def frame(duration_s: float) -> float:
        own = frame_decay_factor(duration_s, half_life_s)
        return own / frame_decay_factor(duration_s, header_s) if corrected else own

    factors = [
        (decay_factor(delay, header_s) if corrected else 1.0)
        / decay_factor(delay, half_life_s)
        * frame(duration)
        / frame(usual_s)
        for delay, duration in zip(delays, durations, strict=True)
    ]
    values = emission.volume.array * np.array(factors, emission.volume.array.dtype)[:, None, None]
    return replace(
        emission, volume=emission.volume.with_array(values), slice_delays_s=None, slice_durations_s=None
    )


def _corrected_span_s(emission: EmissionImage, acquired: datetime) -> float:
    """Time over which the scanner corrected the values: from their reference to the acquisition [s]."""
    if emission.decay_reference is DecayReference.ADMIN:
        start = _needed(
            emission.administration_time, "radiopharmaceutical start", "RadiopharmaceuticalStartDateTime"
        )
    else:
        start = _needed(emission.series_start, "series time", "SeriesTime")
    span = seconds_between(start, acquired, "decay reference and acquisition")
    if span < 0 and emission.decay_reference is DecayReference.ADMIN:
        raise InputError(
            f"the header's radiopharmaceutical start ({start.isoformat()}) lies after the acquisition ({acquired.isoformat()}), "
            "and its values are corrected to it (DecayCorrection ADMIN). Use --calibration relative, or correct the file.",
            tag="RadiopharmaceuticalStartDateTime",
        )
    # A derived series may carry a series time after its acquisition: then the acquisition is the reference.
    return max(span, 0.0)


def elapsed_since_administration(administration_time: datetime, acquired: datetime) -> float:
    """Return the time from administration to acquisition [s].

    Raises
    ------
    InputError
        If the acquisition precedes the administration.
    """
    elapsed = seconds_between(administration_time, acquired, "administration and acquisition")
    if elapsed < 0:
        raise InputError(
            f"the acquisition ({acquired.isoformat()}) precedes the administration ({administration_time.isoformat()}) by "
            f"{-elapsed / 3600:.2f} h. Check --time and --time-zone.",
            tag="administration.time",
        )
    return elapsed


def _check_branching(
    emission: EmissionImage, header_half_life_s: float, half_life_s: float, positron_fraction: float | None
) -> None:
    """Refuse a header whose positron fraction is of no nuclide, or missing where it was another one's."""
    other = abs(header_half_life_s / half_life_s - 1.0) > SAME_HALF_LIFE_TOLERANCE
    if other and positron_fraction and not emission.header_positron_fraction:
        raise InputError(
            f"the header was written for another nuclide (half-life {header_half_life_s:g} s, not {half_life_s:g} s) "
            "and states no positron fraction: its Bq/mL could be off by orders of magnitude. Use --calibration relative, or add "
            "RadionuclidePositronFraction.",
            tag="RadionuclidePositronFraction",
        )
    stated = emission.header_positron_fraction
    if not (positron_fraction and stated) or stated >= LEAST_PET_POSITRON_FRACTION:
        return
    if abs(stated / positron_fraction - 1.0) > SAME_POSITRON_FRACTION_TOLERANCE:
        raise InputError(
            f"RadionuclidePositronFraction is {stated:.4g}, that of no nuclide in use; the therapy nuclide's is "
            f"{positron_fraction:.4g}. Its Bq/mL cannot be trusted: correct the file, or use --calibration relative.",
            tag="RadionuclidePositronFraction",
        )


def _needed(value: datetime | None, what: str, tag: str) -> datetime:
    """Return the time, or say which one is missing."""
    if value is None:
        raise InputError(
            f"the emission image has no {what}, which its decay correction needs. State when it was taken with "
            "--acquisition-time, use --calibration relative, or correct the file.",
            tag=tag,
        )
    return value


def _correction_notices(header_s: float, therapy_s: float, branching: float) -> tuple[Notice, ...]:
    """Say where the header's nuclide data differ from the therapy nuclide's."""
    notices = []
    if abs(header_s / therapy_s - 1.0) > SAME_HALF_LIFE_TOLERANCE:
        notices.append(
            Notice(
                "header-half-life",
                f"the header's decay correction used a half-life of {header_s:g} s; it was undone and replaced by "
                f"the {therapy_s:g} s of the therapy nuclide.",
            )
        )
    if abs(branching - 1.0) > 1e-9:
        notices.append(
            Notice(
                "header-branching",
                f"the header's positron fraction differs from the therapy nuclide's: values were multiplied by {branching:.6g}.",
            )
        )
    return tuple(notices)
