"""What a worker says of a study."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from dicom_factory import rtstruct, save
from study_factory import ROIS, ball_contours, write_study

from y90voxel.batch.study_units import Unit
from y90voxel.batch.study_work import compute_study
from y90voxel.batch.work_plan import Choices, optional_roles
from y90voxel.study.anonymous_text import without_identity
from y90voxel.version import __version__


def request(tmp_path, **changed):
    (tmp_path / "staging").mkdir(exist_ok=True)
    settings = {
        "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
        "output": {"report": False},
    }
    return {
        "version": __version__,
        "path": str(tmp_path / "study"),
        "only": None,
        "files": {},
        "settings": settings,
        "staging": str(tmp_path / "staging" / "x"),
        "earlier": None,
        "memory_bytes": None,
        **changed,
    }


def test_another_version_is_not_mixed_in(tmp_path):
    said = compute_study(request(tmp_path, version="0.0.1"))
    assert (said["status"], "the batch 0.0.1. Install the same" in said["reason"]) == ("failed", True)


def test_an_output_folder_that_is_not_shared_is_said(tmp_path):
    said = compute_study(request(tmp_path, staging=str(tmp_path / "elsewhere" / "x")))
    assert "The output folder must be shared." in said["reason"]


def test_a_study_is_computed_and_its_files_are_known(tmp_path):
    write_study(tmp_path / "study")
    said = compute_study(request(tmp_path))
    assert said["status"] == "done"
    assert said["files"] == 42
    assert len(said["content_sha256"]) == 64
    assert (tmp_path / "staging" / "x" / "metrics.json").is_file()
    assert 0.0 < said["work_seconds"] < 120.0


def test_several_files_of_regions_reach_the_study(tmp_path):
    write_study(tmp_path / "study", with_regions=False)
    files = []
    for name, shape in ROIS.items():
        files += save([rtstruct({name: ball_contours(*shape)}, series=name)], tmp_path, name)
    named = Unit("", "", None, None, {"regions": tuple(files)}).named_files(resolved=True)
    reply = compute_study(request(tmp_path, files=json.loads(json.dumps(named))))
    assert (reply["status"], reply["files"]) == ("done", 43)
    found = json.loads((tmp_path / "staging" / "x" / "metrics.json").read_text())
    assert {"Liver", "GTV1"} <= {region["name"] for region in found["regions"]}


def test_a_refusal_names_neither_patient_nor_place(tmp_path):
    """Region names that hold the patient's name come back in the refusal of a study without liver."""
    rois = {"Doe liver old": ROIS["Liver"], "John tumour": ROIS["GTV1"]}
    write_study(tmp_path / "study", rois=rois, PatientName="Doe^John", PatientID="MRN4711")
    for anonymous in (False, True):
        given = request(tmp_path)
        given["settings"]["output"]["anonymise"] = anonymous
        said = in_a_process(given)
        assert "refused" in said
        assert ("Doe" in said or "John" in said) is not anonymous
        assert "MRN4711" not in said


def in_a_process(given):
    """What is said of a study, computed where file descriptors may be closed."""
    code = (
        "import json, os, sys; from y90voxel.batch.study_work import compute_study\n"
        "out = os.dup(1); os.write(out, json.dumps(compute_study(json.loads(sys.argv[1]))).encode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(given)], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("anonymous", [False, True])
def test_words_are_hidden_only_when_asked(anonymous):
    assert without_identity("the liver of Doe", ["doe"] if anonymous else []) == (
        "the liver of …" if anonymous else "the liver of Doe"
    )


ROLES = {"GTV*": "tumour", "HCC*": "tumour"}


def test_a_pattern_for_all_studies_may_fit_nothing_in_one_and_is_listed(tmp_path):
    write_study(tmp_path / "study")
    given = request(tmp_path, optional_roles=["GTV*", "HCC*"])
    given["settings"]["regions"] = {"roles": ROLES}
    assert compute_study(given)["status"] == "done"
    metrics = json.loads((tmp_path / "staging" / "x" / "metrics.json").read_text())
    assert {r["name"]: r["role"] for r in metrics["regions"]}["GTV1"] == "tumour"
    said = {w["code"]: w["message"] for w in metrics["warnings"]}["role-without-region"]
    assert said == "roles of a case file, or given for all studies, that fit no region of this one: 'HCC*'."


def test_a_pattern_that_the_row_of_the_study_gives_has_to_fit(tmp_path):
    write_study(tmp_path / "study")
    given = request(tmp_path, optional_roles=["GTV*"])
    given["settings"]["regions"] = {"roles": ROLES}
    said = compute_study(given)
    assert (said["status"], "'HCC*'" in said["reason"]) == ("refused", True)


def test_a_pattern_reaches_regions_that_get_other_names(tmp_path):
    write_study(tmp_path / "study", rois={"Liver": ROIS["Liver"], "Smith node": ROIS["GTV1"]})
    given = request(tmp_path)
    given["settings"] |= {
        "regions": {"roles": {"smith*": "tumour"}},
        "output": {"report": False, "anonymise": True},
    }
    assert "done" in in_a_process(given)
    metrics = json.loads((tmp_path / "staging" / "x" / "metrics.json").read_text())
    assert {r["name"]: r["role"] for r in metrics["regions"]}["region 2"] == "tumour"


def test_which_roles_may_fit_nothing_changes_what_a_study_was_made_of(tmp_path):
    unit = Unit("p1", "p1", tmp_path, settings={"regions": {"roles": {"HCC*": "tumour"}}})
    choices = Choices({"regions": {"roles": {"CCC*": "tumour"}}}, {"regions": {"roles": {"GTV": "tumour"}}})
    assert optional_roles(unit, choices) == ["CCC*", "GTV", "HCC*"]  # its own case file may serve others too
    assert optional_roles(replace(unit, row_roles=("HCC*",)), choices) == ["CCC*", "GTV"]
