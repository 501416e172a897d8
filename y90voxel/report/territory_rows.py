"""Rows about several injections that one scan follows: what each brought, and the doses of its territory."""

from __future__ import annotations

from collections.abc import Sequence

from y90voxel.case.evaluation import Evaluation
from y90voxel.case.territory_doses import TerritoryDoses
from y90voxel.report.formatting import MISSING, date_and_time, number, percent
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = ["artery_rows", "reference_activity", "territory_rows"]


def artery_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return what was given, one row an injection."""
    image = evaluation.case.injections[0].emission
    imaged = " ".join(part for part in (image.imaged_nuclide, image.modality) if part)
    rows = []
    for one in evaluation.arteries:
        share = one.share
        before = f"{number(share.hours_before_reference)} h before the last"
        rows.append(
            {
                "activity": format_activity(share.net_activity_bq),
                "time": before if share.time is None else date_and_time(share.time.isoformat()),
                "shunt": percent(share.lung_shunt_fraction),
                "territory": share.territory or "not stated",
                "image": f"{imaged}, one for all",
            }
        )
    return rows


def reference_activity(territories: Sequence[TerritoryDoses]) -> str:
    """Return the sum of the decayed injections in one sentence; nothing without several."""
    if not territories:
        return ""
    parts = [one.share.activity_at_reference_bq for one in territories]
    terms = " + ".join(format_activity(part) for part in parts)
    return f"At the last injection, all {len(parts)} together hold {terms} = {format_activity(sum(parts))}."


def territory_rows(territories: Sequence[TerritoryDoses]) -> list[dict[str, str]]:
    """Return one row for every region in every territory; an injection without territory has one row."""
    rows = []
    for one in territories:
        share = one.share
        image = share.image_at_reference_bq
        facts = {
            "injection": share.name,
            "territory": share.territory or "not stated",
            "stated": number(share.stated_in_liver_bq / BQ_PER_GBQ, 4),
            "image": MISSING if image is None else number(image / BQ_PER_GBQ, 4),
            "ratio": number(share.image_over_stated),
        }
        for index, part in enumerate(one.parts):
            shown = facts if index == 0 else dict.fromkeys(facts, "")
            mean = part.mean_gy if part.mass_weighted_mean_gy is None else part.mass_weighted_mean_gy
            named = {
                "region": "all of it" if index == 0 else part.region,
                "volume": number(part.volume_ml, 4),
                "mean": number(mean, 4),
            }
            rows.append({**shown, **named})
        if not one.parts:
            rows.append({**facts, "region": MISSING, "volume": MISSING, "mean": MISSING})
    return rows
