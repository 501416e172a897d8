"""A CT whose parts were scanned with other thicknesses is brought to even slices; a missing slice is still refused."""

import dicom_factory as factory
import numpy as np
import pytest
from mutation.outcome import FACTS
from mutation.studies import CT, ROIS, STUDIES, ball_contours, ct_values, files_of, write

from y90voxel.case.verify import verify
from y90voxel.errors import DicomError
from y90voxel.io.dicom.ct import read_ct
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.pet import read_pet
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.read_study import read_study

AFFINE = np.array([[0, 0, 2.5, -40], [0, 2.5, 0, -40], [1.0, 0, 0, -120], [0, 0, 0, 1]])
ROWS = 32
THIN, THICK = 3.0, 6.0


def heights_of(thickness):
    """Centres of slices of such thicknesses that touch each other, from 0 on [mm]."""
    edges = np.concatenate([[0.0], np.cumsum(thickness)])
    return (edges[:-1] + edges[1:]) / 2


def thicknesses(*parts):
    return np.concatenate([np.full(count, size) for count, size in parts])


def slices_of(values_at, thickness, heights=None, **attributes):
    """A CT with values by height [HU], one thickness a slice."""
    heights = heights_of(thickness) if heights is None else heights
    stored = np.stack([np.rint(values_at(z) + 1024) for z in heights]).astype(np.int16)
    made = factory.ct(stored, AFFINE, heights_mm=heights, **attributes)
    for ds, size in zip(made, thickness, strict=True):
        ds.SliceThickness = f"{size:g}"
    return made


