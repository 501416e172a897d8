"""Numbers that DICOM states, and numbers that others read in our objects: tags, lengths, statuses, series, colours."""

import struct
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_keyword, tag_for_keyword
from pydicom.sr.codedict import codes

from y90voxel.errors import DicomError
from y90voxel.io.dicom import network, rtstruct
from y90voxel.io.dicom.axial import AxialOrder
from y90voxel.io.dicom.encapsulated_pdf import write_encapsulated_pdf
from y90voxel.io.dicom.headers import NOBODY, Instance, _with_pixel_place, read_header
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.radiation_dose_sr import SITES, AdministeredDose, write_radiation_dose_sr
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.dicom.rtdose import read_dose_origin, write_rtdose
from y90voxel.io.dicom.rtstruct_writer import _contour_item, _outlines, write_rtstruct
from y90voxel.io.dicom.seg_writer import write_seg
from y90voxel.io.dicom.sources import SourceFile, list_files
from y90voxel.io.dicom.structure import check_structure
from y90voxel.io.dicom.twin_writer import TwinHeader, write_twin_image
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform
from y90voxel.volumes.volume import DoseMap, Mask

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
GRID = Grid((2, 3, 4), np.diag([5.0, 4.0, 4.0, 1.0])[[2, 1, 0, 3]], "1.2.3")
IMAGE = SimpleNamespace(grid=GRID)


def tag_bytes(keyword):
    tag = tag_for_keyword(keyword)
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF)


def pdf(path):
    path.with_suffix(".pdf").write_bytes(b"%PDF-1.4\n")
    write_encapsulated_pdf(path.with_suffix(".pdf"), path, title="Report")


def registration(path):
    transform = AffineTransform(np.eye(4))
    write_registration(SimpleNamespace(fixed=IMAGE, moving=IMAGE, transform=transform), path)


ONES = np.ones(GRID.shape)
OBJECTS = [  # what is written, its modality and its series: 9001 onwards, behind those of scanners
    (lambda path: write_rtdose(DoseMap(ONES, GRID), path), "RTDOSE", 9001),
    (lambda path: write_seg({"Liver": Mask(ONES, GRID)}, path), "SEG", 9002),
    (lambda path: write_rtstruct({"Liver": Mask(ONES, GRID)}, path), "RTSTRUCT", 9003),
    (registration, "REG", 9004),
    (
        lambda path: write_radiation_dose_sr(AdministeredDose("Y-90", 230760.0, 2e9, "1.2.3.6"), path),
        "SR",
        9005,
    ),
    (pdf, "DOC", 9006),
]


@pytest.mark.parametrize(("write", "modality", "number"), OBJECTS, ids=[one[1] for one in OBJECTS])
def test_each_kind_of_object_has_a_series_of_its_own_behind_those_of_scanners(
    tmp_path, write, modality, number
):
    write(tmp_path / "object.dcm")
    read = pydicom.dcmread(tmp_path / "object.dcm")
    assert (read.Modality, int(read.SeriesNumber)) == (modality, number)


@pytest.mark.parametrize(("occupancy", "inside"), [(0.48, 0), (0.5, 12), (0.52, 12)])
def test_a_voxel_is_in_a_segment_that_fills_half_of_it(tmp_path, occupancy, inside):
    write_seg({"Liver": Mask(np.full(GRID.shape, occupancy), GRID)}, tmp_path / "seg.dcm")
    assert pydicom.dcmread(tmp_path / "seg.dcm").pixel_array[0].sum() == inside


def test_an_outline_runs_where_half_is_occupied():
    occupancy = np.zeros((1, 3, 3))
    occupancy[0, 1, 1] = 1.0
    ((_, polygon),) = _outlines(occupancy, (0, 0, 0))
    np.testing.assert_allclose(np.abs(polygon - 1.0).max(axis=0), 0.5)


