"""One mass of a region, whatever grid it is computed on, and no neighbour's density in it."""

import numpy as np
import pytest
from dome_phantom import CT_GRID, LUNG_G_PER_ML, TISSUE_HU, ct, drawn

from y90voxel.dose.ct_tissue import measure_tissue
from y90voxel.dose.density_map import DensityModel, build_tissue_map
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.placement import place_regions, placed_names
from y90voxel.volumes.own_density import occupied_mass_g
from y90voxel.volumes.volume import CtImage


def tissue_on(grid, image, model=None):
    regions, _ = place_regions(drawn(), grid)
    shapes = dict(zip(placed_names(drawn()), (r.shape for r in drawn()), strict=True))
    shown = measure_tissue(shapes, regions, image, DensityCalibration())
    return build_tissue_map(grid, regions, image, model or DensityModel(), shown), regions, shown


def dose_grid(spacing_mm):
    return CT_GRID.with_spacing(spacing_mm)


@pytest.mark.parametrize("spacing_mm", [1.5, 2.3, 3.0, 4.42, 5.0, (8.0, 2.0, 2.0)])
def test_masses_are_volume_times_own_density_on_every_grid(spacing_mm):
    """Mixed voxels made lungs 697 g on one grid and 652 g on another; the issue asks for 1 %."""
    tissue, regions, shown = tissue_on(dose_grid(spacing_mm), ct())
    lung, liver = regions["Lungs"], regions["Liver"]
    mass = occupied_mass_g(lung.mask, tissue.own["Lungs"])
    assert mass == pytest.approx(LUNG_G_PER_ML * lung.mask.volume_ml, rel=0.005)
    assert mass == pytest.approx(shown.regions["Lungs"].ct_mass_g, rel=0.01)
    assert occupied_mass_g(liver.mask, tissue.own["Liver"]) == pytest.approx(
        1.05 * liver.mask.volume_ml, rel=1e-6
    )
    assert tissue.lungs_agree


@pytest.mark.parametrize("spacing_mm", [1.5, 3.0, 5.0])
def test_disjoint_regions_weigh_together_what_their_voxels_weigh(spacing_mm):
    """Over voxels that liver and lung fill; others hold what is neither."""
    tissue, regions, _ = tissue_on(dose_grid(spacing_mm), ct())
    masks = [regions[name].mask for name in ("Liver", "Lungs")]
    full = np.abs(masks[0].array + masks[1].array - 1.0) < 1e-4  # outlines that overlap count twice
    parts = sum(
        occupied_mass_g(m.with_array(np.where(full, m.array, 0.0)), tissue.own[n])
        for m, n in zip(masks, ("Liver", "Lungs"), strict=True)
    )
    voxels = float(tissue.density.array[full].sum(dtype=np.float64)) * regions.grid.voxel_volume_ml
    assert parts == pytest.approx(voxels, rel=1e-3)


@pytest.mark.parametrize("shift_mm", range(-30, 31, 10))
def test_the_liver_keeps_its_density_whatever_breathing_position_the_ct_shows(shift_mm):
    tissue, regions, _ = tissue_on(dose_grid(4.0), ct(shift_mm))
    liver = regions["Liver"].mask.array
    assert np.allclose(tissue.density.array[liver > 0.999], 1.05)
    rest = tissue.density.array - 1.05 * liver
    assert (rest[liver > 0.01] > -1e-3).all()  # what is left of a voxel weighs something
    assert tissue.lungs_agree is (shift_mm == 0)
    assert ("ct-contours-disagree" in {n.code for n in tissue.notices}) is (shift_mm != 0)


def test_a_ct_padded_with_air_beside_the_liver_does_not_lighten_it():
    image = ct()
    padded = np.array(image.array)
    padded[:, :, :24] = -3024.0
    tissue, regions, _ = tissue_on(dose_grid(4.0), image.with_array(padded))
    liver = regions["Liver"].mask.array
    assert (tissue.density.array >= 1.05 * liver + 0.05 * (1 - liver) - 1e-3)[liver > 0.01].all()
    codes = {n.code: n.message for n in tissue.notices}
    assert "mL within liver and tumours are lung or air" in codes["ct-contours-disagree"]


def test_the_floor_is_in_the_mass_and_not_in_the_path():
    gas = np.full(CT_GRID.shape, TISSUE_HU)
    gas[:, :10] = -1000.0
    tissue, _, _ = tissue_on(dose_grid(4.0), CtImage(gas, CT_GRID))
    assert tissue.density.array.min() == pytest.approx(0.05)
    assert tissue.path.array.min() == pytest.approx(0.00121)
    other, _, _ = tissue_on(dose_grid(4.0), CtImage(gas, CT_GRID), DensityModel(floor_g_per_ml=0.1))
    assert other.path is other.density


def test_on_the_grid_of_the_ct_a_region_keeps_its_volume_beside_its_mass():
    """Mass is made in the array that held the volume, and a mask on the CT's own grid stays as it was."""
    regions, _ = place_regions(drawn(), CT_GRID)
    as_masks = {region.name: region.mask for region in regions.drawn}
    before = {name: mask.array.copy() for name, mask in as_masks.items()}
    shown = measure_tissue(as_masks, regions, ct(), DensityCalibration())
    for tissue in (shown.liver, shown.regions["Lungs"]):
        assert tissue.volume_ml.sum(dtype=float) == pytest.approx(tissue.ct_volume_ml, rel=1e-6)
        assert tissue.mass_g.sum(dtype=float) == pytest.approx(tissue.ct_mass_g, rel=1e-6)
    assert shown.regions["Lungs"].ct_mass_g < 0.5 * shown.regions["Lungs"].ct_volume_ml
    assert all(np.array_equal(mask.array, before[name]) for name, mask in as_masks.items())
