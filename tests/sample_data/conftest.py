"""The generator and the committed study, for every test of the sample data."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from pathlib import Path

import pydicom
import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the sample study."""
    return SAMPLE


@pytest.fixture(scope="session")
def generator():
    """The generator as a module; its package `phantom` is importable from then on."""
    if str(SAMPLE) not in sys.path:
        sys.path.insert(0, str(SAMPLE))
    return importlib.import_module("generate")


@pytest.fixture(scope="session")
def truth() -> dict:
    """The committed truth."""
    return json.loads((SAMPLE / "truth.json").read_text())


@pytest.fixture(scope="session")
def objects() -> dict:
    """The committed DICOM objects by folder; the CT in the order of its files."""
    return {
        folder.name: [pydicom.dcmread(f) for f in sorted(folder.iterdir())]
        for folder in sorted((SAMPLE / "study").iterdir())
    }


@pytest.fixture(scope="session")
def small(generator, tmp_path_factory):
    """Make a small study with given settings; returns its folder and its truth. Made once for each."""
    from phantom.settings import Settings

    made = {}

    def make(**changes):
        key = tuple(sorted(changes.items()))
        if key not in made:
            basis = {
                "ct_shape": (24, 64, 64),
                "ct_spacing_mm": (12.0, 6.0, 6.0),
                "spect_shape": (36, 48, 64),
                "spect_voxel_mm": 8.84,
                "truth_bins": 3,
            }
            out = tmp_path_factory.mktemp("small")
            made[key] = out, generator.generate(out, Settings(**{**basis, **changes}))
        return made[key]

    return make


@pytest.fixture(scope="session")
def digest():
    """Return the function that gives the sha256 of every file below a folder, by its path."""

    def of(folder: Path) -> dict[str, str]:
        files = sorted(f for f in folder.rglob("*") if f.is_file())
        return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    return of
