"""Readers of headers and the listing of an archive, part by part, without other processes."""

import json
from types import SimpleNamespace

import pytest

from y90voxel.io.dicom import catalogue, header_readers
from y90voxel.io.dicom.archive_walk import ArchiveFile, ArchiveFolder
from y90voxel.io.dicom.series_facts import FolderFacts

PARTS = [[("a/1", 10)], [("b/1", 10), ("b/2", 20)], [("c/1", 10)]]


@pytest.mark.parametrize(
    ("readers", "files", "alone"), [(1, 1000, True), (2, 999, True), (2, 1000, False), (3, 1000, False)]
)
def test_other_processes_read_from_two_readers_and_1000_files_on(
    monkeypatch, tmp_path, readers, files, alone
):
    started, stopped = [], []
    crew = SimpleNamespace(
        start=started.append, wait_for=lambda number: f"part {number}", stop=lambda: stopped.append(True)
    )
    monkeypatch.setattr(header_readers, "_ReaderProcesses", lambda root, parts: crew)
    monkeypatch.setattr(header_readers, "read_folder", lambda root, part: len(part))
    parts = [[("a", 1)] * (files - 400), [("b", 1)] * 400]
    found = list(header_readers.read_in_parallel(tmp_path, parts, readers))
    assert found == ([files - 400, 400] if alone else ["part 0", "part 1"])
    assert (started, stopped) == (([], []) if alone else ([2], [True]))  # no more readers than parts


@pytest.mark.parametrize("gone", [False, True])
def test_a_reader_reads_part_after_part_and_this_process_what_it_leaves(monkeypatch, tmp_path, gone):
    monkeypatch.setattr(
        header_readers, "_asked", lambda process, root, part: None if gone else f"asked {part[0][0]}"
    )
    monkeypatch.setattr(header_readers, "read_folder", lambda root, part: f"read {part[0][0]}")
    crew = header_readers._ReaderProcesses(tmp_path, PARTS)
    crew._serve(None)
    who = "read" if gone else "asked"
    assert [crew.wait_for(number) for number in (2, 0, 1)] == [f"{who} c/1", f"{who} a/1", f"{who} b/1"]


@pytest.mark.parametrize("answer", [None, "asked"])
def test_a_reader_that_is_stopped_takes_no_further_part(monkeypatch, tmp_path, answer):
    crew = header_readers._ReaderProcesses(tmp_path, PARTS)
    seen = []

    def asked(process, root, part):
        seen.append(part)
        crew._stopped = True  # meanwhile
        return answer

    monkeypatch.setattr(header_readers, "_asked", asked)
    monkeypatch.setattr(header_readers, "read_folder", lambda root, part: pytest.fail("read after the end"))
    crew._serve(None)
    assert seen == PARTS[:1]
    assert crew._found == ({} if answer is None else {0: "asked"})


class Pipe:
    """What is written to a reader, and its answer."""

    def __init__(self, answer=b"", broken=False):
        self.written, self.answer, self.broken = b"", answer, broken

    def write(self, data):
        if self.broken:
            raise BrokenPipeError
        self.written += data

    def flush(self):
        pass

    def readline(self):
        return self.answer


def test_a_reader_is_asked_by_a_line_and_answers_with_one(tmp_path):
    answer = json.dumps(FolderFacts(damaged=["b/2"]).as_json(["b/1", "b/2"])).encode() + b"\n"
    stdin = Pipe()
    facts = header_readers._asked(SimpleNamespace(stdin=stdin, stdout=Pipe(answer)), tmp_path, PARTS[1])
    assert facts.damaged == ["b/2"]
    assert stdin.written == json.dumps([str(tmp_path), [["b/1", 10], ["b/2", 20]]]).encode() + b"\n"


@pytest.mark.parametrize(
    ("stdin", "stdout"), [(Pipe(), Pipe(b"")), (Pipe(broken=True), Pipe(b"x")), (Pipe(), Pipe(b"no JSON\n"))]
)
def test_a_reader_that_is_gone_answers_nothing(tmp_path, stdin, stdout):
    assert header_readers._asked(SimpleNamespace(stdin=stdin, stdout=stdout), tmp_path, PARTS[1]) is None


class Memory:
    """What was read before of some folders, and what is kept of others."""

    def __init__(self, **known):
        self.known, self.kept = known, {}

    def recall(self, folder):
        return self.known.get(folder.name)

    def keep(self, folder, facts, moment_ns):
        self.kept[folder.name] = facts


class Watch(catalogue.ArchiveWatch):
    """Hears what is read, and what comes next."""

    def __init__(self):
        self.heard = []

    def read(self, headers, of):
        self.heard.append((headers, of))

    def arrived(self, catalogue, ahead):
        self.heard.append((catalogue().headers_read, ahead))


def folder(name, *files):
    return ArchiveFolder(name, tuple(ArchiveFile(file, 100, 0, 0) for file in files))


@pytest.fixture
def listed(monkeypatch, tmp_path):
    """Two folders to read, with a zip in one, and one between them that may be known."""
    folders = [folder("a", "1", "2"), folder("b", "1", "2.ZIP", "3"), folder("c", "1")]
    monkeypatch.setattr(catalogue, "walk_archive", lambda *_: (folders, ["results"]))

    def read(root, parts, readers):
        return iter([FolderFacts(damaged=[name for name, _ in part]) for part in parts])

    monkeypatch.setattr(catalogue, "read_in_parallel", read)
    return tmp_path


def test_an_archive_is_listed_folder_after_folder(listed):
    watch = Watch()
    found = catalogue.list_archive(listed, watch=watch)
    assert (found.files, found.headers_read, found.zips, found.skipped) == (6, 5, ("b/2.ZIP",), ("results",))
    assert found.damaged == ("a/1", "a/2", "b/1", "b/3", "c/1")
    assert watch.heard == [(2, 5), (2, "b"), (4, 5), (4, "c"), (5, 5), (5, None)]
    assert catalogue.list_archive(listed) == found  # without a watch


def test_what_is_known_of_a_folder_is_not_read_again(listed):
    known = FolderFacts(damaged=["b/3"]).as_json(["b/1", "b/3"])
    memory, watch = Memory(b=known), Watch()
    found = catalogue.list_archive(listed, memory=memory, watch=watch)
    assert (found.damaged, found.headers_read) == (("a/1", "a/2", "b/3", "c/1"), 3)
    assert watch.heard == [(2, 3), (2, "b"), (3, 3), (3, None)]
    assert set(memory.kept) == {"a", "c"}
