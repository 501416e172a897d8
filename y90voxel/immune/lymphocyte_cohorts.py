"""Lymphocyte counts of published cohorts after radioembolization, to stand beside a curve: never fitted to a patient."""

from __future__ import annotations

from dataclasses import dataclass

from y90voxel.immune.lymphocytes import effective_dose
from y90voxel.short_repr import short_repr

__all__ = ["TARE_COHORTS", "LymphocyteCohort"]

# 1, 3, 6 and 12 months.
MONTH_DAYS = (30, 91, 183, 365)


@dataclass(frozen=True)
class LymphocyteCohort:
    """Mean counts of a cohort over its mean count before treatment.

    Parameters
    ----------
    name, source : str
        Short name with its size, and where the counts are printed.
    days : tuple of int, (k,)
        Days since the treatment [d].
    ratios : tuple of float, (k,)
        Mean count over the mean before; of those who could be counted, after disease and later therapy too.
    effective_from : float
        The ratio that the cohort's effective dose follows from, without recovery.
    """

    name: str
    source: str
    days: tuple[int, ...]
    ratios: tuple[float, ...]
    effective_from: float

    __repr__ = short_repr

    @property
    def effective_dose_gy(self) -> float:
        """Dose that the ratio would mean at α = 0.40 /Gy without recovery [Gy]."""
        return effective_dose(self.effective_from)


# Seen in the abstracts. Young: 1.25 G/L before, then .71, .79, .81 and .92; the second: 1.32 before and .68 after 3 months.
TARE_COHORTS = (
    LymphocyteCohort(
        "Young 2022, n = 102",
        "Young et al. 2022, J Hepatocell Carcinoma 9:29 (PMID 35155299), n = 93 to 102",
        MONTH_DAYS,
        (0.568, 0.632, 0.648, 0.736),
        0.568,
    ),
    LymphocyteCohort(
        "SIRT in HCC, n = 164",
        "selective internal radiation therapy of hepatocellular carcinoma, n = 164, Cardiovasc Intervent Radiol",
        (91,),
        (0.52,),
        0.68 / 1.32,
    ),
)
