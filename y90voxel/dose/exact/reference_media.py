"""The uniform media that sources are compared with, and where the patient differs from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.exact._difference_loops import REACH_MARGIN, Starts
from y90voxel.dose.monte_carlo._transport_loops import Geometry, Tables
from y90voxel.dose.monte_carlo.decay_source import Emission
from y90voxel.dose.monte_carlo.lookup_tables import TransportSettings
from y90voxel.dose.monte_carlo.transport_geometry import inner

__all__ = [
    "STRONG",
    "UNCHANGED",
    "WEAK",
    "SourceGroup",
    "electron_energies",
    "make_starts",
    "source_groups",
    "target_kinds",
]

Array = NDArray[np.float64]

# Materials whose sources are compared with one uniform medium. Those in air are compared with none.
TISSUES = ("adipose", "water", "soft tissue", "bone")
FAMILIES = (("lung",), TISSUES)
# Materials that electrons of one key cross together: their steps differ by a few per cent. Those of bone differ by a third.
ALIKE = {"lung": ("lung",)} | dict.fromkeys(TISSUES[:3], TISSUES[:3]) | {"bone": ("bone",)}
# Single precision of density maps: below it two densities are the same.
SAME_DENSITY = 1e-6
# Up to this difference in density of materials that are alike X and Y stay together beyond the step. Chosen: fat (11 %
# lighter than liver), the noise of a CT in soft tissue (3 %) and its organs lie inside.
WEAK_DIFFERENCE = 0.15
UNCHANGED, WEAK, STRONG, BEYOND = 0, 1, 2, 3  # kinds of target voxels
# Mass depth in voxels that differ much beyond which X and Y have little in common [mm·g/mL]. Chosen: less than a voxel
# of 2.4 mm of tissue. Uniform lung reaches 40 mm into the liver below it, where hardly an electron of the patient's lung comes.
BEYOND_DEPTH = 2.0
LIVER, LUNG, ELSE = 0, 1, 2  # kinds of target voxels that histories are shared out among
NOWHERE_MM = 1e9  # clearance where no voxel differs
# Equally likely energies of a decay's electrons, lines among them; chosen: a line of 1e-4 per decay has 7 of them.
ENERGIES = 1 << 16
# Distances that sources are sorted by, over the longest range; chosen: halves of the dose beyond fall in each.
CLASS_EDGES = (0.0, 0.1, 0.25, 0.45, 0.7)


@dataclass(frozen=True, eq=False)
class SourceGroup:
    """Source voxels that are compared with one uniform medium, or with none.

    Parameters
    ----------
    medium : str or None
        Material of the uniform medium; None: their electrons are simulated as they are.
    density_g_per_ml : float
        Its density [g/mL].
    even : Geometry
        The uniform medium; that of the patient where there is none.
    clearance_mm : ndarray of float32, (slices, rows, columns)
        Distance of any point of a voxel to the next that differs; -1 in one that differs. With the margin, like ``kinds``.
    kinds : ndarray of uint8, (slices, rows, columns)
        How voxels differ from the medium.
    own : ndarray of bool, (slices, rows, columns)
        All its sources, those that cannot change anything too; without the margin.
    cells : ndarray, (n, 3)
        Source voxels that can change something.
    decays : ndarray, (n,)
        Their decays, of either sign.
    lowest : ndarray, (n,)
        Part of the electrons that cannot change anything.
    classes : ndarray, (n,)
        Which sources are alike.
    """

    medium: str | None
    density_g_per_ml: float
    even: Geometry
    clearance_mm: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    own: NDArray[np.bool_]
    cells: NDArray[np.int64]
    decays: Array
    lowest: Array
    classes: NDArray[np.int64]

    @property
    def sampled(self) -> Array:
        """Electrons of each source that are worth a history, relative."""
        return np.asarray(np.abs(self.decays) * (1.0 - self.lowest))


def electron_energies(emitted: Emission) -> tuple[Array, float]:
    """Return equally likely energies of the electrons of a decay, ascending, and how many electrons it has [MeV].

    Parameters
    ----------
    emitted : Emission
        Betas and lines.
    """
    betas = 0.5 * (emitted.betas_mev[1:] + emitted.betas_mev[:-1])
    energies = np.concatenate([betas, emitted.electrons[:, 0]])
    weights = np.concatenate([np.full(betas.size, 1.0 / betas.size), emitted.electrons[:, 1]])
    order = np.argsort(energies, kind="stable")
    cumulative = np.cumsum(weights[order])
    total = float(cumulative[-1])
    middles = (np.arange(ENERGIES) + 0.5) / ENERGIES * total
    chosen = energies[order][np.minimum(np.searchsorted(cumulative, middles), energies.size - 1)]
    # The mean exactly that of the emission: the rest of the sampling is 1e-5.
    chosen *= float(energies @ weights) / total / chosen.mean()
    return chosen, total


def source_groups(
    decays: Array,
    true: Geometry,
    names: tuple[str, ...],
    tables: Tables,
    energies_mev: Array,
    settings: TransportSettings,
) -> list[SourceGroup]:
    """Return the sources by the medium that they are compared with.

    Parameters
    ----------
    decays : ndarray, (slices, rows, columns)
        Decays, without the margin.
    true : Geometry
        The patient, with the margin.
    names : tuple of str
        Materials by their index.
    tables : Tables
        Ranges.
    energies_mev : ndarray
        As `electron_energies` gives them.
    settings : TransportSettings
        The cut-off.
    """
    active = np.pad(decays, 1)
    groups, rest = [], active != 0.0
    for family in FAMILIES:
        members = [index for index, name in enumerate(names) if name in family]
        own = (active != 0.0) & np.isin(true.material, members)
        if own.any():
            rest &= ~own
            groups.append(_compared(active, own, true, names, tables, energies_mev, settings))
    if rest.any():
        groups.append(_alone(active, rest, true))
    return groups


def target_kinds(groups: list[SourceGroup], true: Geometry, names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return which targets are alike when histories are shared out.

    They are voxels that differ little from the liver's medium, lung, and all else.

    Parameters
    ----------
    groups : list of SourceGroup
        Their media.
    true : Geometry
        The patient.
    names : tuple of str
        Materials by their index.
    """
    kinds = np.full(true.density.shape, ELSE, np.uint8)
    for group in groups:
        if group.medium is not None and group.medium != "lung":
            kinds[group.kinds < STRONG] = LIVER
    if "lung" in names:
        kinds[true.material == names.index("lung")] = LUNG
    return kinds


