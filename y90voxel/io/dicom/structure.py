"""Whether the elements of a DICOM file fit into each other as their lengths say.

pydicom reads what it can: of a file that is cut short or whose lengths are damaged it returns the first part
without a word. A structure set that lost its last contours must not pass for a whole one.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR
from pydicom.valuerep import VR

from y90voxel.errors import DicomError
from y90voxel.io.dicom.sources import SourceFile

__all__ = ["check_structure", "data_set_start", "inflated"]

DEEPEST = 64  # sequences within sequences; real objects stay below 10
MOST_ELEMENTS = 5_000_000  # chosen: an RTSTRUCT of 100,000 contours has 500,000
# A deflated data set may have so many bytes; from a smaller size on, it must not shrink too well to be an image.
LARGEST_INFLATED_BYTES, LARGE_BYTES, LARGEST_RATIO = 1024**3, 64 * 1024**2, 200.0
_PART_BYTES = 4 * 1024**2  # inflated at once [B]; chosen: small against the limit that is checked after each

_UNDEFINED = 0xFFFFFFFF  # length of an element that ends with a delimiter: PS3.5 section 7.1
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_KNOWN = {str(vr).encode() for vr in VR if len(str(vr)) == 2}
# Tags of Item, Item Delimitation and Sequence Delimitation: PS3.5 section 7.5.
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}


@dataclass
class _Level:
    """A data set, a sequence or the fragments of a value that the walk is inside of."""

    kind: str
    end: int | None
    implicit: bool
    seen: set[int] = field(default_factory=set)


class _DamageError(Exception):
    """Where and why elements do not fit."""


def check_structure(data: bytes, file: SourceFile, *, implicit: bool, little: bool) -> None:
    """Raise if the elements of a data set overrun what holds them, repeat, or end too early.

    Parameters
    ----------
    data : bytes
        A file up to its pixel data or beyond, with or without preamble and meta header, not deflated.
    file : SourceFile
        The file, for the message.
    implicit, little : bool
        Encoding of the data set after the meta header.

    Raises
    ------
    DicomError
        If the elements do not fit, or nest deeper than 64 levels.
    """
    try:
        _walk(data, data_set_start(data), implicit, "<" if little else ">")
    except (_DamageError, struct.error) as error:
        reason = str(error) if isinstance(error, _DamageError) else "an element is cut off"
        raise DicomError(
            f"{file.name} is damaged or cut short: {reason}. Export or copy it again.", file=file.name
        ) from error


def inflated(data: bytes, file: SourceFile) -> bytes:
    """Return a deflated file with its data set inflated, refusing to inflate without bound.

    Raises
    ------
    DicomError
        If the data set is damaged, or would have more than 1 GiB, or 64 MiB and 200 times its packed size.
    """
    start = data_set_start(data)
    packed = data[start:]
    worker = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    total = 0
    while not worker.eof and packed:
        try:
            parts.append(worker.decompress(packed, _PART_BYTES))
        except zlib.error as error:
            raise DicomError(
                f"the deflated data set of {file.name} is damaged ({error}). Export it again.", file=file.name
            ) from error
        packed = worker.unconsumed_tail
        total += len(parts[-1])
        _check_inflated(total, len(data), file)
    if not worker.eof:
        raise DicomError(
            f"the deflated data set of {file.name} has no end: the file is cut short. Export or copy it again.",
            file=file.name,
            tag="TransferSyntaxUID",
        )
    return data[:start] + b"".join(parts)


def _check_inflated(total: int, packed: int, file: SourceFile) -> None:
    """Raise for a file that unpacks to more bytes than an image, or shrinks too well to be one."""
    if total > LARGEST_INFLATED_BYTES or (total > LARGE_BYTES and total > LARGEST_RATIO * packed):
        raise DicomError(
            f"the deflated data set of {file.name} unpacks to {total} bytes and more, from {packed}: this is not an "
            "image of a patient.",
            file=file.name,
            tag="TransferSyntaxUID",
        )


def data_set_start(data: bytes) -> int:
    """Return where the data set begins, after preamble and meta header."""
    place = 132 if data[128:132] == b"DICM" else 0
    try:
        while data[place : place + 2] == b"\x02\x00":
            long = data[place + 4 : place + 6] in _LONG
            form, at = ("<I", place + 8) if long else ("<H", place + 6)
            place = at + struct.calcsize(form) + struct.unpack_from(form, data, at)[0]
    except struct.error:
        return len(data)
    return place


def _walk(data: bytes, place: int, implicit: bool, order: str) -> None:
    """Follow every element up to the pixels; raise where one does not fit."""
    end = len(data)
    levels = [_Level("data set", end, implicit)]
    tag_form, long_form, short_form = order + "HH", order + "I", order + "H"
    count = 0
    while levels:
        level = levels[-1]
        if level.end is not None and place >= level.end:
            if place > level.end:
                raise _DamageError(f"an element ends {place - level.end} bytes beyond what holds it")
            levels.pop()
            continue
        if len(levels) == 1 and not any(data[place : place + 8]) and not any(data[place:]):
            return  # padding
        count += 1
        if count > MOST_ELEMENTS or len(levels) > DEEPEST:
            raise _DamageError(
                f"sequences nest deeper than {DEEPEST} levels"
                if len(levels) > DEEPEST
                else f"it holds more than {MOST_ELEMENTS} elements"
            )
        group, number = struct.unpack_from(tag_form, data, place)
        tag = (group << 16) + number
        if group == 0xFFFE or level.kind != "data set":
            place = _delimiter(data, place, tag, levels, long_form)
            continue
        if tag in _PIXELS and len(levels) == 1:
            return
        if tag in level.seen:
            raise _DamageError(f"element ({group:04x},{number:04x}) occurs twice in one data set")
        level.seen.add(tag)
        vr = _implicit_vr(tag) if level.implicit else data[place + 4 : place + 6]
        if not level.implicit and vr not in _KNOWN:
            raise _DamageError(f"element ({group:04x},{number:04x}) has no known value representation")
        if level.implicit:
            length, value = struct.unpack_from(long_form, data, place + 4)[0], place + 8
        elif vr in _LONG:
            length, value = struct.unpack_from(long_form, data, place + 8)[0], place + 12
        else:
            length, value = struct.unpack_from(short_form, data, place + 6)[0], place + 8
        place = value
        if length == _UNDEFINED:
            levels.append(_open_ended(tag, vr, level.implicit))
        elif vr == b"SQ":
            levels.append(_Level("sequence", value + length, level.implicit))
        else:
            place = value + length


def _delimiter(data: bytes, place: int, tag: int, levels: list[_Level], long_form: str) -> int:
    """Enter an item or leave what a delimiter ends; return the next place."""
    level = levels[-1]
    length = struct.unpack_from(long_form, data, place + 4)[0]
    if tag == _ITEM and level.kind == "sequence":
        end = None if length == _UNDEFINED else place + 8 + length
        if end is not None and level.end is not None and end > level.end:
            raise _DamageError("an item is longer than its sequence")
        levels.append(_Level("data set", end, level.implicit))
    elif tag == _ITEM and level.kind == "fragments" and length != _UNDEFINED:
        return place + 8 + int(length)
    elif level.end is None and tag == (_ITEM_END if level.kind == "data set" else _SEQUENCE_END):
        levels.pop()
    else:
        raise _DamageError(f"({tag >> 16:04x},{tag & 0xFFFF:04x}) stands where it cannot")
    return place + 8


def _open_ended(tag: int, vr: bytes, implicit: bool) -> _Level:
    """Return the level that a value of undefined length opens."""
    if tag in _PIXELS or vr in (b"OB", b"OW"):
        return _Level("fragments", None, implicit)
    if vr in (b"SQ", b"UN"):
        return _Level("sequence", None, implicit or vr == b"UN")  # unknown values are implicit inside
    raise _DamageError(f"element ({tag >> 16:04x},{tag & 0xFFFF:04x}) has no length")


def _implicit_vr(tag: int) -> bytes:
    """Return the value representation that the dictionary knows, UN for private elements."""
    try:
        return dictionary_VR(tag).encode()
    except KeyError:
        return b"UN"
