"""The JSON beside a PET image is read as headers are: units, times, nuclide and frames, compared and used or refused."""

import json
from datetime import datetime

import dicom_factory as dicom
import numpy as np
import pytest
from mutation.studies import EMISSION, emission_values, files_of, pet, write

from y90voxel.errors import InputError, UnitError
from y90voxel.io.nifti import write_nifti
from y90voxel.quantification.quantify import quantify
from y90voxel.study.read_study import read_study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

BIDS = {
    "Modality": "PET", "Units": "Bq/mL", "TracerName": "Y-90 microspheres", "TracerRadionuclide": "Y90",
    "TimeZero": "08:00:00", "ScanDate": "2024-03-12", "InjectionStart": 0, "ScanStart": 7200, "FrameTimesStart": [7200],
    "FrameDuration": [900], "ImageDecayCorrected": True, "ImageDecayCorrectionTime": 7200,
    "AttenuationCorrection": "CT-based", "RadionuclidePositronFraction": 0.0000319,
    "InjectedRadioactivity": 2400, "InjectedRadioactivityUnits": "MBq",
}  # fmt: skip


def image(folder, facts=BIDS, unit=1.0, name="sub-01_pet", **changes):
    """A PET as NIfTI with its side-car; changes of None take a key away."""
    folder.mkdir(parents=True, exist_ok=True)
    values = (emission_values() * (1000.0 / unit)).astype(np.float32)
    grid = Grid(values.shape, EMISSION)
    write_nifti(CountMap(values, grid), folder / f"{name}.nii.gz")
    stated = {key: value for key, value in {**facts, **changes}.items() if value is not None}
    (folder / f"{name}.json").write_text(json.dumps(stated))
    return folder / f"{name}.nii.gz"


def activity(path, **facts):
    case = read_study(emission=path).case(automatic=False, **facts)
    return quantify(case)


def codes(found):
    return {notice.code for notice in found.notices}


@pytest.fixture(scope="module")
def of_dicom(tmp_path_factory):
    """Activity [Bq] of the same image as DICOM, decay corrected to START and to ADMIN, or not corrected."""
    found = {}
    for reference in ("START", "ADMIN", "NONE"):
        study = {
            k: dicom.change(v, DecayCorrection=reference) for k, v in pet().items() if k.startswith("pt")
        }
        folder = write(files_of(study), tmp_path_factory.mktemp(reference))
        found[reference] = quantify(read_study(folder).case(automatic=False)).map_activity_bq
    return found


def test_a_sidecar_gives_the_activity_that_the_header_gives(tmp_path, of_dicom):
    path = image(tmp_path)
    study = read_study(emission=path)
    assert [(one["role"], one["file"]) for one in study.inputs] == [
        ("emission", "sub-01_pet.nii.gz"), ("emission side-car", "sub-01_pet.json"),
    ]  # fmt: skip
    emission = study.emissions[0]
    assert (emission.modality, emission.imaged_nuclide, emission.frame_duration_s) == ("PT", "Y-90", 900.0)
    assert emission.acquisition_start == datetime(2024, 3, 12, 10)
    assert activity(path).map_activity_bq == pytest.approx(of_dicom["START"], rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "reference"),
    [
        ({"ImageDecayCorrectionTime": 0}, "ADMIN"),
        ({"ImageDecayCorrectionTime": 59}, "ADMIN"),
        ({"ImageDecayCorrectionTime": 7259}, "START"),
        ({"ImageDecayCorrected": False, "ImageDecayCorrectionTime": None}, "NONE"),
        (
            {"ImageDecayCorrected": None, "ImageDecayCorrectionTime": None, "DecayCorrection": "ADMIN"},
            "ADMIN",
        ),
        ({"DecayCorrection": "START"}, "START"),
        ({"TimeZero": None}, "START"),
        ({"TracerRadionuclide": "90Y", "TracerName": None}, "START"),
        ({"TracerRadionuclide": None}, "START"),
        ({"ScanDate": None, "AcquisitionDateTime": "2024-03-12T10:00:00.5"}, "START"),
        ({"ScanDate": None, "TimeZero": None, "AcquisitionTime": "10:00:00"}, "START"),
        ({"FrameTimesStart": None, "FrameDuration": 900}, "START"),
        ({"RadionuclideHalfLife": 230760, "RadionuclidePositronFraction": 0.0000319}, "START"),
        ({"DecayCorrectionFactor": [1.001]}, "START"),
        ({"DecayCorrectionFactor": [1.022], "ImageDecayCorrectionTime": 0}, "ADMIN"),
    ],
)
def test_each_place_of_a_fact_is_understood(tmp_path, of_dicom, changes, reference):
    assert activity(image(tmp_path, **changes)).map_activity_bq == pytest.approx(
        of_dicom[reference], rel=1e-3
    )


