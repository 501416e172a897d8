"""Values of metrics that limits and goals may be about, on a dose-volume histogram."""

from __future__ import annotations

import numpy as np

from y90voxel.errors import InputError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.radiobiology import bed, eud, geud
from y90voxel.metrics.tumour_control import NtcpParameters, ntcp_lkb, tcp_log_logistic
from y90voxel.planning.aims import Metric, MetricKind
from y90voxel.units import SECONDS_PER_HOUR

__all__ = ["measure_metric"]


def measure_metric(
    metric: Metric, histogram: DoseVolumeHistogram, effective_half_life_s: float, device: str | None
) -> float:
    """Return the value of a metric, in Gy, or in percent for volumes and probabilities.

    Parameters
    ----------
    metric : Metric
        What is wanted.
    histogram : DoseVolumeHistogram
        Doses in the region, with masses for the mean.
    effective_half_life_s : float
        Half-life of the nuclide, for BED and EUD [s].
    device : str or None
        Device of the treatment, which NTCP parameters must be for.

    Raises
    ------
    InputError
        If an NTCP is asked for without a device.
    """
    doses, volumes, given = histogram.doses_gy, histogram.volumes_ml, metric.parameters
    match metric.kind:
        case MetricKind.MEAN:
            mean = histogram.mass_weighted_mean_gy
            return histogram.mean_gy if mean is None else mean
        case MetricKind.DOSE_AT_VOLUME:
            return histogram.dose_at_volume(float(metric.at or 0.0))
        case MetricKind.VOLUME_AT_DOSE:
            return 100.0 * histogram.volume_at_dose(float(metric.at or 0.0))
        case MetricKind.MAXIMUM:
            return histogram.max_gy
        case MetricKind.GEUD:
            return geud(doses, volumes, given["exponent"])
        case MetricKind.MEAN_BED:
            repair_s = given["repair_half_time_h"] * SECONDS_PER_HOUR
            return float(
                np.average(
                    bed(doses, given["alpha_beta_gy"], repair_s, effective_half_life_s), weights=volumes
                )
            )
        case MetricKind.EUD:
            repair_s = given["repair_half_time_h"] * SECONDS_PER_HOUR
            return eud(
                doses, volumes, given["alpha_per_gy"], given["alpha_beta_gy"], repair_s, effective_half_life_s
            )
        case MetricKind.TCP:
            return 100.0 * tcp_log_logistic(histogram.mean_gy, given["d50_gy"], given["gamma50"])
        case MetricKind.NTCP:
            return _ntcp(metric, histogram, device)


def _ntcp(metric: Metric, histogram: DoseVolumeHistogram, device: str | None) -> float:
    """Complication probability by parameters as given [%]."""
    if device is None:
        raise InputError(
            "an NTCP needs the device that its parameters were fitted for: give --device.",
            tag="administration.device",
        )
    given = metric.parameters
    parameters = NtcpParameters(
        given["td50_gy"], given["m"], given["n"], device, "as given", "as given", verified=True
    )
    equivalent = geud(histogram.doses_gy, histogram.volumes_ml, parameters.geud_exponent)
    return 100.0 * ntcp_lkb(equivalent, parameters, device=device)
