"""Segmentations: binary, fractional, label maps, overlapping, empty frames omitted, any geometry."""

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import oblique_affine
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.seg import read_seg
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample

SHAPE = (6, 9, 11)  # frames of 99 bits do not end at bytes
OBLIQUE = oblique_affine((4, 3, 2), (10, 20, 30), (0.3, -0.2, 0.5), (-1, 1, 1))
RNG = np.random.default_rng(0)
LIVER = RNG.random(SHAPE) > 0.6
TUMOUR = np.zeros(SHAPE)
TUMOUR[1, 3:6, 4:7] = 1
TUMOUR[4, 2, 2] = 1  # planes 2 and 3 between are empty


def read(dataset, folder):
    factory.save(dataset, folder)
    (series,) = index_study(folder).series
    return read_seg(series)


def on(region, affine=OBLIQUE):
    """The mask on the whole grid it was cut from."""
    return resample(region.shape, Grid(SHAPE, affine, factory.FRAME)).array


@pytest.mark.parametrize("affine", [factory.AXIAL, OBLIQUE], ids=["axial", "oblique"])
@pytest.mark.parametrize("omit", [True, False])
def test_binary_overlapping_segments_come_back_bit_for_bit(tmp_path, affine, omit):
    dataset = factory.seg({"Liver": LIVER, "GTV": TUMOUR}, affine, omit_empty=omit)
    regions, notices = read(dataset, tmp_path)
    assert [r.name for r in regions] == ["Liver", "GTV"]
    np.testing.assert_allclose(on(regions[0], affine), LIVER, atol=1e-4)
    np.testing.assert_allclose(on(regions[1], affine), TUMOUR, atol=1e-4)
    assert regions[1].shape.grid.shape == (4, 4, 5)
    assert (notices, regions[0].automatic) == ((), False)


def test_fractional_segments_keep_their_occupancy(tmp_path):
    occupancy = np.round(RNG.random(SHAPE) * 200) / 200
    (region,), _ = read(factory.seg({"Liver": occupancy}, OBLIQUE, "FRACTIONAL"), tmp_path)
    np.testing.assert_allclose(on(region), occupancy, atol=1e-4)


def test_probabilities_are_reported(tmp_path):
    dataset = factory.seg({"Liver": LIVER * 0.5}, kind="FRACTIONAL", SegmentationFractionalType="PROBABILITY")
    assert [f.code for f in read(dataset, tmp_path)[1]] == ["segment-probability"]


def label_map():
    """Two segments in one set of frames."""
    dataset = factory.seg({"Liver": np.ones(SHAPE), "GTV": np.zeros(SHAPE)}, OBLIQUE, "LABELMAP")
    labels = np.where(TUMOUR > 0, 2, LIVER).astype(np.uint8)
    return factory.set_pixels(dataset, labels)


def test_label_maps_are_taken_apart(tmp_path):
    regions, _ = read(label_map(), tmp_path)
    np.testing.assert_allclose(on(regions[0]), LIVER & (TUMOUR == 0), atol=1e-4)
    np.testing.assert_allclose(on(regions[1]), TUMOUR, atol=1e-4)


def test_compressed_segments_are_decoded(tmp_path):
    dataset = label_map()
    dataset.compress("1.2.840.10008.1.2.5")
    regions, _ = read(dataset, tmp_path)
    np.testing.assert_allclose(on(regions[1]), TUMOUR, atol=1e-4)


def test_the_step_comes_from_positions_when_it_is_not_stated(tmp_path):
    dataset = factory.seg({"GTV": TUMOUR, "Liver": LIVER}, OBLIQUE)
    del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    regions, _ = read(dataset, tmp_path)
    np.testing.assert_allclose(on(regions[0]), TUMOUR, atol=1e-4)


def test_a_single_plane_takes_the_thickness(tmp_path):
    dataset = factory.seg({"GTV": TUMOUR * (np.arange(6) == 4)[:, None, None]}, OBLIQUE)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    (region,), _ = read(dataset, tmp_path / "a")
    assert region.shape.volume_ml == pytest.approx(4 * 3 * 2 / 1000)
    measures.SliceThickness = "0"
    with pytest.raises(DicomError, match="one plane and neither SpacingBetweenSlices nor SliceThickness"):
        read(dataset, tmp_path / "b")


