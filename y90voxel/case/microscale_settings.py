"""Settings of what is said about dose between microspheres; exploratory, off by default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from y90voxel.case.setting_types import Activity, Group, OneOf, Setting, positive
from y90voxel.microscale.cluster_models import known_cluster_models

__all__ = ["MicroscaleSettings"]

COMMANDS = ("dose", "plan")


class MicroscaleSettings(Group):
    """Expected dose at the scale of microspheres, 0.1 mm: exploratory, no decision may rest on it."""

    report: Annotated[
        bool,
        Setting(
            "Expected dose between microspheres (0.1 mm) beside that of the voxels: exploratory.",
            "--microscale",
            ("dose", "plan", "batch"),
            sets=True,
        ),
    ] = False
    activity_per_sphere: Annotated[
        Annotated[Activity, AfterValidator(positive)] | None,
        Setting(
            "Activity of one sphere at injection, such as '340 Bq'; else by device and days.",
            "--sphere-activity",
            COMMANDS,
        ),
    ] = None
    days_since_calibration: Annotated[
        float | None,
        Setting(
            "Days from calibration of the vial to injection; negative before it.",
            "--days-since-calibration",
            COMMANDS,
        ),
    ] = None
    clusters: Annotated[
        Annotated[str, OneOf(known_cluster_models)] | None,
        Setting(
            "How spheres lie together: {choices}.  [default: single, the most even]", "--clusters", COMMANDS
        ),
    ] = None
    places: Annotated[
        Literal["volume", "tracts"],
        Setting(
            "Where clusters lie: {choices} (portal tracts on an even lattice).", "--sphere-places", COMMANDS
        ),
    ] = "volume"
