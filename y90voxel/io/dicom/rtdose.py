"""RTDOSE: absorbed dose as a DICOM object, its voxels in :mod:`axial order <y90voxel.io.dicom.axial>`."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import RTDoseStorage, RTStructureSetStorage

from y90voxel.errors import DicomError, GeometryError, InputError, Notice, UnitError
from y90voxel.io.dicom.attributes import DECODING_ERRORS, number, numbers, shown, text
from y90voxel.io.dicom.axial import AxialOrder
from y90voxel.io.dicom.encoded import EncodedItem, encoded_item, put_sequence
from y90voxel.io.dicom.geometry import axes_of
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import (
    add_references,
    decimal,
    frame_of_reference,
    long_string,
    new_object,
    reference,
    save,
)
from y90voxel.io.dicom.slice_positions import check_position, check_spacing
from y90voxel.io.notices import add_notice
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

__all__ = ["DoseOrigin", "read_dose_origin", "read_rtdose", "write_rtdose"]

SERIES_NUMBER = 9001  # chosen: above those of scanners, so that derived series stand last
# Frames may lie this fraction of a step from even spacing.
UNEVEN = 0.01
WHOLE_DOSES = ("PLAN", "MULTI_PLAN", "PLAN_OVERVIEW", "RECORD", "")


def write_rtdose(
    dose: DoseMap,
    path: str | Path,
    *,
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    comment: str = "",
    effective: bool = False,
    bits: int = 32,
    created: datetime | None = None,
) -> tuple[Notice, ...]:
    """Write a dose map as RTDOSE, in Gy, and return what has to be said about the file.

    Levels are chosen so that the maximum fills the unsigned range: with 32 bits the rounding is 1.2e-10 of the
    maximum, with 16 bits 7.6e-6. DoseSummationType is PLAN_OVERVIEW, because there is no RT plan to refer to.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy]. Negative values (from noise below zero in the image) are written as 0: RTDOSE may be
        signed for error maps only.
    path : path-like
        The file to write.
    identity : StudyIdentity, optional
        Patient and study; nobody's in a new study by default.
    references : sequence of SourceSeries
        What the dose was made from.
    comment : str
        DoseComment; cut after 64 characters.
    effective : bool
        True for a map that is weighted by biology (BED): DoseType EFFECTIVE, which needs a comment.
    bits : int
        32, or 16 for tools that cannot read 32.
    created : datetime, optional
        When the dose was computed; now by default.

    Returns
    -------
    tuple of Notice
        ``frame-of-reference-generated``, ``dose-clipped``.

    Raises
    ------
    InputError
        If a dose is not finite, an effective dose has no comment, or ``bits`` is neither 16 nor 32.
    """
    if bits not in (16, 32):
        raise InputError(f"RTDOSE has 16 or 32 bits, not {bits}.")
    if effective and not comment:
        raise InputError(
            "an effective dose needs a comment that says what it is, such as 'BED, alpha/beta 10 Gy'."
        )
    dose.check_finite()
    whose = identity or StudyIdentity()
    uid, notices = frame_of_reference(dose.grid, whose)
    dataset = new_object(
        whose, RTDoseStorage, "RTDOSE", "y90voxel dose (research use)", SERIES_NUMBER, created
    )
    dataset.OperatorsName = ""
    dataset.FrameOfReferenceUID = uid
    dataset.PositionReferenceIndicator = ""
    dataset.DoseUnits = "GY"
    dataset.DoseType = "EFFECTIVE" if effective else "PHYSICAL"
    if comment:
        dataset.DoseComment = long_string(comment)
    _add_overview(dataset, [] if whose.anonymised else references)
    add_references(dataset, whose, references)
    order = AxialOrder.of(dose.grid)
    _put_geometry(dataset, order)
    _put_levels(dataset, order.view(dose.array), bits)
    save(dataset, path)
    return notices + _clipped(dose)


def read_rtdose(path: str | Path, *, notices: list[Notice] | None = None) -> DoseMap:
    """Return the dose of an RTDOSE file [Gy], float64, in the order of its frames.

    Parameters
    ----------
    path : path-like
        The file.
    notices : list of Notice, optional
        Receives what has to be said about the dose; warned when it is not given.

    Raises
    ------
    DicomError
        If the file is not RTDOSE, holds no dose grid, or an attribute is missing or makes no sense, directions that are
        no perpendicular unit vectors and negative or absurd distances among them.
    UnitError
        If the dose is relative instead of in Gy.
    GeometryError
        If frames are unevenly spaced.
    """
    dataset = _read(path)
    _check_kind(dataset, path, notices)
    scaling = _scaling(dataset, path)
    try:
        levels = dataset.pixel_array
    except DECODING_ERRORS as error:
        raise DicomError(
            f"the pixels of {path} cannot be read: {error}", file=path, tag="PixelData"
        ) from error
    levels = levels if levels.ndim == 3 else levels[None]
    if levels.min() < 0:
        count = int(np.count_nonzero(levels < 0))
        raise DicomError(
            f"{path}: {count} of {levels.size} voxels have a dose below 0, down to {levels.min() * scaling:.4g} Gy "
            f"(PixelRepresentation {dataset.get('PixelRepresentation')}); an absorbed dose is 0 or more, and only a "
            "difference of doses (DoseType ERROR) is signed. Export the dose with unsigned pixels.",
            file=path,
            tag="PixelRepresentation",
        )
    return DoseMap(levels * np.float64(scaling), _dose_grid(dataset, levels.shape, path))


@dataclass(frozen=True)
class DoseOrigin:
    """Whose dose an RTDOSE holds, and in which coordinates.

    Parameters
    ----------
    frame_of_reference_uid : str or None
        The frame of reference.
    patient_id : str or None
        The patient.
    identity : StudyIdentity or None
        Patient and study.
    """

    frame_of_reference_uid: str | None
    patient_id: str | None
    identity: StudyIdentity | None = None


def read_dose_origin(path: str | Path) -> DoseOrigin:
    """Return frame of reference and patient of an RTDOSE file without its voxels.

    Raises
    ------
    DicomError
        If the file is not RTDOSE.
    """
    dataset = _read(path, stop_before_pixels=True)
    if text(dataset, "SOPClassUID", path) != RTDoseStorage:
        raise DicomError(f"{path} is not an RTDOSE file.", file=path, tag="SOPClassUID")
    frame, patient = text(dataset, "FrameOfReferenceUID", path), text(dataset, "PatientID", path)
    return DoseOrigin(frame or None, patient or None, StudyIdentity.from_dataset(dataset))


def _read(path: str | Path, *, stop_before_pixels: bool = False) -> FileDataset:
    """A DICOM file."""
    try:
        return pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
    except (InvalidDicomError, EOFError) as error:
        raise DicomError(f"{path} is not a DICOM file.", file=path) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.", file=path) from error
    except DECODING_ERRORS as error:
        raise DicomError(
            f"{path} cannot be read ({shown(error)}). It is damaged: export it again.", file=path
        ) from error


# writing


def _put_geometry(dataset: Dataset, order: AxialOrder) -> None:
    """Add the image plane and the frame offsets."""
    frames, dataset.Rows, dataset.Columns = order.shape
    dataset.ImagePositionPatient = order.position(0)
    dataset.ImageOrientationPatient = order.orientation
    dataset.PixelSpacing = order.pixel_spacing
    dataset.SliceThickness = order.slice_spacing
    if frames > 1:
        dataset.NumberOfFrames = frames
        dataset.FrameIncrementPointer = Tag("GridFrameOffsetVector")
        dataset.GridFrameOffsetVector = [decimal(k * order.spacing_mm[0]) for k in range(frames)]


def _put_levels(dataset: Dataset, array: NDArray[Any], bits: int) -> None:
    """Add the pixels, frame by frame so that no second copy of the dose is made."""
    top = 2**bits - 1
    highest = float(array.max())
    scaling = decimal(highest / top) if highest > 0 else "1"
    levels = np.empty(array.shape, f"<u{bits // 8}")
    for level, plane in zip(levels, array, strict=True):
        level[:] = np.clip(np.rint(plane / np.float64(scaling)), 0, top)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    dataset.DoseGridScaling = scaling
    dataset.PixelData = levels.tobytes()
    dataset["PixelData"].VR = "OW"


def _add_overview(dataset: Dataset, references: Sequence[SourceSeries]) -> None:
    """Add the dose summation: an overview without a plan, with what the dose rests on."""
    instances = [instance for series in references for instance in series.instances]
    structures = [reference(*i) for i in instances if i[0] == RTStructureSetStorage]
    rests_on: dict[str, list[EncodedItem]] = {}
    if structures:
        rests_on = {"ReferencedStructureSetSequence": structures}
    elif instances:
        rests_on = {"ReferencedImageSequence": [reference(*i) for i in instances]}
    overview = encoded_item(
        PlanOverviewIndex=struct.pack("<H", 1),
        RTPlanLabel="",
        TreatmentSite="",
        TreatmentSiteCodeSequence=[],
        PrescriptionOverviewSequence=[],
        **rests_on,
    )
    dataset.DoseSummationType = "PLAN_OVERVIEW"
    put_sequence(dataset, "PlanOverviewSequence", [overview])


def _clipped(dose: DoseMap) -> tuple[Notice, ...]:
    """Return what is said about doses below zero."""
    lowest = float(dose.array.min())
    if lowest >= 0:
        return ()
    count = int(np.count_nonzero(dose.array < 0))
    message = (
        f"{count} voxels have a dose below 0 (down to {lowest:.4g} Gy, from counts below 0 in the image, or the noise of a "
        "simulated dose). RTDOSE cannot hold them: there they are 0."
    )
    return (Notice("dose-clipped", message),)


# reading


def _needed(value: Any, keyword: str, path: str | Path) -> Any:
    """Return a value that must not be missing."""
    if value is None:
        raise DicomError(f"{path} has no {keyword}. Export the dose again.", file=path, tag=keyword)
    return value


def _scaling(dataset: FileDataset, path: str | Path) -> float:
    """Return how much dose a level is [Gy]; raise unless it is a positive number."""
    scaling = float(_needed(number(dataset, "DoseGridScaling", path), "DoseGridScaling", path))
    if not (math.isfinite(scaling) and scaling > 0):
        raise DicomError(
            f"DoseGridScaling of {path} is {scaling:g} Gy a level; it must be above 0. The file is damaged: export the dose "
            "again.",
            file=path,
            tag="DoseGridScaling",
        )
    return scaling


def _check_kind(dataset: FileDataset, path: str | Path, notices: list[Notice] | None) -> None:
    """Raise unless the object is an absorbed dose in Gy; say where it is not a plain one."""
    if text(dataset, "SOPClassUID", path) != RTDoseStorage:
        modality = text(dataset, "Modality", path) or "no modality"
        raise DicomError(f"{path} is not an RTDOSE file (it is {modality}).", file=path, tag="SOPClassUID")
    units, kind = text(dataset, "DoseUnits", path).upper(), text(dataset, "DoseType", path).upper()
    if units != "GY":
        raise UnitError(
            f"{path}: DoseUnits is {units or 'missing'}, GY is needed. Export the absolute dose.",
            file=path,
            tag="DoseUnits",
        )
    if kind == "ERROR":
        raise DicomError(
            f"{path} holds dose differences (DoseType ERROR), not doses.", file=path, tag="DoseType"
        )
    if kind == "EFFECTIVE":
        comment = text(dataset, "DoseComment", path) or "no comment says which"
        add_notice(
            notices,
            "dose-effective",
            f"{path} holds an effective dose ({comment}), not an absorbed one; it is used as it is.",
        )
    summation = text(dataset, "DoseSummationType", path).upper()
    if summation not in WHOLE_DOSES:
        add_notice(
            notices,
            "dose-partial",
            f"{path} holds the dose of a part of a treatment (DoseSummationType {summation}); it is used as it is.",
        )


def _dose_grid(dataset: FileDataset, shape: tuple[int, ...], path: str | Path) -> Grid:
    """Return where the voxels lie; frames are stacked as GridFrameOffsetVector says, either way."""
    position = np.array(
        _needed(numbers(dataset, "ImagePositionPatient", 3, path), "ImagePositionPatient", path)
    )
    orientation = _needed(
        numbers(dataset, "ImageOrientationPatient", 6, path), "ImageOrientationPatient", path
    )
    spacing = _needed(numbers(dataset, "PixelSpacing", 2, path), "PixelSpacing", path)
    along_row, along_column, normal = axes_of(orientation, str(path))
    check_spacing(spacing, str(path))
    check_position(position.tolist(), str(path))
    affine = np.eye(4)
    affine[:3, 2] = along_row * spacing[1]
    affine[:3, 1] = along_column * spacing[0]
    affine[:3, 0] = _frame_step(dataset, shape[0], position, normal, path)
    affine[:3, 3] = position
    uid = text(dataset, "FrameOfReferenceUID", path) or None
    return Grid((shape[0], shape[1], shape[2]), affine, uid)


def _frame_step(
    dataset: FileDataset,
    frames: int,
    position: NDArray[np.float64],
    normal: NDArray[np.floating[Any]],
    path: str | Path,
) -> NDArray[np.float64]:
    """Return the way from one frame to the next [mm]; offsets are relative, or absolute z of axial frames."""
    if frames == 1:
        thickness = _needed(number(dataset, "SliceThickness", path), "SliceThickness", path)
        check_spacing([thickness], str(path), "SliceThickness")
        return np.asarray(normal * thickness)
    offsets = np.array(
        _needed(numbers(dataset, "GridFrameOffsetVector", frames, path), "GridFrameOffsetVector", path)
    )
    step = float(offsets[-1] - offsets[0]) / (frames - 1)
    if step == 0 or np.abs(offsets - (offsets[0] + step * np.arange(frames))).max() > UNEVEN * abs(step):
        gaps = np.diff(offsets)
        raise GeometryError(
            f"{path}: the frames are unevenly spaced, {gaps.min():g} to {gaps.max():g} mm apart. Resample the dose "
            "onto an even grid first.",
            file=path,
            tag="GridFrameOffsetVector",
        )
    check_spacing([abs(step)], str(path), "GridFrameOffsetVector")
    if offsets[0] == 0:
        return np.asarray(normal * step)
    is_axial = abs(normal[2]) > 1 - 1e-6
    if is_axial and abs(offsets[0] - position[2]) < UNEVEN * abs(step):
        return np.asarray(normal * np.sign(normal[2]) * step)  # z, but for the digits of the orientation
    raise DicomError(
        f"{path}: GridFrameOffsetVector begins with {offsets[0]:g} mm, which is neither 0 nor the z of the first frame "
        f"({position[2]:g} mm). Export the dose again.",
        file=path,
        tag="GridFrameOffsetVector",
    )
