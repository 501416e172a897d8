"""How treatments of several frames of reference come into that of the reference: registration objects, CTs, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from y90voxel.accumulation.accumulate import liver_has_changed
from y90voxel.accumulation.treatment import Treatment
from y90voxel.case.accumulation_settings import AccumulationSettings
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.dose_placement import placement_entry, with_moved_masks
from y90voxel.comparison.region_pairs import pair_regions
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.registrations import Link, links_of, path_between
from y90voxel.regions.region_alignment import HALF
from y90voxel.regions.roles import Role
from y90voxel.study.registering import OPTION, Registering, placement_of
from y90voxel.volumes.deformable_registration import MARGIN_MM, DeformableAlignment
from y90voxel.volumes.field_quality import check_unfolded
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.transform import Continued, Transform

__all__ = ["Joined", "RegisteredTreatment", "join_frames"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class RegisteredTreatment:
    """A treatment whose CT was registered with that of the reference.

    Parameters
    ----------
    name : str
        Of the treatment.
    entry : mapping
        What ``accumulate.json`` says of it.
    alignment : Alignment or DeformableAlignment
        Of the CTs.
    inputs : tuple of mapping
        The CTs, for provenance.
    """

    name: str
    entry: Mapping[str, Any]
    alignment: Alignment | DeformableAlignment
    inputs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Joined:
    """Treatments with the way from the reference's frame to theirs.

    Parameters
    ----------
    treatments : tuple of Treatment
        In their order.
    whole : bool
        Whether there is a way for all.
    notices : tuple of Notice
        What was done or assumed.
    registered : tuple of RegisteredTreatment
        Those whose CTs were registered.
    """

    treatments: tuple[Treatment, ...]
    whole: bool
    notices: tuple[Notice, ...]
    registered: tuple[RegisteredTreatment, ...] = ()


def join_frames(
    treatments: Sequence[Treatment],
    base: str,
    asked: AccumulationSettings,
    *,
    cts: Mapping[str, str | Path] | None = None,
    trust_frames: bool = False,
    progress: Progress | None = None,
) -> Joined:
    """Return the treatments with the way from the reference's frame to theirs, and whether there is one for all.

    Parameters
    ----------
    treatments : sequence of Treatment
        As read.
    base : str
        Name of the reference.
    asked : AccumulationSettings
        Registration objects, and how CTs are registered.
    cts : mapping of str to path-like
        Study or image file with the CT, by treatment.
    trust_frames : bool
        Take the coordinates of all frames as common.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a registration or CT cannot be read, is missing, or is not needed.
    GeometryError
        If a registration of CTs is not plausible, or any folds in the liver.
    """
    cts = cts or {}
    _check_asked(asked, cts, trust_frames)
    links = [link for path in asked.registration for link in links_of(index_study(path))]
    if asked.registration and not links:
        raise InputError(
            f"no registration is in {', '.join(map(str, asked.registration))}: give DICOM REG objects.",
            tag="--registration",
        )
    reference = next(treatment for treatment in treatments if treatment.name == base)
    target = reference.dose.grid.frame_of_reference_uid
    joined: list[Treatment] = []
    notices: list[Notice] = []
    registered: list[RegisteredTreatment] = []
    whole = True
    for treatment in treatments:
        name, frame = treatment.name, treatment.dose.grid.frame_of_reference_uid
        same = _lies_with(treatment, base, target)
        way = None if same else _way(links, frame, target)
        if name in cts and name != base and (same or way is not None):
            joins = "a registration object joins them" if way else "they are one"
            raise InputError(
                f"the CT of {name} is not needed to bring its frame of reference to that of {base}: {joins}. Leave it out.",
                file=cts[name],
                tag="--ct",
            )
        if way is not None:
            liver = next((r.mask for r in reference.regions if r.role is Role.LIVER), None)
            if liver is not None:
                check_unfolded(way[0], liver.grid, liver.array >= HALF, f"the liver of {base}")
            notices.append(way[1])
            treatment = replace(treatment, pull=way[0])
        elif not same and name in cts and not liver_has_changed(treatment, reference):
            one, pull, said = _registered(
                treatment, reference, str(asked.register_), cts, len(registered) + 1, progress
            )
            registered.append(one)
            notices += said
            treatment = replace(treatment, pull=pull)
        elif not same and (frame is None or target is None):
            message = (
                f"the frame of reference of {name} or {base} is not known: coordinates are taken as common."
            )
            notices.append(Notice("frame-unknown", message))
        elif not same and name not in cts:
            whole = whole and _may_be_common(treatment, base, asked, trust_frames, notices)
        joined.append(treatment)
    needed = [one for one in joined if one.pull is None and not _lies_with(one, base, target)]
    if asked.register_ is not None and not registered and not needed:
        raise InputError(
            f"{OPTION} is given, and there is nothing to register: the frames of reference are one, or registration objects join "
            "them. Leave it and the CTs out.",
            tag=OPTION,
        )
    return Joined(tuple(joined), whole, tuple(notices), tuple(registered))


def _lies_with(treatment: Treatment, base: str, target: str | None) -> bool:
    """Whether a treatment is the reference, or in its frame."""
    frame = treatment.dose.grid.frame_of_reference_uid
    return treatment.name == base or (frame == target and frame is not None)


def _check_asked(asked: AccumulationSettings, cts: Mapping[str, str | Path], trust_frames: bool) -> None:
    """Refuse what contradicts itself."""
    if asked.register_ is None:
        if cts:
            raise InputError(
                f"a CT ({next(iter(cts.values()))}) is for {OPTION}, which is not given.", tag="--ct"
            )
        return
    if trust_frames:
        raise InputError(
            f"--trust-frames takes coordinates as common, {OPTION} finds out how they differ: give one of the two.",
            tag=OPTION,
        )
    if not cts:
        raise InputError(
            f"{OPTION} needs the CTs of the reference and of each treatment to be registered with it, such as --ct "
            "'first=STUDY'. Result folders hold no CT.",
            tag=OPTION,
        )


def _may_be_common(
    treatment: Treatment,
    base: str,
    asked: AccumulationSettings,
    trust_frames: bool,
    notices: list[Notice],
) -> bool:
    """Whether coordinates of two frames that nothing joins are taken as common."""
    if asked.register_ is not None:
        raise InputError(
            f"{OPTION} needs the CT of {treatment.name}, which lies in another frame of reference than {base}: give it, such as "
            f"--ct '{treatment.name}=STUDY'.",
            tag="--ct",
        )
    if trust_frames:
        message = f"the frames of {treatment.name} and {base} differ and are taken as common, as was asked."
        notices.append(Notice("frames-trusted", message))
    return trust_frames


def _way(links: Sequence[Link], frame: str | None, target: str | None) -> tuple[Transform, Notice] | None:
    """The transform from the reference's frame to a treatment's by registration objects, and what to say of it."""
    path = None if frame is None or target is None else path_between(links, frame, {target})
    if path is None:
        return None
    files = ", ".join(dict.fromkeys(link.file for link in path.links))
    return path.transform.inverse(), Notice("registered", f"frames are joined by {files}: {path.kind}.")


def _registered(
    treatment: Treatment,
    reference: Treatment,
    how: str,
    cts: Mapping[str, str | Path],
    number: int,
    progress: Progress | None,
) -> tuple[RegisteredTreatment, Transform, tuple[Notice, ...]]:
    """A treatment whose CT is registered with the reference's, the way from that frame to its own, and what is said."""
    name, sides = treatment.name, tuple(ComparedDose(t.dose, t.regions) for t in (treatment, reference))
    wanted = Registering(
        how,
        cts.get(name),
        cts.get(reference.name),
        names=(f"the treatment {name}", f"the treatment {reference.name}"),
        options=(f"--ct '{name}=STUDY'", f"--ct '{reference.name}=STUDY'"),
    )
    placement, alignment = placement_of(wanted, sides[0], sides[1], progress)
    assert alignment is not None  # made from CTs
    pairs, _ = pair_regions(sides[0].regions, sides[1].regions)
    moved = with_moved_masks(pairs, reference.dose.grid, placement.pull)
    entry = placement_entry(placement, sides[0], sides[1], moved)
    entry = {"treatment": name, "file": f"registration_{number}.dcm", **entry}
    pull, notices = placement.pull, list(placement.notices)
    if isinstance(alignment, DeformableAlignment):
        pull = Continued(pull, alignment.rigid.transform.inverse())
        message = (
            f"the deformation of {name} is known within {MARGIN_MM:g} mm of the liver; beyond, its dose goes along with the "
            "rigid motion."
        )
        notices.append(Notice("deformation-ends", message))
    return RegisteredTreatment(name, entry, alignment, placement.inputs), pull, tuple(notices)
