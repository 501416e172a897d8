"""A study of a batch as a worker gets it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from y90voxel.batch.handling import Resources
from y90voxel.batch.study_units import Unit
from y90voxel.batch.worker import GIB, Request
from y90voxel.version import __version__

__all__ = ["StudyRequests"]


@dataclass(frozen=True)
class StudyRequests:
    """Makes the requests of a batch.

    Parameters
    ----------
    staging, logs : Path
        Where studies write results and logs.
    resources : Resources
        What a study may take.
    work : str
        What a worker does with a study.
    """

    staging: Path
    logs: Path
    resources: Resources
    work: str

    def of(
        self,
        unit: Unit,
        study_id: str,
        settings: Mapping[str, Any],
        earlier: Path | None = None,
        roles: Sequence[str] = (),
    ) -> Request:
        """Return the request for a study, with a place of its own to write to.

        Its dose may be that of ``earlier`` results; ``roles`` are names and patterns that may fit no region of it.
        """
        memory = self.resources.memory_gb
        return Request(
            unit.key,
            self.work,
            {
                "version": __version__,
                "job": unit.job,
                "path": None if unit.path is None else str(unit.path.resolve()),
                "only": unit.only,
                "files": unit.named_files(resolved=True),
                "settings": settings,
                "optional_roles": list(roles),
                "pairs": list(unit.pairs),
                "earlier": None if earlier is None else str(earlier),
                "staging": str(self.staging / uuid.uuid4().hex),
            },
            str(self.logs / f"{study_id}.log"),
            self.resources.timeout_s,
            None if memory is None else int(memory * GIB),
        )
