"""What pages say of a registration of CTs, as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.report.formatting import MISSING, number, percent
from y90voxel.units import format_activity

__all__ = ["REGISTERED_CTS", "registration_rows"]

REGISTERED_CTS = "the emission study's CT and the CT of the regions"

# Names of a mean, a percentile and a maximum, and their keys.
THREE = (("mean", "mean"), ("95 %", "p95"), ("most", "max"))


def registration_rows(
    entry: Mapping[str, Any], how: str, images: str, figure: str | None = None
) -> dict[str, Any]:
    """Return what a page shows of a registration and of its tumours; what was not measured has no row.

    Parameters
    ----------
    entry : mapping
        The registration as JSON outputs hold it.
    how : str
        What was done.
    images : str
        The two CTs of the checkerboard, in words.
    figure : str or None
        The checkerboard, where it is not the only one of its page.
    """
    rows: list[tuple[str, str]] = []
    liver = entry.get("liver")
    if liver is not None:
        rows.append(("Liver contours", f"Dice {number(liver['dice'])}, HD95 {number(liver['hd95_mm'])} mm"))
    landmarks = entry.get("landmarks")
    if landmarks is not None:
        rows.append((f"Target error at {landmarks['count']} landmarks, mm", _three(landmarks["mm"])))
        if landmarks["rigid_mm"] is not None:
            rows.append(("The same aligned rigidly, mm", _three(landmarks["rigid_mm"])))
    if "jacobian" in entry:
        rows += _field_rows(entry)
    if "correlation" in entry:
        before, after = entry["correlation"]
        rows.append(("Correlation of CT numbers, before and after", f"{number(before)}, {number(after)}"))
    rigid = entry.get("rigid", entry)
    if "disagreement_mm" in rigid:
        rows.append(("Two starts of the rigid alignment end apart by, mm", number(rigid["disagreement_mm"])))
    activity = entry.get("activity")
    if activity is not None:
        told = f"{format_activity(activity['before_bq'])}, {format_activity(activity['carried_bq'])}"
        outside = (
            percent(activity["outside_bq"] / activity["before_bq"]) if activity["before_bq"] else MISSING
        )
        rows.append(("Activity of the map, before and carried along", f"{told}; outside the view {outside}"))
    tumours = [
        {
            "name": tumour["name"],
            "displacement": number(tumour.get("displacement_mm")),
            "apart": number(tumour.get("centroid_distance_mm")),
        }
        for tumour in entry.get("tumours", ())
    ]
    apart = any(tumour["apart"] != MISSING for tumour in tumours)
    shown = {"how": how, "images": images, "figure": figure}
    return {**shown, "rows": rows, "tumours": tumours, "shows_distances": apart}


def _field_rows(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a deformation does."""
    ratio, moved, back = entry["jacobian"], entry["displacement_mm"], entry["inverse_consistency_mm"]
    folded = percent(ratio["folded_share"])
    rows = [
        (
            "Volume ratios in the liver",
            f"{number(ratio['min'])} to {number(ratio['max'])}; folded {folded}",
        ),
        ("Displacement in the liver beyond a rigid motion, mm", _three(moved)),
        ("Harmonic energy in the liver", number(entry["harmonic_energy"])),
    ]
    if back is not None:
        rows.append(("There and back by a registration of its own, mm", _three(back)))
    return rows


def _three(values: Mapping[str, float]) -> str:
    """A mean, a percentile and a maximum."""
    return ", ".join(f"{name} {number(values[key])}" for name, key in THREE)
