"""What the pixels of planar views look through, by hand: zones, weights, squares, and the shunt that follows."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.quantification import planar_shunt as module
from y90voxel.quantification.emission import PlanarImage
from y90voxel.quantification.planar_rays import Rays, _distance, _left_and_right, _tissue
from y90voxel.quantification.planar_shunt import PlanarSetup, _fraction, _Views, planar_shunt
from y90voxel.reference.photon_attenuation import ATTENUATION_SPREAD_PER_CM
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask


def line(*values):
    return np.array([values], float)


def rays(**changes):
    """Five pixels in a row: beside the patient, left lung, right lung, near the liver, liver."""
    given = {
        "pixel_mm": (4.0, 4.0), "margin_mm": 20.0,
        "from_left": line(30.0, 0.0, 25.0, 40.0, 60.0), "from_right": line(90.0, 25.0, 0.0, 20.0, 40.0),
        "from_liver": line(99.0, 60.0, 21.0, 20.0, 0.0),
        "left": line(0.0, 3.0, 0.0, 0.0, 1.0), "right": line(0.0, 0.0, 4.0, 2.0, 0.0),
        "in_ct": None, "water": line(0.0, 10.0, 12.0, 14.0, 20.0), "in_lung": line(0.0, 4.0, 5.0, 1.0, 0.0),
        "in_liver": line(0.0, 0.0, 0.0, 0.0, 15.0), "background_share": line(1.0, 0.5, 0.25, 0.8, 0.4),
        "nearest_lung": np.array([[[0] * 5], [[1, 1, 2, 2, 2]]]),
        "nearest_liver": np.array([[[0] * 5], [[4] * 5]]),
    }  # fmt: skip
    return Rays(**{**given, **changes})


def test_zones_of_lungs_and_liver():
    found = rays()
    assert found.liver_zone.tolist() == [[False, False, False, True, True]]
    assert found.lung_zone(left=False).tolist() == [[False, True, True, False, False]]
    assert found.lung_zone(left=True).tolist() == [[False, True, False, False, False]]
    near_both = rays(from_left=line(20.0, 10.0, 10.0, 0.0, 0.0), from_right=line(90.0, 10.0, 9.0, 0.0, 0.0))
    assert near_both.lung_zone(left=True).tolist() == [[True, False, False, False, False]]


def test_the_share_of_lungs_that_is_clear_of_the_liver():
    assert rays().in_sight(left=True) == pytest.approx(3.0 / 4.0)
    assert rays().in_sight(left=False) == pytest.approx(7.0 / 10.0)
    assert rays().left_share == pytest.approx(4.0 / 10.0)


@pytest.mark.parametrize(
    ("in_ct", "found"), [(None, [True, False, True]), ([True, True, False], [True, False, False])]
)
def test_background_is_of_the_patient(in_ct, found):
    """20.1 and 60 mm from the nearest organ with a margin of 20 mm; what is 20 mm from it is within the margin."""
    given = rays(
        from_left=line(99.0, 20.0, 60.0), from_right=line(20.1, 99.0, 99.0), from_liver=line(99.0, 99.0, 60.1),
        in_ct=None if in_ct is None else np.array([in_ct]),
    )  # fmt: skip
    assert given.beside(3.0).tolist() == [found]


def weight(water, own, per_cm=0.12):
    half = 0.5 * per_cm * own
    return math.exp(0.5 * per_cm * water) * (half / math.sinh(half) if half else 1.0)


def test_counts_are_weighted_by_the_attenuation_of_the_nearest_ray():
    """exp(µL / 2) (µt / 2) / sinh(µt / 2) for L = 10, 12 and t = 4, 5 g/cm² in the lungs, 20 and 15 in the liver."""
    left, right = weight(10.0, 4.0), weight(12.0, 5.0)
    assert rays().lung_weight(0.12)[0] == pytest.approx([left, left, right, right, right])
    assert rays().liver_weight(0.12)[0] == pytest.approx([weight(20.0, 15.0)] * 5)
    thin = rays(in_lung=line(0.0, 0.0, 1e-5, 0.0, 0.0)).lung_weight(0.12)
    assert thin[0, 1:3] == pytest.approx([math.exp(0.6), math.exp(0.72)])
    for unknown in ({"water": None}, {"in_lung": None}):
        assert rays(**unknown).lung_weight(0.12).tolist() == [[1.0] * 5]
    assert rays().attenuates
    assert not rays(water=None).attenuates


def lung(*, columns, grid):
    array = np.zeros(grid.shape)
    array[..., columns] = 1.0
    return Mask(array, grid)


@pytest.mark.parametrize("swapped", [True, False])
def test_two_lungs_are_told_by_their_centres_and_others_by_the_middle(swapped):
    """Columns run to the patient's left."""
    grid = Grid.from_spacing((1, 1, 9), (4.0, 4.0, 4.0))
    names = {"a": lung(columns=[0, 1], grid=grid), "b": lung(columns=[5, 6], grid=grid)}
    drawn = [Region(name, Role.LUNG, mask) for name, mask in names.items()]
    left, right = _left_and_right(Regions(grid, tuple(drawn[::-1] if swapped else drawn)))
    assert (left.array[0, 0].tolist(), right.array[0, 0].tolist()) == (
        names["b"].array[0, 0].tolist(),
        names["a"].array[0, 0].tolist(),
    )
    whole = Regions(grid, (Region("Lungs", Role.LUNG, lung(columns=[0, 1, 4, 7, 8], grid=grid)),))
    left, right = _left_and_right(whole)  # the middle one is of the left
    assert np.flatnonzero(left.array).tolist() == [4, 7, 8]
    assert np.flatnonzero(right.array).tolist() == [0, 1]


