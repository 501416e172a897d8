"""What an emission camera saw, before anyone decided how much activity that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from y90voxel.quantification.decay import seconds_between
from y90voxel.short_repr import short_repr
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap

__all__ = ["DecayReference", "EmissionImage", "PlanarImage", "Reconstruction"]

# Imaging follows the injection by this many hours, or the header's injection time is somebody's placeholder.
PLAUSIBLE_DELAY_H = (1.0, 96.0)


class DecayReference(StrEnum):
    """The instant that decay-corrected PET values refer to (DICOM Decay Correction, 0054,1102)."""

    ADMIN = "ADMIN"  # radiopharmaceutical start
    START = "START"  # start of the series
    NONE = "NONE"  # mean over the frame, not corrected


@dataclass(frozen=True)
class Reconstruction:
    """What an image says of how it was reconstructed, as written; empty where it does not say.

    Parameters
    ----------
    method : str
        Reconstruction Method (0054,1103).
    filter : str
        Convolution Kernel (0018,1210).
    camera : str
        Manufacturer and model.
    """

    method: str = ""
    filter: str = ""
    camera: str = ""


@dataclass(frozen=True, eq=False)
class EmissionImage:
    """A SPECT or PET volume with what its header says about time, decay and nuclide.

    Parameters
    ----------
    volume : CountMap or ActivityMap
        Counts per voxel, or activity per voxel [Bq] where the file states Bq/mL. An ActivityMap here
        carries the values of the file, still at the file's own decay reference.
    modality : str
        ``"NM"``, ``"PT"``, or ``"file"`` for an image without a DICOM header.
    imaged_nuclide : str or None
        What was imaged, such as ``"Tc-99m"`` or ``"Y-90"``.
    predicted : bool
        True when a surrogate was imaged (MAA): every output is marked as a prediction.
    decay_reference : DecayReference or None
        What the activity of the file refers to; None when it is counts or not stated.
    acquisition_start : datetime or None
        Start of the acquisition (earliest acquisition time of the series).
    series_start : datetime or None
        Start of the series, the reference instant of START.
    administration_time : datetime or None
        Radiopharmaceutical start date and time of the header, the reference instant of ADMIN.
    frame_duration_s : float or None
        Duration of the acquisition frame [s].
    header_half_life_s : float or None
        Half-life that the scanner used for its decay correction [s].
    header_positron_fraction : float or None
        Positrons per decay that the scanner used (Radionuclide Positron Fraction, 0018,1076).
    agent : str
        Radiopharmaceutical as written.
    surrogate_stated : bool
        Whether the user says that it stands for the therapy.
    administration_day_assumed : bool
        Whether the header states the hour of the administration without its day.
    day_unknown : bool
        Whether all times are clocks of a day that is not stated, in the year 1900: only their differences count.
    slice_delays_s : tuple of float or None
        From ``acquisition_start`` to the acquisition of each slice [s]; None where all slices were acquired together.
    slice_durations_s : tuple of float or None
        Frame duration of each slice [s]; None where ``frame_duration_s`` is that of all.
    gate : str or None
        What the header calls it where it is one gate of several; None for an image of all phases, or one that does not say.
    reconstruction : Reconstruction
        How it was reconstructed, as far as the header says.
    administration_event_uid : str or None
        What other objects call the administration by (0008,3012).
    """

    volume: CountMap | ActivityMap
    modality: str
    imaged_nuclide: str | None = None
    predicted: bool = False
    decay_reference: DecayReference | None = None
    acquisition_start: datetime | None = None
    series_start: datetime | None = None
    administration_time: datetime | None = None
    frame_duration_s: float | None = None
    header_half_life_s: float | None = None
    header_positron_fraction: float | None = None
    agent: str = ""
    surrogate_stated: bool = False
    administration_day_assumed: bool = False
    day_unknown: bool = False
    slice_delays_s: tuple[float, ...] | None = None
    slice_durations_s: tuple[float, ...] | None = None
    gate: str | None = None
    reconstruction: Reconstruction = Reconstruction()
    administration_event_uid: str | None = None

    __repr__ = short_repr

    @property
    def grid(self) -> Grid:
        """Where the image lies."""
        return self.volume.grid

    @property
    def plausible_administration_time(self) -> datetime | None:
        """The header's administration time when it lies 1 to 96 h before the acquisition, else None."""
        header, acquired = self.administration_time, self.acquisition_start
        if (
            self.predicted
            or header is None
            or acquired is None
            or (header.tzinfo is None) != (acquired.tzinfo is None)
        ):
            return None
        hours = seconds_between(header, acquired, "acquisition after administration") / 3600.0
        low, high = PLAUSIBLE_DELAY_H
        return header if low <= hours <= high else None


@dataclass(frozen=True, eq=False)
class PlanarImage:
    """Two opposite planar views laid over each other, for the planar lung shunt.

    Parameters
    ----------
    anterior, posterior : ndarray, (rows, columns)
        Counts of both views as seen from the front; the posterior one is already mirrored.
    grid : Grid or None
        One slice of (1, rows, columns) voxels in the coronal plane of the patient; None when the
        header gives no position, and then no region can be projected onto the views.
    """

    anterior: NDArray[np.float64]
    posterior: NDArray[np.float64]
    grid: Grid | None = None

    __repr__ = short_repr
