"""Cohorts whose studies do as they are told."""

import csv
import os
from pathlib import Path

import pytest

from y90voxel.batch import run_batch as run

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _workers_find_the_work(monkeypatch):
    """Processes of a batch import `batch_work` from here."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(autouse=True)
def _no_tables(monkeypatch):
    """Tables are drawn by a process that takes seconds to start; `test_tables.py` and `test_forty.py` have them."""
    monkeypatch.setattr(run, "write_tables", lambda folder, outcomes, title: None)


@pytest.fixture
def cohort(tmp_path):
    """Make a manifest of studies from {name: what it does}; returns its path."""

    def make(deeds, **columns):
        with (tmp_path / "cohort.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["study", *columns])
            writer.writeheader()
            for name, deed in deeds.items():
                folder = tmp_path / "studies" / name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "act").write_text(deed)
                (folder / "data").write_text(name)
                writer.writerow(
                    {"study": f"studies/{name}", **{c: values.get(name, "") for c, values in columns.items()}}
                )
        return tmp_path / "cohort.csv"

    return make
