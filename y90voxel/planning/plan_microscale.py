"""The dose between microspheres that each planning model would give: exploratory, no decision may rest on it."""

from __future__ import annotations

from dataclasses import replace

from y90voxel.case.microscale_evaluation import HEPATIC_ROLES, MEDIUM, clusters_notice, stated_clusters
from y90voxel.case.microscale_settings import MicroscaleSettings
from y90voxel.errors import Notice
from y90voxel.microscale.campbell import empty_lobule_share, spheres_per_ml
from y90voxel.microscale.laplace import dose_functional
from y90voxel.microscale.microscale_report import ILLUSTRATIVE_ALPHAS_PER_GY, SHOWN_PERCENTS
from y90voxel.microscale.sphere_activity import sphere_activity
from y90voxel.microscale.sphere_kernel import scoring_kernel
from y90voxel.planning.plan_result import Plan
from y90voxel.planning.plan_spheres import PlanMicroscale, PlannedSpheres

__all__ = ["with_plan_microscale"]


def with_plan_microscale(plan: Plan, chosen: MicroscaleSettings) -> Plan:
    """Return the plan with the expected dose between microspheres of every model's liver and tumours.

    Parameters
    ----------
    plan : Plan
        Of `plan` or `plan_from_masses`.
    chosen : MicroscaleSettings
        How spheres are.

    Raises
    ------
    InputError
        If the activity of a sphere is not known.
    PhysicsError
        If there is no radial kernel of the nuclide.
    """
    sphere = sphere_activity(plan.facts.device, chosen.days_since_calibration, chosen.activity_per_sphere)
    kernel, model = scoring_kernel(plan.facts.nuclide, MEDIUM), stated_clusters(chosen)
    functional = dose_functional(sphere.activity_bq, kernel, model, chosen.places)
    rows = []
    for planned in plan.models:  # one that is not available has no rows
        for region in planned.table.rows:
            if region.role not in HEPATIC_ROLES:
                continue
            mean_gy = region.dose_gy(planned.activities_gbq)
            density, histogram = spheres_per_ml(mean_gy, sphere.activity_bq, kernel), functional.dvh(mean_gy)
            rows.append(
                PlannedSpheres(
                    planned.name,
                    region.name,
                    mean_gy,
                    density,
                    empty_lobule_share(density, model),
                    functional.cv(mean_gy),
                    {percent: histogram.dose_at_volume(percent) for percent in SHOWN_PERCENTS},
                    {alpha: functional.eud(mean_gy, alpha) for alpha in ILLUSTRATIVE_ALPHAS_PER_GY},
                )
            )
    notices = clusters_notice(chosen)
    if not rows:
        notices = [
            Notice(
                "microscale-omitted",
                "dose between microspheres was asked for and is left out: no model gives a dose of liver or tumour.",
            )
        ]
    plan_microscale = PlanMicroscale(sphere, model.name, model.label, chosen.places, tuple(rows))
    return replace(plan, microscale=plan_microscale).with_notices(*notices)
