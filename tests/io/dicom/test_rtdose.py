"""RTDOSE written and read, judged by SimpleITK, dicompyler-core and dciodvfy."""

from __future__ import annotations

import importlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pydicom.dicomio
import pytest
import SimpleITK
from dicom_checks import dciodvfy_errors, needs_dciodvfy
from dicom_factory import edited
from hypothesis import given, settings
from io_grids import GRIDS, grids, points_mm, ramp
from pydicom.uid import ExplicitVRLittleEndian

from y90voxel.errors import DicomError, GeometryError, InputError, Notice, UnitError
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.rtdose import read_rtdose, write_rtdose
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

CT, NM, RTSTRUCT = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.481.3",
)
IDENTITY = StudyIdentity(
    "Müller^Anna", "PAT-0815", "19500101", "F", "1.2.3.4", "S1", "20240102", "093000", "A1", "Dr^Who"
)
SOURCES = (
    SourceSeries("1.2.3.4.1", ((NM, "1.2.3.4.1.1"),)),
    SourceSeries("1.2.3.4.2", tuple((CT, f"1.2.3.4.2.{n}") for n in range(1, 4)), "1.2.3.4"),
    SourceSeries("1.2.3.4.3", ((RTSTRUCT, "1.2.3.4.3.1"),)),
    SourceSeries("1.2.9.1", ((CT, "1.2.9.1.1"),), "1.2.9"),
)


def framed(grid: Grid, uid: str = "1.2.3.4.99") -> Grid:
    return Grid(grid.shape, grid.affine, uid)


@pytest.fixture
def dicompyler_grid(monkeypatch):
    """dicompyler-core's view of a dose file; it still wants the old name of dcmread, gone in pydicom 3."""
    monkeypatch.setattr(pydicom.dicomio, "read_file", pydicom.dcmread, raising=False)
    return importlib.import_module("dicompylercore.dose").DoseGrid


def dose_on(grid: Grid) -> DoseMap:
    return DoseMap(0.37 * ramp(grid, np.float64), grid)


@pytest.fixture
def plain(tmp_path) -> Path:
    write_rtdose(dose_on(framed(GRIDS["axial"])), tmp_path / "dose.dcm", identity=IDENTITY)
    return tmp_path / "dose.dcm"


# geometry and values


def check_same_at_points(dose: DoseMap, back: DoseMap, atol: float) -> None:
    """Every voxel centre of one is a voxel centre of the other, with the same dose."""
    index = back.grid.lps_to_index(points_mm(dose.grid))
    np.testing.assert_allclose(index, np.rint(index), atol=1e-6)
    i, j, k = np.moveaxis(np.rint(index).astype(int), -1, 0)
    np.testing.assert_allclose(back.array[i, j, k], dose.array, rtol=0, atol=atol)


@pytest.mark.parametrize("name", GRIDS)
def test_doses_read_back_within_half_a_step_at_the_same_points(name, tmp_path):
    dose = dose_on(framed(GRIDS[name]))
    write_rtdose(dose, tmp_path / "dose.dcm")
    back = read_rtdose(tmp_path / "dose.dcm")
    # half a step, and what 16 characters of DoseGridScaling lose (5e-11)
    check_same_at_points(dose, back, dose.array.max() * (0.5 / (2**32 - 1) + 5e-11))
    assert back.grid.frame_of_reference_uid == "1.2.3.4.99"


@settings(deadline=None, max_examples=60)
@given(grid=grids())
def test_any_grid_reads_back(grid, tmp_path_factory):
    path = tmp_path_factory.mktemp("rtdose") / "dose.dcm"
    dose = DoseMap(ramp(grid, np.float64) + 1.0, framed(grid))
    write_rtdose(dose, path, bits=16)
    check_same_at_points(dose, read_rtdose(path), dose.array.max() * (0.5 / (2**16 - 1) + 1e-9))


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "one_slice"])
def test_simpleitk_sees_the_same_dose_at_the_same_points(name, tmp_path):
    dose = dose_on(framed(GRIDS[name]))
    write_rtdose(dose, tmp_path / "dose.dcm")
    image = SimpleITK.ReadImage(str(tmp_path / "dose.dcm"))
    scaling = float(pydicom.dcmread(tmp_path / "dose.dcm", stop_before_pixels=True).DoseGridScaling)
    for index in np.ndindex(dose.grid.shape):
        found = image.TransformPhysicalPointToContinuousIndex(dose.grid.index_to_lps(index).tolist())
        np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
        level = image.GetPixel([round(x) for x in found])
        assert level * scaling == pytest.approx(dose.array[index], abs=1e-7)


