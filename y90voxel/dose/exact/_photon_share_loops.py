"""Compiled transport of whole decays of which only what photons deposit is scored, by its expectation along their ways.

Electrons make ``tables.limits[5]`` times as many photons as they do, of which one in so many costs them energy: the mean
is that of the photons that they do make. A photon goes on with a chance in proportion to its energy, so that low
energies, which get nowhere, cost little. On its way to the next collision it leaves in every voxel what collisions leave there
on average (track-length estimator); what their electrons carry elsewhere is added where one happens, its energy taken off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import bare, njit
from y90voxel.dose.monte_carlo._random_loops import azimuth, bits, seed_history, turned, uniform
from y90voxel.dose.monte_carlo._transport_loops import (
    DONE,
    ELECTRON,
    ESCAPED,
    GOLDEN,
    MASS,
    PHOTON,
    STACK,
    Cell,
    Geometry,
    Source,
    Tables,
    Vector,
    attenuation,
    bare_geometry,
    bare_tables,
    compton,
    emit,
    follow_electron,
    next_voxel,
    outside,
    start_of,
)

__all__ = ["counted", "run_photons"]

Array = NDArray[Any]

# Photons below are followed in proportion to their energy [MeV]. Chosen: 0.2 takes twice the time for equal uncertainty in the
# liver, where 20 keV are absorbed nearby, and as long further away.
WHOLE_MEV = 0.02
# How often photons of a nuclide's lines are followed, of which there are no more than there are. Chosen: Ho-166 has one in
# six decays, which takes as long as its electrons then.
LINE_COPIES = 8
LINE = 2.0  # in the place of a photon's lineage


@njit(cache=True, nogil=True, error_model="numpy")
def counted(geometry: Geometry, weight: float) -> Geometry:
    """The same geometry where deposits count for ``weight`` times their energy."""
    return Geometry(
        geometry.shells, geometry.edges_mm, geometry.density, geometry.material, geometry.far_mm, weight
    )


@njit(cache=True, nogil=True, error_model="numpy")
def fly(
    energy: float,
    weight: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    rng: Array,
) -> tuple[Vector, Cell, int, bool]:
    """Go straight to the next collision, leaving what collisions leave on average: position, cell, status, photoelectric."""
    x = (np.log(energy) - tables.photon_log_low) * tables.photon_per_log
    row = min(int(x), tables.photons.shape[1] - 2)
    w = x - row
    depth = -np.log(1.0 - uniform(rng))
    while True:
        i, j, k = cell
        m = geometry.material[i, j, k]
        photo, free = attenuation(m, row, w, tables)
        transfer = tables.photons[m, row, 2] + w * (tables.photons[m, row + 1, 2] - tables.photons[m, row, 2])
        per_mm = 0.1 * geometry.density[i, j, k]
        mu = per_mm * (photo + free)
        position, cell, distance, axis = next_voxel(position, direction, cell, geometry.edges_mm, depth / mu)
        score[i, j, k] += energy * weight * transfer * per_mm * distance
        if axis < 0:
            return position, cell, DONE, uniform(rng) * (photo + free) < photo
        if outside(cell, geometry.density.shape):
            return position, cell, ESCAPED, False
        depth -= distance * mu


@njit(cache=True, nogil=True, error_model="numpy")
def carry(
    energy: float,
    weight: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    stack: Array,
    stack_cells: Array,
    waiting: int,
    rng: Array,
) -> int:
    """Take the energy of an electron off where it starts and deposit it where the electron goes; return who waits."""
    if energy <= tables.limits[0]:
        return waiting
    score[cell[0], cell[1], cell[2]] -= energy * weight
    first = waiting
    _, waiting = follow_electron(
        energy, position, direction, cell, bits(rng), 1, counted(geometry, weight), tables, score,
        stack, stack_cells, waiting, rng,
    )  # fmt: skip
    stack[first:waiting, 9] = weight
    return waiting


@njit(cache=True, nogil=True, error_model="numpy")
def follow_chances(
    energy: float,
    weight: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    stack: Array,
    stack_cells: Array,
    waiting: int,
    rng: Array,
) -> int:
    """Follow one photon of a weight to its end; return how many particles wait."""
    while True:
        position, cell, status, absorbed = fly(
            energy, weight, position, direction, cell, geometry, tables, score, rng
        )
        if status == ESCAPED:
            return waiting
        if absorbed:
            return int(
                carry(
                    energy, weight, position, direction, cell, geometry, tables, score, stack, stack_cells, waiting, rng
                )
            )  # fmt: skip
        part, cosine = compton(energy, rng)
        c, s = azimuth(uniform(rng))
        left = part * energy
        lost = energy - left
        along = (energy - left * cosine) / np.sqrt(lost * (lost + 2.0 * MASS))
        way = turned(direction, min(along, 1.0), -c, -s)
        waiting = carry(
            lost, weight, position, way, cell, geometry, tables, score, stack, stack_cells, waiting, rng
        )
        if left <= tables.limits[1]:
            score[cell[0], cell[1], cell[2]] += left * weight
            return waiting
        # Weight times energy stays what it was.
        if uniform(rng) >= part:
            return waiting
        weight /= part
        energy, direction = left, turned(direction, cosine, c, s)


@njit(cache=True, nogil=True, error_model="numpy")
def run_photons(
    seed: int,
    first: int,
    count: int,
    source: Source,
    geometry: Geometry,
    tables: Tables,
    score: Array,
) -> None:
    """Run decays first … first + count - 1 and score only what photons deposit; ``tables`` as of `with_more_photons`."""
    whole = geometry.weight
    geometry, tables, score = bare_geometry(geometry, 1.0), bare_tables(tables), bare(score)
    streams, floats, cells = np.zeros(2, np.uint64), np.zeros((STACK, 10)), np.zeros((STACK, 4), np.int64)
    rng, stack, stack_cells = bare(streams), bare(floats), bare(cells)
    seed_history(rng, ~np.uint64(seed), first)
    quantile = uniform(rng)
    silent = counted(geometry, 0.0)
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
        stack[:waiting, 9] = whole
        for n in range(waiting):
            if stack[n, 0] == PHOTON:
                stack[n, 2] = LINE
        while waiting > 0:
            waiting -= 1
            n = waiting
            energy, weight, lineage = stack[n, 1], stack[n, 9], stack[n, 2]
            position = (stack[n, 3], stack[n, 4], stack[n, 5])
            direction = (stack[n, 6], stack[n, 7], stack[n, 8])
            cell = (stack_cells[n, 0], stack_cells[n, 1], stack_cells[n, 2])
            key = np.uint64(stack_cells[n, 3])
            if stack[n, 0] == ELECTRON:
                scored = counted(geometry, weight * lineage)  # 0 of the decay, 1 of a photon
                _, waiting = follow_electron(
                    energy, position, direction, cell, key, int(lineage), scored, tables, score,
                    stack, stack_cells, waiting, rng,
                )  # fmt: skip
                stack[n:waiting, 9] = weight
                continue
            rng[0] = key
            chance = min(energy / WHOLE_MEV, 1.0)
            times = LINE_COPIES if lineage == LINE else 1
            weight /= chance * (LINE_COPIES if lineage == LINE else tables.limits[5])
            for _ in range(times):
                if uniform(rng) < chance:
                    waiting = follow_chances(
                        energy, weight, position, direction, cell, geometry, tables, score,
                        stack, stack_cells, waiting, rng,
                    )  # fmt: skip
