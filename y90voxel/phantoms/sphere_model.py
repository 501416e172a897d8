"""Blurred spheres fitted to an image: centres, one amplitude, one background, one width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.phantoms.blurred_shapes import FWHM_PER_SIGMA, blurred_sphere
from y90voxel.volumes.grid import Grid

__all__ = ["SphereModel", "box_width_mm", "fit_sphere_model"]

# How far around its surface a sphere is looked at [mm]; the insert is 13 mm from the largest.
AROUND_MM = 9.0
# Where the fit starts, and what it may reach [mm].
FIRST_FWHM_MM, FWHM_RANGE_MM = 8.0, (1.0, 30.0)
# Rounds of width and centres in turn: chosen, tests hold centres of the twin without noise to 0.1 mm.
ROUNDS = 4
# Correlation of neighbours that is believed at most: a width of ten voxels.
MOST_CORRELATION = 0.95
# Voxels looked at of each sphere at most.
MOST_VOXELS = 4000

Insert = tuple[NDArray[np.float64], NDArray[np.float64], float]


@dataclass(frozen=True, eq=False)
class SphereModel:
    """What fits the image around spheres.

    Parameters
    ----------
    centres_mm : tuple of ndarray
        Of each sphere, LPS [mm].
    amplitude, background : float
        Spheres above background, and background, in the unit of the image.
    fwhm_mm : float
        Resolution without the voxels' own size [mm].
    fwhm_error_mm : float
        Its standard error, from the residuals [mm].
    centre_errors_mm : ndarray
        Standard error of each centre, by axis [mm]; zero where centres were not fitted.
    signals : ndarray
        Amplitude of each sphere alone over its standard error, the width kept.
    counts : ndarray
        Sum above background around each sphere, over that of the model at amplitude one.
    count_errors : ndarray
        Their standard errors.
    residual : float
        Root mean square of what the fit leaves, in the unit of the image.
    """

    centres_mm: tuple[NDArray[np.float64], ...]
    amplitude: float
    background: float
    fwhm_mm: float
    fwhm_error_mm: float
    centre_errors_mm: NDArray[np.float64]
    signals: NDArray[np.float64]
    counts: NDArray[np.float64]
    count_errors: NDArray[np.float64]
    residual: float

    def moved_to(self, centres_mm: Sequence[NDArray[np.float64]]) -> SphereModel:
        """Return the model with other centres."""
        return replace(self, centres_mm=tuple(centres_mm))


def box_width_mm(grid: Grid) -> float:
    """Return the FWHM of a Gaussian with the variance of a voxel, s²/12 by axis, averaged over the axes [mm]."""
    return FWHM_PER_SIGMA * math.sqrt(float(np.mean(np.square(grid.spacing_mm))) / 12.0)


def fit_sphere_model(
    image: NDArray[np.float64],
    grid: Grid,
    centres_mm: Sequence[NDArray[np.float64]],
    diameters_mm: Sequence[float],
    insert: Insert | None = None,
    *,
    move: bool = True,
) -> SphereModel:
    """Return the blurred spheres that fit an image best, by rounds of least squares.

    Parameters
    ----------
    image : ndarray, (slices, rows, columns)
        Proportional to concentration.
    grid : Grid
        Its voxels.
    centres_mm, diameters_mm : sequence
        Where spheres are about, LPS, and their sizes [mm].
    insert : tuple or None
        Point and direction of the axis of a cold cylinder, and its radius [mm].
    move : bool
        Whether centres are fitted.
    """
    # deferred: 0.3 s
    from scipy.optimize import least_squares

    radii = [0.5 * d for d in diameters_mm]
    parts = [_Part.about(image, grid, c, r) for c, r in zip(centres_mm, radii, strict=True)]
    values = np.concatenate([part.values for part in parts])
    box = box_width_mm(grid)
    background = float(np.percentile(values, 20))
    amplitude = float(np.percentile(parts[int(np.argmax(radii))].values, 95)) - background
    fwhm, centres = FIRST_FWHM_MM, [np.asarray(c, np.float64) for c in centres_mm]
    unit = max(abs(amplitude), abs(background), 1e-300)
    low, high = (np.log(math.hypot(w, box)) for w in FWHM_RANGE_MM)
    errors = [0.0] * len(parts)
    for _ in range(ROUNDS):
        shapes = [part.points - centre for part, centre in zip(parts, centres, strict=True)]

        def missed(p: NDArray[np.float64], shapes: list[NDArray[np.float64]] = shapes) -> NDArray[np.float64]:
            seen = [
                p[0] * blurred_sphere(np.linalg.norm(s, axis=1), r, math.exp(p[2]))
                + p[1] * part.warm(insert, math.exp(p[2]))
                for s, r, part in zip(shapes, radii, parts, strict=True)
            ]
            return np.asarray((np.concatenate(seen) * unit - values) / unit)

        start = [amplitude / unit, background / unit, min(max(math.log(math.hypot(fwhm, box)), low), high)]
        common = least_squares(missed, start, bounds=([-np.inf, -np.inf, low], [np.inf, np.inf, high]))
        amplitude, background, wide = common.x[0] * unit, common.x[1] * unit, math.exp(common.x[2])
        fwhm = math.sqrt(max(wide**2 - box**2, FWHM_RANGE_MM[0] ** 2))
        if move:
            moved = [
                _moved(part, centre, r, (amplitude, background, wide), insert)
                for part, centre, r in zip(parts, centres, radii, strict=True)
            ]
            centres, errors = [centre for centre, _ in moved], [error for _, error in moved]
    largest = int(np.argmax(radii))
    grown = math.sqrt(
        _voxels_alike(parts[largest], centres[largest], radii[largest], (amplitude, background, wide), insert)
    )
    residual = unit * math.sqrt(2.0 * common.cost / max(len(values) - 3, 1))
    covariance = np.linalg.pinv(common.jac.T @ common.jac) * (grown * residual / unit) ** 2
    own = [
        _alone(part, c, r, wide, insert, background) for part, c, r in zip(parts, centres, radii, strict=True)
    ]
    return SphereModel(
        centres_mm=tuple(centres),
        amplitude=amplitude,
        background=background,
        fwhm_mm=fwhm,
        fwhm_error_mm=float(math.sqrt(covariance[2, 2]) * wide**2 / fwhm),
        centre_errors_mm=grown * np.array(errors),
        signals=np.array([one.amplitude / max(grown * one.error, 1e-300) for one in own]),
        counts=np.array([one.count for one in own]),
        count_errors=grown * np.array([one.count_error for one in own]),
        residual=residual,
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """Voxels around one sphere."""

    points: NDArray[np.float64]
    values: NDArray[np.float64]
    block: NDArray[np.float64]
    block_points: NDArray[np.float64]

    @classmethod
    def about(
        cls, image: NDArray[np.float64], grid: Grid, centre_mm: NDArray[np.float64], radius_mm: float
    ) -> _Part:
        """Return the voxels within reach of a sphere."""
        reach = (radius_mm + AROUND_MM) / np.array(grid.spacing_mm)
        middle = grid.lps_to_index(centre_mm)
        low = np.clip(np.floor(middle - reach).astype(int), 0, grid.shape)
        high = np.clip(np.ceil(middle + reach).astype(int) + 1, 0, grid.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        part = image[box]
        points = grid.index_to_lps(np.indices(part.shape).reshape(3, -1).T + low)
        near = np.flatnonzero(np.linalg.norm(points - centre_mm, axis=1) <= radius_mm + AROUND_MM)
        near = near[:: max(1, len(near) // MOST_VOXELS)]
        return cls(points[near], part.ravel()[near].astype(np.float64), part, points)

    def warm(
        self, insert: Insert | None, fwhm_mm: float, points: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return the share of background at the voxels, or at other points: less near a cold insert."""
        at = self.points if points is None else points
        if insert is None:
            return np.ones(len(at))
        point, axis, radius = insert
        off = at - point
        distance = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)
        return 1.0 - _blurred_disc(distance, radius, fwhm_mm)


