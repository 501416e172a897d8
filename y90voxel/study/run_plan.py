"""A plan from files, or from masses in a case file, to a folder of results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path

from y90voxel.case.carried_settings import Job, carried_notices, carried_settings
from y90voxel.case.plan_settings import (
    AimSettings,
    AnatomySettings,
    PlanSettings,
    TerritorySettings,
    TreatmentSettings,
)
from y90voxel.case.settings import StudySettings
from y90voxel.case.unused_settings import unused_notices, unused_radiobiology
from y90voxel.clinical.limits import ClinicalContext, Sense
from y90voxel.errors import InputError, Notice
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.io.result_tables import write_json
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan import plan, plan_from_masses
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.planning.plan_result import Plan, PlanFacts
from y90voxel.planning.plan_uncertainty import with_plan_uncertainty
from y90voxel.planning.treatment_day import SurveyReadings, TreatmentDay
from y90voxel.quantification.administration import therapy_nuclide
from y90voxel.quantification.time_zones import in_zone, time_zone_of
from y90voxel.study.anonymous import anonymous_case, anonymous_masses, anonymous_settings
from y90voxel.study.anonymous_text import anonymous_errors, without_identity
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.given_injections import net_activity_of
from y90voxel.study.optional_roles import with_optional_roles
from y90voxel.study.phantom_files import recovery_curve
from y90voxel.study.previous_treatments import PreviousTreatments, with_previous_treatments
from y90voxel.study.run_dose import StudyFiles, anonymised, make_case, read_chosen
from y90voxel.study.use_scanner import UsedScanner, use_scanner
from y90voxel.units import BQ_PER_GBQ

__all__ = ["request_of", "run_plan"]

Progress = Callable[[str, float], None]


def run_plan(
    path: str | Path | None,
    out: str | Path | None,
    settings: StudySettings,
    *,
    files: StudyFiles | None = None,
    only: Iterable[str] | None = None,
    optional_roles: Collection[str] = (),
    progress: Progress | None = None,
) -> Plan:
    """Read an MAA study, or masses from the settings, plan, and write the results to ``out``.

    Parameters
    ----------
    path : path-like or None
        DICOM folder or zip; None with files or masses.
    out : path-like or None
        Folder of the results; appears complete or not at all. None writes nothing.
    settings : StudySettings
        Clinical facts and choices.
    files : mapping
        ``emission``, ``ct``, ``regions``: files that complete or replace the study's; regions may be several.
    only : iterable of str or None
        Names of the files below ``path`` that make the study; None takes all.
    optional_roles : collection of str
        Names and patterns of ``regions.roles`` that may fit no region: given for many studies.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If settings, study or folder cannot be used.
    """
    report_progress = progress or (lambda what, done: None)
    with anonymous_errors(settings.output.anonymise):
        place = None if out is None else Path(out)
        return _run(path, place, settings, files or {}, only, optional_roles, report_progress)


def _run(
    path: str | Path | None,
    out: Path | None,
    settings: StudySettings,
    files: StudyFiles,
    only: Iterable[str] | None,
    optional_roles: Collection[str],
    report_progress: Progress,
) -> Plan:
    """Do what :func:`run_plan` says."""
    if out is not None:
        check_output_folder(out)
    settings, scanner = use_scanner(settings, plans=True)
    earlier = with_previous_treatments(settings)
    settings = earlier.settings
    request = request_of(settings)
    given = {name: file for name, file in files.items() if file}
    masses = path is None and not given
    if masses and settings.scanner is not None:
        raise InputError(
            "a plan without images has no use for a scanner file: there is nothing to correct or calibrate. Leave --scanner out.",
            tag="scanner",
        )
    if masses and settings.output.anonymise:
        settings = anonymous_masses(settings)
        request = request_of(settings)  # tumours have other names now
    if masses:
        carried = [name for name, _ in carried_settings(settings, Job.PLAN_FROM_MASSES)]
        planned = _without_images(settings, request).with_notices(
            *unused_notices(settings, carried), *unused_radiobiology(settings.radiobiology, ())
        )
        planned = _with_immune(_with_uncertainty(planned, settings, report_progress), settings)
        planned = _with_microscale(planned, settings)
    else:
        planned = _with_images(path, earlier, request, given, report_progress, scanner, only, optional_roles)
    planned = planned.with_notices(*earlier.notices)
    planned = planned.with_notices(*carried_notices(settings, Job.PLAN_FROM_MASSES if masses else Job.PLAN))
    if settings.partial_volume.method is not None:
        text = f"partial_volume.method = {settings.partial_volume.method!r} is not used: it corrects results of `dose`."
        planned = planned.with_notices(Notice("partial-volume-method-unused", text))
    if settings.noise.halves is not None:
        text = "noise.halves is not used: halves of the image correct histograms of `dose`."
        planned = planned.with_notices(Notice("noise-halves-unused", text))
    if out is not None:
        report_progress("writing the plan", 0.85)
        _write(planned, out, report=settings.output.report, pdf=settings.output.pdf)
    report_progress("done", 1.0)
    return planned


def request_of(settings: StudySettings) -> PlanRequest:
    """Return what the settings ask of a plan.

    Raises
    ------
    InputError
        If a number is out of range, a metric unknown, or a time lacks its zone.
    """
    asked, zone = settings.plan, time_zone_of(settings.administration.time_zone)
    return PlanRequest(
        context=_context(settings),
        aims=(
            *(_aim(aim, Sense.BELOW) for aim in asked.limit),
            *(_aim(aim, Sense.AT_LEAST) for aim in asked.goal),
        ),
        table_limits=asked.table_limits,
        perfused_dose_gy=asked.perfused_dose_gy,
        residual_fraction=asked.residual_fraction,
        split=None if asked.split is None else tuple(asked.split),
        greatest_gbq=_gbq(asked.greatest_activity),
        objective=asked.objective,
        recovery=asked.recovery,
        recovery_curve=recovery_curve(settings),
        order=_order(asked, zone),
        treatment=tuple(_treatment(day, zone) for day in asked.treatment),
    )


def _context(settings: StudySettings) -> ClinicalContext:
    """What decides limits and stop rules, with what the patient table adds to the plan's."""
    patient = settings.patient
    if patient is None:
        return settings.plan.context
    ascites = None if patient.ascites is None else patient.ascites == "present"
    return replace(settings.plan.context, ascites=ascites, bilirubin_reversible=patient.bilirubin_reversible)


