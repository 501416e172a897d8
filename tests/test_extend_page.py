"""docs/extend.md runs as it stands and prints what it says; its entry point works in an installed package."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from document_blocks import ROOT, blocks_of, run_page, words
from study_factory import write_study

from y90voxel.dose import engines

PAGE = "docs/extend.md"


@pytest.fixture
def in_a_checkout(tmp_path, monkeypatch):
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)


def test_the_page_runs_and_prints_what_it_says(in_a_checkout):
    pairs, names = run_page(PAGE)
    assert len(pairs) == 4
    for printed, said in pairs:
        assert words(printed) == words(said)
    request = engines.EngineRequest("Y-90", (4.0, 4.0, 4.0))
    assert names["make"](request) == names["Blurred"]("Y-90")


def test_the_engine_of_the_page_runs_by_name_from_a_package(run_cli, tmp_path, monkeypatch):
    """The package is made of the page's own blocks."""
    python = [b.text for b in blocks_of(PAGE) if b.language == "python"]
    engine = next(text for text in python if "class Blurred" in text).partition("\n\nblurred =")[0]
    make = next(text for text in python if text.startswith("def make"))
    (toml,) = (b.text for b in blocks_of(PAGE) if b.language == "toml")
    points = tomllib.loads(toml)["project"]["entry-points"][engines.ENTRY_POINTS]
    package = tmp_path / "site" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "engine.py").write_text(f"import y90voxel as yv\n{engine}\n\n{make}", encoding="utf-8")
    info = tmp_path / "site" / "my_package-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 0.3\n")
    listed = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{engines.ENTRY_POINTS}]\n{listed}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    engines._packaged_rows.cache_clear()
    try:
        study, out = write_study(tmp_path / "study"), tmp_path / "out"
        given = ("--activity", "2 GBq", "--lung-shunt", "0.05", "-o", out)
        done = run_cli("dose", study, "--engine", "blurred", *given)
        assert done.code == 0, done.err
        assert "engine blurred (asked for; of the package my-package 0.3)" in done.out
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        assert (metrics["engine"], metrics["engine_requested"]) == ("blurred", "blurred")
        assert metrics["engine_reason"] == "asked for; of the package my-package 0.3"
        assert "blurred" in {warning["code"] for warning in metrics["warnings"]}
        page = (out / "report.html").read_text(encoding="utf-8")
        assert "my-package 0.3" in re.sub(r"<[^>]*>", " ", page)
        # In a process of its own: options are made once a process, maybe by an earlier test.
        paths = os.pathsep.join((str(tmp_path / "site"), str(ROOT)))
        command = [sys.executable, "-m", "y90voxel", "dose", "--help"]
        shown = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
        )
        assert "blurred" in shown.stdout, shown.stderr
    finally:
        engines._packaged_rows.cache_clear()
