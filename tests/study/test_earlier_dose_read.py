"""What is read of the dose of earlier results, and when it is computed again instead."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.io.nifti import read_nifti, write_nifti
from y90voxel.io.result_marks import write_mark
from y90voxel.study import earlier_dose as module
from y90voxel.study.earlier_dose import earlier_dose
from y90voxel.version import __version__
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Volume

GRID = Grid.from_spacing((2, 3, 4), (4.0, 4.0, 4.0))
CASE = SimpleNamespace(grid=GRID)
DOSE = np.arange(24, dtype=np.float32).reshape(GRID.shape)
FILES = ("metrics.json", "dose.nii.gz", "dose_uncertainty.nii.gz")


def results(folder, *, grid=GRID, spread=None, **more):
    """Results of a simulation, with the spread of its voxels where one is given."""
    document = {
        "kind": "dose", "engine": "exact", "provenance": {"version": __version__},
        "regions": [{"name": "Liver", "relative_uncertainty": 0.01}, {"name": "Skin", "relative_uncertainty": None}],
        "warnings": [{"code": "exact-parts", "message": "said"}, {"code": "other", "message": "by others"}],
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(document | more))
    write_nifti(DoseMap(np.resize(DOSE, grid.shape), grid), folder / "dose.nii.gz")
    if spread is not None:
        write_nifti(
            Volume(np.full(spread.shape, 0.05, np.float32), spread), folder / "dose_uncertainty.nii.gz"
        )
    write_mark(folder, "dose", [name for name in FILES if (folder / name).is_file()])
    return folder


@pytest.mark.parametrize("spread", [None, GRID])
def test_the_dose_of_a_simulation_is_what_it_was(tmp_path, spread):
    found = earlier_dose(results(tmp_path, spread=spread), CASE, "exact")
    assert np.array_equal(found.dose.array, DOSE)
    assert found.dose.grid is GRID
    assert [(notice.code, notice.message) for notice in found.notices] == [("exact-parts", "said")]
    assert found.region_uncertainty == {"Liver": 0.01}
    if spread is None:
        assert found.dose.relative_uncertainty is None
    else:
        assert found.dose.relative_uncertainty == pytest.approx(np.full(GRID.shape, 0.05))


OTHER = Grid.from_spacing((2, 3, 5), (4.0, 4.0, 4.0))


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "plan"},
        {"engine": "density"},
        {"provenance": {"version": "0.0.1"}},
        {"provenance": {}},
        {"grid": OTHER},
        {"grid": OTHER, "spread": GRID},
        {"spread": OTHER},
        {"regions": [{"name": "Liver"}]},
    ],
)
def test_results_of_another_run_are_not_relied_upon(tmp_path, more):
    assert earlier_dose(results(tmp_path, **more), CASE, "exact") is None


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_or_is_gone_is_not_relied_upon(tmp_path, name):
    results(tmp_path, spread=GRID)
    kept = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(kept + b" ")
    assert earlier_dose(tmp_path, CASE, "exact") is None
    (tmp_path / name).unlink()
    assert earlier_dose(tmp_path, CASE, "exact") is None
    (tmp_path / name).write_bytes(kept)
    assert earlier_dose(tmp_path, CASE, "exact") is not None


def test_another_precision_is_none_of_ours(tmp_path, monkeypatch):
    results(tmp_path)
    double = replace(read_nifti(tmp_path / "dose.nii.gz"), array=DOSE[None].astype(np.float64))
    monkeypatch.setattr(module, "read_nifti", lambda path: double)
    assert earlier_dose(tmp_path, CASE, "exact") is None
