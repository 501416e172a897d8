"""A liver drawn without its tumours: joined where they lie in it or along it, asked where that is not clear."""

import numpy as np
import pytest

from y90voxel.errors import RegionError
from y90voxel.regions.placement import place_regions
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.regions.whole_liver import contact_shares, with_whole_liver
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((30, 30, 30), (4.0, 4.0, 4.0))
Z, Y, X = np.indices(GRID.shape)


def ball(z, y, x, radius):
    return (Z - z) ** 2 + (Y - y) ** 2 + (X - x) ** 2 <= radius**2


LIVER = ball(15, 15, 12, 10)


def regions(liver, perfused=None, **tumours):
    masks = {"Liver": (Role.LIVER, liver), **{name: (Role.TUMOUR, mask) for name, mask in tumours.items()}}
    if perfused is not None:
        masks["Perfused"] = (Role.PERFUSED, perfused)
    return Regions(
        GRID, tuple(Region(n, role, Mask(m.astype(np.float32), GRID)) for n, (role, m) in masks.items())
    )


def liver_ml(placed):
    return placed["Liver"].mask.volume_ml


def test_a_tumour_in_a_hole_of_the_liver_belongs_to_it():
    tumour = ball(15, 15, 14, 4)
    as_drawn = regions(LIVER & ~tumour, perfused=X < 12, GTV=tumour)
    placed, (notice,) = with_whole_liver(as_drawn)
    assert liver_ml(placed) == pytest.approx(LIVER.sum() * 0.064)
    assert notice.code == "liver-without-tumour"
    before, after = (LIVER & ~tumour).sum() * 0.064, LIVER.sum() * 0.064
    assert f"{before:.1f} mL as drawn, {after:.1f} mL with them" in notice.message
    assert f"{before * 1.05:.0f} and {after * 1.05:.0f} g" in notice.message
    assert (
        f"hepatic reserve {100 * as_drawn.hepatic_reserve:.1f} % and {100 * placed.hepatic_reserve:.1f} %"
        in notice.message
    )
    normal = placed["non-tumour liver"].mask.volume_ml
    assert normal == pytest.approx((LIVER & ~tumour).sum() * 0.064)


def test_a_liver_that_holds_its_tumour_is_left_as_drawn():
    placed, notices = with_whole_liver(regions(LIVER, GTV=ball(15, 15, 14, 4)))
    assert (liver_ml(placed), notices) == (pytest.approx(LIVER.sum() * 0.064), [])


def test_fractional_surfaces_are_joined_whole():
    """Coarse voxels that liver and tumour share add up to the liver with its tumour."""
    fine = Grid.from_spacing((120, 120, 120), (1.0, 1.0, 1.0), (-1.5, -1.5, -1.5))
    z, y, x = np.indices(fine.shape)
    whole = (z - 60) ** 2 + (y - 60) ** 2 + (x - 48) ** 2 <= 40**2
    tumour = (z - 60) ** 2 + (y - 62) ** 2 + (x - 75) ** 2 <= 15**2
    tumour &= whole
    drawn = [
        DrawnRegion("Liver", Mask((whole & ~tumour).astype(np.float32), fine)),
        DrawnRegion("GTV", Mask(tumour.astype(np.float32), fine)),
    ]
    placed, notices = place_regions(drawn, GRID, liver_tumours="ask")
    assert [n.code for n in notices] == ["liver-without-tumour"]
    assert liver_ml(placed) == pytest.approx(whole.sum() / 1000, rel=0.002)
    apart, notices = place_regions(drawn, GRID, liver_tumours="apart")
    assert (notices, liver_ml(apart)) == ([], pytest.approx((whole & ~tumour).sum() / 1000, rel=0.002))


def slab_and_block(contact_faces):
    """A liver below z = 10 and a block of 4 x 4 x 4 sunk into it: 16 faces below, 16 a layer at its sides."""
    liver = (Z < 10) & (X < 25) & (Y < 25) & (X > 3) & (Y > 3) & (Z > 3)
    low = 10 - contact_faces
    block = (low <= Z) & (low + 4 > Z) & (X >= 10) & (X < 14) & (Y >= 10) & (Y < 14)
    return liver & ~block, block


def share_of(liver, tumour):
    """The naive twin: every face of every voxel, looked up one by one."""
    near = np.zeros_like(liver)
    for z, y, x in np.argwhere(liver):
        for step in ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
            near[tuple(np.clip(np.add((z, y, x), step), 0, 29))] = True
    faces = touching = 0
    for voxel in np.argwhere(tumour):
        for step in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
            beside = tuple(voxel + step)
            if not tumour[beside]:
                faces += 1
                touching += bool(near[beside])
    return touching / faces


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_the_share_of_a_surface_along_the_liver_matches_its_naive_twin(depth):
    liver, block = slab_and_block(depth)
    (share,) = contact_shares(block.astype(int), 1, Mask(liver.astype(np.float32), GRID))
    assert share == pytest.approx(share_of(liver, block))


def test_half_of_the_surface_decides():
    (liver, block), (less_liver, less) = slab_and_block(1), slab_and_block(0)
    assert share_of(liver, block) >= 0.5 > share_of(less_liver, less) >= 0.1
    placed, notices = with_whole_liver(regions(liver, GTV=block))
    assert liver_ml(placed) == pytest.approx((liver | block).sum() * 0.064)
    assert [n.code for n in notices] == ["liver-without-tumour"]
    with pytest.raises(
        RegionError, match=r"leaves out 'GTV', which touches it with \d+ % of its surface.*--liver-tumours"
    ) as caught:
        with_whole_liver(regions(less_liver, GTV=less))
    assert caught.value.tag == "regions.liver_tumours"
    joined, notices = with_whole_liver(regions(less_liver, GTV=less), "join")
    assert (liver_ml(joined), len(notices)) == (pytest.approx((less_liver | less).sum() * 0.064), 1)
    apart, notices = with_whole_liver(regions(less_liver, GTV=less), "apart")
    assert (liver_ml(apart), notices) == (pytest.approx(less_liver.sum() * 0.064), [])


def test_a_lesion_elsewhere_stays_elsewhere():
    placed, notices = with_whole_liver(regions(LIVER, GTV=ball(15, 15, 27, 2)))
    assert (liver_ml(placed), notices) == (pytest.approx(LIVER.sum() * 0.064), [])


def test_a_concave_liver_is_not_filled_by_a_hull():
    bay = (Y > 12) & (Y < 18) & (X > 12)
    tumour = ball(15, 15, 5, 2)
    placed, _ = with_whole_liver(regions(LIVER & ~bay & ~tumour, GTV=tumour))
    assert liver_ml(placed) == pytest.approx((LIVER & ~bay).sum() * 0.064)


@pytest.mark.parametrize(("shared", "left_out"), [(0.05, True), (0.15, False)])
def test_a_tumour_that_the_liver_holds_in_part_is_as_drawn(shared, left_out):
    tumour = ball(15, 15, 14, 4)
    liver = (LIVER & ~tumour).astype(np.float32)
    liver[tumour] = shared
    placed = Regions(
        GRID,
        (
            Region("Liver", Role.LIVER, Mask(liver, GRID)),
            Region("GTV", Role.TUMOUR, Mask(tumour.astype(np.float32), GRID)),
        ),
    )
    assert bool(with_whole_liver(placed)[1]) == left_out
