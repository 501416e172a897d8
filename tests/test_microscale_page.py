"""docs/microscale.md: its code runs, its tables hold the numbers that it gives, and its options exist."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import y90voxel as yv
from y90voxel.case.setting_names import named_settings

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "microscale.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names():
    """What the blocks of code of the page leave behind, one after the other."""
    found = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, found)
    return found


def rows(heading):
    """Rows of the first table after a text, by their first cell."""
    lines = PAGE[PAGE.index(heading) :].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("|---")) + 1
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return {row[0]: row[1:] for row in table}


def test_the_table_of_100_gy(names):
    table = rows("100 Gy of single spheres")
    assert list(table) == list(names["at_100_gy"])
    for name, found in names["at_100_gy"].items():
        decimals = [len(cell.partition(".")[2]) for cell in table[name]]
        assert [f"{value:.{n}f}" for value, n in zip(found, decimals, strict=True)] == table[name], name


def test_the_doses_of_the_three_patients(names):
    table = rows("What did 45, 55 and 100 Gy mean?")
    for name, (low, high) in names["ranges"].items():
        who = name.rpartition(",")[0]
        assert table[who][1] == f"{low:.0f} to {high:.0f} Gy"
        assert table[who][0] in name


def test_doses_of_equal_eud_are_those_of_the_page_and_near_a_simulation(names):
    table = rows("Glass on day 0 that is as much worth")
    simulated = {  # of clusters spread over their tract
        ("single", "single"): (109, 118),
        ("geometric-5", "geometric-5"): (129, 153),
        ("geometric-20", "geometric-5"): (None, 137),
        ("geometric-20", "single"): (None, 103),
    }
    for pair, found in names["equal"].items():
        key = ", ".join(part.removeprefix("geometric-") for part in pair)
        assert [f"{gy:.0f} Gy" for gy in found] == table[key]
        for gy, expected in zip(found, simulated[pair], strict=True):
            assert expected is None or gy == pytest.approx(expected, rel=0.03)


def test_the_simulation_of_the_page_agrees_with_the_formula(names):
    simulated_cv, cv, simulated_eud, eud = names["pairs"]
    assert simulated_cv == pytest.approx(cv, rel=0.05)
    assert simulated_eud == pytest.approx(eud, rel=0.01)
    assert names["own"].spheres == len(names["positions"])


def test_the_picture_is_what_the_code_draws(names, tmp_path):
    names["draw"](tmp_path / "drawn.png")
    drawn, kept = (
        np.asarray(Image.open(path).convert("RGB")).astype(int)
        for path in (tmp_path / "drawn.png", DOCS / "images" / "microscale.png")
    )
    assert drawn.shape == kept.shape
    assert np.abs(drawn - kept).mean() < 2.0  # fonts and rounding


def test_options_and_keys_of_the_page_are_those_of_the_declaration():
    declared = {one.path[1]: one.setting.flag for one in named_settings() if one.path[0] == "microscale"}
    table = rows("## In a report")
    assert {key.strip("`"): row[0].strip("`") for key, row in table.items()} == declared


def test_functions_of_the_page_exist():
    for name in set(re.findall(r"`ms\.(\w+)`", PAGE)):
        assert name in yv.microscale.__all__


def test_no_report_compares_devices():
    package = Path(yv.__file__).parent
    for path in (*package.glob("report/microscale*"), *package.glob("report/templates/microscale*")):
        text = path.read_text(encoding="utf-8").lower()
        assert not re.search(r"\b(resin|glass|holmium)\b", text), path
