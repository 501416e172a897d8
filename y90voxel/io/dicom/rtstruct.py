"""RT structure sets to drawn regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice, RegionError
from y90voxel.io.dicom.attributes import CONVERSION_ERRORS, given_name, items, shown, text, whole_number
from y90voxel.io.dicom.headers import Instance, lenient_reading, read_whole
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.roi_types import DeclaredRegion, declared_notices, interpreted_tumours
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.notices import warn
from y90voxel.regions.contour_planes import MISSING_FROM_STEP, ContourPlanes, distinct_outlines, lesion_planes
from y90voxel.regions.outlines import SAME_OUTLINE_MM
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.regions.slabs import LARGEST_BRIDGED_STEP

__all__ = ["INTERPRETED_TYPE", "declared_rois", "read_rtstruct"]

Floats = NDArray[np.float64]

INTERPRETED_TYPE = "RTROIInterpretedType"
CONTOUR_DATA = 0x30060050  # tag (3006,0050) of ContourData
MOST_POINTS = 20_000_000  # numbers of one contour; chosen: 160 MB, far above any outline
LONGEST_NUMBER = 64  # decimal strings have 16 characters; some exporters write all digits of a double
CLOSED_TYPES = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR"}
# Up to so many planes do not tell by themselves how far slices lie apart.
TELLING_PLANES = 2
OPEN_TYPES = {"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"}


@dataclass(frozen=True)
class _Roi:
    """What a structure set says about one ROI besides its contours."""

    number: int
    name: str
    frame_of_reference_uid: str | None
    automatic: bool
    declared: DeclaredRegion

    @property
    def role(self) -> Role | None:
        """What the file states that it is, None where its name decides."""
        return self.declared.role


def declared_rois(instance: Instance) -> list[DeclaredRegion]:
    """Return the ROIs of a structure set and what it says that they are, in order of the file.

    Raises
    ------
    DicomError
        If the file is damaged.
    """
    return [roi.declared for roi in _rois(instance.header, instance.source)]


def read_rtstruct(
    series: SeriesRecord, slice_step_mm: float | None = None
) -> tuple[list[DrawnRegion], tuple[Notice, ...]]:
    """Return the regions of a structure set as contours, and what was noticed.

    POINT and open contours are left out and reported, as are ROIs without any closed contour. A contour that
    is stored twice in one plane, byte for byte or nearly, counts once (two would cancel under the even-odd rule).

    Parameters
    ----------
    series : SeriesRecord
        A series of RT structure sets; all of its files are read.
    slice_step_mm : float or None
        Distance between slices of the image that the contours were drawn on [mm]: the thickness of a region
        that lies in a single plane, and the most that one counts at its ends.

    Raises
    ------
    DicomError
        If contours are damaged.
    RegionError
        If contours of a region are not flat and parallel.
    """
    regions: list[DrawnRegion] = []
    notices = list(series.notices)
    for instance in series.instances:
        with lenient_reading():
            dataset = read_whole(instance.source)
            rois = {roi.number: roi for roi in _rois(dataset, instance.source)}
            declared = [roi.declared for roi in rois.values()]
            notices += declared_notices(declared, instance.source, INTERPRETED_TYPE)
            polygons_of = _contours(dataset, rois, instance.source, notices)
        regions += _with_thickness(rois, polygons_of, series.uid, instance.source, slice_step_mm, notices)
    return regions, tuple(notices)


def _rois(dataset: Dataset, file: SourceFile) -> list[_Roi]:
    """Return number and name of each ROI, and whether a program made it."""
    own = text(dataset, "FrameOfReferenceUID", file)
    rois = []
    tumours = interpreted_tumours(dataset, file)
    for item in items(dataset, "StructureSetROISequence", file):
        number = whole_number(item, "ROINumber", file)
        if number is None:
            raise DicomError(
                f"an ROI of {file.name} has no ROINumber. Export it again.", file=file.name, tag="ROINumber"
            )
        name = given_name(item, "ROIName", file) or f"ROI {number}"
        rois.append(
            _Roi(
                number,
                name,
                text(item, "ReferencedFrameOfReferenceUID", file) or own or None,
                text(item, "ROIGenerationAlgorithm", file).upper() == "AUTOMATIC",
                DeclaredRegion(name, number in tumours),
            )
        )
    numbers = [roi.number for roi in rois]
    if len(set(numbers)) != len(numbers):
        raise DicomError(
            f"two ROIs of {file.name} share one ROINumber, so contours cannot be told apart. Export it again.",
            file=file.name,
            tag="ROINumber",
        )
    return rois


def _contours(
    dataset: Dataset, rois: dict[int, _Roi], file: SourceFile, notices: list[Notice]
) -> dict[int, list[Floats]]:
    """Return the closed polygons of each ROI number."""
    polygons_of: dict[int, list[Floats]] = {}
    for group in items(dataset, "ROIContourSequence", file):
        number = whole_number(group, "ReferencedROINumber", file)
        if number not in rois:
            contours = len(items(group, "ContourSequence", file))
            raise DicomError(
                f"{contours} contours of {file.name} belong to ROI number {number}, which has no entry in "
                "StructureSetROISequence: it is not known what they enclose. The file is damaged: export it again.",
                file=file.name,
                tag="ReferencedROINumber",
            )
        polygons = polygons_of.setdefault(number, [])
        left_out: dict[str, int] = {}
        for contour in items(group, "ContourSequence", file):
            kind = _kind(contour, file, rois[number].name)
            points = _points(contour, file, rois[number].name)
            if kind not in CLOSED_TYPES or len(points) < 3:
                kind = kind if kind not in CLOSED_TYPES else f"closed with {len(points)} points"
                left_out[kind] = left_out.get(kind, 0) + 1
            else:
                polygons.append(points)
        if left_out:
            what = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
            notices.append(
                warn(
                    "contours-left-out",
                    f"{shown(rois[number].name)!r}: contours that enclose no area are left out ({what}).",
                    file=file.name,
                    tag="ContourGeometricType",
                )
            )
    return polygons_of


def _kind(contour: Dataset, file: SourceFile, name: str) -> str:
    """Return the geometric type of a contour; raise for one that is not defined."""
    kind = text(contour, "ContourGeometricType", file).upper()
    if kind not in CLOSED_TYPES | OPEN_TYPES:
        raise DicomError(
            f"ContourGeometricType of a contour of {shown(name)!r} in {file.name} is {shown(kind) or 'missing'}; defined "
            f"are {', '.join(sorted(CLOSED_TYPES | OPEN_TYPES))}. The file is damaged: export it again.",
            file=file.name,
            tag="ContourGeometricType",
        )
    return kind


def _points(contour: Dataset, file: SourceFile, name: str) -> Floats:
    """Return the vertices of a contour in LPS [mm], (points, 3), straight from the stored text."""
    element = contour.get_item(CONTOUR_DATA) if CONTOUR_DATA in contour else None
    value = None if element is None else element.value
    words = value.replace(b"\0", b"").strip().split(b"\\") if isinstance(value, bytes) and value else []
    if value and b"_" in value:  # Python reads 1_0 as 10
        raise _damaged(file, name, "an underscore in a number")
    if max(map(len, words), default=0) > LONGEST_NUMBER:
        raise _damaged(file, name, f"a number of {max(map(len, words))} characters")
    try:
        numbers = np.fromiter(map(float, words), np.float64, len(words))
    except CONVERSION_ERRORS as error:
        raise _damaged(file, name, shown(error)) from error
    if numbers.size % 3 or numbers.size > MOST_POINTS or not np.isfinite(numbers).all():
        raise _damaged(file, name, f"{numbers.size} numbers, not all of them finite triples")
    stated = whole_number(contour, "NumberOfContourPoints", file)
    if stated is not None and 3 * stated != numbers.size:
        raise _damaged(file, name, f"{numbers.size // 3} points, NumberOfContourPoints says {stated}")
    return numbers.reshape(-1, 3)


def _damaged(file: SourceFile, name: str, why: str) -> DicomError:
    """Return the error for contour data that are not points."""
    return DicomError(
        f"ContourData of {shown(name)!r} in {file.name} are not points in space ({why}). Export it again.",
        file=file.name,
        tag="ContourData",
    )


def _with_thickness(
    rois: dict[int, _Roi],
    polygons_of: dict[int, list[Floats]],
    series_uid: str,
    file: SourceFile,
    slice_step_mm: float | None,
    notices: list[Notice],
) -> list[DrawnRegion]:
    """Return the regions; those whose planes do not tell their thickness get that of the file."""
    lesions: dict[int, list[ContourPlanes]] = {}
    drawn: dict[int, Contours] = {}
    unique = {
        number: _once(rois[number], polygons, file, notices) for number, polygons in polygons_of.items()
    }
    for number, polygons in unique.items():
        if polygons:
            try:
                drawn[number] = Contours(tuple(polygons), rois[number].frame_of_reference_uid)
                lesions[number] = lesion_planes(drawn[number])
            except RegionError as error:
                if "one plane" not in error.message:
                    raise RegionError(
                        f"{shown(rois[number].name)!r}: {error.message}", file=file.name, tag="ContourData"
                    ) from error
    step = _image_step(lesions, slice_step_mm)
    regions = []
    for number, roi in rois.items():
        polygons = unique.get(number, [])
        if not polygons and (roi.role or role_of_name(roi.name)) is not Role.OTHER:
            empty = Contours(
                (), roi.frame_of_reference_uid
            )  # whether it may be empty is decided with its role
            regions.append(DrawnRegion(roi.name, empty, series_uid, roi.automatic, roi.role))
            continue
        if not polygons:
            notices.append(
                warn(
                    "empty-roi",
                    f"{shown(roi.name)!r} has no closed contour and is left out.",
                    file=file.name,
                    tag="ROIContourSequence",
                )
            )
            continue
        thickness = _thickness(roi, lesions.get(number, []), step, file, notices)
        contours = drawn[number] if thickness is None else replace(drawn[number], plane_step_mm=thickness)
        regions.append(DrawnRegion(roi.name, contours, series_uid, roi.automatic, roi.role))
    return regions


@dataclass(frozen=True)
class _Step:
    """Distance between the slices that contours were drawn on [mm], and whether an image states it."""

    mm: float
    of_image: bool


def _image_step(lesions: dict[int, list[ContourPlanes]], slice_step_mm: float | None) -> _Step | None:
    """Return the distance between slices: of the image, unless all was drawn further apart, else of the regions."""
    steps = [
        one.step_mm for of_roi in lesions.values() for one in of_roi if len(one.positions_mm) > TELLING_PLANES
    ]
    if slice_step_mm is not None and not (steps and min(steps) > LARGEST_BRIDGED_STEP * slice_step_mm):
        return _Step(slice_step_mm, True)
    return _Step(min(steps), False) if steps else None


def _once(roi: _Roi, polygons: Sequence[Floats], file: SourceFile, notices: list[Notice]) -> list[Floats]:
    """Return each outline once; report those that were stored twice and those that cross."""
    try:
        outlines = distinct_outlines(polygons)
    except RegionError:
        return list(polygons)  # bent or not parallel: refused by name where planes are made of them
    name = shown(roi.name)
    if outlines.repeated:
        notices.append(
            warn(
                "duplicate-contours",
                f"{name!r}: {outlines.repeated} contours are stored twice (outlines less than {SAME_OUTLINE_MM:g} mm apart "
                "on average) and count once.",
                file=file.name,
                tag="ContourData",
            )
        )
    if outlines.crossing:
        notices.append(
            warn(
                "contours-cross",
                f"{name!r}: {outlines.crossing} pair(s) of outlines overlap in part within a plane. What two of them "
                f"enclose counts as outside (even-odd): {outlines.even_odd_ml:.2f} mL; all that any encloses would be "
                f"{outlines.union_ml:.2f} mL. Draw the region as one outline if that is meant.",
                file=file.name,
                tag="ContourData",
                value=outlines.even_odd_ml,
            )
        )
    return [np.asarray(p, np.float64) for p in outlines.polygons]


def _thickness(
    roi: _Roi, lesions: Sequence[ContourPlanes], step: _Step | None, file: SourceFile, notices: list[Notice]
) -> float | None:
    """Return the most that a plane of a region counts where its planes do not tell; report gaps and skipped slices."""
    if step is None and not lesions:
        raise RegionError(
            f"{shown(roi.name)!r} is drawn in one plane, and neither other regions nor an image tell how thick a "
            "slice is. Add the image it was drawn on, or draw the region on every slice.",
            file=file.name,
            tag="ContourData",
        )
    telling = [
        one for one in lesions if step is None or step.of_image or len(one.positions_mm) <= TELLING_PLANES
    ]
    wide = [one.step_mm / step.mm for one in telling] if step is not None else []
    if step is not None and (not lesions or max(wide, default=0.0) > LARGEST_BRIDGED_STEP):
        notices.append(
            warn(
                "thickness-assumed",
                f"{shown(roi.name)!r} is drawn on isolated planes; each counts as {step.mm:g} mm thick (the distance between "
                "slices elsewhere in the study).",
                file=file.name,
                tag="ContourData",
                value=step.mm,
            )
        )
        return step.mm
    for one in lesions:
        notices += _gaps(roi, one, file)
    if step is None or max(wide, default=0.0) <= MISSING_FROM_STEP:
        return None
    notices.append(
        warn(
            "contour-planes-skipped",
            f"{shown(roi.name)!r} is drawn on every other slice ({max(wide) * step.mm:.2f} mm apart, slices {step.mm:g} mm): "
            "what lies between is filled half way from both neighbours, its ends reach half a slice further.",
            file=file.name,
            tag="ContourSequence",
            value=step.mm,
        )
    )
    return step.mm


def _gaps(roi: _Roi, planes: ContourPlanes, file: SourceFile) -> list[Notice]:
    """Return warnings about planes that are missing inside a region."""
    notices = []
    if planes.bridged_gaps_mm:
        low, high = planes.bridged_gaps_mm[0]
        notices.append(
            warn(
                "contour-plane-missing",
                f"{shown(roi.name)!r} lacks {len(planes.bridged_gaps_mm)} single plane(s), the first between {low:.1f} "
                f"and {high:.1f} mm; they are filled half way from both neighbours.",
                file=file.name,
                tag="ContourSequence",
            )
        )
    if planes.open_gaps_mm:
        low, high = planes.open_gaps_mm[0]
        notices.append(
            warn(
                "contour-gap",
                f"{shown(roi.name)!r} has {len(planes.open_gaps_mm)} gap(s) of more than one plane, the first between "
                f"{low:.1f} and {high:.1f} mm; the region counts as absent there.",
                file=file.name,
                tag="ContourSequence",
            )
        )
    return notices