def _aim(aim: AimSettings, sense: Sense) -> DoseAim:
    """A limit or goal from its table."""
    metric = parse_metric(aim.metric, aim.parameters)
    sign = "at most" if sense is Sense.BELOW else "at least"
    name = aim.name or f"{aim.region} {metric} {sign} {aim.value:g} {metric.unit}"
    return DoseAim(name, aim.region, sense, aim.value, metric, aim.previous, aim.source)


def _order(asked: PlanSettings, zone: tzinfo | None) -> OrderRequest | None:
    """The order, its times in the zone of the administration where they have none."""
    order = asked.order
    if order is None:
        return None
    injection = in_zone(order.injection_time, zone)
    assert injection is not None  # a required setting
    return OrderRequest(
        injection,
        tuple(time for time in (in_zone(t, zone) for t in order.calibration_times) if time is not None),
        order.greatest_age_h,
        order.model,
        None if order.activity is None else order.activity / BQ_PER_GBQ,
        _gbq(order.vial_sizes),
    )


def _treatment(day: TreatmentSettings, zone: tzinfo | None) -> TreatmentDay:
    """What was measured on the day; times without a zone take that of the administration."""
    _check_treatment(day)
    readings = None
    if day.reading_before is not None and day.reading_after is not None:
        readings = SurveyReadings(
            day.reading_before, day.reading_after, day.reading_background, day.readings_apart_h
        )
    return TreatmentDay(
        None if day.assay is None else day.assay / BQ_PER_GBQ,
        in_zone(day.assay_time, zone),
        in_zone(day.time, zone),
        None if day.residual is None else day.residual / BQ_PER_GBQ,
        in_zone(day.residual_time, zone),
        readings,
    )


