"""Guards around noise, recovery, foci and the dose grid, one case on each side."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case
from scipy.ndimage import distance_transform_edt

from y90voxel.case import recovery_correction
from y90voxel.case.grid_error import GridError, grid_error_notices
from y90voxel.case.noise_marks import _notices
from y90voxel.case.recovery_correction import _Background
from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.quantification.focal_uptake import find_foci
from y90voxel.quantification.lung_measures import exclude_margin
from y90voxel.quantification.noise_estimate import _uniform_liver, estimate_noise
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

GRID = Grid.from_spacing((44, 48, 50), (4.0, 4.0, 4.0), (-98.0, -94.0, -86.0))
LIVER = Region("Liver", Role.LIVER, ellipsoid(GRID, (0, 0, 0), (85, 75, 70)))
TUMOUR = Region("GTV1", Role.TUMOUR, ellipsoid(GRID, (30, 10, 0), (14, 14, 14)))
REGIONS = Regions(GRID, (LIVER, TUMOUR))
INDEX = np.indices(GRID.shape)


@pytest.mark.parametrize(("bias_gy", "told"), [(1.99, False), (-1.99, False), (2.01, True), (-2.01, True)])
@pytest.mark.parametrize("key", ["d98_gy", "d95_gy", "d90_gy", "d2_gy"])
def test_ends_of_a_histogram_are_told_from_a_bias_of_2_percent_of_the_mean(key, bias_gy, told):
    noise = SimpleNamespace(bias_gy={key: bias_gy, "max_gy": 50.0}, upper_bound=False)
    region = SimpleNamespace(name="GTV1", role=Role.TUMOUR, mean_gy=100.0, noise=noise)
    assert [notice.code for notice in _notices([region])] == ["noise-tails"] * told


@pytest.mark.parametrize(("cv", "seen"), [(0.9e-4, False), (1.1e-4, True)])
def test_a_spread_of_less_than_a_ten_thousandth_is_rounding_and_no_noise(cv, seen):
    sign = np.where(INDEX.sum(axis=0) % 2 == 0, 1.0, -1.0)
    found = estimate_noise(ActivityMap(1e6 * (1.0 + cv * sign), GRID), REGIONS, 8.0)
    assert (found is not None) is seen
    if found is not None:
        assert found.cv == pytest.approx(cv, rel=0.01)


@pytest.mark.parametrize(("uptake", "kept"), [(0.48, False), (0.52, True)])
def test_liver_of_half_the_uptake_is_uniform_liver_and_of_less_it_is_another_lobe(uptake, kept):
    """The image resolves 1 mm, so that nothing is smoothed over the border of the lobes."""
    lobe = np.where(INDEX[2] < 25, uptake, 1.0) * np.ones(GRID.shape)
    inside = _uniform_liver(ActivityMap(1e5 * lobe, GRID), REGIONS, 1.0)
    assert inside[22, 24, 42:44].all()
    low = inside[22, 24, 12:20]
    assert low.all() if kept else not low.any()


def distances_mm(mask):
    return distance_transform_edt(mask.array < 0.5, sampling=GRID.spacing_mm)


def test_uniform_liver_keeps_15_mm_from_tumours_and_no_more():
    """Centres of voxels lie √(12² + 8² + 4²) = 14.97 mm and 16 mm away."""
    inside = _uniform_liver(ActivityMap(np.ones(GRID.shape), GRID), REGIONS, 8.0)
    near = distances_mm(TUMOUR.mask)
    assert np.isclose(near, 14.97, atol=0.01).any()
    assert near[inside].min() == pytest.approx(16.0)


def _depth_mm(case):
    """Distance of each voxel of liver and tumours from their outline [mm]."""
    organ = np.maximum(*(case.regions.mask_of(role).array for role in (Role.LIVER, Role.TUMOUR)))
    return distance_transform_edt(organ >= 0.5, sampling=case.grid.spacing_mm)


@pytest.mark.parametrize(("depth_mm", "counts"), [(14.97, False), (16.0, True)])
def test_the_background_of_recovery_keeps_15_mm_from_the_outline_of_the_liver(depth_mm, counts):
    case = liver_case(lungs=False)
    evaluation = verify(case, LocalDeposition("Y-90"))
    tumours = case.regions.mask_of(Role.TUMOUR)
    far = distance_transform_edt(tumours.array < 0.5, sampling=case.grid.spacing_mm) > 20.0
    z, y, x = np.argwhere(np.isclose(_depth_mm(case), depth_mm, atol=0.01) & far)[0]
    plain = _Background.of(evaluation)
    evaluation.dose.array.flags.writeable = True
    evaluation.dose.array[z, y, x] *= 1000.0
    assert (_Background.of(evaluation).mean_gy > 1.01 * plain.mean_gy) is counts


@pytest.mark.parametrize(("factor", "inner"), [(0.999, True), (1.001, False)])
def test_where_less_than_50_ml_lie_so_deep_the_whole_liver_is_the_background(factor, inner, monkeypatch):
    """Of a liver that loses a tenth at its outline: with the limit just beyond what lies deep, the mean falls."""
    evaluation = verify(liver_case(lungs=False), LocalDeposition("Y-90"))
    case = evaluation.case
    (liver,) = case.regions.with_role(Role.NON_TUMOUR_LIVER)
    tumours = case.regions.mask_of(Role.TUMOUR)
    outside = liver.mask.with_array(1.0 - np.maximum(liver.mask.array, tumours.array))
    deep_ml = exclude_margin(exclude_margin(liver.mask, tumours, 15.0), outside, 15.0).volume_ml
    assert recovery_correction.LEAST_INNER_ML == 50.0
    assert deep_ml > 50.0
    evaluation.dose.array.flags.writeable = True
    evaluation.dose.array[_depth_mm(case) < 15.0] *= 0.5
    monkeypatch.setattr(recovery_correction, "LEAST_INNER_ML", factor * deep_ml)
    whole = float(evaluation.dose.array[(liver.mask.array > 0.5)].mean())
    assert (_Background.of(evaluation).mean_gy > 1.05 * whole) is inner


@pytest.mark.parametrize(("beside_mm", "counts"), [(14.97, False), (16.0, True)])
def test_the_background_of_recovery_keeps_15_mm_from_tumours(beside_mm, counts):
    """A voxel just within the margin is none of it, one just beyond is: made hot, it raises the mean or does not."""
    case = liver_case(lungs=False)
    evaluation = verify(case, LocalDeposition("Y-90"))
    (liver,) = case.regions.with_role(Role.NON_TUMOUR_LIVER)
    tumours = case.regions.mask_of(Role.TUMOUR)
    near = distance_transform_edt(tumours.array < 0.5, sampling=case.grid.spacing_mm)
    deep = _depth_mm(case) > 20.0
    z, y, x = np.argwhere(np.isclose(near, beside_mm, atol=0.01) & (liver.mask.array > 0.999) & deep)[0]
    plain = _Background.of(evaluation)
    evaluation.dose.array.flags.writeable = True
    evaluation.dose.array[z, y, x] *= 1000.0
    assert (_Background.of(evaluation).mean_gy > 1.01 * plain.mean_gy) is counts


WIDE = Grid.from_spacing((60, 60, 90), (4.0, 4.0, 4.0), (-180.0, -118.0, -118.0))
FAR_LIVER = Regions(WIDE, (Region("Liver", Role.LIVER, ellipsoid(WIDE, (-140, 0, 0), (30, 100, 100))),))
POINTS = WIDE.index_to_lps(np.stack(np.indices(WIDE.shape), axis=-1))


def image(*bumps):
    """A liver of a million counts, and bumps of a position, FWHM [mm] and height."""
    liver = FAR_LIVER["Liver"].mask.array
    counts = 1e6 * liver / liver.sum()
    for centre, fwhm, height in bumps:
        squared = ((POINTS - np.array(centre)) ** 2).sum(axis=-1)
        counts = counts + height * np.exp(-4.0 * np.log(2.0) * squared / fwhm**2) * (
            squared < (3 * fwhm) ** 2
        )
    return CountMap(counts, WIDE)


@pytest.mark.parametrize(("places", "listed"), [(19, 19), (20, 20), (21, 20)])
def test_no_more_than_20_foci_are_listed(places, listed):
    at = [(x, y, z) for x in (0, 80, 160) for y in (-80, 0, 80) for z in (-80, 0, 80)][:places]
    found = find_foci(image(*((centre, 12.0, 300.0 + n) for n, centre in enumerate(at))), FAR_LIVER, 10.0)
    assert len(found) == listed


@pytest.mark.parametrize(("before", "found"), [(99, 1), (100, 0)])
def test_the_hundred_highest_maxima_are_looked_at(before, found):
    """A broad focus behind so many points that are higher and too small to be one."""
    at = [(-60 + 24 * i, -98 + 24 * j, -98 + 24 * k) for i in range(4) for j in range(5) for k in range(5)]
    points = [(centre, 8.0, 6.5) for centre in at[:before]]
    foci = find_foci(image(*points, ((130, 60, 60), 40.0, 1.5)), FAR_LIVER, 10.0)
    assert len(foci) == found


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("GTV1", -0.0099, False),
        ("GTV1", -0.0101, True),
        ("Liver", 0.0099, False),
        ("Liver", 0.0101, True),
        ("non-tumour liver", 0.0101, True),
        ("lungs", 0.0299, False),
        ("lungs", -0.0301, True),
    ],
)
@pytest.mark.parametrize("kind", ["by_activity", "by_outline"])
def test_the_grid_is_told_from_1_percent_in_liver_and_tumours_and_3_in_lungs(name, error, told, kind):
    parts = {"by_activity": 0.0, "by_outline": 0.0, kind: error}
    notices = grid_error_notices(liver_case(), {name: GridError(**parts)})
    assert [notice.code for notice in notices] == ["grid-error"] * told
    if told:
        assert f"{name} {100 * error:+.1f} %" in notices[0].message


@pytest.mark.parametrize(("error", "told"), [(-0.0299, False), (-0.0301, True)])
def test_of_lungs_the_mean_by_volume_is_told_too(error, told):
    notices = grid_error_notices(liver_case(), {"lungs": GridError(0.0, 0.0, by_mixing=error)})
    assert [notice.code for notice in notices] == ["grid-error"] * told
    if told:
        assert "lungs by volume -3.0 %" in notices[0].message


@pytest.mark.parametrize(("voxels", "name"), [(78, "non-tumour liver"), (79, "perfused non-tumour liver")])
def test_a_background_of_recovery_holds_5_ml_or_another_is_taken(voxels, name):
    """Voxels of 0.064 mL: 4.99 mL of perfused liver are too few, 5.06 mL are enough."""
    case = liver_case(lungs=False)
    liver, tumours = (case.regions.mask_of(role) for role in (Role.LIVER, Role.TUMOUR))
    near = distance_transform_edt(tumours.array < 0.5, sampling=case.grid.spacing_mm)
    far = np.flatnonzero((near > 20.0) & (liver.array > 0.999))[:voxels]
    perfused = np.zeros(case.grid.size, np.float32)
    perfused[far] = 1.0
    drawn = Region("Perfused", Role.PERFUSED, Mask(perfused.reshape(case.grid.shape), case.grid))
    regions = Regions(case.grid, (*case.regions.drawn, drawn))
    assert _Background.of(verify(replace(case, regions=regions), LocalDeposition("Y-90"))).name == name


@pytest.mark.parametrize(
    ("grid_mm", "whose", "finer"),
    [
        (5.0, "the image's voxels", "2"),
        (4.0, "the image's voxels", "2"),
        (3.9, "of these", "1.95"),
        (2.0, "of these", "1"),
    ],
)
def test_the_grid_that_is_advised_is_finer_than_image_and_dose(grid_mm, whose, finer):
    """The image has voxels of 4 by 6 by 8 mm."""
    image = SimpleNamespace(grid=Grid.from_spacing((2, 2, 2), (8.0, 6.0, 4.0)))
    case = SimpleNamespace(
        injections=(SimpleNamespace(emission=SimpleNamespace(volume=image)),), regions={"GTV1": TUMOUR},
        grid=Grid.from_spacing((2, 2, 2), (8.0, 8.0, grid_mm)),
    )  # fmt: skip
    (notice,) = grid_error_notices(case, {"GTV1": GridError(-0.05, 0.0)})
    assert f"Half {whose} have a third of it (--grid {finer})." in notice.message
