"""Images to activity at administration on the dose grid, for every injection of a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.administration import THERAPY_NUCLIDES, Administration
from y90voxel.quantification.arteries import ArteryShare, artery_notices, artery_shares, at_own_injections
from y90voxel.quantification.calibration import (
    CalibrationMode,
    CalibrationRegion,
    DecayCorrection,
    calibrate_absolute,
    calibrate_by_factor,
    calibrate_relative,
    decay_to_administration,
    elapsed_since_administration,
)
from y90voxel.quantification.calibration_region import (
    calibration_region,
    calibration_spread,
    given_activity,
    liver_and_lungs,
)
from y90voxel.quantification.calibration_spread import CalibrationSpread, combined_spread
from y90voxel.quantification.dead_time_correction import dead_time_factor
from y90voxel.quantification.decay import seconds_between
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.lung_shunt import resolve_shunt
from y90voxel.quantification.lung_view import lung_view
from y90voxel.quantification.measurement import Injection, Measurement
from y90voxel.quantification.plausibility import check_activity, check_liver_volume, check_units
from y90voxel.quantification.scaling import scaled
from y90voxel.quantification.stated_facts import check_imaged_nuclide
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.units import format_activity
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, CountMap

__all__ = ["Quantification", "quantify"]

# The map may hold this much more than was given before a notice says so: blur and scatter put counts outside the region.
MAP_OVER_NET_WARNING = 1.02
# Image over administered activity outside this range gives a notice (clinical practice of calibration checks).
IMAGE_OVER_ADMINISTERED = (0.8, 1.2)
NEGATIVE_SHARE_WARNING = 0.001  # of all counts; chosen: below it doses move by less than 0.1 %
# A dose grid that misses this share of the activity gives a notice; less is the rounding of a resampled edge.
CUT_OFF_WARNING = 0.005
FILE_AT_ADMINISTRATION = Notice(
    "file-at-administration",
    "the image file states no time: its values are taken as they were at administration. If they are those at the "
    "acquisition, give --acquisition-time and --time.",
)


@dataclass(frozen=True, eq=False)
class Quantification:
    """Activity of all injections on the dose grid.

    Parameters
    ----------
    activity : ActivityMap
        Sum over injections, each at its own administration [Bq per voxel].
    net_activity_bq : float
        Administered net activity [Bq]; from the image when no activity is given.
    lung_shunt_fraction : float or None
        Activity-weighted over injections.
    shunt_source : str
        Where the shunt comes from.
    notices : tuple of Notice
        Assumptions and oddities.
    spread : CalibrationSpread or None
        What other calibration regions would have made of the counts; relative calibration.
    arteries : tuple of ArteryShare
        What every injection brought, where one image follows several.
    shunt_error : float or None
        Standard uncertainty of a measured shunt; the greatest of several injections.
    """

    activity: ActivityMap
    net_activity_bq: float
    lung_shunt_fraction: float | None
    shunt_source: str
    notices: tuple[Notice, ...]
    spread: CalibrationSpread | None = None
    arteries: tuple[ArteryShare, ...] = ()
    shunt_error: float | None = None

    @property
    def map_activity_bq(self) -> float:
        """Activity in the whole map [Bq]."""
        return self.activity.total


def quantify(measurement: Measurement, *, double: bool = False) -> Quantification:
    """Return the activity of a measurement at administration, on the dose grid.

    Parameters
    ----------
    measurement : Measurement
        Images, regions and facts.
    double : bool
        Map in double precision whatever the images are in, as a simulation needs it: it draws its histories from the running
        sum of the map, whose last bits decide where some of them begin, and so what dose a seed gives. Else the map has the
        precision of the images, which is single for all that cameras write.

    Raises
    ------
    InputError
        If a fact that the calibration needs is missing or contradicts another.
    """
    record = nuclide(measurement.nuclide)
    maps, nets, shunts, notices = [], [], [], []
    administrations = []
    source = "none"
    shares: tuple[ArteryShare, ...] = ()
    for injection in measurement.injections:
        activity, net, administration, new_notices = _quantify_injection(
            measurement, injection, record, double
        )
        if injection.arteries:
            activity, administration, shares = _by_artery(
                measurement, injection, activity, administration, record
            )
            net = given_activity(administration)
            new_notices += artery_notices(shares, injection.administration.time)
        maps.append(activity)
        nets.append(net)
        shunts.append(administration.lung_shunt_fraction)
        administrations.append(administration)
        source = administration.shunt_source
        notices += new_notices
    notices += _implausible(measurement, nets)
    fractions = [s for s in shunts if s is not None]
    shunt = float(np.average(fractions, weights=nets)) if len(fractions) == len(nets) else None
    on_grid = [_on_dose_grid(activity, measurement, notices) for activity in maps]
    total = ActivityMap(
        np.sum([m.array for m in on_grid], axis=0) if len(maps) > 1 else on_grid[0].array, measurement.grid
    )
    net_total = float(sum(nets))
    notices += [
        notice
        for notice in check_activity(total.total, "the whole map", measurement.accepted, tag="PixelData")
        if notice.code not in {other.code for other in notices}
    ]
    if total.total > MAP_OVER_NET_WARNING * net_total:
        notices.append(
            Notice(
                "map-over-net",
                f"the whole map holds {format_activity(total.total)}, {total.total / net_total:.2f} times the net activity "
                f"of {format_activity(net_total)}: counts outside the calibration region (blur, scatter, other uptake) "
                "stay in the map.",
            )
        )
    spread = _spread(measurement, administrations)
    notices += _spread_notices(spread)
    errors = [one.shunt_error for one in administrations if one.shunt_error is not None]
    error = max(errors, default=None)
    return Quantification(total, net_total, shunt, source, tuple(notices), spread, shares, error)


def _spread(measurement: Measurement, administrations: Sequence[Administration]) -> CalibrationSpread | None:
    """What other calibration regions would have made of the counts of all injections."""
    if measurement.calibration.mode is not CalibrationMode.RELATIVE:
        return None
    parts = []
    for injection, administration in zip(measurement.injections, administrations, strict=True):
        regions = injection.regions or measurement.regions
        counts = _on_regions(injection.emission, regions)
        spread = calibration_spread(measurement, injection, counts, regions, administration)
        if spread is None:
            return None
        parts.append((given_activity(administration), spread))
    return combined_spread(parts)


def _spread_notices(spread: CalibrationSpread | None) -> list[Notice]:
    """Say that calibration regions disagree, and what an image with lungs in part is taken to hold."""
    notices = []
    if spread is not None and spread.spread > MAP_OVER_NET_WARNING - 1.0:
        others = ", ".join(f"{name} {f:.3f}" for name, f in spread.factors.items() if name != spread.region)
        notices.append(
            Notice(
                "calibration-spread",
                f"calibrated over {spread.region}; over other regions, all doses would be these times as high: {others}. Blur "
                f"and scatter carry counts out of the liver. Half of that range, {100 * 0.5 * spread.spread:.1f} %, is a part of "
                "the uncertainty.",
            )
        )
    if spread is not None and spread.lung_share is not None and spread.lung_share < 1.0:
        notices.append(
            Notice(
                "lungs-in-part",
                f"the emission image is taken to see {100 * spread.lung_share:.0f} % of the lungs' mass (between "
                f"{100 * (spread.lung_share_low or 0.0):.0f} and {100 * (spread.lung_share_high or 1.0):.0f} %), with uniform "
                f"uptake in them; activity in view is uncertain by {100 * spread.lung_range:.1f} % for it.",
            )
        )
    return notices


def _on_regions(emission: EmissionImage, regions: Regions) -> CountMap | ActivityMap:
    """An emission image on the grid of regions."""
    if emission.grid.is_same_as(regions.grid):
        return emission.volume
    return resample(emission.volume, regions.grid)


def _implausible(measurement: Measurement, nets_bq: Sequence[float]) -> list[Notice]:
    """Refuse activities and livers that no treatment has, or say which were accepted."""
    accepted = measurement.accepted
    stated = all(injection.administration.activity_bq for injection in measurement.injections)
    what, tag = ("the treatment", "administration.activity") if stated else ("the image", "PixelData")
    notices = check_activity(float(sum(nets_bq)), what, accepted, tag=tag)
    liver = measurement.regions.mask_of(Role.LIVER)
    return notices if liver is None else notices + check_liver_volume(liver.volume_ml, accepted)


def _quantify_injection(
    measurement: Measurement, injection: Injection, record: Nuclide, double: bool
) -> tuple[ActivityMap, float, Administration, list[Notice]]:
    """Activity map, net activity, administration with its shunt, and notices of one injection."""
    emission = injection.emission
    _check_nuclide(emission, record)
    notices = check_imaged_nuclide(emission, record.name)
    regions = injection.regions or measurement.regions
    counts = _on_regions(emission, regions)
    if not counts.total > 0:
        raise InputError(
            f"the emission image holds {counts.total:g} {counts.unit} in all: there is nothing to compute a dose from.",
        )
    notices += _negative_counts(counts)
    administration, new_notices = _shunt(measurement, injection, counts, regions)
    notices += new_notices
    lost, new_notices = dead_time_factor(measurement, emission)
    notices += new_notices
    if measurement.calibration.mode is CalibrationMode.RELATIVE:
        mask, activity_bq = calibration_region(measurement, injection, regions, administration)
        activity = calibrate_relative(_in_double(counts) if double else counts, mask, activity_bq)
        return activity, given_activity(administration), administration, notices
    if double:
        emission = replace(emission, volume=_in_double(emission.volume))
    activity, new_notices = _own_activity(measurement, emission, administration, record)
    activity = activity.with_array(scaled(activity.array, lost)) if lost != 1.0 else activity
    net, compared = _compare_with_given(activity, administration)
    if administration.activity_bq is not None:
        compared += check_units(activity.total, administration.activity_bq, measurement.accepted)
    return activity, net, administration, [*notices, *new_notices, *compared]


def _by_artery(
    measurement: Measurement,
    injection: Injection,
    activity: ActivityMap,
    administration: Administration,
    record: Nuclide,
) -> tuple[ActivityMap, Administration, tuple[ArteryShare, ...]]:
    """Activity at the last of several injections, taken back to each one's own time."""
    regions = injection.regions or measurement.regions
    on_regions = activity if activity.grid.is_same_as(regions.grid) else resample(activity, regions.grid)
    shares = artery_shares(injection.arteries, on_regions, regions, administration, record.half_life_s)
    own, whole = at_own_injections(on_regions, shares, regions, administration)
    return own, whole, shares