def test_three_contours_of_lungs_are_parted_in_the_middle():
    grid = Grid.from_spacing((1, 1, 9), (4.0, 4.0, 4.0))
    lobes = [Region(str(c), Role.LUNG, lung(columns=[c], grid=grid)) for c in (0, 1, 8)]
    left, right = _left_and_right(Regions(grid, tuple(lobes)))
    assert (np.flatnonzero(left.array).tolist(), np.flatnonzero(right.array).tolist()) == ([8], [0, 1])


def test_distances_are_of_the_pixels_that_lie_nearest():
    away, nearest = _distance(np.array([[False, False, True], [False, False, False]]), (3.0, 4.0))
    assert away == pytest.approx(np.array([[8.0, 4.0, 0.0], [math.hypot(8.0, 3.0), 5.0, 3.0]]))
    assert nearest[0].tolist() == [[0] * 3] * 2
    assert nearest[1].tolist() == [[2] * 3] * 2


def test_a_patient_of_one_voxel_is_a_patient():
    grid = Grid.from_spacing((3, 1, 2), (5.0, 5.0, 5.0))
    hu = np.full(grid.shape, -1000.0)
    hu[1, 0, 0] = 0.0
    water = DensityCalibration((-1000.0, 0.0, 1000.0), (1e-6, 1.0, 2.0), "linear")
    empty = np.zeros(grid.shape)
    where, thickness, _, _, other = _tissue(CtImage(hu, grid), water, grid, empty, empty)
    assert where.tolist() == [[True, False]]
    assert thickness == pytest.approx(np.array([[0.5, 0.0]]), abs=1e-6)  # 5 mm of water
    assert other.tolist() == [[1.0, 0.0]]


def views(front, back, background=(0.0, 0.0), share=1.0):
    """A row of pixels of 40 mm, each a square of its own."""
    seen = SimpleNamespace(pixel_mm=(40.0, 40.0), background_share=np.full((1, len(front)), share))
    found = _Views(PlanarImage(line(*front), line(*back)), seen, 0.12)
    found.__dict__["background"] = background
    return found


