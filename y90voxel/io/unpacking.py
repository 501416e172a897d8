"""How much a packed file may unpack to: bounded before memory is taken, for gzip as for the members of a zip archive."""

from __future__ import annotations

from pathlib import Path

from y90voxel.errors import InputError
from y90voxel.io.dicom.sources import (
    LARGE_ARCHIVE_BYTES,
    LARGE_MEMBER_BYTES,
    LARGEST_ARCHIVE_RATIO,
    LARGEST_FILE_BYTES,
    LARGEST_RATIO,
)

__all__ = ["check_unpacked_size"]


def check_unpacked_size(size: int, packed: int, path: str | Path) -> None:
    """Refuse a file that announces more bytes than an image has, or more than its packed bytes can honestly hold.

    Parameters
    ----------
    size : int
        Bytes that the header announces.
    packed : int
        Bytes of the file.
    path : path-like
        The file, for the message.

    Raises
    ------
    InputError
        If it is above 4 GiB, above 1 GiB and 200 times the file, or above 64 MiB and 1100 times the file.
    """
    ratio = size / max(packed, 1)
    bomb = (size > LARGE_MEMBER_BYTES and ratio > LARGEST_RATIO) or (
        size > LARGE_ARCHIVE_BYTES and ratio > LARGEST_ARCHIVE_RATIO
    )
    if size > LARGEST_FILE_BYTES or bomb:
        raise InputError(
            f"{path} of {packed / 1e6:.3g} MB announces {size / 1e9:.3g} GB of voxels; up to "
            f"{LARGEST_FILE_BYTES / 1e9:.2g} GB and {LARGEST_ARCHIVE_RATIO:g} times the file are read. Crop the image, or "
            "write it again if that is not its size.",
            file=path,
        )
