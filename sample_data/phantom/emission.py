"""Where the activity is, and what a gamma camera shows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .anatomy import Anatomy
from .settings import FWHM_PER_SIGMA, Settings, spect_axes
from .shapes import Array, Points, occupancy

# Room around lungs and liver for the camera's blur and the range of the betas [mm].
TRUTH_MARGIN_MM = 32.0
# Organs are looked for on points about this far apart [mm].
SEARCH_MM = 4.4
SLAB = 8
# Attenuation of 140 keV photons in a broad beam, per mm of water, and the blur of a planar view at
# about the depth of the liver. Round values of the usual size.
WATER_ATTENUATION_PER_MM = 0.012
PLANAR_FWHM_MM = 12.0
# Expected counts are rounded to this before they are drawn, so that the last bit of a
# processor's arithmetic cannot change a draw.
COUNT_STEP = 1.0 / 1024.0


@dataclass(frozen=True)
class Truth:
    """Activity and regions on fine voxels that nest in the SPECT's.

    Parameters
    ----------
    axes : list of ndarray
        Voxel centres along z, y, x in the frame of the anatomy [mm].
    start : tuple of int
        SPECT voxel (slice, row, column) in which the box of the truth begins.
    occupancy : dict
        Fraction of each voxel inside each region, by name.
    fraction : ndarray
        Fraction of all activity in each voxel; sums to 1.
    region_fraction : dict
        Fraction of all activity inside each region, by name; a voxel cut by a surface counts for the
        side that its activity is on.
    """

    axes: list[Array]
    start: tuple[int, int, int]
    occupancy: dict[str, Array]
    fraction: Array
    region_fraction: dict[str, float]


def grid_points(axes: list[Array], anatomy: Anatomy) -> Points:
    """Return the points of a grid, given by its z, y, x, in the unstretched frame of the shapes."""
    z, y, x = (a / s for a, s in zip(axes, anatomy.scale[::-1], strict=True))
    return Points(x[None, None, :], y[None, :, None], z[:, None, None])


def window_of(shape: Callable[[Points], Array], axes: list[Array], anatomy: Anatomy) -> tuple[slice, ...]:
    """Return the part of a grid that holds a shape, found on a coarser grid, with room to spare."""
    voxel = axes[0][1] - axes[0][0]
    step = max(1, round(SEARCH_MM / voxel))
    near = np.asarray(shape(grid_points([a[::step] for a in axes], anatomy))) < 1.5 * step * voxel
    window = []
    for axis, positions in enumerate(axes):
        hit = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != axis)))
        window.append(slice(max(0, (int(hit[0]) - 1) * step), min(positions.size, (int(hit[-1]) + 2) * step)))
    return tuple(window)


def truth_box(anatomy: Anatomy, settings: Settings) -> tuple[list[int], list[int]]:
    """Return the first and the one-past-last SPECT voxel of the box that holds lungs and liver."""
    axes = spect_axes(settings)
    shapes = (anatomy.liver, lambda p: anatomy.lung(p, -1), lambda p: anatomy.lung(p, 1))
    windows = [window_of(shape, axes, anatomy) for shape in shapes]
    margin = int(np.ceil(TRUTH_MARGIN_MM / settings.spect_voxel_mm))
    start = [max(0, min(w[a].start for w in windows) - margin) for a in range(3)]
    stop = [min(axes[a].size, max(w[a].stop for w in windows) + margin) for a in range(3)]
    return start, stop


def slabs(window: tuple[slice, ...]) -> Iterator[tuple[slice, ...]]:
    """Cut a part of a grid into slabs of a few slices, which fit in the processor's cache."""
    for first in range(window[0].start, window[0].stop, SLAB):
        yield (slice(first, min(first + SLAB, window[0].stop)), *window[1:])


