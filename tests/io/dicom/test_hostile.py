"""Input made to harm: refused or neutralised, within bounded time and memory."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import square
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from y90voxel.errors import InputError
from y90voxel.io.dicom import sources
from y90voxel.io.dicom.attributes import given_name
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.index import index_study
from y90voxel.study.read_study import read_study

STORED = np.random.default_rng(0).integers(1, 2000, (5, 6, 7)).astype(np.uint16)
BLOCK = [square(3, (-14, -22), z) for z in (104.0, 108.0, 112.0)]
LONGEST_S = 10.0
MOST_MEMORY_MB = 400.0


def content(dataset):
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def with_element(dataset, raw):
    """The file with a raw element before the patient's name."""
    data = content(dataset)
    place = data.index(b"\x10\x00\x10\x00PN")
    return data[:place] + raw + data[place:]


def nested(depth, undefined):
    value = b""
    for _ in range(depth):
        if undefined:
            head = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
            item = head + value + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
            tail, length = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF
        else:
            item, tail = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value, b""
            length = len(item)
        value = struct.pack("<HH", 0x0008, 0x1140) + b"SQ" + struct.pack("<HI", 0, length) + item + tail
    return value


def deflated_bomb():
    dataset = factory.nm(STORED)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = content(dataset)
    start = data.index(b"\x02\x00\x10\x00UI") + 8 + data[data.index(b"\x02\x00\x10\x00UI") + 6]
    while data[start : start + 2] == b"\x02\x00":  # elements of the meta header behind the transfer syntax
        start += 8 + struct.unpack("<H", data[start + 6 : start + 8])[0]
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    zeros = bytes(64 << 20)
    return data[:start] + b"".join(packer.compress(zeros) for _ in range(4)) + packer.flush()


def compressed_claim():
    dataset = factory.nm(STORED)
    dataset.compress(RLELossless)
    dataset.Rows = dataset.Columns = 17000
    return content(dataset)


def many_claims():
    """Forty slices of 65535 x 65535 pixels with a few bytes each."""
    slices = factory.pet(np.repeat(STORED[:1], 40, axis=0))
    return {f"pt{i:02d}": content(factory.change(s, Rows=65535, Columns=65535)) for i, s in enumerate(slices)}


def circular():
    regions = factory.rtstruct({"Liver": BLOCK}, refers_to=factory.uid("rtstruct"))
    return {"nm": content(factory.nm(STORED)), "rs": content(regions)}


# What each is made of, and a part of the message; None where it is neutralised and read.
HOSTILE = {
    "rows 65535 with few bytes": (lambda: {"nm": content(factory.nm(STORED, Rows=65535))}, "should hold"),
    "forty slices of 65535 x 65535": (many_claims, "more than any image|should hold"),
    "two thousand million frames": (
        lambda: {"nm": content(factory.nm(STORED, NumberOfFrames=2_000_000_000))},
        "more than any image",
    ),
    "compressed pixels that claim 3 GB": (lambda: {"nm": compressed_claim()}, "No image compresses so well"),
    "a deflated bomb of 256 MiB": (lambda: {"nm": deflated_bomb()}, "unpacks to .* bytes and more"),
    "sequences 5000 deep": (
        lambda: {"nm": with_element(factory.nm(STORED), nested(5000, undefined=False))},
        "nest deeper than 64 levels",
    ),
    "open sequences 5000 deep": (
        lambda: {"nm": with_element(factory.nm(STORED), nested(5000, undefined=True))},
        "nest deeper than 64 levels|cannot be read",
    ),
    "an element of 4 GB": (
        lambda: {
            "nm": with_element(
                factory.nm(STORED), struct.pack("<HHcchI", 8, 0x1030, b"U", b"T", 0, 0xFFFFFFF0)
            )
        },
        "beyond the end|cannot be read|cut short",
    ),
    "10 MB in the patient's name": (
        lambda: {"nm": content(factory.nm(STORED, PatientName="<script>alert(1)</script>" * 400_000))},
        None,
    ),
    "10 MB in a comment and a description": (
        lambda: {
            "nm": with_element(
                factory.nm(STORED),
                struct.pack("<HH", 0x0008, 0x103F)
                + b"UT"
                + struct.pack("<HI", 0, 10_000_000)
                + b"x" * 10_000_000,
            )
        },
        None,
    ),
    "references in a circle": (circular, None),
}

PROBE = """
import json, resource, sys, time
from y90voxel.errors import InputError
from y90voxel.io.dicom.describe import describe_study
from y90voxel.io.dicom.dicom_study import DicomStudy
import y90voxel.io.dicom.rtstruct, pydicom.pixels, SimpleITK
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
for folder in sys.argv[1:]:
    start = time.perf_counter()
    try:
        study = DicomStudy.open(folder)
        study.emission(), study.regions(), study.identity
        said = None
    except InputError as error:
        said = error.message
    describe_study(folder).as_dict()
    print(json.dumps([said, time.perf_counter() - start, peak() - before]))
"""


