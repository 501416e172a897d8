"""What all models of a plan are made from: masses, shunts, limits and goals, and what is stated of the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from y90voxel.clinical.limits import Approach, ClinicalContext
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory
from y90voxel.planning.solver import effective_lung_shunt_fraction
from y90voxel.short_repr import short_repr

__all__ = ["PlanBasis"]


@dataclass(frozen=True)
class PlanBasis:
    """Everything that the models need besides dose maps.

    Parameters
    ----------
    anatomy : Anatomy
        Masses and volumes.
    territories : tuple of Territory, (injections,)
        What each injection reaches.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].
    aims : tuple of DoseAim
        Limits and goals, on regions by name.
    split : tuple of float, (injections,)
        Shares of a total activity for models that do not divide it themselves.
    greatest_gbq : tuple of float, (injections,)
        Greatest net activity of every injection [GBq].
    device : str or None
        Device.
    height_m, weight_kg : float or None
        For the BSA rules.
    perfused_dose_gy : float or None
        Dose of the perfused volume for the single compartment; None takes a goal for it among the aims.
    given_gbq : tuple of float or None, (injections,)
        Activities as given [GBq].
    objective : mapping of str to float
        Weights of the doses to maximise; empty for all tumours together.
    first_model : str or None
        Model whose activity is ordered and shown first; None takes the most detailed one that can be used.
    context : ClinicalContext
        What decides stop rules, and whether a model is recommended.
    """

    anatomy: Anatomy
    territories: tuple[Territory, ...]
    dose_constant_gy_kg_per_gbq: float
    aims: tuple[DoseAim, ...]
    split: tuple[float, ...]
    greatest_gbq: tuple[float, ...]
    device: str | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    perfused_dose_gy: float | None = None
    given_gbq: tuple[float, ...] | None = None
    objective: Mapping[str, float] = field(default_factory=dict)
    first_model: str | None = None
    context: ClinicalContext = field(default_factory=ClinicalContext)

    __repr__ = short_repr

    def aims_for(self, approach: Approach) -> tuple[DoseAim, ...]:
        """Limits and goals that hold for models of an approach."""
        return tuple(aim for aim in self.aims if aim.approach in (None, approach))

    @property
    def lung_shunt_fraction(self) -> float:
        """Shunt of the split."""
        return effective_lung_shunt_fraction(self.split, [t.lung_shunt_fraction for t in self.territories])

    @property
    def missing_for_partition(self) -> str:
        """What partition lacks; empty when nothing."""
        return next((t.missing for t in self.territories if t.missing), "")

    @property
    def constant(self) -> dict[str, float]:
        """The dose constant as formulas take it."""
        return {"dose_constant_gy_kg_per_gbq": self.dose_constant_gy_kg_per_gbq}
