"""What a notebook shows of a study."""

import re
from types import SimpleNamespace

import numpy as np

from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.study.study_view import study_html
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage, Mask

GRID = Grid.from_spacing((2, 2, 2), (4.0, 5.0, 5.0))  # 0.8 mL


def rows(**fields):
    image = EmissionImage(CountMap(np.ones((2, 2, 2)), GRID), "NM", "Y-90")
    study = {"emissions": (image,), "ct": None, "planar": None, "drawn": (), "notices": ()} | fields
    cells = re.sub(r"<[^>]*>", " ", study_html(SimpleNamespace(**study)).replace("</tr>", "\n")).splitlines()
    return [" ".join(line.split()) for line in cells]


def test_images_that_are_not_there_are_none():
    shown = rows()
    assert "CT none" in shown
    assert "planar views none" in shown
    told = rows(ct=CtImage(np.zeros((2, 2, 2)), GRID), planar=PlanarImage(np.ones((2, 2)), np.ones((2, 2))))
    assert f"CT {GRID}" in told
    assert "planar views anterior and posterior" in told


def test_regions_are_shown_as_they_were_drawn():
    square = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [4.0, 4.0, 0.0]])
    drawn = (
        DrawnRegion("Liver", Mask(np.ones((2, 2, 2)), GRID)),
        DrawnRegion("GTV", Contours((square, square))),
    )
    shown = " ".join(rows(drawn=drawn))
    assert "Liver mask, 0.8 mL" in shown
    assert "GTV 2 contours" in shown
