"""Tiny DICOM data sets with any geometry, for tests. Imports nothing from the package.

Geometry comes as an affine: array indices (slice, row, column) to LPS mm, columns in that order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_CLASS = "1.2.840.10008.5.1.4.1.1.2.1"
PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
ENHANCED_PET_CLASS = "1.2.840.10008.5.1.4.1.1.130"
NM_CLASS = "1.2.840.10008.5.1.4.1.1.20"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"

STUDY = "1.2.826.0.1.3680043.8.498.1"
FRAME = "1.2.826.0.1.3680043.8.498.2"
AXIAL = np.array([[0, 0, 2.0, -20], [0, 3.0, 0, -30], [4.0, 0, 0, 100], [0, 0, 0, 1]])


def uid(name: str) -> str:
    """A UID that depends on a name only."""
    return generate_uid(entropy_srcs=["y90voxel tests", name])


def item(**attributes) -> Dataset:
    """A sequence item."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def code(value: str, scheme: str = "SCT", meaning: str = "x") -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def oblique_affine(spacing, origin, angles=(0.0, 0.0, 0.0), signs=(1, 1, 1)) -> np.ndarray:
    """An affine with spacing (slice, row, column), turned about x, y, z; signs flip the array axes."""
    a, b, c = angles
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = (rx @ ry @ rz)[:, ::-1] * (np.array(spacing) * signs)
    affine[:3, 3] = origin
    return affine


def directions(affine):
    """(orientation for ImageOrientationPatient, spacing (row, column), normal = row x column)."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    along_row, down_column = affine[:3, 2] / spacing[2], affine[:3, 1] / spacing[1]
    return [*along_row, *down_column], spacing[1:], np.cross(along_row, down_column)


def decimal(values, digits=10):
    """Numbers as DICOM decimal strings of at most 16 characters."""
    return [f"{v:.{digits}g}" for v in np.atleast_1d(values)]


def header(sop_class: str, modality: str, series: str, instance: str, **attributes) -> Dataset:
    """What every object has; attributes override it, None deletes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid(f"{series}/{instance}")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, uid(series)
    ds.Modality = modality
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Factory^Test", "F1", "19500101", "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20240312"
    ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime = "090000", "100000", "100000"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "S1", "", ""
    ds.SeriesDescription, ds.SeriesNumber = series, "1"
    ds.FrameOfReferenceUID = FRAME
    return change(ds, **attributes)


def change(ds: Dataset, **attributes) -> Dataset:
    """Set attributes; None deletes."""
    for keyword, value in attributes.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def set_pixels(ds: Dataset, stored: np.ndarray) -> Dataset:
    """Set stored values, (rows, columns) or (frames, rows, columns)."""
    stored = np.asarray(stored)
    ds.Rows, ds.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        ds.NumberOfFrames = stored.shape[0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = stored.dtype.itemsize * 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def slices(stored, affine, sop_class, modality, series, heights_mm=None, **attributes) -> list[Dataset]:
    """One object a slice, at even positions or at given heights along the slice direction [mm]."""
    orientation, spacing, _ = directions(affine)
    step = np.linalg.norm(affine[:3, 0])
    heights = np.arange(len(stored)) * step if heights_mm is None else heights_mm
    made = []
    for index, (plane, height) in enumerate(zip(stored, heights, strict=True)):
        ds = header(sop_class, modality, series, str(index))
        ds.ImagePositionPatient = decimal(affine[:3, 3] + affine[:3, 0] / step * height)
        ds.ImageOrientationPatient = decimal(orientation)
        ds.PixelSpacing, ds.SliceThickness = decimal(spacing), decimal(step)[0]
        ds.InstanceNumber = str(index + 1)
        made.append(change(set_pixels(ds, plane), **attributes))
    return made


def ct(stored, affine=AXIAL, series="ct", **attributes) -> list[Dataset]:
    """A CT series of stored values with intercept -1024."""
    defaults = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "RescaleSlope": "1",
        "RescaleIntercept": "-1024",
        "RescaleType": "HU",
    }
    return slices(stored, affine, CT_CLASS, "CT", series, **{**defaults, **attributes})


def radiopharmaceutical(nuclide_code="14691008", meaning="^90^Yttrium", **attributes) -> Sequence:
    """What was injected; Y-90 two hours before the series."""
    made = item(
        Radiopharmaceutical="Microspheres",
        RadiopharmaceuticalStartDateTime="20240312080000",
        RadionuclideTotalDose="2400000000",
        RadionuclideHalfLife="230760",
        RadionuclidePositronFraction="0.0000319",
        RadionuclideCodeSequence=Sequence([code(nuclide_code, "SCT", meaning)]),
    )
    return Sequence([change(made, **attributes)])


