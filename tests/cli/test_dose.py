import json

import numpy as np
import pytest
from dicom_factory import ct, nm, pet, save
from study_factory import CT_AFFINE, ROIS, SPECT_AFFINE, ball_contours, spect_counts, write_study

GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-report")
OUTPUTS = {
    "dose.dcm", "dose.nii.gz", "activity.nii.gz", "regions.seg.dcm", "regions.rtstruct.dcm", "regions.nii.gz", "regions.json",
    "dvh.csv", "metrics.json", "metrics.csv",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


def visible(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_dose_writes_every_output_and_prints_the_doses(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert visible(tmp_path / "out") == OUTPUTS
    assert "non-tumour liver" in done.out
    assert done.out.rstrip().endswith("out")


def test_json_prints_the_metrics_that_are_in_the_file(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "--json")
    metrics = json.loads(done.out)
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["predicted"], metrics["engine"], metrics["activity_bq"]) == (True, "density", 2e9)
    regions = {region["name"]: region for region in metrics["regions"]}
    liver = regions["Liver"]
    assert liver["activity_bq"] == pytest.approx(0.95 * 2e9, rel=1e-6)
    assert liver["mass_g"] == pytest.approx(1.05 * liver["volume_ml"], rel=0.002)
    assert [i["files"] for i in metrics["provenance"]["inputs"]] == [1, 40, 1]


def test_a_case_file_gives_what_options_give_and_options_win(run_cli, study, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(
        '[administration]\nactivity = "1 GBq"\nlung_shunt_fraction = 0.05\n[dose]\nengine = "local"\n[output]\nreport = false\n'
    )
    done = run_cli("dose", study, "--case", case, "--activity", "2 GBq", "-o", tmp_path / "out", "--json")
    metrics = json.loads(done.out)
    assert (metrics["activity_bq"], metrics["engine"]) == (2e9, "local")


def test_automatic_regions_can_be_switched_off(run_cli, study, tmp_path):
    found = []
    for options in ((), ("--no-automatic-regions",)):
        done = run_cli("dose", study, *GIVEN, *options, "-o", tmp_path / "out", "--json")
        metrics = json.loads(done.out)
        names = [region["name"] for region in metrics["regions"]]
        found.append("Body (automatic)" in names)
        assert ("automatic-regions" in {w["code"] for w in metrics["warnings"]}) is found[-1]
    assert found == [True, False]


def test_the_density_calibration_and_the_lung_comparison_are_settings(run_cli, study, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(
        "[dose]\nengine = 'local'\ndensity_calibration = [[-1000, 0.001], [0, 1.0], [1000, 1.6]]\n"
        "[lung]\ncompare_methods = true\n[regions]\nautomatic = false\n"
    )
    done = run_cli("dose", study, *GIVEN, "--case", case, "-o", tmp_path / "out", "--json")
    metrics = json.loads(done.out)
    assert metrics["density"]["elsewhere"] == "CT (calibration of this scanner, as given)"
    assert [row["method"] for row in metrics["lung"]["by_method"]] == [
        "mird-1kg"
    ]  # no lungs, nothing to compare
    assert metrics["provenance"]["settings"]["lung"]["compare_methods"] is True


def test_roles_can_be_given(run_cli, tmp_path):
    study = write_study(tmp_path / "study", rois={"Segment 8": ROIS["GTV1"], "Liver": ROIS["Liver"]})
    done = run_cli("dose", study, *GIVEN, "--role", "Segment 8=tumour", "-o", tmp_path / "out", "--json")
    roles = {region["name"]: region["role"] for region in json.loads(done.out)["regions"]}
    assert roles["Segment 8"] == "tumour"
    without = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "--json")
    assert "other-regions" in {w["code"] for w in json.loads(without.out)["warnings"]}


@pytest.mark.parametrize("engine", ["local", "density", "monte-carlo", "exact"])
def test_every_engine_gives_the_liver_nearly_the_same_dose(engine, run_cli, study, tmp_path):
    options = ("--engine", engine, "--histories", "200000", "--seed", "3")
    found = json.loads(run_cli("dose", study, *GIVEN, *options, "-o", tmp_path / engine, "--json").out)
    usual = json.loads(run_cli("dose", study, *GIVEN, "-o", tmp_path / "usual", "--json").out)
    assert (found["engine"], usual["engine"], usual["engine_requested"]) == (engine, "density", "auto")
    liver, expected = (m["regions"][0] for m in (found, usual))
    # local deposition keeps what crosses the surface (3 to 4 % here); the others differ by statistics and scattering
    assert liver["mean_gy"] == pytest.approx(expected["mean_gy"], rel=0.05 if engine == "local" else 0.01)
    simulated = engine in ("monte-carlo", "exact")
    assert (liver["relative_uncertainty"] is not None) is simulated
    assert (tmp_path / engine / "dose_uncertainty.nii.gz").exists() is simulated


def test_a_coarser_grid_keeps_activity_and_mean_dose(run_cli, study, tmp_path):
    fine = json.loads(run_cli("dose", study, *GIVEN, "-o", tmp_path / "a", "--json", "--grid", "4").out)
    coarse = json.loads(run_cli("dose", study, *GIVEN, "-o", tmp_path / "b", "--json").out)
    assert fine["regions"][0]["activity_bq"] == pytest.approx(coarse["regions"][0]["activity_bq"], rel=1e-6)
    assert fine["regions"][0]["mean_gy"] == pytest.approx(coarse["regions"][0]["mean_gy"], rel=0.02)


def test_our_own_folder_is_replaced(run_cli, study, tmp_path):
    for _ in range(2):
        assert run_cli("dose", study, *GIVEN, "-o", tmp_path / "out").code == 0
    assert visible(tmp_path / "out") == OUTPUTS


def test_anonymised_outputs_hold_no_identity(run_cli, tmp_path):
    markers = {"PatientName": "XQMARK^NAME", "PatientID": "XQMARKID", "AccessionNumber": "XQMARKACC"}
    markers["StudyInstanceUID"] = "1.2.3.4.77777"
    rois = {"Liver": ROIS["Liver"], "xqmark lesion": ROIS["GTV1"]}
    study = write_study(tmp_path / "XQMARKFOLDER", rois=rois, **markers)
    uid = str(nm(spect_counts(), SPECT_AFFINE).SeriesInstanceUID)
    arguments = (
        "--role",
        "xqmark lesion=tumour",
        "--emission-series",
        uid,
        "--time",
        "1999-12-31T10:00",
        "--anonymise",
    )
    done = run_cli(
        "dose",
        study,
        "--activity",
        "2 GBq",
        "--lung-shunt",
        "0",
        *arguments,
        "-o",
        tmp_path / "out",
        "--json",
    )
    assert done.code == 0, done.err
    assert next(r for r in json.loads(done.out)["regions"] if r["role"] == "tumour")["name"] == "region 2"
    outputs = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    outputs["streams"] = (done.out + done.err).encode()
    for secret in ("xqmark", uid, "1.2.3.4.77777", "1999-12-31", "19991231"):
        for name, content in outputs.items():
            assert secret.encode() not in content.lower(), (secret, name)


def test_an_anonymised_mask_does_not_keep_the_name_of_its_file(run_cli, tmp_path):
    from y90voxel.io.nifti import write_nifti
    from y90voxel.volumes.grid import Grid
    from y90voxel.volumes.volume import CountMap

    grid = Grid((20, 20, 20), SPECT_AFFINE)
    write_nifti(CountMap(spect_counts().astype(float), grid), tmp_path / "MARKER_spect.nii.gz")
    write_nifti(CountMap((spect_counts() > 0).astype(float), grid), tmp_path / "MARKER_liver.nii.gz")
    files = ("--emission", tmp_path / "MARKER_spect.nii.gz", "--regions", tmp_path / "MARKER_liver.nii.gz")
    chosen = ("--calibration", "relative", "--role", "MARKER_liver=liver", "--anonymise")
    done = run_cli("dose", *files, *chosen, *GIVEN, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert "MARKER" not in done.out
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"MARKER" not in path.read_bytes(), path.name


REFUSED = {
    "no activity": (("--lung-shunt", "0.05"), "needs the administered activity"),
    "no shunt": (("--activity", "2 GBq"), "needs the lung shunt fraction"),
    "unknown nuclide": ((*GIVEN, "--nuclide", "Xx-99"), "Xx-99"),
    "not a therapy nuclide": ((*GIVEN, "--nuclide", "Tc-99m"), "not a therapy nuclide"),
    "activity without unit": (("--activity", "2", "--lung-shunt", "0.05"), "cannot read '2'"),
    "shunt in percent": (("--activity", "2 GBq", "--lung-shunt", "5"), "outside 0 to 1"),
    "unknown engine": ((*GIVEN, "--engine", "magic"), "dose.engine = 'magic'"),
    "unknown calibration": ((*GIVEN, "--calibration", "magic"), "dose.calibration = 'magic'"),
    "unknown role": ((*GIVEN, "--role", "Liver=spleen"), "unknown role 'spleen'"),
    "role without sign": ((*GIVEN, "--role", "Liver"), "is not NAME=ROLE"),
    "role of nothing": ((*GIVEN, "--role", "Spleen=other"), "the regions are"),
    "bad time": ((*GIVEN, "--time", "tomorrow"), "administration.time = 'tomorrow'"),
    "bad time zone": ((*GIVEN, "--time-zone", "Moon/Base"), "unknown time zone 'Moon/Base'"),
    "residual alone": (
        ("--residual", "60 MBq", "--lung-shunt", "0"),
        "residual is given without the vial activity",
    ),
    "absolute surrogate": ((*GIVEN, "--calibration", "absolute"), "activity of the surrogate"),
    "factor without factor": ((*GIVEN, "--calibration", "factor"), "--calibration-factor"),
    "missing case file": ((*GIVEN, "--case", "no.toml"), "no.toml cannot be read"),
    "unknown series": ((*GIVEN, "--emission-series", "9.9.9"), "9.9.9"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_requests_end_with_2_and_write_nothing(name, run_cli, study, tmp_path):
    arguments, message = REFUSED[name]
    done = run_cli("dose", study, *arguments, "-o", tmp_path / "out")
    assert (done.code, message in done.err) == (2, True), done.err
    assert list(tmp_path.iterdir()) == []


def test_errors_as_json(run_cli, study, tmp_path):
    done = run_cli("dose", study, "--lung-shunt", "0", "--json", "-o", tmp_path / "out")
    error = json.loads(done.err)["error"]
    assert done.code == 2
    assert (error["type"], error["tag"]) == ("InputError", "administration.activity")
    assert error["file"] is None


def refused(run_cli, study, tmp_path, message, *arguments):
    done = run_cli("dose", study, *(arguments or GIVEN), "-o", tmp_path / "out")
    assert (done.code, message in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()


def test_no_emission_image_is_refused(run_cli, tmp_path):
    folder = tmp_path / "study"
    save(ct(np.zeros((3, 4, 4), np.int16), CT_AFFINE), folder)
    refused(run_cli, folder, tmp_path, "no emission image")


def test_an_empty_or_missing_folder_is_refused(run_cli, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(run_cli, tmp_path / "empty", tmp_path, "DICOM")
    refused(run_cli, tmp_path / "missing", tmp_path, "missing")


def test_two_emission_images_are_refused_with_the_list_and_one_can_be_chosen(run_cli, tmp_path):
    images = [nm(spect_counts(), SPECT_AFFINE, series=name) for name in ("first", "second")]
    study = write_study(tmp_path / "study", nm=images)
    refused(run_cli, study, tmp_path, "--emission-series")
    chosen = images[1].SeriesInstanceUID
    assert run_cli("dose", study, *GIVEN, "--emission-series", chosen, "-o", tmp_path / "out").code == 0


def test_an_emission_image_without_geometry_is_refused(run_cli, tmp_path):
    image = nm(spect_counts(), SPECT_AFFINE, DetectorInformationSequence=None)
    refused(run_cli, write_study(tmp_path / "study", nm=[image]), tmp_path, "ImagePositionPatient")


def test_a_pet_that_is_not_in_bqml_is_refused(run_cli, tmp_path):
    images = pet(spect_counts(), SPECT_AFFINE, Units="CNTS")
    refused(run_cli, write_study(tmp_path / "study", nm=images), tmp_path, "BQML")


@pytest.mark.parametrize("name", ["Liver", "GTV1"])
def test_a_liver_or_tumour_not_wholly_inside_is_refused(name, run_cli, tmp_path):
    rois = dict(ROIS) | {name: ((0, 0, 60), 40.0)}
    study = write_study(tmp_path / "study", rois=rois)
    refused(run_cli, study, tmp_path, f"{name!r} is not wholly inside")


def test_truncated_lungs_are_a_warning(run_cli, tmp_path):
    study = write_study(tmp_path / "study", rois=dict(ROIS) | {"Lungs": ((0, 0, 75), 30.0)})
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)
    assert "lungs-truncated" in {w["code"] for w in metrics["warnings"]}
    assert metrics["lung"]["fraction_in_fov"] < 1


def test_a_missing_liver_is_refused_when_it_is_asked_for(run_cli, tmp_path):
    study = write_study(tmp_path / "study", rois={"GTV1": ROIS["GTV1"]})
    refused(run_cli, study, tmp_path, "needs a liver region")
    fov = (*GIVEN, "--calibration-region", "fov", "--device", "glass")
    refused(run_cli, study, tmp_path, "ask for the non-tumour liver", *fov)


def test_a_folder_that_is_not_ours_is_left_alone(run_cli, study, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    done = run_cli("dose", study, *GIVEN, "-o", out)
    assert (done.code, "thesis.txt" in done.err) == (2, True)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_kernel_file_that_was_changed_is_refused(run_cli, study, tmp_path, monkeypatch):
    import shutil

    from y90voxel.reference import radial_kernel, shipped

    copy = tmp_path / "kernels"
    shutil.copytree(shipped.shipped_folder("kernels"), copy)
    victim = copy / "y90_liver_penelope.csv"
    victim.write_text(victim.read_text().replace("0.1", "0.2", 1))
    monkeypatch.setattr(shipped, "shipped_folder", lambda name: copy)
    for cached in (shipped.kernel_index, shipped.shipped_kernel_text, radial_kernel._read):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
    done = run_cli("dose", study, *GIVEN, "--engine", "convolution", "--grid", "7.77", "-o", tmp_path / "out")
    assert (done.code, "y90_liver_penelope.csv" in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()


def test_a_bug_is_a_traceback_and_exit_code_1(run_cli, study, tmp_path, monkeypatch):
    monkeypatch.setattr("y90voxel.study.run_dose.verify", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_cli("dose", study, *GIVEN, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_regions_on_another_frame_are_refused_unless_trusted(run_cli, tmp_path):
    from dicom_factory import rtstruct

    study = write_study(tmp_path / "study", with_regions=False)
    contours = {name: ball_contours(*shape) for name, shape in ROIS.items()}
    save([rtstruct(contours, frame="1.2.3.4")], study, "rs")
    refused(run_cli, study, tmp_path, "--trust-frames")
    done = run_cli("dose", study, *GIVEN, "--trust-frames", "-o", tmp_path / "out")
    assert done.code == 0, done.err


def test_limits_of_a_dose_run_heed_scenario_and_bilirubin(run_cli, study, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(
        "[plan]\nscenario = 'bilobar'\ndisease = 'HCC'\nprevious_lung_doses_gy = [12]\n[patient]\nbilirubin_umol_per_l = 10\n"
    )
    done = run_cli(
        "dose",
        study,
        *GIVEN,
        "--device",
        "glass",
        "--case",
        case,
        "--engine",
        "local",
        "-o",
        tmp_path / "out",
        "--json",
    )
    limits = {row["name"]: row for row in json.loads(done.out)["limits"]}
    assert (
        limits["whole non-tumour liver, HCC, bilirubin above 1.1 mg/dL"]["reason"] == "for raised bilirubin"
    )
    assert limits["whole non-tumour liver, HCC, lobar treatment"]["status"] == "not applicable"
    assert limits["whole non-tumour liver, HCC, bilirubin below 1.1 mg/dL"]["status"] in ("met", "not met")
    assert limits["lungs, all treatments"]["value_gy"] == pytest.approx(
        12 + limits["lungs, one treatment"]["value_gy"]
    )
