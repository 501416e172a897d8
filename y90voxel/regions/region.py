"""Regions as drawn: a name, and a shape that is either contours or a mask on its own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.volumes.volume import Mask

__all__ = ["Contours", "DrawnRegion"]


@dataclass(frozen=True, eq=False)
class Contours:
    """Closed planar polygons, as an RTSTRUCT holds them, kept as read-only copies; overlaps within a plane follow even-odd.

    Parameters
    ----------
    polygons : tuple of ndarray, each (points, 3)
        Vertices in patient LPS [mm]; each polygon lies in one plane.
    frame_of_reference_uid : str or None
        The DICOM frame of reference of the coordinates.
    plane_step_mm : float or None
        Distance between the planes it was drawn on [mm]; None takes it from the polygons themselves.
    """

    polygons: tuple[NDArray[np.float64], ...]
    frame_of_reference_uid: str | None = None
    plane_step_mm: float | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "polygons", tuple(_own(polygon) for polygon in self.polygons))


def _own(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polygon that nobody else can move: planes that were made of it are used again."""
    polygon = np.asarray(polygon)
    if polygon.flags.writeable or not polygon.flags.owndata:
        polygon = np.array(polygon)
        polygon.flags.writeable = False
    return polygon


@dataclass(frozen=True, eq=False)
class DrawnRegion:
    """A named region as it was drawn, on whatever geometry that was.

    Parameters
    ----------
    name : str
        The name in the file, unchanged.
    shape : Contours or Mask
        Contours in LPS, or occupancy on the grid of the file.
    source : str
        Where it comes from, for provenance: series UID or file name.
    automatic : bool
        True when no person drew it.
    role : Role or None
        What the file itself says it is, in our own words; None leaves it to the name.
    from_ct : bool
        True when it was segmented from the CT here, because no region of its role was drawn.
    cut_off : bool
        True when the image that it was drawn on ends within it, so that its shape is not all of it.
    """

    name: str
    shape: Contours | Mask
    source: str = ""
    automatic: bool = False
    role: Role | None = None
    from_ct: bool = False
    cut_off: bool = False

    __repr__ = short_repr
