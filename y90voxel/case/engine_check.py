"""What the exact engine would change of a dose, region by region, each change with its uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from y90voxel.case.checked_engine import CheckedRegion, EngineCheck
from y90voxel.case.engine_request import engine_request
from y90voxel.case.evaluation import Evaluation
from y90voxel.dose.density_map import build_tissue_map
from y90voxel.dose.engine import answering
from y90voxel.dose.engines import engine_row
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.quantification.decay import integrate_over_time
from y90voxel.reference.nuclide import nuclide

__all__ = ["with_engine_check"]

VERIFIED_BY = "exact"  # the engine of the table with the least model error


def with_engine_check(
    evaluation: Evaluation,
    histories: int,
    seed: int,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Return the same result with what the exact engine would change of its mean doses.

    Parameters
    ----------
    evaluation : Evaluation
        As `verify` made it.
    histories : int
        Of the exact engine; the result repeats with the seed.
    seed : int
        Of the exact engine.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    PhysicsError
        If the kernel of the exact engine contradicts its transport.
    """
    case = evaluation.case
    request = engine_request(case, histories=histories, seed=seed, progress=progress)
    record = nuclide(case.nuclide)
    tia = integrate_over_time(evaluation.activity, record.half_life_s)
    path = build_tissue_map(case.grid, case.regions, case.ct, case.density, case.ct_tissue).path
    masks = {region.name: region.mask for region in case.regions}
    engine = engine_row(VERIFIED_BY).make(request)
    result = answering(engine).complete_dose(tia, path, record, masks)
    rows = []
    for name, mask in masks.items():
        own = evaluation.own_densities.get(name, evaluation.density)
        before = evaluation.dvh(name).mass_weighted_mean_gy or 0.0
        after = DoseVolumeHistogram.from_dose(result.dose, mask, own).mass_weighted_mean_gy or 0.0
        sigma = abs(after) * result.region_uncertainty[name]
        change = after / before - 1.0 if before > 0.0 else None
        rows.append(
            CheckedRegion(name, before, after, sigma, change, None if change is None else sigma / before)
        )
    check = EngineCheck(VERIFIED_BY, histories, seed, tuple(rows))
    return replace(evaluation, engine_check=check).with_notices(*result.notices)
