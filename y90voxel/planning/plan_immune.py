"""The dose to blood that each planning model would give: exploratory, no decision may rest on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from y90voxel.case.immune_evaluation import blood_assumptions
from y90voxel.case.immune_settings import ImmuneSettings
from y90voxel.errors import Notice
from y90voxel.immune.blood_summary import BloodAssumptions, BloodSummary, LiverPart, summarise_blood
from y90voxel.planning.dose_table import LUNGS
from y90voxel.planning.plan_blood import PlanImmune
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import Role

__all__ = ["with_plan_immune"]


def with_plan_immune(plan: Plan, chosen: ImmuneSettings, image_sex: str = "") -> Plan:
    """Return the plan with the dose to blood of every model's activity.

    Parameters
    ----------
    plan : Plan
        Of `plan` or `plan_from_masses`.
    chosen : ImmuneSettings
        What is assumed of the circulation.
    image_sex : str
        ``PatientSex`` of the images; empty where they do not say.

    Raises
    ------
    InputError
        If a stated number cannot be, such as a tumour with more blood than the liver has.
    """
    notices: list[Notice] = []
    assumed, source = blood_assumptions(chosen, plan.facts.patient, image_sex, notices)
    half_life_s = nuclide(plan.facts.nuclide).half_life_s
    models: dict[str, BloodSummary] = {}
    omitted: dict[str, str] = {}
    for model in plan.models:
        if not model.available:
            continue
        blood = _blood(plan, model, half_life_s, assumed)
        if isinstance(blood, str):
            omitted[model.name] = blood
        else:
            models[model.name] = blood
    if omitted:
        words = "; ".join(f"{name}: {reason}" for name, reason in omitted.items())
        notices.append(Notice("immune-omitted", f"the dose to blood is left out for some models: {words}."))
    plan_immune = PlanImmune(models, omitted, half_life_s, source)
    return replace(plan, immune=plan_immune).with_notices(*notices)


def _blood(plan: Plan, model: PlanModel, half_life_s: float, assumed: BloodAssumptions) -> BloodSummary | str:
    """The dose to blood by one model, or why there is none."""
    doses, anatomy = model.table.doses_by_role(model.activities_gbq), plan.anatomy
    normal, lungs = doses.get(Role.NON_TUMOUR_LIVER.value), model.table.doses(model.activities_gbq).get(LUNGS)
    if normal is None or not anatomy.whole_normal_kg:
        return "it gives no dose of the whole non-tumour liver"
    if lungs is None:
        return "it gives no lung dose"
    tumour_kg = sum(anatomy.tumour_masses_kg.values())
    tumours = doses.get(Role.TUMOURS.value)
    tumour = None if not tumour_kg or tumours is None else LiverPart(tumour_kg, np.array([tumours]))
    liver = LiverPart(
        anatomy.whole_normal_kg, np.array([normal])
    )  # shares alone count: kilograms do as well as millilitres
    mass_g = 1000.0 * (anatomy.whole_normal_kg + (tumour_kg if tumour else 0.0))
    return summarise_blood(liver, tumour, {"lung": lungs}, mass_g, half_life_s, assumed)
