"""What inspect says: every series with role, geometry, units, times, regions, and each notice."""

import json
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import square

from y90voxel.errors import DicomError, Severity
from y90voxel.io.dicom.describe import _value, describe_study, orientation_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.volumes.grid import Grid

STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)
BLOCK = [square(3, (-14, -22), z) for z in (104.0, 108.0)]


def described(folder, *groups):
    for number, group in enumerate(groups):
        factory.save(group, folder / str(number))
    return describe_study(folder)


def test_a_good_study_is_usable_and_fully_described(tmp_path):
    regions = factory.rtstruct({"Liver": BLOCK, "GTV 1": BLOCK, "ring": BLOCK}, refers_to=factory.uid("ct"))
    found = described(
        tmp_path, factory.pet(STORED), factory.ct(STORED), factory.planar(STORED[0], STORED[1]), regions
    )
    assert found.usable
    pet, planar, ct, rois = found.series
    assert [s.used for s in found.series] == [True] * 4
    assert [s.record.role for s in found.series] == ["emission", "planar", "ct", "regions"]
    assert (pet.units, pet.decay_reference, pet.nuclide) == ("Bq/mL", "START", "Y-90")
    assert sorted(pet.times) == ["acquisition", "administration", "series"]
    assert (ct.units, ct.grid.shape, planar.units) == ("HU", (5, 6, 7), "counts")
    assert rois.rois == {"Liver": "liver", "GTV 1": "tumour", "ring": "other"}
    assert rois.references == (factory.uid("ct"),)


def test_the_json_form_is_complete_and_plain(tmp_path):
    (tmp_path / "note.txt").write_text("x")
    found = described(tmp_path, factory.nm(STORED), factory.seg({"Liver": STORED > 1000}))
    plain = json.loads(json.dumps(found.as_dict()))
    assert (plain["schema_version"], plain["kind"], plain["usable"]) == (1, "inspect", True)
    assert (plain["files"], plain["not_dicom"]) == (3, 1)
    nm, seg = plain["series"]
    assert nm["orientation"] == "slices S, rows P, columns L"
    assert nm["grid"]["shape"] == [5, 6, 7]
    assert nm["times"]["acquisition"] == "2024-03-12T10:00:00"
    assert (nm["units"], nm["nuclide"], nm["status"], nm["files"]) == ("counts", "Tc-99m", "accept", 1)
    assert seg["rois"] == [{"name": "Liver", "role": "liver"}]
    assert seg["grid"] is None


def test_an_unusable_series_shows_why_and_nothing_raises(tmp_path):
    found = described(
        tmp_path, factory.pet(STORED, Units="CNTS"), factory.ct(STORED)[:2] + factory.ct(STORED)[3:]
    )
    assert not found.usable
    pet, ct = found.series
    assert [(f.severity, f.code, f.tag) for f in pet.notices] == [
        (Severity.REFUSE, "emission-refused", "Units")
    ]
    assert [(f.severity, f.code, f.file) for f in ct.notices] == [(Severity.REFUSE, "ct-refused", "file0002")]
    assert [f.code for f in found.notices] == ["study-refused"]
    assert pet.severity is Severity.REFUSE


def test_warnings_show_in_the_status(tmp_path):
    found = described(tmp_path, factory.nm(STORED, SpacingBetweenSlices=None))
    (nm,) = found.series
    assert (nm.severity, found.usable) == (Severity.WARN, True)
    assert nm.notices[0].as_dict()["tag"] == "SpacingBetweenSlices"


def test_a_refusal_found_while_grouping_is_shown_once(tmp_path):
    found = described(tmp_path, [factory.nm(STORED), factory.nm(STORED + np.uint16(1))])
    codes = [f.code for f in found.series[0].notices]
    assert codes.count("emission-refused") == 1
    assert "conflicting-copies" not in codes


def test_damaged_references_are_shown(tmp_path):
    dataset = factory.rtstruct({"Liver": BLOCK})
    dataset[0x30060010] = type(dataset[0x30060010])(0x30060010, "LO", "x")
    (regions,) = described(tmp_path, dataset).series
    assert "references-damaged" in [f.code for f in regions.notices]


def test_unreadable_files_are_shown(tmp_path):
    (tmp_path / "bad").write_bytes(bytes(128) + b"DICM")
    found = described(tmp_path, factory.nm(STORED))
    assert [f.code for f in found.notices] == ["unreadable-file"]
    assert not found.usable


def test_series_of_no_use_are_listed_too(tmp_path):
    found = described(
        tmp_path, factory.nm(STORED), factory.header("1.2.840.10008.5.1.4.1.1.4", "MR", "mr", "0")
    )
    assert [(s.record.modality, s.used) for s in found.series] == [("NM", True), ("MR", False)]


def test_progress_and_index_are_passed_on(tmp_path):
    factory.save(factory.nm(STORED), tmp_path)
    seen = []
    describe_study(tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]
    assert describe_study(index_study(tmp_path)).usable


@pytest.mark.parametrize(
    ("signs", "angles", "expected"),
    [
        ((1, 1, 1), (0, 0, 0), "slices S, rows P, columns L"),
        ((-1, 1, -1), (0, 0, 0), "slices I, rows P, columns R"),
        ((1, -1, 1), (0, 0, 0), "slices S, rows A, columns L"),
        ((1, 1, 1), (np.radians(12), 0, 0), "slices S, rows P, columns L, oblique by 12.0°"),
        ((1, 1, 1), (np.radians(0.17), 0, 0), "slices S, rows P, columns L, oblique by 0.2°"),
        ((1, 1, 1), (np.radians(0.05), 0, 0), "slices S, rows P, columns L"),
    ],
)
def test_orientation_in_patient_letters(signs, angles, expected):
    grid = Grid((2, 2, 2), factory.oblique_affine((3, 2, 1), (0, 0, 0), angles, signs))
    assert orientation_of(grid) == expected


def two_files(**values):
    """A series of two files, the second with these values."""
    return SimpleNamespace(
        first=(first := Instance(SourceFile(Path("a"), "in/1.dcm", 1), factory.item(Rows=4, Units="BQML"))),
        instances=[first, Instance(SourceFile(Path("b"), "in/2.dcm", 1), factory.item(**values))],
    )


@pytest.mark.parametrize(
    ("file", "tag", "value"),
    [
        ("in/2.dcm", "Rows", "5"),
        ("2.dcm", "Units", "CNTS"),
        ("in/1.dcm", "Rows", "4"),
        (None, "Rows", "4"),  # of the first where no file is named
        ("elsewhere", "Rows", "4"),
        ("in/2.dcm", "ImageType", "['ORIGINAL', 'PRIMARY']"),
        ("in/2.dcm", "Columns", None),  # absent
        ("in/2.dcm", "SegmentSequence", None),
        ("in/2.dcm", "PixelData", None),
        ("in/2.dcm", "PatientName", None),  # whose it is
        ("in/2.dcm", "--ct-series", None),
        ("in/2.dcm", None, None),
    ],
)
def test_the_value_behind_a_refusal_is_that_of_the_file_it_names(file, tag, value):
    record = two_files(
        Rows=5,
        Units="CNTS",
        ImageType=["ORIGINAL", "PRIMARY"],
        PatientName="Doe",
        SegmentSequence=[],
        PixelData=b"1234",
    )
    assert _value(record, DicomError("no", file=file, tag=tag)) == value
