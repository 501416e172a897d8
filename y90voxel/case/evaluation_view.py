"""A whole result in a notebook: one table and one figure, and its conversion to pandas and xarray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from y90voxel.case.case import Case
from y90voxel.clinical.limits import LimitResult
from y90voxel.display import block, closing_notes, curves_svg, table
from y90voxel.errors import Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_view import dvh_curve
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.optional import optional_module
from y90voxel.regions.palette import region_styles
from y90voxel.units import format_activity
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap
from y90voxel.volumes.volume_view import spatial_coordinates

__all__ = ["evaluation_dataset", "evaluation_frame", "evaluation_html"]

# The figure ends where every region has less than this much of its volume left [%].
TAIL_PERCENT = 0.5


class ViewedEvaluation(Protocol):
    """What a view needs of a result; see `y90voxel.case.evaluation.Evaluation` for each attribute."""

    @property
    def case(self) -> Case:
        """What was computed."""

    @property
    def engine(self) -> str:
        """Which engine computed it."""

    @property
    def dose(self) -> DoseMap:
        """Absorbed dose [Gy]."""

    @property
    def activity(self) -> ActivityMap:
        """Activity at administration [Bq per voxel]."""

    @property
    def density(self) -> DensityMap:
        """Mass density used [g/mL]."""

    @property
    def net_activity_bq(self) -> float:
        """Administered activity [Bq]."""

    @property
    def limits(self) -> tuple[LimitResult, ...]:
        """Limits of the device."""

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Every assumption and oddity."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The content of ``metrics.json``."""

    def region(self, name: str) -> RegionMetrics:
        """Metrics of the region with that name."""

    def main_histograms(self) -> Mapping[str, DoseVolumeHistogram]:
        """The histograms that figures show, by name."""


def evaluation_frame(evaluation: ViewedEvaluation) -> Any:
    """Return the metrics of an evaluation as a ``pandas.DataFrame``, one row a region, indexed by its name.

    The columns are those of ``metrics.csv``: the attributes of `RegionMetrics`, nested ones joined by an
    underscore (``v_percent_100``).

    Parameters
    ----------
    evaluation : ViewedEvaluation
        The result.

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    pandas = optional_module("pandas", "notebook")
    return pandas.json_normalize(evaluation.metrics["regions"], sep="_").set_index("name")


def evaluation_dataset(evaluation: ViewedEvaluation) -> Any:
    """Return the maps of an evaluation as an ``xarray.Dataset``.

    ``absorbed_dose`` [Gy], ``activity`` [Bq per voxel], ``mass_density`` [g/mL], and ``occupancy`` (0 to 1) with a
    further dimension ``region``; place and attributes as of `y90voxel.volumes.volume_view.to_xarray`.

    Parameters
    ----------
    evaluation : ViewedEvaluation
        The result.

    Raises
    ------
    InputError
        If xarray is not installed.
    """
    xarray = optional_module("xarray", "notebook")
    maps = [volume.to_xarray() for volume in (evaluation.dose, evaluation.activity, evaluation.density)]
    variables = {array.name: array for array in maps}
    regions = list(evaluation.case.regions)
    if regions:
        names, coordinates = spatial_coordinates(evaluation.dose.grid)
        stacked = np.stack([region.mask.array for region in regions])
        variables["occupancy"] = xarray.DataArray(
            stacked, {"region": [region.name for region in regions], **coordinates}, ("region", *names)
        )
    attributes = {
        "nuclide": evaluation.case.nuclide,
        "engine": evaluation.engine,
        "predicted": int(evaluation.case.predicted),  # netCDF knows no booleans
    }
    return xarray.Dataset(variables, attrs=attributes)


def evaluation_html(evaluation: ViewedEvaluation) -> str:
    """Return what a notebook shows of an evaluation: doses by region, histograms, limits and warnings.

    It says nothing of the patient: no identifier, no date, no path.

    Parameters
    ----------
    evaluation : ViewedEvaluation
        The result.
    """
    case, shown = evaluation.case, evaluation.main_histograms()
    styles = region_styles((region.name, region.role) for region in case.regions)
    rows = []
    for name in shown:
        metrics = evaluation.region(name)
        by_mass = metrics.mean_gy if metrics.mass_weighted_mean_gy is None else metrics.mass_weighted_mean_gy
        doses = (by_mass, metrics.d_gy[98], metrics.d_gy[70], metrics.d_gy[50], metrics.max_gy)
        rows.append((name, f"{metrics.volume_ml:.1f}", *(f"{gy:.4g}" for gy in doses)))
    header = ("region", "mL", "mean by mass, Gy", "D98", "D70", "D50", "max")
    parts = [table(header, rows, [styles[name].colour for name in shown])] if shown else []
    if shown:
        end = max(histogram.dose_at_volume(TAIL_PERCENT) for histogram in shown.values()) or 1.0
        curves = [
            dvh_curve(histogram, name, styles[name].colour, 1.04 * end, styles[name].dash)
            for name, histogram in shown.items()
        ]
        parts.append(curves_svg(curves, "absorbed dose / Gy", "volume / %"))
    kind = "Predicted absorbed dose" if case.predicted else "Absorbed dose"
    facts = f"{case.nuclide}, {format_activity(evaluation.net_activity_bq)} net, engine {evaluation.engine}"
    return block(f"{kind}: {facts}", *parts, notes=_notes(evaluation))


def _notes(evaluation: ViewedEvaluation) -> list[str]:
    """Limits not met, warnings by their codes, and what this software is not."""
    missed = [result for result in evaluation.limits if result.status == "not met"]
    notes = [f"not met: {result.limit.name} ({result.region}), {result.value_gy:.4g} Gy" for result in missed]
    codes = [notice.code for notice in evaluation.warnings]
    return [*notes, *closing_notes(codes, "evaluation.warnings")]
