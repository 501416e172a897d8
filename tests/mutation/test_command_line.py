"""Faults through the real command line: exit 2, one paragraph on stderr, nothing written; no name of a patient."""

import json
import subprocess
import sys

import pytest
from mutation.faults import FAULTS
from mutation.studies import STUDIES, files_of, write

GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local", "--no-report")
IN_ITS_OWN_PROCESS = (
    "drop the emission image",
    "corrupt PixelSpacing: nan",
    "contradict the patient of one slice",
    "swap the places of two slices",
    "truncate rs of spect to 60 %",
)
REFUSED = sorted(name for name, fault in FAULTS.items() if fault.refused)


def damaged(name, folder):
    fault = FAULTS[name]
    study = STUDIES[fault.study]()
    files = fault.do(study)
    return write(files_of(study) if files is None else files, folder / "study")


@pytest.mark.parametrize("name", REFUSED[::4])
def test_a_refusal_is_exit_2_and_one_paragraph(run_cli, tmp_path, name):
    done = run_cli("dose", damaged(name, tmp_path), *GIVEN, "-o", tmp_path / "out")
    assert done.code == 2, done.err
    message = [line for line in done.err.splitlines() if not line.startswith("[")]
    assert len(message) == 1
    assert message[0].startswith("y90voxel: ")
    assert "Traceback" not in done.err
    assert "Factory" not in done.err + done.out
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


@pytest.mark.parametrize("name", IN_ITS_OWN_PROCESS)
def test_a_refusal_in_a_process_of_its_own(tmp_path, name):
    command = [sys.executable, "-m", "y90voxel", "dose", str(damaged(name, tmp_path)), *GIVEN, "--json"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out")], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2, done.stderr
    error = json.loads(done.stderr.strip().splitlines()[-1])["error"]
    assert error["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", REFUSED[::6])
def test_inspect_shows_what_dose_refuses_in_its_headers(run_cli, tmp_path, name):
    done = run_cli("inspect", damaged(name, tmp_path), "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["kind"] == "inspect"
