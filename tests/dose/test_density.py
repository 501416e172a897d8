import numpy as np
import pytest
from phantoms import ellipsoid

from y90voxel.dose.density import DensityModel, build_density_map
from y90voxel.errors import InputError
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask

GRID = Grid.from_spacing((30, 20, 20), (4.0, 4.0, 4.0))
CT_GRID = Grid.from_spacing((60, 40, 40), (2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))


def regions(grid=GRID):
    liver = ellipsoid(grid, (38, 38, 35), (28, 28, 24))
    lung = ellipsoid(grid, (38, 38, 86), (25, 25, 20))
    return Regions(grid, (Region("Liver", Role.LIVER, liver), Region("Lungs", Role.LUNG, lung)))


def ct(liver_hu=60.0, lung_hu=-750.0, body_hu=40.0):
    found = regions(CT_GRID)
    hu = np.full(CT_GRID.shape, body_hu)
    for name, value in (("Liver", liver_hu), ("Lungs", lung_hu)):
        share = found[name].mask.array
        hu = hu * (1 - share) + value * share
    return CtImage(hu, CT_GRID)


def test_without_ct_densities_come_from_roles_by_occupancy():
    density, sources, notices = build_density_map(GRID, regions(), None, DensityModel())
    liver, lung = regions()["Liver"].mask.array, regions()["Lungs"].mask.array
    assert np.allclose(density.array, 1.05 * liver + 0.26 * lung + 1.04 * (1 - liver - lung))
    assert "no CT" in sources["lung"]
    assert sources["liver"] == "set to 1.05 g/mL"
    assert notices == []


def test_with_ct_the_liver_is_set_and_the_lung_is_measured():
    density, sources, notices = build_density_map(GRID, regions(), ct(liver_hu=140.0), DensityModel())
    inside_liver = regions()["Liver"].mask.array > 0.999
    inside_lung = regions()["Lungs"].mask.array > 0.999
    assert np.all(density.array[inside_liver] == 1.05)
    assert density.array[inside_lung].mean() == pytest.approx(0.25, abs=0.02)  # 1 + HU / 1000
    assert sources["lung"].startswith("CT")
    assert notices == []


def test_box_average_keeps_the_mass_of_the_ct():
    model = DensityModel(liver_g_per_ml=None)
    image = ct()
    density, _, notices = build_density_map(GRID, regions(), image, model)
    native = np.maximum(model.calibration.density(image.array), 0)
    mass_ct = native.sum() * CT_GRID.voxel_volume_ml
    assert density.total * GRID.voxel_volume_ml == pytest.approx(mass_ct, rel=1e-4)
    assert [n.code for n in notices] == ["liver-density-ct"]


def test_a_boundary_voxel_between_liver_and_lung_keeps_the_lungs_share():
    """Half liver (CT 1.10), half lung (0.25): 1.05 and 0.25 in equal parts."""
    grid = Grid.from_spacing((3, 1, 1), (4.0, 4.0, 4.0))
    fine = Grid.from_spacing((6, 2, 2), (2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))
    model = DensityModel()
    hu = np.full(fine.shape, 100.0)
    hu[3:] = -750.0
    split = np.array([1.0, 0.5, 0.0]).reshape(3, 1, 1)
    found = Regions(
        grid,
        (Region("Liver", Role.LIVER, Mask(split, grid)), Region("Lungs", Role.LUNG, Mask(1 - split, grid))),
    )
    density, _, _ = build_density_map(grid, found, CtImage(hu, fine), model)
    lung = float(model.calibration.density(np.array([-750.0]))[0])
    assert density.array.ravel() == pytest.approx([1.05, (1.05 + lung) / 2, lung], rel=1e-5)


def test_air_has_a_floor():
    density, sources, _ = build_density_map(
        GRID, Regions(GRID), ct(body_hu=-1000.0), DensityModel(floor_g_per_ml=0.1)
    )
    assert density.array.min() == pytest.approx(0.1)
    assert sources["floor"] == "0.1 g/mL"


def test_beyond_the_ct_roles_are_used_and_said():
    part = CtImage(np.full((30, 40, 40), 40.0), CT_GRID.crop((0, 0, 0), (30, 40, 40)))
    density, _, notices = build_density_map(GRID, regions(), part, DensityModel())
    assert [n.code for n in notices] == ["ct-coverage"]
    assert "Lungs (100.0 %)" in notices[0].message
    assert density.array[21, 9, 9] == pytest.approx(0.26)


def test_the_cts_liver_density_needs_a_ct():
    with pytest.raises(InputError, match="the study has none"):
        build_density_map(GRID, regions(), None, DensityModel(liver_g_per_ml=None))


@pytest.mark.parametrize(
    "name", ["liver_g_per_ml", "lung_g_per_ml", "soft_tissue_g_per_ml", "floor_g_per_ml"]
)
def test_densities_must_be_positive(name):
    with pytest.raises(InputError, match=name):
        DensityModel(**{name: 0.0})
