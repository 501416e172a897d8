"""Formulas and limits of treatment planning, one documented pure function each."""

from y90voxel.planning.limits import evaluate_limits, limits_of
from y90voxel.planning.lung import lung_shunt_fraction_planar, lung_shunt_fraction_spect, mean_lung_dose

__all__ = [
    "evaluate_limits",
    "limits_of",
    "lung_shunt_fraction_planar",
    "lung_shunt_fraction_spect",
    "mean_lung_dose",
]
