"""What was given in each injection: activities, times and shunts from settings, with images of their own or one scan."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.study.given_injections import (
    check_nothing_shared,
    given_injection,
    net_activity_of,
    one_scan_of_several,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap

GRID = Grid.from_spacing((2, 2, 2), (4.0, 5.0, 5.0))  # voxels of 0.1 mL
EIGHT, NINE, LATER = datetime(2026, 3, 2, 8), datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 14)
HALF_LIFE_H = 64.1  # Y-90, to the table's three digits


def image(values=10.0, modality="NM", kind=CountMap, **header):
    return EmissionImage(kind(np.full((2, 2, 2), values), GRID), modality, "Y-90", **header)


def settings(*injections, **tables):
    return load_settings(None, {"injection": list(injections)} | tables)


def one(emission=None, **administration):
    stated = settings(administration=administration)
    notices = []
    return given_injection(emission or image(), stated.injections[0], stated, notices), notices


@pytest.mark.parametrize("name", ["net_activity", "activity", "residual"])
@pytest.mark.parametrize(("injections", "refused"), [(0, False), (1, False), (2, True), (3, True)])
def test_what_each_of_several_would_take_as_its_own_is_not_shared(name, injections, refused):
    shared = settings(administration={name: "1 GBq"}).administration
    if refused:
        with pytest.raises(
            InputError, match=f"administration.{name} is given once for {injections} injections"
        ):
            check_nothing_shared(shared, injections)
    else:
        check_nothing_shared(shared, injections)
    check_nothing_shared(settings().administration, injections)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, None),
        ({"net_activity": "1 GBq"}, 1e9),
        ({"activity": "2 GBq"}, 2e9),
        ({"activity": "2 GBq", "residual": "0.5 GBq"}, 1.5e9),
        ({"net_activity": "1 GBq", "activity": "2 GBq"}, "the administered .net. activity .* or the vial's"),
        ({"residual": "0.5 GBq"}, "a residual is given without the vial activity"),
        ({"net_activity": "1 GBq", "residual": "0.5 GBq"}, "a residual is given without the vial activity"),
    ],
)
def test_net_activity_is_as_stated_or_vial_less_residual(given, found):
    stated = settings(administration=given)
    if isinstance(found, str):
        with pytest.raises(InputError, match=found):
            net_activity_of(stated.administration, stated, EIGHT)
    else:
        assert net_activity_of(stated.administration, stated, EIGHT) == found


def test_activities_are_those_at_the_stated_time_else_at_the_header_s():
    header = {"administration_time": NINE, "acquisition_start": LATER}
    vial = {"activity": "2 GBq", "activity_time": EIGHT}
    stated, _ = one(image(**header), **vial, time=EIGHT)
    assert (stated.administration.activity_bq, stated.administration.time) == (2e9, EIGHT)
    found, _ = one(image(**header), **vial)
    assert found.administration.activity_bq == pytest.approx(2e9 * 0.5 ** (1 / HALF_LIFE_H), rel=1e-5)
    assert found.administration.time is None


@pytest.mark.parametrize(
    ("shunt", "fraction", "source"),
    [(0.06, 0.06, "given"), (0, 0.0, "given"), ("spect", None, "spect"), ("planar", None, "planar"), (None, None, "none")],
)  # fmt: skip
def test_a_shunt_is_given_measured_or_not_there(shunt, fraction, source):
    given = one(activity="1 GBq", lung_shunt_fraction=shunt)[0].administration
    assert (given.lung_shunt_fraction, given.shunt_source) == (fraction, source)


def test_a_territory_is_that_of_the_injection():
    stated = settings({"activity": "1 GBq", "territory": "left"})
    assert given_injection(image(), stated.injections[0], stated, []).territory == "left"
    assert one(activity="1 GBq")[0].territory is None


@pytest.mark.parametrize(
    ("modality", "calibration", "expected"),
    [("file", "absolute", 1.0), ("file", "relative", 10.0), ("PT", "absolute", 10.0), ("PT", None, 10.0)],
)
def test_a_file_of_bq_per_ml_becomes_bq_a_voxel(modality, calibration, expected):
    stated = settings(administration={"activity": "1 GBq"}, dose={"calibration": calibration})
    found = given_injection(image(modality=modality), stated.injections[0], stated, []).emission.volume
    assert found.array.ravel().tolist() == pytest.approx([expected] * 8)
    assert isinstance(found, ActivityMap) is (modality == "file" and calibration == "absolute")


def test_what_series_states_reaches_the_image():
    stated = settings(administration={"activity": "1 GBq"}, series={"decay_reference": "START"})
    found = given_injection(image(), stated.injections[0], stated, []).emission
    assert found.decay_reference is DecayReference.START
    assert one(activity="1 GBq")[0].emission.decay_reference is None


@pytest.mark.parametrize(("header_h", "predicted"), [(6.0, True), (None, True), (6.0, False)])
def test_slices_that_follow_each_other_are_counted_as_of_one_time(header_h, predicted):
    """A slice an hour later has decayed by that hour; the nuclide in the patient is the surrogate's on its image alone."""
    emission = image(
        decay_reference=DecayReference.NONE, slice_delays_s=(0.0, 3600.0), predicted=predicted,
        header_half_life_s=None if header_h is None else header_h * 3600, kind=ActivityMap, modality="PT",
    )  # fmt: skip
    values = one(emission, activity="1 GBq")[0].emission.volume.array[:, 0, 0]
    imaged_h = header_h if predicted and header_h is not None else HALF_LIFE_H
    assert values.tolist() == pytest.approx([10.0, 10.0 * 2 ** (1 / imaged_h)], rel=1e-4)


