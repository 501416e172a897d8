"""Dose between microspheres in words and numbers, for the page of a dose; exploratory."""

from __future__ import annotations

from typing import Any

from y90voxel.microscale.microscale_report import (
    EXPLORATORY,
    ILLUSTRATIVE_ALPHAS_PER_GY,
    SHOWN_PERCENTS,
    MicroscaleRegion,
    MicroscaleReport,
)
from y90voxel.microscale.sphere_kernel import SCORING_MM
from y90voxel.report.formatting import dose_text, number

__all__ = ["microscale_section"]


def microscale_section(report: MicroscaleReport | None) -> dict[str, Any] | None:
    """Return what the page says of dose between microspheres; None where nobody asked."""
    if report is None:
        return None
    spacing = " × ".join(f"{s:.3g}" for s in report.voxel_mm)
    return {
        "statement": EXPLORATORY,
        "assumptions": report.assumptions,
        "scale": f"{SCORING_MM:g} mm",
        "voxels": f"{spacing} mm",
        "percents": SHOWN_PERCENTS,
        "alphas": [f"{alpha:g}" for alpha in ILLUSTRATIVE_ALPHAS_PER_GY],
        "rows": [_row(region) for region in report.regions],
        "stated": [sentence for region in report.regions for sentence in _at_stated_alpha(region)],
    }


def _row(region: MicroscaleRegion) -> dict[str, Any]:
    """Numbers of one region."""
    expected, alone = region.d_gy, region.d_alone_gy
    return {
        "region": region.region,
        "mean": dose_text(region.mean_gy),
        "voxel": [dose_text(region.voxel_d_gy[percent]) for percent in SHOWN_PERCENTS],
        "expected": [dose_text(expected[percent]) for percent in SHOWN_PERCENTS],
        "alone": [dose_text(alone[percent]) for percent in SHOWN_PERCENTS],
        "cv": number(100.0 * region.cv),
        "cv_alone": number(100.0 * region.cv_alone),
        "eud": [dose_text(region.eud_gy[alpha]) for alpha in ILLUSTRATIVE_ALPHAS_PER_GY],
        "eud_alone": [dose_text(region.eud_alone_gy[alpha]) for alpha in ILLUSTRATIVE_ALPHAS_PER_GY],
        "spheres": number(region.spheres_per_ml),
        "empty": number(100.0 * region.empty_lobules, 2),
    }


def _at_stated_alpha(region: MicroscaleRegion) -> list[str]:
    """EUD at the α that was stated of the role, in a sentence."""
    return [
        f"{region.region}: EUD {dose_text(gy)} Gy ({dose_text(region.eud_alone_gy[alpha])} Gy for spheres alone) at the stated α "
        f"of {alpha:g} /Gy."
        for alpha, gy in region.eud_gy.items()
        if alpha not in ILLUSTRATIVE_ALPHAS_PER_GY
    ]
