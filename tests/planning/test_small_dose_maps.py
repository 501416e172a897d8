"""Dose maps of a liver of sixteen voxels, by numbers that can be counted: doses, masses, ratios and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

import y90voxel.planning.plan_maps as plan_maps
from y90voxel.errors import InputError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.planning.dose_table import LUNGS_VOXEL
from y90voxel.planning.plan_maps import DoseMaps, dose_per_gbq
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap, Mask

# 16 voxels in a row, 1 mL each: tumour A in 0 and 1, B in 8, liver 0 to 15, left half 0 to 7.
GRID = Grid.from_spacing((1, 1, 16), (10.0, 10.0, 10.0), (0.0, 0.0, 0.0))
PLACES = {
    "liver": (Role.LIVER, range(16)),
    "A": (Role.TUMOUR, range(2)),
    "B": (Role.TUMOUR, [8]),
    "left": (Role.PERFUSED, range(8)),
    "half": (Role.OTHER, range(8)),
    "Lung": (Role.LUNG, [15]),
}
PERFUSED_NORMAL = "perfused non-tumour liver"


def row_of(values):
    return np.asarray(values, float).reshape(GRID.shape)


def region(name):
    role, places = PLACES[name]
    return Region(name, role, Mask(row_of([i in places for i in range(16)]), GRID))


def evaluation(dose=1.0, shunt=0.1, means=None):
    """Two parts of activity for each voxel of A, one elsewhere; a density of 2 in A and 1 elsewhere."""
    in_tumour = row_of([2.0 if i < 2 else 1.0 for i in range(16)])
    return SimpleNamespace(
        dose=DoseMap(np.full(GRID.shape, dose, np.float32), GRID),
        activity=ActivityMap(in_tumour * dose, GRID),
        density=DensityMap(in_tumour.astype(np.float32), GRID),
        own_densities={},
        lung=SimpleNamespace(shunt_fraction=shunt, ct_mass_g=None),
        region=lambda name: SimpleNamespace(mass_weighted_mean_gy=(means or {}).get(name, dose)),
    )


def maps_of(*names, evaluations=None, territories=(None,), liver_g_per_ml=None, in_view=False):
    case = SimpleNamespace(
        regions=Regions(GRID, tuple(region(name) for name in names)),
        injections=[SimpleNamespace(territory=name) for name in territories],
        both_lungs_in_view=in_view,
        planning_dose_constant=50.0,
        density=SimpleNamespace(liver_g_per_ml=liver_g_per_ml),
    )
    return DoseMaps(case, evaluations or tuple(evaluation() for _ in territories))


def test_masses_are_of_the_density_map_or_of_a_stated_density():
    measured = maps_of("liver", "A", "B").anatomy()
    assert measured.tumour_masses_kg == pytest.approx({"A": 0.004, "B": 0.001})
    assert (measured.whole_normal_kg, measured.liver_kg) == pytest.approx((0.013, 0.018))
    stated = maps_of("liver", "A", "B", liver_g_per_ml=1.5).anatomy()
    assert stated.tumour_masses_kg == pytest.approx({"A": 0.003, "B": 0.0015})
    assert (stated.liver_volume_ml, stated.liver_kg) == pytest.approx((16.0, 0.024))


@pytest.mark.parametrize(
    ("names", "liver_ml", "perfused_ml", "tumour_ml", "shared_ml"),
    [
        (("liver", "A", "B", "left"), 16.0, 8.0, 3.0, 2.0),
        (("liver", "A", "B"), 16.0, None, 3.0, 3.0),
        (("A", "left"), None, 8.0, 2.0, 2.0),
        (("liver", "left"), 16.0, 8.0, None, None),
        (("A",), None, None, 2.0, 2.0),
        (("Lung",), None, None, None, None),
    ],
)
def test_volumes_are_told_of_what_is_drawn(names, liver_ml, perfused_ml, tumour_ml, shared_ml):
    found = maps_of(*names).anatomy()
    volumes = (
        found.liver_volume_ml,
        found.perfused_volume_ml,
        found.tumour_volume_ml,
        found.tumour_volume_in_perfused_ml,
    )
    assert volumes == (liver_ml, perfused_ml, tumour_ml, shared_ml)


def test_a_ratio_is_of_the_concentrations_per_mass_in_the_territory_of_the_injection():
    """A holds 4 of activity in 0.004 kg, normal liver 6 in 0.006 kg of the half: ratio 1; B is not reached there."""
    (half,) = maps_of("liver", "A", "B", "half", territories=("half",)).territories({})
    assert [(t.name, t.ratio) for t in half.tumours] == [("A", pytest.approx(1.0))]
    assert (half.name, half.lung_shunt_fraction, half.normal_kg) == ("half", 0.1, pytest.approx(0.006))
    (whole,) = maps_of("liver", "A", "B", "half").territories({})
    assert [t.name for t in whole.tumours] == ["A", "B"]
    assert whole.normal_kg == pytest.approx(0.013)
    (stated,) = maps_of("liver", "A", "half", territories=("half",), liver_g_per_ml=1.0).territories(
        {"A": 0.5}
    )
    assert stated.tumours[0].ratio == pytest.approx(1.0 + (2.0 - 1.0) / 0.5)


def test_an_injection_without_a_liver_or_a_shunt_reaches_what_is_known_of_it():
    (found,) = maps_of("Lung", evaluations=(evaluation(shunt=None),)).territories({})
    assert (found.tumours, found.normal_kg, found.lung_shunt_fraction) == ((), None, 0.0)
    lungs = maps_of("Lung", evaluations=(evaluation(shunt=None),)).table
    assert lungs.doses((1.0,))["lungs"] == 0.0
    assert maps_of("Lung").table.doses((1.0,))["lungs"] == pytest.approx(50.0 * 0.1)


@pytest.mark.parametrize(
    ("recovery", "said"), [({"A": 0.8}, None), ({"C": 0.8}, "for C, but the tumours are A")]
)
def test_a_recovery_is_for_a_tumour(recovery, said):
    maps = maps_of("liver", "A")
    if said is None:
        assert len(maps.territories(recovery)) == 1
    else:
        with pytest.raises(InputError, match=said):
            maps.territories(recovery)


def test_doses_and_activities_of_a_split_are_sums():
    maps = maps_of(
        "liver", "A", evaluations=(evaluation(3.0), evaluation(5.0)), territories=("left", "right")
    )
    assert np.all(maps.dose((2.0, 0.5)).array == 2.0 * 3.0 + 0.5 * 5.0)
    assert maps.activity((2.0, 0.5)).array.ravel()[:3] == pytest.approx([17.0, 17.0, 8.5])
    assert maps.dvh("A", (2.0, 0.5)).mean_gy == pytest.approx(8.5)
    assert maps.dvh("A", (2.0, 0.5)).volumes_ml.sum() == pytest.approx(2.0)


def test_the_histogram_of_one_injection_is_that_of_1_gbq_times_its_activity():
    alone = evaluation()
    region_of_a = region("A").mask
    alone.dvh = lambda name: DoseVolumeHistogram.from_dose(DoseMap(row_of(range(16)), GRID), region_of_a)
    found = maps_of("liver", "A", evaluations=(alone,)).dvh("A", (4.0,))
    assert found.mean_gy == pytest.approx(4.0 * 0.5)
    assert found.volumes_ml.sum() == pytest.approx(2.0)


@pytest.mark.parametrize(("mean_gy", "found"), [(7.0, 14.0), (0.0, 0.0), (-1.0, 0.0), (None, 0.0)])
def test_the_table_holds_means_by_mass_of_which_none_is_negative(mean_gy, found):
    stub = SimpleNamespace(mass_weighted_mean_gy=mean_gy)
    alone = evaluation()
    alone.region = lambda name: stub
    assert maps_of("liver", "A", evaluations=(alone,)).table.doses((2.0,))["A"] == found


@pytest.mark.parametrize(
    ("names", "drawn"),
    [(("liver", "A"), True), (("liver", "A", "left"), False), (("A",), False), (("liver", "half"), True)],
)
def test_all_normal_liver_stands_for_what_is_perfused_of_it_where_none_is_drawn(names, drawn):
    maps = maps_of(*names, evaluations=(evaluation(means={"A": -1.0}),))
    normal = [r.name for r in maps.case.regions.with_role(Role.NON_TUMOUR_LIVER)]
    perfused_normal = [r.name for r in maps.case.regions.with_role(Role.PERFUSED_NON_TUMOUR_LIVER)]
    rows = {row.name for row in maps.table.rows}
    assert (PERFUSED_NORMAL in rows) is (drawn or PERFUSED_NORMAL in perfused_normal)
    assert maps._drawn("A") == "A"
    assert maps._drawn(PERFUSED_NORMAL) == (
        normal[0] if normal and PERFUSED_NORMAL not in perfused_normal else PERFUSED_NORMAL
    )
    assert "half" not in rows  # of no role that a plan holds against anything
    assert maps.table.doses((1.0,)).get("A", 0.0) == 0.0  # no dose is negative


@pytest.mark.parametrize("in_view", [True, False])
@pytest.mark.parametrize("names", [("liver",), ("liver", "Lung")])
def test_lungs_have_a_dose_of_the_map_where_they_are_drawn_and_seen_whole(in_view, names):
    rows = {row.name for row in maps_of(*names, in_view=in_view).table.rows}
    assert (LUNGS_VOXEL in rows) is (in_view and "Lung" in names)


@pytest.fixture
def run(monkeypatch):
    """One evaluation after the other, from a case that `verify` never sees."""

    def plan_of(mode=CalibrationMode.RELATIVE, arteries=((),), shunt=0.1, progress=None):
        def change(**_):
            return case

        def verified(alone, _engine, report):
            report("dose", 0.5)
            return evaluation(shunt=shunt)

        monkeypatch.setattr(plan_maps, "verify", verified)
        monkeypatch.setattr(plan_maps, "replace", lambda thing, **_: thing)
        injections = [SimpleNamespace(arteries=a, administration=None, territory=None) for a in arteries]
        case = SimpleNamespace(calibration=SimpleNamespace(mode=mode), injections=injections, changed=change)
        return dose_per_gbq(case, None, progress)

    return plan_of


@pytest.mark.parametrize("mode", [mode for mode in CalibrationMode if mode is not CalibrationMode.RELATIVE])
def test_a_plan_takes_a_relative_calibration_alone(run, mode):
    with pytest.raises(InputError, match=f"the calibration is {mode.value}. Use --calibration relative"):
        run(mode=mode)
    assert len(run().evaluations) == 1


@pytest.mark.parametrize("arteries", [(("left",),), ((), ("left",))])
def test_one_image_of_several_injections_makes_no_plan(run, arteries):
    with pytest.raises(InputError, match="a plan needs the map of each artery"):
        run(arteries=arteries)
    assert len(run(arteries=((), ())).evaluations) == 2


@pytest.mark.parametrize("shunt", [0.0, None])
def test_a_plan_needs_a_lung_shunt_which_may_be_none(run, shunt):
    if shunt is None:
        with pytest.raises(InputError, match="a plan needs the lung shunt fraction"):
            run(shunt=shunt)
    else:
        assert run(shunt=shunt).evaluations[0].lung.shunt_fraction == 0.0


def test_each_injection_is_its_share_of_the_progress(run):
    done = []
    run(arteries=((), ()), progress=lambda what, share: done.append((what, share)))
    assert done == [("dose", 0.25), ("dose", 0.75)]


def test_a_mass_is_volume_times_density_whatever_the_voxels():
    """16 voxels of 8 mL and 1 g/mL."""
    grid = Grid.from_spacing((1, 1, 16), (20.0, 20.0, 20.0), (0.0, 0.0, 0.0))
    density = DensityMap(np.ones(grid.shape, np.float32), grid)
    maps = maps_of("liver", evaluations=(SimpleNamespace(density=density),))
    assert maps._mass_kg(Mask(np.ones(grid.shape), grid)) == pytest.approx(0.128)
    assert maps._mass_kg(None) == 0.0
