"""All planning models side by side, from compartments and, where there are images, from dose maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from y90voxel.bounds import exceeds
from y90voxel.clinical.body_surface import bsa
from y90voxel.clinical.eanm_tables import printed_cell
from y90voxel.clinical.limits import Approach, Sense
from y90voxel.errors import alternatives
from y90voxel.planning.activity_rules import bsa_activity, bsa_activity_lobar, empirical_activity
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Territory
from y90voxel.planning.dose_table import DoseTable, partition_table, single_compartment_table
from y90voxel.planning.liver_limits import goal_not_reached
from y90voxel.planning.mird import mird_activity
from y90voxel.planning.plan_basis import PlanBasis
from y90voxel.planning.plan_model import (
    UNBOUNDED_GBQ,
    Measure,
    PlanModel,
    rule_model,
    stopped,
    unavailable,
    within_limits,
)
from y90voxel.planning.solved_model import solved_model
from y90voxel.planning.solver import effective_lung_shunt_fraction
from y90voxel.planning.stop_rules import stop_of
from y90voxel.reference.devices import activity_rule_devices
from y90voxel.reference.devices import device as device_record
from y90voxel.regions.roles import Role

__all__ = ["all_models", "combined_shunt", "first_model_of", "greatest_vial_gbq"]

TITLES = {
    "given": "activity as given",
    "bsa": "BSA, whole liver",
    "bsa-lobar": "BSA, lobar",
    "empirical": "empirical",
    "mird": "single compartment (MIRD)",
    "partition": "partition",
    "multi-tumour-partition": "multi-tumour partition",
    "multi-artery": "multi-artery partition",
    "voxel": "voxel-based",
}
# The models whose activity is shown first and ordered, in this order.
_FIRST = ("voxel", "multi-artery", "multi-tumour-partition", "partition", "mird", "bsa", "given")
_RULE = "an activity rule that ignores how well tumours are targeted: the doses beside it are those of the partition model"
_NOT_RECOMMENDED = "historical and more toxic: not recommended; its classes are from memory, unverified"


def greatest_vial_gbq(device: str | None) -> float:
    """Return the greatest activity in one vial of a device [GBq]; without a device nothing limits it."""
    if device is None:
        return UNBOUNDED_GBQ
    record = device_record(device)
    return max(record.vial_sizes_gbq or record.order_range_gbq or (UNBOUNDED_GBQ,))


def all_models(
    basis: PlanBasis, voxel: DoseTable | None = None, measure: Measure | None = None
) -> tuple[PlanModel, ...]:
    """Return every model, the ones that cannot be used with their reason.

    Where the treatment is contraindicated (`stop_of`, held against the shunt of all injections together in the split of
    the first model) no model gives an activity; else those give none whose own split is.

    Parameters
    ----------
    basis : PlanBasis
        Masses, shunts, limits and goals.
    voxel : DoseTable or None
        Mean doses per activity of the dose maps; None without images.
    measure : callable or None
        Other metrics of the dose maps.
    """
    basis.anatomy.check_territories(basis.territories)
    single = single_compartment_table(basis.anatomy, basis.territories, **basis.constant)
    missing = basis.missing_for_partition
    by_tumour = pooled = single
    if not missing:
        by_tumour = partition_table(basis.anatomy, basis.territories, pooled=False, **basis.constant)
        pooled = partition_table(basis.anatomy, basis.territories, pooled=True, **basis.constant)
    models = (
        _given(basis, voxel or by_tumour, measure if voxel else None),
        *_rules(basis, by_tumour),
        _mird(basis, single),
        _solved("partition", basis, pooled, missing, fixed=True),
        _solved("multi-tumour-partition", basis, by_tumour, missing or _single_tumour(basis), fixed=True),
        _solved("multi-artery", basis, by_tumour, missing or _single_artery(basis), fixed=False),
        _voxel(basis, voxel, measure),
    )
    first = first_model_of(models, basis.first_model)
    shunt = combined_shunt(first.activities_gbq, basis.territories)
    stop = stop_of(basis.device, shunt, basis.context)
    if stop is None:
        return tuple(_with_own_stop(model, basis) for model in models)
    held = replace(stop, lung_shunt_fraction=shunt)
    return tuple(stopped(model, held) for model in models)


def _with_own_stop(model: PlanModel, basis: PlanBasis) -> PlanModel:
    """A model, without activity where its own split brings the lungs more than a contraindication allows."""
    shunt = combined_shunt(model.activities_gbq, basis.territories)
    stop = stop_of(basis.device, shunt, basis.context) if model.available else None
    return model if stop is None else stopped(model, replace(stop, lung_shunt_fraction=shunt))


def first_model_of(models: Sequence[PlanModel], name: str | None = None) -> PlanModel:
    """Return the model of that name; without one the most detailed one that can be used, else the first in the list.

    One that refuses its goal comes first as well: a coarser model or an activity rule below it would hide that.
    """
    for wanted in (name,) if name is not None else _FIRST:
        for model in models:
            if model.name == wanted and (model.available or model.goal_refused or name is not None):
                return model
    return models[0]


def combined_shunt(activities_gbq: Sequence[float], territories: Sequence[Territory]) -> float:
    """Return the shunt of all injections together in that split; their mean where nothing is split."""
    shunts = [territory.lung_shunt_fraction for territory in territories]
    if sum(activities_gbq) <= 0 or len(set(shunts)) == 1:
        return sum(shunts) / len(shunts)
    return effective_lung_shunt_fraction(activities_gbq, shunts)


def _given(basis: PlanBasis, table: DoseTable, measure: Measure | None) -> PlanModel:
    """The activities as given."""
    if basis.given_gbq is None:
        return unavailable("given", TITLES["given"], "no activity is given")
    inputs = {"lung_shunt_fraction": _shunt_of(basis, basis.given_gbq)}
    return rule_model(
        "given",
        TITLES["given"],
        basis.given_gbq,
        table,
        basis.aims_for(Approach.MULTI),
        basis="as given",
        inputs=inputs,
        measure=measure,
    )


def _rules(basis: PlanBasis, table: DoseTable) -> list[PlanModel]:
    """The activity rules of resin."""
    flags = {"bsa": _RULE, "bsa-lobar": _RULE, "empirical": f"{_NOT_RECOMMENDED}; {_RULE}"}
    models = []
    for name, flag in flags.items():
        reason = _why_no_rule(name, basis)
        if reason:
            models.append(unavailable(name, TITLES[name], reason, flag))
            continue
        total, inputs = _by_rule(name, basis)
        if total == 0.0:
            why = f"the lung shunt of {100 * basis.lung_shunt_fraction:.3g} % exceeds 20 %: no treatment by this rule"
            models.append(unavailable(name, TITLES[name], why, flag))
            continue
        activities = [share * total for share in basis.split]
        models.append(
            rule_model(
                name,
                TITLES[name],
                activities,
                table,
                basis.aims_for(Approach.MULTI),
                basis="activity rule of resin",
                flag=flag,
                inputs=inputs,
            )
        )
    return models


def _by_rule(name: str, basis: PlanBasis) -> tuple[float, dict[str, Any]]:
    """Total activity by a rule, and what went in."""
    anatomy, shunt = basis.anatomy, basis.lung_shunt_fraction
    tumour, liver = float(anatomy.tumour_volume_ml or 0.0), float(anatomy.liver_volume_ml or 0.0)
    inputs: dict[str, Any] = {
        "tumour_volume_ml": tumour,
        "liver_volume_ml": liver,
        "lung_shunt_fraction": shunt,
    }
    if name == "empirical":
        return empirical_activity(tumour / liver, shunt).activity_gbq, inputs
    area = bsa(float(basis.height_m or 0.0), float(basis.weight_kg or 0.0))
    inputs = {"body_surface_area_m2": area, **inputs}
    if name == "bsa":
        return bsa_activity(area, tumour, liver, shunt), inputs
    in_lobe, lobe = (
        float(anatomy.tumour_volume_in_perfused_ml or 0.0),
        float(anatomy.perfused_volume_ml or 0.0),
    )
    inputs |= {"lobe_volume_ml": lobe, "tumour_volume_in_lobe_ml": in_lobe}
    return bsa_activity_lobar(area, in_lobe, lobe, liver, shunt), inputs


def _why_no_rule(name: str, basis: PlanBasis) -> str:
    """Why a rule cannot be used; empty when it can."""
    anatomy = basis.anatomy
    if basis.device not in (None, *activity_rule_devices()):
        return f"a rule for {alternatives(activity_rule_devices())}, not for {basis.device}"
    if name != "empirical" and (basis.height_m is None or basis.weight_kg is None):
        return "height and weight are not given"
    if anatomy.liver_volume_ml is None or anatomy.tumour_volume_ml is None:
        return "the volumes of liver and tumours are not known"
    if name == "bsa-lobar" and (
        anatomy.perfused_volume_ml is None or anatomy.tumour_volume_in_perfused_ml is None
    ):
        return "the volumes of the treated lobe and of its tumours are not known"
    return ""


def _mird(basis: PlanBasis, table: DoseTable) -> PlanModel:
    """Single compartment: the activity for a dose of the perfused volume; that of a goal ends at the limits."""
    title, goal = TITLES["mird"], _perfused_goal(basis, table)
    wanted = basis.perfused_dose_gy if goal is None else goal.value
    masses = [territory.mass_kg for territory in basis.territories]
    if any(not mass for mass in masses):
        return unavailable("mird", title, "the mass of the perfused volume is not known")
    if wanted is None:
        why = (
            "no dose is given for the perfused volume (plan.perfused_dose_gy), and the table has none for this disease and "
            "scenario as they are stated"
        )
        flag = _single_flag(basis)
        return unavailable("mird", title, f"{flag}; {why}" if "not recommended" in flag else why, flag)
    activities = [
        mird_activity(wanted, float(mass or 0.0), t.lung_shunt_fraction, **basis.constant)
        for mass, t in zip(masses, basis.territories, strict=True)
    ]
    model = rule_model(
        "mird",
        title,
        activities,
        table,
        basis.aims_for(Approach.SINGLE),
        basis=f"{wanted:g} Gy mean of the perfused volume ({'as given' if goal is None else goal.name})",
        flag=_single_flag(basis),
        inputs=_mird_inputs(basis, wanted, masses, activities),
        goal_bound=True,
    )
    if not model.goal_only:
        return model if goal is None else within_limits(model)
    return _of_goal_alone(model, "dose of the perfused volume" if goal is None else goal.name)


def _of_goal_alone(model: PlanModel, goal_name: str) -> PlanModel:
    """Without a liver limit: the activity of the wanted dose, or none where another limit ends before."""
    total, prescription = model.activity_gbq, model.prescription
    end = None if prescription is None else prescription.end
    if not total or end is None or not exceeds(total, end.activity_gbq):
        return replace(model, greatest_gbq=None, binding=(goal_name,))
    takes = f"{model.basis} takes {total:.4g} GBq"
    reason = goal_not_reached(takes, (end.name,), end.activity_gbq)
    refused = unavailable(model.name, model.title, reason, model.flag)
    return replace(refused, goal_only=True, goal_refused=True)


def _mird_inputs(
    basis: PlanBasis, wanted_gy: float, masses_kg: Sequence[float | None], activities: Sequence[float]
) -> dict[str, Any]:
    """What went into the single compartment; the device's own product rule stands beside the physics."""
    inputs: dict[str, Any] = {
        "perfused_dose_gy": wanted_gy,
        "perfused_mass_kg": masses_kg[0] if len(masses_kg) == 1 else list(masses_kg),
        "lung_shunt_fraction": _shunt_of(basis, activities),
    }
    label = None if basis.device is None else device_record(basis.device).clinical_dose_constant_gy_kg_per_gbq
    if label is not None:
        inputs["dose_constant_of_the_label_gy_kg_per_gbq"] = label
        inputs["activity_by_the_label_gbq"] = sum(activities) * basis.dose_constant_gy_kg_per_gbq / label
    return inputs


