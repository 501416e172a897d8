"""``dose --register deformable``: regions of another session, drawn in other breath, on the CT of the emission image."""

import json
import shutil

import body_phantom as body
import dicom_factory as factory
import numpy as np
import pytest
from quick_registration import quick_registration
from registration_factory import applied, rigid

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.nifti import read_nifti
from y90voxel.regions.region_alignment import align_regions
from y90voxel.study.read_study import read_study
from y90voxel.study.run_dose import run_study
from y90voxel.study.run_plan import run_plan

DIAGNOSTIC = "1.2.3.1"
# From the frame of the body (that of the diagnostic CT) to the frame of the SPECT/CT.
MOTION = rigid((0.06, -0.05, 0.1), (35.0, -22.0, 180.0))
DIAGNOSTIC_AFFINE = np.array([[0, 0, 3.6, -170], [0, 3.6, 0, -130], [3.0, 0, 0, -110], [0, 0, 0, 1]])
GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-automatic-regions")
DOME_MM, HILUM_MM = 12.0, 2.0
TUMOUR, RADIUS_MM = np.array((-45.0, 0.0, 45.0)), 15.0  # under the dome of the body as drawn
FAR = np.array((0.0, 0.0, -140.0))  # further from the liver than the deformation reaches


def centred(spacing, shape, middle):
    """An axial affine about a point."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing)[:, ::-1]
    affine[:3, 3] = np.array(middle) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def was_at(points):
    """Where tissue was drawn, for points of the body as it breathed under the camera: 12 mm at the dome, 2 mm at the hilum."""
    dome = body.LIVER_CENTRE[2] + body.LIVER_AXES[2]
    height = (points[..., 2] - body.LIVER_CENTRE[2]) / (dome - body.LIVER_CENTRE[2])
    moved = np.array(points, float)
    moved[..., 2] += HILUM_MM + (DOME_MM - HILUM_MM) * np.clip(height, 0.0, 1.0)
    return moved


def went_to(points):
    """The way back, by iteration."""
    guess = np.array(points, float)
    for _ in range(40):
        guess = guess + points - was_at(guess)
    return guess


def ball(centre, radius, step=3.0):
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rings = []
    for height in np.arange(-radius + step / 2, radius, step):
        wide = np.sqrt(radius**2 - height**2)
        ring = np.column_stack([wide * np.cos(angles), wide * np.sin(angles), np.full(40, height)])
        rings.append(ring + centre)
    return rings


def write_sessions(emission, session, *, patient="F1"):
    """SPECT/CT in one folder, diagnostic CT with regions in the other (which may be the same)."""
    middle = applied(MOTION, body.LIVER_CENTRE)
    nm = centred((9.0, 9.0, 9.0), (28, 30, 32), middle)

    def seen(affine, shape):
        points = np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
        return was_at(applied(np.linalg.inv(MOTION), points))

    inside = seen(nm, (28, 30, 32)) - body.LIVER_CENTRE
    counts = 100 * (((inside / body.LIVER_AXES) ** 2).sum(axis=-1) < 1)
    factory.save(factory.nm(counts.astype(np.uint16), nm), emission / "nm")
    affine = centred((4.0, 4.0, 4.0), (72, 64, 80), middle + np.array((20, 10, -5)))
    values = body.hounsfield(seen(affine, (72, 80, 96))) + np.random.default_rng(1).normal(
        0, 15, (72, 80, 96)
    )
    stored = np.rint(np.clip(values, -1024, 3000) + 1024).astype(np.int16)
    factory.save(factory.ct(stored, affine, series="hybrid"), emission / "hybrid")
    made = factory.ct(
        body.seen(DIAGNOSTIC_AFFINE, (80, 72, 96), seed=2),
        DIAGNOSTIC_AFFINE,
        series="diagnostic",
        FrameOfReferenceUID=DIAGNOSTIC,
        PatientID=patient,
    )
    factory.save(made, session / "diagnostic")
    drawn = {"Liver": body.liver_contours(3.0), "GTV1": ball(TUMOUR, RADIUS_MM), "Pelvis": ball(FAR, 20.0)}
    factory.save(factory.rtstruct(drawn, frame=DIAGNOSTIC, PatientID=patient), session / "regions")


@pytest.fixture(scope="module", autouse=True)
def coarse():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_sessions(folder, folder)
    return folder


def settings(how):
    return load_settings(
        None,
        {
            "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
            "dose": {"register": how, "engine": "local", "grid": 4.0},
            "regions": {"automatic": False},
        },
    )


@pytest.fixture(scope="module")
def outs(study, tmp_path_factory):
    """Results with rigid and with deformable registration."""
    folder, told = tmp_path_factory.mktemp("results"), []
    for how in ("rigid", "deformable"):
        run_study(study, folder / how, settings(how), progress=lambda what, done: told.append((what, done)))
    return folder, told


def region(out, name):
    image = read_nifti(out / "regions.nii.gz")
    names = [one["name"] for one in json.loads((out / "regions.json").read_text())["regions"]]
    return image.array[names.index(name)].astype(float), image.grid


def points_of(grid):
    return grid.index_to_lps(np.moveaxis(np.indices(grid.shape, dtype=float), 0, -1))


def dice_with_truth(out):
    occupancy, grid = region(out, "Liver")
    inside = was_at(applied(np.linalg.inv(MOTION), points_of(grid))) - body.LIVER_CENTRE
    truth = ((inside / body.LIVER_AXES) ** 2).sum(axis=-1) < 1
    return 2 * np.minimum(occupancy, truth).sum() / (occupancy.sum() + truth.sum())


def tumour_error_mm(out):
    occupancy, grid = region(out, "GTV1")
    centroid = np.tensordot(occupancy, points_of(grid), 3) / occupancy.sum()
    return float(np.linalg.norm(centroid - applied(MOTION, went_to(TUMOUR))))


def test_breathing_between_the_sessions_is_undone(outs):
    folder, _ = outs
    dice = {how: dice_with_truth(folder / how) for how in ("rigid", "deformable")}
    error_mm = {how: tumour_error_mm(folder / how) for how in ("rigid", "deformable")}
    assert dice["deformable"] >= 0.96  # against voxels that are wholly in or out: 0.97 at best
    assert dice["rigid"] < dice["deformable"] - 0.005
    assert error_mm["deformable"] < 0.6 * error_mm["rigid"]


def test_the_emission_image_stays_where_it_was(outs):
    folder, _ = outs
    maps = [read_nifti(folder / how / "activity.nii.gz") for how in ("rigid", "deformable")]
    for one in maps:  # scaled by the counts within regions, but never moved
        np.testing.assert_allclose(
            one.array / one.array.max(), maps[0].array / maps[0].array.max(), atol=1e-6
        )
        np.testing.assert_array_equal(one.grid.affine, maps[0].grid.affine)


def test_quality_is_written_and_shown_and_what_the_field_does_not_reach_is_named(outs):
    folder, told = outs
    out = folder / "deformable"
    metrics = json.loads((out / "metrics.json").read_text())
    entry = metrics["provenance"]["registration"]
    assert entry["kind"] == "deformable"
    assert entry["rigid"]["kind"] == "rigid"
    assert entry["jacobian"]["folded_share"] == 0.0
    assert 0.4 < entry["jacobian"]["min"] <= entry["jacobian"]["max"] < 2.0
    (tumour,) = entry["tumours"]
    assert tumour["name"] == "GTV1"
    assert 1.0 < tumour["displacement_mm"] < 12.0
    said = {w["code"]: w["message"] for w in metrics["warnings"]}
    assert "deformed onto each other, as asked" in said["registered-ct-to-ct"]
    assert said["region-moved-rigidly"].startswith("'Pelvis' reaches beyond the deformation")
    page = (out / "report.html").read_text()
    for text in (
        "Registration of the CTs",
        "Volume ratios in the liver",
        "There and back",
        "Moved beyond a rigid motion",
    ):
        assert text in page
    assert (out / "figures" / "registration.png").stat().st_size > 20_000
    assert {"aligning the CTs rigidly", "deforming the CT", "deforming it back"} < {what for what, _ in told}


def test_the_registration_object_gives_the_same_regions_when_it_is_read_again(study, outs, tmp_path):
    again = shutil.copytree(study, tmp_path / "again")
    shutil.copy(outs[0] / "deformable" / "registration.dcm", again)
    shutil.rmtree(again / "diagnostic")
    shutil.rmtree(again / "regions")
    factory.save(factory.rtstruct({"Liver": body.liver_contours(3.0)}, frame=DIAGNOSTIC), again / "regions")
    read = read_study(again)
    assert "registration-applied" in [notice.code for notice in read.notices]
    occupancy, grid = region(outs[0] / "deformable", "Liver")
    (liver,) = read.drawn
    centres = [
        np.tensordot(one, points_of(where), 3) / one.sum()
        for one, where in ((occupancy, grid), (liver.shape.array, liver.shape.grid))
    ]
    np.testing.assert_allclose(centres[1], centres[0], atol=0.1)
    assert liver.shape.volume_ml == pytest.approx(occupancy.sum() * grid.voxel_volume_ml, rel=0.005)


def test_regions_of_another_folder_are_registered_by_the_ct_beside_them(tmp_path):
    write_sessions(tmp_path / "emission", tmp_path / "session")
    read = read_study(tmp_path / "emission", regions=tmp_path / "session", register=True)
    assert read.alignment is not None
    liver = next(region for region in read.drawn if region.name == "Liver")
    assert liver.shape.frame_of_reference_uid == factory.FRAME
    assert "registered-ct-to-ct" in [notice.code for notice in read.notices]


def test_regions_of_another_patient_are_refused(tmp_path):
    write_sessions(tmp_path / "emission", tmp_path / "session", patient="F2")
    with pytest.raises(InputError, match="patient"):
        read_study(tmp_path / "emission", regions=tmp_path / "session", register=True)


def test_a_plan_registers_too(study, tmp_path):
    planned = run_plan(study, tmp_path / "plan", settings("rigid").changed(dose={"grid": "emission"}))
    assert planned.provenance["registration"]["kind"] == "rigid"
    assert (tmp_path / "plan" / "registration.dcm").is_file()
    assert "Registration of the CTs" in (tmp_path / "plan" / "plan.html").read_text()


def test_where_nothing_is_registered_it_is_said(outs, study, tmp_path):
    alone = shutil.copytree(study, tmp_path / "alone")
    shutil.rmtree(alone / "diagnostic")
    shutil.rmtree(alone / "regions")
    read = read_study(alone, register=True)
    assert "register-unused" in [notice.code for notice in read.notices]
    assert "register-unused" not in [notice.code for notice in read_study(alone).notices]


def test_ways_to_register_that_there_are_not_are_refused(run_cli, study, tmp_path):
    done = run_cli("dose", "--register=elastic", study, *GIVEN, "-o", tmp_path / "out")
    assert done.code == 2
    assert "'refuse', 'trust', 'rigid' or 'deformable'" in done.err
    with pytest.raises(InputError, match="no way to register CTs"):
        align_regions("elastic", None, None, [])


@pytest.mark.parametrize(
    ("typed", "how"),
    [
        (("STUDY", "--register"), "rigid"),
        (("--register", "STUDY"), "rigid"),
        (("--register", "--seed", "1", "STUDY"), "rigid"),
        (("--register", "deformable", "STUDY"), "deformable"),
        (("--register=deformable", "STUDY"), "deformable"),
        (("STUDY", "--trust-frames"), "trust"),
    ],
)
def test_register_may_stand_alone(monkeypatch, run_cli, tmp_path, typed, how):
    taken = []

    def run(path, out, settings, **_):
        taken.append((path, settings.dose.register_))
        raise InputError("enough")

    monkeypatch.setattr("y90voxel.study.run_dose.run_study", run)
    run_cli("dose", *(tmp_path if word == "STUDY" else word for word in typed), "-o", tmp_path / "out")
    assert taken == [(tmp_path, how)]


def test_an_older_case_file_still_means_rigid():
    assert load_settings(None, {"dose": {"register": "align"}}).dose.register_ == "rigid"


def test_without_any_region_there_is_nothing_to_deform_around(study):
    from y90voxel.regions.region_alignment import _focus

    with pytest.raises(InputError, match="no region to deform the CT around"):
        _focus([], None)
