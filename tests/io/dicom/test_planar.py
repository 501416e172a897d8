"""Opposite planar views: which is which, mirrored so that both are seen from the front."""

from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.planar import View, _grid, _photopeak, read_planar
from y90voxel.io.dicom.sources import SourceFile

RNG = np.random.default_rng(0)
FRONT, BACK = RNG.integers(0, 900, (2, 6, 9)).astype(np.uint16)


FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)


def read(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return read_planar(series)


def codes(notices):
    return [f.code for f in notices]


def test_the_posterior_view_is_mirrored(tmp_path):
    image, notices = read(factory.planar(FRONT, BACK), tmp_path)
    np.testing.assert_array_equal(image.anterior, FRONT)
    np.testing.assert_array_equal(image.posterior, BACK[:, ::-1])
    assert notices == ()


def test_the_grid_is_the_plane_of_the_anterior_view(tmp_path):
    image, _ = read(factory.planar(FRONT, BACK), tmp_path)
    assert image.grid.shape == (1, 6, 9)
    np.testing.assert_allclose(image.grid.index_to_lps((0, 2, 3)), (-50 + 3 * 5, -200, 300 - 2 * 4))


def test_views_in_the_other_order_are_told_apart(tmp_path):
    image, _ = read(factory.planar(FRONT, BACK, DetectorVector=[2, 1]), tmp_path)
    np.testing.assert_array_equal(image.anterior, BACK)
    np.testing.assert_array_equal(image.posterior, FRONT[:, ::-1])


def without(dataset, *keywords):
    for detector in dataset.DetectorInformationSequence:
        factory.change(detector, **dict.fromkeys(keywords))
    return dataset


def test_orientation_tells_the_view_without_codes(tmp_path):
    image, _ = read(without(factory.planar(FRONT, BACK, DetectorVector=[2, 1]), "ViewCodeSequence"), tmp_path)
    np.testing.assert_array_equal(image.anterior, BACK)


def test_a_posterior_view_stored_as_seen_from_the_front_is_not_mirrored_again(tmp_path):
    dataset = factory.planar(FRONT, BACK)
    dataset.DetectorInformationSequence[1].ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    np.testing.assert_array_equal(read(dataset, tmp_path)[0].posterior, BACK)


def turned(orientation):
    dataset = factory.planar(FRONT, BACK)
    dataset.DetectorInformationSequence[1].ImageOrientationPatient = [str(c) for c in orientation]
    return dataset


@pytest.mark.parametrize(
    ("orientation", "down", "along"),
    [((-1, 0, 0, 0, 0, -1), 1, -1), ((1, 0, 0, 0, 0, 1), -1, 1), ((-1, 0, 0, 0, 0, 1), -1, -1)],
)
def test_a_posterior_view_stored_upside_down_is_turned(tmp_path, orientation, down, along):
    image, _ = read(turned(orientation), tmp_path)
    np.testing.assert_array_equal(image.posterior, BACK[::down, ::along])


@pytest.mark.parametrize(("degrees", "opposite"), [(44, True), (46, False)])
@pytest.mark.parametrize("about", ["z", "y"])
def test_views_that_are_not_opposite_to_each_other_are_refused(tmp_path, degrees, opposite, about):
    c, s = np.cos(np.radians(degrees)).round(6), np.sin(np.radians(degrees)).round(6)
    dataset = turned((-c, s, 0, 0, 0, -1) if about == "z" else (-c, 0, s, -s, 0, -c))
    if opposite:
        np.testing.assert_array_equal(read(dataset, tmp_path)[0].posterior, BACK[:, ::-1])
    else:
        with pytest.raises(DicomError, match="do not lie opposite to each other") as caught:
            read(dataset, tmp_path)
        assert caught.value.tag == "ImageOrientationPatient"


@pytest.mark.parametrize(
    ("spacing_mm", "alike"),
    [("4.03 5", True), ("4.05 5", False), ("3.95 5", False), ("4 5.04", True), ("4 5.06", False)],
)
def test_pixels_of_both_views_are_as_large(tmp_path, spacing_mm, alike):
    views = [one_view(BACK, "POST", "1.2"), one_view(FRONT, "ANT", "1.3")]
    views[0].PixelSpacing = spacing_mm.split()
    if alike:
        read(views, tmp_path)
    else:
        with pytest.raises(DicomError, match=r"they must be alike\. Export both") as caught:
            read(views, tmp_path)
        assert "anterior view are 4 x 5 mm, those of the posterior " + spacing_mm.replace(" ", " x ") in str(
            caught.value
        )


def test_views_without_geometry_are_mirrored_with_warnings(tmp_path):
    dataset = without(factory.planar(FRONT, BACK), "ImagePositionPatient", "ImageOrientationPatient")
    image, notices = read(dataset, tmp_path)
    np.testing.assert_array_equal(image.posterior, BACK[:, ::-1])
    assert image.grid is None
    assert codes(notices) == ["planar-without-orientation", "planar-without-position"]


def one_view(stored, description, instance):
    dataset = factory.planar(stored, stored, SOPInstanceUID=instance, SeriesDescription=description)
    factory.set_pixels(dataset, stored[None])
    return factory.change(
        dataset, DetectorVector=None, EnergyWindowVector=None, DetectorInformationSequence=None
    )


def test_two_files_are_told_apart_by_their_description(tmp_path):
    image, _ = read([one_view(BACK, "Chest POST", "1.2"), one_view(FRONT, "Chest ANT", "1.3")], tmp_path)
    np.testing.assert_array_equal(image.anterior, FRONT)
    np.testing.assert_array_equal(image.posterior, BACK[:, ::-1])


def test_rescaling_is_applied(tmp_path):
    image, _ = read(factory.planar(FRONT, BACK, RescaleSlope="0.5", RescaleIntercept="1"), tmp_path)
    np.testing.assert_allclose(image.anterior, FRONT * 0.5 + 1)


def two_windows(low, high):
    dataset = factory.planar(FRONT, BACK)
    factory.set_pixels(dataset, np.stack([FRONT, BACK, FRONT // 2, BACK // 2]))
    dataset.DetectorVector, dataset.EnergyWindowVector = [1, 2, 1, 2], [2, 2, 1, 1]
    windows = [factory.energy_window(110, 125), factory.energy_window(low, high)]
    dataset.EnergyWindowInformationSequence = Sequence(windows)
    return dataset


def test_the_photopeak_window_is_taken(tmp_path):
    np.testing.assert_array_equal(read(two_windows(130, 150), tmp_path)[0].anterior, FRONT)


PEAK, SCATTER = (130, 150), (110, 125)


@pytest.mark.parametrize(
    ("limits", "windows", "peak"),
    [
        ((PEAK, SCATTER), [1, 2], 1),
        ((SCATTER, PEAK), [1, 2], 2),
        ((SCATTER, (140.5, 160)), [1, 2], 2),  # the line is the lower limit
        ((SCATTER, (120, 140.5)), [1, 2], 2),
        ((SCATTER, PEAK), [3], 3),  # the only one, whatever it is
        ((PEAK, PEAK), [1, 2], None),
        ((SCATTER, PEAK), [0, 1], None),  # windows are counted from 1
        ((SCATTER, PEAK), [1, 3], None),
    ],
)
def test_the_photopeak_is_the_only_window_that_holds_the_line(limits, windows, peak):
    described = Sequence([factory.energy_window(low, high) for low, high in limits])
    instance = Instance(FILE, factory.item(EnergyWindowInformationSequence=described))
    if peak is not None:
        assert _photopeak(instance, windows) == peak
    else:
        with pytest.raises(DicomError, match="the photopeak cannot be told"):
            _photopeak(instance, windows)


@pytest.mark.parametrize(
    ("spacing", "placed"), [(["0.5", "0.6"], True), (["0", "0.6"], False), (None, False)]
)
def test_a_view_is_placed_by_positive_distances(spacing, placed):
    stated = {} if spacing is None else {"PixelSpacing": spacing}
    view = View(
        Instance(FILE, factory.item(**stated)), 0, True, (1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    )
    grid = _grid(view, (6, 9))
    assert (grid is not None) == placed
    if placed:
        assert grid.spacing_mm == pytest.approx((0.5, 0.5, 0.6))
        np.testing.assert_allclose(grid.index_to_lps((0, 1, 1)), (1.6, 2.0, 2.5))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (lambda: two_windows(160, 180), "2 energy windows, of which 0 hold 140.5 keV"),
        (lambda: factory.planar(FRONT, BACK, DetectorVector=[1, 1]), "2 anterior and 0 posterior views"),
        (lambda: factory.planar(FRONT, BACK, DetectorVector=[1, 2, 2]), "has 3 values for 2 frames"),
        (
            lambda: without(factory.planar(FRONT, BACK), "ViewCodeSequence", "ImageOrientationPatient"),
            "cannot be told whether detector 1 sees",
        ),
        (lambda: factory.planar(FRONT, BACK, DetectorVector=[0, 1]), "holds 0; detectors are counted from 1"),
        (
            lambda: [one_view(FRONT, "ANT", "1.2"), one_view(BACK[:, :5], "POST", "1.3")],
            r"anterior view has \(6, 9\) pixels, the posterior \(6, 5\)",
        ),
    ],
)
def test_views_that_cannot_be_paired_are_refused(tmp_path, dataset, message):
    with pytest.raises(DicomError, match=message):
        read(dataset(), tmp_path)
