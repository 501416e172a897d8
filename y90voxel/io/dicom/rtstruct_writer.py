"""RTSTRUCT: regions on the dose grid as contours, for planning systems and viewers that cannot read SEG.

Contours run where the occupancy, linear between voxel centres, is one half; their volume is 1 to 2 % below that of the
occupancy for 60 mL on 4 mm voxels, for straight lines cut the curve between their ends (exact volumes are in the NIfTI).
Holes are joined to their outline by a channel without width (a keyhole), because several readers take a second contour
in a plane as one more piece.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import contourpy
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import RTStructureSetStorage

from y90voxel.errors import Notice
from y90voxel.io.dicom.axial import AxialOrder
from y90voxel.io.dicom.encoded import EncodedItem, encoded_item, put_sequence
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import (
    add_references,
    frame_of_reference,
    long_string,
    new_object,
    reference,
    save,
)
from y90voxel.io.mask_grid import mask_grid
from y90voxel.volumes.volume import Mask

__all__ = ["write_rtstruct"]

Floats = NDArray[np.float64]

SERIES_NUMBER = 9003  # chosen: above those of scanners, so that derived series stand last
HALF = 0.5  # occupancy that the outline runs along
LIFT = 1e-9  # part by which frames are raised that are half full at most; chosen: no coordinate shows it
# Of a voxel, what an outline encloses; chosen: below it all its points lie within some micrometres.
LEAST_AREA = 1e-6
VOXELS_AT_ONCE = 500_000  # contoured in one go: 30 bytes each
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, what RT objects name a study by
INTERPRETED = {"tumour": "GTV", "tumours": "GTV", "body": "EXTERNAL"}
# RGB 0 to 255: six of the palette of Okabe and Ito, which colour-blind people tell apart.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0))


def write_rtstruct(
    masks: Mapping[str, Mask],
    path: str | Path,
    *,
    roles: Mapping[str, str] | None = None,
    automatic: Iterable[str] = (),
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    created: datetime | None = None,
) -> tuple[Notice, ...]:
    """Write regions as an RT structure set and return what has to be said about the file.

    Parameters
    ----------
    masks : mapping of str to Mask
        Occupancies on one grid.
    path : path-like
        The file to write.
    roles : mapping of str to str, optional
        Role of each region, for its interpreted type.
    automatic : iterable of str
        The regions that no person drew.
    identity : StudyIdentity, optional
        Patient and study; nobody's in a new study by default.
    references : sequence of SourceSeries
        What the regions were made from; the first is the image whose frame of reference they share.
    created : datetime, optional
        When the regions were made; now by default.

    Returns
    -------
    tuple of Notice
        ``frame-of-reference-generated``, ``structures-empty``.

    Raises
    ------
    InputError
        If there is no region.
    GridMismatchError
        If the masks do not share a grid.
    """
    grid = mask_grid(masks, path)
    whose, order, made = identity or StudyIdentity(), AxialOrder.of(grid), set(automatic)
    uid, notices = frame_of_reference(grid, whose)
    description = "y90voxel regions (research use)"
    dataset = new_object(whose, RTStructureSetStorage, "RTSTRUCT", description, SERIES_NUMBER, created)
    dataset.OperatorsName = ""
    dataset.FrameOfReferenceUID = uid
    dataset.PositionReferenceIndicator = ""
    dataset.StructureSetLabel = "y90voxel"
    dataset.StructureSetName = "regions on the dose grid"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.ContentDate, dataset.ContentTime
    put_sequence(dataset, "ReferencedFrameOfReferenceSequence", [_frame_item(uid, whose, references)])
    add_references(dataset, whose, references)
    structures, contours, observations, empty = [], [], [], []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        outlines = _contours(mask, order)
        if not outlines:
            empty.append(name)
        structures.append(_structure(number, name, uid, automatic=name in made))
        contours.append(_contour_item(number, outlines))
        observations.append(_observation(number, (roles or {}).get(name, "")))
    dataset.StructureSetROISequence = Items(structures)
    put_sequence(dataset, "ROIContourSequence", contours)
    dataset.RTROIObservationsSequence = Items(observations)
    dataset.ApprovalStatus = "UNAPPROVED"
    save(dataset, path)
    return notices + _empty(empty)


def _contours(mask: Mask, order: AxialOrder) -> list[Floats]:
    """Return the outlines of a region in LPS, (points, 3) each, holes joined to them."""
    frames, rows, columns = order.box(mask.box)
    at_once = max(1, VOXELS_AT_ONCE // max(1, (rows.stop - rows.start) * (columns.stop - columns.start)))
    outlines = []
    for first in range(frames.start, frames.stop, at_once):
        part = order.view(mask.array)[first : min(first + at_once, frames.stop), rows, columns]
        for frame, outline in _outlines(part, (first, rows.start, columns.start)):
            index = np.column_stack([np.full(len(outline), frame), outline[:, 1], outline[:, 0]])
            outlines.append(index @ order.affine[:3, :3].T + order.affine[:3, 3])
    return outlines


def _outlines(occupancy: NDArray[np.floating[Any]], start: Sequence[int]) -> Iterator[tuple[int, Floats]]:
    """Yield frame and polygon (column, row) around all that is at least half occupied, each with its holes joined to it.

    Parameters
    ----------
    occupancy : ndarray, (frames, rows, columns)
        A part of the grid.
    start : sequence of int, (3,)
        Frame, row and column where it begins.

    Notes
    -----
    The frames are stacked below each other and contoured in one go, a chunk each. Around each is a margin of nothing, so
    that a region up to the edge of the image is closed there and no contour goes over to the next frame.
    """
    stack = np.pad(occupancy.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    # The outline of what is half full and no more runs through its outer voxels; of the level itself there is none.
    stack[stack.max(axis=(1, 2)) == HALF] *= 1.0 + LIFT
    frames, rows, columns = stack.shape
    x, y = np.meshgrid(
        np.arange(columns) + (start[2] - 1.0), np.tile(np.arange(rows) + (start[1] - 1.0), frames)
    )
    generator = contourpy.contour_generator(
        x,
        y,
        stack.reshape(-1, columns),
        chunk_size=(rows, columns),
        fill_type=contourpy.FillType.ChunkCombinedOffsetOffset,
    )
    chunks = zip(*generator.filled(HALF, np.inf), strict=True)
    for frame, (points, rings, polygons) in enumerate(chunks, start=start[0]):
        if points is None:
            continue
        for first, last in itertools.pairwise(polygons):
            # Without the end of each ring, which is its beginning again.
            ring, *holes = (points[a : b - 1] for a, b in itertools.pairwise(rings[first : last + 1]))
            for hole in sorted(holes, key=lambda hole: float(hole[:, 0].min())):
                ring = _joined(ring, hole)
            if _area(ring) > LEAST_AREA:
                yield frame, ring


def _area(ring: Floats) -> float:
    """Return what a polygon encloses, by the shoelace formula."""
    x, y = (ring - ring[0]).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _joined(outline: Floats, hole: Floats) -> Floats:
    """Return an outline that goes to its hole, around it and back, where the two are closest."""
    gap = np.linalg.norm(outline[:, None] - hole[None], axis=-1)
    out, into = np.unravel_index(int(gap.argmin()), gap.shape)
    around = np.concatenate([hole[into:], hole[: into + 1]])
    return np.concatenate([outline[: out + 1], around, outline[out:]])


def _frame_item(uid: str, identity: StudyIdentity, references: Sequence[SourceSeries]) -> EncodedItem:
    """Return the frame of reference, and the series whose images lie in it."""
    if not references or identity.anonymised:
        return encoded_item(FrameOfReferenceUID=uid)
    image = references[0]
    series = encoded_item(
        SeriesInstanceUID=image.series_instance_uid,
        ContourImageSequence=[reference(*instance) for instance in image.instances],
    )
    study = encoded_item(
        ReferencedSOPClassUID=STUDY_CLASS,
        ReferencedSOPInstanceUID=image.study_instance_uid or identity.study_instance_uid,
        RTReferencedSeriesSequence=[series],
    )
    return encoded_item(FrameOfReferenceUID=uid, RTReferencedStudySequence=[study])


def _structure(number: int, name: str, frame: str, *, automatic: bool) -> Dataset:
    """Return name and origin of a region."""
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = frame
    item.ROIName = long_string(name)
    item.ROIGenerationAlgorithm = "AUTOMATIC" if automatic else "MANUAL"
    return item


def _contour_item(number: int, polygons: Sequence[Floats]) -> EncodedItem:
    """Return the contours of a region; coordinates to a thousandth of a millimetre."""
    contours = [
        encoded_item(
            ContourGeometricType="CLOSED_PLANAR",
            NumberOfContourPoints=str(len(polygon)),
            ContourData="\\".join(["%.3f"] * polygon.size) % tuple(polygon.ravel().tolist()),
        )
        for polygon in polygons
    ]
    return encoded_item(
        ROIDisplayColor="\\".join(map(str, COLOURS[(number - 1) % len(COLOURS)])),
        ReferencedROINumber=str(number),
        **({"ContourSequence": contours} if contours else {}),
    )


def _observation(number: int, role: str) -> Dataset:
    """Return what a region is."""
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = number
    item.RTROIInterpretedType = INTERPRETED.get(str(role), "ORGAN" if role else "")
    item.ROIInterpreter = ""
    return item


def _empty(names: list[str]) -> tuple[Notice, ...]:
    """Return what is said about regions without a contour."""
    if not names:
        return ()
    message = (
        f"no outline at half occupancy encloses an area of {', '.join(names)}: the RTSTRUCT holds no contour of them. Their "
        "occupancy is in the NIfTI file, and doses and volumes count it."
    )
    return (Notice("structures-empty", message),)
