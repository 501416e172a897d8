"""Commissioning from a folder of DICOM to a folder of results, by the command."""

import json
import tomllib

import dicom_factory as dicom
import numpy as np
import pydicom
import pytest
from study_factory import ring_of
from twin_images import true_centres

from y90voxel.case.filling_record import read_filling_record
from y90voxel.case.twin_settings import TwinSettings
from y90voxel.errors import InputError
from y90voxel.io.nifti import write_nifti
from y90voxel.io.phantom_tables import read_recovery
from y90voxel.io.toml_files import toml_text
from y90voxel.phantoms.twin_study import TwinStudy
from y90voxel.study.run_commission import run_commission
from y90voxel.study.run_twin import write_twin
from y90voxel.volumes.volume import Volume

SETTINGS = {
    "filling": {
        "nuclide": "Ho-166",
        "uncertainty": {"activity": "3 %", "volume": "1 %"},
        "spheres": {"activity": "120 MBq", "activity_time": "2026-03-02T12:00", "volume_ml": 60},
    },
    "camera": {
        "modality": "NM", "voxel_mm": [5, 5, 5], "fwhm_mm": 9.0, "sensitivity": 20,
        "reconstruction": "OSEM 5i12s", "filter": "Gauss 5",
    },
    "place": {"field_mm": [70, 180, 180], "shift_mm": [2, -3, 1]},
    "hours": [2, 40],
}  # fmt: skip


def without_limits(folder):
    """Take the limits out of a filling record."""
    record = tomllib.loads((folder / "filling.toml").read_text())
    record.pop("limits", None)
    (folder / "filling.toml").write_text(toml_text(record))
    return folder


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "twin"
    settings = TwinSettings.model_validate(
        SETTINGS | {"filling": SETTINGS["filling"] | {"limits": {"fwhm_mm": 9.5}}}
    )
    write_twin(settings, folder)
    return folder


