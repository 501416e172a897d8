"""The study as DICOM files: what every object of it has in common, and the CT."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from .settings import Settings

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
NM_CLASS = "1.2.840.10008.5.1.4.1.1.20"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
STUDY_DATE = "20240312"
IMPLEMENTATION_UID = "2.25.148070230398318413266203178211843921318"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return one coded entry."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def decimals(values: object) -> list[str]:
    """Return numbers as decimal strings of at most 16 characters."""
    return [f"{v:.10g}"[:16] for v in np.ravel(np.asarray(values, float))]


def new_object(
    settings: Settings, sop_class: str, modality: str, series: str, number: int, time: str
) -> Dataset:
    """Return an object with everything that says whose it is and when it was made."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = sop_class
    ds.StudyDate = ds.SeriesDate = STUDY_DATE
    ds.StudyTime, ds.SeriesTime = "091500", time
    ds.AccessionNumber = ""
    ds.Modality = modality
    ds.Manufacturer = "Synthetic"
    ds.ManufacturerModelName = "y90voxel phantom"
    ds.SoftwareVersions = "1"
    ds.InstitutionName = "Nowhere General"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "MAA work-up before radioembolization (synthetic)"
    ds.SeriesDescription = series
    ds.PatientName = "SAMPLE^SYNTHETIC"
    ds.PatientID = "Y90VOXEL-SAMPLE" if not settings.vary else f"Y90VOXEL-SAMPLE-{settings.seed:04d}"
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Computed; there is no such patient"
    ds.StudyInstanceUID = settings.uid("study")
    ds.SeriesInstanceUID = settings.uid("series", series)
    ds.StudyID = "1"
    ds.SeriesNumber = number
    ds.FrameOfReferenceUID = settings.uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    return ds


def image_pixels(ds: Dataset, pixels: np.ndarray, spacing_mm: tuple[float, float]) -> None:
    """Add 16-bit pixels, (rows, columns) or (frames, rows, columns)."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.PixelSpacing = decimals(spacing_mm)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.astype("<i2" if pixels.dtype.kind == "i" else "<u2").tobytes()
    ds["PixelData"].VR = "OW"


def save(ds: Dataset, folder: Path, uid: str) -> Path:
    """Write one object under a name that says nothing about its place, as an archive would."""
    ds.SOPInstanceUID = uid
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "Y90PHANTOM_1"
    ds.file_meta = meta
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(uid.encode()).hexdigest()[:8].upper()}.dcm"
    ds.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return path


def ct_uid(settings: Settings, index: int) -> str:
    """Return the identifier of one CT slice."""
    return settings.uid("ct", index)


def save_ct_slice(
    hu: np.ndarray, index: int, z_mm: float, first_xy: tuple[float, float], settings: Settings, folder: Path
) -> None:
    """Write one CT slice; ``hu`` is (rows, columns)."""
    slices = settings.ct_shape[0]
    dz, dy, dx = settings.ct_spacing_mm
    ds = new_object(settings, CT_CLASS, "CT", "Abdomen portal venous 3.0", 2, "105214")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionDate = ds.ContentDate = STUDY_DATE
    ds.AcquisitionTime = ds.ContentTime = "105214"
    ds.BodyPartExamined = "ABDOMEN"
    ds.ContrastBolusAgent = "Iodinated contrast"
    ds.SliceThickness = decimals(dz)[0]
    ds.KVP = "120"
    ds.XRayTubeCurrent, ds.ExposureTime = 180, 500
    ds.ConvolutionKernel = "STANDARD"
    ds.PatientPosition = "HFS"
    ds.AcquisitionNumber = 1
    ds.InstanceNumber = slices - index
    ds.ImagePositionPatient = decimals((*first_xy, z_mm))
    ds.ImageOrientationPatient = decimals((1, 0, 0, 0, 1, 0))
    ds.SliceLocation = decimals(z_mm)[0]
    ds.WindowCenter, ds.WindowWidth = "50", "400"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    stored = np.clip(np.rint(hu) + 1024.0, 0, 4095).astype(np.int16)
    image_pixels(ds, stored, (dy, dx))
    save(ds, folder, ct_uid(settings, index))
