"""All settings of a study, as a TOML case file holds them; command-line options are laid over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from y90voxel.case.patient_settings import PatientSettings
from y90voxel.case.plan_settings import PlanSettings
from y90voxel.case.setting_types import (
    Activity,
    Fraction,
    Group,
    Positive,
    Time,
    parse_share,
    parse_shunt,
    positive,
)
from y90voxel.case.uncertainty_settings import DeadTimeSettings, PartialVolumeSettings, UncertaintySettings
from y90voxel.errors import InputError
from y90voxel.regions.roles import Role

__all__ = ["StudySettings", "load_settings", "merge", "read_case_file"]


# Settings that name a file.
NAMED_FILES = (("partial_volume", "recovery"), ("dead_time", "curve"))


def _density(value: Any) -> Any:
    """Accept a density in g/mL, or ``ct``."""
    return "ct" if isinstance(value, str) and value.strip().lower() == "ct" else float(value)


def _grid(value: Any) -> Any:
    """Accept emission, ct, or a voxel size in mm."""
    if isinstance(value, str) and value.strip().lower() in ("emission", "ct"):
        return value.strip().lower()
    return float(value)


class AdministrationSettings(Group):
    """What was given, when, and where it went."""

    nuclide: str = "Y-90"
    activity: Activity | None = None
    activity_time: Time | None = None
    residual: Activity | None = None
    residual_time: Time | None = None
    lung_shunt_fraction: (
        Annotated[float | Literal["spect", "planar"], BeforeValidator(parse_shunt)] | None
    ) = None
    time: Time | None = None
    time_zone: str | None = None
    device: Literal["glass", "resin", "ho166"] | None = None


class InjectionSettings(Group):
    """One of several injections; what is absent comes from the administration table."""

    activity: Activity | None = None
    activity_time: Time | None = None
    residual: Activity | None = None
    residual_time: Time | None = None
    lung_shunt_fraction: (
        Annotated[float | Literal["spect", "planar"], BeforeValidator(parse_shunt)] | None
    ) = None
    time: Time | None = None
    emission_series: str | None = None
    territory: str | None = None


class DoseSettings(Group):
    """How counts become activity and activity becomes dose."""

    calibration: Literal["relative", "absolute", "factor"] | None = None
    calibration_region: Literal["liver", "liver+lungs", "body", "fov"] = "liver"
    calibration_factor: Positive | None = None
    acquisition_duration_s: Positive | None = None
    dose_constant_gy_kg_per_gbq: Positive | None = None
    engine: Literal["local", "convolution", "density", "monte-carlo"] = "convolution"
    liver_density: Annotated[float | Literal["ct"], BeforeValidator(_density)] = 1.05
    register_: Annotated[Literal["refuse", "trust", "align"], Field(alias="register")] = "refuse"
    density_calibration: list[tuple[float, float]] | None = None
    grid: Annotated[float | Literal["emission", "ct"], BeforeValidator(_grid)] = "emission"
    dome_margin_mm: Positive = 20.0


class RegionSettings(Group):
    """What the regions mean, and whether lungs and body are segmented from CT where none is drawn."""

    roles: dict[str, str] = Field(default_factory=dict)
    automatic: bool = True
    isocontour: dict[Literal["tumour", "perfused"], Fraction] = Field(default_factory=dict)


class LungSettings(Group):
    """Whether the lung dose is computed by the other engines too; absent: with density and Monte Carlo only."""

    compare_methods: bool | None = None


class MonteCarloSettings(Group):
    """How long the Monte Carlo engine runs."""

    histories: Annotated[int, AfterValidator(positive)] | None = None
    target_uncertainty: Annotated[float, BeforeValidator(parse_share)] | None = None
    seed: int = 0
    time_limit_s: Positive | None = None


class SeriesSettings(Group):
    """Which series to use when several fit: SeriesInstanceUID or a unique prefix."""

    emission: str | None = None
    ct: str | None = None
    regions: str | None = None


class RadiobiologySettings(Group):
    """Linear-quadratic parameters of one role; nothing has a default."""

    alpha_beta_gy: Positive
    repair_half_time_h: Positive
    alpha_per_gy: Positive | None = None


class OutputSettings(Group):
    """What is written."""

    report: bool = True
    uncertainty: bool = False
    pdf: bool = False
    anonymise: bool = False
    label: str | None = None


class StudySettings(Group):
    """Everything that can be said about a study besides its files."""

    administration: AdministrationSettings = AdministrationSettings()
    injection: list[InjectionSettings] = Field(default_factory=list)
    dose: DoseSettings = DoseSettings()
    monte_carlo: MonteCarloSettings = MonteCarloSettings()
    regions: RegionSettings = RegionSettings()
    lung: LungSettings = LungSettings()
    series: SeriesSettings = SeriesSettings()
    radiobiology: dict[Role, RadiobiologySettings] = Field(default_factory=dict)
    uncertainty: UncertaintySettings = UncertaintySettings()
    partial_volume: PartialVolumeSettings = PartialVolumeSettings()
    dead_time: DeadTimeSettings | None = None
    output: OutputSettings = OutputSettings()
    patient: PatientSettings | None = None
    plan: PlanSettings = PlanSettings()

    def as_dict(self) -> dict[str, Any]:
        """Return the settings for JSON, without what was left at None."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


def load_settings(case_file: Path | None = None, options: Mapping[str, Any] | None = None) -> StudySettings:
    """Return the settings of a case file with options laid over them.

    Parameters
    ----------
    case_file : Path or None
        A TOML file.
    options : mapping or None
        Nested as in the file; None values are left out.

    Raises
    ------
    InputError
        If the file cannot be read or parsed, or a key or value is not understood; the message names it.
    """
    raw = {} if case_file is None else read_case_file(case_file)
    try:
        return StudySettings.model_validate(merge(raw, options or {}))
    except ValidationError as error:
        raise InputError(_explain(error), file=case_file, tag=_key(error.errors()[0]["loc"])) from error


def read_case_file(path: str | Path) -> dict[str, Any]:
    """Return what a case file says, not yet checked; files that it names lie beside it.

    Raises
    ------
    InputError
        If it cannot be read or parsed.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the case file {path} cannot be read: {error}.", file=path) from error
    for table, key in NAMED_FILES:
        group = raw.get(table)
        if isinstance(group, dict) and isinstance(group.get(key), str):
            group[key] = str(Path(path).parent / group[key])
    return raw


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over`` laid over it, table by table; None leaves a value alone.

    Examples
    --------
    >>> merge({"dose": {"engine": "local", "grid": 4.0}}, {"dose": {"engine": "convolution", "grid": None}})
    {'dose': {'engine': 'convolution', 'grid': 4.0}}
    """
    result = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping):
            known = result.get(key)
            merged = merge(known if isinstance(known, Mapping) else {}, value)
            if merged:
                result[key] = merged
        elif value is not None:
            result[key] = value
    return result


def _key(location: tuple[int | str, ...]) -> str:
    """The dotted key of a setting, without the branches of a union."""
    return ".".join(
        str(part) for part in location if part not in ("float", "str") and not str(part).startswith("literal")
    )


def _explain(error: ValidationError) -> str:
    """One paragraph for all that was wrong with the settings."""
    parts = []
    for detail in error.errors():
        key, kind = _key(detail["loc"]), detail["type"]
        if kind == "extra_forbidden":
            parts.append(f"{key} is not a setting")
        else:
            message = detail["msg"].removeprefix("Value error, ").rstrip(".")
            parts.append(f"{key} = {detail['input']!r}: {message}")
    return "the settings cannot be used: " + "; ".join(dict.fromkeys(parts)) + "."
