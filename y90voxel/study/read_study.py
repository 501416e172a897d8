"""Reading a study: a DICOM folder or zip, image files, or both completing each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.index import SeriesRole, StudyIndex
from y90voxel.io.images import SAY_OPTIONS, image_stem, is_image_file, read_ct_file, read_emission_file
from y90voxel.io.notices import add_notice
from y90voxel.io.pet_sidecar import sidecar_of
from y90voxel.io.region_files import check_names_differ, masks_of_folder, paths_of
from y90voxel.io.segmentations import read_regions_file, region_name_of_file
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.regions.liver_segments import with_liver_of_segments
from y90voxel.regions.moving import frame_of
from y90voxel.regions.placement import place_regions
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.regions.region_alignment import RIGID, align_regions
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.study.replaced_regions import replaced_notice
from y90voxel.study.study import Study, file_record
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.volume import CtImage, Volume

__all__ = ["read_region_files", "read_regions", "read_study", "trusted_regions"]

Progress = Callable[[str, float], None]
V = TypeVar("V", bound=Volume)
FRAME_UNKNOWN = "frame-unknown"


def read_study(
    path: str | Path | StudyIndex | None = None,
    *,
    emission: str | Path | None = None,
    ct: str | Path | None = None,
    regions: str | Path | Sequence[str | Path] | None = None,
    emission_series: str | Sequence[str] | None = None,
    ct_series: str | None = None,
    regions_series: str | None = None,
    trust_frames: bool = False,
    register: bool | str = False,
    only: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Study:
    """Read a study.

    Parameters
    ----------
    path : path-like, StudyIndex or None
        Folder (any depth, any names, other files among them) or ``.zip`` with DICOM; or what lies there, indexed before.
    emission, ct, regions : path-like or None
        Files that complete or replace what the DICOM holds: NIfTI, NRRD, MetaImage, or a DICOM file or
        folder of the kind. Several ``regions`` add up and stand in place of the study's own,
        which is said; an image of one region without a table of names names it.
    emission_series, ct_series, regions_series : str or None
        SeriesInstanceUID, or a unique beginning of it, when several series fit. A sequence of emission
        series is one an injection.
    trust_frames : bool
        Take the coordinates of other frames of reference as common; said in the notices.
    register : bool or {'rigid', 'deformable'}
        Register the CT that regions of another frame of reference were drawn on with the emission image's CT; True is rigid.
    only : iterable of str or None
        Names of the files below ``path`` that make the study, in a folder that holds several; None takes all.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If nothing is given, ``path`` is no study, no emission image is found, several fit, or regions of two files share
        a name, a series is named of what a file stands for, or there is no such way to register.
    DicomError, GeometryError
        If a file cannot be trusted; the message names file and tag.
    """
    if path is None and emission is None:
        raise InputError("no study: give a folder or .zip with DICOM, or an image with --emission.")
    report_progress = progress or (lambda what, done: None)
    region_files = paths_of(regions)
    files = {"emission": emission, "ct": ct, "regions": region_files or None}
    _check_series(path, files, {"emission": emission_series, "ct": ct_series, "regions": regions_series})
    how = RIGID if register is True else register or None
    parts = _Parts(trust_frames, how, lambda what, done: report_progress(what, 0.3 + 0.5 * done))
    wanted = [emission_series] if isinstance(emission_series, str | None) else list(emission_series)
    choice = {
        "ct_series": ct_series,
        "regions_series": regions_series,
        "register": how,
        "needs_emission": emission is None,
    }
    if path is not None:
        report_progress("reading headers", 0.0)
        main = _open(path, trust_frames, progress, only=only, emission_series=wanted[0], **choice)
        report_progress("reading images", 0.3)
        replaced = {role for role, file in files.items() if file is not None}
        _check_used(main, replaced, region_files)
        parts.add_main(main, replaced=replaced)
        chosen = [main.selection.emission]
        for uid in wanted[1:]:
            other = DicomStudy.open(
                main.index,
                emission_series=uid,
                ct_series=ct_series,
                regions_series=regions_series,
                trust_frames=trust_frames,
                register=how,
            )
            if other.selection.emission in chosen:
                raise InputError(
                    "two injections name the same emission series: each would scale the whole of it. Give each its own, or leave "
                    "emission_series out where one scan follows all injections.",
                    tag="injection",
                )
            chosen.append(other.selection.emission)
            parts.emissions.append(other.emission())
            parts.add_dicom_facts(other, replaced={"ct", "regions", "planar"})
    if emission is not None:
        parts.add_emission(Path(emission))
    if ct is not None:
        parts.add_ct(Path(ct))
    report_progress("reading regions", 0.8)
    if region_files:
        parts.add_regions(region_files)
        left = None if parts.main is None else replaced_notice(parts.main, region_files, parts.sources)
        parts.notices += [] if left is None else [left]
    report_progress("read", 1.0)
    where = path.path if isinstance(path, StudyIndex) else path
    return parts.study(Path(where if where is not None else str(emission)))


@dataclass
class _Parts:
    """A study while it is put together from several sources."""

    trust_frames: bool
    register: str | None = None
    registering: Progress | None = None
    main: DicomStudy | None = None
    emissions: list[EmissionImage] = field(default_factory=list)
    drawn: list[DrawnRegion] = field(default_factory=list)
    ct: CtImage | None = None
    planar: PlanarImage | None = None
    alignment: Alignment | DeformableAlignment | None = None
    label: str | None = None
    first: Path | None = None  # where the identity comes from
    identity: StudyIdentity | None = None
    sources: list[SourceSeries] = field(default_factory=list)
    inputs: list[Mapping[str, Any]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add_main(self, main: DicomStudy, *, replaced: Set[str]) -> None:
        """Take everything that a DICOM study holds, but what files replace."""
        self.main = main
        if "emission" not in replaced:
            self.emissions.append(main.emission())
        if "ct" not in replaced:
            self.ct = main.ct()
        if "regions" not in replaced:
            main.registered(self.registering)
            self.drawn, self.alignment = main.regions(), main.alignment
        self.planar, self.label = main.planar(), main.label
        self.add_dicom_facts(main, replaced=replaced)

    def add_emission(self, path: Path) -> None:
        """Take the emission image of a file."""
        if is_image_file(path):
            self.emissions = [read_emission_file(path, notices=self.notices)]
            self.inputs.append(file_record(path, "emission"))
            beside = sidecar_of(path, image_stem(path))
            if beside is not None:
                self.inputs.append(file_record(beside, "emission side-car"))
            if self.ct is not None or self.drawn:
                self._note_unknown_frame(path)
        else:
            study = _open(path, self.trust_frames)
            self.emissions = [study.emission()]
            self.add_dicom_facts(study)
        frame = self.emissions[0].grid.frame_of_reference_uid
        if self.ct is not None:
            self.ct = self._trusted(self.ct, frame, "the CT")
        self.drawn = self._trusted_regions(self.drawn)

    def add_ct(self, path: Path) -> None:
        """Take the CT of a file or folder."""
        if is_image_file(path):
            self.ct = read_ct_file(path, notices=self.notices)
            self.inputs.append(file_record(path, "ct"))
            self._note_unknown_frame(path)
            return
        study = _open(path, self.trust_frames, needs_emission=False)
        ct = study.ct()
        if ct is None:
            raise InputError(f"{path} holds no CT.", file=path)
        self.ct = self._trusted(ct, self.emissions[0].grid.frame_of_reference_uid, "the CT")
        self.add_dicom_facts(study)

    def add_regions(self, paths: Sequence[Path]) -> None:
        """Take the regions of all files; names that two of them share are refused."""
        by_file: list[tuple[Path, list[DrawnRegion]]] = []
        for path in paths:
            masks = [path] if is_image_file(path) else masks_of_folder(path)
            by_file += [(file, self._mask_of(file)) for file in masks] or [(path, self._regions_of(path))]
        check_names_differ(by_file)
        drawn = [region for _, own in by_file for region in own]
        self.drawn, notices = with_liver_of_segments(drawn)
        self.notices += notices

    def _mask_of(self, file: Path) -> list[DrawnRegion]:
        """The regions of a file, or of one mask of a folder; an empty one is left out, unless its name has a role."""
        try:
            return self._regions_of(file)
        except RegionError:
            name = region_name_of_file(file)
            if role_of_name(name) is not Role.OTHER:
                return [
                    DrawnRegion(name, Contours(()), file.name)
                ]  # whether it may be empty is decided with its role
            message = f"{file.name} is empty: there is no region {name!r}."
            self.notices.append(Notice("empty-mask", message))
            return []

    def _regions_of(self, path: Path) -> list[DrawnRegion]:
        """The regions of one file."""
        if is_image_file(path):
            drawn = read_regions_file(path, notices=self.notices)
            self.inputs.append(file_record(path, "regions"))
            self._note_unknown_frame(path)
            return drawn
        study = _open(path, self.trust_frames, needs_emission=False)
        drawn = study.regions()
        if not drawn:
            raise InputError(f"{path} holds no regions (RTSTRUCT or SEG).", file=path)
        if self.main is not None:
            drawn = self.main.brought(drawn)
            self.notices += [n for n in self.main.warnings if n not in self.notices]
        self.add_dicom_facts(study)
        if self.register is not None:
            return self._registered_regions(drawn, study)
        return self._trusted_regions(drawn)

    def _registered_regions(self, drawn: list[DrawnRegion], study: DicomStudy) -> list[DrawnRegion]:
        """The regions under the emission's frame of reference by registering the CT beside them with the emission's."""
        frame = self.emissions[0].grid.frame_of_reference_uid
        moving = study.ct()
        if frame is None or moving is None or {frame_of(region) for region in drawn} <= {None, frame}:
            return drawn  # nothing to do, or refused where regions are placed
        if self.ct is None:
            raise InputError(
                f"--register aligns the CT in {study.index.path} with that of the emission image, which has none. Give it "
                "(--ct).",
                file=study.index.path,
                tag="dose.register",
            )
        if self.alignment is not None:
            raise InputError(
                f"regions of two other frames of reference would be registered ({study.index.path} is the second); one is read. "
                "Give the regions of one session, or a registration object (REG) of the other.",
                file=study.index.path,
                tag="dose.register",
            )
        own = [region for region in drawn if frame_of(region) == moving.grid.frame_of_reference_uid]
        found = align_regions(str(self.register), moving, self.ct, own, self.registering)
        self.alignment = found.alignment
        self.notices += found.notices
        placed = []
        for region in drawn:
            if frame_of(region) == moving.grid.frame_of_reference_uid:
                region, notices = found.carried(region, frame)
                self.notices += notices
            placed.append(region)
        return placed

    def add_dicom_facts(self, study: DicomStudy, replaced: Set[str] = frozenset()) -> None:
        """Take identity, references, checksums and warnings of a DICOM source, once each, for what is used of it.

        Raises
        ------
        DicomError
            If it is of another patient than what was read before.
        """
        if self.identity is not None:
            self.identity.check_patient(study.identity, str(self.first), str(study.index.path))
        self.first = self.first or study.index.path
        self.identity = self.identity or study.identity
        for item, source in zip(study.inputs(), study.source_references(), strict=True):
            if item["role"] not in replaced and source not in self.sources:
                self.inputs.append(item)
                self.sources.append(source)
        self.notices += [n for n in study.warnings if n not in self.notices]

    def study(self, path: Path) -> Study:
        """The study that the parts make."""
        if self.register is not None and self.alignment is None:
            message = "--register had nothing to do: no regions lie in another frame of reference beside a CT of it."
            self.notices.append(Notice("register-unused", message))
        return Study(
            label=self.label or path.name.split(".")[0],
            emissions=tuple(self.emissions),
            drawn=tuple(self.drawn),
            ct=self.ct,
            planar=self.planar,
            identity=self.identity or StudyIdentity(),
            sources=tuple(self.sources),
            inputs=tuple(self.inputs),
            notices=tuple(self.notices),
            alignment=self.alignment,
        )

    def _note_unknown_frame(self, path: Path) -> None:
        """A file without a frame of reference: its coordinates are taken as the others'."""
        self.notices.append(
            Notice(
                FRAME_UNKNOWN,
                f"{path.name} states no frame of reference: its coordinates are taken as those of the other images.",
            )
        )

    def _trusted(self, volume: V, frame: str | None, what: str) -> V:
        """The volume under another frame of reference, when that was asked for."""
        if not self.trust_frames or frame is None or volume.grid.frame_of_reference_uid in (None, frame):
            return volume
        self.notices.append(_trust_notice(what, volume.grid.frame_of_reference_uid, frame))
        return replace(volume, grid=replace(volume.grid, frame_of_reference_uid=frame))

    def _trusted_regions(self, drawn: Sequence[DrawnRegion]) -> list[DrawnRegion]:
        """The regions under the emission's frame of reference, when that was asked for."""
        if not self.trust_frames:
            return list(drawn)
        regions, notices = trusted_regions(drawn, self.emissions[0].grid.frame_of_reference_uid)
        self.notices += notices
        return regions