def _check_treatment(day: TreatmentSettings) -> None:
    """Refuse what belongs to a measurement that is not given: it would not be used."""
    measured = {"assay_time": day.assay_time, "residual": day.residual, "reading_before": day.reading_before}
    alone = [name for name, value in measured.items() if value is not None]
    if day.assay is None and alone:
        raise InputError(
            f"[[plan.treatment]] gives {', '.join(alone)} and no assay: what was given is the vial as assayed less what stayed "
            "behind. Give assay, assay_time and time too, or leave it out.",
            tag="plan.treatment.assay",
        )
    if day.reading_before is None and (day.reading_background or day.readings_apart_h):
        raise InputError(
            f"reading_background ({day.reading_background:g}) and readings_apart_h ({day.readings_apart_h:g} h) belong to survey "
            "readings, and there are none: give reading_before and reading_after too, or leave them out.",
            tag="plan.treatment.reading_before",
        )
    if day.residual is None and day.residual_time is not None:
        raise InputError(
            f"the residual was measured at {day.residual_time.isoformat()}, but how much it was is not given: give residual in "
            "[[plan.treatment]], or leave residual_time out.",
            tag="plan.treatment.residual",
        )


def _gbq(activities_bq: list[float] | None) -> tuple[float, ...] | None:
    """Activities in GBq."""
    return None if activities_bq is None else tuple(a / BQ_PER_GBQ for a in activities_bq)


def _with_images(
    path: str | Path | None,
    earlier: PreviousTreatments,
    request: PlanRequest,
    files: StudyFiles,
    report_progress: Progress,
    scanner: UsedScanner,
    only: Iterable[str] | None,
    optional_roles: Collection[str],
) -> Plan:
    """The plan of a study."""
    settings = earlier.settings
    if settings.plan.anatomy is not None:
        raise InputError(
            "masses are given in plan.anatomy, but also images, which they are measured on. Leave one of them out.",
            tag="plan.anatomy",
        )
    study = read_chosen(path, settings, files, lambda what, done: report_progress(what, 0.4 * done), only)
    earlier.check_patient(study.identity)
    study, settings = with_optional_roles(scanner.checked(study), settings, optional_roles)
    study, settings, shown = anonymised(study, settings)
    if settings.output.anonymise:
        request = request_of(settings)  # regions have other names now
    chosen = settings.changed(dose={"calibration": settings.dose.calibration or "relative"})
    report_progress("placing regions", 0.4)
    case = make_case(study, chosen, shown=shown, measure_shunt=True)
    _check_activities([injection.administration.activity_bq for injection in case.injections])
    engine = build_engine(
        settings.dose.engine,
        case,
        monte_carlo=settings.monte_carlo,
        progress=lambda what, done: report_progress(what, 0.5),
    )
    planned = plan(case, engine, request, lambda what, done: report_progress(what, 0.4 + 0.3 * done))
    planned = _with_uncertainty(planned, settings, report_progress)
    planned = _with_microscale(_with_immune(planned, settings, study.identity.patient_sex), settings)
    if not settings.output.anonymise:
        return planned
    notices = tuple(replace(n, message=without_identity(n.message)) for n in planned.notices)
    assert planned.maps is not None  # it has images
    patient = None if planned.facts.patient is None else planned.facts.patient.anonymous()
    return replace(
        planned,
        facts=replace(planned.facts, patient=patient, dated=False),
        maps=replace(planned.maps, case=anonymous_case(case)),
        notices=notices,
    )


def _with_uncertainty(planned: Plan, settings: StudySettings, report_progress: Progress) -> Plan:
    """The plan with its intervals, where they are asked for."""
    if not settings.output.uncertainty:
        return planned
    given = settings.uncertainty.model_dump()
    return with_plan_uncertainty(planned, given, lambda what, done: report_progress(what, 0.7 + 0.15 * done))


def _with_immune(planned: Plan, settings: StudySettings, image_sex: str = "") -> Plan:
    """The plan with the dose to blood of every model, where it is asked for."""
    if not settings.immune.report:
        return planned
    # deferred: for what is asked for alone
    from y90voxel.planning.plan_immune import with_plan_immune

    return with_plan_immune(planned, settings.immune, image_sex)


def _with_microscale(planned: Plan, settings: StudySettings) -> Plan:
    """The plan with the dose between microspheres of every model, where it is asked for."""
    if not settings.microscale.report:
        return planned
    # deferred: for what is asked for alone
    from y90voxel.planning.plan_microscale import with_plan_microscale

    return with_plan_microscale(planned, settings.microscale)


