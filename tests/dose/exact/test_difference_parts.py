"""Pieces of the exact engine against plain twins."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from y90voxel.dose.exact import difference_pilot
from y90voxel.dose.exact._difference_loops import run_differences
from y90voxel.dose.exact.difference_pilot import Pilot, _betas, importances
from y90voxel.dose.exact.difference_run import SETTINGS
from y90voxel.dose.exact.reference_media import (
    BEYOND,
    ELSE,
    LIVER,
    LUNG,
    NOWHERE_MM,
    STRONG,
    UNCHANGED,
    WEAK,
    SourceGroup,
    _clearance,
    electron_energies,
    make_starts,
    source_groups,
    target_kinds,
)
from y90voxel.dose.monte_carlo.decay_source import emission
from y90voxel.dose.monte_carlo.lookup_tables import transport_tables
from y90voxel.dose.monte_carlo.transport_geometry import voxel_geometry
from y90voxel.reference.nuclide import nuclide
from y90voxel.volumes.grid import Grid


def naive_clearance(differs, spacing):
    """The gap between two boxes, of every pair."""
    found = np.full(differs.shape, np.inf)
    marked = np.argwhere(differs)
    for index in np.ndindex(differs.shape):
        gaps = np.maximum(np.abs(marked - index) - 1, 0) * spacing
        found[index] = np.sqrt((gaps**2).sum(axis=1)).min()
    found[differs] = -1.0
    return found


def test_clearance_is_the_gap_to_the_next_voxel_that_differs():
    rng = np.random.default_rng(1)
    differs = rng.random((7, 9, 8)) < 0.01
    differs[3, 4, 2] = True
    spacing = np.array([4.0, 3.0, 2.5])
    found, expected = _clearance(differs, spacing), naive_clearance(differs, spacing)
    inside = (slice(1, -1),) * 3
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-6)
    assert set(np.unique(np.delete(found.ravel(), 0)[found.ravel()[1:] <= 0])) <= {-1.0, 0.0}
    assert found[0, 0, 0] == (-1.0 if differs[0, 0, 0] else 0.0)  # the margin
    assert (_clearance(np.zeros((3, 3, 3), bool), spacing) == NOWHERE_MM).all()


@pytest.mark.parametrize("name", ["Y-90", "Ho-166", "P-32"])
def test_energies_of_electrons_are_those_of_the_emission(name):
    emitted = emission(nuclide(name), 0.05, 0.005)
    energies, count = electron_energies(emitted)
    assert (np.diff(energies) >= 0).all()
    lines = float(emitted.electrons[:, 1].sum())
    assert count == pytest.approx(1.0 + lines, rel=1e-12)
    betas = 0.5 * (emitted.betas_mev[1:] + emitted.betas_mev[:-1])
    expected = float(betas.mean() + emitted.electrons[:, 0] @ emitted.electrons[:, 1])
    assert float(energies.mean()) * count == pytest.approx(expected, rel=1e-9)
    for limit in (0.1, 0.3, 1.0):
        part = ((betas > limit).mean() + emitted.electrons[emitted.electrons[:, 0] > limit, 1].sum()) / count
        assert (energies > limit).mean() == pytest.approx(part, abs=2e-3)


def small_case(densities):
    grid = Grid.from_spacing((9, 9, 9), (3.0, 3.0, 3.0))
    values = np.full(grid.shape, 1.05)
    for z, value in densities.items():
        values[z] = value
    true, names = voxel_geometry(grid, values.astype(np.float32))
    return true, names, transport_tables(names, SETTINGS)


def test_kinds_of_voxels_and_reference_density():
    # 1.05 × 1.15 is the border between little and much, 0.26 another material, 1.0500005 the same in single precision
    true, names, tables = small_case({5: 1.0500005, 6: 1.2, 7: 1.21, 8: 0.26})
    energies, _ = electron_energies(emission(nuclide("Y-90"), 0.05, 0.005))
    decays = np.zeros((9, 9, 9))
    decays[0:3] = 1.0
    decays[8, 4, 4] = 1.0
    groups = source_groups(decays, true, names, tables, energies, SETTINGS)
    assert [group.medium for group in groups] == ["lung", "soft tissue"]
    lung, liver = groups
    assert liver.density_g_per_ml == pytest.approx(1.05, rel=1e-6)
    column = liver.kinds[1:-1, 5, 5]
    assert column.tolist() == [*[UNCHANGED] * 6, WEAK, STRONG, STRONG]
    # the last active plane is 9 mm from the first that differs; from the one before it, 12 mm, no electron gets there
    assert set(liver.cells[:, 0]) == {3}
    assert (liver.lowest > 0.9).all()
    assert lung.cells.tolist() == [[9, 5, 5]]
    assert lung.kinds[9, 5, 5] == UNCHANGED
    assert lung.density_g_per_ml == pytest.approx(0.26)
    targets = target_kinds(groups, true, names)
    assert targets[1:-1, 5, 5].tolist() == [*[LIVER] * 7, ELSE, LUNG]


def test_fat_and_bone_are_compared_with_the_liver_and_air_with_nothing():
    true, names, tables = small_case({5: 0.91, 6: 0.89, 7: 1.3, 8: 0.05})
    energies, _ = electron_energies(emission(nuclide("Y-90"), 0.05, 0.005))
    decays = np.zeros((9, 9, 9))
    decays[0] = 1.0
    decays[5:9, 4, 4] = 1.0
    liver, alone = source_groups(decays, true, names, tables, energies, SETTINGS)
    assert (liver.medium, alone.medium) == ("soft tissue", None)
    assert liver.density_g_per_ml == pytest.approx(1.05)
    # the liver's own sources are too far from fat to matter, and still part of what is convolved
    assert sorted(liver.cells[:, 0].tolist()) == [6, 7, 8]
    assert liver.own.sum() == 81 + 3
    # fat 13 % lighter differs little, 15.2 % much, and bone is other matter: 3.9 mm·g/mL deep, air but 0.3
    assert liver.kinds[1:-1, 5, 5].tolist() == [*[UNCHANGED] * 5, WEAK, STRONG, BEYOND, STRONG]
    assert (alone.cells.tolist(), alone.lowest.tolist(), alone.own.sum()) == ([[9, 5, 5]], [0.0], 1)
    starts = make_starts(alone, np.ones(1), 10, energies, 1.0)
    assert starts.paired == 0


@pytest.mark.parametrize(("density", "kind"), [(0.66, STRONG), (0.67, BEYOND)])
def test_a_mass_depth_of_2_mm_is_beyond_what_x_and_y_have_in_common(density, kind):
    true, names, tables = small_case({7: 0.5, 8: density})  # 3 mm of lung lie before it
    energies, _ = electron_energies(emission(nuclide("Y-90"), 0.05, 0.005))
    decays = np.zeros((9, 9, 9))
    decays[4] = 1.0
    (liver,) = source_groups(decays, true, names, tables, energies, SETTINGS)
    assert liver.kinds[1:-1, 5, 5].tolist() == [*[UNCHANGED] * 7, STRONG, kind]
    # β is 0 there whatever the pilot finds
    assert _betas(np.ones((1, 3, 4, 3)), np.ones(1), True)[BEYOND] == 0.0
    assert _betas(np.ones((1, 3, 4, 3)), np.ones(1), True)[STRONG] == 1.0


def test_in_fat_alone_the_uniform_medium_is_fat():
    true, names, tables = small_case(dict.fromkeys(range(9), 0.93))
    energies, _ = electron_energies(emission(nuclide("Y-90"), 0.05, 0.005))
    (group,) = source_groups(np.ones((9, 9, 9)), true, names, tables, energies, SETTINGS)
    assert (group.medium, len(group.cells)) == ("adipose", 0)


@pytest.mark.parametrize("lower", [0.26, 1.2])
def test_dropping_what_cannot_change_anything_changes_nothing(lower):
    """The twin: every electron of every source followed twice from its start, nothing dropped, nothing in common."""
    true, names, tables = small_case(dict.fromkeys((5, 6, 7, 8), lower))
    emitted = emission(nuclide("Y-90"), 0.05, 0.005)
    energies, per_decay = electron_energies(emitted)
    decays = np.zeros((9, 9, 9))
    decays[1:5, 3:6, 3:6] = 1.0
    group = source_groups(decays, true, names, tables, energies, SETTINGS)[0]

    def difference(group, seed, paired=True):
        runs = []
        for number in range(20):
            starts = make_starts(group, np.ones(len(group.cells)), 1500, energies, per_decay)
            x, y = np.zeros(true.density.shape), np.zeros(true.density.shape)
            arguments = (group.clearance_mm, tables, x, y, np.zeros(2))
            if paired:
                run_differences(seed, number * 1500, 1500, starts, true, group.even, *arguments)
            else:
                starts = starts._replace(paired=0)
                run_differences(seed, number * 1500, 1500, starts, true, group.even, *arguments)
                mirrored = (*arguments[:2], y, x, arguments[4])
                run_differences(seed + 1, number * 1500, 1500, starts, group.even, group.even, *mirrored)
            runs.append((x - y).sum(axis=(1, 2)))
        runs = np.array(runs)
        return runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(20)

    found, sigma = difference(group, 1)
    cells = np.argwhere(np.pad(decays, 1) > 0)
    every = SourceGroup(
        group.medium, group.density_g_per_ml, group.even, np.full_like(group.clearance_mm, -1.0), group.kinds,
        group.own, cells, np.ones(len(cells)), np.zeros(len(cells)), np.zeros(len(cells), int),
    )  # fmt: skip
    for twin, error in (difference(every, 5), difference(every, 9, paired=False)):
        scale = 4.5 * np.hypot(sigma, error)
        assert (np.abs(found - twin) <= scale + 1e-12).all(), (found, twin, scale)
    assert np.abs(found).max() > 10 * sigma.max()
    # nothing differs within reach above
    assert found[:2].tolist() == [0.0, 0.0]


def test_importance_makes_up_for_itself_in_what_histories_count_for():
    true, names, tables = small_case(dict.fromkeys((4, 5, 6, 7, 8), 0.26))
    energies, per_decay = electron_energies(emission(nuclide("Y-90"), 0.05, 0.005))
    decays = np.zeros((9, 9, 9))
    decays[2:4, 3:6, 3:6] = 1.0
    decays[3, 4, 4] = -2.0
    group = source_groups(decays, true, names, tables, energies, SETTINGS)[0]
    importance = np.random.default_rng(1).uniform(0.1, 3.0, len(group.cells))
    starts = make_starts(group, importance, 500, energies, per_decay)
    probability = np.diff(starts.cumulative, prepend=0.0) / starts.cumulative[-1]
    expected = group.decays * (1.0 - group.lowest) * per_decay
    np.testing.assert_allclose(500 * probability * starts.counts, expected, rtol=1e-9)


def test_the_allocation_is_that_of_least_product_of_variances():
    rng = np.random.default_rng(2)
    squares = rng.lognormal(0.0, 1.5, (6, 3))
    squares[:, 1] = 0.0  # a kind that nothing changes
    sampled, cost = rng.uniform(1.0, 4.0, 6), rng.uniform(1.0, 6.0, 6)
    groups, pilots = [], []
    for part in (slice(0, 4), slice(4, 6)):
        size = part.stop - part.start
        group = SourceGroup("water", 1.0, None, None, None, None, np.zeros((size, 3), int), sampled[part],
                            np.zeros(size), np.arange(size))  # fmt: skip
        groups.append(group)
        pilots.append(Pilot(np.ones(3), squares[part], sampled[part], cost[part]))
    found = np.concatenate(importances(groups, pilots))

    def log_variances(log_histories):
        histories = np.exp(log_histories)
        histories /= cost @ histories
        weights = difference_pilot.TARGET_WEIGHTS
        return sum(weights[t] * np.log((sampled**2 / histories) @ squares[:, t]) for t in (0, 2))

    best = minimize(log_variances, np.log(sampled), method="BFGS")
    assert log_variances(np.log(sampled * found)) == pytest.approx(best.fun, abs=1e-4)


def test_where_nothing_changes_all_sources_are_alike():
    group = SourceGroup(
        "water", 1.0, None, None, None, None, np.zeros((2, 3), int), np.ones(2), np.zeros(2), np.zeros(2, int)
    )
    (found,) = importances([group], [Pilot(np.ones(3), np.zeros((1, 3)), np.ones(1), np.ones(1))])
    assert found.tolist() == [1.0, 1.0]


def test_every_electron_of_a_history_is_its_own_stream():
    """The same numbers of histories split over calls give the same places: batches are a partition."""
    true, names, tables = small_case(dict.fromkeys((5, 6, 7, 8), 0.26))
    energies, per_decay = electron_energies(emission(nuclide("Y-90"), 0.05, 0.005))
    decays = np.zeros((9, 9, 9))
    decays[3, 4, 4] = 1.0
    group = source_groups(decays, true, names, tables, energies, SETTINGS)[0]
    starts = make_starts(group, np.ones(1), 1, energies, per_decay)
    scores = []
    for first, _ in itertools.product((0, 7), (0, 1)):
        x, y = np.zeros(true.density.shape), np.zeros(true.density.shape)
        run_differences(1, first, 50, starts, true, group.even, group.clearance_mm, tables, x, y, np.zeros(2))
        scores.append(x - y)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()
