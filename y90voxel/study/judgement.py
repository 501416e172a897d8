"""Whether the main job would accept a study: judged by the main job's own steps, up to where the dose would be computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from y90voxel.dose.density_map import build_density_map
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.index import StudyIndex
from y90voxel.quantification.quantify import quantify
from y90voxel.study.read_study import read_study
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
    """

    refusal: InputError | None = None
    clinical: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the study is accepted with nothing but clinical facts."""
        return self.refusal is None and not self.missing


def judge_study(path: str | Path | StudyIndex, **facts: Any) -> Judgement:
    """Return what the main job would make of a study; nothing that is wrong with it raises.

    Parameters
    ----------
    path : path-like or StudyIndex
        Folder, ``.zip`` or file.
    **facts
        As of `Study.case`; those that are asked for and absent are assumed, and named.
    """
    clinical: list[str] = []
    missing: list[str] = []
    try:
        study = read_study(path)
        while True:
            try:
                return Judgement(None, tuple(clinical), tuple(missing), _tried(study, facts))
            except InputError as error:
                option, assumed = _asked_for(error, study)
                if option is None or option in clinical + missing:
                    return Judgement(error, tuple(clinical), tuple(missing))
                (clinical if error.tag in CLINICAL_FACTS else missing).append(option)
                if not assumed:
                    return Judgement(None, tuple(clinical), tuple(missing))
                facts = {**facts, **assumed}
    except InputError as error:
        return Judgement(error)


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
