"""What forbids a treatment outright, with and without what excuses it; bounds stand in tests/thresholds."""

import pytest

from y90voxel.clinical.limits import ClinicalContext, Scenario
from y90voxel.planning.stop_rules import stop_of

LOBES = [Scenario.LOBECTOMY, Scenario.UNILOBAR, Scenario.BILOBAR]
ASK = "; state --scenario if it is a segmentectomy"


def stop(shunt=0.05, device="glass", **facts):
    return stop_of(device, shunt, ClinicalContext(**facts))


@pytest.mark.parametrize("facts", [{"ascites": True}, {"bilirubin_umol_per_l": 35.0}])
def test_ascites_and_bilirubin_forbid_a_lobe_and_ask_where_no_scenario_is_stated(facts):
    assert all("no treatment of a lobe or more" in stop(scenario=lobe, **facts).reason for lobe in LOBES)
    assert not any(stop(scenario=lobe, **facts).reason.endswith(ASK) for lobe in LOBES)
    assert stop(**facts).reason.endswith(ASK)
    assert stop(scenario=Scenario.SEGMENTECTOMY, **facts) is None


@pytest.mark.parametrize("reversible", [True, False, None])
def test_bilirubin_with_a_reversible_cause_forbids_nothing(reversible):
    found = stop(bilirubin_umol_per_l=35.0, bilirubin_reversible=reversible)
    assert (found is None) is (reversible is True)
    assert stop(bilirubin_umol_per_l=34.0, bilirubin_reversible=reversible) is None


@pytest.mark.parametrize(
    "facts",
    [{}, {"ascites": False}, {"gastrointestinal_focus": False}, {"previous_lung_doses_gy": (20.0, 25.0)}],
)
def test_what_is_no_contraindication_forbids_nothing(facts):
    assert stop(**facts) is None
    assert stop_of("glass", 0.05) is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"gastrointestinal_focus": True}, "a focus of uptake is confirmed as gastrointestinal"),
        ({"previous_lung_doses_gy": (20.0, 30.0)}, "earlier treatments gave the lungs 50 Gy"),
        ({"shunt": 0.21, "device": "resin"}, "the lung shunt of 21 % exceeds 20 %"),
    ],
)
def test_others_forbid_whatever_is_treated(facts, said):
    for scenario in (None, Scenario.SEGMENTECTOMY, *LOBES):
        found = stop(scenario=scenario, **facts)
        assert found.reason.startswith(said)
        assert str(found) == f"{found.reason} ({found.source})"


@pytest.mark.parametrize("device", ["glass", "ho166", None])
def test_the_shunt_of_resin_forbids_no_other_device(device):
    assert stop(shunt=0.21, device=device) is None
