"""Help in groups with an example that parses, ``-h``, completion, and what is said of arguments in the wrong place."""

import os
import shlex
import subprocess
import sys

import pytest
import typer

from y90voxel.case.setting_names import options_of
from y90voxel.cli import help_pages, main


def command_of(name):
    return typer.main.get_command(main.app).get_command(None, name)


def test_every_command_has_a_group_and_an_example():
    grouped = [name for group in help_pages.GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(main.COMMANDS)
    assert sorted(help_pages.EXAMPLES) == sorted(main.COMMANDS)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_example_is_shown_and_its_options_exist(run_cli, name):
    shown = run_cli(name, "-h")
    assert shown.code == 0
    example = help_pages.EXAMPLES[name]
    assert shown.out.endswith(f"Example:\n  {example}\n")
    assert run_cli(name, "--help").out == shown.out
    program, called, *typed = shlex.split(example)
    assert (program, called) == ("y90voxel", name)
    with command_of(name).make_context(name, typed):  # parsed, not run
        pass


def test_an_option_that_is_none_does_not_parse():
    with pytest.raises(Exception, match="No such option"):
        command_of("dose").make_context("dose", ["study", "-o", "out", "--no-such"])


def test_commands_stand_in_groups_with_their_whole_sentence(run_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run_cli("-h").out
    places = [shown.index(f"\n{title}:\n") for title in help_pages.GROUPS]
    assert places == sorted(places)
    assert " ".join(main.COMMANDS["compare"].split()) in " ".join(shown.split())
    assert help_pages.sections(["dose", "new"])[-1] == (help_pages.OTHER, ["new"])
    assert help_pages.OTHER not in shown


def test_options_stand_under_headings(run_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run_cli("plan", "-h").out
    lines = shown.splitlines()
    for option, title in (
        ("--out", "Options"),
        ("--activity", help_pages.GIVEN),
        ("--disease", help_pages.PATIENT),
        ("--goal", help_pages.PLAN),
        ("--engine", help_pages.DOSE),
        ("--role", help_pages.IMAGES),
        ("--immune", help_pages.EXPLORATORY),
        ("--pdf", help_pages.OUTPUTS),
    ):
        at = next(
            n for n, line in enumerate(lines) if line.lstrip().startswith((f"{option} ", f"-o, {option} "))
        )
        heading = next(line for line in reversed(lines[:at]) if line and not line.startswith(" "))
        assert heading == f"{title}:"
    assert "[default: []]" not in shown


@pytest.mark.parametrize("command", ["dose", "plan", "batch", "dvh"])
def test_no_setting_is_left_without_a_heading(command):
    assert not [one.path for one in options_of(command) if help_pages.panel_of(one.path) == help_pages.PLAIN]


def test_the_help_of_a_list_names_its_choices(run_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (one,) = [one for one in options_of("dose") if one.name == "accept"]
    assert len(one.choices) == 3
    assert all(choice in one.help for choice in one.choices)


def test_a_folder_in_the_place_of_a_command_is_told(run_cli, tmp_path):
    done = run_cli(tmp_path)
    assert done.code == 2
    assert f"a command comes first, such as: y90voxel dose {tmp_path} -o OUT" in " ".join(done.err.split())
    assert "Did you mean 'dose'?" in run_cli("doze").err
    assert "No such command 'patient'" in run_cli("patient").err


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("y90voxel d", {"demo", "dose", "dvh"}),
        ("y90voxel dose --activity", {"--activity", "--activity-time"}),
    ],
)
def test_a_shell_completes_commands_and_options(typed, expected):
    script = "import sys; sys.argv = ['y90voxel']\nfrom y90voxel.cli.main import main\nmain()"
    asked = {
        "_Y90VOXEL_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert set(done.stdout.split()) == expected, done.stderr


def test_completion_can_be_installed(run_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "--install-completion" in run_cli("-h").out
