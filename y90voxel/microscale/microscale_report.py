"""What a mean dose means between microspheres, region by region: exploratory numbers with all that they assume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from y90voxel.microscale.campbell import LOBULE_MM3, empty_lobule_share, spheres_per_ml
from y90voxel.microscale.laplace import DoseFunctional, MicroscaleDvh
from y90voxel.microscale.local_doses import LocalDoses
from y90voxel.microscale.sphere_activity import SphereActivity
from y90voxel.microscale.sphere_kernel import SCORING_MM, ScoringKernel
from y90voxel.short_repr import short_repr

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
# Parts that the voxels of a region are gathered in, small at both ends. Of 4 times as many D98, D70 and D2 differ by less than
# 1 % (`tests/microscale`); on tracts every part counts at 24 places: fewer for speed.
PARTS = 96
PARTS_ON_TRACTS = 48  # chosen: as above


class VoxelHistogram(Protocol):
    """What is needed of a histogram; see `y90voxel.metrics.dvh.DoseVolumeHistogram`."""

    @property
    def doses_gy(self) -> NDArray[np.float64]:
        """Doses of the voxels [Gy]."""

    @property
    def volumes_ml(self) -> NDArray[np.float64]:
        """Their volumes [mL]."""

    @property
    def mean_gy(self) -> float:
        """Mean dose [Gy]."""

    def dose_at_volume(self, percent: float) -> float:
        """D_x [Gy]."""


@dataclass(frozen=True, eq=False)
class MicroscaleRegion:
    """One region at the scale of 0.1 mm: spheres around the dose of every voxel, and alone at the mean of the region.

    Parameters
    ----------
    region, role : str
        Name and role.
    mean_gy : float
        Mean dose of the map [Gy].
    spheres_per_ml : float
        Density of spheres that gives it [1/mL].
    empty_lobules : float
        Share of lobules without a sphere, by the dose of every voxel.
    cv, cv_alone : float
        Coefficient of variation between voxels of 0.1 mm, around the image's voxels and alone.
    eud_gy, eud_alone_gy : mapping of float to float
        Equivalent uniform dose [Gy] by α [1/Gy], around the image's voxels and alone.
    voxel_d_gy : mapping of int to float
        D_x of the image's voxels [Gy], by percent of volume.
    dvh, dvh_alone : MicroscaleDvh
        Expected histograms: spheres around the doses of the image's voxels, and spread evenly at the mean.
    """

    region: str
    role: str
    mean_gy: float
    spheres_per_ml: float
    empty_lobules: float
    cv: float
    cv_alone: float
    eud_gy: Mapping[float, float]
    eud_alone_gy: Mapping[float, float]
    voxel_d_gy: Mapping[int, float]
    dvh: MicroscaleDvh
    dvh_alone: MicroscaleDvh

    @property
    def d_gy(self) -> dict[int, float]:
        """Expected D_x at 0.1 mm around the image's voxels [Gy], by percent of volume."""
        return {percent: self.dvh.dose_at_volume(percent) for percent in SHOWN_PERCENTS}

    @property
    def d_alone_gy(self) -> dict[int, float]:
        """Expected D_x at 0.1 mm of spheres spread evenly at the mean [Gy], by percent of volume."""
        return {percent: self.dvh_alone.dose_at_volume(percent) for percent in SHOWN_PERCENTS}

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
            "cv_alone": self.cv_alone,
            **{f"d{percent}_gy": gy for percent, gy in self.d_gy.items()},
            **{f"alone_d{percent}_gy": gy for percent, gy in self.d_alone_gy.items()},
            **{f"voxel_d{percent}_gy": gy for percent, gy in self.voxel_d_gy.items()},
            "eud_gy": {f"{alpha:g}": gy for alpha, gy in self.eud_gy.items()},
            "eud_alone_gy": {f"{alpha:g}": gy for alpha, gy in self.eud_alone_gy.items()},
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

    __repr__ = short_repr

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the numbers assume, a sentence each."""
        where = (
            "anywhere in the tissue" if self.places == "volume" else "anywhere on an even lattice of tracts"
        )
        return (
            f"Every sphere holds {self.sphere.activity_bq:.4g} Bq at injection ({self.sphere.source}).",
            f"Spheres lie as {self.clusters_label}, {where}, as dense as the dose asks for: around the dose of every voxel, "
            "whose blur and noise stay in it, or alone, spread evenly at the mean of the region. How they lie in this patient is "
            "not known.",
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
    histogram: VoxelHistogram,
    sphere: SphereActivity,
    kernel: ScoringKernel,
    functional: DoseFunctional,
    alphas_per_gy: Sequence[float] = ILLUSTRATIVE_ALPHAS_PER_GY,
) -> MicroscaleRegion:
    """Return what the doses of a region mean between spheres.

    Parameters
    ----------
    region, role : str
        Name and role.
    histogram : VoxelHistogram
        Of the image's voxels; no dose gives zero everywhere.
    sphere : SphereActivity
        Activity of one sphere.
    kernel : ScoringKernel
        Of nuclide and tissue.
    functional : DoseFunctional
        How these spheres lie.
    alphas_per_gy : sequence of float
        α of EUD [1/Gy].

    Raises
    ------
    InputError
        If a dose is negative or an α not positive.
    """
    parts = PARTS if len(functional.share) == 1 else PARTS_ON_TRACTS
    local = LocalDoses.from_voxels(histogram.doses_gy, histogram.volumes_ml, parts)
    mean_gy = histogram.mean_gy

    def density_at(dose_gy: float) -> float:
        return spheres_per_ml(dose_gy, sphere.activity_bq, kernel)

    return MicroscaleRegion(
        region,
        role,
        mean_gy,
        density_at(mean_gy),
        sum(
            share * empty_lobule_share(density_at(gy), functional.clusters)
            for gy, share in zip(local.doses_gy, local.share, strict=True)
        ),
        functional.cv(local),
        functional.cv(mean_gy),
        {alpha: functional.eud(local, alpha) for alpha in alphas_per_gy},
        {alpha: functional.eud(mean_gy, alpha) for alpha in alphas_per_gy},
        {percent: histogram.dose_at_volume(percent) for percent in SHOWN_PERCENTS},
        functional.dvh(local),
        functional.dvh(mean_gy),
    )