@pytest.mark.filterwarnings("ignore:The 'pydicom.pixel_data_handlers' module")
@pytest.mark.parametrize(
    "name", ["axial", "downwards", "feet_first", "prone", "sagittal", "coronal", "third_turn"]
)
def test_dicompyler_sees_the_same_dose_at_the_same_points(name, tmp_path, dicompyler_grid):
    # dicompyler-core takes PixelSpacing[0] for x and ignores the orientation: square pixels, axes along the patient's
    axes = np.rint(GRIDS[name].directions)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * 2.5, GRIDS[name].origin_mm
    dose = dose_on(Grid(GRIDS[name].shape, affine, "1.2.3"))
    write_rtdose(dose, tmp_path / "dose.dcm")
    found = dicompyler_grid(str(tmp_path / "dose.dcm"))
    for index in np.ndindex(dose.grid.shape):
        x, y, z = dose.grid.index_to_lps(index)
        i, j, k = (int(np.argmin(np.abs(axis - p))) for axis, p in zip(found.axes, (x, y, z), strict=True))
        np.testing.assert_allclose((found.x_axis[i], found.y_axis[j], found.z_axis[k]), (x, y, z), atol=1e-6)
        assert found.dose_grid[i, j, k] == pytest.approx(dose.array[index], abs=1e-7)


@pytest.mark.parametrize(
    "name", ["axial", "downwards", "feet_first", "prone", "sagittal", "coronal", "third_turn"]
)
def test_grids_along_the_body_are_written_in_axial_order(name, tmp_path):
    write_rtdose(dose_on(framed(GRIDS[name])), tmp_path / "dose.dcm")
    dataset = pydicom.dcmread(tmp_path / "dose.dcm")
    np.testing.assert_allclose(dataset.ImageOrientationPatient, (1, 0, 0, 0, 1, 0), atol=1e-9)
    np.testing.assert_allclose(dataset.ImagePositionPatient, GRIDS[name].index_to_lps(
        np.argwhere(np.ones(GRIDS[name].shape))
    ).min(axis=0), atol=1e-6)  # fmt: skip


def test_frame_offsets_are_relative_and_along_the_normal(tmp_path):
    grid = GRIDS["oblique_left_handed"]
    write_rtdose(dose_on(framed(grid)), tmp_path / "dose.dcm")
    dataset = pydicom.dcmread(tmp_path / "dose.dcm")
    np.testing.assert_allclose(dataset.GridFrameOffsetVector, 3.0 * np.arange(5), atol=1e-9)
    normal = np.cross(dataset.ImageOrientationPatient[:3], dataset.ImageOrientationPatient[3:])
    np.testing.assert_allclose(normal, -grid.directions[:, 0], atol=1e-9)
    np.testing.assert_allclose(dataset.ImagePositionPatient, grid.index_to_lps((4, 0, 0)), atol=1e-6)
    assert dataset.FrameIncrementPointer == 0x3004000C
    assert (dataset.PixelSpacing, dataset.SliceThickness) == ([1.5, 2.25], 3.0)


@pytest.mark.parametrize(("bits", "top"), [(16, 2**16 - 1), (32, 2**32 - 1)])
@pytest.mark.parametrize("highest", [1e-6, 0.3, 212.3456789, 4.2e5])
def test_levels_fill_the_range(bits, top, highest, tmp_path):
    grid = framed(GRIDS["oblique"])
    dose = DoseMap(ramp(grid, np.float64) * (highest / (grid.size - 1)), grid)
    write_rtdose(dose, tmp_path / "dose.dcm", bits=bits)
    dataset = pydicom.dcmread(tmp_path / "dose.dcm")
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (bits, bits, bits - 1)
    assert dataset.PixelRepresentation == 0
    assert dataset.pixel_array.max() == top
    step = float(dataset.DoseGridScaling)
    # 16 characters hold at least 10 digits of the step
    assert step * top == pytest.approx(highest, rel=1e-9)


