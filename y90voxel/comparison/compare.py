"""Predicted against delivered dose: by region in each one's own contours, and voxel by voxel where both share a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.comparison.common_grid import (
    grid_notices,
    in_one_frame,
    on_delivered_grid,
    regions_of_other,
    without_negatives,
)
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.comparison_result import Comparison, Normalisation
from y90voxel.comparison.compatibility import check_facts, gamma_notices
from y90voxel.comparison.dose_placement import (
    Placement,
    liver_changed,
    moved_rigidly,
    on_grid,
    placement_entry,
    with_moved_masks,
)
from y90voxel.comparison.lesion_places import check_places
from y90voxel.comparison.region_comparison import compare_regions, lesion_agreement, shared_normal_liver
from y90voxel.comparison.region_pairs import RegionPair, pair_regions
from y90voxel.comparison.resolution import Resolution, match_resolution
from y90voxel.comparison.voxel_agreement import ISODOSES_GY, GammaCriteria
from y90voxel.comparison.voxel_comparison import VoxelComparison, compare_voxels
from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import DoseMap

__all__ = ["compare"]


def compare(
    predicted: Evaluation | ComparedDose | DoseMap,
    delivered: Evaluation | ComparedDose | DoseMap,
    *,
    normalise: Normalisation | str | None = None,
    pairs: Sequence[str] = (),
    gamma: GammaCriteria | None = None,
    levels_gy: Sequence[float] = ISODOSES_GY,
    trust_frames: bool = False,
    resolution: Resolution | None = None,
    placement: Placement | None = None,
) -> Comparison:
    """Return how a delivered dose agrees with its prediction.

    By region always: each calculation in its own contours and on its own grid, for which no frame of reference is needed.
    Voxel by voxel where both lie in one frame: both are read on the grid of the delivered dose and in its regions. The
    predicted dose is averaged over the delivered voxels where these are larger (energy is kept in tissue of even density)
    and interpolated linearly where they are smaller. A blurrier image lowers tumour doses by itself, unless resolutions are
    matched.

    Parameters
    ----------
    predicted, delivered : Evaluation, ComparedDose or DoseMap
        The two doses.
    normalise : Normalisation, str or None
        ``activity`` (delivered over predicted net activity), ``mean-liver`` or ``none``; the predicted dose is scaled. None
        scales to the delivered activity where both state one, else nothing.
    pairs : sequence of str
        Regions that belong together, ``PREDICTED=DELIVERED``, before those of one name and role; see `pair_regions`.
    gamma : GammaCriteria or None
        None takes 10 % of the greatest predicted dose and 5 mm, and says so: there are no agreed criteria.
    levels_gy : sequence of float
        Isodoses whose volumes are compared [Gy].
    trust_frames : bool
        Take coordinates of different frames of reference as common.
    resolution : Resolution or None
        Resolutions of the two images: the sharper side is blurred to that of the other; None matches nothing.
    placement : Placement or None
        A registration of the two frames; the predicted dose then lies where its tissue lies in the delivered study.

    Raises
    ------
    InputError
        If the nuclides differ, the two are swapped, their left and right are, lesions of one name lie apart, pairs cannot
        be understood, maps of one frame do not overlap, frames are trusted and registered at once, or a fact for the
        normalisation is missing.
    RegionError
        If the liver is to normalise and is not compared.

    References
    ----------
    Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8; Lin 1989, doi 10.2307/2532051; Low et al. 1998,
    doi 10.1118/1.598248; Vanderstraeten et al. 2006, doi 10.1016/j.radonc.2006.03.003.
    """
    before, after = _side(predicted), _side(delivered)
    mode, notices = _mode(normalise, before, after)
    notices += check_facts(before, after, scaled=mode is not Normalisation.NONE)
    match = None
    if resolution is not None:
        before, after, match, new_notices = match_resolution(before, after, resolution)
        notices += new_notices
    way = _way(before, after, trust_frames, placement)
    notices += way.notices
    matched, new_notices = _pairs(way.side, after, pairs, one_frame=way.one_frame)
    notices += new_notices
    factor = _factor(mode, way.side, after, matched)
    normal, new_notices = shared_normal_liver(way.side, after)
    notices += new_notices
    regions = compare_regions(way.side, after, matched, factor, normal)
    reason = way.reason if placement is None else liver_changed(matched)
    voxels, entry = None, None
    if reason is None:
        voxels, entry, new_notices = _voxels(before, way, after, matched, factor, gamma, levels_gy)
        notices += new_notices
    else:
        notices.append(Notice("no-voxel-comparison", reason))
        if gamma is not None:
            notices.append(
                Notice("gamma-unused", f"gamma {gamma} was asked for and needs voxels: it is not computed.")
            )
    return Comparison(
        predicted=way.side,
        delivered=after,
        normalisation=mode,
        factor=factor,
        regions=regions,
        agreement=lesion_agreement(regions),
        voxels=voxels,
        voxels_reason=reason,
        notices=tuple(dict.fromkeys(notices)),
        resolution=match,
        registration=entry,
    )


@dataclass(frozen=True)
class _Way:
    """How the predicted dose comes to the delivered grid, or why it does not."""

    side: ComparedDose
    how: str
    placement: Placement | None = None
    reason: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def one_frame(self) -> bool:
        """Whether coordinates of the side compare with delivered ones as they are."""
        return self.reason is None and (self.placement is None or self.placement.rigid is not None)


def _way(
    predicted: ComparedDose, delivered: ComparedDose, trust_frames: bool, placement: Placement | None
) -> _Way:
    """The way of the predicted side into the delivered frame."""
    if placement is None:
        side, notices, how = in_one_frame(predicted, delivered, trust_frames)
        if side is None:
            return _Way(predicted, "", reason=how)
        return _Way(side, how, notices=tuple(notices))
    if trust_frames:
        raise InputError(
            "--trust-frames takes coordinates as common, --register finds out how they differ: give one of the two.",
            tag="--register",
        )
    placement.check_frames(predicted.dose.grid, delivered.dose.grid)
    side = predicted
    if placement.rigid is not None:
        side = moved_rigidly(predicted, placement.rigid, delivered.dose.grid.frame_of_reference_uid)
    return _Way(side, placement.how, placement, notices=placement.notices)


def _mode(
    normalise: Normalisation | str | None, predicted: ComparedDose, delivered: ComparedDose
) -> tuple[Normalisation, list[Notice]]:
    """The normalisation that is meant, and what is said of it."""
    if normalise is None:
        if predicted.activity_bq and delivered.activity_bq:
            return Normalisation.ACTIVITY, []
        lacks = [
            n for n, side in (("predicted", predicted), ("delivered", delivered)) if not side.activity_bq
        ]
        message = f"the {' and the '.join(lacks)} dose states no activity: predicted doses are not scaled to the delivered one."
        return Normalisation.NONE, [Notice("not-normalised", message)]
    try:
        return Normalisation(normalise), []
    except ValueError:
        modes = ", ".join(mode.value for mode in Normalisation)
        raise InputError(
            f"unknown normalisation {str(normalise)!r}. Choose one of: {modes}.", tag="--normalise"
        ) from None


def _side(given: Evaluation | ComparedDose | DoseMap) -> ComparedDose:
    """Any of the three as a side of the comparison, without regions that hold nothing."""
    if isinstance(given, Evaluation):
        given = ComparedDose.of(given)
    side = ComparedDose(given) if isinstance(given, DoseMap) else given
    return replace(side, regions=tuple(region for region in side.regions if region.mask.array.any()))


def _pairs(
    predicted: ComparedDose, delivered: ComparedDose, stated: Sequence[str], *, one_frame: bool
) -> tuple[tuple[RegionPair, ...], list[Notice]]:
    """Regions that belong together; a side without regions takes those of the other in one frame."""
    before, after = predicted.regions, delivered.regions
    notices: list[Notice] = []
    if bool(before) != bool(after):
        which = "delivered" if after else "predicted"
        then = "both doses are read in those." if one_frame else "without a common frame none are compared."
        notices.append(Notice("regions-of-one-side", f"only the {which} dose has regions; {then}"))
        if one_frame:
            before = before or regions_of_other(predicted, delivered)
            after = after or regions_of_other(delivered, predicted)
    matched, more = pair_regions(before, after, stated)
    if len(notices) and not one_frame:
        return (), notices
    return matched, [*notices, *more, *check_places(matched, before, after, one_frame)]


def _factor(
    mode: Normalisation, predicted: ComparedDose, delivered: ComparedDose, pairs: Sequence[RegionPair]
) -> float:
    """What the predicted dose is multiplied with."""
    if mode is Normalisation.NONE:
        return 1.0
    if mode is Normalisation.ACTIVITY:
        one, other = predicted.activity_bq, delivered.activity_bq
        if not one or not other:
            lacks = "predicted" if not one else "delivered"
            raise InputError(
                f"the {lacks} dose does not state its activity, so the two cannot be normalised by activity.",
                tag="--normalise",
            )
        return other / one
    livers = [pair for pair in pairs if pair.delivered.role is Role.LIVER]
    if not livers:
        raise RegionError(
            "to normalise by the mean liver dose both doses need a region with the role liver; none is compared.",
            tag="--normalise",
        )
    (matched,) = compare_regions(predicted, delivered, livers[:1], 1.0)
    before, after = matched.predicted.raw_mean_gy, matched.delivered.raw_mean_gy
    if not (before > 0 and after > 0):
        raise InputError(
            f"the mean liver dose is {before:g} Gy predicted and {after:g} Gy delivered: nothing to normalise by.",
            tag="--normalise",
        )
    return after / before


def _voxels(
    given: ComparedDose,
    way: _Way,
    delivered: ComparedDose,
    pairs: Sequence[RegionPair],
    factor: float,
    gamma: GammaCriteria | None,
    levels_gy: Sequence[float],
) -> tuple[VoxelComparison, dict[str, Any] | None, list[Notice]]:
    """Both doses on the delivered grid, voxel by voxel, and how the predicted one was registered."""
    grid, placement = delivered.dose.grid, way.placement
    notices: list[Notice] = []
    entry = None
    if placement is None or placement.rigid is not None:
        raw, covered = on_delivered_grid(way.side.dose, delivered.dose)
        notices += grid_notices(way.side.dose, delivered.dose)
    else:
        raw, covered = on_grid(given.dose, grid, placement.pull)
    if placement is not None:
        moved = with_moved_masks(_as_given(pairs, given), grid, placement.pull)
        entry = placement_entry(placement, given, delivered, moved)
        pairs = pairs if placement.rigid is not None else moved
    (raw, target), new_notices = without_negatives(raw, delivered.dose)
    notices += new_notices
    criteria = gamma or GammaCriteria()
    notices += gamma_notices(gamma, criteria, given.dose, delivered.dose)
    scaled = raw if factor == 1.0 else raw.with_array(raw.array * factor)
    voxels, new_notices = compare_voxels(
        scaled, target, covered, pairs, how=way.how, criteria=criteria, levels_gy=levels_gy
    )
    return voxels, entry, [*notices, *new_notices]


def _as_given(pairs: Sequence[RegionPair], given: ComparedDose) -> list[RegionPair]:
    """Pairs whose predicted regions lie in the predicted frame, also where its grid was moved."""
    grid = given.dose.grid
    return [
        replace(pair, predicted=replace(pair.predicted, mask=replace(pair.predicted.mask, grid=grid)))
        for pair in pairs
    ]
