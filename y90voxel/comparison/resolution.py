"""Two doses at one resolution: the sharper one is blurred to that of the other, activity and energy kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_not_negative
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.errors import InputError, Notice, alternatives
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import summarise
from y90voxel.reference.nuclide_records import surrogate_nuclides
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import DoseMap

__all__ = ["Resolution", "ResolutionMatch", "estimate_fwhm_mm", "match_resolution"]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
OPTION = "--match-resolution"
# Resolutions that differ by less than this are one [mm]: no clinical image is characterised better.
EQUAL_MM = 0.1
# Images of radioembolization lie between these [mm]; a greater width is a slip (cm, or another number).
WIDEST_MM = 40.0
# Widths that an estimate tries [mm]: from sharper than any Y-90 image to blurrier than any bremsstrahlung one.
LEAST_MM, MOST_MM = 2.0, 30.0
# The model is held against the dose so far around liver and tumours [mm].
MARGIN_MM = 20.0
GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


@dataclass(frozen=True)
class Resolution:
    """Resolutions of the two images, FWHM [mm]; None is estimated.

    Parameters
    ----------
    predicted_mm, delivered_mm : float or None
        Of the image that each dose was computed from.
    source : str
        Where they come from.
    nuclides : tuple of (str or None), (2,)
        Nuclides of the phantoms that they were measured with; None where they are not of a commissioning.
    one_gaussian : bool
        Whether one Gaussian fits those phantoms.

    Raises
    ------
    InputError
        If one is negative or greater than 40 mm.
    """

    predicted_mm: float | None = None
    delivered_mm: float | None = None
    source: str = "given"
    nuclides: tuple[str | None, str | None] = (None, None)
    one_gaussian: bool = True

    def __post_init__(self) -> None:
        for which, width in (("predicted", self.predicted_mm), ("delivered", self.delivered_mm)):
            if width is None:
                continue
            check_not_negative(width, f"the resolution of the {which} image", "mm", tag=OPTION)
            if width > WIDEST_MM:
                raise InputError(
                    f"the resolution of the {which} image is {width:g} mm FWHM, more than the {WIDEST_MM:g} mm of any camera. "
                    "Check its unit.",
                    tag=OPTION,
                )

    def check_nuclides(self, predicted: ComparedDose, delivered: ComparedDose) -> None:
        """Refuse a commissioning with another nuclide than the one whose image a dose is from.

        Raises
        ------
        InputError
            If a nuclide is neither that of the therapy nor, of a prediction, that of a surrogate.
        """
        for which, nuclide, side in zip(
            ("predicted", "delivered"), self.nuclides, (predicted, delivered), strict=True
        ):
            if nuclide is None or side.nuclide is None:
                continue
            imaged = (side.nuclide, *(() if side.is_prediction is False else surrogate_nuclides()))
            if nuclide not in imaged:
                raise InputError(
                    f"the resolution of the {which} image is of a phantom with {nuclide}, the image of {alternatives(imaged)}: "
                    "it does not hold for it. Give the scanner.toml of the one that was imaged.",
                    tag=OPTION,
                )


@dataclass(frozen=True)
class ResolutionMatch:
    """What was blurred, and what that did.

    Parameters
    ----------
    predicted_mm, delivered_mm : float
        Resolutions of the two before, FWHM [mm].
    source : str
        Where they come from.
    blurred : str or None
        ``predicted`` or ``delivered``; None where both are equal.
    filter_mm : float
        FWHM of the Gaussian that it was blurred with [mm].
    activity_bq : tuple of float or None
        Activity of its whole map before and after [Bq]; None where the folder has no map of it.
    means_gy : mapping of str to tuple of float
        Means of its regions before and after, not normalised [Gy].
    """

    predicted_mm: float
    delivered_mm: float
    source: str
    blurred: str | None
    filter_mm: float
    activity_bq: tuple[float, float] | None = None
    means_gy: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what was done, for JSON."""
        return {
            "predicted_fwhm_mm": self.predicted_mm,
            "delivered_fwhm_mm": self.delivered_mm,
            "source": self.source,
            "blurred": self.blurred,
            "filter_fwhm_mm": self.filter_mm,
            "activity_bq": None if self.activity_bq is None else list(self.activity_bq),
            "regions": [
                {"name": name, "mean_before_gy": before, "mean_after_gy": after}
                for name, (before, after) in self.means_gy.items()
            ],
        }

    @property
    def statement(self) -> str:
        """What was done, in a sentence."""
        both = f"{self.predicted_mm:.3g} mm (predicted) and {self.delivered_mm:.3g} mm (delivered) FWHM, {self.source}"
        if self.blurred is None:
            return f"Resolutions {both}: equal, nothing was blurred."
        return (
            f"Resolutions {both}: the {self.blurred} dose was blurred with a Gaussian of {self.filter_mm:.3g} mm FWHM, which "
            "keeps the activity of the whole map, and energy where density is even."
        )


