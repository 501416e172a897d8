"""`dose --sr --pdf-dicom`: what a registry reads of a run is what its tables say; what cannot be stated is refused."""

import json
from dataclasses import replace
from datetime import datetime

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from cli_privacy import files_below, leaks
from dicom_checks import DCIODVFY, dciodvfy_errors
from evaluation_factory import make_evaluation
from rrdsr_reader import read_rrdsr
from study_factory import (
    CT_AFFINE,
    ROIS,
    SOFT_TISSUE,
    SPECT_AFFINE,
    ball_contours,
    write_study,
    write_therapy_study,
)

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.study.administered_doses import check_administrations
from y90voxel.study.read_study import read_study
from y90voxel.study.run_dose import run_study

GIVEN = {
    "administration": {"activity": "2 GBq", "residual": "50 MBq", "residual_time": "2024-03-12T09:00",
                       "time": "2024-03-12T08:00", "lung_shunt_fraction": 0.05, "device": "glass"},
    "dose": {"engine": "local"}, "regions": {"automatic": False},
    "output": {"report": False, "sr": True},
}  # fmt: skip
ALL_ROIS = ROIS | {"Kidney left": ((20, -30, 40), 9.0), "Nobody's organ": ((-30, -30, 40), 9.0)}
WHO = {"PatientName": "Zqx^Anna", "PatientID": "ZQX-1", "PatientBirthDate": "19110203"}


def settings(**tables):
    merged = {name: GIVEN.get(name, {}) | tables.get(name, {}) for name in {*GIVEN, *tables} - {"injection"}}
    return load_settings(None, merged | ({"injection": tables["injection"]} if "injection" in tables else {}))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_therapy_study(tmp_path_factory.mktemp("study"), rois=ALL_ROIS, **WHO)


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "out"
    run_study(study, folder, settings(output={"pdf_dicom": True}))
    return folder


def test_a_registry_reads_the_run(out):
    read, metrics = read_rrdsr(out / "dose.sr.dcm"), json.loads((out / "metrics.json").read_text())
    assert read["patient"] == ("Zqx^Anna", "ZQX-1")
    assert (read["agent"][1], read["nuclide"][1], read["brand"]) == (
        "Yttrium^90^ microspheres",
        "^90^Yttrium",
        "TheraSphere",
    )
    assert read["activity_mbq"] == pytest.approx(metrics["activity_bq"] / 1e6, rel=1e-9)
    assert (read["before"], read["after"]) == ((2000.0, None), (50.0, "20240312090000"))
    assert (read["start"], read["half_life_s"], read["comment"]) == ("20240312080000", 230760.0, None)
    by_name = {region["name"]: region for region in metrics["regions"]}
    organs = {organ.pop("name"): organ for organ in read["organs"]}
    assert {name: organ["site"][1] for name, organ in organs.items()} == {
        "Liver": "Liver", "GTV1": "Neoplasm", "Kidney left": "Kidney", "lungs": "Lung",
    }  # fmt: skip
    assert organs["Kidney left"]["side"] == "Left"
    for name in ("Liver", "GTV1", "Kidney left"):
        assert organs[name]["dose_mgy"] == pytest.approx(
            1e3 * by_name[name]["mass_weighted_mean_gy"], rel=1e-9
        )
        assert organs[name]["mass_g"] == pytest.approx(by_name[name]["mass_g"], rel=1e-9)
    assert organs["lungs"]["dose_mgy"] == pytest.approx(1e3 * metrics["lung"]["mean_mird_1kg_gy"], rel=1e-9)
    assert (organs["lungs"]["mass_g"], organs["lungs"]["side"]) == (1000.0, "Bilateral")
    assert ", local, " in organs["Liver"]["authority"]
    assert not any("administration.time" in warning["message"] for warning in metrics["warnings"])


