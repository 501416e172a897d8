"""Public names: type checkers read them here, and `y90voxel.lazy` loads them from where this file says."""

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
from y90voxel.microscale.local_doses import LocalDoses as LocalDoses
from y90voxel.microscale.sphere_kernel import SCORING_MM as SCORING_MM
from y90voxel.microscale.sphere_kernel import ScoringKernel as ScoringKernel
from y90voxel.microscale.sphere_kernel import scoring_kernel as scoring_kernel
from y90voxel.microscale.sphere_simulation import SimulatedBox as SimulatedBox
from y90voxel.microscale.sphere_simulation import dose_of_spheres as dose_of_spheres
from y90voxel.microscale.sphere_simulation import simulate as simulate
from y90voxel.microscale.sphere_simulation import sphere_positions as sphere_positions
