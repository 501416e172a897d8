"""Regions in a notebook: what there is, what it counts as, and how large it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from y90voxel.display import block, table
from y90voxel.regions.palette import region_styles
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Mask

__all__ = ["regions_html", "regions_table"]


class ViewedRegion(Protocol):
    """What a view needs of a region; see `y90voxel.regions.regions.Region` for each attribute."""

    @property
    def name(self) -> str:
        """As drawn, or the standard name of a derived region."""

    @property
    def role(self) -> Role:
        """What it means to the dosimetry."""

    @property
    def mask(self) -> Mask:
        """Fractional occupancy on the dose grid."""

    @property
    def automatic(self) -> bool:
        """Whether no person drew it."""

    @property
    def truncated(self) -> bool:
        """Whether part of it lies outside the image."""


def regions_table(drawn: Iterable[ViewedRegion], derived: Iterable[ViewedRegion]) -> str:
    """Return a table of regions: name, role, volume, origin."""
    drawn, derived = list(drawn), list(derived)
    styles = region_styles((region.name, region.role) for region in (*drawn, *derived))
    rows = [_row(region, "automatic" if region.automatic else "drawn") for region in drawn]
    rows += [_row(region, "derived") for region in derived]
    colours = [styles[region.name].colour for region in (*drawn, *derived)]
    return table(("region", "role", "mL", "origin"), rows, colours)


def _row(region: ViewedRegion, origin: str) -> tuple[str, str, str, str]:
    """One region."""
    cut = ", cut off by the image" if region.truncated else ""
    return region.name, region.role.value.replace("_", " "), f"{region.mask.volume_ml:.1f}", origin + cut


def regions_html(drawn: Collection[ViewedRegion], derived: Collection[ViewedRegion]) -> str:
    """Return what a notebook shows of regions on one grid."""
    title = f"{len(drawn)} regions drawn, {len(derived)} derived"
    return block(title, regions_table(drawn, derived) if drawn else "")
