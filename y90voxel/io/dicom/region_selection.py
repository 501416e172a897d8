"""Which regions of a study are used, and how those of another frame of reference come to the images."""

from __future__ import annotations

from collections.abc import Sequence

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.choosing import by_prefix, listed, only
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole
from y90voxel.io.dicom.references import referenced_series
from y90voxel.io.dicom.registrations import Path, Registrations
from y90voxel.io.notices import warn

__all__ = ["choose_moving_ct", "choose_regions", "registration_applied"]


def registration_applied(what: str, source: str | None, target: str | None, path: Path) -> Notice:
    """Return what is said about coordinates that a registration of the study brought to another frame."""
    return warn(
        "registration-applied",
        f"{what} lie in frame of reference {source}, the emission image in {target}; they were brought there by the "
        f"registration in the study ({path.kind}). Check the overlay.",
        file=path.links[0].file,
        tag="FrameOfReferenceTransformationMatrix",
    )


def choose_moving_ct(
    series: Sequence[SeriesRecord],
    regions: SeriesRecord,
    images: Sequence[SeriesRecord],
    fixed: SeriesRecord | None,
) -> SeriesRecord | None:
    """Return the CT in the frame of the regions that is to be aligned; None when the regions lie in a common frame."""
    frame = regions.frame_of_reference_uid
    if frame in {s.frame_of_reference_uid for s in images} or _refers_to(regions, images):
        return None
    patient = images[0].first.patient_key
    there = [
        s
        for s in series
        if s.role is SeriesRole.CT and s.first.patient_key == patient and s.frame_of_reference_uid == frame
    ]
    if fixed is None or not there or frame is None:
        lacking = (
            "the emission image has no CT in its own frame of reference"
            if fixed is None
            else f"no CT lies in the frame of reference that the regions were drawn in ({frame or 'not stated'})"
        )
        raise DicomError(
            f"--register aligns CT to CT, but {lacking}. Add it to the folder, or a registration object (REG).",
            file=regions.first.source.name,
            tag="FrameOfReferenceUID",
        )
    named = referenced_series(regions)
    return only([s for s in there if s.uid in named] or there, "CT", "--ct-series")


def choose_regions(
    pool: Sequence[SeriesRecord],
    images: Sequence[SeriesRecord],
    wanted: str | None,
    trust: bool,
    registrations: Registrations,
    notices: list[Notice],
    *,
    register: bool,
) -> tuple[SeriesRecord | None, Path | None]:
    """Return the regions drawn in the coordinates of the images, or registered to them and how.

    Every object is a whole set of regions: several in one series (an old and a new structure set) are chosen between
    like those of several series, by SOPInstanceUID.
    """
    pool = [one for s in pool for one in (s.objects() if s.role is SeriesRole.REGIONS else (s,))]
    there = [s for s in pool if s.role is SeriesRole.REGIONS]
    if wanted is not None:
        there = [by_prefix(pool, wanted, SeriesRole.REGIONS, "--regions-series")]
    if not there:
        return None, None
    if not images:
        return only(there, "region", "--regions-series"), None
    frames = {s.frame_of_reference_uid for s in images} - {None}
    sharing = [
        s
        for s in there
        if s.frame_of_reference_uid in frames
        or (_refers_to(s, images) and (s.frame_of_reference_uid is None or not frames))
    ]
    if sharing:
        return only(sharing, "region", "--regions-series"), None
    registered = [s for s in there if registrations.path(s.frame_of_reference_uid, frames)]
    if registered:
        chosen = only(registered, "region", "--regions-series")
        return chosen, registrations.path(chosen.frame_of_reference_uid, frames)
    if register:
        return only(there, "region", "--regions-series"), None
    if trust:
        chosen = only(there, "region", "--regions-series")
        notices.append(
            warn(
                "frames-trusted",
                f"the regions were drawn in frame of reference {chosen.frame_of_reference_uid or 'unknown'}, the images "
                f"lie in {', '.join(sorted(f for f in frames if f)) or 'unknown'}; their coordinates are taken as "
                "common, as asked for.",
                file=chosen.first.source.name,
                tag="FrameOfReferenceUID",
            )
        )
        return chosen, None
    raise DicomError(
        f"the regions ({listed(there)}) were drawn in frame of reference "
        f"{there[0].frame_of_reference_uid or 'not stated'}, the images lie in "
        f"{', '.join(sorted(f for f in frames if f)) or 'none stated'}: their coordinates do not compare. "
        "Draw them on this study's images, add a registration object (REG) to the folder, align the CTs (--register), "
        "or take coordinates as common if you know that they are (--trust-frames).",
        file=there[0].first.source.name,
        tag="FrameOfReferenceUID",
    )


def _refers_to(regions: SeriesRecord, images: Sequence[SeriesRecord]) -> bool:
    """Return whether regions name one of the image series as what they were drawn on."""
    return bool(referenced_series(regions) & {s.uid for s in images})
