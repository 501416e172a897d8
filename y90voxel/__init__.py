"""Voxel dosimetry for radioembolization of liver tumours. Research software, not a medical device.

Arrays are ``[slice, row, column]``, positions are patient LPS in millimetres. Importing the package is quick:
every public name loads its module on first use.

Examples
--------
>>> import y90voxel as yv
>>> round(yv.nuclide("Y-90").energy_per_activity_j_per_bq * 1e9, 2)
49.77
"""

from __future__ import annotations

from y90voxel.lazy import load_on_first_use

__getattr__, __dir__, __all__ = load_on_first_use(__name__)
