"""The mean lung dose by every method side by side, and how much of it betas from the liver bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.case import Case
from y90voxel.case.engine_request import engine_request
from y90voxel.dose.density_map import TissueMap
from y90voxel.dose.engine import Engine, answering
from y90voxel.dose.engines import Beside, engine_names, engine_rows
from y90voxel.quantification.lung_measures import exclude_margin
from y90voxel.regions.roles import Role
from y90voxel.volumes.box import Box, widened_box
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap, Volume

__all__ = ["LungMethod", "lung_doses_by_method"]

V = TypeVar("V", bound=Volume)

# Betas of every shipped nuclide stop within 12 mm of soft tissue; activity further from the lung spills none.
SPILL_REACH_MM = 20.0


@dataclass(frozen=True)
class LungMethod:
    """Mean dose of both lungs by one method [Gy]; the attributes are the keys of ``metrics.json``.

    Parameters
    ----------
    method : str
        Key of a lung convention (``mird-1kg``, ``mird-ct``), or the name of a dose engine.
    mean_gy, mass_weighted_mean_gy : float or None
        Volume- and mass-weighted, the part in view; MIRD knows the mass-weighted one only.
    mean_without_dome_gy, mass_weighted_mean_without_dome_gy : float or None
        The same without the lung within the dome margin of the liver.
    beta_from_liver_gy : float or None
        Part of the mass-weighted mean that electrons from activity in voxels of liver and tumour bring.
    """

    method: str
    mean_gy: float | None
    mass_weighted_mean_gy: float | None
    mean_without_dome_gy: float | None = None
    mass_weighted_mean_without_dome_gy: float | None = None
    beta_from_liver_gy: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes for JSON."""
        return asdict(self)


def lung_doses_by_method(
    case: Case,
    engine: Engine,
    dose: DoseMap,
    tissue: TissueMap,
    tia: TimeIntegratedActivityMap,
    mird_gy: Mapping[str, float | None],
    dose_of: Callable[[Engine, TimeIntegratedActivityMap], DoseMap],
) -> tuple[LungMethod, ...]:
    """Return the lung dose by MIRD and by the engines beside each other.

    Other engines than the one that ran are added when the case asks for the comparison; where it does not
    say, they are with engines that want it (density, Monte Carlo), and only local deposition is with the others.

    Parameters
    ----------
    case : Case
        Regions, and whether to compare.
    engine : Engine
        The one that ran.
    dose : DoseMap
        Its result [Gy].
    tissue : TissueMap
        Densities used.
    tia : TimeIntegratedActivityMap
        Decays [Bq·s].
    mird_gy : mapping of str to (float or None)
        Mean by MIRD, by the key of its convention [Gy].
    dose_of : callable
        Engine and decays to dose in the density of the case, photons beyond a kernel included.
    """
    rows = [LungMethod(name, None, value) for name, value in mird_gy.items() if value is not None]
    lungs, liver = case.regions.mask_of(Role.LUNG), case.regions.mask_of(Role.LIVER, Role.TUMOUR)
    if lungs is None or not lungs.array.any():
        return tuple(rows)
    lungs_below_dome = None if liver is None else exclude_margin(lungs, liver, case.dome_margin_mm)
    own = tissue.own.get("lungs", tissue.density)
    spill = None if liver is None else _Spill.of(tia, tissue.density, own, liver, lungs)
    for other in _engines(case, engine):
        other_dose = dose if other is engine else dose_of(other, tia)
        from_liver = None if spill is None else spill.mean_gy(other)
        rows.append(
            replace(_row(other.name, other_dose, own, lungs, lungs_below_dome), beta_from_liver_gy=from_liver)
        )
    return tuple(rows)


def _engines(case: Case, engine: Engine) -> list[Engine]:
    """The engine that ran among those to compare it with, from the simplest to the best."""
    wanted = case.compare_lung_methods
    everything = answering(engine).wants_comparison if wanted is None else wanted
    asked = {Beside.ALWAYS: wanted is not False, Beside.ASKED: everything, Beside.NEVER: False}
    request = engine_request(case)
    others = [row.make(request) for row in engine_rows() if asked[row.beside] and row.name != engine.name]
    order = [*engine_names(), engine.name]
    return sorted([*others, engine], key=lambda one: order.index(one.name))


@dataclass(frozen=True, eq=False)
class _Spill:
    """What the dose to the lungs by electrons from the liver depends on, no further around them than electrons reach.

    Parameters
    ----------
    tia : TimeIntegratedActivityMap
        Decays of liver and tumour that are close enough to the lungs [Bq·s].
    density : DensityMap
        Densities [g/mL].
    weights : Volume
        Lung mass in each voxel, in any unit.
    """

    tia: TimeIntegratedActivityMap
    density: DensityMap
    weights: Volume

    @classmethod
    def of(
        cls,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        own: DensityMap | OwnDensity,
        liver: Mask,
        lungs: Mask,
    ) -> _Spill:
        """Return it for a case; a voxel that liver and lung share counts as liver, whose concentration is tenfold."""
        box = widened_box(lungs.box, lungs.grid, SPILL_REACH_MM)
        mass = np.zeros(lungs.grid.shape)
        mass[lungs.box] = lungs.array[lungs.box] * _in_box(own, lungs.box)
        weights = _part(Volume(mass, lungs.grid), box)
        decays, liver, lungs = _part(tia, box), _part(liver, box), _part(lungs, box)
        far = exclude_margin(liver, lungs, SPILL_REACH_MM)
        near = (liver.array > 0) & (far.array == 0)
        return cls(decays.with_array(np.where(near, decays.array, 0.0)), _part(density, box), weights)

    def mean_gy(self, engine: Engine) -> float | None:
        """Mass-weighted mean lung dose by an engine [Gy]; None where that would take another run."""
        electrons = answering(engine).electrons_only()
        if electrons is None:
            return None
        dose = electrons.dose(self.tia, self.density)
        return float(np.vdot(dose.array.astype(np.float64), self.weights.array) / self.weights.total)


def _part(volume: V, box: Box) -> V:
    """The part of a volume that lies in a box."""
    array = volume.array[box]
    return replace(volume, array=array, grid=volume.grid.crop([part.start for part in box], array.shape))


def _row(
    method: str, dose: DoseMap, density: DensityMap | OwnDensity, lungs: Mask, lungs_below_dome: Mask | None
) -> LungMethod:
    """Means of one dose map."""
    without = lungs_below_dome if lungs_below_dome is not None and lungs_below_dome.array.any() else None
    return LungMethod(
        method,
        _mean(dose, lungs),
        _mean(dose, lungs, density),
        None if without is None else _mean(dose, without),
        None if without is None else _mean(dose, without, density),
    )


def _in_box(density: DensityMap | OwnDensity, box: Box) -> NDArray[Any]:
    """Densities in a box."""
    return density.within(box) if isinstance(density, OwnDensity) else density.array[box]


def _mean(dose: DoseMap, mask: Mask, density: DensityMap | OwnDensity | None = None) -> float:
    """Mean dose over a region, by volume or by mass [Gy]."""
    weights = mask.array[mask.box].astype(np.float64)
    if density is not None:
        weights *= _in_box(density, mask.box)
    return float(np.vdot(dose.array[mask.box], weights) / weights.sum())
