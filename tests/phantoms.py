"""Small synthetic cases that tests share: ellipsoids with known activity on any grid."""

from functools import lru_cache

import numpy as np

from y90voxel.case.case import Calibration, Case, Injection
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.emission import EmissionImage
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
    base = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij"), axis=-1)
    for shift in np.array(np.meshgrid(steps, steps, steps)).reshape(3, -1).T:
        points = grid.index_to_lps(base + shift)
        total += (((points - centre_mm) / radii_mm) ** 2).sum(axis=-1) <= 1
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
    return Case(
        label="phantom",
        injections=(Injection(emission, administration),),
        regions=Regions(grid, tuple(drawn)),
        calibration=calibration or Calibration(),
        **facts,
    )
