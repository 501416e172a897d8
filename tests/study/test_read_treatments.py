"""What is asked of a treatment that is added up: when it began, how it was given, whether it is whole and whose."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.accumulation.time_courses import DecayingSource
from y90voxel.case.accumulation_settings import TreatmentFacts
from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.plan_fractions import RtDoseFacts
from y90voxel.study import read_treatments
from y90voxel.study.read_treatments import (
    ReadTreatment,
    _check_whole,
    _fraction_dates,
    _fractions,
    _start,
    check_one_patient,
    read_treatment,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

PATH = Path("sbrt.dcm")
MONDAY = datetime(2026, 3, 2, 12)
DAY = timedelta(days=1)


def facts(**given):
    return TreatmentFacts(path="sbrt.dcm", **given)


def rtdose(summation="PLAN", kind="PHYSICAL", planned=None):
    return RtDoseFacts(StudyIdentity(), summation, kind, planned)


@pytest.mark.parametrize(
    ("given", "stated", "start"),
    [
        ({"date": MONDAY, "fraction_dates": [MONDAY + DAY]}, "2026-01-01T08:00", MONDAY),
        ({"fraction_dates": [MONDAY + DAY, MONDAY]}, "2026-01-01T08:00", MONDAY),
        ({}, "2026-01-01T08:00", datetime(2026, 1, 1, 8)),
        ({}, None, None),
    ],
)
def test_a_treatment_began_when_it_is_said_or_by_its_first_fraction_or_its_file(given, stated, start):
    if start is None:
        with pytest.raises(InputError, match=r"the date of sbrt\.dcm is not known"):
            _start(PATH, facts(**given), stated)
    else:
        assert _start(PATH, facts(**given), stated) == start


def test_the_first_of_fractions_in_two_zones_is_the_earlier_instant():
    late, early = MONDAY.replace(tzinfo=UTC), MONDAY.replace(tzinfo=timezone(timedelta(hours=2)))
    assert _start(PATH, facts(fraction_dates=[late, early]), None) == early


@pytest.mark.parametrize(
    ("given", "planned", "number"),
    [
        ({"fractions": 5}, None, 5),
        ({}, 3, 3),
        ({"fractions": 3}, 3, 3),
        ({"fraction_dates": [MONDAY, MONDAY + DAY]}, None, 2),
        ({"fractions": 5}, 3, "5 fractions are given, and the plan beside it has 3"),
        ({"fraction_dates": [MONDAY]}, 3, "1 fractions are given, and the plan beside it has 3"),
        ({}, None, "the number of fractions of sbrt.dcm is not known"),
    ],
)
@pytest.mark.parametrize("image", [True, False])
def test_the_number_of_fractions_is_given_or_planned(given, planned, number, image):
    of_file = rtdose(planned=planned)
    if image and planned is None:
        of_file = None
    if isinstance(number, str):
        with pytest.raises(InputError, match=number.replace(".", r"\.")):
            _fractions(PATH, facts(**given), of_file)
    else:
        assert _fractions(PATH, facts(**given), of_file) == number


@pytest.mark.parametrize(
    ("of_file", "said"),
    [
        (None, None),
        (rtdose(), None),
        (rtdose("", ""), None),
        (rtdose("MULTI_PLAN"), None),
        (rtdose("FRACTION"), "DoseSummationType FRACTION"),
        (rtdose("BEAM"), "DoseSummationType BEAM"),
        (rtdose("BRACHY"), "DoseSummationType BRACHY"),
        (rtdose(kind="EFFECTIVE"), "DoseType EFFECTIVE"),
    ],
)
def test_parts_of_a_treatment_and_weighted_doses_are_refused(of_file, said):
    if said is None:
        _check_whole(PATH, 50.0, 5, of_file)
    else:
        with pytest.raises(InputError, match=said):
            _check_whole(PATH, 50.0, 5, of_file)


@pytest.mark.parametrize(("greatest_gy", "whole"), [(4.9, False), (5.0, True), (5.1, True), (9.0, True)])
def test_a_dose_of_less_than_a_gray_a_fraction_is_that_of_one(greatest_gy, whole):
    if whole:
        _check_whole(PATH, greatest_gy, 5, None)
    else:
        with pytest.raises(
            InputError, match=r"4\.9 Gy, 0\.98 Gy for each of 5 fractions: this looks like the dose of one"
        ):
            _check_whole(PATH, greatest_gy, 5, None)


@pytest.mark.parametrize(
    ("dates", "number", "start", "said"),
    [
        ([MONDAY + DAY, MONDAY], 2, MONDAY, None),
        ([MONDAY], 2, MONDAY, "1 dates of fractions for 2 fractions"),
        ([MONDAY], 1, MONDAY + DAY, "the first fraction .* lies before the beginning"),
        ([MONDAY + DAY], 1, MONDAY, None),
    ],
)
def test_dates_of_fractions_are_one_for_each_and_none_before_the_beginning(dates, number, start, said):
    if said is not None:
        with pytest.raises(InputError, match=said):
            _fraction_dates(facts(fraction_dates=dates), start, number)
    else:
        assert _fraction_dates(facts(fraction_dates=dates), start, number) == (tuple(sorted(dates)), [])


def read(name, value=1.0, *, patient="1", study="2.25.1", start=MONDAY, nuclide="Y-90", shape=(2, 2, 2)):
    grid = Grid.from_spacing(shape, (4.0, 4.0, 4.0))
    treatment = SimpleNamespace(
        name=name, dose=DoseMap(np.full(shape, value), grid), start=start, nuclide=nuclide
    )
    identity = None if patient is None else StudyIdentity(patient_id=patient, study_instance_uid=study)
    return ReadTreatment(treatment, identity, (), ())


LATER = {"study": "2.25.2", "start": MONDAY + 30 * DAY}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (read("b", 2.0, **LATER), None),
        (read("b", 2.0, patient="2", **LATER), "of two patients"),
        (read("b", 1.0 + 1e-7, **LATER), "are the same dose"),
        (read("b", 1.0 + 1e-5, **LATER), None),
        (read("b", 1.0, shape=(2, 2, 3), **LATER), None),
        (read("b", 2.0, start=MONDAY + timedelta(hours=3)), "are of one study and one day"),
        (read("b", 2.0, start=MONDAY + DAY), None),
        (read("b", 2.0, study="2.25.2"), None),
        (read("b", 2.0, nuclide=None), None),  # an external beam
    ],
)
@pytest.mark.parametrize("swapped", [True, False])
def test_treatments_are_of_one_patient_and_count_once(other, said, swapped):
    both = [read("a"), other][:: -1 if swapped else 1]
    if said is None:
        assert check_one_patient(both) == []
    else:
        with pytest.raises((InputError, DicomError), match=said):
            check_one_patient(both)


@pytest.mark.parametrize("patient", [None, ""])
def test_whose_dose_is_not_known_is_said(patient):
    (notice,) = check_one_patient([read("a"), read("b", 2.0, patient=patient, **LATER)])
    assert notice.code == "patient-unknown"
    assert notice.message.startswith("b: whose dose it is is not in the file")


def file_treatment(tmp_path, monkeypatch, *, of_file=None, name="sbrt.nii.gz", beside=False, **given):
    path = tmp_path / name
    path.touch()
    if beside:
        (tmp_path / "metrics.json").touch()
    grid = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
    monkeypatch.setattr(
        read_treatments, "read_dose", lambda _path, notices: DoseMap(np.full((2, 2, 2), 50.0), grid)
    )
    monkeypatch.setattr(read_treatments, "read_rtdose_facts", lambda _path: of_file)
    return read_treatment(path, TreatmentFacts(path=str(path), date=MONDAY, **given))


def test_a_dose_file_is_of_a_nuclide_or_of_fractions(tmp_path, monkeypatch):
    beam = file_treatment(tmp_path, monkeypatch, fractions=2)
    assert (beam.treatment.name, beam.treatment.nuclide, beam.identity) == ("sbrt", None, None)
    assert len(beam.treatment.course.fraction_times_s) == 2
    source = file_treatment(tmp_path, monkeypatch, nuclide="Y-90", name="tare.nii.gz")
    assert (source.treatment.name, source.treatment.nuclide) == ("tare", "Y-90")
    assert isinstance(source.treatment.course, DecayingSource)
    for fractions in ({"fractions": 2}, {"fraction_dates": [MONDAY]}):
        with pytest.raises(InputError, match="a treatment is one or the other"):
            file_treatment(tmp_path, monkeypatch, nuclide="Y-90", **fractions)


def test_whose_an_rtdose_is_stands_in_it(tmp_path, monkeypatch):
    of_file = rtdose(planned=5)
    found = file_treatment(tmp_path, monkeypatch, of_file=of_file, name="a.dcm")
    assert found.identity is of_file.identity


def test_a_file_of_a_result_folder_is_refused_for_the_folder(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="lies in a result folder"):
        file_treatment(tmp_path, monkeypatch, nuclide="Y-90", beside=True)


@pytest.mark.parametrize("predicted", [True, False])
def test_a_file_of_a_nuclide_may_be_a_prediction_and_a_beam_may_not(predicted, tmp_path, monkeypatch):
    """It counted as delivered without a word."""
    found = file_treatment(tmp_path, monkeypatch, nuclide="Y-90", predicted=predicted)
    assert found.treatment.predicted is predicted
    if predicted:
        with pytest.raises(InputError, match="which is for radioembolizations"):
            file_treatment(tmp_path, monkeypatch, fractions=2, predicted=True)
    else:
        assert not file_treatment(tmp_path, monkeypatch, fractions=2).treatment.predicted


def folder_treatment(
    tmp_path, monkeypatch, *, is_prediction=False, administration=None, days_alone=False, **given
):
    grid = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
    means = {"A": 3.0, "B": None}
    side = SimpleNamespace(
        dose=DoseMap(np.full((2, 2, 2), 50.0), grid), regions=(), nuclide="Y-90", is_prediction=is_prediction,
        stated={name: SimpleNamespace(mass_weighted_mean_gy=mean) for name, mean in means.items()},
    )  # fmt: skip
    document = {"lung": {}, "provenance": {"settings": {"administration": administration or {}}}}
    folder = SimpleNamespace(side=side, inputs=(), notices=())
    monkeypatch.setattr(read_treatments, "read_dose_folder", lambda _path: folder)
    monkeypatch.setattr(read_treatments, "read_json", lambda _path: document)
    return read_treatment(tmp_path, TreatmentFacts(path=str(tmp_path), **given), days_alone=days_alone)


@pytest.mark.parametrize("given", [{"fractions": 2}, {"fraction_dates": [MONDAY]}, {"nuclide": "Y-90"}])
def test_a_result_folder_says_its_nuclide_itself(given, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a result folder, which says its nuclide itself"):
        folder_treatment(tmp_path, monkeypatch, date=MONDAY, **given)
    found = folder_treatment(tmp_path, monkeypatch, date=MONDAY).treatment
    assert (found.name, found.stated_means_gy) == (tmp_path.name, {"A": 3.0})
    assert folder_treatment(tmp_path, monkeypatch, date=MONDAY, name="first").treatment.name == "first"


@pytest.mark.parametrize(
    ("is_prediction", "predicted", "said"),
    [
        (True, True, None),
        (False, False, None),
        (True, False, "is a prediction from a surrogate, not a dose that was given"),
        (False, True, "but its results say that it is the dose of the treatment"),
    ],
)
def test_a_folder_is_a_prediction_where_it_and_the_user_say_so(
    is_prediction, predicted, said, tmp_path, monkeypatch
):
    given = {"is_prediction": is_prediction, "predicted": predicted, "date": MONDAY}
    if said is None:
        assert folder_treatment(tmp_path, monkeypatch, **given).treatment.predicted is is_prediction
    else:
        with pytest.raises(InputError, match=said):
            folder_treatment(tmp_path, monkeypatch, **given)


@pytest.mark.parametrize(
    ("administration", "start"),
    [
        ({"time": "2026-03-02T12:00"}, MONDAY),
        ({"activity_time": "2026-03-02T12:00"}, MONDAY),
        ({"time": "2026-03-02T12:00", "activity_time": "2026-01-01T08:00"}, MONDAY),
        ({}, None),
    ],
)
def test_a_folder_began_at_its_administration(administration, start, tmp_path, monkeypatch):
    if start is None:
        with pytest.raises(InputError, match="is not known, and treatments act together by their times"):
            folder_treatment(tmp_path, monkeypatch, administration=administration)
    else:
        assert folder_treatment(tmp_path, monkeypatch, administration=administration).treatment.start == start


@pytest.mark.parametrize(
    ("start", "number", "days"),
    [(6, 3, [6, 9, 10]), (2, 2, [2, 3]), (7, 2, [7, 9]), (2, 6, [2, 3, 4, 5, 6, 9]), (6, 1, [6])],
)
def test_fractions_without_dates_are_given_on_weekdays_and_that_is_said(start, number, days):
    """2026-03-02 is a Monday."""
    found, notices = _fraction_dates(facts(), datetime(2026, 3, start, 12), number)
    assert [day.day for day in found] == days
    assert [notice.code for notice in notices] == ["fraction-dates-assumed"] * (number > 1)


@pytest.mark.parametrize(("hours", "told"), [(-13, True), (-12, False), (11, False), (12, True)])
def test_another_day_than_the_results_state_is_used_and_told(hours, told, tmp_path, monkeypatch):
    """MONDAY is noon, as a date without a time is."""
    stated = (MONDAY + timedelta(hours=hours)).isoformat()
    found = folder_treatment(tmp_path, monkeypatch, administration={"time": stated}, date=MONDAY)
    assert found.treatment.start == MONDAY
    assert [notice.code for notice in found.notices] == ["treatment-date-differs"] * told
    assert not folder_treatment(tmp_path, monkeypatch, administration={"time": stated}).notices


@pytest.mark.parametrize(
    ("administration", "days_alone", "told"),
    [
        ({"time": "2026-01-01T12:00"}, False, True),
        ({"time": "2026-01-01T12:00"}, True, False),
        ({"activity_time": "2026-01-01T12:00"}, False, False),
        ({"time": "2026-03-02T12:00", "activity_time": "2026-01-01T12:00"}, False, False),
        ({}, False, False),
    ],
)
def test_a_calibration_and_days_that_are_counted_are_no_other_administration(
    administration, days_alone, told, tmp_path, monkeypatch
):
    """The calibration of a vial was called its administration, and every session of a course by days another day."""
    found = folder_treatment(
        tmp_path, monkeypatch, administration=administration, date=MONDAY, days_alone=days_alone
    )
    assert [notice.code for notice in found.notices] == ["treatment-date-differs"] * told
