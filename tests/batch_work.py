"""What a batch may meet, as work for its processes: each study folder holds a file that says what happens.

Studies of a tree of DICOM files do nothing.

Runs inside the workers, so it takes nothing from the tests.
"""

import ctypes
import errno
import hashlib
import json
import os
import sys
import time
from pathlib import Path

from y90voxel.batch.ending import ended, explain
from y90voxel.batch.fingerprint import fingerprint
from y90voxel.errors import InputError, PhysicsError
from y90voxel.study.anonymous_text import without_identity

WORK = "batch_work:compute"


def compute(request):
    """Do what the study says; results are its own digest, so that any mix-up would show."""
    folder = Path(request["path"])
    names = request.get("only")
    files = sorted(folder.iterdir() if names is None else (folder / name for name in names))
    with open(request["log"] + ".starts", "a") as starts:
        starts.write("x" if request.get("earlier") is None else "r")
    found = fingerprint(files)
    started = time.perf_counter()
    try:
        act((folder / "act").read_text().split() if names is None else ["sleep", "0"])
        write(Path(request["staging"]), files, request["settings"])
        said = ended("done", None)
    except Exception as error:
        anonymous = request["settings"].get("output", {}).get("anonymise", False)
        said = explain(error, request, without_identity if anonymous else str)
    return {**found, **said, "work_seconds": time.perf_counter() - started}


def act(words):
    """Do as told."""
    deed, *rest = words
    if deed == "sleep":
        time.sleep(float(rest[0]))
    elif deed == "hang":
        time.sleep(3600)
    elif deed == "crash":
        ctypes.string_at(0)
    elif deed == "say-and-crash":
        sys.stdout.write("said before\n")
        ctypes.string_at(0)
    elif deed == "exit":
        os._exit(3)
    elif deed == "kill":
        os.kill(os.getpid(), 9)
    elif deed == "kill-supervisor":
        os.kill(os.getppid(), 9)
        time.sleep(60)
    elif deed == "allocate":
        ballast = bytearray(int(float(rest[0]) * 1024**3))
        ballast[::4096] = b"x" * len(ballast[::4096])
    elif deed == "refuse":
        raise InputError("the study has no liver.", tag="regions")
    elif deed == "physics":
        raise PhysicsError("energy is not conserved")
    elif deed == "bug":
        raise KeyError("a bug")
    elif deed == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    elif deed == "threads":
        sys.stdout.write(
            " ".join(f"{name}={os.environ[name]}" for name in os.environ if name.endswith("_THREADS"))
        )


def write(staging, files, settings):
    """Write a result folder in two steps, slowly enough to be killed in between."""
    content = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    staging.mkdir()
    (staging / "dvh.csv").write_text(content + json.dumps(settings, sort_keys=True))
    time.sleep(0.02)
    (staging / "metrics.json").write_text(
        json.dumps({"schema_version": 1, "kind": "dose", "content": content})
    )
