"""Treatments summed voxel by voxel: identities, limits, and when voxels must not be added."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from y90voxel.accumulation.accumulate import MOST_LIVER_CHANGE, accumulate
from y90voxel.accumulation.cumulative_limits import (
    CumulativeLimit,
    dose_left,
    fraction_dose_left,
    parse_limit,
)
from y90voxel.accumulation.effective_dose import summed_bed
from y90voxel.accumulation.time_courses import DecayingSource, ExternalBeam
from y90voxel.accumulation.treatment import LIVER_SETS, TUMOUR_SETS, EffectParameters, Treatment
from y90voxel.errors import GeometryError, InputError
from y90voxel.metrics.radiobiology import bed, eqd2
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform
from y90voxel.volumes.volume import DoseMap, Mask
from y90voxel.volumes.warp import energy_over_mass, pulled_back

HOUR, DAY = 3600.0, 86400.0
GRID = Grid.from_spacing((12, 14, 16), (4.0, 4.0, 4.0), frame_of_reference_uid="1.2.3")
FIRST = datetime(2026, 3, 2, 12)
LIVER, TUMOUR = LIVER_SETS[0], TUMOUR_SETS[0]
HALF_LIFE = 64.05 * HOUR


def regions(grid=GRID, liver_rows=12):
    liver, tumour, lung = np.zeros(grid.shape), np.zeros(grid.shape), np.zeros(grid.shape)
    liver[2:8, :liver_rows], tumour[4:6, 4:7, 4:7], lung[9:] = 1.0, 1.0, 1.0
    drawn = (
        Region("liver", Role.LIVER, Mask(liver, grid)),
        Region("GTV", Role.TUMOUR, Mask(tumour, grid)),
        Region("lung", Role.LUNG, Mask(lung, grid)),
    )
    return tuple(Regions(grid, drawn))


def spheres(name, dose, day=0.0, nuclide="Y-90", **facts):
    start = FIRST + timedelta(days=day)
    array = np.broadcast_to(np.asarray(dose, float), GRID.shape)
    facts = {"regions": regions()} | facts
    return Treatment(
        name, DoseMap(array, GRID), start, DecayingSource(HALF_LIFE, day * DAY), nuclide=nuclide, **facts
    )


def beam(name, dose, number=5, day=100.0, **facts):
    start = FIRST + timedelta(days=day)
    times = tuple((day + n) * DAY for n in range(number))
    array = np.broadcast_to(np.asarray(dose, float), GRID.shape)
    return Treatment(name, DoseMap(array, GRID), start, ExternalBeam(times), **facts)


def region(found, name):
    return next(r for r in found.regions if r.name == name)


def field(seed, top):
    return np.random.default_rng(seed).uniform(0.0, top, GRID.shape)


def test_far_apart_treatments_add_their_own_effects():
    one, two = field(1, 120.0), field(2, 50.0)
    found = accumulate([spheres("TARE", one), beam("SBRT", two)])
    wanted = bed(one, 2.5, 2.5 * HOUR, HALF_LIFE) + two * (1 + two / 5 / 2.5)
    assert found.bed.array == pytest.approx(wanted, rel=1e-9)
    assert found.eqd2.array == pytest.approx(eqd2(wanted, 2.5), rel=1e-9)
    assert found.physical.array == pytest.approx(one + two, rel=1e-12)
    tumour = region(found, "GTV")
    inside = regions()[1].mask.array > 0
    with_ten = bed(one, 10.0, 1.5 * HOUR, HALF_LIFE) + two * (1 + two / 5 / 10.0)
    (effect,) = tumour.effects
    assert effect.bed_mean_gy == pytest.approx(with_ten[inside].mean(), rel=1e-9)
    assert effect.eqd2_mean_gy == pytest.approx(eqd2(with_ten, 10.0)[inside].mean(), rel=1e-9)
    assert [e.parameters.alpha_beta_gy for e in region(found, "liver").effects] == [2.5, 8.0]
    assert region(found, "lungs").effects == ()
    assert found.focal_liver_ml.keys() == {40.0, 70.0}


def test_the_order_does_not_matter_and_zero_is_nothing():
    one, two = spheres("a", field(1, 90.0)), spheres("b", field(2, 60.0), day=4.0)
    forth, back = accumulate([one, two]), accumulate([two, one])
    assert [t.name for t in back.treatments] == ["a", "b"]
    assert np.array_equal(forth.bed.array, back.bed.array)
    nothing = accumulate([spheres("a", 0.0), beam("SBRT", field(3, 50.0))])
    alone = field(3, 50.0)
    assert nothing.bed.array == pytest.approx(alone * (1 + alone / 5 / 2.5), rel=1e-12)


def test_treatments_that_overlap_in_time_have_a_cross_term():
    """Two times 50 Gy three days apart: 100 + 2500 · 0.11101 / 2.5."""
    found = accumulate([spheres("a", 50.0), spheres("b", 50.0, day=3.0)])
    assert found.bed.array == pytest.approx(100.0 + 2500.0 * 0.11101 / 2.5, rel=1e-3)
    one = [np.full(3, 30.0), np.full(3, 20.0)]
    pair = [spheres("a", 30.0), spheres("b", 20.0, day=3.0)]
    assert summed_bed(one, pair, LIVER) == pytest.approx(summed_bed(one[::-1], pair[::-1], LIVER), rel=1e-12)


def test_focal_liver_is_the_volume_below_the_isodoses():
    """Half the liver at 10 Gy of 5 fractions (BED of α/β 2: 20), half at 25 Gy (87.5)."""
    dose = np.full(GRID.shape, 10.0)
    dose[:, :, 8:] = 25.0
    found = accumulate([beam("SBRT", dose, regions=regions()), spheres("TARE", 0.0, regions=())])
    below = region(found, "non-tumour liver")
    mask = next(r for r in regions() if r.role is Role.NON_TUMOUR_LIVER).mask
    wanted = mask.array[:, :, :8].sum() * GRID.voxel_volume_ml
    assert found.focal_liver_ml[40.0] == pytest.approx(wanted)
    assert found.focal_liver_ml[70.0] == pytest.approx(wanted)
    assert below.mean_gy == pytest.approx(10 + 15 * (1 - wanted / mask.volume_ml))


def test_the_lungs_count_in_the_convention_of_their_limit():
    found = accumulate([spheres("a", 10.0, lung_mean_gy=20.0), beam("SBRT", 3.0)])
    (lungs,) = found.limits
    assert lungs.as_dict()["value_gy"] == pytest.approx(23.0)
    assert (lungs.status, lungs.left_gy) == ("met", pytest.approx(27.0))
    beyond = accumulate([spheres("a", 10.0, lung_mean_gy=48.0), beam("SBRT", 3.0)]).limits[0]
    assert (beyond.status, beyond.left_gy) == ("not met", 0.0)
    without = [replace(spheres("a", 1.0), regions=regions()[:2]), beam("SBRT", 3.0)]
    assert accumulate(without).limits[0].status == "unconfirmed"


@pytest.mark.parametrize(
    ("prior_gy", "limit_gy", "left_gy", "each_gy"), [(30.0, 70.0, 26.48, 2.597), (40.0, 100.0, 35.96, 3.171)]
)
def test_what_is_left_after_an_earlier_radioembolization(prior_gy, limit_gy, left_gy, each_gy):
    limit = CumulativeLimit("non-tumour liver", "bed", limit_gy)
    found = accumulate([spheres("a", prior_gy), beam("none", 0.0)], limits=[limit])
    first = found.limits[1].as_dict()
    assert first["parameters"] == "liver 2.5"
    assert first["left_gy"] == pytest.approx(left_gy, rel=1e-3)
    assert first["left_as_fractions_gy"]["5"] == pytest.approx(each_gy, rel=1e-3)
    again = first["left_as_radioembolization_gy"]
    assert float(bed(again, 2.5, 2.5 * HOUR, HALF_LIFE)) == pytest.approx(left_gy, rel=1e-3)
    assert len(found.limits) == 3  # liver 8 beside it


def test_limits_on_eqd2_and_on_the_mean():
    limits = [parse_limit("liver eqd2 <= 60"), parse_limit("liver mean ≤ 55 Gy")]
    found = accumulate([spheres("a", 50.0), beam("none", 0.0)], limits=limits)
    equivalent, _, absorbed = (limit.as_dict() for limit in found.limits[1:])
    assert equivalent["value_gy"] == pytest.approx(48.65, rel=1e-3)
    left_bed = (60 - 48.65) * 1.8
    assert equivalent["left_as_fractions_gy"]["3"] == pytest.approx(
        fraction_dose_left(left_bed, 2.5, 3), rel=2e-3
    )
    assert (absorbed["left_gy"], absorbed["left_as_fractions_gy"]) == (pytest.approx(5.0), {})
    assert absorbed["left_as_radioembolization_gy"] == pytest.approx(5.0)
    only_beams = accumulate([beam("a", 20.0, regions=regions()), beam("b", 10.0)], limits=limits[:1])
    assert only_beams.limits[1].as_dict()["left_as_radioembolization_gy"] is None


@pytest.mark.parametrize(
    ("rows", "added"), [(12, True), (11, True), (10, False), (14, False)]
)  # 1/12 and 1/6 of the liver; 2/12 more
def test_a_liver_that_changed_is_not_added_voxel_by_voxel(rows, added):
    assert 1 / 12 < MOST_LIVER_CHANGE < 1 / 6
    found = accumulate([spheres("a", 30.0, regions=regions(liver_rows=rows)), spheres("b", 20.0, day=90.0)])
    assert (found.physical is not None) is added
    assert ("liver-changed" in {n.code for n in found.notices}) is not added
    liver = region(found, "liver")
    assert liver.mean_gy == pytest.approx(50.0)
    if not added:
        assert (liver.effects, liver.histogram, found.focal_liver_ml) == ((), None, {})
        with pytest.raises(InputError, match="voxels are not added"):
            accumulate(found.treatments, limits=[CumulativeLimit("liver", "bed", 70.0)])


def test_frames_that_nothing_joins_leave_region_means():
    found = accumulate(
        [spheres("a", 30.0, stated_means_gy={"liver": 31.0}), spheres("b", 20.0, day=9.0)],
        frames_joined=False,
    )
    assert found.bed is None
    assert region(found, "liver").mean_gy == pytest.approx(51.0)  # as the calculation states it
    assert "--registration" in next(n.message for n in found.notices if n.code == "voxels-not-added")
    unknown = accumulate([spheres("a", 1.0), beam("SBRT", 1.0)], frames_joined=False)
    assert region(unknown, "liver").mean_gy is None


def test_other_grids_come_onto_the_reference():
    small = Grid.from_spacing((12, 7, 16), (4.0, 4.0, 4.0), frame_of_reference_uid="1.2.3")
    half = Treatment("SBRT", DoseMap(np.full(small.shape, 10.0), small), FIRST, ExternalBeam((0.0,)))
    found = accumulate([spheres("a", 1.0), half])
    assert found.physical.array[:, :7] == pytest.approx(11.0)
    assert found.physical.array[:, 8:] == pytest.approx(1.0)
    (notice,) = [n for n in found.notices if n.code == "dose-covers-part"]
    assert "SBRT" in notice.message
    shift = AffineTransform([[1, 0, 0, 4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    ramp = np.broadcast_to(np.arange(16.0), GRID.shape)
    moved = accumulate([spheres("a", 0.0), replace(beam("SBRT", ramp), pull=shift)])
    assert moved.physical.array[..., :14] == pytest.approx(ramp[..., 1:15], abs=1e-4)
    away = replace(beam("SBRT", 1.0), pull=AffineTransform(np.eye(4) + 900.0 * np.eye(4, k=3)))
    with pytest.raises(GeometryError, match="does not overlap"):
        accumulate([spheres("a", 0.0), away])


def test_the_rule_of_carrying_is_the_one_asked_for():
    """A beam 2 mm to the side: energy over mass, or the dose of the material points."""
    shift = AffineTransform(np.eye(4) + 2.0 * np.eye(4, k=3) * (np.arange(4) == 0)[:, None])
    stripes = np.zeros(GRID.shape)
    stripes[..., ::2] = 60.0
    pair = [spheres("a", 0.0), replace(beam("SBRT", stripes), pull=shift)]
    even = np.full(GRID.shape, GRID.voxel_volume_ml)
    energy = energy_over_mass(stripes, even, GRID, GRID, shift.inverse())[0]
    values, known = pulled_back(stripes, GRID, GRID, shift)
    for carry, wanted in (("energy", energy), ("point", np.where(known >= 0.999, values, 0.0))):
        assert accumulate(pair, carry=carry).physical.array == pytest.approx(wanted, abs=1e-9)
    assert not np.allclose(energy, values)


def test_negative_voxels_of_noise_count_as_nothing():
    dose = np.full(GRID.shape, 5.0)
    dose[0] = -1.0
    found = accumulate([spheres("a", dose), spheres("b", 1.0, day=50.0)])
    assert found.physical.array.min() == pytest.approx(1.0)


def test_what_is_said_with_every_sum():
    stated = {"lung_mean_gy": 2.0}
    alike = accumulate([spheres("a", 1.0, **stated), spheres("b", 1.0, day=30.0, **stated)])
    mixed = accumulate([spheres("a", 1.0, predicted=True, **stated), beam("SBRT", 1.0)])
    (of_map,) = [
        n.message
        for n in accumulate([spheres("a", 1.0), beam("SBRT", 1.0)]).notices
        if n.code == "lung-dose-of-map"
    ]
    assert of_map.startswith("a: no lung dose in the convention of the limit")
    holmium = accumulate([spheres("a", 1.0), spheres("b", 1.0, day=30.0, nuclide="Ho-166")])
    assert {n.code for n in alike.notices} == {"effect-parameters"}
    assert {n.code for n in mixed.notices} == {"effect-parameters", "mixed-sum", "predicted-dose"}
    assert [m.as_dict()["model_value"] is not None for m in (alike, mixed, holmium)] == [False, True, True]
    assert "2.5 Gy" in alike.notices[0].message
    assert "8 Gy" in alike.notices[0].message


@pytest.mark.parametrize(
    ("treatments", "options", "message"),
    [
        (lambda: [spheres("a", 1.0)], {}, "two treatments or more, got 1"),
        (lambda: [spheres("a", 1.0), beam("a", 1.0)], {}, "two treatments are named 'a'"),
        (lambda: [beam("a", 1.0), beam("b", 1.0)], {}, "no treatment has regions"),
        (lambda: [spheres("a", 1.0), beam("b", 1.0)], {"reference": "c"}, "no treatment 'c'"),
        (lambda: [spheres("a", 1.0), beam("b", 1.0)], {"reference": "b"}, "b has no regions"),
        (
            lambda: [spheres("a", 1.0), beam("b", 1.0)],
            {"limits": [CumulativeLimit("spleen", "mean", 10.0)]},
            "no region 'spleen'",
        ),
        (
            lambda: [spheres("a", 1.0), beam("b", 1.0)],
            {"limits": [CumulativeLimit("lungs", "bed", 10.0)]},
            "no parameters for the role lungs",
        ),
    ],
)
def test_what_cannot_be_added(treatments, options, message):
    with pytest.raises(InputError, match=message):
        accumulate(treatments(), **options)


def test_limits_that_are_none():
    with pytest.raises(InputError, match="not understood"):
        parse_limit("liver D70 <= 40")
    with pytest.raises(InputError, match="must be"):
        CumulativeLimit("liver", "mean", 0.0)
    with pytest.raises(InputError, match="mean, bed or eqd2"):
        CumulativeLimit("liver", "D70", 10.0)
    with pytest.raises(InputError, match="alpha/beta"):
        EffectParameters("x", 0.0, 1.0, "")
    assert dose_left(0.0, LIVER, HALF_LIFE) == 0.0
    assert fraction_dose_left(0.0, TUMOUR.alpha_beta_gy, 5) == 0.0
