"""Settings that the job has no use for: one case file serves `dose` and `plan`, and each lists what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from y90voxel.case.settings import StudySettings
from y90voxel.clinical.limits_table import TABLE
from y90voxel.errors import Notice

__all__ = ["CARRIED", "Job", "carried_notices", "carried_settings"]

Needs = Callable[[StudySettings], bool]
Path = tuple[str, ...]


class Job(StrEnum):
    """What is done with the settings."""

    DOSE = "dose"
    PLAN = "plan"
    PLAN_FROM_MASSES = "plan from masses"


def _has_device(settings: StudySettings) -> bool:
    """Whether limits of a table are judged."""
    return settings.administration.device is not None


def _has_row(settings: StudySettings, condition: str) -> bool:
    """Whether a limit of the device, for what is stated of disease and scenario, depends on a condition."""
    context, device = settings.plan.context, settings.administration.device
    return any(
        getattr(limit, condition)
        and limit.device == device
        and (context.disease is None or context.disease in (limit.diseases or (context.disease,)))
        and (context.scenario is None or context.scenario in (limit.scenarios or (context.scenario,)))
        for limit in TABLE
    )


def _never(settings: StudySettings) -> bool:
    """For what the job never uses."""
    return False


def _dates_activity(settings: StudySettings) -> bool:
    """Whether a dose, or what is said of it, depends on when the administration was."""
    given = settings.administration
    timed = given.activity_time is not None or given.residual_time is not None
    dated = timed or settings.output.sr
    return dated or bool(settings.injection) or settings.dose.calibration != "relative"


def _has_times(settings: StudySettings) -> bool:
    """Whether a plan compares a time with that of the administration, or gives one a zone."""
    given, asked = settings.administration, settings.plan
    activities = (given.activity_time, given.residual_time, settings.series.acquisition_time)
    return any(time is not None for time in activities) or asked.order is not None or bool(asked.treatment)


def _seeds_draws(settings: StudySettings) -> bool:
    """Whether the seed is that of the uncertainties too, as --seed states it."""
    return settings.output.uncertainty and settings.uncertainty.seed == settings.monte_carlo.seed


def _rows(table: str, keys: str, needed: str, holds: Needs = _never) -> dict[Path, tuple[str, Needs]]:
    """Rows of several keys of one table."""
    return {(table, key): (needed, holds) for key in keys.split()}


_OF_COUNTS = "free_activity alpha_per_gy slow_share pool_weighted cycle_dates cycle_days count"

# What a job needs to use a setting, in words and as a test, where it does not always use it.
CARRIED: dict[Job, dict[Path, tuple[str, Needs]]] = {
    Job.DOSE: {
        **_rows(
            "administration",
            "time time_zone",
            "an activity has its own time, the calibration is absolute or factor, or output.sr is true",
            _dates_activity,
        ),
        **_rows(
            "plan", "scenario disease previous_lung_doses_gy", "administration.device is given", _has_device
        ),
        **_rows(
            "plan",
            "function liver_function",
            "a limit of the device depends on liver function",
            lambda s: _has_row(s, "function"),
        ),
        **_rows(
            "plan",
            "pretreated",
            "a limit of the device depends on earlier treatments",
            lambda s: _has_row(s, "or_pretreated"),
        ),
        **_rows("plan", "intent", "somebody reads it; no limit depends on it"),
        **_rows(
            "plan",
            "gastrointestinal_focus previous table_limits goal limit perfused_dose_gy residual_fraction split "
            "greatest_activity objective "
            "recovery order treatment anatomy",
            "`plan` is run",
        ),
    },
    Job.PLAN: {
        **_rows("plan", "table_limits", "administration.device is given", _has_device),
        **_rows("plan", "intent", "somebody reads it; no limit depends on it"),
        **_rows("lung", "compare_methods", "`dose` is run"),
        **_rows("dose", "verify_engine", "`dose` is run"),
        **_rows("output", "pdf_dicom sr", "`dose` is run"),
        **_rows("immune", _OF_COUNTS, "`dose` is run"),
        **_rows("uncertainty", "calibration decay registration_mm", "`dose` is run"),
        **_rows("administration", "time time_zone", "a time is compared with it", _has_times),
    },
    Job.PLAN_FROM_MASSES: {
        **_rows("plan", "intent", "somebody reads it; no limit depends on it"),
        **_rows(
            "dose",
            "calibration calibration_region calibration_factor acquisition_duration_s engine liver_density grid register_ "
            "density_calibration dome_margin_mm",
            "there are images",
        ),
        **_rows("dose", "verify_engine", "`dose` is run"),
        **_rows("monte_carlo", "histories target_uncertainty time_limit_s", "there are images"),
        **_rows("monte_carlo", "seed", "there are images", _seeds_draws),
        **_rows("uncertainty", "calibration decay registration_mm", "`dose` is run"),
        **_rows("uncertainty", "noise noise_fwhm_mm", "there are images"),
        **_rows("uncertainty", "fwhm_mm", "output.uncertainty is true", lambda s: s.output.uncertainty),
        **_rows("administration", "time time_zone", "a time is compared with it", _has_times),
        ("dead_time",): ("there are images", _never),
        **_rows("regions", "roles isocontour liver_tumours automatic", "there are images"),
        **_rows("lung", "planar_attenuation_per_cm compare_methods", "there are images"),
        **_rows("series", "emission ct regions acquisition_time decay_reference", "there are images"),
        **_rows("accept", "codes surrogate trust_time", "there are images"),
        **_rows("immune", _OF_COUNTS, "`dose` is run"),
        **_rows("output", "pdf_dicom sr", "`dose` is run"),
    },
}


def carried_settings(settings: StudySettings, job: Job) -> list[tuple[str, str]]:
    """Return the settings that were given and that the job does not use, with what they would need.

    Examples
    --------
    >>> settings = StudySettings.model_validate({"plan": {"disease": "HCC"}})
    >>> carried_settings(settings, Job.DOSE)
    [('plan.disease', 'administration.device is given')]
    """
    plain = StudySettings()
    return [
        (".".join(path).rstrip("_"), needed)
        for path, (needed, holds) in CARRIED[job].items()
        if _value(settings, path) != _value(plain, path) and not holds(settings)
    ]


def _value(settings: StudySettings, path: Path) -> Any:
    """The value of a setting."""
    value: Any = settings
    for key in path:
        value = getattr(value, key)
    return value


def carried_notices(settings: StudySettings, job: Job) -> list[Notice]:
    """Say which settings were given and are not used by the job.

    Parameters
    ----------
    settings : StudySettings
        Everything that was given.
    job : Job
        What is done with it.
    """
    by_need: dict[str, list[str]] = {}
    for name, needed in carried_settings(settings, job):
        by_need.setdefault(needed, []).append(name)
    if not by_need:
        return []
    words = "; ".join(f"{', '.join(names)} (used only where {needed})" for needed, names in by_need.items())
    return [
        Notice(
            "settings-carried",
            f"given and not used by this {job.value}: {words}. They are in the provenance.",
        )
    ]
