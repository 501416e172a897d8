"""Studies that are started while the headers of others are still read.

A study that lies in one folder, all of which is read, and that has an emission image and regions, is nearly always all there
is of it. It is started at once; whether it was all is known when the whole archive is read, and not before then are its results
accepted: they are thrown away when the study turns out to have other files, settings or another name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from y90voxel.batch.batch_log import BatchLog
from y90voxel.batch.discovery import whole_studies
from y90voxel.batch.ledger import Entry
from y90voxel.batch.local import LocalWorkers
from y90voxel.batch.study_requests import StudyRequests
from y90voxel.batch.study_units import Unit, study_ids
from y90voxel.batch.work_plan import Choices, optional_roles, settings_of, without_name
from y90voxel.batch.worker import Request
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.dicom.catalogue import ArchiveWatch, Catalogue

__all__ = ["EarlyStart"]

# How often studies are looked for [s], and how much of the time that may take.
LOOK_S, LOOK_SHARE = 0.25, 0.2


class EarlyStart(ArchiveWatch):
    """Listens to the listing of an archive and hands out studies meanwhile.

    Parameters
    ----------
    root : Path
        The archive.
    workers : LocalWorkers
        They get the studies; never more wait than there are workers, so that in the end the largest come first.
    requests : StudyRequests
        Makes requests.
    choices : Choices
        What holds for all studies.
    known : mapping of str to Entry
        What earlier runs know: their studies are not started early, they may not have to be computed.
    log : BatchLog
        Receives the progress of the listing.
    """

    def __init__(
        self,
        root: Path,
        workers: LocalWorkers,
        requests: StudyRequests,
        choices: Choices,
        entries: Mapping[str, Entry],
        log: BatchLog,
    ) -> None:
        self._root, self.workers, self._requests = root, workers, requests
        self._choices, self._log = choices, log
        self._keys, self._identities = set(entries), {entry.identity for entry in entries.values()}
        self._ids = {key: entry.study_id for key, entry in entries.items()}
        self._started: dict[str, Request] = {}
        self._looked_at: set[str] = set()
        self._next = 0.0

    def files_found(self, files: int) -> None:
        """So many files there are up to now."""
        self._log.files_found(files)

    def read(self, headers: int, of: int) -> None:
        """So many headers were read."""
        self._log.read(headers, of)

    def arrived(self, catalogue: Callable[[], Catalogue], ahead: str | None) -> None:
        """Hand out studies that are complete, when workers have time for them."""
        now = time.monotonic()
        room = self.workers.workers - self.workers.waiting
        if ahead is None or room < 1 or now < self._next:
            return
        for unit in whole_studies(self._root, catalogue(), ahead, self._looked_at):
            room -= self._start(unit)
            if room < 1:
                break
        ended = time.monotonic()
        self._next = max(now + LOOK_S, ended + (ended - now) / LOOK_SHARE)

    def claim(self, request: Request) -> Request:
        """Return the request by which a study was started already, if that is what is to be computed; else the given one."""
        started = self._started.get(request.key)
        if started is None:
            return request
        same = {**request.arguments, "staging": started.arguments["staging"]} == started.arguments
        return started if same and request.log == started.log else request

    def has_started(self, request: Request) -> bool:
        """Return whether this very request was handed out."""
        return self._started.get(request.key) is request

    def close(self) -> None:
        """End what is running still."""
        self.workers.close()

    def _start(self, unit: Unit) -> bool:
        """Hand out a study; False when it is not new, or something is wrong with it."""
        secret = self._choices.secret
        if secret is not None:
            unit = without_name(unit, secret, self._choices.words)
        if unit.problem is not None or unit.key in self._keys or unit.identity in self._identities:
            return False
        settings = settings_of(unit, self._choices)
        try:
            load_settings(None, settings)
        except InputError:
            return False  # the plan says what is wrong
        name = study_ids([unit], self._ids, anonymous=secret is not None, secret=secret)[unit.key]
        self._ids[unit.key] = name
        request = self._requests.of(unit, name, settings, roles=optional_roles(unit, self._choices))
        self._started[unit.key] = request
        self._log.message(f"{name}: started while headers are read")
        self.workers.hand_out(request)
        return True
