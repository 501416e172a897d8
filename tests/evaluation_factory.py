"""A small synthetic evaluation for tests of what comes after the dose: an ellipsoid torso, built without any engine."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import ndimage

from y90voxel.case.case import Case
from y90voxel.case.evaluation import Evaluation, LungDose
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, evaluate_limits
from y90voxel.errors import Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import summarise
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, CtImage, DensityMap, DoseMap, Mask

# name, role, centre and half axes in LPS [mm]
PARTS = (
    ("Liver", Role.LIVER, (-55, -5, 0), (95, 70, 75)),
    ("GTV1", Role.TUMOUR, (-85, -5, 15), (26, 24, 25)),
    ("GTV 2 <script>alert(1)</script>", Role.TUMOUR, (-30, -30, -20), (14, 12, 15)),
    ("Perfused volume", Role.PERFUSED, (-80, 0, 5), (60, 58, 60)),
    ("Lung_R", Role.LUNG, (-80, 5, 135), (55, 75, 80)),
    ("Lung_L", Role.LUNG, (75, 5, 135), (50, 75, 80)),
)
K_GY_KG_PER_GBQ = 49.77


CONTEXT = ClinicalContext(Scenario.BILOBAR, Disease.HCC, bilirubin_umol_per_l=10.0)


def ellipsoid(grid: Grid, centre_mm, half_axes_mm) -> np.ndarray:
    """Occupancy of an ellipsoid on an axial grid, with a soft edge of one voxel."""
    squares = []
    for axis, patient in enumerate((2, 1, 0)):
        places = grid.affine[patient, 3] + grid.affine[patient, axis] * np.arange(grid.shape[axis])
        squares.append(((places - centre_mm[patient]) / half_axes_mm[patient]) ** 2)
    radius = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    edge = min(half_axes_mm) / max(grid.spacing_mm)
    return np.clip(0.5 - (radius - 1.0) * edge, 0.0, 1.0)


def torso_grid(spacing_mm=(5.0, 4.4, 4.4)) -> Grid:
    shape = [round(length / step) for length, step in zip((300, 260, 380), spacing_mm, strict=True)]
    return Grid.from_spacing(shape, spacing_mm, (-188.0, -128.0, -110.0))


def make_regions(grid: Grid) -> Regions:
    masks = {name: ellipsoid(grid, centre, axes) for name, _, centre, axes in PARTS}
    masks["Perfused volume"] = np.minimum(masks["Perfused volume"], masks["Liver"])
    for lung in ("Lung_R", "Lung_L"):
        masks[lung] = np.clip(masks[lung] - masks["Liver"], 0.0, 1.0)
    return Regions(grid, tuple(Region(name, role, Mask(masks[name], grid)) for name, role, _, _ in PARTS))


@lru_cache(maxsize=1)
def make_ct(spacing_mm=(3.0, 2.0, 2.0)) -> CtImage:
    grid = torso_grid(spacing_mm)
    hu = np.full(grid.shape, -1000.0)
    for centre, axes, value in (
        ((0, 0, 40), (175, 118, 400), -90.0),
        ((0, 0, 40), (160, 105, 400), 45.0),
        ((-80, 5, 135), (55, 75, 80), -780.0),
        ((75, 5, 135), (50, 75, 80), -780.0),
        ((0, 75, 40), (18, 18, 400), 260.0),
        ((-55, -5, 0), (95, 70, 75), 105.0),
        ((-85, -5, 15), (26, 24, 25), 85.0),
        ((90, 20, 0), (45, 40, 55), 120.0),
    ):
        part = ellipsoid(grid, centre, axes)
        hu = hu * (1.0 - part) + value * part
    noise = np.random.default_rng(7).normal(0.0, 14.0, grid.shape)
    return CtImage((hu + noise).astype(np.int16), grid)


def make_evaluation(
    *, ct: bool = True, predicted: bool = True, device: str | None = "glass", regions: bool = True
) -> Evaluation:
    """An evaluation whose dose is blurred local deposition; every field is filled."""
    grid = torso_grid()
    placed = make_regions(grid)
    counts = 4.0 * placed["Perfused volume"].mask.array + 0.3 * placed["Liver"].mask.array
    counts = counts + 22.0 * placed["GTV1"].mask.array + 12.0 * placed[PARTS[2][0]].mask.array + 0.02
    counts = ndimage.gaussian_filter(np.random.default_rng(5).poisson(20 * counts).astype(float), 1.1)
    density_array = np.full(grid.shape, 1.04)
    density_array[np.maximum(placed["Lung_R"].mask.array, placed["Lung_L"].mask.array) > 0.5] = 0.26
    density = DensityMap(density_array, grid)
    activity = ActivityMap(counts / counts.sum() * 2.5e9, grid)
    dose = DoseMap(
        activity.array * 1e-9 * K_GY_KG_PER_GBQ / (density_array * grid.voxel_volume_ml * 1e-3), grid
    )
    case = Case(
        label="Patient <7>",
        injections=(
            Injection(
                EmissionImage(CountMap(counts, grid), "NM", "Tc-99m", predicted=predicted),
                Administration(
                    activity_bq=2.4e9, lung_shunt_fraction=0.06, shunt_source="given", device=device
                ),
            ),
        ),
        regions=placed if regions else Regions(grid),
        ct=make_ct() if ct else None,
        study_instance_uid="2.25.1234567890",
    ).changed(dose={"calibration": "relative" if regions else "absolute"})
    return _evaluate(case, dose, activity, density, device)


def _evaluate(
    case: Case, dose: DoseMap, activity: ActivityMap, density: DensityMap, device: str | None
) -> Evaluation:
    metrics = tuple(
        summarise(region, DoseVolumeHistogram.from_dose(dose, region.mask, density), activity, None, None)
        for region in case.regions
    )
    doses = {m.name: (Role(m.role), m.mass_weighted_mean_gy or 0.0) for m in metrics}
    return Evaluation(
        case=case,
        engine="convolution",
        dose=dose,
        activity=activity,
        density=density,
        density_sources={
            "lung": "CT (test curve)",
            "elsewhere": "CT (test curve)",
            "liver": "set to 1.05 g/mL",
            "floor": "0.05 g/mL",
        },
        energy_per_activity_j_per_gbq=K_GY_KG_PER_GBQ,
        net_activity_bq=2.4e9,
        map_activity_bq=2.5e9,
        regions=metrics,
        lung=LungDose(
            0.06, "given", {"mird-1kg": 7.167, "mird-ct": 8.021}, 893.6, 0.74, 2.31, 1.12, 2.05, 20.0
        ),
        limits=tuple(evaluate_limits(device, doses, 7.167, CONTEXT)),
        notices=(
            Notice(
                "lungs-truncated",
                "the lung region 'Lung_R' is truncated: 74.0 % of its drawn volume lies inside the image.",
            ),
            Notice("odd-name", "no role was recognised for: <b>odd & end</b>."),
        ),
        provenance={
            "version": "0.1.0",
            "inputs": [
                {"role": "emission", "series_instance_uid": "1.2.840.99.1", "files": 1, "sha256": "ab12" * 16}
            ],
            "kernel": {"name": "Y-90 in liver", "sha256": "cd34" * 16},
            "settings": {
                "dose": {"engine": "convolution"},
                "administration": {"activity": "2.4 GBq", "lung_shunt_fraction": 0.06},
            },
            "started": "2026-03-02T10:15:30+00:00",
            "seconds": 1.234,
        },
    )


def with_regions(evaluation: Evaluation, regions: Regions) -> Evaluation:
    """The same evaluation with other regions (metrics are not recomputed)."""
    return replace(evaluation, case=replace(evaluation.case, regions=regions))
