"""What items of a standard report need of a result, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from y90voxel.case.case import Case
from y90voxel.clinical.limits import LimitResult
from y90voxel.metrics.summary import RegionMetrics

__all__ = ["ItemStatus", "Reported", "ReportedLungs"]


class ReportedLungs(Protocol):
    """What an item needs of the lungs; see `y90voxel.case.evaluation.LungDose`."""

    @property
    def shunt_fraction(self) -> float | None:
        """Lung shunt, 0 to 1."""

    @property
    def shunt_source(self) -> str:
        """How it was found."""

    @property
    def mird_gy(self) -> Mapping[str, float | None]:
        """MIRD dose by convention [Gy]."""


class Reported(Protocol):
    """What an item needs of a result; see `y90voxel.case.evaluation.Evaluation` for each attribute."""

    @property
    def case(self) -> Case:
        """What was computed."""

    @property
    def engine(self) -> str:
        """Which engine computed it."""

    @property
    def regions(self) -> tuple[RegionMetrics, ...]:
        """Metrics of every region."""

    @property
    def lung(self) -> ReportedLungs:
        """The lungs by every convention."""

    @property
    def limits(self) -> tuple[LimitResult, ...]:
        """Limits held against doses."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Software, inputs, kernel."""

    @property
    def uncertainty(self) -> Any:
        """Uncertainties, where they were asked for."""

    @property
    def partial_volume(self) -> Mapping[str, Any] | None:
        """Corrections, where they were asked for."""

    @property
    def net_activity_bq(self) -> float:
        """Net activity [Bq]."""

    @property
    def map_activity_bq(self) -> float:
        """Activity of the whole map [Bq]."""

    @property
    def energy_per_activity_j_per_gbq(self) -> float:
        """Energy per activity [J/GBq]."""

    @property
    def density_sources(self) -> Mapping[str, str]:
        """Where densities come from."""


@dataclass(frozen=True)
class ItemStatus:
    """Status and words of an item, as in `y90voxel.case.reporting_items.ItemResult`."""

    status: str
    where: str

    @classmethod
    def present(cls, where: str) -> ItemStatus:
        """Stated by the study or the user."""
        return cls("present", where)

    @classmethod
    def derived(cls, where: str) -> ItemStatus:
        """Computed here."""
        return cls("derived", where)

    @classmethod
    def missing(cls, where: str) -> ItemStatus:
        """Not there; ``where`` says how it would come in."""
        return cls("missing", where)

    @classmethod
    def not_asked(cls, where: str) -> ItemStatus:
        """Without meaning for a single therapy with these spheres."""
        return cls("not asked", where)
