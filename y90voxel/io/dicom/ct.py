"""CT series to a CT image [HU]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import DicomError, GeometryError, Notice, Severity
from y90voxel.io.dicom.attributes import whole_number
from y90voxel.io.dicom.ct_quantity import HU_UNITS, check_quantity
from y90voxel.io.dicom.frames import Frame, frames_of
from y90voxel.io.dicom.geometry import Stack, stack_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole
from y90voxel.io.dicom.pet_values import check_mapping
from y90voxel.io.dicom.pixels import check_pixel_bytes, stored_values
from y90voxel.io.dicom.regularise import regularise
from y90voxel.io.dicom.slice_gaps import check_gaps
from y90voxel.io.dicom.uniform import (
    check_numbering,
    check_rescaled,
    check_size,
    check_uniform,
    one_slice,
    slices_missing,
)
from y90voxel.io.notices import accept, warn
from y90voxel.volumes.volume import CtImage

__all__ = ["plan_stack", "read_ct", "read_frames"]

# Outside the reconstructed field of view there is no tissue; scanners pad with anything down to -32768.
AIR_HU = -1024.0
# The series that were planned: selection, image and structure set ask for the same one.
_planned: WeakKeyDictionary[SeriesRecord, tuple[Stack, tuple[Notice, ...]]] = WeakKeyDictionary()


def plan_stack(series: SeriesRecord) -> tuple[Stack, tuple[Notice, ...]]:
    """Return where the slices of a CT or PET series lie, from their headers alone.

    Raises
    ------
    DicomError
        If the series cannot be one regular volume (see ``geometry.stack_of``), or grouping refused it.
    """
    planned = _planned.get(series)
    if planned is None:
        planned = _planned[series] = _plan(series)
    return planned


def _plan(series: SeriesRecord) -> tuple[Stack, tuple[Notice, ...]]:
    """Do what :func:`plan_stack` says."""
    raise_refusals(series)
    emission = series.role is SeriesRole.EMISSION
    for instance in series.instances:
        check_pixel_bytes(instance)
    check_uniform(series, emission=emission)
    with_geometry = frames_of(series.instances)
    check_rescaled(with_geometry, emission=emission)
    check_mapping(with_geometry, *(() if emission else (HU_UNITS,)))
    check_size(with_geometry)
    thickness = series.first.numbers("SliceThickness", 1)
    try:
        stack = stack_of(
            with_geometry,
            single_step_mm=thickness[0] if thickness else None,
            several_thicknesses=not emission,
        )
    except GeometryError as error:
        raise DicomError(error.message, file=series.first.source.name, tag="ImagePositionPatient") from error
    if emission and len(stack.frames) == 1:
        raise one_slice(series.first)
    check_numbering(stack.frames)
    missing = slices_missing(series, len(stack.frames))
    notices = [*series.notices, *stack.notices, *missing, *lossy(series)]
    notices += [] if emission else check_quantity(series, stack.frames)
    notices += check_gaps(series, stack, emission=emission)
    if len(stack.frames) == 1 and thickness is not None:
        notices.append(
            warn(
                "single-slice",
                f"the series has one slice; it is taken to be SliceThickness {thickness[0]:g} mm thick.",
                file=series.first.source.name,
                tag="SliceThickness",
                value=thickness[0],
            )
        )
    return stack, tuple(notices)


def raise_refusals(series: SeriesRecord) -> None:
    """Raise the first refusal that grouping found."""
    for notice in series.notices:
        if notice.severity is Severity.REFUSE:
            raise DicomError(notice.message, file=notice.file, tag=notice.tag)


def lossy(series: SeriesRecord) -> list[Notice]:
    """Return a warning when pixels were compressed with loss."""
    marked = [i for i in series.instances if i.text("LossyImageCompression") == "01"]
    if not marked:
        return []
    return [
        warn(
            "lossy-compression",
            f"{len(marked)} of {len(series.instances)} files were once compressed with loss; their values are "
            "altered by an unknown amount.",
            file=marked[0].source.name,
            tag="LossyImageCompression",
            value="01",
        )
    ]


def read_ct(series: SeriesRecord) -> tuple[CtImage, tuple[Notice, ...]]:
    """Return the CT image of a series, in HU, and what was noticed.

    Slices are sorted along their normal; values are int16 where slope and intercept allow it without
    rounding, else float32. Padding outside the field of view is set to -1024 HU.

    Raises
    ------
    DicomError
        If the series is not one regular volume, or its pixels cannot be read.
    """
    stack, notices = plan_stack(series)
    values = read_frames(stack.frames)
    notes = list(notices)
    outside = _fill_padding(values, stack.frames)
    if outside:
        notes.append(
            accept(
                "padding",
                f"{outside} voxels outside the field of view (padding below {AIR_HU:.0f} HU) are set to {AIR_HU:.0f} HU.",
                tag="PixelPaddingValue",
            )
        )
    if stack.tilted or stack.uneven:
        values = regularise(values, stack, fill=AIR_HU)
    return CtImage(values, stack.grid).check_finite(), tuple(notes)


def _fill_padding(values: NDArray[Any], frames: Sequence[Frame]) -> int:
    """Set padding below air to air in slices, and return how many voxels that are."""
    count = 0
    for plane, frame in zip(values, frames, strict=True):
        padding = _padding(frame)
        if padding is None:
            continue
        outside = (plane >= padding[0]) & (plane <= padding[1]) & (plane < AIR_HU)
        plane[outside] = AIR_HU
        count += int(np.count_nonzero(outside))
    return count


def _padding(frame: Frame) -> tuple[float, float] | None:
    """Return the range of padding of a slice in HU, None where the header states none."""
    value = _padding_value(frame.instance, "PixelPaddingValue")
    if value is None:
        return None
    limit = _padding_value(frame.instance, "PixelPaddingRangeLimit")
    ends = sorted(frame.slope * v + frame.intercept for v in (value, value if limit is None else limit))
    return ends[0], ends[1]


def _padding_value(instance: Instance, keyword: str) -> int | None:
    """Return a stored value that marks padding; of signed pixels also where it is written without a sign, -2000 as 63536."""
    file = instance.source
    value = whole_number(instance.header, keyword, file)
    bits = whole_number(instance.header, "BitsAllocated", file)
    if value is None or bits is None or whole_number(instance.header, "PixelRepresentation", file) != 1:
        return value
    return value - 2**bits if value >= 2 ** (bits - 1) else value


def read_frames(frames: tuple[Frame, ...]) -> NDArray[Any]:
    """Return the rescaled values of slices, (slices, rows, columns).

    Each slice with its own slope and intercept, computed in float64. int16 where every slope is 1, every
    intercept whole and every value fits, else float32.
    """
    _, rows, columns = frames[0].instance.matrix_size()
    shape = (len(frames), rows, columns)
    whole = all(f.slope == 1.0 and f.intercept == int(f.intercept) for f in frames)
    out: NDArray[Any] = np.empty(shape, np.int16 if whole else np.float32)
    last: tuple[object, NDArray[Any]] | None = None
    for index, frame in enumerate(frames):
        if last is None or last[0] is not frame.instance:
            last = (frame.instance, stored_values(frame.instance))
        stored = last[1][frame.index]
        if whole and not _fits_int16(stored, int(frame.intercept)):
            out, whole = out.astype(np.float32), False
        if whole:
            np.add(stored, int(frame.intercept), out=out[index], casting="unsafe", dtype=np.int16)
        else:
            out[index] = stored * float(frame.slope) + float(frame.intercept)
    return out


def _fits_int16(stored: NDArray[Any], intercept: int) -> bool:
    """Return whether stored values plus the intercept, and both alone, are int16 numbers."""
    if stored.dtype.kind not in "iu":
        return False
    low, high = int(stored.min()), int(stored.max())
    return all(-32768 <= v <= 32767 for v in (low, high, intercept, low + intercept, high + intercept))
