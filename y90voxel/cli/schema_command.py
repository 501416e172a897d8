"""``y90voxel schema``: what a case file may hold, for editors and programs."""

from __future__ import annotations

import json

import typer

from y90voxel.case.settings import StudySettings

__all__ = ["case_file_schema", "schema"]


def case_file_schema() -> str:
    """Return the JSON Schema of the case file as text; the same as ``docs/case.schema.json``."""
    document = StudySettings.model_json_schema(by_alias=True)
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "y90voxel case file"}
    return json.dumps(document | described, indent=1, ensure_ascii=False) + "\n"


def schema() -> None:
    """Print the JSON Schema of the case file."""
    typer.echo(case_file_schema(), nl=False)
