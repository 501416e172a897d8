"""Compiled transport of differences: what an electron deposits in the patient, less what it deposits in a uniform medium.

Until a voxel that differs comes within one step, patient and uniform medium are the same: there the electron is followed
once, without voxels and without scoring, and dropped when it cannot reach such a voxel any more. Then it is followed
twice from where it is, from the same key of random numbers: X in the patient and Y in the uniform medium. The free path
to a hard collision is drawn anew there, which an exponential distribution allows.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import bare, njit
from y90voxel.dose.exact._photon_share_loops import counted
from y90voxel.dose.monte_carlo._random_loops import bits, halves, isotropic, seed_history, uniform
from y90voxel.dose.monte_carlo._transport_loops import (
    ELECTRON,
    GOLDEN,
    STACK,
    Cell,
    Geometry,
    Tables,
    Vector,
    bare_geometry,
    bare_tables,
    deflected,
    face_clearance,
    follow_electron,
    hard_collision,
    hinged,
    push,
    row_of,
    start_of,
    step_of,
)

__all__ = ["Starts", "run_differences", "run_histories_apart"]

Array = NDArray[Any]

# cumulative (n): sum of the sampling weights up to and including each source voxel; cells (n, 3): indices; counts (n): what
# the energy of one history counts for; lowest (n): part of energies_mev (m, ascending, equally likely) below which
# nothing can change; paired: whether there is a uniform medium to compare with.
Starts = namedtuple("Starts", "cumulative cells counts lowest energies_mev paired")

# Straggling lets an electron pass its range in the continuous-slowing-down approximation by a few per cent in path length;
# its way is bent, so that none of 10⁶ was seen beyond 1.02 of it in distance. Chosen: well above that.
REACH_MARGIN = 1.1


@njit(cache=True, nogil=True, error_model="numpy")
def room(position: Vector, cell: Cell, edges: Array, clearance: Array) -> float:
    """Distance within which no voxel differs from the uniform medium, a lower bound [mm]; negative in one that does."""
    clear = clearance[cell[0], cell[1], cell[2]]
    if clear < 0.0:
        return -1.0
    return float(max(float(clear), face_clearance(position, cell, edges)))


@njit(cache=True, nogil=True, error_model="numpy")
def index_along(x: float, i: int, edges: Array) -> int:
    """Index of the voxel that holds x on one axis, from that of a voxel nearby."""
    while x < edges[i]:
        i -= 1
    while x >= edges[i + 1]:
        i += 1
    return i


@njit(cache=True, nogil=True, error_model="numpy")
def follow_unchanged(
    energy: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    key: Any,
    even: Geometry,
    clearance: Array,
    tables: Tables,
    stack: Array,
    stack_cells: Array,
    waiting: int,
    rng: Array,
) -> tuple[float, Vector, Vector, Cell, int]:
    """Follow an electron until a voxel that differs is within a step; energy 0 when it cannot reach one any more.

    The steps are those of ``follow_electron`` in the uniform medium.
    """
    m = even.material[0, 0, 0]
    mm = 10.0 / even.density[0, 0, 0]
    rng[0] = key
    until_hard = -np.log(1.0 - uniform(rng))
    while energy > tables.limits[0]:
        free = room(position, cell, even.edges_mm, clearance)
        i, w = row_of(energy, tables)
        reach = tables.steps[m, i, 6] + w * (tables.steps[m, i + 1, 6] - tables.steps[m, i, 6])
        if REACH_MARGIN * reach * mm <= free:
            return 0.0, position, direction, cell, waiting
        loss_chance, u = halves(rng)
        row_chance, azimuth_chance = halves(rng)
        chances = (uniform(rng), row_chance, azimuth_chance)
        step, loss_per_mass, deltas, hard, tilt = step_of(energy, m, i, w, loss_chance, tables)
        if step * mm > free:
            return energy, position, direction, cell, waiting
        hinge = step * (u + tilt * u * (1.0 - u))
        collides = until_hard < hard * step
        end = until_hard / hard if collides else step
        after = direction
        if hinge < end:
            after = deflected(direction, m, i, w, chances, tables)
        _, position = hinged(position, direction, mm * min(hinge, end), mm * max(end - hinge, 0.0), after)
        direction = after
        cell = (
            index_along(position[0], cell[0], even.edges_mm[0]),
            index_along(position[1], cell[1], even.edges_mm[1]),
            index_along(position[2], cell[2], even.edges_mm[2]),
        )
        energy -= end * loss_per_mass
        until_hard -= end * hard
        if collides:
            until_hard = -np.log(1.0 - uniform(rng))
            delta = uniform(rng) * hard < deltas
            energy, direction, waiting = hard_collision(
                energy,
                delta,
                position,
                direction,
                cell,
                0,
                tables,
                stack,
                stack_cells,
                waiting,
                rng,
            )
    return 0.0, position, direction, cell, waiting


@njit(cache=True, nogil=True, error_model="numpy")
def follow_electrons(
    energy: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    key: Any,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    stack: Array,
    stack_cells: Array,
    rng: Array,
) -> None:
    """Follow an electron and its delta rays to their end; photons are somebody else's."""
    _, waiting = follow_electron(
        energy, position, direction, cell, key, 0, geometry, tables, score, stack, stack_cells, 0, rng
    )
    while waiting > 0:
        waiting -= 1
        n = waiting
        if stack[n, 0] != ELECTRON:
            continue
        energy = stack[n, 1]
        position = (stack[n, 3], stack[n, 4], stack[n, 5])
        direction = (stack[n, 6], stack[n, 7], stack[n, 8])
        cell = (stack_cells[n, 0], stack_cells[n, 1], stack_cells[n, 2])
        key = np.uint64(stack_cells[n, 3])
        _, waiting = follow_electron(
            energy,
            position,
            direction,
            cell,
            key,
            0,
            geometry,
            tables,
            score,
            stack,
            stack_cells,
            waiting,
            rng,
        )


