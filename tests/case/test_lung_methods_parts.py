"""Which lung doses stand beside each other, and of what they are means; engines are stand-ins."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import lung_methods as module
from y90voxel.case.lung_methods import LungMethod, _engines, _mean, _row, _Spill, lung_doses_by_method
from y90voxel.dose.engines import Beside
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap, Volume

GRID = Grid.from_spacing((1, 1, 6), (10.0, 10.0, 10.0))


def volume(kind, *values):
    return kind(np.array([[values]], float), GRID)


def region(name, role, *voxels, value=1.0):
    array = np.zeros(GRID.shape)
    array[0, 0, list(voxels)] = value
    return Region(name, role, Mask(array, GRID))


DOSE = volume(DoseMap, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0)
DENSITY = volume(DensityMap, 1.0, 1.0, 1.0, 0.25, 0.25, 0.75)
LIVER, LUNG = region("Liver", Role.LIVER, 0, 1), region("Lung", Role.LUNG, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("wants", "asked", "names"),
    [
        (False, None, ["first", "mine"]), (True, None, ["first", "mine", "second"]), (True, False, ["mine"]),
        (False, True, ["first", "mine", "second"]),
    ],
)  # fmt: skip
def test_engines_beside_the_one_that_ran_are_as_asked_else_as_it_wants(wants, asked, names, monkeypatch):
    def row(name, beside):
        return SimpleNamespace(
            name=name, beside=beside, make=lambda request: SimpleNamespace(name=name, made=True)
        )

    table = (
        row("first", Beside.ALWAYS),
        row("mine", Beside.ALWAYS),
        row("second", Beside.ASKED),
        row("third", Beside.NEVER),
    )
    monkeypatch.setattr(module, "engine_rows", lambda: table)
    monkeypatch.setattr(module, "engine_names", lambda: [one.name for one in table])
    monkeypatch.setattr(module, "engine_request", lambda case: None)
    monkeypatch.setattr(module, "answering", lambda engine: SimpleNamespace(wants_comparison=wants))
    mine = SimpleNamespace(name="mine")
    found = _engines(SimpleNamespace(compare_lung_methods=asked), mine)
    assert [one.name for one in found] == names
    assert found[names.index("mine")] is mine


MIRD = {"mird-1kg": 7.0, "mird-ct": None}


def rows(*drawn, monkeypatch, electrons=None):
    """By the engine that ran, and by another whose dose is twice as high."""
    mine, other = SimpleNamespace(name="mine"), SimpleNamespace(name="other")
    monkeypatch.setattr(module, "_engines", lambda case, engine: [other, mine])
    monkeypatch.setattr(module, "answering", lambda engine: SimpleNamespace(electrons_only=lambda: electrons))
    case = SimpleNamespace(regions=Regions(GRID, drawn), dome_margin_mm=15.0)
    tissue = SimpleNamespace(own={}, density=DENSITY)
    tia = volume(TimeIntegratedActivityMap, 8.0, 4.0, 2.0, 1.0, 1.0, 1.0)

    def dose_of(engine, decays):
        assert (engine, decays) == (other, tia)
        return volume(DoseMap, 2.0, 4.0, 6.0, 8.0, 10.0, 18.0)

    return lung_doses_by_method(case, mine, DOSE, tissue, tia, MIRD, dose_of)


@pytest.mark.parametrize("drawn", [(LIVER,), (), (LIVER, region("Lung", Role.LUNG))])
def test_without_a_lung_there_is_mird_alone(drawn, monkeypatch):
    assert rows(*drawn, monkeypatch=monkeypatch) == (LungMethod("mird-1kg", None, 7.0),)


def test_a_lung_without_a_liver_has_no_dome_and_no_spill(monkeypatch):
    mird, other, mine = rows(LUNG, monkeypatch=monkeypatch)
    by_mass = (3.0 * 1.0 + 4.0 * 0.25 + 5.0 * 0.25 + 9.0 * 0.75) / 2.25
    assert mine == LungMethod("mine", pytest.approx(21.0 / 4.0), pytest.approx(by_mass))
    assert other == LungMethod("other", pytest.approx(42.0 / 4.0), pytest.approx(2.0 * by_mass))
    assert mird.method == "mird-1kg"


def test_the_dome_is_left_out_and_the_spill_of_near_liver_stands_beside(monkeypatch):
    """Voxel 2 lies 10 mm from the liver. Electrons leave a tenth of the decays of liver as dose everywhere."""
    seen = []

    def dose(decays, density):
        seen.append((decays.array.ravel().tolist(), density.array.ravel().tolist()))
        return decays.with_array(np.full(decays.array.shape, decays.array.sum() / 10.0))

    _, other, mine = rows(LIVER, LUNG, monkeypatch=monkeypatch, electrons=SimpleNamespace(dose=dose))
    assert mine.mean_without_dome_gy == pytest.approx(18.0 / 3.0)
    assert mine.mass_weighted_mean_without_dome_gy == pytest.approx((1.0 + 1.25 + 6.75) / 1.25)
    assert (mine.beta_from_liver_gy, other.beta_from_liver_gy) == (pytest.approx(1.2), pytest.approx(1.2))
    assert seen[0] == ([8.0, 4.0, 0.0, 0.0, 0.0, 0.0], DENSITY.array.ravel().tolist())
    assert rows(LIVER, LUNG, monkeypatch=monkeypatch)[2].beta_from_liver_gy is None


def test_spill_weighs_by_the_lungs_own_mass_and_takes_shared_voxels_for_liver():
    """Voxel 1 is a tenth liver and half lung; 20 mm reach it and voxel 0, no other."""
    liver, lungs = region("Liver", Role.LIVER, 0).mask, region("Lung", Role.LUNG, 1, 5, value=0.5).mask
    liver = liver.with_array(liver.array + 0.1 * (np.arange(6) == 1))
    own = OwnDensity(GRID, lungs.box, 0.25)
    tia = volume(TimeIntegratedActivityMap, 8.0, 4.0, 2.0, 1.0, 1.0, 1.0)
    found = _Spill.of(tia, DENSITY, own, liver, lungs)
    assert found.tia.array.ravel().tolist() == [8.0, 4.0, 0.0, 0.0, 0.0, 0.0]
    assert found.weights.array.ravel() == pytest.approx(0.5 * 0.25 * np.array([0, 1, 0, 0, 0, 1]))


def test_the_spill_is_the_mean_by_mass():
    dose = SimpleNamespace(array=np.array([2.0, 4.0, 9.0], np.float32))
    electrons = SimpleNamespace(dose=lambda tia, density: dose)
    grid = Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0))
    spill = _Spill(None, None, Volume(np.array([[[0.5, 1.5, 0.0]]]), grid))
    dose.array = dose.array.reshape(1, 1, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "answering", lambda engine: SimpleNamespace(electrons_only=lambda: electrons))
        assert spill.mean_gy(None) == pytest.approx((1.0 + 6.0) / 2.0)


def test_means_are_by_volume_or_by_the_mass_in_the_part():
    mask = region("Lung", Role.LUNG, 3, 5).mask
    assert _mean(DOSE, mask) == 6.5
    assert _mean(DOSE, mask, DENSITY) == pytest.approx((1.0 + 6.75) / 1.0)
    assert _mean(DOSE, mask, OwnDensity(GRID, mask.box, 0.25)) == 6.5
    nothing = region("Lung", Role.LUNG).mask
    assert _row("m", DOSE, DENSITY, mask, nothing) == LungMethod("m", 6.5, pytest.approx(7.75))
    assert _row("m", DOSE, DENSITY, mask, None) == LungMethod("m", 6.5, pytest.approx(7.75))
    below = region("Lung", Role.LUNG, 5).mask
    assert _row("m", DOSE, DENSITY, mask, below) == LungMethod("m", 6.5, pytest.approx(7.75), 9.0, 9.0)
