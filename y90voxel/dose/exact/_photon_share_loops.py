"""Compiled transport of whole decays of which only what photons deposit is scored, each photon several times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import bare, njit
from y90voxel.dose.monte_carlo._random_loops import bits, seed_history, uniform
from y90voxel.dose.monte_carlo._transport_loops import (
    ELECTRON,
    GOLDEN,
    PHOTON,
    STACK,
    Cell,
    Geometry,
    Source,
    Tables,
    Vector,
    bare_geometry,
    bare_tables,
    emit,
    follow_electron,
    follow_photon,
    push,
    start_of,
)

__all__ = ["counted", "run_photons"]

Array = NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy")
def counted(geometry: Geometry, weight: float) -> Geometry:
    """The same geometry where deposits count for ``weight`` times their energy."""
    return Geometry(
        geometry.shells, geometry.edges_mm, geometry.density, geometry.material, geometry.far_mm, weight
    )


@njit(cache=True, nogil=True, error_model="numpy")
def run_photons(
    seed: int,
    first: int,
    count: int,
    source: Source,
    geometry: Geometry,
    tables: Tables,
    copies: int,
    score: Array,
) -> None:
    """Run decays first … first + count - 1 and score only what photons deposit, each of them followed ``copies`` times."""
    geometry, tables, score = bare_geometry(geometry, geometry.weight), bare_tables(tables), bare(score)
    streams, floats, cells = (
        np.zeros(2, np.uint64),
        np.zeros((2, STACK, 9)),
        np.zeros((2, STACK, 4), np.int64),
    )
    rng, stack, own, stack_cells, own_cells = (
        bare(streams),
        bare(floats[0]),
        bare(floats[1]),
        bare(cells[0]),
        bare(cells[1]),
    )
    seed_history(rng, ~np.uint64(seed), first)
    quantile = uniform(rng)
    silent = counted(geometry, 0.0)
    shared = counted(geometry, geometry.weight / copies)
    total = source.cumulative[-1]
    at = 0
    for h in range(count):
        seed_history(rng, seed, first + h)
        wanted = total * (h + uniform(rng)) / count
        while at < source.cumulative.size - 1 and source.cumulative[at] <= wanted:
            at += 1
        cell = (source.cells[at, 0], source.cells[at, 1], source.cells[at, 2])
        position = start_of(cell, geometry, rng)
        quantile += GOLDEN
        quantile -= np.floor(quantile)
        waiting, _ = emit(source, quantile, position, cell, silent, score, stack, stack_cells, rng)
        while waiting > 0:
            waiting -= 1
            n = waiting
            energy = stack[n, 1]
            position = (stack[n, 3], stack[n, 4], stack[n, 5])
            direction = (stack[n, 6], stack[n, 7], stack[n, 8])
            cell = (stack_cells[n, 0], stack_cells[n, 1], stack_cells[n, 2])
            key = np.uint64(stack_cells[n, 3])
            if stack[n, 0] == ELECTRON:
                _, waiting = follow_electron(
                    energy,
                    position,
                    direction,
                    cell,
                    key,
                    0,
                    silent,
                    tables,
                    score,
                    stack,
                    stack_cells,
                    waiting,
                    rng,
                )
                continue
            rng[0] = key
            for _ in range(copies):
                follow_lineage(energy, position, direction, cell, shared, tables, score, own, own_cells, rng)


@njit(cache=True, nogil=True, error_model="numpy")
def follow_lineage(
    energy: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    stack: Array,
    stack_cells: Array,
    rng: Array,
) -> None:
    """Follow a photon and everything that it sets free to their end."""
    waiting = push(stack, stack_cells, 0, PHOTON, energy, position, direction, cell, 1, bits(rng))
    while waiting > 0:
        waiting -= 1
        n = waiting
        energy = stack[n, 1]
        position = (stack[n, 3], stack[n, 4], stack[n, 5])
        direction = (stack[n, 6], stack[n, 7], stack[n, 8])
        cell = (stack_cells[n, 0], stack_cells[n, 1], stack_cells[n, 2])
        if stack[n, 0] == PHOTON:
            _, waiting = follow_photon(
                energy, position, direction, cell, geometry, tables, score, stack, stack_cells, waiting, rng
            )
        else:
            _, waiting = follow_electron(
                energy,
                position,
                direction,
                cell,
                np.uint64(stack_cells[n, 3]),
                1,
                geometry,
                tables,
                score,
                stack,
                stack_cells,
                waiting,
                rng,
            )
