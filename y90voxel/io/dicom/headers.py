"""Read one DICOM header without its pixels, and remember where the pixels are."""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import (
    DECODING_ERRORS,
    lenient_reading,
    numbers,
    shown,
    text,
    texts,
    whole_number,
)
from y90voxel.io.dicom.sources import LARGEST_FILE_BYTES, SourceFile
from y90voxel.io.dicom.structure import check_structure, inflated

__all__ = [
    "MOST_VOXELS",
    "NOBODY",
    "OVERLAY_BIT_TAG",
    "Instance",
    "lenient_reading",
    "read_header",
    "read_whole",
]

# The patient key of headers that state neither ID nor name.
NOBODY = hashlib.sha256(b"").hexdigest()[:16]
# Everything that is asked of a header anywhere; the rest is skipped while reading.
_WANTED = (
    # what and whose it is
    "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID Modality Manufacturer ManufacturerModelName "
    "SeriesDescription StudyDescription PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID "
    "SeriesInstanceUID StudyID SeriesNumber InstanceNumber FrameOfReferenceUID AccessionNumber "
    "ReferringPhysicianName PatientPosition ImageComments DeviceSerialNumber StationName "
    # when
    "StudyDate SeriesDate AcquisitionDate ContentDate StudyTime SeriesTime AcquisitionTime ContentTime "
    "AcquisitionDateTime TimezoneOffsetFromUTC "
    # where
    "ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness SpacingBetweenSlices "
    "GantryDetectorTilt SliceVector NumberOfSlices DetectorVector DetectorInformationSequence "
    "NumberOfDetectors EnergyWindowVector NumberOfEnergyWindows EnergyWindowInformationSequence "
    "RotationVector RotationInformationSequence RRIntervalVector TimeSlotVector PhaseVector TimeSliceVector "
    "FrameIncrementPointer SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "DimensionOrganizationType "
    # pixels
    "Rows Columns NumberOfFrames SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored HighBit "
    "PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleSlope RescaleIntercept RescaleType "
    "RealWorldValueMappingSequence LossyImageCompression CorrectedImage "
    # emission
    "Units CountsSource SeriesType DecayCorrection DecayCorrected DecayCorrectionDateTime DecayFactor "
    "AttenuationCorrected FrameReferenceTime ActualFrameDuration ReconstructionMethod ConvolutionKernel "
    "RadiopharmaceuticalInformationSequence NumberOfTimeSlices CountsAccumulated "
    # regions and references
    "StructureSetLabel StructureSetROISequence RTROIObservationsSequence ReferencedFrameOfReferenceSequence "
    "SegmentSequence SegmentationType SegmentationFractionalType MaximumFractionalValue "
    "ReferencedSeriesSequence ReferencedRTPlanSequence ReferencedStructureSetSequence "
    "DoseUnits DoseType DoseSummationType RegistrationSequence DeformableRegistrationSequence"
)
HEADER_KEYWORDS = tuple(_WANTED.split())
OVERLAY_BIT_TAG = Tag(0x6000, 0x0102)  # of the first overlay, in bits that the image does not use
# Converted once, not for every file.
_HEADER_TAGS: list[Any] = [*(Tag(keyword) for keyword in HEADER_KEYWORDS), OVERLAY_BIT_TAG]

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_PIXEL_TAG = {True: b"\xe0\x7f\x10\x00", False: b"\x7f\xe0\x00\x10"}  # by little-endian
_PIXEL_HEAD_BYTES = 12  # tag, VR, two reserved bytes and length [B]: PS3.5 section 7.1.2
_UNDEFINED = 0xFFFFFFFF  # length of an element that ends with a delimiter: PS3.5 section 7.1
# The most voxels one object or series may hold: 4 GB of 16-bit values.
MOST_VOXELS = 2**31
_MARK_END = 132  # preamble of 128 bytes and "DICM" [B]: PS3.10 section 7.1
# zip, gzip, 7z, rar: what they hold may look like DICOM from outside.
_ARCHIVE_MARKS = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")
_META_ELEMENT = re.compile(rb"\x02\x00[\x00-\x16]\x00(?:UL\x04\x00|OB\x00\x00|UI|SH)")


