"""The page of a commissioning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from y90voxel.phantoms.commissioning import Commissioning, Verdict, one_gaussian
from y90voxel.quantification.recovery_curve import GaussianRecovery
from y90voxel.report.commission_figures import commission_figures
from y90voxel.report.dose_content import DISCLAIMER
from y90voxel.report.dose_page import embedded, render_page
from y90voxel.report.formatting import MISSING, date_and_time, number, percent
from y90voxel.units import format_activity

__all__ = ["commission_content", "write_commission_report"]

LIMIT_NAMES = {
    "background_error": "background against the filling",
    "uniformity": "uniformity of the background (SD of balls)",
    "noise_cv": "noise in the background (CoV of voxels)",
    "insert_error": "left in the cold insert",
    "calibration_uncertainty": "uncertainty of the calibration",
    "linearity": "deviation from linearity",
    "fwhm_mm": "resolution (FWHM), mm",
}


def write_commission_report(result: Commissioning, document: Mapping[str, Any], folder: Path) -> None:
    """Write ``commission.html`` and ``figures/*.png``.

    Parameters
    ----------
    result : Commissioning
        What was measured.
    document : mapping
        Content of ``commission.json``.
    folder : Path
        Exists.
    """
    figures = commission_figures(result, document["trend"])
    (folder / "figures").mkdir()
    for name, png in figures.items():
        (folder / "figures" / name).write_bytes(png)
    content = commission_content(result, document) | {"figures": embedded(figures)}
    (folder / "commission.html").write_text(render_page("commission.html.j2", content), encoding="utf-8")


def commission_content(result: Commissioning, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the page shows besides its figures."""
    made = document["reconstruction"]
    words = [
        made["camera"],
        made["method"],
        made["filter"],
        " × ".join(f"{v:g}" for v in made["voxel_mm"]) + " mm",
    ]
    return {
        "heading": "Commissioning",
        "label": f"{result.filling.nuclide} {'PET' if result.first.image.modality == 'PT' else 'SPECT'}",
        "subtitle": " · ".join(word for word in words if word),
        "predicted": None,
        "disclaimer": DISCLAIMER,
        "version": document["provenance"]["version"],
        "computed": date_and_time(document["provenance"]["started"]),
        "cards": _cards(result),
        "warnings": [{"code": n.code, "message": n.message} for n in result.notices],
        "limits": [_limit_row(verdict) for verdict in result.verdicts],
        "spheres": [_sphere_row(row) for row in document["acquisitions"][0]["spheres"]],
        "facts": _facts(result),
        "acquisitions": [
            _acquisition_row(row, d)
            for row, d in zip(document["acquisitions"], result.linearity, strict=True)
        ],
        "counts": result.counts,
        "inputs": [
            {
                "file": i.get("file") or f"series …{i['series_instance_uid'][-12:]}",
                "role": i["role"],
                "sha256": str(i["sha256"])[:12],
            }
            for i in document["provenance"]["inputs"]
        ],
    }


def _cards(result: Commissioning) -> list[dict[str, str]]:
    """The few numbers that are read first."""
    unit = "cps/MBq" if result.counts else "measured over true"
    note = f"{unit}, ± {percent(result.calibration_uncertainty, 2)}"
    cards = [{"label": "Calibration", "value": number(result.calibration, 4), "note": note}]
    if result.gaussian is not None:
        fits = {True: "one Gaussian fits", False: "one Gaussian does not fit", None: "not judged"}
        note = f"FWHM, mm; {fits[one_gaussian(result.gaussian)]}"
        cards.append({"label": "Resolution", "value": number(result.gaussian.fwhm_mm), "note": note})
    for one in (result.first.spheres[-1:] + result.first.spheres[:1]) if result.first.spheres else ():
        note = f"± {number(one.uncertainty, 2)}, mean of the volume"
        cards.append(
            {"label": f"Recovery {one.sphere.diameter_mm:g} mm", "value": number(one.recovery), "note": note}
        )
    if result.first.background is not None:
        cards.append(
            {
                "label": "Noise",
                "value": percent(result.first.background.noise_cv),
                "note": "CoV in the background",
            }
        )
    if result.verdicts:
        failed = [v for v in result.verdicts if not v.passed]
        value = "passed" if not failed else f"{len(failed)} of {len(result.verdicts)} failed"
        note = f"{len(result.verdicts)} limits of the site"
        cards.append(
            {"label": "Limits", "value": value, "note": note, "status": "met" if not failed else "not-met"}
        )
    return cards


def _limit_row(verdict: Verdict) -> dict[str, str]:
    """One limit of the site."""
    plain = verdict.name == "fwhm_mm" or verdict.name.startswith("recovery")
    text = number if plain else percent
    sign = "≥" if verdict.name.startswith("recovery") else "≤"
    return {
        "name": LIMIT_NAMES.get(verdict.name, verdict.name),
        "value": text(verdict.value),
        "limit": f"{sign} {text(verdict.limit)}",
        "status": "met" if verdict.passed else "not-met",
        "word": "passed" if verdict.passed else "failed",
    }


def _sphere_row(row: Mapping[str, Any]) -> dict[str, str]:
    """One sphere."""
    size = row["diameter_by_counts_mm"]
    return {
        "diameter": f"{row['diameter_mm']:g}",
        "volume": number(row["volume_ml"]),
        "found": "placed from the layout"
        if row["placed_from_layout"]
        else f"{row['off_layout_mm']:.1f} mm off the layout",
        "by_counts": MISSING if size is None else f"{size:.1f}",
        "mean": number(row["recovery"]),
        "uncertainty": number(row["recovery_uncertainty"], 2),
        "half": number(row["recovery_50_percent"]),
        "fixed": number(row["recovery_1_ml"]),
        "greatest": number(row["recovery_max"]),
        "contrast": percent(row["contrast_recovery"]),
        "variability": percent(row["background_variability"]),
    }


def _facts(result: Commissioning) -> list[tuple[str, str]]:
    """What else was measured, by name."""
    first, fit, gaussian, dead = result.first, result.recovery_fit, result.gaussian, result.dead_time
    facts = [("In the phantom at filling", format_activity(result.filling.total_bq))]
    if first.background is not None:
        background = first.background
        facts.append(("Background", f"{background.volume_ml:.0f} mL, CoV {percent(background.noise_cv)}"))
        if background.uniformity is not None:
            text = f"SD {percent(background.uniformity)} of {background.spots} balls of {background.spot_diameter_mm:g} mm"
            facts.append(("Uniformity", text))
    if first.insert_residual is not None:
        facts.append(("Left in the cold insert", f"{percent(first.insert_residual)} of the background"))
    if fit is not None:
        errors = [number(float(fit.covariance[k, k]) ** 0.5, 2) for k in range(2)]
        text = f"1 − 1/(1 + (V/b1)^b2), b1 {number(fit.b1_ml)} ± {errors[0]} mL, b2 {number(fit.b2)} ± {errors[1]}"
        used = " (not used: a Gaussian fits better)" if isinstance(fit, GaussianRecovery) else ""
        facts.append(("Recovery curve", text + used))
    if isinstance(fit, GaussianRecovery):
        text = f"{number(fit.fwhm_mm)} mm with voxels and regions, scale {number(fit.scale, 4)}"
        facts.append(("Recovery taken", f"one Gaussian: {text}"))
    if gaussian is not None:
        error = number(float(gaussian.covariance[0, 0]) ** 0.5, 2)
        text = (
            f"{number(gaussian.fwhm_mm)} ± {error} mm, scale {number(gaussian.scale, 4)}, χ² {number(gaussian.chi2)} of "
            f"{gaussian.degrees} degrees of freedom"
        )
        facts.append(("Gaussian through recovery", text))
    if first.found is not None:
        model = first.found.model
        text = f"{number(model.fwhm_mm)} ± {number(model.fwhm_error_mm, 2)} mm (standard error from the residuals)"
        facts.append(("Gaussian through the voxels", text))
    if dead is not None:
        text = f"{number(1e6 * dead.time_constant_s)} ± {number(1e6 * dead.error_s, 2)} µs, paralysable"
        facts.append(("Dead time", text))
    return facts


def _acquisition_row(row: Mapping[str, Any], deviation: float) -> dict[str, str]:
    """One acquisition."""
    return {
        "start": date_and_time(row["start"]),
        "activity": format_activity(row["activity_bq"]),
        "rate": number(row["observed_rate_cps"], 4),
        "calibration": number(row["calibration"], 4),
        "noise": percent(row["calibration_noise"], 2),
        "deviation": f"{100 * deviation:+.2f} %".replace("-", "−"),
        "cv": percent((row["background"] or {}).get("noise_cv")),
    }
