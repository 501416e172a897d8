"""Shipped tables of electron and photon transport, read only after their checksum was verified."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from y90voxel.errors import InputError
from y90voxel.reference.shipped import shipped_folder

__all__ = ["transport_columns", "transport_rows"]


@cache
def transport_rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the data rows of one table, texts as they stand; the header line is not among them.

    Parameters
    ----------
    name : str
        File name in the folder ``kernels/transport``, such as ``"stopping_powers.csv"``.

    Raises
    ------
    InputError
        If the sha256 of the file is not the one in the index of the folder.
    """
    return _table(name)[1:]


def transport_columns(name: str) -> tuple[str, ...]:
    """Return the column names of one table; raises as :func:`transport_rows`."""
    return _table(name)[0]


@cache
def _table(name: str) -> tuple[tuple[str, ...], ...]:
    """Return header and data rows of a commented table."""
    lines = [line for line in _verified_text(name).splitlines() if not line.startswith("#")]
    return tuple(tuple(line.split(",")) for line in lines)


def _verified_text(name: str) -> str:
    """Return the text of a table whose checksum is the one of the index."""
    folder = shipped_folder("kernels") / "transport"
    expected = json.loads((folder / "index.json").read_text("utf-8"))["sha256"][name]
    content = (folder / name).read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != expected:
        raise InputError(
            f"{folder / name} was changed or damaged: its sha256 is {checksum}, the index says {expected}. "
            "Doses from it would not be reproducible. Install y90voxel again, or restore the file.",
            file=folder / name,
        )
    return content.decode("utf-8")
