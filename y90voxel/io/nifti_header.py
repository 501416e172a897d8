"""The 348 bytes before the voxels of a NIfTI-1 file, and where they say the voxels lie.

nibabel reads and fills the fields; what they must say stands here. The one place where patient coordinates change
between LPS and NIfTI's RAS.

References
----------
NIfTI-1 Data Format, ``nifti1.h``, https://nifti.nimh.nih.gov/nifti-1 : header layout, methods 2 (qform) and 3
(sform), ``xyzt_units``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, InputError, Notice, UnitError
from y90voxel.volumes.grid import Grid

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

__all__ = [
    "DATA_OFFSET",
    "HEADER_BYTES",
    "data_offset",
    "image_grid",
    "image_shape",
    "lps_affine",
    "new_header",
    "parse_header",
    "ras_affine",
    "same_geometry",
    "stored_type",
    "unit_notices",
    "voxel_size_notices",
]

HEADER_BYTES = 348  # sizeof_hdr of nifti1.h

DATA_OFFSET = 352  # header and four bytes that say: no extension
SCANNER_ANATOMICAL = 1  # NIFTI_XFORM_SCANNER_ANAT
MILLIMETRES = 2  # NIFTI_UNITS_MM
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
LARGEST_NUMBER_BYTES = 8  # float64; float128 differs from machine to machine
# Square of the quaternion's real part below which nifti1.h takes it for 0: every axial image is near a half turn in RAS.
HALF_TURN = 1e-7
# qform and sform count as one geometry when no corner moves further than this fraction of the smallest
# spacing, plus what a quaternion near a half turn loses.
AGREEMENT = 0.1
# pixdim and sform state one voxel size up to this fraction: what three digits leave open.
SAME_SIZE = 0.01
# Header extensions end far below this; float32 holds every whole number up to 2^24.
LARGEST_OFFSET = 1 << 24
QUATERNION_LOSS_RAD = 2 * HALF_TURN**0.5


def parse_header(raw: bytes, path: str | Path) -> Nifti1Header:
    """Return the header in the byte order of the file, or refuse what is not a single-file NIfTI-1."""
    # deferred: 0.03 s
    from nibabel.nifti1 import Nifti1Header

    if len(raw) >= HEADER_BYTES:
        header = Nifti1Header(raw[:HEADER_BYTES], check=False)
        if int(header["sizeof_hdr"]) == HEADER_BYTES and header["magic"].item() == b"n+1":
            return header
    raise InputError(
        f"{path} is not a NIfTI-1 image in one file (no 'n+1' header found). "
        "Convert it to .nii.gz, NRRD or MetaImage.",
        file=path,
    )


def stored_type(header: Nifti1Header, path: str | Path) -> np.dtype[np.generic]:
    """Return the type of the stored numbers, in the byte order of the file."""
    code, bits = int(header["datatype"]), int(header["bitpix"])
    try:
        dtype: np.dtype[np.generic] = header.get_data_dtype()
    except KeyError:  # a code that no standard gives
        dtype = np.dtype("V")
    if dtype.kind not in "iuf" or dtype.itemsize > LARGEST_NUMBER_BYTES:
        raise InputError(
            f"{path} holds NIfTI datatype {code} (complex, colour or the like); real numbers are needed.",
            file=path,
        )
    if bits not in (0, 8 * dtype.itemsize):
        raise InputError(
            f"{path}: datatype {code} has {8 * dtype.itemsize} bits a voxel, bitpix says {bits}. Write the file again.",
            file=path,
            tag="bitpix",
        )
    return dtype


def image_shape(header: Nifti1Header, path: str | Path) -> tuple[int, int, int, int]:
    """Return (volumes, slices, rows, columns)."""
    count = int(header["dim"][0])
    lengths = [int(n) for n in header["dim"][1 : 1 + max(0, min(count, 7))]]
    if not 3 <= count <= 7 or min(lengths) < 1 or any(n != 1 for n in lengths[4:]):
        raise InputError(f"{path} is not a three-dimensional image: its dimensions are {lengths}.", file=path)
    columns, rows, slices = lengths[:3]
    return (lengths[3] if count > 3 else 1, slices, rows, columns)


def data_offset(header: Nifti1Header, path: str | Path) -> int:
    """Return the byte that voxels begin at: at least 352, behind the header and the four bytes after it."""
    stated = float(header["vox_offset"])
    if not (np.isfinite(stated) and stated == int(stated) and DATA_OFFSET <= stated <= LARGEST_OFFSET):
        raise InputError(
            f"{path}: vox_offset is {stated:g}; voxels of a .nii begin at byte {DATA_OFFSET} or later (nifti1.h), up to "
            f"{LARGEST_OFFSET}. Write the file again.",
            file=path,
            tag="vox_offset",
        )
    return int(stated)


def image_grid(header: Nifti1Header, shape: tuple[int, int, int], path: str | Path) -> Grid:
    """Return the LPS grid that sform and qform agree on."""
    has_sform, has_qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    if not (has_sform or has_qform):
        raise GeometryError(
            f"{path} does not say where its voxels lie (qform_code and sform_code are both 0). "
            "Write it again with its orientation and origin.",
            file=path,
        )
    try:
        grids = [
            Grid(shape, lps_affine(ras))
            for ras in ([header.get_sform()] if has_sform else []) + ([_qform(header)] if has_qform else [])
        ]
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", file=path) from error
    if not same_geometry(grids[0], grids[-1]):
        gap = _largest_gap_mm(grids[0], grids[-1])
        raise GeometryError(
            f"{path} states two geometries that lie up to {gap:.2f} mm apart: sform {grids[0]}, "
            f"qform {grids[-1]}. Write it again with one of them.",
            file=path,
        )
    return grids[0]


def voxel_size_notices(header: Nifti1Header, grid: Grid, path: str | Path) -> tuple[Notice, ...]:
    """Refuse voxel sizes (pixdim) that contradict the grid; say where they were left at 0 or 1, their defaults.

    Raises
    ------
    GeometryError
        If the two differ by more than 1 %.
    """
    sizes = np.abs(np.array(header["pixdim"][1:4], dtype=np.float64))
    spacing = np.array(grid.spacing_mm[::-1])
    if (np.abs(sizes - spacing) <= SAME_SIZE * spacing).all():
        return ()
    if not ((sizes == 0.0) | (sizes == 1.0)).all():
        raise GeometryError(
            f"{path} states two voxel sizes: pixdim {' x '.join(f'{size:g}' for size in sizes)} mm, sform "
            f"{' x '.join(f'{size:g}' for size in spacing)} mm. Volumes and doses depend on it: write the file again with "
            "the right one in both.",
            file=path,
            tag="pixdim",
        )
    message = (
        f"{path}: pixdim was left at {' x '.join(f'{size:g}' for size in sizes)} mm; the voxel size is taken from the sform, "
        f"{' x '.join(f'{size:g}' for size in spacing)} mm."
    )
    return (Notice("voxel-size-unset", message),)


def lps_affine(ras: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the LPS affine of (slice, row, column) for the RAS affine of (column, row, slice)."""
    return np.asarray(RAS_TO_LPS @ ras[:, [2, 1, 0, 3]])


