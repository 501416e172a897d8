"""Two doses by region, in frames that have nothing to do with each other: pairs, places of lesions, numbers, uncertainty."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid

import y90voxel as yv
from y90voxel.comparison.region_pairs import pair_regions
from y90voxel.errors import InputError, RegionError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import summarise
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

# The same anatomy in two frames whose coordinates differ by 300 mm and more, on other voxels.
ONE = Grid.from_spacing((24, 30, 36), (4.0, 4.0, 4.0), (-70, -58, -46), "1.2.3")
SHIFT = (300.0, -120.0, 900.0)
OTHER = Grid.from_spacing((24, 30, 36), (4.0, 4.0, 4.0), (-70 + 300, -58 - 120, -46 + 900), "9.9.9")


def ball(grid, place, radii):
    """An ellipsoid at a place from the middle of the anatomy."""
    middle = SHIFT if grid.frame_of_reference_uid == "9.9.9" else (0, 0, 0)
    return ellipsoid(grid, tuple(float(m + p) for m, p in zip(middle, place, strict=True)), radii)


def placed(grid, lesions, *, liver=True, lungs=(("Lung_R", -50), ("Lung_L", 50)), liver_x=-10.0):
    """Liver, lungs and lesions by name: their place from the middle of the liver along x [mm], and radius."""
    drawn = [Region("Liver", Role.LIVER, ball(grid, (liver_x, 0, -5), (46.0, 34.0, 28.0)))] if liver else []
    for name, (x, radius) in lesions.items():
        drawn.append(Region(name, Role.TUMOUR, ball(grid, (liver_x + x, 0, -5), (radius,) * 3)))
    drawn += [Region(n, Role.LUNG, ball(grid, (x, 0, 34), (18, 20, 10))) for n, x in lungs]
    return tuple(Regions(grid, tuple(drawn)))


def side(grid, lesions=None, *, gy=None, predicted, scale=1.0, uncertainty=None, **options):
    lesions = {"GTV1": (0.0, 12.0)} if lesions is None else lesions
    regions = placed(grid, lesions, **options)
    dose = np.full(grid.shape, 40.0)
    for place, (name, _) in enumerate(lesions.items()):
        inside = next(r for r in regions if r.name == name).mask.array > 0
        dose[inside] = 150.0 + 20.0 * place if gy is None else gy[name]
    dose = DoseMap(scale * dose, grid)
    stated = {}
    for region in regions:
        plain = summarise(region, DoseVolumeHistogram.from_dose(dose, region.mask), None, None, None)
        stated[region.name] = replace(
            plain, mass_g=1.05 * plain.volume_ml, activity_bq=1e6 * plain.volume_ml * plain.mean_gy,
            mass_weighted_mean_gy=1.01 * plain.mean_gy, relative_uncertainty=uncertainty,
        )  # fmt: skip
    return yv.ComparedDose(dose, regions, is_prediction=predicted, activity_bq=2e9 * scale, stated=stated)


def codes(found):
    return [notice.code for notice in found.notices]


def compare(before, after, **options):
    return yv.compare(before, after, **options)


# numbers


def test_each_side_keeps_its_own_numbers_after_the_scaling():
    before, after = side(ONE, predicted=True), side(OTHER, predicted=False, scale=1.5)
    found = compare(before, after)
    assert (found.factor, found.voxels, codes(found)) == (1.5, None, ["no-voxel-comparison"])
    for region in found.regions:
        own, other = before.stated[region.name], after.stated[region.name]
        assert region.predicted.metrics.mean_gy == pytest.approx(1.5 * own.mean_gy, rel=1e-12)
        assert region.predicted.metrics.d_gy == pytest.approx(
            {x: 1.5 * d for x, d in own.d_gy.items()}, rel=1e-12
        )
        assert region.predicted.raw_mean_gy == own.mean_gy
        assert region.delivered.metrics == other
        assert region.predicted.mean_gy_per_gbq == pytest.approx(own.mean_gy / 2.0)
        assert region.delivered.activity_share == pytest.approx(other.activity_bq / 3e9)
        assert region.difference["mean_gy"] == pytest.approx(
            0.0, abs=0.3
        )  # the grids lie elsewhere in the anatomy
    gtv = found.region("GTV1")
    assert gtv.predicted.metrics.v_percent == {50: 100.0, 100: 100.0, 205: 100.0}  # 150 Gy, scaled to 225
    assert before.stated["GTV1"].v_percent[205] == 0.0
    assert (
        gtv.as_dict()["predicted"]["raw_mass_weighted_mean_gy"] == before.stated["GTV1"].mass_weighted_mean_gy
    )
    assert gtv.predicted.tumour_to_normal == pytest.approx(150 / before.stated["non-tumour liver"].mean_gy)
    assert found.region("Liver").predicted.tumour_to_normal is None


def with_perfused(one):
    """The side with a perfused volume, whose normal liver holds half the activity per mass again."""
    normal = one.stated["non-tumour liver"]
    perfused = replace(
        normal, name="perfused non-tumour liver", role=Role.PERFUSED_NON_TUMOUR_LIVER.value,
        mass_g=0.5 * normal.mass_g, activity_bq=0.75 * normal.activity_bq,
    )  # fmt: skip
    return replace(one, stated=one.stated | {perfused.name: perfused})


@pytest.mark.parametrize(
    ("predicted", "delivered"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_ratios_of_both_sides_are_over_one_normal_liver(predicted, delivered):
    before, after = side(ONE, predicted=True), side(OTHER, predicted=False, scale=0.8)
    plain = yv.compare(before, after).region("GTV1")
    found = yv.compare(
        with_perfused(before) if predicted else before, with_perfused(after) if delivered else after
    )
    factor = 1.5 if predicted and delivered else 1.0
    gtv = found.region("GTV1")
    assert gtv.predicted.tumour_to_normal == pytest.approx(plain.predicted.tumour_to_normal / factor)
    assert gtv.delivered.tumour_to_normal == pytest.approx(plain.delivered.tumour_to_normal / factor)
    assert ("normal-liver-differs" in codes(found)) is (predicted != delivered)


def test_ratios_that_a_plan_states_over_the_perfused_liver_are_not_held_against_others():
    before = replace(with_perfused(side(ONE, predicted=True)), tumour_to_normal={"GTV1": 9.0})
    after = side(OTHER, predicted=False, scale=0.8)
    assert yv.compare(before, with_perfused(after)).region("GTV1").predicted.tumour_to_normal == 9.0
    found = yv.compare(before, after).region("GTV1").predicted.tumour_to_normal
    assert found == pytest.approx(150 / before.stated["non-tumour liver"].mean_gy)


def test_histograms_with_doses_below_zero_have_no_area():
    before = side(ONE, predicted=True)
    below = before.dose.array.copy()
    below[before.regions[0].mask.array > 0] = -1.0
    found = compare(replace(before, dose=DoseMap(below, ONE)), side(OTHER, predicted=False))
    assert found.region("Liver").as_dict()["dvh"] == {"area_gy": None, "overlap": None}


# agreement


@pytest.mark.parametrize(("count", "known"), [(4, False), (5, True)])
def test_agreement_is_given_from_five_lesions_on(count, known):
    lesions = {f"GTV{n}": (18.0 * (n - 2), 7.0) for n in range(count)}
    gy = [{f"GTV{n}": 100.0 + 30 * n + more * n for n in range(count)} for more in (0.0, 4.0)]
    found = compare(
        side(ONE, lesions, gy=gy[0], predicted=True), side(OTHER, lesions, gy=gy[1], predicted=False)
    )
    limits = found.agreement.bland_altman
    assert (limits is not None, found.agreement.reason is None) == (known, known)
    assert len(found.agreement.lesions) == count
    if known:
        change = np.array([4.0 * n for n in range(5)])
        assert limits.bias == pytest.approx(change.mean())
        assert limits.upper == pytest.approx(change.mean() + 1.96 * change.std(ddof=1))
        assert found.agreement.pearson == pytest.approx(1.0)
        assert 0.9 < found.agreement.concordance < 1.0


# uncertainty


@pytest.mark.parametrize(("delivered_gy", "within"), [(179.0, True), (181.0, False)])
def test_a_difference_is_held_against_the_uncertainty_of_both(delivered_gy, within):
    """8 % of 150 Gy and 5 % of 180 Gy: 2 × √(12² + 9²) = 30 Gy."""
    before = side(ONE, gy={"GTV1": 150.0}, predicted=True, uncertainty=0.08)
    after = side(OTHER, gy={"GTV1": delivered_gy}, predicted=False, uncertainty=0.05)
    gtv = compare(before, after).region("GTV1")
    assert gtv.difference_uncertainty_gy == pytest.approx(np.hypot(12.0, 0.05 * delivered_gy))
    assert gtv.as_dict()["uncertainty"]["within"] is within


def test_without_uncertainty_of_one_side_nothing_is_said_of_the_difference():
    before = side(ONE, predicted=True, uncertainty=0.1)
    gtv = compare(before, side(OTHER, predicted=False)).region("GTV1")
    assert gtv.as_dict()["uncertainty"] == {"difference_gy": None, "coverage": 2.0, "within": None}


# pairs


def names(pairs):
    return {(pair.predicted.name, pair.delivered.name, pair.matched_by) for pair in pairs}


def test_pairs_that_are_said_come_first():
    one = placed(ONE, {"GTV1": (-25.0, 8.0), "GTV2": (20.0, 8.0)})
    other = placed(OTHER, {"GTV1": (20.0, 8.0), "GTV2": (-25.0, 8.0)})
    pairs, notices = pair_regions(one, other, ["GTV1=GTV2", " GTV2 = GTV1 "])
    assert {("GTV1", "GTV2", "user"), ("GTV2", "GTV1", "user"), ("Liver", "Liver", "name")} < names(pairs)
    assert [notice.code for notice in notices] == []


def test_one_lesion_under_two_names_is_no_split_and_the_pair_is_told():
    before = side(ONE, {"hcc seg 8": (-20.0, 8.0), "hcc seg 5": (20.0, 8.0)}, predicted=True)
    after = side(OTHER, {"HCC 2": (-20.0, 8.0), "HCC 1": (20.0, 8.0)}, predicted=False)
    found = compare(before, after)
    told = [notice.message for notice in found.notices if notice.code == "lesion-renamed"]
    assert len(told) == 2
    assert "--pair 'hcc seg 8=HCC 2' (in a batch the column 'pair' of the treatment's row)." in told[0]
    assert "lesion-split-or-merged" not in codes(found)
    paired = compare(before, after, pairs=["hcc seg 8=HCC 2", "hcc seg 5=HCC 1"])
    assert "lesion-renamed" not in codes(paired)


def test_a_lesion_that_was_split_is_named_and_can_be_compared_as_a_whole():
    before = side(ONE, {"GTV1": (0.0, 14.0)}, predicted=True)
    after = side(OTHER, {"GTV1": (-7.0, 6.0), "GTV2": (7.0, 6.0)}, predicted=False)
    found = compare(before, after)
    said = {notice.code: notice.message for notice in found.notices}
    assert (
        "'GTV2' (delivered) has no counterpart and lies within 'GTV1' (predicted)"
        in said["lesion-split-or-merged"]
    )
    assert "'GTV1=GTV1+GTV2'" in said["lesion-split-or-merged"]
    whole = compare(before, after, pairs=["GTV1=GTV1+GTV2"])
    assert "lesion-split-or-merged" not in codes(whole)
    both = whole.region("GTV1 + GTV2")
    parts = [after.stated[name] for name in ("GTV1", "GTV2")]
    assert both.pair.matched_by == "user"
    assert both.delivered.metrics.mass_g == pytest.approx(sum(part.mass_g for part in parts))
    assert both.delivered.metrics.activity_bq == pytest.approx(sum(part.activity_bq for part in parts))
    energy = sum(part.mass_g * part.mass_weighted_mean_gy for part in parts)
    assert both.delivered.metrics.mass_weighted_mean_gy == pytest.approx(
        energy / both.delivered.metrics.mass_g
    )
    back = compare(replace(after, is_prediction=True), replace(before, is_prediction=False))
    assert "'GTV1+GTV2=GTV1'" in " ".join(notice.message for notice in back.notices)


def test_parts_that_overlap_have_no_sums():
    before = side(ONE, {"GTV1": (0.0, 14.0)}, predicted=True)
    after = side(OTHER, {"A": (-4.0, 9.0), "B": (4.0, 9.0)}, predicted=False)
    both = compare(before, after, pairs=["GTV1=A+B"]).region("A + B")
    assert (both.delivered.metrics.mass_g, both.delivered.metrics.activity_bq) == (None, None)
    assert both.delivered.metrics.volume_ml < after.stated["A"].volume_ml + after.stated["B"].volume_ml


def test_parts_without_known_mass_have_none_together():
    before = side(ONE, {"GTV1": (0.0, 14.0)}, predicted=True)
    after = side(OTHER, {"A": (-12.0, 6.0), "B": (12.0, 6.0)}, predicted=False)
    after = replace(after, stated=after.stated | {"B": replace(after.stated["B"], mass_g=None)})
    both = compare(before, after, pairs=["GTV1=A+B"]).region("A + B")
    assert (both.delivered.metrics.mass_g, both.delivered.metrics.mass_weighted_mean_gy) == (None, None)
    assert both.delivered.metrics.activity_bq is not None


def test_regions_can_be_left_out_and_odd_pairs_are_said():
    before, after = side(ONE, predicted=True), side(OTHER, predicted=False)
    found = compare(before, after, pairs=["GTV1=", "=Lung_L", "Lung_R=Liver"])
    told = " ".join(notice.message for notice in found.notices)
    assert "GTV1: not compared, as was asked ('GTV1=')" in told
    assert "'Lung_R' (predicted, lung) and 'Liver' (delivered, liver) are compared as was asked" in told
    assert "Lung_L" not in [region.name for region in found.regions]


def test_names_may_hold_signs_of_their_own():
    one = placed(ONE, {"a=b": (0.0, 8.0)})
    other = placed(OTHER, {"c+d": (0.0, 8.0)})
    pairs, _ = pair_regions(one, other, ["a=b=c+d"])
    assert ("a=b", "c+d", "user") in names(pairs)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (["GTV1"], InputError, "'GTV1' is no pair of regions. It has the form PREDICTED=DELIVERED"),
        (["="], InputError, "is no pair"),
        (["GTV1=GTV9"], RegionError, "names a region that there is not: the predicted dose has Liver, GTV1"),
        (["GTV1=GTV1+GTV1"], RegionError, "names a region that there is not"),
        (["GTV1=GTV1", "GTV1="], RegionError, "'GTV1' stands in two pairs, 'GTV1=GTV1' and 'GTV1='"),
        (["GTV1=GTV1+Liver"], RegionError, "cannot be one region: their roles are liver, tumour"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(said, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(").replace("+", r"\+")):
        compare(side(ONE, predicted=True), side(OTHER, predicted=False), pairs=said)


# places


@pytest.mark.parametrize(("apart_mm", "asked"), [(19.0, False), (21.0, True)])
def test_lesions_of_one_name_that_lie_apart_are_asked_for(apart_mm, asked):
    before = side(ONE, {"GTV1": (-10.0, 8.0)}, predicted=True)
    after = side(OTHER, {"GTV1": (-10.0 + apart_mm, 8.0)}, predicted=False)
    if not asked:
        assert compare(before, after).region("GTV1").pair.matched_by == "name"
        return
    with pytest.raises(
        InputError, match=r"same lesions\? Relative to the liver, 'GTV1' \(predicted\).* lie 21 mm apart"
    ):
        compare(before, after)
    assert compare(before, after, pairs=["GTV1=GTV1"]).region("GTV1").pair.matched_by == "user"
    assert "GTV1" not in [region.name for region in compare(before, after, pairs=["GTV1=", "=GTV1"]).regions]


def test_without_a_liver_the_places_of_lesions_are_unchecked_and_that_is_said():
    before = side(ONE, {"GTV1": (-10.0, 8.0)}, predicted=True, liver=False)
    after = side(OTHER, {"GTV1": (30.0, 8.0)}, predicted=False)
    found = compare(before, after)
    assert "GTV1: paired by name or role alone" in " ".join(n.message for n in found.notices)
    assert "lesion-places-unchecked" not in codes(compare(before, after, pairs=["GTV1=GTV1"]))
    with pytest.raises(InputError, match="lie 40 mm apart"):  # in one frame coordinates serve
        compare(before, replace(side(ONE, {"GTV1": (30.0, 8.0)}, predicted=False)))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (
            {"lungs": (("Lung_R", 50), ("Lung_L", -50))},
            "the left lung lies to the right of the right one (100 mm)",
        ),
        ({"liver_x": 25.0}, None),
    ],
)
def test_left_and_right_that_are_swapped_are_refused(options, what):
    """A liver 10 mm beside the middle tells nothing, one 25 mm on the other side than 25 mm does."""
    before = side(ONE, predicted=True, liver_x=-25.0)
    after = side(OTHER, predicted=False, **options)
    with pytest.raises(InputError, match="left and right are swapped between the two") as found:
        compare(before, after)
    assert (what or "the liver lies to the left of the middle of the lungs (25 mm)") in str(found.value)
    near = side(OTHER, predicted=False, liver_x=15.0)
    assert compare(before, near).region("Liver").pair.matched_by == "name"


def test_empty_regions_are_no_regions():
    before = side(ONE, predicted=True)
    nothing = Region("Gap", Role.OTHER, Mask(np.zeros(ONE.shape), ONE))
    found = compare(replace(before, regions=(*before.regions, nothing)), side(OTHER, predicted=False))
    assert "Gap" not in " ".join(notice.message for notice in found.notices)
