"""The plan table of a case file: what contradicts itself is refused, and what decides limits reaches them."""

import pytest

from y90voxel.case.plan_settings import AnatomySettings, PlanSettings, TreatmentSettings, aim_from_text
from y90voxel.clinical.limits import Disease, LiverFunction, Scenario
from y90voxel.errors import InputError


@pytest.mark.parametrize(
    ("text", "sense", "found"),
    [
        ("GTV1 mean >= 205", ">=", ("GTV1", "mean", 205.0)),
        ("non-tumour liver D50 <= 40 Gy", "<=", ("non-tumour liver", "D50", 40.0)),
        ("GTV 1 V100>=95 %", ">=", ("GTV 1", "V100", 95.0)),
        ("GTV1 mean >= 205", "<=", None),
        ("liver mean <= 40", ">=", None),
        ("liver mean = 40", "<=", None),
        ("mean <= 40", "<=", None),
    ],
)
def test_an_aim_is_region_metric_and_value_in_its_own_sense(text, sense, found):
    option = "--limit" if sense == "<=" else "--goal"
    if found is None:
        with pytest.raises(
            InputError, match=f"^{option} '{text}' is not REGION METRIC {sense} VALUE"
        ) as caught:
            aim_from_text(text, sense)
        assert caught.value.tag == option
    else:
        assert tuple(aim_from_text(text, sense).values()) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [("1 GBq", [1e9]), (["1 GBq", "2 GBq"], [1e9, 2e9]), (None, None)],
)
def test_one_greatest_activity_holds_for_all_injections(given, found):
    assert PlanSettings.model_validate({"greatest_activity": given}).greatest_activity == found


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, False),
        ({"reading_before": 2.0, "reading_after": 0.0}, False),
        ({"reading_before": 2.0}, True),
        ({"reading_after": 0.5}, True),
    ],
)
def test_survey_readings_belong_together(given, refused):
    if refused:
        with pytest.raises(ValueError, match="reading_before and reading_after belong together; give both"):
            TreatmentSettings.model_validate(given)
    else:
        assert TreatmentSettings.model_validate(given).reading_after == given.get("reading_after")


def tumour(name="T", ratio=None, mass_kg=0.1):
    return {"name": name, "ratio": ratio, "mass_kg": mass_kg}


def territory(*tumours, name="a", **more):
    return {"name": name, "lung_shunt_fraction": 0.05, "tumour": list(tumours), **more}


@pytest.mark.parametrize(("names", "refused"), [("ab", False), ("aab", True), ("abca", True), ("aaa", True)])
def test_tumours_have_names_of_their_own(names, refused):
    tumours = [tumour(name) for name in names]
    for anatomy in ({"tumour": tumours}, {"territory": [territory(*tumours)]}):
        if refused:
            with pytest.raises(ValueError, match="several tumours are called a; give each a name of its own"):
                AnatomySettings.model_validate(anatomy)
        else:
            AnatomySettings.model_validate(anatomy)


BARE = territory()
REACHED = territory(tumour(ratio=3.0))


@pytest.mark.parametrize(
    ("own", "territories", "said"),
    [
        (3.0, [], None),
        (3.0, [BARE], None),  # one territory without tumours takes those of the anatomy
        (3.0, [REACHED], None),
        (3.0, [REACHED, territory(tumour(ratio=3.0), name="b")], None),
        (None, [REACHED], None),
        (None, [REACHED, BARE], None),
        (4.0, [REACHED], "is 4 in plan.anatomy.tumour, but .* have 3;"),
        (4.0, [REACHED, territory(tumour(ratio=4.0), name="b")], "is 4 in plan.anatomy.tumour"),
        (4.0, [territory(tumour())], ".* have none;"),
        (4.0, [territory(tumour("U", 4.0))], ".* have no such tumour;"),
        (4.0, [BARE, territory(name="b")], ".* have no such tumour;"),
    ],
)
def test_ratios_of_tumours_are_those_of_the_territories(own, territories, said):
    given = {"tumour": [tumour(ratio=own)], "territory": territories}
    if said is None:
        assert AnatomySettings.model_validate(given).tumour[0].ratio == own
    else:
        with pytest.raises(ValueError, match=f"the ratio of T {said}"):
            AnatomySettings.model_validate(given)


@pytest.mark.parametrize(
    ("treated", "reached", "refused"),
    [
        (1.0, [1.0], False),
        (1.0, [1.001], True),
        (1.0, [None], False),
        (None, [1.0], False),
        (1.0, [0.4, 0.6], False),
        (1.0, [], False),
    ],
)
def test_the_only_injection_reaches_the_liver_that_is_treated(treated, reached, refused):
    given = {
        "perfused_normal_mass_kg": treated,
        "territory": [territory(name=str(i), normal_mass_kg=m) for i, m in enumerate(reached)],
    }
    if refused:
        with pytest.raises(
            ValueError, match=r"reaches 1.001 kg .* but 1 kg are treated .*correct one of them"
        ):
            AnatomySettings.model_validate(given)
    else:
        assert AnatomySettings.model_validate(given).perfused_normal_mass_kg == treated


@pytest.mark.parametrize(
    ("given", "pretreated"),
    [
        ({}, None),
        ({"pretreated": True}, True),
        ({"pretreated": False}, False),
        ({"liver_function": "good"}, False),  # that always meant not pretreated, too
        ({"liver_function": "good", "pretreated": True}, True),
        ({"liver_function": "poor"}, None),
        ({"function": "good"}, None),
    ],
)
def test_good_liver_function_of_the_older_key_meant_not_pretreated(given, pretreated):
    assert PlanSettings.model_validate(given).context.pretreated is pretreated


def test_what_decides_limits_reaches_them():
    context = PlanSettings.model_validate(
        {"scenario": "lobectomy", "disease": "ICC", "function": "poor", "previous_lung_doses_gy": [3.0, 4.0]}
    ).context
    assert (context.scenario, context.disease) == (Scenario.LOBECTOMY, Disease.ICC)
    assert (context.liver_function, context.previous_lung_doses_gy) == (LiverFunction.POOR, (3.0, 4.0))
    nothing = PlanSettings().context
    assert (nothing.scenario, nothing.disease, nothing.liver_function) == (None, None, None)
    assert nothing.previous_lung_doses_gy is None
