"""The interface of every dose engine, and what a calculation asks of it besides the dose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from y90voxel.errors import Notice
from y90voxel.reference.nuclide import Nuclide
from y90voxel.units import BQ_PER_GBQ
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["BaseEngine", "Engine", "PlainDose", "SimulatedDose", "SimulatingEngine", "answering"]


class Engine(Protocol):
    """Time-integrated activity to absorbed dose: frozen settings and one method.

    This is all that an engine must have. `BaseEngine` holds the answers to everything else that is asked of one.
    """

    @property
    def name(self) -> str:
        """What settings and outputs call it; an attribute of the class will do."""

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy] on the grid of the activity.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel].
        density : DensityMap or None
            Mass density [g/mL] on the same grid; None means the engine's own medium.
        """
        ...


class SimulatedDose(Protocol):
    """What a simulation gives: the dose, how well each region's mean is known, and what has to be said."""

    @property
    def dose(self) -> DoseMap:
        """Absorbed dose with the relative uncertainty of each voxel."""

    @property
    def region_uncertainty(self) -> Mapping[str, float]:
        """Relative standard uncertainty of the mean dose by region name."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the user must know."""


@runtime_checkable
class SimulatingEngine(Protocol):
    """An engine with statistical uncertainty."""

    def simulate(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None = None,
        regions: Mapping[str, Mask] | None = None,
    ) -> SimulatedDose:
        """Return dose, uncertainties of the means of ``regions``, and notices."""


@dataclass(frozen=True, eq=False)
class PlainDose:
    """A `SimulatedDose` of an engine that does not simulate: nothing uncertain, nothing to say.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy].
    region_uncertainty : mapping of str to float
        By region name.
    notices : tuple of Notice
        What the user must know.
    """

    dose: DoseMap
    region_uncertainty: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


class BaseEngine(ABC):
    """An engine with an answer to everything that a calculation asks; each is that of the plainest engine.

    A subclass gives ``name`` and `dose`, and overrides what is different about it.
    """

    name: ClassVar[str]
    # Whether its users asked for the right lung dose, and wait a second for what the other engines would have said.
    wants_comparison: ClassVar[bool] = False
    # Whether it draws histories from the running sum of the activity, which takes maps in double precision.
    draws_histories: ClassVar[bool] = False

    @abstractmethod
    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy], as `Engine.dose`."""

    @property
    def provenance(self) -> Mapping[str, Any] | None:
        """The reference data that the doses come from; None where there is nothing to name."""
        return None

    def energy_per_activity_j_per_gbq(self, record: Nuclide) -> float:
        """Return the electrons' energy per administered activity that it deposits [J/GBq]: the record's."""
        return float(record.energy_per_activity_j_per_bq * BQ_PER_GBQ)

    def emitted_j_per_gbq(self, record: Nuclide) -> float:
        """Return the energy that it could at most deposit [J/GBq]: photons too."""
        electrons = self.energy_per_activity_j_per_gbq(record)
        return electrons * record.mean_total_energy_mev / record.mean_electron_energy_mev

    def caveats(self, lung_or_ct: bool) -> tuple[Notice, ...]:
        """Return where its doses are known to be wrong; ``lung_or_ct`` when a lung is drawn or there is a CT."""
        return ()

    def electrons_only(self) -> Engine | None:
        """Return the engine without its photons; None where their part is not known, or would cost another run."""
        return None

    def complete_dose(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        record: Nuclide,
        regions: Mapping[str, Mask],
    ) -> SimulatedDose:
        """Return all of the dose, with what `dose` leaves out, and how well it is known.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel].
        density : DensityMap
            Mass density [g/mL].
        record : Nuclide
            The nuclide of the case.
        regions : mapping of str to Mask
            Regions whose mean gets its statistical uncertainty, where there is one.

        Raises
        ------
        PhysicsError
            If the engine was made for another nuclide.
        """
        return PlainDose(self.dose(tia, density))


def answering(engine: Engine) -> BaseEngine:
    """Return the engine with an answer to everything; one that only has ``name`` and ``dose`` gets those of `BaseEngine`.

    Of such an engine these attributes are used where it has them: ``simulate`` (`SimulatingEngine`),
    ``dose_constant_gy_kg_per_gbq``, ``kernel.provenance`` or ``provenance``, and ``wants_comparison``.
    """
    return engine if isinstance(engine, BaseEngine) else _PlainEngine(engine)


@dataclass(frozen=True)
class _PlainEngine(BaseEngine):
    """An engine from elsewhere."""

    engine: Engine

    @property
    def wants_comparison(self) -> bool:  # type: ignore[override]
        """As the engine says, else False."""
        return bool(getattr(self.engine, "wants_comparison", False))

    @property
    def draws_histories(self) -> bool:  # type: ignore[override]
        """Whether it simulates."""
        return isinstance(self.engine, SimulatingEngine)

    @property
    def provenance(self) -> Mapping[str, Any] | None:
        """That of its kernel, or its own."""
        return getattr(getattr(self.engine, "kernel", self.engine), "provenance", None)

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the engine's dose [Gy]."""
        return self.engine.dose(tia, density)

    def energy_per_activity_j_per_gbq(self, record: Nuclide) -> float:
        """Return its dose constant, or the record's [J/GBq]."""
        constant = getattr(self.engine, "dose_constant_gy_kg_per_gbq", None)
        return float(constant or super().energy_per_activity_j_per_gbq(record))

    def complete_dose(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        record: Nuclide,
        regions: Mapping[str, Mask],
    ) -> SimulatedDose:
        """Return what it simulates, or its dose."""
        if isinstance(self.engine, SimulatingEngine):
            return self.engine.simulate(tia, density, regions)
        return super().complete_dose(tia, density, record, regions)
