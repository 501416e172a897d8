"""The 348 bytes before the voxels of a NIfTI-1 file, and where they say the voxels lie.

The one place where patient coordinates change between LPS and NIfTI's RAS.

References
----------
NIfTI-1 Data Format, ``nifti1.h``, https://nifti.nimh.nih.gov/nifti-1 : header layout, methods 2 (qform) and 3
(sform), ``xyzt_units``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, InputError, Notice, UnitError
from y90voxel.volumes.grid import Grid

__all__ = [
    "DATATYPES",
    "DATA_OFFSET",
    "HEADER",
    "data_offset",
    "image_grid",
    "image_shape",
    "new_header",
    "parse_header",
    "unit_notices",
    "voxel_size_notices",
    "write_header",
]

HEADER = np.dtype(
    [
        ("sizeof_hdr", "<i4"), ("unused1", "V35"), ("dim_info", "u1"), ("dim", "<i2", 8),
        ("intent_p", "<f4", 3), ("intent_code", "<i2"), ("datatype", "<i2"), ("bitpix", "<i2"),
        ("slice_start", "<i2"), ("pixdim", "<f4", 8), ("vox_offset", "<f4"), ("scl_slope", "<f4"),
        ("scl_inter", "<f4"), ("slice_end", "<i2"), ("slice_code", "u1"), ("xyzt_units", "u1"),
        ("cal_max", "<f4"), ("cal_min", "<f4"), ("slice_duration", "<f4"), ("toffset", "<f4"),
        ("unused2", "V8"), ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "<i2"),
        ("sform_code", "<i2"), ("quatern", "<f4", 3), ("qoffset", "<f4", 3), ("srow", "<f4", (3, 4)),
        ("intent_name", "S16"), ("magic", "S4"),
    ]
)  # fmt: skip
DATATYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8",
    256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
DATA_OFFSET = 352  # header and four bytes that say: no extension
SCANNER_ANATOMICAL = 1  # NIFTI_XFORM_SCANNER_ANAT
MILLIMETRES = 2  # NIFTI_UNITS_MM
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# qform and sform count as one geometry when no corner moves further than this fraction of the smallest
# spacing, plus what a quaternion near a half turn loses: nifti1.h drops a real part below sqrt(1e-7), and
# every axial image is near a half turn in RAS.
AGREEMENT = 0.1
# pixdim and sform state one voxel size up to this fraction: what three digits leave open.
SAME_SIZE = 0.01
# Header extensions end far below this; float32 holds every whole number up to 2^24.
LARGEST_OFFSET = 1 << 24
QUATERNION_LOSS_RAD = 2 * 1e-7**0.5


def parse_header(raw: bytes, path: str | Path) -> NDArray[Any]:
    """Return the header in native byte order, or refuse what is not a single-file NIfTI-1."""
    if len(raw) >= HEADER.itemsize:
        for order in (HEADER, HEADER.newbyteorder(">")):
            header = np.frombuffer(raw, order, count=1)[0]
            if header["sizeof_hdr"] == HEADER.itemsize and bytes(header["magic"]) == b"n+1":
                return np.asarray(header)
    raise InputError(
        f"{path} is not a NIfTI-1 image in one file (no 'n+1' header found). "
        "Convert it to .nii.gz, NRRD or MetaImage.",
        file=path,
    )


def image_shape(header: NDArray[Any], path: str | Path) -> tuple[int, int, int, int]:
    """Return (volumes, slices, rows, columns)."""
    count = int(header["dim"][0])
    lengths = [int(n) for n in header["dim"][1 : 1 + max(0, min(count, 7))]]
    if not 3 <= count <= 7 or min(lengths) < 1 or any(n != 1 for n in lengths[4:]):
        raise InputError(f"{path} is not a three-dimensional image: its dimensions are {lengths}.", file=path)
    columns, rows, slices = lengths[:3]
    return (lengths[3] if count > 3 else 1, slices, rows, columns)


def data_offset(header: NDArray[Any], path: str | Path) -> int:
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


def image_grid(header: NDArray[Any], shape: tuple[int, int, int], path: str | Path) -> Grid:
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
            Grid(shape, _lps_affine(ras))
            for ras in ([_sform(header)] if has_sform else []) + ([_qform(header)] if has_qform else [])
        ]
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", file=path) from error
    gap = _largest_gap_mm(grids[0], grids[-1])
    diagonal = float(np.linalg.norm(np.multiply(shape, grids[0].spacing_mm)))
    if gap > AGREEMENT * min(grids[0].spacing_mm) + QUATERNION_LOSS_RAD * diagonal:
        raise GeometryError(
            f"{path} states two geometries that lie up to {gap:.2f} mm apart: sform {grids[0]}, "
            f"qform {grids[-1]}. Write it again with one of them.",
            file=path,
        )
    return grids[0]


def voxel_size_notices(header: NDArray[Any], grid: Grid, path: str | Path) -> tuple[Notice, ...]:
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


def _lps_affine(ras: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the LPS affine of (slice, row, column) for the RAS affine of (column, row, slice)."""
    return np.asarray(RAS_TO_LPS @ ras[:, [2, 1, 0, 3]])


