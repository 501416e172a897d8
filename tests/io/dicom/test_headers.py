"""What is taken for a DICOM data set without preamble."""

import struct

import pytest

from y90voxel.io.dicom.headers import _looks_like_a_dataset

REST = bytes(12)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("group", "element", "taken"),
    [
        (0x0002, 0x0000, True), (0x0008, 0x0005, True), (0x0008, 0x0070, True), (0x0008, 0x0071, False),
        (0x0009, 0x0005, False), (0x0010, 0x0010, False), (0x0000, 0x0002, False),
    ],
)  # fmt: skip
def test_a_data_set_begins_with_group_2_or_8_in_either_order_of_bytes(order, group, element, taken):
    start = struct.pack(f"{order}HH", group, element)
    assert _looks_like_a_dataset(start + REST) is taken
    assert _looks_like_a_dataset(start + REST[:-1]) is False  # less than an element
