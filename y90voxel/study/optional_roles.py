"""Roles by name or pattern as they meet the regions of one study: some fit none, some have to follow a renaming."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from y90voxel.case.settings import StudySettings
from y90voxel.errors import Notice
from y90voxel.regions.placement import placed_names
from y90voxel.regions.roles import assign_roles, fitting_names
from y90voxel.regions.segmentation import AUTOMATIC_NAMES
from y90voxel.study.study import Study

__all__ = ["renamed_roles", "with_optional_roles"]


def with_optional_roles(
    study: Study, settings: StudySettings, optional: Collection[str]
) -> tuple[Study, StudySettings]:
    """Return study and settings without roles that were given for all studies and fit no region of this one.

    They are listed in a notice. A role that the study's own settings give stays, and is refused where it fits nothing.

    Parameters
    ----------
    study : Study
        Its drawn regions.
    settings : StudySettings
        ``regions.roles`` of the study and of all studies.
    optional : collection of str
        Names and patterns that were given for all studies.
    """
    names = [*placed_names(study.drawn), *AUTOMATIC_NAMES]
    if settings.regions.isocontour:
        return study, settings  # what will be outlined has no name yet
    absent = [text for text in settings.regions.roles if text in optional and not fitting_names(text, names)]
    if not absent:
        return study, settings
    roles = {text: role for text, role in settings.regions.roles.items() if text not in absent}
    message = f"roles given for all studies that fit no region of this one: {', '.join(map(repr, absent))}."
    notices = (*study.notices, Notice("role-without-region", message))
    return replace(study, notices=notices), settings.changed(regions={"roles": roles})


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
