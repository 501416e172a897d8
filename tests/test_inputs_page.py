"""Every test that docs/inputs.md names exists, so that the table proves what it says."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = (TESTS.parent / "docs" / "inputs.md").read_text(encoding="utf-8")
NAMED = re.findall(r"\| `([\w/]+\.py)::(\w+)` \|", PAGE)


def test_every_row_names_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| input")]
    assert len(rows) == len(NAMED)
    assert len(rows) >= 60


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_named_test_exists(file, name):
    assert re.search(rf"^def {name}\(", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE)
