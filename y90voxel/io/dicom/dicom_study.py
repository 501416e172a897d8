"""A DICOM study: its series chosen, its pixels read when they are asked for, its patient kept inside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from y90voxel.errors import DicomError, Notice, Severity
from y90voxel.io.dicom.attributes import shown
from y90voxel.io.dicom.ct import plan_stack, read_ct
from y90voxel.io.dicom.headers import lenient_reading
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, StudyIndex, index_study
from y90voxel.io.dicom.nm import read_nm
from y90voxel.io.dicom.pet import read_pet
from y90voxel.io.dicom.planar import read_planar
from y90voxel.io.dicom.region_selection import registration_applied
from y90voxel.io.dicom.registrations import Path as FramePath
from y90voxel.io.dicom.rtstruct import read_rtstruct
from y90voxel.io.dicom.seg import read_seg
from y90voxel.io.dicom.selection import (
    Selection,
    is_nm,
    raise_unreadable,
    select_series,
)
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.regions.moving import carried, frame_of
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.region_alignment import RIGID, RegionAlignment, align_regions
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.transform import Chain, sampled
from y90voxel.volumes.volume import CtImage, Volume

__all__ = ["DicomStudy"]

V = TypeVar("V", bound=Volume)
Progress = Callable[[str, float], None]

IDENTITY_KEYWORDS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# A deformed CT is sampled around the emission image, no finer than this.
FINEST_DEFORMED_CT_MM = 2.0
OUTSIDE_HU = -1024.0  # [HU]: the least value of 12-bit CT, which is air
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


@dataclass(frozen=True, eq=False)
class DicomStudy:
    """The series of one patient that a run uses. Patient identity lives here and nowhere further in.

    Parameters
    ----------
    index : StudyIndex
        Everything that lies in the folder or archive.
    selection : Selection
        The series that are used.
    """

    index: StudyIndex
    selection: Selection

    @classmethod
    def open(
        cls,
        path: str | Path | StudyIndex,
        *,
        emission_series: str | None = None,
        ct_series: str | None = None,
        regions_series: str | None = None,
        trust_frames: bool = False,
        register: str | None = None,
        needs_emission: bool = True,
        only: Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> DicomStudy:
        """Return the study in a folder, a ``.zip`` or a file; no pixel is read yet.

        Parameters
        ----------
        path : path-like or StudyIndex
            Where it is, or what is there when it was indexed before.
        emission_series, ct_series, regions_series : str or None
            Series instance UID, or a unique beginning of it, where several series fit.
        trust_frames : bool
            Take the coordinates of other frames of reference as common (warned).
        register : {'rigid', 'deformable'} or None
            Register the CT of the regions with that of the emission image where they lie in different frames.
        needs_emission : bool
            Whether a study without emission image is an error.
        only : iterable of str or None
            Names of the files below the folder that make the study; None takes all.
        progress : callable or None
            Called with what is being done and the finished fraction.

        Raises
        ------
        InputError
            If there is no emission image, several fit, or several patients or studies lie in the folder.
        DicomError
            If the emission image cannot be used, or CT or regions lie in another frame of reference.
        """
        if isinstance(path, StudyIndex):
            index = path
        else:
            count_progress = (
                None if progress is None else (lambda done, of: progress("reading headers", done / of))
            )
            index = index_study(path, count_progress, only=only)
        raise_unreadable(index)
        with lenient_reading():
            selection = select_series(
                index,
                emission_series=emission_series,
                ct_series=ct_series,
                regions_series=regions_series,
                trust_frames=trust_frames,
                register=register,
                needs_emission=needs_emission,
            )
        return cls(index, selection)

    def emission(self) -> EmissionImage:
        """Return the emission image.

        Raises
        ------
        DicomError
            If there is none, or its pixels cannot be read.
        """
        return self._emission

    def ct(self) -> CtImage | None:
        """Return the CT that shares the emission image's coordinates, None when there is none.

        Raises
        ------
        DicomError
            If its slices are not one regular volume, or its pixels cannot be read.
        """
        return self._ct

    def regions(self) -> list[DrawnRegion]:
        """Return the regions as drawn, in the coordinates of the emission image; empty when there are none.

        Raises
        ------
        DicomError, RegionError
            If contours or segments are damaged.
        """
        return list(self._regions)

    def planar(self) -> PlanarImage | None:
        """Return the opposite planar views, None when there are none.

        Raises
        ------
        DicomError
            If their pixels cannot be read.
        """
        return self._planar

    @property
    def label(self) -> str:
        """A name for the study that tells nothing of the patient."""
        uid = self._anchor.study_uid if self._anchor is not None else str(self.index.path)
        return f"study {hashlib.sha256(uid.encode()).hexdigest()[:8]}"

    @cached_property
    def identity(self) -> StudyIdentity:
        """Patient and study, for the DICOM objects that are written.

        Raises
        ------
        DicomError
            If one of the attributes is damaged.
        """
        if self._anchor is None:
            return StudyIdentity()
        first = self._anchor.first
        with lenient_reading():
            for keyword in IDENTITY_KEYWORDS:
                first.text(keyword)  # a damaged value is refused here, by name
            return StudyIdentity.from_dataset(first.header)

    @property
    def frame_of_reference_uid(self) -> str | None:
        """The frame of reference that everything read from the study shares."""
        return self.selection.frame_of_reference_uid

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was noticed about the series in use, so far as they have been read."""
        notices = [*self.selection.notices, *(f for group in self._read.values() for f in group)]
        return tuple(dict.fromkeys(notices))

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """The notices that must stand in every output."""
        return tuple(Notice(f.code, f.message) for f in self.notices if f.severity is Severity.WARN)

    def source_references(self) -> tuple[SourceSeries, ...]:
        """Return the series in use with the UIDs of their objects: emission, CT, regions, planar."""
        return tuple(
            SourceSeries(
                s.uid, tuple((i.sop_class_uid, i.sop_instance_uid) for i in s.instances), s.study_uid or None
            )
            for s in self._used
        )

    def inputs(self) -> tuple[Mapping[str, Any], ...]:
        """Return role, UID, number of files and digest of each series in use, for provenance."""
        return tuple(
            {
                "role": s.role.value,
                "series_instance_uid": s.uid,
                "files": len(s.instances),
                "sha256": s.sha256(),
            }
            for s in self._used
        )

    @property
    def _used(self) -> tuple[SeriesRecord, ...]:
        """The series in use."""
        chosen = self.selection
        paths = [path for path in (chosen.ct_path, chosen.regions_path) if path is not None]
        registrations = dict.fromkeys(series for path in paths for series in path.series)
        images = (chosen.emission, chosen.ct, chosen.regions, chosen.planar, chosen.moving_ct)
        return tuple(s for s in (*images, *registrations) if s is not None)

    @property
    def _anchor(self) -> SeriesRecord | None:
        """The series that patient and study are taken from."""
        return self._used[0] if self._used else None

    @cached_property
    def _read(self) -> dict[str, tuple[Notice, ...]]:
        """What was noticed so far, by what it was noticed in."""
        return {}

    @cached_property
    def _emission(self) -> EmissionImage:
        """Read the emission image once."""
        series = self.selection.emission
        if series is None:
            raise DicomError(
                f"{self.index.path} holds no emission image.", file=self.index.path, tag="Modality"
            )
        with lenient_reading():
            image, self._read["emission"] = (read_nm if is_nm(series) else read_pet)(series)
        return replace(image, volume=self._in_common_frame(image.volume))

    @cached_property
    def _ct(self) -> CtImage | None:
        """Read the CT once."""
        if self.selection.ct is None:
            return None
        with lenient_reading():
            image, self._read["ct"] = read_ct(self.selection.ct)
        path = self.selection.ct_path
        return self._in_common_frame(image if path is None else self._carried_ct(image, path.transform))

    def _carried_ct(self, image: CtImage, transform: Chain) -> CtImage:
        """Return a CT of another frame where a registration puts it: moved, or sampled around the emission image."""
        rigid = transform.rigid
        if rigid is not None:
            return replace(image, grid=rigid.moved(image.grid, None))
        spacing = [max(mm, FINEST_DEFORMED_CT_MM) for mm in image.grid.spacing_mm]
        grid = self._emission.grid.with_spacing(min(spacing))
        return CtImage(sampled(image.array, image.grid, grid, transform.inverse(), OUTSIDE_HU), grid)

    @property
    def alignment(self) -> Alignment | DeformableAlignment | None:
        """How the CT of the regions was registered with that of the emission image; None where it was not asked for."""
        found = self.registered()
        return None if found is None else found.alignment

    def registered(self, progress: Progress | None = None) -> RegionAlignment | None:
        """Return the registration of the CT of the regions with that of the emission image; None where it was not asked for.

        It is found once.

        Parameters
        ----------
        progress : callable or None
            Called with what is being done and the finished fraction.

        Raises
        ------
        DicomError
            If one of the CTs cannot be read.
        GeometryError
            If the registration is not plausible.
        """
        moving = self.selection.moving_ct
        if moving is None or self._ct is None:
            return None
        if "region_alignment" not in self.__dict__:
            with lenient_reading():
                other, self._read["moving ct"] = read_ct(moving)
            how = self.selection.register or RIGID
            found = align_regions(how, other, self._ct, self._drawn, progress)
            self._read["alignment"] = found.notices
            self.__dict__["region_alignment"] = (
                found  # a frozen record keeps what it read, like its cached properties
            )
        return cast("RegionAlignment", self.__dict__["region_alignment"])

    @cached_property
    def _regions(self) -> tuple[DrawnRegion, ...]:
        """Bring the regions to the common frame once."""
        return tuple(self._region_in_common_frame(region) for region in self._drawn)

    @cached_property
    def _drawn(self) -> tuple[DrawnRegion, ...]:
        """Read the regions once, as they were drawn."""
        series = self.selection.regions
        if series is None:
            return ()
        with lenient_reading():
            if series.first.sop_class_uid == RTSTRUCT_CLASS:
                drawn, self._read["regions"] = read_rtstruct(series, self._slice_step_mm())
            else:
                drawn, self._read["regions"] = read_seg(series)
        return tuple(drawn)

    @cached_property
    def _planar(self) -> PlanarImage | None:
        """Read the planar views once."""
        if self.selection.planar is None:
            return None
        with lenient_reading():
            image, self._read["planar"] = read_planar(self.selection.planar)
        return image

    def _slice_step_mm(self) -> float | None:
        """Return the distance between slices of the CT that contours were drawn on: how thick a single one counts."""
        chosen = self.selection
        drawn_on = chosen.ct if chosen.moving_ct is None else chosen.moving_ct
        if chosen.regions_path is not None and chosen.regions is not None:
            frame = chosen.regions.frame_of_reference_uid
            there = [s for s in self.index.with_role(SeriesRole.CT) if s.frame_of_reference_uid == frame]
            drawn_on = there[0] if len(there) == 1 else None
        stack = None if drawn_on is None else plan_stack(drawn_on)[0]
        # contours on slices of several thicknesses tell their own distances
        return None if stack is None or stack.of_several_thicknesses else stack.grid.spacing_mm[0]

    def _in_common_frame(self, volume: V) -> V:
        """Return the volume under the frame of reference that the study shares."""
        grid = replace(volume.grid, frame_of_reference_uid=self.frame_of_reference_uid)
        return replace(volume, grid=grid)

    def _region_in_common_frame(self, region: DrawnRegion) -> DrawnRegion:
        """Return the region under the frame of reference that the study shares.

        One file can hold several frames: each region is brought from its own, by a registration of the study or by
        the alignment of the CTs, or refused.
        """
        own = frame_of(region)
        chosen, common = self.selection, self.frame_of_reference_uid
        images = (chosen.emission, None if chosen.ct_path else chosen.ct)
        frames = {s.frame_of_reference_uid for s in images if s is not None} - {None}
        moving = chosen.moving_ct
        if own is not None and frames and own not in frames:
            path = None if chosen.registrations is None else chosen.registrations.path(own, frames)
            if path is not None:
                self._note_registered(own, path)
                return carried(region, path.transform, common)
            if moving is not None and moving.frame_of_reference_uid == own:
                found = self.registered()
                if found is not None:
                    moved, notices = found.carried(region, common)
                    self._read["alignment"] = tuple(dict.fromkeys((*self._read["alignment"], *notices)))
                    return moved
            if not chosen.trust_frames:
                raise DicomError(
                    f"{shown(region.name)!r} was drawn in frame of reference {own}, the images lie in "
                    f"{', '.join(sorted(f for f in frames if f))}: their coordinates do not compare. "
                    "Draw or export them on the emission study's images, add a registration object (REG), "
                    "or take coordinates as common if you know that they are (--trust-frames).",
                    tag="ReferencedFrameOfReferenceUID",
                )
        if isinstance(region.shape, Volume):
            return replace(region, shape=self._in_common_frame(region.shape))
        if region.shape.frame_of_reference_uid == common:
            return region
        return replace(region, shape=replace(region.shape, frame_of_reference_uid=common))

    def brought(self, drawn: Sequence[DrawnRegion]) -> list[DrawnRegion]:
        """Return regions read elsewhere, in the common frame where a registration of this study leads there."""
        return [
            self._region_in_common_frame(region) if self._path_of(region) is not None else region
            for region in drawn
        ]

    def _path_of(self, region: DrawnRegion) -> FramePath | None:
        """Return how a registration of the study leads from a region's frame to the common one."""
        registrations = self.selection.registrations
        return (
            None
            if registrations is None
            else registrations.path(frame_of(region), [self.frame_of_reference_uid])
        )

    def _note_registered(self, own: str, path: FramePath) -> None:
        """Note once that regions of a frame were brought to the common one."""
        notice = registration_applied("regions", own, path.links[-1].target, path)
        self._read["registration"] = tuple(dict.fromkeys((*self._read.get("registration", ()), notice)))