def _without_images(settings: StudySettings, request: PlanRequest) -> Plan:
    """The plan of masses and shunts in the case file."""
    given = settings.administration
    if settings.plan.anatomy is None:
        raise InputError(
            "there is nothing to plan from: give a STUDY, image files, or masses in [plan.anatomy] of the case file.",
            tag="plan.anatomy",
        )
    if request.recovery or request.recovery_curve is not None:
        raise InputError(
            "a plan without images takes tumour-to-normal ratios as they are given: there is nothing to correct by recovery. "
            "Correct them first (y90voxel.planning.correct_tumour_to_normal_ratio), or give images.",
            tag="plan.recovery" if request.recovery else "partial_volume.recovery",
        )
    record = therapy_nuclide(given.nuclide)
    shown = settings.as_dict()
    territories, activities = _territories(settings, settings.plan.anatomy)
    patient = None if settings.patient is None else settings.patient.record()
    anonymise = settings.output.anonymise
    facts = PlanFacts(
        label=settings.output.label or "plan without images",
        nuclide=record.name,
        device=given.device,
        dose_constant_gy_kg_per_gbq=settings.dose.dose_constant_gy_kg_per_gbq
        or record.dose_constant_gy_kg_per_gbq,
        given_gbq=activities,
        patient=patient.anonymous() if patient is not None and anonymise else patient,
        hepatic_reserve=_reserve(settings.plan.anatomy),
        dated=not anonymise,
    )
    anatomy = _anatomy(settings.plan.anatomy, territories)
    return plan_from_masses(
        facts, anatomy, territories, request, anonymous_settings(shown) if anonymise else shown
    )


def _territories(
    settings: StudySettings, anatomy: AnatomySettings
) -> tuple[tuple[Territory, ...], tuple[float, ...] | None]:
    """What every injection reaches, and the activities as given where all are [GBq]."""
    reached = _stated_territories(settings, anatomy)
    names = [t.name if len(reached) == 1 else f"{t.name} {i}" for i, t in enumerate(reached, 1)]
    stated = [t.name for t in reached]
    names = stated if len(set(stated)) == len(stated) else names
    territories = tuple(
        Territory(
            name,
            t.lung_shunt_fraction,
            tuple(TumourUptake(u.name, u.mass_kg, u.ratio) for u in t.tumour),
            t.normal_mass_kg,
        )
        for name, t in zip(names, reached, strict=True)
    )
    activities = [t.activity for t in reached]
    whole = _net_activity(settings)
    if len(activities) == 1 and activities[0] is None:
        activities = [whole]
    elif whole is not None:
        raise InputError(
            "administration.activity is given beside injections that have their own: which holds is not clear. Give each "
            "activity in its [[plan.anatomy.territory]] only.",
            tag="administration.activity",
        )
    _check_activities(activities)
    complete = tuple(a / BQ_PER_GBQ for a in activities if a is not None)
    return territories, complete or None


def _check_activities(activities_bq: Sequence[float | None]) -> None:
    """Refuse activities of some injections without those of the others: they are judged together."""
    missing = [str(number) for number, activity in enumerate(activities_bq, 1) if activity is None]
    if missing and len(missing) < len(activities_bq):
        raise InputError(
            f"the activity of {len(activities_bq) - len(missing)} of {len(activities_bq)} injections is given, not that of "
            f"injection {', '.join(missing)}: they are judged together. Give that of each, or of none.",
            tag="activity",
        )


def _net_activity(settings: StudySettings) -> float | None:
    """What was administered [Bq]; None when none is given."""
    given = settings.administration
    return net_activity_of(given, settings, in_zone(given.time, time_zone_of(given.time_zone)))


