"""Grids that make readers and writers stumble, and points to compare them at."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np

from y90voxel.volumes.grid import Grid

SHAPE = (5, 7, 9)  # three lengths: a swapped axis shows
SPACING_MM = (3.0, 1.5, 2.25)
ORIGIN_MM = (-43.21, 17.5, 1032.25)


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rotation matrix by Rodrigues' formula."""
    n = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def grid(slice_axis, row_axis, column_axis, turn=None, shape=SHAPE, spacing=SPACING_MM) -> Grid:
    """Grid whose array axes run along the given LPS directions, turned by a rotation matrix."""
    directions = np.array([slice_axis, row_axis, column_axis], dtype=float).T
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ directions * spacing
    affine[:3, 3] = ORIGIN_MM
    return Grid(shape, affine)


X, Y, Z = np.eye(3)
OBLIQUE = rotation((0.3, -0.5, 0.8), 23.0)
GRIDS = {
    "axial": grid(Z, Y, X),
    "downwards": grid(-Z, Y, X),  # left-handed: slices run to the feet
    "feet_first": grid(-Z, Y, -X),
    "prone": grid(Z, -Y, -X),
    "sagittal": grid(X, -Z, Y),
    "coronal": grid(Y, -Z, X),
    "coronal_left_handed": grid(Y, Z, X),
    "oblique": grid(Z, Y, X, OBLIQUE),
    "oblique_left_handed": grid(-Z, Y, X, OBLIQUE),
    "nearly_axial": grid(Z, Y, X, rotation((0.2, 1.0, 0.1), 0.02)),
    "third_turn": grid(Z, Y, X, rotation((1, 1, 1), 120.0)),
    "sixth_turn": grid(Z, Y, X, rotation((1, -1, 1), 60.0)),
    "one_slice": grid(Z, Y, X, OBLIQUE, shape=(1, 7, 9)),
}


@st.composite
def grids(draw) -> Grid:
    """Any perpendicular grid: axes permuted, flipped and turned, small shape, uneven spacing."""
    order = draw(st.sampled_from(list(itertools.permutations((X, Y, Z)))))
    signs = draw(st.tuples(*[st.sampled_from((-1, 1))] * 3))
    angle = st.floats(-180.0, 180.0)
    turn = (
        rotation((0, 0, 1), draw(angle)) @ rotation((0, 1, 0), draw(angle)) @ rotation((1, 0, 0), draw(angle))
    )
    spacing = draw(st.tuples(*[st.floats(0.5, 10.0)] * 3))
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3))
    return grid(*(s * a for s, a in zip(signs, order, strict=True)), turn, shape, spacing)


def ramp(on: Grid, dtype=np.float32) -> np.ndarray:
    """An array in which every voxel is different: a flip or swap of axes shows."""
    return np.arange(on.size, dtype=dtype).reshape(on.shape)


def points_mm(on: Grid) -> np.ndarray:
    """Voxel centres of a grid in LPS, (slices, rows, columns, 3)."""
    return on.index_to_lps(np.moveaxis(np.indices(on.shape), 0, -1))
