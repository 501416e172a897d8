"""Predicted against delivered dose: one grid, a stated normalisation, agreement over regions and voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.evaluation import Evaluation
from y90voxel.comparison.common_grid import (
    grid_notices,
    in_one_frame,
    on_delivered_grid,
    without_negatives,
)
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.comparison_result import Comparison, Normalisation, RegionAgreement
from y90voxel.comparison.compatibility import check_facts, gamma_notices
from y90voxel.comparison.region_pairs import (
    RegionComparison,
    RegionPair,
    compared_mask,
    contour_notices,
    overlap,
    pair_regions,
)
from y90voxel.comparison.voxel_agreement import ISODOSES_GY, GammaCriteria, agree, defined, gamma_map
from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.metrics.agreement import bland_altman, concordance, pearson, spearman
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import RegionMetrics, summarise
from y90voxel.regions.regions import union
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap, Mask

__all__ = ["compare"]

HEPATIC = {Role.LIVER: "liver", Role.TUMOUR: "tumours", Role.PERFUSED: "perfused volume"}
# Regions that do not contain each other: agreement over regions counts every tissue once.
COUNTED_ONCE = (Role.TUMOUR, Role.NON_TUMOUR_LIVER, Role.LUNGS)
# Without hepatic regions, voxels above this fraction of the greatest dose of either map are compared.
DOSED = 0.05


def compare(
    predicted: Evaluation | ComparedDose | DoseMap,
    delivered: Evaluation | ComparedDose | DoseMap,
    *,
    normalise: Normalisation | str = Normalisation.NONE,
    gamma: GammaCriteria | None = None,
    levels_gy: Sequence[float] = ISODOSES_GY,
    trust_frames: bool = False,
) -> Comparison:
    """Return how a delivered dose agrees with its prediction.

    Both are read on the grid of the delivered dose and in its regions. The predicted dose is averaged over the
    delivered voxels where these are larger (energy is kept in tissue of even density) and interpolated linearly where
    they are smaller. Resolutions are not matched: a blurrier image lowers tumour doses.

    Parameters
    ----------
    predicted, delivered : Evaluation, ComparedDose or DoseMap
        The two doses.
    normalise : Normalisation or str
        ``none``, ``activity`` (delivered over predicted net activity) or ``mean-liver``; the predicted dose is scaled.
    gamma : GammaCriteria or None
        None takes 10 % of the greatest predicted dose and 5 mm, and says so: there are no agreed criteria.
    levels_gy : sequence of float
        Isodoses whose volumes are compared [Gy].
    trust_frames : bool
        Take coordinates of different frames of reference as common.

    Raises
    ------
    InputError
        If the nuclides differ, the two are swapped, the maps do not overlap, or a fact for the normalisation is missing.
    GeometryError
        If the frames of reference differ and are not trusted.
    RegionError
        If the liver is to normalise and is not compared.

    References
    ----------
    Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8; Lin 1989, doi 10.2307/2532051; Low et al. 1998,
    doi 10.1118/1.598248; Vanderstraeten et al. 2006, doi 10.1016/j.radonc.2006.03.003.
    """
    mode = _mode(normalise)
    before, after = _side(predicted), _side(delivered)
    notices = check_facts(before, after, scaled=mode is not Normalisation.NONE)
    before, new_notices = in_one_frame(before, after, trust_frames)
    notices += new_notices
    raw, covered = on_delivered_grid(before.dose, after.dose)
    notices += grid_notices(before.dose, after.dose)
    (raw, target), new_notices = without_negatives(raw, after.dose)
    notices += new_notices
    pairs, new_notices = _compared(before, after, target, covered)
    notices += new_notices
    factor = _factor(mode, before, after, pairs, raw, target)
    scaled = raw if factor == 1.0 else raw.with_array(raw.array * factor)
    criteria = gamma or GammaCriteria()
    notices += gamma_notices(gamma, criteria, before.dose, after.dose)
    volume, name = _volume(pairs, scaled, target, covered)
    gammas = gamma_map(scaled, target, volume.array >= 0.5, criteria)
    regions = tuple(
        RegionComparison(
            pair=pair,
            mask=mask,
            contour_dice=dice,
            predicted=_metrics(pair, mask, scaled),
            delivered=_metrics(pair, mask, target),
            predicted_dvh=DoseVolumeHistogram.from_dose(scaled, mask),
            delivered_dvh=DoseVolumeHistogram.from_dose(target, mask),
            raw_predicted_mean_gy=DoseVolumeHistogram.from_dose(raw, mask).mean_gy,
            stated_predicted_mean_gy=before.stated_means_gy.get(pair.predicted.name),
            stated_delivered_mean_gy=after.stated_means_gy.get(pair.delivered.name),
            voxels=agree(scaled, target, mask, gammas, levels_gy),
        )
        for pair, mask, dice in pairs
    )
    agreement = _agreement(regions)
    if agreement.bland_altman is None:
        message = (
            "limits of agreement and concordance need two regions that do not contain each other (tumours, non-tumour "
            "liver, lungs)."
        )
        notices.append(Notice("too-few-regions", message))
    return Comparison(
        predicted=before,
        delivered=after,
        predicted_dose=scaled,
        delivered_dose=target,
        normalisation=mode,
        factor=factor,
        regions=regions,
        agreement=agreement,
        volume=volume,
        volume_name=name,
        voxels=agree(scaled, target, volume, gammas, levels_gy),
        gamma=gammas,
        criteria=criteria,
        notices=tuple(dict.fromkeys(notices)),
    )


def _mode(normalise: Normalisation | str) -> Normalisation:
    """The normalisation that is meant."""
    try:
        return Normalisation(normalise)
    except ValueError:
        modes = ", ".join(mode.value for mode in Normalisation)
        raise InputError(
            f"unknown normalisation {str(normalise)!r}. Choose one of: {modes}.", tag="--normalise"
        ) from None


def _side(given: Evaluation | ComparedDose | DoseMap) -> ComparedDose:
    """Any of the three as a side of the comparison."""
    if isinstance(given, Evaluation):
        return ComparedDose.of(given)
    return ComparedDose(given) if isinstance(given, DoseMap) else given


def _compared(
    predicted: ComparedDose, delivered: ComparedDose, target: DoseMap, covered: NDArray[np.bool_]
) -> tuple[list[tuple[RegionPair, Mask, float]], list[Notice]]:
    """Matched regions with the mask on the delivered grid that is compared, and the overlap of their contours."""
    pairs, notices = pair_regions(predicted.regions, delivered.regions)
    matched, region_notices = [], list(notices)
    for pair in pairs:
        whole = pair.delivered.mask
        if not whole.grid.is_same_as(target.grid):  # a region that only the prediction has
            whole = resample(whole, target.grid)
        mask, more = compared_mask(pair.delivered.name, whole, covered)
        dice = overlap(whole, pair.predicted.mask)
        region_notices += more
        if mask.array.any():
            region_notices += contour_notices(pair, dice)
            matched.append((pair, mask, dice))
    return matched, region_notices


def _factor(
    mode: Normalisation,
    predicted: ComparedDose,
    delivered: ComparedDose,
    pairs: Sequence[tuple[RegionPair, Mask, float]],
    raw: DoseMap,
    target: DoseMap,
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
    livers = [mask for pair, mask, _ in pairs if pair.delivered.role is Role.LIVER]
    if not livers:
        raise RegionError(
            "to normalise by the mean liver dose both doses need a region with the role liver; none is compared.",
            tag="--normalise",
        )
    before, after = (DoseVolumeHistogram.from_dose(dose, livers[0]).mean_gy for dose in (raw, target))
    if not (before > 0 and after > 0):
        raise InputError(
            f"the mean liver dose is {before:g} Gy predicted and {after:g} Gy delivered: nothing to normalise by.",
            tag="--normalise",
        )
    return after / before


def _volume(
    pairs: Sequence[tuple[RegionPair, Mask, float]],
    predicted: DoseMap,
    delivered: DoseMap,
    covered: NDArray[np.bool_],
) -> tuple[Mask, str]:
    """Where voxels are compared, and what that is: liver, tumours and perfused volume where there are any."""
    hepatic = [mask for pair, mask, _ in pairs if pair.delivered.role in HEPATIC]
    if hepatic:
        roles = {pair.delivered.role for pair, _, _ in pairs}
        return union(hepatic, may_repeat=True), ", ".join(HEPATIC[role] for role in HEPATIC if role in roles)
    one, other = predicted.array, delivered.array
    dosed = ((one >= DOSED * one.max()) & (one > 0)) | ((other >= DOSED * other.max()) & (other > 0))
    return Mask(
        (dosed & covered).astype(np.float32), delivered.grid
    ), f"voxels above {100 * DOSED:g} % of a maximum"


def _metrics(pair: RegionPair, mask: Mask, dose: DoseMap) -> RegionMetrics:
    """Metrics of one dose in the voxels that are compared."""
    region = replace(pair.delivered, mask=mask)
    return summarise(region, DoseVolumeHistogram.from_dose(dose, mask), None, None, None)


def _agreement(regions: Sequence[RegionComparison]) -> RegionAgreement:
    """Agreement of the mean doses of regions that do not contain each other."""
    counted = [region for region in regions if region.role in COUNTED_ONCE]
    names = tuple(region.name for region in counted)
    if len(counted) < 2:
        return RegionAgreement(names)
    before = [region.predicted.mean_gy for region in counted]
    after = [region.delivered.mean_gy for region in counted]
    positive = min(*before, *after) > 0
    return RegionAgreement(
        regions=names,
        bland_altman=bland_altman(before, after),
        bland_altman_ratio=bland_altman(before, after, of_ratios=True) if positive else None,
        concordance=defined(concordance, before, after),
        pearson=defined(pearson, before, after),
        spearman=defined(spearman, before, after),
    )
