"""Two doses at one resolution: blurred spheres of known recovery, sums that stay, widths that are found again."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid
from scipy.ndimage import gaussian_filter

import y90voxel as yv
from y90voxel.comparison.resolution import EQUAL_MM, WIDEST_MM, Resolution, estimate_fwhm_mm, match_resolution
from y90voxel.errors import InputError
from y90voxel.io.toml_files import toml_text
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import summarise
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study.resolution_spec import read_resolution, resolution_of_scanners
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap

FINE = Grid.from_spacing((64, 64, 64), (1.0, 1.0, 1.0), (-31.5, -31.5, -31.5), "1.2.3")
BODY = Grid.from_spacing((38, 44, 48), (4.0, 4.0, 4.0), (-94, -86, -74), "1.2.3")


def sphere(diameter_mm):
    """A hot sphere in nothing, with its activity."""
    region = Region("GTV1", Role.TUMOUR, ellipsoid(FINE, (0.0, 0.0, 0.0), (diameter_mm / 2,) * 3))
    array = 100.0 * region.mask.array
    dose = DoseMap(array, FINE)
    plain = summarise(region, DoseVolumeHistogram.from_dose(dose, region.mask), None, None, None)
    stated = {"GTV1": replace(plain, mass_g=5.0, activity_bq=1e6, relative_uncertainty=0.1)}
    return yv.ComparedDose(dose, (region,), activity=ActivityMap(1e4 * array, FINE), stated=stated)


@pytest.mark.parametrize(
    ("diameter_mm", "fwhm_mm", "recovery"),
    [(37, 10, 0.7301), (28, 10, 0.6481), (22, 7, 0.6844), (28, 15, 0.4930), (17, 5, 0.7073)],
)
def test_a_blurred_sphere_keeps_what_the_integral_says(diameter_mm, fwhm_mm, recovery):
    """Mean of a uniform sphere under a Gaussian, by the exact integral over it; 1 mm voxels."""
    sharp = sphere(diameter_mm)
    made, _, match, _ = match_resolution(sharp, sharp, Resolution(0.0, fwhm_mm))
    assert (match.blurred, match.filter_mm) == ("predicted", fwhm_mm)
    assert made.stated["GTV1"].mean_gy / 100.0 == pytest.approx(recovery, rel=0.007)
    assert match.means_gy["GTV1"] == (sharp.stated["GTV1"].mean_gy, made.stated["GTV1"].mean_gy)
    assert made.stated["GTV1"].activity_bq == pytest.approx(
        recovery * 1e6 * sharp.regions[0].mask.total, rel=0.007
    )


def test_activity_is_kept_also_at_the_edge_of_the_image():
    side = sphere(22)
    shifted = np.roll(side.activity.array, 31, axis=0)  # the sphere is cut by the edge
    side = replace(side, activity=ActivityMap(shifted, FINE))
    _, made, match, notices = match_resolution(side, side, Resolution(14.0, 6.0))
    assert (match.blurred, match.filter_mm) == ("delivered", pytest.approx(np.sqrt(14**2 - 6**2)))
    assert match.activity_bq[1] == pytest.approx(match.activity_bq[0], rel=1e-12)
    assert made.dose.array.sum() == pytest.approx(side.dose.array.sum(), rel=1e-12)
    assert [notice.code for notice in notices] == ["resolution-matched"]
    assert (made.stated["GTV1"].mass_g, made.stated["GTV1"].relative_uncertainty) == (5.0, 0.1)


def test_two_blurs_are_one_of_the_root_of_their_squares():
    def blurred(fwhm_mm):
        side = sphere(28)
        return replace(
            side, stated={}, dose=DoseMap(gaussian_filter(side.dose.array, fwhm_mm / 2.35482), FINE)
        )

    made, other, _, _ = match_resolution(blurred(6.0), blurred(11.0), Resolution(6.0, 11.0))
    assert np.abs(made.dose.array - other.dose.array).max() < 0.1  # of 100 Gy


@pytest.mark.parametrize(("apart_mm", "blurred"), [(0.9 * EQUAL_MM, None), (1.1 * EQUAL_MM, "predicted")])
def test_resolutions_that_are_almost_equal_are_one(apart_mm, blurred):
    side = sphere(22)
    made, _, match, _ = match_resolution(side, side, Resolution(8.0, 8.0 + apart_mm))
    assert (match.blurred, made is side) == (blurred, blurred is None)
    assert ("nothing was blurred" in match.statement) is (blurred is None)


# estimates


def torso(fwhm_mm, tumour=5.0, background=0.0):
    """Even uptake in a liver with two tumours, blurred."""
    drawn = (
        Region("Liver", Role.LIVER, ellipsoid(BODY, (0, 0, 0), (70.0, 60.0, 55.0))),
        Region("GTV1", Role.TUMOUR, ellipsoid(BODY, (20, 5, -10), (22.0,) * 3)),
        Region("GTV2", Role.TUMOUR, ellipsoid(BODY, (-30, -10, 10), (16.0,) * 3)),
    )
    shapes = [region.mask.array for region in drawn]
    counts = background + 20.0 * (shapes[0] + (tumour - 1) * (shapes[1] + shapes[2]))
    dose = DoseMap(gaussian_filter(counts, fwhm_mm / 2.35482 / 4.0), BODY)
    return yv.ComparedDose(dose, tuple(Regions(BODY, drawn)), activity_bq=2e9)


@pytest.mark.parametrize("fwhm_mm", [6.0, 9.0, 14.0, 20.0])
@pytest.mark.parametrize(("tumour", "background"), [(5.0, 0.0), (2.0, 3.0)])
def test_the_width_of_a_known_blur_is_found_again(fwhm_mm, tumour, background):
    side = torso(fwhm_mm, tumour, background)
    assert estimate_fwhm_mm(side.dose, side.regions) == pytest.approx(fwhm_mm, abs=0.1)


def test_estimated_resolutions_are_said_to_be():
    found = yv.compare(torso(9.0), torso(15.0), resolution=Resolution())
    codes = [notice.code for notice in found.notices]
    assert {"resolution-estimated", "resolution-matched"} < set(codes)
    entry = found.as_dict()["resolution"]
    assert (entry["source"], entry["blurred"]) == ("estimated", "predicted")
    assert entry["filter_fwhm_mm"] == pytest.approx(12.0, abs=0.2)
    gtv = found.region("GTV1")
    assert gtv.predicted.metrics.mean_gy == pytest.approx(gtv.delivered.metrics.mean_gy, rel=2e-3)
    before = {row["name"]: row["mean_before_gy"] for row in entry["regions"]}
    assert before["GTV1"] > 1.05 * gtv.delivered.metrics.mean_gy
    assert found.voxels.voxels.rmse_gy < 0.1


@pytest.mark.parametrize("lacks", ["liver", "dose"])
def test_without_a_liver_with_dose_nothing_can_be_estimated(lacks):
    side = torso(9.0)
    side = sphere(22) if lacks == "liver" else replace(side, dose=DoseMap(np.zeros(BODY.shape), BODY))
    with pytest.raises(InputError, match="resolution of the predicted dose cannot be estimated"):
        match_resolution(side, side, Resolution())


# what is typed


@pytest.mark.parametrize(
    ("width", "message"), [(-1.0, "must not be negative"), (WIDEST_MM + 0.1, "Check its unit")]
)
def test_widths_that_no_camera_has_are_refused(width, message):
    with pytest.raises(InputError, match=message):
        Resolution(width, 6.0)
    assert Resolution(6.0, WIDEST_MM).delivered_mm == WIDEST_MM


def test_resolutions_are_read_from_numbers_and_files(tmp_path):
    file = tmp_path / "scanner.toml"
    file.write_text("[partial_volume]\nfwhm_mm = 13.5\nb1_ml = 2\n")
    assert read_resolution(" 12, 6.5 ") == Resolution(12.0, 6.5)
    assert read_resolution("estimate") == Resolution()
    assert read_resolution(f"{file},6") == Resolution(13.5, 6.0, "from scanner.toml")


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("12", None, "'12' is no pair of resolutions"),
        ("12,", None, "no pair of resolutions"),
        ("12,nothing.toml", None, "'nothing.toml' is neither a number nor a file"),
        ("12,{file}", "no toml", "cannot be read as TOML"),
        ("12,{file}", "a = 1", "holds no fwhm_mm"),
        ("12,{file}", "fwhm_mm = true", "holds no fwhm_mm"),
        ("12,6,{file}", "fwhm_mm = 5", "no pair of resolutions"),
        ("12,{file}", "fwhm_mm = 5\n[b]\nfwhm_mm = 6", "holds several fwhm_mm: 5, 6 mm"),
    ],
)
def test_what_is_no_resolution_is_refused(tmp_path, text, content, message):
    file = tmp_path / "scanner.toml"
    file.write_text(content or "")
    with pytest.raises(InputError, match=message):
        read_resolution(text.format(file=file))


# what a commissioning wrote


def scanner(path, nuclide, fwhm_mm, *, fits=True):
    """A scanner file with a resolution, or without one."""
    document = {
        "schema_version": 1, "kind": "scanner", "nuclide": nuclide, "modality": "NM",
        "reconstruction": {"voxel_mm": [4.8, 4.8, 4.8]}, "calibration": {"relative_uncertainty": 0.03},
    }  # fmt: skip
    if fwhm_mm is not None:
        document["resolution"] = {"fwhm_mm": fwhm_mm, "one_gaussian_fits": fits}
    path.write_text(toml_text(document))
    return path


@pytest.fixture
def files(tmp_path):
    return {
        n: scanner(tmp_path / f"{n}.toml", n, mm)
        for n, mm in (("Tc-99m", 12.0), ("Y-90", 6.0), ("Ho-166", 15.0))
    }


SIDES = (
    replace(sphere(22), nuclide="Y-90", is_prediction=True),
    replace(sphere(22), nuclide="Y-90", is_prediction=False),
)


def test_scanner_files_are_resolutions_of_the_side_whose_image_has_their_nuclide(files):
    stated = read_resolution(f"{files['Tc-99m']},{files['Y-90']}")
    assert (stated.predicted_mm, stated.delivered_mm) == (12.0, 6.0)
    assert (stated.nuclides, stated.source) == (("Tc-99m", "Y-90"), "from Tc-99m.toml and Y-90.toml")
    for order in (("Tc-99m", "Y-90"), ("Y-90", "Tc-99m")):
        assert resolution_of_scanners([files[n] for n in order], *SIDES) == stated
    *_, match, notices = match_resolution(*SIDES, stated)
    assert (match.blurred, match.filter_mm) == ("delivered", pytest.approx(np.sqrt(12.0**2 - 6.0**2)))
    assert [notice.code for notice in notices] == ["resolution-matched"]


def test_a_scanner_file_of_another_nuclide_is_refused(files):
    swapped = read_resolution(f"{files['Y-90']},{files['Tc-99m']}")
    with pytest.raises(
        InputError, match=r"the delivered image is of a phantom with Tc-99m, the image of Y-90"
    ):
        match_resolution(*SIDES, swapped)
    with pytest.raises(
        InputError, match=r"the predicted image is of a phantom with Ho-166, the image of Y-90 or Tc-99m"
    ):
        match_resolution(*SIDES, read_resolution(f"{files['Ho-166']},6"))
    with pytest.raises(InputError, match="the delivered image is of a phantom with Ho-166"):
        resolution_of_scanners([files["Tc-99m"], files["Ho-166"]], *SIDES)


def test_one_scanner_file_is_of_both_sides(files):
    for stated in (read_resolution(str(files["Y-90"])), resolution_of_scanners([files["Y-90"]], *SIDES)):
        assert (stated.predicted_mm, stated.delivered_mm) == (6.0, 6.0)
        *_, match, _ = match_resolution(*SIDES, stated)
        assert match.blurred is None
    with pytest.raises(InputError, match="the delivered image is of a phantom with Tc-99m"):
        resolution_of_scanners([files["Tc-99m"]], *SIDES)


def test_a_side_that_tells_no_nuclide_is_not_checked(files):
    nameless = replace(sphere(22), nuclide=None)
    assert (
        match_resolution(nameless, nameless, read_resolution(f"{files['Ho-166']},6"))[2].predicted_mm == 15.0
    )


def test_a_phantom_that_is_no_gaussian_is_said(tmp_path):
    file = scanner(tmp_path / "scanner.toml", "Y-90", 6.0, fits=False)
    *_, notices = match_resolution(*SIDES, read_resolution(f"12,{file}"))
    assert [notice.code for notice in notices] == ["resolution-not-gaussian", "resolution-matched"]


def test_scanner_files_without_resolution_and_a_third_are_refused(files, tmp_path):
    plain = scanner(tmp_path / "plain.toml", "Y-90", None)
    for asked in (lambda: read_resolution(f"{plain},6"), lambda: resolution_of_scanners([plain], *SIDES)):
        with pytest.raises(InputError, match=r"plain\.toml states no resolution"):
            asked()
    with pytest.raises(InputError, match="3 scanner files are given"):
        resolution_of_scanners([*files.values()], *SIDES)
