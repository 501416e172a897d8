"""The table of what noise does to histograms: one row a region, as text."""

from __future__ import annotations

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.region_noise import RegionNoise, Tails
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import dose_text, percent

__all__ = ["noise_note", "noise_rows", "noise_summary"]

SHOWN_PERCENT = (98, 95, 90, 2)  # D_x, x in percent of the volume: the ends, which noise moves most
DECIDES = (
    "* Noise decides minimum, maximum and D_x outside 30 to 70 % of the volume, for it broadens a histogram."
)
ENDS = "* minimum, maximum and D_x outside 30 to 70 %: decided by noise"
# Regions whose bias is biases where there is room for a sentence only.
TOLD = (Role.TUMOUR, Role.NON_TUMOUR_LIVER)


def noise_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return spread, noise and the ends of the histogram by region; regions whose noise is not known are left out."""
    rows = []
    for metrics in evaluation.regions:
        noise = metrics.noise
        if noise is None or noise.bias_gy is None or metrics.role == Role.BODY:
            continue
        at_most = "≤ " if noise.upper_bound else ""
        rows.append(
            {
                "name": metrics.name,
                "found": percent(noise.found_cv, 2),
                "noise": f"{at_most}{percent(noise.noise_cv, 2)}",
                "without": percent(noise.without_cv, 2),
                **{f"d{x}": _end(metrics, noise, f"d{x}_gy", metrics.d_gy[x]) for x in SHOWN_PERCENT},
                "max": _end(metrics, noise, "max_gy", metrics.max_gy),
                "state": noise.tails.value
                if noise.reason is None
                else f"{noise.tails.value}: {noise.reason}",
            }
        )
    return rows


def _end(metrics: RegionMetrics, noise: RegionNoise, key: str, found_gy: float) -> str:
    """A dose at an end of the histogram: corrected, or found with its expected bias."""
    bias = (noise.bias_gy or {})[key]
    if noise.tails is Tails.CORRECTED:
        return f"{dose_text(found_gy)} → {dose_text(found_gy - bias)}"
    sign = "≤ " if noise.upper_bound else ""
    return f"{dose_text(found_gy)} ({sign}{_signed(bias)})"


def _signed(dose_gy: float) -> str:
    """A bias with its sign [Gy]."""
    return f"{'+' if dose_gy >= 0 else '−'}{dose_text(abs(dose_gy))}"


def noise_note(evaluation: Evaluation) -> str:
    """Return how to read the ends of histograms, and the table."""
    estimates = [m.noise for m in evaluation.regions if m.noise is not None and m.noise.bias_gy is not None]
    if not estimates:
        return (
            f"{DECIDES} The noise of this image is not known, and so is their bias. Means, D50 and D70 hold."
        )
    if any(noise.tails is Tails.CORRECTED for noise in estimates):
        return (
            f"{DECIDES} Found → without noise, by the covariance of two halves of the image: what both share is true. The "
            "histogram keeps its shape, and blur stays in it; the figure draws it, and what was found as a thin line. Dose map, "
            "limits and means are as found."
        )
    bound = " Noise and bias are upper bounds, read off uniform liver." if estimates[0].upper_bound else ""
    return (
        f"{DECIDES} In brackets what it is expected to have added, in Gy.{bound} Means, D50 and D70 hold. Two halves of the "
        "image (--halves A B) correct it."
    )


def noise_summary(evaluation: Evaluation) -> str:
    """Return the ends of the histograms of tumours and liver in one line, for a terminal."""
    parts = []
    for metrics in evaluation.regions:
        noise = metrics.noise
        if noise is not None and noise.bias_gy is not None and metrics.role in TOLD:
            ends = ((f"D{x}", f"d{x}_gy") for x in (98, 2))
            biases = [f"{name} {_signed(noise.bias_gy[key])}" for name, key in (*ends, ("max", "max_gy"))]
            parts.append(f"{metrics.name} {', '.join(biases)}")
    if not parts:
        return f"{ENDS}, which is not known"
    corrected = any(m.noise is not None and m.noise.tails is Tails.CORRECTED for m in evaluation.regions)
    bound = any(m.noise is not None and m.noise.upper_bound for m in evaluation.regions)
    what = "found less corrected" if corrected else f"expected bias{' at most' if bound else ''}"
    return f"{ENDS}; {what} in Gy: {'; '.join(parts)}"
