"""Dose at the scale of microspheres, one documented pure function each: what voxels of an image average over.

Exploratory. Every number refers to voxels of 0.1 mm (`SCORING_MM`). Every name loads its module on first use.

Examples
--------
>>> import y90voxel as yv
>>> kernel = yv.microscale.scoring_kernel("Y-90")
>>> round(yv.microscale.cv(40.0, 2500.0, kernel), 2)
0.7
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from y90voxel.lazy import load_on_first_use

if TYPE_CHECKING:
    from y90voxel.microscale.campbell import LOBULE_MM3 as LOBULE_MM3
    from y90voxel.microscale.campbell import cv as cv
    from y90voxel.microscale.campbell import dose_variance as dose_variance
    from y90voxel.microscale.campbell import empty_lobule_share as empty_lobule_share
    from y90voxel.microscale.campbell import spheres_per_ml as spheres_per_ml
    from y90voxel.microscale.campbell import variance_map as variance_map
    from y90voxel.microscale.cluster_models import ClusterModel as ClusterModel
    from y90voxel.microscale.cluster_models import cluster_model as cluster_model
    from y90voxel.microscale.cluster_models import known_cluster_models as known_cluster_models
    from y90voxel.microscale.laplace import PLACES as PLACES
    from y90voxel.microscale.laplace import DoseFunctional as DoseFunctional
    from y90voxel.microscale.laplace import MicroscaleDvh as MicroscaleDvh
    from y90voxel.microscale.laplace import dose_functional as dose_functional
    from y90voxel.microscale.laplace import eud as eud
    from y90voxel.microscale.sphere_kernel import SCORING_MM as SCORING_MM
    from y90voxel.microscale.sphere_kernel import ScoringKernel as ScoringKernel
    from y90voxel.microscale.sphere_kernel import scoring_kernel as scoring_kernel

_HOME = {
    "microscale.campbell": (
        "LOBULE_MM3", "cv", "dose_variance", "empty_lobule_share", "spheres_per_ml", "variance_map",
    ),
    "microscale.cluster_models": ("ClusterModel", "cluster_model", "known_cluster_models"),
    "microscale.laplace": ("PLACES", "DoseFunctional", "MicroscaleDvh", "dose_functional", "eud"),
    "microscale.sphere_kernel": ("SCORING_MM", "ScoringKernel", "scoring_kernel"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_on_first_use(__name__, _MODULE_OF)