def match_resolution(
    predicted: ComparedDose, delivered: ComparedDose, widths: Resolution
) -> tuple[ComparedDose, ComparedDose, ResolutionMatch, list[Notice]]:
    """Return both sides at the resolution of the coarser one, and what that did.

    A Gaussian of FWHM √(coarse² − sharp²) over the dose of the sharper side: the dose of a blurred activity, where density is
    even.

    Parameters
    ----------
    predicted, delivered : ComparedDose
        The two sides.
    widths : Resolution
        Of their images; what is None is estimated, both or none.

    Raises
    ------
    InputError
        If a resolution is to be estimated and a dose has no liver with uptake to estimate it from, or is of another nuclide.
    """
    one, other, source = widths.predicted_mm, widths.delivered_mm, widths.source
    widths.check_nuclides(predicted, delivered)
    notices: list[Notice] = []
    if not widths.one_gaussian:
        message = "no single Gaussian fits the spheres of the phantom that a resolution is from: blurring by one is approximate."
        notices.append(Notice("resolution-not-gaussian", message))
    if one is None or other is None:
        one, other = _estimated(predicted, "predicted"), _estimated(delivered, "delivered")
        source = "estimated"
        message = (
            "the resolutions were estimated from how liver and tumours fade at their contours: that takes uneven uptake, "
            "contours that lie off and breathing for blur. Measured ones (a phantom, such as '12,6') are better."
        )
        notices.append(Notice("resolution-estimated", message))
    if abs(one - other) < EQUAL_MM:
        match = ResolutionMatch(one, other, source, None, 0.0)
        return predicted, delivered, match, [*notices, Notice("resolution-matched", match.statement)]
    width = math.sqrt(abs(one**2 - other**2))
    blurred = "predicted" if one < other else "delivered"
    side = predicted if one < other else delivered
    made, activity = _blurred(side, width)
    means = {
        region.name: (side.metrics(region, side.histogram(region)).mean_gy, made.stated[region.name].mean_gy)
        for region in side.regions
    }
    match = ResolutionMatch(one, other, source, blurred, width, activity, means)
    notices.append(Notice("resolution-matched", match.statement))
    sides = (made, delivered) if blurred == "predicted" else (predicted, made)
    return *sides, match, notices


