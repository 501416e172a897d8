"""Limits and goals of a plan: the table's and the user's, each on one metric of one region."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.clinical.limits import (
    Approach,
    ClinicalContext,
    Sense,
    applicable_limits,
    applies_if,
    judged_status,
    unstated_facts,
)
from y90voxel.errors import InputError
from y90voxel.planning.dose_table import DoseTable
from y90voxel.planning.solver import DoseConstraint
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr

__all__ = [
    "AimResult",
    "DoseAim",
    "Metric",
    "MetricKind",
    "judge",
    "parse_metric",
    "resolve_aims",
    "table_aims",
]

_NUMBERED = re.compile(r"^([DV])(\d+(?:\.\d+)?)$", re.IGNORECASE)


class MetricKind(StrEnum):
    """What is computed of the dose in a region."""

    MEAN = "mean"
    DOSE_AT_VOLUME = "D"
    VOLUME_AT_DOSE = "V"
    MAXIMUM = "max"
    GEUD = "gEUD"
    MEAN_BED = "BED"
    EUD = "EUD"
    TCP = "TCP"
    NTCP = "NTCP"


_NEEDS = {
    MetricKind.GEUD: ("exponent",),
    MetricKind.MEAN_BED: ("alpha_beta_gy", "repair_half_time_h"),
    MetricKind.EUD: ("alpha_beta_gy", "repair_half_time_h", "alpha_per_gy"),
    MetricKind.TCP: ("d50_gy", "gamma50"),
    MetricKind.NTCP: ("td50_gy", "m", "n"),
}
_PERCENT = (MetricKind.VOLUME_AT_DOSE, MetricKind.TCP, MetricKind.NTCP)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    kind : MetricKind
        What it is.
    at : float or None
        Volume [%] of D, dose [Gy] of V.
    parameters : mapping of str to float
        What the metric needs besides: none has a default.
    """

    kind: MetricKind
    at: float | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    __repr__ = short_repr

    def __str__(self) -> str:
        return f"{self.kind.value}{'' if self.at is None else f'{self.at:g}'}"

    @property
    def unit(self) -> str:
        """Gy, or % for volumes and probabilities."""
        return "%" if self.kind in _PERCENT else "Gy"

    @property
    def scales(self) -> bool:
        """Whether it grows in proportion to activity."""
        return self.kind in (MetricKind.MEAN, MetricKind.DOSE_AT_VOLUME, MetricKind.MAXIMUM, MetricKind.GEUD)


def parse_metric(text: str, parameters: Mapping[str, float] | None = None) -> Metric:
    """Return the metric that a text such as ``mean``, ``D70``, ``V100`` or ``BED`` names.

    Parameters
    ----------
    text : str
        mean, D<percent of the volume>, V<dose in Gy>, max, gEUD, BED, EUD, TCP or NTCP.
    parameters : mapping of str to float, optional
        gEUD: exponent; BED: alpha_beta_gy, repair_half_time_h; EUD: these and alpha_per_gy; TCP (log-logistic, of the
        mean): d50_gy, gamma50; NTCP (Lyman-Kutcher-Burman): td50_gy, m, n.

    Raises
    ------
    InputError
        If the metric is unknown, or parameters are missing, unknown or not finite.

    Examples
    --------
    >>> str(parse_metric("d70")), parse_metric("V100").unit
    ('D70', '%')
    """
    given = dict(parameters or {})
    match = _NUMBERED.match(text.strip())
    if match:
        kind, at = MetricKind(match[1].upper()), float(match[2])
        if kind is MetricKind.DOSE_AT_VOLUME and not 0.0 < at <= 100.0:
            raise InputError(f"{text!r}: D_x needs a volume above 0 and up to 100 %.", tag="plan")
    else:
        names = {k.value.lower(): k for k in MetricKind if k.value not in ("D", "V")}
        if text.strip().lower() not in names:
            raise InputError(
                f"unknown metric {text!r}. The metrics are mean, D70, V100, {', '.join(k.value for k in _NEEDS)} and max.",
                tag="plan",
            )
        kind, at = names[text.strip().lower()], None
    needed = set(_NEEDS.get(kind, ()))
    if needed != set(given):
        raise InputError(
            f"{text} takes the parameters {', '.join(sorted(needed)) or 'none'}, got {', '.join(sorted(given)) or 'none'}; "
            "none has a default.",
            tag="plan",
        )
    for name, value in given.items():
        if name != "exponent":
            check_positive(value, f"{text}: {name}", "", tag="plan")
    return Metric(kind, at, given)


