"""Whether the main job would take a study, asked in memory: what it asks for, what it refuses, when asking ends."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from y90voxel.errors import InputError, Notice
from y90voxel.regions.roles import Role
from y90voxel.study import judgement as module
from y90voxel.study.judgement import Judgement, judge_study

ACQUIRED = datetime(2026, 3, 2, 14)


@pytest.fixture
def judged(monkeypatch):
    """A study of one region, and a main job that needs some facts, in their order."""

    def run(*needs, acquired=ACQUIRED, notices=(), reading=None, optional=(), **facts):
        study = SimpleNamespace(
            drawn=[SimpleNamespace(name="HCC", role=Role.TUMOUR)],
            notices=notices,
            emissions=[SimpleNamespace(acquisition_start=acquired)],
        )
        seen = []

        def read(path, regions=None):
            seen.append(regions)
            if reading is not None:
                raise reading
            return study

        def tried(study, facts):
            seen.append(facts)
            for tag, known in needs:
                if not known(facts):
                    raise InputError(f"needs {tag}", tag=tag)
            return (Notice("said", "something"),)

        monkeypatch.setattr(module, "read_study", read)
        monkeypatch.setattr(module, "_tried", tried)
        monkeypatch.setattr(module, "placed_names", lambda drawn: [region.name for region in drawn])
        return judge_study("study", optional_roles=optional, **facts), seen

    return run


def has(name):
    return lambda facts: facts.get(name) is not None


ACTIVITY = ("administration.activity", has("activity_bq"))
SHUNT = ("administration.lung_shunt_fraction", has("lung_shunt_fraction"))
TIME = ("administration.time", has("time"))
NEVER = ("RescaleSlope", lambda facts: False)


def test_a_study_that_lacks_clinical_facts_alone_is_usable(judged):
    found, seen = judged(ACTIVITY, SHUNT)
    assert (found.clinical, found.missing, found.refusal) == (("--activity", "--lung-shunt"), (), None)
    assert found.usable
    assert [notice.code for notice in found.notices] == ["said"]
    assert (seen[-1]["activity_bq"], seen[-1]["lung_shunt_fraction"]) == (1e9, 0.0)
    assert dict(found.regions) == {"HCC": "tumour"}


def test_facts_that_are_stated_are_not_asked_for(judged):
    found, seen = judged(ACTIVITY, SHUNT, activity_bq=3e9, lung_shunt_fraction=0.1)
    assert (found.clinical, seen[-1]["activity_bq"]) == ((), 3e9)


@pytest.mark.parametrize(("acquired", "further"), [(ACQUIRED, True), (None, False)])
def test_a_time_that_images_should_state_is_assumed_to_see_what_else_is_wrong(judged, acquired, further):
    """The day before, where the acquisition is known; else nobody knows what else would be asked."""
    found, seen = judged(TIME, ACTIVITY, acquired=acquired)
    assert found.missing == ("--time",)
    assert found.clinical == (("--activity",) if further else ())
    assert not found.usable
    if further:
        assert (seen[-1]["time"], seen[-1]["trust_time"]) == (datetime(2026, 3, 1, 18), True)


def test_a_missing_acquisition_time_cannot_be_assumed(judged):
    found, _ = judged(("AcquisitionTime", has("acquisition_time")), ACTIVITY)
    assert (found.missing, found.clinical, found.refusal) == (("--acquisition-time",), (), None)


def test_what_no_option_answers_is_a_refusal(judged):
    found, _ = judged(ACTIVITY, NEVER)
    assert (str(found.refusal), found.clinical) == ("needs RescaleSlope", ("--activity",))
    assert not found.usable
    assert dict(found.regions) == {"HCC": "tumour"}


@pytest.mark.parametrize("tag", ["administration.activity", "administration.time", None])
def test_what_is_asked_for_twice_is_a_refusal(judged, tag):
    """The value that was assumed is refused for another reason, and asking again would never end."""
    found, _ = judged((tag, lambda facts: False))
    assert str(found.refusal) == f"needs {tag}"


def test_a_study_that_cannot_be_read_is_refused_for_it(judged):
    found, _ = judged(reading=InputError("no image"))
    assert (str(found.refusal), dict(found.regions), found.usable) == ("no image", {}, False)


def test_files_of_regions_and_roles_reach_the_study(judged):
    replaced = Notice(module.REPLACED, "left")
    roles = {"HCC": "perfused", "X": "liver"}
    found, seen = judged(notices=(replaced, Notice("other", "no matter")), roles=roles, optional=["X"])
    assert (seen[0], seen[-1]["roles"]) == (None, {"HCC": "perfused"})
    assert [notice.code for notice in found.role_notices] == ["role-without-region", "regions-replaced"]
    assert found.regions_replaced
    assert dict(found.regions) == {"HCC": "perfused"}
    bare, seen = judged()
    assert ("roles" in seen[-1], bare.regions_replaced) == (False, False)


def test_a_notice_of_roles_is_none_of_regions_that_were_replaced():
    assert not Judgement(role_notices=(Notice("role-without-region", "x"),)).regions_replaced
    assert Judgement(role_notices=(Notice("regions-replaced", "x"),)).regions_replaced


@pytest.mark.parametrize(
    ("refusal", "missing", "usable"),
    [(None, (), True), (InputError("x"), (), False), (None, ("--time",), False)],
)
def test_usable_is_what_needs_clinical_facts_alone(refusal, missing, usable):
    assert Judgement(refusal=refusal, missing=missing, clinical=("--activity",)).usable is usable
