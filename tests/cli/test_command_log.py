"""The log of a command: on stderr by ``-v``, in a file by ``--log-file``, and without the patient by ``--anonymise``."""

import json
import logging
import os
import re
import subprocess
import sys

import pytest
from study_factory import write_study

from y90voxel.cli.command_log import LOGGER, is_verbose

GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-report")
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR|DEBUG) +\S")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("log") / "study", PatientName="Secret^Person")


def test_a_file_holds_steps_warnings_and_the_end(run_cli, study, tmp_path):
    log = tmp_path / "run.log"
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "--log-file", log)
    assert done.code == 0, done.err
    lines = log.read_text(encoding="utf-8").splitlines()
    assert all(STAMP.match(line) for line in lines), lines
    assert "y90voxel 0.1.0, Python" in lines[0]
    assert f'dose {study} --activity "2 GBq"' in lines[0]
    steps = [line.partition("INFO")[2].strip() for line in lines if " INFO " in line]
    assert steps.index("reading headers") < steps.index("computing dose") < steps.index("done")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert [line for line in lines if " WARNING " in line and f"[{metrics['warnings'][0]['code']}]" in line]
    assert "ended with exit code 0" in lines[-2]
    assert re.search(r"\d+\.\d\d s$", lines[-1])
    again = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out2", "--log-file", log)
    assert again.code == 0
    assert len(log.read_text(encoding="utf-8").splitlines()) > len(lines)  # added, not written over


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_shows_the_log_on_stderr_and_leaves_stdout_alone(run_cli, study, tmp_path, place):
    first, last = (("-v",), ()) if place == "before" else ((), ("-v",))
    done = run_cli(*first, "dose", study, *GIVEN, "-o", tmp_path / "out", "--json", *last)
    json.loads(done.out)
    assert re.search(r" INFO +computing dose", done.err)
    assert not re.search(r"\[ *[\d.]+ s\] computing dose", done.err)  # not twice
    plain = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out2")
    assert not re.search(r" INFO ", plain.err)
    assert re.search(r"\[ *[\d.]+ s\] computing dose", plain.err)


def test_warnings_are_printed_once(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "-v")
    codes = re.findall(r"\[([\w-]+)\]", done.err)
    assert codes
    assert len(codes) == len(set(codes))


def test_a_refusal_is_in_the_log_with_where_it_came_from(run_cli, tmp_path):
    log = tmp_path / "run.log"
    done = run_cli("dose", tmp_path / "absent", *GIVEN, "-o", tmp_path / "out", "--log-file", log)
    assert done.code == 2
    text = log.read_text(encoding="utf-8")
    assert " ERROR   InputError: " in text
    assert "Traceback" in text
    assert "Traceback" not in done.err
    wrong = run_cli("dose", "--no-such-option", "--log-file", log)
    assert wrong.code == 2


def test_a_log_names_nobody_where_that_is_asked_for(run_cli, study, tmp_path):
    log = tmp_path / "run.log"
    done = run_cli("dose", study, *GIVEN, "--anonymise", "-o", tmp_path / "out", "--log-file", log)
    assert done.code == 0, done.err
    person = tmp_path / "Secret_Person"
    assert run_cli("dose", person, *GIVEN, "--anonymise", "-o", tmp_path / "o2", "--log-file", log).code == 2
    text = log.read_text(encoding="utf-8")
    assert "Secret" not in text
    assert str(tmp_path) not in text


def test_a_log_that_cannot_be_written_is_an_error(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "--log-file", tmp_path / "no" / "run.log")
    assert done.code == 2
    assert "cannot write the log file" in done.err
    assert not (tmp_path / "out").exists()


def test_nothing_is_left_behind(run_cli, tmp_path):
    run_cli("-v", "schema", "--log-file", tmp_path / "run.log")
    assert [type(handler) for handler in LOGGER.handlers] == [logging.NullHandler]
    assert not is_verbose()


def test_a_log_whose_disk_is_full_ends_with_one_sentence(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out", "--log-file", "/dev/full")
    assert done.code == 0, done.err
    assert done.err.count("the log file /dev/full ends here: [Errno 28]") == 1
    assert "Traceback" not in done.err
    assert "Logging error" not in done.err
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_names_that_are_no_unicode_are_logged_as_their_bytes(tmp_path):
    """Of a folder on a disk of another encoding; logs go on behind it.

    In a process of its own: what tests log travels between those of pytest-xdist, which cannot carry such a name.
    """
    log = tmp_path / "run.log"
    odd = os.fsdecode(b"M\xfcller")
    command = [sys.executable, "-m", "y90voxel", "inspect", odd, "--log-file", log]
    assert subprocess.run(command, capture_output=True).returncode == 2
    text = log.read_text(encoding="utf-8")
    assert r"M\udcfcller" in text.splitlines()[0]
    assert text.splitlines()[-1].endswith(" s")
