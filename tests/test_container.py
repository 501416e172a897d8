"""A container-like run: user 5001 without a name, no HOME, everything read-only but OUT and TMPDIR."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from study_factory import write_study

ROOT = Path(__file__).resolve().parents[1]
BOX = r"""
set -e
mkdir -p "$1/out" "$1/tmp" "$1/base" "$1/root" "$1/packages"
mount -t tmpfs -o mode=755,uid=5001,gid=5001 tmpfs "$1/out"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount --bind "$3" "$1/base"
mount --bind "$2" "$1/root"
mount --bind "$6" "$1/packages"
awk '{print $2}' /proc/mounts | while read -r place; do
    case "$place" in "$1"/out|"$1"/tmp|/proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
cd "$1/out"
exec setpriv --reuid 5001 --regid 5001 --clear-groups env -i PATH=/usr/bin:/bin LANG=C.UTF-8 \
    LD_LIBRARY_PATH="$1/base/lib" TMPDIR="$1/tmp" PYTHONPATH="$1/root:$1/packages" $4 "$1/base/bin/$5" -c '
import os, subprocess, sys
def can_write(place):
    try:
        open(os.path.join(place, "probe"), "w").close()
    except OSError as error:
        return error.strerror
    return "writable"
home = os.environ.get("HOME")
sys.stdout.write(f"user {os.getuid()} HOME {home} package {can_write(sys.argv[1])}\n")
sys.stdout.flush()
for words in sys.argv[2:]:
    done = subprocess.run([sys.executable, "-m", "y90voxel", *words.split("|")], capture_output=True, text=True)
    sys.stdout.write(f"exit {done.returncode}\n{done.stderr}\n")
' "$1/root/y90voxel" "${@:7}"
"""


@pytest.fixture
def place():
    """A folder that any user may look into; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="y90voxel-box-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def box(place):
    """Run commands in the box; skipped only where the system allows none of it."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None or os.getuid() != 0:
        pytest.skip("needs root, unshare and setpriv")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no right to a namespace of mounts")
    site = Path(os.__file__).resolve().parents[2]

    def run(*commands, environment=""):
        # Mounted, since checkout and environment may lie in a folder that only its owner may enter.
        packages = sysconfig.get_path("purelib")
        words = [str(place), str(ROOT), str(site), environment, Path(sys.executable).resolve().name, packages]
        return subprocess.run(
            ["unshare", "-m", "bash", "-c", BOX, "box", *words, *commands],
            capture_output=True,
            text=True,
            timeout=500,
        )

    return run


def check(done, commands):
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("user 5001 HOME None package Read-only file system\n"), done.stdout
    assert done.stdout.count("exit 0\n") == commands, done.stdout
    assert "Traceback" not in done.stdout


def test_a_user_without_name_and_home_on_a_read_only_root_can_work(box, place):
    study = write_study(place / "cohort" / "p1")
    given = "--activity|2 GBq|--lung-shunt|0.05|--engine|local|--no-report"
    batch = "--set|administration.activity=2 GBq|--set|administration.lung_shunt_fraction=0.05|--engine|local|--no-report"
    done = box(f"dose|{study}|{given}|-o|out", f"batch|{place / 'cohort'}|{batch}|-o|cohort")
    check(done, 2)
    assert "caches of compiled functions" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["", "NUMBA_CACHE_DIR=/proc/nowhere"])
def test_demo_batch_and_plan_work_in_the_box(box, place, environment):
    study = write_study(place / "cohort" / "p1")
    settings = "--set|administration.activity=2 GBq|--set|administration.lung_shunt_fraction=0.05"
    done = box(
        "demo|-o|demo",
        f"batch|{place / 'cohort'}|{settings}|-o|cohort",
        f"plan|{study}|--activity|2 GBq|--lung-shunt|0.05|-o|plan",
        environment=environment,
    )
    check(done, 3)
    sys.stderr.write("the box ran: demo, batch, plan as user 5001\n")
