"""What slices and headers of several facts say: which counts, and when nothing can be told."""

from datetime import datetime, timedelta
from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.several_drugs import (
    SURROGATE,
    SURROGATE_PHOTON_KEV,
    decay_equivalent_time,
    imaged_item,
)
from y90voxel.io.dicom.slice_times import _agreed, slice_times
from y90voxel.io.dicom.sources import SourceFile

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
TEN = datetime(2024, 3, 12, 10)
Y90_S, F18_S = 64.10 * 3600, 109.77 * 60  # half-lives


def instance(**attributes):
    return Instance(FILE, factory.item(**attributes))


def slices(*minutes, **attributes):
    """Slices acquired so many minutes after ten; None states no time."""
    made = []
    for at in minutes:
        moment = None if at is None else TEN + timedelta(minutes=at)
        stated = (
            {}
            if at is None
            else {"AcquisitionDate": f"{moment:%Y%m%d}", "AcquisitionTime": f"{moment:%H%M%S}"}
        )
        made.append(Frame(instance(**stated, **attributes), 0, (), (), (), 1.0, 0.0))
    return made


def with_each(frames, keyword, values):
    for frame, value in zip(frames, values, strict=True):
        if value is not None:
            setattr(frame.instance.header, keyword, value)
    return frames


@pytest.mark.parametrize(
    ("milliseconds", "durations"),
    [
        ((None, None), None),
        ((600_000, None), None),
        ((600_000, 600_900), None),  # alike but for rounding
        ((600_000, 601_100), (600.0, 601.1)),
    ],
)
def test_durations_of_slices_are_told_where_all_state_them_and_they_differ_by_a_second(
    milliseconds, durations
):
    frames = with_each(slices(0, 0), "ActualFrameDuration", milliseconds)
    assert slice_times(frames, None, Y90_S).durations_s == durations


@pytest.mark.parametrize(
    ("minutes", "earliest", "delays_s"),
    [
        ((0, 10, 20), TEN, (0.0, 600.0, 1200.0)),
        ((20, 10, 0), TEN, (1200.0, 600.0, 0.0)),
        ((0, None, 20), TEN, None),  # a slice that states none may be of any of them
        ((None, None), None, None),
    ],
)
def test_delays_are_told_where_every_slice_states_its_time(minutes, earliest, delays_s):
    times = slice_times(slices(*minutes, StudyDate="20240312", StudyTime="090000"), None, Y90_S)
    assert (times.earliest, times.delays_s, times.notices) == (earliest, delays_s, ())


def test_one_time_for_all_slices_leaves_the_delays_to_other_attributes_which_is_said():
    frames = with_each(slices(0, 0, 0), "FrameReferenceTime", [5_000, 305_000, 605_000])
    times = slice_times(frames, None, Y90_S)
    assert times.delays_s == (0.0, 300.0, 600.0)
    assert [(notice.code, notice.tag) for notice in times.notices] == [("bed-times", "FrameReferenceTime")]


@pytest.mark.parametrize(("zones", "refused"), [(("+0100", "+0100"), False), (("+0100", None), True)])
def test_slices_with_and_without_a_time_zone_are_refused(zones, refused):
    frames = with_each(slices(0, 10), "TimezoneOffsetFromUTC", zones)
    if refused:
        with pytest.raises(DicomError, match="with and without a time zone"):
            slice_times(frames, None, Y90_S)
    else:
        assert slice_times(frames, None, Y90_S).delays_s == (0.0, 600.0)


def enhanced(*minutes):
    """One object whose frames state their own time, acquired at ten."""
    groups = []
    for at in minutes:
        moment = TEN + timedelta(minutes=at or 0)
        stated = {} if at is None else {"FrameAcquisitionDateTime": f"{moment:%Y%m%d%H%M%S}"}
        groups.append(factory.item(FrameContentSequence=Sequence([factory.item(**stated)])))
    whole = instance(
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        AcquisitionDate="20240312",
        AcquisitionTime="100000",
    )
    return [Frame(whole, index, (), (), (), 1.0, 0.0) for index in range(len(minutes))]


@pytest.mark.parametrize(
    ("minutes", "earliest", "delays_s"),
    [
        ((5, 15), TEN + timedelta(minutes=5), (0.0, 600.0)),
        ((None, 15), TEN, (0.0, 900.0)),
        ((None, None), TEN, None),
    ],
)
def test_frames_of_an_enhanced_object_were_acquired_when_they_say_else_when_it_does(
    minutes, earliest, delays_s
):
    times = slice_times(enhanced(*minutes), None, Y90_S)
    assert (times.earliest, times.delays_s) == (earliest, delays_s)


@pytest.mark.parametrize(("seconds", "refused"), [(58, False), (62, True)])
def test_a_slice_between_two_of_one_bed_may_be_a_minute_off_however_fast_the_decay(seconds, refused):
    delays = {"AcquisitionTime": np.array([0.0, 3600.0, 3600.0 + seconds, 3600.0])}
    if refused:
        with pytest.raises(DicomError, match=r"1\.0 min from the slices on both sides"):
            _agreed(slices(0, 0, 0, 0), delays, F18_S)
    else:
        assert _agreed(slices(0, 0, 0, 0), delays, F18_S)[0] is not None


