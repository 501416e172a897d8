"""The table of regions: which columns there are, and the rows as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.summary import D_PERCENT, V_GY, RegionMetrics
from y90voxel.regions.palette import region_styles
from y90voxel.report.formatting import MISSING, dose_text, number, percent
from y90voxel.units import BQ_PER_MBQ, SECONDS_PER_HOUR

__all__ = ["Column", "every_region_is_automatic", "radiobiology_notes", "region_columns", "region_rows"]


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Parameters
    ----------
    group : str
        Heading over several columns.
    heading : str
        Heading of the column, with its unit unless the group has it.
    text : callable
        Metrics of a region to the text of the cell.
    key : bool
        Whether it stands out.
    starts : bool
        Whether it is the first of its group.
    """

    group: str
    heading: str
    text: Callable[[RegionMetrics], str]
    key: bool = False
    starts: bool = False


def region_columns(evaluation: Evaluation) -> list[Column]:
    """Return the columns that an evaluation needs; BED, EUD and uncertainty only where a region has them."""
    columns = [
        Column("Size and activity", "mL", lambda m: number(m.volume_ml)),
        Column("Size and activity", "g", lambda m: number(m.mass_g)),
        Column("Size and activity", "MBq", lambda m: number(_mbq(m))),
        Column("Dose in Gy", "mean by mass", lambda m: dose_text(m.mass_weighted_mean_gy), key=True),
        Column("Dose in Gy", "mean", lambda m: dose_text(m.mean_gy)),
        Column("Dose in Gy", "SD", lambda m: dose_text(m.sd_gy)),
        Column("Dose in Gy", "min", lambda m: dose_text(m.min_gy)),
        Column("Dose in Gy", "max", lambda m: dose_text(m.max_gy)),
    ]
    columns += [_dose_column(percent) for percent in sorted(D_PERCENT, reverse=True)]
    columns += [_volume_column(dose) for dose in V_GY]
    if any(m.bed_mean_gy is not None for m in evaluation.regions):
        columns.append(Column("Model values in Gy", "mean BED", lambda m: dose_text(m.bed_mean_gy)))
    if any(m.eud_gy is not None for m in evaluation.regions):
        columns.append(Column("Model values in Gy", "EUD", lambda m: dose_text(m.eud_gy)))
    # With a budget asked for, the uncertainties have a table of their own.
    if evaluation.uncertainty is None and any(m.relative_uncertainty is not None for m in evaluation.regions):
        columns.append(Column("Uncertainty", "u, k = 1", lambda m: percent(m.relative_uncertainty, 2)))
    groups = ["", *(column.group for column in columns)]
    return [replace(c, starts=c.group != before) for before, c in zip(groups, columns, strict=False)]


def _dose_column(volume_percent: int) -> Column:
    """Column of one D_x."""
    return Column(
        "Dose in Gy to ≥ x % of the volume",
        f"D{volume_percent}",
        lambda m: dose_text(m.d_gy[volume_percent]),
    )


def _volume_column(dose_gy: int) -> Column:
    """Column of one V_d."""
    return Column("Volume in % at ≥ d Gy", f"V{dose_gy}", lambda m: _volume(m.v_percent[dose_gy]))


def region_rows(evaluation: Evaluation, columns: list[Column]) -> list[dict[str, Any]]:
    """Return the rows of the table, drawn regions first, with the colour that the figures use."""
    regions = list(evaluation.case.regions)
    styles = region_styles((region.name, region.role) for region in regions)
    drawn = {region.name for region in evaluation.case.regions.drawn}
    by_name = {region.name: region for region in regions}
    all_automatic = every_region_is_automatic(evaluation)
    rows: list[dict[str, Any]] = []
    for metrics in evaluation.regions:
        region = by_name[metrics.name]
        flags = ["automatic"] if metrics.automatic and not all_automatic else []
        if region.truncated:
            share = (
                "" if region.fraction_in_image == 1.0 else f", {percent(region.fraction_in_image)} in view"
            )
            flags.append(f"cut off by the image{share}")
        rows.append(
            {
                "name": metrics.name,
                "role": metrics.role.replace("_", " ") if metrics.name in drawn else "derived",
                "derived": metrics.name not in drawn,
                "first_derived": metrics.name not in drawn and bool(rows) and not rows[-1]["derived"],
                "colour": styles[metrics.name].colour,
                "dash": " ".join(str(2.2 * length) for length in styles[metrics.name].dash),
                "flags": flags,
                "cells": [column.text(metrics) for column in columns],
            }
        )
    return rows


def every_region_is_automatic(evaluation: Evaluation) -> bool:
    """Return whether no region was drawn by a person: then that is said once and not in every row."""
    return bool(evaluation.regions) and all(metrics.automatic for metrics in evaluation.regions)


def radiobiology_notes(evaluation: Evaluation) -> list[str]:
    """Return the parameters behind BED and EUD, one sentence per region that has them."""
    notes = []
    for metrics in evaluation.regions:
        parameters = metrics.radiobiology
        if parameters is not None:
            hours = number(parameters.repair_half_time_s / SECONDS_PER_HOUR)
            alpha = "" if parameters.alpha_per_gy is None else f", α {number(parameters.alpha_per_gy)} /Gy"
            notes.append(
                f"{metrics.name}: α/β {number(parameters.alpha_beta_gy)} Gy, repair half-time {hours} h{alpha}"
            )
    return notes


def _mbq(metrics: RegionMetrics) -> float | None:
    """Activity of a region in MBq."""
    return None if metrics.activity_bq is None else metrics.activity_bq / BQ_PER_MBQ


def _volume(value: float | None) -> str:
    """A volume in percent with one decimal: hundredths of a percent of a volume mean nothing."""
    return MISSING if value is None else f"{value:.1f}"
