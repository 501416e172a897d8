"""Which CT is used: one that shares the coordinates of the emission image, or is registered to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.choosing import by_prefix, listed, only
from y90voxel.io.dicom.ct_quantity import is_other_quantity
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole
from y90voxel.io.dicom.region_selection import registration_applied
from y90voxel.io.dicom.registrations import Path, Registrations
from y90voxel.io.dicom.times import acquisition_start
from y90voxel.io.notices import accept, warn

__all__ = ["choose_ct"]

# A hybrid camera takes SPECT and CT on one table within this time.
HYBRID_INTERVAL = timedelta(hours=2)


def choose_ct(
    pool: Sequence[SeriesRecord],
    anchor: SeriesRecord | None,
    wanted: str | None,
    trust: bool,
    registrations: Registrations,
    notices: list[Notice],
) -> tuple[SeriesRecord | None, Path | None]:
    """Return the CT that shares the emission's coordinates, or is registered to it and how; None when there is none."""
    there = [s for s in pool if s.role is SeriesRole.CT]
    if wanted is not None:
        there = [by_prefix(pool, wanted, SeriesRole.CT, "--ct-series")]
    if not there:
        return None, None
    if anchor is None:
        return only(there, "CT", "--ct-series"), None
    frame = anchor.frame_of_reference_uid
    there = _in_hounsfield_units(there, notices)
    sharing = [s for s in there if frame and s.frame_of_reference_uid == frame]
    if sharing:
        return only(sharing, "CT", "--ct-series"), None
    hybrid = [s for s in there if not frame and _is_hybrid(anchor, s)]
    if hybrid:
        chosen = only(hybrid, "CT", "--ct-series")
        notices.append(
            warn(
                "hybrid-without-frame",
                "the emission image names no frame of reference; the CT of the same study, time and scanner is taken "
                "to share its coordinates (hybrid camera).",
                file=anchor.first.source.name,
                tag="FrameOfReferenceUID",
            )
        )
        return chosen, None
    registered = [s for s in there if registrations.path(s.frame_of_reference_uid, [frame])]
    if registered:
        chosen = only(registered, "CT", "--ct-series")
        path = registrations.path(chosen.frame_of_reference_uid, [frame])
        assert path is not None  # that is how it was chosen
        notices.append(registration_applied("the CT", chosen.frame_of_reference_uid, frame, path))
        return chosen, path
    if trust:
        chosen = only(there, "CT", "--ct-series")
        notices.append(
            warn(
                "frames-trusted",
                f"the CT lies in frame of reference {chosen.frame_of_reference_uid or 'unknown'}, the emission image in "
                f"{frame or 'unknown'}; their coordinates are taken as common, as asked for.",
                file=chosen.first.source.name,
                tag="FrameOfReferenceUID",
            )
        )
        return chosen, None
    raise DicomError(
        f"no CT shares the emission image's frame of reference ({frame or 'not stated'}): {listed(there)}, in "
        f"{', '.join(sorted({s.frame_of_reference_uid or 'no stated frame' for s in there}))}. "
        "Add a registration object (REG) to the folder (--register needs a CT in the emission image's own frame), "
        "resample one onto the other's frame elsewhere, "
        "or take coordinates as common if you know that they are (--trust-frames).",
        file=there[0].first.source.name,
        tag="FrameOfReferenceUID",
    )


def _in_hounsfield_units(there: list[SeriesRecord], notices: list[Notice]) -> list[SeriesRecord]:
    """Return the CTs without derived maps of other quantities; all of them where nothing else is there."""
    plain = [series for series in there if not is_other_quantity(series)]
    if not plain or len(plain) == len(there):
        return there
    others = [series for series in there if series not in plain]
    notices.append(
        accept(
            "ct-left-out",
            f"{len(others)} CT series of another quantity than Hounsfield units are left out: {listed(others)}.",
            file=others[0].first.source.name,
            tag="RescaleType",
        )
    )
    return plain


def _is_hybrid(emission: SeriesRecord, ct: SeriesRecord) -> bool:
    """Return whether a CT of the same study was taken within two hours on the same scanner."""
    one, other = acquisition_start(emission.first), acquisition_start(ct.first)
    if one is None or other is None or (one.tzinfo is None) != (other.tzinfo is None):
        return False
    if abs(one - other) > HYBRID_INTERVAL:
        return False
    for keyword in ("DeviceSerialNumber", "StationName", "ManufacturerModelName"):
        a, b = emission.first.text(keyword), ct.first.text(keyword)
        if a and b:
            return a == b
    return False
