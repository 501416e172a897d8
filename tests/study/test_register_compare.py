"""``compare --register``: two studies of one body that lie and breathe differently, against the motion that was put in."""

import json

import body_phantom as body
import dicom_factory as factory
import numpy as np
import pytest
from dicom_checks import DCIODVFY, dciodvfy_errors
from quick_registration import quick_registration
from registration_factory import applied, deformable, reg, rigid

import y90voxel as yv
from y90voxel.comparison.dose_placement import hausdorff_95_mm
from y90voxel.errors import GeometryError, InputError
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.dicom.registrations import links_of
from y90voxel.io.nifti import write_nifti
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report.alignment_figure import alignment_png
from y90voxel.report.comparison_page import write_comparison_report
from y90voxel.study.registering import Registering, placement_of
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CtImage, DoseMap, Mask

BEFORE, AFTER = "1.2.840.1.1", "1.2.840.1.2"
MOTION = rigid((0.05, -0.04, 0.08), (20.0, -15.0, 140.0))
DOME_MM, HILUM_MM = 12.0, 2.0
TUMOUR = (np.array((-55.0, 0.0, 40.0)), 18.0)


def breathing(points):
    """Where tissue of the body was, for points of the body breathed in: 12 mm at the dome, 2 mm at the middle of the liver."""
    dome = body.LIVER_CENTRE[2] + body.LIVER_AXES[2]
    height = (points[..., 2] - body.LIVER_CENTRE[2]) / (dome - body.LIVER_CENTRE[2])
    shift = HILUM_MM + (DOME_MM - HILUM_MM) * np.clip(height, 0.0, 1.0)
    moved = np.array(points, float)
    moved[..., 2] += shift
    moved[..., 1] -= 0.25 * shift
    return moved


def of_delivered(points):
    """From points of the delivered frame to the body as the prediction saw it."""
    return breathing(applied(np.linalg.inv(MOTION), points))


def places(grid):
    return grid.index_to_lps(np.moveaxis(np.indices(grid.shape, dtype=float), 0, -1))


def ct_of(grid, pull, seed):
    values = body.hounsfield(pull(places(grid))) + np.random.default_rng(seed).normal(0, 15.0, grid.shape)
    return CtImage(values.astype(np.float32), grid)


def soft(away, width_mm=4.0):
    return np.clip(0.5 - away / width_mm, 0.0, 1.0)


def side_of(grid, pull, *, predicted, scale=1.0):
    points = pull(places(grid))
    away = (np.sqrt((((points - body.LIVER_CENTRE) / body.LIVER_AXES) ** 2).sum(axis=-1)) - 1) * 62.0
    liver, tumour = soft(away), soft(np.linalg.norm(points - TUMOUR[0], axis=-1) - TUMOUR[1])
    warm = soft(away, 16.0)  # as a camera blurs
    hot = soft(np.linalg.norm(points - TUMOUR[0], axis=-1) - TUMOUR[1], 16.0)
    dose = scale * (5.0 + 40.0 * warm + 120.0 * hot + 0.2 * (points[..., 0] - body.LIVER_CENTRE[0]) * warm)
    drawn = (Region("Liver", Role.LIVER, Mask(liver, grid)), Region("GTV1", Role.TUMOUR, Mask(tumour, grid)))
    activity = ActivityMap(1e4 * (warm + 4 * hot), grid)
    return yv.ComparedDose(
        DoseMap(dose, grid),
        tuple(Regions(grid, drawn)),
        is_prediction=predicted,
        activity_bq=2e9 * scale,
        activity=activity,
    )


def around(middle, spacing, shape, frame):
    low = np.array(middle) - spacing * (np.array(shape[::-1]) - 1) / 2
    return Grid.from_spacing(shape, (spacing,) * 3, low.tolist(), frame)


@pytest.fixture(scope="module", autouse=True)
def coarse():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def sides():
    before = side_of(around(body.LIVER_CENTRE, 4.5, (46, 44, 52), BEFORE), lambda p: p, predicted=True)
    after = side_of(
        around(applied(MOTION, body.LIVER_CENTRE), 5.0, (42, 42, 46), AFTER),
        of_delivered,
        predicted=False,
        scale=1.2,
    )
    return before, after


