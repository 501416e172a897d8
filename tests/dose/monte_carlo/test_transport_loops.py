"""Compiled pieces of transport against plain twins and against the distributions they sample."""

import naive_transport as naive
import numpy as np
import pytest
from scipy import stats

from y90voxel.dose.monte_carlo import _transport_loops as loops
from y90voxel.dose.monte_carlo._transport_loops import Source
from y90voxel.dose.monte_carlo.bremsstrahlung import photon_coefficient, photon_spectrum
from y90voxel.dose.monte_carlo.inelastic import moller_cross_section
from y90voxel.dose.monte_carlo.lookup_tables import TransportSettings, transport_tables
from y90voxel.dose.monte_carlo.transport_geometry import MARGIN_MM, inner, shell_geometry, voxel_geometry
from y90voxel.reference.materials import material
from y90voxel.volumes.grid import Grid

TABLES = transport_tables(("water",), TransportSettings())
MANY = 100_000


def stream(seed=1, history=0):
    rng = np.zeros(2, np.uint64)
    loops.seed_history(rng, seed, history)
    return rng


def sample(draw, count=MANY, seed=1):
    rng = stream(seed)
    return np.array([draw(rng) for _ in range(count)])


def within(values, expected, sigmas=4.5):
    values = np.asarray(values)
    return abs(values.mean() - expected) <= sigmas * values.std() / np.sqrt(values.size)


# --- random numbers --------------------------------------------------------------------------------------------


def test_numbers_of_one_history_are_uniform():
    assert stats.kstest(sample(loops.uniform), "uniform").pvalue > 1e-3


