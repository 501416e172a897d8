"""Strips of dots: places, axes, labels."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from y90voxel.cohort.cohort import QUANTITIES, StudySummary, outliers
from y90voxel.report.cohort_strips import LABELLED, RADIUS, strips

TUMOUR = QUANTITIES[0]


def strip(values):
    studies = [
        StudySummary(f"s{n}", f"study {n}", "done", link=f"s{n}", values={TUMOUR.key: v})
        for n, v in enumerate(values)
    ]
    (made,) = strips(studies, QUANTITIES, outliers(studies))
    return made


@pytest.mark.parametrize("count", [1, 40, 1000])
def test_dots_lie_in_the_order_of_their_values_and_inside(count):
    values = np.random.default_rng(2).lognormal(5.0, 0.4, count)
    made = strip(values.tolist())
    place = {dot.link: dot.x for dot in made.dots}
    in_order = [place[f"s{n}"] for n in np.argsort(values)]
    assert in_order == sorted(in_order)
    assert 200 <= in_order[0] <= in_order[-1] <= 1130
    assert all(0 < dot.y < made.axis_y for dot in made.dots)
    assert made.height <= 150


def test_dots_do_not_hide_each_other():
    made = strip(np.random.default_rng(3).lognormal(5.0, 0.4, 60).tolist())
    places = np.array([(dot.x, dot.y) for dot in made.dots])
    gaps = np.linalg.norm(places[:, None] - places, axis=-1) + 99 * np.eye(len(places))
    assert gaps.min() > 1.8 * RADIUS


def test_wide_ranges_are_logarithmic_and_narrow_ones_even():
    assert [text for _, text in strip([1.0, 10.0, 50.0]).ticks] == ["1", "2", "5", "10", "20", "50"]
    assert [text for _, text in strip([0.0, 30.0, 58.0]).ticks] == ["0", "10", "20", "30", "40", "50", "60"]
    wide = [float(text) for _, text in strip([1.2, 9e5]).ticks]
    assert wide[0] <= 1.2
    assert wide[-1] >= 9e5


def test_equal_values_have_an_axis():
    made = strip([5.0] * 12)
    assert len({dot.x for dot in made.dots}) == 1
    assert made.ticks[0][0] < made.dots[0].x < made.ticks[-1][0] or made.dots[0].x in [
        x for x, _ in made.ticks
    ]


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(459.4767), min_size=1, max_size=30))
@example([459.4767, np.nextafter(459.4767, 0.0)])
@example([1e-12, 0.0])
@example([-3.0, -3.0])
@settings(max_examples=60)
def test_every_cohort_has_an_axis_that_holds_its_dots(values):
    made = strip(values)
    places = [x for x, _ in made.ticks]
    assert places == sorted(set(places))
    assert len({text for _, text in made.ticks}) == len(places) >= 2
    assert all(places[0] - 0.2 <= dot.x <= places[-1] + 0.2 for dot in made.dots)


def test_the_farthest_outliers_are_labelled_and_drawn_last():
    values = np.random.default_rng(4).lognormal(5.0, 0.1, 40).tolist() + [5000.0 * 2**n for n in range(8)]
    made = strip(values)
    assert [dot.outlier for dot in made.dots] == [False] * 40 + [True] * 8
    assert sorted(dot.label for dot in made.dots if dot.label) == sorted(
        f"study {47 - n}" for n in range(LABELLED)
    )
    assert all(dot.title.endswith(" Gy") for dot in made.dots)


def test_quantities_that_no_study_has_have_no_strip():
    assert strips([StudySummary("a", "a", "failed")], QUANTITIES, ()) == []
