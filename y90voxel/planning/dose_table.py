"""Mean dose of every region per activity of every injection, by compartment models; all of it linear in activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from y90voxel.bounds import check_not_negative
from y90voxel.errors import InputError, RegionError
from y90voxel.planning.compartments import Anatomy, Territory
from y90voxel.planning.mird import mird_dose
from y90voxel.planning.partition import multi_tumour_partition_doses
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, LUNGS_VOXEL, limiting_convention
from y90voxel.quantification.lung_measures import mean_lung_dose
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr

__all__ = [
    "LUNGS",
    "LUNGS_VOXEL",
    "TUMOURS",
    "DoseTable",
    "RegionDoses",
    "lung_rows",
    "partition_table",
    "single_compartment_table",
]

# Row of the lungs by the convention that limits refer to.
LUNGS = limiting_convention().plan_row
TUMOURS = "all tumours"


@dataclass(frozen=True)
class RegionDoses:
    """Mean dose of a region per net activity of every injection.

    Parameters
    ----------
    name : str
        The region.
    role : Role
        What it means; ``OTHER`` for lung conventions that no limit refers to.
    gy_per_gbq : tuple of float, (injections,)
        Mass-weighted mean [Gy/GBq].

    Raises
    ------
    InputError
        If a value is negative.
    """

    name: str
    role: Role
    gy_per_gbq: tuple[float, ...]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for value in self.gy_per_gbq:
            check_not_negative(value, f"{self.name}: dose per activity", "Gy/GBq")

    @property
    def key(self) -> str:
        """Role, or the name where the role says nothing."""
        return self.name if self.role is Role.OTHER else self.role.value

    def dose_gy(self, activities_gbq: Sequence[float]) -> float:
        """Return the dose of a split [Gy]."""
        return sum(a * d for a, d in zip(activities_gbq, self.gy_per_gbq, strict=True))


@dataclass(frozen=True)
class DoseTable:
    """Doses per activity by one model.

    Parameters
    ----------
    rows : tuple of RegionDoses
        Names are unique.

    Raises
    ------
    InputError
        If two rows share a name.
    """

    rows: tuple[RegionDoses, ...]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise InputError(f"a table of doses needs unique names: {', '.join(names)}.")

    @property
    def roles(self) -> dict[str, Role]:
        """Role of every region by name."""
        return {row.name: row.role for row in self.rows}

    @property
    def per_gbq(self) -> dict[str, tuple[float, ...]]:
        """Doses per activity by name, as `solve_injections` takes them."""
        return {row.name: row.gy_per_gbq for row in self.rows}

    def collapsed(self, split: Sequence[float]) -> DoseTable:
        """Return the table of one activity that is divided as ``split``, whose sum is one."""
        return DoseTable(tuple(RegionDoses(r.name, r.role, (r.dose_gy(split),)) for r in self.rows))

    def matching(self, region: str) -> list[str]:
        """Return the names that a region's name or role stands for.

        Raises
        ------
        RegionError
            If there is none; the message lists what there is.
        """
        if region in self.roles:
            return [region]
        names = [row.name for row in self.rows if row.role is not Role.OTHER and row.role.value == region]
        if not names:
            regions = ", ".join(f"{row.name} ({row.key})" for row in self.rows)
            raise RegionError(
                f"no region with a dose has the name or role {region!r}. The regions are: {regions or 'none'}.",
                tag="plan",
            )
        return names

    def doses(self, activities_gbq: Sequence[float]) -> dict[str, float]:
        """Return the dose of every region by name [Gy]."""
        return {row.name: row.dose_gy(activities_gbq) for row in self.rows}

    def doses_by_role(self, activities_gbq: Sequence[float]) -> dict[str, float]:
        """Return the doses of regions that are one of their kind, by role [Gy]; single tumours stand under their names."""
        keys = [row.key for row in self.rows]
        return {row.key: row.dose_gy(activities_gbq) for row in self.rows if keys.count(row.key) == 1}


def lung_rows(
    territories: Sequence[Territory], lung_ct_kg: float | None, constant: float
) -> tuple[RegionDoses, ...]:
    """Return the lungs by MIRD with the mass of every convention that is known; constant in Gy·kg/GBq."""
    masses = [(row, mass) for row in LUNG_CONVENTIONS if (mass := row.mass_of(lung_ct_kg))]
    return tuple(
        RegionDoses(
            row.plan_row,
            Role.LUNGS if row.limiting else Role.OTHER,
            tuple(
                mean_lung_dose(1.0, t.lung_shunt_fraction, mass, dose_constant_gy_kg_per_gbq=constant)
                for t in territories
            ),
        )
        for row, mass in masses
    )


def single_compartment_table(
    anatomy: Anatomy, territories: Sequence[Territory], *, dose_constant_gy_kg_per_gbq: float
) -> DoseTable:
    """Return the doses when activity spreads evenly over the mass that each injection reaches (MIRD).

    Parameters
    ----------
    anatomy : Anatomy
        Masses of the patient.
    territories : sequence of Territory, (injections,)
        What each injection reaches; only its lung shunt counts where the masses are not known.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].
    """
    doses = [
        None
        if not territory.mass_kg
        else mird_dose(
            1.0,
            territory.mass_kg,
            territory.lung_shunt_fraction,
            dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq,
        )
        for territory in territories
    ]
    treated_doses = [d for d in doses if d is not None]
    if len(treated_doses) < len(territories):
        return DoseTable(lung_rows(territories, anatomy.lung_ct_kg, dose_constant_gy_kg_per_gbq))
    tumours = [[dose] * len(t.tumours) for dose, t in zip(treated_doses, territories, strict=True)]
    return _table(anatomy, territories, tumours, treated_doses, dose_constant_gy_kg_per_gbq)


def partition_table(
    anatomy: Anatomy,
    territories: Sequence[Territory],
    *,
    pooled: bool,
    dose_constant_gy_kg_per_gbq: float,
) -> DoseTable:
    """Return the doses of the partition model, injection by injection.

    Parameters
    ----------
    anatomy, territories, dose_constant_gy_kg_per_gbq
        As in `single_compartment_table`; every tumour with its ratio.
    pooled : bool
        One tumour compartment with the mean ratio (by mass), instead of one a tumour.

    Raises
    ------
    InputError
        If masses or ratios are missing.
    """
    tumours, normals = [], []
    for territory in territories:
        if territory.missing:
            raise InputError(f"{territory.missing}.", tag="plan.anatomy")
        assert territory.normal_kg is not None  # nothing is missing
        masses = [t.mass_kg for t in territory.tumours]
        ratios = [float(t.ratio or 0.0) for t in territory.tumours]
        if pooled:
            mean = sum(r * m for r, m in zip(ratios, masses, strict=True)) / sum(masses)
            ratios = [mean] * len(masses)
        doses = multi_tumour_partition_doses(
            1.0,
            masses,
            ratios,
            territory.normal_kg,
            territory.lung_shunt_fraction,
            dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq,
        )
        tumours.append(list(doses.tumours_gy))
        normals.append(doses.normal_gy)
    return _table(anatomy, territories, tumours, normals, dose_constant_gy_kg_per_gbq)


def _table(
    anatomy: Anatomy,
    territories: Sequence[Territory],
    tumour_doses: Sequence[Sequence[float]],
    normal_doses: Sequence[float],
    constant: float,
) -> DoseTable:
    """Rows of all regions from the doses of the parts that each injection reaches."""
    rows = []
    # Energy per GBq [J] that each injection leaves in every tumour and in normal liver.
    in_tumour = {
        name: [
            sum(d * t.mass_kg for d, t in zip(doses, territory.tumours, strict=True) if t.name == name)
            for doses, territory in zip(tumour_doses, territories, strict=True)
        ]
        for name in anatomy.tumour_masses_kg
    }
    in_normal = [d * float(t.normal_kg or 0.0) for d, t in zip(normal_doses, territories, strict=True)]

    def add(name: str, role: Role, energies: Sequence[float], mass_kg: float | None) -> None:
        if mass_kg:
            rows.append(RegionDoses(name, role, tuple(energy / mass_kg for energy in energies)))

    for name, mass in anatomy.tumour_masses_kg.items():
        add(name, Role.TUMOUR, in_tumour[name], mass)
    all_tumours = [sum(column) for column in zip(*in_tumour.values(), strict=True)] if in_tumour else []
    add(TUMOURS, Role.TUMOURS, all_tumours, sum(anatomy.tumour_masses_kg.values()))
    perfused = [t + n for t, n in zip(all_tumours or [0.0] * len(in_normal), in_normal, strict=True)]
    add(anatomy.perfused_name, Role.PERFUSED, perfused, _perfused_kg(anatomy, territories))
    add("perfused non-tumour liver", Role.PERFUSED_NON_TUMOUR_LIVER, in_normal, anatomy.perfused_normal_kg)
    add("non-tumour liver", Role.NON_TUMOUR_LIVER, in_normal, anatomy.whole_normal_kg)
    return DoseTable((*rows, *lung_rows(territories, anatomy.lung_ct_kg, constant)))


def _perfused_kg(anatomy: Anatomy, territories: Sequence[Territory]) -> float | None:
    """Mass of all that is perfused, tumours included; of several territories it must be stated, for they may overlap."""
    if anatomy.perfused_kg is not None or len(territories) > 1:
        return anatomy.perfused_kg
    return territories[0].mass_kg
