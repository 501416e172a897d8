"""The folder of a dose read back: what its files say together, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.nifti import write_activity_concentration, write_nifti, write_regions_nifti
from y90voxel.metrics.region_columns import D_PERCENT, V_GY
from y90voxel.regions.roles import Role
from y90voxel.study.result_folder import (
    _planned,
    _ratios,
    read_dose_folder,
    read_predicted_folder,
    shown_ct,
    with_activity,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap, Mask

GRID = Grid.from_spacing((4, 5, 6), (4.0, 5.0, 5.0), frame_of_reference_uid="1.2.3")  # voxels of 0.1 mL
LIVER = Mask(np.ones(GRID.shape), GRID)
NUMBERS = (
    "volume_ml", "mass_g", "activity_bq", "relative_uncertainty", "mean_gy", "mass_weighted_mean_gy", "min_gy", "max_gy", "sd_gy",
)  # fmt: skip


def entry(name="Liver", role="liver", **more):
    numbers = dict.fromkeys((*NUMBERS, *(f"d{percent}_gy" for percent in D_PERCENT)), 1.0)
    return (
        {"name": name, "role": role, "automatic": False, "v_percent": dict.fromkeys(map(str, V_GY), 0.0)}
        | numbers
        | more
    )


@pytest.fixture
def out(tmp_path):
    """A folder with all that is read back."""
    folder = tmp_path / "run 7"
    folder.mkdir()
    dose = DoseMap(np.full(GRID.shape, 10.0), GRID)
    write_nifti(dose, folder / "dose.nii.gz")
    write_regions_nifti({"Liver": LIVER, "Thing": LIVER}, folder / "regions.nii.gz", roles={"Liver": "liver"})
    write_rtdose(dose, folder / "dose.dcm", identity=StudyIdentity(patient_id="P1"))
    write(folder)
    return folder


def write(folder, **more):
    document = {
        "kind": "dose", "study": {"label": "S", "study_instance_uid": "2.25.1"}, "nuclide": "Y-90", "predicted": False,
        "activity_bq": 1e9, "lung": {"shunt_fraction": 0.05}, "engine": "local", "energy_per_activity_j_per_gbq": 49.77,
        "regions": [entry(mean_gy=11.0)], "warnings": [], "provenance": {"settings": {}},
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(document | more))


def test_a_run_is_read_back(out):
    found = read_predicted_folder(out)
    assert (found.side.label, found.side.activity_bq, found.side.is_prediction) == ("S", 1e9, False)
    assert found.side.stated["Liver"].mean_gy == 11.0
    assert [(region.name, region.role) for region in found.side.regions[:2]] == [
        ("Liver", Role.LIVER),
        ("Thing", Role.OTHER),
    ]
    assert found.side.dose.grid.frame_of_reference_uid == "1.2.3"
    assert all(region.mask.grid.frame_of_reference_uid == "1.2.3" for region in found.side.regions)
    assert found.patient_id == "P1"
    assert [(one["role"], one["file"]) for one in found.inputs] == [
        ("metrics", "metrics.json"),
        ("dose", "dose.nii.gz"),
        ("regions", "regions.nii.gz"),
    ]


def test_a_run_without_a_label_is_called_like_its_folder(out):
    write(out, study={"label": None, "study_instance_uid": None})
    assert read_dose_folder(out).side.label == "run 7"


@pytest.mark.parametrize(
    ("more", "frame"),
    [
        ({}, "1.2.3"),
        ({"warnings": [{"code": "frame-of-reference-generated"}]}, None),
        ({"warnings": [{"code": "other"}]}, "1.2.3"),
        ({"provenance": {"settings": {"output": {"anonymise": True}}}}, None),
        ({"provenance": {"settings": {"output": {"anonymise": False}}}}, "1.2.3"),
    ],
)
def test_a_frame_that_was_made_up_is_none(out, more, frame):
    write(out, **more)
    found = read_dose_folder(out)
    assert (found.side.dose.grid.frame_of_reference_uid, found.patient_id) == (frame, "P1")


def test_without_the_object_neither_frame_nor_patient_is_known(out):
    (out / "dose.dcm").unlink()
    found = read_dose_folder(out)
    assert (found.side.dose.grid.frame_of_reference_uid, found.patient_id) == (None, None)


def test_a_run_without_regions_has_none_and_one_that_lost_them_is_refused(out):
    (out / "regions.nii.gz").unlink()
    with pytest.raises(InputError, match=r"regions\.nii\.gz is missing from the results"):
        read_dose_folder(out)
    write(out, regions=[])
    found = read_dose_folder(out)
    assert (found.side.regions, [one["role"] for one in found.inputs]) == ((), ["metrics", "dose"])


def test_regions_of_another_run_are_refused(out):
    other = Grid.from_spacing((4, 5, 6), (4.0, 5.0, 5.1))
    write_regions_nifti({"Liver": Mask(np.ones(other.shape), other)}, out / "regions.nii.gz", roles={})
    with pytest.raises(InputError, match="its voxels are not those of the dose map"):
        read_dose_folder(out)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is of kind None, 'dose' is needed"),
        ('{"kind": "plan"}', "is of kind 'plan', 'dose' is needed"),
        ('{"kind": "dose", "regions": []}', r"an entry is missing or misplaced \('study'\)"),
    ],
)
def test_a_document_of_another_kind_or_a_damaged_one_is_refused(out, text, said):
    (out / "metrics.json").write_text(text)
    with pytest.raises(InputError, match=said):
        read_dose_folder(out)


def test_what_is_no_folder_of_results_is_refused(out, tmp_path):
    with pytest.raises(InputError, match=r"metrics\.json is a file\. Give a folder"):
        read_dose_folder(out / "metrics.json")
    with pytest.raises(InputError, match="there is no folder"):
        read_dose_folder(tmp_path / "none")
    (out / "dose.nii.gz").unlink()
    with pytest.raises(InputError, match=r"dose\.nii\.gz is missing from the results"):
        read_dose_folder(out)
    (out / "metrics.json").unlink()
    with pytest.raises(
        InputError, match=r"holds no metrics\.json: it is not a folder that `y90voxel dose` wrote"
    ):
        read_dose_folder(out)


def test_the_activity_map_is_that_of_the_grid_of_the_dose(out):
    side = read_dose_folder(out).side
    assert with_activity(side, out).activity is None
    activity = ActivityMap(np.full(GRID.shape, 5e4), GRID)
    write_activity_concentration(activity, out / "activity.nii.gz")
    found = with_activity(side, out).activity
    assert found.array == pytest.approx(5e4)
    assert found.grid is side.dose.grid
    other = Grid.from_spacing(GRID.shape, (4.0, 5.0, 5.1))
    write_activity_concentration(ActivityMap(activity.array, other), out / "activity.nii.gz")
    assert with_activity(side, out).activity is None


def test_a_run_without_a_scene_shows_no_ct(out):
    assert shown_ct(out) is None
    (out / "scene").mkdir()
    (out / "scene" / "ct.nrrd").write_text("no image")
    with pytest.raises(InputError):
        shown_ct(out)


def test_a_tumour_has_a_ratio_where_one_injection_gives_it_one():
    rows = [("A", 3.0), ("B", 4.0), ("B", 5.0)]
    plan = {"tumour_to_normal": [{"tumour": name, "ratio": ratio} for name, ratio in rows]}
    assert _ratios(plan) == {"A": 3.0}


def test_a_plan_says_something_of_regions_with_a_mass_and_a_voxel(out):
    side = read_dose_folder(out).side
    empty = replace(side.regions[1], name="Empty", mask=Mask(np.zeros(GRID.shape), GRID))
    side = replace(side, regions=(*side.regions[:2], empty))
    rows = [("Liver", 1500.0), ("Thing", None), ("Empty", 10.0)]
    plan = {"regions": [{"name": n, "mass_g": g, "dose_per_gbq_gy": [10.0, 20.0]} for n, g in rows]}
    (found,) = _planned(side, plan, [2e9, 0.5e9]).values()
    assert (found.name, found.mass_g, found.mass_weighted_mean_gy) == ("Liver", 1500.0, 30.0)
    assert found.mean_gy == pytest.approx(10.0)
