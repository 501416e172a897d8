"""Nuclide records against published numbers."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.reference.nuclide import known_nuclides, nuclide

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "nuclides.csv"
ROWS = list(csv.DictReader(GOLDEN.open()))
SECONDS = {"h": 3600.0, "d": 86400.0}


def value_of(record, row):
    if row["quantity"] == "half life":
        return record.half_life_s / SECONDS[row["unit"]]
    return {
        "mean electron energy": record.mean_electron_energy_mev,
        "mean total energy": record.mean_total_energy_mev,
        "dose constant": record.dose_constant_gy_kg_per_gbq,
        "positrons per decay": record.positrons_per_decay,
    }[row["quantity"]]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['quantity']} {r['nuclide']}")
def test_records_hold_the_published_values(row):
    tolerance = float(row["relative_tolerance"])
    assert value_of(nuclide(row["nuclide"]), row) == pytest.approx(float(row["value"]), rel=tolerance)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Y-90", "Y-90"), ("Y90", "Y-90"), ("90Y", "Y-90"), ("yttrium-90", "Y-90"), ("^90^Yttrium", "Y-90"),
        ("y 90", "Y-90"), ("Ho166", "Ho-166"), ("Holmium-166", "Ho-166"), ("99mTc", "Tc-99m"),
        ("^99m^Technetium", "Tc-99m"), ("Tc-99m", "Tc-99m"), ("I131", "I-131"), ("177Lu", "Lu-177"), ("P-32", "P-32"),
    ],
)  # fmt: skip
def test_common_spellings_name_the_nuclide(written, name):
    assert nuclide(written).name == name


@pytest.mark.parametrize("name", ["Y-91", "Ho", "", "90", "Tc-99", "yttrium", "Y-90m"])
def test_unknown_nuclides_are_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match=r"unknown nuclide .*Y-90, Ho-166, Tc-99m"):
        nuclide(name)


def test_a_record_is_returned_as_it_is():
    record = replace(nuclide("Y-90"), beta_mev=0.9267)
    assert nuclide(record) is record


@pytest.mark.parametrize("half_life", [0.0, -1.0, math.nan, math.inf])
def test_a_half_life_that_is_not_positive_is_refused(half_life):
    with pytest.raises(InputError, match="half-life must be positive"):
        replace(nuclide("Y-90"), half_life_s=half_life)


@pytest.mark.parametrize("kind", ["beta_mev", "conversion_mev", "auger_mev", "x_ray_mev", "gamma_mev"])
def test_a_negative_energy_is_refused(kind):
    with pytest.raises(InputError, match=f"{kind} must not be negative"):
        replace(nuclide("Y-90"), **{kind: -0.1})


def test_decay_constant_halves_the_activity_in_one_half_life():
    record = nuclide("Y-90")
    assert math.exp(-record.decay_constant_per_s * record.half_life_s) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("name", ["Y-90", "Ho-166", "Lu-177", "P-32", "I-131"])
def test_beta_spectrum_is_normalised_and_has_the_mean_of_the_record(name):
    # Trapezoid on the tabulated grid is 0.1 to 0.4 % off; the tabulated mean itself 0.1 %.
    energy, density = nuclide(name).beta_spectrum.T
    assert np.trapezoid(density, energy) == pytest.approx(1.0, rel=5e-3)
    assert np.trapezoid(energy * density, energy) == pytest.approx(nuclide(name).beta_mev, rel=6e-3)


@pytest.mark.parametrize("name", ["Ho-166", "Tc-99m", "Lu-177", "I-131"])
def test_lines_carry_the_energies_of_the_record(name):
    # The tables leave out lines below 1e-5 per decay, and photons below 5 keV.
    record = nuclide(name)
    electrons = float(np.prod(record.electron_lines, axis=1).sum())
    assert electrons == pytest.approx(record.conversion_mev + record.auger_mev, rel=0.02)
    photons = float(np.prod(record.photon_lines, axis=1).sum())
    assert photons == pytest.approx(record.x_ray_mev + record.gamma_mev, rel=0.03)


def test_arrays_of_a_record_cannot_be_changed():
    for array in (nuclide("Y-90").beta_spectrum, nuclide("Ho-166").electron_lines):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_every_record_has_a_golden_row():
    assert {row["nuclide"] for row in ROWS} == set(known_nuclides())


@pytest.mark.parametrize("name", known_nuclides())
def test_every_record_is_found_by_its_symbol(name):
    symbol, number = name.split("-")
    assert nuclide(f"{number}{symbol.lower()}").name == name
