"""Dose maps of one GBq of every injection, and what planning models take from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation
from y90voxel.case.verify import verify
from y90voxel.dose.engine import Engine
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import LUNGS_VOXEL, DoseTable, RegionDoses, lung_rows
from y90voxel.planning.partition import tumour_to_normal_ratio
from y90voxel.planning.plan_measure import measure_metric
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.quantification.partial_volume import correct_tumour_to_normal_ratio
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import ORGANS, Role
from y90voxel.short_repr import short_repr
from y90voxel.units import BQ_PER_GBQ
from y90voxel.volumes.volume import ActivityMap, DoseMap, Mask

__all__ = ["DoseMaps", "dose_per_gbq"]

_ROLES = (
    Role.LIVER, Role.TUMOUR, Role.TUMOURS, Role.PERFUSED, Role.PERFUSED_NON_TUMOUR_LIVER, Role.NON_TUMOUR_LIVER,
    Role.UNPERFUSED_LIVER, *ORGANS,
)  # fmt: skip
_PERFUSED_NORMAL = "perfused non-tumour liver"
NO_PERFUSED_VOLUME = Notice(
    "no-perfused-volume",
    "no perfused volume is among the regions: the whole liver is taken as perfused, and limits of the perfused non-tumour "
    "liver are held against all of the non-tumour liver.",
)


def dose_per_gbq(
    case: Case, engine: Engine, progress: Callable[[str, float], None] | None = None
) -> DoseMaps:
    """Return the dose of 1 GBq of every injection, each by its own normalised map.

    Parameters
    ----------
    case : Case
        Activities in it play no part.
    engine : Engine
        Any.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the calibration is not relative, one image follows several injections, or a lung shunt is neither given nor measurable.
    """
    if case.calibration.mode is not CalibrationMode.RELATIVE:
        raise InputError(
            f"a plan normalises the map, but the calibration is {case.calibration.mode.value}. Use --calibration relative.",
            tag="dose.calibration",
        )
    if any(injection.arteries for injection in case.injections):
        raise InputError(
            "a plan needs the map of each artery, but one emission image follows several injections: it cannot tell what 1 GBq "
            "of each would do. Give every [[injection]] its own emission_series; `dose` computes what one scan shows.",
            tag="injection",
        )
    evaluations = []
    for number, injection in enumerate(case.injections):
        one = replace(
            injection, administration=replace(injection.administration, activity_bq=BQ_PER_GBQ, time=None)
        )
        alone = replace(case.changed(lung={"compare_methods": False}), injections=(one,))
        share = 1.0 / len(case.injections)

        def report_progress(what: str, done: float, number: int = number, share: float = share) -> None:
            if progress is not None:
                progress(what, (number + done) * share)

        evaluation = verify(alone, engine, report_progress)
        if evaluation.lung.shunt_fraction is None:
            raise InputError(
                "a plan needs the lung shunt fraction. Give --lung-shunt 0.06 (a fraction, 0 for none), or --lung-shunt "
                "spect or planar to measure it.",
                tag="administration.lung_shunt_fraction",
            )
        evaluations.append(evaluation)
    return DoseMaps(case, tuple(evaluations))


@dataclass(frozen=True, eq=False)
class DoseMaps:
    """Evaluations of 1 GBq, one an injection.

    Parameters
    ----------
    case : Case
        The case, with all injections.
    evaluations : tuple of Evaluation
        Each of a single injection of 1 GBq.
    """

    case: Case
    evaluations: tuple[Evaluation, ...]

    __repr__ = short_repr

    @property
    def names(self) -> tuple[str, ...]:
        """What the injections are called."""
        stated = [injection.territory for injection in self.case.injections]
        if all(stated) and len(set(stated)) == len(stated):
            return tuple(str(name) for name in stated)
        return tuple(f"injection {number}" for number in range(1, len(stated) + 1))

    @property
    def lung_ct_kg(self) -> float | None:
        """Mass of the lungs from CT [kg]; None unless they are seen whole."""
        mass_g = self.evaluations[0].lung.ct_mass_g
        return None if mass_g is None or not self.case.both_lungs_in_view else mass_g / 1000.0

    def dose(self, activities_gbq: Sequence[float]) -> DoseMap:
        """Return the dose of a split, Σ A_j d_j [Gy]."""
        first = self.evaluations[0].dose
        total = sum(
            a * e.dose.array.astype(np.float64) for a, e in zip(activities_gbq, self.evaluations, strict=True)
        )
        return DoseMap(np.asarray(total, dtype=np.float32), first.grid)

    def activity(self, activities_gbq: Sequence[float]) -> ActivityMap:
        """Return the activity of a split [Bq per voxel]."""
        first = self.evaluations[0].activity
        total = sum(a * e.activity.array for a, e in zip(activities_gbq, self.evaluations, strict=True))
        return ActivityMap(np.asarray(total), first.grid)

    def dvh(self, name: str, activities_gbq: Sequence[float]) -> DoseVolumeHistogram:
        """Return the histogram of a region for a split.

        Raises
        ------
        RegionError
            If there is no region of that name.
        """
        if len(self.evaluations) == 1:
            dvh = self.evaluations[0].dvh(name)
            return replace(dvh, doses_gy=dvh.doses_gy * activities_gbq[0])
        mask = self.case.regions[name].mask
        first = self.evaluations[0]
        own = first.own_densities.get(name, first.density)
        return DoseVolumeHistogram.from_dose(self.dose(activities_gbq), mask, own)

    def measure(self, aim: DoseAim, activities_gbq: Sequence[float]) -> float:
        """Return the value of the metric of a limit or goal for a split."""
        histogram = self.dvh(self._drawn(aim.region), activities_gbq)
        return measure_metric(aim.metric, histogram, nuclide(self.case.nuclide).half_life_s, self.case.device)

    @cached_property
    def table(self) -> DoseTable:
        """Mass-weighted mean doses per activity of every region, the lungs by every convention."""
        rows = [
            RegionDoses(region.name, region.role, self._means(region.name))
            for region in self.case.regions
            if region.role in _ROLES
        ]
        rows += self._all_perfused()
        rows += lung_rows(self._shunt_only, self.lung_ct_kg, self.constant)
        if self.case.both_lungs_in_view and self.case.regions.with_role(Role.LUNGS):
            rows.append(RegionDoses(LUNGS_VOXEL, Role.OTHER, self._means("lungs")))
        return DoseTable(tuple(rows))

    def _all_perfused(self) -> list[RegionDoses]:
        """Non-tumour liver as what is perfused of it, where no perfused volume is drawn."""
        normal = self.case.regions.with_role(Role.NON_TUMOUR_LIVER)
        if self.case.regions.with_role(Role.PERFUSED) or len(normal) != 1:
            return []
        return [RegionDoses(_PERFUSED_NORMAL, Role.PERFUSED_NON_TUMOUR_LIVER, self._means(normal[0].name))]

    def _drawn(self, name: str) -> str:
        """The region that a row of the table was measured in."""
        normal = self.case.regions.with_role(Role.NON_TUMOUR_LIVER)
        absent = name == _PERFUSED_NORMAL and not any(region.name == name for region in self.case.regions)
        return normal[0].name if absent and normal else name

    @property
    def constant(self) -> float:
        """Dose constant of the planning formulas [Gy·kg/GBq]."""
        return self.case.planning_dose_constant

    @property
    def _shunt_only(self) -> tuple[Territory, ...]:
        return tuple(
            Territory(name, float(e.lung.shunt_fraction or 0.0))
            for name, e in zip(self.names, self.evaluations, strict=True)
        )

    def _means(self, name: str) -> tuple[float, ...]:
        """Mass-weighted mean doses of a region, one an injection."""
        return tuple(max(float(e.region(name).mass_weighted_mean_gy or 0.0), 0.0) for e in self.evaluations)

    def anatomy(self) -> Anatomy:
        """Return masses and volumes by the density map of the dose; tumours that overlap as parts that do not."""
        regions = self.case.regions
        perfused = regions.with_role(Role.PERFUSED)
        treated = _treated(regions)
        tumours = regions.mask_of(Role.TUMOUR)
        liver = regions.mask_of(Role.LIVER, Role.TUMOUR)
        only_liver = regions.mask_of(Role.LIVER)
        return Anatomy(
            tumour_masses_kg={name: self._mass_kg(part) for name, part in regions.tumour_parts().items()},
            perfused_normal_kg=self._mass_kg(regions.without_tumours(treated)),
            whole_normal_kg=None
            if only_liver is None
            else self._mass_kg(regions.without_tumours(only_liver)),
            perfused_kg=None if treated is None else self._mass_kg(treated),
            lung_ct_kg=self.lung_ct_kg,
            liver_volume_ml=None if only_liver is None or liver is None else liver.volume_ml,
            perfused_volume_ml=None
            if regions.mask_of(Role.PERFUSED) is None or treated is None
            else treated.volume_ml,
            tumour_volume_ml=None if tumours is None else tumours.volume_ml,
            tumour_volume_in_perfused_ml=None
            if tumours is None or treated is None
            else _shared(tumours, treated).volume_ml,
            perfused_name=perfused[0].name if len(perfused) == 1 else "perfused volume",
            liver_kg=None if only_liver is None else self._mass_kg(liver),
        )

    def territories(self, recovery: Mapping[str, float]) -> tuple[Territory, ...]:
        """Return what every injection reaches, with the tumour-to-normal ratios of its own map.

        Parameters
        ----------
        recovery : mapping of str to float
            Recovery coefficients of tumours whose ratio is to be corrected (warm background).

        Raises
        ------
        InputError
            If a coefficient is for a region that is no tumour, or a ratio cannot be corrected.
        """
        tumours = [r.name for r in self.case.regions.with_role(Role.TUMOUR)]
        unknown = sorted(set(recovery) - set(tumours))
        if unknown:
            raise InputError(
                f"a recovery coefficient is given for {', '.join(unknown)}, but the tumours are {', '.join(tumours) or 'none'}.",
                tag="plan.recovery",
            )
        return tuple(self._territory(j, recovery) for j in range(len(self.evaluations)))

    def _territory(self, number: int, recovery: Mapping[str, float]) -> Territory:
        """What one injection reaches."""
        regions, evaluation = self.case.regions, self.evaluations[number]
        own = self.case.injections[number].territory
        reached = _treated(regions) if own is None else regions[own].mask
        normal = regions.without_tumours(reached)
        name, shunt = self.names[number], float(evaluation.lung.shunt_fraction or 0.0)
        if reached is None or normal is None:
            return Territory(name, shunt)
        normal_kg, normal_bq = self._mass_kg(normal), _activity_bq(evaluation.activity, normal)
        uptakes = []
        for tumour, part in regions.tumour_parts(reached).items():
            mass = self._mass_kg(part)
            if mass > 0:
                tumour_bq = _activity_bq(evaluation.activity, part)
                ratio = _ratio(tumour_bq, mass, normal_bq, normal_kg, recovery.get(tumour))
                uptakes.append(TumourUptake(tumour, mass, ratio))
        return Territory(name, shunt, tuple(uptakes), normal_kg)

    def _mass_kg(self, mask: Mask | None) -> float:
        """Occupancy times density of liver and tumours [kg]."""
        if mask is None:
            return 0.0
        liver = self.case.density.liver_g_per_ml
        if liver is not None:
            return mask.volume_ml * liver / 1000.0
        density = self.evaluations[0].density
        return _sum_of_products(mask.array, density.array) * density.grid.voxel_volume_ml / 1000.0


def _treated(regions: Regions) -> Mask | None:
    """The perfused volume, or the whole liver with its tumours where none is drawn."""
    perfused = regions.mask_of(Role.PERFUSED)
    return regions.mask_of(Role.LIVER, Role.TUMOUR) if perfused is None else perfused


def _shared(one: Mask, other: Mask) -> Mask:
    """What two regions share, as far as occupancies tell."""
    return one.with_array(np.minimum(one.array, other.array))


def _activity_bq(activity: ActivityMap, mask: Mask) -> float:
    """Activity in a region [Bq]."""
    return _sum_of_products(activity.array, mask.array)


def _sum_of_products(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Sum over voxels in double precision."""
    return float(np.vdot(one.astype(np.float64), other.astype(np.float64)))


def _ratio(
    tumour_bq: float, tumour_kg: float, normal_bq: float, normal_kg: float, recovery: float | None
) -> float | None:
    """Tumour-to-normal ratio, corrected where a recovery coefficient is given; None where there is none."""
    if tumour_bq <= 0 or normal_bq <= 0 or normal_kg <= 0:
        return None
    ratio = tumour_to_normal_ratio(tumour_bq, tumour_kg, normal_bq, normal_kg)
    return ratio if recovery is None else correct_tumour_to_normal_ratio(ratio, recovery)
