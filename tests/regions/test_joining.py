"""Tumours that overlap, lie in each other, are drawn twice or touch: what follows is that of their union drawn alone."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from regions import naive_rasterise as naive

from y90voxel.errors import GridMismatchError, RegionError
from y90voxel.regions import joining
from y90voxel.regions.placement import place_regions
from y90voxel.regions.rasterise import rasterise, rasterise_union
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.regions.regions import LEAST_SHARED, Region, Regions, union
from y90voxel.regions.roles import Role
from y90voxel.regions.slabs import SAME_END_MM, common_slabs
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

FINE = Grid.from_spacing((96, 100, 100), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
KINDS = ("apart", "touching", "overlapping", "nested", "twice", "parts and whole")


def coarse(spacing):
    """A grid over the fine one, of other voxels."""
    return Grid.from_spacing(tuple(int(np.ceil(110 / s)) for s in spacing), spacing, (-3.0, -2.0, -4.0))


def inside(centre_mm, radius_mm, grid=FINE):
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    return np.linalg.norm(grid.index_to_lps(indices) - np.array(centre_mm), axis=-1) <= radius_mm


def cut(array, grid=FINE):
    """A mask cut to its box, as readers of segmentations return it."""
    index = np.argwhere(array)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    part = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return Mask(part.astype(np.float32), grid.crop(low.tolist(), (high - low).tolist()))


def tumours_of(kind, radii, apart, direction):
    """Fine occupancies of tumours that stand to each other as the kind says."""
    one, other = radii
    first = np.array((50.0, 48.0, 46.0))
    towards = np.array(direction) / np.linalg.norm(direction)
    a = inside(first, one)
    if kind == "twice":
        return [a, a]
    if kind == "nested":
        return [a, inside(first + towards * 0.3 * one, 0.6 * one)]
    gap = {"apart": 1.3, "touching": 0.95}.get(kind, apart)
    b = inside(first + towards * gap * (one + other), other)
    if kind == "touching":
        b &= ~a
    return [a, b, a | b] if kind == "parts and whole" else [a, b]


def placed(shapes, grid, liver):
    """Liver and tumours on the grid."""
    drawn = [DrawnRegion("Liver", liver)]
    drawn += [DrawnRegion(f"GTV{number}", shape) for number, shape in enumerate(shapes, 1)]
    return place_regions(drawn, grid)[0]


spacings = st.tuples(*[st.floats(2.5, 6.0)] * 3)
radii = st.tuples(*[st.floats(5.0, 12.0)] * 2)
directions = st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda d: np.linalg.norm(d) > 0.1)


@settings(max_examples=8, deadline=None)
@given(spacing=spacings, radii=radii, apart=st.floats(0.2, 0.9), direction=directions)
@pytest.mark.parametrize("kind", KINDS)
def test_segmented_tumours_leave_the_liver_that_their_union_leaves(kind, spacing, radii, apart, direction):
    grid, liver = coarse(spacing), cut(inside((50, 50, 48), 42.0))
    tumours = tumours_of(kind, radii, apart, direction)
    several = placed([cut(tumour) for tumour in tumours], grid, liver)
    alone = placed([cut(np.any(tumours, axis=0))], grid, liver)
    for name in ("non-tumour liver", "all tumours"):
        assert np.abs(several[name].mask.array - alone[name].mask.array).max() < 1e-5
        assert several[name].mask.volume_ml == pytest.approx(alone[name].mask.volume_ml, rel=1e-6)
    whole = alone["all tumours"].mask
    parts = several.tumour_parts()
    assert sum(part.volume_ml for part in parts.values()) == pytest.approx(whole.volume_ml, rel=1e-6)
    assert np.abs(sum(part.array for part in parts.values()) - whole.array).max() < 1e-5


@settings(max_examples=8, deadline=None)
@given(spacing=spacings, radii=radii, direction=directions)
@pytest.mark.parametrize("kind", ["apart", "touching"])
def test_tumours_that_share_nothing_are_whole_and_add_up(kind, spacing, radii, direction):
    grid, liver = coarse(spacing), cut(inside((50, 50, 48), 42.0))
    regions = placed([cut(tumour) for tumour in tumours_of(kind, radii, 0.5, direction)], grid, liver)
    one, other = (regions[name].mask for name in ("GTV1", "GTV2"))
    assert regions["all tumours"].mask.volume_ml == pytest.approx(one.volume_ml + other.volume_ml, rel=1e-5)
    for name, part in regions.tumour_parts().items():
        assert part.array == pytest.approx(regions[name].mask.array, abs=1e-5)
    # Of a lesion smaller than two voxels, a quarter lies in voxels of its neighbour: that counts as overlap (union).
    if min(radii) > max(spacing):
        assert regions.shared_by_tumours() == {}


def box(low, high, step=2.5):
    """A box as contours in axial planes whose slabs fill it."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    square = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)
    heights = np.arange(z0 + step / 2, z1, step)
    return Contours(tuple(np.column_stack([square, np.full(4, z)]) for z in heights), plane_step_mm=step)