def test_zero_dose_is_written_and_read(tmp_path):
    grid = framed(GRIDS["axial"])
    write_rtdose(DoseMap(np.zeros(grid.shape), grid), tmp_path / "dose.dcm")
    assert not read_rtdose(tmp_path / "dose.dcm").array.any()


def test_levels_of_no_dose_are_of_one_gray(tmp_path):
    grid = framed(GRIDS["axial"])
    write_rtdose(DoseMap(np.zeros(grid.shape), grid), tmp_path / "d.dcm")
    assert pydicom.dcmread(tmp_path / "d.dcm").DoseGridScaling == 1


@pytest.mark.parametrize("frames", [1, 2])
def test_a_dose_of_one_or_two_frames_reads_back(frames, tmp_path):
    grid = Grid((frames, 3, 4), np.diag([5.0, 4.0, 3.0, 1.0])[[2, 1, 0, 3]], "1.2.3")
    values = np.arange(12.0 * frames).reshape(grid.shape)
    write_rtdose(DoseMap(values, grid), tmp_path / "d.dcm")
    back = read_rtdose(tmp_path / "d.dcm")
    np.testing.assert_allclose(back.array, values, atol=1e-4)
    np.testing.assert_allclose(back.grid.affine, grid.affine)
    assert pydicom.dcmread(tmp_path / "d.dcm").get("NumberOfFrames", 1) == frames


def test_negative_doses_become_zero_and_are_counted(tmp_path):
    grid = framed(GRIDS["axial"])
    values = ramp(grid, np.float64) - 2.0
    (notice,) = write_rtdose(DoseMap(values, grid), tmp_path / "dose.dcm")
    assert notice.code == "dose-clipped"
    assert "2 voxels have a dose below 0 (down to -2 Gy" in notice.message
    back = read_rtdose(tmp_path / "dose.dcm").array
    np.testing.assert_allclose(back, np.maximum(values, 0.0), atol=1e-6)


def test_entirely_negative_dose_is_zero(tmp_path):
    grid = framed(GRIDS["axial"])
    write_rtdose(DoseMap(np.full(grid.shape, -1.0), grid), tmp_path / "dose.dcm")
    assert not read_rtdose(tmp_path / "dose.dcm").array.any()


# what it belongs to


def test_patient_study_and_frame_are_those_of_the_source(tmp_path):
    when = datetime(2024, 5, 6, 7, 8, 9)
    write_rtdose(
        dose_on(framed(GRIDS["axial"])), tmp_path / "a.dcm", identity=IDENTITY, comment="Y-90", created=when
    )
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert str(dataset.PatientName) == "Müller^Anna"
    assert (dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex) == ("PAT-0815", "19500101", "F")
    assert (dataset.StudyInstanceUID, dataset.StudyID, dataset.AccessionNumber) == ("1.2.3.4", "S1", "A1")
    assert (dataset.StudyDate, dataset.StudyTime) == ("20240102", "093000")
    assert str(dataset.ReferringPhysicianName) == "Dr^Who"
    assert dataset.FrameOfReferenceUID == "1.2.3.4.99"
    assert (dataset.Modality, dataset.DoseUnits, dataset.DoseType) == ("RTDOSE", "GY", "PHYSICAL")
    assert (dataset.ContentDate, dataset.ContentTime, dataset.DoseComment) == ("20240506", "070809", "Y-90")
    assert dataset.Manufacturer == "y90voxel"
    assert "research use" in dataset.SeriesDescription
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_each_file_is_a_series_of_its_own(tmp_path):
    for name in ("a.dcm", "b.dcm"):
        write_rtdose(dose_on(framed(GRIDS["axial"])), tmp_path / name, identity=IDENTITY)
    a, b = (pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "b.dcm"))
    assert a.StudyInstanceUID == b.StudyInstanceUID
    assert a.SeriesInstanceUID != b.SeriesInstanceUID
    assert a.SOPInstanceUID != b.SOPInstanceUID


