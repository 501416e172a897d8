"""Tables 2, 3 and 4 of the EANM procedure guideline of 2022, one cell after the other as they are printed.

Weber et al., EJNMMI 49:1682, doi 10.1007/s00259-021-05600-z; read in the stored copies of PMC8940802, Tab2 to Tab4. Of
table 2 the end of the notes was cut off: what ``****`` says there was not read. What a cell prints is kept as text;
its readings are what the program does with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from y90voxel.clinical.limit_records import (
    Approach,
    BilirubinClass,
    Disease,
    LiverFunction,
    Scenario,
    Sense,
)
from y90voxel.regions.roles import Role

__all__ = ["CELLS", "EANM", "Cell", "Reading", "printed_cell"]

EANM = "EANM procedure guideline, Weber et al. 2022, EJNMMI 49:1682, doi 10.1007/s00259-021-05600-z"
COLUMNS = ("single compartment", "normal liver", "tumour")
TABLES = {"glass": 2, "resin": 3, "ho166": 4}


@dataclass(frozen=True)
class Reading:
    """One limit or goal that a cell prints, for whatever disease and scenario its row is.

    Parameters
    ----------
    what : str
        Name of the row before the disease.
    role, sense, value_gy, bilirubin, reserve_below, function, or_pretreated, approach, condition
        As in `y90voxel.clinical.limit_records.Limit`.
    detail : str
        Name of the row after the disease.
    """

    what: str
    role: Role
    sense: Sense
    value_gy: float
    detail: str = ""
    bilirubin: BilirubinClass | None = None
    reserve_below: float | None = None
    function: LiverFunction | None = None
    or_pretreated: bool = False
    approach: Approach | None = None
    condition: str = ""


@dataclass(frozen=True)
class Cell:
    """One printed cell.

    Parameters
    ----------
    device : str
        The table's device.
    disease : Disease
        Block of rows.
    scenario : Scenario
        Row.
    column : str
        ``"single compartment"``, ``"normal liver"`` or ``"tumour"``.
    printed : str
        What is printed, without numbers of references and marks of notes; empty for an empty cell.
    readings : tuple of Reading
        Limits and goals in it; empty where it prints none.
    """

    device: str
    disease: Disease
    scenario: Scenario
    column: str
    printed: str
    readings: tuple[Reading, ...] = ()

    @property
    def table(self) -> int:
        """Number of the table."""
        return TABLES[self.device]


_NTL, _PERFUSED, _TUMOUR = Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER, Role.TUMOUR
_BELOW, _AT_LEAST = Sense.BELOW, Sense.AT_LEAST
_HCC, _ICC, _MCRC = Disease.HCC, Disease.ICC, Disease.MCRC
_SEG, _LOB, _UNI, _BI = Scenario.SEGMENTECTOMY, Scenario.LOBECTOMY, Scenario.UNILOBAR, Scenario.BILOBAR

Printed = tuple[str, tuple[Reading, ...]]
_EMPTY: Printed = ("", ())
_NOT_APPLICABLE: Printed = ("Not applicable", ())


def _perfused(value_gy: float, detail: str, approach: Approach | None = Approach.SINGLE) -> Reading:
    """The goal for the perfused volume by one compartment; of a segmentectomy, which has no other, for every model."""
    return Reading("perfused volume", Role.PERFUSED, _AT_LEAST, value_gy, detail, approach=approach)


def _range(low: float, high: float, detail: str) -> tuple[Reading, Reading]:
    """A printed range of the single compartment: its lower end is a goal, its upper end a limit of that model."""
    upper = replace(_perfused(high, f"{detail}, upper end"), sense=_BELOW)
    return _perfused(low, detail), upper


def _normal(role: Role, sense: Sense, value_gy: float, detail: str = "") -> Reading:
    """A limit or goal for normal liver."""
    what = "whole non-tumour liver" if role is _NTL else "perfused non-tumour liver"
    return Reading(what, role, sense, value_gy, detail)


def _tumour(value_gy: float, detail: str = "") -> Reading:
    """A goal for every tumour."""
    return Reading("tumour", _TUMOUR, _AT_LEAST, value_gy, detail)


_SEGMENT = ", segmentectomy"
_ABOVE_150 = replace(
    _perfused(150.0, ", above 150 Gy by one compartment"),
    condition="the whole-liver dose is below 150 Gy, in patients like those of DOSISPHERE-01",
)
_LOBECTOMY_RANGE = _range(140.0, 150.0, ", lobectomy by one compartment")
_LOBAR_RANGE = _range(80.0, 150.0, ", by one compartment")
_FIFTY = replace(_normal(_NTL, _BELOW, 50.0, ", bilirubin above 1.1 mg/dL"), bilirubin=BilirubinClass.RAISED)
_NINETY = replace(_normal(_NTL, _BELOW, 90.0, ", bilirubin below 1.1 mg/dL"), bilirubin=BilirubinClass.NORMAL)
_SEVENTY_FIVE = _normal(_NTL, _BELOW, 75.0, ", lobar treatment")
_HYPERTROPHY = _normal(_PERFUSED, _AT_LEAST, 88.0, ", lobectomy (hypertrophy of the other lobe)")
_SMALL_RESERVE = replace(
    _normal(_PERFUSED, _BELOW, 120.0, ", unilobar, hepatic reserve below 30 %"), reserve_below=0.30
)
_INDEX = _tumour(250.0, ", index lesion if possible")
_RANGE_TEXT = "< 75 (range: 50/90)"


def _glass(disease: Disease) -> dict[Scenario, tuple[Printed, Printed, Printed]]:
    """Table 2 without the rows that differ for HCC."""
    tumour = {_ICC: 260.0, _MCRC: 189.0, _HCC: 205.0}[disease]
    goal: Printed = (f"≥ {tumour:g}", (_tumour(tumour),))
    normal: Printed = (_RANGE_TEXT, (_FIFTY, _SEVENTY_FIVE, _NINETY))
    return {
        _SEG: (("> 400", (_perfused(400.0, _SEGMENT, None),)), _NOT_APPLICABLE, _NOT_APPLICABLE),
        _LOB: (("140–150", _LOBECTOMY_RANGE), normal, goal),
        _UNI: (("80–150", _LOBAR_RANGE), normal, goal),
        _BI: (("80–150", _LOBAR_RANGE), normal, goal),
    }


def _glass_hcc() -> dict[Scenario, tuple[Printed, Printed, Printed]]:
    """The rows of table 2 for HCC."""
    condition = "> 150 if whole liver dose < 150"
    tumour: Printed = ("≥ 205; ≥ 250–300", (_tumour(205.0), _INDEX))
    whole = (_FIFTY, _SEVENTY_FIVE, _NINETY)
    return _glass(_HCC) | {
        _LOB: (
            (f"{condition}; 140–150", (_ABOVE_150, *_LOBECTOMY_RANGE)),
            (f"≥ 88; {_RANGE_TEXT}", (_HYPERTROPHY, *whole)),
            tumour,
        ),
        _UNI: (
            (f"{condition}; 80–150", (_ABOVE_150, *_LOBAR_RANGE)),
            (f"< 120 if HR < 30 %; {_RANGE_TEXT}", (_SMALL_RESERVE, *whole)),
            tumour,
        ),
        _BI: (("80–150", _LOBAR_RANGE), ("< 50/90", (_FIFTY, _NINETY)), ("≥ 205", (_tumour(205.0),))),
    }


def _resin(disease: Disease) -> dict[Scenario, tuple[Printed, Printed, Printed]]:
    """Table 3."""
    text = "> 100" if disease is _MCRC else "≥ 100–120"
    goal: Printed = (text, (_tumour(100.0),))
    reserve = " (needs a hepatic reserve above 30 %)" if disease is _HCC else ""
    forty = _normal(_PERFUSED, _BELOW, 40.0)
    thirty = replace(
        _normal(_PERFUSED, _BELOW, 30.0, ", pretreated or poor function"),
        function=LiverFunction.POOR,
        or_pretreated=True,
    )
    seventy = _normal(_PERFUSED, _AT_LEAST, 70.0, f", lobectomy{reserve}")
    return {
        _SEG: (("> 150", (_perfused(150.0, _SEGMENT, None),)), _NOT_APPLICABLE, _NOT_APPLICABLE),
        _LOB: (("Not recommended", ()), ("> 70", (seventy,)), goal),
        _UNI: (_EMPTY, ("< 40", (forty,)), goal),
        _BI: (_EMPTY, ("< 30/40", (thirty, forty)), goal),
    }


def _ho166(disease: Disease) -> dict[Scenario, tuple[Printed, Printed, Printed]]:
    """Table 4."""
    goals: dict[Disease, Printed] = {
        _HCC: ("Not available", ()),
        _ICC: ("> 150", (_tumour(150.0),)),
        _MCRC: ("> 90", (_tumour(90.0),)),
    }
    sixty = _normal(_NTL, _BELOW, 60.0, ", lobectomy or unilobar")
    favourable = replace(_normal(_NTL, _BELOW, 60.0, ", good function"), function=LiverFunction.GOOD)
    forty = replace(_normal(_NTL, _BELOW, 40.0, ", bilobar"), function=LiverFunction.POOR)
    segment: Printed = ("60", (_perfused(60.0, _SEGMENT, None),))
    single: Printed = ("60", (_perfused(60.0, ", by one compartment"),))
    return {
        _SEG: (segment, _NOT_APPLICABLE, _NOT_APPLICABLE),
        _LOB: (single, ("< 60", (sixty,)), goals[disease]),
        _UNI: (single, ("< 60", (sixty,)), goals[disease]),
        _BI: (single, ("< 40 (up to 60 with more favourable function)", (forty, favourable)), goals[disease]),
    }


def _cells() -> tuple[Cell, ...]:
    """Every cell of the three tables."""
    blocks = {
        ("glass", _HCC): _glass_hcc(),
        **{("glass", disease): _glass(disease) for disease in (_ICC, _MCRC)},
        **{("resin", disease): _resin(disease) for disease in Disease},
        **{("ho166", disease): _ho166(disease) for disease in Disease},
    }
    return tuple(
        Cell(device, disease, scenario, column, *printed)
        for (device, disease), rows in blocks.items()
        for scenario, row in rows.items()
        for column, printed in zip(COLUMNS, row, strict=True)
    )


CELLS = _cells()


def printed_cell(device: str, disease: Disease, scenario: Scenario, column: str) -> Cell | None:
    """Return a cell of the tables; None where they have no such device.

    Parameters
    ----------
    device : str
        Name of a device.
    disease : Disease
        Block of rows.
    scenario : Scenario
        Row.
    column : str
        ``"single compartment"``, ``"normal liver"`` or ``"tumour"``.
    """
    wanted = (device, disease, scenario, column)
    return next((c for c in CELLS if (c.device, c.disease, c.scenario, c.column) == wanted), None)
