"""Schemas of results: published as the command prints them, valid, and strict where they promise to be."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from evaluation_factory import make_evaluation

from y90voxel.cli import schema_command
from y90voxel.cli.schema_command import case_file_schema
from y90voxel.io.result_tables import write_json
from y90voxel.study.result_schemas import RESULT_SCHEMAS, result_schema, schema_of_kind

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", RESULT_SCHEMAS)
def test_the_published_schema_is_what_the_command_prints(run_cli, name):
    text = result_schema(name)
    file = DOCS / "schemas" / f"{name}.schema.json"
    assert file.read_text(encoding="utf-8") == text, f"python -m y90voxel schema {name} > {file}"
    assert run_cli("schema", name).out == text
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_the_schema_of_the_case_file_is_printed_by_default(run_cli):
    text = (DOCS / "case.schema.json").read_text(encoding="utf-8")
    assert run_cli("schema").out == run_cli("schema", "case").out == case_file_schema() == text
    assert sorted(p.name for p in (DOCS / "schemas").iterdir()) == sorted(
        f"{n}.schema.json" for n in RESULT_SCHEMAS
    )


def test_the_help_names_them_all_and_another_is_refused(run_cli):
    assert schema_command.NAMES.replace(" or ", ", ").split(", ") == list(RESULT_SCHEMAS)
    done = run_cli("schema", "nothing")
    assert done.code == 2
    assert "there is no schema 'nothing'. There are: case, metrics, dvh, plan" in done.err


@pytest.fixture(scope="module")
def metrics():
    return json.loads(json.dumps(make_evaluation().metrics))


def faults(document):
    validator = jsonschema.Draft202012Validator(schema_of_kind(document["kind"]))
    return [fault.json_path for fault in validator.iter_errors(document)]


def test_a_document_fits_and_every_change_of_its_promises_is_noticed(metrics):
    assert faults(metrics) == []

    def changed(change):
        document = copy.deepcopy(metrics)
        change(document)
        return faults(document)

    assert changed(lambda d: d.pop("engine")) == ["$"]
    assert changed(lambda d: d.update(new_key=1)) == ["$"]
    assert changed(lambda d: d.update(schema_version=1)) == ["$.schema_version"]
    assert changed(lambda d: d.update(nuclide=None)) == ["$.nuclide"]
    assert changed(lambda d: d.update(activity_bq="2 GBq")) == ["$.activity_bq"]
    assert changed(lambda d: d["regions"][0].pop("mean_gy")) == ["$.regions[0]"]
    assert changed(lambda d: d["regions"][0].update(mean=1.0)) == ["$.regions[0]"]
    assert changed(lambda d: d["regions"][0].update(mean_gy="1")) == ["$.regions[0].mean_gy"]
    assert changed(lambda d: d["regions"][0]["v_percent"].pop("205")) == ["$.regions[0].v_percent"]
    assert changed(lambda d: d["warnings"].append({"code": "a"})) == [
        f"$.warnings[{len(metrics['warnings'])}]"
    ]
    assert changed(lambda d: d["regions"][0].update(eud_gy=None)) == []


def test_a_region_says_what_its_numbers_mean():
    region = RESULT_SCHEMAS["metrics"]["properties"]["regions"]["items"]["properties"]
    assert region["d70_gy"]["description"] == "greatest dose that at least 70 % of the volume receives [Gy]"
    assert (
        region["v_percent"]["properties"]["205"]["description"] == "volume that receives at least 205 Gy [%]"
    )


def test_the_suite_checks_what_it_writes(metrics, tmp_path):
    """By the fixture of conftest.py, in the one function that writes results."""
    write_json(metrics, tmp_path / "metrics.json")
    with pytest.raises(AssertionError, match=r"does not fit its schema: .*'engine' is a required property"):
        write_json(
            {key: value for key, value in metrics.items() if key != "engine"}, tmp_path / "metrics.json"
        )
    write_json({"kind": "something else"}, tmp_path / "other.json")
