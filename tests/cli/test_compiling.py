"""Compiling is said when it begins, and its share of the time when a command ends."""

import os
import re
import subprocess
import sys

import pytest

from y90voxel.caches import NOWHERE
from y90voxel.cli.progress import COMPILING, WORTH_SAYING_S, progress
from y90voxel.compiling import CompileClock, clock


def test_time_counts_once_however_deep_it_nests():
    moments = iter([1.0, 4.0, 10.0, 12.5])
    watch = CompileClock(lambda: next(moments))
    told = []
    with watch.telling(lambda: told.append("now")):
        watch.begin()  # at 1
        watch.begin()
        watch.end()
        watch.end()  # at 4
        watch.begin()  # at 10
        watch.end()  # at 12.5
    assert watch.seconds == pytest.approx(5.5)
    assert told == ["now"]


def test_nobody_is_told_after_the_block():
    watch = CompileClock()
    with watch.telling(lambda: pytest.fail("too late")):
        pass
    watch.begin()
    watch.end()


@pytest.mark.parametrize(("seconds", "said"), [(WORTH_SAYING_S - 0.01, False), (WORTH_SAYING_S, True)])
def test_the_share_is_said_where_it_was_worth_it(monkeypatch, capsys, seconds, said):
    with progress() as show:
        show("computing dose", 0.5)
        clock.begin()
        clock.end()
        monkeypatch.setattr(clock, "_seconds", clock.seconds + seconds)
    shown = capsys.readouterr().err
    assert re.search(rf"\d s\] {COMPILING}\n", shown)
    assert bool(re.search(r"compiling took 1 of \d+ s \(\d+ %\).*warm-up", shown)) is said


def test_nothing_is_said_where_nothing_is_compiled_or_nothing_is_to_be_said(capsys):
    with progress() as show:
        show("computing dose", 0.5)
    assert COMPILING not in capsys.readouterr().err
    with progress(quiet=True):
        clock.begin()
        clock.end()
    assert capsys.readouterr().err == ""


LOOP = """
import numpy as np
from y90voxel.cli.progress import progress
from y90voxel.compiling import clock
with progress() as show:
    show("scaling", 0.1)
    from y90voxel.dose.convolution._scale_loops import scale_by_density
    scale_by_density(np.ones((1, 1, 2), np.float32), np.ones((1, 1, 2), np.float32), np.float32(1.0), np.float32(0.05))
print(clock.seconds)
"""


def test_what_is_compiled_is_counted_and_what_is_cached_is_not(tmp_path):
    seconds = []
    for _ in range(2):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", LOOP], env=environment, capture_output=True, text=True, check=True
        )
        seconds.append(float(done.stdout))
        assert (COMPILING in done.stderr) is (len(seconds) == 1)
    assert seconds[0] > 0.05
    assert seconds[1] == 0.0


def test_warm_up_needs_a_folder_that_keeps(run_cli, monkeypatch):
    monkeypatch.setenv(NOWHERE, "1")
    done = run_cli("warm-up")
    assert (done.code, "Set NUMBA_CACHE_DIR to one that stays" in done.err) == (2, True)


@pytest.mark.slow
def test_after_warming_up_the_demo_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def run(*command):
        return subprocess.run(
            [sys.executable, "-m", "y90voxel", *command],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )

    first = run("warm-up")
    assert re.fullmatch(r"ready: \d+ s of compiling in \d+ s\n", first.stdout)
    assert COMPILING in first.stderr
    assert run("warm-up").stdout == "ready: everything had been compiled before\n"
    assert COMPILING not in run("demo", "-o", str(tmp_path / "demo")).stderr
