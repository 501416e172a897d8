"""What a result says of each item of a standard report."""

from __future__ import annotations

from collections.abc import Iterable

from y90voxel.case.reporting_view import ItemStatus, Reported
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import ORGANS, Role
from y90voxel.units import SECONDS_PER_HOUR, format_activity

__all__ = [
    "accuracy_of_delivery",
    "activity_by_region",
    "administered_activity",
    "administration_time",
    "assay",
    "biological_dose",
    "body_dose",
    "calibration_method",
    "clinical_state",
    "computation",
    "delivery_verified",
    "density_and_mass",
    "deviations",
    "device_named",
    "disease_named",
    "imaging_record",
    "intent_named",
    "limits_tested",
    "lung_conventions_reported",
    "lung_shunt",
    "normal_liver_both",
    "organs_reported",
    "plan_compared",
    "recovery_applied",
    "region_origin",
    "registration_done",
    "residual_named",
    "source_tissues",
    "sub_structures",
    "surveys",
    "time_course",
    "tumour_doses",
    "tumour_volumes",
    "uncertainty_given",
    "vascular_territory",
    "vial_record",
    "volumes",
    "voxel_map",
]


def _with_role(evaluation: Reported, *roles: Role) -> list[RegionMetrics]:
    """Regions of roles that have a dose."""
    return [metrics for metrics in evaluation.regions if metrics.role in roles]


def _roles(evaluation: Reported) -> set[str]:
    """Roles that have a dose."""
    return {metrics.role for metrics in evaluation.regions}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _of_parts(present: Iterable[str], absent: Iterable[str], how: str) -> ItemStatus:
    """An item of several parts: missing as long as one of them is."""
    present, absent = list(present), list(absent)
    if not absent:
        return ItemStatus.derived(_listed(present))
    there = f"only {_listed(present)}; " if present else ""
    return ItemStatus.missing(f"{there}no {_listed(absent)}: {how}")


def source_tissues(evaluation: Reported) -> ItemStatus:
    """Tumours, normal liver and lungs, where the spheres are."""
    roles = _roles(evaluation)
    lungs = Role.LUNGS in roles or any(dose is not None for dose in evaluation.lung.mird_gy.values())
    parts = {
        "tumours": Role.TUMOUR in roles,
        "non-tumour liver": Role.NON_TUMOUR_LIVER in roles,
        "lungs": lungs,
    }
    present = [name for name, is_known in parts.items() if is_known]
    return _of_parts(
        present, [name for name in parts if name not in present], "draw them, or give the lung shunt"
    )


def body_dose(evaluation: Reported) -> ItemStatus:
    """Mean dose of the body."""
    bodies = _with_role(evaluation, Role.BODY)
    if bodies:
        return ItemStatus.derived(f"mean of {bodies[0].name!r}, the part in the image")
    return ItemStatus.missing("no body is drawn, and none was segmented from a CT")


def activity_by_region(evaluation: Reported) -> ItemStatus:
    """Activity of each region in the image, at administration; each injection has one image, and one time point."""
    images = len(evaluation.case.injections)
    if not evaluation.regions:
        return ItemStatus.missing("no regions; draw them")
    of_images = "1 image" if images == 1 else f"{images} images, one an injection"
    return ItemStatus.derived(f"activity_bq of each region at administration, from {of_images}")


def time_course(evaluation: Reported) -> ItemStatus:
    """The time-activity curve is that of decay in place."""
    hours = nuclide(evaluation.case.nuclide).half_life_s / SECONDS_PER_HOUR
    return ItemStatus.derived(
        f"spheres stay where they are: decay alone, half-life {hours:.4g} h; not fitted"
    )


def volumes(evaluation: Reported) -> ItemStatus:
    """Volumes of the regions."""
    if not evaluation.regions:
        return ItemStatus.missing("no regions; draw them")
    return ItemStatus.derived(f"volume_ml of {len(evaluation.regions)} regions")