@pytest.fixture(scope="module")
def cts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cts")
    one = ct_of(around(body.LIVER_CENTRE + np.array((15, 0, 0)), 3.4, (64, 66, 92), BEFORE), lambda p: p, 1)
    middle = applied(MOTION, body.LIVER_CENTRE + np.array((15, 0, 0)))
    other = ct_of(around(middle, 3.6, (62, 66, 90), AFTER), of_delivered, 2)
    write_nifti(one, folder / "before.nii.gz")
    write_nifti(other, folder / "after.nii.gz")
    return folder / "before.nii.gz", folder / "after.nii.gz"


@pytest.fixture(scope="module")
def deformed(sides, cts):
    told = []
    wanted = Registering("deformable", *cts)
    placement, alignment = placement_of(wanted, *sides, lambda what, done: told.append((what, done)))
    return placement, alignment, told


@pytest.fixture(scope="module")
def aligned(sides, cts):
    return placement_of(Registering("rigid", *cts), *sides)


def errors_mm(placement, after):
    """Distance from where the tissue was, at points of the delivered liver."""
    liver = after.regions[0].mask
    points = liver.grid.index_to_lps(np.argwhere(liver.array >= 0.5).astype(float))
    return np.linalg.norm(placement.pull.points(points) - of_delivered(points), axis=-1)


def test_breathing_is_undone_within_a_slice(sides, deformed):
    placement, alignment, told = deformed
    errors = errors_mm(placement, sides[1])
    assert errors.mean() < 3.6
    assert np.percentile(errors, 95) < 7.2
    assert alignment.quality.folded_share == 0.0
    assert 0.4 < alignment.quality.volume_ratio[0] <= alignment.quality.volume_ratio[1] < 2.0
    assert alignment.correlation[1] > alignment.correlation[0]
    steps = [done for _, done in told]
    assert steps == sorted(steps)
    assert {"aligning the CTs rigidly", "deforming the CT", "deforming it back"} < {what for what, _ in told}


def test_voxels_are_compared_through_a_deformation(sides, deformed, tmp_path):
    before, after = sides
    found = yv.compare(before, after, placement=deformed[0], gamma=yv.GammaCriteria())
    assert found.factor == pytest.approx(1.2)
    entry = found.as_dict()["registration"]
    assert entry["kind"] == "deformable"
    assert entry["liver"]["dice"] >= 0.95
    assert entry["liver"]["hd95_mm"] <= 5.0
    assert entry["activity"]["carried_bq"] + entry["activity"]["outside_bq"] == pytest.approx(
        entry["activity"]["before_bq"]
    )
    assert entry["tumours"][0]["centroid_distance_mm"] < 3.6
    for region in found.voxels.regions:  # the dose in contours that moved with it keeps its mean
        own, moved = found.region(region.name).predicted.metrics.mean_gy, region.pair.predicted.mask.array
        carried = (found.voxels.predicted_dose.array * moved).sum() / moved.sum()
        assert carried == pytest.approx(own, rel=0.02)
    for name in ("Liver", "non-tumour liver"):
        region = found.voxels.region(name)
        assert region.predicted.mean_gy == pytest.approx(region.delivered.mean_gy, rel=0.02)
    assert found.voxels.region("Liver").contour_dice >= 0.95
    assert "registered-deformably" in [notice.code for notice in found.notices]
    own = yv.compare(before, after)
    assert own.voxels is None
    assert "--register rigid or --register deformable" in own.voxels_reason
    for one, other in zip(found.regions, own.regions, strict=True):
        assert one.predicted.metrics == other.predicted.metrics  # regions stay each in their own contours
    write_comparison_report(found, {"version": "1"}, tmp_path, deformed[1])
    page = (tmp_path / "compare.html").read_text()
    assert "Checkerboard of the delivered and the predicted CT" in page
    assert page.index("Registration in numbers") < page.index("Both CTs as a checkerboard")
    assert (tmp_path / "figures" / "registration.png").stat().st_size > 50_000


def test_a_deformation_is_written_and_read_again(sides, deformed, tmp_path):
    path = tmp_path / "registration.dcm"
    write_registration(deformed[1], path)
    if DCIODVFY is not None:
        assert dciodvfy_errors(path, "DeformableSpatialRegistration") == []
    (link,) = links_of(index_study(path))
    assert {link.source, link.target} == {BEFORE, AFTER}
    again, alignment = placement_of(Registering(str(path)), *sides)
    assert alignment is None
    liver = sides[1].regions[0].mask
    points = liver.grid.index_to_lps(np.argwhere(liver.array >= 0.5).astype(float))
    apart = np.linalg.norm(again.pull.points(points) - deformed[0].pull.points(points), axis=-1)
    assert apart.max() < 0.05
    assert again.record["map"] == "deformable"
    assert again.record["jacobian"]["folded_share"] == 0.0
    found = yv.compare(*sides, placement=again, gamma=yv.GammaCriteria())
    assert found.as_dict()["registration"]["liver"]["dice"] >= 0.95


