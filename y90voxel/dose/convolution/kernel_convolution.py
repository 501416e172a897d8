"""Absorbed dose by convolution with a voxel kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._scale_loops import scale_by_density
from y90voxel.dose.convolution.convolve import Method, check_method, convolve_cropped
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.dose.convolution.zeroed import lend, reused_zeros
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError, PhysicsError
from y90voxel.reference.voxel_kernel import DoseKernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, TimeIntegratedActivityMap

__all__ = ["KernelConvolution"]

# A kernel fits a grid when no spacing differs by more than this: 0.1 % of a voxel shifts dose by far less than
# the kernel's own uncertainty (1 % in range).
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class KernelConvolution:
    """Dose as the activity convolved with voxel S values.

    D(t) = Σ_s Ã(s) · S(t − s), times kernel density over local density where a density map is given. The
    result lies within 1e-4 of its maximum of the exact sum, is never negative for non-negative activity,
    and is exactly zero where the kernel does not reach. When no view of a map is left, its memory is kept for
    the next map of that shape (one at a time, at most 128 MB; `y90voxel.dose.convolution.zeroed.release` gives it back).

    Parameters
    ----------
    kernel : DoseKernel
        Voxel S values for the spacing of the grid, as ``voxel_kernel(nuclide, grid.spacing_mm)`` makes them.
    threads : int or None
        Threads to use; None means every core that this process may run on. Nothing global is changed, but helper
        threads stay, asleep, for the next call.
    method : {"auto", "direct", "separable", "fft"}
        ``"auto"`` takes the algorithm expected to be fastest for size and occupancy; its direct sum leaves out a rim of
        the kernel that is together below 3e-5 of its centre. ``"direct"`` takes all of it.
    density_floor_g_per_ml : float
        Smallest local density that dose is scaled by [g/mL]: the energy that a voxel of air absorbs is
        not the kernel's.

    Raises
    ------
    InputError
        If the method is unknown, or threads or floor are not positive.
    """

    kernel: DoseKernel
    threads: int | None = None
    method: Method = "auto"
    density_floor_g_per_ml: float = 0.05

    name: ClassVar[str] = "convolution"

    def __post_init__(self) -> None:
        check_method(self.method)
        resolve_threads(self.threads)
        if not (np.isfinite(self.density_floor_g_per_ml) and self.density_floor_g_per_ml > 0):
            raise InputError(
                f"the density floor must be positive, got {self.density_floor_g_per_ml} g/mL.",
                tag="dose.density_floor_g_per_ml",
            )

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy] on the grid of the activity.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel]; negative values, as reconstruction noise gives, are taken as they are.
        density : DensityMap or None
            Mass density [g/mL] on the same grid. None: the kernel's own medium everywhere.

        Raises
        ------
        PhysicsError
            If the kernel was made for another voxel size.
        GridMismatchError
            If the density lies on another grid.
        InputError
            If an activity is not finite.
        """
        self._check_spacing(tia.grid)
        if density is not None:
            density.check_on(tia.grid, "density")
        found = convolve_cropped(
            tia.array, self._prepared, threads=self.threads, method=self.method, make_output=reused_zeros
        )
        if density is not None:
            self._scale(found.dose[found.box], density.array[found.box])
        return DoseMap(lend(found.output), tia.grid)

    @cached_property
    def _prepared(self) -> PreparedKernel:
        """What every call needs of the kernel."""
        return PreparedKernel(self.kernel.s_values)

    def _check_spacing(self, grid: Grid) -> None:
        """Raise unless the kernel was made for the voxels of the grid."""
        if self.kernel.spacing_mm == grid.spacing_mm:
            return
        pairs = zip(self.kernel.spacing_mm, grid.spacing_mm, strict=True)
        if any(abs(made_for - needed) > SPACING_TOLERANCE * needed for made_for, needed in pairs):
            made_for, needed = (
                " × ".join(f"{s:g}" for s in spacing) for spacing in (self.kernel.spacing_mm, grid.spacing_mm)
            )
            raise PhysicsError(
                f"the kernel holds for voxels of {made_for} mm, but the activity has voxels of {needed} mm "
                "(slice × row × column). Make the kernel with "
                f"voxel_kernel({self.kernel.nuclide!r}, grid.spacing_mm, medium={self.kernel.medium!r})."
            )

    def _scale(self, dose: NDArray[np.float32], density: NDArray[np.floating[Any]]) -> None:
        """Multiply, in place, by kernel density over local density."""
        floor = np.float32(self.density_floor_g_per_ml)
        scale_by_density(dose, density, np.float32(self.kernel.density_g_per_ml), floor)
