"""Folders of results read back: a dose with what its run said, a plan as the dose that one of its models predicts."""

import json

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.dicom.rtdose import DoseOrigin
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.metrics.region_columns import D_PERCENT, V_GY
from y90voxel.study import result_folder
from y90voxel.study.result_folder import (
    read_dose_folder,
    read_plan_folder,
    read_predicted_folder,
    shown_ct,
    with_activity,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap, Mask

GRID = Grid.from_spacing((4, 5, 6), (4.0, 4.0, 4.0))


def model(name, *activities_bq):
    return {
        "name": name, "title": name.upper(), "available": bool(activities_bq), "activities_bq": list(activities_bq),
        "activity_bq": sum(activities_bq) if activities_bq else None,
    }  # fmt: skip


def write_plan(folder, *models, first="partition", maps=1, mass_g=None):
    """A plan whose injection j gives j times 10 Gy/GBq everywhere."""
    folder.mkdir()
    document = {
        "schema_version": 1, "kind": "plan", "study": {"label": "S", "study_instance_uid": "2.25.1"}, "nuclide": "Y-90",
        "engine": "convolution", "energy_per_activity_j_per_gbq": 49.77, "lung": {"shunt_fraction": 0.06},
        "frame_of_reference_uid": "1.2.3", "first_model": first, "models": models, "tumour_to_normal": [],
        "regions": [{"name": "Liver", "mass_g": mass_g, "dose_per_gbq_gy": [10.0 * (n + 1) for n in range(maps)]}],
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(document))
    write_nifti(DoseMap(np.full(GRID.shape, 10.0), GRID), folder / "dose_per_gbq.nii.gz")
    for number in range(1, maps + 1 if maps > 1 else 0):
        dose = DoseMap(np.full(GRID.shape, 10.0 * number), GRID)
        write_nifti(dose, folder / f"dose_per_gbq_injection_{number}.nii.gz")
    write_regions_nifti(
        {"Liver": Mask(np.ones(GRID.shape), GRID)}, folder / "regions.nii.gz", roles={"Liver": "liver"}
    )
    return folder


def test_the_activity_that_was_given_comes_first(tmp_path):
    plan = write_plan(tmp_path / "p", model("given", 2.2e9), model("partition", 3e9))
    found = read_predicted_folder(plan)
    assert found.side.dose.array == pytest.approx(22.0)
    assert (found.side.label, found.side.activity_bq, found.side.is_prediction) == ("S", 2.2e9, True)
    assert (found.side.dose.grid.frame_of_reference_uid, found.side.lung_shunt_fraction) == ("1.2.3", 0.06)
    assert (found.side.regions[0].name, found.side.regions[0].role.value) == ("Liver", "liver")
    assert [n.message for n in found.notices] == [
        "the predicted dose is that of the plan's model 'given' (GIVEN), 2.2 GBq."
    ]
    assert [i["file"] for i in found.inputs] == ["plan.json", "dose_per_gbq.nii.gz", "regions.nii.gz"]


def test_without_a_given_activity_the_first_model_is_taken(tmp_path):
    plan = write_plan(tmp_path / "p", model("given"), model("partition", 3e9))
    assert read_plan_folder(plan).side.dose.array == pytest.approx(30.0)


def test_a_model_can_be_chosen(tmp_path):
    plan = write_plan(tmp_path / "p", model("given", 2.2e9), model("voxel", 1.5e9))
    assert read_predicted_folder(plan, "voxel").side.dose.array == pytest.approx(15.0)


def test_injections_add_by_their_own_maps(tmp_path):
    """1 GBq × 10 Gy/GBq + 0.5 GBq × 20 Gy/GBq."""
    plan = write_plan(tmp_path / "p", model("partition", 1e9, 0.5e9), maps=2)
    found = read_plan_folder(plan)
    assert found.side.dose.array == pytest.approx(20.0)
    assert found.side.activity_bq == 1.5e9
    assert [i["file"] for i in found.inputs if i["role"] == "dose"] == [
        "dose_per_gbq_injection_1.nii.gz", "dose_per_gbq_injection_2.nii.gz",
    ]  # fmt: skip


@pytest.mark.parametrize("mass_g", [None, 1500.0])
def test_a_region_of_known_mass_has_the_mean_by_mass_of_the_plan(tmp_path, mass_g):
    """Of 1 GBq × 10 Gy/GBq + 0.5 GBq × 20 Gy/GBq; without a mass only what the map says."""
    plan = write_plan(tmp_path / "p", model("partition", 1e9, 0.5e9), maps=2, mass_g=mass_g)
    stated = read_plan_folder(plan).side.stated
    assert {name: (r.mass_g, r.mass_weighted_mean_gy) for name, r in stated.items()} == (
        {} if mass_g is None else {"Liver": (1500.0, pytest.approx(20.0))}
    )


def no_such_model(plan):
    return "bsa"


def no_map(plan):
    (plan / "dose_per_gbq.nii.gz").unlink()


def no_models(plan):
    document = json.loads((plan / "plan.json").read_text())
    del document["models"]
    (plan / "plan.json").write_text(json.dumps(document))


def cut(plan):
    (plan / "plan.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_such_model, "no activity by the model 'bsa'. It has: given, partition"),
        (no_map, "has no dose map: it was made from masses"),
        (no_models, r"an entry is missing or misplaced \('models'\)"),
        (cut, "is damaged"),
    ],
)
def test_plans_that_cannot_be_used_are_refused(tmp_path, spoil, message):
    plan = write_plan(tmp_path / "p", model("given", 2e9), model("bsa"), model("partition", 3e9))
    with pytest.raises(InputError, match=message):
        read_predicted_folder(plan, spoil(plan))