def test_sources_are_referred_to_by_study_and_series(tmp_path):
    write_rtdose(dose_on(framed(GRIDS["axial"])), tmp_path / "a.dcm", identity=IDENTITY, references=SOURCES)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    here = dataset.ReferencedSeriesSequence
    assert [series.SeriesInstanceUID for series in here] == ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]
    assert [len(series.ReferencedInstanceSequence) for series in here] == [1, 3, 1]
    (other,) = dataset.StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == "1.2.9"
    assert other.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.9.1"
    assert dataset.DoseSummationType == "PLAN_OVERVIEW"
    (overview,) = dataset.PlanOverviewSequence
    assert [i.ReferencedSOPInstanceUID for i in overview.ReferencedStructureSetSequence] == ["1.2.3.4.3.1"]
    assert len(dataset.SourceInstanceSequence) == 6


def test_sources_of_another_study_alone(tmp_path):
    write_rtdose(
        dose_on(framed(GRIDS["axial"])), tmp_path / "a.dcm", identity=IDENTITY, references=SOURCES[3:]
    )
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert "ReferencedSeriesSequence" not in dataset
    assert dataset.StudiesContainingOtherReferencedInstancesSequence[0].StudyInstanceUID == "1.2.9"


def test_without_a_structure_set_the_overview_refers_to_the_images(tmp_path):
    write_rtdose(
        dose_on(framed(GRIDS["axial"])), tmp_path / "a.dcm", identity=IDENTITY, references=SOURCES[:2]
    )
    (overview,) = pydicom.dcmread(tmp_path / "a.dcm").PlanOverviewSequence
    assert len(overview.ReferencedImageSequence) == 4


def test_anonymous_dose_leads_back_to_nobody(tmp_path):
    notices = write_rtdose(
        dose_on(framed(GRIDS["axial"])),
        tmp_path / "a.dcm",
        identity=IDENTITY.anonymous(),
        references=SOURCES,
    )
    assert notices == ()
    raw = (tmp_path / "a.dcm").read_bytes()
    for trace in (b"ller^Anna", b"PAT-0815", b"1.2.3.4", b"1.2.9", b"19500101", b"20240102", b"Who"):
        assert trace not in raw
    assert pydicom.dcmread(tmp_path / "a.dcm").PatientIdentityRemoved == "YES"


def test_grid_without_a_frame_gets_one_and_says_so(tmp_path):
    for name in ("a.dcm", "b.dcm"):
        (notice,) = write_rtdose(dose_on(GRIDS["axial"]), tmp_path / name, identity=IDENTITY)
        assert notice.code == "frame-of-reference-generated"
    a, b = (pydicom.dcmread(tmp_path / name).FrameOfReferenceUID for name in ("a.dcm", "b.dcm"))
    assert a == b  # objects of one study stay in one frame
    assert a in notice.message
    write_rtdose(dose_on(GRIDS["axial"]), tmp_path / "c.dcm")
    assert pydicom.dcmread(tmp_path / "c.dcm").FrameOfReferenceUID != a


@pytest.mark.filterwarnings("ignore:The PN component length")
def test_values_of_old_headers_are_carried_over(tmp_path):
    old = StudyIdentity("X" * 70, "I" * 70, "1950.01.01", "F", "1.2.3", "", "1993.05.21", "10:20:30", "", "")
    write_rtdose(dose_on(framed(GRIDS["axial"])), tmp_path / "a.dcm", identity=old)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert (dataset.StudyDate, dataset.StudyTime, dataset.PatientBirthDate) == (
        "19930521",
        "102030",
        "19500101",
    )
    assert str(dataset.PatientName) == "X" * 70
    write_rtdose(
        dose_on(framed(GRIDS["axial"])),
        tmp_path / "b.dcm",
        identity=StudyIdentity(study_date="May", study_time="noon"),
    )
    dataset = pydicom.dcmread(tmp_path / "b.dcm")
    assert (dataset.StudyDate, dataset.StudyTime) == ("", "")


