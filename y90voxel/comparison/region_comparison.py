"""Two doses by region: each in its own contours, on its own grid, so that no frame of reference is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.region_pairs import RegionPair
from y90voxel.comparison.voxel_agreement import defined
from y90voxel.errors import Notice
from y90voxel.metrics.agreement import (
    BlandAltman,
    DvhDifference,
    bland_altman,
    concordance,
    dvh_difference,
    pearson,
    spearman,
)
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.region_columns import D_PERCENT, V_GY, region_entry
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.units import BQ_PER_GBQ

__all__ = [
    "COVERAGE",
    "LesionAgreement",
    "RegionComparison",
    "RegionSide",
    "compare_regions",
    "dose_entry",
    "lesion_agreement",
    "shared_normal_liver",
]

# Fewer lesions have no limits of agreement or concordance worth a number (issue 21).
LEAST_LESIONS = 5
# Coverage factor of the interval that a difference is held against.
COVERAGE = 2.0
# Parts whose volumes add up to their union within this fraction share nothing: masses and activities add up too.
DISJOINT = 1e-3


@dataclass(frozen=True, eq=False)
class RegionSide:
    """One region in one of the two calculations.

    Parameters
    ----------
    metrics : RegionMetrics
        As the calculation states them, else of the histogram; the predicted doses normalised.
    dvh : DoseVolumeHistogram
        In its own contour, normalised likewise.
    raw_mean_gy, raw_mass_weighted_mean_gy : float, float or None
        Means before normalisation [Gy].
    mean_gy_per_gbq : float or None
        Mean dose over the net activity that the dose belongs to [Gy/GBq].
    activity_share : float or None
        Activity of the region over the net activity.
    tumour_to_normal : float or None
        Ratio of activity concentrations [Bq/g over Bq/g], of lesions.
    """

    metrics: RegionMetrics
    dvh: DoseVolumeHistogram
    raw_mean_gy: float
    raw_mass_weighted_mean_gy: float | None
    mean_gy_per_gbq: float | None
    activity_share: float | None
    tumour_to_normal: float | None

    __repr__ = short_repr

    def as_dict(self) -> dict[str, Any]:
        """Return what is said of this side, for JSON."""
        metrics = self.metrics
        return {
            "volume_ml": metrics.volume_ml,
            "mass_g": metrics.mass_g,
            "activity_bq": metrics.activity_bq,
            "activity_share": self.activity_share,
            **dose_entry(metrics),
            "mass_weighted_mean_gy": metrics.mass_weighted_mean_gy,
            "raw_mean_gy": self.raw_mean_gy,
            "raw_mass_weighted_mean_gy": self.raw_mass_weighted_mean_gy,
            "mean_gy_per_gbq": self.mean_gy_per_gbq,
            "tumour_to_normal": self.tumour_to_normal,
            "relative_uncertainty": metrics.relative_uncertainty,
        }


@dataclass(frozen=True, eq=False)
class RegionComparison:
    """One region in both calculations, each in its own contour.

    Parameters
    ----------
    pair : RegionPair
        The region in both.
    predicted, delivered : RegionSide
        What each says of it.
    """

    pair: RegionPair
    predicted: RegionSide
    delivered: RegionSide

    __repr__ = short_repr

    @property
    def name(self) -> str:
        """Name of the region in the delivered calculation."""
        return self.pair.delivered.name

    @property
    def role(self) -> Role:
        """What the region means."""
        return self.pair.delivered.role

    @property
    def difference(self) -> dict[str, Any]:
        """Delivered minus predicted, by the names of the metrics [Gy; percentage points for V_d]."""
        one, other = dose_entry(self.predicted.metrics), dose_entry(self.delivered.metrics)
        volumes = {key: other["v_percent"][key] - one["v_percent"][key] for key in one["v_percent"]}
        return {**{key: other[key] - one[key] for key in one if key != "v_percent"}, "v_percent": volumes}

    @property
    def difference_percent(self) -> dict[str, float | None]:
        """The same in percent of the predicted dose; None where nothing was predicted."""
        one, change = dose_entry(self.predicted.metrics), self.difference
        return {
            key: 100.0 * change[key] / one[key] if one[key] > 0 else None for key in one if key != "v_percent"
        }

    @property
    def difference_uncertainty_gy(self) -> float | None:
        """Standard uncertainty of the difference of the means, taken as independent [Gy]; None where a side states none."""
        sides = [side.metrics for side in (self.predicted, self.delivered)]
        parts = [
            None if m.relative_uncertainty is None else m.relative_uncertainty * m.mean_gy for m in sides
        ]
        return None if None in parts else math.hypot(*(part for part in parts if part is not None))

    @property
    def is_within_uncertainty(self) -> bool | None:
        """Whether the means differ by at most twice the uncertainty of their difference; None where it is not known."""
        uncertainty_gy = self.difference_uncertainty_gy
        return (
            None
            if uncertainty_gy is None
            else bool(abs(self.difference["mean_gy"]) <= COVERAGE * uncertainty_gy)
        )

    @cached_property
    def histograms(self) -> DvhDifference | None:
        """Area between the histograms and their overlap; None where voxels are below 0 Gy."""
        percents = tuple(float(percent) for percent in D_PERCENT)
        if min(side.dvh.doses_gy[-1] for side in (self.predicted, self.delivered)) < 0:
            return None
        return dvh_difference(self.predicted.dvh, self.delivered.dvh, percents, tuple(float(d) for d in V_GY))

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``compare.json``."""
        uncertainty_gy, drawn = self.difference_uncertainty_gy, self.histograms
        return {
            "name": self.name,
            "role": self.role.value,
            "predicted_name": self.pair.predicted.name,
            "matched_by": self.pair.matched_by,
            "predicted": self.predicted.as_dict(),
            "delivered": self.delivered.as_dict(),
            "difference": self.difference,
            "difference_percent": self.difference_percent,
            "uncertainty": {
                "difference_gy": uncertainty_gy,
                "coverage": COVERAGE,
                "within": self.is_within_uncertainty,
            },
            "dvh": {"area_gy": drawn and drawn.area_gy, "overlap": drawn and drawn.overlap},
        }


