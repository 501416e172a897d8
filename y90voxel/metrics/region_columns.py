"""The table of what is said of a region: every column of metrics, cohort and report, declared once.

A metric is an attribute of `RegionMetrics`, computed in `summarise`, and a row here; a further D_x or V_d is a number here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from y90voxel.units import BQ_PER_MBQ

# What `y90voxel.metrics.summary` makes of a region; that module imports this one.
RegionMetrics = Any

__all__ = [
    "D_PERCENT",
    "HELD_PERCENT",
    "REGION_COLUMNS",
    "V_GY",
    "Printed",
    "RegionColumn",
    "Style",
    "cohort_types",
    "cohort_values",
    "is_tail",
    "region_entry",
]

# D_x by volume in percent, V_d by dose in Gy.
D_PERCENT = (2, 50, 70, 90, 95, 98)
V_GY = (50, 100, 205)  # [Gy]; 205 Gy: the tumour dose of EANM's tables for glass
# D_x between these hold under noise (contract of issue 16: mean and D70 within 2 % at 50 % noise); the others are tails [%].
HELD_PERCENT = (30, 70)


def is_tail(percent: float) -> bool:
    """Return whether D_x lies at an end of the histogram, where noise decides it.

    Examples
    --------
    >>> [is_tail(percent) for percent in (2, 30, 50, 70, 71)]
    [True, False, False, False, True]
    """
    return not HELD_PERCENT[0] <= percent <= HELD_PERCENT[1]


class Style(Enum):
    """How a report writes a number."""

    NUMBER = "number"
    DOSE = "dose"
    VOLUME = "volume in percent"
    SHARE = "fraction"


@dataclass(frozen=True)
class Printed:
    """Where and how a column stands in the table of a report.

    Parameters
    ----------
    group, heading : str
        Heading over several columns, and of the column, with its unit unless the group has it.
    order : float
        Columns stand in this order.
    style : Style
        How the number is written.
    unit_size : float
        The number is divided by it.
    stands_out : bool
        Whether it is the one to read first.
    optional : bool
        Whether the column is left out where no region has it.
    beside_budget : bool
        Whether it stands there too when uncertainties have a table of their own.
    """

    group: str
    heading: str
    order: float
    style: Style = Style.DOSE
    unit_size: float = 1.0
    stands_out: bool = False
    optional: bool = False
    beside_budget: bool = True


@dataclass(frozen=True)
class RegionColumn:
    """What is said of a region.

    Parameters
    ----------
    path : tuple of str
        Keys in the region's entry of ``metrics.json``; joined by an underscore the column of ``metrics.csv``.
    value : callable
        Gets it from the metrics of a region.
    cohort : str
        Column of the tables of a cohort; empty where it is not among them.
    kind : str
        Its type there: string, double, int64 or bool.
    meaning : str
        What it is, with its unit.
    printed : Printed or None
        Where it stands in a report, if at all.
    compared : bool
        Whether a comparison says how it differs between predicted and delivered dose.
    tail : bool
        Whether it lies at an end of the histogram, where noise decides it.
    """

    path: tuple[str, ...]
    value: Callable[[RegionMetrics], Any]
    cohort: str = ""
    kind: str = "double"
    meaning: str = ""
    printed: Printed | None = None
    compared: bool = False
    tail: bool = False


def _of(
    name: str,
    meaning: str,
    printed: Printed | None = None,
    *,
    cohort: str = "",
    kind: str = "double",
    compared: bool = False,
    tail: bool = False,
) -> RegionColumn:
    """A column that is an attribute, and has its name in a cohort unless another is given."""
    return RegionColumn((name,), attrgetter(name), cohort or name, kind, meaning, printed, compared, tail)


def _d(percent: int) -> RegionColumn:
    """D_x."""
    printed = Printed("Dose in Gy to ≥ x % of the volume", f"D{percent}", 40.0 - percent / 100.0)
    meaning = f"greatest dose that at least {percent} % of the volume receives [Gy]"
    name = f"d{percent}_gy"
    return RegionColumn(
        (name,), lambda m: m.d_gy[percent], name, "double", meaning, printed, True, is_tail(percent)
    )


def _v(dose: int) -> RegionColumn:
    """V_d."""
    printed = Printed("Volume in % at ≥ d Gy", f"V{dose}", 50.0 + dose / 1e4, Style.VOLUME)
    meaning = f"volume that receives at least {dose} Gy [%]"
    path, name = ("v_percent", str(dose)), f"v{dose}_percent"
    return RegionColumn(path, lambda m: m.v_percent[dose], name, "double", meaning, printed, True)


def _radiobiology(metrics: RegionMetrics) -> dict[str, Any] | None:
    """The parameters used."""
    parameters = metrics.radiobiology
    if parameters is None:
        return None
    return {
        "alpha_beta_gy": parameters.alpha_beta_gy,
        "repair_half_time_s": parameters.repair_half_time_s,
        "alpha_per_gy": parameters.alpha_per_gy,
        "source": parameters.source or None,
    }


_SIZE, _DOSE = "Size and activity", "Dose in Gy"
_ROLES = "liver, tumour, tumours (all together), non_tumour_liver, lung, lungs, perfused, …"
# In the order of metrics.json and of the tables of a cohort.
REGION_COLUMNS: tuple[RegionColumn, ...] = (
    _of("name", "name of the region", cohort="region", kind="string"),
    _of("role", _ROLES, kind="string"),
    _of("automatic", "true when no person drew it", kind="bool"),
    _of("volume_ml", "volume [mL]", Printed(_SIZE, "mL", 10.0, Style.NUMBER)),
    _of("mass_g", "mass of its own tissue [g]", Printed(_SIZE, "g", 11.0, Style.NUMBER)),
    _of("whole_mass_g", "mass of all of it by CT on its own grid, inside the dose grid or not [g]"),
    _of(
        "activity_bq", "activity of the region at administration [Bq]",
        Printed(_SIZE, "MBq", 12.0, Style.NUMBER, BQ_PER_MBQ), cohort="region_activity_bq",
    ),
    _of("mean_gy", "volume-weighted mean [Gy]", Printed(_DOSE, "mean", 21.0), compared=True),
    _of(
        "mass_weighted_mean_gy", "energy over mass [Gy], the mean that limits of liver and tumours refer to",
        Printed(_DOSE, "mean by mass", 20.0, stands_out=True),
    ),
    _of("min_gy", "over voxels at least half occupied [Gy]", Printed(_DOSE, "min", 23.0), compared=True, tail=True),
    _of("max_gy", "over voxels at least half occupied [Gy]", Printed(_DOSE, "max", 24.0), compared=True, tail=True),
    _of("sd_gy", "standard deviation [Gy]", Printed(_DOSE, "SD", 22.0), compared=True),
    *(_d(percent) for percent in D_PERCENT),
    *(_v(dose) for dose in V_GY),
    _of("bed_mean_gy", "mean BED [Gy], where parameters were given"),
    _of("eqd2_mean_gy", "mean EQD2 [Gy], where parameters were given"),
    _of("eud_gy", "EUD [Gy], where parameters were given"),
    RegionColumn(("radiobiology",), _radiobiology),
    _of(
        "relative_uncertainty", "standard uncertainty of the mean dose as a fraction",
        Printed("Uncertainty", "u, k = 1", 70.0, Style.SHARE, optional=True, beside_budget=False),
    ),
    RegionColumn(("uncertainty",), lambda m: None if m.uncertainty is None else m.uncertainty.as_dict()),
    RegionColumn(("noise",), lambda m: None if m.noise is None else m.noise.as_dict()),
    RegionColumn(("partial_volume",), lambda m: None if m.partial_volume is None else asdict(m.partial_volume)),
)  # fmt: skip


def region_entry(metrics: RegionMetrics, *, compared: bool = False) -> dict[str, Any]:
    """Return the entry of a region in ``metrics.json``.

    Parameters
    ----------
    metrics : RegionMetrics
        The numbers.
    compared : bool
        Only what a comparison tells of predicted and delivered dose.
    """
    entry: dict[str, Any] = {}
    for column in REGION_COLUMNS:
        if column.compared or not compared:
            place = entry
            for table in column.path[:-1]:
                place = place.setdefault(table, {})
            place[column.path[-1]] = column.value(metrics)
    return entry


def cohort_types() -> dict[str, str]:
    """Return the type of every column that a region has in the tables of a cohort."""
    return {column.cohort: column.kind for column in REGION_COLUMNS if column.cohort}


def cohort_values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the tables of a cohort say of a region, from its entry in ``metrics.json``; what is absent is None."""
    return {column.cohort: _at(entry, column.path) for column in REGION_COLUMNS if column.cohort}


def _at(entry: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of keys, None where there is none."""
    for table in path[:-1]:
        entry = entry.get(table, {})
    return entry.get(path[-1])
