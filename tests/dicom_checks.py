"""dciodvfy, the DICOM conformance checker of dicom3tools, as a second opinion."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_BESIDE_PYTHON = Path(sys.executable).parent / "dciodvfy"
DCIODVFY = str(_BESIDE_PYTHON) if _BESIDE_PYTHON.exists() else shutil.which("dciodvfy")
needs_dciodvfy = pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed")


def dciodvfy_errors(path: Path, expected_object: str) -> list[str]:
    """Return the errors that dciodvfy finds, after making sure that it took the file for the right object."""
    done = subprocess.run([str(DCIODVFY), str(path)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert expected_object in said, said
    return [line for line in said if line.startswith(("Error", "Abort"))]
