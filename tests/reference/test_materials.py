"""Materials of transport: tabulated values, densities that mean them, and tables that were not changed."""

import shutil

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.reference import transport_tables
from y90voxel.reference.materials import MATERIALS_BY_DENSITY, material, material_by_density
from y90voxel.reference.shipped import shipped_folder


# NIST ESTAR (2005), collision stopping powers [MeV cm2/g].
@pytest.mark.parametrize(
    ("name", "energy_mev", "expected"),
    [
        ("water", 0.01, 22.56), ("water", 0.1, 4.115), ("water", 1.0, 1.849), ("water", 2.0, 1.824),
        ("air", 0.01, 19.75), ("air", 0.1, 3.633), ("air", 1.0, 1.661),
    ],
)  # fmt: skip
def test_collision_stopping_powers_are_those_of_estar(name, energy_mev, expected):
    assert float(material(name).collision_stopping_power(energy_mev)) == pytest.approx(expected, rel=1e-3)


def test_radiative_stopping_power_of_water_is_that_of_estar():
    assert float(material("water").radiative_stopping_power(1.0)) == pytest.approx(0.0128, rel=5e-3)


@pytest.mark.parametrize("name", [name for _, name in MATERIALS_BY_DENSITY])
def test_mass_fractions_sum_to_one(name):
    assert sum(material(name).fractions.values()) == pytest.approx(1.0, abs=2e-3)


def test_electrons_per_gram_of_water():
    assert material("water").moles_of_electrons_per_g == pytest.approx(10 / 18.015, rel=1e-4)


def test_densities_mean_the_tissues_that_have_them():
    densities = [0.0012, 0.26, 0.95, 1.0, 1.05, 1.92]
    names = [MATERIALS_BY_DENSITY[i][1] for i in material_by_density(densities)]
    assert names == ["air", "lung", "adipose", "water", "soft tissue", "bone"]


def test_a_limit_of_density_belongs_to_the_denser_material():
    limits = [limit for limit, _ in MATERIALS_BY_DENSITY]
    np.testing.assert_array_equal(material_by_density(limits), np.arange(len(limits)))


def test_liver_is_soft_tissue():
    assert material("liver").name == "soft tissue"


def test_an_unknown_material_is_refused():
    with pytest.raises(InputError, match="there are water, soft tissue"):
        material("lead")


def test_a_changed_table_is_refused(tmp_path, monkeypatch):
    shutil.copytree(shipped_folder("kernels") / "transport", tmp_path / "transport")
    table = tmp_path / "transport" / "materials.csv"
    table.write_text(table.read_text("utf-8").replace("75.00", "78.00"), "utf-8")
    monkeypatch.setattr(transport_tables, "shipped_folder", lambda name: tmp_path)
    with pytest.raises(InputError, match="changed or damaged"):
        transport_tables._verified_text("materials.csv")


def test_every_shipped_table_has_a_checksum_and_is_read():
    names = {path.name for path in (shipped_folder("kernels") / "transport").glob("*.csv")}
    assert len(names) == 6
    for name in names:
        assert len(transport_tables.transport_rows(name)) > 5
