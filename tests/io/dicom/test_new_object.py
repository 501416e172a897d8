"""What written DICOM objects have in common."""

from __future__ import annotations

import io
import math
from datetime import datetime

import numpy as np
import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import (
    add_references,
    decimal,
    frame_of_reference,
    long_string,
    new_object,
)
from y90voxel.version import __version__
from y90voxel.volumes.grid import Grid


@given(value=st.floats(-1e15, 1e15))
@example(value=9.999999999999998)
@example(value=-1.0000000000000002)
@example(value=-9.99999999999999e-17)
@example(value=1.2345678901234567e-101)
def test_decimals_fit_dicom_and_keep_the_digits_that_do(value):
    text = decimal(value)
    assert len(text) <= 16
    # sign, point and a three-digit exponent leave at least 8 digits
    assert math.isclose(float(text), value, rel_tol=1e-8)


@pytest.mark.parametrize(
    ("value", "text"), [(4.8, "4.8"), (2, "2"), (0.1, "0.1"), (1 / 3, "0.33333333333333")]
)
def test_plain_numbers_stay_plain(value, text):
    assert decimal(value) == text


def test_long_strings_are_cut_at_64_characters():
    assert long_string("a" * 64) == "a" * 64
    assert long_string("a" * 65) == "a" * 63 + "…"


def test_objects_name_the_program_and_version_that_made_them():
    dataset = new_object(StudyIdentity(), "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "dose", 1)
    assert (dataset.Manufacturer, dataset.SoftwareVersions) == ("y90voxel", __version__)


def test_an_object_was_made_when_it_is_said():
    made = datetime(2024, 3, 12, 9, 5, 7)
    dataset = new_object(StudyIdentity(), "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "dose", 1, made)
    assert {dataset.InstanceCreationDate, dataset.SeriesDate, dataset.ContentDate} == {"20240312"}
    assert {dataset.InstanceCreationTime, dataset.SeriesTime, dataset.ContentTime} == {"090507"}
    now = new_object(StudyIdentity(), "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "dose", 1)
    assert (
        abs(datetime.strptime(now.ContentDate + now.ContentTime, "%Y%m%d%H%M%S") - datetime.now()).days == 0
    )
    assert now.preamble == bytes(128)


def grid(frame):
    return Grid((2, 2, 2), np.eye(4), frame)


STUDY = StudyIdentity(study_instance_uid="1.2.3")
NOBODY = StudyIdentity(study_instance_uid="1.2.3", anonymised=True)


def test_a_grid_keeps_its_frame_of_reference_or_gets_one_of_its_study():
    assert frame_of_reference(grid("1.2.9"), STUDY) == ("1.2.9", ())
    uid, (notice,) = frame_of_reference(grid(None), STUDY)
    assert notice.code == "frame-of-reference-generated"
    assert frame_of_reference(grid(None), STUDY)[0] == uid  # what has none lies in one
    assert frame_of_reference(grid(None), StudyIdentity(study_instance_uid="1.2.4"))[0] != uid


def test_frames_of_an_anonymous_study_are_replaced_each_by_one():
    (one, told), (other, _), (none, also_told) = (
        frame_of_reference(grid(uid), NOBODY) for uid in ("1.2.9", "1.2.8", None)
    )
    assert "1.2.9" not in one
    assert len({one, other, none}) == 3
    assert (told, also_told) == ((), ())


def referred(identity, *series):
    """Which attributes an object refers by, and the series and studies in them."""
    dataset = new_object(identity, "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "dose", 1)
    add_references(dataset, identity, series)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    read = pydicom.dcmread(io.BytesIO(buffer.getvalue()))
    here = [item.SeriesInstanceUID for item in read.get("ReferencedSeriesSequence", [])]
    elsewhere = {
        study.StudyInstanceUID: [item.SeriesInstanceUID for item in study.ReferencedSeriesSequence]
        for study in read.get("StudiesContainingOtherReferencedInstancesSequence", [])
    }
    sources = [item.ReferencedSOPInstanceUID for item in read.get("SourceInstanceSequence", [])]
    return sources, here, elsewhere


OBJECTS = (("1.2.840.10008.5.1.4.1.1.2", "1.9.1"), ("1.2.840.10008.5.1.4.1.1.2", "1.9.2"))
OWN, UNSTATED = SourceSeries("1.5.1", OBJECTS, "1.2.3"), SourceSeries("1.5.2", OBJECTS[:1], None)
OTHER, EMPTY = SourceSeries("1.5.3", OBJECTS[1:], "1.2.4"), SourceSeries("1.5.4", (), "1.2.3")


@pytest.mark.parametrize(
    ("identity", "series", "expected"),
    [
        (STUDY, (OWN, UNSTATED), (["1.9.1", "1.9.2", "1.9.1"], ["1.5.1", "1.5.2"], {})),
        (STUDY, (OTHER,), (["1.9.2"], [], {"1.2.4": ["1.5.3"]})),
        (STUDY, (OWN, OTHER), (["1.9.1", "1.9.2", "1.9.2"], ["1.5.1"], {"1.2.4": ["1.5.3"]})),
        (STUDY, (EMPTY,), ([], [], {})),
        (STUDY, (), ([], [], {})),
        (NOBODY, (OWN, OTHER), ([], [], {})),
    ],
)
def test_sources_are_named_in_their_studies(identity, series, expected):
    assert referred(identity, *series) == expected


@pytest.mark.parametrize(
    ("birth", "date"),
    [("19930521", "19930521"), ("1993.05.21", "19930521"), ("199305", ""), ("199305210", ""), ("", "")],
)
def test_dates_have_eight_digits(birth, date):
    identity = StudyIdentity(patient_birth_date=birth)
    assert new_object(identity, "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "dose", 1).PatientBirthDate == date


@pytest.mark.parametrize(
    ("stated", "time"),
    [
        ("10", "10"),
        ("10:20:30", "102030"),
        ("102030.123456", "102030.123456"),
        ("1020301", ""),
        ("1", ""),
        ("", ""),
    ],
)
def test_times_have_hours_minutes_and_seconds(stated, time):
    identity = StudyIdentity(study_time=stated)
    assert new_object(identity, "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "dose", 1).StudyTime == time
