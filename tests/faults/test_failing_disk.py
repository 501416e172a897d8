"""At every operation that can fail: the complete result, or exit 2, one paragraph, and what was there untouched.

36 points by default; all of them: ``pytest tests/faults -m slow``.
"""

import csv
import errno
import itertools
import json
import os
import resource
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
POINTS = {
    "dose": 10,
    "plan": 10,
    "compare": 10,
    "batch": 6,
}  # each kind of error, with and without end


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


def images(inputs):
    """Emission image and regions as files: read in no time."""
    return ("--emission", inputs / "one" / "activity.nii.gz", "--regions", inputs / "one" / "regions.nii.gz")


def arguments(command, inputs, out):
    return {
        "dose": ["dose", *images(inputs), *FACTS, "--calibration", "relative", "-o", out],
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
        assert done["code"] == 0, done["said"]
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
    met, _, refused = meet(runner, command, inputs, tmp_path, POINTS[command])
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


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def started(argv, **options):
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "y90voxel", *(str(word) for word in argv)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def check_full(done, place, names):
    """Exit 2, one paragraph, nothing left."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("y90voxel: ")]
    assert sorted(path.name for path in place.iterdir()) == names


def test_a_full_disk_ends_with_2_and_leaves_nothing(inputs, tiny_disk):
    done = started(["dose", inputs / "study", *FACTS, "-o", tiny_disk / "out"])
    check_full(done, tiny_disk, [])
    assert "No space left on device" in done.stderr
    (tiny_disk / "full").write_bytes(bytes(200_000))
    check_full(
        started(["compare", inputs / "one", inputs / "two", "-o", tiny_disk / "out"]), tiny_disk, ["full"]
    )


def test_a_batch_on_a_full_disk_ends_with_2_and_goes_on_later(inputs, tiny_disk, tmp_path):
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "p1").symlink_to(inputs / "study")
    settings = ("--set", "administration.activity=2 GBq", "--set", "administration.lung_shunt_fraction=0.05")
    argv = ["batch", tmp_path / "cohort", *settings, "--engine", "local", "--no-report", "-o"]
    done = started([*argv, tiny_disk / "out"])
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "no space left" in done.stderr
    assert not (tiny_disk / "out" / "p1").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", tiny_disk], check=True)
    done = started([*argv, tiny_disk / "out"])
    assert done.returncode == 0, done.stderr
    assert is_complete(tiny_disk / "out" / "p1")


def test_a_bound_on_the_size_of_files_ends_with_2_and_leaves_nothing(inputs, tmp_path):
    bound = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
    done = started(["dose", inputs / "study", *FACTS, "-o", tmp_path / "out"], preexec_fn=bound)
    check_full(done, tmp_path, [])
    assert "File too large" in done.stderr
