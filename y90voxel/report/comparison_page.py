"""The page of a comparison: what it says, as plain rows of text, and the writing of page and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.comparison_result import Comparison
from y90voxel.comparison.region_comparison import COVERAGE, RegionComparison, RegionSide
from y90voxel.comparison.resolution import ResolutionMatch
from y90voxel.comparison.voxel_comparison import VoxelComparison
from y90voxel.dose.engines import engine_label
from y90voxel.regions.roles import Role
from y90voxel.report.alignment_figure import alignment_png
from y90voxel.report.comparison_figures import comparison_figures, comparison_styles
from y90voxel.report.comparison_viewer import VIEWER_FILE, comparison_viewer, write_comparison_viewer
from y90voxel.report.dose_content import DISCLAIMER, PREDICTED
from y90voxel.report.dose_page import embedded, render_page
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, number, percent, signed_dose
from y90voxel.report.registration_rows import registration_rows
from y90voxel.units import format_activity
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.volume import CtImage

__all__ = ["comparison_content", "render_comparison_page", "write_comparison_report"]

# Metrics in the table of regions, by heading.
COLUMNS = {"Mean dose": "mean_gy", "D90": "d90_gy", "D70": "d70_gy", "D2": "d2_gy"}
# Percentages of less than this say nothing [Gy].
LEAST_GY = 0.1


def write_comparison_report(
    comparison: Comparison,
    provenance: Mapping[str, Any],
    folder: str | Path,
    alignment: Alignment | DeformableAlignment | None = None,
    ct: CtImage | None = None,
) -> list[Path]:
    """Write ``compare.html``, ``figures/*.png`` and, where voxels were compared, ``viewer.html``; return their paths.

    Parameters
    ----------
    comparison : Comparison
        What is reported.
    provenance : mapping
        Version, inputs, time.
    folder : path-like
        Exists; files in it are replaced.
    alignment : Alignment, DeformableAlignment or None
        Of the CTs, where they were registered; drawn.
    ct : CtImage or None
        CT of the delivered study, shown under the doses; that of the alignment by default.
    """
    folder = Path(folder)
    if alignment is not None:
        ct = _delivered_ct(alignment, comparison)
    figures = comparison_figures(comparison, ct)
    if alignment is not None:
        figures["registration.png"] = alignment_png(alignment)
    (folder / "figures").mkdir(exist_ok=True)
    paths = [folder / "compare.html"]
    for name, png in figures.items():
        paths.append(folder / "figures" / name)
        paths[-1].write_bytes(png)
    content = comparison_content(comparison, provenance)
    page = content | {"figures": embedded(figures), "viewer": None}
    if comparison.voxels is not None:
        shown = comparison_viewer(comparison, comparison.voxels, content, ct)
        paths.append(write_comparison_viewer(shown, folder / VIEWER_FILE))
        page["viewer"] = VIEWER_FILE
    paths[0].write_text(render_page("compare.html.j2", page), encoding="utf-8")
    return paths


def _delivered_ct(alignment: Alignment | DeformableAlignment, comparison: Comparison) -> CtImage:
    """The CT that the other was brought onto, in the frame that the delivered dose names."""
    fixed = (alignment.rigid if isinstance(alignment, DeformableAlignment) else alignment).fixed
    frame = comparison.delivered.dose.grid.frame_of_reference_uid
    return replace(fixed, grid=replace(fixed.grid, frame_of_reference_uid=frame))


def render_comparison_page(
    comparison: Comparison, provenance: Mapping[str, Any], figures: Mapping[str, bytes]
) -> str:
    """Return the page with its figures inside."""
    content = comparison_content(comparison, provenance)
    return render_page("compare.html.j2", content | {"figures": embedded(figures), "viewer": None})


def comparison_content(comparison: Comparison, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the page shows besides its figures."""
    nuclide = comparison.delivered.nuclide or comparison.predicted.nuclide
    return {
        "heading": "Predicted and delivered dose",
        "label": comparison.delivered.label or MISSING,
        "subtitle": f"{nuclide + ' · ' if nuclide else ''}{comparison.statement}",
        "predicted": PREDICTED if comparison.delivered.is_prediction else None,
        "disclaimer": DISCLAIMER,
        "version": str(provenance.get("version", MISSING)),
        "computed": date_and_time(provenance.get("started")),
        "cards": _cards(comparison),
        "warnings": [{"code": notice.code, "message": notice.message} for notice in comparison.notices],
        "sides": [_side_row("predicted", comparison.predicted), _side_row("delivered", comparison.delivered)],
        "regions": [_region_row(comparison, region) for region in comparison.regions],
        "columns": list(COLUMNS),
        "activities": _activity_rows(comparison),
        "uncertainties": _uncertainty_rows(comparison),
        "agreement": _agreement_sentences(comparison),
        "no_agreement": comparison.agreement.reason,
        "voxels": None if comparison.voxels is None else _voxel_part(comparison.voxels),
        "resolution": None if comparison.resolution is None else _resolution_part(comparison.resolution),
        "registration": None
        if comparison.registration is None
        else registration_rows(
            comparison.registration,
            f"{comparison.registration['how']}.",
            "the delivered and the predicted CT",
        ),
        "voxels_reason": comparison.voxels_reason,
        "inputs": [
            {"side": side, "file": item["file"], "sha256": str(item["sha256"])[:12]}
            for side in ("predicted", "delivered", "registration")
            for item in provenance.get(side) or ()
        ],
    }


def _cards(comparison: Comparison) -> list[dict[str, str]]:
    """The few numbers that are read first."""
    cards = []
    by_role = {region.role: region for region in comparison.regions}
    for region in (_tumour(comparison.regions), by_role.get(Role.NON_TUMOUR_LIVER), by_role.get(Role.LUNGS)):
        if region is not None:
            change = region.difference_percent["mean_gy"]
            note = f"mean {dose_text(region.predicted.metrics.mean_gy)} → {dose_text(region.delivered.metrics.mean_gy)} Gy"
            cards.append(_card(region.name.capitalize(), _signed_percent(change), note))
    agreement = comparison.agreement
    if agreement.concordance is not None:
        cards.append(
            _card(
                "Concordance",
                number(agreement.concordance),
                f"mean doses of {len(agreement.lesions)} lesions",
            )
        )
    voxels = comparison.voxels
    if voxels is not None and voxels.voxels is not None:
        cards.append(_card("Voxel correlation", number(voxels.voxels.pearson), voxels.volume_name))
        passed = percent(voxels.voxels.gamma_pass_fraction)
        cards.append(_card("Gamma up to 1", passed, str(voxels.criteria)))
    return cards


def _tumour(regions: Sequence[RegionComparison]) -> RegionComparison | None:
    """All tumours together; the only lesion where it is all of them in both, since its name says more."""
    lesions = [region for region in regions if region.role is Role.TUMOUR]
    together = next((region for region in regions if region.role is Role.TUMOURS), None)
    if len(lesions) == 1 and (together is None or _volumes(lesions[0]) == _volumes(together)):
        return lesions[0]
    return together or next(iter(lesions), None)


def _volumes(region: RegionComparison) -> list[float]:
    """Volumes of both sides [mL], to a thousandth: those of one lesion and of all are summed in another order."""
    return [round(side.metrics.volume_ml, 3) for side in (region.predicted, region.delivered)]


def _card(label: str, value: str, note: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _side_row(name: str, side: ComparedDose) -> dict[str, str]:
    """What is known of one side."""
    return {
        "side": name,
        "label": side.label or MISSING,
        "activity": MISSING if side.activity_bq is None else format_activity(side.activity_bq),
        "shunt": percent(side.lung_shunt_fraction),
        "engine": MISSING if side.engine is None else engine_label(side.engine),
        "grid": str(side.dose.grid),
    }


def _region_row(comparison: Comparison, region: RegionComparison) -> dict[str, Any]:
    """Doses of one region, predicted, delivered and difference."""
    difference, relative = region.difference, region.difference_percent
    cells, entry = [], region.as_dict()
    for key in COLUMNS.values():
        change = relative[key] if entry["predicted"][key] >= LEAST_GY else None
        cells.append(
            {
                "before": dose_text(entry["predicted"][key]),
                "after": dose_text(entry["delivered"][key]),
                "change": signed_dose(difference[key]),
                "percent": "" if change is None else _signed_percent(change),
            }
        )
    style = comparison_styles(comparison)[region.name]
    return {
        "name": region.name,
        "role": region.role.value.replace("_", " "),
        "matched": "" if region.pair.matched_by == "name" else f"predicted as {region.pair.predicted.name}",
        "colour": style.colour,
        "dash": " ".join(str(2.2 * length) for length in style.dash),
        "volumes": [number(side.metrics.volume_ml) for side in (region.predicted, region.delivered)],
        "cells": cells,
        "dvh_overlap": MISSING if region.histograms is None else number(region.histograms.overlap),
    }


def _activity_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Activity, its share, dose per activity and tumour-to-normal ratio of every region; those of which one is known."""
    rows = []
    for region in comparison.regions:
        sides = [_activity_cells(side) for side in (region.predicted, region.delivered)]
        cells = [cell for both in zip(*sides, strict=True) for cell in both]
        if any(cell != MISSING for cell in cells):
            rows.append({"name": region.name, "cells": cells})
    return rows


def _activity_cells(side: RegionSide) -> list[str]:
    """The four numbers of one side."""
    activity_bq = side.metrics.activity_bq
    return [
        MISSING if activity_bq is None else format_activity(activity_bq),
        percent(side.activity_share),
        MISSING if side.mean_gy_per_gbq is None else dose_text(side.mean_gy_per_gbq),
        number(side.tumour_to_normal),
    ]


def _uncertainty_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Uncertainties of both means, and whether their difference is within that of it; none where no side states any."""
    rows = []
    for region in comparison.regions:
        both = [side.metrics.relative_uncertainty for side in (region.predicted, region.delivered)]
        if both == [None, None]:
            continue
        uncertainty_gy, within = region.difference_uncertainty_gy, region.is_within_uncertainty
        rows.append(
            {
                "name": region.name,
                "predicted": percent(both[0]),
                "delivered": percent(both[1]),
                "difference": signed_dose(region.difference["mean_gy"]),
                "interval": MISSING
                if uncertainty_gy is None
                else f"± {dose_text(COVERAGE * uncertainty_gy)}",
                "within": {None: "not known", True: "within", False: "beyond"}[within],
                "status": {None: "unconfirmed", True: "met", False: "not-met"}[within],
            }
        )
    return rows


def _resolution_part(match: ResolutionMatch) -> dict[str, Any]:
    """What was blurred, and the means of regions before and after."""
    rows = [
        {
            "name": name,
            "before": dose_text(before),
            "after": dose_text(after),
            "change": _signed_percent(100.0 * (after / before - 1.0) if before > 0 else None),
        }
        for name, (before, after) in match.means_gy.items()
    ]
    return {"statement": match.statement, "side": match.blurred, "rows": rows}


def _voxel_part(voxels: VoxelComparison) -> dict[str, Any]:
    """What is said of voxels."""
    return {
        "how": voxels.how,
        "levels": [] if voxels.voxels is None else [f"{level:g}" for level in voxels.voxels.isodose_dice],
        "rows": _voxel_rows(voxels),
        "criteria": str(voxels.criteria),
        "cutoff": percent(voxels.criteria.cutoff_fraction, 2),
        "volume_name": voxels.volume_name,
    }


def _voxel_rows(voxels: VoxelComparison) -> list[dict[str, Any]]:
    """Voxel agreement of the whole compared volume and of every region."""
    named = [(voxels.volume_name, voxels.voxels), *((r.name, r.voxels) for r in voxels.regions)]
    return [
        {
            "name": name,
            "count": v.count,
            "rmse": dose_text(v.rmse_gy),
            "pearson": number(v.pearson),
            "spearman": number(v.spearman),
            "concordance": number(v.concordance),
            "dice": [number(value) for value in v.isodose_dice.values()],
            "gamma": percent(v.gamma_pass_fraction),
            "quality": number(v.quality_factor),
        }
        for name, v in named
        if v is not None
    ]


def _agreement_sentences(comparison: Comparison) -> list[str]:
    """Bias, limits of agreement and concordance in words."""
    agreement, limits, ratio = (
        comparison.agreement,
        comparison.agreement.bland_altman,
        comparison.agreement.bland_altman_ratio,
    )
    if limits is None:
        return []
    sentences = [
        f"Over {len(agreement.lesions)} lesions ({', '.join(agreement.lesions)}) the delivered mean dose differs by "
        f"{signed_dose(limits.bias)} Gy on average; 95 % limits of agreement {signed_dose(limits.lower)} to "
        f"{signed_dose(limits.upper)} Gy; concordance {number(agreement.concordance)}, Pearson "
        f"{number(agreement.pearson)}, Spearman {number(agreement.spearman)}."
    ]
    if ratio is not None:
        sentences.append(
            f"As ratios: delivered over predicted {number(ratio.bias)}, limits {number(ratio.lower)} to "
            f"{number(ratio.upper)}."
        )
    sentences.append(
        "A handful of lesions of one patient: the limits describe these lesions and nothing else."
    )
    return sentences


def _signed_percent(value: float | None) -> str:
    """A percentage with its sign, no finer than a tenth."""
    if value is None:
        return MISSING
    tenths = round(value, 1)
    return f"{tenths:+.1f} %".replace("-", "−") if tenths else "0 %"