@pytest.mark.parametrize("frame", [factory.FRAME, None])
def test_segments_lie_in_the_frame_of_reference_that_the_object_states(tmp_path, frame):
    (region,), _ = read(factory.seg({"Liver": LIVER}, FrameOfReferenceUID=frame), tmp_path)
    assert region.shape.grid.frame_of_reference_uid == frame


def test_empty_segments_are_left_out_and_said(tmp_path):
    dataset = factory.seg({"Liver": LIVER, "Empty": np.zeros(SHAPE)}, OBLIQUE)
    regions, notices = read(dataset, tmp_path)
    assert [r.name for r in regions] == ["Liver"]
    assert [f.code for f in notices] == ["empty-segment"]


def test_segments_without_label_get_their_number_and_automatic_ones_a_mark(tmp_path):
    dataset = factory.seg({"x": LIVER}, OBLIQUE)
    factory.change(dataset.SegmentSequence[0], SegmentLabel="", SegmentAlgorithmType="AUTOMATIC")
    (region,), _ = read(dataset, tmp_path)
    assert (region.name, region.automatic) == ("segment 1", True)


def test_the_writer_of_highdicom_is_understood(tmp_path):
    """Bits, positions and empty frames as a second implementation writes them."""
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    sources = factory.ct(np.zeros(SHAPE, np.uint16), OBLIQUE)
    for dataset in sources:
        dataset.PositionReferenceIndicator = ""
        dataset.PatientPosition = "HFS"
    described = hd.seg.SegmentDescription(
        1,
        "GTV",
        CodedConcept("49755003", "SCT", "Lesion"),
        CodedConcept("86049000", "SCT", "Tumor"),
        "MANUAL",
    )
    written = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=TUMOUR.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[described],
        series_instance_uid=factory.uid("hd"),
        series_number=5,
        sop_instance_uid="1.2.3.4.5",
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
    )
    assert int(written.NumberOfFrames) == 2
    written.save_as(tmp_path / "seg.dcm")
    (series,) = index_study(tmp_path).series
    (region,), _ = read_seg(series)
    np.testing.assert_allclose(on(region), TUMOUR, atol=1e-4)


def damaged(kind):
    dataset = factory.seg({"Liver": LIVER}, OBLIQUE)
    frames = dataset.PerFrameFunctionalGroupsSequence
    shared = dataset.SharedFunctionalGroupsSequence[0]
    if kind == "number":
        del dataset.SegmentSequence[0].SegmentNumber
    elif kind == "segment":
        del frames[2].SegmentIdentificationSequence
    elif kind == "unknown segment":
        frames[2].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7
    elif kind == "two at one place":
        frames[2].PlanePositionSequence = frames[1].PlanePositionSequence
    elif kind == "twice":
        dataset.SegmentSequence.append(dataset.SegmentSequence[0])
    elif kind == "type":
        dataset.SegmentationType = "FRACTIONAL"
    elif kind == "maximum":
        dataset = factory.seg({"Liver": LIVER}, OBLIQUE, "FRACTIONAL", MaximumFractionalValue=100)
    elif kind == "no maximum":
        dataset = factory.seg({"Liver": LIVER}, OBLIQUE, "FRACTIONAL", MaximumFractionalValue=None)
    elif kind == "off grid":
        frames[2].PlanePositionSequence[0].ImagePositionPatient = ["11", "22", "33"]
    elif kind == "turned":
        turned = Sequence([factory.item(ImageOrientationPatient=["0", "1", "0", "-1", "0", "0"])])
        frames[2].PlaneOrientationSequence = turned
    elif kind == "spacing":
        shared.PixelMeasuresSequence[0].PixelSpacing = ["3", "-2"]
    else:
        dataset.PixelData = dataset.PixelData[:-20]
    return dataset


