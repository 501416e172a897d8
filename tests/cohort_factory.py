"""Simulated results of a cohort: metrics.json and dvh.csv as `dose` writes them, without any dose calculation."""

import csv
import json
from pathlib import Path

import numpy as np

from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus

K_GY_KG_PER_GBQ = 49.77


def region(name, role, mean_gy, volume_ml):
    numbers = {
        f"d{x}_gy": mean_gy * f for x, f in ((2, 1.8), (50, 0.95), (70, 0.7), (90, 0.4), (95, 0.3), (98, 0.2))
    }
    return {
        "name": name, "role": role, "automatic": False, "volume_ml": volume_ml, "mass_g": 1.05 * volume_ml,
        "activity_bq": mean_gy * volume_ml * 1.05e-3 / K_GY_KG_PER_GBQ * 1e9, "mean_gy": mean_gy,
        "mass_weighted_mean_gy": mean_gy, "min_gy": 0.0, "max_gy": 2.2 * mean_gy, "sd_gy": 0.4 * mean_gy, **numbers,
        "v_percent": {"50": 60.0, "100": 30.0, "205": 5.0}, "bed_mean_gy": None, "eqd2_mean_gy": None,
        "eud_gy": None, "radiobiology": None,
        "relative_uncertainty": None,
    }  # fmt: skip


def metrics(label, *, tumour_gy, normal_gy, tumour_ml, liver_ml, shunt, warnings=(), missed=()):
    regions = [
        region(
            "Liver",
            "liver",
            (tumour_gy * tumour_ml + normal_gy * (liver_ml - tumour_ml)) / liver_ml,
            liver_ml,
        ),
        region("GTV1", "tumour", tumour_gy, tumour_ml),
        region("all tumours", "tumours", tumour_gy, tumour_ml),
        region("non-tumour liver", "non_tumour_liver", normal_gy, liver_ml - tumour_ml),
        region("lungs", "lungs", 40.0 * shunt, 3500.0),
    ]
    held = regions[0]["activity_bq"]
    activity = held / (1 - shunt)
    return {
        "schema_version": 1, "kind": "dose", "study": {"label": label, "study_instance_uid": "2.25.1"},
        "nuclide": "Y-90", "predicted": False, "engine": "convolution",
        "energy_per_activity_j_per_gbq": K_GY_KG_PER_GBQ, "activity_bq": activity, "map_activity_bq": activity * (1 + shunt),
        "map_over_net": 1 + shunt, "calibration": {"mode": "relative", "region": "liver"}, "hepatic_reserve": None,
        "lung": {
            "shunt_fraction": shunt, "shunt_source": "given",
            "mean_mird_1kg_gy": K_GY_KG_PER_GBQ * activity * 1e-9 * shunt, "mean_mird_ct_gy": None,
        },
        "regions": regions,
        "limits": [{"name": name, "status": "not met"} for name in missed],
        "warnings": [{"code": code, "message": f"what {code} means"} for code in warnings],
        "provenance": {"version": "0.1.0"},
    }  # fmt: skip


def write_results(folder: Path, document):
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(document))
    (folder / "report.html").write_text("<p>report</p>")
    with (folder / "dvh.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("region", "role", "dose_gy", "volume_ml", "volume_percent"))
        for row in document["regions"]:
            doses = np.linspace(0.0, 2.5 * row["mean_gy"], 60)
            share = 1 / (1 + (doses / row["mean_gy"]) ** 4)
            for dose, part in zip(doses, share, strict=True):
                writer.writerow(
                    (
                        row["name"],
                        row["role"],
                        f"{dose:.6g}",
                        f"{part * row['volume_ml']:.6g}",
                        f"{100 * part:.6g}",
                    )
                )


def simulated(index, rng):
    """Facts of one ordinary study."""
    return {
        "tumour_gy": float(rng.lognormal(np.log(210), 0.28)),
        "normal_gy": float(rng.lognormal(np.log(38), 0.25)),
        "tumour_ml": float(rng.lognormal(np.log(90), 0.5)),
        "liver_ml": float(rng.normal(1650, 180)),
        "shunt": float(np.clip(rng.lognormal(np.log(0.05), 0.35), 0.01, 0.2)),
    }


ODD = {
    7: {"tumour_gy": 1450.0},
    19: {"normal_gy": 4.1},
    23: {"shunt": 0.31},
}
BROKEN = {
    4: (StudyStatus.REFUSED, "study-04: two emission series fit (1.2.3 and 1.2.4). Say which with --emission-series."),
    11: (StudyStatus.FAILED, "killed by the system: out of memory at 4 GB"),
    16: (StudyStatus.REFUSED, "study-16: the liver region 'Liver' is not wholly inside the emission image."),
    28: (StudyStatus.FAILED, "stopped after 600 s"),
    33: (StudyStatus.REFUSED, "study-33: the activity '2.4' has no unit; write it like '2.4 GBq'."),
    38: (StudyStatus.REFUSED, "study-38: no emission image was found."),
}  # fmt: skip


def write_cohort_folders(out: Path, count=40, seed=5, *, outcomes=True):
    """Write the results of a simulated cohort and return its outcomes; three are odd, six are broken."""
    rng = np.random.default_rng(seed)
    studies = []
    for index in range(count):
        name = f"study-{index:02d}"
        facts = simulated(index, rng) | ODD.get(index, {})
        codes = ["convolution-in-lung"] + (["lungs-truncated"] if index % 3 == 0 else [])
        codes += ["liver-outside"] if index == 9 else []
        missed = ("lung dose per treatment",) if facts["shunt"] > 0.25 else ()
        chance = 1 / (1 + np.exp(-(facts["tumour_gy"] - 210) / 45))
        months = float(np.round(rng.exponential(14 + 12 * chance), 1))
        columns = {
            "arm": "AB"[index % 2],
            "response": ("CR", "PR")[index % 2] if rng.random() < chance else ("SD", "PD")[index % 2],
            "survival_months": str(min(months, 30.0)),
            "event": str(int(months < 30.0)),
        } if outcomes else {}  # fmt: skip
        if index in BROKEN:
            status, reason = BROKEN[index]
            studies.append(StudyOutcome(name, name, status, reason, None, columns, 2.0, 10**8))
            continue
        folder = Path("studies") / name
        write_results(out / folder, metrics(name, **facts, warnings=codes, missed=missed))
        seconds = float(np.round(rng.normal(4, 0.5), 2))
        studies.append(StudyOutcome(name, name, StudyStatus.DONE, None, folder, columns, seconds, 5 * 10**8))
    return studies
