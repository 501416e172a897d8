"""What a result shows of itself, with and without what it may lack; nothing is computed."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import evaluation as module
from y90voxel.case.engine_decision import EngineDecision
from y90voxel.case.evaluation import Evaluation, LungDose, limiting_lung_dose
from y90voxel.case.region_histograms import RegionHistograms
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

GRID = Grid.from_spacing((1, 1, 6), (10.0, 10.0, 10.0))
LUNG = LungDose(0.1, "given", {"mird-1kg": 5.0, "mird-ct": None}, None, None, None, None, None, 20.0)
DOSE, DENSITY = DoseMap(np.arange(1.0, 7.0).reshape(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)


def region(name, role, *voxels):
    array = np.zeros(GRID.shape)
    array[0, 0, list(voxels)] = 1.0
    return Region(name, role, Mask(array, GRID))


LIVER, ONE, TWO = (
    region("Liver", Role.LIVER, 0, 1, 2),
    region("GTV1", Role.TUMOUR, 1),
    region("GTV2", Role.TUMOUR, 2),
)
LUNGS, BODY = region("Lungs", Role.LUNG, 4, 5), region("Body", Role.BODY, *range(6))


class Dict(dict):
    """What becomes a dict for JSON."""

    def as_dict(self):
        return dict(self)


def metrics(name, role, mean_gy=10.0, by_mass_gy=11.0, shrink=None, noise=True):
    return SimpleNamespace(
        name=name, role=role.value, mean_gy=mean_gy, mass_weighted_mean_gy=by_mass_gy,
        noise=SimpleNamespace(shrink=shrink) if noise else None, as_dict=lambda: {"name": name},
    )  # fmt: skip


def evaluation(
    *drawn, mode="relative", decision=None, patient=None, engine="local", limits=(), lung=LUNG, **values
):
    calibration = SimpleNamespace(mode=SimpleNamespace(value=mode), region=SimpleNamespace(value="liver"))
    case = SimpleNamespace(
        regions=Regions(GRID, drawn), calibration=calibration, engine_decision=decision, patient=patient, label="L",
        study_instance_uid=None, nuclide="Y-90", predicted=False,
    )  # fmt: skip
    regions = values.pop("regions", ())
    return Evaluation(
        case, engine, DOSE, None, DENSITY, {}, 49.77, 2e9, 3e9, regions, lung, limits, (), {}, **values
    )


def test_lung_doses_are_found_by_their_written_name_and_nothing_else_is():
    assert (LUNG.mean_mird_1kg_gy, LUNG.mean_mird_ct_gy) == (5.0, None)
    with pytest.raises(AttributeError, match="no attribute 'mean_mird_2kg_gy'"):
        _ = LUNG.mean_mird_2kg_gy
    written = LUNG.as_dict()
    assert (written["mean_mird_1kg_gy"], written["shunt_fraction"], "mird_gy" in written) == (5.0, 0.1, False)


@pytest.mark.parametrize(
    ("mird_gy", "in_view", "expected"),
    [
        ({"mird-1kg": 5.0}, True, ("mird-1kg", 5.0)), ({"mird-1kg": 0.0}, True, ("mird-1kg", 0.0)),
        ({"mird-1kg": None, "mird-ct": 4.0}, True, ("voxel-by-mass", 8.0)), ({}, False, (None, None)),
    ],
)  # fmt: skip
def test_limits_refer_to_the_shunt_else_to_lungs_that_are_seen_whole(mird_gy, in_view, expected):
    lung = LungDose(None, "none", mird_gy, None, None, 7.0, None, 8.0, 20.0)
    assert limiting_lung_dose(lung, SimpleNamespace(both_lungs_in_view=in_view)) == expected


def test_bands_and_shrink_are_there_where_they_were_asked_for():
    regions = (
        metrics("A", Role.TUMOUR, shrink=0.5),
        metrics("B", Role.TUMOUR),
        metrics("C", Role.TUMOUR, noise=False),
    )
    assert (evaluation().bands, evaluation(regions=regions).shrink) == ({}, {"A": 0.5})
    bands = {"GTV1": "band"}
    assert evaluation(uncertainty=SimpleNamespace(bands=bands)).bands is bands


def test_metrics_of_a_region_are_those_of_its_name():
    regions = metrics("Liver", Role.LIVER), metrics("GTV1", Role.TUMOUR)
    assert evaluation(LIVER, ONE, regions=regions).region("GTV1") is regions[1]


def test_histograms_at_hand_are_taken_and_others_computed():
    own = DensityMap(np.array([[[1.0, 3.0, 1.0, 1.0, 1.0, 1.0]]]), GRID)
    found = evaluation(LIVER, ONE)
    assert found.dvh("Liver").mean_gy == 2.0
    assert found.dvh("Liver").mass_weighted_mean_gy == 2.0
    heavy = evaluation(LIVER, ONE, own_densities={"Liver": own})
    assert heavy.dvh("Liver").mass_weighted_mean_gy == pytest.approx((1.0 + 6.0 + 3.0) / 5.0)
    regions = found.case.regions
    at_hand = RegionHistograms(DOSE, DENSITY, regions, {"Liver": "kept"})
    kept = Evaluation(**{**{f: getattr(found, f) for f in found.__dataclass_fields__}, "histograms": at_hand})
    assert kept.dvh("Liver") == "kept"
    assert kept.dvh("GTV1").mean_gy == 2.0


def test_organs_are_told_by_mass_where_their_mass_is_known():
    stomach, skin = metrics("Stomach", Role.STOMACH), metrics("Skin", Role.SKIN, by_mass_gy=None)
    limit = SimpleNamespace(region="Bowel")
    found = evaluation(
        regions=(stomach, skin, metrics("Bowel", Role.BOWEL), metrics("Liver", Role.LIVER)), limits=(limit,)
    )
    assert found.organs == {"Stomach": (Role.STOMACH, 11.0), "Skin": (Role.SKIN, 10.0)}


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        ((LIVER, ONE, BODY), ["Liver", "GTV1", "non-tumour liver"]),
        ((LIVER, ONE, TWO), ["Liver", "GTV1", "GTV2", "non-tumour liver", "all tumours"]),
        ((LIVER, LUNGS), ["Liver", "lungs", "non-tumour liver"]),
    ],
)
def test_figures_show_nothing_twice(drawn, shown):
    assert sorted(evaluation(*drawn).main_histograms()) == sorted(shown)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (EngineDecision("local", "auto", "why"), ("auto", "why")),
        (EngineDecision("density", "auto", "why"), ("local", "given by the caller")),
        (None, ("local", "given by the caller")),
    ],
)
def test_the_decision_for_an_engine_is_that_of_the_engine_that_ran(decision, expected):
    found = evaluation(decision=decision).engine_decision
    assert (found.requested, found.reason) == expected


def test_metrics_hold_none_of_what_was_not_asked_for(monkeypatch):
    monkeypatch.setattr(module, "reporting_items", lambda evaluation: [])
    found = evaluation(mode="absolute").metrics
    empty = ("patient", "engine_check", "partial_volume", "uncertainty", "immune", "microscale")
    assert {name: found[name] for name in empty} == dict.fromkeys(empty)
    assert (found["schema_version"], found["map_over_net"], found["limits"]) == (2, 1.5, [])
    assert found["calibration"] == {"mode": "absolute", "region": None}


def test_metrics_hold_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(module, "reporting_items", lambda evaluation: [])
    limit = SimpleNamespace(name="n", sense=SimpleNamespace(value="at most"), value_gy=30.0, source="s")
    limits = [
        SimpleNamespace(limit=limit, region="lungs", value_gy=5.0, status="met", reason=reason)
        for reason in ("", "why")
    ]
    parts = {"engine_check": 1, "partial_volume": 2, "uncertainty": 3, "immune": 4, "microscale": 5}
    found = evaluation(
        patient=Dict(age=60), limits=tuple(limits), regions=(metrics("Stomach", Role.STOMACH),),
        calibration_spread=Dict(spread=0.1), **{name: Dict(value=value) for name, value in parts.items()},
    ).metrics  # fmt: skip
    assert {name: found[name] for name in parts} == {name: {"value": value} for name, value in parts.items()}
    assert found["patient"] == {"age": 60}
    assert found["calibration"] == {"mode": "relative", "region": "liver", "spread": 0.1}
    assert [row["reason"] for row in found["limits"][:2]] == [None, "why"]
    assert [row["region"] for row in found["limits"]] == ["lungs", "lungs", "Stomach"]
