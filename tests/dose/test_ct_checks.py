import numpy as np
import pytest

from y90voxel.dose.ct_checks import check_ct_numbers, contrast_agent
from y90voxel.errors import InputError
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, DensityMap, Mask

GRID = Grid.from_spacing((10, 20, 30), (2.0, 2.0, 2.0))


def ct(hu=40.0, voxels=0):
    """Soft tissue, with some voxels at another value."""
    values = np.full(GRID.shape, 40.0)
    values.reshape(-1)[:voxels] = hu
    return CtImage(values, GRID)


def test_a_usual_ct_gives_no_notice():
    assert check_ct_numbers(ct(-1024.0, 2000)) == []


def test_padding_is_said_with_its_share():
    (notice,) = check_ct_numbers(ct(-3024.0, 600))
    assert notice.code == "ct-below-air"
    assert "10 %" in notice.message
    assert "-3024 HU" in notice.message


def test_metal_is_said_with_its_amount():
    (notice,) = check_ct_numbers(ct(2900.0, 50))
    assert notice.code == "ct-metal"
    assert "0.4 mL" in notice.message  # 50 voxels of 8 mm3
    assert check_ct_numbers(ct(2900.0, 5)) == []  # 0.04 mL


def test_extended_scales_are_said_and_nonsense_is_refused():
    codes = [notice.code for notice in check_ct_numbers(ct(8000.0, 60))]
    assert codes == ["ct-above-range", "ct-metal"]
    with pytest.raises(InputError, match="not Hounsfield units"):
        check_ct_numbers(ct(8000.0, 61))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_ct_numbers_must_be_finite(bad):
    with pytest.raises(InputError, match="1 of 6000 voxels are NaN or infinite"):
        check_ct_numbers(ct(bad, 1))


def test_contrast_agent_needs_a_liver_that_the_ct_shows():
    density = DensityMap(np.full(GRID.shape, 1.05), GRID)
    enhanced = CtImage(np.full(GRID.shape, 110.0), GRID)
    nothing, everything = Mask(np.zeros(GRID.shape), GRID), Mask(np.ones(GRID.shape), GRID)
    assert contrast_agent(enhanced, density, nothing, 1.05) == []
    assert contrast_agent(ct(), density, everything, 1.05) == []
    assert [n.code for n in contrast_agent(enhanced, density, everything, None)] == ["contrast-agent"]


@pytest.mark.parametrize(("hu", "refused"), [(150.0, False), (350.0, True), (900.0, True)])
def test_ct_densities_of_lipiodol_are_refused(hu, refused):
    """CT numbers of lipiodol are those of iodine: tumours got 16 to 29 % less dose."""
    grid = Grid.from_spacing((20, 20, 20), (3.0, 3.0, 3.0))
    liver = np.zeros(grid.shape)
    liver[3:17, 3:17, 3:17] = 1.0
    image = np.full(grid.shape, 60.0)
    image[8:11, 8:11, 8:11] = hu  # 0.73 mL
    ct, density = CtImage(image, grid), DensityMap(np.full(grid.shape, 1.06), grid)
    if refused:
        with pytest.raises(
            InputError, match=r"0\.7 mL of liver and tumours.*lipiodol.*--liver-density 1\.05"
        ):
            contrast_agent(ct, density, Mask(liver, grid), None)
    else:
        contrast_agent(ct, density, Mask(liver, grid), None)
    contrast_agent(ct, density, Mask(liver, grid), 1.05)  # its numbers are not used
