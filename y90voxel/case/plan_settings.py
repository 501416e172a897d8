"""The plan table of a case file: what decides limits, goals, and what is to be ordered."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from y90voxel.case.setting_types import Activity, Fraction, Group, Positive, Time
from y90voxel.clinical.limits import ClinicalContext, Disease, LiverFunction, Scenario
from y90voxel.errors import InputError

__all__ = [
    "AimSettings",
    "AnatomySettings",
    "OrderSettings",
    "PlanSettings",
    "TerritorySettings",
    "aim_from_text",
]

_SCENARIOS = {
    "segmentectomy": Scenario.SEGMENTECTOMY,
    "lobectomy": Scenario.LOBECTOMY,
    "unilobar": Scenario.UNILOBAR,
    "bilobar": Scenario.BILOBAR,
}
_AIM = re.compile(
    r"^\s*(?P<region>.+?)\s+(?P<metric>\S+)\s*(?P<sense><=|>=)\s*(?P<value>[-+\d.eE]+)\s*(?:Gy|%)?\s*$"
)


def _not_negative(value: float) -> float:
    """Refuse what is below zero."""
    if not value >= 0:
        raise ValueError(f"{value} must not be negative")
    return value


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


NotNegative = Annotated[float, AfterValidator(_not_negative)]


class AimSettings(Group):
    """One goal or limit: a metric of a region, and its value."""

    region: str
    metric: str = "mean"
    value: Positive
    name: str | None = None
    previous: NotNegative = 0.0
    source: str = "given"
    parameters: dict[str, float] = Field(default_factory=dict)


class OrderSettings(Group):
    """When spheres are needed and which calibrations are on offer."""

    injection_time: Time
    calibration_times: Annotated[list[Time], Field(min_length=1)]
    greatest_age_h: Positive | None = None
    model: str | None = None
    activity: Activity | None = None


class TumourSettings(Group):
    """A tumour of a plan without images."""

    name: str = "tumour"
    mass_kg: Positive
    ratio: Positive | None = None


class TerritorySettings(Group):
    """What one injection reaches, in a plan without images."""

    name: str = "injection"
    lung_shunt_fraction: Fraction
    tumour: list[TumourSettings] = Field(default_factory=list)
    normal_mass_kg: NotNegative | None = None
    activity: Activity | None = None


class AnatomySettings(Group):
    """Masses and volumes of a plan without images."""

    perfused_normal_mass_kg: NotNegative | None = None
    whole_normal_mass_kg: Positive | None = None
    lung_ct_mass_kg: Positive | None = None
    liver_volume_ml: Positive | None = None
    perfused_volume_ml: Positive | None = None
    tumour_volume_ml: NotNegative | None = None
    tumour_volume_in_perfused_ml: NotNegative | None = None
    tumour: list[TumourSettings] = Field(default_factory=list)
    territory: list[TerritorySettings] = Field(default_factory=list)


class PlanSettings(Group):
    """Everything that planning needs besides images, administration and patient."""

    scenario: Literal["segmentectomy", "lobectomy", "unilobar", "bilobar"] | None = None
    disease: Literal["HCC", "ICC", "mCRC"] = "HCC"
    liver_function: Literal["good", "poor"] | None = None
    previous_lung_doses_gy: list[NotNegative] | None = None
    table_limits: bool = True
    goal: list[AimSettings] = Field(default_factory=list)
    limit: list[AimSettings] = Field(default_factory=list)
    perfused_dose_gy: Positive | None = None
    residual_fraction: Fraction = 0.0
    split: list[Positive] | None = None
    greatest_activity: (
        Annotated[list[Activity], BeforeValidator(lambda v: v if isinstance(v, list) else [v])] | None
    ) = None
    objective: dict[str, Positive] = Field(default_factory=dict)
    recovery: dict[str, Positive] = Field(default_factory=dict)
    order: OrderSettings | None = None
    anatomy: AnatomySettings | None = None

    @property
    def context(self) -> ClinicalContext:
        """What decides which limits apply, to a plan and to a dose calculation alike."""
        previous = self.previous_lung_doses_gy
        return ClinicalContext(
            scenario=None if self.scenario is None else _SCENARIOS[self.scenario],
            disease=Disease(self.disease),
            liver_function=None if self.liver_function is None else LiverFunction(self.liver_function),
            previous_lung_doses_gy=None if previous is None else tuple(previous),
        )