def test_hostile_objects_are_refused_or_read_in_bounded_time_and_memory(tmp_path):
    """In a process of its own, whose peak memory is theirs alone."""
    folders = []
    for number, (make, _) in enumerate(HOSTILE.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, data in make().items():
            (folder / name).write_bytes(data)
        folders.append(str(folder))
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *folders], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    for (name, (_, expected)), line in zip(HOSTILE.items(), done.stdout.splitlines(), strict=True):
        said, seconds, megabytes = json.loads(line)
        assert seconds < LONGEST_S, name
        assert megabytes < MOST_MEMORY_MB, (name, megabytes)
        assert (said is None) == (expected is None), (name, said)
        assert expected is None or re.search(expected, said), (name, said)
        assert said is None or len(said) < 2000, name


@pytest.mark.parametrize("value", ["nan", "inf", "-4", "1e400", "--", "4\\4\\4"])
@pytest.mark.parametrize("keyword", ["PixelSpacing", "SpacingBetweenSlices", "ImagePositionPatient"])
def test_numbers_that_are_none_are_refused_by_name(tmp_path, keyword, value):
    dataset = factory.nm(STORED)
    if keyword == "ImagePositionPatient":
        value = {"-4": "1\\2", "4\\4\\4": "4\\4"}.get(value, f"{value}\\0\\0")
        inner = dataset.DetectorInformationSequence[0]
        del inner.ImagePositionPatient
        inner.add_new(keyword, "LO", value)
    else:
        value = f"3\\{value}" if keyword == "PixelSpacing" and "\\" not in value else value
        value = "9" if (keyword, value) == ("SpacingBetweenSlices", "-4") else value
        delattr(dataset, keyword)
        dataset.add_new(keyword, "LO", value)
    factory.save(dataset, tmp_path)
    with pytest.raises(InputError, match=keyword):
        DicomStudy.open(tmp_path)


def test_pipes_devices_and_links_in_circles_are_passed_over(tmp_path):
    folder = tmp_path / "study"
    factory.save(factory.nm(STORED), folder)
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "itself").symlink_to(folder / "itself")
    index = index_study(folder)
    assert (index.files, len(index.series), index.notices) == (1, 1, ())


def test_a_pipe_for_a_study_or_an_image_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.nii.gz")
    with pytest.raises(InputError, match="neither a folder nor a file, but a pipe or device"):
        index_study(tmp_path / "pipe")
    for path in (tmp_path / "pipe.nii.gz", "/dev/zero"):
        with pytest.raises(InputError, match=r"pipe or device"):
            read_study(emission=path)


def packed(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_members_that_point_outside_are_read_and_never_written(tmp_path):
    data = content(factory.nm(STORED))
    inside = tmp_path / "inside"
    inside.mkdir()
    names = [
        "../../escaped",
        str(tmp_path / "escaped-absolutely"),
        "..\\escaped",
        "a/../../b",
        "CON",
        "x" * 3000,
        "new\nline",
    ]
    members = [(name, b"no dicom") for name in names[1:]]
    path = packed(inside / "s.zip", [(names[0], data), *members])
    before = sorted(tmp_path.rglob("*"))
    index = index_study(path)
    assert (len(index.series), index.files) == (1, 7)
    assert DicomStudy.open(path).emission().volume.total == STORED.sum()
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path / "escaped-absolutely").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_two_files(tmp_path):
    slices = factory.ct(STORED)
    path = packed(tmp_path / "s.zip", [("same", content(s)) for s in slices])
    study = DicomStudy.open(path, needs_emission=False)
    np.testing.assert_array_equal(study.ct().array, STORED.astype(int) - 1024)


def test_an_archive_that_unpacks_to_too_much_as_a_whole_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGE_ARCHIVE_BYTES", 10**6)
    path = packed(tmp_path / "s.zip", [(str(i), bytes(10**5)) for i in range(30)])
    with pytest.raises(InputError, match="would unpack to 3000000 bytes"):
        index_study(path)


def test_members_that_share_their_bytes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = packed(tmp_path / "s.zip", [(f"{i}", rng.bytes(4000)) for i in range(3)])
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    for _ in range(3):  # every entry of the directory claims the whole archive
        data[directory + 20 : directory + 24] = struct.pack("<I", 9000)
        directory = data.find(b"PK\x01\x02", directory + 4)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"claim 27000 packed bytes, but the archive has .* they overlap"):
        index_study(path)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("../../GTV/1\\2", "../../GTV/1"),  # the backslash separates values in DICOM
        ("a\r\nb\tc\x1b[31md", "a b c [31md"),
        ("x" * 10_000_000, "x" * 64),
        ("   ", ""),
    ],
)
def test_names_become_short_and_printable(written, name):
    dataset = factory.item()
    dataset.add_new("ROIName", "UC", written.split("\\")[0] if "\\" in written else written)
    assert given_name(dataset, "ROIName") == name


def test_names_with_scripts_and_paths_stay_text_in_every_output(run_cli, tmp_path):
    from study_factory import ROIS, write_study

    script = "</script><script>alert(1)</script>"
    rois = {"Liver": ROIS["Liver"], script: ROIS["GTV1"], "../../../up": ((20, 5, -10), 12.0)}
    study = write_study(tmp_path / "study", rois=rois, PatientName="<img src=x onerror=alert(2)>" * 2)
    given = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--role", f"{script}=tumour")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    done = run_cli("dose", study, *given, "-o", tmp_path / "out" / "here")
    assert done.code == 0, done.err
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(tmp_path / "out" / "here") for path in new)
    for path in new:
        if path.suffix == ".html":
            page = path.read_text()
            assert "<script>alert(1)" not in page
            assert "onerror=alert(2)" not in page
