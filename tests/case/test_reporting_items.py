"""Completeness of a report: every item with a source, and a status that follows the study."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from evaluation_factory import make_evaluation, with_regions

from y90voxel.case.reporting_items import REPORTING_ITEMS, ReportingSource, reporting_items
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import ORGANS


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


def status(evaluation, item):
    (found,) = [one for one in reporting_items(evaluation) if one.item == item]
    return found.status, found.where


def test_every_row_of_the_eanm_table_for_therapies_is_there_once():
    """The nine rows of table 4 (PMC10957710); the first asks for activities, curves, volumes and statistics too."""
    names = [item.name for item in REPORTING_ITEMS]
    assert len(set(names)) == len(names)
    assert Counter(item.source for item in REPORTING_ITEMS)[ReportingSource.EANM_2024] == 13
    rows = (
        "source tissues", "whole body", "time point", "time-activity", "volumes", "summary statistics", "set of organs",
        "equivalent and effective", "each tumour", "sub-structures", "RBE", "biologically effective", "D90 or D98",
    )  # fmt: skip
    asked = [item.name for item in REPORTING_ITEMS if item.source is ReportingSource.EANM_2024]
    for words in rows:
        assert sum(words in name for name in asked) == 1, words


def test_a_predicted_dose_has_no_verified_delivery_and_a_delivered_one_has(evaluation):
    assert status(evaluation, "verification of the delivery")[0] == "missing"
    assert status(make_evaluation(predicted=False), "verification of the delivery")[0] == "derived"


def test_what_the_study_states_is_present_and_what_was_computed_is_derived(evaluation):
    assert status(evaluation, "lung shunt fraction") == (
        "present",
        "6 %, given; how it was measured is not recorded",
    )
    measured = replace(evaluation, lung=replace(evaluation.lung, shunt_source="planar"))
    assert status(measured, "lung shunt fraction") == ("derived", "6 %, by planar")
    unknown = replace(evaluation, lung=replace(evaluation.lung, shunt_fraction=None))
    assert status(unknown, "lung shunt fraction")[0] == "missing"
    assert status(evaluation, "type of microspheres") == ("present", "TheraSphere")
    assert status(make_evaluation(device=None), "type of microspheres")[0] == "missing"
    assert status(evaluation, "equivalent and effective dose")[0] == "not asked"
    assert status(evaluation, "volumes") == ("derived", f"volume_ml of {len(evaluation.regions)} regions")


def test_an_item_of_several_parts_is_missing_until_all_are_there(evaluation):
    item = "absorbed dose of a complete set of organs"
    assert status(evaluation, item)[1].startswith("no stomach, duodenum")
    first = evaluation.regions[0]
    some = replace(evaluation, regions=(*evaluation.regions, replace(first, name="GB", role="gallbladder")))
    assert status(some, item)[1].startswith("only gallbladder; no stomach, duodenum, bowel")
    every = tuple(replace(first, name=organ.value, role=organ.value) for organ in ORGANS)
    assert status(replace(evaluation, regions=(*evaluation.regions, *every)), item)[0] == "derived"


def test_without_regions_the_items_about_them_are_missing():
    bare = make_evaluation(regions=False)
    for item in ("volumes", "tumour volume", "dose parameters of each tumour", "origin of the regions"):
        assert status(bare, item)[0] == "missing", item


def test_a_biological_dose_is_there_with_its_parameters(evaluation):
    item = "biologically effective dose (encouraged)"
    assert status(evaluation, item)[0] == "missing"
    first, *rest = evaluation.regions
    first = replace(first, bed_mean_gy=61.2, radiobiology=RadiobiologyParameters(2.5, 9000.0))
    assert status(replace(evaluation, regions=(first, *rest)), item)[0] == "derived"


def test_an_anonymised_report_does_not_ask_for_a_time_that_it_leaves_out(evaluation):
    item = "time of administration with its zone"
    assert status(evaluation, item) == ("missing", "give --time")
    case = evaluation.case.changed(output={"anonymise": True})
    assert status(replace(evaluation, case=case), item) == ("missing", "left out of an anonymised report")


def test_automatic_regions_are_named(evaluation):
    drawn = [replace(region, automatic=region.name == "Liver") for region in evaluation.case.regions.drawn]
    marked = with_regions(evaluation, Regions(evaluation.dose.grid, tuple(drawn)))
    assert status(marked, "origin of the regions") == ("present", "automatic: Liver; the others drawn")
    every = tuple(replace(region, automatic=True) for region in drawn)
    marked = with_regions(evaluation, Regions(evaluation.dose.grid, every))
    assert status(marked, "origin of the regions") == ("present", "all automatic: no person drew one")
    none = tuple(replace(region, automatic=False) for region in drawn)
    marked = with_regions(evaluation, Regions(evaluation.dose.grid, none))
    assert status(marked, "origin of the regions") == ("present", "drawn")


def test_lung_doses_are_named_by_their_mass(evaluation):
    item = "lung dose by both mass conventions"
    assert status(evaluation, item) == ("derived", "7.17 Gy with 1 kg, 8.02 Gy with CT mass")
    half = replace(evaluation.lung, mird_gy={"mird-1kg": 7.167, "mird-ct": None})
    assert status(replace(evaluation, lung=half), item)[1].startswith(
        "only 7.17 Gy with 1 kg; no CT mass: needs"
    )


def test_metrics_hold_the_items_and_no_time_of_day(evaluation):
    rows = evaluation.metrics["reporting"]
    assert [row["item"] for row in rows] == [item.name for item in REPORTING_ITEMS]
    assert {row["status"] for row in rows} <= {"present", "derived", "missing", "not asked"}
    assert all(row["where"] for row in rows)
    assert "2026-" not in json.dumps(rows)
