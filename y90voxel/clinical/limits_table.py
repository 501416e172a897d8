"""The versioned table of limits and goals, and the records its rows are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.regions.roles import Role

__all__ = [
    "BILIRUBIN_THRESHOLD_UMOL_PER_L",
    "FRACTION_TABLE",
    "LIMITS_VERSION",
    "TABLE",
    "BilirubinClass",
    "Disease",
    "FractionLimit",
    "Limit",
    "LiverFunction",
    "Scenario",
    "Sense",
]

LIMITS_VERSION = "2026-11.3"

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


class BilirubinClass(StrEnum):
    """Class of total bilirubin in the 50/90 Gy rule."""

    NORMAL = "normal"
    RAISED = "raised"


class LiverFunction(StrEnum):
    """Liver function as the treating team judges it; poor includes pretreated livers."""

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
    needs_scenario : bool
        True for rows that only make sense, and are only shown, when the scenario is known.
    disease : Disease or None
        Tumour type; None for all.
    bilirubin : BilirubinClass or None
        Bilirubin class; None for both.
    reserve_below : float or None
        Hepatic reserve below which it holds; None for any.
    function : LiverFunction or None
        Liver function; None for any.
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
    needs_scenario: bool = False
    disease: Disease | None = None
    bilirubin: BilirubinClass | None = None
    reserve_below: float | None = None
    function: LiverFunction | None = None
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
    """

    name: str
    device: str
    quantity: str
    sense: Sense
    value: float
    source: str
    scenarios: tuple[Scenario, ...] = ()


_EANM = "EANM procedure guideline, Weber et al. 2022, EJNMMI 49:1682, doi 10.1007/s00259-021-05600-z, "
_MASS = limiting_convention().mass_text
_LUNG = f"MIRD lung dose to {_MASS}, 30 Gy per treatment: Kao et al. 2014, EJNMMI Res 4:33, doi 10.1186/s13550-014-0033-7"
_LUNGS_ALL = (
    "50 Gy over all treatments: Kis et al. 2024, doi 10.1016/j.jvir.2024.08.031; rests on few patients"
)
_DOSISPHERE = "DOSISPHERE-01, Garin et al., PMC10858378"
_THESIS = "van Roekel, PhD thesis, Utrecht 2021, p. 41"

_NTL, _PERFUSED, _TUMOUR = Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER, Role.TUMOUR
_HCC, _ICC, _MCRC = Disease.HCC, Disease.ICC, Disease.MCRC
_SEG, _LOB = (Scenario.SEGMENTECTOMY,), (Scenario.LOBECTOMY,)
_UNI, _BI = (Scenario.UNILOBAR,), (Scenario.BILOBAR,)
_LOBAR, _ALL = _LOB + _UNI + _BI, _SEG + _LOB + _UNI + _BI


def _lungs(device: str) -> tuple[Limit, Limit]:
    """Limits of one treatment and of all treatments together."""
    return (
        Limit("lungs, one treatment", device, Role.LUNGS, Sense.BELOW, 30.0, _LUNG),
        Limit("lungs, all treatments", device, Role.LUNGS, Sense.BELOW, 50.0, _LUNGS_ALL, cumulative=True),
    )


def _glass_liver(disease: Disease) -> tuple[Limit, Limit, Limit]:
    """Whole non-tumour liver in lobar treatments: printed for HCC, in force for ICC and mCRC too until they have rows."""
    source = _EANM + ("table 2" if disease is Disease.HCC else f"table 2 (HCC), in force for {disease} too")
    name = f"whole non-tumour liver, {disease}"
    return (
        Limit(
            f"{name}, bilirubin above 1.1 mg/dL", "glass", _NTL, Sense.BELOW, 50.0, source, _LOBAR, disease=disease,
            bilirubin=BilirubinClass.RAISED,
        ),
        Limit(f"{name}, lobar treatment", "glass", _NTL, Sense.BELOW, 75.0, source, _LOB + _UNI, disease=disease),
        Limit(
            f"{name}, bilirubin below 1.1 mg/dL", "glass", _NTL, Sense.BELOW, 90.0, source, _LOBAR, disease=disease,
            bilirubin=BilirubinClass.NORMAL,
        ),
    )  # fmt: skip


