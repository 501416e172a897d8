"""What noise of the images is expected to have done to the histograms of a result, where no halves tell it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from y90voxel.case.engine_request import engine_request
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.image_noise import NoiseSource, NoisyImage, noisy_images
from y90voxel.dose.engines import engine_rows
from y90voxel.dose.noise_damping import noise_damping
from y90voxel.errors import Notice
from y90voxel.metrics.region_noise import RegionNoise, noise_without_halves
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

__all__ = ["with_noise_marks"]

# Elsewhere most dose comes from outside the region, whose noise is not that of its own voxels.
LIVER_ROLES = frozenset(
    {
        Role.LIVER, Role.TUMOUR, Role.TUMOURS, Role.PERFUSED, Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER,
    }
)  # fmt: skip
# A bias of D98, D95, D90 or D2 of a tumour or of non-tumour liver beyond this share of its mean is a notice [1].
TOLD_BIAS = 0.02
TOLD = frozenset({Role.TUMOUR, Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER})
NOT_KNOWN = "the noise of the image is not known"
NO_LIVER = (
    "given and not used: uncertainty.noise is relative to the mean in the liver, and no liver is among the regions. Name it with "
    "--role 'NAME=liver'."
)
ELSEWHERE = "only known of liver and tumours, whose dose is their own activity's"


def with_noise_marks(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with the ends of its histograms marked, and what noise is expected to have added to them.

    Parameters
    ----------
    evaluation : Evaluation
        Of any engine; its settings may state the noise of the image.
    """
    case, stated = evaluation.case, evaluation.case.settings.uncertainty
    liver_noise = stated.noise if case.regions.mask_of(Role.LIVER) is not None else None
    images = noisy_images(case, evaluation.activity, liver_noise, stated.noise_fwhm_mm or 0.0)
    if len(images) < len(case.injections):
        images = []
    damping = [_damping(evaluation, image) for image in images]
    bound = any(image.source is NoiseSource.ESTIMATED for image in images)
    regions = []
    for metrics in evaluation.regions:
        noise_cv, reason = None, NOT_KNOWN
        if images:
            reason = ELSEWHERE
            if metrics.role in LIVER_ROLES:
                noise_cv = _noise_cv(images, damping, metrics.name)
        region_noise = noise_without_halves(
            evaluation.dvh(metrics.name), noise_cv, upper_bound=bound, reason=reason
        )
        regions.append(replace(metrics, noise=region_noise))
    notices = _notices(regions)
    if stated.noise is not None and liver_noise is None:
        notices.append(Notice("noise-unused", NO_LIVER))
    return replace(evaluation, regions=tuple(regions)).with_notices(*notices)


def _damping(evaluation: Evaluation, image: NoisyImage) -> float:
    """How much less dose voxels vary than those of an image."""
    rows = [row for row in engine_rows() if row.name == evaluation.engine]
    if any(row.in_place for row in rows):
        return 1.0
    request = engine_request(evaluation.case)
    density = request.liver_density_g_per_ml or LIVER_DENSITY_G_PER_ML
    spacing = image.values.grid.spacing_mm
    kernel = voxel_kernel(request.nuclide, spacing, "liver", density_g_per_ml=density)
    return noise_damping(kernel, image.noise.fwhm_mm)


def _noise_cv(images: list[NoisyImage], damping: list[float], name: str) -> float | None:
    """Standard deviation of a dose voxel of a region by noise over its mean; None where no image holds activity there."""
    mean = variance = 0.0
    for image, less in zip(images, damping, strict=True):
        mask = next((region.mask for region in image.regions if region.name == name), None)
        if mask is None:
            continue
        value = _mean_in(image, mask)
        concentration = image.bq_per_value / image.values.grid.voxel_volume_ml
        mean += concentration * value
        variance += concentration**2 * image.noise.variance_per_value * max(value, 0.0) * less**2
    return math.sqrt(variance) / mean if mean > 0 else None


def _mean_in(image: NoisyImage, mask: Mask) -> float:
    """Mean value of an image over a region."""
    weights = resample(mask, image.values.grid)
    box = weights.box
    total = (image.values.array[box] * weights.array[box]).sum(dtype=np.float64)
    return float(total) / weights.total if weights.total > 0 else 0.0


def _notices(regions: list[RegionMetrics]) -> list[Notice]:
    """Say where noise is expected to have moved the ends of histograms."""
    parts, bound = [], False
    for metrics in regions:
        noise = metrics.noise
        if noise is None or not noise.bias_gy or metrics.role not in TOLD:
            continue
        moved = {k: v for k, v in noise.bias_gy.items() if k.startswith("d")}
        if max(abs(v) for v in moved.values()) > TOLD_BIAS * metrics.mean_gy:
            bound |= noise.upper_bound
            parts.append(f"{metrics.name} {_in_words(noise, moved)}")
    if not parts:
        return []
    most = " at most, for the noise is an upper bound" if bound else ""
    return [
        Notice(
            "noise-tails",
            "noise of the image broadens the histograms; minimum, maximum and D_x outside 30 to 70 % of the volume are marked. "
            f"Expected bias{most}: {'; '.join(parts)}. Means, D50 and D70 hold. Two halves of the image (--halves A B) "
            "correct it.",
        )
    ]


def _in_words(noise: RegionNoise, moved: dict[str, float]) -> str:
    """The bias of a region's D_x [Gy]."""
    return ", ".join(f"{key.removesuffix('_gy').upper()} {value:+.3g} Gy" for key, value in moved.items())
