"""The one grid that regions are written on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from y90voxel.errors import InputError
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

__all__ = ["mask_grid"]


def mask_grid(masks: Mapping[str, Mask], path: str | Path) -> Grid:
    """Return the grid that all regions lie on, before they are written to ``path``.

    Raises
    ------
    InputError
        If there is no region.
    GridMismatchError
        If the masks do not share a grid.
    """
    if not masks:
        raise InputError(f"no region to write to {path}.", file=path)
    grid = next(iter(masks.values())).grid
    for name, mask in masks.items():
        mask.check_on(grid, name)
    return grid
