"""Planar lung shunt of a phantom of boxes whose views are exact: attenuation, background, the left lung, what is refused."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.emission import PlanarImage
from y90voxel.quantification.planar_rays import Rays, _solid, _tissue, rays_of, shadows_of
from y90voxel.quantification.planar_shunt import (
    PlanarSetup,
    _check_in_sight,
    _fraction,
    _plain,
    _squares,
    _unattenuated_error,
    _Views,
    planar_shunt,
)
from y90voxel.reference.photon_attenuation import ATTENUATION_PER_CM, ATTENUATION_SPREAD_PER_CM
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask

GRID = Grid.from_spacing((90, 56, 90), (4.0, 4.0, 4.0), (-178.0, -110.0, -200.0))
LINEAR = DensityCalibration((-1000.0, 0.0, 1000.0), (1e-6, 1.0, 2.0), "linear")
# Slices (feet to head), rows (front to back), columns (right to left of the patient).
BODY = (slice(2, 88), slice(4, 52), slice(6, 84))
RIGHT = (slice(46, 82), slice(10, 46), slice(12, 36))
LEFT = (slice(46, 82), slice(12, 46), slice(54, 76))
LIVER = (slice(24, 50), slice(10, 40), slice(12, 50))  # its dome hides the base of the right lung
SHUNT = 0.08


def box(*parts):
    filled = np.zeros(GRID.shape)
    for part in parts:
        filled[part] = 1.0
    return filled


def activity(shunt=SHUNT, background=0.0):
    """Uniform lungs and liver; background is its concentration over that of the lungs, in all other tissue."""
    liver = box(LIVER)
    lungs = box(RIGHT, LEFT) * (1.0 - liver)
    found = shunt * lungs / lungs.sum() + (1.0 - shunt) * liver / liver.sum()
    rest = box(BODY) * (1.0 - np.minimum(lungs + liver, 1.0))
    return found + background * shunt / lungs.sum() * rest


def ct_numbers():
    hu = np.full(GRID.shape, -1000.0)
    hu[BODY] = 40.0
    hu[RIGHT] = hu[LEFT] = -740.0
    hu[LIVER] = 60.0
    return CtImage(hu, GRID)


def views(source, per_cm, counts=4e6):
    """Both views with so many counts together."""
    both = exact_views(source, per_cm)
    return both * counts / both.sum()


def exact_views(source, per_cm):
    """Line integrals through voxels of constant attenuation, (2, rows, columns), heads up."""
    thin = per_cm * np.maximum(1.0 + ct_numbers().array / 1000.0, 1e-6) * 0.4
    before = np.cumsum(thin, axis=1) - thin
    inside = np.where(thin > 1e-9, -np.expm1(-thin) / np.maximum(thin, 1e-9), 1.0)
    behind = thin.sum(axis=1, keepdims=True) - before - thin
    return np.stack([(source * inside * np.exp(-depth)).sum(axis=1)[::-1] for depth in (before, behind)])


def planar_grid():
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = 4.0, -4.0, 4.0, 1.0
    affine[:3, 3] = GRID.index_to_lps((GRID.shape[0] - 1, 0, 0))
    return Grid((1, GRID.shape[0], GRID.shape[2]), affine)


def regions(joined=False, liver=LIVER):
    solid = box(liver)
    right, left = box(RIGHT) * (1.0 - solid), box(LEFT) * (1.0 - solid)
    lungs = {"Lungs": right + left} if joined else {"Lung_R": right, "Lung_L": left}
    drawn = [Region(name, Role.LUNG, Mask(mask, GRID)) for name, mask in lungs.items()]
    return Regions(GRID, (*drawn, Region("Liver", Role.LIVER, Mask(solid, GRID))))


def setup(images=None, per_cm=0.13, **changes):
    images = views(activity(), per_cm) if images is None else images
    whole = PlanarSetup(
        PlanarImage(images[0], images[1], planar_grid()), regions(), ct_numbers(), LINEAR, 20.0, per_cm
    )
    return replace(whole, **changes)


@pytest.mark.parametrize("per_cm", [0.10, 0.13, 0.152])
@pytest.mark.parametrize("shunt", [0.02, 0.08, 0.25])
def test_with_the_attenuation_of_the_ct_the_shunt_is_the_true_one(per_cm, shunt):
    found = planar_shunt(setup(views(activity(shunt), per_cm), per_cm))
    assert found.fraction == pytest.approx(shunt, rel=0.02)
    assert found.left_lung == pytest.approx(shunt, rel=0.02)
    assert found.plain > 1.3 * shunt
    assert found.attenuation_corrected


@pytest.mark.parametrize("background", [0.05, 0.15])
def test_background_is_taken_off(background):
    """Thirty times as much tissue as lung: what is left of it stays within a point and a half."""
    images = views(activity(background=background), 0.13)
    found = planar_shunt(setup(images))
    assert found.fraction == pytest.approx(SHUNT, abs=0.015)
    assert min(found.background) > 0
    assert found.errors["background"] > 0.1 * background * SHUNT


def test_no_background_leaves_nothing_to_take_off():
    found = planar_shunt(setup())
    assert found.background == (0.0, 0.0)
    assert found.errors["background"] == 0.0


def test_a_hot_focus_beside_the_organs_is_not_taken_for_background():
    images = views(activity(), 0.13)
    images[:, 75:80, 20:25] += 50.0 * images.max()
    assert planar_shunt(setup(images)).fraction == pytest.approx(SHUNT, rel=0.02)


def test_the_left_lung_alone_is_free_of_what_shines_through_the_right_one():
    images = views(activity(), 0.13)
    clear = box((slice(LIVER[0].stop + 5, 82), *RIGHT[1:])).max(axis=1)[::-1] > 0
    images[:, clear] *= 1.5
    found = planar_shunt(setup(images))
    left = planar_shunt(setup(images), left_only=True)
    assert found.fraction > 1.15 * SHUNT
    assert left.fraction == found.left_lung == pytest.approx(SHUNT, rel=0.02)
    assert left.both_lungs == found.fraction
    assert found.errors["uniform uptake"] == pytest.approx(0.5 * (found.fraction - left.fraction))


def test_without_a_ct_the_error_reaches_down_to_the_truth():
    found = planar_shunt(setup(ct=None))
    assert not found.attenuation_corrected
    assert found.fraction > 1.3 * SHUNT
    assert found.errors["attenuation"] == pytest.approx(
        0.5 * (found.fraction - found.fraction / (2.0 - found.fraction))
    )
    assert found.fraction - 2.0 * found.standard_error < SHUNT


def test_lungs_in_one_contour_are_parted_in_the_middle():
    joined = planar_shunt(setup(regions=regions(joined=True)), left_only=True)
    assert joined.fraction == pytest.approx(planar_shunt(setup()).left_lung, rel=1e-6)


def test_the_uncertainty_by_counting_is_how_much_draws_scatter():
    exact = views(activity(), 0.13, counts=2e5)
    random = np.random.default_rng(7)
    drawn = [planar_shunt(setup(random.poisson(exact).astype(float))) for _ in range(40)]
    scatter = np.std([one.fraction for one in drawn], ddof=1)
    assert np.mean([one.errors["counts"] for one in drawn]) == pytest.approx(scatter, rel=0.4)


@pytest.mark.parametrize(("lungs", "liver"), [(1, -1), (-1, 1), (1, 1)])
def test_wrong_coefficients_stay_within_their_uncertainty(lungs, liver):
    """One standard deviation off for each organ: against each other they make up to √2 times the uncertainty."""
    only_liver = activity(0.0)
    only_lungs = activity() - (1.0 - SHUNT) * only_liver
    seen = [
        exact_views(part, ATTENUATION_PER_CM + sign * ATTENUATION_SPREAD_PER_CM)
        for part, sign in ((only_lungs, lungs), ((1.0 - SHUNT) * only_liver, liver))
    ]
    found = planar_shunt(setup(4e6 * (seen[0] + seen[1]), ATTENUATION_PER_CM))
    off = abs(found.fraction - SHUNT)
    assert off < 1.5 * found.errors["attenuation"] + 0.001
    assert found.errors["attenuation"] > 0.003
    if lungs == -liver:
        assert off > 1.2 * found.errors["attenuation"] - 0.001


def hiding_liver(rows):
    """A liver that hides the lungs up to a number of slices below their tops (the margin is five more)."""
    return (slice(20, 82 - 5 - rows), slice(10, 40), slice(10, 80))


@pytest.mark.parametrize(("rows", "refused"), [(8, True), (9, False)])  # of 36 slices: 22 and 25 %
@pytest.mark.parametrize("left_only", [False, True])
def test_a_quarter_of_the_lungs_must_be_clear_of_the_liver(rows, refused, left_only):
    whole = (slice(46, 82), slice(10, 46))
    lungs = {"Lung_R": box((*whole, slice(12, 36))), "Lung_L": box((*whole, slice(54, 76)))}
    drawn = [Region(name, Role.LUNG, Mask(mask, GRID)) for name, mask in lungs.items()]
    liver = Region("Liver", Role.LIVER, Mask(box(hiding_liver(rows)), GRID))
    case = setup(regions=Regions(GRID, (*drawn, liver)))
    if refused:
        with pytest.raises(InputError, match="25 % are needed"):
            planar_shunt(case, left_only=left_only)
    else:
        assert planar_shunt(case, left_only=left_only).in_sight == pytest.approx(0.25, abs=1e-6)


def test_the_left_lung_that_is_hidden_is_left_out():
    liver = (slice(24, 77), slice(10, 40), slice(50, 80))
    found = planar_shunt(setup(regions=regions(liver=liver)))
    assert found.left_lung is None
    assert found.errors["uniform uptake"] == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "none was found"),
        ({"image": PlanarImage(np.ones((2, 2)), np.ones((2, 2)))}, "have no position"),
        ({"regions": None}, "needs anterior and posterior views"),
        ({"regions": Regions(GRID, ())}, "needs regions of the lungs and the liver"),
        ({"images": np.zeros((2, 90, 90))}, "hold no counts"),
    ],
)
def test_what_a_planar_shunt_cannot_do_without(changes, message):
    with pytest.raises(InputError, match=message):
        planar_shunt(setup(**changes))


def test_views_of_another_place_are_refused():
    away = replace(
        setup().image,
        grid=replace(planar_grid(), affine=np.array(planar_grid().affine) + np.eye(4, k=3) * 5e3),
    )
    with pytest.raises(InputError, match="casts no shadow"):
        planar_shunt(setup(image=away))


def test_an_attenuation_that_is_none_is_refused():
    with pytest.raises(InputError, match="planar attenuation must be positive"):
        PlanarSetup(attenuation_per_cm=0.0)


@pytest.mark.parametrize(("pixel_mm", "pixels"), [((4.0, 4.0), (10, 10)), ((2.0, 5.0), (20, 8))])
def test_geometric_means_are_formed_over_squares_of_4_cm(pixel_mm, pixels):
    squares = _squares((3 * pixels[0], 2 * pixels[1]), pixel_mm)
    assert [len(np.unique(line)) for line in (squares[:, 0], squares[0])] == [3, 2]
    assert np.bincount(squares.ravel()).tolist() == [pixels[0] * pixels[1]] * 6


@pytest.mark.parametrize(("beside_mm", "counts"), [(19.0, False), (21.0, True), (58.0, True), (62.0, False)])
def test_background_lies_between_one_and_three_margins_from_the_organs(beside_mm, counts):
    """Of a margin of 20 mm: a square with other counts than all the rest is background or it is not."""
    shape = (1, 30)
    away = np.full(shape, 1e3)
    away[0, :10] = beside_mm
    view = np.where(away < 100.0, 7.0, 1e6)
    rays = SimpleNamespace(
        margin_mm=20.0, from_left=away, from_right=away, from_liver=away, in_ct=None, pixel_mm=(4.0, 4.0)
    )
    rays.beside = lambda reach: Rays.beside(rays, reach)
    assert _Views(PlanarImage(view, view), rays, 0.13).background == ((7.0, 7.0) if counts else (0.0, 0.0))


@pytest.mark.parametrize(("clear", "refused"), [(0.245, True), (0.255, False)])
def test_a_quarter_of_the_lungs_is_enough(clear, refused):
    rays = SimpleNamespace(margin_mm=20.0, in_sight=lambda left: clear if left else 1.0)
    _check_in_sight(rays, left=False)
    if refused:
        with pytest.raises(InputError, match=r"24\.5 % of the left lung"):
            _check_in_sight(rays, left=True)
    else:
        _check_in_sight(rays, left=True)


def test_lungs_are_seen_at_most_twice_as_readily_as_the_liver():
    """A shunt of 0.2 is 0.2 / 2 over 0.2 / 2 + 0.8 then, and half of the difference is the uncertainty."""
    assert _unattenuated_error(0.2) == pytest.approx(0.5 * (0.2 - 0.1 / 0.9))


@pytest.mark.parametrize(("density", "patient"), [(0.095, False), (0.105, True)])
def test_what_has_a_tenth_of_the_density_of_water_is_the_patient_and_beyond_the_ct_there_is_air(
    density, patient
):
    """Rays along the slices, each through eight cubes of 5 mm of which the CT holds four."""
    solid = Grid.from_spacing((8, 1, 2), (5.0, 5.0, 5.0))
    ct = CtImage(np.full((4, 1, 2), 1000.0 * (density - 1.0)), solid.crop((0, 0, 0), (4, 1, 2)))
    lungs = np.zeros(solid.shape)
    lungs[:2, :, 0] = 1.0
    where, water, in_lung, in_liver, other = _tissue(ct, LINEAR, solid, lungs, np.zeros(solid.shape))
    assert where.tolist() == [[patient, patient]]
    assert water == pytest.approx(np.full((1, 2), 2.0 * density * patient), rel=1e-3)
    assert in_lung == pytest.approx(np.array([[1.0, 0.0]]) * density * patient, rel=1e-3)
    assert not in_liver.any()
    assert other == pytest.approx(np.array([[0.5, 1.0]]) * patient)


@pytest.mark.parametrize("offset_mm", [0.0, 2.5])
def test_between_the_last_slice_of_a_ct_and_the_air_beyond_lies_half_of_each(offset_mm):
    """Four slices of 5 mm of water are 2 g/cm² wherever the cubes of the rays cut them."""
    solid = Grid.from_spacing((8, 1, 2), (5.0, 5.0, 5.0))
    ct = CtImage(np.zeros((4, 1, 2)), Grid.from_spacing((4, 1, 2), (5.0, 5.0, 5.0), (0.0, 0.0, offset_mm)))
    empty = np.zeros(solid.shape)
    assert _tissue(ct, LINEAR, solid, empty, empty)[1] == pytest.approx(np.full((1, 2), 2.0), rel=1e-3)


def test_lungs_without_counts_are_as_unsure_as_all_of_them_would_be():
    """Half of the lungs is in sight: a deviation of 10 counts in it is one of 20 in all, of 1000 in the liver."""
    rays = SimpleNamespace(
        lung_weight=lambda _: "lungs", liver_weight=lambda _: "liver", lung_zone=lambda **_: None, liver_zone=None,
        in_sight=lambda **_: 0.5, left_share=0.45,
    )  # fmt: skip
    counts = {"lungs": (0.0, 100.0), "liver": (1000.0, 1600.0)}
    views = SimpleNamespace(rays=rays, counts=lambda _zone, which, _background: counts[which])
    assert _fraction(views, 0.12, left=False) == (0.0, pytest.approx(0.02))


def test_the_views_as_they_are_give_the_geometric_means_of_shadows_where_the_liver_wins():
    lung, liver = shadows_of(planar_grid(), regions())
    assert (lung & liver).any()
    front, back = 2.0 * lung, 8.0 * lung
    front[liver], back[liver] = 5.0, 5.0
    alone = (lung & ~liver).sum()
    found = _plain(PlanarImage(front, back, planar_grid()), regions())
    assert found == pytest.approx(4.0 * alone / (4.0 * alone + 5.0 * liver.sum()))
    assert _plain(PlanarImage(1e-9 * front, 1e-9 * back, planar_grid()), regions()) == pytest.approx(found)
    assert _plain(PlanarImage(0.0 * front, 0.0 * back, planar_grid()), regions()) == 0.0


def test_shadows_need_lungs_and_a_liver():
    drawn = regions().drawn
    for role in (Role.LUNG, Role.LIVER):
        left = Regions(regions().grid, tuple(one for one in drawn if one.role is not role))
        with pytest.raises(InputError, match="needs regions of the lungs and the liver"):
            shadows_of(planar_grid(), left)


@pytest.mark.parametrize("depth_mm", [0.0, 80.0, -80.0])
def test_rays_hold_the_mass_of_each_organ(depth_mm):
    """g/cm² times the area of a pixel, 0.16 cm², over all pixels, at whichever depth a header puts the views."""
    affine = np.array(planar_grid().affine)
    affine[1, 3] += depth_mm
    rays = rays_of(Grid(planar_grid().shape, affine), regions(), ct_numbers(), LINEAR, 20.0)
    grams = LINEAR.density(ct_numbers().array) * GRID.voxel_volume_ml
    for role, on_rays in ((Role.LUNG, rays.in_lung), (Role.LIVER, rays.in_liver)):
        mass_g = float((grams * regions().mask_of(role).array).sum())
        assert on_rays.sum() * 0.16 == pytest.approx(mass_g, rel=0.02)
        assert on_rays.min() >= 0.0


def test_the_left_half_of_a_common_contour_is_the_left_lung():
    apart, joined = (rays_of(planar_grid(), regions(j), None, LINEAR, 20.0) for j in (False, True))
    left = apart.left > 0.1 * apart.left.max()
    assert joined.left[left].sum() > 0.9 * apart.left[left].sum()
    assert joined.right[left].sum() < 0.1 * apart.left[left].sum()


def test_neither_lung_nor_liver_is_the_rest_of_the_patient():
    """Of a patient 48 voxels thick, 30 are liver on one ray and 34 lung on another; beside the organs there is neither."""
    share = rays_of(planar_grid(), regions(), ct_numbers(), LINEAR, 20.0).background_share
    for slice_, column, organ in ((35, 30, 30), (65, 65, 34), (10, 40, 0)):
        assert share[89 - slice_, column] == pytest.approx(1.0 - organ / 48.0, abs=1e-6)


@pytest.mark.parametrize("depth_mm", [0.0, 81.0, -83.0])
def test_rays_run_through_all_of_an_image_and_no_further(depth_mm):
    affine = np.array(planar_grid().affine)
    affine[1, 3] += depth_mm
    solid = _solid(Grid(planar_grid().shape, affine), GRID)
    found, image = solid.corners_mm()[:, 1], GRID.corners_mm()[:, 1]
    assert found.min() == pytest.approx(image.min())
    assert image.max() <= found.max() + 1e-6 < image.max() + solid.spacing_mm[0] + 2e-6
