"""BED, EQD2 and EUD as rows of text, with their parameters, where these come from, and what the numbers are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from y90voxel.metrics.radiobiology import RadiobiologyParameters, lea_catcheside
from y90voxel.report.formatting import dose_text, number
from y90voxel.units import SECONDS_PER_HOUR

__all__ = ["MODEL_VALUES", "model_content", "parameter_notes"]

MODEL_VALUES = (
    "Model values, voxel by voxel, by the linear-quadratic model with mono-exponential repair and decay to the end: above some "
    "100 Gy far outside what the model was made for. They depend on the parameters more than on the dose; doses of spheres "
    "and of external beams do not compare by them alone."
)


def model_content(
    rows: Sequence[Mapping[str, Any]],
    named: Iterable[tuple[str, RadiobiologyParameters | None]],
    half_life_s: float,
    activity: str,
) -> dict[str, Any]:
    """Return what a page shows of model values; without rows nothing but that there are none.

    Parameters
    ----------
    rows : sequence of mapping
        ``region``, ``mean_gy``, ``bed_mean_gy``, ``eqd2_mean_gy`` and ``eud_gy`` of every region that has them [Gy].
    named : iterable of (str, RadiobiologyParameters or None)
        Regions by name, with what was used for them.
    half_life_s : float
        Half-life of the dose rate [s].
    activity : str
        Net activity of these doses, for people.
    """
    if not rows:
        return {"model_rows": [], "model_notes": []}
    return {
        "model_activity": activity,
        "model_rows": [
            {
                "name": row["region"],
                "mean": dose_text(row["mean_gy"]),
                "bed": dose_text(row["bed_mean_gy"]),
                "eqd2": dose_text(row["eqd2_mean_gy"]),
                "eud": dose_text(row["eud_gy"]),
            }
            for row in rows
        ],
        "model_notes": [*(f"{note}." for note in parameter_notes(named, half_life_s)), MODEL_VALUES],
    }


def parameter_notes(
    named: Iterable[tuple[str, RadiobiologyParameters | None]], half_life_s: float
) -> list[str]:
    """Return the parameters behind BED, EQD2 and EUD, one sentence for all regions that share them.

    Parameters
    ----------
    named : iterable of (str, RadiobiologyParameters or None)
        Regions by name, with what was used for them; those without are left out.
    half_life_s : float
        Half-life of the dose rate [s].
    """
    sharing: dict[RadiobiologyParameters, list[str]] = {}
    for name, parameters in named:
        if parameters is not None:
            sharing.setdefault(parameters, []).append(name)
    return [f"{', '.join(names)}: {_text(parameters, half_life_s)}" for parameters, names in sharing.items()]


def _text(parameters: RadiobiologyParameters, half_life_s: float) -> str:
    """One set of parameters with its source."""
    hours = number(parameters.repair_half_time_s / SECONDS_PER_HOUR)
    protraction = lea_catcheside(parameters.repair_half_time_s, half_life_s)
    alpha = (
        "no α, so no EUD" if parameters.alpha_per_gy is None else f"α {number(parameters.alpha_per_gy)} /Gy"
    )
    return (
        f"α/β {number(parameters.alpha_beta_gy)} Gy, repair half-time {hours} h (G {protraction:.4f} with the half-life of "
        f"{number(half_life_s / SECONDS_PER_HOUR)} h), {alpha}; source: {parameters.source or 'not stated'}"
    )
