"""The lung dose by method: MIRD identities, order of the methods at the dome, and what is computed when."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import changed, ellipsoid, liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.quantification.decay import integrate_over_time
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role

ENGINES = {
    "local": LocalDeposition("Y-90"),
    "convolution": KernelConvolution(voxel_kernel("Y-90", (4.0, 4.0, 4.0), "liver", density_g_per_ml=1.05)),
    "density": DensitySuperposition("Y-90"),
}


def rows(case, engine="density"):
    found = verify(case, ENGINES[engine])
    return {row.method: row for row in found.lung.by_method}, found


@pytest.fixture(scope="module")
def dome():
    """A lung that begins where the liver ends, without activity of its own."""
    case = liver_case(lungs=False, compare_lung_methods=True)
    grid = case.grid
    liver = case.regions["Liver"].mask
    lung = ellipsoid(grid, (0, 0, 20), (60, 55, 45))
    lung = lung.with_array(np.minimum(lung.array, 1 - liver.array))
    drawn = (*case.regions.drawn, Region("Lungs", Role.LUNG, lung))
    return replace(case, regions=Regions(grid, drawn))


def test_engines_are_compared_with_all_others_where_that_is_asked_for(dome):
    found, evaluation = rows(dome)
    assert list(found) == ["mird-1kg", "local", "convolution", "density"]
    assert found["mird-1kg"].mass_weighted_mean_gy == evaluation.lung.mean_mird_1kg_gy
    assert found["density"].mean_gy == pytest.approx(evaluation.lung.mean_voxel_gy)
    assert found["density"].mass_weighted_mean_gy == pytest.approx(
        evaluation.lung.mass_weighted_mean_voxel_gy
    )
    assert found["density"].mean_without_dome_gy == pytest.approx(evaluation.lung.mean_voxel_without_dome_gy)


@pytest.mark.parametrize(
    ("engine", "wanted", "methods"),
    [
        ("convolution", None, ["mird-1kg", "local", "convolution"]),
        ("convolution", False, ["mird-1kg", "convolution"]),
        ("convolution", True, ["mird-1kg", "local", "convolution", "density"]),
        (
            "density",
            None,
            ["mird-1kg", "local", "density"],
        ),  # it is the default: nobody waits for what others would say
        ("density", False, ["mird-1kg", "density"]),
        ("local", None, ["mird-1kg", "local"]),
    ],
)
def test_what_is_compared_follows_engine_and_setting(engine, wanted, methods):
    assert list(rows(liver_case(compare_lung_methods=wanted), engine)[0]) == methods


def test_each_engine_gives_the_same_beside_another_as_alone(dome):
    beside = rows(dome)[0]
    for name in ("local", "convolution"):
        alone = rows(dome, name)[1].lung
        assert beside[name].mass_weighted_mean_gy == pytest.approx(
            alone.mass_weighted_mean_voxel_gy, rel=1e-6
        )


def test_a_lung_without_activity_gets_its_dose_from_the_liver(dome):
    """All of the mean is beta spill but the photons (0.3 % of the energy, spread over 200 mm); local deposition
    carries nothing over the boundary but what shares its voxels; the margin takes the spill away."""
    found, evaluation = rows(dome)
    density = found["density"]
    tia = integrate_over_time(evaluation.activity, nuclide("Y-90").half_life_s)
    weights = dome.regions.mask_of(Role.LUNG).array * evaluation.density.array
    photons = float((PhotonTail("Y-90").dose(tia).array * weights).sum() / weights.sum())
    assert density.beta_from_liver_gy + photons == pytest.approx(density.mass_weighted_mean_gy, rel=1e-3)
    assert density.mass_weighted_mean_without_dome_gy < 0.2 * density.mass_weighted_mean_gy
    assert found["local"].beta_from_liver_gy == pytest.approx(found["local"].mass_weighted_mean_gy, rel=1e-6)


def test_spill_and_rest_add_up_to_the_dose_without_photons(dome):
    """Linear in activity: betas of liver and of everything else, each alone, against both together."""
    case = liver_case()
    engine = DensitySuperposition("Y-90", photon_tail=False)
    evaluation = verify(case, engine)
    (row,) = [r for r in evaluation.lung.by_method if r.method == "density"]
    lungs = case.regions.mask_of(Role.LUNG)
    liver = case.regions.mask_of(Role.LIVER, Role.TUMOUR)
    decays = evaluation.activity.array * (liver.array == 0)
    tia = integrate_over_time(evaluation.activity.with_array(decays), nuclide("Y-90").half_life_s)
    rest = engine.dose(tia, evaluation.density)
    weights = lungs.array  # of one density, its own, without a CT
    of_rest = float((rest.array * weights).sum() / weights.sum())
    assert row.beta_from_liver_gy + of_rest == pytest.approx(row.mass_weighted_mean_gy, rel=0.005)


def test_local_deposition_conserves_the_energy_in_the_lung():
    """Mean by mass × mass is the energy in each voxel, shared out by mass between the lung and what is around it."""
    found, evaluation = rows(liver_case(), "local")
    lungs = evaluation.region("lungs")
    mask = evaluation.case.regions["lungs"].mask.array
    shared = (
        evaluation.activity.array * mask * 0.26 / evaluation.density.array
    )  # its own density, without a CT
    expected = 49.77 * shared.sum() / 1e9 / (lungs.mass_g / 1000)
    assert lungs.mass_g == pytest.approx(0.26 * lungs.volume_ml, rel=1e-6)
    assert found["local"].mass_weighted_mean_gy == pytest.approx(expected, rel=1e-3)


def test_without_lungs_only_mird_is_left_and_without_liver_no_spill():
    assert [r.method for r in rows(liver_case(lungs=False))[1].lung.by_method] == ["mird-1kg"]
    case = liver_case()
    lungs = Regions(case.grid, tuple(r for r in case.regions.drawn if r.role is Role.LUNG))
    calibration = replace(case.calibration, region="fov")
    found, _ = rows(changed(case, regions=lungs, calibration=calibration), "local")
    assert found["local"].beta_from_liver_gy is None
    assert found["local"].mean_without_dome_gy is None


class Elsewhere:
    """Another engine, such as one that takes minutes."""

    name = "elsewhere"

    def dose(self, tia, density=None):
        return ENGINES["local"].dose(tia, density)


def test_an_engine_that_is_not_ours_is_not_run_twice():
    evaluation = verify(liver_case(), Elsewhere())
    found = {row.method: row for row in evaluation.lung.by_method}
    assert list(found) == ["mird-1kg", "local", "elsewhere"]
    assert found["elsewhere"].beta_from_liver_gy is None
    assert found["elsewhere"].mean_gy == found["local"].mean_gy


def test_metrics_hold_the_rows_under_an_additional_key():
    _, evaluation = rows(liver_case(), "local")
    lung = evaluation.metrics["lung"]
    assert set(lung["by_method"][-1]) == {
        "method",
        "mean_gy",
        "mass_weighted_mean_gy",
        "mean_without_dome_gy",
        "mass_weighted_mean_without_dome_gy",
        "beta_from_liver_gy",
    }
    assert lung["mean_voxel_gy"] == pytest.approx(lung["by_method"][-1]["mean_gy"], rel=1e-12)