def test_long_comments_are_cut_to_what_dicom_holds(tmp_path):
    write_rtdose(dose_on(framed(GRIDS["axial"])), tmp_path / "a.dcm", comment="c" * 80)
    assert pydicom.dcmread(tmp_path / "a.dcm").DoseComment == "c" * 63 + "…"


def test_effective_dose_says_what_it_is(tmp_path):
    dose = dose_on(framed(GRIDS["axial"]))
    write_rtdose(dose, tmp_path / "a.dcm", effective=True, comment="BED, alpha/beta 10 Gy")
    assert pydicom.dcmread(tmp_path / "a.dcm").DoseType == "EFFECTIVE"
    with pytest.raises(InputError, match="an effective dose needs a comment"):
        write_rtdose(dose, tmp_path / "b.dcm", effective=True)
    with pytest.warns(Notice, match=r"effective dose \(BED, alpha/beta 10 Gy\)"):
        read_rtdose(tmp_path / "a.dcm")
    notices = []
    read_rtdose(tmp_path / "a.dcm", notices=notices)
    assert [notice.code for notice in notices] == ["dose-effective"]


@needs_dciodvfy
@pytest.mark.parametrize("effective", [False, True])
@pytest.mark.parametrize("identity", [None, IDENTITY, IDENTITY.anonymous()])
@pytest.mark.parametrize("name", ["axial", "oblique_left_handed", "feet_first", "one_slice"])
def test_dciodvfy_finds_no_error_in_a_16_bit_twin(name, identity, effective, tmp_path):
    write_rtdose(
        dose_on(framed(GRIDS[name])), tmp_path / "a.dcm", identity=identity, references=SOURCES, comment="Y-90",
        effective=effective, bits=16,
    )  # fmt: skip
    assert dciodvfy_errors(tmp_path / "a.dcm", "RTDose") == []


def test_writing_refuses_what_rtdose_cannot_hold(tmp_path):
    grid = GRIDS["axial"]
    with pytest.raises(InputError, match="16 or 32 bits, not 8"):
        write_rtdose(dose_on(grid), tmp_path / "a.dcm", bits=8)
    with pytest.raises(InputError, match="315 of 315 voxels are NaN"):
        write_rtdose(DoseMap(np.full(grid.shape, np.nan), grid), tmp_path / "a.dcm")
    assert list(tmp_path.iterdir()) == []


# reading what others write


def test_frames_against_the_normal_are_understood(plain):
    before = read_rtdose(plain)
    offsets = [-float(x) for x in pydicom.dcmread(plain).GridFrameOffsetVector]
    after = read_rtdose(edited(plain, GridFrameOffsetVector=offsets))
    np.testing.assert_allclose(
        after.grid.index_to_lps((4, 2, 3)), before.grid.index_to_lps((-4, 2, 3)), atol=1e-9
    )


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0)])
def test_absolute_frame_offsets_are_z_whatever_the_normal(plain, orientation):
    dataset = pydicom.dcmread(plain)
    z = float(dataset.ImagePositionPatient[2])
    offsets = [z + 3.0 * k for k in range(5)]
    grid = read_rtdose(
        edited(plain, GridFrameOffsetVector=offsets, ImageOrientationPatient=list(orientation))
    ).grid
    np.testing.assert_allclose([grid.index_to_lps((k, 0, 0))[2] for k in range(5)], offsets, atol=1e-9)


def test_single_frame_takes_its_thickness(tmp_path):
    write_rtdose(dose_on(framed(GRIDS["one_slice"])), tmp_path / "a.dcm")
    assert read_rtdose(tmp_path / "a.dcm").grid.spacing_mm == pytest.approx((3.0, 1.5, 2.25))
    with pytest.raises(DicomError, match="has no SliceThickness"):
        read_rtdose(edited(tmp_path / "a.dcm", SliceThickness=None))


