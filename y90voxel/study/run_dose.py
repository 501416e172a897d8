"""One study from files to a folder of results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from y90voxel.case.carried_settings import Job, carried_notices
from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.halves import check_halves, with_halves
from y90voxel.case.recovery_correction import with_partial_volume
from y90voxel.case.settings import StudySettings
from y90voxel.case.verify import verify
from y90voxel.errors import InputError
from y90voxel.io.atomic import check_output_folder
from y90voxel.study.administered_doses import check_administrations
from y90voxel.study.anonymous import (
    anonymous_aims,
    anonymous_evaluation,
    anonymous_names,
    anonymous_settings,
    without_free_text,
)
from y90voxel.study.anonymous_text import anonymous_errors
from y90voxel.study.dose_results import Output, write_results
from y90voxel.study.earlier_dose import earlier_dose
from y90voxel.study.engine_choice import build_engine, decide_engine
from y90voxel.study.optional_roles import renamed_roles, with_optional_roles
from y90voxel.study.phantom_files import dead_time_of, deconvolution_of, recovery_curve
from y90voxel.study.read_halves import read_halves
from y90voxel.study.read_study import read_study
from y90voxel.study.study import Study
from y90voxel.study.use_scanner import use_scanner

__all__ = ["StudyFiles", "anonymised", "make_case", "read_chosen", "run_study"]

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
    earlier: Path | None = None,
    optional_roles: Collection[str] = (),
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
    earlier : Path or None
        Results of the same files and settings but those of the report: their dose is read, not computed again.
    optional_roles : collection of str
        Names and patterns of ``regions.roles`` that may fit no region: given for many studies.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If settings, study or folder cannot be used.
    PhysicsError
        If the engine does not fit the case.
    """
    report_progress = progress or (lambda what, done: None)
    with anonymous_errors(settings.output.anonymise):
        return _run(path, Path(out), settings, files or {}, only, earlier, optional_roles, report_progress)


def _run(
    path: str | Path | None,
    out: Path,
    settings: StudySettings,
    files: StudyFiles,
    only: Iterable[str] | None,
    earlier: Path | None,
    optional_roles: Collection[str],
    report_progress: Progress,
) -> Evaluation:
    """Do what :func:`run_study` says."""
    check_output_folder(out)  # before minutes of work, not after
    settings, scanner = use_scanner(settings)
    partial = settings.partial_volume
    curve = recovery_curve(settings)  # its file may be wrong: said before anything is computed
    study = read_chosen(path, settings, files, lambda what, done: report_progress(what, 0.5 * done), only)
    study, halves = read_halves(scanner.checked(study), settings.noise.halves)
    study, settings = with_optional_roles(study, settings, optional_roles)
    study, settings, shown = anonymised(study, settings)
    report_progress("placing regions", 0.5)
    case = make_case(study, settings, shown=shown)
    case = replace(case, notices=(*case.notices, *carried_notices(case.settings, Job.DOSE)))
    if settings.output.sr:
        check_administrations(case, anonymised=settings.output.anonymise)
    if halves is not None:
        check_halves(case, halves)
    engine = build_engine(
        settings.dose.engine,
        case,
        monte_carlo=settings.monte_carlo,
        progress=lambda what, done: report_progress(what, 0.55 + 0.2 * done),
    )
    # what is corrected after the engine has another dose in its results than the engine's
    readable = earlier is not None and not partial.asked and halves is None
    simulated = earlier_dose(earlier, case, engine.name) if readable and earlier is not None else None
    evaluation = verify(
        case, engine, lambda what, done: report_progress(what, 0.5 + 0.25 * done), simulated=simulated
    )
    wanted = settings.dose.verify_engine
    if wanted is not None:
        # deferred: for those who ask
        from y90voxel.case.engine_check import with_engine_check

        seed = settings.monte_carlo.seed
        evaluation = with_engine_check(
            evaluation, wanted, seed, lambda what, done: report_progress(what, 0.75 + 0.05 * done)
        )
    if halves is not None:
        evaluation = with_halves(evaluation, engine, halves)
    if partial.asked:
        evaluation = with_partial_volume(evaluation, engine, curve, deconvolution_of(settings))
    if settings.output.uncertainty:
        # deferred: what samples are drawn by, for uncertainties alone
        from y90voxel.case.dose_uncertainty import with_uncertainty

        given = settings.uncertainty.model_dump() | {"recovery": curve}
        evaluation = with_uncertainty(
            evaluation, given, lambda what, done: report_progress(what, 0.75 + 0.1 * done)
        )
    if settings.immune.report:
        # deferred: for what is asked for alone
        from y90voxel.case.immune_evaluation import with_immune

        evaluation = with_immune(evaluation, settings.immune, study.identity.patient_sex)
    if settings.microscale.report:
        # deferred: 0.2 s of kernel and interpolation, for those who ask
        from y90voxel.case.microscale_evaluation import with_microscale

        evaluation = with_microscale(evaluation)
    if settings.output.anonymise:
        evaluation = anonymous_evaluation(evaluation)
    evaluation = write_results(
        evaluation,
        out,
        study.identity,
        study.sources,
        Output(*(getattr(settings.output, name) for name in ("report", "pdf", "pdf_dicom", "sr"))),
        lambda what, done: report_progress(what, 0.85 + 0.15 * done),
    )
    report_progress("done", 1.0)
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
    chosen = _chosen_series(settings)
    return read_study(
        path,
        emission=_single(files, "emission"),
        ct=_single(files, "ct"),
        regions=files.get("regions"),
        emission_series=chosen or settings.series.emission,
        ct_series=settings.series.ct,
        regions_series=settings.series.regions,
        trust_frames=settings.dose.register_ == "trust",
        register=settings.dose.registration or False,
        only=only,
        progress=progress,
    )