corners = st.tuples(*[st.floats(10.0, 40.0)] * 2, st.integers(4, 14).map(lambda n: 2.5 * n))
sides = st.tuples(*[st.floats(6.0, 30.0)] * 2, st.integers(2, 12).map(lambda n: 2.5 * n))
TILT = np.array([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])


@settings(max_examples=40, deadline=None)
@given(spacing=spacings, first=corners, size=sides, second=corners, other=sides)
def test_contours_together_are_both_less_what_they_share_once(spacing, first, size, second, other):
    """Inclusion and exclusion of boxes, voxel by voxel."""
    grid = coarse(spacing)
    ends = [np.array(first) + size, np.array(second) + other]
    low, high = np.maximum(first, second), np.minimum(*ends)
    one, two = box(first, ends[0]), box(second, ends[1])
    expected = rasterise(one, grid).array + rasterise(two, grid).array
    if (high - low > 1e-3).all():
        expected = expected - rasterise(box(low, high), grid).array
    assert np.abs(rasterise_union([one, two], grid).array - expected).max() < 2e-5


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_contours_drawn_again_change_nothing_even_aslant(copies):
    grid = coarse((4.0, 3.0, 5.0))
    slanted = Contours(tuple((p - 40) @ TILT.T + 40 for p in box((20, 25, 30), (45, 50, 60)).polygons))
    for shape in (box((20, 25, 30), (45, 50, 60)), slanted):
        assert (
            np.abs(rasterise_union([shape] * copies, grid).array - rasterise(shape, grid).array).max() < 1e-6
        )


