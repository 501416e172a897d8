"""Run batches of histories on threads until there are enough; the result does not depend on the threads.

Batches are a fixed partition of the histories, every history has its own random numbers, and batches are summed
and judged in their order, whatever thread finishes first.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BatchSums", "StopRule", "ordered", "run_batches"]

Array = NDArray[np.float64]
Batch = tuple[Array, Array]
Progress = Callable[[str, float], None]

# A standard deviation from fewer batches is not worth comparing with a target.
FEWEST_BATCHES = 10


@dataclass
class BatchSums:
    """Sums over batches of what each deposited.

    A score is the energy that a batch deposited in each voxel, a tally the energy that it emitted and that escaped.

    Parameters
    ----------
    shape : tuple of int
        Shape of a score.
    weights : dict of str to ndarray
        Regions whose mean dose is followed: weight of each voxel, shape of the score.
    """

    shape: tuple[int, ...]
    weights: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.batches = 0
        self.energy, self.squares = np.zeros(self.shape), np.zeros(self.shape)
        self.tally = np.zeros(2)  # emitted, escaped
        self.regions: dict[str, list[float]] = {name: [] for name in self.weights}

    def add(self, score: Array, tally: Array) -> None:
        """Add one batch; the score may be overwritten afterwards."""
        self.batches += 1
        self.energy += score
        for name, weight in self.weights.items():
            self.regions[name].append(float(np.einsum("ijk,ijk->", weight, score)))
        np.square(score, out=score)
        self.squares += score
        self.tally += tally

    def relative_uncertainty(self) -> Array:
        """Standard uncertainty of the sum over its value; 1 where nothing was deposited or with one batch."""
        if self.batches < 2:
            return np.ones(self.shape)
        n = self.batches
        variance = np.maximum(self.squares - self.energy**2 / n, 0.0) * n / (n - 1)
        hit = self.energy != 0.0
        relative = np.ones(self.shape)
        relative[hit] = np.sqrt(variance[hit]) / np.abs(self.energy[hit])
        return relative

    def region_uncertainty(self) -> dict[str, float]:
        """Relative standard uncertainty of the mean dose of each followed region, correlations included."""
        uncertainties = {}
        for name, sums in self.regions.items():
            values = np.array(sums)
            total = values.sum()
            spread = values.std(ddof=1) * np.sqrt(values.size) if values.size > 1 else abs(total)
            uncertainties[name] = float(spread / abs(total)) if total else 1.0
        return uncertainties


@dataclass(frozen=True)
class StopRule:
    """When a run has enough.

    Parameters
    ----------
    batches : int or None
        Batches at most.
    target : float or None
        Relative uncertainty to reach.
    time_limit_s : float or None
        Wall-clock time; the only rule that makes two runs differ.
    judge : callable
        Gives the relative uncertainty that the target is about, from the sums.
    """

    batches: int | None
    target: float | None
    time_limit_s: float | None
    judge: Callable[[BatchSums], float]

    def met(self, sums: BatchSums, seconds: float) -> bool:
        """Whether to stop after the batches so far."""
        if self.batches is not None and sums.batches >= self.batches:
            return True
        if self.time_limit_s is not None and seconds >= self.time_limit_s and sums.batches > 1:
            return True
        return self._reaches_target(sums)

    def left(self, sums: BatchSums, seconds: float) -> float:
        """Expected seconds until it stops."""
        pace = seconds / sums.batches
        remaining = [] if self.time_limit_s is None else [self.time_limit_s - seconds]
        if self.batches is not None:
            remaining.append(pace * (self.batches - sums.batches))
        if self.target is not None and sums.batches >= FEWEST_BATCHES:
            remaining.append(pace * sums.batches * ((self.judge(sums) / self.target) ** 2 - 1.0))
        return max(min(remaining, default=0.0), 0.0)

    def _reaches_target(self, sums: BatchSums) -> bool:
        """Whether the target is met; looked at after every tenth batch, as judging takes time."""
        if self.target is None or sums.batches % FEWEST_BATCHES:
            return False
        return self.judge(sums) <= self.target


def run_batches(
    batch: Callable[[int, Array, Array], None],
    sums: BatchSums,
    rule: StopRule,
    threads: int,
    progress: Progress | None,
    histories_per_batch: int,
) -> float:
    """Run batches until the rule is met; return the seconds that it took.

    Parameters
    ----------
    batch : callable
        Runs the batch of a number: adds energies to a score and to a tally (`BatchSums`).
    sums : BatchSums
        Filled.
    rule : StopRule
        When to stop.
    threads : int
        Batches at a time.
    progress : callable or None
        Called with a sentence and the finished fraction after each batch.
    histories_per_batch : int
        For the sentence.
    """
    started = time.perf_counter()
    spare: deque[Array] = deque()

    def work(number: int) -> Batch:
        score = spare.pop() if spare else np.zeros(sums.shape)
        score[...] = 0.0
        tally = np.zeros(2)
        batch(number, score, tally)
        return score, tally

    for score, tally in ordered(work, rule.batches, threads):
        sums.add(score, tally)
        spare.append(score)
        seconds = time.perf_counter() - started
        stop = rule.met(sums, seconds)
        if progress is not None:
            left = 0.0 if stop else rule.left(sums, seconds)
            done = 1.0 if stop else seconds / (seconds + left) if seconds + left > 0.0 else 0.0
            count = sums.batches * histories_per_batch
            progress(f"{count:,} histories, {left:.0f} s left", done)
        if stop:
            break
    return time.perf_counter() - started


def ordered(work: Callable[[int], Batch], count: int | None, threads: int) -> Iterator[Batch]:
    """Give the results of work(0), work(1), … in this order, a few ahead of the reader on threads."""
    if threads == 1:
        number = 0
        while count is None or number < count:
            yield work(number)
            number += 1
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Batch]] = deque()
        number = 0
        try:
            while True:
                while len(waiting) <= threads and (count is None or number < count):
                    waiting.append(pool.submit(work, number))
                    number += 1
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
