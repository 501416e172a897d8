"""Image formats that are not read: what a file is, and how to convert it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FORMATS_READ", "described_format"]

FORMATS_READ = "NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd) and DICOM"
HEAD_BYTES = 4096  # [B]: a format is told by the first 352 at most; one read of a disk
NIBABEL = "nibabel (nib.save(nib.load(FILE), 'image.nii.gz'))"


@dataclass(frozen=True)
class _Format:
    """A format: its name, how it is converted, its endings, and what its first bytes look like."""

    name: str
    convert: str
    endings: tuple[str, ...]
    begins: Callable[[bytes], bool]


def _sizeof_header(head: bytes, size: int) -> bool:
    """Whether a file begins with the size of its header, in either byte order."""
    return head[:4] in (struct.pack("<i", size), struct.pack(">i", size))


_FORMATS = (
    _Format(
        "an Interfile header (STIR, SIMIND, NEMA)",
        "STIR (stir_convert_image), (X)MedCon (medcon -c nifti) or SIRF",
        (".hv", ".h33", ".hs"),
        lambda head: b"INTERFILE" in head[:200].upper(),
    ),
    _Format("an ECAT image", f"{NIBABEL} or (X)MedCon", (), lambda head: head[:6] in (b"MATRIX", b"matrix")),
    _Format(
        "the data of an Interfile or an ECAT image",
        "STIR (stir_convert_image) or (X)MedCon (medcon -c nifti), from the header beside it",
        (".v", ".i33", ".a00"),
        lambda head: False,
    ),
    _Format(
        "a MINC image",
        f"mnc2nii, or {NIBABEL}",
        (".mnc", ".mnc.gz"),
        lambda head: head[:3] == b"CDF" or head[:8] == b"\x89HDF\r\n\x1a\n",
    ),
    _Format("a FreeSurfer image (MGH)", f"mri_convert, or {NIBABEL}", (".mgh", ".mgz"), lambda head: False),
    _Format(
        "a NIfTI-2 image",
        "nibabel (nib.save(nib.Nifti1Image.from_image(nib.load(FILE)), 'image.nii.gz'))",
        (),
        lambda head: _sizeof_header(head, 540),
    ),
    _Format(
        "the header of a NIfTI pair (.hdr and .img)",
        f"{NIBABEL}",
        (),
        lambda head: _sizeof_header(head, 348) and head[344:347] == b"ni1",
    ),
    _Format(
        "an Analyze 7.5 header, which does not say left from right",
        f"{NIBABEL}; check the sides of the patient",
        (),
        lambda head: _sizeof_header(head, 348) and head[344:347] != b"n+1",
    ),
    _Format(
        "the data of an Analyze or NIfTI pair",
        f"{NIBABEL}, from the .hdr beside it",
        (".img",),
        lambda head: False,
    ),
    _Format("a Philips PAR/REC image", "dcm2niix or nibabel", (".par", ".rec"), lambda head: False),
    _Format(
        "a NumPy array, which does not say where its voxels lie",
        "nibabel with its affine",
        (".npy", ".npz"),
        lambda head: head[:6] == b"\x93NUMPY",
    ),
    _Format(
        "a VTK image",
        "3D Slicer or ITK-SNAP (save as .nii.gz)",
        (".vtk", ".vti"),
        lambda head: head[:5] == b"# vtk",
    ),
    _Format(
        "a MATLAB file", "its program, to NIfTI or MetaImage", (".mat",), lambda head: head[:6] == b"MATLAB"
    ),
    _Format(
        "an Analyze or Interfile header", "the program that wrote it, to NIfTI", (".hdr",), lambda head: False
    ),
    _Format(
        "a picture, which has neither Hounsfield units nor counts",
        "the archive it came from: export DICOM",
        (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
        lambda head: head[:4] in (b"\x89PNG", b"II*\0", b"MM\0*") or head[:3] == b"\xff\xd8\xff",
    ),
)


def described_format(path: str | Path) -> str | None:
    """Return a sentence on a file in a format that is not read: what it is and how to convert it; None for others.

    Parameters
    ----------
    path : path-like
        A file; its first 4096 bytes are looked at.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    name = path.name.lower()
    chosen = next((one for one in _FORMATS if one.begins(head)), None)
    chosen = chosen or next((one for one in _FORMATS if name.endswith(one.endings) and one.endings), None)
    if chosen is None:
        return None
    return f"{path} is {chosen.name}, which is not read. Read are {FORMATS_READ}. Convert it with {chosen.convert}."
