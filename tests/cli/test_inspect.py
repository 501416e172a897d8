import json
import time

import numpy as np
import pytest
from dicom_factory import ct, nm, pet, rtstruct, save, uid
from study_factory import CT_AFFINE, ROIS, SPECT_AFFINE, ball_contours, distances, spect_counts, write_study

from y90voxel.io import leftovers
from y90voxel.io.dicom.describe import describe_study
from y90voxel.io.nifti import write_nifti
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask


def test_inspect_shows_every_series_with_role_geometry_and_regions(run_cli, tmp_path):
    done = run_cli("inspect", write_study(tmp_path))
    assert done.code == 0, done.err
    for part in (
        "EMISSION",
        "CT",
        "REGIONS",
        "8.00 × 8.00 × 8.00 mm",
        "Liver (liver), GTV1 (tumour)",
        "nuclide Tc-99m",
        "slices S, rows P, columns L",
        "frame of reference 1.2.826",
        "acquisition 2024-03-12 10:00:00",
        "    ACCEPT",
    ):
        assert part in done.out
    assert "The study can be used as it is" in done.out


def test_inspect_as_json(run_cli, tmp_path):
    found = json.loads(run_cli("inspect", write_study(tmp_path), "--json").out)
    assert (found["kind"], found["usable"], found["files"]) == ("inspect", True, 42)
    roles = {series["role"]: series for series in found["series"]}
    assert set(roles) == {"emission", "ct", "regions"}
    assert roles["emission"]["grid"]["spacing_mm"] == [8.0, 8.0, 8.0]


def test_inspect_names_what_is_wrong_and_goes_on(run_cli, tmp_path):
    broken = nm(spect_counts(), SPECT_AFFINE, DetectorInformationSequence=None)
    done = run_cli("inspect", write_study(tmp_path, nm=[broken]))
    assert done.code == 0
    assert "REFUSE" in done.out
    assert "ImagePositionPatient" in done.out
    assert "Export it with geometry" in done.out  # what to do
    assert "cannot be used" in done.out


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_missing_folder_is_refused(run_cli, tmp_path, flags):
    done = run_cli("inspect", tmp_path / "none", *flags)
    assert done.code == 2
    assert "none" in done.err


def test_inspect_shows_the_value_at_the_tag_of_a_refusal_but_never_the_patient(run_cli, tmp_path):
    slices = pet(spect_counts(), SPECT_AFFINE, Units="CNTS", PatientPosition="FFS")
    done = run_cli("inspect", write_study(tmp_path / "units", nm=slices))
    assert "[Units = CNTS]" in done.out
    assert "patient FFS" in done.out
    slices = pet(spect_counts(), SPECT_AFFINE)
    slices[3].PatientID = "SECRET"
    study = write_study(tmp_path / "patients", nm=slices)
    for flags in ((), ("--json",)):
        done = run_cli("inspect", study, *flags)
        assert "PatientID" in done.out
        assert "SECRET" not in done.out + done.err


def test_inspect_shows_references_between_objects(run_cli, tmp_path):
    study = write_study(tmp_path, rois={})
    save(
        rtstruct({"Liver": ball_contours(*ROIS["Liver"])}, series="other", refers_to=uid("ct")), study, "ref"
    )
    done = run_cli("inspect", study)
    assert f"refers to series {uid('ct')}" in done.out


@pytest.mark.slow
def test_two_thousand_files_are_described_within_five_seconds(tmp_path):
    slices = ct(np.zeros((1997, 8, 8), np.int16), np.diag([1.0, 1.0, 1.0, 1.0])[:, [2, 1, 0, 3]])
    save(slices, tmp_path, "ct")
    save(
        [nm(spect_counts(), SPECT_AFFINE), rtstruct({"Liver": ball_contours(*ROIS["Liver"])})], tmp_path, "x"
    )
    seen = []
    start = time.process_time()
    found = describe_study(tmp_path, lambda done, of: seen.append((done, of)))
    assert time.process_time() - start < 5.0
    assert seen[-1] == (1999, 1999)
    assert len(found.series) == 3


