"""Formulas and limits of treatment planning, one documented pure function each.

Activities in GBq, masses in kg, doses in Gy, and the dose constant always given: 49.67, 49.77 and 50 Gy·kg/GBq are
one formula with different data, and results with different constants do not compare.

Every name loads its module on first use: a dose needs few of them. A module here is never called what a name is:
the import system would put it in the name's place.
"""

from __future__ import annotations

from y90voxel.lazy import load_on_first_use

__getattr__, __dir__, __all__ = load_on_first_use(__name__)
