"""Public names: type checkers read them here, and `y90voxel.lazy` loads them from where this file says."""

from y90voxel import errors as errors
from y90voxel import immune as immune
from y90voxel import microscale as microscale
from y90voxel import planning as planning
from y90voxel.case.case import Case as Case
from y90voxel.case.dose_uncertainty import with_uncertainty as with_uncertainty
from y90voxel.case.evaluation import Evaluation as Evaluation
from y90voxel.case.immune_evaluation import with_immune as with_immune
from y90voxel.case.recovery_correction import Deconvolution as Deconvolution
from y90voxel.case.recovery_correction import with_partial_volume as with_partial_volume
from y90voxel.case.verify import verify as verify
from y90voxel.comparison.compare import compare as compare
from y90voxel.comparison.compared_dose import ComparedDose as ComparedDose
from y90voxel.comparison.comparison_result import Comparison as Comparison
from y90voxel.comparison.voxel_agreement import GammaCriteria as GammaCriteria
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution as KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition as DensitySuperposition
from y90voxel.dose.local_deposition import LocalDeposition as LocalDeposition
from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo as MonteCarlo
from y90voxel.dose.monte_carlo.radial_simulation import (
    radial_kernel_from_monte_carlo as radial_kernel_from_monte_carlo,
)
from y90voxel.io.dicom.rtdose import read_rtdose as read_rtdose
from y90voxel.io.dicom.rtdose import write_rtdose as write_rtdose
from y90voxel.io.nifti import write_nifti as write_nifti
from y90voxel.metrics import radiobiology as radiobiology
from y90voxel.metrics.dvh import DoseVolumeHistogram as DoseVolumeHistogram
from y90voxel.planning.plan import plan as plan
from y90voxel.planning.plan import plan_from_masses as plan_from_masses
from y90voxel.planning.plan_request import PlanRequest as PlanRequest
from y90voxel.planning.plan_result import Plan as Plan
from y90voxel.planning.plan_result import PlanFacts as PlanFacts
from y90voxel.planning.plan_uncertainty import with_plan_uncertainty as with_plan_uncertainty
from y90voxel.quantification.administration import Administration as Administration
from y90voxel.reference.nuclide import Nuclide as Nuclide
from y90voxel.reference.nuclide import nuclide as nuclide
from y90voxel.reference.voxel_kernel import DoseKernel as DoseKernel
from y90voxel.reference.voxel_kernel import voxel_kernel as voxel_kernel
from y90voxel.regions.regions import Region as Region
from y90voxel.regions.regions import Regions as Regions
from y90voxel.regions.roles import Role as Role
from y90voxel.study.read_study import read_study as read_study
from y90voxel.version import __version__ as __version__
from y90voxel.volumes.grid import Grid as Grid
from y90voxel.volumes.resample import resample as resample
from y90voxel.volumes.volume import ActivityMap as ActivityMap
from y90voxel.volumes.volume import CountMap as CountMap
from y90voxel.volumes.volume import CtImage as CtImage
from y90voxel.volumes.volume import DensityMap as DensityMap
from y90voxel.volumes.volume import DoseMap as DoseMap
from y90voxel.volumes.volume import Mask as Mask
from y90voxel.volumes.volume import TimeIntegratedActivityMap as TimeIntegratedActivityMap