def _perfused_goal(basis: PlanBasis, table: DoseTable) -> DoseAim | None:
    """The goal of the single compartment: the user's, else the table's where nothing it depends on is open."""
    if basis.perfused_dose_gy is not None:
        return None
    goals = [
        aim
        for aim in basis.aims_for(Approach.SINGLE)
        if aim.sense is Sense.AT_LEAST
        and aim.linear
        and table.roles.get(aim.region) is Role.PERFUSED
        and (aim.required or not aim.unconfirmed)
    ]
    return min(goals, key=lambda aim: (not aim.required, aim.value), default=None)


def _single_flag(basis: PlanBasis) -> str:
    """What must be read with the single compartment, and whether the guideline advises against it."""
    flag = "one mean for all that is perfused: not the dose of the tumour"
    disease, scenario = basis.context.disease, basis.context.scenario
    if basis.device is None or disease is None or scenario is None:
        return flag
    cell = printed_cell(basis.device, disease, scenario, "single compartment")
    if cell is None:
        return flag
    if not cell.printed:
        return f"{flag}; EANM table {cell.table} prints nothing for one compartment here"
    if cell.printed != "Not recommended":
        return flag
    return f"single compartment not recommended for a {scenario.value} with {basis.device} (EANM table {cell.table}); {flag}"


