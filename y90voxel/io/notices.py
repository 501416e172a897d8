"""Assumptions made while reading: into the caller's list, or as a warning when there is none."""

from __future__ import annotations

import warnings

from y90voxel.errors import Notice, Y90Warning

__all__ = ["add_notice"]


def add_notice(notices: list[Notice] | None, code: str, message: str) -> None:
    """Append a notice to ``notices``, or warn where the caller did not bring a list."""
    if notices is None:
        warnings.warn(message, Y90Warning, stacklevel=3)
    else:
        notices.append(Notice(code, message))
