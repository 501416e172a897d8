"""The worked example of docs/three_patients.md: its commands and its code are run, its numbers are compared."""

import json
import re
from pathlib import Path

import pytest

import y90voxel as yv
from y90voxel.errors import PhysicsError

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "three_patients.md").read_text(encoding="utf-8")
K = {"dose_constant_gy_kg_per_gbq": 49.67}


@pytest.fixture
def plan_of(run_cli, tmp_path, monkeypatch):
    """Run the command that the page prints for a patient, and return its plan."""

    def run(number):
        (command,) = re.findall(rf"^    y90voxel (plan .*patient_{number}\.toml.*)$", PAGE, re.MULTILINE)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "docs").symlink_to(DOCS)
        done = run_cli(*command.split(), "--json", "--no-report")
        assert done.code == 0, done.err
        return json.loads(done.out)

    return run


@pytest.mark.parametrize(
    ("number", "activity_gbq", "lung_gy", "greatest_gbq", "albi", "grade"),
    [
        (1, 1.059, 7.890, 4.027, -3.590, 1),
        (2, 1.225, 1.217, 30.20, -2.688, 1),
        (3, 4.700, 28.01, 5.033, -2.370, 2),
    ],
)
def test_a_case_file_gives_the_numbers_of_the_page(
    plan_of, number, activity_gbq, lung_gy, greatest_gbq, albi, grade
):
    plan = plan_of(number)
    given = next(model for model in plan["models"] if model["name"] == "given")
    assert given["activity_bq"] == pytest.approx(activity_gbq * 1e9)
    assert given["doses_gy"]["lungs"] == pytest.approx(lung_gy, rel=1e-3)
    assert given["greatest_activity_bq"] == pytest.approx(greatest_gbq * 1e9, rel=1e-3)
    assert given["binding_constraint"] == "lungs, one treatment"
    assert plan["patient"]["albi_score"] == pytest.approx(albi, rel=1e-3)
    assert plan["patient"]["albi_grade"] == grade
    assert plan["patient"]["afp"]["unit"] == "kU/L"
    assert [m["name"] for m in plan["models"] if m["available"]] == [
        "given"
    ]  # nothing is made up for the others
    for value in (f"{lung_gy:.4g}", f"{greatest_gbq:.4g}", f"{abs(albi):.3f}"):
        assert value in PAGE


def test_patient_3_is_warned_about_and_has_a_raised_bilirubin(plan_of):
    plan = plan_of(3)
    assert "lung-dose-high" in {warning["code"] for warning in plan["warnings"]}
    assert plan["context"]["bilirubin_class"] == "raised"
    assert yv.planning.bilirubin_mg_per_dl(27) == pytest.approx(1.579, rel=1e-3)
    assert [i["given_activity_bq"] for i in plan["injections"]] == pytest.approx([3.3e9, 1.4e9])
    assert plan["patient"]["contradictions"] == ["cirrhosis", "portal_vein"]


def test_patient_1_cannot_tell_its_reduction(plan_of):
    plan = plan_of(1)
    bsa = next(model for model in plan["models"] if model["name"] == "bsa")
    assert bsa["reason"] == "height and weight are not given"
    assert plan["patient"]["contradictions"] == ["age"]
    reduction = yv.planning.RESIN_SHUNT_REDUCTION
    assert 1.059 / reduction.factor(0.15) == pytest.approx(1.324, rel=1e-3)
    assert 1.059 / reduction.factor(0.1501) == pytest.approx(1.765, rel=1e-3)


def test_the_code_of_the_page_gives_its_energy_table():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    expected = [(44.71, 0.8173, 54.7), (59.63, 0.5236, 113.9), (205.4, 2.572, 79.9)]
    for (name, *found), wanted in zip(names["rows"], expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-3), name
        assert f"{wanted[0]:.4g} J" in PAGE
        assert f"{wanted[2]:.1f} Gy" in PAGE
    assert 45 / names["rows"][1][3] == pytest.approx(0.395, rel=2e-3)
    energy, mass = names["rows"][2][1:3]
    assert energy / (0.8 * mass) == pytest.approx(99.8, rel=1e-3)
    # 205 Gy in 80 % of the sphere
    needed = yv.planning.mird_activity(205.0, 0.8 * mass, 0.12, **K)
    assert needed == pytest.approx(9.652, rel=1e-3)
    assert yv.planning.mean_lung_dose(needed, 0.12, **K) == pytest.approx(57.5, rel=1e-3)


def test_100_gy_to_all_of_patient_3s_tumour_is_refused():
    mass = yv.planning.sphere_volume_ml(170) / 1000
    with pytest.raises(PhysicsError, match="% of the energy"):
        yv.planning.check_energy_balance([100.0, 28.01], [mass, 1.0], 4.7, **K)


def test_the_two_maps_of_patient_3_have_two_scales():
    assert pytest.approx((20.75, 18.67), rel=1e-3) == (3300 / 159, 1400 / 75)
    for text in ("20.75", "18.67", "68:32", "70:30"):
        assert text in PAGE
