"""The folder of a plan read back as the dose that one of its models predicts."""

import json

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.study.result_folder import read_plan_folder, read_predicted_folder
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

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
    assert (found.side.activity_bq, found.side.is_prediction) == (2.2e9, True)
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


def test_a_model_of_what_is_no_plan_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folder of `y90voxel plan`, so it has no model 'voxel'"):
        read_predicted_folder(tmp_path, "voxel")
