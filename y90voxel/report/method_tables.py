"""How the dose came about: which calibration and what others would have given, and which mass, as text."""

from __future__ import annotations

from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.calibration_spread import LIVER_AND_MARGIN, MARGIN_FWHM, CalibrationSpread
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import MISSING, dose_text, number, percent

__all__ = ["SHUNT_SOURCES", "calibration_note", "calibration_rows", "calibration_sentence", "mass_sentence"]

SHUNT_SOURCES = {
    "given": "given",
    "spect": "measured on SPECT",
    "planar": "measured on planar views",
    "planar-left": "measured on planar views, left lung alone",
    "none": "not known",
}

# What each region of a relative calibration is called, and why it may be missing.
REGIONS = {
    CalibrationRegion.LIVER.value: (
        "liver, tumours and perfused volume",
        "no liver is drawn, or no lung shunt is known",
    ),
    LIVER_AND_MARGIN: (
        "the same and {margin:g} mm around it",
        "no liver is drawn, or no lung shunt is known",
    ),
    CalibrationRegion.LIVER_AND_LUNGS.value: ("liver and lungs", ""),
    CalibrationRegion.BODY.value: ("body", "none is drawn; one segmented from the CT ends with it"),
    CalibrationRegion.FIELD_OF_VIEW.value: (
        "the whole image",
        "without a lung shunt it needs both lungs in view",
    ),
}


def calibration_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return every calibration region with what it would make of the doses; nothing but for a relative calibration."""
    spread = evaluation.calibration_spread
    if spread is None:
        return []
    tumours, normal = (
        _first(evaluation, *roles) for roles in ((Role.TUMOURS, Role.TUMOUR), (Role.NON_TUMOUR_LIVER,))
    )
    ratio = evaluation.map_activity_bq / evaluation.net_activity_bq
    rows: list[dict[str, Any]] = []
    for name, (label, missing) in REGIONS.items():
        factor = spread.factors.get(name)
        if factor is None and not missing:
            continue
        rows.append(
            {
                "region": f"{name}: {label.format(margin=spread.margin_mm)}",
                "factor": MISSING if factor is None else f"{factor:.3f}",
                "map": MISSING if factor is None else number(factor * ratio),
                "tumour": _scaled(tumours, factor),
                "normal": _scaled(normal, factor),
                "used": name == spread.region,
                "why": missing if factor is None else "",
            }
        )
    return rows


def calibration_note(evaluation: Evaluation) -> str:
    """Return how to read the table of calibration regions; empty without one."""
    spread = evaluation.calibration_spread
    if spread is None:
        return ""
    return (
        "One factor for the whole map. Blur and scatter carry counts out of the liver: a calibration over its contour puts them "
        f"back into it and leaves them outside too; over {MARGIN_FWHM:g} FWHM around it, it does not. Half of the range, "
        f"{percent(0.5 * spread.spread, 2)}{_lungs(spread)}, is a part of every uncertainty."
    )


def _lungs(spread: CalibrationSpread) -> str:
    """What lungs in part add."""
    return (
        "" if spread.lung_range == 0.0 else f", with {percent(spread.lung_range, 2)} for lungs seen in part"
    )


def _first(evaluation: Evaluation, *roles: Role) -> RegionMetrics | None:
    """The first region that has one of the roles, in the order of the roles."""
    regions = [m for role in roles for m in evaluation.regions if m.role == role]
    return regions[0] if regions else None


def _scaled(metrics: RegionMetrics | None, factor: float | None) -> str:
    """Mean dose by mass under another calibration."""
    if metrics is None or factor is None or metrics.mass_weighted_mean_gy is None:
        return MISSING
    return dose_text(factor * metrics.mass_weighted_mean_gy)


def mass_sentence(evaluation: Evaluation) -> str:
    """Return which mass doses and means refer to, and the whole organs by CT where they were weighed."""
    text = "of a region's own tissue inside the dose grid, Σ occupancy × own density × volume; energy over it is the mean by mass"
    whole = [
        f"{m.name} {number(m.mass_g)} g of {number(m.whole_mass_g)} g"
        for m in evaluation.regions
        if m.whole_mass_g is not None
        and m.mass_g is not None
        and m.role in (Role.LIVER, Role.LUNG, Role.LUNGS)
    ]
    return text + (f". Of the whole organ by CT on its own grid: {'; '.join(whole)}" if whole else "")


def calibration_sentence(evaluation: Evaluation) -> str:
    """Return how counts became activity."""
    calibration = evaluation.case.calibration
    if calibration.mode is CalibrationMode.ABSOLUTE:
        return "absolute: the image states Bq/mL; decayed to administration"
    if calibration.mode is CalibrationMode.FACTOR:
        return f"camera factor, {number(calibration.factor_cps_per_mbq, 4)} counts per second and MBq; decayed to administration"
    net, shunted = "net activity", "net activity × (1 − lung shunt)"
    body = net if evaluation.case.regions.both_lungs_drawn_in_view else shunted
    activity_text, over = {
        CalibrationRegion.LIVER: (shunted, "liver, tumours and perfused volume together"),
        CalibrationRegion.LIVER_AND_LUNGS: (net, "liver and lungs together"),
        CalibrationRegion.BODY: (body, "the body"),
        CalibrationRegion.FIELD_OF_VIEW: (body, "the whole image"),
    }[calibration.region]
    return f"relative: {activity_text}, over the counts in {over}; one factor for the whole map"
