"""A few facts about the series in a folder, from the headers of its files: what an archive is paired by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import date_and_time, lenient_reading
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, read_instance, role_of
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.dicom.times import acquisition_start

__all__ = ["FACTS_VERSION", "FolderFacts", "SeriesFacts", "read_folder"]

# Goes up when other facts are taken from headers, or the same are taken otherwise.
FACTS_VERSION = 1


@dataclass
class SeriesFacts:
    """What pairing needs to know of one series.

    Parameters
    ----------
    uid, study_uid : str
        Series and study instance UID.
    role : SeriesRole
        What it can serve for.
    frame_of_reference_uid : str or None
        Its frame, or the one that regions were drawn in.
    taken : datetime or None
        When it was acquired or made, without zone.
    patient : str
        A digest that tells patients apart.
    files : list of str
        Names of its files below the archive.
    objects : set of int
        Hashes of its SOP instance UIDs, which tell a copy from a series that lies in several folders.
    """

    uid: str
    study_uid: str
    role: SeriesRole
    frame_of_reference_uid: str | None
    taken: datetime | None
    patient: str
    files: list[str] = field(default_factory=list)
    objects: set[int] = field(default_factory=set, repr=False)

    @property
    def identity(self) -> tuple[str, str, SeriesRole, str]:
        """What is the same for all files of a series."""
        return self.study_uid, self.uid, self.role, self.patient


@dataclass
class FolderFacts:
    """What the headers of files of one folder say.

    Parameters
    ----------
    series : list of SeriesFacts
        In the order of their first files.
    damaged : list of str
        Names of DICOM files that cannot be read.
    """

    series: list[SeriesFacts] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def add(self, more: FolderFacts) -> None:
        """Join what further files of the folder say."""
        series = {one.identity: one for one in self.series}
        for one in more.series:
            if one.identity in series:
                series[one.identity].files += one.files
                series[one.identity].objects |= one.objects
            else:
                self.series.append(one)
        self.damaged += more.damaged

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the facts for JSON, files as numbers in a list of all names of the folder."""
        number = {name: index for index, name in enumerate(names)}
        return {
            "series": [
                [
                    one.uid,
                    one.study_uid,
                    one.role.value,
                    one.frame_of_reference_uid,
                    None if one.taken is None else one.taken.isoformat(),
                    one.patient,
                    [number[name] for name in one.files],
                    sorted(one.objects),
                ]
                for one in self.series
            ],
            "damaged": [number[name] for name in self.damaged],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], names: Sequence[str]) -> FolderFacts:
        """Return the facts that `as_json` gave, for the same names."""
        return cls(
            [
                SeriesFacts(
                    uid,
                    study,
                    SeriesRole(role),
                    frame,
                    None if taken is None else datetime.fromisoformat(taken),
                    patient,
                    [names[index] for index in files],
                    set(objects),
                )
                for uid, study, role, frame, taken, patient, files, objects in document["series"]
            ],
            [names[index] for index in document["damaged"]],
        )


def read_folder(root: Path, files: Iterable[tuple[str, int]]) -> FolderFacts:
    """Return what the headers of files of one folder say.

    Parameters
    ----------
    root : Path
        The archive.
    files : iterable of tuple
        Names below the archive, and sizes [bytes].
    """
    folder = FolderFacts()
    series: dict[tuple[str, str, SeriesRole, str], SeriesFacts] = {}
    with lenient_reading():
        for name, size in files:
            try:
                instance = read_instance(SourceFile(root / name, name, size))
            except DicomError:
                folder.damaged.append(name)
                continue
            if instance is None:
                continue
            role = role_of(instance)
            identity = (instance.study_uid, instance.series_uid, role, instance.patient_key)
            if identity not in series:
                series[identity] = _facts(instance, role)
                folder.series.append(series[identity])
            series[identity].files.append(name)
            series[identity].objects.add(_hash(instance.sop_instance_uid))
    return folder


def _hash(uid: str) -> int:
    """Return a number for a UID that is the same in every process."""
    return int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=7).digest())


def _facts(instance: Instance, role: SeriesRole) -> SeriesFacts:
    """The facts of a series, from its first object."""
    record = SeriesRecord(instance.series_uid, instance.study_uid, role, (instance,))
    return SeriesFacts(
        instance.series_uid,
        instance.study_uid,
        role,
        record.frame_of_reference_uid,
        _taken(instance),
        instance.patient_key,
    )


def _taken(instance: Instance) -> datetime | None:
    """When a series was acquired or made; damaged dates count as none, the study itself will say so."""
    try:
        moment = acquisition_start(instance) or date_and_time(
            instance.header, "SeriesDate", "SeriesTime", instance.source
        )
    except DicomError:
        return None
    return None if moment is None else moment.replace(tzinfo=None)
