"""Deformable registration where it must refuse, and what contours and contrast agent do to it."""

from dataclasses import replace

import numpy as np
import pytest
from quick_registration import quick_registration

from y90voxel.errors import GeometryError
from y90voxel.volumes import deformable_registration
from y90voxel.volumes.deformable_registration import GUIDE_HU, MARGIN_MM, Guide, deform_ct
from y90voxel.volumes.field_quality import field_quality
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.transform import AffineTransform, Deformation
from y90voxel.volumes.volume import CtImage, Mask

GRID = Grid.from_spacing((34, 38, 42), (5.0, 5.0, 5.0), (-105.0, -95.0, -85.0), "1.2.3")
UNMOVED = AffineTransform(np.eye(4))


def ball(shift_mm=0.0, radius_mm=45.0):
    points = GRID.index_to_lps(np.moveaxis(np.indices(GRID.shape, dtype=float), 0, -1))
    away = np.linalg.norm(points - (0, 0, shift_mm), axis=-1) - radius_mm
    return Mask(np.clip(0.5 - away / 5.0, 0, 1), GRID)


def ct(mask, liver_hu=60.0):
    return CtImage((-100.0 + (liver_hu + 100.0) * mask.array).astype(np.float32), GRID)


def alignment(moving, fixed):
    return Alignment(
        UNMOVED, moving, fixed, (0.1, 0.9), (0.1, 0.9), 1.0, 0.5, np.array([[-45.0] * 3, [45.0] * 3])
    )


def test_a_ball_that_moved_is_found_and_the_way_back_agrees():
    before, after = ball(), ball(9.0)
    found = deform_ct(alignment(ct(before), ct(after)), after)
    top = np.array([(0.0, 0.0, 54.0), (0.0, 0.0, -36.0)])
    assert np.abs(found.pull.points(top) - (top - (0, 0, 9.0))).max() < 1.5
    assert found.quality.inconsistency_mm[1] < 1.5
    assert found.as_dict()["jacobian"]["folded_share"] == 0.0
    again = deform_ct(alignment(ct(before), ct(after)), after)
    np.testing.assert_array_equal(found.pull.offsets_mm, again.pull.offsets_mm)


def test_contours_guide_where_the_images_show_nothing():
    before, after = ball(), ball(9.0)
    noise = np.random.default_rng(0).normal(0, 5.0, (2, *GRID.shape)).astype(np.float32)
    grey = [CtImage(40.0 + part, GRID) for part in noise]
    found = deformable_registration._demons(
        *(
            deformable_registration._prepared(image, [(mask, 1.0)], work, UNMOVED)
            for work in [deformable_registration._work_grid(grey[1], after)]
            for image, mask in ((grey[1], after), (grey[0], before))
        ),
        deformable_registration._work_grid(grey[1], after),
        lambda done: None,
    )
    work = deformable_registration._work_grid(grey[1], after)
    index = tuple(np.rint(work.lps_to_index((0.0, 0.0, 50.0))).astype(int))
    assert found[index][2] == pytest.approx(-9.0, abs=2.0)


def test_the_last_step_takes_out_what_followed_noise_and_leaves_the_motion():
    before, after = ball(), ball(9.0)
    noise = np.random.default_rng(0).normal(0, 20.0, (2, *GRID.shape)).astype(np.float32)
    images = [CtImage(ct(mask).array + part, GRID) for mask, part in zip((before, after), noise, strict=True)]
    work = deformable_registration._work_grid(images[1], after)
    moving, fixed = (
        deformable_registration._prepared(image, [(mask, 1.0)], work, UNMOVED)
        for image, mask in zip(images, (before, after), strict=True)
    )
    inside = deformable_registration._nearest(after.array, GRID, work, UNMOVED) >= 0.5

    def found(steps):
        offsets = deformable_registration._demons(fixed, moving, work, lambda done: None, steps)
        deformation = Deformation(UNMOVED, UNMOVED, work, offsets)
        wrong = np.linalg.norm(offsets[inside] - (0.0, 0.0, -9.0), axis=-1).mean()
        return float(np.ptp(field_quality(deformation, work, inside).volume_ratio)), float(wrong)

    (rough, wrong_before), (smooth, wrong) = (
        found(deformable_registration.GUIDED[:end]) for end in (-1, None)
    )
    assert smooth < 0.9 * rough
    assert wrong < wrong_before  # of 9 mm, in an even ball


