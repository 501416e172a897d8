"""Which series regions and doses were made from."""

from __future__ import annotations

from y90voxel.errors import Notice
from y90voxel.io.dicom.attributes import items, text
from y90voxel.io.dicom.index import SeriesRecord, StudyIndex
from y90voxel.io.notices import warn

__all__ = ["missing_references", "referenced_series"]


def referenced_series(series: SeriesRecord) -> set[str]:
    """Return the series UIDs that regions or doses refer to."""
    uids: set[str] = set()
    for instance in series.instances:
        file = instance.source
        for item in items(instance.header, "ReferencedSeriesSequence", file):
            uids.add(text(item, "SeriesInstanceUID", file))
        for frame in items(instance.header, "ReferencedFrameOfReferenceSequence", file):
            for study in items(frame, "RTReferencedStudySequence", file):
                for item in items(study, "RTReferencedSeriesSequence", file):
                    uids.add(text(item, "SeriesInstanceUID", file))
    return uids - {""}


def missing_references(regions: SeriesRecord, index: StudyIndex) -> list[Notice]:
    """Return a warning when the image that regions were drawn on is not among the files."""
    missing = sorted(referenced_series(regions) - {s.uid for s in index.series})
    if not missing:
        return []
    return [
        warn(
            "reference-missing",
            f"the regions refer to series {', '.join(missing)}, which is not among the files. If it is the CT, densities "
            "outside the liver are those of roles, not measured ones.",
            file=regions.first.source.name,
            tag="RTReferencedSeriesSequence",
            value=missing[0],
        )
    ]
