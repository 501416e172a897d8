"""Whether a model has a limit on liver at all, and the goal that decides its activity where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.dose_table import DoseTable
from y90voxel.regions.roles import Role

__all__ = [
    "LIVER_ROLES",
    "NO_LIVER_LIMIT",
    "UNBOUNDED_GBQ",
    "goal_not_reached",
    "has_liver_limit",
    "planning_goals",
]

# Stands for "no vial limits this"; a limit that is not reached below it limits nothing.
UNBOUNDED_GBQ = 1.0e4
# Regions whose limit keeps liver alive; the lung limit does not.
LIVER_ROLES = frozenset((Role.LIVER, Role.NON_TUMOUR_LIVER, Role.PERFUSED, Role.PERFUSED_NON_TUMOUR_LIVER))
NO_LIVER_LIMIT = "no liver limit printed; confirm hepatic reserve, Child-Pugh, perfused share"


def has_liver_limit(aims: Sequence[DoseAim], table: DoseTable, *, measurable: bool) -> bool:
    """Return whether a limit on liver bounds the activity of every injection.

    Without one, nothing but the lungs and the size of vials would bound what a solver proposes.

    Parameters
    ----------
    aims : sequence of DoseAim
        Limits and goals of the table and the user.
    table : DoseTable
        Doses per activity by the model; a limit on a region that it does not know bounds nothing.
    measurable : bool
        Whether the model knows metrics that are no mean dose.
    """
    per_gbq, roles = table.per_gbq, table.roles
    limits = [
        aim
        for aim in aims
        if aim.sense is Sense.BELOW
        and aim.required
        and (aim.linear or measurable)
        and roles.get(aim.region) in LIVER_ROLES
    ]
    injections = len(table.rows[0].gy_per_gbq) if table.rows else 0
    return injections > 0 and all(
        any(_bounds(aim, per_gbq[aim.region][number]) for aim in limits) for number in range(injections)
    )


def _bounds(aim: DoseAim, gy_per_gbq: float) -> bool:
    """Whether an injection alone reaches a limit; of other metrics than the mean it is enough that the region gets dose."""
    left = max(aim.value - aim.previous, 0.0) if aim.linear else 0.0
    return gy_per_gbq > 0.0 and gy_per_gbq * UNBOUNDED_GBQ >= left


def planning_goals(
    aims: Sequence[DoseAim], table: DoseTable, *, measurable: bool
) -> tuple[tuple[DoseAim, ...], bool]:
    """Return the goals that decide an activity where no liver limit does, and whether the user stated them.

    The user's required goals, else the table's for the perfused volume, else the table's least for a tumour, held
    against the mean of all tumours: a lesion that takes up little must not drive the activity up. Goals of the table
    count only when disease and scenario are stated, for those of different scenarios exclude each other.

    Parameters
    ----------
    aims, table, measurable
        As in `has_liver_limit`.
    """
    goals = [
        aim
        for aim in aims
        if aim.sense is Sense.AT_LEAST
        and (aim.linear or measurable)
        and aim.region in table.roles
        and (aim.required or not aim.unconfirmed)
    ]
    stated = tuple(aim for aim in goals if aim.required)
    if stated:
        return stated, True
    perfused = tuple(aim for aim in goals if aim.linear and table.roles[aim.region] is Role.PERFUSED)
    if perfused:
        return perfused, False
    lesions = [aim for aim in goals if aim.linear and table.roles[aim.region] in (Role.TUMOUR, Role.TUMOURS)]
    region = _all_tumours(table)
    if not lesions or region is None:
        return (), False
    least = min(lesions, key=lambda aim: aim.value)
    name = f"{least.name.partition(' (')[0]}, mean of all tumours"
    return (replace(least, name=name, region=region),), False


def goal_not_reached(takes: str, ended_by: Sequence[str], allowed_gbq: float) -> str:
    """Return why a model without a liver limit proposes no activity: a goal that something else forbids.

    Less than the goal's activity would be solved for a limit that says nothing of the liver.

    Parameters
    ----------
    takes : str
        Goals and the activity they take.
    ended_by : sequence of str
        Limits and vials that end before; empty where nothing reaches the goal.
    allowed_gbq : float
        Net activity that they allow [GBq].
    """
    ends = f"; {' and '.join(ended_by)} allow {allowed_gbq:.4g} GBq" if ended_by else ""
    return (
        f"the goal cannot be reached: {takes}{ends}. No limit on liver applies here that an activity could be solved for "
        "instead, so none is proposed: state a lower goal (--goal 'perfused mean >= …') or a limit on liver "
        "(--limit 'non-tumour liver mean <= …')"
    )


def _all_tumours(table: DoseTable) -> str | None:
    """Name of the row of all tumours, or of the only tumour."""
    together = [row.name for row in table.rows if row.role is Role.TUMOURS]
    single = [row.name for row in table.rows if row.role is Role.TUMOUR]
    if together:
        return together[0]
    return single[0] if len(single) == 1 else None
