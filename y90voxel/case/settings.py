"""All settings of a study, declared once: keys of a case file, options, columns of a manifest and arguments follow."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field

from y90voxel.case.immune_settings import ImmuneSettings
from y90voxel.case.microscale_settings import MicroscaleSettings
from y90voxel.case.patient_settings import PatientSettings
from y90voxel.case.plan_settings import PlanSettings
from y90voxel.case.setting_types import (
    Activity,
    Fraction,
    Group,
    OneOf,
    Positive,
    Setting,
    Time,
    enough_histories,
    parse_share,
    parse_shunt,
    positive,
)
from y90voxel.case.uncertainty_settings import (
    DeadTimeSettings,
    NoiseSettings,
    PartialVolumeSettings,
    UncertaintySettings,
)
from y90voxel.case.validation import validated
from y90voxel.dose.engines import DEFAULT_ENGINE, engine_choices
from y90voxel.errors import InputError, alternatives
from y90voxel.quantification.plausibility import ACCEPTABLE
from y90voxel.reference.devices import known_devices
from y90voxel.reference.nuclide_records import therapy_nuclides
from y90voxel.reference.photon_attenuation import ATTENUATION_PER_CM
from y90voxel.regions.roles import Role

__all__ = ["StudySettings", "load_settings", "merge", "read_case_file"]

# Settings that name a file.
NAMED_FILES = (
    ("partial_volume", "recovery"), ("dead_time", "curve"), ("noise", "halves"), ("plan", "previous"),
)  # fmt: skip
BOTH = ("dose", "plan")
REGISTRATIONS = ("rigid", "deformable")
ALL = ("dose", "plan", "batch")


def _number(value: Any) -> float:
    """Accept a number, or text that is one."""
    if not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _density(value: Any) -> Any:
    """Accept a density in g/mL, or ``ct``."""
    return "ct" if isinstance(value, str) and value.strip().lower() == "ct" else _number(value)


def _grid(value: Any) -> Any:
    """Accept emission, ct, or a voxel size in mm."""
    if isinstance(value, str) and value.strip().lower() in ("emission", "ct"):
        return value.strip().lower()
    return _number(value)


def _register(value: Any) -> Any:
    """Accept ``align``, the name of rigid alignment before there was another."""
    return "rigid" if value == "align" else value


def named_values(
    pairs: list[str], option: str = "--role", example: str = "'Segment 8=tumour'"
) -> dict[str, str]:
    """Return what NAME=VALUE pairs say; a name may hold an equals sign, a value does not.

    Raises
    ------
    InputError
        If there is no equals sign or no name.
    """
    values = {}
    for pair in pairs:
        name, sign, value = pair.rpartition("=")
        if not sign or not name.strip():
            kind = "ROLE=PERCENT" if option == "--isocontour" else "NAME=ROLE"
            raise InputError(f"{option} {pair!r} is not {kind}, such as {option} {example}.", tag=option)
        values[name.strip()] = value.strip()
    return values


def _isocontours(pairs: list[str]) -> dict[str, str]:
    """Isocontour regions from ROLE=PERCENT pairs."""
    return named_values(pairs, "--isocontour", "tumour=40%")


class InjectionFacts(Group):
    """What was given in one injection, when, and where it went."""

    activity: Annotated[
        Activity | None,
        Setting("Vial activity, such as '2.4 GBq'.", "--activity", BOTH, argument="activity_bq"),
    ] = None
    activity_time: Annotated[
        Time | None,
        Setting("When the vial held it, ISO 8601.  [default: at administration]", "--activity-time"),
    ] = None
    residual: Annotated[
        Activity | None,
        Setting("Left in vial and lines, such as '60 MBq'.", "--residual", argument="residual_bq"),
    ] = None
    residual_time: Annotated[
        Time | None, Setting("When the residual was measured, ISO 8601.", "--residual-time")
    ] = None
    net_activity: Annotated[
        Activity | None,
        Setting(
            "Net activity at administration, instead of vial activity and residual.",
            argument="administered_activity_bq",
        ),
    ] = None
    lung_shunt_fraction: Annotated[
        float | Literal["spect", "planar", "planar-left"] | None,
        BeforeValidator(lambda value: None if value is None else parse_shunt(value)),
        Setting(
            "Fraction such as 0.06, or 'spect', 'planar' or 'planar-left' (left lung alone) to measure it.",
            "--lung-shunt",
            BOTH,
        ),
    ] = None
    time: Annotated[Time | None, Setting("Administration time, ISO 8601.", "--time")] = None


class AdministrationSettings(InjectionFacts):
    """What was given, when, and where it went; of several injections, what they share."""

    nuclide: Annotated[
        str, Setting(f"Therapy nuclide: {alternatives(therapy_nuclides())}.", "--nuclide", BOTH)
    ] = "Y-90"
    time_zone: Annotated[
        str | None,
        Setting("Zone of times without one, such as Europe/Berlin or +02:00.", "--time-zone", BOTH),
    ] = None
    device: Annotated[
        Annotated[str, OneOf(known_devices)] | None,
        Setting("{choices}: limits, vials and spheres of the device.", "--device", BOTH),
    ] = None


class InjectionSettings(InjectionFacts):
    """One of several injections; what is absent comes from the administration table."""

    emission_series: Annotated[
        str | None,
        Setting(
            "SeriesInstanceUID (prefix) of this injection's own image; without any, one scan follows all."
        ),
    ] = None
    territory: Annotated[
        str | None,
        Setting(
            "Region that this injection reaches: its counts in a calibration over the liver, its part of one scan."
        ),
    ] = None


class DoseSettings(Group):
    """How counts become activity and activity becomes dose."""

    calibration: Annotated[
        Literal["relative", "absolute", "factor"] | None,
        Setting("relative, absolute (Bq/mL) or factor.", "--calibration"),
    ] = None
    calibration_region: Annotated[
        Literal["liver", "liver+lungs", "body", "fov"],
        Setting("{choices}: whose counts stand for the activity.", "--calibration-region", BOTH),
    ] = "liver"
    calibration_factor: Annotated[
        Positive | None, Setting("Camera factor [cps per MBq].", "--calibration-factor")
    ] = None
    acquisition_duration_s: Annotated[
        Positive | None, Setting("Acquisition duration [s], for 'factor'.", "--acquisition-duration")
    ] = None
    dose_constant_gy_kg_per_gbq: Annotated[
        Positive | None,
        Setting("Dose constant [Gy kg/GBq] of formulas and local deposition.", "--dose-constant", BOTH),
    ] = None
    engine: Annotated[
        str,
        OneOf(engine_choices),
        Setting(
            "{choices}; auto is density where a CT shows the activity, else convolution.", "--engine", ALL
        ),
    ] = DEFAULT_ENGINE
    verify_engine: Annotated[
        int | None,
        AfterValidator(enough_histories),
        Setting("Histories of the exact engine: what it would change, by region.", "--verify-engine"),
    ] = None
    liver_density: Annotated[
        float | Literal["ct"],
        BeforeValidator(_density),
        Setting("g/mL of liver and tumour, or 'ct'.", "--liver-density", BOTH),
    ] = 1.05
    grid: Annotated[
        float | Literal["emission", "ct"],
        BeforeValidator(_grid),
        Setting(
            "emission, ct, or a voxel size in mm (the image's where that one would move activity over outlines).",
            "--grid",
            BOTH,
        ),
    ] = "emission"
    register_: Annotated[
        Literal["refuse", "trust", "rigid", "deformable"],
        Field(alias="register"),
        BeforeValidator(_register),
        Setting(
            "What is done about regions or CT of another frame of reference: {choices} (registers CT to CT; alone the option "
            "means rigid).",
            "--register",
            BOTH,
            metavar="[HOW]",
            bare="rigid",
        ),
        Setting(
            "Take coordinates of other frames of reference as common.",
            "--trust-frames",
            (*BOTH, "dvh"),
            sets="trust",
        ),
    ] = "refuse"
    density_calibration: Annotated[
        list[tuple[float, float]] | None,
        Setting("CT numbers [HU], rising, and densities [g/mL] of the scanner."),
    ] = None
    dome_margin_mm: Annotated[
        Positive,
        Setting(
            "Lung closer to the liver is left out of shunts by SPECT and planar views, and of one lung mean [mm]."
        ),
    ] = 20.0

    @property
    def registration(self) -> str | None:
        """How CTs of two frames of reference are registered; None where they are not."""
        return self.register_ if self.register_ in REGISTRATIONS else None


class RegionSettings(Group):
    """What the regions mean, and whether lungs and body are segmented from CT where none is drawn."""

    roles: Annotated[
        dict[str, str],
        Setting(
            "Role of an ROI or of all that fit a pattern ('HCC*=tumour'); may be repeated.",
            "--role",
            (*BOTH, "dvh"),
            metavar="NAME=ROLE",
            parse=named_values,
        ),
    ] = Field(default_factory=dict)
    isocontour: Annotated[
        dict[Literal["tumour", "perfused"], Fraction],
        Setting(
            "Tumour or perfused volume by threshold of the image, such as tumour=40%; may be repeated.",
            "--isocontour",
            metavar="ROLE=PERCENT",
            parse=_isocontours,
        ),
    ] = Field(default_factory=dict)
    liver_tumours: Annotated[
        Literal["ask", "join", "apart"],
        Setting(
            "Tumours that the liver was drawn without, where it is not clear that they belong to it: {choices}.",
            "--liver-tumours",
            (*BOTH, "dvh"),
        ),
    ] = "ask"
    automatic: Annotated[
        bool,
        Setting("Whether lungs and body are segmented from the CT where none are drawn."),
        Setting("No lungs and body from the CT where none are drawn.", "--no-automatic-regions", sets=False),
    ] = True


class LungSettings(Group):
    """How a planar shunt is corrected; whether other engines compute the lung dose too (absent: with Monte Carlo only)."""

    planar_attenuation_per_cm: Annotated[
        Positive,
        Setting(
            "Effective attenuation of planar views at 1 g/mL [1/cm]; about 0.15 where they are free of scatter."
        ),
    ] = ATTENUATION_PER_CM

    compare_methods: Annotated[
        bool | None,
        Setting(
            "Whether to compute the lung dose by the other engines too.", argument="compare_lung_methods"
        ),
    ] = None


class MonteCarloSettings(Group):
    """How long the engines that simulate run."""

    histories: Annotated[
        int | None,
        AfterValidator(lambda value: None if value is None else positive(value)),
        Setting("Monte Carlo, exact: histories to simulate at most.", "--histories"),
    ] = None
    target_uncertainty: Annotated[
        float | None,
        BeforeValidator(lambda value: None if value is None else parse_share(value)),
        Setting(
            "Monte Carlo, exact: stop at this uncertainty of the tumours' voxels, such as '1%'.",
            "--target-uncertainty",
        ),
    ] = None
    seed: Annotated[
        int, Setting("Monte Carlo, exact and sampled uncertainties: same seed, same result.", "--seed")
    ] = 0
    time_limit_s: Annotated[
        Positive | None, Setting("Monte Carlo, exact: stop after this time [s].", "--time-limit")
    ] = None


class SeriesSettings(Group):
    """Which series to use when several fit: SeriesInstanceUID or a unique prefix."""

    emission: Annotated[
        str | None, Setting("SeriesInstanceUID (prefix) of the emission image.", "--emission-series", BOTH)
    ] = None
    ct: Annotated[str | None, Setting("SeriesInstanceUID (prefix) of the CT.", "--ct-series", BOTH)] = None
    regions: Annotated[
        str | None,
        Setting("SeriesInstanceUID or SOPInstanceUID (prefix) of the regions.", "--regions-series", BOTH),
    ] = None
    acquisition_time: Annotated[
        Time | None,
        Setting(
            "When the image was taken, ISO 8601, where its file cannot say.",
            "--acquisition-time",
            argument="acquisition_time",
        ),
    ] = None
    decay_reference: Annotated[
        Literal["ADMIN", "START", "NONE"] | None,
        Setting(
            "What Bq/mL refer to where the file cannot say: {choices} (administration, start of the series, not corrected).",
            "--decay-reference",
            argument="decay_reference",
        ),
    ] = None


class AcceptSettings(Group):
    """Refusals that are overridden, each by its name; they stay in the notices."""

    codes: Annotated[
        list[Annotated[str, OneOf(lambda: ACCEPTABLE)]],
        Setting(
            "Refusal to override; may be repeated: {choices}.",
            "--accept",
            BOTH,
            metavar="CODE",
            argument="accept",
        ),
    ] = Field(default_factory=list)
    surrogate: Annotated[
        bool,
        Setting(
            "The image stands for the therapy, whatever nuclide its header names.",
            "--surrogate",
            BOTH,
            sets=True,
        ),
    ] = False
    trust_time: Annotated[
        bool,
        Setting("Stated times count although the header contradicts them.", "--trust-time", BOTH, sets=True),
    ] = False


class RadiobiologySettings(Group):
    """Linear-quadratic parameters of one role; nothing has a default."""

    alpha_beta_gy: Annotated[Positive, Setting("alpha over beta [Gy].")]
    repair_half_time_h: Annotated[Positive, Setting("Half-time of repair [h].")]
    alpha_per_gy: Annotated[Positive | None, Setting("alpha [1/Gy], for EUD.")] = None
    source: Annotated[str | None, Setting("Where the numbers come from; stands beside the results.")] = None


class OutputSettings(Group):
    """What is written."""

    uncertainty: Annotated[
        bool,
        Setting(
            "Uncertainties of region means, bands of histograms, intervals of planned activities.",
            "--uncertainty",
            BOTH,
            sets=True,
        ),
    ] = False
    anonymise: Annotated[
        bool, Setting("No patient identity in any output, log or name.", "--anonymise", ALL, sets=True)
    ] = False
    report: Annotated[
        bool,
        Setting("Whether the HTML page and its figures are written."),
        Setting("No HTML page and no figures.", "--no-report", (*ALL, "dvh"), sets=False),
    ] = True
    pdf: Annotated[bool, Setting("A PDF report too.", "--pdf", ALL, sets=True)] = False
    pdf_dicom: Annotated[
        bool,
        Setting(
            "A PDF report, and the same as DICOM object for the archive.",
            "--pdf-dicom",
            ("dose", "batch"),
            sets=True,
        ),
    ] = False
    sr: Annotated[
        bool,
        Setting(
            "DICOM Radiopharmaceutical Radiation Dose SR: what was administered, and organ doses.",
            "--sr",
            ("dose", "batch"),
            sets=True,
        ),
    ] = False
    label: Annotated[str | None, Setting("What the study is called in outputs.", column="label")] = None


class StudySettings(Group):
    """Everything that can be said about a study besides its files."""

    scanner: Annotated[
        Path | None,
        Setting("scanner.toml of `commission`: recovery, calibration, dead time.", "--scanner", BOTH),
    ] = None
    administration: AdministrationSettings = Field(default_factory=AdministrationSettings)
    injection: list[InjectionSettings] = Field(default_factory=list)
    patient: PatientSettings | None = None
    plan: PlanSettings = Field(default_factory=PlanSettings)
    dose: DoseSettings = Field(default_factory=DoseSettings)
    monte_carlo: MonteCarloSettings = Field(default_factory=MonteCarloSettings)
    regions: RegionSettings = Field(default_factory=RegionSettings)
    lung: LungSettings = Field(default_factory=LungSettings)
    series: SeriesSettings = Field(default_factory=SeriesSettings)
    accept: AcceptSettings = Field(default_factory=AcceptSettings)
    radiobiology: dict[Role, RadiobiologySettings] = Field(default_factory=dict)
    uncertainty: UncertaintySettings = Field(default_factory=UncertaintySettings)
    noise: NoiseSettings = Field(default_factory=NoiseSettings)
    partial_volume: PartialVolumeSettings = Field(default_factory=PartialVolumeSettings)
    dead_time: DeadTimeSettings | None = None
    immune: ImmuneSettings = Field(default_factory=ImmuneSettings)
    microscale: MicroscaleSettings = Field(default_factory=MicroscaleSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings for JSON, without what was left at None."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)

    def changed(self, **groups: Mapping[str, Any]) -> Self:
        """Return the settings with fields of groups replaced by values that are valid as they are.

        Examples
        --------
        >>> StudySettings().changed(dose={"grid": 4.0}, lung={"compare_methods": False}).dose.grid
        4.0
        """
        update = {
            name: getattr(self, name).model_copy(update=dict(values)) for name, values in groups.items()
        }
        return self.model_copy(update=update)

    @cached_property
    def injections(self) -> tuple[InjectionFacts, ...]:
        """What was given in every injection; what is absent there comes from the administration table."""
        shared = {name: getattr(self.administration, name) for name in InjectionFacts.model_fields}
        return tuple(
            one.model_copy(
                update={name: value for name, value in shared.items() if getattr(one, name) is None}
            )
            for one in self.injection
        ) or (self.administration,)


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
    return validated(StudySettings, merge(raw, options or {}), case_file)


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
    if "scanner" in raw:
        raw["scanner"] = _beside(Path(path), raw["scanner"])
    for table, key in NAMED_FILES:
        group = raw.get(table)
        if isinstance(group, dict) and key in group:
            group[key] = _beside(Path(path), group[key])
    return raw


def _beside(case_file: Path, named: Any) -> Any:
    """A file, or several, that a case file names: they lie beside it."""
    if isinstance(named, list):
        return [_beside(case_file, one) for one in named]
    return str(case_file.parent / named) if isinstance(named, str) else named


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
            below = result.get(key)
            merged = merge(below if isinstance(below, Mapping) else {}, value)
            if merged:
                result[key] = merged
        elif value is not None:
            result[key] = value
    return result
