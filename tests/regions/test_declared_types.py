"""What a file declares a tumour, and the names that say otherwise."""

import pytest

from y90voxel.regions.declared_types import contradicts_tumour, declared_role, is_tumour_code
from y90voxel.regions.regions import DERIVED_NAMES
from y90voxel.regions.roles import Role, role_of_name

UNNAMED = (
    "HCC seg 7;S8;Segment 8;A;xyz;Liver met seg 7;Liver-met 1;Liver mets right;PVTT;Portal vein tumour thrombus;"
    "non-target lesion 2;Lesion no 7 caudal;Tumour No 2;GTV near stomach;Liver_GTV;HCC, lobe right;region 3;"
    "dominant HCC;residual tumour;HCC + PVTT;S7-lesion;肝"
)
AGAINST = (
    "Liver;Lung_L;Body;PerfVol;Liver-GTV;Liver minus GTV;Liver - met;liver + GTV;Liver-all GTVs;Liver and GTV;Liver w/o GTV;"
    "whole liver normal;not a tumour;no tumour;nonTumour;PTV 2;CTV;spleen;gallbladder;Right lobe;GTV+5mm;GTV ring;"
    "Leber ohne GTV;kidney left;Normal liver;Liver 2"
)


@pytest.mark.parametrize("name", UNNAMED.split(";"))
def test_a_declared_tumour_under_a_name_without_a_role_is_one(name):
    assert role_of_name(name) is Role.OTHER
    assert not contradicts_tumour(name)
    assert declared_role(name, tumour=True) is Role.TUMOUR
    assert declared_role(name, tumour=False) is None


@pytest.mark.parametrize("name", [*AGAINST.split(";"), *DERIVED_NAMES])
def test_a_name_that_says_otherwise_wins(name):
    assert contradicts_tumour(name)
    assert declared_role(name, tumour=True) is None


@pytest.mark.parametrize("name", ["GTV1", "iGTV", "Tumour 2", "HCC"])
def test_a_name_of_a_tumour_needs_no_declaration(name):
    assert not contradicts_tumour(name)
    assert declared_role(name, tumour=True) is None


@pytest.mark.parametrize(
    ("scheme", "value", "expected"),
    [
        ("SCT", "108369006", True),
        ("sct ", "228791009", True),
        ("SRT", "M-80006", True),
        ("99SDM", "M-8FFFF", True),
        ("SCT", "10200004", False),
        ("SCT", "228792002", False),
        ("SCT", "228793007", False),
        ("99X", "108369006", False),
        ("", "", False),
    ],
)
def test_codes_of_neoplasms_and_gross_tumour_volumes_are_tumours(scheme, value, expected):
    assert is_tumour_code(scheme, value) is expected
