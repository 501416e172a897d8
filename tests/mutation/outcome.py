"""What becomes of a study: a dose that can be compared, or a refusal. Anything else is a bug."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from y90voxel.case.verify import verify
from y90voxel.errors import InputError
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.read_study import read_study

# No case may take longer, in seconds; most take a twentieth of one.
LONGEST_S = 10.0
FACTS = {
    "spect": {"administered_activity_bq": 2e9, "lung_shunt_fraction": 0.05},
    "pet": {},
    "enhanced": {},
}


@dataclass(frozen=True)
class Outcome:
    """The dose on its grid and by region, or the message of the refusal."""

    refused: str | None = None
    tag: str | None = None
    dose_gy: np.ndarray | None = None
    affine: np.ndarray | None = None
    regions: dict[str, tuple[float, float]] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def outcome_of(folder: Path, kind: str, **choice) -> Outcome:
    """Run a study to its dose with local deposition; only an InputError counts as a refusal."""
    start = time.perf_counter()
    try:
        study = read_study(folder, **choice)
        case = study.case(automatic=False, **FACTS[kind])
        evaluation = verify(case, build_engine("local", case))
    except InputError as error:
        return Outcome(refused=error.message, tag=error.tag, seconds=time.perf_counter() - start)
    return Outcome(
        dose_gy=evaluation.dose.array,
        affine=evaluation.dose.grid.affine,
        regions={m.name: (m.volume_ml, m.mean_gy) for m in evaluation.regions},
        notices={n.code: n.message for n in evaluation.notices},
        seconds=time.perf_counter() - start,
    )


def differences(
    found: Outcome, expected: Outcome, tolerance: float = 2e-3, besides: Collection[str] = ()
) -> list[str]:
    """Return how an accepted dose differs from the undamaged one; regions that were left out do not count.

    Voxels are compared where both images have them, by their place in the patient.
    """
    told = []
    index = np.linalg.inv(expected.affine) @ found.affine
    shift = np.rint(index[:3, 3])
    same_axes = np.abs(index[:3, :3] - np.eye(3)).max() < 1e-3 and np.abs(index[:3, 3] - shift).max() < 1e-2
    if not same_axes:
        return [f"voxels lie elsewhere: {np.round(index, 3).tolist()}"]
    start = np.maximum(shift, 0).astype(int)
    stop = np.minimum(shift + found.dose_gy.shape, expected.dose_gy.shape).astype(int)
    if (stop <= start).any():
        return ["the images do not overlap"]
    theirs = expected.dose_gy[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    own = start - shift.astype(int)
    ours = found.dose_gy[tuple(slice(a, a + n) for a, n in zip(own, theirs.shape, strict=True))]
    worst = float(np.abs(ours - theirs).max()) / float(expected.dose_gy.max())
    if worst > tolerance:
        told.append(f"the dose differs by {100 * worst:.2f} % of its maximum")
    for name in (found.regions.keys() & expected.regions.keys()) - set(besides):
        for what, one, other in zip(
            ("volume", "mean"), found.regions[name], expected.regions[name], strict=True
        ):
            if abs(one - other) > tolerance * abs(other):
                told.append(f"{what} of {name} is {one:.4g} instead of {other:.4g}")
    return told
