"""NIfTI-1 files.

Headers are nibabel's; its images are not used, because they make geometry up where neither qform nor sform is set, and
because the gzip level is chosen here. Level 1 is Intel's ISA-L, ten times as fast as that of zlib and no larger.

References
----------
NIfTI-1 Data Format, ``nifti1.h``, https://nifti.nimh.nih.gov/nifti-1 : ``datatype``, ``scl_slope``.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from y90voxel.deflate import gzip_bytes, gzip_stream
from y90voxel.errors import InputError, Notice
from y90voxel.io.atomic import atomic_file
from y90voxel.io.mask_grid import mask_grid
from y90voxel.io.nifti_extension import extension_contents, label_table
from y90voxel.io.nifti_header import (
    DATA_OFFSET,
    HEADER_BYTES,
    data_offset,
    image_grid,
    image_shape,
    new_header,
    parse_header,
    stored_type,
    unit_notices,
    voxel_size_notices,
)
from y90voxel.io.unpacking import check_unpacked_size
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, Mask, Volume

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

__all__ = [
    "NiftiImage",
    "packed_nifti",
    "read_nifti",
    "write_activity_concentration",
    "write_nifti",
    "write_regions_nifti",
]

# Occupancies are kept in steps of 2^-15: zero, one and every sub-voxel count of 2^n are exact.
OCCUPANCY_STEP = 2.0**-15
GZIP_MAGIC = b"\x1f\x8b"
# Bytes behind the voxels that are looked at: whether there are any, and the checksum of gzip.
TRAILING_BYTES = 1 << 16


@dataclass(frozen=True, eq=False)
class NiftiImage:
    """What a NIfTI file holds.

    Parameters
    ----------
    array : ndarray, (volumes, slices, rows, columns)
        Values after ``scl_slope`` and ``scl_inter``; one volume for a 3-D file.
    grid : Grid
        Where the voxels lie, in LPS.
    description : str
        The ``descrip`` field.
    notices : tuple of Notice
        Assumptions that were made.
    labels : mapping of int to str
        Names of labels in a header extension.
    """

    array: NDArray[Any]
    grid: Grid
    description: str = ""
    notices: tuple[Notice, ...] = ()
    labels: Mapping[int, str] = field(default_factory=dict)


def read_nifti(path: str | Path) -> NiftiImage:
    """Return the voxels of a NIfTI-1 file (.nii, .nii.gz) with their LPS grid.

    The sform is taken where it is set, else the qform; where both are set they must agree.

    Parameters
    ----------
    path : path-like
        Three- or four-dimensional image; dimensions beyond must have length one.

    Raises
    ------
    InputError
        If the file is not a complete single-file NIfTI-1 image of real numbers, announces more than can be read, or
        facts of its header contradict each other.
    GeometryError
        If neither qform nor sform is set, they disagree, or the axes are not perpendicular.
    UnitError
        If the header states another unit of length than mm.
    """
    path = Path(path)
    with _unpacked(path) as stream:
        head = stream.read(DATA_OFFSET)
        header = parse_header(head, path)
        shape, dtype, offset = (
            image_shape(header, path),
            stored_type(header, path),
            data_offset(header, path),
        )
        needed = int(np.prod(shape)) * dtype.itemsize
        check_unpacked_size(offset + needed, path.stat().st_size, path)
        rest = stream.read(offset - DATA_OFFSET + needed + TRAILING_BYTES)
    between, flag = rest[: offset - DATA_OFFSET], head[HEADER_BYTES:]
    contents = extension_contents(flag, between, big_endian=header.endianness == ">", path=path)
    stored, trailing = _stored(rest, dtype, shape, offset - DATA_OFFSET, path)
    grid = image_grid(header, (shape[1], shape[2], shape[3]), path)
    description = header["descrip"].item().split(b"\0")[0].decode("latin-1")
    notices = unit_notices(header, path) + voxel_size_notices(header, grid, path) + trailing
    return NiftiImage(_scaled(stored, header, path), grid, description, notices, label_table(contents))


def write_nifti(
    volume: Volume, path: str | Path, *, description: str | None = None, compress_level: int = 1
) -> None:
    """Write a volume as float32 in its own unit, with qform and sform.

    Parameters
    ----------
    volume : Volume
        Any typed volume; its quantity and unit go into ``descrip``. Extensive volumes are written per
        voxel; for Bq/mL use :func:`write_activity_concentration`.
    path : path-like
        Ends in ``.nii`` or ``.nii.gz``.
    description : str, optional
        What the values are, where it is not the volume's own quantity.
    compress_level : int
        gzip level 1 (fast) to 9.

    Raises
    ------
    InputError
        If the name has another ending, or an axis is longer than the 32767 voxels NIfTI-1 can say.
    """
    unit = f"{volume.unit}/voxel" if volume.extensive else volume.unit
    words = description or f"{volume.quantity} [{unit}]"
    _write_float32(volume.array, volume.grid, path, words, compress_level)


def write_activity_concentration(activity: ActivityMap, path: str | Path, *, compress_level: int = 1) -> None:
    """Write an activity map as concentration [Bq/mL], float32; parameters as :func:`write_nifti`."""
    concentration = activity.array / np.float32(activity.grid.voxel_volume_ml)
    _write_float32(concentration, activity.grid, path, "activity [Bq/mL]", compress_level)


def write_regions_nifti(
    masks: Mapping[str, Mask],
    path: str | Path,
    *,
    roles: Mapping[str, str] | None = None,
    automatic: Iterable[str] = (),
    compress_level: int = 1,
) -> None:
    """Write regions as a 4-D image, one occupancy volume each, and name them in a JSON beside it.

    The JSON has the name of the image (``regions.nii.gz`` -> ``regions.json``) and lists name, role,
    whether a person drew it, and volume [mL], in the order of the volumes.

    Parameters
    ----------
    masks : mapping of str to Mask
        Occupancies on one grid; they may overlap.
    path : path-like
        Ends in ``.nii`` or ``.nii.gz``.
    roles : mapping of str to str, optional
        Role of each region.
    automatic : iterable of str
        The regions that no person drew.

    Raises
    ------
    InputError
        If there is no region, or the name has another ending.
    GridMismatchError
        If the masks do not share a grid.
    """
    grid = mask_grid(masks, path)
    header = new_header(grid, (*grid.shape[::-1], len(masks)), "u2", "regions [occupancy]", path)
    header["scl_slope"] = OCCUPANCY_STEP
    with _data_stream(path, compress_level) as stream:
        header.write_to(stream)
        for mask in masks.values():
            steps = np.zeros(grid.shape, "<u2")
            steps[mask.box] = np.rint(mask.array[mask.box] / OCCUPANCY_STEP)
            stream.write(steps.data)
    drawn = set(masks) - set(automatic)
    listed = [
        {
            "name": name,
            "role": str(roles[name]) if roles and name in roles else None,
            "automatic": name not in drawn,
            "volume_ml": round(mask.volume_ml, 6),
        }
        for name, mask in masks.items()
    ]
    document = {"schema_version": 1, "kind": "regions", "image": Path(path).name, "regions": listed}
    with atomic_file(Path(path).with_name(_stem(path) + ".json")) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def packed_nifti(stored: NDArray[Any], grid: Grid, step: float, description: str) -> bytes:
    """Return integers with their step as the bytes of a ``.nii.gz``.

    Parameters
    ----------
    stored : ndarray of int, (slices, rows, columns)
        uint8, int16 or uint16.
    grid : Grid
        Where the voxels lie.
    step : float
        Value of one count (``scl_slope``).
    description : str
        Goes into ``descrip``, with its unit.

    Raises
    ------
    InputError
        If the integers are of another type, or an axis is longer than the 32767 voxels NIfTI-1 can say.
    """
    code = stored.dtype.str[1:]
    if code not in ("u1", "i2", "u2"):
        raise InputError(f"a packed NIfTI holds uint8, int16 or uint16, got {stored.dtype}.")
    header = new_header(grid, grid.shape[::-1], code, description, description)
    header["scl_slope"] = step
    stream = io.BytesIO()
    header.write_to(stream)
    stream.write(np.ascontiguousarray(stored, dtype=f"<{code}").tobytes())
    packed: bytes = gzip_bytes(stream.getvalue())
    return packed


# reading


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Give a stream of the bytes of a file, unpacked if they are gzip; raise where it cannot be read."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            if not packed:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as stream:
                yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a damaged gzip file ({error}). Copy it again.", file=path) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.", file=path) from error


def _stored(
    data: bytes, dtype: np.dtype[Any], shape: tuple[int, int, int, int], offset: int, path: str | Path
) -> tuple[NDArray[Any], tuple[Notice, ...]]:
    """Return the stored numbers as they are, in native byte order, and what is said about bytes behind them."""
    count = int(np.prod(shape))
    more = len(data) - offset - count * dtype.itemsize
    if more < 0:
        raise InputError(
            f"{path} is cut short: {count * dtype.itemsize} bytes of voxels are announced, "
            f"{max(0, len(data) - offset)} are there. Copy it again.",
            file=path,
        )
    stored = np.frombuffer(data, dtype, count=count, offset=offset).reshape(shape)
    notices: tuple[Notice, ...] = ()
    if more:
        amount = f"{more}" if more < TRAILING_BYTES else f"{TRAILING_BYTES} or more"
        message = (
            f"{path}: {amount} bytes follow the {count} voxels that the header announces; they are not used. Check its "
            "dimensions and vox_offset."
        )
        notices = (Notice("bytes-after-voxels", message),)
    return stored.astype(dtype.newbyteorder("="), copy=False), notices


def _scaled(stored: NDArray[Any], header: Nifti1Header, path: str | Path) -> NDArray[Any]:
    """Return stored * slope + intercept; a slope of 0 or NaN means: not scaled."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0.0 or np.isnan(slope) or (slope, intercept) == (1.0, 0.0):
        return stored
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise InputError(f"{path}: slope {slope} and intercept {intercept} are not numbers.", file=path)
    dtype = np.float64 if stored.dtype.itemsize > 2 and stored.dtype != np.float32 else np.float32
    return stored * dtype(slope) + dtype(intercept)


# writing


def _write_float32(
    array: NDArray[Any], grid: Grid, path: str | Path, description: str, compress_level: int
) -> None:
    """Write one volume, plane by plane so that a large one needs no second copy."""
    header = new_header(grid, grid.shape[::-1], "f4", description, path)
    with _data_stream(path, compress_level) as stream:
        header.write_to(stream)
        for plane in array:
            stream.write(np.ascontiguousarray(plane, dtype="<f4").tobytes())


@contextmanager
def _data_stream(path: str | Path, compress_level: int) -> Iterator[BinaryIO]:
    """Give a stream to a .nii or .nii.gz file that appears only when it is complete."""
    name = Path(path).name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path}: a NIfTI file ends in .nii or .nii.gz.", file=path)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        if name.endswith(".nii"):
            yield file
        else:  # no name and no time inside: equal data give equal files
            with gzip_stream(file, compress_level) as stream:
                yield stream


def _stem(path: str | Path) -> str:
    """Return the file name without .nii or .nii.gz."""
    name = Path(path).name
    return name[: name.lower().rindex(".nii")]
