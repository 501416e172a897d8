"""Guards of region files, one case on each side: frames of a segmentation on one grid, and whose coordinates regions have."""

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.region_selection import choose_moving_ct
from y90voxel.io.dicom.seg import read_seg

SHAPE, STEP_MM = (6, 9, 11), 4.0
GRID = factory.oblique_affine((STEP_MM, 3.0, 2.0), (10.0, 20.0, 30.0), signs=(-1, 1, 1))
INSIDE, OUTSIDE = 0.9, 1.1


def read(dataset, folder):
    factory.save(dataset, folder)
    (series,) = index_study(folder).series
    return read_seg(series)


def with_a_frame(change):
    """A segmentation of whole frames, one of which is changed."""
    dataset = factory.seg({"Liver": np.ones(SHAPE)}, GRID)
    change(dataset.PerFrameFunctionalGroupsSequence[3])
    return dataset


def moved(axis, by_mm):
    def change(frame):
        place = frame.PlanePositionSequence[0]
        at = [float(v) for v in place.ImagePositionPatient]
        at[axis] += by_mm
        place.ImagePositionPatient = factory.decimal(at)

    return change


def turned(by):
    def change(frame):
        cosines = factory.decimal([1.0, by, 0.0, 0.0, 1.0, 0.0])
        frame.PlaneOrientationSequence = Sequence([factory.item(ImageOrientationPatient=cosines)])

    return change


FAULTS = {  # how a frame is off, by how much it may be (direction cosine, mm, mm)
    "turned": (turned, 1e-4, "differ in orientation"),
    "sideways": (lambda by: moved(0, by), 0.05, "one regular grid"),
    "along": (lambda by: moved(2, by), 0.02 * STEP_MM, "one regular grid"),
}


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_frame_just_within_tolerance_of_the_grid_is_taken(tmp_path, kind, sign):
    change, tolerance, _ = FAULTS[kind]
    (region,), _ = read(with_a_frame(change(sign * INSIDE * tolerance)), tmp_path)
    assert region.shape.grid.shape[0] == SHAPE[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_frame_just_outside_the_tolerance_is_refused(tmp_path, kind, sign):
    change, tolerance, said = FAULTS[kind]
    with pytest.raises(DicomError, match=said):
        read(with_a_frame(change(sign * OUTSIDE * tolerance)), tmp_path)


def records(folder, frame, refers_to):
    """A CT in one frame of reference, one in another, and regions drawn in ``frame`` or on a series."""
    here = factory.ct(np.ones((3, 4, 5), np.uint16), series="here")
    there = factory.ct(np.ones((3, 4, 5), np.uint16), series="there", FrameOfReferenceUID=factory.uid("far"))
    square = {"Liver": [factory.square(3.0, (0.0, 0.0), 0.0)]}
    drawn = factory.rtstruct(square, frame=frame, refers_to=refers_to)
    factory.save([*here, *there, drawn], folder)
    return {series.uid: series for series in index_study(folder).series}


SHARED, FAR = factory.FRAME, factory.uid("far")


@pytest.mark.parametrize(
    ("frame", "refers_to", "moves"),
    [
        (SHARED, None, False),
        (SHARED, "here", False),
        (FAR, "here", False),
        (FAR, "there", True),
        (FAR, None, True),
    ],
)
def test_a_ct_is_aligned_unless_regions_share_the_frame_or_were_drawn_on_the_images(
    tmp_path, frame, refers_to, moves
):
    known = records(tmp_path, frame, None if refers_to is None else factory.uid(refers_to))
    regions = known[factory.uid("rtstruct")]
    here = known[factory.uid("here")]
    chosen = choose_moving_ct(list(known.values()), regions, [here], here)
    assert chosen is (known[factory.uid("there")] if moves else None)
