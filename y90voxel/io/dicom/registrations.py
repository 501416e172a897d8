"""Spatial registrations of a study: how coordinates of one frame of reference become those of another.

A rigid registration takes points of each item's frame to the frame of the object itself (PS3.3 C.20.2: "registers the
Source RCS to the Registered RCS"). A deformable one says where to sample: it takes points of the object's own frame to
the item's source frame (C.20.3.1.1). Both are followed either way, and one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, GeometryError
from y90voxel.io.dicom.attributes import items, numbers, text
from y90voxel.io.dicom.geometry import axes_of
from y90voxel.io.dicom.headers import Instance, lenient_reading, read_whole
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, StudyIndex
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Chain, Deformation, Transform

__all__ = ["Link", "Path", "Registrations", "links_of", "path_between"]

DEFORMABLE_CLASS = "1.2.840.10008.5.1.4.1.1.66.3"
# Two registrations of the same frames must agree within this over half a metre [mm].
AGREEMENT_MM = 1.0
# Vectors; chosen: a field of 2 mm over half a metre has 16 million, 30 million of float32 take 360 MB.
MOST_GRID_POINTS = 30_000_000


@dataclass(frozen=True, eq=False)
class Link:
    """One registration between two frames of reference.

    Parameters
    ----------
    source, target : str
        The frames; ``transform`` takes points of the first to points of the second.
    transform : Transform
        The map.
    series : SeriesRecord
        The series that states it.
    file : str
        The file that states it.
    """

    source: str
    target: str
    transform: Transform
    series: SeriesRecord
    file: str

    def reversed(self) -> Link:
        """Return the same registration the other way."""
        return Link(self.target, self.source, self.transform.inverse(), self.series, self.file)


@dataclass(frozen=True, eq=False)
class Path:
    """The way from one frame of reference to another.

    Parameters
    ----------
    transform : Chain
        From the first frame to the last.
    links : tuple of Link
        What it consists of.
    """

    transform: Chain
    links: tuple[Link, ...]

    @property
    def series(self) -> tuple[SeriesRecord, ...]:
        """The registration series used, each once."""
        return tuple(dict.fromkeys(link.series for link in self.links))

    @property
    def kind(self) -> str:
        """What sort of map it is, in words."""
        rigid = self.transform.rigid
        if rigid is not None:
            shift = float(np.linalg.norm(rigid.matrix[:3, 3]))
            return f"rigid, turned by {rigid.angle_degrees:.2f} degrees, translation {shift:.1f} mm"
        deformable = any(not isinstance(step, AffineTransform) for step in self.transform.steps)
        return "deformable" if deformable else "affine, which changes sizes"


@dataclass(frozen=True, eq=False)
class Registrations:
    """The registrations of one patient, read when they are first asked for.

    Parameters
    ----------
    index : StudyIndex
        What is there.
    patient_key : str or None
        The patient; None takes all.
    """

    index: StudyIndex
    patient_key: str | None = None

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """All registrations."""
        return tuple(links_of(self.index, self.patient_key))

    def path(self, source: str | None, targets: Iterable[str | None]) -> Path | None:
        """Return the way from a frame to one of the targets, as `path_between`."""
        frames = {target for target in targets if target}
        if not source or not frames or source in frames:
            return None
        return path_between(self.links, source, frames)


def links_of(index: StudyIndex, patient_key: str | None = None) -> list[Link]:
    """Return all registrations of a study.

    Parameters
    ----------
    index : StudyIndex
        What is there.
    patient_key : str or None
        Only those of this patient.

    Raises
    ------
    DicomError
        If a registration is damaged, or holds a matrix that anatomy cannot follow.
    """
    frame_of = _frames_by_instance(index)
    links: list[Link] = []
    for series in index.with_role(SeriesRole.REGISTRATION):
        if patient_key not in (None, series.first.patient_key):
            continue
        for instance in series.instances:
            with lenient_reading():
                links += _links_of_object(instance, series, frame_of)
    return links


def path_between(links: Sequence[Link], source: str | None, targets: Iterable[str]) -> Path | None:
    """Return the shortest way from one frame of reference to any of the targets; None when there is none.

    Raises
    ------
    DicomError
        If two registrations between the same frames disagree.
    """
    wanted = set(targets)
    if source is None or not wanted:
        return None
    both_ways = [*links, *(link.reversed() for link in links)]
    came_by: dict[str, Link | None] = {source: None}
    queue = deque([source])
    while queue:
        frame = queue.popleft()
        if frame in wanted and frame != source:
            return _path_to(frame, came_by, both_ways)
        for link in both_ways:
            if link.source == frame and link.target not in came_by:
                came_by[link.target] = link
                queue.append(link.target)
    return None


def _path_to(frame: str, came_by: dict[str, Link | None], links: Sequence[Link]) -> Path:
    """Return the path that ends in a frame, once all of its links are without contradiction."""
    chain: list[Link] = []
    link = came_by[frame]
    while link is not None:
        _check_agreement(link, links)
        chain.insert(0, link)
        link = came_by[link.source]
    return Path(Chain([step.transform for step in chain]), tuple(chain))


def _check_agreement(link: Link, links: Sequence[Link]) -> None:
    """Raise when another registration between the same frames says something else."""
    corners = np.array(np.meshgrid((-250, 0, 250), (-250, 0, 250), (-250, 0, 250))).reshape(3, -1).T
    for other in links:
        if other is link or (other.source, other.target) != (link.source, link.target):
            continue
        apart = np.linalg.norm(other.transform.points(corners) - link.transform.points(corners), axis=-1)
        if not apart.max() <= AGREEMENT_MM:
            by = f"by up to {apart.max():.1f} mm" if np.isfinite(apart).all() else "in where they are defined"
            raise DicomError(
                f"{link.file} and {other.file} both relate frame of reference {link.source} to {link.target}, and differ "
                f"{by}. Leave the one to use in the folder.",
                file=other.file,
                tag="FrameOfReferenceTransformationMatrix",
            )


def _frames_by_instance(index: StudyIndex) -> Callable[[str], str | None]:
    """Return a lookup of the frame of reference of an image by its SOP instance UID."""
    frames: dict[str, str] = {}

    def frame(sop_instance_uid: str) -> str | None:
        if not frames:
            for series in index.series:
                if series.frame_of_reference_uid and series.role is not SeriesRole.REGISTRATION:
                    frames.update(
                        (i.sop_instance_uid, series.frame_of_reference_uid) for i in series.instances
                    )
        return frames.get(sop_instance_uid)

    return frame


def _links_of_object(
    instance: Instance, series: SeriesRecord, frame_of: Callable[[str], str | None]
) -> list[Link]:
    """Return the registrations of one object."""
    file, own = instance.source, instance.text("FrameOfReferenceUID")
    if not own:
        raise DicomError(
            f"the registration {file.name} names no frame of reference of its own, so it cannot be told what it "
            "registers to. Export it again.",
            file=file.name,
            tag="FrameOfReferenceUID",
        )
    dataset = read_whole(file)
    links = []
    if instance.sop_class_uid == DEFORMABLE_CLASS:
        for item in items(dataset, "DeformableRegistrationSequence", file):
            source = text(item, "SourceFrameOfReferenceUID", file)
            if source and source != own:
                little = bool(dataset.original_encoding[1])
                links.append(Link(own, source, _deformation(item, file, little), series, file.name))
        return links
    for item in items(dataset, "RegistrationSequence", file):
        source = text(item, "FrameOfReferenceUID", file) or _referenced_frame(item, file, frame_of) or ""
        matrix = _matrix(items(item, "MatrixRegistrationSequence", file), file)
        if source == own and np.abs(matrix.matrix - np.eye(4)).max() > 1e-4:
            raise _damaged(
                file,
                "FrameOfReferenceTransformationMatrix",
                "it moves its own frame of reference within itself",
            )
        if source and source != own:
            links.append(Link(source, own, matrix, series, file.name))
    return links


def _referenced_frame(item: Dataset, file: SourceFile, frame_of: Callable[[str], str | None]) -> str | None:
    """Return the frame of reference of the images that an item is about."""
    for image in items(item, "ReferencedImageSequence", file):
        frame = frame_of(text(image, "ReferencedSOPInstanceUID", file))
        if frame:
            return frame
    return None


def _matrix(registration: Sequence[Dataset], file: SourceFile) -> AffineTransform:
    """Return the matrix of a registration; several must not depend on their order, which writers read differently."""
    group = items(registration[0], "MatrixSequence", file) if registration else []
    if not group:
        raise _damaged(file, "MatrixSequence", "an item holds no matrix")
    matrices = [_one_matrix(item, file) for item in group]
    forward, backward = np.eye(4), np.eye(4)
    for matrix in matrices:
        forward, backward = forward @ matrix, matrix @ backward
    if np.abs(forward - backward).max() > 1e-4:
        raise _damaged(
            file,
            "MatrixSequence",
            f"{len(matrices)} matrices whose product depends on their order; export one matrix",
        )
    return _transform(forward, file)


def _one_matrix(item: Dataset, file: SourceFile) -> NDArray[np.float64]:
    """Return one matrix of 16 numbers; one that calls itself rigid must be so."""
    keyword = "FrameOfReferenceTransformationMatrix"
    stated = numbers(item, keyword, 16, file)
    if stated is None:
        raise _damaged(file, keyword, "an item holds no matrix")
    matrix = np.reshape(stated, (4, 4))
    kind = text(item, "FrameOfReferenceTransformationMatrixType", file).upper()
    if kind == "RIGID" and not _transform(matrix, file).is_rigid:
        raise _damaged(file, keyword, "a matrix calls itself RIGID and changes sizes or angles")
    return matrix


def _transform(matrix: NDArray[np.float64], file: SourceFile) -> AffineTransform:
    """Return a matrix as a transform."""
    try:
        return AffineTransform(matrix)
    except GeometryError as error:
        raise _damaged(file, "FrameOfReferenceTransformationMatrix", error.message) from error


def _deformation(item: Dataset, file: SourceFile, little_endian: bool) -> Deformation | AffineTransform:
    """Return the deformation of an item; without a grid it is a matrix."""
    sides = []
    for keyword in ("PreDeformationMatrixRegistrationSequence", "PostDeformationMatrixRegistrationSequence"):
        stated = items(item, keyword, file)
        sides.append(_transform(_one_matrix(stated[0], file) if stated else np.eye(4), file))
    before, after = sides
    grids = items(item, "DeformableRegistrationGridSequence", file)
    if not grids:
        return _transform(after.matrix @ before.matrix, file)
    grid, vectors = _vector_grid(grids[0], file, little_endian)
    return Deformation(before, after, grid, vectors)


def _vector_grid(item: Dataset, file: SourceFile, little_endian: bool) -> tuple[Grid, NDArray[np.float32]]:
    """Return the grid of a deformation and its vectors, (slices, rows, columns, 3)."""
    position = _needed(numbers(item, "ImagePositionPatient", 3, file), "ImagePositionPatient", file)
    orientation = _needed(numbers(item, "ImageOrientationPatient", 6, file), "ImageOrientationPatient", file)
    size = _needed(numbers(item, "GridDimensions", 3, file), "GridDimensions", file)
    step = _needed(numbers(item, "GridResolution", 3, file), "GridResolution", file)
    columns, rows, slices = (int(n) for n in size)
    if min(columns, rows, slices) < 1 or min(step) <= 0 or columns * rows * slices > MOST_GRID_POINTS:
        raise _damaged(
            file, "GridDimensions", f"a grid of {columns} x {rows} x {slices} vectors {step} mm apart"
        )
    element = item.get("VectorGridData")
    data = element if isinstance(element, bytes) else b""
    needed = 12 * columns * rows * slices
    if len(data) < needed:
        raise _damaged(
            file, "VectorGridData", f"{needed} bytes of vectors are announced, {len(data)} are there"
        )
    vectors = np.frombuffer(data[:needed], "<f4" if little_endian else ">f4")
    vectors = vectors.reshape(slices, rows, columns, 3)
    row, column, normal = axes_of(orientation, file.name)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * step[2], column * step[1], row * step[0]])
    affine[:3, 3] = position
    return Grid((slices, rows, columns), affine), vectors.astype(np.float32)


def _needed(value: tuple[float, ...] | None, keyword: str, file: SourceFile) -> tuple[float, ...]:
    """Return a value that must not be missing."""
    if value is None:
        raise _damaged(file, keyword, "it is missing")
    return value


def _damaged(file: SourceFile, keyword: str, why: str) -> DicomError:
    """Return the error for a registration that cannot be used."""
    return DicomError(
        f"the registration {file.name} cannot be used: {keyword}: {why.rstrip('.')}. Export it again, or leave it out "
        "of the folder.",
        file=file.name,
        tag=keyword,
    )
