"""Which series of a folder are used: one emission image, the CT and regions that share its coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from y90voxel.errors import DicomError, InputError, Notice, Severity
from y90voxel.io.dicom.choosing import by_prefix, listed
from y90voxel.io.dicom.ct import plan_stack
from y90voxel.io.dicom.ct_selection import choose_ct
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, StudyIndex
from y90voxel.io.dicom.nm import nm_header, plan_nm
from y90voxel.io.dicom.pet import pet_header
from y90voxel.io.dicom.planar import plan_planar
from y90voxel.io.dicom.references import missing_references
from y90voxel.io.dicom.region_selection import choose_moving_ct, choose_regions
from y90voxel.io.dicom.registrations import Path, Registrations
from y90voxel.io.notices import accept, warn
from y90voxel.io.other_formats import described_format

__all__ = ["Selection", "check_emission", "is_nm", "raise_unreadable", "select_series"]

# Files of a folder without DICOM that are looked at for what they are.
MOST_LOOKED_AT = 200


@dataclass(frozen=True, eq=False)
class Selection:
    """The series that a run uses.

    Parameters
    ----------
    emission, ct, regions, planar : SeriesRecord or None
        One of each, where there is one.
    frame_of_reference_uid : str or None
        The frame that all of them are taken to share.
    trust_frames : bool
        Whether coordinates of other frames are taken as common.
    notices : tuple of Notice
        What was assumed or left out.
    ct_path, regions_path : Path or None
        How a registration of the study leads from the frame of CT or regions to the common one.
    moving_ct : SeriesRecord or None
        The CT in the frame of the regions, which is to be aligned with the other CT.
    registrations : Registrations or None
        Registrations of the patient.
    register : {'rigid', 'deformable'} or None
        How CTs of two frames are registered.
    """

    emission: SeriesRecord | None
    ct: SeriesRecord | None
    regions: SeriesRecord | None
    planar: SeriesRecord | None
    frame_of_reference_uid: str | None
    trust_frames: bool
    notices: tuple[Notice, ...]
    ct_path: Path | None = None
    regions_path: Path | None = None
    moving_ct: SeriesRecord | None = None
    registrations: Registrations | None = field(default=None, repr=False)
    register: str | None = None


def select_series(
    index: StudyIndex,
    *,
    emission_series: str | None = None,
    ct_series: str | None = None,
    regions_series: str | None = None,
    trust_frames: bool = False,
    register: str | None = None,
    needs_emission: bool = True,
) -> Selection:
    """Return the series to use, by the caller's choice and the rules of the package.

    Parameters
    ----------
    index : StudyIndex
        What is there.
    emission_series, ct_series, regions_series : str or None
        Series instance UID or a unique beginning of it.
    trust_frames : bool
        Take coordinates of other frames of reference as common.
    register : {'rigid', 'deformable'} or None
        Register the CT that regions of another frame were drawn on with the CT of the emission image.
    needs_emission : bool
        Whether a study without emission image is an error.

    Raises
    ------
    InputError
        If nothing or several things fit; the message lists them.
    DicomError
        If CT or regions lie in another frame of reference and are not trusted.
    """
    notices = [f for f in index.notices if f.severity is Severity.WARN]
    if emission_series is None:
        _check_one_study(index)
    emission = _emission(index, emission_series, needs_emission, notices)
    anchor = emission
    registrations = Registrations(index, None if anchor is None else anchor.first.patient_key)
    pool = index.series if anchor is None else _of_same_patient(index.series, anchor, registrations, notices)
    ct, ct_path = choose_ct(pool, anchor, ct_series, trust_frames, registrations, notices)
    frame = (anchor.frame_of_reference_uid if anchor else None) or (ct.frame_of_reference_uid if ct else None)
    native_ct = ct if ct_path is None else None
    images = [s for s in (anchor, native_ct) if s is not None]
    regions, regions_path = choose_regions(
        pool, images, regions_series, trust_frames, registrations, notices, register=register is not None
    )
    moving = None
    if register is not None and regions is not None and regions_path is None and images:
        moving = choose_moving_ct(index.series, regions, images, native_ct)
    planar = _planar(pool, anchor, notices)
    if images and regions is not None:
        notices += missing_references(regions, index)
    if anchor is None and ct is None and regions is not None:
        frame = regions.frame_of_reference_uid
    return Selection(
        emission,
        ct,
        regions,
        planar,
        frame,
        trust_frames,
        tuple(notices),
        ct_path,
        regions_path,
        moving,
        registrations,
        register,
    )


def is_nm(series: SeriesRecord) -> bool:
    """Return whether an emission series is a nuclear medicine volume, not a PET series."""
    return "SliceVector" in series.first.header or series.first.modality in ("NM", "OT")


def check_emission(series: SeriesRecord) -> tuple[Notice, ...]:
    """Return what is noticed about an emission series from its headers.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    if is_nm(series):
        return (*plan_nm(series).notices, *nm_header(series)[1])
    _, notices = plan_stack(series)
    return (*notices, *pet_header(series)[1])


def raise_unreadable(index: StudyIndex) -> None:
    """Raise if a DICOM file of the folder could not be read: it may be the slice or the regions that would be missing.

    Raises
    ------
    DicomError
        For the first such file.
    """
    refused = [f for f in index.notices if f.severity is Severity.REFUSE]
    if not refused:
        return
    first = refused[0]
    more = f" ({len(refused) - 1} more files cannot be read either)" if len(refused) > 1 else ""
    where = "" if first.file is None or first.file in first.message else f"{first.file}: "
    raise DicomError(
        f"{where}{first.message}{more} If it is no part of the study, take it out of the folder.",
        file=first.file,
        tag=first.tag,
    )


