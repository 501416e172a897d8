"""What written DICOM objects have in common."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.new_object import decimal, long_string, new_object
from y90voxel.version import __version__


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
