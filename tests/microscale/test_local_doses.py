"""Parts of a region keep its mean, and spheres around them are what simulated spheres around them are."""

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.microscale import microscale_report
from y90voxel.microscale.laplace import dose_functional
from y90voxel.microscale.local_doses import LocalDoses
from y90voxel.microscale.microscale_report import region_between_spheres
from y90voxel.microscale.sphere_activity import sphere_activity
from y90voxel.microscale.sphere_kernel import scoring_kernel

DOSES = np.random.default_rng(2).gamma(4.0, 20.0, 3000)
VOLUMES = np.random.default_rng(3).uniform(0.0, 0.1, 3000)


@pytest.fixture(scope="module")
def y90():
    return scoring_kernel("Y-90")


@pytest.mark.parametrize("parts", [1, 7, 96])
def test_parts_keep_mean_and_order(parts):
    found = LocalDoses.from_voxels(DOSES, VOLUMES, parts)
    assert found.mean_gy == pytest.approx(np.average(DOSES, weights=VOLUMES), rel=1e-12)
    assert found.share.sum() == pytest.approx(1.0)
    assert len(found.doses_gy) == parts
    assert (np.diff(found.doses_gy) > 0).all()


def test_many_parts_keep_the_variance():
    expected = np.average((DOSES - np.average(DOSES, weights=VOLUMES)) ** 2, weights=VOLUMES)
    assert LocalDoses.from_voxels(DOSES, VOLUMES, 96).variance_gy2 == pytest.approx(expected, rel=0.01)


def test_one_part_is_the_mean_dose(y90):
    functional = dose_functional(500.0, y90, "pairs", "tracts")
    for compute in (functional.cv, lambda dose: functional.eud(dose, 0.2)):
        assert compute(LocalDoses.even(70.0)) == pytest.approx(compute(70.0), rel=1e-12)


@pytest.mark.parametrize("places", ["volume", "tracts"])
def test_two_halves_of_a_region_are_the_mean_of_their_histograms(y90, places):
    functional = dose_functional(500.0, y90, places=places)
    local = LocalDoses(np.array([30.0, 90.0]), np.array([0.25, 0.75]))
    both, low, high = (functional.dvh(dose) for dose in (local, 30.0, 90.0))
    for gy in (25.0, 40.0, 80.0, 100.0):
        one, other, found = (np.interp(gy, h.dose_gy, h.volume_fraction) for h in (low, high, both))
        assert found == pytest.approx(0.25 * one + 0.75 * other, abs=2e-3)
    survived = 0.25 * np.exp(-0.1 * functional.eud(30.0, 0.1)) + 0.75 * np.exp(
        -0.1 * functional.eud(90.0, 0.1)
    )
    assert functional.eud(local, 0.1) == pytest.approx(-np.log(survived) / 0.1, rel=1e-9)
    means = np.array([30.0, 90.0])
    within = local.share @ (means * [functional.cv(30.0), functional.cv(90.0)]) ** 2
    expected = np.sqrt(within + local.variance_gy2) / 75.0
    assert functional.cv(local) == pytest.approx(expected, rel=1e-9)


def test_a_region_with_parts_of_no_dose(y90):
    local = LocalDoses(np.array([0.0, 80.0]), np.array([0.4, 0.6]))
    found = dose_functional(68.0, y90).dvh(local)
    assert found.dose_at_volume(70) == pytest.approx(0.0, abs=0.5)
    assert found.dose_at_volume(30) == pytest.approx(
        dose_functional(68.0, y90).dvh(80.0).dose_at_volume(50), rel=0.02
    )


@pytest.mark.parametrize("places", ["volume", "tracts"])
@pytest.mark.parametrize("device", ["glass", "resin"])
def test_parts_are_enough(monkeypatch, places, device):
    sphere = sphere_activity(device, 0.0)
    kernel = scoring_kernel("Y-90", "liver")
    functional = dose_functional(sphere.activity_bq, kernel, places=places)
    order = np.argsort(-DOSES)
    histogram = DoseVolumeHistogram(DOSES[order], VOLUMES[order], None, np.ones(len(DOSES)))

    def found():
        region = region_between_spheres("T", "tumour", histogram, sphere, kernel, functional)
        return [*region.d_gy.values(), *region.eud_gy.values()]

    few = found()
    monkeypatch.setattr(microscale_report, "PARTS", 4 * microscale_report.PARTS)
    monkeypatch.setattr(microscale_report, "PARTS_ON_TRACTS", 4 * microscale_report.PARTS_ON_TRACTS)
    assert few == pytest.approx(found(), rel=0.01)


def test_what_cannot_be_is_refused():
    for doses, volumes, parts in (
        ([], [], 3),
        ([-1.0], [1.0], 3),
        ([1.0], [-1.0], 3),
        ([1.0], [0.0], 3),
        ([1.0], [1.0], 0),
    ):
        with pytest.raises(
            InputError, match="must not be negative, their volume positive and parts at least 1"
        ):
            LocalDoses.from_voxels(doses, volumes, parts)
    with pytest.raises(InputError, match="mean dose must not be negative"):
        LocalDoses.even(-1.0)