def _largest_gap_mm(first: Grid, second: Grid) -> float:
    """Return how far a corner of one grid lies from the same corner of the other [mm]."""
    return float(np.linalg.norm(first.corners_mm() - second.corners_mm(), axis=1).max())


def _sform(header: NDArray[Any]) -> NDArray[np.float64]:
    """Return the affine of method 3."""
    affine = np.eye(4)
    affine[:3] = header["srow"]
    return affine


def _qform(header: NDArray[Any]) -> NDArray[np.float64]:
    """Return the affine of method 2: quaternion, voxel sizes, and the handedness in pixdim[0]."""
    b, c, d = (float(x) for x in header["quatern"])
    squared = 1.0 - (b * b + c * c + d * d)
    if squared < 1e-7:  # a half turn: nifti1.h takes the imaginary parts alone
        norm = np.sqrt(b * b + c * c + d * d)
        a, b, c, d = 0.0, b / norm, c / norm, d / norm
    else:
        a = float(np.sqrt(squared))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    size = np.array(header["pixdim"][1:4], dtype=np.float64)
    if header["pixdim"][0] < 0:
        size[2] = -size[2]
    affine = np.eye(4)
    affine[:3, :3] = rotation * size
    affine[:3, 3] = header["qoffset"]
    return affine


def unit_notices(header: NDArray[Any], path: str | Path) -> tuple[Notice, ...]:
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
) -> NDArray[Any]:
    """Return the header of an image of ``lengths`` voxels (column first) on a grid."""
    if max(lengths) > np.iinfo(np.int16).max:
        raise InputError(f"{path}: NIfTI-1 cannot hold {' × '.join(map(str, lengths))} voxels.", file=path)
    header = np.zeros((), HEADER)
    header["sizeof_hdr"] = HEADER.itemsize
    header["dim"] = (len(lengths), *lengths, *(1,) * (7 - len(lengths)))
    header["datatype"] = next(code for code, name in DATATYPES.items() if name == dtype)
    header["bitpix"] = 8 * np.dtype(dtype).itemsize
    header["vox_offset"] = DATA_OFFSET
    header["scl_slope"] = 1.0
    header["xyzt_units"] = MILLIMETRES
    header["descrip"] = f"y90voxel: {description}".encode("ascii", "replace")[:79]
    header["magic"] = b"n+1"
    _put_geometry(header, grid)
    return header


def _put_geometry(header: NDArray[Any], grid: Grid) -> None:
    """Fill sform and qform; the qform stays unset where its quaternion is too coarse for the grid."""
    ras = RAS_TO_LPS @ grid.affine[:, [2, 1, 0, 3]]
    size = np.linalg.norm(ras[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(ras[:3, :3] / size)
    rotation = u @ vt
    handedness = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    rotation[:, 2] *= handedness
    header["pixdim"] = (handedness, *size, 0.0, 0.0, 0.0, 0.0)
    header["srow"], header["sform_code"] = ras[:3], SCANNER_ANATOMICAL
    header["quatern"], header["qoffset"] = _quaternion(rotation), ras[:3, 3]
    said = Grid(grid.shape, _lps_affine(_qform(header)))
    if _largest_gap_mm(said, grid) <= AGREEMENT * size.min():
        header["qform_code"] = SCANNER_ANATOMICAL


def _quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (b, c, d) of the unit quaternion with a >= 0 of a proper rotation.

    The quaternion is the eigenvector to the largest eigenvalue of a symmetric 4 x 4 matrix, which has no
    special cases near half turns. Bar-Itzhack, J. Guid. Control Dyn. 23, 1085 (2000), doi:10.2514/2.4654.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    symmetric = np.array(
        [
            [xx - yy - zz, yx + xy, zx + xz, zy - yz],
            [yx + xy, yy - xx - zz, zy + yz, xz - zx],
            [zx + xz, zy + yz, zz - xx - yy, yx - xy],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    b, c, d, a = np.linalg.eigh(symmetric)[1][:, -1]
    return np.array([b, c, d]) if a >= 0 else -np.array([b, c, d])


def write_header(stream: BinaryIO, header: NDArray[Any]) -> None:
    """Write the header and the four bytes that say: no extension."""
    stream.write(header.tobytes())
    stream.write(bytes(DATA_OFFSET - HEADER.itemsize))
