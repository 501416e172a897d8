"""Anchors on real files of several vendors; skipped where ../shared/data is absent."""

import lzma
import tarfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from y90voxel.io.dicom.describe import describe_study
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.quantification.emission import DecayReference
from y90voxel.regions.rasterise import drawn_volume_ml, rasterise

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside the checkout")


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """Folders of the archives, each unpacked once and on demand."""
    made = {}

    def folder(name, archive, *extra):
        if name not in made:
            target = tmp_path_factory.mktemp(name)
            source = DATA / name / archive
            if not source.exists():
                pytest.skip(f"{source.name} is absent")
            if archive.endswith(".tar.xz"):
                with tarfile.open(source) as packed:
                    packed.extractall(target, filter="data")
            else:
                (target / "image").write_bytes(lzma.decompress(source.read_bytes()))
            for file in extra:
                (target / file).write_bytes((DATA / name / file).read_bytes())
            made[name] = target
        return made[name]

    return folder


@pytest.fixture
def lung(unpacked):
    return DicomStudy.open(
        unpacked("ct_lung_rtstruct", "ct_image.tar.xz", "RTSTRUCT.dcm"), needs_emission=False
    )


def assert_as_simpleitk(image, folder):
    """Same values and same places as SimpleITK's series reader."""
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageSeriesReader()
    images = next(p.parent for p in folder.rglob("*") if p.is_file() and p.parent != folder)
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(images)))
    other = reader.Execute()
    np.testing.assert_allclose(np.maximum(sitk.GetArrayFromImage(other), -1024), image.array, atol=1e-3)
    last = tuple(n - 1 for n in image.grid.shape)
    for index in ((0, 0, 0), last):
        place = other.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(place, image.grid.index_to_lps(index), atol=0.01)


def test_a_thorax_ct_is_where_simpleitk_puts_it(lung):
    assert_as_simpleitk(lung.ct(), lung.index.path)


def test_a_liver_ct_is_where_simpleitk_puts_it(unpacked):
    study = DicomStudy.open(unpacked("ct_liver", "CRLM-CT-1004.tar.xz"), needs_emission=False)
    assert_as_simpleitk(study.ct(), study.index.path)
    assert study.ct().grid.spacing_mm == pytest.approx((5.0, 0.796875, 0.796875), abs=1e-4)


# Voxel-centre volumes of a second implementation; exact polygon areas differ by up to 0.5 %.
VOLUMES_ML = {"GTV-1": 156.3, "Spinal-Cord": 44.7, "Lung-Left": 2277.0, "Lung-Right": 2966.0}
# Shoelace area of every polygon, even-odd, times 3 mm.
POLYGONS_ML = {"GTV-1": 156.346, "Spinal-Cord": 44.628, "Lung-Left": 2267.8, "Lung-Right": 2957.6}


def test_drawn_volumes_hold_on_the_ct_and_on_a_coarse_grid(lung):
    for region in lung.regions():
        drawn = drawn_volume_ml(region.shape)
        assert drawn == pytest.approx(VOLUMES_ML[region.name], rel=5e-3)
        assert drawn == pytest.approx(POLYGONS_ML[region.name], rel=1e-4)
        for grid in (lung.ct().grid, lung.ct().grid.with_spacing(4.4)):
            assert rasterise(region.shape, grid).volume_ml == pytest.approx(drawn, rel=1e-3)
    assert {r.name for r in lung.regions()} == set(VOLUMES_ML)
    assert lung.warnings == ()


@pytest.fixture
def ge_pet(unpacked):
    return unpacked("pet_ge_raw", "image.tar.xz", "RTSTRUCT.dcm")


def test_a_ge_pet_keeps_the_sum_of_its_rescaled_slices(ge_pet):
    study = DicomStudy.open(ge_pet)
    image = study.emission()
    total = 0.0
    slopes = set()
    for file in (ge_pet / "image").iterdir():
        dataset = pydicom.dcmread(file)
        total += float(dataset.pixel_array.sum(dtype=np.int64)) * float(dataset.RescaleSlope)
        slopes.add(float(dataset.RescaleSlope))
    assert len(slopes) == 267
    assert total == pytest.approx(2.68885e9, rel=1e-5)
    assert image.volume.total / image.grid.voxel_volume_ml == pytest.approx(total, rel=1e-6)
    assert image.decay_reference is DecayReference.START
    assert (image.imaged_nuclide, image.header_half_life_s, image.frame_duration_s) == ("F-18", 6588.0, 240.0)
    assert "uneven-slices" in {w.code for w in study.warnings}


def test_regions_of_a_ge_pet_with_fifty_thousand_points_are_read(ge_pet):
    study = DicomStudy.open(ge_pet)
    regions = study.regions()
    assert sum(len(p) for r in regions for p in r.shape.polygons) > 40_000
    for region in regions:
        mask = rasterise(region.shape, study.emission().grid)
        assert mask.volume_ml == pytest.approx(drawn_volume_ml(region.shape), rel=1e-4)


@pytest.fixture
def xspect(unpacked):
    folder = unpacked("spect_quantitative", "SCAN_001_image.tar.xz", "SCAN_001_RTSTRUCT.dcm")
    return DicomStudy.open(folder)


def test_an_xspect_series_warns_about_its_decay_tags(xspect):
    image = xspect.emission()
    assert {w.code for w in xspect.warnings} == {"contradictory-decay"}
    assert (image.imaged_nuclide, image.decay_reference) == ("Lu-177", DecayReference.ADMIN)
    assert image.grid.shape == (199, 256, 256)
    # bed coordinates rise along the body although the patient lies feet first
    assert image.grid.affine[2, 0] == pytest.approx(1.95313, abs=1e-4)


def test_lesions_of_an_xspect_lie_on_activity(xspect):
    image = xspect.emission()
    mean = image.volume.total / image.grid.size
    for region in xspect.regions():
        mask = rasterise(region.shape, image.grid)
        inside = float((image.volume.array * mask.array).sum()) / mask.total
        assert inside > 20 * mean


def test_the_maa_spect_has_its_hottest_voxel_where_it_belongs(unpacked):
    study = DicomStudy.open(unpacked("maa_spect_real", "nm_neg.dcm.xz"))
    volume = study.emission().volume
    hottest = np.unravel_index(volume.array.argmax(), volume.array.shape)
    np.testing.assert_allclose(volume.grid.index_to_lps(hottest), (-139.17, -28.72, 1152.8), atol=0.01)
    assert study.emission().predicted
    assert volume.array.min() == -2
    assert [f.code for f in study.notices] == ["negative-counts"]


def test_everything_real_is_described_without_refusal_but_for_the_missing_emission(unpacked, ge_pet, xspect):
    for path, usable in (
        (ge_pet, True),
        (xspect.index.path, True),
        (unpacked("ct_liver", "CRLM-CT-1004.tar.xz"), False),
    ):
        assert describe_study(path).usable is usable
