"""What every possible region of a relative calibration would make of the same counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.quantification.calibration import CalibrationRegion
from y90voxel.quantification.lung_measures import within_reach
from y90voxel.quantification.lung_view import LungView
from y90voxel.quantification.scaling import sum_within
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = [
    "ASSUMED_FWHM_MM",
    "LIVER_AND_MARGIN",
    "CalibrationSpread",
    "calibration_factors",
    "combined_spread",
]

# Resolution of an emission image where it is not stated [mm], by modality.
ASSUMED_FWHM_MM = {"NM": 10.0, "PT": 6.0, "file": 10.0}
# The liver with what blur carries out of it: that many FWHM around it. It is compared with, and no choice.
LIVER_AND_MARGIN = "liver+margin"
MARGIN_FWHM = 2.0  # [FWHM]: 99.99 % of a Gaussian in three dimensions lie less far from its centre


@dataclass(frozen=True)
class CalibrationSpread:
    """Factors from counts to activity by calibration region, over that of the region in use.

    Parameters
    ----------
    region : str
        The one in use.
    factors : mapping of str to float
        By region; 1 for the one in use.
    margin_mm : float
        What ``liver+margin`` adds to the liver [mm].
    lung_share : float or None
        Share of the lungs in the emission view; None where it is not used.
    lung_share_low, lung_share_high : float or None
        What brackets it.
    lung_range : float
        Half the range of the activity in view that follows, relative.
    """

    region: str
    factors: Mapping[str, float]
    margin_mm: float
    lung_share: float | None = None
    lung_share_low: float | None = None
    lung_share_high: float | None = None
    lung_range: float = 0.0

    @property
    def spread(self) -> float:
        """Greatest less least factor, over that in use."""
        return max(self.factors.values()) - min(self.factors.values())

    @property
    def scaling(self) -> float:
        """The part of calibration in a relative standard uncertainty: half the spread, with what lungs in part leave open."""
        return float(np.hypot(0.5 * self.spread, self.lung_range))

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {
            "alternatives": dict(self.factors),
            "spread": self.spread,
            "scaling_uncertainty": self.scaling,
            "margin_mm": self.margin_mm,
            "lung_share_in_view": self.lung_share,
            "lung_share_range": None
            if self.lung_share is None
            else [self.lung_share_low, self.lung_share_high],
        }


def calibration_factors(
    counts: CountMap | ActivityMap,
    regions: Regions,
    hepatic: Mask | None,
    net_bq: float,
    shunt: float | None,
    view: LungView,
    margin_mm: float,
) -> dict[str, float]:
    """Return activity over counts of every calibration region that can be had [Bq/count].

    Parameters
    ----------
    counts : CountMap or ActivityMap
        The emission image.
    regions : Regions
        On its grid.
    hepatic : Mask or None
        What stands for the liver: liver, tumours and perfused volume, or a territory; None where none is drawn.
    net_bq : float
        Net activity [Bq].
    shunt : float or None
        Lung shunt fraction; without it, there are only regions that hold all of the activity.
    view : LungView
        How much of the lungs the image sees.
    margin_mm : float
        Around the liver [mm].
    """
    factors: dict[str, float] = {}

    def add(name: str, held_bq: float, inside: float) -> None:
        if inside > 0:
            factors[name] = held_bq / inside

    if hepatic is not None and shunt is not None:
        add(CalibrationRegion.LIVER.value, net_bq * (1.0 - shunt), sum_within(counts.array, hepatic.array))
        around = within_reach(hepatic, margin_mm)
        add(LIVER_AND_MARGIN, net_bq * (1.0 - shunt), sum_within(counts.array, around.array))
    in_view = net_bq if view.share == 1.0 else None
    if in_view is None and shunt is not None:
        in_view = view.activity_in_view(net_bq, shunt)
    if in_view is not None:
        body = regions.mask_of(Role.BODY)
        if body is not None and not any(one.from_ct for one in regions.with_role(Role.BODY)):
            add(CalibrationRegion.BODY.value, in_view, sum_within(counts.array, body.array))
        add(CalibrationRegion.FIELD_OF_VIEW.value, in_view, counts.total)
    return factors


def combined_spread(parts: Sequence[tuple[float, CalibrationSpread]]) -> CalibrationSpread | None:
    """Return the spread of several injections together, each by its net activity; None without any.

    Parameters
    ----------
    parts : sequence of (float, CalibrationSpread)
        Net activity [Bq] and spread of each.
    """
    if not parts:
        return None
    first = parts[0][1]
    if len(parts) == 1:
        return first
    whole = sum(net for net, _ in parts)
    shared = [name for name in first.factors if all(name in one.factors for _, one in parts)]
    factors = {name: sum(net * one.factors[name] for net, one in parts) / whole for name in shared}
    worst = max((one for _, one in parts), key=lambda one: one.lung_range)
    return CalibrationSpread(
        first.region, factors, first.margin_mm, worst.lung_share, worst.lung_share_low, worst.lung_share_high,
        worst.lung_range,
    )  # fmt: skip
