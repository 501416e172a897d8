"""The patient table of a case file, and where its record ends up."""

import json

import pytest
from study_factory import write_study

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError

PATIENT = """
[patient]
bclc = "C"
portal_vein = "Vp3"
bilirubin_mg_per_dl = 1.579
albumin_g_per_dl = 3.9
afp = {value = 2.5, unit = "kU/L"}
treatment_date = 2023-05-01
[[patient.response]]
criterion = "mRECIST"
category = "CR"
date = 2023-08-01
[[patient.stated]]
field = "portal_vein"
value = "Vp4"
source = "figure"
"""


def settings(tmp_path, text):
    (tmp_path / "case.toml").write_text(text)
    return load_settings(tmp_path / "case.toml")


def test_units_are_converted_and_statements_kept(tmp_path):
    record = settings(tmp_path, PATIENT).patient.record()
    assert record.bilirubin_umol_per_l == pytest.approx(27.0, rel=1e-3)
    assert record.albumin_g_per_l == 39.0
    assert record.statements[0][1].source == "figure"


@pytest.mark.parametrize(
    ("table", "bilirubin", "albumin", "afp"),
    [
        ("", None, None, None),
        ("bilirubin_umol_per_l = 20\nalbumin_g_per_l = 41", 20.0, 41.0, None),
        ("bilirubin_mg_per_dl = 2\nalbumin_g_per_dl = 4.1", 34.2, 41.0, None),  # 17.1 umol/L a mg/dL
        ("afp = {value = 2.5, unit = 'kU/L'}", None, None, 2.5),
    ],
)
def test_each_value_may_be_stated_alone(tmp_path, table, bilirubin, albumin, afp):
    record = settings(tmp_path, f"[patient]\n{table}\n").patient.record()
    assert record.bilirubin_umol_per_l == (None if bilirubin is None else pytest.approx(bilirubin, rel=1e-3))
    assert record.albumin_g_per_l == (None if albumin is None else pytest.approx(albumin))
    assert (None if record.afp is None else record.afp.value) == afp


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("bclc = 'E'", "bclc must be one of 0, A, B, C, D, got 'E'"),
        ("afp = {value = 1, unit = 'mg'}", "AFP unit must be one of"),
        ("bilirubin_mg_per_dl = 1\nbilirubin_umol_per_l = 17", "both given"),
        ("albumin_g_per_dl = 3\nalbumin_g_per_l = 30", "both given"),
        ("child_pugh_points = 3", "between 5 and 15"),
        ("name = 'John'", "patient.name is not a setting"),
    ],
)
def test_what_no_record_can_hold_is_refused(tmp_path, table, said):
    with pytest.raises(InputError, match=said) as caught:
        settings(tmp_path, f"[patient]\n{table}\n")
    assert caught.value.tag.startswith("patient")


def test_the_record_stands_in_the_metrics_and_loses_its_dates_when_anonymised(run_cli, tmp_path):
    study = write_study(tmp_path / "study")
    (tmp_path / "case.toml").write_text(PATIENT)
    given = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-report", "--engine", "local", "--json")
    done = run_cli("dose", study, *given, "--case", tmp_path / "case.toml", "-o", tmp_path / "out")
    patient = json.loads(done.out)["patient"]
    assert (patient["bclc"], patient["albi_grade"], patient["responses"][0]["date"]) == ("C", 2, "2023-08-01")
    hidden = run_cli(
        "dose", study, *given, "--case", tmp_path / "case.toml", "-o", tmp_path / "out", "--anonymise"
    )
    assert json.loads(hidden.out)["patient"]["responses"] == [
        {"criterion": "mRECIST", "category": "CR", "days_after_treatment": 92}
    ]
    assert "2023" not in hidden.out
