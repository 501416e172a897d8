"""Files that travel with the package: reference kernels and the sample study."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError

__all__ = ["kernel_index", "shipped_folder", "shipped_kernel_text"]

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = ("kernels", "sample_data")


def shipped_folder(name: str) -> Path:
    """Return where a shipped folder lies: inside the installed package, or beside it in a checkout.

    Parameters
    ----------
    name : str
        ``"kernels"`` or ``"sample_data"``.

    Raises
    ------
    InputError
        If the name is not one of the shipped folders, or the installation lacks it.
    """
    if name not in SHIPPED:
        raise InputError(f"no shipped folder is called {name!r}; there are {', '.join(SHIPPED)}.")
    for folder in (PACKAGE / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(
        f"the installation of y90voxel at {PACKAGE} lacks its folder {name!r}. Install it again: pip install "
        "--force-reinstall and the name, wheel or folder that it came from.",
        file=PACKAGE,
    )


@lru_cache(maxsize=1)
def kernel_index() -> dict[str, Any]:
    """Return the index of the kernel folder: the radial kernels, and the sha256 of every file."""
    index: dict[str, Any] = json.loads((shipped_folder("kernels") / "index.json").read_text("utf-8"))
    return index


def shipped_kernel_text(name: str) -> str:
    """Return the text of one file of the kernel folder after its checksum was verified.

    Parameters
    ----------
    name : str
        Path relative to the kernel folder, as in its index.

    Raises
    ------
    InputError
        If the sha256 of the file is not the one in the index.
    """
    path = shipped_folder("kernels") / name
    expected = kernel_index()["sha256"][name]
    content = path.read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != expected:
        raise InputError(
            f"{path} was changed or damaged: its sha256 is {checksum}, the index says {expected}. "
            "Doses from it would not be reproducible. Install y90voxel again, or restore the file.",
            file=path,
        )
    return content.decode("utf-8")