def region_occupancies(anatomy: Anatomy, axes: list[Array], width: float) -> dict[str, Array]:
    """Return the fraction of every voxel inside liver, treated lobe and lungs."""
    occ = {
        name: np.zeros([a.size for a in axes]) for name in ("Liver", "Perfused volume", "Lung_L", "Lung_R")
    }
    for name, side in (("Lung_L", 1), ("Lung_R", -1)):
        window = window_of(lambda p, s=side: anatomy.lung(p, s), axes, anatomy)
        for part in slabs(window):
            p = grid_points([a[w] for a, w in zip(axes, part, strict=True)], anatomy)
            occ[name][part] = occupancy(anatomy.lung(p, side), width)
    for part in slabs(window_of(anatomy.liver, axes, anatomy)):
        p = grid_points([a[w] for a, w in zip(axes, part, strict=True)], anatomy)
        liver = anatomy.liver(p)
        occ["Liver"][part] = occupancy(liver, width)
        occ["Perfused volume"][part] = occupancy(anatomy.perfused_part(liver, p), width)
    return occ


def make_truth(anatomy: Anatomy, settings: Settings) -> Truth:
    """Lay regions and activity out on the fine voxels."""
    start, stop = truth_box(anatomy, settings)
    n, t = settings.truth_bins, settings.truth_voxel_mm
    axes = []
    for centres, first, last in zip(spect_axes(settings), start, stop, strict=True):
        edge = centres[first] - settings.spect_voxel_mm / 2
        axes.append(edge + (np.arange((last - first) * n) + 0.5) * t)
    width = t / anatomy.mean_scale
    occ = region_occupancies(anatomy, axes, width)
    uptake, living = relative_uptake(anatomy, axes, width, occ, settings)
    shunt = settings.lung_shunt_fraction
    unit = (1.0 - shunt) / float(uptake.sum())
    lungs = float(occ["Lung_L"].sum() + occ["Lung_R"].sum())
    fraction = unit * uptake + (shunt / lungs) * (occ["Lung_L"] + occ["Lung_R"])
    share = {name: unit * settings.tumour_to_normal_ratio * volume for name, volume in living.items()}
    share |= {name: shunt * float(occ[name].sum()) / lungs for name in ("Lung_L", "Lung_R")}
    share |= {"Liver": 1.0 - shunt, "Perfused volume": 1.0 - shunt, "unperfused liver": 0.0, "lungs": shunt}
    share["all tumours"] = sum(share[name] for name in living)
    share["non-tumour liver"] = share["perfused non-tumour liver"] = 1.0 - shunt - share["all tumours"]
    return Truth(axes, tuple(start), occ, fraction, share)


def relative_uptake(
    anatomy: Anatomy, axes: list[Array], width: float, occ: dict[str, Array], settings: Settings
) -> tuple[Array, dict[str, float]]:
    """Return the liver's uptake (1 in perfused normal liver) and every lesion's living volume [voxels].

    Adds the lesions to the occupancies.
    """
    uptake = occ["Perfused volume"].copy()
    living = {}
    for number, tumour in enumerate(anatomy.tumours, start=1):
        name = f"GTV{number}"
        window = window_of(tumour.distance, axes, anatomy)
        p = grid_points([a[w] for a, w in zip(axes, window, strict=True)], anatomy)
        inside = occupancy(tumour.distance(p), width)
        alive = inside * (1.0 - occupancy(tumour.core_distance(p), width))
        uptake[window] *= 1.0 - inside
        uptake[window] += settings.tumour_to_normal_ratio * alive
        occ[name] = np.zeros(uptake.shape)
        occ[name][window] = inside
        living[name] = float(alive.sum())
    return uptake, living