def test_rigid_alignment_moves_grids_and_leaves_breathing(sides, aligned):
    placement, alignment = aligned
    found = yv.compare(*sides, placement=placement, gamma=yv.GammaCriteria())
    assert found.voxels.how == "CTs aligned rigidly"
    assert found.as_dict()["registration"]["kind"] == "rigid"
    assert errors_mm(placement, sides[1]).mean() < 6.0
    assert found.predicted.dose.grid.frame_of_reference_uid == AFTER
    assert alignment_png(alignment)[:4] == b"\x89PNG"


# bad input


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        (Registering("rigid"), InputError, "--predicted-ct"),
        (Registering("rigid", "{0}"), InputError, "--delivered-ct"),
        (Registering("affine"), InputError, "neither rigid nor deformable, and no such file"),
        (Registering("some.dcm", "{0}"), InputError, "a registration object needs no CT"),
    ],
)
def test_registrations_that_cannot_be_made_are_refused(sides, cts, wanted, error, message):
    files = {"predicted_ct": cts[0] if wanted.predicted_ct else None}
    with pytest.raises(error, match=message):
        placement_of(Registering(wanted.how, **files), *sides)


def test_cts_that_are_not_those_of_the_doses_are_refused(sides, tmp_path):
    values = body.seen(np.diag((5.0, 5.0, 5.0, 1.0))[:, [2, 1, 0, 3]], (4, 8, 8))
    affine = np.array([[0, 0, 5.0, 0], [0, 5.0, 0, 0], [5.0, 0, 0, 0], [0, 0, 0, 1]])
    factory.save(factory.ct(values, affine, FrameOfReferenceUID="9.9.9"), tmp_path / "ct")
    with pytest.raises(
        GeometryError, match=f"lies in frame of reference 9.9.9, the dose of the predicted study in {BEFORE}"
    ):
        placement_of(Registering("rigid", tmp_path / "ct", tmp_path / "ct"), *sides)
    factory.save([reg([(BEFORE, matrices(MOTION), ())], own=AFTER)], tmp_path / "reg")
    with pytest.raises(InputError, match="holds no CT"):
        placement_of(Registering("rigid", tmp_path / "reg", tmp_path / "reg"), *sides)


def test_without_a_liver_to_go_by_nothing_is_registered(sides, cts):
    from dataclasses import replace

    with pytest.raises(InputError, match="the delivered study has no liver"):
        placement_of(Registering("rigid", *cts), sides[0], replace(sides[1], regions=()))


def test_a_prediction_without_a_liver_is_registered_around_the_delivered_one(sides, cts, aligned):
    from dataclasses import replace

    found, alignment = placement_of(Registering("rigid", *cts), replace(sides[0], regions=()), sides[1])
    own, _ = aligned
    points = np.argwhere(sides[1].regions[0].mask.array >= 0.5)
    points = sides[1].dose.grid.index_to_lps(points.astype(float))
    apart = np.linalg.norm(found.pull.points(points) - own.pull.points(points), axis=-1)
    assert apart.max() < 3.0
    low, high = alignment.focus_mm  # in the predicted frame
    assert ((low < body.LIVER_CENTRE) & (high > body.LIVER_CENTRE)).all()
    assert alignment.fixed.grid.frame_of_reference_uid == AFTER


def matrices(matrix):
    from registration_factory import matrices as of

    return of(matrix)


def test_a_registration_object_of_the_two_frames_is_applied(sides, tmp_path):
    factory.save([reg([(BEFORE, matrices(MOTION), ())], own=AFTER)], tmp_path / "reg")
    (file,) = (tmp_path / "reg").iterdir()
    placement, _ = placement_of(Registering(str(file)), *sides)
    np.testing.assert_allclose(placement.rigid.matrix, MOTION, atol=1e-6)
    found = yv.compare(*sides, placement=placement, gamma=yv.GammaCriteria())
    assert found.voxels.how.startswith("registration object, rigid, turned by")


