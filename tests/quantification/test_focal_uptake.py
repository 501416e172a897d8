"""Foci outside lungs and liver: both criteria on both sides, the margin, organs, and noise that is none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from y90voxel.quantification import focal_uptake
from y90voxel.quantification.focal_uptake import _background, _smoothed, find_foci, is_thyroid
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((40, 44, 48), (4.0, 4.0, 4.0), (-94.0, -86.0, -78.0))
FWHM = 10.0
INDEX = np.stack(np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij"), axis=-1)
POINTS = GRID.index_to_lps(INDEX)
PLACE = (58.0, -2.0, -50.0)


def ball(centre, radius):
    return (np.linalg.norm(POINTS - np.array(centre), axis=-1) <= radius).astype(float)


LIVER = ball((-40.0, 0.0, 0.0), 40.0)


def blob(centre=PLACE, fwhm=FWHM):
    """A point as the camera blurs it, of sum 1."""
    sigma = fwhm / 2.3548
    shape = np.exp(-0.5 * ((POINTS - np.array(centre)) ** 2).sum(axis=-1) / sigma**2)
    return shape / shape.sum()


def regions(*more):
    return Regions(GRID, (Region("Liver", Role.LIVER, Mask(LIVER, GRID)), *more))


def core_of(focus):
    """The core on the whole grid."""
    return resample(focus.core, GRID).array > 0.5


def foci(extra, background=0.0, *more, liver=1e6):
    counts = liver * LIVER / LIVER.sum() + background + extra
    return find_foci(CountMap(counts, GRID), regions(*more), FWHM)


def share_of(extra, background, liver=1e6):
    return extra.sum() / (liver + background * GRID.size + extra.sum())


def plateau(height, radius=24.0):
    """A large, flat uptake, blurred."""
    return gaussian_filter(height * ball(PLACE, radius), FWHM / 2.3548 / 4.0)


@pytest.mark.parametrize(("share", "found"), [(0.009, False), (0.011, True)])
def test_one_percent_of_the_counts_is_a_focus_however_flat(share, found):
    """Flat and warm: 1.5 times its surroundings, so that only the share can tell."""
    background = 10.0
    shape = plateau(1.0)
    inside = share * (1e6 + background * GRID.size)
    smooth = gaussian_filter(shape, FWHM / 2.3548 / 4.0)
    whole = smooth >= 0.1 * smooth.max()
    height = (inside - whole.sum() * background) / shape[whole].sum()
    seen = foci(height * shape, background)
    assert height < 2.0 * background
    assert bool(seen) is found
    if found:
        assert seen[0].share == pytest.approx(share, rel=0.03)
        assert seen[0].ratio < 3.0


@pytest.mark.parametrize(("ratio", "found"), [(2.9, False), (3.1, True)])
def test_three_times_its_surroundings_is_a_focus_however_small(ratio, found):
    shape = blob()
    smooth = gaussian_filter(shape, FWHM / 2.3548 / 4.0)
    core = smooth >= 0.5 * smooth.max()
    background = 20.0
    amount = (ratio - 1.0) * background / shape[core].mean()
    seen = foci(amount * shape, background)
    assert amount < 0.01 * 1e6
    assert bool(seen) is found
    if found:
        assert seen[0].ratio == pytest.approx(ratio, rel=0.02)
        assert seen[0].share < 0.01


def in_voxels(monkeypatch, parts, fwhm=FWHM, total=1e4):
    """Foci of an unblurred image with values at columns, rows, slices from a place; its background is said to be 1 ± 0.5."""
    counts = np.full(GRID.shape, 0.1)
    z, y, x = (int(n) for n in np.argwhere((PLACE == POINTS).all(axis=-1))[0])
    for (columns, rows, slices), value in parts.items():
        counts[z + slices, y + rows, x + columns] = value
    counts += (total - counts.sum()) * LIVER / LIVER.sum()
    seen = []
    monkeypatch.setattr(focal_uptake, "_smoothed", lambda values, sigmas: seen.append(sigmas) or values)
    monkeypatch.setattr(focal_uptake, "_background", lambda _: (1.0, 0.5))
    found = find_foci(CountMap(counts, GRID), regions(), fwhm)
    assert seen[0] == pytest.approx([fwhm / 2.354820 / 4.0] * 3, rel=1e-4)
    return found


@pytest.mark.parametrize(("peak", "found"), [(4.9, False), (5.1, True)])
def test_a_maximum_is_eight_deviations_above_the_background(monkeypatch, peak, found):
    assert bool(in_voxels(monkeypatch, {(0, 0, 0): peak})) is found


@pytest.mark.parametrize(("share", "found"), [(0.0097, False), (0.0103, True)])
def test_a_focus_that_hardly_stands_out_holds_one_percent_of_the_counts(monkeypatch, share, found):
    """27 voxels of 6 in surroundings of 2.4."""
    reach = range(-8, 9)
    parts = {(x, y, z): 2.4 for x in reach for y in reach for z in reach if x * x + y * y + z * z <= 64}
    parts |= {(x, y, z): 6.0 for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)}
    seen = in_voxels(monkeypatch, parts, total=162.0 / share, fwhm=6.0)
    assert bool(seen) is found
    if found:
        assert (seen[0].share, seen[0].ratio) == (pytest.approx(share), pytest.approx(2.5))


@pytest.mark.parametrize(("beside", "part"), [(5.8, False), (6.0, True), (6.2, True)])
def test_a_core_is_above_half_of_the_height(monkeypatch, beside, part):
    """A height of 10 over a background of 1."""
    (focus,) = in_voxels(monkeypatch, {(0, 0, 0): 11.0, (1, 0, 0): beside})
    assert focus.volume_ml == pytest.approx(0.064 * (1 + part))


@pytest.mark.parametrize(
    ("peak", "beside", "part"), [(11.0, 2.4, False), (11.0, 2.6, True), (31.0, 3.9, False), (31.0, 4.1, True)]
)
def test_a_focus_ends_at_a_tenth_of_its_height_or_at_three_deviations(monkeypatch, peak, beside, part):
    """Three deviations are 1.5, a tenth of the height is 1 or 3."""
    (focus,) = in_voxels(monkeypatch, {(0, 0, 0): peak, (1, 0, 0): beside})
    assert focus.share * 1e4 == pytest.approx(peak + part * beside)


@pytest.mark.parametrize(
    ("columns", "fwhm", "around"), [(3, 11.6, True), (3, 12.4, False), (9, 11.6, False), (9, 12.4, True)]
)
def test_surroundings_lie_one_to_three_resolutions_from_the_core(monkeypatch, columns, fwhm, around):
    """What is 12 or 36 mm away raises their mean or does not; it is too weak to be a part of the focus."""
    (focus,) = in_voxels(monkeypatch, {(0, 0, 0): 11.0, (-columns, 0, 0): 2.0}, fwhm)
    assert (focus.ratio < 110.0 - 1e-6) is around


@pytest.mark.parametrize(("voxels", "level"), [(790_000, 0.5), (810_000, 0.0)])
def test_the_background_of_large_images_is_that_of_at_least_400000_voxels(voxels, level):
    """Every other voxel is one: of twice as many, every other is taken."""
    values = (np.arange(voxels) % 2).astype(np.float32)
    assert _background(values)[0] == level


@pytest.mark.parametrize(("fwhm", "found"), [(9.8, True), (10.2, False)])
def test_what_is_20_mm_from_the_liver_is_its_blur_from_a_resolution_of_10_mm_on(fwhm, found):
    counts = CountMap(1e6 * LIVER / LIVER.sum() + 2e4 * blob((18.0, -2.0, -2.0)), GRID)
    assert bool(find_foci(counts, regions(), fwhm)) is found


@pytest.mark.parametrize(("gap", "found"), [(16.0, False), (26.0, True)])
def test_what_lies_within_two_resolutions_of_the_liver_is_its_blur(gap, found):
    """The margin is 20 mm on voxels of 4 mm."""
    seen = foci(2e4 * blob((-40.0 + 40.0 + gap, 0.0, 0.0)))
    assert bool(seen) is found


def test_lungs_are_left_out_like_the_liver():
    lung = Region("Lung_L", Role.LUNG, Mask(ball((60.0, 0.0, 40.0), 30.0), GRID))
    counts = 3e4 * blob((60.0, 0.0, 40.0))
    assert foci(counts)
    assert foci(counts, 0.0, lung) == ()


def test_a_tail_that_only_rises_towards_the_liver_is_no_focus():
    distance = np.maximum(np.linalg.norm(POINTS - np.array((-40.0, 0.0, 0.0)), axis=-1) - 40.0, 0.0)
    tail = 40.0 * np.exp(-distance / 15.0)
    assert foci(tail) == ()


def test_volume_place_and_counts_of_a_focus():
    (focus,) = foci(5e4 * blob())
    assert focus.centre_mm == PLACE
    assert focus.share == pytest.approx(share_of(5e4 * blob(), 0.0), rel=0.03)
    assert focus.ratio > 1e3
    radius = 0.5 * np.sqrt(2.0) * FWHM  # of the smoothed point, above half
    assert focus.volume_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000.0, rel=0.2)


def test_two_foci_are_two_and_the_hotter_comes_first():
    seen = foci(2e4 * blob() + 6e4 * blob((58.0, 50.0, -50.0)))
    assert [focus.centre_mm[1] for focus in seen] == [50.0, -2.0]


@pytest.mark.parametrize("background", [0.0, 0.01, 0.1, 1.0, 20.0])
def test_noise_is_no_focus(background):
    random = np.random.default_rng(11)
    for _ in range(5):
        counts = CountMap(random.poisson(1e6 * LIVER / LIVER.sum() + background).astype(float), GRID)
        assert find_foci(counts, regions(), FWHM) == ()


@pytest.mark.parametrize(("share", "found"), [(1.8e-4, False), (2.2e-4, True)])
def test_a_core_with_next_to_no_counts_is_left_out(share, found):
    shape = blob()
    (focus,) = foci(5e4 * shape)
    inside = shape[core_of(focus)].sum()
    assert bool(foci(share / inside * 1e6 * shape)) is found


@pytest.mark.parametrize(("sigmas", "found"), [(7.5, False), (8.5, True)])
def test_a_maximum_stands_out_of_the_background_by_eight_of_its_deviations(sigmas, found):
    wave = 1.0 + 0.5 * np.sin(2 * np.pi * np.arange(GRID.shape[0]) / 10.0)[:, None, None]
    background = np.broadcast_to(wave, GRID.shape)
    smooth = gaussian_filter(background, FWHM / 2.3548 / 4.0, mode="nearest")
    far = np.linalg.norm(POINTS - np.array((-40.0, 0.0, 0.0)), axis=-1) > 60.0
    level = np.median(smooth[far])
    spread = 1.4826 * np.median(np.abs(smooth[far] - level))
    middle = smooth[np.linalg.norm(POINTS - np.array(PLACE), axis=-1) < 1.0][0]
    shape = gaussian_filter(blob(), FWHM / 2.3548 / 4.0).max()
    amount = (level + sigmas * spread - middle) / shape
    liver = 1e3  # few enough that a small core holds its share
    assert bool(foci(amount * blob() + background, 0.0, liver=liver)) is found


def test_a_small_focus_is_found_in_noise():
    random = np.random.default_rng(5)
    expected = 1e6 * LIVER / LIVER.sum() + 1.0 + 1500.0 * blob()
    (focus,) = find_foci(CountMap(random.poisson(expected).astype(float), GRID), regions(), FWHM)
    assert np.linalg.norm(np.array(focus.centre_mm) - PLACE) <= 8.0


def test_a_focus_in_heavy_noise_does_not_take_the_noise_for_itself():
    """Noise hangs together through all of an image where a tenth of a weak peak is its level."""
    random = np.random.default_rng(3)
    (focus,) = foci(random.gamma(0.5, 2.0, GRID.shape) + 90.0 * blob(), liver=1e5)
    assert focus.share < 0.002  # 0.1 % were put in
    assert foci(random.poisson(3.0, GRID.shape) + 110.0 * blob(), liver=1e5) == ()


def test_scale_changes_nothing():
    counts = 1e6 * LIVER / LIVER.sum() + 1.0 + 4e4 * blob()
    one, other = (find_foci(CountMap(scale * counts, GRID), regions(), FWHM) for scale in (1.0, 1e-8))
    assert other[0].share == pytest.approx(one[0].share, rel=1e-5)
    assert other[0].ratio == pytest.approx(one[0].ratio, rel=1e-4)


def test_outside_the_body_nothing_is_uptake():
    body = Region("Body", Role.BODY, Mask(ball((-20.0, 0.0, 0.0), 70.0), GRID))
    assert foci(5e4 * blob(), 0.0, body) == ()


@pytest.mark.parametrize(("inside", "named"), [(0.48, False), (0.52, True)])
def test_a_focus_is_in_the_organ_that_holds_half_of_it(inside, named):
    (alone,) = foci(5e4 * blob())
    solid = core_of(alone)
    share = np.cumsum(solid.sum(axis=(0, 1))) / solid.sum()
    reach = int(np.searchsorted(share, inside))
    stomach = np.zeros(GRID.shape)
    stomach[:, :, : reach + 1] = 1.0
    stomach[:, :, reach] *= (inside - (share[reach - 1])) / (share[reach] - share[reach - 1])
    organ = Region("Stomach", Role.STOMACH, Mask(np.clip(stomach, 0.0, 1.0), GRID))
    (focus,) = foci(5e4 * blob(), 0.0, organ)
    assert focus.organs == ((("Stomach", "stomach"),) if named else ())


def test_without_a_liver_nothing_can_be_told():
    lung = Region("Lung_L", Role.LUNG, Mask(LIVER, GRID))
    assert find_foci(CountMap(LIVER, GRID), Regions(GRID, (lung,)), FWHM) is None
    assert find_foci(CountMap(LIVER, GRID), Regions(GRID, ()), FWHM) is None


def test_thyroid_is_known_by_its_name():
    assert [is_thyroid(name) for name in ("Thyroid_L", "thyroid gland", "Tiroide", "parathyroids", "liver")] == [
        True, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("sigmas", [(0.7, 1.0, 2.4), (0.1, 0.96, 5.0)])
def test_images_are_smoothed_as_by_scipy(sigmas):
    values = np.random.default_rng(0).random((12, 15, 9)).astype(np.float32)
    expected = gaussian_filter(values.astype(np.float64), sigmas, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(_smoothed(values, list(sigmas)), expected, atol=1e-6)


@pytest.mark.parametrize("end", [-18, 18])
def test_a_long_focus_is_followed_to_its_end_on_either_side(monkeypatch, end):
    """144 mm from a peak at one end; looked at first is what lies within 60 mm of it."""
    bar = {(0, row, 0): 4.0 for row in range(-18, 19)}
    (focus,) = in_voxels(monkeypatch, bar | {(0, end, 0): 11.0})
    assert focus.share * 1e4 == pytest.approx(11.0 + 36 * 4.0)


def test_surroundings_of_the_far_end_of_a_core_count_too(monkeypatch):
    """A core of 44 mm from its peak; 20 mm beyond its end there is more than elsewhere, too weak to be a part of it."""
    bar = {(0, row, 0): 7.0 for row in range(12)} | {(0, 0, 0): 11.0}
    (plain,), (beside,) = (in_voxels(monkeypatch, bar | more) for more in ({}, {(0, 16, 0): 2.4}))
    assert (beside.volume_ml, beside.share) == (plain.volume_ml, pytest.approx(plain.share))
    assert beside.ratio < plain.ratio - 1e-6


@pytest.mark.parametrize(("fwhm", "places"), [(10.0, 2), (14.0, 1)])
def test_a_maximum_is_the_highest_within_half_a_resolution(monkeypatch, fwhm, places):
    """Voxels of 4 mm: half of 10 mm reach one of them, half of 14 mm two."""
    assert len(in_voxels(monkeypatch, {(0, 0, 0): 11.0, (0, 2, 0): 9.0}, fwhm)) == places


def test_the_body_is_no_organ_that_holds_a_focus():
    body = Region("Body", Role.BODY, Mask(np.ones(GRID.shape), GRID))
    other = Region("Something", Role.OTHER, Mask(ball(PLACE, 30.0), GRID))
    (focus,) = foci(5e4 * blob(), 0.0, body, other)
    assert focus.organs == (("Something", "other"),)


@pytest.mark.filterwarnings("error")
def test_an_image_without_counts_or_without_room_has_no_foci():
    assert find_foci(CountMap(np.zeros(GRID.shape), GRID), regions(), FWHM) == ()
    filled = Regions(GRID, (Region("Liver", Role.LIVER, Mask(np.ones(GRID.shape), GRID)),))
    assert find_foci(CountMap(np.ones(GRID.shape), GRID), filled, FWHM) == ()


def in_a_row(monkeypatch, values, liver=(1.0,), *more, fwhm=1.0, spacing=4.0):
    """Foci of a row of voxels with the liver in its first ones; the background is said to be 0 ± 0.1."""
    monkeypatch.setattr(focal_uptake, "_smoothed", lambda values, sigmas: values)
    monkeypatch.setattr(focal_uptake, "_background", lambda _: (0.0, 0.1))
    grid = Grid.from_spacing((1, 1, len(values)), (spacing,) * 3)

    def mask(row):
        full = np.zeros(grid.shape)
        full[0, 0, : len(row)] = row
        return Mask(full, grid)

    drawn = (Region("Liver", Role.LIVER, mask(liver)), *(Region(n, role, mask(row)) for n, role, row in more))
    counts = CountMap(np.array(values, float).reshape(grid.shape), grid)
    return find_foci(counts, Regions(grid, drawn), fwhm)


def test_no_more_than_twenty_foci_are_told(monkeypatch):
    row = [1.0, 0.0, 0.0] + [5.0, 0.0] * 25
    found = in_a_row(monkeypatch, row)
    assert len(found) == 20
    assert len(in_a_row(monkeypatch, row[: 3 + 2 * 19])) == 19
    assert {focus.ratio for focus in found} == {None}  # nothing is around them


@pytest.mark.parametrize(("higher", "found"), [(99, True), (100, False)])
def test_no_more_than_a_hundred_maxima_are_looked_at(monkeypatch, higher, found):
    monkeypatch.setattr(focal_uptake, "_maxima", lambda *_: [(0, 0, 0)] * higher + [(0, 0, 5)])
    assert bool(in_a_row(monkeypatch, [1.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0])) is found


@pytest.mark.parametrize(("filled", "beside_it"), [(0.4, True), (0.5, False), (0.6, False), (1.0, False)])
def test_the_edge_of_the_liver_is_where_it_fills_half_of_a_voxel(monkeypatch, filled, beside_it):
    """Its blur reaches 2 FWHM, 4.2 mm, from what it fills by half: the next voxel of 4 mm."""
    row = [1.0, 0.0, 0.0, 5.0, 0.0]
    assert bool(in_a_row(monkeypatch, row, (1.0, 0.0, filled), fwhm=2.1)) is beside_it
    assert in_a_row(monkeypatch, row, (1.0, 0.0, filled), fwhm=1.9)


@pytest.mark.parametrize(("filled", "inside"), [(0.4, False), (0.5, True), (0.6, True)])
def test_the_body_is_what_it_fills_by_half(monkeypatch, filled, inside):
    body = ("Body", Role.BODY, (1.0, 1.0, 1.0, filled))
    assert bool(in_a_row(monkeypatch, [1.0, 0.0, 0.0, 5.0, 0.0], (1.0,), body)) is inside


@pytest.mark.parametrize(("covered", "named"), [((0.9, 0.0), False), ((1.0, 0.0), True), ((1.0, 1.0), True)])
def test_an_organ_that_holds_exactly_half_of_a_core_is_named(monkeypatch, covered, named):
    organ = ("Stomach", Role.STOMACH, (0.0, 0.0, 0.0, *covered))
    (focus,) = in_a_row(monkeypatch, [1.0, 0.0, 0.0, 5.0, 5.0, 0.0], (1.0,), organ)
    assert focus.organs == ((("Stomach", "stomach"),) if named else ())


@pytest.mark.parametrize("turned", [False, True])
def test_a_focus_that_leaves_its_neighbourhood_on_one_side_is_followed_there(monkeypatch, turned):
    """First seen are 6 FWHM (6 voxels) on either side; it ends well inside on the other side."""
    bar = [9.0] + [4.0] * 14
    row = [0.0] * 12 + (bar[::-1] if turned else bar) + [0.0] * 12
    row = [1000.0, 0.0, *row]  # so much that its share alone does not tell
    (focus,) = in_a_row(monkeypatch, row, fwhm=4.0)
    assert focus.share * (1000.0 + 65.0) == pytest.approx(65.0)


def test_the_last_voxel_beyond_a_neighbourhood_belongs_to_a_focus_too(monkeypatch):
    """First seen are 6 voxels on either side of the eighth: one less than there are."""
    row = [4.0] * 7 + [9.0] + [0.0] * 14 + [1000.0]
    (focus,) = in_a_row(monkeypatch, row, [0.0] * 22 + [1.0], fwhm=4.0)
    assert focus.share * (1000.0 + 37.0) == pytest.approx(37.0)


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([0.0] * 60 + [1.0] * 39 + [1000.0], np.sqrt(39 / 99)),
        ([0.0] * 60 + [1.0] * 40, np.sqrt(0.4)),  # all belong to the lower 99 %
        ([0.0] * 100, 0.0),
        ([3.0] * 60 + [5.0] * 40, np.sqrt(4 * 0.4)),
        ([0.0, 1.0, 2.0, 3.0, 4.0], 1.4826),
    ],
)
def test_the_spread_of_a_background_that_is_mostly_empty_is_that_of_its_lower_part(values, spread):
    assert _background(np.array(values, np.float32))[1] == pytest.approx(spread, rel=1e-5)
