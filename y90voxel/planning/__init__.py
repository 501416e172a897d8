"""Formulas and limits of treatment planning, one documented pure function each.

Activities in GBq, masses in kg, doses in Gy, and the dose constant always given: 49.67, 49.77 and 50 Gy·kg/GBq are
one formula with different data, and results with different constants do not compare.
"""

from y90voxel.activity.partial_volume import (
    correct_in_warm_background,
    correct_tumour_to_normal_ratio,
    recovery_coefficient,
)
from y90voxel.planning.aims import DoseAim, Metric, parse_metric
from y90voxel.planning.bsa import (
    RESIN_SHUNT_REDUCTION,
    EmpiricalActivity,
    LungShuntReduction,
    bsa,
    bsa_activity,
    bsa_activity_lobar,
    empirical_activity,
)
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.devices import ActivityBasis, Device, device, known_devices
from y90voxel.planning.dose_table import DoseTable, RegionDoses, partition_table, single_compartment_table
from y90voxel.planning.feasible import (
    ActivityConstraint,
    FeasibleActivity,
    LegacyShuntRule,
    feasible_activity,
    legacy_shunt_rule,
    lung_constraint,
)
from y90voxel.planning.limits import (
    ClinicalContext,
    Disease,
    LiverFunction,
    Scenario,
    Sense,
    evaluate_fraction_limits,
    evaluate_limits,
    limits_of,
    lung_dose_notice,
)
from y90voxel.planning.liver_function import (
    albi_grade,
    albi_score,
    albumin_g_per_l,
    bilirubin_mg_per_dl,
    bilirubin_umol_per_l,
    child_pugh_class,
    child_pugh_points,
)
from y90voxel.planning.lung import lung_shunt_fraction_planar, lung_shunt_fraction_spect, mean_lung_dose
from y90voxel.planning.lung_counts import (
    correct_shunt_for_attenuation,
    ct_lung_mass_kg,
    dual_window_scatter_correction,
    lung_shunt_fraction_from_counts,
    scale_to_whole_lungs,
    triple_window_scatter_correction,
)
from y90voxel.planning.mird import concentration_dose, dose_constant, ho166_activity, mird_activity, mird_dose
from y90voxel.planning.partition import (
    MultiTumourDoses,
    PartitionDoses,
    multi_tumour_partition_activity,
    multi_tumour_partition_doses,
    partition_activity,
    partition_doses,
    tumour_to_normal_ratio,
    whole_normal_liver_dose,
)
from y90voxel.planning.patient import AlphaFetoprotein, PatientRecord, Response, Stated
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_models import PlanBasis, all_models
from y90voxel.planning.plausibility import (
    available_energy_j,
    check_energy_balance,
    energy_balance,
    sphere_volume_ml,
)
from y90voxel.planning.root_finding import (
    ActivityAtValue,
    greatest_activity,
    greatest_activity_of_linear_metric,
    least_activity,
)
from y90voxel.planning.solver import (
    DoseConstraint,
    Infeasibility,
    InjectionPlan,
    effective_lung_shunt_fraction,
    injection_doses,
    solve_injections,
)
from y90voxel.planning.vials import (
    VialChoice,
    activity_per_sphere_bq,
    choose_vials,
    decay,
    residual_fraction_by_survey,
    spheres_per_ml,
    within_delivery_tolerance,
)

__all__ = [
    "RESIN_SHUNT_REDUCTION",
    "ActivityAtValue",
    "ActivityBasis",
    "ActivityConstraint",
    "AlphaFetoprotein",
    "Anatomy",
    "ClinicalContext",
    "Device",
    "Disease",
    "DoseAim",
    "DoseConstraint",
    "DoseTable",
    "EmpiricalActivity",
    "FeasibleActivity",
    "Infeasibility",
    "InjectionPlan",
    "LegacyShuntRule",
    "LiverFunction",
    "LungShuntReduction",
    "Metric",
    "MultiTumourDoses",
    "PartitionDoses",
    "PatientRecord",
    "PlanBasis",
    "PlanModel",
    "RegionDoses",
    "Response",
    "Scenario",
    "Sense",
    "Stated",
    "Territory",
    "TumourUptake",
    "VialChoice",
    "activity_per_sphere_bq",
    "albi_grade",
    "albi_score",
    "albumin_g_per_l",
    "all_models",
    "available_energy_j",
    "bilirubin_mg_per_dl",
    "bilirubin_umol_per_l",
    "bsa",
    "bsa_activity",
    "bsa_activity_lobar",
    "check_energy_balance",
    "child_pugh_class",
    "child_pugh_points",
    "choose_vials",
    "concentration_dose",
    "correct_in_warm_background",
    "correct_shunt_for_attenuation",
    "correct_tumour_to_normal_ratio",
    "ct_lung_mass_kg",
    "decay",
    "device",
    "dose_constant",
    "dual_window_scatter_correction",
    "effective_lung_shunt_fraction",
    "empirical_activity",
    "energy_balance",
    "evaluate_fraction_limits",
    "evaluate_limits",
    "feasible_activity",
    "greatest_activity",
    "greatest_activity_of_linear_metric",
    "ho166_activity",
    "injection_doses",
    "known_devices",
    "least_activity",
    "legacy_shunt_rule",
    "limits_of",
    "lung_constraint",
    "lung_dose_notice",
    "lung_shunt_fraction_from_counts",
    "lung_shunt_fraction_planar",
    "lung_shunt_fraction_spect",
    "mean_lung_dose",
    "mird_activity",
    "mird_dose",
    "multi_tumour_partition_activity",
    "multi_tumour_partition_doses",
    "parse_metric",
    "partition_activity",
    "partition_doses",
    "partition_table",
    "recovery_coefficient",
    "residual_fraction_by_survey",
    "scale_to_whole_lungs",
    "single_compartment_table",
    "solve_injections",
    "sphere_volume_ml",
    "spheres_per_ml",
    "triple_window_scatter_correction",
    "tumour_to_normal_ratio",
    "whole_normal_liver_dose",
    "within_delivery_tolerance",
]
