"""Cross-sections against closed formulas, published numbers and other algorithms."""

import numpy as np
import pytest
from scipy import integrate, special

from y90voxel.dose.monte_carlo.bremsstrahlung import photon_coefficient, soft_radiative_loss
from y90voxel.dose.monte_carlo.decay_source import emission
from y90voxel.dose.monte_carlo.elastic import angle_quantiles, transport_coefficients
from y90voxel.dose.monte_carlo.inelastic import (
    delta_ray_coefficient,
    moller_cross_section,
    soft_collision_loss,
    soft_collision_variance,
)
from y90voxel.dose.monte_carlo.kinematics import cosine_after_energy_loss, momentum_mev
from y90voxel.dose.monte_carlo.photon import (
    compton_coefficient,
    compton_transfer_coefficient,
    photoelectric_coefficient,
)
from y90voxel.reference.materials import Material, material
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.transport_tables import transport_rows

ELECTRON_MASS_MEV = 0.51099895
WATER = material("water")


# --- collisions with electrons ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("energy", "loss"), [(0.2, 0.05), (1.0, 0.3), (2.0, 1.0)])
def test_a_collision_keeps_energy_and_momentum(energy, loss):
    def after(given):  # energy and cosine to momentum along and across
        cosine = float(cosine_after_energy_loss(energy, energy - given))
        p = float(momentum_mev(given))
        return p * cosine, p * np.sqrt(1 - cosine**2)

    along, across = zip(after(energy - loss), after(loss), strict=True)
    assert sum(along) == pytest.approx(float(momentum_mev(energy)), rel=1e-12)
    assert across[0] == pytest.approx(across[1], rel=1e-9)


@pytest.mark.parametrize("energy", [0.15, 1.0, 2.2])
def test_delta_rays_are_the_closed_integral_of_moller(energy):
    # Integral of the four terms from threshold to T/2, ICRU Report 37 notation.
    low = 0.05 / energy
    gamma = 1 + energy / ELECTRON_MASS_MEV
    beta2 = 1 - 1 / gamma**2
    bracket = (
        1 / low
        - 1 / (1 - low)
        + ((gamma - 1) / gamma) ** 2 * (0.5 - low)
        - (2 * gamma - 1) / gamma**2 * np.log((1 - low) / low)
    )
    expected = 0.153537 * 10 / 18.015 / beta2 / energy * bracket
    assert delta_ray_coefficient(WATER, energy, 0.05) == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize("energy", [0.08, 0.3, 2.0])
def test_soft_and_hard_losses_add_to_the_stopping_power(energy):
    hard = integrate.quad(lambda w: w * float(moller_cross_section(energy, w)), 0.05, energy / 2)[0]
    hard = max(hard, 0.0) * WATER.moles_of_electrons_per_g
    total = soft_collision_loss(WATER, energy, 0.05) + hard
    assert total == pytest.approx(float(WATER.collision_stopping_power(energy)), rel=1e-6)


def test_nothing_is_explicit_below_twice_the_threshold():
    assert delta_ray_coefficient(WATER, 0.0999, 0.05) == 0.0
    assert soft_collision_loss(WATER, 0.0999, 0.05) == float(WATER.collision_stopping_power(0.0999))


def test_variance_of_soft_losses_is_the_second_moment_of_moller():
    expected = integrate.quad(lambda w: w * w * float(moller_cross_section(1.0, w)), 0.0, 0.05)[0]
    found = soft_collision_variance(WATER, 1.0, 0.05)
    assert found == pytest.approx(WATER.moles_of_electrons_per_g * expected, rel=1e-4)


# --- elastic scattering ----------------------------------------------------------------------------------------


def moliere_transport_coefficient(medium, energy):
    """Closed first moment of screened Rutherford scattering (Moliere 1947) with the McKinley-Feshbach factor."""
    total = energy + ELECTRON_MASS_MEV
    p2 = energy * (energy + 2 * ELECTRON_MASS_MEV)
    beta = np.sqrt(p2) / total
    found = 0.0
    for z, moles in medium.moles_of_atoms_per_g.items():
        alpha_z = z / 137.036
        chi = ELECTRON_MASS_MEV * z ** (1 / 3) / (137.036 * 0.8853 * np.sqrt(p2))
        a = 0.25 * chi**2 * (1.13 + 3.76 * (alpha_z / beta) ** 2)
        rutherford = 0.0794078 * (z * ELECTRON_MASS_MEV / (np.sqrt(p2) * beta)) ** 2 * 0.602214
        # x = sin2(theta/2): pi C / x-weighted integrals of x (1 - beta2 x + pi aZ b (sqrt x - x)) / (x + a)^2.
        bracket = np.log(1 + 1 / a) - 1 / (1 + a) - beta**2 + np.pi * alpha_z * beta * (2 - 1)
        found += moles * 2 * np.pi * rutherford * bracket
    return found


