"""What is said of a nuclide or a device is said in its record, and everything else follows."""

import subprocess
import sys

import pytest

from y90voxel.case.settings import load_settings
from y90voxel.clinical.limits import lung_dose_notice
from y90voxel.errors import InputError
from y90voxel.io.dicom.radionuclide import NUCLIDES
from y90voxel.quantification.administration import THERAPY_NUCLIDES
from y90voxel.reference.devices import activity_rule_devices, device, device_label, known_devices
from y90voxel.reference.nuclide import known_nuclides, nuclide
from y90voxel.reference.nuclide_records import (
    ELEMENTS,
    NUCLIDE_RECORDS,
    surrogate_nuclides,
    therapy_nuclides,
)


def test_therapy_and_surrogate_nuclides_are_those_of_the_records():
    assert THERAPY_NUCLIDES == therapy_nuclides() == ("Y-90", "Ho-166")
    assert surrogate_nuclides() == ("Tc-99m",)


def test_every_element_of_a_record_has_a_name():
    assert {name.split("-")[0] for name in NUCLIDE_RECORDS} == set(ELEMENTS.values())


@pytest.mark.parametrize("name", sorted(set(known_nuclides()) & set(NUCLIDES)))
def test_headers_and_doses_use_one_half_life(name):
    assert NUCLIDES[name][0] == nuclide(name).half_life_s


def test_codes_belong_to_one_nuclide():
    codes = [code for record in NUCLIDE_RECORDS.values() for code in record.codes]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("name", known_devices())
def test_every_device_has_a_label_and_a_therapy_nuclide(name):
    assert device_label(name) == device(name).label != ""
    assert device(name).nuclide in therapy_nuclides()


def test_warnings_and_rules_are_those_of_the_records():
    assert activity_rule_devices() == ("resin",)
    assert lung_dose_notice("resin", 15.0)
    assert not lung_dose_notice("glass", 24.9)
    assert not lung_dose_notice("ho166", 40.0)
    assert not lung_dose_notice(None, 40.0)


def test_a_device_that_is_not_in_the_table_is_refused_with_the_names():
    with pytest.raises(InputError, match="device = 'sand': Input should be 'glass', 'resin' or 'ho166'"):
        load_settings(options={"administration": {"device": "sand"}})


def test_the_help_names_what_the_tables_hold():
    code = (
        "from dataclasses import replace\n"
        "from y90voxel.reference import devices, nuclide_records as nuclides\n"
        "devices._DEVICES['test-glass'] = replace(devices._GLASS, name='test-glass')\n"
        "nuclides.NUCLIDE_RECORDS['P-32'] = replace(nuclides.NUCLIDE_RECORDS['P-32'], therapy=True)\n"
        "import typing\n"
        "from y90voxel.cli import dose_command\n"
        "hints = typing.get_type_hints(dose_command.dose, include_extras=True)\n"
        "print(hints['device'].__metadata__[0].help, hints['nuclide'].__metadata__[0].help)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "resin, ho166 or test-glass: limits" in done.stdout
    assert "Y-90, Ho-166 or P-32." in done.stdout
