"""What the interactive page is made of: small images that keep their place and values, and text that cannot harm."""

import hashlib
import json
import re
from dataclasses import replace
from html import unescape
from importlib.resources import files

import numpy as np
import pytest
from evaluation_factory import make_evaluation, torso_grid, with_regions

from y90voxel.case.evaluation import UncertaintyReport
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT, DvhBand
from y90voxel.metrics.region_noise import RegionNoise, Tails, shares_without_noise
from y90voxel.regions.regions import Regions
from y90voxel.report.dose_content import dose_content
from y90voxel.report.dose_page import render_dose_page
from y90voxel.report.dose_report import dose_report
from y90voxel.report.viewer import SCRIPTS, isodose_levels, render_viewer, viewer_content
from y90voxel.report.viewer_page import write_viewer
from y90voxel.study.anonymous import anonymous_evaluation
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.packing import (
    MOST_VOXELS,
    pack_activity,
    pack_ct,
    pack_dose,
    pack_mask,
    patient_grid,
)
from y90voxel.volumes.volume import ActivityMap, CtImage, DoseMap, Mask

PACKAGE = files("y90voxel.report")


def turned(grid: Grid, degrees: float) -> Grid:
    """The grid turned about the z axis of the patient, through its centre."""
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.array(grid.affine)
    centre = grid.index_to_lps((np.array(grid.shape) - 1) / 2)
    affine[:3, :3] = rotation @ affine[:3, :3]
    affine[:3, 3] = centre + rotation @ (grid.affine[:3, 3] - centre)
    return Grid(grid.shape, affine)


def flipped(grid: Grid) -> Grid:
    """The same voxels with slices, rows and columns counted from the other end, rows and slices exchanged."""
    affine = np.array(grid.affine)
    affine[:3, 3] = grid.index_to_lps(np.array(grid.shape) - 1)
    affine[:3, :3] = -affine[:3, [1, 0, 2]]
    return Grid((grid.shape[1], grid.shape[0], grid.shape[2]), affine)


