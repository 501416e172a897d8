"""What a header alone says of an emission image: its times, its administration, its unit, its decay, its noise."""

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.administration_time import administration_time_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.nm import _negative_counts, _slice_order, nm_header, plan_nm
from y90voxel.io.dicom.pet_decay import check_start, decay_contradictions, several_acquisitions
from y90voxel.io.dicom.pet_values import check_units
from y90voxel.io.dicom.radionuclide import radiopharmaceutical_of
from y90voxel.io.dicom.slice_times import SliceTimes
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.quantification.emission import DecayReference

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
NINE, TEN, NOON = (datetime(2024, 3, 12, hour) for hour in (9, 10, 12))
ZONE = timezone(timedelta(hours=1))
Y90_S = 64.10 * 3600


def instance(**attributes):
    return Instance(FILE, factory.item(**attributes))


def series_of(header):
    return SimpleNamespace(first=header, instances=[header], notices=())


def at(moment, kind):
    """A date and a time of a header; nothing without a moment."""
    if moment is None:
        return {}
    return {f"{kind}Date": f"{moment:%Y%m%d}", f"{kind}Time": f"{moment:%H%M%S}"}


def codes_of(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize(
    ("acquired", "started", "acquisition", "series"),
    [
        (TEN, NINE, TEN, NINE),
        (TEN, NOON, TEN, TEN),  # a series that was derived afterwards
        (TEN, None, TEN, TEN),
        (None, NINE, NINE, NINE),
        (None, None, None, None),
    ],
)
def test_a_spect_was_acquired_when_it_says_else_when_its_series_began(acquired, started, acquisition, series):
    header, _ = nm_header(series_of(instance(**at(acquired, "Acquisition"), **at(started, "Series"))))
    assert (header["acquisition_start"], header["series_start"]) == (acquisition, series)


@pytest.mark.parametrize(("zone", "clock"), [("", None), ("+0100", ZONE)])
@pytest.mark.parametrize(("started", "series"), [(NINE, NINE), (NOON, TEN)])
def test_a_zone_in_the_acquisition_of_a_spect_is_that_of_its_series(zone, clock, started, series):
    stated = {"AcquisitionDateTime": f"{TEN:%Y%m%d%H%M%S}{zone}"}
    header, _ = nm_header(series_of(instance(**stated, **at(started, "Series"))))
    assert (header["acquisition_start"], header["series_start"]) == (
        TEN.replace(tzinfo=clock),
        series.replace(tzinfo=clock),
    )


@pytest.mark.parametrize(
    ("acquired", "clock", "administered"),
    [
        (TEN, "090000", NINE),
        (TEN, "100000", TEN),  # as the acquisition begins
        (TEN, "110000", datetime(2024, 3, 11, 11)),
        (None, "090000", NINE),
    ],
)
def test_an_administration_without_a_day_is_the_last_before_the_image_which_is_said(
    acquired, clock, administered
):
    drug = factory.radiopharmaceutical(
        RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime=clock
    )
    first = instance(
        **at(acquired, "Acquisition"), **at(TEN, "Series"), RadiopharmaceuticalInformationSequence=drug
    )
    header, notices = nm_header(series_of(first))
    assert (header["administration_time"], header["administration_day_assumed"]) == (administered, True)
    assert codes_of(notices) == ["administration-day-assumed"]


def test_an_administration_with_its_day_is_assumed_in_nothing():
    first = instance(
        **at(TEN, "Acquisition"), RadiopharmaceuticalInformationSequence=factory.radiopharmaceutical()
    )
    header, notices = nm_header(series_of(first))
    assert (header["administration_time"], header["administration_day_assumed"]) == (
        datetime(2024, 3, 12, 8),
        False,
    )
    assert notices == ()


@pytest.mark.parametrize(("clock", "said"), [("080100", []), ("080101", ["administration-stated-twice"])])
def test_two_statements_of_an_administration_agree_to_a_minute(clock, said):
    item = factory.radiopharmaceutical(RadiopharmaceuticalStartTime=clock)[0]
    notices = []
    drug = SimpleNamespace(item=item, given_at=None)
    assert administration_time_of(instance(), drug, TEN, notices) == datetime(2024, 3, 12, 8)
    assert codes_of(notices) == said


@pytest.mark.parametrize(("stated", "half_life_s"), [("0.5", 0.5), ("0", None), ("-1", None), (None, None)])
def test_a_half_life_is_positive(stated, half_life_s):
    drug = factory.radiopharmaceutical(RadionuclideHalfLife=stated)
    found = radiopharmaceutical_of(instance(Modality="PT", RadiopharmaceuticalInformationSequence=drug))
    assert (found.half_life_s, found.nuclide) == (half_life_s, "Y-90")


def test_an_event_that_tells_when_it_was_given_counts():
    drug = SimpleNamespace(item=factory.radiopharmaceutical()[0], given_at=NINE)
    assert administration_time_of(instance(), drug, TEN, []) == NINE


@pytest.mark.parametrize(
    ("zone", "near", "said"),
    [
        ("+0100", TEN.replace(tzinfo=ZONE), []),
        ("+0200", TEN.replace(tzinfo=ZONE), ["zones-differ"]),
        ("+0200", TEN, []),
        ("+0200", None, []),
        ("", TEN.replace(tzinfo=ZONE), []),
    ],
)
def test_two_time_zones_of_one_header_are_told(zone, near, said):
    item = factory.radiopharmaceutical(RadiopharmaceuticalStartDateTime=f"20240312080000{zone}")[0]
    notices = []
    administration_time_of(instance(), SimpleNamespace(item=item, given_at=None), near, notices)
    assert codes_of(notices) == said


@pytest.mark.parametrize(("stated", "uid"), [("1.2.3", "1.2.3"), (None, None)])
def test_a_spect_lies_in_the_frame_of_reference_that_it_states(stated, uid):
    dataset = factory.nm(np.ones((3, 4, 5), np.uint16), FrameOfReferenceUID=stated)
    assert plan_nm(series_of(Instance(FILE, dataset))).grid.frame_of_reference_uid == uid


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([4.0, 6.0, 0.0], None),
        ([4.0, 7.0, -1.0], r"1 voxels are negative, down to -1 \(10 % of the total in all\)"),
        ([5.0, -2.0, -1.0], r"2 voxels are negative, down to -2 \(1\.5e\+02 % of the total in all\)"),
        ([1.0, -0.25], r"\(33 % of the total in all\)"),
        ([1.0, -1.0], r"\(inf % of the total in all\)"),
    ],
)
def test_negative_counts_are_told_as_a_part_of_the_total(values, said):
    notices = _negative_counts(np.array(values, np.float32), series_of(instance()))
    assert len(notices) == (said is not None)
    for notice in notices:
        assert re.search(said, notice.message)


