"""What radioembolization does to blood and lymphocytes: exploratory, no decision may rest on it.

Numbers in and out; each function has its source and units. Every name loads its module on first use.
"""

from __future__ import annotations

from y90voxel.lazy import load_on_first_use

__getattr__, __dir__, __all__ = load_on_first_use(__name__)
