"""Alignment of CT to CT against known motions: the abdomen phantom, and a real CT moved by a known matrix."""

from pathlib import Path

import body_phantom as body
import numpy as np
import pytest
from registration_factory import applied, rigid

from y90voxel.errors import GeometryError
from y90voxel.volumes import deformable_registration, image_registration
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import _check_plausible, align_ct, compared, seen_part
from y90voxel.volumes.transform import AffineTransform, sampled
from y90voxel.volumes.volume import CtImage

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "ct_labels"


def image(grid, seed, pose=None):
    return CtImage(body.seen(grid.affine, grid.shape, seed=seed, pose=pose).astype(np.float32) - 1024, grid)


@pytest.mark.parametrize(
    "box", [((-60.0, -50.0, -40.0), (20.0, 30.0, 35.0)), ((-400.0, -50.0, -40.0), (20.0, 30.0, 400.0))]
)
def test_a_part_of_a_ct_is_prepared_to_the_same_values_as_the_whole(monkeypatch, box):
    """Inside, and where the box reaches beyond the image; on a flipped and exchanged grid, turned too."""
    import SimpleITK

    grid = Grid.from_spacing((90, 70, 80), (1.5, 2.0, 1.2), (-60.0, -70.0, -70.0))
    turned = Grid((80, 90, 70), rigid((0.1, 0.2, -0.1)) @ grid.affine[:, [2, 0, 1, 3]])
    box = np.array(box)
    work = Grid.from_spacing((20, 20, 20), (3.0,) * 3, (-40.0, -30.0, -20.0))
    pull = AffineTransform(rigid((0.05, 0.1, 0.0), (3.0, -4.0, 5.0)))
    seen, prepared = [], []
    for part in (seen_part, lambda image, *others: image):
        monkeypatch.setattr(image_registration, "seen_part", part)
        monkeypatch.setattr(deformable_registration, "seen_part", part)
        for own in (grid, turned):
            values = np.random.default_rng(0).normal(0, 200, own.shape).astype(np.float32)
            ct = CtImage(values, own)
            seen.append(part(ct, work, pull, np.ones(3)).array.size / values.size)
            made = image_registration._prepared(ct, 5.0, box)
            prepared += [
                SimpleITK.GetArrayFromImage(made),
                deformable_registration._prepared(ct, [], work, pull),
            ]
    assert max(seen[:2]) < 0.7
    for mine, whole in zip(prepared[:4], prepared[4:], strict=True):
        np.testing.assert_allclose(mine, whole, atol=1e-3)


def test_a_grid_that_sees_nothing_of_a_ct_takes_all_of_it():
    ct = CtImage(np.zeros((5, 6, 7), np.float32), Grid.from_spacing((5, 6, 7), (2.0,) * 3, (0.0,) * 3))
    far = Grid.from_spacing((3, 3, 3), (2.0,) * 3, (500.0, 0.0, 0.0))
    assert seen_part(ct, far, AffineTransform(np.eye(4)), np.zeros(3)) is ct


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_motions_are_found_within_a_millimetre(seed):
    """Up to 9 degrees about each axis and 60 mm along it, CTs of other spacing, noise and range."""
    rng = np.random.default_rng(seed)
    motion = rigid(np.radians(rng.uniform(-9, 9, 3)), rng.uniform(-60, 60, 3))
    moving = image(Grid.from_spacing((48, 72, 90), (3.5, 4.0, 3.6), (-160, -130, -72)), 2 * seed)
    place = applied(motion, (-200, -170, -150))
    fixed = image(Grid.from_spacing((70, 84, 96), (4, 4.2, 4.2), place), 2 * seed + 1, np.linalg.inv(motion))
    surface = body.liver_surface()
    found = align_ct(moving, fixed, surface)
    error = np.linalg.norm(found.transform.points(surface) - applied(motion, surface), axis=-1)
    assert error.max() <= 1.0
    assert found.disagreement_mm <= 0.5
    again = align_ct(moving, fixed, surface)
    np.testing.assert_array_equal(again.transform.matrix, found.transform.matrix)


