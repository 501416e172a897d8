"""JSON Schemas of the documents that commands write: what holds at the top, and of regions, limits and models in full.

Nested tables may gain keys; the top of a document and the entry of a region have the keys that are declared here and no
others. Units are in the names: ``_gy``, ``_bq``, ``_ml``, ``_g``, ``_mm``, ``_s``.
"""

from __future__ import annotations

import json
from typing import Any

from y90voxel.case.evaluation import SCHEMA_VERSION as METRICS_VERSION
from y90voxel.comparison.comparison_result import SCHEMA_VERSION as COMPARE_VERSION
from y90voxel.errors import InputError
from y90voxel.planning.plan_result import SCHEMA_VERSION as PLAN_VERSION
from y90voxel.study.run_commission import SCHEMA_VERSION as COMMISSION_VERSION
from y90voxel.study.schema_parts import (
    BOOL,
    COUNT,
    GRID,
    LIMIT,
    NUMBER,
    PROVENANCE,
    REGION,
    TEXT,
    WARNINGS,
    Schema,
    closed,
    constant,
    items,
    mapping,
    maybe,
    open_object,
    said,
)

__all__ = ["RESULT_SCHEMAS", "result_schema", "schema_of_kind"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TABLE: Schema = {"type": "object"}
STUDY = open_object(
    {
        "label": said(TEXT, "what the outputs call the study; names nobody"),
        "study_instance_uid": said(
            maybe(TEXT), "of the DICOM study; null with --anonymise and for files of images"
        ),
    }
)


def _document(kind: str, version: int, keys: dict[str, Schema], **optional: Schema) -> Schema:
    """The schema of a document of a kind."""
    return closed({"schema_version": constant(version), "kind": constant(kind), **keys}, optional=optional)


METRICS = _document(
    "dose", METRICS_VERSION,
    {
        "study": STUDY,
        "patient": said(maybe(TABLE), "what was stated of the patient; units are in the keys"),
        "nuclide": said(TEXT, "of the therapy, such as Y-90"),
        "predicted": said(BOOL, "true when a surrogate was imaged"),
        "engine": said(TEXT, "what ran"),
        "engine_requested": said(TEXT, "what was asked for: its name, or auto"),
        "engine_reason": said(TEXT, "why it was this one"),
        "engine_check": said(maybe(TABLE), "what the exact engine would change, by region"),
        "energy_per_activity_j_per_gbq": said(NUMBER, "electron energy of the complete decay [J/GBq]"),
        "activity_bq": said(NUMBER, "net administered activity of all injections [Bq]"),
        "map_activity_bq": said(NUMBER, "activity of the whole map at administration [Bq]"),
        "map_over_net": said(NUMBER, "map_activity_bq over activity_bq"),
        "arteries": said(maybe(TABLE), "of several injections: activity at the last one [Bq], and what each gave and where"),
        "focal_uptake": said(items(TABLE), "foci of uptake outside the liver: place [mm, LPS], volume [mL], dose [Gy]"),
        "calibration": said(
            open_object(
                {
                    "mode": said(TEXT, "relative, absolute or factor"),
                    "region": said(maybe(TEXT), "whose counts stand for the activity; relative calibration"),
                }
            ),
            "how counts became activity; alternatives: what other regions would make of all doses, as factors",
        ),
        "density": said(mapping(TEXT), "where densities come from, by part of the body"),
        "hepatic_reserve": said(maybe(NUMBER), "untreated fraction of the liver volume"),
        "lung": said(
            open_object(
                {
                    "shunt_fraction": said(maybe(NUMBER), "lung shunt fraction, 0 to 1"),
                    "by_method": said(items(TABLE), "mean lung dose by each convention and engine [Gy]"),
                    "reliable": said(BOOL, "false where CT and contours show different breathing positions"),
                },
                optional={
                    "mean_mird_1kg_gy": said(maybe(NUMBER), "MIRD dose over 1 kg, which limits refer to [Gy]"),
                    "mean_mird_ct_gy": said(maybe(NUMBER), "the same over the mass of whole lungs by CT [Gy]"),
                    "ct_mass_g": said(maybe(NUMBER), "that mass [g]"),
                    "fraction_in_fov": said(maybe(NUMBER), "share of the lungs that the image shows, 0 to 1"),
                    "mean_voxel_gy": said(maybe(NUMBER), "mean of the dose map by volume [Gy]"),
                    "mass_weighted_mean_voxel_gy": said(maybe(NUMBER), "mean of the dose map by mass [Gy]"),
                },
            ),
            "lung doses; there is more than one, and they differ",
        ),
        "regions": said(items(REGION), "one entry a region, drawn, automatic or derived"),
        "partial_volume": said(maybe(TABLE), "how the image was corrected for blur, where asked for"),
        "uncertainty": said(maybe(TABLE), "inputs and statements of --uncertainty; relative ones as fractions, lengths in mm"),
        "immune": said(maybe(TABLE), "exploratory"),
        "microscale": said(maybe(TABLE), "exploratory"),
        "limits": said(items(LIMIT), "every limit and goal of the device, beside what was found"),
        "reporting": said(
            items(
                open_object(
                    {
                        "item": said(TEXT, "item of a standard report"),
                        "source": said(TEXT, "who asks for it"),
                        "status": said(TEXT, "present, derived, missing or not asked"),
                        "where": said(maybe(TEXT), "where it stands, or how it would come in"),
                    }
                )
            ),
            "completeness of the report",
        ),
        "warnings": WARNINGS,
        "provenance": PROVENANCE,
    },
)  # fmt: skip

DVH = _document("dvh", 1, {"regions": items(REGION), "warnings": WARNINGS, "provenance": PROVENANCE})

MODEL = open_object(
    {
        "name": TEXT,
        "title": TEXT,
        "available": BOOL,
        "reason": said(maybe(TEXT), "why it cannot be used"),
        "activity_bq": said(maybe(NUMBER), "net activity of all injections [Bq]"),
        "activities_bq": said(items(NUMBER), "by injection [Bq]"),
        "doses_gy": said(mapping(maybe(NUMBER)), "by role [Gy]"),
        "doses_by_region_gy": said(mapping(maybe(NUMBER)), "by region [Gy]"),
        "limits": items(open_object({"name": TEXT, "status": TEXT})),
        "greatest_activity_bq": maybe(NUMBER),
        "binding_constraint": maybe(TEXT),
        "binding_constraints": items(TEXT),
        "binding_unconfirmed": items(TEXT),
        "prescription": maybe(TABLE),
        "goal_only": BOOL,
        "limited_by_supply": items(TEXT),
        "stop": maybe(TEXT),
        "infeasibility": maybe(TABLE),
        "inputs": TABLE,
        "voxel_doses_gy": TABLE,
        "radiobiology": items(TABLE),
    }
)

PLAN = _document(
    "plan", PLAN_VERSION,
    {
        "study": STUDY,
        "patient": maybe(TABLE),
        "nuclide": TEXT,
        "predicted": BOOL,
        "device": maybe(open_object({"name": TEXT, "product": TEXT, "activity_basis": TEXT, "version": TEXT, "source": TEXT})),
        "product_rule": maybe(TABLE),
        "engine": maybe(TEXT),
        "engine_requested": maybe(TEXT),
        "dose_constant_gy_kg_per_gbq": NUMBER,
        "energy_per_activity_j_per_gbq": NUMBER,
        "frame_of_reference_uid": maybe(TEXT),
        "context": said(open_object({"scenario": maybe(TEXT), "disease": maybe(TEXT)}), "what decided which limits apply"),
        "lung": open_object({"shunt_fraction": NUMBER, "methods": items(TABLE)}),
        "masses": open_object({"tumours_g": mapping(NUMBER), "liver_volume_ml": maybe(NUMBER)}),
        "tumour_to_normal": items(open_object({"injection": TEXT, "tumour": TEXT, "mass_g": NUMBER, "ratio": maybe(NUMBER)})),
        "injections": items(open_object({"name": TEXT, "lung_shunt_fraction": NUMBER, "given_activity_bq": maybe(NUMBER)})),
        "regions": items(open_object({"name": TEXT, "role": TEXT, "dose_per_gbq_gy": items(NUMBER)})),
        "focal_uptake": items(TABLE),
        "first_model": said(TEXT, "the model that is ordered and shown first"),
        "stop": said(maybe(TEXT), "what forbids any activity"),
        "models": items(MODEL),
        "fraction_limits": items(open_object({"name": TEXT, "quantity": TEXT, "limit": NUMBER, "status": TEXT})),
        "limits_version": TEXT,
        "orders": items(TABLE),
        "treatment": items(maybe(TABLE)),
        "treatment_doses_gy": mapping(maybe(NUMBER)),
        "uncertainty": maybe(TABLE),
        "residual_fraction": NUMBER,
        "immune": said(maybe(TABLE), "exploratory"),
        "microscale": said(maybe(TABLE), "exploratory"),
        "warnings": WARNINGS,
        "provenance": PROVENANCE,
    },
)  # fmt: skip

SIDE = open_object(
    {
        "label": TEXT,
        "predicted": BOOL,
        "nuclide": maybe(TEXT),
        "engine": maybe(TEXT),
        "activity_bq": maybe(NUMBER),
        "grid": GRID,
    }
)
COMPARE = _document(
    "compare", COMPARE_VERSION,
    {
        "predicted": SIDE,
        "delivered": SIDE,
        "normalisation": open_object({"mode": TEXT, "factor": NUMBER, "applied_to": TEXT, "statement": TEXT}),
        "lung_shunt_fraction": closed({"predicted": maybe(NUMBER), "delivered": maybe(NUMBER)}),
        "resolution": maybe(TABLE),
        "registration": maybe(TABLE),
        "regions": items(
            open_object(
                {
                    "name": TEXT, "role": TEXT, "predicted": TABLE, "delivered": TABLE,
                    "difference": said(TABLE, "delivered minus predicted [Gy; percentage points for V_d]"),
                    "difference_percent": TABLE,
                }
            )
        ),
        "agreement": open_object({"lesions": items({}), "reason": maybe(TEXT), "concordance": maybe(NUMBER)}),
        "voxels": maybe(TABLE),
        "voxels_reason": said(maybe(TEXT), "why nothing was compared voxel by voxel"),
        "warnings": WARNINGS,
        "provenance": PROVENANCE,
    },
)  # fmt: skip

ACCUMULATE = _document(
    "accumulate", 1,
    {
        "treatments": items(open_object({"name": TEXT, "kind": TEXT, "start": maybe(TEXT), "nuclide": maybe(TEXT)})),
        "reference": TEXT,
        "voxels_summed": BOOL,
        "model_value": maybe(TEXT),
        "parameters": items(open_object({"name": TEXT, "alpha_beta_gy": NUMBER, "source": maybe(TEXT)})),
        "regions": items(
            open_object(
                {
                    "name": TEXT, "role": TEXT, "volume_ml": maybe(NUMBER), "mean_gy_by_treatment": mapping(maybe(NUMBER)),
                    "mean_gy": maybe(NUMBER), "effective": items(TABLE),
                }
            )
        ),
        "focal_liver": open_object({"name": TEXT, "volume_below_ml": mapping(NUMBER)}),
        "limits": items(
            open_object(
                {
                    "region": TEXT, "quantity": TEXT, "value_gy": maybe(NUMBER), "limit_gy": NUMBER,
                    "left_gy": maybe(NUMBER), "status": TEXT,
                }
            )
        ),
        "warnings": WARNINGS,
        "registrations": items(TABLE),
        "provenance": PROVENANCE,
    },
)  # fmt: skip

COMMISSION = _document(
    "commission", COMMISSION_VERSION,
    {
        "nuclide": TEXT,
        "modality": TEXT,
        "reference_time": TEXT,
        "sphere_bq_per_ml": maybe(NUMBER),
        "background_bq_per_ml": maybe(NUMBER),
        "total_bq": maybe(NUMBER),
        "calibration": maybe(open_object({"value": NUMBER, "unit": TEXT, "relative_uncertainty": maybe(NUMBER)})),
        "recovery_fit": maybe(TABLE),
        "gaussian_fit": maybe(TABLE),
        "dead_time": maybe(TABLE),
        "linearity": items({}),
        "acquisitions": items(open_object({"start": TEXT, "duration_s": NUMBER, "activity_bq": NUMBER, "spheres": items(TABLE)})),
        "limits": items(open_object({"name": TEXT, "value": maybe(NUMBER), "limit": NUMBER, "passed": maybe(BOOL)})),
        "warnings": WARNINGS,
        "reconstruction": TABLE,
        "trend": items(TABLE),
        "provenance": PROVENANCE,
    },
)  # fmt: skip

REASON = open_object({"study": TEXT, "label": maybe(TEXT), "reason": maybe(TEXT)})
STATUS = _document(
    "batch", 1,
    {
        "version": TEXT,
        "job": said(maybe(TEXT), "what was done with each study: dose, plan, compare, course or all"),
        "counts": said(mapping(COUNT), "studies by status"),
        "computed": said(COUNT, "units of work that this run computed"),
        "done": items(TEXT),
        "failed": items(open_object({"study": TEXT, "label": maybe(TEXT), "error": maybe(TEXT)})),
        "refused": items(REASON),
        "skipped": items(REASON),
        "stale": items(REASON),
        "groups": said(
            items(open_object({"status": TEXT, "kind": TEXT, "studies": items(TEXT)})), "what did not end well, by cause"
        ),
        "remarks": items({}),
    },
)  # fmt: skip

COURSE = _document(
    "course", 1,
    {
        "title": maybe(TEXT),
        "sessions": items(
            open_object({"name": TEXT, "kind": TEXT, "date": maybe(TEXT), "day": maybe(NUMBER), "status": maybe(TEXT)})
        ),
        "comparisons": items(TABLE),
        "accumulate": maybe(TABLE),
        "fingerprints": mapping(TEXT),
        "provenance": PROVENANCE,
    },
)  # fmt: skip

# By the name that `y90voxel schema` knows, which is that of the file but for metrics of `dvh`.
RESULT_SCHEMAS: dict[str, Schema] = {
    "metrics": METRICS, "dvh": DVH, "plan": PLAN, "compare": COMPARE, "accumulate": ACCUMULATE, "commission": COMMISSION,
    "status": STATUS, "course": COURSE,
}  # fmt: skip


def result_schema(name: str) -> str:
    """Return the JSON Schema of a kind of result as text; the same as ``docs/schemas/NAME.schema.json``.

    Parameters
    ----------
    name : str
        One of `RESULT_SCHEMAS`.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in RESULT_SCHEMAS:
        raise InputError(
            f"there is no schema {name!r}. There are: case, {', '.join(RESULT_SCHEMAS)}.", tag="NAME"
        )
    described = {"$schema": DIALECT, "title": f"y90voxel {name}", **RESULT_SCHEMAS[name]}
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def schema_of_kind(kind: Any) -> Schema | None:
    """Return the schema of documents of a kind, as their key ``kind`` says; None where there is none."""
    return next((s for s in RESULT_SCHEMAS.values() if s["properties"]["kind"]["const"] == kind), None)
