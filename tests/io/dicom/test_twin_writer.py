"""Images of a digital twin as DICOM: what their headers say, and their values."""

from datetime import datetime

import numpy as np
import pydicom
import pytest

from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.twin_writer import TwinHeader, write_twin_image
from y90voxel.volumes.grid import Grid

GRID = Grid((3, 2, 4), np.array([[0, 0, 4.0, -8], [0, 4.0, 0, 20], [5.0, 0, 0, 100], [0, 0, 0, 1]]), "1.2.3")
VALUES = np.arange(24.0).reshape(GRID.shape) * 100
HEADER = TwinHeader(
    "Y-90", datetime(2024, 3, 12, 8), datetime(2024, 3, 12, 10), 1200.0, 2.5e9, "OSEM", "Gauss 5 mm", 7
)


def written(values, modality, folder, header=HEADER):
    write_twin_image(values, GRID, modality, header, StudyIdentity(), folder)
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def real(dataset):
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def test_a_pet_has_a_file_a_slice(tmp_path):
    slices = written(VALUES, "PT", tmp_path / "new")
    np.testing.assert_allclose([real(ds) for ds in slices], VALUES, atol=2300 / 32767)
    assert [(ds.ImageIndex, ds.InstanceNumber, ds.NumberOfSlices) for ds in slices] == [
        (1, 1, 3),
        (2, 2, 3),
        (3, 3, 3),
    ]
    assert [ds.ImagePositionPatient for ds in slices] == [[-8, 20, 100], [-8, 20, 105], [-8, 20, 110]]
    assert {(ds.Units, ds.DecayCorrection, int(ds.ActualFrameDuration)) for ds in slices} == {
        ("BQML", "START", 1_200_000)
    }
    assert len({ds.SeriesInstanceUID for ds in slices}) == 1
    drug = slices[0].RadiopharmaceuticalInformationSequence[0]
    assert float(drug.RadionuclideTotalDose) == 2.5e9  # Bq
    assert drug.RadiopharmaceuticalStartDateTime == "20240312080000.000000"
    assert slices[0].AcquisitionTime == "100000.000000"


def test_a_spect_is_one_file(tmp_path):
    (volume,) = written(VALUES, "NM", tmp_path)
    np.testing.assert_allclose(real(volume), VALUES, atol=2300 / 32767)
    assert (list(volume.SliceVector), volume.NumberOfFrames, volume.NumberOfSlices) == ([1, 2, 3], 3, 3)
    assert float(volume.SpacingBetweenSlices) == 5.0
    assert int(volume.RotationInformationSequence[0].ActualFrameDuration) == 20_000  # of 60 views
    drug = volume.RadiopharmaceuticalInformationSequence[0]
    assert float(drug.RadionuclideTotalDose) == 2500.0  # MBq


@pytest.mark.parametrize("modality", ["PT", "NM"])
def test_an_image_of_nothing_is_nothing(tmp_path, modality):
    read = written(np.zeros(GRID.shape), modality, tmp_path)
    assert {float(ds.RescaleSlope) for ds in read} == {1.0}
    assert not any(ds.pixel_array.any() for ds in read)
