"""Each named fault ends in the right dose or in a message that names it; never a traceback, never a wrong dose."""

import re

import pytest
from mutation.faults import FAULTS
from mutation.outcome import LONGEST_S, differences, outcome_of
from mutation.studies import STUDIES, files_of, write


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory):
    """The dose of each valid study."""
    root = tmp_path_factory.mktemp("valid")
    return {kind: outcome_of(write(files_of(made()), root / kind), kind) for kind, made in STUDIES.items()}


def test_the_valid_studies_are_accepted(undamaged):
    for found in undamaged.values():
        assert found.refused is None, found.refused
        assert {"Liver", "GTV1", "non-tumour liver", "lungs", "Stomach"} <= found.regions.keys()


def test_there_are_enough_faults():
    assert len(FAULTS) >= 40
    assert sum(fault.refused is not None for fault in FAULTS.values()) >= 40


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_or_harmless(tmp_path, undamaged, name):
    fault = FAULTS[name]
    study = STUDIES[fault.study]()
    files = fault.do(study)
    found = outcome_of(write(files_of(study) if files is None else files, tmp_path / "study"), fault.study)
    assert found.seconds < LONGEST_S
    if fault.refused is not None:
        assert found.refused is not None, "accepted"
        assert re.search(fault.refused, found.refused), found.refused
        return
    expected = undamaged[fault.study]
    assert found.refused is None, found.refused
    assert differences(found, expected, fault.tolerance, fault.besides) == []
    new = {code for code, message in found.notices.items() if expected.notices.get(code) != message}
    assert (fault.warned in new) if fault.warned else (new == set()), found.notices
