"""A study in memory: what was read from DICOM and image files, ready to become a case."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Literal

from y90voxel.case.case import Calibration, Case, Injection
from y90voxel.clinical.limits import ClinicalContext
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.density_map import DensityModel
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.quantification.administration import Administration, net_activity, therapy_nuclide
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.quantification.time_zones import in_zone, localised, time_zone_of
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.isocontour import isocontours
from y90voxel.regions.placement import place_regions
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.regions import Regions, unique_names
from y90voxel.regions.roles import Role, assign_roles, normalised_name
from y90voxel.regions.segmentation import AUTOMATIC_NAMES, automatic_regions
from y90voxel.study.anonymous import anonymous_names, without_identity
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.volume import ActivityMap, CtImage

__all__ = ["Study", "file_record"]

ANONYMOUS_LABEL = "anonymous study"
# More voxels than this do not fit beside each other in the memory of a workstation.
MOST_VOXELS = 40_000_000
# Voxels that shadows on planar views are cast from [mm]: half a planar pixel, for their edge decides the shunt.
PLANAR_SHADOW_MM = 2.0


@dataclass(frozen=True, eq=False)
class Study:
    """Images and regions of one patient at one time; patient identity lives here and nowhere further in.

    Parameters
    ----------
    label : str
        What the study is called in outputs.
    emissions : tuple of EmissionImage
        One image an injection.
    drawn : tuple of DrawnRegion
        Regions as drawn.
    ct : CtImage or None
        The CT.
    planar : PlanarImage or None
        Opposite planar views.
    identity : StudyIdentity
        Patient and study for the DICOM outputs.
    sources : tuple of SourceSeries
        The DICOM series read, for references.
    inputs : tuple of mapping
        Series or files with checksums, for provenance.
    notices : tuple of Notice
        What was accepted or assumed while reading.
    alignment : Alignment or None
        How the CT of the regions was aligned with that of the emission image, where it was.
    """

    label: str
    emissions: tuple[EmissionImage, ...]
    drawn: tuple[DrawnRegion, ...]
    ct: CtImage | None
    planar: PlanarImage | None
    identity: StudyIdentity
    sources: tuple[SourceSeries, ...]
    inputs: tuple[Mapping[str, Any], ...]
    notices: tuple[Notice, ...]
    alignment: Alignment | None = None

    def case(
        self,
        *,
        nuclide: str = "Y-90",
        administered_activity_bq: float | None = None,
        activity_bq: float | None = None,
        activity_time: datetime | None = None,
        residual_bq: float = 0.0,
        residual_time: datetime | None = None,
        lung_shunt_fraction: float | Literal["spect", "planar"] | None = None,
        time: datetime | None = None,
        time_zone: str | None = None,
        device: str | None = None,
        injections: Sequence[Mapping[str, Any]] = (),
        calibration: str | None = None,
        calibration_region: str = "liver",
        calibration_factor: float | None = None,
        acquisition_duration_s: float | None = None,
        dose_constant_gy_kg_per_gbq: float | None = None,
        liver_density: float | Literal["ct"] = 1.05,
        density_calibration: Sequence[tuple[float, float]] | None = None,
        grid: float | Literal["emission", "ct"] = "emission",
        roles: Mapping[str, str] | None = None,
        automatic: bool = True,
        isocontour: Mapping[str, float] | None = None,
        dead_time: DeadTime | None = None,
        radiobiology: Mapping[Role | str, RadiobiologyParameters] | None = None,
        dome_margin_mm: float = 20.0,
        compare_lung_methods: bool | None = None,
        context: ClinicalContext | None = None,
        patient: PatientRecord | None = None,
        measure_shunt: bool = False,
        label: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Case:
        """Return the case that the study and the clinical facts make.

        Parameters
        ----------
        nuclide : str
            Therapy nuclide.
        administered_activity_bq : float or None
            Net activity at administration [Bq]; instead of vial activity and residual.
        activity_bq, residual_bq : float or None
            Vial activity and residual [Bq], at their times (None: at administration).
        activity_time, residual_time, time : datetime or None
            When each was measured, and when the administration was.
        lung_shunt_fraction : float, "spect", "planar" or None
            Fraction, or how to measure it.
        time_zone : str or None
            Zone of all times without one: a name such as ``Europe/Berlin``, or an offset such as ``+02:00``.
        device : str or None
            glass, resin or ho166.
        injections : sequence of mapping
            One an emission image; each may hold ``administered_activity_bq``, ``activity_bq``,
            ``activity_time``, ``residual_bq``, ``residual_time``, ``lung_shunt_fraction``, ``time`` and
            ``territory`` in place of the arguments of the same name.
        calibration, calibration_region, calibration_factor, acquisition_duration_s
            See `Calibration`; the default mode is absolute for images in Bq/mL and relative for counts.
        dose_constant_gy_kg_per_gbq : float or None
            Overrides the nuclide record.
        liver_density : float or "ct"
            Density of liver and tumour [g/mL].
        density_calibration : sequence of (float, float) or None
            CT numbers [HU], rising, and densities [g/mL] of the scanner; None takes Schneider et al. 2000.
        grid : float, "emission" or "ct"
            The dose grid, or its voxel size [mm].
        roles : mapping of str to str
            Roles by ROI name.
        automatic : bool
            Whether lungs and body that no ROI gives are segmented from the CT.
        isocontour : mapping of str to float
            Tumour or perfused volume as the part of the liver above this share of the image's maximum there.
        dead_time : DeadTime or None
            How the camera loses counts; absolute and factor calibration.
        radiobiology : mapping of Role to RadiobiologyParameters
            Roles that get BED and EUD.
        dome_margin_mm, compare_lung_methods, context, patient
            See `Case`.
        measure_shunt : bool
            Whether the planar lung shunt may be asked for although the shunt is stated.
        label : str or None
            Replaces the study's own.
        settings : mapping
            The settings as given, for provenance.

        Raises
        ------
        InputError
            If a fact is missing, contradicts another or is out of range.
        RegionError
            If liver or tumour are not wholly inside the image.
        """
        record = therapy_nuclide(nuclide)
        zone = time_zone_of(time_zone)
        mode = self._calibration_mode(calibration)
        shared = {
            "administered_activity_bq": administered_activity_bq,
            "activity_bq": activity_bq,
            "activity_time": activity_time,
            "residual_bq": residual_bq,
            "residual_time": residual_time,
            "lung_shunt_fraction": lung_shunt_fraction,
            "time": time,
            "territory": None,
        }
        _check_nothing_shared(shared, len(injections))
        given = [{**shared, **_without_none(item)} for item in injections] or [shared]
        if len(given) != len(self.emissions):
            raise InputError(
                f"{len(given)} injections are described, but {len(self.emissions)} emission images are chosen. "
                "Give each injection its emission_series.",
                tag="injection",
            )
        made = tuple(
            _injection(localised(emission, zone), facts, zone, record.name, record.half_life_s, mode, device)
            for emission, facts in zip(self.emissions, given, strict=True)
        )
        added, said = self._automatic_regions(roles or {}) if automatic else ([], [])
        all_roles = {**{region.name: AUTOMATIC_NAMES[region.name].value for region in added}, **(roles or {})}
        images = [emission.volume for emission in self.emissions]
        outlined, more = isocontours((*self.drawn, *added), all_roles, images, isocontour or {})
        said, drawn = [*said, *more], (*self.drawn, *added, *outlined)
        grids = [*(emission.grid for emission in self.emissions), self._dose_grid(grid)]
        (*views, regions), notices = self._place(drawn, grids, all_roles)
        return Case(
            label=label or self.label,
            injections=tuple(replace(i, regions=view) for i, view in zip(made, views, strict=True)),
            regions=regions,
            ct=self.ct,
            planar=self.planar,
            planar_regions=self._planar_regions(drawn, all_roles)
            if measure_shunt or _may_measure_shunt(made)
            else None,
            calibration=Calibration(
                mode, CalibrationRegion(calibration_region), calibration_factor, acquisition_duration_s
            ),
            density=_density_model(liver_density, density_calibration),
            dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq,
            radiobiology={Role(role): parameters for role, parameters in (radiobiology or {}).items()},
            dome_margin_mm=dome_margin_mm,
            compare_lung_methods=compare_lung_methods,
            alignment=self.alignment,
            context=context or ClinicalContext(),
            dead_time=dead_time,
            patient=patient,
            study_instance_uid=self.identity.study_instance_uid if self.sources else None,
            notices=(*self.notices, *said, *notices),
            inputs=self.inputs,
            settings=settings or {},
        )

    def anonymous(self) -> Study:
        """Return the study without its patient: a fresh identity and label, no UIDs, no telling names."""
        names = anonymous_names(self.drawn, self.identity)
        return replace(
            self,
            drawn=tuple(replace(region, name=names.get(region.name, region.name)) for region in self.drawn),
            label=ANONYMOUS_LABEL,
            identity=self.identity.anonymous(),
            sources=(),
            inputs=tuple(
                {k: v for k, v in item.items() if k in ("role", "files", "sha256")} for item in self.inputs
            ),
            notices=tuple(
                replace(notice, message=without_identity(notice.message)) for notice in self.notices
            ),
        )

    def _automatic_regions(self, roles: Mapping[str, str]) -> tuple[list[DrawnRegion], list[Notice]]:
        """Lungs and body from the CT, where no region has their role."""
        if self.ct is None:
            return [], []
        ours = {normalised_name(name) for name in AUTOMATIC_NAMES}
        about_drawn = {name: role for name, role in roles.items() if normalised_name(name) not in ours}
        names, stated = unique_names(r.name for r in self.drawn), [r.role for r in self.drawn]
        found = assign_roles(names, about_drawn, stated).values()
        return automatic_regions(self.ct, lungs=Role.LUNG not in found, body=Role.BODY not in found)

    def _place(
        self, drawn: Sequence[DrawnRegion], grids: Sequence[Grid], roles: Mapping[str, str]
    ) -> tuple[list[Regions], list[Notice]]:
        """The regions on each grid, placed once where grids are the same, and what has to be said."""
        ct_grid = None if self.ct is None else self.ct.grid
        placed: list[Regions] = []
        notices: list[Notice] = []
        for grid in grids:
            known = next((regions for regions in placed if regions.grid.is_same_as(grid)), None)
            if known is None:
                known, found = place_regions(drawn, grid, roles, drawn_on=ct_grid)
                notices += [notice for notice in found if notice not in notices]
            placed.append(known)
        return placed, notices

    def _planar_regions(self, drawn: Sequence[DrawnRegion], roles: Mapping[str, str]) -> Regions | None:
        """The regions in full for planar views, which see more of the patient than the emission does."""
        if self.planar is None or self.ct is None:
            return None
        grid = self.ct.grid.with_spacing(PLANAR_SHADOW_MM)
        return place_regions(drawn, grid, roles, must_be_whole=(), drawn_on=self.ct.grid)[0]

    def _calibration_mode(self, wanted: str | None) -> CalibrationMode:
        """The mode as given, or what the emission image says about itself."""
        if wanted is not None:
            return CalibrationMode(wanted)
        emission = self.emissions[0]
        if emission.modality == "file":
            raise InputError(
                "an image file carries no units: say what its values are with --calibration relative (counts), "
                "absolute (Bq/mL) or factor (counts, with --calibration-factor).",
                tag="dose.calibration",
            )
        quantitative = emission.modality == "PT" and isinstance(emission.volume, ActivityMap)
        return CalibrationMode.ABSOLUTE if quantitative else CalibrationMode.RELATIVE

    def _dose_grid(self, wanted: float | Literal["emission", "ct"]) -> Grid:
        """The grid that dose is computed on."""
        chosen = self._wanted_grid(wanted)
        if chosen.size > MOST_VOXELS:
            raise InputError(
                f"the dose grid would have {chosen.size / 1e6:.0f} million voxels ({chosen}); up to "
                f"{MOST_VOXELS / 1e6:.0f} million are computed, at about 0.2 kB of memory each. Give a voxel size, such "
                "as --grid 3.",
                tag="dose.grid",
            )
        return chosen

    def _wanted_grid(self, wanted: float | Literal["emission", "ct"]) -> Grid:
        """The grid that is asked for."""
        emission = self.emissions[0].grid
        if wanted == "emission":
            return emission
        if wanted == "ct":
            if self.ct is None:
                raise InputError(
                    "--grid ct needs a CT, and the study has none. Use --grid emission.", tag="dose.grid"
                )
            return self.ct.grid
        return emission.with_spacing(float(wanted))


def _may_measure_shunt(injections: Sequence[Injection]) -> bool:
    """Whether a lung shunt is not stated as a number."""
    return any(injection.administration.lung_shunt_fraction is None for injection in injections)


def _check_nothing_shared(shared: Mapping[str, Any], injections: int) -> None:
    """Refuse an activity or residual that several injections would each take as their own."""
    names = ("administered_activity_bq", "activity_bq", "residual_bq")
    stated = [name for name in names if shared[name]]
    if injections > 1 and stated:
        raise InputError(
            f"{', '.join(stated)} is given once for {injections} injections, and each would take all of it. Give every "
            "injection its own.",
            tag="injection",
        )


def _density_model(
    liver: float | Literal["ct"], points: Sequence[tuple[float, float]] | None
) -> DensityModel:
    """Where densities come from."""
    calibration = DensityCalibration()
    if points is not None:
        hu, density = tuple(p[0] for p in points), tuple(p[1] for p in points)
        calibration = DensityCalibration(hu, density, "calibration of this scanner, as given")
    return DensityModel(None if liver == "ct" else float(liver), calibration=calibration)


def _injection(
    emission: EmissionImage,
    facts: Mapping[str, Any],
    zone: tzinfo | None,
    nuclide: str,
    half_life_s: float,
    mode: CalibrationMode,
    device: str | None,
) -> Injection:
    """One injection from its image and facts."""
    if emission.modality == "file" and mode is CalibrationMode.ABSOLUTE:
        values = emission.volume.array * emission.grid.voxel_volume_ml
        emission = replace(emission, volume=ActivityMap(values, emission.grid))
    time = in_zone(facts["time"], zone)
    net, vial = facts["administered_activity_bq"], facts["activity_bq"]
    if net is not None and vial is not None:
        raise InputError(
            f"give the administered (net) activity ({net:g} Bq) or the vial's ({vial:g} Bq), not both.",
            tag="administration.activity",
        )
    if vial is not None:
        net = net_activity(
            vial,
            half_life_s,
            vial_time=in_zone(facts["activity_time"], zone),
            residual_bq=facts["residual_bq"],
            residual_time=in_zone(facts["residual_time"], zone),
            administration_time=time or emission.plausible_administration_time,
        )
    elif facts["residual_bq"]:
        raise InputError(
            "a residual is given without the vial activity: give --activity too.",
            tag="administration.residual",
        )
    shunt = facts["lung_shunt_fraction"]
    measured = shunt if isinstance(shunt, str) else None
    administration = Administration(
        nuclide=nuclide,
        activity_bq=net,
        time=time,
        lung_shunt_fraction=None if measured else shunt,
        shunt_source=measured or ("none" if shunt is None else "given"),
        device=device,
    )
    return Injection(emission, administration, facts["territory"])


def _without_none(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are stated."""
    return {key: value for key, value in facts.items() if value is not None}


def file_record(path: Path, role: str) -> dict[str, Any]:
    """Return role, name and sha256 of an input file, for provenance."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return {"role": role, "file": path.name, "files": 1, "sha256": digest.hexdigest()}
