"""The command `batch` on real little studies."""

import json

import pytest
from study_factory import write_study

GIVEN = ("--set", "administration.activity=2 GBq", "--set", "administration.lung_shunt_fraction=0.05")


@pytest.fixture
def cohort(tmp_path):
    for number in (1, 2):
        write_study(
            tmp_path / "cohort" / f"p{number}", StudyInstanceUID=f"1.2.{number}", PatientID=f"P{number}"
        )
    (tmp_path / "cohort" / "p2" / "nm0000").unlink()
    return tmp_path / "cohort"


def test_a_cohort_with_a_study_that_cannot_be_used_ends_with_2(run_cli, cohort, tmp_path):
    done = run_cli("batch", cohort, "-o", tmp_path / "out", *GIVEN, "--no-report", "--engine", "local")
    assert done.code == 2
    assert done.out.splitlines()[0] == "1 done, 0 failed, 1 refused; 2 computed now"
    assert "p2: refused" in done.err
    assert "0:00 left" in done.err
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["done"] == ["p1"]
    assert status["refused"][0]["reason"].startswith("no emission image in ")
    metrics = json.loads((tmp_path / "out" / "p1" / "metrics.json").read_text())
    assert metrics["engine"] == "local"
    write_study(cohort / "p2", StudyInstanceUID="1.2.2", PatientID="P2")
    done = run_cli(
        "batch", cohort, "-o", tmp_path / "out", *GIVEN, "--no-report", "--engine", "local", "--json"
    )
    assert done.code == 0
    assert json.loads(done.out)["counts"] == {"done": 2, "failed": 0, "refused": 0}
    assert json.loads(done.out)["computed"] == 1
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "engine"), "--set 'engine' is not KEY=VALUE"),
        (("--retry", "some"), "--retry 'some' is none of"),
        (("--engine", "magic"), "dose.engine = 'magic'"),
    ],
)
def test_wrong_options_end_with_2(run_cli, cohort, tmp_path, arguments, message):
    done = run_cli("batch", cohort, "-o", tmp_path / "out", *arguments)
    assert (done.code, message in done.err) == (2, True)
