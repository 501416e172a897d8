"""Predicted against delivered over the patients of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from y90voxel.cohort.cohort import Pair, StudySummary
from y90voxel.errors import InputError
from y90voxel.metrics.agreement import (
    BlandAltman,
    ProportionalBias,
    bland_altman,
    concordance,
    proportional_bias,
)
from y90voxel.regions.roles import Role

__all__ = ["LEAST_PATIENTS", "POOLED_ROLES", "PooledAgreement", "pooled_agreement"]

# Regions of which a patient has one, and what they are called.
POOLED_ROLES = {
    Role.TUMOURS: "All tumours of a patient",
    Role.NON_TUMOUR_LIVER: "Non-tumour liver",
    Role.LIVER: "Liver",
    Role.LUNGS: "Lungs, mean of the map",
}
# Limits of agreement of fewer patients say nothing: as of lesions (`y90voxel.comparison`).
LEAST_PATIENTS = 5


@dataclass(frozen=True)
class PooledAgreement:
    """Agreement of mean doses of a region over patients.

    Parameters
    ----------
    title : str
        The region.
    patients : tuple of StudySummary
        The comparison of each patient that has the region in both calculations.
    pairs : tuple of Pair
        Its doses, in the order of the patients.
    bland_altman : BlandAltman or None
        Delivered minus predicted [Gy]; None with fewer than five patients.
    bland_altman_ratio : BlandAltman or None
        Delivered over predicted; None too where a mean is not positive.
    concordance : float or None
        Lin's, None with fewer than five patients, or where all doses are one number.
    proportional : ProportionalBias or None
        How the difference changes with the dose; None with fewer than five patients, or where all have one dose.
    """

    title: str
    patients: tuple[StudySummary, ...]
    pairs: tuple[Pair, ...]
    bland_altman: BlandAltman | None
    bland_altman_ratio: BlandAltman | None
    concordance: float | None
    proportional: ProportionalBias | None = None


def pooled_agreement(studies: Sequence[StudySummary]) -> list[PooledAgreement]:
    """Return the agreement of each role over patients: the first comparison of each patient counts.

    Parameters
    ----------
    studies : sequence of StudySummary
        The cohort; those that compare have ``pairs``.
    """
    first: dict[str, StudySummary] = {}
    for study in studies:
        if study.pairs:
            first.setdefault(study.whose, study)
    return [
        _over(title, [(study, pair) for study in first.values() for pair in study.pairs if pair.role == role])
        for role, title in POOLED_ROLES.items()
        if any(pair.role == role for study in first.values() for pair in study.pairs)
    ]


def _over(title: str, found: Sequence[tuple[StudySummary, Pair]]) -> PooledAgreement:
    """The agreement of one region."""
    patients, pairs = tuple(study for study, _ in found), tuple(pair for _, pair in found)
    if len(pairs) < LEAST_PATIENTS:
        return PooledAgreement(title, patients, pairs, None, None, None)
    before, after = [pair.predicted_gy for pair in pairs], [pair.delivered_gy for pair in pairs]
    positive = min(*before, *after) > 0
    agreed: float | None = None
    sloped: ProportionalBias | None = None
    with suppress(InputError):
        agreed = concordance(before, after)
    with suppress(InputError):
        sloped = proportional_bias(before, after)
    return PooledAgreement(
        title,
        patients,
        pairs,
        bland_altman(before, after),
        bland_altman(before, after, of_ratios=True) if positive else None,
        agreed,
        sloped,
    )
