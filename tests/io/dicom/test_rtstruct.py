"""Structure sets: closed contours as drawn, everything else said, damage refused."""

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from dicom_factory import square

from y90voxel.errors import DicomError, RegionError
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.rtstruct import read_rtstruct
from y90voxel.regions.rasterise import drawn_volume_ml
from y90voxel.regions.roles import Role

HEIGHTS = (0.0, 2.5, 5.0, 7.5)
BLOCK = [square(10, (0, 0), z) for z in HEIGHTS]


def read(dataset, folder, **options):
    factory.save(dataset, folder)
    (series,) = index_study(folder).series
    return read_rtstruct(series, **options)


def codes(notices):
    return [f.code for f in notices]


def test_contours_names_and_frame_are_kept(tmp_path):
    regions, notices = read(factory.rtstruct({"Liver ä": BLOCK, "GTV 1": BLOCK[:2]}), tmp_path)
    assert [r.name for r in regions] == ["Liver ä", "GTV 1"]
    assert regions[0].shape.frame_of_reference_uid == factory.FRAME
    assert regions[0].source == factory.uid("rtstruct")
    np.testing.assert_allclose(regions[0].shape.polygons[2], BLOCK[2])
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(4.0)
    assert (notices, regions[0].automatic) == ((), False)


def test_automatic_contours_are_marked(tmp_path):
    dataset = factory.rtstruct({"Liver": BLOCK})
    dataset.StructureSetROISequence[0].ROIGenerationAlgorithm = "AUTOMATIC"
    assert read(dataset, tmp_path)[0][0].automatic


def test_implicit_vr_contours_are_the_same(tmp_path):
    dataset = factory.rtstruct({"Liver": BLOCK})
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    regions, _ = read(dataset, tmp_path)
    np.testing.assert_allclose(regions[0].shape.polygons, BLOCK)


@pytest.mark.parametrize(("corners", "kept"), [(3, 5), (2, 4)])
def test_a_contour_encloses_something_from_three_points_on(tmp_path, corners, kept):
    few = square(10, (0, 0), 10.0)[:corners]
    regions, notices = read(factory.rtstruct({"Liver": [*BLOCK, few]}), tmp_path)
    assert len(regions[0].shape.polygons) == kept
    assert codes(notices) == ["contours-left-out"] * (5 - kept)


def test_points_and_open_contours_are_left_out_and_said(tmp_path):
    extra = [("POINT", BLOCK[0][:1]), ("OPEN_PLANAR", BLOCK[0][:3]), ("CLOSED_PLANAR", BLOCK[0][:2])]
    regions, notices = read(factory.rtstruct({"Liver": [*BLOCK, *extra]}), tmp_path)
    assert len(regions[0].shape.polygons) == 4
    assert codes(notices) == ["contours-left-out"]
    assert "1 OPEN_PLANAR, 1 POINT, 1 closed with 2 points" in notices[0].message


def test_rois_without_closed_contours_are_left_out_and_said(tmp_path):
    dataset = factory.rtstruct({"Iso": [("POINT", BLOCK[0][:1])], "Liver": BLOCK, "Nothing": []})
    regions, notices = read(dataset, tmp_path)
    assert [r.name for r in regions] == ["Liver"]
    assert codes(notices) == ["contours-left-out", "empty-roi", "empty-roi"]


def test_an_empty_roi_whose_name_has_a_role_stays_for_the_role_to_decide(tmp_path):
    regions, notices = read(factory.rtstruct({"Liver": BLOCK, "GTV 2": []}), tmp_path)
    assert [(r.name, len(r.shape.polygons)) for r in regions] == [("Liver", 4), ("GTV 2", 0)]
    assert notices == ()


def test_numbers_with_all_digits_of_a_double_are_read_exactly(tmp_path):
    dataset = factory.rtstruct({"Liver": BLOCK})
    long = BLOCK[1] + np.pi * np.array((1, 1, 0))
    words = "\\".join(f"{v:.30e}" for v in long.ravel())
    dataset.ROIContourSequence[0].ContourSequence[1][0x30060050] = pydicom.DataElement(
        0x30060050, "UT", words
    )
    regions, _ = read(dataset, tmp_path)
    np.testing.assert_array_equal(regions[0].shape.polygons[1], long)


