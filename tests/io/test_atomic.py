"""Output that is there in full or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from y90voxel.errors import InputError, OutputError
from y90voxel.io import atomic, leftovers
from y90voxel.io.atomic import MANIFEST, atomic_file, check_output_folder, output_folder
from y90voxel.io.leftovers import clear_leftovers, new_token
from y90voxel.io.result_marks import holds_results, own_files, write_mark

MARKER = json.dumps({"schema_version": 1, "kind": "dose"})


def everything_in(folder: Path) -> dict[str, str]:
    """Relative names and contents of all files below a folder, our manifest left out."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
        if path.name != MANIFEST
    }


def write_results(out: Path, text: str = "1") -> None:
    with output_folder(out) as folder:
        (folder / "metrics.json").write_text(MARKER)
        (folder / "dvh.csv").write_text(text)


def fail_after_writing(path: Path, error: type[BaseException]) -> None:
    path.write_text("half")
    raise error


@pytest.mark.parametrize("name", ["out", "new/parents/out"])
def test_folder_appears_when_the_block_ends(name, tmp_path):
    out = tmp_path / name
    with output_folder(out) as folder:
        (folder / "figures").mkdir()
        (folder / "figures" / "a.png").write_text("png")
        assert not out.exists()
    assert everything_in(out) == {"figures": "", "figures/a.png": "png"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["out", "new/parents/out"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(name, error, tmp_path):
    with pytest.raises(error), output_folder(tmp_path / name) as folder:
        fail_after_writing(folder / "dvh.csv", error)
    assert everything_in(tmp_path) == {}


def test_empty_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".DS_Store").write_text("")
    write_results(tmp_path / "out")
    assert everything_in(tmp_path / "out") == {"dvh.csv": "1", "metrics.json": MARKER}


def test_our_results_are_replaced_with_nothing_of_the_old_left(tmp_path):
    out = tmp_path / "out"
    with output_folder(out) as folder:
        (folder / "metrics.json").write_text(MARKER)
        (folder / "report.pdf").write_text("old")
    write_results(out, "2")
    assert everything_in(tmp_path) == {"out": "", "out/dvh.csv": "2", "out/metrics.json": MARKER}


@pytest.mark.parametrize("name", ["metrics.json", "plan.json", "compare.json", "status.json"])
def test_results_without_our_manifest_are_known_by_their_marker(name, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(MARKER)
    write_results(out)
    assert everything_in(out) == {"dvh.csv": "1", "metrics.json": MARKER}


def test_our_results_stay_when_the_new_run_fails(tmp_path):
    write_results(tmp_path / "out", "1")
    before = everything_in(tmp_path)
    with pytest.raises(ValueError), output_folder(tmp_path / "out") as folder:
        fail_after_writing(folder / "dvh.csv", ValueError)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.docx": "years of work"},
        {"metrics.json": "{}"},
        {"metrics.json": "[1]"},
        {"metrics.json": "no json"},
        {"plan.json": '{"schema_version": 1}'},
        {"a": "", "b": "", "c": "", "d": ""},
    ],
)
def test_folder_that_is_not_ours_is_refused_and_untouched(files, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name, text in files.items():
        (out / name).write_text(text)
    with pytest.raises(InputError, match="holds no results of y90voxel"), output_folder(out):
        pytest.fail("the block must not run")
    assert everything_in(tmp_path) == {"out": ""} | {f"out/{name}": text for name, text in files.items()}


def test_files_added_to_our_results_are_not_lost(tmp_path):
    write_results(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"also notes\.txt, which would be lost"):
        check_output_folder(tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("name", ["thesis.docx", "figures/annotated.svg"])
def test_work_of_others_is_not_lost_at_any_depth_nor_when_the_manifest_is(manifest, name, tmp_path):
    with output_folder(tmp_path / "out") as folder:
        (folder / "metrics.json").write_text(MARKER)
        (folder / "figures").mkdir()
        (folder / "figures" / "dvh.png").write_text("")
    if not manifest:
        (tmp_path / "out" / MANIFEST).unlink()
    check_output_folder(tmp_path / "out")
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(InputError, match=f"also {name}, which would be lost"):
        check_output_folder(tmp_path / "out")


def test_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is a file; results need a folder"):
        check_output_folder(tmp_path / "out")


def test_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot write .*Not a directory"),
        output_folder(tmp_path / "file/out"),
    ):
        pytest.fail("the block must not run")
    with pytest.raises(InputError, match="cannot write"), atomic_file(tmp_path / "absent" / "a.txt"):
        pytest.fail("the block must not run")


@pytest.fixture
def unrenamable(monkeypatch):
    """Finished folders cannot be put in place."""
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    def refuse() -> None:
        monkeypatch.setattr(atomic.Path, "rename", failing)
        monkeypatch.setattr(atomic, "exchange", lambda one, other: False)

    return refuse


def test_old_results_come_back_when_the_new_ones_cannot_be_put_there_and_both_are_kept(tmp_path, unrenamable):
    write_results(tmp_path / "out", "1")
    before = everything_in(tmp_path)
    write_results(tmp_path / "like", "2")
    like = {
        name.removeprefix("like"): content
        for name, content in everything_in(tmp_path).items()
        if name.startswith("like")
    }
    shutil.rmtree(tmp_path / "like")
    unrenamable()
    with pytest.raises(InputError, match=r"Permission denied.*finished results are in .*out\.new"):
        write_results(tmp_path / "out", "2")
    assert everything_in(tmp_path) == before | {f"out.new{name}": content for name, content in like.items()}


def test_first_results_that_cannot_be_put_there_are_kept_beside(tmp_path, unrenamable):
    unrenamable()
    with pytest.raises(InputError, match=r"Permission denied.*finished results are in .*out\.new"):
        write_results(tmp_path / "new" / "out")
    assert (tmp_path / "new" / "out.new" / "metrics.json").is_file()
    assert not (tmp_path / "new" / "out").exists()


def test_folder_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_results(tmp_path / "out")
    finally:
        os.umask(old)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_file_appears_when_the_block_ends_and_replaces_the_old(tmp_path):
    target = tmp_path / "dose.nii.gz"
    target.write_text("old")
    with atomic_file(target) as temporary:
        assert temporary.name.endswith("dose.nii.gz")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert everything_in(tmp_path) == {"dose.nii.gz": "new"}


@pytest.mark.parametrize("write", ["file", "mark"])
def test_what_is_written_is_on_the_disk_before_it_gets_its_name(write, tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda number: done.append(("on disk", os.fstat(number).st_size)))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append(("named", Path(old).stat().st_size)))
    if write == "file":
        with atomic_file(tmp_path / "result.json") as path:
            path.write_text("12345")
    else:
        write_mark(tmp_path, "dose", [])
    (_, size), named = done
    assert named == ("named", size)
    assert [what for what, _ in done] == ["on disk", "named"]
    assert size > 0