def test_counts_of_a_zone_are_geometric_means_of_squares():
    """√(100·400) + √(900·100) with weights of 2 and 1; the variance of a mean is M² (1/F + 1/B) / 4 for weights of one."""
    zone = np.array([[True, True, False]])
    total, variance = views((100.0, 900.0, 1e6), (400.0, 100.0, 1e6)).counts(zone, line(2.0, 1.0, 1.0), 1.0)
    assert total == pytest.approx(400.0 + 300.0)
    first = 400.0**2 * 0.25 * (100.0 * 4.0 / 200.0**2 + 400.0 * 4.0 / 800.0**2)
    second = 300.0**2 * 0.25 * (1.0 / 900.0 + 1.0 / 100.0)
    assert variance == pytest.approx(first + second)


@pytest.mark.parametrize(
    ("share", "of_pixel", "expected"), [(1.0, 0.5, 160.0), (0.0, 0.5, 200.0), (0.5, 0.4, 184.0)]
)
def test_background_is_taken_off_by_its_share_of_the_patient(share, of_pixel, expected):
    """(100 − 40 s)(400 − 160 s) is (200 − 80 s)²."""
    found = views((100.0,), (400.0,), (40.0, 160.0), of_pixel)
    assert found.counts(np.array([[True]]), line(1.0), share)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("front", "back"), [(10.0, 500.0), (500.0, 10.0), (40.0, 500.0)])
def test_a_square_without_net_counts_in_one_view_has_none(front, back):
    assert views((front,), (back,), (40.0, 40.0)).counts(np.array([[True]]), line(1.0), 1.0) == (0.0, 0.0)


def test_less_than_a_count_is_a_count_too():
    """Views may hold rates, or be scaled."""
    assert views((0.5,), (0.02,)).counts(np.array([[True]]), line(1.0), 1.0)[0] == pytest.approx(0.1)
    assert views((0.02,), (0.5,)).counts(np.array([[True]]), line(1.0), 1.0)[0] == pytest.approx(0.1)
    found, error = fraction((0.05, 1e-4), (0.45, 1e-4))[0]
    assert found == pytest.approx(0.1 / 0.5)
    assert error == pytest.approx(0.2 * 0.8 * math.sqrt(1e-4 / 0.05**2 + 1e-4 / 0.45**2))


def test_a_square_of_one_pixel_is_background_too():
    seen = SimpleNamespace(pixel_mm=(40.0, 40.0), beside=lambda reach: np.array([[True, True, True, False]]))
    found = _Views(PlanarImage(line(1.0, 5.0, 7.0, 90.0), line(3.0, 2.0, 9.0, 90.0)), seen, 0.12)
    assert found.background == (5.0, 3.0)


def fraction(lungs, liver, *, left=False, sight=(0.5, 0.5), **more):
    """Lungs and liver as (counts, variance); what is in sight of the left lung and of both."""
    weights = []
    seen = SimpleNamespace(
        lung_weight=lambda per_cm: weights.append(per_cm) or "lungs",
        liver_weight=lambda per_cm: weights.append(per_cm) or "liver",
        lung_zone=lambda **_: None, liver_zone=None, in_sight=lambda left: sight[0 if left else 1], left_share=0.4,
    )  # fmt: skip
    found = _fraction(
        SimpleNamespace(rays=seen, counts=lambda _zone, which, _share: {"lungs": lungs, "liver": liver}[which]),
        0.12, left=left, **more,
    )  # fmt: skip
    return found, weights


def test_the_shunt_of_counts_that_are_seen():
    """Half of the lungs with 50 counts are 100 in all, of which 50 lie in the liver's zone of 450."""
    (found, error), weights = fraction((50.0, 100.0), (450.0, 900.0))
    assert found == pytest.approx(100.0 / (100.0 + 450.0 - 50.0))
    assert error == pytest.approx(0.2 * 0.8 * math.sqrt(100.0 / 50.0**2 + 900.0 / 450.0**2))
    assert weights == [0.12, 0.12]
    assert fraction((50.0, 1.0), (450.0, 1.0), liver_per_cm=0.15)[1] == [0.12, 0.15]


