"""Write ``electron_shells.csv`` in this folder and its checksum: the electrons' energy in shells by this Monte Carlo.

Usage, with the package importable: ``python build_electron_shells.py``; a minute of a core for 15 million decays.
To be run again when cut-offs, steps or physics of the transport change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from y90voxel.dose.exact.difference_run import SETTINGS
from y90voxel.dose.exact.reference_kernel import TABLE, fingerprint, simulated_shells
from y90voxel.reference.nuclide import nuclide

HERE = Path(__file__).resolve().parent
SEED = 20261130
HISTORIES = {"Y-90": 16_000_000, "Ho-166": 5_000_000}
MEDIA = ("water", "soft tissue", "lung")

HEADER = """\
# quantity: energy [MeV] that the electrons of one decay leave in shells around a point source, infinite medium
# how_made: build_electron_shells.py, the transport of y90voxel itself; photons and what they set free left out
# columns: what a use must agree in (mean electron energy, cut-offs, steps, their growth), decays, then eight independent runs
# one after the other, each in 180 shells of 0.1 mm·(g/mL) from the centre
nuclide,medium,transport,histories,energies
"""


def main() -> None:
    """Write the table."""
    lines = []
    for name, histories in HISTORIES.items():
        for medium in MEDIA:
            record = nuclide(name)
            shells = simulated_shells(record, medium, SETTINGS, histories, SEED, None)
            numbers = ",".join(f"{value:.6g}" for value in shells.ravel())
            lines.append(f"{name},{medium},{fingerprint(record, SETTINGS)},{histories},{numbers}\n")
    (HERE / TABLE).write_text(HEADER + "".join(lines), encoding="utf-8")
    index = json.loads((HERE / "index.json").read_text("utf-8"))
    index["sha256"][TABLE] = hashlib.sha256((HERE / TABLE).read_bytes()).hexdigest()
    index["sha256"] = dict(sorted(index["sha256"].items()))
    (HERE / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