def test_a_contour_stored_twice_counts_once(tmp_path):
    regions, notices = read(factory.rtstruct({"Liver": [*BLOCK, BLOCK[1]]}), tmp_path)
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(4.0)
    assert codes(notices) == ["duplicate-contours"]


@pytest.mark.parametrize(
    "again", [lambda p: p[::-1], lambda p: np.roll(p, 1, axis=0), lambda p: np.add(p, (0.001, 0, 0))]
)
def test_an_outline_stored_twice_with_other_bytes_counts_once(again, tmp_path):
    regions, notices = read(factory.rtstruct({"GTV": [*BLOCK, again(BLOCK[1]), again(BLOCK[2])]}), tmp_path)
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(4.0)
    assert codes(notices) == ["duplicate-contours"]
    assert "2 contours are stored twice" in notices[0].message


def test_outlines_that_overlap_in_part_are_said_with_both_volumes(tmp_path):
    aside = [square(10, (10, 0), z) for z in HEIGHTS]
    regions, notices = read(factory.rtstruct({"GTV": [*BLOCK, *aside]}), tmp_path)
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(4.0)
    assert codes(notices) == ["contours-cross"]
    assert "(even-odd): 4.00 mL" in notices[0].message
    assert "6.00 mL" in notices[0].message


def test_outlines_inside_and_beside_each_other_are_not_said_to_cross(tmp_path):
    beside = [square(5, centre, z) for z in HEIGHTS for centre in ((0, 0), (30, 0))]
    regions, notices = read(factory.rtstruct({"GTV": [*BLOCK, *beside]}), tmp_path)
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(4.0)
    assert notices == ()


@pytest.mark.parametrize(
    ("apart_mm", "code", "thickness"),
    [(3.7, None, 4 * 3.7), (5.0, "contour-planes-skipped", 17.5), (5.7, "thickness-assumed", 10.0)],
)
def test_a_region_on_every_other_slice_of_its_image_is_said_and_ends_with_them(
    apart_mm, code, thickness, tmp_path
):
    sparse = [square(10, (0, 0), apart_mm * k) for k in range(4)]
    regions, notices = read(factory.rtstruct({"Liver": BLOCK, "GTV": sparse}), tmp_path, slice_step_mm=2.5)
    assert drawn_volume_ml(regions[1].shape) == pytest.approx(400 * thickness / 1000)
    assert codes(notices) == ([] if code is None else [code])
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("apart_mm", "code", "thickness"), [(3.0, None, 12.0), (4.5, "contour-planes-skipped", 3 * 4.5 + 2.0)]
)
@pytest.mark.parametrize("beside", [True, False])
def test_planes_lie_one_and_a_half_and_two_and_a_quarter_slices_apart_at_most(
    apart_mm, code, thickness, beside, tmp_path
):
    """Whole numbers of life: 3 mm and 4.5 mm on slices of 2 mm, with a region on each slice and without."""
    other = {"Liver": [square(10, (0, 0), 2.0 * k) for k in range(4)]} if beside else {}
    sparse = [square(10, (0, 0), apart_mm * k) for k in range(4)]
    regions, notices = read(factory.rtstruct({"GTV": sparse, **other}), tmp_path, slice_step_mm=2.0)
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(400 * thickness / 1000)
    assert codes(notices) == ([] if code is None else [code])


def test_contours_that_were_all_drawn_on_wider_slices_than_the_images_keep_their_distance(tmp_path):
    regions, notices = read(factory.rtstruct({"Liver": BLOCK, "GTV": BLOCK[:3]}), tmp_path, slice_step_mm=1.0)
    assert [drawn_volume_ml(r.shape) for r in regions] == pytest.approx([4.0, 3.0])
    assert notices == ()


