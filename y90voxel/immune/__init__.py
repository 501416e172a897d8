"""What radioembolization does to blood and lymphocytes: exploratory, no decision may rest on it.

Numbers in and out; each function has its source and units. Every name loads its module on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from y90voxel.lazy import load_on_first_use

if TYPE_CHECKING:
    from y90voxel.immune.blood_dose import BloodDose as BloodDose
    from y90voxel.immune.blood_dose import blood_dose_growth as blood_dose_growth
    from y90voxel.immune.blood_dose import blood_dose_quantiles as blood_dose_quantiles
    from y90voxel.immune.blood_dose import blood_dose_window as blood_dose_window
    from y90voxel.immune.blood_dose import circulating_blood_dose as circulating_blood_dose
    from y90voxel.immune.blood_dose import fraction_of_blood_seen as fraction_of_blood_seen
    from y90voxel.immune.blood_dose import free_activity_dose as free_activity_dose
    from y90voxel.immune.blood_dose import mean_blood_dose as mean_blood_dose
    from y90voxel.immune.blood_dose import renewal_cv as renewal_cv
    from y90voxel.immune.blood_walk import walk_blood_cells as walk_blood_cells
    from y90voxel.immune.circulation import Circulation as Circulation
    from y90voxel.immune.circulation import reference_circulation as reference_circulation
    from y90voxel.immune.drug_cycles import dose_rate_gy_per_h as dose_rate_gy_per_h
    from y90voxel.immune.drug_cycles import share_of_dose_left as share_of_dose_left
    from y90voxel.immune.lymphocyte_cohorts import TARE_COHORTS as TARE_COHORTS
    from y90voxel.immune.lymphocyte_cohorts import LymphocyteCohort as LymphocyteCohort
    from y90voxel.immune.lymphocyte_pools import pool_weighted_dose as pool_weighted_dose
    from y90voxel.immune.lymphocytes import effective_dose as effective_dose
    from y90voxel.immune.lymphocytes import lymphocyte_band as lymphocyte_band
    from y90voxel.immune.lymphocytes import lymphocyte_counts as lymphocyte_counts
    from y90voxel.immune.lymphocytes import lymphocyte_nadir as lymphocyte_nadir
    from y90voxel.immune.lymphocytes import lymphocyte_survival as lymphocyte_survival
    from y90voxel.immune.lymphocytes import recovery_rate as recovery_rate
    from y90voxel.immune.lymphocytes import saturating_survival as saturating_survival
    from y90voxel.immune.lymphocytes import two_pool_counts as two_pool_counts
    from y90voxel.immune.reference_blood import ReferenceBlood as ReferenceBlood
    from y90voxel.immune.reference_blood import blood_volume_l as blood_volume_l
    from y90voxel.immune.residence_times import exponential_transform as exponential_transform
    from y90voxel.immune.residence_times import weibull2_transform as weibull2_transform

_HOME = {
    "immune.blood_dose": (
        "BloodDose", "blood_dose_growth", "blood_dose_quantiles", "blood_dose_window", "circulating_blood_dose",
        "fraction_of_blood_seen", "free_activity_dose", "mean_blood_dose", "renewal_cv",
    ),
    "immune.blood_walk": ("walk_blood_cells",),
    "immune.circulation": ("Circulation", "reference_circulation"),
    "immune.drug_cycles": ("dose_rate_gy_per_h", "share_of_dose_left"),
    "immune.lymphocyte_cohorts": ("TARE_COHORTS", "LymphocyteCohort"),
    "immune.lymphocyte_pools": ("pool_weighted_dose",),
    "immune.lymphocytes": (
        "effective_dose", "lymphocyte_band", "lymphocyte_counts", "lymphocyte_nadir", "lymphocyte_survival",
        "recovery_rate", "saturating_survival", "two_pool_counts",
    ),
    "immune.reference_blood": ("ReferenceBlood", "blood_volume_l"),
    "immune.residence_times": ("exponential_transform", "weibull2_transform"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_on_first_use(__name__, _MODULE_OF)
