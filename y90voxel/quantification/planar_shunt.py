"""The planar lung shunt: geometric mean of opposite views, net of background, and corrected for attenuation along the CT's rays.

Conjugate views: of a source of thickness t (µt its own attenuation) on a ray of attenuation µL in all, the geometric mean of
both views times exp(µL / 2) (µt / 2) / sinh(µt / 2) is free of depth and attenuation. The lungs are thin to photons and the
liver is thick, so without it the lungs weigh too much. Blur carries liver counts over the lung base: pixels near the liver's
shadow belong to the liver, and the lung that is left stands for all of it by volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.quantification.emission import PlanarImage
from y90voxel.quantification.lung_counts import correct_shunt_for_attenuation
from y90voxel.quantification.planar_rays import Rays, rays_of, shadows_of
from y90voxel.reference.photon_attenuation import ATTENUATION_PER_CM, ATTENUATION_SPREAD_PER_CM
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.regions import Regions
from y90voxel.volumes.volume import CtImage

__all__ = [
    "LEAST_LUNG_IN_SIGHT",
    "PlanarSetup",
    "PlanarShunt",
    "planar_shunt",
]

# Geometric means are formed over squares of this edge: small enough for one depth, large enough for their counts [mm].
SQUARE_MM = 40.0
# Background lies between one and so many margins from lungs and liver.
BACKGROUND_REACH = 3.0
# With less of the lungs clear of the liver's shadow, what is seen says too little of the rest.
LEAST_LUNG_IN_SIGHT = 0.25
# Lungs are detected up to so many times as readily as the liver where nothing is corrected for attenuation (own estimate).
GREATEST_DETECTION_RATIO = 2.0

Counts = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlanarSetup:
    """What a planar lung shunt is measured with.

    Parameters
    ----------
    image : PlanarImage or None
        Both views.
    regions : Regions or None
        Lungs and liver in full.
    ct : CtImage or None
        For attenuation; None leaves it uncorrected.
    density : DensityCalibration
        CT numbers to density.
    margin_mm : float
        Pixels closer to the liver's shadow than this are the liver's [mm].
    attenuation_per_cm : float
        Effective coefficient of the views, per unit density [1/cm per g/mL]; about 0.15 for views free of scatter.

    Raises
    ------
    InputError
        If the coefficient is not positive.
    """

    image: PlanarImage | None = None
    regions: Regions | None = None
    ct: CtImage | None = None
    density: DensityCalibration = field(default_factory=DensityCalibration)
    margin_mm: float = 20.0
    attenuation_per_cm: float = ATTENUATION_PER_CM

    def __post_init__(self) -> None:
        check_positive(
            self.attenuation_per_cm, "the planar attenuation", "1/cm", tag="lung.planar_attenuation_per_cm"
        )


@dataclass(frozen=True)
class PlanarShunt:
    """A planar lung shunt and what it rests on.

    Parameters
    ----------
    fraction : float
        By the method asked for.
    both_lungs, left_lung : float or None
        From both lungs, and from the left lung alone; None where too little of them is clear of the liver.
    plain : float
        The geometric mean of the shadows as they are: no background, no attenuation.
    attenuation_corrected : bool
        Whether a CT was there.
    background : tuple of float, (2,)
        Counts per pixel of front and back view.
    in_sight : float
        Share of the lungs that were measured, by volume, that is clear of the liver.
    errors : dict of str to float
        Standard uncertainties by cause: counts, attenuation, background, uniform uptake.
    """

    fraction: float
    both_lungs: float | None
    left_lung: float | None
    plain: float
    attenuation_corrected: bool
    background: tuple[float, float]
    in_sight: float
    errors: dict[str, float]

    @property
    def standard_error(self) -> float:
        """Standard uncertainty of the fraction, parts in quadrature."""
        return math.sqrt(sum(part**2 for part in self.errors.values()))


@dataclass(frozen=True, eq=False)
class _Views:
    """Both views with all that is known of their pixels."""

    image: PlanarImage
    rays: Rays
    attenuation_per_cm: float

    @cached_property
    def background(self) -> tuple[float, float]:
        """Counts per pixel beside lungs and liver, front and back: median over squares, so that a focus does not count."""
        beside = self.rays.beside(BACKGROUND_REACH)
        squares = _squares(self.image.anterior.shape, self.rays.pixel_mm)
        per_pixel = []
        for view in (self.image.anterior, self.image.posterior):
            pixels = np.bincount(squares[beside], minlength=1)
            sums = np.bincount(squares[beside], weights=view[beside])
            whole = pixels > 0
            per_pixel.append(float(np.median(sums[whole] / pixels[whole])) if whole.any() else 0.0)
        return per_pixel[0], per_pixel[1]

    def counts(self, zone: NDArray[np.bool_], weight: Counts, share: float) -> tuple[float, float]:
        """Corrected counts of a zone with a share of the background taken off, and their variance."""
        squares = _squares(zone.shape, self.rays.pixel_mm)[zone]
        w, under = weight[zone], share * self.rays.background_share[zone]
        sums, variances = [], []
        for view, level in zip((self.image.anterior, self.image.posterior), self.background, strict=True):
            sums.append(np.bincount(squares, weights=(view[zone] - level * under) * w))
            variances.append(np.bincount(squares, weights=np.maximum(view[zone], 0.0) * w**2))
        front, back = sums
        seen = (front > 0) & (back > 0)
        mean = np.sqrt(front[seen] * back[seen])
        relative = 0.25 * (variances[0][seen] / front[seen] ** 2 + variances[1][seen] / back[seen] ** 2)
        return float(mean.sum()), float((mean**2 * relative).sum())


def planar_shunt(setup: PlanarSetup, *, left_only: bool = False) -> PlanarShunt:
    """Return the lung shunt by planar views with its uncertainty.

    L = C / (C + H − (1 − v) C): C the counts of all lungs by those that are clear of the liver, v their share by volume, H the
    counts of the liver's zone, all net of background and, with a CT, corrected for attenuation.

    Parameters
    ----------
    setup : PlanarSetup
        Views with their position, lungs and liver, and the CT where there is one.
    left_only : bool
        Whether the left lung stands for both: liver shines through the right one.

    Raises
    ------
    InputError
        If less than a quarter of the lungs, or of the left one where it is asked for, lies clear of the liver, or there are no
        counts.

    References
    ----------
    Conjugate views with a source of known thickness: MIRD pamphlet 16, Siegel et al. 1999, J Nucl Med 40:37S. Background and
    geometric mean of 99mTc-MAA views: doi 10.1186/s12885-022-10392-y. Liver shine-through: Allred et al. 2018, J Nucl Med 59:665.
    """
    image, regions = setup.image, setup.regions
    if image is None or image.grid is None or regions is None:
        raise InputError(
            "the planar lung shunt needs anterior and posterior views with their position "
            f"({'none was found' if image is None else 'the views have no position in their header'}). "
            "Give --lung-shunt as a number.",
            tag="administration.lung_shunt_fraction",
        )
    rays = rays_of(image.grid, regions, setup.ct, setup.density, setup.margin_mm)
    views = _Views(image, rays, setup.attenuation_per_cm)
    used = setup.attenuation_per_cm
    spread = ATTENUATION_SPREAD_PER_CM if rays.attenuates else 0.0
    _check_in_sight(rays, left=left_only)
    fraction, statistics = _fraction(views, used, left=left_only)
    other = None
    if rays.in_sight(left=not left_only) >= LEAST_LUNG_IN_SIGHT:
        other = _fraction(views, used, left=not left_only)[0]
    of_lungs, of_liver = (
        _fraction(views, used + lungs, left=left_only, liver_per_cm=used + liver)[0] - fraction
        for lungs, liver in ((spread, 0.0), (0.0, spread))
    )
    without = _fraction(views, used, left=left_only, background=0.0)[0]
    errors = {
        "counts": statistics,
        "attenuation": math.hypot(of_lungs, of_liver) if rays.attenuates else _unattenuated_error(fraction),
        "background": 0.5 * abs(without - fraction),
        "uniform uptake": 0.0 if other is None else 0.5 * abs(fraction - other),
    }
    return PlanarShunt(
        fraction,
        other if left_only else fraction,
        fraction if left_only else other,
        _plain(image, regions),
        rays.attenuates,
        views.background,
        rays.in_sight(left=left_only),
        errors,
    )


def _fraction(
    views: _Views,
    attenuation_per_cm: float,
    *,
    left: bool,
    background: float = 1.0,
    liver_per_cm: float | None = None,
) -> tuple[float, float]:
    """Shunt with a coefficient (or another one for the liver), and its uncertainty by counting."""
    rays = views.rays
    lungs = rays.lung_weight(attenuation_per_cm)
    seen, seen_variance = views.counts(rays.lung_zone(left=left), lungs, background)
    hepatic, hepatic_variance = views.counts(
        rays.liver_zone, rays.liver_weight(liver_per_cm or attenuation_per_cm), background
    )
    clear = rays.in_sight(left=left) * (rays.left_share if left else 1.0)
    whole = seen / clear
    total = whole + max(hepatic - whole * (1.0 - rays.in_sight(left=False)), 0.0)
    if not total > 0:
        raise InputError(
            "the planar views hold no counts in lungs and liver above their background. Check that they show the same patient "
            "position as the regions, or give --lung-shunt as a number.",
            tag="administration.lung_shunt_fraction",
        )
    fraction = whole / total
    if not whole > 0:
        return fraction, math.sqrt(seen_variance) / clear / total
    relative = math.sqrt(seen_variance / seen**2 + hepatic_variance / max(hepatic, 1e-12) ** 2)
    return fraction, fraction * (1.0 - fraction) * relative


def _check_in_sight(rays: Rays, *, left: bool) -> None:
    """Refuse lungs that the liver hides."""
    clear = rays.in_sight(left=left)
    if clear < LEAST_LUNG_IN_SIGHT:
        which = "the left lung" if left else "the lungs"
        raise InputError(
            f"on the views, {100 * clear:.1f} % of {which} lie further than {rays.margin_mm:g} mm from the liver's shadow, "
            f"and {100 * LEAST_LUNG_IN_SIGHT:g} % are needed to stand for the rest. Give --lung-shunt as a number, or spect.",
            tag="administration.lung_shunt_fraction",
        )


def _unattenuated_error(fraction: float) -> float:
    """Half the range of what may be true where nothing corrects for attenuation."""
    return 0.5 * (fraction - correct_shunt_for_attenuation(fraction, GREATEST_DETECTION_RATIO))


def _plain(image: PlanarImage, regions: Regions) -> float:
    """The geometric mean of the shadows as they are; where they overlap, the liver wins."""
    assert image.grid is not None  # checked by the caller
    on_lung, on_liver = shadows_of(image.grid, regions)
    on_lung = on_lung & ~on_liver
    means = [
        math.sqrt(max(float(image.anterior[m].sum()), 0.0) * max(float(image.posterior[m].sum()), 0.0))
        for m in (on_lung, on_liver)
    ]
    return means[0] / sum(means) if sum(means) > 0 else 0.0


def _squares(shape: tuple[int, ...], pixel_mm: tuple[float, float]) -> NDArray[np.int64]:
    """Number of the square that each pixel lies in."""
    rows, columns = (
        np.floor(np.arange(n) * mm / SQUARE_MM).astype(np.int64)
        for n, mm in zip(shape, pixel_mm, strict=True)
    )
    return np.asarray(rows[:, None] * (int(columns[-1]) + 1) + columns[None, :])
