"""A tiny but complete study as DICOM files: CT, MAA SPECT, RTSTRUCT on one frame of reference."""

import dicom_factory as dicom
import numpy as np

SPECT_AFFINE = np.array([[0, 0, 8.0, -76], [0, 8.0, 0, -76], [8.0, 0, 0, -76], [0, 0, 0, 1]])
CT_AFFINE = np.array([[0, 0, 4.0, -78], [0, 4.0, 0, -78], [4.0, 0, 0, -78], [0, 0, 0, 1]])

SOFT_TISSUE = 1024 + 50  # stored value of 50 HU


def ring_of(radius_mm, centre_mm, z):
    """A closed contour in an axial plane."""
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    ring = np.column_stack([np.cos(angles), np.sin(angles)]) * radius_mm + np.array(centre_mm[:2])
    return np.column_stack([ring, np.full(len(ring), z)])


def ball_contours(centre_mm, radius_mm, step_mm=4.0):
    """Contours of a ball on the planes of the CT."""
    planes = np.arange(-78, 80, step_mm)
    heights = planes[np.abs(planes - centre_mm[2]) < radius_mm - 0.5]
    return [ring_of(np.sqrt(radius_mm**2 - (z - centre_mm[2]) ** 2), centre_mm, z) for z in heights]


def distances(shape, affine, centre_mm):
    """Distance of every voxel centre from a point [mm]."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return np.linalg.norm(indices @ affine[:3, :3].T + affine[:3, 3] - np.array(centre_mm), axis=-1)


ROIS = {"Liver": ((0, 0, -10), 48.0), "GTV1": ((12, 5, -10), 16.0)}


def spect_counts():
    """Counts of a warm liver with a hot tumour."""
    shape = (20, 20, 20)
    counts = np.zeros(shape, np.uint16)
    counts[distances(shape, SPECT_AFFINE, ROIS["Liver"][0]) < 48] = 100
    counts[distances(shape, SPECT_AFFINE, ROIS["GTV1"][0]) < 16] = 500
    return counts


def write_study(folder, *, rois=None, with_ct=True, with_regions=True, nm=None, **identity):
    """Write the study, with attributes that every object gets, and return the folder."""
    parts = {"nm": [dicom.nm(spect_counts(), SPECT_AFFINE)] if nm is None else nm}
    if with_ct:
        parts["ct"] = dicom.ct(np.full((40, 40, 40), SOFT_TISSUE, np.int16), CT_AFFINE)
    if with_regions:
        chosen = ROIS if rois is None else rois
        contours = {name: ball_contours(*shape) for name, shape in chosen.items()}
        parts["rs"] = [dicom.rtstruct(contours)]
    for prefix, datasets in parts.items():
        dicom.save([dicom.change(ds, **identity) for ds in datasets], folder, prefix)
    return folder


def write_therapy_study(folder, tumour_counts=500, **identity):
    """Write the study with a SPECT of Y-90 and other counts in the tumour, and return the folder."""
    counts = spect_counts()
    counts[counts == 500] = tumour_counts
    image = dicom.nm(counts, SPECT_AFFINE)
    item = image.RadiopharmaceuticalInformationSequence[0]
    item.RadionuclideCodeSequence[0].CodeValue = "14691008"
    item.RadionuclideCodeSequence[0].CodeMeaning = "^90^Yttrium"
    item.Radiopharmaceutical = "Y-90 microspheres"
    return write_study(folder, nm=[image], **identity)