def organs_reported(evaluation: Reported) -> ItemStatus:
    """Organs outside liver and lungs."""
    roles = _roles(evaluation)
    present = [organ.value for organ in ORGANS if organ in roles]
    return _of_parts(present, [organ.value for organ in ORGANS if organ not in roles], "draw or segment them")


def tumour_doses(evaluation: Reported) -> ItemStatus:
    """Mean, D and V of each tumour."""
    tumours = _with_role(evaluation, Role.TUMOUR)
    if not tumours:
        return ItemStatus.missing("no tumour is drawn")
    return ItemStatus.derived(
        f"mean, D98 to D2, V50 to V205 of {_listed(metrics.name for metrics in tumours)}"
    )


def sub_structures(evaluation: Reported) -> ItemStatus:
    """Perfused and unperfused parts of the liver."""
    parts = _with_role(evaluation, Role.PERFUSED_NON_TUMOUR_LIVER, Role.UNPERFUSED_LIVER)
    if not parts:
        return ItemStatus.missing("no perfused volume is drawn")
    return ItemStatus.derived(_listed(metrics.name for metrics in parts))


def biological_dose(evaluation: Reported) -> ItemStatus:
    """BED with its parameters."""
    names = [metrics.name for metrics in evaluation.regions if metrics.bed_mean_gy is not None]
    if not names:
        return ItemStatus.missing("off: give [radiobiology.ROLE] with alpha_beta_gy and repair_half_time_h")
    return ItemStatus.derived(f"mean BED and EQD2 of {_listed(names)}, with the parameters")


def voxel_map(evaluation: Reported) -> ItemStatus:
    """Dose map and histograms."""
    return ItemStatus.derived("dose.dcm, dose.nii.gz, dvh.csv; D90 and D98 of every region")


def lung_shunt(evaluation: Reported) -> ItemStatus:
    """Shunt and how it was found."""
    lung = evaluation.lung
    if lung.shunt_fraction is None:
        return ItemStatus.missing("give --lung-shunt: a fraction, spect or planar")
    text = f"{100.0 * lung.shunt_fraction:.3g} %"
    if lung.shunt_source == "given":
        return ItemStatus.present(f"{text}, given; how it was measured is not recorded")
    return ItemStatus.derived(f"{text}, by {lung.shunt_source}")


def vascular_territory(evaluation: Reported) -> ItemStatus:
    """What each artery supplies."""
    injections = evaluation.case.injections
    stated = [one.territory for one in injections]
    stated += [artery.territory for one in injections for artery in one.arteries]
    named = [name for name in stated if name]
    perfused = [metrics.name for metrics in _with_role(evaluation, Role.PERFUSED)]
    if named or perfused:
        return ItemStatus.present(_listed(dict.fromkeys([*named, *perfused])))
    return ItemStatus.missing("no perfused volume and no territory: the whole liver is taken as supplied")


def tumour_volumes(evaluation: Reported) -> ItemStatus:
    """Volume of each tumour."""
    tumours = _with_role(evaluation, Role.TUMOUR)
    if not tumours:
        return ItemStatus.missing("no tumour is drawn")
    return ItemStatus.derived(_listed(f"{metrics.name} {metrics.volume_ml:.3g} mL" for metrics in tumours))


def disease_named(evaluation: Reported) -> ItemStatus:
    """HCC, ICC or mCRC."""
    disease = evaluation.case.clinical_context.disease
    return ItemStatus.missing("give --disease") if disease is None else ItemStatus.present(disease.value)


def device_named(evaluation: Reported) -> ItemStatus:
    """Glass, resin or holmium."""
    device = evaluation.case.device
    return (
        ItemStatus.missing("give --device")
        if device is None
        else ItemStatus.present(device_record(device).product)
    )


def administered_activity(evaluation: Reported) -> ItemStatus:
    """Net activity given."""
    text = format_activity(evaluation.net_activity_bq)
    if all(one.administration.activity_bq is not None for one in evaluation.case.injections):
        return ItemStatus.present(f"{text} net")
    return ItemStatus.derived(f"{text}, from the image; give --activity")


