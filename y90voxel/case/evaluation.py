"""What a dose calculation found: maps, histograms, metrics, limits, warnings and where it all came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from y90voxel.case.case import Case
from y90voxel.case.checked_engine import EngineCheck
from y90voxel.case.engine_decision import EngineDecision
from y90voxel.case.evaluation_view import evaluation_dataset, evaluation_frame, evaluation_html
from y90voxel.case.focal_doses import FocalDose
from y90voxel.case.lung_methods import LungMethod
from y90voxel.case.region_histograms import RegionHistograms
from y90voxel.case.reporting_items import reporting_items
from y90voxel.case.territory_doses import TerritoryDoses, artery_summary
from y90voxel.clinical.limits import LimitResult
from y90voxel.clinical.organ_doses import organ_doses, organ_rows
from y90voxel.errors import Notice
from y90voxel.immune.immune_report import ImmuneReport
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_bands import DvhBand
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.microscale.microscale_report import MicroscaleReport
from y90voxel.quantification.calibration_spread import CalibrationSpread
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, limiting_convention
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap

__all__ = ["VOXEL_BY_MASS", "Evaluation", "LungDose", "UncertaintyReport", "limiting_lung_dose"]

SCHEMA_VERSION = 2  # of ``metrics.json``; goes up when a key changes its meaning
# What limits refer to where no shunt is known: the map's mass-weighted mean.
VOXEL_BY_MASS = "voxel-by-mass"


@dataclass(frozen=True)
class LungDose:
    """The lung, by every convention; the attributes are the keys of ``metrics.json``.

    The doses by MIRD have those of their convention too: ``mean_mird_1kg_gy``, ``mean_mird_ct_gy``.

    Parameters
    ----------
    shunt_fraction : float or None
        Lung shunt fraction.
    shunt_source : str
        given, spect, planar, planar-left or none.
    shunt_error : float or None
        Standard uncertainty of a measured shunt, where it is known.
    mird_gy : mapping of str to (float or None)
        K A L / M by the key of every convention [Gy].
    ct_mass_g : float or None
        Mass of the whole lungs by CT on its own grid [g], as the region's ``whole_mass_g``; its ``mass_g`` where shapes are
        not known.
    fraction_in_fov : float or None
        How much of the lungs the image sees.
    mean_voxel_gy, mean_voxel_without_dome_gy : float or None
        Volume-weighted voxel means, all lung and without the margin at the dome [Gy].
    mass_weighted_mean_voxel_gy : float or None
        Mass-weighted voxel mean [Gy].
    dome_margin_mm : float
        The margin [mm].
    by_method : tuple of LungMethod
        MIRD and the dose engines side by side.
    reliable : bool
        False where CT and contours show different breathing positions.
    """

    shunt_fraction: float | None
    shunt_source: str
    mird_gy: Mapping[str, float | None]
    ct_mass_g: float | None
    fraction_in_fov: float | None
    mean_voxel_gy: float | None
    mean_voxel_without_dome_gy: float | None
    mass_weighted_mean_voxel_gy: float | None
    dome_margin_mm: float
    by_method: tuple[LungMethod, ...] = ()
    reliable: bool = True
    shunt_error: float | None = None

    __repr__ = short_repr

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes for JSON."""
        values: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            values |= self._mird_by_name() if name == "mird_gy" else {name: getattr(self, name)}
        return {**values, "by_method": [row.as_dict() for row in self.by_method]}

    @property
    def limiting_mird_gy(self) -> float | None:
        """The dose by the convention that limits refer to [Gy]."""
        return self.mird_gy.get(limiting_convention().key)

    def _mird_by_name(self) -> dict[str, float | None]:
        """The doses by MIRD under the names that they are written with."""
        return {row.dose_key: self.mird_gy.get(row.key) for row in LUNG_CONVENTIONS}

    if not TYPE_CHECKING:  # types are for the attributes above

        def __getattr__(self, name: str) -> float | None:
            """Return the dose by MIRD that is written under a name [Gy]."""
            if name in {row.dose_key for row in LUNG_CONVENTIONS}:
                return self._mird_by_name()[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


@dataclass(frozen=True, eq=False)
class UncertaintyReport:
    """What is uncertain, and the histograms that follow.

    Parameters
    ----------
    inputs : mapping
        Standard uncertainties and settings of the sampling.
    bands : mapping of str to DvhBand
        By region name.
    statement : tuple of str
        What the bands hold and what they do not, a sentence each.
    """

    inputs: Mapping[str, Any]
    bands: Mapping[str, DvhBand]
    statement: tuple[str, ...]

    __repr__ = short_repr

    def as_dict(self) -> dict[str, Any]:
        """Return inputs and statement for JSON; bands have a file of their own."""
        return {"inputs": dict(self.inputs), "statement": list(self.statement)}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `verify`.

    Parameters
    ----------
    case : Case
        What was computed.
    engine : str
        Which engine computed it.
    dose : DoseMap
        Absorbed dose [Gy].
    activity : ActivityMap
        Activity at administration [Bq per voxel].
    density : DensityMap
        Mass density used [g/mL].
    density_sources : mapping
        Where each part's density came from.
    energy_per_activity_j_per_gbq : float
        Energy emitted per administered activity that the engine used [J/GBq].
    net_activity_bq, map_activity_bq : float
        Administered, and in the whole map [Bq].
    regions : tuple of RegionMetrics
        Drawn regions first, derived ones after.
    lung : LungDose
        The lung by every convention.
    limits : tuple of LimitResult
        Limits of the device.
    notices : tuple of Notice
        Every assumption and oddity.
    provenance : mapping
        Version, inputs, kernel, settings, times.
    uncertainty : UncertaintyReport or None
        Where it was asked for.
    partial_volume : mapping or None
        What corrected numbers were made with, where they were asked for.
    calibration_spread : CalibrationSpread or None
        What other calibration regions would have made of the counts.
    own_densities : mapping of str to OwnDensity
        Density of each region's own tissue by name, where it is not that of its voxels.
    arteries : tuple of TerritoryDoses
        Every injection with its territory, where one scan follows several.
    foci : tuple of FocalDose
        Foci of uptake outside lungs and liver, those with the most counts first.
    immune : ImmuneReport or None
        Blood, lymphocytes and time to immunotherapy, where they were asked for; exploratory.
    microscale : MicroscaleReport or None
        Expected dose between microspheres, where it was asked for.
    engine_check : EngineCheck or None
        What the exact engine would change, where it was asked for.
    histograms : RegionHistograms or None
        By region name, as they were computed with the dose. `dvh` computes what is not among them, and what is of another
        dose: a copy with another dose, density or regions may carry them.
    """

    case: Case
    engine: str
    dose: DoseMap
    activity: ActivityMap
    density: DensityMap
    density_sources: Mapping[str, str]
    energy_per_activity_j_per_gbq: float
    net_activity_bq: float
    map_activity_bq: float
    regions: tuple[RegionMetrics, ...]
    lung: LungDose
    limits: tuple[LimitResult, ...]
    notices: tuple[Notice, ...]
    provenance: Mapping[str, Any]
    uncertainty: UncertaintyReport | None = None
    partial_volume: Mapping[str, Any] | None = None
    calibration_spread: CalibrationSpread | None = None
    own_densities: Mapping[str, OwnDensity] = field(default_factory=dict, repr=False)
    arteries: tuple[TerritoryDoses, ...] = ()
    foci: tuple[FocalDose, ...] = ()
    immune: ImmuneReport | None = None
    microscale: MicroscaleReport | None = None
    engine_check: EngineCheck | None = None
    histograms: RegionHistograms | None = field(default=None, repr=False)

    __repr__ = short_repr

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Every assumption and oddity, as `notices`."""
        return self.notices

    @property
    def bands(self) -> Mapping[str, DvhBand]:
        """Bands of the histograms by region name; empty where uncertainties were not asked for."""
        return {} if self.uncertainty is None else self.uncertainty.bands

    def with_notices(self, *notices: Notice) -> Evaluation:
        """Return the same result with more to be said about it, each thing once."""
        return replace(self, notices=tuple(dict.fromkeys((*self.notices, *notices))))

    def region(self, name: str) -> RegionMetrics:
        """Return the metrics of the region with that name.

        Raises
        ------
        RegionError
            If there is none; the message lists the names.
        """
        self.case.regions[name]  # raises with the list of names
        return next(metrics for metrics in self.regions if metrics.name == name)

    def dvh(self, name: str) -> DoseVolumeHistogram:
        """Return the exact dose-volume histogram of a region.

        Raises
        ------
        RegionError
            If there is no region of that name.
        """
        region = self.case.regions[name]  # raises with the list of names
        if self.histograms is not None:
            histogram = self.histograms.of(self.dose, self.density, region)
            if histogram is not None:
                return histogram
        own = self.own_densities.get(name, self.density)
        return DoseVolumeHistogram.from_dose(self.dose, region.mask, own)

    @property
    def shrink(self) -> dict[str, float]:
        """By what distances from the mean shrink without noise, of regions that halves of the image correct."""
        return {m.name: m.noise.shrink for m in self.regions if m.noise and m.noise.shrink}

    @property
    def organs(self) -> dict[str, tuple[Role, float]]:
        """Mass-weighted mean doses of organs outside liver and lungs by region name, each with its role [Gy]."""
        return organ_doses(
            {
                m.name: (
                    Role(m.role),
                    m.mean_gy if m.mass_weighted_mean_gy is None else m.mass_weighted_mean_gy,
                )
                for m in self.regions
            },
            {limit.region for limit in self.limits},
        )

    def main_histograms(self) -> dict[str, DoseVolumeHistogram]:
        """Return the histograms that figures show, by name: all regions but the body, and nothing twice.

        Left and right lung are shown as the lungs, a single tumour as itself and not once more as all tumours.
        """
        regions = self.case.regions
        hidden = {Role.BODY}
        if regions.with_role(Role.LUNGS):
            hidden.add(Role.LUNG)
        if len(regions.with_role(Role.TUMOUR)) < 2:
            hidden.add(Role.TUMOURS)
        return {region.name: self.dvh(region.name) for region in regions if region.role not in hidden}

    def to_pandas(self) -> Any:
        """Return the metrics as a ``pandas.DataFrame``, one row a region; see `y90voxel.case.evaluation_view`."""
        return evaluation_frame(self)

    def to_xarray(self) -> Any:
        """Return maps and regions as an ``xarray.Dataset``; see `y90voxel.case.evaluation_view`."""
        return evaluation_dataset(self)

    def _repr_html_(self) -> str:
        """Show the result in a notebook."""
        return evaluation_html(self)

    @property
    def engine_decision(self) -> EngineDecision:
        """Which engine was asked for, which one ran, and why."""
        decision = self.case.engine_decision
        if decision is not None and decision.name == self.engine:
            return decision
        return EngineDecision(self.engine, self.engine, "given by the caller")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``."""
        calibration = self.case.calibration
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "dose",
            "study": {"label": self.case.label, "study_instance_uid": self.case.study_instance_uid},
            "patient": None if self.case.patient is None else self.case.patient.as_dict(),
            "nuclide": self.case.nuclide,
            "predicted": self.case.predicted,
            "engine": self.engine,
            "engine_requested": self.engine_decision.requested,
            "engine_reason": self.engine_decision.reason,
            "engine_check": None if self.engine_check is None else self.engine_check.as_dict(),
            "energy_per_activity_j_per_gbq": self.energy_per_activity_j_per_gbq,
            "activity_bq": self.net_activity_bq,
            "map_activity_bq": self.map_activity_bq,
            "map_over_net": self.map_activity_bq / self.net_activity_bq,
            "arteries": artery_summary(self.arteries),
            "focal_uptake": [one.as_dict() for one in self.foci],
            "calibration": {
                "mode": calibration.mode.value,
                "region": calibration.region.value if calibration.mode.value == "relative" else None,
                **({} if self.calibration_spread is None else self.calibration_spread.as_dict()),
            },
            "density": dict(self.density_sources),
            "hepatic_reserve": self.case.regions.hepatic_reserve,
            "lung": self.lung.as_dict(),
            "regions": [region.as_dict() for region in self.regions],
            "partial_volume": None if self.partial_volume is None else dict(self.partial_volume),
            "uncertainty": None if self.uncertainty is None else self.uncertainty.as_dict(),
            "immune": None if self.immune is None else self.immune.as_dict(),
            "microscale": None if self.microscale is None else self.microscale.as_dict(),
            "limits": [
                {
                    "name": result.limit.name,
                    "region": result.region,
                    "sense": result.limit.sense.value,
                    "value_gy": result.value_gy,
                    "limit_gy": result.limit.value_gy,
                    "status": result.status,
                    "reason": result.reason or None,
                    "source": result.limit.source,
                }
                for result in self.limits
            ]
            + organ_rows(self.organs),
            "reporting": [item.as_dict() for item in reporting_items(self)],
            "warnings": [{"code": notice.code, "message": notice.message} for notice in self.notices],
            "provenance": dict(self.provenance),
        }


def limiting_lung_dose(lung: LungDose, case: Case) -> tuple[str | None, float | None]:
    """Return the key of the convention whose lung dose limits refer to, and that dose [Gy]; None without either.

    MIRD where a shunt is known, by the convention that limits were set with, else the map's mass-weighted mean
    (`VOXEL_BY_MASS`) where every emission image sees both lungs whole.

    Parameters
    ----------
    lung : LungDose
        The lung by every convention.
    case : Case
        Says what was in view.
    """
    if lung.limiting_mird_gy is not None:
        return limiting_convention().key, lung.limiting_mird_gy
    if case.both_lungs_in_view:
        return VOXEL_BY_MASS, lung.mass_weighted_mean_voxel_gy
    return None, None