def test_a_search_that_went_astray_begins_again_with_the_images_as_they_lie(monkeypatch):
    """As at the sinusoidal motion of a thorax CT that ends in the liver: it had turned by 30 degrees and was refused."""
    grid = Grid.from_spacing((40, 60, 75), (4.2, 4.8, 4.3), (-160, -130, -72))
    shift = rigid((0.0, 0.0, 0.0), (3.0, -2.0, 4.0))
    moving, fixed = image(grid, 0), image(grid, 1, np.linalg.inv(shift))

    def astray(_focus, _other, box):
        start = image_registration._euler(box)
        start.SetTranslation((30.0, 0.0, 90.0))
        return start

    monkeypatch.setattr(image_registration, "_searched", astray)
    found = align_ct(moving, fixed, body.liver_surface())
    np.testing.assert_allclose(found.transform.matrix, shift, atol=1.5)
    assert found.information[1] > found.information[0]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="no real CT here")
def test_a_real_ct_that_was_moved_is_found_within_a_voxel():
    """A torso CT of 3 mm, turned by 5 degrees, shifted by 40 mm, cut in two different ways, with noise of 25 HU."""
    from y90voxel.io.nifti import read_nifti

    files = sorted(DATA.glob("*.nii.gz"), key=lambda path: -path.stat().st_size)
    whole = read_nifti(files[0])
    values, grid = whole.array[0].astype(np.float32), whole.grid
    rng = np.random.default_rng(0)
    middle = np.array(grid.shape) // 2
    start, size = (max(int(middle[0]) - 30, 0), 0, 0), (min(60, grid.shape[0]), *grid.shape[1:])
    cut = values[start[0] : start[0] + size[0]]
    moving = CtImage(cut + rng.normal(0, 25, cut.shape).astype(np.float32), grid.crop(start, cut.shape))
    motion = AffineTransform(rigid((0.05, -0.04, 0.06), (25.0, -18.0, 25.0)))
    corners = motion.points(grid.corners_mm())
    low, high = corners.min(axis=0), corners.max(axis=0)
    shape = np.ceil((high - low) / 3.4).astype(int)
    target = Grid.from_spacing(shape[::-1].tolist(), (3.4,) * 3, low.tolist())
    moved = sampled(values, grid, target, motion.inverse(), -1000.0)
    fixed = CtImage(moved + rng.normal(0, 25, moved.shape).astype(np.float32), target)
    box = moving.grid.corners_mm()
    points = box.mean(axis=0) + 60 * np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    found = align_ct(moving, fixed, points)
    error = np.linalg.norm(found.transform.points(points) - motion.points(points), axis=-1)
    assert error.max() <= 3.0


def test_correlation_and_overlap_of_a_shifted_copy():
    grid = Grid.from_spacing((30, 30, 30), (4, 4, 4), (-60, -60, -60))
    one = image(grid, 0)
    box = np.array([(-40.0, -40.0, -40.0), (40.0, 40.0, 40.0)])
    itself = compared(one, one, AffineTransform(np.eye(4)), box)
    assert itself == pytest.approx((1.0, 1.0))
    away = np.eye(4)
    away[0, 3] = 500.0
    correlation, overlap = compared(one, one, AffineTransform(away), box)
    assert (np.isnan(correlation), overlap) == (True, 0.0)
    flat = one.with_array(np.zeros(grid.shape, np.float32))
    assert np.isnan(compared(flat, flat, AffineTransform(np.eye(4)), box)[0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"overlap": 0.5}, "only 50 % of the region of interest"),
        ({"transform": AffineTransform(rigid((0, 0, 1.0)))}, "turn the patient by 57 degrees"),
        ({"disagreement_mm": 6.0}, r"two starts end 6\.0 mm apart"),
        ({"correlation": (0.1, 0.3)}, r"correlate by 0\.30 only"),
        ({"correlation": (0.1, float("nan"))}, r"correlate by none \(no overlap\) only"),
        ({"information": (0.5, 0.2)}, "agree less than before"),
    ],
)
def test_each_sign_of_a_wrong_alignment_is_named(change, reason):
    from dataclasses import replace

    from y90voxel.volumes.image_registration import Alignment

    ct = CtImage(np.zeros((2, 2, 2), np.float32), Grid.from_spacing((2, 2, 2), (1, 1, 1)))
    good = Alignment(
        AffineTransform(rigid((0, 0, 0.1))), ct, ct, (0.1, 0.9), (0.1, 0.9), 1.0, 0.5, np.zeros((2, 3))
    )
    _check_plausible(good)
    with pytest.raises(GeometryError, match=reason):
        _check_plausible(replace(good, **change))
