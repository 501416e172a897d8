"""The lines of real-world value mappings: slope, intercept, and the stored values that each holds for."""

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.io.dicom.real_world import MappedRange, mapped_values, range_of

INF = float("inf")


KEYWORDS = {
    "slope": ("RealWorldValueSlope", "FD"),
    "intercept": ("RealWorldValueIntercept", "FD"),
    "first": ("RealWorldValueFirstValueMapped", "US"),
    "last": ("RealWorldValueLastValueMapped", "US"),
    "double_first": ("DoubleFloatRealWorldValueFirstValueMapped", "FD"),
    "double_last": ("DoubleFloatRealWorldValueLastValueMapped", "FD"),
}


@pytest.mark.parametrize(
    ("stated", "line"),
    [
        ({}, None),
        ({"intercept": 3.0}, None),
        ({"slope": 2.0}, (2000.0, 0.0, -INF, INF)),
        ({"slope": 2.0, "intercept": 3.0}, (2000.0, 3000.0, -INF, INF)),
        ({"slope": 2.0, "first": 0, "last": 99}, (2000.0, 0.0, 0, 99)),
        ({"slope": 2.0, "last": 99}, (2000.0, 0.0, -INF, 99)),
        ({"slope": 2.0, "double_first": 1.5, "double_last": 7.5}, (2000.0, 0.0, 1.5, 7.5)),
        ({"slope": 2.0, "first": 0, "double_first": 1.5, "double_last": 7.5}, (2000.0, 0.0, 0, 7.5)),
    ],
)
def test_a_line_is_read_with_the_factor_between_units(stated, line):
    item = factory.item()
    for name, value in stated.items():
        item.add_new(*KEYWORDS[name], value)
    found = range_of(item, 1000.0, "x.dcm")
    assert found == (None if line is None else MappedRange(*line))


def test_a_single_line_holds_for_all_stored_values():
    stored = np.array([0, 10, 300], np.int16)
    values = mapped_values(stored, [MappedRange(2.0, 5.0, 0, 99)], "x.dcm")
    assert (values.tolist(), values.dtype) == ([5.0, 25.0, 605.0], np.float32)


def test_each_of_several_lines_holds_for_its_own_values():
    lines = [MappedRange(1.0, 5.0, 0, 99), MappedRange(2.0, -3.0, 100, 200)]
    assert mapped_values(np.array([0, 99, 100, 200], np.int16), lines, "x.dcm").tolist() == [5, 104, 197, 397]
