"""Find the DICOM objects of a study and group them into series, before any pixel is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter
from pathlib import Path

from pydicom.uid import UID

from y90voxel.errors import DicomError, InputError, Notice
from y90voxel.io.dicom.attributes import items, shown, text
from y90voxel.io.dicom.directory import incomplete_media
from y90voxel.io.dicom.headers import Instance, lenient_reading, read_header
from y90voxel.io.dicom.sources import SourceFile, list_files
from y90voxel.io.images import SAY_OPTIONS, is_image_file
from y90voxel.io.notices import accept, refusal, warn
from y90voxel.io.other_formats import described_format

__all__ = ["SeriesRecord", "SeriesRole", "StudyIndex", "index_study", "read_instance", "role_of"]

CT_CLASSES = {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
PET_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.128",
    "1.2.840.10008.5.1.4.1.1.130",
    "1.2.840.10008.5.1.4.1.1.128.1",
}
NM_CLASSES = {"1.2.840.10008.5.1.4.1.1.20"}
REGION_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.481.3",  # RT Structure Set
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
}
DOSE_CLASSES = {"1.2.840.10008.5.1.4.1.1.481.2"}
REGISTRATION_CLASSES = {"1.2.840.10008.5.1.4.1.1.66.1", "1.2.840.10008.5.1.4.1.1.66.3"}
# Image type value 3 of nuclear medicine objects (PS3.3 C.8.4.9.1.1).
VOLUME_TYPES = {"RECON TOMO"}
PLANAR_TYPES = {"STATIC", "WHOLE BODY"}

DICOM_ROOT = "1.2.840.10008."
# An object of these with a SOP class that nobody knows is a damaged one, and might be one that is needed.
USED_MODALITIES = {"CT", "PT", "NM", "RTSTRUCT", "SEG"}

ARCHIVE_SUFFIXES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".xz")

Progress = Callable[[int, int], None]


class SeriesRole(StrEnum):
    """What a series can serve for."""

    EMISSION = "emission"
    PLANAR = "planar"
    CT = "ct"
    REGIONS = "regions"
    DOSE = "dose"
    REGISTRATION = "registration"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class SeriesRecord:
    """The objects of one series, as their headers describe them.

    Parameters
    ----------
    uid, study_uid : str
        Series and study instance UID.
    role : SeriesRole
        What the series can serve for, by SOP class and image type.
    instances : tuple of Instance
        Its objects, each once, in order of file name.
    notices : tuple of Notice
        What was noticed while grouping.
    of_several : bool
        True for a single object that is looked at by itself, of a series that has more.
    """

    uid: str
    study_uid: str
    role: SeriesRole
    instances: tuple[Instance, ...]
    notices: tuple[Notice, ...] = field(default=())
    of_several: bool = False

    def objects(self) -> tuple[SeriesRecord, ...]:
        """Return each object of a series of regions by itself: every one is a whole set."""
        if len(self.instances) == 1:
            return (self,)
        return tuple(replace(self, instances=(one,), of_several=True) for one in self.instances)

    @property
    def first(self) -> Instance:
        """The first object, which stands for what is common to all."""
        return self.instances[0]

    @property
    def modality(self) -> str:
        """Modality of the series."""
        return self.first.modality

    @property
    def description(self) -> str:
        """Series description."""
        return self.first.text("SeriesDescription")

    @property
    def number(self) -> str:
        """Series number."""
        return self.first.text("SeriesNumber")

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Frame of reference of the images, or the one that regions were drawn in; None if not stated."""
        own = self.first.text("FrameOfReferenceUID")
        if own or self.role is not SeriesRole.REGIONS:
            return own or None
        for item in items(self.first.header, "ReferencedFrameOfReferenceSequence", self.first.source):
            referenced = text(item, "FrameOfReferenceUID", self.first.source)
            if referenced:
                return referenced
        return None

    def sha256(self) -> str:
        """Return the digest over the contents of all files, in order of their own digests."""
        digests = sorted(i.source.sha256() for i in self.instances)
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def __str__(self) -> str:
        words = " ".join(w for w in (self.modality, f"{self.description!r}" if self.description else "") if w)
        if self.of_several:
            label = self.first.text("StructureSetLabel") or self.first.text("ContentLabel")
            words = f"{words} {label!r}" if label else words
            return f"{words} ({self.first.source.name}, object {self.first.sop_instance_uid} of series {self.uid})"
        return f"{words} ({len(self.instances)} files, series {self.uid})"


