"""The table of regions: which columns there are, and the rows as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.region_columns import REGION_COLUMNS, Printed, RegionColumn, Style
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.regions.palette import region_styles
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import MISSING, dose_text, number, percent

__all__ = ["Column", "every_region_is_automatic", "region_columns", "region_rows"]


# What a CT of another breathing position decides.
LUNGS = (Role.LUNG, Role.LUNGS)


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
    tail : bool
        Whether noise decides it, so that it is marked.
    """

    group: str
    heading: str
    text: Callable[[RegionMetrics], str]
    key: bool = False
    starts: bool = False
    tail: bool = False


def region_columns(evaluation: Evaluation) -> list[Column]:
    """Return the columns that an evaluation needs; uncertainty only where a region has them."""
    chosen = [
        column
        for column in REGION_COLUMNS
        if column.printed is not None and _is_needed(column, column.printed, evaluation)
    ]
    columns = [_column(column, column.printed) for column in sorted(chosen, key=_order) if column.printed]
    groups = ["", *(column.group for column in columns)]
    return [replace(c, starts=c.group != before) for before, c in zip(groups, columns, strict=False)]


def _order(column: RegionColumn) -> float:
    """Where a column stands."""
    return 0.0 if column.printed is None else column.printed.order


def _is_needed(column: RegionColumn, printed: Printed, evaluation: Evaluation) -> bool:
    """Whether a column stands in the table."""
    if evaluation.uncertainty is not None and not printed.beside_budget:
        return False  # the uncertainties have a table of their own
    return not printed.optional or any(column.value(m) is not None for m in evaluation.regions)


def _column(column: RegionColumn, printed: Printed) -> Column:
    """The column of a table, as text."""
    write = _WRITERS[printed.style]

    def cell(metrics: RegionMetrics) -> str:
        value = column.value(metrics)
        return write(None if value is None else value / printed.unit_size)

    return Column(printed.group, printed.heading, cell, key=printed.stands_out, tail=column.tail)


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
        if region.role in LUNGS and not evaluation.lung.reliable:
            flags.append("not reliable")
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


def _volume(value: float | None) -> str:
    """A volume in percent with one decimal: hundredths of a percent of a volume mean nothing."""
    return MISSING if value is None else f"{value:.1f}"


def _uncertainty(value: float | None) -> str:
    """A relative uncertainty with two digits."""
    return percent(value, 2)


_WRITERS: dict[Style, Callable[[float | None], str]] = {
    Style.NUMBER: number,
    Style.DOSE: dose_text,
    Style.VOLUME: _volume,
    Style.SHARE: _uncertainty,
}
