"""Volumes from files that are not DICOM: NIfTI, NRRD and MetaImage.

NIfTI is read by :mod:`y90voxel.io.nifti`; NRRD and MetaImage by SimpleITK, after a look at the text of their
headers, because SimpleITK puts an image without a stated position at the origin and says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.io.image_headers import check_metaimage, nrrd_fields
from y90voxel.io.interchange import as_volume, simpleitk_grid
from y90voxel.io.nifti import read_nifti
from y90voxel.io.notices import add_notice
from y90voxel.io.other_formats import described_format
from y90voxel.io.pet_sidecar import read_pet_sidecar, sidecar_of
from y90voxel.quantification.emission import EmissionImage
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage, Volume

__all__ = [
    "IMAGE_ENDINGS",
    "SAY_OPTIONS",
    "ImageLayers",
    "image_stem",
    "is_image_file",
    "read_ct_file",
    "read_emission_file",
    "read_image",
    "read_layers",
    "read_values",
    "single_volume",
]

IMAGE_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
V = TypeVar("V", bound=Volume)
# What to write where a file was given in the place of a study.
SAY_OPTIONS = (
    "Each file needs its own option: --emission FILE, --ct FILE, and --regions before every file of regions, such as "
    "--regions liver.nii.gz --regions tumour.nii.gz."
)
# A CT without anything below this has no fat, no lung and no air in it: it hardly holds Hounsfield units.
SOFT_TISSUE_HU = -200.0
# Stored CT values that were never rescaled put water at 1024; a phantom of water alone stays far below.
OFFSET_SOFT_TISSUE = 1000.0


@dataclass(frozen=True, eq=False)
class ImageLayers:
    """What an image file holds: one or more volumes on one grid.

    Parameters
    ----------
    array : ndarray, (layers, slices, rows, columns)
        Values of the file.
    grid : Grid
        Where the voxels lie, in LPS.
    description : str
        The description field of a NIfTI file.
    fields : mapping of str to str
        The key/value pairs of a NRRD header.
    notices : tuple of Notice
        Assumptions that were made.
    labels : mapping of int to str
        Names of labels that the file itself holds.
    """

    array: NDArray[Any]
    grid: Grid
    description: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    labels: Mapping[int, str] = field(default_factory=dict)


def image_stem(path: str | Path) -> str:
    """Return the file name of an image without the ending of its format."""
    name = Path(path).name
    ending = max((end for end in IMAGE_ENDINGS if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(ending)]


def is_image_file(path: str | Path) -> bool:
    """Return whether a file has the ending of an image format that is read here."""
    return Path(path).name.lower().endswith(IMAGE_ENDINGS)


def read_image(path: str | Path, kind: type[V], *, notices: list[Notice] | None = None) -> V:
    """Return an image file as a volume; only what its values mean has to be said.

    Parameters
    ----------
    path : path-like
        As for :func:`read_values`, which also lists what is raised. DICOM is read by `y90voxel.read_study`, which
        completes it by its headers.
    kind : type
        What the values are, in its unit: ``CtImage`` [HU; checked as by :func:`read_ct_file`], ``CountMap``,
        ``ActivityMap`` [Bq per voxel], ``DensityMap`` [g/mL], ``DoseMap`` [Gy], ``Mask`` (0 to 1).
    notices : list of Notice, optional
        Receives what was assumed; warned when it is not given.

    Raises
    ------
    InputError
        If the values cannot be of that kind.
    """
    if isinstance(kind, type) and issubclass(kind, CtImage):
        ct = read_ct_file(path, notices=notices)
        return kind(ct.array, ct.grid)
    return as_volume(*read_values(path, notices=notices), kind)


def read_values(path: str | Path, *, notices: list[Notice] | None = None) -> tuple[NDArray[Any], Grid]:
    """Return the voxels of an image file, (slices, rows, columns), and where they lie.

    Parameters
    ----------
    path : path-like
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``; three-dimensional, further axes
        of length one.
    notices : list of Notice, optional
        Receives what was assumed; warned when it is not given.

    Raises
    ------
    InputError
        If the file cannot be read, is not a three-dimensional image of one real number per voxel, or
        holds values that are NaN or infinite.
    GeometryError
        If the file does not say where the voxels lie, or the axes are not perpendicular.
    UnitError
        If lengths are not in mm.
    """
    return single_volume(read_layers(path), path, notices)


def single_volume(
    image: ImageLayers, path: str | Path, notices: list[Notice] | None
) -> tuple[NDArray[Any], Grid]:
    """Return the one volume of an image that was read; raises as :func:`read_values`."""
    if len(image.array) != 1:
        raise InputError(
            f"{path} holds {len(image.array)} volumes or values per voxel; one is needed. "
            "Take out the one that is meant.",
            file=path,
        )
    if not np.isfinite(image.array).all():
        bad = int(np.count_nonzero(~np.isfinite(image.array)))
        raise InputError(
            f"{path}: {bad} of {image.array.size} voxels are NaN or infinite. Repair the image first.",
            file=path,
        )
    for notice in image.notices:
        add_notice(notices, notice.code, notice.message)
    return image.array[0], image.grid


def read_emission_file(path: str | Path, *, notices: list[Notice] | None = None) -> EmissionImage:
    """Return an emission image without a DICOM header; what its values are is for the caller to say, or a PET side-car.

    Parameters
    ----------
    path, notices
        As for :func:`read_values`, which also lists what is raised.

    Returns
    -------
    EmissionImage
        Modality ``"file"``, values as a CountMap of float32 (float64 where the file has more digits); ``"PT"`` with
        what its side-car states where a JSON of a PET image lies beside it.

    Raises
    ------
    InputError
        If no voxel is positive, or the side-car cannot be used (see :func:`~y90voxel.io.pet_sidecar.read_pet_sidecar`).
    """
    array, grid = read_values(path, notices=notices)
    if not array.max() > 0:
        raise InputError(f"{path}: no voxel is above 0; this is not an emission image.", file=path)
    emission = EmissionImage(CountMap(_as_float(array), grid), modality="file")
    beside = sidecar_of(Path(path), image_stem(path))
    if beside is None:
        return emission
    sidecar = read_pet_sidecar(beside)
    for notice in sidecar.notices:
        add_notice(notices, notice.code, notice.message)
    return sidecar.applied(emission)


def read_ct_file(path: str | Path, *, notices: list[Notice] | None = None) -> CtImage:
    """Return a CT without a DICOM header.

    Parameters
    ----------
    path, notices
        As for :func:`read_values`, which also lists what is raised.

    Raises
    ------
    InputError
        If no voxel is below 0 and some reach 1000: then soft tissue lies near 1024, not near 0 HU.
    """
    array, grid = read_values(path, notices=notices)
    lowest, highest = float(array.min()), float(array.max())
    if lowest >= 0 and highest >= OFFSET_SOFT_TISSUE:
        raise InputError(
            f"{path}: values from {lowest:g} to {highest:g} are not Hounsfield units (fat is near -100, air "
            "-1000 HU). Stored values often lie 1024 above HU: subtract that and write the file again.",
            file=path,
        )
    if lowest > SOFT_TISSUE_HU:
        add_notice(
            notices,
            "ct-without-air",
            f"{path}: the lowest value is {lowest:g} HU, so the image holds neither air nor lung. "
            "It is used as it is; check that its values are Hounsfield units.",
        )
    return CtImage(_as_float(array), grid)


def read_layers(path: str | Path) -> ImageLayers:
    """Return all volumes of an image file, values unchecked; raises as :func:`read_values`."""
    source = Path(path)
    if not source.is_file():
        raise InputError(f"there is no file {source} (or it is a folder, pipe or device).", file=source)
    name = source.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        nifti = read_nifti(source)
        return ImageLayers(nifti.array, nifti.grid, nifti.description, {}, nifti.notices, nifti.labels)
    if name.endswith((".nrrd", ".nhdr")):
        fields = nrrd_fields(source)
    elif name.endswith((".mha", ".mhd")):
        check_metaimage(source)
        fields = {}
    else:
        message = f"{source} has none of the endings of an image: {', '.join(IMAGE_ENDINGS)}."
        raise InputError(described_format(source) or message, file=source)
    return _read_with_itk(source, fields)


def _as_float(array: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return float32, or float64 where float32 has too few digits for the type of the file."""
    exact = array.dtype.itemsize <= 2 or array.dtype == np.float32
    return array.astype(np.float32 if exact else np.float64, copy=False)


def _read_with_itk(path: Path, fields: Mapping[str, str]) -> ImageLayers:
    """Return the volumes of a NRRD or MetaImage file; SimpleITK counts x, y, z in LPS."""
    # deferred: 0.1 s
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(str(path))
    except (RuntimeError, MemoryError) as error:
        reason = (str(error).strip() or "not enough memory").splitlines()[-1]
        raise InputError(f"cannot read {path}: {reason}", file=path) from error
    dimension = image.GetDimension()
    if dimension not in (3, 4) or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(
            f"{path} is not a three-dimensional image of real numbers: {dimension} dimensions of "
            f"{image.GetSize()} voxels, {image.GetPixelIDTypeAsString()}.",
            file=path,
        )
    view = SimpleITK.GetArrayViewFromImage(image)
    if dimension == 3:
        view = np.moveaxis(view, -1, 0) if image.GetNumberOfComponentsPerPixel() > 1 else view[None]
    array = np.array(view, order="C")  # the view dies with the image
    try:
        grid = simpleitk_grid(image)
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", file=path) from error
    return ImageLayers(array, grid, fields=fields)
