"""A blob at a known LPS position stays there: from random DICOM geometries to activity, dose, RTDOSE and NIfTI.

The blob is an uneven block of voxels whose centroid follows from the stored numbers alone, so that a mirrored, shifted
or exchanged axis shows; on uneven slices it is a Gaussian seen at the true positions. The files are read back by pydicom
and the equations of PS3.3 (C.7.6.2.1.1, C.8.8.3.2) and by nibabel, not by this package.
"""

import dicom_factory as factory
import nibabel
import numpy as np
import pydicom
import pytest

from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.study.dose_results import Output, write_results
from y90voxel.study.read_study import read_study

ENHANCED_PET_CLASS = "1.2.840.10008.5.1.4.1.1.130"
IN_EVERY_RUN, GEOMETRIES = 72, 216  # the others are slow
UNEVEN_IN_EVERY_RUN, UNEVEN = 8, 24  # the others are slow
TOLERANCE_MM = 0.01
KINDS = ("nm", "pet", "enhanced pet")
LAYS = (
    "head first",
    "feet first",
    "prone",
    "decubitus",
    "oblique",
    "coronal",
    "sagittal",
    "turned and flipped",
)
# Array axes (slice, row, column) of a patient lying head first supine: superior, posterior, left.
SUPINE = np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]])
TURNS = {
    "head first": SUPINE,
    "feet first": SUPINE * (-1, 1, -1),
    "prone": SUPINE * (1, -1, -1),
    "decubitus": SUPINE[:, [0, 2, 1]] * (1, 1, -1),
    "coronal": SUPINE[:, [1, 0, 2]] * (1, -1, 1),
    "sagittal": SUPINE[:, [2, 0, 1]] * (1, -1, 1),
}


def seeds(in_every_run, number):
    """Seeds, all but the first few of them slow."""
    return [
        *range(in_every_run),
        *(pytest.param(n, marks=pytest.mark.slow) for n in range(in_every_run, number)),
    ]


def points_of(affine, shape):
    """LPS of all voxel centres, (slices, rows, columns, 3)."""
    return np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]


def centroid(array, affine):
    """The mean position, weighted by the values."""
    weights = np.asarray(array, np.float64)
    return np.tensordot(weights, points_of(affine, weights.shape), 3) / weights.sum()


def random_affine(rng, lay):
    """A place of the patient in the scanner, with unequal spacing."""
    spacing = rng.uniform(1.5, 6.0, 3)
    affine = np.eye(4)
    if lay in TURNS:
        affine[:3, :3] = TURNS[lay] * spacing
    else:
        signs = rng.choice([-1, 1], 3) if lay == "turned and flipped" else (1, 1, 1)
        angles = rng.uniform(-3.1, 3.1, 3) if lay == "turned and flipped" else rng.uniform(-0.5, 0.5, 3)
        affine = factory.oblique_affine(spacing, (0, 0, 0), angles, signs)
    affine[:3, 3] = rng.uniform(-400, 400, 3)
    return affine


def uneven_block(rng, shape):
    """Stored values of a block of random voxels, off the middle of the volume."""
    stored = np.zeros(shape, np.uint16)
    size = rng.integers(2, 5, 3)
    start = [int(rng.integers(2, n - s - 2)) for n, s in zip(shape, size, strict=True)]
    block = tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))
    stored[block] = rng.integers(200, 30000, size)
    return stored


def written(rng, kind, stored, affine, folder, heights=None):
    """Write the emission image in files of random order."""
    if kind == "nm":
        datasets = [factory.nm(stored, affine)]
    elif kind == "enhanced pet":
        datasets = [enhanced_pet(rng, stored, affine)]
    else:
        datasets = factory.pet(stored, affine, heights_mm=heights)
        rng.shuffle(datasets)
    factory.save(datasets, folder)


def enhanced_pet(rng, stored, affine):
    """A multi-frame PET in Bq/mL with its frames in any order."""
    made = factory.enhanced_ct(
        stored, affine, SOPClassUID=ENHANCED_PET_CLASS, Modality="PT", DecayCorrected="NO"
    )
    shared = made.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence[0].RescaleIntercept = "0"
    unit = factory.code("Bq/ml", "UCUM", "becquerel per millilitre")
    shared.RealWorldValueMappingSequence = [factory.item(MeasurementUnitsCodeSequence=[unit])]
    made.RadiopharmaceuticalInformationSequence = factory.radiopharmaceutical()
    order = rng.permutation(len(stored))
    made.PerFrameFunctionalGroupsSequence = [made.PerFrameFunctionalGroupsSequence[int(i)] for i in order]
    return factory.set_pixels(made, stored[order])


def computed(study, out, engine=None):
    """Run the job without regions: relative calibration over the whole image, written to ``out``."""
    case = study.case(
        administered_activity_bq=1e9,
        lung_shunt_fraction=0.0,
        calibration="relative",
        calibration_region="fov",
        liver_density=1.05,
    )
    evaluation = verify(case, engine(case) if engine else LocalDeposition("Y-90"))
    write_results(evaluation, out, study.identity, study.sources, Output(report=False))
    return evaluation


