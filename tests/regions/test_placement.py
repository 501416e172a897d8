import numpy as np
import pytest

from y90voxel.errors import InputError, RegionError
from y90voxel.regions.placement import place_regions, urgent_first
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((20, 20, 20), (4.0, 4.0, 4.0))
FINE = Grid.from_spacing((80, 80, 80), (1.0, 1.0, 1.0), (-1.5, -1.5, -1.5))


def ball(centre_mm, radius_mm, grid=FINE):
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid.index_to_lps(indices) - np.array(centre_mm), axis=-1)
    return Mask((distance <= radius_mm).astype(np.float32), grid)


def box_contours(low, high, step=2.0):
    """Square contours in axial planes, as an RTSTRUCT draws them."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    square = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)
    heights = np.arange(z0, z1 + 1e-6, step)
    return Contours(tuple(np.column_stack([square, np.full(4, z)]) for z in heights))


def test_a_small_ball_keeps_its_volume_on_coarse_voxels():
    drawn = DrawnRegion("GTV1", ball((38, 38, 38), 6.0))
    regions, notices = place_regions([drawn], GRID)
    placed = regions["GTV1"]
    assert placed.mask.volume_ml == pytest.approx(drawn.shape.volume_ml, rel=1e-5)
    assert 0 < float(placed.mask.array[placed.mask.array > 0].min()) < 0.5
    assert (placed.role, placed.truncated, notices) == (Role.TUMOUR, False, [])


def test_contours_keep_their_volume_on_coarse_voxels():
    drawn = DrawnRegion("Tumor 2", box_contours((20, 20, 21), (29, 33, 39)))
    regions, _ = place_regions([drawn], GRID)
    assert regions["Tumor 2"].mask.volume_ml == pytest.approx(9 * 13 * 20 / 1000, rel=1e-3)


@pytest.mark.parametrize(("name", "role"), [("Liver", "liver"), ("GTV", "tumour")])
def test_liver_or_tumour_cut_off_by_the_image_is_refused(name, role):
    outside = DrawnRegion(name, box_contours((20, 20, -20), (40, 40, 30)))
    with pytest.raises(
        RegionError, match=rf"{role} region '{name}' is not wholly inside.*% of its drawn volume"
    ):
        place_regions([outside], GRID)


def test_a_liver_drawn_up_to_the_edge_is_refused():
    array = np.zeros(GRID.shape)
    array[10:, 5:15, 5:15] = 1
    with pytest.raises(RegionError, match=r"up to the edge of the image \(last slice\)"):
        place_regions([DrawnRegion("Liver", Mask(array, GRID))], GRID)


def test_truncated_lungs_are_a_warning():
    lungs = DrawnRegion("Lungs", box_contours((20, 20, 39), (40, 40, 118.9)))
    regions, notices = place_regions([lungs], GRID)
    assert [n.code for n in notices] == ["lungs-truncated"]
    assert regions["Lungs"].truncated
    assert regions["Lungs"].fraction_in_image == pytest.approx((78 - 38) / 80, abs=0.02)


def test_a_truncated_perfused_volume_is_a_warning():
    drawn = DrawnRegion("Perfused volume", box_contours((20, 20, -20), (40, 40, 30)))
    _, notices = place_regions([drawn], GRID)
    assert [n.code for n in notices] == ["region-truncated"]


def test_a_tumour_outside_the_image_is_refused_and_another_region_is_left_out():
    away = box_contours((500, 500, 500), (520, 520, 520))
    with pytest.raises(RegionError, match="wholly outside"):
        place_regions([DrawnRegion("GTV", away)], GRID)
    regions, notices = place_regions([DrawnRegion("spleen", away)], GRID)
    assert (list(regions), [n.code for n in notices]) == ([], ["region-outside"])


def test_regions_without_a_role_are_listed_and_ignored_ones_vanish():
    drawn = [DrawnRegion(n, ball((38, 38, 38), 8)) for n in ("spleen", "couch", "whole liver normal")]
    regions, notices = place_regions(drawn, GRID, {"couch": "ignore"})
    assert [r.name for r in regions] == ["spleen", "whole liver normal"]
    assert notices[0].code == "other-regions"
    assert "spleen, whole liver normal" in notices[0].message


def test_equal_names_get_numbers():
    drawn = [DrawnRegion("GTV", ball((30, 30, 30), 8)), DrawnRegion("GTV", ball((50, 50, 50), 8))]
    regions, _ = place_regions(drawn, GRID)
    assert [r.name for r in regions.with_role(Role.TUMOUR)] == ["GTV", "GTV (2)"]


def test_unknown_overrides_are_refused():
    with pytest.raises(InputError, match="--role names the region 'x'"):
        place_regions([], GRID, {"x": "liver"})


def test_what_must_be_whole_is_the_callers_choice():
    cut = DrawnRegion("Liver", box_contours((20, 20, -20), (40, 40, 30)))
    _, notices = place_regions([cut], GRID, must_be_whole=())
    assert [n.code for n in notices] == ["region-truncated"]


def test_a_region_drawn_under_a_derived_name_says_so():
    drawn = [DrawnRegion(n, ball((38, 38, 38), r)) for n, r in (("Liver", 20), ("non-tumour liver", 8))]
    regions, _ = place_regions([*drawn, DrawnRegion("GTV", ball((38, 38, 38), 6))], GRID)
    assert "non-tumour liver (drawn)" in [r.name for r in regions]
    assert regions["non-tumour liver"].mask.volume_ml > 3 * regions["non-tumour liver (drawn)"].mask.volume_ml


def test_other_regions_that_are_cut_are_said():
    _, notices = place_regions([DrawnRegion("stomach", box_contours((20, 20, -20), (40, 40, 30)))], GRID)
    assert "region-truncated" in [n.code for n in notices]


def test_an_empty_tumour_is_refused_until_it_is_ignored_and_an_empty_lung_is_said():
    empty = [DrawnRegion("GTV 2", Contours(())), DrawnRegion("Lung_L", Contours(()))]
    with pytest.raises(
        RegionError, match=r"'GTV 2' lies wholly outside .* or is empty.*--role 'GTV 2=ignore'"
    ):
        place_regions(empty, GRID)
    regions, notices = place_regions(empty, GRID, {"GTV 2": "ignore"})
    assert list(regions) == []
    assert [notice.code for notice in notices] == ["region-outside"]


@pytest.mark.parametrize(
    ("name", "codes"), [("met dome", ["looks-like-tumour", "other-regions"]), ("spleen", ["other-regions"])]
)
def test_a_name_that_looks_like_a_tumour_is_said_first(name, codes):
    drawn = [DrawnRegion(n, ball((38, 38, 38), r)) for n, r in (("Liver", 20), (name, 8))]
    _, notices = place_regions(drawn, GRID)
    assert [notice.code for notice in notices] == codes
    if len(codes) > 1:
        assert f"--role '{name}=tumour'" in notices[0].message
        assert urgent_first([*notices[::-1]])[0] == notices[0]


def test_a_name_that_looks_like_a_tumour_is_not_said_once_its_role_is_given():
    drawn = [DrawnRegion(n, ball((38, 38, 38), r)) for n, r in (("Liver", 20), ("met dome", 8))]
    for pattern in ("met dome", "met*"):
        _, notices = place_regions(drawn, GRID, {pattern: "other"})
        assert [notice.code for notice in notices] == ["other-regions"]


LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)


@pytest.mark.parametrize(
    ("lobes", "missing"), [(LOBES, False), (LOBES[:4], True), (("Lung_L", "Lung_R"), False)]
)
def test_five_lobes_are_the_lungs(lobes, missing):
    drawn = [DrawnRegion(name, ball((20 + 9 * k, 38, 38), 4)) for k, name in enumerate(lobes)]
    regions, notices = place_regions(drawn, GRID)
    assert len(regions.with_role(Role.LUNG)) == len(lobes)
    assert regions["lungs"].mask.volume_ml == pytest.approx(
        sum(r.mask.volume_ml for r in regions.drawn), rel=1e-6
    )
    assert (regions.both_lungs_in_view, [n.code for n in notices]) == (
        not missing,
        ["lung-lobes-missing"] if missing else [],
    )
    if missing:
        assert "4 of five lobes of the lungs are there; missing: lower right" in notices[0].message
