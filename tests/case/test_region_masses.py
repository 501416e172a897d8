"""Masses of whole regions by CT: of both lungs together, in the lung dose, and said where the dose grid holds another."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.region_masses import mass_notices, whole_mass_g
from y90voxel.case.verify import verify
from y90voxel.dose.ct_tissue import CtTissue, TissueOnCt
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.volumes.volume import CtImage

NOTHING = np.zeros((1, 1, 1))


def tissue(mass_g):
    return TissueOnCt((slice(0, 1),) * 3, NOTHING, NOTHING, mass_g, mass_g / 0.26, 0.0, 0.0)


def case_with(**masses_g):
    shown = {name: tissue(mass_g) for name, mass_g in masses_g.items()}
    return replace(liver_case(), ct_tissue=CtTissue(regions=shown))


def histogram(mass_g):
    one = np.ones(1)
    return DoseVolumeHistogram(one, one, mass_g * one, one)


@pytest.mark.parametrize(("name", "mass_g"), [("Lung_L", 450.0), ("lungs", 1000.0), ("GTV1", None)])
def test_both_lungs_weigh_what_each_of_them_does(name, mass_g):
    assert whole_mass_g(case_with(Lung_R=550.0, Lung_L=450.0), name) == mass_g


@pytest.mark.parametrize("name", ["Lung_L", "lungs"])
def test_what_was_not_measured_of_one_lung_is_not_known_of_both(name):
    assert whole_mass_g(case_with(Lung_R=550.0), name) is None
    assert whole_mass_g(liver_case(), name) is None


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(("off", "said"), [(0.0, False), (0.0099, False), (0.0101, True)])
def test_a_mass_in_the_dose_grid_more_than_1_percent_off_the_whole_is_said(off, said, sign):
    case = case_with(Lung_R=500.0, Lung_L=450.0)
    here = {
        "Lung_R": histogram(500.0 * (1.0 + sign * off)),
        "Lung_L": histogram(450.0),
        "GTV1": histogram(9.0),
    }
    found = mass_notices(case, here)
    assert [notice.code for notice in found] == ["mass-in-grid"] * said
    if said:
        assert f"Lung_R {500.0 * (1.0 + sign * off):.0f} g of 500 g" in found[0].message
        assert "Lung_L" not in found[0].message


def test_the_lung_dose_by_ct_mass_is_that_of_1_kg_over_the_mass_in_kg():
    case = case_with(Lung_R=450.0, Lung_L=350.0)
    ct = CtImage(np.full(case.grid.shape, -740.0), case.grid)
    lung = verify(replace(case, ct=ct), LocalDeposition("Y-90")).lung
    assert lung.ct_mass_g == 800.0
    assert lung.mird_gy["mird-ct"] == pytest.approx(lung.mird_gy["mird-1kg"] / 0.8)
