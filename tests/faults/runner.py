"""Runs commands one after another, each in a fork of this process, with the disk failing as asked; a line each way.

Started with ``LD_PRELOAD=faults.so``; imports once what the commands need.
"""

import contextlib
import ctypes
import io
import json
import os
import sys
import traceback


def faults():
    """The functions of ``faults.c``, which is loaded before everything else."""
    library = ctypes.CDLL(None)
    library.fault_arm.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int)
    library.fault_count.restype = ctypes.c_long
    return library


def batch(manifest, out):
    """A batch whose studies do as they are told, without drawing."""
    from batch_work import WORK

    from y90voxel.batch import run_batch as run

    run.write_tables = lambda folder, outcomes, title: None
    result = run.run_batch(manifest, out, work=WORK, resources=run.Resources(workers=1))
    if result.needs_attention():
        raise SystemExit(2)


def run(asked):
    """Do one command in this process; returns its exit code and what it printed."""
    from y90voxel.cli import main as program

    if asked["argv"][0] == "batch-of-deeds":
        manifest, out = asked["argv"][1:]
        program.app = lambda: batch(manifest, out)
    sys.argv = ["y90voxel", *asked["argv"]]
    said, library = io.StringIO(), faults()
    library.fault_arm(
        os.fsencode(asked["below"]), asked["kinds"], asked["nth"], asked["errno"], asked["lasting"]
    )
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            program.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            code, text = 1, traceback.format_exc()
            said.write(text)
    count = library.fault_count()
    library.fault_arm(b"", 0, 0, 0, 0)
    return {"code": code, "said": said.getvalue(), "count": count}


def main():
    """Serve until stdin closes."""
    import y90voxel.io.dicom.dicom_study
    import y90voxel.report.dose_page
    import y90voxel.study.run_compare
    import y90voxel.study.run_dose
    import y90voxel.study.run_plan  # noqa: F401

    for line in sys.stdin:
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            with os.fdopen(write_end, "w") as answer:
                answer.write(json.dumps(run(json.loads(line))))
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            text = answer.read()
        os.waitpid(pid, 0)
        sys.stdout.write((text or json.dumps({"code": -1, "said": "died", "count": 0})) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
