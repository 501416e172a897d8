"""How far a registration leaves landmarks from each other that somebody marked on both images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.dose_placement import Placement
from y90voxel.errors import InputError, Notice
from y90voxel.volumes.grid import Grid

__all__ = ["Landmark", "with_target_error"]

# The greatest mean target error of 103 registered TARE cases [mm] (Spahr et al. 2019, doi 10.1007/s11548-018-1877-5).
USUAL_MEAN_MM = 5.36
# Landmarks may lie so far outside the dose grid [mm]; chosen: vertebrae and kidneys around a map of the liver.
BESIDE_MM = 150.0


class Landmark(Protocol):
    """A point of the anatomy on both images, in LPS of the frame of each [mm]."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def predicted(self) -> NDArray[np.float64]:
        """On the predicted study's image."""
        ...

    @property
    def delivered(self) -> NDArray[np.float64]:
        """On the delivered study's image."""
        ...


def with_target_error(
    placement: Placement, landmarks: Sequence[Landmark], predicted: Grid, delivered: Grid
) -> Placement:
    """Return a registration with its target error at landmarks.

    Parameters
    ----------
    placement : Placement
        The registration.
    landmarks : sequence of Landmark
        At least one.
    predicted, delivered : Grid
        Of the two doses, near which landmarks must lie.

    Raises
    ------
    InputError
        If landmarks lie far from the doses, or where the registration is not defined.
    """
    names = [one.name for one in landmarks]
    ends = [np.array([getattr(one, side) for one in landmarks], float) for side in ("predicted", "delivered")]
    for side, points, grid in (("predicted", ends[0], predicted), ("delivered", ends[1], delivered)):
        _check_near(names, points, grid, side)
    errors = np.linalg.norm(placement.pull.points(ends[1]) - ends[0], axis=-1)
    beyond = [name for name, error in zip(names, errors, strict=True) if not np.isfinite(error)]
    if beyond:
        raise InputError(
            f"landmarks {', '.join(beyond)} lie where the registration is not defined: a deformation is known around the liver "
            "only. Leave them out, or mark others.",
            tag="--landmarks",
        )
    rigid = None
    if placement.base is not None and placement.rigid is None:
        rigid = np.linalg.norm(placement.base.inverse().points(ends[1]) - ends[0], axis=-1)
    entry = {"count": len(names), "mm": _three(errors), "rigid_mm": None if rigid is None else _three(rigid)}
    entry["points"] = [{"name": name, "mm": float(error)} for name, error in zip(names, errors, strict=True)]
    notices = list(placement.notices)
    mean = float(errors.mean())
    if mean > USUAL_MEAN_MM:
        message = (
            f"the registration leaves {len(names)} landmarks {mean:.1f} mm apart on average ({errors.max():.1f} mm at most), "
            f"more than {USUAL_MEAN_MM:g} mm, the worst of published liver registrations: voxel doses are not better known than "
            "that."
        )
        notices.append(Notice("target-error", message))
    return replace(placement, record={**placement.record, "landmarks": entry}, notices=tuple(notices))


def _check_near(names: Sequence[str], points: NDArray[np.float64], grid: Grid, side: str) -> None:
    """Refuse landmarks that lie nowhere near a dose, most likely of another image or counted the other way."""
    away = _away_mm(points, grid)
    if (away <= BESIDE_MM).all():
        return
    worst = int(away.argmax())
    mirrored = _away_mm(points * np.array((-1.0, -1.0, 1.0)), grid)
    hint = (
        "With x and y the other way they would lie there: the file says LPS where it is RAS, or the reverse."
        if (mirrored <= BESIDE_MM).all()
        else "Give those of this image."
    )
    raise InputError(
        f"the landmark {names[worst]} of the {side} study lies {away[worst]:.0f} mm outside its dose (at "
        f"{', '.join(f'{value:.0f}' for value in points[worst])} mm in LPS). {hint}",
        tag="--landmarks",
    )


def _away_mm(points: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """How far points lie outside a grid [mm]."""
    index = grid.lps_to_index(points)
    outside = np.maximum(np.maximum(-index, index - (np.array(grid.shape) - 1.0)), 0.0)
    return np.asarray(np.linalg.norm(outside * np.array(grid.spacing_mm), axis=-1))


def _three(values: NDArray[np.float64]) -> dict[str, Any]:
    """Mean, 95th percentile and greatest."""
    return {
        "mean": float(values.mean()), "p95": float(np.percentile(values, 95)), "max": float(values.max()),
    }  # fmt: skip