@pytest.mark.parametrize(
    ("kind", "message", "tag"),
    [
        ("number", "has no SegmentNumber", "SegmentNumber"),
        ("segment", "frame 3 of file0000 names no segment", "ReferencedSegmentNumber"),
        (
            "unknown segment",
            "frame 3 of file0000 belongs to segment 7, which has no",
            "ReferencedSegmentNumber",
        ),
        ("two at one place", "two frames of segment 1 at one position", "ReferencedSegmentNumber"),
        ("twice", "two segments of file0000 share one SegmentNumber", "SegmentNumber"),
        ("type", "is FRACTIONAL with 1 bits a pixel", "SegmentationType"),
        (
            "maximum",
            "frame 1 of file0000 holds 200, more than MaximumFractionalValue 100",
            "MaximumFractionalValue",
        ),
        ("no maximum", "MaximumFractionalValue of file0000 is None", "MaximumFractionalValue"),
        ("off grid", "do not lie on one regular grid", "ImagePositionPatient"),
        ("turned", "differ in orientation or spacing", "ImageOrientationPatient"),
        ("spacing", "must be positive", "PixelSpacing"),
        ("short", "should hold 75 bytes", "PixelData"),
    ],
)
def test_damaged_segmentations_are_refused(tmp_path, kind, message, tag):
    with pytest.raises(DicomError, match=message) as caught:
        read(damaged(kind), tmp_path)
    assert (caught.value.file, caught.value.tag) == ("file0000", tag)


