"""A volume shows itself the right way round, and its xarray says where its voxels lie."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from y90voxel.errors import InputError
from y90voxel.optional import install_command
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CtImage, DoseMap
from y90voxel.volumes.volume_view import along_patient_axes

AXIAL = Grid.from_spacing((4, 5, 6), (5.0, 3.0, 2.0), (-10.0, 20.0, 30.0))


def exchanged(grid):
    """The same voxels: array axes are columns from the left, slices from the head, rows."""
    affine = np.array(grid.affine)
    affine[:3, 3] = grid.index_to_lps((grid.shape[0] - 1, 0, grid.shape[2] - 1))
    affine[:3, :3] = np.stack([-grid.affine[:3, 2], -grid.affine[:3, 0], grid.affine[:3, 1]], axis=1)
    return Grid((grid.shape[2], grid.shape[0], grid.shape[1]), affine)


def tilted(grid):
    angle = np.radians(5)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.array(grid.affine)
    affine[:3, :3] = turn @ affine[:3, :3]
    return Grid(grid.shape, affine)


def pictures(volume):
    found = re.findall("base64,([^']+)", volume._repr_html_())
    return [imread(io.BytesIO(base64.b64decode(data))).mean(axis=-1) for data in found]


@pytest.mark.parametrize("change", [lambda g: g, exchanged])
def test_coordinates_are_patient_coordinates(change):
    grid = change(AXIAL)
    array = np.random.default_rng(3).random(grid.shape)
    found = DoseMap(array, grid).to_xarray()
    assert set(found.dims) == {"x", "y", "z"}
    for index in ((0, 0, 0), (1, 2, 3), tuple(n - 1 for n in grid.shape)):
        x, y, z = grid.index_to_lps(index)
        assert float(found.sel(x=x, y=y, z=z, method="nearest")) == array[index]
        voxel = found[index]
        assert np.allclose((voxel.x, voxel.y, voxel.z), (x, y, z))
    assert np.allclose(np.reshape(found.attrs["affine"], (4, 4)), grid.affine)
    assert (found.name, found.attrs["units"], found.attrs["long_name"]) == (
        "absorbed_dose",
        "Gy",
        "absorbed dose",
    )


def test_an_oblique_grid_keeps_its_affine_and_claims_no_coordinates():
    grid = tilted(AXIAL)
    found = ActivityMap(np.ones(grid.shape), grid).to_xarray()
    assert along_patient_axes(grid) is None
    assert (found.dims, len(found.coords)) == (("slice", "row", "column"), 0)
    assert np.allclose(np.reshape(found.attrs["affine"], (4, 4)), grid.affine)
    assert found.attrs["units"] == "Bq/voxel"


@pytest.mark.parametrize("change", [lambda g: g, exchanged])
def test_views_are_the_right_way_round(change):
    """One hot voxel to the patient's left, back and head."""
    grid = change(AXIAL)
    array = np.zeros(grid.shape)
    array[tuple(grid.lps_to_index(AXIAL.index_to_lps((3, 3, 4))).round().astype(int))] = 7.0
    axial, coronal, sagittal = pictures(DoseMap(array, grid))
    assert (axial.shape, coronal.shape, sagittal.shape) == ((5, 6), (4, 6), (4, 5))
    assert np.unravel_index(axial.argmax(), axial.shape) == (3, 4)  # back below, left on the right
    assert np.unravel_index(coronal.argmax(), coronal.shape) == (0, 4)  # head up
    assert np.unravel_index(sagittal.argmax(), sagittal.shape) == (0, 3)  # back on the right


def test_a_ct_shows_its_middle_planes_in_a_soft_tissue_window():
    array = np.full(AXIAL.shape, 40, np.int16)
    array[0, 0, 0] = 3000  # outside the middle planes
    assert all(np.allclose(picture, 0.5, atol=0.01) for picture in pictures(CtImage(array, AXIAL)))


def test_the_numbers_are_there():
    html = ActivityMap(np.full(AXIAL.shape, 2.0), AXIAL)._repr_html_()
    for text in (
        "ActivityMap",
        "activity [Bq/voxel]",
        "4 × 5 × 6",
        "5.00 × 3.00 × 2.00 mm",
        "2, 2",
        "240 Bq",
    ):
        assert text in html


def test_without_xarray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(InputError, match=f"needs xarray.*{re.escape(install_command('notebook'))}"):
        DoseMap(np.zeros(AXIAL.shape), AXIAL).to_xarray()