def _own_activity(
    measurement: Measurement, emission: EmissionImage, administration: Administration, record: Nuclide
) -> tuple[ActivityMap, list[Notice]]:
    """Activity at administration as the image itself has it, by its unit or by the camera factor."""
    mode = measurement.calibration.mode
    if emission.predicted:
        raise InputError(
            f"{mode.value} calibration of a surrogate image ({emission.imaged_nuclide}) would give the "
            "activity of the surrogate. Use --calibration relative.",
            tag="dose.calibration",
        )
    if mode is CalibrationMode.FACTOR:
        return _by_factor(measurement, emission, administration, record)
    correction = _absolute_correction(emission, administration, record)
    return calibrate_absolute(emission, correction), list(correction.notices)


def _in_double(counts: CountMap | ActivityMap) -> CountMap | ActivityMap:
    """The same map in double precision."""
    return counts.with_array(counts.array.astype(np.float64))


def _shunt(
    measurement: Measurement, injection: Injection, counts: CountMap | ActivityMap, regions: Regions
) -> tuple[Administration, list[Notice]]:
    """The administration with its lung shunt: given, measured, or what a calibration over liver and lungs implies."""
    calibration = measurement.calibration
    if (
        calibration.mode is CalibrationMode.RELATIVE
        and calibration.region is CalibrationRegion.LIVER_AND_LUNGS
    ):
        return _implied_shunt(injection.administration, counts, regions)
    return resolve_shunt(
        injection.administration,
        counts,
        regions,
        measurement.planar_setup,
        needed=_needs_shunt(measurement, regions),
        view=lung_view(regions, measurement.lung_masses_g),
    )


