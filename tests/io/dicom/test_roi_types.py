"""What an object says that its regions are, and what is told of it."""

from pathlib import Path

import dicom_factory as factory
import pytest
from pydicom.sequence import Sequence

from y90voxel.io.dicom.roi_types import (
    DeclaredRegion,
    declared_notices,
    interpreted_tumours,
    is_tumour_segment,
)
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.regions.regions import DERIVED_NAMES

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)


@pytest.mark.parametrize(
    ("stated", "tumours"),
    [
        ([(1, "GTV"), (2, "ORGAN")], {1}),
        ([(1, "gtv")], {1}),
        ([(1, "GTV"), (1, "GTV")], {1}),
        ([(1, "GTV"), (1, "ORGAN")], set()),
        ([(1, "GTV"), (1, "")], {1}),  # an observation that says nothing contradicts nothing
        ([(None, "GTV")], set()),
        ([(1, "")], set()),
        ([], set()),
    ],
)
def test_an_roi_is_a_tumour_if_all_that_is_said_of_it_is_gtv(stated, tumours):
    observations = [
        factory.item(RTROIInterpretedType=kind, **({} if number is None else {"ReferencedROINumber": number}))
        for number, kind in stated
    ]
    dataset = factory.item(RTROIObservationsSequence=Sequence(observations))
    assert interpreted_tumours(dataset, FILE) == tumours


@pytest.mark.parametrize(
    ("codes", "tumour"),
    [
        ([("SCT", "108369006")], True),
        ([("SCT", "10200004"), ("SCT", "108369006")], True),
        ([("SCT", "10200004")], False),
        ([], False),
    ],
)
def test_a_segment_is_a_tumour_if_one_of_its_types_is(codes, tumour):
    segment = factory.item(
        SegmentedPropertyTypeCodeSequence=Sequence([factory.code(value, scheme) for scheme, value in codes])
    )
    assert is_tumour_segment(segment, FILE) is tumour


@pytest.mark.parametrize(
    ("name", "tumour", "said"),
    [
        ("Segment 8", True, "tumours-by-type"),
        ("Segment 8", False, None),
        ("GTV1", True, None),  # its name says so too
        ("spleen", True, "type-contradicts-name"),
        ("spleen", False, None),
        *((name, True, None) for name in DERIVED_NAMES),  # made by this program of tumours: no contradiction
    ],
)
def test_a_type_is_told_where_it_decides_or_is_contradicted(name, tumour, said):
    notices = declared_notices([DeclaredRegion(name, tumour)], FILE, "RTROIInterpretedType")
    assert [notice.code for notice in notices] == ([said] if said else [])
    assert all(f"'{name}': " in notice.message for notice in notices)
