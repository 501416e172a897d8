import pytest

from y90voxel.clinical.limits import (
    DEVICES,
    ClinicalContext,
    Disease,
    LiverFunction,
    Scenario,
    evaluate_fraction_limits,
    evaluate_limits,
    limits_of,
    lung_dose_notice,
)
from y90voxel.errors import InputError
from y90voxel.regions.roles import Role


def status(results, region):
    return {(r.limit.name, r.limit.value_gy): r.status for r in results if r.region == region}


def test_lungs_are_limited_for_every_device_with_its_source():
    for device in DEVICES:
        lungs = [limit for limit in limits_of(device) if limit.role is Role.LUNGS]
        assert [limit.value_gy for limit in lungs] == [30.0]
        assert all(limit.source for limit in limits_of(device))


def test_limits_are_met_up_to_the_value_and_goals_from_it():
    doses = {"GTV1": (Role.TUMOUR, 205.0), "GTV2": (Role.TUMOUR, 204.9), "ntl": (Role.NON_TUMOUR_LIVER, 75.0)}
    context = ClinicalContext(Scenario.UNILOBAR, Disease.HCC)
    results = evaluate_limits("glass", doses, 30.1, context)
    index = ("tumour, HCC, index lesion if possible", 250.0)
    assert status(results, "GTV1") == {("tumour, HCC", 205.0): "met", index: "not met"}
    assert status(results, "GTV2") == {("tumour, HCC", 205.0): "not met", index: "not met"}
    assert sorted(status(results, "ntl").values()) == ["met", "not met", "unconfirmed"]
    assert list(status(results, "lungs").values()) == ["not met"]


def test_a_limit_without_its_region_is_not_applicable_and_never_moved_to_another():
    results = evaluate_limits("resin", {"Liver": (Role.LIVER, 500.0)}, None)
    assert {r.status for r in results} == {"not applicable"}
    assert all(r.value_gy is None for r in results)


def test_without_device_there_are_no_limits():
    assert evaluate_limits(None, {"GTV1": (Role.TUMOUR, 1.0)}, 99.0) == []


def test_pneumonitis_means_are_never_limits():
    """41 and 21 Gy are mean lung doses of patients with pneumonitis, not thresholds."""
    values = {limit.value_gy for device in DEVICES for limit in limits_of(device) if limit.role is Role.LUNGS}
    assert values.isdisjoint({41.0, 41.4, 21.0, 21.5})


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match=r"'plastic'.*glass, resin, ho166"):
        limits_of("plastic")


def statuses(results):
    return {r.limit.name: r.status for r in results}


def at(role, dose, device, lungs=None, **context):
    context = {"disease": Disease.HCC} | context
    return statuses(evaluate_limits(device, {"region": (role, dose)}, lungs, ClinicalContext(**context)))


@pytest.mark.parametrize(
    ("bilirubin", "fifty", "ninety"),
    [
        (18.8, "not applicable", "met"),
        (18.81, "not met", "not applicable"),
        (27.0, "not met", "not applicable"),
        (None, "not met", "unconfirmed"),
    ],
)
def test_the_bilirubin_class_decides_between_50_and_90_gray(bilirubin, fifty, ninety):
    """EANM table 2: above 1.1 mg/dL (18.81 umol/L) 50 Gy, below 90 Gy; the third patient has 27."""
    found = at(
        Role.NON_TUMOUR_LIVER, 70.0, "glass", bilirubin_umol_per_l=bilirubin, scenario=Scenario.BILOBAR
    )
    assert found["whole non-tumour liver, HCC, bilirubin above 1.1 mg/dL"] == fifty
    assert found["whole non-tumour liver, HCC, bilirubin below 1.1 mg/dL"] == ninety


def test_a_segmentectomy_has_goals_for_the_perfused_volume_only():
    found = at(Role.PERFUSED, 410.0, "glass", scenario=Scenario.SEGMENTECTOMY)
    assert {name for name, status in found.items() if status != "not applicable"} == {
        "perfused volume, HCC, segmentectomy"
    }
    assert at(Role.PERFUSED, 149.0, "resin", scenario=Scenario.SEGMENTECTOMY)[
        "perfused volume, HCC, segmentectomy"
    ] == ("not met")


