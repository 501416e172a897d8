"""``y90voxel schema``: what case files and results hold, for editors and programs."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from typer import Argument

__all__ = ["CASE", "case_file_schema", "schema"]

CASE = "case"
# Those of results as `y90voxel.study.result_schemas` has them, which takes longer to load than the help.
NAMES = "metrics, dvh, plan, compare, accumulate, commission, status or course"


def case_file_schema() -> str:
    """Return the JSON Schema of the case file as text; the same as ``docs/case.schema.json``."""
    from y90voxel.case.settings import StudySettings

    document = StudySettings.model_json_schema(by_alias=True)
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "y90voxel case file"}
    return json.dumps(document | described, indent=1, ensure_ascii=False) + "\n"


def schema(
    name: Annotated[str, Argument(metavar="NAME", help=f"{CASE}, or the results {NAMES}.")] = CASE,
) -> None:
    """Print the JSON Schema of the case file, or of a kind of result."""
    if name == CASE:
        text = case_file_schema()
    else:
        from y90voxel.study.result_schemas import result_schema

        text = result_schema(name)
    typer.echo(text, nl=False)
