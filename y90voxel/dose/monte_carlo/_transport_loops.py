"""Compiled transport of electrons and photons: voxels or spherical shells, arrays and scalars only.

Positions are millimetres along the three array axes, path lengths g/cm², energies MeV. A step of an electron is
a random hinge: walk a part, deflect by the multiple-scattering angle of the whole step, walk the rest. Where the
material changes the step goes on: what is left of it is the same part of a step of the material beyond, and the
deflection is of the material that holds the hinge, which is right on average as the hinge lies anywhere.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import bare, njit
from y90voxel.dose.monte_carlo._random_loops import (
    azimuth,
    bits,
    halves,
    isotropic,
    next_key,
    seed_history,
    turned,
    uniform,
)

__all__ = ["Geometry", "Source", "Tables", "run_histories"]

Array = NDArray[Any]
Vector = tuple[float, float, float]
Cell = tuple[int, int, int]

# Voxels: edges_mm (3, n + 1) holds the faces along each axis. Shells (``shells`` is 1): row 0 of edges_mm holds the
# radii, far_mm is where photons are given up. density (g/mL), material (index of the tables): (slices, rows, columns).
# What is deposited counts for ``weight`` times its energy.
Geometry = namedtuple("Geometry", "shells edges_mm density material far_mm weight", defaults=(1.0,))
# cumulative (n): decays up to and including each source voxel; cells (n, 3): their indices; energies_mev: beta
# energy at equal steps of probability; electrons, photons (k, 2): energy [MeV] and yield per decay; local_mev.
Source = namedtuple("Source", "cumulative cells energies_mev electrons photons local_mev")
# energies (rows) [MeV]: see row_of. steps (materials, rows, 8): step [g/cm²], mean loss and its standard deviation [MeV],
# delta rays and photons made per g/cm², tilt of the hinge, range [g/cm²], photons made until the cut-off. angle_scale
# (materials, rows), angles (materials, rows, bins + 1): see elastic.angle_quantiles. photons (materials, energies, 3):
# photoelectric, Compton and energy-transfer coefficient [cm²/g]. brems_shape (energies, k/T). limits [MeV]: electron and photon
# cut-off, delta-ray and photon threshold, largest energy of range rejection; last, how many times as many photons electrons make.
Tables = namedtuple(
    "Tables",
    "first_row energies steps angle_scale angles photon_log_low photon_per_log photons "
    "brems_log_t brems_kappa brems_shape limits",
)

MASS = 0.51099895  # electron mass [MeV]
# (√5 − 1)/2: its multiples modulo 1 fill an interval evenly (additive recurrence).
GOLDEN = 0.6180339887498949
DONE, OTHER_MATERIAL, ESCAPED = 0, 1, 2  # how a step ended
ELECTRON, PHOTON = 0.0, 1.0  # kinds of particles on the stack, which holds floats
# Rows of the tables are 16 to an octave of energy: the exponent and four bits of the fraction of a double are the number
# of a row, the other 48 bits how far the energy lies towards the next.
ROW_BITS = 48
ROW_PART = 2.0**-ROW_BITS  # of the way to the next row
# Waiting particles of a history; chosen: energy allows 228 electrons above 10 keV of 2.28 MeV, photons are few.
STACK = 1024
# The loops are compiled with numpy's error model: dividing by zero gives inf, without a test in every division.


@njit(cache=True, nogil=True, error_model="numpy")
def bare_geometry(g: Geometry, weight: float) -> Geometry:
    """A geometry of bare arrays, where deposits count for ``weight`` times their energy."""
    return Geometry(g.shells, bare(g.edges_mm), bare(g.density), bare(g.material), g.far_mm, weight)


@njit(cache=True, nogil=True, error_model="numpy")
def bare_tables(t: Tables) -> Tables:
    """Tables of bare arrays."""
    return Tables(
        t.first_row,
        bare(t.energies),
        bare(t.steps),
        bare(t.angle_scale),
        bare(t.angles),
        t.photon_log_low,
        t.photon_per_log,
        bare(t.photons),
        bare(t.brems_log_t),
        bare(t.brems_kappa),
        bare(t.brems_shape),
        bare(t.limits),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def shell_of(position: Vector, radii: Array) -> int:
    """Index of the shell that holds a point; the last one reaches to infinity."""
    r = np.sqrt(position[0] ** 2 + position[1] ** 2 + position[2] ** 2)
    return min(int(np.searchsorted(radii, r, side="right")) - 1, radii.size - 1)


@njit(cache=True, nogil=True, error_model="numpy")
def deposit(
    energy: float, position: Vector, cell: Cell, geometry: Geometry, score: Array, lineage: int
) -> None:
    """Deposit energy where the particle is."""
    energy *= geometry.weight
    if geometry.shells == 1:
        score[0, lineage, shell_of(position, geometry.edges_mm[0])] += energy
    else:
        score[cell[0], cell[1], cell[2]] += energy


@njit(cache=True, nogil=True, error_model="numpy")
def face_distance(x: float, slope: float, low: float, high: float) -> float:
    """How far along its direction a particle at x meets the face of its voxel on one axis."""
    if slope > 0.0:
        return max((high - x) / slope, 0.0)
    if slope < 0.0:
        return max((low - x) / slope, 0.0)
    return np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def next_voxel(
    position: Vector, direction: Vector, cell: Cell, edges: Array, length: float
) -> tuple[Vector, Cell, float, int]:
    """Go straight to the nearest face, at most ``length`` mm: position, cell behind the face, distance, axis (or -1)."""
    i, j, k = cell
    x, y, z = position
    a = face_distance(x, direction[0], edges[0, i], edges[0, i + 1])
    b = face_distance(y, direction[1], edges[1, j], edges[1, j + 1])
    c = face_distance(z, direction[2], edges[2, k], edges[2, k + 1])
    d = min(min(a, b), min(c, length))
    x += direction[0] * d
    y += direction[1] * d
    z += direction[2] * d
    # On the face exactly, so that rounding cannot put the particle before it.
    if d == a:
        x = edges[0, i + 1] if direction[0] > 0.0 else edges[0, i]
        return (x, y, z), (i + 1 if direction[0] > 0.0 else i - 1, j, k), d, 0
    if d == b:
        y = edges[1, j + 1] if direction[1] > 0.0 else edges[1, j]
        return (x, y, z), (i, j + 1 if direction[1] > 0.0 else j - 1, k), d, 1
    if d == c:
        z = edges[2, k + 1] if direction[2] > 0.0 else edges[2, k]
        return (x, y, z), (i, j, k + 1 if direction[2] > 0.0 else k - 1), d, 2
    return (x, y, z), cell, d, -1


@njit(cache=True, nogil=True, error_model="numpy")
def outside(cell: Cell, shape: Cell) -> bool:
    """Whether a cell index lies outside the array."""
    i, j, k = cell
    return i < 0 or j < 0 or k < 0 or i >= shape[0] or j >= shape[1] or k >= shape[2]


@njit(cache=True, nogil=True, error_model="numpy")
def walk_shells(
    position: Vector,
    direction: Vector,
    mass: float,
    loss_per_mass: float,
    geometry: Geometry,
    score: Array,
    lineage: int,
    rng: Array,
) -> Vector:
    """As ``walk``, in an infinite medium: the loss is deposited at a random point of the path, which is unbiased."""
    length = 10.0 * mass / geometry.density[0, 0, 0]
    x, y, z = position
    u, v, w = direction
    part = length * uniform(rng)
    here = (x + u * part, y + v * part, z + w * part)
    score[0, lineage, shell_of(here, geometry.edges_mm[0])] += loss_per_mass * mass * geometry.weight
    return (x + u * length, y + v * length, z + w * length)


@njit(cache=True, nogil=True, error_model="numpy")
def walk(
    position: Vector,
    direction: Vector,
    cell: Cell,
    mass: float,
    loss_per_mass: float,
    geometry: Geometry,
    score: Array,
) -> tuple[Vector, Cell, int, float]:
    """Go straight for a mass length, depositing energy along the path: position, cell, status, mass length not walked."""
    edges = geometry.edges_mm
    loss_per_mass *= geometry.weight
    while True:
        i, j, k = cell
        per_mm = 0.1 * geometry.density[i, j, k]
        length = mass / per_mm
        x, y, z = (
            position[0] + direction[0] * length,
            position[1] + direction[1] * length,
            position[2] + direction[2] * length,
        )
        if inside((x, y, z), cell, edges):
            score[i, j, k] += loss_per_mass * mass
            return (x, y, z), cell, DONE, 0.0
        position, cell, distance, axis = next_voxel(position, direction, cell, edges, length)
        score[i, j, k] += loss_per_mass * distance * per_mm
        mass -= distance * per_mm
        if axis < 0 or mass <= 0.0:
            if outside(cell, geometry.density.shape):
                return position, cell, ESCAPED, 0.0
            return position, cell, DONE, 0.0
        if outside(cell, geometry.density.shape):
            return position, cell, ESCAPED, mass
        if geometry.material[cell[0], cell[1], cell[2]] != geometry.material[i, j, k]:
            return position, cell, OTHER_MATERIAL, mass


@njit(cache=True, nogil=True, error_model="numpy")
def row_of(energy: float, tables: Tables) -> tuple[int, float]:
    """Row of the tables below an energy, and how far it lies towards the next; without a logarithm."""
    number = np.float64(energy).view(np.int64)
    row = (number >> ROW_BITS) - tables.first_row
    if row > tables.steps.shape[1] - 2:
        return tables.steps.shape[1] - 2, 1.0
    return max(row, 0), float(number & ((1 << ROW_BITS) - 1)) * ROW_PART


@njit(cache=True, nogil=True, error_model="numpy")
def fluctuating_loss(mean: float, sigma: float, u: float) -> float:
    """Energy loss with given mean and standard deviation: uniform, or for few collisions nothing or uniform."""
    if mean > 1.7320508075688772 * sigma:
        return float(mean + 1.7320508075688772 * sigma * (2.0 * u - 1.0))
    square = mean * mean
    variance = sigma * sigma
    none = (3.0 * variance - square) / (3.0 * variance + 3.0 * square)
    if u < none:
        return 0.0
    return float((u - none) / (1.0 - none) * (3.0 * variance + 3.0 * square) / (2.0 * mean))


@njit(cache=True, nogil=True, error_model="numpy")
def step_of(
    energy: float, m: int, i: int, w: float, u: float, tables: Tables
) -> tuple[float, float, float, float, float]:
    """Length, loss per length, delta rays and all hard collisions per length, and tilt of the hinge, of a step."""
    steps = tables.steps
    step = steps[m, i, 0] + w * (steps[m, i + 1, 0] - steps[m, i, 0])
    mean = steps[m, i, 1] + w * (steps[m, i + 1, 1] - steps[m, i, 1])
    sigma = steps[m, i, 2] + w * (steps[m, i + 1, 2] - steps[m, i, 2])
    deltas = steps[m, i, 3] + w * (steps[m, i + 1, 3] - steps[m, i, 3])
    hard = deltas + steps[m, i, 4] + w * (steps[m, i + 1, 4] - steps[m, i, 4])
    tilt = steps[m, i, 5] + w * (steps[m, i + 1, 5] - steps[m, i, 5])
    return step, min(fluctuating_loss(mean, sigma, u), energy) / step, deltas, hard, tilt


@njit(cache=True, nogil=True, error_model="numpy")
def multiple_scattering_cosine(m: int, row: int, u: float, tables: Tables) -> float:
    """Cosine of the deflection of a whole step, from the tabulated inverse distribution."""
    bins = tables.angles.shape[2] - 1
    k = bins * (1.0 - np.sqrt(1.0 - u))
    n = min(int(k), bins - 1)
    # Inside a bin the probability is a parabola in k; v is uniform in probability.
    p = (2.0 * (k - n) * (bins - n) - (k - n) ** 2) / (2.0 * (bins - n) - 1.0)
    v = tables.angles[m, row, n] + p * (tables.angles[m, row, n + 1] - tables.angles[m, row, n])
    a = tables.angle_scale[m, row]
    return float(1.0 - 2.0 * a * v / (1.0 + a - v))


@njit(cache=True, nogil=True, error_model="numpy")
def deflected(direction: Vector, m: int, i: int, w: float, chances: Vector, tables: Tables) -> Vector:
    """Direction after the multiple scattering of a whole step; chances are for angle, row and azimuth."""
    cosine = multiple_scattering_cosine(m, i + 1 if chances[1] < w else i, chances[0], tables)
    c, s = azimuth(chances[2])
    after: Vector = turned(direction, cosine, c, s)
    return after


@njit(cache=True, nogil=True, error_model="numpy")
def hinged(
    position: Vector, direction: Vector, first: float, rest: float, after: Vector
) -> tuple[Vector, Vector]:
    """Where the hinge lies, and where a way of ``rest`` mm in the direction ``after`` it ends."""
    x = position[0] + direction[0] * first
    y = position[1] + direction[1] * first
    z = position[2] + direction[2] * first
    return (x, y, z), (x + after[0] * rest, y + after[1] * rest, z + after[2] * rest)


@njit(cache=True, nogil=True, error_model="numpy")
def inside(position: Vector, cell: Cell, edges: Array) -> bool:
    """Whether a point lies in a voxel."""
    i, j, k = cell
    return bool(
        edges[0, i] <= position[0] <= edges[0, i + 1]
        and edges[1, j] <= position[1] <= edges[1, j + 1]
        and edges[2, k] <= position[2] <= edges[2, k + 1]
    )


@njit(cache=True, nogil=True, error_model="numpy")
def moller_fraction(energy: float, threshold: float, rng: Array) -> float:
    """Part of its energy that an electron gives to a delta ray above the threshold (Møller's cross-section)."""
    gamma = 1.0 + energy / MASS
    g1 = ((gamma - 1.0) / gamma) ** 2
    g2 = (2.0 * gamma - 1.0) / gamma**2
    low = threshold / energy
    while True:
        e = low / (1.0 - uniform(rng) * (1.0 - 2.0 * low))  # from 1/e² on low … 1/2
        r = e / (1.0 - e)
        # Times e², the cross-section is 1 + r² + g1 e² - g2 r, at most 1 + 1.25 g1.
        if uniform(rng) * (1.0 + 1.25 * g1) <= 1.0 + r * r + g1 * e * e - g2 * r:
            return float(e)


@njit(cache=True, nogil=True, error_model="numpy")
def brems_fraction(energy: float, threshold: float, tables: Tables, rng: Array) -> float:
    """Part of its energy that an electron gives to a photon above the threshold."""
    log_t, kappas = tables.brems_log_t, tables.brems_kappa
    row = 0
    while row < log_t.size - 2 and np.log(energy) > log_t[row + 1]:
        row += 1
    t = (np.log(energy) - log_t[row]) / (log_t[row + 1] - log_t[row])
    t = min(max(t, 0.0), 1.0)
    low = threshold / energy
    while True:
        k = low ** uniform(rng)  # from 1/k on low … 1
        i = min(np.searchsorted(kappas, k, side="right") - 1, kappas.size - 2)
        w = (k - kappas[i]) / (kappas[i + 1] - kappas[i])
        a = tables.brems_shape[row, i] * (1.0 - w) + tables.brems_shape[row, i + 1] * w
        b = tables.brems_shape[row + 1, i] * (1.0 - w) + tables.brems_shape[row + 1, i + 1] * w
        if uniform(rng) <= a * (1.0 - t) + b * t:
            return float(k)


@njit(cache=True, nogil=True, error_model="numpy")
def push(
    stack: Array,
    stack_cells: Array,
    count: int,
    kind: float,
    energy: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    lineage: int,
    key: Any,
) -> int:
    """Put a particle with the start of its stream on the stack and return how many wait."""
    stack[count, 0], stack[count, 1], stack[count, 2] = kind, energy, lineage
    stack[count, 3], stack[count, 4], stack[count, 5] = position
    stack[count, 6], stack[count, 7], stack[count, 8] = direction
    stack_cells[count, 0], stack_cells[count, 1], stack_cells[count, 2] = cell
    stack_cells[count, 3] = np.int64(key)
    return count + 1


@njit(cache=True, nogil=True, error_model="numpy")
def virtual(tables: Tables, rng: Array) -> bool:
    """Whether a photon costs its electron nothing: all but one in as many as there are more of (`with_more_photons`)."""
    return bool(tables.limits[5] > 1.0 and uniform(rng) * tables.limits[5] >= 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def hard_collision(
    energy: float,
    delta: bool,
    position: Vector,
    direction: Vector,
    cell: Cell,
    lineage: int,
    tables: Tables,
    stack: Array,
    stack_cells: Array,
    waiting: int,
    rng: Array,
) -> tuple[float, Vector, int]:
    """Make a delta ray or a photon: the energy that the electron keeps, its direction, how many particles wait."""
    key = bits(rng)
    c, s = azimuth(uniform(rng))
    if delta:
        if energy <= 2.0 * tables.limits[2]:
            return energy, direction, waiting
        lost = energy * moller_fraction(energy, tables.limits[2], rng)
        twice = 2.0 * MASS
        rest = energy - lost
        new_direction = turned(direction, np.sqrt(lost * (energy + twice) / (energy * (lost + twice))), c, s)
        direction = turned(direction, np.sqrt(rest * (energy + twice) / (energy * (rest + twice))), -c, -s)
        return (
            rest,
            direction,
            push(stack, stack_cells, waiting, ELECTRON, lost, position, new_direction, cell, lineage, key),
        )
    if energy <= tables.limits[3]:
        return energy, direction, waiting
    lost = energy * brems_fraction(energy, tables.limits[3], tables, rng)
    beta = np.sqrt(energy * (energy + 2.0 * MASS)) / (energy + MASS)
    u = 2.0 * uniform(rng) - 1.0
    new_direction = turned(direction, (u + beta) / (1.0 + u * beta), c, s)
    waiting = push(stack, stack_cells, waiting, PHOTON, lost, position, new_direction, cell, 1, key)
    return energy if virtual(tables, rng) else energy - lost, direction, waiting


@njit(cache=True, nogil=True, error_model="numpy")
def face_clearance(position: Vector, cell: Cell, edges: Array) -> float:
    """Distance of a point to the nearest face of its voxel [mm]."""
    i, j, k = cell
    x, y, z = position
    a = min(x - edges[0, i], edges[0, i + 1] - x)
    b = min(y - edges[1, j], edges[1, j + 1] - y)
    c = min(z - edges[2, k], edges[2, k + 1] - z)
    return float(min(a, min(b, c)))


@njit(cache=True, nogil=True, error_model="numpy")
def absorb(
    energy: float,
    m: int,
    i: int,
    w: float,
    position: Vector,
    cell: Cell,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    stack: Array,
    stack_cells: Array,
    waiting: int,
    rng: Array,
) -> int:
    """End an electron inside its voxel, but set free the photon that it might still have made; return who waits."""
    steps = tables.steps
    expected = steps[m, i, 7] + w * (steps[m, i + 1, 7] - steps[m, i, 7])
    whole = np.floor(expected)
    for _ in range(int(whole) + int(uniform(rng) < expected - whole)):
        wanted = expected * uniform(rng)
        row = 0
        while row < i and steps[m, row + 1, 7] < wanted:
            row += 1
        part = (wanted - steps[m, row, 7]) / (steps[m, row + 1, 7] - steps[m, row, 7])
        low = max(tables.energies[row], tables.limits[0])
        emitter = min(low + part * (tables.energies[row + 1] - low), energy)
        photon = emitter * brems_fraction(emitter, tables.limits[3], tables, rng)
        waiting = push(
            stack, stack_cells, waiting, PHOTON, photon, position, isotropic(rng), cell, 1, bits(rng)
        )
        if not virtual(tables, rng):
            energy -= photon
    deposit(energy, position, cell, geometry, score, 0)
    return waiting


@njit(cache=True, nogil=True, error_model="numpy")
def step_across(
    energy: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    row: tuple[int, float],
    loss_chance: float,
    hinge: float,
    chances: Vector,
    until_hard: float,
    lineage: int,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    rng: Array,
) -> tuple[float, Vector, Vector, Cell, int, float, float]:
    """Make a step that leaves its voxel, ``hinge`` being the part of it before the deflection.

    Returns energy, position, direction, cell, status, mean free paths left, and which part of the hard collision that
    happens makes delta rays (-1: none happens).
    """
    i, w = row
    start, done, bent = energy, 0.0, False
    while True:
        m = geometry.material[cell[0], cell[1], cell[2]]
        step, loss_per_mass, deltas, hard, _ = step_of(start, m, i, w, loss_chance, tables)
        left = step * max((1.0 if bent else hinge) - done, 0.0)
        collides = until_hard < hard * left
        length, status, beyond = until_hard / hard if collides else left, DONE, 0.0
        if geometry.shells == 1:
            position = walk_shells(position, direction, length, loss_per_mass, geometry, score, lineage, rng)
        else:
            position, cell, status, beyond = walk(
                position, direction, cell, length, loss_per_mass, geometry, score
            )
        length -= beyond
        energy -= length * loss_per_mass
        until_hard -= length * hard
        if status == OTHER_MATERIAL:
            done += length / step
            continue
        if collides or bent or status == ESCAPED:
            return energy, position, direction, cell, status, until_hard, deltas / hard if collides else -1.0
        done, bent = hinge, True
        direction = deflected(direction, m, i, w, chances, tables)


@njit(cache=True, nogil=True, error_model="numpy")
def follow_electron(
    energy: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    key: Any,
    lineage: int,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    stack: Array,
    stack_cells: Array,
    waiting: int,
    rng: Array,
) -> tuple[float, int]:
    """Transport one electron to its end; return the energy that escapes and how many particles wait.

    The stream starts at ``key`` and anew at every hard collision, and every step takes as many numbers of it: two
    electrons of one key in media that are alike stay together.
    """
    shells = geometry.shells == 1
    edges = geometry.edges_mm
    rng[0] = key
    until_hard = -np.log(1.0 - uniform(rng))  # mean free paths
    while energy > tables.limits[0]:
        i, w = row_of(energy, tables)
        m = geometry.material[cell[0], cell[1], cell[2]]
        mm = 10.0 / geometry.density[cell[0], cell[1], cell[2]]
        if not shells and energy < tables.limits[4]:
            reach = mm * (tables.steps[m, i, 6] + w * (tables.steps[m, i + 1, 6] - tables.steps[m, i, 6]))
            if reach <= face_clearance(position, cell, edges):
                waiting = absorb(
                    energy, m, i, w, position, cell, geometry, tables, score, stack, stack_cells, waiting, rng
                )
                return 0.0, waiting
        loss_chance, u = halves(rng)
        row_chance, azimuth_chance = halves(rng)
        chances = (uniform(rng), row_chance, azimuth_chance)
        step, loss_per_mass, _, hard, tilt = step_of(energy, m, i, w, loss_chance, tables)
        hinge = u + tilt * u * (1.0 - u)
        fits = False
        if not shells and until_hard >= hard * step:
            after = deflected(direction, m, i, w, chances, tables)
            bend, end = hinged(position, direction, hinge * step * mm, (1.0 - hinge) * step * mm, after)
            fits = inside(bend, cell, edges) and inside(end, cell, edges)
        if fits:
            loss = step * loss_per_mass
            score[cell[0], cell[1], cell[2]] += loss * geometry.weight
            energy -= loss
            until_hard -= step * hard
            position, direction = end, after
            continue
        energy, position, direction, cell, status, until_hard, delta_part = step_across(
            energy,
            position,
            direction,
            cell,
            (i, w),
            loss_chance,
            hinge,
            chances,
            until_hard,
            lineage,
            geometry,
            tables,
            score,
            rng,
        )
        if status == ESCAPED:
            return max(energy, 0.0), waiting
        if delta_part >= 0.0:
            key = next_key(key)
            rng[0] = key
            until_hard = -np.log(1.0 - uniform(rng))
            energy, direction, waiting = hard_collision(
                energy,
                uniform(rng) < delta_part,
                position,
                direction,
                cell,
                lineage,
                tables,
                stack,
                stack_cells,
                waiting,
                rng,
            )
            key = next_key(key)
            rng[0] = key
    deposit(energy, position, cell, geometry, score, lineage)
    return 0.0, waiting


@njit(cache=True, nogil=True, error_model="numpy")
def compton(energy: float, rng: Array) -> tuple[float, float]:
    """Energy fraction that the photon keeps and the cosine of its angle (Klein-Nishina; Butcher and Messel 1960)."""
    k = energy / MASS
    least = 1.0 / (1.0 + 2.0 * k)
    log_part, square_part = -np.log(least), 0.5 * (1.0 - least * least)
    while True:
        if uniform(rng) * (log_part + square_part) < log_part:
            e = np.exp(-log_part * uniform(rng))
        else:
            e = np.sqrt(least * least + (1.0 - least * least) * uniform(rng))
        t = (1.0 - e) / (k * e)
        if uniform(rng) <= 1.0 - e * t * (2.0 - t) / (1.0 + e * e):
            return e, 1.0 - t


@njit(cache=True, nogil=True, error_model="numpy")
def attenuation(m: int, i: int, w: float, tables: Tables) -> tuple[float, float]:
    """Photoelectric and Compton coefficient [cm²/g] of a material between two rows."""
    photo = tables.photons[m, i, 0] + w * (tables.photons[m, i + 1, 0] - tables.photons[m, i, 0])
    free = tables.photons[m, i, 1] + w * (tables.photons[m, i + 1, 1] - tables.photons[m, i, 1])
    return photo, free


@njit(cache=True, nogil=True, error_model="numpy")
def walk_photon(
    depth: float,
    position: Vector,
    direction: Vector,
    cell: Cell,
    i: int,
    w: float,
    geometry: Geometry,
    tables: Tables,
) -> tuple[Vector, Cell, int]:
    """Go straight for a number of mean free paths; return position, cell and a status."""
    while True:
        photo, free = attenuation(geometry.material[cell[0], cell[1], cell[2]], i, w, tables)
        mu = 0.1 * (photo + free) * geometry.density[cell[0], cell[1], cell[2]]
        length = depth / mu
        if geometry.shells == 1:
            x, y, z = (
                position[0] + direction[0] * length,
                position[1] + direction[1] * length,
                position[2] + direction[2] * length,
            )
            return (x, y, z), cell, ESCAPED if x * x + y * y + z * z > geometry.far_mm**2 else DONE
        position, cell, distance, axis = next_voxel(position, direction, cell, geometry.edges_mm, length)
        if axis < 0:
            return position, cell, DONE
        if outside(cell, geometry.density.shape):
            return position, cell, ESCAPED
        depth -= distance * mu


@njit(cache=True, nogil=True, error_model="numpy")
def follow_photon(
    energy: float,
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
) -> tuple[float, int]:
    """Transport one photon to its end; return the energy that escapes and how many particles wait."""
    while energy > tables.limits[1]:
        x = (np.log(energy) - tables.photon_log_low) * tables.photon_per_log
        i = min(int(x), tables.photons.shape[1] - 2)
        w = x - i
        depth = -np.log(1.0 - uniform(rng))
        position, cell, status = walk_photon(depth, position, direction, cell, i, w, geometry, tables)
        if status == ESCAPED:
            return energy, waiting
        photo, free = attenuation(geometry.material[cell[0], cell[1], cell[2]], i, w, tables)
        transferred, scattered, new_direction = energy, 0.0, direction
        if uniform(rng) * (photo + free) >= photo:
            scattered, cosine = compton(energy, rng)
            scattered *= energy
            transferred = energy - scattered
            c, s = azimuth(uniform(rng))
            if transferred > tables.limits[0]:
                along = (energy - scattered * cosine) / np.sqrt(transferred * (transferred + 2.0 * MASS))
                new_direction = turned(direction, min(along, 1.0), -c, -s)
            direction = turned(direction, cosine, c, s)
        if transferred > tables.limits[0]:
            waiting = push(
                stack,
                stack_cells,
                waiting,
                ELECTRON,
                transferred,
                position,
                new_direction,
                cell,
                1,
                bits(rng),
            )
        else:
            deposit(transferred, position, cell, geometry, score, 1)
        energy = scattered
    deposit(energy, position, cell, geometry, score, 1)
    return 0.0, waiting


@njit(cache=True, nogil=True, error_model="numpy")
def emit(
    source: Source,
    quantile: float,
    position: Vector,
    cell: Cell,
    geometry: Geometry,
    score: Array,
    stack: Array,
    stack_cells: Array,
    rng: Array,
) -> tuple[int, float]:
    """Put the particles of one decay on the stack; return how many wait and the energy emitted."""
    x = quantile * (source.energies_mev.size - 1)
    i = int(x)
    energy = source.energies_mev[i] + (x - i) * (source.energies_mev[i + 1] - source.energies_mev[i])
    waiting = push(stack, stack_cells, 0, ELECTRON, energy, position, isotropic(rng), cell, 0, bits(rng))
    emitted = energy + source.local_mev
    deposit(source.local_mev, position, cell, geometry, score, 0)
    for row in range(source.electrons.shape[0]):
        energy = source.electrons[row, 0]
        for _ in range(int(source.electrons[row, 1] + uniform(rng))):
            waiting = push(
                stack, stack_cells, waiting, ELECTRON, energy, position, isotropic(rng), cell, 0, bits(rng)
            )
            emitted += energy
    for row in range(source.photons.shape[0]):
        energy = source.photons[row, 0]
        for _ in range(int(source.photons[row, 1] + uniform(rng))):
            waiting = push(
                stack, stack_cells, waiting, PHOTON, energy, position, isotropic(rng), cell, 1, bits(rng)
            )
            emitted += energy
    return waiting, emitted


@njit(cache=True, nogil=True, error_model="numpy")
def start_of(cell: Cell, geometry: Geometry, rng: Array) -> Vector:
    """A point anywhere in a voxel, or the centre of the shells."""
    if geometry.shells == 1:
        return 0.0, 0.0, 0.0
    i, j, k = cell
    edges = geometry.edges_mm
    x = edges[0, i] + (edges[0, i + 1] - edges[0, i]) * uniform(rng)
    y = edges[1, j] + (edges[1, j + 1] - edges[1, j]) * uniform(rng)
    z = edges[2, k] + (edges[2, k + 1] - edges[2, k]) * uniform(rng)
    return x, y, z


@njit(cache=True, nogil=True, error_model="numpy")
def run_histories(
    seed: int,
    first: int,
    count: int,
    source: Source,
    geometry: Geometry,
    tables: Tables,
    score: Array,
    tally: Array,
) -> None:
    """Run histories first … first + count - 1, adding energies [MeV] to ``score``, emitted and escaped to ``tally``.

    Both places and beta energies are spread evenly, which keeps every mean and lowers the noise: history h starts in
    the voxel where the cumulative activity passes (h - first + random)/count of the total, and has the beta energy
    at the fractional part of shift + h times the golden ratio, one random shift for all.
    """
    geometry, tables = bare_geometry(geometry, geometry.weight), bare_tables(tables)
    score, tally = bare(score), bare(tally)
    own_rng, own_stack, own_cells = (
        np.zeros(2, np.uint64),
        np.zeros((STACK, 9)),
        np.zeros((STACK, 4), np.int64),
    )
    rng, stack, stack_cells = bare(own_rng), bare(own_stack), bare(own_cells)
    seed_history(rng, ~np.uint64(seed), first)  # a stream that no history has
    quantile = uniform(rng)
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
        waiting, emitted = emit(source, quantile, position, cell, geometry, score, stack, stack_cells, rng)
        tally[0] += emitted
        while waiting > 0:
            waiting -= 1
            n = waiting
            energy, lineage = stack[n, 1], int(stack[n, 2])
            position = (stack[n, 3], stack[n, 4], stack[n, 5])
            direction = (stack[n, 6], stack[n, 7], stack[n, 8])
            cell = (stack_cells[n, 0], stack_cells[n, 1], stack_cells[n, 2])
            key = np.uint64(stack_cells[n, 3])
            if stack[n, 0] == ELECTRON:
                escaped, waiting = follow_electron(
                    energy,
                    position,
                    direction,
                    cell,
                    key,
                    lineage,
                    geometry,
                    tables,
                    score,
                    stack,
                    stack_cells,
                    waiting,
                    rng,
                )
            else:
                rng[0] = key
                escaped, waiting = follow_photon(
                    energy,
                    position,
                    direction,
                    cell,
                    geometry,
                    tables,
                    score,
                    stack,
                    stack_cells,
                    waiting,
                    rng,
                )
            tally[1] += escaped
