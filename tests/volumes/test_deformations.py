"""Deformations judged and applied: volume ratios, folds, motions and totals against fields that are known on paper."""

import numpy as np
import pytest
from registration_factory import rigid

from y90voxel.errors import GeometryError
from y90voxel.volumes.field_quality import (
    FARTHEST_MM,
    INCONSISTENT_MM,
    USUAL_RATIO,
    FieldQuality,
    check_field,
    field_quality,
    field_volume_ratios,
    rigid_through,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Deformation
from y90voxel.volumes.warp import energy_over_mass, pulled_back, pushed

UNMOVED = AffineTransform(np.eye(4))
GRID = Grid.from_spacing((40, 44, 48), (2.5, 2.5, 2.5), (-60.0, -55.0, -50.0))
ALL = np.ones(GRID.shape, bool)


def points(grid):
    return grid.index_to_lps(np.moveaxis(np.indices(grid.shape, dtype=float), 0, -1))


def deformation(offset, grid=GRID):
    return Deformation(UNMOVED, UNMOVED, grid, offset(points(grid)).astype(np.float32))


def sine(amplitude_mm, length_mm):
    """Along x: u = a sin(k x), J = 1 + a k cos(k x)."""
    wave = 2 * np.pi / length_mm

    def offset(places):
        found = np.zeros(places.shape)
        found[..., 0] = amplitude_mm * np.sin(wave * places[..., 0])
        return found

    return offset


# judged


def test_volume_ratios_of_an_affine_map_are_its_determinant():
    matrix = np.eye(4)
    matrix[:3, :3] = [[1.1, 0.1, 0.0], [-0.05, 0.9, 0.02], [0.0, 0.04, 1.2]]
    least, most = field_volume_ratios(AffineTransform(matrix).points(points(GRID)), GRID)
    truth = np.linalg.det(matrix[:3, :3])
    assert (least.min(), most.max()) == (pytest.approx(truth), pytest.approx(truth))


@pytest.mark.parametrize("order", ["zyx", "mirrored"])
def test_volume_ratios_do_not_hang_on_the_axes_of_the_grid(order):
    affine = GRID.affine.copy()
    if order == "mirrored":
        affine[:, 2] *= -1
    grid = Grid(GRID.shape, affine)
    least, most = field_volume_ratios(1.5 * points(grid), grid)
    assert (least.min(), most.max()) == (pytest.approx(1.5**3), pytest.approx(1.5**3))


def test_volume_ratios_of_a_wave_are_found_within_two_percent():
    quality = field_quality(deformation(sine(6.0, 60.0)), GRID, ALL)
    strain = 6.0 * 2 * np.pi / 60.0
    assert quality.volume_ratio == (pytest.approx(1 - strain, rel=0.02), pytest.approx(1 + strain, rel=0.02))
    assert quality.folded_share == 0.0
    assert quality.harmonic_energy == pytest.approx(0.5 * strain**2, rel=0.05)


@pytest.mark.parametrize(("amplitude_mm", "folds"), [(9.0, False), (10.2, True)])
def test_a_wave_folds_where_its_slope_passes_one(amplitude_mm, folds):
    """a k = 1 at a = 60 / 2π = 9.55 mm."""
    quality = field_quality(deformation(sine(amplitude_mm, 60.0)), GRID, ALL)
    assert (quality.folded_share > 0) is folds
    if folds:
        with pytest.raises(GeometryError, match="the deformation folds in"):
            check_field(quality)
    else:
        check_field(quality)


def test_a_rigid_motion_is_no_displacement():
    motion = AffineTransform(rigid((0.1, -0.2, 0.3), (12.0, -30.0, 55.0)))
    found = rigid_through(
        points(GRID)[::5, ::5, ::5].reshape(-1, 3), motion.points(points(GRID)[::5, ::5, ::5].reshape(-1, 3))
    )
    np.testing.assert_allclose(found.matrix, motion.matrix, atol=1e-9)
    quality = field_quality(motion, GRID, ALL, motion.inverse())
    assert max(quality.displacement_mm) < 1e-9
    assert max(quality.inconsistency_mm) < 1e-9


def test_what_is_left_after_there_and_back_is_measured():
    quality = field_quality(deformation(lambda p: np.full(p.shape, (3.0, 0.0, 4.0))), GRID, ALL, UNMOVED)
    assert quality.inconsistency_mm == pytest.approx((5.0, 5.0, 5.0))


def test_a_field_that_does_not_reach_the_focus_is_refused():
    far = Grid.from_spacing((6, 6, 6), (2.0, 2.0, 2.0), (500.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="not defined where it is needed"):
        field_quality(deformation(sine(1.0, 50.0), far), GRID, ALL)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"volume_ratio": (USUAL_RATIO[0] - 0.01, 1.0)}, "deformation-volume-ratio"),
        ({"volume_ratio": (1.0, USUAL_RATIO[1] + 0.01)}, "deformation-volume-ratio"),
        ({"displacement_mm": (1.0, 2.0, FARTHEST_MM + 0.1)}, "deformation-far"),
        ({"inconsistency_mm": (1.0, INCONSISTENT_MM + 0.1, 9.0)}, "deformation-inconsistent"),
        ({"inconsistency_mm": (np.inf, np.inf, np.inf)}, "deformation-inconsistent"),
        ({}, None),
    ],
)
def test_what_is_unusual_is_said(change, code):
    usual = {
        "volume_ratio": USUAL_RATIO, "folded_share": 0.0, "displacement_mm": (1.0, 2.0, FARTHEST_MM),
        "harmonic_energy": 0.1, "inconsistency_mm": (1.0, INCONSISTENT_MM, 20.0),
    }  # fmt: skip
    assert [notice.code for notice in check_field(FieldQuality(**{**usual, **change}))] == (
        [code] if code else []
    )


