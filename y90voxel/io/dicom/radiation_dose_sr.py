"""Radiopharmaceutical Radiation Dose SR: what was administered, and the dose of each organ.

One object describes one administration (DICOM PS3.16 2024e, TID 10021, 10022 and 10023). Codes are those of its context groups:
CID 11 (route), 18 (radionuclide), 25 (agent), 244 (laterality), 3108 (procedure), 3629 (intent), 10044 (organs). CID 25 has no
microspheres of holmium: they are "Therapeutic radioisotope", with nuclide and product beside it. CID 10044 has no tumour: its
finding site is "Neoplasm". It has parts of the bowel and not all of it, which is left out. Names of regions are tracking
identifiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import RadiopharmaceuticalRadiationDoseSRStorage, generate_uid

from y90voxel.io.dicom.encoded import EncodedItem, encoded_item, put_sequence
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import code, decimal, new_object, reference, save
from y90voxel.io.dicom.seg_writer import CODES
from y90voxel.units import BQ_PER_MBQ, MGY_PER_GY

__all__ = ["SITES", "AdministeredDose", "Assay", "OrganDose", "event_uid_of", "write_radiation_dose_sr"]

SERIES_NUMBER = 9005  # chosen: above those of scanners, so that derived series stand last
# Roles of which a dose is stated; the others are parts of these, or stand for no organ.
SITES = {
    role: CODES[role][1]
    for role in (
        "liver",
        "lungs",
        "tumour",
        "stomach",
        "duodenum",
        "gallbladder",
        "kidney",
        "skin",
        "heart",
    )
}
SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right"), "both": ("51440002", "Bilateral")}
NUCLIDES = {"Y-90": ("14691008", "^90^Yttrium", "SCT"), "Ho-166": ("C1943", "^166^Holmium", "NCIt")}
AGENTS = {"Y-90": ("764678003", "Yttrium^90^ microspheres")}
OTHER_AGENT = ("439007", "Therapeutic radioisotope")
PROCEDURES = {"PT": ("241443006", "PET study for localization of tumor")}
OTHER_PROCEDURE = ("45316007", "Radionuclide localization of tumor")
INTENT = ("262202000", "Therapeutic Intent")
ROUTE = ("58100008", "Intra-arterial route")
# The template demands a time. Where none may be told, as PS3.15 E.1.1 has it, a dummy that nobody takes for one.
NO_TIME = "19000101"
NOT_STATED = "not stated"


@dataclass(frozen=True)
class OrganDose:
    """Mean absorbed dose of one organ or tumour.

    Parameters
    ----------
    role : str
        A key of `SITES`.
    name : str
        Of the region.
    dose_gy : float
        Mean absorbed dose [Gy].
    mass_g : float or None
        Mass that the dose refers to [g].
    mass_method : str
        Where that mass is from.
    side : str or None
        ``"left"``, ``"right"`` or ``"both"`` of a paired organ; None where there is one, or its name tells no side.
    """

    role: str
    name: str
    dose_gy: float
    mass_g: float | None = None
    mass_method: str = ""
    side: str | None = None


@dataclass(frozen=True)
class Assay:
    """An activity as it was measured.

    Parameters
    ----------
    activity_bq : float
        Activity [Bq].
    time : datetime or None
        When it was measured; None where that is not known or may not be told.
    """

    activity_bq: float
    time: datetime | None = None


@dataclass(frozen=True)
class AdministeredDose:
    """One administration, with the doses that it gave.

    Parameters
    ----------
    nuclide : str
        A key of `NUCLIDES`.
    half_life_s : float
        Half-life that activities were decayed by [s].
    activity_bq : float
        Administered activity at the time of administration [Bq].
    event_uid : str
        Of the administration; that of image headers where they have one.
    time : datetime or None
        Of the administration; None where it may not be told.
    before, after : Assay or None
        What was measured before and after it.
    brand : str
        Trade name of the product; empty where it is not known.
    modality : str
        ``"PT"`` or ``"NM"``: with what the dose was imaged.
    authority : str
        What computed the doses.
    comment : str
        What else has to be said.
    organs : tuple of OrganDose
        Empty where doses are not those of this administration alone.
    """

    nuclide: str
    half_life_s: float
    activity_bq: float
    event_uid: str
    time: datetime | None = None
    before: Assay | None = None
    after: Assay | None = None
    brand: str = ""
    modality: str = "NM"
    authority: str = ""
    comment: str = ""
    organs: tuple[OrganDose, ...] = ()


def write_radiation_dose_sr(
    administered: AdministeredDose,
    path: str | Path,
    *,
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    created: datetime | None = None,
) -> None:
    """Write one administration and its organ doses as Radiopharmaceutical Radiation Dose SR.

    Parameters
    ----------
    administered : AdministeredDose
        What is stated.
    path : path-like
        The file to write.
    identity : StudyIdentity, optional
        Patient and study; nobody's in a new study by default.
    references : sequence of SourceSeries
        What the doses were made from.
    created : datetime, optional
        When they were computed; now by default.
    """
    whose = identity or StudyIdentity()
    dataset = new_object(
        whose,
        RadiopharmaceuticalRadiationDoseSRStorage,
        "SR",
        "y90voxel radiation dose (research use)",
        SERIES_NUMBER,
        created,
    )
    dataset.ReferencedPerformedProcedureStepSequence = Items([])
    dataset.PerformedProcedureCodeSequence = Items([])
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    if not whose.anonymised:
        _put_evidence(dataset, whose, references)
    _put_content(dataset, administered)
    save(dataset, path)


def event_uid_of(*facts: object) -> str:
    """Return the UID of an administration whose image header has none: the same for the same facts.

    Parameters
    ----------
    *facts
        What tells the administration from others: study, number, nuclide, activity and time.
    """
    return str(generate_uid(entropy_srcs=["administration", *map(str, facts)]))


def _put_evidence(dataset: FileDataset, identity: StudyIdentity, references: Sequence[SourceSeries]) -> None:
    """Add the images and regions that the doses were made from, study by study."""
    studies: dict[str, list[EncodedItem]] = {}
    for series in references:
        item = encoded_item(
            SeriesInstanceUID=series.series_instance_uid,
            ReferencedSOPSequence=[reference(*instance) for instance in series.instances],
        )
        studies.setdefault(series.study_instance_uid or identity.study_instance_uid, []).append(item)
    if studies:
        items = [encoded_item(StudyInstanceUID=uid, ReferencedSeriesSequence=s) for uid, s in studies.items()]
        put_sequence(dataset, "CurrentRequestedProcedureEvidenceSequence", items)


def _put_content(dataset: FileDataset, given: AdministeredDose) -> None:
    """Add the tree of TID 10021."""
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "10021"
    procedure = _coded(
        "HAS CONCEPT MOD",
        ("363589002", "Associated Procedure"),
        code(*PROCEDURES.get(given.modality, OTHER_PROCEDURE)),
        _coded("HAS CONCEPT MOD", ("363703001", "Has Intent"), code(*INTENT)),
    )
    root = _item(None, "CONTAINER", code("113500", "Radiopharmaceutical Radiation Dose Report", "DCM"))
    root.ContinuityOfContent = "SEPARATE"
    root.ContentTemplateSequence = Items([template])
    comment = [_text("121106", "Comment", given.comment)] if given.comment else []
    root.ContentSequence = Items([procedure, _administration(given), *comment])
    for element in root:
        dataset.add(element)


def _administration(given: AdministeredDose) -> Dataset:
    """The tree of TID 10022, in the order of its rows."""
    nuclide = _coded("HAS PROPERTIES", ("89457008", "Radionuclide"), code(*NUCLIDES[given.nuclide]))
    half_life = _number(
        "HAS PROPERTIES", ("304283002", "Radionuclide Half Life", "SCT"), given.half_life_s, "s", "seconds"
    )
    uid = _item("CONTAINS", "UIDREF", code("113503", "Radiopharmaceutical Administration Event UID", "DCM"))
    uid.UID = given.event_uid
    start = _item("CONTAINS", "DATETIME", code("123003", "Radiopharmaceutical Start DateTime", "DCM"))
    start.DateTime = NO_TIME if given.time is None else _date_time(given.time)
    agent = AGENTS.get(given.nuclide, OTHER_AGENT)
    content = [
        _coded("CONTAINS", ("349358000", "Radiopharmaceutical agent"), code(*agent), nuclide, half_life),
        uid,
        start,
        _activity("113507", "Administered activity", Assay(given.activity_bq)),
    ]
    if given.before is not None:
        content.append(_activity("113508", "Pre-Administration Measured Activity", given.before))
    if given.after is not None:
        content.append(_activity("113509", "Post-Administration Measured Activity", given.after))
    content.append(_coded("CONTAINS", ("410675002", "Route of administration"), code(*ROUTE)))
    if given.brand:
        content.append(_text("111529", "Brand Name", given.brand))
    content += [_organ(organ, given.authority) for organ in given.organs]
    return _container("113502", "Radiopharmaceutical Administration", content)


def _organ(organ: OrganDose, authority: str) -> Dataset:
    """The tree of TID 10023."""
    content = [_coded("HAS CONCEPT MOD", ("363698007", "Finding Site"), code(*SITES[organ.role]))]
    if organ.side is not None:
        content.append(_coded("HAS CONCEPT MOD", ("272741003", "Laterality"), code(*SIDES[organ.side])))
    content.append(_text("112039", "Tracking Identifier", organ.name))
    if organ.mass_g is not None:
        method = _text("370129005", "Measurement Method", organ.mass_method, "HAS CONCEPT MOD", "SCT")
        content.append(_number("CONTAINS", ("118538004", "Mass", "SCT"), organ.mass_g, "g", "grams", method))
    source = _text("121406", "Reference Authority", authority, "HAS PROPERTIES")
    dose = organ.dose_gy * MGY_PER_GY
    content.append(_number("CONTAINS", ("113518", "Organ Dose", "DCM"), dose, "mGy", "mGy", source))
    return _container("113517", "Organ Dose Information", content)


def _item(relationship: str | None, value_type: str, name: Dataset) -> Dataset:
    """A content item; without relationship it is the root."""
    item = Dataset()
    if relationship is not None:
        item.RelationshipType = relationship
    item.ValueType = value_type
    item.ConceptNameCodeSequence = Items([name])
    return item


def _container(value: str, meaning: str, content: Sequence[Dataset]) -> Dataset:
    item = _item("CONTAINS", "CONTAINER", code(value, meaning, "DCM"))
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = Items(content)
    return item


def _coded(relationship: str, name: tuple[str, str], value: Dataset, *content: Dataset) -> Dataset:
    """An item whose name is of SNOMED CT, and whose value is a code."""
    item = _item(relationship, "CODE", code(*name))
    item.ConceptCodeSequence = Items([value])
    if content:
        item.ContentSequence = Items(content)
    return item


def _text(
    value: str, meaning: str, text: str, relationship: str = "CONTAINS", scheme: str = "DCM"
) -> Dataset:
    item = _item(relationship, "TEXT", code(value, meaning, scheme))
    # UT takes no control characters, and text that is demanded is not empty
    item.TextValue = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or NOT_STATED
    return item


def _number(
    relationship: str,
    name: tuple[str, str, str],
    value: float,
    unit: str,
    unit_meaning: str,
    *content: Dataset,
) -> Dataset:
    """A number with its unit of UCUM."""
    item = _item(relationship, "NUM", code(*name))
    measured = Dataset()
    measured.NumericValue = decimal(value)
    measured.MeasurementUnitsCodeSequence = Items([code(unit, unit_meaning, "UCUM")])
    item.MeasuredValueSequence = Items([measured])
    if content:
        item.ContentSequence = Items(content)
    return item


def _activity(value: str, meaning: str, assay: Assay) -> Dataset:
    """An activity, with the time when it was measured."""
    item = _number("CONTAINS", (value, meaning, "DCM"), assay.activity_bq / BQ_PER_MBQ, "MBq", "MBq")
    if assay.time is not None:
        item.ObservationDateTime = _date_time(assay.time)
    return item


def _date_time(time: datetime) -> str:
    """A DT, with its offset from UTC where it is known."""
    return time.strftime("%Y%m%d%H%M%S%z")
