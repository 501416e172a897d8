"""The voxel model of a plan gives the doses that a dose run of its activity gives."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import liver_case

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.quantification.administration import Administration
from y90voxel.reference.voxel_kernel import voxel_kernel

_RNG = np.random.default_rng(15)
# Nuclide and device, shunt, uptake ratio, disease, bilirubin, and whether electrons leave their voxel.
_CASES = [
    (
        str(_RNG.choice(["glass", "resin", "ho166"])), float(_RNG.uniform(0.01, 0.15)), float(_RNG.uniform(1.5, 8.0)),
        Disease(_RNG.choice(["HCC", "ICC", "mCRC"])), float(_RNG.choice([12.0, 25.0])), bool(number % 2),
    )
    for number in range(10)
]  # fmt: skip


@pytest.mark.parametrize(("device", "shunt", "ratio", "disease", "bilirubin", "convolved"), _CASES)
def test_the_voxel_model_has_the_doses_of_a_dose_run(device, shunt, ratio, disease, bilirubin, convolved):
    name = "Ho-166" if device == "ho166" else "Y-90"
    given = Administration(
        nuclide=name, activity_bq=1e9, lung_shunt_fraction=shunt, shunt_source="given", device=device
    )
    case = liver_case(administration=given, tumour_to_normal=ratio)
    engine = (
        KernelConvolution(voxel_kernel(name, (4.0, 4.0, 4.0), "liver"))
        if convolved
        else LocalDeposition(name)
    )
    context = ClinicalContext(Scenario.UNILOBAR, disease, bilirubin_umol_per_l=bilirubin)
    model = yv.plan(case, engine, PlanRequest(context)).model("voxel")
    assert model.activity_gbq > 0.1
    (injection,) = case.injections
    treated = replace(given, activity_bq=model.activity_gbq * 1e9)
    run = yv.verify(replace(case, injections=(replace(injection, administration=treated),)), engine)
    planned = model.table.doses(model.activities_gbq)
    compared = 0
    for region in run.regions:
        if region.name in planned and region.role not in ("lung", "lungs"):  # limits of lungs go by MIRD
            assert region.mass_weighted_mean_gy == pytest.approx(planned[region.name], rel=1e-5), region.name
            compared += 1
    assert compared >= 2
    assert run.lung.mird_gy["mird-1kg"] == pytest.approx(planned["lungs"], rel=1e-6)