def _implied_shunt(
    administration: Administration, counts: CountMap | ActivityMap, regions: Regions
) -> tuple[Administration, list[Notice]]:
    """The share of the counts of liver and lungs that lies in the lungs; no other shunt may be stated."""
    stated = administration.lung_shunt_fraction
    if stated is not None or administration.shunt_source.startswith("planar"):
        given = administration.shunt_source if stated is None else f"{stated:g}"
        raise InputError(
            f"calibration over liver and lungs measures the shunt itself, but --lung-shunt {given} was given. "
            "Leave it out, or calibrate over the liver.",
            tag="administration.lung_shunt_fraction",
        )
    whole, lungs = liver_and_lungs(regions), regions.mask_of(Role.LUNG)
    assert lungs is not None  # checked with the whole
    total = float((counts.array * whole.array).sum(dtype=np.float64))
    share = float((counts.array * lungs.array).sum(dtype=np.float64)) / total if total > 0 else 0.0
    fraction = min(max(share, 0.0), 0.999)
    notice = Notice(
        "lung-shunt-measured",
        f"the lung shunt fraction is {fraction:.4f}, as the counts of liver and lungs divide, lung base and all.",
    )
    return replace(administration, lung_shunt_fraction=fraction, shunt_source="spect"), [notice]


def _on_dose_grid(activity: ActivityMap, measurement: Measurement, notices: list[Notice]) -> ActivityMap:
    """The activity on the dose grid, with a notice when that grid cuts some of it off."""
    if activity.grid.is_same_as(measurement.grid):
        return activity
    moved = resample(activity, measurement.grid)
    lost = 1.0 - moved.total / activity.total
    if lost > CUT_OFF_WARNING:
        notices.append(
            Notice(
                "activity-outside-grid",
                f"{100 * lost:.1f} % of the emission image's activity ({format_activity(activity.total - moved.total)}) lies "
                "outside the dose grid and adds no dose.",
            )
        )
    return moved


