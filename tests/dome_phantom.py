"""A liver whose dome rises into a lung, as contours and as a CT of any breathing position."""

import numpy as np

from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.placement import place_regions
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage

# A ball of liver under a lung that its dome rises into; drawn on 2.5 mm planes.
LIVER, DOME = ((0.0, 0.0, -25.0), 45.0), ((0.0, 0.0, 10.0), 50.0)
CT_GRID = Grid.from_spacing((72, 64, 64), (2.5, 2.0, 2.0), (-63.0, -63.0, -88.75))
LUNG_HU, TISSUE_HU = -741.0, 40.0
LUNG_G_PER_ML = float(DensityCalibration().density(np.array([LUNG_HU]))[0])


def ring(centre, radius, z):
    t = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    r = np.sqrt(radius**2 - (z - centre[2]) ** 2)
    return np.column_stack([centre[0] + r * np.cos(t), centre[1] + r * np.sin(t), np.full(t.size, z)])


def ball(centre, radius):
    return [ring(centre, radius, z) for z in CT_GRID.index_to_lps([[k, 0, 0] for k in range(72)])[:, 2]
            if abs(z - centre[2]) < radius - 0.2]  # fmt: skip


def drawn():
    """The liver, and the lung as a ball with the dome cut in by a hole in each plane where it is nothing but an annulus."""
    dome = {float(p[0, 2]): p for p in ball(*LIVER)}
    lung = [p for p in ball(*DOME) if p[0, 2] > -20.0]
    holes = [dome[float(p[0, 2])] for p in lung if float(p[0, 2]) in dome]
    return [
        DrawnRegion("Liver", Contours(tuple(ball(*LIVER)))),
        DrawnRegion("Lungs", Contours((*lung, *holes))),
    ]


def ct(shift_mm=0.0):
    """Lung and tissue, each voxel of the CT the mean over itself; the anatomy shifted along the patient."""
    regions, _ = place_regions(drawn(), CT_GRID)
    lung = regions["Lungs"].mask.array
    moved = np.roll(lung, round(shift_mm / 2.5), axis=0)
    # mean density, then back to the CT number of that density: what a CT of thick voxels shows
    return CtImage(TISSUE_HU + moved * (LUNG_HU - TISSUE_HU), CT_GRID)
