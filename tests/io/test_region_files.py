"""Regions of several files: they add up in any combination of formats, and their names tell them apart."""

import itertools
import json

import numpy as np
import pytest
from dicom_factory import rtstruct, save, seg
from study_factory import CT_AFFINE, ROIS, ball_contours, distances, write_study

from y90voxel.case.settings import StudySettings
from y90voxel.errors import InputError
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.io.region_files import paths_of
from y90voxel.study.read_study import read_region_files, read_study
from y90voxel.study.run_dose import read_chosen
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid((40, 40, 40), CT_AFFINE)
FACTS = {"administered_activity_bq": 1e9, "lung_shunt_fraction": 0.0}


def ball(name):
    centre, radius = ROIS["GTV1" if name != "Liver" else name]
    return (distances(GRID.shape, CT_AFFINE, centre) < radius).astype(np.float32)


def write(kind, name, folder):
    """One region as a file of a kind; returns its path."""
    folder.mkdir(exist_ok=True)
    if kind == "rtstruct":
        shape = ROIS["GTV1" if name != "Liver" else name]
        return save([rtstruct({name: ball_contours(*shape)}, series=name)], folder, f"rs{name}")[0]
    if kind == "seg":
        return save([seg({name: ball(name)}, CT_AFFINE, series=name)], folder, f"seg{name}")[0]
    if kind == "mask":
        write_nifti(Mask(ball(name), GRID), folder / f"{name}.nii.gz")
        return folder / f"{name}.nii.gz"
    if kind == "4d":
        write_regions_nifti({name: Mask(ball(name), GRID)}, folder / f"all_{name}.nii.gz")
        return folder / f"all_{name}.nii.gz"
    import SimpleITK

    image = SimpleITK.GetImageFromArray(ball(name).astype(np.uint8))
    image.SetOrigin(GRID.origin_mm.tolist())
    image.SetSpacing(GRID.spacing_mm[::-1])
    path = folder / (f"s{name}.seg.nrrd" if kind == "slicer" else f"labels_{name}.mha")
    if kind == "slicer":
        image.SetMetaData("Segment0_Name", name)
        image.SetMetaData("Segment0_LabelValue", "1")
        image.SetMetaData("Segment0_Layer", "0")
    else:
        path.with_suffix(".json").write_text(json.dumps({"1": name}))
    SimpleITK.WriteImage(image, str(path))
    return path


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("bare"), with_regions=False)


KINDS = ("rtstruct", "seg", "mask", "4d", "slicer", "labels")


@pytest.mark.parametrize(("first", "second"), list(itertools.product(KINDS, KINDS)))
def test_regions_of_two_files_add_up_in_any_combination(bare, tmp_path, first, second):
    files = [write(first, "Liver", tmp_path / "a"), write(second, "tumour", tmp_path / "b")]
    study = read_study(bare, regions=files)
    assert [region.name for region in study.drawn] == ["Liver", "tumour"]
    assert [item["role"] for item in study.inputs].count("regions") == 2  # each in the provenance
    drawn = {r.name: r for r in study.case(**FACTS, automatic=False).regions}
    assert {"Liver", "tumour", "non-tumour liver"} <= set(drawn)
    # of the order of the balls' volumes, whatever the format
    assert drawn["Liver"].mask.volume_ml == pytest.approx(463, rel=0.03)
    assert drawn["tumour"].mask.volume_ml == pytest.approx(17.2, rel=0.1)
    # the order says nothing
    turned = read_study(bare, regions=files[::-1])
    assert {region.name for region in turned.drawn} == {"Liver", "tumour"}


def test_one_path_and_a_sequence_of_one_are_the_same(bare, tmp_path):
    file = write("mask", "Liver", tmp_path)
    for given in (file, str(file), [file], (str(file),)):
        assert [region.name for region in read_study(bare, regions=given).drawn] == ["Liver"]
    assert read_study(bare, regions=[]).drawn == ()
    assert paths_of(None) == []


@pytest.mark.parametrize(("first", "second"), [("mask", "mask"), ("rtstruct", "slicer"), ("seg", "labels")])
@pytest.mark.parametrize(("one", "other"), [("Liver", "Liver"), ("Liver", "LIVER")])
def test_a_name_in_two_files_is_refused(bare, tmp_path, first, second, one, other):
    files = [write(first, one, tmp_path / "a"), write(second, other, tmp_path / "b")]
    with pytest.raises(InputError, match="a region is named 'Liver' in ") as caught:
        read_study(bare, regions=files)
    assert f"and {other!r} in" in caught.value.message
    assert all(str(file) in caught.value.message for file in files)


def test_a_file_given_twice_is_refused(bare, tmp_path):
    file = write("mask", "Liver", tmp_path)
    with pytest.raises(InputError, match="files of regions add up"):
        read_study(bare, regions=[file, file])
    with pytest.raises(InputError, match="files of regions add up"):
        read_region_files([file, file], [])


def test_a_name_that_one_file_has_twice_is_its_own_matter(bare, tmp_path):
    path = tmp_path / "all.nii.gz"
    write_nifti(Mask(ball("Liver"), GRID), tmp_path / "Liver.nii.gz")
    array = ball("tumour").astype(np.uint8)
    array[:2] = 2
    write_nifti(DoseMap(array.astype(np.float64), GRID), path)
    (tmp_path / "all.json").write_text(json.dumps({"1": "GTV", "2": "GTV"}))
    study = read_study(bare, regions=[path, tmp_path / "Liver.nii.gz"])
    assert [region.name for region in study.drawn] == ["GTV", "GTV", "Liver"]


def test_a_study_of_which_nothing_would_be_used_is_refused(tmp_path):
    """A positional argument that holds only regions is most likely one more file of them."""
    nowhere = tmp_path / "images"
    nowhere.mkdir()
    emission = write_study(tmp_path / "spect", with_ct=False, with_regions=False)
    spect = next(emission.iterdir())
    liver = write("rtstruct", "Liver", tmp_path / "a")
    tumour = write("rtstruct", "tumour", tmp_path / "b")
    for path in (tumour, tumour.parent):
        with pytest.raises(InputError, match="holds only regions, which --regions replaces"):
            read_study(path, emission=spect, regions=liver)
    with pytest.raises(InputError, match="holds no DICOM object: nothing of it would be used"):
        read_study(nowhere, emission=spect, regions=liver)
    assert [region.name for region in read_study(tumour, emission=spect).drawn] == ["tumour"]


def test_only_regions_may_be_several_files(bare, tmp_path):
    file = write("mask", "Liver", tmp_path)
    settings = StudySettings()

    def tell(what, done):
        """Nobody listens."""

    for role in ("emission", "ct"):
        with pytest.raises(InputError, match=f"2 files are given as {role}, one is needed"):
            read_chosen(bare, settings, {role: [file, file]}, tell)
    assert read_chosen(bare, settings, {"ct": [], "regions": [file]}, tell).ct is not None
