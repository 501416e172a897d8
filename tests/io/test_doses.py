"""Dose files of any kind."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from io_grids import GRIDS, ramp

from y90voxel.errors import DicomError, InputError, Notice, UnitError
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.doses import read_dose
from y90voxel.io.nifti import write_activity_concentration, write_nifti
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap

GRID = Grid(GRIDS["oblique"].shape, GRIDS["oblique"].affine, "1.2.3")
DOSE = DoseMap(ramp(GRID) * 0.25, GRID)


@pytest.mark.parametrize("name", ["dose.dcm", "IM000001", "dose.nii", "dose.nii.gz"])
def test_our_own_doses_read_back_without_a_word(name, tmp_path):
    path = tmp_path / name
    if ".nii" in name:
        write_nifti(DOSE, path)
    else:
        write_rtdose(DOSE, path)
    back = read_dose(path)
    assert back.grid.is_same_as(GRID)
    np.testing.assert_allclose(back.array, DOSE.array, atol=1e-7)


@pytest.mark.parametrize("name", ["dose.nrrd", "dose.mha", "dose.nii.gz"])
def test_doses_of_others_are_taken_as_gy_and_that_is_told(name, tmp_path):
    image = SimpleITK.GetImageFromArray(DOSE.array)
    image.SetOrigin(GRID.origin_mm.tolist())
    image.SetSpacing(GRID.spacing_mm[::-1])
    image.SetDirection(GRID.directions[:, ::-1].ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / name))
    notices = []
    back = read_dose(tmp_path / name, notices=notices)
    np.testing.assert_array_equal(back.array, DOSE.array)
    assert [notice.code for notice in notices] == ["dose-unit-assumed"]
    with pytest.warns(Notice, match="its values are taken as Gy"):
        read_dose(tmp_path / name)


def test_our_activity_is_not_a_dose(tmp_path):
    write_activity_concentration(ActivityMap(DOSE.array, GRID), tmp_path / "activity.nii.gz")
    with pytest.raises(UnitError, match=r"holds activity \[Bq/mL\], not a dose in Gy"):
        read_dose(tmp_path / "activity.nii.gz")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_dose(tmp_path / "absent.dcm")
    (tmp_path / "notes.txt").write_text("no dose here " * 20)
    with pytest.raises(DicomError, match="is not a DICOM file"):
        read_dose(tmp_path / "notes.txt")
