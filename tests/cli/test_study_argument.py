"""What stands in the place of a study, and regions of several files, on the command line."""

import json

import numpy as np
import pytest
from dicom_factory import rtstruct, save
from study_factory import CT_AFFINE, ROIS, ball_contours, distances, write_study

from y90voxel.io.nifti import write_nifti
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid((40, 40, 40), CT_AFFINE)
GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-report", "--engine", "local", "--json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study without regions, and liver and tumour as a file each."""
    root = tmp_path_factory.mktemp("study")
    write_study(root / "dicom", with_regions=False)
    for name, (centre, radius) in {"liver": ROIS["Liver"], "tumour": ROIS["GTV1"]}.items():
        inside = distances(GRID.shape, CT_AFFINE, centre) < radius
        write_nifti(Mask(inside.astype(float), GRID), root / f"{name}.nii.gz")
        save([rtstruct({name: ball_contours(centre, radius)}, series=name)], root, name)
    write_nifti(DoseMap(100.0 + 0.0 * inside, GRID), root / "dose.nii.gz")
    (root / "notes.txt").write_text("liver and tumour")
    return root


@pytest.mark.parametrize("command", ["dose", "plan"])
def test_region_files_add_up_and_stand_in_the_provenance(run_cli, folder, tmp_path, command):
    files = [("--regions", folder / f"{name}.nii.gz") for name in ("tumour", "liver")]
    done = run_cli(command, folder / "dicom", *files[0], *files[1], *GIVEN, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    inputs = found["provenance"]["inputs"]
    assert sorted(i["file"] for i in inputs if i["role"] == "regions") == ["liver.nii.gz", "tumour.nii.gz"]
    named = json.loads((tmp_path / "out" / "regions.json").read_text())["regions"]
    assert {"liver", "tumour", "non-tumour liver"} <= {region["name"] for region in named}


def test_dvh_takes_several_files_of_regions(run_cli, folder, tmp_path):
    rois = (folder / "liver0000", folder / "tumour.nii.gz")
    done = run_cli("dvh", folder / "dose.nii.gz", *rois, "-o", tmp_path / "out", "--no-report", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    roles = {region["name"]: region["role"] for region in found["regions"]}
    assert (roles["liver"], roles["tumour"], "non-tumour liver" in roles) == ("liver", "tumour", True)
    assert [i["file"] for i in found["provenance"]["inputs"]] == ["dose.nii.gz", "liver0000", "tumour.nii.gz"]


def test_dvh_takes_a_folder_with_one_region_object(run_cli, folder, tmp_path):
    save([rtstruct({"Liver": ball_contours(*ROIS["Liver"])})], tmp_path / "rs")
    done = run_cli("dvh", folder / "dose.nii.gz", tmp_path / "rs", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert [i["file"] for i in json.loads(done.out)["provenance"]["inputs"]] == ["dose.nii.gz", "file0000"]


@pytest.mark.parametrize("command", ["dose", "plan"])
@pytest.mark.parametrize("emission", [False, True])
@pytest.mark.parametrize("second", ["tumour.nii.gz", "tumour0000", "notes.txt"])
def test_the_second_of_two_files_behind_one_option_is_no_study(
    run_cli, folder, tmp_path, command, emission, second
):
    image = ("--emission", folder / "dicom" / "nm0000") if emission else ()
    arguments = (*image, "--regions", folder / "liver.nii.gz", folder / second)
    done = run_cli(command, *arguments, *GIVEN, "-o", tmp_path / "out")
    assert done.code == 2
    assert not (tmp_path / "out").exists()
    if second != "tumour0000" or emission:
        message = json.loads(done.err)["error"]["message"]
        assert "--regions liver.nii.gz --regions tumour.nii.gz" in message
        assert str(folder / second) in message


def test_arguments_that_are_left_over_are_refused_with_what_to_write(run_cli, folder, tmp_path):
    masks = [folder / "liver.nii.gz", folder / "tumour.nii.gz", folder / "dose.nii.gz"]
    for command in ("dose", "plan"):
        done = run_cli(command, "--regions", *masks, "-o", tmp_path / "out")
        assert (done.code, "repeat it before each" in " ".join(done.err.split())) == (2, True)
    done = run_cli("inspect", folder / "dicom", masks[0])  # it takes --regions too
    assert (done.code, "repeat it before each" in " ".join(done.err.split())) == (2, True)
    done = run_cli("warm-up", folder / "dicom", masks[0])
    assert (done.code, "repeat it before each" in " ".join(done.err.split())) == (2, False)


@pytest.mark.parametrize("name", ["tumour.nii.gz", "notes.txt"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("dose", "FILE"),
        ("plan", "FILE"),
        ("inspect", "FILE"),
        ("batch", "FILE"),
        ("compare", "FILE", "FILE"),
        ("dvh", "DOSE", "notes.txt"),
        ("send", "FILE", "--to", "PACS@127.0.0.1:1"),
    ],
)
def test_every_command_refuses_a_file_that_is_no_study(run_cli, folder, tmp_path, arguments, name):
    places = {"FILE": folder / name, "DOSE": folder / "dose.nii.gz", "notes.txt": folder / "notes.txt"}
    out = () if arguments[0] in ("inspect", "send") else ("-o", tmp_path / "out")
    done = run_cli(*(places.get(argument, argument) for argument in arguments), *out)
    assert done.code == 2
    assert str(places.get(arguments[-1], places["FILE"])) in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_single_dicom_file_is_a_study(run_cli, folder):
    done = run_cli("inspect", folder / "dicom" / "nm0000")
    assert (done.code, "EMISSION" in done.out) == (0, True)


def gtv_study(folder, *names):
    """A study whose tumours only their interpreted type calls so."""
    if not folder.is_dir():
        write_study(folder, with_regions=False)
    (x, y, z), radius = ROIS["GTV1"]
    places = [ball_contours((x, y, z + 20 * number), radius / (1 + number)) for number in range(len(names))]
    dataset = rtstruct({"Liver": ball_contours(*ROIS["Liver"]), **dict(zip(names, places, strict=True))})
    for item in dataset.RTROIObservationsSequence[1:]:
        item.RTROIInterpretedType = "GTV"
    save([dataset], folder, "rs")
    return folder


def test_an_roi_of_type_gtv_is_a_tumour_in_the_dose_and_in_inspect(run_cli, tmp_path):
    study = gtv_study(tmp_path / "study", "HCC seg 7")
    found = json.loads(run_cli("dose", study, *GIVEN, "-o", tmp_path / "out").out)
    regions = {region["name"]: region for region in found["regions"]}
    said = {warning["code"]: warning["message"] for warning in found["warnings"]}
    assert regions["HCC seg 7"]["role"] == "tumour"
    assert regions["non-tumour liver"]["volume_ml"] == pytest.approx(
        regions["Liver"]["volume_ml"] - regions["HCC seg 7"]["volume_ml"], rel=0.01
    )
    assert "'HCC seg 7'" in said["tumours-by-type"]
    assert "other-regions" not in said
    assert "HCC seg 7 (tumour)" in run_cli("inspect", study).out


@pytest.mark.parametrize(
    ("roles", "left"),
    [
        (("HCC*=tumour",), None),
        (("HCC seg 7=tumour",), None),
        (("Liver=liver",), "'HCC seg 7', 'S8': no role"),
        (("S8=tumour",), "'HCC seg 7': no role"),
        (("HCC*=tumour", "S8=tumour"), None),
    ],
)
@pytest.mark.parametrize("command", ["dose", "dvh"])
def test_a_role_by_name_or_pattern_answers_what_the_type_says(run_cli, tmp_path, roles, left, command):
    study = gtv_study(tmp_path / "study", "HCC seg 7")
    if "S8" in str(roles) or roles == ("Liver=liver",):
        study = gtv_study(tmp_path / "study", "HCC seg 7", "S8")
    typed = [word for role in roles for word in ("--role", role)]
    if command == "dose":
        done = run_cli("dose", study, *GIVEN, *typed, "-o", tmp_path / "out")
    else:
        dose = (
            write_nifti(DoseMap(np.ones(GRID.shape), GRID), tmp_path / "dose.nii.gz")
            or tmp_path / "dose.nii.gz"
        )
        done = run_cli(
            "dvh", dose, study / "rs0000", *typed, "--trust-frames", "--json", "-o", tmp_path / "out"
        )
    said = {warning["code"]: warning["message"] for warning in json.loads(done.out)["warnings"]}
    if left is None:
        assert "tumours-by-type" not in said
    else:
        assert said["tumours-by-type"].startswith(left)


def test_a_role_by_the_user_wins_over_the_type(run_cli, tmp_path):
    study = gtv_study(tmp_path / "study", "HCC seg 7")
    done = run_cli("dose", study, *GIVEN, "--role", "HCC seg 7=other", "-o", tmp_path / "out")
    regions = {region["name"]: region["role"] for region in json.loads(done.out)["regions"]}
    assert regions["HCC seg 7"] == "other"
