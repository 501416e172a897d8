"""Dose-volume histograms under all that is uncertain, sampled over one dose map.

What is drawn anew for each sample: the calibration, how far each region's boundary lies from where it was drawn, the
shift between emission image and regions, and the noise of the image. Only the noise changes the shape of the dose: it is
carried to dose by convolution, a few realisations of it being used in turn. Calibration scales the one dose map; boundary
and shift move the regions over it.

A sample is what the truth may be, given what was found. Calibration and boundary are as likely on either side. Noise and
misregistration are not: noise broadens every histogram, a shift takes dose from every hot region. What more of them would
change shows what they have changed already, and is taken off instead of put on (the pivotal form of the bootstrap; Davison
and Hinkley 1997, Bootstrap Methods and their Application, section 5.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.engine_request import engine_request
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.image_noise import NoisyImage
from y90voxel.case.uncertainty_inputs import UncertaintyInputs
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.engine import Engine
from y90voxel.dose.engines import engine_rows
from y90voxel.errors import Notice
from y90voxel.metrics._band_loops import fill_histogram
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT, DvhBand
from y90voxel.metrics.uncertainty_budget import diameter_uncertainty_mm
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.decay import integrate_over_time
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.boundary import MovableRegion
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.box import widened_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap

__all__ = ["sample_bands"]

# Sampling a finer dose grid than this takes coarser voxels: only differences from the dose map are taken from them.
MOST_VOXELS = 600_000
# Noise images at most, used in turn; chosen: each is drawn and blurred on the whole image, which takes time.
NOISE_MAPS = 48
# Of the dose axis of a sample; chosen: a bin is 0.02 % of the range, far below the width of a band.
BINS = 4096
# Draws further out than this many standard deviations are taken as that far [1].
FURTHEST = 3.5
# Noise within this distance of the regions reaches them [mm]; the kernel ends before.
NOISE_REACH_MM = 12.0

Progress = Callable[[str, float], None]
Floats = NDArray[np.float64]
# D_x at `VOLUMES_PERCENT` and, last, the mean dose of a region [Gy].
_Sample = Floats


def sample_bands(
    evaluation: Evaluation,
    inputs: UncertaintyInputs,
    calibration_uncertainty: float,
    images: list[NoisyImage],
    progress: Progress | None = None,
) -> tuple[dict[str, DvhBand], list[Notice]]:
    """Return the bands of all regions except the body, by name, and what has to be said about them.

    Parameters
    ----------
    evaluation : Evaluation
        The dose map and the regions.
    inputs : UncertaintyInputs
        What is known how well.
    calibration_uncertainty : float
        Relative standard uncertainty of the factor from counts to activity.
    images : list of NoisyImage
        One an injection; those without known noise are left out.
    progress : callable, optional
        Called with what is being done and the finished fraction.
    """
    report_progress = progress or (lambda what, done: None)
    report_progress("preparing regions", 0.0)
    scene = _Scene.of(evaluation, inputs)
    if scene is None:
        return {}, []
    noise = [np.zeros(scene.dose.grid.shape, np.float32)]
    if images:
        rng, count = np.random.default_rng([inputs.seed, 1]), min(NOISE_MAPS, inputs.samples)
        to_dose, noise = _NoiseToDose.of(evaluation, scene, images), []
        for number in range(count):
            report_progress("drawing noise", 0.1 + 0.3 * number / count)
            noise.append(to_dose.draw(rng))
    exact = {region.name: _exact(evaluation, region.name) for region in scene.unmoved()}
    start = {region.name: scene.sample(region, None) for region in scene.unmoved()}
    samples: dict[str, list[_Sample]] = {name: [] for name in exact}
    for number in range(inputs.samples):
        report_progress("sampling histograms", 0.4 + 0.6 * number / inputs.samples)
        rng = np.random.default_rng([inputs.seed, 2, number])
        for name, drawn in scene.draw(rng, calibration_uncertainty, noise[number % len(noise)]):
            # The histogram itself is exact; the sample tells how far the truth may lie from it.
            samples[name].append(exact[name] + (drawn - start[name]))
    bands = {
        name: DvhBand.from_samples([s[:-1] for s in drawn], [s[-1] for s in drawn])
        for name, drawn in samples.items()
    }
    return bands, _coarser(scene.dose.grid, evaluation.case.grid)


def _coarser(sampled: Grid, grid: Grid) -> list[Notice]:
    """Say when bands were sampled in coarser voxels than the dose has."""
    if np.allclose(sampled.spacing_mm, grid.spacing_mm):
        return []
    used, own = (" × ".join(f"{mm:.2f}" for mm in of.spacing_mm) for of in (sampled, grid))
    return [
        Notice(
            "uncertainty-coarse-grid",
            f"the bands of the histograms were sampled in voxels of {used} mm, coarser than the {own} mm of the dose: the "
            f"regions and what they can reach hold more than {MOST_VOXELS} of its voxels. The histograms themselves are "
            "of the dose grid; bands of regions of few voxels are rougher.",
        )
    ]


def _exact(evaluation: Evaluation, name: str) -> _Sample:
    """The histogram of a region as it was found."""
    histogram = evaluation.dvh(name)
    return np.append(histogram.doses_at_volumes(VOLUMES_PERCENT), histogram.mean_gy)


@dataclass(frozen=True, eq=False)
class _Scene:
    """Dose, density and regions on the grid that is sampled."""

    dose: DoseMap
    density: DensityMap
    activity: ActivityMap
    regions: Regions
    movable: tuple[MovableRegion, ...]
    offsets: tuple[
        tuple[float, float], ...
    ]  # radius [mm] and log-normal spread of the diameter, a region each
    registration_mm: float
    calibrated: tuple[Role, ...]
    held_bq: float  # by the regions of the calibration, as drawn

    @classmethod
    def of(cls, evaluation: Evaluation, inputs: UncertaintyInputs) -> _Scene | None:
        """The scene of an evaluation, or None when no region but the body is there."""
        case = evaluation.case
        drawn = [region for region in case.regions.drawn if region.role is not Role.BODY]
        if not drawn:
            return None
        u_d = diameter_uncertainty_mm(inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
        radii = [0.5 * _diameter_mm(region.mask.volume_ml) for region in drawn]
        offsets = [(r, math.sqrt(math.log1p((u_d / (2.0 * r)) ** 2))) for r in radii]
        furthest = max(r * math.expm1(FURTHEST * spread) for r, spread in offsets)
        reach_mm = furthest + FURTHEST * inputs.registration_mm + 1.0
        grid = _sampling_grid(case.grid, drawn, reach_mm)
        exact = np.allclose(grid.spacing_mm, case.grid.spacing_mm)
        moved = [replace(region, mask=resample(region.mask, grid)) for region in drawn]
        regions_offsets = [
            (region, offset) for region, offset in zip(moved, offsets, strict=True) if region.mask.array.any()
        ]
        regions, activity = (
            Regions(grid, tuple(region for region, _ in regions_offsets)),
            resample(evaluation.activity, grid),
        )
        roles = _calibration_roles(evaluation)
        return cls(
            dose=resample(DoseMap(evaluation.dose.array, case.grid), grid),
            density=resample(evaluation.density, grid, fill=1.0),
            activity=activity,
            regions=regions,
            movable=tuple(MovableRegion.of(region, reach_mm, exact=exact) for region, _ in regions_offsets),
            offsets=tuple(offset for _, offset in regions_offsets),
            registration_mm=inputs.registration_mm,
            calibrated=roles,
            held_bq=_held_bq(activity, regions, roles),
        )

    def draw(
        self, rng: np.random.Generator, calibration: float, noise: NDArray[np.float32]
    ) -> Iterator[tuple[str, _Sample]]:
        """What the truth of each region may be, in one draw."""
        chance = np.clip(rng.standard_normal(4 + len(self.movable)), -FURTHEST, FURTHEST)
        factor = math.exp(math.sqrt(math.log1p(calibration**2)) * chance[0])
        shift_mm = self.registration_mm * chance[1:4]
        offsets = [
            r * math.expm1(spread * z) for (r, spread), z in zip(self.offsets, chance[4:], strict=True)
        ]
        self._share_capsule(offsets)
        still, moved = (self._moved(shift, offsets) for shift in (0.0 * shift_mm, shift_mm))
        factors = [factor * self._recalibrated(regions) for regions in (still, moved)]
        there = {region.name: region for region in moved}
        for region in still:
            if region.name in there and region.mask.array.any() and there[region.name].mask.array.any():
                plain, disturbed = self.sample(region, None), self.sample(there[region.name], noise)
                yield region.name, 2.0 * factors[0] * plain - factors[1] * disturbed

    def unmoved(self) -> Regions:
        """The regions as samples see them when nothing is wrong."""
        return self._moved(np.zeros(3), [0.0] * len(self.movable))

    def _share_capsule(self, offsets_mm: list[float]) -> None:
        """Give perfused volumes the offset of the liver: they are cut from it, and the capsule bounds both."""
        roles = [movable.region.role for movable in self.movable]
        if Role.LIVER in roles:
            liver = offsets_mm[roles.index(Role.LIVER)]
            offsets_mm[:] = [
                liver if role is Role.PERFUSED else o for role, o in zip(roles, offsets_mm, strict=True)
            ]

    def _moved(self, shift_mm: Floats, offsets_mm: list[float]) -> Regions:
        """All regions pushed and moved, with those that follow from them."""
        pairs = zip(self.movable, offsets_mm, strict=True)
        return Regions(self.regions.grid, tuple(region.moved(shift_mm, offset) for region, offset in pairs))

    def _recalibrated(self, regions: Regions) -> float:
        """What relative calibration over regions elsewhere would have multiplied the map by."""
        if not self.calibrated or self.held_bq == 0.0:
            return 1.0
        activity_bq = _held_bq(self.activity, regions, self.calibrated)
        return self.held_bq / activity_bq if activity_bq > 0 else 1.0

    def sample(self, region: Region, noise: NDArray[np.float32] | None) -> _Sample:
        """Histogram and mean of a region, with noise where there is any [Gy]."""
        box = region.mask.box
        occupancy = np.ascontiguousarray(region.mask.array[box], np.float32).ravel()
        dose = self.dose.array[box] if noise is None else self.dose.array[box] + noise[box]
        dose = np.ascontiguousarray(dose, np.float32).ravel()
        low, high = float(dose.min()) - 1e-3, float(dose.max()) + 1e-3
        histogram, per_gy = np.zeros(BINS), BINS / (high - low)
        fill_histogram(dose, occupancy, low, per_gy, histogram)
        mean = float((dose * occupancy).sum(dtype=np.float64)) / float(occupancy.sum(dtype=np.float64))
        return np.append(_quantiles(histogram, low, per_gy), mean)


def _quantiles(histogram: Floats, low: float, per_gy: float) -> Floats:
    """D_x at `VOLUMES_PERCENT` of a histogram by dose [Gy]."""
    edges = low + np.arange(histogram.size, -1, -1) / per_gy
    above = np.concatenate(([0.0], np.cumsum(histogram[::-1])))
    return np.interp(VOLUMES_PERCENT, 100.0 * above / above[-1], edges)


def _diameter_mm(volume_ml: float) -> float:
    """Diameter of a sphere of that volume [mm]."""
    return float((6000.0 * volume_ml / math.pi) ** (1 / 3))


def _sampling_grid(grid: Grid, drawn: list[Region], reach_mm: float) -> Grid:
    """The part of the dose grid that the regions can reach, in coarser voxels where it has too many."""
    boxes = [widened_box(region.mask.box, grid, reach_mm, voxels=1) for region in drawn]
    low = np.min([[part.start for part in box] for box in boxes], axis=0)
    high = np.max([[part.stop for part in box] for box in boxes], axis=0)
    part = grid.crop(low, high - low)
    if part.size <= MOST_VOXELS:
        return part
    edge = (part.size * part.voxel_volume_ml * 1000.0 / MOST_VOXELS) ** (1 / 3)
    return part.with_spacing(np.maximum(edge, part.spacing_mm))


def _calibration_roles(evaluation: Evaluation) -> tuple[Role, ...]:
    """The roles whose counts a relative calibration divides by; none where contours do not decide it."""
    calibration = evaluation.case.calibration
    if calibration.mode is not CalibrationMode.RELATIVE:
        return ()
    liver = (Role.LIVER, Role.TUMOUR, Role.PERFUSED)
    if calibration.region is CalibrationRegion.LIVER:
        return liver
    return (*liver, Role.LUNG) if calibration.region is CalibrationRegion.LIVER_AND_LUNGS else ()


def _held_bq(activity: ActivityMap, regions: Regions, roles: tuple[Role, ...]) -> float:
    """Activity in the regions with these roles together [Bq]."""
    mask = regions.mask_of(*roles) if roles else None
    return 0.0 if mask is None else float((activity.array * mask.array).sum(dtype=np.float64))


@dataclass(frozen=True, eq=False)
class _NoiseToDose:
    """Noise of the images to dose on the grid that is sampled, by the kernel, or in place where the engine does that."""

    scene: _Scene
    images: list[NoisyImage]
    half_life_s: float
    local: Engine | None
    convolution: KernelConvolution

    @classmethod
    def of(cls, evaluation: Evaluation, scene: _Scene, images: list[NoisyImage]) -> _NoiseToDose:
        """The way of an evaluation's engine; those without a kernel take the liver's."""
        case = evaluation.case
        request = engine_request(
            case, spacing_mm=scene.dose.grid.spacing_mm, liver_density_g_per_ml=LIVER_DENSITY_G_PER_ML
        )
        used = [row for row in engine_rows() if row.name == evaluation.engine and row.in_place]
        local = used[0].make(request) if used else None
        kernel = voxel_kernel(
            case.nuclide, scene.dose.grid.spacing_mm, "liver", density_g_per_ml=LIVER_DENSITY_G_PER_ML
        )
        return cls(scene, images, nuclide(case.nuclide).half_life_s, local, KernelConvolution(kernel))

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Dose of one realisation of the noise [Gy]."""
        grid = self.scene.dose.grid
        margin = np.ceil(NOISE_REACH_MM / np.array(grid.spacing_mm)).astype(int)
        around = grid.crop((-margin).tolist(), (np.array(grid.shape) + 2 * margin).tolist())
        total = np.zeros(around.shape)
        for image in self.images:
            values = image.values
            drawn = ActivityMap(image.noise.draw(values.array, values.grid.spacing_mm, rng), values.grid)
            total += image.bq_per_value * resample(drawn, around).array
        z, y, x = (slice(int(m), int(m) + n) for m, n in zip(margin, grid.shape, strict=True))
        density = self.scene.density
        if self.local is not None:
            decays = integrate_over_time(ActivityMap(total[z, y, x], grid), self.half_life_s)
            return np.asarray(self.local.dose(decays, density).array, np.float32)
        decays = integrate_over_time(ActivityMap(total, around), self.half_life_s)
        by_density = self.convolution.kernel.density_g_per_ml / np.maximum(
            density.array, self.convolution.density_floor_g_per_ml
        )
        return np.asarray(self.convolution.dose(decays).array[z, y, x] * by_density, np.float32)
