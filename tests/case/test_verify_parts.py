"""What a dose calculation asks, checks and says of its parts, each with and without what it needs."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case import verify as module
from y90voxel.case.verify import (
    _check_asked_for,
    _check_energy,
    _checked_dose,
    _fraction_in_view,
    _lung,
    _may_hold_lung,
    _mean_without_dome,
    _overlap_notices,
    _provenance,
    _region_notices,
    verify,
)
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import PhysicsError, RegionError
from y90voxel.quantification.administration import Administration
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

ROW = Grid.from_spacing((1, 1, 100), (20.0, 10.0, 10.0))  # voxels of 2 mL


def row(name, role, start, stop, value=1.0, **facts):
    array = np.zeros(ROW.shape)
    array[0, 0, start:stop] = value
    return Region(name, role, Mask(array, ROW), **facts)


LIVER, TUMOUR, LUNG = (
    row("Liver", Role.LIVER, 0, 50),
    row("GTV1", Role.TUMOUR, 40, 50),
    row("Lung", Role.LUNG, 60, 90),
)


@pytest.mark.parametrize(
    ("device", "radiobiology", "drawn", "message"),
    [
        ("glass", (), (TUMOUR, LUNG), r"the limits of glass ask .*: GTV1 \(tumour\), Lung \(lung\)\."),
        ("glass", (), (), r"the limits of glass ask .*: none\."),
        (None, (Role.NON_TUMOUR_LIVER,), (TUMOUR,), r"radiobiology\.non_tumour_liver ask"),
        ("glass", (Role.NON_TUMOUR_LIVER,), (LIVER,), None),
        (None, (Role.TUMOUR,), (TUMOUR,), None),
        (None, (), (), None),
    ],
)
def test_limits_and_radiobiology_of_normal_liver_need_a_liver(device, radiobiology, drawn, message):
    case = SimpleNamespace(device=device, radiobiology=radiobiology, regions=Regions(ROW, drawn))
    if message is None:
        _check_asked_for(case)
    else:
        with pytest.raises(RegionError, match=message):
            _check_asked_for(case)


@pytest.mark.parametrize(
    ("drawn", "ct", "may"),
    [((LUNG,), None, True), ((LIVER,), None, False), ((LIVER,), "CT", True), ((LUNG,), "CT", True)],
)
def test_a_lung_may_be_there_where_it_is_drawn_or_a_ct_shows_it(drawn, ct, may):
    assert _may_hold_lung(SimpleNamespace(regions=Regions(ROW, drawn), ct=ct)) is may


@pytest.mark.parametrize(("gy", "refused"), [(73.0, False), (74.0, True)])
def test_the_energy_of_a_map_is_that_of_its_masses(gy, refused):
    """100 voxels of 2 mL and 0.5 g/mL are 0.1 kg; 3 GBq of 2.4 J/GBq emit 7.2 J, and 1.02 times that is 73.44 Gy."""
    dose, density = DoseMap(np.full(ROW.shape, gy), ROW), DensityMap(np.full(ROW.shape, 0.5), ROW)
    if refused:
        with pytest.raises(PhysicsError, match=r"holds 7\.4 J, more than 1\.02 times the 7\.2 J"):
            _check_energy(dose, density, 3e9, 2.4)
    else:
        _check_energy(dose, density, 3e9, 2.4)


SMALL = Grid.from_spacing((20, 18, 20), (8.0, 6.0, 4.0), (-40, -54, -80))


def judged(evaluation):
    """The dose to normal liver that limits are held against."""
    (value,) = {one.value_gy for one in evaluation.limits if one.region == "non-tumour liver"}
    return value


def test_a_dose_that_was_simulated_before_is_taken_and_judged_by_mass():
    """Half of the dose in each region: so is what limits are held against. The clock runs from beginning to end."""
    case = liver_case(
        SMALL,
        lungs=False,
        administration=Administration(activity_bq=2e9, lung_shunt_fraction=0.05, device="glass"),
    )
    begun = time.perf_counter()
    plain = verify(case, LocalDeposition("Y-90"))
    assert 0.0 <= plain.provenance["seconds"] <= time.perf_counter() - begun + 1e-3
    normal = plain.region("non-tumour liver").mass_weighted_mean_gy
    assert judged(plain) == pytest.approx(normal)
    assert normal > 1.0
    halved = SimpleNamespace(
        dose=plain.dose.with_array(0.5 * plain.dose.array), region_uncertainty={"GTV1": 0.25}, notices=()
    )
    found = verify(case, LocalDeposition("Y-90"), simulated=halved)
    assert found.dose is halved.dose
    assert found.region("GTV1").relative_uncertainty == 0.25
    assert judged(found) == pytest.approx(0.5 * normal)


@pytest.mark.parametrize(("mass_g", "share"), [(500.0, 0.5), (None, 0.0)])
def test_lungs_that_are_cut_off_are_seen_by_the_mass_that_is_known(mass_g, share, monkeypatch):
    cut = row("Lungs", Role.LUNG, 60, 90, truncated=True, cut_off=True)
    assert lung_of(drawn=(cut,), mass_g=mass_g, monkeypatch=monkeypatch).fraction_in_fov == share


def lung_of(
    drawn=(LUNG,),
    ct="CT",
    whole_g=800.0,
    in_view=True,
    dvh=True,
    views=None,
    constant=None,
    mass_g=500.0,
    monkeypatch=None,
):
    """The lungs of a case: 2 GBq with a shunt of 10 %."""
    monkeypatch.setattr(module, "whole_mass_g", lambda case, name: whole_g)
    case = SimpleNamespace(
        regions=Regions(ROW, drawn), ct=ct, both_lungs_in_view=in_view, dose_constant_gy_kg_per_gbq=constant,
        dome_margin_mm=20.0, views=views or (Regions(ROW, drawn),),
    )  # fmt: skip
    quantification = SimpleNamespace(
        lung_shunt_fraction=0.1, net_activity_bq=2e9, shunt_source="given", shunt_error=None
    )
    histogram = SimpleNamespace(mass_g=mass_g, mean_gy=11.0, mass_weighted_mean_gy=12.0) if dvh else None
    record = SimpleNamespace(dose_constant_gy_kg_per_gbq=50.0)
    dose = DoseMap(np.full(ROW.shape, 9.0), ROW)
    return _lung(case, dose, SimpleNamespace(lungs_agree=True), histogram, quantification, record)


@pytest.mark.parametrize(
    ("facts", "mass_g", "mird_ct"),
    [
        ({}, 800.0, 12.5),  # 50 Gy·kg/GBq · 2 GBq · 0.1 / 0.8 kg
        ({"whole_g": None}, 500.0, 20.0),
        ({"whole_g": None, "dvh": False}, None, None),
        ({"in_view": False}, 800.0, None),
        ({"ct": None}, None, None),
        ({"ct": None, "whole_g": None}, None, None),
        ({"drawn": (LIVER,)}, None, None),
        ({"drawn": (LIVER,), "whole_g": None}, None, None),
        ({"constant": 25.0}, 800.0, 6.25),
    ],
)
def test_the_mass_of_lungs_is_that_of_the_ct_else_of_the_grid(facts, mass_g, mird_ct, monkeypatch):
    found = lung_of(**facts, monkeypatch=monkeypatch)
    assert found.ct_mass_g == mass_g
    assert found.mird_gy == {
        "mird-1kg": pytest.approx(0.2 * facts.get("constant", 50.0)),
        "mird-ct": mird_ct if mird_ct is None else pytest.approx(mird_ct),
    }


def test_doses_of_lungs_are_those_of_their_histogram_and_of_none_without(monkeypatch):
    views = (
        Regions(ROW, (LUNG,)),
        Regions(ROW, (row("Lung", Role.LUNG, 60, 80, fraction_in_image=0.5, truncated=True),)),
    )
    found = lung_of(drawn=(LIVER, LUNG), views=views, monkeypatch=monkeypatch)
    assert (found.mean_voxel_gy, found.mass_weighted_mean_voxel_gy, found.fraction_in_fov) == (
        11.0,
        12.0,
        0.5,
    )
    assert found.mean_voxel_without_dome_gy == 9.0
    bare = lung_of(drawn=(LIVER,), dvh=False, monkeypatch=monkeypatch)
    values = (
        bare.mean_voxel_gy,
        bare.mass_weighted_mean_voxel_gy,
        bare.mean_voxel_without_dome_gy,
        bare.fraction_in_fov,
    )
    assert values == (None, None, None, None)


@pytest.mark.parametrize(
    ("drawn", "margin_mm", "expected"),
    [
        ((LIVER, LUNG), 120.0, np.arange(62, 90).mean()),  # voxel 49 of the liver ends 10 voxels from the lung
        ((TUMOUR, LUNG), 120.0, np.arange(62, 90).mean()),
        ((LIVER, LUNG), 900.0, None),
        ((LIVER,), 20.0, None), ((LUNG,), 20.0, None), ((), 20.0, None),
    ],
)  # fmt: skip
def test_the_dome_is_left_out_of_a_mean_over_the_lungs(drawn, margin_mm, expected):
    case = SimpleNamespace(regions=Regions(ROW, drawn), dome_margin_mm=margin_mm)
    dose = DoseMap(np.arange(100.0).reshape(ROW.shape), ROW)
    found = _mean_without_dome(case, dose)
    assert found == (expected if expected is None else pytest.approx(expected, abs=0.51))


@pytest.mark.parametrize(
    ("lungs", "share"),
    [
        ((row("Lung_L", Role.LUNG, 0, 10, fraction_in_image=0.5, truncated=True), row("Lung_R", Role.LUNG, 20, 40)), 30 / 40),
        ((row("Lungs", Role.LUNG, 0, 10, fraction_in_image=0.5, truncated=True, cut_off=True),), 0.3),
        ((row("Lung_L", Role.LUNG, 0, 10, fraction_in_image=0.5, truncated=True),), 0.5),
        ((row("Lungs", Role.LUNG, 0, 10),), 1.0),
        ((row("Lungs", Role.LUNG, 0, 10, truncated=True),), 0.3),
    ],
)  # fmt: skip
def test_the_share_of_lungs_in_view_is_by_volume_or_against_1_kg(lungs, share):
    """Liver beside them is none of it."""
    assert _fraction_in_view(
        Regions(ROW, (row("Liver", Role.LIVER, 50, 90), *lungs)), 300.0
    ) == pytest.approx(share)


def test_regions_without_a_liver_are_told_by_name():
    (notice,) = _region_notices(Regions(ROW, (TUMOUR, LUNG)))
    assert (notice.code, "(GTV1, Lung)" in notice.message) == ("no-liver", True)
    (notice,) = _region_notices(Regions(ROW))
    assert "(none)" in notice.message


@pytest.mark.parametrize(
    ("start", "told"), [(40, None), (41, "1.0 mL of 'GTV1' (5 %)"), (45, "9.0 mL of 'GTV1' (45 %)")]
)
def test_a_tumour_outside_the_liver_is_told_by_volume_and_share(start, told):
    """10 voxels of 2 mL; the liver ends at voxel 50 and has half of that one."""
    liver = np.array(LIVER.mask.array)
    liver[0, 0, 50] = 0.5
    tumour = row("GTV1", Role.TUMOUR, start, start + 10)
    said = [
        n.message
        for n in _region_notices(Regions(ROW, (Region("Liver", Role.LIVER, Mask(liver, ROW)), tumour)))
    ]
    assert said == ([] if told is None else [f"{told} lie outside the liver region."])


def test_tumours_that_overlap_are_told_with_their_volumes():
    apart, over = row("GTV2", Role.TUMOUR, 30, 40), row("GTV2", Role.TUMOUR, 36, 46)
    assert _overlap_notices(Regions(ROW, (LIVER, TUMOUR, apart))) == []
    (notice,) = _overlap_notices(Regions(ROW, (LIVER, TUMOUR, over)))
    assert "'GTV1' and 'GTV2' 12.00 mL. Together they are 28.00 mL, not 40.00 mL" in notice.message


def test_an_engine_from_elsewhere_must_give_a_dose_map():
    case = SimpleNamespace(grid=ROW)
    dose = DoseMap(np.zeros(ROW.shape), ROW)
    assert _checked_dose(dose, case, "mine") is dose
    with pytest.raises(PhysicsError, match=r"the engine 'mine' gave ndarray, not a DoseMap \[Gy\]"):
        _checked_dose(np.zeros(ROW.shape), case, "mine")


@pytest.mark.parametrize("known", [True, False])
def test_provenance_holds_kernel_and_registration_where_there_are_any(known, monkeypatch):
    answers = SimpleNamespace(provenance={"name": "Y-90"} if known else None)
    monkeypatch.setattr(module, "answering", lambda engine: answers)
    monkeypatch.setattr(module, "registration_record", lambda case: {"rms": 1.0} if known else None)
    started = SimpleNamespace(isoformat=lambda: "2026-03-02T10:15:30+00:00")
    found = _provenance(
        SimpleNamespace(inputs=({"a": 1},), settings_for_provenance={}), None, started, 1.23456
    )
    assert found["kernel"] == ({"name": "Y-90"} if known else None)
    assert ("registration" in found) is known
    assert (found["seconds"], found["inputs"]) == (1.235, [{"a": 1}])