def test_contrast_agent_in_a_guided_organ_is_taken_out():
    mask = ball()
    work = deformable_registration._work_grid(ct(mask), mask)
    plain, bright = (
        deformable_registration._prepared(ct(mask, hu), [(mask, 1.0)], work, UNMOVED) for hu in (60.0, 130.0)
    )
    assert np.abs(plain - bright).mean() < 1.0  # of 70 HU
    assert np.median(plain[plain > 0.5 * GUIDE_HU]) == pytest.approx(GUIDE_HU, abs=2.0)


@pytest.mark.parametrize("on_moving", [True, False])
def test_contrast_agent_in_one_liver_is_no_motion_where_one_side_has_its_contour(on_moving):
    before, after = ball(), ball(9.0)
    both, focus = alignment(ct(before, 130.0), ct(after)), before if on_moving else after
    ends = np.array([(0.0, 0.0, 54.0), (0.0, 0.0, -36.0), (40.0, 0.0, 9.0), (0.0, -40.0, 9.0)])

    def worst_mm():
        found = deform_ct(both, focus, drawn_on_moving=on_moving)
        assert found.quality.folded_share == 0.0
        return float(np.linalg.norm(found.pull.points(ends) - (ends - (0, 0, 9.0)), axis=-1).max())

    assert worst_mm() < 2.0
    bright = deformable_registration._as_bright_as
    small = np.zeros((9, 9, 9), np.float32)
    small[3:6, 3:6, 3:6] = 1.0  # nothing of it lies deep
    assert bright(small * 0 + 50.0, small * 0 + 120.0, small)[4, 4, 4] == pytest.approx(50.0, abs=15.0)


# refusals


def test_without_a_liver_nothing_is_deformed():
    with pytest.raises(GeometryError, match="there is no liver to deform around"):
        deform_ct(alignment(ct(ball()), ct(ball())), Mask(np.zeros(GRID.shape), GRID))


@pytest.mark.parametrize(("slices", "enough"), [(19, False), (22, True)])
def test_a_ct_that_shows_too_little_of_the_liver_is_refused(slices, enough):
    """The CT must show twice the margin along every axis."""
    assert (slices * 5.0 >= 2 * MARGIN_MM) is enough
    part = GRID.crop((0, 0, 0), (slices, *GRID.shape[1:]))
    cut = CtImage(ct(ball(-30.0)).array[:slices], part)
    if enough:
        assert deformable_registration._work_grid(cut, ball(-30.0)).shape[0] >= 2 * MARGIN_MM / 3.0
        return
    with pytest.raises(GeometryError, match="shows too little of the liver to deform it"):
        deform_ct(alignment(cut, cut), ball(-30.0))


def test_a_deformation_that_folds_or_makes_things_worse_is_refused(monkeypatch):
    mask = ball()
    image = CtImage(
        ct(mask).array + np.random.default_rng(1).normal(0, 30, GRID.shape).astype(np.float32), GRID
    )
    both = alignment(image, image)

    def stands(offset):
        def found(fixed, moving, grid, told, steps):
            assert steps == deformable_registration.PLAIN
            points = grid.index_to_lps(np.moveaxis(np.indices(grid.shape, dtype=float), 0, -1))
            return offset(points).astype(np.float32)

        monkeypatch.setattr(deformable_registration, "_demons", found)

    stands(lambda p: np.stack([14.0 * np.sin(p[..., 0] / 8.0), 0 * p[..., 1], 0 * p[..., 2]], axis=-1))
    with pytest.raises(GeometryError, match="the deformation folds"):
        deform_ct(both, mask)
    stands(lambda p: np.full(p.shape, (12.0, 0.0, 0.0)))
    with pytest.raises(GeometryError, match="makes the CTs less alike"):
        deform_ct(both, mask)


def test_guides_lie_in_the_frames_of_their_cts():
    before, after = ball(), ball(9.0)
    with quick_registration():
        guided = deform_ct(alignment(ct(before), ct(after)), after, [Guide(before, after)])
    assert "no folds; the other direction ends" in guided.summary
    assert replace(guided, notices=()).quality is guided.quality
