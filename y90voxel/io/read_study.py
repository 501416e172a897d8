"""Reading a study: a DICOM folder or zip, image files, or both completing each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from y90voxel.activity.emission import EmissionImage, PlanarImage
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.study import DicomStudy
from y90voxel.io.images import is_image_file, read_ct_file, read_emission_file
from y90voxel.io.segmentations import read_regions_file
from y90voxel.io.study import Study, file_record
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.volumes.registration import Alignment
from y90voxel.volumes.volume import CtImage, Volume

__all__ = ["read_regions", "read_study", "trusted_regions"]

Progress = Callable[[str, float], None]
V = TypeVar("V", bound=Volume)


def read_study(
    path: str | Path | None = None,
    *,
    emission: str | Path | None = None,
    ct: str | Path | None = None,
    regions: str | Path | None = None,
    emission_series: str | Sequence[str] | None = None,
    ct_series: str | None = None,
    regions_series: str | None = None,
    trust_frames: bool = False,
    register: bool = False,
    only: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Study:
    """Read a study.

    Parameters
    ----------
    path : path-like or None
        Folder (any depth, any names, other files among them) or ``.zip`` with DICOM.
    emission, ct, regions : path-like or None
        Files that complete or replace what the DICOM holds: NIfTI, NRRD, MetaImage, or a DICOM file or
        folder of the kind.
    emission_series, ct_series, regions_series : str or None
        SeriesInstanceUID, or a unique beginning of it, when several series fit. A sequence of emission
        series is one an injection.
    trust_frames : bool
        Take the coordinates of other frames of reference as common; said in the notices.
    register : bool
        Align the CT that regions of another frame of reference were drawn on with the emission image's CT.
    only : iterable of str or None
        Names of the files below ``path`` that make the study, in a folder that holds several; None takes all.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If nothing is given, no emission image is found, or several fit.
    DicomError, GeometryError
        If a file cannot be trusted; the message names file and tag.
    """
    if path is None and emission is None:
        raise InputError("no study: give a folder or .zip with DICOM, or an image with --emission.")
    tell = progress or (lambda what, done: None)
    parts = _Parts(trust_frames=trust_frames)
    wanted = [emission_series] if isinstance(emission_series, str | None) else list(emission_series)
    choice = {
        "ct_series": ct_series,
        "regions_series": regions_series,
        "register": register,
        "needs_emission": emission is None,
    }
    if path is not None:
        tell("reading headers", 0.0)
        main = _open(path, trust_frames, progress, only=only, emission_series=wanted[0], **choice)
        tell("reading images", 0.3)
        files = {"emission": emission, "ct": ct, "regions": regions}
        parts.add_main(main, replaced={role for role, file in files.items() if file is not None})
        chosen = [main.selection.emission]
        for uid in wanted[1:]:
            other = DicomStudy.open(
                main.index,
                emission_series=uid,
                ct_series=ct_series,
                regions_series=regions_series,
                trust_frames=trust_frames,
                register=register,
            )
            if other.selection.emission in chosen:
                raise InputError(
                    "two injections name the same emission series: each would scale the whole of it. Give each its own.",
                    tag="injection",
                )
            chosen.append(other.selection.emission)
            parts.emissions.append(other.emission())
            parts.add_dicom_facts(other, replaced={"ct", "regions", "planar"})
    if emission is not None:
        parts.add_emission(Path(emission))
    if ct is not None:
        parts.add_ct(Path(ct))
    tell("reading regions", 0.8)
    if regions is not None:
        parts.add_regions(Path(regions))
    tell("read", 1.0)
    return parts.study(Path(path if path is not None else str(emission)))


@dataclass
class _Parts:
    """A study while it is put together from several sources."""

    trust_frames: bool
    main: DicomStudy | None = None
    emissions: list[EmissionImage] = field(default_factory=list)
    drawn: list[DrawnRegion] = field(default_factory=list)
    ct: CtImage | None = None
    planar: PlanarImage | None = None
    alignment: Alignment | None = None
    label: str | None = None
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
            self.drawn, self.alignment = main.regions(), main.alignment
        self.planar, self.label = main.planar(), main.label
        self.add_dicom_facts(main, replaced=replaced)

    def add_emission(self, path: Path) -> None:
        """Take the emission image of a file."""
        if is_image_file(path):
            self.emissions = [read_emission_file(path, notices=self.notices)]
            self.inputs.append(file_record(path, "emission"))
            if self.ct is not None or self.drawn:
                self._say_frame_unknown(path)
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
            self._say_frame_unknown(path)
            return
        study = _open(path, self.trust_frames, needs_emission=False)
        found = study.ct()
        if found is None:
            raise InputError(f"{path} holds no CT.", file=path)
        self.ct = self._trusted(found, self.emissions[0].grid.frame_of_reference_uid, "the CT")
        self.add_dicom_facts(study)

    def add_regions(self, path: Path) -> None:
        """Take the regions of a file."""
        if is_image_file(path):
            self.drawn = read_regions_file(path, notices=self.notices)
            self.inputs.append(file_record(path, "regions"))
            self._say_frame_unknown(path)
            return
        study = _open(path, self.trust_frames, needs_emission=False)
        drawn = study.regions()
        if not drawn:
            raise InputError(f"{path} holds no regions (RTSTRUCT or SEG).", file=path)
        if self.main is not None:
            drawn = self.main.brought(drawn)
            self.notices += [n for n in self.main.warnings if n not in self.notices]
        self.drawn = self._trusted_regions(drawn)
        self.add_dicom_facts(study)

    def add_dicom_facts(self, study: DicomStudy, replaced: Set[str] = frozenset()) -> None:
        """Take identity, references, checksums and warnings of a DICOM source, once each, for what is used of it."""
        self.identity = self.identity or study.identity
        for item, source in zip(study.inputs(), study.source_references(), strict=True):
            if item["role"] not in replaced and source not in self.sources:
                self.inputs.append(item)
                self.sources.append(source)
        self.notices += [n for n in study.warnings if n not in self.notices]

    def study(self, path: Path) -> Study:
        """The study that the parts make."""
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

    def _say_frame_unknown(self, path: Path) -> None:
        """A file without a frame of reference: its coordinates are taken as the others'."""
        self.notices.append(
            Notice(
                "frame-unknown",
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


def read_regions(path: str | Path, notices: list[Notice]) -> list[DrawnRegion]:
    """Return the regions of an RTSTRUCT, SEG, ``.seg.nrrd`` or label image.

    Parameters
    ----------
    path : path-like
        File, or folder with one DICOM region object.
    notices : list of Notice
        Gets what was accepted or assumed.

    Raises
    ------
    InputError
        If the file holds no regions or cannot be read.
    """
    parts = _Parts(trust_frames=False)
    if is_image_file(Path(path)):
        drawn = read_regions_file(path, notices=notices)
    else:
        parts.add_regions(Path(path))
        drawn = parts.drawn
    notices += parts.notices
    return drawn


def trusted_regions(
    drawn: Sequence[DrawnRegion], frame: str | None
) -> tuple[list[DrawnRegion], list[Notice]]:
    """Return the regions with their coordinates taken as those of ``frame``, and what has to be said."""
    if frame is None:
        return list(drawn), []
    moved, others = [], set()
    for region in drawn:
        shape = region.shape
        own = (
            shape.frame_of_reference_uid if isinstance(shape, Contours) else shape.grid.frame_of_reference_uid
        )
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


def _trust_notice(what: str, own: str | None, frame: str) -> Notice:
    """Say that two frames of reference were taken as one."""
    return Notice(
        "frames-trusted",
        f"{what} lie in frame of reference {own}, the emission image in {frame}: their coordinates were taken as common, "
        "as asked. Check the overlay.",
    )


def _open(
    path: str | Path, trust_frames: bool, progress: Progress | None = None, **choice: Any
) -> DicomStudy:
    """Open a DICOM study; its progress is the first third of reading."""
    tell = None if progress is None else (lambda what, done: progress(what, 0.3 * done))
    return DicomStudy.open(path, trust_frames=trust_frames, progress=tell, **choice)
