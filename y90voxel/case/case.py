"""One treatment, ready to be computed: images, regions, clinical facts and choices; no paths, no identity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from y90voxel.case.engine_decision import EngineDecision
from y90voxel.case.settings import StudySettings
from y90voxel.clinical.limits import ClinicalContext
from y90voxel.clinical.patient import PatientRecord
from y90voxel.display import block, closing_notes, table
from y90voxel.dose.ct_tissue import CtTissue
from y90voxel.dose.density_map import DensityModel
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.energy_balance import check_dose_constant
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.microscale.sphere_activity import SphereActivity, sphere_activity
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.quantification.calibration_spread import ASSUMED_FWHM_MM
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.emission import PlanarImage
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.planar_shunt import PlanarSetup
from y90voxel.reference.devices import check_carries
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.regions import Regions
from y90voxel.regions.regions_view import regions_table
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.units import SECONDS_PER_HOUR, format_activity
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.volume import CtImage

__all__ = ["Case"]


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
    settings : StudySettings
        Every choice; the calibration mode is stated.
    dead_time : DeadTime or None
        How the camera loses counts.
    patient : PatientRecord or None
        Clinical facts that are carried into the outputs; no identity.
    alignment : Alignment, DeformableAlignment or None
        How the CT that the regions were drawn on was aligned with that of the emission image, where it was.
    study_instance_uid : str or None
        Of the DICOM study.
    notices : tuple of Notice
        What was accepted or assumed while reading.
    inputs : tuple of mapping
        Series or files with checksums, for provenance.
    shown_settings : mapping or None
        What provenance tells of the settings; None for all of them.
    ct_tissue : CtTissue or None
        What the CT shows of the regions as they were drawn; None where their shapes are not known.
    engine_decision : EngineDecision or None
        Which engine the settings lead to; None where an engine is made by hand.

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
    settings: StudySettings = field(default_factory=StudySettings)
    dead_time: DeadTime | None = None
    patient: PatientRecord | None = None
    alignment: Alignment | DeformableAlignment | None = None
    study_instance_uid: str | None = field(default=None, repr=False)
    notices: tuple[Notice, ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = ()
    shown_settings: Mapping[str, Any] | None = None
    ct_tissue: CtTissue | None = None
    engine_decision: EngineDecision | None = None

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        """Show facts and regions in a notebook; nothing of the patient: no identifier, no date, no path."""
        activities = (injection.administration.activity_bq for injection in self.injections)
        given = ["not stated" if activity is None else format_activity(activity) for activity in activities]
        rows = [
            ("injections", ", ".join(given)),
            ("device", self.device or "not stated"),
            ("dose grid", str(self.grid)),
            ("CT", "none" if self.ct is None else str(self.ct.grid)),
        ]
        kind = "Case, predicted" if self.predicted else "Case, delivered"
        parts = (table((), rows), regions_table(self.regions.drawn, self.regions.derived))
        notes = closing_notes([notice.code for notice in self.notices], "case.notices")
        return block(f"{kind}: {self.nuclide}", *parts, notes=notes)

    def __post_init__(self) -> None:
        if not self.injections:
            raise InputError("a case needs at least one injection.")
        nuclides = sorted({injection.administration.nuclide for injection in self.injections})
        if len(nuclides) > 1:
            raise InputError(f"all injections of a case need one nuclide, found {', '.join(nuclides)}.")
        images = [id(injection.emission) for injection in self.injections]
        if len(set(images)) < len(images):
            raise InputError(
                "two injections share one emission image: each would scale the whole of it. Give each its own image, or give the "
                "scan that follows them as one injection with its arteries.",
                tag="injection",
            )
        check_carries(self.device, nuclides[0])
        _ = self.calibration, self.density, self.radiobiology  # refuse settings that cannot be
        if self.settings.microscale.report:
            _ = self.sphere_activity
        if self.dose_constant_gy_kg_per_gbq is not None:
            check_dose_constant(self.dose_constant_gy_kg_per_gbq, nuclides[0])

    @cached_property
    def calibration(self) -> Calibration:
        """How counts become activity; relative where the settings do not say."""
        dose = self.settings.dose
        return Calibration(
            CalibrationMode(dose.calibration or CalibrationMode.RELATIVE),
            CalibrationRegion(dose.calibration_region),
            dose.calibration_factor,
            dose.acquisition_duration_s,
        )

    @cached_property
    def density(self) -> DensityModel:
        """Where densities come from."""
        liver, points = self.settings.dose.liver_density, self.settings.dose.density_calibration
        curve = DensityCalibration()
        if points is not None:
            hu, density = tuple(p[0] for p in points), tuple(p[1] for p in points)
            curve = DensityCalibration(hu, density, "calibration of this scanner, as given")
        return DensityModel(None if liver == "ct" else float(liver), calibration=curve)

    @property
    def dose_constant_gy_kg_per_gbq(self) -> float | None:
        """Dose constant that overrides the nuclide record in planning formulas and local deposition [Gy·kg/GBq]."""
        return self.settings.dose.dose_constant_gy_kg_per_gbq

    @property
    def accepted(self) -> Collection[str]:
        """Codes of refusals that are overridden."""
        return self.settings.accept.codes

    @property
    def dome_margin_mm(self) -> float:
        """Lung closer to the liver than this is left out of one of the lung means [mm]."""
        return self.settings.dose.dome_margin_mm

    @cached_property
    def planar_setup(self) -> PlanarSetup:
        """Planar views and what a shunt is measured with."""
        return PlanarSetup(
            self.planar,
            self.planar_regions,
            self.ct,
            self.density.calibration,
            self.dome_margin_mm,
            self.settings.lung.planar_attenuation_per_cm,
        )

    @property
    def compare_lung_methods(self) -> bool | None:
        """Whether to compute the lung dose by the other engines too; None does where it is worth a second."""
        return self.settings.lung.compare_methods

    @property
    def emission_fwhm_mm(self) -> float:
        """Resolution of the emission image, as given for the uncertainties or assumed by its modality [mm]."""
        modality = self.injections[0].emission.modality
        return float(
            self.settings.uncertainty.fwhm_mm or ASSUMED_FWHM_MM.get(modality, ASSUMED_FWHM_MM["file"])
        )

    @property
    def lung_masses_g(self) -> Mapping[str, float | None]:
        """Mass of what is drawn of each lung by CT [g], by its name; None where it was not measured."""
        shown = {} if self.ct_tissue is None else self.ct_tissue.regions
        lungs = [region.name for region in self.regions.drawn if region.role is Role.LUNG]
        return {name: shown[name].ct_mass_g if name in shown else None for name in lungs}

    @cached_property
    def radiobiology(self) -> Mapping[Role, RadiobiologyParameters]:
        """Roles that get BED, EQD2 and EUD."""
        return {
            role: RadiobiologyParameters(
                given.alpha_beta_gy,
                given.repair_half_time_h * SECONDS_PER_HOUR,
                given.alpha_per_gy,
                given.source or "",
            )
            for role, given in self.settings.radiobiology.items()
        }

    @property
    def sphere_activity(self) -> SphereActivity:
        """Activity of one microsphere at injection, as stated or by device and days since calibration.

        Raises
        ------
        InputError
            If the settings do not tell it.
        """
        given = self.settings.microscale
        return sphere_activity(self.device, given.days_since_calibration, given.activity_per_sphere)

    @property
    def settings_for_provenance(self) -> dict[str, Any]:
        """The settings as outputs show them."""
        return self.settings.as_dict() if self.shown_settings is None else dict(self.shown_settings)

    def changed(self, **groups: Mapping[str, Any]) -> Case:
        """Return the case with other settings, as `StudySettings.changed`."""
        return replace(self, settings=self.settings.changed(**groups))

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
        return self.settings.plan.context.completed(bilirubin, self.regions.hepatic_reserve)

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