def test_the_palette_of_okabe_and_ito_colours_the_regions_in_turn():
    orange, sky, green, yellow, blue, vermilion = "E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00"
    shown = []
    for number in range(1, 8):
        group = pydicom.filereader.read_dataset(
            pydicom.filebase.DicomBytesIO(_contour_item(number, [])),
            is_implicit_VR=False,
            is_little_endian=True,
        )
        shown.append(bytes(map(int, group.ROIDisplayColor)).hex().upper())
    assert shown == [orange, sky, green, yellow, blue, vermilion, orange]


@pytest.mark.parametrize("role", sorted(SITES))
def test_a_site_of_a_dose_is_its_organ_as_snomed_codes_it(role):
    name = {"tumour": "Neoplasm", "lungs": "Lung"}.get(role, role.capitalize())
    value, meaning = SITES[role]
    assert (value, meaning) == (getattr(codes.SCT, name).value, name)


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData", "PixelData"])
def test_the_walk_through_elements_ends_at_the_pixels_of_every_kind(keyword):
    pixels = tag_bytes(keyword) + b"OW\0\0" + struct.pack("<I", 10**6)  # of which nothing was read
    check_structure(pixels, FILE, implicit=False, little=True)


def test_what_stands_beside_the_pixels_is_walked_through():
    beside = tag_bytes("EncapsulatedDocument") + b"OB\0\0" + struct.pack("<I", 10**6)
    with pytest.raises(DicomError, match="bytes beyond what holds it"):
        check_structure(beside, FILE, implicit=False, little=True)


def test_an_overlay_in_unused_bits_is_seen_in_the_header(tmp_path):
    dataset = factory.ct(np.ones((1, 2, 2), np.uint16))[0]
    dataset.add_new(0x60000102, "US", 12)
    (path,) = factory.save(dataset, tmp_path)
    header = read_header(list_files(path)[0]).header
    assert [element.value for element in header if element.tag.group == 0x6000] == [12]
    assert dictionary_keyword(0x60000102) == "OverlayBitPosition"


def test_pixels_of_fewer_bytes_than_their_own_head_are_found(tmp_path):
    (path,) = factory.save(factory.ct(np.ones((1, 1, 2), np.uint8))[0], tmp_path)
    assert read_header(list_files(path)[0]).pixel_bytes == 2


@pytest.mark.parametrize(("length", "found"), [(0xFFFFFFFE, 0xFFFFFFFE), (0xFFFFFFFF, None)])
@pytest.mark.parametrize("implicit", [False, True])
def test_pixels_whose_length_is_undefined_are_in_fragments(length, found, implicit):
    header = factory.header(factory.CT_CLASS, "CT", "s", "i")
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" + ("" if implicit else ".1")
    header.set_original_encoding(implicit, True)
    head = tag_bytes("PixelData") + (b"" if implicit else b"OW\0\0") + struct.pack("<I", length)
    assert _with_pixel_place(FILE, header, 100, head.ljust(12, b"\0")).pixel_bytes == found


def test_headers_of_nobody_have_the_key_of_nobody():
    assert Instance(FILE, factory.item()).patient_key == "e3b0c44298fc1c14"  # sha256 of nothing
    assert NOBODY == "e3b0c44298fc1c14"


def contour(numbers):
    dataset = pydicom.Dataset()
    dataset.add_new(tag_for_keyword("ContourData"), "DS", None)
    dataset[tag_for_keyword("ContourData")] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag("ContourData"), "DS", len(numbers or b""), numbers, 0, False, True
    )
    return dataset


def test_points_of_a_contour_are_read_from_contour_data():
    assert rtstruct._points(contour(b"1\\2\\3\\4\\5\\6"), FILE, "Liver").tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("empty", [b"", None])
def test_a_contour_without_data_has_no_points(empty):
    assert rtstruct._points(contour(empty), FILE, "Liver").shape == (0, 3)


def test_a_number_with_an_underscore_is_none():
    with pytest.raises(DicomError, match="an underscore in a number"):
        rtstruct._points(contour(b"1_0\\2\\3"), FILE, "Liver")


