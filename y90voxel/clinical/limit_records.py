"""The records that rows of the table of limits and goals are made of, and what decides which row holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from y90voxel.regions.roles import Role

__all__ = [
    "BILIRUBIN_THRESHOLD_UMOL_PER_L",
    "Approach",
    "BilirubinClass",
    "Disease",
    "FractionLimit",
    "Limit",
    "LiverFunction",
    "Scenario",
    "Sense",
]

# 1.1 mg/dL times 17.1.
BILIRUBIN_THRESHOLD_UMOL_PER_L = 18.81


class Sense(StrEnum):
    """Whether a dose should stay below (limit) or reach (goal) the value."""

    BELOW = "below"
    AT_LEAST = "at least"


class Scenario(StrEnum):
    """What the treatment is meant to do, which decides the limits."""

    SEGMENTECTOMY = "segmentectomy"
    LOBECTOMY = "lobectomy"
    UNILOBAR = "unilobar treatment"
    BILOBAR = "bilobar treatment"


class Disease(StrEnum):
    """Tumour type."""

    HCC = "HCC"
    ICC = "ICC"
    MCRC = "mCRC"


class Approach(StrEnum):
    """Column of the tables: one mean for all that is perfused, or tumours and normal liver apart."""

    SINGLE = "single compartment"
    MULTI = "multi-compartment"


class BilirubinClass(StrEnum):
    """Class of total bilirubin in the 50/90 Gy rule."""

    NORMAL = "normal"
    RAISED = "raised"


class LiverFunction(StrEnum):
    """Liver function as the treating team judges it."""

    GOOD = "good"
    POOR = "poor"


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
    scenarios : tuple of Scenario
        Scenarios it is for; empty for all.
    diseases : tuple of Disease
        Tumour types it is for; empty for all.
    bilirubin : BilirubinClass or None
        Bilirubin class; None for both.
    reserve_below : float or None
        Hepatic reserve below which it holds; None for any.
    function : LiverFunction or None
        Liver function; None for any.
    or_pretreated : bool
        True when it holds for pretreated livers too, whatever their function.
    approach : Approach or None
        The column it is printed in, when it does not hold for models of the other; None for all.
    condition : str
        What else it depends on that no fact here answers, such as "the whole-liver dose is below 150 Gy".
    cumulative : bool
        True when it is for the sum over all treatments.
    """

    name: str
    device: str
    role: Role
    sense: Sense
    value_gy: float
    source: str
    scenarios: tuple[Scenario, ...] = ()
    diseases: tuple[Disease, ...] = ()
    bilirubin: BilirubinClass | None = None
    reserve_below: float | None = None
    function: LiverFunction | None = None
    or_pretreated: bool = False
    approach: Approach | None = None
    condition: str = ""
    cumulative: bool = False


@dataclass(frozen=True)
class FractionLimit:
    """A limit on a fraction.

    Parameters
    ----------
    name, device, source : str
        As in `Limit`.
    quantity : str
        ``"lung shunt fraction"`` or ``"hepatic reserve"``.
    sense : Sense
        Below, or at least.
    value : float
        0 to 1.
    scenarios : tuple of Scenario
        As in `Limit`.
    contraindication : bool
        True when there is no treatment beyond it.
    """

    name: str
    device: str
    quantity: str
    sense: Sense
    value: float
    source: str
    scenarios: tuple[Scenario, ...] = ()
    contraindication: bool = False