def ras_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the RAS affine of (column, row, slice) of a grid."""
    return np.asarray(RAS_TO_LPS @ grid.affine[:, [2, 1, 0, 3]])


def same_geometry(first: Grid, second: Grid) -> bool:
    """Return whether two grids lie as close as the quaternion of a qform can say."""
    diagonal = float(np.linalg.norm(np.multiply(first.shape, first.spacing_mm)))
    allowed = AGREEMENT * min(first.spacing_mm) + QUATERNION_LOSS_RAD * diagonal
    return bool(_largest_gap_mm(first, second) <= allowed)


def _largest_gap_mm(first: Grid, second: Grid) -> float:
    """Return how far a corner of one grid lies from the same corner of the other [mm]."""
    return float(np.linalg.norm(first.corners_mm() - second.corners_mm(), axis=1).max())


def _qform(header: Nifti1Header) -> NDArray[np.float64]:
    """Return the affine of method 2: quaternion, voxel sizes, and the handedness in pixdim[0].

    Not by ``get_qform`` of nibabel: that drops the real part of the quaternion up to 3.6e-7, a turn of 0.07 degrees.
    """
    # deferred: 0.03 s
    from nibabel.quaternions import quat2mat

    imaginary = np.array([header[f"quatern_{axis}"] for axis in "bcd"], dtype=np.float64)
    squared = 1.0 - imaginary @ imaginary
    real = np.sqrt(squared) if squared >= HALF_TURN else 0.0
    size = np.array(header["pixdim"][1:4], dtype=np.float64)
    if header["pixdim"][0] < 0:
        size[2] = -size[2]
    affine = np.eye(4)
    affine[:3, :3] = quat2mat([real, *imaginary]) * size
    affine[:3, 3] = [header[f"qoffset_{axis}"] for axis in "xyz"]
    return affine


def unit_notices(header: Nifti1Header, path: str | Path) -> tuple[Notice, ...]:
    """Return what to say about the unit of length; refuse metres and micrometres."""
    unit = int(header["xyzt_units"]) & 0x07
    if unit == MILLIMETRES:
        return ()
    if unit == 0:
        message = f"{path} does not state its unit of length; mm is assumed."
        return (Notice("length-unit-assumed", message),)
    name = {1: "metres", 3: "micrometres"}.get(unit, f"code {unit}")
    raise UnitError(f"{path} is in {name}; mm is needed. Write it again in mm.", file=path)


def new_header(
    grid: Grid, lengths: tuple[int, ...], dtype: str, description: str, path: str | Path
) -> Nifti1Header:
    """Return the header of an image of ``lengths`` voxels (column first) on a grid.

    The qform stays unset where its quaternion is too coarse for the grid.
    """
    # deferred: 0.03 s
    from nibabel.nifti1 import Nifti1Header

    if max(lengths) > np.iinfo(np.int16).max:
        raise InputError(f"{path}: NIfTI-1 cannot hold {' × '.join(map(str, lengths))} voxels.", file=path)
    header = Nifti1Header(endianness="<")
    header.set_data_shape(lengths)
    header.set_data_dtype(dtype)
    header.set_slope_inter(1.0, 0.0)
    header.set_xyzt_units("mm")
    header["descrip"] = f"y90voxel: {description}".encode("ascii", "replace")[:79]
    ras = ras_affine(grid)
    header.set_sform(ras, SCANNER_ANATOMICAL)
    header.set_qform(ras, SCANNER_ANATOMICAL)
    stated = Grid(grid.shape, lps_affine(_qform(header)))
    if _largest_gap_mm(stated, grid) > AGREEMENT * min(grid.spacing_mm):
        header["qform_code"] = 0
    return header
