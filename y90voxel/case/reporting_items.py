"""Items of a standard report, and whether a result has them: stated, computed here, or missing.

Which document asks for an item stands beside it, with how much of the document was read: an item never claims more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from y90voxel.case.reporting_finders import (
    accuracy_of_delivery,
    activity_by_region,
    administered_activity,
    administration_time,
    assay,
    biological_dose,
    body_dose,
    calibration_method,
    clinical_state,
    computation,
    delivery_verified,
    density_and_mass,
    deviations,
    device_named,
    disease_named,
    imaging_record,
    intent_named,
    limits_tested,
    lung_conventions_reported,
    lung_shunt,
    normal_liver_both,
    organs_reported,
    plan_compared,
    recovery_applied,
    region_origin,
    registration_done,
    residual_named,
    source_tissues,
    sub_structures,
    surveys,
    time_course,
    tumour_doses,
    tumour_volumes,
    uncertainty_given,
    vascular_territory,
    vial_record,
    volumes,
    voxel_map,
)
from y90voxel.case.reporting_view import ItemStatus, Reported

__all__ = ["REPORTING_ITEMS", "ItemResult", "ReportingItem", "ReportingSource", "reporting_items"]


class ReportingSource(StrEnum):
    """Which document asks for an item, and how far it was read."""

    EANM_2024 = "EANM 2024, table 4, therapies (doi 10.1007/s00259-024-06640-x; the table was read)"
    MPPG_14A = "AAPM MPPG 14.a (doi 10.1002/acm2.14157; only its abstract could be read)"
    ARTICLE_56 = (
        "EANM on article 56 of 2013/59/Euratom (doi 10.1007/s00259-020-05038-9; its summary was read)"
    )
    UNREAD = "common in reports of radioembolisation; from memory, not checked against a document"


@dataclass(frozen=True)
class ReportingItem:
    """What a report should hold.

    Parameters
    ----------
    name : str
        The item.
    source : ReportingSource
        Who asks for it.
    find : callable
        Says of a result whether it holds the item.
    """

    name: str
    source: ReportingSource
    find: Callable[[Reported], ItemStatus]


@dataclass(frozen=True)
class ItemResult:
    """Whether a report holds an item; the attributes are keys of ``metrics.json``.

    Parameters
    ----------
    item, source : str
        What, and who asks for it.
    status : str
        ``"present"`` (stated by the study or the user), ``"derived"`` (computed here), ``"missing"`` or ``"not asked"``.
    where : str
        What there is, or what is missing and how it would come in.
    """

    item: str
    source: str
    status: str
    where: str

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``."""
        return asdict(self)


def _no_effective_dose(_: Reported) -> ItemStatus:
    """Effective dose has no place in a therapy."""
    return ItemStatus.not_asked("without sense in therapies, says the table")


def _no_rbe(_: Reported) -> ItemStatus:
    """RBE is for alpha and Auger emitters."""
    return ItemStatus.not_asked("for alpha and Auger emitters only, says the table; these spheres emit betas")


def _cohort(_: Reported) -> ItemStatus:
    """Statistics of a population."""
    return ItemStatus.not_asked("of several patients: y90voxel batch writes them")


_E, _A, _G, _U = (
    ReportingSource.EANM_2024,
    ReportingSource.MPPG_14A,
    ReportingSource.ARTICLE_56,
    ReportingSource.UNREAD,
)
REPORTING_ITEMS: tuple[ReportingItem, ...] = (
    ReportingItem("absorbed dose of the source tissues", _E, source_tissues),
    ReportingItem("absorbed dose of the whole body", _E, body_dose),
    ReportingItem("activity at each time point", _E, activity_by_region),
    ReportingItem("parameters of the time-activity curve", _E, time_course),
    ReportingItem("volumes", _E, volumes),
    ReportingItem("absorbed dose of a complete set of organs", _E, organs_reported),
    ReportingItem("dose parameters of each tumour", _E, tumour_doses),
    ReportingItem("summary statistics", _E, _cohort),
    ReportingItem("dose parameters of organ sub-structures, if relevant", _E, sub_structures),
    ReportingItem("biologically effective dose (encouraged)", _E, biological_dose),
    ReportingItem("voxel dose map with D90 or D98, if relevant", _E, voxel_map),
    ReportingItem("equivalent and effective dose", _E, _no_effective_dose),
    ReportingItem("RBE-weighted dose", _E, _no_rbe),
    ReportingItem("lung shunt fraction", _A, lung_shunt),
    ReportingItem("vascular supply", _A, vascular_territory),
    ReportingItem("tumour volume", _A, tumour_volumes),
    ReportingItem("tumour histology", _A, disease_named),
    ReportingItem("type of microspheres", _A, device_named),
    ReportingItem("quantity of microspheres ordered or given", _A, administered_activity),
    ReportingItem("assay by a traceable calibrator on the day", _A, assay),
    ReportingItem("surveys of room, patient and staff", _A, surveys),
    ReportingItem("activity within 10 % of the intended", _G, accuracy_of_delivery),
    ReportingItem("verification of the delivery", _G, delivery_verified),
    ReportingItem("stage, liver function, vascular invasion", _U, clinical_state),
    ReportingItem("intent and scenario", _U, intent_named),
    ReportingItem("vial, lot, number of spheres", _U, vial_record),
    ReportingItem("residual", _U, residual_named),
    ReportingItem("time of administration with its zone", _U, administration_time),
    ReportingItem("scanner, reconstruction, voxel size", _U, imaging_record),
    ReportingItem("calibration and its check", _U, calibration_method),
    ReportingItem("registration", _U, registration_done),
    ReportingItem("origin of the regions", _U, region_origin),
    ReportingItem("masses and densities", _U, density_and_mass),
    ReportingItem("method, energy per activity, software and its version", _U, computation),
    ReportingItem("normal liver, perfused and whole", _U, normal_liver_both),
    ReportingItem("lung dose by both mass conventions", _U, lung_conventions_reported),
    ReportingItem("partial-volume correction", _U, recovery_applied),
    ReportingItem("uncertainty with its coverage", _U, uncertainty_given),
    ReportingItem("limits and their sources", _U, limits_tested),
    ReportingItem("plan against delivered", _U, plan_compared),
    ReportingItem("deviations and events", _U, deviations),
)


def reporting_items(evaluation: Reported) -> list[ItemResult]:
    """Return every item of `REPORTING_ITEMS` with whether a result holds it; without dates and identity.

    Parameters
    ----------
    evaluation : Reported
        What was computed.
    """
    results = [(item, item.find(evaluation)) for item in REPORTING_ITEMS]
    return [ItemResult(item.name, item.source.value, one.status, one.where) for item, one in results]
