"""Every command on consoles that know few characters, and where the system has no POSIX modules."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from study_factory import ROIS, write_study, write_therapy_study

from y90voxel.cli.console import PLAIN, plain_text, prepare_console
from y90voxel.cli.main import COMMANDS, main

TESTS = Path(__file__).resolve().parents[1]
GIVEN = ["--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local", "--no-report"]
UTF_8 = {"SpecificCharacterSet": "ISO_IR 192"}
# Runs commands one after another in one process: {name: arguments}; prints how each ended.
RUNNER = """
import json, sys
{before}
from y90voxel.cli.main import main

for argv in json.loads(sys.argv[1]):
    sys.argv = ["y90voxel", *argv]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    sys.stderr.buffer.write(f"\\n<<{{argv[0]}} {{argv[1]}} {{code}}>>\\n".encode("ascii"))
    sys.stderr.flush()
"""
# What Windows does not have of Python's library.
WITHOUT_POSIX = """
import os, select, signal

for module in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[module] = None
for owner, names in ((os, "fork killpg wait4 setpgid getuid pread pwrite sched_getaffinity getppid".split()),
                     (select, ["poll"]), (signal, ["SIGKILL", "SIGHUP", "SIGQUIT"])):
    for name in names:
        delattr(owner, name)
"""


def run(commands, *, encoding=None, before=""):
    """Run commands; returns what was printed as bytes, and the exit code of each by its two first words."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    environment |= {} if encoding is None else {"PYTHONIOENCODING": encoding}
    argv = [[str(word) for word in command] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER.format(before=before), json.dumps(argv)],
        capture_output=True,
        env=environment,
        check=False,
    )
    ends = re.findall(rb"<<(\S+) (\S+) (\d+)>>", done.stderr)
    assert len(ends) == len(commands), done.stderr.decode(errors="replace")[-3000:]
    codes = {f"{name.decode()} {Path(word.decode()).name}": int(code) for name, word, code in ends}
    return done.stdout, done.stderr, codes


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A MAA study and a treatment whose regions have letters that no console has."""
    root = tmp_path_factory.mktemp("patient")
    rois = {"Liver": ROIS["Liver"], "Läsion β 症": ROIS["GTV1"]}
    write_study(root / "maa", rois=rois, StudyInstanceUID="1.2.1", **UTF_8)
    write_therapy_study(root / "y90", rois=rois, StudyInstanceUID="1.2.2", **UTF_8)
    return root


def main_commands(patient, out):
    """The commands that read a study, and what they print."""
    tumour = ["--role", "Läsion*=tumour"]
    return [
        ["inspect", patient / "maa"],
        ["dose", patient / "y90", "-o", out / "dose", *GIVEN, *tumour],
        ["plan", patient / "maa", "-o", out / "plan", *GIVEN, *tumour],
        ["compare", out / "plan", out / "dose", "-o", out / "compare", "--no-report"],
        ["dvh", out / "dose" / "dose.nii.gz", out / "dose" / "regions.nii.gz", "-o", out / "dvh"],
        ["dose", patient / "nothing-there", "-o", out / "none", *GIVEN],
    ]


CODES = {
    "inspect maa": 0, "dose y90": 0, "plan maa": 0, "compare plan": 0, "dvh dose.nii.gz": 0, "dose nothing-there": 2,
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["cp437", "cp932", "ascii"])
def test_every_output_can_be_printed_on_a_console_with_few_characters(patient, tmp_path, encoding):
    helps = [[name, "--help"] for name in COMMANDS]
    out, err, codes = run([*helps, *main_commands(patient, tmp_path)], encoding=encoding)
    assert codes == {**{f"{name} --help": 0 for name in COMMANDS}, **CODES}
    shown = (out + err).decode(encoding)
    assert "Traceback" not in shown
    name = {"cp437": "Läsion beta ?", "cp932": "Lasion β 症", "ascii": "Lasion beta ?"}[encoding]
    assert name in shown


def test_commands_run_where_there_are_no_posix_modules(patient, tmp_path):
    stated = (
        "administration.activity=2 GBq",
        "administration.lung_shunt_fraction=0.05",
        "regions.roles.Läsion*=tumour",
    )
    given = [word for one in (*stated, "dose.engine=local", "output.report=false") for word in ("--set", one)]
    batch = ["batch", patient, "-o", tmp_path / "batch", *given]
    out, err, codes = run([*main_commands(patient, tmp_path), batch], before=WITHOUT_POSIX)
    assert codes == CODES | {f"batch {patient.name}": 0}, err.decode()[-3000:]
    assert b"2 done, 0 failed, 0 refused" in out
    assert b"one after another in this process" in err
    assert (tmp_path / "batch" / "cohort.html").is_file()
    _, err, codes = run([[*batch, "--workers", "2"]], before=WITHOUT_POSIX)
    assert codes == {f"batch {patient.name}": 2}
    lines = [line for line in err.decode().splitlines() if line and not line.startswith("<<")]
    assert len(lines) == 1
    assert lines[0].startswith("y90voxel: --workers needs a process for each study.")
    assert "WSL or a container" in lines[0]


@pytest.mark.parametrize("text", PLAIN)
def test_every_symbol_has_a_plain_form(text):
    assert plain_text(text).isascii()
    assert "?" not in plain_text(text)


def test_every_symbol_of_the_program_has_a_plain_form():
    """Texts of this package that people read on a terminal: no question mark stands for a symbol that we use."""
    package = TESTS.parent / "y90voxel"
    used = {c for path in package.rglob("*.py") for c in path.read_text("utf-8") if not c.isascii()}
    lost = {c for c in used if "?" in plain_text(c)}
    assert lost <= set("症肝臓")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_is_closed_takes_no_command_down(patient, monkeypatch, closed):
    monkeypatch.setattr(sys, closed, None)
    monkeypatch.setattr(sys, "argv", ["y90voxel", "inspect", str(patient / "nothing-there")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def test_streams_without_an_encoding_are_left_as_they_are(monkeypatch):
    """A program that calls commands and collects what they print."""
    kept = io.StringIO()
    monkeypatch.setattr(sys, "stdout", kept)
    prepare_console()
    assert sys.stdout is kept
