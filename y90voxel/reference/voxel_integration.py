"""The exact integral of a radial kernel over a uniform source voxel and a target voxel.

With K(r) the energy per volume around a point source, the energy that a voxel at offset D receives from
a uniform voxel of size (a, b, c) at the origin is ::

    W(D) = ∫ K(|r|) Λ((x - D_x)/a) Λ((y - D_y)/b) Λ((z - D_z)/c) d³r,     Λ(u) = max(0, 1 - |u|)

because Λ is the autocorrelation of a box. The triangles add up to 1 everywhere, so the W of all offsets
add up to the energy of the kernel: nothing here enforces that, hence it measures the error.

Between neighbouring voxel centres the product of triangles is a trilinear polynomial. One octant of
space is cut into boxes no larger than a voxel or a tenth of the kernel, and each is integrated by
Gauss-Legendre quadrature. At the origin, where K goes like 1/r², the largest sphere inside the first
box is integrated analytically over directions and shell by shell over radii, and the rest of that box
in pyramids whose Jacobian cancels the 1/r².
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["octant_energy_fractions"]

BOXES_PER_REACH = 10  # boxes along the reach of the kernel, at least
POINTS_PER_REACH = 90  # quadrature points along the reach, about one in every shell of the radial kernel
NEAR_BOXES = 2.5  # boxes nearer than this many box edges get the order NEAR_ORDER: K is steep there
# Gauss-Legendre points an axis of a near box; the sum of energies holds to 1e-5 (decision 0002).
NEAR_ORDER = 8
PYRAMID_ORDER = 16  # Gauss-Legendre points a direction of the box at the origin, as the above
CHUNK_POINTS = 1 << 17  # quadrature points at once: a megabyte an array, which caches like
# Means over the directions of one octant: 1, ω_x, ω_x ω_y, ω_x ω_y ω_z.
OCTANT_MEANS = (1.0, 0.5, 2.0 / (3.0 * math.pi), 1.0 / (4.0 * math.pi))

Array = NDArray[np.float64]
Steps = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _RadialDensity:
    """Energy per radius, linear within each shell, each shell keeping its energy."""

    edges_mm: Array
    at_zero_per_mm: Array  # of the line of each shell, and zero beyond the last
    slope_per_mm2: Array

    @classmethod
    def from_shells(cls, edges_mm: Array, fraction: Array) -> _RadialDensity:
        """Give every shell the van Leer limited slope: no new extrema, nowhere negative."""
        width = np.diff(edges_mm)
        mean = fraction / width
        centre = 0.5 * (edges_mm[1:] + edges_mm[:-1])
        between = np.diff(mean) / np.diff(centre)
        below, above = between[:-1], between[1:]
        rises = np.minimum(np.abs(below), np.abs(above)) * 2.0
        limited = np.minimum(rises, np.abs(below + above) / 2.0) * np.sign(below)
        slope = np.zeros_like(mean)
        slope[1:-1] = np.where(below * above > 0, limited, 0.0)
        # The half width of a wide shell beside a narrow one must not carry it below zero.
        slope = np.clip(slope, -2.0 * mean / width, 2.0 * mean / width)
        return cls(edges_mm, np.append(mean - slope * centre, 0.0), np.append(slope, 0.0))

    def __call__(self, radius_mm: Array) -> Array:
        """Return the energy per radius [1/mm] at radii [mm]."""
        shell = np.searchsorted(self.edges_mm[1:], radius_mm, side="right")
        line = self.at_zero_per_mm[shell] + self.slope_per_mm2[shell] * radius_mm
        return np.maximum(line, 0.0)  # where a line ends at zero, rounding may go below

    def moments(self, radius_mm: float) -> list[float]:
        """Return ∫ g(r) rⁿ dr from 0 to a radius for n = 0 to 3; three points a shell are exact."""
        edges = np.append(self.edges_mm[self.edges_mm < radius_mm], radius_mm)
        point, weight = _gauss(3)
        radii = edges[:-1, None] + np.diff(edges)[:, None] * point
        energy = self(radii) * np.diff(edges)[:, None] * weight
        return [float((energy * radii**n).sum()) for n in range(4)]


def octant_energy_fractions(edges_mm: Array, fraction: Array, spacing_mm: Steps) -> Array:
    """Return the energy fraction that voxels at offsets 0, 1, 2, … receive from the source voxel.

    Parameters
    ----------
    edges_mm : ndarray, (n + 1,)
        Shell edges of the radial kernel, the first one 0 [mm].
    fraction : ndarray, (n,)
        Energy in each shell.
    spacing_mm : tuple of float, (3,)
        Voxel size along slice, row, column [mm].

    Returns
    -------
    ndarray, (a + 1, b + 1, c + 1)
        W of the offsets with no negative index. Mirror it to get all offsets.

    References
    ----------
    Product of triangles: Bolch et al. 1999 (MIRD pamphlet 17, J Nucl Med 40:11S) define the voxel S value;
    the autocorrelation of a box is the triangle, hence the three factors.
    """
    density = _RadialDensity.from_shells(edges_mm, fraction)
    reach = float(edges_mm[1:][fraction > 0][-1])
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    splits = np.ceil(spacing / min(float(spacing.min()), reach / BOXES_PER_REACH)).astype(int)
    step = spacing / splits
    half = np.ceil(reach / spacing).astype(int)
    out = np.zeros(half + 2)
    out[:2, :2, :2] += _origin_box(density, spacing, step)
    boxes, distance = _boxes_within(reach, step)
    near = distance < NEAR_BOXES * step.max()
    far_order = int(np.clip(math.ceil(step.max() / reach * POINTS_PER_REACH), 2, NEAR_ORDER))
    for group, order in ((boxes[near], NEAR_ORDER), (boxes[~near], far_order)):
        chunk = CHUNK_POINTS // order**3
        for start in range(0, len(group), chunk):
            _add_boxes(out, density, group[start : start + chunk], splits, step, order)
    for zero_offset in (out[0], out[:, 0], out[:, :, 0]):  # the mirror half of space gives its equal part
        zero_offset *= 2.0
    return _symmetrised(out[:-1, :-1, :-1], spacing)


def _symmetrised(out: Array, spacing: Array) -> Array:
    """Return the values with offsets that differ only by exchanging equal axes made bitwise equal."""
    index: list[NDArray[np.int64]] = list(np.indices(out.shape, sparse=True))
    for low, high in ((0, 1), (1, 2), (0, 1), (0, 2)):  # sorts the indices of equal axes
        if spacing[low] == spacing[high]:
            pair = index[low], index[high]
            index[low], index[high] = np.minimum(*pair), np.maximum(*pair)
    return np.asarray(out[tuple(index)])


def _gauss(order: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre points and weights on 0 to 1."""
    point, weight = np.polynomial.legendre.leggauss(order)
    return 0.5 * (point + 1.0), 0.5 * weight


