"""Dose limits and goals by device, each with its source; reported, never applied to another region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from y90voxel.bounds import check_fraction
from y90voxel.clinical.clinical_context import ClinicalContext
from y90voxel.clinical.limit_conditions import (
    applies_if,
    compare,
    judged_status,
    unstated_facts,
    why_not,
)
from y90voxel.clinical.limits_table import (
    BILIRUBIN_THRESHOLD_UMOL_PER_L,
    FRACTION_TABLE,
    LIMITS_VERSION,
    TABLE,
    Approach,
    BilirubinClass,
    Disease,
    FractionLimit,
    Limit,
    LiverFunction,
    Scenario,
    Sense,
)
from y90voxel.errors import InputError, Notice
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.devices import known_devices
from y90voxel.regions.roles import Role

__all__ = [
    "BILIRUBIN_THRESHOLD_UMOL_PER_L",
    "DEVICES",
    "LIMITS_VERSION",
    "Approach",
    "BilirubinClass",
    "ClinicalContext",
    "Disease",
    "FractionLimit",
    "FractionResult",
    "Limit",
    "LimitResult",
    "LiverFunction",
    "Scenario",
    "Sense",
    "applicable_limits",
    "applies_if",
    "evaluate_fraction_limits",
    "evaluate_limits",
    "inapplicable_limits",
    "judged_status",
    "limits_of",
    "lung_dose_notice",
    "unstated_facts",
]

DEVICES = known_devices()


@dataclass(frozen=True)
class LimitResult:
    """A limit held against a dose.

    Parameters
    ----------
    limit : Limit
        The limit.
    region : str
        Name of the region, or its role when there is none.
    value_gy : float or None
        Dose that was compared [Gy]; None when nothing was.
    status : str
        ``"met"``, ``"not met"``, ``"unconfirmed"`` (see `judged_status`) or ``"not applicable"``.
    reason : str
        Why it does not apply, or on what unstated facts it depends; empty when it does and on none.
    """

    limit: Limit
    region: str
    value_gy: float | None
    status: str
    reason: str = ""


@dataclass(frozen=True)
class FractionResult:
    """A limit on a fraction (lung shunt, hepatic reserve) held against it; fields as in `LimitResult`."""

    limit: FractionLimit
    value: float | None
    status: str


def limits_of(device: str | None, context: ClinicalContext | None = None) -> tuple[Limit, ...]:
    """Return the limits and goals of a device, none for None.

    Parameters
    ----------
    device : str or None
        Device name.
    context : ClinicalContext or None
        Leaves out the limits of other diseases than the stated one, and adds those of known earlier treatments; none
        else is left out here because it does not apply.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    if device is None:
        return ()
    _check_device(device)
    patient = context or ClinicalContext()
    rows = [
        limit
        for limit in TABLE
        if limit.device == device
        and (not limit.diseases or patient.disease is None or patient.disease in limit.diseases)
        and (patient.previous_lung_doses_gy is not None or not limit.cumulative)
    ]
    return tuple(rows) if patient.disease is not None else _over_diseases(rows)


