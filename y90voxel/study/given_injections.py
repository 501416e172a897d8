"""What was given in each injection, from the settings: with an image of its own, or with one scan after several arteries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from y90voxel.case.settings import InjectionFacts, InjectionSettings, StudySettings
from y90voxel.errors import InputError, Notice
from y90voxel.quantification.administration import Administration, net_activity, therapy_nuclide
from y90voxel.quantification.arteries import Artery, combined_administration, missing_fact
from y90voxel.quantification.calibration import (
    CalibrationMode,
    elapsed_since_administration,
    slices_acquired_together,
)
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.stated_facts import StatedFacts, check_stated_time, with_stated_facts
from y90voxel.quantification.time_zones import in_zone, localised, time_zone_of
from y90voxel.volumes.volume import ActivityMap

__all__ = ["check_nothing_shared", "given_injection", "net_activity_of", "one_scan_of_several"]


def check_nothing_shared(shared: InjectionFacts, injections: int) -> None:
    """Refuse an activity or residual that several injections would each take as their own.

    Parameters
    ----------
    shared : InjectionFacts
        What is stated for all of them.
    injections : int
        How many there are.

    Raises
    ------
    InputError
        If there are several, and an activity or residual is shared.
    """
    names = ("net_activity", "activity", "residual")
    stated = [name for name in names if getattr(shared, name)]
    if injections > 1 and stated:
        raise InputError(
            f"administration.{', administration.'.join(stated)} is given once for {injections} injections, and each would take "
            "all of it. Give every injection its own.",
            tag="injection",
        )


def given_injection(
    emission: EmissionImage, facts: InjectionFacts, settings: StudySettings, notices: list[Notice]
) -> Injection:
    """Return one injection with an image of its own.

    Parameters
    ----------
    emission : EmissionImage
        Its image.
    facts : InjectionFacts
        What was given.
    settings : StudySettings
        All that is stated.
    notices : list of Notice
        Gets what has to be said.

    Raises
    ------
    InputError
        If a stated fact contradicts the header or another.
    """
    zone = time_zone_of(settings.administration.time_zone)
    emission, new_notices = _stated_image(emission, settings)
    time = in_zone(facts.time, zone)
    notices += [*new_notices, *check_stated_time(emission, time, trusted=settings.accept.trust_time)]
    administration = _administration(facts, settings, time, time or emission.plausible_administration_time)
    territory = facts.territory if isinstance(facts, InjectionSettings) else None
    return Injection(_as_decays(emission, settings), administration, territory)


def one_scan_of_several(
    emission: EmissionImage,
    given: Sequence[InjectionFacts],
    settings: StudySettings,
    notices: list[Notice],
) -> Injection:
    """Return several injections that one scan follows, as one at the time of the last.

    Parameters
    ----------
    emission : EmissionImage
        The scan.
    given : sequence of InjectionFacts
        What was given in each.
    settings : StudySettings
        All that is stated.
    notices : list of Notice
        Gets what has to be said.

    Raises
    ------
    InputError
        If an injection lacks time or activity, follows the scan, or the image is of a surrogate: its parts are not the therapy's.
    """
    zone = time_zone_of(settings.administration.time_zone)
    emission, new_notices = _stated_image(emission, settings)
    notices += new_notices
    if emission.predicted:
        raise InputError(
            f"{len(given)} injections are described for one surrogate image ({emission.imaged_nuclide or 'unstated nuclide'}): "
            "it cannot tell how the therapy divides between them. Give each injection its own emission_series, or describe one "
            "injection with the activity of all.",
            tag="injection",
        )
    arteries = []
    for number, facts in enumerate(given, start=1):
        name, time = f"injection {number}", in_zone(facts.time, zone)
        if time is None:
            raise missing_fact(name, "time")
        territory = facts.territory if isinstance(facts, InjectionSettings) else None
        arteries.append(Artery(name, _administration(facts, settings, time, time), territory))
    administration = combined_administration(
        arteries, therapy_nuclide(settings.administration.nuclide).half_life_s
    )
    last, acquired = administration.time, emission.acquisition_start
    assert last is not None  # every injection states its time
    if acquired is not None and (acquired.tzinfo is None) == (last.tzinfo is None):
        elapsed_since_administration(last, acquired)
    notices += _nearest_to_header(emission, arteries, trusted=settings.accept.trust_time)
    return Injection(_as_decays(emission, settings), administration, arteries=tuple(arteries))


def _nearest_to_header(emission: EmissionImage, arteries: Sequence[Artery], *, trusted: bool) -> list[Notice]:
    """What has to be said about stated times: the header has one, and any of the injections may be meant."""
    header = emission.administration_time
    times = [artery.administration.time for artery in arteries]
    comparable = [t for t in times if t and header and (t.tzinfo is None) == (header.tzinfo is None)]
    if header is None or not comparable:
        return []
    nearest = min(comparable, key=lambda time: abs(time - header))
    return check_stated_time(emission, nearest, trusted=trusted)


def _stated_image(emission: EmissionImage, settings: StudySettings) -> tuple[EmissionImage, list[Notice]]:
    """The image with what is stated of it, and what has to be said."""
    accepted = settings.accept
    zone = time_zone_of(settings.administration.time_zone)
    reference = settings.series.decay_reference
    stated = StatedFacts(
        in_zone(settings.series.acquisition_time, zone),
        None if reference is None else DecayReference(reference),
        accepted.surrogate,
        accepted.trust_time,
    )
    return with_stated_facts(localised(emission, zone), stated)


def _as_decays(emission: EmissionImage, settings: StudySettings) -> EmissionImage:
    """The image as if all slices had been acquired together, and in Bq where its file has Bq/mL."""
    record = therapy_nuclide(settings.administration.nuclide)
    imaged_s = emission.header_half_life_s if emission.predicted else record.half_life_s
    emission = slices_acquired_together(emission, imaged_s or record.half_life_s)
    if emission.modality == "file" and settings.dose.calibration == CalibrationMode.ABSOLUTE.value:
        values = emission.volume.array * emission.grid.voxel_volume_ml
        emission = replace(emission, volume=ActivityMap(values, emission.grid))
    return emission


def _administration(
    facts: InjectionFacts,
    settings: StudySettings,
    time: datetime | None,
    activity_time: datetime | None,
) -> Administration:
    """What was given in one injection; activities are decayed to ``activity_time``."""
    shunt = facts.lung_shunt_fraction
    measured = shunt if isinstance(shunt, str) else None
    return Administration(
        nuclide=therapy_nuclide(settings.administration.nuclide).name,
        activity_bq=net_activity_of(facts, settings, activity_time),
        time=time,
        lung_shunt_fraction=None if isinstance(shunt, str) else shunt,
        shunt_source=measured or ("none" if shunt is None else "given"),
        device=settings.administration.device,
    )


def net_activity_of(
    facts: InjectionFacts, settings: StudySettings, administration_time: datetime | None
) -> float | None:
    """Return what was administered [Bq]: as stated, or the vial minus its residual; None when none is given.

    Parameters
    ----------
    facts : InjectionFacts
        Activities and their times.
    settings : StudySettings
        Nuclide, and zone of times without one.
    administration_time : datetime or None
        When the injection was.

    Raises
    ------
    InputError
        If net and vial activity are both given, or a residual without the vial activity.
    """
    net, vial, zone = facts.net_activity, facts.activity, time_zone_of(settings.administration.time_zone)
    if net is not None and vial is not None:
        raise InputError(
            f"give the administered (net) activity ({net:g} Bq) or the vial's ({vial:g} Bq), not both.",
            tag="administration.activity",
        )
    if vial is not None:
        return net_activity(
            vial,
            therapy_nuclide(settings.administration.nuclide).half_life_s,
            vial_time=in_zone(facts.activity_time, zone),
            residual_bq=facts.residual or 0.0,
            residual_time=in_zone(facts.residual_time, zone),
            administration_time=administration_time,
        )
    if facts.residual:
        raise InputError(
            "a residual is given without the vial activity: give --activity too.",
            tag="administration.residual",
        )
    return net
