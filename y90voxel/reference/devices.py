"""Microsphere products as named records: vials, spheres, and the activity basis of published doses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = [
    "DEVICES_VERSION",
    "ActivityBasis",
    "Device",
    "activity_rule_devices",
    "check_carries",
    "device",
    "device_label",
    "known_devices",
]

DEVICES_VERSION = "2026-11"


class ActivityBasis(StrEnum):
    """What an activity was measured with.

    Dose thresholds were mostly derived with the vendor's activity. Independent assay found 26 % more than the
    label in resin (Selwyn et al. 2008, doi 10.1118/1.2889621), and post-therapy imaging about 25 % less than the
    vendor's activity in glass (AAPM 2025): the basis belongs beside the number.
    """

    VENDOR = "vendor"
    DOSE_CALIBRATOR = "dose calibrator"
    IMAGE = "image"


@dataclass(frozen=True)
class Device:
    """A microsphere product.

    Parameters
    ----------
    name : str
        ``"glass"``, ``"resin"``, ``"ho166"``, or a name of your own.
    product : str
        Trade name.
    nuclide : str
        Therapy nuclide.
    vial_sizes_gbq : tuple of float
        Activities at calibration that are sold [GBq]; empty when made to order.
    order_range_gbq : tuple of float or None, (2,)
        Least and greatest activity at calibration made to order [GBq].
    spheres_per_gbq : float or None
        Spheres per GBq at calibration; None when the count does not grow with activity.
    spheres_per_vial : float or None
        Spheres in any vial; None when the count grows with activity.
    diameter_um : tuple of float, (2,)
        Range of sphere diameters [µm].
    density_g_per_ml : float
        Of the spheres [g/mL]; published values differ, see the source.
    whole_vial : bool
        True when a vial is injected whole, False when the order is drawn from it.
    activity_basis : ActivityBasis
        What the vial activity was measured with.
    clinical_dose_constant_gy_kg_per_gbq : float or None
        Dose constant of the product's own dose rule, where it differs from the nuclide record [Gy·kg/GBq].
    source, version : str
        Where the numbers come from, and which edition of this table.
    label : str
        What reports call it; empty takes the name.
    lung_warning_gy : float or None
        Lung dose below the limits from which a warning is due [Gy]; None without reported cases.
    by_activity_rules : bool
        Whether the BSA and empirical rules were made for it.
    deciding_facts : tuple of str
        Facts of `y90voxel.clinical.limits.ClinicalContext` that decide which of its limits apply, and are asked for.

    Raises
    ------
    InputError
        If there is neither vial nor order range, not exactly one sphere count, or a number out of range.
    """

    name: str
    product: str
    nuclide: str
    vial_sizes_gbq: tuple[float, ...]
    order_range_gbq: tuple[float, float] | None
    spheres_per_gbq: float | None
    spheres_per_vial: float | None
    diameter_um: tuple[float, float]
    density_g_per_ml: float
    whole_vial: bool
    activity_basis: ActivityBasis
    clinical_dose_constant_gy_kg_per_gbq: float | None
    source: str
    version: str = DEVICES_VERSION
    label: str = ""
    lung_warning_gy: float | None = None
    by_activity_rules: bool = False
    deciding_facts: tuple[str, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if not self.vial_sizes_gbq and self.order_range_gbq is None:
            raise InputError(
                f"{self.name}: a device needs vial sizes or a range of activities made to order."
            )
        if (self.spheres_per_gbq is None) == (self.spheres_per_vial is None):
            raise InputError(f"{self.name}: give spheres per GBq or spheres per vial, one of the two.")
        for size in (*self.vial_sizes_gbq, *(self.order_range_gbq or ())):
            check_positive(size, f"{self.name}: a vial size", "GBq")
        check_positive(
            self.spheres_per_gbq or self.spheres_per_vial or 0.0, f"{self.name}: the sphere count", ""
        )

    def spheres(self, calibrated_activity_gbq: float) -> float:
        """Return the number of spheres in a vial of that activity at calibration.

        Raises
        ------
        InputError
            If the activity is not positive.
        """
        check_positive(calibrated_activity_gbq, "the vial activity at calibration", "GBq")
        if self.spheres_per_vial is not None:
            return self.spheres_per_vial
        assert self.spheres_per_gbq is not None
        return self.spheres_per_gbq * calibrated_activity_gbq


_GLASS = Device(
    "glass", "TheraSphere", "Y-90", (3.0, 5.0, 7.0, 10.0, 15.0, 20.0), None, 0.40e6, None, (20.0, 30.0), 3.2, True,
    ActivityBasis.VENDOR, None,
    "US package insert v12 (vials, diameters); 1.2 million spheres per 3 GBq and density 3.2 g/mL (another table: "
    "3.6): doi 10.2217/hep.14.6, table 3",
    label="glass microspheres", lung_warning_gy=25.0, deciding_facts=("bilirubin_umol_per_l",),
)  # fmt: skip
_RESIN = Device(
    "resin", "SIR-Spheres", "Y-90", (3.0,), None, 44.0e6 / 3.0, None, (22.0, 42.0), 1.6, False,
    ActivityBasis.VENDOR, None,
    "manufacturer's pages (3.0 GBq with 10 % tolerance, 32 ± 10 µm); 44 ± 2.6 million spheres per 3 GBq (literature "
    "40 to 80 million): 68.2 Bq per sphere at calibration, not the 50 Bq often printed; density 1.6 g/mL: "
    "doi 10.2217/hep.14.6, table 3",
    label="resin microspheres", lung_warning_gy=15.0, by_activity_rules=True,
    deciding_facts=("liver_function", "pretreated"),
)  # fmt: skip
_HO166 = Device(
    "ho166", "QuiremSpheres", "Ho-166", (), (6.0, 12.0), None, 33.0e6, (20.0, 50.0), 1.4, False,
    ActivityBasis.VENDOR, 15.87,
    "PMC8583383, table 4 (33 million spheres, 600 mg, 6 to 12 GBq, 1.4 g/mL); 60 Gy and 3.78 GBq/kg: van Roekel, "
    "PhD thesis, Utrecht 2021",
    label="holmium microspheres", deciding_facts=("liver_function",),
)  # fmt: skip
_DEVICES = {record.name: record for record in (_GLASS, _RESIN, _HO166)}


def known_devices() -> tuple[str, ...]:
    """Return the names of all devices with a record."""
    return tuple(_DEVICES)


def device_label(name: str | None) -> str:
    """Return what reports call a device; empty for None, the name where there is no record."""
    record = _DEVICES.get(name or "")
    return (name or "") if record is None else record.label or record.name


def activity_rule_devices() -> tuple[str, ...]:
    """Return the names of the devices that the BSA and empirical rules were made for."""
    return tuple(name for name, record in _DEVICES.items() if record.by_activity_rules)


def device(name: str | Device, **changes: Any) -> Device:
    """Return the record of a device, with fields of your own where given.

    Parameters
    ----------
    name : str or Device
        ``"glass"``, ``"resin"``, ``"ho166"``; a record is returned with the changes.
    **changes
        Fields of `Device` that replace the record's; say in ``source`` where they come from.

    Raises
    ------
    InputError
        If the device or a field is unknown.

    Examples
    --------
    >>> device("glass").vial_sizes_gbq
    (3.0, 5.0, 7.0, 10.0, 15.0, 20.0)
    >>> round(3e9 / device("resin").spheres(3.0), 1)
    68.2
    """
    if isinstance(name, Device):
        record = name
    elif name in _DEVICES:
        record = _DEVICES[name]
    else:
        raise InputError(
            f"unknown device {name!r}. The devices are {', '.join(_DEVICES)}.", tag="administration.device"
        )
    unknown = set(changes) - set(Device.__dataclass_fields__)
    if unknown:
        raise InputError(
            f"a device has no {', '.join(sorted(unknown))}. The fields are {', '.join(Device.__dataclass_fields__)}."
        )
    return replace(record, **changes)


def check_carries(device_name: str | None, nuclide: str) -> None:
    """Refuse a device that carries another nuclide than the one of the treatment.

    Parameters
    ----------
    device_name : str or None
        Device; None is not known and passes.
    nuclide : str
        Therapy nuclide.

    Raises
    ------
    InputError
        If the device is unknown or carries another nuclide.
    """
    if device_name is None:
        return
    carried = device(device_name).nuclide
    if carried != nuclide:
        raise InputError(
            f"the device {device_name} carries {carried}, but the nuclide is {nuclide}. Give --nuclide {carried}, or another "
            "device.",
            tag="administration.device",
        )