# applied


def blob(grid, centre=(0.0, 0.0, 0.0), radius=18.0):
    away = np.linalg.norm(points(grid) - centre, axis=-1)
    return np.clip(radius + 2.0 - away, 0.0, 4.0) / 4.0


@pytest.mark.parametrize(
    "offset",
    [sine(6.0, 60.0), lambda p: p @ np.array([[0.1, 0.02, 0], [0, -0.1, 0], [0.03, 0, 0.15]]).T],
    ids=["sine", "affine"],
)
def test_activity_is_kept_exactly_and_thins_where_volumes_grow(offset):
    push = deformation(offset)
    amounts = 1e6 * blob(GRID)
    carried, lost = pushed(amounts, GRID, GRID, push)
    assert carried.sum() + lost == pytest.approx(amounts.sum(), rel=1e-12)
    assert lost == 0.0
    ratio = np.mean(field_volume_ratios(push.points(points(GRID)), GRID), axis=0)
    there, _ = pulled_back(amounts / ratio, GRID, GRID, push.inverse())
    core, _ = pulled_back(blob(GRID, radius=11.0), GRID, GRID, push.inverse())
    inside = core > 0.99  # away from the surface, which dealing out to neighbours blurs
    assert inside.sum() > 100
    assert carried[inside].sum() == pytest.approx(there[inside].sum(), rel=0.02)  # A / J


def test_what_leaves_the_view_is_counted():
    push = AffineTransform(rigid((0, 0, 0), (55.0, 0.0, 0.0)))
    amounts = blob(GRID)
    carried, lost = pushed(amounts, GRID, GRID, push)
    assert lost > 0.1 * amounts.sum()
    assert carried.sum() + lost == pytest.approx(amounts.sum(), rel=1e-12)


def test_energy_over_mass_keeps_energy_and_an_even_dose():
    push = deformation(sine(6.0, 60.0))
    mass = 0.016 * (0.2 + blob(GRID, radius=30.0))
    dose = 40.0 + 100.0 * blob(GRID)
    made, there = energy_over_mass(dose, mass, GRID, GRID.with_spacing(4.0), push)
    _, lost = pushed(dose * mass, GRID, GRID.with_spacing(4.0), push)
    assert (made * there).sum() + lost == pytest.approx((dose * mass).sum(), rel=1e-9)
    assert lost < 0.001 * (dose * mass).sum()
    even, there = energy_over_mass(np.full(GRID.shape, 70.0), mass, GRID, GRID, push)
    assert np.abs(even[there > 0] - 70.0).max() < 1e-9
    assert (even[there == 0] == 0).all()


def test_a_dose_that_was_given_stays_with_its_tissue():
    """The mean of a region that moves with its dose stays within 2 % on other voxels too."""
    pull = deformation(sine(6.0, 60.0))
    dose, region = 40.0 + 100.0 * blob(GRID), blob(GRID, radius=24.0)
    target = Grid.from_spacing((20, 22, 24), (4.4, 4.4, 4.4), (-48.0, -44.0, -40.0))
    made, known = pulled_back(dose, GRID, target, pull)
    there, _ = pulled_back(region, GRID, target, pull)
    assert known.min() == 1.0
    mean = (made * there).sum() / there.sum()
    here = np.mean(field_volume_ratios(pull.points(points(GRID)), GRID), axis=0)
    ratio, _ = pulled_back(here, GRID, GRID, pull.inverse())  # where the tissue came from
    volumes = np.divide(region, ratio, out=np.zeros(GRID.shape), where=region > 0)  # dy = dx / J
    assert mean == pytest.approx((dose * volumes).sum() / volumes.sum(), rel=0.02)


def test_values_are_averaged_not_sampled_and_nothing_is_guessed_outside():
    fine = Grid.from_spacing((8, 8, 8), (1.0, 1.0, 1.0))
    stripes = np.zeros(fine.shape)
    stripes[..., ::2] = 2.0
    coarse = Grid.from_spacing((2, 2, 3), (4.0, 4.0, 4.0), (1.5, 1.5, 1.5))
    values, known = pulled_back(stripes, fine, coarse, UNMOVED)
    assert values[..., :2] == pytest.approx(np.ones((2, 2, 2)))
    assert known[..., 2].max() == 0.0
    assert values[..., 2].max() == 0.0
