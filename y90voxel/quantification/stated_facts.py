"""Facts of a header against what the user states: where the header cannot say, where it contradicts, where that is trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.emission import DecayReference, EmissionImage

__all__ = ["StatedFacts", "check_imaged_nuclide", "check_stated_time", "with_stated_facts"]

# A stated administration may differ from the header's by so much before a notice says so, and before it is refused.
SAID_BEYOND, REFUSED_BEYOND = timedelta(hours=1), timedelta(days=1)
CLOCK_TOLERANCE = timedelta(seconds=60)
POSITRON_EMITTERS = frozenset(
    ("C-11", "N-13", "O-15", "F-18", "Na-22", "Cu-64", "Ga-68", "Ge-68", "Rb-82", "Y-86", "Zr-89", "I-124")
)
# Tc-99m agents that do not lodge as microspheres do; what an agent is called that is none of these is not judged.
OTHER_AGENTS = re.compile(
    r"\b(mdp|hdp|medronate|oxidronate|hmpao|exametazime|mibi|sestamibi|tetrofosmin|dtpa|pentetate|mag3|mertiatide|dmsa|succimer"
    r"|mebrofenin|hida|disida|sul(?:f|ph)ur colloid|nanocolloid|tilmanocept|red blood cells?|rbc)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class StatedFacts:
    """What the user states about an emission image.

    Parameters
    ----------
    acquisition_time : datetime or None
        When it was taken.
    decay_reference : DecayReference or None
        What its values refer to.
    surrogate : bool
        Whether it stands for the therapy whatever nuclide its header names.
    trust_time : bool
        Whether stated times count against those of the header.
    """

    acquisition_time: datetime | None = None
    decay_reference: DecayReference | None = None
    surrogate: bool = False
    trust_time: bool = False


def with_stated_facts(emission: EmissionImage, stated: StatedFacts) -> tuple[EmissionImage, list[Notice]]:
    """Return the image with what its header does not say, and notices about what was stated.

    Raises
    ------
    InputError
        If a stated fact contradicts the header and is not to be trusted.
    """
    notices: list[Notice] = []
    if stated.acquisition_time is not None:
        emission = _on_stated_day(emission, stated.acquisition_time)
        _check_same_instant(emission.acquisition_start, stated)
        begun = emission.series_start if emission.acquisition_start is None else None
        emission = replace(
            emission,
            acquisition_start=stated.acquisition_time,
            series_start=begun or stated.acquisition_time,
        )
        message = (
            f"the acquisition began at {stated.acquisition_time.isoformat()}, as stated (--acquisition-time)."
        )
        notices.append(Notice("acquisition-time-stated", message))
    if stated.decay_reference is not None:
        _check_same_reference(emission.decay_reference, stated)
        emission = replace(emission, decay_reference=stated.decay_reference)
        message = f"the values refer to {stated.decay_reference.value}, as stated (--decay-reference)."
        notices.append(Notice("decay-reference-stated", message))
    if stated.surrogate:
        emission = replace(emission, predicted=True, surrogate_stated=True)
        message = (
            f"the image of {emission.imaged_nuclide or 'an unstated nuclide'} stands for the therapy as asked (--surrogate): the "
            "dose is a prediction."
        )
        notices.append(Notice("surrogate-accepted", message))
    return emission, notices


def _on_stated_day(emission: EmissionImage, acquired: datetime) -> EmissionImage:
    """Return an image whose file states clocks without a day on the day of the stated acquisition."""
    own = emission.acquisition_start
    if not emission.day_unknown or own is None:
        return emission
    zone = acquired.tzinfo if own.tzinfo is None else own.tzinfo
    days = round((acquired.replace(tzinfo=zone) - own.replace(tzinfo=zone)) / timedelta(days=1))

    def moved(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.replace(tzinfo=zone) + timedelta(days=days)

    return replace(
        emission,
        acquisition_start=moved(own),
        series_start=moved(emission.series_start),
        administration_time=moved(emission.administration_time),
        day_unknown=False,
    )


def _check_same_instant(own: datetime | None, stated: StatedFacts) -> None:
    """Refuse an acquisition time that contradicts the header's, unless it is to be trusted."""
    time = stated.acquisition_time
    if own is None or time is None or stated.trust_time:
        return
    comparable = (own.tzinfo is None) == (time.tzinfo is None)
    if comparable and abs(own - time) <= CLOCK_TOLERANCE:
        return
    raise InputError(
        f"--acquisition-time is {time.isoformat()}, but the header says {own.isoformat()}. Leave it out to take the header's, "
        f"{'' if comparable else 'give --time-zone where only one of both has a zone, '}or add --trust-time if the header is "
        "wrong.",
        tag="series.acquisition_time",
    )