@pytest.mark.parametrize(
    ("name", "code", "expected", "said"),
    [
        ("S8", ("108369006", "SCT"), Role.TUMOUR, ["tumours-by-type"]),
        ("S8", ("M-8FFFF", "SRT"), Role.TUMOUR, ["tumours-by-type"]),
        ("S8", ("228791009", "SCT"), Role.TUMOUR, ["tumours-by-type"]),
        ("S8", ("228793007", "SCT"), None, []),
        ("S8", ("10200004", "SCT"), None, []),
        ("S8", None, None, []),
        ("GTV 1", ("108369006", "SCT"), None, []),
        ("Liver", ("108369006", "SCT"), None, ["type-contradicts-name"]),
        ("all tumours", ("108369006", "SCT"), None, []),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_a_segment_coded_as_neoplasm_is_a_tumour_unless_its_name_contradicts(
    tmp_path, name, code, expected, said, empty
):
    masks = {"Lungs": np.ones(SHAPE, np.float32), name: np.zeros(SHAPE, np.float32)}
    masks[name][2:4, 3:6, 4:8] = 0 if empty else 1
    dataset = factory.seg(masks)
    kind = [] if code is None else [factory.code(*code)]
    dataset.SegmentSequence[1].SegmentedPropertyTypeCodeSequence = Sequence(kind)
    regions, notices = read(dataset, tmp_path)
    roles = {region.name: region.role for region in regions}
    assert [f.code for f in notices if f.code != "empty-segment"] == said
    unnamed = empty and expected is None and role_of_name(name) is Role.OTHER
    assert roles == {"Lungs": None} if unnamed else {"Lungs": None, name: expected}


STEP = 4.0  # of factory.AXIAL [mm]
BLOCK = np.zeros((8, 9, 11))
BLOCK[1:7, 2:7, 3:9] = 1


def without_frames(masks, gone, **options):
    """A segmentation whose file lacks frames: {segment number: slices}."""
    dataset = factory.seg(masks, factory.AXIAL, **options)
    keep, planes = [], []
    lost = {(number, index) for number, slices in gone.items() for index in slices}
    for position, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        height = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        if (number, round((height - 100) / STEP)) not in lost:
            keep.append(frame)
            planes.append(position)
    stored = np.array([plane for mask in masks.values() for plane in mask if plane.any()])[planes]
    factory.set_pixels(dataset, stored.astype(np.uint8))
    dataset.PerFrameFunctionalGroupsSequence = Sequence(keep)
    dataset.PixelData = np.packbits(stored.astype(np.uint8).ravel(), bitorder="little").tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 1, 0
    return dataset


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize(
    ("gone", "code", "slices"),
    [
        ((), None, 6),
        ((3,), "segment-frame-missing", 6),
        ((2, 4), "segment-frame-missing", 6),
        ((3, 4), "segment-gap", 4),
    ],
)
def test_a_frame_that_is_missing_inside_a_segment_is_filled_and_said(gone, code, slices, tmp_path):
    dataset = without_frames({"Liver": np.ones_like(BLOCK), "GTV": BLOCK}, {2: gone})
    (liver, tumour), notices = read(dataset, tmp_path)
    assert codes(notices) == ([] if code is None else [code])
    assert tumour.shape.volume_ml == pytest.approx(slices * 30 * STEP * 6 / 1000)
    assert liver.shape.volume_ml == pytest.approx(8 * 99 * STEP * 6 / 1000)


def test_a_frame_that_is_stored_empty_stays_empty(tmp_path):
    hollow = BLOCK.copy()
    hollow[3] = 0
    dataset = factory.seg({"Liver": np.ones_like(BLOCK), "GTV": hollow}, factory.AXIAL, omit_empty=False)
    (_, tumour), notices = read(dataset, tmp_path)
    assert (codes(notices), tumour.shape.volume_ml) == ([], pytest.approx(5 * 30 * STEP * 6 / 1000))


def test_lesions_above_each_other_that_do_not_overlap_are_not_joined(tmp_path):
    apart = np.zeros_like(BLOCK)
    apart[:3, :4, :4], apart[4:, 5:, 5:] = 1, 1
    dataset = factory.seg({"Liver": np.ones_like(BLOCK), "GTV": apart}, factory.AXIAL)
    (_, tumours), notices = read(dataset, tmp_path)
    assert (codes(notices), tumours.shape.array.sum()) == ([], apart.sum())


@pytest.mark.parametrize(
    ("stated", "thickness", "step", "code"),
    [
        (STEP, STEP, STEP, None),
        (-STEP, STEP, STEP, None),
        (1.01 * STEP, STEP, STEP, None),
        (STEP / 2, STEP, STEP, "segmentation-spacing"),
        (STEP / 2, STEP / 2, STEP, "segmentation-spacing"),
        (2 * STEP, STEP, STEP, "segmentation-spacing"),
        (1.05 * STEP, STEP, STEP, "segmentation-spacing"),
    ],
)
def test_positions_of_frames_decide_against_a_stated_spacing(stated, thickness, step, code, tmp_path):
    dataset = factory.seg({"GTV": BLOCK}, factory.AXIAL)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices, measures.SliceThickness = f"{stated:g}", f"{thickness:g}"
    (tumour,), notices = read(dataset, tmp_path)
    assert codes(notices) == ([] if code is None else [code])
    assert tumour.shape.volume_ml == pytest.approx(6 * 30 * step * 6 / 1000)


def test_planes_far_apart_keep_the_stated_spacing(tmp_path):
    two = np.zeros_like(BLOCK)
    two[1, 2:4, 2:4], two[5, 6:8, 6:8] = 1, 1
    (tumour,), notices = read(factory.seg({"GTV": two}, factory.AXIAL), tmp_path)
    assert (codes(notices), tumour.shape.volume_ml) == ([], pytest.approx(8 * STEP * 6 / 1000))


@pytest.mark.parametrize(
    ("highest", "maximum", "full", "code"),
    [
        (1, 255, 1.0, "segment-fractions-binary"),
        (2, 255, 2 / 255, None),
        (1, 1, 1.0, None),
        (255, 255, 1.0, None),
    ],
)
def test_fractions_without_a_value_above_one_are_binary_and_said(highest, maximum, full, code, tmp_path):
    dataset = factory.seg({"GTV": BLOCK}, factory.AXIAL, "FRACTIONAL", MaximumFractionalValue=maximum)
    planes = BLOCK[1:7] * highest
    factory.set_pixels(dataset, planes.astype(np.uint8))
    (tumour,), notices = read(dataset, tmp_path)
    assert codes(notices) == ([] if code is None else [code])
    assert tumour.shape.array.max() == pytest.approx(full)