def pet(stored, affine=AXIAL, slopes=None, series="pet", **attributes) -> list[Dataset]:
    """A PET series in Bq/mL, decay corrected to START, with a slope for each slice."""
    defaults = {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "Units": "BQML",
        "DecayCorrection": "START",
        "CountsSource": "EMISSION",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "ActualFrameDuration": "900000",
        "RadiopharmaceuticalInformationSequence": radiopharmaceutical(),
        "RescaleIntercept": "0",
    }
    made = slices(stored, affine, PET_CLASS, "PT", series, **{**defaults, **attributes})
    for index, ds in enumerate(made):
        if "RescaleSlope" not in attributes:
            ds.RescaleSlope = "1" if slopes is None else decimal(slopes[index])[0]
    return made


def nm(stored, affine=AXIAL, series="nm", **attributes) -> Dataset:
    """A reconstructed SPECT volume: geometry in DetectorInformationSequence, signed slice spacing."""
    orientation, spacing, normal = directions(affine)
    ds = header(NM_CLASS, "NM", series, "0")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.PixelSpacing, ds.SpacingBetweenSlices = decimal(spacing), decimal(affine[:3, 0] @ normal)[0]
    ds.SliceThickness = decimal(np.linalg.norm(affine[:3, 0]))[0]
    ds.DetectorInformationSequence = Sequence(
        [item(ImagePositionPatient=decimal(affine[:3, 3]), ImageOrientationPatient=decimal(orientation))]
    )
    ds.NumberOfSlices = len(stored)
    ds.SliceVector = list(range(1, len(stored) + 1))
    ds.RotationInformationSequence = Sequence(
        [item(ActualFrameDuration="20000", NumberOfFramesInRotation=60)]
    )
    ds.EnergyWindowInformationSequence = Sequence([energy_window(130, 150)])
    ds.RadiopharmaceuticalInformationSequence = radiopharmaceutical(
        "C-163A8", "^99m^Technetium", Radiopharmaceutical="MAA", RadionuclideHalfLife=None
    )
    return change(set_pixels(ds, stored), **attributes)


def energy_window(low, high) -> Dataset:
    limits = item(EnergyWindowLowerLimit=str(low), EnergyWindowUpperLimit=str(high))
    return item(EnergyWindowRangeSequence=Sequence([limits]))


def planar(anterior, posterior, series="planar", **attributes) -> Dataset:
    """Opposite views as two heads take them: the posterior one runs from the patient's left."""
    ds = header(NM_CLASS, "NM", series, "0")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    ds.PixelSpacing = ["4", "5"]
    ds.EnergyWindowVector, ds.DetectorVector = [1, 1], [1, 2]
    width = 5.0 * (np.shape(anterior)[1] - 1)
    ds.DetectorInformationSequence = Sequence(
        [
            item(
                ImagePositionPatient=["-50", "-200", "300"],
                ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"],
                ViewCodeSequence=Sequence([code("399321004", "SCT", "Anterior projection")]),
            ),
            item(
                ImagePositionPatient=[str(-50 + width), "200", "300"],
                ImageOrientationPatient=["-1", "0", "0", "0", "0", "-1"],
                ViewCodeSequence=Sequence([code("R-10214", "SRT", "Posterior projection")]),
            ),
        ]
    )
    return change(set_pixels(ds, np.stack([anterior, posterior])), **attributes)


def rtstruct(rois, frame=FRAME, series="rtstruct", refers_to=None, **attributes) -> Dataset:
    """A structure set: {name: [polygon (points, 3), ...]} or {name: [(type, polygon), ...]}."""
    ds = header(RTSTRUCT_CLASS, "RTSTRUCT", series, "0", FrameOfReferenceUID=None)
    reference = item(FrameOfReferenceUID=frame)
    if refers_to is not None:
        series_item = item(SeriesInstanceUID=refers_to)
        reference.RTReferencedStudySequence = Sequence(
            [item(RTReferencedSeriesSequence=Sequence([series_item]))]
        )
    ds.ReferencedFrameOfReferenceSequence = Sequence([] if frame is None else [reference])
    names, groups, observations = [], [], []
    for number, (name, polygons) in enumerate(rois.items(), start=1):
        roi = item(ROINumber=number, ROIName=name, ROIGenerationAlgorithm="MANUAL")
        if frame is not None:
            roi.ReferencedFrameOfReferenceUID = frame
        names.append(roi)
        contours = []
        for polygon in polygons:
            kind, points = polygon if isinstance(polygon, tuple) else ("CLOSED_PLANAR", polygon)
            contours.append(
                item(
                    ContourGeometricType=kind,
                    NumberOfContourPoints=len(points),
                    ContourData=decimal(np.ravel(points), 9),
                )
            )
        groups.append(item(ReferencedROINumber=number, ContourSequence=Sequence(contours)))
        observations.append(
            item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="ORGAN")
        )
    ds.StructureSetROISequence = Sequence(names)
    ds.ROIContourSequence = Sequence(groups)
    ds.RTROIObservationsSequence = Sequence(observations)
    return change(ds, **attributes)