def make_starts(
    group: SourceGroup, importance: Array, count: int, energies_mev: Array, per_decay: float
) -> Starts:
    """Return where histories start: in proportion to decays, electrons that can change something and importance.

    Parameters
    ----------
    group : SourceGroup
        The sources.
    importance : ndarray, (n,)
        Of each; what a history counts for makes up for it.
    count : int
        Histories that stand for all decays.
    energies_mev : ndarray
        As `electron_energies` gives them.
    per_decay : float
        Electrons of a decay.
    """
    weights = group.sampled * importance
    total = float(weights.sum())
    with np.errstate(divide="ignore"):
        counts = np.sign(group.decays) * (total * per_decay / count) / importance
    return Starts(
        np.cumsum(weights), group.cells, counts, group.lowest, energies_mev, int(group.medium is not None)
    )


def _weighted_median(values: NDArray[np.float32], weights: Array) -> float:
    """The value that half of the weight lies below."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])


def _compared(
    active: Array,
    own: NDArray[np.bool_],
    true: Geometry,
    names: tuple[str, ...],
    tables: Tables,
    energies_mev: Array,
    settings: TransportSettings,
) -> SourceGroup:
    """Sources with their uniform medium, the one at the median density of their activity."""
    density = _weighted_median(true.density[own], np.abs(active[own]))
    index = int(true.material[own][np.argmin(np.abs(true.density[own] - density))])
    even = Geometry(
        0, true.edges_mm, np.full_like(true.density, density), np.full_like(true.material, index), 0.0
    )
    relative = np.abs(true.density / density - 1.0)
    same = true.material == index
    alike = np.isin(true.material, [i for i, name in enumerate(names) if name in ALIKE[names[index]]])
    kinds = np.where(alike & (relative <= WEAK_DIFFERENCE), WEAK, STRONG).astype(np.uint8)
    kinds[same & (relative <= SAME_DENSITY)] = UNCHANGED
    spacing = true.edges_mm[:, 2] - true.edges_mm[:, 1]
    clearance = _clearance(kinds != UNCHANGED, spacing)
    to_strong = _clearance(kinds == STRONG, spacing)
    kinds[_clearance(kinds != STRONG, spacing) * true.density > BEYOND_DEPTH] = BEYOND
    cells = np.argwhere(own)
    reach = (
        REACH_MARGIN * 10.0 / density * np.interp(energies_mev, tables.energies, tables.steps[index, :, 6])
    )
    place = clearance[own]
    below = int(np.searchsorted(energies_mev, settings.electron_cutoff_mev, side="right"))
    lowest = np.maximum(np.searchsorted(reach, place, side="right"), below) / energies_mev.size
    edges = np.array(CLASS_EDGES) * reach[-1]
    near, far = (np.searchsorted(edges, np.maximum(c, 0.0)) for c in (place, to_strong[own]))
    classes = near * (edges.size + 1) + far
    kept = lowest < 1.0
    return SourceGroup(
        names[index],
        density,
        even,
        clearance,
        kinds,
        inner(own),
        cells[kept],
        active[own][kept],
        lowest[kept],
        classes[kept],
    )


def _alone(active: Array, own: NDArray[np.bool_], true: Geometry) -> SourceGroup:
    """Sources without a uniform medium."""
    shape = true.density.shape
    count = int(own.sum())
    return SourceGroup(
        None, 0.0, true, np.full(shape, -1.0, np.float32), np.full(shape, STRONG, np.uint8),
        inner(own), np.argwhere(own), active[own], np.zeros(count), np.zeros(count, np.int64),
    )  # fmt: skip


def _clearance(differs: NDArray[np.bool_], spacing_mm: Array) -> NDArray[np.float32]:
    """Least distance between points of a voxel and of the next that differs; -1 in one that differs, 0 in the margin."""
    # deferred: 0.2 s
    from scipy.ndimage import binary_dilation, distance_transform_edt

    if not differs.any():
        return np.full(differs.shape, NOWHERE_MM, np.float32)
    # The gap between two voxels is the distance of the centres less a voxel on each axis where they are apart.
    grown = binary_dilation(differs, np.ones((3, 3, 3), bool))
    clearance = distance_transform_edt(~grown, sampling=tuple(spacing_mm)).astype(np.float32)
    # Voxels of the margin are larger than that; there every step looks at the faces.
    for axis in range(3):
        for end in (0, -1):
            clearance[(slice(None),) * axis + (end,)] = 0.0
    clearance[differs] = -1.0
    return np.asarray(clearance)
