"""What a plan found: models side by side, masses, shunts, limits, vials, warnings and where it all came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from y90voxel.clinical.limits import LIMITS_VERSION, ClinicalContext, Limit, Sense, evaluate_fraction_limits
from y90voxel.clinical.organ_doses import organ_doses
from y90voxel.clinical.patient import PatientRecord
from y90voxel.errors import InputError, Notice
from y90voxel.metrics.energy_balance import check_dose_constant
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory
from y90voxel.planning.dose_table import LUNGS
from y90voxel.planning.inapplicable_rows import inapplicable_row, organ_limit_rows, row_of_other_models
from y90voxel.planning.plan_basis import PlanBasis
from y90voxel.planning.plan_blood import PlanImmune
from y90voxel.planning.plan_maps import DoseMaps
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_models import combined_shunt, first_model_of
from y90voxel.planning.plan_orders import Order
from y90voxel.planning.plan_radiobiology import planned_model_doses
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.planning.plan_shunt import ShuntMethod
from y90voxel.planning.plan_spheres import PlanMicroscale
from y90voxel.planning.plan_spread import PlanUncertainty
from y90voxel.planning.plan_view import plan_html
from y90voxel.planning.product_rule import ProductRule, product_rule
from y90voxel.planning.stop_rules import Stop
from y90voxel.planning.treatment_day import Delivery, deliver, doses_delivered
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
from y90voxel.reference.devices import check_carries
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.units import BQ_PER_GBQ

__all__ = ["Plan", "PlanFacts"]

# 2: diseases are not assumed to be HCC; statuses of goals that depend on unstated facts; prescription intervals.
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class PlanFacts:
    """What a plan is about, with or without images.

    Parameters
    ----------
    label : str
        What it is called.
    nuclide : str
        Therapy nuclide.
    device : str or None
        Device.
    dose_constant_gy_kg_per_gbq : float
        K of all formulas [Gy·kg/GBq].
    given_gbq : tuple of float or None, (injections,)
        Activities as given [GBq].
    patient : PatientRecord or None
        Clinical facts.
    hepatic_reserve : float or None
        Untreated share of the liver volume.
    study_instance_uid : str or None
        Of the DICOM study.
    dated : bool
        Whether dates may be shown.

    Raises
    ------
    InputError
        If the device carries another nuclide, or the dose constant is more than a factor of two from the nuclide's.
    """

    label: str
    nuclide: str
    device: str | None
    dose_constant_gy_kg_per_gbq: float
    given_gbq: tuple[float, ...] | None = None
    patient: PatientRecord | None = None
    hepatic_reserve: float | None = None
    study_instance_uid: str | None = field(default=None, repr=False)
    dated: bool = True

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_carries(self.device, self.nuclide)
        check_dose_constant(self.dose_constant_gy_kg_per_gbq, self.nuclide)


@dataclass(frozen=True, eq=False)
class Plan:
    """The result of `plan`.

    Parameters
    ----------
    facts : PlanFacts
        What it is about.
    request : PlanRequest
        What was asked.
    context : ClinicalContext
        What decided which limits apply.
    anatomy : Anatomy
        Masses and volumes.
    territories, uncorrected : tuple of Territory, (injections,)
        What every injection reaches, with and without partial-volume correction of the ratios.
    shunts : tuple of ShuntMethod
        The lung shunt by each method.
    models : tuple of PlanModel
        All of them, the ones that cannot be used with their reason.
    orders : tuple of Order
        Vials; empty when no order was asked for.
    inapplicable : tuple of (Limit, str)
        Limits of the device's table that do not apply, each with the reason.
    maps : DoseMaps or None
        Dose of 1 GBq of every injection; None without images.
    notices : tuple of Notice
        Every assumption and oddity.
    provenance : mapping
        Version, inputs, kernel, settings, times.
    basis : PlanBasis
        What all models were made from.
    uncertainty : PlanUncertainty or None
        How well activities and doses are known; None when it was not asked for.
    immune : PlanImmune or None
        Dose to blood by model, where it was asked for; exploratory.
    microscale : PlanMicroscale or None
        Dose between microspheres by model, where it was asked for; exploratory.
    """

    facts: PlanFacts
    request: PlanRequest
    context: ClinicalContext
    anatomy: Anatomy
    territories: tuple[Territory, ...]
    uncorrected: tuple[Territory, ...]
    shunts: tuple[ShuntMethod, ...]
    models: tuple[PlanModel, ...]
    orders: tuple[Order, ...]
    inapplicable: tuple[tuple[Limit, str], ...]
    maps: DoseMaps | None
    notices: tuple[Notice, ...]
    provenance: Mapping[str, Any]
    basis: PlanBasis
    uncertainty: PlanUncertainty | None = None
    immune: PlanImmune | None = None
    microscale: PlanMicroscale | None = None

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        """Show the models in a notebook."""
        return plan_html(self)

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Every assumption and oddity, as `notices`."""
        return self.notices

    def model(self, name: str) -> PlanModel:
        """Return the model of that name.

        Raises
        ------
        InputError
            If there is none; the message lists them.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise InputError(
            f"no planning model is named {name!r}. The models are {', '.join(m.name for m in self.models)}.",
            tag="plan.order.model",
        )

    @property
    def first(self) -> PlanModel:
        """The model that is ordered and shown first: as asked, else the most detailed one that can be used."""
        order = self.request.order
        if order is not None and order.model is not None:
            return self.model(order.model)
        return first_model_of(self.models)

    @property
    def stop(self) -> Stop | None:
        """What forbids any activity; None when nothing does, though single models may have a stop of their own."""
        return self.first.stop

    @property
    def product_rule(self) -> ProductRule | None:
        """The dose constant of the product's own rule beside the nuclide's; None where it has none."""
        return product_rule(self.facts.device, self.models, self.facts.dose_constant_gy_kg_per_gbq)

    @cached_property
    def deliveries(self) -> tuple[Delivery | None, ...]:
        """What was given in every injection, as far as it was measured."""
        days, first = self.request.treatment, self.first
        if not days or not first.available:
            return ()
        if len(days) != len(first.activities_gbq):
            raise InputError(
                f"{len(days)} treatments are described, but there are {len(first.activities_gbq)} injections: give one "
                "[[plan.treatment]] each.",
                tag="plan.treatment",
            )
        half_life_s = nuclide(self.facts.nuclide).half_life_s
        pairs = zip(days, first.activities_gbq, strict=True)
        return tuple(deliver(day, intended, half_life_s) if intended > 0 else None for day, intended in pairs)

    def with_notices(self, *notices: Notice) -> Plan:
        """Return the same plan with more to be said about it, each thing once."""
        return replace(self, notices=tuple(dict.fromkeys((*self.notices, *notices))))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of ``plan.json``."""
        facts, first = self.facts, self.first
        constant = facts.dose_constant_gy_kg_per_gbq
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "plan",
            "study": {"label": facts.label, "study_instance_uid": facts.study_instance_uid},
            "patient": None if facts.patient is None else facts.patient.as_dict(),
            "nuclide": facts.nuclide,
            "predicted": True,
            "device": self._device(),
            "product_rule": None if self.product_rule is None else self.product_rule.as_dict(),
            "engine": None if self.maps is None else self.maps.evaluations[0].engine,
            "engine_requested": None
            if self.maps is None
            else self.maps.evaluations[0].engine_decision.requested,
            "dose_constant_gy_kg_per_gbq": constant,
            "energy_per_activity_j_per_gbq": constant
            if self.maps is None
            else self.maps.evaluations[0].energy_per_activity_j_per_gbq,
            # Where the maps lie, for a comparison with what is delivered; it would lead back to an anonymised study.
            "frame_of_reference_uid": None
            if self.maps is None or not facts.dated
            else self.maps.case.grid.frame_of_reference_uid,
            "context": self._context(),
            "lung": self._lung(),
            "masses": self._masses(),
            "tumour_to_normal": self._ratios(),
            "injections": self._injections(),
            "regions": self._regions(),
            "focal_uptake": self._foci(),
            "first_model": first.name,
            "stop": None if self.stop is None else str(self.stop),
            "models": [self._model(model) for model in self.models],
            "fraction_limits": [
                {
                    "name": result.limit.name,
                    "quantity": result.limit.quantity,
                    "sense": result.limit.sense.value,
                    "value": result.value,
                    "limit": result.limit.value,
                    "status": result.status,
                    "source": result.limit.source,
                }
                for result in evaluate_fraction_limits(
                    facts.device,
                    lung_shunt_fraction=self.lung_shunt_fraction,
                    hepatic_reserve=self.context.hepatic_reserve,
                    scenario=self.context.scenario,
                )
            ],
            "limits_version": LIMITS_VERSION,
            "orders": [order.as_dict(dated=facts.dated) for order in self.orders],
            "treatment": [None if one is None else one.as_dict() for one in self.deliveries],
            "treatment_doses_gy": dict(doses_delivered(first, self.deliveries)),
            "uncertainty": None if self.uncertainty is None else self.uncertainty.as_dict(),
            "residual_fraction": self.request.residual_fraction,
            "immune": None if self.immune is None else self.immune.as_dict(),
            "microscale": None if self.microscale is None else self.microscale.as_dict(),
            "warnings": [{"code": notice.code, "message": notice.message} for notice in self.notices],
            "provenance": dict(self.provenance),
        }

    def of_other_models(self, model: PlanModel) -> list[DoseAim]:
        """Return the limits and goals that hold for models of another approach than one."""
        own_names = {result.aim.name for result in model.results}
        return [aim for aim in self.basis.aims if aim.approach is not None and aim.name not in own_names]

    @property
    def lung_shunt_fraction(self) -> float:
        """Shunt of all injections together, in the split of the first model; the one that forbids a treatment, where one does."""
        if self.stop is not None and self.stop.lung_shunt_fraction is not None:
            return self.stop.lung_shunt_fraction
        return combined_shunt(self.first.activities_gbq, self.territories)

    def _device(self) -> dict[str, Any] | None:
        """The record of the device."""
        if self.facts.device is None:
            return None
        record = device_record(self.facts.device)
        return {
            "name": record.name,
            "product": record.product,
            "activity_basis": record.activity_basis.value,
            "version": record.version,
            "source": record.source,
        }

    def _context(self) -> dict[str, Any]:
        """What decided which limits apply."""
        context = self.context
        return {
            "scenario": context.scenario,
            "disease": context.disease,
            "bilirubin_umol_per_l": context.bilirubin_umol_per_l,
            "bilirubin_class": context.bilirubin_class,
            "hepatic_reserve": context.hepatic_reserve,
            "liver_function": context.liver_function,
            "pretreated": context.pretreated,
            "previous_lung_doses_gy": None
            if context.previous_lung_doses_gy is None
            else list(context.previous_lung_doses_gy),
        }

    def _lung(self) -> dict[str, Any]:
        """Shunt by each method, and masses by both conventions."""
        fraction = None if self.maps is None else self.maps.evaluations[0].lung.fraction_in_fov
        return {
            "shunt_fraction": self.lung_shunt_fraction,
            "methods": [method.as_dict() for method in self.shunts],
            **{row.mass_key: _grams(row.mass_of(self.anatomy.lung_ct_kg)) for row in LUNG_CONVENTIONS},
            "fraction_in_fov": fraction,
        }

    def _masses(self) -> dict[str, Any]:
        """Masses and volumes; perfused and whole liver under their own names."""
        anatomy = self.anatomy
        return {
            "tumours_g": {name: 1000.0 * kg for name, kg in anatomy.tumour_masses_kg.items()},
            "perfused_non_tumour_liver_g": _grams(anatomy.perfused_normal_kg),
            "non_tumour_liver_g": _grams(anatomy.whole_normal_kg),
            "perfused_g": _grams(anatomy.perfused_kg),
            "liver_volume_ml": anatomy.liver_volume_ml,
            "perfused_volume_ml": anatomy.perfused_volume_ml,
            "tumour_volume_ml": anatomy.tumour_volume_ml,
            "tumour_volume_in_perfused_ml": anatomy.tumour_volume_in_perfused_ml,
            "hepatic_reserve": self.context.hepatic_reserve,
        }

    def _ratios(self) -> list[dict[str, Any]]:
        """Tumour-to-normal ratio of every tumour in every injection's map."""
        return [
            {
                "injection": territory.name,
                "tumour": plain.name,
                "mass_g": 1000.0 * plain.mass_kg,
                "ratio": plain.ratio,
                "ratio_corrected": corrected.ratio if plain.name in self.request.recovery else None,
                "recovery": self.request.recovery.get(plain.name),
            }
            for territory, bare in zip(self.territories, self.uncorrected, strict=True)
            for corrected, plain in zip(territory.tumours, bare.tumours, strict=True)
        ]

    def _injections(self) -> list[dict[str, Any]]:
        """What every injection reaches, and what was given."""
        given = self.facts.given_gbq or (None,) * len(self.territories)
        return [
            {
                "name": territory.name,
                "lung_shunt_fraction": territory.lung_shunt_fraction,
                "normal_mass_g": _grams(territory.normal_kg),
                "given_activity_bq": None if activity is None else activity * BQ_PER_GBQ,
            }
            for territory, activity in zip(self.territories, given, strict=True)
        ]

    def organ_doses(self, model: PlanModel) -> dict[str, tuple[Role, float]]:
        """Return the mean doses that the dose maps give organs outside liver and lungs at a model's activity, by name [Gy]."""
        if self.maps is None or not model.available:
            return {}
        rows = self.maps.table.rows
        doses = {row.name: (row.role, row.dose_gy(model.activities_gbq)) for row in rows}
        return organ_doses(doses, {r.aim.region for r in model.results if r.aim.sense is Sense.BELOW})

    def _foci(self) -> list[dict[str, Any]]:
        """Foci of uptake outside lungs and liver, with their dose per activity of the injection whose map shows them."""
        evaluations = [] if self.maps is None else self.maps.evaluations
        return [
            {**one.focus.as_dict(), "gy_per_gbq": one.mean_gy}
            for evaluation in evaluations
            for one in evaluation.foci
        ]

    def _regions(self) -> list[dict[str, Any]]:
        """Dose per activity of every region, injection by injection, by the dose maps."""
        if self.maps is None:
            return []
        metrics_by_name = {metrics.name: metrics for metrics in self.maps.evaluations[0].regions}
        return [
            {
                "name": row.name,
                "role": row.role.value,
                "volume_ml": metrics_by_name[row.name].volume_ml
                if row.name in metrics_by_name and row.name != LUNGS
                else None,
                "mass_g": metrics_by_name[row.name].mass_g
                if row.name in metrics_by_name and row.name != LUNGS
                else None,
                "dose_per_gbq_gy": list(row.gy_per_gbq),
            }
            for row in self.maps.table.rows
        ]

    def _model(self, model: PlanModel) -> dict[str, Any]:
        """The entry of a model, with the doses that the dose maps give its activity."""
        entry = model.as_dict()
        if model.available:
            entry["limits"] += [inapplicable_row(limit, reason) for limit, reason in self.inapplicable]
            entry["limits"] += [row_of_other_models(aim) for aim in self.of_other_models(model)]
            entry["limits"] += organ_limit_rows(self.organ_doses(model))
        entry["voxel_doses_gy"], entry["radiobiology"] = {}, []
        if self.maps is not None and model.available:
            entry["voxel_doses_gy"] = self.maps.table.doses_by_role(model.activities_gbq)
            entry["radiobiology"] = planned_model_doses(self.maps, model.activities_gbq)
        spread = None if self.uncertainty is None else self.uncertainty.models.get(model.name)
        return entry | ({} if spread is None else spread.as_dict())


def _grams(kg: float | None) -> float | None:
    """Kilograms in grams."""
    return None if kg is None else 1000.0 * kg
