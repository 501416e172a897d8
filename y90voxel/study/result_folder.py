"""The folders that `dose` and `plan` leave behind, read back as a dose with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.rtdose import DoseOrigin, read_dose_origin
from y90voxel.io.doses import read_dose
from y90voxel.io.images import read_ct_file
from y90voxel.io.json_files import read_json
from y90voxel.io.nifti import read_nifti
from y90voxel.io.segmentations import read_regions_file
from y90voxel.metrics.region_columns import D_PERCENT, V_GY
from y90voxel.metrics.summary import RegionMetrics, summarise
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study.study import file_record
from y90voxel.units import BQ_PER_GBQ, format_activity
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CtImage, DoseMap, Mask

__all__ = [
    "DoseFolder",
    "read_dose_folder",
    "read_plan_folder",
    "read_predicted_folder",
    "shown_ct",
    "with_activity",
]

# Where a scene for 3D Slicer keeps its CT.
SCENE_CT = "scene/ct.nrrd"
# What a run says when its images had no frame of reference: then that of its DICOM outputs is made up.
GENERATED_FRAME = "frame-of-reference-generated"


@dataclass(frozen=True, eq=False)
class DoseFolder:
    """A result folder that was read back.

    Parameters
    ----------
    side : ComparedDose
        Dose, regions and facts.
    patient_id : str or None
        To notice when two folders are of different patients; never written anywhere.
    inputs : tuple of mapping
        Files with checksums, for provenance.
    notices : tuple of Notice
        What was accepted or assumed.
    """

    side: ComparedDose
    patient_id: str | None
    inputs: tuple[Mapping[str, Any], ...]
    notices: tuple[Notice, ...]


def read_dose_folder(path: str | Path) -> DoseFolder:
    """Return what `dose` wrote to a folder.

    Parameters
    ----------
    path : path-like
        Holds ``metrics.json`` and ``dose.nii.gz``; regions and ``dose.dcm`` where they were written.

    Raises
    ------
    InputError
        If there is no such folder, it holds no results, or a file of it is missing, damaged or of another run.
    """
    folder = Path(path)
    metrics = read_document(folder, "metrics.json", "dose")
    notices: list[Notice] = []
    dose = _dose(folder / "dose.nii.gz", notices)
    origin = _origin(folder, metrics)
    grid = replace(dose.grid, frame_of_reference_uid=origin.frame_of_reference_uid)
    dose = replace(dose, grid=grid)
    try:
        side = _side(folder, metrics, dose, _regions(folder, metrics, grid))
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(folder / "metrics.json", f"an entry is missing or misplaced ({error})") from error
    files = [("metrics", "metrics.json"), ("dose", "dose.nii.gz"), ("regions", "regions.nii.gz")]
    inputs = tuple(file_record(folder / name, role) for role, name in files if (folder / name).is_file())
    return DoseFolder(side, origin.patient_id, inputs, tuple(notices))


def with_activity(side: ComparedDose, path: str | Path) -> ComparedDose:
    """Return a side with the activity map of its folder, where it has one on the grid of the dose.

    Parameters
    ----------
    side : ComparedDose
        As read from the folder.
    path : path-like
        The folder.
    """
    file = Path(path) / "activity.nii.gz"
    if not file.is_file():
        return side
    image = read_nifti(file)
    grid = replace(image.grid, frame_of_reference_uid=side.dose.grid.frame_of_reference_uid)
    if not grid.is_same_as(side.dose.grid):
        return side
    return replace(side, activity=ActivityMap(image.array[0] * grid.voxel_volume_ml, side.dose.grid))


def shown_ct(path: str | Path) -> CtImage | None:
    """Return the CT that results hold to be looked at, None where they hold none; it names no frame of reference.

    Parameters
    ----------
    path : path-like
        Folder of `dose`.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    file = Path(path) / SCENE_CT
    said: list[Notice] = []  # to be looked at alone; what its values are worth, the run said that used them
    return read_ct_file(file, notices=said) if file.is_file() else None


def read_predicted_folder(path: str | Path, plan_model: str | None = None) -> DoseFolder:
    """Return a predicted dose: what `dose` wrote of a surrogate, or what `plan` wrote, for the activity of a model.

    Parameters
    ----------
    path : path-like
        Folder with ``metrics.json`` or ``plan.json``.
    plan_model : str or None
        As for `read_plan_folder`.

    Raises
    ------
    InputError
        If the folder is neither, or a model is given for what is no plan.
    """
    folder = Path(path)
    if (folder / "plan.json").is_file():
        return read_plan_folder(folder, plan_model)
    if plan_model is not None:
        raise InputError(
            f"{folder} is no folder of `y90voxel plan`, so it has no model {plan_model!r}.", file=folder
        )
    return read_dose_folder(folder)


