"""Fixtures shared by all tests."""

import json
import os
import random
import sys
from types import SimpleNamespace

import jsonschema
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


class CheckedJson:
    """The module json for the writer of results: what is written has to fit the schema of its kind."""

    def dumps(self, document, **options):
        text = json.dumps(document, **options)
        check_result(json.loads(text))
        return text


def check_result(document):
    """Raise if a document of a kind that has a schema does not fit it."""
    from y90voxel.study.result_schemas import schema_of_kind

    kind = document.get("kind")
    if kind not in VALIDATORS:
        schema = schema_of_kind(kind)
        VALIDATORS[kind] = None if schema is None else jsonschema.Draft202012Validator(schema)
    faults = [] if VALIDATORS[kind] is None else list(VALIDATORS[kind].iter_errors(document))
    told = "; ".join(f"{fault.json_path}: {fault.message}"[:300] for fault in faults[:5])
    assert not faults, (
        f"a document of kind {kind!r} does not fit its schema: {told}. Declare what is new in "
        "y90voxel/study/result_schemas.py and write docs/schemas again (y90voxel schema NAME)."
    )


VALIDATORS = {}


@pytest.fixture(scope="session", autouse=True)
def disks_are_not_waited_for():
    """Results of tests need not outlive a power cut: a run of the suite writes thousands of files.

    tests/io/test_atomic.py asks that they are on the disk before they get their name.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session", autouse=True)
def results_fit_their_schemas():
    """Check every result that a test writes in this process."""
    from y90voxel.io import result_tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_tables, "json", CheckedJson())
        yield