def read_regions(
    path: str | Path | Sequence[str | Path],
    grid: Grid,
    *,
    roles: Mapping[str, str] | None = None,
    notices: list[Notice] | None = None,
) -> Regions:
    """Return the regions of files as occupancies on a grid, with those that follow from them.

    Parameters
    ----------
    path : path-like or sequence of path-like
        RTSTRUCT, SEG, ``.seg.nrrd``, label images and masks, or a folder of masks; several add up.
    grid : Grid
        Where the occupancies are wanted, such as ``ct.grid`` or ``dose.grid``.
    roles : mapping of str to str, optional
        Roles by ROI name that win over the name's own, such as ``{"HCC 1": "tumour"}``.
    notices : list of Notice, optional
        Receives what was assumed, and which regions the grid cuts off; warned when it is not given.

    Raises
    ------
    InputError
        If a file holds no regions or cannot be read, regions of two files share a name, or a role names no region.
    GeometryError
        If the regions lie in another frame of reference than the grid.
    """
    found: list[Notice] = []
    drawn, _ = read_region_files(path, found)
    regions, placing = place_regions(drawn, grid, roles, must_be_whole=())
    for notice in (*found, *placing):
        add_notice(notices, notice.code, notice.message)
    return regions


def read_region_files(
    path: str | Path | Sequence[str | Path], notices: list[Notice]
) -> tuple[list[DrawnRegion], StudyIdentity | None]:
    """Return the regions of RTSTRUCT, SEG, ``.seg.nrrd``, label images and masks, and whose they are where that is known.

    The regions of several files add up.

    Parameters
    ----------
    path : path-like or sequence of path-like
        Each a file, or a folder with one DICOM region object.
    notices : list of Notice
        Gets what was accepted or assumed.

    Raises
    ------
    InputError
        If a file holds no regions or cannot be read, or regions of two files share a name.
    """
    parts = _Parts(trust_frames=False)
    parts.add_regions(paths_of(path))
    notices += [
        notice for notice in parts.notices if notice.code != FRAME_UNKNOWN
    ]  # there is nothing beside them
    return parts.drawn, parts.identity


