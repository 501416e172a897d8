"""The uncertainty of a plan: made again from inputs drawn within their uncertainty, all models at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from y90voxel.case.evaluation import Evaluation
from y90voxel.case.image_noise import noisy_images, statistics
from y90voxel.case.uncertainty_inputs import UncertaintyInputs, complete_inputs
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.uncertainty_budget import diameter_uncertainty_mm
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.dose_table import DoseTable
from y90voxel.planning.plan_draws import NORMAL, PlanDraw, PlanSpread, scaled_table
from y90voxel.planning.plan_maps import DoseMaps
from y90voxel.planning.plan_model import Measure, PlanModel
from y90voxel.planning.plan_models import all_models
from y90voxel.planning.plan_result import Plan
from y90voxel.planning.plan_spread import INTERVAL_PERCENT, PlanUncertainty, spread_of
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Mask

__all__ = ["with_plan_uncertainty"]

# Ends of a 95 % interval from this many draws are known to about a tenth of a standard deviation.
DEFAULT_SAMPLES = 1000
# Assumed and said: liver and tumour are within this of the density that masses are made with.
ASSUMED_DENSITY = 0.03
# What a plan without images cannot assume.
_STATED_WITHOUT_IMAGES = ("fwhm_mm", "contour_voxel_mm", "contour_fwhm_mm")


def with_plan_uncertainty(
    plan: Plan,
    given: Mapping[str, Any] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Plan:
    """Return the plan with 95 % intervals of every model's activity, and the uncertainty of each region's dose.

    Every draw plans anew: the same models, limits and solver from shunts, masses, ratios and activity as they may be.

    Parameters
    ----------
    plan : Plan
        Of `plan` or `plan_from_masses`.
    given : mapping of str to object, optional
        Fields of `UncertaintyInputs`; what is missing is assumed, and said among the notices.
    progress : callable, optional
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a number cannot be, or a plan without images lacks the resolution that its masses were drawn with.

    References
    ----------
    Gear et al. 2018, Eur J Nucl Med Mol Imaging 45:2456, doi 10.1007/s00259-018-4136-7.
    """
    report_progress = progress or (lambda what, done: None)
    inputs, notices = _inputs(plan, given or {})
    spread = _spread(plan, inputs)
    maps, basis = plan.maps, plan.basis
    draws: list[dict[str, PlanModel]] = []
    for number in range(inputs.samples):
        report_progress("drawing plans", number / inputs.samples)
        rng = np.random.default_rng([inputs.seed, number])
        drawn = spread.draw(plan.anatomy, plan.uncorrected, rng)
        as_drawn = replace(
            basis,
            anatomy=drawn.anatomy,
            territories=drawn.territories,
            dose_constant_gy_kg_per_gbq=basis.dose_constant_gy_kg_per_gbq * drawn.activity,
        )
        table, measure = (None, None) if maps is None else _voxel(plan, maps, drawn)
        draws.append({model.name: model for model in all_models(as_drawn, table, measure)})
    models = {
        model.name: spread_of(model, [draw[model.name] for draw in draws])
        for model in plan.models
        if model.available
    }
    shown = inputs.as_dict()
    del shown["registration_mm"], shown["calibration"], shown["decay"]  # no part of a plan's uncertainty
    uncertainty = PlanUncertainty(shown, models, _statement(plan, inputs, spread))
    return replace(plan, uncertainty=uncertainty).with_notices(*notices)


def _inputs(plan: Plan, given: Mapping[str, Any]) -> tuple[UncertaintyInputs, list[Notice]]:
    """What is known how well, and what has to be said about it."""
    stated = {name: value for name, value in given.items() if value is not None}
    curve = plan.request.recovery_curve
    defaults = {"samples": DEFAULT_SAMPLES, "density": ASSUMED_DENSITY}
    # Nothing moves against anything else, and the map is normalised: neither is drawn, so neither is assumed.
    stated = {**defaults, **stated, "recovery": curve, "registration_mm": 0.0, "calibration": 0.0}
    if plan.maps is not None:
        inputs, notices = complete_inputs(plan.maps.case, stated)
        if plan.request.recovery:  # their own notice would say that none are given
            notices = [notice for notice in notices if notice.code != "uncertainty-no-recovery"]
    else:
        missing = [name for name in _STATED_WITHOUT_IMAGES if name not in stated]
        if missing:
            raise InputError(
                "the uncertainty of a plan without images needs the voxel size and resolution that its masses were drawn "
                f"with, and the resolution of the MAA image: give {', '.join(missing)} in [uncertainty].",
                tag=f"uncertainty.{missing[0]}",
            )
        inputs, notices = UncertaintyInputs(**stated), []
    if given.get("density") is None:
        text = (
            f"not given, so assumed for the intervals of the plan: densities known to {100 * ASSUMED_DENSITY:g} %. Give "
            "your own as uncertainty.density."
        )
        notices.append(Notice("plan-uncertainty-assumed", text))
    return inputs, notices


def _spread(plan: Plan, inputs: UncertaintyInputs) -> PlanSpread:
    """The uncertainties as draws take them."""
    counts = (
        [] if plan.maps is None else [_statistics(evaluation, inputs) for evaluation in plan.maps.evaluations]
    )
    return PlanSpread(
        diameter_mm=diameter_uncertainty_mm(inputs.contour_voxel_mm, inputs.contour_fwhm_mm),
        emission_fwhm_mm=inputs.fwhm_mm,
        activity=math.hypot(inputs.activity, inputs.residual),
        lung_shunt=inputs.lung_shunt,
        density=inputs.density,
        statistics=counts,
        recovery=plan.request.recovery,
        curve=inputs.recovery,
    )


def _statistics(evaluation: Evaluation, inputs: UncertaintyInputs) -> dict[str, float]:
    """Relative uncertainty of the counts in every tumour and in normal liver, one injection."""
    images = noisy_images(evaluation.case, evaluation.activity, inputs.noise, inputs.noise_fwhm_mm)
    normal = (Role.PERFUSED_NON_TUMOUR_LIVER, Role.NON_TUMOUR_LIVER)
    regions = evaluation.case.regions
    uncertainties = {
        region.name: statistics(images, partial(_mask_named, region.name))
        for region in regions.with_role(Role.TUMOUR)
    }
    for region in [first for role in normal for first in regions.with_role(role)][:1]:
        uncertainties[NORMAL] = statistics(images, partial(_mask_named, region.name))
    return uncertainties


def _mask_named(name: str, regions: Regions) -> Mask:
    """The mask of a region."""
    return regions[name].mask


def _voxel(plan: Plan, maps: DoseMaps, drawn: PlanDraw) -> tuple[DoseTable, Measure]:
    """The dose maps as a draw scales them, region by region: mean doses, and all other metrics."""
    constant = plan.basis.dose_constant_gy_kg_per_gbq
    scaled = scaled_table(maps.table, plan.anatomy, plan.uncorrected, drawn, constant)
    before, after = maps.table.per_gbq, scaled.per_gbq

    def measure(aim: DoseAim, activities: Sequence[float]) -> float:
        old, new = before[aim.region], after[aim.region]
        # A region's dose scaled is its dose of activities scaled.
        return maps.measure(
            aim, [a * n / o if o > 0 else a for a, n, o in zip(activities, new, old, strict=True)]
        )

    return scaled, measure


def _statement(plan: Plan, inputs: UncertaintyInputs, spread: PlanSpread) -> tuple[str, ...]:
    """What the intervals hold, what they do not, and how they were made; a sentence each."""
    sources = [
        f"activity {100 * spread.activity:.2g} % (assay and residual)",
        f"lung shunt {100 * inputs.lung_shunt:.2g} % of it",
        f"boundaries of tumours, perfused volume and liver ({spread.diameter_mm:.2g} mm of diameter)",
        f"density {100 * inputs.density:.2g} %",
    ]
    if any(value > 0 for counts in spread.statistics for value in counts.values()):
        sources.append("counts of tumours and normal liver")
    if spread.recovery and spread.curve is not None:
        sources.append("recovery of tumours")
    left_out = ["how far MAA foretells the treatment", "blur, breathing and registration", "the dose engine"]
    if plan.maps is None:
        left_out.append("the ratios themselves, beyond where boundaries lie")
    if spread.recovery and spread.curve is None:
        left_out.append("the recovery coefficients as given")
    return (
        f"Intervals hold {INTERVAL_PERCENT:g} % of {inputs.samples} draws (seed {inputs.seed}), each planned anew.",
        f"In them, as standard uncertainties: {', '.join(sources)}.",
        f"Not in them: {', '.join(left_out)}.",
    )
