"""What is asked of a batch besides the settings of its studies: what computes them, and how outcomes are handled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from y90voxel.batch.reasons import KINDS
from y90voxel.errors import InputError

__all__ = ["ACCEPTED", "RETRY", "Handling", "Resources"]

# What `--retry` takes, and which outcomes of an earlier run are then tried again though nothing changed.
RETRY: dict[str, tuple[str, ...]] = {
    "none": (),
    "failed": ("failed",),
    "refused": ("failed", "refused"),
    "all": ("failed", "refused", "done"),
}
# Outcomes that `--accept` may name.
ACCEPTED = ("failed", "refused", "skipped", "stale")


@dataclass(frozen=True)
class Resources:
    """What computes a batch, and how much a study may take.

    Parameters
    ----------
    workers : int or None
        Studies at a time; None is one a core (8 jobs with Slurm).
    timeout_s : float or None
        Longest time of a study [s].
    memory_gb : float or None
        Most memory that a study may allocate [GiB].
    scheduler : str or None
        Address of a Dask scheduler.
    slurm : bool
        Start workers as Slurm jobs.
    """

    workers: int | None = None
    timeout_s: float | None = None
    memory_gb: float | None = None
    scheduler: str | None = None
    slurm: bool = False

    def __post_init__(self) -> None:
        for option, value in (("--timeout", self.timeout_s), ("--memory-gb", self.memory_gb)):
            if value is not None and not value > 0:
                raise InputError(f"{option} {value:g} must be above zero.", tag=option)
        if self.scheduler and self.slurm:
            raise InputError("give --scheduler or --slurm, not both.", tag="--scheduler")


@dataclass(frozen=True)
class Handling:
    """How a batch deals with what it finds.

    Parameters
    ----------
    retry : str
        What is tried again though nothing changed: one of `RETRY`, or a kind of refusal or failure as ``status.json``
        groups them.
    verify : bool
        Read every file of every result instead of looking at sizes and times.
    dry_run : bool
        Say what would be done, compute nothing.
    keep_columns : tuple of str
        Columns of the manifest that are carried through though nothing may tell of patients.
    key_file : Path or None
        Holds the secret that labels are made with where nothing may tell of patients; None lies beside the output folder.
    """

    retry: str = "failed"
    verify: bool = False
    dry_run: bool = False
    keep_columns: tuple[str, ...] = ()
    key_file: Path | None = None

    def __post_init__(self) -> None:
        kinds = [kind.name for kind in KINDS]
        if self.retry not in (*RETRY, *kinds):
            raise InputError(
                f"--retry {self.retry!r} is none of {', '.join(RETRY)}; nor a kind that status.json groups by: "
                f"{', '.join(kinds)}.",
                tag="--retry",
            )