def test_old_file_stays_after_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(ValueError), atomic_file(tmp_path / "a.csv") as temporary:
        fail_after_writing(temporary, ValueError)
    assert everything_in(tmp_path) == {"a.csv": "old"}


def test_folder_in_the_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder; a file name is needed"), atomic_file(tmp_path):
        pytest.fail("the block must not run")


LEFT_BY_NOBODY = f"{leftovers._host()}-999999999-1-0a1b2c3d"
LEFT_ELSEWHERE = "0a1b2c3d-1-1-0a1b2c3d"


def killed_between_renames(folder: Path, token: str) -> None:
    """What a run leaves that was killed after it had moved the earlier results aside."""
    write_results(folder / "out", "earlier")
    (folder / "out").rename(folder / f".out.{token}.old")
    (folder / f".out.{token}.tmp").mkdir()
    (folder / f".out.{token}.tmp" / "dvh.csv").write_text("half")


def test_the_next_run_restores_and_clears_what_a_killed_one_left(tmp_path):
    killed_between_renames(tmp_path, LEFT_BY_NOBODY)
    check_output_folder(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "dvh.csv").read_text() == "earlier"
    write_results(tmp_path / "out", "new")
    assert (tmp_path / "out" / "dvh.csv").read_text() == "new"


def test_what_a_running_process_works_on_is_left_alone(tmp_path):
    killed_between_renames(tmp_path, new_token())
    assert clear_leftovers(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("age_s", "left"), [(0.0, True), (2 * 86400.0, False)])
