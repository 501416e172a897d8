"""What an image of a phantom says: background, noise, spheres and insert, by the regions of NEMA and EANM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from y90voxel.phantoms.blurred_shapes import blurred_sphere
from y90voxel.phantoms.phantom_finding import FoundPhantom, FoundSphere
from y90voxel.phantoms.phantom_layout import PhantomLayout
from y90voxel.volumes.grid import Grid

__all__ = [
    "BackgroundMeasure",
    "SphereMeasure",
    "ball_share",
    "measure_background",
    "measure_insert",
    "measure_spheres",
    "voxel_recovery",
]

# Background keeps away from edges, spheres and insert by so many widths of the blur, and by this at least [mm]: 1.3 FWHM are 3 σ.
MARGIN_FWHM, LEAST_MARGIN_MM = 1.3, 10.0
# Smoothing that finds the body [mm, standard deviation], and the part of the background's level that is inside. Less would take
# the high voxels of a noisy image for the body: at a CoV of 0.7 the mean was 20 % too high with 4 mm.
BODY_SIGMA_MM, BODY_LEVEL = 10.0, 0.5
# Spots of background: as many as NEMA NU 2-2007 has discs (12 in each of 5 planes), and what is needed for a spread.
MOST_SPOTS, LEAST_SPOTS = 60, 6
# Diameters that are tried, the largest first: those of the NEMA spheres [mm].
SPOT_DIAMETERS_MM = (37.0, 28.0, 22.0, 17.0)
# The insert is looked at in a cylinder of 30 mm (NEMA NU 2-2007) along the middle of its length [mm].
INSERT_RADIUS_MM, INSERT_HALF_LENGTH_MM = 15.0, 40.0
# A region of fixed size: 1 mL, the sphere of SUV peak [mm].
FIXED_DIAMETER_MM = 12.4
# Half of the greatest value above background bounds the 50 % region, looked for this far beyond the surface [mm].
HALF, HALF_REACH_MM = 0.5, 8.0
# Samples of a voxel by axis, and Gauss-Legendre nodes: chosen, tests hold recovery to 1 % at voxels of 2.5 to 5 mm.
_SAMPLES, _VOXEL_NODES = 6, 3


@dataclass(frozen=True, eq=False)
class BackgroundMeasure:
    """The uniform part of a phantom.

    Parameters
    ----------
    mean : float
        In the unit of the image.
    noise_cv : float
        Standard deviation of voxels over mean (CoV).
    volume_ml : float
        Of the region [mL].
    spots : int
        Balls that fit in it without overlap.
    spot_diameter_mm : float or None
        Their diameter [mm]; None where too few fit.
    uniformity : float or None
        Standard deviation of their means over the mean.
    spot_cv : mapping of float to float
        The same by the diameter of balls at the same places: background variability of NEMA.
    region : ndarray of bool
        The voxels.
    """

    mean: float
    noise_cv: float
    volume_ml: float
    spots: int
    spot_diameter_mm: float | None
    uniformity: float | None
    spot_cv: Mapping[float, float] = field(default_factory=dict)
    region: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0, 0), bool), repr=False)

    @property
    def relative_error(self) -> float:
        """Standard error of the mean over the mean: of spots, else of voxels."""
        if self.uniformity is not None:
            return self.uniformity / math.sqrt(self.spots)
        return self.noise_cv / math.sqrt(max(int(np.count_nonzero(self.region)), 1))


@dataclass(frozen=True)
class SphereMeasure:
    """One sphere, in the unit of the image.

    Parameters
    ----------
    mean : float
        Over its true volume, voxels by the part that lies inside.
    half_mean, half_volume_ml : float
        Over the voxels above half of the greatest value above background, and their volume [mL].
    fixed_mean : float
        Over 1 mL about its centre.
    greatest : float
        The greatest voxel inside.
    """

    mean: float
    half_mean: float
    half_volume_ml: float
    fixed_mean: float
    greatest: float


def ball_share(
    grid: Grid, centre_mm: NDArray[np.float64], radius_mm: float
) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Return the part of a grid around a ball, and the share of each of its voxels that lies inside, by 216 samples each."""
    middle, reach = grid.lps_to_index(centre_mm), radius_mm / np.array(grid.spacing_mm) + 1.0
    low = np.clip(np.floor(middle - reach).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(middle + reach).astype(int) + 1, low, grid.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5
    share = np.zeros(tuple(high - low))
    # axes of a grid are perpendicular: distances add up axis by axis
    squares = [
        ((np.arange(a, b)[:, None] + steps - m) * s) ** 2
        for a, b, m, s in zip(low, high, middle, grid.spacing_mm, strict=True)
    ]
    for i in range(_SAMPLES):
        for j in range(_SAMPLES):
            flat = squares[0][:, None, i] + squares[1][None, :, j]
            inside = flat[:, :, None, None] + squares[2][None, None] <= radius_mm**2
            share += inside.sum(axis=-1)
    return box, share / _SAMPLES**3


def measure_background(
    image: NDArray[np.float64],
    grid: Grid,
    layout: PhantomLayout,
    phantom: FoundPhantom | None,
    level: float,
    fwhm_mm: float,
) -> BackgroundMeasure | None:
    """Return what the uniform part of a phantom shows; None where none is far enough from everything else.

    Parameters
    ----------
    image, grid
        The image.
    layout : PhantomLayout
        What else is in it.
    phantom : FoundPhantom or None
        Where spheres and insert are; None in a uniform phantom.
    level : float
        About the background, in the unit of the image.
    fwhm_mm : float
        Resolution [mm].
    """
    # deferred: 0.2 s
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter

    margin = max(LEAST_MARGIN_MM, MARGIN_FWHM * fwhm_mm)
    smooth = gaussian_filter(image, [BODY_SIGMA_MM / s for s in grid.spacing_mm], mode="nearest")
    body = binary_fill_holes(smooth > BODY_LEVEL * level)
    # the edge of the image is an edge too: slices there are noisier
    depth = distance_transform_edt(np.pad(body, 1), sampling=grid.spacing_mm)
    region = depth[1:-1, 1:-1, 1:-1] > margin
    if phantom is not None:
        points = grid.index_to_lps(np.argwhere(region))
        clear = np.ones(len(points), bool)
        for sphere in phantom.spheres:
            clear &= np.linalg.norm(points - sphere.centre_mm, axis=1) > 0.5 * sphere.diameter_mm + margin
        if layout.insert_diameter_mm is not None:
            clear &= _axis_distance(points, phantom) > 0.5 * layout.insert_diameter_mm + margin
        region[region] = clear
    values = image[region]
    if values.size < 2 or not values.mean() > 0:
        return None
    mean = float(values.mean())
    spots, diameter = _spots(region, grid)
    sizes = sorted({*SPOT_DIAMETERS_MM, *(sphere.diameter_mm for sphere in layout.spheres)})
    fitting = [d for d in sizes if diameter is not None and d <= diameter]
    spread = {d: _spread(image, grid, spots, d) / mean for d in fitting}
    return BackgroundMeasure(
        mean=mean,
        noise_cv=float(values.std(ddof=1)) / mean,
        volume_ml=values.size * grid.voxel_volume_ml,
        spots=len(spots),
        spot_diameter_mm=diameter,
        uniformity=None if diameter is None else spread[diameter],
        spot_cv=spread,
        region=region,
    )


def measure_spheres(
    image: NDArray[np.float64], grid: Grid, spheres: Sequence[FoundSphere], background: float
) -> list[SphereMeasure]:
    """Return the regions of each sphere; ``background`` in the unit of the image."""
    # deferred: 0.2 s
    from scipy.ndimage import label

    measured = []
    for sphere in spheres:
        radius = 0.5 * sphere.diameter_mm
        box, share = ball_share(grid, sphere.centre_mm, radius)
        part = image[box]
        fixed_box, fixed = ball_share(grid, sphere.centre_mm, 0.5 * FIXED_DIAMETER_MM)
        around_box, around = ball_share(grid, sphere.centre_mm, radius + HALF_REACH_MM)
        near = np.where(around > 0, image[around_box], -np.inf)
        touched = part[share > 0]
        greatest = float(touched.max())
        above, _ = label(near >= background + HALF * (greatest - background))
        peak = np.where(near == greatest)
        own = above == above[peak][0] if peak[0].size and above[peak][0] else near == near.max()
        measured.append(
            SphereMeasure(
                mean=float((part * share).sum() / share.sum()),
                half_mean=float(image[around_box][own].mean()),
                half_volume_ml=float(own.sum()) * grid.voxel_volume_ml,
                fixed_mean=float((image[fixed_box] * fixed).sum() / fixed.sum()),
                greatest=greatest,
            )
        )
    return measured


def voxel_recovery(grid: Grid, centre_mm: NDArray[np.float64], diameter_mm: float, fwhm_mm: float) -> float:
    """Return the recovery of a sphere as these voxels and this region have it: the mean that `measure_spheres` takes.

    A voxel of 4 mm and the edge of the region in it lower a sphere of 10 mm by 4 to 12 %, more the sharper the image is.

    Parameters
    ----------
    grid : Grid
        The voxels.
    centre_mm : ndarray, (3,)
        Of the sphere, LPS [mm].
    diameter_mm, fwhm_mm : float
        Of the sphere and of the blur [mm].
    """
    box, share = ball_share(grid, centre_mm, 0.5 * diameter_mm)
    used = np.argwhere(share > 0)
    points = grid.index_to_lps(used + np.array([s.start for s in box]))
    nodes, weights = np.polynomial.legendre.leggauss(_VOXEL_NODES)
    mean = np.zeros(len(points))
    for (i, wi), (j, wj), (k, wk) in product(list(zip(nodes, weights, strict=True)), repeat=3):
        moved = points + 0.5 * (grid.affine[:3, :3] @ np.array([i, j, k]))
        mean += (
            wi
            * wj
            * wk
            / 8.0
            * blurred_sphere(np.linalg.norm(moved - centre_mm, axis=1), 0.5 * diameter_mm, fwhm_mm)
        )
    inside = share[tuple(used.T)]
    return float((mean * inside).sum() / inside.sum())


def measure_insert(image: NDArray[np.float64], grid: Grid, phantom: FoundPhantom) -> float | None:
    """Return the mean in the middle of the cold insert, in the unit of the image; None where the image does not hold it."""
    points = grid.index_to_lps(np.indices(grid.shape).reshape(3, -1).T)
    along = np.abs((points - phantom.pose.centre_mm) @ phantom.pose.rotation[:, 2])
    inside = (_axis_distance(points, phantom) <= INSERT_RADIUS_MM) & (along <= INSERT_HALF_LENGTH_MM)
    return float(image.ravel()[inside].mean()) if inside.any() else None


def _axis_distance(points: NDArray[np.float64], phantom: FoundPhantom) -> NDArray[np.float64]:
    """Distance of points from the axis of the phantom [mm]."""
    off, axis = points - phantom.pose.centre_mm, phantom.pose.rotation[:, 2]
    return np.asarray(np.linalg.norm(off - np.outer(off @ axis, axis), axis=1))


def _spots(region: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.float64], float | None]:
    """Centres of balls that lie in a region without overlap [mm], of the largest diameter that fits often enough."""
    # deferred: 0.2 s
    from scipy.ndimage import distance_transform_edt

    room = distance_transform_edt(np.pad(region, 1), sampling=grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    for diameter in SPOT_DIAMETERS_MM:
        left = grid.index_to_lps(np.argwhere(room >= 0.5 * diameter))
        chosen: list[NDArray[np.float64]] = []
        while len(left) and len(chosen) < MOST_SPOTS:
            chosen.append(left[0])
            left = left[np.linalg.norm(left - left[0], axis=1) >= diameter]
        if len(chosen) >= LEAST_SPOTS:
            return np.array(chosen), diameter
    return np.zeros((0, 3)), None


def _spread(image: NDArray[np.float64], grid: Grid, spots: NDArray[np.float64], diameter_mm: float) -> float:
    """Standard deviation of the means of balls."""
    means = []
    for centre in spots:
        box, share = ball_share(grid, centre, 0.5 * diameter_mm)
        means.append(float((image[box] * share).sum() / share.sum()))
    return float(np.std(means, ddof=1))