def test_the_report_is_enclosed_and_refers_to_images_and_dose(out, study):
    enclosed = pydicom.dcmread(out / "report.pdf.dcm")
    content = enclosed.EncapsulatedDocument[: enclosed.EncapsulatedDocumentLength]
    assert content == (out / "report.pdf").read_bytes()
    assert not (out / "report.html").exists()
    sources = {item.ReferencedSOPInstanceUID for item in enclosed.SourceInstanceSequence}
    assert {pydicom.dcmread(out / "dose.dcm").SOPInstanceUID, factory.uid("nm/0")} <= sources
    assert enclosed.StudyInstanceUID == pydicom.dcmread(out / "dose.dcm").StudyInstanceUID == factory.STUDY


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error_in_either(out):
    for name, kind in (
        ("dose.sr.dcm", "RadiopharmaceuticalRadiationDoseSR"),
        ("report.pdf.dcm", "EncapsulatedPDF"),
    ):
        assert dciodvfy_errors(out / name, kind) == []


def test_a_study_with_its_results_among_its_files_is_read_as_before(out, study, tmp_path):
    for path in (*study.iterdir(), out / "dose.sr.dcm", out / "report.pdf.dcm"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before, after = read_study(study), read_study(tmp_path)
    np.testing.assert_array_equal(before.emissions[0].volume.array, after.emissions[0].volume.array)
    assert [region.name for region in before.drawn] == [region.name for region in after.drawn]


def test_an_administration_keeps_its_event_uid(out, study, tmp_path):
    run_study(study, tmp_path / "again", settings())
    assert read_rrdsr(tmp_path / "again" / "dose.sr.dcm")["uid"] == read_rrdsr(out / "dose.sr.dcm")["uid"]


@pytest.mark.parametrize(("stated", "kept"), [("1.2.3.77", True), ("1.2.x", False)])
def test_the_event_uid_of_the_image_header_is_kept_where_it_is_one(study, tmp_path, stated, kept):
    for path in study.iterdir():
        dataset = pydicom.dcmread(path)
        if path.name.startswith("nm"):
            item = dataset.RadiopharmaceuticalInformationSequence[0]
            with pydicom.config.disable_value_validation():
                item.RadiopharmaceuticalAdministrationEventUID = stated
        dataset.save_as(tmp_path / path.name, enforce_file_format=True)
    run_study(tmp_path, tmp_path / "out", settings())
    assert (read_rrdsr(tmp_path / "out" / "dose.sr.dcm")["uid"] == stated) is kept
    run_study(tmp_path, tmp_path / "nobody", settings(output={"anonymise": True}))
    assert read_rrdsr(tmp_path / "nobody" / "dose.sr.dcm")["uid"] != stated


def test_where_identity_is_removed_nothing_of_patient_study_or_time_is_in_them(study, tmp_path):
    run_study(study, tmp_path / "out", settings(output={"anonymise": True, "pdf_dicom": True}))
    read = read_rrdsr(tmp_path / "out" / "dose.sr.dcm")
    assert read["patient"] == ("", "")
    assert (read["start"], read["before"], read["after"]) == ("19000101", (2000.0, None), (50.0, None))
    assert "1900-01-01 is none" in read["comment"]
    outputs = {name: files_below(tmp_path / "out")[name] for name in ("dose.sr.dcm", "report.pdf.dcm")}
    assert leaks(outputs, ["zqx", "19110203", "20240312"]) == []
    uids = {factory.STUDY, *(factory.uid(name) for name in ("nm", "ct", "nm/0", "ct/0", "rtstruct/0"))}
    for name in outputs:
        elements = pydicom.dcmread(tmp_path / "out" / name).iterall()
        assert not uids & {str(element.value) for element in elements if element.VR == "UI"}


def test_a_prediction_is_not_stated_as_administered(tmp_path):
    write_study(tmp_path / "maa")
    with pytest.raises(InputError, match="predicted from a surrogate image") as caught:
        run_study(tmp_path / "maa", tmp_path / "out", settings())
    assert caught.value.tag == "output.sr"
    assert not (tmp_path / "out").exists()


def test_an_administration_needs_its_time_unless_none_may_be_told(study, tmp_path):
    for path in study.iterdir():
        dataset = pydicom.dcmread(path)
        for item in dataset.get("RadiopharmaceuticalInformationSequence", ()):
            factory.change(item, RadiopharmaceuticalStartTime=None, RadiopharmaceuticalStartDateTime=None)
        dataset.save_as(tmp_path / path.name, enforce_file_format=True)
    study, timeless = tmp_path, {"time": None, "residual_time": None}
    with pytest.raises(InputError, match=r"needs the time of administration, which .* Give --time") as caught:
        run_study(study, tmp_path / "out", settings(administration=timeless))
    assert caught.value.tag == "administration.time"
    run_study(study, tmp_path / "out", settings(administration=timeless, output={"anonymise": True}))
    assert read_rrdsr(tmp_path / "out" / "dose.sr.dcm")["start"] == "19000101"


def several(study, tmp_path, **first):
    """The study, followed by one scan after two injections."""
    facts = {"lung_shunt_fraction": 0.05}
    injections = [
        facts | {"net_activity": "1.2 GBq", "time": "2024-03-11T08:00", "territory": "GTV1"} | first,
        facts | {"net_activity": "0.8 GBq", "time": "2024-03-12T08:00"},
    ]
    injections = [{k: v for k, v in one.items() if v is not None} for one in injections]
    given = {
        "activity": None,
        "residual": None,
        "residual_time": None,
        "time": None,
        "lung_shunt_fraction": None,
    }
    run_study(study, tmp_path / "out", settings(administration=given, injection=injections))
    return tmp_path / "out"


def test_each_of_several_injections_has_its_object_and_none_the_doses_of_all(study, tmp_path):
    out = several(study, tmp_path)
    assert not (out / "dose.sr.dcm").exists()
    read = [read_rrdsr(out / f"dose_injection_{number}.sr.dcm") for number in (1, 2)]
    assert [one["activity_mbq"] for one in read] == [1200.0, 800.0]
    assert [one["start"] for one in read] == ["20240311080000", "20240312080000"]
    assert read[0]["uid"] != read[1]["uid"]
    assert [one["organs"] for one in read] == [[], []]
    codes = {w["code"] for w in json.loads((out / "metrics.json").read_text())["warnings"]}
    assert "sr-organ-doses-left-out" in codes
    assert all("2 administrations together" in one["comment"] for one in read)


def test_each_of_several_images_needs_the_activity_of_its_injection():
    case = make_evaluation(predicted=False).case
    (given,) = case.injections
    timed = replace(given, administration=replace(given.administration, time=datetime(2024, 3, 12, 8)))
    second = replace(
        timed,
        emission=replace(given.emission),
        administration=replace(timed.administration, activity_bq=None),
    )
    check_administrations(replace(case, injections=(timed,)), anonymised=False)
    with pytest.raises(InputError, match="the activity of injection 2, and none is given") as caught:
        check_administrations(replace(case, injections=(timed, second)), anonymised=False)
    assert caught.value.tag == "injection.activity"
    with pytest.raises(InputError, match="the time of administration of injection 1"):
        check_administrations(replace(case, injections=(given, second)), anonymised=False)


def pet_study(folder, **drug):
    """A PET in Bq/mL of the therapy, that states its own activity."""
    values = np.full((20, 20, 20), 1000, np.uint16)
    images = factory.pet(values, SPECT_AFFINE)
    for image in images:
        factory.change(image.RadiopharmaceuticalInformationSequence[0], **drug)
    contours = {name: ball_contours(*shape) for name, shape in ROIS.items()}
    ct = factory.ct(np.full((40, 40, 40), SOFT_TISSUE, np.int16), CT_AFFINE)
    for prefix, datasets in {"pt": images, "ct": ct, "rs": [factory.rtstruct(contours)]}.items():
        factory.save(datasets, folder, prefix)
    return folder


def test_without_a_stated_activity_that_of_the_image_is_stated_as_such(tmp_path):
    given = {"activity": None, "residual": None, "residual_time": None, "time": None}
    run_study(pet_study(tmp_path / "pet"), tmp_path / "out", settings(administration=given))
    read, metrics = (
        read_rrdsr(tmp_path / "out" / "dose.sr.dcm"),
        json.loads((tmp_path / "out" / "metrics.json").read_text()),
    )
    assert read["activity_mbq"] == pytest.approx(metrics["activity_bq"] / 1e6, rel=1e-9)
    assert "administered activity is that of the image" in read["comment"]
    assert read["procedure"][1] == "PET study for localization of tumor"
    header = pydicom.dcmread(tmp_path / "pet" / "pt0000").RadiopharmaceuticalInformationSequence[0]
    assert read["start"] == str(header.RadiopharmaceuticalStartDateTime)[:14]
