"""Regions of two dose calculations that mean the same: by name and role, or as a user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.regions.regions import Region, union
from y90voxel.regions.roles import Role, normalised_name

__all__ = ["IN_A_BATCH", "RegionPair", "pair_regions"]

# The only one left may be the other of the two, or another part.
SEVERAL_OF_A_KIND = frozenset({Role.OTHER, Role.KIDNEY, Role.BOWEL, Role.HEART})
OPTION = "--pair"
# Where a batch has it, said wherever a message advises the option.
IN_A_BATCH = "in a batch the column 'pair' of the treatment's row"
FORM = "PREDICTED=DELIVERED, such as --pair 'GTV1=Tumour 2', --pair 'GTV1=Tumour 1+Tumour 2', or --pair 'GTV1=' to leave one out"


@dataclass(frozen=True, eq=False)
class RegionPair:
    """The same region in both calculations.

    Parameters
    ----------
    predicted, delivered : Region
        As each calculation has it, on its own grid; several parts together are their union.
    matched_by : str
        ``name``, ``role`` or ``user``.
    predicted_parts, delivered_parts : tuple of Region
        What each was put together from; empty where it is one region of its calculation.
    """

    predicted: Region
    delivered: Region
    matched_by: str
    predicted_parts: tuple[Region, ...] = ()
    delivered_parts: tuple[Region, ...] = ()


@dataclass(frozen=True)
class _Choice:
    """What a user said of some regions of the two sides; one side empty leaves those of the other out."""

    text: str
    predicted: tuple[Region, ...]
    delivered: tuple[Region, ...]


def pair_regions(
    predicted: Sequence[Region], delivered: Sequence[Region], stated: Sequence[str] = ()
) -> tuple[tuple[RegionPair, ...], tuple[Notice, ...]]:
    """Return the regions that both calculations have, in the order of the delivered one, and what was left over.

    What a user says comes first. Else regions match by name and role; what is left over matches by role where each
    calculation has one region of it.

    Parameters
    ----------
    predicted, delivered : sequence of Region
        Each on the grid of its calculation.
    stated : sequence of str
        Pairs ``PREDICTED=DELIVERED``; several names are joined by ``+``, one side left empty leaves the other out.

    Raises
    ------
    InputError
        If what was said is no pair.
    RegionError
        If it names regions that there are not, one of them twice, or parts of several roles.
    """
    choices = _choices(stated, predicted, delivered)
    taken = {id(region) for choice in choices for region in (*choice.predicted, *choice.delivered)}
    pair_at, notices = _chosen(choices, delivered)
    free = [region for region in predicted if id(region) not in taken]
    places = [place for place, region in enumerate(delivered) if id(region) not in taken]
    for place in places:
        region = delivered[place]
        same = [p for p in free if p.role is region.role and _same_name(p.name, region.name)]
        if same:
            pair_at[place] = RegionPair(same[0], region, "name")
            free.remove(same[0])
    left = [place for place in places if place not in pair_at]
    for place in left:
        region = delivered[place]
        here = [p for p in left if delivered[p].role is region.role]
        there = [p for p in free if p.role is region.role]
        if len(here) == len(there) == 1 and region.role not in SEVERAL_OF_A_KIND:
            pair_at[place] = RegionPair(there[0], region, "role")
            free.remove(there[0])
            message = (
                f"{there[0].name!r} (predicted) and {region.name!r} (delivered) are taken as one: each is the only "
                f"{region.role.value} left. {OPTION} says otherwise."
            )
            notices.append(Notice("region-matched-by-role", message))
    alone = [delivered[place].name for place in left if place not in pair_at]
    notices += _unmatched(alone, "delivered", "predicted")
    notices += _unmatched([region.name for region in free], "predicted", "delivered")
    return tuple(pair_at[place] for place in sorted(pair_at)), tuple(notices)


def _unmatched(names: Sequence[str], has: str, lacks: str) -> list[Notice]:
    """Say which regions only one side has."""
    if not names:
        return []
    message = (
        f"only the {has} dose has the regions {', '.join(names)}; the {lacks} one has nothing of that name and role. They "
        f"are not compared; {OPTION} PREDICTED=DELIVERED pairs them ({IN_A_BATCH})."
    )
    return [Notice("region-unmatched", message)]


def _chosen(
    choices: Sequence[_Choice], delivered: Sequence[Region]
) -> tuple[dict[int, RegionPair], list[Notice]]:
    """Pairs that a user made, by the place of their first delivered part, and what that does."""
    pair_at: dict[int, RegionPair] = {}
    notices: list[Notice] = []
    for choice in choices:
        if not (choice.predicted and choice.delivered):
            names = ", ".join(region.name for region in choice.predicted or choice.delivered)
            notices.append(
                Notice("region-left-out", f"{names}: not compared, as was asked ({choice.text!r}).")
            )
            continue
        one, other = _together(choice.predicted), _together(choice.delivered)
        if one.role is not other.role:
            message = (
                f"{one.name!r} (predicted, {one.role.value}) and {other.name!r} (delivered, {other.role.value}) are compared "
                "as was asked, although their roles differ."
            )
            notices.append(Notice("pair-roles-differ", message))
        place = min(next(n for n, d in enumerate(delivered) if d is region) for region in choice.delivered)
        pair_at[place] = RegionPair(one, other, "user", _parts(choice.predicted), _parts(choice.delivered))
    return pair_at, notices


def _parts(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    """What a region was put together from."""
    return regions if len(regions) > 1 else ()


def _together(regions: tuple[Region, ...]) -> Region:
    """Several regions of one role as one."""
    if len(regions) == 1:
        return regions[0]
    roles = {region.role for region in regions}
    name = " + ".join(region.name for region in regions)
    if len(roles) > 1:
        raise RegionError(
            f"{name} cannot be one region: their roles are {', '.join(sorted(role.value for role in roles))}.",
            tag=OPTION,
        )
    return replace(regions[0], name=name, mask=union([region.mask for region in regions], same_kind=True))


def _choices(
    stated: Sequence[str], predicted: Sequence[Region], delivered: Sequence[Region]
) -> list[_Choice]:
    """What a user said, in regions."""
    choices: list[_Choice] = []
    used: dict[int, str] = {}
    for text in stated:
        choice = _choice(text, predicted, delivered)
        for region in (*choice.predicted, *choice.delivered):
            if id(region) in used:
                raise RegionError(
                    f"{region.name!r} stands in two pairs, {used[id(region)]!r} and {text!r}; give it in one.",
                    tag=OPTION,
                )
            used[id(region)] = text
        choices.append(choice)
    return choices


def _choice(text: str, predicted: Sequence[Region], delivered: Sequence[Region]) -> _Choice:
    """One pair; a name may itself hold an equals or a plus sign."""
    if "=" not in text or not text.replace("=", "").strip():
        raise InputError(f"{text!r} is no pair of regions. It has the form {FORM}.", tag=OPTION)
    for place in (n for n, letter in enumerate(text) if letter == "="):
        one, other = _named(text[:place], predicted), _named(text[place + 1 :], delivered)
        if one is not None and other is not None:
            return _Choice(text, one, other)
    sides = [
        f"the {name} dose has {', '.join(region.name for region in regions) or 'none'}"
        for name, regions in (("predicted", predicted), ("delivered", delivered))
    ]
    raise RegionError(
        f"{text!r} names a region that there is not: {'; '.join(sides)}. The form is {FORM}.", tag=OPTION
    )


def _named(text: str, regions: Sequence[Region]) -> tuple[Region, ...] | None:
    """The regions that a text names, none for an empty one; None where it names others."""
    names = {region.name: region for region in regions}
    text = text.strip()
    if not text:
        return ()
    if text in names:
        return (names[text],)
    parts = [part.strip() for part in text.split("+")]
    if all(part in names for part in parts) and len(set(parts)) == len(parts):
        return tuple(names[part] for part in parts)
    return None


def _same_name(one: str, other: str) -> bool:
    return normalised_name(one) == normalised_name(other)
