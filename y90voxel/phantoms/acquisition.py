"""One acquisition of a phantom, measured: calibration, background, spheres, insert, resolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.phantoms.blurred_shapes import sphere_volume_ml
from y90voxel.phantoms.filling import Filling
from y90voxel.phantoms.phantom_finding import FoundPhantom, FoundSphere, find_spheres, found_at
from y90voxel.phantoms.phantom_image import PhantomImage
from y90voxel.phantoms.phantom_layout import PhantomLayout
from y90voxel.phantoms.phantom_measures import (
    BackgroundMeasure,
    SphereMeasure,
    ball_share,
    measure_background,
    measure_insert,
    measure_spheres,
)

__all__ = ["AcquisitionMeasure", "SphereResult", "measure_acquisition"]

# Width that keeps a region of the background of a uniform phantom away from its edges, where no sphere tells the blur [mm]:
# the widest of usual SPECT.
UNIFORM_FWHM_MM = 15.0
# A cylinder seen at half of its level may have another volume than the record by this part: 3 % of its diameter.
CYLINDER_TOLERANCE = 0.10
# Without background, counts of the spheres are taken this many widths beyond their surfaces: 3.5 σ.
WHOLE_FWHM = 1.5


@dataclass(frozen=True)
class SphereResult:
    """Recovery of one sphere.

    Parameters
    ----------
    sphere : FoundSphere
        Where it is.
    measured : SphereMeasure
        Means of its regions, in the unit of the image.
    recovery, half_recovery, fixed_recovery, greatest_recovery : float
        (mean − background) over (true − true background), both calibrated by the background: of the true volume, of the 50 %
        region, of 1 mL, of the greatest voxel.
    uncertainty : float
        Standard uncertainty of ``recovery`` by noise.
    contrast_recovery : float or None
        NEMA NU 2-2007: (C/B − 1) over (true ratio − 1), over the sphere's volume; None without background.
    variability : float or None
        NEMA background variability of the sphere's size: SD over mean of balls of background.
    """

    sphere: FoundSphere
    measured: SphereMeasure
    recovery: float
    half_recovery: float
    fixed_recovery: float
    greatest_recovery: float
    uncertainty: float
    contrast_recovery: float | None
    variability: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        sphere = self.sphere
        return {
            "diameter_mm": sphere.diameter_mm,
            "volume_ml": sphere_volume_ml(sphere.diameter_mm),
            "centre_mm": [float(x) for x in sphere.centre_mm],
            "placed_from_layout": sphere.placed,
            "diameter_by_counts_mm": sphere.diameter_by_counts_mm,
            "off_layout_mm": sphere.off_layout_mm,
            "recovery": self.recovery,
            "recovery_uncertainty": self.uncertainty,
            "recovery_50_percent": self.half_recovery,
            "volume_50_percent_ml": self.measured.half_volume_ml,
            "recovery_1_ml": self.fixed_recovery,
            "recovery_max": self.greatest_recovery,
            "contrast_recovery": self.contrast_recovery,
            "background_variability": self.variability,
        }


@dataclass(frozen=True, eq=False)
class AcquisitionMeasure:
    """What one acquisition says.

    Parameters
    ----------
    image : PhantomImage
        The image.
    calibration : float
        Measured over true concentration: cps per MBq of counts, a ratio of Bq/mL.
    calibration_error : float
        Its standard error by noise, relative.
    background : BackgroundMeasure or None
        The uniform part.
    found : FoundPhantom or None
        Where spheres are.
    spheres : tuple of SphereResult
        Recovery; empty in a uniform phantom.
    insert_residual : float or None
        Concentration seen in the cold lung insert over that of the background (NEMA: lung residual); ideally 0.
    """

    image: PhantomImage
    calibration: float
    calibration_error: float
    background: BackgroundMeasure | None
    found: FoundPhantom | None
    spheres: tuple[SphereResult, ...]
    insert_residual: float | None

    def as_dict(self) -> Mapping[str, Any]:
        """Return the acquisition for JSON."""
        background, image = self.background, self.image
        return {
            "start": image.start.isoformat(),
            "duration_s": image.duration_s,
            "activity_bq": image.activity_bq,
            "observed_rate_cps": image.rate_cps,
            "calibration": self.calibration,
            "calibration_noise": self.calibration_error,
            "background": None
            if background is None
            else {
                "mean": background.mean,
                "noise_cv": background.noise_cv,
                "volume_ml": background.volume_ml,
                "uniformity": background.uniformity,
                "spots": background.spots,
                "spot_diameter_mm": background.spot_diameter_mm,
            },
            "fwhm_mm": None if self.found is None else self.found.model.fwhm_mm,
            "fwhm_error_mm": None if self.found is None else self.found.model.fwhm_error_mm,
            "insert_over_background": self.insert_residual,
            "spheres": [one.as_dict() for one in self.spheres],
        }


def measure_acquisition(
    image: PhantomImage,
    layout: PhantomLayout,
    filling: Filling,
    drawn_mm: Sequence[NDArray[np.float64] | None] | None = None,
) -> AcquisitionMeasure:
    """Return what an image of a phantom says.

    Parameters
    ----------
    image : PhantomImage
        Decayed to the filling.
    layout : PhantomLayout
        The phantom.
    filling : Filling
        What it holds.
    drawn_mm : sequence of ndarray or None
        Centres of drawn spheres, LPS [mm]; None finds them.

    Raises
    ------
    InputError
        If the phantom is not found, is cut off, or has other sizes than the record.
    """
    if not layout.spheres:
        return _uniform(image, layout, filling)
    values, grid = image.values, image.grid
    phantom = (
        find_spheres(values, grid, layout)
        if drawn_mm is None
        else found_at(values, grid, layout, drawn_mm, drawn=True)
    )
    model = phantom.model
    background, true = None, filling.background_bq_per_ml
    if true > 0:
        background = measure_background(values, grid, layout, phantom, model.background, model.fwhm_mm)
        if background is None:
            raise InputError(
                f"no background is far enough ({model.fwhm_mm:.1f} mm FWHM) from spheres, insert and edges of the image: the "
                "calibration cannot be measured. Scan more of the phantom.",
                tag="PixelData",
            )
        calibration, error = background.mean / true, background.relative_error
    else:
        calibration, error = _by_spheres(image, phantom, filling)
    level = 0.0 if background is None else background.mean
    results = _results(image, phantom, filling, calibration, background)
    insert = None
    if layout.insert_diameter_mm is not None and level > 0:
        left = measure_insert(values, grid, phantom)
        insert = None if left is None else left / level
    return AcquisitionMeasure(image, calibration, error, background, phantom, results, insert)


def _results(
    image: PhantomImage,
    phantom: FoundPhantom,
    filling: Filling,
    calibration: float,
    background: BackgroundMeasure | None,
) -> tuple[SphereResult, ...]:
    """Recovery of every sphere."""
    level, true = (0.0, 0.0) if background is None else (background.mean, filling.background_bq_per_ml)
    assert filling.sphere_bq_per_ml is not None
    scale = calibration * (filling.sphere_bq_per_ml - true)
    if not scale > 0:
        raise InputError(
            f"spheres ({filling.sphere_bq_per_ml:.4g} Bq/mL) are not warmer than the background ({true:.4g} Bq/mL) by the "
            "filling record: recovery of hot spheres cannot be measured.",
            tag="spheres.activity",
        )
    results = []
    for sphere, one in zip(
        phantom.spheres, measure_spheres(image.values, image.grid, phantom.spheres, level), strict=True
    ):
        variability = None if background is None else _variability(background, sphere.diameter_mm)
        if variability is not None:
            noise = variability * math.sqrt(max(one.mean, level) * level)  # variance grows with what is seen
        else:
            _, share = ball_share(image.grid, sphere.centre_mm, 0.5 * sphere.diameter_mm)
            noise = phantom.model.residual / math.sqrt(share.sum())
        recovery = [
            (value - level) / scale for value in (one.mean, one.half_mean, one.fixed_mean, one.greatest)
        ]
        contrast = None if background is None else (one.mean / level - 1.0) / (filling.ratio - 1.0)
        mean, half, fixed, greatest = recovery
        results.append(
            SphereResult(sphere, one, mean, half, fixed, greatest, noise / scale, contrast, variability)
        )
    return tuple(results)


def _variability(background: BackgroundMeasure, diameter_mm: float) -> float | None:
    """SD over mean of balls of background of a size: measured, or of the largest that fits, by volume."""
    if diameter_mm in background.spot_cv:
        return background.spot_cv[diameter_mm]
    if background.spot_diameter_mm is None or background.uniformity is None:
        return None
    return background.uniformity * math.pow(background.spot_diameter_mm / diameter_mm, 1.5)


def _by_spheres(image: PhantomImage, phantom: FoundPhantom, filling: Filling) -> tuple[float, float]:
    """Calibration of spheres in water: all that is in and around them over their activity, and its error by noise."""
    around = np.zeros(image.grid.shape, bool)
    for sphere in phantom.spheres:
        box, share = ball_share(
            image.grid, sphere.centre_mm, 0.5 * sphere.diameter_mm + WHOLE_FWHM * phantom.model.fwhm_mm
        )
        around[box] |= share > 0.5
    volume = sum(sphere_volume_ml(sphere.diameter_mm) for sphere in phantom.spheres)
    assert filling.sphere_bq_per_ml is not None
    total = float(image.values[around].sum()) * image.grid.voxel_volume_ml
    error = (
        phantom.model.residual * math.sqrt(np.count_nonzero(around)) * image.grid.voxel_volume_ml / abs(total)
    )
    return total / (filling.sphere_bq_per_ml * volume), error


def _uniform(image: PhantomImage, layout: PhantomLayout, filling: Filling) -> AcquisitionMeasure:
    """What a cylinder says."""
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    values, grid = image.values, image.grid
    smooth = gaussian_filter(values, [4.0 / s for s in grid.spacing_mm], mode="constant")
    level = float(np.median(values[smooth > 0.5 * np.percentile(smooth, 99.5)]))
    body = smooth > 0.5 * level
    edge = [body.take(end, axis).any() for axis in range(3) for end in (0, -1)]
    volume = np.count_nonzero(body) * grid.voxel_volume_ml
    radius = layout.radius_mm or 0.0
    wanted = math.pi * radius**2 * (layout.high_mm - layout.low_mm) / 1000.0
    if not any(edge) and abs(volume / wanted - 1.0) > CYLINDER_TOLERANCE:
        raise InputError(
            f"the image shows a phantom of {volume:.0f} mL at half of its level, the record a cylinder of {wanted:.0f} mL "
            f"({100 * CYLINDER_TOLERANCE:.0f} % are allowed). Check phantom.diameter_mm and phantom.length_mm.",
            tag="phantom.diameter_mm",
        )
    background = measure_background(values, grid, layout, None, level, UNIFORM_FWHM_MM)
    if background is None:
        raise InputError(
            f"no part of the cylinder is {1.3 * UNIFORM_FWHM_MM:.0f} mm from its edges and those of the image: nothing uniform "
            "can be measured. Scan the whole phantom.",
            tag="PixelData",
        )
    calibration = background.mean / filling.background_bq_per_ml
    return AcquisitionMeasure(image, calibration, background.relative_error, background, None, (), None)
