"""Limits and goals of the user: metrics at the ends of their range, names that tell them apart, and what they replace."""

import pytest

from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.errors import InputError
from y90voxel.planning.aims import AimResult, DoseAim, parse_metric, resolve_aims, table_aims
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.regions.roles import Role

TABLE = DoseTable(
    (
        RegionDoses("GTV1", Role.TUMOUR, (100.0,)),
        RegionDoses("GTV2", Role.TUMOUR, (50.0,)),
        RegionDoses("liver", Role.NON_TUMOUR_LIVER, (20.0,)),
    )
)


def limit(name, region, value, metric="mean", **parameters):
    return DoseAim(name, region, Sense.BELOW, value, parse_metric(metric, parameters))


@pytest.mark.parametrize(
    ("text", "allowed"), [("D0", False), ("D0.5", True), ("D100", True), ("D100.5", False)]
)
def test_a_dose_at_volume_is_of_a_part_of_the_region_or_of_all(text, allowed):
    if allowed:
        assert parse_metric(text).at == float(text[1:])
    else:
        with pytest.raises(InputError, match=f"{text}.*above 0 and up to 100 %"):
            parse_metric(text)


@pytest.mark.parametrize(
    ("status", "achieved", "by"),
    [
        ("not met", 52.0, 2.0), ("met", 48.0, 0.0), ("unconfirmed", 48.0, 0.0), ("not applicable", None, 0.0),
        ("not met", None, 0.0),
    ],
)  # fmt: skip
def test_what_is_missed_is_missed_by_the_distance_to_its_value(status, achieved, by):
    assert AimResult(limit("a", "liver", 50.0), achieved, status).missed_by == by


def test_a_role_stands_for_each_of_its_regions_and_a_name_for_one():
    found = resolve_aims(
        [limit("lesions", "tumour", 80.0), limit("one", "GTV1", 90.0), limit("l", "liver", 40.0)], [], TABLE
    )
    assert [(aim.name, aim.region, aim.value) for aim in found] == [
        ("lesions (GTV1)", "GTV1", 80.0),
        ("lesions (GTV2)", "GTV2", 80.0),
        ("one", "GTV1", 90.0),
        ("l", "liver", 40.0),
    ]


@pytest.mark.parametrize(
    "second",
    [
        limit("liver", "liver", 50.0),
        limit("liver", "GTV1", 40.0),
        limit("liver", "liver", 40.0, "D70"),
        DoseAim("liver", "liver", Sense.AT_LEAST, 40.0),
        DoseAim("liver", "liver", Sense.BELOW, 40.0, previous=10.0),
    ],
)
def test_two_of_one_name_that_differ_are_refused(second):
    with pytest.raises(
        InputError, match=r"two limits or goals are called 'liver': mean of liver below 40 Gy, and"
    ):
        resolve_aims([limit("liver", "liver", 40.0), second], [], TABLE)


def test_one_that_is_stated_twice_is_one():
    once = limit("liver", "liver", 40.0)
    again = DoseAim("liver", "liver", Sense.BELOW, 40.0, source="a paper")
    assert resolve_aims([once, again], [], TABLE) == (once,)


def test_metrics_with_other_parameters_need_names_of_their_own():
    """Their automatic names hold no parameters."""
    aims = [limit("GTV1 gEUD at most 90 Gy", "GTV1", 90.0, "gEUD", exponent=a) for a in (-10.0, 3.0)]
    with pytest.raises(
        InputError, match=r"gEUD \(exponent -10\) of GTV1 below 90 Gy, and gEUD \(exponent 3\)"
    ):
        resolve_aims(aims, [], TABLE)


def test_a_role_replaces_what_the_table_says_of_each_of_its_regions():
    from_table = [
        DoseAim(f"tumour, HCC ({name})", name, Sense.AT_LEAST, 205.0, required=False) for name in ("GTV1", "GTV2")
    ]  # fmt: skip
    asked = DoseAim("tumour, HCC", "tumour", Sense.AT_LEAST, 150.0)
    found = resolve_aims([asked], [*from_table, limit("lungs", "liver", 30.0)], TABLE)
    assert [(aim.name, aim.value) for aim in found] == [
        ("lungs", 30.0),
        ("tumour, HCC (GTV1)", 150.0),
        ("tumour, HCC (GTV2)", 150.0),
    ]


@pytest.mark.parametrize(
    ("text", "parameters", "said"),
    [
        ("gEUD", {}, "gEUD takes the parameters exponent, got none"),
        ("gEUD", {"exponent": 2.0, "n": 1.0}, "takes the parameters exponent, got exponent, n"),
        ("mean", {"exponent": 2.0}, "mean takes the parameters none, got exponent"),
        ("D70", {"m": 1.0}, "D70 takes the parameters none, got m"),
        (
            "BED",
            {"alpha_beta_gy": 2.5},
            "takes the parameters alpha_beta_gy, repair_half_time_h, got alpha_beta_gy",
        ),
    ],
)
def test_a_metric_takes_its_parameters_and_no_others(text, parameters, said):
    with pytest.raises(InputError, match=said):
        parse_metric(text, parameters)


def test_a_row_of_the_table_is_called_by_its_region_only_where_it_stands_for_several():
    roles = {"GTV1": Role.TUMOUR, "GTV2": Role.TUMOUR, "lungs": Role.LUNGS}
    context = ClinicalContext(Scenario.UNILOBAR, Disease.HCC)
    several = {aim.name for aim in table_aims("glass", roles, context)}
    assert (
        {name for name in several if "GTV" in name}
        == {n for n in several if n.endswith(("(GTV1)", "(GTV2)"))}
        != set()
    )
    one = {aim.name for aim in table_aims("glass", {"GTV1": Role.TUMOUR, "lungs": Role.LUNGS}, context)}
    assert one == {name.removesuffix(" (GTV1)") for name in several if not name.endswith("(GTV2)")}
    assert not any("(lungs)" in name for name in several)
