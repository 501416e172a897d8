"""Headers whose elements all stand at the beginning of the file and state their lengths: nearly all that scanners write.

pydicom takes a millisecond for each, and a CT has hundreds. What is plain is read here, in the same walk that judges
whether the elements fit into each other, into the raw elements that pydicom would make; the rest is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag

from y90voxel.io.dicom.attributes import DECODING_ERRORS, texts
from y90voxel.io.dicom.structure import TopElement, data_set_start, sound_elements

__all__ = ["FIRST_BYTES", "plain_header"]

# So many bytes are looked at; the headers of single images end at a few thousand.
FIRST_BYTES = 16 * 1024

_META_START = 132
_UNDEFINED = 0xFFFFFFFF
_TRANSFER_SYNTAX, _FIRST_GROUP = 0x00020010, 0x0008
_PIXEL_GROUP = b"\xe0\x7f"
_IS_IMPLICIT = {b"1.2.840.10008.1.2": True, b"1.2.840.10008.1.2.1": False}


def plain_header(first: bytes, *, whole: bool, wanted: Mapping[int, BaseTag]) -> tuple[Dataset, int] | None:
    """Return the header that the first bytes of a file hold and where it ends, None where pydicom has to see to it.

    Parameters
    ----------
    first : bytes
        The beginning of a file with preamble and meta header.
    whole : bool
        Whether that is the whole file.
    wanted : mapping of int to BaseTag
        The attributes to return.
    """
    start = data_set_start(first)
    meta = sound_elements(first[:start], _META_START, implicit=False)
    if meta is None:
        return None
    syntax = b"".join(first[e.start : e.start + e.length] for e in meta[0] if e.tag == _TRANSFER_SYNTAX)
    implicit = _IS_IMPLICIT.get(syntax.rstrip(b"\0"))
    found = None if implicit is None else sound_elements(first, start, implicit=implicit)
    if implicit is None or found is None:
        return None
    elements, end = found
    ends_here = first[end : end + 2] == _PIXEL_GROUP or (whole and end == len(first))
    if not ends_here or any(e.length == _UNDEFINED or e.tag >> 16 < _FIRST_GROUP for e in elements):
        return None
    header = Dataset(
        {wanted[e.tag]: _raw(wanted[e.tag], e, first, implicit) for e in elements if e.tag in wanted}
    )
    header.file_meta = FileMetaDataset(
        {BaseTag(e.tag): _raw(BaseTag(e.tag), e, first, False) for e in meta[0]}
    )
    header.set_original_encoding(implicit, True)
    try:
        characters = texts(header, "SpecificCharacterSet")
        header.set_original_encoding(implicit, True, _encodings(characters) if characters else None)
    except DECODING_ERRORS:
        return None
    return header, end


def _raw(tag: BaseTag, element: TopElement, data: bytes, implicit: bool) -> RawDataElement:
    """Return an element as pydicom keeps it until it is asked for."""
    representation = None if implicit else element.representation.decode()
    end = element.start + element.length
    value: Any = data[element.start : end] if element.length else empty_value_for_VR(representation, raw=True)
    return RawDataElement(tag, representation, element.length, value, element.start, implicit, True)


@lru_cache(maxsize=64)
def _encodings(characters: tuple[str, ...]) -> list[str]:
    """Return Python's names of character sets."""
    return convert_encodings(list(characters))
