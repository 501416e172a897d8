"""JSON that others wrote: of bounded size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["read_json"]

LARGEST_BYTES = 64 << 20  # metrics of a study have 1 MB


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no JSON in UTF-8, nested beyond what can be read, or longer than 64 MiB.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it is longer than {LARGEST_BYTES >> 20} MiB")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise ValueError("its brackets are nested too deep") from error
