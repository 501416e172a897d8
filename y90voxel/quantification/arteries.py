"""Several arteries injected one after the other, and one scan after the last: activities at one time, and back to each one's own.

The camera sees what is left of all injections together. At a reference time, that of the last injection, they hold
A_ref = Σ A_j 2^(−(t_ref − t_j) / T½). Decays count from each injection's own time: an activity at the reference time stands
for 2^((t_ref − t_j) / T½) times as much at the injection that brought it, which territories tell voxel by voxel. What lies in
no territory takes the mean of the injections that have none, or of all, by what they brought to the liver: so all decays in
it together are those of Σ A_j (1 − L_j).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.decay import decay_factor, seconds_between
from y90voxel.quantification.scaling import scaled, sum_within
from y90voxel.regions.regions import Regions
from y90voxel.units import SECONDS_PER_HOUR, format_activity
from y90voxel.volumes.volume import ActivityMap

__all__ = [
    "Artery",
    "ArteryShare",
    "artery_notices",
    "artery_shares",
    "at_own_injections",
    "combined_administration",
    "missing_fact",
]

# Image over stated activity of a territory outside this range gives a notice, as for a whole image (see `quantify`).
IMAGE_OVER_STATED = (0.8, 1.2)


@dataclass(frozen=True)
class Artery:
    """One of several injections that a single scan follows.

    Parameters
    ----------
    name : str
        What it is called in outputs.
    administration : Administration
        Net activity at its own time [Bq], that time, and its lung shunt.
    territory : str or None
        Name of the region that it reaches.
    """

    name: str
    administration: Administration
    territory: str | None = None


@dataclass(frozen=True)
class ArteryShare:
    """What one of several injections brought, as stated and as the image shows it.

    Parameters
    ----------
    name : str
        Of the injection.
    territory : str or None
        Region that it reaches.
    time : datetime or None
        Of the injection; None in anonymous results.
    hours_before_reference : float
        From the injection to the reference time [h].
    net_activity_bq : float
        At its own time [Bq].
    activity_at_reference_bq : float
        Decayed to the reference time [Bq].
    lung_shunt_fraction : float or None
        Of the injection.
    image_at_reference_bq : float or None
        What the calibrated image holds in the territory at the reference time [Bq]; None without a territory.
    """

    name: str
    territory: str | None
    time: datetime | None
    hours_before_reference: float
    net_activity_bq: float
    activity_at_reference_bq: float
    lung_shunt_fraction: float | None
    image_at_reference_bq: float | None

    @property
    def stated_in_liver_bq(self) -> float:
        """What did not go to the lungs, at the reference time [Bq]."""
        return self.activity_at_reference_bq * (1.0 - (self.lung_shunt_fraction or 0.0))

    @property
    def image_over_stated(self) -> float | None:
        """Activity of the image in the territory over what is stated for it."""
        image = self.image_at_reference_bq
        return None if image is None else image / self.stated_in_liver_bq

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {
            "time": None if self.time is None else self.time.isoformat(),
            "image_over_stated": self.image_over_stated,
        }


def combined_administration(arteries: Sequence[Artery], half_life_s: float) -> Administration:
    """Return all injections as one administration at the time of the last: A_ref, and their common shunt at that time.

    Parameters
    ----------
    arteries : sequence of Artery
        At least one, of one nuclide and device.
    half_life_s : float
        Of the therapy nuclide [s].

    Raises
    ------
    InputError
        If an activity or a time is missing, times cannot be compared, or some shunts are numbers and others are to be measured.

    References
    ----------
    Split injections are referred to one time: Σ A_j 2^(−(t_ref − t_j) / T½).
    """
    for artery in arteries:
        if artery.administration.activity_bq is None:
            raise missing_fact(artery.name, "activity")
        if artery.administration.time is None:
            raise missing_fact(artery.name, "time")
    last = _last(arteries)
    parts = [_at_reference(artery, last, half_life_s) for artery in arteries]
    first = arteries[0].administration
    shunts = [artery.administration.lung_shunt_fraction for artery in arteries]
    sources = {artery.administration.shunt_source for artery in arteries}
    if len(sources) > 1:
        stated = ", ".join(
            f"{artery.name}: {artery.administration.shunt_source if shunt is None else f'{shunt:g}'}"
            for artery, shunt in zip(arteries, shunts, strict=True)
        )
        raise InputError(
            f"one scan after several injections measures one lung shunt for all of them, but they state {stated}. Give each "
            "injection its number, or ask for the same measurement for all (administration.lung_shunt_fraction).",
            tag="injection.lung_shunt_fraction",
        )
    common = None if None in shunts else float(np.average([float(s or 0.0) for s in shunts], weights=parts))
    return replace(first, activity_bq=float(sum(parts)), time=last, lung_shunt_fraction=common)


def missing_fact(name: str, what: str) -> InputError:
    """Return the error for an injection whose part of the scan cannot be told.

    Parameters
    ----------
    name : str
        Of the injection.
    what : str
        ``"activity"`` or ``"time"``.
    """
    return InputError(
        f"{name} states no {what}, but one emission image follows several injections: each counts with its activity decayed from "
        f"its own time. Give every [[injection]] its {what}, or each its own emission image (emission_series).",
        tag=f"injection.{what}",
    )


def _last(arteries: Sequence[Artery]) -> datetime:
    """The latest of the injections."""
    last = arteries[0]
    for artery in arteries[1:]:
        if _seconds(last, artery) > 0:
            last = artery
    assert last.administration.time is not None  # checked before
    return last.administration.time


def _seconds(one: Artery, other: Artery) -> float:
    """From one injection to another [s]."""
    start, end = one.administration.time, other.administration.time
    assert start is not None and end is not None  # noqa: PT018  # checked before
    return seconds_between(start, end, f"times of {one.name} and {other.name}")


def _elapsed(artery: Artery, reference: datetime) -> float:
    """From an injection to the reference time [s]."""
    assert artery.administration.time is not None  # checked with `together`
    return seconds_between(artery.administration.time, reference, f"time of {artery.name} and of the last")


def _at_reference(artery: Artery, reference: datetime, half_life_s: float) -> float:
    """Activity of an injection at the reference time [Bq]."""
    assert artery.administration.activity_bq is not None  # checked with `together`
    return artery.administration.activity_bq * decay_factor(_elapsed(artery, reference), half_life_s)


def artery_shares(
    arteries: Sequence[Artery],
    activity: ActivityMap,
    regions: Regions,
    administration: Administration,
    half_life_s: float,
) -> tuple[ArteryShare, ...]:
    """Return what every injection brought, as stated and as the image shows it.

    Parameters
    ----------
    arteries : sequence of Artery
        As taken `together`.
    activity : ActivityMap
        At the reference time [Bq per voxel], on the grid of ``regions``.
    regions : Regions
        With the territories.
    administration : Administration
        All together at the reference time; its shunt is that of injections that state none.
    half_life_s : float
        Of the therapy nuclide [s].

    Raises
    ------
    RegionError
        If there is no region of the name of a territory.
    """
    shares = []
    for artery in arteries:
        given, reference = artery.administration, administration.time
        assert reference is not None and given.activity_bq is not None  # noqa: PT018  # checked with `together`
        shunt = given.lung_shunt_fraction
        mask = None if artery.territory is None else regions[artery.territory].mask
        shares.append(
            ArteryShare(
                artery.name,
                artery.territory,
                given.time,
                _elapsed(artery, reference) / SECONDS_PER_HOUR,
                given.activity_bq,
                _at_reference(artery, reference, half_life_s),
                administration.lung_shunt_fraction if shunt is None else shunt,
                None if mask is None else sum_within(activity.array, mask.array),
            )
        )
    return tuple(shares)


def at_own_injections(
    activity: ActivityMap, shares: Sequence[ArteryShare], regions: Regions, administration: Administration
) -> tuple[ActivityMap, Administration]:
    """Return map and administration with each activity at its own injection, from which its decays count.

    Parameters
    ----------
    activity : ActivityMap
        At the reference time [Bq per voxel], on the grid of ``regions``.
    shares : sequence of ArteryShare
        Of every injection.
    regions : Regions
        With the territories; a voxel of several takes their mean by occupancy.
    administration : Administration
        All together at the reference time.
    """
    nets = [share.net_activity_bq for share in shares]
    shunts = [share.lung_shunt_fraction for share in shares]
    common = None if None in shunts else float(np.average([float(s or 0.0) for s in shunts], weights=nets))
    own = replace(administration, activity_bq=float(sum(nets)), lung_shunt_fraction=common)
    if all(share.hours_before_reference == 0.0 for share in shares):
        return activity, own
    factor = _factors(shares, regions)
    if isinstance(factor, float):
        return activity.with_array(scaled(activity.array, factor)), own
    return activity.with_array((activity.array * factor).astype(activity.array.dtype)), own


def _factors(shares: Sequence[ArteryShare], regions: Regions) -> float | NDArray[np.float64]:
    """Activity at the own injection over that at the reference time: one number, or one a voxel."""
    apart = [share for share in shares if share.territory is None] or list(shares)
    own = sum(s.net_activity_bq * (1.0 - (s.lung_shunt_fraction or 0.0)) for s in apart)
    rest = own / sum(s.stated_in_liver_bq for s in apart)
    inside, weighted = np.zeros(regions.grid.shape), np.zeros(regions.grid.shape)
    for share in shares:
        if share.territory is not None:
            occupancy = regions[share.territory].mask.array
            inside += occupancy
            weighted += occupancy * (share.net_activity_bq / share.activity_at_reference_bq)
    if not inside.any():
        return float(rest)
    whole = np.maximum(inside, 1.0)
    return np.asarray((weighted + rest * (whole - inside)) / whole, np.float64)


def artery_notices(shares: Sequence[ArteryShare], reference: datetime | None) -> list[Notice]:
    """Say what one scan after several injections was taken for, and where image and statement differ.

    Parameters
    ----------
    shares : sequence of ArteryShare
        Of every injection.
    reference : datetime or None
        The reference time.
    """
    parts = " + ".join(format_activity(share.activity_at_reference_bq) for share in shares)
    whole = format_activity(sum(share.activity_at_reference_bq for share in shares))
    when = "" if reference is None else f" ({reference.isoformat()})"
    message = (
        f"one scan follows {len(shares)} injections: at the last of them{when} they hold {parts} = {whole}."
    )
    undivided = [share.name for share in shares if share.territory is None]
    if undivided and any(share.hours_before_reference > 0 for share in shares):
        factors = [share.net_activity_bq / share.activity_at_reference_bq for share in shares]
        message += (
            f" No territory is given for {', '.join(undivided)}: what lies in none takes their mean, although decays of single "
            f"injections are {min(factors):.4g} to {max(factors):.4g} times those of their activity at that time."
        )
    notices = [Notice("one-scan-several-injections", message)]
    for share in shares:
        ratio = share.image_over_stated
        if ratio is None or share.image_at_reference_bq is None:
            continue
        low, high = IMAGE_OVER_STATED
        code = "territory-activity" if low <= ratio <= high else "territory-activity-outside"
        text = (
            f"territory {share.territory!r} holds {format_activity(share.image_at_reference_bq)} of the image at the last "
            f"injection, {ratio:.3f} times the {format_activity(share.stated_in_liver_bq)} of {share.name} without its lung shunt"
        )
        if not low <= ratio <= high:
            text += (
                f"; outside {low:g} to {high:g}: check activities, territories, and whether vessels feed both"
            )
        notices.append(Notice(code, text + "."))
    return notices
