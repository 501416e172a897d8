"""Three small valid studies as data sets by file name: what the faults are applied to.

Every axis has its own length and spacing and the activity is lopsided, so that a flip, a swap of axes or a wrong
order of slices changes the dose.
"""

from __future__ import annotations

import io
from pathlib import Path

import dicom_factory as dicom
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

Study = dict[str, Dataset]

EMISSION = np.array([[0, 0, 9.0, -60], [0, 10.0, 0, -55], [8.0, 0, 0, -48], [0, 0, 0, 1]])
EMISSION_SHAPE = (13, 12, 14)
CT = np.array([[0, 0, 9.0, -62], [0, 10.0, 0, -56], [8.0, 0, 0, -52], [0, 0, 0, 1]])
CT_SHAPE = (14, 12, 14)
SOFT_TISSUE, LUNG, AIR = 1024 + 50, 1024 - 750, 24
LIVER, TUMOUR, LUNGS = ((-5.0, -4.0, -8.0), 28.0), ((4.0, 3.0, -10.0), 12.0), ((2.0, 0.0, 34.0), 11.0)
ROIS = {"Liver": LIVER, "GTV1": TUMOUR, "Lung_L": LUNGS, "Stomach": ((30.0, 20.0, -8.0), 10.0)}


def distances(shape, affine, centre):
    """Distance of every voxel centre from a point [mm]."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return np.linalg.norm(indices @ affine[:3, :3].T + affine[:3, 3] - np.array(centre), axis=-1)


def emission_values():
    """A liver whose uptake rises along every axis, with a hot tumour, over a weak background."""
    z, y, x = np.meshgrid(*[np.arange(n) for n in EMISSION_SHAPE], indexing="ij")
    values = 5 + z % 3
    inside = distances(EMISSION_SHAPE, EMISSION, LIVER[0]) < LIVER[1]
    values = np.where(inside, 200 + 13 * z + 7 * y + 3 * x, values)
    hot = distances(EMISSION_SHAPE, EMISSION, TUMOUR[0]) < TUMOUR[1]
    return np.where(hot, 2000 + 31 * x + 17 * z, values).astype(np.uint16)


def ct_values():
    """Soft tissue with a lung, in air."""
    stored = np.full(CT_SHAPE, AIR, np.int16)
    stored[:, 1:-1, 1:-1] = SOFT_TISSUE
    stored[distances(CT_SHAPE, CT, LUNGS[0]) < LUNGS[1] + 6] = LUNG
    return stored


def ball_contours(centre, radius):
    """Contours of a ball on the planes of the CT."""
    heights = CT[2, 3] + 8.0 * np.arange(CT_SHAPE[0])
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rings = []
    for z in heights[np.abs(heights - centre[2]) < radius - 1]:
        ring = np.column_stack([np.cos(angles), np.sin(angles)]) * np.sqrt(radius**2 - (z - centre[2]) ** 2)
        rings.append(np.column_stack([ring + np.array(centre[:2]), np.full(len(ring), z)]))
    return rings


def ball_masks():
    """The same balls as masks on the emission's grid."""
    return {
        name: (distances(EMISSION_SHAPE, EMISSION, centre) < radius).astype(float)
        for name, (centre, radius) in ROIS.items()
    }


def named(prefix, datasets):
    """Data sets by file name."""
    return {f"{prefix}{index:02d}": dataset for index, dataset in enumerate(datasets)}


def structures():
    return dicom.rtstruct(
        {name: ball_contours(*ball) for name, ball in ROIS.items()}, refers_to=dicom.uid("ct")
    )


def spect() -> Study:
    """MAA SPECT as NM, its CT, a structure set."""
    return {
        "nm": dicom.nm(emission_values(), EMISSION, RescaleSlope="1", RescaleIntercept="0"),
        **named("ct", dicom.ct(ct_values(), CT)),
        "rs": structures(),
    }


def pet() -> Study:
    """Y-90 PET in Bq/mL with a slope a slice, its CT, a segmentation."""
    values = emission_values()
    slopes = 200.0 + 10.0 * np.arange(len(values))
    stored = np.rint(values * 1000.0 / slopes[:, None, None]).astype(np.uint16)
    slices = dicom.pet(stored, EMISSION, slopes, NumberOfSlices=len(stored))
    return {
        **named("pt", slices),
        **named("ct", dicom.ct(ct_values(), CT)),
        "sg": dicom.seg(ball_masks(), EMISSION),
    }


def enhanced() -> Study:
    """Enhanced multi-frame PET and CT, a structure set."""
    values = emission_values()
    image = dicom.enhanced_pet(values, EMISSION, slope=1000.0)
    return {"pt": image, "ct": dicom.enhanced_ct(ct_values() - np.int16(24), CT), "rs": structures()}


STUDIES = {"spect": spect, "pet": pet, "enhanced": enhanced}


def as_bytes(dataset: Dataset) -> bytes:
    """A data set as a DICOM file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def files_of(study: Study) -> dict[str, bytes]:
    """The files of a study."""
    return {name: as_bytes(dataset) for name, dataset in study.items()}


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Write files below a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def sequence(*items: Dataset) -> Sequence:
    return Sequence(list(items))
