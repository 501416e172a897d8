"""Voxel kernels survive the way to a file and back, to the bit."""

import json

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.kernel_files import read_kernel, write_kernel
from y90voxel.reference.voxel_kernel import DoseKernel, voxel_kernel


@pytest.fixture(scope="module")
def kernel():
    return voxel_kernel("Ho-166", (2.0, 3.1, 4.4), "liver", density_g_per_ml=1.05)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".CSV"])
def test_a_kernel_comes_back_as_it_was(kernel, tmp_path, suffix):
    path = tmp_path / f"kernel{suffix}"
    write_kernel(kernel, path)
    found = read_kernel(path)
    assert np.array_equal(found.s_values, kernel.s_values)
    for name in ("spacing_mm", "medium", "density_g_per_ml", "nuclide", "provenance"):
        assert getattr(found, name) == getattr(kernel, name)


def test_the_csv_reads_as_a_table_of_one_octant(kernel, tmp_path):
    path = tmp_path / "kernel.csv"
    write_kernel(kernel, path)
    lines = path.read_text(encoding="utf-8").splitlines()
    header = dict(line[2:].split(": ", 1) for line in lines if line.startswith("#"))
    assert json.loads(header["provenance"])["sha256"] == kernel.provenance["sha256"]
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    assert rows[0] == ["slice_offset", "row_offset", "column_offset", "s_gy_per_bq_s"]
    assert len(rows) - 1 == kernel.octant.size
    assert rows[2][:3] == ["0", "0", "1"]
    assert float(rows[2][3]) == kernel.octant[0, 0, 1]


def test_the_npz_holds_plain_arrays(kernel, tmp_path):
    path = tmp_path / "kernel.npz"
    write_kernel(kernel, path)
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["s_values"], kernel.s_values)
        assert arrays["spacing_mm"].tolist() == [2.0, 3.1, 4.4]
        assert json.loads(str(arrays["header"]))["quantity"].startswith("voxel S values, Gy/(Bq s)")


def test_another_ending_is_refused(kernel, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.csv .* or \.npz, not '\.txt'"):
        write_kernel(kernel, tmp_path / "kernel.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_asymmetric_kernel_needs_npz(tmp_path):
    values = np.arange(1.0, 28.0).reshape(3, 3, 3)
    lopsided = DoseKernel(values, (1.0, 1.0, 1.0), "water", 1.0, "Y-90")
    with pytest.raises(InputError, match=r"not mirror symmetric.*npz"):
        write_kernel(lopsided, tmp_path / "kernel.csv")
    write_kernel(lopsided, tmp_path / "kernel.npz")
    assert np.array_equal(read_kernel(tmp_path / "kernel.npz").s_values, values)


def test_a_changed_value_is_refused_by_its_checksum(kernel, tmp_path):
    path = tmp_path / "kernel.csv"
    write_kernel(kernel, path)
    text = path.read_text(encoding="utf-8")
    value = repr(float(kernel.octant[0, 0, 1]))
    path.write_text(text.replace(value, repr(1.01 * float(value))), encoding="utf-8")
    with pytest.raises(InputError, match="was changed or damaged: the sha256 of its S values is") as caught:
        read_kernel(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 not an archive",
        b"a,b\n1,2\n",
        b"\xff\xfe",
        b"# shape: [3, 3\n",
        b"# shape: [3, 3, 3]\nx\n0,0,9,1\n",
    ],
)
def test_a_file_that_is_no_kernel_is_refused(tmp_path, content):
    path = tmp_path / "kernel.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a voxel kernel of y90voxel"):
        read_kernel(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a voxel kernel of y90voxel"):
        read_kernel(tmp_path / "none.csv")
