"""Make the fourth, synthetic patient of docs/course.md: MAA, two radioembolizations and SBRT.

    python docs/courses/make_patient_4.py FOLDER
    y90voxel course FOLDER/patient_4.toml -o OUT

The images are the sample study's: its SPECT, relabelled as Y-90, for the first treatment; the same with half the uptake in the
first tumour for the second. Nothing of this is a patient.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom

import y90voxel as yv
from y90voxel.io.dicom.identity import StudyIdentity

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
COURSE = """title = "A synthetic patient: two radioembolizations and SBRT"

[[session]]
name = "MAA"
kind = "plan"
date = 2026-01-05
study = "maa"
case = "maa.toml"

[[session]]
name = "TARE, right lobe"
kind = "dose"
date = 2026-01-19
study = "first"
case = "therapy.toml"

[[session]]
name = "immunotherapy begins"
kind = "event"
date = 2026-02-09

[[session]]
name = "TARE again"
kind = "dose"
date = 2026-04-13
study = "second"
case = "second.toml"

[[session]]
name = "SBRT of GTV1"
kind = "external beam"
date = 2026-06-01
dose = "sbrt.dcm"
fractions = 5

[accumulate]
limit = ["non-tumour liver bed <= 150"]
"""


def main(folder: Path) -> None:
    """Write studies, case files and the course."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SAMPLE / "study", folder / "maa", dirs_exist_ok=True)
    facts = (SAMPLE / "case.toml").read_text(encoding="utf-8")
    (folder / "maa.toml").write_text(
        facts + '\n[plan]\ndisease = "HCC"\nscenario = "lobectomy"\n', encoding="utf-8"
    )
    (folder / "therapy.toml").write_text(facts, encoding="utf-8")
    (folder / "second.toml").write_text(facts.replace("2.2 GBq", "1.1 GBq"), encoding="utf-8")
    case = yv.read_study(SAMPLE / "study").case(activity_bq=2.2e9, lung_shunt_fraction=0.06)
    grid = case.regions.grid
    tumour = next(region for region in case.regions if region.name == "GTV1").mask.array
    for name, factor in (("first", 1.0), ("second", 0.5)):
        shutil.copytree(SAMPLE / "study", folder / name, dirs_exist_ok=True)
        relabel(folder / name, 1.0 - (1.0 - factor) * tumour)
    centre = grid.index_to_lps((np.argwhere(tumour > 0.5)).mean(axis=0))
    places = grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))
    beam = 40.0 / (1.0 + np.exp((np.linalg.norm(places - centre, axis=-1) - 30.0) / 5.0))
    header = pydicom.dcmread(next(iter(spect_files(folder / "maa"))), stop_before_pixels=True)
    yv.write_rtdose(yv.DoseMap(beam, grid), folder / "sbrt.dcm", identity=StudyIdentity.from_dataset(header))
    (folder / "patient_4.toml").write_text(COURSE, encoding="utf-8")


def spect_files(folder: Path) -> list[Path]:
    """The tomographic SPECT of a study."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    headers = {path: pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in files}
    return [
        path for path, h in headers.items() if h.get("Modality") == "NM" and "TOMO" in " ".join(h.ImageType)
    ]


def relabel(folder: Path, factor: np.ndarray) -> None:
    """Make the SPECT one of Y-90, its counts times a factor; planar views are of MAA and go."""
    chosen = spect_files(folder)
    for path in [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in chosen]:
        if pydicom.dcmread(path, stop_before_pixels=True, force=True).get("Modality") == "NM":
            path.unlink()
    for path in chosen:
        dataset = pydicom.dcmread(path)
        counts = dataset.pixel_array
        ordered = factor if dataset.SpacingBetweenSlices > 0 else factor[::-1]
        dataset.PixelData = np.round(counts * ordered).astype(counts.dtype).tobytes()
        code = dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence[0]
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "14691008", "SCT", "^90^Yttrium"
        drug = dataset.RadiopharmaceuticalInformationSequence[0]
        drug.Radiopharmaceutical = "Y-90 microspheres"
        del drug.RadiopharmaceuticalCodeSequence
        dataset.SeriesDescription = "Y-90 bremsstrahlung SPECT, synthetic"
        del dataset.EnergyWindowInformationSequence[0].EnergyWindowName
        dataset.save_as(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
