"""A vendor's file against a study, and against our results of it: files, command, errors."""

import html
import json
import re
import shutil
from dataclasses import replace

import dicom_factory as dicom
import numpy as np
import pydicom
import pytest
from browser import browser, find_chromium
from study_factory import ROIS, ball_contours, write_therapy_study

from y90voxel.case.settings import load_settings
from y90voxel.errors import DicomError, GeometryError, InputError, UnitError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import read_dose_origin, write_rtdose
from y90voxel.io.doses import read_dose
from y90voxel.io.nifti import write_nifti
from y90voxel.study.run_check import VendorFiles, run_check
from y90voxel.study.run_dose import run_study
from y90voxel.volumes.volume import DoseMap

SETTINGS = {
    "administration": {"activity": "1 GBq", "lung_shunt_fraction": 0.06},
    "dose": {"engine": "convolution"},
}


def settings(**tables):
    return load_settings(None, SETTINGS | tables)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A study and our results of it."""
    root = tmp_path_factory.mktemp("check")
    study = write_therapy_study(root / "study")
    run_study(study, root / "ours", settings(output={"report": False}))
    return root


def vendor_file(runs, path, change=lambda array: array, frame="same", patient=None):
    """Our own dose, changed, as another program would write it."""
    ours = runs / "ours" / "dose.dcm"
    dose, origin = read_dose(ours), read_dose_origin(ours)
    array = change(np.asarray(dose.array))
    grid = dose.grid if frame == "same" else replace(dose.grid, frame_of_reference_uid=frame)
    identity = origin.identity if patient is None else StudyIdentity(patient_id=patient)
    write_rtdose(DoseMap(array, grid), path, identity=identity)
    return path


@pytest.mark.parametrize("source", ["study", "ours"])
def test_a_factor_is_found_against_the_study_and_against_our_results(runs, tmp_path, source):
    file = vendor_file(runs, tmp_path / "vendor.dcm", lambda array: 1.063 * array)
    given = settings() if source == "study" else None
    document = run_check(VendorFiles(file), runs / source, tmp_path / "out", given)
    assert document["single_cause"] == "factor"
    assert document["explanation"]["factor"] == pytest.approx(1.063, rel=1e-3)
    assert document == json.loads((tmp_path / "out" / "check.json").read_text())
    candidates = {one["name"] for one in document["causes"][0]["candidates"]}
    assert {"shunt-left-in", "decay", "constant"} <= candidates
    assert document["own"]["densities_by_role"] is (source == "ours")
    tumour = next(region for region in document["regions"] if region["name"] == "GTV1")
    assert tumour["difference_percent"] == pytest.approx(6.3, abs=0.05)
    assert tumour["theirs"]["d70_gy"] == pytest.approx(1.063 * tumour["ours"]["d70_gy"], rel=1e-3)
    assert {one["role"] for one in document["provenance"]["vendor"]} == {"dose to check"}


def test_larger_regions_of_theirs_are_told(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    contours = {"Liver": ball_contours(*ROIS["Liver"]), "GTV1": ball_contours(ROIS["GTV1"][0], 20.0)}
    dicom.save([dicom.rtstruct(contours)], tmp_path / "theirs", "rs")
    (regions,) = (tmp_path / "theirs").iterdir()
    document = run_check(VendorFiles(file, [regions]), runs / "ours", tmp_path / "out")
    assert document["single_cause"] == "regions"
    row = next(region for region in document["regions"] if region["name"] == "GTV1")
    assert row["volume_ratio"] == pytest.approx((20 / 16) ** 3, rel=0.05)
    assert row["theirs_in_their_region"]["mean_gy"] < row["theirs"]["mean_gy"]
    assert {one["role"] for one in document["provenance"]["vendor"]} == {"dose to check", "regions to check"}


def test_a_liver_that_went_through_contours_is_the_same(runs, tmp_path):
    """A tumour two voxels in radius is not: it loses a fifth."""
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    theirs = runs / "ours" / "regions.rtstruct.dcm"
    document = run_check(VendorFiles(file, [theirs]), runs / "ours", tmp_path / "out")
    ratios = {region["name"]: region["volume_ratio"] for region in document["regions"]}
    assert 0.9 < ratios["Liver"] < 0.99
    assert ratios["GTV1"] < 0.9
    assert "Liver" not in document["causes"][0]["size"]["regions"]
    assert "GTV1" in document["causes"][0]["size"]["regions"]


def test_the_command_prints_regions_causes_and_verdict(runs, tmp_path, run_cli):
    file = vendor_file(runs, tmp_path / "vendor.dcm", lambda array: 0.5 * array)
    done = run_cli("check", file, runs / "ours", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "times 0.5" in done.out
    assert "cause: global factor 0.5" in done.out
    assert "may be a constant of 0.5" in done.out
    assert "not a clearance" in done.out
    assert "warning [densities-by-role]" in done.err
    quiet = run_cli("check", file, runs / "ours", "-o", tmp_path / "json", "--json")
    assert json.loads(quiet.out)["kind"] == "check"


def test_a_dose_of_another_patient_is_refused_unless_overridden(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm", patient="SOMEBODY^ELSE")
    with pytest.raises(InputError, match="two patients") as caught:
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out")
    assert "SOMEBODY" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    document = run_check(VendorFiles(file), runs / "ours", tmp_path / "out", override=["patients-differ"])
    assert "patients-differ" in {warning["code"] for warning in document["warnings"]}


def test_a_file_that_names_nobody_is_said(runs, tmp_path):
    file = tmp_path / "dose.nii.gz"
    write_nifti(read_dose(runs / "ours" / "dose.dcm"), file)
    document = run_check(VendorFiles(file), runs / "ours", tmp_path / "out")
    assert {"patient-unknown", "frame-unknown"} <= {warning["code"] for warning in document["warnings"]}


def test_a_dose_of_another_frame_is_refused_unless_trusted(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm", frame="1.2.3.4")
    with pytest.raises(GeometryError, match="frame of reference 1\\.2\\.3\\.4"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out")
    trusting = load_settings(None, {"dose": {"register": "trust"}})
    document = run_check(VendorFiles(file), runs / "ours", tmp_path / "out", trusting)
    assert document["causes"] == []
    assert "frames-trusted" in {warning["code"] for warning in document["warnings"]}


def test_a_dose_that_has_nothing_in_common_is_refused_unless_overridden(runs, tmp_path):
    def elsewhere(array):
        return np.random.default_rng(1).uniform(0.0, 100.0, array.shape)

    file = vendor_file(runs, tmp_path / "vendor.dcm", elsewhere)
    with pytest.raises(InputError, match="little in common"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out")
    document = run_check(VendorFiles(file), runs / "ours", tmp_path / "out", override=["maps-unlike"])
    assert "maps-unlike" in {warning["code"] for warning in document["warnings"]}


def test_an_empty_dose_is_refused(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm", np.zeros_like)
    with pytest.raises(InputError, match="none of its 8000 voxels is above 0 Gy"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out")


def test_a_dose_with_voxels_that_are_no_number_is_refused(runs, tmp_path):
    import nibabel

    file = tmp_path / "dose.nii.gz"
    write_nifti(read_dose(runs / "ours" / "dose.dcm"), file)
    image = nibabel.load(file)
    array = image.get_fdata()
    array[3, 4, 5] = np.nan
    nibabel.save(nibabel.Nifti1Image(array, image.affine), tmp_path / "nan.nii.gz")
    with pytest.raises(InputError, match=r"not finite|NaN"):
        run_check(VendorFiles(tmp_path / "nan.nii.gz"), runs / "ours", tmp_path / "out")


@pytest.mark.parametrize("factor", [100.0, 0.001, 21.0, 1 / 21.0])
def test_wrong_units_are_refused(runs, tmp_path, factor):
    file = vendor_file(runs, tmp_path / "vendor.dcm", lambda array: factor * array)
    with pytest.raises(UnitError, match="times ours"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out")


@pytest.mark.parametrize("factor", [19.0, 1 / 19.0])
def test_a_factor_below_twenty_is_no_wrong_unit(runs, tmp_path, factor):
    file = vendor_file(runs, tmp_path / "vendor.dcm", lambda array: factor * array)
    document = run_check(VendorFiles(file), runs / "ours", tmp_path / "out")
    assert document["explanation"]["factor"] == pytest.approx(factor, rel=1e-3)


def test_relative_units_are_refused(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    dataset = pydicom.dcmread(file)
    dataset.DoseUnits = "RELATIVE"
    dataset.save_as(file)
    with pytest.raises(UnitError, match="RELATIVE"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out")


def test_what_is_no_dose_is_refused(runs, tmp_path):
    ct = next((runs / "study").glob("ct*"))
    with pytest.raises(DicomError, match="not an RTDOSE"):
        run_check(VendorFiles(ct), runs / "ours", tmp_path / "out")


def test_settings_and_files_beside_our_results_are_refused(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    with pytest.raises(InputError, match="not usable: administration, dose"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out", settings())
    with pytest.raises(InputError, match="not usable: ct"):
        run_check(VendorFiles(file), runs / "ours", tmp_path / "out", files={"ct": tmp_path})


def test_results_without_activity_are_refused(runs, tmp_path):
    copy = shutil.copytree(runs / "ours", tmp_path / "copy")
    (copy / "activity.nii.gz").unlink()
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    with pytest.raises(InputError, match="no activity"):
        run_check(VendorFiles(file), copy, tmp_path / "out")


def test_settings_that_decide_nothing_are_listed(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    document = run_check(
        VendorFiles(file), runs / "study", tmp_path / "out", settings(immune={"report": True})
    )
    (notice,) = (w for w in document["warnings"] if w["code"] == "settings-carried")
    assert "immune" in notice["message"]
    assert document["causes"] == []


def test_an_unknown_override_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match="no refusal of check"):
        run_check(VendorFiles(tmp_path / "x"), runs / "ours", tmp_path / "out", override=["anything"])


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    """The page of a dose with three causes, and regions of its own."""
    folder = tmp_path_factory.mktemp("page")
    file = vendor_file(runs, folder / "vendor.dcm", lambda array: np.minimum(1.063 * array, 300.0))
    contours = {"Liver": ball_contours(*ROIS["Liver"]), "GTV1": ball_contours(ROIS["GTV1"][0], 20.0)}
    dicom.save([dicom.rtstruct(contours)], folder / "theirs", "rs")
    document = run_check(
        VendorFiles(file, list((folder / "theirs").iterdir())), runs / "ours", folder / "out"
    )
    return folder / "out", document


def test_the_page_holds_everything_and_needs_nothing_else(page):
    out, document = page
    text = (out / "check.html").read_text(encoding="utf-8")
    plain = html.unescape(text)
    assert [cause["name"] for cause in document["causes"]] == ["factor", "cut", "regions"]
    assert document["verdict"] in plain
    for cause in document["causes"]:
        assert cause["label"] in plain
    for candidate in document["causes"][0]["candidates"]:
        assert candidate["label"] in plain
    assert "Independent check for research, not a clearance" in plain
    assert "ot a medical device" in plain
    assert set(re.findall(r'(?:src|href)="([a-z]+):', text)) == {"data"}
    assert {file.name for file in (out / "figures").iterdir()} == {"doses.png", "differences.png", "dvh.png"}


@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_fits_a_screen_and_a_telephone(page, width):
    if find_chromium() is None:
        pytest.skip("there is no Chromium")
    with browser() as window:
        window.open(page[0] / "check.html", width=width)
        assert window.run("document.documentElement.scrollWidth") == width
        whole = "[...document.querySelectorAll('figure img')].every(i => i.getBoundingClientRect().right <= innerWidth)"
        assert window.run(whole)
        assert window.errors == []


def test_no_report_leaves_the_page_out(runs, tmp_path, run_cli):
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    given = ("--activity", "1 GBq", "--lung-shunt", "0.06", "--engine", "convolution")
    done = run_cli("check", file, runs / "study", "-o", tmp_path / "out", *given, "--no-report")
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "out").glob("[a-z]*")] == ["check.json"]
    assert "Their map is ours by a liver kernel scaled by density" in done.out


def test_a_dose_far_away_is_said_to_be_shifted(runs, tmp_path):
    ours = runs / "ours" / "dose.dcm"
    dose, origin = read_dose(ours), read_dose_origin(ours)
    far = dose.grid.crop((100, 0, 0), dose.grid.shape)
    write_rtdose(DoseMap(dose.array, far), tmp_path / "far.dcm", identity=origin.identity)
    document = run_check(VendorFiles(tmp_path / "far.dcm"), runs / "ours", tmp_path / "out")
    assert document["single_cause"] == "shift"
    assert document["causes"][0]["size"]["length_mm"] == pytest.approx(800.0, rel=1e-3)
    assert document["explanation"]["difference_percent"] is None
    assert document["explanation"]["residual_percent"] < 0.01


def test_a_wish_for_anonymity_is_refused(runs, tmp_path):
    file = vendor_file(runs, tmp_path / "vendor.dcm")
    with pytest.raises(InputError, match="check has no --anonymise"):
        run_check(VendorFiles(file), runs / "study", tmp_path / "out", settings(output={"anonymise": True}))
