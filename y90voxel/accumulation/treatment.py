"""One treatment of several, and the parameters that their doses are weighted with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from y90voxel.accumulation.time_courses import DecayingSource, ExternalBeam, TimeCourse
from y90voxel.bounds import check_positive
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.volumes.transform import Transform
from y90voxel.volumes.volume import DoseMap

__all__ = ["FOCAL", "LIVER_SETS", "TUMOUR_SETS", "EffectParameters", "Treatment", "parameters_of"]

_HOUR_S = 3600.0  # an hour [s]


@dataclass(frozen=True, eq=False)
class Treatment:
    """One treatment with its dose.

    Parameters
    ----------
    name : str
        What it is called in outputs; unique.
    dose : DoseMap
        Absorbed dose of all of it [Gy], on its own grid.
    start : datetime
        When it began.
    course : DecayingSource or ExternalBeam
        When its dose is given, from the epoch [s].
    regions : tuple of Region
        On the grid of the dose; empty where none are known.
    nuclide : str or None
        Of a radioembolization.
    pull : Transform or None
        From points of the frame that doses are summed in to points of this one's; None where the frames are one.
    stated_means_gy : mapping of str to float
        Mean doses by region that the calculation states [Gy], by mass.
    lung_mean_gy : float or None
        Mean lung dose in the convention of the limit [Gy]; None takes that of the map.
    predicted : bool
        Whether a surrogate was imaged.
    """

    name: str
    dose: DoseMap
    start: datetime
    course: TimeCourse
    regions: tuple[Region, ...] = ()
    nuclide: str | None = None
    pull: Transform | None = None
    stated_means_gy: Mapping[str, float] = field(default_factory=dict)
    lung_mean_gy: float | None = None
    predicted: bool = False

    __repr__ = short_repr

    @property
    def course_start_s(self) -> float:
        """When its dose begins, from the epoch [s]."""
        return (
            min(self.course.fraction_times_s)
            if isinstance(self.course, ExternalBeam)
            else self.course.start_s
        )

    @property
    def fractions(self) -> int | None:
        """Number of fractions of an external beam."""
        return len(self.course.fraction_times_s) if isinstance(self.course, ExternalBeam) else None

    @property
    def liver_volume_ml(self) -> float | None:
        """Volume of the liver as drawn for this treatment [mL]."""
        return next((r.mask.volume_ml for r in self.regions if r.role is Role.LIVER), None)

    def as_dict(self) -> dict[str, Any]:
        """Return what is known of it, for JSON."""
        half_life = self.course.half_life_s if isinstance(self.course, DecayingSource) else None
        return {
            "name": self.name,
            "kind": "external beam" if self.nuclide is None else "radioembolization",
            "start": self.start.isoformat(),
            "nuclide": self.nuclide,
            "half_life_s": half_life,
            "fractions": self.fractions,
            "predicted": self.predicted,
            "grid": self.dose.grid.as_dict(),
        }


@dataclass(frozen=True)
class EffectParameters:
    """Linear-quadratic parameters with the words that must stand beside every number from them.

    Parameters
    ----------
    name : str
        Short, in tables and names of columns.
    alpha_beta_gy : float
        α/β [Gy].
    repair_half_time_s : float
        Half-time of repair [s].
    source : str
        Where they come from and how sure they are.

    Raises
    ------
    InputError
        If a number is not positive.
    """

    name: str
    alpha_beta_gy: float
    repair_half_time_s: float
    source: str

    def __post_init__(self) -> None:
        check_positive(self.alpha_beta_gy, "alpha/beta", "Gy")
        check_positive(self.repair_half_time_s, "the repair half-time", "s")

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON."""
        return {
            "name": self.name,
            "alpha_beta_gy": self.alpha_beta_gy,
            "repair_half_time_s": self.repair_half_time_s,
            "source": self.source,
        }


# The literature disagrees about liver, so both stand side by side; the first is that of the maps.
LIVER_SETS = (
    EffectParameters("liver 2.5", 2.5, 2.5 * _HOUR_S, "usual in radioembolization, its origin not verified"),
    EffectParameters(
        "liver 8", 8.0, 2.5 * _HOUR_S,
        "external beams, livers with hepatitis (Son et al. 2013, Radiat Oncol 8:61, abstract); repair as for 2.5 Gy",
    ),
)  # fmt: skip
TUMOUR_SETS = (
    EffectParameters("tumour 10", 10.0, 1.5 * _HOUR_S, "usual in radioembolization, its origin not verified"),
)
# α/β of the isodoses of changes in MRI after stereotactic treatment (PMC4915544, abstract); display only.
FOCAL = EffectParameters(
    "focal liver 2", 2.0, 2.5 * _HOUR_S,
    "isodose of changes in MRI after stereotactic body radiotherapy (PMC4915544, abstract); repair as for 2.5 Gy",
)  # fmt: skip
_LIVER = frozenset(
    (
        Role.LIVER, Role.NON_TUMOUR_LIVER, Role.PERFUSED, Role.PERFUSED_NON_TUMOUR_LIVER, Role.UNPERFUSED_LIVER,
    )
)  # fmt: skip


def parameters_of(role: Role) -> tuple[EffectParameters, ...]:
    """Return the sets that a region of a role is shown with; none for what has no parameters here, such as lungs."""
    if role in (Role.TUMOUR, Role.TUMOURS):
        return TUMOUR_SETS
    return LIVER_SETS if role in _LIVER else ()