@pytest.mark.parametrize(
    ("frame", "patient", "origin"),
    [("1.2.3", "P1", ("1.2.3", "P1")), ("", "", (None, None))],
)
def test_a_dose_tells_whose_it_is_and_in_which_coordinates(tmp_path, frame, patient, origin):
    dose = factory.header(
        "1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "d", "1", FrameOfReferenceUID=frame, PatientID=patient
    )
    (path,) = factory.save(dose, tmp_path)
    found = read_dose_origin(path)
    assert (found.frame_of_reference_uid, found.patient_id) == origin


def test_what_is_no_dose_tells_nothing_of_one(tmp_path):
    (path,) = factory.save(factory.ct(np.ones((1, 2, 2), np.uint16))[0], tmp_path)
    with pytest.raises(DicomError, match="is not an RTDOSE file"):
        read_dose_origin(path)


def test_a_number_of_a_contour_has_64_characters_at_most():
    digits = b"1." + b"0" * 62
    assert rtstruct._points(contour(digits + b"\\2\\3"), FILE, "Liver").tolist() == [[1, 2, 3]]
    with pytest.raises(DicomError, match="a number of 65 characters"):
        rtstruct._points(contour(digits + b"0\\2\\3"), FILE, "Liver")


@pytest.mark.parametrize(("count", "taken"), [(19_999_998, True), (20_000_001, False)])
def test_a_contour_has_20_million_numbers_at_most(monkeypatch, count, taken):
    # so many numbers, one in memory
    monkeypatch.setattr(rtstruct.np, "fromiter", lambda *_: np.broadcast_to(0.0, count))
    if taken:
        assert len(rtstruct._points(contour(b"0\\0\\0"), FILE, "Liver")) == count // 3
    else:
        with pytest.raises(DicomError, match=f"{count} numbers, not all of them finite triples"):
            rtstruct._points(contour(b"0\\0\\0"), FILE, "Liver")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0x0000, ""),
        (0xB000, ""),  # coercion of data elements
        (0xB006, ""),  # elements discarded
        (0xB007, ""),  # data set does not match SOP class
        (0xA700, "status 0xA700"),  # out of resources
        (0xB001, "status 0xB001"),
        (0xC000, "status 0xC000"),
        (None, "no answer"),
    ],
)
def test_an_object_is_stored_where_the_archive_says_so_with_or_without_a_remark(status, said):
    answer = None if status is None else {"Status": status}
    association = SimpleNamespace(is_established=True, send_c_store=lambda file: answer)
    assert network._run_c_store(association, Path("x.dcm")) == said


HEADER = TwinHeader("Y-90", datetime(2024, 3, 12, 8), datetime(2024, 3, 12, 10), 1200.0, 1e9, "OSEM", "", 1)


def test_a_twin_fills_16_bits_and_states_its_rotation(tmp_path):
    values = np.linspace(0.0, 7.5, GRID.shape[0] * 12).reshape(GRID.shape)
    write_twin_image(values, GRID, "NM", HEADER, StudyIdentity(), tmp_path)
    read = pydicom.dcmread(tmp_path / "volume.dcm")
    assert read.pixel_array.max() == 32767
    np.testing.assert_allclose(read.pixel_array * float(read.RescaleSlope), values, atol=7.5 / 32767)
    assert read.FrameIncrementPointer == tag_for_keyword("SliceVector")
    turn = read.RotationInformationSequence[0]
    assert (turn.NumberOfFramesInRotation, int(turn.ActualFrameDuration)) == (
        60,
        20_000,
    )  # 6° and 20 s a view


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_frames_run_to_superior_rows_to_posterior_and_columns_to_the_left(order):
    affine = np.eye(4)
    affine[:3, :3] = np.diag([2.0, 3.0, 5.0])[:, list(order)]  # left 2 mm, posterior 3 mm, superior 5 mm
    assert AxialOrder.of(Grid((4, 4, 4), affine)).spacing_mm == (5.0, 3.0, 2.0)
