"""docs/immune.md runs as it stands, prints what it says, and draws the figure that it shows."""

import io
import re
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

from PIL import Image

from y90voxel.case.settings import StudySettings

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "immune.md").read_text(encoding="utf-8")
FIGURE = "immune_counts.png"


def run_page():
    """What each block that prints printed, beside what the page says."""
    names, pairs = {}, []
    for kind, content in re.findall(r"```(python|text)\n(.*?)```", PAGE, re.S):
        if kind == "text":
            pairs[-1][1] = content
            continue
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(content, "immune.md", "exec"), names)
        if printed.getvalue():
            pairs.append([printed.getvalue(), ""])
    return pairs, names


def test_the_page_prints_what_it_says_and_draws_its_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pairs, names = run_page()
    assert len(pairs) == 4
    for printed, said in pairs:
        assert printed.split("\n") == said.split("\n")
    with Image.open(tmp_path / FIGURE) as drawn, Image.open(ROOT / "docs" / "images" / FIGURE) as shown:
        assert drawn.size == shown.size
    low, high = names["ranges"]["P3"]
    assert low < 7.5 < high  # 4.5 kg of liver and tumour


def test_the_case_file_of_the_page_is_understood():
    (case,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    settings = StudySettings(**tomllib.loads(case))
    assert (settings.immune.report, len(settings.immune.cycle_dates), len(settings.immune.count)) == (
        True,
        2,
        1,
    )


def test_what_is_unverified_is_said_to_be():
    assert "**unverified**" in PAGE
    assert "no decision may rest on it" in PAGE
