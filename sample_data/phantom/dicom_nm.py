"""The gamma camera's images as DICOM: the SPECT volume and the planar views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from .dicom import NM_CLASS, STUDY_DATE, code, decimals, image_pixels, new_object, save
from .settings import Settings

SLICE_VECTOR, DETECTOR_VECTOR, ENERGY_VECTOR = 0x00540080, 0x00540020, 0x00540010


def nm_object(settings: Settings, series: str, number: int, time: str) -> Dataset:
    """Return an NM object with tracer, energy window and patient orientation."""
    ds = new_object(settings, NM_CLASS, "NM", series, number, time)
    ds.AcquisitionDate = ds.ContentDate = STUDY_DATE
    ds.AcquisitionTime = ds.ContentTime = time
    ds.BodyPartExamined = "ABDOMEN"
    ds.InstanceNumber = 1
    limits = Dataset()
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = "130", "150"
    window = Dataset()
    window.EnergyWindowRangeSequence = [limits]
    window.EnergyWindowName = "Tc99m 140 keV"
    ds.NumberOfEnergyWindows = 1
    ds.EnergyWindowInformationSequence = [window]
    tracer = Dataset()
    tracer.RadionuclideCodeSequence = [code("72454006", "SCT", "^99m^Technetium")]
    tracer.RadiopharmaceuticalRoute = "Intra-arterial route"
    tracer.RadiopharmaceuticalStartTime = "093000"
    tracer.RadionuclideTotalDose = "180"
    tracer.Radiopharmaceutical = "MAA"
    tracer.RadiopharmaceuticalCodeSequence = [
        code("81761004", "SCT", "Technetium Tc^99m^ microaggregated albumin")
    ]
    ds.RadiopharmaceuticalInformationSequence = [tracer]
    posture = code("102538003", "SCT", "recumbent")
    posture.PatientOrientationModifierCodeSequence = [code("40199007", "SCT", "supine")]
    ds.PatientOrientationCodeSequence = [posture]
    ds.PatientGantryRelationshipCodeSequence = [code("102540008", "SCT", "headfirst")]
    return ds


def detector(position_mm: tuple[float, ...], orientation: tuple[int, ...]) -> Dataset:
    """Return one entry of the detectors: where its first pixel lies and how its rows and columns run."""
    item = Dataset()
    item.CollimatorType, item.CollimatorGridName = "PARA", "LEHR"
    item.FieldOfViewShape = "RECTANGLE"
    item.ImagePositionPatient = decimals(position_mm)
    item.ImageOrientationPatient = decimals(orientation)
    return item


def save_spect(
    counts: np.ndarray, first_mm: tuple[float, float, float], settings: Settings, folder: Path
) -> None:
    """Write the SPECT; ``counts`` is (slices from the feet up, rows, columns), ``first_mm`` its first voxel."""
    x, y, z = first_mm
    slices, voxel = counts.shape[0], settings.spect_voxel_mm
    if settings.spect_step_sign < 0:
        counts, z = counts[::-1], z + (slices - 1) * voxel
    ds = nm_object(settings, "MAA SPECT AC SC", 3, "102531")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.SliceThickness = decimals(voxel)[0]
    ds.SpacingBetweenSlices = decimals(voxel * settings.spect_step_sign)[0]
    ds.CountsAccumulated = int(counts.sum(dtype=np.int64))
    ds.CorrectedImage = ["ATTN", "SCAT", "UNIF"]
    ds.NumberOfFrames = slices
    ds.FrameIncrementPointer = SLICE_VECTOR
    ds.NumberOfDetectors = 2
    ds.DetectorInformationSequence = [detector((x, y, z), (1, 0, 0, 0, 1, 0))]
    turn = Dataset()
    turn.StartAngle, turn.AngularStep, turn.ScanArc = "0", "6", "360"
    turn.RotationDirection = "CW"
    turn.ActualFrameDuration = 20000
    turn.RadialPosition = "250"
    turn.NumberOfFramesInRotation = 60
    ds.NumberOfRotations = 1
    ds.RotationInformationSequence = [turn]
    ds.TypeOfDetectorMotion = "STEP AND SHOOT"
    ds.NumberOfSlices = slices
    ds.SliceVector = list(range(1, slices + 1))
    ds.ReconstructionDiameter = decimals(voxel * max(counts.shape[1:]))[0]
    image_pixels(ds, np.ascontiguousarray(counts), (voxel, voxel))
    save(ds, folder, settings.uid("spect"))


def save_planar(
    counts: np.ndarray,
    first_xz_mm: tuple[float, float],
    distance_mm: float,
    y_mm: float,
    settings: Settings,
    folder: Path,
) -> None:
    """Write the planar views; ``counts`` is (front and back, rows from the feet up, columns to the left).

    Each view is stored as the camera sees it, head up: the one from the back with the patient's left on
    the left. ``distance_mm`` is how far each detector stands from the middle of the trunk, at ``y_mm``.
    """
    x, z = first_xz_mm
    _, rows, columns = counts.shape
    pixel = settings.spect_voxel_mm
    top, last = z + (rows - 1) * pixel, x + (columns - 1) * pixel
    ds = nm_object(settings, "MAA planar lung shunt", 4, "100312")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    ds.CountsAccumulated = int(counts.sum(dtype=np.int64))
    ds.ActualFrameDuration = 300000
    ds.NumberOfFrames = 2
    ds.FrameIncrementPointer = [ENERGY_VECTOR, DETECTOR_VECTOR]
    front = detector((x, y_mm - distance_mm, top), (1, 0, 0, 0, 0, -1))
    back = detector((last, y_mm + distance_mm, top), (-1, 0, 0, 0, 0, -1))
    front.ViewCodeSequence = [code("399321004", "SCT", "Anterior projection")]
    back.ViewCodeSequence = [code("399001007", "SCT", "Posterior projection")]
    ds.NumberOfDetectors = 2
    ds.DetectorInformationSequence = [front, back]
    ds.EnergyWindowVector, ds.DetectorVector = [1, 1], [1, 2]
    frames = np.stack([counts[0, ::-1], counts[1, ::-1, ::-1]])
    image_pixels(ds, frames, (pixel, pixel))
    save(ds, folder, settings.uid("planar"))
