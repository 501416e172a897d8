"""What the doses of an evaluation mean between microspheres: taken from its regions, said with all that is assumed."""

from __future__ import annotations

from dataclasses import replace

from y90voxel.case.evaluation import Evaluation
from y90voxel.case.microscale_settings import MicroscaleSettings
from y90voxel.errors import Notice
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.microscale.cluster_models import ClusterModel, cluster_model
from y90voxel.microscale.laplace import dose_functional
from y90voxel.microscale.microscale_report import (
    ILLUSTRATIVE_ALPHAS_PER_GY,
    MicroscaleReport,
    region_between_spheres,
)
from y90voxel.microscale.sphere_kernel import SCORING_MM, scoring_kernel
from y90voxel.regions.roles import Role

__all__ = ["HEPATIC_ROLES", "MEDIUM", "clusters_notice", "stated_clusters", "with_microscale"]

# Where spheres lodge in sinusoids and tracts, so that one medium and one geometry hold; lungs and other organs are left out.
HEPATIC_ROLES = (
    Role.TUMOUR,
    Role.TUMOURS,
    Role.PERFUSED,
    Role.PERFUSED_NON_TUMOUR_LIVER,
    Role.NON_TUMOUR_LIVER,
    Role.LIVER,
)
MEDIUM = "liver"
DEFAULT_CLUSTERS = "single"


def with_microscale(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with the expected dose at 0.1 mm of liver, tumours and their parts.

    Exploratory: no decision may rest on it.

    Parameters
    ----------
    evaluation : Evaluation
        Of `verify`; its case says how spheres are.

    Returns
    -------
    Evaluation
        With `microscale`, or without it and a notice where there is neither liver nor tumour.

    Raises
    ------
    InputError
        If the activity of a sphere is not known.
    PhysicsError
        If there is no radial kernel of the nuclide.
    """
    case, settings = evaluation.case, evaluation.case.settings.microscale
    sphere, kernel = case.sphere_activity, scoring_kernel(case.nuclide, MEDIUM)
    shown = _shown(evaluation)
    if not shown:
        return evaluation.with_notices(
            Notice(
                "microscale-omitted",
                "dose between microspheres was asked for and is left out: neither liver nor tumour is among the regions. Name "
                "one with --role 'NAME=liver', or draw it.",
            )
        )
    model = stated_clusters(settings)
    functional = dose_functional(sphere.activity_bq, kernel, model, settings.places)
    regions = tuple(
        region_between_spheres(
            metrics.name,
            str(metrics.role),
            evaluation.dvh(metrics.name),
            sphere,
            kernel,
            functional,
            _alphas(evaluation, Role(metrics.role)),
        )
        for metrics in shown
    )
    report = MicroscaleReport(
        sphere, model.name, model.label, settings.places, MEDIUM, evaluation.dose.grid.spacing_mm, regions
    )
    return replace(evaluation, microscale=report).with_notices(*_notices(evaluation, report))


def stated_clusters(settings: MicroscaleSettings) -> ClusterModel:
    """Return the cluster model that was stated, else that of single spheres."""
    return cluster_model(settings.clusters or DEFAULT_CLUSTERS)


def clusters_notice(settings: MicroscaleSettings) -> list[Notice]:
    """Say that single spheres are assumed, where nobody stated how they lie."""
    if settings.clusters is not None:
        return []
    return [
        Notice(
            "microscale-clusters",
            "how microspheres cluster is not known and was not stated (--clusters): single spheres are assumed, the most even "
            "dose there can be. Clusters lower D98, D70 and EUD.",
        )
    ]


def _shown(evaluation: Evaluation) -> list[RegionMetrics]:
    """Regions of the liver, tumours first; a single tumour not once more as all tumours."""
    single = sum(metrics.role == Role.TUMOUR for metrics in evaluation.regions) < 2
    roles = [role for role in HEPATIC_ROLES if not (single and role is Role.TUMOURS)]
    return [metrics for role in roles for metrics in evaluation.regions if metrics.role == role]


def _alphas(evaluation: Evaluation, role: Role) -> tuple[float, ...]:
    """α of EUD: the examples, and what was stated of the role."""
    given = evaluation.case.radiobiology.get(role)
    own = () if given is None or given.alpha_per_gy is None else (given.alpha_per_gy,)
    return tuple(sorted({*ILLUSTRATIVE_ALPHAS_PER_GY, *own}))


def _notices(evaluation: Evaluation, report: MicroscaleReport) -> list[Notice]:
    """Say what the image hides, what was assumed, and where there is no dose."""
    spacing = " × ".join(f"{s:.3g}" for s in report.voxel_mm)
    densest = max(region.spheres_per_ml for region in report.regions)
    in_voxel = densest * evaluation.dose.grid.voxel_volume_ml
    notices = [
        Notice(
            "microscale-hidden",
            f"voxels of {spacing} mm average over the unevenness between microspheres (up to {in_voxel:.3g} spheres in one): "
            f"dose map, histograms and limits show nothing of the block `microscale`, which is computed for {SCORING_MM:g} mm "
            "and is exploratory.",
        )
    ]
    notices += clusters_notice(evaluation.case.settings.microscale)
    if len(evaluation.case.injections) > 1 or evaluation.arteries:
        notices.append(
            Notice(
                "microscale-staged",
                f"several injections: the spheres of all of them are taken to hold {report.sphere.activity_bq:.4g} Bq.",
            )
        )
    empty = [region.region for region in report.regions if region.mean_gy == 0]
    if empty:
        notices.append(
            Notice(
                "microscale-no-dose",
                f"no dose and so no spheres in {', '.join(empty)}: D98, D70, D2 and EUD are zero.",
            )
        )
    return notices
