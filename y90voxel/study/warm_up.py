"""The sample study run for what it compiles, and not for its results."""

from __future__ import annotations

from pathlib import Path

from y90voxel.case.setting_types import FEWEST_HISTORIES
from y90voxel.case.settings import load_settings
from y90voxel.reference.shipped import shipped_folder
from y90voxel.study.run_dose import run_study
from y90voxel.study.run_plan import run_plan

__all__ = ["ENGINES", "run_sample"]

# Those that compile loops of their own; `local` has none.
ENGINES = ("density", "convolution", "monte-carlo", "exact")


def run_sample(out: Path, engine: str) -> None:
    """Run the sample study with an engine; the first also draws its page and plans, as these compile loops too.

    Parameters
    ----------
    out : Path
        Folder for what is thrown away.
    engine : str
        One of `ENGINES`.
    """
    folder = shipped_folder("sample_data")
    first = engine == ENGINES[0]
    asked = {
        "dose": {"engine": engine},
        "output": {"report": first},
        # all branches of the transport are met in so few
        "monte_carlo": {"histories": FEWEST_HISTORIES, "target_uncertainty": None, "seed": 1},
    }
    settings = load_settings(folder / "case.toml", asked)
    run_study(folder / "study", out / "dose", settings)
    if first:
        run_plan(folder / "study", None, settings)
