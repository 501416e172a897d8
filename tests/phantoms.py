"""Small synthetic cases that tests share: ellipsoids with known activity on any grid."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from y90voxel.case.case import Case
from y90voxel.case.settings import RadiobiologySettings
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask


def ellipsoid(grid, centre_mm, radii_mm, samples=4):
    """Occupancy of an ellipsoid, by sub-samples."""
    return Mask(_occupancy(grid.shape, grid.affine.tobytes(), centre_mm, radii_mm, samples), grid)


@lru_cache(maxsize=64)
def _occupancy(shape, affine, centre_mm, radii_mm, samples):
    grid = Grid(shape, np.frombuffer(affine).reshape(4, 4))
    total = np.zeros(shape)
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    index = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij"), axis=-1)
    reach = np.abs(grid.affine[:3, :3]).sum(
        axis=1
    )  # mm: no point of a voxel is further from its centre along any axis
    near = (((grid.index_to_lps(index) - centre_mm) / (np.asarray(radii_mm) + reach)) ** 2).sum(axis=-1) <= 1
    base = index[near]
    for shift in np.array(np.meshgrid(steps, steps, steps)).reshape(3, -1).T:
        points = grid.index_to_lps(base + shift)
        total[near] += (((points - centre_mm) / radii_mm) ** 2).sum(axis=-1) <= 1
    return total / samples**3


def liver_case(
    grid=None,
    *,
    activity_bq=2e9,
    shunt=0.05,
    shunt_source="given",
    calibration=None,
    lungs=True,
    emission=None,
    tumour_to_normal=5.0,
    outside_counts=0.0,
    administration=None,
    **facts,
):
    """A liver with one tumour (and two lungs above it) whose counts are their activity."""
    grid = grid or Grid.from_spacing((40, 36, 40), (4.0, 4.0, 4.0), (-80, -70, -80))
    liver = ellipsoid(grid, (0, 0, -25), (55, 45, 40))
    tumour = ellipsoid(grid, (15, 5, -30), (14, 14, 14))
    drawn = [Region("Liver", Role.LIVER, liver), Region("GTV1", Role.TUMOUR, tumour)]
    counts = 10.0 * (liver.array + (tumour_to_normal - 1) * tumour.array)
    if lungs:
        for name, x in (("Lung_R", -35), ("Lung_L", 35)):
            lung = ellipsoid(grid, (x, 0, 40), (28, 35, 22))
            drawn.append(Region(name, Role.LUNG, lung))
            counts = counts + 1.0 * lung.array
    counts = counts + outside_counts
    emission = emission or EmissionImage(CountMap(counts, grid), "NM", "Tc-99m", predicted=True)
    administration = administration or Administration(
        activity_bq=activity_bq, lung_shunt_fraction=shunt, shunt_source=shunt_source
    )
    case = Case(
        label="phantom",
        injections=(Injection(emission, administration),),
        regions=Regions(grid, tuple(drawn)),
    )
    return changed(case, calibration=calibration or Calibration(), **facts)


def changed(case, **facts):
    """A case with other fields, or with other settings given as what the case makes of them."""
    dose, lung = {}, {}
    if (calibration := facts.pop("calibration", None)) is not None:
        dose |= {
            "calibration": str(calibration.mode),
            "calibration_region": str(calibration.region),
            "calibration_factor": calibration.factor_cps_per_mbq,
            "acquisition_duration_s": calibration.acquisition_duration_s,
        }
    if (density := facts.pop("density", None)) is not None:
        dose["liver_density"] = "ct" if density.liver_g_per_ml is None else density.liver_g_per_ml
    for name in ("dose_constant_gy_kg_per_gbq", "dome_margin_mm"):
        dose |= {name: facts.pop(name)} if name in facts else {}
    if "compare_lung_methods" in facts:
        lung["compare_methods"] = facts.pop("compare_lung_methods")
    settings = case.settings.changed(dose=dose, lung=lung)
    if (parameters := facts.pop("radiobiology", None)) is not None:
        given = {role: _radiobiology(one) for role, one in parameters.items()}
        settings = settings.model_copy(update={"radiobiology": given})
    return replace(case, settings=settings, **facts)


def _radiobiology(parameters):
    return RadiobiologySettings(
        alpha_beta_gy=parameters.alpha_beta_gy,
        repair_half_time_h=parameters.repair_half_time_s / 3600.0,
        alpha_per_gy=parameters.alpha_per_gy,
        source=parameters.source or None,
    )