@dataclass(frozen=True, eq=False)
class Instance:
    """One DICOM object: its header, where it came from, and where its pixels lie in the file.

    Parameters
    ----------
    source : SourceFile
        The file.
    header : Dataset
        The attributes of ``HEADER_KEYWORDS``, without pixels.
    pixel_offset, pixel_bytes : int or None
        Where uncompressed pixel data begin in the file and how long they are; None when they are
        compressed, deflated or absent.
    little_endian : bool
        Byte order of uncompressed pixels.
    """

    source: SourceFile
    header: Dataset = field(repr=False)
    pixel_offset: int | None = None
    pixel_bytes: int | None = None
    little_endian: bool = True

    @cached_property
    def sop_class_uid(self) -> str:
        """SOP class UID."""
        return text(self.header, "SOPClassUID", self.source)

    @cached_property
    def sop_instance_uid(self) -> str:
        """SOP instance UID."""
        return text(self.header, "SOPInstanceUID", self.source)

    @cached_property
    def series_uid(self) -> str:
        """Series instance UID."""
        return text(self.header, "SeriesInstanceUID", self.source)

    @cached_property
    def study_uid(self) -> str:
        """Study instance UID."""
        return text(self.header, "StudyInstanceUID", self.source)

    @cached_property
    def modality(self) -> str:
        """Modality in capitals."""
        return text(self.header, "Modality", self.source).upper()

    @cached_property
    def image_type(self) -> tuple[str, ...]:
        """Image type values in capitals."""
        return tuple(v.upper() for v in texts(self.header, "ImageType", self.source))

    @cached_property
    def patient_key(self) -> str:
        """A digest that tells patients apart without naming them: of the ID, else of the name; `NOBODY` where neither is stated.

        Names are spelled differently by planning systems; an ID is copied.
        """
        who = text(self.header, "PatientID", self.source) or text(self.header, "PatientName", self.source)
        return hashlib.sha256(who.encode()).hexdigest()[:16]

    @property
    def name_key(self) -> str:
        """A digest that tells the names of one series apart, however they are capitalised and filled up."""
        words = re.split(r"[\^\s=]+", text(self.header, "PatientName", self.source).casefold())
        return hashlib.sha256(" ".join(filter(None, words)).encode()).hexdigest()[:16]

    @property
    def transfer_syntax(self) -> str:
        """Transfer syntax UID, empty where the file has no meta header."""
        meta = getattr(self.header, "file_meta", None)
        return "" if meta is None else text(meta, "TransferSyntaxUID", self.source)

    @property
    def is_multiframe_enhanced(self) -> bool:
        """Whether geometry lies in functional groups."""
        return "PerFrameFunctionalGroupsSequence" in self.header

    def text(self, keyword: str) -> str:
        """Return a string attribute of the header, empty where absent."""
        return text(self.header, keyword, self.source)

    def numbers(self, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
        """Return numbers of the header, None where absent."""
        return numbers(self.header, keyword, count, self.source)

    def matrix_size(self) -> tuple[int, int, int]:
        """Return frames, rows and columns, checked to be positive and not absurd.

        Raises
        ------
        DicomError
            If one of them is missing or not positive, or they make more voxels than any image has.
        """
        return self._matrix_size

    @cached_property
    def _matrix_size(self) -> tuple[int, int, int]:
        """Frames, rows and columns: asked for many times a slice."""
        size = []
        for keyword, default in (("NumberOfFrames", 1), ("Rows", None), ("Columns", None)):
            value = whole_number(self.header, keyword, self.source)
            value = default if value is None else value
            if value is None or value < 1:
                raise DicomError(
                    f"{keyword} is {value}, an image needs a positive number. The file is damaged or not an "
                    "image.",
                    file=self.source.name,
                    tag=keyword,
                )
            size.append(value)
        if size[0] * size[1] * size[2] > MOST_VOXELS:
            raise DicomError(
                f"{self.source.name} claims {size[0]} frames of {size[1]} x {size[2]} pixels, more than any image of a "
                "patient. The file is damaged.",
                file=self.source.name,
                tag="Rows",
            )
        return size[0], size[1], size[2]


def read_header(source: SourceFile) -> Instance | None:
    """Return the header of a file, or None when it is not DICOM.

    Files without preamble or meta header are taken as DICOM only when they begin like a data set and hold
    SOP class and series UIDs.

    Raises
    ------
    DicomError
        If a file that says it is DICOM cannot be read.
    """
    stream, cut = source.open_header()
    with stream:
        start = stream.read(2 * _MARK_END)
        marked = start[128:_MARK_END] == b"DICM"
        if not marked and start.startswith(_ARCHIVE_MARKS):
            return None
        if not marked and _damaged_start(start):
            raise DicomError(
                f"{source.name} has a DICOM header whose beginning is damaged (no DICM at byte 128). Export or copy "
                "it again.",
                file=source.name,
            )
        if not marked and not _looks_like_a_dataset(start):
            return None
        _check_size(source)
        stream.seek(0)
        try:
            instance = _read(source, stream, marked)
        except DicomError:
            if not cut:
                raise
            instance = None
    if cut and (instance is None or instance.pixel_offset is None):
        with source.open() as whole:  # the header may go on beyond the part that was unpacked
            instance = _read(source, whole, marked)
    return instance


def read_whole(source: SourceFile) -> Dataset:
    """Return the whole data set of a file, pixels included.

    Raises
    ------
    DicomError
        If the file cannot be read.
    """
    with source.open() as stream:
        try:
            return pydicom.dcmread(stream, force=True)
        except DECODING_ERRORS as error:
            raise _unreadable(source, error) from error


def _unreadable(source: SourceFile, error: Exception) -> DicomError:
    """Return the error for a file that pydicom cannot parse."""
    return DicomError(
        f"the DICOM file cannot be read ({shown(error)}). It is damaged: export it again.", file=source.name
    )


def _looks_like_a_dataset(start: bytes) -> bool:
    """Return whether bytes begin like a data set without preamble: group 2 or 8, element in ascending use."""
    if len(start) < 16:
        return False
    little = struct.unpack("<HH", start[:4])
    big = struct.unpack(">HH", start[:4])
    return (little[0] in (0x0002, 0x0008) and little[1] <= 0x0070) or (
        big[0] in (0x0002, 0x0008) and big[1] <= 0x0070
    )


def _damaged_start(start: bytes) -> bool:
    """Return whether a mark or a meta header stands in a file, but not where it belongs; words of a text are neither."""
    if b"DICM" in start and b"\0" in start:
        return True
    match = _META_ELEMENT.search(start)
    return match is not None and match.start() > 0


def _check_size(source: SourceFile) -> None:
    """Raise for a file that is larger than any image."""
    if source.size > LARGEST_FILE_BYTES:
        raise DicomError(
            f"{source.name} has {source.size} bytes, more than any image of a patient ({LARGEST_FILE_BYTES}).",
            file=source.name,
        )


def _is_deflated(stream: BinaryIO) -> bool:
    """Return whether the meta header names the deflated transfer syntax."""
    start = stream.read(4096)
    stream.seek(0)
    return DeflatedExplicitVRLittleEndian.encode() in start


def _check_end(source: SourceFile, stream: BinaryIO) -> None:
    """Raise if the last element that was passed over ends beyond the file."""
    place = stream.tell()
    if place > source.size:
        raise DicomError(
            f"{source.name} is cut short or damaged: an element ends {place - source.size} bytes beyond the end of "
            "the file. Export or copy it again.",
            file=source.name,
        )


def _check_elements(source: SourceFile, stream: BinaryIO, header: Dataset, deflated: bytes | None) -> None:
    """Raise unless the elements that were read fit into each other; leave the stream where it stood."""
    implicit, little = header.original_encoding
    data = deflated
    if data is None:
        place = stream.tell()
        stream.seek(0)
        data = stream.read(place)
    check_structure(data, source, implicit=bool(implicit), little=bool(little))


def _read(source: SourceFile, stream: BinaryIO, marked: bool) -> Instance | None:
    """Return the header in a stream, None when an unmarked file turns out not to be DICOM."""
    deflated = inflated(stream.read(), source) if marked and _is_deflated(stream) else None
    stream.seek(0)
    try:
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_HEADER_TAGS, force=True)
        if marked and deflated is None:
            _check_end(source, stream)
        identified = bool(header.get("SOPClassUID")) and bool(header.get("SeriesInstanceUID"))
        meta = getattr(header, "file_meta", None)
        directory = meta is not None and meta.get("MediaStorageSOPClassUID") == "1.2.840.10008.1.3.10"
        if identified or marked:
            place = stream.tell()
            _check_elements(source, stream, header, deflated)
            stream.seek(place)
        if identified:
            return _with_pixel_place(source, header, stream.tell(), stream.read(_PIXEL_HEAD_BYTES))
    except DicomError:
        raise
    except DECODING_ERRORS as error:
        if marked:
            raise _unreadable(source, error) from error
        return None
    if marked and not directory:
        raise DicomError(
            "the DICOM file has no SOPClassUID or SeriesInstanceUID, so it cannot be told what it is. "
            "Export it again.",
            file=source.name,
            tag="SOPClassUID",
        )
    return None


def _with_pixel_place(source: SourceFile, header: Dataset, place: int, element: bytes) -> Instance:
    """Return the instance; where the header ends, the element of the pixel data begins if there is one."""
    meta = getattr(header, "file_meta", None)
    syntax = "" if meta is None else text(meta, "TransferSyntaxUID", source)
    implicit, little = header.original_encoding
    if syntax and syntax not in _NATIVE:
        return Instance(source, header)
    if element[:4] != _PIXEL_TAG[bool(little)]:
        return Instance(source, header)
    order = "<" if little else ">"
    if implicit:
        length, offset = struct.unpack(order + "I", element[4:8])[0], place + 8
    elif len(element) == _PIXEL_HEAD_BYTES and element[4:6] in (b"OW", b"OB"):
        length, offset = struct.unpack(order + "I", element[8:12])[0], place + 12
    else:
        return Instance(source, header)
    if length == _UNDEFINED:
        return Instance(source, header)
    return Instance(source, header, offset, length, bool(little))
