"""What a Radiation Dose SR states of a result: each administration, and the doses of organs where there was one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from y90voxel.case.case import Case
from y90voxel.case.evaluation import VOXEL_BY_MASS, Evaluation, limiting_lung_dose
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.radiation_dose_sr import SITES, AdministeredDose, Assay, OrganDose, event_uid_of
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
from y90voxel.quantification.time_zones import in_zone, time_zone_of
from y90voxel.reference.devices import device
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import Role, side_of_name
from y90voxel.version import __version__

__all__ = ["administered_doses", "check_administrations"]

PAIRED = (Role.KIDNEY,)


def check_administrations(case: Case, *, anonymised: bool) -> None:
    """Refuse a case whose administrations a Radiation Dose SR cannot state, before its dose is computed.

    Parameters
    ----------
    case : Case
        The treatment.
    anonymised : bool
        Whether times are left out.

    Raises
    ------
    InputError
        If the therapy was not imaged but predicted, or the time or one of several activities is not known.
    """
    if case.predicted:
        raise InputError(
            "a Radiation Dose SR states what was administered, and this dose is predicted from a surrogate image: a registry "
            "would count a treatment that was not given. Leave --sr out.",
            tag="output.sr",
        )
    given = _administrations(case)
    for number, one in enumerate(given, start=1):
        which = "" if len(given) == 1 else f" of injection {number}"
        if one.time is None and _header_time(case, number) is None and not anonymised:
            raise InputError(
                f"a Radiation Dose SR needs the time of administration{which}, which neither the settings nor the image header "
                "state. Give --time, or leave --sr out.",
                tag="administration.time",
            )
        if one.activity_bq is None and len(given) > 1:
            raise InputError(
                f"a Radiation Dose SR needs the activity{which}, and none is given. Give it, or leave --sr out.",
                tag="injection.activity",
            )


def administered_doses(
    evaluation: Evaluation, identity: StudyIdentity
) -> tuple[tuple[AdministeredDose, ...], tuple[Notice, ...]]:
    """Return what is to be stated of each administration, and what has to be said of it.

    Parameters
    ----------
    evaluation : Evaluation
        The result; `check_administrations` has let its case pass.
    identity : StudyIdentity
        Patient and study; where identity was removed, times are left out.
    """
    case, given = evaluation.case, _administrations(evaluation.case)
    several = len(given) > 1
    comments = [] if not identity.anonymised else ["Times are left out, anonymised; 1900-01-01 is none."]
    notices: tuple[Notice, ...] = ()
    if several:
        message = f"organ doses are of {len(given)} administrations together, so that no Radiation Dose SR states them."
        notices = (Notice("sr-organ-doses-left-out", message),)
        comments.append(message)
    if given[0].activity_bq is None:
        comments.append("The administered activity is that of the image.")
    stated = tuple(
        AdministeredDose(
            nuclide=one.nuclide,
            half_life_s=nuclide(one.nuclide).half_life_s,
            activity_bq=evaluation.net_activity_bq if one.activity_bq is None else one.activity_bq,
            event_uid=_event_uid(case, number, one, identity),
            time=None if identity.anonymised else one.time or _header_time(case, number),
            brand="" if one.device is None else device(one.device).product,
            modality=case.injections[0].emission.modality,
            authority=f"y90voxel {__version__}, {evaluation.engine}, means of the image without partial volume correction; "
            "research use",
            comment=" ".join(comments),
            organs=() if several else _organs(evaluation),
            before=_assay(facts.activity, facts.activity_time, case, identity),
            after=_assay(facts.residual, facts.residual_time, case, identity),
        )
        for number, (one, facts) in enumerate(zip(given, case.settings.injections, strict=True), start=1)
    )
    return stated, notices


def _administrations(case: Case) -> Sequence[Administration]:
    """What was given in each injection, also where one scan follows several."""
    arteries = case.injections[0].arteries
    if len(case.injections) == 1 and arteries:
        return [artery.administration for artery in arteries]
    return [injection.administration for injection in case.injections]


def _header_time(case: Case, number: int) -> datetime | None:
    """The time of an administration by the header of its own image."""
    emission = case.injections[min(number, len(case.injections)) - 1].emission
    time = emission.plausible_administration_time
    return None if emission.day_unknown or emission.administration_day_assumed else time


def _event_uid(case: Case, number: int, given: Administration, identity: StudyIdentity) -> str:
    """The UID of the administration in the header of its image; else one that the same study gets again."""
    alone = len(_administrations(case)) == len(case.injections)
    stated = case.injections[number - 1].emission.administration_event_uid if alone else None
    if stated is not None and not identity.anonymised:
        return stated
    return event_uid_of(identity.study_instance_uid, number, given.nuclide)


def _assay(
    activity_bq: float | None, time: datetime | None, case: Case, identity: StudyIdentity
) -> Assay | None:
    """What was measured of an activity, and when that may be told."""
    if activity_bq is None:
        return None
    zone = time_zone_of(case.settings.administration.time_zone)
    return Assay(activity_bq, None if identity.anonymised else in_zone(time, zone))


def _organs(evaluation: Evaluation) -> tuple[OrganDose, ...]:
    """Liver, tumours and organs by their mean doses by mass, and the lungs by the mass that limits refer to."""
    organs = [
        OrganDose(
            region.role,
            region.name,
            region.mean_gy if region.mass_weighted_mean_gy is None else region.mass_weighted_mean_gy,
            region.mass_g,
            "drawn volume times density of the tissue",
            side_of_name(region.name) if region.role in PAIRED else None,
        )
        for region in evaluation.regions
        if region.role in SITES and region.role != Role.LUNGS
    ]
    key, lung_gy = limiting_lung_dose(evaluation.lung, evaluation.case)
    if key is None or lung_gy is None:
        return tuple(organs)
    if key == VOXEL_BY_MASS:
        mass, method = evaluation.lung.ct_mass_g, "CT"
    else:
        row = next(row for row in LUNG_CONVENTIONS if row.key == key)
        mass, method = None if row.mass_kg is None else 1000.0 * row.mass_kg, row.label
    return (*organs, OrganDose(Role.LUNGS, "lungs", lung_gy, mass, method, "both"))