@dataclass(frozen=True, eq=False)
class StudyIndex:
    """All series of a folder or archive.

    Parameters
    ----------
    path : Path
        Where it is.
    series : tuple of SeriesRecord
        Sorted by role, series number and UID.
    files : int
        Files seen, DICOM or not.
    ignored : int
        Files that are not DICOM.
    notices : tuple of Notice
        About files that belong to no series: unreadable ones above all.
    """

    path: Path
    series: tuple[SeriesRecord, ...]
    files: int
    ignored: int
    notices: tuple[Notice, ...] = ()

    def with_role(self, role: SeriesRole) -> tuple[SeriesRecord, ...]:
        """Return the series that serve for a role."""
        return tuple(s for s in self.series if s.role is role)


def index_study(
    path: str | Path, progress: Progress | None = None, *, only: Iterable[str] | None = None
) -> StudyIndex:
    """Read the headers of all files of a study and group them into series.

    Parameters
    ----------
    path : path-like
        A folder of any depth and with any file names, a ``.zip`` archive of one, or one file.
    progress : callable or None
        Called with the number of files read and their total.
    only : iterable of str or None
        Names of the files below the folder that make the study; None takes all.

    Returns
    -------
    StudyIndex
        In an order that does not depend on the order of files on the disk.

    Raises
    ------
    InputError
        If the path does not exist, is an archive that must not be opened, or a single file that is not DICOM.
    """
    files = list_files(path, only)
    by_series: dict[tuple[str, str], list[Instance]] = {}
    notices: list[Notice] = []
    ignored: list[str] = []
    with lenient_reading():
        for done, file in enumerate(files, start=1):
            try:
                instance = read_instance(file)
            except InputError as error:
                notices.append(refusal("unreadable-file", error))
            else:
                if instance is None:
                    ignored.append(file.name)
                else:
                    by_series.setdefault((instance.study_uid, instance.series_uid), []).append(instance)
            if progress is not None:
                progress(done, len(files))
        series = [record for members in by_series.values() for record in _records(members)]
    if ignored and files[0].archive is None and Path(path).is_file():
        raise _no_study(Path(path))
    order = list(SeriesRole)
    series.sort(key=lambda s: (order.index(s.role), s.number.zfill(12), s.uid, s.study_uid))
    return StudyIndex(
        Path(path),
        tuple(series),
        len(files),
        len(ignored),
        (*notices, *_archives(ignored), *(incomplete_media(files) if only is None else ())),
    )


def _no_study(path: Path) -> InputError:
    """Return the error for a single file that is not DICOM."""
    other = described_format(path)
    if other is not None:
        return InputError(other, file=path)
    what = "an image file" if is_image_file(path) else "neither DICOM nor a zip archive nor an image file"
    return InputError(
        f"{path} is {what}, but stands where a study is needed: a folder or .zip with DICOM, or a DICOM file. {SAY_OPTIONS}",
        file=path,
        tag="STUDY",
    )


def _archives(names: Sequence[str]) -> list[Notice]:
    """Return a warning when archives lie among the files of a study: nobody looks into them."""
    archives = [name for name in names if name.lower().endswith(ARCHIVE_SUFFIXES)]
    if not archives:
        return []
    return [
        warn(
            "archive-not-opened",
            f"{len(archives)} of the files are archives and were not opened ({', '.join(shown(n) for n in archives[:3])}). "
            "Unpack them if they belong to the study, or give one archive in place of the folder.",
            file=archives[0],
        )
    ]


def read_instance(file: SourceFile) -> Instance | None:
    """Return the header of one file, None when it is not DICOM; what grouping needs is converted here.

    Raises
    ------
    DicomError
        If the file is damaged or cannot be opened.
    """
    try:
        instance = read_header(file)
        if instance is not None:
            _check_class(instance)
            _ = (instance.study_uid, instance.series_uid, instance.sop_instance_uid, instance.patient_key)
            _ = (instance.modality, instance.image_type, instance.sop_class_uid)
    except OSError as error:
        raise DicomError(f"the file cannot be opened ({error.strerror}).", file=file.name) from error
    return instance


def _check_class(instance: Instance) -> None:
    """Raise if an object does not say what it is: an undefined SOP class, or another one in the meta header."""
    name, own = instance.source.name, instance.sop_class_uid
    meta = getattr(instance.header, "file_meta", None)
    stated = "" if meta is None else text(meta, "MediaStorageSOPClassUID", instance.source)
    if stated and stated != own:
        raise DicomError(
            f"{name} is SOP class {shown(own)} by its data set, but {shown(stated)} by its meta header. It is damaged: "
            "export it again.",
            file=name,
            tag="SOPClassUID",
        )
    is_standard = UID(own).type != "" or own in REGION_CLASSES  # label maps are younger than the dictionary
    if own.startswith(DICOM_ROOT) and not is_standard and instance.modality in USED_MODALITIES:
        raise DicomError(
            f"SOPClassUID {shown(own)} of {name} is not defined in DICOM. The file is damaged: export it again.",
            file=name,
            tag="SOPClassUID",
        )


