"""Cumulative limits: the lungs' 50 Gy, those that the user gives, and what is left under each."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from y90voxel.accumulation.region_sums import RegionSum
from y90voxel.accumulation.time_courses import DecayingSource
from y90voxel.accumulation.treatment import EffectParameters, Treatment
from y90voxel.bounds import check_positive
from y90voxel.clinical.limits_table import LUNGS_ALL_SOURCE, LUNGS_ALL_TREATMENTS_GY
from y90voxel.errors import InputError
from y90voxel.metrics.radiobiology import dose_from_bed
from y90voxel.regions.roles import Role

__all__ = ["CumulativeLimit", "LimitResult", "dose_left", "fraction_dose_left", "judge_limits", "parse_limit"]

# Numbers of fractions that what is left is shown for.
_FRACTIONS = (3, 5, 10)
_LIMIT = re.compile(
    r"\s*(?P<region>.+?)\s+(?P<quantity>mean|bed|eqd2)\s*(?:<=|≤)\s*(?P<value>[0-9.]+)\s*(?:Gy)?\s*", re.I
)


@dataclass(frozen=True)
class CumulativeLimit:
    """A mean dose of a region that all treatments together must not exceed.

    Parameters
    ----------
    region : str
        Name of the region.
    quantity : {'mean', 'bed', 'eqd2'}
        Absorbed dose, or mean effective dose with every set of parameters of the region.
    value_gy : float
        The limit [Gy].
    source : str
        Who says so.

    Raises
    ------
    InputError
        If the value is not positive or the quantity is unknown.
    """

    region: str
    quantity: str
    value_gy: float
    source: str = "given"

    def __post_init__(self) -> None:
        check_positive(self.value_gy, f"the limit of {self.region}", "Gy")
        if self.quantity not in ("mean", "bed", "eqd2"):
            raise InputError(f"a cumulative limit is on mean, bed or eqd2, not on {self.quantity!r}.")


@dataclass(frozen=True)
class LimitResult:
    """A limit with what all treatments gave and what is left.

    Parameters
    ----------
    limit : CumulativeLimit
        The limit.
    parameters : EffectParameters or None
        Of an effective dose.
    found_gy : float or None
        What was given [Gy]; None where it is not known.
    half_life_s : float or None
        Of the last radioembolization, for what another one may give.
    """

    limit: CumulativeLimit
    parameters: EffectParameters | None
    found_gy: float | None
    half_life_s: float | None = None

    @property
    def status(self) -> str:
        """`met`, `not met` or `unconfirmed`."""
        if self.found_gy is None:
            return "unconfirmed"
        return "met" if self.found_gy <= self.limit.value_gy else "not met"

    @property
    def left_gy(self) -> float | None:
        """What is left in the quantity of the limit, 0 where it is exceeded [Gy]."""
        return None if self.found_gy is None else max(self.limit.value_gy - self.found_gy, 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, with what is left as fractions and as another radioembolization."""
        return {
            "region": self.limit.region,
            "quantity": self.limit.quantity,
            "parameters": None if self.parameters is None else self.parameters.name,
            "value_gy": self.found_gy,
            "limit_gy": self.limit.value_gy,
            "left_gy": self.left_gy,
            "status": self.status,
            "left_as_fractions_gy": self._fractions(),
            "left_as_radioembolization_gy": self._radioembolization(),
            "source": self.limit.source,
        }

    def _bed_left(self) -> float | None:
        """What is left as biologically effective dose [Gy]."""
        if self.left_gy is None or self.parameters is None:
            return None
        return self.left_gy * (
            1.0 + 2.0 / self.parameters.alpha_beta_gy if self.limit.quantity == "eqd2" else 1.0
        )

    def _fractions(self) -> dict[str, float]:
        """Dose per fraction that uses up what is left, by number of fractions [Gy]."""
        left = self._bed_left()
        if left is None or self.parameters is None:
            return {}
        alpha_beta = self.parameters.alpha_beta_gy
        return {str(number): fraction_dose_left(left, alpha_beta, number) for number in _FRACTIONS}

    def _radioembolization(self) -> float | None:
        """Absorbed dose of another radioembolization that uses up what is left [Gy]."""
        if self.parameters is None:
            return self.left_gy
        left = self._bed_left()
        return (
            None
            if left is None or self.half_life_s is None
            else dose_left(left, self.parameters, self.half_life_s)
        )