@pytest.fixture(scope="module")
def commissioned(phantom, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "first"
    return run_commission(phantom, out), out


def test_everything_that_a_site_needs_is_written(commissioned):
    document, out = commissioned
    scanner = tomllib.loads((out / "scanner.toml").read_text())
    assert (
        scanner["calibration"]["factor_cps_per_mbq"]
        == document["calibration"]["value"]
        == pytest.approx(20, rel=0.005)
    )
    assert scanner["reconstruction"]["method"] == "OSEM 5i12s"
    assert scanner["reconstruction"]["filter"] == "Gauss 5"
    assert (scanner["nuclide"], scanner["modality"]) == ("Ho-166", "NM")
    assert scanner["dead_time"]["time_constant_us"] == pytest.approx(0.0, abs=0.05)
    fit = read_recovery(out / "recovery.csv")
    assert fit.b1_ml == pytest.approx(scanner["recovery"]["b1_ml"], rel=1e-3)
    np.testing.assert_allclose(fit.covariance, scanner["recovery"]["covariance"], rtol=1e-2)
    assert document["limits"][0]["passed"]
    assert {i["role"] for i in document["provenance"]["inputs"]} == {"filling record", "phantom image"}
    page = (out / "commission.html").read_text(encoding="utf-8")
    assert "Ho-166 SPECT" in page
    assert "passed" in page
    assert (out / "figures" / "phantom.png").stat().st_size > 10_000
    assert (out / "figures" / "linearity.png").exists()
    assert "cold-background" in {w["code"] for w in document["warnings"]}


def test_the_command_prints_recovery_and_a_trend(run_cli, commissioned, phantom, tmp_path):
    done = run_cli("commission", phantom, "-o", tmp_path / "again", "--earlier", commissioned[1])
    assert done.code == 0, done.err
    assert "cps/MBq" in done.out
    assert "commission.html" in done.out
    document = json.loads((tmp_path / "again" / "commission.json").read_text())
    (before,) = document["trend"]
    assert before["calibration"] == document["calibration"]["value"]
    assert before["recovery"]["37"] == document["acquisitions"][0]["spheres"][-1]["recovery"]
    assert (tmp_path / "again" / "figures" / "trend.png").exists()
    quiet = run_cli("commission", phantom, "-o", tmp_path / "json", "--json", "--no-report")
    assert json.loads(quiet.out)["kind"] == "commission"
    assert not (tmp_path / "json" / "commission.html").exists()


def test_a_trend_of_another_nuclide_is_refused(commissioned, phantom, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "commission.json").write_text(json.dumps(commissioned[0] | {"nuclide": "Y-90"}))
    with pytest.raises(InputError, match="of Y-90 in NM, this phantom of Ho-166"):
        run_commission(phantom, tmp_path / "out", earlier=[other])


def test_a_folder_without_record_or_images_is_refused(phantom, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no filling record"):
        run_commission(tmp_path / "empty", tmp_path / "out")
    ct = dicom.save(dicom.ct(np.zeros((3, 4, 4), np.int16)), tmp_path / "ct")
    assert ct
    with pytest.raises(InputError, match="no reconstructed SPECT or PET"):
        run_commission(tmp_path / "ct", tmp_path / "out", filling=phantom / "filling.toml")


def changed_copy(phantom, folder, which, **attributes):
    """The phantom with attributes of one acquisition changed."""
    import shutil

    shutil.copytree(phantom, folder)
    path = folder / which / "volume.dcm"
    pydicom.dcmread(path)
    dataset = dicom.change(pydicom.dcmread(path), **attributes)
    dataset.save_as(path)
    return without_limits(folder)


def test_images_of_two_reconstructions_are_refused(phantom, tmp_path):
    folder = changed_copy(phantom, tmp_path / "two", "acquisition_2", ConvolutionKernel="Gauss 8")
    with pytest.raises(InputError, match="reconstructed differently"):
        run_commission(folder, tmp_path / "out")


def test_a_record_that_contradicts_the_header_is_refused_and_fills_what_it_lacks(phantom, tmp_path):
    folder = without_limits(changed_copy(phantom, tmp_path / "one", "acquisition_1", ConvolutionKernel=None))
    (folder / "acquisition_2" / "volume.dcm").unlink()
    unknown = run_commission(folder, tmp_path / "unknown", report=False)
    assert "filter-unknown" in {w["code"] for w in unknown["warnings"]}
    text = (folder / "filling.toml").read_text()
    (folder / "filling.toml").write_text(text + '\n[image]\nfilter = "Gauss 5 mm"\n')
    known = run_commission(folder, tmp_path / "known", report=False)
    assert known["reconstruction"]["filter"] == "Gauss 5 mm"
    assert "dead-time-unknown" in {w["code"] for w in known["warnings"]}
    (folder / "filling.toml").write_text(text + '\n[image]\nreconstruction = "FBP"\n')
    with pytest.raises(InputError, match="'FBP', the image headers 'OSEM 5i12s'"):
        run_commission(folder, tmp_path / "out")


def drawn(phantom, folder, names):
    """The first acquisition with an RTSTRUCT of spheres beside it."""
    import shutil

    shutil.copytree(phantom, folder)
    shutil.rmtree(folder / "acquisition_2")
    twin = TwinStudy(TwinSettings.model_validate(SETTINGS))
    frame = pydicom.dcmread(folder / "acquisition_1" / "volume.dcm").FrameOfReferenceUID
    rois = {}
    for name, sphere, centre in zip(names, twin.layout.spheres, true_centres(twin), strict=True):
        radius = 0.5 * sphere.diameter_mm
        heights = (
            np.arange(np.ceil((centre[2] - radius) / 2.5), np.floor((centre[2] + radius) / 2.5) + 1) * 2.5
        )
        rois[name] = [
            ring_of(max(np.sqrt(max(radius**2 - (z - centre[2]) ** 2, 0)), 1.0), centre, z) for z in heights
        ]
    dicom.save(dicom.rtstruct(rois, frame=frame), folder / "drawn")
    text = (without_limits(folder) / "filling.toml").read_text()
    (folder / "filling.toml").write_text('contours = "drawn"\n' + text)
    return folder


def test_drawn_spheres_are_taken_by_their_names(phantom, tmp_path):
    folder = drawn(phantom, tmp_path / "drawn", [f"Sphere {d} mm" for d in (10, 13, 17, 22, 28, 37)])
    assert read_filling_record(folder / "filling.toml").contours == folder / "drawn"
    document = run_commission(folder, tmp_path / "out", report=False)
    truth = json.loads((folder / "truth.json").read_text())
    for found, true in zip(document["acquisitions"][0]["spheres"], truth["spheres"], strict=True):
        assert np.linalg.norm(np.subtract(found["centre_mm"], true["centre_mm"])) < 0.7
    nameless = drawn(phantom, tmp_path / "nameless", list("abcdef"))
    with pytest.raises(InputError, match="has 0 drawn spheres"):
        run_commission(nameless, tmp_path / "out2")


PET = {
    "filling": {"nuclide": "Y-90", "spheres": SETTINGS["filling"]["spheres"]},
    "camera": {"modality": "PT", "voxel_mm": [5, 5, 5], "fwhm_mm": 8.0, "reconstruction": "OSEM", "filter": "none"},
    "place": SETTINGS["place"], "hours": [2],
}  # fmt: skip
SIDECAR = {
    "Modality": "PT", "TracerRadionuclide": "Y90", "Units": "Bq/mL", "TimeZero": "14:00:00", "ScanDate": "2026-03-02",
    "ScanStart": 0,
    "InjectionStart": -7200, "FrameTimesStart": [0], "FrameDuration": [1800], "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0, "AttenuationCorrection": "CT-based", "RadionuclidePositronFraction": 3.186e-5,
}  # fmt: skip


def as_nifti(folder, **changes):
    """The image of the PET twin as NIfTI with its side-car; changes of None take a key away."""
    settings = TwinSettings.model_validate(PET)
    (frame,) = TwinStudy(settings).frames()
    write_nifti(Volume(frame.values.astype(np.float32), TwinStudy(settings).grid), folder / "pet.nii.gz")
    stated = {key: value for key, value in (SIDECAR | changes).items() if value is not None}
    (folder / "pet.json").write_text(json.dumps(stated))
    return folder / "pet.nii.gz"


def test_a_pet_with_side_car_tells_what_its_dicom_tells(run_cli, tmp_path):
    write_twin(TwinSettings.model_validate(PET), tmp_path / "twin")
    asked = ("commission", tmp_path / "twin", "--no-report", "--json", "-o")
    plain = json.loads(run_cli(*asked, tmp_path / "dicom").out)
    done = run_cli(*asked, tmp_path / "nifti", "--emission", as_nifti(tmp_path))
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["calibration"]["value"] == pytest.approx(plain["calibration"]["value"], rel=1e-4)
    for one, other in zip(
        found["acquisitions"][0]["spheres"], plain["acquisitions"][0]["spheres"], strict=True
    ):
        assert one["recovery"] == pytest.approx(other["recovery"], abs=5e-4)
    assert [i["file"] for i in found["provenance"]["inputs"]] == ["filling.toml", "pet.nii.gz"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ScanDate": None}, r"pet\.nii\.gz states no date \(ScanDate\)"),
        (dict.fromkeys(SIDECAR), r"pet\.nii\.gz states neither unit, time nor nuclide"),
    ],
)
def test_an_image_file_that_does_not_state_what_it_needs_is_refused(tmp_path, changes, message):
    write_twin(TwinSettings.model_validate(PET), tmp_path / "twin")
    with pytest.raises(InputError, match=message):
        run_commission(tmp_path / "twin", tmp_path / "out", images=[as_nifti(tmp_path, **changes)])
