"""``--register``: regions of a diagnostic CT brought to a SPECT study by aligning the CTs, against a known motion."""

import json

import body_phantom as body
import dicom_factory as factory
import numpy as np
import pytest
from dicom_checks import dciodvfy_errors, needs_dciodvfy
from registration_factory import applied, rigid

from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.nifti import read_nifti

DIAGNOSTIC = "1.2.3.1"
# From the frame of the body (that of the diagnostic CT) to the frame of the SPECT/CT.
MOTION = rigid((0.06, -0.05, 0.1), (35.0, -22.0, 180.0))
DIAGNOSTIC_AFFINE = np.array([[0, 0, 3.6, -170], [0, 3.6, 0, -130], [3.0, 0, 0, -72], [0, 0, 0, 1]])
SHAPE = (56, 72, 96)
GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-automatic-regions")
# Half a voxel of the SPECT is 2.4 mm; the CTs have 3 to 4 mm.
TARGET_ERROR_MM = 1.0


def centred(spacing, shape, middle):
    """An axial affine about a point."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing)[:, ::-1]
    affine[:3, 3] = np.array(middle) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def write_parts(folder, *, hybrid=True, diagnostic=True, other_anatomy=False):
    middle = applied(MOTION, body.LIVER_CENTRE)
    emission = centred((9.0, 9.0, 9.0), (28, 30, 32), middle)
    points = np.stack(np.indices((28, 30, 32)), axis=-1) @ emission[:3, :3].T + emission[:3, 3]
    inside = applied(np.linalg.inv(MOTION), points) - body.LIVER_CENTRE
    counts = 100 * (((inside / body.LIVER_AXES) ** 2).sum(axis=-1) < 1)
    factory.save(factory.nm(counts.astype(np.uint16), emission), folder / "nm")
    if hybrid:
        affine = centred((4.0, 4.0, 5.0), (60, 64, 80), middle + np.array((20, 10, -15)))
        values = body.seen(affine, (60, 80, 96), pose=np.linalg.inv(MOTION), seed=1)
        factory.save(factory.ct(values, affine, series="hybrid"), folder / "hybrid")
    if diagnostic:
        values = body.seen(DIAGNOSTIC_AFFINE, SHAPE, seed=2)
        if other_anatomy:
            values = np.random.default_rng(3).permuted(values)
        made = factory.ct(values, DIAGNOSTIC_AFFINE, series="diagnostic", FrameOfReferenceUID=DIAGNOSTIC)
        factory.save(made, folder / "diagnostic")
    regions = factory.rtstruct({"Liver": body.liver_contours(3.0)}, frame=DIAGNOSTIC)
    factory.save(regions, folder / "regions")
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    """Results of the command line."""
    from y90voxel.case.settings import load_settings
    from y90voxel.study.run_dose import run_study

    folder = tmp_path_factory.mktemp("results") / "out"
    options = {
        "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
        "dose": {"register": "align", "engine": "local"},
        "regions": {"automatic": False},
    }
    run_study(study, folder, load_settings(None, options))
    return folder


def test_the_motion_is_found_at_every_point_of_the_liver(out):
    import pydicom

    dataset = pydicom.dcmread(out / "registration.dcm")
    assert dataset.FrameOfReferenceUID == factory.FRAME
    own, other = dataset.RegistrationSequence
    assert (own.FrameOfReferenceUID, other.FrameOfReferenceUID) == (factory.FRAME, DIAGNOSTIC)
    stated = other.MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrix
    matrix = np.reshape(np.array(stated, float), (4, 4))
    surface = body.liver_surface()
    error = np.linalg.norm(applied(matrix, surface) - applied(MOTION, surface), axis=-1)
    assert error.max() <= TARGET_ERROR_MM


def test_regions_lie_on_the_activity_and_the_report_says_how(out):
    image = read_nifti(out / "regions.nii.gz")
    weights = image.array[0].astype(float)
    points = image.grid.index_to_lps(np.stack(np.indices(weights.shape), axis=-1))
    centroid = np.tensordot(weights, points, 3) / weights.sum()
    np.testing.assert_allclose(centroid, applied(MOTION, body.LIVER_CENTRE), atol=TARGET_ERROR_MM)
    metrics = json.loads((out / "metrics.json").read_text())
    (said,) = [w["message"] for w in metrics["warnings"] if w["code"] == "registered-ct-to-ct"]
    for fact in (
        "aligned rigidly, as asked",
        "mutual information rises from",
        "two starts end",
        "not undone",
    ):
        assert fact in said
    assert [i["role"] for i in metrics["provenance"]["inputs"]].count("ct") == 2
    stated = metrics["provenance"]["registration"]
    assert stated["correlation"][1] > 0.9
    assert stated["overlap"] == pytest.approx(1.0, abs=0.02)
    assert stated["disagreement_mm"] < 0.5
    assert (out / "figures" / "registration.png").stat().st_size > 20_000
    assert "Registration of the CTs" in (out / "report.html").read_text()


def test_the_registration_object_gives_the_same_regions_when_it_is_read_again(study, out, tmp_path):
    import shutil

    again = shutil.copytree(study, tmp_path / "again")
    shutil.copy(out / "registration.dcm", again)
    read = DicomStudy.open(again)
    (region,) = read.regions()
    stated = json.loads((out / "metrics.json").read_text())["provenance"]["registration"]["matrix"]
    expected = applied(np.array(stated), np.concatenate(body.liver_contours(3.0)))
    np.testing.assert_allclose(np.concatenate(region.shape.polygons), expected, atol=1e-5)
    assert [w.code for w in read.warnings] == ["registration-applied"]


@needs_dciodvfy
def test_dciodvfy_finds_no_error_in_the_registration(out):
    assert dciodvfy_errors(out / "registration.dcm", "SpatialRegistration") == []


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("hybrid", "the emission image has no CT in its own frame of reference"),
        ("diagnostic", r"no CT lies in the frame of reference that the regions were drawn in \(1\.2\.3\.1\)"),
    ],
)
def test_without_both_cts_registration_is_refused_with_the_reason(run_cli, tmp_path, missing, reason):
    import re

    folder = write_parts(tmp_path / "in", **{missing: False})
    if missing == "hybrid":
        import shutil

        shutil.rmtree(folder / "diagnostic")
    done = run_cli("dose", folder, *GIVEN, "--register", "-o", tmp_path / "out")
    assert done.code == 2
    assert re.search(f"--register aligns CT to CT, but {reason}", done.err), done.err
    assert not (tmp_path / "out").exists()


def test_without_asking_regions_of_another_frame_are_refused(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out")
    assert done.code == 2
    assert "their coordinates do not compare" in done.err
    assert "--register" in done.err


def test_registering_and_trusting_exclude_each_other(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "--register", "--trust-frames", "-o", tmp_path / "out")
    assert done.code == 2
    assert "give one of them" in done.err


def test_an_implausible_alignment_is_refused(run_cli, tmp_path):
    folder = write_parts(tmp_path / "in", other_anatomy=True)
    done = run_cli("dose", folder, *GIVEN, "--register", "-o", tmp_path / "out")
    assert done.code == 2
    assert "could not be aligned plausibly" in done.err
    assert "CT numbers correlate by" in done.err