def parse_limit(text: str) -> CumulativeLimit:
    """Return a limit such as ``non-tumour liver bed <= 70``.

    Raises
    ------
    InputError
        If the text is not of that form.

    Examples
    --------
    >>> parse_limit("non-tumour liver eqd2 <= 40 Gy")
    CumulativeLimit(region='non-tumour liver', quantity='eqd2', value_gy=40.0, source='given')
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise InputError(
            f"the limit {text!r} is not understood: write REGION mean, bed or eqd2 <= VALUE, such as 'non-tumour liver bed "
            "<= 70'.",
            tag="--limit",
        )
    return CumulativeLimit(match["region"], match["quantity"].lower(), float(match["value"]))


def fraction_dose_left(bed_left_gy: float, alpha_beta_gy: float, fractions: int) -> float:
    """Return the dose per fraction that uses up a biologically effective dose [Gy].

    d = (α/β)/2 (−1 + √(1 + 4 BED / (n α/β))), the inverse of n d (1 + d / (α/β)) (Fowler 1989, Br J Radiol 62:679,
    doi 10.1259/0007-1285-62-740-679).

    Examples
    --------
    >>> round(fraction_dose_left(26.48, 2.5, 5), 3)
    2.597
    """
    return 0.5 * alpha_beta_gy * (-1.0 + math.sqrt(1.0 + 4.0 * bed_left_gy / (fractions * alpha_beta_gy)))


def dose_left(bed_left_gy: float, parameters: EffectParameters, half_life_s: float) -> float:
    """Return the absorbed dose of a decaying source that uses up a biologically effective dose, all of it decayed [Gy]."""
    return float(
        dose_from_bed(bed_left_gy, parameters.alpha_beta_gy, parameters.repair_half_time_s, half_life_s)
    )


def judge_limits(
    limits: Sequence[CumulativeLimit], treatments: Sequence[Treatment], regions: Sequence[RegionSum]
) -> tuple[LimitResult, ...]:
    """Return the lungs' limit of all treatments and every limit of the user, with what was given.

    Raises
    ------
    InputError
        If a limit names a region that there is not, or an effective dose of one that has no parameters.
    """
    results = [_lungs(treatments, regions)]
    half_lives = [t.course.half_life_s for t in treatments if isinstance(t.course, DecayingSource)]
    half_life = half_lives[-1] if half_lives else None
    for limit in limits:
        region = _named(limit.region, regions)
        if region is None:
            raise InputError(
                f"there is no region {limit.region!r} for the limit; there are {', '.join(r.name for r in regions)}.",
                tag="--limit",
            )
        if limit.quantity == "mean":
            results.append(LimitResult(limit, None, region.mean_gy))
            continue
        if not region.effects:
            why = (
                "voxels are not added"
                if region.histogram is None
                else f"there are no parameters for the role {region.role.value}"
            )
            raise InputError(
                f"{limit.region} has no effective dose: {why}. Limit its mean absorbed dose (mean) instead.",
                tag="--limit",
            )
        for effect in region.effects:
            given = effect.bed_mean_gy if limit.quantity == "bed" else effect.eqd2_mean_gy
            results.append(LimitResult(limit, effect.parameters, given, half_life))
    return tuple(results)


def _named(name: str, regions: Sequence[RegionSum]) -> RegionSum | None:
    """The region of a name, whatever its case, or of a role that only one has."""
    exact = [region for region in regions if region.name == name]
    alike = [region for region in regions if region.name.casefold() == name.casefold()]
    of_role = [region for region in regions if region.role.value.replace("_", " ") == name.replace("_", " ")]
    return next((candidates[0] for candidates in (exact, alike, of_role) if len(candidates) == 1), None)


def _lungs(treatments: Sequence[Treatment], regions: Sequence[RegionSum]) -> LimitResult:
    """The lungs over all treatments, each in the convention of the limit where its calculation states that."""
    lungs = next((region for region in regions if region.role is Role.LUNGS), None)
    means = [
        t.lung_mean_gy
        if t.lung_mean_gy is not None
        else lungs.means_gy.get(t.name)
        if lungs is not None
        else None
        for t in treatments
    ]
    stated_means = [mean for mean in means if mean is not None]
    limit = CumulativeLimit(
        "lungs" if lungs is None else lungs.name,
        "mean",
        LUNGS_ALL_TREATMENTS_GY,
        LUNGS_ALL_SOURCE,
    )
    return LimitResult(limit, None, sum(stated_means) if len(stated_means) == len(means) else None)
