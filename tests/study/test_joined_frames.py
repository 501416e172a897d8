"""Which treatments lie in the reference's frame, which way leads others there, and what is asked or refused for it."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.accumulation.time_courses import DecayingSource
from y90voxel.accumulation.treatment import Treatment
from y90voxel.case.accumulation_settings import AccumulationSettings
from y90voxel.errors import InputError, Notice
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.study import joined_treatments as module
from y90voxel.study.joined_treatments import RegisteredTreatment, join_frames
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
LIVER = np.array([[[1.0, 0.5], [0.4, 0.0]]])


def treatment(name, frame, liver=None):
    grid = Grid.from_spacing((1, 2, 2), (4.0, 4.0, 4.0), frame_of_reference_uid=frame)
    drawn = (
        ()
        if liver is None
        else (
            Region("Lung", Role.LUNG, Mask(np.ones((1, 2, 2)), grid)),
            Region("Liver", Role.LIVER, Mask(liver, grid)),
        )
    )
    course = DecayingSource(230_000.0, START.timestamp())
    return Treatment(name, DoseMap(np.ones((1, 2, 2)), grid), START, course, drawn, "Y-90")


def join(*frames, cts=None, trust=False, **asked):
    made = [one if isinstance(one, Treatment) else treatment(str(at), one) for at, one in enumerate(frames)]
    return join_frames(made, "0", AccumulationSettings.model_validate(asked), cts=cts, trust_frames=trust)


@pytest.mark.parametrize(
    ("frames", "trust", "whole", "codes"),
    [
        (("1", "1"), False, True, []),
        (("1", "2"), False, False, []),
        (("1", "2", "1"), False, False, []),
        (("1", "2", None), False, False, ["frame-unknown"]),
        (("1", "2"), True, True, ["frames-trusted"]),
        (("1", "2", "3"), True, True, ["frames-trusted", "frames-trusted"]),
        (("1", None), False, True, ["frame-unknown"]),
        ((None, "1"), False, True, ["frame-unknown"]),
        ((None, None), False, True, ["frame-unknown"]),
    ],
)  # fmt: skip
def test_frames_are_one_unknown_trusted_or_apart(frames, trust, whole, codes):
    found = join(*frames, trust=trust)
    assert (found.whole, [notice.code for notice in found.notices]) == (whole, codes)
    assert [one.pull for one in found.treatments] == [None] * len(frames)


@pytest.mark.parametrize(
    ("asked", "cts", "trust", "said"),
    [
        ({}, {"1": "ct"}, False, "a CT .ct. is for --register, which is not given"),
        ({"register": "rigid"}, {"0": "a", "1": "b"}, True, "give one of the two"),
        ({"register": "rigid"}, None, False, "needs the CTs of the reference and of each treatment"),
        ({"register": "rigid"}, {"0": "a"}, False, "needs the CT of 1, which lies in another frame"),
    ],
)
def test_what_contradicts_itself_or_is_missing_is_refused(asked, cts, trust, said):
    with pytest.raises(InputError, match=said):
        join("1", "2", cts=cts, trust=trust, **asked)


@pytest.fixture
def registered(monkeypatch):
    """Registrations that are asked for, and cost nothing."""
    calls = []

    def register(one, reference, how, cts, number, progress):
        calls.append((one.name, reference.name, how, number))
        made = RegisteredTreatment(one.name, {}, SimpleNamespace())
        return made, f"way {number}", (Notice("made", one.name),)

    monkeypatch.setattr(module, "_registered", register)
    return calls


def test_each_of_another_frame_is_registered_by_its_ct(registered):
    cts = {"0": "a", "1": "b", "3": "c"}
    found = join("1", "2", "1", "3", cts=cts, register="deformable")
    assert registered == [("1", "0", "deformable", 1), ("3", "0", "deformable", 2)]
    assert [one.pull for one in found.treatments] == [None, "way 1", None, "way 2"]
    assert [one.name for one in found.registered] == ["1", "3"]
    assert ([notice.message for notice in found.notices], found.whole) == (["1", "3"], True)


def test_a_liver_that_has_changed_is_not_registered(registered):
    """By more than 15 %: voxels are not added, and the sum says why."""
    smaller = treatment("1", "2", 2 / 3 * LIVER)
    found = join(treatment("0", "1", LIVER), smaller, cts={"0": "a", "1": "b"}, register="rigid")
    assert (registered, found.registered, found.treatments[1].pull) == ([], (), None)


@pytest.mark.parametrize("frames", [("1", "1"), ("1", "1", "1")])
def test_a_registration_that_nothing_needs_is_refused(registered, frames):
    """It was passed over, with the CT of the reference."""
    with pytest.raises(InputError, match="is given, and there is nothing to register"):
        join(*frames, cts={"0": "a"}, register="rigid")
    with pytest.raises(InputError, match=r"the CT of 1 is not needed .*: they are one\. Leave it out"):
        join(*frames, cts={"0": "a", "1": "b"}, register="rigid")
    assert registered == []


@pytest.fixture
def objects(monkeypatch):
    """Registration objects that join frame 2 with that of the reference."""
    seen = []
    monkeypatch.setattr(module, "index_study", lambda path: path)
    monkeypatch.setattr(module, "links_of", lambda index: ["link"] if index == "r.dcm" else [])
    monkeypatch.setattr(
        module, "_way", lambda links, frame, target: ("way", Notice("registered", "r.dcm")) if links and frame == "2" else None
    )  # fmt: skip
    monkeypatch.setattr(module, "check_unfolded", lambda *given: seen.append(given))
    return seen


def test_registration_objects_join_frames_and_fold_no_liver(objects):
    found = join(treatment("0", "1", LIVER), "2", registration=["r.dcm"])
    assert [one.pull for one in found.treatments] == [None, "way"]
    assert ([notice.code for notice in found.notices], found.whole) == (["registered"], True)
    ((way, grid, inside, name),) = objects
    assert (way, grid.frame_of_reference_uid, name) == ("way", "1", "the liver of 0")
    assert inside.tolist() == [[[True, True], [False, False]]]


def test_without_a_liver_there_is_nothing_to_fold(objects):
    assert join("1", "2", registration=["r.dcm"]).treatments[1].pull == "way"
    assert objects == []


def test_objects_that_hold_no_registration_or_make_another_needless(objects, registered):
    with pytest.raises(InputError, match=r"no registration is in other\.dcm: give DICOM REG objects"):
        join("1", "2", registration=["other.dcm"])
    asked = {"registration": ["r.dcm"], "register": "rigid"}
    with pytest.raises(InputError, match=r"the CT of 1 is not needed .*: a registration object joins them"):
        join("1", "2", cts={"0": "a", "1": "b"}, **asked)
    with pytest.raises(InputError, match="there is nothing to register"):
        join("1", "2", cts={"0": "a"}, **asked)
    found = join("1", "2", "3", cts={"0": "a", "2": "c"}, **asked)
    assert [one.pull for one in found.treatments] == [None, "way", "way 1"]
