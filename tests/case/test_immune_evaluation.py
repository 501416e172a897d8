"""Blood, lymphocytes and cycles of an evaluation: what is taken from the dose map, what is assumed, what is left out."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from evaluation_factory import make_evaluation, with_regions

import y90voxel as yv
from y90voxel.case.immune_evaluation import with_immune
from y90voxel.case.immune_settings import ImmuneSettings
from y90voxel.case.settings import load_settings
from y90voxel.clinical.patient import PatientRecord
from y90voxel.errors import InputError
from y90voxel.immune.blood_summary import LiverPart
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Mask

EVALUATION = make_evaluation()
TREATED = date(2026, 3, 2)


def immune(settings=None, evaluation=EVALUATION, sex="M"):
    return with_immune(evaluation, ImmuneSettings.model_validate({"report": True, **(settings or {})}), sex)


def codes(evaluation):
    return [n.code for n in evaluation.notices if n.code.startswith("immune")]


def patient(**facts):
    return replace(EVALUATION, case=replace(EVALUATION.case, patient=PatientRecord(**facts)))


def test_mean_dose_is_that_of_the_map_and_the_lungs():
    """By hand: a tenth of the blood in liver and tumours by volume, 10.5 % in the lungs at the dose that limits refer to."""
    normal, tumours = (EVALUATION.dvh(name) for name in ("non-tumour liver", "all tumours"))
    summed = normal.mean_gy * normal.volume_ml + tumours.mean_gy * tumours.volume_ml
    hepatic = summed / (normal.volume_ml + tumours.volume_ml)
    found = immune().immune.blood
    assert found.mean_gy == pytest.approx(0.1 * hepatic + 0.105 * 7.167, rel=1e-9)
    assert sum(found.by_part_gy.values()) == pytest.approx(found.mean_gy)
    assert found.tumour_fraction == pytest.approx(
        0.1 * tumours.volume_ml / (normal.volume_ml + tumours.volume_ml)
    )
    assert found.low_gy < found.mean_gy < found.high_gy


def test_the_settings_of_the_case_are_used_where_none_are_given():
    chosen = load_settings(None, {"immune": {"blood_volume_l": 4.1}})
    found = yv.with_immune(replace(EVALUATION, case=replace(EVALUATION.case, settings=chosen)), image_sex="F")
    assert found.immune.blood.body.total_volume_l == pytest.approx(4.1)


def test_the_range_is_large_vessels_and_the_mass_of_the_liver():
    found = immune().immune.blood
    hepatic, lung = found.by_part_gy["liver"] + found.by_part_gy["tumour"], found.by_part_gy["lung"]
    mass = sum(EVALUATION.dvh(name).mass_g for name in ("non-tumour liver", "all tumours"))
    grown = mass / 1800.0
    dilution = 1 + 0.1 * (grown - 1)
    ends = [hepatic + lung, hepatic / 1.11 + lung]
    ends += [(hepatic * grown + lung) / dilution, (hepatic * grown / 1.11 + lung) / dilution]
    assert found.low_gy == pytest.approx(min(ends), rel=1e-9)
    assert found.high_gy == pytest.approx(max(ends), rel=1e-9)


def test_equal_parts_keep_mean_and_volume():
    dvh = DoseVolumeHistogram(np.array([9.0, 4.0, 1.0]), np.array([1.0, 2.0, 5.0]), None, np.ones(3))
    part = LiverPart.from_histogram(dvh, 4)
    assert part.doses_gy == pytest.approx([6.5, 2.5, 1.0, 1.0])
    assert (part.volume_ml, part.doses_gy.mean()) == (8.0, pytest.approx(dvh.mean_gy))


def test_a_spread_of_dose_in_the_liver_widens_that_of_the_blood():
    from y90voxel.immune.blood_summary import summarise_blood

    even, uneven = (
        summarise_blood(LiverPart(1800.0, doses), None, {}, 1800.0, 230580.0)
        for doses in ([50.0], [100.0, 0.0])
    )
    assert even.mean_gy == pytest.approx(uneven.mean_gy)
    assert uneven.sd_gy > 1.3 * even.sd_gy


def test_a_drawn_spleen_counts_and_its_absence_is_named():
    assert "spleen" in immune().immune.not_drawn
    liver = EVALUATION.case.regions["Liver"].mask
    moved = Mask(np.roll(liver.array, 25, axis=2), liver.grid)
    drawn = (*EVALUATION.case.regions.drawn, Region("Spleen", Role.OTHER, moved))
    changed = with_regions(EVALUATION, Regions(liver.grid, drawn))
    dose = DoseVolumeHistogram.from_dose(EVALUATION.dose, moved).mean_gy
    spleen = replace(EVALUATION.regions[0], name="Spleen", role="other", mean_gy=dose)
    found = immune(evaluation=replace(changed, regions=(*EVALUATION.regions, spleen))).immune
    assert found.blood.by_part_gy["spleen"] == pytest.approx(0.014 * dose)
    assert "spleen" not in found.not_drawn
    (row,) = found.lymphoid_organs
    assert (row["organ"], row["mean_gy"]) == ("spleen", dose)


@pytest.mark.parametrize(
    ("stated", "image", "sex", "source", "said"),
    [
        ("female", "F", "female", "stated", False),
        (None, "F", "female", "image", False),
        ("female", "M", "female", "stated", True),
        (None, "O", "male", "assumed", True),
        (None, "", "male", "assumed", True),
    ],
)
def test_sex_is_stated_of_the_image_or_assumed_and_said(stated, image, sex, source, said):
    found = immune(evaluation=patient(sex=stated), sex=image)
    assert (found.immune.blood.assumptions.sex, found.immune.sex_source) == (sex, source)
    assert ("immune-sex" in codes(found)) is said
    assert f"sex {source}" in found.immune.assumptions[0]


def test_blood_volume_is_typed_or_nadlers_or_the_reference():
    volumes = [
        immune({"blood_volume_l": 4.4}).immune.blood.body.total_volume_l,
        immune(evaluation=patient(height_m=1.76, weight_kg=73.0)).immune.blood.body.total_volume_l,
        immune(evaluation=patient(height_m=1.76)).immune.blood.body.total_volume_l,
    ]
    assert volumes == pytest.approx([4.4, 4.9543, 5.3], rel=1e-4)


def test_without_a_liver_it_is_left_out_and_said():
    found = immune(evaluation=make_evaluation(regions=False, device=None))
    assert found.immune is None
    assert codes(found) == ["immune-omitted"]


def test_without_a_lung_dose_the_lungs_count_nothing_and_are_named():
    unknown = replace(EVALUATION.lung, mird_gy={}, mass_weighted_mean_voxel_gy=None)
    found = immune(evaluation=replace(EVALUATION, lung=unknown))
    assert "lung" not in found.immune.blood.by_part_gy
    assert "lung" in found.immune.not_drawn
    assert "immune-no-lungs" in codes(found)


def test_cycles_by_date_and_by_day_and_none():
    record = patient(treatment_date=TREATED)
    found = immune({"cycle_dates": ["2026-03-16", "2026-02-20"]}, record)
    assert found.immune.cycle_days == (-10.0, 14.0)
    before, after = found.immune.cycles
    assert (before["dose_left_percent"], before["gy_per_h"]["blood"]) == (100.0, 0.0)
    assert after["dose_left_percent"] == pytest.approx(2.64, rel=1e-2)
    tumour = EVALUATION.region("all tumours").mean_gy
    assert after["gy_per_h"]["tumour"] == pytest.approx(
        tumour * np.log(2) / 64.1 * 2.0 ** (-14 * 24 / 64.1), rel=1e-4
    )
    assert immune({"cycle_days": [14]}).immune.cycle_days == (14.0,)
    assert codes(immune()) == ["immune-no-cycles"]


def test_the_first_day_of_systemic_therapy_is_a_cycle():
    record = patient(treatment_date=TREATED, systemic_therapy_date=date(2026, 3, 30))
    assert immune(evaluation=record).immune.cycle_days == (28.0,)


def test_dates_without_a_treatment_date_are_left_out_and_said():
    found = immune({"cycle_dates": ["2026-03-16"], "count": [{"date": "2026-03-01", "giga_per_l": 1.0}]})
    assert found.immune.cycle_days == ()
    assert codes(found) == ["immune-undated", "immune-undated"]


def test_the_time_of_the_administration_dates_the_treatment():
    given = EVALUATION.case.injections[0]
    timed = replace(
        given, administration=replace(given.administration, time=datetime(2026, 3, 2, 10, tzinfo=UTC))
    )
    case = replace(EVALUATION.case, injections=(timed,))
    assert immune({"cycle_dates": ["2026-03-09"]}, replace(EVALUATION, case=case)).immune.cycle_days == (7.0,)


def test_holmium_has_its_own_half_life():
    given = EVALUATION.case.injections[0]
    holmium = replace(given, administration=replace(given.administration, nuclide="Ho-166", device=None))
    found = immune(
        {"cycle_days": [7]}, replace(EVALUATION, case=replace(EVALUATION.case, injections=(holmium,)))
    )
    assert found.immune.cycles[0]["dose_left_percent"] == pytest.approx(100 * 2 ** (-7 * 24 / 26.8), rel=0.02)


def test_measured_counts_stand_beside_the_range():
    counts = [{"day": -20, "giga_per_l": 1.1}, {"day": -2, "giga_per_l": 1.4}, {"day": 30, "giga_per_l": 0.7}]
    found = immune({"count": counts}).immune.lymphocytes
    (row,) = found.followed
    assert (row["day"], row["ratio"]) == (30, pytest.approx(0.5))
    low, high = found.band([30.0])
    assert (row["low"], row["high"]) == (pytest.approx(low[0]), pytest.approx(high[0]))
    assert "immune-counts" in codes(immune({"count": counts[:1]}))


def test_pools_are_an_option_that_says_they_are_unverified():
    assert immune().metrics["immune"]["lymphocytes"]["pool_weighted"] is None
    block = immune({"pool_weighted": True}).metrics["immune"]["lymphocytes"]["pool_weighted"]
    assert block["label"].startswith("UNVERIFIED")
    blood = immune().immune.blood
    liver = (blood.by_part_gy["liver"] + blood.by_part_gy["tumour"]) / 0.1
    expected = (10 * blood.mean_gy + 30 * 7.167 + 10 * liver) / 460
    assert block["dose_gy"] == pytest.approx(expected, rel=1e-9)


def test_free_activity_is_told_apart_and_only_where_given():
    assert immune().immune.free_activity_gy is None
    found = immune({"free_activity": "0.5%"}).immune
    assert found.free_activity_gy == pytest.approx(0.005 * 2.4 * 49.77 / (5.3 * 1.06), rel=1e-9)
    assert found.blood.mean_gy == immune().immune.blood.mean_gy


def test_spared_liver_and_irradiated_tumour_are_those_of_the_histograms():
    block = immune().metrics["immune"]
    normal = EVALUATION.dvh("non-tumour liver")
    below = normal.volumes_ml[normal.doses_gy < 20.0].sum()
    (row,) = (r for r in block["liver_spared"] if r["below_gy"] == 20.0)
    assert row["volume_ml"] == pytest.approx(below)
    assert row["percent"] == pytest.approx(100 * below / normal.volume_ml)
    tumour = next(r for r in block["tumours"] if r["region"] == "GTV1")
    dvh = EVALUATION.dvh("GTV1")
    reached = dvh.volumes_ml[dvh.doses_gy >= 205.0].sum() / dvh.volume_ml
    assert list(tumour["fraction_percent"]) == ["20", "50", "100", "205"]
    assert tumour["fraction_percent"]["205"] == pytest.approx(100 * reached)
    d2, d50, d98 = (dvh.dose_at_volume(x) for x in (2, 50, 98))
    assert tumour["homogeneity_index"] == pytest.approx((d2 - d98) / d50)


def test_the_block_is_json_without_dates_and_null_unless_asked():
    assert EVALUATION.metrics["immune"] is None
    record = patient(treatment_date=TREATED)
    block = immune({"cycle_dates": ["2026-03-16"]}, record).metrics["immune"]
    text = json.dumps(block, allow_nan=False)
    assert "2026" not in text
    assert block["statement"] == "exploratory, no decision may rest on it"
    assert block["blood"]["growth"][-1]["mean_gy"] == pytest.approx(block["blood"]["mean_gy"], rel=1e-3)
    assert block["blood"]["passed_liver_percent"]["60"] == pytest.approx(37.42, rel=1e-3)
    assert block["dose_left_percent"]["7"] == pytest.approx(16.2, rel=1e-2)


def test_several_injections_are_said_to_count_as_one():
    first = EVALUATION.case.injections[0]
    second = replace(first, emission=replace(first.emission))
    case = replace(EVALUATION.case, injections=(first, second))
    assert "immune-staged" in codes(immune(evaluation=replace(EVALUATION, case=case)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"immune": {"tumour_relative_perfusion": -1}}, "immune.tumour_relative_perfusion = -1"),
        ({"immune": {"tumour_relative_blood": 0}}, "above zero"),
        ({"immune": {"blood_volume_l": 0}}, "immune.blood_volume_l"),
        ({"immune": {"free_activity": 1.5}}, "fraction"),
        ({"immune": {"residence": "gamma"}}, "immune.residence"),
        ({"immune": {"count": [{"giga_per_l": 1.0}]}}, "a count needs its date or its day"),
        ({"immune": {"count": [{"giga_per_l": 1.0, "day": 3, "date": "2026-03-02"}]}}, "its date or its day"),
        ({"immune": {"count": [{"giga_per_l": 0.0, "day": 3}]}}, "above zero"),
        ({"patient": {"sex": "x"}}, "patient.sex"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        load_settings(None, settings)


def test_a_tumour_with_all_the_blood_of_the_liver_is_refused():
    share = EVALUATION.region("all tumours").volume_ml / EVALUATION.region("Liver").volume_ml
    with pytest.raises(InputError, match="both must stay below 100 %"):
        immune({"tumour_relative_blood": 1.2 / share})


def test_a_record_of_another_sex_is_refused():
    with pytest.raises(InputError, match="male or female, got 'x'"):
        PatientRecord(sex="x")
