"""DICOM SEG written, judged by highdicom and dciodvfy."""

from __future__ import annotations

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_checks import dciodvfy_errors, needs_dciodvfy
from hypothesis import given, settings
from hypothesis import strategies as st
from io_grids import GRIDS, ramp

from y90voxel.errors import GridMismatchError, InputError
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.dicom.seg_writer import write_seg
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

IDENTITY = StudyIdentity(
    "Müller^Anna", "PAT-0815", "19500101", "F", "1.2.3.4", "S1", "20240102", "093000", "A1", "Dr^Who"
)
SOURCES = (SourceSeries("1.2.3.4.1", (("1.2.840.10008.5.1.4.1.1.20", "1.2.3.4.1.1"),)),)


def framed(grid: Grid) -> Grid:
    return Grid(grid.shape, grid.affine, "1.2.3.4.99")


def overlapping_masks(grid: Grid) -> dict[str, Mask]:
    """A liver, a tumour inside it with fractions, and a region that reaches beyond."""
    liver, tumour, other = np.zeros(grid.shape), np.zeros(grid.shape), np.zeros(grid.shape)
    liver[:, 1:6, 2:8] = 1.0
    tumour[:1, 2:5, 3:6] = 0.5
    tumour[:1, 3, 3:7] = (0.49, 0.75, 1.0, 0.1)
    other[-1:, 0:7, 0:4] = 0.9
    return {"Liver": Mask(liver, grid), "GTV 1 – größer": Mask(tumour, grid), "Perfused": Mask(other, grid)}


def read_back(path, grid: Grid) -> dict[str, np.ndarray]:
    """Segments as highdicom sees them, laid on a grid by their LPS positions."""
    seg = highdicom.seg.segread(str(path))
    volume = seg.get_volume(combine_segments=False, rescale_fractional=False)
    array = np.zeros((*grid.shape, volume.array.shape[-1]))
    places = np.argwhere(np.ones(volume.spatial_shape))
    points = places @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    index = grid.lps_to_index(points)
    np.testing.assert_allclose(index, np.rint(index), atol=1e-5)
    array[tuple(np.rint(index).astype(int).T)] = volume.array[tuple(places.T)]
    return {str(item.SegmentLabel): array[..., number] for number, item in enumerate(seg.SegmentSequence)}


@pytest.mark.parametrize("name", GRIDS)
def test_highdicom_reads_the_voxels_that_are_half_occupied_at_their_points(name, tmp_path):
    grid = framed(GRIDS[name])
    masks = overlapping_masks(grid)
    assert write_seg(masks, tmp_path / "a.dcm", identity=IDENTITY, references=SOURCES) == ()
    found = read_back(tmp_path / "a.dcm", grid)
    assert list(found) == list(masks)
    for region, mask in masks.items():
        np.testing.assert_array_equal(found[region], mask.array >= 0.5)


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),  # bits of a frame rarely fill whole bytes
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
)
def test_any_overlapping_masks_read_back(shape, seed, count, tmp_path_factory):
    rng = np.random.default_rng(seed)
    grid = framed(Grid(shape, GRIDS["oblique_left_handed"].affine))
    masks = {f"region {n}": Mask(rng.random(shape) ** 3, grid) for n in range(count)}
    path = tmp_path_factory.mktemp("seg") / "a.dcm"
    write_seg(masks, path)
    found = read_back(path, grid)
    for region, mask in masks.items():
        np.testing.assert_array_equal(found[region], mask.array >= 0.5)


@needs_dciodvfy
@pytest.mark.parametrize("identity", [None, IDENTITY, IDENTITY.anonymous()])
@pytest.mark.parametrize("name", ["axial", "oblique_left_handed", "feet_first", "one_slice"])
def test_dciodvfy_finds_no_error(name, identity, tmp_path):
    masks = overlapping_masks(framed(GRIDS[name]))
    roles = {"Liver": "liver", "GTV 1 – größer": "tumour", "Perfused": "perfused"}
    write_seg(
        masks, tmp_path / "a.dcm", identity=identity, references=SOURCES, roles=roles, automatic=["Liver"]
    )
    assert dciodvfy_errors(tmp_path / "a.dcm", "Segmentation") == []


