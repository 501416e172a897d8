"""Several radiopharmaceuticals in one header: which of them was imaged, and several administrations of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import date_time, items, number, shown
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.notices import warn
from y90voxel.reference.nuclide_records import NUCLIDE_RECORDS, therapy_nuclides

__all__ = ["SURROGATE", "SURROGATE_PHOTON_KEV", "decay_equivalent_time", "imaged_item"]

# The nuclide that an energy window tells, where a header names none, and its line [keV].
SURROGATE, SURROGATE_PHOTON_KEV = next(
    (name, record.photon_kev)
    for name, record in NUCLIDE_RECORDS.items()
    if record.surrogate and record.photon_kev
)
# A window this narrow about the photopeak images that photon; Bremsstrahlung is imaged in wide ones.
NARROW_WINDOW_KEV = 45.0
SAME_MOMENT = timedelta(seconds=60)


def imaged_item(
    instance: Instance, stated: Sequence[Dataset], nuclides: Sequence[str | None], notices: list[Notice]
) -> int:
    """Return which of several radiopharmaceuticals was imaged.

    A therapy nuclide on a PET, whatever else was injected; on a SPECT a narrow window about 140.5 keV tells Tc-99m.

    Parameters
    ----------
    instance : Instance
        The image.
    stated : sequence of Dataset
        Items of its RadiopharmaceuticalInformationSequence.
    nuclides : sequence of str or None
        Nuclide of each.
    notices : list of Notice
        Gets a warning that names the others.

    Raises
    ------
    DicomError
        If it cannot be told, or two therapy nuclides are stated.
    """
    names = [nuclide or "an unnamed nuclide" for nuclide in nuclides]
    therapies = sorted({nuclide for nuclide in nuclides if nuclide in therapy_nuclides()})
    kinds = set(nuclides)
    if len(kinds) == 1:
        return 0
    if len(therapies) > 1 or not therapies:
        _raise_untold(instance, names)
    imaged = therapies[0]
    if SURROGATE in kinds and instance.modality != "PT":
        narrow = _narrow_window_about(instance, SURROGATE_PHOTON_KEV)
        if narrow is None:
            _raise_untold(instance, names)
        imaged = SURROGATE if narrow else imaged
    others = ", ".join(name for name in names if name != imaged)
    notices.append(
        warn(
            "several-radiopharmaceuticals",
            f"the header names several radiopharmaceuticals ({', '.join(names)}); the image is taken as one of {imaged}. "
            f"Radiation of {others} in it would count as its own.",
            file=instance.source.name,
            tag="RadiopharmaceuticalInformationSequence",
            value=", ".join(names),
        )
    )
    return list(nuclides).index(imaged)


def _raise_untold(instance: Instance, names: Sequence[str]) -> None:
    """Raise because it is not known which of several was imaged."""
    raise DicomError(
        f"the header of {instance.source.name} names several radiopharmaceuticals ({shown(', '.join(names))}), and which of them "
        "was imaged is not known. Export the image with the one that it shows.",
        file=instance.source.name,
        tag="RadiopharmaceuticalInformationSequence",
    )


def _narrow_window_about(instance: Instance, energy_kev: float) -> bool | None:
    """Return whether an energy window lies narrowly about an energy; None where no window is stated."""
    file = instance.source
    windows = [
        (number(r, "EnergyWindowLowerLimit", file), number(r, "EnergyWindowUpperLimit", file))
        for w in items(instance.header, "EnergyWindowInformationSequence", file)
        for r in items(w, "EnergyWindowRangeSequence", file)
    ]
    closed_windows = [(low, high) for low, high in windows if low is not None and high is not None]
    if not closed_windows:
        return None
    return any(low <= energy_kev <= high and high - low <= NARROW_WINDOW_KEV for low, high in closed_windows)


def decay_equivalent_time(
    instance: Instance, given: Sequence[Dataset], half_life_s: float, notices: list[Notice]
) -> datetime | None:
    """Return the one instant that stands for several administrations of a nuclide; None where there is one only.

    All of the activity given then would leave what is left of the parts given at their own times.

    Parameters
    ----------
    instance : Instance
        The image.
    given : sequence of Dataset
        Items of one nuclide.
    half_life_s : float
        Its half-life [s].
    notices : list of Notice
        Gets a warning with times and activities.

    Raises
    ------
    DicomError
        If an activity or a time of several different administrations is not stated, only some times have a zone, or values
        are decay-corrected to them.
    """
    file = instance.source
    times = [
        date_time(one, "RadiopharmaceuticalStartDateTime", file, zone_from=instance.header) for one in given
    ]
    stated = [time for time in times if time is not None]
    _check_zones(stated, file)
    if len(given) < 2 or (len(stated) == len(times) and max(stated) - min(stated) <= SAME_MOMENT):
        return None
    activities = [number(one, "RadionuclideTotalDose", file) or 0.0 for one in given]
    to_administration = instance.text("DecayCorrection").upper() == "ADMIN"
    if len(stated) < len(times) or min(activities) <= 0 or to_administration:
        why = (
            "its values are corrected to the administration (ADMIN)"
            if to_administration
            else "not all state time and activity"
        )
        raise DicomError(
            f"the header of {file.name} names {len(given)} administrations of one nuclide, and {why}: its decay cannot be "
            "undone. Export it corrected to the start of the series, with RadionuclideTotalDose and "
            "RadiopharmaceuticalStartDateTime of each.",
            file=file.name,
            tag="RadiopharmaceuticalInformationSequence",
        )
    last = max(stated)
    left = sum(
        activity * 2.0 ** (-(last - time).total_seconds() / half_life_s)
        for activity, time in zip(activities, stated, strict=True)
    )
    moment: datetime = last - timedelta(seconds=half_life_s * math.log2(sum(activities) / left))
    parts = ", ".join(f"{a:g} at {t:%Y-%m-%d %H:%M}" for a, t in zip(activities, stated, strict=True))
    notices.append(
        warn(
            "several-administrations",
            f"the header names {len(given)} administrations ({parts}; RadionuclideTotalDose); for decay, all is taken as given "
            f"at {moment:%Y-%m-%d %H:%M}, which leaves the same activity.",
            file=file.name,
            tag="RadiopharmaceuticalInformationSequence",
        )
    )
    return moment


def _check_zones(stated: Sequence[datetime], file: SourceFile) -> None:
    """Raise where some administrations have a time zone and others none: they cannot be compared."""
    aware = [time for time in stated if time.tzinfo is not None]
    naive = [time for time in stated if time.tzinfo is None]
    if aware and naive:
        raise DicomError(
            f"{file.name} states administrations with and without a time zone ({aware[0].isoformat()} and "
            f"{naive[0].isoformat()}). Export the image again with TimezoneOffsetFromUTC, or with one zone in all of them.",
            file=file.name,
            tag="RadiopharmaceuticalStartDateTime",
        )
