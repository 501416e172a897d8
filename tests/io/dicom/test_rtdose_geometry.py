"""Where the voxels of an RTDOSE lie, and whose dose it is, as its header says; what makes no sense is refused by name."""

import numpy as np
import pydicom
import pytest
from dicom_factory import edited

from y90voxel.errors import DicomError
from y90voxel.io.dicom.rtdose import read_dose_origin, read_rtdose, write_rtdose
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap


@pytest.fixture
def plain(tmp_path):
    """Three frames of 4 x 5 voxels."""
    dose = DoseMap(np.arange(60.0).reshape(3, 4, 5), Grid.from_spacing((3, 4, 5), (4, 3, 2)))
    write_rtdose(dose, tmp_path / "dose.dcm")
    return tmp_path / "dose.dcm"


def one_frame(path, thickness):
    """The first frame alone."""
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.PixelData[: dataset.pixel_array[0].nbytes]
    dataset.NumberOfFrames, dataset.SliceThickness = 1, thickness
    if "GridFrameOffsetVector" in dataset:
        del dataset.GridFrameOffsetVector
    dataset.save_as(path)
    return read_rtdose(path)


def test_a_single_frame_is_as_thick_as_it_says(plain):
    grid = one_frame(plain, 7).grid
    assert (grid.shape, grid.spacing_mm) == ((1, 4, 5), (7, 3, 2))


@pytest.mark.parametrize("thickness", [-4, 0])
def test_a_single_frame_without_a_thickness_is_refused(plain, thickness):
    with pytest.raises(DicomError, match=rf"SliceThickness of .* is {thickness} mm; it must be positive"):
        one_frame(plain, thickness)


@pytest.mark.parametrize(("step_mm", "read"), [(199, True), (201, False), (-201, False)])
def test_frames_lie_as_far_apart_as_slices_of_a_patient_do(plain, step_mm, read):
    frames = len(pydicom.dcmread(plain).pixel_array)
    path = edited(plain, GridFrameOffsetVector=[step_mm * k for k in range(frames)])
    if read:
        assert read_rtdose(path).grid.spacing_mm[0] == step_mm
    else:
        with pytest.raises(DicomError, match=r"GridFrameOffsetVector of .* is 201 mm; it must be positive"):
            read_rtdose(path)


@pytest.mark.parametrize("down", [1, -1])
@pytest.mark.parametrize("step_mm", [2.5, -2.5])
def test_absolute_offsets_are_those_of_z_whichever_way_rows_run(plain, down, step_mm):
    frames = len(pydicom.dcmread(plain).pixel_array)
    stated = {
        "ImagePositionPatient": [10, 20, 30],
        "ImageOrientationPatient": [1, 0, 0, 0, down, 0],
        "GridFrameOffsetVector": [30 + step_mm * k for k in range(frames)],
    }
    grid = read_rtdose(edited(plain, **stated)).grid
    np.testing.assert_allclose(grid.index_to_lps((1, 0, 0)), (10, 20, 30 + step_mm))
    assert np.sign(grid.index_to_lps((0, 1, 0))[1] - 20) == down


@pytest.mark.parametrize(("tilt", "axial"), [(0.9e-6, True), (1.5e-6, False)])
def test_absolute_offsets_belong_to_frames_that_are_axial_to_a_twelfth_of_a_degree(plain, tilt, axial):
    """The cosine of the tilt lies so much below 1: 0.077 degrees, 0.099."""
    down = [0.0, 1.0 - tilt, (2 * tilt - tilt**2) ** 0.5]
    frames = len(pydicom.dcmread(plain).pixel_array)
    stated = {
        "ImagePositionPatient": [10, 20, 30],
        "ImageOrientationPatient": [1, 0, 0, *(f"{value:.12f}" for value in down)],
        "GridFrameOffsetVector": [30 + 2.5 * k for k in range(frames)],
    }
    path = edited(plain, **stated)
    if axial:
        assert read_rtdose(path).grid.spacing_mm[0] == pytest.approx(2.5)
    else:
        with pytest.raises(DicomError, match="which is neither 0 nor the z of the first frame"):
            read_rtdose(path)


@pytest.mark.parametrize(("frame", "patient"), [("1.2.3", "P9"), (None, None)])
def test_the_origin_of_a_dose_is_what_it_states(plain, frame, patient):
    found = read_dose_origin(edited(plain, FrameOfReferenceUID=frame, PatientID=patient))
    assert (found.frame_of_reference_uid, found.patient_id) == (frame, patient)


def test_the_origin_of_another_object_is_refused(plain):
    with pytest.raises(DicomError, match="is not an RTDOSE file"):
        read_dose_origin(edited(plain, SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))