@dataclass(frozen=True)
class LesionAgreement:
    """Agreement of mean doses over the lesions of one patient, from five lesions on.

    Parameters
    ----------
    lesions : tuple of str
        Names in the delivered calculation.
    bland_altman : BlandAltman or None
        Delivered minus predicted [Gy]; None with fewer than five lesions, as everything below.
    bland_altman_ratio : BlandAltman or None
        Delivered over predicted; None too where a mean is not positive.
    concordance, pearson, spearman : float or None
        Lin's concordance and correlations; None where undefined.
    """

    lesions: tuple[str, ...]
    bland_altman: BlandAltman | None = None
    bland_altman_ratio: BlandAltman | None = None
    concordance: float | None = None
    pearson: float | None = None
    spearman: float | None = None

    __repr__ = short_repr

    @property
    def reason(self) -> str | None:
        """Why there is none, in words."""
        if self.bland_altman is not None:
            return None
        return (
            f"limits of agreement and concordance are given from {LEAST_LESIONS} lesions on; {len(self.lesions)} "
            f"{'is' if len(self.lesions) == 1 else 'are'} compared."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the agreement for JSON."""
        gy, ratio = self.bland_altman, self.bland_altman_ratio
        return {
            "lesions": list(self.lesions),
            "reason": self.reason,
            "bland_altman": gy
            and {"bias_gy": gy.bias, "sd_gy": gy.sd, "lower_gy": gy.lower, "upper_gy": gy.upper},
            "bland_altman_ratio": ratio
            and {"bias": ratio.bias, "sd": ratio.sd, "lower": ratio.lower, "upper": ratio.upper},
            "concordance": self.concordance,
            "pearson": self.pearson,
            "spearman": self.spearman,
        }


def dose_entry(metrics: RegionMetrics) -> dict[str, Any]:
    """Return the doses of a region that a comparison tells."""
    return region_entry(metrics, compared=True)


def compare_regions(
    predicted: ComparedDose,
    delivered: ComparedDose,
    pairs: Sequence[RegionPair],
    factor: float,
    normal: Role = Role.NON_TUMOUR_LIVER,
) -> tuple[RegionComparison, ...]:
    """Return each pair of regions with what both calculations say of it.

    Parameters
    ----------
    predicted, delivered : ComparedDose
        The two sides.
    pairs : sequence of RegionPair
        What is compared.
    factor : float
        What predicted doses are multiplied with.
    normal : Role
        The normal liver that tumours are held against, as of `shared_normal_liver`.
    """
    return tuple(
        RegionComparison(
            pair,
            _region_side(predicted, pair.predicted, pair.predicted_parts, factor, normal),
            _region_side(delivered, pair.delivered, pair.delivered_parts, 1.0, normal),
        )
        for pair in pairs
    )


def shared_normal_liver(predicted: ComparedDose, delivered: ComparedDose) -> tuple[Role, list[Notice]]:
    """Return the normal liver that tumour-to-normal ratios of both sides are over, and what is said of it.

    That of the perfused volume where both have one; else all of it, for a ratio over one cannot be held against a ratio
    over the other.

    Parameters
    ----------
    predicted, delivered : ComparedDose
        The two sides.
    """
    sides = {"predicted": _own_normal(predicted), "delivered": _own_normal(delivered)}
    if len(set(sides.values())) == 1:
        return sides["predicted"], []
    (having,) = [name for name, role in sides.items() if role is Role.PERFUSED_NON_TUMOUR_LIVER]
    return Role.NON_TUMOUR_LIVER, [
        Notice(
            "normal-liver-differs",
            f"only the {having} dose has a perfused volume: tumour-to-normal ratios of both sides are over all normal liver. "
            "Give both a perfused volume for ratios over what is perfused.",
        )
    ]


def _own_normal(side: ComparedDose) -> Role:
    """The normal liver that a calculation itself holds tumours against."""
    roles = {metrics.role for metrics in side.stated.values()}
    perfused = Role.PERFUSED_NON_TUMOUR_LIVER
    return perfused if perfused.value in roles else Role.NON_TUMOUR_LIVER


def lesion_agreement(regions: Sequence[RegionComparison]) -> LesionAgreement:
    """Return the agreement of the mean doses of lesions.

    Parameters
    ----------
    regions : sequence of RegionComparison
        All that are compared; lesions alone count, because regions of unlike doses agree by being unlike.
    """
    lesions = [region for region in regions if region.role is Role.TUMOUR]
    names = tuple(region.name for region in lesions)
    if len(lesions) < LEAST_LESIONS:
        return LesionAgreement(names)
    before = [region.predicted.metrics.mean_gy for region in lesions]
    after = [region.delivered.metrics.mean_gy for region in lesions]
    positive = min(*before, *after) > 0
    return LesionAgreement(
        lesions=names,
        bland_altman=bland_altman(before, after),
        bland_altman_ratio=bland_altman(before, after, of_ratios=True) if positive else None,
        concordance=defined(concordance, before, after),
        pearson=defined(pearson, before, after),
        spearman=defined(spearman, before, after),
    )


def _region_side(
    side: ComparedDose, region: Region, parts: Sequence[Region], factor: float, normal: Role
) -> RegionSide:
    """What one calculation says of a region."""
    dvh = side.histogram(region)
    metrics = side.metrics(region, dvh)
    if parts:
        metrics = _with_sums(metrics, [side.stated.get(part.name) for part in parts])
    activity = side.activity_bq
    share = None if not activity or metrics.activity_bq is None else metrics.activity_bq / activity
    return RegionSide(
        metrics=_scaled(metrics, dvh, factor),
        dvh=dvh if factor == 1.0 else replace(dvh, doses_gy=dvh.doses_gy * factor),
        raw_mean_gy=metrics.mean_gy,
        raw_mass_weighted_mean_gy=metrics.mass_weighted_mean_gy,
        mean_gy_per_gbq=None if not activity else metrics.mean_gy / (activity / BQ_PER_GBQ),
        activity_share=share,
        tumour_to_normal=_ratio(side, metrics, normal),
    )


def _with_sums(whole: RegionMetrics, parts: Sequence[RegionMetrics | None]) -> RegionMetrics:
    """The metrics of a union with mass, activity and energy of its parts, where these share no volume."""
    stated = [part for part in parts if part is not None]
    volume = sum(part.volume_ml for part in stated)
    if len(stated) < len(parts) or abs(volume - whole.volume_ml) > DISJOINT * whole.volume_ml:
        return whole
    mass, activity = _sum([part.mass_g for part in stated]), _sum([part.activity_bq for part in stated])
    energy = _sum([_product(part.mass_g, part.mass_weighted_mean_gy) for part in stated])
    mean = energy / mass if energy is not None and mass else None
    return replace(whole, mass_g=mass, activity_bq=activity, mass_weighted_mean_gy=mean)


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum, None where one is not known."""
    numbers = [value for value in values if value is not None]
    return math.fsum(numbers) if len(numbers) == len(values) else None


def _product(one: float | None, other: float | None) -> float | None:
    """The product, None where one is not known."""
    return None if one is None or other is None else one * other


def _scaled(metrics: RegionMetrics, dvh: DoseVolumeHistogram, factor: float) -> RegionMetrics:
    """Metrics of doses that were multiplied; V_d anew from the histogram."""
    if factor == 1.0:
        return metrics
    mean = metrics.mass_weighted_mean_gy
    return replace(
        metrics,
        mean_gy=factor * metrics.mean_gy,
        mass_weighted_mean_gy=None if mean is None else factor * mean,
        min_gy=factor * metrics.min_gy,
        max_gy=factor * metrics.max_gy,
        sd_gy=factor * metrics.sd_gy,
        d_gy={percent: factor * dose for percent, dose in metrics.d_gy.items()},
        v_percent={dose: 100.0 * dvh.volume_at_dose(dose / factor) for dose in V_GY},
    )


def _ratio(side: ComparedDose, lesion: RegionMetrics, role: Role) -> float | None:
    """Activity concentration of a lesion over that of the normal liver of a role."""
    if lesion.role not in (Role.TUMOUR.value, Role.TUMOURS.value):
        return None
    if lesion.name in side.tumour_to_normal and role is _own_normal(side):
        return side.tumour_to_normal[lesion.name]
    normal = {metrics.role: metrics for metrics in side.stated.values()}.get(role.value)
    if normal is None or not normal.activity_bq or not normal.mass_g:
        return None
    if lesion.activity_bq is None or not lesion.mass_g:
        return None
    return (lesion.activity_bq / lesion.mass_g) / (normal.activity_bq / normal.mass_g)
