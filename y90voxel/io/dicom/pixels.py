"""Stored pixel values of DICOM images: a fast path for uncompressed ones, a chain of decoders else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import DECODING_ERRORS, shown, whole_number
from y90voxel.io.dicom.headers import OVERLAY_BIT_TAG, Instance, lenient_reading, read_whole

__all__ = ["check_pixel_bytes", "decoded_values", "native_pixels", "stored_values"]

Stored = NDArray[Any]

# Compressed pixels that claim more bytes than this must not unpack to more than so many times their size.
LARGE_IMAGE_BYTES, LARGEST_RATIO = 64 * 1024**2, 1100.0
# RescaleSlope and its kin, which SimpleITK would apply by itself.
_RESCALE_KEYWORDS = (
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "RealWorldValueMappingSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)


def stored_values(instance: Instance) -> Stored:
    """Return the stored values of an object, before any rescaling, (frames, rows, columns).

    Raises
    ------
    DicomError
        If the object has no or too few pixels, is in colour, or is compressed in a way that none of the
        decoders (pydicom with its plug-ins, then SimpleITK) understands.
    """
    shape = instance.matrix_size()
    file = instance.source
    samples = whole_number(instance.header, "SamplesPerPixel", file)
    if samples not in (None, 1):
        raise DicomError(
            f"{file.name} is a colour image ({samples} samples per pixel), not a measurement.",
            file=file.name,
            tag="SamplesPerPixel",
        )
    dtype = _native_type(instance)
    if dtype is None or instance.pixel_offset is None:
        return decoded_values(instance, shape)
    data = native_pixels(instance, int(np.prod(shape)) * dtype.itemsize)
    values = np.frombuffer(data, dtype).reshape(shape)
    values = values if dtype.isnative else values.astype(dtype.newbyteorder("="))
    return _significant_bits(values, instance)


def _native_type(instance: Instance) -> np.dtype[Any] | None:
    """Return the type of uncompressed values, None when the decoders must find out."""
    bits = whole_number(instance.header, "BitsAllocated", instance.source)
    signed = whole_number(instance.header, "PixelRepresentation", instance.source)
    if bits not in (8, 16, 32) or (bits == 8 and not instance.little_endian):
        return None
    order = "<" if instance.little_endian else ">"
    return np.dtype(f"{order}{'i' if signed == 1 else 'u'}{bits // 8}")


def check_pixel_bytes(instance: Instance) -> None:
    """Raise if uncompressed pixels are fewer or more than the header says; nothing is read.

    Raises
    ------
    DicomError
        If rows, columns, frames and bits do not multiply to the length of the pixel data.
    """
    frames, rows, columns = instance.matrix_size()
    bits = whole_number(instance.header, "BitsAllocated", instance.source)
    if instance.pixel_offset is not None and bits is not None and bits > 0:
        _check_length(instance, (frames * rows * columns * bits + 7) // 8)


def _check_length(instance: Instance, wanted: int) -> None:
    """Raise unless the pixel data have so many bytes, but for padding."""
    assert instance.pixel_offset is not None
    file = instance.source
    stated = instance.pixel_bytes or 0
    available = min(stated, file.size - instance.pixel_offset)
    frames, rows, columns = instance.matrix_size()
    if wanted <= available and stated < wanted + max(2, min(rows, columns)):
        return
    raise DicomError(
        f"{file.name} should hold {wanted} bytes of pixels ({frames} frames of {rows} x {columns}), but has "
        f"{max(available, 0) if available < wanted else stated}. The file is cut short or its header is damaged: export "
        "it again.",
        file=file.name,
        tag="PixelData",
    )


def native_pixels(instance: Instance, wanted: int) -> memoryview:
    """Return so many bytes of uncompressed pixel data straight from the file.

    Raises
    ------
    DicomError
        If the file holds fewer, or more than padding explains.
    """
    assert instance.pixel_offset is not None
    file = instance.source
    _check_length(instance, wanted)
    return memoryview(file.read_to_use())[instance.pixel_offset : instance.pixel_offset + wanted]


def _significant_bits(values: Stored, instance: Instance) -> Stored:
    """Return values without what lies above the stored bits (overlays, unused sign bits)."""
    allocated = values.dtype.itemsize * 8
    stored = whole_number(instance.header, "BitsStored", instance.source) or allocated
    high = whole_number(instance.header, "HighBit", instance.source)
    high = stored - 1 if high is None else high
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise DicomError(
            f"{instance.source.name}: BitsStored {stored} and HighBit {high} do not fit BitsAllocated "
            f"{allocated}. The header is damaged.",
            file=instance.source.name,
            tag="BitsStored",
        )
    if stored == allocated:
        return values
    left, right = allocated - 1 - high, allocated - stored
    significant: Stored = (
        values << left
    ) >> right  # arithmetic shift: the sign bit is the highest stored bit
    if OVERLAY_BIT_TAG not in instance.header and _loses_bits(values, significant, stored, high):
        raise DicomError(
            f"{instance.source.name}: pixels use bits beyond BitsStored {stored} and HighBit {high}, and no overlay is "
            "declared there. The header is damaged: export it again.",
            file=instance.source.name,
            tag="BitsStored",
        )
    if OVERLAY_BIT_TAG not in instance.header:
        _check_signs(values, significant, instance, stored)
    return significant


def _check_signs(values: Stored, significant: Stored, instance: Instance, stored: int) -> None:
    """Raise where values with their highest stored bit set may be positive ones of more bits.

    A negative value is stored with the bits above its sign set (as computers do) or clear (as DICOM has it). A file that does
    both holds positive values that BitsStored is too small for; an emission image holds no such negative values.
    """
    turned = (significant < 0) & (values >= 0) if values.dtype.kind == "i" else None
    if turned is None or not turned.any():
        return
    both, emission = bool((values < 0).any()), instance.modality in ("PT", "NM", "OT")
    if not (both or emission or stored == values.dtype.itemsize * 8 - 1):
        return
    example = int(values[turned][0])
    raise DicomError(
        f"{instance.source.name}: {int(turned.sum())} signed pixels such as {example} have bit {stored} set, their sign by "
        f"BitsStored {stored}; they would be {int(significant[turned][0])}. BitsStored or PixelRepresentation is wrong: export "
        "the image again.",
        file=instance.source.name,
        tag="BitsStored",
    )


def _loses_bits(values: Stored, significant: Stored, stored: int, high: int) -> bool:
    """Return whether bits are set that are neither stored ones nor a repeated sign."""
    if np.array_equal(significant, values):
        return False
    unsigned = values.view(f"u{values.dtype.itemsize}")
    mask = ((1 << stored) - 1) << (high - stored + 1)
    return bool((unsigned & ~np.asarray(mask, unsigned.dtype)).any())


def decoded_values(instance: Instance, shape: tuple[int, int, int]) -> Stored:
    """Return stored values through pydicom's decoders, then SimpleITK.

    Raises
    ------
    DicomError
        If there are no pixels, none of the decoders understands them, or they do not fit the header.
    """
    file = instance.source
    bits = whole_number(instance.header, "BitsAllocated", file) or 8
    wanted = int(np.prod(shape)) * bits // 8
    if wanted > LARGE_IMAGE_BYTES and wanted > LARGEST_RATIO * file.size:
        raise DicomError(
            f"{file.name} has {file.size} bytes, but claims {shape[0]} frames of {shape[1]} x {shape[2]} pixels ({wanted} "
            "bytes). No image compresses so well: the file is damaged.",
            file=file.name,
            tag="Rows",
        )
    with lenient_reading():
        dataset = read_whole(file)
        if not any(k in dataset for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            raise DicomError(
                f"{file.name} has no pixel data. Export the series with its images.",
                file=file.name,
                tag="PixelData",
            )
        try:
            values = np.asarray(dataset.pixel_array)
        except DECODING_ERRORS as error:
            values = _decode_with_simpleitk(dataset, instance, error)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise DicomError(
            f"{file.name} decodes to {values.size} pixels, its header says {shape[0]} frames of {shape[1]} x "
            f"{shape[2]}. The file is damaged.",
            file=file.name,
            tag="PixelData",
        )
    return values.reshape(shape)


def _decode_with_simpleitk(dataset: pydicom.Dataset, instance: Instance, first: Exception) -> Stored:
    """Return values through SimpleITK, from a copy without rescaling and in a private folder."""
    # deferred: 0.1 s
    import SimpleITK as sitk  # noqa: N813

    for keyword in _RESCALE_KEYWORDS:
        if keyword in dataset:
            delattr(dataset, keyword)
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "image.dcm")
            dataset.save_as(copy, enforce_file_format=False)
            image = sitk.ReadImage(str(copy))
            return np.asarray(sitk.GetArrayFromImage(image))
    except DECODING_ERRORS as second:
        raise DicomError(
            f"the pixels of {instance.source.name} cannot be decoded (transfer syntax "
            f"{shown(instance.transfer_syntax) or 'unknown'}): pydicom says {shown(first)!r}, SimpleITK "
            f"{shown(second)!r}. Export the series uncompressed.",
            file=instance.source.name,
            tag="TransferSyntaxUID",
        ) from second
