"""Dose limits and goals by device, each with its source; reported, never applied to another region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from y90voxel.errors import InputError
from y90voxel.regions.roles import Role

__all__ = ["DEVICES", "LIMITS_VERSION", "Limit", "LimitResult", "evaluate_limits", "limits_of"]

LIMITS_VERSION = "2026-11"

_EANM = "EANM procedure guideline, Weber et al. 2022, EJNMMI 49:1682, doi 10.1007/s00259-021-05600-z, "
_LUNG = "MIRD lung dose to 1 kg, 30 Gy per treatment: Kao et al. 2014, EJNMMI Res 4:33, doi 10.1186/s13550-014-0033-7"

DEVICES = ("glass", "resin", "ho166")


class Sense(StrEnum):
    """Whether a dose should stay below (limit) or reach (goal) the value."""

    BELOW = "below"
    AT_LEAST = "at least"


@dataclass(frozen=True)
class Limit:
    """One limit or goal for the mean dose of a region role.

    Parameters
    ----------
    name : str
        What it is, for people.
    device : str
        The device it was set for.
    role : Role
        The region it applies to, and no other.
    sense : Sense
        Below, or at least.
    value_gy : float
        Mass-weighted mean dose [Gy].
    source : str
        Where it comes from.
    """

    name: str
    device: str
    role: Role
    sense: Sense
    value_gy: float
    source: str


@dataclass(frozen=True)
class LimitResult:
    """A limit held against a dose; ``status`` is met, not met or not applicable."""

    limit: Limit
    region: str
    value_gy: float | None
    status: str


def _lung(device: str) -> Limit:
    return Limit("lungs, one treatment", device, Role.LUNGS, Sense.BELOW, 30.0, _LUNG)


_NTL, _PERFUSED = Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER
_TABLE = (
    _lung("glass"),
    Limit("tumour, HCC", "glass", Role.TUMOUR, Sense.AT_LEAST, 205.0, _EANM + "table 2"),
    Limit("whole non-tumour liver, HCC, bilirubin above 1.1 mg/dL", "glass", _NTL, Sense.BELOW, 50.0, _EANM + "table 2"),
    Limit("whole non-tumour liver, HCC, lobar treatment", "glass", _NTL, Sense.BELOW, 75.0, _EANM + "table 2"),
    Limit("whole non-tumour liver, HCC, bilirubin below 1.1 mg/dL", "glass", _NTL, Sense.BELOW, 90.0, _EANM + "table 2"),
    Limit(
        "perfused non-tumour liver, HCC, unilobar, hepatic reserve below 30 %",
        "glass", _PERFUSED, Sense.BELOW, 120.0, _EANM + "table 2",
    ),
    _lung("resin"),
    Limit("tumour, HCC", "resin", Role.TUMOUR, Sense.AT_LEAST, 100.0, _EANM + "table 3"),
    Limit("perfused non-tumour liver, HCC", "resin", _PERFUSED, Sense.BELOW, 40.0, _EANM + "table 3"),
    Limit(
        "perfused non-tumour liver, HCC, pretreated or poor function",
        "resin", _PERFUSED, Sense.BELOW, 30.0, _EANM + "table 3",
    ),
    _lung("ho166"),
    Limit("whole non-tumour liver, HCC, good function", "ho166", _NTL, Sense.BELOW, 60.0, _EANM + "table 4"),
    Limit("whole non-tumour liver, HCC, bilobar", "ho166", _NTL, Sense.BELOW, 40.0, _EANM + "table 4"),
)  # fmt: skip


def limits_of(device: str | None) -> tuple[Limit, ...]:
    """Return the limits and goals of a device, none for None.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    if device is None:
        return ()
    if device not in DEVICES:
        raise InputError(
            f"unknown device {device!r}. The devices are {', '.join(DEVICES)}.", tag="administration.device"
        )
    return tuple(limit for limit in _TABLE if limit.device == device)


def evaluate_limits(
    device: str | None, doses_gy: Mapping[str, tuple[Role, float]], lung_dose_gy: float | None
) -> list[LimitResult]:
    """Return every limit of the device against every region it applies to.

    Parameters
    ----------
    device : str or None
        Device name.
    doses_gy : mapping of str to (Role, float)
        Region name to its role and mass-weighted mean dose [Gy].
    lung_dose_gy : float or None
        The lung dose that limits refer to: by MIRD with 1 kg where a shunt is known.

    Raises
    ------
    InputError
        If the device is unknown.
    """
    results = []
    for limit in limits_of(device):
        if limit.role is Role.LUNGS:
            held = [("lungs", lung_dose_gy)] if lung_dose_gy is not None else []
        else:
            held = [(name, dose) for name, (role, dose) in doses_gy.items() if role is limit.role]
        results += [LimitResult(limit, name, dose, _status(limit, dose)) for name, dose in held]
        if not held:
            results.append(LimitResult(limit, limit.role.value, None, "not applicable"))
    return results


def _status(limit: Limit, dose_gy: float) -> str:
    """Whether a dose meets the limit."""
    met = dose_gy <= limit.value_gy if limit.sense is Sense.BELOW else dose_gy >= limit.value_gy
    return "met" if met else "not met"
