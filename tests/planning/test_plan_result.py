"""What a plan answers for itself: its first model, what was given on the day, limits of other models, and the notebook's view."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from y90voxel.clinical.limits import Approach, ClinicalContext, Sense
from y90voxel.clinical.patient import PatientRecord
from y90voxel.errors import InputError, Notice
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan import plan_from_masses
from y90voxel.planning.plan_model import PlanModel, unavailable
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.planning.plan_result import PlanFacts
from y90voxel.planning.plan_view import plan_html
from y90voxel.planning.treatment_day import TreatmentDay
from y90voxel.regions.roles import Role

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
K = 49.77
REACHED = (
    Territory("left", 0.05, (TumourUptake("GTV1", 0.1, 4.0),), 0.5),
    Territory("right", 0.15, (TumourUptake("GTV2", 0.2, 3.0),), 0.7),
)
ANATOMY = Anatomy({"GTV1": 0.1, "GTV2": 0.2}, perfused_normal_kg=1.2, whole_normal_kg=1.6, perfused_kg=1.5)
LIMIT = DoseAim("liver", "non-tumour liver", Sense.BELOW, 40.0)


def planned(given=(0.5, 1.5), device=None, patient=None, **asked):
    facts = PlanFacts("p", "Y-90", device, K, given_gbq=given, patient=patient)
    request = PlanRequest(**{"aims": (LIMIT,), "table_limits": False} | asked)
    return plan_from_masses(facts, ANATOMY, REACHED, request)


def ordered(model):
    return OrderRequest(NOON, (NOON,), model=model)


@pytest.mark.parametrize(
    ("model", "first"),
    [("given", "given"), ("partition", "partition"), ("bsa", "bsa"), (None, "multi-artery")],
)
def test_the_first_model_is_the_one_that_is_named_or_the_most_detailed(model, first):
    """The BSA rule is not available here: what is named stands first all the same."""
    assert (
        planned(order=ordered(model), device="resin", given=None if first == "bsa" else (0.5, 1.5)).first.name
        == first
    )
    assert planned().first.name == "multi-artery"
    with pytest.raises(InputError, match="no planning model is named 'best'"):
        planned().model("best")


ASSAY = {"assay_time": NOON, "injection_time": NOON}


@pytest.mark.parametrize("given", [(0.5, 0.0), (0.0, 0.5)])
def test_what_was_given_is_held_against_what_the_first_model_gives_each_injection(given):
    """0.5 GBq are asked for, 0.6 less 0.08 were given: 4 % more; of the other injection nothing was asked for."""
    days = (TreatmentDay(assay_gbq=0.6, residual_gbq=0.08, **ASSAY),) * 2
    found = planned(given, device="resin", split=(1.0, 1.0), order=ordered("given"), treatment=days)
    rows = found.metrics["treatment"]
    number = given.index(0.5)
    assert rows[1 - number] is None
    assert rows[number]["intended_activity_bq"] == pytest.approx(0.5e9)
    assert rows[number]["net_activity_bq"] == pytest.approx(0.52e9)
    assert rows[number]["deviation_percent"] == pytest.approx(4.0)
    assert found.metrics["treatment_doses_gy"] == {}  # not all of it is known
    assert planned().deliveries == ()


def test_doses_follow_from_what_was_given_in_all_injections():
    days = tuple(TreatmentDay(assay_gbq=gbq, residual_gbq=0.1, **ASSAY) for gbq in (0.6, 1.6))
    found = planned(device="resin", order=ordered("given"), treatment=days)
    lungs = found.metrics["treatment_doses_gy"]["lungs"]
    assert lungs == pytest.approx(K * (0.5 * 0.05 + 1.5 * 0.15))


def test_a_day_of_each_injection_is_described_or_none():
    with pytest.raises(InputError, match="1 treatments are described, but there are 2 injections"):
        _ = planned(treatment=(TreatmentDay(),)).deliveries
    refused = planned(aims=(), treatment=(TreatmentDay(),), given=None)
    assert not refused.first.available
    assert refused.deliveries == ()


def test_limits_of_models_of_another_approach_stand_apart_from_those_of_a_model():
    aims = tuple(
        DoseAim(f"for {approach}", "non-tumour liver", Sense.BELOW, 40.0, approach=approach)
        for approach in (Approach.SINGLE, Approach.MULTI, None)
    )
    found = planned(aims=aims, perfused_dose_gy=50.0)
    for name, other in (("partition", Approach.SINGLE), ("mird", Approach.MULTI)):
        assert [aim.approach for aim in found.of_other_models(found.model(name))] == [other]
        entry = next(row for row in found.metrics["models"] if row["name"] == name)
        assert [row["name"] for row in entry["limits"] if row["name"] == f"for {other}"] == [f"for {other}"]


@pytest.mark.parametrize("device", ["resin", None])
def test_the_device_of_a_plan_stands_with_its_record_or_as_none(device):
    found = planned(device=device).metrics["device"]
    assert found is None if device is None else (found["name"], bool(found["source"])) == ("resin", True)


def test_masses_and_activities_stand_in_grams_and_becquerel():
    metrics = planned(recovery={"GTV1": 0.8}, patient=PatientRecord(bilirubin_umol_per_l=12.0)).metrics
    assert metrics["schema_version"] == 2
    assert metrics["masses"]["tumours_g"] == pytest.approx({"GTV1": 100.0, "GTV2": 200.0})
    assert metrics["masses"]["non_tumour_liver_g"] == pytest.approx(1600.0)
    assert [row["mass_g"] for row in metrics["tumour_to_normal"]] == pytest.approx([100.0, 200.0])
    corrected = {row["tumour"]: row["ratio_corrected"] for row in metrics["tumour_to_normal"]}
    assert corrected == {"GTV1": 4.0, "GTV2": None}  # as stated: masses are not corrected again
    assert [row["given_activity_bq"] for row in metrics["injections"]] == pytest.approx([0.5e9, 1.5e9])
    unknown = planned(given=None).metrics["injections"]
    assert [row["given_activity_bq"] for row in unknown] == [None, None]
    assert (metrics["stop"], metrics["focal_uptake"], metrics["regions"]) == (None, [], [])
    assert metrics["engine"] is metrics["engine_requested"] is metrics["frame_of_reference_uid"] is None
    assert metrics["energy_per_activity_j_per_gbq"] == metrics["dose_constant_gy_kg_per_gbq"] == K
    assert metrics["patient"]["bilirubin_umol_per_l"] == 12.0
    assert planned().metrics["patient"] is None


@pytest.mark.parametrize(
    ("earlier", "told"), [(None, None), ((), []), ((5.0, 3.0), [5.0, 3.0])]
)  # fmt: skip
def test_earlier_lung_doses_stand_as_they_were_stated(earlier, told):
    context = ClinicalContext(previous_lung_doses_gy=earlier)
    assert planned(context=context).metrics["context"]["previous_lung_doses_gy"] == told


def test_a_contraindication_stands_in_the_entry():
    found = planned(device="resin", context=ClinicalContext(ascites=True))
    assert found.metrics["stop"].startswith("ascites")
    assert found.stop is not None


def organs(rows, aims=(), available=True, maps=True):
    found = planned()
    table = DoseTable(tuple(RegionDoses(name, role, (gy, 0.0)) for name, role, gy in rows))
    model = PlanModel("a", "A", (2.0, 1.0), table, results=tuple(SimpleNamespace(aim=aim) for aim in aims))
    object.__setattr__(found, "maps", SimpleNamespace(table=table) if maps else None)
    return found.organ_doses(model if available else unavailable("a", "A", "no liver"))


def test_doses_of_organs_are_those_of_the_maps_where_no_limit_judges_them():
    rows = (("GB", Role.GALLBLADDER, 5.0), ("Liver", Role.LIVER, 30.0))
    assert organs(rows) == {"GB": (Role.GALLBLADDER, 10.0)}
    limit, goal = (DoseAim("GB", "GB", sense, 40.0) for sense in (Sense.BELOW, Sense.AT_LEAST))
    assert organs(rows, (limit,)) == {}
    assert organs(rows, (goal,)) == {"GB": (Role.GALLBLADDER, 10.0)}
    assert organs(rows, available=False) == organs(rows, maps=False) == {}


def view(*models, stop=None, notices=()):
    return plan_html(
        SimpleNamespace(
            facts=SimpleNamespace(nuclide="Y-90"),
            models=models,
            lung_shunt_fraction=0.0512,
            warnings=notices,
            stop=stop,
        )
    )


ROWS = DoseTable(
    (RegionDoses("all tumours", Role.TUMOURS, (100.0,)), RegionDoses("lungs", Role.LUNGS, (5.0,)))
)


def test_a_notebook_shows_activity_doses_and_what_binds_each_model():
    bound = PlanModel("a", "by hand", (1.5,), ROWS, binding=("lungs",))
    free = PlanModel("b", "free", (0.5,), ROWS)
    shown = view(bound, free, unavailable("c", "not known", "no mass"))
    assert "Plan: Y-90, lung shunt 5.12 %" in shown
    cells = {
        part.split("</td>")[0].rpartition(">")[2]: part.replace("</td>", "|")
        for part in shown.split("<tr")[2:]
    }
    of_bound, of_free = (next(row for row in cells.values() if name in row) for name in ("by hand", "free"))
    for text in ("1.5 GBq", ">150|", ">7.5|", ">lungs|"):
        assert text in of_bound
    for text in ("500 MBq", ">50|", ">2.5|", ">–|"):
        assert text in of_free
    assert of_bound.count(">–|") == of_free.count(">–|") - 1  # liver and lungs by CT are not known
    assert "not available: not known: no mass" in shown
    assert "no treatment" not in shown


def test_a_notebook_shows_what_forbids_a_treatment_and_no_table_without_models():
    shown = view(unavailable("a", "A", "ascites"), stop="ascites (a label)", notices=(Notice("x-y", "z"),))
    assert "no treatment: ascites (a label)" in shown
    assert "<table" not in shown
    assert "1 warnings: x-y" in shown
