"""Sequences of many items, put together as bytes.

pydicom takes a quarter of a millisecond to make an item and to write it; the objects of one study refer to thousands of
images and hold hundreds of contours and frames. What is encoded here stands in the file as it is: explicit value
representations, little endian, as objects of `new_object` are written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

__all__ = ["EncodedItem", "encoded_item", "put_sequence"]

EncodedItem = bytes

_ITEM = b"\xfe\xff\x00\xe0"
_LONGEST_SHORT = 0xFFFE  # bytes that the length of most representations can count, in pairs


def encoded_item(**values: str | bytes | Sequence[EncodedItem]) -> EncodedItem:
    """Return the elements of one item of a sequence.

    Parameters
    ----------
    **values : str, bytes or sequence of EncodedItem
        By keyword, in any order. Text holds Latin-1 (UIDs, codes, numbers), several values joined by backslashes; what
        is binary is given as bytes; a sequence as its items.
    """
    elements = sorted([(_attribute(keyword), value) for keyword, value in values.items()])
    return b"".join([_element(attribute, value) for attribute, value in elements])


def put_sequence(dataset: Dataset, keyword: str, items: Sequence[EncodedItem]) -> None:
    """Add a sequence to an object of `new_object`: at its top, for inside items pydicom would decode it again."""
    tag, value = Tag(keyword), _items(items)
    dataset[tag] = RawDataElement(tag, VR.SQ.value, len(value), value, 0, False, True)


@cache
def _attribute(keyword: str) -> tuple[int, str]:
    """Return the number of an attribute, by which elements are ordered, and its value representation."""
    tag = Tag(keyword)
    return int(tag), str(dictionary_VR(tag))


@cache
def _head(attribute: tuple[int, str], *, too_long: bool) -> tuple[bytes, str, bytes]:
    """Return an element up to its length, the form of that length, and what pads the value to an even one."""
    number, own = attribute
    # Values that are too long for their own representation are written as unknown: DICOM PS3.5 6.2.2.
    representation = VR.UN if too_long and own not in EXPLICIT_VR_LENGTH_32 else own
    head = struct.pack("<HH2s", number >> 16, number & 0xFFFF, representation.encode())
    padding = b"\0" if own == VR.UI else b" "
    if representation in EXPLICIT_VR_LENGTH_32:
        return head + b"\0\0", "<I", padding
    return head, "<H", padding


def _element(attribute: tuple[int, str], value: str | bytes | Sequence[EncodedItem]) -> bytes:
    """Return one element."""
    text = value.encode("latin-1", "replace") if isinstance(value, str) else value
    data = text if isinstance(text, bytes) else _items(text)
    head, length, padding = _head(attribute, too_long=len(data) > _LONGEST_SHORT)
    if len(data) % 2:
        data += padding
    return head + struct.pack(length, len(data)) + data


def _items(items: Sequence[EncodedItem]) -> bytes:
    """Return items one after another, each with its length."""
    return b"".join([part for item in items for part in (_ITEM, struct.pack("<I", len(item)), item)])
