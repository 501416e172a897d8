"""`dose --immune` from files: the sex of the images, the block and the figure, nothing of dates when anonymised."""

import json

import pytest
from study_factory import write_study

from y90voxel.case.setting_names import options_of
from y90voxel.case.settings import load_settings
from y90voxel.study.run_dose import run_study

GIVEN = {
    "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05, "time": "2024-03-12T06:00:00"},
    "dose": {"engine": "local"},
    "immune": {
        "report": True,
        "cycle_dates": ["2024-03-19"],
        "count": [{"date": "2024-03-01", "giga_per_l": 1.2}],
    },
}


def results(tmp_path, **output):
    study = write_study(tmp_path / "study", PatientSex="F")
    out = tmp_path / "out"
    run_study(study, out, load_settings(None, {**GIVEN, "output": output}))
    return out, json.loads((out / "metrics.json").read_text())


def test_sex_and_days_come_from_the_files_and_the_case(tmp_path):
    out, metrics = results(tmp_path)
    block = metrics["immune"]
    assert (block["blood"]["sex"], block["blood"]["sex_source"]) == ("female", "image")
    (cycle,) = block["cycles"]
    assert cycle["day"] == 7.0
    assert cycle["dose_left_percent"] == pytest.approx(100 * 2 ** (-7 * 24 / 64.1))
    assert block["lymphocytes"]["count_before_giga_per_l"] == 1.2
    assert (out / "figures" / "immune.png").stat().st_size > 10_000
    assert "exploratory, no decision may rest on it" in (out / "report.html").read_text()


def test_an_anonymised_run_keeps_days_and_no_dates(tmp_path):
    out, metrics = results(tmp_path, anonymise=True, report=False)
    assert metrics["immune"]["cycles"][0]["day"] == 7.0
    assert metrics["immune"]["blood"]["sex"] == "female"
    text = (out / "metrics.json").read_text()
    assert "2024-03" not in text
    assert metrics["provenance"]["settings"]["immune"] == {
        **metrics["provenance"]["settings"]["immune"], "report": True, "count": [{"giga_per_l": 1.2}]
    }  # fmt: skip


@pytest.mark.parametrize("command", ["dose", "plan", "batch"])
def test_commands_that_compute_doses_take_the_option(command):
    assert [one.path for one in options_of(command) if one.setting.flag == "--immune"] == [
        ("immune", "report")
    ]