def test_first_numbers_of_many_histories_are_uniform_and_independent():
    def first_two(history):
        rng = stream(7, history)
        return loops.uniform(rng), loops.uniform(rng)

    a, b = np.array([first_two(h) for h in range(MANY)]).T
    assert stats.kstest(a, "uniform").pvalue > 1e-3
    assert stats.kstest(b, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / np.sqrt(MANY)
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 4.5 / np.sqrt(MANY)


def test_two_seeds_have_different_streams():
    assert not np.isin(sample(loops.uniform, 1000, seed=1), sample(loops.uniform, 1000, seed=2)).any()


def test_halves_of_a_number_are_uniform_and_independent():
    rng = stream(3)
    a, b = np.array([loops.halves(rng) for _ in range(MANY)]).T
    assert stats.kstest(a, "uniform").pvalue > 1e-3
    assert stats.kstest(b, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / np.sqrt(MANY)


# --- directions ------------------------------------------------------------------------------------------------


def test_directions_have_no_preference():
    ways = sample(loops.isotropic)
    np.testing.assert_allclose((ways**2).sum(axis=1), 1.0, atol=1e-12)
    for axis in range(3):
        assert stats.kstest(ways[:, axis], stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_azimuths_lie_evenly_on_the_circle():
    c, s = np.array([loops.azimuth(u) for u in (np.arange(4000) + 0.5) / 4000]).T
    np.testing.assert_allclose(c * c + s * s, 1.0, atol=1e-12)
    angles = np.sort(np.arctan2(s, c))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / 4000, atol=2e-5)


@pytest.mark.parametrize("way", [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (0.6, 0.0, 0.8), (0.48, -0.6, 0.64)])
def test_turning_is_a_rotation(way):
    polar = 0.7
    azimuths = np.linspace(0, 2 * np.pi, 13)
    found = np.array([loops.turned(way, np.cos(polar), np.cos(a), np.sin(a)) for a in azimuths])
    np.testing.assert_allclose(found @ way, np.cos(polar), atol=1e-12)
    expected = np.array([naive.turned(np.array(way), polar, a) for a in np.linspace(0, 2 * np.pi, 3600)])
    for row in found:  # every direction is on the cone, up to where the azimuth begins
        assert np.abs(expected - row).sum(axis=1).min() < 2e-3
    # The cone is gone around evenly.
    np.testing.assert_allclose(found[:-1].mean(axis=0), np.cos(polar) * np.array(way), atol=1e-9)


# --- walking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_walk_leaves_energy_where_the_way_goes(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = (5, 7, 6), (3.0, 2.0, 4.0)
    density = rng.uniform(0.2, 1.9, shape).astype(np.float32)
    geometry, _ = voxel_geometry(Grid.from_spacing(shape, spacing), density)
    geometry = geometry._replace(material=np.zeros_like(geometry.material))
    start = rng.uniform(0.35, 0.65, 3) * np.array(shape) * spacing
    way = tuple(loops.isotropic(stream(seed)))
    mass = rng.uniform(0.05, 0.5)
    score = np.zeros(geometry.density.shape)
    cell = tuple(int(i) + 1 for i in start // spacing)
    place, _, status, left = loops.walk(tuple(start), way, cell, mass, 2.0, geometry, score)
    share, end = naive.energy_along(start, way, mass, density.astype(float), np.array(spacing))
    if share.sum() < 1 - 1e-6:  # it left the grid
        assert score.sum() == pytest.approx(2.0 * mass, rel=1e-9)
        np.testing.assert_allclose(inner(score), 2.0 * mass * share, atol=2e-3 * mass)
        return
    assert (status, left) == (loops.DONE, 0.0)
    np.testing.assert_allclose(inner(score), 2.0 * mass * share, atol=2e-3 * mass)
    np.testing.assert_allclose(place, end, atol=0.05)


def test_walk_stops_where_the_material_changes():
    geometry, names = voxel_geometry(Grid.from_spacing((4, 1, 1), (10.0, 50.0, 50.0)), lung_under_liver())
    assert names == ("lung", "soft tissue")
    score = np.zeros(geometry.density.shape)
    place, cell, status, left = loops.walk(
        (5.0, 25.0, 25.0), (1.0, 0.0, 0.0), (1, 1, 1), 2.0, 1.0, geometry, score
    )
    assert (status, cell) == (loops.OTHER_MATERIAL, (3, 1, 1))
    assert place[0] == 20.0
    assert left == pytest.approx(2.0 - 1.5 * 1.05, rel=1e-6)


def lung_under_liver():
    return np.array([1.05, 1.05, 0.26, 0.26]).reshape(4, 1, 1)


def test_a_change_of_material_that_changes_nothing_leaves_every_step_as_it_is():
    """Two materials of equal tables in every other voxel: the same histories as in one, to rounding."""
    tables = transport_tables(("water", "water"), TransportSettings())
    one, _ = voxel_geometry(Grid.from_spacing((6, 7, 8), (2.0, 3.0, 2.5)), None)
    two = one._replace(material=(np.indices(one.density.shape).sum(axis=0) % 2).astype(np.uint8))
    cells = np.argwhere(np.pad(np.ones((6, 7, 8)), 1) > 0)
    source = Source(
        np.cumsum(np.ones(len(cells))), cells, np.array([0.2, 2.2]), np.zeros((0, 2)), np.zeros((0, 2)), 0.0
    )
    found = []
    for geometry in (one, two):
        score, tally = np.zeros(one.density.shape), np.zeros(2)
        loops.run_histories(5, 0, 3000, source, geometry, tables, score, tally)
        found.append((score, tally))
    (expected, emitted), (score, other) = found
    assert emitted.tolist() == pytest.approx(other.tolist(), rel=1e-9)
    # rounding sends one history in a thousand another way
    assert np.abs(score - expected).sum() < 2e-3 * expected.sum()
    assert (np.abs(score - expected) < 1e-9).mean() > 0.5


def test_electrons_of_one_key_stay_together_in_water_and_liver():
    """What correlated histories save: the difference of two media that are alike, over that of independent histories."""
    geometry, names = voxel_geometry(Grid.from_spacing((9, 9, 9), (2.0, 2.0, 2.0)), np.full((9, 9, 9), 1.0))
    tables = transport_tables((*names, "soft tissue"), TransportSettings())
    checked = geometry._replace(
        material=(np.indices(geometry.density.shape).sum(axis=0) % 2).astype(np.uint8)
    )
    stack, cells = np.zeros((1024, 9)), np.zeros((1024, 4), np.int64)
    scores = np.zeros((200, 3, *geometry.density.shape))
    for k in range(200):
        for n, (here, key) in enumerate(((geometry, k), (checked, k), (checked, 1000 + k))):
            rng = stream(1)
            loops.follow_electron(
                1.5, (9.0, 9.0, 9.0), (1.0, 0.0, 0.0), (5, 5, 5), np.uint64(key), 0, here, tables, scores[k, n],
                stack, cells, 0, rng,
            )  # fmt: skip
    together = np.square(scores[:, 0] - scores[:, 1]).sum()
    apart = np.square(scores[:, 0] - scores[:, 2]).sum()
    assert together < 0.3 * apart


def test_rows_of_the_tables_are_found_without_a_logarithm():
    energies = TABLES.energies
    for energy in (0.05, 0.0511, 0.3, 1.0, 2.4999):
        row, part = loops.row_of(energy, TABLES)
        assert energies[row] + part * (energies[row + 1] - energies[row]) == pytest.approx(energy, rel=1e-12)
    assert loops.row_of(0.04, TABLES)[0] == 0
    assert loops.row_of(9.0, TABLES) == (energies.size - 2, 1.0)
    assert (np.diff(energies) / energies[:-1] <= 1 / 16 + 1e-12).all()


def test_walk_escapes_beyond_the_margin():
    geometry, _ = voxel_geometry(Grid.from_spacing((1, 1, 1), (10.0, 10.0, 10.0)), None)
    score = np.zeros(geometry.density.shape)
    _, _, status, left = loops.walk((5.0, 5.0, 5.0), (0.0, -1.0, 0.0), (1, 1, 1), 20.0, 1.0, geometry, score)
    assert status == loops.ESCAPED
    assert left == pytest.approx(20.0 - (5.0 + MARGIN_MM) / 10)
    assert score.sum() == pytest.approx(20.0 - left)


def test_a_photon_goes_as_many_mean_free_paths_as_it_was_given():
    density = np.array([1.05, 1.05, 0.26, 0.26]).reshape(4, 1, 1)
    geometry, names = voxel_geometry(Grid.from_spacing((4, 1, 1), (10.0, 50.0, 50.0)), density)
    tables = transport_tables(names, TransportSettings())
    i, w = 100, 0.3
    mu = [0.1 * sum(loops.attenuation(m, i, w, tables)) for m in (1, 0)]  # liver, lung per g/mL and mm
    depth = 12.0 * 1.05 * mu[0] + 4.0 * 0.26 * mu[1]
    place, cell, status = loops.walk_photon(
        depth, (8.0, 25.0, 25.0), (1.0, 0.0, 0.0), (1, 1, 1), i, w, geometry, tables
    )
    assert status == loops.DONE
    assert cell == (3, 1, 1)
    assert place[0] == pytest.approx(24.0, rel=1e-6)


def test_shells_begin_at_their_inner_radius():
    radii = np.array([0.0, 1.0, 2.5, 4.0])
    found = [loops.shell_of((r, 0.0, 0.0), radii) for r in (0.0, 0.99, 1.0, 2.4, 3.99, 4.0, 70.0)]
    assert found == [0, 0, 1, 1, 2, 3, 3]


def test_a_way_through_shells_leaves_its_energy_once():
    geometry = shell_geometry(np.array([0.0, 1.0, 2.0]), 1.0)
    score = np.zeros((1, 3, 3))
    rng = stream()
    for _ in range(2000):
        loops.walk_shells(
            (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.4, 1.0, geometry, score, 0, rng
        )  # 4 mm of water
    assert score.sum() == pytest.approx(800.0)
    np.testing.assert_allclose(score[0, 0] / 800.0, [0.25, 0.25, 0.5], atol=0.05)


# --- sampled distributions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "sigma"), [(1.0, 0.3), (0.2, 0.25), (0.02, 0.1)])
def test_lost_energy_has_its_mean_and_standard_deviation(mean, sigma):
    losses = sample(lambda rng: loops.fluctuating_loss(mean, sigma, loops.uniform(rng)))
    assert within(losses, mean)
    assert within((losses - mean) ** 2, sigma**2)
    assert losses.min() >= 0.0


@pytest.mark.parametrize("energy", [0.15, 1.0, 2.2])
def test_delta_rays_are_distributed_as_moller(energy):
    fractions = sample(lambda rng: loops.moller_fraction(energy, 0.05, rng))
    losses = np.linspace(0.05, energy / 2, 20001)
    density = moller_cross_section(energy, losses)
    cumulative = np.concatenate([[0], np.cumsum(0.5 * np.diff(losses) * (density[1:] + density[:-1]))])
    pvalue = stats.kstest(
        fractions * energy, lambda x: np.interp(x, losses, cumulative / cumulative[-1])
    ).pvalue
    assert pvalue > 1e-3


@pytest.mark.parametrize("energy", [0.06, 0.7, 2.2])
def test_bremsstrahlung_photons_are_distributed_as_the_table(energy):
    fractions = sample(lambda rng: loops.brems_fraction(energy, 0.005, TABLES, rng), 30_000)
    kappa = np.geomspace(0.005 / energy, 1.0, 4001)
    density = photon_spectrum().at(energy, kappa) / kappa
    cumulative = np.concatenate([[0], np.cumsum(0.5 * np.diff(kappa) * (density[1:] + density[:-1]))])
    pvalue = stats.kstest(fractions, lambda x: np.interp(x, kappa, cumulative / cumulative[-1])).pvalue
    assert pvalue > 1e-3


@pytest.mark.parametrize("energy", [0.03, 0.3, 1.4])
def test_compton_scattering_is_distributed_as_klein_nishina(energy):
    kept, cosine = sample(lambda rng: loops.compton(energy, rng), 30_000).T
    k = energy / 0.51099895
    np.testing.assert_allclose(kept, 1 / (1 + k * (1 - cosine)), rtol=1e-9)
    mu = np.linspace(-1, 1, 20001)
    ratio = 1 / (1 + k * (1 - mu))
    density = ratio**2 * (ratio + 1 / ratio - 1 + mu**2)
    cumulative = np.concatenate([[0], np.cumsum(0.5 * np.diff(mu) * (density[1:] + density[:-1]))])
    assert stats.kstest(cosine, lambda x: np.interp(x, mu, cumulative / cumulative[-1])).pvalue > 1e-3


@pytest.mark.parametrize("row", [0, 30, 60])
def test_deflections_of_a_step_have_the_mean_of_their_table(row):
    cosines = sample(lambda rng: loops.multiple_scattering_cosine(0, row, loops.uniform(rng), TABLES))
    # The scale of the table is the mean of sin²(θ/2) by construction, (1 - exp(-K_1))/2.
    assert within((1 - cosines) / 2, TABLES.angle_scale[0, row])


def test_photons_of_an_electron_absorbed_in_its_voxel_are_those_of_its_slowing_down():
    water, energy = material("water"), 1.0
    energies = np.geomspace(0.05, energy, 400)
    slowing = water.collision_stopping_power(energies) + water.radiative_stopping_power(energies)
    number = np.array([photon_coefficient(water, float(e), 0.005) for e in energies])
    expected = np.trapezoid(number / slowing, energies)
    made = np.interp(energy, TABLES.energies, TABLES.steps[0, :, 7])
    assert made == pytest.approx(expected, rel=0.01)
