"""Photons by their expectation along their ways, against the analog photons of plain Monte Carlo and plain twins."""

import naive_transport as naive
import numpy as np
import pytest

from y90voxel.dose.exact._photon_share_loops import WHOLE_MEV, fly, run_photons
from y90voxel.dose.exact.difference_run import PHOTON_FACTOR, SETTINGS
from y90voxel.dose.monte_carlo import _transport_loops as loops
from y90voxel.dose.monte_carlo._random_loops import seed_history, uniform
from y90voxel.dose.monte_carlo._transport_loops import ESCAPED, Source, run_histories
from y90voxel.dose.monte_carlo.lookup_tables import transport_tables, with_more_photons
from y90voxel.dose.monte_carlo.transport_geometry import inner, voxel_geometry
from y90voxel.volumes.grid import Grid

BATCHES = 40


def stream(seed):
    rng = np.zeros(2, np.uint64)
    seed_history(rng, seed, 0)
    return rng


def patient():
    """Liver with lung above it and bone aside, in oblong voxels."""
    density = np.full((10, 9, 8), 1.05)
    density[6:] = 0.26
    density[:, :, 6:] = 1.6
    geometry, names = voxel_geometry(Grid.from_spacing(density.shape, (6.0, 5.0, 4.0)), density)
    return geometry, transport_tables(names, SETTINGS)


def source(energy=0.0, line=0.0):
    """One electron and one photon from anywhere in two voxels; either may be without energy."""
    cells = np.array([[3, 5, 4], [8, 5, 4]])
    lines = np.array([[line, 1.0]]) if line else np.zeros((0, 2))
    return Source(np.array([3.0, 4.0]), cells, np.full(2, energy), np.zeros((0, 2)), lines, 0.0)


def batches(run, count):
    """Energy a history by batch."""
    geometry, _ = patient()
    found = []
    for number in range(BATCHES):
        score = np.zeros(geometry.density.shape)
        run(number * count, count, score)
        found.append(score / count)
    return np.array(found)


def by_expectation(of, count, factor=PHOTON_FACTOR):
    geometry, tables = patient()
    more = with_more_photons(tables, factor)
    return batches(lambda first, n, score: run_photons(3, first, n, of, geometry, more, score), count)


def analog(of, count):
    geometry, tables = patient()
    tally = np.zeros(2)
    return batches(
        lambda first, n, score: run_histories(4, first, n, of, geometry, tables, score, tally), count
    )


def mean_and_sigma(values):
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def apart(found, plain):
    (a, s), (b, t) = mean_and_sigma(found), mean_and_sigma(plain)
    return (a - b) / np.maximum(np.hypot(s, t), 1e-300)


@pytest.mark.parametrize(
    "line", [0.5 * WHOLE_MEV, 0.15, 1.38, *(pytest.param(e, marks=pytest.mark.slow) for e in (0.03, 0.9))]
)
def test_photons_are_those_of_plain_monte_carlo(line):
    """Emitted as lines by electrons without energy, so that all dose of plain Monte Carlo is theirs."""
    found, plain = by_expectation(source(line=line), 2000), analog(source(line=line), 8000)
    for parts in ((1, 2, 3), (2, 3), (1, 2), (1, 3)):  # all of it, the margin too; layers along each axis
        here, there = found.sum(axis=parts), plain.sum(axis=parts)
        often = there.mean(axis=0) > 1e-2 * there.mean(axis=0).max()
        z = apart(here[:, often], there[:, often])
        assert np.abs(z).max() < 4.2, (parts, z)
    inside = tuple(slice(1, -1) for _ in range(3))
    (_, here), (dose, there) = mean_and_sigma(found), mean_and_sigma(plain)
    some = dose[inside] > 0.02 * dose[inside].max()
    if line > 0.02:  # where many voxels are reached
        # Student's t of 39; 230 voxels or more that share photons: 2.5 times their spread if they did not
        assert np.mean(apart(found, plain)[inside][some] ** 2) == pytest.approx(39 / 37, abs=0.25)
    # A quarter of the histories, and no less certain; beyond, both have the noise of electrons that leave their voxel.
    if 0.02 < line < 0.5:
        assert np.median(here[inside][some] / there[inside][some]) < 1.05


