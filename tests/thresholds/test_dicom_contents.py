"""What a header means by its words, and what objects without all of their parts are taken for."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.radionuclide import (
    Radiopharmaceutical,
    _written,
    check_half_life,
    radiopharmaceutical_of,
)
from y90voxel.io.dicom.real_world import MappedRange, check_ranges, mapped_values
from y90voxel.io.dicom.registrations import Link, Registrations
from y90voxel.io.dicom.seg_frames import SegmentFrames, _contradicts
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.dicom.uniform import check_numbering, check_rescaled, check_uniform
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)


def instance(**attributes):
    return Instance(FILE, factory.item(**attributes))


def frame(*, rescaled=True, **header):
    return Frame(instance(**header), 0, (), (), (), 1.0, 0.0, rescaled)


@pytest.mark.parametrize(
    ("words", "nuclide"),
    [
        ("18F FDG", "F-18"),
        ("^99m^Technetium", "Tc-99m"),
        ("Yttrium 90 microspheres", "Y-90"),
        ("90Y", "Y-90"),
        ("Ra-223 dichloride", "Ra-223"),
        ("Cs 137", "Cs-137"),
        ("P-32", "P-32"),
        ("33P", "P-33"),
        ("S-35", "S-35"),
        ("batch P 12", None),  # no isotopes of these
        ("batch S 100", None),
        ("P 90", None),
        ("Cs 12", None),
        ("Br 39", None),
        ("Br 40", "Br-40"),
        ("Am 260", "Am-260"),
        ("Am 261", None),
        ("SIR-Spheres", None),
    ],
)
def test_the_nuclide_that_words_name(words, nuclide):
    assert _written(words) == nuclide


def drug(half_life_s=None, given_at=None, **attributes):
    return Radiopharmaceutical("Y-90", "", half_life_s, None, factory.item(**attributes), (), given_at)


@pytest.mark.parametrize(
    ("half_life_s", "therapy"),
    [(64.1 * 3600, True), (26.8 * 3600, True), (6.007 * 3600, False), (None, False)],
)
def test_a_half_life_of_yttrium_or_holmium_is_that_of_a_therapy(half_life_s, therapy):
    assert drug(half_life_s).is_therapy == therapy


@pytest.mark.parametrize(
    ("uid", "given_at", "event"),
    [
        ("1.2.3", None, "1.2.3"),
        ("1.2.x", None, None),
        (None, None, None),
        ("1.2.3", datetime(2024, 3, 12), None),  # several administrations
    ],
)
def test_an_administration_has_the_uid_of_its_event_where_it_is_one(uid, given_at, event):
    stated = {} if uid is None else {"RadiopharmaceuticalAdministrationEventUID": uid}
    assert drug(given_at=given_at, **stated).event_uid == event


def test_a_half_life_of_no_nuclide_is_told_with_the_one_expected():
    for name, said in (("Tc-99m", "; Tc-99m has 216"), ("Cs-137", "in use."), (None, "in use.")):
        with pytest.raises(DicomError) as told:
            check_half_life(SimpleNamespace(half_life_s=1.0, nuclide=name), instance())
        assert said in told.value.message


def items_of(*parts):
    """Items of a nuclide that were given at an hour; no name without one."""
    made = []
    for nuclide, hour in parts:
        code = {"Y-90": ("14691008", "^90^Yttrium"), "F-18": ("77004003", "^18^Fluorine"), None: ("x", "x")}[
            nuclide
        ]
        made += factory.radiopharmaceutical(
            *code,
            RadiopharmaceuticalStartDateTime=f"202403120{hour}0000",
            RadionuclideHalfLife=None,
            Radiopharmaceutical=None,
        )
    return Sequence(made)


@pytest.mark.parametrize(
    ("parts", "nuclide", "joined"),
    [
        ([("Y-90", 8)], "Y-90", False),
        ([("Y-90", 8), ("Y-90", 9)], "Y-90", True),
        ([("F-18", 7), ("Y-90", 8)], "Y-90", False),
        ([("F-18", 7), ("Y-90", 8), ("Y-90", 9)], "Y-90", True),
        ([(None, 8), (None, 9)], None, False),
    ],
)
def test_administrations_of_the_imaged_nuclide_are_joined(parts, nuclide, joined):
    header = instance(Modality="PT", RadiopharmaceuticalInformationSequence=items_of(*parts))
    found = radiopharmaceutical_of(header)
    assert (found.nuclide, found.given_at is not None) == (nuclide, joined)


def segment(*planes):
    """Planes of a segment of 10 x 12 voxels: where each stands, and what it fills."""
    made = SegmentFrames()
    for slice_, rows, columns in planes:
        plane = np.zeros((10, 12), np.float32)
        plane[rows, columns] = 1.0
        made.add(slice_, plane)
    return made


def test_a_missing_frame_is_filled_half_way_within_the_box_of_its_neighbours():
    frames = segment((3, slice(4, 7), slice(5, 8)), (5, slice(5, 9), slice(6, 10)))
    (notice,) = frames.fill_missing("Liver", "x.dcm")
    assert "lacks 1 single frame(s) between others (slice 5 first)" in notice.message  # counted from 1
    grid = Grid((8, 10, 12), np.eye(4)[[2, 1, 0, 3]])
    mask = frames.mask(grid)
    assert mask.array.shape == (3, 5, 5)  # rows 4 to 8, columns 5 to 9
    np.testing.assert_allclose(mask.array[1], (mask.array[0] + mask.array[2]) / 2)
    np.testing.assert_allclose(mask.grid.origin_mm, grid.index_to_lps((3, 4, 5)))
    assert [part[3].shape for part in frames.parts.values()] == [(3, 3), (4, 4), (5, 5)]


@pytest.mark.parametrize(
    ("own", "stated", "thick", "contradicts"),
    [
        (2.0, 4.0, None, True),  # frames nearer than stated
        (8.0, 4.0, 8.0, True),  # as thick as they lie apart
        (8.0, 4.0, 4.0, False),
        (8.0, 4.0, None, False),
    ],
)
def test_positions_of_two_frames_contradict_a_stated_distance(own, stated, thick, contradicts):
    assert _contradicts(np.array([0.0, own]), own, stated, thick) == contradicts


def test_what_lies_in_one_of_the_wanted_frames_needs_no_registration():
    link = Link("1.1", "1.2", AffineTransform(np.eye(4)), None, "x.dcm")
    known = SimpleNamespace(links=(link,))
    assert Registrations.path(known, "1.1", ["1.2"]).links == (link,)
    assert Registrations.path(known, "1.1", [None, "1.2"]).links == (link,)
    for source, targets in (
        ("1.1", ["1.1", "1.2"]),
        (None, ["1.2"]),
        ("", ["1.2"]),
        ("1.1", []),
        ("1.1", [None]),
    ):
        assert Registrations.path(known, source, targets) is None


@pytest.mark.parametrize("missing", ["RescaleSlope", "RescaleIntercept"])
def test_a_slice_without_slope_or_intercept_is_refused_by_the_one_it_lacks(missing):
    stated = {"RescaleSlope": "1", "RescaleIntercept": "0"}
    del stated[missing]
    with pytest.raises(DicomError) as told:
        check_rescaled([frame(rescaled=False, **stated)], emission=True)
    assert told.value.tag == missing


def test_slices_are_not_judged_by_their_numbers_where_one_has_none():
    numbers = ["1", "2", "9", "4", "5", "6", "7"]
    with pytest.raises(DicomError, match="InstanceNumber 9, which contradicts"):
        check_numbering([frame(InstanceNumber=number) for number in numbers])
    check_numbering([frame(InstanceNumber=number) for number in [*numbers, ""]])


def test_a_fact_that_one_slice_lacks_is_called_missing():
    both = [instance(PatientPosition="HFS"), instance()]
    series = SimpleNamespace(first=both[0], instances=both)
    with pytest.raises(DicomError, match=r"PatientPosition is HFS in x\.dcm, missing in x\.dcm"):
        check_uniform(series, emission=False)


HALVES = (MappedRange(1.0, 0.0, 0, 99), MappedRange(2.0, 0.0, 100, 200))


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (HALVES, None),
        (HALVES[::-1], None),
        ((HALVES[0], MappedRange(2.0, 0.0, 99, 200)), "stored values 99 to 99"),
        ((HALVES[0], MappedRange(1.0, 5.0, 99, 200)), "slope 1 and 1, intercept 0 and 5"),
        ((HALVES[0], MappedRange(1.0, 0.0, 50, 200)), None),  # one line in two parts
        # a line that goes on beyond a part of it
        ((HALVES[0], MappedRange(1.0, 0.0, 10, 20), MappedRange(2.0, 0.0, 50, 60)), "stored values 50 to 60"),
        ((HALVES[0], MappedRange(1.0, 0.0, 10, 20), HALVES[1]), None),
    ],
)
def test_two_lines_do_not_hold_for_one_stored_value(ranges, said):
    if said is None:
        check_ranges(ranges, "x.dcm")
    else:
        with pytest.raises(DicomError, match=said):
            check_ranges(ranges, "x.dcm")


@pytest.mark.parametrize(
    ("stored", "values"), [([0, 99, 100, 200], [0, 99, 200, 400]), ([0, 201], None), ([-1, 200], None)]
)
def test_stored_values_are_mapped_by_the_line_of_their_range(stored, values):
    if values is None:
        with pytest.raises(DicomError, match=r"1 stored values of x\.dcm lie in none of its 2"):
            mapped_values(np.array(stored), HALVES, "x.dcm")
    else:
        assert mapped_values(np.array(stored), HALVES, "x.dcm").tolist() == values
