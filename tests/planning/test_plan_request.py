"""What is asked of a plan: times and activity of an order, greatest activities, and vials that can be had."""

from datetime import UTC, datetime, timedelta

import pytest

from y90voxel.errors import InputError
from y90voxel.planning.plan_request import (
    OrderRequest,
    PlanRequest,
    check_given,
    greatest_activities,
    vials_on_offer,
)
from y90voxel.reference.devices import device
from y90voxel.reference.nuclide import nuclide

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HALF_LIFE = timedelta(seconds=nuclide("Y-90").half_life_s)


def order(*calibrated, **more):
    return OrderRequest(NOON, calibrated or (NOON,), **more)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: OrderRequest(NOON, ()), "needs the calibration times on offer"),
        (lambda: order(NOON.replace(tzinfo=None)), "no time zone"),
        (lambda: order(activity_gbq=0.0), "the activity to order must be positive"),
        (lambda: order(activity_gbq=2.0, model="mird"), "give the model or the activity to order, not both"),
        (lambda: PlanRequest(residual_fraction=1.0), "the residual fraction"),
        (lambda: PlanRequest(perfused_dose_gy=0.0), "the dose of the perfused volume must be positive"),
    ],
)
def test_what_cannot_be_asked_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_an_order_is_of_a_model_or_of_an_activity():
    assert order(model="mird").activity_gbq is None
    assert order(activity_gbq=2.0).model is None


@pytest.mark.parametrize(("given", "injections"), [((2.0,), 1), ((2.0,), 3), ((2.0, 3.0, 4.0), 3)])
def test_greatest_activities_are_given_for_all_injections_or_each(given, injections):
    found = greatest_activities(PlanRequest(greatest_gbq=given), "glass", injections)
    assert found == (given if len(given) > 1 else given * injections)


def test_another_number_of_greatest_activities_is_refused():
    with pytest.raises(InputError, match="one for each of 3 injections, got 2"):
        greatest_activities(PlanRequest(greatest_gbq=(2.0, 3.0)), "glass", 3)


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        (None, None, 1e4),
        ("resin", None, 3.0),
        (None, order(NOON - HALF_LIFE), 1e4),
        ("glass", order(NOON - HALF_LIFE), 10.0),
        ("glass", order(NOON - HALF_LIFE, NOON - 2 * HALF_LIFE), 10.0),  # the freshest
        ("glass", order(NOON - HALF_LIFE, NOON + HALF_LIFE), 40.0),
        ("glass", order(NOON - HALF_LIFE, vial_sizes_gbq=(3.0, 5.0)), 2.5),
        ("glass", order(NOON - HALF_LIFE, greatest_age_h=64.0), None),
        ("glass", order(NOON - HALF_LIFE, greatest_age_h=65.0), 10.0),  # it is 64.05 h old
    ],
)
def test_the_greatest_vial_on_offer_is_the_freshest_that_is_young_enough(name, asked, expected):
    request = PlanRequest(order=asked)
    if expected is None:
        with pytest.raises(InputError, match="every calibration on offer is older than 64 h"):
            greatest_activities(request, name, 1)
    else:
        assert greatest_activities(request, name, 2) == pytest.approx((expected, expected))


@pytest.mark.parametrize(
    ("name", "sizes", "offered"),
    [
        ("glass", None, device("glass").vial_sizes_gbq),
        ("glass", (5.0, 3.0, 5.0, 20.0), (3.0, 5.0, 20.0)),
        ("glass", (2.99,), None),
        ("glass", (20.01,), None),
        ("ho166", None, ()),
    ],
)
def test_vials_lie_within_what_the_device_is_sold_in(name, sizes, offered):
    if offered is None:
        with pytest.raises(InputError, match="is not sold"):
            vials_on_offer(order(vial_sizes_gbq=sizes), device(name))
    else:
        assert vials_on_offer(order(vial_sizes_gbq=sizes), device(name)).vial_sizes_gbq == offered


@pytest.mark.parametrize(("which", "refused"), [(0, False), (1, True)])
def test_a_device_made_to_order_has_the_range_of_its_orders(which, refused):
    least, most = device("ho166").order_range_gbq
    size = (most, 1.01 * most)[which]
    if refused:
        with pytest.raises(InputError, match=f"{least:g} to {most:g} GBq"):
            vials_on_offer(order(vial_sizes_gbq=(size,)), device("ho166"))
    else:
        assert vials_on_offer(order(vial_sizes_gbq=(size,)), device("ho166")).vial_sizes_gbq == (size,)


def test_each_activity_is_held_against_its_own_greatest():
    check_given((3.0, 5.0), (3.0, 5.0), "resin")
    with pytest.raises(InputError, match="the activity of injection 1, 5 GBq, is beyond any resin vial"):
        check_given((5.0, 3.0), (3.0, 5.0), "resin")


@pytest.mark.parametrize(
    ("residual", "order", "greatest"),
    [
        (0.0, None, 20.0),
        (0.1, None, 18.0),  # a tenth of the greatest vial of glass stays in vial and lines
        (0.1, {"ages_h": (24.0,)}, 18.0 * 2.0 ** (-24.0 / 64.1)),
        (0.0, {"ages_h": (24.0, 48.0), "greatest_age_h": 24.0}, 20.0 * 2.0 ** (-24.0 / 64.1)),
        (0.0, {"ages_h": (25.0, 24.0), "greatest_age_h": 24.5}, 20.0 * 2.0 ** (-24.0 / 64.1)),
    ],
)
def test_the_greatest_activity_is_that_of_the_freshest_vial_less_its_residual(residual, order, greatest):
    """A vial that is exactly as old as is allowed may be used."""
    asked = None
    if order is not None:
        times = tuple(NOON - timedelta(hours=age) for age in order["ages_h"])
        asked = OrderRequest(NOON, times, order.get("greatest_age_h"))
    found = greatest_activities(PlanRequest(residual_fraction=residual, order=asked), "glass", 2)
    assert found == pytest.approx((greatest, greatest), rel=1e-3)