@njit(cache=True, nogil=True, error_model="numpy")
def follow_difference(
    energy: float,
    position: Vector,
    cell: Cell,
    true: Geometry,
    even: Geometry,
    clearance: Array,
    tables: Tables,
    x_score: Array,
    y_score: Array,
    stack: Array,
    stack_cells: Array,
    own: Array,
    own_cells: Array,
    rng: Array,
    copy: Array,
) -> float:
    """Follow one emitted electron: X into one score, Y into the other; return how many particles went both ways."""
    waiting = push(stack, stack_cells, 0, ELECTRON, energy, position, isotropic(rng), cell, 0, bits(rng))
    parted = 0.0
    while waiting > 0:
        waiting -= 1
        n = waiting
        if stack[n, 0] != ELECTRON:
            continue
        energy = stack[n, 1]
        position = (stack[n, 3], stack[n, 4], stack[n, 5])
        direction = (stack[n, 6], stack[n, 7], stack[n, 8])
        cell = (stack_cells[n, 0], stack_cells[n, 1], stack_cells[n, 2])
        energy, position, direction, cell, waiting = follow_unchanged(
            energy,
            position,
            direction,
            cell,
            np.uint64(stack_cells[n, 3]),
            even,
            clearance,
            tables,
            stack,
            stack_cells,
            waiting,
            rng,
        )
        if energy <= 0.0:
            continue
        # It ends in its voxel in both.
        i, w = row_of(energy, tables)
        m = even.material[0, 0, 0]
        reach = tables.steps[m, i, 6] + w * (tables.steps[m, i + 1, 6] - tables.steps[m, i, 6])
        clear = face_clearance(position, cell, even.edges_mm)
        if clearance[cell[0], cell[1], cell[2]] >= 0.0 and 10.0 * reach / even.density[0, 0, 0] <= clear:
            continue
        parted += 1.0
        key = bits(rng)
        copy[1] = rng[1]
        follow_electrons(energy, position, direction, cell, key, true, tables, x_score, own, own_cells, rng)
        follow_electrons(energy, position, direction, cell, key, even, tables, y_score, own, own_cells, copy)
    return parted


