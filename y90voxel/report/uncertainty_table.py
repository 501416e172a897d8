"""The table of uncertainties: one row a region, as text."""

from __future__ import annotations

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.summary import RegionUncertainty
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import MISSING, dose_text, number, percent

__all__ = ["partial_volume_note", "partial_volume_rows", "uncertainty_rows"]


def uncertainty_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return mean, interval and the parts of its uncertainty by region; nothing where they were not asked for."""
    rows: list[dict[str, str]] = []
    if evaluation.uncertainty is None:
        return rows
    curve = evaluation.uncertainty.inputs["recovery"]
    for metrics in evaluation.regions:
        uncertainty = metrics.uncertainty
        if uncertainty is None:
            continue
        budget = uncertainty.budget
        rows.append(
            {
                "name": metrics.name,
                "mean": dose_text(metrics.mean_gy),
                "budget": f"{_between(uncertainty.low_gy, uncertainty.high_gy)} (of the {uncertainty.interval_of})",
                "whole": percent(metrics.relative_uncertainty, 2),
                "activity": percent(budget.activity, 2),
                "volume": percent(abs(budget.volume_factor) * budget.volume, 2),
                "recovery": MISSING if curve is None else percent(budget.recovery_fit, 2),
                "statistics": _counts(uncertainty),
                "sampled": _between(uncertainty.sampled_low_gy, uncertainty.sampled_high_gy),
            }
        )
    return rows


def _counts(uncertainty: RegionUncertainty) -> str:
    """The part of counts and simulation; an unknown one is not zero."""
    counts_text = percent((uncertainty.budget.statistics**2 + uncertainty.simulation**2) ** 0.5, 2)
    if uncertainty.statistics_known:
        return counts_text
    return f"not known, simulation {counts_text}" if uncertainty.simulation else "not known"


def _between(low_gy: float | None, high_gy: float | None) -> str:
    """An interval of doses."""
    return MISSING if low_gy is None or high_gy is None else f"{dose_text(low_gy)} to {dose_text(high_gy)}"


def partial_volume_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return uncorrected and corrected numbers by region; nothing where no correction was asked for."""
    rows = []
    for metrics in evaluation.regions:
        partial_volume = metrics.partial_volume
        if partial_volume is None or metrics.role == Role.BODY:
            continue
        has_recovery = partial_volume.recovery is not None
        rows.append(
            {
                "name": metrics.name,
                "mean": dose_text(metrics.mean_gy),
                "by_recovery": dose_text(partial_volume.mean_corrected_gy),
                "deconvolved": dose_text(partial_volume.deconvolved_mean_gy),
                "d70": dose_text(metrics.d_gy[70]),
                "deconvolved_d70": dose_text(partial_volume.deconvolved_d70_gy),
                "ratio": number(partial_volume.tumour_to_normal_ratio),
                "ratio_corrected": number(partial_volume.tumour_to_normal_ratio_corrected),
                "recovery": f"{partial_volume.recovery:.2f} ± {partial_volume.recovery_uncertainty:.2f}"
                if has_recovery
                else MISSING,
            }
        )
    return rows


def partial_volume_note(evaluation: Evaluation) -> str:
    """Return how the corrected numbers came about."""
    used = evaluation.partial_volume or {}
    parts = []
    if used.get("recovery"):
        curve = used["recovery"]
        parts.append(
            f"By recovery: warm-background formula against {used['background']} further than "
            f"{used['background_margin_mm']:g} mm from tumours, recovery 1 − 1/(1 + (V/{number(curve['b1_ml'])} "
            f"mL)^{number(curve['b2'])}) of spheres; it holds for the reconstruction and contouring that they were measured with."
        )
    if used.get("deconvolution"):
        method = used["deconvolution"]
        parts.append(
            f"Deconvolved: {method['iterations']} iterations of Richardson-Lucy, {method['fwhm_mm']:g} mm FWHM, calibrated anew."
        )
    parts.append("Dose map, histograms and limits are uncorrected.")
    return " ".join(parts)
