"""Compression as results are written with: Intel's ISA-L where it is installed, else zlib, which takes longer."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, BinaryIO, cast

__all__ = ["crc32", "gzip_bytes", "gzip_stream", "zlib_bytes"]

try:
    from isal import igzip as _gzip
    from isal import isal_zlib as _zlib
except ImportError:  # no wheel for this platform
    _gzip, _zlib = cast(Any, gzip), cast(Any, zlib)

FASTEST = 1  # level of both libraries


def zlib_bytes(content: Any) -> bytes:
    """Return bytes packed fast, as PNG has them."""
    return bytes(_zlib.compress(content, FASTEST))


def crc32(content: bytes) -> int:
    """Return the checksum of PNG and gzip."""
    return int(_zlib.crc32(content))


def gzip_bytes(content: bytes) -> bytes:
    """Return bytes packed fast as gzip, with no time inside: equal bytes give equal files."""
    return bytes(_gzip.compress(content, FASTEST, mtime=0))


def gzip_stream(file: BinaryIO, level: int) -> BinaryIO:
    """Return a stream that packs into a file, with no name and no time inside: equal data give equal files."""
    made = getattr(_gzip, "IGzipFile", gzip.GzipFile) if level == FASTEST else gzip.GzipFile
    return cast(BinaryIO, made("", "wb", level, file, mtime=0))
