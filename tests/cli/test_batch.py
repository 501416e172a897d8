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
    assert "1 refused (no-emission): p2" in done.out
    assert "what to do: add the SPECT or PET series" in done.out
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
    assert json.loads(done.out)["counts"] == {"done": 2, "failed": 0, "refused": 0, "skipped": 0, "stale": 0}
    assert json.loads(done.out)["computed"] == 1
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "engine"), "--set 'engine' is not KEY=VALUE"),
        (("--retry", "some"), "--retry 'some' is none of"),
        (("--accept", "done"), "--accept 'done' is none of failed, refused, skipped, stale"),
        (("--engine", "magic"), "dose.engine = 'magic'"),
    ],
)
def test_wrong_options_end_with_2(run_cli, cohort, tmp_path, arguments, message):
    done = run_cli("batch", cohort, "-o", tmp_path / "out", *arguments)
    assert (done.code, message in done.err) == (2, True)


def test_a_fetched_study_in_the_cohort_and_results_beside_it_are_told_apart(run_cli, tmp_path):
    """Row 1 and row 11 of issue 18: the documented workflow, and OUT inside STUDY."""
    study = write_study(tmp_path / "cohort" / "p1", StudyInstanceUID="1.2.1", PatientID="P1")
    names = sorted(path.name for path in study.iterdir())
    (study / ".y90voxel.json").write_text(json.dumps({"files": names}))  # as `fetch` left it
    given = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local", "--no-report")
    for _ in range(2):  # the second run finds the results of the first in the study
        done = run_cli("dose", study, *given, "-o", study / "out")
        assert done.code == 0, done.err
    done = run_cli(
        "batch", tmp_path / "cohort", "-o", tmp_path / "out", *GIVEN, "--no-report", "--engine", "local"
    )
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "out" / "status.json").read_text())["done"] == ["p1"]


def test_a_dry_run_shows_the_plan_and_computes_nothing(run_cli, cohort, tmp_path):
    done = run_cli("batch", cohort, "-o", tmp_path / "out", *GIVEN, "--dry-run")
    assert done.code == 2
    assert done.out.splitlines()[0] == "0 done, 0 failed, 1 refused; 1 would be computed"
    assert "p1: would be computed (new): EMISSION NM" in done.out
    assert "1 refused (no-emission): p2" in done.out
    assert not (tmp_path / "out").exists()


def test_a_study_that_is_passed_over_is_told_and_fails_unless_it_is_accepted(run_cli, cohort, tmp_path):
    """Row 1 of issue 18: nobody goes missing without a word."""
    (cohort / "p2").rename(tmp_path / "aside")
    write_study(
        cohort / "earlier", StudyInstanceUID="1.2.9", PatientID="P1", FrameOfReferenceUID="1.2.9.1", nm=[]
    )
    argv = ["batch", cohort, "-o", tmp_path / "out", *GIVEN, "--no-report", "--engine", "local"]
    done = run_cli(*argv)
    assert done.code == 2
    assert done.out.splitlines()[0] == "1 done, 0 failed, 0 refused, 1 skipped; 1 computed now"
    assert "1 skipped (passed-over): earlier" in done.out
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert [row["study"] for row in status["skipped"]] == ["earlier"]
    assert "has no emission image" in status["skipped"][0]["reason"]
    assert run_cli(*argv, "--accept", "skipped").code == 0
    assert run_cli(*argv, "--accept", "stale").code == 2