def test_rows_of_one_scenario_are_listed_without_it_with_what_they_depend_on():
    context = ClinicalContext(disease=Disease.HCC)
    doses = {"perfused volume": (Role.PERFUSED, 100.0), "normal": (Role.PERFUSED_NON_TUMOUR_LIVER, 35.0)}
    rows = {r.limit.name: r for r in evaluate_limits("resin", doses, None, context)}
    for name, status in (
        ("perfused volume, HCC, segmentectomy", "unconfirmed"),
        ("perfused non-tumour liver, HCC, lobectomy (needs a hepatic reserve above 30 %)", "unconfirmed"),
        ("perfused non-tumour liver, HCC", "unconfirmed"),
        ("perfused non-tumour liver, HCC, pretreated or poor function", "not met"),
    ):
        assert (rows[name].status, rows[name].reason[:16]) == (status, "applies if it is"), name
    reason = rows["perfused non-tumour liver, HCC, pretreated or poor function"].reason
    assert (
        reason == "applies if it is a bilobar treatment and liver function is poor or the liver is pretreated"
    )


def test_nothing_is_assumed_of_a_disease_that_is_not_stated():
    """Rows that all diseases print alike are one row; none of them is met, and no goal is missed."""
    doses = {"ntl": (Role.NON_TUMOUR_LIVER, 45.0), "GTV1": (Role.TUMOUR, 150.0)}
    rows = evaluate_limits("glass", doses, 10.0, ClinicalContext(bilirubin_umol_per_l=10.0))
    by_name = {r.limit.name: r for r in rows}
    assert by_name["whole non-tumour liver, any disease, bilirubin below 1.1 mg/dL"].status == "unconfirmed"
    assert by_name["whole non-tumour liver, ICC or mCRC, lobar treatment"].status == "unconfirmed"
    assert by_name["tumour, HCC"].status == "unconfirmed"
    assert "the disease is HCC" in by_name["tumour, HCC"].reason
    assert {r.status for r in rows if r.limit.role is not Role.LUNGS} <= {"unconfirmed", "not applicable"}


@pytest.mark.parametrize(
    ("function", "pretreated", "status"),
    [
        (LiverFunction.GOOD, False, "not applicable"), (LiverFunction.GOOD, None, "unconfirmed"),
        (LiverFunction.GOOD, True, "met"), (LiverFunction.POOR, None, "met"), (LiverFunction.POOR, False, "met"),
        (None, True, "met"), (None, False, "unconfirmed"), (None, None, "unconfirmed"),
    ],
)  # fmt: skip
def test_30_gray_of_resin_need_pretreatment_or_poor_function(function, pretreated, status):
    found = at(
        Role.PERFUSED_NON_TUMOUR_LIVER, 29.0, "resin", scenario=Scenario.BILOBAR, liver_function=function,
        pretreated=pretreated,
    )  # fmt: skip
    assert found["perfused non-tumour liver, HCC, pretreated or poor function"] == status


def test_lobectomy_turns_the_perfused_limit_into_a_goal():
    """Resin: below 40 Gy in a unilobar treatment, above 70 Gy for hypertrophy in a lobectomy."""
    lobectomy = at(Role.PERFUSED_NON_TUMOUR_LIVER, 75.0, "resin", scenario=Scenario.LOBECTOMY)
    assert lobectomy["perfused non-tumour liver, HCC"] == "not applicable"
    assert (
        lobectomy["perfused non-tumour liver, HCC, lobectomy (needs a hepatic reserve above 30 %)"] == "met"
    )
    unilobar = at(Role.PERFUSED_NON_TUMOUR_LIVER, 75.0, "resin", scenario=Scenario.UNILOBAR)
    assert unilobar["perfused non-tumour liver, HCC"] == "not met"


@pytest.mark.parametrize(
    ("reserve", "status"), [(0.25, "not met"), (0.30, "not applicable"), (None, "not met")]
)
def test_the_perfused_limit_of_glass_needs_a_small_reserve(reserve, status):
    found = at(
        Role.PERFUSED_NON_TUMOUR_LIVER, 130.0, "glass", hepatic_reserve=reserve, scenario=Scenario.UNILOBAR
    )
    assert found["perfused non-tumour liver, HCC, unilobar, hepatic reserve below 30 %"] == status


@pytest.mark.parametrize(
    ("function", "sixty", "forty"),
    [(LiverFunction.GOOD, "met", "not applicable"), (LiverFunction.POOR, "not applicable", "not met"),
     (None, "unconfirmed", "not met")],
)  # fmt: skip
def test_liver_function_decides_for_holmium_in_both_lobes(function, sixty, forty):
    found = at(Role.NON_TUMOUR_LIVER, 50.0, "ho166", scenario=Scenario.BILOBAR, liver_function=function)
    assert found["whole non-tumour liver, HCC, good function"] == sixty
    assert found["whole non-tumour liver, HCC, bilobar"] == forty


