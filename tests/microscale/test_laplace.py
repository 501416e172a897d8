"""EUD and expected histograms against an independent computation, limits that must hold, and a finer inversion."""

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.microscale import laplace
from y90voxel.microscale.campbell import cv
from y90voxel.microscale.cluster_models import ClusterModel
from y90voxel.microscale.laplace import dose_functional, eud
from y90voxel.microscale.sphere_kernel import scoring_kernel

ALPHAS = (0.05, 0.1, 0.2, 0.35)
KINDS = [
    (2500.0, 120.0, "single", "volume"),
    (68.0, 120.0, "single", "volume"),
    (2500.0, 120.0, "geometric-20", "volume"),
    (2500.0, 40.0, "geometric-20", "tracts"),
    (2500.0, 1.0, "single", "volume"),
    (68.0, 100.0, "pairs", "tracts"),
]
by_kind = pytest.mark.parametrize(("per_sphere_bq", "dose_gy", "clusters", "places"), KINDS)


@pytest.fixture(scope="module")
def y90():
    return scoring_kernel("Y-90")


def test_the_eud_of_single_spheres_of_glass(y90):
    expected = (188.5, 181.9, 173.0, 163.9)
    for alpha, gy in zip(ALPHAS, expected, strict=True):
        assert eud(205.0, alpha, 2500.0, y90) == pytest.approx(gy, rel=2e-3)


# Means of four simulated boxes, with the standard deviation of glass; clusters were spread over 1.5 mm of a tract.
@pytest.mark.parametrize(
    ("per_sphere_bq", "dose_gy", "clusters", "expected", "spread"),
    [
        (68, 100, "geometric-5", (96.4, 94.8, 92.6, 90.4), 0.3),
        (68, 100, "geometric-20", (93.4, 90.3, 86.2, 82.0), 0.5),
        (2500, 100, "geometric-5", (80.5, 74.0, 66.3, 59.5), 1.2),
        (2500, 160, "geometric-5", (128.3, 117.3, 104.2, 93.8), 2.8),
        (625, 150, "geometric-5", (134.3, 127.8, 119.6, 112.1), 2.8),
    ],
)
def test_the_eud_of_clusters(y90, per_sphere_bq, dose_gy, clusters, expected, spread):
    for alpha, gy in zip(ALPHAS, expected, strict=True):
        assert eud(dose_gy, alpha, per_sphere_bq, y90, clusters) == pytest.approx(gy, abs=0.03 * gy + spread)


def test_the_eud_of_resin_on_portal_tracts(y90):
    for alpha, gy in zip(ALPHAS, (97.5, 96.5, 95.3, 94.2), strict=True):
        assert eud(100.0, alpha, 68.0, y90, places="tracts") == pytest.approx(gy, rel=3e-3)


# One simulated box of 24 mm each: D98, D90, D70, D50, D2.
@pytest.mark.parametrize(
    ("per_sphere_bq", "dose_gy", "expected"),
    [
        (2500, 40, (25.9, 29.2, 33.2, 36.7, 78.9)),
        (2500, 120, (90.4, 97.6, 106.0, 113.3, 211.5)),
        (313, 120, (104.5, 108.4, 112.9, 116.7, 154.9)),
        (68, 40, (35.5, 36.6, 37.8, 39.0, 49.4)),
        (68, 120, (110.8, 113.2, 116.0, 118.3, 150.6)),
    ],
)
def test_the_histogram_of_single_spheres(y90, per_sphere_bq, dose_gy, expected):
    found = dose_functional(per_sphere_bq, y90).dvh(dose_gy)
    for percent, gy in zip((98, 90, 70, 50, 2), expected, strict=True):
        assert found.dose_at_volume(percent) == pytest.approx(gy, rel=0.02)


def test_the_spread_on_portal_tracts(y90):
    """The even lattice of tracts adds a variance that no activity of spheres takes away."""
    assert dose_functional(2500.0, y90, places="tracts").cv(120.0) == pytest.approx(0.430, rel=0.02)
    assert dose_functional(68.0, y90, places="tracts").cv(120.0) == pytest.approx(0.147, rel=0.01)
    assert dose_functional(1e-6, y90, places="tracts").cv(120.0) == pytest.approx(0.131, rel=0.01)


@by_kind
def test_histograms_hold_to_half_a_percent(monkeypatch, y90, per_sphere_bq, dose_gy, clusters, places):
    percents = (98, 70, 50, 2)
    found = dose_functional(per_sphere_bq, y90, clusters, places).dvh(dose_gy)
    laplace._classes.cache_clear()
    monkeypatch.setattr(laplace, "DVH_POINTS", 16 * laplace.DVH_POINTS)
    monkeypatch.setattr(laplace, "CLASS_WIDTH", laplace.CLASS_WIDTH / 4)
    fine = dose_functional(per_sphere_bq, y90, clusters, places).dvh(dose_gy)
    laplace._classes.cache_clear()
    for percent in percents:
        assert found.dose_at_volume(percent) == pytest.approx(fine.dose_at_volume(percent), rel=5e-3)


