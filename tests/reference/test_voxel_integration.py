"""The exact voxel integral against another algorithm, analytic cases and its own energy sum."""

import itertools

import numpy as np
import pytest
from reference.naive_voxel_integration import octant_by_spheres

from y90voxel.reference.radial_kernel import radial_kernel
from y90voxel.reference.voxel_integration import octant_energy_fractions


def near_part(name, medium="water"):
    kernel = radial_kernel(name, medium)
    near, _ = kernel.split_at(kernel.electron_reach_mm)
    keep = near.edges_mm <= kernel.electron_reach_mm
    return near.edges_mm[keep], near.fraction[keep[1:]]


def refined(edges, fraction, parts):
    """The same energy per radius, linear between shell centres, in thinner shells of uniform energy."""
    fine = np.unique(np.concatenate([np.linspace(a, b, parts + 1) for a, b in itertools.pairwise(edges)]))
    middle, centre = 0.5 * (fine[1:] + fine[:-1]), 0.5 * (edges[1:] + edges[:-1])
    energy = np.interp(middle, centre, fraction / np.diff(edges)) * np.diff(fine)
    shell = np.searchsorted(edges, middle) - 1
    held = np.bincount(shell, energy, len(fraction))
    return fine, energy * (fraction / np.where(held > 0, held, 1.0))[shell]


def total(octant):
    counts = [np.where(np.arange(n) > 0, 2, 1) for n in octant.shape]
    return float((octant * counts[0][:, None, None] * counts[1][:, None] * counts[2]).sum())


# Voxels below 1 mm need more points on the spheres than a test has time for; they follow the same code path.
SPACINGS = [
    (2.0, 3.1, 4.4),
    (1.0, 1.0, 1.0),
    (1.95, 1.95, 1.95),
    (4.8, 4.8, 4.8),
    (10.0, 10.0, 10.0),
    (1.0, 9.0, 5.0),
]


@pytest.mark.parametrize("spacing_mm", SPACINGS, ids=str)
@pytest.mark.parametrize("name", ["Y-90", "Ho-166"])
def test_integral_agrees_with_points_on_spheres(name, spacing_mm):
    edges, fraction = near_part(name)
    exact = octant_energy_fractions(edges, fraction, spacing_mm)
    # Both represent energy within a shell in their own way; Ho-166 falls steeply at the first edges.
    other = octant_by_spheres(*refined(edges, fraction, 4), spacing_mm, angles=64, radii=2)
    other = other[tuple(slice(0, n) for n in exact.shape)]
    assert exact[0, 0, 0] == pytest.approx(other[0, 0, 0], rel=3e-4)
    relevant = other > 1e-3 * other.max()
    assert exact[relevant] == pytest.approx(other[relevant], rel=3e-3)
    assert np.abs(exact - other).max() < 3e-4 * other.max()


@pytest.mark.parametrize(
    "spacing_mm", [(0.5, 0.5, 0.5), (0.5, 10.0, 10.0), (0.5, 0.7, 10.0), *SPACINGS], ids=str
)
@pytest.mark.parametrize(("name", "medium"), [("Y-90", "water"), ("Ho-166", "water"), ("Y-90", "bone")])
def test_energy_is_conserved_to_2e_5_without_being_enforced(name, medium, spacing_mm):
    edges, fraction = near_part(name, medium)
    octant = octant_energy_fractions(edges, fraction, spacing_mm)
    assert total(octant) == pytest.approx(float(fraction.sum()), rel=2e-5)


def test_lung_energy_is_conserved_on_voxels_far_smaller_than_its_reach():
    edges, fraction = near_part("Y-90", "lung")
    octant = octant_energy_fractions(edges, fraction, (1.0, 2.0, 2.0))
    assert total(octant) == pytest.approx(float(fraction.sum()), rel=2e-5)


def test_energy_inside_the_voxel_has_the_analytic_self_and_neighbour_fractions():
    # Energy per radius 2(R - r)/R² with R < a. Mean over directions of (1-|x|/a)(1-|y|/a)(1-|z|/a):
    # 1 - 3r/2a + 2r²/πa² - r³/4πa³, as ⟨|ω_x|⟩ = 1/2, ⟨|ω_x ω_y|⟩ = 2/3π, ⟨|ω_x ω_y ω_z|⟩ = 1/4π; and
    # ⟨r⟩ = R/3, ⟨r²⟩ = R²/6, ⟨r³⟩ = R³/10.
    a, reach = 4.0, 3.9
    edges = np.linspace(0.0, reach, 79)
    inside = 2 * edges / reach - (edges / reach) ** 2
    octant = octant_energy_fractions(edges, np.diff(inside), (a, a, a))
    x, x2, x3 = reach / 3 / a, reach**2 / 6 / a**2, reach**3 / 10 / a**3
    assert octant[0, 0, 0] == pytest.approx(1 - 1.5 * x + 2 * x2 / np.pi - x3 / (4 * np.pi), rel=3e-5)
    # Half of ⟨|ω_x| r/a (1-|y|/a)(1-|z|/a)⟩ goes to either neighbour along an axis.
    neighbour = 0.5 * (x / 2 - 4 * x2 / (3 * np.pi) + x3 / (4 * np.pi))
    assert octant[1, 0, 0] == pytest.approx(neighbour, rel=3e-5)
    corner = x3 / (4 * np.pi) / 8
    assert octant[1, 1, 1] == pytest.approx(corner, rel=3e-5)
    assert octant.shape == (2, 2, 2)


def test_permuting_the_axes_permutes_the_result_and_equal_axes_are_bitwise_equal():
    edges, fraction = near_part("Y-90")
    one = octant_energy_fractions(edges, fraction, (2.0, 3.1, 4.4))
    other = octant_energy_fractions(edges, fraction, (4.4, 2.0, 3.1))
    assert np.einsum("abc->cab", one) == pytest.approx(other, rel=1e-9, abs=1e-15)
    cubic = octant_energy_fractions(edges, fraction, (3.0, 3.0, 3.0))
    for axes in ("acb", "bac", "cba"):
        assert np.array_equal(cubic, np.einsum(f"{axes}->abc", cubic))
    for spacing, axes in (((2.0, 3.0, 2.0), "cba"), ((2.0, 2.0, 3.0), "bac"), ((2.0, 3.0, 3.0), "acb")):
        paired = octant_energy_fractions(edges, fraction, spacing)
        assert np.array_equal(paired, np.einsum(f"{axes}->abc", paired))


def test_doubling_lengths_leaves_fractions_alone():
    edges, fraction = near_part("Y-90")
    one = octant_energy_fractions(edges, fraction, (2.0, 3.0, 2.5))
    other = octant_energy_fractions(2 * edges, fraction, (4.0, 6.0, 5.0))
    assert one == pytest.approx(other, rel=1e-9, abs=1e-15)
