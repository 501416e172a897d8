"""What a mean dose means between microspheres, region by region: exploratory numbers with all that they assume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.microscale.campbell import LOBULE_MM3, empty_lobule_share, spheres_per_ml
from y90voxel.microscale.laplace import DoseFunctional, MicroscaleDvh, dose_functional
from y90voxel.microscale.sphere_activity import SphereActivity
from y90voxel.microscale.sphere_kernel import SCORING_MM, ScoringKernel

__all__ = [
    "EXPLORATORY",
    "ILLUSTRATIVE_ALPHAS_PER_GY",
    "SHOWN_PERCENTS",
    "MicroscaleRegion",
    "MicroscaleReport",
    "region_between_spheres",
]

EXPLORATORY = "exploratory, no decision may rest on it"
# What EUD is shown at [1/Gy]: chosen as examples over a factor of seven, and no property of a patient or tumour.
ILLUSTRATIVE_ALPHAS_PER_GY = (0.05, 0.1, 0.2, 0.35)
SHOWN_PERCENTS = (98, 70, 2)  # of volume
CURVE_POINTS = 60  # of a histogram in JSON; chosen: a line of a figure needs no more


@dataclass(frozen=True, eq=False)
class MicroscaleRegion:
    """One region at the scale of 0.1 mm, if its spheres were spread evenly over it.

    Parameters
    ----------
    region, role : str
        Name and role.
    mean_gy : float
        Mean dose of the map [Gy].
    spheres_per_ml : float
        Density of spheres that gives it [1/mL].
    empty_lobules : float
        Share of lobules without a sphere.
    cv : float
        Coefficient of variation between voxels of 0.1 mm.
    eud_gy : mapping of float to float
        Equivalent uniform dose [Gy] by α [1/Gy].
    voxel_d_gy : mapping of int to float
        D_x of the image's voxels [Gy], by percent of volume.
    dvh : MicroscaleDvh
        Expected histogram.
    """

    region: str
    role: str
    mean_gy: float
    spheres_per_ml: float
    empty_lobules: float
    cv: float
    eud_gy: Mapping[float, float]
    voxel_d_gy: Mapping[int, float]
    dvh: MicroscaleDvh

    @property
    def d_gy(self) -> dict[int, float]:
        """Expected D_x at 0.1 mm [Gy], by percent of volume."""
        return {percent: self.dvh.dose_at_volume(percent) for percent in SHOWN_PERCENTS}

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        doses = np.linspace(0.0, self.dvh.dose_gy[-1], CURVE_POINTS)
        volumes = np.interp(doses, self.dvh.dose_gy, self.dvh.volume_fraction)
        return {
            "region": self.region,
            "role": self.role,
            "mean_gy": self.mean_gy,
            "spheres_per_ml": self.spheres_per_ml,
            "empty_lobules_percent": 100.0 * self.empty_lobules,
            "cv": self.cv,
            **{f"d{percent}_gy": gy for percent, gy in self.d_gy.items()},
            **{f"voxel_d{percent}_gy": gy for percent, gy in self.voxel_d_gy.items()},
            "eud_gy": {f"{alpha:g}": gy for alpha, gy in self.eud_gy.items()},
            "dvh": {
                "dose_gy": [round(float(gy), 4) for gy in doses],
                "volume_percent": [round(100.0 * float(share), 4) for share in volumes],
            },
        }


@dataclass(frozen=True, eq=False)
class MicroscaleReport:
    """All regions, and what they assume.

    Parameters
    ----------
    sphere : SphereActivity
        Activity of one sphere at injection.
    clusters, places : str
        How many spheres lie together, and where.
    clusters_label : str
        The same in words.
    medium : str
        Medium of the kernel.
    voxel_mm : tuple of float, (3,)
        Voxels of the dose map [mm].
    regions : tuple of MicroscaleRegion
        Liver, tumours and their parts.
    """

    sphere: SphereActivity
    clusters: str
    clusters_label: str
    places: str
    medium: str
    voxel_mm: tuple[float, float, float]
    regions: tuple[MicroscaleRegion, ...]

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the numbers assume, a sentence each."""
        where = (
            "anywhere in the tissue" if self.places == "volume" else "anywhere on an even lattice of tracts"
        )
        return (
            f"Every sphere holds {self.sphere.activity_bq:.4g} Bq at injection ({self.sphere.source}).",
            f"Spheres lie as {self.clusters_label}, {where}, spread evenly over each region at its mean dose; how they lie "
            "in this patient is not known.",
            f"Doses are averages over {SCORING_MM:g} mm in {self.medium}, with the point kernel of the nuclide; a lobule has "
            f"{LOBULE_MM3:g} mm³.",
            "EUD is -ln⟨exp(-α D)⟩/α, the linear term alone, at values of α that are examples and not of this patient, and "
            "where it was stated at the α of the role.",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the block ``microscale`` of ``metrics.json``."""
        return {
            "statement": EXPLORATORY,
            "scale_mm": SCORING_MM,
            "voxel_mm": list(self.voxel_mm),
            "activity_per_sphere_bq": self.sphere.activity_bq,
            "activity_source": self.sphere.source,
            "clusters": self.clusters,
            "places": self.places,
            "medium": self.medium,
            "assumptions": list(self.assumptions),
            "regions": [region.as_dict() for region in self.regions],
        }


def region_between_spheres(
    region: str,
    role: str,
    mean_gy: float,
    voxel_d_gy: Mapping[int, float],
    sphere: SphereActivity,
    kernel: ScoringKernel,
    functional: DoseFunctional | None = None,
    alphas_per_gy: Sequence[float] = ILLUSTRATIVE_ALPHAS_PER_GY,
) -> MicroscaleRegion:
    """Return what a mean dose means between spheres that are spread evenly.

    Parameters
    ----------
    region, role : str
        Name and role.
    mean_gy : float
        Mean dose [Gy]; zero gives zero everywhere.
    voxel_d_gy : mapping of int to float
        D_x of the voxels of the image [Gy], to stand beside.
    sphere : SphereActivity
        Activity of one sphere.
    kernel : ScoringKernel
        Of nuclide and tissue.
    functional : DoseFunctional or None
        How these spheres lie; None for single ones anywhere.
    alphas_per_gy : sequence of float
        α of EUD [1/Gy].

    Raises
    ------
    InputError
        If the dose is negative or an α not positive.
    """
    lie = functional or dose_functional(sphere.activity_bq, kernel)
    density = spheres_per_ml(mean_gy, sphere.activity_bq, kernel)
    return MicroscaleRegion(
        region,
        role,
        mean_gy,
        density,
        empty_lobule_share(density, lie.clusters),
        lie.cv(mean_gy),
        {alpha: lie.eud(mean_gy, alpha) for alpha in alphas_per_gy},
        voxel_d_gy,
        lie.dvh(mean_gy),
    )
