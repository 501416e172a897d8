"""What is in a study: every series, what it can serve for, and each problem, without computing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from y90voxel.errors import InputError, Notice, Severity
from y90voxel.io.dicom.attributes import CONVERSION_ERRORS, IDENTIFYING, shown
from y90voxel.io.dicom.ct import plan_stack
from y90voxel.io.dicom.dicom_study import RTSTRUCT_CLASS
from y90voxel.io.dicom.headers import lenient_reading
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, StudyIndex, index_study
from y90voxel.io.dicom.nm import nm_header, plan_nm
from y90voxel.io.dicom.pet import pet_header
from y90voxel.io.dicom.planar import plan_planar
from y90voxel.io.dicom.references import referenced_series
from y90voxel.io.dicom.roi_types import DeclaredRegion, declared_notices
from y90voxel.io.dicom.rtstruct import INTERPRETED_TYPE, declared_rois
from y90voxel.io.dicom.seg import PROPERTY_TYPE, declared_segments
from y90voxel.io.dicom.selection import is_nm, select_series
from y90voxel.io.notices import refusal
from y90voxel.regions.regions import unique_names
from y90voxel.regions.roles import assign_roles
from y90voxel.volumes.grid import Grid

__all__ = ["SeriesDescription", "StudyDescription", "describe_study", "orientation_of"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class SeriesDescription:
    """One series as ``inspect`` shows it.

    Parameters
    ----------
    record : SeriesRecord
        The series.
    grid : Grid or None
        Where its voxels lie, when its geometry can be used.
    units, decay_reference, nuclide : str
        Of emission images; empty elsewhere.
    times : mapping of str to datetime
        Acquisition, series start, administration, where stated.
    rois : mapping of str to str
        Role of each ROI by its name.
    references : tuple of str
        Series that it refers to.
    used : bool
        Whether a run without options would use it.
    notices : tuple of Notice
        What was noticed.
    """

    record: SeriesRecord
    grid: Grid | None = None
    units: str = ""
    decay_reference: str = ""
    nuclide: str = ""
    times: dict[str, datetime] = field(default_factory=dict)
    rois: dict[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    used: bool = False
    notices: tuple[Notice, ...] = ()

    @property
    def severity(self) -> Severity:
        """The gravest of the notices."""
        order = list(Severity)
        return max((f.severity for f in self.notices), key=order.index, default=Severity.ACCEPT)

    @property
    def orientation(self) -> str:
        """Where the indices rise, in patient letters; empty without a grid."""
        return "" if self.grid is None else orientation_of(self.grid)

    @property
    def patient_position(self) -> str:
        """How the patient lay (HFS, FFP, ...), empty where the header does not tell."""
        try:
            return self.record.first.text("PatientPosition")
        except InputError:
            return ""

    def as_dict(self) -> dict[str, Any]:
        """Return the series for JSON."""
        record = self.record
        return {
            "series_instance_uid": record.uid,
            "study_instance_uid": record.study_uid,
            "role": record.role.value,
            "used": self.used,
            "modality": record.modality,
            "sop_class_uid": record.first.sop_class_uid,
            "image_type": list(record.first.image_type),
            "description": record.description,
            "number": record.number,
            "files": len(record.instances),
            "grid": None if self.grid is None else self.grid.as_dict(),
            "orientation": self.orientation or None,
            "patient_position": self.patient_position,
            "frame_of_reference_uid": record.frame_of_reference_uid,
            "units": self.units,
            "decay_reference": self.decay_reference,
            "nuclide": self.nuclide,
            "times": {name: moment.isoformat() for name, moment in self.times.items()},
            "rois": [{"name": name, "role": role} for name, role in self.rois.items()],
            "references": list(self.references),
            "status": self.severity.value,
            "findings": [f.as_dict() for f in self.notices],
        }


@dataclass(frozen=True, eq=False)
class StudyDescription:
    """Everything ``inspect`` has to say about a folder.

    Parameters
    ----------
    path : Path
        The folder, archive or file.
    files, ignored : int
        Files seen, and those among them that are not DICOM.
    series : tuple of SeriesDescription
        Sorted by role, number and UID.
    notices : tuple of Notice
        About files without series, and about the study as a whole.
    """

    path: Path
    files: int
    ignored: int
    series: tuple[SeriesDescription, ...]
    notices: tuple[Notice, ...]

    def without_regions(self) -> StudyDescription:
        """Return the description of a run that takes its regions from files and leaves the study's own."""
        series = (
            replace(one, used=False) if one.record.role is SeriesRole.REGIONS else one for one in self.series
        )
        return replace(self, series=tuple(series))

    @property
    def usable(self) -> bool:
        """Whether the main job would accept the study without further options."""
        used = [s for s in self.series if s.used]
        everything = [*self.notices, *(f for s in used for f in s.notices)]
        return bool(used) and all(f.severity is not Severity.REFUSE for f in everything)

    def as_dict(self) -> dict[str, Any]:
        """Return the description for JSON."""
        return {
            "schema_version": 1,
            "kind": "inspect",
            "path": str(self.path),
            "files": self.files,
            "not_dicom": self.ignored,
            "usable": self.usable,
            "series": [s.as_dict() for s in self.series],
            "findings": [f.as_dict() for f in self.notices],
        }