def field(grid: Grid, base, slopes) -> np.ndarray:
    """base + slopes · LPS at the voxel centres: linear interpolation keeps it exactly."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    return base + grid.index_to_lps(indices) @ np.array(slopes)


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory):
    return write_viewer(dose_report(evaluation), tmp_path_factory.mktemp("viewer") / "viewer.html").read_text(
        "utf-8"
    )


@pytest.mark.parametrize(
    "change", [lambda g: g, flipped, lambda g: turned(g, 20)], ids=["axial", "flipped", "oblique"]
)
def test_the_ct_keeps_its_values_and_place(change):
    grid = change(Grid.from_spacing((30, 40, 50), (5.0, 3.0, 2.0), (-40.0, -60.0, 10.0)))
    slopes = (1.5, -2.0, 0.7)
    packed = pack_ct(CtImage(field(grid, 100.0, slopes).astype(np.float32), grid), grid)
    stored = packed.stored * packed.step
    inside = grid.lps_to_index(packed.grid.index_to_lps(np.argwhere(np.ones(packed.grid.shape)))).reshape(
        -1, 3
    )
    deep = ((inside > 0.5) & (inside < np.array(grid.shape) - 1.5)).all(axis=1).reshape(packed.grid.shape)
    assert deep.mean() > 0.5
    assert np.abs(stored - field(packed.grid, 100.0, slopes))[deep].max() <= 0.5 * packed.step + 0.01
    assert np.allclose(packed.grid.directions[[2, 1, 0], [0, 1, 2]], 1.0)  # axial, whatever the CT


def test_the_ct_is_cut_to_the_body_and_to_the_dose_grid():
    grid = Grid.from_spacing((60, 80, 90), (3.0, 2.0, 2.0))
    array = np.full(grid.shape, -1000, np.int16)
    array[:, 30:50, 40:60] = 20
    seen = Grid.from_spacing((10, 20, 20), (6.0, 8.0, 9.0), (0.0, 0.0, 30.0))
    packed = pack_ct(CtImage(array, grid), seen)
    low, high = packed.grid.corners_mm().min(axis=0), packed.grid.corners_mm().max(axis=0)
    for axis, (first, last) in enumerate(((79, 119), (59, 99), (27, 87))):
        assert low[axis] <= first
        assert high[axis] >= last
        assert (high - low)[axis] <= last - first + 2 * 16 + 6
    assert packed.stored.max() * packed.step == 20


def test_a_large_ct_becomes_the_mean_over_larger_voxels_within_the_budget():
    grid = Grid.from_spacing((200, 200, 200), (1.0, 1.0, 1.0))
    packed = pack_ct(CtImage(np.full(grid.shape, 52, np.int16), grid), grid)
    assert 0.85 * MOST_VOXELS < packed.stored.size <= MOST_VOXELS
    assert np.abs(packed.grid.corners_mm() - grid.corners_mm()).max() < 1e-9
    assert (packed.stored * packed.step == 52).all()


def test_patient_grid_has_the_same_voxels_where_it_can():
    grid = Grid.from_spacing((7, 8, 9), (4.0, 3.0, 2.0), (5.0, 6.0, 7.0))
    assert patient_grid(grid, 1000).is_same_as(grid)
    assert patient_grid(flipped(grid), 1000).is_same_as(grid)


@pytest.mark.parametrize(
    "change", [lambda g: g, flipped, lambda g: turned(g, 33)], ids=["axial", "flipped", "oblique"]
)
def test_the_dose_stays_on_its_own_voxels_within_half_a_step(change):
    grid = change(Grid.from_spacing((12, 13, 14), (5.0, 4.0, 3.0), (-10.0, 0.0, 20.0)))
    array = np.zeros(grid.shape)
    array[3:9, 4:10, 5:12] = np.random.default_rng(1).random((6, 6, 7)) * 480.0 + 20.0
    packed = pack_dose(DoseMap(array, grid))
    assert packed.stored.shape == (8, 8, 9)  # the box and one voxel around it
    assert packed.grid.is_same_as(grid.crop((2, 3, 4), (8, 8, 9)))
    assert np.abs(packed.stored * packed.step - array[2:10, 3:11, 4:13]).max() <= 0.501 * packed.step
    assert packed.step == pytest.approx(array.max() / 65535, rel=1e-6)


def test_an_empty_dose_and_negative_rounding_are_zero():
    grid = Grid.from_spacing((3, 4, 5), (1, 1, 1))
    assert (pack_dose(DoseMap(np.zeros(grid.shape), grid)).stored == 0).all()
    array = np.full(grid.shape, -1e-6)
    array[1, 1, 1] = 3.0
    assert pack_dose(DoseMap(array, grid)).stored[0, 0, 0] == 0


def test_a_region_is_cropped_to_itself():
    grid = torso_grid()
    array = np.zeros(grid.shape)
    array[10:14, 20:25, 30:36] = 0.4
    packed = pack_mask(Mask(array, grid))
    assert packed.grid.is_same_as(grid.crop((9, 19, 29), (6, 7, 8)))
    assert np.abs(packed.stored * packed.step - array[9:15, 19:26, 29:37]).max() <= 0.5 / 255 + 1e-12


def test_activity_is_a_concentration():
    grid = Grid.from_spacing((4, 5, 6), (10.0, 10.0, 10.0))  # voxels of 1 mL
    packed = pack_activity(ActivityMap(np.full(grid.shape, 5e6), grid))
    assert packed.unit == "MBq/mL"
    assert packed.stored.max() * packed.step == pytest.approx(5.0, rel=1e-4)


def test_an_emission_image_is_cut_to_its_activity():
    grid = Grid.from_spacing((30, 40, 50), (10.0, 10.0, 10.0))
    array = np.full(grid.shape, 1e3)
    array[10:12, 20:22, 30:32] = 1e6
    packed = pack_activity(ActivityMap(array, grid))
    assert packed.grid.is_same_as(grid.crop((7, 17, 27), (8, 8, 8)))


@pytest.mark.parametrize("top", [0.02, 3.0, 60.0, 480.0, 5000.0])
def test_isodoses_rise_and_lie_below_the_top(top):
    levels = isodose_levels(top)
    assert 3 <= len(levels) <= 6
    assert levels == sorted(set(levels))
    assert 0 < levels[0] < levels[-1] < top


def test_the_page_holds_every_image_and_fits_its_budget(evaluation, page):
    names = re.findall(r'id="image-([\w-]+)"', page)
    assert names == ["underlay", "dose", *(f"region-{n}" for n in range(len(names) - 2))]
    data = json.loads(unescape(re.search(r'id="data">(.*?)</script>', page, re.S)[1]))
    assert len(data["regions"]) == len(names) - 2 == len(data["dvh"]["volumes_percent"])
    assert {"GTV1", "non-tumour liver", "lungs"} <= {region["name"] for region in data["regions"]}
    assert len(page) < 15e6


def test_histograms_of_the_page_are_those_of_the_evaluation(evaluation):
    data = viewer_content(dose_report(evaluation)).data
    doses = np.array(data["dvh"]["doses_gy"])
    for region, volumes in zip(data["regions"], data["dvh"]["volumes_percent"], strict=True):
        assert np.abs(100 * evaluation.dvh(region["name"]).cumulative(doses) - volumes).max() < 0.2
        hottest = evaluation.dose.grid.lps_to_index(region["hottest_lps_mm"]).round().astype(int)
        assert evaluation.dose.array[tuple(hottest)] == pytest.approx(
            evaluation.region(region["name"]).max_gy, rel=1e-6
        )


def test_histograms_without_noise_are_the_pages_lines_with_what_was_found_beside_them(evaluation):
    bias = {f"d{x}_gy": 1.0 for x in (98, 95, 90, 2)} | {"min_gy": -1.0, "max_gy": 1.0}
    noise = RegionNoise(
        Tails.CORRECTED, 0.3, 0.2, 0.18, bias_gy=bias, d_gy={98: 1.0}, v_percent={100: 1.0}, shrink=0.6
    )
    regions = tuple(
        replace(m, noise=noise) if m.name == "GTV1" else replace(m, noise=None) for m in evaluation.regions
    )
    data = viewer_content(dose_report(replace(evaluation, regions=regions))).data
    place = [region["name"] for region in data["regions"]].index("GTV1")
    assert [n for n, found in enumerate(data["dvh"]["found_percent"]) if found] == [place]
    doses, histogram = np.array(data["dvh"]["doses_gy"]), evaluation.dvh("GTV1")
    found, drawn = (np.array(data["dvh"][key][place]) for key in ("found_percent", "volumes_percent"))
    assert np.abs(100 * histogram.cumulative(doses) - found).max() < 0.2
    assert np.abs(100 * shares_without_noise(histogram, doses, 0.6) - drawn).max() < 0.2
    assert np.abs(found - drawn).max() > 5.0


def test_bands_of_the_page_are_those_of_the_evaluation(evaluation):
    steps = np.linspace(400.0, 60.0, len(VOLUMES_PERCENT))
    band = DvhBand(steps, 0.9 * steps, 1.5 * steps, 180.0, 260.0)
    bands = {region.name: band for region in evaluation.case.regions}
    uncertain = replace(evaluation, uncertainty=UncertaintyReport({"recovery": None}, bands, ()))
    data = viewer_content(dose_report(uncertain)).data
    names = [region["name"] for region in data["regions"]]
    bands = data["dvh"]["bands_percent"]
    assert [name for name, found in zip(names, bands, strict=True) if found] == [
        "GTV1",
        "GTV 2 <script>alert(1)</script>",
        "non-tumour liver",
    ]
    doses = np.array(data["dvh"]["doses_gy"])
    assert np.allclose(bands[names.index("GTV1")], band.volumes_at(doses)[1:], atol=1e-3)
    assert doses[-1] == pytest.approx(600.0)
    assert data["dvh"]["shown_gy"] == pytest.approx(1.04 * 600.0)


def test_names_from_files_stay_text(page):
    without_niivue = page.replace(PACKAGE.joinpath("vendor/niivue/niivue.umd.js").read_text("utf-8"), "")
    assert "<script>alert" not in without_niivue
    assert "Patient &lt;7&gt;" in page
    assert len(re.findall("<script", without_niivue)) == len(re.findall("</script>", without_niivue))
    assert "innerHTML" not in without_niivue


def test_nothing_can_be_fetched(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "data:"
    head = page[: page.index('id="licences"')]
    assert set(re.findall(r'(?:href|src)="([^"]*)"', head)) == {"report.html"}


def test_the_page_names_neither_study_nor_series(evaluation, tmp_path):
    page = write_viewer(dose_report(anonymous_evaluation(evaluation)), tmp_path / "viewer.html").read_text(
        "utf-8"
    )
    for identity in (evaluation.case.study_instance_uid, "1.2.840.99.1", "ab12ab12"):
        assert identity not in page


def test_prediction_is_marked(page):
    delivered = viewer_content(dose_report(make_evaluation(predicted=False)))
    assert "PREDICTED" in page
    assert "PREDICTED" not in render_viewer(delivered, {}).split("<main>")[0]


def test_a_study_without_regions_or_ct_has_a_page(evaluation):
    bare = replace(make_evaluation(ct=False), regions=())
    content = viewer_content(dose_report(with_regions(bare, Regions(evaluation.dose.grid))))
    assert list(content.volumes) == ["underlay", "dose"]
    assert content.data["regions"] == []
    assert content.data["underlay"]["unit"] == "MBq/mL"
    assert content.data["dvh"]["shown_gy"] > 0


def test_the_report_links_to_the_page_only_where_there_is_one(evaluation):
    figures = {"dose_hottest.png": b"", "dose_centre.png": b""}
    assert 'href="viewer.html"' in render_dose_page(dose_content(evaluation), figures, "viewer.html")
    assert "viewer.html" not in render_dose_page(dose_content(evaluation), figures)


def test_niivue_is_the_recorded_file_with_its_licence():
    folder = PACKAGE.joinpath("vendor/niivue")
    raw = folder.joinpath("niivue.umd.js").read_bytes()
    assert hashlib.sha256(raw).hexdigest() in folder.joinpath("README.md").read_text("utf-8")
    assert "BSD 2-Clause" in folder.joinpath("LICENSE").read_text("utf-8")
    bundled = folder.joinpath("LICENSE-BUNDLED").read_text("utf-8")
    for package in ("fflate", "gl-matrix", "nifti-reader-js", "zarrita"):
        assert f"==== {package}" in bundled


def test_no_script_or_style_ends_its_element():
    names = ["vendor/niivue/niivue.umd.js", *(f"templates/viewer/{name}" for name in SCRIPTS)]
    for name in names:
        assert not re.search(r"</script|<!--", PACKAGE.joinpath(name).read_text("utf-8"), re.I), name
    assert "</style" not in PACKAGE.joinpath("templates/viewer/style.css").read_text("utf-8")


def test_a_hot_spot_outside_the_liver_does_not_move_the_start(evaluation):
    array = np.array(evaluation.dose.array)
    array[0, 0, 0] = 10 * array.max()
    start = viewer_content(dose_report(replace(evaluation, dose=evaluation.dose.with_array(array)))).data[
        "points"
    ][0]["lps_mm"]
    assert start == viewer_content(dose_report(evaluation)).data["points"][0]["lps_mm"]