@pytest.mark.parametrize("energy", [0.3, 1.0, 2.0])
def test_transport_mean_free_path_is_close_to_that_of_moliere_screening(energy):
    # Form factors against Thomas-Fermi screening: a few percent for light atoms; hydrogen is the worst.
    only_oxygen = Material("oxygen", 1.0, 95.0, {"O": 1.0}, WATER.stopping, WATER.attenuation)
    nuclear = transport_coefficients(only_oxygen, energy, 1e-8, 2)
    assert nuclear[1] == pytest.approx(moliere_transport_coefficient(only_oxygen, energy), rel=0.02)


def naive_coefficient(medium, energy, threshold, order):
    """G_l by the trapezoidal rule in the logarithm of angle and of energy loss."""
    rows = np.array([[float(v) for v in row] for row in transport_rows("form_factors.csv")])
    gamma = 1 + energy / ELECTRON_MASS_MEV
    beta2 = 1 - 1 / gamma**2
    p = ELECTRON_MASS_MEV * np.sqrt(gamma**2 - 1)
    half = np.geomspace(1e-5, np.pi / 2, 200_001)  # half the angle
    loss = np.geomspace(1e-9, threshold, 50_001)
    q = np.sqrt(loss * (loss + 2 * ELECTRON_MASS_MEV))
    cosine = np.sqrt((energy - loss) * (energy + 2 * ELECTRON_MASS_MEV)
                     / (energy * (energy - loss + 2 * ELECTRON_MASS_MEV)))  # fmt: skip
    x_per_mev = 1 / (4 * np.pi * 1.973269804e-3)
    sine, total = np.sin(half), 0.0
    for z, moles in medium.moles_of_atoms_per_g.items():
        x, form, incoherent = rows[rows[:, 0] == z, 1:].T
        f = np.interp(np.log(2 * p * sine * x_per_mev), np.log(x), form, left=z, right=0)
        mott = 1 - beta2 * sine**2 + np.pi * z / 137.036 * np.sqrt(beta2) * sine * (1 - sine)
        dcs = 0.0794078 / 4 / (gamma * beta2) ** 2 * (z - f) ** 2 / sine**4 * mott  # Mott 1929
        solid = 2 * np.pi * np.sin(2 * half) * 2
        kept = special.eval_legendre(order, np.cos(2 * half))
        total += moles * 0.602214 * np.trapezoid(dcs * (1 - kept) * solid, half)
        s = np.exp(np.interp(np.log(q * x_per_mev), np.log(x), np.log(incoherent)))
        s = np.where(q * x_per_mev < x[0], incoherent[0] * (q * x_per_mev / x[0]) ** 2, s)
        kept = special.eval_legendre(order, cosine)
        total += moles * np.trapezoid(moller_cross_section(energy, loss) * s * (1 - kept), loss)
    return total


@pytest.mark.parametrize(("energy", "order"), [(1.0, 1), (1.0, 8), (0.1, 2), (2.0, 20)])
def test_coefficients_are_those_of_a_plain_integration(energy, order):
    found = transport_coefficients(material("lung"), energy, 0.04, 32)[order]
    assert found == pytest.approx(naive_coefficient(material("lung"), energy, 0.04, order), rel=5e-4)


@pytest.mark.parametrize(("energy", "path"), [(0.08, 0.15), (1.0, 0.05), (1.0, 0.3)])
def test_quantiles_of_the_deflection_have_the_moments_of_the_theory(energy, path):
    coefficients = transport_coefficients(WATER, energy, 0.05, 128)
    coefficients = coefficients / coefficients[1] * path
    scale, v = angle_quantiles(coefficients, 128)
    part = (np.arange(200) + 0.5) / 200
    values = v[:-1, None] + np.diff(v)[:, None] * part
    t = scale * values / (1 + scale - values)
    weights = np.diff(1 - (1 - np.arange(129) / 128) ** 2)[:, None] / 200
    for order in (1, 2, 5, 10):
        mean = float((special.eval_legendre(order, 1 - 2 * t) * weights).sum())
        assert mean == pytest.approx(float(np.exp(-coefficients[order])), abs=1e-4)


