"""What people see of a batch."""

import sys

from rich.console import Console

from y90voxel.batch.listener import Listener
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.cli.batch_progress import PlainLines, RunningTable, batch_progress, time_left

REFUSED = StudyOutcome("p[1]", "p", StudyStatus.REFUSED, "no liver [regions]", seconds=1.25)


def hear(listener):
    listener.found(100)
    listener.say("p[2]: new")
    listener.planned(3, 2, "2 workers")
    listener.say("0 of [2] jobs are running; waiting")
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


def test_a_log_gets_lines(capsys):
    hear(PlainLines())
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].endswith("3 studies, 2 to compute, 2 workers")
    assert lines[2].endswith("0 of [2] jobs are running; waiting")
    assert lines[3].endswith("1/2 p[1]: refused, 1.2 s: no liver [regions] (0:00 left)")


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
