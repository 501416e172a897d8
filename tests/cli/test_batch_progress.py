"""What people see of a batch."""

import sys

from rich.console import Console

from y90voxel.batch.listener import Listener
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.cli import batch_progress as batch_progress_module
from y90voxel.cli.batch_progress import SAID_EVERY_S, PlainLines, RunningTable, batch_progress, time_left

REFUSED = StudyOutcome("p[1]", "p", StudyStatus.REFUSED, "no liver [regions]", seconds=1.25)


def hear(listener):
    listener.files_found(100)
    listener.files_found(200)
    listener.read(90, 100)
    listener.read(100, 100)
    listener.message("p[2]: new")
    listener.planned(3, 2, "2 workers")
    listener.message("0 of [2] jobs are running; waiting")
    listener.ended(REFUSED, 0.5)


def test_a_terminal_shows_counts_the_time_left_and_the_last_outcomes():
    table = RunningTable()
    hear(table)
    console = Console(width=120, record=True)
    with console.capture() as shown:
        console.print(table.show())
    text = shown.get()
    assert "1 of 2 studies" in text
    assert "0:00 left" in text
    assert "p[1]" in text
    assert "no liver [regions]" in text
    assert "0 done  0 failed  1 refused" in text
    assert "0 of [2] jobs are running; waiting" in text
    assert "p[2]" not in text


def test_a_terminal_shows_how_many_headers_were_read():
    table = RunningTable()
    table.files_found(100)
    table.read(90, 100)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table.show())
    assert "reading headers: 90 of 100" in shown.get()


def test_a_log_hears_of_headers_every_few_seconds(capsys, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(batch_progress_module.time, "monotonic", lambda: now[0])
    lines = PlainLines()
    for now[0] in (1000.0, 1000.0 + 0.9 * SAID_EVERY_S, 1000.0 + SAID_EVERY_S):
        lines.read(int(now[0]) - 999, 99)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("] ")[2] for line in said] == [
        "reading headers: 1 of 99",
        f"reading headers: {1 + SAID_EVERY_S:.0f} of 99",
    ]


def test_a_log_gets_lines(capsys):
    hear(PlainLines())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("looking for studies: 100 files")  # at once, then now and then
    assert lines[1].endswith("reading headers: 100 of 100")
    assert lines[3].endswith("3 studies, 2 to compute, 2 workers")
    assert lines[4].endswith("0 of [2] jobs are running; waiting")
    assert lines[5].endswith("1/2 p[1]: refused, 1.2 s: no liver [regions] (0:00 left)")


def test_the_kind_follows_the_place(monkeypatch):
    with batch_progress(quiet=True) as listener:
        assert type(listener) is Listener
    with batch_progress() as listener:
        assert isinstance(listener, PlainLines)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with batch_progress() as listener:
        assert isinstance(listener, RunningTable)


def test_nothing_done_tells_nothing_of_the_time_left():
    assert time_left(10.0, 0.0) == "0:00"
