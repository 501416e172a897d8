"""What a phantom truly holds: concentrations at one instant, from its filling record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo

from y90voxel.case.filling_record import FillingRecord, Solution
from y90voxel.errors import InputError, Notice
from y90voxel.phantoms.phantom_layout import (
    NEMA_DIAMETERS_MM,
    PhantomLayout,
    nema_iec,
    uniform_cylinder,
)
from y90voxel.quantification.decay import decay_factor, seconds_between
from y90voxel.quantification.time_zones import in_zone, time_zone_of
from y90voxel.reference.nuclide import nuclide
from y90voxel.units import format_activity

__all__ = ["Filling", "filling_of", "layout_of"]


@dataclass(frozen=True)
class Filling:
    """Concentrations in a phantom at one instant.

    Parameters
    ----------
    nuclide : str
        What was filled in.
    half_life_s : float
        Its half-life [s].
    reference_time : datetime
        The instant; the earliest time of the record.
    sphere_bq_per_ml : float or None
        In every sphere [Bq/mL]; None for a phantom without.
    background_bq_per_ml : float
        Around them, or in the whole cylinder [Bq/mL]; zero for water.
    total_bq : float
        In the whole phantom [Bq].
    relative_uncertainty : float
        Standard uncertainty of a concentration.
    notices : tuple of Notice
        What was assumed.
    """

    nuclide: str
    half_life_s: float
    reference_time: datetime
    sphere_bq_per_ml: float | None
    background_bq_per_ml: float
    total_bq: float
    relative_uncertainty: float
    notices: tuple[Notice, ...] = ()

    @property
    def ratio(self) -> float:
        """Concentration of the spheres over that of the background; infinite where that is water."""
        if self.sphere_bq_per_ml is None or self.background_bq_per_ml == 0:
            return math.inf
        return self.sphere_bq_per_ml / self.background_bq_per_ml


def layout_of(record: FillingRecord) -> PhantomLayout:
    """Return the phantom that a record describes.

    Raises
    ------
    InputError
        If sizes of a cylinder are missing, or six spheres do not fit.
    """
    kind = record.phantom
    if kind.kind == "nema-iec":
        return nema_iec(kind.sphere_diameters_mm or NEMA_DIAMETERS_MM, insert=kind.insert)
    if kind.diameter_mm is None or kind.length_mm is None:
        raise InputError(
            "a cylinder needs its inner size: give phantom.diameter_mm and phantom.length_mm.",
            tag="phantom.diameter_mm",
        )
    return uniform_cylinder(kind.diameter_mm, kind.length_mm)


def filling_of(record: FillingRecord) -> Filling:
    """Return what the phantom of a record truly holds.

    Raises
    ------
    InputError
        If an activity, time or volume is missing, residuals exceed activities, or parts of the phantom are not filled.
    """
    layout = layout_of(record)
    if layout.spheres and record.spheres is None:
        raise InputError("the filling record has no table spheres: what was in them?", tag="spheres")
    if not layout.spheres and (record.spheres is not None or record.background is None):
        raise InputError(
            "a cylinder is filled evenly: give a table background, and none for spheres.", tag="background"
        )
    half_life_s = nuclide(record.nuclide).half_life_s
    zone = time_zone_of(record.time_zone)
    solutions = {"spheres": record.spheres, "background": record.background}
    given = {name: _Given.of(name, one, zone) for name, one in solutions.items() if one is not None}
    times = [time for one in given.values() for time in one.times]
    for time in times:
        seconds_between(times[0], time, "times of the filling record")  # all with a zone, or none
    reference = min(times)
    concentrations = {name: one.concentration(name, reference, half_life_s) for name, one in given.items()}
    volume = sum(sphere.volume_ml for sphere in layout.spheres)
    background = given["background"].volume_ml if "background" in given else 0.0
    total = concentrations.get("spheres", 0.0) * volume + concentrations.get("background", 0.0) * background
    uncertainty, notices = _uncertainty(record)
    return Filling(
        nuclide=record.nuclide,
        half_life_s=half_life_s,
        reference_time=reference,
        sphere_bq_per_ml=concentrations.get("spheres"),
        background_bq_per_ml=concentrations.get("background", 0.0),
        total_bq=total,
        relative_uncertainty=uncertainty,
        notices=notices,
    )


@dataclass(frozen=True)
class _Given:
    """One solution, complete."""

    activity_bq: float
    time: datetime
    residual_bq: float
    residual_time: datetime
    volume_ml: float

    @classmethod
    def of(cls, name: str, stated: Solution, zone: tzinfo | None) -> _Given:
        """Return the solution, or say what the record lacks."""
        needed = {
            "activity": stated.activity,
            "activity_time": stated.activity_time,
            "volume_ml": stated.volume_ml,
        }
        if stated.residual is not None:
            needed["residual_time"] = stated.residual_time
        missing = [f"{name}.{key}" for key, value in needed.items() if value is None]
        if missing:
            raise InputError(
                f"the filling record lacks {', '.join(missing)}: without it the concentration in the phantom is not known.",
                tag=missing[0],
            )
        time = in_zone(stated.activity_time, zone)
        left = in_zone(stated.residual_time, zone)
        assert stated.activity is not None
        assert time is not None
        assert stated.volume_ml is not None
        return cls(stated.activity, time, stated.residual or 0.0, left or time, stated.volume_ml)

    @property
    def times(self) -> tuple[datetime, datetime]:
        """When activity and residual were measured."""
        return self.time, self.residual_time

    def concentration(self, name: str, reference: datetime, half_life_s: float) -> float:
        """Return the concentration at an instant [Bq/mL]."""
        at = [
            bq / decay_factor(seconds_between(reference, time, f"{name} of the filling record"), half_life_s)
            for bq, time in ((self.activity_bq, self.time), (self.residual_bq, self.residual_time))
        ]
        if not at[0] > at[1]:
            raise InputError(
                f"{name}: the residual ({format_activity(at[1])}) is not below the activity ({format_activity(at[0])}), both at "
                f"{reference.isoformat()}: nothing was filled in. Check activities and their times.",
                tag=f"{name}.residual",
            )
        return (at[0] - at[1]) / self.volume_ml


def _uncertainty(record: FillingRecord) -> tuple[float, tuple[Notice, ...]]:
    """The standard uncertainty of a concentration, and what it leaves out."""
    parts = {"activity": record.uncertainty.activity, "volume": record.uncertainty.volume}
    absent = " and ".join(f"uncertainty.{name}" for name, value in parts.items() if value is None)
    total = math.hypot(*(value or 0.0 for value in parts.values()))
    if not absent:
        return total, ()
    message = (
        f"the filling record does not state {absent}: uncertainties leave it out, and are too small by it."
    )
    return total, (Notice("filling-uncertainty-unknown", message),)
