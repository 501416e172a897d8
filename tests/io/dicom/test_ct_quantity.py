"""What a header names in place of Hounsfield units: a rescale type, a kind of image, the unit of real-world values."""

from pathlib import Path

import dicom_factory as factory
import pytest

from y90voxel.io.dicom.ct_quantity import _named
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.sources import SourceFile

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
PLAIN = ("ORIGINAL", "PRIMARY", "AXIAL")


@pytest.mark.parametrize(
    ("kind", "image", "unit", "named"),
    [
        ("HU", PLAIN, "[hnsf'U]", None),
        ("", PLAIN, "", None),
        ("us", PLAIN, "1", None),
        ("MGML", PLAIN, "[hnsf'U]", ("RescaleType", "MGML")),
        ("HU", (*PLAIN[:2], "Z-EFF"), "", ("ImageType", "Z-EFF")),
        ("HU", PLAIN, "mg/mL", ("MeasurementUnitsCodeSequence", "mg/mL")),
        ("HU", PLAIN, "Gy", ("MeasurementUnitsCodeSequence", "Gy")),
    ],
)
def test_another_quantity_is_named_by_the_attribute_that_does(kind, image, unit, named):
    found = _named(Instance(FILE, factory.item(Modality="CT", ImageType=list(image))), kind, unit)
    assert (found and found[:2]) == named