def test_inspect_clears_what_killed_runs_left_and_puts_back_what_they_had_moved_aside(run_cli, tmp_path):
    study = write_study(tmp_path / "study")
    nobody, running = f"{leftovers._host()}-999999999-1-0a1b2c3d", leftovers.new_token()
    for place in (study, study / "deep"):
        (place / f".out.{nobody}.old").mkdir(parents=True)
        (place / f".out.{nobody}.old" / "dvh.csv").write_text("earlier")
        (place / f".out.{nobody}.tmp").mkdir()
        (place / f".new.{running}.tmp").mkdir()
    (tmp_path / f".other.{nobody}.tmp").mkdir()  # beside the study: none of its business
    done = run_cli("inspect", study, "--json")
    assert done.code == 0
    assert json.loads(done.out)["usable"]
    assert done.err.count("half results of a killed run were cleared away") == 2
    assert done.err.count("the earlier results, which a killed run had moved aside, are back") == 2
    for place in (study, study / "deep"):
        assert (place / "out" / "dvh.csv").read_text() == "earlier"
        assert [path.name for path in place.glob(".*")] == [f".new.{running}.tmp"]
    assert (tmp_path / f".other.{nobody}.tmp").exists()


def test_roles_are_tried_without_computing(run_cli, tmp_path):
    study = write_study(
        tmp_path / "study",
        rois={"Liver": ROIS["Liver"], "seg 5 lesn": ROIS["GTV1"], "box": ((40, 10, 40), 12)},
    )
    assert (
        "No role: seg 5 lesn, box. Try some without computing: --role 'seg 5 lesn=tumour'"
        in run_cli("inspect", study).out
    )
    case = tmp_path / "case.toml"
    case.write_text(
        '[regions.roles]\n"seg*" = "tumour"\n"HCC*" = "tumour"\n"Livre" = "liver"\n"bux" = "ignore"\n'
    )
    done = run_cli("inspect", study, "--role", "box=ignore", "--case", case)
    assert done.code == 0
    assert "    Liver: liver\n    seg 5 lesn: tumour\n    box: ignore\n" in done.out
    assert "role-without-region" in done.out
    assert "'bux' (ignore) is nearly" not in done.out  # that region has a role
    found = json.loads(run_cli("inspect", study, "--case", case, "--json").out)
    assert found["regions"] == {"Liver": "liver", "seg 5 lesn": "tumour", "box": "other"}
    assert [one["code"] for one in found["findings"]].count("role-nearly-a-region") == 1
    wrong = run_cli("inspect", study, "--role", "HCC*=tumour")
    assert "--role names the region 'HCC*', but the regions are: Liver, seg 5 lesn, box" in wrong.out
    assert run_cli("inspect", study, "--role", "HCC").code == 2


def test_files_of_regions_are_tried_too(run_cli, tmp_path):
    study = write_study(tmp_path / "study", with_regions=False)
    grid = Grid((40, 40, 40), CT_AFFINE)
    inside = distances(grid.shape, CT_AFFINE, ROIS["Liver"][0]) < ROIS["Liver"][1]
    write_nifti(Mask(inside.astype(float), grid), tmp_path / "Leber.nii.gz")
    done = run_cli("inspect", study, "--regions", tmp_path / "Leber.nii.gz")
    assert "    Leber: liver\n" in done.out


def test_regions_that_files_replace_are_not_marked_as_used(run_cli, tmp_path):
    study = write_study(tmp_path / "study")
    grid = Grid((40, 40, 40), CT_AFFINE)
    inside = distances(grid.shape, CT_AFFINE, ROIS["Liver"][0]) < ROIS["Liver"][1]
    write_nifti(Mask(inside.astype(float), grid), tmp_path / "Leber.nii.gz")

    def marks(*options):
        out = run_cli("inspect", study, *options).out
        return {
            line[2:].split()[0]: line[0]
            for line in out.splitlines()
            if line[2:10] in ("REGIONS ", "EMISSION", "CT      ")
        }, out

    assert marks()[0] == {"EMISSION": "*", "CT": "*", "REGIONS": "*"}
    with_files, out = marks("--regions", tmp_path / "Leber.nii.gz")
    assert with_files == {"EMISSION": "*", "CT": "*", "REGIONS": " "}
    assert "regions-replaced" in out
    assert "* marks the series that a run with these files of regions uses." in out
    found = json.loads(run_cli("inspect", study, "--regions", tmp_path / "Leber.nii.gz", "--json").out)
    assert {s["role"]: s["used"] for s in found["series"]} == {"emission": True, "ct": True, "regions": False}
    assert "regions-replaced" in [finding["code"] for finding in found["findings"]]
