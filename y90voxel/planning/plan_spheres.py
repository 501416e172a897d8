"""What planning models mean between microspheres: rows for ``plan.json`` and the page; exploratory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from y90voxel.microscale.microscale_report import EXPLORATORY
from y90voxel.microscale.sphere_activity import SphereActivity
from y90voxel.microscale.sphere_kernel import SCORING_MM

__all__ = ["PlanMicroscale", "PlannedSpheres"]


@dataclass(frozen=True)
class PlannedSpheres:
    """One region of one model, its spheres spread evenly at its mean dose.

    Parameters
    ----------
    model, region : str
        Name of the model, and of the region.
    mean_gy : float
        Planned mean dose [Gy].
    spheres_per_ml : float
        Density of spheres that gives it [1/mL].
    empty_lobules : float
        Share of lobules without a sphere.
    cv : float
        Coefficient of variation between voxels of 0.1 mm.
    d_gy : mapping of int to float
        Expected D_x [Gy], by percent of volume.
    eud_gy : mapping of float to float
        Equivalent uniform dose [Gy] by α [1/Gy].
    """

    model: str
    region: str
    mean_gy: float
    spheres_per_ml: float
    empty_lobules: float
    cv: float
    d_gy: Mapping[int, float]
    eud_gy: Mapping[float, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {
            "model": self.model,
            "region": self.region,
            "mean_gy": self.mean_gy,
            "spheres_per_ml": self.spheres_per_ml,
            "empty_lobules_percent": 100.0 * self.empty_lobules,
            "cv": self.cv,
            **{f"d{percent}_gy": gy for percent, gy in self.d_gy.items()},
            "eud_gy": {f"{alpha:g}": gy for alpha, gy in self.eud_gy.items()},
        }


@dataclass(frozen=True, eq=False)
class PlanMicroscale:
    """The block ``microscale`` of ``plan.json``.

    Parameters
    ----------
    sphere : SphereActivity
        Activity of one sphere at injection.
    clusters, clusters_label, places : str
        How many spheres lie together, the same in words, and where.
    rows : tuple of PlannedSpheres
        By model and region.
    """

    sphere: SphereActivity
    clusters: str
    clusters_label: str
    places: str
    rows: tuple[PlannedSpheres, ...]

    @property
    def statement(self) -> tuple[str, str]:
        """What it is, and what is assumed, a line each."""
        where = (
            "anywhere in the tissue" if self.places == "volume" else "anywhere on an even lattice of tracts"
        )
        return (
            f"{EXPLORATORY}. At {SCORING_MM:g} mm, of spheres of {self.sphere.activity_bq:.4g} Bq at injection "
            f"({self.sphere.source}), as {self.clusters_label}, {where}, spread evenly at the mean of each region; uneven uptake "
            "comes on top.",
            "EUD is -ln⟨exp(-α D)⟩/α at values of α that are examples and not of this patient. It turns no dose of one device "
            "into that of another.",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the block for JSON."""
        return {
            "statement": list(self.statement),
            "scale_mm": SCORING_MM,
            "activity_per_sphere_bq": self.sphere.activity_bq,
            "activity_source": self.sphere.source,
            "clusters": self.clusters,
            "places": self.places,
            "regions": [row.as_dict() for row in self.rows],
        }
