"""One session with a real archive: start Orthanc, send a result folder, fetch it, compare. Run by test_orthanc.py.

It runs in a network namespace of its own that has a loopback interface and nothing else, because Orthanc listens on all
addresses. Arguments: a result folder, a folder to work in, the path of Orthanc's DICOMweb plugin or nothing.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pydicom

DICOM_PORT, HTTP_PORT = 4242, 8042


def configuration(folder, plugin):
    return {
        "Name": "y90voxel test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "HttpPort": HTTP_PORT,
        "DicomPort": DICOM_PORT,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "Plugins": [plugin] if plugin else [],
    }


def wait_until_ready(process):
    for _ in range(150):
        assert process.poll() is None, "Orthanc ended early"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}/system", timeout=1)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("Orthanc did not start")


def y90voxel(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "y90voxel", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    sys.stdout.write(done.stdout + done.stderr)
    return done


def objects(folder):
    """SOP instance UID to content, pixels included."""
    found = {}
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        found[str(dataset.SOPInstanceUID)] = {
            k: v for k, v in dataset.to_json_dict().items() if v.get("Value") or "InlineBinary" in v
        }
    return found


def main(results, folder, plugin):
    (folder / "orthanc.json").write_text(json.dumps(configuration(folder, plugin)))
    with (folder / "orthanc.log").open("w") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            wait_until_ready(process)
            sent = objects(results)
            study = pydicom.dcmread(next(results.glob("*.dcm"))).StudyInstanceUID
            peer = f"ORTHANC@127.0.0.1:{DICOM_PORT}"
            assert y90voxel("send", results, "--to", peer).returncode == 0
            assert y90voxel("fetch", study, "--from", peer, "-o", folder / "by-dimse").returncode == 0
            assert objects(folder / "by-dimse") == sent, "what came back by C-GET is not what was sent"
            assert "knows no study" in y90voxel("fetch", "1.2.3", "--from", peer, "-o", folder / "no").stderr
            wrong = y90voxel("send", results, "--to", peer.replace("ORTHANC", "OTHER"))
            assert (wrong.returncode, "It was called 'OTHER' and we are" in wrong.stderr) == (2, True)
            if plugin:
                url = f"http://127.0.0.1:{HTTP_PORT}/dicom-web"
                assert y90voxel("send", results, "--dicomweb", url).returncode == 0
                assert y90voxel("fetch", study, "--dicomweb", url, "-o", folder / "by-web").returncode == 0
                assert objects(folder / "by-web") == sent, "what came back by DICOMweb is not what was sent"
        finally:
            process.terminate()
            process.wait(timeout=30)
    sys.stdout.write("session complete" + (" with DICOMweb" if plugin else "") + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
