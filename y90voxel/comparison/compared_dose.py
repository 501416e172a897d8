"""One side of a comparison: a dose map and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import RegionMetrics, summarise
from y90voxel.regions.regions import Region
from y90voxel.short_repr import short_repr
from y90voxel.volumes.volume import ActivityMap, DoseMap

__all__ = ["ComparedDose"]


@dataclass(frozen=True, eq=False)
class ComparedDose:
    """One side of a comparison: a dose map and what is known of it.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy].
    regions : tuple of Region
        On the grid of the dose, derived ones included.
    label : str
        What it is called in outputs.
    study_instance_uid : str or None
        Of the DICOM study.
    nuclide : str or None
        Therapy nuclide.
    is_prediction : bool or None
        Whether a surrogate was imaged; None when unknown.
    activity_bq : float or None
        Net activity at administration that the dose belongs to [Bq].
    lung_shunt_fraction : float or None
        Lung shunt fraction that the dose was made with.
    engine : str or None
        Which engine computed it.
    energy_per_activity_j_per_gbq : float or None
        Energy per activity that the engine used [J/GBq].
    activity : ActivityMap or None
        Activity at administration on the grid of the dose [Bq per voxel]; needed where resolutions are matched.
    stated : mapping of str to RegionMetrics
        What the calculation itself states of its regions, by their names.
    tumour_to_normal : mapping of str to float
        Ratios of activity concentrations that the calculation states, by tumour; else they follow from ``stated``.
    """

    dose: DoseMap
    regions: tuple[Region, ...] = ()
    label: str = ""
    study_instance_uid: str | None = None
    nuclide: str | None = None
    is_prediction: bool | None = None
    activity_bq: float | None = None
    lung_shunt_fraction: float | None = None
    engine: str | None = None
    energy_per_activity_j_per_gbq: float | None = None
    activity: ActivityMap | None = None
    stated: Mapping[str, RegionMetrics] = field(default_factory=dict)
    tumour_to_normal: Mapping[str, float] = field(default_factory=dict)

    __repr__ = short_repr

    @classmethod
    def of(cls, evaluation: Evaluation) -> ComparedDose:
        """Return an evaluation as a side of a comparison."""
        return cls(
            dose=evaluation.dose,
            regions=tuple(evaluation.case.regions),
            label=evaluation.case.label,
            study_instance_uid=evaluation.case.study_instance_uid,
            nuclide=evaluation.case.nuclide,
            is_prediction=evaluation.case.predicted,
            activity_bq=evaluation.net_activity_bq,
            lung_shunt_fraction=evaluation.lung.shunt_fraction,
            engine=evaluation.engine,
            energy_per_activity_j_per_gbq=evaluation.energy_per_activity_j_per_gbq,
            activity=evaluation.activity,
            stated={metrics.name: metrics for metrics in evaluation.regions},
        )

    def histogram(self, region: Region) -> DoseVolumeHistogram:
        """Return the dose-volume histogram of a region in its own contour, on the side's own grid."""
        return DoseVolumeHistogram.from_dose(self.dose, region.mask)

    def metrics(self, region: Region, histogram: DoseVolumeHistogram) -> RegionMetrics:
        """Return what the calculation states of a region, else what its histogram says.

        Parameters
        ----------
        region : Region
            On the grid of the dose.
        histogram : DoseVolumeHistogram
            Of that region.
        """
        stated = self.stated.get(region.name)
        return summarise(region, histogram, None, None, None) if stated is None else stated

    def as_dict(self) -> dict[str, Any]:
        """Return what is known of the side, for JSON."""
        return {
            "label": self.label,
            "study_instance_uid": self.study_instance_uid,
            "predicted": self.is_prediction,
            "nuclide": self.nuclide,
            "engine": self.engine,
            "activity_bq": self.activity_bq,
            "lung_shunt_fraction": self.lung_shunt_fraction,
            "energy_per_activity_j_per_gbq": self.energy_per_activity_j_per_gbq,
            "grid": self.dose.grid.as_dict(),
        }
