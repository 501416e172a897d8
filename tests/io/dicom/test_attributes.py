"""Typed access to attributes: a value of the right kind, None, or an error that names file and tag."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from dicom_factory import item
from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from y90voxel.errors import DicomError
from y90voxel.io.dicom import attributes
from y90voxel.io.dicom.attributes import lenient_reading, number


@pytest.mark.parametrize("wrong", [["1", "2", "3"], ["1", "nan"], ["1", "inf"]])
def test_numbers_of_the_wrong_count_or_kind_are_refused(wrong):
    with lenient_reading():
        dataset = item(PixelSpacing=wrong)
        with pytest.raises(DicomError, match="expected 2 numbers") as caught:
            attributes.numbers(dataset, "PixelSpacing", 2, "a.dcm")
    assert (caught.value.file, caught.value.tag) == ("a.dcm", "PixelSpacing")


def test_text_where_a_number_belongs_is_refused():
    with pytest.raises(DicomError, match="PatientID is 'abc', expected numbers"):
        attributes.numbers(item(PatientID="abc"), "PatientID")


def test_a_damaged_value_is_refused():
    dataset = Dataset()
    tag = Tag("PixelSpacing")
    dataset[tag] = RawDataElement(tag, "US", 3, b"abc", 0, False, True)
    with lenient_reading(), pytest.raises(DicomError, match="PixelSpacing cannot be read"):
        attributes.numbers(dataset, "PixelSpacing", 2, "a.dcm")


def test_a_sequence_that_ends_too_early_is_refused():
    dataset = Dataset()
    tag = Tag("RadiopharmaceuticalInformationSequence")
    dataset[tag] = RawDataElement(tag, "SQ", 6, b"\xfe\xff\x00\xe0\x02\x00", 0, False, True)
    with pytest.raises(DicomError, match="RadiopharmaceuticalInformationSequence cannot be read"):
        attributes.items(dataset, "RadiopharmaceuticalInformationSequence", "a.dcm")


def test_a_fraction_where_a_whole_number_belongs_is_refused():
    with pytest.raises(DicomError, match="expected a whole number"):
        attributes.whole_number(item(SliceThickness="2.5"), "SliceThickness")
    assert attributes.whole_number(item(Rows=5), "Rows") == 5


def test_a_string_where_a_sequence_belongs_is_refused():
    with pytest.raises(DicomError, match="PatientID should be a sequence"):
        attributes.items(item(PatientID="x"), "PatientID", "a.dcm")


def test_absent_and_empty_values_are_none_or_empty():
    dataset = item(PatientID="", PixelSpacing=None)
    assert attributes.text(dataset, "PatientID") == ""
    assert attributes.texts(dataset, "ImageType") == ()
    assert attributes.number(dataset, "SliceThickness") is None
    assert attributes.numbers(dataset, "PixelSpacing") is None
    assert attributes.items(dataset, "RadiopharmaceuticalInformationSequence") == []
    assert attributes.date_and_time(dataset, "StudyDate", "StudyTime") is None


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20240312", "101502.25", datetime(2024, 3, 12, 10, 15, 2, 250000)),
        ("1993.05.21", "10:20:30", datetime(1993, 5, 21, 10, 20, 30)),
        ("2024-03-12", "10", datetime(2024, 3, 12, 10)),
        ("20240312", "1015", datetime(2024, 3, 12, 10, 15)),
        ("20240312", "235960", datetime(2024, 3, 12, 23, 59, 59)),
        ("20240312", "101502.123456789", datetime(2024, 3, 12, 10, 15, 2, 123456)),
    ],
)
def test_dates_and_times_of_old_and_new_files_are_understood(date, time, expected):
    with lenient_reading():
        assert (
            attributes.date_and_time(item(StudyDate=date, StudyTime=time), "StudyDate", "StudyTime")
            == expected
        )


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("20241399", "101500"),
        ("yesterday", "10"),
        ("20240312", "noon"),
        ("202403", "121500"),  # no day: its time is none
        ("2024-3-1", "1215"),
        ("20240312", ".5"),  # a fraction of no second
        ("20240312", "1015.5"),
    ],
)
def test_what_is_no_date_or_time_is_refused(date, time):
    with lenient_reading(), pytest.raises(DicomError, match="are not a date and time"):
        attributes.date_and_time(item(StudyDate=date, StudyTime=time), "StudyDate", "StudyTime", "a.dcm")


def test_the_header_offset_makes_times_aware():
    dataset = item(StudyDate="20240312", StudyTime="100000", TimezoneOffsetFromUTC="-0330")
    found = attributes.date_and_time(dataset, "StudyDate", "StudyTime")
    assert found == datetime(2024, 3, 12, 13, 30, tzinfo=UTC)
    assert found.utcoffset() == -timedelta(hours=3, minutes=30)


@pytest.mark.parametrize("offset", ["+9900", "nonsense"])
def test_an_impossible_offset_leaves_times_naive(offset):
    with lenient_reading():
        dataset = item(StudyDate="20240312", StudyTime="100000", TimezoneOffsetFromUTC=offset)
        assert attributes.date_and_time(dataset, "StudyDate", "StudyTime").tzinfo is None


def test_date_times_carry_their_own_offset_or_take_the_headers():
    own = item(AcquisitionDateTime="20240312100000.5+0100")
    expected = datetime(2024, 3, 12, 10, 0, 0, 500000, tzinfo=timezone(timedelta(hours=1)))
    assert attributes.date_time(own, "AcquisitionDateTime") == expected
    bare, outer = item(AcquisitionDateTime="20240312100000"), item(TimezoneOffsetFromUTC="+0200")
    assert attributes.date_time(bare, "AcquisitionDateTime", zone_from=outer).utcoffset() == timedelta(
        hours=2
    )
    assert attributes.date_time(item(), "AcquisitionDateTime") is None


@pytest.mark.parametrize("value", ["2024", "20240312+1", "now"])
def test_what_is_no_date_time_is_refused(value):
    with lenient_reading(), pytest.raises(DicomError, match="is not a date and time"):
        attributes.date_time(item(AcquisitionDateTime=value), "AcquisitionDateTime", "a.dcm")


def test_shown_values_are_short_and_printable():
    assert attributes.shown("a\x1b[31m\nb") == "a?[31m?b"
    assert len(attributes.shown("x" * 10**7)) == attributes.LONGEST_SHOWN
    assert attributes.numbers(item(PixelSpacing=["1", "2"]), "PixelSpacing", 2) == (1.0, 2.0)
    assert np.isclose(attributes.number(item(SliceThickness="2.5"), "SliceThickness"), 2.5)


def test_odd_values_give_no_warning_that_could_carry_a_name(recwarn):
    dataset = Dataset()
    tag = Tag("StudyID")
    dataset[tag] = RawDataElement(tag, "SH", 40, b"Mustermann^Max" * 4, 0, False, True)
    assert attributes.text(dataset, "StudyID").startswith("Mustermann")
    assert len(recwarn) == 0


@pytest.mark.parametrize("written", ["1_0", "0x10", "1e", "１０", "1,5", "infinity", "++1"])
def test_numbers_are_those_of_dicom_not_of_python(written):
    dataset = Dataset()
    with lenient_reading():
        dataset.add_new("RescaleSlope", "LO", written)
        with pytest.raises(DicomError, match="RescaleSlope"):
            number(dataset, "RescaleSlope")


@pytest.mark.parametrize(("written", "value"), [("10", 10), (" 1.5e3 ", 1500), ("-.5", -0.5), ("+7.", 7)])
def test_numbers_as_dicom_writes_them_are_read(written, value):
    dataset = Dataset()
    dataset.add_new("RescaleSlope", "DS", written)
    assert number(dataset, "RescaleSlope") == value


def test_a_decimal_string_with_an_underscore_is_refused():
    element = RawDataElement(Tag("RescaleSlope"), "DS", 4, b"1_0 ", 0, False, True)
    with pytest.raises(DicomError, match="RescaleSlope"):
        number(Dataset({element.tag: element}), "RescaleSlope")


@pytest.mark.parametrize("value", ["20240312.5", "202403121015.5", "2024031210150a"])
def test_a_fraction_of_no_second_is_no_instant(value):
    with lenient_reading(), pytest.raises(DicomError, match="is not a date and time"):
        attributes.date_time(item(AcquisitionDateTime=value), "AcquisitionDateTime")


@pytest.mark.parametrize(("keyword", "why"), [("PatientID", ""), ("PixelSpacing", " (")])
def test_what_is_wrong_with_an_identifying_value_is_not_quoted(keyword, why):
    dataset, tag = Dataset(), Tag(keyword)
    dataset[tag] = RawDataElement(tag, "US", 3, b"abc", 0, False, True)
    with pytest.raises(DicomError) as caught:
        attributes.text(dataset, keyword, "a.dcm")
    assert caught.value.message.startswith(f"{keyword} cannot be read{why or '. The file'}")


@pytest.mark.parametrize(
    ("value", "raw"), [("X", "X"), ("", None), ([], None), (["A", "B"], ["A", "B"]), (None, None)]
)
def test_an_empty_value_is_none(value, raw):
    found = attributes.raw(item(ImageType=value), "ImageType")
    assert (None if found is None else found if isinstance(found, str) else list(found)) == raw


@pytest.mark.parametrize("stated", [{"StudyDate": "20240312"}, {"StudyTime": "101500"}, {}])
def test_a_date_alone_and_a_time_alone_are_no_instant(stated):
    assert attributes.date_and_time(item(**stated), "StudyDate", "StudyTime") is None


@pytest.mark.parametrize(
    ("value", "hour"),
    [("20240312", None), ("20240312+0100", None), ("2024031200", 0), ("2024031207+0100", 7)],
)
def test_a_date_time_without_an_hour_is_no_instant(value, hour):
    found = attributes.date_time(item(AcquisitionDateTime=value), "AcquisitionDateTime")
    assert (None if found is None else found.hour) == hour


@pytest.mark.parametrize(
    ("characters", "codec"), [("ISO_IR 192", "utf-8"), ("ISO_IR 100", "latin-1"), ("ISO_IR 101", "iso8859_2")]
)
@pytest.mark.parametrize("keyword", ["SeriesDescription", "PatientName"])
def test_texts_are_read_in_the_characters_that_the_header_names(characters, codec, keyword):
    tag = Tag(keyword)
    raw = RawDataElement(
        tag,
        {"SeriesDescription": "LO", "PatientName": "PN"}[keyword],
        6,
        "Jürgä ".encode(codec),
        0,
        False,
        True,
    )
    dataset = Dataset({tag: raw})
    dataset.SpecificCharacterSet = characters
    dataset.set_original_encoding(False, True, convert_encodings(characters))
    assert attributes.text(dataset, keyword) == "Jürgä"