def square(half_mm, centre, z) -> np.ndarray:
    """An axial square about a point."""
    x, y = centre
    return np.array([(x + a * half_mm, y + b * half_mm, z) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


def seg(masks, affine=AXIAL, kind="BINARY", omit_empty=True, series="seg", **attributes) -> Dataset:
    """A segmentation: {label: occupancy (slices, rows, columns)}; empty frames are left out."""
    orientation, spacing, _ = directions(affine)
    ds = header(SEG_CLASS, "SEG", series, "0")
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.SegmentationType = kind
    shared = item(
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=decimal(orientation))]),
        PixelMeasuresSequence=Sequence(
            [
                item(
                    PixelSpacing=decimal(spacing),
                    SliceThickness=decimal(np.linalg.norm(affine[:3, 0]))[0],
                    SpacingBetweenSlices=decimal(np.linalg.norm(affine[:3, 0]))[0],
                )
            ]
        ),
    )
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    segments, frames, per_frame = [], [], []
    for number, (label, mask) in enumerate(masks.items(), start=1):
        segments.append(
            item(
                SegmentNumber=number,
                SegmentLabel=label,
                SegmentAlgorithmType="MANUAL",
                SegmentedPropertyTypeCodeSequence=Sequence([code("10200004", "SCT", "Liver")]),
            )
        )
        for index, plane in enumerate(mask):
            if omit_empty and not plane.any():
                continue
            position = affine[:3, 3] + affine[:3, 0] * index
            frames.append(plane)
            per_frame.append(
                item(
                    PlanePositionSequence=Sequence([item(ImagePositionPatient=decimal(position))]),
                    SegmentIdentificationSequence=Sequence([item(ReferencedSegmentNumber=number)]),
                )
            )
    ds.SegmentSequence = Sequence(segments)
    ds.PerFrameFunctionalGroupsSequence = Sequence(per_frame)
    stored = np.array(frames)
    if kind == "BINARY":
        set_pixels(ds, stored.astype(np.uint8))
        ds.PixelData = np.packbits(stored.astype(np.uint8).ravel(), bitorder="little").tobytes()
        ds["PixelData"].VR = "OB"
        ds.BitsAllocated = ds.BitsStored = 1
        ds.HighBit = 0
    else:
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "OCCUPANCY", 200
        set_pixels(ds, np.rint(stored * 200).astype(np.uint8))
    return change(ds, **attributes)


def enhanced_ct(stored, affine=AXIAL, series="enhanced", **attributes) -> Dataset:
    """An enhanced multi-frame CT with intercept -1000 in its shared groups."""
    orientation, spacing, _ = directions(affine)
    ds = header(ENHANCED_CT_CLASS, "CT", series, "0")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    transformation = item(RescaleIntercept="-1000", RescaleSlope="1", RescaleType="HU")
    shared = item(
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=decimal(orientation))]),
        PixelMeasuresSequence=Sequence([item(PixelSpacing=decimal(spacing), SliceThickness="4")]),
        PixelValueTransformationSequence=Sequence([transformation]),
    )
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        [
            item(
                PlanePositionSequence=Sequence(
                    [item(ImagePositionPatient=decimal(affine[:3, 3] + affine[:3, 0] * index))]
                )
            )
            for index in range(len(stored))
        ]
    )
    return change(set_pixels(ds, stored), **attributes)


def enhanced_pet(
    stored, affine=AXIAL, slope=1.5, unit="Bq/ml", series="enhanced pet", **attributes
) -> Dataset:
    """An enhanced multi-frame PET, decay corrected to the start of its series, ten minutes a frame."""
    ds = enhanced_ct(stored, affine, series, SOPClassUID=ENHANCED_PET_CLASS, Modality="PT")
    shared = ds.SharedFunctionalGroupsSequence[0]
    values = item(RescaleIntercept="0", RescaleSlope=decimal(slope)[0], RescaleType="US")
    shared.PixelValueTransformationSequence = Sequence([values])
    shared.FrameContentSequence = Sequence([item(FrameAcquisitionDuration=600000.0)])
    mapping = item(MeasurementUnitsCodeSequence=Sequence([code(unit, "UCUM", unit)]))
    shared.RealWorldValueMappingSequence = Sequence([mapping])
    ds.RadiopharmaceuticalInformationSequence = radiopharmaceutical()
    ds.DecayCorrection = "START"
    return change(ds, **attributes)


def save(datasets, folder: Path, prefix: str = "file", **options) -> list[Path]:
    """Write data sets below a folder under names that tell nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets = [datasets] if isinstance(datasets, Dataset) else datasets
    paths = []
    for index, ds in enumerate(datasets):
        path = folder / f"{prefix}{index:04d}"
        ds.save_as(path, enforce_file_format=True, **options)
        paths.append(path)
    return paths


def edited(path, **attributes):
    """Write the file again with other attributes; None takes one out."""
    dataset = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path