@pytest.mark.parametrize(
    "keyword",
    [
        "DoseGridScaling",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "GridFrameOffsetVector",
    ],
)
def test_missing_attributes_are_named(plain, keyword):
    with pytest.raises(DicomError, match=f"has no {keyword}") as caught:
        read_rtdose(edited(plain, **{keyword: None}))
    assert (caught.value.tag, caught.value.file) == (keyword, str(plain))


@pytest.mark.parametrize(
    ("attributes", "error", "match"),
    [
        ({"DoseUnits": "RELATIVE"}, UnitError, "DoseUnits is RELATIVE, GY is needed"),
        ({"DoseType": "ERROR"}, DicomError, "holds dose differences"),
        ({"SOPClassUID": CT, "Modality": "CT"}, DicomError, r"not an RTDOSE file \(it is CT\)"),
        ({"DoseGridScaling": "0"}, DicomError, "is 0 Gy a level; it must be above 0"),
        ({"DoseGridScaling": "-1"}, DicomError, "is -1 Gy a level; it must be above 0"),
        ({"PixelData": None}, DicomError, "pixels of .* cannot be read"),
        ({"GridFrameOffsetVector": [0, 3, 6, 10, 12]}, GeometryError, "unevenly spaced, 2 to 4 mm apart"),
        ({"GridFrameOffsetVector": [0, 0, 0, 0, 0]}, GeometryError, "unevenly spaced, 0 to 0 mm apart"),
        (
            {"GridFrameOffsetVector": [7, 10, 13, 16, 19]},
            DicomError,
            "begins with 7 mm, which is neither 0 nor",
        ),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0.6, 0.8, 0]},
            DicomError,
            "not a pair of perpendicular unit vectors",
        ),
        # each was read once, mirrored or of half the width
        ({"ImageOrientationPatient": [0.5, 0, 0, 0, 1, 0]}, DicomError, r"lengths 0\.5000 and 1\.0000"),
        ({"PixelSpacing": [-3, 2]}, DicomError, "PixelSpacing of .* is -3 x 2 mm; it must be positive"),
        ({"PixelSpacing": [3, 0]}, DicomError, "PixelSpacing of .* is 3 x 0 mm; it must be positive"),
        ({"ImagePositionPatient": [0, 1e6, 0]}, DicomError, "out of reach of any scanner"),
    ],
)
def test_doses_that_cannot_be_used_are_refused(plain, attributes, error, match):
    with pytest.raises(error, match=match):
        read_rtdose(edited(plain, **attributes))


def test_absolute_offsets_of_oblique_frames_are_refused(tmp_path):
    write_rtdose(dose_on(framed(GRIDS["oblique"])), tmp_path / "a.dcm")
    z = float(pydicom.dcmread(tmp_path / "a.dcm").ImagePositionPatient[2])
    with pytest.raises(DicomError, match="neither 0 nor the z"):
        read_rtdose(edited(tmp_path / "a.dcm", GridFrameOffsetVector=[z + 3.0 * k for k in range(5)]))


@pytest.mark.parametrize(("highest", "refused"), [(2**31 - 1, False), (2**31, True)])
def test_signed_pixels_are_read_unless_one_is_below_zero(plain, highest, refused):
    dataset = pydicom.dcmread(plain)
    levels = np.zeros(dataset.pixel_array.shape, "<u4")
    levels[0, 0, 0] = highest
    path = edited(plain, PixelRepresentation=1, PixelData=levels.tobytes())
    if refused:
        with pytest.raises(DicomError, match=r"1 of .* voxels have a dose below 0") as caught:
            read_rtdose(path)
        assert caught.value.tag == "PixelRepresentation"
    else:
        assert read_rtdose(path).array.max() == highest * float(dataset.DoseGridScaling)


def test_partial_doses_are_told(plain):
    notices = []
    read_rtdose(edited(plain, DoseSummationType="BEAM"), notices=notices)
    assert [notice.code for notice in notices] == ["dose-partial"]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.dcm").write_text("not DICOM " * 20)
    with pytest.raises(DicomError, match="is not a DICOM file"):
        read_rtdose(tmp_path / "a.dcm")
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        read_rtdose(tmp_path / "absent.dcm")