def _over_diseases(limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """Rows that several diseases print alike as one, for a patient whose disease is not stated."""
    alike: dict[Limit, list[Limit]] = {}
    for limit in limits:
        alike.setdefault(replace(limit, name="", source="", diseases=()), []).append(limit)
    merged = []
    for rows in alike.values():
        first, diseases = rows[0], tuple(disease for row in rows for disease in row.diseases)
        if len(diseases) > 1:
            title = "any disease" if len(diseases) == len(Disease) else " or ".join(diseases)
            name = first.name.partition(" (needs")[0].replace(f", {first.diseases[0]}", f", {title}")
            first = replace(first, name=name, diseases=diseases)
        merged.append(first)
    return tuple(merged)


def evaluate_limits(
    device: str | None,
    doses_gy: Mapping[str, tuple[Role, float]],
    lung_dose_gy: float | None,
    context: ClinicalContext | None = None,
) -> list[LimitResult]:
    """Return every limit of the device against every region it applies to.

    Parameters
    ----------
    device : str or None
        Device name.
    doses_gy : mapping of str to (Role, float)
        Region name to its role and mass-weighted mean dose [Gy].
    lung_dose_gy : float or None
        The lung dose that limits refer to: by MIRD where a shunt is known.
    context : ClinicalContext or None
        What decides which limits apply; None when nothing is known.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    context = context or ClinicalContext()
    results: list[LimitResult] = []
    for limit in limits_of(device, context):
        reason = why_not(limit, context)
        if limit.approach is Approach.SINGLE:
            reason = reason or "for the single compartment, not for dose maps"
        doses = [] if reason else _doses_of(limit, doses_gy, lung_dose_gy, context)
        condition = applies_if(limit, context)
        for name, dose in doses:
            status = judged_status(limit.sense, dose, limit.value_gy, open_facts=bool(condition))
            results.append(LimitResult(limit, name, dose, status, condition))
        if not doses:
            reason = reason or f"no region of role {limit.role.value} has a dose"
            results.append(LimitResult(limit, limit.role.value, None, "not applicable", reason))
    return results


def applicable_limits(
    device: str | None, roles: Mapping[str, Role], context: ClinicalContext | None = None
) -> list[tuple[Limit, str]]:
    """Return the limits of a device that apply, each with a region it applies to.

    Parameters
    ----------
    device : str or None
        Device name.
    roles : mapping of str to Role
        Roles of the regions by name.
    context : ClinicalContext or None
        What decides which limits apply.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    patient = context or ClinicalContext()
    return [
        (limit, name)
        for limit in limits_of(device, patient)
        if not why_not(limit, patient)
        for name, role in roles.items()
        if role is limit.role
    ]


def inapplicable_limits(
    device: str | None, roles: Mapping[str, Role], context: ClinicalContext | None = None
) -> list[tuple[Limit, str]]:
    """Return the limits of a device that do not apply, each with the reason; parameters as in `applicable_limits`."""
    patient = context or ClinicalContext()
    present = set(roles.values())
    reasons = {
        limit: why_not(limit, patient)
        or ("" if limit.role in present else f"no region of role {limit.role.value} has a dose")
        for limit in limits_of(device, patient)
    }
    return [(limit, reason) for limit, reason in reasons.items() if reason]


def evaluate_fraction_limits(
    device: str | None,
    *,
    lung_shunt_fraction: float | None = None,
    hepatic_reserve: float | None = None,
    scenario: Scenario | None = None,
) -> list[FractionResult]:
    """Return the limits of the device on lung shunt and hepatic reserve.

    Parameters
    ----------
    device : str or None
        Device name; None gives none.
    lung_shunt_fraction, hepatic_reserve : float or None
        0 to 1; None leaves the limit not applicable.
    scenario : Scenario or None
        Limits of other scenarios are not applicable; None leaves all in force.

    Raises
    ------
    InputError
        If the device is unknown, or a fraction lies outside 0 to 1.
    """
    if device is None:
        return []
    _check_device(device)
    given = {"lung shunt fraction": lung_shunt_fraction, "hepatic reserve": hepatic_reserve}
    for what, value in given.items():
        if value is not None:
            check_fraction(value, f"the {what}")
    results = []
    for limit in FRACTION_TABLE:
        if limit.device == device:
            value = given[limit.quantity]
            other = scenario is not None and limit.scenarios and scenario not in limit.scenarios
            status = "not applicable" if value is None or other else compare(limit.sense, value, limit.value)
            results.append(FractionResult(limit, value, status))
    return results


def lung_dose_notice(device: str | None, lung_dose_gy: float) -> Notice | None:
    """Return a warning below the limit: pneumonitis was seen from 13.2 Gy with resin, above 29 Gy with glass.

    The warning doses, 15 and 25 Gy, are this program's own proposal (cases: Kim et al. 2023,
    doi 10.3389/fonc.2023.977160), not published limits.

    Parameters
    ----------
    device : str or None
        Device name; no warning for None and for devices without cases.
    lung_dose_gy : float
        Mean lung dose by MIRD, as limits refer to it [Gy].
    """
    warning = device_record(device).lung_warning_gy if device in DEVICES else None
    if warning is None or lung_dose_gy < warning:
        return None
    return Notice(
        "lung-dose-high",
        f"the lung dose of {lung_dose_gy:.1f} Gy is not below {warning:g} Gy, where pneumonitis "
        f"with {device} has been reported (warning dose proposed by this program, not a published limit).",
    )


def _check_device(device: str) -> None:
    """Refuse an unknown device with the known ones."""
    if device not in DEVICES:
        raise InputError(
            f"unknown device {device!r}. The devices are {', '.join(DEVICES)}.", tag="administration.device"
        )


def _doses_of(
    limit: Limit,
    doses_gy: Mapping[str, tuple[Role, float]],
    lung_dose_gy: float | None,
    context: ClinicalContext,
) -> list[tuple[str, float]]:
    """Regions of the limit's role with their doses."""
    if limit.role is not Role.LUNGS:
        return [(name, dose) for name, (role, dose) in doses_gy.items() if role is limit.role]
    if lung_dose_gy is None:
        return []
    previous = sum(context.previous_lung_doses_gy or ()) if limit.cumulative else 0.0
    return [("lungs", previous + lung_dose_gy)]