def trusted_regions(
    drawn: Sequence[DrawnRegion], frame: str | None
) -> tuple[list[DrawnRegion], list[Notice]]:
    """Return the regions with their coordinates taken as those of ``frame``, and what has to be said."""
    if frame is None:
        return list(drawn), []
    moved, others = [], set()
    for region in drawn:
        shape, own = region.shape, frame_of(region)
        if own in (None, frame):
            moved.append(region)
            continue
        others.add(own)
        if isinstance(shape, Contours):
            moved.append(replace(region, shape=replace(shape, frame_of_reference_uid=frame)))
        else:
            grid = replace(shape.grid, frame_of_reference_uid=frame)
            moved.append(replace(region, shape=replace(shape, grid=grid)))
    return moved, [_trust_notice("the regions", own, frame) for own in sorted(filter(None, others))]


def _check_series(path: Any, files: Mapping[str, Any], series: Mapping[str, Any]) -> None:
    """Refuse a series of a role that a file stands for, or that there is no study for: it would not be used."""
    for role, named in series.items():
        if named and (path is None or files[role] is not None):
            uids = named if isinstance(named, str) else ", ".join(named)
            why = "there is no STUDY" if path is None else f"the {role} of the STUDY is replaced by a file"
            raise InputError(
                f"series.{role} (--{role}-series) names {uids}, but {why}: leave one of them out.",
                tag=f"series.{role}",
            )