def test_what_another_host_left_goes_after_a_day(tmp_path, monkeypatch, age_s, left):
    killed_between_renames(tmp_path, LEFT_ELSEWHERE)
    now = time.time()
    monkeypatch.setattr(leftovers.time, "time", lambda: now + age_s)
    clear_leftovers(tmp_path)
    assert (tmp_path / f".out.{LEFT_ELSEWHERE}.tmp").exists() == left
    assert (tmp_path / "out").exists() != left


def test_leavings_of_other_results_and_files_of_others_stay(tmp_path):
    for name in (f".other.{LEFT_BY_NOBODY}.tmp", ".out.backup.tmp", ".out.old"):
        (tmp_path / name).mkdir()
    write_results(tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("in_one_step", [True, False])
def test_results_are_replaced_in_one_step_or_in_two(tmp_path, monkeypatch, in_one_step):
    seen = []
    if not in_one_step:
        monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    monkeypatch.setattr(atomic.shutil, "rmtree", lambda path, **_: seen.append(path.suffix))
    write_results(tmp_path / "out", "1")
    write_results(tmp_path / "out", "2")
    assert (tmp_path / "out" / "dvh.csv").read_text() == "2"
    assert seen == [".tmp" if in_one_step else ".old"]


def test_a_name_as_long_as_a_file_system_takes_is_written(tmp_path):
    out = tmp_path / ("肝" * 85)  # 255 bytes
    write_results(out)
    write_results(out, "2")
    assert (out / "dvh.csv").read_text() == "2"
    with atomic_file(tmp_path / ("肝" * 82 + ".nii.gz")) as temporary:
        assert temporary.name.endswith(".nii.gz")


def raise_wrapped(code: int) -> None:
    """Raise an error of the disk as libraries do."""
    try:
        raise OSError(code, os.strerror(code))
    except OSError as error:
        raise ValueError("while writing the element") from error


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOSYS])
def test_an_error_of_the_disk_is_told_in_one_paragraph_even_when_a_library_wrapped_it(tmp_path, code):
    write_results(tmp_path / "out", "1")
    before = everything_in(tmp_path)
    match = f"cannot write .*out: {os.strerror(code)}. Nothing was left"
    with pytest.raises(OutputError, match=match) as told, output_folder(tmp_path / "out"):
        raise_wrapped(code)
    assert "\n" not in told.value.message
    assert everything_in(tmp_path) == before


def test_errors_that_are_not_of_the_disk_pass(tmp_path):
    with pytest.raises(ValueError), output_folder(tmp_path / "out"):
        raise ValueError("a bug")


def test_a_study_that_was_fetched_is_not_taken_for_results(tmp_path):
    with output_folder(tmp_path / "study", command=None) as folder:
        (folder / "ct0000").write_text("x")
    assert not holds_results(tmp_path / "study")
    # what versions up to 0.1.0 left there
    (tmp_path / "study" / MANIFEST).write_text(json.dumps({"files": ["ct0000"]}))
    assert not holds_results(tmp_path / "study")
    assert own_files(tmp_path / "study") == set()


def test_results_stay_results_when_a_file_of_them_is_damaged(tmp_path):
    write_results(tmp_path / "out")
    (tmp_path / "out" / "metrics.json").write_text("")
    assert holds_results(tmp_path / "out")
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"files": ["metrics.json", "dvh.csv"]}))
    assert holds_results(tmp_path / "out")
    check_output_folder(tmp_path / "out")


def test_results_of_a_plan_are_ours_without_their_mark(tmp_path):
    names = {"plan.json", "plan.html", "plan.pdf", "treatment.html", "treatment.pdf"}
    for name in (*names, "treatment.docx"):
        (tmp_path / name).write_text(MARKER)
    assert own_files(tmp_path) == names
