"""An image of a phantom as concentrations at the time of filling, whatever the camera wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, Notice
from y90voxel.phantoms.filling import Filling
from y90voxel.quantification.calibration import (
    calibrate_absolute,
    calibrate_by_factor,
    decay_to_administration,
    slices_acquired_together,
)
from y90voxel.quantification.decay import decay_factor, frame_decay_factor, seconds_between
from y90voxel.quantification.emission import EmissionImage
from y90voxel.reference.nuclide import nuclide
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

__all__ = ["PhantomImage", "image_at_filling"]


@dataclass(frozen=True, eq=False)
class PhantomImage:
    """One acquisition, decayed to the instant of the filling record.

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        Bq/mL where the image states activity; else what it would be at 1 cps per MBq, so that a mean over the true
        concentration is the calibration factor [cps/MBq].
    grid : Grid
        Its voxels.
    modality : str
        ``"PT"`` or ``"NM"``.
    counts : bool
        Whether the image holds counts.
    start : datetime
        Start of the acquisition.
    duration_s : float or None
        Its duration [s].
    rate_cps : float or None
        Counts of the whole image over its duration [1/s], where it holds counts.
    activity_bq : float
        In the phantom, mean over the acquisition [Bq].
    notices : tuple of Notice
        What was accepted.
    """

    values: NDArray[np.float64]
    grid: Grid
    modality: str
    counts: bool
    start: datetime
    duration_s: float | None
    rate_cps: float | None
    activity_bq: float
    notices: tuple[Notice, ...] = ()


def image_at_filling(emission: EmissionImage, filling: Filling) -> PhantomImage:
    """Return an image of a phantom at the instant of its filling record.

    Parameters
    ----------
    emission : EmissionImage
        As read, times in the zone of the record.
    filling : Filling
        What the phantom holds.

    Raises
    ------
    InputError
        If it is of another nuclide, was acquired before the filling, or does not state what its decay correction needs.
    """
    imaged, start = emission.imaged_nuclide, emission.acquisition_start
    if imaged is not None and imaged != filling.nuclide:
        raise InputError(
            f"the image header says {imaged}, the filling record {filling.nuclide}. Correct the record, or give the images of "
            f"the {filling.nuclide} phantom.",
            tag="nuclide",
        )
    if start is None:
        raise InputError(
            "an image of the phantom does not state when it was acquired: its activity is not known.",
            tag="AcquisitionTime",
        )
    elapsed = seconds_between(filling.reference_time, start, "filling record and acquisition")
    if elapsed < 0:
        raise InputError(
            f"the image was acquired at {start.isoformat()}, before the filling ({filling.reference_time.isoformat()}). "
            "Check the times of the filling record and its time_zone.",
            tag="activity_time",
        )
    half_life = filling.half_life_s
    duration = emission.frame_duration_s
    counts = isinstance(emission.volume, CountMap)
    notices: tuple[Notice, ...] = ()
    if counts:
        if duration is None:
            raise InputError(
                "an image of the phantom holds counts and does not state its duration: there is no count rate.",
                tag="ActualFrameDuration",
            )
        activity = calibrate_by_factor(emission, 1.0, duration, elapsed, half_life)
    else:
        positrons = nuclide(filling.nuclide).positrons_per_decay if emission.modality == "PT" else None
        together = slices_acquired_together(emission, half_life)
        correction = decay_to_administration(together, filling.reference_time, half_life, positrons or None)
        activity, notices = calibrate_absolute(together, correction), correction.notices
    values = np.asarray(activity.array, np.float64) / activity.grid.voxel_volume_ml
    left = decay_factor(elapsed, half_life) / frame_decay_factor(duration or 0.0, half_life)
    return PhantomImage(
        values=values,
        grid=emission.grid,
        modality=emission.modality,
        counts=counts,
        start=start,
        duration_s=duration,
        rate_cps=emission.volume.total / duration if counts and duration else None,
        activity_bq=filling.total_bq * left,
        notices=notices,
    )
