"""Roles by name or pattern as they meet the regions of one study: some fit none, some have to follow a renaming."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from y90voxel.case.settings import StudySettings
from y90voxel.errors import Notice
from y90voxel.near_names import nearest
from y90voxel.regions.isocontour import isocontour_name
from y90voxel.regions.placement import placed_names
from y90voxel.regions.roles import assign_roles, fitting_names, normalised_name
from y90voxel.regions.segmentation import AUTOMATIC_NAMES
from y90voxel.study.study import Study

__all__ = ["WITHOUT_REGION", "fitting_roles", "renamed_roles", "texts_without_region", "with_optional_roles"]


# Region or fixed beginning of a pattern of fewer letters may be anything: nothing is said to be nearly it.
SHORTEST_NEAR = 3
WITHOUT_REGION, NEARLY = "role-without-region", "role-nearly-a-region"
_SAID = "roles of a case file, or given for all studies, that fit no region of this one: "


def with_optional_roles(
    study: Study, settings: StudySettings, optional: Collection[str]
) -> tuple[Study, StudySettings]:
    """Return study and settings without roles that may fit no region, as those of a case file, and fit none of this study.

    They are listed in a notice, and one that is nearly a region with what it is nearly. A role that is typed for the study stays,
    and is refused where it fits nothing.

    Parameters
    ----------
    study : Study
        Its drawn regions.
    settings : StudySettings
        All roles.
    optional : collection of str
        Names and patterns that may fit nothing.
    """
    asked = settings.regions
    outlined = [isocontour_name(str(role), share) for role, share in asked.isocontour.items()]
    names = [*placed_names(study.drawn), *AUTOMATIC_NAMES, *outlined]
    roles, notices = fitting_roles(names, asked.roles, optional)
    if not notices:
        return study, settings
    return replace(study, notices=(*study.notices, *notices)), settings.changed(regions={"roles": roles})


def fitting_roles(
    names: Sequence[str], roles: Mapping[str, str], optional: Collection[str]
) -> tuple[dict[str, str], list[Notice]]:
    """Return the roles without those that may fit no region and fit none, and what has to be said about these.

    Parameters
    ----------
    names : sequence of str
        The regions.
    roles : mapping of str to str
        Role by name or pattern.
    optional : collection of str
        Names and patterns that may fit nothing.
    """
    absent = [text for text in roles if text in optional and not fitting_names(text, names)]
    if not absent:
        return dict(roles), []
    notices = [Notice(WITHOUT_REGION, f"{_SAID}{', '.join(map(repr, absent))}.")]
    free = [name for name in names if not any(fitting_names(text, [name]) for text in roles)]
    near = {text: found for text in absent if (found := _nearly(text, free)) is not None}
    if near:
        listed = ", ".join(
            f"{text!r} ({roles[text]}) is nearly the region {found!r}" for text, found in near.items()
        )
        notices.append(
            Notice(
                NEARLY,
                f"a role was given to a region that there is not: {listed}. Correct the name where that is meant.",
            )
        )
    return {text: role for text, role in roles.items() if text not in absent}, notices


def texts_without_region(message: str) -> list[str]:
    """Return the names and patterns that a notice `WITHOUT_REGION` lists.

    Examples
    --------
    >>> texts_without_region(fitting_roles(["Liver"], {"HCC*": "tumour", "d'A": "other"}, ["HCC*", "d'A"])[1][0].message)
    ['HCC*', "d'A"]
    """
    try:
        return [str(text) for text in literal_eval(f"[{message.removeprefix(_SAID).removesuffix('.')}]")]
    except (ValueError, SyntaxError):  # of another version
        return []


def _nearly(text: str, names: Sequence[str]) -> str | None:
    """The region that a name or the fixed beginning of a pattern is a slip away from; other numbers are other regions."""
    wanted = normalised_name(re.split(r"[*?]", text)[0])
    if len(wanted) < SHORTEST_NEAR:
        return None
    whole = not re.search(r"[*?]", text)
    found: dict[str, str] = {}
    for name in names:
        plain = normalised_name(name)
        beginning = plain if whole else plain[: len(wanted)]
        if re.findall(r"\d+", beginning) == re.findall(r"\d+", wanted):
            found.setdefault(beginning, name)
    near = nearest(wanted, found)
    return None if near is None else found[near]


def renamed_roles(study: Study, roles: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return roles by the names that regions get; patterns become the names that they fit.

    Parameters
    ----------
    study : Study
        Its regions, under the names that they have.
    roles : mapping of str to str
        Role by name or pattern.
    names : mapping of str to str
        New names by old ones.

    Raises
    ------
    InputError
        If a role is unknown, or two patterns give one region different roles.
    """
    drawn = placed_names(study.drawn)
    fitting = {text: fitting_names(text, drawn) for text in roles}
    assigned = assign_roles(drawn, {text: role for text, role in roles.items() if fitting[text]})
    renamed = {text: role for text, role in roles.items() if not fitting[text]}
    for found in fitting.values():
        renamed |= {names.get(name, name): assigned[name].value for name in found}
    return renamed
