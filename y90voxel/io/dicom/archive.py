"""What sending to and fetching from an archive have in common, whichever way they are done."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, InputError
from y90voxel.optional import install_command

__all__ = [
    "OUR_TITLE",
    "Failure",
    "Peer",
    "Progress",
    "StudyWriter",
    "check_study_uid",
    "dicom_files",
    "missing_extra",
]

Progress = Callable[[str, float], None]

OUR_TITLE = "Y90VOXEL"
UID_PATTERN = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True)
class Peer:
    """An archive on the network.

    Parameters
    ----------
    title : str
        Its application entity title.
    host : str
        Name or address.
    port : int
        Its port.
    """

    title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Return the peer of ``AET@host:port``.

        Raises
        ------
        InputError
            If the text is not of that form.

        Examples
        --------
        >>> Peer.parse("PACS@192.0.2.5:104")
        Peer(title='PACS', host='192.0.2.5', port=104)
        """
        match = re.fullmatch(r"([^@\\\s]{1,16})@\[?([^\s@\]]+?)\]?:([0-9]{1,5})", text.strip())
        if match is None or not 0 < int(match[3]) < 65536:
            raise InputError(
                f"{text!r} is not AET@host:port, such as PACS@192.0.2.5:104 (a title of up to 16 characters).",
                tag="--to",
            )
        return cls(match[1], match[2], int(match[3]))

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


@dataclass(frozen=True)
class Failure:
    """An object that was not stored, and why."""

    file: str
    reason: str


class StudyWriter:
    """Writes objects that arrive into a folder, under names made of their UIDs and nothing else.

    Parameters
    ----------
    folder : Path
        Exists.
    study_instance_uid : str
        The study that was asked for; objects of another are refused.
    """

    def __init__(self, folder: Path, study_instance_uid: str) -> None:
        self.folder, self.study = folder, study_instance_uid
        self.count = 0

    def add(self, dataset: Dataset) -> None:
        """Write an object.

        Raises
        ------
        DicomError
            If its UIDs are not UIDs, or it belongs to another study.
        """
        uids = [str(dataset.get(k, "")) for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
        for keyword, uid in zip(
            ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), uids, strict=True
        ):
            if len(uid) > 64 or not UID_PATTERN.fullmatch(uid):
                raise DicomError(f"the archive sent an object whose {keyword} is not a UID.", tag=keyword)
        if uids[0] != self.study:
            raise DicomError("the archive sent an object of another study.", tag="StudyInstanceUID")
        place = self.folder / uids[1]
        place.mkdir(exist_ok=True)
        dataset.save_as(place / f"{uids[2]}.dcm", enforce_file_format=True)
        self.count += 1


def check_study_uid(uid: str) -> str:
    """Return a study instance UID.

    Raises
    ------
    InputError
        If it is not a UID.
    """
    if len(uid) > 64 or not UID_PATTERN.fullmatch(uid):
        raise InputError(
            f"{uid[:80]!r} is not a study instance UID (digits and dots).", tag="StudyInstanceUID"
        )
    return uid


def dicom_files(path: str | Path) -> list[Path]:
    """Return the DICOM files of a result folder, or the one file that is given.

    Raises
    ------
    InputError
        If there is none.
    """
    start = Path(path)
    if not start.exists():
        raise InputError(f"{start} does not exist.", file=start)
    candidates = [start] if start.is_file() else sorted(p for p in start.rglob("*") if p.is_file())
    files = []
    for candidate in candidates:
        with candidate.open("rb") as stream:
            if stream.read(132)[128:] == b"DICM":
                files.append(candidate)
    if not files:
        raise InputError(f"{start} holds no DICOM file to send.", file=start)
    return files


def missing_extra(library: str) -> InputError:
    """Return the error for a library that is not installed."""
    return InputError(f"{library} is not installed; network access needs it: {install_command('pacs')}.")
