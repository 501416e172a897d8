"""Random damage to the bytes of a file, and which DICOM elements it hits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.datadict import keyword_for_tag

LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UC", b"UR", b"UT", b"UN"}
PREAMBLE = 132
# Most bytes of an image are pixels, where damage teaches nothing: this part of the cases is aimed at the rest.
AIMED = 0.9


@dataclass(frozen=True)
class Damage:
    """One damaged file: what was done to it and which elements it hit."""

    content: bytes
    what: str
    hit: frozenset[str]
    destroyed_start: int = (
        1 << 30
    )  # where the content ends, or all of the mark and the first of the meta header is gone


def elements(content: bytes) -> list[tuple[int, int, str]]:
    """Return start, end and keyword of every leaf element of an explicit little-endian file, headers included."""
    return [(0, PREAMBLE, "preamble"), *_walk(content, PREAMBLE, len(content))]


def _walk(content: bytes, place: int, end: int) -> Iterator[tuple[int, int, str]]:
    while place < end:
        group, number = struct.unpack("<HH", content[place : place + 4])
        kind = content[place + 4 : place + 6]
        if kind in LONG:
            value, length = place + 12, struct.unpack("<I", content[place + 8 : place + 12])[0]
        else:
            value, length = place + 8, struct.unpack("<H", content[place + 6 : place + 8])[0]
        keyword = keyword_for_tag((group << 16) + number)
        if kind == b"SQ":
            yield place, value, keyword
            inner = value
            while inner < value + length:
                size = struct.unpack("<I", content[inner + 4 : inner + 8])[0]
                yield inner, inner + 8, keyword
                yield from _walk(content, inner + 8, inner + 8 + size)
                inner += 8 + size
        else:
            yield place, value + length, keyword
        place = value + length


def damaged(content: bytes, rng: np.random.Generator) -> Damage:
    """Return the file with one random damage: bits, bytes, blocks, insertions, deletions, or a cut."""
    known = elements(content)
    pixels = [(a, b) for a, b, keyword in known if keyword == "PixelData"]
    size = len(content)
    place = int(rng.integers(size))
    if pixels and rng.random() < AIMED:
        start, stop = pixels[0]
        place = int(rng.integers(size - (stop - start) + 12))
        place = place if place < start + 12 else place + stop - start - 12
    length = int(rng.choice([1, 1, 1, 2, 4, 16, 64]))
    kind = str(
        rng.choice(
            ["flip", "bytes", "digits", "zeros", "insert", "delete", "cut"],
            p=[0.25, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05],
        )
    )
    stop = min(place + length, size)
    if kind == "flip":
        length, stop = 1, place + 1
        new = content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[stop:]
    elif kind == "bytes":
        new = content[:place] + rng.bytes(stop - place) + content[stop:]
    elif kind == "digits":  # the damage that text survives
        new = (
            content[:place]
            + bytes(rng.choice(list(b"0123456789.-\\ "), stop - place).tolist())
            + content[stop:]
        )
    elif kind == "zeros":
        new = content[:place] + bytes(stop - place) + content[stop:]
    elif kind == "insert":
        new = content[:place] + rng.bytes(length) + content[place:]
    elif kind == "delete":
        new = content[:place] + content[stop:]
    else:
        stop, new = size, content[:place]
    hit = frozenset(keyword for a, b, keyword in known if a < stop and b > place)
    start = place if kind == "cut" else (0 if place <= 128 and stop >= 140 else 1 << 30)
    return Damage(new, f"{kind} of {stop - place} bytes at {place}", hit, start)
