"""Typed access to DICOM attributes: a value of the right kind, None where absent, or a DicomError."""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Any

import numpy as np
from pydicom import config
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag, Tag

from y90voxel.errors import DicomError

__all__ = [
    "date_and_time",
    "date_time",
    "given_name",
    "items",
    "lenient_reading",
    "number",
    "numbers",
    "text",
    "texts",
    "whole_number",
]

# What pydicom raises while it converts a damaged value (seen by corrupting files byte by byte).
CONVERSION_ERRORS: tuple[type[Exception], ...] = (
    BytesLengthException,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    EOFError,
    OSError,  # pydicom's word for a sequence item that ends too early
    struct.error,
)
# What pydicom and its plug-ins raise while they parse a file or decode its pixels.
DECODING_ERRORS: tuple[type[Exception], ...] = (
    InvalidDicomError,
    RuntimeError,
    MemoryError,
    *CONVERSION_ERRORS,
)
# Value representations whose values are what their bytes say, whatever else the data set holds.
SELF_CONTAINED = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "SL", "SS", "TM", "UI", "UL", "US"}
)
# Those whose bytes are read in the character set of the data set.
TEXT = frozenset({"LO", "LT", "PN", "SH", "ST"})
# A decimal or integer string.
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# An instant cut short anywhere after the day; only seconds have a fraction.
INSTANT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?)?")
# Values printed in messages are cut here: a tag can hold megabytes.
LONGEST_SHOWN = 60
LONGEST_NAME = 64  # characters: a value of VR LO, PS3.5 section 6.2
# What these hold never stands in a message.
IDENTIFYING = {
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
}


def shown(value: object) -> str:
    """Return a value for a message: printable and short."""
    words = "".join(c if c.isprintable() else "?" for c in str(value)[: 4 * LONGEST_SHOWN])
    return words if len(words) <= LONGEST_SHOWN else words[: LONGEST_SHOWN - 1] + "…"


@contextmanager
def lenient_reading() -> Iterator[None]:
    """Read what is there: no warnings about values that break a rule of their value representation."""
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.reading_validation_mode = before


def raw(dataset: Dataset, keyword: str, file: object = None) -> Any:
    """Return the converted value, None where it is absent or empty."""
    try:
        if config.settings.reading_validation_mode == config.IGNORE:
            value = _value(dataset, keyword)
        else:
            with lenient_reading():
                value = _value(dataset, keyword)
    except CONVERSION_ERRORS as error:
        why = "" if keyword in IDENTIFYING else f" ({shown(error)})"
        raise DicomError(
            f"{keyword} cannot be read{why}. The file is damaged: export it again.",
            file=str(file) if file else None,
            tag=keyword,
        ) from error
    if value is None or (isinstance(value, str | bytes | Sequence) and len(value) == 0):
        return None
    return value


def _value(dataset: Dataset, keyword: str) -> Any:
    """Return the converted value, None where it is absent."""
    element: object = dataset.get_item(_tag(keyword))
    if isinstance(element, RawDataElement) and element.VR is not None and element.value:
        characters = dataset.original_character_set
        if element.VR in SELF_CONTAINED or (element.VR in TEXT and characters):
            encodings = characters if isinstance(characters, str) else tuple(characters)
            little = element.is_little_endian
            return _converted(element.tag, element.VR, element.value, little, encodings)
    return None if element is None else dataset.get(keyword)


@cache
def _tag(keyword: str) -> BaseTag:
    """Return the tag of an attribute."""
    return Tag(keyword)


@lru_cache(maxsize=4096)
def _converted(
    tag: BaseTag, representation: str, value: bytes, is_little_endian: bool, encodings: str | tuple[str, ...]
) -> Any:
    """Return what bytes stand for; the slices of a series repeat most of their values, and conversion takes long."""
    element = RawDataElement(tag, representation, len(value), value, 0, False, is_little_endian)
    encoding = encodings if isinstance(encodings, str) else list(encodings)
    return convert_raw_data_element(element, encoding=encoding or None).value


def text(dataset: Dataset, keyword: str, file: object = None) -> str:
    """Return a single string without surrounding blanks; empty where absent; the first of several."""
    value = raw(dataset, keyword, file)
    if value is None:
        return ""
    if isinstance(value, MultiValue | list | tuple):
        value = value[0]
    return str(value).strip().strip("\0").strip()


def given_name(dataset: Dataset, keyword: str, file: object = None) -> str:
    """Return what a person called something: printable, without runs of blanks, at most 64 characters (DICOM's limit)."""
    words = text(dataset, keyword, file)[: 16 * LONGEST_NAME]
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())[:LONGEST_NAME]


def texts(dataset: Dataset, keyword: str, file: object = None) -> tuple[str, ...]:
    """Return all values as strings."""
    value = raw(dataset, keyword, file)
    if value is None:
        return ()
    many = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(str(v).strip() for v in many)


