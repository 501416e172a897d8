"""Whether a deformation can be anatomy: volumes that it keeps, folds, lengths of its displacements, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, Notice
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Transform

__all__ = [
    "FieldQuality",
    "check_field",
    "check_unfolded",
    "field_quality",
    "field_volume_ratios",
    "rigid_through",
]

Floats = NDArray[np.floating[Any]]

# Volume ratios outside these are noticed: 103 TARE cases had 0.44 to 1.88 without a fold (Spahr et al. 2019, doi
# 10.1007/s11548-018-1877-5).
USUAL_RATIO = (0.4, 2.0)
FARTHEST_MM = 15.0  # longer displacements are noticed [mm]: breathing moves a liver by 12 mm along the body
# An independent registration of the other direction that ends further away (95 % of the focus) is noticed [mm]: a CT slice.
INCONSISTENT_MM = 3.0
MOST_POINTS = 2_000_000  # looked at for folds; chosen: 50 MB, and every voxel of 2 mm of a whole liver


@dataclass(frozen=True)
class FieldQuality:
    """What a deformation does.

    Parameters
    ----------
    volume_ratio : tuple of float
        Least and greatest local volume ratio (Jacobian determinant) in the focus.
    folded_share : float
        Share of all cells whose determinant is not positive.
    displacement_mm : tuple of float
        Mean, 95th percentile and greatest displacement in the focus, beyond a rigid motion [mm].
    harmonic_energy : float
        Mean of |∇u|² in the focus.
    inconsistency_mm : tuple of float or None
        Mean, 95th percentile and greatest distance in the focus after going there and back by a registration of its own
        [mm]; None where there is no such.
    """

    volume_ratio: tuple[float, float]
    folded_share: float
    displacement_mm: tuple[float, float, float]
    harmonic_energy: float
    inconsistency_mm: tuple[float, float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        back = self.inconsistency_mm
        names = ("mean", "p95", "max")
        return {
            "jacobian": {
                "min": self.volume_ratio[0],
                "max": self.volume_ratio[1],
                "folded_share": self.folded_share,
            },
            "displacement_mm": dict(zip(names, self.displacement_mm, strict=True)),
            "harmonic_energy": self.harmonic_energy,
            "inverse_consistency_mm": None if back is None else dict(zip(names, back, strict=True)),
        }


def field_volume_ratios(places_mm: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return the least and the greatest volume ratio of a map around each point of a grid.

    By the determinants of all eight corners of cells that meet there: between points the map is linear along each axis.

    Parameters
    ----------
    places_mm : ndarray, (slices, rows, columns, 3)
        Where the map takes the points of the grid [mm]; NaN where it is not defined.
    grid : Grid
        The grid.
    """
    steps = [np.diff(places_mm, axis=axis) for axis in range(3)]
    scale = abs(float(np.linalg.det(grid.affine[:3, :3])))
    sign = np.sign(np.linalg.det(grid.affine[:3, :3]))
    least, most = np.full(grid.shape, np.inf), np.full(grid.shape, -np.inf)
    for sides in product((0, 1), repeat=3):
        edges = [_beside(steps[axis], axis, sides[axis]) for axis in range(3)]
        ratio = sign * np.einsum("...i,...i", edges[0], np.cross(edges[1], edges[2])) / scale
        least, most = np.fmin(least, ratio), np.fmax(most, ratio)
    return least, most


def rigid_through(points_mm: Floats, places_mm: Floats) -> AffineTransform:
    """Return the rigid motion nearest to where points went, by least squares.

    Parameters
    ----------
    points_mm, places_mm : ndarray, (points, 3)
        Before and after [mm].

    References
    ----------
    Kabsch 1976, doi 10.1107/S0567739476001873.
    """
    middle, there = points_mm.mean(axis=0), places_mm.mean(axis=0)
    u, _, vt = np.linalg.svd((points_mm - middle).T @ (places_mm - there))
    turn = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ vt)))])
    matrix = np.eye(4)
    matrix[:3, :3] = (u @ turn @ vt).T
    matrix[:3, 3] = there - matrix[:3, :3] @ middle
    return AffineTransform(matrix)


