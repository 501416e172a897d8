"""Plain twins of the density-aware superposition, by other algorithms; nothing here imports what it judges."""

import itertools
import math

import numpy as np


def ray_pieces(shape, spacing, start, direction):
    """Voxels and lengths along a ray: every border crossing is computed, sorted, and looked up at mid-piece."""
    start, direction, spacing = (np.asarray(v, float) for v in (start, direction, spacing))
    cuts = [0.0]
    for axis in range(3):
        if direction[axis] != 0:
            borders = np.arange(shape[axis] + 1) * spacing[axis]
            cuts += [t for t in (borders - start[axis]) / direction[axis] if t > 0]
    cuts = np.unique(cuts)
    for a, b in itertools.pairwise(cuts):
        voxel = tuple(np.floor((start + direction * 0.5 * (a + b)) / spacing).astype(int).tolist())
        if any(i < 0 or i >= n for i, n in zip(voxel, shape, strict=True)):
            return
        yield voxel, b - a


def ray_change(path, inverse, spacing, start, direction, within, reference, reach):
    """Dose per emitted energy along one ray, true minus reference medium, on the whole grid.

    ``within(depth)`` is the energy within a water depth; ``reference`` is (water path, inverse density).
    """
    change = np.zeros(path.shape)
    depth = depth_ref = 0.0
    for voxel, length in ray_pieces(path.shape, spacing, start, direction):
        w = path[voxel]
        true = within(min(depth + w * length, reach)) - within(min(depth, reach))
        uniform = within(min(depth_ref + reference[0] * length, reach)) - within(min(depth_ref, reach))
        change[voxel] += true * inverse[voxel] - kept(w, reference[0]) * uniform * reference[1]
        depth, depth_ref = depth + w * length, depth_ref + reference[0] * length
    return change


def kept(path, reference):
    """Share of the uniform dose that a voxel keeps: straight from 1 at the reference to 0 at twice it."""
    return float(np.clip(2.0 - path / reference, 0.0, 1.0))


def block_deviation(path, reference, sizes):
    """Largest deviation in each block, block by block."""
    blocks = [math.ceil(n / s) for n, s in zip(path.shape, sizes, strict=True)]
    out = np.zeros(blocks)
    for index in np.ndindex(*blocks):
        part = path[tuple(slice(i * s, (i + 1) * s) for i, s in zip(index, sizes, strict=True))]
        out[index] = (np.abs(part - reference) / np.maximum(part, reference)).max()
    return out


def dilated(values, half):
    """Largest value in a box around every element, element by element."""
    out = np.empty_like(values)
    for index in np.ndindex(*values.shape):
        box = tuple(slice(max(0, i - h), i + h + 1) for i, h in zip(index, half, strict=True))
        out[index] = values[box].max()
    return out


def energy_by_sampling(path, spacing, source, within, reach, rays, seed):
    """Fraction of a voxel's energy that every voxel gets: random starts and directions, short steps along each ray."""
    rng = np.random.default_rng(seed)
    spacing = np.asarray(spacing, float)
    energy = np.zeros(path.shape)
    direction = rng.normal(size=(rays, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    point = (np.asarray(source) + rng.random((rays, 3))) * spacing
    depth, alive = np.zeros(rays), np.ones(rays, bool)
    step = 0.02 * spacing.min()
    while alive.any():
        index = np.floor((point + 0.5 * step * direction) / spacing).astype(int)
        alive &= ((index >= 0) & (index < path.shape)).all(axis=1) & (depth < reach)
        point, direction, depth, index, alive = (v[alive] for v in (point, direction, depth, index, alive))
        flat = np.ravel_multi_index(tuple(index.T), path.shape)
        deeper = depth + path.reshape(-1)[flat] * step
        energy += np.bincount(
            flat, within(np.minimum(deeper, reach)) - within(np.minimum(depth, reach)), energy.size
        ).reshape(path.shape)
        point, depth = point + direction * step, deeper
    return energy / rays


def plane_dose(layers, edges_mm, fraction, active, density_ratio):
    """Mean electron energy per mass in plane layers, laterally infinite, by the response to a plane source.

    Parameters
    ----------
    layers : ndarray, (n + 1,)
        Edges of the layers to average over [mm].
    edges_mm, fraction : ndarray
        Radial kernel of water: shell edges [mm] and energy in each shell, in units of the decay's.
    active : (low, high)
        Where there is one decay per mm³ [mm].
    density_ratio : callable
        Position [mm] to (density [g/mL], range ratio); piecewise constant with a step at 0.

    Returns
    -------
    ndarray, (n,)
        Energy per mass, in decay energies per (g/mL · mm³).

    Notes
    -----
    A plane source leaves, per depth, ∫ f(m')/(2 m') dm' from the depth m on; one integral over depth gives the
    response to a slab. Depth is that of water: density over range ratio times length, which is all that
    counts between plane layers.
    """
    per_mm = fraction / np.diff(edges_mm)
    low = np.maximum(edges_mm[:-1], 1e-9)
    behind = np.append(np.cumsum((0.5 * per_mm * np.log(edges_mm[1:] / low))[::-1])[::-1], 0.0)

    def plane(depth):
        depth = np.clip(depth, 1e-7, edges_mm[-1] * (1 - 1e-12))
        k = np.searchsorted(edges_mm, depth, side="right") - 1
        return behind[k + 1] + 0.5 * per_mm[k] * np.log(edges_mm[k + 1] / depth)

    # Substituting depth = t³ tames the logarithm at 0.
    t = np.linspace(0.0, edges_mm[-1] ** (1 / 3), 20001)
    slope = plane(t**3) * 3 * t**2
    slab = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(t))])

    def within(depth):
        return np.sign(depth) * np.interp(np.abs(depth) ** (1 / 3), t, slab)

    def water_depth(x):
        density, ratio = density_ratio(x)
        return x * density / ratio

    source_density, source_ratio = density_ratio(0.5 * (active[0] + active[1]))
    out = []
    for a, b in itertools.pairwise(layers):
        x = a + (np.arange(40) + 0.5) / 40 * (b - a)
        ratio = density_ratio(0.5 * (a + b))[1]
        ends = [water_depth(np.asarray(e)) for e in active]
        depth = np.array([water_depth(one) for one in x])
        energy = within(ends[1] - depth) - within(ends[0] - depth)
        out.append(energy.mean() / ratio / (source_density / source_ratio))
    return np.array(out)