def estimate_fwhm_mm(dose: DoseMap, regions: tuple[Region, ...]) -> float | None:
    """Return the FWHM of the Gaussian that makes even uptake in liver and tumours most like a dose, or None without a liver.

    Least squares in the amplitudes of liver and tumours, within 20 mm of them; the width by golden section [mm]. Of a dose it
    holds the range of electrons too, which is the same on both sides and cancels in the difference of squares.

    Parameters
    ----------
    dose : DoseMap
        The dose [Gy].
    regions : tuple of Region
        On its grid; ``non-tumour liver`` and tumours are used, or the liver where there are no tumours.
    """
    # deferred: 0.2 s
    from scipy.ndimage import binary_dilation, gaussian_filter

    parts = [r.mask for r in regions if r.role in (Role.NON_TUMOUR_LIVER, Role.TUMOUR)]
    if not any(region.role is Role.NON_TUMOUR_LIVER for region in regions):
        return None
    spacing = np.array(dose.grid.spacing_mm)
    inside = np.any([mask.array >= 0.5 for mask in parts], axis=0)
    reach = np.ceil(MARGIN_MM / spacing).astype(int)
    low = np.maximum(np.argwhere(inside).min(axis=0) - 2 * reach, 0)
    high = np.argwhere(inside).max(axis=0) + 2 * reach + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    ball = sum(
        (o * s) ** 2 for o, s in zip(np.ogrid[tuple(slice(-r, r + 1) for r in reach)], spacing, strict=True)
    )
    near = binary_dilation(inside[box], structure=np.asarray(ball) <= MARGIN_MM**2)
    wanted = dose.array[box][near].astype(np.float64)
    if not wanted.max() > 0:
        return None
    shapes = [np.asarray(mask.array[box], np.float64) for mask in parts]

    def misfit(fwhm_mm: float) -> float:
        sigmas = fwhm_mm / FWHM_PER_SIGMA / spacing
        columns = [gaussian_filter(shape, sigmas)[near] for shape in shapes]
        model = np.stack([*columns, np.ones_like(wanted)], axis=1)
        amplitudes, *_ = np.linalg.lstsq(model, wanted, rcond=None)
        return float(((model @ amplitudes - wanted) ** 2).sum())

    return _least(misfit, LEAST_MM, MOST_MM)


def _least(function: Any, low: float, high: float) -> float:
    """Where a function with one minimum is least, to 0.05."""
    inner, outer = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_inner, at_outer = function(inner), function(outer)
    while high - low > 0.05:
        if at_inner < at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - GOLDEN * (high - low)
            at_inner = function(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + GOLDEN * (high - low)
            at_outer = function(outer)
    return 0.5 * (low + high)


def _estimated(side: ComparedDose, which: str) -> float:
    """The resolution of a side by its own regions."""
    width = estimate_fwhm_mm(side.dose, side.regions)
    if width is None:
        raise InputError(
            f"the resolution of the {which} dose cannot be estimated: it has no liver with dose. Give both in mm FWHM, such as "
            f"{OPTION} 12,6.",
            tag=OPTION,
        )
    return width


def _blurred(side: ComparedDose, fwhm_mm: float) -> tuple[ComparedDose, tuple[float, float] | None]:
    """A side with its dose and activity blurred, and the activity of the whole map before and after [Bq]."""
    dose = side.dose.with_array(_smooth(side.dose.array, fwhm_mm, side.dose.grid.spacing_mm))
    activity, totals = side.activity, None
    if activity is not None:
        activity = activity.with_array(_smooth(activity.array, fwhm_mm, activity.grid.spacing_mm))
        totals = (float(side.activity.array.sum(dtype=np.float64)), float(activity.array.sum()))  # type: ignore[union-attr]
    stated = {}
    for region in side.regions:
        plain = summarise(region, DoseVolumeHistogram.from_dose(dose, region.mask), activity, None, None)
        sharp = side.stated.get(region.name)
        if sharp is not None:
            plain = replace(plain, mass_g=sharp.mass_g, relative_uncertainty=sharp.relative_uncertainty)
        stated[region.name] = plain
    return replace(side, dose=dose, activity=activity, stated=stated, tumour_to_normal={}), totals


def _smooth(array: NDArray[Any], fwhm_mm: float, spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """A Gaussian blur that keeps the sum, also at the edge of the image, where it is mirrored."""
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    sigmas = [fwhm_mm / FWHM_PER_SIGMA / step for step in spacing_mm]
    return np.asarray(gaussian_filter(array.astype(np.float64), sigmas, mode="reflect"))
