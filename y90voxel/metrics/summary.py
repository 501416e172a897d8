"""The numbers of one region that a report prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.model_doses import ModelDoses, model_doses
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.metrics.region_columns import D_PERCENT, V_GY, region_entry
from y90voxel.metrics.region_noise import RegionNoise
from y90voxel.metrics.uncertainty_budget import DoseUncertainty
from y90voxel.regions.regions import Region
from y90voxel.short_repr import short_repr
from y90voxel.volumes.volume import ActivityMap

__all__ = ["PartialVolume", "RegionMetrics", "RegionUncertainty", "summarise"]


@dataclass(frozen=True)
class RegionUncertainty:
    """How well the mean dose of a region is known.

    Parameters
    ----------
    budget : DoseUncertainty
        Relative standard uncertainty by the EANM scheme, with its parts.
    simulation : float
        Statistical part of a Monte Carlo engine, which the budget does not hold.
    low_gy, high_gy : float
        Log-normal interval of the volume-weighted mean, k = 2 [Gy]; around the mean corrected by recovery where there is one.
    sampled_low_gy, sampled_high_gy : float or None
        95 % of the sampled means, of the blurred image [Gy].
    interval_of : str
        What the interval is about: the mean of the blurred image, or the one corrected by recovery.
    statistics_known : bool
        False where the noise of an image is not known, so that the budget holds none.
    """

    budget: DoseUncertainty
    simulation: float
    low_gy: float
    high_gy: float
    sampled_low_gy: float | None
    sampled_high_gy: float | None
    interval_of: str = "blurred mean"
    statistics_known: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the parts for JSON."""
        parts = {f.name: getattr(self.budget, f.name) for f in fields(self.budget) if f.name != "relative"}
        return {
            **parts,
            "statistics": self.budget.statistics if self.statistics_known else None,
            "simulation": self.simulation,
            "mean_k2_gy": [self.low_gy, self.high_gy],
            "interval_of": self.interval_of,
            "mean_sampled_95_gy": None
            if self.sampled_low_gy is None
            else [self.sampled_low_gy, self.sampled_high_gy],
        }


@dataclass(frozen=True)
class PartialVolume:
    """What a region is corrected to, beside its uncorrected numbers; the attributes are keys of ``metrics.json``.

    Parameters
    ----------
    recovery, recovery_uncertainty : float or None
        Recovery coefficient of a sphere as large, and its standard uncertainty from the fit.
    mean_corrected_gy : float or None
        Mean dose corrected for recovery in warm background [Gy].
    tumour_to_normal_ratio, tumour_to_normal_ratio_corrected : float or None
        Of activity concentrations.
    deconvolved_mean_gy, deconvolved_d70_gy : float or None
        Mean dose and D70 of the deconvolved image [Gy].
    """

    recovery: float | None = None
    recovery_uncertainty: float | None = None
    mean_corrected_gy: float | None = None
    tumour_to_normal_ratio: float | None = None
    tumour_to_normal_ratio_corrected: float | None = None
    deconvolved_mean_gy: float | None = None
    deconvolved_d70_gy: float | None = None


@dataclass(frozen=True)
class RegionMetrics:
    """Dose metrics of one region; the attributes are the keys of ``metrics.json``.

    Parameters
    ----------
    name, role : str
        Which region, and what it means.
    automatic : bool
        True when no person drew it.
    volume_ml, mass_g : float
        Σ occupancy × voxel volume [mL], and × density of the region's own tissue [g].
    activity_bq : float or None
        Σ occupancy × activity at administration [Bq], without partial-volume correction.
    mean_gy, mass_weighted_mean_gy, min_gy, max_gy, sd_gy : float
        Doses [Gy]; minimum and maximum over voxels at least half occupied.
    d_gy : dict of int to float
        D_x [Gy] by volume in percent.
    v_percent : dict of int to float
        V_d [%] by dose in Gy.
    bed_mean_gy, eqd2_mean_gy, eud_gy : float or None
        Only with parameters given, see `ModelDoses`.
    radiobiology : RadiobiologyParameters or None
        The parameters used.
    relative_uncertainty : float or None
        Standard uncertainty of the mean dose as a fraction.
    uncertainty : RegionUncertainty or None
        Its parts, where they were asked for.
    partial_volume : PartialVolume or None
        Corrected numbers, where they were asked for.
    whole_mass_g : float or None
        Mass of the whole region by CT on its own grid [g], inside the dose grid or not; where it was measured.
    noise : RegionNoise or None
        What noise of the image does to its histogram.
    """

    name: str
    role: str
    automatic: bool
    volume_ml: float
    mass_g: float | None
    activity_bq: float | None
    mean_gy: float
    mass_weighted_mean_gy: float | None
    min_gy: float
    max_gy: float
    sd_gy: float
    d_gy: dict[int, float]
    v_percent: dict[int, float]
    bed_mean_gy: float | None = None
    eqd2_mean_gy: float | None = None
    eud_gy: float | None = None
    radiobiology: RadiobiologyParameters | None = None
    relative_uncertainty: float | None = None
    uncertainty: RegionUncertainty | None = None
    partial_volume: PartialVolume | None = None
    whole_mass_g: float | None = None
    noise: RegionNoise | None = None

    __repr__ = short_repr

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``."""
        return region_entry(self)


def summarise(
    region: Region,
    dvh: DoseVolumeHistogram,
    activity: ActivityMap | None,
    parameters: RadiobiologyParameters | None,
    half_life_s: float | None,
    whole_mass_g: float | None = None,
) -> RegionMetrics:
    """Return the metrics of one region.

    Parameters
    ----------
    region : Region
        The region on the dose grid.
    dvh : DoseVolumeHistogram
        Its histogram, with masses where a density map exists.
    activity : ActivityMap or None
        Activity at administration on the dose grid [Bq per voxel].
    parameters : RadiobiologyParameters or None
        For BED, EQD2 and EUD; None leaves them out.
    half_life_s : float or None
        Effective half-life for these [s].
    whole_mass_g : float or None
        Mass of the whole region by CT on its own grid [g].
    """
    model: ModelDoses | None = None
    if parameters is not None and half_life_s is not None:
        model = model_doses(dvh.doses_gy, dvh.volumes_ml, parameters, half_life_s)
    box = region.mask.box
    activity_bq = (
        None
        if activity is None
        else float((activity.array[box] * region.mask.array[box]).sum(dtype=np.float64))
    )
    return RegionMetrics(
        name=region.name,
        role=region.role.value,
        automatic=region.automatic,
        volume_ml=dvh.volume_ml,
        mass_g=dvh.mass_g,
        whole_mass_g=whole_mass_g,
        activity_bq=activity_bq,
        mean_gy=dvh.mean_gy,
        mass_weighted_mean_gy=dvh.mass_weighted_mean_gy,
        min_gy=dvh.min_gy,
        max_gy=dvh.max_gy,
        sd_gy=dvh.sd_gy,
        d_gy={percent: dvh.dose_at_volume(percent) for percent in D_PERCENT},
        v_percent={dose: 100.0 * dvh.volume_at_dose(dose) for dose in V_GY},
        radiobiology=None if model is None else parameters,
        **({} if model is None else asdict(model)),
    )
