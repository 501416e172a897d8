"""Absorbed dose by convolution with a voxel kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._scale_loops import scale_by_density
from y90voxel.dose.convolution.convolve import Method, check_method, convolve_cropped
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.dose.engine import BaseEngine, Engine, PlainDose
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError, Notice, PhysicsError
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.voxel_kernel import DoseKernel, Kernel
from y90voxel.short_repr import short_repr
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["KernelConvolution"]

# A kernel fits a grid when no spacing differs by more than this: 0.1 % of a voxel shifts dose by far less than
# the kernel's own uncertainty (1 % in range).
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class KernelConvolution(BaseEngine):
    """Dose as the activity convolved with voxel S values.

    D(t) = Σ_s Ã(s) · S(t − s), times kernel density over local density where a density map is given. The
    result lies within 1e-4 of its maximum of the exact sum, is never negative for non-negative activity,
    and is exactly zero where the kernel does not reach.

    Parameters
    ----------
    kernel : Kernel
        Voxel S values for the spacing of the grid, as ``voxel_kernel(nuclide, grid.spacing_mm)`` makes them; one of another
        class is copied into a `DoseKernel`, which checks it.
    threads : int or None
        Threads to use; None means every core that this process may run on. Nothing global is
        changed.
    method : {"auto", "direct", "fft"}
        ``"auto"`` takes the algorithm expected to be fastest for size and occupancy; its direct sum leaves out an outer layer of
        the kernel that is together below 3e-5 of its centre. ``"direct"`` takes all of it.
    density_floor_g_per_ml : float
        Smallest local density that dose is scaled by [g/mL]: the energy that a voxel of air absorbs is
        not the kernel's.

    Raises
    ------
    InputError
        If the method is unknown, or threads or floor are not positive.
    """

    kernel: Kernel
    threads: int | None = None
    method: Method = "auto"
    density_floor_g_per_ml: float = 0.05

    name: ClassVar[str] = "convolution"

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_method(self.method)
        if not isinstance(self.kernel, DoseKernel):
            object.__setattr__(self, "kernel", _checked_kernel(self.kernel))
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
        convolved = convolve_cropped(tia.array, self._prepared, threads=self.threads, method=self.method)
        if density is not None:
            self._scale(convolved.dose[convolved.box], density.array[convolved.box])
        return DoseMap(convolved.dose, tia.grid, zero_outside=convolved.box)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the kernel comes from."""
        return self.kernel.provenance

    def electrons_only(self) -> Engine:
        """Return itself, for the kernel ends where the electrons do."""
        return self

    def caveats(self, lung_or_ct: bool) -> tuple[Notice, ...]:
        """Return the notice about lung, where there may be some."""
        if not lung_or_ct:
            return ()
        return (
            Notice(
                "convolution-in-lung",
                "convolution scaled by density is known to be wrong in the lung within 10 mm of the liver: 3 times too high in "
                "the first millimetre, 5 times too low at 5 mm, 25 times at 10 mm (plane interface against PENELOPE), and at gas "
                "and air (gas-filled bowel beside a hot liver: 5 times too high). Means of whole lungs are 8 to 22 % too high, "
                "more in emphysema; --engine density computes doses there.",
            ),
        )

    def complete_dose(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        record: Nuclide,
        regions: Mapping[str, Mask],
    ) -> PlainDose:
        """Return the dose with the photons that the kernel is too short for; parameters as of `BaseEngine`.

        Raises
        ------
        PhysicsError
            If the kernel is that of another nuclide.
        """
        kernel = self.kernel
        if nuclide(kernel.nuclide).name != record.name:
            raise PhysicsError(
                f"the kernel is for {kernel.nuclide}, but the case is {record.name}. "
                f"Make one with voxel_kernel({record.name!r}, case.grid.spacing_mm)."
            )
        beta = self.dose(tia, density)
        tail = PhotonTail(record, kernel.medium, density_g_per_ml=kernel.density_g_per_ml).dose(tia)
        return PlainDose(beta.with_array(beta.array + tail.array))

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


def _checked_kernel(kernel: Kernel) -> DoseKernel:
    """A kernel of another class as one of ours.

    Raises
    ------
    InputError
        If it lacks what a kernel has, or cannot be one.
    """
    names = ("s_values", "spacing_mm", "medium", "density_g_per_ml", "nuclide", "provenance")
    missing = [name for name in names if not hasattr(kernel, name)]
    if missing:
        raise InputError(
            f"{type(kernel).__name__} is no voxel kernel: it lacks {', '.join(missing)}. See y90voxel.Kernel."
        )
    return DoseKernel(*(getattr(kernel, name) for name in names))
