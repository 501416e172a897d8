"""Dose at the scale of microspheres, one documented pure function each: what voxels of an image average over.

Exploratory. Every number refers to voxels of 0.1 mm (`SCORING_MM`). Every name loads its module on first use.

Examples
--------
>>> import y90voxel as yv
>>> kernel = yv.microscale.scoring_kernel("Y-90")
>>> round(yv.microscale.cv(40.0, 2500.0, kernel), 2)
0.7
"""

from __future__ import annotations

from y90voxel.lazy import load_on_first_use

__getattr__, __dir__, __all__ = load_on_first_use(__name__)