def _needs_shunt(measurement: Measurement, regions: Regions) -> bool:
    """Whether the calibration cannot do without a lung shunt fraction; over liver and lungs it implies one itself."""
    if measurement.calibration.mode is not CalibrationMode.RELATIVE:
        return False
    if measurement.calibration.region is CalibrationRegion.LIVER:
        return True
    return not regions.both_lungs_drawn_in_view


def _check_nuclide(emission: EmissionImage, record: Nuclide) -> None:
    """Refuse an image of another therapy nuclide."""
    imaged = emission.imaged_nuclide
    if imaged in THERAPY_NUCLIDES and imaged != record.name:
        raise InputError(
            f"the image header says {imaged}, but the therapy nuclide is {record.name}. Give --nuclide {imaged}, "
            "or correct the header.",
            tag="RadionuclideCodeSequence",
        )


def _negative_counts(counts: CountMap | ActivityMap) -> list[Notice]:
    """Say how much of the image is negative; the values are kept."""
    negative = float(-np.minimum(counts.array, 0).sum(dtype=np.float64))
    positive = float(np.maximum(counts.array, 0).sum(dtype=np.float64))
    if negative == 0.0:
        return []
    share = negative / positive if positive else float("inf")
    size = "" if share > NEGATIVE_SHARE_WARNING else " (negligible)"
    return [
        Notice(
            "negative-counts",
            f"{int((counts.array < 0).sum())} voxels are negative, together {100 * share:.3g} % of the positive "
            f"sum{size}; they are kept.",
        )
    ]


