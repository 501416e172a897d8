"""Corrections that settings ask for, with the tables that they name."""

from __future__ import annotations

from y90voxel.case.recovery_correction import Deconvolution
from y90voxel.case.settings import StudySettings
from y90voxel.io.phantom_tables import read_dead_time_curve, read_recovery
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.partial_volume import RecoveryFit

__all__ = ["dead_time_of", "deconvolution_of", "recovery_curve"]


def recovery_curve(settings: StudySettings) -> RecoveryFit | None:
    """Return the recovery curve of the file that the settings name, None without one.

    Raises
    ------
    InputError
        If the file cannot be read or its values cannot be.
    """
    asked = settings.partial_volume
    return None if asked.recovery is None else read_recovery(asked.recovery, asked.recovery_uncertainty)


def deconvolution_of(settings: StudySettings) -> Deconvolution | None:
    """Return the method for all voxels, None without one."""
    asked = settings.partial_volume
    if asked.fwhm_mm is None or asked.method is None:
        return None
    return Deconvolution(asked.fwhm_mm, asked.iterations)


def dead_time_of(settings: StudySettings) -> DeadTime | None:
    """Return the dead time that the settings describe, None without one.

    Raises
    ------
    InputError
        If its curve cannot be read, or the description is incomplete.
    """
    asked = settings.dead_time
    if asked is None:
        return None
    constant = None if asked.time_constant_us is None else 1e-6 * asked.time_constant_us
    curve = None if asked.curve is None else read_dead_time_curve(asked.curve)
    return DeadTime(constant, curve, asked.observed_rate_cps)