@pytest.mark.parametrize("seed", range(5))
def test_a_plane_of_several_regions_is_covered_where_any_is_even_odd(seed):
    """Self-crossing polygons and holes, against point samples."""
    random = np.random.default_rng(seed)
    regions = [[random.uniform(0.5, 7.5, (random.integers(3, 8), 2)) for _ in range(2)] for _ in range(3)]
    grid = Grid.from_spacing((1, 8, 8), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    contours = [
        Contours(
            tuple(np.column_stack([p[:, ::-1], np.full(len(p), 0.5)]) for p in polygons), plane_step_mm=1.0
        )
        for polygons in regions
    ]
    samples, offsets = 60, (np.arange(60) + 0.5) / 60
    axis = (np.arange(8)[:, None] + offsets).ravel()
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    hits = np.any([naive.inside_even_odd(points, polygons) for polygons in regions], axis=0)
    expected = hits.reshape(8, samples, 8, samples).mean(axis=(1, 3))
    assert np.abs(rasterise_union(contours, grid).array[0] - expected).max() < 0.03


def test_planes_of_another_step_are_cut_into_common_slabs():
    """Inner box on coarse planes, outer one on fine planes: the union is the outer one."""
    grid, outer = coarse((3.0, 4.0, 5.0)), box((20, 20, 20), (60, 60, 60), 2.5)
    inner = box((30, 30, 30), (50, 50, 50), 4.0)
    assert np.abs(rasterise_union([inner, outer], grid).array - rasterise(outer, grid).array).max() < 1e-6


@pytest.mark.parametrize(("gap", "count"), [(0.9 * SAME_END_MM, 1), (1.1 * SAME_END_MM, 2)])
def test_ends_of_slabs_are_one_within_a_micrometre(gap, count):
    slabs, members = common_slabs([np.array([[0.0, 2.0]]), np.array([[0.0, 2.0 + gap]])])
    assert len(slabs) == len(members) == count


def test_nothing_stands_between_regions_that_lie_apart():
    slabs, members = common_slabs([np.array([[0.0, 1.0]]), np.array([[3.0, 4.0]])])
    assert slabs.tolist() == [[0.0, 1.0], [3.0, 4.0]]
    assert members == [[(0, 0)], [(1, 0)]]


def test_contours_on_planes_in_other_directions_are_joined_as_occupancies():
    grid = coarse((3.0, 3.0, 3.0))
    axial = box((20, 20, 20), (60, 60, 60))
    sagittal = Contours(tuple(p[:, [2, 0, 1]] for p in axial.polygons))
    with pytest.raises(RegionError, match="flat and parallel"):
        rasterise_union([axial, sagittal], grid)
    masks = [rasterise(shape, grid) for shape in (axial, sagittal)]
    joined = joining.union_of_shapes([axial, sagittal], masks, grid)
    assert np.array_equal(joined.array, np.maximum(masks[0].array, masks[1].array))


def test_contours_and_a_segmentation_are_joined_as_occupancies():
    grid = coarse((4.0, 4.0, 4.0))
    outer, inner = box((20, 20, 20), (60, 60, 60)), cut(inside((40, 40, 40), 10.0))
    masks = [rasterise(outer, grid), resample(inner, grid)]
    joined = joining.union_of_shapes([outer, inner], masks, grid)
    assert joined.volume_ml == pytest.approx(masks[0].volume_ml, rel=1e-3)


@pytest.mark.parametrize(("shift", "together"), [(0.9, True), (1.1, False)])
def test_segmentations_are_joined_on_their_lattice_where_they_have_one(shift, together):
    one = cut(inside((40, 40, 40), 10.0))
    moved = one.grid.index_to_lps(np.array((3, 0, 0)) + shift * joining.SAME_LATTICE)
    affine = np.array(one.grid.affine)
    affine[:3, 3] = moved
    other = Grid(one.grid.shape, affine)
    assert joining.on_one_lattice(one.grid, other) is together
    finer = Grid.from_spacing((10, 10, 10), (0.9, 1.0, 1.0), (0.5, 0.5, 0.5))
    assert not joining.on_one_lattice(one.grid, finer)


def occupancy(grid, balls, samples=5):
    """Occupancy of balls together, by sub-samples."""
    total, steps = np.zeros(grid.shape), (np.arange(samples) + 0.5) / samples - 0.5
    base = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in grid.shape], indexing="ij"), axis=-1)
    for shift in np.array(np.meshgrid(steps, steps, steps)).reshape(3, -1).T:
        points = grid.index_to_lps(base + shift)
        total += np.any(
            [np.linalg.norm(points - centre, axis=-1) <= radius for centre, radius in balls], axis=0
        )
    return Mask(total / samples**3, grid)


@settings(max_examples=10, deadline=None)
@given(spacing=spacings, sizes=radii, apart=st.floats(0.2, 0.9), direction=directions)
@example(spacing=(3.0, 3.0, 3.0), sizes=(5.0, 5.0), apart=0.5, direction=(0.0, 0.0, 1.0))  # 1.5 % too small
def test_occupancies_alone_tell_the_union_within_a_hundredth(spacing, sizes, apart, direction):
    """Of tumours of two voxels radius or more; smaller ones, which their surface fills, within three hundredths."""
    grid = Grid.from_spacing(tuple(int(np.ceil(64 / s)) for s in spacing), spacing)
    towards = np.array(direction) / np.linalg.norm(direction)
    middle = np.array((31.0, 32.0, 33.0))
    one = (middle - 0.5 * apart * sum(sizes) * towards, sizes[0])
    other = (middle + 0.5 * apart * sum(sizes) * towards, sizes[1])
    joined = union([occupancy(grid, [one]), occupancy(grid, [other])], same_kind=True)
    within = 0.01 if min(sizes) >= 2.0 * max(spacing) else 0.03
    assert joined.volume_ml == pytest.approx(occupancy(grid, [one, other]).volume_ml, rel=within)