def _solved(name: str, basis: PlanBasis, table: DoseTable, missing: str, *, fixed: bool) -> PlanModel:
    """A partition model at the greatest activity within the limits."""
    if missing:
        return unavailable(name, TITLES[name], missing)
    inputs = {
        "territories": [
            {
                "name": t.name,
                "lung_shunt_fraction": t.lung_shunt_fraction,
                "normal_mass_kg": t.normal_kg,
                "tumours": [{"name": u.name, "mass_kg": u.mass_kg, "ratio": u.ratio} for u in t.tumours],
            }
            for t in basis.territories
        ],
        "split": list(basis.split) if fixed else "free",
    }
    split = basis.split if fixed else None
    return solved_model(
        name,
        TITLES[name],
        table,
        basis.aims_for(Approach.MULTI),
        basis.greatest_gbq,
        objective=basis.objective,
        split=split,
        shares=basis.split,
        inputs=inputs,
    )


def _voxel(basis: PlanBasis, table: DoseTable | None, measure: Measure | None) -> PlanModel:
    """The dose maps at the greatest activity within the limits."""
    if table is None:
        return unavailable("voxel", TITLES["voxel"], "there are no images")
    if not any(row.role is Role.TUMOURS for row in table.rows) and not basis.objective:
        return unavailable(
            "voxel", TITLES["voxel"], "no tumour is among the regions, and plan.objective names no other"
        )
    inputs = {"lung_shunt_fractions": [t.lung_shunt_fraction for t in basis.territories]}
    return solved_model(
        "voxel",
        TITLES["voxel"],
        table,
        basis.aims_for(Approach.MULTI),
        basis.greatest_gbq,
        objective=basis.objective,
        shares=basis.split,
        inputs=inputs,
        measure=measure,
    )


def _single_tumour(basis: PlanBasis) -> str:
    """Why several tumours cannot be told apart; empty when they can."""
    return "there is a single tumour: see partition" if len(basis.anatomy.tumour_masses_kg) < 2 else ""


def _single_artery(basis: PlanBasis) -> str:
    """Why arteries cannot be told apart; empty when they can."""
    return "there is a single injection: see partition" if len(basis.territories) < 2 else ""


def _shunt_of(basis: PlanBasis, activities: Sequence[float]) -> float:
    """Shunt of a split of activities."""
    return effective_lung_shunt_fraction(activities, [t.lung_shunt_fraction for t in basis.territories])
