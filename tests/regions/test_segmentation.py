"""Lungs and body from CT: phantoms with known shapes, the sample study's truth, and real CTs where they are at hand."""

import tarfile
from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from y90voxel.errors import RegionError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.images import read_ct_file
from y90voxel.regions.rasterise import rasterise
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.regions.segmentation import AUTOMATIC_NAMES, automatic_regions, segment_body, segment_lungs
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import CtImage, Mask

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the shared data are not there")

GRID = Grid.from_spacing((100, 90, 120), (3.0, 3.0, 3.0), (-180.0, -135.0, 0.0))


def dice(one, other):
    return 2 * np.minimum(one, other).sum() / (one.sum() + other.sum())


def inside(grid, centre_mm, radii_mm, flat=()):
    """Voxels of an ellipsoid; along flat axes (0 is x) it does not end."""
    points = grid.index_to_lps(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1))
    squares = ((points - np.array(centre_mm)) / np.array(radii_mm)) ** 2
    squares[..., list(flat)] = 0.0
    return squares.sum(axis=-1) < 1


@cache
def torso(grid=GRID):
    """A body with two lungs, an airway, stomach gas, stool, vessels, a couch and a blanket; noise of 20 HU."""
    parts = {
        "body": inside(grid, (0, 0, 150), (160, 105, 1), flat=[2]),
        "left": inside(grid, (75, 0, 190), (50, 75, 85)),
        "right": inside(grid, (-75, 0, 190), (55, 75, 85)),
    }
    hu = np.where(parts["body"], 40.0, -1000.0)
    hu[parts["left"] | parts["right"]] = -820.0
    hu[inside(grid, (75, 0, 190), (4, 4, 1), flat=[2]) & parts["left"]] = 40.0  # a vessel
    hu[inside(grid, (0, 0, 260), (9, 9, 60))] = -1000.0  # airway
    hu[inside(grid, (70, -40, 60), (45, 40, 40))] = -1000.0  # 300 mL of gas
    hu[inside(grid, (-70, -40, 40), (45, 45, 30))] = -450.0  # 250 mL of stool and bubbles
    couch = inside(grid, (0, 118, 150), (170, 4, 1), flat=[2])
    hu[couch & ~parts["body"]] = 100.0
    noise = np.random.default_rng(3).normal(0.0, 20.0, grid.shape)
    return CtImage((hu + noise).astype(np.int16), grid), parts


def on_grid(mask, grid):
    return resample(mask, grid).array


def test_a_torso_phantom_gives_its_lungs_and_outline():
    ct, parts = torso()
    body = segment_body(ct)
    lungs = segment_lungs(ct, body)
    assert dice(on_grid(body, ct.grid), parts["body"]) > 0.99
    assert dice(on_grid(lungs.left, ct.grid), parts["left"]) > 0.98
    assert dice(on_grid(lungs.right, ct.grid), parts["right"]) > 0.98
    assert not lungs.cut_off


def test_couch_airway_gas_and_stool_are_left_out_and_vessels_kept():
    ct, parts = torso()
    body = segment_body(ct)
    both = on_grid(segment_lungs(ct, body).both, ct.grid)
    couch = inside(ct.grid, (0, 118, 150), (170, 4, 1), flat=[2]) & ~parts["body"]
    assert on_grid(body, ct.grid)[couch].mean() < 0.1
    for centre, radii in (
        ((0, 0, 260), (9, 9, 60)),
        ((70, -40, 60), (45, 40, 40)),
        ((-70, -40, 40), (45, 45, 30)),
    ):
        elsewhere = inside(ct.grid, centre, radii) & ~parts["left"] & ~parts["right"]
        assert both[elsewhere].mean() < 0.02
    vessel = inside(ct.grid, (75, 0, 190), (4, 4, 60))
    assert both[vessel].mean() > 0.95


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [False, True])
def test_the_order_and_direction_of_array_axes_do_not_matter(axes, flipped):
    ct, parts = torso()
    affine = ct.grid.affine[:, [*axes, 3]].copy()
    array = np.transpose(ct.array, axes)
    if flipped:
        affine[:3, 3] += affine[:3, 0] * (array.shape[0] - 1)
        affine[:3, 0] *= -1
        array = array[::-1]
    turned = CtImage(np.ascontiguousarray(array), Grid(array.shape, affine))
    lungs = segment_lungs(turned, segment_body(turned))
    assert dice(on_grid(lungs.left, ct.grid), parts["left"]) > 0.98