@pytest.mark.parametrize(
    ("device", "disease", "name", "goal"),
    [
        ("glass", Disease.ICC, "tumour, ICC", 260), ("glass", Disease.MCRC, "tumour, mCRC", 189),
        ("resin", Disease.MCRC, "tumour, mCRC", 100), ("ho166", Disease.ICC, "tumour, ICC", 150),
        ("ho166", Disease.MCRC, "tumour, mCRC", 90),
    ],
)  # fmt: skip
def test_other_tumours_have_their_own_goals_and_none_of_hcc(device, disease, name, goal):
    assert at(Role.TUMOUR, goal, device, disease=disease, scenario=Scenario.BILOBAR)[name] == "met"
    below = at(Role.TUMOUR, goal - 1, device, disease=disease, scenario=Scenario.BILOBAR)
    assert below[name] == "not met"
    assert not any("HCC" in other for other in below)
    assert name not in at(Role.TUMOUR, goal, device)


def test_lungs_add_up_over_treatments_only_when_asked():
    cumulative = "lungs, all treatments"
    assert cumulative not in at(Role.TUMOUR, 1.0, "glass", lungs=20.0)
    assert at(Role.TUMOUR, 1.0, "glass", 20.0, previous_lung_doses_gy=())[cumulative] == "met"
    held = at(Role.TUMOUR, 1.0, "glass", 20.0, previous_lung_doses_gy=(13.0, 18.0))
    assert (held[cumulative], held["lungs, one treatment"]) == ("not met", "met")
    assert at(Role.TUMOUR, 1.0, "glass", None, previous_lung_doses_gy=(13.0,))[cumulative] == "not applicable"


def test_what_does_not_apply_says_why():
    results = evaluate_limits(
        "glass",
        {"ntl": (Role.NON_TUMOUR_LIVER, 60.0)},
        None,
        ClinicalContext(
            Scenario.BILOBAR, Disease.HCC, bilirubin_umol_per_l=10.0, liver_function=LiverFunction.GOOD
        ),
    )
    reasons = {r.limit.name: r.reason for r in results if r.status == "not applicable"}
    assert reasons["lungs, one treatment"] == "no region of role lungs has a dose"
    assert reasons["whole non-tumour liver, HCC, bilirubin above 1.1 mg/dL"] == "for raised bilirubin"
    assert reasons["whole non-tumour liver, HCC, lobar treatment"] == "not for a bilobar treatment"
    assert all(r.reason == "" for r in results if r.status != "not applicable")


def test_rounding_in_the_last_bits_is_not_a_violation():
    for dose, expected in ((30.000000000000004, "met"), (30.00001, "not met")):
        (held,) = [r for r in evaluate_limits("glass", {}, dose) if r.limit.name == "lungs, one treatment"]
        assert held.status == expected


def test_shunt_and_reserve_have_limits_of_their_own():
    held = evaluate_fraction_limits("resin", lung_shunt_fraction=0.20, hepatic_reserve=0.29)
    assert [(r.limit.name, r.status) for r in held] == [
        ("lung shunt", "met"),
        ("hepatic reserve, lobectomy", "not met"),
    ]
    assert evaluate_fraction_limits("resin", lung_shunt_fraction=0.201)[0].status == "not met"
    assert evaluate_fraction_limits("glass")[0].status == "not applicable"
    for scenario in Scenario:  # the reserve of EANM table 3 stands in the row of lobectomy
        (_, reserve) = evaluate_fraction_limits("resin", hepatic_reserve=0.29, scenario=scenario)
        assert reserve.status == ("not met" if scenario is Scenario.LOBECTOMY else "not applicable")
    assert evaluate_fraction_limits(None, lung_shunt_fraction=0.3) == []


@pytest.mark.parametrize(
    ("device", "dose", "warned"),
    [
        ("glass", 24.9, False),
        ("glass", 25.0, True),
        ("resin", 15.0, True),
        ("ho166", 29.0, False),
        (None, 29.0, False),
    ],
)
def test_lung_doses_near_reported_pneumonitis_are_warned(device, dose, warned):
    notice = lung_dose_notice(device, dose)
    assert (notice is not None) == warned
    assert notice is None or "not a published limit" in notice.message


@pytest.mark.parametrize(
    "context",
    [{"bilirubin_umol_per_l": 0.0}, {"hepatic_reserve": 30.0}, {"previous_lung_doses_gy": (5.0, -1.0)}],
)
def test_a_context_that_cannot_be_is_refused(context):
    with pytest.raises(InputError):
        ClinicalContext(**context)


def test_bad_fractions_and_devices_are_refused():
    with pytest.raises(InputError, match="lung shunt fraction must lie between 0 and 1"):
        evaluate_fraction_limits("glass", lung_shunt_fraction=12)
    with pytest.raises(InputError, match="unknown device 'plastic'"):
        evaluate_fraction_limits("plastic")
