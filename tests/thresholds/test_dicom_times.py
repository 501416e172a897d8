"""Tolerances of times and decay in DICOM headers, one case on each side."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.ct_selection import _is_hybrid
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.pet_decay import check_start, decay_contradictions, decay_reference
from y90voxel.io.dicom.radionuclide import _by_half_life, check_half_life
from y90voxel.io.dicom.several_drugs import _narrow_window_about, decay_equivalent_time
from y90voxel.io.dicom.slice_times import _advanced, _agreed, _delays_by_factor, slice_times
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.dicom.times import acquisition_start
from y90voxel.quantification.emission import DecayReference

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
TEN = datetime(2024, 3, 12, 10)
Y90_S, TC99M_S = 64.10 * 3600, 6.007 * 3600  # half-lives
SIGNS = pytest.mark.parametrize("sign", [1, -1])


def instance(**attributes):
    return Instance(FILE, factory.item(**attributes))


def taken(moment, **attributes):
    return instance(AcquisitionDate=f"{moment:%Y%m%d}", AcquisitionTime=f"{moment:%H%M%S.%f}", **attributes)


def frames_at(*moments, **attributes):
    return [Frame(taken(moment, **attributes), 0, (), (), (), 1.0, 0.0) for moment in moments]


@SIGNS
@pytest.mark.parametrize(("minutes", "hybrid"), [(120, True), (121, False)])
def test_a_hybrid_camera_takes_its_ct_within_two_hours(minutes, hybrid, sign):
    emission, ct = (
        taken(TEN, StationName="A"),
        taken(TEN + sign * timedelta(minutes=minutes), StationName="A"),
    )
    assert _is_hybrid(SimpleNamespace(first=emission), SimpleNamespace(first=ct)) == hybrid


@SIGNS
@pytest.mark.parametrize(("seconds", "alike"), [(60, True), (61, False)])
def test_two_statements_of_one_acquisition_differ_by_a_minute_at_most(seconds, alike, sign):
    header = taken(TEN, AcquisitionDateTime=f"{TEN + sign * timedelta(seconds=seconds):%Y%m%d%H%M%S}")
    if alike:
        assert acquisition_start(header) == TEN + sign * timedelta(seconds=seconds)
    else:
        with pytest.raises(DicomError, match="One of both is wrong"):
            acquisition_start(header)


@pytest.mark.parametrize(("hours", "fits"), [(12.0, True), (12.1, False)])
def test_a_series_starts_at_most_12_hours_before_its_acquisition(hours, fits):
    late = TEN + timedelta(hours=hours)
    if fits:
        check_start(instance(), DecayReference.START, TEN, late)
    else:
        with pytest.raises(DicomError, match=r"12\.1 h later"):
            check_start(instance(), DecayReference.START, TEN, late)


def enhanced_reference(acquired_s, administered_s=None):
    """What an enhanced image refers to that is corrected to 10:00, acquired and administered so many seconds later."""
    header = instance(
        PerFrameFunctionalGroupsSequence=Sequence([]),
        DecayCorrected="YES",
        DecayCorrectionDateTime=f"{TEN:%Y%m%d%H%M%S}",
    )
    given = None if administered_s is None else TEN + timedelta(seconds=administered_s)
    return decay_reference(header, TEN + timedelta(seconds=acquired_s), given)


@pytest.mark.parametrize(
    ("seconds", "reference"),
    [(-61, None), (-60, "START"), (3600, "START"), (3601, None)],
)
def test_an_image_is_corrected_to_its_start_up_to_an_hour_before_a_bed(seconds, reference):
    if reference:
        assert enhanced_reference(seconds) == DecayReference(reference)
    else:
        with pytest.raises(DicomError, match="neither the acquisition"):
            enhanced_reference(seconds)


@pytest.mark.parametrize(("seconds", "reference"), [(-61, None), (-60, "ADMIN"), (60, "ADMIN"), (61, None)])
def test_an_image_is_corrected_to_its_administration_within_a_minute(seconds, reference):
    if reference:
        assert enhanced_reference(7200, seconds) == DecayReference(reference)
    else:
        with pytest.raises(DicomError, match="neither the acquisition"):
            enhanced_reference(7200, seconds)


@pytest.mark.parametrize(("part", "said"), [(0.9952, []), (0.9948, ["contradictory-decay"]), (1.5, [])])
def test_a_decay_factor_half_a_percent_below_that_of_the_administration_contradicts_it(part, said):
    factor = part * 2 ** (24 * 3600 / Y90_S)
    series = SimpleNamespace(first=instance(DecayFactor=f"{factor:.8f}", CorrectedImage=["DECY", "ATTN"]))
    drug = SimpleNamespace(half_life_s=Y90_S)
    notices = decay_contradictions(series, DecayReference.ADMIN, TEN + timedelta(days=1), TEN, drug)
    assert [notice.code for notice in notices] == said


def agreed(half_life_s=Y90_S, **delays):
    delays = {name: np.array(values, float) for name, values in delays.items()}
    frames = frames_at(*[TEN] * len(next(iter(delays.values()))))
    return _agreed(frames, delays, half_life_s)[0]


@pytest.mark.parametrize(("seconds", "alike"), [(60, True), (61, False)])
def test_slices_within_a_minute_are_one_acquisition(seconds, alike):
    assert (agreed(AcquisitionTime=[0, seconds]) is None) == alike


@pytest.mark.parametrize(("hours", "taken_"), [(4.0, True), (4.1, False)])
def test_decay_factors_alone_tell_delays_of_up_to_4_hours(hours, taken_):
    if taken_:
        assert agreed(DecayFactor=[0, 3600 * hours])[1] == 3600 * hours
    else:
        with pytest.raises(DicomError, match=r"246\.0 min after the first slices, AcquisitionTime 0\.0 min"):
            agreed(DecayFactor=[0, 3600 * hours])


@pytest.mark.parametrize(
    ("factors", "delays"),
    [([1.0, 2.0], [0.0, Y90_S]), ([4.0, 1.0], [2 * Y90_S, 0.0]), ([0.0, 1.0], None), ([-1.0, 1.0], None)],
)
def test_decay_factors_are_delays_if_they_are_positive(factors, delays):
    found = _delays_by_factor(np.array(factors), Y90_S)
    assert (found is None) == (delays is None)
    assert delays is None or found.tolist() == delays


@pytest.mark.parametrize(("milliseconds", "own"), [(61_000, None), (61_001, (60.0, 61.001))])
def test_slices_have_durations_of_their_own_if_they_differ_by_more_than_a_second(milliseconds, own):
    frames = frames_at(TEN, TEN)
    for frame, duration in zip(frames, (60_000, milliseconds), strict=True):
        frame.instance.header.ActualFrameDuration = str(duration)
    assert slice_times(frames, None, None).durations_s == own


def decay_s(percent, half_life_s=Y90_S):
    """Time over which so much of the activity decays, seen from the later instant [s]."""
    return half_life_s * np.log2(1 + percent / 100)


@SIGNS
@pytest.mark.parametrize("half_life_s", [Y90_S, TC99M_S])
@pytest.mark.parametrize(("percent", "agree"), [(1.9, True), (2.1, False)])
def test_attributes_that_tell_when_a_slice_was_acquired_agree_to_2_percent_of_the_activity(
    percent, agree, half_life_s, sign
):
    own = 3 * 3600
    delays = {"AcquisitionTime": [0, own], "DecayFactor": [0, own + sign * decay_s(percent, half_life_s)]}
    if agree:
        assert agreed(half_life_s, **delays)[1] == own
    else:
        with pytest.raises(DicomError, match="its decay cannot be undone"):
            agreed(half_life_s, **delays)


@SIGNS
@pytest.mark.parametrize(("percent", "agree"), [(0.19, True), (0.21, False)])
def test_a_slice_between_two_of_one_bed_is_acquired_with_them_to_a_fifth_of_a_percent(percent, agree, sign):
    delays = [0, 3600, 3600 + sign * decay_s(percent), 3600]
    if agree:
        assert agreed(AcquisitionTime=delays) is not None
    else:
        with pytest.raises(DicomError, match="from the slices on both sides of it"):
            agreed(AcquisitionTime=delays)


@pytest.mark.parametrize(("seconds", "agree"), [(60, True), (61, False)])
def test_clocks_of_one_bed_differ_by_a_minute_however_fast_the_nuclide_decays(seconds, agree):
    fluorine_s = 109.77 * 60
    delays = [0, 3600, 3600 + seconds, 3600]
    if agree:
        assert agreed(fluorine_s, AcquisitionTime=delays).tolist() == delays
    else:
        with pytest.raises(DicomError, match="from the slices on both sides of it"):
            agreed(fluorine_s, AcquisitionTime=delays)


@pytest.mark.parametrize(("percent", "agree"), [(1.9, True), (2.1, False)])
def test_without_a_half_life_in_the_header_that_of_yttrium_decides(percent, agree):
    seconds = decay_s(percent)
    frames = frames_at(TEN, TEN + timedelta(hours=3))
    for frame, reference_s in zip(frames, (0.0, 3 * 3600 + seconds), strict=True):
        frame.instance.header.FrameReferenceTime = f"{1000 * reference_s:.1f}"
    if agree:
        assert slice_times(frames, None, None).delays_s == (0.0, 3 * 3600.0)
    else:
        with pytest.raises(DicomError, match="its decay cannot be undone"):
            slice_times(frames, None, None)


@pytest.mark.parametrize(("hours", "moved"), [(12.0, False), (12.1, True)])
def test_slices_more_than_12_hours_apart_are_of_a_scan_over_midnight(hours, moved):
    late = TEN + timedelta(hours=hours)
    starts, notices = _advanced(frames_at(TEN, late), [TEN, late])
    assert starts[0] == (TEN + timedelta(days=1) if moved else TEN)
    assert bool(notices) == moved


@pytest.mark.parametrize(("hours", "moved"), [(12.0, False), (12.1, True)])
def test_slices_more_than_12_hours_before_their_study_are_of_the_next_day(hours, moved):
    early = datetime(2024, 3, 12, 1)
    begun = early + timedelta(hours=hours)
    frames = frames_at(early, StudyDate=f"{begun:%Y%m%d}", StudyTime=f"{begun:%H%M%S}")
    starts, notices = _advanced(frames, [early])
    assert starts == [early + timedelta(days=1) if moved else early]
    assert bool(notices) == moved


@pytest.mark.parametrize(("hours", "refused"), [(12.0, False), (12.1, True)])
def test_a_scan_over_midnight_takes_12_hours_at_most(hours, refused):
    midnight = datetime(2024, 3, 12)
    last = timedelta(hours=11)  # after midnight, dated to the day on which the scan began
    instants = [midnight, midnight + last, midnight + timedelta(days=1) + last - timedelta(hours=hours)]
    frames = frames_at(*instants)
    if refused:
        with pytest.raises(DicomError, match="One of both is wrong"):
            _advanced(frames, instants)
    else:
        starts, _ = _advanced(frames, instants)
        assert starts == [instants[0] + timedelta(days=1), instants[1] + timedelta(days=1), instants[2]]


def window(width_kev):
    low, high = 140.5 - width_kev / 2, 140.5 + width_kev / 2
    return instance(EnergyWindowInformationSequence=Sequence([factory.energy_window(low, high)]))


@pytest.mark.parametrize(("width_kev", "narrow"), [(43.0, True), (47.0, False)])
def test_a_window_of_up_to_45_kev_about_the_line_of_technetium_images_it(width_kev, narrow):
    assert _narrow_window_about(window(width_kev), 140.5) is narrow


@pytest.mark.parametrize(("seconds", "several"), [(60, False), (61, True)])
def test_administrations_within_a_minute_are_one(seconds, several):
    given = [
        factory.item(
            RadiopharmaceuticalStartDateTime=f"{TEN + timedelta(seconds=s):%Y%m%d%H%M%S}",
            RadionuclideTotalDose="1000",
        )
        for s in (0, seconds)
    ]
    assert (decay_equivalent_time(instance(), given, Y90_S, []) is not None) == several


@SIGNS
@pytest.mark.parametrize(("percent", "nuclide"), [(1.8, "Y-90"), (2.2, None)])
def test_a_half_life_within_2_percent_is_that_of_the_nuclide(percent, nuclide, sign):
    assert _by_half_life(Y90_S * (1 + sign * percent / 100)) == nuclide


@SIGNS
@pytest.mark.parametrize(("percent", "known"), [(2.8, True), (3.2, False)])
def test_a_half_life_more_than_3_percent_off_is_that_of_no_nuclide(percent, known, sign):
    drug = SimpleNamespace(half_life_s=TC99M_S * (1 + sign * percent / 100), nuclide="Tc-99m")
    if known:
        check_half_life(drug, instance())
    else:
        with pytest.raises(DicomError, match="the half-life of no nuclide in use"):
            check_half_life(drug, instance())
