"""docs/formulas.md names functions that exist and are documented, and its code runs."""

import re
from pathlib import Path

import pytest

import y90voxel as yv

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "formulas.md").read_text(encoding="utf-8")
MODULES = {"pl": yv.planning, "rb": yv.radiobiology, "yv": yv}
NAMES = sorted(set(re.findall(r"`(pl|rb|yv)\.(\w+)`", PAGE)) - {("yv", "planning"), ("yv", "radiobiology")})


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
