"""Vials held against an order: when they hold it, which limits count, and what is said of each."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_model import rule_model, unavailable
from y90voxel.planning.plan_orders import Order, VialOffer, _notices_of, _OrderInputs, place_orders
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.planning.vials import VialChoice
from y90voxel.reference.devices import device
from y90voxel.regions.roles import Role

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TABLE = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0,)),))
LIMIT = DoseAim("liver limit", "liver", Sense.BELOW, 40.0)
NOW = OrderRequest(NOON, (NOON,))


def vial(size=8.0, at_injection=4.0):
    return VialChoice(size, NOON - DAY, at_injection, at_injection - 2.0, 1e6, 100.0)


def order(*offers, vial_gbq=2.0, half_life_s=86400.0, **more):
    return Order("left", 2.0, vial_gbq, offers, NOON, half_life_s=half_life_s, **more)


def offer(deviation=0.0, *, offered=True, within=True, breaks=()):
    return VialOffer(vial(), 2.0 * (1.0 + deviation), deviation, {}, breaks, offered, within)


@pytest.mark.parametrize(
    ("size", "vial_gbq", "half_life_s", "after"),
    [
        (8.0, 2.0, DAY.total_seconds(), timedelta(days=2)),
        (1.0, 2.0, DAY.total_seconds(), -DAY),
        (8.0, 2.0, 0.0, None),
        (8.0, 0.0, DAY.total_seconds(), None),
        (8.0, 0.5, DAY.total_seconds(), timedelta(days=4)),
    ],
)
def test_a_vial_holds_the_order_when_it_has_decayed_to_it(size, vial_gbq, half_life_s, after):
    expected = None if after is None else NOON - DAY + after
    asked = order(offer(), vial_gbq=vial_gbq, half_life_s=half_life_s)
    assert asked.holds_order_at(vial(size)) == expected
    assert asked.age_h(vial()) == 24.0
    (row,) = order(offer(), half_life_s=half_life_s).as_dict()["vials"]
    assert row["holds_order_at"] == ("2026-03-05T12:00+00:00" if half_life_s else None)
    assert order(offer()).as_dict(dated=False)["vials"][0]["holds_order_at"] is None


def test_an_order_needs_the_device_and_what_is_contraindicated_gets_no_vials():
    model = rule_model("given", "", (2.0,), TABLE, (), basis="as given")
    request = PlanRequest(order=NOW)
    with pytest.raises(InputError, match="an order needs the device"):
        place_orders(request, None, ("left",), model)
    assert place_orders(PlanRequest(), None, ("left",), model) == ((), ())
    assert place_orders(request, None, ("left",), SimpleNamespace(stop="a shunt")) == ((), ())
    ((placed,), _) = place_orders(request, "glass", ("left",), model)
    assert placed.net_gbq == 2.0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (rule_model("given", "as given", (0.0,), TABLE, (), basis="as given"), "as given gives no activity"),
        (unavailable("mird", "one compartment", "no mass"), "one compartment gives no activity"),
    ],
)
def test_an_order_for_a_model_without_activity_is_said_not_to_be_placed(model, said):
    (orders, (notice,)) = place_orders(PlanRequest(order=NOW), "glass", ("left",), model)
    assert (orders, notice.code) == ((), "order-not-placed")
    assert f"no vial is ordered, for {said}" in notice.message


def test_small_activities_are_ordered_in_the_split_of_the_model():
    """0.1 and 0.3 GBq are ordered, or 0.8 GBq as stated in their shares."""
    model = rule_model("given", "", (0.1, 0.3), DoseTable(()), (), basis="as given")
    for stated, nets in ((None, (0.1, 0.3)), (0.8, (0.2, 0.6))):
        request = PlanRequest(order=OrderRequest(NOON, (NOON,), activity_gbq=stated))
        orders, _ = place_orders(request, "glass", ("left", "right"), model)
        assert [one.net_gbq for one in orders] == pytest.approx(nets)


def test_vials_are_held_against_limits_together_where_every_injection_has_one():
    """Three injections of 4.1 GBq within 130 Gy; vials of 4.6 GBq give 138 Gy together."""
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0,) * 3),))
    limit = DoseAim("liver limit", "liver", Sense.BELOW, 130.0)
    model = rule_model("given", "", (4.1,) * 3, table, (limit,), basis="as given")
    inputs = _OrderInputs(NOW, device("glass"), 0.0, model)
    names = ("a", "b", "c")
    best = VialOffer(vial(at_injection=4.6), 4.6, 0.12, {}, (), True, False)
    for last, said in ((best, True), (VialOffer(vial(), 4.6, 0.12, {}, ("x",), False, False), False)):
        orders = [
            Order(name, 4.1, 4.1, (one,), NOON) for name, one in zip(names, (best, best, last), strict=True)
        ]
        found = inputs.notices_of_all(orders, names, (4.1,) * 3)
        assert [notice.code for notice in found] == ["vials-exceed-together"] * said


@pytest.mark.parametrize("stated", [None, 2.0])
@pytest.mark.parametrize("limit_bound", [True, False])
def test_at_least_the_order_is_wanted_unless_a_limit_decided_it(stated, limit_bound):
    inputs = _OrderInputs(
        OrderRequest(NOON, (NOON,), activity_gbq=stated),
        device("glass"),
        0.0,
        SimpleNamespace(limit_bound=limit_bound),
    )
    assert inputs.goal_bound is (stated is not None or not limit_bound)


@pytest.mark.parametrize(
    ("order_gbq", "vial_gbq", "breaks", "offered"),
    [
        (3.0, 3.9, (), True),
        (3.0, 4.1, ("liver limit",), False),
        (4.2, 4.1, ("liver limit",), True),  # the order exceeds it by more, on record
        (4.2, 4.3, ("liver limit",), False),
        (4.2, 3.9, (), True),
    ],
)
def test_a_vial_may_exceed_a_limit_no_further_than_the_order(order_gbq, vial_gbq, breaks, offered):
    model = rule_model("given", "", (order_gbq,), TABLE, (LIMIT,), basis="as given")
    inputs = _OrderInputs(NOW, device("glass"), 0.0, model)
    found = inputs._offer(vial(at_injection=vial_gbq), order_gbq, 0, (order_gbq,))
    assert (found.breaks, found.offered) == (breaks, offered)
    assert found.doses_gy == {"non_tumour_liver": pytest.approx(10.0 * vial_gbq)}
    assert found.deviation == pytest.approx(vial_gbq / order_gbq - 1.0)


def test_a_vial_for_a_stated_activity_without_a_model_is_held_against_no_limit():
    inputs = _OrderInputs(NOW, device("glass"), 0.1, unavailable("mird", "", "no mass is known"))
    found = inputs._offer(vial(at_injection=9.0), 8.0, 0, (8.0,))
    assert (found.offered, found.doses_gy, found.breaks) == (True, {}, ())
    assert (found.net_gbq, found.within_tolerance) == (pytest.approx(8.1), True)


@pytest.mark.parametrize(
    ("offers", "goal_bound", "codes"),
    [
        ((), True, ["no-vial"]),
        ((offer(0.2, offered=False, breaks=("liver limit",)),), True, ["no-vial-within-limits"]),
        ((offer(0.02),), True, []),
        ((offer(0.2, within=False),), True, ["vial-outside-tolerance"]),
        ((offer(-0.02),), True, ["vial-below-order"]),
        ((offer(-0.02),), False, []),
        ((offer(-0.2, within=False),), True, ["vial-outside-tolerance", "vial-below-order"]),
        ((offer(-0.2, within=False),), False, ["vial-outside-tolerance"]),
        ((offer(-0.5e-6),), True, []),
        ((offer(-1.5e-6),), True, ["vial-below-order"]),
    ],
)
def test_what_is_said_of_the_vial_to_take(offers, goal_bound, codes):
    found = _notices_of(order(*offers, goal_bound=goal_bound))
    assert [notice.code for notice in found] == codes


def test_the_entry_of_an_order_is_in_becquerel():
    """An order of 2 GBq net and 2.5 GBq in the vial, and one vial of 8 GBq that holds 4 at injection."""
    entry = order(offer(0.5), vial_gbq=2.5).as_dict()
    assert (entry["net_activity_bq"], entry["vial_activity_at_injection_bq"]) == (2e9, 2.5e9)
    (row,) = entry["vials"]
    found = [row[key] for key in ("size_bq", "activity_at_injection_bq", "surplus_bq", "net_activity_bq")]
    assert found == [8e9, 4e9, 2e9, 3e9]
    assert row["deviation_percent"] == 50.0


def test_the_vial_holds_the_residual_on_top_of_the_order():
    model = rule_model("given", "", (1.8,), TABLE, (), basis="as given")
    for name in ("glass", "ho166"):
        placed = _OrderInputs(NOW, device(name), 0.1, model).order("left", 0, (1.8,))
        assert placed.vial_gbq == pytest.approx(2.0)
        assert placed.best.vial.activity_at_injection_gbq >= 2.0 * (1.0 - 1e-9)


@pytest.mark.parametrize("stated", [None, 500.0])
def test_a_stated_activity_beyond_every_vial_is_refused_and_one_of_a_model_is_said(stated):
    model = rule_model("given", "", (500.0,), TABLE, (), basis="as given")
    request = PlanRequest(order=OrderRequest(NOON, (NOON,), activity_gbq=stated))
    if stated is None:
        ((placed,), notices) = place_orders(request, "ho166", ("left",), model)
        assert (placed.offers, [notice.code for notice in notices]) == ((), ["no-vial"])
    else:
        with pytest.raises(InputError, match=r"no .* vial on offer reaches 500 GBq"):
            place_orders(request, "ho166", ("left",), model)


@pytest.mark.parametrize(("limit_gy", "codes"), [(86.0, ["vials-exceed-together"]), (95.0, [])])
def test_vials_that_keep_a_limit_alone_may_exceed_it_together(limit_gy, codes):
    """Two orders of 4.1 GBq give 82 Gy; a vial of 4.4 GBq beside the other order 85, and two of them 88."""
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 10.0)),))
    limit = DoseAim("liver limit", "liver", Sense.BELOW, limit_gy)
    model = rule_model("given", "", (4.1, 4.1), table, (limit,), basis="as given")
    request = PlanRequest(order=OrderRequest(NOON, (NOON,), vial_sizes_gbq=(4.4,)))
    orders, notices = place_orders(request, "glass", ("left", "right"), model)
    assert [one.best.net_gbq for one in orders] == [4.4, 4.4]
    assert [notice.code for notice in notices] == codes
    alone = rule_model("given", "", (4.1,), TABLE, (), basis="as given")
    assert place_orders(request, "glass", ("left",), alone)[1] == ()


def test_vials_of_a_model_without_activity_are_held_against_nothing_together():
    request = PlanRequest(order=OrderRequest(NOON, (NOON,), activity_gbq=8.0, vial_sizes_gbq=(4.4,)))
    orders, notices = place_orders(request, "glass", ("left", "right"), unavailable("mird", "", "no mass"))
    assert [one.net_gbq for one in orders] == [4.0, 4.0]  # what is stated, in equal parts
    assert "vials-exceed-together" not in [notice.code for notice in notices]


@pytest.mark.parametrize(
    ("stated", "deviations", "first"),
    [
        (2.0, (-0.02, 0.05), 0.05),
        (2.0, (-0.5e-6, 0.05), -0.5e-6),
        (2.0, (-1.5e-6, 0.05), 0.05),
        (None, (-0.05, 0.02), -0.05),
        (None, (-0.05, 0.5e-6), 0.5e-6),
        (None, (-0.05, 1.5e-6), -0.05),
    ],
)
def test_the_vial_on_the_side_that_is_wanted_comes_first(stated, deviations, first):
    """At least the order where it is stated; at most the order where a limit decided it."""
    request = OrderRequest(NOON, (NOON,), activity_gbq=stated)
    inputs = _OrderInputs(request, device("glass"), 0.0, SimpleNamespace(limit_bound=True))
    ranked = sorted((offer(deviation) for deviation in deviations), key=inputs._rank)
    assert ranked[0].deviation == first
    kept = sorted((offer(first, offered=False), offer(0.3)), key=inputs._rank)
    assert kept[0].deviation == 0.3  # whatever its side: the other exceeds a limit
