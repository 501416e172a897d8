"""``send`` and ``fetch`` against Debian's Orthanc, a real archive.

To run it: ``apt-get install orthanc orthanc-dicomweb`` and ``pytest -m slow tests/cli/test_orthanc.py``. The archive is
started in a network namespace that has the loopback interface and nothing else (``unshare -rn``): nobody can reach it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from study_factory import write_study

pytest.importorskip("pynetdicom")

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ENVIRONMENT = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}
ROOT = Path(__file__).resolve().parents[2]


def reason_to_skip():
    """Why the session cannot run here, empty when it can."""
    if shutil.which("Orthanc", path=ENVIRONMENT["PATH"]) is None:
        return "Orthanc is not installed (apt-get install orthanc orthanc-dicomweb)"
    if shutil.which("unshare") is None or shutil.which("ip", path=ENVIRONMENT["PATH"]) is None:
        return "unshare and ip are needed to keep Orthanc on the loopback interface"
    tried = subprocess.run(
        ["unshare", "-rn", "ip", "link", "set", "lo", "up"], env=ENVIRONMENT, capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else "network namespaces are not allowed here"


@pytest.mark.slow
@pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())
def test_results_survive_a_journey_to_a_real_archive_and_back(tmp_path):
    from y90voxel.case.settings import load_settings
    from y90voxel.study.run_dose import run_study

    options = {
        "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.05},
        "dose": {"engine": "local"},
        "radiobiology": {"tumour": {"alpha_beta_gy": 10.0, "repair_half_time_h": 1.5}},
        "output": {"report": False},
    }
    run_study(write_study(tmp_path / "study"), tmp_path / "out", load_settings(None, options))
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 4  # dose, BED, SEG, RTSTRUCT
    (tmp_path / "work" / "storage").mkdir(parents=True)
    session = [
        sys.executable,
        str(Path(__file__).with_name("orthanc_session.py")),
        tmp_path / "out",
        tmp_path / "work",
    ]
    plugin = [PLUGIN] if PLUGIN.exists() else []
    done = subprocess.run(
        [
            "unshare",
            "-rn",
            "sh",
            "-c",
            'ip link set lo up && exec "$@"',
            "sh",
            *map(str, (*session, *plugin)),
        ],
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("session complete with DICOMweb\n" if plugin else "session complete\n")
