import numpy as np
import pytest

from y90voxel.errors import GridMismatchError, RegionError
from y90voxel.regions.regions import Region, Regions, subtract, union, unique_names
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((1, 1, 6), (10, 10, 10))


def mask(*occupancies):
    return Mask(np.array(occupancies, float).reshape(1, 1, 6), GRID)


def region(name, role, *occupancies, **facts):
    return Region(name, role, mask(*occupancies), **facts)


LIVER = region("Liver", Role.LIVER, 1, 1, 1, 0.7, 0, 0)
TUMOUR = region("GTV1", Role.TUMOUR, 0, 0.4, 1, 0.5, 0, 0)


def row(volume):
    return volume.array.ravel().tolist()


def test_non_tumour_liver_is_liver_minus_every_tumour():
    regions = Regions(GRID, (LIVER, TUMOUR))
    assert row(regions["non-tumour liver"].mask) == pytest.approx([1, 0.6, 0, 0.2, 0, 0])
    assert row(regions["all tumours"].mask) == pytest.approx(row(TUMOUR.mask))
    assert regions["non-tumour liver"].role is Role.NON_TUMOUR_LIVER


def test_volumes_of_liver_parts_add_up():
    regions = Regions(GRID, (LIVER, TUMOUR))
    parts = regions["non-tumour liver"].mask.volume_ml + regions["all tumours"].mask.volume_ml
    assert parts == pytest.approx(LIVER.mask.volume_ml)


def test_perfused_and_unperfused_parts_and_reserve():
    perfused = region("Perfused volume", Role.PERFUSED, 0, 1, 1, 0.7, 0, 0)
    regions = Regions(GRID, (LIVER, TUMOUR, perfused))
    assert row(regions["perfused non-tumour liver"].mask) == pytest.approx([0, 0.6, 0, 0.2, 0, 0])
    assert row(regions["unperfused liver"].mask) == pytest.approx([1, 0, 0, 0, 0, 0])
    assert regions.hepatic_reserve == pytest.approx(1 / 3.7)
    assert Regions(GRID, (LIVER,)).hepatic_reserve is None


def test_derived_regions_exist_only_with_their_parts():
    assert [r.name for r in Regions(GRID, ()).derived] == []
    assert [r.name for r in Regions(GRID, (LIVER,)).derived] == ["non-tumour liver"]
    assert [r.name for r in Regions(GRID, (TUMOUR,)).derived] == ["all tumours"]


def test_lungs_join_left_and_right_and_inherit_marks():
    left = region("Lung_L", Role.LUNG, 0, 0, 0, 0, 0.3, 1, automatic=True)
    right = region("Lung_R", Role.LUNG, 0, 0, 1, 1, 0.7, 0, fraction_in_image=0.6, truncated=True)
    lungs = Regions(GRID, (left, right))["lungs"]
    assert row(lungs.mask) == [0, 0, 1, 1, 1, 1]
    assert (lungs.automatic, lungs.fraction_in_image, lungs.truncated) == (True, 0.6, True)


@pytest.mark.parametrize(
    ("names", "truncated", "in_view"),
    [(("Lungs",), False, True), (("Lung_L",), False, False), (("Lung_L", "Lung_R"), False, True),
     (("Lung_R", "Right lung"), False, False),
     (("Lungs",), True, False), ((), False, False)],
)  # fmt: skip
def test_both_lungs_in_view(names, truncated, in_view):
    drawn = tuple(region(name, Role.LUNG, 0, 0, 0, 0, 1, 0, truncated=truncated) for name in names)
    assert Regions(GRID, drawn).both_lungs_in_view is in_view


def test_union_of_neighbours_adds_and_of_overlapping_takes_the_fuller():
    neighbours = union([mask(1, 0.3, 0, 0, 0, 0), mask(0, 0.7, 1, 0, 0, 0)])
    nested = union([mask(1, 1, 0.5, 0, 0, 0), mask(0, 1, 0.5, 0, 0, 0)])
    assert row(neighbours) == [1, 1, 1, 0, 0, 0]
    assert row(nested) == [1, 1, 0.5, 0, 0, 0]


