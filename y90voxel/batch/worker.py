"""Client of a supervisor process: start it, hand it a study, and put the outcome of the study into words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Request", "StudyWorker"]

PACKAGE = Path(__file__).resolve().parents[1]
# Everything that decides how many threads a study uses: this package, BLAS, OpenMP, numba and ITK.
THREAD_VARIABLES = (
    "Y90VOXEL_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
SUPERVISOR = "y90voxel.batch.supervisor"
GIB = 1024.0**3  # bytes in a GiB


@dataclass(frozen=True)
class Request:
    """One study to compute, as it travels to a worker.

    Parameters
    ----------
    key : str
        The study.
    work : str
        What computes it: ``package.module:function``.
    arguments : mapping
        What the function needs; JSON.
    log : str
        File that gets everything that is printed, and tracebacks.
    timeout_s : float or None
        Longest time it may take [s].
    memory_bytes : int or None
        Most memory it may allocate [bytes].
    """

    key: str
    work: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    log: str = os.devnull
    timeout_s: float | None = None
    memory_bytes: int | None = None

    def line(self) -> bytes:
        """The request as a supervisor reads it."""
        document = {
            "work": self.work,
            "log": self.log,
            "timeout_s": self.timeout_s,
            "memory_bytes": self.memory_bytes,
            **self.arguments,
        }
        return json.dumps(document).encode() + b"\n"


class StudyWorker:
    """Computes one study after another, each in a process of its own.

    Parameters
    ----------
    threads : int
        Threads that a study may use.
    keep_open : sequence of int
        File descriptors that the processes inherit: the lock of the output folder.
    fresh : bool
        Start a new interpreter for each study instead of forking one that has everything imported.
    """

    def __init__(
        self,
        threads: int = 1,
        keep_open: tuple[int, ...] = (),
        *,
        fresh: bool = sys.platform != "linux",
    ) -> None:
        self.threads, self.keep_open, self.fresh = threads, keep_open, fresh
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> StudyWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, request: Request) -> dict[str, Any]:
        """Compute a study and return its outcome, whatever happened to its process.

        Returns
        -------
        dict
            ``status`` (``done``, ``failed``, ``refused``), ``reason``, ``seconds``, ``peak_memory_bytes``,
            and what the work itself said.
        """
        process = self._started(request)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request.line())
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):  # it was killed, or stopped from another thread
            line = b""
        if not line:
            code = process.wait()
            self.close()
            return _failed(f"the worker that computed it {_ending(code)}.")
        return _outcome(json.loads(line), request)

    def close(self) -> None:
        """End the supervisor, and a study that it is computing."""
        if self._process is not None:
            with suppress(BrokenPipeError, ValueError):
                self._process.communicate()
            self._process = None

    def _started(self, request: Request) -> subprocess.Popen[bytes]:
        """The supervisor, with the work imported; started when it is first needed, and again when it was killed."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    SUPERVISOR,
                    *(["--fresh"] if self.fresh else []),
                    request.work.partition(":")[0],
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment(),
                pass_fds=self.keep_open,
                start_new_session=True,  # Ctrl-C reaches the batch, which ends its workers
            )
        return self._process

    def _environment(self) -> dict[str, str]:
        """The environment of a supervisor: this very package, and no more threads than it is given."""
        paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        limits = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        return os.environ | limits | {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg"}

    def stop(self) -> None:
        """End a study that another thread is waiting for."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _outcome(reply: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """The outcome of a study in words."""
    spent = {"seconds": reply["seconds"], "peak_memory_bytes": reply["peak_memory_bytes"]}
    if reply["said"] is not None:
        return {**spent, **reply["said"]}
    if reply["timed_out"]:
        reason = f"it ran longer than the {request.timeout_s:g} s of --timeout and was ended."
    else:
        reason = f"its process {_ending(reply['exit_code'])}. See logs/{Path(request.log).name}."
    return _failed(reason) | spent


def _failed(reason: str) -> dict[str, Any]:
    """A study that failed."""
    return {"status": "failed", "reason": reason, "seconds": None, "peak_memory_bytes": None}


def _ending(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"ended by itself with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    hints = {
        "SIGKILL": ", by the system when memory runs out or by hand",
        "SIGSEGV": ", a crash of the interpreter",
        "SIGABRT": ", a crash of the interpreter",
    }
    name = names.get(-code, f"signal {-code}")
    return f"was ended by {name}{hints.get(name, '')}"
