"""A phantom whose CT and dose are linear in the patient's coordinates, on an axial grid and on a tilted one."""

import evaluation_factory
import numpy as np

from y90voxel.case.case import Case
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, CtImage, DensityMap, DoseMap, Mask

HU, GY = (20.0, (1.2, -0.9, 0.6)), (250.0, (0.9, -0.5, 0.7))
CENTRE = (-20.0, 15.0, 40.0)


def tilted(grid: Grid) -> Grid:
    """Rows and slices exchanged, columns counted from the left, and all of it turned by 20 and 10 degrees about its centre."""
    (sz, cz), (sx, cx) = ((np.sin(a), np.cos(a)) for a in np.radians((20.0, 10.0)))
    turn = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ grid.affine[:3, [1, 0, 2]] @ np.diag([1, 1, -1])
    shape = (grid.shape[1], grid.shape[0], grid.shape[2])
    centre = grid.index_to_lps((np.array(grid.shape) - 1) / 2)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def linear(points_mm, formula):
    return formula[0] + np.asarray(points_mm) @ np.array(formula[1])


def positions(grid):
    return grid.index_to_lps(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1))


def phantom(grid: Grid, *, ct: bool = True):
    """An evaluation with linear CT and dose, a box called liver and a tumour with a hostile name."""
    places = positions(grid)
    liver = (np.abs(places - CENTRE) < (70, 60, 50)).all(axis=-1).astype(float)
    tumour = (np.abs(places - np.array(CENTRE) - (30, 0, 10)) < (22, 22, 22)).all(axis=-1).astype(float)
    regions = Regions(
        grid,
        (
            Region("Liver", Role.LIVER, Mask(liver, grid)),
            Region("GTV <img src=x onerror=alert(1)>", Role.TUMOUR, Mask(tumour, grid)),
        ),
    )
    ct_grid = Grid.from_spacing((60, 90, 110), (4.0, 2.5, 2.4), np.array(CENTRE) - (131.0, 111.0, 118.0))
    image = CtImage(linear(positions(ct_grid), HU).astype(np.float32), ct_grid) if ct else None
    counts = np.ones(grid.shape)
    injection = Injection(
        EmissionImage(CountMap(counts, grid), "NM", "Tc-99m", predicted=True), Administration(activity_bq=1e9)
    )
    return evaluation_factory._evaluate(
        Case("</script><script>alert(2)</script>", (injection,), regions, image),
        DoseMap(linear(places, GY), grid),
        ActivityMap(5e5 * counts, grid),
        DensityMap(1.04 * counts, grid),
        None,
    )


AXIAL = Grid.from_spacing((48, 50, 56), (4.6, 4.0, 4.0), np.array(CENTRE) - (110.0, 98.0, 108.0))
