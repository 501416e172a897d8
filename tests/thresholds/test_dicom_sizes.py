"""How much of a DICOM study is read, unpacked, shown or sent at once, one case on each side of each limit."""

import io
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence

import y90voxel
from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom import catalogue, header_readers, network, rtstruct_writer, sources, structure
from y90voxel.io.dicom.archive import Peer
from y90voxel.io.dicom.archive_walk import ArchiveFile, ArchiveFolder
from y90voxel.io.dicom.attributes import given_name, shown
from y90voxel.io.dicom.axial import AxialOrder
from y90voxel.io.dicom.directory import incomplete_media
from y90voxel.io.dicom.headers import Instance, _check_size
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.new_object import decimal, long_string
from y90voxel.io.dicom.selection import _other_format
from y90voxel.io.dicom.series_facts import FolderFacts
from y90voxel.io.dicom.sources import SourceFile, _check_count, _check_total, _members, _opened, _shown_name
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

KIB, MIB, GIB = 2**10, 2**20, 2**30
FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)


@pytest.mark.parametrize(
    ("cut", "longest"),
    [(shown, 60), (long_string, 64), (_shown_name, 200)],
)
def test_a_text_that_is_too_long_ends_in_an_ellipsis(cut, longest):
    assert cut("x" * longest) == "x" * longest
    assert cut("x" * (longest + 1)) == "x" * (longest - 1) + "…"


@pytest.mark.filterwarnings("ignore:The value length")
def test_a_given_name_has_64_characters_of_1024_that_are_looked_at():
    assert given_name(factory.item(ROIName="x" * 80), "ROIName") == "x" * 64
    assert given_name(factory.item(ROIName="x" + " " * 1022 + "yz"), "ROIName") == "x y"


@pytest.mark.filterwarnings("ignore:The PN component length")
def test_a_value_of_an_identity_has_200_characters():
    assert StudyIdentity.from_dataset(factory.item(PatientName="x" * 250)).patient_name == "x" * 200


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1 / 3, "0.33333333333333"),
        (9.999999999999998, "10"),
        (-1e-17 / 3, "-3.333333333e-18"),
    ],
)
def test_a_decimal_has_all_digits_that_16_characters_hold(value, written):
    assert decimal(value) == written


@pytest.mark.parametrize(("frames", "taken"), [(2**15, True), (2**15 + 1, False)])
def test_an_image_has_2_147_483_648_voxels_at_most(frames, taken):
    instance = Instance(FILE, factory.item(NumberOfFrames=frames, Rows=2**8, Columns=2**8))
    if taken:
        assert instance.matrix_size() == (frames, 256, 256)
    else:
        with pytest.raises(DicomError, match="more than any image of a patient"):
            instance.matrix_size()


@pytest.mark.parametrize(("size", "taken"), [(4 * GIB, True), (4 * GIB + 1, False)])
def test_a_file_has_4_gib_at_most(size, taken):
    if taken:
        _check_size(SourceFile(Path("x"), "x", size))
    else:
        with pytest.raises(DicomError, match="more than any image of a patient"):
            _check_size(SourceFile(Path("x"), "x", size))


def test_a_study_has_200_000_files_at_most():
    _check_count(200_000, Path("study"))
    with pytest.raises(InputError, match="more than 200000 files"):
        _check_count(200_001, Path("study"))


def member(size, packed, name="a.dcm"):
    entry = zipfile.ZipInfo(name)
    entry.file_size, entry.compress_size = size, packed
    return entry