def describe_study(path: str | Path | StudyIndex, progress: Progress | None = None) -> StudyDescription:
    """Return what lies in a study, from headers alone; nothing that is wrong with it raises.

    Parameters
    ----------
    path : path-like or StudyIndex
        Folder, ``.zip`` or file.
    progress : callable or None
        Called with the number of files read and their total.

    Raises
    ------
    InputError
        If the path does not exist or is an archive that must not be opened.
    """
    index = path if isinstance(path, StudyIndex) else index_study(path, progress)
    notices = list(index.notices)
    used: set[tuple[str, str]] = set()
    with lenient_reading():
        try:
            chosen = select_series(index)
        except InputError as error:
            notices.append(refusal("study-refused", error))
        else:
            notices += chosen.notices
            parts = (chosen.emission, chosen.ct, chosen.regions, chosen.planar)
            used = {(s.study_uid, s.uid) for s in parts if s is not None}
        series = tuple(_describe(s, (s.study_uid, s.uid) in used) for s in index.series)
    return StudyDescription(index.path, index.files, index.ignored, series, tuple(notices))


def orientation_of(grid: Grid) -> str:
    """Return where slice, row and column indices rise, in patient letters, with the tilt from the axes.

    Examples
    --------
    >>> orientation_of(Grid.from_spacing((2, 2, 2), (3, 1, 1)))
    'slices S, rows P, columns L'
    """
    letters = (("R", "L"), ("A", "P"), ("I", "S"))
    words, worst = [], 0.0
    for name, direction in zip(("slices", "rows", "columns"), grid.directions.T, strict=True):
        axis = int(np.abs(direction).argmax())
        words.append(f"{name} {letters[axis][int(direction[axis] > 0)]}")
        worst = max(worst, float(np.degrees(np.arccos(min(abs(direction[axis]), 1.0)))))
    tilt = f", oblique by {worst:.1f}°" if worst > 0.1 else ""
    return ", ".join(words) + tilt


def _describe(record: SeriesRecord, used: bool) -> SeriesDescription:
    """Return one series; what refuses it becomes a notice."""
    describers: dict[SeriesRole, Callable[[SeriesRecord], dict[str, Any]]] = {
        SeriesRole.EMISSION: _emission,
        SeriesRole.CT: _ct,
        SeriesRole.PLANAR: _planar,
        SeriesRole.REGIONS: _regions,
    }
    describe = describers.get(record.role)
    facts: dict[str, Any] = {"notices": record.notices}
    if describe is not None:
        try:
            facts = describe(record)
        except InputError as error:
            others = [f for f in record.notices if f.message != error.message]
            facts = {
                "notices": (*others, refusal(f"{record.role.value}-refused", error, _value(record, error)))
            }
    try:
        references = tuple(sorted(referenced_series(record)))
    except InputError as error:
        references = ()
        facts["notices"] = (*facts["notices"], refusal("references-damaged", error))
    return SeriesDescription(record, references=references, used=used, **facts)


def _value(record: SeriesRecord, error: InputError) -> str | None:
    """Return what stands at the tag of an error, in the file that it names; None for what identifies a patient."""
    if error.tag is None or error.tag in IDENTIFYING or tag_for_keyword(error.tag) is None:
        return None
    file = None if error.file is None else Path(error.file).name
    instance = next((i for i in record.instances if Path(i.source.name).name == file), record.first)
    try:
        value = instance.header.get(error.tag)
    except CONVERSION_ERRORS:
        return None
    plain = value is not None and (
        isinstance(value, str | MultiValue) or not isinstance(value, Sequence | bytes)
    )
    return shown(value) if plain else None


def _emission(record: SeriesRecord) -> dict[str, Any]:
    """Return geometry, units and times of an emission image."""
    if is_nm(record):
        plan = plan_nm(record)
        header, notices = nm_header(record)
        grid, units, notes = plan.grid, "Bq/mL" if plan.is_activity else "counts", plan.notices
    else:
        stack, notes = plan_stack(record)
        header, notices = pet_header(record)
        grid, units = stack.grid, "Bq/mL"
    named = {
        "acquisition": header["acquisition_start"],
        "series": header["series_start"],
        "administration": header["administration_time"],
    }
    return {
        "grid": grid,
        "units": units,
        "decay_reference": header["decay_reference"].value if header["decay_reference"] else "",
        "nuclide": header["imaged_nuclide"] or "",
        "times": {name: moment for name, moment in named.items() if moment is not None},
        "notices": (*notes, *notices),
    }


def _ct(record: SeriesRecord) -> dict[str, Any]:
    """Return the geometry of a CT."""
    stack, notices = plan_stack(record)
    return {"grid": stack.grid, "units": "HU", "notices": notices}


def _planar(record: SeriesRecord) -> dict[str, Any]:
    """Return what is noticed about planar views."""
    _, _, notices = plan_planar(record)
    return {"units": "counts", "notices": notices}


def _regions(record: SeriesRecord) -> dict[str, Any]:
    """Return names and roles of regions, and what is noticed about them."""
    declared: list[DeclaredRegion] = []
    notices = list(record.notices)
    for instance in record.instances:
        structures = instance.sop_class_uid == RTSTRUCT_CLASS
        own = declared_rois(instance) if structures else declared_segments(instance)
        tag = INTERPRETED_TYPE if structures else PROPERTY_TYPE
        notices += declared_notices(own, instance.source, tag)
        declared += own
    return {"rois": _roles(declared), "notices": tuple(notices)}


def _roles(declared: Sequence[DeclaredRegion]) -> dict[str, str]:
    """Return the role of each region by its name."""
    unique = unique_names(region.name for region in declared)
    roles = assign_roles(unique, stated=[region.role for region in declared])
    return {name: role.value for name, role in roles.items()}
