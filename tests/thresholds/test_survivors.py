"""Faults that a sample of mutants went through (docs/mutants.md), each held by a test."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from phantoms import liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.study.run_dose import _single
from y90voxel.study.study import Study


def test_limits_of_a_verified_case_are_held_against_the_doses_of_its_regions():
    case = liver_case(activity_bq=2e9, shunt=0.05)
    (injection,) = case.injections
    administration = replace(injection.administration, device="glass")
    case = replace(case, injections=(replace(injection, administration=administration),))
    found = verify(case, LocalDeposition("Y-90"))
    of_liver = [limit for limit in found.limits if limit.region == "non-tumour liver"]
    dose = found.region("non-tumour liver").mass_weighted_mean_gy
    assert of_liver
    assert dose > 1.0
    assert [limit.value_gy for limit in of_liver] == pytest.approx([dose] * len(of_liver))


@pytest.mark.parametrize("files", [[Path("a")], (Path("a"),), Path("a")], ids=["list", "tuple", "path"])
def test_one_file_of_a_role_is_that_file(files):
    assert _single({"emission": files}, "emission") == Path("a")


def test_two_files_of_a_role_that_takes_one_are_refused():
    with pytest.raises(InputError, match="2 files are given as emission"):
        _single({"emission": [Path("a"), Path("b")]}, "emission")


@pytest.mark.parametrize("missing", ["planar", "ct"])
def test_without_views_or_ct_no_regions_of_views_are_made(missing):
    study = SimpleNamespace(planar=object(), ct=object())
    setattr(study, missing, None)
    assert Study._planar_regions(study, [], {}) is None
