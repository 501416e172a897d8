"""The causes of a difference, each with its size and what it accounts for, and a verdict in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from y90voxel.regions.regions import DERIVED_NAMES, Region
from y90voxel.vendor_check.check_inputs import OwnCalculation
from y90voxel.vendor_check.explanation import Explanation
from y90voxel.vendor_check.factor_candidates import Candidate, factor_candidates
from y90voxel.vendor_check.geometry_search import Sampling
from y90voxel.vendor_check.map_fit import SAME
from y90voxel.vendor_check.model_variants import MODELS, own_model
from y90voxel.vendor_check.region_check import RegionCheck
from y90voxel.volumes.grid import Grid

__all__ = ["Cause", "find_causes", "is_other_engine", "model_label", "verdict_of"]

# A global factor is named from here on (issue 24, criterion 4: within 0.5 %).
NAMED_FACTOR = 0.005
# Residual that another model takes off, from which it is named: distant photons, 0.02 %, are no other model.
NAMED_MODEL = 0.001
# Residual that no variant of ours explains, from which another engine is named; chosen: kernels of two Monte Carlo codes
# differ by 0.3 % in uniform tissue.
OTHER_ENGINE = 0.005
# Sum of squares over that of noise, from which what is left is more than noise: as much again.
ABOVE_NOISE = 2.0
# Of our energy outside their grid; chosen: tails of kernels beyond a tight grid stay below it.
NAMED_OUTSIDE = 0.01
MOST_NAMED = 2  # models that fit as well, in the sentence; the table has them all
SAME_SPACING = 1e-3  # relative: spacings are written with six digits


@dataclass(frozen=True)
class Cause:
    """Something that makes the two doses differ.

    Parameters
    ----------
    name : str
        ``factor``, ``regions``, ``model``, ``shift``, ``mirror``, ``grid``, ``cut``, ``field``, ``rounding`` or ``other-engine``.
    label : str
        In a sentence.
    size : mapping
        Its numbers, with their units in the keys.
    without : float or None
        What would be left of the difference of the maps without it, over their root mean square dose.
    candidates : tuple of Candidate
        What it may come from, where that cannot be told from the dose.
    """

    name: str
    label: str
    size: Mapping[str, Any]
    without: float | None = None
    candidates: tuple[Candidate, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return the cause for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "size": dict(self.size),
            "residual_without_percent": None if self.without is None else 100.0 * self.without,
            "candidates": [one.as_dict() for one in self.candidates],
        }


def model_label(model: str, engine: str) -> str:
    """Return what a variant is called in a sentence."""
    return MODELS[model].label if model in MODELS else f"our engine {engine}"


def is_other_engine(explanation: Explanation) -> bool:
    """Return whether more is left than noise and than engines differ by."""
    left, noise = explanation.residual, explanation.noise or 0.0
    return left > OTHER_ENGINE and left**2 > ABOVE_NOISE * noise**2


def find_causes(
    own: OwnCalculation,
    explanation: Explanation,
    regions: Sequence[RegionCheck],
    their_regions: Sequence[Region],
    their_grid: Grid,
    energy_outside: float = 0.0,
) -> tuple[Cause, ...]:
    """Return what makes the doses differ, in the order in which it is said.

    Parameters
    ----------
    own : OwnCalculation
        Our side.
    explanation : Explanation
        What their map is in terms of ours.
    regions : sequence of RegionCheck
        Regions of both.
    their_regions : sequence of Region
        As their program has them.
    their_grid : Grid
        Of their map.
    energy_outside : float
        Share of our energy outside that.
    """
    chosen, without = explanation.chosen, explanation.without
    fit, lying = chosen.fit, chosen.lying
    causes: list[Cause] = []
    size: dict[str, Any]
    other = is_other_engine(explanation)
    if chosen.model != own_model(own.engine) and not other and without.get("model", 1.0) > NAMED_MODEL:
        label = f"model: {model_label(chosen.model, own.engine)}"
        size = {
            "model": chosen.model,
            "as_well": list(explanation.as_well),
            "rms_percent": _percent(without.get("model")),
        }
        causes.append(Cause("model", label, size, without.get("model")))
    # what no variant explains may make a factor as large as itself
    if abs(fit.factor - 1.0) > max(NAMED_FACTOR, explanation.residual if other else 0.0):
        candidates = factor_candidates(own, fit.factor, chosen.model, their_regions)
        size = {"factor": fit.factor, "error": fit.error}
        causes.append(
            Cause("factor", f"global factor {fit.factor:.4g}", size, without["factor"], tuple(candidates))
        )
    if lying.mirror:
        axes = " and ".join(lying.mirrored_axes)
        size = {"axes": list(lying.mirrored_axes)}
        causes.append(Cause("mirror", f"{axes} in reverse order", size, without.get("mirror")))
    if lying.length_mm > 0:
        along = lying.shift_mm
        words = ", ".join(f"{v:+.2f}".replace("-", "−") for v in along)
        size = {
            "shift_mm": list(along),
            "length_mm": lying.length_mm,
            "voxels": _in_voxels(along, own.dose.grid),
        }
        label = f"shift of {lying.length_mm:.2f} mm ({words} mm to left, posterior, superior)"
        causes.append(Cause("shift", label, size, without.get("shift")))
    causes += _grid(own.dose.grid, their_grid, lying.sampling, without.get("grid"))
    if fit.cut_gy is not None:
        label = f"doses above {fit.cut_gy:.4g} Gy cut off"
        causes.append(Cause("cut", label, {"cut_gy": fit.cut_gy}, without.get("cut")))
    if energy_outside > NAMED_OUTSIDE:
        label = f"a field that leaves out {100 * energy_outside:.3g} % of our energy"
        causes.append(Cause("field", label, {"energy_outside_percent": 100.0 * energy_outside}))
    causes += _regions(regions)
    if explanation.step_gy is not None and explanation.residual > SAME / 10:
        step, top = explanation.step_gy, float(explanation.theirs.array.max())
        levels = round(top / step)
        label = f"values rounded to steps of {step:.3g} Gy ({levels} up to the maximum)"
        size = {"step_gy": step, "levels": levels}
        causes.append(Cause("rounding", label, size, explanation.residual))
    if other:
        noise = explanation.noise
        size = {"rms_percent": 100.0 * explanation.residual, "noise_percent": _percent(noise)}
        label = f"another engine: {100 * explanation.residual:.2g} % that no variant of ours explains"
        causes.append(Cause("other-engine", label, size, explanation.residual))
    return tuple(causes)


def _percent(value: float | None) -> float | None:
    """A fraction in per cent."""
    return None if value is None else 100.0 * value


def _in_voxels(shift_mm: Sequence[float], grid: Grid) -> list[float]:
    """A shift along the array axes of our grid [voxels]."""
    along = grid.directions.T @ shift_mm / grid.spacing_mm
    return [round(float(v), 4) for v in along]


def _grid(ours: Grid, theirs: Grid, sampling: Sampling, without: float | None) -> list[Cause]:
    """Voxels of another size."""
    ratios = [b / a for a, b in zip(sorted(ours.spacing_mm), sorted(theirs.spacing_mm), strict=True)]
    if all(abs(ratio - 1.0) <= SAME_SPACING for ratio in ratios):
        return []
    how = {
        Sampling.LINEAR: "ours read between voxel centres",
        Sampling.MEAN: "ours averaged over their voxels",
        Sampling.THEIR_GRID: "computed on their voxels",
        Sampling.THEIR_GRID_SMOOTH: "computed on their voxels from interpolated activity",
    }[sampling]
    ratio = (ratios[0] * ratios[1] * ratios[2]) ** (1 / 3)
    sizes = [" × ".join(f"{s:.3g}" for s in grid.spacing_mm) for grid in (theirs, ours)]
    label = f"voxels of {sizes[0]} mm, {ratio:.3g} times ours of {sizes[1]} mm ({how})"
    size = {"spacing_ratio": ratio, "spacing_mm": list(theirs.spacing_mm), "sampling": sampling.value}
    return [Cause("grid", label, size, without)]


def _regions(checks: Sequence[RegionCheck]) -> list[Cause]:
    """Regions of another size."""
    other = [check for check in checks if check.other_region]
    if not other:
        return []
    parts = [
        f"{check.name} {check.volume_ratio:.3g} times as large"
        + ("" if check.margin_mm is None else f" (margin {check.margin_mm:+.1f} mm)").replace("-", "−")
        for check in other
        if check.name not in DERIVED_NAMES or len(other) == 1
    ]
    size = {
        check.name: {
            "volume_ratio": check.volume_ratio,
            "margin_mm": check.margin_mm,
            "mean_ratio": None
            if check.theirs is None or check.their_own is None or check.theirs.mean_gy == 0
            else check.their_own.mean_gy / check.theirs.mean_gy,
        }
        for check in other
    }
    return [Cause("regions", f"regions: {'; '.join(parts)}", {"regions": size})]


def verdict_of(own: OwnCalculation, explanation: Explanation, causes: Sequence[Cause]) -> str:
    """Return the finding in one sentence with its numbers."""
    by_name = {cause.name: cause for cause in causes}
    chosen, fit = explanation.chosen, explanation.chosen.fit
    words = [f"their map is ours by {model_label(chosen.model, own.engine)}"]
    if "factor" in by_name:
        words.append(f" times {fit.factor:.4g}")
    moved = [
        by_name[name].label
        for name in ("mirror", "shift", "cut", "grid", "field", "rounding")
        if name in by_name
    ]
    if moved:
        words.append(f", with {', '.join(moved)}")
    if "other-engine" in by_name:
        words = [
            f"no variant of ours is their map: the nearest, {''.join(words).removeprefix('their map is ')},"
        ]
        words.append(f" leaves {_digits(explanation.residual)} %")
        if explanation.noise:
            words.append(f" (noise {_digits(explanation.noise)} %)")
    elif explanation.noise and explanation.residual > OTHER_ENGINE:
        words.append(f", within its noise of {_digits(explanation.noise)} %")
    elif explanation.residual < SAME:
        words.append(", exactly")
    else:
        words.append(f", to {_digits(explanation.residual)} %")
    if explanation.as_well:
        other = [model_label(name, own.engine) for name in explanation.as_well]
        more = len(other) - MOST_NAMED
        named = other if more <= 0 else [*other[:MOST_NAMED], f"{more} more"]
        words.append(f"; as well by {_joined(named)}")
    if "factor" in by_name:
        listed = [one.label for one in by_name["factor"].candidates]
        words.append(
            f"; {_joined(listed)} would each explain the factor, which the dose alone cannot tell apart"
        )
    if "regions" in by_name:
        words.append(f"; {by_name['regions'].label}")
    sentence = "".join(words)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _digits(fraction: float) -> str:
    """A fraction in per cent with two digits."""
    return f"{100 * fraction:.2g}"


def _joined(words: Sequence[str]) -> str:
    """Words in a row, with "or" before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