@pytest.mark.parametrize("factor", [1.0, PHOTON_FACTOR])
def test_bremsstrahlung_is_that_of_plain_monte_carlo(factor):
    """Where no electron comes all energy is of photons: 10 mm and more from the source in liver and bone."""
    geometry, tables = patient()
    of = Source(np.ones(1), np.array([[2, 4, 4]]), np.full(2, 1.2), np.zeros((0, 2)), np.zeros((0, 2)), 0.0)
    more = with_more_photons(tables, factor)
    tally = np.zeros(2)
    count = 3000
    found = batches(lambda first, n, score: run_photons(3, first, n, of, geometry, more, score), count)
    plain = batches(
        lambda first, n, score: run_histories(4, first, n, of, geometry, tables, score, tally), 4 * count
    )
    far = np.ones(geometry.density.shape, bool)
    far[:6, 2:7, 2:7] = False
    z = [
        apart(found[:, far].sum(axis=1), plain[:, far].sum(axis=1)),
        apart(found[:, 7:].sum(axis=(1, 2, 3)), plain[:, 7:].sum(axis=(1, 2, 3))),
    ]
    assert np.abs(z).max() < 4.0
    assert found[:, far].sum() > 0.0


def test_more_photons_leave_their_electrons_as_they_are():
    """What electrons deposit, and how many photons and of what energy they make, by tables of either kind."""
    geometry, tables = patient()
    found = []
    for factor in (1.0, 8.0):
        with_factor = with_more_photons(tables, factor)
        rows = []
        for number in range(30):
            score, stack, cells = (
                np.zeros(geometry.density.shape),
                np.zeros((1024, 9)),
                np.zeros((1024, 4), np.int64),
            )
            made = np.zeros(2)
            for history in range(1500):
                rng = stream(1000 * number + history + int(factor) * 10**6)
                place = (6.0 * 3 + 3, 22.0, 14.0)
                waiting = loops.push(
                    stack,
                    cells,
                    0,
                    0.0,
                    2.0,
                    place,
                    (1.0, 0.0, 0.0),
                    (4, 5, 4),
                    0,
                    np.uint64(loops.bits(rng)),
                )
                while waiting > 0:
                    waiting -= 1
                    row, cell = stack[waiting].copy(), cells[waiting].copy()
                    if row[0] == loops.PHOTON:
                        made += np.array([1.0, row[1]]) / factor
                        continue
                    _, waiting = loops.follow_electron(
                        row[1], tuple(row[3:6]), tuple(row[6:9]), tuple(cell[:3]), np.uint64(cell[3]), 0, geometry, with_factor,
                        score, stack, cells, waiting, rng,
                    )  # fmt: skip
            rows.append([score.sum(), *made])
        found.append(np.array(rows))
    z = apart(*found)
    assert np.abs(z).max() < 4.0, z
    # eight times as many photons are less noise of them
    assert found[1][:, 1].std() < 0.6 * found[0][:, 1].std()


@pytest.mark.parametrize("seed", range(6))
def test_a_photon_leaves_the_mean_of_what_collisions_leave_on_its_way(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = (5, 7, 6), (3.0, 2.0, 4.0)
    density = rng.uniform(0.9, 1.3, shape).astype(np.float32)
    geometry, names = voxel_geometry(Grid.from_spacing(shape, spacing), density)
    geometry = geometry._replace(material=np.zeros_like(geometry.material))
    tables = transport_tables(names, SETTINGS)
    start = rng.uniform(0.35, 0.65, 3) * np.array(shape) * spacing
    way = tuple(loops.isotropic(stream(seed)))
    cell = tuple(int(i) + 1 for i in start // spacing)
    row = 60
    energy = float(np.exp(tables.photon_log_low + (row + 1e-9) / tables.photon_per_log))
    photo, free, transfer = tables.photons[0, row]
    depth = -np.log(1.0 - uniform(stream(seed + 50)))
    score = np.zeros(geometry.density.shape)
    place, _, status, _ = fly(
        energy, 2.0, tuple(start), way, cell, geometry, tables, score, stream(seed + 50)
    )
    share, end = naive.energy_along(
        start, way, depth / (photo + free), density.astype(float), np.array(spacing)
    )
    mass = depth / (photo + free)
    np.testing.assert_allclose(
        inner(score), 2.0 * energy * transfer * mass * share, atol=2e-3 * energy * transfer * mass
    )
    if share.sum() > 1 - 1e-6:
        np.testing.assert_allclose(place, end, atol=0.05)
    else:  # it went on into the margin, which begins with the same density
        assert (
            status == ESCAPED
            or not (np.zeros(3) <= place).all()
            or not (place <= np.array(shape) * spacing).all()
        )


def test_transfer_is_what_collisions_leave_on_average():
    """The column of the tables against sampled collisions."""
    _, tables = patient()
    rng = stream(5)
    for row in (40, 100, 170):
        energy = float(np.exp(tables.photon_log_low + row / tables.photon_per_log))
        kept = np.array([loops.compton(energy, rng)[0] for _ in range(40_000)])
        for photo, free, transfer in tables.photons[:, row]:
            given = photo + free * (1.0 - kept)
            assert abs(given.mean() - transfer) < 4.5 * given.std() / np.sqrt(given.size)
