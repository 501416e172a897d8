"""Figures of a cohort."""

import numpy as np
import pytest

from y90voxel.metrics.dose_outcome import survival_by_group
from y90voxel.report.cohort_figures import until_last_seen


@pytest.mark.parametrize(
    ("times", "events", "end", "survival"),
    [
        ((2.0, 5.0, 9.0), (True, True, False), 9.0, 1 / 3),
        ((2.0, 5.0, 9.0), (True, False, True), 9.0, 0.0),
    ],
)
def test_survival_is_drawn_to_the_last_who_was_seen(times, events, end, survival):
    pytest.importorskip("statsmodels")
    groups = survival_by_group([*times, 1.0, 3.0], [*events, True, False], ["a"] * 3 + ["b"] * 2)
    drawn_to, drawn, lower, upper = until_last_seen(groups.curves[0])
    assert drawn_to[-1] == end
    assert drawn[-1] == pytest.approx(survival)
    assert np.all(np.diff(drawn_to) >= 0)
    assert len(lower) == len(upper) == len(drawn) == len(drawn_to)
