"""Where a slice lies and how its stored values become real ones, in a file each and in one of many."""

from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.frames import frames_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.sources import SourceFile

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
PIXELS = np.zeros((2, 3, 4), np.int16)
SCALES = [
    ({"RescaleSlope": "2", "RescaleIntercept": "-5"}, (2.0, -5.0, True)),
    ({"RescaleSlope": "2", "RescaleIntercept": None}, (2.0, 0.0, False)),
    ({"RescaleSlope": None, "RescaleIntercept": "-5"}, (1.0, -5.0, False)),
    ({"RescaleSlope": None, "RescaleIntercept": None}, (1.0, 0.0, False)),
]


@pytest.mark.parametrize(("stated", "scale"), SCALES)
def test_a_slice_of_its_own_file_has_the_scale_that_it_states(stated, scale):
    first, second = frames_of([Instance(FILE, ds) for ds in factory.ct(PIXELS, **stated)])
    assert (first.slope, first.intercept, first.rescaled) == scale
    assert (first.index, second.index) == (0, 0)
    assert (first.position_mm, second.position_mm) == ((-20, -30, 100), (-20, -30, 104))
    assert (first.orientation, first.spacing_mm) == ((1, 0, 0, 0, 1, 0), (3.0, 2.0))


@pytest.mark.parametrize(("stated", "scale"), SCALES)
@pytest.mark.parametrize("own", [True, False])
def test_a_frame_of_many_has_the_scale_of_its_own_or_of_all(stated, scale, own):
    dataset = factory.enhanced_ct(PIXELS)
    there = factory.item(**{keyword: value for keyword, value in stated.items() if value is not None})
    shared = dataset.SharedFunctionalGroupsSequence[0]
    if own:
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            groups.PixelValueTransformationSequence = [there]
    else:
        shared.PixelValueTransformationSequence = [there]
    first, second = frames_of([Instance(FILE, dataset)])
    assert (first.slope, first.intercept, first.rescaled) == scale
    assert (first.index, second.index) == (0, 1)


@pytest.mark.parametrize("missing", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_a_slice_without_a_place_is_refused(missing):
    with pytest.raises(DicomError, match=f"no {missing}") as told:
        frames_of([Instance(FILE, ds) for ds in factory.ct(PIXELS, **{missing: None})])
    assert told.value.tag == missing


@pytest.mark.parametrize(("frames", "taken"), [(1, True), (2, False)])
def test_a_file_of_several_frames_states_a_place_for_each(frames, taken):
    (dataset,) = factory.ct(PIXELS[:1], NumberOfFrames=frames)
    if taken:
        assert len(frames_of([Instance(FILE, dataset)])) == 1
    else:
        with pytest.raises(DicomError, match="2 frames but no position for each"):
            frames_of([Instance(FILE, dataset)])


def test_a_file_with_fewer_places_than_frames_is_refused():
    dataset = factory.enhanced_ct(PIXELS)
    del dataset.PerFrameFunctionalGroupsSequence[1]
    with pytest.raises(DicomError, match="holds 2 frames but positions of 1"):
        frames_of([Instance(FILE, dataset)])
