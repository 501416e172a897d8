"""Whether every dependency has a wheel for the Pythons and systems that we say it runs on: nobody compiles one.

Asks the package index through pip, which downloads nothing; exits with 1 where something is missing. Before a release.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

# Python versions, and of each system: tags of wheels, and what markers ask.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "linux": (("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"), "linux", "x86_64"),
    "windows": (("win_amd64",), "win32", "AMD64"),
    "macos": (("macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"), "darwin", "arm64"),
}


def wanted(python: str, platform: str, machine: str) -> list[str]:
    """Return the dependencies that a system has, without their markers."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    environment = {"python_version": python, "sys_platform": platform, "platform_machine": machine}
    chosen = []
    for text in project["project"]["dependencies"]:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            chosen.append(f"{requirement.name}{requirement.specifier}")
    return chosen


def missing(python: str, system: str) -> str | None:
    """Return what pip says where it finds no wheels, None where there are all."""
    tags, platform, machine = SYSTEMS[system]
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--target", place]
        command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
        command += [word for tag in tags for word in ("--platform", tag)]
        done = subprocess.run(
            [*command, *wanted(python, platform, machine)], capture_output=True, text=True, check=False
        )
    if done.returncode == 0:
        return None
    return next((line for line in done.stderr.splitlines() if "ERROR" in line), done.stderr[-300:])


def main() -> None:
    """Ask for every Python and system, or for those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", choices=PYTHONS)
    parser.add_argument("--system", action="append", choices=SYSTEMS)
    options = parser.parse_args()
    failed = False
    for python in options.python or PYTHONS:
        for system in options.system or SYSTEMS:
            problem = missing(python, system)
            failed |= problem is not None
            print(f"Python {python}, {system}: {problem or 'all wheels are there'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
