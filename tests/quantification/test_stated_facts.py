"""What a user states of an image against its header: taken, moved to its day, refused, trusted."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.stated_facts import (
    StatedFacts,
    check_imaged_nuclide,
    check_stated_time,
    with_stated_facts,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

GRID = Grid.from_spacing((1, 1, 2), (4.0, 4.0, 4.0))
CLOCK = datetime(1900, 1, 1, 6)
STATED = datetime(2026, 3, 2, 6, 0, 30)


def image(**facts):
    return EmissionImage(CountMap(np.ones(GRID.shape), GRID), **({"modality": "PT"} | facts))


@pytest.mark.parametrize("zone", [None, UTC])
def test_clocks_without_a_day_are_brought_to_that_of_the_stated_acquisition(zone):
    own = image(
        day_unknown=True, acquisition_start=CLOCK, series_start=CLOCK, administration_time=CLOCK - timedelta(hours=20)
    )  # fmt: skip
    found, _ = with_stated_facts(own, StatedFacts(STATED.replace(tzinfo=zone)))
    assert found.acquisition_start == found.series_start == STATED.replace(tzinfo=zone)
    assert found.administration_time == datetime(2026, 3, 1, 10, tzinfo=zone)
    assert not found.day_unknown


def test_a_clock_with_a_zone_keeps_it_and_is_not_held_against_one_without():
    own = image(day_unknown=True, acquisition_start=CLOCK.replace(tzinfo=UTC))
    with pytest.raises(InputError, match=r"header says 2026-03-02T06:00:00\+00:00.*give --time-zone"):
        with_stated_facts(own, StatedFacts(STATED))


def test_a_clock_just_after_midnight_is_of_the_next_day():
    own = image(day_unknown=True, acquisition_start=CLOCK.replace(hour=0))
    stated = datetime(2026, 3, 2, 23, 59, 30)
    assert with_stated_facts(own, StatedFacts(stated))[0].acquisition_start == stated


@pytest.mark.parametrize("facts", [{"acquisition_start": STATED}, {"day_unknown": True}])
def test_days_that_are_known_and_clocks_that_are_not_stay(facts):
    earlier = STATED - timedelta(days=3)
    found, _ = with_stated_facts(image(administration_time=earlier, **facts), StatedFacts(STATED))
    assert (found.acquisition_start, found.administration_time) == (STATED, earlier)


@pytest.mark.parametrize("series", [None, STATED - timedelta(hours=1)])
def test_the_start_of_a_series_counts_where_no_acquisition_is_stated_in_the_header(series):
    found, _ = with_stated_facts(image(series_start=series), StatedFacts(STATED))
    assert (found.acquisition_start, found.series_start) == (STATED, series or STATED)


@pytest.mark.parametrize(
    ("own", "trusted", "refused"),
    [(None, False, False), (DecayReference.START, False, False), (DecayReference.ADMIN, False, True),
     (DecayReference.ADMIN, True, False)],
)  # fmt: skip
def test_a_decay_reference_that_contradicts_the_header_is_refused_or_trusted(own, trusted, refused):
    stated = StatedFacts(decay_reference=DecayReference.START, trust_time=trusted)
    if refused:
        with pytest.raises(InputError, match="DecayCorrection says ADMIN"):
            with_stated_facts(image(decay_reference=own), stated)
    else:
        found, notices = with_stated_facts(image(decay_reference=own), stated)
        assert found.decay_reference is DecayReference.START
        assert [notice.code for notice in notices] == ["decay-reference-stated"]


@pytest.mark.parametrize(
    ("hours", "said"), [(23.5, 0), (25.0, 0), (22.9, 1), (25.1, 1), (36.0, 1), (48.5, 0)]
)
def test_of_a_header_whose_day_is_assumed_the_hour_alone_counts(hours, said):
    own = image(administration_time=STATED, administration_day_assumed=True)
    found = check_stated_time(own, STATED + timedelta(hours=hours), trusted=False)
    assert [notice.code for notice in found] == ["time-contradicts-header"] * said


def test_a_stated_administration_needs_the_day_of_the_scan():
    own = image(day_unknown=True, acquisition_start=CLOCK)
    with pytest.raises(InputError, match="states its times without a date"):
        check_stated_time(own, STATED, trusted=True)
    assert check_stated_time(own, None, trusted=False) == []


@pytest.mark.parametrize(
    ("modality", "imaged", "agent", "stated", "says"),
    [
        ("NM", "Tc-99m", "MAA", False, []), ("NM", None, "", False, []), ("NM", "Y-90", "", False, []),
        ("file", "I-131", "", False, []), ("NM", "I-131", "", True, []), ("NM", "I-131", "", False, None),
        ("NM", "Tc-99m", "Tc99m MDP", False, None), ("NM", "I-131", "MDP", False, None),
        ("PT", "F-18", "FDG", False, ["imaged-nuclide"]), ("NM", "F-18", "FDG", False, None),
        ("PT", "I-131", "", False, None), ("PT", "Tc-99m", "HIDA", True, []),
    ],
)  # fmt: skip
def test_which_nuclides_stand_for_the_therapy(modality, imaged, agent, stated, says):
    emission = SimpleNamespace(
        modality=modality, imaged_nuclide=imaged, agent=agent, surrogate_stated=stated, predicted=False
    )
    if says is None:
        with pytest.raises(InputError, match="does not stand for Y-90 microspheres"):
            check_imaged_nuclide(emission, "Y-90")
    else:
        assert [notice.code for notice in check_imaged_nuclide(emission, "Y-90")] == says


@pytest.mark.parametrize(("seconds", "refused"), [(60, False), (-60, False), (61, True), (-61, True)])
def test_a_clock_may_be_a_minute_off_and_no_second_more(seconds, refused):
    stated = StatedFacts(STATED + timedelta(seconds=seconds))
    if refused:
        with pytest.raises(InputError, match="but the header says"):
            with_stated_facts(image(acquisition_start=STATED), stated)
    else:
        found, _ = with_stated_facts(image(acquisition_start=STATED), stated)
        assert found.acquisition_start == stated.acquisition_time


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        (timedelta(hours=1), []),
        (timedelta(hours=1, seconds=1), ["time-contradicts-header"]),
        (timedelta(days=1), ["time-contradicts-header"]),
        (timedelta(days=1, seconds=1), None),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_administration_is_the_headers_to_an_hour_and_refused_from_more_than_a_day_on(apart, said, sign):
    own = image(administration_time=STATED)
    if said is None:
        with pytest.raises(InputError, match="one of both is wrong"):
            check_stated_time(own, STATED + sign * apart, trusted=False)
        said = ["time-contradicts-header"]
        assert [one.code for one in check_stated_time(own, STATED + sign * apart, trusted=True)] == said
    else:
        assert [one.code for one in check_stated_time(own, STATED + sign * apart, trusted=False)] == said


@pytest.mark.parametrize(
    ("time", "header", "facts"),
    [
        (None, STATED, {}),
        (STATED, None, {}),
        (None, None, {}),
        (STATED + timedelta(days=30), STATED, {"predicted": True, "imaged_nuclide": "Tc-99m"}),
        (STATED + timedelta(days=30), STATED.replace(tzinfo=UTC), {}),
        ((STATED + timedelta(days=30)).replace(tzinfo=UTC), STATED, {}),
    ],
)
def test_an_administration_is_compared_where_both_are_of_the_therapy_and_of_one_clock(time, header, facts):
    assert check_stated_time(image(administration_time=header, **facts), time, trusted=False) == []
