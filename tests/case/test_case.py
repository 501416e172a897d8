"""What a case makes of its settings: calibration, densities, masses of lungs, facts of limits."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest

from y90voxel.case.case import Case
from y90voxel.case.settings import StudySettings
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.ct_tissue import CtTissue
from y90voxel.errors import InputError
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage, Mask

GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
REGIONS = Regions(
    GRID,
    tuple(
        Region(name, role, Mask(np.eye(8)[at].reshape(2, 2, 2), GRID))
        for at, (name, role) in enumerate(
            [("Liver", Role.LIVER), ("Lung_R", Role.LUNG), ("Lung_L", Role.LUNG), ("Heart", Role.HEART)]
        )
    ),
)


def injection(modality="NM", **given):
    image = EmissionImage(CountMap(np.ones((2, 2, 2)), GRID), modality, "Y-90")
    return Injection(image, Administration(**given))


def case(*injections, modality="NM", settings=None, **more):
    chosen = StudySettings.model_validate(settings or {})
    made = injections or (injection(modality, activity_bq=1e9),)
    return Case("x", made, REGIONS, settings=chosen, **more)


def test_two_injections_have_two_images():
    first = injection(activity_bq=1e9)
    assert len(case(first, injection(activity_bq=2e9)).injections) == 2
    with pytest.raises(InputError, match="two injections share one emission image") as caught:
        case(first, injection(activity_bq=2e9), replace(first))
    assert caught.value.tag == "injection"


def test_a_case_has_injections_of_one_nuclide():
    with pytest.raises(InputError, match="a case needs at least one injection"):
        Case("x", (), REGIONS)
    with pytest.raises(InputError, match="all injections of a case need one nuclide, found Ho-166, Y-90"):
        case(injection(activity_bq=1e9), injection(activity_bq=2e9, nuclide="Ho-166"))


def test_the_page_of_a_notebook_says_what_is_stated():
    def rows(made):
        cells = [re.sub(r"<[^>]*>", " ", row).split() for row in made._repr_html_().split("<tr>")]
        return {words[0]: " ".join(words[1:]) for words in cells if words}

    bare, ct = rows(case(injection())), CtImage(np.zeros((2, 2, 2)), GRID)
    told = rows(case(injection(activity_bq=1e9, device="resin"), ct=ct))
    assert (bare["injections"], bare["device"], bare["CT"]) == ("not stated", "not stated", "none")
    assert (told["injections"], told["device"], told["CT"]) == ("1 GBq", "resin", str(GRID))


@pytest.mark.parametrize(
    ("asked", "mode"), [(None, "relative"), ("absolute", "absolute"), ("relative", "relative")]
)
def test_the_calibration_is_relative_where_nothing_is_said(asked, mode):
    found = case(settings={"dose": {"calibration": asked, "acquisition_duration_s": 600}}).calibration
    assert (found.mode, found.acquisition_duration_s) == (CalibrationMode(mode), 600.0)


def test_densities_are_those_of_the_settings():
    plain = case().density
    assert plain.liver_g_per_ml == 1.05
    assert case(settings={"dose": {"liver_density": "ct"}}).density.liver_g_per_ml is None
    assert case(settings={"dose": {"liver_density": 1.03}}).density.liver_g_per_ml == 1.03
    points = [(-1000.0, 0.001), (0.0, 1.0), (1000.0, 1.6)]
    own = case(settings={"dose": {"density_calibration": points}}).density.calibration
    assert (own.hu, own.g_per_ml) == ((-1000.0, 0.0, 1000.0), (0.001, 1.0, 1.6))
    assert own != plain.calibration


@pytest.mark.parametrize(
    ("modality", "stated", "expected"),
    [("NM", None, 10.0), ("PT", None, 6.0), ("file", None, 10.0), ("PT", 4.5, 4.5)],
)
def test_the_resolution_is_as_stated_or_that_of_the_modality(modality, stated, expected):
    assert case(modality=modality, settings={"uncertainty": {"fwhm_mm": stated}}).emission_fwhm_mm == expected


@dataclass
class Shown:
    ct_mass_g: float


def test_masses_are_those_of_the_lungs_that_were_measured():
    assert case().lung_masses_g == {"Lung_R": None, "Lung_L": None}
    tissue = CtTissue(regions={"Lung_R": Shown(500.0), "Heart": Shown(300.0)})
    assert case(ct_tissue=tissue).lung_masses_g == {"Lung_R": 500.0, "Lung_L": None}


def test_linear_quadratic_parameters_are_in_seconds():
    given = {"alpha_beta_gy": 10, "repair_half_time_h": 1.5}
    (found,) = case(settings={"radiobiology": {"tumour": given}}).radiobiology.values()
    assert (found.alpha_beta_gy, found.repair_half_time_s, found.source) == (10.0, 5400.0, "")
    sourced = case(settings={"radiobiology": {"tumour": given | {"source": "a book"}}})
    assert sourced.radiobiology[Role.TUMOUR].source == "a book"


def test_provenance_shows_what_was_given_or_what_may_be_shown():
    assert case().settings_for_provenance["dose"]["liver_density"] == 1.05
    assert case(shown_settings={"a": 1}).settings_for_provenance == {"a": 1}


def test_each_camera_saw_its_own_regions():
    own = Regions(GRID, REGIONS.drawn[:1])
    first, second = injection(activity_bq=1e9), injection(activity_bq=1e9)
    assert case(replace(first, regions=own), second).views == (own, REGIONS)


def test_bilirubin_of_the_patient_decides_limits():
    assert case().clinical_context.bilirubin_umol_per_l is None
    patient = PatientRecord(bilirubin_umol_per_l=20.0)
    assert case(patient=patient).clinical_context.bilirubin_umol_per_l == 20.0


def test_the_dose_constant_is_as_given_or_the_record_s():
    assert case().planning_dose_constant == pytest.approx(49.77, rel=1e-3)
    assert case(settings={"dose": {"dose_constant_gy_kg_per_gbq": 50.0}}).planning_dose_constant == 50.0
    with pytest.raises(InputError, match="is far from that of Y-90"):
        case(settings={"dose": {"dose_constant_gy_kg_per_gbq": 500.0}})