def _one_patient(members: Sequence[Instance]) -> list[Notice]:
    """Return a refusal when the files of a series belong to different patients."""
    for tag, key in (("PatientID", attrgetter("patient_key")), ("PatientName", attrgetter("name_key"))):
        strange = next((i for i in members if key(i) != key(members[0])), None)
        if strange is None:
            continue
        error = DicomError(
            f"{members[0].source.name} and {strange.source.name} are files of one series, but name different patients "
            f"({tag}). Export the series again.",
            file=strange.source.name,
            tag=tag,
        )
        return [refusal("several-patients", error)]
    return []


def _records(members: Sequence[Instance]) -> Iterable[SeriesRecord]:
    """Yield one record for each role found among the objects of a series."""
    by_role: dict[SeriesRole, list[Instance]] = {}
    for instance in members:
        by_role.setdefault(role_of(instance), []).append(instance)
    left_out = by_role.pop(SeriesRole.OTHER, []) if len(by_role) > 1 else []
    for role, instances in by_role.items():
        unique, notices = _without_copies(instances)
        notices += _one_patient(instances)
        if left_out:
            what = ", ".join(
                sorted({i.image_type[2] if len(i.image_type) > 2 else i.modality for i in left_out})
            )
            notices.append(
                accept(
                    "left-out",
                    f"{len(left_out)} of {len(members)} files of the series are not part of the volume "
                    f"({what or 'secondary captures'}) and are left out.",
                    file=left_out[0].source.name,
                    tag="ImageType",
                )
            )
        first = unique[0]
        yield SeriesRecord(first.series_uid, first.study_uid, role, tuple(unique), tuple(notices))


def role_of(instance: Instance) -> SeriesRole:
    """Return what an object can serve for."""
    sop, kind = instance.sop_class_uid, instance.image_type
    third = kind[2] if len(kind) > 2 else ""
    if sop in CT_CLASSES:
        screenshot = "SECONDARY" in kind and "ImagePositionPatient" not in instance.header
        aside = "LOCALIZER" in kind or (screenshot and not instance.is_multiframe_enhanced)
        return SeriesRole.OTHER if aside else SeriesRole.CT
    if sop in PET_CLASSES:
        return SeriesRole.OTHER if "MIP" in kind or "LOCALIZER" in kind else SeriesRole.EMISSION
    if sop in NM_CLASSES or (instance.modality in ("NM", "OT") and third in VOLUME_TYPES):
        if third in VOLUME_TYPES:
            return SeriesRole.OTHER if "TRANSMISSION" in kind[3:4] else SeriesRole.EMISSION
        return SeriesRole.PLANAR if third in PLANAR_TYPES else SeriesRole.OTHER
    for role, classes in (
        (SeriesRole.REGIONS, REGION_CLASSES),
        (SeriesRole.DOSE, DOSE_CLASSES),
        (SeriesRole.REGISTRATION, REGISTRATION_CLASSES),
    ):
        if sop in classes:
            return role
    return SeriesRole.OTHER


def _without_copies(instances: Sequence[Instance]) -> tuple[list[Instance], list[Notice]]:
    """Return each object once; the same object stored twice is dropped, two under one UID are refused."""
    by_uid: dict[str, list[Instance]] = {}
    for instance in instances:
        by_uid.setdefault(instance.sop_instance_uid or instance.source.name, []).append(instance)
    unique, dropped, notices = [], [], []
    for uid, copies in by_uid.items():
        unique.append(copies[0])
        if len(copies) > 1:
            others = [c for c in copies[1:] if _content(c) != _content(copies[0])]
            if others:
                error = DicomError(
                    f"{copies[0].source.name} and {others[0].source.name} are different objects under one "
                    f"SOPInstanceUID ({uid}). Export the series again.",
                    file=others[0].source.name,
                    tag="SOPInstanceUID",
                )
                notices.append(refusal("conflicting-copies", error))
            dropped += copies[1:]
    if dropped:
        notices.append(
            accept(
                "duplicate-files",
                f"{len(dropped)} files are copies of others (same SOP instance) and are left out.",
                file=dropped[0].source.name,
                tag="SOPInstanceUID",
            )
        )
    return unique, notices


def _content(instance: Instance) -> str:
    """Return a digest of what an object says and shows, apart from its file meta header."""
    digest = hashlib.sha256(instance.header.to_json(suppress_invalid_tags=True).encode())
    data = instance.source.read()
    if instance.pixel_offset is not None and instance.pixel_bytes is not None:
        data = data[instance.pixel_offset : instance.pixel_offset + instance.pixel_bytes]
    digest.update(data)
    return digest.hexdigest()
