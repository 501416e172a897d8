"""A user's script under ``mypy --strict`` sees our types, and is told where it misuses them."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from document_blocks import blocks_of

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
from typing import assert_type

import y90voxel as yv

study = yv.read_study("study")
case = study.case(activity_bq=2.2e9, lung_shunt_fraction=0.06)
assert_type(case, yv.Case)
kernel = yv.voxel_kernel(case.nuclide, case.grid.spacing_mm, "liver")
assert_type(kernel, yv.DoseKernel)
evaluation = yv.verify(case, yv.KernelConvolution(kernel))
assert_type(evaluation, yv.Evaluation)
assert_type(evaluation.dose, yv.DoseMap)
assert_type(evaluation.region("GTV1").mean_gy, float)
assert_type(evaluation.dvh("GTV1"), yv.DoseVolumeHistogram)
assert_type(yv.plan(case, yv.LocalDeposition("Y-90")), yv.Plan)
assert_type(yv.read_image("ct.nii.gz", yv.CtImage), yv.CtImage)
assert_type(yv.from_nibabel(object(), yv.Mask), yv.Mask)
assert_type(yv.read_regions("rois.dcm", case.grid)["Liver"].mask, yv.Mask)
assert_type(yv.nuclide("Y-90").half_life_s, float)
side = yv.ComparedDose.of(evaluation)
assert_type(yv.compare(side, side), yv.Comparison)
assert_type(yv.planning.mird_activity(120, 1.2, 0.05, dose_constant_gy_kg_per_gbq=49.67), float)


class Mine:
    name = "mine"

    def dose(self, tia: yv.TimeIntegratedActivityMap, density: yv.DensityMap | None = None) -> yv.DoseMap:
        return yv.LocalDeposition("Y-90").dose(tia, density)


engine: yv.Engine = Mine()
made: yv.Kernel = kernel
yv.verify(case, engine)
"""

MISTAKES = """
import y90voxel as yv

yv.read_study("study").case(activity_bq=1.0).no_such_name  # attr-defined
yv.no_such_function()  # attr-defined
yv.nuclide(90)  # arg-type


class NoEngine:
    name = "none"

    def dose(self, tia: int) -> float:
        return 0.0


engine: yv.Engine = NoEngine()  # assignment
yv.nuclide("Y-90").half_life_s = 3.0  # misc
"""


def checked(path):
    """Run mypy as a user would, with none of our configuration; its cache is kept beside our own."""
    command = [
        sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
        f"--cache-dir={ROOT / '.mypy_cache' / 'user'}", str(path),
    ]  # fmt: skip
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=path.parent, env=environment, capture_output=True, text=True, timeout=900
    )


def test_types_are_seen_and_mistakes_are_told(tmp_path):
    right, wrong, page = (tmp_path / name for name in ("right.py", "wrong.py", "page.py"))
    right.write_text(SCRIPT, encoding="utf-8")
    done = checked(right)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong.write_text(textwrap.dedent(MISTAKES), encoding="utf-8")
    told = checked(wrong).stdout
    found = {
        int(line): code for line, code in re.findall(r"wrong\.py:(\d+): error: .*\[([\w-]+)\]$", told, re.M)
    }
    expected = {
        n: line.partition("  # ")[2] for n, line in enumerate(MISTAKES.splitlines(), 1) if "  # " in line
    }
    assert found == expected, told
    blocks = [b.text for b in blocks_of("docs/extend.md") if b.language == "python"]
    untyped = "from scipy.ndimage import gaussian_filter"  # has no types of its own
    page.write_text("\n\n".join(blocks).replace(untyped, f"{untyped}  # type: ignore"), encoding="utf-8")
    done = checked(page)
    assert done.returncode == 0, done.stdout + done.stderr