@pytest.mark.parametrize(
    ("unit", "written"), [(1e3, "kBq/mL"), (1e6, "MBq/ml"), (1.0, "Bq / cm³"), (1.0, "BQML")]
)
def test_units_are_those_of_the_sidecar(tmp_path, of_dicom, unit, written):
    found = activity(image(tmp_path, unit=unit, Units=written))
    assert found.map_activity_bq == pytest.approx(of_dicom["START"], rel=1e-3)


def test_counts_are_scaled_to_what_was_given(tmp_path):
    path = image(tmp_path, Units="counts")
    found = activity(path, administered_activity_bq=2e9, lung_shunt_fraction=0.0, calibration_region="fov")
    assert found.map_activity_bq == pytest.approx(2e9)


def test_decay_of_another_nuclide_is_undone_with_its_half_life(tmp_path):
    start = {"TracerRadionuclide": "F18", "RadionuclidePositronFraction": 0.967, "TracerName": None}
    accept = ["activity-beyond-reason"]  # as scaled for a positron a decay
    at_scan = activity(image(tmp_path / "a", **start), accept=accept).map_activity_bq
    to_injection = activity(
        image(tmp_path / "b", **start, ImageDecayCorrectionTime=0), accept=accept
    ).map_activity_bq
    assert at_scan / to_injection == pytest.approx(2 ** (7200 / 6586.2), rel=1e-3)
    with pytest.raises(InputError, match=r"positron"):
        activity(image(tmp_path / "c", **start | {"RadionuclidePositronFraction": None}))
    with pytest.raises(InputError, match=r"names Lu-177, which does not stand for Y-90"):
        activity(image(tmp_path / "d", TracerRadionuclide="Lu177", TracerName=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Units": None}, "unstated units"),
        ({"Units": "g/mL"}, "is in g/mL; needed is Bq/mL"),
        ({"AttenuationCorrection": "none"}, "not corrected for attenuation"),
        ({"AttenuationCorrection": None, "AttenuationCorrectionMethod": "Uncorrected"}, "not corrected for attenuation"),
        ({"TracerRadionuclide": "yttrium"}, "'yttrium', which is no nuclide"),
        ({"FrameTimesStart": [0, 900], "FrameDuration": [900, 900]}, "FrameTimesStart of .* has 2 frames"),
        ({"FrameDuration": [900, 900]}, "FrameDuration of .* has 2 frames"),
        ({"FrameDuration": [0]}, "is 0 s; it must be above 0"),
        ({"FrameTimesStart": [0]}, "ScanStart of .* is 7200 s and FrameTimesStart 0 s"),
        ({"FrameTimesStart": [7261]}, "ScanStart of .* is 7200 s and FrameTimesStart 7261 s"),
        ({"AcquisitionTime": "10:01:01"}, "states the acquisition twice: 10:01:01"),
        ({"AcquisitionTime": "22:00:00", "ScanDate": None}, "states the acquisition twice: 22:00:00"),
        ({"AcquisitionTime": "ten"}, "'ten', which is no time of day"),
        ({"TimeZero": "10:00:00+01:00"}, "which is no time of day"),
        ({"ScanDate": "yesterday"}, "'yesterday', which is no date"),
        ({"ImageDecayCorrected": "yes"}, "ImageDecayCorrected of .* is 'yes'; write true or false"),
        ({"ImageDecayCorrectionTime": 61}, "neither the injection nor the scan"),
        ({"ImageDecayCorrectionTime": 3599}, "neither the injection nor the scan"),
        ({"ImageDecayCorrectionTime": 7261}, "neither the injection nor the scan"),
        ({"DecayCorrection": "ADMIN"}, "DecayCorrection of .* is ADMIN, but"),
        ({"DecayCorrection": "NONE", "ImageDecayCorrectionTime": None}, "DecayCorrection of .* is NONE, but"),
        ({"DecayCorrectionFactor": [1.03]}, "is 1.03, but its times mean 1.0014"),
        ({"DecayFactor": [1.0], "ImageDecayCorrectionTime": 0}, "is 1, but its times mean 1.0232"),
        ({"InjectionStart": "0"}, "InjectionStart of .* is '0', which is no such number"),
        ({"FrameDuration": [True]}, r"FrameDuration of .* is \[True\], which are no numbers"),
        ({"RadionuclidePositronFraction": -1}, "RadionuclidePositronFraction of .* is -1"),
    ],
)  # fmt: skip
def test_a_sidecar_that_contradicts_itself_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        activity(image(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"TracerName": "F-18 FDG"}, "nuclide-contradicts-name"),
        (
            {"RadionuclideHalfLife": 6586.2, "RadionuclidePositronFraction": 0.0000319},
            "nuclide-contradicts-half-life",
        ),
        ({"TracerRadionuclide": None, "TracerName": "microspheres"}, "nuclide-unknown"),
        ({"ScanDate": None}, "date-not-stated"),
    ],
)
def test_what_a_sidecar_leaves_open_is_said(tmp_path, changes, code):
    assert code not in {n.code for n in read_study(emission=image(tmp_path / "a")).notices}
    assert code in {n.code for n in read_study(emission=image(tmp_path / "b", **changes)).notices}


