"""The main job: from an emission image and regions to absorbed dose, histograms and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation, LungDose, limiting_lung_dose
from y90voxel.case.focal_doses import focal_doses, focal_notices
from y90voxel.case.grid_error import grid_error_notices, grid_errors
from y90voxel.case.lung_methods import lung_doses_by_method
from y90voxel.case.noise_marks import with_noise_marks
from y90voxel.case.region_histograms import RegionHistograms
from y90voxel.case.region_masses import mass_notices, whole_mass_g
from y90voxel.case.registration_record import registration_record
from y90voxel.case.territory_doses import territory_doses
from y90voxel.case.unused_settings import unused_radiobiology
from y90voxel.clinical.limits import evaluate_limits
from y90voxel.dose.density_map import TissueMap, build_tissue_map
from y90voxel.dose.engine import BaseEngine, Engine, SimulatedDose, answering
from y90voxel.errors import Notice, PhysicsError, RegionError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import RegionMetrics, summarise
from y90voxel.quantification.decay import integrate_over_time
from y90voxel.quantification.lung_measures import exclude_margin, mird_lung_doses
from y90voxel.quantification.lung_view import REFERENCE_LUNG_MASS_G
from y90voxel.quantification.plausibility import check_dose
from y90voxel.quantification.quantify import Quantification, quantify
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ
from y90voxel.version import __version__
from y90voxel.volumes.volume import DensityMap, DoseMap

__all__ = ["verify"]

# Deposited over emitted energy beyond this is a bug (contract: density rounding and the tail stay below it).
ENERGY_TOLERANCE = 1.02

Progress = Callable[[str, float], None]


def verify(
    case: Case,
    engine: Engine,
    progress: Progress | None = None,
    *,
    simulated: SimulatedDose | None = None,
) -> Evaluation:
    """Return the absorbed dose of a case and everything derived from it.

    Parameters
    ----------
    case : Case
        Images, regions, clinical facts and choices.
    engine : Engine
        Turns decays into dose on the grid of the case.
    progress : callable, optional
        Called with what is being done and the finished fraction.
    simulated : SimulatedDose or None
        What the engine gave before for this very case; it is then not asked again.

    Raises
    ------
    InputError
        If the case lacks a fact that its calibration needs.
    PhysicsError
        If the engine does not fit the case, or deposits more energy than was emitted.
    """
    report_progress = progress or (lambda what, done: None)
    started, clock = datetime.now(UTC), time.perf_counter()
    record = nuclide(case.nuclide)
    notices = list(case.notices)
    _check_asked_for(case)
    report_progress("quantifying", 0.0)
    answers = answering(engine)
    quantification = quantify(case, double=answers.draws_histories)
    report_progress("mapping densities", 0.1)
    tissue = build_tissue_map(case.grid, case.regions, case.ct, case.density, case.ct_tissue)
    density = tissue.density
    notices += [*quantification.notices, *tissue.notices, *_region_notices(case.regions)]
    report_progress("computing dose", 0.2)
    tia = integrate_over_time(quantification.activity, record.half_life_s)
    # An engine from elsewhere may divide by what it is given: it gets the densities with their floor.
    crossed = tissue.path if isinstance(engine, BaseEngine) else density
    masks = {region.name: region.mask for region in case.regions}
    result = answers.complete_dose(tia, crossed, record, masks) if simulated is None else simulated
    dose, uncertainty = _checked_dose(result.dose, case, engine.name), result.region_uncertainty
    notices += [*answers.caveats(_may_hold_lung(case)), *result.notices]
    energy_j_per_gbq = answers.energy_per_activity_j_per_gbq(record)
    _check_energy(dose, density, quantification.map_activity_bq, answers.emitted_j_per_gbq(record))
    notices += grid_error_notices(case, grid_errors(case, quantification.activity, dose, tissue, engine.name))
    notices += check_dose(float(dose.array.max()))
    report_progress("evaluating regions", 0.7)
    histograms = {
        r.name: DoseVolumeHistogram.from_dose(dose, r.mask, tissue.own.get(r.name, density))
        for r in case.regions
    }
    notices += mass_notices(case, histograms)
    notices += unused_radiobiology(case.radiobiology, {region.role for region in case.regions})
    metrics = tuple(
        replace(m, relative_uncertainty=uncertainty.get(m.name))
        for m in _metrics(case, histograms, quantification, record)
    )
    lung = _lung(case, dose, tissue, histograms.get("lungs"), quantification, record)
    by_method = lung_doses_by_method(
        case,
        engine,
        dose,
        tissue,
        tia,
        lung.mird_gy,
        lambda other, decays: answering(other).complete_dose(decays, tissue.path, record, {}).dose,
    )
    lung = replace(lung, by_method=by_method)
    doses = {m.name: (Role(m.role), float(m.mass_weighted_mean_gy or 0.0)) for m in metrics}
    limits = evaluate_limits(case.device, doses, limiting_lung_dose(lung, case)[1], case.clinical_context)
    foci = focal_doses(case, dose)
    notices = [*focal_notices(foci, confirmed=case.clinical_context.gastrointestinal_focus), *notices]
    report_progress("evaluated", 1.0)
    evaluation = Evaluation(
        case=case,
        engine=engine.name,
        dose=dose,
        activity=quantification.activity,
        density=density,
        density_sources=tissue.sources,
        own_densities=tissue.own,
        calibration_spread=quantification.spread,
        foci=foci,
        arteries=territory_doses(quantification.arteries, case.regions, dose, density, tissue.own),
        energy_per_activity_j_per_gbq=energy_j_per_gbq,
        net_activity_bq=quantification.net_activity_bq,
        map_activity_bq=quantification.map_activity_bq,
        regions=metrics,
        lung=lung,
        limits=tuple(limits),
        notices=tuple(notices),
        provenance=_provenance(case, engine, started, time.perf_counter() - clock),
        histograms=RegionHistograms(dose, density, case.regions, histograms),
    )
    return with_noise_marks(evaluation)


def _check_asked_for(case: Case) -> None:
    """Refuse a case that asks for the non-tumour liver and has no liver."""
    asked = f"the limits of {case.device}" if case.device else None
    if Role.NON_TUMOUR_LIVER in case.radiobiology:
        asked = "radiobiology.non_tumour_liver"
    if asked is not None and case.regions.mask_of(Role.LIVER) is None:
        names = ", ".join(f"{region.name} ({region.role.value})" for region in case.regions.drawn) or "none"
        raise RegionError(
            f"{asked} ask for the non-tumour liver, but no liver is among the regions: {names}. "
            "Name it with --role 'NAME=liver', or draw it.",
            tag="regions.roles",
        )


def _may_hold_lung(case: Case) -> bool:
    """Whether a lung is drawn, or a CT may show one."""
    return case.regions.mask_of(Role.LUNG) is not None or case.ct is not None


def _check_energy(dose: DoseMap, density: DensityMap, activity_bq: float, energy_j_per_gbq: float) -> None:
    """Refuse a dose map that holds more energy than was emitted."""
    volume_kg_per_density = dose.grid.voxel_volume_ml / 1000.0
    deposited = float(np.vdot(dose.array, density.array)) * volume_kg_per_density
    emitted = activity_bq / BQ_PER_GBQ * energy_j_per_gbq
    if deposited > ENERGY_TOLERANCE * emitted:
        raise PhysicsError(
            f"the dose map holds {deposited:.4g} J, more than {ENERGY_TOLERANCE:g} times the {emitted:.4g} J that the map's "
            "activity emits. This is a bug or a kernel that does not belong to this nuclide: please report it."
        )


def _metrics(
    case: Case, histograms: dict[str, DoseVolumeHistogram], quantification: Quantification, record: Nuclide
) -> tuple[RegionMetrics, ...]:
    """Metrics of every region, drawn and derived."""
    return tuple(
        summarise(
            region,
            histograms[region.name],
            quantification.activity,
            case.radiobiology.get(region.role),
            record.half_life_s,
            whole_mass_g(case, region.name),
        )
        for region in case.regions
    )


def _lung(
    case: Case,
    dose: DoseMap,
    tissue: TissueMap,
    dvh: DoseVolumeHistogram | None,
    quantification: Quantification,
    record: Nuclide,
) -> LungDose:
    """The lung dose by every convention; ``dvh`` is the histogram of both lungs, where they are drawn."""
    shunt = quantification.lung_shunt_fraction
    constant = case.dose_constant_gy_kg_per_gbq or record.dose_constant_gy_kg_per_gbq
    activity_gbq = quantification.net_activity_bq / BQ_PER_GBQ
    lungs = case.regions.mask_of(Role.LUNG)
    ct_mass_g = None if lungs is None or case.ct is None else whole_mass_g(case, "lungs")
    if ct_mass_g is None and lungs is not None and case.ct is not None and dvh is not None:
        ct_mass_g = dvh.mass_g
    whole_kg = None if ct_mass_g is None or not case.both_lungs_in_view else ct_mass_g / 1000.0
    return LungDose(
        shunt_fraction=shunt,
        shunt_source=quantification.shunt_source,
        shunt_error=quantification.shunt_error,
        mird_gy=mird_lung_doses(activity_gbq, shunt, whole_kg, dose_constant_gy_kg_per_gbq=constant),
        ct_mass_g=ct_mass_g,
        fraction_in_fov=None
        if dvh is None
        else min(_fraction_in_view(v, dvh.mass_g or 0.0) for v in case.views),
        mean_voxel_gy=None if dvh is None else dvh.mean_gy,
        mean_voxel_without_dome_gy=None if dvh is None else _mean_without_dome(case, dose),
        mass_weighted_mean_voxel_gy=None if dvh is None else dvh.mass_weighted_mean_gy,
        dome_margin_mm=case.dome_margin_mm,
        reliable=tissue.lungs_agree,
    )


def _mean_without_dome(case: Case, dose: DoseMap) -> float | None:
    """Volume-weighted mean over the lung further than the margin from the liver [Gy]."""
    lungs, liver = case.regions.mask_of(Role.LUNG), case.regions.mask_of(Role.LIVER, Role.TUMOUR)
    if lungs is None or liver is None:
        return None
    lungs_below_dome = exclude_margin(lungs, liver, case.dome_margin_mm)
    return (
        DoseVolumeHistogram.from_dose(dose, lungs_below_dome).mean_gy
        if lungs_below_dome.array.any()
        else None
    )


def _fraction_in_view(regions: Regions, mass_g: float) -> float:
    """Seen share of the lungs: by drawn volume, or against reference mass where the drawing itself is cut."""
    lungs = [region for region in regions.drawn if region.role is Role.LUNG]
    if not lungs:
        return 0.0
    drawn = sum(region.mask.total / region.fraction_in_image for region in lungs)
    seen = sum(region.mask.total for region in lungs) / drawn
    cut_off = any(region.cut_off for region in lungs)
    if not cut_off and (regions.both_lungs_in_view or seen < 1.0):
        return seen
    return min(1.0, mass_g / REFERENCE_LUNG_MASS_G)


def _region_notices(regions: Regions) -> list[Notice]:
    """Say what the regions lack or contradict."""
    notices = _overlap_notices(regions)
    liver = regions.mask_of(Role.LIVER)
    if liver is None:
        names = ", ".join(region.name for region in regions.drawn) or "none"
        notices.append(
            Notice(
                "no-liver", f"no liver is among the regions ({names}): non-tumour liver cannot be reported."
            )
        )
        return notices
    for region in regions.with_role(Role.TUMOUR):
        box = region.mask.box
        excess = np.maximum(region.mask.array[box] - liver.array[box], 0.0).sum(dtype=np.float64)
        outside = float(excess) * regions.grid.voxel_volume_ml
        if outside > 0.02 * region.mask.volume_ml:
            notices.append(
                Notice(
                    "tumour-outside-liver",
                    f"{outside:.1f} mL of {region.name!r} ({100 * outside / region.mask.volume_ml:.0f} %) lie outside "
                    "the liver region.",
                )
            )
    return notices


def _overlap_notices(regions: Regions) -> list[Notice]:
    """Say which tumours overlap, by how much, and how the overlap is counted."""
    shared = regions.shared_by_tumours()
    if not shared:
        return []
    pairs = "; ".join(f"{one!r} and {other!r} {volume:.2f} mL" for (one, other), volume in shared.items())
    drawn = sum(region.mask.volume_ml for region in regions.with_role(Role.TUMOUR))
    (together,) = regions.with_role(Role.TUMOURS)
    return [
        Notice(
            "tumours-overlap",
            f"tumours overlap: {pairs}. Together they are {together.mask.volume_ml:.2f} mL, not {drawn:.2f} mL. All tumours, "
            "normal liver and the masses of a plan count shared volume once; planning models share it out among the "
            "tumours that cover it. Doses by region are those of each tumour as drawn. If one is no tumour of its own, "
            "leave it out (--role 'NAME=other').",
        )
    ]


def _checked_dose(dose: object, case: Case, engine: str) -> DoseMap:
    """What an engine gave, if it is a dose on the dose grid: one from elsewhere may give anything.

    Raises
    ------
    PhysicsError
        If it is no dose map.
    GridMismatchError
        If it lies elsewhere.
    """
    if not isinstance(dose, DoseMap):
        raise PhysicsError(f"the engine {engine!r} gave {type(dose).__name__}, not a DoseMap [Gy].")
    return dose.check_on(case.grid, f"the dose of the engine {engine!r}")


def _provenance(case: Case, engine: Engine, started: datetime, seconds: float) -> dict[str, Any]:
    """Version, inputs, kernel, settings and times."""
    kernel, registration = answering(engine).provenance, registration_record(case)
    return {
        "version": __version__,
        "inputs": [dict(item) for item in case.inputs],
        "kernel": None if kernel is None else dict(kernel),
        **({} if registration is None else {"registration": registration}),
        "settings": case.settings_for_provenance,
        "started": started.isoformat(),
        "seconds": round(seconds, 3),
    }
