"""Dose limits and goals by device, each with its source; reported, never applied to another region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.clinical.limits_table import (
    BILIRUBIN_THRESHOLD_UMOL_PER_L,
    FRACTION_TABLE,
    LIMITS_VERSION,
    TABLE,
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
    "evaluate_fraction_limits",
    "evaluate_limits",
    "inapplicable_limits",
    "limits_of",
    "lung_dose_notice",
    "unstated_facts",
]

DEVICES = known_devices()
# Doses that miss a limit by rounding in the last bits meet it: an activity solved for a limit, fed back, must.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ClinicalContext:
    """What decides which limits apply; what is not known (None) leaves every limit that might apply in force.

    Parameters
    ----------
    scenario : Scenario or None
        Segmentectomy, lobectomy, unilobar or bilobar; limits of a single scenario are shown only with it.
    disease : Disease
        Tumour type.
    bilirubin_umol_per_l : float or None
        Total bilirubin [µmol/L].
    hepatic_reserve : float or None
        Untreated fraction of the liver, 0 to 1.
    liver_function : LiverFunction or None
        Poor also means pretreated.
    previous_lung_doses_gy : tuple of float or None
        Lung doses of all earlier treatments, empty when there were none [Gy]; None: not asked.

    Raises
    ------
    InputError
        If the bilirubin is not positive, the reserve no fraction, or an earlier dose negative.
    """

    scenario: Scenario | None = None
    disease: Disease = Disease.HCC
    bilirubin_umol_per_l: float | None = None
    hepatic_reserve: float | None = None
    liver_function: LiverFunction | None = None
    previous_lung_doses_gy: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.bilirubin_umol_per_l is not None:
            check_positive(self.bilirubin_umol_per_l, "the bilirubin", "umol/L")
        if self.hepatic_reserve is not None:
            check_fraction(self.hepatic_reserve, "the hepatic reserve")
        for dose in self.previous_lung_doses_gy or ():
            check_not_negative(dose, "the lung dose of an earlier treatment", "Gy")

    def completed(self, bilirubin_umol_per_l: float | None, hepatic_reserve: float | None) -> ClinicalContext:
        """Return the context with what patient record and regions add; what is stated here stays."""
        return replace(
            self,
            bilirubin_umol_per_l=bilirubin_umol_per_l
            if self.bilirubin_umol_per_l is None
            else self.bilirubin_umol_per_l,
            hepatic_reserve=hepatic_reserve if self.hepatic_reserve is None else self.hepatic_reserve,
        )

    @property
    def bilirubin_class(self) -> BilirubinClass | None:
        """Class of the 50/90 Gy rule; at the threshold itself, which the source leaves open, the stricter one."""
        if self.bilirubin_umol_per_l is None:
            return None
        raised = self.bilirubin_umol_per_l >= BILIRUBIN_THRESHOLD_UMOL_PER_L
        return BilirubinClass.RAISED if raised else BilirubinClass.NORMAL


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
        ``"met"``, ``"not met"`` or ``"not applicable"``.
    reason : str
        Why it does not apply; empty when it does.
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
        Adds the limits that only make sense for a known scenario, another disease than HCC, or known earlier
        treatments; none of them is left out here because it does not apply.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    if device is None:
        return ()
    _check_device(device)
    known = context or ClinicalContext()
    return tuple(
        limit
        for limit in TABLE
        if limit.device == device
        and (known.scenario is not None or not limit.needs_scenario)
        and limit.disease in (None, Disease.HCC, known.disease)
        and (known.previous_lung_doses_gy is not None or not limit.cumulative)
    )


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
        reason = _why_not(limit, context)
        held = [] if reason else _held(limit, doses_gy, lung_dose_gy, context)
        results += [LimitResult(limit, name, dose, _status(limit, dose)) for name, dose in held]
        if not held:
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
    known = context or ClinicalContext()
    return [
        (limit, name)
        for limit in limits_of(device, known)
        if not _why_not(limit, known)
        for name, role in roles.items()
        if role is limit.role
    ]


def inapplicable_limits(
    device: str | None, roles: Mapping[str, Role], context: ClinicalContext | None = None
) -> list[tuple[Limit, str]]:
    """Return the limits of a device that do not apply, each with the reason; parameters as in `applicable_limits`."""
    known = context or ClinicalContext()
    present = set(roles.values())
    reasons = {
        limit: _why_not(limit, known)
        or ("" if limit.role in present else f"no region of role {limit.role.value} has a dose")
        for limit in limits_of(device, known)
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
            status = "not applicable" if value is None or other else _compare(limit.sense, value, limit.value)
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


def unstated_facts(limit: Limit, context: ClinicalContext) -> tuple[str, ...]:
    """Return which facts a limit depends on that are not stated: it holds because it might apply.

    Parameters
    ----------
    limit : Limit
        A limit that applies, or might.
    context : ClinicalContext
        What is stated.
    """
    depends = (
        ("scenario", 0 < len(limit.scenarios) < len(Scenario), context.scenario),
        ("bilirubin", limit.bilirubin is not None, context.bilirubin_umol_per_l),
        ("hepatic reserve", limit.reserve_below is not None, context.hepatic_reserve),
        ("liver function", limit.function is not None, context.liver_function),
    )
    return tuple(fact for fact, needed, stated in depends if needed and stated is None)


def _check_device(device: str) -> None:
    """Refuse an unknown device with the known ones."""
    if device not in DEVICES:
        raise InputError(
            f"unknown device {device!r}. The devices are {', '.join(DEVICES)}.", tag="administration.device"
        )


def _held(
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


def _why_not(limit: Limit, context: ClinicalContext) -> str:
    """Why the limit does not apply; empty when it does, or might."""
    reserve, function = context.hepatic_reserve, context.liver_function
    reasons = (
        (limit.disease not in (None, context.disease), f"for {limit.disease}, not {context.disease}"),
        (
            bool(limit.scenarios)
            and context.scenario is not None
            and context.scenario not in limit.scenarios,
            f"not for a {context.scenario}",
        ),
        (
            None not in (limit.bilirubin, context.bilirubin_class)
            and limit.bilirubin is not context.bilirubin_class,
            f"for {limit.bilirubin} bilirubin",
        ),
        (
            limit.reserve_below is not None and reserve is not None and reserve >= limit.reserve_below,
            f"for a hepatic reserve below {100 * (limit.reserve_below or 0.0):g} %",
        ),
        (
            None not in (limit.function, function) and limit.function is not function,
            f"for {limit.function} liver function",
        ),
    )
    return next((text for differs, text in reasons if differs), "")


def _status(limit: Limit, dose_gy: float) -> str:
    """Whether a dose meets the limit."""
    return _compare(limit.sense, dose_gy, limit.value_gy)


def _compare(sense: Sense, found: float, wanted: float) -> str:
    """Met up to the value (limit) or from it (goal), rounding aside."""
    slack = _ROUNDING * wanted
    met = found <= wanted + slack if sense is Sense.BELOW else found >= wanted - slack
    return "met" if met else "not met"
