"""Arrays that know where they lie and what they measure: one quantity, one unit, one type."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, GridMismatchError, InputError
from y90voxel.short_repr import short_repr
from y90voxel.volumes.box import Box, occupied_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume_view import to_xarray, volume_html

__all__ = [
    "ActivityMap",
    "CountMap",
    "CtImage",
    "DensityMap",
    "DoseMap",
    "Index",
    "Mask",
    "TimeIntegratedActivityMap",
    "Volume",
]


Index = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Volume:
    """An array on a grid. The array is kept as a read-only view; nothing is copied.

    Parameters
    ----------
    array : ndarray, (slices, rows, columns)
        Values in the unit of the type.
    grid : Grid
        Where the voxels lie.

    Raises
    ------
    GeometryError
        If the array does not have the shape of the grid.
    """

    array: NDArray[Any]
    grid: Grid

    unit: ClassVar[str] = ""
    quantity: ClassVar[str] = "value"
    extensive: ClassVar[bool] = False  # extensive values add up over voxels; intensive ones average
    shown_as_slices: ClassVar[bool] = False  # in a notebook, else as maximum intensity projections
    window: ClassVar[tuple[float, float] | None] = None  # display window there; None: minimum and maximum

    __repr__ = short_repr

    def __post_init__(self) -> None:
        array = np.asarray(self.array).view()
        if array.shape != self.grid.shape:
            raise GeometryError(
                f"{type(self).__name__}: an array of shape {array.shape} does not fit a grid of {self.grid}."
            )
        array.flags.writeable = False
        object.__setattr__(self, "array", array)

    def with_array(self, array: NDArray[Any]) -> Self:
        """Return the same quantity with other values on the same grid."""
        return replace(self, array=array)

    def check_finite(self) -> Self:
        """Return self, or raise if a value is NaN or infinite; called once where data enter.

        Raises
        ------
        InputError
            If a voxel is not finite.
        """
        if self.array.dtype.kind in "biu":
            return self
        # Slice by slice: what is compared stays in the caches, and a large image needs no second array.
        if not all(np.isfinite(one).all() for one in self.array):
            bad = int(np.size(self.array) - np.count_nonzero(np.isfinite(self.array)))
            raise InputError(
                f"{type(self).__name__}: {bad} of {self.array.size} voxels are NaN or infinite. "
                "Repair the image before it is used."
            )
        return self

    def check_on(self, grid: Grid, name: str | None = None) -> Self:
        """Return self, or raise GridMismatchError if it does not lie on ``grid``."""
        if not self.grid.is_same_as(grid):
            raise GridMismatchError(name or type(self).__name__, self.grid, grid)
        return self

    @property
    def total(self) -> float:
        """Sum of all voxels, in float64."""
        return float(self.array.sum(dtype=np.float64))

    def greatest_at(self, inside: NDArray[np.bool_] | None = None) -> Index:
        """Return the voxel with the greatest value, of those inside; the first of several."""
        values = self.array if inside is None else np.where(inside, self.array, -np.inf)
        z, y, x = np.unravel_index(int(np.argmax(values)), self.array.shape)
        return int(z), int(y), int(x)

    def centre_at(self) -> Index:
        """Return the voxel at the centre of mass; the middle of the array when there is no weight."""
        shape = self.array.shape
        total = float(self.array.sum(dtype=np.float64))
        if not total > 0:
            return shape[0] // 2, shape[1] // 2, shape[2] // 2
        centre = []
        for axis, length in enumerate(shape):
            others = tuple(a for a in range(3) if a != axis)
            profile = self.array.sum(axis=others, dtype=np.float64)
            centre.append(min(max(round(float(profile @ np.arange(length)) / total), 0), length - 1))
        return centre[0], centre[1], centre[2]

    def to_xarray(self) -> Any:
        """Return the volume as an ``xarray.DataArray``; see `y90voxel.volumes.volume_view.to_xarray`."""
        return to_xarray(self)

    def _repr_html_(self) -> str:
        """Show the volume in a notebook."""
        return volume_html(self)


class CtImage(Volume):
    """CT numbers [HU]."""

    unit = "HU"
    quantity = "CT number"
    shown_as_slices = True
    window = (-160.0, 240.0)


class CountMap(Volume):
    """Counts of an uncalibrated emission image [1 per voxel]; small negative values can occur."""

    unit = "counts"
    quantity = "counts"
    extensive = True


@dataclass(frozen=True, eq=False)
class ActivityMap(Volume):
    """Activity [Bq per voxel] at ``reference_time`` (None: at administration)."""

    reference_time: datetime | None = None

    unit = "Bq"
    quantity = "activity"
    extensive = True

    __repr__ = short_repr


class TimeIntegratedActivityMap(Volume):
    """Time-integrated activity, the number of decays [Bq·s per voxel]."""

    unit = "Bq·s"
    quantity = "time-integrated activity"
    extensive = True


class DensityMap(Volume):
    """Mass density [g/mL].

    Raises
    ------
    InputError
        If a density is not positive and finite: dose is energy per mass.
    """

    unit = "g/mL"
    quantity = "mass density"
    shown_as_slices = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.array.min() > 0 and np.isfinite(self.array.max())):
            raise InputError(
                f"DensityMap: densities must be positive and finite, found {self.array.min():g} to "
                f"{self.array.max():g} g/mL. Clip the density of air to a small positive value first."
            )


@dataclass(frozen=True, eq=False)
class DoseMap(Volume):
    """Absorbed dose [Gy], with the standard uncertainty of each voxel where an engine gives one.

    Parameters
    ----------
    relative_uncertainty : ndarray or None, (slices, rows, columns)
        Statistical standard uncertainty as a fraction of the dose.
    zero_outside : tuple of slice or None, (3,)
        A box outside which the engine left every dose 0: only the box is read to check it.

    Raises
    ------
    InputError
        If a dose is NaN or infinite: histograms and means of it would be numbers all the same.
    """

    relative_uncertainty: NDArray[np.floating[Any]] | None = None
    zero_outside: InitVar[Box | None] = None

    unit = "Gy"
    quantity = "absorbed dose"

    __repr__ = short_repr

    def __post_init__(self, zero_outside: Box | None) -> None:
        super().__post_init__()
        values = self.array if zero_outside is None else self.array[zero_outside]
        if not (np.isfinite(values.min(initial=0.0)) and np.isfinite(values.max(initial=0.0))):
            self.check_finite()  # says how many


class Mask(Volume):
    """Fraction of each voxel that a region occupies, 0 to 1.

    Raises
    ------
    InputError
        If an occupancy lies outside 0 to 1.
    """

    unit = ""
    quantity = "occupancy"

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = float(self.array.min()), float(self.array.max())
        if not (low >= 0.0 and high <= 1.0):
            raise InputError(f"Mask: occupancy must lie in 0 to 1, found {low:g} to {high:g}.")

    @cached_property
    def box(self) -> Box:
        """The smallest part of the grid that holds the whole region; empty for an empty one."""
        return occupied_box(self.array)

    @property
    def core(self) -> NDArray[np.bool_]:
        """Voxels that are at least half occupied; all that are occupied at all, if none is."""
        half = self.array >= 0.5
        return half if half.any() else self.array > 0

    @cached_property
    def total(self) -> float:
        """Sum of all occupancies, in float64."""
        return float(self.array[self.box].sum(dtype=np.float64))

    @property
    def volume_ml(self) -> float:
        """Occupied volume [mL]."""
        return self.total * self.grid.voxel_volume_ml
