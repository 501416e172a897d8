"""The change that the exact engine makes of a region's mean, by hand; the engine is a stand-in."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import engine_check as module
from y90voxel.case.engine_check import with_engine_check
from y90voxel.errors import Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap, Mask

GRID = Grid.from_spacing((1, 1, 3), (10.0, 10.0, 10.0))


@dataclass(frozen=True)
class Result:
    case: object
    activity: object
    dose: object
    density: object
    own_densities: dict
    engine_check: object = None
    notices: tuple = ()

    def dvh(self, name):
        own = self.own_densities.get(name, self.density)
        return DoseVolumeHistogram.from_dose(self.dose, self.case.regions[name].mask, own)

    def with_notices(self, *notices):
        return replace(self, notices=notices)


def test_changes_are_relative_to_the_engine_that_ran(monkeypatch):
    """0.5, 0 and 4 Gy of the run are 0.6, 1 and 3 Gy by the exact engine, each known to 10 %."""
    regions = Regions(GRID, tuple(
        Region(name, Role.OTHER, Mask((np.arange(3) == n).astype(float).reshape(GRID.shape), GRID))
        for n, name in enumerate("ABC")
    ))  # fmt: skip
    exact = DoseMap(np.array([[[0.6, 1.0, 3.0]]]), GRID)
    asked = []
    answers = SimpleNamespace(
        complete_dose=lambda tia, path, record, masks: SimpleNamespace(
            dose=exact, region_uncertainty=dict.fromkeys("ABC", 0.1), notices=(Notice("exact-parts", "some"),)
        )
    )
    monkeypatch.setattr(module, "engine_request", lambda case, **choices: choices)
    monkeypatch.setattr(
        module, "engine_row", lambda name: SimpleNamespace(make=lambda request: asked.append((name, request)))
    )
    monkeypatch.setattr(module, "answering", lambda engine: answers)
    monkeypatch.setattr(module, "build_tissue_map", lambda *of: SimpleNamespace(path=None))
    case = SimpleNamespace(nuclide="Y-90", grid=GRID, regions=regions, ct=None, density=None, ct_tissue=None)
    plain = Result(
        case, ActivityMap(np.ones(GRID.shape), GRID), DoseMap(np.array([[[0.5, 0.0, 4.0]]]), GRID),
        DensityMap(np.ones(GRID.shape), GRID), {},
    )  # fmt: skip
    found = with_engine_check(plain, 1000, 7)
    check = found.engine_check
    assert (check.engine, check.histories, check.seed) == ("exact", 1000, 7)
    assert asked == [("exact", {"histories": 1000, "seed": 7, "progress": None})]
    rows = {row.name: row for row in check.regions}
    assert rows["A"].change == pytest.approx(0.2)
    assert rows["A"].sigma_gy == pytest.approx(0.06)
    assert rows["A"].change_sigma == pytest.approx(0.12)
    assert (rows["B"].mass_weighted_mean_gy, rows["B"].verified_gy) == (0.0, 1.0)
    assert (rows["B"].change, rows["B"].change_sigma) == (None, None)
    assert (rows["C"].change, rows["C"].change_sigma) == (pytest.approx(-0.25), pytest.approx(0.075))
    assert [notice.code for notice in found.notices] == ["exact-parts"]