def test_a_map_of_an_injection_that_is_gone_is_refused(tmp_path):
    plan = write_plan(tmp_path / "p", model("partition", 1e9, 0.5e9), maps=2)
    (plan / "dose_per_gbq_injection_2.nii.gz").unlink()
    with pytest.raises(InputError, match=r"dose_per_gbq_injection_2\.nii\.gz is missing"):
        read_plan_folder(plan)


def test_maps_of_injections_on_other_grids_are_refused(tmp_path):
    plan = write_plan(tmp_path / "p", model("partition", 1e9, 0.5e9), maps=2)
    other = Grid.from_spacing((4, 5, 6), (4.0, 4.0, 4.1))
    write_nifti(DoseMap(np.ones(other.shape), other), plan / "dose_per_gbq_injection_2.nii.gz")
    with pytest.raises(
        InputError, match=r"injection_2\.nii\.gz is damaged: its voxels are not those of the other"
    ):
        read_plan_folder(plan)


def test_a_model_of_what_is_no_plan_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folder of `y90voxel plan`, so it has no model 'voxel'"):
        read_predicted_folder(tmp_path, "voxel")


ENTRY = {
    "name": "Liver", "role": "liver", "automatic": False, "volume_ml": 7.68, "mass_g": 8.0, "activity_bq": 1e9,
    "relative_uncertainty": None, "mean_gy": 50.0, "mass_weighted_mean_gy": 49.0, "min_gy": 50.0, "max_gy": 50.0,
    "sd_gy": 0.0, **{f"d{percent}_gy": 50.0 for percent in D_PERCENT}, "v_percent": {str(dose): 1.0 for dose in V_GY},
}  # fmt: skip


def write_dose(folder, *, regions=(ENTRY,), region_grid=GRID, label="S", **changes):
    folder.mkdir()
    document = {
        "kind": "dose", "study": {"label": label, "study_instance_uid": "2.25.1"}, "nuclide": "Y-90", "predicted": False,
        "activity_bq": 1e9, "lung": {"shunt_fraction": 0.05}, "engine": "local", "energy_per_activity_j_per_gbq": 49.77,
        "regions": list(regions), "warnings": [], "provenance": {"settings": {}}, **changes,
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(document))
    write_nifti(DoseMap(np.full(GRID.shape, 50.0), GRID), folder / "dose.nii.gz")
    if region_grid is not None:
        write_regions_nifti(
            {"Liver": Mask(np.ones(region_grid.shape), region_grid)},
            folder / "regions.nii.gz",
            roles={"Liver": "liver"},
        )
    return folder


def test_a_dose_is_read_back_with_what_its_run_said(tmp_path):
    found = read_dose_folder(write_dose(tmp_path / "d"))
    side = found.side
    assert (side.label, side.nuclide, side.is_prediction, side.activity_bq) == ("S", "Y-90", False, 1e9)
    assert (side.lung_shunt_fraction, side.engine, side.stated["Liver"].mass_weighted_mean_gy) == (
        0.05,
        "local",
        49.0,
    )
    drawn, rest = side.regions
    assert (drawn.name, drawn.role.value, drawn.automatic) == ("Liver", "liver", False)
    assert rest.role.value == "non_tumour_liver"  # follows from it
    assert [item["file"] for item in found.inputs] == ["metrics.json", "dose.nii.gz", "regions.nii.gz"]
    assert (found.patient_id, side.dose.grid.frame_of_reference_uid) == (None, None)
    assert read_dose_folder(write_dose(tmp_path / "unnamed", label=None)).side.label == "unnamed"