# The single-compartment rows of EANM tables 2 and 3 print ranges and, for lobectomy and unilobar glass, "> 150 if
# whole-liver dose < 150", which contradicts the range beside it: only the lower end of each range is a goal here.
_GLASS = (
    *_lungs("glass"),
    Limit("tumour, HCC", "glass", _TUMOUR, Sense.AT_LEAST, 205.0, _EANM + "table 2", _LOBAR, disease=_HCC),
    *_glass_liver(_HCC),
    Limit(
        "perfused non-tumour liver, HCC, unilobar, hepatic reserve below 30 %", "glass", _PERFUSED, Sense.BELOW, 120.0,
        _EANM + "table 2", _UNI, disease=_HCC, reserve_below=0.30,
    ),
    Limit(
        "perfused volume, HCC, segmentectomy", "glass", Role.PERFUSED, Sense.AT_LEAST, 400.0, _EANM + "table 2", _SEG,
        needs_scenario=True, disease=_HCC,
    ),
    Limit(
        "perfused volume, HCC, lobectomy by one compartment", "glass", Role.PERFUSED, Sense.AT_LEAST, 140.0,
        _EANM + "table 2", _LOB, needs_scenario=True, disease=_HCC,
    ),
    Limit(
        "perfused volume, HCC, by one compartment", "glass", Role.PERFUSED, Sense.AT_LEAST, 80.0, _EANM + "table 2",
        _UNI + _BI, needs_scenario=True, disease=_HCC,
    ),
    Limit(
        "perfused non-tumour liver, HCC, lobectomy (hypertrophy of the other lobe)", "glass", _PERFUSED, Sense.AT_LEAST,
        88.0, _EANM + "table 2", _LOB, needs_scenario=True, disease=_HCC,
    ),
    Limit(
        "tumour, HCC, index lesion if possible", "glass", _TUMOUR, Sense.AT_LEAST, 250.0, _DOSISPHERE, _LOB,
        needs_scenario=True, disease=_HCC,
    ),
    *_glass_liver(_ICC),
    *_glass_liver(_MCRC),
    Limit("tumour, ICC", "glass", _TUMOUR, Sense.AT_LEAST, 260.0, _EANM + "tables 2 to 4", disease=_ICC),
    Limit("tumour, mCRC", "glass", _TUMOUR, Sense.AT_LEAST, 189.0, _EANM + "tables 2 to 4", disease=_MCRC),
)  # fmt: skip
_RESIN = (
    *_lungs("resin"),
    Limit("tumour, HCC", "resin", _TUMOUR, Sense.AT_LEAST, 100.0, _EANM + "table 3", _LOBAR, disease=_HCC),
    Limit(
        "perfused non-tumour liver, HCC", "resin", _PERFUSED, Sense.BELOW, 40.0, _EANM + "table 3", _UNI + _BI,
        disease=_HCC,
    ),
    Limit(
        "perfused non-tumour liver, HCC, pretreated or poor function", "resin", _PERFUSED, Sense.BELOW, 30.0,
        _EANM + "table 3", _BI, disease=_HCC, function=LiverFunction.POOR,
    ),
    Limit(
        "perfused volume, HCC, segmentectomy", "resin", Role.PERFUSED, Sense.AT_LEAST, 150.0, _EANM + "table 3", _SEG,
        needs_scenario=True, disease=_HCC,
    ),
    Limit(
        "perfused non-tumour liver, HCC, lobectomy (needs a hepatic reserve above 30 %)", "resin", _PERFUSED,
        Sense.AT_LEAST, 70.0, _EANM + "table 3", _LOB, needs_scenario=True, disease=_HCC,
    ),
    Limit("tumour, mCRC", "resin", _TUMOUR, Sense.AT_LEAST, 100.0, _EANM + "tables 2 to 4", disease=_MCRC),
)  # fmt: skip
_HO166 = (
    *_lungs("ho166"),
    Limit(
        "whole non-tumour liver, HCC, good function", "ho166", _NTL, Sense.BELOW, 60.0, _EANM + "table 4", _BI,
        disease=_HCC, function=LiverFunction.GOOD,
    ),
    Limit(
        "whole non-tumour liver, HCC, bilobar", "ho166", _NTL, Sense.BELOW, 40.0, _EANM + "table 4", _BI,
        disease=_HCC, function=LiverFunction.POOR,
    ),
    Limit(
        "whole non-tumour liver, HCC, lobectomy or unilobar", "ho166", _NTL, Sense.BELOW, 60.0, _EANM + "table 4",
        _LOB + _UNI, needs_scenario=True, disease=_HCC,
    ),
    Limit(
        "perfused volume, HCC", "ho166", Role.PERFUSED, Sense.AT_LEAST, 60.0, _EANM + "table 4", _ALL,
        needs_scenario=True, disease=_HCC,
    ),
    Limit("tumour, ICC", "ho166", _TUMOUR, Sense.AT_LEAST, 150.0, _EANM + "tables 2 to 4", disease=_ICC),
    Limit("tumour, mCRC", "ho166", _TUMOUR, Sense.AT_LEAST, 90.0, _EANM + "tables 2 to 4", disease=_MCRC),
)  # fmt: skip
TABLE = (*_GLASS, *_RESIN, *_HO166)

FRACTION_TABLE = (
    FractionLimit("hepatic reserve", "glass", "hepatic reserve", Sense.AT_LEAST, 0.30, _DOSISPHERE),
    FractionLimit("lung shunt", "resin", "lung shunt fraction", Sense.BELOW, 0.20, _THESIS),
    FractionLimit(
        "hepatic reserve, lobectomy",
        "resin",
        "hepatic reserve",
        Sense.AT_LEAST,
        0.30,
        _EANM + "table 3",
        _LOB,
    ),
)
