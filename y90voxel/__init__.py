"""Voxel dosimetry for radioembolization of liver tumours. Research software, not a medical device.

Arrays are ``[slice, row, column]``, positions are patient LPS in millimetres. Importing the package is quick:
every public name loads its module on first use.

Examples
--------
>>> import y90voxel as yv
>>> round(yv.nuclide("Y-90").energy_per_activity_j_per_bq * 1e9, 2)
49.77
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from y90voxel.lazy import load_on_first_use
from y90voxel.version import __version__

if TYPE_CHECKING:
    from y90voxel import immune as immune
    from y90voxel import microscale as microscale
    from y90voxel import planning as planning
    from y90voxel.case.case import Case as Case
    from y90voxel.case.dose_uncertainty import with_uncertainty as with_uncertainty
    from y90voxel.case.evaluation import Evaluation as Evaluation
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
    from y90voxel.volumes.grid import Grid as Grid
    from y90voxel.volumes.resample import resample as resample
    from y90voxel.volumes.volume import ActivityMap as ActivityMap
    from y90voxel.volumes.volume import CountMap as CountMap
    from y90voxel.volumes.volume import CtImage as CtImage
    from y90voxel.volumes.volume import DensityMap as DensityMap
    from y90voxel.volumes.volume import DoseMap as DoseMap
    from y90voxel.volumes.volume import Mask as Mask
    from y90voxel.volumes.volume import TimeIntegratedActivityMap as TimeIntegratedActivityMap

_HOME = {
    "quantification.administration": ("Administration",),
    "dose.convolution.kernel_convolution": ("KernelConvolution",),
    "dose.local_deposition": ("LocalDeposition",),
    "dose.monte_carlo.monte_carlo": ("MonteCarlo",),
    "dose.monte_carlo.radial_simulation": ("radial_kernel_from_monte_carlo",),
    "dose.density.superposition": ("DensitySuperposition",),
    "io.dicom.rtdose": ("read_rtdose", "write_rtdose"),
    "io.nifti": ("write_nifti",),
    "study.read_study": ("read_study",),
    "metrics.dvh": ("DoseVolumeHistogram",),
    "reference.voxel_kernel": ("DoseKernel", "voxel_kernel"),
    "reference.nuclide": ("Nuclide", "nuclide"),
    "regions.regions": ("Region", "Regions"),
    "regions.roles": ("Role",),
    "volumes.grid": ("Grid",),
    "volumes.resample": ("resample",),
    "volumes.volume": (
        "ActivityMap", "CountMap", "CtImage", "DensityMap", "DoseMap", "Mask", "TimeIntegratedActivityMap",
    ),
    "case.case": ("Case",),
    "comparison.compare": ("compare",),
    "comparison.comparison_result": ("Comparison",),
    "comparison.compared_dose": ("ComparedDose",),
    "comparison.voxel_agreement": ("GammaCriteria",),
    "case.evaluation": ("Evaluation",),
    "planning.plan": ("plan", "plan_from_masses"),
    "planning.plan_request": ("PlanRequest",),
    "case.recovery_correction": ("Deconvolution", "with_partial_volume"),
    "planning.plan_result": ("Plan", "PlanFacts"),
    "planning.plan_uncertainty": ("with_plan_uncertainty",),
    "case.dose_uncertainty": ("with_uncertainty",),
    "case.verify": ("verify",),
}  # fmt: skip
_MODULES = {
    "errors": "errors",
    "immune": "immune",
    "microscale": "microscale",
    "planning": "planning",
    "radiobiology": "metrics.radiobiology",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    *sorted([*_MODULE_OF, *_MODULES]),
    "__version__",
]


__getattr__, __dir__ = load_on_first_use(__name__, _MODULE_OF, _MODULES)