def test_without_an_image_regions_of_three_planes_and_more_keep_their_own_distances(tmp_path):
    coarse = [square(10, (0, 0), z) for z in (0.0, 7.5, 15.0)]
    regions, notices = read(factory.rtstruct({"GTV": BLOCK, "Liver": coarse}), tmp_path)
    assert [drawn_volume_ml(r.shape) for r in regions] == pytest.approx([4.0, 9.0])
    assert notices == ()


def test_an_unnamed_roi_gets_its_number(tmp_path):
    dataset = factory.rtstruct({"x": BLOCK})
    dataset.StructureSetROISequence[0].ROIName = ""
    assert read(dataset, tmp_path)[0][0].name == "ROI 1"


def test_a_region_in_one_plane_is_as_thick_as_a_slice_of_the_image(tmp_path):
    regions, notices = read(factory.rtstruct({"Spot": BLOCK[1:2]}), tmp_path, slice_step_mm=4.0)
    assert drawn_volume_ml(regions[0].shape) == pytest.approx(400 * 4.0 / 1000)
    assert codes(notices) == ["thickness-assumed"]


def test_a_region_in_one_plane_takes_the_step_of_the_other_regions(tmp_path):
    regions, _ = read(factory.rtstruct({"Liver": BLOCK, "Spot": BLOCK[1:2]}), tmp_path)
    assert drawn_volume_ml(regions[1].shape) == pytest.approx(400 * 2.5 / 1000)


def test_isolated_planes_do_not_fill_what_lies_between_them(tmp_path):
    far = [square(10, (0, 0), z) for z in (0.0, 40.0)]
    regions, notices = read(factory.rtstruct({"Liver": BLOCK, "Spots": far}), tmp_path)
    assert drawn_volume_ml(regions[1].shape) == pytest.approx(2 * 400 * 2.5 / 1000)
    assert codes(notices) == ["thickness-assumed"]


def test_a_region_in_one_plane_without_any_step_is_refused(tmp_path):
    with pytest.raises(RegionError, match="'Spot' is drawn in one plane") as caught:
        read(factory.rtstruct({"Spot": BLOCK[1:2]}), tmp_path)
    assert caught.value.tag == "ContourData"


def test_missing_planes_are_said(tmp_path):
    one = [square(10, (0, 0), z) for z in (0.0, 2.5, 5.0, 10.0, 12.5)]
    many = [square(10, (0, 0), z) for z in (0.0, 2.5, 5.0, 30.0, 32.5)]
    _, notices = read(factory.rtstruct({"One": one, "Many": many}), tmp_path)
    assert codes(notices) == ["contour-plane-missing", "contour-gap"]
    assert "between 5.0 and 10.0 mm" in notices[0].message
    assert "between 5.0 and 30.0 mm" in notices[1].message


def test_bent_contours_are_refused_by_name(tmp_path):
    bent = [p.copy() for p in BLOCK]
    bent[1][0, 2] += 4
    with pytest.raises(RegionError, match="'Liver': contours must be flat and parallel"):
        read(factory.rtstruct({"Liver": bent}), tmp_path)


def damaged(kind):
    dataset = factory.rtstruct({"Liver": BLOCK})
    contour = dataset.ROIContourSequence[0].ContourSequence[1]
    if kind == "text":
        contour[0x30060050] = pydicom.DataElement(0x30060050, "LO", "one\\two\\three")
    elif kind == "pairs":
        contour.ContourData = ["1", "2", "3", "4"]
    elif kind == "nan":
        contour[0x30060050] = pydicom.DataElement(0x30060050, "LO", ["nan"] * 9)
    elif kind == "long":
        contour[0x30060050] = pydicom.DataElement(0x30060050, "UT", "\\".join(["1." + "0" * 100] * 9))
    elif kind == "unknown roi":
        dataset.StructureSetROISequence[0].ROINumber = 7
    elif kind == "lost points":
        contour.ContourData = contour.ContourData[:9]
    elif kind == "type":
        contour.ContourGeometricType = "CLOSED_PLANER"
    elif kind == "no type":
        del contour.ContourGeometricType
    elif kind == "no number":
        del dataset.StructureSetROISequence[0].ROINumber
    else:
        dataset.StructureSetROISequence.append(dataset.StructureSetROISequence[0])
    return dataset


