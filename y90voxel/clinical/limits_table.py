"""The versioned table of limits and goals: lungs, and the printed cells of the EANM tables merged over scenarios."""

from __future__ import annotations

from y90voxel.clinical.eanm_tables import CELLS, EANM, Cell, Reading
from y90voxel.clinical.limit_records import (
    BILIRUBIN_THRESHOLD_UMOL_PER_L,
    Approach,
    BilirubinClass,
    Disease,
    FractionLimit,
    Limit,
    LiverFunction,
    Scenario,
    Sense,
)
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.reference.devices import known_devices
from y90voxel.regions.roles import Role

__all__ = [
    "BILIRUBIN_THRESHOLD_UMOL_PER_L",
    "FRACTION_TABLE",
    "LIMITS_VERSION",
    "LUNGS_ALL_SOURCE",
    "LUNGS_ALL_TREATMENTS_GY",
    "LUNGS_ONE_TREATMENT_GY",
    "TABLE",
    "Approach",
    "BilirubinClass",
    "Disease",
    "FractionLimit",
    "Limit",
    "LiverFunction",
    "Scenario",
    "Sense",
]

LIMITS_VERSION = "2026-11.4"

# Mean lung dose [Gy], one treatment and all together; sources below.
LUNGS_ONE_TREATMENT_GY = 30.0
LUNGS_ALL_TREATMENTS_GY = 50.0  # [Gy], all treatments together; source below

_MASS = limiting_convention().mass_text
_LUNG = f"MIRD lung dose to {_MASS}, 30 Gy per treatment: Kao et al. 2014, EJNMMI Res 4:33, doi 10.1186/s13550-014-0033-7"
LUNGS_ALL_SOURCE = (
    "50 Gy over all treatments: Kis et al. 2024, doi 10.1016/j.jvir.2024.08.031; rests on few patients"
)
_DOSISPHERE = "DOSISPHERE-01, Garin et al., PMC10858378"
_THESIS = "van Roekel, PhD thesis, Utrecht 2021, p. 41"


def _lungs(device: str) -> tuple[Limit, Limit]:
    """Limits of one treatment and of all treatments together."""
    return (
        Limit("lungs, one treatment", device, Role.LUNGS, Sense.BELOW, LUNGS_ONE_TREATMENT_GY, _LUNG),
        Limit(
            "lungs, all treatments",
            device,
            Role.LUNGS,
            Sense.BELOW,
            LUNGS_ALL_TREATMENTS_GY,
            LUNGS_ALL_SOURCE,
            cumulative=True,
        ),
    )


def _limit(device: str, disease: Disease, reading: Reading, cells: list[Cell]) -> Limit:
    """The row of one reading of one disease, for every scenario whose cell prints it."""
    rows = ", ".join(cell.scenario.value.partition(" ")[0] for cell in cells)
    printed = "; ".join(dict.fromkeys(f"“{cell.printed}”" for cell in cells))
    return Limit(
        f"{reading.what}, {disease}{reading.detail}",
        device,
        reading.role,
        reading.sense,
        reading.value_gy,
        f"{EANM}, table {cells[0].table}, {disease}: {rows}, printed {printed}",
        tuple(cell.scenario for cell in cells),
        (disease,),
        reading.bilirubin,
        reading.reserve_below,
        reading.function,
        reading.or_pretreated,
        reading.approach,
        reading.condition,
    )


def _eanm(device: str) -> tuple[Limit, ...]:
    """Rows of a device from the printed cells: what several scenarios of a disease print alike is one row."""
    alike: dict[tuple[Disease, Reading], list[Cell]] = {}
    for cell in CELLS:
        if cell.device == device:
            for reading in cell.readings:
                alike.setdefault((cell.disease, reading), []).append(cell)
    return tuple(_limit(device, disease, reading, cells) for (disease, reading), cells in alike.items())


# Limits and goals on doses from other sources than the EANM tables, a row each: none is used so far.
OTHER_SOURCES: tuple[Limit, ...] = ()
TABLE = OTHER_SOURCES + tuple(
    limit for device in known_devices() for limit in (*_lungs(device), *_eanm(device))
)

FRACTION_TABLE = (
    FractionLimit("hepatic reserve", "glass", "hepatic reserve", Sense.AT_LEAST, 0.30, _DOSISPHERE),
    FractionLimit(
        "lung shunt", "resin", "lung shunt fraction", Sense.BELOW, 0.20, _THESIS, contraindication=True
    ),
    FractionLimit(
        "hepatic reserve, lobectomy",
        "resin",
        "hepatic reserve",
        Sense.AT_LEAST,
        0.30,
        f"{EANM}, table 3",
        (Scenario.LOBECTOMY,),
    ),
)
