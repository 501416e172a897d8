"""The worked examples of docs/course.md: their commands are run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "activity_gbq", "lung_gy"), [(1, 1.059, 7.890), (2, 1.225, 1.217), (3, 4.7, 28.01)]
)
def test_the_three_patients(run_cli, tmp_path, number, activity_gbq, lung_gy):
    assert f"docs/courses/patient_{number}.toml" in PAGE
    done = run_cli(
        "course", ROOT / "docs" / "courses" / f"patient_{number}.toml", "-o", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    plan, event = json.loads(done.out)["sessions"]
    assert plan["summary"]["activity_bq"] == pytest.approx(activity_gbq * 1e9)
    assert plan["summary"]["doses_gy"]["lungs"] == pytest.approx(lung_gy, rel=1e-3)
    assert (event["kind"], event["day"]) == ("event", {1: 120, 2: 120, 3: 30}[number])
    assert "01-radioembolization-as-planned/plan.html" in (tmp_path / "out" / "course.html").read_text()


@pytest.mark.slow
def test_the_fourth_patient(run_cli, tmp_path):
    """About a minute: a plan, two doses, a comparison and a sum of the sample study."""
    commands = re.findall(r"^    (?:python|y90voxel) (.*patient_4.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    script = [
        sys.executable,
        str(ROOT / "docs" / "courses" / "make_patient_4.py"),
        str(tmp_path / "patient_4"),
    ]
    subprocess.run(script, check=True, cwd=ROOT)
    done = run_cli("course", tmp_path / "patient_4" / "patient_4.toml", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    total = document["accumulate"]["summary"]
    assert total["voxels_summed"] is True
    by_name = {region["name"]: region["mean_gy"] for region in total["regions"]}
    one, two = (
        s["summary"]["doses_gy"]["non_tumour_liver"] for s in document["sessions"] if s["kind"] == "dose"
    )
    assert by_name["non-tumour liver"] == pytest.approx(
        one + two + 1.7, rel=0.03
    )  # 40 Gy in a ball: 1.7 Gy of mean
    assert {limit["status"] for limit in total["limits"]} <= {"met", "not met"}