def assay(evaluation: Reported) -> ItemStatus:
    """When the vial was measured; nothing records with what."""
    facts = evaluation.case.settings.injections
    unknown = "the calibrator and its traceability are not recorded here"
    if all(one.activity_time is not None for one in facts):
        return ItemStatus.missing(f"the time of the assay is stated; {unknown}")
    vial = all(one.activity is not None for one in facts)
    return ItemStatus.missing(f"give {'' if vial else '--activity and '}--activity-time; {unknown}")


def surveys(_: Reported) -> ItemStatus:
    """Radiation surveys."""
    return ItemStatus.missing("not recorded by this program")


def accuracy_of_delivery(_: Reported) -> ItemStatus:
    """Given against intended activity."""
    return ItemStatus.missing(
        "the intended activity is not known here: y90voxel plan with [[plan.treatment]] says it"
    )


def delivery_verified(evaluation: Reported) -> ItemStatus:
    """Whether the therapy itself was imaged."""
    if evaluation.case.predicted:
        return ItemStatus.missing("the image is of a surrogate: this dose is predicted")
    return ItemStatus.derived("dose of the image of the therapy")


def clinical_state(evaluation: Reported) -> ItemStatus:
    """Stage, liver function, vascular invasion."""
    facts = {} if evaluation.case.patient is None else evaluation.case.patient.as_dict()
    keys = {
        "bclc": "BCLC",
        "child_pugh_points": "Child-Pugh",
        "albi_grade": "ALBI",
        "bilirubin_umol_per_l": "bilirubin",
        "portal_vein": "portal vein",
        "hepatic_vein": "hepatic vein",
    }
    absent = [title for key, title in keys.items() if facts.get(key) is None]
    stated = [title for title in keys.values() if title not in absent]
    if not absent:
        return ItemStatus.present(_listed(stated))
    there = f"only {_listed(stated)}; " if stated else ""
    return ItemStatus.missing(f"{there}no {_listed(absent)}: give them in [patient]")


def intent_named(evaluation: Reported) -> ItemStatus:
    """What the treatment is for."""
    context = evaluation.case.clinical_context
    parts = {"--scenario": context.scenario and context.scenario.value, "--intent": context.intent}
    absent = [option for option, value in parts.items() if not value]
    stated = _listed(str(value) for value in parts.values() if value)
    if not absent:
        return ItemStatus.present(stated)
    return ItemStatus.missing(f"{f'only {stated}; ' if stated else ''}give {' and '.join(absent)}")


def vial_record(_: Reported) -> ItemStatus:
    """Vial and lot."""
    return ItemStatus.missing(
        "lot and vial are not recorded; y90voxel plan with an order gives the spheres of each vial"
    )


def residual_named(evaluation: Reported) -> ItemStatus:
    """What stayed in vial and lines."""
    facts = evaluation.case.settings.injections
    if all(one.residual is not None for one in facts):
        return ItemStatus.present("given, and taken off the activity")
    if any(one.net_activity is not None for one in facts):
        return ItemStatus.missing(
            "the net activity is stated, with the residual taken off; give --activity and --residual in its place"
        )
    if any(one.activity is None for one in facts):
        return ItemStatus.missing(
            "no vial activity is stated that it would be taken off; give --activity and --residual"
        )
    return ItemStatus.missing("taken as none; give --residual")


def administration_time(evaluation: Reported) -> ItemStatus:
    """Whether the time is known, with its zone; the time itself is not shown."""
    if evaluation.case.settings.output.anonymise:
        return ItemStatus.missing("left out of an anonymised report")
    times = [one.administration.time for one in evaluation.case.injections]
    if any(time is None for time in times):
        return ItemStatus.missing("give --time")
    if any(time is not None and time.tzinfo is None for time in times):
        return ItemStatus.missing("known without a zone; give --time-zone")
    return ItemStatus.present("known with its zone")


def imaging_record(evaluation: Reported) -> ItemStatus:
    """The image: modality and voxels are shown, scanner and reconstruction are not."""
    image = evaluation.case.injections[0].emission
    spacing = " × ".join(f"{step:.3g}" for step in image.volume.grid.spacing_mm)
    return ItemStatus.missing(
        f"only {image.modality} with voxels of {spacing} mm; scanner and reconstruction stand in the header of the image"
    )