def bin_down(array: Array, bins: int) -> Array:
    """Sum blocks of bins x bins x bins voxels."""
    nz, ny, nx = (n // bins for n in array.shape)
    return array.reshape(nz, bins, ny, bins, nx, bins).sum(axis=(1, 3, 5))


def spread_up(array: Array, bins: int) -> Array:
    """Share every voxel out evenly among bins x bins x bins finer ones."""
    fine = array.repeat(bins, 0).repeat(bins, 1).repeat(bins, 2)
    return fine / bins**3


def camera(fraction: Array, settings: Settings) -> Array:
    """Return the fine truth as the camera blurs it."""
    if not settings.camera_fwhm_mm:
        return fraction
    sigma = settings.camera_sigma_mm / settings.truth_voxel_mm
    return ndimage.gaussian_filter(fraction, sigma, mode="constant", truncate=5.0)


def spect_image(truth: Truth, blurred: Array, settings: Settings) -> Array:
    """Return the fraction of all activity in every SPECT voxel."""
    image = np.zeros(settings.spect_shape)
    binned = bin_down(blurred, settings.truth_bins)
    image[tuple(slice(s, s + n) for s, n in zip(truth.start, binned.shape, strict=True))] = binned
    return image


def count(expected: Array, settings: Settings, purpose: str) -> tuple[Array, float]:
    """Return what is written, uint16, and the expected value of one unit of it.

    With noise: Poisson counts. Without: the expected counts, scaled so that the highest is 60,000.
    """
    if settings.noiseless:
        unit = float(expected.max()) / 60000.0
        return np.rint(expected / unit).astype(np.uint16), unit
    rounded = np.rint(expected / COUNT_STEP) * COUNT_STEP
    counts = settings.random(purpose).poisson(rounded)
    if counts.max() > 65535:
        raise ValueError(f"{counts.max()} counts in one pixel do not fit in 16 bits: ask for fewer counts")
    return counts.astype(np.uint16), 1.0


def attenuation(hu: Array, hu_axes: list[Array], axes: list[Array], settings: Settings) -> Array:
    """Return the attenuation of 140 keV photons [1/mm] on SPECT voxels, from the CT's Hounsfield units."""
    index = [
        np.interp(a, h, np.arange(h.size), left=-1, right=-1) for a, h in zip(axes, hu_axes, strict=True)
    ]
    block = np.array(settings.spect_voxel_mm) / np.array([abs(h[1] - h[0]) for h in hu_axes])
    smooth = ndimage.uniform_filter(hu, np.maximum(1, np.rint(block)).astype(int), mode="nearest")
    grid = np.meshgrid(*index, indexing="ij")
    sampled = ndimage.map_coordinates(smooth, grid, order=1, mode="constant", cval=-1000.0)
    density = np.where(sampled > 0, 1.0 + 0.0005 * sampled, 1.0 + sampled / 1000.0)
    return WATER_ATTENUATION_PER_MM * np.maximum(density, 0.0)


def planar_views(image: Array, mu: Array, settings: Settings) -> Array:
    """Return what reaches the camera in front and behind, (2, slices, columns), slices from the feet up.

    ``image`` holds the unblurred fraction of activity per SPECT voxel. Photons fly straight to the front
    or the back and are attenuated on the way; the camera then blurs. The views are not mirrored here.
    """
    path = mu * settings.spect_voxel_mm
    in_front = np.cumsum(path, axis=1) - path / 2
    behind = path.sum(axis=1, keepdims=True) - in_front
    sigma = PLANAR_FWHM_MM / FWHM_PER_SIGMA / settings.spect_voxel_mm if settings.camera_fwhm_mm else 0.0
    views = [(image * np.exp(-depth)).sum(axis=1) for depth in (in_front, behind)]
    return np.stack([ndimage.gaussian_filter(v, sigma, mode="constant", truncate=5.0) for v in views])


def geometric_mean_shunt(views: Array, lungs: Array, liver: Array) -> float:
    """Return the lung shunt fraction from both planar views, regions given as projected masks.

    The lungs' region leaves out what lies over the liver.
    """
    lung_part = lungs & ~liver
    lung_counts, liver_counts = (np.sqrt(np.prod([v[m].sum() for v in views])) for m in (lung_part, liver))
    return float(lung_counts / (lung_counts + liver_counts))
