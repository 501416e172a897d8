"""Where lymphocytes are, and the dose that follows from it: unverified, an option that is never on by itself.

The numbers of lymphocytes by organ are from memory of Trepel 1974 and could not be read in its text; of the source only three
totals were seen. Every output that uses them says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from y90voxel.errors import InputError

__all__ = ["LYMPHOCYTE_POOLS_1E9", "POOLS_NOTE", "pool_weighted_dose"]

# Lymphocytes [1e9]; unverified.
LYMPHOCYTE_POOLS_1E9: Mapping[str, float] = MappingProxyType(
    {
        "blood": 10.0,
        "lung": 30.0,
        "liver": 10.0,
        "spleen": 70.0,
        "lymph nodes": 190.0,
        "gut": 50.0,
        "marrow": 50.0,
        "thymus": 50.0,
    }
)
POOLS_NOTE = "UNVERIFIED: numbers of lymphocytes by organ from memory of Trepel 1974, Klin Wochenschr 52:511"


def pool_weighted_dose(doses_gy: Mapping[str, float], without: tuple[str, ...] = ()) -> float:
    """Return the mean dose over the lymphocytes of the body, Σ n_k D_k / Σ n_k [Gy]; UNVERIFIED numbers.

    Lymphocytes stay where they are in this sum; how they move while the source decays is not modelled.

    Parameters
    ----------
    doses_gy : mapping of str to float
        Dose of each pool, by the names of `LYMPHOCYTE_POOLS_1E9` [Gy]; 0 where none is given.
    without : tuple of str
        Pools left out, such as the thymus of an adult.

    Raises
    ------
    InputError
        If a pool is unknown, or a dose negative.

    Examples
    --------
    >>> round(pool_weighted_dose({"blood": 3.3123, "lung": 7.89, "liver": 24.839}), 3)
    1.127
    """
    unknown = sorted({*doses_gy, *without} - LYMPHOCYTE_POOLS_1E9.keys())
    if unknown:
        raise InputError(
            f"there are no lymphocyte pools {', '.join(unknown)}; known are {', '.join(LYMPHOCYTE_POOLS_1E9)}."
        )
    if not all(dose >= 0 for dose in doses_gy.values()):
        raise InputError(
            f"doses of lymphocyte pools must not be negative, got {min(doses_gy.values()):g} Gy."
        )
    pools = {name: number for name, number in LYMPHOCYTE_POOLS_1E9.items() if name not in without}
    return sum(number * doses_gy.get(name, 0.0) for name, number in pools.items()) / sum(pools.values())
