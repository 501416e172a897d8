"""Headers of NRRD and MetaImage files: whether they say where voxels lie, once, and whether the voxels are there.

SimpleITK believes the first of several places that state a fact, puts an image without a stated position at the origin,
and reads what a data file name leads to.

References
----------
NRRD, https://teem.sourceforge.net/nrrd/format.html. MetaImage, https://itk.org/Wiki/MetaIO/Documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from y90voxel.errors import GeometryError, InputError, UnitError
from y90voxel.io.plain_numbers import plain_number, plain_whole
from y90voxel.io.unpacking import check_unpacked_size

__all__ = ["check_metaimage", "nrrd_fields"]

TEXT_HEADER_BYTES = 1 << 20  # read for a header [B]; chosen: real ones have a few kilobytes
# A name with one number in it, then its first, last and step.
NUMBERED_FILES = re.compile(
    r"([^%]*)%(0?[0-9]{0,2})d([^%]*?)(?:\s+([0-9]+))?(?:\s+([0-9]+))?(?:\s+([0-9]+))?", re.ASCII
)
# Two statements of one length agree up to this fraction, of one position up to so many millimetres, of directions up to:
SAME_SPACING, SAME_PLACE_MM, SAME_DIRECTION = 0.01, 0.01, 1e-3
NRRD_SPACES = {
    "left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las",
}  # fmt: skip
NRRD_BYTES = {
    "signed char": 1, "int8": 1, "int8_t": 1, "uchar": 1, "unsigned char": 1, "uint8": 1, "uint8_t": 1,
    "short": 2, "short int": 2, "signed short": 2, "int16": 2, "int16_t": 2,
    "ushort": 2, "unsigned short": 2, "uint16": 2, "uint16_t": 2,
    "int": 4, "signed int": 4, "int32": 4, "int32_t": 4, "uint": 4, "unsigned int": 4, "uint32": 4, "uint32_t": 4,
    "longlong": 8, "long long": 8, "int64": 8, "int64_t": 8, "ulonglong": 8, "unsigned long long": 8, "uint64": 8,
    "uint64_t": 8, "float": 4, "double": 8,
}  # fmt: skip
META_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 4,
    "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip


@dataclass(frozen=True)
class _Voxels:
    """The voxels that a header announces.

    Parameters
    ----------
    sizes : tuple of int
        Along each axis, as the header orders them.
    kind : str
        Their type, as the header calls it.
    item_bytes : int or None
        Bytes of one; None where the type is not known here.
    packed : bool
        Whether they are compressed.
    """

    sizes: tuple[int, ...]
    kind: str
    item_bytes: int | None
    packed: bool

    def check(self, path: Path, data: Path, size_bytes: int) -> None:
        """Refuse fewer bytes than the voxels need, or more voxels than packed bytes can hold."""
        if self.item_bytes is None:
            return
        needed = int(np.prod([float(n) for n in self.sizes]) * self.item_bytes)
        if self.packed:
            check_unpacked_size(needed, size_bytes, path)
        elif size_bytes < needed:
            raise InputError(
                f"{data.name} holds {size_bytes} bytes, {' x '.join(map(str, self.sizes))} voxels of {self.kind} need {needed}: "
                "it was cut short, or is a pointer to the file (Git LFS). Get the whole file.",
                file=data,
            )


def nrrd_fields(path: Path) -> dict[str, str]:
    """Return the key/value pairs of a NRRD header.

    Raises
    ------
    GeometryError
        If it does not say where the voxels lie, or twice and not the same.
    UnitError
        If lengths are not in mm.
    InputError
        If it is no NRRD header, or the voxels are not where it says.
    """
    with path.open("rb") as file:
        raw = file.read(TEXT_HEADER_BYTES)
    normal = raw.replace(b"\r\n", b"\n")
    text, end, _ = normal.partition(b"\n\n")
    lines = text.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].startswith("NRRD"):
        raise InputError(f"{path} is not a NRRD file.", file=path)
    pairs = dict(line.split(":=", 1) for line in lines if ":=" in line and not line.startswith("#"))
    header: dict[str, str] = {}
    for line in lines[1:]:
        key, colon, value = line.partition(":")
        key, value = key.strip().lower(), value.strip()
        if ":=" in line or line.startswith("#") or not colon:
            continue
        if header.get(key, value) != value:
            raise InputError(
                f"{path} states {key!r} twice: {header[key]} and {value}. Write it again.", file=path
            )
        header[key] = value
    if (
        header.get("space", "").lower() not in NRRD_SPACES
        or not {"space directions", "space origin"} <= header.keys()
    ):
        raise GeometryError(
            f"{path} does not say where its voxels lie: space is {header.get('space', 'missing')!r}, space "
            f"directions {header.get('space directions', 'missing')}, space origin "
            f"{header.get('space origin', 'missing')}. Write it again with all three, in LPS or RAS.",
            file=path,
        )
    units = {unit.lower() for unit in header.get("space units", "").replace('"', " ").split()}
    if not units <= {"mm", "millimeter", "millimetre"}:
        raise UnitError(
            f"{path} is in {header['space units']}; mm is needed. Write it again in mm.", file=path
        )
    _check_nrrd_data(header, lines, path, _header_bytes(raw) if end else len(raw))
    return {key.strip(): value.strip().replace("\\n", "\n") for key, value in pairs.items()}


def _header_bytes(raw: bytes) -> int:
    """Return the bytes of a header up to and with its empty line."""
    ends = [raw.find(mark) + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if mark in raw]
    return min(ends)


def _check_nrrd_data(header: Mapping[str, str], lines: Sequence[str], path: Path, header_bytes: int) -> None:
    """Refuse plain numbers that are none, and voxels that are not where the header says."""
    sizes = _whole_numbers(header.get("sizes", ""), "sizes", path)
    for key in ("space directions", "space origin"):
        for word in header[key].replace("(", " ").replace(")", " ").replace(",", " ").split():
            if word.lower() not in ("none", "nan"):
                _number(word, key, path)
    encoding = header.get("encoding", "raw").lower()
    kind = header.get("type", "").lower()
    name = header.get("data file", header.get("datafile"))
    skipped = {header.get(key, "0") for key in ("line skip", "lineskip", "byte skip", "byteskip")} != {"0"}
    packed = encoding in ("gz", "gzip", "bz2", "bzip2")
    voxels = _Voxels(sizes, kind, NRRD_BYTES.get(kind), packed)
    if name is None:
        size_bytes = path.stat().st_size - header_bytes
        files = [path]
    else:
        listed = lines[
            next(i for i, line in enumerate(lines) if line.lower().startswith(("data file", "datafile")))
            + 1 :
        ]
        files = _data_files(name, listed, path)
        size_bytes = sum(file.stat().st_size for file in files)
    if packed or (encoding == "raw" and not skipped):
        voxels.check(path, files[0], size_bytes)


def check_metaimage(path: Path) -> None:
    """Refuse a MetaImage header that does not say where the voxels lie, says it twice, or announces voxels it lacks.

    Raises
    ------
    GeometryError
        If place, spacing or direction are missing, or stated twice and not the same.
    UnitError
        If lengths are not in mm.
    InputError
        If numbers are none, or the voxels are not where it says.
    """
    with path.open("rb") as file:
        raw = file.read(TEXT_HEADER_BYTES)
    head, keyword, rest = raw.partition(b"ElementDataFile")
    pairs = [
        (key.strip(), value.strip())
        for key, sign, value in (line.partition("=") for line in head.decode("latin-1").splitlines())
        if sign
    ]
    header = dict(pairs)
    groups = (
        (("ElementSpacing", "ElementSize"), SAME_SPACING, True),
        (("Offset", "Origin", "Position"), SAME_PLACE_MM, False),
        (("TransformMatrix", "Rotation", "Orientation"), SAME_DIRECTION, False),
    )
    missing = [names[0] for names, *_ in groups if not header.keys() & set(names)]
    if missing:
        raise GeometryError(
            f"{path} does not say where its voxels lie: no {', '.join(missing)}. Write it again with them.",
            file=path,
        )
    for names, tolerance, relative in groups:
        _check_once([pair for pair in pairs if pair[0] in names], tolerance, relative, path)
    unit = header.get("DistanceUnits", "mm")
    if unit.lower() not in ("mm", "?", ""):
        raise UnitError(f"{path} is in {unit}; mm is needed. Write it again in mm.", file=path)
    value, _, following = rest.partition(b"\n")
    name = value.decode("latin-1").strip().removeprefix("=").strip()
    if not keyword or not name:
        raise InputError(
            f"{path} does not say where its voxels are (no ElementDataFile). Write it again.", file=path
        )
    header_bytes = len(head) + len(keyword) + len(value) + 1
    _check_meta_data(header, name, following.decode("latin-1").splitlines(), path, header_bytes)


def _check_once(pairs: Sequence[tuple[str, str]], tolerance: float, relative: bool, path: Path) -> None:
    """Refuse keys of one meaning that state different numbers."""
    numbers = [np.array([_number(word, key, path) for word in value.split()]) for key, value in pairs]
    (first_key, first_text), first = pairs[0], numbers[0]
    for (key, text), own in zip(pairs[1:], numbers[1:], strict=True):
        scale = np.abs(first) if relative else 1.0
        if len(own) != len(first) or (np.abs(own - first) > tolerance * scale).any():
            raise GeometryError(
                f"{path} states {first_key} = {first_text} and {key} = {text}, which mean the same: one of them is wrong. "
                "Write it again with one.",
                file=path,
                tag=key,
            )


def _check_meta_data(
    header: Mapping[str, str], name: str, following: Sequence[str], path: Path, header_bytes: int
) -> None:
    """Refuse voxels that are not where a MetaImage says."""
    sizes = _whole_numbers(header.get("DimSize", ""), "DimSize", path)
    channels = _whole_numbers(header.get("ElementNumberOfChannels", "1"), "ElementNumberOfChannels", path)
    kind = header.get("ElementType", "")
    packed = header.get("CompressedData", "False").lower() == "true"
    item = META_BYTES.get(kind)
    voxels = _Voxels(sizes, kind, None if item is None else item * int(np.prod(channels)), packed)
    if header.get("BinaryData", "True").lower() == "false":
        return
    if name.lower() == "local":
        voxels.check(path, path, path.stat().st_size - header_bytes)
        return
    files = _data_files(name, following, path, sizes)
    skip = max(_whole_numbers(header.get("HeaderSize", "0"), "HeaderSize", path)[0], 0)
    if len(files) > 1:  # each holds as many of the last axis
        if sizes[-1] % len(files):
            raise InputError(
                f"{path} announces {sizes[-1]} slices in {len(files)} data files: one is missing or too many. List each once.",
                file=path,
                tag="ElementDataFile",
            )
        voxels = replace(voxels, sizes=(*sizes[:-1], sizes[-1] // len(files)))
    for file in files:
        voxels.check(path, file, file.stat().st_size - skip)


def _data_files(name: str, listed: Sequence[str], path: Path, sizes: Sequence[int] = ()) -> list[Path]:
    """Return the data files of a header; refuse those that are missing, no files, or not listed."""
    words = name.split()
    if words and words[0].upper() == "LIST":
        names = [line.strip() for line in listed if line.strip()]
        if not names:
            raise InputError(
                f"{path} says that a list of data files follows (LIST), and none does.", file=path
            )
    elif "%" in name and sizes:
        names = _numbered_files(name, path, sizes[-1])
    else:
        names = [name]
    files = [path.parent / one for one in names]
    for file in files:
        if not file.is_file():
            kind = "is no file, but a folder, pipe or device" if file.exists() else "is not there"
            raise InputError(
                f"the data file of {path}, {file}, {kind}. Put the file beside its header.", file=file
            )
    return files


def _numbered_files(text: str, path: Path, slices: int) -> list[str]:
    """Return the names of a pattern such as ``slice%03d.raw 1 40 1``: its first, its last and the step between numbers."""
    match = NUMBERED_FILES.fullmatch(text)
    first, last, step = (
        (1, slices, 1)
        if match is None
        else (
            int(match[group]) if match[group] else default for group, default in ((4, 1), (5, slices), (6, 1))
        )
    )
    numbers = range(first, last + 1, step) if step > 0 else range(0)
    if match is None or len(numbers) != slices:
        raise InputError(
            f"{path} names its data files by a pattern ({text}) that gives {len(numbers)} names for {slices} slices; needed is "
            "one %d, first number, last number and step, such as slice%03d.raw 1 40 1. Write it so, or list the files (LIST).",
            file=path,
            tag="ElementDataFile",
        )
    return [f"{match[1]}{number:{match[2]}d}{match[3]}" for number in numbers]


def _whole_numbers(text: str, key: str, path: Path) -> tuple[int, ...]:
    """Return the whole numbers of a header line."""
    try:
        return tuple(plain_whole(word) for word in text.split())
    except ValueError as error:
        raise InputError(f"{key} of {path}: {error}. Write it again.", file=path, tag=key) from error


def _number(text: str, key: str, path: Path) -> float:
    """Return one number of a header line."""
    try:
        return plain_number(text)
    except ValueError as error:
        raise InputError(f"{key} of {path}: {error}. Write it again.", file=path, tag=key) from error
