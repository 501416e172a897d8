"""Predicted against delivered on phantoms whose agreement is known on paper."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid

import y90voxel as yv
from y90voxel.errors import InputError, RegionError
from y90voxel.metrics.gamma import GammaNormalisation
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((24, 26, 28), (4.0, 4.0, 4.0), (-54, -50, -46), "1.2.3")
EXPLICIT = yv.GammaCriteria()


def regions(grid=GRID, *, liver=(30.0, 28.0, 26.0), tumour_x=8.0, tumour_name="GTV1"):
    drawn = (
        Region("Liver", Role.LIVER, ellipsoid(grid, (0, 0, -10), liver)),
        Region(tumour_name, Role.TUMOUR, ellipsoid(grid, (tumour_x, 0, -10), (12, 12, 12))),
        Region("Lung_R", Role.LUNG, ellipsoid(grid, (-20, 0, 32), (16, 14, 10))),
        Region("Lung_L", Role.LUNG, ellipsoid(grid, (20, 0, 32), (16, 14, 10))),
    )
    return tuple(Regions(grid, drawn))


def doses(grid=GRID, seed=3):
    named = {region.name: region.mask.array for region in regions(grid)}
    base = 10.0 + 40.0 * named["Liver"] + 150.0 * named["GTV1"]
    return DoseMap(base * (1.0 + 0.2 * np.random.default_rng(seed).random(grid.shape)), grid)


def side(dose=None, placed=None, **facts):
    facts = {
        "nuclide": "Y-90", "is_prediction": True, "activity_bq": 2e9, "lung_shunt_fraction": 0.05,
        "engine": "local", "energy_per_activity_j_per_gbq": 49.77,
    } | facts  # fmt: skip
    dose = doses() if dose is None else dose
    return yv.ComparedDose(dose, regions(dose.grid) if placed is None else placed, **facts)


def delivered(dose=None, placed=None, **facts):
    return side(dose, placed, **{"is_prediction": False, **facts})


def scaled(factor):
    dose = doses()
    return dose.with_array(dose.array * factor)


def codes(found):
    return [notice.code for notice in found.notices]


# values


def test_a_run_agrees_with_itself_wholly():
    found = yv.compare(side(), delivered(), gamma=EXPLICIT)
    assert codes(found) == []
    assert [region.name for region in found.regions] == [
        "Liver", "GTV1", "Lung_R", "Lung_L", "all tumours", "non-tumour liver", "lungs",
    ]  # fmt: skip
    for region in found.regions:
        change = region.difference
        assert {v for v in change.values() if not isinstance(v, dict)} == {0.0}
        assert set(change["v_percent"].values()) == {0.0}
        assert (region.histograms.area_gy, region.histograms.overlap) == (0.0, 1.0)
    assert {region.contour_dice for region in found.voxels.regions} == {1.0}
    v = found.voxels.voxels
    assert (v.rmse_gy, v.quality_factor, v.gamma_pass_fraction, v.gamma_mean) == (0.0, 0.0, 1.0, 0.0)
    assert (v.pearson, v.spearman, v.concordance) == pytest.approx((1, 1, 1), abs=1e-12)
    assert v.isodose_dice == {50.0: 1.0, 100.0: 1.0, 205.0: 1.0}


def test_a_known_scale_is_found_in_every_number():
    found = yv.compare(side(), delivered(scaled(1.2)), gamma=EXPLICIT)
    for region in found.regions:
        assert region.difference_percent["mean_gy"] == pytest.approx(20.0, rel=1e-9)
        assert region.difference["d70_gy"] == pytest.approx(0.2 * region.predicted.metrics.d_gy[70], rel=1e-9)
        assert region.histograms.area_gy == pytest.approx(0.2 * region.predicted.metrics.mean_gy, rel=1e-9)
        assert region.histograms.overlap == pytest.approx(1 / 1.2, rel=1e-9)
        assert found.voxels.region(region.name).voxels.quality_factor == pytest.approx(0.2, rel=1e-9)
    x = found.voxels.predicted_dose.array[found.voxels.volume.array >= 0.5]
    # Lin 1989 for y = a x: 2 a s² / ((1 + a²) s² + (1 − a)² m²)
    truth = 2 * 1.2 * x.var() / ((1 + 1.44) * x.var() + 0.04 * x.mean() ** 2)
    assert found.voxels.voxels.concordance == pytest.approx(truth, rel=1e-9)
    assert found.voxels.voxels.pearson == pytest.approx(1.0, rel=1e-9)
    assert found.voxels.voxels.rmse_gy == pytest.approx(0.2 * np.sqrt((x**2).mean()), rel=1e-9)
    assert (
        found.voxels.voxels.count == found.voxels.voxels.gamma_count == x.size
    )  # no dose here is below the cut-off


@pytest.mark.parametrize(("shift", "dice"), [(0, 1.0), (2, 0.8), (5, 0.5), (10, 0.0)])
def test_a_shifted_cube_overlaps_by_what_is_left_of_it(shift, dice):
    """A cube of 10 voxels moved by k overlaps itself in (10 − k) / 10 of its volume."""
    grid = Grid.from_spacing((14, 16, 24), (2, 2, 2))
    arrays = [np.zeros(grid.shape), np.zeros(grid.shape)]
    arrays[0][2:12, 3:13, 2:12] = 120.0
    arrays[1][2:12, 3:13, 2 + shift : 12 + shift] = 120.0
    found = yv.compare(*(DoseMap(a, grid) for a in arrays), gamma=EXPLICIT)
    assert found.voxels.voxels.isodose_dice == {50.0: dice, 100.0: dice, 205.0: None}
    assert found.voxels.voxels.gamma_count == 1000


def test_quotients_of_a_scaled_dose_are_a_step_at_the_scale():
    found = yv.compare(side(), delivered(scaled(1.25)), gamma=EXPLICIT)
    curve = found.voxels.region("GTV1").as_dict()["agreement"]["quality_volume_histogram"]
    at = dict(zip(curve["quotient"], curve["volume_percent"], strict=True))
    assert (at[1.0], at[1.2], at[1.3]) == (100.0, 100.0, 0.0)


@pytest.mark.parametrize("local", [False, True])
def test_gamma_agrees_with_pymedphys(local):
    pymedphys = pytest.importorskip("pymedphys")
    one, other = doses(seed=1), doses(seed=2)
    normalisation = GammaNormalisation.LOCAL if local else GammaNormalisation.GLOBAL
    found = yv.compare(
        side(one), delivered(other), gamma=yv.GammaCriteria(0.1, 5.0, normalisation, cutoff_fraction=0.05)
    )
    inside = found.voxels.volume.array >= 0.5
    axes = tuple(step * np.arange(n) for step, n in zip(GRID.spacing_mm, GRID.shape, strict=True))
    theirs = pymedphys.gamma(
        axes, np.where(inside, one.array, 0.0), axes, other.array, 10, 5, lower_percent_dose_cutoff=5,
        interp_fraction=10, max_gamma=2, local_gamma=local,
    )  # fmt: skip
    both = np.isfinite(theirs) & np.isfinite(found.voxels.gamma)
    assert both.sum() == np.isfinite(found.voxels.gamma).sum() == found.voxels.voxels.gamma_count
    # The two sample the sphere around a voxel differently; see tests/metrics/test_gamma.py for the convergence.
    assert found.voxels.voxels.gamma_pass_fraction == pytest.approx((theirs[both] <= 1).mean(), abs=0.01)
    assert np.abs(found.voxels.gamma[both] - theirs[both]).mean() < 0.02


@pytest.mark.parametrize(("delivered_gy", "gamma", "passing"), [(109.5, 0.95, 1.0), (110.5, 1.05, 0.0)])
def test_gamma_of_even_doses_is_their_difference_in_criteria(delivered_gy, gamma, passing):
    grid = Grid.from_spacing((4, 5, 6), (4, 4, 4))
    even = [DoseMap(np.full(grid.shape, gy), grid) for gy in (100.0, delivered_gy)]
    found = yv.compare(*even, gamma=EXPLICIT).voxels.voxels
    assert (found.gamma_mean, found.gamma_pass_fraction) == (pytest.approx(gamma), passing)


def test_voxels_that_the_prediction_half_reaches_are_left_out():
    """Shifted by half a voxel, the first or last column is known by half and would read half the dose."""
    grid = Grid.from_spacing((4, 5, 6), (4, 4, 4))
    beside = Grid.from_spacing((4, 5, 6), (4, 4, 4), (2.0, 0.0, 0.0))
    found = yv.compare(
        DoseMap(np.full(grid.shape, 80.0), beside), DoseMap(np.full(grid.shape, 80.0), grid), gamma=EXPLICIT
    )
    assert (found.voxels.voxels.count, found.voxels.voxels.quality_factor) == (4 * 5 * 5, 0.0)


# normalisation


def test_normalising_by_activity_scales_the_prediction():
    found = yv.compare(side(), delivered(scaled(1.5), activity_bq=3e9), normalise="activity", gamma=EXPLICIT)
    assert (found.factor, codes(found)) == (1.5, [])
    liver = found.region("Liver")
    assert liver.difference["mean_gy"] == pytest.approx(0.0, abs=1e-9)
    assert liver.predicted.raw_mean_gy == pytest.approx(liver.predicted.metrics.mean_gy / 1.5)
    assert found.as_dict()["normalisation"] == {
        "mode": "activity", "factor": 1.5, "applied_to": "predicted",
        "predicted_activity_bq": 2e9, "delivered_activity_bq": 3e9,
        "statement": "The predicted dose was multiplied by 1.5, the delivered over the predicted net activity "
        "(2 GBq predicted, 3 GBq delivered).",
    }  # fmt: skip


def test_normalising_by_the_liver_makes_its_mean_doses_equal():
    other = DoseMap(1.3 * doses(seed=8).array, GRID)
    found = yv.compare(side(), delivered(other), normalise="mean-liver", gamma=EXPLICIT)
    liver = found.region("Liver")
    assert liver.predicted.metrics.mean_gy == pytest.approx(liver.delivered.metrics.mean_gy, rel=1e-12)
    assert found.region("GTV1").difference["mean_gy"] != 0.0
    assert "mean dose of the liver" in found.statement


def test_other_activities_without_normalisation_are_said():
    found = yv.compare(side(), delivered(activity_bq=2.2e9), normalise="none", gamma=EXPLICIT)
    assert codes(found) == ["activities-differ"]
    assert "2 GBq" in found.notices[0].message
    assert "2.2 GBq" in found.notices[0].message


@pytest.mark.parametrize(
    ("normalise", "before", "after", "error", "message"),
    [
        (
            "volume",
            {},
            {},
            InputError,
            "unknown normalisation 'volume'. Choose one of: none, activity, mean-liver",
        ),
        ("activity", {"activity_bq": None}, {}, InputError, "predicted dose does not state its activity"),
        ("activity", {}, {"activity_bq": None}, InputError, "delivered dose does not state its activity"),
        ("mean-liver", {"placed": ()}, {"placed": ()}, RegionError, "need a region with the role liver"),
        ("mean-liver", {"dose": DoseMap(np.zeros(GRID.shape), GRID)}, {}, InputError, "is 0 Gy predicted"),
    ],
)
def test_what_cannot_be_normalised_is_refused(normalise, before, after, error, message):
    with pytest.raises(error, match=message):
        yv.compare(side(**before), delivered(**after), normalise=normalise)


# grids and frames


def test_a_finer_prediction_is_averaged_over_the_delivered_voxels():
    fine = GRID.with_spacing(2.0)
    array = np.random.default_rng(0).random(fine.shape)
    found = yv.compare(side(DoseMap(array, fine)), delivered(), gamma=EXPLICIT)
    blocks = array.reshape(24, 2, 26, 2, 28, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(found.voxels.predicted_dose.array, blocks, rtol=1e-12)
    assert codes(found) == ["grids-differ"]
    assert "2.00 × 2.00 × 2.00 mm" in found.notices[0].message


def test_a_ramp_is_the_same_on_any_grid():
    """Linear doses survive averaging and interpolation exactly, so every region mean agrees."""
    coarse = Grid.from_spacing((14, 14, 15), (8, 8, 8), (-60, -54, -54), "1.2.3")

    def ramp(grid):
        index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
        return DoseMap(100.0 + grid.index_to_lps(index) @ np.array([0.3, 0.2, 0.1]), grid)

    found = yv.compare(side(ramp(coarse)), delivered(ramp(GRID)), gamma=EXPLICIT)
    for region in found.voxels.regions:
        assert region.delivered.mean_gy - region.predicted.mean_gy == pytest.approx(0.0, abs=1e-4)
    assert found.voxels.voxels.rmse_gy < 1e-4


def with_frame(given, uid):
    grid = replace(given.dose.grid, frame_of_reference_uid=uid)
    return replace(given, dose=replace(given.dose, grid=grid), regions=regions(grid))


def test_other_frames_are_compared_by_region_alone_unless_trusted():
    found = yv.compare(side(), with_frame(delivered(), "9.9.9"), gamma=EXPLICIT)
    assert codes(found) == ["no-voxel-comparison", "gamma-unused"]
    assert "10 % / 5 mm global was asked for" in found.notices[1].message
    assert (found.voxels, found.as_dict()["voxels"]) == (None, None)
    assert "1.2.3, the delivered one in 9.9.9" in found.voxels_reason
    assert "--register rigid or --register deformable" in found.as_dict()["voxels_reason"]
    assert found.region("Liver").difference["mean_gy"] == 0.0
    found = yv.compare(side(), with_frame(delivered(), "9.9.9"), trust_frames=True, gamma=EXPLICIT)
    assert codes(found) == ["frames-trusted"]
    assert found.voxels.region("Liver").voxels.rmse_gy == 0.0


def test_regions_of_one_side_need_a_common_frame():
    found = yv.compare(side(), with_frame(delivered(placed=()), "9.9.9"), gamma=EXPLICIT)
    assert len(found.regions) == 7  # with_frame gives it regions
    bare = replace(with_frame(delivered(), "9.9.9"), regions=())
    found = yv.compare(side(), bare, gamma=EXPLICIT)
    assert found.regions == ()
    assert codes(found) == ["regions-of-one-side", "no-voxel-comparison", "gamma-unused"]


@pytest.mark.parametrize(
    ("before", "after", "which"),
    [(None, "1.2.3", "predicted"), ("1.2.3", None, "delivered"), (None, None, "predicted and delivered")],
)
def test_unknown_frames_are_taken_as_common_and_said(before, after, which):
    found = yv.compare(with_frame(side(), before), with_frame(delivered(), after), gamma=EXPLICIT)
    assert codes(found) == ["frame-unknown"]
    assert f"of the {which} dose is not known" in found.notices[0].message


def test_maps_that_do_not_overlap_are_refused():
    far = Grid.from_spacing(GRID.shape, GRID.spacing_mm, (5000, 0, 0), "1.2.3")
    with pytest.raises(InputError, match="do not overlap"):
        yv.compare(side(doses(far), ()), delivered())


def test_maps_of_unknown_frames_that_do_not_overlap_are_compared_by_region_alone():
    far = Grid.from_spacing(GRID.shape, GRID.spacing_mm, (5000, 0, 0))
    moved = DoseMap(doses().array, far)
    placed = tuple(replace(r, mask=Mask(r.mask.array, far)) for r in regions())
    found = yv.compare(side(moved, placed), delivered(), gamma=EXPLICIT)
    assert "do not overlap by their coordinates" in found.voxels_reason
    assert found.region("Liver").difference["mean_gy"] == 0.0


def test_regions_are_compared_as_far_as_the_prediction_reaches():
    part = GRID.crop((0, 0, 0), (14, 26, 28))  # the lungs lie beyond, and some of the liver
    dose = doses()
    found = yv.compare(
        side(DoseMap(dose.array[:14], part), regions(part)[:2]), delivered(placed=regions()), gamma=EXPLICIT
    )
    said = [n.message for n in found.notices if n.code == "prediction-does-not-reach"]
    assert "'Liver'; voxel by voxel only that part is compared" in said[0]
    liver = found.voxels.region("Liver")
    assert liver.mask.array[14:].sum() == 0
    assert liver.delivered.mean_gy - liver.predicted.mean_gy == pytest.approx(0.0, abs=1e-9)


def test_a_region_beyond_the_prediction_is_left_out():
    part = GRID.crop((0, 0, 0), (14, 26, 28))
    found = yv.compare(side(DoseMap(doses().array[:14], part), ()), delivered(), gamma=EXPLICIT)
    assert "only the delivered dose has the regions Lung_R, Lung_L, lungs" in " ".join(
        n.message for n in found.notices
    )
    assert "Lung_R" not in [region.name for region in found.regions]


def test_doses_below_zero_are_compared_as_zero():
    array = doses().array.copy()
    array[0, 0, 0] = -3.0
    found = yv.compare(side(DoseMap(array, GRID)), delivered(), gamma=EXPLICIT)
    assert codes(found) == ["negative-doses"]
    assert found.voxels.predicted_dose.array.min() == 0.0


# facts


@pytest.mark.parametrize(
    ("before", "after", "code", "words"),
    [
        ({}, {"is_prediction": True}, "both-predicted", "neither was delivered"),
        ({"is_prediction": False}, {}, "both-delivered", "neither is a prediction"),
        ({}, {"lung_shunt_fraction": 0.24}, "shunts-differ", "-20.0 %"),
        ({}, {"engine": "convolution"}, "engines-differ", "local (predicted), convolution (delivered)"),
        ({}, {"energy_per_activity_j_per_gbq": 49.67}, "energies-differ", "-0.20 %"),
    ],
)
def test_differing_facts_are_said(before, after, code, words):
    found = yv.compare(side(**before), delivered(**after), gamma=EXPLICIT)
    assert codes(found) == [code]
    assert words in found.warnings[0].message


def test_unknown_facts_are_no_difference():
    nothing = dict.fromkeys(("nuclide", "is_prediction", "activity_bq", "lung_shunt_fraction", "engine"))
    assert codes(yv.compare(side(**nothing), delivered(), gamma=EXPLICIT)) == ["not-normalised"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {"nuclide": "Ho-166"}, "for Y-90, the delivered one for Ho-166"),
        ({"is_prediction": False}, {"is_prediction": True}, "Give the prediction first"),
    ],
)
def test_what_means_nothing_is_refused(before, after, message):
    with pytest.raises(InputError, match=message):
        yv.compare(side(**before), delivered(**after))


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({"dose_fraction": 0.0}, "dose criterion"),
        ({"distance_mm": -1.0}, "distance"),
        ({"cutoff_fraction": 2}, "cut-off"),
    ],
)
def test_gamma_criteria_are_checked(criteria, message):
    with pytest.raises(InputError, match=message):
        yv.GammaCriteria(**criteria)


def test_gamma_criteria_that_were_not_given_or_lie_below_a_voxel_are_said():
    assert codes(yv.compare(side(), delivered())) == ["gamma-criteria-default"]
    found = yv.compare(side(), delivered(), gamma=yv.GammaCriteria(distance_mm=3.0))
    assert codes(found) == ["gamma-distance-below-voxel"]


# regions


def test_regions_match_by_name_first_and_by_role_where_one_is_left():
    before = side(placed=regions(tumour_name="Tumour 1"))
    found = yv.compare(before, delivered(), gamma=EXPLICIT)
    assert codes(found) == ["region-matched-by-role"]
    assert (found.region("GTV1").pair.matched_by, found.region("GTV1").pair.predicted.name) == (
        "role",
        "Tumour 1",
    )
    assert found.region("GTV1").as_dict()["predicted_name"] == "Tumour 1"


def test_names_match_whatever_their_spelling():
    found = yv.compare(side(placed=regions(tumour_name="gtv_1")), delivered(), gamma=EXPLICIT)
    assert (codes(found), found.region("GTV1").pair.matched_by) == ([], "name")


def test_regions_that_one_side_lacks_are_listed():
    second = Region("GTV2", Role.TUMOUR, ellipsoid(GRID, (-12, 0, -10), (8, 8, 8)))
    drawn = Regions(GRID, (*regions()[:4], second, replace(second, name="Stomach", role=Role.OTHER)))
    found = yv.compare(side(), delivered(placed=tuple(drawn)), gamma=EXPLICIT)
    assert "only the delivered dose has the regions GTV2, Stomach" in " ".join(
        n.message for n in found.notices
    )
    back = yv.compare(side(placed=tuple(drawn)), delivered(), gamma=EXPLICIT)
    assert "only the predicted dose has the regions GTV2, Stomach" in " ".join(
        n.message for n in back.notices
    )


@pytest.mark.parametrize(
    ("role", "matched"),
    [(Role.GALLBLADDER, True), (Role.KIDNEY, False), (Role.BOWEL, False), (Role.HEART, False)],
)
def test_the_only_one_left_of_organs_that_come_in_several_is_not_matched_by_role(role, matched):
    def with_organ(name):
        return (*regions()[:4], Region(name, role, ellipsoid(GRID, (-12, 0, -10), (8, 8, 8))))

    found = yv.compare(side(placed=with_organ("one")), delivered(placed=with_organ("other")), gamma=EXPLICIT)
    assert ("region-matched-by-role" in codes(found)) is matched


@pytest.mark.parametrize("which", ["predicted", "delivered"])
def test_regions_of_one_side_serve_for_both(which):
    before = side(placed=() if which == "delivered" else None)
    after = delivered(scaled(1.1), placed=() if which == "predicted" else None)
    found = yv.compare(before, after, gamma=EXPLICIT)
    assert codes(found) == ["regions-of-one-side"]
    assert f"only the {which} dose has regions" in found.notices[0].message
    assert found.region("GTV1").difference_percent["mean_gy"] == pytest.approx(10.0)


def test_predicted_regions_are_moved_to_the_delivered_grid():
    fine = GRID.with_spacing(2.0)
    uniform = DoseMap(np.full(fine.shape, 80.0), fine)
    found = yv.compare(side(uniform), delivered(DoseMap(np.full(GRID.shape, 60.0), GRID), ()), gamma=EXPLICIT)
    assert found.region("Liver").difference["mean_gy"] == pytest.approx(-20.0)


def test_contours_that_differ_are_said():
    found = yv.compare(side(placed=regions(tumour_x=20.0)), delivered(), gamma=EXPLICIT)
    assert set(codes(found)) == {"contours-differ"}
    assert "the contours of 'GTV1' overlap by" in found.notices[0].message
    moved = ellipsoid(GRID, (20.0, 0, -10), (12, 12, 12)).array
    here = ellipsoid(GRID, (8.0, 0, -10), (12, 12, 12)).array
    truth = 2 * np.minimum(moved, here).sum() / (moved.sum() + here.sum())
    assert found.voxels.region("GTV1").contour_dice == pytest.approx(truth)


def test_doses_without_regions_are_compared_where_there_is_dose():
    one = doses().array
    found = yv.compare(doses(), scaled(1.1), gamma=EXPLICIT)
    assert (codes(found), found.regions) == (["not-normalised"], ())
    assert found.voxels.volume_name == "voxels above 5 % of a maximum"
    assert found.voxels.voxels.count == np.count_nonzero(one >= 0.05 * one.max())
    assert found.agreement.as_dict()["bland_altman"] is None


def test_a_dose_of_zero_has_no_quotients_and_no_gamma():
    found = yv.compare(side(DoseMap(np.zeros(GRID.shape), GRID)), delivered(), gamma=EXPLICIT)
    assert (
        found.voxels.gamma,
        found.voxels.voxels.gamma_pass_fraction,
        found.voxels.voxels.quality_factor,
    ) == (None, None, None)
    assert (found.voxels.voxels.pearson, found.region("Liver").difference_percent["mean_gy"]) == (None, None)
    assert found.agreement.bland_altman_ratio is None
    assert found.voxels.as_dict()["agreement"]["quality_volume_histogram"] is None


def test_a_region_of_one_voxel_has_no_voxel_statistics():
    array = np.zeros(GRID.shape)
    array[10, 12, 14] = 1.0
    placed = tuple(Regions(GRID, (Region("GTV", Role.TUMOUR, Mask(array, GRID)),)))
    found = yv.compare(side(placed=placed), delivered(placed=placed), gamma=EXPLICIT)
    assert found.voxels.region("GTV").voxels is None
    assert found.voxels.region("GTV").as_dict()["agreement"] is None
    with pytest.raises(
        RegionError, match=r"'GTV2' was compared voxel by voxel\. The regions are: GTV, all tumours"
    ):
        found.voxels.region("GTV2")


def test_a_region_that_was_not_compared_is_unknown():
    with pytest.raises(
        RegionError, match=r"no region named 'Spleen' was compared\. The regions are: Liver, GTV1"
    ):
        yv.compare(side(), delivered(), gamma=EXPLICIT).region("Spleen")
