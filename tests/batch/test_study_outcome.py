"""The record of one study of a cohort."""

import json
from pathlib import Path

import pytest

from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.errors import InputError

DONE = StudyOutcome(
    "p07", "Patient 7", StudyStatus.DONE, None, Path("studies/p07"), {"response": 1, "arm": "A"}, 3.5, 2**20
)


def test_outcome_survives_json():
    assert StudyOutcome.from_dict(json.loads(json.dumps(DONE.as_dict()))) == DONE


def test_refused_study_survives_json_without_folder():
    refused = StudyOutcome("p08", "p08", StudyStatus.REFUSED, "no liver")
    assert StudyOutcome.from_dict(refused.as_dict()) == refused


def test_done_study_needs_a_folder():
    with pytest.raises(InputError, match="p07 is done, but the folder of its results is missing"):
        StudyOutcome("p07", "p07", StudyStatus.DONE)


@pytest.mark.parametrize("status", [StudyStatus.FAILED, StudyStatus.REFUSED])
def test_study_without_results_needs_a_reason(status):
    with pytest.raises(InputError, match=f"p07 is {status.value}, but no reason is given"):
        StudyOutcome("p07", "p07", status)


@pytest.mark.parametrize(
    "change", [{"status": "maybe"}, {"colour": "red"}], ids=["unknown status", "unknown key"]
)
def test_record_of_something_else_is_refused(change):
    with pytest.raises(InputError, match="not the record of a study"):
        StudyOutcome.from_dict(DONE.as_dict() | change)


def test_record_without_a_key_is_refused():
    record = DONE.as_dict()
    del record["folder"]
    with pytest.raises(InputError, match="not the record of a study: 'folder'"):
        StudyOutcome.from_dict(record)
