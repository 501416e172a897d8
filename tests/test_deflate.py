"""What is written where ISA-L and the JPEG-LS decoder are not installed."""

import gzip
import subprocess
import sys
import zlib

import pytest

from y90voxel.deflate import crc32, gzip_bytes, zlib_bytes

BYTES = bytes(range(256)) * 40
WITHOUT = """
import io, sys
sys.modules["isal"] = None
from y90voxel import deflate
stream = io.BytesIO()
with deflate.gzip_stream(stream, 1) as packed:
    packed.write(bytes(range(256)) * 40)
print(deflate.crc32(b"a"), len(deflate.gzip_bytes(b"a" * 999)), len(deflate.zlib_bytes(b"a" * 999)), stream.getvalue()[4:8].hex())
import gzip
assert gzip.decompress(stream.getvalue()) == bytes(range(256)) * 40
assert gzip.decompress(deflate.gzip_bytes(b"a" * 999)) == b"a" * 999
"""


def test_what_is_packed_comes_back():
    assert gzip.decompress(gzip_bytes(BYTES)) == BYTES
    assert zlib.decompress(zlib_bytes(BYTES)) == BYTES
    assert crc32(BYTES) == zlib.crc32(BYTES)
    assert gzip_bytes(BYTES) == gzip_bytes(BYTES)


def test_without_isal_zlib_packs():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    crc, packed, png, moment = done.stdout.split()
    assert (int(crc), moment) == (zlib.crc32(b"a"), "00000000")
    assert int(packed) < 100
    assert int(png) < 100


@pytest.mark.parametrize("module", ["jpeg_ls"])
def test_jpeg_ls_is_read_without_its_decoder(module, tmp_path):
    """Where `pyjpegls` has no wheel SimpleITK decodes."""
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip(module)
    from pydicom.data import get_testdata_file
    from pydicom.uid import JPEGLSLossless

    code = (
        "import sys; sys.modules['jpeg_ls'] = None\n"
        "from pathlib import Path\n"
        "from y90voxel.io.dicom.headers import read_header\n"
        "from y90voxel.io.dicom.sources import list_files\n"
        "from y90voxel.io.dicom.pixels import decoded_values\n"
        "(source,) = list_files(Path(sys.argv[1]))\n"
        "values = decoded_values(read_header(source), (1, 64, 64))\n"
        "print(values.sum(), values.max())\n"
    )
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    values = dataset.pixel_array[:64, :64]
    dataset.Rows = dataset.Columns = 64
    dataset.PixelData = values.astype("<i2").tobytes()
    dataset.compress(JPEGLSLossless)
    dataset.save_as(tmp_path / "ct.dcm")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [int(float(word)) for word in done.stdout.split()] == [values.sum(), values.max()]