def _absolute_correction(
    emission: EmissionImage, administration: Administration, record: Nuclide
) -> DecayCorrection:
    """Factor from the file's values to activity at administration."""
    if emission.modality == "file":
        if emission.acquisition_start is None:
            return DecayCorrection(1.0, 1.0, 1.0, 1.0, (FILE_AT_ADMINISTRATION,))
        emission = replace(emission, decay_reference=emission.decay_reference or DecayReference.START)
    time, notices = _administration_time(emission, administration)
    positrons = record.positrons_per_decay if emission.modality == "PT" else None
    correction = decay_to_administration(emission, time, record.half_life_s, positrons)
    return DecayCorrection(
        correction.factor,
        correction.decay,
        correction.frame,
        correction.branching,
        (*notices, *correction.notices),
    )


def _administration_time(
    emission: EmissionImage, administration: Administration
) -> tuple[datetime, tuple[Notice, ...]]:
    """The administration time: given, or the header's when it is plausible."""
    if administration.time is not None:
        return administration.time, ()
    header = emission.plausible_administration_time
    if header is not None:
        message = f"the administration time is the header's radiopharmaceutical start, {header.isoformat()}."
        return header, (Notice("administration-time-from-header", message),)
    if emission.administration_time is not None and emission.acquisition_start is not None:
        # names --time-zone where only one of both has a zone
        seconds_between(
            emission.administration_time, emission.acquisition_start, "administration and acquisition"
        )
    header_time, acquired = (
        emission.administration_time or "not stated",
        emission.acquisition_start or "not stated",
    )
    raise InputError(
        f"the time of administration is not known: the header's radiopharmaceutical start is {header_time}, the acquisition "
        f"{acquired}; it is taken only 1 to 96 h before the acquisition. Give --time, such as --time 2026-03-02T10:30.",
        tag="administration.time",
    )


def _by_factor(
    measurement: Measurement, emission: EmissionImage, administration: Administration, record: Nuclide
) -> tuple[ActivityMap, list[Notice]]:
    """Activity at administration by the camera factor."""
    duration = measurement.calibration.acquisition_duration_s or emission.frame_duration_s
    if duration is None:
        raise InputError(
            "calibration by factor needs the acquisition duration, which the image does not state. "
            "Give --acquisition-duration in seconds.",
            tag="dose.acquisition_duration_s",
        )
    elapsed = 0.0
    notices: tuple[Notice, ...] = (FILE_AT_ADMINISTRATION,)
    if emission.modality != "file" or emission.acquisition_start is not None:
        if emission.acquisition_start is None:
            raise InputError(
                "calibration by factor needs the time of acquisition, which the header does not state. Give "
                "--acquisition-time.",
                tag="AcquisitionTime",
            )
        time, notices = _administration_time(emission, administration)
        elapsed = elapsed_since_administration(time, emission.acquisition_start)
    factor = measurement.calibration.factor_cps_per_mbq
    assert factor is not None  # checked by Calibration
    return calibrate_by_factor(emission, factor, duration, elapsed, record.half_life_s), list(notices)


def _compare_with_given(activity: ActivityMap, administration: Administration) -> tuple[float, list[Notice]]:
    """Net activity of a quantitative image, and how it compares with the administered one."""
    image_bq = activity.total
    given = administration.activity_bq
    if given is None:
        notice = Notice(
            "activity-from-image",
            f"no activity is given: the net activity is the image's own, {format_activity(image_bq)}.",
        )
        return image_bq, [notice]
    ratio = image_bq / given
    low, high = IMAGE_OVER_ADMINISTERED
    code = "image-over-administered" if low <= ratio <= high else "image-over-administered-outside"
    message = f"the image holds {format_activity(image_bq)}, {ratio:.3f} times the administered {format_activity(given)}"
    if not low <= ratio <= high:
        message += f"; outside {low:g} to {high:g}: check units, decay reference and field of view"
    return given, [Notice(code, message + ".")]
