"""Pieces that JSON Schemas of results are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.metrics.region_columns import REGION_COLUMNS

__all__ = [
    "BOOL",
    "COUNT",
    "GRID",
    "LIMIT",
    "NUMBER",
    "PROVENANCE",
    "REGION",
    "TEXT",
    "WARNINGS",
    "Schema",
    "closed",
    "constant",
    "items",
    "mapping",
    "maybe",
    "open_object",
    "said",
]  # fmt: skip

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOL: Schema = {"type": "boolean"}


def said(schema: Schema, description: str) -> Schema:
    """Return a schema with what its value means, and the unit."""
    return {**schema, "description": description}


def maybe(schema: Schema) -> Schema:
    """Return a schema that null fits too: what is not known, or was not asked for."""
    return {**schema, "type": [schema["type"], "null"]}


def items(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def mapping(schema: Schema) -> Schema:
    """Return the schema of a table whose keys are names of the user or of the case."""
    return {"type": "object", "additionalProperties": schema}


def constant(value: Any) -> Schema:
    """Return a schema that one value fits."""
    return {"const": value}


def open_object(keys: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a table with these keys, and perhaps others."""
    return {"type": "object", "properties": {**keys, **(optional or {})}, "required": list(keys)}


def closed(keys: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a table with these keys and no others, but for optional ones."""
    return {**open_object(keys, optional=optional), "additionalProperties": False}


def _region() -> Schema:
    """The entry of a region, as its columns are declared."""
    kinds = {"string": TEXT, "bool": BOOL, "double": maybe(NUMBER), "int64": maybe(COUNT)}
    keys: dict[str, Schema] = {}
    for column in REGION_COLUMNS:
        schema = kinds[column.kind] if column.cohort else maybe({"type": "object"})
        schema = said(schema, column.meaning) if column.meaning else schema
        if len(column.path) == 1:
            keys[column.path[0]] = schema
        else:
            table, key = column.path
            known = keys[table]["properties"] if table in keys else {}
            keys[table] = closed({**known, key: schema})
    return closed(keys)


REGION = _region()
GRID = open_object({"shape": items(COUNT), "spacing_mm": items(NUMBER), "affine": items(items(NUMBER))})
WARNINGS = said(
    items(closed({"code": said(TEXT, "its kind, for programs"), "message": said(TEXT, "for people")})),
    "every assumption and oddity, the most urgent first",
)
PROVENANCE = said(
    open_object(
        {"version": said(TEXT, "of y90voxel")},
        optional={
            "inputs": said(items({"type": "object"}), "every file or series that was used, with its sha256"),
            "settings": said({"type": "object"}, "settings of the calculation"),
        },
    ),
    "version, inputs with checksums, settings, times",
)
# A limit or goal beside what was found [Gy].
LIMIT = open_object(
    {
        "name": said(TEXT, "of the row of the table"),
        "region": said(TEXT, "what it is held against"),
        "sense": said(maybe(TEXT), "below, or at least"),
        "value_gy": said(maybe(NUMBER), "what was found [Gy]"),
        "limit_gy": said(maybe(NUMBER), "limit or goal [Gy]"),
        "status": said(
            TEXT, "met, not met, unconfirmed (a fact that decides is not stated) or not applicable"
        ),
        "reason": said(maybe(TEXT), "why it is so"),
        "source": said(maybe(TEXT), "document, table and row"),
    }
)