def _blurred_disc(distance_mm: NDArray[np.float64], radius_mm: float, fwhm_mm: float) -> NDArray[np.float64]:
    """A disc after a Gaussian blur, from its profile: chords of the disc weighted by the blur across them."""
    # deferred: 0.2 s
    from scipy.special import erf

    sigma = fwhm_mm / FWHM_PER_SIGMA
    x = radius_mm * np.sin(np.linspace(-0.5 * math.pi, 0.5 * math.pi, 65))
    middle, width = 0.5 * (x[1:] + x[:-1]), np.diff(x)
    half = np.sqrt(np.maximum(radius_mm**2 - middle**2, 0.0)) / (math.sqrt(2.0) * sigma)
    r = np.linspace(0.0, radius_mm + 6.0 * sigma, 200)
    gauss = np.exp(-0.5 * ((r[:, None] - middle) / sigma) ** 2) / (math.sqrt(2.0 * math.pi) * sigma)
    profile = (gauss * erf(half) * width).sum(axis=1)
    return np.asarray(np.interp(distance_mm, r, profile, right=0.0))


def _moved(
    part: _Part,
    centre: NDArray[np.float64],
    radius: float,
    shape: tuple[float, float, float],
    insert: Insert | None,
) -> tuple[NDArray[np.float64], float]:
    """The centre that fits one sphere best, its shape kept, and its standard error by axis."""
    # deferred: 0.3 s
    from scipy.optimize import least_squares

    amplitude, background, wide = shape
    rest = (part.values - background * part.warm(insert, wide)) / (amplitude or 1.0)

    def missed(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(blurred_sphere(np.linalg.norm(part.points - at, axis=1), radius, wide) - rest)

    optimum = least_squares(missed, centre, max_nfev=20)
    variance = 2.0 * optimum.cost / max(len(part.values) - 3, 1)
    spread = np.trace(np.linalg.pinv(optimum.jac.T @ optimum.jac)) * variance / 3.0
    return np.asarray(optimum.x), math.sqrt(spread)


@dataclass(frozen=True)
class _Alone:
    """One sphere above the common background, with standard errors from what the fit leaves."""

    amplitude: float
    error: float
    count: float
    count_error: float


def _alone(
    part: _Part,
    centre: NDArray[np.float64],
    radius: float,
    wide: float,
    insert: Insert | None,
    background: float,
) -> _Alone:
    """Amplitude of one sphere by least squares, and by the sum of its counts, which knows no size."""
    shape = blurred_sphere(np.linalg.norm(part.points - centre, axis=1), radius, wide)
    rest = part.values - background * part.warm(insert, wide)
    weight, total = float(shape @ shape), float(shape.sum())
    amplitude = float(shape @ rest) / weight
    left = rest - amplitude * shape
    noise = math.sqrt(float(left @ left) / max(len(left) - 1, 1))
    return _Alone(
        amplitude, noise / math.sqrt(weight), float(rest.sum()) / total, noise * math.sqrt(len(rest)) / total
    )


def _voxels_alike(
    part: _Part,
    centre: NDArray[np.float64],
    radius: float,
    shape: tuple[float, float, float],
    insert: Insert | None,
) -> float:
    """How many voxels deviate together, by the correlation of neighbours in what the fit leaves: Π (1 + 2 Σ ρ^(k²)) by axis.

    Noise that was filtered has a Gaussian autocorrelation, so that neighbours k voxels apart have ρ^(k²).
    """
    amplitude, background, wide = shape
    model = amplitude * blurred_sphere(np.linalg.norm(part.block_points - centre, axis=1), radius, wide)
    model += background * part.warm(insert, wide, part.block_points)
    left = part.block - model.reshape(part.block.shape)
    steps, together = np.arange(1, 11), 1.0
    for axis in range(3):
        one, other = np.moveaxis(left, axis, 0)[:-1], np.moveaxis(left, axis, 0)[1:]
        size = math.sqrt(float((one**2).sum() * (other**2).sum()))
        rho = min(max(float((one * other).sum()) / size, 0.0), MOST_CORRELATION) if size > 0 else 0.0
        together *= 1.0 + 2.0 * float((rho ** (steps**2)).sum())
    return together