def _boxes_within(reach: float, step: Array) -> tuple[NDArray[np.int64], Array]:
    """Return indices (m, 3) of boxes whose nearest corner is within reach, and its distance; no origin box."""
    squares = [(np.arange(math.ceil(reach / s)) * s) ** 2 for s in step]
    distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    keep = distance < reach
    keep[0, 0, 0] = False
    return np.argwhere(keep), distance[keep]


def _corner_weights(position: Array) -> Array:
    """Return the two linear weights of a position 0 to 1 between voxel centres, (…, 2)."""
    return np.stack([1.0 - position, position], axis=-1)


def _add_boxes(
    out: Array,
    density: _RadialDensity,
    boxes: NDArray[np.int64],
    splits: NDArray[np.int64],
    step: Array,
    order: int,
) -> None:
    """Add the Gauss-Legendre integrals over a group of boxes to the eight voxels around each."""
    point, weight = _gauss(order)
    axes = boxes.T[:, None, :]  # (3, 1, m): the boxes run along the last axis, which numpy's loops like
    coordinates = (axes + point[:, None]) * step[:, None, None]  # (3, order, m)
    x2, y2, z2 = coordinates**2
    r2 = x2[:, None, None] + y2[:, None] + z2
    energy = density(np.sqrt(r2)) / (4.0 * math.pi * r2)
    within = ((axes % splits[:, None, None]) + point[:, None]) / splits[:, None, None]
    scale = weight[:, None] * step[:, None, None]
    hats = np.stack([(1.0 - within) * scale, within * scale], axis=1)  # (3, 2, order, m)
    moments = np.einsum("xyzm,czm->cxym", energy, hats[2])
    moments = np.einsum("cxym,bym->bcxm", moments, hats[1])
    moments = np.einsum("bcxm,axm->abcm", moments, hats[0])
    _, rows, columns = out.shape
    lower = (boxes // splits) @ np.array([rows * columns, columns, 1])
    first = int(lower.min())
    for corner in np.ndindex(2, 2, 2):
        start = first + (corner[0] * rows + corner[1]) * columns + corner[2]
        added = np.bincount(lower - first, moments[corner])
        out.reshape(-1)[start : start + len(added)] += added


def _origin_box(density: _RadialDensity, spacing: Array, step: Array) -> Array:
    """Return the integrals over the box at the origin for its eight corners, (2, 2, 2)."""
    radius = float(step.min())
    return _core_sphere(density, spacing, radius) + sum(
        _pyramid(density, spacing, step, axis, radius) for axis in range(3)
    )


def _core_sphere(density: _RadialDensity, spacing: Array, radius: float) -> Array:
    """Return the integrals over one octant of a sphere: directions analytic, radii exact in each shell."""
    moments = density.moments(radius)
    powers = np.empty((2, 2, 2))
    for index in np.ndindex(2, 2, 2):
        n = sum(index)
        powers[index] = moments[n] * OCTANT_MEANS[n] / np.prod(spacing ** np.array(index)) / 8.0
    to_corners = np.array([[1.0, -1.0], [0.0, 1.0]])  # weights 1 - u and u from the powers 1 and u
    return np.asarray(np.einsum("ai,bj,ck,ijk->abc", to_corners, to_corners, to_corners, powers))


def _pyramid(density: _RadialDensity, spacing: Array, step: Array, axis: int, radius: float) -> Array:
    """Return the integrals over the pyramid from the origin to one far face of its box, sphere left out."""
    point, weight = _gauss(PYRAMID_ORDER)
    v, w = np.meshgrid(point, point, indexing="ij")
    face = np.insert(np.stack([v, w]), axis, 1.0, axis=0) * step[:, None, None]  # (3, order, order)
    length = np.sqrt((face**2).sum(axis=0))
    start = radius / length
    t = start[..., None] + (1.0 - start)[..., None] * point
    energy = density(t * length[..., None]) * float(np.prod(step)) / (4.0 * math.pi * length[..., None] ** 2)
    energy = energy * (1.0 - start)[..., None] * weight[:, None, None] * weight[:, None] * weight
    hats = [_corner_weights(face[k][..., None] * t / spacing[k]) for k in range(3)]
    return np.asarray(np.einsum("vwt,vwta,vwtb,vwtc->abc", energy, *hats))
