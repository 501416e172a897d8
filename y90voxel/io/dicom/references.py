"""Which series regions and doses were made from."""

from __future__ import annotations

from y90voxel.io.dicom.attributes import items, text
from y90voxel.io.dicom.index import SeriesRecord

__all__ = ["referenced_series"]


def referenced_series(series: SeriesRecord) -> set[str]:
    """Return the series UIDs that regions or doses refer to."""
    found: set[str] = set()
    for instance in series.instances:
        file = instance.source
        for item in items(instance.header, "ReferencedSeriesSequence", file):
            found.add(text(item, "SeriesInstanceUID", file))
        for frame in items(instance.header, "ReferencedFrameOfReferenceSequence", file):
            for study in items(frame, "RTReferencedStudySequence", file):
                for item in items(study, "RTReferencedSeriesSequence", file):
                    found.add(text(item, "SeriesInstanceUID", file))
    return found - {""}
