"""One treatment, ready to be computed: images, regions, clinical facts and choices; no paths, no identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from y90voxel.clinical.limits import ClinicalContext
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.density_map import DensityModel
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.energy_balance import check_dose_constant
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.reference.devices import check_carries
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.volume import CtImage

__all__ = ["Calibration", "Case", "Injection"]


@dataclass(frozen=True)
class Calibration:
    """How counts become activity.

    Parameters
    ----------
    mode : CalibrationMode
        Relative to the administered activity, absolute, or by a camera factor.
    region : CalibrationRegion
        Whose counts stand for the activity; relative mode only.
    factor_cps_per_mbq : float or None
        Camera factor [counts per second per MBq]; factor mode only.
    acquisition_duration_s : float or None
        Overrides the duration in the header [s]; factor mode only.

    Raises
    ------
    InputError
        If the factor mode lacks its factor.
    """

    mode: CalibrationMode = CalibrationMode.RELATIVE
    region: CalibrationRegion = CalibrationRegion.LIVER
    factor_cps_per_mbq: float | None = None
    acquisition_duration_s: float | None = None

    def __post_init__(self) -> None:
        if self.mode is CalibrationMode.FACTOR and self.factor_cps_per_mbq is None:
            raise InputError(
                "calibration by factor needs the camera factor: --calibration-factor (cps per MBq).",
                tag="dose.calibration_factor",
            )


@dataclass(frozen=True, eq=False)
class Injection:
    """One injection: what was given, what the camera saw of it, and where it went.

    Parameters
    ----------
    emission : EmissionImage
        The image of this injection, on its own grid.
    administration : Administration
        Net activity, time and lung shunt.
    territory : str or None
        Name of the region whose counts stand for this injection in a relative calibration over the
        liver; None takes liver, tumours and perfused volume together.
    regions : Regions or None
        The regions on the grid of the emission, for calibration and for what the camera saw of them; None
        when the dose grid serves for both.
    """

    emission: EmissionImage
    administration: Administration
    territory: str | None = None
    regions: Regions | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that one dose calculation needs.

    Parameters
    ----------
    label : str
        What the case is called in outputs; never a patient's name.
    injections : tuple of Injection
        At least one; their doses add.
    regions : Regions
        On the dose grid.
    ct : CtImage or None
        On its own grid.
    planar : PlanarImage or None
        Opposite planar views, for a planar lung shunt.
    planar_regions : Regions or None
        The regions in full, for their shadows on the planar views.
    calibration : Calibration
        How counts become activity.
    density : DensityModel
        Where densities come from.
    dead_time : DeadTime or None
        How the camera loses counts.
    dose_constant_gy_kg_per_gbq : float or None
        Overrides the nuclide record in planning formulas and local deposition [Gy·kg/GBq].
    radiobiology : mapping of Role to RadiobiologyParameters
        Roles that get BED and EUD.
    dome_margin_mm : float
        Lung closer to the liver than this is left out of one of the lung means [mm].
    compare_lung_methods : bool or None
        Whether to compute the lung dose by the other engines too; None does where it is worth a second
        (`y90voxel.case.lung_methods`).
    alignment : Alignment or None
        How the CT that the regions were drawn on was aligned with that of the emission image, where it was.
    context : ClinicalContext
        What decides which limits of the device apply, besides bilirubin (of the patient) and hepatic reserve (of the
        regions).
    patient : PatientRecord or None
        Clinical facts that are carried into the outputs; no identity.
    study_instance_uid : str or None
        Of the DICOM study.
    notices : tuple of Notice
        What was accepted or assumed while reading.
    inputs : tuple of mapping
        Series or files with checksums, for provenance.
    settings : mapping
        The settings as given, for provenance.

    Raises
    ------
    InputError
        If there is no injection, two share an image, the nuclides differ or are not the device's, or the dose constant is more
        than a factor of two from the nuclide's.
    """

    label: str
    injections: tuple[Injection, ...]
    regions: Regions
    ct: CtImage | None = None
    planar: PlanarImage | None = None
    planar_regions: Regions | None = None
    calibration: Calibration = Calibration()
    density: DensityModel = field(default_factory=DensityModel)
    dead_time: DeadTime | None = None
    dose_constant_gy_kg_per_gbq: float | None = None
    radiobiology: Mapping[Role, RadiobiologyParameters] = field(default_factory=dict)
    dome_margin_mm: float = 20.0
    compare_lung_methods: bool | None = None
    alignment: Alignment | None = None
    context: ClinicalContext = field(default_factory=ClinicalContext)
    patient: PatientRecord | None = None
    study_instance_uid: str | None = None
    notices: tuple[Notice, ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.injections:
            raise InputError("a case needs at least one injection.")
        nuclides = sorted({injection.administration.nuclide for injection in self.injections})
        if len(nuclides) > 1:
            raise InputError(f"all injections of a case need one nuclide, found {', '.join(nuclides)}.")
        images = [id(injection.emission) for injection in self.injections]
        if len(set(images)) < len(images):
            raise InputError(
                "two injections share one emission image: each would scale the whole of it. Give each its own image, or "
                "describe them as one injection with their activities added.",
                tag="injection",
            )
        check_carries(self.device, nuclides[0])
        if self.dose_constant_gy_kg_per_gbq is not None:
            check_dose_constant(self.dose_constant_gy_kg_per_gbq, nuclides[0])

    @property
    def grid(self) -> Grid:
        """The dose grid."""
        return self.regions.grid

    @property
    def views(self) -> tuple[Regions, ...]:
        """The regions as each injection's camera saw them."""
        return tuple(injection.regions or self.regions for injection in self.injections)

    @property
    def both_lungs_in_view(self) -> bool:
        """Whether every emission image sees both lungs whole."""
        return all(view.both_lungs_in_view for view in self.views)

    @property
    def nuclide(self) -> str:
        """The therapy nuclide."""
        return self.injections[0].administration.nuclide

    @property
    def clinical_context(self) -> ClinicalContext:
        """What decides which limits apply, with the patient's bilirubin and the regions' hepatic reserve."""
        bilirubin = None if self.patient is None else self.patient.bilirubin_umol_per_l
        return self.context.completed(bilirubin, self.regions.hepatic_reserve)

    @property
    def planning_dose_constant(self) -> float:
        """Dose constant of planning formulas [Gy·kg/GBq]: as given, else the nuclide record's."""
        return self.dose_constant_gy_kg_per_gbq or nuclide(self.nuclide).dose_constant_gy_kg_per_gbq

    @property
    def device(self) -> str | None:
        """The device whose limits are reported."""
        return self.injections[0].administration.device

    @property
    def predicted(self) -> bool:
        """True when a surrogate was imaged, so that the dose is a prediction."""
        return any(injection.emission.predicted for injection in self.injections)