@pytest.mark.parametrize(("listed", "refused"), [((), False), ((ENTRY,), True)])
def test_regions_that_were_written_and_are_gone_are_refused(tmp_path, listed, refused):
    folder = write_dose(tmp_path / "d", regions=listed, region_grid=None)
    if refused:
        with pytest.raises(InputError, match=r"regions\.nii\.gz is missing"):
            read_dose_folder(folder)
    else:
        found = read_dose_folder(folder)
        assert (found.side.regions, [item["file"] for item in found.inputs]) == (
            (),
            ["metrics.json", "dose.nii.gz"],
        )


def test_regions_on_other_voxels_are_refused(tmp_path):
    other = Grid.from_spacing((4, 5, 6), (4.0, 4.0, 5.0))
    with pytest.raises(InputError, match="its voxels are not those of the dose map"):
        read_dose_folder(write_dose(tmp_path / "d", region_grid=other))


@pytest.mark.parametrize(
    ("changes", "frame"),
    [
        ({}, "1.2"),
        ({"warnings": [{"code": "other"}]}, "1.2"),
        ({"warnings": [{"code": "other"}, {"code": "frame-of-reference-generated"}]}, None),
        ({"provenance": {"settings": {"output": {"anonymise": True}}}}, None),
        ({"provenance": {"settings": {"output": {"anonymise": False}}}}, "1.2"),
        ({"provenance": {}}, "1.2"),
    ],
)
def test_a_frame_that_was_made_up_is_none(tmp_path, monkeypatch, changes, frame):
    monkeypatch.setattr(result_folder, "read_dose_origin", lambda path: DoseOrigin("1.2", "42"))
    folder = write_dose(tmp_path / "d", **changes)
    (folder / "dose.dcm").touch()
    found = read_dose_folder(folder)
    assert (found.side.dose.grid.frame_of_reference_uid, found.patient_id) == (frame, "42")
    assert found.side.regions[0].mask.grid.frame_of_reference_uid == frame


def without(key):
    return {one: value for one, value in ENTRY.items() if one != key}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "plan"}, "is of kind 'plan', 'dose' is needed"),
        ({"regions": [without("mean_gy")]}, r"an entry is missing or misplaced \('mean_gy'\)"),
        ({"lung": None}, "an entry is missing or misplaced"),
    ],
)
def test_metrics_that_are_of_something_else_are_refused(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        read_dose_folder(write_dose(tmp_path / "d", **changes))


def test_what_is_no_folder_of_results_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for name, said in (
        ("file", "is a file"),
        ("none", "there is no folder"),
        (".", r"holds no metrics\.json"),
    ):
        with pytest.raises(InputError, match=said):
            read_dose_folder(tmp_path / name)
    for text in ("[]", '"x"'):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(InputError, match="is of kind None, 'dose' is needed"):
            read_dose_folder(tmp_path)
    folder = write_dose(tmp_path / "d")
    (folder / "dose.nii.gz").unlink()
    with pytest.raises(InputError, match=r"dose\.nii\.gz is missing"):
        read_dose_folder(folder)


@pytest.mark.parametrize(
    ("spacing", "there", "read"), [(4.0, True, True), (5.0, True, False), (4.0, False, False)]
)
def test_the_activity_of_a_folder_is_read_on_the_grid_of_its_dose(tmp_path, spacing, there, read):
    """In the file are Bq/mL, in the map Bq per voxel of 0.064 mL."""
    folder = write_dose(tmp_path / "d")
    if there:
        grid = Grid.from_spacing(GRID.shape, (4.0, 4.0, spacing))
        write_nifti(ActivityMap(np.full(GRID.shape, 1000.0), grid), folder / "activity.nii.gz")
    found = with_activity(read_dose_folder(folder).side, folder)
    assert (found.activity is not None) is read
    if read:
        assert found.activity.array == pytest.approx(64.0)


def test_a_ct_to_be_looked_at_is_read_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(result_folder, "read_ct_file", lambda path, notices: path.name)
    assert shown_ct(tmp_path) is None
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "ct.nrrd").touch()
    assert shown_ct(tmp_path) == "ct.nrrd"


def test_a_tumour_of_two_injections_has_no_ratio_of_its_own():
    rows = [{"tumour": name, "ratio": ratio} for name, ratio in (("A", 3.0), ("B", 2.0), ("A", 4.0))]
    assert result_folder._ratios({"tumour_to_normal": rows}) == {"B": 2.0}


@pytest.mark.parametrize(("name", "stated"), [("Liver", True), ("Other", False)])
def test_a_plan_says_nothing_of_regions_that_it_does_not_list(tmp_path, name, stated):
    plan = write_plan(tmp_path / "p", model("partition", 2e9), mass_g=1500.0)
    document = json.loads((plan / "plan.json").read_text())
    document["regions"][0]["name"] = name
    (plan / "plan.json").write_text(json.dumps(document))
    assert ("Liver" in read_plan_folder(plan).side.stated) is stated
