"""Whether the uniform medium's convolution is what the uniform medium's histories deposit on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.exact._difference_loops import Starts, run_differences
from y90voxel.dose.exact.reference_kernel import ReferenceKernel
from y90voxel.dose.monte_carlo._transport_loops import Geometry, Tables
from y90voxel.dose.monte_carlo.decay_source import Emission
from y90voxel.errors import PhysicsError

__all__ = ["check_expectation"]

Array = NDArray[np.float64]

# Runs and electrons of each; chosen: 0.3 s of a core, and source voxels of 4 mm to 0.1 % of the energy.
BATCHES, SIZE = 20, 3000
# Part of the energy that a kernel may be off by. Chosen: half of the half per cent that livers are judged to; one of
# another scale by 2 %, or of another density by 5 %, is off by more.
TOLERANCE = 0.0025
SIGMAS = 4.0  # beyond the tolerance; a sound kernel is refused in none of 10 000 runs


def check_expectation(
    kernel: ReferenceKernel,
    emitted: Emission,
    energies_mev: Array,
    per_decay: float,
    even: Geometry,
    tables: Tables,
    seed: int,
) -> None:
    """Compare source voxel, neighbours and total of a kernel with a short run of the same transport.

    Parameters
    ----------
    kernel : ReferenceKernel
        The expectation.
    emitted : Emission
        Of a decay.
    energies_mev : ndarray
        Equally likely energies of its electrons.
    per_decay : float
        Electrons of a decay.
    even : Geometry
        Uniform medium with the voxels of the kernel.
    tables : Tables
        Of the transport.
    seed : int
        Of histories that no other run has.

    Raises
    ------
    PhysicsError
        If they differ by more than 0.25 % of the energy and four standard deviations.
    """
    shape = np.array(kernel.energy_mev.shape)
    faces = np.zeros((3, int(shape.max()) + 1))
    for axis, count in enumerate(shape):
        faces[axis, : count + 1] = np.arange(count + 1) * (even.edges_mm[axis, 2] - even.edges_mm[axis, 1])
    block = Geometry(
        0, faces, np.full(tuple(shape), even.density[0, 0, 0], np.float32),
        np.full(tuple(shape), even.material[0, 0, 0], np.uint8), 0.0,
    )  # fmt: skip
    starts = Starts(
        np.ones(1), (shape // 2)[None, :], np.full(1, per_decay / SIZE), np.zeros(1), energies_mev, 0
    )
    none = np.zeros((1, 1, 1))
    runs = []
    for number in range(BATCHES):
        score = np.zeros(tuple(shape))
        run_differences(
            seed, number * SIZE, SIZE, starts, block, block, none.astype(np.float32), tables, score, none, np.zeros(2)
        )  # fmt: skip
        score[tuple(shape // 2)] += emitted.local_mev
        runs.append(_parts(score))
    found, expected = np.array(runs), _parts(kernel.energy_mev)
    mean, sigma = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(BATCHES)
    for name, here, there, spread in zip(
        ("source voxel", "neighbours", "sum"), mean, expected, sigma, strict=True
    ):
        if abs(here - there) > TOLERANCE * expected[-1] + SIGMAS * spread:
            raise PhysicsError(
                f"the kernel of the exact engine and its transport contradict each other: {name} {1e3 * there:.2f} keV by "
                f"the kernel, {1e3 * here:.2f} ± {1e3 * spread:.2f} keV by transport. Doses would be biased by more than "
                "their uncertainty: please report it, and use --engine monte-carlo."
            )


def _parts(energy: Array) -> Array:
    """Energy of the central voxel, of the 26 around it, and of all."""
    centre = tuple(n // 2 for n in energy.shape)
    near = tuple(slice(max(c - 1, 0), c + 2) for c in centre)
    return np.array([energy[centre], energy[near].sum() - energy[centre], energy.sum()])