def window(low, high):
    limits = {"EnergyWindowLowerLimit": low, "EnergyWindowUpperLimit": high}
    limits = {keyword: str(kev) for keyword, kev in limits.items() if kev is not None}
    return factory.item(EnergyWindowRangeSequence=Sequence([factory.item(**limits)]))


NARROW, WIDE, OPEN = (126.0, 154.0), (90.0, 250.0), (126.0, None)


@pytest.mark.parametrize(
    ("modality", "nuclides", "windows", "imaged"),
    [
        ("PT", ("Y-90", "Y-90"), (), "Y-90"),
        ("PT", ("Tc-99m", "Tc-99m"), (), "Tc-99m"),
        ("PT", ("Tc-99m", "Y-90"), (), "Y-90"),
        ("PT", (None, "Y-90"), (), "Y-90"),
        ("PT", ("F-18", "Tc-99m"), (), None),
        ("PT", ("Y-90", "Ho-166"), (), None),
        ("NM", ("Y-90", "F-18"), (), "Y-90"),
        ("NM", ("Y-90", "Tc-99m"), (NARROW,), "Tc-99m"),
        ("NM", ("Ho-166", "Tc-99m"), (WIDE,), "Ho-166"),
        ("NM", ("Y-90", "Tc-99m"), (WIDE, NARROW), "Tc-99m"),
        ("NM", ("Y-90", "Tc-99m"), (), None),
        ("NM", ("Y-90", "Tc-99m"), (OPEN,), None),
        ("NM", ("Y-90", "Tc-99m"), (OPEN, NARROW), "Tc-99m"),
        ("PT", ("Y-90", "Tc-99m"), (NARROW,), "Y-90"),
    ],
)
def test_which_of_several_radiopharmaceuticals_was_imaged(modality, nuclides, windows, imaged):
    header = instance(
        Modality=modality,
        EnergyWindowInformationSequence=Sequence([window(*limits) for limits in windows]),
    )
    notices = []
    if imaged is None:
        with pytest.raises(DicomError, match="which of them was imaged is not known"):
            imaged_item(header, [], nuclides, notices)
        return
    assert nuclides[imaged_item(header, [], nuclides, notices)] == imaged
    others = [nuclide or "an unnamed nuclide" for nuclide in nuclides if nuclide != imaged]
    assert [f"Radiation of {', '.join(others)} in it" in notice.message for notice in notices] == (
        [True] if others else []
    )


def test_the_surrogate_is_technetium_with_its_line_of_140_5_kev():
    assert SURROGATE == "Tc-99m"
    assert pytest.approx(140.5, abs=0.1) == SURROGATE_PHOTON_KEV


def given(*parts):
    return [
        factory.item(
            **(
                {}
                if hours is None
                else {"RadiopharmaceuticalStartDateTime": f"{TEN + timedelta(hours=hours):%Y%m%d%H%M%S}"}
            ),
            **({} if activity is None else {"RadionuclideTotalDose": str(activity)}),
        )
        for hours, activity in parts
    ]


def test_administrations_are_one_at_an_instant_that_leaves_the_same_activity():
    notices = []
    moment = decay_equivalent_time(instance(), given((0, 1e9), (64.1, 3e9)), Y90_S, notices)
    # half of the first is left at the second: 3.5 of 4 GBq
    assert moment == TEN + timedelta(hours=64.1 - 64.1 * np.log2(4 / 3.5))
    assert [notice.code for notice in notices] == ["several-administrations"]


@pytest.mark.parametrize(
    ("parts", "correction", "why"),
    [
        ([(0, 1e9), (None, 1e9)], "START", "not all state time and activity"),
        ([(0, 1e9), (5, None)], "START", "not all state time and activity"),
        ([(0, 1e9), (5, 0)], "START", "not all state time and activity"),
        ([(0, 1e9), (5, 1e9)], "ADMIN", r"corrected to the administration \(ADMIN\)"),
    ],
)
def test_administrations_whose_decay_cannot_be_undone_are_refused(parts, correction, why):
    with pytest.raises(DicomError, match=why):
        decay_equivalent_time(instance(DecayCorrection=correction), given(*parts), Y90_S, [])


@pytest.mark.parametrize("parts", [[(0, 1e9)], [(0, 1e9), (0, 2e9)]])
def test_one_administration_has_its_own_time(parts):
    assert decay_equivalent_time(instance(DecayCorrection="ADMIN"), given(*parts), Y90_S, []) is None


@pytest.mark.parametrize(("zones", "refused"), [(("+0100", "+0100"), False), (("+0100", ""), True)])
def test_administrations_with_and_without_a_time_zone_are_refused(zones, refused):
    items = given((0, 1e9), (1, 1e9))
    for item, zone in zip(items, zones, strict=True):
        item.RadiopharmaceuticalStartDateTime += zone
    if refused:
        with pytest.raises(DicomError, match="with and without a time zone"):
            decay_equivalent_time(instance(), items, Y90_S, [])
    else:
        assert decay_equivalent_time(instance(), items, Y90_S, []) is not None
