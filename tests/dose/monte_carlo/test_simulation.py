"""Batches: order, stopping, and the statistics of their sums."""

import threading
import time

import numpy as np
import pytest

from y90voxel.dose.monte_carlo.simulation import BatchSums, StopRule, ordered, run_batches


def noisy(number, score, tally):
    score += np.random.default_rng(number).normal(5.0, 2.0, score.shape)
    tally += (1.0, 0.0)


def never(sums):
    return 1.0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_whatever_finishes_first(threads):
    def work(number):
        time.sleep(0.002 * (number % 3))
        return np.full(1, float(number)), np.zeros(2)

    assert [score[0] for score, _ in ordered(work, 20, threads)] == list(range(20))


def test_an_error_in_a_batch_is_raised():
    def work(number):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(ordered(work, 3, 2))


def test_a_reader_that_stops_leaves_no_thread_running():
    before = threading.active_count()
    batches = ordered(lambda number: (np.zeros(1), np.zeros(2)), None, 3)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_uncertainty_is_that_of_a_sum_of_independent_batches():
    sums = BatchSums((400, 1, 1))
    run_batches(noisy, sums, StopRule(64, None, None, never), 1, None, 1)
    # Standard deviation 2 in each of 64 batches of mean 5: relative 2/5/8, of the mean of 400 squares within 2 %.
    found = np.sqrt(np.mean(sums.relative_uncertainty() ** 2))
    assert found == pytest.approx(0.05, rel=0.03)
    assert sums.tally.tolist() == [64.0, 0.0]


def test_uncertainty_of_a_region_includes_correlations():
    def together(number, score, tally):
        score += np.random.default_rng(number).normal(5.0, 2.0)  # all voxels alike

    sums = BatchSums((4, 1, 1), {"all": np.ones((4, 1, 1))})
    run_batches(together, sums, StopRule(64, None, None, never), 1, None, 1)
    assert sums.region_uncertainty()["all"] == pytest.approx(
        float(sums.relative_uncertainty()[0, 0, 0]), rel=1e-9
    )


def test_one_batch_and_empty_voxels_are_wholly_uncertain():
    sums = BatchSums(
        (2, 1, 1), {"empty": np.zeros((2, 1, 1)), "first": np.array([1.0, 0.0]).reshape(2, 1, 1)}
    )
    sums.add(np.array([3.0, 0.0]).reshape(2, 1, 1), np.zeros(2))
    assert sums.relative_uncertainty().ravel().tolist() == [1.0, 1.0]
    assert sums.region_uncertainty() == {"empty": 1.0, "first": 1.0}
    sums.add(np.array([3.0, 0.0]).reshape(2, 1, 1), np.zeros(2))
    assert sums.relative_uncertainty().ravel().tolist() == [0.0, 1.0]


def test_a_target_stops_at_the_first_look_that_meets_it():
    sums = BatchSums((1, 1, 1))
    rule = StopRule(None, 0.05, None, lambda s: 1.0 / s.batches)
    run_batches(noisy, sums, rule, 2, None, 1)
    assert sums.batches == 20  # looked at after 10 and 20


def test_a_time_limit_stops():
    sums = BatchSums((1, 1, 1))

    def slow(number, score, tally):
        time.sleep(0.02)
        score += 1.0

    seconds = run_batches(slow, sums, StopRule(None, 1e-4, 0.2, never), 1, None, 1)
    assert 0.2 <= seconds < 2.0
    assert sums.batches >= 2


def test_progress_says_how_much_is_done_and_left():
    said = []

    def slow(number, score, tally):
        time.sleep(0.01)
        noisy(number, score, tally)

    rule = StopRule(12, 0.9, 50.0, lambda s: 5.0)
    run_batches(slow, BatchSums((1, 1, 1)), rule, 1, lambda *a: said.append(a), 500)
    assert said[0][0].startswith("500 histories, ")
    assert said[-1] == ("6,000 histories, 0 s left", 1.0)
    done = [fraction for _, fraction in said]
    assert done[5] == pytest.approx(0.5, abs=0.15)