FIRST, SECOND = {"net_activity": "1 GBq", "time": EIGHT}, {"net_activity": "2 GBq", "time": NINE}


def scan(*injections, emission=None, **tables):
    stated = settings(*(injections or (FIRST, SECOND)), **tables)
    notices = []
    made = one_scan_of_several(emission or image(), stated.injections, stated, notices)
    return made, [notice.code for notice in notices]


def test_one_scan_holds_what_is_left_of_all_at_the_time_of_the_last():
    made, codes = scan(FIRST | {"territory": "left"}, SECOND)
    assert [(one.name, one.territory) for one in made.arteries] == [
        ("injection 1", "left"),
        ("injection 2", None),
    ]
    assert made.administration.time == NINE
    assert made.administration.activity_bq == pytest.approx(1e9 * 0.5 ** (1 / HALF_LIFE_H) + 2e9, rel=1e-6)
    assert (made.territory, codes) == (None, [])


@pytest.mark.parametrize(
    ("acquired", "zone", "refused"),
    [
        (None, None, False),
        (LATER, None, False),
        (NINE, None, False),
        (NINE - timedelta(minutes=1), None, True),
        ((NINE - timedelta(minutes=1)).replace(tzinfo=UTC), "+00:00", True),
        (LATER.replace(tzinfo=UTC), "+00:00", False),
        (EIGHT.replace(tzinfo=UTC), None, False),  # one of both has no zone: nobody knows which is first
    ],
)
def test_the_scan_follows_the_last_injection(acquired, zone, refused):
    given = {} if zone is None else {"administration": {"time_zone": zone}}
    if refused:
        with pytest.raises(InputError, match="precedes the administration"):
            scan(emission=image(acquisition_start=acquired), **given)
    else:
        assert scan(emission=image(acquisition_start=acquired), **given)[0].administration.activity_bq > 2e9


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        (None, []),
        (EIGHT, []),
        (NINE, []),
        (EIGHT - timedelta(hours=3), ["time-contradicts-header"]),
        (NINE + timedelta(hours=3), ["time-contradicts-header"]),
        (EIGHT.replace(tzinfo=UTC), []),  # not comparable
        (EIGHT - timedelta(days=3), "one of both is wrong"),
    ],
)
def test_the_header_may_state_any_of_the_injections(header, codes):
    emission = image(administration_time=header)
    if isinstance(codes, str):
        with pytest.raises(InputError, match=codes):
            scan(emission=emission)
        assert scan(emission=emission, accept={"trust_time": True})[1] == ["time-contradicts-header"]
    else:
        assert scan(emission=emission)[1] == codes


def test_an_injection_of_one_scan_states_its_time_and_the_therapy():
    with pytest.raises(InputError, match="injection 2"):
        scan(FIRST, {"net_activity": "2 GBq"})
    with pytest.raises(InputError, match="injection 2"):
        scan(FIRST, {"activity": "2 GBq", "activity_time": EIGHT})
    with pytest.raises(InputError, match=r"2 injections are described for one surrogate image \(Y-90\)"):
        scan(emission=image(predicted=True))
    with pytest.raises(InputError, match="for one surrogate image"):
        scan(accept={"surrogate": True})
