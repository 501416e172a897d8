"""The regions as DICOM: contours on the slices of the CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from .dicom import CT_CLASS, RTSTRUCT_CLASS, STUDY_DATE, ct_uid, new_object, save
from .settings import Settings

DETACHED_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
COLOURS = (
    (165, 82, 42),
    (255, 40, 40),
    (255, 160, 0),
    (255, 0, 255),
    (60, 120, 255),
    (0, 190, 255),
    (90, 220, 90),
)
TYPES = {"Body": "EXTERNAL", "Liver": "ORGAN", "Lung_L": "ORGAN", "Lung_R": "ORGAN"}

# By slice of the CT: the polygons, (n, 2), in the scanner's x and y.
Contours = dict[int, list[np.ndarray]]


def reference(sop_class: str, uid: str) -> Dataset:
    """Return a reference to one object."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def frame_reference(settings: Settings, series_uid: str) -> Dataset:
    """Return the reference to the CT series that the contours were drawn on."""
    series = Dataset()
    series.SeriesInstanceUID = series_uid
    series.ContourImageSequence = [
        reference(CT_CLASS, ct_uid(settings, i)) for i in range(settings.ct_shape[0])
    ]
    study = reference(DETACHED_STUDY_CLASS, settings.uid("study"))
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = settings.uid("frame of reference")
    frame.RTReferencedStudySequence = [study]
    return frame


def contour_items(contours: Contours, slice_z_mm: np.ndarray, settings: Settings) -> list[Dataset]:
    """Return the contours of one region."""
    items = []
    for index, polygons in sorted(contours.items()):
        z = f"{slice_z_mm[index]:.6g}"
        for polygon in polygons:
            item = Dataset()
            item.ContourImageSequence = [reference(CT_CLASS, ct_uid(settings, index))]
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(polygon)
            item.ContourData = [s for x, y in polygon for s in (f"{x:.2f}", f"{y:.2f}", z)]
            items.append(item)
    return items


def save_rtstruct(
    regions: dict[str, Contours], slice_z_mm: np.ndarray, settings: Settings, folder: Path
) -> None:
    """Write the structure set; regions by name, in order."""
    ds = new_object(settings, RTSTRUCT_CLASS, "RTSTRUCT", "Regions", 5, "143005")
    ds.OperatorsName = ""
    ds.InstanceNumber = 1
    ds.StructureSetLabel, ds.StructureSetName = "Y90 planning", "Regions of the synthetic work-up"
    ds.StructureSetDate, ds.StructureSetTime = STUDY_DATE, "143005"
    ds.ApprovalStatus = "UNAPPROVED"
    ct_series = settings.uid("series", "Abdomen portal venous 3.0")
    ds.ReferencedFrameOfReferenceSequence = [frame_reference(settings, ct_series)]
    rois, sets, observations = [], [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = settings.uid("frame of reference")
        roi.ROIGenerationAlgorithm = "AUTOMATIC"
        rois.append(roi)
        drawn = Dataset()
        drawn.ROIDisplayColor = list(COLOURS[(number - 1) % len(COLOURS)])
        drawn.ContourSequence = contour_items(contours, slice_z_mm, settings)
        drawn.ReferencedROINumber = number
        sets.append(drawn)
        seen = Dataset()
        seen.ObservationNumber, seen.ReferencedROINumber = number, number
        seen.RTROIInterpretedType = "GTV" if name.startswith("GTV") else TYPES.get(name, "")
        seen.ROIInterpreter = ""
        observations.append(seen)
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = rois, sets, observations
    save(ds, folder, settings.uid("rtstruct"))
