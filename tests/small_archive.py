"""An archive of many studies that differ in nothing but their identifiers: written in milliseconds each."""

import tempfile
from pathlib import Path

from study_factory import write_study

# The root of the UIDs of the factories, and a patient of the same length in every copy.
ROOT, PATIENT = b"1.2.826.0.1.3680043.8.498.", b"P10000000"


def write_archive(root, studies):
    """Write so many studies of 42 files in folders p0000, p0001, …; returns the root."""
    with tempfile.TemporaryDirectory() as place:
        made = write_study(Path(place) / "study", PatientID=PATIENT.decode())
        contents = {path.name: path.read_bytes() for path in sorted(made.iterdir())}
    for number in range(studies):
        folder = root / f"p{number:04d}"
        folder.mkdir(parents=True)
        identifiers = {
            ROOT: f"1.2.826.0.1.3{number:06d}.8.498.".encode(),
            PATIENT: f"P1{number:07d}".encode(),
        }
        for name, content in contents.items():
            for old, new in identifiers.items():
                assert len(old) == len(new)
                content = content.replace(old, new)
            (folder / name).write_bytes(content)
    return root
