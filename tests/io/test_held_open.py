"""Results that cannot take their place because another program holds what is there open."""

import os
from pathlib import Path

import pytest

from y90voxel.errors import OutputError
from y90voxel.io import atomic, exchange
from y90voxel.io.atomic import atomic_file, output_folder


@pytest.fixture
def held(monkeypatch):
    """Paths that may not be renamed or replaced, as on Windows while Excel has a file of them open."""
    paths = set()

    def refuse(name):
        original = getattr(os, name)

        def guarded(source, target):
            if {Path(source), Path(target)} & paths:
                raise PermissionError(13, "The process cannot access the file", str(source), 32, str(target))
            return original(source, target)

        monkeypatch.setattr(os, name, guarded)

    refuse("rename")
    refuse("replace")
    monkeypatch.setattr(Path, "rename", lambda self, target: os.rename(self, target))
    monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    return paths


def write(folder, text):
    with output_folder(folder, "dose") as temporary:
        (temporary / "metrics.json").write_text(text)


def test_a_folder_that_is_held_open_stays_and_the_new_results_lie_beside_it(tmp_path, held):
    out = tmp_path / "out"
    write(out, "old")
    held.add(out)
    for number, name in enumerate(("out.new", "out.new-2")):
        with pytest.raises(
            OutputError, match=rf"holds it or a file in it open.*finished results are in {tmp_path / name}:"
        ):
            write(out, f"new {number}")
        assert (tmp_path / name / "metrics.json").read_text() == f"new {number}"
    assert (out / "metrics.json").read_text() == "old"
    held.clear()
    write(out, "last")
    assert (out / "metrics.json").read_text() == "last"
    assert (tmp_path / "out.new" / "metrics.json").is_file()  # nobody's leftover


def test_a_file_that_is_held_open_stays_and_the_new_one_lies_beside_it(tmp_path, held):
    table = tmp_path / "cohort.csv"
    table.write_text("old")
    held.add(table)
    with (
        pytest.raises(OutputError, match=r"cohort\.new\.csv: close the other program"),
        atomic_file(table) as path,
    ):
        path.write_text("new")
    assert (table.read_text(), (tmp_path / "cohort.new.csv").read_text()) == ("old", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort.csv", "cohort.new.csv"]


def test_where_nothing_can_be_kept_that_is_said(tmp_path, held, monkeypatch):
    table = tmp_path / "cohort.csv"
    table.write_text("old")
    held.add(table)
    monkeypatch.setattr(atomic, "MOST_KEPT", 0)
    with pytest.raises(OutputError, match="Nothing was left there"), atomic_file(table) as path:
        path.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["cohort.csv"]


def test_a_system_whose_library_has_no_name_exchanges_in_two_steps(tmp_path, monkeypatch):
    def without(name, **options):
        raise TypeError("argument 1 must be str, not None")

    monkeypatch.setattr(exchange.ctypes, "CDLL", without)
    assert exchange.exchange(tmp_path / "a", tmp_path / "b") is False
    write(tmp_path / "out", "one")
    write(tmp_path / "out", "two")
    assert (tmp_path / "out" / "metrics.json").read_text() == "two"
