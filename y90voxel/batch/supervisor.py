"""A process that computes studies, each in a child of its own, and outlives whatever happens to them.

One supervisor serves one worker of a batch: it reads a request a line from stdin and writes a reply a line to
stdout. It imports the package once; a study is a fork of it, so that a study costs no start-up and its memory,
its threads, its crash and its end are its own. Where forks are not safe (macOS), a fresh interpreter is
started for each study. When the supervisor's stdin closes, because whoever started it is gone, it ends its
study and itself.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from y90voxel.startup import prepare_process

__all__ = ["main"]

PR_SET_PDEATHSIG = 1  # linux/prctl.h: the signal that a child gets when its parent dies
CHUNK_BYTES = 1 << 16  # read at once [B]: what a pipe of Linux holds


def main() -> None:
    """Serve requests until stdin closes, or compute the one study that a fresh interpreter was started for."""
    prepare_process()
    if len(sys.argv) == 3 and sys.argv[1] == "--child":
        _compute(json.loads(sys.stdin.buffer.read()), int(sys.argv[2]))
    fresh = sys.argv[1:2] == ["--fresh"]
    for module in sys.argv[1 + fresh :]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a child must not copy the pages of what was imported
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no reply
    while line := sys.stdin.buffer.readline():
        reply = _serve(json.loads(line), fresh)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _serve(request: Mapping[str, Any], fresh: bool) -> dict[str, Any]:
    """Compute one study in a child and return its output, or how it ended."""
    started = time.monotonic()
    pid, result = (_start_fresh if fresh else _fork)(request)
    output, timed_out = _wait(pid, result, request.get("timeout_s"))
    _, status, usage = os.wait4(pid, 0)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # whatever the study started itself
    code = os.waitstatus_to_exitcode(status)
    return {
        "said": json.loads(output) if output and code == 0 else None,
        "timed_out": timed_out,
        "exit_code": code,
        "seconds": time.monotonic() - started,
        "peak_memory_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def _fork(request: Mapping[str, Any]) -> tuple[int, int]:
    """Start a child; return its process and the pipe that it answers through."""
    read_end, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(write_end)
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)  # here and in the child: whoever comes first
        return pid, read_end
    try:
        os.close(read_end)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _end_with(parent)
        _compute(request, write_end)
    finally:
        os._exit(70)


def _start_fresh(request: Mapping[str, Any]) -> tuple[int, int]:
    """Start an interpreter for one study; return its process and the pipe that it answers through."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", __spec__.name, "--child", str(write_end)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(write_end,), start_new_session=True)
    os.close(write_end)
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin as stream:
        stream.write(json.dumps(request).encode())
    return child.pid, read_end


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when the supervisor is killed itself (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(70)


def _wait(pid: int, result: int, timeout_s: float | None) -> tuple[bytes, bool]:
    """Return what a child wrote until it closed its pipe, and whether it ran out of time.

    The end of the supervisor's own stdin is the end of everything.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(result, select.POLLIN)
    poll.register(0, 0)  # hang-up only: requests wait
    output = b""
    try:
        while True:
            left_ms = None if deadline is None else 1000.0 * max(0.0, deadline - time.monotonic())
            events = dict(poll.poll(left_ms))
            if 0 in events:
                os.killpg(pid, signal.SIGKILL)
                os._exit(0)
            if not events:
                os.killpg(pid, signal.SIGKILL)
                return b"", True
            chunk = os.read(result, CHUNK_BYTES)
            if not chunk:
                return output, False
            output += chunk
    finally:
        os.close(result)


def _compute(request: Mapping[str, Any], result: int) -> NoReturn:
    """Do the work of a request in this process, answer, and end without any clean-up that could hang."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what is printed before a crash is kept
    faulthandler.enable(file=2)
    code = 0
    try:
        if request.get("memory_bytes") is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (request["memory_bytes"],) * 2)
        answer = json.dumps(_work(request["work"])(request)).encode()
        while answer:
            answer = answer[os.write(result, answer) :]
    except BaseException:
        code = 1
        os.write(2, traceback.format_exc().encode())
    os.close(result)
    with suppress(OSError, ValueError):
        sys.stdout.flush()  # os._exit drops what is not written yet
    os._exit(code)


def _work(name: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return the function that a name like ``package.module:function`` stands for."""
    module, _, function = name.partition(":")
    work: Callable[[Mapping[str, Any]], Mapping[str, Any]] = getattr(
        importlib.import_module(module), function
    )
    return work


if __name__ == "__main__":
    main()
