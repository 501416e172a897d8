import numpy as np
import pytest
from phantoms import ellipsoid

from y90voxel.dose.density_map import DensityModel, build_density_map
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
    assert [n.code for n in notices] == ["contrast-agent"]
    assert "set to 1.05 g/mL instead of its" in notices[0].message


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


def with_body():
    """The regions and a body; the last 8 mm along the rows are outside."""
    inside = np.ones(GRID.shape)
    inside[:, -2:] = 0.0
    return Regions(GRID, (*regions().drawn, Region("Body", Role.BODY, Mask(inside, GRID))))


def test_the_couch_outside_the_body_gets_the_floor():
    density, sources, _ = build_density_map(GRID, with_body(), ct(), DensityModel())
    assert np.allclose(density.array[:, -2:], 0.05)
    assert density.array[0, 0, 0] == pytest.approx(1.0506, abs=1e-4)  # 40 HU by Schneider
    assert sources["outside the body"] == "set to the floor, 0.05 g/mL, by 'Body'"
    without, sources, _ = build_density_map(GRID, regions(), ct(), DensityModel())
    assert without.array[0, -1, 0] == pytest.approx(1.0506, abs=1e-4)  # 40 HU by Schneider
    assert "couch included" in sources["outside the body"]


def test_a_body_drawn_on_some_slices_says_nothing_about_the_others():
    part = with_body()["Body"].mask.array.copy()
    part[:10] = 0.0
    found = Regions(GRID, (*regions().drawn, Region("Body", Role.BODY, Mask(part, GRID))))
    density, _, _ = build_density_map(GRID, found, ct(), DensityModel())
    assert density.array[5, -1, 0] == pytest.approx(1.0506, abs=1e-4)  # 40 HU by Schneider
    assert density.array[15, -1, 0] == pytest.approx(0.05)


def test_a_wrong_body_takes_neither_liver_nor_lung_nor_what_the_ct_does_not_see():
    part = CtImage(np.full((30, 40, 40), 40.0), CT_GRID.crop((0, 0, 0), (30, 40, 40)))
    one_column = np.zeros(GRID.shape)
    one_column[:, 0, 0] = 1.0
    found = Regions(GRID, (*regions().drawn, Region("Body", Role.BODY, Mask(one_column, GRID))))
    density, _, _ = build_density_map(GRID, found, part, DensityModel())
    assert density.array[9, 9, 9] == pytest.approx(1.05)  # liver
    assert density.array[9, -1, -1] == pytest.approx(0.05)
    assert density.array[25, -1, -1] == pytest.approx(1.04)  # beyond the CT
    assert density.array[21, 9, 9] == pytest.approx(0.26)  # lung beyond the CT


def test_the_cts_liver_density_needs_a_ct_that_covers_the_liver():
    part = CtImage(np.full((20, 40, 40), 40.0), CT_GRID.crop((0, 0, 0), (20, 40, 40)))
    with pytest.raises(InputError, match=r"covers only \d+\.\d % of liver and tumour"):
        build_density_map(GRID, regions(), part, DensityModel(liver_g_per_ml=None))


@pytest.mark.parametrize(("hu", "codes"), [(110.0, ["contrast-agent"]), (60.0, [])])
def test_contrast_agent_is_said_with_its_size(hu, codes):
    """110 HU by Schneider is 1.0814 g/mL, 3 % above 1.05."""
    _, _, notices = build_density_map(GRID, regions(), ct(liver_hu=hu), DensityModel(liver_g_per_ml=None))
    assert [n.code for n in notices] == [*codes, "liver-density-ct"]
    assert not codes or "has 110 HU" in notices[0].message
    assert not codes or "3.0 % above 1.05 g/mL" in notices[0].message
