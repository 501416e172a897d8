"""A comparison in a notebook: the doses of each region on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from y90voxel.comparison.region_comparison import RegionComparison
from y90voxel.display import block, closing_notes, table
from y90voxel.errors import Notice

__all__ = ["comparison_html"]


class ViewedComparison(Protocol):
    """What a view needs of a comparison; see `y90voxel.comparison.comparison_result.Comparison` for each attribute."""

    @property
    def regions(self) -> Sequence[RegionComparison]:
        """Each region in both calculations."""

    @property
    def statement(self) -> str:
        """The normalisation in a sentence."""

    @property
    def voxels_reason(self) -> str | None:
        """Why nothing was compared voxel by voxel."""

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Every assumption and oddity."""


def comparison_html(comparison: ViewedComparison) -> str:
    """Return what a notebook shows of a comparison.

    It says nothing of the patient: no identifier, no date, no path.

    Parameters
    ----------
    comparison : ViewedComparison
        The result.
    """
    rows = []
    for region in comparison.regions:
        percent = region.difference_percent["mean_gy"]
        means = (region.predicted.metrics.mean_gy, region.delivered.metrics.mean_gy)
        change = f"{means[1] - means[0]:+.4g}"
        share = "–" if percent is None else f"{percent:+.1f} %"
        rows.append((region.name, *(f"{gy:.4g}" for gy in means), change, share))
    header = ("region", "predicted mean, Gy", "delivered mean, Gy", "difference, Gy", "of predicted")
    reason = [comparison.voxels_reason] if comparison.voxels_reason else []
    closing = closing_notes([notice.code for notice in comparison.warnings], "comparison.warnings")
    title = "Predicted against delivered dose"
    return block(title, table(header, rows) if rows else "", notes=[comparison.statement, *reason, *closing])
