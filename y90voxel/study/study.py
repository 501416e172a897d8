"""A study in memory: what was read from DICOM and image files, ready to become a case."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from y90voxel.case.case import Case
from y90voxel.case.grid_error import moved_by_grid
from y90voxel.case.setting_names import settings_from_arguments
from y90voxel.case.settings import StudySettings
from y90voxel.case.unused_settings import unused_notices
from y90voxel.dose.ct_tissue import CtTissue, measure_tissue
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.isocontour import isocontours
from y90voxel.regions.placement import place_regions, placed_names, urgent_first, without_answered_types
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.regions import Regions, unique_names
from y90voxel.regions.roles import Role, assign_roles, normalised_name
from y90voxel.regions.segmentation import AUTOMATIC_NAMES, automatic_regions
from y90voxel.regions.whole_liver import LiverTumours
from y90voxel.short_repr import short_repr
from y90voxel.study.anonymous import anonymous_names
from y90voxel.study.anonymous_text import without_identity
from y90voxel.study.given_injections import check_nothing_shared, given_injection, one_scan_of_several
from y90voxel.study.study_view import study_html
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.volume import ActivityMap, CtImage

__all__ = ["Study", "file_record"]

ANONYMOUS_LABEL = "anonymous study"
# More voxels than this do not fit beside each other in the memory of a workstation.
MOST_VOXELS = 40_000_000
# Voxels below this part of the image's bring means nearer to those of fine ones whatever activity they move; larger ones do not
# (sample, GTV2: 3 mm −1.3 %, 4 mm −2.6 %, 5 mm −3.5 %, the image's 4.42 mm −1.1 % of a 1.5 mm run).
FINER_THAN_IMAGE = 0.7
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
    alignment : Alignment, DeformableAlignment or None
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
    alignment: Alignment | DeformableAlignment | None = None

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        """Show images and regions in a notebook."""
        return study_html(self)

    def case(
        self,
        settings: StudySettings | None = None,
        *,
        dead_time: DeadTime | None = None,
        measure_shunt: bool = False,
        shown_settings: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Case:
        """Return the case that the study and the clinical facts make.

        Parameters
        ----------
        settings : StudySettings or None
            Clinical facts and choices, as a case file holds them.
        dead_time : DeadTime or None
            How the camera loses counts; absolute and factor calibration.
        measure_shunt : bool
            Whether the planar lung shunt may be asked for although the shunt is stated.
        shown_settings : mapping or None
            What provenance tells of the settings; None for all of them.
        **facts
            In place of settings: the keys of the tables administration, dose, regions, lung and output under their own names,
            such as ``lung_shunt_fraction=0.06`` or ``grid=4.0``; activities as numbers in Bq (``activity_bq``, ``residual_bq``,
            ``administered_activity_bq`` for the net activity); ``compare_lung_methods``; whole tables (``patient``, ``plan``,
            ``radiobiology``); ``injections``, a sequence of mappings of such facts, one an emission image.

        Raises
        ------
        TypeError
            If settings and facts are both given, or there is no such fact.
        InputError
            If a fact is missing, contradicts another or is out of range.
        RegionError
            If liver or tumour are not wholly inside the image.
        """
        if settings is not None and facts:
            raise TypeError(f"a case takes settings or single facts, not both: {', '.join(sorted(facts))}.")
        chosen = settings or settings_from_arguments(facts)
        chosen = chosen.changed(dose={"calibration": self._calibration_mode(chosen.dose.calibration)})
        made, stated = self._injections(chosen)
        drawn, roles, notices = self._drawn(chosen)
        read = without_answered_types(self.notices, self.drawn, chosen.regions.roles)
        grids = [*(emission.grid for emission in self.emissions), self._dose_grid(chosen.dose.grid)]
        (*views, regions), placing = self._place(drawn, grids, roles, chosen.regions.liver_tumours)
        regions, refined = self._fine_enough(chosen.dose.grid, views, regions)
        seen_whole = measure_shunt or _may_measure_shunt(made)
        made_case = Case(
            label=chosen.output.label or self.label,
            injections=tuple(replace(i, regions=view) for i, view in zip(made, views, strict=True)),
            regions=regions,
            ct=self.ct,
            planar=self.planar,
            planar_regions=self._planar_regions(drawn, roles) if seen_whole else None,
            settings=chosen,
            dead_time=dead_time,
            patient=None if chosen.patient is None else chosen.patient.record(),
            alignment=self.alignment,
            study_instance_uid=self.identity.study_instance_uid if self.sources else None,
            notices=urgent_first((*read, *unused_notices(chosen), *stated, *notices, *placing, *refined)),
            inputs=self.inputs,
            shown_settings=shown_settings,
        )
        return made_case if self.ct is None else replace(made_case, ct_tissue=self._tissue(drawn, made_case))

    def _tissue(self, drawn: Sequence[DrawnRegion], case: Case) -> CtTissue:
        """What the CT shows of the regions."""
        assert self.ct is not None  # asked for with a CT only
        shapes = dict(zip(placed_names(drawn), (region.shape for region in drawn), strict=True))
        return measure_tissue(shapes, case.regions, self.ct, case.density.calibration)

    def _injections(self, settings: StudySettings) -> tuple[tuple[Injection, ...], list[Notice]]:
        """What was given in every injection, with its image, and what has to be said about facts that were stated."""
        given = settings.injections
        check_nothing_shared(settings.administration, len(settings.injection))
        notices: list[Notice] = []
        if len(given) > 1 and len(self.emissions) == 1:
            return (one_scan_of_several(self.emissions[0], given, settings, notices),), notices
        if len(given) != len(self.emissions):
            raise InputError(
                f"{len(given)} injections are described, but {len(self.emissions)} emission images are chosen. "
                "Give each injection its emission_series, or none of them where one scan follows all.",
                tag="injection",
            )
        if settings.series.acquisition_time is not None and len(given) > 1:
            raise InputError(
                f"--acquisition-time is one time, but there are {len(given)} emission images. Give their files their times.",
                tag="series.acquisition_time",
            )
        made = tuple(
            given_injection(emission, facts, settings, notices)
            for emission, facts in zip(self.emissions, given, strict=True)
        )
        return made, notices

    def _drawn(self, settings: StudySettings) -> tuple[list[DrawnRegion], dict[str, str], list[Notice]]:
        """The regions as drawn, segmented from the CT and outlined in the image; their roles by name, and notices."""
        asked = settings.regions
        added, notices = self._automatic_regions(asked.roles) if asked.automatic else ([], [])
        roles = {**{region.name: AUTOMATIC_NAMES[region.name].value for region in added}, **asked.roles}
        images = [emission.volume for emission in self.emissions]
        shares = {str(role): share for role, share in asked.isocontour.items()}
        outlined, more = isocontours((*self.drawn, *added), roles, images, shares)
        return [*self.drawn, *added, *outlined], roles, [*notices, *more]

    def anonymous(self) -> Study:
        """Return the study without its patient: a fresh identity and label, no UIDs, no telling names."""
        names = anonymous_names(self.drawn, self.identity)
        file_names = {str(item["file"]) for item in self.inputs if item.get("file")}  # they may hold spaces
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
                replace(notice, message=without_identity(notice.message, file_names))
                for notice in self.notices
            ),
        )

    def _automatic_regions(self, roles: Mapping[str, str]) -> tuple[list[DrawnRegion], list[Notice]]:
        """Lungs and body from the CT, where no region has their role."""
        if self.ct is None:
            return [], []
        ours = {normalised_name(name) for name in AUTOMATIC_NAMES}
        about_drawn = {name: role for name, role in roles.items() if normalised_name(name) not in ours}
        names, stated = unique_names(r.name for r in self.drawn), [r.role for r in self.drawn]
        assigned = assign_roles(names, about_drawn, stated).values()
        return automatic_regions(self.ct, lungs=Role.LUNG not in assigned, body=Role.BODY not in assigned)

    def _place(
        self,
        drawn: Sequence[DrawnRegion],
        grids: Sequence[Grid],
        roles: Mapping[str, str],
        liver_tumours: LiverTumours,
    ) -> tuple[list[Regions], list[Notice]]:
        """The regions on each grid, placed once where grids are the same, and what has to be said."""
        ct_grid = None if self.ct is None else self.ct.grid
        placed: list[Regions] = []
        notices: list[Notice] = []
        for grid in grids:
            placed_on_grid = next((regions for regions in placed if regions.grid.is_same_as(grid)), None)
            if placed_on_grid is None:
                placed_on_grid, new_notices = place_regions(
                    drawn, grid, roles, drawn_on=ct_grid, liver_tumours=liver_tumours
                )
                notices += [notice for notice in new_notices if notice not in notices]
            placed.append(placed_on_grid)
        return placed, notices

    def _fine_enough(
        self, wanted: float | str, views: Sequence[Regions], regions: Regions
    ) -> tuple[Regions, list[Notice]]:
        """The regions on the grid asked for, or on the image's where other voxels move activity over their outlines."""
        image = self.emissions[0].grid
        finer = np.array(regions.grid.spacing_mm) < FINER_THAN_IMAGE * np.array(image.spacing_mm)
        if isinstance(wanted, str) or finer.all() or image.size > MOST_VOXELS:
            return regions, []
        moved: dict[str, float] = {}
        for emission, view in zip(self.emissions, views, strict=True):
            moved |= moved_by_grid(emission.volume, view, regions)
        if not moved:
            return regions, []
        listed = ", ".join(f"{name} {100 * share:+.1f} %" for name, share in moved.items())
        asked, used = (" × ".join(f"{mm:.3g}" for mm in grid.spacing_mm) for grid in (regions.grid, image))
        return views[0], [
            Notice(
                "grid-refined",
                f"dose is computed on the grid of the image, {used} mm: on the {asked} mm that were asked for, averaging over "
                f"outlines would change the activity of {listed}.",
            )
        ]

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
                "an image file carries no units, and no PET side-car (JSON) lies beside it: say what its values are with "
                "--calibration relative (counts), absolute (Bq/mL) or factor (counts, with --calibration-factor).",
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


def file_record(path: Path, role: str) -> dict[str, Any]:
    """Return role, name and sha256 of an input file, for provenance."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return {"role": role, "file": path.name, "files": 1, "sha256": digest.hexdigest()}