def read_plan_folder(path: str | Path, model: str | None = None) -> DoseFolder:
    """Return the voxel doses that a plan predicts for the activities of one of its models.

    Parameters
    ----------
    path : path-like
        Holds ``plan.json`` and ``dose_per_gbq.nii.gz``, and one map an injection where there are several.
    model : str or None
        Name of a model of ``plan.json``; None takes the activity that was given, else the plan's first model.

    Raises
    ------
    InputError
        If there is no such folder or model, the plan has no dose maps, or a file of it is missing or damaged.
    """
    folder = Path(path)
    plan = read_document(folder, "plan.json", "plan")
    try:
        chosen = _model(plan, model, folder)
        dose, files, notices = _plan_dose(folder, chosen["activities_bq"])
        grid = replace(dose.grid, frame_of_reference_uid=plan.get("frame_of_reference_uid"))
        side = ComparedDose(
            dose=replace(dose, grid=grid),
            regions=_regions(folder, plan, grid),
            tumour_to_normal=_ratios(plan),
            label=str(plan["study"]["label"] or folder.name),
            study_instance_uid=plan["study"]["study_instance_uid"],
            nuclide=plan["nuclide"],
            is_prediction=True,
            activity_bq=chosen["activity_bq"],
            lung_shunt_fraction=plan["lung"]["shunt_fraction"],
            engine=plan["engine"],
            energy_per_activity_j_per_gbq=plan["energy_per_activity_j_per_gbq"],
        )
        side = replace(side, stated=_planned(side, plan, chosen["activities_bq"]))
        message = (
            f"the predicted dose is that of the plan's model {chosen['name']!r} ({chosen['title']}), "
            f"{format_activity(chosen['activity_bq'])}."
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(folder / "plan.json", f"an entry is missing or misplaced ({error})") from error
    notices.append(Notice("plan-activity", message))
    listed = [("plan", "plan.json"), *(("dose", name) for name in files), ("regions", "regions.nii.gz")]
    inputs = tuple(file_record(folder / name, role) for role, name in listed if (folder / name).is_file())
    return DoseFolder(side, None, inputs, tuple(notices))


def _model(plan: Mapping[str, Any], name: str | None, folder: Path) -> Mapping[str, Any]:
    """The model of a plan whose activities are taken."""
    models: dict[str, Mapping[str, Any]] = {m["name"]: m for m in plan["models"] if m["available"]}
    wanted = name or ("given" if "given" in models else plan["first_model"])
    if wanted not in models:
        raise InputError(
            f"the plan in {folder} has no activity by the model {wanted!r}. It has: {', '.join(models) or 'none'}.",
            file=folder / "plan.json",
            tag="--plan-model",
        )
    return models[wanted]


def _plan_dose(folder: Path, activities_bq: Sequence[float]) -> tuple[DoseMap, list[str], list[Notice]]:
    """Σ A_j d_j over the injections of a plan, the files it was made of, and what they say."""
    several = len(activities_bq) > 1
    names = [
        f"dose_per_gbq_injection_{number}.nii.gz" if several else "dose_per_gbq.nii.gz"
        for number in range(1, len(activities_bq) + 1)
    ]
    if not (folder / "dose_per_gbq.nii.gz").is_file():
        raise InputError(
            f"the plan in {folder} has no dose map: it was made from masses, or the file dose_per_gbq.nii.gz is gone.",
            file=folder / "dose_per_gbq.nii.gz",
        )
    notices: list[Notice] = []
    maps = [_dose(folder / name, notices) for name in names]
    for name, one in zip(names, maps, strict=True):
        if not one.grid.is_same_as(maps[0].grid):
            raise damaged(folder / name, "its voxels are not those of the other injections")
    total = sum(m.array * (bq / BQ_PER_GBQ) for m, bq in zip(maps, activities_bq, strict=True))
    return maps[0].with_array(np.asarray(total)), names, notices


def read_document(folder: Path, name: str, kind: str) -> dict[str, Any]:
    """Return the JSON document that makes a folder one of our results.

    Raises
    ------
    InputError
        If folder or file are not there, or the file is damaged or of another kind.
    """
    if not folder.is_dir():
        what = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
        raise InputError(f"{what}. Give a folder that y90voxel wrote.", file=folder)
    path = folder / name
    if not path.is_file():
        raise InputError(
            f"{folder} holds no {name}: it is not a folder that `y90voxel {kind}` wrote.", file=path
        )
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        stated_kind = document.get("kind") if isinstance(document, dict) else None
        raise InputError(
            f"{path} is of kind {stated_kind!r}, {kind!r} is needed: give a folder that `y90voxel {kind}` wrote.",
            file=path,
        )
    return document


def damaged(path: Path, reason: str) -> InputError:
    """Return the error for a result that cannot be understood."""
    return InputError(f"{path} is damaged: {reason}. Run the calculation again.", file=path)


def _dose(path: Path, notices: list[Notice]) -> DoseMap:
    """The dose map of a folder."""
    if not path.is_file():
        raise InputError(f"{path} is missing from the results. Run the calculation again.", file=path)
    return read_dose(path, notices=notices)


def _origin(folder: Path, metrics: Mapping[str, Any]) -> DoseOrigin:
    """Frame of reference and patient, from the RTDOSE beside the map; unknown where the frame was made up."""
    path = folder / "dose.dcm"
    if not path.is_file():
        return DoseOrigin(None, None)
    origin = read_dose_origin(path)
    settings = metrics.get("provenance", {}).get("settings", {})
    made_up = any(warning.get("code") == GENERATED_FRAME for warning in metrics.get("warnings", []))
    if made_up or settings.get("output", {}).get("anonymise"):
        return replace(origin, frame_of_reference_uid=None)
    return origin


def _regions(folder: Path, metrics: Mapping[str, Any], grid: Grid) -> tuple[Region, ...]:
    """Drawn and derived regions of a folder."""
    path = folder / "regions.nii.gz"
    if not path.is_file():
        if metrics["regions"]:
            raise InputError(f"{path} is missing from the results. Run the calculation again.", file=path)
        return ()
    placed = []
    for drawn in read_regions_file(path, notices=[]):
        if not isinstance(drawn.shape, Mask) or not drawn.shape.grid.is_same_as(grid):
            raise damaged(path, "its voxels are not those of the dose map")
        mask = replace(drawn.shape, grid=grid)
        placed.append(Region(drawn.name, drawn.role or Role.OTHER, mask, drawn.automatic))
    return tuple(Regions(grid, tuple(placed)))


def _side(
    folder: Path, metrics: Mapping[str, Any], dose: DoseMap, regions: tuple[Region, ...]
) -> ComparedDose:
    """What the metrics of a run say of its dose."""
    return ComparedDose(
        dose=dose,
        regions=regions,
        label=str(metrics["study"]["label"] or folder.name),
        study_instance_uid=metrics["study"]["study_instance_uid"],
        nuclide=metrics["nuclide"],
        is_prediction=metrics["predicted"],
        activity_bq=metrics["activity_bq"],
        lung_shunt_fraction=metrics["lung"]["shunt_fraction"],
        engine=metrics["engine"],
        energy_per_activity_j_per_gbq=metrics["energy_per_activity_j_per_gbq"],
        stated={entry["name"]: _stated(entry) for entry in metrics["regions"]},
    )


def _stated(entry: Mapping[str, Any]) -> RegionMetrics:
    """What a run says of a region in its ``metrics.json``."""
    plain = ("name", "role", "automatic", "volume_ml", "mass_g", "activity_bq", "relative_uncertainty")
    doses = ("mean_gy", "mass_weighted_mean_gy", "min_gy", "max_gy", "sd_gy")
    return RegionMetrics(
        **{key: entry[key] for key in (*plain, *doses)},
        d_gy={percent: entry[f"d{percent}_gy"] for percent in D_PERCENT},
        v_percent={dose: entry["v_percent"][str(dose)] for dose in V_GY},
    )


def _ratios(plan: Mapping[str, Any]) -> dict[str, float]:
    """Tumour-to-normal ratios of a plan, where one injection's map gives each tumour one."""
    rows: list[Mapping[str, Any]] = plan["tumour_to_normal"]
    names = [row["tumour"] for row in rows]
    return {row["tumour"]: row["ratio"] for row in rows if names.count(row["tumour"]) == 1}


def _planned(
    side: ComparedDose, plan: Mapping[str, Any], activities_bq: Sequence[float]
) -> dict[str, RegionMetrics]:
    """What a plan says of its regions at the activities of a model: histograms of the map, masses and means by mass."""
    rows = {row["name"]: row for row in plan["regions"] if row["mass_g"] is not None}
    metrics = {}
    for region in side.regions:
        if region.name in rows and region.mask.array.any():
            row = rows[region.name]
            mean = fsum(
                d * bq / BQ_PER_GBQ for d, bq in zip(row["dose_per_gbq_gy"], activities_bq, strict=True)
            )
            plain = summarise(region, side.histogram(region), None, None, None)
            metrics[region.name] = replace(plain, mass_g=row["mass_g"], mass_weighted_mean_gy=mean)
    return metrics
