import math

import pytest

from y90voxel.bounds import check_fraction, check_not_negative, check_positive, exceeds
from y90voxel.errors import InputError


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_positive_quantity_is_positive_and_finite(value):
    with pytest.raises(InputError, match=r"the mass must be positive, got .* kg") as caught:
        check_positive(value, "the mass", "kg", tag="mass")
    assert caught.value.tag == "mass"


@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan])
def test_a_quantity_that_may_be_zero_is_finite(value):
    with pytest.raises(InputError, match="must not be negative"):
        check_not_negative(value, "the dose", "Gy")


@pytest.mark.parametrize(("value", "whole"), [(-0.1, True), (1.1, True), (math.nan, True), (1.0, False)])
def test_a_fraction_lies_between_zero_and_one(value, whole):
    with pytest.raises(InputError, match=r"Give 0.06 for 6 %"):
        check_fraction(value, "the shunt", whole=whole)


def test_what_may_be_passes():
    check_positive(1e-12, "x", "")
    check_not_negative(0.0, "x", "")
    check_fraction(1.0, "x")
    check_fraction(0.999, "x", whole=False)


@pytest.mark.parametrize("bound", [1e-9, 0.1, 12.0, 1e12])
def test_what_equals_a_bound_up_to_rounding_does_not_exceed_it(bound):
    assert not exceeds(bound * (1 + 0.9e-9), bound)
    assert exceeds(bound * (1 + 1.1e-9), bound)
    assert not exceeds(0.5 * bound, bound)
    assert exceeds(1e-300, 0.0)
