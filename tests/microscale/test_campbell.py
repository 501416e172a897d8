"""Spread of dose at the 0.1 mm scale against the vectors of an independent computation (numpy, kernel of another table)."""

import math

import numpy as np
import pytest

import y90voxel as yv
from y90voxel.errors import InputError, PhysicsError
from y90voxel.microscale.campbell import (
    cv,
    dose_variance,
    empty_lobule_share,
    spheres_per_ml,
    variance_map,
)
from y90voxel.microscale.cluster_models import ClusterModel, cluster_model, known_cluster_models
from y90voxel.microscale.sphere_kernel import SCORING_MM, lattice_kernel, scoring_kernel

GLASS_BQ, RESIN_BQ = 2500.0, 68.0
GLASS_8_DAYS_BQ = 313.0


@pytest.fixture(scope="module")
def y90():
    return scoring_kernel("Y-90")


def test_the_integrals_of_the_kernel(y90):
    assert y90.integral_gy_mm3 == pytest.approx(1.4877e-7, rel=2e-3)
    assert y90.square_integral_gy2_mm3 == pytest.approx(3.541e-15, rel=1e-2)
    assert y90.near_gy[0, 0, 0] == pytest.approx(1.4676e-6, rel=3e-3)
    assert SCORING_MM == 0.1


@pytest.mark.parametrize("name", ["Y-90", "Ho-166"])
def test_near_voxels_and_far_shells_are_the_whole_lattice(name):
    octant = lattice_kernel(name)
    copies = np.where(np.arange(len(octant)) > 0, 2.0, 1.0)
    whole = np.einsum("abc,a,b,c->abc", octant, copies, copies, copies) * SCORING_MM**3
    kernel = scoring_kernel(name)
    assert kernel.integral_gy_mm3 == pytest.approx(whole.sum(), rel=1e-4)
    assert kernel.square_integral_gy2_mm3 == pytest.approx((whole * octant).sum(), rel=1e-4)
    within = SCORING_MM**2 * sum(axis**2 for axis in np.indices((16, 16, 16))) <= 1.5**2
    assert kernel.near_gy[within] == pytest.approx(octant[:16, :16, :16][within], rel=1e-3)


@pytest.mark.parametrize(
    ("per_sphere_bq", "dose_gy", "expected"),
    [
        (GLASS_BQ, 40, 0.7035),
        (GLASS_BQ, 120, 0.4061),
        (GLASS_8_DAYS_BQ, 120, 0.1437),
        (RESIN_BQ, 40, 0.1160),
        (RESIN_BQ, 120, 0.0670),
    ],
)
def test_the_spread_of_single_spheres(y90, per_sphere_bq, dose_gy, expected):
    assert cv(dose_gy, per_sphere_bq, y90) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(("per_sphere_bq", "density"), [(2500, 970), (312.5, 7747), (68, 35658)])
def test_the_spheres_of_120_gy(y90, per_sphere_bq, density):
    assert spheres_per_ml(120.0, per_sphere_bq, y90) == pytest.approx(density, rel=4e-3)


def test_variance_is_linear_in_dose_and_in_the_activity_of_a_sphere(y90):
    one = dose_variance(50.0, 200.0, y90)
    assert dose_variance(150.0, 200.0, y90) == pytest.approx(3 * one, rel=1e-12)
    assert dose_variance(50.0, 600.0, y90) == pytest.approx(3 * one, rel=1e-12)


def test_infinitely_many_spheres_are_an_even_dose(y90):
    spreads = [cv(100.0, bq, y90) for bq in (1e-2, 1e-6)]
    assert spreads[1] < 1e-4
    assert spreads[0] / spreads[1] == pytest.approx(100.0, rel=1e-9)


@pytest.mark.parametrize(("model", "factor"), [("pairs", 2), ("geometric-5", 9), ("geometric-20", 39)])
def test_clusters_multiply_the_variance(y90, model, factor):
    single = dose_variance(60.0, 1000.0, y90, "single")
    assert dose_variance(60.0, 1000.0, y90, model) == pytest.approx(factor * single, rel=1e-12)


def test_clusters_of_one_are_single_spheres(y90):
    for one in (ClusterModel("one", "", 1.0), ClusterModel("one", "", 1.0, geometric=True)):
        assert dose_variance(60.0, 1000.0, y90, one) == dose_variance(60.0, 1000.0, y90)
        z = np.array([0.3, 0.2j, -1.0])
        assert one.generating(z) == pytest.approx(z)


@pytest.mark.parametrize("name", known_cluster_models())
def test_moments_of_a_model_are_those_of_what_it_draws(name):
    model = cluster_model(name)
    sizes = model.draw(np.random.default_rng(1), 200_000)
    assert sizes.mean() == pytest.approx(model.mean_size, rel=0.01)
    assert (sizes**2).mean() / sizes.mean() == pytest.approx(model.size_weighted_mean, rel=0.02)
    z = 0.7 * np.exp(0.4j)
    assert abs((z**sizes).mean() - model.generating(np.array(z))) < 0.003


