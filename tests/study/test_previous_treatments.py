"""Earlier treatments that a plan counts: lungs, limits of the user, and what cannot be counted."""

import json
import shutil

import pytest
from study_factory import ROIS, write_study, write_therapy_study

from y90voxel.metrics.radiobiology import bed
from y90voxel.study.result_folder import read_dose_folder

CASE = """
[administration]
activity = "1 GBq"
lung_shunt_fraction = 0.25
device = "glass"
[dose]
engine = "local"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from y90voxel.case.settings import load_settings
    from y90voxel.study.run_dose import run_study

    root = tmp_path_factory.mktemp("previous")
    write_study(root / "maa")
    (root / "case.toml").write_text(CASE)
    settings = load_settings(root / "case.toml", {"output": {"report": False}})
    for name, counts in (("one", 500), ("two", 300)):
        run_study(write_therapy_study(root / f"{name}_study", counts), root / name, settings)
    only_liver = write_therapy_study(root / "no_tumour_study", 500, rois={"Liver": ROIS["Liver"]})
    run_study(only_liver, root / "no_tumour", settings)
    write_study(root / "other_maa", PatientID="somebody else")
    return root


@pytest.fixture
def plan(run_cli, made):
    def run(*arguments, study="maa"):
        return run_cli(
            "plan", made / study, "--case", made / "case.toml", "--json", "--no-report", *arguments
        )

    return run


def model(document, name="given"):
    return next(m for m in document["models"] if m["name"] == name)


def codes(document):
    return [w["code"] for w in document["warnings"]]


def failed(done, *words):
    assert done.code == 2
    message = json.loads(done.err)["error"]["message"]
    for word in words:
        assert word in message


def test_lungs_count_every_earlier_treatment(plan, made):
    """1 GBq at 25 % are 49.77 · 0.25 = 12.44 Gy to 1 kg; two of them leave 25.1 of 50 Gy."""
    done = plan("--previous", made / "one", "--previous", made / "two")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["context"]["previous_lung_doses_gy"] == pytest.approx([12.44, 12.44], rel=1e-3)
    row = next(r for r in model(document)["limits"] if r["region"] == "lungs" and r["limit_gy"] == 50)
    assert (row["previous"], row["status"]) == (pytest.approx(24.89, rel=1e-3), "met")
    assert codes(document).count("previous-treatment") == 2
    typed = json.loads(plan("--previous", made / "one", "--previous-lung-dose", "30").out)
    assert typed["context"]["previous_lung_doses_gy"] == pytest.approx([30.0, 12.44], rel=1e-3)


def test_a_limit_of_the_user_counts_the_same_region(plan, made):
    limit = "--limit", "non-tumour liver mean <= 200"
    alone, again = (json.loads(plan(*limit, *more).out) for more in ((), ("--previous", made / "one")))
    name = "non-tumour liver mean at most 200 Gy"
    rows = [next(r for r in model(d)["limits"] if r["name"] == name) for d in (alone, again)]
    stated = {r["name"]: r for r in json.loads((made / "one" / "metrics.json").read_text())["regions"]}
    used = stated["non-tumour liver"]["mass_weighted_mean_gy"]
    assert [r["previous"] for r in rows] == [0.0, pytest.approx(used, rel=1e-6)]
    assert rows[1]["activity_at_value_bq"] == pytest.approx(
        rows[0]["activity_at_value_bq"] * (200 - used) / 200, rel=1e-6
    )
    assert "previous-counted" in codes(again)


def test_a_limit_on_bed_counts_with_its_own_parameters(plan, made, tmp_path):
    (tmp_path / "limits.toml").write_text(
        CASE + '[[plan.limit]]\nregion = "non-tumour liver"\nmetric = "BED"\nvalue = 900\n'
        "parameters = {alpha_beta_gy = 2.5, repair_half_time_h = 2.5}\n"
        f'[plan]\nprevious = ["{made / "one"}"]\n'
    )
    done = plan("--case", tmp_path / "limits.toml")
    document = json.loads(done.out)
    row = next(r for r in model(document)["limits"] if r["metric"] == "BED")
    side = read_dose_folder(made / "one").side
    region = next(r for r in side.regions if r.name == "non-tumour liver")
    values = bed(side.dose.array.clip(0), 2.5, 2.5 * 3600, 64.1 * 3600)
    wanted = float((region.mask.array * values).sum() / region.mask.array.sum())
    assert row["previous"] == pytest.approx(wanted, rel=1e-3)


def test_what_does_not_add_up_is_said(plan, made):
    document = json.loads(plan("--previous", made / "one", "--limit", "GTV1 D70 <= 900").out)
    assert "previous-not-counted" in codes(document)
    missing = json.loads(plan("--previous", made / "no_tumour", "--limit", "GTV1 mean <= 900").out)
    (message,) = [w["message"] for w in missing["warnings"] if w["code"] == "previous-not-counted"]
    assert "no region 'GTV1'" in message


def test_an_earlier_treatment_pretreats_the_liver(plan, made):
    document = json.loads(plan("--previous", made / "one").out)
    assert document["context"]["pretreated"] is True
    failed(plan("--previous", made / "one", "--not-pretreated"), "not treated before")


def test_a_prediction_is_named_as_one(plan, made, run_cli):
    done = run_cli(
        "dose", made / "maa", "--case", made / "case.toml", "-o", made / "predicted", "--no-report", "--json"
    )
    assert done.code == 0
    document = json.loads(plan("--previous", made / "predicted").out)
    (message,) = [w["message"] for w in document["warnings"] if w["code"] == "previous-treatment"]
    assert "predicted from a surrogate" in message


def test_names_of_folders_stay_out_of_anonymous_results(plan, made):
    done = plan("--previous", made / "one", "--anonymise")
    (message,) = [w["message"] for w in json.loads(done.out)["warnings"] if w["code"] == "previous-treatment"]
    assert message.startswith("earlier treatment 1: ")


def test_what_cannot_be_counted(plan, made, tmp_path):
    failed(plan("--previous", made / "one", "--previous", made / "one"), "given twice")
    failed(plan("--previous", made / "maa"), "metrics.json")
    failed(plan("--previous", made / "one", study="other_maa"), "two patients")
    (tmp_path / "limits.toml").write_text(
        CASE + '[[plan.limit]]\nregion = "non-tumour liver"\nvalue = 90\nprevious = 20\n'
    )
    failed(
        plan("--case", tmp_path / "limits.toml", "--previous", made / "one"), "20", "leave one of both out"
    )
    spoiled = shutil.copytree(made / "one", tmp_path / "spoiled")
    document = json.loads((spoiled / "metrics.json").read_text())
    document["lung"]["mean_mird_1kg_gy"] = None
    (spoiled / "metrics.json").write_text(json.dumps(document))
    failed(plan("--previous", spoiled), "no lung dose", "--previous-lung-dose")