def numbers(
    dataset: Dataset, keyword: str, count: int | None = None, file: object = None
) -> tuple[float, ...] | None:
    """Return finite numbers, exactly ``count`` of them where that is given; None where absent."""
    value = raw(dataset, keyword, file)
    if value is None:
        return None
    many = value if isinstance(value, MultiValue | list | tuple | np.ndarray) else [value]
    if not all(_is_dicom_number(v) for v in many):
        raise _bad_number(keyword, value, f"{count} numbers" if count else "numbers", file)
    try:
        values = tuple(float(v) for v in many)
    except CONVERSION_ERRORS as error:
        raise _bad_number(keyword, value, "numbers", file) from error
    if not all(math.isfinite(v) for v in values) or (count is not None and len(values) != count):
        raise _bad_number(keyword, value, f"{count or 'finite'} numbers", file)
    return values


def number(dataset: Dataset, keyword: str, file: object = None) -> float | None:
    """Return one finite number, None where absent."""
    values = numbers(dataset, keyword, 1, file)
    return None if values is None else values[0]


def whole_number(dataset: Dataset, keyword: str, file: object = None) -> int | None:
    """Return one whole number, None where absent."""
    value = number(dataset, keyword, file)
    if value is not None and value != int(value):
        raise _bad_number(keyword, value, "a whole number", file)
    return None if value is None else int(value)


def items(dataset: Dataset, keyword: str, file: object = None) -> list[Dataset]:
    """Return the items of a sequence; empty where absent."""
    value = raw(dataset, keyword, file)
    if value is None:
        return []
    if not isinstance(value, DicomSequence):
        raise DicomError(
            f"{keyword} should be a sequence, but holds {shown(value)!r}. The file is damaged: export it "
            "again.",
            file=str(file) if file else None,
            tag=keyword,
        )
    return list(value)


def date_and_time(
    dataset: Dataset, date_keyword: str, time_keyword: str, file: object = None
) -> datetime | None:
    """Return the instant of a DA and a TM attribute, None where either is absent.

    Aware where the header gives TimezoneOffsetFromUTC, else naive local time. Old files write dates as
    1993.05.21 and times as 10:20:30; both are understood.
    """
    date, time = text(dataset, date_keyword, file), text(dataset, time_keyword, file)
    if not date or not time:
        return None
    day = re.sub(r"[.\-/]", "", date)[:8]
    moment = _instant(day + time.replace(":", "")) if len(day) == len("YYYYMMDD") else None
    if moment is None:
        raise DicomError(
            f"{date_keyword} {shown(date)!r} and {time_keyword} {shown(time)!r} are not a date and time.",
            file=str(file) if file else None,
            tag=date_keyword,
        )
    return moment.replace(tzinfo=_zone(text(dataset, "TimezoneOffsetFromUTC", file)))


def date_time(dataset: Dataset, keyword: str, file: object = None, zone_from: Dataset | None = None) -> Any:
    """Return the instant of a DT attribute; the header's zone where it has none.

    None where the attribute is absent, or is a date without an hour: that is no instant.
    """
    value = text(dataset, keyword, file)
    if not value:
        return None
    match = re.fullmatch(r"([\d.]+)([+-]\d{4})?", value.replace(":", ""))
    moment = _instant(match[1]) if match else None
    if match is None or moment is None:
        raise DicomError(
            f"{keyword} {shown(value)!r} is not a date and time.",
            file=str(file) if file else None,
            tag=keyword,
        )
    if len(re.sub(r"\D", "", match[1])) <= len("YYYYMMDD"):
        return None
    outer = dataset if zone_from is None else zone_from
    zone = match[2] or text(outer, "TimezoneOffsetFromUTC", file)
    return moment.replace(tzinfo=_zone(zone))


def _is_dicom_number(value: object) -> bool:
    """Return whether a value is a number, or was written as DICOM writes numbers (PS3.5 6.2, DS and IS).

    Python reads more than that: ``1_0`` is 10 to it.
    """
    written = value if isinstance(value, str) else getattr(value, "original_string", None)
    return not isinstance(written, str) or DECIMAL.fullmatch(written.strip(" \0")) is not None


def _bad_number(keyword: str, value: object, wanted: str, file: object) -> DicomError:
    """Return the error for a value that is not the number it should be."""
    return DicomError(
        f"{keyword} is {shown(value)!r}, expected {wanted}. Export the file again.",
        file=str(file) if file else None,
        tag=keyword,
    )


def _instant(digits: str) -> datetime | None:
    """Return the instant of YYYYMMDDHHMMSS.ffffff, cut short anywhere after the day."""
    match = INSTANT.fullmatch(digits.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(g or 0) for g in match.groups()[:6])
    micro = int((match[7] or "0").ljust(6, "0"))
    try:  # a leap second (60) is legal in TM and has no datetime
        return datetime(year, month, day, hour, minute, min(second, 59), micro)
    except ValueError:
        return None


def _zone(offset: str) -> timezone | None:
    """Return the time zone of an offset such as +0100, None where absent or malformed."""
    match = re.fullmatch(r"([+-])(\d\d)(\d\d)", offset)
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    if minutes > 14 * 60:
        return None
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))
