"""What the report of an evaluation shows, gathered once: page, figures, interactive page and PDF only lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.evaluation import Evaluation
from y90voxel.immune.immune_report import ImmuneReport
from y90voxel.metrics.dvh_bands import DvhBand
from y90voxel.metrics.dvh_curves import DvhCurves, drawn_curves, whole_curves
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.microscale.microscale_report import MicroscaleReport
from y90voxel.regions.palette import RegionStyle
from y90voxel.regions.roles import Role
from y90voxel.report.dose_content import dose_content
from y90voxel.report.overlays import PAGE_PX, Overlay, sampled_overlays
from y90voxel.report.scene import Scene, build_scene
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.packing import PackedVolume, pack_activity, pack_ct, pack_dose, pack_mask

__all__ = ["DoseReport", "ShownRegion", "dose_report", "drawn_bands"]

VIEWER_DVH_POINTS = 300  # of a curve; chosen: one a pixel of the small plot
# Bands of all regions lie over each other and hide the lines; those of the others stand in ``dvh_bands.csv``.
BANDED_ROLES = frozenset({Role.TUMOUR, Role.NON_TUMOUR_LIVER})


@dataclass(frozen=True, eq=False)
class ShownRegion:
    """A region whose histogram is shown.

    Parameters
    ----------
    metrics : RegionMetrics
        Name, role and numbers.
    style : RegionStyle
        Its colour and line.
    hottest_mm : ndarray, (3,)
        Where its dose is greatest, in LPS [mm].
    image : PackedVolume
        Its occupancy.
    """

    metrics: RegionMetrics
    style: RegionStyle
    hottest_mm: NDArray[np.float64]
    image: PackedVolume


@dataclass(frozen=True, eq=False)
class DoseReport:
    """Everything that is shown of an evaluation.

    Parameters
    ----------
    text : mapping
        What `dose_content` returns.
    scene : Scene
        What the overlays share.
    overlays : list of Overlay
        Through the hottest voxel and the centre.
    curves, whole_curves : DvhCurves
        Histograms as far as figures go, and up to the greatest dose.
    regions : tuple of ShownRegion
        Those that have a curve, in the same order.
    underlay, dose : PackedVolume
        The images of the interactive page.
    registration : Alignment, DeformableAlignment or None
        Of the CTs, where they were registered.
    immune : ImmuneReport or None
        Blood and lymphocytes, where they were asked for.
    microscale : MicroscaleReport or None
        Dose between microspheres, where it was asked for.
    """

    text: Mapping[str, Any]
    scene: Scene
    overlays: list[Overlay]
    curves: DvhCurves
    whole_curves: DvhCurves
    regions: tuple[ShownRegion, ...]
    underlay: PackedVolume
    dose: PackedVolume
    registration: Alignment | DeformableAlignment | None
    immune: ImmuneReport | None = None
    microscale: MicroscaleReport | None = None

    @property
    def styles(self) -> dict[str, RegionStyle]:
        """Colour and line of each curve, by name."""
        return {region.metrics.name: region.style for region in self.regions}

    @property
    def tumours(self) -> frozenset[str]:
        """Names of single tumours."""
        return frozenset(r.metrics.name for r in self.regions if r.metrics.role == Role.TUMOUR)


def drawn_bands(evaluation: Evaluation) -> dict[str, DvhBand]:
    """Return the bands that figures show, by region name: those of single tumours and of the non-tumour liver."""
    roles = {region.name: region.role for region in evaluation.case.regions}
    return {name: band for name, band in evaluation.bands.items() if roles[name] in BANDED_ROLES}


def dose_report(evaluation: Evaluation) -> DoseReport:
    """Return what the report of an evaluation shows.

    Parameters
    ----------
    evaluation : Evaluation
        What is reported.
    """
    case, dose, bands = evaluation.case, evaluation.dose, drawn_bands(evaluation)
    text = dose_content(evaluation)
    histograms = evaluation.main_histograms()
    curves = drawn_curves(histograms, bands, shrink=evaluation.shrink)
    whole = whole_curves(histograms, bands, VIEWER_DVH_POINTS, evaluation.shrink)
    scene = build_scene(evaluation)
    metrics = {region.name: region for region in evaluation.regions}
    regions = [
        ShownRegion(
            metrics[name],
            scene.styles[name],
            dose.grid.index_to_lps(dose.greatest_at(case.regions[name].mask.core)),
            pack_mask(case.regions[name].mask),
        )
        for name in histograms
    ]
    return DoseReport(
        text=text,
        scene=scene,
        overlays=sampled_overlays(scene, (scene.hottest, scene.centre), PAGE_PX),
        curves=curves,
        whole_curves=whole,
        regions=tuple(regions),
        underlay=pack_activity(evaluation.activity) if case.ct is None else pack_ct(case.ct, dose.grid),
        dose=pack_dose(dose),
        registration=case.alignment,
        immune=evaluation.immune,
        microscale=evaluation.microscale,
    )
