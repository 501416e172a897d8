"""Images of a phantom's digital twin as DICOM: PET slices, or a reconstructed nuclear medicine volume."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import generate_uid

from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.new_object import code, decimal, frame_of_reference, new_object, save
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.nuclide_records import NUCLIDE_RECORDS
from y90voxel.volumes.grid import Grid

__all__ = ["TwinHeader", "write_twin_image"]

PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
NM_CLASS = "1.2.840.10008.5.1.4.1.1.20"
_GREATEST = 32767  # of signed 16 bits
_SLICE_VECTOR = 0x00540080  # tag (0054,0080) of SliceVector
_VIEWS = 60  # of a rotation; chosen: one every 6°


@dataclass(frozen=True)
class TwinHeader:
    """What the headers of a twin's image say.

    Parameters
    ----------
    nuclide : str
        What was filled in.
    filled, start : datetime
        Filling, and start of the acquisition.
    duration_s : float
        Of the acquisition [s].
    total_bq : float
        In the phantom at filling [Bq].
    reconstruction, filter : str
        What they are called.
    number : int
        Of the series.
    """

    nuclide: str
    filled: datetime
    start: datetime
    duration_s: float
    total_bq: float
    reconstruction: str
    filter: str
    number: int


def write_twin_image(
    values: NDArray[np.float64],
    grid: Grid,
    modality: str,
    header: TwinHeader,
    identity: StudyIdentity,
    folder: Path,
) -> None:
    """Write one acquisition to a folder.

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        Counts (``"NM"``) or Bq/mL corrected for decay to the start of the acquisition (``"PT"``).
    grid : Grid
        Their voxels; axial.
    modality : str
        ``"NM"`` or ``"PT"``.
    header : TwinHeader
        What else is known.
    identity : StudyIdentity
        Whose study.
    folder : Path
        Made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slope = float(np.abs(values).max()) / _GREATEST or 1.0
    stored = np.rint(values / slope).astype("<i2")
    if modality == "NM":
        _save_volume(stored, slope, grid, header, identity, folder)
        return
    series, frame = generate_uid(), generate_uid()
    for index, plane in enumerate(stored):
        ds = _image(PET_CLASS, "PT", grid, header, identity)
        ds.SeriesInstanceUID, ds.FrameOfReferenceUID = series, frame
        ds.ImageType = ["ORIGINAL", "PRIMARY"]
        ds.SeriesType, ds.Units, ds.CountsSource = ["STATIC", "IMAGE"], "BQML", "EMISSION"
        ds.DecayCorrection, ds.CorrectedImage = "START", ["DECY", "ATTN", "SCAT", "RAN", "NORM", "DTIM"]
        ds.AttenuationCorrectionMethod, ds.RandomsCorrectionMethod = "twin", "DLYD"
        ds.ReconstructionMethod = header.reconstruction
        ds.ActualFrameDuration = str(round(1000.0 * header.duration_s))
        ds.FrameReferenceTime, ds.DecayFactor, ds.ImageIndex = "0", "1", index + 1
        ds.NumberOfSlices, ds.InstanceNumber = len(stored), index + 1
        position = grid.index_to_lps((index, 0, 0))
        ds.ImagePositionPatient = [decimal(p) for p in position]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        _pixels(ds, plane, slope, grid)
        save(ds, folder / f"slice{index + 1:04d}.dcm")


def _save_volume(
    stored: NDArray[np.int16],
    slope: float,
    grid: Grid,
    header: TwinHeader,
    identity: StudyIdentity,
    folder: Path,
) -> None:
    """A nuclear medicine volume in one file."""
    ds = _image(NM_CLASS, "NM", grid, header, identity)
    ds.FrameOfReferenceUID, _ = frame_of_reference(grid, identity)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.CorrectedImage = ["ATTN", "SCAT"]
    ds.SpacingBetweenSlices = decimal(grid.spacing_mm[0])
    detector = Dataset()
    detector.ImagePositionPatient = [decimal(p) for p in grid.origin_mm]
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.DetectorInformationSequence = [detector]
    turn = Dataset()
    turn.ActualFrameDuration = str(round(1000.0 * header.duration_s / _VIEWS))
    turn.NumberOfFramesInRotation = _VIEWS
    ds.RotationInformationSequence = [turn]
    ds.NumberOfFrames = ds.NumberOfSlices = len(stored)
    ds.SliceVector = list(range(1, len(stored) + 1))
    ds.FrameIncrementPointer = _SLICE_VECTOR
    if header.reconstruction:
        ds.ReconstructionMethod = header.reconstruction
    _pixels(ds, stored, slope, grid)
    save(ds, folder / "volume.dcm")


def _image(
    sop_class: str, modality: str, grid: Grid, header: TwinHeader, identity: StudyIdentity
) -> FileDataset:
    """What both kinds have in common."""
    text = f"{header.nuclide} phantom {header.number}"
    ds = new_object(identity, sop_class, modality, text, header.number, header.start)
    ds.AcquisitionDate, ds.AcquisitionTime = f"{header.start:%Y%m%d}", f"{header.start:%H%M%S.%f}"
    ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime
    ds.SliceThickness = decimal(grid.spacing_mm[0])
    if header.filter:
        ds.ConvolutionKernel = header.filter
    record = NUCLIDE_RECORDS[header.nuclide]
    drug = Dataset()
    drug.Radiopharmaceutical = "Solution"
    drug.RadiopharmaceuticalStartDateTime = f"{header.filled:%Y%m%d%H%M%S.%f}"
    drug.RadiopharmaceuticalStartTime = f"{header.filled:%H%M%S.%f}"
    # PS3.3 C.8.9.2: Bq for PET; C.8.4.10: MBq for nuclear medicine
    drug.RadionuclideTotalDose = decimal(header.total_bq if modality == "PT" else 1e-6 * header.total_bq)
    drug.RadionuclideHalfLife = decimal(record.half_life_s)
    positrons = nuclide(header.nuclide).positrons_per_decay
    if positrons:
        drug.RadionuclidePositronFraction = decimal(positrons)
    drug.RadionuclideCodeSequence = [code(record.codes[-1], header.nuclide)]
    ds.RadiopharmaceuticalInformationSequence = [drug]
    return ds


def _pixels(ds: Dataset, stored: NDArray[np.int16], slope: float, grid: Grid) -> None:
    """Add 16-bit pixels with their slope."""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.PixelSpacing = [decimal(s) for s in grid.spacing_mm[1:]]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope = "0", decimal(slope)
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"
