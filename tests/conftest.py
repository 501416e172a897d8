"""Fixtures shared by all tests."""

import random
import sys
from types import SimpleNamespace

import pytest
from hypothesis import settings

# Timing is noisy on shared machines, and a first call compiles: no deadline tells right from wrong.
settings.register_profile("y90voxel", deadline=None)
settings.load_profile("y90voxel")


def pytest_addoption(parser):
    parser.addoption(
        "--shuffle", metavar="SEED", help="run files, and the tests of each, in an order by this seed"
    )


def pytest_collection_modifyitems(config, items):
    """Shuffle files, and tests within a file: shared fixtures are made once a file in any order."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        ranks = {
            key: random.Random(f"{seed} {key}").random() for i in items for key in (str(i.path), i.nodeid)
        }
        items.sort(key=lambda item: (ranks[str(item.path)], ranks[item.nodeid]))


@pytest.fixture
def run_cli(monkeypatch, capsys):
    """Run the command line in this process: returns exit code, stdout and stderr."""
    from y90voxel.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["y90voxel", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run