def test_the_left_lung_stands_for_both_by_its_share():
    """Three quarters of the left lung, 0.4 of both: 30 counts are 100 in all; half of both lungs are the liver zone's."""
    (found, _), _ = fraction((30.0, 1.0), (450.0, 1.0), left=True, sight=(0.75, 0.5))
    assert found == pytest.approx(100.0 / 500.0)


def test_a_liver_that_holds_less_than_the_lungs_behind_it_holds_nothing():
    assert fraction((50.0, 1.0), (20.0, 1.0))[0][0] == 1.0


@pytest.fixture
def by_hand(monkeypatch):
    """A planar shunt of which the fractions are given by coefficient, side and background."""
    asked = []

    def shunt(views, per_cm, *, left, background=1.0, liver_per_cm=None):
        asked.append((per_cm, left, background, liver_per_cm))
        off = 0.01 * (round(per_cm / 0.13 - 1.0, 6) > 0) + 0.02 * ((liver_per_cm or per_cm) > per_cm + 1e-9)
        return 0.10 + off + (0.03 if left else 0.0) - (0.04 if background == 0.0 else 0.0), 0.005

    def run(*, attenuates=True, left_only=False, left_sight=0.5, both=0.5):
        seen = SimpleNamespace(
            attenuates=attenuates, margin_mm=20.0, in_sight=lambda left: left_sight if left else both,
            beside=lambda _reach: np.zeros((1, 1), bool), pixel_mm=(4.0, 4.0),
        )  # fmt: skip
        monkeypatch.setattr(module, "rays_of", lambda *_: seen)
        monkeypatch.setattr(module, "_fraction", shunt)
        monkeypatch.setattr(module, "_plain", lambda image, regions: 0.2)
        asked.clear()
        image = PlanarImage(line(1.0), line(1.0), Grid((1, 1, 1), np.eye(4)))
        regions = SimpleNamespace()
        return planar_shunt(PlanarSetup(image, regions, attenuation_per_cm=0.13), left_only=left_only), asked

    return run


def test_uncertainties_of_a_planar_shunt_by_cause(by_hand):
    found, asked = by_hand()
    assert (found.fraction, found.both_lungs, found.plain) == (0.10, 0.10, 0.2)
    assert found.left_lung == pytest.approx(0.13)
    assert found.errors == pytest.approx(
        {"counts": 0.005, "attenuation": math.hypot(0.01, 0.02), "background": 0.02, "uniform uptake": 0.015}
    )
    assert found.standard_error == pytest.approx(math.sqrt(sum(part**2 for part in found.errors.values())))
    spread = ATTENUATION_SPREAD_PER_CM
    assert (pytest.approx(0.13 + spread), False, 1.0, 0.13) in asked
    assert (0.13, False, 1.0, pytest.approx(0.13 + spread)) in asked


def test_without_a_ct_half_the_range_of_what_may_be_true_is_the_uncertainty(by_hand):
    found, _ = by_hand(attenuates=False)
    assert found.errors["attenuation"] == pytest.approx(0.5 * (0.10 - 0.05 / 0.95))
    assert not found.attenuation_corrected


@pytest.mark.parametrize(("sight", "seen"), [(0.24, False), (0.25, True), (0.26, True)])
@pytest.mark.parametrize("left_only", [True, False])
def test_the_other_lungs_are_told_where_a_quarter_of_them_is_clear(by_hand, sight, seen, left_only):
    found, _ = by_hand(left_only=left_only, **({"both": sight} if left_only else {"left_sight": sight}))
    other = found.both_lungs if left_only else found.left_lung
    assert (other is not None) is seen
    assert found.fraction == pytest.approx(0.13 if left_only else 0.10)
    assert found.errors["uniform uptake"] == pytest.approx(0.015 if seen else 0.0)