def _check_used(main: DicomStudy, replaced: Set[str], region_files: Sequence[Path]) -> None:
    """Refuse a study of which nothing would be used: most likely it is meant as one more file of regions."""
    roles = {series.role for series in main.index.series}
    path = main.index.path
    if roles and not (roles == {SeriesRole.REGIONS} and "regions" in replaced):
        return
    what = "only regions" if roles else "no DICOM object"
    files = ", ".join(file.name for file in region_files)
    beside = f", which --regions replaces ({files})" if roles else ""
    raise InputError(
        f"{path} is given as the STUDY and holds {what}{beside}: nothing of it would be used. {SAY_OPTIONS}",
        file=path,
        tag="STUDY",
    )


def _trust_notice(what: str, own: str | None, frame: str) -> Notice:
    """Say that two frames of reference were taken as one."""
    return Notice(
        "frames-trusted",
        f"{what} lie in frame of reference {own}, the emission image in {frame}: their coordinates were taken as common, "
        "as asked. Check the overlay.",
    )


def _open(
    path: str | Path | StudyIndex, trust_frames: bool, progress: Progress | None = None, **choice: Any
) -> DicomStudy:
    """Open a DICOM study; its progress is the first third of reading."""
    third = None if progress is None else (lambda what, done: progress(what, 0.3 * done))
    return DicomStudy.open(path, trust_frames=trust_frames, progress=third, **choice)
