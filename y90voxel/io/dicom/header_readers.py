"""Read the headers of an archive in several processes: Python reads one at a time in each.

A reader gets a line for some files of one folder and answers with a line. Run as a module this is such a reader; it ends when
whoever started it is gone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from y90voxel.io.dicom.series_facts import FolderFacts, read_folder

__all__ = ["FEW_FILES", "main", "read_in_parallel"]

# Names below the archive, and sizes, of files that lie in one folder.
Files = Sequence[tuple[str, int]]

PACKAGE = Path(__file__).resolve().parents[2]
# Starting readers takes half a second: so many headers are read in that time by this process itself.
FEW_FILES = 1000


def read_in_parallel(root: Path, parts: Sequence[Files], readers: int) -> Iterator[FolderFacts]:
    """Yield what the headers of each part say, in their order.

    Parameters
    ----------
    root : Path
        The archive.
    parts : sequence
        Files of one folder each.
    readers : int
        Processes at a time.
    """
    if readers < 2 or sum(len(part) for part in parts) < FEW_FILES:
        yield from (read_folder(root, part) for part in parts)
        return
    processes = _ReaderProcesses(root, parts)
    try:
        processes.start(min(readers, len(parts)))
        yield from (processes.wait_for(number) for number in range(len(parts)))
    finally:
        processes.stop()


class _ReaderProcesses:
    """Readers at work on parts of an archive."""

    def __init__(self, root: Path, parts: Sequence[Files]) -> None:
        self._root, self._parts = root, parts
        self._next = 0
        self._found: dict[int, FolderFacts] = {}
        self._changed = Condition()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stopped = False

    def start(self, readers: int) -> None:
        """Start so many readers."""
        paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        for _ in range(readers):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "y90voxel.io.dicom.header_readers"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C reaches the batch, which ends its readers
            )
            self._processes.append(process)
            Thread(target=self._serve, args=(process,), daemon=True).start()

    def wait_for(self, number: int) -> FolderFacts:
        """Return what a part says, once it was read."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._found)
            return self._found.pop(number)

    def stop(self) -> None:
        """End all readers."""
        self._stopped = True
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):
                    assert pipe is not None
                    pipe.close()

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Let one reader read part after part."""
        while True:
            with self._changed:
                number, self._next = self._next, self._next + 1
            if self._stopped or number >= len(self._parts):
                return
            part = self._parts[number]
            facts = _asked(process, self._root, part)
            if facts is None and not self._stopped:
                facts = read_folder(self._root, part)  # its reader was killed
            if facts is not None:
                with self._changed:
                    self._found[number] = facts
                    self._changed.notify_all()


def _asked(process: subprocess.Popen[bytes], root: Path, part: Files) -> FolderFacts | None:
    """Return what a reader says of some files, None when it is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError, ValueError):
        process.stdin.write(json.dumps([str(root), part]).encode() + b"\n")
        process.stdin.flush()
        if line := process.stdout.readline():
            return FolderFacts.from_json(json.loads(line), [name for name, _ in part])
    return None


def main() -> None:
    """Read headers until stdin closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    while line := sys.stdin.buffer.readline():
        root, files = json.loads(line)
        facts: dict[str, Any] = read_folder(Path(root), files).as_json([name for name, _ in files])
        answers.write(json.dumps(facts) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
