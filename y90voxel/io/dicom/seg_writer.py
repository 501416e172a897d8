"""DICOM SEG: regions on the dose grid.

BINARY at half occupancy, not FRACTIONAL: 3D Slicer and dcmqi cannot read fractional segments (dcmqi issues 356, 467) and
OHIF thresholds them (OHIF issue 1346), so a fractional object would be lost on most of its readers. The exact occupancy is
in ``regions.nii.gz``. Segments may overlap; each is stored as the frames that it fills.

Written with pydicom alone: highdicom takes place and identity from a source image, which a resampled dose grid is not, and
needs about a second for a hundred slices of eight regions. Tests read the result with highdicom.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import SegmentationStorage, generate_uid

from y90voxel.errors import Notice
from y90voxel.io.dicom.axial import AxialOrder
from y90voxel.io.dicom.encoded import encoded_item, put_sequence
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import (
    MANUFACTURER,
    add_references,
    code,
    frame_of_reference,
    long_string,
    new_object,
    save,
)
from y90voxel.io.mask_grid import mask_grid
from y90voxel.volumes.volume import Mask

__all__ = ["write_seg"]

SERIES_NUMBER = 9002  # chosen: above those of scanners, so that derived series stand last
HALF = 0.5  # occupancy: a boundary voxel belongs to the region that fills at least half of it
# SNOMED CT codes of DICOM PS3.16 CID 7150 (category) and 7151 ff. (type)
ANATOMY = ("91723000", "Anatomical Structure")
ABNORMAL = ("49755003", "Morphologically Abnormal Structure")
TISSUE = ("85756007", "Tissue")
LIVER, LUNG, BODY, NEOPLASM = (
    ("10200004", "Liver"),
    ("39607008", "Lung"),
    ("38266002", "Entire body"),
    ("108369006", "Neoplasm"),
)
CODES = {
    "liver": (ANATOMY, LIVER),
    "non_tumour_liver": (ANATOMY, LIVER),
    "perfused_non_tumour_liver": (ANATOMY, LIVER),
    "unperfused_liver": (ANATOMY, LIVER),
    "perfused": (ANATOMY, LIVER),
    "lung": (ANATOMY, LUNG),
    "lungs": (ANATOMY, LUNG),
    "body": (ANATOMY, BODY),
    "tumour": (ABNORMAL, NEOPLASM),
    "tumours": (ABNORMAL, NEOPLASM),
    "stomach": (ANATOMY, ("69695003", "Stomach")),
    "duodenum": (ANATOMY, ("38848004", "Duodenum")),
    "gallbladder": (ANATOMY, ("28231008", "Gallbladder")),
    "kidney": (ANATOMY, ("64033007", "Kidney")),
    "skin": (ANATOMY, ("39937001", "Skin")),
    "heart": (ANATOMY, ("80891009", "Heart")),
}


def write_seg(
    masks: Mapping[str, Mask],
    path: str | Path,
    *,
    roles: Mapping[str, str] | None = None,
    automatic: Iterable[str] = (),
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    created: datetime | None = None,
) -> tuple[Notice, ...]:
    """Write regions as a binary DICOM SEG and return what has to be said about the file.

    Parameters
    ----------
    masks : mapping of str to Mask
        Occupancies on one grid; a voxel belongs to a segment when at least half of it is occupied.
    path : path-like
        The file to write.
    roles : mapping of str to str, optional
        Role of each region, for the codes of what a segment is.
    automatic : iterable of str
        The regions that no person drew.
    identity : StudyIdentity, optional
        Patient and study; nobody's in a new study by default.
    references : sequence of SourceSeries
        What the regions were made from.
    created : datetime, optional
        When the regions were made; now by default.

    Returns
    -------
    tuple of Notice
        ``frame-of-reference-generated``, ``segments-empty``.

    Raises
    ------
    InputError
        If there is no region.
    GridMismatchError
        If the masks do not share a grid.
    """
    grid = mask_grid(masks, path)
    whose = identity or StudyIdentity()
    uid, notices = frame_of_reference(grid, whose)
    dataset = new_object(
        whose, SegmentationStorage, "SEG", "y90voxel regions (research use)", SERIES_NUMBER, created
    )
    dataset.FrameOfReferenceUID = uid
    dataset.PositionReferenceIndicator = ""
    add_references(dataset, whose, references)
    order = AxialOrder.of(grid)
    made = set(automatic)
    dataset.SegmentSequence = Items(
        [
            _segment(number, name, (roles or {}).get(name, ""), name in made)
            for number, name in enumerate(masks, start=1)
        ]
    )
    frames, empty = _frames(masks, order)
    _put_image(dataset, order, len(frames))
    _put_places(dataset, order, [(segment, place) for segment, place, _ in frames])
    bits = np.packbits(np.stack([plane for _, _, plane in frames]), axis=None, bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    dataset["PixelData"].VR = "OB"
    save(dataset, path)
    return notices + _empty(empty)


def _frames(
    masks: Mapping[str, Mask], order: AxialOrder
) -> tuple[list[tuple[int, int, NDArray[np.bool_]]], list[str]]:
    """Return (segment number, frame of the grid, pixels) of all filled frames, and the segments that fill none."""
    frames: list[tuple[int, int, NDArray[np.bool_]]] = []
    empty = []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        box = order.box(mask.box)
        inside = order.view(mask.array)[box] >= HALF
        filled = np.flatnonzero(inside.any(axis=(1, 2)))
        planes = np.zeros(
            (max(len(filled), 1), *order.shape[1:]), bool
        )  # one frame keeps the segment readable
        planes[(slice(len(filled)), *box[1:])] = inside[filled]
        if not filled.size:
            empty.append(name)
        places = [box[0].start + int(place) for place in filled] or [0]
        frames += [(number, place, plane) for place, plane in zip(places, planes, strict=True)]
    return frames, empty


def _segment(number: int, name: str, role: str, automatic: bool) -> Dataset:
    """Return the description of a segment."""
    category, kind = CODES.get(str(role), (TISSUE, TISSUE))
    item = Dataset()
    item.SegmentNumber = number
    item.SegmentLabel = long_string(name)
    item.SegmentAlgorithmType = "AUTOMATIC" if automatic else "MANUAL"
    if automatic:
        item.SegmentAlgorithmName = MANUFACTURER
    item.SegmentedPropertyCategoryCodeSequence = Items([code(*category)])
    item.SegmentedPropertyTypeCodeSequence = Items([code(*kind)])
    return item


def _put_image(dataset: Dataset, order: AxialOrder, frames: int) -> None:
    """Add the image pixel and segmentation image modules."""
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ContentLabel = "REGIONS"
    dataset.ContentDescription = "Regions on the dose grid, at half occupancy"
    dataset.ContentCreatorName = ""
    dataset.SegmentationType = "BINARY"
    dataset.SegmentsOverlap = "UNDEFINED"
    dataset.LossyImageCompression = "00"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames = frames
    dataset.Rows, dataset.Columns = order.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0


def _put_places(dataset: Dataset, order: AxialOrder, frames: list[tuple[int, int]]) -> None:
    """Add dimensions and functional groups: which segment and which plane each frame is."""
    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    dataset.DimensionOrganizationSequence = Items([organization])
    pointers = (
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
        ("ImagePositionPatient", "PlanePositionSequence"),
    )
    dataset.DimensionIndexSequence = Items(
        [_dimension(keyword, group, organization.DimensionOrganizationUID) for keyword, group in pointers]
    )
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = order.orientation
    measures.SliceThickness = measures.SpacingBetweenSlices = order.slice_spacing
    measures.PixelSpacing = order.pixel_spacing
    shared.PlaneOrientationSequence = Items([orientation])
    shared.PixelMeasuresSequence = Items([measures])
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    used = sorted({place for _, place in frames})
    index = {place: number for number, place in enumerate(used, start=1)}
    positions = {place: encoded_item(ImagePositionPatient="\\".join(order.position(place))) for place in used}
    per_frame = [
        encoded_item(
            FrameContentSequence=[
                encoded_item(DimensionIndexValues=struct.pack("<2I", segment, index[place]))
            ],
            PlanePositionSequence=[positions[place]],
            SegmentIdentificationSequence=[encoded_item(ReferencedSegmentNumber=struct.pack("<H", segment))],
        )
        for segment, place in frames
    ]
    put_sequence(dataset, "PerFrameFunctionalGroupsSequence", per_frame)


def _dimension(keyword: str, group: str, organization_uid: str) -> Dataset:
    """Return one dimension of the frames."""
    item = Dataset()
    item.DimensionOrganizationUID = organization_uid
    item.DimensionIndexPointer = Tag(keyword)
    item.FunctionalGroupPointer = Tag(group)
    return item


def _empty(names: list[str]) -> tuple[Notice, ...]:
    """Return what is said about segments without a voxel."""
    if not names:
        return ()
    message = (
        f"no voxel is at least half occupied by {', '.join(names)}: the SEG holds nothing of them. Their occupancy is in the "
        "NIfTI file, and doses and volumes count it."
    )
    return (Notice("segments-empty", message),)