def test_segments_say_what_they_are_and_who_drew_them(tmp_path):
    masks = overlapping_masks(framed(GRIDS["axial"]))
    write_seg(
        masks, tmp_path / "a.dcm", roles={"Liver": "liver", "GTV 1 – größer": "tumour"}, automatic=["Liver"]
    )
    liver, tumour, other = pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence
    assert [item.SegmentNumber for item in (liver, tumour, other)] == [1, 2, 3]
    assert (liver.SegmentAlgorithmType, liver.SegmentAlgorithmName) == ("AUTOMATIC", "y90voxel")
    assert tumour.SegmentAlgorithmType == "MANUAL"
    kinds = [item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for item in (liver, tumour, other)]
    assert kinds == ["Liver", "Neoplasm", "Tissue"]


def test_only_filled_frames_are_stored(tmp_path):
    grid = framed(GRIDS["axial"])  # 5 slices
    write_seg(overlapping_masks(grid), tmp_path / "a.dcm")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.NumberOfFrames == 5 + 1 + 1
    indices = [
        f.FrameContentSequence[0].DimensionIndexValues for f in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert indices == [[1, 1], [1, 2], [1, 3], [1, 4], [1, 5], [2, 1], [3, 5]]


def test_segment_without_a_half_occupied_voxel_stays_and_is_told(tmp_path):
    grid = framed(GRIDS["oblique"])
    masks = {"Liver": Mask(np.ones(grid.shape), grid), "speck": Mask(np.full(grid.shape, 0.2), grid)}
    (notice,) = write_seg(masks, tmp_path / "a.dcm")
    assert notice.code == "segments-empty"
    assert "no voxel is at least half occupied by speck" in notice.message
    found = read_back(tmp_path / "a.dcm", grid)
    assert (found["Liver"].sum(), found["speck"].sum()) == (grid.size, 0)


def test_dose_and_regions_share_study_and_generated_frame(tmp_path):
    grid = GRIDS["axial"]
    (told,) = write_seg(overlapping_masks(grid), tmp_path / "seg.dcm", identity=IDENTITY)
    write_rtdose(DoseMap(ramp(grid), grid), tmp_path / "dose.dcm", identity=IDENTITY)
    seg, dose = pydicom.dcmread(tmp_path / "seg.dcm"), pydicom.dcmread(tmp_path / "dose.dcm")
    assert told.code == "frame-of-reference-generated"
    assert seg.FrameOfReferenceUID == dose.FrameOfReferenceUID
    assert seg.StudyInstanceUID == dose.StudyInstanceUID == "1.2.3.4"
    assert seg.SeriesInstanceUID != dose.SeriesInstanceUID
    assert str(seg.PatientName) == "Müller^Anna"


def test_anonymous_regions_lead_back_to_nobody(tmp_path):
    masks = overlapping_masks(framed(GRIDS["axial"]))
    write_seg(masks, tmp_path / "a.dcm", identity=IDENTITY.anonymous(), references=SOURCES)
    raw = (tmp_path / "a.dcm").read_bytes()
    for trace in (b"ller^Anna", b"PAT-0815", b"1.2.3.4", b"19500101", b"20240102"):
        assert trace not in raw


def test_writing_refuses_nothing_and_two_grids(tmp_path):
    with pytest.raises(InputError, match="no region to write"):
        write_seg({}, tmp_path / "a.dcm")
    masks = {name: Mask(np.ones(GRIDS[name].shape), GRIDS[name]) for name in ("axial", "oblique")}
    with pytest.raises(GridMismatchError, match="oblique"):
        write_seg(masks, tmp_path / "a.dcm")
    assert list(tmp_path.iterdir()) == []
