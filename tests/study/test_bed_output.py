"""The BED map beside the dose: values voxel by voxel, its kind, and conformance."""

import numpy as np
import pydicom
import pytest
from dicom_checks import dciodvfy_errors, needs_dciodvfy
from study_factory import write_study

from y90voxel.case.bed_map import bed_map
from y90voxel.case.settings import load_settings
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.nifti import read_nifti
from y90voxel.study.run_dose import run_study

TUMOUR = {"alpha_beta_gy": 10.0, "repair_half_time_h": 1.5}
LIVER = {"alpha_beta_gy": 2.5, "repair_half_time_h": 2.5}
Y90_HALF_LIFE_H = 64.1


def run(folder, out, radiobiology):
    options = {
        "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
        "dose": {"engine": "local"},
        "radiobiology": radiobiology,
        "output": {"report": False},
    }
    return run_study(folder, out, load_settings(None, options))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "out"
    evaluation = run(study, folder, {"tumour": TUMOUR, "non_tumour_liver": LIVER})
    return folder, evaluation


def by_hand(dose, alpha_beta, repair_h):
    """BED of a mono-exponentially falling dose rate, Dale 1985 (doi 10.1259/0007-1285-58-690-515), permanent implant."""
    return dose * (1 + repair_h / (repair_h + Y90_HALF_LIFE_H) * dose / alpha_beta)


def test_each_voxel_has_the_bed_of_the_region_that_fills_it(out):
    folder, evaluation = out
    dose, found = evaluation.dose.array, read_nifti(folder / "bed.nii.gz").array[0]
    tumour = evaluation.case.regions["GTV1"].mask.array >= 0.5
    liver = (evaluation.case.regions["non-tumour liver"].mask.array >= 0.5) & ~tumour
    assert tumour.sum() > 10
    np.testing.assert_allclose(found[tumour], by_hand(dose[tumour], 10.0, 1.5), rtol=2e-4)
    np.testing.assert_allclose(found[liver], by_hand(dose[liver], 2.5, 2.5), rtol=2e-4)
    assert (found[~tumour & ~liver] == 0).all()


def test_the_dicom_says_that_it_is_effective_and_with_which_parameters(out):
    folder, _ = out
    dataset, dose = pydicom.dcmread(folder / "bed.dcm"), pydicom.dcmread(folder / "dose.dcm")
    assert (dataset.DoseType, dataset.DoseUnits) == ("EFFECTIVE", "GY")
    assert dataset.DoseComment == "BED, a/b [Gy]: tumour 10, non tumour liver 2.5; 0 elsewhere"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "ImagePositionPatient"):
        assert dataset[keyword].value == dose[keyword].value
    assert dataset.SeriesInstanceUID != dose.SeriesInstanceUID
    highest = dataset.pixel_array.max() * float(dataset.DoseGridScaling)
    assert highest == pytest.approx(read_nifti(folder / "bed.nii.gz").array.max(), rel=1e-6)


def test_without_parameters_there_is_no_bed(study, tmp_path):
    evaluation = run(study, tmp_path / "out", {})
    assert bed_map(evaluation) is None
    assert not list((tmp_path / "out").glob("bed.*"))


@needs_dciodvfy
def test_dciodvfy_finds_no_error_in_a_16_bit_twin(out, tmp_path):
    found = bed_map(out[1])
    write_rtdose(found.dose, tmp_path / "bed.dcm", comment=found.comment, effective=True, bits=16)
    assert dciodvfy_errors(tmp_path / "bed.dcm", "RTDose") == []