def test_more_of_the_deflection_by_electrons_is_soft_with_a_higher_threshold():
    low, high = (transport_coefficients(WATER, 1.0, w, 1)[1] for w in (0.01, 0.2))
    hard = (
        WATER.moles_of_electrons_per_g
        * integrate.quad(
            lambda w: float(moller_cross_section(1.0, w)) * (1 - float(cosine_after_energy_loss(1.0, w))),
            0.01,
            0.2,
        )[0]
    )
    assert high - low == pytest.approx(hard, rel=1e-3)


# --- bremsstrahlung --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "photons", "mean_kev", "radiated_kev"), [("Y-90", 0.0321, 116.0, 4.06)])
def test_thick_target_bremsstrahlung_of_a_beta_emitter(name, photons, mean_kev, radiated_kev):
    # Independent quadrature of the full Seltzer-Berger tables with the ICRP 107 spectrum, water, above 20 keV.
    energies = np.geomspace(0.021, 2.28, 300)
    slowing = WATER.collision_stopping_power(energies) + WATER.radiative_stopping_power(energies)
    betas = emission(nuclide(name), 0.05, 0.005).betas_mev
    above = np.array([(betas > e).mean() for e in energies])  # electrons that pass each energy
    number = np.array([photon_coefficient(WATER, float(e), 0.02) for e in energies])
    loss = WATER.radiative_stopping_power(energies)
    hard = loss - np.array([soft_radiative_loss(WATER, float(e), 0.02) for e in energies])
    made = np.trapezoid(above * number / slowing, energies)
    assert made == pytest.approx(photons, rel=0.03)
    assert np.trapezoid(above * hard / slowing, energies) / made * 1000 == pytest.approx(mean_kev, rel=0.03)
    assert np.trapezoid(above * loss / slowing, energies) * 1000 == pytest.approx(radiated_kev, rel=0.01)


def test_no_photon_is_harder_than_its_electron():
    assert photon_coefficient(WATER, 0.01, 0.02) == 0.0
    assert soft_radiative_loss(WATER, 0.01, 0.02) == pytest.approx(
        float(WATER.radiative_stopping_power(0.01))
    )


# --- photons ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("energy", [0.03, 0.2, 1.4])
def test_compton_coefficient_is_the_closed_klein_nishina_formula(energy):
    k = energy / ELECTRON_MASS_MEV
    log = np.log(1 + 2 * k)
    total = (
        (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - log / k)
        + log / (2 * k)
        - (1 + 3 * k) / (1 + 2 * k) ** 2
    )
    expected = 2 * np.pi * 0.0794078 * 0.602214 * total * WATER.moles_of_electrons_per_g
    assert float(compton_coefficient(WATER, energy)) == pytest.approx(expected, rel=1e-6)


# Hubbell and Seltzer, NIST SRD 126: total with coherent scattering, which is left out here (at most 5 % from 60 keV).
@pytest.mark.parametrize(
    ("energy", "total"), [(0.06, 0.2059), (0.08, 0.1837), (0.5, 0.09687), (1.5, 0.05754)]
)
def test_attenuation_of_water_is_nist_less_coherent_scattering(energy, total):
    found = float(compton_coefficient(WATER, energy) + photoelectric_coefficient(WATER, energy))
    assert 0.94 * total < found < 1.002 * total


def test_photoelectric_effect_and_transfer_add_to_energy_absorption():
    # NIST SRD 126, water, 20 keV: mu_en/rho 0.5503 cm2/g.
    found = float(photoelectric_coefficient(WATER, 0.02) + compton_transfer_coefficient(WATER, 0.02))
    assert found == pytest.approx(0.5503, rel=1e-6)


def test_photoelectric_coefficient_goes_on_smoothly_above_the_table_it_is_taken_from():
    below, above = (float(photoelectric_coefficient(WATER, e)) for e in (0.0799, 0.0801))
    assert above == pytest.approx(below, rel=0.02)
