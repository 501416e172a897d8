"""What a comparison of two doses found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.comparison_view import comparison_html
from y90voxel.comparison.region_comparison import LesionAgreement, RegionComparison
from y90voxel.comparison.resolution import ResolutionMatch
from y90voxel.comparison.voxel_comparison import VoxelComparison
from y90voxel.errors import Notice, RegionError
from y90voxel.short_repr import short_repr
from y90voxel.units import format_activity

__all__ = ["Comparison", "Normalisation"]

# 2: regions are each in their own contours; what is read on one grid stands under voxels.
SCHEMA_VERSION = 2


class Normalisation(StrEnum):
    """What the predicted dose is multiplied with before it is compared."""

    NONE = "none"
    ACTIVITY = "activity"
    MEAN_LIVER = "mean-liver"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    predicted, delivered : ComparedDose
        The two sides as they were given.
    normalisation : Normalisation
        How predicted doses were normalised.
    factor : float
        What they were multiplied with.
    regions : tuple of RegionComparison
        Each region in both calculations, each in its own contour, in the order of the delivered calculation.
    agreement : LesionAgreement
        Over lesions.
    voxels : VoxelComparison or None
        Voxel by voxel, where both doses lie in one frame.
    voxels_reason : str or None
        Why there is none.
    notices : tuple of Notice
        Every assumption and oddity.
    resolution : ResolutionMatch or None
        What was blurred, where resolutions were to be matched.
    registration : mapping or None
        How the predicted frame was registered with the delivered one, and how well; None where it was not.
    """

    predicted: ComparedDose
    delivered: ComparedDose
    normalisation: Normalisation
    factor: float
    regions: tuple[RegionComparison, ...]
    agreement: LesionAgreement
    voxels: VoxelComparison | None
    voxels_reason: str | None
    notices: tuple[Notice, ...]
    resolution: ResolutionMatch | None = None
    registration: Mapping[str, Any] | None = None

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        """Show the regions of both sides in a notebook."""
        return comparison_html(self)

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Every assumption and oddity, as `notices`."""
        return self.notices

    def region(self, name: str) -> RegionComparison:
        """Return the comparison of a region.

        Raises
        ------
        RegionError
            If no compared region has that name; the message lists the names.
        """
        for region in self.regions:
            if region.name == name:
                return region
        names = ", ".join(region.name for region in self.regions) or "none"
        raise RegionError(f"no region named {name!r} was compared. The regions are: {names}.")

    @property
    def statement(self) -> str:
        """The normalisation in a sentence."""
        if self.normalisation is Normalisation.NONE:
            return "Each dose is as its own calculation states it; nothing was normalised."
        what = {
            Normalisation.ACTIVITY: "the delivered over the predicted net activity",
            Normalisation.MEAN_LIVER: "the delivered over the predicted mean dose of the liver",
        }[self.normalisation]
        totals = [side.activity_bq for side in (self.predicted, self.delivered)]
        activities = [format_activity(total) for total in totals if total is not None]
        both = f" ({activities[0]} predicted, {activities[1]} delivered)" if len(activities) == 2 else ""
        return f"The predicted dose was multiplied by {self.factor:.4g}, {what}{both}."

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``compare.json``, without provenance."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "compare",
            "predicted": self.predicted.as_dict(),
            "delivered": self.delivered.as_dict(),
            "normalisation": {
                "mode": self.normalisation.value,
                "factor": self.factor,
                "applied_to": "predicted",
                "predicted_activity_bq": self.predicted.activity_bq,
                "delivered_activity_bq": self.delivered.activity_bq,
                "statement": self.statement,
            },
            "lung_shunt_fraction": {
                "predicted": self.predicted.lung_shunt_fraction,
                "delivered": self.delivered.lung_shunt_fraction,
            },
            "resolution": None if self.resolution is None else self.resolution.as_dict(),
            "registration": None if self.registration is None else dict(self.registration),
            "regions": [region.as_dict() for region in self.regions],
            "agreement": self.agreement.as_dict(),
            "voxels": None if self.voxels is None else self.voxels.as_dict(),
            "voxels_reason": self.voxels_reason,
            "warnings": [{"code": notice.code, "message": notice.message} for notice in self.notices],
        }