def test_a_registration_object_of_other_frames_is_refused(sides, tmp_path):
    factory.save([reg([(BEFORE, matrices(MOTION), ())], own="9.9.9")], tmp_path / "reg")
    (file,) = (tmp_path / "reg").iterdir()
    with pytest.raises(GeometryError, match=f"needed is {BEFORE}.*with {AFTER}"):
        placement_of(Registering(str(file)), *sides)
    from dataclasses import replace

    unknown = replace(
        sides[0], dose=replace(sides[0].dose, grid=replace(sides[0].dose.grid, frame_of_reference_uid=None))
    )
    with pytest.raises(GeometryError, match="is not known"):
        placement_of(Registering(str(file)), unknown, sides[1])


def test_a_registration_object_that_folds_is_refused(sides, tmp_path):
    grid = around(applied(MOTION, body.LIVER_CENTRE), 8.0, (30, 30, 34), AFTER)
    offsets = np.zeros((*grid.shape, 3))
    offsets[..., 0] = 14.0 * np.sin(2 * np.pi * places(grid)[..., 0] / 60.0)
    factory.save([deformable(BEFORE, offsets, grid.affine, own=AFTER)], tmp_path / "reg")
    (file,) = (tmp_path / "reg").iterdir()
    with pytest.raises(GeometryError, match="the deformation folds"):
        placement_of(Registering(str(file)), *sides)


def test_a_placement_of_other_frames_is_refused(sides):
    from y90voxel.comparison.dose_placement import Placement
    from y90voxel.volumes.transform import AffineTransform

    unmoved = AffineTransform(np.eye(4))
    with pytest.raises(GeometryError, match=r"frame of reference 9\.9 on the predicted side"):
        yv.compare(*sides, placement=Placement(unmoved, "x", rigid=unmoved, source="9.9"))
    with pytest.raises(InputError, match=r"--trust-frames takes coordinates as common.*give one of the two"):
        yv.compare(*sides, placement=Placement(unmoved, "x", rigid=unmoved), trust_frames=True)
    far = AffineTransform(rigid((0, 0, 0), (5000.0, 0.0, 0.0)))
    with pytest.raises(InputError, match="do not overlap after registration"):
        yv.compare(*sides, placement=Placement(far, "x"))


@pytest.mark.parametrize(("growth", "refused"), [(1.14, False), (1.16, True)])
def test_a_liver_of_another_volume_is_compared_by_region_alone(sides, growth, refused):
    from dataclasses import replace

    from y90voxel.comparison.dose_placement import Placement
    from y90voxel.volumes.transform import AffineTransform

    before, after = sides
    liver = after.regions[0]
    ratio = growth * before.regions[0].mask.volume_ml / liver.mask.volume_ml
    voxels = replace(
        liver.mask.grid, affine=liver.mask.grid.affine * np.array([[ratio ** (1 / 3)] * 3 + [1]])
    )
    grown = replace(
        after, dose=replace(after.dose, grid=voxels), activity=None,
        regions=tuple(replace(r, mask=replace(r.mask, grid=voxels)) for r in after.regions),
    )  # fmt: skip
    placement = Placement(AffineTransform(np.linalg.inv(MOTION)), "x", rigid=AffineTransform(MOTION))
    found = yv.compare(before, grown, placement=placement, gamma=yv.GammaCriteria())
    assert (found.voxels is None) is refused
    assert ("resected, grown or drawn otherwise" in str(found.voxels_reason)) is refused
    assert found.region("Liver") is not None


def test_the_distance_of_surfaces_is_that_of_shifted_balls():
    grid = Grid.from_spacing((40, 40, 40), (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))
    one, other = (
        Mask((np.linalg.norm(places(grid) - (x, 0, 0), axis=-1) <= 10).astype(np.float32), grid)
        for x in (-1.0, 2.0)
    )
    assert hausdorff_95_mm(one, one) == 0.0
    assert hausdorff_95_mm(one, other) == pytest.approx(3.0, abs=0.5)
    assert hausdorff_95_mm(one, one.with_array(np.zeros(grid.shape))) == float("inf")


def test_cts_without_register_are_refused(run_cli, tmp_path):
    done = run_cli(
        "compare", tmp_path, tmp_path, "-o", tmp_path / "out", "--predicted-ct", tmp_path, "--json"
    )
    assert done.code == 2
    assert "is for --register, which is not given" in json.loads(done.err)["error"]["message"]
