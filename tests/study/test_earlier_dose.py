"""A run that changes only the report reads the dose of earlier results: the same numbers, without the engine."""

import json
import shutil

import numpy as np
import pytest
from study_factory import write_study

from y90voxel.case.settings import load_settings
from y90voxel.errors import PhysicsError
from y90voxel.io.nifti import write_nifti
from y90voxel.study import earlier_dose as earlier
from y90voxel.study import run_dose as run
from y90voxel.study.run_dose import run_study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

ENGINES = ("local", "convolution", "density", "monte-carlo", "exact")
SAME = ("dose.nii.gz", "dvh.csv", "metrics.csv", "activity.nii.gz")


def settings(engine="local", **more):
    given = {
        "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
        "dose": {"engine": engine},
        "monte_carlo": {"histories": 200_000, "target_uncertainty": "0.1 %"}
        if engine in ("monte-carlo", "exact")
        else {},
        "output": {"report": False},
    }
    return load_settings(None, given | more)


def metrics(folder):
    """Everything but when it was computed and how it was asked for."""
    found = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in found.items() if name != "provenance"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def no_engine(monkeypatch):
    """Engines that must not be asked for a dose."""
    build = run.build_engine

    def broken(*arguments, **options):
        engine = build(*arguments, **options)

        def fail(*_arguments, **_options):
            raise PhysicsError("the engine was asked")

        monkeypatch.setattr(type(engine), "complete_dose", fail)
        return engine

    monkeypatch.setattr(run, "build_engine", broken)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_dose_is_read_and_everything_made_of_it_is_the_same(study, tmp_path, engine, request):
    run_study(study, tmp_path / "first", settings(engine))
    request.getfixturevalue("no_engine")
    wanted = settings(engine, output={"report": True})
    run_study(study, tmp_path / "again", wanted, earlier=tmp_path / "first")
    assert (tmp_path / "again" / "report.html").is_file()
    for name in SAME:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "first" / name).read_bytes(), name
    assert metrics(tmp_path / "again") == metrics(tmp_path / "first")
    if engine in ("monte-carlo", "exact"):
        codes = [warning["code"] for warning in metrics(tmp_path / "again")["warnings"]]
        assert {"monte-carlo": "monte-carlo-uncertainty", "exact": "exact-parts"}[engine] in codes
        spread = "dose_uncertainty.nii.gz"
        assert (tmp_path / "again" / spread).read_bytes() == (tmp_path / "first" / spread).read_bytes()


def rewrite(folder, **changes):
    """Change a document and its checksum, as if it had been written so."""
    document = json.loads((folder / "metrics.json").read_text())
    for key, value in changes.items():
        if key == "version":
            document["provenance"]["version"] = value
        else:
            document[key] = value
    (folder / "metrics.json").write_text(json.dumps(document))
    remark(folder, "metrics.json")


def remark(folder, name):
    mark = json.loads((folder / ".y90voxel.json").read_text())
    mark["checksums"][name] = [(folder / name).stat().st_size, earlier.checksum(folder / name)]
    (folder / ".y90voxel.json").write_text(json.dumps(mark))


def other_shape(folder):
    smaller = DoseMap(np.ones((2, 3, 4), np.float32), Grid.from_spacing((2, 3, 4), (1.0, 1.0, 1.0)))
    write_nifti(smaller, folder / "dose.nii.gz")
    remark(folder, "dose.nii.gz")


SPOILT = {
    "a damaged dose": lambda folder: (folder / "dose.nii.gz").write_bytes(b"x"),
    "a dose of another shape": other_shape,
    "no dose": lambda folder: (folder / "dose.nii.gz").unlink(),
    "no mark": lambda folder: (folder / ".y90voxel.json").unlink(),
    "other metrics": lambda folder: (folder / "metrics.json").write_text("{}"),
    "no regions": lambda folder: rewrite(folder, regions=None),
    "another engine": lambda folder: rewrite(folder, engine="density"),
    "another version": lambda folder: rewrite(folder, version="0.0.1"),
    "a plan": lambda folder: rewrite(folder, kind="plan"),
}


@pytest.fixture(scope="module")
def computed(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "first"
    run_study(study, out, settings())
    return out


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.usefixtures("no_engine")
def test_results_that_cannot_be_relied_upon_are_computed_again(study, computed, tmp_path, how):
    first = shutil.copytree(computed, tmp_path / "first")
    SPOILT[how](first)
    with pytest.raises(PhysicsError, match="the engine was asked"):
        run_study(study, tmp_path / "again", settings(), earlier=first)


@pytest.mark.usefixtures("no_engine")
def test_a_dose_that_is_corrected_afterwards_is_computed_again(study, computed, tmp_path):
    corrected = settings(partial_volume={"method": "richardson-lucy", "fwhm_mm": 12.0})
    with pytest.raises(PhysicsError, match="the engine was asked"):
        run_study(study, tmp_path / "again", corrected, earlier=computed)
