"""Registrations of two doses: from the CTs of their studies, or from a registration object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.dose_placement import Placement
from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.registrations import links_of, path_between
from y90voxel.io.images import is_image_file, read_ct_file
from y90voxel.regions.regions import Region, union
from y90voxel.regions.roles import Role
from y90voxel.study.study import file_record
from y90voxel.volumes.deformable_registration import DeformableAlignment, Guide, deform_ct
from y90voxel.volumes.field_quality import check_field, field_quality, rigid_through
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment, align_ct
from y90voxel.volumes.volume import CtImage, Mask

__all__ = ["Registering", "placement_of"]

RIGID, DEFORMABLE = "rigid", "deformable"
OPTION = "--register"
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Registering:
    """What a user wants to be registered, and with what.

    Parameters
    ----------
    how : str
        ``rigid``, ``deformable``, or the path of a DICOM registration object.
    predicted_ct, delivered_ct : path-like or None
        Study or image file with the CT of each side; not needed for a registration object.
    landmarks : tuple of path-like
        Landmarks marked on both images; see `read_landmark_pairs`.
    names : tuple of str
        What the two sides are called.
    options : tuple of str
        How the CT of each is given.
    """

    how: str
    predicted_ct: str | Path | None = None
    delivered_ct: str | Path | None = None
    landmarks: tuple[str | Path, ...] = ()
    names: tuple[str, str] = ("the predicted study", "the delivered study")
    options: tuple[str, str] = ("--predicted-ct", "--delivered-ct")


def placement_of(
    wanted: Registering, predicted: ComparedDose, delivered: ComparedDose, progress: Progress | None = None
) -> tuple[Placement, Alignment | DeformableAlignment | None]:
    """Return how the predicted dose comes into the delivered frame, and the alignment of CTs where one was made.

    Parameters
    ----------
    wanted : Registering
        What to do.
    predicted, delivered : ComparedDose
        The two sides.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a CT is not given or not found, no liver guides the registration, or the option is neither.
    GeometryError
        If a CT or registration is of another frame of reference, or the alignment cannot be right.
    """
    report_progress = progress or (lambda what, done: None)
    if wanted.how not in (RIGID, DEFORMABLE):
        unused = wanted.predicted_ct or wanted.delivered_ct
        if unused is not None:
            raise InputError(f"a registration object needs no CT; leave {unused} out.", tag=OPTION)
        path = Path(wanted.how)
        placement = _of_object(path, predicted, delivered)
        return replace(placement, inputs=(file_record(path, "registration"),)), None
    liver = _liver(delivered, wanted.names[1])
    focus = _own_liver(predicted)
    report_progress("reading the CTs", 0.0)
    paths = (wanted.predicted_ct, wanted.delivered_ct)
    (moving, moving_input), (fixed, fixed_input) = (
        _ct(path, name, option, side.dose.grid)
        for path, name, option, side in zip(
            paths, wanted.names, wanted.options, (predicted, delivered), strict=True
        )
    )
    report_progress("aligning the CTs rigidly", 0.1)
    rigid = (
        align_ct(fixed, moving, _points(liver)).reversed()
        if focus is None
        else align_ct(moving, fixed, _points(focus))
    )
    if wanted.how == RIGID:
        return replace(_rigid(rigid, wanted.names), inputs=(moving_input, fixed_input)), rigid
    guides = _guides(predicted, delivered)
    deformed = deform_ct(rigid, liver, guides, lambda what, done: report_progress(what, 0.3 + 0.7 * done))
    return replace(_deformed(deformed, guides, wanted.names), inputs=(moving_input, fixed_input)), deformed


def _rigid(alignment: Alignment, names: tuple[str, str]) -> Placement:
    """An alignment of CTs as a placement."""
    message = f"{names[0]} was aligned rigidly with {names[1]}, CT to CT, as asked. {alignment.summary}"
    return Placement(
        pull=alignment.transform.inverse(),
        how="CTs aligned rigidly",
        rigid=alignment.transform,
        base=alignment.transform,
        record=alignment.as_dict(),
        notices=(Notice("registered-rigidly", message),),
    )


def _deformed(alignment: DeformableAlignment, guides: list[Guide], names: tuple[str, str]) -> Placement:
    """A deformation of CTs as a placement."""
    message = (
        f"{names[0]} was deformed onto {names[1]}, CT to CT, as asked. {alignment.summary} Check the figure before the "
        "doses."
    )
    return Placement(
        pull=alignment.pull,
        how="CTs aligned and deformed",
        base=alignment.rigid.transform,
        record={"guides": len(guides), **alignment.as_dict()},
        notices=(Notice("registered-deformably", message), *alignment.notices),
    )


def _of_object(path: Path, predicted: ComparedDose, delivered: ComparedDose) -> Placement:
    """A registration that somebody else made."""
    if not path.is_file():
        raise InputError(
            f"{OPTION} {path}: neither {RIGID} nor {DEFORMABLE}, and no such file. Give one of the two, or a DICOM registration "
            "object.",
            file=path,
            tag=OPTION,
        )
    frames = [side.dose.grid.frame_of_reference_uid for side in (predicted, delivered)]
    if None in frames:
        raise GeometryError(
            f"the frame of reference of one of the doses is not known, so that {path.name} cannot be applied. Use {RIGID} or "
            f"{DEFORMABLE} with the CTs.",
            file=path,
            tag="FrameOfReferenceUID",
        )
    links = links_of(index_study(path))
    way = path_between(links, frames[0], {str(frames[1])})
    if way is None:
        pairs = "; ".join(f"{link.source} with {link.target}" for link in links) or "nothing"
        raise GeometryError(
            f"{path.name} registers {pairs}; needed is {frames[0]} (predicted) with {frames[1]} (delivered). Export the "
            "registration of the two images that the doses belong to.",
            file=path,
            tag="FrameOfReferenceUID",
        )
    pull = way.transform.inverse()
    grid = delivered.dose.grid
    message = f"the registration object {path.name} was applied: {way.kind}."
    record = {"kind": "object", "file": path.name, "map": way.kind}
    rigid = way.transform.rigid
    if rigid is not None:
        notice = Notice("registration-object", message)
        return Placement(
            pull, f"registration object, {way.kind}", rigid, rigid, record=record, notices=(notice,)
        )
    inside = _liver(delivered, "the delivered study").array >= 0.5
    quality = field_quality(pull, grid, inside)
    odd = check_field(quality)
    points = grid.index_to_lps(np.argwhere(inside).astype(float))
    places = pull.points(points)
    known_at = np.isfinite(places).all(axis=1)
    base = rigid_through(places[known_at], points[known_at])
    return Placement(
        pull,
        f"registration object, {way.kind}",
        base=base,
        record={**record, **quality.as_dict()},
        notices=(Notice("registration-object", message), *odd),
    )


def _ct(path: str | Path | None, which: str, option: str, dose: Grid) -> tuple[CtImage, Mapping[str, Any]]:
    """The CT of a side, and what provenance says of it."""
    if path is None:
        raise InputError(
            f"{OPTION} needs the CT of {which}: give its folder, zip or image file with {option}. Result folders hold no CT.",
            tag=OPTION,
        )
    path = Path(path)
    if is_image_file(path):
        image = read_ct_file(path)
        image = replace(image, grid=replace(image.grid, frame_of_reference_uid=dose.frame_of_reference_uid))
        return image, file_record(path, "ct")
    study = DicomStudy.open(path, needs_emission=False)
    ct = study.ct()
    if ct is None:
        raise InputError(f"{path} holds no CT.", file=path, tag=OPTION)
    own, frame = ct.grid.frame_of_reference_uid, dose.frame_of_reference_uid
    if own is not None and frame is not None and own != frame:
        raise GeometryError(
            f"the CT in {path} lies in frame of reference {own}, the dose of {which} in {frame}: it is not the CT of that study.",
            file=path,
            tag="FrameOfReferenceUID",
        )
    return ct, {"file": path.name, **next(item for item in study.inputs() if item["role"] == "ct")}


def _liver(side: ComparedDose, which: str) -> Mask:
    """The liver of a side, which the registration attends to."""
    liver = _own_liver(side)
    if liver is None:
        raise InputError(
            f"{which} has no liver, around which CTs are registered. Compute it with one.", tag=OPTION
        )
    return liver


def _own_liver(side: ComparedDose) -> Mask | None:
    """The liver of a side, None where it has none."""
    return next((region.mask for region in side.regions if region.role is Role.LIVER), None)


def _points(liver: Mask) -> np.ndarray:
    """Points of the liver [mm]."""
    return np.asarray(liver.grid.index_to_lps(np.argwhere(liver.array >= 0.5).astype(float)))


def _guides(predicted: ComparedDose, delivered: ComparedDose) -> list[Guide]:
    """Livers and lungs that both sides have."""
    guides = []
    for role, sign in ((Role.LIVER, 1.0), (Role.LUNG, -1.0)):
        sides = [_together([r for r in side.regions if r.role is role]) for side in (predicted, delivered)]
        if sides[0] is not None and sides[1] is not None:
            guides.append(Guide(sides[0], sides[1], sign))
    return guides


def _together(regions: list[Region]) -> Mask | None:
    """Regions of one role as one."""
    return union([region.mask for region in regions], same_kind=True) if regions else None
