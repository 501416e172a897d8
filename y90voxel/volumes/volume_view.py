"""A volume in a notebook: three small pictures with its numbers, and its conversion to xarray."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from y90voxel.display import block, image_tag, table
from y90voxel.optional import optional_module
from y90voxel.volumes.grid import Grid, patient_axes

__all__ = ["along_patient_axes", "spatial_coordinates", "to_xarray", "volume_html"]

PICTURE_MM_PER_PX = 2.2  # [mm]; chosen: three pictures of a trunk fit a notebook
# An array axis counts as parallel to a patient axis when it strays less than this over its whole length [voxels].
STRAY_VOXELS = 1e-3


class Viewed(Protocol):
    """What a view needs of a volume; see `y90voxel.volumes.volume.Volume` for each attribute."""

    unit: ClassVar[str]
    quantity: ClassVar[str]
    extensive: ClassVar[bool]
    shown_as_slices: ClassVar[bool]
    window: ClassVar[tuple[float, float] | None]

    @property
    def array(self) -> NDArray[Any]:
        """Values in the unit."""

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""

    @property
    def total(self) -> float:
        """Sum of all voxels."""


def to_xarray(volume: Viewed) -> Any:
    """Return a volume as an ``xarray.DataArray``.

    Dimensions are ``z``, ``y``, ``x`` with patient LPS coordinates of the voxel centres [mm], in the order of the array,
    where the grid's axes are parallel to the patient's; else ``slice``, ``row``, ``column`` without coordinates. The
    attributes hold ``units``, ``long_name`` and the ``affine`` (array indices to LPS mm, 16 numbers by rows).

    Parameters
    ----------
    volume : Viewed
        Any typed volume.

    Raises
    ------
    InputError
        If xarray is not installed.
    """
    xarray = optional_module("xarray", "notebook")
    names, coordinates = spatial_coordinates(volume.grid)
    unit = f"{volume.unit}/voxel" if volume.extensive else volume.unit
    attributes = {
        "units": unit,
        "long_name": volume.quantity,
        "affine": [float(value) for value in volume.grid.affine.ravel()],
    }
    name = volume.quantity.replace(" ", "_").replace("-", "_").lower()
    return xarray.DataArray(volume.array, coordinates, names, name, attributes)


def spatial_coordinates(grid: Grid) -> tuple[tuple[str, str, str], dict[str, NDArray[np.float64]]]:
    """Return names of the array axes, and LPS coordinates [mm] by name where they are the patient's axes."""
    names, coordinates = along_patient_axes(grid), {}
    if names is None:
        return ("slice", "row", "column"), {}
    for axis, name in enumerate(names):
        patient = "xyz".index(name)
        steps = np.arange(grid.shape[axis])
        coordinates[name] = grid.affine[patient, 3] + grid.affine[patient, axis] * steps
    return names, coordinates


def along_patient_axes(grid: Grid) -> tuple[str, str, str] | None:
    """Return which of x, y, z each array axis runs along, None where one runs along none of them.

    Examples
    --------
    >>> along_patient_axes(Grid.from_spacing((2, 3, 4), (5.0, 1.0, 1.0)))
    ('z', 'y', 'x')
    """
    order, _ = patient_axes(grid)
    stray = np.abs(grid.affine[:3, :3]) * np.array(grid.shape)
    stray[np.arange(3), list(order)] = 0.0
    if stray.max() > STRAY_VOXELS * min(grid.spacing_mm):
        return None
    named = sorted(zip(order, "xyz", strict=True))
    return named[0][1], named[1][1], named[2][1]


def volume_html(volume: Viewed) -> str:
    """Return what a notebook shows of a volume: its numbers, and three views.

    By its middle slices where its type says so, as those of CT and density do, else by maximum intensity projections.

    Parameters
    ----------
    volume : Viewed
        Any typed volume.
    """
    array, grid = volume.array, volume.grid
    unit = f"{volume.unit}/voxel" if volume.extensive else volume.unit
    rows = [
        ("quantity", f"{volume.quantity} [{unit}]" if unit else volume.quantity),
        ("voxels", " × ".join(str(n) for n in grid.shape) + "  (slice, row, column)"),
        ("spacing", " × ".join(f"{s:.2f}" for s in grid.spacing_mm) + " mm"),
        ("from, to", f"{float(array.min()):.4g}, {float(array.max()):.4g}"),
    ]
    if volume.extensive:
        rows.append(("total", f"{volume.total:.5g} {volume.unit}"))
    else:
        rows.append(("mean", f"{float(array.mean(dtype=np.float64)):.4g}"))
    notes = ("middle slices" if volume.shown_as_slices else "maximum intensity projections",)
    return block(type(volume).__name__, table((), rows), _views(volume), notes=notes)


def _views(volume: Viewed) -> str:
    """Axial, coronal and sagittal picture: the head up, the patient's right and front on the left."""
    order, signs = patient_axes(volume.grid)
    upright = np.transpose(volume.array, order[::-1])  # z, y, x
    upright = upright[:: signs[2], :: signs[1], :: signs[0]]  # towards head, back, left
    size_mm = [volume.grid.spacing_mm[axis] * volume.grid.shape[axis] for axis in order[::-1]]
    low, high = volume.window or (float(volume.array.min()), float(volume.array.max()))
    planes = volume.shown_as_slices
    pictures = []
    for across in range(3):
        seen = upright.take(upright.shape[across] // 2, across) if planes else upright.max(axis=across)
        height, width = (size_mm[axis] / PICTURE_MM_PER_PX for axis in range(3) if axis != across)
        shown = seen if across == 0 else seen[::-1]  # the head is up
        pictures.append(image_tag(shown, low, high, (height, width), warm=not planes))
    return f"<div>{''.join(pictures)}</div>"
