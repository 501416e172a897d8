"""Whether the main job would accept a study: judged by the main job's own steps, up to where the dose would be computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from y90voxel.dose.density_map import build_density_map
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.index import StudyIndex
from y90voxel.quantification.quantify import quantify
from y90voxel.regions.placement import placed_names
from y90voxel.regions.roles import assign_roles
from y90voxel.study.optional_roles import fitting_roles
from y90voxel.study.read_study import read_study
from y90voxel.study.replaced_regions import REPLACED
from y90voxel.study.study import Study

__all__ = ["Judgement", "judge_study"]

# What only the clinic knows of a treatment; every study may ask for it.
CLINICAL_FACTS = {
    "administration.activity": ("--activity", {"activity_bq": 1e9}),
    "administration.lung_shunt_fraction": ("--lung-shunt", {"lung_shunt_fraction": 0.0}),
}
# What images should say themselves; a study that does not needs the option.
MISSING_FACTS = {"administration.time": "--time", "AcquisitionTime": "--acquisition-time"}
USUAL_DELAY = timedelta(hours=20)


@dataclass(frozen=True)
class Judgement:
    """What the main job would make of a study.

    Parameters
    ----------
    refusal : InputError or None
        Why it would refuse it whatever facts are given.
    clinical : tuple of str
        Options for clinical facts that it asks for.
    missing : tuple of str
        Options for facts that the images should state and do not.
    notices : tuple of Notice
        What it would say.
    regions : mapping of str to str
        The role that each region would have.
    role_notices : tuple of Notice
        What is said of roles that fit no region, and of regions that files replace.
    """

    refusal: InputError | None = None
    clinical: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    regions: Mapping[str, str] = field(default_factory=dict)
    role_notices: tuple[Notice, ...] = ()

    @property
    def regions_replaced(self) -> bool:
        """Whether files of regions stand in place of the study's own."""
        return any(notice.code == REPLACED for notice in self.role_notices)

    @property
    def usable(self) -> bool:
        """Whether the study is accepted with nothing but clinical facts."""
        return self.refusal is None and not self.missing


def judge_study(
    path: str | Path | StudyIndex,
    *,
    regions: Sequence[str | Path] = (),
    optional_roles: Collection[str] = (),
    **facts: Any,
) -> Judgement:
    """Return what the main job would make of a study; nothing that is wrong with it raises.

    Parameters
    ----------
    path : path-like or StudyIndex
        Folder, ``.zip`` or file.
    regions : sequence of path-like
        Files of regions that complete the study's.
    optional_roles : collection of str
        Names and patterns of ``roles`` that may fit no region, as those of a case file.
    **facts
        As of `Study.case`; those that are asked for and absent are assumed, and named.
    """
    clinical: list[str] = []
    missing: list[str] = []
    seen = Judgement()
    try:
        study = read_study(path, regions=regions or None)
        names = placed_names(study.drawn)
        roles, said = fitting_roles(names, facts.get("roles", {}), optional_roles)
        facts |= {"roles": roles} if "roles" in facts else {}
        assigned = assign_roles(names, roles, [region.role for region in study.drawn])
        seen = Judgement(
            regions={name: str(role) for name, role in assigned.items()},
            role_notices=(*said, *(notice for notice in study.notices if notice.code == REPLACED)),
        )
        while True:
            try:
                notices = _tried(study, facts)
                return replace(seen, clinical=tuple(clinical), missing=tuple(missing), notices=notices)
            except InputError as error:
                option, assumed = _asked_for(error, study)
                known = replace(seen, clinical=tuple(clinical), missing=tuple(missing))
                if option is None or option in clinical + missing:
                    return replace(known, refusal=error)
                (clinical if error.tag in CLINICAL_FACTS else missing).append(option)
                if not assumed:
                    return replace(seen, clinical=tuple(clinical), missing=tuple(missing))
                facts = {**facts, **assumed}
    except InputError as error:
        return replace(seen, refusal=error)


def _tried(study: Study, facts: Mapping[str, Any]) -> tuple[Notice, ...]:
    """Do what the main job does before it computes a dose, and return its notices."""
    case = study.case(**facts)
    quantification = quantify(case)
    _, _, density_notices = build_density_map(case.grid, case.regions, case.ct, case.density)
    return (*case.notices, *quantification.notices, *density_notices)


def _asked_for(error: InputError, study: Study) -> tuple[str | None, Mapping[str, Any]]:
    """Return the option that an error asks for, and what may be assumed to see what else is wrong."""
    if error.tag in CLINICAL_FACTS:
        return CLINICAL_FACTS[error.tag]
    option = MISSING_FACTS.get(error.tag or "")
    acquired = study.emissions[0].acquisition_start
    assumed = (
        {"time": acquired - USUAL_DELAY, "trust_time": True}
        if option == "--time" and acquired is not None
        else {}
    )
    return option, assumed
