"""Several files of regions as one set: which they are, and that their names tell the regions apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from y90voxel.errors import InputError
from y90voxel.io.images import is_image_file
from y90voxel.regions.region import DrawnRegion

__all__ = ["check_names_differ", "masks_of_folder", "paths_of"]

# Endings of what may lie beside masks.
NOTES = (".json", ".txt", ".csv", ".tsv", ".ctbl", ".label", ".xml", ".md", ".log", ".raw", ".zraw")


def paths_of(files: str | Path | Iterable[str | Path] | None) -> list[Path]:
    """Return one path, several or none as a list.

    Examples
    --------
    >>> [path.name for path in paths_of("liver.nii.gz")], paths_of(None)
    (['liver.nii.gz'], [])
    """
    if files is None:
        return []
    return [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]


def masks_of_folder(path: Path) -> list[Path]:
    """Return the images of a folder that holds one mask a region (TotalSegmentator), empty for any other folder.

    Beside the images there may be tables and notes, nothing else: a folder with DICOM in it is read as such.
    """
    if not path.is_dir():
        return []
    files = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
    others = [file for file in files if not is_image_file(file)]
    if any(file.suffix.lower() not in NOTES for file in others):
        return []
    return [file for file in files if is_image_file(file)]


def check_names_differ(by_file: Sequence[tuple[Path, Sequence[DrawnRegion]]]) -> None:
    """Raise if regions of two files share a name, whatever its case: which of them is meant could not be told.

    Names that one file uses twice are that file's own matter.

    Parameters
    ----------
    by_file : sequence of (Path, sequence of DrawnRegion)
        The files and what each holds.

    Raises
    ------
    InputError
        If a name occurs in two files, or a file is given twice.
    """
    first: dict[str, tuple[Path, str]] = {}
    for path, drawn in by_file:
        own = {region.name.casefold(): region.name for region in drawn}
        for key, name in own.items():
            if key in first:
                other, its = first[key]
                raise InputError(
                    f"a region is named {its!r} in {other} and {name!r} in {path}: files of regions add up, and which of "
                    "the two is meant cannot be told. Rename one of them (a mask takes the name of its file), or leave "
                    "one file out.",
                    file=path,
                    tag="--regions",
                )
        first |= {key: (path, name) for key, name in own.items()}
