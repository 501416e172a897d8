"""What a decay emits, and where."""

import numpy as np
import pytest

from y90voxel.dose.monte_carlo.decay_source import emission, point_source, source_parts
from y90voxel.errors import InputError, PhysicsError
from y90voxel.reference.nuclide import nuclide
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import TimeIntegratedActivityMap


@pytest.mark.parametrize("name", ["Y-90", "Ho-166", "P-32", "Lu-177", "I-131"])
@pytest.mark.parametrize("cutoff", [0.01, 0.05])
def test_a_decay_emits_the_energy_of_its_record(name, cutoff):
    record = nuclide(name)
    expected = record.mean_electron_energy_mev + record.x_ray_mev + record.gamma_mev
    # Lines are listed from a yield of 1e-5 on, with six digits: the list may exceed the sum by that much.
    assert emission(record, cutoff, 0.005).energy_mev == pytest.approx(expected, rel=2e-4)


def test_the_most_energetic_beta_of_y90_is_at_its_endpoint():
    # ICRP Publication 107: 2.2801 MeV.
    assert emission(nuclide("Y-90"), 0.05, 0.005).betas_mev[-1] == pytest.approx(2.2801, rel=1e-3)


def test_lines_below_the_cutoffs_are_absorbed_at_the_decay():
    coarse, fine = (emission(nuclide("Ho-166"), cutoff, 0.005) for cutoff in (0.05, 0.01))
    moved = fine.electrons[fine.electrons[:, 0] <= 0.05]
    assert coarse.local_mev - fine.local_mev == pytest.approx(float(moved[:, 0] @ moved[:, 1]), rel=1e-9)
    assert coarse.electrons[:, 0].min() > 0.05


def test_a_nuclide_without_beta_spectrum_is_refused():
    with pytest.raises(PhysicsError, match="Tc-99m has no beta spectrum"):
        emission(nuclide("Tc-99m"), 0.05, 0.005)


def tia(array):
    return TimeIntegratedActivityMap(array, Grid.from_spacing(array.shape, (4.0, 4.0, 4.0)))


def test_source_voxels_lie_inside_the_margin():
    array = np.zeros((2, 3, 4))
    array[1, 2, 0], array[0, 1, 3] = 3.0, 1.0
    (part,) = source_parts(tia(array), emission(nuclide("Y-90"), 0.05, 0.005), 100)
    assert (part.weight, part.histories) == (1.0, 100)
    np.testing.assert_array_equal(part.source.cells, [[1, 2, 4], [2, 3, 1]])
    np.testing.assert_allclose(part.source.cumulative, [1.0, 4.0])


def test_negative_decays_weigh_negatively_and_by_their_share():
    array = np.array([[[-1.0, 6.0, -2.0, 1.0]]])
    parts = source_parts(tia(array), emission(nuclide("Y-90"), 0.05, 0.005), 1000)
    assert [np.sign(part.weight) for part in parts] == [-1.0, 1.0]
    assert [part.weight * part.histories for part in parts] == pytest.approx([-300.0, 700.0])
    assert sum(part.histories for part in parts) == 1000


def test_a_rare_negative_part_still_has_a_history():
    array = np.array([[[-1e-6, 1.0]]])
    negative, positive = source_parts(tia(array), emission(nuclide("Y-90"), 0.05, 0.005), 100)
    assert (negative.histories, positive.histories) == (1, 99)
    assert negative.weight == pytest.approx(-1e-4)


def test_only_negative_decays_are_one_part():
    (part,) = source_parts(tia(np.array([[[-1.0, 0.0]]])), emission(nuclide("Y-90"), 0.05, 0.005), 100)
    assert (part.weight, part.histories) == (-1.0, 100)


def test_no_activity_is_refused():
    with pytest.raises(InputError, match="no activity at all"):
        source_parts(tia(np.zeros((2, 2, 2))), emission(nuclide("Y-90"), 0.05, 0.005), 100)


def test_a_point_source_is_one_place():
    assert point_source(emission(nuclide("Y-90"), 0.05, 0.005)).cells.shape == (1, 3)
