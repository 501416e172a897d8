"""What a plan rests on, drawn anew within its uncertainty: shunts, masses, ratios and the activity itself.

Everything that shares a cause shares its draw. Moving the boundary of a tumour changes its mass, what it holds, and, the
other way, mass and content of the normal liver around it; moving the capsule changes whole and perfused liver together.
All of a territory's activity stays in it, for a plan normalises the map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from y90voxel.bounds import check_not_negative
from y90voxel.metrics.uncertainty_budget import edge_intensity
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses, partition_table, single_compartment_table
from y90voxel.quantification.partial_volume import RecoveryFit, correct_tumour_to_normal_ratio
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.regions.roles import Role

__all__ = ["NORMAL", "PlanDraw", "PlanSpread", "edge_share", "scaled_table"]

NORMAL = "normal liver"
# A draw leaves normal liver at least this share of its mass and activity: a tumour cannot grow beyond what holds it.
_LEAST = 0.05


@dataclass(frozen=True)
class PlanDraw:
    """One draw.

    Parameters
    ----------
    anatomy : Anatomy
        Masses and volumes.
    territories, uncorrected : tuple of Territory, (injections,)
        With and without partial-volume correction of the ratios.
    activity : float
        True activity over the one that is stated.
    density : float
        True density of liver and tumours over the one assumed.
    liver : float
        True volume of the whole liver over the one drawn.
    """

    anatomy: Anatomy
    territories: tuple[Territory, ...]
    uncorrected: tuple[Territory, ...]
    activity: float
    density: float
    liver: float


@dataclass(frozen=True)
class PlanSpread:
    """How well a plan's inputs are known: standard uncertainties (k = 1), relative ones as fractions.

    Parameters
    ----------
    diameter_mm : float
        Of a drawn diameter, `diameter_uncertainty_mm` [mm].
    emission_fwhm_mm : float
        Resolution of the MAA image [mm].
    activity : float
        Of the net activity, by assay and residual together.
    lung_shunt : float
        Of the lung shunt fraction; all injections share its error.
    density : float
        Of the density of liver and tumours, which share its error, and of the lungs from CT.
    statistics : sequence of mapping of str to float, (injections,)
        Of the counts of every tumour by name, and of `NORMAL`; nothing where it is not known.
    recovery : mapping of str to float
        Recovery coefficients of the tumours whose ratio is corrected.
    curve : RecoveryFit or None
        Where these come from: follows the drawn volume, with the uncertainty of its fit; None takes them as certain.

    Raises
    ------
    InputError
        If an uncertainty is negative.
    """

    diameter_mm: float
    emission_fwhm_mm: float
    activity: float = 0.0
    lung_shunt: float = 0.0
    density: float = 0.0
    statistics: Sequence[Mapping[str, float]] = ()
    recovery: Mapping[str, float] = field(default_factory=dict)
    curve: RecoveryFit | None = None

    def __post_init__(self) -> None:
        check_not_negative(self.diameter_mm, "the uncertainty of a diameter", "mm")
        for name in ("activity", "lung_shunt", "density"):
            check_not_negative(getattr(self, name), f"the relative uncertainty of the {name}", "")

    def draw(self, anatomy: Anatomy, uncorrected: Sequence[Territory], rng: np.random.Generator) -> PlanDraw:
        """Return what may be, given what was found.

        Parameters
        ----------
        anatomy : Anatomy
            As found.
        uncorrected : sequence of Territory, (injections,)
            As found, ratios without partial-volume correction.
        rng : numpy.random.Generator
            Decides the draw.
        """
        activity, density, lung = (
            _log_normal(u, rng.standard_normal()) for u in (self.activity, self.density, self.density)
        )
        shunt, capsule, fit = (float(z) for z in rng.standard_normal(3))
        volumes = {
            name: self._volume(kg, rng.standard_normal()) for name, kg in anatomy.tumour_masses_kg.items()
        }
        known_kg = sum(anatomy.tumour_masses_kg.values())
        moved_kg = sum(kg * volumes[name] for name, kg in anatomy.tumour_masses_kg.items())
        together = (  # tumours of which nothing but their volume is known have a boundary of their own
            moved_kg / known_kg
            if known_kg
            else self._volume(_as_liver_kg(anatomy.tumour_volume_ml), rng.standard_normal())
        )
        moved = _ShiftedBoundaries(self, volumes, together, density, capsule, shunt, fit)
        drawn = moved.anatomy(anatomy, uncorrected, lung)
        reached = [
            moved.territory(t, self._statistics(number), anatomy, drawn, rng)
            for number, t in enumerate(uncorrected)
        ]
        whole = anatomy.whole_normal_kg
        liver_kg = 0.0 if whole is None else whole + sum(anatomy.tumour_masses_kg.values())
        return PlanDraw(
            drawn,
            tuple(moved.corrected(t, anatomy) for t in reached),
            tuple(reached),
            activity,
            density,
            self._volume(liver_kg, capsule),
        )

    def _volume(self, mass_kg: float, z: float) -> float:
        """Factor of a volume whose diameter is log-normal."""
        if not mass_kg:
            return 1.0
        return _log_normal(self.diameter_mm / _diameter_mm(mass_kg), z) ** 3

    def _statistics(self, number: int) -> Mapping[str, float]:
        """Of the counts of one injection."""
        return self.statistics[number] if self.statistics else {}


@dataclass(frozen=True)
class _ShiftedBoundaries:
    """Masses and ratios with every boundary where one draw puts it."""

    spread: PlanSpread
    volumes: Mapping[str, float]  # factor of every tumour
    together: float  # factor of all tumours together
    density: float
    capsule: float  # standard normal
    shunt: float  # standard normal
    fit: float  # standard normal

    def anatomy(self, nominal: Anatomy, territories: Sequence[Territory], lung: float) -> Anatomy:
        """All masses and volumes."""
        spread, whole = self.spread, nominal.tumour_masses_kg
        in_perfused = {
            name: min(kg, sum(u.mass_kg for t in territories for u in t.tumours if u.name == name))
            for name, kg in whole.items()
        }
        whole_normal = self._normal(nominal.whole_normal_kg, whole)
        liver_kg = _all_kg(nominal.whole_normal_kg, whole, nominal.liver_volume_ml)
        perfused_kg = nominal.perfused_kg or _all_kg(
            nominal.perfused_normal_kg, in_perfused, nominal.perfused_volume_ml
        )
        perfused = spread._volume(perfused_kg, self.capsule)
        liver_ml = _times(nominal.liver_volume_ml, spread._volume(liver_kg, self.capsule))
        tumour_ml = _at_most(_times(nominal.tumour_volume_ml, self.together), liver_ml)
        perfused_ml = _at_most(_times(nominal.perfused_volume_ml, perfused), liver_ml)
        within_ml = _at_most(_times(nominal.tumour_volume_in_perfused_ml, self.together), tumour_ml)
        return Anatomy(
            tumour_masses_kg={name: kg * self.volumes[name] * self.density for name, kg in whole.items()},
            perfused_normal_kg=_at_most(self._normal(nominal.perfused_normal_kg, in_perfused), whole_normal),
            whole_normal_kg=whole_normal,
            perfused_kg=_times(nominal.perfused_kg, perfused * self.density),
            lung_ct_kg=_times(nominal.lung_ct_kg, lung),
            liver_volume_ml=liver_ml,
            perfused_volume_ml=perfused_ml,
            tumour_volume_ml=tumour_ml,
            tumour_volume_in_perfused_ml=_at_most(within_ml, perfused_ml),
            perfused_name=nominal.perfused_name,
        )

    def _normal(self, normal_kg: float | None, tumours_kg: Mapping[str, float]) -> float | None:
        """Normal liver between a capsule and the tumours in it, both moved [kg]."""
        if normal_kg is None:
            return None
        within_capsule = normal_kg + sum(tumours_kg.values())
        left = within_capsule * self.spread._volume(within_capsule, self.capsule)
        left -= sum(kg * self.volumes[name] for name, kg in tumours_kg.items())
        return max(left, _LEAST * normal_kg) * self.density

    def territory(
        self,
        territory: Territory,
        statistics: Mapping[str, float],
        nominal: Anatomy,
        drawn: Anatomy,
        rng: np.random.Generator,
    ) -> Territory:
        """What an injection reaches: its activity shared out anew between tumours and normal liver."""
        shunt = _shunt(territory.lung_shunt_fraction, self.spread.lung_shunt * self.shunt)
        parts = {u.name: u.mass_kg for u in territory.tumours}
        masses = {name: kg * self.volumes[name] * self.density for name, kg in parts.items()}
        normal = _at_most(self._normal(territory.normal_kg, parts), drawn.perfused_normal_kg)
        if territory.missing or not territory.normal_kg or not normal:
            tumours = tuple(TumourUptake(u.name, masses[u.name], u.ratio) for u in territory.tumours)
            return Territory(territory.name, shunt, tumours, normal)
        # Activities in units of what one kilogram of normal liver holds.
        normal_equivalents = {u.name: float(u.ratio or 0.0) * u.mass_kg for u in territory.tumours}
        moved = {u.name: self._activity_within(u, nominal) for u in territory.tumours}
        all_kg = territory.normal_kg + sum(parts.values())
        edge = 0.5 * edge_intensity(_diameter_mm(all_kg), self.spread.emission_fwhm_mm)
        whole = (territory.normal_kg + sum(normal_equivalents.values())) * self.spread._volume(
            all_kg, self.capsule
        ) ** edge
        rest = max(whole - sum(moved.values()), _LEAST * territory.normal_kg)
        rest *= _log_normal(statistics.get(NORMAL, 0.0), rng.standard_normal())
        tumours = tuple(
            TumourUptake(
                name,
                masses[name],
                moved[name]
                * _log_normal(statistics.get(name, 0.0), rng.standard_normal())
                / masses[name]
                / (rest / normal),
            )
            for name in parts
            if parts[name]  # of a tumour that it does not reach nothing is uncertain
        )
        return Territory(territory.name, shunt, tumours, normal)

    def _activity_within(self, tumour: TumourUptake, nominal: Anatomy) -> float:
        """Activity within the moved boundary of a tumour, in units of what one kilogram of normal liver holds."""
        ratio, name = float(tumour.ratio or 0.0), tumour.name
        phi = edge_intensity(_diameter_mm(nominal.tumour_masses_kg[name]), self.spread.emission_fwhm_mm)
        share = edge_share(ratio, phi, self.spread.recovery.get(name, 1.0))
        activity = ratio * tumour.mass_kg * float(self.volumes[name] ** share)
        # However far it moves, what is added or left lies between tumour and normal liver.
        as_normal = tumour.mass_kg * self.volumes[name]
        return max(activity, as_normal) if ratio >= 1.0 else min(activity, as_normal)

    def corrected(self, territory: Territory, nominal: Anatomy) -> Territory:
        """The same with ratios corrected for partial volume where they are."""
        tumours = tuple(
            TumourUptake(u.name, u.mass_kg, self._ratio(u, nominal.tumour_masses_kg[u.name]))
            for u in territory.tumours
        )
        return Territory(territory.name, territory.lung_shunt_fraction, tumours, territory.normal_kg)

    def _ratio(self, tumour: TumourUptake, mass_kg: float) -> float | None:
        """The ratio of one tumour, by the recovery of its drawn volume."""
        recovery = self.spread.recovery.get(tumour.name)
        if recovery is None or tumour.ratio is None:
            return tumour.ratio
        curve = self.spread.curve
        if curve is not None:
            volume_ml = 1000.0 * mass_kg / LIVER_DENSITY_G_PER_ML
            at_drawn_volume = curve.coefficient(volume_ml)
            at_volume = curve.coefficient(volume_ml * self.volumes[tumour.name]) / at_drawn_volume
            recovery = min(
                recovery * at_volume * _log_normal(curve.uncertainty(volume_ml) / at_drawn_volume, self.fit),
                1.0,
            )
        # A tumour below normal liver may be drawn so that nothing is left of it.
        least = 1.0 - (1.0 - _LEAST) * recovery
        return correct_tumour_to_normal_ratio(max(tumour.ratio, least), recovery)


def edge_share(ratio: float, phi: float, recovery: float = 1.0) -> float:
    """Return d ln C / d ln V of the counts in a drawn tumour, [1 + (r − 1) φ / (2R)] / r.

    What a shell at its edge holds over what the tumour holds on average, both blurred: normal liver and half of what
    stands above it, times φ. Without normal liver around (r → ∞) it is φ / (2R), as in the EANM scheme; a tumour that
    takes up as much as normal liver (r = 1) keeps its concentration wherever its boundary is drawn.

    Parameters
    ----------
    ratio : float
        Tumour-to-normal ratio r as measured.
    phi : float
        `edge_intensity`.
    recovery : float
        Recovery coefficient R of the tumour.

    References
    ----------
    Gear et al. 2018, Eur J Nucl Med Mol Imaging 45:2456, doi 10.1007/s00259-018-4136-7, for the limit r → ∞.

    Examples
    --------
    >>> edge_share(1.0, 0.88), round(edge_share(1e9, 0.88), 6)
    (1.0, 0.44)
    """
    return (1.0 + (ratio - 1.0) * phi / (2.0 * recovery)) / ratio


def scaled_table(
    table: DoseTable, anatomy: Anatomy, territories: Sequence[Territory], draw: PlanDraw, constant: float
) -> DoseTable:
    """Return the table of the dose maps with every region scaled as compartments of the draw scale.

    Parameters
    ----------
    table : DoseTable
        Doses per activity by the dose maps.
    anatomy, territories
        As found, ratios without partial-volume correction: the maps have none.
    draw : PlanDraw
        What may be.
    constant : float
        K, which cancels [Gy·kg/GBq].
    """
    before = _compartments(anatomy, territories, constant)
    after = _compartments(draw.anatomy, draw.uncorrected, constant * draw.activity)
    in_map = [
        draw.activity * (1.0 - new.lung_shunt_fraction) / (1.0 - old.lung_shunt_fraction)
        for old, new in zip(territories, draw.uncorrected, strict=True)
    ]
    elsewhere = {Role.LIVER: draw.density * draw.liver, Role.UNPERFUSED_LIVER: draw.density}
    rows = []
    for row in table.rows:
        factors = [f / elsewhere.get(row.role, 1.0) for f in in_map]
        # Several perfused volumes are one in compartments.
        name = anatomy.perfused_name if row.role is Role.PERFUSED else row.name
        if name in before:
            factors = [
                new / old if old > 0 else f
                for old, new, f in zip(before[name], after[name], factors, strict=True)
            ]
        doses = tuple(d * f for d, f in zip(row.gy_per_gbq, factors, strict=True))
        rows.append(RegionDoses(row.name, row.role, doses))
    return DoseTable(tuple(rows))


def _compartments(
    anatomy: Anatomy, territories: Sequence[Territory], constant: float
) -> dict[str, tuple[float, ...]]:
    """Doses per activity by the most detailed compartment model that can be used."""
    if any(territory.missing for territory in territories):
        return single_compartment_table(anatomy, territories, dose_constant_gy_kg_per_gbq=constant).per_gbq
    return partition_table(anatomy, territories, pooled=False, dose_constant_gy_kg_per_gbq=constant).per_gbq


def _log_normal(relative: float, z: float) -> float:
    """Factor with median one and standard deviation about ``relative``."""
    return math.exp(math.sqrt(math.log1p(relative**2)) * z)


def _shunt(fraction: float, relative: float) -> float:
    """The shunt with its logit moved, so that it stays between 0 and 1; by ``relative`` of itself for small moves."""
    odds = fraction / (1.0 - fraction) * math.exp(relative / (1.0 - fraction))
    return float(odds / (1.0 + odds))


def _diameter_mm(mass_kg: float) -> float:
    """Diameter of a sphere of liver of that mass [mm]."""
    return float((6.0e6 * mass_kg / LIVER_DENSITY_G_PER_ML / math.pi) ** (1 / 3))


def _as_liver_kg(volume_ml: float | None) -> float:
    """Mass of a volume of liver [kg]; 0 where it is not known."""
    return (volume_ml or 0.0) * LIVER_DENSITY_G_PER_ML / 1000.0


def _all_kg(normal_kg: float | None, tumours_kg: Mapping[str, float], volume_ml: float | None) -> float:
    """Mass of liver with its tumours, by its volume where normal liver is not known [kg]; 0 where neither is."""
    return _as_liver_kg(volume_ml) if normal_kg is None else normal_kg + sum(tumours_kg.values())


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _at_most(value: float | None, whole: float | None) -> float | None:
    """A part that draws made larger than its whole is as large as that."""
    return value if value is None or whole is None else min(value, whole)
