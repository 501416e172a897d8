"""`--microscale` from the command line to the folder of results."""

import csv
import json

import pytest
from study_factory import write_study

FACTS = ("--activity", "2 GBq", "--lung-shunt", "0", "--engine", "local", "--no-report")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("cohort") / "p1", StudyInstanceUID="1.2.1", PatientID="P1")


def metrics(out):
    return json.loads((out / "metrics.json").read_text(encoding="utf-8"))


def test_dose_writes_the_block_and_its_notices(study, run_cli, tmp_path):
    given = ("--microscale", "--device", "glass", "--days-since-calibration", "4", "--disease", "HCC")
    done = run_cli("dose", study, *FACTS, *given, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    found = metrics(tmp_path / "out")
    block = found["microscale"]
    assert block["activity_per_sphere_bq"] == pytest.approx(2500 * 2 ** (-96 / 64.1), rel=1e-6)
    by_name = {region["name"]: region for region in found["regions"]}
    assert {row["region"] for row in block["regions"]} >= {"Liver", "non-tumour liver"}
    assert "lungs" not in {row["region"] for row in block["regions"]}
    for row in block["regions"]:
        assert row["mean_gy"] == by_name[row["region"]]["mean_gy"]
        assert row["voxel_d70_gy"] == by_name[row["region"]]["d70_gy"]
    said = {notice["code"] for notice in found["warnings"]}
    assert {"microscale-hidden", "microscale-clusters"} <= said
    assert "warning [microscale-hidden]" in done.err


def test_clusters_and_places_are_options(study, run_cli, tmp_path):
    given = (
        "--microscale",
        "--sphere-activity",
        "340 Bq",
        "--clusters",
        "geometric-5",
        "--sphere-places",
        "tracts",
    )
    done = run_cli("dose", study, *FACTS, *given, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    block = metrics(tmp_path / "out")["microscale"]
    assert (block["clusters"], block["places"]) == ("geometric-5", "tracts")
    assert block["activity_source"] == "as stated"


def test_without_it_there_is_no_block(study, run_cli, tmp_path):
    done = run_cli("dose", study, *FACTS, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert metrics(tmp_path / "out")["microscale"] is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "not known without a device"),
        (("--device", "glass"), "Give --days-since-calibration"),
        (("--sphere-activity", "0 Bq"), "above zero"),
        (("--sphere-activity", "340 Bq", "--clusters", "trios"), "trios"),
    ],
)
def test_what_cannot_be_ends_with_2(study, run_cli, tmp_path, given, says):
    done = run_cli("dose", study, *FACTS, "--microscale", *given, "-o", tmp_path / "out")
    assert done.code == 2
    assert says in done.err
    assert not (tmp_path / "out").exists()


def test_a_batch_has_it_for_every_study(study, run_cli, tmp_path):
    given = ("--set", "administration.activity=2 GBq", "--set", "administration.lung_shunt_fraction=0")
    sphere = ("--set", "microscale.activity_per_sphere=68 Bq")
    done = run_cli(
        "batch", study.parent, *given, *sphere, "--microscale", "--engine", "local", "--no-report", "-o", tmp_path / "out"
    )  # fmt: skip
    assert done.code == 0, done.err
    block = metrics(tmp_path / "out" / "p1")["microscale"]
    assert block["activity_per_sphere_bq"] == 68.0
    with (tmp_path / "out" / "cohort.csv").open(encoding="utf-8") as stream:
        rows = {row["region"]: row for row in csv.DictReader(stream)}
    for region in block["regions"]:
        row = rows[region["region"]]
        assert float(row["microscale_d70_gy"]) == pytest.approx(region["d70_gy"], rel=1e-6)
        assert row["microscale_clusters"] == "single"
