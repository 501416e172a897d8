"""The page of a check of another program's dose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from y90voxel.report.dose_page import embedded, render_page
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, number
from y90voxel.report.vendor_check_figures import check_figures
from y90voxel.units import format_activity
from y90voxel.vendor_check.check_dose import VendorCheck

__all__ = ["check_content", "write_check_report"]

# Below it a residual is rounding, "< 0.01 %" [%].
SMALLEST_PERCENT = 0.01


def write_check_report(check: VendorCheck, document: Mapping[str, Any], folder: Path) -> None:
    """Write ``check.html`` and ``figures/*.png``.

    Parameters
    ----------
    check : VendorCheck
        What was found.
    document : mapping
        Content of ``check.json``.
    folder : Path
        Exists.
    """
    figures = check_figures(check)
    (folder / "figures").mkdir()
    for name, png in figures.items():
        (folder / "figures" / name).write_bytes(png)
    content = check_content(document) | {"figures": embedded(figures)}
    (folder / "check.html").write_text(render_page("check.html.j2", content), encoding="utf-8")


def check_content(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the page shows besides its figures.

    Parameters
    ----------
    document : mapping
        Content of ``check.json``.
    """
    own, provenance = document["own"], document["provenance"]
    shunt = own["lung_shunt_fraction"]
    words = [
        own["nuclide"],
        f"our engine: {own['engine']}",
        f"calibration: {own['calibration']}",
        None if shunt is None else f"lung shunt {_percent(100 * shunt)}",
    ]
    return {
        "heading": "Check of another program's dose",
        "label": document["label"],
        "subtitle": " · ".join(word for word in words if word),
        "predicted": None,  # no banner PREDICTED
        "disclaimer": document["disclaimer"],
        "version": provenance["version"],
        "computed": date_and_time(provenance["started"]),
        "verdict": document["verdict"],
        "cards": _cards(document),
        "warnings": document["warnings"],
        "causes": [_cause_row(cause) for cause in document["causes"]],
        "candidates": [
            {"label": one["label"], "factor": number(one["factor"], 4)}
            for cause in document["causes"]
            for one in cause["candidates"]
        ],
        "regions": [_region_row(region) for region in document["regions"]],
        "their_regions": any(region["their_name"] for region in document["regions"]),
        "gamma": [_gamma_row(one) for one in document["gamma"]],
        "models": [_model_row(one, document["explanation"]["model"]) for one in document["models"]],
        "facts": _facts(document),
        "inputs": [
            {
                "file": i.get("file") or f"series …{i['series_instance_uid'][-12:]}",
                "role": i["role"],
                "sha256": str(i["sha256"])[:12],
            }
            for i in (*provenance["vendor"], *provenance["own"])
        ],
    }


def _percent(value: float | None) -> str:
    """A number in per cent."""
    if value is not None and 0 <= value < SMALLEST_PERCENT:
        return f"< {SMALLEST_PERCENT:g} %"
    return MISSING if value is None else f"{number(value, 3)} %"


def _signed(value: float | None) -> str:
    """A difference in per cent."""
    return MISSING if value is None else f"{value:+.1f}".replace("-", "−")


def _cards(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """The few numbers that are read first."""
    found, activity = document["explanation"], document["activity"]
    gamma = document["gamma"][0]
    passed = gamma["pass_percent"]
    return [
        {"label": "Causes", "value": str(len(document["causes"])), "note": "of the difference, below"},
        {
            "label": "Global factor",
            "value": number(found["factor"], 4),
            "note": "theirs over ours, of the model that fits",
        },
        {
            "label": "Difference as they are",
            "value": _percent(found["difference_percent"]),
            "note": "root mean square over theirs",
        },
        {
            "label": "Left unexplained",
            "value": _percent(found["residual_percent"]),
            "note": "noise of their map "
            + (MISSING if found["noise_percent"] is None else _percent(found["noise_percent"])),
        },
        {
            "label": f"Gamma {gamma['distance_mm']:g} mm / {gamma['dose_percent']:g} %",
            "value": MISSING if passed is None else f"{passed:.1f} %",
            "note": "of voxels pass, as they are",
        },
        {
            "label": "Activity in their map",
            "value": format_activity(activity["their_map_bq_by_energy"]),
            "note": f"from the energy it holds; net administered {format_activity(activity['net_bq'])}",
        },
    ]


def _cause_row(cause: Mapping[str, Any]) -> dict[str, Any]:
    """One cause."""
    many = len(cause["candidates"])
    return {
        "label": cause["label"],
        "name": cause["name"],
        "without": _percent(cause["residual_without_percent"]),
        "note": f"one of {many} causes below; the dose alone cannot tell which" if many else "",
    }


def _region_row(region: Mapping[str, Any]) -> dict[str, str]:
    """One region."""

    def dose(side: str, key: str) -> str:
        return MISSING if region[side] is None else dose_text(region[side][key])

    ratio, margin = region["volume_ratio"], region["margin_mm"]
    return {
        "name": region["name"],
        "role": region["role"].replace("_", " "),
        "volume": number(region["volume_ml"]),
        "their_volume": number(region["their_volume_ml"]),
        "ratio": number(ratio, 3),
        "margin": MISSING if margin is None else f"{margin:+.1f}".replace("-", "−"),
        "dice": number(region["dice"], 3),
        "ours": dose("ours", "mean_gy"),
        "theirs": dose("theirs", "mean_gy"),
        "difference": _signed(region["difference_percent"]),
        "explained": dose("explained", "mean_gy"),
        "their_dose_in_their_region": dose("theirs_in_their_region", "mean_gy"),
        "our_d70": dose("ours", "d70_gy"),
        "their_d70": dose("theirs", "d70_gy"),
    }


def _gamma_row(one: Mapping[str, Any]) -> dict[str, str]:
    """One criterion."""
    values = [one["pass_percent"], one["pass_percent_explained"]]
    as_is, explained = (MISSING if v is None else f"{v:.1f} %" for v in values)
    return {
        "criteria": f"{one['distance_mm']:g} mm / {one['dose_percent']:g} %",
        "as_is": as_is,
        "explained": explained,
    }


def _model_row(one: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    """One model."""
    word = "chosen" if one["name"] == chosen else "fits as well" if one["fits_as_well"] else ""
    return {
        "label": one["label"],
        "factor": number(one["factor"], 4),
        "residual": _percent(one["residual_percent"]),
        "word": word,
        "chosen": one["name"] == chosen,
    }


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What else was measured, by name."""
    own, vendor, activity = document["own"], document["vendor"], document["activity"]

    def grid(of: Mapping[str, Any]) -> str:
        shape = " × ".join(str(n) for n in of["shape"])
        spacing = " × ".join(f"{s:.3g}" for s in of["spacing_mm"])
        return f"{shape} voxels of {spacing} mm"

    return [
        ("Our grid", grid(own["grid"])),
        ("Their grid", grid(vendor["grid"])),
        ("Our energy outside their grid", _percent(activity["our_energy_outside_their_grid_percent"])),
        ("Activity in our map", format_activity(activity["our_map_bq"])),
        (
            "Density of liver and tumour",
            f"{own['liver_density_g_per_ml']:g} g/mL"
            + (", all by region" if own["densities_by_role"] else ""),
        ),
        ("Their greatest dose", f"{dose_text(vendor['max_gy'])} Gy"),
        ("Compared voxels", str(document["explanation"]["voxels"])),
    ]
