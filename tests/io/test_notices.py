"""A notice is a record and a warning."""

import copy
import pickle
import warnings

import pytest

from y90voxel.errors import DicomError, Notice, Severity
from y90voxel.io.notices import accept, add_notice, refusal, warn


def test_a_notice_without_a_list_is_a_warning_with_its_message():
    with pytest.warns(Notice, match="the distance is assumed") as caught:
        add_notice(None, "distance-assumed", "the distance is assumed")
    assert caught[0].message == Notice("distance-assumed", "the distance is assumed")


def test_a_notice_goes_into_the_list_of_the_caller_and_warns_nobody():
    notices = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_notice(notices, "distance-assumed", "the distance is assumed")
    assert notices == [Notice("distance-assumed", "the distance is assumed", Severity.WARN)]


def test_a_notice_that_is_raised_keeps_its_fields():
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        with pytest.raises(Notice, match="assumed") as raised:
            add_notice(None, "distance-assumed", "the distance is assumed")
    assert raised.value.code == "distance-assumed"


@pytest.mark.parametrize(
    "notice",
    [
        Notice(code="a", message="b"),
        accept("a", "b", file="c", tag="Units"),
        warn("a", "b", file="c", tag="Units", value=1.5),
        refusal("a", DicomError("b", file="folder/c", tag="Units"), "1.5"),
    ],
)
def test_notices_pass_between_processes_and_differ_by_every_field(notice):
    assert pickle.loads(pickle.dumps(notice)) == copy.deepcopy(notice) == notice
    assert str(notice) == "b"
    assert len({notice, Notice("a", "b", notice.severity, "elsewhere", notice.tag, notice.value)}) == 2


def test_a_refusal_names_the_file_without_its_folder():
    assert refusal("a", DicomError("b", file="folder/c", tag="Units"), "1.5").as_dict() == {
        "severity": "refuse", "code": "a", "message": "b", "file": "c", "tag": "Units", "value": "1.5"
    }  # fmt: skip
