"""One study from files to a folder of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.recovery_correction import with_partial_volume
from y90voxel.case.settings import RadiobiologySettings, StudySettings
from y90voxel.case.verify import verify
from y90voxel.errors import InputError
from y90voxel.io.atomic import check_output_folder
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.study.anonymous import (
    anonymous_errors,
    anonymous_evaluation,
    anonymous_names,
    anonymous_settings,
)
from y90voxel.study.dose_results import Output, write_results
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.read_study import read_study
from y90voxel.study.study import Study
from y90voxel.units import SECONDS_PER_HOUR

__all__ = ["StudyFiles", "make_case", "read_chosen", "run_study"]

Progress = Callable[[str, float], None]
# ``emission``, ``ct`` and ``regions``; only regions may be several files.
StudyFiles = Mapping[str, Path | Sequence[Path] | None]


def run_study(
    path: str | Path | None,
    out: str | Path,
    settings: StudySettings,
    *,
    files: StudyFiles | None = None,
    only: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Read a study, compute its dose, and write the results to ``out``.

    Parameters
    ----------
    path : path-like or None
        DICOM folder or zip.
    out : path-like
        Folder of the results; appears complete or not at all.
    settings : StudySettings
        Clinical facts and choices.
    files : mapping
        ``emission``, ``ct``, ``regions``: files that complete or replace the study's; regions may be several.
    only : iterable of str or None
        Names of the files below ``path`` that make the study, in a folder that holds several; None takes all.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If settings, study or folder cannot be used.
    PhysicsError
        If the engine does not fit the case.
    """
    tell = progress or (lambda what, done: None)
    with anonymous_errors(settings.output.anonymise):
        return _run(path, Path(out), settings, files or {}, only, tell)


def _run(
    path: str | Path | None,
    out: Path,
    settings: StudySettings,
    files: StudyFiles,
    only: Iterable[str] | None,
    tell: Progress,
) -> Evaluation:
    """Do what :func:`run_study` says."""
    check_output_folder(out)  # before minutes of work, not after
    partial = settings.partial_volume
    curve = partial.curve()  # its file may be wrong: said before anything is computed
    study = read_chosen(path, settings, files, lambda what, done: tell(what, 0.5 * done), only)
    roles, shown = dict(settings.regions.roles), settings.as_dict()
    if settings.output.anonymise:
        names = anonymous_names(study.drawn, study.identity)
        roles = {names.get(name, name): role for name, role in roles.items()}
        study, shown = study.anonymous(), anonymous_settings(shown)
    tell("placing regions", 0.5)
    case = make_case(study, settings, roles, shown)
    engine = build_engine(
        settings.dose.engine,
        case,
        monte_carlo=settings.monte_carlo,
        progress=lambda what, done: tell(what, 0.55 + 0.2 * done),
    )
    evaluation = verify(case, engine, lambda what, done: tell(what, 0.5 + 0.25 * done))
    if partial.asked:
        evaluation = with_partial_volume(evaluation, engine, curve, partial.deconvolution())
    if settings.output.uncertainty:
        from y90voxel.case.dose_uncertainty import with_uncertainty  # with what it draws its samples by

        given = settings.uncertainty.model_dump() | {"recovery": curve}
        evaluation = with_uncertainty(evaluation, given, lambda what, done: tell(what, 0.75 + 0.1 * done))
    if settings.output.anonymise:
        evaluation = anonymous_evaluation(evaluation)
    evaluation = write_results(
        evaluation,
        out,
        study.identity,
        study.sources,
        Output(settings.output.report, settings.output.pdf),
        lambda what, done: tell(what, 0.85 + 0.15 * done),
    )
    tell("done", 1.0)
    return evaluation


def read_chosen(
    path: str | Path | None,
    settings: StudySettings,
    files: StudyFiles,
    progress: Progress,
    only: Iterable[str] | None = None,
) -> Study:
    """Return the study with the series and files that the settings choose.

    Raises
    ------
    InputError
        If several emission images or CTs are given, or the study cannot be read.
    """
    series = [injection.emission_series for injection in settings.injection]
    chosen = [uid for uid in series if uid is not None]
    return read_study(
        path,
        emission=_single(files, "emission"),
        ct=_single(files, "ct"),
        regions=files.get("regions"),
        emission_series=chosen or settings.series.emission,
        ct_series=settings.series.ct,
        regions_series=settings.series.regions,
        trust_frames=settings.dose.register_ == "trust",
        register=settings.dose.register_ == "align",
        only=only,
        progress=progress,
    )


def _single(files: StudyFiles, role: str) -> Path | None:
    """The one file of a role."""
    file = files.get(role)
    if file is None or isinstance(file, str | Path):
        return file
    if len(file) > 1:
        raise InputError(
            f"{len(file)} files are given as {role}, one is needed. Only regions may be several.", tag=role
        )
    return next(iter(file), None)


def make_case(
    study: Study,
    settings: StudySettings,
    roles: dict[str, str],
    shown: dict[str, Any],
    *,
    measure_shunt: bool = False,
) -> Case:
    """Return the case that study and settings make; ``shown`` is what provenance tells of the settings."""
    given, dose = settings.administration, settings.dose
    return study.case(
        nuclide=given.nuclide,
        activity_bq=given.activity,
        activity_time=given.activity_time,
        residual_bq=given.residual or 0.0,
        residual_time=given.residual_time,
        lung_shunt_fraction=given.lung_shunt_fraction,
        time=given.time,
        time_zone=given.time_zone,
        device=given.device,
        injections=[_injection(injection.model_dump()) for injection in settings.injection],
        calibration=dose.calibration,
        calibration_region=dose.calibration_region,
        calibration_factor=dose.calibration_factor,
        acquisition_duration_s=dose.acquisition_duration_s,
        dose_constant_gy_kg_per_gbq=dose.dose_constant_gy_kg_per_gbq,
        liver_density=dose.liver_density,
        density_calibration=dose.density_calibration,
        grid=dose.grid,
        roles=roles,
        automatic=settings.regions.automatic,
        isocontour={str(role): share for role, share in settings.regions.isocontour.items()},
        dead_time=settings.dead_time.dead_time() if settings.dead_time is not None else None,
        radiobiology={role: _parameters(values) for role, values in settings.radiobiology.items()},
        dome_margin_mm=dose.dome_margin_mm,
        compare_lung_methods=settings.lung.compare_methods,
        context=settings.plan.context,
        patient=None if settings.patient is None else settings.patient.record(),
        measure_shunt=measure_shunt,
        label=None if settings.output.anonymise else settings.output.label,
        settings=shown,
    )


def _injection(values: dict[str, Any]) -> dict[str, Any]:
    """The facts of one injection under the names that a case takes."""
    renamed = {"activity": "activity_bq", "residual": "residual_bq"}
    return {renamed.get(key, key): value for key, value in values.items() if key != "emission_series"}


def _parameters(values: RadiobiologySettings) -> RadiobiologyParameters:
    """Radiobiology settings in seconds."""
    return RadiobiologyParameters(
        values.alpha_beta_gy, values.repair_half_time_h * SECONDS_PER_HOUR, values.alpha_per_gy
    )
