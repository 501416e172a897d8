"""What the directory of a medium (DICOMDIR) lists: files that were not copied with the others.

The directory itself is no image, and names of files tell nothing; but where it lists files and only some of them are there, the
copy is not complete (DICOM PS3.10, 8.6; PS3.3, F.3.2.2).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import pydicom
from pydicom.errors import InvalidDicomError

from y90voxel.errors import Notice
from y90voxel.io.dicom.attributes import CONVERSION_ERRORS, items, texts
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.notices import warn

__all__ = ["incomplete_media"]

# A directory of 100,000 images has 50 MB.
LARGEST_DIRECTORY_BYTES = 256 << 20


def incomplete_media(files: Sequence[SourceFile]) -> list[Notice]:
    """Return a warning for every directory that lists files of which some are there and others are not.

    One of whose files none is there belongs to a medium that was sorted anew: it says nothing.

    Parameters
    ----------
    files : sequence of SourceFile
        All files of a folder or archive.
    """
    names = {_plain(file.name) for file in files}
    notices = []
    for file in files:
        *folder, own = file.name.split("/")
        if _plain(own) != "dicomdir" or file.size > LARGEST_DIRECTORY_BYTES:
            continue
        listed = ["/".join([*folder, *parts]) for parts in _listed(file)]
        gone = [name for name in listed if _plain(name) not in names]
        if gone and len(gone) < len(listed):
            notices.append(
                warn(
                    "medium-incomplete",
                    f"{file.name} lists {len(listed)} files, {len(gone)} of which are not there ({gone[0]} first): the medium "
                    "was not copied whole. Copy all of it, unless these are left out on purpose.",
                    file=file.name,
                    tag="ReferencedFileID",
                    value=str(len(gone)),
                )
            )
    return notices


def _plain(name: str) -> str:
    """Return a name without case, and without the version that ISO 9660 adds."""
    return name.lower().partition(";")[0].rstrip(".")


def _listed(file: SourceFile) -> Iterable[tuple[str, ...]]:
    """Return the parts of the names of all files that a directory lists; none of a damaged one."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(file.read()), force=False)
        return [
            parts
            for record in items(dataset, "DirectoryRecordSequence", file)
            if any(parts := texts(record, "ReferencedFileID", file))
        ]
    except (InvalidDicomError, OSError, EOFError):
        return []
    except CONVERSION_ERRORS:
        return []
