"""The plan table of a case file: what decides limits, goals, and what is to be ordered."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from y90voxel.bounds import ROUNDING
from y90voxel.case.setting_types import Activity, Fraction, Group, NotNegative, Positive, Setting, Time
from y90voxel.clinical.limits import ClinicalContext, Disease, LiverFunction, Scenario
from y90voxel.errors import InputError

__all__ = [
    "AimSettings",
    "AnatomySettings",
    "OrderSettings",
    "PlanSettings",
    "TerritorySettings",
    "TreatmentSettings",
    "aim_from_text",
]

PLAN = ("plan",)
BOTH = ("dose", "plan")
_AIM = re.compile(
    r"^\s*(?P<region>.+?)\s+(?P<metric>\S+)\s*(?P<sense><=|>=)\s*(?P<value>[-+\d.eE]+)\s*(?:Gy|%)?\s*$"
)


def aim_from_text(text: str, sense: Literal["<=", ">="]) -> dict[str, Any]:
    """Return the table of a goal or limit written like ``GTV1 mean >= 205`` or ``liver D50 <= 40``.

    Raises
    ------
    InputError
        If the text is not of that form, or points the other way.

    Examples
    --------
    >>> aim_from_text("non-tumour liver mean <= 75", "<=")
    {'region': 'non-tumour liver', 'metric': 'mean', 'value': 75.0}
    """
    option = "--limit" if sense == "<=" else "--goal"
    match = _AIM.match(text)
    if match is None or match["sense"] != sense:
        raise InputError(
            f"{option} {text!r} is not REGION METRIC {sense} VALUE, such as {option} 'GTV1 mean {sense} 205'.",
            tag=option,
        )
    return {"region": match["region"], "metric": match["metric"], "value": float(match["value"])}


def _aims(texts: list[str], sense: Literal["<=", ">="]) -> list[dict[str, Any]]:
    """The tables of goals or limits written as text."""
    return [aim_from_text(text, sense) for text in texts]


def _listed(value: Any) -> Any:
    """A single value as a list of one."""
    return value if value is None or isinstance(value, list) else [value]


class AimSettings(Group):
    """One goal or limit: a metric of a region, and its value."""

    region: Annotated[str, Setting("Name or role of the region.")]
    metric: Annotated[str, Setting("mean, D70, V100, max, gEUD, BED, EUD, TCP or NTCP.")] = "mean"
    value: Annotated[Positive, Setting("In the unit of the metric, Gy or %.")]
    name: Annotated[str | None, Setting("What it is, for people; one of the table's replaces that row.")] = (
        None
    )
    previous: Annotated[NotNegative, Setting("What earlier treatments used of it.")] = 0.0
    source: Annotated[str, Setting("Where it comes from.")] = "given"
    parameters: Annotated[dict[str, float], Setting("What the metric needs besides: none has a default.")] = (
        Field(default_factory=dict)
    )


class OrderSettings(Group):
    """When spheres are needed and which calibrations are on offer."""

    injection_time: Annotated[
        Time,
        Setting(
            "When spheres are needed, ISO 8601 with its zone (or --time-zone).", "--injection-time", PLAN
        ),
    ]
    calibration_times: Annotated[
        list[Time],
        Field(min_length=1),
        Setting("A calibration on offer, ISO 8601; may be repeated.", "--calibration-time", PLAN),
    ]
    greatest_age_h: Annotated[Positive | None, Setting("Vials older than this are left out [h].")] = None
    model: Annotated[str | None, Setting("Model whose activity is ordered.", "--order-model", PLAN)] = None
    activity: Annotated[Activity | None, Setting("Net activity to order, in place of a model's.")] = None
    vial_sizes: Annotated[
        list[Activity] | None,
        Field(min_length=1),
        Setting("Sizes at calibration that can be had, in place of the device's."),
    ] = None


class TreatmentSettings(Group):
    """What was measured of one injection on the day of the treatment."""

    assay: Annotated[Activity | None, Setting("Vial as assayed.")] = None
    assay_time: Annotated[Time | None, Setting("When it was assayed, with a zone.")] = None
    time: Annotated[Time | None, Setting("When it was injected, with a zone.")] = None
    residual: Annotated[Activity | None, Setting("Left in vial and lines.")] = None
    residual_time: Annotated[Time | None, Setting("When that was measured, with a zone.")] = None
    reading_before: Annotated[Positive | None, Setting("Survey reading of the vial before.")] = None
    reading_after: Annotated[NotNegative | None, Setting("Survey reading of vial and lines afterwards.")] = (
        None
    )
    reading_background: Annotated[NotNegative, Setting("Survey reading of neither.")] = 0.0
    readings_apart_h: Annotated[NotNegative, Setting("Time between the readings [h].")] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse one survey reading without the other."""
        if (self.reading_before is None) != (self.reading_after is None):
            raise ValueError("reading_before and reading_after belong together; give both")
        return self


