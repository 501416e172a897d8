"""docs/formulas.md names functions that exist and are documented, and its code runs."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import y90voxel as yv

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "formulas.md").read_text(encoding="utf-8")
MODULES = {"im": yv.immune, "ms": yv.microscale, "pl": yv.planning, "rb": yv.radiobiology, "yv": yv}
NAMES = sorted(
    set(re.findall(r"`(im|ms|pl|rb|yv)\.(\w+)`", PAGE))
    - {("yv", name) for name in ("immune", "planning", "radiobiology")}
)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_function_of_the_page_exists_and_is_documented(module, name):
    found = getattr(MODULES[module], name)
    assert name in MODULES[module].__all__
    assert found.__doc__


def test_the_code_of_the_page_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    assert names["activity_gbq"] == pytest.approx(3.175, rel=1e-3)


def test_no_public_formula_is_missing_from_the_page():
    functions = {n for n in yv.radiobiology.__all__ if n[0].islower()}
    assert functions <= {name for module, name in NAMES if module == "rb"}
    assert {n for n in yv.immune.__all__ if n[0].islower()} <= {
        name for module, name in NAMES if module == "im"
    }


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`y90voxel\.([\w.]+\.\w+)`", PAGE))))
def test_functions_named_with_their_module_exist_and_are_documented(path):
    module, name = path.rsplit(".", 1)
    assert getattr(import_module(f"y90voxel.{module}"), name).__doc__


def test_the_case_file_of_the_page_plans():
    from y90voxel.case.settings import StudySettings
    from y90voxel.study.run_plan import run_plan

    (case,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = run_plan(None, None, StudySettings(**tomllib.loads(case)))
    models = {model["name"]: model for model in found.metrics["models"]}
    assert models["mird"]["activity_bq"] == pytest.approx(120 * 1.4 / (49.67 * 0.94) * 1e9, rel=1e-9)
    assert models["given"]["doses_gy"]["tumour"] == pytest.approx(4 * 49.67 * 2.2 * 0.94 / 2.3, rel=1e-9)
