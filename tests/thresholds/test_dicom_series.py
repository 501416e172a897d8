"""What series are taken for, what of them is used and what is left out, from their headers alone."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.ct import plan_stack, raise_refusals
from y90voxel.io.dicom.ct_selection import _in_hounsfield_units, _is_hybrid
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import (
    SeriesRecord,
    SeriesRole,
    _check_class,
    _content,
    index_study,
    role_of,
)
from y90voxel.io.dicom.pet import pet_header
from y90voxel.io.dicom.planar import View, _check_alike, _grid, _is_anterior, _runs, plan_planar
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.notices import accept, refusal, warn
from y90voxel.quantification.emission import DecayReference

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
TEN = datetime(2024, 3, 12, 10)
ZEROS = np.zeros((2, 3, 4), np.int16)


def instance(**attributes):
    return Instance(FILE, factory.item(**attributes))


def record(role, *headers, **more):
    return SeriesRecord(
        "1.2",
        "1.1",
        role,
        tuple(h if isinstance(h, Instance) else Instance(FILE, h) for h in headers),
        **more,
    )


def frame_items(*uids):
    return Sequence([factory.item(**({} if uid is None else {"FrameOfReferenceUID": uid})) for uid in uids])


@pytest.mark.parametrize(
    ("role", "own", "referenced", "frame"),
    [
        ("regions", "1.5", ["1.6"], "1.5"),
        ("regions", None, ["1.6", "1.7"], "1.6"),
        ("regions", None, [None, "1.7"], "1.7"),
        ("regions", None, [None], None),
        ("ct", None, ["1.6"], None),
        ("ct", "1.5", [], "1.5"),
    ],
)
def test_regions_lie_in_their_own_frame_else_in_the_first_they_refer_to(role, own, referenced, frame):
    stated = {} if own is None else {"FrameOfReferenceUID": own}
    header = instance(ReferencedFrameOfReferenceSequence=frame_items(*referenced), **stated)
    assert record(SeriesRole(role), header).frame_of_reference_uid == frame


@pytest.mark.parametrize("count", [1, 2])
def test_objects_of_a_series_are_of_several_where_there_are_several(count):
    objects = record(SeriesRole.REGIONS, *(instance(SOPInstanceUID=f"1.{n}") for n in range(count))).objects()
    assert [one.of_several for one in objects] == [count > 1] * count
    assert [one.first.sop_instance_uid for one in objects] == [f"1.{n}" for n in range(count)]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"StructureSetLabel": "plan"}, "RTSTRUCT 'plan' (x.dcm"),
        ({"ContentLabel": "LIVER"}, "RTSTRUCT 'LIVER' (x.dcm"),
        ({}, "RTSTRUCT (x.dcm"),
    ],
)
def test_one_object_of_several_is_named_by_its_label(labels, words):
    one = record(SeriesRole.REGIONS, instance(Modality="RTSTRUCT", **labels), of_several=True)
    assert str(one).startswith(words)


SPECT = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]


@pytest.mark.parametrize(
    ("sop_class", "modality", "kind", "role"),
    [
        (factory.PET_CLASS, "PT", ["ORIGINAL", "PRIMARY"], "emission"),
        (factory.PET_CLASS, "PT", ["DERIVED", "SECONDARY", "MIP"], "other"),
        (factory.PET_CLASS, "PT", ["ORIGINAL", "PRIMARY", "LOCALIZER"], "other"),
        (factory.NM_CLASS, "OT", SPECT, "emission"),
        ("1.2.3", "OT", SPECT, "emission"),
        ("1.2.3", "NM", SPECT, "emission"),
        ("1.2.3", "MR", SPECT, "other"),
        ("1.2.3", "NM", ["ORIGINAL", "PRIMARY", "STATIC"], "other"),
    ],
)
def test_an_object_serves_for_what_its_class_modality_and_image_type_say(sop_class, modality, kind, role):
    assert role_of(instance(SOPClassUID=sop_class, Modality=modality, ImageType=kind)).value == role


@pytest.mark.parametrize(
    ("kind", "placed", "enhanced", "role"),
    [
        (["DERIVED", "SECONDARY"], False, False, "other"),  # a screenshot
        (["DERIVED", "SECONDARY"], True, False, "ct"),  # reformatted slices
        (["DERIVED", "SECONDARY"], False, True, "ct"),
        (["ORIGINAL", "PRIMARY"], False, False, "ct"),
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], True, False, "other"),
    ],
)
def test_a_ct_without_a_place_is_a_screenshot_where_it_is_secondary(kind, placed, enhanced, role):
    header = factory.item(SOPClassUID=factory.CT_CLASS, Modality="CT", ImageType=kind)
    if placed:
        header.ImagePositionPatient = ["0", "0", "0"]
    if enhanced:
        header.PerFrameFunctionalGroupsSequence = Sequence([])
    assert role_of(Instance(FILE, header)).value == role


@pytest.mark.parametrize(
    ("sop_class", "modality", "meta", "said"),
    [
        (factory.CT_CLASS, "CT", factory.CT_CLASS, None),
        (factory.CT_CLASS, "CT", None, None),
        (factory.CT_CLASS, "CT", factory.PET_CLASS, "by its meta header"),
        ("1.2.840.10008.5.1.4.1.1.66.7", "SEG", None, None),  # label maps
        ("1.2.840.10008.5.1.4.1.1.66.999", "SEG", None, "is not defined in DICOM"),
        ("1.2.840.10008.5.1.4.1.1.66.999", "ECG", None, None),  # of no use either way
        ("1.2.3.4", "SEG", None, None),  # private
    ],
)
def test_an_object_says_what_it_is_in_one_way(sop_class, modality, meta, said):
    header = factory.item(SOPClassUID=sop_class, Modality=modality)
    if meta is not None:
        header.file_meta = factory.item(MediaStorageSOPClassUID=meta)
    if said is None:
        _check_class(Instance(FILE, header))
    else:
        with pytest.raises(DicomError, match=said):
            _check_class(Instance(FILE, header))


@pytest.mark.parametrize(
    ("place", "alike"),
    [((4, 2), True), ((None, None), False), ((4, None), False), ((0, 6), False)],
)
def test_contents_are_compared_by_their_pixels_where_these_lie_bare(tmp_path, place, alike):
    contents = []
    for name, data in (("a", b"headPX"), ("b", b"HEADPX")):
        (tmp_path / name).write_bytes(data)
        header = factory.item(PatientID="1")
        contents.append(_content(Instance(SourceFile(tmp_path / name, name, 6), header, *place)))
    assert (contents[0] == contents[1]) == alike


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"words", "neither DICOM nor a zip"), (b"\x93NUMPY" + bytes(300), "a NumPy array, which does not say")],
)
def test_a_single_file_that_is_no_dicom_is_refused(tmp_path, content, words):
    (tmp_path / "x.dat").write_bytes(content)
    with pytest.raises(InputError, match=words):
        index_study(tmp_path / "x.dat")
    found = index_study(tmp_path)
    assert (found.files, found.ignored, found.series) == (1, 1, ())


# --- CT -----------------------------------------------------------------------------------------------


def test_grouping_refuses_by_refusals_alone():
    said = [accept("a", "x"), warn("b", "x")]
    raise_refusals(record(SeriesRole.CT, instance(), notices=tuple(said)))
    with pytest.raises(DicomError, match="mixed"):
        raise_refusals(record(SeriesRole.CT, instance(), notices=(*said, refusal("c", DicomError("mixed")))))


@pytest.mark.parametrize(("count", "said"), [(1, ["single-slice"]), (2, [])])
def test_one_slice_of_a_ct_is_as_thick_as_it_says(count, said):
    headers = factory.ct(ZEROS[:count])
    for header in headers:
        del header.PixelData
    stack, notices = plan_stack(record(SeriesRole.CT, *headers))
    assert [notice.code for notice in notices] == said
    assert stack.grid.spacing_mm[0] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("emission", "ct", "hybrid"),
    [
        ({"StationName": "A"}, {"StationName": "A"}, True),
        ({"StationName": "A"}, {"StationName": "B"}, False),
        ({"DeviceSerialNumber": "1", "StationName": "A"}, {"StationName": "A"}, True),
        ({"StationName": "A"}, {"DeviceSerialNumber": "1", "StationName": "A"}, True),
        (
            {"DeviceSerialNumber": "1", "StationName": "A"},
            {"DeviceSerialNumber": "2", "StationName": "A"},
            False,
        ),
        ({"StationName": "A"}, {"ManufacturerModelName": "M"}, False),
        ({}, {}, False),
    ],
)
def test_a_hybrid_camera_is_told_by_the_first_name_that_both_state(emission, ct, hybrid):
    at = {"AcquisitionDate": "20240312", "AcquisitionTime": "100000"}
    one, other = (SimpleNamespace(first=instance(**at, **names)) for names in (emission, ct))
    assert _is_hybrid(one, other) == hybrid


@pytest.mark.parametrize(
    ("types", "used", "left_out"),
    [
        (["HU", "HU"], [0, 1], None),
        (["HU", "Z_EFF"], [0], "1 CT series of another quantity than Hounsfield units are left out: CT 'b'"),
        (["Z_EFF", "Z_EFF"], [0, 1], None),  # none is left: reading says why
    ],
)
def test_maps_of_other_quantities_are_left_out_beside_a_ct(types, used, left_out):
    series = [
        record(SeriesRole.CT, instance(Modality="CT", SeriesDescription=name, RescaleType=kind))
        for name, kind in zip("ab", types, strict=True)
    ]
    notices = []
    assert _in_hounsfield_units(series, notices) == [series[i] for i in used]
    assert len(notices) == (left_out is not None)
    if left_out:
        assert notices[0].message.startswith(left_out)


# --- PET ----------------------------------------------------------------------------------------------


def header_of(datasets):
    for dataset in datasets:
        del dataset.PixelData
    return pet_header(record(SeriesRole.EMISSION, *datasets))


@pytest.mark.parametrize(
    ("acquired", "series", "day"),
    [("100000", "094500", 12), ("100000", None, 12), ("000500", "000500", 11)],
)
def test_an_administration_without_a_day_is_the_last_before_a_pet(acquired, series, day):
    drug = factory.radiopharmaceutical(
        RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime="080000"
    )
    header, _ = header_of(
        factory.pet(
            ZEROS,
            AcquisitionTime=acquired,
            SeriesTime=series,
            DecayCorrection="ADMIN",
            RadiopharmaceuticalInformationSequence=drug,
        )
    )
    assert header["administration_time"] == datetime(2024, 3, day, 8) == header["reference_time"]
    assert header["administration_day_assumed"] is True


def test_an_administration_with_its_day_is_no_assumption_of_a_pet():
    header, _ = header_of(factory.pet(ZEROS))
    assert header["administration_day_assumed"] is False
    assert header["administration_time"] == datetime(2024, 3, 12, 8)


@pytest.mark.parametrize(
    ("make", "reference"),
    [
        (factory.pet, TEN),  # DecayCorrectionDateTime is of enhanced images
        (factory.enhanced_pet, TEN - timedelta(seconds=30)),
    ],
)
def test_an_enhanced_pet_refers_to_the_instant_it_states(make, reference):
    made = make(ZEROS, DecayCorrectionDateTime="20240312095930", DecayCorrected="YES")
    header, _ = header_of(made if isinstance(made, list) else [made])
    assert (header["decay_reference"], header["reference_time"]) == (DecayReference.START, reference)


# --- planar views -------------------------------------------------------------------------------------

FRONT_TURN, BACK_TURN = (1, 0, 0, 0, 0, -1), (-1, 0, 0, 0, 0, -1)


def view(turn, position=(0, 0, 0), **header):
    return View(instance(Rows=6, Columns=9, **header), 0, True, position, turn)


@pytest.mark.parametrize(
    ("front", "back", "way"),
    [
        (FRONT_TURN, BACK_TURN, (1, -1)),
        (FRONT_TURN, FRONT_TURN, (1, 1)),
        (None, FRONT_TURN, (1, -1)),
        (FRONT_TURN, None, (1, -1)),
        (None, None, (1, -1)),
        (FRONT_TURN, (0, 0, -1, 1, 0, 0), (0, 0)),
    ],
)
def test_a_posterior_view_runs_as_its_orientation_says_else_as_seen_from_behind(front, back, way):
    assert _runs(view(front), view(back)) == way


@pytest.mark.parametrize(("front", "back"), [(None, BACK_TURN), (FRONT_TURN, None), (FRONT_TURN, BACK_TURN)])
@pytest.mark.parametrize(("one", "other"), [(None, ["4", "4"]), (["4", "4"], None)])
def test_views_are_compared_in_what_both_state(front, back, one, other):
    stated = [{} if spacing is None else {"PixelSpacing": spacing} for spacing in (one, other)]
    _check_alike(view(front, **stated[0]), view(back, **stated[1]))


@pytest.mark.parametrize(
    ("code", "meaning", "front"),
    [
        ("399321004", "x", True),
        ("399348003", "x", True),
        ("R-10206", "x", True),
        ("0", "Anterior", True),
        ("272479007", "x", False),
        ("399022004", "x", False),
        ("r-10214", "x", False),
        ("0", "posterior", False),
        ("0", "lateral", True),  # by its orientation
    ],
)
def test_a_view_is_told_by_the_code_or_the_meaning_of_its_projection(code, meaning, front):
    views = Sequence([factory.code(code, "SCT", meaning)])
    header = instance(DetectorInformationSequence=Sequence([factory.item(ViewCodeSequence=views)]))
    turn = FRONT_TURN if meaning == "lateral" else None
    assert _is_anterior(header, 0, turn) == front


@pytest.mark.parametrize(
    ("turn", "front"),
    [((1, 0, 0, 0, 0, -1), True), ((-1, 0, 0, 0, 0, -1), False), ((0, 1, 0, 0, 0, -1), None)],
)
def test_a_view_without_a_code_is_told_by_its_orientation(turn, front):
    if front is None:
        with pytest.raises(DicomError, match="from the front or from behind"):
            _is_anterior(instance(), 0, turn)
    else:
        assert _is_anterior(instance(SeriesDescription="post and ant"), 0, turn) == front


@pytest.mark.parametrize(
    ("position", "turn", "spacing", "placed"),
    [
        ((1, 2, 3), FRONT_TURN, ["4", "5"], True),
        (None, FRONT_TURN, ["4", "5"], False),
        ((1, 2, 3), None, ["4", "5"], False),
        ((1, 2, 3), FRONT_TURN, None, False),
        ((1, 2, 3), FRONT_TURN, ["0", "5"], False),
    ],
)
@pytest.mark.parametrize("frame", ["1.5", None])
def test_the_plane_of_a_view_is_known_with_position_orientation_and_pixels(
    position, turn, spacing, placed, frame
):
    stated = {} if spacing is None else {"PixelSpacing": spacing}
    stated |= {} if frame is None else {"FrameOfReferenceUID": frame}
    grid = _grid(view(turn, position, **stated), (6, 9))
    assert (grid is not None) == placed
    if grid is not None:
        assert (grid.shape, grid.spacing_mm, grid.frame_of_reference_uid) == ((1, 6, 9), (4, 4, 5), frame)
        np.testing.assert_allclose(grid.index_to_lps((0, 1, 1)), (1 + 5, 2, 3 - 4))


@pytest.mark.parametrize(
    ("lacking", "of", "said"),
    [
        ("ImageOrientationPatient", 0, ["planar-without-orientation"]),
        ("ImageOrientationPatient", 1, ["planar-without-orientation"]),
        ("ImagePositionPatient", 0, ["planar-without-position"]),
        ("ImagePositionPatient", 1, []),  # regions are projected onto the anterior view
        ("PixelSpacing", None, ["planar-without-position"]),
    ],
)
def test_what_planar_views_lack_is_said(lacking, of, said):
    header = factory.planar(ZEROS[0].astype(np.uint16), ZEROS[1].astype(np.uint16))
    delattr(header if of is None else header.DetectorInformationSequence[of], lacking)
    notices = plan_planar(record(SeriesRole.PLANAR, header))[2]
    assert [notice.code for notice in notices] == said


@pytest.mark.parametrize("vector", [[1, 1, 2], [1, 2, 2], [1, 1, 1]])
def test_one_view_of_each_side_is_needed(vector):
    views = np.zeros((3, 3, 4), np.uint16)
    header = factory.set_pixels(factory.planar(views[0], views[1]), views)
    header.DetectorVector, header.EnergyWindowVector = vector, [1, 1, 1]
    with pytest.raises(DicomError, match=f"{vector.count(1)} anterior and {vector.count(2)} posterior"):
        plan_planar(record(SeriesRole.PLANAR, header))