@by_kind
def test_histogram_and_eud_say_the_same(y90, per_sphere_bq, dose_gy, clusters, places):
    """The surviving fraction from the histogram: hot volume beyond its axis survives nothing."""
    functional = dose_functional(per_sphere_bq, y90, clusters, places)
    found = functional.dvh(dose_gy)
    share = -np.diff(found.volume_fraction)
    middle = 0.5 * (found.dose_gy[1:] + found.dose_gy[:-1])
    for alpha in (2.0 / dose_gy, 10.0 / dose_gy):
        survived = share @ np.exp(-alpha * middle)
        assert functional.eud(dose_gy, alpha) == pytest.approx(-np.log(survived) / alpha, rel=2e-3)


@by_kind
def test_a_histogram_falls_from_one(y90, per_sphere_bq, dose_gy, clusters, places):
    found = dose_functional(per_sphere_bq, y90, clusters, places).dvh(dose_gy)
    assert (np.diff(found.dose_gy) > 0).all()
    assert (np.diff(found.volume_fraction) <= 0).all()
    assert (found.dose_gy[0], found.volume_fraction[0]) == (0.0, 1.0)
    assert found.volume_fraction[-1] < 0.02


def test_the_eud_falls_from_the_mean_as_alpha_grows(y90):
    found = [eud(100.0, alpha, 2500.0, y90) for alpha in (1e-7, 0.05, 0.35, 2.0)]
    assert found[0] == pytest.approx(100.0, rel=1e-4)
    assert found == sorted(found, reverse=True)


def test_infinitely_many_spheres_are_an_even_dose(y90):
    even = dose_functional(1e-4, y90)
    assert even.eud(100.0, 0.35) == pytest.approx(100.0, rel=1e-4)
    assert even.dvh(100.0).dose_at_volume(98) == pytest.approx(100.0, rel=5e-3)
    assert even.dvh(100.0).dose_at_volume(2) == pytest.approx(100.0, rel=5e-3)


def test_the_spread_of_the_functional_is_that_of_campbell(y90):
    for clusters in ("single", "geometric-5"):
        found = dose_functional(500.0, y90, clusters).cv(80.0)
        assert found == pytest.approx(cv(80.0, 500.0, y90, clusters), rel=1e-3)


def test_clusters_of_one_are_single_spheres(y90):
    one = ClusterModel("one", "", 1.0, geometric=True)
    for places in laplace.PLACES:
        assert eud(100.0, 0.2, 500.0, y90, one, places) == pytest.approx(
            eud(100.0, 0.2, 500.0, y90, "single", places), rel=1e-12
        )


def test_both_ways_to_places_give_the_mean(y90):
    """Clusters per volume follow from the mean dose, on tracts as anywhere."""
    anywhere, tracts = (dose_functional(500.0, y90, "pairs", places) for places in laplace.PLACES)
    assert tracts.clusters_per_mm3(70.0) == pytest.approx(anywhere.clusters_per_mm3(70.0), rel=1e-3)


def test_zero_dose_is_zero_everywhere(y90):
    functional = dose_functional(2500.0, y90)
    found = functional.dvh(0.0)
    assert [found.dose_at_volume(x) for x in (98, 70, 2)] == [0.0, 0.0, 0.0]
    assert (functional.eud(0.0, 0.2), functional.cv(0.0)) == (0.0, 0.0)


def test_holmium(y90):
    """Against single spheres of yttrium with as many decays, holmium keeps more energy beside each of them."""
    holmium = scoring_kernel("Ho-166")
    yttrium_bq = 340.0 * holmium.half_life_s / y90.half_life_s
    assert eud(60.0, 0.2, 340.0, holmium) < eud(60.0, 0.2, yttrium_bq, y90) < 60.0


class TestBadInput:
    def test_spheres_without_activity(self, y90):
        with pytest.raises(InputError, match="activity per sphere must be positive, got 0 Bq"):
            dose_functional(0.0, y90)

    def test_unknown_names(self, y90):
        with pytest.raises(InputError, match="unknown places of clusters 'veins'"):
            dose_functional(68.0, y90, places="veins")
        with pytest.raises(InputError, match="unknown cluster model 'heaps'"):
            dose_functional(68.0, y90, "heaps")

    def test_alpha_and_dose(self, y90):
        functional = dose_functional(68.0, y90)
        with pytest.raises(InputError, match="alpha must be positive"):
            functional.eud(100.0, 0.0)
        for compute in (functional.dvh, functional.clusters_per_mm3):
            with pytest.raises(InputError, match="mean dose must not be negative"):
                compute(-1.0)

    def test_volumes_that_the_axis_does_not_hold(self, y90):
        found = dose_functional(68.0, y90).dvh(100.0)
        assert found.dose_at_volume(2.0) > found.dose_at_volume(100.0) == 0.0
        for percent in (1.99, 100.1):
            with pytest.raises(InputError, match="known for 2 to 100 %"):
                found.dose_at_volume(percent)
