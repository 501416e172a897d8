"""From order to injection: decay with time zones, residual, vials that reach the order, and spheres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from y90voxel.bounds import check_not_negative, check_positive, exceeds
from y90voxel.errors import InputError
from y90voxel.quantification.decay import decay_factor, seconds_between
from y90voxel.reference.devices import Device
from y90voxel.reference.nuclide import nuclide
from y90voxel.short_repr import short_repr
from y90voxel.units import SECONDS_PER_HOUR

__all__ = [
    "VialChoice",
    "activity_per_sphere_bq",
    "all_vials",
    "choose_vials",
    "decay",
    "residual_fraction_by_survey",
    "spheres_per_ml",
    "within_delivery_tolerance",
]


def decay(activity: float, from_time: datetime, to_time: datetime, half_life_s: float) -> float:
    """Return an activity at another instant, A 2^(−(to − from) / T½), in the unit given.

    Going back in time gives more than at the start: resin may be injected before its calibration time.

    Parameters
    ----------
    activity : float
        Activity at ``from_time``, in any unit.
    from_time, to_time : datetime
        Instants with a time zone: an order and an injection seldom share one.
    half_life_s : float
        Half-life [s].

    Raises
    ------
    InputError
        If a time has no zone, the activity is negative, or the half-life not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> round(decay(1.0, start, start.replace(day=2), 64.1 * 3600), 4)
    0.7714
    """
    check_not_negative(activity, "the activity", "(its unit)")
    return activity * decay_factor(_elapsed_s(from_time, to_time), half_life_s)


def residual_fraction_by_survey(
    reading_before: float,
    reading_after: float,
    background: float = 0.0,
    *,
    elapsed_s: float = 0.0,
    half_life_s: float | None = None,
) -> float:
    """Return the residual fraction R = (after − background) / (before − background), decay between them undone.

    Parameters
    ----------
    reading_before, reading_after, background : float
        Survey meter readings of the vial, of the waste in the same geometry, and of neither, in one unit.
    elapsed_s : float
        Time from the first reading to the second [s].
    half_life_s : float or None
        Half-life [s]; needed when time passes.

    Raises
    ------
    InputError
        If the vial reads no more than background, the waste less, or more than the vial, or a half-life is missing.

    Examples
    --------
    >>> round(residual_fraction_by_survey(42, 0.9, 0.1), 5)
    0.01909
    """
    if elapsed_s != 0.0 and half_life_s is None:
        raise InputError(f"{elapsed_s:g} s pass between the readings: give the half-life to undo the decay.")
    before, after = reading_before - background, reading_after - background
    if not before > 0 or not after >= 0:
        raise InputError(
            f"net of background ({background:g}) the vial reads {before:g} and the waste {after:g}; the first must be "
            "positive and the second not negative."
        )
    if half_life_s is not None:
        after /= decay_factor(elapsed_s, half_life_s)
    if after > before:
        raise InputError(
            f"the waste ({after:g}) reads more than the vial did ({before:g}): check the geometry."
        )
    return after / before


def activity_per_sphere_bq(calibrated_activity_gbq: float, spheres: float, factor: float = 1.0) -> float:
    """Return the mean activity of one sphere [Bq].

    Parameters
    ----------
    calibrated_activity_gbq : float
        Vial activity at calibration [GBq].
    spheres : float
        Spheres in the vial.
    factor : float
        Decay factor from calibration to injection; above one before calibration.

    Raises
    ------
    InputError
        If a number is not positive.
    """
    check_positive(calibrated_activity_gbq, "the vial activity at calibration", "GBq")
    check_positive(spheres, "the number of spheres", "")
    check_positive(factor, "the decay factor", "")
    return calibrated_activity_gbq * 1e9 * factor / spheres


def spheres_per_ml(concentration_mbq_per_ml: float, bq_per_sphere: float) -> float:
    """Return the density of spheres c / a [1/mL].

    Parameters
    ----------
    concentration_mbq_per_ml : float
        Activity concentration at injection [MBq/mL].
    bq_per_sphere : float
        Activity per sphere at injection [Bq].

    Raises
    ------
    InputError
        If the concentration is negative or the activity per sphere not positive.
    """
    check_not_negative(concentration_mbq_per_ml, "the activity concentration", "MBq/mL")
    check_positive(bq_per_sphere, "the activity per sphere", "Bq")
    return concentration_mbq_per_ml * 1e6 / bq_per_sphere


@dataclass(frozen=True)
class VialChoice:
    """A vial on offer, held against an order.

    Parameters
    ----------
    size_gbq : float
        Activity at calibration [GBq].
    calibration_time : datetime
        When it holds that activity.
    activity_at_injection_gbq : float
        Whole vial [GBq].
    surplus_gbq : float
        What it holds above the order; negative for one that holds less [GBq].
    spheres : float
        Spheres injected: the whole vial, or the part drawn for the order, as the device is given.
    activity_per_sphere_bq : float
        At injection [Bq]: older vials give more spheres (embolic load) for the same dose.
    """

    size_gbq: float
    calibration_time: datetime
    activity_at_injection_gbq: float
    surplus_gbq: float
    spheres: float
    activity_per_sphere_bq: float

    __repr__ = short_repr


def choose_vials(
    order_gbq: float,
    injection_time: datetime,
    calibration_times: Sequence[datetime],
    device: Device,
    *,
    greatest_age_h: float | None = None,
) -> tuple[VialChoice, ...]:
    """Return the smallest vial of each calibration that reaches the order, the least surplus first.

    Parameters
    ----------
    order_gbq : float
        Vial activity wanted at injection, residual included [GBq].
    injection_time : datetime
        With a time zone.
    calibration_times : sequence of datetime
        Calibrations on offer, with a time zone; they may lie after the injection.
    device : Device
        Vial sizes or range made to order, spheres, and nuclide.
    greatest_age_h : float or None
        Vials older than this at injection are left out [h]; None for no such rule.

    Raises
    ------
    InputError
        If no vial on offer reaches the order, a time has no zone, or the order is not positive.
    """
    check_positive(order_gbq, "the ordered activity", "GBq")
    half_life_s = nuclide(device.nuclide).half_life_s
    choices, greatest = [], 0.0
    for calibration_time in calibration_times:
        elapsed_s = _elapsed_s(calibration_time, injection_time)
        if greatest_age_h is not None and elapsed_s > greatest_age_h * SECONDS_PER_HOUR:
            continue
        factor = decay_factor(elapsed_s, half_life_s)
        size = _smallest_size_gbq(device, order_gbq / factor)
        largest = max(device.vial_sizes_gbq or device.order_range_gbq or ())
        greatest = max(greatest, largest * factor)
        if size is not None:
            choices.append(_vial(device, size, calibration_time, factor, order_gbq))
    if not choices:
        raise InputError(
            f"no {device.name} vial on offer reaches {order_gbq:g} GBq at {injection_time.isoformat()}: the greatest of "
            f"{len(calibration_times)} calibrations holds {greatest:.4g} GBq. Take several vials or another day."
        )
    return tuple(sorted(choices, key=lambda vial: vial.surplus_gbq))


def all_vials(
    order_gbq: float,
    injection_time: datetime,
    calibration_times: Sequence[datetime],
    device: Device,
    *,
    greatest_age_h: float | None = None,
) -> tuple[VialChoice, ...]:
    """Return every vial on offer of a device that is given as whole vials, whether it reaches the order or not.

    Parameters
    ----------
    order_gbq, injection_time, calibration_times, greatest_age_h
        As in `choose_vials`.
    device : Device
        Vial sizes, spheres, and nuclide.

    Raises
    ------
    InputError
        If a time has no zone, the order is not positive, or the device is made to order.
    """
    check_positive(order_gbq, "the ordered activity", "GBq")
    if not device.vial_sizes_gbq:
        raise InputError(
            f"{device.name} is made to order between {device.order_range_gbq} GBq: it has no vial sizes to list. Use "
            "choose_vials."
        )
    half_life_s = nuclide(device.nuclide).half_life_s
    vials = []
    for calibration_time in calibration_times:
        elapsed_s = _elapsed_s(calibration_time, injection_time)
        if greatest_age_h is None or elapsed_s <= greatest_age_h * SECONDS_PER_HOUR:
            factor = decay_factor(elapsed_s, half_life_s)
            vials += [
                _vial(device, size, calibration_time, factor, order_gbq) for size in device.vial_sizes_gbq
            ]
    return tuple(vials)


def within_delivery_tolerance(delivered_gbq: float, prescribed_gbq: float, tolerance: float = 0.10) -> bool:
    """Return whether the delivered activity lies within ``tolerance`` of the prescribed one.

    Parameters
    ----------
    delivered_gbq, prescribed_gbq : float
        Net activities [GBq].
    tolerance : float
        Greatest relative difference; 10 % is EANM level 1 (EANM position on article 56, PMC7835146).

    Raises
    ------
    InputError
        If the prescription is not positive or the delivery negative.
    """
    check_positive(prescribed_gbq, "the prescribed activity", "GBq")
    check_not_negative(delivered_gbq, "the delivered activity", "GBq")
    return not exceeds(abs(delivered_gbq - prescribed_gbq), tolerance * prescribed_gbq)


def _vial(device: Device, size: float, calibration: datetime, factor: float, order: float) -> VialChoice:
    """The choice with its spheres."""
    at_injection, spheres = size * factor, device.spheres(size)
    per_sphere = activity_per_sphere_bq(size, spheres, factor)
    drawn = spheres if device.whole_vial else spheres * order / at_injection
    return VialChoice(size, calibration, at_injection, at_injection - order, drawn, per_sphere)


def _smallest_size_gbq(device: Device, needed_gbq: float) -> float | None:
    """Smallest activity at calibration that is enough; None when there is none."""
    # A vial that misses the order by rounding in the last bits reaches it.
    needed_gbq *= 1.0 - 1e-12
    if device.vial_sizes_gbq:
        return min((size for size in device.vial_sizes_gbq if size >= needed_gbq), default=None)
    assert device.order_range_gbq is not None
    least, most = device.order_range_gbq
    return max(least, needed_gbq) if needed_gbq <= most else None


def _elapsed_s(start: datetime, end: datetime) -> float:
    """Seconds between two instants that both state their zone."""
    for time in (start, end):
        if time.utcoffset() is None:
            raise InputError(
                f"{time.isoformat()} has no time zone. Say which one it is in, such as +02:00 or Europe/Berlin.",
                tag="administration.time_zone",
            )
    return seconds_between(start, end, "decay")