def _chosen_series(settings: StudySettings) -> list[str]:
    """The emission series of all injections; one where all name the same, none where none is named.

    Raises
    ------
    InputError
        If some injections name a series and others do not, or ``series.emission`` is another.
    """
    stated = [injection.emission_series for injection in settings.injection]
    named = [uid for uid in stated if uid is not None]
    if named and len(named) < len(stated):
        raise InputError(
            f"{len(named)} of {len(stated)} injections name their emission_series. Name it for each, or for none where one scan "
            "follows all of them.",
            tag="injection.emission_series",
        )
    main = settings.series.emission
    if named and main is not None and set(named) != {main}:
        raise InputError(
            f"series.emission is {main}, but the injections name {', '.join(dict.fromkeys(named))}: which image is meant is not "
            "clear. Leave one of them out.",
            tag="series.emission",
        )
    return named[:1] if len(set(named)) == 1 else named


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
    *,
    shown: Mapping[str, Any] | None = None,
    measure_shunt: bool = False,
) -> Case:
    """Return the case that study and settings make; ``shown`` is what provenance tells of the settings.

    Parameters
    ----------
    study : Study
        Images and regions.
    settings : StudySettings
        Clinical facts and choices.
    shown : mapping or None
        What provenance tells of the settings; None for all of them.
    measure_shunt : bool
        Whether the planar lung shunt may be asked for although the shunt is stated.
    """
    case = study.case(
        settings, dead_time=dead_time_of(settings), measure_shunt=measure_shunt, shown_settings=shown
    )
    return replace(case, engine_decision=decide_engine(settings.dose.engine, case))


def anonymised(study: Study, settings: StudySettings) -> tuple[Study, StudySettings, dict[str, Any]]:
    """Return study, settings and what is shown of the settings, without what tells who the patient is where that is asked for."""
    shown = settings.as_dict()
    if not settings.output.anonymise:
        return study, settings, shown
    names = anonymous_names(study.drawn, study.identity)
    roles = renamed_roles(study, settings.regions.roles, names)
    settings = settings.changed(regions={"roles": roles}, output={"label": None})
    injections = [
        one.model_copy(update={"territory": names.get(one.territory or "", one.territory)})
        for one in settings.injection
    ]
    settings = settings.model_copy(
        update={
            "injection": injections,
            "radiobiology": without_free_text(settings.radiobiology),
            "plan": anonymous_aims(settings.plan, names),
        }
    )
    stated = settings.as_dict()
    shown |= {key: stated[key] for key in ("plan", "radiobiology")}
    return study.anonymous(), settings, anonymous_settings(shown)