def test_clocks_without_a_date_count_by_their_difference_until_the_day_is_stated(tmp_path, of_dicom):
    path = image(tmp_path, ScanDate=None)
    assert activity(path).map_activity_bq == pytest.approx(of_dicom["START"], rel=1e-3)
    with pytest.raises(InputError, match=r"without a date. Give --acquisition-time too"):
        activity(path, time="2024-03-12T08:00")
    stated = {"acquisition_time": "2024-03-12T10:00", "time": "2024-03-12T06:00"}
    found = activity(path, **stated)
    assert "time-contradicts-header" in codes(found) | {
        n.code for n in read_study(emission=path).case(automatic=False, **stated).notices
    }
    assert found.map_activity_bq == pytest.approx(of_dicom["START"] * 2 ** (7200 / 230760), rel=1e-3)
    with pytest.raises(
        InputError, match="--acquisition-time is 2024-03-12T11:00:00, but the header says 2024-03-12T10:00:00"
    ):
        activity(path, acquisition_time="2024-03-12T11:00")


def test_a_json_about_something_else_states_nothing(tmp_path):
    for number, other in enumerate(({"Modality": "NM", "Units": "counts"}, {"1": "Liver"}, ["a"])):
        path = image(tmp_path / str(number), facts={})
        path.with_name("sub-01_pet.json").write_text(json.dumps(other))
        assert read_study(emission=path).emissions[0].modality == "file"
    path.with_name("sub-01_pet.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*, which lies beside the image"):
        read_study(emission=path)


def test_no_units_are_a_unit_error(tmp_path):
    with pytest.raises(UnitError):
        read_study(emission=image(tmp_path, Units="SUV"))