@pytest.mark.parametrize("flat", [True, False])
def test_surfaces_that_cross_share_a_voxel_at_random(flat):
    """One tumour below a plane, one left of it; without a slope they share what they can."""
    grid = Grid.from_spacing((1, 3, 3), (5.0, 5.0, 5.0))
    below = np.array([[1, 1, 1], [0.5, 0.5, 0.5], [0, 0, 0]])
    left = below.T.copy()
    if flat:
        left[1, 0] = left[1, 2] = 0.5
    joined = union([Mask(part[None], grid) for part in (below, left)], same_kind=True)
    assert joined.array[0, 1, 1] == (0.5 if flat else 0.75)


GRID = Grid.from_spacing((1, 1, 6), (10, 10, 10))


def region(name, role, *occupancies):
    return Region(name, role, Mask(np.array(occupancies, float).reshape(1, 1, 6), GRID))


def row(volume):
    return volume.array.ravel().tolist()


def test_a_boundary_voxel_of_a_tumour_drawn_twice_is_taken_away_once():
    liver = region("Liver", Role.LIVER, 1, 1, 1, 1, 1, 1)
    shapes = [region(name, Role.TUMOUR, 0, 0.4, 1, 0.4, 0, 0) for name in ("GTV1", "GTV2")]
    regions = Regions(GRID, (liver, *shapes))
    assert row(regions["non-tumour liver"].mask) == pytest.approx([1, 0.6, 0, 0.6, 1, 1])
    for part in regions.tumour_parts().values():
        assert row(part) == pytest.approx([0, 0.2, 0.5, 0.2, 0, 0])


def test_parts_within_a_territory_add_up_to_what_it_holds_of_the_union():
    regions = Regions(GRID, tuple(region(n, Role.TUMOUR, 0, 1, 1, 1, 0, 0) for n in ("GTV1", "GTV2")))
    within = region("perfused", Role.PERFUSED, 1, 1, 0.5, 0, 0, 0).mask
    assert np.sum([row(part) for part in regions.tumour_parts(within).values()], axis=0).tolist() == [
        0, 1, 0.5, 0, 0, 0
    ]  # fmt: skip
    assert Regions(GRID, (region("Liver", Role.LIVER, 1, 1, 1, 1, 1, 1),)).tumour_parts() == {}


def test_a_union_that_is_given_is_taken_as_it_is():
    shapes = [region(name, Role.TUMOUR, 0, 0.5, 1, 0.5, 0, 0) for name in ("GTV1", "GTV2")]
    given = region("u", Role.TUMOUR, 0, 0.7, 1, 0.7, 0, 0).mask
    regions = Regions(GRID, tuple(shapes), given)
    assert row(regions["all tumours"].mask) == row(given)
    other = Mask(np.zeros((1, 1, 6)), Grid.from_spacing((1, 1, 6), (9, 9, 9)))
    with pytest.raises(GridMismatchError, match="union of the tumours"):
        Regions(GRID, tuple(shapes), other)


@pytest.mark.parametrize(("factor", "said"), [(0.9, False), (1.1, True)])
def test_tumours_overlap_from_a_hundredth_of_the_smaller_one_on(factor, said):
    shared = factor * LEAST_SHARED * 3.0
    one = region("GTV1", Role.TUMOUR, 1, 1, 1, shared, 0, 0)
    other = region("GTV2", Role.TUMOUR, 0, 0, 0, 1, 1, 1)
    regions = Regions(GRID, (one, other))
    expected = {("GTV1", "GTV2"): pytest.approx(shared, rel=1e-6)} if said else {}
    assert regions.shared_by_tumours() == expected
