import pytest

from y90voxel.errors import InputError, PhysicsError
from y90voxel.planning import available_energy_j, check_energy_balance, energy_balance, sphere_volume_ml

K = {"dose_constant_gy_kg_per_gbq": 49.67}


def test_a_hundred_gray_in_all_of_the_third_patients_tumour_is_impossible():
    """4.7 GBq, shunt 12 %, 170 mm: 100 Gy to the whole sphere needs more than there is, to 80 % of it not."""
    whole, hepatic = sphere_volume_ml(170) / 1000, 4.7 * 0.88
    with pytest.raises(PhysicsError, match=r"125 % of the energy of 4.136 GBq.*perfused parts"):
        check_energy_balance([100.0], [whole], hepatic, **K)
    check_energy_balance([100.0], [0.8 * whole], hepatic, **K)
    assert energy_balance([100.0], [0.8 * whole], hepatic, **K) == pytest.approx(1.002, abs=1e-3)


def test_rounding_is_given_two_percent():
    check_energy_balance([101.9], [0.4967], 1.0, **K)
    with pytest.raises(PhysicsError):
        check_energy_balance([102.1], [0.4967], 1.0, **K)


def test_bad_inputs_are_refused():
    with pytest.raises(InputError, match="2 doses, but 1 masses"):
        energy_balance([1.0, 2.0], [1.0], 1.0, **K)
    for doses, masses, activity in (([-1.0], [1.0], 1.0), ([1.0], [0.0], 1.0), ([1.0], [1.0], 0.0)):
        with pytest.raises(InputError):
            energy_balance(doses, masses, activity, **K)
    for arguments in ((-1.0, 0.1), (1.0, 1.1)):
        with pytest.raises(InputError):
            available_energy_j(*arguments, **K)
    with pytest.raises(InputError, match="constant"):
        available_energy_j(1.0, dose_constant_gy_kg_per_gbq=0.0)
    with pytest.raises(InputError, match="diameter"):
        sphere_volume_ml(0.0)
