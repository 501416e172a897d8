"""Settings that were given and that nothing uses in a run: listed, so that none is dropped without a word."""

from __future__ import annotations

from collections.abc import Callable, Collection

from y90voxel.case.settings import InjectionFacts, StudySettings
from y90voxel.dose.engines import engine_rows
from y90voxel.errors import Notice
from y90voxel.regions.roles import Role

__all__ = ["UNUSED_UNLESS", "unused_notices", "unused_radiobiology", "unused_settings"]

Needs = Callable[[StudySettings], bool]


def _simulates(settings: StudySettings) -> bool:
    """Whether Monte Carlo runs; the comparison of lung methods leaves it out."""
    return any(row.simulates and row.name == settings.dose.engine for row in engine_rows())


def _leaves_energy_in_place(settings: StudySettings) -> bool:
    """Whether the noise of a dose voxel is that of its image voxel, however far it goes together."""
    return any(row.in_place and row.name == settings.dose.engine for row in engine_rows())


def _every(settings: StudySettings, name: str) -> bool:
    """Whether every injection that states a time of something states the thing."""
    time, thing = f"{name}_time", name
    facts: list[InjectionFacts] = [*settings.injections]
    return all(getattr(one, thing) is not None for one in facts if getattr(one, time) is not None)


# What a setting needs to be used, in words and as a test. All others are used wherever they are given, or refused.
UNUSED_UNLESS: dict[tuple[str, str], tuple[str, Needs]] = {
    ("monte_carlo", "histories"): ("dose.engine is monte-carlo or exact", _simulates),
    ("monte_carlo", "target_uncertainty"): ("dose.engine is monte-carlo or exact", _simulates),
    ("monte_carlo", "time_limit_s"): ("dose.engine is monte-carlo or exact", _simulates),
    ("dose", "calibration_factor"): ("dose.calibration is factor", lambda s: s.dose.calibration == "factor"),
    ("dose", "acquisition_duration_s"): (
        "dose.calibration is factor",
        lambda s: s.dose.calibration == "factor",
    ),
    ("dose", "calibration_region"): (
        "dose.calibration is relative",
        lambda s: s.dose.calibration == "relative",
    ),
    ("monte_carlo", "seed"): (
        "dose.engine is monte-carlo or exact",
        # --seed states both; then the samples of the uncertainties use it
        lambda s: (
            _simulates(s)
            or s.dose.verify_engine is not None
            or (s.output.uncertainty and s.uncertainty.seed == s.monte_carlo.seed)
        ),
    ),
    **{
        ("uncertainty", key): ("output.uncertainty is true", lambda s: s.output.uncertainty)
        for key in (
            "contour_voxel_mm",
            "contour_fwhm_mm",
            "activity",
            "residual",
            "lung_shunt",
            "calibration",
            "decay",
            "density",
            "registration_mm",
            "samples",
            "seed",
        )
    },
    ("uncertainty", "noise_fwhm_mm"): (
        "output.uncertainty is true, or the engine carries energy between voxels",
        lambda s: s.output.uncertainty or not _leaves_energy_in_place(s),
    ),
    **{
        ("immune", key): ("immune.report is true, by --immune", lambda s: s.immune.report)
        for key in (
            "blood_volume_l",
            "cardiac_output_l_per_min",
            "tumour_relative_blood",
            "tumour_relative_perfusion",
            "residence",
            "free_activity",
            "alpha_per_gy",
            "slow_share",
            "pool_weighted",
            "cycle_dates",
            "cycle_days",
            "count",
        )
    },
    **{
        ("microscale", key): ("microscale.report is true", lambda s: s.microscale.report)
        for key in ("activity_per_sphere", "days_since_calibration", "clusters", "places")
    },
    ("partial_volume", "recovery_uncertainty"): (
        "partial_volume.recovery is given",
        lambda s: s.partial_volume.recovery is not None,
    ),
    ("partial_volume", "fwhm_mm"): (
        "partial_volume.method is given",
        lambda s: s.partial_volume.method is not None,
    ),
    ("partial_volume", "iterations"): (
        "partial_volume.method is given",
        lambda s: s.partial_volume.method is not None,
    ),
    ("administration", "activity_time"): ("activity is given", lambda s: _every(s, "activity")),
    ("administration", "residual_time"): ("residual is given", lambda s: _every(s, "residual")),
}


def unused_settings(settings: StudySettings) -> list[tuple[str, str]]:
    """Return the settings that were given, and that the others make idle, with what they would need.

    Examples
    --------
    >>> settings = StudySettings.model_validate({"monte_carlo": {"histories": 1000}})
    >>> unused_settings(settings)
    [('monte_carlo.histories', 'dose.engine is monte-carlo or exact')]
    """
    plain = StudySettings()
    idle = []
    for (table, key), (needed, holds) in UNUSED_UNLESS.items():
        given = getattr(getattr(settings, table), key)
        if given != getattr(getattr(plain, table), key) and not holds(settings):
            idle.append((f"{table}.{key}", needed))
    return idle


def unused_notices(settings: StudySettings, listed: Collection[str] = ()) -> list[Notice]:
    """Say which settings were given and are not used, besides those that are listed elsewhere."""
    idle = [(name, needed) for name, needed in unused_settings(settings) if name not in listed]
    if not idle:
        return []
    words = "; ".join(f"{name} (used only where {needed})" for name, needed in idle)
    return [
        Notice("settings-unused", f"given and not used in this run: {words}. They are in the provenance.")
    ]


def unused_radiobiology(given: Collection[Role], present: Collection[Role]) -> list[Notice]:
    """Say which roles have linear-quadratic parameters and no region to use them on.

    Parameters
    ----------
    given : collection of Role
        Roles with parameters.
    present : collection of Role
        Roles that regions with a dose map have; empty where there is no dose map.
    """
    idle = ", ".join(f"radiobiology.{role.value}" for role in given if role not in present)
    if not idle:
        return []
    return [
        Notice(
            "radiobiology-unused",
            f"given and not used in this run: {idle} (no region of the role has a dose map: there is no BED, EQD2 or EUD).",
        )
    ]
