"""At every operation that can fail: the complete result, or exit 2, one paragraph, and what was there untouched.

200 points by default; all of them: ``pytest tests/faults -m slow``.
"""

import csv
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from study_factory import write_study

from y90voxel.io.result_marks import MANIFEST, checksum, read_mark

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
WRITE, RENAME, SYNC, LOCK, MAKE = 1, 2, 4, 8, 16
ALL = WRITE | RENAME | SYNC | LOCK | MAKE
ERRORS = (errno.ENOSPC, errno.EIO, errno.ENOSYS, errno.EROFS, errno.EDQUOT)
FACTS = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local", "--no-report")
COMMANDS = ("dose", "plan", "compare", "batch")
POINTS = {"dose": 80, "plan": 50, "compare": 50, "batch": 20}  # a batch takes longest


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A process whose disk can be made to fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or not Linux")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-w", "-o", library, HERE / "faults.c", "-ldl"], check=True
    )
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
        "OMP_NUM_THREADS": "1",
        "Y90VOXEL_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, HERE / "runner.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )

    def run(argv, below="", kinds=0, nth=0, code=0, lasting=False):
        asked = {
            "argv": [str(word) for word in argv], "below": str(below), "kinds": kinds, "nth": nth, "errno": code,
            "lasting": lasting,
        }  # fmt: skip
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, runner):
    """A study, two results of it, and a cohort of deeds."""
    place = tmp_path_factory.mktemp("inputs")
    study = write_study(place / "study")
    for name in ("one", "two"):
        assert runner(["dose", study, *FACTS, "-o", place / name])["code"] == 0
    with (place / "cohort.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["study"])
        for name in ("a", "b"):
            (place / "studies" / name).mkdir(parents=True)
            (place / "studies" / name / "act").write_text("sleep 0")
            (place / "studies" / name / "data").write_text(name)
            writer.writerow([f"studies/{name}"])
    return place


def arguments(command, inputs, out):
    return {
        "dose": ["dose", inputs / "study", *FACTS, "-o", out],
        "plan": ["plan", inputs / "study", *FACTS, "-o", out],
        "compare": ["compare", inputs / "one", inputs / "two", "--no-report", "-o", out],
        "batch": ["batch-of-deeds", inputs / "cohort.csv", out],
    }[command]


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def is_complete(folder):
    """Whether all that the mark lists is there, byte by byte."""
    checksums = read_mark(folder).get("checksums", {})
    return bool(checksums) and all(
        (folder / name).is_file() and checksum(folder / name) == digest
        for name, (_, digest) in checksums.items()
    )


def check_one(command, done, out, before):
    """One outcome of `dose`, `plan` or `compare`."""
    assert done["code"] in (0, 2), done["said"]
    assert "Traceback" not in done["said"], done["said"]
    assert sorted(p.name for p in out.parent.iterdir()) in ([out.name], []), "something was left"
    if done["code"] == 0:
        assert is_complete(out)
    elif before is None:
        assert not out.exists()
    else:
        assert content(out) == before
    if done["code"] == 2:
        told = [line for line in done["said"].splitlines() if not line.startswith("[")]  # without progress
        assert len(told) == 1, done["said"]
        assert told[0].startswith("y90voxel: "), done["said"]


def check_batch(runner, inputs, done, out):
    """A batch that met the fault: nothing half, nothing lost, and the next run ends it."""
    assert done["code"] in (0, 2), done["said"]
    assert "Traceback" not in done["said"], done["said"]
    assert "another batch is writing" not in done["said"], done["said"]
    for name in ("studies-a", "studies-b"):
        assert not (out / name).exists() or is_complete(out / name)
    again = runner(arguments("batch", inputs, out))
    assert again["code"] == 0, again["said"]
    assert all(is_complete(out / name) for name in ("studies-a", "studies-b"))
    assert not [p for p in out.iterdir() if p.name.endswith((".tmp", ".old"))]


def points(runner, command, inputs, place, most):
    """Up to so many of the points at which a command can fail, spread over all of them, as (nth, error, lasting, over)."""
    numbers = []
    for over in (False, True):
        if over:
            assert runner(arguments(command, inputs, place / "count" / "out"))["code"] == 0
        done = runner(arguments(command, inputs, place / "count" / "out"), place / "count", ALL)
        assert done["code"] == 0
        assert done["count"] > 0
        numbers += [(nth, over) for nth in range(1, done["count"] + 1)]
        shutil.rmtree(place / "count")
    every = [
        (nth, error, lasting, over)
        for (nth, over), (error, lasting) in itertools.product(
            numbers, itertools.product(ERRORS, (False, True))
        )
    ]
    # a step that shares no factor with the ten kinds of error meets all of them
    step = max(1, len(every) // most)
    while step > 1 and any(step % factor == 0 for factor in (2, 5)):
        step -= 1
    return every[::step][:most] if most < len(every) else every


def meet(runner, command, inputs, place, most):
    """Let a command meet its points; returns how many, and how often each exit code was seen."""
    codes = []
    for nth, error, lasting, over in points(runner, command, inputs, place, most):
        work = place / "work"
        out, before = work / "out", None
        work.mkdir(parents=True)
        if over:
            if not (place / "earlier").exists():
                assert runner(arguments(command, inputs, place / "earlier"))["code"] == 0
            shutil.copytree(place / "earlier", out)
            before = content(out)
        done = runner(arguments(command, inputs, out), work, ALL, nth, error, lasting)
        try:
            if command == "batch":
                check_batch(runner, inputs, done, out)
            else:
                check_one(command, done, out, before)
        except AssertionError as failure:
            raise AssertionError(
                f"{command}, operation {nth}, {errno.errorcode[error]}, lasting {lasting}, over earlier results {over}: {failure}"
            ) from failure
        codes.append(done["code"])
        shutil.rmtree(work)
    return len(codes), codes.count(0), codes.count(2)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_fails_costs_nothing_that_was_there(runner, inputs, tmp_path, command):
    met, done, refused = meet(runner, command, inputs, tmp_path, POINTS[command])
    assert met == POINTS[command]
    assert refused > 0


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_fails_at_any_point_costs_nothing_that_was_there(runner, inputs, tmp_path, command):
    met, done, refused = meet(runner, command, inputs, tmp_path, 10**9)
    sys.stderr.write(f"{command}: {met} points, {done} complete, {refused} refused\n")
    assert met > POINTS[command]


def test_a_mark_is_what_completeness_is_judged_by(inputs, tmp_path):
    shutil.copytree(inputs / "one", tmp_path / "one")
    assert is_complete(tmp_path / "one")
    (tmp_path / "one" / "dvh.csv").write_text("")
    assert not is_complete(tmp_path / "one")
    (tmp_path / "one" / MANIFEST).unlink()
    assert not is_complete(tmp_path / "one")
