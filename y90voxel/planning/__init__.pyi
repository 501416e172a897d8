"""Public names: type checkers read them here, and `y90voxel.lazy` loads them from where this file says."""

from y90voxel.clinical.body_surface import bsa as bsa
from y90voxel.clinical.limits import ClinicalContext as ClinicalContext
from y90voxel.clinical.limits import Disease as Disease
from y90voxel.clinical.limits import LiverFunction as LiverFunction
from y90voxel.clinical.limits import Scenario as Scenario
from y90voxel.clinical.limits import Sense as Sense
from y90voxel.clinical.limits import evaluate_fraction_limits as evaluate_fraction_limits
from y90voxel.clinical.limits import evaluate_limits as evaluate_limits
from y90voxel.clinical.limits import limits_of as limits_of
from y90voxel.clinical.limits import lung_dose_notice as lung_dose_notice
from y90voxel.clinical.liver_function import albi_grade as albi_grade
from y90voxel.clinical.liver_function import albi_score as albi_score
from y90voxel.clinical.liver_function import albumin_g_per_l as albumin_g_per_l
from y90voxel.clinical.liver_function import bilirubin_mg_per_dl as bilirubin_mg_per_dl
from y90voxel.clinical.liver_function import bilirubin_umol_per_l as bilirubin_umol_per_l
from y90voxel.clinical.liver_function import child_pugh_class as child_pugh_class
from y90voxel.clinical.liver_function import child_pugh_points as child_pugh_points
from y90voxel.clinical.patient import AlphaFetoprotein as AlphaFetoprotein
from y90voxel.clinical.patient import PatientRecord as PatientRecord
from y90voxel.clinical.patient import Response as Response
from y90voxel.clinical.patient import Stated as Stated
from y90voxel.metrics.energy_balance import available_energy_j as available_energy_j
from y90voxel.metrics.energy_balance import check_energy_balance as check_energy_balance
from y90voxel.metrics.energy_balance import energy_balance as energy_balance
from y90voxel.metrics.energy_balance import sphere_volume_ml as sphere_volume_ml
from y90voxel.planning.activity_rules import RESIN_SHUNT_REDUCTION as RESIN_SHUNT_REDUCTION
from y90voxel.planning.activity_rules import EmpiricalActivity as EmpiricalActivity
from y90voxel.planning.activity_rules import LungShuntReduction as LungShuntReduction
from y90voxel.planning.activity_rules import bsa_activity as bsa_activity
from y90voxel.planning.activity_rules import bsa_activity_lobar as bsa_activity_lobar
from y90voxel.planning.activity_rules import empirical_activity as empirical_activity
from y90voxel.planning.aims import DoseAim as DoseAim
from y90voxel.planning.aims import Metric as Metric
from y90voxel.planning.aims import parse_metric as parse_metric
from y90voxel.planning.compartments import Anatomy as Anatomy
from y90voxel.planning.compartments import Territory as Territory
from y90voxel.planning.compartments import TumourUptake as TumourUptake
from y90voxel.planning.dose_table import DoseTable as DoseTable
from y90voxel.planning.dose_table import RegionDoses as RegionDoses
from y90voxel.planning.dose_table import partition_table as partition_table
from y90voxel.planning.dose_table import single_compartment_table as single_compartment_table
from y90voxel.planning.feasible import ActivityConstraint as ActivityConstraint
from y90voxel.planning.feasible import FeasibleActivity as FeasibleActivity
from y90voxel.planning.feasible import LegacyShuntRule as LegacyShuntRule
from y90voxel.planning.feasible import feasible_activity as feasible_activity
from y90voxel.planning.feasible import legacy_shunt_rule as legacy_shunt_rule
from y90voxel.planning.feasible import lung_constraint as lung_constraint
from y90voxel.planning.mird import concentration_dose as concentration_dose
from y90voxel.planning.mird import dose_constant as dose_constant
from y90voxel.planning.mird import ho166_activity as ho166_activity
from y90voxel.planning.mird import mird_activity as mird_activity
from y90voxel.planning.mird import mird_dose as mird_dose
from y90voxel.planning.partition import MultiTumourDoses as MultiTumourDoses
from y90voxel.planning.partition import PartitionDoses as PartitionDoses
from y90voxel.planning.partition import (
    multi_tumour_partition_activity as multi_tumour_partition_activity,
)
from y90voxel.planning.partition import multi_tumour_partition_doses as multi_tumour_partition_doses
from y90voxel.planning.partition import partition_activity as partition_activity
from y90voxel.planning.partition import partition_doses as partition_doses
from y90voxel.planning.partition import tumour_to_normal_ratio as tumour_to_normal_ratio
from y90voxel.planning.partition import whole_normal_liver_dose as whole_normal_liver_dose
from y90voxel.planning.plan_basis import PlanBasis as PlanBasis
from y90voxel.planning.plan_model import PlanModel as PlanModel
from y90voxel.planning.plan_models import all_models as all_models
from y90voxel.planning.root_finding import ActivityAtValue as ActivityAtValue
from y90voxel.planning.root_finding import greatest_activity as greatest_activity
from y90voxel.planning.root_finding import (
    greatest_activity_of_linear_metric as greatest_activity_of_linear_metric,
)
from y90voxel.planning.root_finding import least_activity as least_activity
from y90voxel.planning.solver import DoseConstraint as DoseConstraint
from y90voxel.planning.solver import Infeasibility as Infeasibility
from y90voxel.planning.solver import InjectionPlan as InjectionPlan
from y90voxel.planning.solver import effective_lung_shunt_fraction as effective_lung_shunt_fraction
from y90voxel.planning.solver import injection_doses as injection_doses
from y90voxel.planning.solver import least_activities as least_activities
from y90voxel.planning.solver import solve_injections as solve_injections
from y90voxel.planning.stop_rules import STOP_RULES as STOP_RULES
from y90voxel.planning.stop_rules import Stop as Stop
from y90voxel.planning.stop_rules import stop_of as stop_of
from y90voxel.planning.vials import VialChoice as VialChoice
from y90voxel.planning.vials import activity_per_sphere_bq as activity_per_sphere_bq
from y90voxel.planning.vials import all_vials as all_vials
from y90voxel.planning.vials import choose_vials as choose_vials
from y90voxel.planning.vials import decay as decay
from y90voxel.planning.vials import residual_fraction_by_survey as residual_fraction_by_survey
from y90voxel.planning.vials import spheres_per_ml as spheres_per_ml
from y90voxel.planning.vials import within_delivery_tolerance as within_delivery_tolerance
from y90voxel.quantification.lung_counts import (
    correct_shunt_for_attenuation as correct_shunt_for_attenuation,
)
from y90voxel.quantification.lung_counts import ct_lung_mass_kg as ct_lung_mass_kg
from y90voxel.quantification.lung_counts import (
    dual_window_scatter_correction as dual_window_scatter_correction,
)
from y90voxel.quantification.lung_counts import (
    lung_shunt_fraction_from_counts as lung_shunt_fraction_from_counts,
)
from y90voxel.quantification.lung_counts import scale_to_whole_lungs as scale_to_whole_lungs
from y90voxel.quantification.lung_counts import (
    triple_window_scatter_correction as triple_window_scatter_correction,
)
from y90voxel.quantification.lung_measures import lung_shunt_fraction_planar as lung_shunt_fraction_planar
from y90voxel.quantification.lung_measures import lung_shunt_fraction_spect as lung_shunt_fraction_spect
from y90voxel.quantification.lung_measures import mean_lung_dose as mean_lung_dose
from y90voxel.quantification.partial_volume import (
    correct_in_warm_background as correct_in_warm_background,
)
from y90voxel.quantification.partial_volume import (
    correct_tumour_to_normal_ratio as correct_tumour_to_normal_ratio,
)
from y90voxel.quantification.partial_volume import recovery_coefficient as recovery_coefficient
from y90voxel.reference.devices import ActivityBasis as ActivityBasis
from y90voxel.reference.devices import Device as Device
from y90voxel.reference.devices import device as device
from y90voxel.reference.devices import known_devices as known_devices