def calibration_method(evaluation: Reported) -> ItemStatus:
    """How counts became activity, and the check by the whole map."""
    mode = evaluation.case.calibration.mode.value
    ratio = evaluation.map_activity_bq / evaluation.net_activity_bq
    return ItemStatus.derived(f"{mode}; the whole map holds {ratio:.3g} times the net activity")


def registration_done(evaluation: Reported) -> ItemStatus:
    """Whether the CTs were aligned."""
    if evaluation.case.alignment is not None:
        return ItemStatus.derived("CT to CT, with a picture before and after")
    return ItemStatus.present("coordinates of one frame of reference, or taken as such; see the notices")


def region_origin(evaluation: Reported) -> ItemStatus:
    """Who drew the regions."""
    drawn = list(evaluation.case.regions.drawn)
    if not drawn:
        return ItemStatus.missing("no regions; draw them")
    automatic = [region.name for region in drawn if region.automatic]
    if not automatic:
        return ItemStatus.present("drawn")
    if len(automatic) == len(drawn):
        return ItemStatus.present("all automatic: no person drew one")
    return ItemStatus.present(f"automatic: {_listed(automatic)}; the others drawn")


def density_and_mass(evaluation: Reported) -> ItemStatus:
    """Where densities come from."""
    sources = _listed(f"{part} {source}" for part, source in evaluation.density_sources.items())
    return ItemStatus.derived(sources or "masses of the regions")


def computation(evaluation: Reported) -> ItemStatus:
    """Engine, constant, version."""
    version = evaluation.provenance.get("version", "unknown")
    energy = f"{evaluation.energy_per_activity_j_per_gbq:.4g} J/GBq"
    return ItemStatus.derived(
        f"engine {evaluation.engine}, {energy}, y90voxel {version}; checksums in the provenance"
    )


def normal_liver_both(evaluation: Reported) -> ItemStatus:
    """Perfused and whole normal liver."""
    roles = _roles(evaluation)
    parts = {
        "whole non-tumour liver": Role.NON_TUMOUR_LIVER,
        "perfused non-tumour liver": Role.PERFUSED_NON_TUMOUR_LIVER,
    }
    present = [name for name, role in parts.items() if role in roles]
    return _of_parts(
        present, [name for name in parts if name not in present], "draw liver and perfused volume"
    )


def lung_conventions_reported(evaluation: Reported) -> ItemStatus:
    """MIRD with 1 kg and with the mass from CT."""
    doses = {row.mass_text: evaluation.lung.mird_gy.get(row.key) for row in LUNG_CONVENTIONS}
    absent = [name for name, dose in doses.items() if dose is None]
    doses_text = [f"{dose:.3g} Gy with {name}" for name, dose in doses.items() if dose is not None]
    return _of_parts(doses_text, absent, "needs the lung shunt, and both lungs whole on the CT")


def recovery_applied(evaluation: Reported) -> ItemStatus:
    """Corrections for blur."""
    if evaluation.partial_volume is None:
        return ItemStatus.missing("off: give [partial_volume]")
    return ItemStatus.derived("corrected numbers beside the uncorrected ones")


def uncertainty_given(evaluation: Reported) -> ItemStatus:
    """Budget and bands."""
    if evaluation.uncertainty is None:
        return ItemStatus.missing("off: give --uncertainty")
    return ItemStatus.derived("budget of each mean (k = 1 and 2), bands of 95 %")


def limits_tested(evaluation: Reported) -> ItemStatus:
    """Limits with their sources."""
    if evaluation.case.device is None:
        return ItemStatus.missing("give --device")
    return ItemStatus.derived(f"{len(evaluation.limits)} rows, each with its source")


def plan_compared(_: Reported) -> ItemStatus:
    """Predicted against delivered."""
    return ItemStatus.missing("of two results: y90voxel compare")


def deviations(_: Reported) -> ItemStatus:
    """Stasis, changes of the catheter, events."""
    return ItemStatus.missing("not recorded by this program")
