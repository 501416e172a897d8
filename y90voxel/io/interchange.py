"""Volumes from and to the images of nibabel and SimpleITK, which count axes and patient directions differently.

nibabel's arrays are ``[column, row, slice]`` with an affine to RAS (right, anterior and superior are positive); SimpleITK's
arrays are ``[slice, row, column]``, its spacing, origin and directions are by column, row, slice, in LPS; volumes here are
``[slice, row, column]`` with an affine to LPS.

References
----------
https://nipy.org/nibabel/coordinate_systems.html ; https://simpleitk.readthedocs.io/en/master/fundamentalConcepts.html
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.io.nifti_header import (
    image_grid,
    lps_affine,
    new_header,
    ras_affine,
    same_geometry,
    unit_notices,
)
from y90voxel.io.notices import add_notice
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Volume

__all__ = ["as_volume", "from_nibabel", "from_simpleitk", "simpleitk_grid", "to_nibabel", "to_simpleitk"]

V = TypeVar("V", bound=Volume)
FRAME_OF_REFERENCE = "0020|0052"  # how SimpleITK's metadata name FrameOfReferenceUID
WHAT = "the nibabel image"


def from_nibabel(image: Any, kind: type[V], *, notices: list[Notice] | None = None) -> V:
    """Return a nibabel image as a volume; only the values' meaning has to be said.

    Parameters
    ----------
    image : nibabel.spatialimages.SpatialImage
        Three-dimensional (further axes of length one), one real number a voxel; slope and intercept are applied.
    kind : type
        What the values are, in its unit: ``CtImage`` [HU], ``CountMap``, ``ActivityMap`` [Bq per voxel],
        ``DensityMap`` [g/mL], ``DoseMap`` [Gy], ``Mask`` (0 to 1).
    notices : list of Notice, optional
        Receives what was assumed; warned when it is not given.

    Raises
    ------
    InputError
        If it is no such image, or a value is not finite or not possible for the kind.
    GeometryError
        If the image does not say where its voxels lie (nibabel then makes geometry up), sform and qform contradict each
        other, or the axes are not perpendicular.
    UnitError
        If lengths are not in mm.

    Examples
    --------
    >>> import nibabel, numpy as np
    >>> from y90voxel.volumes.volume import DoseMap
    >>> image = nibabel.Nifti1Image(np.zeros((4, 3, 2)), np.diag([2.0, 2.0, 5.0, 1.0]))
    >>> image.header.set_xyzt_units("mm")
    >>> from_nibabel(image, DoseMap).grid.index_to_lps((1, 1, 1)).tolist()
    [-2.0, -2.0, 5.0]
    """
    if not all(hasattr(image, name) for name in ("dataobj", "affine", "header")):
        raise InputError(f"a nibabel image is needed, got {type(image).__name__}.")
    array = np.asanyarray(image.dataobj)
    shape, more = array.shape[:3], array.shape[3:]
    if len(shape) != 3 or any(n != 1 for n in more):
        raise InputError(f"one three-dimensional volume is needed, got an image of shape {array.shape}.")
    values = array.reshape(shape).T
    return as_volume(values, _nibabel_grid(image, values.shape, notices), kind)


def _nibabel_grid(image: Any, shape: tuple[int, ...], notices: list[Notice] | None) -> Grid:
    """Where the voxels of a nibabel image lie: by its affine, or by a qform that stands alone, in full digits."""
    # deferred: 0.03 s
    from nibabel.analyze import AnalyzeHeader

    if image.affine is None:
        raise GeometryError(f"{WHAT} has no affine: it does not say where its voxels lie.")
    slices, rows, columns = shape
    grid = Grid((slices, rows, columns), lps_affine(np.asarray(image.affine, dtype=np.float64)))
    if hasattr(image.header, "get_sform"):
        stated = image_grid(image.header, grid.shape, WHAT)
        for notice in unit_notices(image.header, WHAT):
            add_notice(notices, notice.code, notice.message)
        by_quaternion = int(image.header["sform_code"]) == 0 and same_geometry(stated, grid)
        return stated if by_quaternion else grid
    if isinstance(image.header, AnalyzeHeader):
        raise GeometryError(
            f"{WHAT} is of Analyze or SPM format, which does not say the patient's left from right. Convert it to NIfTI with "
            "the program that wrote it."
        )
    return grid


def to_nibabel(volume: Volume) -> Any:
    """Return a volume as a ``nibabel.Nifti1Image`` in its own unit, with sform and qform; not copied where its type is kept.

    Extensive volumes (counts, activity) are per voxel. The uncertainty of a dose map and the frame of reference have no
    place in it.

    Parameters
    ----------
    volume : Volume
        Any typed volume.

    Raises
    ------
    InputError
        If an axis is longer than the 32767 voxels that NIfTI-1 can say.
    """
    # deferred: 0.03 s
    from nibabel.nifti1 import Nifti1Image

    array = _plain(volume.array)
    array = array.astype(np.float64) if array.dtype.kind in "iu" and array.dtype.itemsize == 8 else array
    unit = f"{volume.unit}/voxel" if volume.extensive else volume.unit
    what = f"{volume.quantity} [{unit}]"
    header = new_header(volume.grid, volume.grid.shape[::-1], array.dtype.str[1:], what, what)
    return Nifti1Image(array.T, ras_affine(volume.grid), header)


def from_simpleitk(image: Any, kind: type[V]) -> V:
    """Return a SimpleITK image as a volume; a copy, for views of SimpleITK's images die with them.

    Parameters
    ----------
    image : SimpleITK.Image
        Three-dimensional, one real number a voxel. A frame of reference in its metadata (``0020|0052``) is kept.
    kind : type
        What the values are, as for `from_nibabel`.

    Raises
    ------
    InputError
        If it is no such image, or a value is not finite or not possible for the kind.
    GeometryError
        If the axes are not perpendicular.
    """
    # deferred: 0.1 s
    import SimpleITK

    if not isinstance(image, SimpleITK.Image):
        raise InputError(f"a SimpleITK image is needed, got {type(image).__name__}.")
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"one three-dimensional volume is needed, got {image.GetDimension()} dimensions with "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel."
        )
    frame = image.GetMetaData(FRAME_OF_REFERENCE).strip() if image.HasMetaDataKey(FRAME_OF_REFERENCE) else ""
    grid = simpleitk_grid(image, frame or None)
    return as_volume(SimpleITK.GetArrayFromImage(image), grid, kind)


def to_simpleitk(volume: Volume) -> Any:
    """Return a volume as a ``SimpleITK.Image`` in its own unit, a copy, with the frame of reference in its metadata.

    Extensive volumes (counts, activity) are per voxel. The uncertainty of a dose map has no place in it.

    Parameters
    ----------
    volume : Volume
        Any typed volume.
    """
    # deferred: 0.1 s
    import SimpleITK

    array, grid = volume.array, volume.grid
    image = SimpleITK.GetImageFromArray(_plain(array))
    image.SetSpacing(grid.spacing_mm[::-1])
    image.SetOrigin(grid.origin_mm.tolist())
    image.SetDirection(grid.directions[:, ::-1].ravel().tolist())
    if grid.frame_of_reference_uid is not None:
        image.SetMetaData(FRAME_OF_REFERENCE, grid.frame_of_reference_uid)
    return image


def simpleitk_grid(image: Any, frame_of_reference_uid: str | None = None) -> Grid:
    """Return where the voxels of a SimpleITK image lie: its first three dimensions.

    Raises
    ------
    GeometryError
        If the axes are not perpendicular.
    """
    dimension = image.GetDimension()
    directions = np.reshape(image.GetDirection(), (dimension, dimension))[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = (directions * image.GetSpacing()[:3])[:, ::-1]
    affine[:3, 3] = image.GetOrigin()[:3]
    return Grid(image.GetSize()[2::-1], affine, frame_of_reference_uid)


def as_volume(array: NDArray[Any], grid: Grid, kind: type[V]) -> V:
    """Return values as a volume of a kind: real numbers, in float32, or float64 where float32 has too few digits.

    Raises
    ------
    InputError
        If it is no kind of volume, or the values are no real numbers, not finite, or not possible for the kind.
    """
    if not (isinstance(kind, type) and issubclass(kind, Volume)):
        raise InputError(
            f"say what the values are by a type such as CtImage or {DoseMap.__name__}, not {kind!r}."
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"one real number a voxel is needed, got {array.dtype}.")
    exact = array.dtype.itemsize <= 2 or array.dtype == np.float32
    return kind(array.astype(np.float32 if exact else np.float64, copy=False), grid).check_finite()


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The values in a type of this machine that NIfTI and SimpleITK both know."""
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    return array.astype(np.uint8 if array.dtype == bool else array.dtype.newbyteorder("="), copy=False)