def _check_one_study(index: StudyIndex) -> None:
    """Raise when images of several patients or studies lie in one folder."""
    images = [s for s in index.series if s.role in (SeriesRole.EMISSION, SeriesRole.CT, SeriesRole.PLANAR)]
    patients = {s.first.patient_key for s in index.series}
    studies = {s.study_uid for s in images}
    if len(patients) <= 1 and len(studies) <= 1:
        return
    what = f"{len(patients)} patients" if len(patients) > 1 else f"{len(studies)} studies"
    raise InputError(
        f"{index.path} holds {what}; they are never mixed. Give the folder of one, or choose the emission image "
        f"with --emission-series. There are: {listed(images or index.series)}.",
        tag="StudyInstanceUID",
    )


def _of_same_patient(
    series: Sequence[SeriesRecord],
    anchor: SeriesRecord,
    registrations: Registrations,
    notices: list[Notice],
) -> tuple[SeriesRecord, ...]:
    """Return the series of the anchor's patient that belong to its study, share its frame or are registered to it."""
    frame = anchor.frame_of_reference_uid
    belonging = tuple(
        s
        for s in series
        if s.first.patient_key == anchor.first.patient_key
        and (
            s.study_uid == anchor.study_uid
            or s.role is SeriesRole.REGIONS
            or (frame and s.frame_of_reference_uid == frame)
            or (s.role is SeriesRole.CT and registrations.path(s.frame_of_reference_uid, [frame]) is not None)
        )
    )
    if len(belonging) < len(series):
        notices.append(
            accept(
                "other-studies",
                f"{len(series) - len(belonging)} series of other patients or studies in the folder are left out.",
                tag="StudyInstanceUID",
            )
        )
    return belonging


def _emission(
    index: StudyIndex, wanted: str | None, needed: bool, notices: list[Notice]
) -> SeriesRecord | None:
    """Return the emission image: the one asked for, or the only one that can be used."""
    if wanted is not None:
        chosen = by_prefix(index.series, wanted, SeriesRole.EMISSION, "--emission-series")
        check_emission(chosen)
        return chosen
    candidates = index.with_role(SeriesRole.EMISSION)
    usable, errors = _usable(candidates, check_emission)
    if len(usable) == 1:
        if errors:
            notices.append(
                accept(
                    "emission-left-out",
                    f"{len(errors)} other emission series cannot be used: {errors[0].message}",
                    file=errors[0].file,
                    tag=errors[0].tag,
                )
            )
        return usable[0]
    if not needed:
        return None
    if len(usable) > 1:
        raise InputError(
            f"{len(usable)} emission images fit; choose one with --emission-series (a unique beginning of the UID "
            f"will do): {listed(usable)}.",
            tag="SeriesInstanceUID",
        )
    if errors:
        raise errors[0]
    raise InputError(
        f"no emission image in {index.path} (an NM volume with ImageType RECON TOMO, or a PET series in Bq/mL). "
        f"{_what_is_there(index)}",
        tag="Modality",
    )


def _usable(
    series: Sequence[SeriesRecord], check: Callable[[SeriesRecord], object]
) -> tuple[list[SeriesRecord], list[InputError]]:
    """Return the series that pass a check, and why the others do not."""
    usable, errors = [], []
    for candidate in series:
        try:
            check(candidate)
        except InputError as error:
            errors.append(error)
        else:
            usable.append(candidate)
    return usable, errors


def _what_is_there(index: StudyIndex) -> str:
    """Return what a folder without emission image holds."""
    archives = "".join(f" {f.message}" for f in index.notices if f.code == "archive-not-opened")
    if not index.series:
        other = _other_format(index)
        return f"It holds no DICOM series at all ({index.files} files).{archives}{other}"
    kinds = [f"{s} [{_kind(s)}]" for s in index.series[:10]]
    return f"It holds: {'; '.join(kinds)}.{archives}"


def _other_format(index: StudyIndex) -> str:
    """Return what the first file is in a format that is not read, empty when there is none."""
    if not index.path.is_dir():
        return ""
    files = islice((file for file in sorted(index.path.rglob("*")) if file.is_file()), MOST_LOOKED_AT)
    sentences = (described_format(file) for file in files)
    first = next((sentence for sentence in sentences if sentence is not None), None)
    return f" {first}" if first else ""


def _kind(series: SeriesRecord) -> str:
    """Return what an image calls itself in ImageType, else what it can serve for."""
    if series.role in (SeriesRole.REGIONS, SeriesRole.DOSE, SeriesRole.REGISTRATION):
        return series.role.value
    return "/".join(series.first.image_type[2:4]) or "no third value of ImageType"


def _planar(
    pool: Sequence[SeriesRecord], anchor: SeriesRecord | None, notices: list[Notice]
) -> SeriesRecord | None:
    """Return the planar views of the study; None, with the reason, when they cannot be told."""
    there = [s for s in pool if s.role is SeriesRole.PLANAR]
    if anchor is not None:
        there = [s for s in there if s.study_uid == anchor.study_uid]
    usable, errors = _usable(there, plan_planar)
    if len(usable) == 1:
        return usable[0]
    if there:
        reason = (
            errors[0].message
            if errors and not usable
            else f"{len(usable)} planar series fit: {listed(usable)}"
        )
        notices.append(
            warn(
                "planar-unused",
                f"no planar views are used for the lung shunt: {reason}",
                file=there[0].first.source.name,
                tag="ImageType",
            )
        )
    return None
