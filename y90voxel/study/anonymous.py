"""What has to go from cases, names and settings when a study is to tell nothing of its patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.plan_settings import AimSettings, AnatomySettings, PlanSettings, TumourSettings
from y90voxel.case.settings import RadiobiologySettings, StudySettings
from y90voxel.clinical.limits_table import TABLE
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.study.anonymous_text import identity_words, names_nobody, without_identity

__all__ = [
    "anonymous_aims",
    "anonymous_case",
    "anonymous_evaluation",
    "anonymous_masses",
    "anonymous_names",
    "anonymous_settings",
    "without_free_text",
]

_DROPPED_SETTINGS = {
    "series",
    "regions",
    "label",
    "emission_series",
    "territory",
    "time",
    "activity_time",
    "residual_time",
    "curve",
    "halves",
    "recovery",
    "patient",
    "cycle_dates",
    "date",
    "order",
    "source",
    "scanner",
    "previous",
}
# Endings of keys that hold when something was, such as plan.treatment.assay_time.
_TIMES = ("_time", "_times", "_date", "_dates")
_NOT_SHOWN = "left out, anonymised"


def anonymous_evaluation(evaluation: Evaluation) -> Evaluation:
    """Return a result that tells neither when the patient was treated and scanned nor where the files lay."""
    notices = tuple(
        replace(notice, message=without_identity(notice.message)) for notice in evaluation.notices
    )
    arteries = tuple(replace(one, share=replace(one.share, time=None)) for one in evaluation.arteries)
    return replace(evaluation, case=anonymous_case(evaluation.case), notices=notices, arteries=arteries)


def anonymous_case(case: Case) -> Case:
    """Return a case that does not tell when the patient was treated and scanned."""
    injections = tuple(
        replace(
            injection,
            emission=replace(
                injection.emission,
                acquisition_start=None,
                series_start=None,
                administration_time=None,
                administration_event_uid=None,
            ),
            administration=replace(injection.administration, time=None),
            arteries=tuple(
                replace(one, administration=replace(one.administration, time=None))
                for one in injection.arteries
            ),
        )
        for injection in case.injections
    )
    patient = None if case.patient is None else case.patient.anonymous()
    return replace(case, injections=injections, patient=patient)


def anonymous_names(drawn: Iterable[DrawnRegion], identity: StudyIdentity) -> dict[str, str]:
    """Return new names for regions whose own could tell who the patient is.

    Those are names with a word that is neither of anatomy nor of a role, and names that hold a part of the patient's
    name or identifier.

    Parameters
    ----------
    drawn : iterable of DrawnRegion
        The regions of the study.
    identity : StudyIdentity
        Its patient.
    """
    tokens = identity_words(identity)
    renamed = {}
    for number, region in enumerate(drawn, start=1):
        if not names_nobody(region.name) or any(token in region.name.lower() for token in tokens):
            renamed[region.name] = f"region {number}"
    return renamed


def without_free_text(given: Mapping[Role, RadiobiologySettings]) -> dict[Role, RadiobiologySettings]:
    """Return linear-quadratic parameters without what was typed of their source: it may name anybody."""
    return {
        role: one.model_copy(update={"source": None if one.source is None else _NOT_SHOWN})
        for role, one in given.items()
    }


def anonymous_aims(plan: PlanSettings, names: Mapping[str, str]) -> PlanSettings:
    """Return settings of a plan that name regions as `names` does, without what was typed of the source of goals and limits.

    A name stays where it is that of a row of the table, which it replaces. Tumours and injections of a plan without images are
    named by numbers where their own names could be a person's.
    """
    of_table = {limit.name for limit in TABLE}
    names = {**names, **({} if plan.anatomy is None else _numbered_tumours(plan.anatomy))}

    def without_source(aim: AimSettings) -> AimSettings:
        name = aim.name if aim.name in of_table else None
        source = aim.source if "source" not in aim.model_fields_set else _NOT_SHOWN
        return aim.model_copy(
            update={"region": names.get(aim.region, aim.region), "name": name, "source": source}
        )

    return plan.model_copy(
        update={
            "goal": [without_source(aim) for aim in plan.goal],
            "limit": [without_source(aim) for aim in plan.limit],
            "objective": {names.get(name, name): weight for name, weight in plan.objective.items()},
            "recovery": {names.get(name, name): coefficient for name, coefficient in plan.recovery.items()},
            "anatomy": None if plan.anatomy is None else _anonymous_anatomy(plan.anatomy, names),
        }
    )


def _numbered_tumours(anatomy: AnatomySettings) -> dict[str, str]:
    """New names for tumours whose own could be a person's; one name is one tumour in whichever injection reaches it."""
    reached = (tumour for territory in anatomy.territory for tumour in territory.tumour)
    own = list(dict.fromkeys(tumour.name for tumour in (*anatomy.tumour, *reached)))
    free = (name for number in count(1) if (name := f"tumour {number}") not in own)
    return {name: next(free) for name in own if not names_nobody(name)}


def _anonymous_anatomy(anatomy: AnatomySettings, names: Mapping[str, str]) -> AnatomySettings:
    """Masses of a plan without images under names of nobody; its injections are numbered."""

    def renamed(tumours: Iterable[TumourSettings]) -> list[TumourSettings]:
        return [one.model_copy(update={"name": names.get(one.name, one.name)}) for one in tumours]

    numbered = [
        one.model_copy(update={"name": f"injection {number}", "tumour": renamed(one.tumour)})
        for number, one in enumerate(anatomy.territory, start=1)
    ]
    return anatomy.model_copy(update={"tumour": renamed(anatomy.tumour), "territory": numbered})


def anonymous_masses(settings: StudySettings) -> StudySettings:
    """Return the settings of a plan without images under names of nobody, and without what was typed beside numbers."""
    plan, radiobiology = anonymous_aims(settings.plan, {}), without_free_text(settings.radiobiology)
    named = settings.changed(output={"label": None})
    return named.model_copy(update={"plan": plan, "radiobiology": radiobiology})


def anonymous_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without series, names, files and times."""
    nameless: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _DROPPED_SETTINGS or key.endswith(_TIMES):
            continue
        if isinstance(value, Mapping):
            nameless[key] = anonymous_settings(value)
        elif isinstance(value, list):
            nameless[key] = [
                anonymous_settings(item) if isinstance(item, Mapping) else item for item in value
            ]
        else:
            nameless[key] = value
    return nameless