def field_quality(
    pull: Transform, grid: Grid, focus: NDArray[np.bool_], back: Transform | None = None
) -> FieldQuality:
    """Return what a deformation does on a grid.

    Parameters
    ----------
    pull : Transform
        The deformation, from the frame of the grid.
    grid : Grid
        Where it is looked at.
    focus : ndarray of bool
        Where its figures are taken, such as the liver; folds are looked for everywhere.
    back : Transform or None
        The way back, found by itself.

    Raises
    ------
    GeometryError
        If the deformation is nowhere defined in the focus.
    """
    points = grid.index_to_lps(np.moveaxis(np.indices(grid.shape, dtype=float), 0, -1))
    places = pull.points(points)
    least, most = field_volume_ratios(places, grid)
    judged = focus & np.isfinite(places).all(axis=-1) & np.isfinite(least) & np.isfinite(most)
    if np.count_nonzero(judged) < 4:
        raise GeometryError(
            "the deformation is not defined where it is needed: its field does not reach the region of interest. Register the "
            "images again around the liver.",
            tag="--register",
        )
    rigid = rigid_through(points[judged], places[judged])
    moved = np.linalg.norm(places[judged] - rigid.points(points[judged]), axis=-1)
    defined = np.isfinite(least)
    return FieldQuality(
        volume_ratio=(float(least[judged].min()), float(most[judged].max())),
        folded_share=float((least[defined] <= 0).mean()),
        displacement_mm=_three(moved),
        harmonic_energy=_harmonic(places - rigid.points(points), grid, judged),
        inconsistency_mm=None
        if back is None
        else _three(np.linalg.norm(back.points(places[judged]) - points[judged], axis=-1)),
    )


def check_field(quality: FieldQuality) -> list[Notice]:
    """Return what is unusual in a deformation.

    Raises
    ------
    GeometryError
        If it folds: two points of one image would be one point of the other.
    """
    if quality.folded_share > 0:
        raise GeometryError(
            f"the deformation folds in {100 * quality.folded_share:.3g} % of its cells (least volume ratio "
            f"{quality.volume_ratio[0]:.2f} in the region of interest): tissue cannot. Nothing is carried by it; use rigid "
            "registration, or register the images elsewhere.",
            tag="--register",
        )
    notices = []
    low, high = quality.volume_ratio
    if low < USUAL_RATIO[0] or high > USUAL_RATIO[1]:
        message = (
            f"local volume ratios of the deformation in the liver go from {low:.2f} to {high:.2f}; outside {USUAL_RATIO[0]:g} to "
            f"{USUAL_RATIO[1]:g} it is more likely wrong than anatomy. Look at the figure before the doses."
        )
        notices.append(Notice("deformation-volume-ratio", message))
    if quality.displacement_mm[2] > FARTHEST_MM:
        message = (
            f"the deformation moves points of the liver by up to {quality.displacement_mm[2]:.1f} mm beyond a rigid motion, more "
            f"than the {FARTHEST_MM:g} mm of breathing. Look at the figure before the doses."
        )
        notices.append(Notice("deformation-far", message))
    back = quality.inconsistency_mm
    if back is not None and not back[1] <= INCONSISTENT_MM:
        message = (
            f"a registration of the other direction ends {back[1]:.1f} mm away in 5 % of the liver (mean {back[0]:.1f} mm): "
            "voxel doses are not better known than that."
        )
        notices.append(Notice("deformation-inconsistent", message))
    return notices


def check_unfolded(pull: Transform, grid: Grid, inside: NDArray[np.bool_], what: str) -> None:
    """Refuse a deformation that folds within a region; folds elsewhere, such as in air, harm nothing.

    Parameters
    ----------
    pull : Transform
        The deformation, from the frame of the grid.
    grid : Grid
        Where it is looked at; of large ones only some voxels are.
    inside : ndarray of bool
        The region.
    what : str
        What it is called.

    Raises
    ------
    GeometryError
        If volumes vanish or turn inside out in it.
    """
    every = math.ceil((inside.size / MOST_POINTS) ** (1 / 3))
    seen = inside[::every, ::every, ::every]
    scale = np.diag([every, every, every, 1.0])
    coarse = Grid(seen.shape, grid.affine @ scale, grid.frame_of_reference_uid)
    places = pull.points(coarse.index_to_lps(np.moveaxis(np.indices(seen.shape, dtype=float), 0, -1)))
    least, _ = field_volume_ratios(places, coarse)
    smallest = float(least[seen].min(initial=np.inf))
    if smallest <= 0:
        raise GeometryError(
            f"the deformation folds within {what} (least volume ratio {smallest:.2f}): tissue cannot. Register the images again, "
            "or use a rigid registration.",
            tag="VectorGridData",
        )


def _beside(steps: Floats, axis: int, side: int) -> Floats:
    """Steps to the next (0) or from the last (1) neighbour along an axis, for every point; at the rim the one there is."""
    rim = steps.take([-1 if side == 0 else 0], axis=axis)
    return np.concatenate([steps, rim] if side == 0 else [rim, steps], axis=axis)


def _harmonic(offsets_mm: Floats, grid: Grid, judged: NDArray[np.bool_]) -> float:
    """Mean of the squared gradient of a displacement."""
    total = np.zeros(grid.shape)
    for axis, step in enumerate(grid.spacing_mm):
        total += (np.gradient(offsets_mm, step, axis=axis) ** 2).sum(axis=-1)
    return float(np.nanmean(total[judged]))


def _three(values: Floats) -> tuple[float, float, float]:
    """Mean, 95th percentile and greatest; points that have no value count as infinitely far."""
    values = np.where(np.isfinite(values), values, np.inf)
    return float(values.mean()), float(np.percentile(values, 95)), float(values.max())