def _check_same_reference(own: DecayReference | None, stated: StatedFacts) -> None:
    """Refuse a decay reference that contradicts the header's, unless it is to be trusted."""
    if own in (None, stated.decay_reference) or stated.trust_time:
        return
    assert own is not None and stated.decay_reference is not None  # noqa: PT018  # compared above
    raise InputError(
        f"--decay-reference is {stated.decay_reference.value}, but DecayCorrection says {own.value}. Leave it out to take the "
        "header's, or add --trust-time if the header is wrong.",
        tag="series.decay_reference",
    )


def check_stated_time(emission: EmissionImage, time: datetime | None, *, trusted: bool) -> list[Notice]:
    """Return what has to be said about a stated administration that is not the header's own.

    Parameters
    ----------
    emission : EmissionImage
        With the administration of its header; that of a surrogate is another one and plays no part.
    time : datetime or None
        As stated.
    trusted : bool
        Whether the stated time counts, however far off.

    Raises
    ------
    InputError
        If they lie more than a day apart and the stated one is not to be trusted, or the day of the image is not known.
    """
    header = emission.administration_time
    if time is not None and emission.day_unknown:
        raise InputError(
            f"--time is {time.isoformat()}, but the image's file states its times without a date. Give --acquisition-time too, "
            "or leave --time out to take the file's time from administration to acquisition.",
            tag="administration.time",
        )
    if (
        time is None
        or header is None
        or emission.predicted
        or (time.tzinfo is None) != (header.tzinfo is None)
    ):
        return []
    apart = abs(time - header)
    if emission.administration_day_assumed:  # only the hour is the header's own
        apart = min(apart % REFUSED_BEYOND, REFUSED_BEYOND - apart % REFUSED_BEYOND)
    if apart <= SAID_BEYOND:
        return []
    hours = f"{apart.total_seconds() / 3600:.1f} h"
    message = (
        f"--time is {time.isoformat()}, but the image's header says that it was given at {header.isoformat()} "
        f"(RadiopharmaceuticalStartDateTime), {hours} off"
    )
    if apart > REFUSED_BEYOND and not trusted:
        raise InputError(
            f"{message}: one of both is wrong. Correct --time or leave it out, or add --trust-time if the header is wrong.",
            tag="administration.time",
        )
    return [Notice("time-contradicts-header", f"{message}; the stated time counts.")]


def check_imaged_nuclide(emission: EmissionImage, therapy: str) -> list[Notice]:
    """Return what has to be said about the nuclide of an image, when it can stand for the therapy.

    Tc-99m macroaggregates and the therapy nuclide itself do; on a PET, the nuclide that the scanner was set to is undone.

    Parameters
    ----------
    emission : EmissionImage
        The image.
    therapy : str
        Name of the therapy nuclide.

    Raises
    ------
    InputError
        If it does not.
    """
    imaged, agent = emission.imaged_nuclide, emission.agent
    if emission.modality == "file" or imaged in (None, therapy) or emission.surrogate_stated:
        return []
    other_agent = OTHER_AGENTS.search(agent) if imaged == "Tc-99m" else None
    if imaged == "Tc-99m" and not other_agent:
        return []
    if emission.modality == "PT" and imaged in POSITRON_EMITTERS:
        message = f"the image's header names {imaged}{f' ({agent})' if agent else ''}; it is taken as an image of {therapy}."
        return [] if emission.predicted else [Notice("imaged-nuclide", message)]
    named = f"{imaged} {other_agent.group()}" if other_agent else str(imaged)
    raise InputError(
        f"the image's header names {named}, which does not stand for {therapy} microspheres (Tc-99m MAA and {therapy} do). Give "
        "the right image, correct the header, or add --surrogate if this distribution is to stand for the therapy.",
        tag="RadionuclideCodeSequence",
    )
