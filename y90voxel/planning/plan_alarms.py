"""What is said on the first screen of a plan, above its numbers: doses, ratios and shares that are likelier errors than plans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from y90voxel.bounds import exceeds
from y90voxel.case.focal_doses import FIRST_SCREEN, focal_notices, mean_in_focus
from y90voxel.clinical.limits import Scenario
from y90voxel.clinical.limits_table import LUNGS_ONE_TREATMENT_GY, TABLE
from y90voxel.errors import Notice
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, limiting_convention
from y90voxel.reference.devices import device as device_record

__all__ = ["alarms", "first_screen"]

# [Gy]; chosen: above what is planned even for segmentectomy (over 400 Gy), it asks for a check.
_PERFUSED_GY = 1000.0
# Tumour to normal; chosen: few tumours take up so much, but slips of contours or perfused volume give any number.
_RATIO = 30.0
_SEGMENT_SHARE = 0.30  # of the liver volume; chosen: two segments seldom have more
_SAME = 1e-6  # relative: what is solved for a vial is rounded down by 1e-7
_RESERVE = 0.30  # of the liver volume: the reserve that EANM's tables ask for (2022, tables 2 and 3)
# Notices that stand above the numbers wherever a plan is shown.
_CODES = frozenset(
    (
        "perfused-dose-extreme", "ratio-extreme", "perfused-share-large", "lungs-other-convention", "beyond-any-vial",
        "hepatic-reserve-low", "fifty-ninety-first-treatments", *FIRST_SCREEN, "single-not-recommended",
        "goal-refused", "no-vial-within-limits", "vial-outside-tolerance", "vials-exceed-together", "contraindicated",
    )
)  # fmt: skip


def first_screen(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """Return the notices that stand above the numbers.

    Parameters
    ----------
    notices : iterable of Notice
        All of a plan.
    """
    return tuple(notice for notice in notices if notice.code in _CODES)


def alarms(plan: Plan) -> list[Notice]:
    """Return what must be read before the numbers of the model that is shown first.

    Parameters
    ----------
    plan : Plan
        With its models.
    """
    first = plan.first
    notices = [
        *_refused(first),
        *_foci(plan, first),
        *_reserve(plan),
        *_ratios(plan),
        *_share(plan),
        *_fifty_ninety(plan),
        *_not_recommended(first),
    ]
    return notices if not first.available else [*notices, *_doses(plan, first), *_vials(plan, first)]


def _refused(first: PlanModel) -> list[Notice]:
    """A goal that is forbidden, where no liver limit stands in for it."""
    if not first.goal_refused:
        return []
    return [Notice("goal-refused", f"no activity is proposed ({first.title}): {first.reason}.")]


def _doses(plan: Plan, first: PlanModel) -> list[Notice]:
    """Perfused doses beyond 1000 Gy, and lungs beyond their limit by the other convention."""
    doses = first.table.doses_by_role(first.activities_gbq)
    notices = []
    for key, title in (
        ("perfused", "perfused volume"),
        ("perfused_non_tumour_liver", "perfused non-tumour liver"),
    ):
        if doses.get(key, 0.0) > _PERFUSED_GY:
            text = f"the {title} gets {doses[key]:.4g} Gy, above {_PERFUSED_GY:g} Gy: check masses, ratio and goal."
            notices.append(Notice("perfused-dose-extreme", text))
            break
    used = limiting_convention()
    for row in LUNG_CONVENTIONS:
        dose = doses.get(row.plan_row, 0.0)
        if not row.limiting and dose > LUNGS_ONE_TREATMENT_GY:
            text = (
                f"the lungs get {dose:.4g} Gy with the {row.mass_text}, beyond {LUNGS_ONE_TREATMENT_GY:g} Gy; the limit is held "
                f"with {used.mass_text} ({doses.get(used.plan_row, 0.0):.4g} Gy), the convention it was set with."
            )
            notices.append(Notice("lungs-other-convention", text))
    return notices


def _ratios(plan: Plan) -> list[Notice]:
    """Tumours that take up more than thirty times what normal liver does."""
    extreme = [
        f"{uptake.name} {uptake.ratio:.3g}"
        for territory in plan.territories
        for uptake in territory.tumours
        if uptake.ratio is not None and uptake.ratio > _RATIO
    ]
    if not extreme:
        return []
    text = f"tumour-to-normal ratios above {_RATIO:g} ({', '.join(extreme)}): check contours, counts and the perfused volume."
    return [Notice("ratio-extreme", text)]


def _share(plan: Plan) -> list[Notice]:
    """A segmentectomy of more than 30 % of the liver."""
    anatomy, reserve = plan.anatomy, plan.context.hepatic_reserve
    tumours = sum(anatomy.tumour_masses_kg.values())
    share = None if reserve is None else 1.0 - reserve
    if share is None and anatomy.perfused_normal_kg and anatomy.whole_normal_kg:
        share = (anatomy.perfused_normal_kg + tumours) / (anatomy.whole_normal_kg + tumours)
    if plan.context.scenario is not Scenario.SEGMENTECTOMY or share is None:
        return []
    if not exceeds(share, _SEGMENT_SHARE):
        return []
    text = (
        f"{100 * share:.3g} % of the liver is perfused, above {100 * _SEGMENT_SHARE:g} %: is that a segmentectomy? Its rows "
        "print no limit for normal liver."
    )
    return [Notice("perfused-share-large", text)]


def _foci(plan: Plan, first: PlanModel) -> list[Notice]:
    """Foci of uptake, with the dose of the model that is shown first, or that of 1 GBq where it gives none."""
    confirmed = plan.context.gastrointestinal_focus
    if plan.maps is None:
        return []
    foci = [one for evaluation in plan.maps.evaluations for one in evaluation.foci]
    foci.sort(key=lambda one: -one.focus.share)
    if not first.available:
        return focal_notices(foci, confirmed=confirmed, unit="Gy per GBq")
    dose = plan.maps.dose(first.activities_gbq) if foci else None
    planned = [replace(one, mean_gy=mean_in_focus(one.focus, dose)) for one in foci if dose is not None]
    activity = sum(first.activities_gbq)
    return focal_notices(
        planned, confirmed=confirmed, unit=f"Gy at the {activity:.4g} GBq of the first model"
    )


def _reserve(plan: Plan) -> list[Notice]:
    """A hepatic reserve that selects the stricter rows."""
    reserve = plan.context.hepatic_reserve
    if reserve is None or reserve >= _RESERVE:
        return []
    text = (
        f"the hepatic reserve of {100 * reserve:.3g} % is below {100 * _RESERVE:g} %: stricter rows hold where they are printed, "
        "and patients of DOSISPHERE-01 had more."
    )
    return [Notice("hepatic-reserve-low", text)]


def _fifty_ninety(plan: Plan) -> list[Notice]:
    """The 50/90 rule comes from unilobar first treatments."""
    context, patient = plan.context, plan.facts.patient
    again = bool(context.pretreated or context.previous_lung_doses_gy)
    cirrhosis = patient is not None and patient.child_pugh_points is not None
    if not _has_fifty_ninety(plan.facts.device) or not (again or cirrhosis):
        return []
    who = " and ".join(word for word, is_so in (("a retreatment", again), ("cirrhosis", cirrhosis)) if is_so)
    text = (
        f"{who}: the 50/90 Gy rule of glass was found in unilobar first treatments; the guideline asks for caution after earlier "
        "treatment and in cirrhosis (EANM 2022, table 2, notes)."
    )
    return [Notice("fifty-ninety-first-treatments", text)]


def _has_fifty_ninety(device: str | None) -> bool:
    """Whether limits of a device depend on bilirubin: the 50/90 Gy rule."""
    return any(limit.device == device and limit.bilirubin is not None for limit in TABLE)


def _not_recommended(first: PlanModel) -> list[Notice]:
    """The single compartment shown first where the guideline advises against it."""
    if "not recommended" not in first.flag or first.name != "mird":
        return []
    return [Notice("single-not-recommended", f"{first.title}: {first.flag}.")]


def _vials(plan: Plan, first: PlanModel) -> list[Notice]:
    """An activity that no vial of the device holds."""
    if plan.facts.device is None:
        return []
    record = device_record(plan.facts.device)
    greatest = max(record.vial_sizes_gbq or record.order_range_gbq or (0.0,))
    net_gbq = greatest * (1.0 - plan.request.residual_fraction)
    prescription = first.prescription
    goal = None if prescription is None else prescription.decisive
    planned = wanted = max(first.activities_gbq, default=0.0)
    if goal is not None and first.limited_by_supply and len(first.activities_gbq) == 1:
        wanted = max(wanted, goal.activity_gbq)
    # What a stated greatest activity or an old vial ends is no sign of wrong masses.
    ended_by_vial = bool(first.limited_by_supply) and planned >= net_gbq * (1.0 - _SAME)
    if not ended_by_vial and not exceeds(wanted, net_gbq):
        return []
    at_least = "" if exceeds(wanted, net_gbq) else "at least "
    residual = f", {net_gbq:.4g} GBq of them net" if net_gbq < greatest else ""
    text = (
        f"{at_least}{wanted:.4g} GBq are wanted, and the greatest vial of {record.product} holds {greatest:g} GBq at calibration"
        f"{residual}: check masses and units before several vials are thought of."
    )
    return [Notice("beyond-any-vial", text)]