def test_an_abdomen_without_lungs_has_none():
    ct, _ = torso()
    abdomen = CtImage(
        ct.array[:30], ct.grid.crop((0, 0, 0), (30, *ct.grid.shape[1:]))
    )  # 90 mm, gas and stool
    assert (abdomen.array < -800).any()
    lungs = segment_lungs(abdomen, segment_body(abdomen))
    assert (lungs.left, lungs.right, lungs.both, lungs.cut_off) == (None, None, None, False)
    found, notices = automatic_regions(abdomen, lungs=True, body=True)
    assert [region.name for region in found] == ["Body (automatic)"]
    assert [notice.code for notice in notices] == ["automatic-regions", "automatic-lungs-none"]


def test_lungs_that_the_ct_cuts_off_are_said_to_be():
    ct, parts = torso()
    part = CtImage(ct.array[:50], ct.grid.crop((0, 0, 0), (50, *ct.grid.shape[1:])))
    found, notices = automatic_regions(part, lungs=True, body=False)
    assert [region.name for region in found] == ["Lung_L (automatic)", "Lung_R (automatic)"]
    assert all(region.cut_off and region.automatic and region.from_ct for region in found)
    assert [notice.code for notice in notices] == ["automatic-regions", "automatic-lungs-truncated"]
    assert dice(on_grid(found[0].shape, part.grid), parts["left"][:50]) > 0.96


def test_one_lung_is_said_to_be_one():
    ct, parts = torso()
    hu = ct.array.copy()
    hu[parts["left"]] = 20  # effusion
    found, notices = automatic_regions(CtImage(hu, ct.grid), lungs=True, body=False)
    assert [region.name for region in found] == ["Lung_R (automatic)"]
    assert "the left one was not" in notices[-1].message


def test_lungs_that_touch_are_parted():
    ct, parts = torso()
    hu = ct.array.copy()
    bridge = inside(ct.grid, (0, -60, 190), (60, 6, 6))
    hu[bridge] = -820
    joined = CtImage(hu, ct.grid)
    lungs = segment_lungs(joined, segment_body(joined))
    assert dice(on_grid(lungs.left, ct.grid), parts["left"]) > 0.97
    assert dice(on_grid(lungs.right, ct.grid), parts["right"]) > 0.97
    assert not (lungs.left.array * lungs.right.array).any()


def test_lungs_joined_too_widely_to_part_are_cut_at_the_midline():
    grid = Grid.from_spacing((60, 60, 100), (3.0, 3.0, 3.0), (-148.5, -90.0, 0.0))
    hu = np.where(inside(grid, (0, 0, 90), (140, 80, 1), flat=[2]), 40, -1000)
    one = inside(grid, (0, 0, 90), (110, 60, 70))
    hu[one] = -800
    ct = CtImage(hu.astype(np.int16), grid)
    lungs = segment_lungs(ct, segment_body(ct))
    assert lungs.left.volume_ml == pytest.approx(lungs.right.volume_ml, rel=0.05)
    assert dice(on_grid(lungs.both, grid), one) > 0.98


def test_nothing_is_looked_for_that_is_not_wanted_or_not_there():
    ct, _ = torso()
    assert automatic_regions(ct, lungs=False, body=False) == ([], [])
    air = CtImage(np.full((20, 20, 20), -1000, np.int16), Grid.from_spacing((20, 20, 20), (4.0, 4.0, 4.0)))
    found, notices = automatic_regions(air, lungs=True, body=True)
    assert (found, [notice.code for notice in notices]) == ([], ["automatic-regions-none"])
    with pytest.raises(RegionError, match="body outline is empty"):
        segment_lungs(air, Mask(np.zeros(air.grid.shape), air.grid))