def test_labels_that_exclude_each_other_keep_their_boundary():
    """A label map: the liver's label lacks the tumour already."""
    liver, tumour = mask(1, 1, 0.5, 0, 0.5, 1), mask(0, 0, 0.5, 1, 0.5, 0)
    assert row(subtract(liver, tumour)) == row(liver)
    regions = Regions(GRID, (Region("Liver", Role.LIVER, liver), Region("Tumor", Role.TUMOUR, tumour)))
    assert row(regions["non-tumour liver"].mask) == row(liver)
    assert row(regions.mask_of(Role.LIVER, Role.TUMOUR)) == [1] * 6


def test_parts_inside_and_beside_are_told_apart_one_by_one():
    whole, inside, beside = mask(1, 1, 1, 0.5, 0, 0), mask(0, 0.6, 1, 0, 0, 0), mask(0, 0, 0, 0.5, 1, 0)
    assert row(subtract(whole, inside, beside)) == pytest.approx([1, 0.4, 0, 0.5, 0, 0])


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "overlapping"])
def test_regions_are_joined_and_taken_away_voxel_by_voxel(apart):
    """Against the rule of every single voxel; work stays in the boxes of the regions."""
    random = np.random.default_rng(1)
    one, other = np.zeros((7, 8, 9)), np.zeros((7, 8, 9))
    one[1:5, 2:7, 1:6] = random.random((4, 5, 5))
    other[4:, 5:, 5:] = random.random((3, 3, 4)) * (np.where(one[4:, 5:, 5:] > 0, 0, 1) if apart else 1)
    other[4, 6, 5], one[4, 6, 5] = (0.5, 0.5) if apart else (0.7, 0.6)
    grid = Grid.from_spacing(one.shape, (1, 1, 1))
    a, b = Mask(one, grid), Mask(other, grid)
    joined, rest = union([a, b]).array, subtract(a, b).array
    assert np.array_equal(joined, np.minimum(one + other, 1) if apart else np.maximum(one, other))
    assert np.array_equal(rest, np.minimum(one, 1 - other) if apart else np.maximum(one - other, 0))


def test_the_same_small_lesion_drawn_twice_counts_once():
    """On coarse voxels neither copy fills one, but they share nearly all of each other."""
    twice = union(same_kind=True, masks=[mask(0, 0.4, 0.3, 0, 0, 0), mask(0, 0.38, 0.32, 0, 0, 0)])
    assert row(twice) == [0, 0.4, 0.32, 0, 0, 0]


def test_subtract_without_parts():
    assert subtract(None, TUMOUR.mask) is None
    assert row(subtract(LIVER.mask, None)) == row(LIVER.mask)


def test_two_livers_are_refused_with_the_way_out():
    with pytest.raises(
        RegionError, match=r"2 regions look like the liver: Liver, Leber.*--role 'Liver=liver'"
    ):
        Regions(GRID, (LIVER, region("Leber", Role.LIVER, 1, 0, 0, 0, 0, 0)))


def test_equal_names_are_refused():
    with pytest.raises(RegionError, match="two regions are named 'GTV1'"):
        Regions(GRID, (TUMOUR, TUMOUR))


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(RegionError, match=r"no region is named 'Spleen'.*Liver, non-tumour liver"):
        Regions(GRID, (LIVER,))["Spleen"]


def test_a_mask_on_another_grid_is_refused():
    with pytest.raises(GridMismatchError, match="'Liver'"):
        Regions(Grid.from_spacing((1, 1, 6), (1, 1, 1)), (LIVER,))


def test_names_are_made_unique():
    assert unique_names(["A", "B", "A", "A"]) == ["A", "B", "A (2)", "A (3)"]