def _stated_territories(settings: StudySettings, anatomy: AnatomySettings) -> list[TerritorySettings]:
    """The injections; a single one reaches what is treated and all tumours, unless it says otherwise."""
    if settings.injection:
        raise InputError(
            "[[injection]] is for images; a plan without images takes the shunt and activity of each injection from "
            "[[plan.anatomy.territory]]. State them there and leave [[injection]] out, or give images.",
            tag="injection",
        )
    shunt = settings.administration.lung_shunt_fraction
    theirs = {territory.lung_shunt_fraction for territory in anatomy.territory}
    if shunt is not None and anatomy.territory and theirs != {shunt}:
        raise InputError(
            f"administration.lung_shunt_fraction (--lung-shunt) is {shunt}, but the injections of plan.anatomy.territory have "
            f"{', '.join(f'{one:g}' for one in sorted(theirs))}: which holds is not clear. State it in "
            "[[plan.anatomy.territory]] only.",
            tag="administration.lung_shunt_fraction",
        )
    if not anatomy.territory and isinstance(shunt, float):
        reached = [TerritorySettings(lung_shunt_fraction=shunt)]
    else:
        reached = list(anatomy.territory)
    if not reached:
        raise InputError(
            "give every injection in [[plan.anatomy.territory]], or for a single one administration.lung_shunt_fraction.",
            tag="plan.anatomy.territory",
        )
    if len(reached) > 1:
        return reached
    (only,) = reached
    normal = anatomy.perfused_normal_mass_kg if only.normal_mass_kg is None else only.normal_mass_kg
    return [only.model_copy(update={"normal_mass_kg": normal, "tumour": only.tumour or anatomy.tumour})]


def _anatomy(stated: AnatomySettings, territories: tuple[Territory, ...]) -> Anatomy:
    """Masses and volumes; whole tumours and the perfused normal liver follow from a single injection."""
    masses: dict[str, float] = {}
    for territory in territories:
        for tumour in territory.tumours:
            masses[tumour.name] = masses.get(tumour.name, 0.0) + tumour.mass_kg
    masses |= {tumour.name: tumour.mass_kg for tumour in stated.tumour}
    perfused = stated.perfused_normal_mass_kg
    if perfused is None and len(territories) == 1:
        perfused = territories[0].normal_kg
    return Anatomy(
        tumour_masses_kg=masses,
        perfused_normal_kg=perfused,
        whole_normal_kg=stated.whole_normal_mass_kg,
        lung_ct_kg=stated.lung_ct_mass_kg,
        liver_volume_ml=stated.liver_volume_ml,
        perfused_volume_ml=stated.perfused_volume_ml,
        tumour_volume_ml=stated.tumour_volume_ml,
        tumour_volume_in_perfused_ml=stated.tumour_volume_in_perfused_ml,
    )


def _reserve(stated: AnatomySettings) -> float | None:
    """Untreated share of the liver volume, where both volumes are given."""
    if stated.liver_volume_ml is None or stated.perfused_volume_ml is None:
        return None
    return max(1.0 - stated.perfused_volume_ml / stated.liver_volume_ml, 0.0)


def _write(planned: Plan, out: Path, *, report: bool, pdf: bool) -> None:
    """Write every output, all or nothing."""
    with output_folder(out, "plan") as folder:
        write_json(planned.metrics, folder / "plan.json")
        if planned.maps is not None:
            _write_maps(planned, folder)
            alignment = planned.maps.case.alignment
            if alignment is not None and planned.facts.dated:  # an anonymous plan names no frame of reference
                write_registration(alignment, folder / "registration.dcm")
        if report or pdf:
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.plan_page import write_plan_page
            from y90voxel.report.slicer_scene import write_planned_scene

            write_plan_page(planned, folder, page=report, pdf=pdf)
            if report:
                write_planned_scene(planned, folder)


def _write_maps(planned: Plan, folder: Path) -> None:
    """Dose of one GBq: of all injections in the split of the first model, and of each of several."""
    maps = planned.maps
    assert maps is not None  # asked for plans with images
    activities = planned.first.activities_gbq or (1.0,) * len(maps.evaluations)
    total = sum(activities)
    split = [a / total for a in activities] if total > 0 else [1.0 / len(activities)] * len(activities)
    write_nifti(maps.dose(split), folder / "dose_per_gbq.nii.gz")
    if len(maps.evaluations) > 1:
        for number, evaluation in enumerate(maps.evaluations, 1):
            write_nifti(evaluation.dose, folder / f"dose_per_gbq_injection_{number}.nii.gz")
    regions = list(maps.case.regions)
    if regions:
        write_regions_nifti(
            {region.name: region.mask for region in regions},
            folder / "regions.nii.gz",
            roles={region.name: region.role.value for region in regions},
            automatic=[region.name for region in regions if region.automatic],
        )
