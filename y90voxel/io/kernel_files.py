"""Voxel kernels as files: one octant as CSV for people, all values as NPZ for programs."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.io.atomic import atomic_file
from y90voxel.reference.radial_kernel import RadialKernel
from y90voxel.reference.voxel_kernel import DoseKernel

__all__ = ["check_radial_file", "read_kernel", "write_kernel", "write_radial_kernel"]

FORMAT = 1  # version of the layout of the file
COLUMNS = "slice_offset,row_offset,column_offset,s_gy_per_bq_s"


def write_kernel(kernel: DoseKernel, path: str | Path) -> None:
    """Write a voxel kernel with its provenance; the suffix chooses the format.

    Parameters
    ----------
    kernel : DoseKernel
        What to write.
    path : path-like
        ``.csv``: a commented header and the S values [Gy/(Bq·s)] of all offsets with no negative index, the
        others being mirror images. ``.npz``: ``s_values``, ``spacing_mm`` and ``header`` (JSON).

    Raises
    ------
    InputError
        If the suffix is another one, or a kernel without mirror symmetry is to go into a CSV octant.
    """
    target = Path(path)
    writers = {".csv": _csv_bytes, ".npz": _npz_bytes}
    if target.suffix.lower() not in writers:
        raise InputError(
            f"{target}: a kernel file ends in .csv (one octant) or .npz, not {target.suffix!r}.", file=target
        )
    content = writers[target.suffix.lower()](kernel)
    with atomic_file(target) as temporary:
        temporary.write_bytes(content)


def write_radial_kernel(kernel: RadialKernel, path: str | Path) -> None:
    """Write a radial kernel in the format of ``kernels/``: provenance in comments, one shell a row.

    Parameters
    ----------
    kernel : RadialKernel
        Energy fractions by shell.
    path : path-like
        Ends in ``.csv``.

    Raises
    ------
    InputError
        If the name has another ending, or the file cannot be written.
    """
    check_radial_file(path)
    facts = {
        "quantity": "fraction of the reference energy left in each shell around a point source, infinite medium",
        "nuclide": kernel.nuclide,
        "medium": kernel.medium,
        "source": kernel.source,
        "density_g_per_ml": kernel.density_g_per_ml,
    }
    facts |= {key: value for key, value in kernel.provenance.items() if key not in facts}
    lines = [f"# {key}: {value}" for key, value in facts.items()]
    lines.append("r_lo_mm,r_hi_mm,electron_fraction,photon_fraction,sigma")
    columns = (
        kernel.edges_mm[:-1],
        kernel.edges_mm[1:],
        kernel.electron_fraction,
        kernel.photon_fraction,
        kernel.sigma,
    )
    lines += [
        f"{low:.6g},{high:.6g},{electron:.6e},{photon:.6e},{sigma:.5e}"
        for low, high, electron, photon, sigma in zip(*columns, strict=True)
    ]
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_radial_file(path: str | Path) -> None:
    """Raise unless the name is one that a radial kernel can be written under.

    Raises
    ------
    InputError
        If it does not end in ``.csv``.
    """
    if Path(path).suffix.lower() != ".csv":
        raise InputError(f"{path}: a radial kernel is written as .csv.", file=path)


def read_kernel(path: str | Path) -> DoseKernel:
    """Read a voxel kernel that :func:`write_kernel` wrote.

    Raises
    ------
    InputError
        If the file is not such a kernel, or its values do not match their checksum.
    """
    source = Path(path)
    try:
        content = source.read_bytes()
        header, s_values = _from_npz(content) if content[:2] == b"PK" else _from_csv(content)
        expected = str(header["values_sha256"])
        kernel = DoseKernel(
            s_values, tuple(header["spacing_mm"]), header["medium"], float(header["density_g_per_ml"]),
            header["nuclide"], header["provenance"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{source} is not a voxel kernel of y90voxel ({error}). Write one with: y90voxel kernel --spacing "
            "4.8 -o kernel.csv.",
            file=source,
        ) from error
    checksum = _checksum(kernel.s_values)
    if checksum != expected:
        raise InputError(
            f"{source} was changed or damaged: the sha256 of its S values is {checksum}, the header says {expected}. "
            "Write it again.",
            file=source,
        )
    return kernel


def _header(kernel: DoseKernel) -> dict[str, Any]:
    """Return everything about a kernel but its values."""
    return {
        "format": FORMAT,
        "quantity": "voxel S values, Gy/(Bq s); mean dose to a voxel per decay in the source voxel",
        "nuclide": kernel.nuclide,
        "medium": kernel.medium,
        "density_g_per_ml": kernel.density_g_per_ml,
        "spacing_mm": list(kernel.spacing_mm),
        "shape": list(kernel.s_values.shape),
        "energy_j_per_decay": kernel.energy_j_per_decay,
        "values_sha256": _checksum(kernel.s_values),
        "provenance": dict(kernel.provenance),
    }


def _checksum(s_values: NDArray[np.float64]) -> str:
    """Return the sha256 of all values, as little-endian float64 in C order."""
    return hashlib.sha256(s_values.astype("<f8").tobytes()).hexdigest()


def _mirrored(octant: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all offsets from those with no negative index."""
    return octant[np.ix_(*(np.abs(np.arange(1 - n, n)) for n in octant.shape))]


def _csv_bytes(kernel: DoseKernel) -> bytes:
    """Return the CSV text; floats are written so that they read back to the same bits."""
    if not np.array_equal(_mirrored(kernel.octant), kernel.s_values):
        raise InputError("this kernel is not mirror symmetric, so one octant cannot hold it; write .npz.")
    lines = [f"# {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _header(kernel).items()]
    lines.append(COLUMNS)
    lines += [f"{i},{j},{k},{float(value)!r}" for (i, j, k), value in np.ndenumerate(kernel.octant)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _npz_bytes(kernel: DoseKernel) -> bytes:
    """Return the content of an NPZ file."""
    stream = io.BytesIO()
    header = json.dumps(_header(kernel), ensure_ascii=False)
    np.savez_compressed(
        stream, s_values=kernel.s_values, spacing_mm=np.array(kernel.spacing_mm), header=np.array(header)
    )
    return stream.getvalue()


def _from_csv(content: bytes) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return header and values of a CSV octant."""
    lines = content.decode("utf-8").splitlines()
    pairs = (line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    header = {key: json.loads(value) for key, value in pairs}
    rows = [line.split(",") for line in lines if not line.startswith("#")][1:]
    octant = np.zeros([(n + 1) // 2 for n in header["shape"]])
    for i, j, k, value in rows:
        octant[int(i), int(j), int(k)] = float(value)
    return header, _mirrored(octant)


def _from_npz(content: bytes) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return header and values of an NPZ file."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return json.loads(str(arrays["header"])), np.asarray(arrays["s_values"], dtype=np.float64)
