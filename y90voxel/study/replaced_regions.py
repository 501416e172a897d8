"""What is said where files of regions replace the regions that a DICOM study brings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from y90voxel.errors import Notice
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.identity import SourceSeries

__all__ = ["REPLACED", "replaced_notice"]

REPLACED = "regions-replaced"


def replaced_notice(main: DicomStudy, files: Sequence[Path], read: Sequence[SourceSeries]) -> Notice | None:
    """Return the notice that the study's own regions were left; None where it has none, or they are among the files.

    Parameters
    ----------
    main : DicomStudy
        The study.
    files : sequence of Path
        The files of regions that were given.
    read : sequence of SourceSeries
        The DICOM series that were read.
    """
    own = main.selection.regions
    sources = zip(main.inputs(), main.source_references(), strict=True)
    if own is None or any(item["role"] == "regions" and source in read for item, source in sources):
        return None
    names = " and ".join(repr(file.name) for file in files)
    described = f" {own.description!r}" if own.description else ""
    return Notice(
        REPLACED,
        f"the study's own regions ({own.modality}{described} in '{own.first.source}', series {own.uid}) are left: those of "
        f"{names} stand in their place. To use both, give that file too (--regions again, in a manifest with | between).",
    )