def _check_names(names: Sequence[str]) -> None:
    """Refuse two tumours of one name: which mass and ratio hold would not be clear."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"several tumours are called {', '.join(twice)}; give each a name of its own")


class TumourSettings(Group):
    """A tumour of a plan without images."""

    name: Annotated[str, Setting("Which tumour.")] = "tumour"
    mass_kg: Annotated[Positive, Setting("Perfused (viable) mass [kg].")]
    ratio: Annotated[Positive | None, Setting("Tumour-to-normal ratio of concentrations per mass.")] = None


class TerritorySettings(Group):
    """What one injection reaches, in a plan without images."""

    name: Annotated[str, Setting("The injection, for people.")] = "injection"
    lung_shunt_fraction: Annotated[Fraction, Setting("Lung shunt fraction of this injection.")]
    tumour: Annotated[list[TumourSettings], Setting("Tumours within it.")] = Field(default_factory=list)
    normal_mass_kg: Annotated[NotNegative | None, Setting("Normal liver within it [kg].")] = None
    activity: Annotated[Activity | None, Setting("Net activity to judge beside the models.")] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse tumours of one name."""
        _check_names([tumour.name for tumour in self.tumour])
        return self


class AnatomySettings(Group):
    """Masses and volumes of a plan without images."""

    perfused_normal_mass_kg: Annotated[NotNegative | None, Setting("Normal liver that is treated [kg].")] = (
        None
    )
    whole_normal_mass_kg: Annotated[Positive | None, Setting("All normal liver [kg].")] = None
    lung_ct_mass_kg: Annotated[Positive | None, Setting("Lungs from CT [kg].")] = None
    liver_volume_ml: Annotated[Positive | None, Setting("Whole liver, tumours included [mL].")] = None
    perfused_volume_ml: Annotated[Positive | None, Setting("Treated part, tumours included [mL].")] = None
    tumour_volume_ml: Annotated[NotNegative | None, Setting("All tumours [mL].")] = None
    tumour_volume_in_perfused_ml: Annotated[
        NotNegative | None, Setting("All tumours in the treated part [mL].")
    ] = None
    tumour: Annotated[list[TumourSettings], Setting("The tumours.")] = Field(default_factory=list)
    territory: Annotated[list[TerritorySettings], Setting("The injections.")] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse tumours of one name, and what territories say otherwise."""
        _check_names([tumour.name for tumour in self.tumour])
        reached = [tumour for territory in self.territory for tumour in territory.tumour]
        for tumour in self.tumour if len(self.territory) > 1 or reached else ():
            ratios = {other.ratio for other in reached if other.name == tumour.name}
            if tumour.ratio is not None and ratios != {tumour.ratio}:
                there = ", ".join("none" if r is None else f"{r:g}" for r in ratios) or "no such tumour"
                raise ValueError(
                    f"the ratio of {tumour.name} is {tumour.ratio:g} in plan.anatomy.tumour, but the territories, whose ratios "
                    f"are used, have {there}; state it in every [[plan.anatomy.territory]] that reaches the tumour"
                )
        only = self.territory[0].normal_mass_kg if len(self.territory) == 1 else None
        treated = self.perfused_normal_mass_kg
        if only is not None and treated is not None and not math.isclose(only, treated, rel_tol=ROUNDING):
            raise ValueError(
                f"the only injection reaches {only:g} kg of normal liver (normal_mass_kg), but {treated:g} kg are treated "
                "(perfused_normal_mass_kg): these are the same liver; correct one of them"
            )
        return self


class PlanSettings(Group):
    """Everything that planning needs besides images, administration and patient."""

    scenario: Annotated[
        Literal["segmentectomy", "lobectomy", "unilobar", "bilobar"] | None,
        Setting("{choices}: which limits apply.", "--scenario", BOTH),
    ] = None
    disease: Annotated[
        Literal["HCC", "ICC", "mCRC"] | None, Setting("{choices}: which limits apply.", "--disease", BOTH)
    ] = None
    function: Annotated[
        Literal["good", "poor"] | None, Setting("Liver function: {choices}.", "--function", BOTH)
    ] = None
    pretreated: Annotated[
        bool | None,
        Setting("Whether the liver was treated before."),
        Setting("The liver was treated before.", "--pretreated", BOTH, sets=True),
        Setting("The liver was not treated before.", "--not-pretreated", BOTH, sets=False),
    ] = None
    intent: Annotated[
        Literal["ablative", "hypertrophy", "palliative", "bridging"] | None,
        Setting("What the treatment is for: {choices}; recorded, no limit depends on it.", "--intent", BOTH),
    ] = None
    gastrointestinal_focus: Annotated[
        bool,
        Setting("Whether a focus of uptake was confirmed as gastrointestinal: stops the treatment."),
        Setting("A focus of uptake is gastrointestinal: stop.", "--gastrointestinal-focus", PLAN, sets=True),
    ] = False
    liver_function: Annotated[
        Literal["good", "poor"] | None,
        Setting("good (and not pretreated), or poor (also: pretreated).", "--liver-function", BOTH),
    ] = None
    previous_lung_doses_gy: Annotated[
        list[NotNegative] | None,
        Setting("Lung dose of an earlier treatment [Gy]; may be repeated.", "--previous-lung-dose", PLAN),
    ] = None
    previous: Annotated[
        list[str],
        Setting("Folders of earlier treatments (`dose`): lungs and limits given here count them."),
        Setting(
            "Result folder of an earlier treatment, which the lungs' limit and limits given here count; may be repeated.",
            "--previous",
            PLAN,
            metavar="FOLDER",
        ),
    ] = Field(default_factory=list)
    table_limits: Annotated[
        bool,
        Setting("Whether the limits and goals of the device's table hold."),
        Setting("Only the limits given here, not the device's table.", "--no-table-limits", PLAN, sets=False),
    ] = True
    goal: Annotated[
        list[AimSettings],
        Setting(
            "Such as 'GTV1 D70 >= 150'; may be repeated.",
            "--goal",
            PLAN,
            metavar="'REGION METRIC >= VALUE'",
            parse=partial(_aims, sense=">="),
        ),
    ] = Field(default_factory=list)
    limit: Annotated[
        list[AimSettings],
        Setting(
            "Such as 'non-tumour liver mean <= 60'; may be repeated.",
            "--limit",
            PLAN,
            metavar="'REGION METRIC <= VALUE'",
            parse=partial(_aims, sense="<="),
        ),
    ] = Field(default_factory=list)
    perfused_dose_gy: Annotated[
        Positive | None,
        Setting("Dose of the perfused volume for the single compartment [Gy].", "--perfused-dose", PLAN),
    ] = None
    residual_fraction: Annotated[
        Fraction,
        Setting("Share of the vial left in vial and lines.", "--residual-fraction", PLAN),
    ] = 0.0
    split: Annotated[list[Positive] | None, Setting("Shares of the activity, one an injection.")] = None
    greatest_activity: Annotated[
        list[Activity] | None,
        BeforeValidator(_listed),
        Setting("Greatest net activity, of every injection or one for all."),
    ] = None
    objective: Annotated[
        dict[str, Positive], Setting("Weights of the mean doses to maximise, by region.")
    ] = Field(default_factory=dict)
    recovery: Annotated[
        dict[str, Positive], Setting("Recovery coefficients of tumours, for their ratios.")
    ] = Field(default_factory=dict)
    order: OrderSettings | None = None
    treatment: Annotated[
        list[TreatmentSettings], Setting("What was measured on the day of the treatment, one an injection.")
    ] = Field(default_factory=list)
    anatomy: AnatomySettings | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse what contradicts itself."""
        if None not in (self.function, self.liver_function) and self.function != self.liver_function:
            raise ValueError(
                f"function = {self.function} and liver_function = {self.liver_function} contradict each other; give one of them"
            )
        if self.intent == "hypertrophy" and self.scenario not in (None, "lobectomy"):
            raise ValueError(
                f"intent = hypertrophy is for a lobectomy, but scenario = {self.scenario}; correct one of them"
            )
        return self

    @property
    def _pretreated(self) -> bool | None:
        """Whether the liver was treated before; ``liver_function = good`` always meant that it was not."""
        if self.pretreated is None and self.liver_function == "good":
            return False
        return self.pretreated

    @property
    def context(self) -> ClinicalContext:
        """What decides which limits apply, to a plan and to a dose calculation alike."""
        previous, function = self.previous_lung_doses_gy, self.function or self.liver_function
        return ClinicalContext(
            scenario=None if self.scenario is None else Scenario[self.scenario.upper()],
            disease=None if self.disease is None else Disease(self.disease),
            liver_function=None if function is None else LiverFunction(function),
            previous_lung_doses_gy=None if previous is None else tuple(previous),
            pretreated=self._pretreated,
            gastrointestinal_focus=self.gastrointestinal_focus,
            intent=self.intent,
        )
