"""The digital twin of a phantom: what a camera of known blur, sensitivity, dead time and noise shows of known activity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from y90voxel.phantoms.blurred_shapes import FWHM_PER_SIGMA, blurred_slab, blurred_sphere
from y90voxel.phantoms.phantom_layout import PhantomLayout, Pose
from y90voxel.quantification.decay import decay_factor, frame_decay_factor
from y90voxel.volumes.grid import Grid

__all__ = ["TwinCamera", "count_rate", "twin_concentration", "twin_frame"]

# Fineness of the cross-section that is blurred [mm], and how far a blur reaches, in its standard deviations.
_SECTION_MM = 0.5
_REACH = 5.0  # [standard deviations]; a Gaussian is below 4e-6 of its maximum there
# Where background is present or absent to this share at a voxel's centre, so it is in the whole voxel.
_FLAT = 1e-7
# Part of the reference concentration whose noise a voxel has at least: images of cold regions are not free of noise (a choice).
_NOISE_FLOOR = 0.02


@dataclass(frozen=True)
class TwinCamera:
    """A camera that is known in full.

    Parameters
    ----------
    modality : str
        ``"NM"`` (counts) or ``"PT"`` (Bq/mL).
    fwhm_mm : float
        Resolution of the reconstruction, the voxels' own size not included [mm].
    voxel_mm : tuple of float, (3,)
        Slice, row and column spacing [mm].
    duration_s : float
        Duration of the acquisition [s].
    sensitivity : float
        NM: counts per second and MBq; PT: measured over true concentration.
    dead_time_us : float
        Of a paralysable NM camera [µs].
    noise_cv : float
        Standard deviation over mean of a voxel at the reference concentration, in the first image; it grows as one over the
        root of the concentration, over time and over the image.
    noise_fwhm_mm : float
        Correlation of the noise [mm]; zero for none.
    """

    modality: str = "PT"
    fwhm_mm: float = 6.0
    voxel_mm: tuple[float, float, float] = (4.0, 4.0, 4.0)
    duration_s: float = 1800.0
    sensitivity: float = 1.0
    dead_time_us: float = 0.0
    noise_cv: float = 0.0
    noise_fwhm_mm: float = 0.0


def twin_concentration(
    layout: PhantomLayout,
    pose: Pose,
    grid: Grid,
    fwhm_mm: float,
    sphere_concentration: Sequence[float],
    background: float,
) -> NDArray[np.float64]:
    """Return the mean concentration that each voxel shows, (slices, rows, columns), in the unit of those given.

    Blurred shapes are known in closed form (the body's cross-section to half a millimetre) and averaged over each voxel by
    Gauss-Legendre nodes: 1e-3 of the sphere's concentration or better for voxels up to three standard deviations of the blur.

    Parameters
    ----------
    layout : PhantomLayout
        What lies where.
    pose : Pose
        How it lies in the image.
    grid : Grid
        The image's voxels.
    fwhm_mm : float
        Full width at half maximum of the blur [mm].
    sphere_concentration : sequence of float, (spheres,)
        Of each sphere.
    background : float
        Of the solution around them.
    """
    sigma = fwhm_mm / FWHM_PER_SIGMA
    nodes, weights = np.polynomial.legendre.leggauss(1 + min(3, math.ceil(max(grid.spacing_mm) / sigma)))
    centres = grid.index_to_lps(np.indices(grid.shape).reshape(3, -1).T)
    reach = _REACH * sigma + 0.5 * math.hypot(*grid.spacing_mm)
    near = []
    for sphere, concentration in zip(layout.spheres, sphere_concentration, strict=True):
        at = pose.to_image(np.array(sphere.centre_mm))
        chosen = np.flatnonzero(np.linalg.norm(centres - at, axis=1) <= 0.5 * sphere.diameter_mm + reach)
        near.append((0.5 * sphere.diameter_mm, at, concentration - background, chosen))
    values, edge, section = np.zeros(len(centres)), np.zeros(0, np.intp), None
    if background != 0:
        section = _BlurredSection(layout, fwhm_mm)
        share = section.at(pose.to_phantom(centres))
        edge = np.flatnonzero((share > _FLAT) & (share < 1.0 - _FLAT))
        values = background * share
        values[edge] = 0.0
    for (i, wi), (j, wj), (k, wk) in product(list(zip(nodes, weights, strict=True)), repeat=3):
        points = centres + 0.5 * (grid.affine[:3, :3] @ np.array([i, j, k]))
        weight = wi * wj * wk / 8.0
        if section is not None:
            values[edge] += weight * background * section.at(pose.to_phantom(points[edge]))
        for radius, at, excess, chosen in near:
            distance = np.linalg.norm(points[chosen] - at, axis=1)
            values[chosen] += weight * excess * blurred_sphere(distance, radius, fwhm_mm)
    return values.reshape(grid.shape)


def count_rate(activity_mbq: float, camera: TwinCamera) -> float:
    """Return the rate that a paralysable camera shows of an activity, n exp(−n τ) with n = S A [1/s]."""
    rate = camera.sensitivity * activity_mbq
    return rate * math.exp(-rate * 1e-6 * camera.dead_time_us)


def twin_frame(
    seen: NDArray[np.float64],
    grid: Grid,
    camera: TwinCamera,
    *,
    activity_mbq: float,
    elapsed_s: float,
    half_life_s: float,
    reference: float,
    first_elapsed_s: float = 0.0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float64]:
    """Return the image of one acquisition: counts (NM), or Bq/mL at the start of the acquisition (PT).

    Parameters
    ----------
    seen : ndarray, (slices, rows, columns)
        Mean concentration that voxels show at filling [Bq/mL]; see `twin_concentration`.
    grid : Grid
        Its voxels.
    camera : TwinCamera
        The camera.
    activity_mbq : float
        Activity of the whole phantom at filling [MBq].
    elapsed_s, first_elapsed_s : float
        From filling to the start of this acquisition, and of the first [s].
    half_life_s : float
        Of the nuclide [s].
    reference : float
        Concentration at filling that ``noise_cv`` is stated for [Bq/mL].
    rng : numpy Generator or None
        Draws the noise; None for none.
    """
    left = decay_factor(elapsed_s, half_life_s)
    if camera.modality == "PT":
        scale = left * camera.sensitivity
    else:
        mean_mbq = activity_mbq * left / frame_decay_factor(camera.duration_s, half_life_s)
        counts_per_bq = count_rate(mean_mbq, camera) * camera.duration_s / (1e6 * activity_mbq)
        scale = counts_per_bq * grid.voxel_volume_ml
    image = seen * scale
    if rng is None or camera.noise_cv == 0:
        return image
    # variance grows with what is seen; the scanner's own scale cancels
    decayed = decay_factor(elapsed_s - first_elapsed_s, half_life_s)
    cv = camera.noise_cv / math.sqrt(decayed)
    spread = cv * reference * scale * np.sqrt(np.maximum(seen, _NOISE_FLOOR * reference) / reference)
    return image + spread * _unit_noise(grid, camera.noise_fwhm_mm, rng)


def _unit_noise(grid: Grid, fwhm_mm: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Gaussian noise of variance one, correlated over a width."""
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    noise = rng.standard_normal(grid.shape)
    if fwhm_mm == 0:
        return noise
    noise = gaussian_filter(noise, [fwhm_mm / FWHM_PER_SIGMA / s for s in grid.spacing_mm], mode="wrap")
    return np.asarray(noise / noise.std())


class _BlurredSection:
    """The cross-section of the background after a blur, by interpolation, and the ends along the axis."""

    def __init__(self, layout: PhantomLayout, fwhm_mm: float) -> None:
        # deferred: 0.2 s
        from scipy.ndimage import gaussian_filter

        sigma = fwhm_mm / FWHM_PER_SIGMA
        self.edge = layout.half_width_mm + _REACH * sigma + 2.0 * _SECTION_MM
        line = np.arange(-self.edge, self.edge + _SECTION_MM, _SECTION_MM)
        y, x = np.meshgrid(line, line, indexing="ij")
        step = 0.25 * _SECTION_MM
        parts = [layout.inside(x + dx, y + dy) for dx in (-step, step) for dy in (-step, step)]
        share = np.mean(parts, axis=0, dtype=np.float64)
        self.table = gaussian_filter(share, sigma / _SECTION_MM, mode="constant", truncate=_REACH)
        self.first = line[0]
        self.ends, self.fwhm_mm = (layout.low_mm, layout.high_mm), fwhm_mm

    def at(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of background at points of the phantom's frame, (points, 3)."""
        # deferred: 0.2 s
        from scipy.ndimage import map_coordinates

        where = (points_mm[:, 1::-1].T - self.first) / _SECTION_MM
        across = map_coordinates(self.table, where, order=1, mode="constant")
        return np.asarray(across * blurred_slab(points_mm[:, 2], *self.ends, self.fwhm_mm))
