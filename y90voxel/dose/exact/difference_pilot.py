"""The pilot run of the exact engine: it chooses β of the control variate and how histories are allocated, never the dose.

X is what an electron deposits in the patient, Y what it deposits in the uniform reference medium with the same random numbers;
the engine simulates X - βY, with β E[Y] known by convolution (decision 0022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.exact._difference_loops import run_histories_apart
from y90voxel.dose.exact.reference_media import STRONG, WEAK, SourceGroup, make_starts
from y90voxel.dose.monte_carlo._transport_loops import Geometry, Tables

__all__ = ["Pilot", "importances", "pilot"]

Array = NDArray[np.float64]

# Electrons of each class of sources, those alike in their distance to voxels that differ; chosen: their mean square to 10 %
# where most of them change something.
HISTORIES = 600
# Box around the start in which squares are summed: 30 mm holds nearly all, 8 voxels what matters in small ones.
BOX_MM, BOX_VOXELS = 30.0, 8
# Time of a particle that is followed in both media over that of one that is dropped where they are alike, measured in liver
# beside lung (decision 0022).
COST_OF_PAIR = 6.0
# A class that changed nothing in the pilot may yet: it gets this part of the mean importance.
LEAST_IMPORTANCE = 0.05
MOST_BETA = 1.2  # beyond it an estimate from few histories is taken for noise
KINDS = 4  # of voxels by how they differ from the medium: unchanged, weak, strong, beyond
TARGETS = 3  # kinds of targets: liver, lung, else
# β by kind where the pilot says nothing; in voxels of the uniform medium it must be 1, and beyond it stays 0.
USUAL_BETAS = (1.0, 1.0, 0.0, 0.0)
# Weight of liver, lung and all else among targets: about the part of the time that each gets. Chosen: liver and tumours are
# what is treated, lungs have limits, and fat, bone and air are asked for by few.
TARGET_WEIGHTS = (0.6, 0.3, 0.1)
ROUNDS = 30  # of the allocation, which settles within ten


@dataclass(frozen=True, eq=False)
class Pilot:
    """What the pilot found for one group of sources.

    Parameters
    ----------
    betas : ndarray, (kinds,)
        β of least variance by how a voxel differs; 1 where nothing differs, as X and Y are the same until they diverge, 0 beyond.
    squares : ndarray, (classes, targets)
        Mean square of X - βY of one electron, weighted and summed over the voxels of each kind of target.
    sampled : ndarray, (classes,)
        Electrons of each class that can change something, relative.
    cost : ndarray, (classes,)
        Time of one electron, relative.
    """

    betas: Array
    squares: Array
    sampled: Array
    cost: Array


def pilot(
    group: SourceGroup,
    true: Geometry,
    tables: Tables,
    energies_mev: Array,
    weights: Array,
    targets: NDArray[np.uint8],
    seed: int,
) -> Pilot:
    """Run some electrons of each class of sources.

    Parameters
    ----------
    group : SourceGroup
        The sources.
    true : Geometry
        The patient.
    tables : Tables
        Of the materials.
    energies_mev : ndarray
        Equally likely energies.
    weights : ndarray, (slices, rows, columns)
        Of squares of energies: one over mass and dose, squared.
    targets : ndarray of uint8, (slices, rows, columns)
        Kinds of targets that histories are shared out among.
    seed : int
        Of histories that no other run has.
    """
    spacing = true.edges_mm[:, 2] - true.edges_mm[:, 1]
    half = tuple(min(math.ceil(BOX_MM / s), BOX_VOXELS) for s in spacing)
    x, y = np.zeros(true.density.shape), np.zeros(true.density.shape)
    labels = (KINDS * targets + group.kinds).astype(np.uint8)
    found, sampled, cost = [], [], []
    for number, of_class in enumerate(np.unique(group.classes)):
        chosen = group.classes == of_class
        part = replace(
            group, cells=group.cells[chosen], decays=group.decays[chosen], lowest=group.lowest[chosen],
            classes=group.classes[chosen],
        )  # fmt: skip
        ones = np.ones(len(part.cells))
        starts = make_starts(part, ones, 1, energies_mev, 1.0)._replace(counts=ones)
        moments = np.zeros((TARGETS * KINDS + 1, 3))
        run_histories_apart(
            seed, number * HISTORIES, HISTORIES, starts, true, group.even, group.clearance_mm, tables, x, y,
            weights, labels, half, moments,
        )  # fmt: skip
        x.fill(0.0)
        y.fill(0.0)
        found.append(moments[:-1].reshape(TARGETS, KINDS, 3) / HISTORIES)
        sampled.append(float(part.sampled.sum()))
        cost.append(1.0 + COST_OF_PAIR * moments[-1, 1] / HISTORIES)
    if group.medium is None:
        cost = [COST_OF_PAIR] * len(cost)
    if not found:
        return Pilot(np.array(USUAL_BETAS), np.zeros((0, TARGETS)), np.zeros(0), np.zeros(0))
    betas = _betas(np.array(found), np.array(sampled), group.medium is not None)
    each = np.array(found)
    squares = (each[..., 0] - 2.0 * betas * each[..., 1] + betas**2 * each[..., 2]).sum(axis=2)
    return Pilot(betas, np.maximum(squares, 0.0), np.array(sampled), np.array(cost))


def importances(groups: Sequence[SourceGroup], pilots: Sequence[Pilot]) -> list[Array]:
    """Return the importance of every source: histories go in proportion to decays times it.

    Where the variance of the targets of kind t is V_t = Σ_j A_j² m_jt / n_j, with A_j the electrons of class j of sources, m_jt
    what one of them adds and n_j its histories, Σ_t w_t log V_t is least for its time when

    n_j ∝ A_j (Σ_t w_t m_jt / (V_t c_j))^½ ,

    Neyman's allocation with weights that follow from itself. What each kind of target gains does not depend on whether
    its dose is known to 0.1 % or to 10 %, but on `TARGET_WEIGHTS`.

    Parameters
    ----------
    groups : sequence of SourceGroup
        The sources.
    pilots : sequence of Pilot
        Of each.
    """
    squares = np.concatenate([p.squares for p in pilots])
    sampled = np.concatenate([p.sampled for p in pilots])
    cost = np.concatenate([p.cost for p in pilots])
    kinds = squares.sum(axis=0) > 0.0
    if not kinds.any():
        return [np.ones(len(group.cells)) for group in groups]
    wanted = np.array(TARGET_WEIGHTS)[kinds]
    weights = wanted / (sampled @ squares)[kinds]
    for _ in range(ROUNDS):
        found = np.sqrt(squares[:, kinds] @ weights / cost)
        found = np.maximum(found, LEAST_IMPORTANCE * float(np.average(found, weights=sampled)))
        scale = float(cost @ (sampled * found))
        weights = wanted / ((sampled / found * scale) @ squares[:, kinds])
    result, first = [], 0
    for group in groups:
        names, index = np.unique(group.classes, return_inverse=True)
        result.append(found[first : first + names.size][index])
        first += names.size
    return result


def _betas(found: Array, sampled: Array, paired: bool) -> Array:
    """The β of least variance by how a voxel differs."""
    if not paired:
        return np.zeros(KINDS)
    betas = np.array(USUAL_BETAS)
    sums = np.einsum("c,ctkm->km", sampled, found)
    for kind in (WEAK, STRONG):
        if sums[kind, 2] > 0.0:
            betas[kind] = min(max(sums[kind, 1] / sums[kind, 2], 0.0), MOST_BETA)
    return betas
