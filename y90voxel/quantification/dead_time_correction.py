"""The dead time of the camera in a measurement: which rate it saw, and what that makes of the counts."""

from __future__ import annotations

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Measurement
from y90voxel.volumes.volume import CountMap

__all__ = ["dead_time_factor"]


def dead_time_factor(measurement: Measurement, emission: EmissionImage) -> tuple[float, list[Notice]]:
    """Return true over observed counts of an image, and what has to be said.

    Raises
    ------
    InputError
        If the image is PET (scanners correct their own dead time), the count rate is not known or is one for several
        injections, or it does not fit the camera.
    """
    dead_time = measurement.dead_time
    if dead_time is None:
        return 1.0, []
    if measurement.calibration.mode is CalibrationMode.RELATIVE:
        message = "dead time multiplies all counts alike, so it changes nothing with relative calibration."
        return 1.0, [Notice("dead-time-cancels", message)]
    if emission.modality == "PT":
        raise InputError(
            "a PET scanner corrects its images for dead time itself; leave the table dead_time out.",
            tag="dead_time",
        )
    if dead_time.observed_cps is not None and len(measurement.injections) > 1:
        raise InputError(
            f"dead_time.observed_rate_cps is given once ({dead_time.observed_cps:g} 1/s) for "
            f"{len(measurement.injections)} images, "
            "each of which had its own rate. Leave it out to take each from its image.",
            tag="dead_time.observed_rate_cps",
        )
    rate, source = dead_time.observed_cps, "as given"
    if rate is None:
        rate, source = _rate_of(measurement, emission), "counts of the image over its duration"
    factor = dead_time.factor(rate)
    how = (
        f"paralysable, {1e6 * dead_time.time_constant_s:g} µs"
        if dead_time.time_constant_s is not None
        else f"measured curve {dead_time.curve.name}"
        if dead_time.curve is not None
        else ""
    )
    message = (
        f"counts and doses were multiplied by {factor:.4f} for dead time ({how}) at {rate:.4g} observed counts per second "
        f"({source})."
    )
    return factor, [Notice("dead-time", message)]


def _rate_of(measurement: Measurement, emission: EmissionImage) -> float:
    """Counts of an image over its duration [1/s]."""
    duration = measurement.calibration.acquisition_duration_s or emission.frame_duration_s
    if not isinstance(emission.volume, CountMap) or duration is None or duration <= 0.0:
        raise InputError(
            "dead time needs the observed count rate, which this image does not tell (counts and a duration would). "
            "Give dead_time.observed_rate_cps.",
            tag="dead_time.observed_rate_cps",
        )
    return emission.volume.total / duration