@pytest.mark.parametrize(
    ("size", "packed", "taken"),
    [
        (4 * GIB, 4 * GIB, True),
        (4 * GIB + 1, 4 * GIB + 1, False),
        (64 * MIB, 1000, True),  # of any ratio
        (64 * MIB + 1, 1000, False),
        (110 * MIB, MIB // 10 + 300, True),  # 1097 times its packed size
        (110 * MIB, MIB // 10 - 300, False),  # 1103 times
    ],
)
def test_a_member_unpacks_to_4_gib_at_most_and_a_large_one_to_1100_times_its_size(
    tmp_path, monkeypatch, size, packed, taken
):
    (tmp_path / "a.zip").write_bytes(b"")
    monkeypatch.setattr(sources, "_check_total", lambda *_: None)  # the archive as a whole: below
    listing = SimpleNamespace(infolist=lambda: [member(size, packed)])
    monkeypatch.setattr(sources.zipfile, "ZipFile", lambda _: listing)
    if taken:
        assert [file.size for file in _members(tmp_path / "a.zip")] == [size]
    else:
        with pytest.raises(InputError, match="the archive is refused"):
            list(_members(tmp_path / "a.zip"))


@pytest.mark.parametrize(
    ("unpacked", "size", "taken"),
    [
        (GIB, 1000, True),  # of any ratio
        (GIB + 1, 1000, False),
        (2 * GIB, GIB // 100 + 50_000, True),  # 199 times its size
        (2 * GIB, GIB // 100 - 50_000, False),  # 201 times
    ],
)
def test_an_archive_unpacks_to_1_gib_or_200_times_its_size(unpacked, size, taken):
    entries = [member(unpacked // 2, 1), member(unpacked - unpacked // 2, 1)]
    if taken:
        _check_total(entries, Path("a.zip"), size)
    else:
        with pytest.raises(InputError, match="No study compresses so well"):
            _check_total(entries, Path("a.zip"), size)


def zipped(content, name):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def test_archives_are_opened_three_deep(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(zipped(zipped(zipped(b"x", "file"), "d.zip"), "c.zip"), "b.zip"))
    file = SourceFile(path, path.name, path.stat().st_size)
    assert [inner.name for inner in _opened(file, 1)] == ["a.zip/b.zip/c.zip/d.zip"]


def test_an_archive_of_more_than_1_gib_stays_one_file(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(b"x", "file"))
    assert [f.name for f in _opened(SourceFile(path, path.name, GIB), 1)] == ["a.zip/file"]
    assert [f.name for f in _opened(SourceFile(path, path.name, GIB + 1), 1)] == ["a.zip"]


@pytest.mark.parametrize(("size", "cut"), [(512 * KIB, False), (512 * KIB + 1, True)])
def test_the_first_512_kib_of_a_member_are_unpacked_for_its_header(tmp_path, size, cut):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(b"x" * size, "file"))
    (file,) = _members(path)
    stream, is_cut = file.open_header()
    assert (len(stream.read()), is_cut) == (512 * KIB, cut)


@pytest.mark.parametrize(("size", "read"), [(256 * MIB, True), (256 * MIB + 1, False)])
def test_a_directory_of_up_to_256_mib_is_read(size, read):
    record = [factory.item(ReferencedFileID=["IMAGES", name]) for name in ("A", "B")]
    listing = pydicom.dataset.FileDataset(
        "", {}, file_meta=pydicom.dataset.FileMetaDataset(), preamble=b"\0" * 128
    )
    listing.file_meta.TransferSyntaxUID = factory.ExplicitVRLittleEndian
    listing.DirectoryRecordSequence = Sequence(record)
    stream = io.BytesIO()
    listing.save_as(stream)
    directory = SimpleNamespace(name="DICOMDIR", size=size, read=stream.getvalue)
    notices = incomplete_media([directory, SimpleNamespace(name="IMAGES/A", size=1)])
    assert [notice.code for notice in notices] == (["medium-incomplete"] if read else [])


@pytest.mark.parametrize(("count", "named"), [(200, True), (201, False)])
def test_the_first_200_files_are_looked_at_for_what_they_are(tmp_path, count, named):
    for number in range(count - 1):
        (tmp_path / f"{number:04d}.txt").touch()
    (tmp_path / "last.mnc").touch()
    said = _other_format(SimpleNamespace(path=tmp_path))
    assert ("last.mnc is " in said) == named


def test_a_reader_gets_400_files_of_a_folder_at_a_time(monkeypatch, tmp_path):
    asked = []

    def read(root, parts, readers):
        asked.extend(map(len, parts))
        return (FolderFacts() for _ in parts)

    monkeypatch.setattr(catalogue, "read_in_parallel", read)
    folders = [
        ArchiveFolder(name, tuple(ArchiveFile(f"{i:04d}", 1, 0, 0) for i in range(count)))
        for name, count in (("a", 400), ("b", 401))
    ]
    assert len(list(catalogue._read(tmp_path, folders, None, 2))) == 2
    assert asked == [400, 400, 1]


@pytest.mark.parametrize(("count", "alone"), [(999, True), (1000, False)])
def test_fewer_than_1000_headers_are_read_without_starting_readers(monkeypatch, tmp_path, count, alone):
    monkeypatch.setattr(header_readers, "read_folder", lambda root, part: "alone")
    readers = SimpleNamespace(
        start=lambda readers: None, stop=lambda: None, wait_for=lambda number: "readers"
    )
    monkeypatch.setattr(header_readers, "_ReaderProcesses", lambda root, parts: readers)
    parts = [[("x", 1)] * 400, [("x", 1)] * (count - 400)]
    assert set(header_readers.read_in_parallel(tmp_path, parts, 2)) == {"alone" if alone else "readers"}


def test_readers_find_this_package():
    assert Path(y90voxel.__file__).resolve().parent == header_readers.PACKAGE


def test_an_archive_that_is_off_is_told_after_half_a_minute(monkeypatch):
    waited = []

    def connect(address, timeout):
        waited.append(timeout)
        raise OSError("timed out")

    monkeypatch.setattr(network.socket, "create_connection", connect)
    with pytest.raises(InputError, match="cannot be reached"):
        network._check_reachable(Peer("PACS", "host", 104))
    assert waited == [30.0]


def test_a_deflated_data_set_is_inflated_by_4_mib_at_a_time(monkeypatch):
    parts = []

    class Worker:
        def __init__(self, bits):
            self._worker = decompressobj(bits)

        def __getattr__(self, name):
            return getattr(self._worker, name)

        def decompress(self, data, limit):
            part = self._worker.decompress(data, limit)
            parts.append(len(part))
            return part

    decompressobj = zlib.decompressobj
    content = b"\x08\x00" + bytes(5 * MIB)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflate.compress(content) + deflate.flush()
    monkeypatch.setattr(structure.zlib, "decompressobj", Worker)
    assert structure.inflated(packed, FILE) == content
    assert parts[:2] == [4 * MIB, MIB + 2]


def test_outlines_of_half_a_million_voxels_are_drawn_at_once(monkeypatch):
    frames = []

    def outlines(occupancy, start):
        frames.append(len(occupancy))
        return drawn(occupancy, start)

    drawn = rtstruct_writer._outlines
    monkeypatch.setattr(rtstruct_writer, "_outlines", outlines)
    occupancy = np.zeros((60, 100, 100), np.float32)
    occupancy[:, [0, 0, -1, -1], [0, -1, 0, -1]] = 1.0
    mask = Mask(occupancy, Grid(occupancy.shape, np.eye(4)[[2, 1, 0, 3]]))
    assert len(rtstruct_writer._contours(mask, AxialOrder.of(mask.grid))) == 4 * 60
    assert frames == [50, 10]  # 10,000 voxels each