def read(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return read_ct(series)


def plane(value):
    return np.full((ROWS, ROWS), float(value))


def heights_in(image):
    """Height of every slice of an image above the first edge [mm]."""
    return image.grid.affine[2, 3] + 120 + image.grid.affine[2, 0] * np.arange(image.grid.shape[0])


@pytest.mark.parametrize(
    "parts", [((20, THIN), (10, THICK)), ((6, THICK), (12, THIN), (6, THICK)), ((10, 1.0), (4, 5.0))]
)
def test_values_by_height_stay_where_they_were(tmp_path, parts):
    thickness = thicknesses(*parts)
    image, notices = read(slices_of(lambda z: plane(5 * z - 300), thickness), tmp_path)
    step = min(size for _, size in parts)
    assert image.grid.shape[0] == round(thickness.sum() / step)
    assert image.grid.spacing_mm[0] == pytest.approx(step)
    (said,) = [f for f in notices if f.code == "several-thicknesses"]
    assert f"{thickness.min():g} to {thickness.max():g} mm thick" in said.message
    heights = heights_in(image)
    assert (heights[0], heights[-1]) == pytest.approx((step / 2, thickness.sum() - step / 2))
    inside = (heights > thickness[0]) & (heights < thickness.sum() - thickness[-1])
    np.testing.assert_allclose(image.array[inside, 3, 3], 5 * heights[inside] - 300, atol=0.6)


def test_a_blob_across_the_border_keeps_its_place_and_sum(tmp_path):
    thickness, centre, sigma = thicknesses((20, THIN), (10, THICK)), 61.0, 9.0
    image, _ = read(
        slices_of(lambda z: plane(1000 * np.exp(-0.5 * ((z - centre) / sigma) ** 2)), thickness), tmp_path
    )
    profile = image.array[:, 3, 3].astype(float)
    assert (profile * heights_in(image)).sum() / profile.sum() == pytest.approx(centre, abs=0.1)
    assert profile.sum() * THIN == pytest.approx(1000 * sigma * np.sqrt(2 * np.pi), rel=0.01)


def without(thickness, missing):
    """Slices of such thicknesses, one of them missing."""
    keep = np.arange(len(thickness)) != missing
    return slices_of(lambda z: plane(40), thickness[keep], heights_of(thickness)[keep])


@pytest.mark.parametrize("missing", [5, 19, 20, 25])
def test_a_missing_slice_of_any_part_is_refused(tmp_path, missing):
    with pytest.raises(DicomError, match="between file"):
        read(without(thicknesses((20, THIN), (10, THICK)), missing), tmp_path)


@pytest.mark.parametrize(("step", "accepted"), [(7.19, True), (7.21, False), (2.41, True), (2.39, False)])
def test_slices_on_both_sides_of_the_border_touch(tmp_path, step, accepted):
    heights = np.concatenate([THIN * np.arange(20), 57.0 + step + THICK * np.arange(10)])
    made = slices_of(lambda z: plane(40), thicknesses((20, THIN), (10, THICK)), heights)
    if accepted:
        assert "several-thicknesses" in {f.code for f in read(made, tmp_path)[1]}
    else:
        with pytest.raises(DicomError, match="between file"):
            read(made, tmp_path)


@pytest.mark.parametrize(("thick", "accepted"), [(9.9, True), (10.1, False)])
def test_the_thickest_slice_is_ten_times_the_thinnest_at_most(tmp_path, thick, accepted):
    made = slices_of(lambda z: plane(40), thicknesses((20, 1.0), (6, thick)))
    if accepted:
        assert read(made, tmp_path)[0].grid.spacing_mm[0] == pytest.approx(1.0, rel=0.05)
    else:
        with pytest.raises(DicomError, match="between file"):
            read(made, tmp_path)


def test_one_other_thickness_among_even_slices_changes_nothing(tmp_path):
    made = slices_of(lambda z: plane(z), thicknesses((12, THIN)))
    made[5].SliceThickness = "6"
    image, notices = read(made, tmp_path)
    assert image.grid.shape[0] == 12
    assert "several-thicknesses" not in {f.code for f in notices}


def test_frames_of_an_enhanced_ct_state_their_own_thickness(tmp_path):
    thickness = thicknesses((20, THIN), (10, THICK))
    heights = heights_of(thickness)
    ds = factory.enhanced_ct(np.full((30, ROWS, ROWS), 1040, np.int16), AFFINE)
    for groups, height, size in zip(ds.PerFrameFunctionalGroupsSequence, heights, thickness, strict=True):
        groups.PlanePositionSequence[0].ImagePositionPatient = factory.decimal([-40, -40, -120 + height])
        groups.PixelMeasuresSequence = [factory.item(PixelSpacing=["2.5", "2.5"], SliceThickness=f"{size:g}")]
    assert read([ds], tmp_path)[0].grid.shape[0] == 40


def test_a_pet_of_several_thicknesses_is_refused(tmp_path):
    thickness = thicknesses((8, THIN), (6, THICK))
    made = factory.pet(np.ones((14, 6, 7), np.uint16), heights_mm=heights_of(thickness))
    for ds, size in zip(made, thickness, strict=True):
        ds.SliceThickness = f"{size:g}"
    factory.save(made, tmp_path)
    (series,) = index_study(tmp_path).series
    with pytest.raises(DicomError, match="between file"):
        read_pet(series)


def mixed_study():
    """The SPECT study with a CT of 4 mm below and 8 mm above, on whose slices its regions are drawn."""
    study = {name: ds for name, ds in STUDIES["spect"]().items() if not name.startswith("ct")}
    thickness = thicknesses((14, 4.0), (7, 8.0))
    heights = heights_of(thickness) - 4.0
    values = ct_values()
    nearest = np.clip(np.rint(heights / 8.0).astype(int), 0, len(values) - 1)
    made = factory.ct(values[nearest], CT, heights_mm=heights)
    for number, (ds, size) in enumerate(zip(made, thickness, strict=True)):
        ds.SliceThickness = f"{size:g}"
        study[f"ct{number:02d}"] = ds
    return study


def outcome(study, folder):
    case = read_study(write(files_of(study), folder)).case(automatic=False, **FACTS["spect"])
    return verify(case, build_engine("local", case))


def test_a_study_with_such_a_ct_has_the_doses_of_an_even_one(tmp_path):
    found, even = outcome(mixed_study(), tmp_path / "a"), outcome(STUDIES["spect"](), tmp_path / "b")
    assert "several-thicknesses" in {n.code for n in found.notices}
    means = {m.name: m.mean_gy for m in even.regions}
    for metrics in found.regions:
        assert metrics.mean_gy == pytest.approx(means[metrics.name], rel=0.02), metrics.name


def test_a_region_on_the_thick_slices_alone_keeps_its_volume(tmp_path):
    """Lung_L lies among the 8 mm slices; its contours tell their own distance."""
    found, even = outcome(mixed_study(), tmp_path / "a"), outcome(STUDIES["spect"](), tmp_path / "b")
    volume = {m.name: m.volume_ml for m in even.regions}
    for metrics in found.regions:
        assert metrics.volume_ml == pytest.approx(volume[metrics.name], rel=0.01), metrics.name


def test_the_ball_of_the_lung_is_on_thick_slices():
    assert min(ring[0, 2] for ring in ball_contours(*ROIS["Lung_L"])) > CT[2, 3] + 14 * 4 - 4