def rtdose_by_the_standard(path):
    """Doses [Gy] and affine of an RTDOSE, straight from the equations of the standard."""
    dataset = pydicom.dcmread(path)
    along_row, down_column = np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
    offsets = np.array(dataset.GridFrameOffsetVector, float)
    assert offsets[0] == 0
    np.testing.assert_allclose(np.diff(offsets), offsets[1], rtol=1e-9)
    affine = np.eye(4)
    affine[:3, 0] = np.cross(along_row, down_column) * offsets[1]
    affine[:3, 1] = down_column * float(dataset.PixelSpacing[0])
    affine[:3, 2] = along_row * float(dataset.PixelSpacing[1])
    affine[:3, 3] = np.array(dataset.ImagePositionPatient, float)
    return dataset.pixel_array * float(dataset.DoseGridScaling), affine


def nifti_by_nibabel(path):
    """Values and LPS affine of a NIfTI file by its sform, then by its qform."""
    image = nibabel.load(path)
    (sform, s_code), (qform, q_code) = image.get_sform(coded=True), image.get_qform(coded=True)
    assert s_code == q_code == 1
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    values = np.asarray(image.dataobj)
    return [(values, to_lps @ form) for form in (sform, qform)]


def check_everywhere(evaluation, out, truth, tolerance_mm=TOLERANCE_MM):
    """The blob lies at the truth in memory and in every file."""
    found = {
        "activity": (evaluation.activity.array, evaluation.activity.grid.affine),
        "dose": (evaluation.dose.array, evaluation.dose.grid.affine),
        "RTDOSE": rtdose_by_the_standard(out / "dose.dcm"),
    }
    for name in ("dose", "activity"):
        by_form = nifti_by_nibabel(out / f"{name}.nii.gz")
        found |= {
            f"{name} NIfTI {form}": image for form, image in zip(("sform", "qform"), by_form, strict=True)
        }
    off = {name: float(np.linalg.norm(centroid(*image) - truth)) for name, image in found.items()}
    assert max(off.values()) <= tolerance_mm, off


@pytest.mark.parametrize("seed", seeds(IN_EVERY_RUN, GEOMETRIES))
def test_a_blob_lies_where_it_was_written_in_every_output(tmp_path, seed):
    rng = np.random.default_rng(seed)
    lay, kind = LAYS[seed % len(LAYS)], KINDS[seed // len(LAYS) % len(KINDS)]
    affine = random_affine(rng, lay)
    stored = uneven_block(rng, tuple(int(n) for n in rng.permutation((11, 13, 16))))
    written(rng, kind, stored, affine, tmp_path / "in")
    evaluation = computed(read_study(tmp_path / "in"), tmp_path / "out")
    check_everywhere(evaluation, tmp_path / "out", centroid(stored, affine))


@pytest.mark.parametrize("seed", seeds(UNEVEN_IN_EVERY_RUN, UNEVEN))
@pytest.mark.parametrize("kind", ["steps of a real PET", "a tenth of a step off"])
def test_a_blob_seen_in_uneven_slices_lies_where_it_is(tmp_path, seed, kind):
    """A Gaussian of about six slices' width, sampled at the true positions of slices that lie off even ones.

    Either up to a tenth of a step off, or with the steps of a real PET: 3.27 mm, a few of 3.29 and one of 3.19 mm.
    """
    rng = np.random.default_rng(1000 + seed)
    affine = random_affine(rng, LAYS[seed % len(LAYS)])
    shape = (30, 22, 24)
    affine[:3, :3] *= np.array((3.27, 4.0, 3.6)) / np.linalg.norm(affine[:3, :3], axis=0)
    index = (np.array(shape) - 1) / 2 + rng.uniform(-0.5, 0.5, 3)
    centre = affine[:3, :3] @ index + affine[:3, 3]
    if kind == "a tenth of a step off":
        jitter = rng.uniform(-0.1, 0.1, shape[0])
    else:
        steps = np.zeros(shape[0])
        steps[np.sort(rng.choice(np.arange(5, 25), 5, replace=False))] = 0.02, 0.02, -0.08, 0.02, 0.02
        jitter = np.cumsum(steps) / 3.27
    points = points_of(affine, shape) + jitter[:, None, None, None] * affine[:3, 0]
    distance = np.linalg.norm(points - centre, axis=-1)
    stored = np.rint(60000 * np.exp(-0.5 * (distance / 8.0) ** 2)).astype(np.uint16)
    heights = (np.arange(shape[0]) + jitter) * 3.27
    written(rng, "pet", stored, affine, tmp_path / "in", heights)
    study = read_study(tmp_path / "in")
    assert [notice.code for notice in study.notices] == ["uneven-slices"]
    evaluation = computed(study, tmp_path / "out")
    check_everywhere(evaluation, tmp_path / "out", centre)


@pytest.mark.parametrize("lay", LAYS)
def test_convolution_keeps_the_blob_in_its_place(tmp_path, lay):
    """A symmetric kernel leaves the centroid alone, so far as the image holds all that it spreads."""
    rng = np.random.default_rng(LAYS.index(lay))
    affine = random_affine(rng, lay)
    stored = np.zeros((15, 17, 19), np.uint16)
    stored[6:9, 7:10, 8:11] = rng.integers(10000, 30000, (3, 3, 3))
    written(rng, "nm", stored, affine, tmp_path / "in")

    def engine(case):
        return KernelConvolution(voxel_kernel("Y-90", case.grid.spacing_mm))

    evaluation = computed(read_study(tmp_path / "in"), tmp_path / "out", engine)
    check_everywhere(evaluation, tmp_path / "out", centroid(stored, affine))
