"""The dose constant of a product's own rule beside that of the nuclide, where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from y90voxel.planning.plan_model import PlanModel
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.nuclide import nuclide
from y90voxel.units import BQ_PER_GBQ, JOULE_PER_MEV

__all__ = ["ProductRule", "product_rule"]

# What 60 Gy of the whole treated volume take, as the rule of Ho-166 is printed (see the source of the device).
_RULE_DOSE_GY = 60.0


@dataclass(frozen=True)
class ProductRule:
    """Two dose constants of one product, and the single-compartment activity by each.

    Parameters
    ----------
    product, nuclide : str
        Which.
    rule_j_per_gbq, physics_j_per_gbq : float
        Energy per activity by the product's rule, and of the nuclide's electrons [J/GBq, which is Gy·kg/GBq].
    used_j_per_gbq : float
        What the formulas of this plan use [J/GBq].
    electrons_mev, photons_mev : float
        Mean energies per decay [MeV].
    beyond_electrons_mev : float
        What the rule's constant holds beyond the electrons [MeV per decay].
    dose_gy : float or None
        Mean dose of the treated volume that the activities give [Gy]; None where no single compartment is planned.
    rule_gbq, physics_gbq : float or None
        Net activities by both constants [GBq].
    """

    product: str
    nuclide: str
    rule_j_per_gbq: float
    physics_j_per_gbq: float
    used_j_per_gbq: float
    electrons_mev: float
    photons_mev: float
    beyond_electrons_mev: float
    dose_gy: float | None
    rule_gbq: float | None
    physics_gbq: float | None

    @property
    def why(self) -> str:
        """Why the two differ, in one sentence."""
        per_kg = _RULE_DOSE_GY / self.rule_j_per_gbq
        return (
            f"{self.physics_j_per_gbq:.2f} J/GBq is the energy of the electrons alone ({self.electrons_mev:.4f} MeV per decay); "
            f"the product's rule, {_RULE_DOSE_GY:g} Gy for {per_kg:.2f} GBq/kg, means {self.rule_j_per_gbq:.2f} J/GBq, "
            f"{1000.0 * self.beyond_electrons_mev:.0f} keV per decay more, as if "
            f"{100.0 * self.beyond_electrons_mev / self.photons_mev:.0f} % of the photons' energy stayed too"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``plan.json``."""
        return {
            "product": self.product,
            "rule_j_per_gbq": self.rule_j_per_gbq,
            "physics_j_per_gbq": self.physics_j_per_gbq,
            "used_j_per_gbq": self.used_j_per_gbq,
            "dose_gy": self.dose_gy,
            "activity_by_rule_bq": None if self.rule_gbq is None else self.rule_gbq * BQ_PER_GBQ,
            "activity_by_physics_bq": None if self.physics_gbq is None else self.physics_gbq * BQ_PER_GBQ,
            "why": self.why,
        }


def product_rule(
    device: str | None, models: Sequence[PlanModel], used_gy_kg_per_gbq: float
) -> ProductRule | None:
    """Return the product's constant beside that of the physics; None where the product has none of its own.

    Parameters
    ----------
    device : str or None
        Device.
    models : sequence of PlanModel
        Of the plan; the single compartment gives the activity that is compared.
    used_gy_kg_per_gbq : float
        Dose constant of the plan's formulas [Gy·kg/GBq].
    """
    record = None if device is None else device_record(device)
    if record is None or record.clinical_dose_constant_gy_kg_per_gbq is None:
        return None
    rule, emitter = record.clinical_dose_constant_gy_kg_per_gbq, nuclide(record.nuclide)
    physics = emitter.dose_constant_gy_kg_per_gbq
    j_per_mev = BQ_PER_GBQ * JOULE_PER_MEV / emitter.decay_constant_per_s
    single = next((model for model in models if model.name == "mird" and model.available), None)
    # at one dose the activity goes with the inverse of the constant
    energy = None if single is None or not single.activity_gbq else single.activity_gbq * used_gy_kg_per_gbq
    doses = {} if single is None else single.table.doses_by_role(single.activities_gbq)
    return ProductRule(
        product=record.product,
        nuclide=emitter.name,
        rule_j_per_gbq=rule,
        physics_j_per_gbq=physics,
        used_j_per_gbq=used_gy_kg_per_gbq,
        electrons_mev=emitter.mean_electron_energy_mev,
        photons_mev=emitter.mean_total_energy_mev - emitter.mean_electron_energy_mev,
        beyond_electrons_mev=(rule - physics) / j_per_mev,
        dose_gy=doses.get("perfused"),
        rule_gbq=None if energy is None else energy / rule,
        physics_gbq=None if energy is None else energy / physics,
    )