@pytest.mark.parametrize(
    ("kind", "message", "tag"),
    [
        ("text", "are not points in space", "ContourData"),
        ("pairs", "4 numbers, not all of them finite triples", "ContourData"),
        ("nan", "9 numbers, not all of them finite", "ContourData"),
        ("long", "a number of 102 characters", "ContourData"),
        ("unknown roi", "4 contours of file0000 belong to ROI number 1, which has no", "ReferencedROINumber"),
        ("lost points", "3 points, NumberOfContourPoints says 4", "ContourData"),
        ("type", "is CLOSED_PLANER; defined are", "ContourGeometricType"),
        ("no type", "is missing; defined are", "ContourGeometricType"),
        ("no number", "has no ROINumber", "ROINumber"),
        ("twice", "two ROIs of file0000 share one ROINumber", "ROINumber"),
    ],
)
def test_damaged_structure_sets_are_refused(tmp_path, kind, message, tag):
    with pytest.raises(DicomError, match=message) as caught:
        read(damaged(kind), tmp_path)
    assert (caught.value.file, caught.value.tag) == ("file0000", tag)


def test_several_structure_sets_of_a_series_are_all_read(tmp_path):
    second = factory.rtstruct({"Lung_L": BLOCK}, SOPInstanceUID="1.2.3.4")
    regions, _ = read([factory.rtstruct({"Liver": BLOCK}), second], tmp_path)
    assert {r.name for r in regions} == {"Liver", "Lung_L"}


def typed(kinds, **contours):
    """A structure set with an interpreted type, or several, for each ROI."""
    dataset = factory.rtstruct(dict.fromkeys(kinds, BLOCK) | contours)
    observations = []
    for number, given in enumerate(kinds.values(), start=1):
        for kind in given if isinstance(given, tuple) else (given,):
            observations.append(factory.item(ReferencedROINumber=number, RTROIInterpretedType=kind))
    dataset.RTROIObservationsSequence = pydicom.Sequence(observations)
    return dataset


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("GTV", Role.TUMOUR),
        ("GTV ", Role.TUMOUR),
        (("GTV", ""), Role.TUMOUR),
        (("GTV", "GTV"), Role.TUMOUR),
        ("CTV", None),
        ("PTV", None),
        ("ORGAN", None),
        ("", None),
        (("GTV", "CTV"), None),
        (("GTV", "ORGAN"), None),
    ],
)
@pytest.mark.parametrize("name", ["HCC seg 7", "S8", "A"])
def test_the_interpreted_type_gtv_makes_a_tumour_of_an_unnamed_roi(tmp_path, name, kind, expected):
    regions, notices = read(typed({"Liver": "ORGAN", name: kind}), tmp_path)
    assert [region.role for region in regions] == [None, expected]
    assert codes(notices) == (["tumours-by-type"] if expected else [])
    if expected:
        assert repr(name) in notices[0].message


@pytest.mark.parametrize("name", ["Liver", "Lung_L", "Liver-GTV", "PTV 1", "spleen"])
def test_a_name_that_contradicts_the_type_gtv_counts_and_is_said(tmp_path, name):
    regions, notices = read(typed({name: "GTV", "GTV 1": "GTV"}), tmp_path)
    assert [region.role for region in regions] == [None, None]
    assert codes(notices) == ["type-contradicts-name"]
    assert repr(name) in notices[0].message


def test_an_empty_roi_of_type_gtv_stays_for_the_role_to_decide(tmp_path):
    regions, _ = read(typed({"Liver": "ORGAN", "S8": "GTV"}, S8=[]), tmp_path)
    assert [(r.name, r.role, len(r.shape.polygons)) for r in regions[1:]] == [("S8", Role.TUMOUR, 0)]


def test_an_observation_without_a_number_says_nothing(tmp_path):
    dataset = typed({"S8": "GTV"})
    del dataset.RTROIObservationsSequence[0].ReferencedROINumber
    assert read(dataset, tmp_path)[0][0].role is None