def test_zero_dose_has_no_spread_and_no_spheres(y90):
    assert (cv(0.0, 68.0, y90), dose_variance(0.0, 68.0, y90), spheres_per_ml(0.0, 68.0, y90)) == (0, 0, 0)
    assert empty_lobule_share(0.0) == 1.0


def test_holmium_in_water_is_more_uneven_than_yttrium_at_the_same_decays(y90):
    """Its electrons are slower: the energy stays nearer to the sphere."""
    holmium = scoring_kernel("Ho-166")
    same_decays_bq = 1000.0 * y90.half_life_s / holmium.half_life_s
    assert cv(50.0, same_decays_bq, holmium) > cv(50.0, 1000.0, y90)


class TestVarianceMap:
    def test_an_even_region_has_the_variance_of_the_formula_whatever_the_voxels(self, y90):
        expected = dose_variance(100.0, 500.0, y90, "pairs")
        density = spheres_per_ml(100.0, 500.0, y90) / 1000.0
        for spacing in ((1.0, 1.0, 1.0), (4.0, 2.0, 2.0)):
            shape = tuple(round(32 / s) for s in spacing)
            spheres = np.full(shape, density * np.prod(spacing))
            centre = tuple(n // 2 for n in shape)
            found = variance_map(spheres, spacing, 500.0, y90, "pairs")[centre]
            assert found == pytest.approx(expected, rel=1e-4)

    def test_the_variance_of_one_voxel_of_spheres_is_conserved(self, y90):
        spheres = np.zeros((17, 17, 17))
        spheres[8, 8, 8] = 40.0
        found = variance_map(spheres, (2.0, 2.0, 2.0), 500.0, y90)
        decays = y90.decays(500.0)
        assert found.sum() * 8.0 == pytest.approx(40.0 * decays**2 * y90.square_integral_gy2_mm3, rel=1e-4)
        assert found[8, 8, 8] / found.sum() == pytest.approx(0.9, abs=0.05)
        assert np.unravel_index(found.argmax(), found.shape) == (8, 8, 8)

    def test_no_spheres_no_variance(self, y90):
        assert not variance_map(np.zeros((4, 4, 4)), (2.0, 2.0, 2.0), 500.0, y90).any()

    @pytest.mark.parametrize("bad", [np.ones((3, 3)), np.full((2, 2, 2), -1.0), np.full((2, 2, 2), np.nan)])
    def test_spheres_must_be_a_number_in_every_voxel(self, y90, bad):
        with pytest.raises(InputError, match="finite, not negative number in every voxel of three axes"):
            variance_map(bad, (2.0, 2.0, 2.0), 500.0, y90)

    def test_voxels_must_not_be_smaller_than_the_scoring_scale(self, y90):
        spheres = np.ones((3, 3, 3))
        assert variance_map(spheres, (0.5, 0.5, 0.1), 500.0, y90).shape == (3, 3, 3)
        with pytest.raises(InputError, match=r"voxels of 0.099 mm are smaller than the 0.1 mm"):
            variance_map(spheres, (0.5, 0.5, 0.099), 500.0, y90)


def test_lobules_without_a_sphere():
    assert empty_lobule_share(1000.0, "single", 2.0) == pytest.approx(math.exp(-2.0))
    assert empty_lobule_share(1000.0, "geometric-20", 2.0) == pytest.approx(math.exp(-0.1))


class TestBadInput:
    def test_a_sphere_without_activity(self, y90):
        for bad in (0.0, -1.0):
            with pytest.raises(InputError, match="activity per sphere must be positive") as caught:
                cv(100.0, bad, y90)
            assert caught.value.tag == "microscale.activity_per_sphere"
        with pytest.raises(InputError, match="activity per sphere must be positive"):
            variance_map(np.ones((2, 2, 2)), (2.0, 2.0, 2.0), 0.0, y90)

    def test_a_negative_dose(self, y90):
        with pytest.raises(InputError, match="mean dose must not be negative, got -1 Gy"):
            spheres_per_ml(-1.0, 68.0, y90)

    def test_an_unknown_cluster_model(self, y90):
        with pytest.raises(InputError, match=r"unknown cluster model 'trios'. The models are single, pairs"):
            cv(100.0, 68.0, y90, "trios")

    def test_impossible_cluster_sizes(self):
        for size, geometric in ((0.5, True), (0.5, False), (2.5, False)):
            with pytest.raises(InputError, match="cluster size must be 1 or more"):
                ClusterModel("mine", "", size, geometric)
        assert ClusterModel("mine", "", 2.5, geometric=True).size_weighted_mean == 4.0

    def test_lobules(self):
        with pytest.raises(InputError, match="density of spheres must not be negative"):
            empty_lobule_share(-1.0)
        with pytest.raises(InputError, match="volume of a lobule must be positive"):
            empty_lobule_share(1.0, lobule_mm3=0.0)

    def test_a_nuclide_without_kernel(self):
        with pytest.raises(PhysicsError, match="no radial kernel of P-32 in liver"):
            scoring_kernel("P-32", "liver")


def test_the_public_names_are_these_functions():
    assert yv.microscale.cv is cv
