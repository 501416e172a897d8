"""`--halves A B` from files to the folder of results."""

import csv
import json

import dicom_factory as dicom
import numpy as np
import pytest
from study_factory import SPECT_AFFINE, distances, spect_counts, write_study

from y90voxel.io.nifti import write_nifti
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Volume

FACTS = ("--activity", "2 GBq", "--lung-shunt", "0", "--engine", "local")
GRID = Grid((20, 20, 20), SPECT_AFFINE)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A study whose counts are two Poisson halves together, and the halves as files."""
    folder = tmp_path_factory.mktemp("scan")
    rng = np.random.default_rng(4)
    rings = 1.0 + 0.3 * np.cos(distances((20, 20, 20), SPECT_AFFINE, (0, 0, -10)) / 6.0)
    a, b = (rng.poisson(0.1 * rings * spect_counts()) for _ in range(2))
    write_study(folder / "study", nm=[dicom.nm((a + b).astype(np.uint16), SPECT_AFFINE)])
    for name, half in (("a", a), ("b", b)):
        write_nifti(Volume(half.astype(np.float32), GRID), folder / f"{name}.nii.gz")
    dicom.save([dicom.nm(b.astype(np.uint16), SPECT_AFFINE)], folder / "b", "nm")
    return folder


def metrics(out):
    return json.loads((out / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("second", ["b.nii.gz", "b"])
def test_halves_of_files_and_dicom_correct_the_histograms(scan, run_cli, tmp_path, second):
    done = run_cli(
        "dose", scan / "study", *FACTS, "--halves", scan / "a.nii.gz", scan / second, "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    found = metrics(tmp_path / "out")
    liver = next(region for region in found["regions"] if region["name"] == "Liver")
    assert liver["noise"]["tails"] == "corrected"
    assert liver["noise"]["without_cv"] < liver["noise"]["found_cv"]
    assert liver["noise"]["corrected"]["d98_gy"] > liver["d98_gy"]
    assert "found less corrected in Gy" in done.out
    assert "max Gy*" in done.out
    assert [item["role"] for item in found["provenance"]["inputs"]][-2:] == ["half A", "half B"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Noise and the ends of histograms" in page
    assert "covariance of two halves" in page
    assert "D98<sup>*</sup>" in page
    assert "D70<sup>*</sup>" not in page
    with (tmp_path / "out" / "dvh.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["region"] == "Liver"]
    column = [float(row["volume_percent_without_noise"]) for row in rows]
    assert column[0] == 100.0
    assert sorted(column, reverse=True) == column
    assert column != [float(row["volume_percent"]) for row in rows]


def test_without_halves_the_ends_are_marked_and_their_bias_printed(scan, run_cli, tmp_path):
    done = run_cli("dose", scan / "study", *FACTS, "-o", tmp_path / "out", "--pdf")
    assert done.code == 0, done.err
    liver = next(r for r in metrics(tmp_path / "out")["regions"] if r["name"] == "Liver")
    assert liver["noise"]["tails"] == "marked"
    assert liver["noise"]["corrected"] is None
    assert liver["noise"]["bias_gy"]["d98_gy"] < 0.0
    assert "decided by noise; expected bias in Gy: GTV1 D98" in done.out.replace("\n", " ")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "In brackets what it is expected to have added" in page
    header = (tmp_path / "out" / "dvh.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "region,role,dose_gy,volume_ml,volume_percent"


def test_a_case_file_names_halves_beside_it(scan, run_cli, tmp_path):
    (scan / "case.toml").write_text('[noise]\nhalves = ["a.nii.gz", "b.nii.gz"]\n', encoding="utf-8")
    done = run_cli(
        "dose", scan / "study", "--case", scan / "case.toml", *FACTS, "--no-report", "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    assert "noise-corrected" in done.err


def test_names_of_halves_are_not_told_where_nobody_is_to_be_named(scan, run_cli, tmp_path):
    halves = [tmp_path / f"mueller_{name}.nii.gz" for name in "ab"]
    for target, source in zip(halves, ("a", "b"), strict=True):
        target.write_bytes((scan / f"{source}.nii.gz").read_bytes())
    done = run_cli("dose", scan / "study", *FACTS, "--halves", *halves, "--anonymise", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    texts = [p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.suffix in (".json", ".html", ".csv")]
    assert not any(b"mueller" in text for text in texts)


def test_a_half_that_is_not_there_or_of_somebody_else_is_refused(scan, run_cli, tmp_path):
    done = run_cli(
        "dose",
        scan / "study",
        *FACTS,
        "--halves",
        scan / "a.nii.gz",
        scan / "c.nii.gz",
        "-o",
        tmp_path / "out",
    )
    assert done.code == 2
    assert "half B" in done.err
    assert "does not exist" in done.err.replace("\n", " ")
    other = dicom.change(
        dicom.nm(spect_counts(), SPECT_AFFINE), PatientID="SOMEBODY ELSE", PatientName="ELSE^SOMEBODY"
    )
    dicom.save([other], tmp_path / "other", "nm")
    done = run_cli(
        "dose",
        scan / "study",
        *FACTS,
        "--halves",
        scan / "a.nii.gz",
        tmp_path / "other",
        "-o",
        tmp_path / "out",
    )
    assert done.code == 2, done.out
    assert "patient" in done.err
    assert not (tmp_path / "out").exists()


def test_a_plan_says_that_it_does_not_use_halves(scan, run_cli, tmp_path):
    (tmp_path / "case.toml").write_text('[noise]\nhalves = ["a.nii.gz", "b.nii.gz"]\n', encoding="utf-8")
    done = run_cli(
        "plan", scan / "study", "--case", tmp_path / "case.toml", *FACTS[2:4], "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    assert "noise-halves-unused" in done.err