@njit(cache=True, nogil=True, error_model="numpy")
def run_differences(
    seed: int,
    first: int,
    count: int,
    starts: Starts,
    true: Geometry,
    even: Geometry,
    clearance: Array,
    tables: Tables,
    x_score: Array,
    y_score: Array,
    tally: Array,
) -> None:
    """Run electrons first … first + count - 1: X into one score, Y into the other (MeV times what a history counts for).

    Places and energies are spread evenly as in ``run_histories``, energies over those that can change something.
    ``tally`` counts electrons and particles that went both ways. Without a uniform medium (``starts.paired`` is 0)
    there is X alone.
    """
    true, even, tables = bare_geometry(true, 1.0), bare_geometry(even, 1.0), bare_tables(tables)
    clearance, x_score, y_score = bare(clearance), bare(x_score), bare(y_score)
    streams, floats, cells = (
        np.zeros((2, 2), np.uint64),
        np.zeros((2, STACK, 9)),
        np.zeros((2, STACK, 4), np.int64),
    )
    rng, copy = bare(streams[0]), bare(streams[1])
    stack, own, stack_cells, own_cells = bare(floats[0]), bare(floats[1]), bare(cells[0]), bare(cells[1])
    seed_history(rng, ~np.uint64(seed), first)
    quantile = uniform(rng)
    total = starts.cumulative[-1]
    size = starts.energies_mev.size
    at = 0
    for h in range(count):
        seed_history(rng, seed, first + h)
        wanted = total * (h + uniform(rng)) / count
        while at < starts.cumulative.size - 1 and starts.cumulative[at] <= wanted:
            at += 1
        cell = (starts.cells[at, 0], starts.cells[at, 1], starts.cells[at, 2])
        position = start_of(cell, true, rng)
        quantile += GOLDEN
        quantile -= np.floor(quantile)
        part = starts.lowest[at] + quantile * (1.0 - starts.lowest[at])
        energy = starts.energies_mev[min(int(part * size), size - 1)]
        weight = starts.counts[at]
        tally[0] += 1.0
        patient = counted(true, weight)
        if starts.paired == 0:
            follow_electrons(
                energy,
                position,
                isotropic(rng),
                cell,
                bits(rng),
                patient,
                tables,
                x_score,
                own,
                own_cells,
                rng,
            )
            continue
        tally[1] += follow_difference(
            energy,
            position,
            cell,
            patient,
            counted(even, weight),
            clearance,
            tables,
            x_score,
            y_score,
            stack,
            stack_cells,
            own,
            own_cells,
            rng,
            copy,
        )


@njit(cache=True, nogil=True, error_model="numpy")
def run_histories_apart(
    seed: int,
    first: int,
    count: int,
    starts: Starts,
    true: Geometry,
    even: Geometry,
    clearance: Array,
    tables: Tables,
    x_score: Array,
    y_score: Array,
    weights: Array,
    kinds: Array,
    half: tuple[int, int, int],
    moments: Array,
) -> None:
    """As ``run_differences``, one electron at a time: sums over histories of what decides about β and the allocation.

    ``weights`` (slices, rows, columns) weigh squares of energies by voxel, ``kinds`` says which row of ``moments`` gets
    the sums of X², XY and Y² there, over a box of ``half`` voxels around the start. The last row counts electrons
    and particles that went both ways. Scores are left zero within the box.
    """
    tally = np.zeros(2)
    for h in range(count):
        one = np.searchsorted(starts.cumulative, starts.cumulative[-1] * (h + 0.5) / count, side="right")
        at = min(one, starts.cumulative.size - 1)
        single = Starts(
            starts.cumulative[at : at + 1],
            starts.cells[at : at + 1],
            starts.counts[at : at + 1],
            starts.lowest[at : at + 1],
            starts.energies_mev,
            starts.paired,
        )
        run_differences(seed, first + h, 1, single, true, even, clearance, tables, x_score, y_score, tally)
        i, j, k = starts.cells[at, 0], starts.cells[at, 1], starts.cells[at, 2]
        shape = true.density.shape
        for a in range(max(i - half[0], 0), min(i + half[0] + 1, shape[0])):
            for b in range(max(j - half[1], 0), min(j + half[1] + 1, shape[1])):
                for c in range(max(k - half[2], 0), min(k + half[2] + 1, shape[2])):
                    x, y = x_score[a, b, c], y_score[a, b, c]
                    if x == 0.0 and y == 0.0:
                        continue
                    kind, weight = kinds[a, b, c], weights[a, b, c]
                    moments[kind, 0] += weight * x * x
                    moments[kind, 1] += weight * x * y
                    moments[kind, 2] += weight * y * y
                    x_score[a, b, c] = 0.0
                    y_score[a, b, c] = 0.0
    moments[-1, 0] += tally[0]
    moments[-1, 1] += tally[1]