def test_a_start_with_a_time_zone_is_not_compared_with_an_acquisition_without():
    check_start(instance(), DecayReference.START, TEN.replace(tzinfo=ZONE), TEN + timedelta(days=9))


@pytest.mark.parametrize(
    ("reference", "half_life_s", "is_therapy", "said"),
    [
        (DecayReference.NONE, Y90_S, True, "each slice is decayed from its own acquisition"),
        (DecayReference.START, Y90_S, True, ""),
        (DecayReference.START, 21_625.0, False, "with a half-life of 21625 s; that is undone for each slice"),
        (DecayReference.START, None, False, ""),
    ],
)
def test_what_several_bed_positions_change_is_told(reference, half_life_s, is_therapy, said):
    drug = SimpleNamespace(half_life_s=half_life_s, is_therapy=is_therapy)
    notices = several_acquisitions(instance(), SliceTimes(TEN, (0.0, 600.0)), reference, drug)
    assert [notice.value for notice in notices] == (["10:10:00"] if said else [])
    assert all(said in notice.message for notice in notices)


def test_a_contradicted_decay_factor_is_told_with_the_hours_and_the_factor_over_them():
    first = instance(DecayFactor="1", CorrectedImage=["DECY"])
    drug = SimpleNamespace(half_life_s=Y90_S)
    (notice,) = decay_contradictions(
        series_of(first), DecayReference.ADMIN, TEN + timedelta(hours=64.1), TEN, drug
    )
    assert "(64.10 h) would make it 2.0000" in notice.message


def mapped(**attributes):
    """An enhanced PET whose frames are mapped to Bq/mL."""
    return Instance(FILE, factory.enhanced_pet(np.ones((2, 3, 4), np.uint16), **attributes))


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        (instance(Units="BQML"), None),
        (instance(Units="BQML", RescaleType="US"), None),
        (instance(Units="CNTS"), "CNTS"),
        (instance(), "unstated units"),
        (instance(Units="BQML", RescaleType="GML"), "RescaleType is GML"),
        (mapped(), None),
        (mapped(Units="BQML", unit="x"), None),  # its own word counts
        (mapped(Units="CNTS"), "CNTS"),
        (mapped(unit="{counts}"), "{COUNTS}"),
    ],
)
def test_a_pet_is_in_bq_per_ml_by_its_unit_else_by_its_mapping(header, unit):
    if unit is None:
        check_units(series_of(header))
    else:
        with pytest.raises(DicomError) as told:
            check_units(series_of(header))
        assert unit in told.value.message


def test_an_enhanced_spect_without_any_scale_holds_counts():
    dataset = factory.enhanced_ct(np.ones((3, 4, 5), np.uint16), SOPClassUID=factory.NM_CLASS, Modality="NM")
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    plan = plan_nm(series_of(Instance(FILE, dataset)))
    assert not plan.is_activity
    assert [(line.slope, line.intercept) for line in plan.ranges] == [(1.0, 0.0)]


@pytest.mark.parametrize(("slope", "taken"), [("0.5", True), ("0", False), ("-1", False)])
def test_an_enhanced_spect_has_a_positive_scale(slope, taken):
    dataset = factory.enhanced_ct(np.ones((3, 4, 5), np.uint16), SOPClassUID=factory.NM_CLASS, Modality="NM")
    scale = factory.item(RescaleSlope=slope, RescaleIntercept="2")
    dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = [scale]
    series = series_of(Instance(FILE, dataset))
    if taken:
        assert [(line.slope, line.intercept) for line in plan_nm(series).ranges] == [(0.5, 2.0)]
    else:
        with pytest.raises(DicomError, match="not with a positive slope"):
            plan_nm(series)


VECTORS = ["EnergyWindowVector", "DetectorVector", "RRIntervalVector", "TimeSlotVector", "PhaseVector"]


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize(("values", "one"), [([1, 1, 1], True), ([2, 2, 2], True), ([1, 1, 2], False)])
def test_frames_of_one_window_detector_and_phase_are_the_slices_of_a_volume(vector, values, one):
    first = instance(NumberOfSlices=3, SliceVector=[3, 1, 2], **{vector: values})
    if one:
        assert _slice_order(first, 3, []).tolist() == [1, 2, 0]
    else:
        with pytest.raises(DicomError, match=rf"several volumes in one file \({vector} runs over 2 values\)"):
            _slice_order(first, 3, [])