def test_automatic_names_are_those_of_the_regions():
    found, _ = automatic_regions(torso()[0], lungs=True, body=True)
    assert {region.name for region in found} == set(AUTOMATIC_NAMES)
    assert all(isinstance(region, DrawnRegion) for region in found)
    assert AUTOMATIC_NAMES["Body (automatic)"] is Role.BODY


def contours(study):
    return {region.name: region.shape for region in study.regions()}


def test_the_sample_study_gives_lungs_and_body_of_its_truth():
    study = DicomStudy.open(ROOT / "sample_data" / "study")
    ct, drawn = study.ct(), contours(study)
    body = segment_body(ct)
    lungs = segment_lungs(ct, body)
    assert dice(body.array, rasterise(drawn["Body"], body.grid).array) > 0.99
    for mask, name in ((lungs.left, "Lung_L"), (lungs.right, "Lung_R")):
        assert dice(mask.array, rasterise(drawn[name], mask.grid).array) > 0.97
    assert not lungs.cut_off


@cache
def real_thorax(folder):
    with tarfile.open(DATA / "ct_lung_rtstruct" / "ct_image.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    regions = DicomStudy.open(DATA / "ct_lung_rtstruct" / "RTSTRUCT.dcm", needs_emission=False)
    return DicomStudy.open(folder, needs_emission=False).ct(), contours(regions)


@needs_data
def test_lungs_of_a_real_thorax_agree_with_their_contours(tmp_path_factory):
    ct, drawn = real_thorax(tmp_path_factory.mktemp("thorax"))
    body = segment_body(ct)
    started = perf_counter()
    lungs = segment_lungs(ct, segment_body(ct))
    assert perf_counter() - started < 10.0  # about 1.2 s on two free cores
    truth = {side: rasterise(drawn[f"Lung-{side}"], body.grid).array for side in ("Left", "Right")}
    assert dice(lungs.both.array, truth["Left"] + truth["Right"]) >= 0.95
    assert dice(lungs.left.array, truth["Left"]) >= 0.95
    assert dice(lungs.right.array, truth["Right"]) >= 0.95
    assert not lungs.cut_off


@needs_data
def test_a_real_abdomen_gives_lung_bases_but_no_bowel_gas(tmp_path):
    with tarfile.open(DATA / "ct_liver" / "CRLM-CT-1004.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    ct = DicomStudy.open(tmp_path, needs_emission=False).ct()
    lungs = segment_lungs(ct, segment_body(ct))
    assert lungs.cut_off
    assert 400 < lungs.left.volume_ml < lungs.right.volume_ml < 900
    below = CtImage(ct.array[:18], ct.grid.crop((0, 0, 0), (18, *ct.grid.shape[1:])))
    assert (below.array < -900).sum() * ct.grid.voxel_volume_ml > 100  # gas in and around it
    assert segment_lungs(below, segment_body(below)).both is None


@needs_data
def test_real_lung_bases_agree_with_a_published_segmentation():
    import nibabel

    ct = read_ct_file(DATA / "ct_labels" / "example_ct_sm.nii.gz", notices=[])
    labels = np.asarray(nibabel.load(DATA / "ct_labels" / "example_seg.nii.gz").dataobj).transpose(2, 1, 0)
    truth = Mask(np.isin(labels, (10, 11, 12, 13, 14)).astype(np.float32), ct.grid)
    body = segment_body(ct)
    assert dice(segment_lungs(ct, body).both.array, on_grid(truth, body.grid)) >= 0.95
    whole = read_ct_file(DATA / "ct_labels" / "example_ct.nii.gz", notices=[])
    first = 0 if whole.grid.affine[2, 0] > 0 else 30
    below = CtImage(
        whole.array[first : first + 82], whole.grid.crop((first, 0, 0), (82, *whole.grid.shape[1:]))
    )
    assert segment_lungs(below, segment_body(below)).both is None
