"""What a comparison of two doses found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.region_pairs import RegionComparison
from y90voxel.comparison.voxel_agreement import GammaCriteria, VoxelAgreement
from y90voxel.errors import Notice, RegionError
from y90voxel.metrics.agreement import BlandAltman
from y90voxel.volumes.volume import DoseMap, Mask

__all__ = ["Comparison", "Normalisation", "RegionAgreement"]

SCHEMA_VERSION = 1


class Normalisation(StrEnum):
    """What the predicted dose is multiplied with before it is compared."""

    NONE = "none"
    ACTIVITY = "activity"
    MEAN_LIVER = "mean-liver"


@dataclass(frozen=True)
class RegionAgreement:
    """Agreement of mean doses over the regions of one patient.

    Parameters
    ----------
    regions : tuple of str
        The regions, none of which contains another.
    bland_altman : BlandAltman or None
        Delivered minus predicted [Gy]; None with fewer than two regions, as everything below.
    bland_altman_ratio : BlandAltman or None
        Delivered over predicted; None too where a mean is not positive.
    concordance, pearson, spearman : float or None
        Lin's concordance and correlations; None where undefined.
    """

    regions: tuple[str, ...]
    bland_altman: BlandAltman | None = None
    bland_altman_ratio: BlandAltman | None = None
    concordance: float | None = None
    pearson: float | None = None
    spearman: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the agreement for JSON."""
        gy, ratio = self.bland_altman, self.bland_altman_ratio
        return {
            "regions": list(self.regions),
            "bland_altman": gy
            and {"bias_gy": gy.bias, "sd_gy": gy.sd, "lower_gy": gy.lower, "upper_gy": gy.upper},
            "bland_altman_ratio": ratio
            and {"bias": ratio.bias, "sd": ratio.sd, "lower": ratio.lower, "upper": ratio.upper},
            "concordance": self.concordance,
            "pearson": self.pearson,
            "spearman": self.spearman,
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    predicted, delivered : ComparedDose
        The two sides as they were given.
    predicted_dose, delivered_dose : DoseMap
        Both doses on the delivered grid [Gy], the predicted one normalised.
    normalisation : Normalisation
        How.
    factor : float
        What the predicted dose was multiplied with.
    regions : tuple of RegionComparison
        In the order of the delivered calculation.
    agreement : RegionAgreement
        Over regions.
    volume : Mask
        Where voxels are compared.
    volume_name : str
        What that is.
    voxels : VoxelAgreement or None
        Voxel by voxel in ``volume``.
    gamma : ndarray or None
        Gamma of each voxel, NaN where it was not compared.
    criteria : GammaCriteria
        Of gamma.
    notices : tuple of Notice
        Every assumption and oddity.
    """

    predicted: ComparedDose
    delivered: ComparedDose
    predicted_dose: DoseMap
    delivered_dose: DoseMap
    normalisation: Normalisation
    factor: float
    regions: tuple[RegionComparison, ...]
    agreement: RegionAgreement
    volume: Mask
    volume_name: str
    voxels: VoxelAgreement | None
    gamma: NDArray[np.float64] | None
    criteria: GammaCriteria
    notices: tuple[Notice, ...]

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
        return f"The predicted dose was multiplied by {self.factor:.4g}, {what}."

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
                "statement": self.statement,
            },
            "gamma_criteria": self.criteria.as_dict(),
            "regions": [region.as_dict() for region in self.regions],
            "agreement": {
                **self.agreement.as_dict(),
                "volume": self.volume_name,
                "volume_ml": self.volume.volume_ml,
                "voxels": None if self.voxels is None else self.voxels.as_dict(),
            },
            "warnings": [{"code": notice.code, "message": notice.message} for notice in self.notices],
        }
