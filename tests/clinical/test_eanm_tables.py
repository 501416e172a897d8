"""Every printed cell of EANM 2022, tables 2 to 4, against a transcription by a second pair of eyes."""

import eanm_reader as printed
import pytest

from y90voxel.clinical.eanm_tables import CELLS, printed_cell
from y90voxel.clinical.limits import LiverFunction, Scenario, Sense, limits_of
from y90voxel.clinical.limits_table import TABLE, BilirubinClass, Disease
from y90voxel.regions.roles import Role

ROWS = [(d, disease, s) for d, disease in printed.PRINTED for s in printed.SCENARIOS]


def words(limit):
    """A row of the product in the words of the reader."""
    if limit.role is Role.TUMOUR:
        return "tumour", limit.value_gy, ""
    mark = {BilirubinClass.RAISED: "R", BilirubinClass.NORMAL: "N"}.get(limit.bilirubin, "")
    mark += "H" if limit.reserve_below == 0.30 else ""
    if limit.function is not None:
        mark += (
            "P" if limit.or_pretreated else {LiverFunction.POOR: "B", LiverFunction.GOOD: "G"}[limit.function]
        )
    kind = {Role.PERFUSED: "single", Role.NON_TUMOUR_LIVER: "w", Role.PERFUSED_NON_TUMOUR_LIVER: "p"}[
        limit.role
    ]
    return (
        kind + ("<" if limit.sense is Sense.BELOW else ">"),
        limit.value_gy,
        mark + ("?" if limit.condition else ""),
    )


def transcribed(device, disease, scenario):
    single, normal, tumour = printed.cells(device, disease, scenario)
    found = set()
    for word in single:
        if "-" in word:
            low, high = word.split("-")
            found |= {("single>", float(low), ""), ("single<", float(high), "")}
        elif word.strip(">?").isdigit():
            found.add(("single>", float(word.strip(">?")), "?" if "?" in word else ""))
    for word in normal:
        if word != "n/a":
            number = word[1:].lstrip("<>=").rstrip("RNHPBG")
            found.add((word[:2], float(number), word[1:].lstrip("<>=").removeprefix(number)))
    return found | {("tumour", float(word.lstrip(">=")), "") for word in tumour if word != "n/a"}


@pytest.mark.parametrize(("device", "disease", "scenario"), ROWS)
def test_every_row_says_what_is_printed_and_nothing_else(device, disease, scenario):
    rows = [
        limit for limit in TABLE
        if limit.device == device and Disease(disease) in limit.diseases and Scenario[scenario.upper()] in limit.scenarios
    ]  # fmt: skip
    assert {words(limit) for limit in rows} == transcribed(device, disease, scenario)
    for limit in rows:
        table = {"glass": 2, "resin": 3, "ho166": 4}[device]
        assert f"table {table}, {disease}: " in limit.source
        assert scenario in limit.source.partition(f"{disease}: ")[2].partition(", printed")[0]


def test_there_is_one_cell_for_each_printed_one():
    assert len(CELLS) == len({(c.device, c.disease, c.scenario, c.column) for c in CELLS}) == 9 * 4 * 3


@pytest.mark.parametrize(("device", "disease", "scenario"), ROWS)
def test_every_device_disease_and_scenario_has_a_liver_limit_or_prints_none(device, disease, scenario):
    cell = printed_cell(device, Disease(disease), Scenario[scenario.upper()], "normal liver")
    has = any(reading.sense is Sense.BELOW for reading in cell.readings)
    assert has or cell.printed in ("Not applicable", "> 70")
    assert has == bool(
        printed.liver_limits(
            device, disease, scenario, bilirubin=None, reserve=None, function=None, pretreated=None
        )
    )


def test_the_single_compartment_of_resin_is_not_recommended_for_a_lobectomy():
    for disease in Disease:
        assert (
            printed_cell("resin", disease, Scenario.LOBECTOMY, "single compartment").printed
            == "Not recommended"
        )


def test_every_limit_names_its_source():
    assert all(limit.source for device in ("glass", "resin", "ho166") for limit in limits_of(device))