@dataclass(frozen=True)
class DoseAim:
    """A limit (below) or goal (at least) for a metric of a region.

    Parameters
    ----------
    name : str
        What it is, for people; unique in a plan.
    region : str
        Name of the region, and no other.
    sense : Sense
        Below, or at least.
    value : float
        In the unit of the metric, earlier treatments included.
    metric : Metric
        What is computed.
    previous : float
        What earlier treatments used of it.
    source : str
        Where it comes from.
    required : bool
        Whether the solver must meet it; goals of the table are only reported.
    unconfirmed : tuple of str
        Facts it depends on that are not stated: it binds, but what meets it is not confirmed to meet what applies.
    condition : str
        When it applies, in words, while facts are not stated.
    approach : Approach or None
        The models it is for; None for all.

    Raises
    ------
    InputError
        If the value is not positive, or the earlier part negative.
    """

    name: str
    region: str
    sense: Sense
    value: float
    metric: Metric = Metric(MetricKind.MEAN)
    previous: float = 0.0
    source: str = "given"
    required: bool = True
    unconfirmed: tuple[str, ...] = ()
    condition: str = ""
    approach: Approach | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_positive(self.value, f"{self.name}: the value", self.metric.unit, tag="plan")
        check_not_negative(self.previous, f"{self.name}: the earlier part", self.metric.unit, tag="plan")

    @property
    def linear(self) -> bool:
        """Whether it is about a mean dose, which is linear in every activity."""
        return self.metric.kind is MetricKind.MEAN

    def as_constraint(self) -> DoseConstraint:
        """Return it for the linear programme."""
        return DoseConstraint(self.name, self.region, self.sense, self.value, self.previous)


@dataclass(frozen=True)
class AimResult:
    """A limit or goal held against a dose.

    Parameters
    ----------
    aim : DoseAim
        The limit or goal.
    achieved : float or None
        The dose or the percentage of volume that the activities give, earlier treatments included; None when the model
        has none.
    status : str
        ``"met"``, ``"not met"``, ``"unconfirmed"`` (see `y90voxel.clinical.limits.judged_status`) or
        ``"not applicable"``.
    reason : str
        Why it does not apply or is not confirmed; empty when it does and is.
    """

    aim: DoseAim
    achieved: float | None
    status: str
    reason: str = ""

    @property
    def missed_by(self) -> float:
        """By how much it is missed; 0 when it is met or does not apply."""
        if self.status != "not met" or self.achieved is None:
            return 0.0
        return abs(self.achieved - self.aim.value)


def judge(aim: DoseAim, value: float | None, reason: str = "") -> AimResult:
    """Return whether a limit or goal is met by a value, earlier treatments not included.

    Rows that exclude each other, such as those of two classes of bilirubin, are never both met: while the fact that
    decides between them is not stated, what meets one is unconfirmed.
    """
    if value is None:
        return AimResult(aim, None, "not applicable", reason)
    total = value + aim.previous
    status = judged_status(aim.sense, total, aim.value, open_facts=bool(aim.unconfirmed))
    return AimResult(aim, total, status, aim.condition if aim.unconfirmed else "")


def table_aims(device: str | None, roles: Mapping[str, Role], context: ClinicalContext) -> list[DoseAim]:
    """Return the applicable limits and goals of the device's table; its goals are reported, not required.

    Parameters
    ----------
    device : str or None
        Device name.
    roles : mapping of str to Role
        Roles of the regions by name.
    context : ClinicalContext
        What decides which limits apply.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    limits = applicable_limits(device, roles, context)
    names = [limit.name for limit, _ in limits]
    previous = sum(context.previous_lung_doses_gy or ())
    return [
        DoseAim(
            limit.name if names.count(limit.name) == 1 else f"{limit.name} ({region})",
            region,
            limit.sense,
            limit.value_gy,
            previous=previous if limit.cumulative else 0.0,
            source=limit.source,
            required=limit.sense is Sense.BELOW,
            unconfirmed=unstated_facts(limit, context),
            condition=applies_if(limit, context),
            approach=limit.approach,
        )
        for limit, region in limits
    ]


def resolve_aims(
    aims: Sequence[DoseAim], from_table: Sequence[DoseAim], table: DoseTable
) -> tuple[DoseAim, ...]:
    """Return the user's limits and goals on the regions they name, and the table's that they do not replace.

    Parameters
    ----------
    aims : sequence of DoseAim
        The user's, whose region is a name or a role; several regions of a role give several aims.
    from_table : sequence of DoseAim
        One of the user's with the same name replaces it.
    table : DoseTable
        The regions with doses.

    Raises
    ------
    RegionError
        If a region has no dose.
    InputError
        If two of the user's that differ have one name.
    """
    resolved: dict[str, DoseAim] = {}
    for aim in aims:
        regions = table.matching(aim.region)
        for region in regions:
            name = aim.name if len(regions) == 1 else f"{aim.name} ({region})"
            one = replace(aim, name=name, region=region)
            first = resolved.setdefault(name, one)
            if replace(first, source=one.source) != one:
                raise InputError(
                    f"two limits or goals are called {name!r}: {_described(first)}, and {_described(one)}. Give each a name of "
                    "its own.",
                    tag="plan",
                )
    replaced = {aim.name for aim in aims} | set(resolved)
    return (*(aim for aim in from_table if aim.name not in replaced), *resolved.values())


def _described(aim: DoseAim) -> str:
    """What an aim asks for, without its name."""
    parameters = ", ".join(f"{name} {value:g}" for name, value in aim.metric.parameters.items())
    of = f" ({parameters})" if parameters else ""
    earlier = f", {aim.previous:g} of it used before" if aim.previous else ""
    return f"{aim.metric}{of} of {aim.region} {aim.sense.value} {aim.value:g} {aim.metric.unit}{earlier}"
